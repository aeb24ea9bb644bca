//! `salt-agent generalize`: makes a disk a golden image. `list` says what goes, `scan` looks, this file acts and
//! lets `scan` prove it, `secrets` names what nobody but the image's owner can judge, `receipt` writes it down.

mod list;
mod receipt;
mod root;
mod scan;
mod secrets;
mod service;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::{Code, load, print, source};
use crate::cli::{Format, GeneralizeArgs, Global, Section};
use crate::config::Settings;
use crate::host::beneath::Tree;
use crate::host::exec::{Command, Exec, Processes};
use crate::host::fs::write_atomic;
use crate::host::{Cancel, console};
use crate::identity::Cache;
use receipt::{Done, Left, Receipt, shown, word};
use scan::{Deed, Found, Wanted, scan};

/// For the disk to give free blocks back.
const TRIM: Duration = Duration::from_mins(2);

pub(super) fn run(global: &Global, args: &GeneralizeArgs) -> anyhow::Result<Code> {
    let ran = forget(global, args);
    if let Err(error) = &ran
        && !args.check
        && !args.dry_run
    {
        // Whoever waits outside hears of that as well.
        let why = format!("{error:#}").replace(char::is_whitespace, " ");
        tell_console(args, &format!("clean=false digest=- reason: {why}"));
    }
    ran
}

fn forget(global: &Global, args: &GeneralizeArgs) -> anyhow::Result<Code> {
    // A broken configuration is no reason to keep a key.
    let loaded = load(&source(global), Cache::Read);
    let target = root::choose(args, loaded.as_ref(), global.config_dir.is_some())?;
    let settings = loaded.as_ref().ok().map(|l| &l.settings);
    let tree = Tree::open(&target.path)
        .with_context(|| format!("cannot open the root {}", target.path.display()))?;
    let wanted = wanted(args)?;
    let changes = !args.check && !args.dry_run;
    receipt::has_a_place(args.receipt.as_deref())?;
    // Whatever the configuration says: the running system is nobody else's disk.
    let own = target.own || tree.is_live();
    if changes && own {
        allow(settings, args, &tree)?;
    }
    if args.detach {
        return root::go_on_alone(&Processes);
    }
    if changes && own {
        service::stop(settings, tree.is_live(), &Processes)?;
    }
    let action = match (args.check, args.dry_run) {
        (true, _) => "check",
        (_, true) => "dry-run",
        _ => "generalize",
    };
    let mut receipt = Receipt::begin(&target.path, action, &wanted);
    let first = scan(&tree, &wanted);
    match action {
        "check" => receipt.left = first.iter().map(|f| Left::of(f, "is there")).collect(),
        "dry-run" => receipt.done = first.iter().map(|f| done(&tree, f, None)).collect(),
        _ => {
            act(&tree, &first, &mut receipt);
            // The proof: the same look again.
            let known: Vec<String> = receipt.left.iter().map(|left| left.path.clone()).collect();
            let still = scan(&tree, &wanted);
            // On a running system somebody writes the next line of a log at once.
            let live = tree.is_live();
            let flows = |s: Section| live && matches!(s, Section::Logs | Section::History);
            let still = still
                .iter()
                .filter(|f| !known.contains(&shown(&f.path)) && !flows(f.section));
            receipt
                .left
                .extend(still.map(|f| Left::of(f, "is there again")));
        }
    }
    if wanted.sections.contains(&Section::Secrets) {
        receipt.secrets = secrets::scan(&tree, &args.allow);
    }
    let document = receipt.seal()?;
    let text = format!("{}\n", serde_json::to_string_pretty(&document)?);
    if changes && !is_part_of_another(&tree, &document) {
        tree.write(Path::new(list::RECEIPT), text.as_bytes(), 0o644)
            .context("the receipt cannot be kept in the image")?;
    }
    if let Some(file) = &args.receipt {
        write_atomic(file, text.as_bytes(), 0o644)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if changes {
        nix::unistd::sync();
        if tree.is_live() {
            trim();
        }
    }
    match args.output {
        Format::Json => print::data(&text)?,
        Format::Text => print::data(&words(&document))?,
    }
    let clean = document["clean"] == true;
    if changes && own {
        let digest = document["digest"].as_str().unwrap_or_default();
        tell_console(args, &format!("clean={clean} digest={digest}"));
    }
    if args.poweroff && clean && tree.is_live() {
        power_off()?;
    }
    Ok(if clean || args.dry_run {
        Code::OK
    } else {
        Code::FAILED
    })
}

/// The hook of `cloud-init clean` forgets less than we did before: that receipt stays.
fn is_part_of_another(tree: &Tree, document: &Value) -> bool {
    const MAX: u64 = 16 << 20;
    let text = tree.read(Path::new(list::RECEIPT), MAX).unwrap_or_default();
    let Ok(before) = serde_json::from_slice::<Value>(&text) else {
        return false;
    };
    let of = |receipt: &Value| receipt["sections"].as_array().cloned().unwrap_or_default();
    let (before, now) = (of(&before), of(document));
    before.len() > now.len() && now.iter().all(|section| before.contains(section))
}

fn wanted(args: &GeneralizeArgs) -> anyhow::Result<Wanted> {
    let all = Section::value_variants().iter().copied();
    let sections: Vec<Section> = all
        .filter(|s| args.only.is_empty() || args.only.contains(s))
        .filter(|s| !args.skip.contains(s))
        .collect();
    if sections.is_empty() {
        bail!("--only and --skip leave nothing to do");
    }
    Ok(Wanted {
        sections,
        keep_trust: args.keep_trust,
    })
}

/// A machine's own disk, and not that of an image: only with --yes when it is in service.
fn allow(settings: Option<&Settings>, args: &GeneralizeArgs, tree: &Tree) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    if let Some(words) = service::in_service(settings, tree.is_live(), &Processes) {
        bail!("this machine is in service ({words}): its identity is only forgotten with --yes");
    }
    let key = settings.map(|s| s.pki_dir.join("minion.pem"));
    if let Some(key) = key.filter(|key| key.exists()) {
        bail!(
            "this machine has a minion's key ({}): it is only forgotten with --yes",
            key.display()
        );
    }
    Ok(())
}

