//! Requisites written at the other end (`require_in` and its kin) and arguments taken over (`use`).
//! Both become extensions of the states that they mean.

use salt_wire::{Map, Value, map};

use super::extend::{find_name, reconcile};
use super::low::{declarations, first_key};
use crate::config::Release;
use crate::context::python;

const KINDS: &[&str] = &[
    "require_in",
    "watch_in",
    "onfail_in",
    "onchanges_in",
    "use",
    "use_in",
    "prereq_in",
];

/// What `use` never takes over.
const NOT_USED: &[&str] = &[
    "require_in",
    "watch_in",
    "onfail_in",
    "onchanges_in",
    "use",
    "use_in",
    "prereq_in",
    "require",
    "watch",
    "prereq",
    "onfail",
    "onfail_stop",
    "onchanges",
    "name",
    "names",
];

/// Resolves all of them.
pub(crate) fn resolve(high: &mut Map, disabled: &[String], release: Release) -> Vec<String> {
    let earlier = release < Release::V3008;
    let mut errors = Vec::new();
    let mut extend = Map::new();
    for (id, body) in high.iter() {
        let (Some(id), Value::Map(body)) = (id.as_str(), body) else {
            continue;
        };
        for (state, run) in declarations(body) {
            let Value::List(run) = run else { continue };
            for argument in run.iter().filter_map(Value::as_map) {
                let key = first_key(argument);
                let known = KINDS.contains(&key) || (earlier && key == "prereq");
                if !known || disabled.iter().any(|d| d == key) {
                    continue;
                }
                let mut one = Resolver {
                    high,
                    extend: &mut extend,
                    errors: &mut errors,
                    id,
                    state,
                    body,
                    earlier,
                };
                match argument.get(key) {
                    Some(Value::Map(items)) => one.single(key, items),
                    Some(Value::List(items)) => one.list(key, items),
                    _ => {}
                }
            }
        }
    }
    let extensions: Vec<Map> = extend
        .into_iter()
        .map(|(id, body)| {
            let mut one = Map::new();
            one.insert(id, body);
            one
        })
        .collect();
    high.insert("__extend__".into(), extensions.into());
    errors.extend(reconcile(high, true));
    errors
}

struct Resolver<'a> {
    high: &'a Map,
    extend: &'a mut Map,
    errors: &'a mut Vec<String>,
    id: &'a str,
    state: &'a str,
    body: &'a Map,
    /// Before 3008 a prereq is noted at its other end, too.
    earlier: bool,
}

