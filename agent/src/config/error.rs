//! What can be wrong with a configuration. Every message names the file and, where one is known, the line.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The place that set a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// The line of the key, counted from 1; `None` where the file writes it in a form that has no line of its own.
    pub line: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is there and cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file is no YAML.
    #[error("{}: {cause}", Origin { file: file.clone(), line: *line })]
    Syntax {
        /// Which.
        file: PathBuf,
        /// Where.
        line: Option<usize>,
        /// What the parser says.
        cause: String,
    },
    /// The file is YAML, yet not a mapping of options.
    #[error("{}: a configuration is a mapping of options, this is {found}", file.display())]
    NotAMapping {
        /// Which.
        file: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Files include each other without end.
    #[error("{}: too many nested `include`s; does a file include itself?", file.display())]
    IncludeLoop {
        /// The file at which we stopped.
        file: PathBuf,
    },
    /// The value is not what the option takes.
    #[error("{}`{key}` must be {expected}, not {found}", Prefix(origin.as_ref()))]
    Value {
        /// The option, with its path when nested.
        key: String,
        /// Where it was set; `None` when no file did.
        origin: Option<Origin>,
        /// What it takes.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A key below `agent:` that does not exist.
    #[error("{}unknown key `agent:{key}`{}", Prefix(origin.as_ref()), Hint(hint.as_deref()))]
    UnknownAgentKey {
        /// The key, with its path.
        key: String,
        /// Where it stands.
        origin: Option<Origin>,
        /// The known key that is nearest to it.
        hint: Option<String>,
    },
    /// The minion id found or set is not one that a master takes.
    #[error("{}the minion id {id:?} is not valid: {cause}", Prefix(origin.as_ref()))]
    Id {
        /// The id.
        id: String,
        /// Where it was set.
        origin: Option<Origin>,
        /// What is wrong.
        cause: String,
    },
}

struct Prefix<'a>(Option<&'a Origin>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |origin| write!(f, "{origin}: "))
    }
}

struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |hint| write!(f, " (did you mean `{hint}`?)"))
    }
}

/// What a value is, in words.
pub(crate) fn kind(value: &salt_wire::Value) -> &'static str {
    use salt_wire::Value;
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a truth value",
        Value::Int(_) => "a number",
        Value::Float(_) => "a fraction",
        Value::Str(_) => "text",
        Value::Bytes(_) => "binary data",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}
