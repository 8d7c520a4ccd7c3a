//! The sizes of a network with one hidden layer and one output, and the place of each weight in theta.

use serde::{Deserialize, Serialize};

/// The most parameters D that any engine takes for one network: indices on the GPU are 32 bits wide, and the D^2
/// elements of a Hessian must stay addressable.
pub const MAX_PARAMETERS: usize = 1 << 20;

/// Inputs M and hidden units N of a network x -> W h(x) -> f -> V h(r) -> z, with h(x) = \[1; x\].
///
/// `theta` = \[w; v\] holds D = (M+1)N + N+1 parameters: w stacks the columns of W (N x (M+1), column 0 the bias), so
/// w\[m N + n\] = W\[n, m\] with n counted from 0; v = \[v_0, v_1 .. v_N\] with v_0 the output bias (paper, Section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OneHidden {
    /// M, the number of inputs.
    pub inputs: usize,
    /// N, the number of hidden units.
    pub hidden: usize,
}

impl OneHidden {
    /// A network with `inputs` inputs and `hidden` hidden units.
    pub const fn new(inputs: usize, hidden: usize) -> Self {
        Self { inputs, hidden }
    }

    /// D, the number of parameters: (M+1)N + N+1.
    pub const fn parameters(&self) -> usize {
        self.hidden_weights() + self.hidden + 1
    }

    /// (M+1)N, the number of parameters in W; also where v starts in theta.
    pub const fn hidden_weights(&self) -> usize {
        (self.inputs + 1) * self.hidden
    }

    /// Index of W\[n, m\] in theta: hidden unit `n` (from 0), input `m` (0 is the bias, inputs count from 1).
    pub const fn w(&self, n: usize, m: usize) -> usize {
        m * self.hidden + n
    }

    /// Index of the output bias v_0 in theta.
    pub const fn v_bias(&self) -> usize {
        self.hidden_weights()
    }

    /// Index of the output weight of hidden unit `n` (from 0), the paper's v_{n+1}, in theta.
    pub const fn v(&self, n: usize) -> usize {
        self.hidden_weights() + 1 + n
    }
}

#[cfg(test)]
mod tests {
    use super::OneHidden;

    #[test]
    fn offsets_cover_theta_once() {
        let shape = OneHidden::new(2, 3);
        let mut seen = vec![0; shape.parameters()];
        for n in 0..3 {
            for m in 0..=2 {
                seen[shape.w(n, m)] += 1;
            }
            seen[shape.v(n)] += 1;
        }
        seen[shape.v_bias()] += 1;
        assert_eq!(shape.parameters(), 13);
        assert!(seen.iter().all(|&count| count == 1), "{seen:?}");
    }
}
