//! Where the evaluation of networks of any depth keeps what belongs to a layer, and how it cuts the Hessian into tiles.

use crate::engine::EngineError;
use crate::model::{Layer, Shape};

/// What shaders/parts/layer_places.wgsl knows of a layer.
pub(super) const LAYER_PLACES: usize = 5;

/// What shaders/parts/layer_entries.wgsl knows of an item, and four numbers more that say where it stands in H.
pub(super) const ITEM_FIELDS: usize = 16;

/// The most items: their table takes 256 MiB.
const MOST_ITEMS: usize = 1 << 22;

/// The entries along a side of a tile.
const SIDE: usize = 4;

/// Where things stand, for networks of one shape. Layers count from 0.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) layers: Vec<Layer>,
    /// M of the layers l <= m, and E of the layers l < m, at \[l\]\[m\]. 0 for others.
    matrices: Vec<Vec<[usize; 2]>>,
    /// The elements of all of them.
    pub(super) pair_elements: usize,
}

impl Places {
    pub(super) fn of(shape: Shape) -> Self {
        let layers: Vec<Layer> = shape.layers().collect();
        let mut matrices = vec![vec![[0; 2]; layers.len()]; layers.len()];
        let mut next = 0;
        for (l, row) in matrices.iter_mut().enumerate() {
            for (m, places) in row.iter_mut().enumerate().skip(l) {
                let size = layers[l].units * layers[m].units;
                *places = [next, next + size];
                next += if l == m { size } else { 2 * size };
            }
        }
        Self { layers, matrices, pair_elements: next }
    }

    /// The units of all layers.
    pub(super) fn all_units(&self) -> usize {
        self.layers.iter().map(|layer| layer.units).sum()
    }

    /// The rows of h, each layer's with its leading 1.
    pub(super) fn units_fed(&self) -> usize {
        self.layers.iter().map(|layer| layer.inputs + 1).sum()
    }

    /// The rows of h, g and f'.
    pub(super) fn unit_rows(&self) -> usize {
        let outputs = self.layers.last().map_or(0, |layer| layer.units);
        self.units_fed() + 2 * self.all_units() - outputs
    }

    /// The values of each sample: loss, size, perturbation, and the trace of each layer.
    pub(super) fn output_terms(&self) -> usize {
        3 + self.layers.len()
    }

    /// How often a value below 2^-126 may be lost on the way to the entries of one sample's Hessian, times that: each
    /// of D^2 entries goes through the products of at most three matrices, and their error is in the Frobenius norm.
    pub(super) fn lost(&self) -> f32 {
        let widths = (self.units_fed() + self.all_units()) as f32;
        let parameters: usize = self.layers.iter().map(|layer| layer.parameters()).sum();
        widths.powi(3) * parameters as f32 * f32::MIN_POSITIVE
    }

    /// As shaders/parts/layer_places.wgsl reads them.
    pub(super) fn table(&self) -> Vec<u32> {
        let (mut unit, mut row) = (0, 0);
        let mut table = Vec::new();
        for layer in &self.layers {
            table.extend([layer.inputs, layer.units, layer.start, unit, row]);
            unit += layer.units;
            row += layer.inputs + 1;
        }
        table.extend(self.matrices.iter().flatten().flatten());
        table.into_iter().map(|place| place as u32).collect()
    }

    /// The number of items that the Hessian is cut into.
    ///
    /// # Errors
    /// [`EngineError::Limit`] if they are too many for their table.
    pub(super) fn items(&self) -> Result<usize, EngineError> {
        let mut count: u128 = 0;
        for (l, m) in self.layer_pairs() {
            let [below, above] = [l, m].map(|l| self.layers[l]);
            let [rows, columns] = [below, above].map(|layer| (layer.inputs + 1).div_ceil(SIDE) as u128);
            let [a, b] = [below, above].map(|layer| layer.units as u128);
            count += if l == m {
                a * (a - 1) / 2 * rows * columns + a * rows * (rows + 1) / 2
            } else {
                a * b * rows * columns
            };
        }
        usize::try_from(count).ok().filter(|&count| count <= MOST_ITEMS).ok_or_else(|| {
            EngineError::Limit(format!(
                "the Hessian of this many units and inputs has {count} tiles, and the GPU engine takes at most \
                 {MOST_ITEMS} for networks of any depth: use narrower layers, or --backend cpu"
            ))
        })
    }