fn act(tree: &Tree, found: &[Found], receipt: &mut Receipt) {
    for thing in found {
        let outcome = match &thing.deed {
            Deed::Remove => tree.remove(&thing.path),
            Deed::Empty => {
                let size = tree.entry(&thing.path).map_or(0, |e| e.size);
                tree.truncate(&thing.path).map(|()| (0, size))
            }
            Deed::Put(bytes) => tree.rewrite(&thing.path, bytes).map(|()| (0, 0)),
        };
        match outcome {
            Ok(gone) => receipt.done.push(done(tree, thing, Some(gone))),
            // Something that is gone by itself is gone.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => receipt.left.push(Left::of(thing, error.to_string())),
        }
    }
}

fn done(tree: &Tree, found: &Found, gone: Option<(u64, u64)>) -> Done {
    let (files, bytes) =
        gone.unwrap_or_else(|| (1, tree.entry(&found.path).map_or(0, |entry| entry.size)));
    Done {
        section: word(found.section),
        path: shown(&found.path),
        what: found.deed.name(),
        files,
        bytes,
    }
}

fn words(document: &Value) -> String {
    let list = |key: &str| document[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dry = document["action"] == "dry-run";
    let mut lines = Vec::new();
    for row in list("done") {
        let what = text(&row["what"]);
        let what = if dry {
            format!("would be {what}")
        } else {
            what
        };
        lines.push(format!("{what:9} {}", text(&row["path"])));
    }
    for row in list("left") {
        lines.push(format!(
            "LEFT      {}: {}",
            text(&row["path"]),
            text(&row["why"])
        ));
    }
    for row in list("secrets") {
        lines.push(format!(
            "SECRET?   /{}: looks like {}",
            text(&row["path"]),
            text(&row["what"])
        ));
    }
    lines.push(match (dry, document["clean"] == true) {
        (true, _) => "nothing was changed".to_owned(),
        (_, true) => format!("clean: {}", text(&document["digest"])),
        (_, false) => {
            "NOT CLEAN: remove what is named, or say that it is meant (--allow, --skip)".to_owned()
        }
    });
    lines.push(String::new());
    lines.join("\n")
}

/// Whoever waits for the machine outside reads it there.
fn tell_console(args: &GeneralizeArgs, words: &str) {
    let Some(path) = &args.console else { return };
    let line = format!("salt-agent: generalized {words}");
    if let Err(error) = console::write_line(path, &line) {
        print::error(&format!("{} cannot be written: {error}", path.display()));
    }
}

/// What was removed is still on the disk below until its blocks are given back, and would be in every snapshot. A disk
/// that cannot do that says so, and nobody has to act.
fn trim() {
    let mut command = Command::new(["fstrim", "/"]);
    command.timeout = Some(TRIM);
    let trimmed = Processes.run(&command, &Cancel::new());
    if !trimmed.is_ok_and(|output| output.retcode == 0) {
        tracing::debug!("The disk gives no blocks back (fstrim).");
    }
}

fn power_off() -> anyhow::Result<()> {
    let command = Command::new(["systemctl", "--no-block", "poweroff"]);
    let output = Processes.run(&command, &Cancel::new())?;
    if output.retcode != 0 {
        bail!("the machine could not be switched off");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
