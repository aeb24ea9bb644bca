//! YAML, as Salt writes and reads it.

use salt_yaml::{DumpOptions, Flow};

use super::{Filter, undefined_inside};
use crate::error::{Error, Result};
use crate::value::repr::str;
use crate::value::{Dict, Val};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("yaml", |_, v, a| {
        let [flow] = a.bind("format_yaml", ["flow_style"])?;
        format_yaml(&v, flow.unwrap_or(Val::Bool(true)))
    }),
    ("dict_to_sls_yaml_params", |_, v, a| {
        let [flow] = a.bind("dict_to_sls_yaml_params", ["flow_style"])?;
        if let Some(undefined) = undefined_inside(&v) {
            return Ok(undefined);
        }
        let Val::Dict(dict) = &v else {
            return Err(Error::python(
                "AttributeError",
                format!("'{}' object has no attribute 'items'", v.type_name()),
            ));
        };
        let items = dict.borrow();
        let items = items.iter().map(|(k, v)| {
            let mut one = Dict::new();
            one.insert(k.clone(), v.clone());
            Val::dict(one)
        });
        format_yaml(
            &Val::list(items.collect()),
            flow.unwrap_or(Val::Bool(false)),
        )
    }),
    ("load_yaml", |_, v, _| {
        if let Some(undefined) = undefined_inside(&v) {
            return Ok(undefined);
        }
        let text = match &v {
            Val::Module(m) => m.text().to_owned(),
            other => str(other)?,
        };
        match salt_yaml::load_plain(&text) {
            Ok(value) => Ok(Val::from(&value)),
            Err(e) if e.kind == salt_yaml::ErrorKind::Value => Err(Error::value_error(e.problem)),
            Err(e) => Err(Error::runtime(format!(
                "Encountered error loading yaml: {e}"
            ))),
        }
    }),
    ("load_text", |_, v, _| {
        if let Some(undefined) = undefined_inside(&v) {
            return Ok(undefined);
        }
        match &v {
            Val::Module(m) => Ok(m.text().into()),
            _ => Ok(v),
        }
    }),
    ("yaml_encode", |_, v, _| {
        v.strict()?;
        match salt_yaml::scalar_text(&v.to_value()?) {
            Some((text, true)) => Ok(double_quoted(&text).into()),
            Some((text, false)) => Ok(text.into()),
            None => Err(Error::type_error(format!(
                "yaml_encode() only works with YAML scalar data; failed for <class '{}'>",
                v.type_name()
            ))),
        }
    }),
    ("yaml_dquote", |_, v, _| Ok(double_quoted(&str(&v)?).into())),
    ("yaml_squote", |_, v, _| Ok(single_quoted(&str(&v)?).into())),
];

fn format_yaml(value: &Val, flow: Val) -> Result {
    if let Some(undefined) = undefined_inside(value) {
        return Ok(undefined);
    }
    let options = DumpOptions {
        flow: match &flow {
            Val::None => Flow::Leaves,
            other if other.truth()? => Flow::Flow,
            _ => Flow::Block,
        },
        sort: true,
        ..DumpOptions::default()
    };
    let text = salt_yaml::dump(&value.to_value()?, &options);
    let text = text.map_err(|e| Error::runtime(e.to_string()))?;
    let text = text.trim();
    Ok(Val::markup(text.strip_suffix("\n...").unwrap_or(text)))
}

/// Text in YAML's double quotes, as PyYAML's emitter writes it on one line.
pub(crate) fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\\0"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\x1b' => out.push_str("\\e"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{85}' => out.push_str("\\N"),
            '\u{a0}' => out.push_str("\\_"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            ' '..='~' => out.push(c),
            c if (c as u32) <= 0xff => out.push_str(&format!("\\x{:02X}", c as u32)),
            c if (c as u32) <= 0xffff => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push_str(&format!("\\U{:08X}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Text in single quotes; a line break is written as an empty line.
fn single_quoted(text: &str) -> String {
    let mut out = String::from("'");
    let mut breaks = false;
    for c in text.chars() {
        let is_break = matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        if is_break && !breaks && c == '\n' {
            out.push('\n');
        }
        if breaks && !is_break {
            out.push_str("");
        }
        breaks = is_break;
        match c {
            '\'' => out.push_str("''"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}
