//! How a function fails. Each kind is one of Salt's exceptions; `returns/` words it for the master.

use salt_wire::Value;

use super::python;

/// A failed function.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The command or operation failed (`CommandExecutionError`): `ERROR: …`.
    #[error("{0}")]
    Execution(String),
    /// The function was misused (`SaltInvocationError` and other Salt errors): `ERROR executing 'fun': …`.
    #[error("{0}")]
    Invocation(String),
    /// Wrong number or names of arguments (`TypeError`): `Passed invalid arguments to fun: …`.
    #[error("{0}")]
    Arguments(String),
    /// A program that it needs is not installed (`CommandNotFoundError`).
    #[error("{0}")]
    MissingCommand(String),
    /// No such function here: `'fun' is not available.`
    #[error("'{0}' is not available.")]
    NotAvailable(String),
    /// Anything else, as an exception would be: class and message.
    #[error("{kind}: {message}")]
    Exception {
        /// Python's class name for it.
        kind: &'static str,
        /// Its message.
        message: String,
    },
    /// An exception of Salt's own Python, with its traceback.
    #[error("{class}: {message}")]
    Python {
        /// Its class, with its module unless it is built in.
        class: String,
        /// Its message.
        message: String,
        /// Where it was raised, as Python prints it.
        trace: String,
    },
}

impl Error {
    /// A failed operation.
    pub fn execution(text: impl Into<String>) -> Self {
        Self::Execution(text.into())
    }

    /// What Python says of a key that is not there.
    pub fn key(key: impl Into<Value>) -> Self {
        Self::Exception {
            kind: "KeyError",
            message: python::repr(&key.into()),
        }
    }

    /// A misuse.
    pub fn invocation(text: impl Into<String>) -> Self {
        Self::Invocation(text.into())
    }
}

impl From<crate::host::shell::Error> for Error {
    fn from(error: crate::host::shell::Error) -> Self {
        use crate::host::shell::Error as Shell;
        match error {
            Shell::Execution(text) => Self::Execution(text),
            Shell::Invocation(text) => Self::Invocation(text),
            Shell::Exception { kind, message } => Self::Exception { kind, message },
        }
    }
}

impl From<crate::host::service::Error> for Error {
    fn from(error: crate::host::service::Error) -> Self {
        Self::Execution(error.0)
    }
}

impl From<crate::host::timezone::Error> for Error {
    fn from(error: crate::host::timezone::Error) -> Self {
        use crate::host::timezone::Error as Zone;
        match error {
            Zone::Execution(text) => Self::Execution(text),
            Zone::Invocation(text) => Self::Invocation(text),
        }
    }
}
