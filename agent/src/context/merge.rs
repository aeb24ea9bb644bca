//! Maps put over maps, as Salt's `dictupdate` does.

use salt_wire::{Map, Value};

/// Puts `over` into `base`: maps of both are merged, other values replaced; lists are joined without
/// repetitions when `lists` says so.
pub fn recurse(base: &mut Map, over: &Map, lists: bool) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Map(below)), Value::Map(above)) => recurse(below, above, lists),
            (Some(Value::List(below)), Value::List(above)) if lists => {
                for item in above {
                    if !below.contains(item) {
                        below.push(item.clone());
                    }
                }
            }
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Puts `over` into `base`: the keys at the top are replaced as they are.
pub fn overwrite(base: &mut Map, over: &Map) {
    base.extend(over.iter().map(|(k, v)| (k.clone(), v.clone())));
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn maps_merge_and_lists_join_when_told() {
        let list = |items: &[i64]| Value::List(items.iter().map(|i| (*i).into()).collect());
        let base = map! {"m" => map!{"a" => 1}, "l" => list(&[1, 2]), "s" => 1};
        let over = map! {"m" => map!{"b" => 2}, "l" => list(&[2, 3]), "s" => map!{}};
        let mut replaced = base.clone();
        recurse(&mut replaced, &over, false);
        assert_eq!(
            replaced,
            map! {"m" => map!{"a" => 1, "b" => 2}, "l" => list(&[2, 3]), "s" => map!{}}
        );
        let mut joined = base;
        recurse(&mut joined, &over, true);
        assert_eq!(joined["l"], list(&[1, 2, 3]));
    }
}
