//! Merging of maps, as `pillar_source_merging_strategy` and `pillar.get merge=True` do it.

use salt_wire::{Map, Value};

/// Merges `update` into `target` by a strategy's name; an unknown one is `recurse`, as `smart` is.
pub fn merge(target: Map, update: &Map, strategy: &str, lists: bool) -> Map {
    match strategy {
        "list" => merge_list(target, update),
        _ => recurse(target, update, lists),
    }
}

/// Maps are merged key by key, everything else is replaced; lists are joined if `lists` says so.
pub fn recurse(mut target: Map, update: &Map, lists: bool) -> Map {
    for (key, value) in update {
        let merged = match (target.get_mut(key).map(std::mem::take), value) {
            (Some(Value::Map(old)), Value::Map(new)) => Value::Map(recurse(old, new, lists)),
            (Some(Value::List(mut old)), Value::List(new)) if lists => {
                let more: Vec<_> = new.iter().filter(|v| !old.contains(v)).cloned().collect();
                old.extend(more);
                Value::List(old)
            }
            (_, value) => value.clone(),
        };
        target.insert(key.clone(), merged);
    }
    target
}

/// Values of the same key become a list of both.
fn merge_list(mut target: Map, update: &Map) -> Map {
    for (key, value) in update {
        let merged = match target.get_mut(key).map(std::mem::take) {
            Some(Value::Map(old)) => match value {
                Value::Map(new) => Value::Map(merge_list(old, new)),
                other => Value::List(vec![Value::Map(old), other.clone()]),
            },
            Some(old) => Value::List(vec![old, value.clone()]),
            None => value.clone(),
        };
        target.insert(key.clone(), merged);
    }
    target
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn maps_merge_and_the_rest_is_replaced() {
        let a = map! { "m" => map! { "x" => 1, "y" => 2 }, "l" => vec!["a"], "s" => "old" };
        let b = map! { "m" => map! { "y" => 3 }, "l" => vec!["a", "b"], "s" => "new" };
        let merged = merge(a.clone(), &b, "smart", false);
        assert_eq!(
            merged,
            map! { "m" => map! { "x" => 1, "y" => 3 }, "l" => vec!["a", "b"], "s" => "new" }
        );
        let joined = merge(a, &map! { "l" => vec!["b", "a"] }, "recurse", true);
        assert_eq!(joined.get("l"), Some(&vec!["a", "b"].into()));
    }
}
