//! Regular expressions in Python's dialect, as near as `fancy_regex` has it.

use super::{Filter, flag, text_of};
use crate::error::{Error, Result};
use crate::eval::Args;
use crate::value::Val;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("regex_search", |_, v, a| groups(&v, a, false)),
    ("regex_match", |_, v, a| groups(&v, a, true)),
    ("regex_replace", |_, v, a| {
        let [pattern, replacement, ignorecase, multiline] =
            a.bind("regex_replace", ["rgx", "val", "ignorecase", "multiline"])?;
        let regex = compile(pattern, ignorecase, multiline, false)?;
        let text = text_of(&v, "regex_replace")?;
        let template = text_of(&replacement.unwrap_or(Val::None), "regex_replace")?;
        let mut out = String::new();
        let mut last = 0;
        for found in regex.captures_iter(&text) {
            let found = found.map_err(|e| Error::python("error", e.to_string()))?;
            let Some(whole) = found.get(0) else { continue };
            out.push_str(&text[last..whole.start()]);
            expand(&template, &found, &mut out)?;
            last = whole.end();
        }
        out.push_str(&text[last..]);
        Ok(out.into())
    }),
    ("regex_escape", |_, v, _| {
        let text = text_of(&v, "regex_escape")?;
        let mut out = String::new();
        for c in text.chars() {
            // What `re.escape` guards.
            if "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        Ok(out.into())
    }),
];

/// A pattern of Python's, compiled.
fn compile(
    pattern: Option<Val>,
    ignorecase: Option<Val>,
    multiline: Option<Val>,
    anchored: bool,
) -> Result<fancy_regex::Regex> {
    let pattern = text_of(&pattern.unwrap_or(Val::None), "re.compile")?;
    let pattern = dialect(&pattern);
    let mut flags = String::new();
    if flag(ignorecase)? {
        flags.push('i');
    }
    if flag(multiline)? {
        flags.push('m');
    }
    let head = if flags.is_empty() {
        String::new()
    } else {
        format!("(?{flags})")
    };
    let pattern = if anchored {
        format!("{head}\\A(?:{pattern})")
    } else {
        format!("{head}{pattern}")
    };
    fancy_regex::RegexBuilder::new(&pattern)
        .backtrack_limit(1_000_000)
        .delegate_size_limit(8 << 20)
        .build()
        .map_err(|e| Error::python("error", e.to_string()))
}

/// Python's spellings in this library's: `\Z`, and `$` that also matches before a last newline.
fn dialect(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Z') => out.push_str("\\z"),
                Some(next) => {
                    out.push('\\');
                    out.push(next);
                }
                None => out.push('\\'),
            },
            '[' if class => out.push_str("\\["),
            '[' => {
                class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            // Set operations, which Python does not have.
            '&' if class && chars.peek() == Some(&'&') => out.push_str("\\&"),
            '~' if class && chars.peek() == Some(&'~') => out.push_str("\\~"),
            c => out.push(c),
        }
    }
    out
}

fn groups(value: &Val, args: &Args, anchored: bool) -> Result {
    let [pattern, ignorecase, multiline] =
        args.bind("regex", ["rgx", "ignorecase", "multiline"])?;
    let regex = compile(pattern, ignorecase, multiline, anchored)?;
    let text = text_of(value, "regex")?;
    let found = regex
        .captures(&text)
        .map_err(|e| Error::python("error", e.to_string()))?;
    let Some(found) = found else {
        return Ok(Val::None);
    };
    let group = |at: usize| found.get(at).map_or(Val::None, |m| m.as_str().into());
    if found.len() == 1 {
        return Ok(Val::tuple(vec![group(0)]));
    }
    Ok(Val::tuple((1..found.len()).map(group).collect()))
}

/// The test `match`.
pub(crate) fn is_match(
    value: &Val,
    pattern: Option<Val>,
    ignorecase: Option<Val>,
    multiline: Option<Val>,
) -> Result<bool> {
    let regex = compile(pattern, ignorecase, multiline, true)?;
    let text = text_of(value, "match")?;
    regex
        .is_match(&text)
        .map_err(|e| Error::python("error", e.to_string()))
}

/// A replacement's `\1` and `\g<name>`.
fn expand(template: &str, found: &fancy_regex::Captures<'_>, out: &mut String) -> Result<()> {
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(d) if d.is_ascii_digit() => {
                let mut number = String::from(d);
                if let Some(d) = chars.next_if(char::is_ascii_digit) {
                    number.push(d);
                }
                let at: usize = number.parse().unwrap_or(0);
                if at >= found.len() {
                    return Err(Error::python(
                        "error",
                        format!("invalid group reference {at}"),
                    ));
                }
                out.push_str(found.get(at).map_or("", |m| m.as_str()));
            }
            Some('g') if chars.next_if_eq(&'<').is_some() => {
                let mut name = String::new();
                for c in chars.by_ref() {
                    if c == '>' {
                        break;
                    }
                    name.push(c);
                }
                let group = match name.parse::<usize>() {
                    Ok(at) => found.get(at),
                    Err(_) => found.name(&name),
                };
                out.push_str(group.map_or("", |m| m.as_str()));
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(other) if other.is_ascii_alphabetic() => {
                return Err(Error::python("error", format!("bad escape \\{other}")));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    Ok(())
}