impl Resolver<'_> {
    /// One target, written as a map.
    fn single(&mut self, key: &str, items: &Map) {
        let requisite = key.split('_').next().unwrap_or(key);
        for (state, name) in items {
            let (state, name) = (python::text(state), python::text(name));
            let state = self.undotted(requisite, &state, &name, false);
            self.add(&name, &state, requisite);
        }
    }

    fn list(&mut self, key: &str, items: &[Value]) {
        let requisite = key.split('_').next().unwrap_or(key);
        // As in Salt the targets add up from item to item; adding one twice changes nothing but its count.
        let mut hinges: Vec<(String, String)> = Vec::new();
        for item in items {
            let Some((state, name)) = self.reference(item) else {
                continue;
            };
            if state == "sls" {
                hinges = sls_ids(&name, self.high);
            } else {
                hinges.push((name.clone(), state.clone()));
            }
            self.undotted(requisite, &state, &name, true);
            for (name, state) in hinges.clone() {
                match key {
                    "use_in" => self.use_in(&name, &state),
                    "use" => self.use_from(&name, &state),
                    "prereq" => self.prerequired(&name, &state),
                    "prereq_in" if self.earlier => {
                        let (id, own) = (self.id.to_owned(), self.state.to_owned());
                        self.note(&id, &own, map! { state.as_str() => name.as_str() });
                        self.add(&name, &state, requisite);
                    }
                    _ => self.add(&name, &state, requisite),
                }
            }
        }
    }

    /// State and ID that an item means.
    fn reference(&self, item: &Value) -> Option<(String, String)> {
        if let Value::Map(map) = item {
            let (state, name) = map.first()?;
            return Some((python::text(state), python::text(name)));
        }
        let text = python::text(item);
        if let Some(Value::Map(body)) = self.high.get(text.as_str()) {
            let (state, _) = declarations(body).next()?;
            return Some((state.to_owned(), text));
        }
        // By the name of any state.
        let mut found = None;
        for (id, body) in self.high {
            let Value::Map(body) = body else { continue };
            for (state, run) in declarations(body) {
                let Value::List(run) = run else { continue };
                let named = run
                    .iter()
                    .any(|j| j.get("name").and_then(Value::as_str) == Some(&text));
                if named && found.is_none() {
                    found = Some((state.to_owned(), python::text(id)));
                }
            }
        }
        found
    }

    fn undotted(&mut self, requisite: &str, state: &str, name: &str, comma: bool) -> String {
        let Some((module, _)) = state.split_once('.') else {
            return state.to_owned();
        };
        let sls = python::text(self.body.get("__sls__").unwrap_or(&Value::Null));
        let place = if comma || self.earlier {
            format!(", in SLS '{sls}'")
        } else {
            format!(" in SLS '{sls}'")
        };
        self.errors.push(format!(
            "Invalid requisite in {requisite}: {state} for {name}{place}. Requisites must not contain dots, did you mean '{module}'?"
        ));
        module.to_owned()
    }

    fn add(&mut self, name: &str, state: &str, requisite: &str) {
        let target = entry(self.extend, name);
        let env = self.body.get("__env__").cloned().unwrap_or_default();
        let sls = self.body.get("__sls__").cloned().unwrap_or_default();
        let own = Value::Map(map! { self.state => self.id });
        if !target.contains_key(state) {
            target.insert(state.into(), Value::List(Vec::new()));
        }
        target.insert("__env__".into(), env);
        target.insert("__sls__".into(), sls);
        let Some(Value::List(arguments)) = target.get_mut(state) else {
            return;
        };
        let mut found = false;
        for argument in arguments.iter_mut() {
            if let Value::Map(argument) = argument
                && let Some(Value::List(list)) = argument.get_mut(requisite)
            {
                list.push(own.clone());
                found = true;
            }
        }
        if !found {
            arguments.push(Value::Map(map! { requisite => Value::List(vec![own]) }));
        }
    }

    /// What is named by a prereq knows who waits for its changes.
    fn prerequired(&mut self, name: &str, state: &str) {
        for (target, target_state) in find_name(name, state, self.high, true) {
            self.note(&target, &target_state, map! { self.state => self.id });
        }
    }

    fn note(&mut self, id: &str, state: &str, waiting: Map) {
        let target = entry(self.extend, id);
        let list = target
            .entry(state.into())
            .or_insert_with(|| Value::List(Vec::new()));
        if let Value::List(list) = list {
            list.push(map! { "prerequired" => Value::List(vec![waiting.into()]) }.into());
        }
    }

    fn use_in(&mut self, name: &str, state: &str) {
        for (target, target_state) in find_name(name, state, self.high, true) {
            let present = argument_names(&target, state, self.high);
            let own = self.body.get(self.state).cloned().unwrap_or_default();
            self.take_over(&target, &target_state, &own, &present);
        }
    }

    fn use_from(&mut self, name: &str, state: &str) {
        for (source, source_state) in find_name(name, state, self.high, true) {
            let present = argument_names(self.id, self.state, self.high);
            let other = self
                .high
                .get(source.as_str())
                .and_then(|b| b.get(&source_state))
                .cloned()
                .unwrap_or_default();
            let (id, state) = (self.id.to_owned(), self.state.to_owned());
            self.take_over(&id, &state, &other, &present);
        }
    }

    fn take_over(&mut self, id: &str, state: &str, arguments: &Value, present: &[String]) {
        let target = entry(self.extend, id);
        if !target.contains_key(state) {
            target.insert(state.into(), Value::List(Vec::new()));
        }
        let (Some(Value::List(list)), Value::List(arguments)) = (target.get_mut(state), arguments)
        else {
            return;
        };
        for argument in arguments {
            if let Value::Map(map) = argument
                && map.len() == 1
                && !NOT_USED.contains(&first_key(map))
                && !present.iter().any(|p| p == first_key(map))
            {
                list.push(argument.clone());
            }
        }
    }
}

fn entry<'a>(extend: &'a mut Map, name: &str) -> &'a mut Map {
    let slot = extend
        .entry(name.into())
        .or_insert_with(|| Value::Map(Map::new()));
    if !matches!(slot, Value::Map(_)) {
        *slot = Value::Map(Map::new());
    }
    match slot {
        Value::Map(map) => map,
        #[expect(clippy::unreachable, reason = "the line above has just made it a map")]
        _ => unreachable!(),
    }
}

fn argument_names(id: &str, state: &str, high: &Map) -> Vec<String> {
    let run = high.get(id).and_then(|b| b.get(state));
    run.and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_map)
        .filter(|m| m.len() == 1)
        .map(|m| first_key(m).to_owned())
        .collect()
}

fn sls_ids(sls: &str, high: &Map) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (id, body) in high {
        let Value::Map(body) = body else { continue };
        if body.get("__sls__").and_then(Value::as_str) == Some(sls) {
            for (state, _) in declarations(body) {
                found.push((python::text(id), state.to_owned()));
            }
        }
    }
    found
}
