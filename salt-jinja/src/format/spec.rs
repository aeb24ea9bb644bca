//! How a field is laid out: `format(value, spec)` and what `%` shares with it.

use crate::error::{Error, Result};
use crate::python::exponent;
use crate::value::Val;
use crate::value::repr::str;

/// Widest field.
pub(super) const MAX_WIDTH: usize = 1 << 16;

/// How a field is laid out.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    pub(super) align: Option<char>,
    pub(super) sign: Option<char>,
    pub(super) alternate: bool,
    pub(super) width: usize,
    pub(super) group: Option<char>,
    pub(super) precision: Option<usize>,
    pub(super) kind: char,
}

pub(super) fn pad(text: &str, spec: &Spec, default: char) -> String {
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

pub(super) fn pad_number(negative: bool, prefix: &str, digits: &str, spec: &Spec) -> String {
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

pub(super) fn radix(number: i128, spec: &Spec) -> String {
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

pub(super) fn grouped(digits: &str, group: Option<char>, every: usize) -> String {
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

pub(super) fn float(number: f64, spec: &Spec) -> String {
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
pub(super) fn general(number: f64, precision: usize, alternate: bool) -> String {
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
pub(super) fn format_spec(value: &Val, text: &str) -> Result<String> {
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
                let shown = crate::python::float(f.abs());
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

pub(super) fn parse_spec(text: &str) -> Result<Spec> {
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
