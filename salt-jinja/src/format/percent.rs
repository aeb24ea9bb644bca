//! `'%s' % x`.

use super::spec::{MAX_WIDTH, Spec, float, pad, pad_number, radix};
use crate::error::{Error, Result};
use crate::filters::html;
use crate::value::repr::{repr, str};
use crate::value::{Text, Val};

/// `text % values`
pub(crate) fn percent(text: &Text, values: &Val) -> Result {
    let positional = match values {
        Val::Tuple(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    let mut given = positional.iter();
    let (mut used, mut named) = (0, false);
    let mut out = String::new();
    let total = text.text.chars().count();
    let mut chars = text.text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut key = None;
        if chars.next_if_eq(&'(').is_some() {
            let mut name = String::new();
            loop {
                match chars.next() {
                    Some(')') => break,
                    Some(c) => name.push(c),
                    None => return Err(Error::value_error("incomplete format key")),
                }
            }
            key = Some(name);
        }
        let mut spec = Spec::default();
        let (mut left, mut zero) = (false, false);
        while let Some(flag) = chars.next_if(|c| "#0- +".contains(*c)) {
            match flag {
                '#' => spec.alternate = true,
                '0' => zero = true,
                '-' => left = true,
                ' ' => spec.sign = spec.sign.or(Some(' ')),
                _ => spec.sign = Some('+'),
            }
        }
        let mut take = || {
            used += 1;
            given
                .next()
                .cloned()
                .ok_or_else(|| Error::type_error("not enough arguments for format string"))
        };
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
                      take: &mut dyn FnMut() -> Result|
         -> Result<Option<i128>> {
            if chars.next_if_eq(&'*').is_some() {
                let value = take()?;
                return value
                    .as_index()
                    .map(Some)
                    .ok_or_else(|| Error::type_error("* wants int"));
            }
            let mut found = None;
            while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
                chars.next();
                found = Some((found.unwrap_or(0) * 10 + i128::from(d)).min(1 << 20));
            }
            Ok(found)
        };
        if let Some(width) = number(&mut chars, &mut take)? {
            left |= width < 0;
            spec.width = width.unsigned_abs() as usize;
        }
        if chars.next_if_eq(&'.').is_some() {
            let precision = number(&mut chars, &mut take)?.unwrap_or(0);
            spec.precision = Some(precision.max(0) as usize);
        }
        while chars.next_if(|c| matches!(c, 'h' | 'l' | 'L')).is_some() {}
        let at = total - chars.clone().count();
        let Some(kind) = chars.next() else {
            return Err(Error::value_error("incomplete format"));
        };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match &key {
            Some(name) => {
                named = true;
                let Val::Dict(dict) = values else {
                    return Err(Error::type_error("format requires a mapping"));
                };
                let found = dict.borrow().get(name.as_str()).cloned();
                found.ok_or_else(|| Error::python("KeyError", crate::python::quote(name)))?
            }
            None => take()?,
        };
        value.strict()?;
        spec.align = left.then_some('<');
        spec.kind = kind;
        if zero && !left && !matches!(kind, 's' | 'r' | 'a' | 'c') {
            spec.fill = Some('0');
            spec.align = Some('=');
        }
        let shown = percent_value(&value, &spec, text.markup, at)?;
        out.push_str(&shown);
        if out.len() > 64 << 20 {
            return Err(Error::bound("the text is too long"));
        }
    }
    let excess = matches!(values, Val::Tuple(t) if used < t.len())
        || (used == 0 && !named && !matches!(values, Val::Tuple(_) | Val::Dict(_) | Val::List(_)));
    if excess {
        return Err(Error::type_error(
            "not all arguments converted during string formatting",
        ));
    }
    Ok(Val::Str(Text {
        text: out.as_str().into(),
        markup: text.markup,
    }))
}

fn percent_value(value: &Val, spec: &Spec, markup: bool, at: usize) -> Result<String> {
    let kind = spec.kind;
    let text = match kind {
        's' | 'r' | 'a' => {
            let mut text = if kind == 's' {
                str(value)?
            } else {
                repr(value)?
            };
            if markup && !matches!(value, Val::Str(t) if t.markup) {
                text = html::escape(&text);
            }
            if let Some(n) = spec.precision {
                text = text.chars().take(n).collect();
            }
            return Ok(pad(&text, spec, '>'));
        }
        'c' => {
            let text = match value {
                Val::Str(t) if t.text.chars().count() == 1 => t.text.to_string(),
                other => match other.as_index().and_then(|i| u32::try_from(i).ok()) {
                    Some(code) => char::from_u32(code).unwrap_or('\u{fffd}').to_string(),
                    None => return Err(Error::type_error("%c requires int or char")),
                },
            };
            return Ok(pad(&text, spec, '>'));
        }
        'd' | 'i' | 'u' => {
            let number = match value {
                Val::Float(f) if f.is_finite() => f.trunc() as i128,
                other => other.as_index().ok_or_else(|| {
                    Error::type_error(format!(
                        "%{kind} format: a real number is required, not {}",
                        other.type_name()
                    ))
                })?,
            };
            let digits = number.unsigned_abs().to_string();
            let digits = format!(
                "{digits:0>width$}",
                width = spec.precision.unwrap_or(0).min(MAX_WIDTH)
            );
            return Ok(pad_number(number < 0, "", &digits, spec));
        }
        'x' | 'X' | 'o' => {
            let number = value.as_index().ok_or_else(|| {
                Error::type_error(format!(
                    "%{kind} format: an integer is required, not {}",
                    value.type_name()
                ))
            })?;
            return Ok(radix(number, spec));
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let number = value.as_float().ok_or_else(|| {
                Error::type_error(format!("must be real number, not {}", value.type_name()))
            })?;
            float(number, spec)
        }
        other => {
            return Err(Error::value_error(format!(
                "unsupported format character '{other}' (0x{:x}) at index {at}",
                u32::from(other)
            )));
        }
    };
    Ok(text)
}
