//! The top file: which SLS of which environment this minion gets.

use indexmap::IndexMap;
use salt_wire::{Map, Value};

use super::Compiler;
use crate::context::signature::kind;
use crate::context::{Result, python};
use crate::fnmatch;

/// Environment to SLS names, in order.
pub(crate) type Matches = IndexMap<String, Vec<String>>;

/// The top files of each environment, as they were rendered.
type Tops = IndexMap<String, Vec<Map>>;

impl Compiler<'_> {
    /// The environments, in the order in which their top files are read.
    fn envs(&self) -> Result<Vec<String>> {
        let mut envs = vec!["base".to_owned()];
        for env in &self.options.file_roots {
            if !envs.contains(env) {
                envs.push(env.clone());
            }
        }
        let served = self.files.envs()?;
        let mut order: Vec<String> = Vec::new();
        for env in &self.options.env_order {
            if !order.contains(env) {
                order.push(env.clone());
            }
        }
        if !order.is_empty() {
            if !served.is_empty() {
                order.retain(|e| served.contains(e));
            }
            return Ok(order);
        }
        for env in served {
            if !envs.contains(&env) {
                envs.push(env);
            }
        }
        Ok(envs)
    }

    /// Reads and merges the top files. The inner error is what could not be rendered.
    pub(crate) fn top(&self) -> Result<std::result::Result<Map, String>> {
        let mut tops = Tops::new();
        let envs = match (&self.options.saltenv, &self.options.state_top_saltenv) {
            (Some(env), _) | (None, Some(env)) => vec![env.clone()],
            (None, None) => self.envs()?,
        };
        for env in envs {
            let source = self.options.state_top.clone();
            let top = match self.files.cache_file(&source, &env, None)? {
                Some(path) => match self.render_file(&path, &source, &env, "") {
                    Ok(Value::Map(top)) => top,
                    Ok(Value::Null) => Map::new(),
                    Ok(_) => return Ok(Err("Top data was not formed as a dict".into())),
                    Err(error) => return Ok(Err(error)),
                },
                None => Map::new(),
            };
            tops.entry(env).or_default().push(top);
        }
        if let Err(error) = self.include_tops(&mut tops)? {
            return Ok(Err(error));
        }
        Ok(match self.options.merging.as_str() {
            "same" => Ok(self.merge_same(&tops)),
            "merge_all" => merge_all(&tops),
            _ => merge(&tops),
        })
    }

    fn include_tops(&self, tops: &mut Tops) -> Result<std::result::Result<(), String>> {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for (env, list) in tops.iter_mut() {
            for top in list {
                if let Some(Value::List(include)) = top.shift_remove("include") {
                    wanted.extend(include.iter().map(|sls| (env.clone(), python::text(sls))));
                }
            }
        }
        let mut done = Vec::new();
        for (env, pattern) in wanted {
            let available = self.available(&env)?;
            for sls in fnmatch::filter(&available, &pattern) {
                let key = (env.clone(), sls.to_owned());
                if done.contains(&key) {
                    continue;
                }
                if let Some(file) = self.files.get_state(sls, &env)? {
                    match self.render_file(&file.dest, &file.source, &env, "") {
                        Ok(Value::Map(top)) => tops.entry(env.clone()).or_default().push(top),
                        Ok(_) => {}
                        Err(error) => return Ok(Err(error)),
                    }
                }
                done.push(key);
            }
        }
        Ok(Ok(()))
    }

    fn merge_same(&self, tops: &Tops) -> Map {
        let mut merged = Map::new();
        for (env, list) in tops {
            let own = !list.iter().all(Map::is_empty);
            let default = Vec::new();
            let source = if own {
                list
            } else {
                tops.get(&self.options.default_top).unwrap_or(&default)
            };
            for top in source {
                if let Some(Value::Map(targets)) = top.get(env.as_str()) {
                    for (target, data) in targets {
                        set(&mut merged, env, target, data.clone());
                    }
                }
            }
        }
        merged
    }

    /// What this minion gets.
    pub(crate) fn top_matches(&self, top: &Map) -> Result<Matches> {
        let mut matches = Matches::new();
        for (env, body) in top {
            let env = python::text(env);
            if self.options.saltenv.as_ref().is_some_and(|e| *e != env) {
                continue;
            }
            let Value::Map(body) = body else { continue };
            for (target, data) in body {
                self.filter(&env, target, data, &mut matches)?;
            }
        }
        for (env, names) in self.files.master_tops()? {
            let env = python::text(&env);
            let names: Vec<String> = names
                .as_list()
                .unwrap_or_default()
                .iter()
                .map(python::text)
                .collect();
            let from_file = matches.get(&env).cloned().unwrap_or_default();
            let (mut first, second) = if self.options.tops_first {
                (names, from_file)
            } else {
                (from_file, names)
            };
            let more: Vec<_> = second.into_iter().filter(|s| !first.contains(s)).collect();
            first.extend(more);
            matches.insert(env, first);
        }
        Ok(matches)
    }

    fn filter(&self, env: &str, target: &Value, data: &Value, matches: &mut Matches) -> Result<()> {
        let list = match data {
            Value::List(list) => list.clone(),
            one => vec![one.clone()],
        };
        let target = python::text(target);
        if !self
            .seams
            .matches(self.ctx, &target, &list, &self.options.nodegroups)?
        {
            return Ok(());
        }
        matches.entry(env.to_owned()).or_default();
        for item in list {
            match item {
                Value::Str(sls) => matches.entry(env.to_owned()).or_default().push(sls),
                Value::Map(mut map) => {
                    if let Some(Value::Map(inner)) = map.shift_remove("subfilter") {
                        for (target, data) in &inner {
                            self.filter(env, target, data, matches)?;
                        }
                    }
                    // Another environment's SLS; `match` and the like are no environments.
                    if let Some((other, Value::Str(sls))) = map.pop() {
                        let other = python::text(&other);
                        if self.has_env(&other)? {
                            matches.entry(other).or_default().push(sls);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn set(merged: &mut Map, env: &str, target: &Value, data: Value) {
    let slot = merged
        .entry(env.into())
        .or_insert_with(|| Value::Map(Map::new()));
    if let Value::Map(targets) = slot {
        targets.insert(target.clone(), data);
    }
}

const NO_TARGETS: &str = "Unable to render top file. No targets found.";

fn targets(value: &Value) -> std::result::Result<Vec<(&Value, &Value)>, String> {
    match value {
        Value::Map(map) => Ok(map.iter().collect()),
        _ => Err(NO_TARGETS.to_owned()),
    }
}

fn merge(tops: &Tops) -> std::result::Result<Map, String> {
    let mut merged = Map::new();
    for top in tops.get("base").into_iter().flatten() {
        for (env, body) in top {
            for (target, data) in targets(body)? {
                set(&mut merged, &python::text(env), target, data.clone());
            }
        }
    }
    for (env, list) in tops.iter().filter(|(env, _)| *env != "base") {
        for top in list {
            if merged.contains_key(env.as_str()) {
                continue;
            }
            if let Some(body) = top.get(env.as_str()) {
                for (target, data) in targets(body)? {
                    set(&mut merged, env, target, data.clone());
                }
            }
        }
    }
    Ok(merged)
}

fn merge_all(tops: &Tops) -> std::result::Result<Map, String> {
    let parts = |data: &Value| {
        let (mut option, mut states) = (None, Vec::new());
        for item in data.as_list().unwrap_or_default() {
            match item {
                Value::Map(_) => option = Some(item.clone()),
                Value::Str(_) => states.push(item.clone()),
                _ => {}
            }
        }
        (option, states)
    };
    let mut merged = Map::new();
    for top in tops.values().flatten() {
        for (env, body) in top {
            for (target, data) in targets(body)? {
                let env = python::text(env);
                let present = merged
                    .get(env.as_str())
                    .and_then(Value::as_map)
                    .and_then(|m| m.get(target))
                    .cloned();
                let Some(present) = present else {
                    set(&mut merged, &env, target, data.clone());
                    continue;
                };
                let (old_option, old) = parts(&present);
                let (new_option, new) = parts(data);
                let mut list: Vec<Value> = new_option.or(old_option).into_iter().collect();
                list.extend(old);
                for state in new {
                    if !list.contains(&state) {
                        list.push(state);
                    }
                }
                set(&mut merged, &env, target, Value::List(list));
            }
        }
    }
    Ok(merged)
}

/// What is wrong with merged top data.
pub(crate) fn verify_tops(top: &Map) -> Vec<String> {
    let mut errors = Vec::new();
    for (env, matches) in top {
        if env.as_str().is_none() {
            errors.push(format!(
                "Environment {} in top file is not formed as a string",
                python::text(env)
            ));
        }
        let shown = python::text(env);
        if shown.is_empty() {
            errors.push("Empty saltenv statement in top file".into());
        }
        let Value::Map(matches) = matches else {
            errors.push(format!(
                "The top file matches for saltenv {shown} are not formatted as a dict"
            ));
            continue;
        };
        for (target, modules) in matches {
            let Value::List(modules) = modules else {
                errors.push(format!(
                    "Malformed topfile: state declarations for matcher {} in saltenv {} are not formed as a list (got {})",
                    python::repr(target),
                    python::repr(env),
                    kind(modules)
                ));
                continue;
            };
            for module in modules {
                match module {
                    Value::Map(map) => {
                        for value in map.values().filter(|v| !v.is_truthy()) {
                            errors.push(format!(
                                "Improperly formatted top file matcher in saltenv {}: {} file",
                                python::text(module),
                                python::text(value)
                            ));
                        }
                    }
                    Value::Str(sls) if sls.is_empty() => {
                        errors.push(format!("Environment {shown} contains an empty sls index"))
                    }
                    _ => {}
                }
            }
        }
    }
    errors
}
