//! `pkg.held` and `pkg.unheld`: packages kept in their version, or no longer.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::pkg::hold::{Held, hold, selections};

/// The rows of `pkg` about holding.
pub const STATES: &[State] = &[
    State {
        name: "pkg.held",
        signature: "name, version=None, pkgs=None, replace=False, **kwargs",
        doc: "Ensure that packages are held in their version; with ``replace`` no others.",
        run: held,
    },
    State {
        name: "pkg.unheld",
        signature: "name, version=None, pkgs=None, all=False, **kwargs",
        doc: "Ensure that packages are not held in their version.",
        run: unheld,
    },
];

type Done = Result<Outcome, Error>;

/// The packages that a state means; `None` when its list is empty.
fn packages(run: &Run<'_>) -> Result<Option<Vec<String>>, Error> {
    Ok(match run.args.get("pkgs") {
        Value::List(list) if list.is_empty() => None,
        Value::List(list) => Some(
            list.iter()
                .flat_map(|item| match item {
                    Value::Map(map) => map.keys().map(python::text).collect(),
                    other => vec![python::text(other)],
                })
                .collect(),
        ),
        _ => Some(vec![run.args.text("name")?]),
    })
}

fn locks(ctx: &Context) -> Result<Vec<String>, Error> {
    let all = selections(&ctx.programs()).map_err(Error::Execution)?;
    let held = all.into_iter().filter(|(_, s)| s == "hold");
    Ok(held.map(|(name, _)| name).collect())
}

/// The selection of a package before and after.
pub fn change((old, new): &(Option<String>, String)) -> Map {
    let old = old.as_ref().map_or(Value::Null, |o| o.as_str().into());
    map! { "old" => old, "new" => new.as_str() }
}

/// One package's part of `changes`.
pub fn shown(name: &str, done: &Held) -> Map {
    let changes = done.change.as_ref().map_or_else(Map::new, change);
    map! {
        "name" => name, "changes" => changes, "result" => done.fine.map_or(Value::Null, Value::Bool), "comment" => done.comment.as_str(),
    }
}

/// What happened, as it piles up.
#[derive(Default)]
struct Report {
    changes: Map,
    comments: Vec<String>,
    failed: bool,
}

impl Report {
    fn change(&mut self, ctx: &Context, name: &str, on: bool) -> Result<Held, Error> {
        let done = hold(&ctx.programs(), name, on, false).map_err(Error::Execution)?;
        self.failed |= done.fine != Some(true);
        self.changes.insert(name.into(), shown(name, &done).into());
        Ok(done)
    }

    fn release(&mut self, ctx: &Context, name: &str, test: bool) -> Result<(), Error> {
        let comment = if test {
            format!("The following package would be unheld: {name}")
        } else {
            self.change(ctx, name, false)?.comment
        };
        self.comments.push(comment);
        Ok(())
    }

    fn finish(self) -> Outcome {
        let comment = self.comments.join("\n");
        let nothing = self.changes.is_empty() && comment.is_empty();
        Outcome {
            result: Some(!self.failed),
            changes: self.changes,
            comment: if nothing {
                "No changes made".to_owned()
            } else {
                comment
            },
            extra: Map::new(),
        }
    }
}

/// What `hold` of `pkg.installed` did to packages, sorted by how it ended.
pub(super) struct Asked {
    changed: Vec<(String, Held)>,
    same: Vec<Held>,
    failed: Vec<Held>,
}

impl Asked {
    /// Holds these packages or lets them go, as the argument says; `None` when it says nothing.
    pub(super) fn carry_out<'n>(
        ctx: &Context,
        run: &Run<'_>,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<Option<Self>, Error> {
        let Some(on) = run.args.extra.get("hold").map(Value::is_truthy) else {
            return Ok(None);
        };
        let mut all = Self {
            changed: Vec::new(),
            same: Vec::new(),
            failed: Vec::new(),
        };
        for name in names {
            let done = hold(&ctx.programs(), name, on, run.test).map_err(Error::Execution)?;
            match done {
                done if done.change.is_some() => all.changed.push((name.clone(), done)),
                done if done.fine == Some(true) => all.same.push(done),
                done => all.failed.push(done),
            }
        }
        Ok(Some(all))
    }

    /// Adds what it did where nothing else was to be done.
    pub(super) fn append(self, out: &mut Outcome) {
        for (name, done) in &self.changed {
            if let Some(pair) = &done.change {
                out.changes
                    .insert(name.as_str().into(), change(pair).into());
            }
        }
        let changed = self.changed.into_iter().map(|(_, done)| done);
        for done in changed.chain(self.same).chain(self.failed) {
            out.comment += &format!(".\n{}", done.comment);
            // Salt has the last one's; one that failed must not be lost behind one that would be done.
            if out.result != Some(false) {
                out.result = done.fine;
            }
        }
    }

    /// Adds the changes beside those of an installation; the comments of packages that changed, and of those that
    /// did not.
    pub(super) fn merge(self, out: &mut Outcome) -> (Vec<String>, Vec<String>) {
        let mut comments = Vec::new();
        for (name, done) in self.changed {
            comments.push(done.comment);
            let Some((old, new)) = done.change else {
                continue;
            };
            if let Some(Value::Map(there)) = out.changes.get_mut(name.as_str()) {
                let old = old.unwrap_or_else(|| "None".to_owned());
                for (key, text) in [("new", new), ("old", old)] {
                    let before = there.get(key).map(python::text).unwrap_or_default();
                    let joined = if before.is_empty() {
                        text
                    } else {
                        format!("{before}\n{text}")
                    };
                    there.insert(key.into(), joined.into());
                }
            } else {
                let one = map! { "new" => new };
                out.changes.insert(name.into(), one.into());
            }
        }
        if !self.failed.is_empty() {
            out.result = Some(false);
        }
        let rest = self.same.into_iter().chain(self.failed);
        (comments, rest.map(|done| done.comment).collect())
    }
}

fn held(ctx: &Context, run: &Run<'_>) -> Done {
    let replace = run.args.flag("replace");
    let Some(wanted) = packages(run)?.or_else(|| replace.then(Vec::new)) else {
        return Ok(Outcome::unchanged("No packages to be held provided"));
    };
    let (locks, mut report) = (locks(ctx)?, Report::default());
    for name in wanted.iter().filter(|n| !locks.contains(n)) {
        if run.test {
            report
                .comments
                .push(format!("The following package would be held: {name}"));
            continue;
        }
        let done = report.change(ctx, name, true)?;
        report.comments.push(if done.fine == Some(true) {
            format!("Package {name} is now being held")
        } else {
            format!("Package {name} was not held")
        });
    }
    for name in locks.iter().filter(|n| replace && !wanted.contains(n)) {
        report.release(ctx, name, run.test)?;
    }
    Ok(report.finish())
}

fn unheld(ctx: &Context, run: &Run<'_>) -> Done {
    let all = run.args.flag("all");
    let Some(unwanted) = packages(run)?.or_else(|| all.then(Vec::new)) else {
        return Ok(Outcome::unchanged("No packages to be unheld provided"));
    };
    let mut report = Report::default();
    for name in locks(ctx)?.iter().filter(|n| all || unwanted.contains(n)) {
        report.release(ctx, name, run.test)?;
    }
    Ok(report.finish())
}
