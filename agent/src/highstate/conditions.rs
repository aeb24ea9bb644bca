//! `global_state_conditions`: states that run only where the minion matches, whatever their SLS says.

use salt_wire::{Map, Value, map};

use super::low::{field, function};
use super::run::Runner;
use crate::targeting::Target;

impl Runner<'_> {
    /// The return of a state that must not be called here; `None` when it may. One condition that holds is enough.
    pub(super) fn conditions_unmet(&self, low: &Map) -> Option<Map> {
        let conditions = self.conditions.get_or_init(|| {
            let ctx = self.quiet();
            let name = [Value::from("global_state_conditions")];
            let option = ctx.call("config.option", &name, &Map::new());
            match option {
                Ok(Value::Map(conditions)) => conditions,
                _ => Map::new(),
            }
        });
        if conditions.is_empty() {
            return None;
        }
        let full = function(low);
        let mut asked = false;
        for (states, targets) in conditions {
            let states = states.as_str().unwrap_or_default();
            if states != "*" && states != full && states != field(low, "state") {
                continue;
            }
            let targets = match targets {
                Value::List(list) => list.as_slice(),
                one @ Value::Str(_) => std::slice::from_ref(one),
                _ => &[],
            };
            for target in targets {
                asked = true;
                if Target::of(self.ctx).matches("compound", target, ":") {
                    return None;
                }
            }
        }
        asked.then(|| {
            map! {
                "name" => low.get("name").cloned().unwrap_or_default(),
                "comment" => "Failed to meet global state conditions. State not called.",
                "changes" => Map::new(), "result" => Value::Null,
            }
        })
    }
}
