//! The columns of a run: what each row says about one network.

use serde::{Deserialize, Serialize};

use crate::bounds::{Bracket, LayerBounds, NetworkBounds, WidenedBounds, widened_bounds};
use crate::engine::{Evaluation, LayerTraces, Status};
use crate::model::{Loss, Reduction, Shape, Theta};
use crate::reference::layers::GaussNewton;
use crate::spec::{Keep, Spec, Work};

/// An element type of a column, named as in NumPy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// u8.
    Uint8,
    /// u32.
    Uint32,
    /// u64.
    Uint64,
    /// f32.
    Float32,
    /// f64.
    Float64,
}

/// One column: a file NAME.npy with S rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The file's stem.
    pub name: String,
    /// Its element type.
    pub dtype: Dtype,
    /// Elements per row; `None` for a plain (S,) column.
    pub width: Option<usize>,
    /// What the values are.
    pub meaning: String,
}

/// Rows of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// u8 rows.
    Uint8(Vec<u8>),
    /// u32 rows.
    Uint32(Vec<u32>),
    /// u64 rows.
    Uint64(Vec<u64>),
    /// f32 rows, row-major if the column is wide.
    Float32(Vec<f32>),
    /// f64 rows, row-major if the column is wide.
    Float64(Vec<f64>),
}

impl Values {
    /// The values of type `dtype` in `bytes`, laid out as by [`Self::bytes`].
    pub fn of(dtype: Dtype, bytes: &[u8]) -> Self {
        match dtype {
            Dtype::Uint8 => Self::Uint8(bytes.to_vec()),
            Dtype::Uint32 => Self::Uint32(bytemuck::pod_collect_to_vec(bytes)),
            Dtype::Uint64 => Self::Uint64(bytemuck::pod_collect_to_vec(bytes)),
            Dtype::Float32 => Self::Float32(bytemuck::pod_collect_to_vec(bytes)),
            Dtype::Float64 => Self::Float64(bytemuck::pod_collect_to_vec(bytes)),
        }
    }

    /// Appends the rows of `more`, values of the same type.
    pub(crate) fn append(&mut self, more: Self) {
        match (self, more) {
            (Self::Uint8(to), Self::Uint8(more)) => to.extend(more),
            (Self::Uint32(to), Self::Uint32(more)) => to.extend(more),
            (Self::Uint64(to), Self::Uint64(more)) => to.extend(more),
            (Self::Float32(to), Self::Float32(more)) => to.extend(more),
            (Self::Float64(to), Self::Float64(more)) => to.extend(more),
            _ => {}
        }
    }

    /// Replaces `rows`, out of `count` rows, by those of `from`, values of the same type, in order.
    fn put(&mut self, rows: &[usize], count: usize, from: &Self) {
        fn put<T: Copy>(to: &mut [T], rows: &[usize], count: usize, from: &[T]) {
            let width = to.len() / count.max(1);
            for (&row, from) in rows.iter().zip(from.chunks_exact(width.max(1))) {
                to[row * width..(row + 1) * width].copy_from_slice(from);
            }
        }
        match (self, from) {
            (Self::Uint8(to), Self::Uint8(from)) => put(to, rows, count, from),
            (Self::Uint32(to), Self::Uint32(from)) => put(to, rows, count, from),
            (Self::Uint64(to), Self::Uint64(from)) => put(to, rows, count, from),
            (Self::Float32(to), Self::Float32(from)) => put(to, rows, count, from),
            (Self::Float64(to), Self::Float64(from)) => put(to, rows, count, from),
            _ => {}
        }
    }

    /// The values' element type.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::Uint8(_) => Dtype::Uint8,
            Self::Uint32(_) => Dtype::Uint32,
            Self::Uint64(_) => Dtype::Uint64,
            Self::Float32(_) => Dtype::Float32,
            Self::Float64(_) => Dtype::Float64,
        }
    }

    /// The values as they stand in memory and, on a little-endian machine, in the file.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Uint8(values) => values,
            Self::Uint32(values) => bytemuck::cast_slice(values),
            Self::Uint64(values) => bytemuck::cast_slice(values),
            Self::Float32(values) => bytemuck::cast_slice(values),
            Self::Float64(values) => bytemuck::cast_slice(values),
        }
    }
}

