//! Data as TOML, written as Python's `toml` writes it.

use salt_wire::{Map, Value};

use crate::python;

/// Data as text, or why it is none.
pub fn write(data: &Value) -> Result<String, String> {
    let Value::Map(top) = data else {
        return Err("Object is not a mapping".to_owned());
    };
    let (mut text, mut tables) = section(top, "")?;
    while !tables.is_empty() {
        let mut inner = Vec::new();
        for (name, table) in tables {
            let (own, more) = section(&table, &name)?;
            if !own.is_empty() || more.is_empty() {
                if !text.is_empty() && !text.ends_with("\n\n") {
                    text.push('\n');
                }
                text += &format!("[{name}]\n{own}");
            }
            let within = |(key, table)| (format!("{name}.{key}"), table);
            inner.extend(more.into_iter().map(within));
        }
        tables = inner;
    }
    Ok(text)
}

/// Tables that are still to be written, each with its name.
type Tables = Vec<(String, Map)>;

/// The lines of a table, and the tables within it.
fn section(table: &Map, name: &str) -> Result<(String, Tables), String> {
    let (mut text, mut arrays, mut inner) = (String::new(), String::new(), Vec::new());
    let prefix = if name.is_empty() {
        String::new()
    } else {
        format!("{name}.")
    };
    for (key, value) in table {
        let key = key_of(&python::text(key));
        match value {
            Value::Null => {}
            Value::Map(table) => inner.push((key, table.clone())),
            Value::List(list) if list.iter().any(|v| matches!(v, Value::Map(_))) => {
                let full = format!("{prefix}{key}");
                for table in list {
                    let Value::Map(table) = table else {
                        return Err(format!("{full} mixes tables with other values"));
                    };
                    arrays += &array(table, &full)?;
                }
            }
            other => {
                text += &format!("{key} = {}\n", value_of(other)?);
            }
        }
    }
    Ok((text + &arrays, inner))
}

/// One table of an array of tables.
fn array(table: &Map, name: &str) -> Result<String, String> {
    let mut text = format!("[[{name}]]\n");
    let mut behind = "\n".to_owned();
    let (own, mut tables) = section(table, name)?;
    if own.starts_with('[') {
        behind += &own;
    } else {
        text += &own;
    }
    while !tables.is_empty() {
        let mut inner = Vec::new();
        for (key, table) in tables {
            let full = format!("{name}.{key}");
            let (own, more) = section(&table, &full)?;
            if !own.is_empty() {
                behind += &format!("[{full}]\n{own}");
            }
            let within = |(sub, table)| (format!("{key}.{sub}"), table);
            inner.extend(more.into_iter().map(within));
        }
        tables = inner;
    }
    Ok(text + &behind)
}

fn key_of(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(plain) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

fn value_of(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::Str(text) => quoted(text),
        Value::Bool(yes) => yes.to_string(),
        Value::Float(_) => {
            let text = python::text(value);
            text.replace("e+0", "e+").replace("e-0", "e-")
        }
        Value::List(list) => {
            let items = list.iter().map(|item| Ok(format!(" {},", value_of(item)?)));
            format!("[{}]", items.collect::<Result<String, String>>()?)
        }
        Value::Int(number) => number.to_string(),
        Value::Null => quoted("None"),
        other => return Err(format!("no value: {}", python::text(other))),
    })
}

/// A text between quotes, escaped as Python shows texts.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out += &format!("\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The data of a text, or why it is none. A time is its text.
pub fn read(text: &str) -> Result<Map, String> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
    Ok(map_of(table))
}

fn map_of(table: toml::Table) -> Map {
    let pairs = table.into_iter();
    pairs.map(|(key, value)| (key.into(), own(value))).collect()
}

fn own(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => Value::Int(number.into()),
        toml::Value::Float(number) => Value::Float(number),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => Value::List(list.into_iter().map(own).collect()),
        toml::Value::Table(table) => map_of(table).into(),
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    /// What Python's `toml` 0.10.2 writes of the same.
    const TEXT: &str = "title = \"a \\\"q\\\" it's \\\\ b\\n\\té\"\nn = 1\nf = 1.5\ng = 1e+30\nh = 1e-7\nb = true\nl = [ 1, 2,]\ne = []\nnest = [ [ 1,], [ 2,],]\n[[arr]]\na = 1\n\n[arr.sub]\nx = 1\n[arr.sub.y]\nz = 2\n[[arr]]\n\n[[arr.b]]\nc = 1\n\n[owner]\nname = \"x\"\n\n[empty]\n\n[\"odd key\"]\nk = 1\n\n[both]\nk = 1\n[[both.arr]]\nq = 1\n\n[only.inner]\nv = 1\n\n[owner.deep.a]\nz = 1\n\n[owner.deep.b]\n";

    fn data() -> Map {
        let one = |n: i64| Value::List(vec![n.into()]);
        let arr = vec![
            Value::from(map! { "a" => 1, "sub" => map! { "x" => 1, "y" => map! { "z" => 2 } } }),
            map! { "b" => Value::List(vec![map! { "c" => 1 }.into()]) }.into(),
        ];
        map! {
            "title" => "a \"q\" it's \\ b\n\té", "n" => 1, "f" => 1.5, "g" => 1e30, "h" => 1e-7, "b" => true,
            "l" => Value::List(vec![1.into(), 2.into()]), "e" => Value::List(Vec::new()),
            "nest" => Value::List(vec![one(1), one(2)]),
            "owner" => map! { "name" => "x", "deep" => map! { "a" => map! { "z" => 1 }, "b" => Map::new() } },
            "empty" => Map::new(), "odd key" => map! { "k" => 1 }, "arr" => Value::List(arr),
            "only" => map! { "inner" => map! { "v" => 1 } },
            "both" => map! { "k" => 1, "arr" => Value::List(vec![map! { "q" => 1 }.into()]) },
        }
    }

    #[test]
    fn it_is_written_as_python_does() {
        assert_eq!(write(&data().into()).unwrap(), TEXT);
        let nothing = map! { "a" => Value::Null };
        assert_eq!(write(&nothing.into()).unwrap(), "");
        assert!(write(&1.into()).is_err());
    }

    #[test]
    fn it_is_read_back() {
        assert_eq!(read(TEXT).unwrap(), data());
        let time = read("at = 1979-05-27T07:32:00Z").unwrap();
        assert_eq!(time, map! { "at" => "1979-05-27T07:32:00Z" });
        assert!(read("a = 1\na = 2").is_err());
    }
}
