//! Operators and comparison.

use std::cmp::Ordering;

use super::{Key, Text, Val, not_iterable};
use crate::ast::Op;
use crate::budget;
use crate::error::{Error, Result};
use crate::filters::html;

/// Longest text or list that an operator makes.
const MAX_SIZE: usize = 64 << 20;
/// Deepest comparison.
const MAX_DEPTH: usize = 100;

/// `a == b`
pub(crate) fn equal(a: &Val, b: &Val) -> Result<bool> {
    equal_at(a, b, 0)
}

fn equal_at(a: &Val, b: &Val, depth: usize) -> Result<bool> {
    budget::spend(1)?;
    if depth > MAX_DEPTH {
        return Err(Error::python(
            "RecursionError",
            "maximum recursion depth exceeded in comparison",
        ));
    }
    let lists = |x: &[Val], y: &[Val]| -> Result<bool> {
        if x.len() != y.len() {
            return Ok(false);
        }
        for (x, y) in x.iter().zip(y) {
            if !equal_at(x, y, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    Ok(match (a, b) {
        (Val::Undefined(x), Val::Undefined(y)) if x.lenient && y.lenient => true,
        (Val::Undefined(_), other) | (other, Val::Undefined(_)) => {
            a.strict()?;
            b.strict()?;
            other.is_undefined() && a.is_undefined() && b.is_undefined()
        }
        (Val::None, Val::None) => true,
        (Val::Str(x), Val::Str(y)) => x.text == y.text,
        (Val::Bytes(x), Val::Bytes(y)) => x == y,
        (Val::List(x), Val::List(y)) => {
            std::rc::Rc::ptr_eq(x, y) || lists(&x.borrow(), &y.borrow())?
        }
        (Val::Tuple(x), Val::Tuple(y)) => lists(x, y)?,
        (Val::Dict(x), Val::Dict(y)) => {
            if std::rc::Rc::ptr_eq(x, y) {
                return Ok(true);
            }
            let (x, y) = (x.borrow(), y.borrow());
            if x.len() != y.len() {
                return Ok(false);
            }
            for (key, value) in x.iter() {
                match y.get(key) {
                    Some(other) if equal_at(value, other, depth + 1)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Val::Set(x), Val::Set(y)) => *x.borrow() == *y.borrow(),
        (Val::View(..), Val::View(..)) => lists(&a.iterate()?, &b.iterate()?)?,
        (Val::Range(..), Val::Range(..)) => lists(&a.iterate()?, &b.iterate()?)?,
        (Val::Function(x), Val::Function(y)) => x == y,
        (Val::Macro(x), Val::Macro(y)) => std::rc::Rc::ptr_eq(x, y),
        (Val::Namespace(x), Val::Namespace(y)) => std::rc::Rc::ptr_eq(x, y),
        _ => match numbers(a, b) {
            Some(order) => order == Some(Ordering::Equal),
            None => false,
        },
    })
}

/// How two numbers compare; the outer `None` if they are no numbers.
fn numbers(a: &Val, b: &Val) -> Option<Option<Ordering>> {
    match (a.as_index(), b.as_index()) {
        (Some(x), Some(y)) => Some(Some(x.cmp(&y))),
        _ => Some(a.as_float()?.partial_cmp(&b.as_float()?)),
    }
}

/// Which comes first; `symbol` names the operator in the complaint.
pub(crate) fn compare(a: &Val, b: &Val, symbol: &str) -> Result<Option<Ordering>> {
    compare_at(a, b, symbol, 0)
}

fn compare_at(a: &Val, b: &Val, symbol: &str, depth: usize) -> Result<Option<Ordering>> {
    a.strict()?;
    b.strict()?;
    if depth > MAX_DEPTH {
        return Err(Error::bound(
            "maximum recursion depth exceeded in comparison",
        ));
    }
    if let Some(order) = numbers(a, b) {
        return Ok(order);
    }
    let lists = |x: &[Val], y: &[Val]| -> Result<Option<Ordering>> {
        for (x, y) in x.iter().zip(y) {
            if !equal(x, y)? {
                return compare_at(x, y, symbol, depth + 1);
            }
        }
        Ok(Some(x.len().cmp(&y.len())))
    };
    match (a, b) {
        (Val::Str(x), Val::Str(y)) => Ok(Some(x.text.cmp(&y.text))),
        (Val::Bytes(x), Val::Bytes(y)) => Ok(Some(x.cmp(y))),
        (Val::List(x), Val::List(y)) => lists(&x.borrow(), &y.borrow()),
        (Val::Tuple(x), Val::Tuple(y)) => lists(x, y),
        (Val::Set(x), Val::Set(y)) => {
            let (x, y) = (x.borrow(), y.borrow());
            Ok(match (x.is_subset(&y), y.is_subset(&x)) {
                (true, true) => Some(Ordering::Equal),
                (true, false) => Some(Ordering::Less),
                (false, true) => Some(Ordering::Greater),
                (false, false) => None,
            })
        }
        _ => Err(Error::type_error(format!(
            "'{symbol}' not supported between instances of '{}' and '{}'",
            a.type_name(),
            b.type_name()
        ))),
    }
}

/// `needle in hay`
pub(crate) fn contains(hay: &Val, needle: &Val) -> Result<bool> {
    match hay {
        Val::Undefined(_) => {
            hay.strict()?;
            Ok(false)
        }
        Val::Str(t) => match needle {
            Val::Str(n) => Ok(t.text.contains(&*n.text)),
            Val::Undefined(_) => {
                needle.strict()?;
                Ok(false)
            }
            other => Err(Error::type_error(format!(
                "'in <string>' requires string as left operand, not {}",
                other.type_name()
            ))),
        },
        Val::Dict(d) => Ok(d.borrow().contains_key(&Key::new(needle.clone())?)),
        Val::View(super::View::Keys, d) => Ok(d.borrow().contains_key(&Key::new(needle.clone())?)),
        Val::Set(s) => Ok(s.borrow().contains(&Key::new(needle.clone())?)),
        Val::Object(o) => {
            let key = needle.to_value()?;
            Ok(o.contains(&key))
        }
        Val::List(_)
        | Val::Tuple(_)
        | Val::Range(..)
        | Val::View(..)
        | Val::Iter(_)
        | Val::Loop(_) => {
            for item in hay.iterate()? {
                if equal(&item, needle)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Bytes(b) => match needle {
            Val::Bytes(n) => Ok(n.is_empty() || b.windows(n.len()).any(|w| w == &**n)),
            Val::Int(i) => Ok(b.iter().any(|&b| i128::from(b) == *i)),
            other => Err(Error::type_error(format!(
                "a bytes-like object is required, not '{}'",
                other.type_name()
            ))),
        },
        other => Err(Error::type_error(format!(
            "argument of type '{}' is not iterable",
            other.type_name()
        ))),
    }
}

/// An operator between two values.
pub(crate) fn binary(op: Op, a: &Val, b: &Val) -> Result {
    a.strict()?;
    b.strict()?;
    match op {
        Op::Add => add(a, b),
        Op::Sub => sub(a, b),
        Op::Mul => mul(a, b),
        Op::Div => {
            let (x, y) = floats(a, b, "/")?;
            if y == 0.0 {
                let float = matches!((a, b), (Val::Float(_), _) | (_, Val::Float(_)));
                return Err(zero(if float {
                    "float division by zero"
                } else {
                    "division by zero"
                }));
            }
            Ok(Val::Float(x / y))
        }
        Op::FloorDiv => floor_div(a, b),
        Op::Mod => modulo(a, b),
        Op::Pow => pow(a, b),
    }
}

fn zero(message: &str) -> Box<Error> {
    Error::python("ZeroDivisionError", message)
}

fn unsupported(symbol: &str, a: &Val, b: &Val) -> Box<Error> {
    Error::type_error(format!(
        "unsupported operand type(s) for {symbol}: '{}' and '{}'",
        a.type_name(),
        b.type_name()
    ))
}

fn overflow() -> Box<Error> {
    Error::python("OverflowError", "the integer is too great")
}

fn floats(a: &Val, b: &Val, symbol: &str) -> Result<(f64, f64)> {
    match (a.as_float(), b.as_float()) {
        (Some(x), Some(y)) => Ok((x, y)),
        _ => Err(unsupported(symbol, a, b)),
    }
}

fn add(a: &Val, b: &Val) -> Result {
    if let (Some(x), Some(y)) = (a.as_index(), b.as_index()) {
        return x.checked_add(y).map(Val::Int).ok_or_else(overflow);
    }
    match (a, b) {
        (Val::Str(x), Val::Str(y)) => Ok(Val::Str(join_text(x, y)?)),
        (Val::List(x), Val::List(y)) => {
            let mut items = x.borrow().clone();
            items.extend(y.borrow().iter().cloned());
            budget::spend(items.len() / 8)?;
            Ok(Val::list(items))
        }
        (Val::Tuple(x), Val::Tuple(y)) => Ok(Val::tuple([x.to_vec(), y.to_vec()].concat())),
        (Val::Bytes(x), Val::Bytes(y)) => Ok(Val::bytes([&**x, &**y].concat())),
        (Val::Str(_) | Val::List(_) | Val::Tuple(_), _) => {
            let (name, other) = (a.type_name(), b.type_name());
            let name = if name == "Markup" { "str".into() } else { name };
            Err(Error::type_error(format!(
                "can only concatenate {name} (not \"{other}\") to {name}"
            )))
        }
        _ => {
            let (x, y) = floats(a, b, "+")?;
            Ok(Val::Float(x + y))
        }
    }
}

/// `+` on text: markup escapes what is added to it.
fn join_text(x: &Text, y: &Text) -> Result<Text> {
    bounded(x.text.len() + y.text.len())?;
    let markup = x.markup || y.markup;
    let part = |t: &Text| {
        if markup && !t.markup {
            html::escape(&t.text)
        } else {
            t.text.to_string()
        }
    };
    Ok(Text {
        text: (part(x) + &part(y)).as_str().into(),
        markup,
    })
}

fn sub(a: &Val, b: &Val) -> Result {
    if let (Some(x), Some(y)) = (a.as_index(), b.as_index()) {
        return x.checked_sub(y).map(Val::Int).ok_or_else(overflow);
    }
    if let (Val::Set(x), Val::Set(y)) = (a, b) {
        return Ok(Val::set(
            x.borrow().difference(&y.borrow()).cloned().collect(),
        ));
    }
    if let (Val::View(super::View::Keys, _), _) = (a, b)
        && b.is_iterable()
    {
        let other = b.iterate()?;
        let mut rest = indexmap::IndexSet::new();
        for key in a.iterate()? {
            if !other.iter().any(|o| equal(o, &key).unwrap_or(false)) {
                rest.insert(Key(key));
            }
        }
        return Ok(Val::set(rest));
    }
    let (x, y) = floats(a, b, "-")?;
    Ok(Val::Float(x - y))
}

fn bounded(size: usize) -> Result<()> {
    if size > MAX_SIZE {
        return Err(Error::bound("the value is too great"));
    }
    Ok(())
}

fn times(len: usize, n: i128) -> Result<usize> {
    let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
    let size = len.max(1).saturating_mul(n);
    bounded(size)?;
    budget::spend(size / 8)?;
    Ok(n)
}

fn repeated(items: &[Val], n: usize) -> Vec<Val> {
    std::iter::repeat_n(items, n).flatten().cloned().collect()
}

fn mul(a: &Val, b: &Val) -> Result {
    if let (Some(x), Some(y)) = (a.as_index(), b.as_index()) {
        return x.checked_mul(y).map(Val::Int).ok_or_else(overflow);
    }
    let (seq, n) = match (a.as_index(), b.as_index()) {
        (_, Some(n)) => (a, n),
        (Some(n), _) => (b, n),
        _ => (a, 0),
    };
    if a.as_index().is_some() || b.as_index().is_some() {
        match seq {
            Val::Str(t) => {
                let n = times(t.text.len(), n)?;
                return Ok(Val::Str(Text {
                    text: t.text.repeat(n).as_str().into(),
                    markup: t.markup,
                }));
            }
            Val::List(l) => {
                let n = times(l.borrow().len(), n)?;
                return Ok(Val::list(repeated(&l.borrow(), n)));
            }
            Val::Tuple(t) => {
                let n = times(t.len(), n)?;
                return Ok(Val::tuple(repeated(t, n)));
            }
            _ => {}
        }
    }
    if let Val::Str(_) | Val::List(_) | Val::Tuple(_) = a {
        return Err(Error::type_error(format!(
            "can't multiply sequence by non-int of type '{}'",
            b.type_name()
        )));
    }
    let (x, y) = floats(a, b, "*")?;
    Ok(Val::Float(x * y))
}

fn floor_div(a: &Val, b: &Val) -> Result {
    if let (Some(x), Some(y)) = (a.as_index(), b.as_index()) {
        if y == 0 {
            return Err(zero("integer division or modulo by zero"));
        }
        let quotient = x.checked_div(y).ok_or_else(overflow)?;
        let inexact = x % y != 0 && ((x < 0) != (y < 0));
        return Ok(Val::Int(quotient - i128::from(inexact)));
    }
    let (x, y) = floats(a, b, "//")?;
    if y == 0.0 {
        return Err(zero("float floor division by zero"));
    }
    Ok(Val::Float((x / y).floor()))
}

fn modulo(a: &Val, b: &Val) -> Result {
    if let Val::Str(t) = a {
        return crate::format::percent(t, b);
    }
    if let (Some(x), Some(y)) = (a.as_index(), b.as_index()) {
        if y == 0 {
            return Err(zero("integer modulo by zero"));
        }
        let rest = x.checked_rem(y).unwrap_or(0);
        let rest = if rest != 0 && (rest < 0) != (y < 0) {
            rest + y
        } else {
            rest
        };
        return Ok(Val::Int(rest));
    }
    let (x, y) = floats(a, b, "%")?;
    if y == 0.0 {
        return Err(zero("float modulo"));
    }
    let rest = x % y;
    let rest = if rest != 0.0 && (rest < 0.0) != (y < 0.0) {
        rest + y
    } else {
        rest
    };
    Ok(Val::Float(rest))
}

fn pow(a: &Val, b: &Val) -> Result {
    if let (Some(x), Some(y)) = (a.as_index(), b.as_index())
        && y >= 0
    {
        let Ok(y) = u32::try_from(y) else {
            return if matches!(x, 0 | 1) {
                Ok(Val::Int(x))
            } else {
                Err(overflow())
            };
        };
        return x.checked_pow(y).map(Val::Int).ok_or_else(overflow);
    }
    let (x, y) = floats(a, b, "** or pow()")?;
    if x == 0.0 && y < 0.0 {
        return Err(zero("0.0 cannot be raised to a negative power"));
    }
    let result = x.powf(y);
    if result.is_infinite() && x.is_finite() && y.is_finite() {
        return Err(Error::python(
            "OverflowError",
            "(34, 'Numerical result out of range')",
        ));
    }
    Ok(Val::Float(result))
}

/// `-x` and `+x`
pub(crate) fn unary(value: &Val, minus: bool) -> Result {
    value.strict()?;
    if let Some(i) = value.as_index() {
        return Ok(Val::Int(if minus {
            i.checked_neg().ok_or_else(overflow)?
        } else {
            i
        }));
    }
    if let Val::Float(f) = value {
        return Ok(Val::Float(if minus { -f } else { *f }));
    }
    Err(Error::type_error(format!(
        "bad operand type for unary {}: '{}'",
        if minus { '-' } else { '+' },
        value.type_name()
    )))
}

/// `len(range(…))`
pub(crate) fn range_len(start: i128, stop: i128, step: i128) -> usize {
    let span = if step > 0 {
        stop.saturating_sub(start)
    } else {
        start.saturating_sub(stop)
    };
    if span <= 0 {
        return 0;
    }
    let step = step.unsigned_abs();
    usize::try_from((span.unsigned_abs() - 1) / step.max(1) + 1).unwrap_or(usize::MAX)
}

/// The indices that a slice takes from `len` items.
pub(crate) fn slice_indices(len: usize, parts: &[Option<i128>; 3]) -> Result<Vec<usize>> {
    let len = len as i128;
    let step = parts[2].unwrap_or(1);
    if step == 0 {
        return Err(Error::value_error("slice step cannot be zero"));
    }
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |value: Option<i128>, default: i128| match value {
        None => default,
        Some(v) if v < 0 => v.saturating_add(len).clamp(low, high),
        Some(v) => v.clamp(low, high),
    };
    let (start, stop) = if step > 0 {
        (clamp(parts[0], 0), clamp(parts[1], len))
    } else {
        (clamp(parts[0], len - 1), clamp(parts[1], -1))
    };
    let mut out = Vec::new();
    let mut at = start;
    while (step > 0 && at < stop) || (step < 0 && at > stop) {
        out.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(out)
}

/// `value[a:b:c]`
pub(crate) fn slice(value: &Val, parts: &[Option<i128>; 3]) -> Result {
    value.strict()?;
    let pick = |items: &[Val]| -> Result<Vec<Val>> {
        let indices = slice_indices(items.len(), parts)?;
        Ok(indices.into_iter().map(|i| items[i].clone()).collect())
    };
    match value {
        Val::Str(t) => {
            let chars: Vec<char> = t.text.chars().collect();
            let indices = slice_indices(chars.len(), parts)?;
            let text: String = indices.into_iter().map(|i| chars[i]).collect();
            Ok(Val::Str(Text {
                text: text.as_str().into(),
                markup: t.markup,
            }))
        }
        Val::Bytes(b) => {
            let indices = slice_indices(b.len(), parts)?;
            Ok(Val::bytes(indices.into_iter().map(|i| b[i]).collect()))
        }
        Val::List(l) => Ok(Val::list(pick(&l.borrow())?)),
        Val::Tuple(t) => Ok(Val::tuple(pick(t)?)),
        Val::Range(first, _, by) => {
            let len = value.length()?;
            let indices = slice_indices(len, parts)?;
            let step = parts[2].unwrap_or(1);
            let start = indices.first().map_or(0, |i| *i as i128);
            let stop = start + indices.len() as i128 * step;
            Ok(Val::Range(first + start * by, first + stop * by, by * step))
        }
        other => Err(Error::type_error(format!(
            "'{}' object is not subscriptable",
            other.type_name()
        ))),
    }
}

/// Sorts as Python does: stable, by `<`, and the first misfit is the error.
pub(crate) fn sort_by_key(
    items: Vec<Val>,
    reverse: bool,
    mut key: impl FnMut(&Val) -> Result,
) -> Result<Vec<Val>> {
    let mut keyed = items
        .into_iter()
        .map(|item| Ok((key(&item)?, item)))
        .collect::<Result<Vec<_>>>()?;
    // A merge sort of our own: the standard one may panic when an order is none (NaN, mixed kinds).
    let mut width = 1;
    while width < keyed.len() {
        let mut merged = Vec::with_capacity(keyed.len());
        let mut rest = keyed.into_iter().peekable();
        while rest.peek().is_some() {
            let left: Vec<_> = rest.by_ref().take(width).collect();
            let right: Vec<_> = rest.by_ref().take(width).collect();
            merge(left, right, reverse, &mut merged)?;
        }
        keyed = merged;
        width *= 2;
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

type Keyed = (Val, Val);

/// Two sorted runs into one; of equals the left one comes first.
fn merge(left: Vec<Keyed>, right: Vec<Keyed>, reverse: bool, out: &mut Vec<Keyed>) -> Result<()> {
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        let order = if reverse {
            compare(a, b, "<")?
        } else {
            compare(b, a, "<")?
        };
        out.extend(if order == Some(Ordering::Less) {
            right.next()
        } else {
            left.next()
        });
    }
    out.extend(left);
    out.extend(right);
    Ok(())
}

/// Items of anything iterable, or the complaint.
pub(crate) fn items(value: &Val) -> Result<Vec<Val>> {
    if value.is_iterable() {
        let items = value.iterate()?;
        budget::spend(items.len() / 8)?;
        Ok(items)
    } else {
        Err(not_iterable(value))
    }
}
