//! `txt`: each line behind the name of its minion.

use salt_wire::Value;

use super::{lines, pprint};
use crate::context::python;

pub(super) fn output(data: &Value) -> String {
    let mut out = String::new();
    match data {
        Value::Map(map) => {
            for (key, value) in map {
                let key = python::text(key);
                let line = |text: &str| format!("{key}: {text}\n");
                match value {
                    Value::Str(text) => out.extend(lines(text).into_iter().map(line)),
                    other => out.push_str(&line(&python::text(other))),
                }
            }
        }
        Value::Str(text) => {
            out.push_str(text);
            out.push('\n');
        }
        other => {
            out.push_str(&pprint::format(other, 1));
            out.push('\n');
        }
    }
    out
}
