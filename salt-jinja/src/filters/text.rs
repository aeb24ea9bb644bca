//! Text: case, layout, cutting, replacing.

use super::{Filter, flag, html};
use crate::error::{Error, Result};
use crate::eval::{Args, Interp};
use crate::format;
use crate::value::repr::str;
use crate::value::{Text, Val};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("upper", |_, v, _| Ok(str(&v)?.to_uppercase().into())),
    ("lower", |_, v, _| Ok(str(&v)?.to_lowercase().into())),
    ("capitalize", |_, v, _| Ok(capitalized(&str(&v)?).into())),
    ("title", |_, v, _| Ok(title(&str(&v)?).into())),
    ("string", |_, v, _| match v {
        Val::Str(_) => Ok(v),
        other => Ok(str(&other)?.into()),
    }),
    ("trim", |_, v, a| {
        let [chars] = a.bind("trim", ["chars"])?;
        let text = str(&v)?;
        Ok(match chars {
            Some(Val::Str(set)) => text.trim_matches(|c| set.text.contains(c)).into(),
            _ => text.trim().into(),
        })
    }),
    ("replace", |_, v, a| {
        let [old, new, count] = a.bind("replace", ["old", "new", "count"])?;
        let (text, old, new) = (str(&v)?, needed(old)?, needed(new)?);
        Ok(match count.and_then(|c| c.as_index()) {
            Some(n) if n >= 0 => text.replacen(&*old, &new, n as usize),
            _ => text.replace(&*old, &new),
        }
        .into())
    }),
    ("center", |_, v, a| {
        let [width] = a.bind("center", ["width"])?;
        let width = width
            .and_then(|w| w.as_index())
            .unwrap_or(80)
            .clamp(0, 1 << 20) as usize;
        let text = str(&v)?;
        let missing = width.saturating_sub(text.chars().count());
        let left = missing / 2 + (missing & width & 1);
        Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(missing - left)).into())
    }),
    ("indent", indent),
    ("truncate", truncate),
    ("wordwrap", wordwrap),
    ("wordcount", |_, v, _| {
        let text = str(&v)?;
        let words = text
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|w| !w.is_empty());
        Ok(Val::from(words.count()))
    }),
    ("format", |interp, v, a| {
        let text = match &v {
            Val::Str(t) => t.clone(),
            other => Text {
                text: str(other)?.as_str().into(),
                markup: false,
            },
        };
        if !a.keywords.is_empty() {
            if !a.positional.is_empty() {
                return Err(Error::new(
                    crate::error::ErrorKind::FilterArgument,
                    "can't handle positional and keyword arguments at the same time",
                ));
            }
            let dict = interp.call(&Val::Function("dict"), a)?;
            return format::percent(&text, &dict);
        }
        format::percent(&text, &Val::tuple(a.positional.clone()))
    }),
    ("filesizeformat", file_size),
    ("skip", |_, _, _| Ok("".into())),
    ("to_snake_case", |_, v, _| Ok(snake_case(&str(&v)?).into())),
    ("to_camelcase", |_, v, a| {
        let [upper] = a.bind("snake_to_camel_case", ["uppercamel"])?;
        let text = str(&v)?;
        let mut words = text.split('_');
        let first = words.next().unwrap_or_default();
        let mut out = if flag(upper)? {
            capitalized(first)
        } else {
            first.to_owned()
        };
        words.for_each(|w| out.push_str(&capitalized(w)));
        Ok(out.into())
    }),
    ("contains_whitespace", |_, v, _| {
        Ok(Val::Bool(str(&v)?.contains(char::is_whitespace)))
    }),
];

fn needed(value: Option<Val>) -> Result<String> {
    match value {
        Some(value) => str(&value),
        None => Err(Error::type_error("missing 1 required positional argument")),
    }
}

/// `str.capitalize`
pub(crate) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase(),
        None => String::new(),
    }
}

