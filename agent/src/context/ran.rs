//! Programs that a function runs through `cmd.*`, as Salt's own do: what they did is logged and told as that of any
//! command. No shell reads their words.

use salt_wire::{Map, Value};

use super::{Context, Result, python};

impl Context {
    /// Calls a function of `cmd` with a program and its words.
    pub fn cmd(&self, function: &str, argv: impl Into<Value>, mut kwargs: Map) -> Result {
        kwargs.insert("python_shell".into(), false.into());
        self.call(function, &[argv.into()], &kwargs)
    }

    /// Runs a program as `cmd.run_all` does.
    pub fn run_all(&self, argv: impl Into<Value>, kwargs: Map) -> Result<Ran> {
        self.cmd("cmd.run_all", argv, kwargs).map(Ran::from)
    }
}

/// What a program did, as `cmd.run_all` and those that hand its answer on tell it.
pub struct Ran(pub Map);

impl Ran {
    /// The code that it ended with.
    pub fn code(&self) -> Option<i128> {
        self.0.get("retcode").and_then(Value::as_int)
    }

    /// Whether it ended well.
    pub fn is_fine(&self) -> bool {
        self.code() == Some(0)
    }

    /// What it said.
    pub fn stdout(&self) -> String {
        self.text("stdout")
    }

    /// What it complained of.
    pub fn stderr(&self) -> String {
        self.text("stderr")
    }

    /// A part of the answer, as text.
    pub fn text(&self, key: &str) -> String {
        self.0.get(key).map(python::text).unwrap_or_default()
    }
}

impl From<Value> for Ran {
    fn from(answer: Value) -> Self {
        Self(match answer {
            Value::Map(map) => map,
            _ => Map::new(),
        })
    }
}

impl From<Ran> for Value {
    fn from(ran: Ran) -> Self {
        ran.0.into()
    }
}
