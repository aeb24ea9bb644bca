//! `'%s' % x` and `'{}'.format(x)`.

mod percent;
mod spec;

use crate::error::{Error, Result};
use crate::eval::{Args, Interp, attr, item};
use crate::filters::html;
use crate::value::repr::{repr, str};
use crate::value::{Key, Text, Val};
pub(crate) use percent::percent;
use spec::format_spec;

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
                .ok_or_else(|| Error::python("KeyError", crate::python::quote(first)))?
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
