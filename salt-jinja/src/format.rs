//! `'%s' % x` and `'{}'.format(x)`.

use crate::error::{Error, Result};
use crate::eval::{Args, Interp, attr, item};
use crate::filters::html;
use crate::value::repr::{exponent, repr, str};
use crate::value::{Key, Text, Val};

/// Widest field.
const MAX_WIDTH: usize = 1 << 16;

/// How a field is laid out.
#[derive(Debug, Clone, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: char,
}

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
                found.ok_or_else(|| Error::python("KeyError", crate::value::repr::quote(name)))?
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

fn pad(text: &str, spec: &Spec, default: char) -> String {
    let len = text.chars().count();
    let missing = spec.width.min(MAX_WIDTH).saturating_sub(len);
    let fill = spec.fill.unwrap_or(' ');
    let run = |n: usize| fill.to_string().repeat(n);
    match spec.align.unwrap_or(default) {
        '<' => format!("{text}{}", run(missing)),
        '^' => format!("{}{text}{}", run(missing / 2), run(missing - missing / 2)),
        _ => format!("{}{text}", run(missing)),
    }
}

fn pad_number(negative: bool, prefix: &str, digits: &str, spec: &Spec) -> String {
    let sign = if negative {
        "-".to_owned()
    } else {
        spec.sign
            .filter(|s| *s != '-')
            .map(String::from)
            .unwrap_or_default()
    };
    let head = format!("{sign}{prefix}");
    if spec.align == Some('=') {
        let room = spec
            .width
            .min(MAX_WIDTH)
            .saturating_sub(head.chars().count());
        let missing = room.saturating_sub(digits.chars().count());
        let fill = spec.fill.unwrap_or(' ').to_string().repeat(missing);
        return format!("{head}{fill}{digits}");
    }
    pad(&format!("{head}{digits}"), spec, '>')
}

fn radix(number: i128, spec: &Spec) -> String {
    let magnitude = number.unsigned_abs();
    let (prefix, digits) = match spec.kind {
        'x' => ("0x", format!("{magnitude:x}")),
        'X' => ("0X", format!("{magnitude:X}")),
        'o' => ("0o", format!("{magnitude:o}")),
        _ => ("0b", format!("{magnitude:b}")),
    };
    let prefix = if spec.alternate { prefix } else { "" };
    pad_number(number < 0, prefix, &grouped(&digits, spec.group, 4), spec)
}

fn grouped(digits: &str, group: Option<char>, every: usize) -> String {
    let Some(separator) = group else {
        return digits.to_owned();
    };
    let (whole, rest) = match digits.find(['.', 'e']) {
        Some(at) => digits.split_at(at),
        None => (digits, ""),
    };
    let mut out = String::new();
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(every) {
            out.push(separator);
        }
        out.push(c);
    }
    out + rest
}

fn float(number: f64, spec: &Spec) -> String {
    let negative = number.is_sign_negative() && !number.is_nan();
    let magnitude = number.abs();
    let precision = spec.precision.unwrap_or(6).min(1000);
    let mut digits = if magnitude.is_nan() {
        "nan".to_owned()
    } else if magnitude.is_infinite() {
        "inf".to_owned()
    } else {
        match spec.kind.to_ascii_lowercase() {
            'f' => format!("{magnitude:.precision$}"),
            '%' => format!("{:.precision$}%", magnitude * 100.0),
            'e' => exponent(&format!("{magnitude:.precision$e}")),
            _ => general(magnitude, precision.max(1), spec.alternate),
        }
    };
    if spec.kind.is_ascii_uppercase() {
        digits = digits.to_uppercase();
    }
    pad_number(negative, "", &grouped(&digits, spec.group, 3), spec)
}

