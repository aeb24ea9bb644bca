//! Merging of maps, as `pillar_source_merging_strategy` and `pillar.get merge=True` do it.

use salt_wire::{Map, Value};

/// Merges `update` into `target` by a strategy's name; an unknown one is `recurse`, as `smart` is.
pub fn merge(target: Map, update: &Map, strategy: &str, lists: bool) -> Map {
    match strategy {
        "list" => merge_list(target, update),
        "overwrite" => recurse(replaced(target, update), update, lists),
        "aggregate" => replaced_all(target, update),
        "none" => recurse(target, update, false),
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

/// Values of the same key become a list of both. What only the later one has is lost, as in Salt.
fn merge_list(mut target: Map, update: &Map) -> Map {
    for (key, value) in &mut target {
        if let Some(other) = update.get(key) {
            *value = Value::List(vec![std::mem::take(value), other.clone()]);
        }
    }
    target
}

/// What both have is the later one's alone.
fn replaced(mut target: Map, update: &Map) -> Map {
    for (key, value) in &mut target {
        if let Some(other) = update.get(key) {
            value.clone_from(other);
        }
    }
    target
}

/// What the later one has replaces the former one's, level by level only for values marked so in `yamlex`,
/// which is not rendered here.
fn replaced_all(mut target: Map, update: &Map) -> Map {
    target.extend(update.iter().map(|(k, v)| (k.clone(), v.clone())));
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

    #[test]
    fn other_strategies_do_what_salts_do() {
        let one = map! { "m" => map! { "x" => 1 }, "only" => 1 };
        let two = map! { "m" => map! { "y" => 2 }, "new" => 2 };
        let listed = merge(one.clone(), &two, "list", false);
        let both: Vec<Value> = vec![map! { "x" => 1 }.into(), map! { "y" => 2 }.into()];
        assert_eq!(listed, map! { "m" => both, "only" => 1 });
        let wanted = map! { "m" => map! { "y" => 2 }, "only" => 1, "new" => 2 };
        for strategy in ["overwrite", "aggregate"] {
            assert_eq!(
                merge(one.clone(), &two, strategy, false),
                wanted,
                "{strategy}"
            );
        }
    }
}
