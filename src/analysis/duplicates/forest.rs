//! A growing spatial index of the kept points, which finds those nearer to a given point than a radius.
//!
//! A few k-d trees with tight bounding boxes, each at least four times as large as the next (Bentley and Saxe 1980): new points make
//! a tree of their own, which takes in the smaller ones before it. It is written by hand because the number of dimensions is known at run
//! time only, and because leaves are blocks of lanes.

use multiversion::multiversion;

use super::distances::{Blocks, LANES, squares_below};
use super::rows::PointSet;

/// Points of a leaf: two blocks of lanes.
const LEAF: usize = 2 * LANES;

/// How many points of a node are looked at to choose the coordinate that splits it.
const PROBES: usize = 64;

/// Coordinates of a box that are summed side by side.
const BOX_LANES: usize = 8;

/// How many times as large as the next tree a tree must be.
const GROWTH: usize = 4;

/// The kept points.
#[derive(Debug)]
pub(super) struct Forest<'a> {
    rows: PointSet<'a>,
    /// The larger trees first.
    trees: Vec<Tree>,
}

impl<'a> Forest<'a> {
    pub(super) fn new(rows: PointSet<'a>) -> Self {
        Self { rows, trees: Vec::new() }
    }

    /// Adds the points of these indices.
    pub(super) fn insert(&mut self, mut indices: Vec<u32>) {
        if indices.is_empty() {
            return;
        }
        while let Some(tree) = self.trees.pop_if(|tree| tree.order.len() < GROWTH * indices.len()) {
            indices.extend(tree.order);
        }
        self.trees.push(Tree::new(self.rows, indices));
    }

    /// The least index among the forest's points that are nearer to `x` than `radius` and for which `holds` is true.
    pub(super) fn first_neighbour(&self, x: &[f32], radius: f64, holds: impl Fn(u32) -> bool) -> Option<u32> {
        let mut wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        wide.resize(wide.len().next_multiple_of(BOX_LANES), 0.0);
        let mut found = None;
        for tree in &self.trees {
            tree.first_neighbour(x, &wide, radius, &holds, &mut found);
        }
        found
    }
}

#[derive(Debug)]
struct Tree {
    /// The points' indices, those of a leaf together.
    order: Vec<u32>,
    /// The points in that order.
    blocks: Blocks,
    /// Every node is followed by its left child.
    nodes: Vec<Node>,
    /// The bounding box of every node: the low ends of its coordinates, filled up to a multiple of [`BOX_LANES`], then
    /// the high ends.
    boxes: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Where its points start in the order; a multiple of [`LEAF`].
    start: u32,
    /// How many points it has.
    count: u32,
    /// The right child; 0 for a leaf.
    right: u32,
}

impl Tree {
    fn new(rows: PointSet<'_>, mut order: Vec<u32>) -> Self {
        let mut building = Building { rows, nodes: Vec::new(), boxes: Vec::new() };
        building.add(&mut order, 0);
        let Building { nodes, boxes, .. } = building;
        Self { blocks: Blocks::new(rows, &order), order, nodes, boxes }
    }

    /// Puts the least index of the tree's neighbours of `x` into `found`, unless what is there is less.
    fn first_neighbour(
        &self,
        x: &[f32],
        wide: &[f64],
        radius: f64,
        holds: &impl Fn(u32) -> bool,
        found: &mut Option<u32>,
    ) {
        let limit = radius * radius;
        let mut pending = vec![0_usize];
        while let Some(index) = pending.pop() {
            let corners = &self.boxes[2 * wide.len() * index..2 * wide.len() * (index + 1)];
            let (low, high) = corners.split_at(wide.len());
            // The box's own sum rounds in another order than the distances.
            if square_to_box(wide, low, high) * (1.0 - 1e-9) > limit {
                continue;
            }
            let node = self.nodes[index];
            if node.right != 0 {
                pending.push(node.right as usize);
                pending.push(index + 1);
                continue;
            }
            let first = node.start as usize / LANES;
            for b in first..first + (node.count as usize).div_ceil(LANES) {
                let Some(squares) = squares_below(x, self.blocks.block(b), limit) else { continue };
                // The filling of the last block is infinitely far away.
                for (lane, _) in squares.iter().enumerate().filter(|(_, square)| square.sqrt() < radius) {
                    let index = self.order[b * LANES + lane];
                    if found.is_none_or(|found| index < found) && holds(index) {
                        *found = Some(index);
                    }
                }
            }
        }
    }
}

/// The squared distance of `x` to the nearest point of a box.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2", "aarch64+neon"))]
fn square_to_box(x: &[f64], low: &[f64], high: &[f64]) -> f64 {
    let mut sums = [0.0; BOX_LANES];
    let ends = low.chunks_exact(BOX_LANES).zip(high.chunks_exact(BOX_LANES));
    for (x, (low, high)) in x.chunks_exact(BOX_LANES).zip(ends) {
        for l in 0..BOX_LANES {
            let outside = (low[l] - x[l]).max(x[l] - high[l]).max(0.0);
            sums[l] += outside * outside;
        }
    }
    sums.iter().sum()
}

/// A tree while its nodes are added, parents before children.
struct Building<'a> {
    rows: PointSet<'a>,
    nodes: Vec<Node>,
    boxes: Vec<f64>,
}

impl Building<'_> {
    /// Adds the node of the points in `order`, which stand at `start` of the whole order, and those below it.
    fn add(&mut self, order: &mut [u32], start: usize) -> usize {
        let index = self.nodes.len();
        let width = self.rows.dimensions.next_multiple_of(BOX_LANES);
        self.nodes.push(Node { start: start as u32, count: order.len() as u32, right: 0 });
        self.boxes.resize(2 * width * (index + 1), 0.0);
        if order.len() <= LEAF {
            for d in 0..self.rows.dimensions {
                let (low, high) = self.extent(order, 1, d);
                self.boxes[2 * width * index + d] = low;
                self.boxes[2 * width * index + width + d] = high;
            }
            return index;
        }
        let widest = self.widest(order);
        let middle = (order.len() / 2).next_multiple_of(LEAF);
        let rows = self.rows;
        let coordinate = |i: u32| rows.row(i as usize)[widest];
        order.select_nth_unstable_by(middle, |&a, &b| coordinate(a).total_cmp(&coordinate(b)).then(a.cmp(&b)));
        let (left, right) = order.split_at_mut(middle);
        let left = self.add(left, start);
        let right = self.add(right, start + middle);
        self.nodes[index].right = right as u32;
        for k in 0..2 * width {
            let (a, b) = (self.boxes[2 * width * left + k], self.boxes[2 * width * right + k]);
            self.boxes[2 * width * index + k] = if k < width { a.min(b) } else { a.max(b) };
        }
        index
    }

    /// The coordinate in which a sample of the points lies farthest apart.
    fn widest(&self, order: &[u32]) -> usize {
        let step = order.len().div_ceil(PROBES);
        let spread = |d: usize| {
            let (low, high) = self.extent(order, step, d);
            high - low
        };
        (0..self.rows.dimensions).max_by(|&a, &b| spread(a).total_cmp(&spread(b))).unwrap_or(0)
    }

    /// The least and the largest coordinate d of every `step`-th point.
    fn extent(&self, order: &[u32], step: usize, d: usize) -> (f64, f64) {
        order.iter().step_by(step).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &i| {
            let x = f64::from(self.rows.row(i as usize)[d]);
            (low.min(x), high.max(x))
        })
    }
}
