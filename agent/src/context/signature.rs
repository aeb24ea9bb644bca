//! A function's parameters, written as Python writes them, and arguments bound to them.
//!
//! `"name, cwd=None, *args, **kwargs"` is at once what `sys.argspec` reports, what decides whether a
//! call is valid, and what names the arguments inside the function.

use salt_wire::{Map, Value};

use super::{Error, python};

/// A parsed parameter list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signature {
    /// Named parameters in order; the default of an optional one.
    pub params: Vec<(String, Option<Value>)>,
    /// How many of them also take positional arguments: those before `*args`.
    pub positional: usize,
    /// The name of `*args`.
    pub varargs: Option<String>,
    /// The name of `**kwargs`.
    pub kwargs: Option<String>,
}

impl Signature {
    /// Parses a parameter list; our own constant text, so a test parses every one of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut signature = Self::default();
        for part in split(text) {
            if let Some(name) = part.strip_prefix("**") {
                signature.kwargs = Some(name.to_owned());
            } else if let Some(name) = part.strip_prefix('*') {
                signature.varargs = Some(name.to_owned());
            } else if let Some((name, default)) = part.split_once('=') {
                signature
                    .params
                    .push((name.trim().to_owned(), Some(literal(default.trim())?)));
            } else {
                signature.params.push((part.to_owned(), None));
            }
            if signature.varargs.is_none() {
                signature.positional = signature.params.len();
            }
        }
        Ok(signature)
    }

    /// Binds arguments as Python would call the function; a misfit reads as Python's `TypeError`.
    pub fn bind(&self, fun: &str, args: &[Value], kwargs: &Map) -> Result<Args, Error> {
        let short = fun.rsplit('.').next().unwrap_or(fun);
        let mut bound = Args::default();
        for ((name, _), value) in self.params[..self.positional].iter().zip(args) {
            bound.named.insert(name.as_str().into(), value.clone());
        }
        let positional = bound.named.len();
        for (key, value) in kwargs {
            let name = key.as_str().unwrap_or_default();
            match self.params.iter().position(|(p, _)| p == name) {
                Some(at) if at < positional => {
                    return Err(Error::Arguments(format!(
                        "{short}() got multiple values for argument '{name}'"
                    )));
                }
                Some(_) => drop(bound.named.insert(key.clone(), value.clone())),
                None if self.kwargs.is_some() => {
                    bound.extra.insert(key.clone(), value.clone());
                }
                None => {
                    return Err(Error::Arguments(format!(
                        "{short}() got an unexpected keyword argument '{name}'"
                    )));
                }
            }
        }
        if args.len() > positional {
            if self.varargs.is_none() {
                return Err(Error::Arguments(self.too_many(short, args.len())));
            }
            bound.rest = args[positional..].to_vec();
        }
        let mut missing = Vec::new();
        for (name, default) in &self.params {
            if bound.named.contains_key(name.as_str()) {
                continue;
            }
            match default {
                Some(default) => {
                    bound.named.insert(name.as_str().into(), default.clone());
                }
                None => missing.push(format!("'{name}'")),
            }
        }
        if missing.is_empty() {
            Ok(bound)
        } else {
            Err(Error::Arguments(missing_text(short, &missing)))
        }
    }

    /// Whether a keyword of this name finds a place.
    pub fn takes(&self, name: &str) -> bool {
        self.kwargs.is_some() || self.params.iter().any(|(p, _)| p == name)
    }

    fn too_many(&self, short: &str, given: usize) -> String {
        let most = self.positional;
        let least = self.params.iter().filter(|(_, d)| d.is_none()).count();
        let takes = if least == most {
            format!("{most}")
        } else {
            format!("from {least} to {most}")
        };
        let plural = if most == 1 { "" } else { "s" };
        let was = if given == 1 { "was" } else { "were" };
        format!("{short}() takes {takes} positional argument{plural} but {given} {was} given")
    }
}

fn missing_text(short: &str, missing: &[String]) -> String {
    let names = match missing {
        [one] => one.clone(),
        [a, b] => format!("{a} and {b}"),
        [head @ .., last] => format!("{}, and {last}", head.join(", ")),
        [] => String::new(),
    };
    let plural = if missing.len() == 1 { "" } else { "s" };
    format!(
        "{short}() missing {} required positional argument{plural}: {names}",
        missing.len()
    )
}

