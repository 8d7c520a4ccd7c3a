//! The derivatives of one sample's loss in the pre-activations of every layer, from which the closed forms are
//! computed: the counterpart in lanes of [`crate::reference::layers::backward`].

use super::errors::Bounded;
use super::samples::{LaneTargets, LayerSamples};
use super::sums::{add_scaled, dot, multiply, multiply_transposed};
use crate::cpu::derivatives::{
    Erf, Gelu, Linear, Logistic, Relu, Sigmoid, Silu, Softplus, Square, Tanh, UnitDerivatives, exp_and_minus_one,
    logistic, softplus,
};
use crate::cpu::lanes::Doubles;
use crate::engine::UNIT;
use crate::model::{Activation, Layer, Network};

/// The relative error of a function of the loss, in units of f64.
const FUNCTION: f64 = 8.0;

/// The networks in the lanes of one vector.
#[derive(Clone, Copy)]
pub(super) struct LaneLayers<'a, F> {
    /// W_1 .. W_P.
    pub(super) layers: &'a [Layer],
    /// f.
    pub(super) activation: Activation,
    /// theta, (D,).
    pub(super) theta: &'a [F],
    /// |theta|.
    pub(super) magnitudes: &'a [F],
}

/// The quantities of one sample. Layers count from 0 here: layer l maps h_l to y_{l+1}. Matrices lie row by row.
pub(super) struct LayerTerms<F> {
    /// h_l = \[1; f(y_l)\], h_0 = \[1; x\].
    pub(super) h: Vec<Vec<F>>,
    /// f' of the units of layer l.
    pub(super) df: Vec<Vec<F>>,
    ddf: Vec<Vec<F>>,
    /// d(omega l)/dy of layer l.
    pub(super) g: Vec<Vec<F>>,
    /// M of the layers l and l + k at place (l, k).
    pub(super) m: Vec<Vec<Vec<F>>>,
    /// R of the layers l and l + k + 1 at place (l, k), empty for k = 0, where R is diag(f') of layer l.
    pub(super) r: Vec<Vec<Vec<F>>>,
    /// omega l.
    pub(super) loss: F,
    /// V F' between layer l and the next.
    steps: Vec<Vec<F>>,
    room: TermRoom<F>,
}

/// Working memory.
struct TermRoom<F> {
    y: Vec<F>,
    back: Vec<F>,
    product: Vec<F>,
    reach: [Vec<F>; 2],
}

/// How far one sample's Hessian may be off.
pub(super) struct LayerErrors<F> {
    /// The errors of h_l, f' and f'' of layer l, entry by entry.
    h: Vec<Vec<F>>,
    df: Vec<Vec<F>>,
    ddf: Vec<Vec<F>>,
    /// Those of y or g of a layer, and of the one below it.
    of_layer: [Vec<F>; 2],
    back: Vec<F>,
    bent: Vec<F>,
    step: Vec<F>,
    /// |g|, ||M_ll|| and ||V F'|| by layer.
    g: Vec<Bounded<F>>,
    curvature: Vec<Bounded<F>>,
    steps: Vec<Bounded<F>>,
    /// The error of omega S, in the Frobenius norm.
    s: F,
    /// The size of the sample's Hessian, and a bound of how far it is off; see
    /// [`crate::reference::layers`]' rounding.
    pub(super) size: F,
    pub(super) perturbation: F,
}

