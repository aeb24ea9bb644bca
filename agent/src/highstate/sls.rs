//! From SLS files to high data: render, include, and mark each ID with where it comes from.

use std::collections::HashSet;

use salt_wire::{Map, Value, map};

use super::Compiler;
use super::low::first_key;
use super::top::Matches;
use crate::config::Release;
use crate::context::{Result, python};
use crate::fnmatch;

/// Nobody includes this deep on purpose, and the stack is finite.
const MAX_INCLUDES: usize = 200;

/// A first order number that leaves room for those which people write.
const FIRST_ORDER: i128 = 10_000;

/// State of the recursion over includes.
pub(crate) struct Rendering<'m> {
    /// `env:sls` of what was rendered.
    done: HashSet<String>,
    matches: &'m Matches,
    order: i128,
    depth: usize,
}

impl Compiler<'_> {
    /// Renders all that `matches` names into one high data, with everything that went wrong.
    pub(crate) fn render_highstate(&self, matches: &Matches) -> Result<(Map, Vec<String>)> {
        let mut high = Map::new();
        let mut all_errors = Vec::new();
        let mut rendering = Rendering {
            done: HashSet::new(),
            matches,
            order: FIRST_ORDER,
            depth: 0,
        };
        for (env, patterns) in matches {
            for pattern in patterns {
                let mut files: Vec<String> = Vec::new();
                if self.has_env(env)? {
                    let available = self.available(env)?;
                    files.extend(
                        fnmatch::filter(&available, pattern)
                            .into_iter()
                            .map(str::to_owned),
                    );
                } else {
                    all_errors.push(format!(
                        "No matching salt environment for environment '{env}' found"
                    ));
                }
                if files.is_empty() {
                    // It may be there although no list has it; otherwise it is named as missing.
                    files.push(pattern.clone());
                }
                for sls in files {
                    if rendering.done.contains(&format!("{env}:{sls}")) {
                        continue;
                    }
                    let (state, mut errors) = self.render_state(&sls, env, &mut rendering)?;
                    merge_included(&mut high, state, &mut errors);
                    let missing = format!("SLS {pattern} in saltenv");
                    for error in &mut errors {
                        if error.contains("is not available") && error.contains(&missing) {
                            *error =
                                format!("No matching sls found for '{pattern}' in env '{env}'");
                        }
                    }
                    all_errors.extend(errors);
                }
            }
        }
        unique_extends(&mut high);
        Ok((high, all_errors))
    }

    /// Renders text that is not on the file server, as `state.template_str` gets it.
    pub(crate) fn finish_rendered(&self, state: Map, sls: &str, env: &str) -> (Map, Vec<String>) {
        let (mut state, mut errors) = (state, Vec::new());
        handle_extend(&mut state, sls, env, &mut errors);
        handle_exclude(&mut state, sls, &mut errors);
        handle_declarations(&mut state, sls, env, &mut errors);
        let mut order = FIRST_ORDER;
        if self.options.auto_order {
            handle_order(&mut state, &mut order);
        }
        (state, errors)
    }

    fn render_state(
        &self,
        sls: &str,
        env: &str,
        rendering: &mut Rendering<'_>,
    ) -> Result<(Map, Vec<String>)> {
        let mut errors = Vec::new();
        let Some(file) = self.files.get_state(sls, env)? else {
            errors.push(format!(
                "Specified SLS {sls} in saltenv {env} is not available on the salt master or through a configured fileserver"
            ));
            return Ok((Map::new(), errors));
        };
        let rendered = self.render_file(&file.dest, &file.source, env, sls);
        rendering.done.insert(format!("{env}:{sls}"));
        self.rendered.borrow_mut().insert(sls.to_owned());
        let mut state = match rendered {
            Ok(Value::Map(state)) => state,
            Ok(other) if !other.is_truthy() => Map::new(),
            Ok(other) => {
                errors.push(format!("SLS {sls} does not render to a dictionary"));
                errors.push(format!(
                    "Error when rendering state with contents: {}",
                    python::sls_text(&other)
                ));
                return Ok((Map::new(), errors));
            }
            Err(error) => {
                errors.push(format!("Rendering SLS '{env}:{sls}' failed: {error}"));
                return Ok((Map::new(), errors));
            }
        };
        if state.is_empty() {
            return Ok((state, errors));
        }
        let include = match state.get("include") {
            None => Vec::new(),
            Some(Value::List(_)) => match state.shift_remove("include") {
                Some(Value::List(list)) => list,
                _ => Vec::new(),
            },
            Some(_) => {
                errors.push(format!(
                    "Include Declaration in SLS {sls} is not formed as a list"
                ));
                Vec::new()
            }
        };
        handle_extend(&mut state, sls, env, &mut errors);
        handle_exclude(&mut state, sls, &mut errors);
        handle_declarations(&mut state, sls, env, &mut errors);
        rendering.depth += 1;
        if rendering.depth > MAX_INCLUDES {
            errors.push(format!(
                "SLS {sls} is included more than {MAX_INCLUDES} levels deep"
            ));
        } else {
            let is_init = file.source.ends_with("/init.sls");
            for item in include {
                self.include(item, sls, env, is_init, &mut state, rendering, &mut errors)?;
            }
        }
        rendering.depth -= 1;
        if self.options.auto_order {
            handle_order(&mut state, &mut rendering.order);
        }
        Ok((state, errors))
    }

    #[expect(clippy::too_many_arguments, reason = "one step of one recursion")]
    fn include(
        &self,
        item: Value,
        sls: &str,
        env: &str,
        is_init: bool,
        state: &mut Map,
        rendering: &mut Rendering<'_>,
        errors: &mut Vec<String>,
    ) -> Result<()> {
        let (wanted_env, mut wanted) = match item {
            Value::Map(mut map) => match map.pop() {
                Some((key, value)) => (python::text(&key), python::text(&value)),
                None => return Ok(()),
            },
            other => (env.to_owned(), python::text(&other)),
        };
        let any_env = wanted_env == "_xenv";
        if !self.has_env(&wanted_env)? {
            errors.push(format!(
                "Nonexistent saltenv '{wanted_env}' found in include of '{wanted}' within SLS '{env}:{sls}'"
            ));
            return Ok(());
        }
        if wanted.starts_with('.') {
            let name = wanted.trim_start_matches('.');
            let levels = wanted.len() - name.len();
            let mut parts: Vec<&str> = sls.split('.').collect();
            if is_init {
                parts.push("init");
            }
            if levels > parts.len() {
                errors.push(format!(
                    "Attempted relative include of '{wanted}' within SLS '{env}:{sls}' goes beyond top level package "
                ));
                return Ok(());
            }
            parts.truncate(parts.len() - levels);
            parts.push(name);
            wanted = parts.join(".");
        }
        let mut envs = Vec::new();
        if any_env {
            for candidate in rendering.matches.keys() {
                if !fnmatch::filter(&self.available(candidate)?, &wanted).is_empty() {
                    envs.push(candidate.clone());
                }
            }
        } else if rendering.matches.contains_key(&wanted_env)
            || !fnmatch::filter(&self.available(&wanted_env)?, &wanted).is_empty()
        {
            envs.push(wanted_env.clone());
        }
        if envs.len() != 1 && !envs.iter().any(|e| e == env) {
            if envs.is_empty() {
                let shown = if any_env {
                    let all: Vec<_> = rendering.matches.keys().cloned().collect();
                    all.join(", ")
                } else {
                    wanted_env.clone()
                };
                errors.push(format!(
                    "Unknown include: Specified SLS {wanted_env}: {wanted} is not available on the salt master in saltenv(s): {shown} "
                ));
            } else {
                errors.push(format!(
                    "Ambiguous include: Specified SLS {wanted_env}: {wanted} is available on the salt master in multiple available saltenvs: {}",
                    envs.join(", ")
                ));
            }
            return Ok(());
        }
        let target_env = match envs.as_slice() {
            [only] => only.clone(),
            _ => env.to_owned(),
        };
        let available = self.available(env)?;
        let mut targets: Vec<String> = fnmatch::filter(&available, &wanted)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if targets.is_empty() {
            targets.push(wanted);
        }
        for target in targets {
            if rendering.done.contains(&format!("{target_env}:{target}")) {
                continue;
            }
            let (mut included, more) = self.render_state(&target, &target_env, rendering)?;
            for (id, body) in &mut included {
                if id.as_str().is_some_and(|i| i.starts_with("__")) {
                    continue;
                }
                if let Value::Map(body) = body
                    && self.options.release > Release::V3006
                {
                    let from = body
                        .entry("__sls_included_from__".into())
                        .or_insert_with(|| Value::List(Vec::new()));
                    if let Value::List(from) = from {
                        from.push(sls.into());
                    }
                }
            }
            merge_included(state, included, errors);
            errors.extend(more);
        }
        Ok(())
    }
}

