//! What a run means as a whole: its return value and its return code.

use salt_wire::{Map, Value};

use super::Outcome;
use super::low::first_key;
use crate::context::python;

/// Salt's exit code of a run with a failed state.
pub const STATE_FAILURE: i64 = 2;
/// Salt's exit code of a run that did not compile.
pub const COMPILER_ERROR: i64 = 1;
/// Salt's exit code of a run whose pillar did not render.
pub const PILLAR_FAILURE: i64 = 5;

impl Outcome {
    /// The return value and the return code.
    pub fn into_return(self, terse: bool) -> (Value, i64) {
        match self {
            Self::Refused(texts) => (texts.into(), COMPILER_ERROR),
            Self::Ran { mut results, high } => {
                if terse {
                    results.retain(|_, r| {
                        !r.get("result").is_some_and(Value::is_truthy)
                            || r.get("changes").is_some_and(Value::is_truthy)
                    });
                }
                let code = if check_result(&results, &high) {
                    0
                } else {
                    STATE_FAILURE
                };
                (results.into(), code)
            }
        }
    }
}

/// Whether a run succeeded: every state did, or had its failure handled.
pub fn check_result(results: &Map, high: &Map) -> bool {
    !results.is_empty()
        && results.iter().all(|(tag, result)| {
            let fine = match result {
                Value::Map(map) => match map.get("result") {
                    Some(result) => *result != Value::Bool(false),
                    None => check_result(map, high),
                },
                _ => false,
            };
            fine || handled(&python::text(tag), results, high).unwrap_or(false)
        })
}

/// Whether states with `onfail` and `onfail_stop: False` took care of a failure; `None` without any.
fn handled(tag: &str, results: &Map, high: &Map) -> Option<bool> {
    let mut parts = tag.split("_|-");
    let (state, id) = (parts.next()?, parts.next()?);
    let mut verdict = None;
    for (handler, body) in high {
        let (Some(handler), Value::Map(body)) = (handler.as_str(), body) else {
            continue;
        };
        if handler == id || handler.starts_with("__") {
            continue;
        }
        for (module, run) in super::low::declarations(body) {
            let arguments: Vec<&Map> = run
                .as_list()
                .unwrap_or_default()
                .iter()
                .filter_map(Value::as_map)
                .collect();
            if !arguments
                .iter()
                .any(|a| a.get("onfail_stop") == Some(&Value::Bool(false)))
            {
                continue;
            }
            let names_it = arguments
                .iter()
                .filter_map(|a| a.get("onfail"))
                .flat_map(|l| l.as_list().unwrap_or_default())
                .filter_map(Value::as_map)
                .any(|r| {
                    first_key(r) == state && r.first().and_then(|(_, v)| v.as_str()) == Some(id)
                });
            if !names_it {
                continue;
            }
            for (other, result) in results {
                let other = python::text(other);
                let mut parts = other.split("_|-");
                if parts.next() == Some(module) && parts.next() == Some(handler) {
                    match result.get("result").and_then(Value::as_bool) {
                        Some(false) => {
                            verdict = Some(false);
                            break;
                        }
                        Some(true) => verdict = Some(true),
                        None => {}
                    }
                }
            }
            verdict = verdict.or(Some(false));
        }
    }
    verdict
}