impl From<Theta<'_>> for Values {
    fn from(theta: Theta<'_>) -> Self {
        match theta {
            Theta::Float32(theta) => Self::Float32(theta.iter().copied().collect()),
            Theta::Float64(theta) => Self::Float64(theta.iter().copied().collect()),
        }
    }
}

/// A batch of rows, in the order of [`columns`].
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// Column by column.
    pub values: Vec<Values>,
    /// Rows in every column.
    pub rows: usize,
}

/// The columns of a run of `spec` whose weights are of type `theta`: their names, types and meanings.
pub fn columns(spec: &Spec, theta: Dtype) -> Vec<Column> {
    let (parameters, extra) = (spec.parameters(), spec.extra);
    let layers = spec.hidden.widths().len() + 1;
    let is_one_hidden = layers == 2;
    let plain =
        |name: &str, dtype, meaning: &str| Column { name: name.into(), dtype, width: None, meaning: meaning.into() };
    let float = |name, meaning| plain(name, Dtype::Float64, meaning);
    let wide = |name: &str, width: usize, meaning: &str| Column {
        name: name.into(),
        dtype: Dtype::Float64,
        width: Some(width),
        meaning: meaning.into(),
    };
    let loss = loss_meaning(spec);
    let mut columns = vec![
        plain("seed", Dtype::Uint64, "the seed that theta_0 was drawn from; for networks from a file their row"),
        Column {
            name: "theta".into(),
            dtype: theta,
            width: Some(parameters),
            meaning: if is_one_hidden && spec.outputs == 1 {
                "weights [w; v]: w[m N + n] = W[n, m] with m = 0 the bias, then v_0 .. v_N".into()
            } else {
                "weights [vec W_1; ..; vec W_P]: W_l[a, p] at p N_l + a of its layer, p = 0 the bias".into()
            },
        },
        plain("status", Dtype::Uint8, status_meaning(&spec.work)),
        plain("steps", Dtype::Uint32, "steps of gradient descent taken"),
        float("loss", &loss),
        float("gradient_sq", "g.g, the squared norm of dL/dtheta"),
    ];
    if is_one_hidden {
        columns.extend([float("trace_ww", "tr H(w,w)"), float("trace_vv", "tr H(v,v)")]);
    } else {
        columns.push(wide("layer_trace", layers, "the trace of the block of H of each layer, from the first on"));
    }
    columns.extend([
        float("trace", "tr H"),
        float("trace_sq", "tr H^2"),
        float("lambda_sup", "upper bound of the largest eigenvalue of H (Theorem 1)"),
        float("lambda_max_lower", "lower bound of the largest eigenvalue of H"),
        float("lambda_min_upper", "upper bound of the smallest eigenvalue of H"),
        float("lambda_min_lower", "lower bound of the smallest eigenvalue of H"),
        float("bound_error", "what the four bounds are widened by for rounding"),
    ]);
    columns.extend(score_columns(spec).into_iter().map(|(name, meaning)| float(name, meaning)));
    if extra.bounds && is_one_hidden {
        let of_paper = spec.is_of_paper();
        columns.extend(NetworkBounds::COLUMNS.map(|(name, _)| float(name, bound_meaning(name, of_paper))));
    } else if extra.bounds {
        columns.extend([
            wide(
                "layer_trace_bound",
                layers,
                "upper bound of the size of layer_trace (Theorems 3 and 4 for any depth)",
            ),
            float("trace_sq_bound", "upper bound of tr H^2 (Theorem 6 for any depth)"),
            wide("layer_phi_max", layers, "the largest <M_ll,i, M_ll,j> of each layer, of samples that count once"),
            wide("layer_norm_sq", layers, "squared Frobenius norm of each W_l, biases included"),
            wide("layer_gram_sq", layers, "squared Frobenius norm of the Gram matrix of the values into each layer"),
        ]);
    }
    if extra.gauss_newton {
        columns.extend(GAUSS_NEWTON_COLUMNS.map(|(name, meaning)| float(name, meaning)));
        if extra.spectrum.is_some() {
            columns.push(float("gn_lambda_max", "the largest eigenvalue of G, computed numerically in f64"));
        }
    }
    if let Some(spectrum) = extra.spectrum {
        columns.push(float("lambda_max", "the largest eigenvalue of H, computed numerically"));
        columns.push(float("lambda_min", "the smallest eigenvalue of H, computed numerically"));
        if spectrum.vectors {
            columns.extend((1..=EIGENVECTORS).map(|k| Column {
                name: format!("u_{k}"),
                dtype: Dtype::Float64,
                width: Some(parameters),
                meaning: format!(
                    "eigenvector {k} of H by descending eigenvalue, of length 1, its largest component positive"
                ),
            }));
        }
        if spectrum.all {
            columns.push(wide("eigenvalues", parameters, "all eigenvalues of H, in descending order"));
        }
        if let Some(count) = spectrum.ends {
            columns.push(wide("eigenvalues_largest", count, "the largest eigenvalues of H, in descending order"));
            columns.push(wide("eigenvalues_smallest", count, "the smallest eigenvalues of H, in ascending order"));
        }
        if spectrum.blocks && is_one_hidden {
            columns.push(float("lambda_max_ww", "the largest eigenvalue of H(w,w)"));
            columns.push(float("lambda_max_vv", "the largest eigenvalue of H(v,v)"));
        } else if spectrum.blocks {
            let meaning = "the largest eigenvalue of the block of H of each layer, from the first on";
            columns.push(wide("layer_lambda_max", layers, meaning));
        }
    }
    if extra.brackets.is_some() {
        columns.extend(BRACKET_COLUMNS.map(|(name, meaning)| float(name, meaning)));
        columns.push(plain("bracket_by", Dtype::Uint8, BRACKET_BY));
    }
    if spec.work.weight_decay() > 0.0 {
        columns
            .push(float("objective", "L + alpha |theta|^2 / 2, what training minimises with the weight decay alpha"));
        columns.push(float(
            "objective_gradient_sq",
            "the squared norm of dL/dtheta + alpha theta; the Hessian of the objective is H + alpha I",
        ));
    }
    if extra.polish.is_some() {
        columns.push(Column {
            name: "theta_polished".into(),
            dtype: Dtype::Float64,
            width: Some(parameters),
            meaning: "the weights at the end of the objective's descent, in the order of theta".into(),
        });
        columns.push(plain(
            "end",
            Dtype::Uint8,
            "what lies there: 0 minimum, 1 saddle, 2 valley, 3 left the radius, 4 unfinished",
        ));
        columns.extend([
            float("objective_polished", "L + alpha |theta|^2 / 2 at theta_polished"),
            float("gradient_sq_polished", "the squared norm of its gradient there"),
            float("polish_distance", "the Euclidean distance of theta_polished from theta"),
            plain(
                "polish_index",
                Dtype::Uint32,
                "eigenvalues of H + alpha I there below -tau, tau = 1e-9 times its norm",
            ),
            plain("polish_nullity", Dtype::Uint32, "eigenvalues of H + alpha I there within tau of 0"),
            float("lambda_sup_polished", "upper bound of the largest eigenvalue of H there (Theorem 1)"),
            float("lambda_max_polished", "the largest eigenvalue of H there, computed numerically"),
        ]);
    }
    spec.keep.columns(columns)
}

