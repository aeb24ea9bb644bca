//! `cron`: jobs and variables of crontabs, and crontabs as a whole.

use std::path::Path;

use salt_wire::{Map, map};

use super::file::source;
use super::{Outcome, Run, State};
use crate::context::{Args, Context, Error, python};
use crate::host::cron::{Crontab, Done as Became, Standing, Wanted, When};
use crate::host::{diff, user};

/// The rows of `cron`.
pub const STATES: &[State] = &[
    State {
        name: "cron.present",
        signature: "name, user='root', minute='*', hour='*', daymonth='*', month='*', dayweek='*', comment=None, commented=False, identifier=False, special=None",
        doc: "Ensure that a job is in a crontab; ``identifier`` finds it again when its command changes.",
        run: present,
    },
    State {
        name: "cron.absent",
        signature: "name, user='root', identifier=False, special=None, **kwargs",
        doc: "Ensure that a job is not in a crontab.",
        run: absent,
    },
    State {
        name: "cron.file",
        signature: "name, source_hash='', source_hash_name=None, user='root', template=None, context=None, replace=True, defaults=None, backup='', **kwargs",
        doc: "Manage a whole crontab from a file.",
        run: file,
    },
    State {
        name: "cron.env_present",
        signature: "name, value=None, user='root'",
        doc: "Ensure that a variable is set in a crontab.",
        run: env_present,
    },
    State {
        name: "cron.env_absent",
        signature: "name, user='root'",
        doc: "Ensure that a variable is not set in a crontab.",
        run: env_absent,
    },
];

type Done = Result<Outcome, Error>;

/// What a job should be, of a call's arguments; its name finds it again unless another is given.
fn wanted(args: &Args) -> Result<Wanted, Error> {
    let cmd = args.text("name")?.trim().to_owned();
    let time = |key: &str| python::text(args.get(key)).to_lowercase();
    let identifier = args.get("identifier");
    Ok(Wanted {
        when: match args.get("special") {
            special if special.is_null() => When::Times([
                time("minute"),
                time("hour"),
                time("daymonth"),
                time("month"),
                time("dayweek"),
            ]),
            special => When::Special(python::text(special)),
        },
        identifier: match identifier.as_bool() {
            Some(false) => Some(cmd.clone()),
            _ if identifier.is_null() => None,
            _ => Some(python::text(identifier)),
        },
        comment: args.opt_text("comment")?,
        commented: args.get("commented").as_bool() == Some(true),
        cmd,
    })
}

fn changed(user: &str, name: &str, comment: String) -> Outcome {
    Outcome::changed(map! { user => name }, comment)
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let (wanted, user) = (wanted(run.args)?, run.args.text("user")?);
    let (tab, name) = (Crontab::new(ctx.programs(), &user), wanted.cmd.as_str());
    if run.test {
        let tab = tab.read().map_err(Error::Execution)?;
        return Ok(match tab.standing(&wanted) {
            Standing::Absent => {
                Outcome::would(Map::new(), format!("Cron {name} is set to be added"))
            }
            Standing::Update => {
                Outcome::would(Map::new(), format!("Cron {name} is set to be updated"))
            }
            Standing::Present => Outcome::unchanged(format!("Cron {name} already present")),
        });
    }
    Ok(match tab.put(&wanted).map_err(Error::Execution)? {
        Became::Same | Became::Removed => {
            Outcome::unchanged(format!("Cron {name} already present"))
        }
        Became::New => changed(
            &user,
            name,
            format!("Cron {name} added to {user}'s crontab"),
        ),
        Became::Updated => changed(&user, name, format!("Cron {name} updated")),
        Became::Refused(words) => Outcome::failed(format!(
            "Cron {name} for user {user} failed to commit with error \n{words}"
        )),
    })
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let (wanted, user) = (wanted(run.args)?, run.args.text("user")?);
    let (tab, name) = (Crontab::new(ctx.programs(), &user), wanted.cmd.as_str());
    let identifier = wanted.identifier.as_deref();
    if run.test {
        let tab = tab.read().map_err(Error::Execution)?;
        // The check looks among the jobs at times only, whatever `special` says.
        return Ok(if tab.crons.iter().any(|e| e.is(name, identifier)) {
            Outcome::would(Map::new(), format!("Cron {name} is set to be removed"))
        } else {
            Outcome::unchanged(format!("Cron {name} is absent"))
        });
    }
    let special = matches!(wanted.when, When::Special(_));
    let removed = tab.remove(special, name, identifier, |e| {
        !special || e.when == wanted.when
    });
    Ok(match removed.map_err(Error::Execution)? {
        Became::Removed => changed(
            &user,
            name,
            format!("Cron {name} removed from {user}'s crontab"),
        ),
        Became::Refused(words) => Outcome::failed(format!(
            "Cron {name} for user {user} failed to commit with error {words}"
        )),
        _ => Outcome::unchanged(format!("Cron {name} already absent")),
    })
}

