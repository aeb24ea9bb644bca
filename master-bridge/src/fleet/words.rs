//! What agents say about their moves on the event bus of either master.

use salt_wire::Value;

use crate::salt::Event;

/// What an agent said about its move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Who.
    pub id: String,
    /// The order that it is about.
    pub order: String,
    /// `staged`, `trial`, `waiting`, `verified`, `committed`, `confirmed` or `rolled_back`.
    pub stage: String,
    /// The reason code of a move that was given up.
    pub reason: String,
    /// What happened then.
    pub detail: String,
}

impl Word {
    /// The word in `salt/remaster/<minion id>/<stage>`; the id in the data was verified by the master, the
    /// one in the tag was not.
    pub fn of(event: &Event) -> Option<Self> {
        let (named, stage) = event.tag.strip_prefix("salt/remaster/")?.split_once('/')?;
        let id = event.data.get("id").and_then(Value::as_str)?;
        let data = event.data.get("data");
        let text = |key| {
            let text = data.and_then(|d| d.get(key)).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        (named == id).then(|| Self {
            id: id.to_owned(),
            order: text("order"),
            stage: stage.to_owned(),
            reason: text("reason"),
            detail: text("detail"),
        })
    }

    /// In words.
    pub fn told(&self) -> String {
        if self.reason.is_empty() {
            self.stage.clone()
        } else {
            format!("{} ({}: {})", self.stage, self.reason, self.detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn only_a_minions_own_word_counts() {
        let event = |id: &str| Event {
            tag: "salt/remaster/m1/rolled_back".into(),
            data: map! {"id" => id, "data" => map! {"order" => "o", "reason" => "pending", "detail" => "x"}},
        };
        let word = Word::of(&event("m1")).unwrap();
        assert_eq!(word.told(), "rolled_back (pending: x)");
        assert_eq!(word.order, "o");
        assert_eq!(Word::of(&event("evil")), None);
    }
}