impl<F: Doubles> LayerTerms<F> {
    pub(super) fn new(network: Network) -> Self {
        let zero = F::splat(0.0);
        let layers: Vec<Layer> = network.shape.layers().collect();
        let hidden = &layers[..layers.len() - 1];
        let of_units = |layers: &[Layer]| -> Vec<Vec<F>> { layers.iter().map(|l| vec![zero; l.units]).collect() };
        let widest = network.shape.widths().iter().copied().max().unwrap_or(1);
        let pairs = |l: usize| layers[l..].iter().map(move |_| l);
        let m = |l: usize| {
            pairs(l).enumerate().map(|(k, l)| vec![zero; layers[l].units * layers[l + k].units]).collect::<Vec<_>>()
        };
        let r = |l: usize| {
            let dense = |k: usize| if k == 0 { 0 } else { layers[l].units * layers[l + k].units };
            (0..layers.len() - 1 - l).map(|k| vec![zero; dense(k)]).collect::<Vec<_>>()
        };
        Self {
            h: layers.iter().map(|layer| vec![F::splat(1.0); layer.inputs + 1]).collect(),
            df: of_units(hidden),
            ddf: of_units(hidden),
            g: of_units(&layers),
            m: (0..layers.len()).map(m).collect(),
            r: (0..layers.len()).map(r).collect(),
            loss: zero,
            steps: hidden.iter().zip(&layers[1..]).map(|(l, next)| vec![zero; l.units * next.units]).collect(),
            room: TermRoom {
                y: vec![zero; widest],
                back: vec![zero; widest],
                product: vec![zero; widest * widest],
                reach: [vec![zero; widest * widest], vec![zero; widest * widest]],
            },
        }
    }

    /// tr of layer l's block: |h_l|^2 tr M_ll.
    #[inline(always)]
    pub(super) fn layer_trace(&self, l: usize) -> F {
        let (units, own) = (self.g[l].len(), &self.m[l][0]);
        let mut trace = F::splat(0.0);
        for &element in own.iter().step_by(units + 1) {
            trace += element;
        }
        dot(&self.h[l], &self.h[l]) * trace
    }

    /// Adds dL/dW of every layer, sum g h^T, to `gradient` (D,).
    #[inline(always)]
    pub(super) fn add_gradient(&self, layers: &[Layer], gradient: &mut [F]) {
        for ((layer, h), g) in layers.iter().zip(&self.h).zip(&self.g) {
            let sums = &mut gradient[layer.start..][..layer.parameters()];
            for (&h, sums) in h.iter().zip(sums.chunks_exact_mut(layer.units)) {
                add_scaled(h, g, sums);
            }
        }
    }

