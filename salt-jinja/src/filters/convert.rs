//! Numbers and truth from other kinds.

use super::{Filter, text_of};
use crate::error::{Error, Result};
use crate::value::repr::str;
use crate::value::{Val, dict, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("int", |_, v, a| {
        let [default, base] = a.bind("do_int", ["default", "base"])?;
        let base = base.and_then(|b| b.as_index()).unwrap_or(10);
        v.strict()?;
        let parsed = match &v {
            Val::Str(t) => {
                parse_int(&t.text, base).or_else(|| parse_float(&t.text).and_then(truncated))
            }
            Val::Float(f) => truncated(*f),
            other => other.as_index(),
        };
        Ok(match parsed {
            Some(n) => Val::Int(n),
            None => default.unwrap_or(Val::Int(0)),
        })
    }),
    ("float", |_, v, a| {
        let [default] = a.bind("do_float", ["default"])?;
        v.strict()?;
        let parsed = match &v {
            Val::Str(t) => parse_float(&t.text),
            other => other.as_float(),
        };
        Ok(match parsed {
            Some(f) => Val::Float(f),
            None => default.unwrap_or(Val::Float(0.0)),
        })
    }),
    ("abs", |_, v, _| match &v {
        Val::Float(f) => Ok(Val::Float(f.abs())),
        other => match other.as_index() {
            Some(i) => Ok(Val::Int(i.saturating_abs())),
            None => {
                other.strict()?;
                Err(Error::type_error(format!(
                    "bad operand type for abs(): '{}'",
                    other.type_name()
                )))
            }
        },
    }),
    ("round", |_, v, a| {
        let [precision, method] = a.bind("do_round", ["precision", "method"])?;
        let precision = precision
            .and_then(|p| p.as_index())
            .unwrap_or(0)
            .clamp(-300, 300) as i32;
        let method = method.map_or_else(|| Ok("common".into()), |m| str(&m))?;
        v.strict()?;
        let Some(number) = v.as_float() else {
            return Err(Error::type_error(format!(
                "type {} doesn't define __round__ method",
                v.type_name()
            )));
        };
        let power = 10f64.powi(precision);
        Ok(match method.as_str() {
            "common" => match &v {
                // Python rounds an integer to an integer.
                Val::Int(i) if precision >= 0 => Val::Int(*i),
                Val::Int(i) => Val::Int(rounded(*i as f64, precision) as i128),
                _ => Val::Float(rounded(number, precision)),
            },
            "ceil" => Val::Float((number * power).ceil() / power),
            "floor" => Val::Float((number * power).floor() / power),
            _ => {
                return Err(Error::new(
                    crate::error::ErrorKind::FilterArgument,
                    "method must be common, ceil or floor",
                ));
            }
        })
    }),
    ("to_bool", |_, v, _| {
        Ok(Val::Bool(match &v {
            Val::None => false,
            Val::Bool(b) => *b,
            Val::Str(t) => matches!(t.text.to_lowercase().as_str(), "yes" | "1" | "true"),
            Val::Int(i) => *i > 0,
            other if !dict::hashable(other) => other.length()? > 0,
            other => {
                other.strict()?;
                false
            }
        }))
    }),
    ("to_num", |_, v, _| to_num(&v)),
    ("str_to_num", |_, v, _| to_num(&v)),
    ("is_hex", |_, v, _| {
        Ok(Val::Bool(match &v {
            Val::Str(t) => parse_int(&t.text, 16).is_some(),
            _ => false,
        }))
    }),
    ("to_bytes", |_, v, _| match &v {
        Val::Bytes(_) => Ok(v),
        Val::Str(t) => Ok(Val::bytes(t.text.as_bytes().to_vec())),
        other => {
            other.strict()?;
            Err(Error::type_error(format!(
                "expected str, bytes, or bytearray not <class '{}'>",
                other.type_name()
            )))
        }
    }),
    ("avg", |_, v, _| {
        if dict::hashable(&v) && !matches!(v, Val::Tuple(_)) {
            return Ok(Val::Float(v.as_float().unwrap_or(0.0)));
        }
        let items = ops::items(&v)?;
        if items.is_empty() {
            return Err(Error::python("ZeroDivisionError", "division by zero"));
        }
        let mut total = Val::Int(0);
        for item in &items {
            total = ops::binary(crate::ast::Op::Add, &total, item)?;
        }
        ops::binary(crate::ast::Op::Div, &total, &Val::from(items.len()))
    }),
    ("human_to_bytes", |_, v, a| {
        let [unit, metric] = a.bind("human_to_bytes", ["default_unit", "handle_metric"])?;
        let unit = unit.map_or_else(|| Ok("B".into()), |u| str(&u))?;
        Ok(Val::Int(human_to_bytes(
            &str(&v)?,
            &unit,
            super::flag(metric)?,
        )))
    }),
    ("mac_str_to_bytes", |_, v, _| {
        let text = text_of(&v, "mac_str_to_bytes")?;
        let digits: String = match text.chars().count() {
            12 => text,
            17 => {
                let separator = text.chars().nth(2).unwrap_or(':');
                text.chars().filter(|c| *c != separator).collect()
            }
            _ => return Err(Error::value_error("Invalid MAC address")),
        };
        let bytes = digits
            .as_bytes()
            .chunks(2)
            .take(6)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).ok()?;
                u8::from_str_radix(pair, 16).ok()
            })
            .collect::<Option<Vec<u8>>>();
        bytes
            .map(Val::bytes)
            .ok_or_else(|| Error::value_error("invalid literal for int() with base 16"))
    }),
];

