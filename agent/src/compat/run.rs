//! The worker of one run: a process when one is needed, facts told anew when they changed, another process when it died.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use salt_wire::{Map, Value, map};

use super::answer;
use super::child::{Broken, Child};
use super::find::{Place, find};
use super::pool::Pool;
use crate::config::Settings;
use crate::context::worker::{Kind, Rendering, Spec, StateCall, Worker};
use crate::context::{Context, Error, Result, Signature, python};
use crate::host::fs;

/// Processes of one run side by side: states with `parallel` must not wait for each other.
const MOST: usize = 4;

/// What a name is known as.
type Known = std::result::Result<Arc<Spec>, String>;

/// The worker of one run.
pub(super) struct Run {
    pool: Arc<Pool>,
    inner: Mutex<Inner>,
    given_back: Condvar,
}

#[derive(Default)]
struct Inner {
    free: Vec<Member>,
    busy: usize,
    /// Counts the members, so that the first one is always taken first: it holds the `__context__`.
    next: usize,
    /// Counts the times that modules came or went.
    generation: u64,
    known: HashMap<(Kind, String), Known>,
}

struct Member {
    number: usize,
    child: Child,
    told: Option<Told>,
}

/// What the process knows already.
struct Told {
    settings: Arc<Settings>,
    grains: Arc<Map>,
    pillar: Arc<Map>,
    generation: u64,
}

impl Run {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            inner: Mutex::default(),
            given_back: Condvar::new(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One answer of Salt. The outer failure is the worker's own, the inner one Salt's.
    fn ask(&self, ctx: &Context, request: Map) -> std::result::Result<Result<Value>, Trouble> {
        let python = find(&ctx.settings.agent.compat, &Place::here()).map_err(Trouble::None)?;
        let (mut member, generation) = self.take(ctx, &python)?;
        let answer = tell(&mut member, ctx, generation)
            .and_then(|()| member.child.ask(ctx, &ctx.settings.agent.compat, request));
        self.give(answer.is_ok().then_some(member));
        let answer = answer.map_err(Trouble::Broken)?;
        Ok(match answer.get("err") {
            Some(err) => Err(answer::error(err)),
            None => Ok(answer.get("ok").cloned().unwrap_or_default()),
        })
    }

    /// A free process, one at rest, or a new one.
    fn take(&self, ctx: &Context, python: &Path) -> std::result::Result<(Member, u64), Trouble> {
        let mut inner = self.inner();
        loop {
            inner.free.retain(|m| m.child.lives());
            let first = inner.free.iter().enumerate().min_by_key(|(_, m)| m.number);
            if let Some(at) = first.map(|(at, _)| at) {
                let member = inner.free.swap_remove(at);
                inner.busy += 1;
                return Ok((member, inner.generation));
            }
            if inner.busy < MOST {
                break;
            }
            if ctx.job.cancel.is_cancelled() {
                return Err(Trouble::Broken(Broken::Cancelled));
            }
            let waited = self
                .given_back
                .wait_timeout(inner, Duration::from_millis(100));
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let child = match self.pool.take(python) {
            Some(child) => child,
            None => {
                tracing::debug!(python = %python.display(), "Salt's own Python is started.");
                Child::start(python).map_err(|e| {
                    let text = format!("{}: {e}", python.display());
                    Trouble::Broken(Broken::Pipe(text))
                })?
            }
        };
        inner.busy += 1;
        inner.next += 1;
        let member = Member {
            number: inner.next,
            child,
            told: None,
        };
        Ok((member, inner.generation))
    }

    fn give(&self, member: Option<Member>) {
        let mut inner = self.inner();
        inner.busy = inner.busy.saturating_sub(1);
        inner.free.extend(member);
        drop(inner);
        self.given_back.notify_one();
    }

    fn answer(&self, ctx: &Context, what: &str, request: Map) -> Result {
        match self.ask(ctx, request) {
            Ok(answer) => answer,
            Err(trouble) => Err(Error::Execution(format!("{what}: {}", trouble.words()))),
        }
    }
}

enum Trouble {
    /// No Salt here.
    None(String),
    Broken(Broken),
}

impl Trouble {
    fn words(&self) -> String {
        match self {
            Self::None(text) => text.clone(),
            Self::Broken(broken) => broken.to_string(),
        }
    }
}

/// Tells a process what changed since it was told last.
fn tell(member: &mut Member, ctx: &Context, generation: u64) -> std::result::Result<(), Broken> {
    let (grains, pillar) = (ctx.facts.grains(), ctx.facts.pillar());
    let told = member.told.as_ref();
    let same_options = told.is_some_and(|t| {
        Arc::ptr_eq(&t.settings, &ctx.settings) || t.settings.opts == ctx.settings.opts
    });
    let same = |known: Option<&Arc<Map>>, now: &Arc<Map>| {
        known.is_some_and(|k| Arc::ptr_eq(k, now) || k == now)
    };
    let same_grains = same(told.map(|t| &t.grains), &grains);
    let same_pillar = same(told.map(|t| &t.pillar), &pillar);
    let same_modules = told.is_some_and(|t| t.generation == generation);
    if same_options && same_grains && same_pillar && same_modules {
        return Ok(());
    }
    let mut request = map! {"op" => "begin", "fresh" => told.is_none()};
    if !same_options {
        request.insert("opts".into(), ctx.settings.opts.clone().into());
    }
    if !same_grains {
        request.insert("grains".into(), grains.as_ref().clone().into());
    }
    if !same_pillar {
        request.insert("pillar".into(), pillar.as_ref().clone().into());
    }
    let answer = member.child.ask(ctx, &ctx.settings.agent.compat, request)?;
    if let Some(err) = answer.get("err") {
        return Err(Broken::Pipe(answer::error(err).to_string()));
    }
    member.told = Some(Told {
        settings: ctx.settings.clone(),
        grains,
        pillar,
        generation,
    });
    Ok(())
}

impl Drop for Run {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        for member in inner.free.drain(..) {
            self.pool.give(member.child);
        }
    }
}

impl Worker for Run {
    fn for_run(&self) -> Arc<dyn Worker> {
        Arc::new(Self::new(self.pool.clone()))
    }

