//! A function's outcome as the `_return` load, with Salt's rules for success and Salt's words for failure.

use nix::sys::signal::Signal;
use salt_wire::{Map, Value, map};

use crate::context::{Error, Result};

/// How one function of a job ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it returned, or how it failed.
    pub result: Result,
    /// The return code that it set.
    pub retcode: i64,
}

/// One function's part of a return.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What the master shows.
    pub value: Value,
    /// Return code.
    pub retcode: i64,
    /// Whether the master counts it as done.
    pub success: bool,
    /// The outputter that fits, if one is declared.
    pub out: Option<&'static str>,
}

/// What failed functions need to word their failure.
pub trait Docs {
    /// The help text of one function, empty if there is none.
    fn doc(&self, fun: &str) -> String;
    /// Help texts of the functions whose names start like this.
    fn starting_with(&self, prefix: &str) -> Map;
}

impl Part {
    /// Shapes the outcome of `fun`.
    pub fn new(fun: &str, outcome: Outcome, docs: &dyn Docs) -> Self {
        match outcome.result {
            Ok(value) => {
                let retcode = match outcome.retcode {
                    0 if says_failed(&value) => 1,
                    code => code,
                };
                Self {
                    value,
                    retcode,
                    success: retcode == 0,
                    out: outputter(fun),
                }
            }
            Err(error) => Self {
                value: failure(fun, &error, docs),
                retcode: 1,
                success: false,
                out: Some("nested"),
            },
        }
    }

    /// A job that was told to end.
    pub fn ended(jid: &str, signal: Signal) -> Self {
        Self {
            value: format!("ERROR: Job {jid} was ended by signal {}", signal as i32).into(),
            retcode: 128 + signal as i64,
            success: false,
            out: Some("nested"),
        }
    }

    /// A job that the agent was stopped in.
    pub fn interrupted(jid: &str) -> Self {
        Self {
            value: format!(
                "ERROR: Job {jid} was interrupted: the agent was stopped while it ran. What it had done until then \
                 is not undone"
            )
            .into(),
            retcode: 1,
            success: false,
            out: Some("nested"),
        }
    }

    /// A job whose time was over.
    pub fn timed_out(jid: &str, seconds: u64) -> Self {
        Self {
            value: format!(
                "ERROR: Job {jid} ran longer than its limit of {seconds} seconds and was ended"
            )
            .into(),
            retcode: 124,
            success: false,
            out: Some("nested"),
        }
    }
}

/// A map that itself says that it failed counts as failed, whatever its function set.
fn says_failed(value: &Value) -> bool {
    ["result", "success"]
        .iter()
        .any(|key| value.get(key).is_some_and(|v| !v.is_truthy()))
}

/// What the master shows for a failed function: Salt's words.
pub fn failure(fun: &str, error: &Error, docs: &dyn Docs) -> Value {
    match error {
        Error::Execution(detail) => format!("ERROR: {detail}").into(),
        Error::Invocation(detail) => format!("ERROR executing '{fun}': {detail}").into(),
        Error::Arguments(detail) => format!(
            "Passed invalid arguments to {fun}: {detail}\n{}",
            docs.doc(fun)
        )
        .into(),
        Error::MissingCommand(detail) => {
            format!("Command required for '{fun}' not found: {detail}").into()
        }
        Error::NotAvailable(missing) if missing == fun => {
            let mut near = docs.starting_with(fun);
            if near.is_empty() {
                return error.to_string().into();
            }
            near.insert(fun.into(), error.to_string().into());
            near.into()
        }
        Error::NotAvailable(_) | Error::Exception { .. } | Error::Python { .. } => format!(
            "The minion function caused an exception: {}",
            traceback(error)
        )
        .into(),
    }
}

/// The text of an exception that nobody caught.
pub fn traceback(error: &Error) -> String {
    let line = match error {
        Error::Execution(m) => format!("salt.exceptions.CommandExecutionError: {m}"),
        Error::Invocation(m) => format!("salt.exceptions.SaltInvocationError: {m}"),
        Error::Arguments(m) => format!("TypeError: {m}"),
        Error::MissingCommand(m) => format!("salt.exceptions.CommandNotFoundError: {m}"),
        Error::NotAvailable(fun) => format!("KeyError: '{fun}'"),
        Error::Exception { kind, message } if message.is_empty() => (*kind).to_owned(),
        Error::Exception { kind, message } => format!("{kind}: {message}"),
        Error::Python { trace, .. } => return trace.clone(),
    };
    format!("Traceback (most recent call last):\n{line}\n")
}

/// Outputters that Salt's modules declare.
fn outputter(fun: &str) -> Option<&'static str> {
    match fun {
        "state.sls"
        | "state.sls_id"
        | "state.pkg"
        | "state.top"
        | "state.single"
        | "state.highstate"
        | "state.template"
        | "state.template_str"
        | "state.apply"
        | "state.test"
        | "state.request"
        | "state.check_request"
        | "state.run_request" => Some("highstate"),
        "grains.items" | "grains.item" | "grains.setval" => Some("nested"),
        _ => None,
    }
}

/// The return of an ordinary job.
pub fn single(id: &str, job: &Map, part: Part) -> Map {
    let mut load = map! {
        "cmd" => "_return",
        "id" => id,
        "success" => part.success,
        "return" => part.value,
        "retcode" => part.retcode,
    };
    if let Some(out) = part.out {
        load.insert("out".into(), out.into());
    }
    copy(job, &mut load);
    load
}

