//! Tests (`x is …`): Jinja2's, and Salt's `match`, `equalto` and `list`.

use std::cmp::Ordering;

use crate::ast::Cmp;
use crate::error::{Error, Result};
use crate::eval::{Args, Interp, compare};
use crate::filters;
use crate::value::{Val, ops};

/// A test's code.
pub(crate) type Test = fn(&Interp<'_>, &Val, &Args) -> Result<bool>;

/// The test of this name.
pub(crate) fn find(name: &str) -> Option<Test> {
    TESTS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, test)| *test)
}

const TESTS: &[(&str, Test)] = &[
    ("defined", |_, v, _| Ok(!v.is_undefined())),
    ("undefined", |_, v, _| Ok(v.is_undefined())),
    ("none", |_, v, _| Ok(matches!(v, Val::None))),
    ("boolean", |_, v, _| Ok(matches!(v, Val::Bool(_)))),
    ("true", |_, v, _| Ok(matches!(v, Val::Bool(true)))),
    ("false", |_, v, _| Ok(matches!(v, Val::Bool(false)))),
    ("integer", |_, v, _| Ok(matches!(v, Val::Int(_)))),
    ("float", |_, v, _| Ok(matches!(v, Val::Float(_)))),
    ("number", |_, v, _| {
        Ok(matches!(v, Val::Int(_) | Val::Float(_) | Val::Bool(_)))
    }),
    ("string", |_, v, _| Ok(matches!(v, Val::Str(_)))),
    ("mapping", |_, v, _| Ok(matches!(v, Val::Dict(_)))),
    ("list", |_, v, _| Ok(matches!(v, Val::List(_)))),
    ("sequence", |_, v, _| {
        Ok(matches!(
            v,
            Val::Str(_)
                | Val::Bytes(_)
                | Val::List(_)
                | Val::Tuple(_)
                | Val::Dict(_)
                | Val::Range(..)
        ))
    }),
    ("iterable", |_, v, _| {
        v.strict()?;
        Ok(v.is_iterable())
    }),
    ("callable", |_, v, _| Ok(v.is_callable())),
    ("escaped", |_, v, _| {
        Ok(matches!(v, Val::Str(t) if t.markup))
    }),
    ("even", |_, v, _| remainder(v, &Val::Int(2), 0)),
    ("odd", |_, v, _| remainder(v, &Val::Int(2), 1)),
    ("divisibleby", |_, v, a| {
        remainder(v, &one(a, "divisibleby")?, 0)
    }),
    ("lower", |_, v, _| {
        let text = crate::value::repr::str(v)?;
        Ok(cased(&text) && text == text.to_lowercase())
    }),
    ("upper", |_, v, _| {
        let text = crate::value::repr::str(v)?;
        Ok(cased(&text) && text == text.to_uppercase())
    }),
    ("sameas", |_, v, a| same(v, &one(a, "sameas")?)),
    ("filter", |_, v, _| {
        Ok(v.as_str().is_some_and(|n| filters::find(n).is_some()))
    }),
    ("test", |_, v, _| {
        Ok(v.as_str().is_some_and(|n| find(n).is_some()))
    }),
    ("in", |_, v, a| ops::contains(&one(a, "in")?, v)),
    ("eq", |_, v, a| compare(Cmp::Eq, v, &one(a, "eq")?)),
    ("equalto", |_, v, a| {
        compare(Cmp::Eq, v, &one(a, "equalto")?)
    }),
    ("==", |_, v, a| compare(Cmp::Eq, v, &one(a, "==")?)),
    ("ne", |_, v, a| compare(Cmp::Ne, v, &one(a, "ne")?)),
    ("!=", |_, v, a| compare(Cmp::Ne, v, &one(a, "!=")?)),
    ("gt", |_, v, a| compare(Cmp::Gt, v, &one(a, "gt")?)),
    ("greaterthan", |_, v, a| compare(Cmp::Gt, v, &one(a, "gt")?)),
    (">", |_, v, a| compare(Cmp::Gt, v, &one(a, "gt")?)),
    ("ge", |_, v, a| compare(Cmp::Ge, v, &one(a, "ge")?)),
    (">=", |_, v, a| compare(Cmp::Ge, v, &one(a, "ge")?)),
    ("lt", |_, v, a| compare(Cmp::Lt, v, &one(a, "lt")?)),
    ("lessthan", |_, v, a| compare(Cmp::Lt, v, &one(a, "lt")?)),
    ("<", |_, v, a| compare(Cmp::Lt, v, &one(a, "lt")?)),
    ("le", |_, v, a| compare(Cmp::Le, v, &one(a, "le")?)),
    ("<=", |_, v, a| compare(Cmp::Le, v, &one(a, "le")?)),
    ("match", |_, v, a| {
        let [pattern, ignorecase, multiline] =
            a.bind("test_match", ["rgx", "ignorecase", "multiline"])?;
        filters::regex::is_match(v, pattern, ignorecase, multiline)
    }),
];

fn one(args: &Args, name: &str) -> Result {
    match args.positional.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(Error::type_error(format!("{name}() takes one argument"))),
    }
}

fn remainder(value: &Val, by: &Val, rest: i128) -> Result<bool> {
    let result = ops::binary(crate::ast::Op::Mod, value, by)?;
    ops::equal(&result, &Val::Int(rest))
}

fn cased(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

fn same(a: &Val, b: &Val) -> Result<bool> {
    use std::rc::Rc;
    Ok(match (a, b) {
        (Val::List(x), Val::List(y)) => Rc::ptr_eq(x, y),
        (Val::Dict(x), Val::Dict(y)) => Rc::ptr_eq(x, y),
        (Val::Bool(x), Val::Bool(y)) => x == y,
        (Val::Bool(_), _) | (_, Val::Bool(_)) => false,
        (Val::Int(_), Val::Float(_)) | (Val::Float(_), Val::Int(_)) => false,
        _ => {
            ops::equal(a, b)?
                || matches!((a, b), (Val::Float(x), Val::Float(y)) if x.total_cmp(y) == Ordering::Equal)
        }
    })
}
