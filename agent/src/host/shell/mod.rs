//! Commands as Salt's users order them: text for a shell or words, another user's login environment, a locale,
//! a umask, a time limit, and what counts as success. `request.rs` reads Salt's arguments, `account.rs` prepares
//! another user, `run.rs` runs and judges, `script.rs` runs text that is no file yet. The functions and the
//! states of `cmd`, and the guards of every state, stand on this.

mod account;
mod request;
mod run;
mod script;

pub use request::{Line, Request, Streams};
pub use run::Ran;
pub use script::Script;

/// Why a command did not run at all, as the kind of Python exception that it would be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// `CommandExecutionError`.
    #[error("{0}")]
    Execution(String),
    /// `SaltInvocationError`.
    #[error("{0}")]
    Invocation(String),
    /// Another one, by name.
    #[error("{kind}: {message}")]
    Exception {
        /// Python's class name for it.
        kind: &'static str,
        /// Its message.
        message: String,
    },
}

impl Error {
    fn execution(text: impl Into<String>) -> Self {
        Self::Execution(text.into())
    }
}

type Result<T> = std::result::Result<T, Error>;