/// The return of a job that named several functions: maps by function, or lists by position when
/// `ordered`. A function that failed has its bare text and no return code.
pub fn multiple(
    id: &str,
    job: &Map,
    parts: Vec<(String, std::result::Result<Part, String>)>,
    ordered: bool,
) -> Map {
    let (mut values, mut retcodes, mut successes) = (Map::new(), Map::new(), Map::new());
    let (mut value_list, mut retcode_list, mut success_list) = (vec![], vec![], vec![]);
    for (fun, part) in parts {
        let (value, retcode, success) = match part {
            Ok(part) => (part.value, Some(part.retcode), part.success),
            Err(text) => (text.into(), None, false),
        };
        if ordered {
            value_list.push(value);
            retcode_list.push(retcode.map_or(Value::Null, Value::from));
            success_list.push(success.into());
            continue;
        }
        let fun = Value::from(fun);
        values.insert(fun.clone(), value);
        if let Some(retcode) = retcode {
            retcodes.insert(fun.clone(), retcode.into());
        }
        successes.insert(fun, success.into());
    }
    let mut load = map! {"cmd" => "_return", "id" => id};
    if ordered {
        load.insert("return".into(), Value::List(value_list));
        load.insert("retcode".into(), Value::List(retcode_list));
        load.insert("success".into(), Value::List(success_list));
    } else {
        load.insert("return".into(), values.into());
        load.insert("retcode".into(), retcodes.into());
        load.insert("success".into(), successes.into());
    }
    copy(job, &mut load);
    load
}

/// What a return repeats of its job.
fn copy(job: &Map, load: &mut Map) {
    let of_job = |key: &str| job.get(key).cloned().unwrap_or_default();
    load.insert("jid".into(), of_job("jid"));
    load.insert("fun".into(), of_job("fun"));
    load.insert("fun_args".into(), of_job("arg"));
    for key in ["user", "master_id"] {
        if let Some(value) = job.get(key) {
            load.insert(key.into(), value.clone());
        }
    }
    match job.get("metadata") {
        Some(metadata @ Value::Map(_)) => {
            load.insert("metadata".into(), metadata.clone());
        }
        Some(_) => tracing::warn!("The metadata parameter must be a dictionary. Ignoring."),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoDocs;

    impl Docs for NoDocs {
        fn doc(&self, _: &str) -> String {
            "help".into()
        }

        fn starting_with(&self, prefix: &str) -> Map {
            if prefix == "test" {
                map! {"test.ping" => "help"}
            } else {
                Map::new()
            }
        }
    }

    fn part(fun: &str, result: Result, retcode: i64) -> Part {
        Part::new(fun, Outcome { result, retcode }, &NoDocs)
    }

    #[test]
    fn only_a_map_can_say_that_it_failed() {
        let codes = |value: Value| part("x.y", Ok(value), 0).retcode;
        assert_eq!(codes(false.into()), 0);
        assert_eq!(codes(map! {"result" => false}.into()), 1);
        assert_eq!(codes(map! {"success" => Value::Null}.into()), 1);
        assert_eq!(codes(map! {"result" => true, "x" => false}.into()), 0);
        let set = part("cmd.retcode", Ok(3.into()), 3);
        assert_eq!((set.retcode, set.success), (3, false));
    }

    #[test]
    fn failures_read_as_salts() {
        let text = |fun: &str, error: Error| part(fun, Err(error), 0).value;
        assert_eq!(text("a.b", Error::execution("no")), "ERROR: no".into());
        assert_eq!(
            text("a.b", Error::invocation("no")),
            "ERROR executing 'a.b': no".into()
        );
        assert_eq!(
            text("a.b", Error::Arguments("b() takes 0".into())),
            "Passed invalid arguments to a.b: b() takes 0\nhelp".into()
        );
        assert_eq!(
            text("a.b", Error::MissingCommand("git".into())),
            "Command required for 'a.b' not found: git".into()
        );
        assert_eq!(
            text("a.b", Error::NotAvailable("a.b".into())),
            "'a.b' is not available.".into()
        );
        assert_eq!(
            text("test", Error::NotAvailable("test".into())),
            map! {"test.ping" => "help", "test" => "'test' is not available."}.into()
        );
        let exception = Error::Exception {
            kind: "ValueError",
            message: "bad".into(),
        };
        assert_eq!(
            text("a.b", exception),
            "The minion function caused an exception: Traceback (most recent call last):\nValueError: bad\n".into()
        );
    }

    #[test]
    fn a_return_repeats_its_job() {
        let job = map! {
            "fun" => "test.ping", "arg" => Vec::<Value>::new(), "jid" => "7", "user" => "root",
            "tgt" => "*", "metadata" => map!{"a" => 1},
        };
        assert_eq!(
            single("m", &job, part("test.ping", Ok(true.into()), 0)),
            map! {
                "cmd" => "_return", "id" => "m", "success" => true, "return" => true, "retcode" => 0,
                "jid" => "7", "fun" => "test.ping", "fun_args" => Vec::<Value>::new(), "user" => "root",
                "metadata" => map!{"a" => 1},
            }
        );
    }

    #[test]
    fn several_functions_are_told_by_name_or_by_place() {
        let job = map! {"fun" => vec!["a.b", "c.d"], "arg" => Vec::<Value>::new(), "jid" => "7"};
        let parts = || {
            vec![
                ("a.b".to_owned(), Ok(part("a.b", Ok(1.into()), 0))),
                ("c.d".to_owned(), Err("Traceback".to_owned())),
            ]
        };
        let named = multiple("m", &job, parts(), false);
        assert_eq!(
            named["return"],
            map! {"a.b" => 1, "c.d" => "Traceback"}.into()
        );
        assert_eq!(named["retcode"], map! {"a.b" => 0}.into());
        assert_eq!(
            named["success"],
            map! {"a.b" => true, "c.d" => false}.into()
        );
        let placed = multiple("m", &job, parts(), true);
        assert_eq!(placed["retcode"], Value::List(vec![0.into(), Value::Null]));
    }
}
