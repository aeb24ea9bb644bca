//! `json_query`: JMESPath, as the Python library that Salt uses reads it.
//!
//! `parse.rs` makes the tree, `eval.rs` walks it over our own values (a crate's would sort the maps), and
//! `functions.rs` holds its functions.

mod eval;
mod functions;
mod parse;

use super::Filter;
use crate::value::Val;
use crate::value::repr::str;

pub(super) const FILTERS: &[(&str, Filter)] = &[("json_query", |_, v, a| {
    let [expr] = a.bind("json_query", ["expr"])?;
    let Some(expr) = expr else {
        return Err(crate::error::Error::type_error(
            "json_query() missing 1 required positional argument: 'expr'",
        ));
    };
    let tree = parse::parse(&str(&expr)?)?;
    eval::search(&tree, &v)
})];

/// A parsed expression.
#[derive(Debug, Clone)]
enum Node {
    Current,
    Field(String),
    Literal(Literal),
    Index(i128),
    Slice([Option<i128>; 3]),
    /// `a.b`, `a[0]`: the second seen from the first.
    Then(Box<Self>, Box<Self>),
    /// `a[*].b`
    Project(Box<Self>, Box<Self>),
    /// `a.*.b`
    ProjectValues(Box<Self>, Box<Self>),
    /// `a[?c].b`
    Filter(Box<Self>, Box<Self>, Box<Self>),
    Flatten(Box<Self>),
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare(Comparison, Box<Self>, Box<Self>),
    List(Vec<Self>),
    Dict(Vec<(String, Self)>),
    Call(String, Vec<Self>),
    /// `&expr`
    Reference(Box<Self>),
}

/// A literal; it may be a collection, which each evaluation makes anew.
#[derive(Debug, Clone)]
enum Literal {
    Json(String),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

fn list(items: Vec<Val>) -> Val {
    Val::list(items)
}