/// What the `loss` column holds.
fn loss_meaning(spec: &Spec) -> String {
    let of_sample = match spec.loss {
        Loss::Logistic if spec.is_of_paper() => return "L, the cross-entropy summed over the training samples".into(),
        Loss::Logistic => "the cross-entropy of the labels",
        Loss::Softmax => "the cross-entropy of the classes",
        Loss::Squared => "|z - t|^2 / 2",
    };
    let reduced = match (spec.reduction, spec.data.weights_hash.is_some()) {
        (Reduction::Sum, false) => "summed over the training samples",
        (Reduction::Sum, true) => "summed over the training samples, each times its weight",
        (Reduction::Mean, _) => "averaged over the training samples by their weights",
    };
    format!("L, {of_sample}, {reduced}")
}

/// The columns of scores on test data, with their meaning.
pub(crate) fn score_columns(spec: &Spec) -> Vec<(&'static str, &'static str)> {
    if spec.test.is_none() {
        return Vec::new();
    }
    if spec.is_of_paper() {
        return vec![("macro_f1", "F1 averaged over the two classes, on the test samples")];
    }
    let test_loss = match spec.reduction {
        Reduction::Sum => ("test_loss", "the loss summed over the test samples, each counted once"),
        Reduction::Mean => ("test_loss", "the loss averaged over the test samples, each counted once"),
    };
    match spec.loss {
        Loss::Squared => vec![("r2", "R^2 averaged over the outputs, on the test samples"), test_loss],
        Loss::Logistic | Loss::Softmax => vec![
            ("macro_f1", "F1 averaged over the classes, on the test samples"),
            ("accuracy", "the share of the test samples whose class, or all of whose labels, are predicted"),
            test_loss,
        ],
    }
}

