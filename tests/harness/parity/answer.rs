//! When two answers are the same.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

/// Puts `HOME` for this side's own directory.
pub(super) fn normalise(answer: &mut Json, home: &Path) {
    let home = home.to_string_lossy();
    match answer {
        Json::Object(map) => {
            // Of the moment.
            if map.contains_key("__run_num__") {
                map.remove("start_time");
                map.remove("duration");
            }
            for (key, mut value) in std::mem::take(map) {
                normalise(&mut value, Path::new(&*home));
                map.insert(key.replace(&*home, "HOME"), value);
            }
        }
        Json::Array(list) => list
            .iter_mut()
            .for_each(|v| normalise(v, Path::new(&*home))),
        // Without a master the pillar is of Python's older kind; from a master it never is.
        Json::String(text) => {
            *text = text
                .replace(&*home, "HOME")
                .replace("collections.OrderedDict object", "dict object");
        }
        _ => {}
    }
}

/// The errors, if there is nothing else: Salt gives them as a list of texts.
fn errors(answer: &Json) -> Option<Vec<String>> {
    if let Some(error) = answer["error"].as_str() {
        // Each side has its own words before the reason.
        let error = error
            .strip_prefix("CommandExecutionError: ")
            .or_else(|| error.strip_prefix("SaltRenderError: "))
            .unwrap_or(error);
        let error = error
            .split_once("': ")
            .filter(|(f, _)| f.starts_with("state."))
            .map_or(error, |(_, e)| e);
        return Some(vec![error.to_owned()]);
    }
    let list = answer["return"].as_array()?;
    let texts: Option<Vec<_>> = list.iter().map(|e| Some(e.as_str()?.to_owned())).collect();
    texts.filter(|t| !t.is_empty())
}

/// Whether this is a list of errors.
pub(super) fn is_refusal(answer: &Json) -> bool {
    errors(answer).is_some()
}

/// What differs, each by its path and as a text; nothing if both are the same document, or refuse for the same reason.
pub(super) fn differences(expected: &Json, got: &Json) -> Vec<(String, String)> {
    if expected == got {
        return Vec::new();
    }
    if let (Some(a), Some(b)) = (errors(expected), errors(got)) {
        // Behind the first line stand sources and Python's own stack.
        let first = |texts: &[String]| -> Vec<String> {
            let lines = texts.iter().map(|t| t.lines().next().unwrap_or_default());
            lines.map(str::to_owned).collect()
        };
        if first(&a) == first(&b) {
            return Vec::new();
        }
    }
    let mut found = Vec::new();
    collect(expected, got, "", &mut found);
    found
}

fn collect(expected: &Json, got: &Json, path: &str, found: &mut Vec<(String, String)>) {
    let absent = Json::String("(absent)".into());
    match (expected, got) {
        _ if expected == got => {}
        (Json::Object(a), Json::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key), b.get(key));
                let path = format!("{path}/{key}");
                collect(a.unwrap_or(&absent), b.unwrap_or(&absent), &path, found);
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                collect(a, b, &format!("{path}/{at}"), found);
            }
        }
        _ => found.push((
            path.to_owned(),
            format!("  {path}\n    salt: {expected}\n    ours: {got}"),
        )),
    }
}