/// Adds states of another file; one ID with two meanings is an error.
fn merge_included(high: &mut Map, mut state: Map, errors: &mut Vec<String>) {
    for key in ["__extend__", "__exclude__"] {
        if let Some(Value::List(more)) = state.shift_remove(key) {
            match high
                .entry(key.into())
                .or_insert_with(|| Value::List(Vec::new()))
            {
                Value::List(list) => list.extend(more),
                other => *other = Value::List(more),
            }
        }
    }
    for (id, body) in state {
        if let Some(present) = high.get(&id)
            && *present != body
        {
            let of = |body: &Value, key: &str| body.get(key).map(python::text).unwrap_or_default();
            errors.push(format!(
                "Detected conflicting IDs, SLS IDs need to be globally unique.\n    The conflicting ID is '{}' and is found in SLS '{}:{}' and SLS '{}:{}'",
                python::text(&id),
                of(present, "__env__"),
                of(present, "__sls__"),
                of(&body, "__env__"),
                of(&body, "__sls__"),
            ));
        }
        high.insert(id, body);
    }
}

fn unique_extends(high: &mut Map) {
    let Some(Value::List(extends)) = high.get("__extend__") else {
        return;
    };
    let mut unique: Vec<(Value, Value)> = Vec::new();
    for (key, value) in extends.iter().filter_map(Value::as_map).flatten() {
        if !unique.iter().any(|(k, v)| k == key && v == value) {
            unique.push((key.clone(), value.clone()));
        }
    }
    let list: Vec<Map> = unique
        .into_iter()
        .map(|(key, value)| {
            let mut map = Map::new();
            map.insert(key, value);
            map
        })
        .collect();
    high.insert("__extend__".into(), list.into());
}

