//! Whether a target means this minion: what a job's `tgt` and a top file's lines are matched with.
//!
//! One file per way to look (`subdict.rs`: paths into grains and pillar, `cidr.rs`: addresses,
//! `compound.rs`: expressions over all of them, `pcre.rs`: Python's patterns). One more target type is one
//! more arm in [`Target::matches`]. Held against Salt's own matchers in `tests/targeting.rs`.

mod cidr;
mod compound;
mod nodegroup;
pub mod pcre;
pub mod subdict;

use std::sync::Arc;

use salt_wire::{Map, Value};

use crate::context::Context;
use crate::fnmatch::fnmatch;

pub use subdict::{Match, subdict_match, traverse, traverse_map};

/// This minion, as targets see it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// Its grains.
    pub grains: Arc<Map>,
    /// Its pillar.
    pub pillar: Arc<Map>,
    /// Option `nodegroups`.
    pub nodegroups: Map,
}

/// Salt's separator of path parts.
pub const DELIMITER: &str = ":";

impl Target {
    /// The minion of a context, as it is now.
    pub fn of(ctx: &Context) -> Self {
        Self {
            id: ctx.settings.id.clone(),
            grains: ctx.facts.grains(),
            pillar: ctx.facts.pillar(),
            nodegroups: ctx
                .settings
                .opts
                .get("nodegroups")
                .and_then(Value::as_map)
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// Whether a publication is for this minion.
    pub fn matches_load(&self, load: &Map) -> bool {
        let Some(tgt) = load.get("tgt") else {
            return false;
        };
        let kind = match load.get("tgt_type") {
            None => "glob",
            // Masters expand node groups before they publish; Salt's minion has none to look in here.
            Some(Value::Str(kind)) if kind == "nodegroup" => return false,
            Some(Value::Str(kind)) => kind,
            Some(_) => return false,
        };
        // Other types ignore it.
        let delimiter = match (kind, load.get("delimiter")) {
            ("grain" | "grain_pcre" | "pillar", Some(delimiter)) => match delimiter.as_str() {
                Some(delimiter) if !delimiter.is_empty() => delimiter,
                _ => return false,
            },
            _ => DELIMITER,
        };
        self.matches(kind, tgt, delimiter)
    }

    /// Whether a target of this type means this minion. An unknown type means nobody.
    pub fn matches(&self, kind: &str, tgt: &Value, delimiter: &str) -> bool {
        self.answer(kind, tgt, delimiter).unwrap_or(false)
    }

    /// `None` where Salt's matcher raises, which also spoils an expression around it.
    fn answer(&self, kind: &str, tgt: &Value, delimiter: &str) -> Option<bool> {
        let path = |data: &Map, how: Match| match tgt {
            Value::Str(tgt) => subdict_match(data, tgt, delimiter, how),
            _ => false,
        };
        Some(match kind {
            "glob" => tgt.as_str().is_some_and(|tgt| fnmatch(&self.id, tgt)),
            "pcre" => pcre::try_match(tgt.as_str()?, &self.id)?,
            "list" => self.in_list(tgt),
            "grain" => path(&self.grains, Match::Glob),
            "grain_pcre" => path(&self.grains, Match::Pcre),
            "pillar" => path(&self.pillar, Match::Glob),
            "pillar_pcre" => path(&self.pillar, Match::Pcre),
            "pillar_exact" => path(&self.pillar, Match::Exact),
            "ipcidr" => cidr::matches(tgt, &self.grains)?,
            "compound" => match tgt {
                Value::Str(tgt) => self.compound(tgt.split_whitespace().map(str::to_owned)),
                Value::List(words) => {
                    let words: Option<Vec<_>> = words
                        .iter()
                        .map(|w| w.as_str().map(str::to_owned))
                        .collect();
                    words.is_some_and(|words| self.compound(words))
                }
                _ => false,
            },
            "nodegroup" => tgt.as_str().is_some_and(|group| {
                self.nodegroups.contains_key(group)
                    && self.compound(nodegroup::expand(group, &self.nodegroups))
            }),
            "managing_minion" => tgt.as_str() == Some(&self.id),
            // No resources and no range server here. `compound_pillar_exact` is a master's matter: a
            // stock minion has no matcher of that name either.
            _ => false,
        })
    }

    fn in_list(&self, tgt: &Value) -> bool {
        let id = self.id.as_str();
        match tgt {
            Value::Str(tgt) => {
                tgt == id
                    || tgt.contains(&format!(",{id},"))
                    || tgt.starts_with(&format!("{id},"))
                    || tgt.ends_with(&format!(",{id}"))
            }
            Value::List(list) => {
                let odd = format!(",{id},");
                list.iter()
                    .filter_map(Value::as_str)
                    .any(|name| name == id || name == odd)
            }
            Value::Map(map) => map.contains_key(id),
            _ => false,
        }
    }
}
