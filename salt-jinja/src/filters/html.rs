//! HTML: escaping and what belongs to it. Salt renders no HTML; formulas use these all the same.

use super::{Filter, flag};
use crate::error::{Error, Result};
use crate::value::Val;
use crate::value::repr::str;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("e", |_, v, _| escaped(&v)),
    ("escape", |_, v, _| escaped(&v)),
    ("forceescape", |_, v, _| Ok(Val::markup(&escape(&str(&v)?)))),
    ("safe", |_, v, _| Ok(Val::markup(&str(&v)?))),
    ("striptags", |_, v, _| Ok(strip_tags(&str(&v)?).into())),
    ("urlencode", |_, v, _| url_encode(&v)),
    ("xmlattr", |_, v, a| {
        let [space] = a.bind("xmlattr", ["autospace"])?;
        let space = match space {
            Some(_) => flag(space)?,
            None => true,
        };
        let Val::Dict(dict) = &v else {
            return Err(Error::type_error("xmlattr wants a dict"));
        };
        let mut parts = Vec::new();
        for (key, value) in dict.borrow().iter() {
            if matches!(value, Val::None) || value.is_undefined() {
                continue;
            }
            let (key, value) = (escape(&str(&key.0)?), escape(&str(value)?));
            parts.push(format!("{key}=\"{value}\""));
        }
        let joined = parts.join(" ");
        let lead = if space && !joined.is_empty() { " " } else { "" };
        Ok(format!("{lead}{joined}").into())
    }),
];

/// `markupsafe.escape`
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

fn escaped(value: &Val) -> Result {
    match value {
        Val::Str(t) if t.markup => Ok(value.clone()),
        other => Ok(Val::markup(&escape(&str(other)?))),
    }
}

fn strip_tags(text: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    let text = out.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

fn quote(text: &str, query: bool) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(b));
            }
            b'/' if !query => out.push('/'),
            b' ' if query => out.push('+'),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn url_encode(value: &Val) -> Result {
    let pairs = match value {
        Val::Str(t) => return Ok(quote(&t.text, false).into()),
        Val::Dict(d) => Val::View(crate::value::View::Items, d.clone()).iterate()?,
        other if other.is_iterable() => other.iterate()?,
        other => return Ok(quote(&str(other)?, false).into()),
    };
    let mut parts = Vec::new();
    for pair in pairs {
        let pair = pair.iterate()?;
        let [key, value] = pair.as_slice() else {
            return Err(Error::value_error(
                "not enough values to unpack (expected 2)",
            ));
        };
        parts.push(format!(
            "{}={}",
            quote(&str(key)?, true),
            quote(&str(value)?, true)
        ));
    }
    Ok(parts.join("&").into())
}