    /// The items as shaders/parts/layer_entries.wgsl reads them, in order.
    pub(super) fn item_table(&self) -> Vec<u32> {
        let mut table = Vec::new();
        for (l, m) in self.layer_pairs() {
            let [below, above] = [l, m].map(|l| self.layers[l]);
            for a in 0..below.units {
                for b in if l == m { a } else { 0 }..above.units {
                    let same = l == m && a == b;
                    for p in (0..=below.inputs).step_by(SIDE) {
                        for q in (if same { p } else { 0 }..=above.inputs).step_by(SIDE) {
                            table.extend(self.item((l, m), (a, b), (p, q)).map(|field| field as u32));
                        }
                    }
                }
            }
        }
        table
    }

    /// The pairs of layers l <= m.
    fn layer_pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.layers.len();
        (0..count).flat_map(move |l| (l..count).map(move |m| (l, m)))
    }

    /// The tile of the inputs from `p` and `q` on, between unit `a` of layer `l` and unit `b` of layer `m`.
    fn item(&self, (l, m): (usize, usize), (a, b): (usize, usize), (p, q): (usize, usize)) -> [usize; ITEM_FIELDS] {
        let [below, above] = [l, m].map(|l| self.layers[l]);
        let h_row = |l: usize| self.layers[..l].iter().map(|layer| layer.inputs + 1).sum::<usize>();
        let first_unit = |l: usize| self.layers[..l].iter().map(|layer| layer.units).sum::<usize>();
        let g_rows = self.units_fed();
        let df_rows = g_rows + self.all_units();
        let left_count = SIDE.min(below.inputs + 1 - p);
        let right_count = SIDE.min(above.inputs + 1 - q);
        // The first column that a unit feeds: the bias has none. Columns count from the tile's first.
        let first_fed = usize::from(q == 0);
        // The row of f' of column 0 is that of a unit before the first where this is the bias; it is never read then.
        let (kind, df, e, e_stride) = match m - l {
            0 => (0, 0, 0, 0),
            1 => {
                // The column of unit a, whose input is a + 1.
                let column = if (q..q + right_count).contains(&(a + 1)) { a + 1 - q } else { SIDE };
                (1, df_rows + first_unit(l) + a, column, 0)
            }
            _ => {
                let e = self.matrices[l][m - 1][1];
                let unit = q + first_fed - 1;
                let df = df_rows + first_unit(m - 1) + unit;
                (2, df - first_fed, e + unit * below.units + a - first_fed * below.units, below.units)
            }
        };
        // A tile of a unit with itself that is off the diagonal has its mirror image; those of two units have it all.
        let same = l == m && a == b;
        let times = if same && p == q { 1 } else { 2 };
        [
            h_row(l) + p,
            left_count,
            h_row(m) + q,
            right_count,
            self.matrices[l][m][0] + a * above.units + b,
            g_rows + first_unit(m) + b,
            kind,
            df,
            e,
            e_stride,
            first_fed,
            times,
            below.at(a, p),
            below.units,
            above.at(b, q),
            above.units,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{ITEM_FIELDS, Places, SIDE};
    use crate::model::Shape;

    /// Every entry of H is in a tile or is the mirror image of one, as often as the tile says that it counts.
    #[test]
    fn items_cover_the_hessian_once() {
        for widths in [&[2, 3][..], &[2, 3, 1], &[3, 5, 4, 2], &[1, 2, 9, 3, 2]] {
            let shape = Shape::new(widths[0], &widths[1..widths.len() - 1], widths[widths.len() - 1]).unwrap();
            let places = Places::of(shape);
            let parameters = shape.parameters();
            let mut seen = vec![0; parameters * parameters];
            let table = places.item_table();
            assert_eq!(table.len(), places.items().unwrap() * ITEM_FIELDS);
            for item in table.chunks_exact(ITEM_FIELDS) {
                let item: Vec<usize> = item.iter().map(|&field| field as usize).collect();
                let diagonal = item[12] == item[14];
                assert_eq!(item[11], if diagonal { 1 } else { 2 });
                for p in 0..item[1] {
                    for q in 0..item[3] {
                        let (row, column) = (item[12] + p * item[13], item[14] + q * item[15]);
                        seen[row * parameters + column] += 1;
                        if !diagonal {
                            seen[column * parameters + row] += 1;
                        }
                    }
                }
                assert!(item[1] <= SIDE && item[3] <= SIDE);
            }
            assert!(seen.iter().all(|&count| count == 1), "{shape}: {seen:?}");
        }
    }
}
