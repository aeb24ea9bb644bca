//! Jinja as Salt renders it, with Python's value semantics.
//!
//! ```text
//! source → lexer → parser → ast → eval, with value, methods, filters, tests → text
//! ```
//!
//! An engine of our own, because formulas change their data while they render (`{% do d.update(…) %}`,
//! `.append`, `.pop`: in most public state trees), format with `%`, and use Salt's own tags. minijinja's
//! values cannot change by design, its tags cannot be added to, and rewriting the source before it would
//! spoil the line numbers that Salt's errors show. Here values are Python's: shared and mutable, `1 == True`,
//! dicts in order, text forms as `repr` has them.
//!
//! What differs from Jinja2 on purpose: integers end at 128 bits, generators are read eagerly, sets keep
//! their order, and a rendering has bounds ([`Limits`]) so that no template can hang or exhaust the host.

mod ast;
mod budget;
mod environment;
mod error;
mod eval;
mod filters;
mod format;
mod lexer;
mod methods;
mod options;
mod parser;
pub mod python;
mod tests;
pub mod twister;
mod value;

pub use environment::{Environment, Loaded, Loader};
pub use error::{Error, ErrorKind};
pub use options::{Limits, Options};
pub use value::object::{CallError, Found, Object};
