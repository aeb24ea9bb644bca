//! The options of a salt-minion: names, types, defaults, and whether we give them their effect. The table
//! itself is `options.tsv`, one option a line; a test holds it against Salt's own.

use std::collections::HashMap;
use std::sync::LazyLock;

use salt_wire::{Map, Value};

/// What becomes of an option here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It has its effect.
    Used,
    /// A minion's option that is not implemented: named once at start.
    Ignored,
    /// Only a salt-master reads it.
    Master,
}

/// One option.
#[derive(Debug)]
pub struct OptionInfo {
    /// Its name in the file.
    pub name: &'static str,
    /// The types that Salt takes, in Salt's table; empty when it does not check.
    pub types: Vec<&'static str>,
    /// Its value when no file sets it; `None` leaves it out of `opts`.
    pub default: Option<Value>,
    /// What becomes of it.
    pub treatment: Treatment,
}

impl OptionInfo {
    /// Whether `value` has one of the types that Salt takes without a warning.
    pub fn takes(&self, value: &Value) -> bool {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(text) if text.starts_with("sdb://") => return true,
            Value::Str(_) | Value::Bytes(_) => "str",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        };
        // A whole number will do for a float, as in Python.
        self.types.is_empty()
            || self
                .types
                .iter()
                .any(|t| *t == kind || (*t == "float" && kind == "int"))
    }
}

/// The option of this name, if a minion knows it.
pub fn find(name: &str) -> Option<&'static OptionInfo> {
    TABLE.by_name.get(name).map(|at| &TABLE.rows[*at])
}

/// All options, in Salt's order.
pub fn all() -> &'static [OptionInfo] {
    &TABLE.rows
}

/// Salt's `opts` before any file is read.
pub fn defaults() -> Map {
    all()
        .iter()
        .filter_map(|o| Some((o.name.into(), o.default.clone()?)))
        .collect()
}

struct Table {
    rows: Vec<OptionInfo>,
    by_name: HashMap<&'static str, usize>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let rows: Vec<_> = include_str!("options.tsv")
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(row)
        .collect();
    let by_name = rows.iter().enumerate().map(|(i, r)| (r.name, i)).collect();
    Table { rows, by_name }
});

/// A line of the table; a test proves that none is dropped.
fn row(line: &'static str) -> Option<OptionInfo> {
    let mut fields = line.split('\t');
    let (name, types, default, treatment) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    Some(OptionInfo {
        name,
        types: types.split('|').filter(|t| *t != "any").collect(),
        default: match default {
            "-" => None,
            json => Some(serde_json::from_str(json).ok()?),
        },
        treatment: match treatment {
            "used" => Treatment::Used,
            "ignored" => Treatment::Ignored,
            "master" => Treatment::Master,
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_option_of_its_own() {
        let lines = include_str!("options.tsv")
            .lines()
            .filter(|l| !l.starts_with('#'))
            .count();
        assert_eq!(all().len(), lines);
        assert_eq!(TABLE.by_name.len(), lines);
    }

    #[test]
    fn defaults_are_salts() {
        let defaults = defaults();
        assert_eq!(defaults.get("master"), Some(&"salt".into()));
        assert_eq!(defaults.get("master_port"), Some(&4506.into()));
        assert_eq!(defaults.get("http_connect_timeout"), Some(&20.0.into()));
        assert_eq!(defaults.get("nodegroups"), None);
    }

    #[test]
    fn types_are_checked_as_salt_does() {
        assert!(find("master").unwrap().takes(&vec!["a", "b"].into()));
        assert!(!find("master").unwrap().takes(&Value::Bool(true)));
        assert!(find("ipv6").unwrap().takes(&Value::Null));
        assert!(find("http_connect_timeout").unwrap().takes(&3.into()));
    }
}
