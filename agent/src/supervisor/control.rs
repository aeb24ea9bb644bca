//! The daemon as the control socket sees it.

use std::sync::Arc;
use std::time::SystemTime;

use salt_wire::crypto::HashType;
use salt_wire::{Map, Value};

use super::Daemon;
use super::links::Link;
use crate::context::Minion;
use crate::control::{self, JobReport, MasterReport, SpoolReport, StatusReport};
use crate::returns::Spool;

/// Answers for the daemon.
pub(super) struct Control(pub(super) Arc<Daemon>);

impl control::Daemon for Control {
    fn status(&self) -> StatusReport {
        let daemon = &self.0;
        let settings = daemon.settings();
        let loads = daemon.dispatcher.jobs().list();
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
            jobs: loads.iter().map(job).collect(),
            spool: spool(daemon.dispatcher.spool()),
            remaster: daemon.remaster(),
            warnings: daemon.warnings(),
            ..StatusReport::default()
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
    let since = SystemTime::now().duration_since(status.since);
    MasterReport {
        address: name.to_owned(),
        state: status.state.name().to_owned(),
        reason: status.trouble.as_ref().map(|t| t.reason.code().to_owned()),
        detail: status.trouble.as_ref().map(|t| t.detail.clone()),
        fingerprint: status.fingerprint.as_ref().map(ToString::to_string),
        since: since.map_or(0, |d| d.as_secs()),
        auth_version: status.version.map(|v| v.number().into()),
    }
}

/// The words are as stable as those of sessions.
fn spool(spool: &Spool) -> SpoolReport {
    let stats = spool.stats();
    let age = spool
        .oldest()
        .map(|since| SystemTime::now().duration_since(since));
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
        oldest: age.and_then(Result::ok).map_or(0, |age| age.as_secs()),
        dropped: stats.dropped_full + stats.dropped_old + stats.dropped_broken,
        in_memory: stats.in_memory as u64,
        parked: stats.parked as u64,
        reason: reason.map(str::to_owned),
        detail,
    }
}

fn job(load: &Map) -> JobReport {
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
        since: 0,
    }
}
