//! State modules, one file per Salt state module; the same one-file rule as `modules/`. A state checks,
//! then applies, reports its changes, and in test mode stops after the check. States and modules are
//! two thin faces on `host/`: a state never calls a module and spawns no process itself.

pub mod acl;
pub mod alias;
pub mod alternatives;
pub mod archive;
pub mod blockdev;
pub mod cmd;
pub mod cron;
pub mod debconf;
pub mod environ;
pub mod event;
pub mod file;
pub mod gem;
pub mod git;
pub mod grains;
pub mod group;
pub mod host;
pub mod http;
pub mod ini;
pub mod iptables;
pub mod kmod;
pub mod limits;
pub mod locale;
pub mod logrotate;
pub mod lvm;
pub mod module;
pub mod mount;
pub mod network;
pub mod nftables;
pub mod npm;
pub mod pip;
pub mod pkg;
pub mod pkg_holds;
pub mod pkg_uptodate;
pub mod pkgrepo;
pub mod saltutil;
pub mod schedule;
pub mod selinux;
pub mod service;
pub mod ssh_auth;
pub mod ssh_known_hosts;
pub mod sysctl;
pub mod test;
pub mod timezone;
pub mod user;
pub mod virtualenv;

use salt_wire::{Map, Value};

use crate::context::arguments::clean;
use crate::context::{Args, Context, Error, python};
use crate::fileclient::FileClient;

/// One state function.
pub struct State {
    /// `module.function`.
    pub name: &'static str,
    /// Its parameters, as Python writes them; `name` is the first.
    pub signature: &'static str,
    /// What `sys.state_doc` prints.
    pub doc: &'static str,
    /// The code. `Run::test` says whether it may change anything.
    pub run: fn(&Context, &Run<'_>) -> Result<Outcome, Error>,
}

/// One call of a state function.
pub struct Run<'a> {
    /// Bound arguments.
    pub args: &'a Args,
    /// Only say what would change.
    pub test: bool,
    /// The whole low chunk: `__id__`, `__sls__`, `__env__`, `fun`, requisites.
    pub chunk: &'a Map,
    /// All chunks of the run, for states that look at others.
    pub chunks: &'a [Map],
    /// The file server, for sources.
    pub files: &'a FileClient,
}

/// What a state reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// True: as wanted. False: failed. `None`: would change, in test mode.
    pub result: Option<bool>,
    /// What changed.
    pub changes: Map,
    /// In words, as Salt words it.
    pub comment: String,
    /// Further keys of the return, such as `warnings`.
    pub extra: Map,
}

impl Outcome {
    /// As wanted, nothing changed.
    pub fn unchanged(comment: impl Into<String>) -> Self {
        Self {
            result: Some(true),
            comment: comment.into(),
            ..Self::default()
        }
    }

    /// Done, with these changes.
    pub fn changed(changes: Map, comment: impl Into<String>) -> Self {
        Self {
            result: Some(true),
            changes,
            comment: comment.into(),
            ..Self::default()
        }
    }

    /// Would change, in test mode.
    pub fn would(changes: Map, comment: impl Into<String>) -> Self {
        Self {
            result: None,
            changes,
            comment: comment.into(),
            ..Self::default()
        }
    }

    /// Failed.
    pub fn failed(comment: impl Into<String>) -> Self {
        Self {
            result: Some(false),
            comment: comment.into(),
            ..Self::default()
        }
    }

    /// The value of one key of the return, for requisites.
    pub fn has_changes(&self) -> bool {
        self.changes.values().any(Value::is_truthy) || !self.changes.is_empty()
    }
}

/// Every module's rows.
const ALL: &[&[State]] = &[
    acl::STATES,
    alias::STATES,
    alternatives::STATES,
    archive::STATES,
    blockdev::STATES,
    cmd::STATES,
    cron::STATES,
    debconf::STATES,
    environ::STATES,
    event::STATES,
    file::STATES,
    gem::STATES,
    git::STATES,
    grains::STATES,
    group::STATES,
    host::STATES,
    http::STATES,
    ini::STATES,
    iptables::STATES,
    kmod::STATES,
    locale::STATES,
    logrotate::STATES,
    lvm::STATES,
    module::STATES,
    mount::STATES,
    network::STATES,
    nftables::STATES,
    npm::STATES,
    pip::STATES,
    pkg::STATES,
    pkg_holds::STATES,
    pkg_uptodate::STATES,
    pkgrepo::STATES,
    saltutil::STATES,
    schedule::STATES,
    selinux::STATES,
    service::STATES,
    ssh_auth::STATES,
    ssh_known_hosts::STATES,
    sysctl::STATES,
    test::STATES,
    timezone::STATES,
    user::STATES,
    virtualenv::STATES,
];

/// All state functions, module by module.
pub fn all() -> impl Iterator<Item = &'static State> {
    ALL.iter().copied().flatten()
}

/// The state function of this name.
pub fn find(name: &str) -> Option<&'static State> {
    all().find(|s| s.name == name)
}

/// Keyword arguments that the function has no name for, as Salt lists them.
fn strange(args: &Args) -> Vec<String> {
    clean(&args.extra)
        .iter()
        .map(|(k, v)| format!("{}={}", python::text(k), python::text(v)))
        .collect()
}