    /// Runs the networks on sample `i`. `errors`, if given, receives how far rounding may have moved the terms.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        networks: &LaneLayers<'_, F>,
        samples: &LayerSamples<f64>,
        i: usize,
        mut errors: Option<&mut LayerErrors<F>>,
    ) {
        let LaneLayers { layers, activation, theta, .. } = *networks;
        let (last, inputs) = (layers.len() - 1, samples.inputs + 1);
        for (h, &x) in self.h[0].iter_mut().zip(&samples.x[i * inputs..(i + 1) * inputs]) {
            *h = F::splat(x);
        }
        for (l, layer) in layers.iter().enumerate() {
            let y = &mut self.room.y[..layer.units];
            y.fill(F::splat(0.0));
            for (&h, weights) in self.h[l].iter().zip(theta[layer.start..].chunks_exact(layer.units)) {
                add_scaled(h, weights, y);
            }
            if let Some(errors) = &mut errors {
                errors.of_pre_activations(networks, l, &self.h[l]);
            }
            if l < last {
                match activation {
                    Activation::Linear => self.fill_units::<Linear>(l, errors.as_deref_mut()),
                    Activation::Sigmoid => self.fill_units::<Sigmoid>(l, errors.as_deref_mut()),
                    Activation::Tanh => self.fill_units::<Tanh>(l, errors.as_deref_mut()),
                    Activation::Softplus => self.fill_units::<Softplus>(l, errors.as_deref_mut()),
                    Activation::Gelu => self.fill_units::<Gelu>(l, errors.as_deref_mut()),
                    Activation::Relu => self.fill_units::<Relu>(l, errors.as_deref_mut()),
                    Activation::Silu => self.fill_units::<Silu>(l, errors.as_deref_mut()),
                    Activation::Erf => self.fill_units::<Erf>(l, errors.as_deref_mut()),
                    Activation::Square => self.fill_units::<Square>(l, errors.as_deref_mut()),
                }
            }
        }
        self.fill_loss(samples, i, errors.as_deref_mut());
        for l in (0..last).rev() {
            self.go_back(networks, l, errors.as_deref_mut());
        }
        for l in 0..=last {
            self.reach_up(layers, l);
        }
        if let Some(errors) = errors {
            errors.finish(self, layers);
        }
    }

    /// f, f' and f'' of the units of layer l, whose y are at hand.
    #[inline(always)]
    fn fill_units<A: UnitDerivatives>(&mut self, l: usize, mut errors: Option<&mut LayerErrors<F>>) {
        let (values, df, ddf) = (&mut self.h[l + 1][1..], &mut self.df[l], &mut self.ddf[l]);
        for a in 0..df.len() {
            let y = self.room.y[a];
            let found = A::derivatives(y);
            [values[a], df[a], ddf[a]] = found;
            if let Some(errors) = &mut errors {
                let [of_value, of_df, of_ddf] = A::errors(y, errors.of_layer[0][a], found);
                (errors.h[l + 1][a + 1], errors.df[l][a], errors.ddf[l][a]) = (of_value, of_df, of_ddf);
            }
        }
    }

    /// The loss, g and M of the last layer from z, and the errors of g and S.
    #[inline(always)]
    fn fill_loss(&mut self, samples: &LayerSamples<f64>, i: usize, mut errors: Option<&mut LayerErrors<F>>) {
        let last = self.g.len() - 1;
        let outputs = self.g[last].len();
        let (z, g, s) = (&self.room.y[..outputs], &mut self.g[last], &mut self.m[last][0]);
        let weight = F::splat(samples.weights[i]);
        let zero = F::splat(0.0);
        s.fill(zero);
        let mut loss = zero;
        // In units of f64: what the functions, and the product with the weight, may be off by.
        let function = F::splat((FUNCTION + 1.0) * UNIT);
        match &samples.targets {
            LaneTargets::Signs(signs) => {
                let mut s_error_sq = zero;
                for (k, &sign) in signs[i * outputs..(i + 1) * outputs].iter().enumerate() {
                    let t = z[k] * F::splat(sign);
                    let Logistic { large, small, exponential } = logistic(t);
                    loss += softplus(t, exponential);
                    let curvature = weight * (large * small);
                    s[k * outputs + k] = curvature;
                    g[k] = weight * (t.where_negative(small, large) * F::splat(sign));
                    if let Some(errors) = &mut errors {
                        let moved = curvature * exp_growth(errors.of_layer[0][k]);
                        let most = weight * F::splat(0.25);
                        let s_error = function.mul_add(curvature, moved).at_most(most);
                        errors.of_layer[1][k] = function.mul_add(g[k].abs(), moved.at_most(weight));
                        s_error_sq = s_error.mul_add(s_error, s_error_sq);
                    }
                }
                if let Some(errors) = errors {
                    errors.s = s_error_sq.sqrt();
                }
            }
            LaneTargets::Classes(classes) => {
                let class = classes[i];
                let (mut largest, mut least) = (z[0], z[0]);
                for &z in &z[1..] {
                    (largest, least) = (largest.at_least(z), least.at_most(z));
                }
                // p, without the division.
                let powers = &mut self.room.back[..outputs];
                let mut total = zero;
                for (power, &z) in powers.iter_mut().zip(z) {
                    (*power, _) = exp_and_minus_one(z - largest);
                    total += *power;
                }
                let inverse = F::splat(1.0) / total;
                for (k, g) in g.iter_mut().enumerate() {
                    let mut others = zero;
                    for (j, &power) in powers.iter().enumerate() {
                        if j != k {
                            others += power;
                        }
                    }
                    let (p, rest) = (powers[k] * inverse, others * inverse);
                    for (j, &power) in powers.iter().enumerate() {
                        // p (1 - p) without cancellation: the sum of the others is the complement.
                        let entry = if j == k { p * rest } else { zero - p * (power * inverse) };
                        s[k * outputs + j] = weight * entry;
                    }
                    *g = weight * if k == class { zero - rest } else { p };
                }
                loss = softmax_loss(z, largest, class);
                if let Some(errors) = errors {
                    let mut moved = zero;
                    for &error in &errors.of_layer[0][..outputs] {
                        moved = moved.at_least(error);
                    }
                    let exponent = (largest - least).at_most(F::splat(750.0));
                    let rounded = (exponent + F::splat(FUNCTION + 1.0 + outputs as f64)) * F::splat(UNIT);
                    let relative = exp_growth(moved + moved) + rounded;
                    for (error, &g) in errors.of_layer[1].iter_mut().zip(g.iter()) {
                        *error = (relative * g.abs()).at_most(weight);
                    }
                    let twice = relative.mul_add(relative, relative + relative);
                    errors.s = (twice * dot(s, s).sqrt()).at_most(weight);
                }
            }
            LaneTargets::Values(values) => {
                for (k, &value) in values[i * outputs..(i + 1) * outputs].iter().enumerate() {
                    let delta = z[k] - F::splat(value);
                    loss = delta.mul_add(delta * F::splat(0.5), loss);
                    (g[k], s[k * outputs + k]) = (weight * delta, weight);
                    if let Some(errors) = &mut errors {
                        let rounded = F::splat(2.0 * UNIT) * g[k].abs();
                        errors.of_layer[1][k] = weight.mul_add(errors.of_layer[0][k], rounded);
                    }
                }
                if let Some(errors) = errors {
                    errors.s = F::splat(UNIT) * weight;
                }
            }
        }
        self.loss = weight * loss;
    }

    /// g, M_ll and V F' of layer l from those of the next one.
    #[inline(always)]
    fn go_back(&mut self, networks: &LaneLayers<'_, F>, l: usize, errors: Option<&mut LayerErrors<F>>) {
        let LaneLayers { layers, theta, .. } = *networks;
        let (units, next) = (layers[l].units, layers[l + 1]);
        let weights = &theta[next.start + next.units..][..units * next.units];
        let (df, ddf, step) = (&self.df[l], &self.ddf[l], &mut self.steps[l]);
        let back = &mut self.room.back[..units];
        for (p, weights) in weights.chunks_exact(next.units).enumerate() {
            back[p] = dot(weights, &self.g[l + 1]);
            self.g[l][p] = df[p] * back[p];
            for (a, &weight) in weights.iter().enumerate() {
                step[a * units + p] = weight * df[p];
            }
        }
        let (of_l, of_next) = self.m.split_at_mut(l + 1);
        let product = &mut self.room.product[..next.units * units];
        multiply(&of_next[0][0], next.units, step, units, product);
        multiply_transposed(step, units, product, units, &mut of_l[l][0]);
        for p in 0..units {
            of_l[l][0][p * units + p] += ddf[p] * back[p];
        }
        if let Some(errors) = errors {
            errors.go_back(self, networks, l);
        }
    }

    /// M_lm and R_lm of layer l with all layers above it.
    #[inline(always)]
    fn reach_up(&mut self, layers: &[Layer], l: usize) {
        let units = layers[l].units;
        let [reach, reached] = &mut self.room.reach;
        for m in l + 1..layers.len() {
            let (below, here) = (layers[m].inputs, layers[m].units);
            let (step, to) = (&self.steps[m - 1], &mut reached[..here * units]);
            if m == l + 1 {
                to.copy_from_slice(step);
            } else {
                let from = &reach[..below * units];
                for ((r, &df), from) in
                    self.r[l][m - l - 1].chunks_exact_mut(units).zip(&self.df[m - 1]).zip(from.chunks_exact(units))
                {
                    for (r, &from) in r.iter_mut().zip(from) {
                        *r = df * from;
                    }
                }
                multiply(step, below, from, units, to);
            }
            let (of_l, of_m) = self.m.split_at_mut(l + 1);
            multiply_transposed(to, units, &of_m[m - l - 1][0], here, &mut of_l[l][m - l]);
            std::mem::swap(reach, reached);
        }
    }
}