fn env_present(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, user) = (run.args.text("name")?, run.args.text("user")?);
    let value = run.args.opt_text("value")?;
    let tab = Crontab::new(ctx.programs(), &user);
    if run.test {
        let standing = tab.variable(&name, value.as_deref());
        return Ok(match standing.map_err(Error::Execution)? {
            Standing::Absent => {
                Outcome::would(Map::new(), format!("Cron env {name} is set to be added"))
            }
            Standing::Update => {
                Outcome::would(Map::new(), format!("Cron env {name} is set to be updated"))
            }
            Standing::Present => Outcome::unchanged(format!("Cron env {name} already present")),
        });
    }
    let set = tab.set_variable(&name, value.as_deref());
    Ok(match set.map_err(Error::Execution)? {
        Became::New => changed(
            &user,
            &name,
            format!("Cron env {name} added to {user}'s crontab"),
        ),
        Became::Updated => changed(&user, &name, format!("Cron env {name} updated")),
        Became::Refused(words) => Outcome::failed(format!(
            "Cron env {name} for user {user} failed to commit with error \n{words}"
        )),
        Became::Same | Became::Removed => {
            Outcome::unchanged(format!("Cron env {name} already present"))
        }
    })
}

fn env_absent(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?.trim().to_owned();
    let user = run.args.text("user")?;
    let tab = Crontab::new(ctx.programs(), &user);
    if run.test {
        return Ok(match tab.variable(&name, None).map_err(Error::Execution)? {
            Standing::Absent => Outcome::unchanged(format!("Cron env {name} is absent")),
            _ => Outcome::would(Map::new(), format!("Cron env {name} is set to be removed")),
        });
    }
    Ok(
        match tab.remove_variable(&name).map_err(Error::Execution)? {
            Became::Removed => changed(
                &user,
                &name,
                format!("Cron env {name} removed from {user}'s crontab"),
            ),
            Became::Refused(words) => Outcome::failed(format!(
                "Cron env {name} for user {user} failed to commit with error {words}"
            )),
            _ => Outcome::unchanged(format!("Cron env {name} already absent")),
        },
    )
}

fn file(ctx: &Context, run: &Run<'_>) -> Done {
    let (args, user) = (run.args, run.args.text("user")?);
    let Some(account) = user::account(&user) else {
        return Ok(Outcome::failed(format!(
            "Could not identify group for user {user}"
        )));
    };
    let tab = Crontab::new(ctx.programs(), &user);
    let mut old = tab.raw().map_err(Error::Execution)?;
    if !old.ends_with('\n') {
        old.push('\n');
    }
    if !args.flag("replace") {
        return Ok(Outcome::unchanged(format!(
            "User {user} already has a crontab. No changes made"
        )));
    }
    let unable = |error: String| Ok(Outcome::failed(format!("Unable to manage file: {error}")));
    let chosen = match source::choose(run, args.get("name"), args.get("source_hash")) {
        Ok(chosen) => chosen,
        Err(error) => return unable(error),
    };
    let Some((address, hash)) = chosen else {
        return unable("no source".to_owned());
    };
    let content = match source::fetch(ctx, run, "", &address, &hash) {
        Ok(source) => match source.verified(&address) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Outcome::failed(error)),
        },
        Err(error) => return Ok(Outcome::failed(error)),
    };
    let difference = diff::files(old.as_bytes(), &content);
    let Some(difference) = difference else {
        return Ok(Outcome::unchanged(format!(
            "Crontab for user {user} is in the correct state"
        )));
    };
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("The following values are set to be changed:\ndiff: {difference}\n"),
        ));
    }
    let mut changes = map! { "diff" => difference };
    if user != "root" {
        // Salt compares with the copy that it just made as root.
        changes.insert("user".into(), user.as_str().into());
        if let Some(group) = account.groups.first().filter(|g| *g != "root") {
            changes.insert("group".into(), group.as_str().into());
        }
    }
    let text = String::from_utf8_lossy(&content);
    Ok(match tab.write(&text).map_err(Error::Execution)? {
        Ok(()) => Outcome::changed(changes, format!("Crontab for user {user} was updated")),
        Err(words) => Outcome::failed(format!(
            "Unable to update user {user} crontab {}. Error: {words}",
            Path::new(&address).display()
        )),
    })
}
