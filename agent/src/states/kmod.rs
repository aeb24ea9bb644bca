//! `kmod`: kernel modules.

use std::collections::BTreeSet;

use salt_wire::{Map, Value};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::kmod;

/// The rows of `kmod`.
pub const STATES: &[State] = &[
    State {
        name: "kmod.present",
        signature: "name, persist=False, mods=None",
        doc: "Ensure that kernel modules are loaded, with ``persist`` at every start.",
        run: present,
    },
    State {
        name: "kmod.absent",
        signature: "name, persist=False, comment=True, mods=None",
        doc: "Ensure that kernel modules are not loaded, with ``persist`` at no start.",
        run: absent,
    },
];

type Done = Result<Outcome, Error>;

fn modules(run: &Run<'_>) -> Result<Vec<String>, Error> {
    Ok(match run.args.get("mods") {
        Value::List(list) => list.iter().map(python::text).collect(),
        _ => vec![run.args.text("name")?],
    })
}

/// A sentence about one module or several.
fn sentence(names: &[String], one: &str, several: &str) -> Option<String> {
    match names {
        [] => None,
        [name] => Some(one.replace("{}", name)),
        names => Some(several.replace("{}", &names.join(", "))),
    }
}

/// What became of several modules, as it piles up.
#[derive(Default)]
struct Tally {
    yes: Vec<String>,
    no: Vec<String>,
    failed: Vec<(String, String)>,
    changes: Map,
}

impl Tally {
    fn add(&mut self, name: &str, done: Result<BTreeSet<String>, String>, word: &str) {
        match done {
            Ok(moved) if moved.is_empty() => self.no.push(name.to_owned()),
            Ok(moved) => {
                for module in moved {
                    self.changes.insert(module.into(), word.into());
                }
                self.yes.push(name.to_owned());
            }
            Err(words) => self.failed.push((name.to_owned(), words)),
        }
    }

    fn report(self, mut comments: Vec<String>, refused: bool, done: &str, verb: &str) -> Outcome {
        comments.extend(sentence(
            &self.yes,
            &format!("{done} kernel module {{}}"),
            &format!("{done} kernel modules {{}}"),
        ));
        comments.extend(sentence(
            &self.no,
            &format!("Failed to {verb} kernel module {{}}"),
            &format!("Failed to {verb} kernel modules {{}}"),
        ));
        for (name, words) in &self.failed {
            comments.push(format!("Failed to {verb} kernel module {name}: {words}"));
        }
        Outcome {
            result: Some(!refused && self.no.is_empty() && self.failed.is_empty()),
            changes: self.changes,
            comment: comments.join("\n"),
            extra: Map::new(),
        }
    }
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let (wanted, persist) = (modules(run)?, run.args.flag("persist"));
    let mut there = kmod::list(false).map_err(Error::Execution)?;
    if persist {
        let lasting = kmod::list(true).map_err(Error::Execution)?;
        there.retain(|m| lasting.contains(m));
    }
    let (already, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|m| there.contains(m));
    let mut comments: Vec<String> = sentence(
        &already,
        "Kernel module {} is already present",
        "Kernel modules {} are already present",
    )
    .into_iter()
    .collect();
    if missing.is_empty() {
        return Ok(Outcome::unchanged(comments.join("\n")));
    }
    if run.test {
        comments.extend(sentence(
            &missing,
            "Kernel module {} is set to be loaded",
            "Kernel modules {} are set to be loaded",
        ));
        return Ok(Outcome::would(Map::new(), comments.join("\n")));
    }
    let known = kmod::available();
    let (available, unavailable): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|m| known.contains(m));
    comments.extend(sentence(
        &unavailable,
        "Kernel module {} is unavailable",
        "Kernel modules {} are unavailable",
    ));
    let mut tally = Tally::default();
    for module in &available {
        // One that came along with another is there already.
        if tally.changes.contains_key(module.as_str()) {
            tally.yes.push(module.clone());
            continue;
        }
        let done = kmod::load(&ctx.programs(), module, persist).map_err(Error::Execution)?;
        tally.add(module, done, "loaded");
    }
    Ok(tally.report(comments, !unavailable.is_empty(), "Loaded", "load"))
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let (unwanted, persist) = (modules(run)?, run.args.flag("persist"));
    let mut there = kmod::list(false).map_err(Error::Execution)?;
    if persist {
        there.extend(kmod::list(true).map_err(Error::Execution)?);
    }
    let go: Vec<_> = unwanted
        .iter()
        .filter(|m| there.contains(*m))
        .cloned()
        .collect();
    if go.is_empty() {
        let comment = sentence(
            &unwanted,
            "Kernel module {} is already removed",
            "Kernel modules {} are already removed",
        );
        return Ok(Outcome::unchanged(comment.unwrap_or_default()));
    }
    if run.test {
        let comment = sentence(
            &go,
            "Kernel module {} is set to be removed",
            "Kernel modules {} are set to be removed",
        );
        return Ok(Outcome::would(Map::new(), comment.unwrap_or_default()));
    }
    let mut tally = Tally::default();
    for module in &go {
        let comment = run.args.flag("comment");
        let done =
            kmod::remove(&ctx.programs(), module, persist, comment).map_err(Error::Execution)?;
        tally.add(module, done, "removed");
    }
    Ok(tally.report(Vec::new(), false, "Removed", "remove"))
}