/// exp(x) - 1 for an error x >= 0, or more; infinite where x is not small.
#[inline(always)]
fn exp_growth<F: Doubles>(x: F) -> F {
    // exp(x) - 1 <= x (1 + x) for 0 <= x <= 1.
    let small = x.mul_add(x, x);
    (x - F::splat(1.0)).where_negative(small, F::splat(f64::INFINITY))
}

/// ln(sum_k exp(z_k - z_t)) of the class t: the largest term is taken out, so that nothing cancels or overflows. The
/// logarithm is plain code, lane by lane: there is one per sample.
fn softmax_loss<F: Doubles>(z: &[F], largest: F, class: usize) -> F {
    let mut loss = F::splat(0.0);
    for lane in 0..F::COUNT {
        let top = largest.values()[lane];
        let mut taken = false;
        let mut others = 0.0;
        for z in z {
            let z = z.values()[lane];
            if !taken && z >= top {
                taken = true;
            } else {
                others += libm::exp(z - top);
            }
        }
        loss.values_mut()[lane] = (top - z[class].values()[lane]) + libm::log1p(others);
    }
    loss
}

impl<F: Doubles> LayerErrors<F> {
    pub(super) fn new(network: Network) -> Self {
        let zero = F::splat(0.0);
        let layers: Vec<Layer> = network.shape.layers().collect();
        let hidden = &layers[..layers.len() - 1];
        let of_units: Vec<Vec<F>> = hidden.iter().map(|layer| vec![zero; layer.units]).collect();
        let widest = network.shape.widths().iter().copied().max().unwrap_or(1);
        let nothing = Bounded { size: zero, error: zero };
        Self {
            // The leading 1 and the inputs are exact.
            h: layers.iter().map(|layer| vec![zero; layer.inputs + 1]).collect(),
            df: of_units.clone(),
            ddf: of_units,
            of_layer: [vec![zero; widest], vec![zero; widest]],
            back: vec![zero; widest],
            bent: vec![zero; widest],
            step: vec![zero; widest * widest],
            g: vec![nothing; layers.len()],
            curvature: vec![nothing; layers.len()],
            steps: vec![nothing; hidden.len()],
            s: zero,
            size: zero,
            perturbation: zero,
        }
    }

