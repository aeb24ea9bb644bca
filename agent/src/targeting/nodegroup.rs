//! Node groups: names for compound targets, which may use one another.

use salt_wire::{Map, Value};

use super::compound::OPERATORS;
use crate::context::python;

/// The words of a compound target that a node group stands for; none for a group that is unknown, uses
/// itself, or is neither text nor list.
pub(super) fn expand(group: &str, groups: &Map) -> Vec<String> {
    words_of(group, groups, &mut Vec::new(), true)
}

fn words_of(group: &str, groups: &Map, open: &mut Vec<String>, first: bool) -> Vec<String> {
    if open.iter().any(|g| g == group) {
        tracing::error!(group, "A node group uses itself; it means nobody.");
        return Vec::new();
    }
    let words: Vec<String> = match groups.get(group) {
        Some(Value::Str(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::List(list)) => list.iter().map(python::text).collect(),
        Some(_) | None => return Vec::new(),
    };
    open.push(group.to_owned());
    let mut expanded = false;
    let mut result = Vec::new();
    for word in &words {
        match word.strip_prefix("N@") {
            Some(inner) if !inner.is_empty() && !OPERATORS.contains(&word.as_str()) => {
                expanded = true;
                result.extend(words_of(inner, groups, open, false));
            }
            _ => result.push(word.clone()),
        }
    }
    open.pop();
    if first && !expanded {
        return plain(&words).map_or(words, |joined| vec![joined]);
    }
    if !first && let Some(joined) = plain(&words) {
        return vec![joined];
    }
    if !result.is_empty() {
        result.insert(0, "(".into());
        result.push(")".into());
    }
    result
}

/// A group that is no expression: a list of ids, or of patterns over them.
fn plain(words: &[String]) -> Option<String> {
    let operator = |w: &String| OPERATORS.contains(&w.as_str());
    let typed = |w: &String| {
        let mut chars = w.chars();
        chars.next().is_some_and(|c| c.is_ascii_uppercase()) && chars.next() == Some('@')
    };
    if words
        .iter()
        .any(|w| operator(w) || w.contains('*') || typed(w))
    {
        return None;
    }
    let engine = if words
        .iter()
        .any(|w| w.contains(['(', '[', '{', '\\', '?', '}', ']', ')']))
    {
        "E@"
    } else {
        "L@"
    };
    Some(format!("{engine}{}", words.join(",")))
}
