//! `salt-agent adopt`: the agent takes the place of salt-minion on this machine. Configuration, id and keys
//! stay as they are, so the master notices nothing; only the units change. What was before is recorded first,
//! and `--undo` goes back there.
//!
//! One more step: a variant of [`plan::Step`].

mod plan;
mod record;

use std::path::Path;

use anyhow::bail;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use salt_wire::{Value, map};

use super::{Code, Destination, load, print, source, start_logging};
use crate::cli::{AdoptArgs, Format, Global};
use crate::config::{Loaded, Settings};
use crate::host::exec::Processes;
use crate::identity::Cache;
use crate::keys::Store;
use crate::remaster::Machine;

use plan::Systemd;
use record::Record;

pub(super) fn run(global: &Global, args: &AdoptArgs) -> anyhow::Result<Code> {
    // The daemon will have to find the same id again.
    let loaded = load(&source(global), Cache::Read)?;
    start_logging(&loaded, Destination::Console);
    let settings = &loaded.settings;
    refuse_a_move_under_way(settings)?;
    let file = record::file(settings);
    let known = Record::read(&file)?;
    let systemd = Systemd::new(&Processes, args.no_systemd);
    let steps = if args.undo {
        let Some(record) = &known else {
            bail!("nothing was adopted here: there is no {}", file.display());
        };
        plan::undo(record, &systemd.units())
    } else {
        if !systemd.is_here() {
            refuse_a_running_minion(&settings.pidfile)?;
        }
        plan::adopt(&systemd.units())
    };
    let fingerprint = key_of(settings)?;
    let shown: Vec<_> = steps.iter().map(ToString::to_string).collect();
    if !args.dry_run {
        if !args.undo {
            // First what is, then what changes: a second run after a crash must not take our doing for it.
            let record =
                known.unwrap_or_else(|| Record::of(&systemd.units(), settings, &fingerprint));
            record.write(&file)?;
        }
        for step in &steps {
            systemd.run(step)?;
        }
        if args.undo {
            std::fs::remove_file(&file)?;
        }
    }
    match args.output {
        Format::Json => print::json(&Value::Map(map! {
            "id" => settings.id.as_str(),
            "fingerprint" => fingerprint.as_deref(),
            "action" => if args.undo { "undo" } else { "adopt" },
            "dry_run" => args.dry_run,
            "systemd" => systemd.is_here(),
            "steps" => shown,
            "record" => file.display().to_string(),
        }))?,
        Format::Text => print::data(&text(&loaded, args, &fingerprint, &shown))?,
    }
    Ok(Code::OK)
}

fn text(loaded: &Loaded, args: &AdoptArgs, finger: &Option<String>, steps: &[String]) -> String {
    let mut lines = vec![format!("id    {}", loaded.settings.id)];
    lines.push(match finger {
        Some(finger) => format!("key   {finger} (unchanged)"),
        None => "key   none yet, the first start makes one".to_owned(),
    });
    for (name, origin) in &loaded.ignored {
        let place = origin
            .as_ref()
            .map(|o| format!(" ({o})"))
            .unwrap_or_default();
        lines.push(format!(
            "note  `{name}` has no effect with this agent{place}"
        ));
    }
    let verb = if args.dry_run { "would" } else { "done" };
    for step in steps {
        lines.push(format!("{verb:5} {step}"));
    }
    if steps.is_empty() {
        lines.push("nothing to do".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Our key must be usable before salt-minion is stopped.
fn key_of(settings: &Settings) -> anyhow::Result<Option<String>> {
    let key = Store::of(settings).load()?;
    let hash = settings.crypto.hash_type;
    Ok(key.map(|key| key.public().fingerprint(hash).to_string()))
}

/// Two minions with one key fight for its session: without systemd we cannot stop the other one.
/// Whoever takes over in the middle of a remaster would know nothing of the way back.
fn refuse_a_move_under_way(settings: &Settings) -> anyhow::Result<()> {
    let journal = settings.pki_dir.join("remaster/journal.json");
    let machine = Machine::open(&journal)?;
    let state = machine.state().name();
    if state != "steady" {
        bail!(
            "a remaster is under way ({state}): `salt-agent remaster confirm`, `cancel` or `rollback` first"
        );
    }
    Ok(())
}

fn refuse_a_running_minion(pidfile: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(pidfile).unwrap_or_default();
    if let Ok(pid) = text.trim().parse::<i32>()
        && pid > 0
        && kill(Pid::from_raw(pid), None).is_ok()
    {
        bail!(
            "a minion is running (process {pid}, {}): stop it first",
            pidfile.display()
        );
    }
    Ok(())
}