/// The columns of the Gauss-Newton part, with their meaning.
const GAUSS_NEWTON_COLUMNS: [(&str, &str); 3] = [
    ("gn_trace", "tr G of the Gauss-Newton part G of H, in f64"),
    ("gn_trace_sq", "tr G^2"),
    ("gn_lambda_sup", "upper bound of the largest eigenvalue of G (Theorem 1 for G), widened for rounding"),
];

/// The columns of Gauss-Newton parts, in the order of [`columns`].
pub(crate) fn gauss_newton_columns(parts: &[GaussNewton], parameters: usize) -> [Values; 3] {
    let column = |of: &dyn Fn(&GaussNewton) -> f64| Values::Float64(parts.iter().map(of).collect());
    [
        column(&|part| part.trace),
        column(&|part| part.trace_sq),
        column(&|part| widened_bounds(part.trace, part.trace_sq, parameters, &part.rounding).bounds.lambda_sup),
    ]
}

/// The float columns of a bracket, with their meaning.
const BRACKET_COLUMNS: [(&str, &str); 9] = [
    ("bracket_lower", "lower bound of the largest eigenvalue of H, the tightest that is known"),
    ("bracket_upper", "upper bound of the largest eigenvalue of H, likewise"),
    ("bracket_min_lower", "lower bound of the smallest eigenvalue of H, likewise"),
    ("bracket_min_upper", "upper bound of the smallest eigenvalue of H, likewise"),
    ("bracket_width", "(bracket_upper - bracket_lower) / |bracket_upper|"),
    ("lambda_max_upper4", "upper bound of the largest eigenvalue of H from four moments"),
    ("lambda_max_lower3", "lower bound of the largest eigenvalue of H from three moments"),
    ("lambda_min_lower4", "lower bound of the smallest eigenvalue of H from four moments"),
    ("lambda_min_upper3", "upper bound of the smallest eigenvalue of H from three moments"),
];

/// The meaning of the numbers in the `bracket_by` column.
const BRACKET_BY: &str = "ten times what gives bracket_upper, plus what gives bracket_lower: 1 two moments, 2 four \
                          moments, 3 eight moments, 4 a Rayleigh quotient (above with Temple's inequality), 5 a \
                          diagonal element, 6 Gershgorin's discs, 7 two moments and the rank, 8 an eigenvalue with \
                          proven error; 0 for no bracket";

/// The columns of `brackets`, in the order of [`columns`].
pub(crate) fn bracket_columns(brackets: &[Bracket]) -> impl Iterator<Item = Values> {
    let float = |of: fn(&Bracket) -> f64| Values::Float64(brackets.iter().map(of).collect());
    [
        float(|bracket| bracket.lower.bound),
        float(|bracket| bracket.upper.bound),
        float(|bracket| bracket.min_lower.bound),
        float(|bracket| bracket.min_upper.bound),
        float(Bracket::width),
        float(|bracket| bracket.moments.lambda_max_upper4),
        float(|bracket| bracket.moments.lambda_max_lower3),
        float(|bracket| bracket.moments.lambda_min_lower4),
        float(|bracket| bracket.moments.lambda_min_upper3),
        Values::Uint8(brackets.iter().map(Bracket::by).collect()),
    ]
    .into_iter()
}

