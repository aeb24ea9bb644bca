//! What the finished requisites of a chunk mean for it.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use salt_wire::{Map, Value};

use super::graph::Requisite;

/// What the requisites say about a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Unmet,
    Met,
    Fail,
    /// A requisite runs beside the others and has not ended.
    Pending,
    SkipReq,
    SkipWatch,
    Change,
    Pre,
    Onfail,
    Onchanges,
}

/// What requisites mean for the one that waits for them: each with its result, if it has one yet.
pub(super) fn verdicts<'r>(
    requisites: impl Iterator<Item = (Requisite, Option<&'r Map>)>,
) -> BTreeSet<&'static str> {
    let mut kinds: IndexMap<Requisite, BTreeSet<_>> = IndexMap::new();
    for (kind, result) in requisites {
        let found = kinds.entry(kind).or_default();
        match result {
            Some(result) => judge(kind, result, found),
            None => {
                found.insert("unmet");
            }
        }
    }
    for (kind, found) in &mut kinds {
        soften(*kind, found);
    }
    kinds.into_values().flatten().collect()
}

/// What one finished requisite means for the one that waits for it.
fn judge(kind: Requisite, result: &Map, found: &mut BTreeSet<&'static str>) {
    let changed = result.get("changes").is_some_and(Value::is_truthy);
    let outcome = result.get("result").unwrap_or(&Value::Null);
    if result.get("skip_req").is_some_and(Value::is_truthy) {
        found.insert("skip_req");
    }
    match kind {
        Requisite::Onfail | Requisite::OnfailAny | Requisite::OnfailAll
            if *outcome == Value::Bool(true) =>
        {
            found.insert("onfail");
            return;
        }
        Requisite::Onfail | Requisite::OnfailAny | Requisite::OnfailAll => {}
        Requisite::Onchanges | Requisite::OnchangesAny => {
            found.insert(if *outcome == Value::Bool(false) || !changed {
                "onchanges"
            } else {
                "onchangesmet"
            });
            return;
        }
        _ if *outcome == Value::Bool(false) => {
            found.insert("fail");
            return;
        }
        _ => {}
    }
    match kind {
        Requisite::Watch | Requisite::WatchAny if changed => {
            found.insert("change");
        }
        Requisite::Prereq => {
            found.insert(if outcome.is_null() { "premet" } else { "pre" });
        }
        Requisite::Prerequired => {}
        _ if result.get("__state_ran__").is_none_or(Value::is_truthy) => {
            found.insert("met");
        }
        _ => {}
    }
}

/// `_any` is content with one, `onfail` too; `onfail_all` is not.
fn soften(kind: Requisite, found: &mut BTreeSet<&'static str>) {
    let any = matches!(
        kind,
        Requisite::RequireAny
            | Requisite::WatchAny
            | Requisite::OnchangesAny
            | Requisite::OnfailAny
            | Requisite::Onfail
    );
    if any {
        if found.contains("met") || found.contains("change") {
            found.remove("fail");
        }
        if found.contains("onchangesmet") {
            found.remove("onchanges");
            found.remove("fail");
        }
        if found.contains("met") {
            found.remove("onfail");
        }
    }
    if kind == Requisite::OnfailAll && found.contains("onfail") {
        found.remove("met");
    }
}

pub(super) fn status(found: &BTreeSet<&'static str>) -> Status {
    let has = |name: &str| found.contains(name);
    if has("unmet") {
        Status::Unmet
    } else if has("pending") {
        Status::Pending
    } else if has("fail") {
        Status::Fail
    } else if has("skip_req") && (has("onchangesmet") || has("premet")) {
        Status::SkipReq
    } else if has("skip_req") && has("change") {
        Status::SkipWatch
    } else if has("pre") {
        if has("premet") {
            Status::Met
        } else {
            Status::Pre
        }
    } else if has("onfail") && !has("onchangesmet") {
        Status::Onfail
    } else if has("onchanges") && !has("onchangesmet") {
        Status::Onchanges
    } else if has("change") {
        Status::Change
    } else if has("onfail") {
        Status::Onfail
    } else {
        Status::Met
    }
}
