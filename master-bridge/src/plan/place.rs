//! Where a minion is, read from what it says over both masters: how an interrupted operation finds out how
//! far it came.

use salt_wire::Value;

/// The reason of one that need not move.
pub const THERE: &str = "there";

/// Where a minion stands with regard to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On the old master, at rest.
    Old,
    /// Still on the old master, with our order.
    UnderWay,
    /// On the new master, on probation for our order.
    Arrived,
    /// On the new master for good.
    New,
    /// On the old master: our order was tried and given up.
    GaveUp {
        /// The reason code.
        reason: String,
        /// What happened.
        detail: String,
    },
    /// Busy with somebody else's order.
    Busy,
    /// It answers nowhere.
    Silent,
}

impl Place {
    /// The word for people and programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::UnderWay => "under-way",
            Self::Arrived => "arrived",
            Self::New => "new",
            Self::GaveUp { .. } => "gave-up",
            Self::Busy => "busy",
            Self::Silent => "silent",
        }
    }

    /// From its answers to `remaster.status` over the old and the new master.
    pub fn of(on_old: Option<&Value>, on_new: Option<&Value>, order: &str) -> Self {
        if let Some(status) = on_new {
            return match state(status) {
                "steady" => Self::New,
                "probation" if order_id(status) == Some(order) => Self::Arrived,
                _ if order_id(status) == Some(order) => Self::UnderWay,
                _ => Self::Busy,
            };
        }
        let Some(status) = on_old else {
            return Self::Silent;
        };
        if state(status) != "steady" {
            return if order_id(status) == Some(order) {
                Self::UnderWay
            } else {
                Self::Busy
            };
        }
        let last = status.get("last");
        let word = |key| {
            let word = last.and_then(|l| l.get(key)).and_then(Value::as_str);
            word.unwrap_or_default().to_owned()
        };
        if word("id") == order && word("outcome") == "rolled_back" {
            return Self::GaveUp {
                reason: word("reason"),
                detail: word("detail"),
            };
        }
        Self::Old
    }
}

fn state(status: &Value) -> &str {
    status.get("state").and_then(Value::as_str).unwrap_or("")
}

fn order_id(status: &Value) -> Option<&str> {
    status.get("order")?.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    use salt_wire::{Map, map};

    use super::*;

    fn steady(id: &str, outcome: &str) -> Value {
        let last = map! {"id" => id, "outcome" => outcome, "reason" => "pending", "detail" => "d"};
        map! {"state" => "steady", "last" => last}.into()
    }

    fn on(state: &str, id: &str) -> Value {
        map! {"state" => state, "order" => map! {"id" => id}}.into()
    }

    #[test]
    fn every_combination() {
        let rest: Value = map! {"state" => "steady"}.into();
        let gave_up = Place::GaveUp {
            reason: "pending".into(),
            detail: "d".into(),
        };
        for (old, new, place) in [
            (None, None, Place::Silent),
            (Some(rest.clone()), None, Place::Old),
            (Some(steady("o", "rolled_back")), None, gave_up),
            (Some(steady("before", "rolled_back")), None, Place::Old),
            (Some(on("trial", "o")), None, Place::UnderWay),
            (Some(on("trial", "other")), None, Place::Busy),
            (None, Some(on("probation", "o")), Place::Arrived),
            (None, Some(on("probation", "other")), Place::Busy),
            (None, Some(on("returning", "o")), Place::UnderWay),
            (None, Some(steady("o", "confirmed")), Place::New),
            (
                Some(on("verifying", "o")),
                Some(on("verifying", "o")),
                Place::UnderWay,
            ),
            (None, Some(rest), Place::New),
            (Some(Map::new().into()), None, Place::Busy),
        ] {
            assert_eq!(
                Place::of(old.as_ref(), new.as_ref(), "o"),
                place,
                "{old:?} {new:?}"
            );
        }
    }
}
