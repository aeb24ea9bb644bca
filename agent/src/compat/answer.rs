//! Salt's exceptions as this program's failures: the same exception gives the same words, native or not.

use salt_wire::Value;

use crate::context::{Error, python};

/// The failure that a worker's `err` tells of.
pub(super) fn error(err: &Value) -> Error {
    let text = |key: &str| err.get(key).map(python::text).unwrap_or_default();
    let names = err
        .get("names")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let is = |name: &str| names.iter().any(|n| n.as_str() == Some(name));
    let message = text("message");
    if is("CommandNotFoundError") {
        Error::MissingCommand(message)
    } else if is("CommandExecutionError") {
        Error::Execution(message)
    } else if is("SaltInvocationError") {
        Error::Invocation(message)
    } else if is("TypeError") {
        Error::Arguments(message)
    } else {
        Error::Python {
            class: text("class"),
            message,
            trace: text("trace"),
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    fn of(class: &str, names: &[&str]) -> Error {
        error(&Value::Map(map! {
            "class" => class, "names" => names.to_vec(), "message" => "why", "trace" => "Traceback",
        }))
    }

    #[test]
    fn the_nearest_kind_counts() {
        let execution = of("x.Own", &["Own", "CommandExecutionError", "SaltException"]);
        assert!(matches!(execution, Error::Execution(m) if m == "why"));
        // Salt's own is a TypeError besides.
        let misuse = of("x", &["SaltInvocationError", "SaltException", "TypeError"]);
        assert!(matches!(misuse, Error::Invocation(_)));
        assert!(matches!(
            of("TypeError", &["TypeError"]),
            Error::Arguments(_)
        ));
        let other = of("ZeroDivisionError", &["ZeroDivisionError", "Exception"]);
        assert!(matches!(other, Error::Python { class, .. } if class == "ZeroDivisionError"));
    }
}