    /// The errors of y of layer l.
    #[inline(always)]
    fn of_pre_activations(&mut self, networks: &LaneLayers<'_, F>, l: usize, h: &[F]) {
        let layer = &networks.layers[l];
        let rounded = F::splat((layer.inputs + 1) as f64 * UNIT);
        let errors = &mut self.of_layer[0][..layer.units];
        errors.fill(F::splat(0.0));
        let weights = networks.magnitudes[layer.start..].chunks_exact(layer.units);
        for ((&h, &h_error), weights) in h.iter().zip(&self.h[l]).zip(weights) {
            add_scaled(rounded.mul_add(h.abs(), h_error), weights, errors);
        }
    }

    /// The errors of what [`LayerTerms::go_back`] finds for layer l; `of_layer[1]` holds those of g of the next layer.
    #[inline(always)]
    fn go_back(&mut self, terms: &LayerTerms<F>, networks: &LaneLayers<'_, F>, l: usize) {
        let LaneLayers { layers, magnitudes, .. } = *networks;
        let (units, next, last) = (layers[l].units, layers[l + 1], layers.len() - 1);
        if l + 1 == last {
            self.g[last] = Bounded::norm(&terms.g[last], &self.of_layer[1][..next.units]);
            self.curvature[last] = Bounded { size: dot(&terms.m[last][0], &terms.m[last][0]).sqrt(), error: self.s };
        }
        let unit = F::splat(UNIT);
        let rounded = F::splat(next.units as f64 * UNIT);
        let weights = &magnitudes[next.start + next.units..][..units * next.units];
        for (p, weights) in weights.chunks_exact(next.units).enumerate() {
            let (mut size, mut error) = (F::splat(0.0), F::splat(0.0));
            for ((&weight, &g), &g_error) in weights.iter().zip(&terms.g[l + 1]).zip(&self.of_layer[1]) {
                size = weight.mul_add(g.abs(), size);
                error = weight.mul_add(g_error, error);
            }
            let error = rounded.mul_add(size, error);
            let back = terms.room.back[p].abs();
            let (df, ddf) = (terms.df[l][p].abs(), terms.ddf[l][p].abs());
            self.back[p] = self.df[l][p].mul_add(back + error, df.mul_add(error, unit * (df * back)));
            self.bent[p] = self.ddf[l][p].mul_add(back + error, ddf.mul_add(error, unit * (ddf * back)));
            for (a, &weight) in weights.iter().enumerate() {
                self.step[a * units + p] = weight * unit.mul_add(df, self.df[l][p]);
            }
        }
        let step = Bounded::norm(&terms.steps[l], &self.step[..units * next.units]);
        let mut bent_size = F::splat(0.0);
        for (&ddf, &back) in terms.ddf[l].iter().zip(&terms.room.back) {
            bent_size = (ddf * back).mul_add(ddf * back, bent_size);
        }
        let bent = Bounded { size: bent_size.sqrt(), error: dot(&self.bent[..units], &self.bent[..units]).sqrt() };
        let moved = step.times(self.curvature[l + 1], next.units).times(step, next.units).plus(bent);
        self.curvature[l] = Bounded { size: dot(&terms.m[l][0], &terms.m[l][0]).sqrt(), error: moved.error };
        self.g[l] = Bounded::norm(&terms.g[l], &self.back[..units]);
        self.steps[l] = step;
        self.of_layer[1][..units].copy_from_slice(&self.back[..units]);
    }

