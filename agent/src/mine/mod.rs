//! What an entry of `mine_functions` means, and how its result says who may read it.

use salt_wire::{Map, Value, map};

/// Marks an entry that says who may read it; the number is its form's version.
const ACL_ID: &str = "__saltmine_acl__";
const ACL_VERSION: i64 = 1;
const ACL_DATA: &str = "__data__";

/// One entry: which function, with which arguments, for whom.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definition {
    /// The function to run.
    pub function: String,
    /// The entry has another name than its function.
    pub aliased: bool,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map,
    /// `allow_tgt` and `allow_tgt_type`, as far as they are set.
    pub acl: Map,
    /// The entry as written, without what steers it.
    pub bare: Value,
}

impl Definition {
    /// Reads the entry `alias` of `mine_functions`: a map of keywords, or a list of arguments and keywords.
    pub fn parse(alias: &str, entry: &Value) -> Self {
        match entry {
            Value::Map(kwargs) => Self::from_kwargs(alias, kwargs.clone()),
            Value::List(items) => {
                let (mut args, mut kwargs) = (Vec::new(), Map::new());
                for item in items {
                    match item {
                        Value::Map(named) => kwargs.extend(named.clone()),
                        other => args.push(other.clone()),
                    }
                }
                Self {
                    args,
                    bare: entry.clone(),
                    ..Self::from_kwargs(alias, kwargs)
                }
            }
            other => Self {
                bare: other.clone(),
                ..Self::from_kwargs(alias, Map::new())
            },
        }
    }

    /// An entry of keyword arguments alone, with what steers it taken out.
    pub fn from_kwargs(alias: &str, kwargs: Map) -> Self {
        let mut kwargs = kwargs;
        let function = kwargs
            .shift_remove("mine_function")
            .and_then(|f| f.as_str().map(str::to_owned));
        let mut acl = Map::new();
        for key in ["allow_tgt", "allow_tgt_type"] {
            if let Some(value) = kwargs.shift_remove(key).filter(Value::is_truthy) {
                acl.insert(key.into(), value);
            }
        }
        Self {
            aliased: function.is_some(),
            function: function.unwrap_or_else(|| alias.to_owned()),
            args: Vec::new(),
            bare: Value::Map(kwargs.clone()),
            kwargs,
            acl,
        }
    }
}

/// Wraps a result for the minions that `acl` allows; without `allow_tgt` everybody may read it.
pub fn with_acl(result: Value, acl: &Map) -> Value {
    if !acl.contains_key("allow_tgt") {
        return result;
    }
    let mut entry = map! {ACL_DATA => result, ACL_ID => ACL_VERSION};
    entry.extend(acl.clone());
    entry.into()
}

/// The result inside of a stored entry.
pub fn without_acl(entry: &Value) -> &Value {
    match (entry.get(ACL_ID), entry.get(ACL_DATA)) {
        (Some(_), Some(data)) => data,
        _ => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_as_salt_reads_them() {
        let plain = Definition::parse("test.ping", &Value::List(vec![]));
        assert_eq!(
            (plain.function.as_str(), plain.aliased),
            ("test.ping", false)
        );
        let entry = Value::List(vec![
            map! {"mine_function" => "network.ip_addrs"}.into(),
            "eth0".into(),
            map! {"cidr" => "10.0.0.0/8", "allow_tgt" => "web*", "allow_tgt_type" => ""}.into(),
        ]);
        let listed = Definition::parse("addresses", &entry);
        assert_eq!(listed.function, "network.ip_addrs");
        assert_eq!(listed.args, ["eth0".into()]);
        assert_eq!(listed.kwargs, map! {"cidr" => "10.0.0.0/8"});
        assert_eq!(listed.acl, map! {"allow_tgt" => "web*"});
    }

    #[test]
    fn who_may_read_is_told_with_the_data() {
        let open = with_acl(5.into(), &Map::new());
        assert_eq!(open, 5.into());
        let closed = with_acl(5.into(), &map! {"allow_tgt" => "web*"});
        assert_eq!(
            closed,
            map! {"__data__" => 5, "__saltmine_acl__" => 1, "allow_tgt" => "web*"}.into()
        );
        assert_eq!(without_acl(&closed), &5.into());
    }
}
