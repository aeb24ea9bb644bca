//! Events that a minion fires on its master's bus.

use crate::value::{Map, Value};

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its tag.
    pub tag: String,
    /// Its data: a map, or text as for the start events.
    pub data: Value,
}

impl Event {
    /// The load of one event. Listeners see the whole load as its data.
    pub fn to_map(&self, grains: Option<Map>) -> Map {
        let mut load = crate::map! {
            "cmd" => "_minion_event",
            "pretag" => Value::Null,
            "tag" => self.tag.as_str(),
            "data" => self.data.clone(),
        };
        if let Some(grains) = grains {
            load.insert("grains".into(), grains.into());
        }
        load
    }

    /// The load of many events; the master drops tags that only it may use.
    pub fn batch(events: &[Self]) -> Map {
        let one = |e: &Self| crate::map! { "tag" => e.tag.as_str(), "data" => e.data.clone() };
        let events: Vec<Map> = events.iter().map(one).collect();
        crate::map! { "cmd" => "_minion_event", "pretag" => Value::Null, "events" => events }
    }

    /// Reads either form.
    pub fn from_map(load: &Map) -> Vec<Self> {
        let one = |map: &Map| {
            Some(Self {
                tag: map.get("tag")?.as_str()?.to_owned(),
                data: map.get("data")?.clone(),
            })
        };
        match load.get("events") {
            Some(Value::List(events)) => events.iter().filter_map(|e| one(e.as_map()?)).collect(),
            _ => one(load).into_iter().collect(),
        }
    }
}
