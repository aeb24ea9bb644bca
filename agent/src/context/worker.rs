//! Salt's own functions, for what is not native: the compat worker as those below it see it.

use std::sync::Arc;

use salt_wire::{Map, Value};

use super::{Context, Error, Result, Signature, python};

/// What kinds of things the worker loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Execution functions.
    Functions,
    /// State functions.
    States,
}

impl Kind {
    /// Its directory in Salt, and among the synced modules.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Functions => "modules",
            Self::States => "states",
        }
    }

    /// Whether a module is native on other systems only: interfaces are, of Debian and what came of it.
    pub fn is_elsewhere(self, ctx: &Context, module: &str) -> bool {
        let own = match self {
            Self::Functions => module == "ip",
            Self::States => module == "network",
        };
        own && {
            let grains = ctx.facts.grains();
            let family = grains.get("os_family").map(python::text);
            family.is_some_and(|f| f != "Debian")
        }
    }
}

/// What Salt's loader says of one function.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// Its parameters.
    pub signature: Signature,
    /// Its help text.
    pub doc: String,
    /// Which of `mod_init`, `mod_watch`, `mod_run_check` and `mod_run_check_cmd` its module has.
    pub siblings: Vec<String>,
}

/// One call of a state function.
pub struct StateCall<'a> {
    /// `module.function`.
    pub fun: &'a str,
    /// Its arguments.
    pub kwargs: &'a Map,
    /// The low chunk.
    pub low: &'a Map,
    /// Only say what would change.
    pub test: bool,
}

/// One renderer of a pipe.
pub struct Rendering<'a> {
    /// The renderer.
    pub name: &'a str,
    /// What the renderer before it made; text at first.
    pub data: &'a Value,
    /// What stands behind its name in the pipe.
    pub argument: &'a str,
    /// The file, if it is one.
    pub path: Option<String>,
    /// Its environment.
    pub saltenv: &'a str,
    /// Its SLS.
    pub sls: &'a str,
    /// Further variables.
    pub variables: &'a Map,
}

/// Runs what is not native in a Salt of this machine. All calls of one run share a `__context__`.
///
/// The methods that are given here say that there is no Salt.
pub trait Worker: Send + Sync {
    /// The worker of another run: with a `__context__` of its own.
    fn for_run(&self) -> Arc<dyn Worker>;

    /// Whether there is a Salt to run; else why not and what to do.
    fn ready(&self, ctx: &Context) -> std::result::Result<(), String> {
        let _ = ctx;
        Err("there is no compat worker here".to_owned())
    }

    /// Whether a synced module takes the place of the native one of this name.
    fn replaces(&self, ctx: &Context, kind: Kind, module: &str) -> bool {
        let (_, _, _) = (ctx, kind, module);
        false
    }

    /// What Salt's loader knows by this name, or in its words why it does not.
    fn find(
        &self,
        ctx: &Context,
        kind: Kind,
        name: &str,
    ) -> Result<std::result::Result<Arc<Spec>, String>> {
        let (_, _) = (ctx, kind);
        Ok(Err(format!("'{name}' is not available.")))
    }

    /// Whether there is a module of execution functions by this name.
    fn has_module(&self, ctx: &Context, name: &str) -> bool {
        let (_, _) = (ctx, name);
        false
    }

    /// All that Salt's loader knows.
    fn list(&self, ctx: &Context, kind: Kind) -> Result<Vec<(String, Spec)>> {
        let (_, _) = (ctx, kind);
        Ok(Vec::new())
    }

    /// Calls an execution function.
    fn call(&self, ctx: &Context, fun: &str, args: &[Value], kwargs: &Map) -> Result {
        let (_, _, _) = (ctx, args, kwargs);
        Err(Error::NotAvailable(fun.to_owned()))
    }

    /// Calls a state function; what it returns, or its failure as a return.
    fn state(&self, ctx: &Context, call: &StateCall<'_>) -> Result<Map> {
        let _ = ctx;
        Err(Error::NotAvailable(call.fun.to_owned()))
    }

    /// Renders.
    fn render(&self, ctx: &Context, rendering: &Rendering<'_>) -> Result {
        let _ = ctx;
        Err(Error::NotAvailable(rendering.name.to_owned()))
    }

    /// Grains of synced grain modules; empty when there are none.
    fn grains(&self, ctx: &Context) -> Result<Map> {
        let _ = ctx;
        Ok(Map::new())
    }

    /// Modules came or went: what is loaded is loaded again.
    fn refresh(&self) {}
}

/// No Salt at all.
pub struct NoWorker;

impl Worker for NoWorker {
    fn for_run(&self) -> Arc<dyn Worker> {
        Arc::new(Self)
    }
}