fn truncated(f: f64) -> Option<i128> {
    f.is_finite().then_some(f.trunc() as i128)
}

/// Python's `int(text, base)`.
pub(super) fn parse_int(text: &str, base: i128) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_lowercase();
    let (base, digits) = match (base, lower.get(..2)) {
        (16 | 0, Some("0x")) => (16, &digits[2..]),
        (8 | 0, Some("0o")) => (8, &digits[2..]),
        (2 | 0, Some("0b")) => (2, &digits[2..]),
        (0, _) => (10, digits),
        (base, _) => (u32::try_from(base).ok()?, digits),
    };
    let clean = without_underscores(digits)?;
    if clean.is_empty() || !(2..=36).contains(&base) || !clean.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let number = i128::from_str_radix(&clean, base).ok()?;
    Some(if negative { -number } else { number })
}

/// Underscores between digits may stay, as Python has them.
fn without_underscores(text: &str) -> Option<String> {
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    Some(text.replace('_', ""))
}

/// Python's `float(text)`.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let text = without_underscores(text.trim())?;
    let plain = text.trim_start_matches(['-', '+']).to_lowercase();
    let known = matches!(plain.as_str(), "inf" | "infinity" | "nan")
        || plain.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !known {
        return None;
    }
    text.parse().ok()
}

/// Python's `round`: half to even, by the decimal digits.
fn rounded(number: f64, precision: i32) -> f64 {
    if !number.is_finite() {
        return number;
    }
    if precision >= 0 {
        // Formatting rounds correctly, half to even on exact halves.
        format!("{number:.*}", precision as usize)
            .parse()
            .unwrap_or(number)
    } else {
        let power = 10f64.powi(-precision);
        (number / power).round_ties_even() * power
    }
}

pub(super) fn to_num(value: &Val) -> Result {
    Ok(match value {
        Val::Str(t) => match (parse_int(&t.text, 10), parse_float(&t.text)) {
            (Some(n), _) => Val::Int(n),
            (None, Some(f)) => Val::Float(f),
            (None, None) => value.clone(),
        },
        Val::Float(f) => truncated(*f).map_or(value.clone(), Val::Int),
        Val::Int(_) | Val::Bool(_) => Val::Int(value.as_index().unwrap_or(0)),
        other => {
            other.strict()?;
            return Err(Error::type_error(format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                other.type_name()
            )));
        }
    })
}

fn human_to_bytes(text: &str, default_unit: &str, metric: bool) -> i128 {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let unit = text[end..].trim_start().to_lowercase();
    let unit = if unit.is_empty() {
        default_unit.to_lowercase()
    } else {
        unit
    };
    let mut letters = unit.chars();
    let first = letters.next().unwrap_or(' ');
    let Some(power) = "bkmgtpezy".find(first) else {
        return 0;
    };
    let decimal = match letters.as_str() {
        "" => false,
        "ib" if power > 0 => false,
        "b" if power > 0 => metric,
        _ => return 0,
    };
    let power = power as u32;
    let factor: i128 = if decimal {
        10i128.pow(power * 3)
    } else {
        2i128.pow(power * 10)
    };
    let number = &text[..end];
    match number.parse::<i128>() {
        Ok(n) => n.saturating_mul(factor),
        Err(_) => number
            .parse::<f64>()
            .map_or(0, |f| (f * factor as f64) as i128),
    }
}
