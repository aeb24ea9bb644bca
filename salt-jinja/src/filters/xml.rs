//! `xml`: nested data as an XML document, laid out as Python's minidom does.

use super::{Filter, undefined_inside};
use crate::error::{Error, Result};
use crate::value::repr::str;
use crate::value::{Val, View};

pub(super) const FILTERS: &[(&str, Filter)] = &[("xml", |_, v, _| {
    if let Some(undefined) = undefined_inside(&v) {
        return Ok(undefined);
    }
    let mut root = None;
    for (tag, value) in pairs(&v)? {
        root = Some(element(&tag, &value, 0)?);
    }
    let Some(root) = root else {
        return Err(Error::python("IndexError", "list index out of range"));
    };
    let mut out = String::from("<?xml version=\"1.0\" ?>\n");
    root.write(0, &mut out);
    Ok(Val::markup(&out))
})];

struct Element {
    tag: String,
    attributes: Vec<(String, String)>,
    text: Option<String>,
    children: Vec<Self>,
}

/// The tag and value pairs that a value stands for.
fn pairs(value: &Val) -> Result<Vec<(String, Val)>> {
    let items = match value {
        Val::Dict(d) => Val::View(View::Items, d.clone()).iterate()?,
        Val::List(_) | Val::Tuple(_) => {
            // A list of text is one pair, as Salt reads it.
            let items = value.iterate()?;
            match items.as_slice() {
                [tag @ Val::Str(_), value] => vec![Val::tuple(vec![tag.clone(), value.clone()])],
                _ => Vec::new(),
            }
        }
        _ => {
            return Err(Error::runtime(
                "Value is not a dict or list. Cannot render as XML",
            ));
        }
    };
    let mut out = Vec::new();
    for pair in items {
        let pair = pair.iterate()?;
        if let [tag, value] = pair.as_slice() {
            out.push((str(tag)?, value.clone()));
        }
    }
    Ok(out)
}

fn element(tag: &str, value: &Val, depth: usize) -> Result<Element> {
    if depth > 64 {
        return Err(Error::bound("the value is nested too deeply"));
    }
    let mut new = Element {
        tag: tag.to_owned(),
        attributes: Vec::new(),
        text: None,
        children: Vec::new(),
    };
    match value {
        Val::Str(_) | Val::Int(_) | Val::Bool(_) | Val::Float(_) => new.text = Some(str(value)?),
        Val::Dict(_) => {
            for (name, inner) in pairs(value)? {
                match &inner {
                    Val::Dict(_) => new.children.push(element(&name, &inner, depth + 1)?),
                    Val::List(items) => {
                        for item in items.borrow().iter() {
                            new.children.push(element(&name, item, depth + 1)?);
                        }
                    }
                    other => new.attributes.push((name, str(other)?)),
                }
            }
        }
        _ => {}
    }
    Ok(new)
}

impl Element {
    fn write(&self, depth: usize, out: &mut String) {
        let indent = " ".repeat(depth);
        let escape = |text: &str| {
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        out.push_str(&format!("{indent}<{}", self.tag));
        for (name, value) in &self.attributes {
            let value = escape(value).replace('"', "&quot;");
            out.push_str(&format!(" {name}=\"{value}\""));
        }
        match (&self.text, self.children.is_empty()) {
            (Some(text), _) if !text.is_empty() => {
                out.push_str(&format!(">{}</{}>\n", escape(text), self.tag));
            }
            (_, true) => out.push_str("/>\n"),
            (_, false) => {
                out.push_str(">\n");
                for child in &self.children {
                    child.write(depth + 1, out);
                }
                out.push_str(&format!("{indent}</{}>\n", self.tag));
            }
        }
    }
}
