//! `group`: groups and who is in them.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::user::{self, GroupInfo};

/// The rows of `group`.
pub const STATES: &[State] = &[
    State {
        name: "group.present",
        signature: "name, gid=None, system=False, addusers=None, delusers=None, members=None, non_unique=False, local=False",
        doc: "Ensure that a group is there, with this number and these members.",
        run: present,
    },
    State {
        name: "group.absent",
        signature: "name, local=False",
        doc: "Ensure that a group is not there.",
        run: absent,
    },
];

type Done = Result<Outcome, Error>;

fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => None,
        Value::List(list) => Some(list.iter().map(python::text).collect()),
        other => Some(vec![python::text(other)]),
    }
}

fn info_map(info: &GroupInfo) -> Map {
    map! {
        "name" => info.name.as_str(), "passwd" => info.passwd.as_str(),
        "gid" => u64::from(info.gid), "members" => info.members.clone(),
    }
}

struct Wanted {
    gid: Option<u32>,
    add: Vec<String>,
    remove: Vec<String>,
    members: Option<Vec<String>>,
}

impl Wanted {
    /// What differs, by Salt's names for it.
    fn changes(&self, now: &GroupInfo) -> Map {
        let mut changes = Map::new();
        if let Some(gid) = self.gid.filter(|g| *g != 0 && *g != now.gid) {
            changes.insert("gid".into(), u64::from(gid).into());
        }
        if let Some(members) = &self.members {
            let same = members.iter().all(|m| now.members.contains(m))
                && now.members.iter().all(|m| members.contains(m));
            if !same {
                if members.is_empty() {
                    changes.insert("delusers".into(), now.members.clone().into());
                } else {
                    changes.insert("members".into(), members.clone().into());
                }
            }
        }
        let of = |list: &[String], present: bool| -> Vec<String> {
            list.iter()
                .filter(|u| now.members.contains(u) == present)
                .cloned()
                .collect()
        };
        let add = of(&self.add, false);
        if !add.is_empty() {
            changes.insert("addusers".into(), add.into());
        }
        let remove = of(&self.remove, true);
        if !remove.is_empty() {
            changes.insert("delusers".into(), remove.into());
        }
        changes
    }
}

fn call(ctx: &Context, argv: Vec<String>) -> Result<bool, Error> {
    let program = argv.first().cloned().unwrap_or_default();
    user::change(&ctx.host, argv, &[], &ctx.job.cancel)
        .map(|out| out.retcode == 0)
        .map_err(|_| Error::execution(format!("Command '{program}' cannot be found")))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let name = args.text("name")?;
    let (add, remove, members) = (
        names(args.get("addusers")),
        names(args.get("delusers")),
        names(args.get("members")),
    );
    let conflict = |text: &str| {
        Ok(Outcome {
            result: None,
            comment: text.to_owned(),
            ..Outcome::default()
        })
    };
    if members.is_some() && (add.is_some() || remove.is_some()) {
        return conflict(
            "Error: Conflicting options \"members\" with \"addusers\" and/or \"delusers\" can not be used together. ",
        );
    }
    let wanted = Wanted {
        gid: match args.get("gid") {
            Value::Null => None,
            other => match python::text(other).parse() {
                Ok(gid) => Some(gid),
                Err(_) => return Ok(Outcome::failed("Invalid gid")),
            },
        },
        add: add.unwrap_or_default(),
        remove: remove.unwrap_or_default(),
        members,
    };
    if wanted.add.iter().any(|u| wanted.remove.contains(u)) {
        return conflict("Error. Same user(s) can not be added and deleted simultaneously");
    }
    match user::group(&name) {
        Some(now) => update(ctx, run, &name, &wanted, &now),
        None if run.test => Ok(Outcome::would(
            Map::new(),
            format!("Group {name} set to be added"),
        )),
        None => create(ctx, run, &name, &wanted),
    }
}

fn update(ctx: &Context, run: &Run<'_>, name: &str, wanted: &Wanted, now: &GroupInfo) -> Done {
    let changes = wanted.changes(now);
    if changes.is_empty() {
        return Ok(Outcome::unchanged(format!(
            "Group {name} is present and up to date"
        )));
    }
    let mut comment = "The following group attributes are set to be changed:\n".to_owned();
    for (key, value) in &changes {
        comment += &format!("{}: {}\n", python::text(key), python::text(value));
    }
    if run.test {
        return Ok(Outcome::would(Map::new(), comment));
    }
    for (key, value) in &changes {
        let list = names(value).unwrap_or_default();
        match key.as_str() {
            Some("gid") => {
                let flag = if run.args.flag("non_unique") {
                    "-og"
                } else {
                    "-g"
                };
                call(ctx, words(&["groupmod", flag, &python::text(value), name]))?;
            }
            Some("addusers") => {
                for member in &list {
                    call(ctx, words(&["gpasswd", "--add", member, name]))?;
                }
            }
            Some("delusers") => {
                for member in &list {
                    call(ctx, words(&["gpasswd", "--del", member, name]))?;
                }
            }
            _ => {
                call(ctx, words(&["gpasswd", "--members", &list.join(","), name]))?;
            }
        }
    }
    let left = user::group(name).map_or_else(Map::new, |now| wanted.changes(&now));
    if left.is_empty() {
        return Ok(Outcome::changed(
            map! { "Final" => "All changes applied successfully" },
            comment,
        ));
    }
    Ok(Outcome {
        changes: map! { "Failed" => left },
        ..Outcome::failed(comment + "Some changes could not be applied")
    })
}

fn create(ctx: &Context, run: &Run<'_>, name: &str, wanted: &Wanted) -> Done {
    let non_unique = run.args.flag("non_unique");
    if let Some(gid) = wanted.gid
        && !non_unique
        && let Some(taken) = user::group_by_gid(gid)
    {
        return Ok(Outcome::failed(format!(
            "Group {name} is not present but gid {gid} is already taken by group {}",
            taken.name
        )));
    }
    let mut argv = words(&["groupadd"]);
    if let Some(gid) = wanted.gid.filter(|g| *g != 0) {
        argv.extend(["-g".to_owned(), gid.to_string()]);
        if non_unique {
            argv.push("-o".into());
        }
    }
    if run.args.flag("system") {
        argv.push("-r".into());
    }
    argv.push(name.to_owned());
    if !call(ctx, argv)? {
        return Ok(Outcome::failed(format!(
            "Failed to create new group {name}"
        )));
    }
    let members = if wanted.add.is_empty() {
        wanted.members.clone().unwrap_or_default()
    } else {
        wanted.add.clone()
    };
    if !members.is_empty() {
        call(
            ctx,
            words(&["gpasswd", "--members", &members.join(","), name]),
        )?;
    }
    let Some(now) = user::group(name) else {
        return Ok(Outcome::failed(format!(
            "Failed to create new group {name}"
        )));
    };
    let left = wanted.changes(&now);
    if left.is_empty() {
        return Ok(Outcome::changed(
            info_map(&now),
            format!("New group {name} created"),
        ));
    }
    Ok(Outcome {
        changes: map! { "Failed" => left },
        ..Outcome::failed(format!(
            "Group {name} has been created but, some changes could not be applied"
        ))
    })
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    if user::group(&name).is_none() {
        return Ok(Outcome::unchanged("Group not present"));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Group {name} is set for removal"),
        ));
    }
    Ok(if call(ctx, words(&["groupdel", &name]))? {
        Outcome::changed(
            map! { name.as_str() => "" },
            format!("Removed group {name}"),
        )
    } else {
        Outcome::failed(format!("Failed to remove group {name}"))
    })
}
