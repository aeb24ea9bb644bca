//! Low chunks: one call of one state function each, as a map.

use salt_wire::{Map, Value};

/// Arguments that order and guard a state; its function never sees them.
pub(crate) const REQUISITES: &[&str] = &[
    "onfail",
    "onfail_any",
    "onfail_all",
    "require",
    "require_any",
    "onchanges",
    "onchanges_any",
    "watch",
    "watch_any",
    "prereq",
    "prerequired",
    "listen",
    "onfail_stop",
];

const REQUISITES_IN: &[&str] = &[
    "onchanges_in",
    "onfail_in",
    "prereq_in",
    "watch_in",
    "require_in",
    "listen_in",
];

const RUNTIME: &[&str] = &[
    "fun",
    "state",
    "check_cmd",
    "cmd_opts_exclude",
    "failhard",
    "onlyif",
    "unless",
    "creates",
    "retry",
    "order",
    "parallel",
    "prereq",
    "prereq_in",
    "reload_modules",
    "reload_grains",
    "reload_pillar",
    "runas",
    "runas_password",
    "no_log",
    "fire_event",
    "saltenv",
    "umask",
    "use",
    "use_in",
    "__env__",
    "__sls__",
    "__id__",
    "__sls_included_from__",
    "__orchestration_jid__",
    "__prereq__",
    "__prerequired__",
    "__prerequiring__",
    "__umask__",
    "__reqs__",
];

/// Whether an argument is the engine's, not the function's.
pub(crate) fn is_internal(key: &str) -> bool {
    REQUISITES.contains(&key)
        || REQUISITES_IN.contains(&key)
        || RUNTIME.contains(&key)
        || key.starts_with("__pub_")
}

/// A text field; empty when it is missing or no text.
pub(crate) fn field<'a>(chunk: &'a Map, key: &str) -> &'a str {
    chunk.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The key of a chunk's result.
pub fn tag(chunk: &Map) -> String {
    format!(
        "{}_|-{}_|-{}_|-{}",
        field(chunk, "state"),
        field(chunk, "__id__"),
        field(chunk, "name"),
        field(chunk, "fun")
    )
}

/// `module.function`.
pub(crate) fn function(chunk: &Map) -> String {
    format!("{}.{}", field(chunk, "state"), field(chunk, "fun"))
}

/// The first entry's key as text.
pub(crate) fn first_key(map: &Map) -> &str {
    map.first()
        .and_then(|(k, _)| k.as_str())
        .unwrap_or_default()
}

/// A state declaration's function names: keys that are not the engine's.
pub(crate) fn declarations(body: &Map) -> impl Iterator<Item = (&str, &Value)> {
    body.iter()
        .filter_map(|(k, v)| Some((k.as_str()?, v)))
        .filter(|(k, _)| !k.starts_with("__"))
}
