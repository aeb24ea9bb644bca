//! The parser's position, and its complaints.

use std::rc::Rc;

use crate::ast::{BlockDef, Name};
use crate::error::{Error, ErrorKind, Result};
use crate::lexer::{Tok, Token};

/// What a macro's body was seen to use.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Uses {
    pub(super) caller: bool,
    pub(super) varargs: bool,
    pub(super) kwargs: bool,
}

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    pub(super) nesting: usize,
    pub(super) blocks: Vec<(Name, Rc<BlockDef>)>,
    pub(super) macros: Vec<Uses>,
    /// The tags that are open, innermost last, and what would close each.
    pub(super) open_tags: Vec<String>,
    pub(super) end_tags: Vec<&'static [&'static str]>,
}

impl Parser {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self {
            tokens,
            at: 0,
            nesting: 0,
            blocks: Vec::new(),
            macros: Vec::new(),
            open_tags: Vec::new(),
            end_tags: Vec::new(),
        }
    }

    fn token(&self, ahead: usize) -> &Tok {
        // The last token is always the end.
        self.tokens
            .get(self.at + ahead)
            .or(self.tokens.last())
            .map_or(&Tok::Eof, |t| &t.tok)
    }

    /// Whether only the end is left.
    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.current(), Tok::Eof)
    }

    pub(super) fn current(&self) -> &Tok {
        self.token(0)
    }

    pub(super) fn look(&self) -> &Tok {
        self.token(1)
    }

    pub(super) fn line(&self) -> usize {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(1, |t| t.line)
    }

    pub(super) fn next(&mut self) -> Tok {
        let tok = self.current().clone();
        self.skip();
        tok
    }

    pub(super) fn skip(&mut self) {
        if self.at < self.tokens.len() {
            self.at += 1;
        }
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.current(), Tok::Op(o) if *o == op)
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self.current(), Tok::Name(n) if n == name)
    }

    pub(super) fn look_is_name(&self, name: &str) -> bool {
        matches!(self.look(), Tok::Name(n) if n == name)
    }

    pub(super) fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.skip();
        }
        found
    }

    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.skip();
        }
        found
    }

    pub(super) fn expect_op(&mut self, op: &'static str) -> Result<()> {
        if self.skip_op(op) {
            return Ok(());
        }
        Err(self.expected(op))
    }

    pub(super) fn expect_name(&mut self, name: &'static str) -> Result<()> {
        if self.skip_name(name) {
            return Ok(());
        }
        Err(self.expected(name))
    }

    pub(super) fn expect(&mut self, tok: &Tok) -> Result<()> {
        if self.current() == tok {
            self.skip();
            return Ok(());
        }
        Err(self.expected(&tok.describe()))
    }

    pub(super) fn any_name(&mut self) -> Result<Name> {
        match self.current() {
            Tok::Name(name) => {
                let name = Name::from(name.as_str());
                self.skip();
                Ok(name)
            }
            _ => Err(self.expected("name")),
        }
    }

    pub(super) fn expected(&self, what: &str) -> Box<Error> {
        let message = if *self.current() == Tok::Eof {
            format!("unexpected end of template, expected '{what}'.")
        } else {
            format!(
                "expected token '{what}', got {}",
                crate::python::quote(&self.current().describe())
            )
        };
        self.fail(message)
    }

    pub(super) fn fail(&self, message: impl Into<String>) -> Box<Error> {
        Error::syntax(message, self.line())
    }

    pub(super) fn assertion(&self, message: impl Into<String>) -> Box<Error> {
        let mut error = self.fail(message);
        error.kind = ErrorKind::Assertion;
        error
    }

    /// An unknown or misplaced tag, or the end of the template where a tag was to come.
    pub(super) fn fail_tag(
        &self,
        name: Option<&str>,
        ends: &[&'static [&'static str]],
    ) -> Box<Error> {
        let expected: Vec<&str> = ends.iter().flat_map(|e| e.iter().copied()).collect();
        let looking = ends.last().map(|last| {
            let quoted: Vec<_> = last.iter().map(|e| format!("'{e}'")).collect();
            quoted.join(" or ")
        });
        let mut message = match name {
            None => String::from("Unexpected end of template."),
            Some(name) => format!("Encountered unknown tag '{name}'."),
        };
        if let Some(looking) = &looking {
            if name.is_some_and(|n| expected.contains(&n)) {
                message.push_str(&format!(
                    " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {looking}."
                ));
            } else {
                message.push_str(&format!(
                    " Jinja was looking for the following tags: {looking}."
                ));
            }
        }
        if let Some(open) = self.open_tags.last() {
            message.push_str(&format!(
                " The innermost block that needs to be closed is '{open}'."
            ));
        }
        self.fail(message)
    }
}