/// Splits `module.function:` keys of a body into module and function. `None` when one module is there twice.
fn split_functions(body: &mut Map) -> bool {
    let mut unique = true;
    let mut seen: Vec<String> = Vec::new();
    let keys: Vec<String> = body
        .keys()
        .filter_map(Value::as_str)
        .filter(|k| !k.starts_with('_'))
        .map(str::to_owned)
        .collect();
    for key in keys {
        if !matches!(body.get(key.as_str()), Some(Value::List(_))) {
            continue;
        }
        let mut parts = key.split('.');
        let module = parts.next().unwrap_or_default().to_owned();
        match parts.next() {
            Some(function) => {
                if seen.contains(&module) {
                    unique = false;
                    continue;
                }
                if let Some(Value::List(mut list)) = body.shift_remove(key.as_str()) {
                    list.push(function.into());
                    body.insert(module.as_str().into(), Value::List(list));
                }
                seen.push(module);
            }
            None => seen.push(key),
        }
    }
    unique
}

fn handle_extend(state: &mut Map, sls: &str, env: &str, errors: &mut Vec<String>) {
    let Some(extend) = state.shift_remove("extend") else {
        return;
    };
    let Value::Map(mut extend) = extend else {
        errors.push(format!(
            "Extension value in SLS '{sls}' is not a dictionary"
        ));
        return;
    };
    for (name, body) in &mut extend {
        let Value::Map(body) = body else {
            errors.push(format!(
                "Extension name '{}' in SLS '{sls}' is not a dictionary",
                python::text(name)
            ));
            continue;
        };
        body.entry("__sls__".into()).or_insert_with(|| sls.into());
        body.entry("__env__".into()).or_insert_with(|| env.into());
        split_functions(body);
    }
    if let Value::List(list) = state
        .entry("__extend__".into())
        .or_insert_with(|| Value::List(Vec::new()))
    {
        list.push(Value::Map(extend));
    }
}

fn handle_exclude(state: &mut Map, sls: &str, errors: &mut Vec<String>) {
    match state.shift_remove("exclude") {
        None => {}
        Some(Value::List(exclude)) => {
            state.insert("__exclude__".into(), Value::List(exclude));
        }
        Some(_) => errors.push(format!(
            "Exclude Declaration in SLS {sls} is not formed as a list"
        )),
    }
}

fn handle_declarations(state: &mut Map, sls: &str, env: &str, errors: &mut Vec<String>) {
    for (name, body) in state.iter_mut() {
        let shown = python::text(name);
        match body {
            Value::Map(body) => {
                if !split_functions(body) {
                    errors.push(format!(
                        "ID '{shown}' in SLS '{sls}' contains multiple state declarations of the same type"
                    ));
                }
                body.entry("__sls__".into()).or_insert_with(|| sls.into());
                body.entry("__env__".into()).or_insert_with(|| env.into());
            }
            _ if shown == "__extend__" || shown == "__exclude__" => {}
            Value::Str(short) if short.contains('.') => {
                let mut parts = short.split('.');
                let module = parts.next().unwrap_or_default().to_owned();
                let function = parts.next().unwrap_or_default();
                let list = Value::List(vec![function.into()]);
                *body = Value::Map(map! { "__sls__" => sls, "__env__" => env, module => list });
            }
            _ => errors.push(format!("ID {shown} in SLS {sls} is not a dictionary")),
        }
    }
}

/// Numbers what has no order of its own, as it is written.
fn handle_order(state: &mut Map, next: &mut i128) {
    for body in state.values_mut() {
        let Value::Map(body) = body else { continue };
        for (key, run) in body.iter_mut() {
            let (Some(key), Value::List(run)) = (key.as_str(), run) else {
                continue;
            };
            let ordered = run
                .iter()
                .filter_map(Value::as_map)
                .any(|m| first_key(m) == "order");
            if !key.starts_with('_') && !ordered {
                run.push(Value::Map(map! { "order" => Value::Int(*next) }));
                *next += 1;
            }
        }
    }
}
