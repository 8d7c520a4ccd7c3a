//! The differences between two recorded values, field by field, for people to read.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A field in which two values differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    /// The field's path, such as `spec.hidden`.
    pub(super) field: String,
    /// The value in the first, short enough to be read.
    pub(super) there: String,
    /// The value in the second.
    pub(super) here: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} there, {} here", self.field, self.there, self.here)
    }
}

/// The longest value that is shown whole.
const SHOWN: usize = 60;

/// Every field in which `there` and `here` differ, with both values: `spec.hidden: 3 there, 10 here`.
pub(super) fn differences(there: &impl Serialize, here: &impl Serialize) -> Vec<String> {
    fields(there, here).iter().map(Difference::to_string).collect()
}

/// Every field in which `there` and `here` differ.
pub(super) fn fields(there: &impl Serialize, here: &impl Serialize) -> Vec<Difference> {
    // What cannot be written as JSON could not have been recorded either.
    let value = |value: serde_json::Result<Value>| value.unwrap_or(Value::Null);
    let mut found = Vec::new();
    compare("", &value(serde_json::to_value(there)), &value(serde_json::to_value(here)), &mut found);
    found
}

fn compare(path: &str, there: &Value, here: &Value, found: &mut Vec<Difference>) {
    if there == here {
        return;
    }
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    // A value as a whole has no name.
    let field = if path.is_empty() { "the whole" } else { path }.to_owned();
    if let (Value::Array(a), Value::Array(b)) = (there, here) {
        if a.len() != b.len() {
            found.push(Difference { field, there: format!("{} entries", a.len()), here: b.len().to_string() });
        }
        a.iter().zip(b).enumerate().for_each(|(k, (a, b))| compare(&inner(&k.to_string()), a, b, found));
        return;
    }
    let (Value::Object(a), Value::Object(b)) = (there, here) else {
        found.push(Difference { field, there: shown(there), here: shown(here) });
        return;
    };
    let mut keys: Vec<&String> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
    keys.sort();
    for key in keys {
        compare(&inner(key), a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Array(entries) if value.to_string().len() > SHOWN => format!("{} entries", entries.len()),
        Value::Object(fields) if value.to_string().len() > SHOWN => format!("{} fields", fields.len()),
        Value::String(text) if text.chars().count() > SHOWN => {
            format!("\"{}..\"", text.chars().take(SHOWN).collect::<String>())
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn every_differing_field_is_named_with_both_values() {
        let there = json!({ "hidden": 3, "work": { "seeds": 5, "step_size": 0.1 }, "same": [1, 2] });
        let here = json!({ "hidden": 3, "work": { "seeds": 6, "step_size": 0.1, "shard": 1 }, "same": [1, 2] });
        assert_eq!(differences(&there, &here), ["work.seeds: 5 there, 6 here", "work.shard: nothing there, 1 here"]);
        assert!(differences(&there, &there).is_empty());
        let (there, here) = (json!({ "columns": ["a", "b"] }), json!({ "columns": ["a", "c", "d"] }));
        let expected = ["columns: 2 entries there, 3 here", "columns.1: \"b\" there, \"c\" here"];
        assert_eq!(differences(&there, &here), expected);
        // Neither a nameless field nor a page of JSON.
        let long = json!([{ "name": "x".repeat(50), "meaning": "y".repeat(500) }]);
        assert_eq!(differences(&json!(["a"]), &long), ["0: \"a\" there, 2 fields here"]);
        assert_eq!(differences(&json!(1), &json!("z".repeat(90))).len(), 1);
        assert!(differences(&json!(1), &json!("z".repeat(90)))[0].starts_with("the whole: 1 there, \"zz"));
    }
}
