//! What went wrong: a kind for programs, words and causes for people, and what to do next.

use std::error::Error as StdError;
use std::fmt;

/// Result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Who can mend it; each kind has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The operation was carried out and failed for at least one minion.
    Failed,
    /// The command line asks for something impossible.
    Usage,
    /// The master cannot be reached or does not answer.
    Unreachable,
    /// A file or socket of the master may not be read by us, or the master refuses our key.
    Permission,
    /// No minion or key is meant by the command.
    NothingMatched,
    /// A proof is missing or wrong, or a consent is missing. Nothing was changed.
    Refused,
    /// This machine: files, configuration, memory.
    Local,
}

impl Kind {
    /// The exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Permission => 4,
            Self::NothingMatched => 5,
            Self::Refused => 6,
            Self::Local => 7,
        }
    }
}

/// A failure as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Its kind.
    pub kind: Kind,
    /// What failed, and on what.
    pub message: String,
    /// Causes, the nearest first.
    pub causes: Vec<String>,
    /// The next thing to try.
    pub hint: Option<String>,
}

impl Error {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// With the chain of causes of another error.
    pub fn because(mut self, cause: &dyn StdError) -> Self {
        let mut next = Some(cause);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// With something to try next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl StdError for Error {}
