//! The daemon as the control socket sees it.

use std::sync::Arc;
use std::time::SystemTime;

use salt_wire::crypto::HashType;
use salt_wire::{Map, Value};

use super::Daemon;
use super::links::Link;
use crate::context::Minion;
use crate::control::{self, JobReport, MasterReport, SpoolReport, StatusReport};
use crate::highstate::last::LastHighstate;
use crate::identity::Binding;
use crate::returns::Spool;

/// Answers for the daemon.
pub(super) struct Control(pub(super) Arc<Daemon>);

impl control::Daemon for Control {
    fn status(&self) -> StatusReport {
        let daemon = &self.0;
        let settings = daemon.settings();
        let jobs = daemon.dispatcher.jobs().timed();
        StatusReport {
            id: settings.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: daemon.started.elapsed().as_secs(),
            fingerprint: fingerprint(daemon, settings.crypto.hash_type),
            masters: daemon
                .links
                .all()
                .iter()
                .map(|(n, l)| master(n, l))
                .collect(),
            jobs: jobs.iter().map(|(load, since)| job(load, *since)).collect(),
            spool: spool(daemon.dispatcher.spool()),
            highstate: LastHighstate::read(&settings.cachedir),
            remaster: daemon.remaster(),
            warnings: daemon.warnings(),
            ready_after_boot: daemon.once.ready_after().map(|(boot, _)| boot),
            ready_after_start: daemon.once.ready_after().map(|(_, start)| start),
            cloned_from: Binding::read(&settings.pki_dir).and_then(|binding| binding.parent()),
        }
    }

    fn request(&self, name: &str, arguments: Map) -> Result<Value, String> {
        self.0
            .services
            .service(name, arguments)
            .map_err(|e| e.to_string())
    }
}

/// Only of a key that is there: a look must not make one.
fn fingerprint(daemon: &Daemon, hash: HashType) -> String {
    let key = daemon.pair.known();
    key.map_or_else(String::new, |key| {
        key.public().fingerprint(hash).to_string()
    })
}

fn master(name: &str, link: &Link) -> MasterReport {
    let status = link.status.borrow().clone();
    MasterReport {
        address: name.to_owned(),
        state: status.state.name().to_owned(),
        reason: status.trouble.as_ref().map(|t| t.reason.code().to_owned()),
        detail: status.trouble.as_ref().map(|t| t.detail.clone()),
        fingerprint: status.fingerprint.as_ref().map(ToString::to_string),
        since: seconds_since(status.since),
        auth_version: status.version.map(|v| v.number().into()),
    }
}

/// The words are as stable as those of sessions.
fn spool(spool: &Spool) -> SpoolReport {
    let stats = spool.stats();
    let age = spool.oldest().map_or(0, seconds_since);
    let complaint = spool.complaint();
    let (reason, detail) = match (stats.in_memory, complaint) {
        (0, None) => (None, None),
        (0, Some(said)) => (Some("return-not-stored"), Some(said)),
        (some, _) => {
            let words = format!(
                "{some} returns are in memory, since the disk does not take them: make room below cachedir"
            );
            (Some("spool-not-writable"), Some(words))
        }
    };
    SpoolReport {
        entries: stats.waiting as u64,
        bytes: stats.bytes,
        oldest: age,
        dropped: stats.dropped_full + stats.dropped_old + stats.dropped_broken,
        in_memory: stats.in_memory as u64,
        parked: stats.parked as u64,
        reason: reason.map(str::to_owned),
        detail,
    }
}

/// Zero where the clock went back.
fn seconds_since(time: SystemTime) -> u64 {
    let age = SystemTime::now().duration_since(time);
    age.map_or(0, |age| age.as_secs())
}

fn job(load: &Map, since: SystemTime) -> JobReport {
    let text = |key: &str| {
        load.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let fun = match load.get("fun") {
        Some(Value::List(funs)) => {
            let names: Vec<_> = funs.iter().filter_map(Value::as_str).collect();
            names.join(",")
        }
        _ => text("fun"),
    };
    let queued = load.get("queued").is_some_and(Value::is_truthy);
    JobReport {
        jid: text("jid"),
        fun,
        state: if queued { "queued" } else { "running" }.to_owned(),
        since: seconds_since(since),
    }
}
