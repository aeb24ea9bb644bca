//! A pillar out of `pillar_roots`: top file, SLS files, merge. For minions without a master.

use std::sync::Arc;

use indexmap::IndexMap;
use salt_wire::{Map, Value};

use super::merge::merge;
use super::{Request, Seams, Template};
use crate::context::{Context, Result, python};
use crate::fileclient::{FileClient, Local, url};
use crate::fnmatch;

/// Nobody includes this deep on purpose.
const MAX_INCLUDES: usize = 100;

/// Compiles the local pillar. What failed is listed under `_errors`, as Salt does.
pub fn compile(ctx: &Context, request: &Request, seams: &dyn Seams) -> Result<Map> {
    let opts = &ctx.settings.opts;
    let files = FileClient::with_server(ctx, Arc::new(Local::with_roots(opts, "pillar_roots")));
    let text = |key: &str, default: &str| {
        opts.get(key)
            .and_then(Value::as_str)
            .unwrap_or(default)
            .to_owned()
    };
    let mut compiler = Pillar {
        ctx,
        files: &files,
        seams,
        renderer: text("renderer", "jinja|yaml"),
        strategy: text("pillar_source_merging_strategy", "smart"),
        merge_lists: opts.get("pillar_merge_lists").is_some_and(Value::is_truthy),
        includes_override: opts
            .get("pillar_includes_override_sls")
            .is_some_and(Value::is_truthy),
        ignored: Vec::new(),
        errors: Vec::new(),
        depth: 0,
    };
    let envs = match &request.pillarenv {
        Some(env) => vec![env.clone()],
        None => {
            let mut envs = vec!["base".to_owned()];
            envs.extend(files.envs()?.into_iter().filter(|e| e != "base"));
            envs
        }
    };
    let top = compiler.top(&envs, &text("state_top", "top.sls"))?;
    let mut pillar = request.overrides.clone();
    let nodegroups = opts
        .get("nodegroups")
        .and_then(Value::as_map)
        .cloned()
        .unwrap_or_default();
    for (env, targets) in top {
        if request.pillarenv.as_ref().is_some_and(|e| *e != env) {
            continue;
        }
        let mut wanted: Vec<String> = Vec::new();
        for (target, data) in targets {
            if seams.matches(ctx, &target, &data, &nodegroups)? {
                for sls in data.iter().filter_map(Value::as_str) {
                    if !wanted.iter().any(|w| w == sls) {
                        wanted.push(sls.to_owned());
                    }
                }
            }
        }
        pillar = compiler.environment(&env, &wanted, pillar)?;
    }
    if !compiler.errors.is_empty() {
        for error in &compiler.errors {
            tracing::error!(error, "A part of the pillar could not be rendered.");
        }
        pillar.insert("_errors".into(), compiler.errors.into());
    }
    Ok(super::merge::recurse(pillar, &request.overrides, false))
}

/// Environment to targets with their data, in the order of their `order`.
type Top = IndexMap<String, Vec<(String, Vec<Value>)>>;

struct Pillar<'a> {
    ctx: &'a Context,
    files: &'a FileClient,
    seams: &'a dyn Seams,
    renderer: String,
    strategy: String,
    merge_lists: bool,
    includes_override: bool,
    /// Environment and SLS that may be missing.
    ignored: Vec<(String, String)>,
    errors: Vec<String>,
    depth: usize,
}

