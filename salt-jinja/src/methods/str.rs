//! `str`

use crate::error::{Error, Result};
use crate::eval::{Args, Interp};
use crate::value::repr::str as text_of;
use crate::value::{Text, Val, ops};
use crate::{filters, format};

pub(super) const NAMES: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
    "translate",
];

pub(super) fn call(interp: &Interp<'_>, text: &Text, name: &str, args: &Args) -> Result {
    let s = &*text.text;
    let same = |out: String| {
        Ok(Val::Str(Text {
            text: out.as_str().into(),
            markup: text.markup,
        }))
    };
    let chars = |test: fn(char) -> bool| Ok(Val::Bool(!s.is_empty() && s.chars().all(test)));
    match name {
        "lower" | "casefold" => same(s.to_lowercase()),
        "upper" => same(s.to_uppercase()),
        "capitalize" => same(filters::text::capitalized(s)),
        "title" => same(title(s)),
        "swapcase" => same(
            s.chars()
                .flat_map(|c| -> Vec<char> {
                    if c.is_uppercase() {
                        c.to_lowercase().collect()
                    } else {
                        c.to_uppercase().collect()
                    }
                })
                .collect(),
        ),
        "strip" | "lstrip" | "rstrip" => {
            let [set] = args.bind(name, ["chars"])?;
            let set = optional(set, name)?;
            same(strip(s, name, set.as_deref()).to_owned())
        }
        "removeprefix" | "removesuffix" => {
            let part = wanted(args, name)?;
            same(
                if name == "removeprefix" {
                    s.strip_prefix(&*part)
                } else {
                    s.strip_suffix(&*part)
                }
                .unwrap_or(s)
                .to_owned(),
            )
        }
        "startswith" | "endswith" => affix(s, name, args),
        "split" | "rsplit" => {
            let [separator, limit] = args.bind(name, ["sep", "maxsplit"])?;
            let separator = optional(separator, name)?;
            let limit = limit.and_then(|l| l.as_index()).unwrap_or(-1);
            let parts = split(s, separator.as_deref(), limit, name == "rsplit")?;
            interp.spend(parts.len())?;
            Ok(Val::list(parts.into_iter().map(Val::from).collect()))
        }
        "splitlines" => {
            let [keep] = args.bind(name, ["keepends"])?;
            let keep = keep.is_some_and(|k| k.truth().unwrap_or(false));
            let lines = filters::text::split_lines(s, keep);
            Ok(Val::list(lines.into_iter().map(Val::from).collect()))
        }
        "partition" | "rpartition" => {
            let separator = wanted(args, name)?;
            if separator.is_empty() {
                return Err(Error::value_error("empty separator"));
            }
            let found = if name == "partition" {
                s.split_once(&*separator)
            } else {
                s.rsplit_once(&*separator)
            };
            let parts: [Val; 3] = match (found, name) {
                (Some((a, b)), _) => [a.into(), (*separator).into(), b.into()],
                (None, "partition") => [s.into(), "".into(), "".into()],
                (None, _) => ["".into(), "".into(), s.into()],
            };
            Ok(Val::tuple(parts.to_vec()))
        }
        "join" => join(text, &args.positional.first().cloned().unwrap_or(Val::None)),
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let (old, new) = (text_arg(old, name)?, text_arg(new, name)?);
            let count = count.and_then(|c| c.as_index()).unwrap_or(-1);
            let out = if count < 0 {
                s.replace(&*old, &new)
            } else {
                s.replacen(&*old, &new, usize::try_from(count).unwrap_or(usize::MAX))
            };
            interp.spend(out.len() / 64)?;
            same(out)
        }
        "find" | "rfind" | "index" | "rindex" | "count" => search(s, name, args),
        "center" | "ljust" | "rjust" => {
            let [width, fill] = args.bind(name, ["width", "fillchar"])?;
            let width = width
                .and_then(|w| w.as_index())
                .unwrap_or(0)
                .clamp(0, 1 << 20);
            let fill = optional(fill, name)?.unwrap_or_else(|| " ".into());
            let missing = (width as usize).saturating_sub(s.chars().count());
            // Python's own way of sharing an odd blank.
            let left = match name {
                "center" => missing / 2 + (missing & width as usize & 1),
                "rjust" => missing,
                _ => 0,
            };
            same(format!(
                "{}{s}{}",
                fill.repeat(left),
                fill.repeat(missing - left)
            ))
        }
        "zfill" => {
            let width = args.positional.first().and_then(Val::as_index).unwrap_or(0);
            let missing = (width.clamp(0, 1 << 20) as usize).saturating_sub(s.chars().count());
            let (sign, rest) = match s.strip_prefix(['-', '+']) {
                Some(rest) => s.split_at(s.len() - rest.len()),
                None => ("", s),
            };
            same(format!("{sign}{}{rest}", "0".repeat(missing)))
        }
        "expandtabs" => {
            let [size] = args.bind(name, ["tabsize"])?;
            same(expand_tabs(s, size.and_then(|v| v.as_index()).unwrap_or(8)))
        }
        "encode" => Ok(Val::bytes(s.as_bytes().to_vec())),
        "format" => format::braces(interp, text, args),
        "format_map" => {
            let mapping = args.positional.first().cloned().unwrap_or(Val::None);
            format::braces_map(interp, text, &mapping)
        }
        "isdigit" | "isdecimal" | "isnumeric" => chars(|c| c.is_numeric()),
        "isalpha" => chars(char::is_alphabetic),
        "isalnum" => chars(char::is_alphanumeric),
        "isspace" => chars(char::is_whitespace),
        "isascii" => Ok(Val::Bool(s.is_ascii())),
        "isprintable" => Ok(Val::Bool(!s.chars().any(char::is_control))),
        "islower" => Ok(Val::Bool(has_case(s) && s == s.to_lowercase())),
        "isupper" => Ok(Val::Bool(has_case(s) && s == s.to_uppercase())),
        "istitle" => Ok(Val::Bool(has_case(s) && s == title(s))),
        "isidentifier" => Ok(Val::Bool(
            s.chars().all(|c| c.is_alphanumeric() || c == '_')
                && s.chars().next().is_some_and(|c| !c.is_numeric()),
        )),
        _ => same(s.to_owned()),
    }
}