/// The meaning of the numbers in the `status` column.
fn status_meaning(work: &Work) -> &'static str {
    match work {
        Work::Sweep { .. } => "0 converged, 1 step limit, 2 non-finite (255 while a row is not written yet)",
        Work::Evaluate { tolerance: Some(_), .. } => {
            "0 converged (g.g below the tolerance), 1 not converged, 2 non-finite (255 while a row is not written yet)"
        }
        Work::Evaluate { tolerance: None, .. } => {
            "3 evaluated, no verdict; 2 non-finite (255 while a row is not written yet)"
        }
    }
}

/// How many eigenvectors a run records (the paper's Figs. 3 and 4).
pub const EIGENVECTORS: usize = 4;

/// What a column of [`NetworkBounds`] holds, for networks with one hidden layer.
fn bound_meaning(name: &str, of_paper: bool) -> &'static str {
    match name {
        "trace_vv_bound" if of_paper => "upper bound of tr H(v,v) (Theorem 3); inf where hidden values have no bound",
        "trace_vv_bound" => "upper bound of tr H(v,v) (Theorem 3 for any loss)",
        "trace_ww_bound" if of_paper => "upper bound of tr H(w,w) (Theorem 4)",
        "trace_ww_bound" => "upper bound of the size of tr H(w,w) (Theorem 4 for any loss)",
        "trace_sq_bound" if of_paper => "upper bound of tr H^2 (Theorem 6)",
        "trace_sq_bound" => "upper bound of tr H^2 (Theorem 6 for any loss)",
        "phi_max" if of_paper => "the largest phi_ij (Theorem 6)",
        "phi_max" => "the largest phi_ij (Theorem 6), of samples that count once",
        "v_norm_sq" => "squared Frobenius norm of V, bias included",
        "w_norm_sq" => "squared Frobenius norm of W, biases included",
        "hidden_gram_sq" => "squared Frobenius norm of R^T R, the hidden values' Gram matrix",
        _ => "squared Frobenius norm of X^T X, the inputs' Gram matrix",
    }
}

/// The traces of the layers' blocks of H, (S, P), in the order of [`columns`]: two columns where there is one hidden
/// layer, else one wide column.
fn layer_trace_columns(shape: Shape, traces: &[LayerTraces]) -> Vec<Values> {
    let of_layer = |l: usize| Values::Float64(traces.iter().map(|traces| traces.as_slice()[l]).collect());
    match shape.hidden() {
        [_] => vec![of_layer(0), of_layer(1)],
        _ => vec![Values::Float64(traces.iter().flat_map(LayerTraces::as_slice).copied().collect())],
    }
}

/// The bounds of the traces, and the norms in them, in the order of [`columns`]: single columns where there is one
/// hidden layer, as for the paper's networks, else wide ones.
pub(crate) fn layer_bound_columns(shape: Shape, bounds: &[LayerBounds]) -> Vec<Values> {
    let float = |of: &dyn Fn(&LayerBounds) -> f64| Values::Float64(bounds.iter().map(of).collect());
    let wide = |of: fn(&LayerBounds) -> &[f64]| Values::Float64(bounds.iter().flat_map(of).copied().collect());
    let trace_sq_bound = float(&|bounds| bounds.trace_sq_bound);
    match shape.hidden() {
        [_] => vec![
            float(&|bounds| bounds.trace_bounds[1]),
            float(&|bounds| bounds.trace_bounds[0]),
            trace_sq_bound,
            float(&|bounds| bounds.phi_max[0]),
            float(&|bounds| bounds.norm_sq[1]),
            float(&|bounds| bounds.norm_sq[0]),
            float(&|bounds| bounds.gram_sq[1]),
            float(&|bounds| bounds.gram_sq[0]),
        ],
        _ => vec![
            wide(|bounds| &bounds.trace_bounds),
            trace_sq_bound,
            wide(|bounds| &bounds.phi_max),
            wide(|bounds| &bounds.norm_sq),
            wide(|bounds| &bounds.gram_sq),
        ],
    }
}

