//! What unit tests share: a context that needs no daemon around it.

use std::path::Path;
use std::sync::Arc;

use salt_wire::{Map, Value};

use crate::config::Settings;
use crate::context::worker::NoWorker;
use crate::context::{Context, Error, Facts, Functions, Job, Minion, Result, Signature};
use crate::dispatch::Jobs;
use crate::host::Host;
use crate::modules;

/// Holds a page of the docs against what the code prints; with `UPDATE_TABLE` it is written instead.
pub(crate) fn page_is(name: &str, printed: &str, test: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(&path, printed).unwrap();
        return;
    }
    let shown = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shown == printed,
        "docs/{name} is old: UPDATE_TABLE=1 cargo test -p salt-agent --lib {test}"
    );
}

/// A context without a master below `root`: `cache` is its cachedir, `opts` its options.
pub(crate) fn context(root: &Path, opts: Map) -> Context {
    let mut opts = opts;
    opts.entry("file_client".into())
        .or_insert_with(|| "local".into());
    for (key, dir) in [("pki_dir", "pki"), ("cachedir", "cache")] {
        opts.insert(key.into(), root.join(dir).display().to_string().into());
    }
    Context {
        host: Host::real(),
        settings: Arc::new(Settings::from_overrides(root, "minion", opts).unwrap()),
        facts: Arc::new(Facts::default()),
        job: Arc::new(Job::default()),
        master: None,
        functions: Arc::new(Native),
        minion: Arc::new(Nobody),
        worker: Arc::new(NoWorker),
    }
}

/// All native functions.
pub(crate) struct Native;

impl Functions for Native {
    fn call(&self, ctx: &Context, fun: &str, args: &[Value], kwargs: &Map) -> Result {
        let function = modules::find(fun).ok_or_else(|| Error::NotAvailable(fun.to_owned()))?;
        let signature = Signature::parse(function.signature).map_err(Error::execution)?;
        (function.run)(ctx, &signature.bind(fun, args, kwargs)?)
    }

    fn has(&self, _: &Context, fun: &str) -> bool {
        modules::find(fun).is_some()
    }

    fn has_module(&self, _: &Context, module: &str) -> bool {
        modules::all().any(|f| f.name.split('.').next() == Some(module))
    }
}

/// No daemon.
pub(crate) struct Nobody;

impl Minion for Nobody {
    fn running(&self) -> Vec<Map> {
        Vec::new()
    }
    fn signal_job(&self, _: &str, _: i32) -> Option<String> {
        None
    }
    fn refresh_grains(&self, _: &Context) -> Result<()> {
        Ok(())
    }
    fn refresh_pillar(&self, _: &Context) -> Result<()> {
        Ok(())
    }
    fn fire(&self, _: &str, _: Map) {}
    fn service(&self, _: &str, _: Map) -> Result {
        Ok(Value::Null)
    }
}

/// A daemon that knows its jobs.
pub(crate) struct Table(pub(crate) Arc<Jobs>);

impl Minion for Table {
    fn running(&self) -> Vec<Map> {
        self.0.list()
    }
    fn signal_job(&self, jid: &str, signal: i32) -> Option<String> {
        self.0.signal(jid, signal)
    }
    fn refresh_grains(&self, _: &Context) -> Result<()> {
        Ok(())
    }
    fn refresh_pillar(&self, _: &Context) -> Result<()> {
        Ok(())
    }
    fn fire(&self, _: &str, _: Map) {}
    fn service(&self, _: &str, _: Map) -> Result {
        Ok(Value::Null)
    }
}