fn has_case(s: &str) -> bool {
    s.chars().any(|c| c.is_lowercase() || c.is_uppercase())
}

/// Text of an argument that may be missing or `None`.
fn optional(value: Option<Val>, name: &str) -> Result<Option<String>> {
    match value {
        None | Some(Val::None) => Ok(None),
        other => text_arg(other, name).map(Some),
    }
}

fn text_arg(value: Option<Val>, name: &str) -> Result<String> {
    match value {
        Some(Val::Str(t)) => Ok(t.text.to_string()),
        Some(other) => {
            other.strict()?;
            Err(Error::type_error(format!(
                "{name}() argument must be str, not {}",
                other.type_name()
            )))
        }
        None => Err(Error::type_error(format!(
            "{name}() takes at least 1 argument (0 given)"
        ))),
    }
}

fn wanted(args: &Args, name: &str) -> Result<String> {
    text_arg(args.positional.first().cloned(), name)
}

fn strip<'a>(s: &'a str, name: &str, set: Option<&str>) -> &'a str {
    let test = |c: char| match set {
        Some(set) => set.contains(c),
        None => c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c),
    };
    match name {
        "lstrip" => s.trim_start_matches(test),
        "rstrip" => s.trim_end_matches(test),
        _ => s.trim_matches(test),
    }
}

fn affix(s: &str, name: &str, args: &Args) -> Result {
    let test = |part: &str| {
        if name == "startswith" {
            s.starts_with(part)
        } else {
            s.ends_with(part)
        }
    };
    match args.positional.first() {
        Some(Val::Str(t)) => Ok(Val::Bool(test(&t.text))),
        Some(Val::Tuple(items)) => Ok(Val::Bool(items.iter().filter_map(Val::as_str).any(test))),
        Some(other) => {
            other.strict()?;
            Err(Error::type_error(format!(
                "{name} first arg must be str or a tuple of str, not {}",
                other.type_name()
            )))
        }
        None => Err(Error::type_error(format!(
            "{name}() takes at least 1 argument (0 given)"
        ))),
    }
}

fn split(s: &str, separator: Option<&str>, limit: i128, right: bool) -> Result<Vec<String>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX - 1);
    let own = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect();
    if let Some(separator) = separator {
        if separator.is_empty() {
            return Err(Error::value_error("empty separator"));
        }
        if right {
            let mut parts: Vec<&str> = s.rsplitn(limit.saturating_add(1), separator).collect();
            parts.reverse();
            return Ok(own(parts));
        }
        return Ok(own(s.splitn(limit.saturating_add(1), separator).collect()));
    }
    let mut parts = Vec::new();
    let mut rest = s.trim();
    while !rest.is_empty() && parts.len() < limit {
        let cut = if right {
            rest.rfind(char::is_whitespace)
        } else {
            rest.find(char::is_whitespace)
        };
        let Some(at) = cut else { break };
        let (a, b) = rest.split_at(at);
        if right {
            parts.push(b.trim_start());
            rest = a.trim_end();
        } else {
            parts.push(a);
            rest = b.trim_start();
        }
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    if right {
        parts.reverse();
    }
    Ok(own(parts))
}

fn join(separator: &Text, items: &Val) -> Result {
    if !items.is_iterable() {
        items.strict()?;
        return Err(Error::type_error("can only join an iterable"));
    }
    let mut out = String::new();
    for (at, item) in items.iterate()?.iter().enumerate() {
        if at > 0 {
            out.push_str(&separator.text);
        }
        match item {
            Val::Str(t) => out.push_str(&t.text),
            other if separator.markup => out.push_str(&text_of(other)?),
            other => {
                other.strict()?;
                return Err(Error::type_error(format!(
                    "sequence item {at}: expected str instance, {} found",
                    other.type_name()
                )));
            }
        }
    }
    Ok(Val::Str(Text {
        text: out.as_str().into(),
        markup: separator.markup,
    }))
}

fn search(s: &str, name: &str, args: &Args) -> Result {
    let part = wanted(args, name)?;
    let bound = |at: usize| args.positional.get(at).and_then(Val::as_index);
    let chars: Vec<char> = s.chars().collect();
    let range = ops::slice_indices(chars.len(), &[bound(1), bound(2), None])?;
    let start = range.first().copied().unwrap_or(0);
    let window: String = range.iter().map(|&i| chars[i]).collect();
    let found = match name {
        "count" if part.is_empty() => return Ok(Val::from(range.len() + 1)),
        "count" => return Ok(Val::from(window.matches(&*part).count())),
        "rfind" | "rindex" => window.rfind(&*part),
        _ => window.find(&*part),
    };
    match found {
        Some(byte) => Ok(Val::from(start + window[..byte].chars().count())),
        None if name.ends_with("index") => Err(Error::value_error("substring not found")),
        None => Ok(Val::Int(-1)),
    }
}

fn title(s: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in s.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

fn expand_tabs(s: &str, size: i128) -> String {
    let size = size.clamp(0, 64) as usize;
    let (mut out, mut column) = (String::new(), 0);
    for c in s.chars() {
        match c {
            '\t' => {
                let n = if size == 0 { 0 } else { size - column % size };
                out.push_str(&" ".repeat(n));
                column += n;
            }
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}
