//! What tells two recorded values apart, field by field, for people to read.

use serde::Serialize;
use serde_json::Value;

/// Every field in which `there` and `here` differ, with both values: `spec.hidden: 3 there, 10 here`.
pub(super) fn differences(there: &impl Serialize, here: &impl Serialize) -> Vec<String> {
    // What cannot be written as JSON could not have been recorded either.
    let value = |value: serde_json::Result<Value>| value.unwrap_or(Value::Null);
    let mut found = Vec::new();
    compare("", &value(serde_json::to_value(there)), &value(serde_json::to_value(here)), &mut found);
    found
}

fn compare(path: &str, there: &Value, here: &Value, found: &mut Vec<String>) {
    if there == here {
        return;
    }
    if let (Value::Array(a), Value::Array(b)) = (there, here) {
        if a.len() != b.len() {
            found.push(format!("{path}: {} entries there, {} here", a.len(), b.len()));
        }
        a.iter().zip(b).enumerate().for_each(|(k, (a, b))| compare(&format!("{path}.{k}"), a, b, found));
        return;
    }
    let (Value::Object(a), Value::Object(b)) = (there, here) else {
        found.push(format!("{path}: {} there, {} here", shown(there), shown(here)));
        return;
    };
    let mut keys: Vec<&String> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
    keys.sort();
    for key in keys {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        compare(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() { "nothing".into() } else { value.to_string() }
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
        let said = ["columns: 2 entries there, 3 here", "columns.1: \"b\" there, \"c\" here"];
        assert_eq!(differences(&there, &here), said);
    }
}
