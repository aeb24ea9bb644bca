//! The options of one run: the minion's own, overridden by its master's where Salt lets the master decide.

use salt_wire::{Map, Value};

use crate::config::Release;
use crate::context::{Context, python};
use crate::fileclient::FileClient;

/// How a run is compiled and carried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// Change nothing.
    pub test: bool,
    /// Only this environment.
    pub saltenv: Option<String>,
    /// The pipe of files without a `#!` line.
    pub renderer: String,
    /// The first failed state ends the run.
    pub failhard: bool,
    /// The top file's address.
    pub state_top: String,
    /// Only the top file of this environment counts.
    pub state_top_saltenv: Option<String>,
    /// Named groups of minions, for the top file.
    pub nodegroups: Map,
    /// States run in the order in which they are written.
    pub auto_order: bool,
    /// How the top files of several environments become one.
    pub merging: String,
    /// Environments in their order.
    pub env_order: Vec<String>,
    /// Environments that the file server's roots name.
    pub file_roots: Vec<String>,
    /// The top file of environments that have none, with `same`.
    pub default_top: String,
    /// Tell the master about each finished state.
    pub events: bool,
    /// Requisites that are ignored.
    pub disabled_requisites: Vec<String>,
    /// What the master tops systems say comes before the top file.
    pub tops_first: bool,
    /// Which package states may become one: all, or those of the listed modules.
    pub aggregate: Value,
    /// How many states with `parallel` run at a time; 0 leaves it to the agent.
    pub max_parallel: usize,
    /// Whose rules of requisites and their order hold.
    pub release: Release,
    /// Call no state function at all.
    pub mocked: bool,
    /// No events and no job: a run of `--local`.
    pub local: bool,
    /// What the master decides about templates and targets, laid over the minion's own options for the run.
    pub overrides: Map,
}

/// Options of a run that are the master's to decide.
const MASTERS: &[&str] = &[
    "renderer",
    "failhard",
    "nodegroups",
    "state_auto_order",
    "top_file_merging_strategy",
    "env_order",
    "default_top",
    "jinja_env",
    "jinja_sls_env",
    "jinja_lstrip_blocks",
    "jinja_trim_blocks",
];

/// The release whose rules hold: as configured, else the master's. Without a master there is only ours.
///
/// A master tells its release to pillars with `pillar_opts` alone; else it is seen by what it serves. That does not tell
/// 3007 from 3006.
fn release(ctx: &Context) -> Release {
    if let Some(said) = ctx.settings.agent.salt_release {
        return said;
    }
    let Some(master) = &ctx.master else {
        return Release::V3008;
    };
    let pillar = ctx.facts.pillar();
    let version = pillar.get("master").and_then(|m| m.get("saltversion"));
    if let Some(release) = version
        .and_then(Value::as_str)
        .and_then(Release::of_version)
    {
        return release;
    }
    match master.registers_resources() {
        Ok(true) => Release::V3008,
        Ok(false) => Release::V3006,
        Err(error) => {
            tracing::warn!(%error, "The master's release is not to be had, the rules of 3008 hold.");
            Release::V3008
        }
    }
}

impl Options {
    /// The options of this minion, and of its master.
    pub fn new(ctx: &Context, files: &FileClient) -> Self {
        let own = &ctx.settings.opts;
        let masters = files.master_opts().unwrap_or_else(|error| {
            tracing::error!(%error, "The master's options are not to be had, defaults are used.");
            Map::new()
        });
        let text = |key: &str, default: &str| {
            let value = masters.get(key).or_else(|| own.get(key));
            value
                .and_then(Value::as_str)
                .filter(|s| !s.is_empty())
                .unwrap_or(default)
                .to_owned()
        };
        let truth = |map: &Map, key: &str| map.get(key).is_some_and(Value::is_truthy);
        let names = |value: Option<&Value>| -> Vec<String> {
            match value {
                Some(Value::List(l)) => l.iter().map(python::text).collect(),
                Some(Value::Map(m)) => m.keys().map(python::text).collect(),
                Some(Value::Str(s)) => vec![s.clone()],
                _ => Vec::new(),
            }
        };
        let opt = |key: &str| own.get(key).filter(|v| v.is_truthy()).map(python::text);
        let top = text("state_top", "top.sls");
        let state_top = if top.starts_with("salt://") {
            top
        } else {
            format!("salt://{}", top.trim_start_matches('/'))
        };
        Self {
            test: truth(own, "test"),
            saltenv: opt("saltenv"),
            renderer: text("renderer", "jinja|yaml"),
            failhard: truth(&masters, "failhard"),
            state_top,
            state_top_saltenv: masters
                .get("state_top_saltenv")
                .filter(|v| v.is_truthy())
                .map(python::text),
            nodegroups: masters
                .get("nodegroups")
                .and_then(Value::as_map)
                .cloned()
                .unwrap_or_default(),
            auto_order: masters
                .get("state_auto_order")
                .or_else(|| own.get("state_auto_order"))
                .is_none_or(Value::is_truthy),
            merging: text("top_file_merging_strategy", "merge"),
            env_order: names(masters.get("env_order").or_else(|| own.get("env_order"))),
            file_roots: names(masters.get("file_roots")),
            default_top: text("default_top", "base"),
            events: truth(own, "state_events") || truth(&masters, "state_events"),
            disabled_requisites: names(own.get("disabled_requisites")),
            tops_first: truth(own, "master_tops_first"),
            aggregate: own
                .get("state_aggregate")
                .filter(|v| v.is_truthy())
                .or_else(|| masters.get("state_aggregate"))
                .cloned()
                .unwrap_or_default(),
            max_parallel: own
                .get("state_max_parallel")
                .and_then(Value::as_int)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or_default(),
            release: release(ctx),
            mocked: false,
            local: ctx.master.is_none(),
            overrides: masters
                .iter()
                .filter(|(k, _)| k.as_str().is_some_and(|k| MASTERS.contains(&k)))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        }
    }
}
