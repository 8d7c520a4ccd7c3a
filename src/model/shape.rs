//! The sizes of a network of any depth, and the place of each weight in theta.

use super::{MAX_PARAMETERS, OneHidden};

/// The most layers of weights P of a network: nine hidden layers and the output.
pub const MAX_LAYERS: usize = 10;

/// The widths N_0 = M, N_1 .. N_P = K of a network of P layers: y_l = W_l h_{l-1}, h_0 = \[1; x\], h_l = \[1; f(y_l)\]
/// and the output z = y_P.
///
/// W_l is N_l x (N_{l-1}+1), column 0 the bias. `theta` = \[vec W_1, .., vec W_P\] holds them one after the other, each
/// column by column. With one hidden layer and one output that is the paper's \[w; v\], the order of [`OneHidden`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// N_0 .. N_P; 0 beyond.
    widths: [usize; MAX_LAYERS + 1],
    /// P.
    layers: usize,
}

/// One layer of weights W_l.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// N_{l-1}, the inputs of the layer without the bias.
    pub inputs: usize,
    /// N_l, its units.
    pub units: usize,
    /// Where vec W_l starts in theta.
    pub start: usize,
}

/// Widths that are no network which engines take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A layer without units.
    #[error("layer {layer} of the network has no units: every layer needs at least one")]
    NoUnits {
        /// Which layer; 0 is the inputs, and the last one the outputs.
        layer: usize,
    },
    /// More layers than are supported.
    #[error("the network has {hidden} hidden layers; at most {} are supported", MAX_LAYERS - 1)]
    TooManyLayers {
        /// How many were asked for.
        hidden: usize,
    },
    /// More parameters than any engine takes.
    #[error("the network has {parameters} parameters; at most {MAX_PARAMETERS} are supported: use narrower layers")]
    TooManyParameters {
        /// D; `usize::MAX` for all that are too many to count.
        parameters: usize,
    },
}

impl Shape {
    /// A network of `inputs` inputs, hidden layers of the widths `hidden` (none for a linear model), and `outputs`
    /// outputs.
    ///
    /// # Errors
    /// [`ShapeError`] for an empty layer, and for more layers or parameters than are supported.
    pub fn new(inputs: usize, hidden: &[usize], outputs: usize) -> Result<Self, ShapeError> {
        let layers = hidden.len() + 1;
        if layers > MAX_LAYERS {
            return Err(ShapeError::TooManyLayers { hidden: hidden.len() });
        }
        let mut widths = [0; MAX_LAYERS + 1];
        for (to, from) in widths.iter_mut().zip([inputs].iter().chain(hidden).chain(&[outputs])) {
            *to = *from;
        }
        if let Some(layer) = widths[..=layers].iter().position(|&width| width == 0) {
            return Err(ShapeError::NoUnits { layer });
        }
        let parameters = widths[..=layers]
            .windows(2)
            .fold(0_usize, |sum, pair| sum.saturating_add(pair[0].saturating_add(1).saturating_mul(pair[1])));
        if parameters > MAX_PARAMETERS {
            return Err(ShapeError::TooManyParameters { parameters });
        }
        Ok(Self { widths, layers })
    }

    /// N_0 .. N_P.
    pub fn widths(&self) -> &[usize] {
        &self.widths[..=self.layers]
    }

    /// M, the number of inputs.
    pub const fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// N_1 .. N_{P-1}, the widths of the hidden layers.
    pub fn hidden(&self) -> &[usize] {
        &self.widths[1..self.layers]
    }

    /// K, the number of outputs.
    pub const fn outputs(&self) -> usize {
        self.widths[self.layers]
    }

