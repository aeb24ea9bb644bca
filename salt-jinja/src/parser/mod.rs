//! Tokens → syntax tree: Jinja2's parser with Salt's tags.
//!
//! `stream.rs` hands out tokens, `expr.rs` reads expressions, `stmt.rs` statements. A new tag is a branch
//! in `stmt.rs` and a variant in `ast.rs`.

mod expr;
mod stmt;
mod stream;

use crate::ast::{Ast, Body};
use crate::error::{Error, Result};
use crate::lexer::tokenize;
use crate::options::Options;

use stream::Parser;

/// Deepest nesting of expressions and statements.
const MAX_NESTING: usize = 60;
/// Longest chain at one level: `a.b.c…`, `a + b + c…`, `x|f|g…`.
const MAX_CHAIN: usize = 150;

/// Parses a template's source.
pub(crate) fn parse(source: &str, options: &Options) -> Result<Ast> {
    let (tokens, fault) = tokenize(source, options);
    let mut parser = Parser::new(tokens);
    let parsed = parser.subparse(&[]);
    let body: Body = match fault {
        Some(fault) if parser.is_at_end() => return Err(fault),
        _ => parsed?,
    };
    Ok(Ast {
        body,
        blocks: parser.blocks,
    })
}

impl Parser {
    /// Runs `inner` one level deeper.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Error::syntax(
                "the template is nested too deeply",
                self.line(),
            ));
        }
        let result = inner(self);
        self.nesting -= 1;
        result
    }
}
