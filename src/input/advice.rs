//! What to do with arrays that cannot be used: conversions that work in NumPy as they are printed.

use crate::npy::{Foreign, ForeignType};

/// How many classes are named one by one.
const NAMED: usize = 5;

/// How labels that are not all 0 or 1 become 0 and 1.
pub(super) fn of_labels(labels: &[f64]) -> String {
    if labels.iter().any(|label| label.is_nan()) {
        return "a sample without a label cannot be used: save x[~np.isnan(q)] and q[~np.isnan(q)]".into();
    }
    let mut classes = labels.to_vec();
    classes.sort_by(f64::total_cmp);
    // 0 and -0 are one label as well.
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
            "q holds {} different values, as a quantity does, where two classes are needed: save, for instance, \
             (q > np.median(q)).astype(np.uint8)",
            classes.len()
        ),
        [a, b, ..] => {
            let named: Vec<String> = classes.iter().take(NAMED).map(f64::to_string).collect();
            let more = if classes.len() > NAMED { ", .." } else { "" };
            format!(
                "q holds {} classes ({}{more}), and networks here tell two apart: save (q == {a}).astype(np.uint8) for one against \
                 the rest, or keep two of them with two = np.isin(q, [{a}, {b}]), x[two] and (q[two] == {b}).astype(np.uint8)",
                classes.len(),
                named.join(", ")
            )
        }
    }
}

/// How labels in rows and columns become one column; `rows` are their values, row by row.
pub(super) fn of_label_columns(columns: usize, rows: &[f64]) -> String {
    let samples = rows.len() / columns.max(1);
    let sums_to_one = |row: &[f64]| {
        row.iter().all(|value| (0.0..=1.0).contains(value)) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-3
    };
    if samples == 1 {
        return "save q.ravel()".into();
    }
    match columns {
        2 if rows.chunks_exact(2).all(sums_to_one) => "one column per class becomes one label: save q.argmax(1)".into(),
        3.. if rows.chunks_exact(columns).all(sums_to_one) => format!(
            "one column per class, {columns} classes, and networks here tell two apart: save (q.argmax(1) == 0).astype(np.uint8) for one \
             against the rest"
        ),
        _ => "save the one column that holds them, q[:, 0] for instance".into(),
    }
}

/// How labels of a type that is not read become numbers.
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

/// How samples or weights of a type that is not read, in an array called `name`, become numbers.
pub(super) fn of_number_type(found: &ForeignType, name: &str) -> String {
    match found.kind {
        Foreign::Text => format!("save {name}.astype(np.float32), which works where every text is a number"),
        Foreign::Objects => format!(
            "save np.asarray({name}, dtype=np.float32), or df.to_numpy(np.float32) of a pandas frame; columns of text must be numbered or \
             dropped first (pd.get_dummies(df))"
        ),
        Foreign::Fields => format!(
            "save df.to_numpy(np.float32) instead of df.to_records(), or np.stack([{name}[f] for f in {name}.dtype.names], \
             axis=1).astype(np.float32)"
        ),
        Foreign::Number => format!("save {name}.astype(np.float32)"),
        Foreign::Complex => format!("save {name}.real, or {name}.real and {name}.imag side by side"),
        Foreign::Time => format!("save {name}.astype(np.int64), and use --standardize: such numbers are large"),
        Foreign::Other => format!("save np.asarray({name}, dtype=np.float32)"),
    }
}
