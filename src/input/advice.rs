//! Advice on arrays that cannot be used: NumPy expressions that work as they stand.

use crate::model::is_label;
use crate::npy::{Foreign, ForeignType};

/// The most classes that are listed one by one.
const NAMED: usize = 5;

/// How to turn labels, some of which are neither 0 nor 1, into 0 and 1.
pub(super) fn of_labels(labels: &[f64]) -> String {
    if labels.iter().any(|label| label.is_nan()) {
        return "a sample without a label cannot be used: save x[~np.isnan(q)] and q[~np.isnan(q)]".into();
    }
    let mut classes = labels.to_vec();
    classes.sort_by(f64::total_cmp);
    // 0 and -0 are one label.
    classes.dedup();
    let between = labels.iter().all(|label| (0.0..=1.0).contains(label));
    let whole = labels.iter().all(|label| label.fract() == 0.0);
    match classes[..] {
        [] => "there is none".into(),
        [one] => format!("q holds nothing but {one}: two classes are needed"),
        [a, b] => format!("q holds two classes, {a} and {b}: save (q == {b}).astype(np.uint8)"),
        _ if between && !whole => {
            "all of them lie between 0 and 1, as probabilities do: save (q > 0.5).astype(np.uint8)".into()
        }
        _ if !whole => format!(
            "q holds {} different values, as a quantity does, where two classes are needed: use --loss squared, or \
             save, for instance, (q > np.median(q)).astype(np.uint8)",
            classes.len()
        ),
        [a, b, ..] => {
            let named: Vec<String> = classes.iter().take(NAMED).map(f64::to_string).collect();
            let more = if classes.len() > NAMED { ", .." } else { "" };
            let from_0 = classes.iter().enumerate().all(|(k, &class)| class.to_bits() == (k as f64).to_bits());
            let numbered = if from_0 { "" } else { " on np.unique(q, return_inverse=True)[1]" };
            format!(
                "q holds {} classes ({}{more}), but the logistic loss tells two apart: use --loss softmax{numbered}, \
                 or save (q == {a}).astype(np.uint8) for one against the rest, or keep two of them with two = \
                 np.isin(q, [{a}, {b}]), x[two] and (q[two] == {b}).astype(np.uint8)",
                classes.len(),
                named.join(", ")
            )
        }
    }
}

/// How to turn labels in several columns, some of which are neither 0 nor 1, into labels; `rows` are their values, row
/// by row.
pub(super) fn of_label_columns(columns: usize, rows: &[f64]) -> String {
    match columns {
        _ if rows.iter().any(|value| value.is_nan()) => {
            "a sample without a label cannot be used: save x[~np.isnan(q).any(1)] and q[~np.isnan(q).any(1)]".into()
        }
        2 if are_probabilities(columns, rows) => "one column per class becomes one label: save q.argmax(1)".into(),
        3.. if are_probabilities(columns, rows) => {
            format!("one column per class, {columns} classes: save q.argmax(1) and use --loss softmax")
        }
        _ => "save the one column that holds them, q[:, 0] for instance; --loss squared takes any values".into(),
    }
}

/// Whether every row sums up to 1 and holds nothing below 0.
fn are_probabilities(columns: usize, rows: &[f64]) -> bool {
    rows.chunks_exact(columns)
        .all(|row| row.iter().all(|value| (0.0..=1.0).contains(value)) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-3)
}

/// How to turn class numbers, some of which are none, into class numbers.
pub(super) fn of_class_numbers(classes: &[f64]) -> String {
    if classes.iter().any(|class| class.is_nan()) {
        return "a sample without a class cannot be used: save x[~np.isnan(q)] and q[~np.isnan(q)]".into();
    }
    if classes.iter().all(|class| class.fract() == 0.0) {
        return "save np.unique(q, return_inverse=True)[1], which numbers the classes in their order".into();
    }
    if classes.iter().all(|class| (0.0..=1.0).contains(class)) {
        return "all of them lie between 0 and 1, as probabilities do: save (q > 0.5).astype(np.uint8)".into();
    }
    "use --loss squared for a quantity, or save np.digitize(q, np.quantile(q, [1/3, 2/3])), for instance, to have \
     three classes of it"
        .into()
}

/// How to turn rows, some of which do not hold a single 1, into classes; `rows` are their values, row by row.
pub(super) fn of_class_columns(columns: usize, rows: &[f64]) -> String {
    if rows.iter().any(|value| value.is_nan()) {
        "a sample without a class cannot be used: save x[~np.isnan(q).any(1)] and q[~np.isnan(q).any(1)]".into()
    } else if are_probabilities(columns, rows) {
        "soft labels are not taken: save q.argmax(1), the likeliest class".into()
    } else if rows.iter().all(|&value| is_label(value)) {
        "use --loss logistic for samples of several classes or of none".into()
    } else {
        "use --loss squared for several quantities, or save the one column that holds the classes, q[:, 0] for instance"
            .into()
    }
}

/// How to turn labels of a type that is not read into numbers.
pub(super) fn of_label_type(found: &ForeignType) -> &'static str {
    match found.kind {
        Foreign::Text | Foreign::Objects => {
            "save np.unique(q, return_inverse=True)[1], which numbers the labels in their order"
        }
        Foreign::Fields => "save q[q.dtype.names[-1]], or whichever field holds them",
        Foreign::Number => "save q.astype(np.float32)",
        Foreign::Complex => "save q.real",
        Foreign::Time | Foreign::Other => "save labels 0 and 1",
    }
}

/// How to turn samples or weights of a type that is not read, in an array called `name`, into numbers.
pub(super) fn of_number_type(found: &ForeignType, name: &str) -> String {
    match found.kind {
        Foreign::Text => format!("save {name}.astype(np.float32), which works where every text is a number"),
        Foreign::Objects => format!(
            "save np.asarray({name}, dtype=np.float32), or df.to_numpy(np.float32) of a pandas frame; columns of text \
             must be numbered or dropped first (pd.get_dummies(df))"
        ),
        Foreign::Fields => format!(
            "save df.to_numpy(np.float32) instead of df.to_records(), or np.stack([{name}[f] for f in \
             {name}.dtype.names], axis=1).astype(np.float32)"
        ),
        Foreign::Number => format!("save {name}.astype(np.float32)"),
        Foreign::Complex => format!("save {name}.real, or {name}.real and {name}.imag side by side"),
        Foreign::Time => format!("save {name}.astype(np.int64), and use --standardize: such numbers are large"),
        Foreign::Other => format!("save np.asarray({name}, dtype=np.float32)"),
    }
}