impl Pillar<'_> {
    fn render(
        &self,
        path: &std::path::Path,
        source: &str,
        env: &str,
        sls: &str,
        defaults: &Map,
    ) -> std::result::Result<Value, String> {
        match std::fs::read(path) {
            Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => {
                return Ok(Value::Map(Map::new()));
            }
            Ok(_) => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
        self.seams.render(
            self.ctx,
            &Template {
                path,
                source,
                saltenv: env,
                sls,
                renderer: &self.renderer,
                files: self.files,
                defaults,
            },
        )
    }

    fn top(&mut self, envs: &[String], state_top: &str) -> Result<Top> {
        let state_top = if state_top.starts_with("salt://") {
            state_top.to_owned()
        } else {
            url::create(state_top.trim_start_matches('/'))
        };
        let mut tops: Vec<(String, Map)> = Vec::new();
        for env in envs {
            if let Some(path) = self.files.cache_file(&state_top, env, None)? {
                match self.render(&path, &state_top, env, "", &Map::new()) {
                    Ok(Value::Map(top)) => tops.push((env.clone(), top)),
                    Ok(_) => {}
                    Err(error) => {
                        self.errors.push(format!(
                            "Rendering Primary Top file failed, render error:\n{error}"
                        ));
                        break;
                    }
                }
            }
        }
        let mut at = 0;
        let mut done = Vec::new();
        while at < tops.len() {
            let env = tops[at].0.clone();
            let included = tops[at].1.shift_remove("include");
            for sls in included
                .as_ref()
                .and_then(Value::as_list)
                .unwrap_or_default()
            {
                let key = (env.clone(), python::text(sls));
                if done.contains(&key) {
                    continue;
                }
                if let Some(file) = self.files.get_state(&key.1, &env)? {
                    match self.render(&file.dest, &file.source, &env, &key.1, &Map::new()) {
                        Ok(Value::Map(top)) => tops.push((env.clone(), top)),
                        Ok(_) => {}
                        Err(error) => self.errors.push(format!(
                            "Rendering Top file {} failed, render error:\n{error}",
                            key.1
                        )),
                    }
                }
                done.push(key);
            }
            at += 1;
        }
        Ok(self.merge_tops(&tops))
    }

    fn merge_tops(&mut self, tops: &[(String, Map)]) -> Top {
        let mut merged: IndexMap<String, IndexMap<String, (i128, Vec<Value>)>> = IndexMap::new();
        for (env, targets) in tops.iter().flat_map(|(_, top)| top) {
            let env = python::text(env);
            let Value::Map(targets) = targets else {
                self.errors
                    .push("Error encountered while rendering pillar top file.".into());
                continue;
            };
            for (target, data) in targets {
                let mut order = 0;
                let (mut options, mut names, mut ignore) = (Vec::new(), Vec::new(), false);
                for item in data.as_list().unwrap_or_default() {
                    match item {
                        Value::Map(map) => {
                            if map.contains_key("match") {
                                options.push(item.clone());
                            }
                            if let Some(number) = map.get("order") {
                                order = python::text(number).parse().unwrap_or(0);
                            }
                            ignore |= map.get("ignore_missing").is_some_and(Value::is_truthy);
                        }
                        Value::Str(_) if !names.contains(item) => names.push(item.clone()),
                        _ => {}
                    }
                }
                if ignore {
                    let of_env = names.iter().map(|n| (env.clone(), python::text(n)));
                    self.ignored.extend(of_env);
                }
                options.extend(names);
                merged
                    .entry(env.clone())
                    .or_default()
                    .insert(python::text(target), (order, options));
            }
        }
        merged
            .into_iter()
            .map(|(env, targets)| {
                let mut list: Vec<_> = targets.into_iter().collect();
                list.sort_by_key(|(_, (order, _))| *order);
                let list = list.into_iter().map(|(t, (_, data))| (t, data)).collect();
                (env, list)
            })
            .collect()
    }

    fn environment(&mut self, env: &str, wanted: &[String], mut pillar: Map) -> Result<Map> {
        let available = self.files.list_states(env)?;
        let mut files: Vec<String> = Vec::new();
        for pattern in wanted {
            let matching = fnmatch::filter(&available, pattern);
            if matching.is_empty() {
                files.push(pattern.clone());
            } else {
                files.extend(matching.into_iter().map(str::to_owned));
            }
        }
        let mut done: IndexMap<String, Option<Map>> = IndexMap::new();
        for sls in files {
            if let Some(state) = self.sls(&sls, env, &available, &mut done, &Map::new())? {
                pillar = merge(pillar, &state, &self.strategy, self.merge_lists);
            }
        }
        Ok(pillar)
    }

    fn sls(
        &mut self,
        sls: &str,
        env: &str,
        available: &[String],
        done: &mut IndexMap<String, Option<Map>>,
        defaults: &Map,
    ) -> Result<Option<Map>> {
        let Some(file) = self.files.get_state(sls, env)? else {
            if !self.ignored.iter().any(|(e, s)| e == env && s == sls) {
                self.errors.push(format!(
                    "Specified SLS '{sls}' in environment '{env}' is not available on the salt master"
                ));
            }
            return Ok(None);
        };
        let rendered = self.render(&file.dest, &file.source, env, sls, defaults);
        let mut state = match rendered {
            Ok(Value::Map(state)) => state,
            Ok(value) if !value.is_truthy() => {
                done.insert(sls.to_owned(), None);
                return Ok(None);
            }
            Ok(_) => {
                self.errors
                    .push(format!("SLS '{sls}' does not render to a dictionary"));
                return Ok(None);
            }
            Err(error) => {
                tracing::error!(sls, error, "A pillar SLS does not render.");
                self.errors.push(format!(
                    "Rendering SLS '{sls}' failed. Please see master log for details."
                ));
                done.insert(sls.to_owned(), None);
                return Ok(None);
            }
        };
        done.insert(sls.to_owned(), Some(state.clone()));
        let include = match state.shift_remove("include") {
            None => return Ok(Some(state)),
            Some(Value::List(list)) => list,
            Some(other) => {
                state.insert("include".into(), other);
                self.errors.push(format!(
                    "Include Declaration in SLS '{sls}' is not formed as a list"
                ));
                return Ok(Some(state));
            }
        };
        self.depth += 1;
        let mut parts = Vec::new();
        if self.depth > MAX_INCLUDES {
            self.errors.push(format!(
                "SLS '{sls}' is included more than {MAX_INCLUDES} levels deep"
            ));
        } else {
            let is_init = file.source.ends_with("/init.sls");
            for item in include {
                parts.extend(self.include(&item, sls, is_init, env, available, done)?);
            }
        }
        self.depth -= 1;
        // What includes wins over what is included, unless told otherwise.
        if self.includes_override {
            for part in &parts {
                state = merge(state, part, &self.strategy, self.merge_lists);
            }
            return Ok(Some(state));
        }
        let mut merged = Map::new();
        for part in parts.iter().chain([&state]) {
            merged = merge(merged, part, &self.strategy, self.merge_lists);
        }
        Ok(Some(merged))
    }

    fn include(
        &mut self,
        item: &Value,
        sls: &str,
        is_init: bool,
        env: &str,
        available: &[String],
        done: &mut IndexMap<String, Option<Map>>,
    ) -> Result<Vec<Map>> {
        let (name, key, defaults) = match item {
            Value::Map(map) => match map.first() {
                Some((name, options)) => (
                    python::text(name),
                    options
                        .get("key")
                        .filter(|k| !k.is_null())
                        .map(python::text),
                    options
                        .get("defaults")
                        .and_then(Value::as_map)
                        .cloned()
                        .unwrap_or_default(),
                ),
                None => return Ok(Vec::new()),
            },
            other => (python::text(other), None, Map::new()),
        };
        let mut matched: Vec<String> = Vec::new();
        let plain = name.trim_start_matches('.').replace('/', ".");
        matched.extend(
            fnmatch::filter(available, &plain)
                .into_iter()
                .map(str::to_owned),
        );
        let mut full = name.clone();
        if let Some(rest) = name.strip_prefix('.') {
            let mut parents: Vec<&str> = sls.split('.').collect();
            if !is_init {
                parents.pop();
            }
            parents.push(rest);
            full = parents.join(".");
        }
        matched.extend(
            fnmatch::filter(available, &full)
                .into_iter()
                .map(str::to_owned),
        );
        if matched.is_empty() {
            matched.push(full);
        }
        let mut parts = Vec::new();
        for target in matched {
            let part = match done.get(&target) {
                Some(part) => part.clone(),
                None => self.sls(&target, env, available, done, &defaults)?,
            };
            let Some(mut part) = part else { continue };
            for fragment in key.iter().flat_map(|k| k.split(':').rev()) {
                let mut outer = Map::new();
                outer.insert(fragment.into(), Value::Map(part));
                part = outer;
            }
            parts.push(part);
        }
        Ok(parts)
    }
}
