//! `str()` and `repr()`.

use super::{Val, View};
use crate::budget;
use crate::error::{Error, Result};
use crate::python::{bytes, float, quote};

/// Deepest value that is printed.
const MAX_DEPTH: usize = 100;

/// `str(x)`
pub(crate) fn str(value: &Val) -> Result<String> {
    match value {
        Val::Str(t) => Ok(t.text.to_string()),
        other => repr(other),
    }
}

/// `repr(x)`
pub(crate) fn repr(value: &Val) -> Result<String> {
    let mut out = String::new();
    Printer {
        yaml_safe: false,
        text: false,
    }
    .write(value, 0, &mut out)?;
    Ok(out)
}

/// What `{{ x }}` prints: Salt shows text with line breaks inside of dicts in YAML's quotes.
pub(crate) fn output(value: &Val) -> Result<String> {
    match value {
        Val::Str(t) => Ok(t.text.to_string()),
        Val::Dict(_) | Val::List(_) | Val::Tuple(_) | Val::Set(_) => {
            let mut out = String::new();
            Printer {
                yaml_safe: true,
                text: matches!(value, Val::Dict(_)),
            }
            .write(value, 0, &mut out)?;
            Ok(out)
        }
        other => repr(other),
    }
}

struct Printer {
    /// As Salt prints what a template puts out.
    yaml_safe: bool,
    /// By `str()`, not `repr()`: so Salt prints dicts, and dicts in them.
    text: bool,
}

impl Printer {
    fn write(&self, value: &Val, depth: usize, out: &mut String) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::python(
                "RecursionError",
                "maximum recursion depth exceeded while getting the repr of an object",
            ));
        }
        budget::spend(1)?;
        if out.len() > 64 << 20 {
            return Err(Error::bound("the text is too long"));
        }
        match value {
            // Only `str()` of it is an error; inside of something else it shows.
            Val::Undefined(_) if depth > 0 && !self.text => out.push_str("Undefined"),
            Val::Undefined(u) if u.lenient => {}
            Val::Undefined(u) => return Err(u.error()),
            Val::None => out.push_str("None"),
            Val::Bool(true) => out.push_str("True"),
            Val::Bool(false) => out.push_str("False"),
            Val::Int(i) => out.push_str(&i.to_string()),
            Val::Float(f) => out.push_str(&float(*f)),
            Val::Str(t) if t.markup => {
                out.push_str("Markup(");
                out.push_str(&quote(&t.text));
                out.push(')');
            }
            Val::Str(t) => out.push_str(&quote(&t.text)),
            Val::Bytes(b) => out.push_str(&bytes(b)),
            Val::List(l) => {
                out.push('[');
                self.join(&l.borrow(), depth, out)?;
                out.push(']');
            }
            Val::Tuple(t) => {
                out.push('(');
                self.join(t, depth, out)?;
                out.push_str(if t.len() == 1 { ",)" } else { ")" });
            }
            Val::Set(s) if s.borrow().is_empty() => out.push_str("set()"),
            Val::Set(_) => {
                out.push('{');
                self.join(&value.iterate()?, depth, out)?;
                out.push('}');
            }
            Val::Dict(d) => {
                out.push('{');
                for (n, (k, v)) in d.borrow().iter().enumerate() {
                    if n > 0 {
                        out.push_str(", ");
                    }
                    Self {
                        yaml_safe: false,
                        text: false,
                    }
                    .write(&k.0, depth + 1, out)?;
                    out.push_str(": ");
                    match v.as_str() {
                        Some(text) if self.yaml_safe && text.contains(['\n', '\r', '\t']) => {
                            out.push_str(&crate::filters::yaml::double_quoted(text));
                        }
                        _ => Self {
                            yaml_safe: self.yaml_safe,
                            text: self.text && matches!(v, Val::Dict(_) | Val::Undefined(_)),
                        }
                        .write(v, depth + 1, out)?,
                    }
                }
                out.push('}');
            }
            Val::Namespace(d) => {
                out.push_str("<Namespace {");
                for (n, (k, v)) in d.borrow().iter().enumerate() {
                    if n > 0 {
                        out.push_str(", ");
                    }
                    self.write(&k.0, depth + 1, out)?;
                    out.push_str(": ");
                    self.write(v, depth + 1, out)?;
                }
                out.push_str("}>");
            }
            Val::Range(start, stop, 1) => out.push_str(&format!("range({start}, {stop})")),
            Val::Range(start, stop, step) => {
                out.push_str(&format!("range({start}, {stop}, {step})"));
            }
            Val::View(view, _) => {
                out.push_str(match view {
                    View::Keys => "dict_keys([",
                    View::Values => "dict_values([",
                    View::Items => "dict_items([",
                });
                self.join(&value.iterate()?, depth, out)?;
                out.push_str("])");
            }
            Val::Macro(m) => out.push_str(&format!("<Macro {}>", quote(m.name()))),
            Val::Module(m) => {
                if depth == 0 {
                    out.push_str(m.text());
                } else {
                    out.push_str("<TemplateModule>");
                }
            }
            Val::Loop(l) => out.push_str(&format!("<LoopContext {}/{}>", l.index(), l.length())),
            Val::Object(o) => out.push_str(&o.repr()),
            other => out.push_str(&format!("<{} object>", other.type_name())),
        }
        Ok(())
    }

    fn join(&self, items: &[Val], depth: usize, out: &mut String) -> Result<()> {
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            self.write(item, depth + 1, out)?;
        }
        Ok(())
    }
}
