//! Why a template does not render. Each kind is one of Python's exceptions: Salt words them differently.

use std::fmt;

/// Result of everything that evaluates.
pub(crate) type Result<T = crate::value::Val> = std::result::Result<T, Box<Error>>;

/// The exception that this would be in Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// `jinja2.exceptions.UndefinedError`
    Undefined,
    /// `TemplateSyntaxError`
    Syntax,
    /// `TemplateAssertionError`: a filter or test of a name that there is none of.
    Assertion,
    /// `TemplateRuntimeError`
    Runtime,
    /// `FilterArgumentError`
    FilterArgument,
    /// `SecurityError`
    Security,
    /// `TemplateNotFound`
    NotFound,
    /// `TemplatesNotFound`
    NoneFound,
    /// `salt.exceptions.TemplateError`, what `raise()` raises.
    Raised,
    /// `CommandExecutionError`, `SaltInvocationError` and their like: a Salt function that failed.
    Salt,
    /// One of Python's own exceptions, by its class name.
    Python(&'static str),
    /// One of our own bounds.
    Bound,
}

/// A failed template.
#[derive(Debug, Clone)]
pub struct Error {
    /// The exception.
    pub kind: ErrorKind,
    /// Its text.
    pub message: String,
    /// The template's name; `None` for the one that was given as text.
    pub template: Option<String>,
    /// The line, from 1; 0 if it is not known.
    pub line: usize,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            kind,
            message: message.into(),
            template: None,
            line: 0,
        })
    }

    pub(crate) fn syntax(message: impl Into<String>, line: usize) -> Box<Self> {
        let mut error = Self::new(ErrorKind::Syntax, message);
        error.line = line;
        error
    }

    pub(crate) fn undefined(message: impl Into<String>) -> Box<Self> {
        Self::new(ErrorKind::Undefined, message)
    }

    pub(crate) fn runtime(message: impl Into<String>) -> Box<Self> {
        Self::new(ErrorKind::Runtime, message)
    }

    pub(crate) fn python(class: &'static str, message: impl Into<String>) -> Box<Self> {
        Self::new(ErrorKind::Python(class), message)
    }

    pub(crate) fn type_error(message: impl Into<String>) -> Box<Self> {
        Self::python("TypeError", message)
    }

    pub(crate) fn value_error(message: impl Into<String>) -> Box<Self> {
        Self::python("ValueError", message)
    }

    pub(crate) fn bound(message: impl Into<String>) -> Box<Self> {
        Self::new(ErrorKind::Bound, message)
    }

    /// The name of Python's exception class.
    pub fn class(&self) -> &'static str {
        match self.kind {
            ErrorKind::Undefined => "UndefinedError",
            ErrorKind::Syntax => "TemplateSyntaxError",
            ErrorKind::Assertion => "TemplateAssertionError",
            ErrorKind::Runtime => "TemplateRuntimeError",
            ErrorKind::FilterArgument => "FilterArgumentError",
            ErrorKind::Security => "SecurityError",
            ErrorKind::NotFound => "TemplateNotFound",
            ErrorKind::NoneFound => "TemplatesNotFound",
            ErrorKind::Raised => "TemplateError",
            ErrorKind::Salt => "CommandExecutionError",
            ErrorKind::Python(class) => class,
            ErrorKind::Bound => "RecursionError",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