/// Jinja2's own title case: words end at blanks, dashes and brackets, not at every non-letter.
fn title(text: &str) -> String {
    let mut out = String::new();
    let mut start = true;
    for c in text.chars() {
        if c.is_whitespace() || "-({[<".contains(c) {
            out.push(c);
            start = true;
        } else if start {
            out.extend(c.to_uppercase());
            start = false;
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// `str.splitlines`
pub(crate) fn split_lines(text: &str, keep: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let ends = matches!(
            c,
            '\n' | '\r'
                | '\x0b'
                | '\x0c'
                | '\x1c'
                | '\x1d'
                | '\x1e'
                | '\u{85}'
                | '\u{2028}'
                | '\u{2029}'
        );
        if !ends {
            line.push(c);
            continue;
        }
        if keep {
            line.push(c);
        }
        if c == '\r' && chars.next_if_eq(&'\n').is_some() && keep {
            line.push('\n');
        }
        lines.push(std::mem::take(&mut line));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn indent(_: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [width, first, blank] = args.bind("do_indent", ["width", "first", "blank"])?;
    let markup = match &value {
        Val::Str(t) => t.markup,
        other => {
            other.strict()?;
            return Err(Error::type_error(format!(
                "unsupported operand type(s) for +=: '{}' and 'str'",
                other.type_name()
            )));
        }
    };
    let indention = match width {
        Some(Val::Str(t)) if markup && !t.markup => html::escape(&t.text),
        Some(Val::Str(t)) => t.text.to_string(),
        Some(n) => {
            let n = n.as_index().ok_or_else(|| {
                Error::type_error("can't multiply sequence by non-int of type 'float'")
            })?;
            " ".repeat(n.clamp(0, 1 << 16) as usize)
        }
        None => " ".repeat(4),
    };
    let (first, blank) = (flag(first)?, flag(blank)?);
    let lines = split_lines(&(str(&value)? + "\n"), false);
    let mut out = if first {
        indention.clone()
    } else {
        String::new()
    };
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.push('\n');
            if blank || !line.is_empty() {
                out.push_str(&indention);
            }
        }
        out.push_str(line);
    }
    Ok(Val::Str(Text {
        text: out.as_str().into(),
        markup,
    }))
}

fn truncate(_: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [length, kill, end, leeway] =
        args.bind("do_truncate", ["length", "killwords", "end", "leeway"])?;
    let number = |v: Option<Val>, default: usize| {
        v.and_then(|v| v.as_index())
            .map_or(default, |n| n.clamp(0, 1 << 30) as usize)
    };
    let length = number(length, 255);
    let end = end.map_or_else(|| Ok("...".into()), |e| str(&e))?;
    let end_len = end.chars().count();
    if length < end_len {
        return Err(Error::python(
            "AssertionError",
            format!("expected length >= {end_len}, got {length}"),
        ));
    }
    let text = str(&value)?;
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= length + number(leeway, 5) {
        return Ok(value);
    }
    let cut: String = chars[..length - end_len].iter().collect();
    if flag(kill)? {
        return Ok((cut + &end).into());
    }
    let kept = cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head);
    Ok(format!("{kept}{end}").into())
}

fn wordwrap(_: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [width, long, separator, hyphens] = args.bind(
        "do_wordwrap",
        [
            "width",
            "break_long_words",
            "wrapstring",
            "break_on_hyphens",
        ],
    )?;
    let width = width
        .and_then(|w| w.as_index())
        .unwrap_or(79)
        .clamp(1, 1 << 20) as usize;
    let long = long.is_none_or(|l| l.truth().unwrap_or(true));
    let hyphens = hyphens.is_none_or(|h| h.truth().unwrap_or(true));
    let separator = separator.map_or_else(|| Ok("\n".into()), |s| str(&s))?;
    let text = str(&value)?;
    let wrapped: Vec<String> = split_lines(&text, false)
        .iter()
        .map(|line| wrap(line, width, long, hyphens).join(&separator))
        .collect();
    Ok(wrapped.join(&separator).into())
}

/// `textwrap.wrap` of one line.
fn wrap(line: &str, width: usize, long: bool, hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut blank = None;
    for c in line.chars() {
        let is_blank = c.is_whitespace();
        if blank.is_some_and(|b| b != is_blank) {
            chunks.push(std::mem::take(&mut current));
        }
        blank = Some(is_blank);
        current.push(c);
        if hyphens
            && c == '-'
            && current
                .chars()
                .rev()
                .nth(1)
                .is_some_and(char::is_alphabetic)
        {
            chunks.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        chunks.push(current);
    }
    let mut lines = Vec::new();
    let mut rest: std::collections::VecDeque<String> = chunks.into();
    while !rest.is_empty() {
        let (mut parts, mut used) = (Vec::<String>::new(), 0);
        if !lines.is_empty() && rest.front().is_some_and(|c| c.trim().is_empty()) {
            rest.pop_front();
        }
        while let Some(chunk) = rest.pop_front() {
            let len = chunk.chars().count();
            if used + len <= width {
                used += len;
                parts.push(chunk);
            } else if len > width && (long || parts.is_empty()) {
                if long {
                    let room = (width - used).max(usize::from(parts.is_empty()));
                    let head: String = chunk.chars().take(room).collect();
                    let tail: String = chunk.chars().skip(room).collect();
                    if !head.is_empty() {
                        parts.push(head);
                    }
                    rest.push_front(tail);
                } else {
                    parts.push(chunk);
                }
                break;
            } else {
                rest.push_front(chunk);
                break;
            }
        }
        if parts.last().is_some_and(|p| p.trim().is_empty()) {
            parts.pop();
        }
        if !parts.is_empty() {
            lines.push(parts.concat());
        }
    }
    lines
}

fn file_size(_: &Interp<'_>, value: Val, args: &Args) -> Result {
    let [binary] = args.bind("filesizeformat", ["binary"])?;
    let binary = flag(binary)?;
    let bytes = match &value {
        Val::Str(t) => t.text.trim().parse().ok(),
        other => other.as_float(),
    };
    let Some(bytes): Option<f64> = bytes else {
        return Err(Error::value_error("could not convert to float"));
    };
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    let units = if binary {
        ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
    } else {
        ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    };
    if bytes == 1.0 {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes as i128).into());
    }
    let mut shown = String::new();
    for (at, unit) in units.iter().enumerate() {
        let step = base.powi(at as i32 + 2);
        shown = format!("{:.1} {unit}", base * bytes / step);
        if bytes < step {
            break;
        }
    }
    Ok(shown.into())
}

fn snake_case(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        if at > 0 && c.is_uppercase() {
            let before = chars[at - 1].is_lowercase();
            let after = chars.get(at + 1).is_some_and(|c| c.is_lowercase());
            if before || after {
                out.push('_');
            }
        }
        out.extend(c.to_lowercase());
    }
    out
}
