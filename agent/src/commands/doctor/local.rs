//! What can be seen without a master: configuration, disk, our key, the clock, the daemon.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use salt_wire::crypto::PrivateKey;
use salt_wire::error::Reason;

use super::Finding;
use crate::compat;
use crate::config::{self, CompatMode, Loaded, Settings};
use crate::control::{self, ControlError};
use crate::identity::binding::parent_of;
use crate::keys::Store;
use crate::session::told;

/// Less than this is no room for returns and files.
const ROOM: u64 = 64 << 20;

pub(super) fn config_error(error: &config::Error) -> Finding {
    Finding::failed("config", told(error))
        .word("config")
        .hint("mend it; `salt-agent check-config` says when it is right")
}

pub(super) fn config(loaded: &Loaded) -> Finding {
    let files = loaded.files.len();
    let id = &loaded.settings.id;
    let told = format!("minion id {id}, {files} files read");
    match (loaded.warnings.first(), loaded.ignored.len()) {
        (Some(first), _) => {
            let others = loaded.warnings.len() - 1;
            let more = if others > 0 {
                format!(" (and {others} more)")
            } else {
                String::new()
            };
            Finding::warning("config", format!("{first}{more}"))
                .hint("`salt-agent check-config` lists everything")
        }
        (None, 0) => Finding::ok("config", told),
        (None, ignored) => Finding::ok("config", format!("{told}, {ignored} options ignored")),
    }
}

/// The Salt of this machine, for what is not native.
pub(super) fn compat(settings: &Settings) -> Finding {
    let compat = &settings.agent.compat;
    match (compat::find(compat, &compat::Place::here()), compat.mode) {
        (Ok(python), _) => Finding::ok("compat", format!("{} has Salt", python.display())),
        (Err(why), CompatMode::Require) => {
            Finding::failed("compat", why).hint("no state runs here until there is one")
        }
        (Err(why), _) if compat.python.is_some() => Finding::warning("compat", why),
        (Err(why), _) => Finding::skipped("compat", why),
    }
}

/// The directories that we write to.
pub(super) fn disk(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, dir) in [
        ("cachedir", &settings.cachedir),
        ("pki_dir", &settings.pki_dir),
    ] {
        // What does not exist yet is made below what does.
        let there = dir
            .ancestors()
            .find(|d| d.exists())
            .unwrap_or(Path::new("/"));
        let shown = dir.display();
        if let Err(error) = access(there, AccessFlags::W_OK | AccessFlags::X_OK) {
            let place = there.display();
            findings.push(
                Finding::failed(
                    "disk",
                    format!("{name} {shown}: {place} is not writable: {error}"),
                )
                .word("disk-not-writable")
                .hint("run as the agent's account, or mend the directory's owner and mode"),
            );
            continue;
        }
        match statvfs(there) {
            Ok(stat) => {
                let free = stat.blocks_available() * stat.fragment_size();
                let inodes = stat.files() == 0 || stat.files_available() > 0;
                if free < ROOM || !inodes {
                    let left = free >> 20;
                    let full = Finding::failed("disk", format!("{name} {shown}: {left} MiB left"));
                    findings.push(full.word("disk-full").hint("make room"));
                }
            }
            Err(error) => {
                findings.push(Finding::warning("disk", format!("{name} {shown}: {error}")))
            }
        }
    }
    if findings.is_empty() {
        let (cache, pki) = (settings.cachedir.display(), settings.pki_dir.display());
        findings.push(Finding::ok(
            "disk",
            format!("{cache} and {pki} are writable"),
        ));
    }
    findings
}

pub(super) fn key(settings: &Settings) -> (Option<Arc<PrivateKey>>, Finding) {
    let store = Store::of(settings);
    let file = store.private_file();
    let file = file.display();
    match store.load() {
        Ok(Some(key)) => {
            let bits = key.public().bits();
            let finger = key.public().fingerprint(settings.crypto.hash_type);
            let told = format!("{finger} ({bits} bits)");
            (Some(Arc::new(key)), Finding::ok("key", told))
        }
        Ok(None) => {
            let finding = Finding::warning("key", format!("there is none yet: {file}"))
                .word("no-key")
                .hint("the first start makes one, and so does `salt-agent fingerprint --generate`");
            (None, finding)
        }
        Err(error) => (
            None,
            Finding::failed("key", told(&error))
                .reason(Reason::KeysUnusable)
                .hint("mend the file that is named, or move it away to get a new key"),
        ),
    }
}

/// Only where something is wrong: the key is another machine's.
pub(super) fn copied(settings: &Settings) -> Option<Finding> {
    let parent = parent_of(settings)?;
    let words = format!("the key is that of {parent}, and this machine is a copy of it");
    Some(
        Finding::failed("instance", words)
            .word("cloned")
            .hint("start the agent: it puts that key away and makes one of its own"),
    )
}

/// Whether somebody keeps the clock: a wrong one makes masters refuse requests without a word.
pub(super) fn clock() -> Finding {
    let now = jiff::Timestamp::now();
    if now.as_second() < BUILT_AFTER {
        return Finding::failed("clock", format!("it is {now} here: that is in the past"))
            .reason(Reason::ClockSkew)
            .hint("set the clock, and let systemd-timesyncd or chrony keep it");
    }
    let kept = [
        "/run/systemd/timesync/synchronized",
        "/run/chrony",
        "/var/lib/ntp/ntp.drift",
    ];
    let by = kept.iter().find(|mark| fs::metadata(mark).is_ok());
    match by {
        Some(_) => Finding::ok("clock", format!("{now}, kept by the system")),
        None => Finding::ok(
            "clock",
            format!("{now}; nothing shows that it is synchronised"),
        ),
    }
}

/// 2026-01-01: no clock that is right says less.
const BUILT_AFTER: i64 = 1_767_225_600;

pub(super) fn daemon(settings: &Settings, patience: Duration) -> Finding {
    match control::status(&settings.control_socket(), patience) {
        Ok(report) => {
            let lost = report.masters.iter().find(|m| m.state != "ready");
            match lost {
                None => Finding::ok("daemon", format!("it runs (process {})", report.pid)),
                Some(master) => {
                    let (address, state) = (&master.address, &master.state);
                    Finding::warning("daemon", format!("it runs, and {address} is {state}"))
                }
            }
        }
        Err(error @ ControlError::NotRunning { .. }) => {
            Finding::warning("daemon", error.to_string())
                .word("not-running")
                .hint("systemctl start salt-agent")
        }
        Err(error) => Finding::warning("daemon", told(&error)),
    }
}
