//! The form of a document: which keys it has, and what kind of thing stands there.

use serde_json::Value;

/// Where the second document is not of the first one's form: a key that the first does not have, or
/// another kind of thing. What the second lacks is not its fault: nobody asked it for all.
pub(crate) fn differences(real: &Value, ours: &Value, place: &str) -> Vec<String> {
    match (real, ours) {
        // Whatever it would be, it is not there now.
        (Value::Null, _) | (_, Value::Null) => Vec::new(),
        (Value::Object(real_map), Value::Object(our_map)) => our_map
            .iter()
            .flat_map(|(key, value)| match real_map.get(key) {
                Some(theirs) => differences(theirs, value, &format!("{place}.{key}")),
                // Keys that are names of something are nobody's form.
                None if is_free(place) => Vec::new(),
                None => vec![format!("{place}.{key}: the real service has no such key")],
            })
            .collect(),
        (Value::Array(real_list), Value::Array(our_list)) => {
            match (real_list.first(), our_list.first()) {
                (Some(theirs), Some(value)) => differences(theirs, value, &format!("{place}[]")),
                _ => Vec::new(),
            }
        }
        _ if kind(real) == kind(ours) => Vec::new(),
        _ => vec![format!("{place}: {} instead of {}", kind(ours), kind(real))],
    }
}

/// Objects whose keys are data.
fn is_free(place: &str) -> bool {
    [".metadata", ".meta", ".addresses", ".extra_specs"]
        .iter()
        .any(|end| place.ends_with(end))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[test]
fn a_key_too_many_and_a_wrong_kind_are_seen() {
    use serde_json::json;
    let real =
        json!({"server": {"id": "x", "n": 1, "list": [{"a": "b"}], "later": null, "more": 1}});
    let ours = json!({"server": {"id": "y", "n": "1", "list": [{"a": "b", "c": 1}], "later": {}, "extra": 1}});
    let found = differences(&real, &ours, "");
    assert_eq!(
        found,
        [
            ".server.n: a text instead of a number",
            ".server.list[].c: the real service has no such key",
            ".server.extra: the real service has no such key"
        ]
    );
}