/// `%g`
fn general(number: f64, precision: usize, alternate: bool) -> String {
    if number == 0.0 {
        return "0".into();
    }
    let scientific = format!("{number:.*e}", precision - 1);
    let power: i32 = scientific
        .split_once('e')
        .and_then(|(_, p)| p.parse().ok())
        .unwrap_or(0);
    let trim = |text: String| {
        if alternate || !text.contains('.') {
            return text;
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if power < -4 || power >= precision as i32 {
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return exponent(&format!("{}e{power}", trim(digits.to_owned())));
    }
    let decimals = (precision as i32 - 1 - power).max(0) as usize;
    trim(format!("{number:.decimals$}"))
}

/// `format(value, spec)`
fn format_spec(value: &Val, text: &str) -> Result<String> {
    value.strict()?;
    let spec = parse_spec(text)?;
    let unknown = || {
        Error::value_error(format!(
            "Unknown format code '{}' for object of type '{}'",
            spec.kind,
            value.type_name()
        ))
    };
    match value {
        Val::Int(_) | Val::Bool(_) if text.is_empty() => str(value),
        Val::Int(_) | Val::Bool(_) => {
            let number = value.as_index().unwrap_or(0);
            match spec.kind {
                '\0' | 'd' | 'n' => {
                    let digits = grouped(&number.unsigned_abs().to_string(), spec.group, 3);
                    Ok(pad_number(number < 0, "", &digits, &spec))
                }
                'x' | 'X' | 'o' | 'b' => Ok(radix(number, &spec)),
                'c' => {
                    let c = u32::try_from(number).ok().and_then(char::from_u32);
                    Ok(pad(&c.unwrap_or('\u{fffd}').to_string(), &spec, '<'))
                }
                'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%' => Ok(float(number as f64, &spec)),
                _ => Err(unknown()),
            }
        }
        Val::Float(f) => match spec.kind {
            '\0' if spec.precision.is_none() => {
                let shown = crate::value::repr::float(f.abs());
                let digits = grouped(&shown, spec.group, 3);
                Ok(pad_number(f.is_sign_negative(), "", &digits, &spec))
            }
            '\0' | 'n' => {
                let spec = Spec { kind: 'g', ..spec };
                Ok(float(*f, &spec))
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%' => Ok(float(*f, &spec)),
            _ => Err(unknown()),
        },
        Val::Str(t) => match spec.kind {
            '\0' | 's' => {
                let mut shown = t.text.to_string();
                if let Some(n) = spec.precision {
                    shown = shown.chars().take(n).collect();
                }
                Ok(pad(&shown, &spec, '<'))
            }
            _ => Err(unknown()),
        },
        other if text.is_empty() => str(other),
        other => Err(Error::type_error(format!(
            "unsupported format string passed to {}.__format__",
            other.type_name()
        ))),
    }
}

fn parse_spec(text: &str) -> Result<Spec> {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut spec = Spec::default();
    let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '^' | '='));
    if is_align(chars.get(1)) {
        spec.fill = chars.first().copied();
        spec.align = chars.get(1).copied();
        at = 2;
    } else if is_align(chars.first()) {
        spec.align = chars.first().copied();
        at = 1;
    }
    if let Some(&sign @ ('+' | '-' | ' ')) = chars.get(at) {
        spec.sign = Some(sign);
        at += 1;
    }
    if chars.get(at) == Some(&'#') {
        spec.alternate = true;
        at += 1;
    }
    if chars.get(at) == Some(&'0') {
        if spec.align.is_none() {
            spec.fill = Some('0');
            spec.align = Some('=');
        }
        at += 1;
    }
    let number = |at: &mut usize| {
        let mut found = None;
        while let Some(d) = chars.get(*at).and_then(|c| c.to_digit(10)) {
            found = Some((found.unwrap_or(0usize) * 10 + d as usize).min(1 << 20));
            *at += 1;
        }
        found
    };
    spec.width = number(&mut at).unwrap_or(0);
    if let Some(&group @ (',' | '_')) = chars.get(at) {
        spec.group = Some(group);
        at += 1;
    }
    if chars.get(at) == Some(&'.') {
        at += 1;
        spec.precision = Some(
            number(&mut at)
                .ok_or_else(|| Error::value_error("Format specifier missing precision"))?,
        );
    }
    match (chars.get(at), chars.len() - at.min(chars.len())) {
        (None, _) => {}
        (Some(&kind), 1) => spec.kind = kind,
        _ => {
            return Err(Error::value_error(format!(
                "Invalid format specifier '{text}'"
            )));
        }
    }
    Ok(spec)
}

/// `text.format(…)`
pub(crate) fn braces(interp: &Interp<'_>, text: &Text, args: &Args) -> Result {
    let mut state = Braces {
        interp,
        args,
        auto: 0,
        markup: text.markup,
    };
    let out = state.expand(&text.text, 0)?;
    Ok(Val::Str(Text {
        text: out.as_str().into(),
        markup: text.markup,
    }))
}

struct Braces<'a, 'e> {
    interp: &'a Interp<'e>,
    args: &'a Args,
    auto: usize,
    markup: bool,
}

impl Braces<'_, '_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<String> {
        if depth > 2 {
            return Err(Error::value_error("Max string recursion exceeded"));
        }
        let mut out = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' if chars.next_if_eq(&'{').is_some() => out.push('{'),
                '}' if chars.next_if_eq(&'}').is_some() => out.push('}'),
                '}' => {
                    return Err(Error::value_error(
                        "Single '}' encountered in format string",
                    ));
                }
                '{' => {
                    let (mut field, mut open) = (String::new(), 1);
                    for c in chars.by_ref() {
                        match c {
                            '{' => open += 1,
                            '}' => open -= 1,
                            _ => {}
                        }
                        if open == 0 {
                            break;
                        }
                        field.push(c);
                    }
                    if open > 0 {
                        return Err(Error::value_error("expected '}' before end of string"));
                    }
                    out.push_str(&self.field(&field, depth)?);
                }
                c => out.push(c),
            }
            if out.len() > 64 << 20 {
                return Err(Error::bound("the text is too long"));
            }
        }
        Ok(out)
    }

    fn field(&mut self, field: &str, depth: usize) -> Result<String> {
        let (head, spec) = match split_spec(field) {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, ""),
        };
        let (path, conversion) = match head.rfind('!') {
            Some(at) => (&head[..at], &head[at + 1..]),
            None => (head, ""),
        };
        let mut value = self.value(path)?;
        match conversion {
            "" => {}
            "s" => value = str(&value)?.into(),
            "r" | "a" => value = repr(&value)?.into(),
            other => {
                return Err(Error::value_error(format!(
                    "Unknown conversion specifier {other}"
                )));
            }
        }
        let spec = self.expand(spec, depth + 1)?;
        let shown = format_spec(&value, &spec)?;
        if self.markup && !matches!(&value, Val::Str(t) if t.markup) {
            return Ok(html::escape(&shown));
        }
        Ok(shown)
    }

    fn value(&mut self, path: &str) -> Result {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (first, mut rest) = path.split_at(end);
        let mut value = if first.is_empty() || first.bytes().all(|b| b.is_ascii_digit()) {
            let at = if first.is_empty() {
                self.auto += 1;
                self.auto - 1
            } else {
                first.parse().unwrap_or(usize::MAX)
            };
            self.args
                .positional
                .get(at)
                .cloned()
                .ok_or_else(|| Error::python("IndexError", "tuple index out of range"))?
        } else {
            let found = self.args.keywords.iter().find(|(n, _)| &**n == first);
            found
                .map(|(_, v)| v.clone())
                .ok_or_else(|| Error::python("KeyError", crate::value::repr::quote(first)))?
        };
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                value = attr(self.interp, &value, &after[..end])?;
                rest = &after[end..];
            } else {
                let after = rest.trim_start_matches('[');
                let end = after
                    .find(']')
                    .ok_or_else(|| Error::value_error("Missing ']' in format string"))?;
                let key = match after[..end].parse::<i128>() {
                    Ok(n) => Val::Int(n),
                    Err(_) => after[..end].into(),
                };
                value = item(self.interp, &value, &key)?;
                rest = &after[end + 1..];
            }
            value.strict()?;
        }
        Ok(value)
    }
}

/// Where a field's spec begins: the first colon outside of brackets.
fn split_spec(field: &str) -> Option<usize> {
    let mut bracket = false;
    for (at, c) in field.char_indices() {
        match c {
            '[' => bracket = true,
            ']' => bracket = false,
            ':' if !bracket => return Some(at),
            _ => {}
        }
    }
    None
}

/// `text.format_map(mapping)`
pub(crate) fn braces_map(interp: &Interp<'_>, text: &Text, mapping: &Val) -> Result {
    let mut args = Args::default();
    if let Val::Dict(dict) = mapping {
        for (Key(key), value) in dict.borrow().iter() {
            if let Some(name) = key.as_str() {
                args.keywords.push((name.into(), value.clone()));
            }
        }
    }
    braces(interp, text, &args)
}