/// Arguments bound to their names, defaults filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Args {
    /// Values of the named parameters; every one is present.
    pub named: Map,
    /// What `*args` took.
    pub rest: Vec<Value>,
    /// What `**kwargs` took.
    pub extra: Map,
    /// Called by the job itself, not by a template or another function within it.
    pub direct: bool,
}

impl Args {
    /// The value of a named parameter, or of an extra keyword; `Null` if there is neither.
    pub fn get(&self, name: &str) -> &Value {
        self.named
            .get(name)
            .or_else(|| self.extra.get(name))
            .unwrap_or(&Value::Null)
    }

    /// A text argument; numbers are taken as their text, as YAML users expect.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        match self.get(name) {
            Value::Str(s) => Ok(s.clone()),
            Value::Int(i) => Ok(i.to_string()),
            Value::Float(_) | Value::Bool(_) => Ok(python::text(self.get(name))),
            other => Err(Error::Invocation(format!(
                "argument '{name}' must be text, not {}",
                kind(other)
            ))),
        }
    }

    /// A text argument that may be `None`.
    pub fn opt_text(&self, name: &str) -> Result<Option<String>, Error> {
        match self.get(name) {
            Value::Null => Ok(None),
            _ => self.text(name).map(Some),
        }
    }

    /// Python's truth of an argument.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_truthy()
    }
}

/// The kind of a value in Python's words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "str",
        Value::Bytes(_) => "bytes",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
    }
}

/// Splits at commas that are outside of quotes and brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0i32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|p| !p.is_empty());
    parts
}

/// A Python literal of the kinds that defaults are made of.
fn literal(text: &str) -> Result<Value, String> {
    let quoted = |q: char| text.strip_prefix(q).and_then(|t| t.strip_suffix(q));
    Ok(match text {
        "None" => Value::Null,
        "True" => true.into(),
        "False" => false.into(),
        "()" | "[]" => Value::List(Vec::new()),
        "{}" => Value::Map(Map::new()),
        _ => {
            if let Some(inner) = quoted('\'').or_else(|| quoted('"')) {
                inner.replace("\\n", "\n").into()
            } else if let Ok(i) = text.parse::<i64>() {
                i.into()
            } else if let Ok(f) = text.parse::<f64>() {
                f.into()
            } else {
                return Err(format!("no literal: {text}"));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn binds_as_python_does() {
        let s = Signature::parse("cmd, cwd=None, shell='/bin/sh', n=3, **kwargs").unwrap();
        let a = s
            .bind("cmd.run", &["ls".into()], &map! {"n" => 4, "x" => true})
            .unwrap();
        assert_eq!(a.get("cmd"), &"ls".into());
        assert_eq!(a.get("shell"), &"/bin/sh".into());
        assert_eq!(a.get("n"), &4.into());
        assert_eq!(a.get("x"), &true.into());
    }

    #[test]
    fn parameters_behind_varargs_are_keywords() {
        let s = Signature::parse("*args, pillar=None, **kwargs").unwrap();
        let a = s.bind("x.f", &["a".into()], &map! {"pillar" => 1}).unwrap();
        assert_eq!(a.rest, ["a".into()]);
        assert_eq!(a.get("pillar"), &1.into());
    }

    #[test]
    fn misfits_read_as_pythons() {
        let none = Signature::parse("").unwrap();
        let text = |r: Result<Args, Error>| r.unwrap_err().to_string();
        assert_eq!(
            text(none.bind("test.ping", &[1.into()], &Map::new())),
            "ping() takes 0 positional arguments but 1 was given"
        );
        assert_eq!(
            text(none.bind("test.ping", &[], &map! {"bogus" => 1})),
            "ping() got an unexpected keyword argument 'bogus'"
        );
        let two = Signature::parse("a, b, c=1").unwrap();
        assert_eq!(
            text(two.bind("x.f", &[], &Map::new())),
            "f() missing 2 required positional arguments: 'a' and 'b'"
        );
        assert_eq!(
            text(two.bind(
                "x.f",
                &[1.into(), 2.into(), 3.into(), 4.into()],
                &Map::new()
            )),
            "f() takes from 2 to 3 positional arguments but 4 were given"
        );
    }
}
