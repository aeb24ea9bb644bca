//! YAML as Salt reads and writes it.
//!
//! ```text
//! text → libyaml's events → node (a graph with anchors) → construct (Python's values) → Value
//! Value → dump (PyYAML's representer) → libyaml's emitter → text
//! ```
//!
//! Salt runs PyYAML on libyaml, so the events and the emitter come from `libyaml-safer`, a port of that
//! library: what is an error, where it is, and how it is worded are then the same by construction. A YAML
//! 1.2 parser would differ in tabs, plain scalars in flow context, duplicate anchors and every message.
//! Tags are resolved here, by YAML 1.1's rules as PyYAML has them.
//!
//! Everything is bounded: text size, nesting, and the size of what aliases expand to.

mod binary;
mod construct;
mod dump;
mod error;
mod node;
mod quiet;
mod resolve;
mod scalar;
mod yamlify;

use salt_wire::Value;

pub use construct::{Dialect, Position, Positions};
pub use dump::{DumpOptions, Flow, dump, scalar_text};
pub use error::{Error, ErrorKind, Mark};
pub use resolve::is_plain_text;
pub use yamlify::yamlify_arg;

/// Longest text that is read.
pub const MAX_TEXT: usize = 64 << 20;
/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 100;
/// Most values that one text may make, aliases expanded.
pub const MAX_VALUES: usize = 2_000_000;

/// Reads one document in the dialect of SLS and pillar files (Salt's yaml renderer).
pub fn load(text: &str) -> Result<Value, Error> {
    load_as(text, Dialect::Sls)
}

/// Reads one document in the dialect of `salt.utils.yaml.safe_load`: configuration, arguments.
pub fn load_plain(text: &str) -> Result<Value, Error> {
    load_as(text, Dialect::Plain)
}

/// Reads a configuration file, and says at which line each key stands.
pub fn load_config(text: &str) -> Result<(Value, Positions), Error> {
    let graph = node::compose(text)?;
    let positions = construct::positions(&graph);
    Ok((construct::construct(graph, Dialect::Plain)?, positions))
}

fn load_as(text: &str, dialect: Dialect) -> Result<Value, Error> {
    construct::construct(node::compose(text)?, dialect)
}