    fn ready(&self, ctx: &Context) -> std::result::Result<(), String> {
        find(&ctx.settings.agent.compat, &Place::here()).map(drop)
    }

    fn replaces(&self, ctx: &Context, kind: Kind, module: &str) -> bool {
        if kind.is_elsewhere(ctx, module) {
            return true;
        }
        let dir = extension_modules(&ctx.settings).join(kind.directory());
        dir.join(format!("{module}.py")).is_file() || dir.join(module).join("__init__.py").is_file()
    }

    fn find(&self, ctx: &Context, kind: Kind, name: &str) -> Result<Known> {
        let key = (kind, name.to_owned());
        if let Some(known) = self.inner().known.get(&key) {
            return Ok(known.clone());
        }
        let request = map! {"op" => "find", "kind" => kind.directory(), "name" => name};
        let found = self.answer(ctx, name, request)?;
        let known = match found.get("missing") {
            Some(why) => Err(python::text(why)),
            None => Ok(Arc::new(spec(&found))),
        };
        self.inner().known.insert(key, known.clone());
        Ok(known)
    }

    fn has_module(&self, ctx: &Context, name: &str) -> bool {
        let request = map! {"op" => "module", "name" => name};
        self.answer(ctx, name, request)
            .is_ok_and(|there| there == Value::Bool(true))
    }

    fn list(&self, ctx: &Context, kind: Kind) -> Result<Vec<(String, Spec)>> {
        let request = map! {"op" => "list", "kind" => kind.directory()};
        let found = self.answer(ctx, "the list of Salt's functions", request)?;
        let entries = found.as_map().into_iter().flatten();
        Ok(entries.map(|(k, v)| (python::text(k), spec(v))).collect())
    }

    fn call(&self, ctx: &Context, fun: &str, args: &[Value], kwargs: &Map) -> Result {
        let request = map! {
            "op" => "call", "fun" => fun, "args" => args.to_vec(), "kwargs" => kwargs.clone(),
        };
        let answer = self.answer(ctx, fun, request)?;
        let code = answer.get("retcode").and_then(Value::as_int).unwrap_or(0);
        if code != 0 {
            ctx.job.set_retcode(i64::try_from(code).unwrap_or(1));
        }
        Ok(answer.get("value").cloned().unwrap_or_default())
    }

    fn state(&self, ctx: &Context, call: &StateCall<'_>) -> Result<Map> {
        let request = map! {
            "op" => "run", "fun" => call.fun, "kwargs" => call.kwargs.clone(),
            "low" => call.low.clone(), "test" => call.test,
        };
        match self.answer(ctx, call.fun, request)? {
            Value::Map(ret) => Ok(ret),
            _ => Err(Error::execution("the compat worker gave no state return")),
        }
    }

    fn render(&self, ctx: &Context, rendering: &Rendering<'_>) -> Result {
        let request = map! {
            "op" => "render", "name" => rendering.name, "data" => rendering.data.clone(),
            "argline" => rendering.argument, "saltenv" => rendering.saltenv, "sls" => rendering.sls,
            "path" => rendering.path.clone(), "variables" => rendering.variables.clone(),
        };
        self.answer(ctx, rendering.name, request)
    }

    fn grains(&self, ctx: &Context) -> Result<Map> {
        let dir = extension_modules(&ctx.settings).join("grains");
        if !fs::has_entries(&dir) || self.ready(ctx).is_err() {
            return Ok(Map::new());
        }
        match self.answer(ctx, "grains", map! {"op" => "grains"})? {
            Value::Map(grains) => Ok(grains),
            _ => Ok(Map::new()),
        }
    }

    fn refresh(&self) {
        let mut inner = self.inner();
        inner.generation += 1;
        inner.known.clear();
    }
}

/// Where synced modules are.
fn extension_modules(settings: &Settings) -> PathBuf {
    let path = settings.opts.get("extension_modules");
    match path.and_then(Value::as_str) {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => settings.cachedir.join("extmods"),
    }
}

fn spec(found: &Value) -> Spec {
    let texts = |key: &str| -> Vec<String> {
        let list = found.get(key).and_then(Value::as_list).unwrap_or_default();
        list.iter().map(python::text).collect()
    };
    let args = texts("args");
    let defaults = found
        .get("defaults")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let required = args.len().saturating_sub(defaults.len());
    let name = |key: &str| found.get(key).and_then(Value::as_str).map(str::to_owned);
    let positional = args.len();
    let params = args.into_iter().enumerate().map(|(at, arg)| {
        let default = at.checked_sub(required).and_then(|i| defaults.get(i));
        (arg, default.cloned())
    });
    Spec {
        signature: Signature {
            params: params.collect(),
            positional,
            varargs: name("varargs"),
            kwargs: name("keywords"),
        },
        doc: name("doc").unwrap_or_default(),
        siblings: texts("siblings"),
    }
}