/// The columns that hold a network's weights.
pub(crate) const WEIGHTS: [&str; 2] = ["theta", "theta_polished"];

impl Keep {
    /// The `columns` of a run that keeps these weights.
    fn columns(self, mut columns: Vec<Column>) -> Vec<Column> {
        match self {
            Self::All => {}
            Self::Converged => {
                for theta in columns.iter_mut().filter(|column| WEIGHTS.contains(&column.name.as_str())) {
                    theta.meaning.push_str("; NaN for networks that did not converge");
                }
            }
            Self::Summary => columns.retain(|column| !WEIGHTS.contains(&column.name.as_str())),
        }
        columns
    }

    /// A column of the weights `theta` of networks that ended as `status` says; `None` for a run that keeps no weights.
    pub(crate) fn theta(self, theta: Theta<'_>, status: &[Status]) -> Option<Values> {
        let mut column = match self {
            Self::All | Self::Converged => Values::from(theta),
            Self::Summary => return None,
        };
        match &mut column {
            Values::Float32(theta) if self == Self::Converged => blank(theta, status, f32::NAN),
            Values::Float64(theta) if self == Self::Converged => blank(theta, status, f64::NAN),
            _ => {}
        }
        Some(column)
    }
}

/// Fills the rows of networks that have not converged with `nan`.
fn blank<T: Copy>(theta: &mut [T], status: &[Status], nan: T) {
    let width = theta.len() / status.len().max(1);
    for (row, status) in theta.chunks_mut(width.max(1)).zip(status) {
        if !status.is_critical_point() {
            row.fill(nan);
        }
    }
}

impl Records {
    /// The status column, the first of its type.
    pub(crate) fn status(&self) -> &[u8] {
        let status = |values: &'_ Values| matches!(values, Values::Uint8(_));
        self.values.iter().find(|values| status(values)).map_or(&[], Values::bytes)
    }

    /// Replaces `rows` by the rows of `more`, records of the same columns, in order. Every row keeps its seed.
    pub(crate) fn replace(&mut self, rows: &[usize], more: &Self) {
        for (to, from) in self.values.iter_mut().zip(&more.values).skip(1) {
            to.put(rows, self.rows, from);
        }
    }

    /// The rows of the networks of `shape` from `first_seed` on: how their training ended, their closed forms and the
    /// `further` columns. `keep` decides about the weights.
    pub fn new(
        keep: Keep,
        first_seed: u64,
        (shape, theta): (Shape, Theta<'_>),
        status: &[Status],
        steps: Vec<u32>,
        evaluation: Evaluation,
        further: Vec<Values>,
    ) -> Self {
        let rows = status.len();
        let parameters = theta.ncols();
        let Evaluation { loss, gradient_sq, layer_trace, trace_sq, rounding } = evaluation;
        let trace: Vec<f64> = layer_trace.iter().map(LayerTraces::sum).collect();
        let bounds: Vec<_> = trace
            .iter()
            .zip(&trace_sq)
            .zip(&rounding)
            .map(|((&trace, &trace_sq), rounding)| widened_bounds(trace, trace_sq, parameters, rounding))
            .collect();
        let bound = |of: fn(&WidenedBounds) -> f64| bounds.iter().map(of).collect::<Vec<f64>>();
        let mut values = vec![Values::Uint64((first_seed..).take(rows).collect())];
        values.extend(keep.theta(theta, status));
        values.push(Values::Uint8(status.iter().map(|&status| status as u8).collect()));
        values.push(Values::Uint32(steps));
        values.extend([loss, gradient_sq].map(Values::Float64));
        values.extend(layer_trace_columns(shape, &layer_trace));
        let floats = [
            trace,
            trace_sq,
            bound(|widened| widened.bounds.lambda_sup),
            bound(|widened| widened.bounds.lambda_max_lower),
            bound(|widened| widened.bounds.lambda_min_upper),
            bound(|widened| widened.bounds.lambda_min_lower),
            bound(|widened| widened.error),
        ];
        values.extend(floats.into_iter().map(Values::Float64).chain(further));
        Self { values, rows }
    }
}
