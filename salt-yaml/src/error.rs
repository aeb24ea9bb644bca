//! What is wrong with a text, and where; worded as PyYAML words it.

use std::fmt;

/// A place in the text; both numbers start at 0, as PyYAML's do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// Line, from 0.
    pub line: usize,
    /// Column in characters, from 0.
    pub column: usize,
}

impl From<libyaml_safer::Mark> for Mark {
    fn from(mark: libyaml_safer::Mark) -> Self {
        Self {
            line: usize::try_from(mark.line).unwrap_or(usize::MAX - 1),
            column: usize::try_from(mark.column).unwrap_or(usize::MAX - 1),
        }
    }
}

/// Which of PyYAML's exceptions this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// `ReaderError`: not text, or a control character.
    Reader,
    /// `ScannerError`: no token.
    Scanner,
    /// `ParserError`: tokens in a wrong order.
    Parser,
    /// `ComposerError`: anchors and aliases, several documents.
    Composer,
    /// `ConstructorError`: a tag or key that makes no value.
    Constructor,
    /// `ValueError`: a scalar that does not fit its tag.
    Value,
    /// One of our own bounds.
    Bound,
}

impl ErrorKind {
    /// The name of Python's exception class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Reader => "ReaderError",
            Self::Scanner => "ScannerError",
            Self::Parser => "ParserError",
            Self::Composer => "ComposerError",
            Self::Constructor => "ConstructorError",
            Self::Value => "ValueError",
            Self::Bound => "RecursionError",
        }
    }
}

/// A text that is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub kind: ErrorKind,
    /// What was being read, if that helps.
    pub context: Option<String>,
    /// Where that began.
    pub context_mark: Option<Mark>,
    /// What is wrong.
    pub problem: String,
    /// Where.
    pub mark: Option<Mark>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, problem: impl Into<String>, mark: Option<Mark>) -> Self {
        Self {
            kind,
            context: None,
            context_mark: None,
            problem: problem.into(),
            mark,
        }
    }

    pub(crate) fn within(mut self, context: &str, mark: Mark) -> Self {
        self.context = Some(context.to_owned());
        self.context_mark = Some(mark);
        self
    }

    /// The line of the problem, from 1.
    pub fn line(&self) -> Option<usize> {
        self.mark.map(|m| m.line + 1)
    }

    /// The column of the problem, from 1.
    pub fn column(&self) -> Option<usize> {
        self.mark.map(|m| m.column + 1)
    }

    /// The whole message with `name` as the name of the text, as `str()` of PyYAML's exception.
    pub fn text(&self, name: &str) -> String {
        let place = |m: Mark| {
            format!(
                "  in \"{name}\", line {}, column {}",
                m.line + 1,
                m.column + 1
            )
        };
        if self.kind == ErrorKind::Reader {
            return match self.mark {
                Some(m) => format!("{}\n  in \"{name}\", position {}", self.problem, m.column),
                None => self.problem.clone(),
            };
        }
        let mut lines = Vec::new();
        if let Some(context) = &self.context {
            lines.push(context.clone());
            // Said once when both stand at the same place.
            if let Some(mark) = self.context_mark
                && self.mark != Some(mark)
            {
                lines.push(place(mark));
            }
        }
        lines.push(self.problem.clone());
        lines.extend(self.mark.map(place));
        lines.join("\n")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text("<unicode string>"))
    }
}

impl std::error::Error for Error {}

/// libyaml's own refusals.
pub(crate) fn from_libyaml(error: &libyaml_safer::Error, text: &str) -> Error {
    use libyaml_safer::ErrorKind as K;
    let kind = match error.kind() {
        K::Scanner => ErrorKind::Scanner,
        K::Parser => ErrorKind::Parser,
        K::Composer => ErrorKind::Composer,
        _ => return reader(error, text),
    };
    Error {
        kind,
        context: error.context().map(str::to_owned),
        context_mark: error.context_mark().map(Mark::from),
        problem: error.problem().to_owned(),
        mark: error.problem_mark().map(Mark::from),
    }
}

/// A control character: libyaml says so without the character's name, PyYAML adds it.
fn reader(error: &libyaml_safer::Error, text: &str) -> Error {
    let found = text
        .char_indices()
        .enumerate()
        .find(|(_, (_, c))| !allowed(*c));
    match found {
        Some((_, (at, c))) => Error::new(
            ErrorKind::Reader,
            format!(
                "unacceptable character #x{:04x}: control characters are not allowed",
                u32::from(c)
            ),
            Some(Mark {
                line: text[..at].matches('\n').count(),
                column: at,
            }),
        ),
        None => Error::new(ErrorKind::Reader, error.problem(), None),
    }
}

fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