    /// W_1 .. W_P.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = Layer> + '_ {
        let mut start = 0;
        self.widths().windows(2).map(move |pair| {
            let layer = Layer { inputs: pair[0], units: pair[1], start };
            start += layer.parameters();
            layer
        })
    }

    /// D, the number of parameters.
    pub fn parameters(&self) -> usize {
        self.layers().map(|layer| layer.parameters()).sum()
    }

    /// M and N, if the network has one hidden layer and one output as the paper's have.
    pub fn one_hidden(&self) -> Option<OneHidden> {
        match *self.widths() {
            [inputs, hidden, 1] => Some(OneHidden::new(inputs, hidden)),
            _ => None,
        }
    }
}

impl From<OneHidden> for Shape {
    fn from(OneHidden { inputs, hidden }: OneHidden) -> Self {
        let mut widths = [0; MAX_LAYERS + 1];
        widths[..3].copy_from_slice(&[inputs, hidden, 1]);
        Self { widths, layers: 2 }
    }
}

impl std::fmt::Display for Shape {
    /// The widths, as `2-8-8-1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths: Vec<String> = self.widths().iter().map(ToString::to_string).collect();
        f.write_str(&widths.join("-"))
    }
}

impl Layer {
    /// (N_{l-1}+1) N_l, the number of weights of the layer.
    pub const fn parameters(&self) -> usize {
        (self.inputs + 1) * self.units
    }

    /// Index of W_l\[a, p\] in theta: unit `a` (from 0), input `p` (0 is the bias, inputs count from 1).
    pub const fn at(&self, a: usize, p: usize) -> usize {
        self.start + p * self.units + a
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LAYERS, Shape, ShapeError};
    use crate::model::{MAX_PARAMETERS, OneHidden};

    #[test]
    fn every_weight_has_its_own_place() {
        for widths in [&[2, 3, 1][..], &[4, 5, 6, 3], &[3, 2], &[1; 11]] {
            let (hidden, outputs) = (&widths[1..widths.len() - 1], widths[widths.len() - 1]);
            let shape = Shape::new(widths[0], hidden, outputs).unwrap();
            let mut seen = vec![0; shape.parameters()];
            for layer in shape.layers() {
                for a in 0..layer.units {
                    (0..=layer.inputs).for_each(|p| seen[layer.at(a, p)] += 1);
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{shape}: {seen:?}");
            assert_eq!((shape.widths(), shape.hidden()), (widths, hidden));
        }
    }

    #[test]
    fn one_hidden_layer_and_one_output_keep_the_places_of_the_paper() {
        let (paper, shape) = (OneHidden::new(4, 3), Shape::new(4, &[3], 1).unwrap());
        assert_eq!((shape.one_hidden(), Shape::from(paper), shape.parameters()), (Some(paper), shape, 19));
        let [hidden, output] = shape.layers().collect::<Vec<_>>()[..] else { panic!("{shape}") };
        for n in 0..3 {
            (0..=4).for_each(|m| assert_eq!(hidden.at(n, m), paper.w(n, m)));
            assert_eq!(output.at(0, n + 1), paper.v(n));
        }
        assert_eq!(output.at(0, 0), paper.v_bias());
        assert_eq!(Shape::new(4, &[3], 2).unwrap().one_hidden(), None);
        assert_eq!(Shape::new(4, &[], 1).unwrap().one_hidden(), None);
        assert_eq!(Shape::new(4, &[3, 3], 1).unwrap().one_hidden(), None);
    }

    #[test]
    fn widths_that_no_engine_takes_are_refused() {
        assert_eq!(Shape::new(2, &[3, 0], 1), Err(ShapeError::NoUnits { layer: 2 }));
        assert_eq!(Shape::new(2, &[3], 0), Err(ShapeError::NoUnits { layer: 2 }));
        assert_eq!(Shape::new(2, &[1; MAX_LAYERS], 1), Err(ShapeError::TooManyLayers { hidden: MAX_LAYERS }));
        assert!(Shape::new(MAX_PARAMETERS - 1, &[], 1).is_ok());
        assert!(Shape::new(MAX_PARAMETERS, &[], 1).is_err());
        assert!(Shape::new(usize::MAX, &[usize::MAX], usize::MAX).is_err());
    }
}
