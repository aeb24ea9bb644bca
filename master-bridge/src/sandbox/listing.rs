//! What lists have in common: filters, pages, and documents without our own notes.

use serde_json::{Value, json};

use super::request::{Call, Refusal, text};

/// Parameters that are no attributes.
const CONTROL: &[&str] = &[
    "limit",
    "marker",
    "fields",
    "sort_key",
    "sort_dir",
    "sort",
    "all_tenants",
    "all_projects",
    "page_reverse",
];

/// A document as clients see it: without the keys that begin with an underscore.
pub(super) fn shown(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(map) = document.as_object_mut() {
        map.retain(|key, _| !key.starts_with('_'));
    }
    document
}

/// Whether a document has what the query asks for, attribute by attribute; the same attribute twice means either.
pub(super) fn matches(document: &Value, query: &[(String, String)]) -> bool {
    query
        .iter()
        .filter(|(key, _)| !CONTROL.contains(&key.as_str()))
        .all(|(key, _)| {
            let mut wanted = query.iter().filter(|(k, _)| k == key).map(|(_, v)| v);
            wanted.any(|wanted| has(document, key, wanted))
        })
}

fn has(document: &Value, key: &str, wanted: &str) -> bool {
    if key == "fixed_ips" {
        let Some((part, value)) = wanted.split_once('=') else {
            return false;
        };
        return document["fixed_ips"]
            .as_array()
            .is_some_and(|ips| ips.iter().any(|ip| text(ip, part) == value));
    }
    if key == "tags" {
        let tags = document["tags"].as_array();
        return wanted
            .split(',')
            .all(|w| tags.is_some_and(|tags| tags.iter().any(|t| t == w)));
    }
    match document.get(key) {
        Some(Value::String(found)) => found == wanted,
        Some(Value::Bool(found)) => {
            wanted.eq_ignore_ascii_case(if *found { "true" } else { "false" })
        }
        Some(Value::Null) => wanted.is_empty() || wanted == "None",
        Some(Value::Array(found)) => found.iter().any(|f| f == wanted),
        Some(other) => wanted.parse() == Ok(other.as_i64().unwrap_or_default()),
        // An attribute that nobody has filters nothing, as the services do with what they do not know.
        None => true,
    }
}

/// One page of a list, and the link to the next one in the form `{NAME: [..], NAME_links: [..]}`.
pub(super) fn page(call: &Call, name: &str, all: Vec<Value>, path: &str) -> Result<Value, Refusal> {
    let (items, more) = cut(call, all)?;
    let mut body = json!({name: items});
    if let Some(marker) = more {
        let limit = call.ask("limit").unwrap_or_default();
        let href = format!("{}/{path}?limit={limit}&marker={marker}", call.base);
        body[format!("{name}_links")] = json!([{"rel": "next", "href": href}]);
    }
    Ok(body)
}

/// The items of the page that is asked for, and the marker of the next one.
pub(super) fn cut(
    call: &Call,
    mut all: Vec<Value>,
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    if let Some(marker) = call.ask("marker") {
        let at = all
            .iter()
            .position(|d| text(d, "id") == marker)
            .ok_or_else(|| Refusal::bad(format!("marker [{marker}] not found")))?;
        all.drain(..=at);
    }
    let limit = match call.ask("limit") {
        None => None,
        Some(limit) => Some(limit.parse::<usize>().map_err(|_| {
            Refusal::bad(format!(
                "Invalid input for query parameters limit. Value: {limit}"
            ))
        })?),
    };
    let Some(limit) = limit.filter(|limit| *limit > 0 && *limit < all.len()) else {
        return Ok((all, None));
    };
    all.truncate(limit);
    let marker = all.last().map(|d| text(d, "id").to_owned());
    Ok((all, marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn filters_are_and_between_keys_and_or_within_one() {
        let port = json!({"name": "p", "device_id": "", "fixed_ips": [{"ip_address": "1.2.3.4"}], "up": true});
        assert!(matches(&port, &query(&[("name", "q"), ("name", "p")])));
        assert!(!matches(
            &port,
            &query(&[("name", "p"), ("device_id", "x")])
        ));
        assert!(matches(
            &port,
            &query(&[("fixed_ips", "ip_address=1.2.3.4")])
        ));
        assert!(!matches(
            &port,
            &query(&[("fixed_ips", "ip_address=1.2.3.5")])
        ));
        assert!(matches(&port, &query(&[("up", "True"), ("limit", "1")])));
    }

    #[test]
    fn our_notes_are_not_shown() {
        let shown = shown(&json!({"id": "1", "_doom": "error"}));
        assert_eq!(shown, json!({"id": "1"}));
    }
}
