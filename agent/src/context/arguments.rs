//! A job's arguments, taken apart as a minion does before it calls the function.

use salt_wire::{Map, Value};

use super::{Error, Signature, python};

/// Splits a publication's `arg` into positional and keyword arguments: maps marked `__kwarg__` and texts
/// of the form `name=value` are keywords. A function with `**kwargs` also gets the load as `__pub_*`.
pub fn split(
    signature: &Signature,
    args: &[Value],
    load: Option<&Map>,
) -> Result<(Vec<Value>, Map), Error> {
    let (mut positional, mut keywords) = (Vec::new(), Map::new());
    let mut invalid = Vec::new();
    let mut keyword = |key: Value, value: Value| {
        if key.as_str().is_some_and(|k| signature.takes(k)) {
            keywords.insert(key, value);
        } else {
            invalid.push(format!("{}={}", python::text(&key), python::text(&value)));
        }
    };
    for arg in args {
        match arg {
            Value::Map(map) if map.get("__kwarg__") == Some(&Value::Bool(true)) => {
                for (key, value) in map {
                    if key.as_str() != Some("__kwarg__") {
                        keyword(key.clone(), value.clone());
                    }
                }
            }
            Value::Str(text) => match name_and_value(text) {
                Some((name, value)) => keyword(name.into(), salt_yaml::yamlify_arg(value)),
                None => positional.push(arg.clone()),
            },
            _ => positional.push(arg.clone()),
        }
    }
    if !invalid.is_empty() {
        return Err(Error::Invocation(format!(
            "The following keyword arguments are not valid: {}",
            invalid.join(", ")
        )));
    }
    if let (Some(load), Some(_)) = (load, &signature.kwargs) {
        for (key, value) in load {
            keywords.insert(format!("__pub_{}", python::text(key)).into(), value.clone());
        }
    }
    Ok((positional, keywords))
}

/// An argument that a function cannot do without; the error is Python's.
pub fn needed<'a>(kwargs: &'a Map, key: &str) -> Result<&'a Value, Error> {
    kwargs.get(key).ok_or_else(|| Error::key(key))
}

/// Keyword arguments without what the publication or the state engine added (`clean_kwargs`).
pub fn clean(kwargs: &Map) -> Map {
    kwargs
        .iter()
        .filter(|(key, _)| !key.as_str().is_some_and(|k| k.starts_with("__")))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// The two halves of `name=value`: a name starts with a letter or underscore and goes on with word
/// characters, dots and dashes; `==` is no assignment, and the value stays on one line.
pub fn name_and_value(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let mut letters = name.chars();
    let first = letters.next()?;
    let word = |c: char| c == '_' || c.is_alphanumeric();
    let fits = word(first)
        && !first.is_numeric()
        && letters.all(|c| word(c) || c == '.' || c == '-')
        && !value.starts_with('=');
    // Python's `$` also stands before one final line break, which then belongs to nothing.
    let value = value.strip_suffix('\n').unwrap_or(value);
    (fits && !value.contains('\n')).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn keywords_are_found_where_salt_finds_them() {
        let open = Signature::parse("*args, **kwargs").unwrap();
        let args = [
            "plain".into(),
            "n=3".into(),
            "a==b".into(),
            "1a=b".into(),
            "two=lines\nhere".into(),
            Value::Map(map! {"__kwarg__" => true, "foo" => "bar"}),
            Value::Map(map! {"__kwarg__" => 1}),
        ];
        let (positional, keywords) = split(&open, &args, Some(&map! {"jid" => "7"})).unwrap();
        assert_eq!(
            positional,
            [
                "plain".into(),
                "a==b".into(),
                "1a=b".into(),
                "two=lines\nhere".into(),
                Value::Map(map! {"__kwarg__" => 1}),
            ]
        );
        assert_eq!(
            keywords,
            map! {"n" => 3, "foo" => "bar", "__pub_jid" => "7"}
        );
    }

    #[test]
    fn keywords_without_a_place_are_named() {
        let closed = Signature::parse("name").unwrap();
        let args = [
            "x=1".into(),
            Value::Map(map! {"__kwarg__" => true, "y" => vec![Value::from("z")]}),
        ];
        let error = split(&closed, &args, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "The following keyword arguments are not valid: x=1, y=['z']"
        );
    }
}