    /// The size and the perturbation of the sample's Hessian.
    #[inline(always)]
    fn finish(&mut self, terms: &LayerTerms<F>, layers: &[Layer]) {
        let last = layers.len() - 1;
        if last == 0 {
            self.g[0] = Bounded::norm(&terms.g[0], &self.of_layer[1][..layers[0].units]);
            self.curvature[0] = Bounded { size: dot(&terms.m[0][0], &terms.m[0][0]).sqrt(), error: self.s };
        }
        let (mut size_sq, mut error_sq) = (F::splat(0.0), F::splat(0.0));
        for l in 0..=last {
            let h = Bounded::norm(&terms.h[l], &self.h[l]);
            let own = h.times(h, 0).times(self.curvature[l], 0);
            size_sq = own.size.mul_add(own.size, size_sq);
            error_sq = own.error.mul_add(own.error, error_sq);
            let mut reach = Bounded { size: F::splat(1.0), error: F::splat(0.0) };
            for (m, layer) in layers.iter().enumerate().skip(l + 1) {
                let df = Bounded::norm(&terms.df[m - 1], &self.df[m - 1]);
                let (fed, reached) = if m == l + 1 {
                    (df, self.steps[l])
                } else {
                    let r = &terms.r[l][m - l - 1];
                    let fed = Bounded { size: dot(r, r).sqrt(), error: df.times(reach, 0).error };
                    (fed, self.steps[m - 1].times(reach, layer.inputs))
                };
                let moved = reached.times(self.curvature[m], layer.units);
                let across = &terms.m[l][m - l];
                let curvature = Bounded { size: dot(across, across).sqrt(), error: moved.error };
                let units = Bounded::norm(&terms.h[m], &self.h[m]);
                let block = h.times(units.times(curvature, 0).plus(fed.times(self.g[m], 0)), 0);
                size_sq = (block.size + block.size).mul_add(block.size, size_sq);
                error_sq = (block.error + block.error).mul_add(block.error, error_sq);
                reach = reached;
            }
        }
        (self.size, self.perturbation) = (size_sq.sqrt(), error_sq.sqrt());
    }
}
