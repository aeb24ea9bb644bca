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

/// One package's part of `changes`.
pub(crate) fn shown(name: &str, done: &Held) -> Map {
    let changes = match &done.change {
        Some((old, new)) => map! { "old" => old.as_str(), "new" => new.as_str() },
        None => Map::new(),
    };
    map! {
        "name" => name, "changes" => changes, "result" => done.fine, "comment" => done.comment.as_str(),
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
        let done = hold(&ctx.programs(), name, on).map_err(Error::Execution)?;
        self.failed |= !done.fine;
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
        report.comments.push(if done.fine {
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
