//! `user`: accounts, their groups and their properties.

mod shadow;

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::fs::make_dirs;
use crate::host::user::{self, Account};
use crate::host::{password, perms};

/// The rows of `user`.
pub const STATES: &[State] = &[
    State {
        name: "user.present",
        signature: "name, uid=None, gid=None, usergroup=None, groups=None, optional_groups=None, remove_groups=True, home=None, createhome=True, persist_home=False, password=None, hash_password=False, enforce_password=True, empty_password=False, shell=None, unique=True, system=False, fullname=None, roomnumber=None, workphone=None, homephone=None, other=None, loginclass=None, date=None, mindays=None, maxdays=None, inactdays=None, warndays=None, expire=None, nologinit=False, allow_uid_change=False, allow_gid_change=False, password_lock=None, local=False",
        doc: "Ensure that an account is there, with these properties.",
        run: present,
    },
    State {
        name: "user.absent",
        signature: "name, purge=False, force=False, local=False",
        doc: "Ensure that an account is not there; ``purge`` removes its files too.",
        run: absent,
    },
];

type Done = Result<Outcome, Error>;

const GECOS: [&str; 5] = ["fullname", "roomnumber", "workphone", "homephone", "other"];

fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => None,
        Value::List(list) => Some(list.iter().map(python::text).collect()),
        other => Some(python::text(other).split(',').map(str::to_owned).collect()),
    }
}

fn info(account: &Account) -> Map {
    let mut map = map! {
        "gid" => u64::from(account.gid), "groups" => account.groups.clone(),
        "home" => account.home.as_str(), "name" => account.name.as_str(),
        "passwd" => account.passwd.as_str(), "shell" => account.shell.as_str(),
        "uid" => u64::from(account.uid),
    };
    for (key, value) in GECOS.iter().zip(&account.gecos) {
        map.insert((*key).into(), value.as_str().into());
    }
    map
}

struct Wanted<'a> {
    run: &'a Run<'a>,
    name: String,
    groups: Option<Vec<String>>,
    optional: Vec<String>,
    /// The account's own group, by name or number.
    gid: Value,
}

impl Wanted<'_> {
    fn text(&self, key: &str) -> Option<String> {
        let value = self.run.args.get(key);
        (!value.is_null()).then(|| python::text(value))
    }

    fn gid_number(&self) -> Option<u32> {
        match &self.gid {
            Value::Null => None,
            Value::Int(i) => u32::try_from(*i).ok(),
            other => perms::gid_of(&python::text(other)),
        }
    }

    /// What differs, by Salt's names; the error is what must not change.
    fn changes(&self, now: &Account, shadow: &shadow::Wanted<'_>) -> Result<Map, String> {
        let args = self.run.args;
        let mut changes = Map::new();
        let mut errors = Vec::new();
        if let Some(uid) = args.get("uid").as_int().filter(|u| *u != 0)
            && uid != i128::from(now.uid)
        {
            changes.insert("uid".into(), Value::Int(uid));
            if !args.flag("allow_uid_change") {
                errors.push(format!(
                    "Changing uid ({} -> {uid}) not permitted, set allow_uid_change to True to force this change. Note that this will not change file ownership.",
                    now.uid
                ));
            }
        }
        if !self.gid.is_null() && self.gid_number() != Some(now.gid) {
            changes.insert("gid".into(), self.gid.clone());
            if !args.flag("allow_gid_change") {
                errors.push(format!(
                    "Changing gid ({} -> {}) not permitted, set allow_gid_change to True to force this change. Note that this will not change file ownership.",
                    now.gid,
                    python::text(&self.gid)
                ));
            }
        }
        self.group_changes(now, &mut changes);
        if let Some(home) = self.text("home").filter(|h| *h != now.home) {
            changes.insert("home".into(), home.into());
        }
        if args.flag("createhome") {
            let home = self.text("home").unwrap_or_else(|| now.home.clone());
            if !Path::new(&home).is_dir() {
                changes.insert("homeDoesNotExist".into(), home.into());
            }
        }
        if let Some(shell) = self.text("shell").filter(|s| *s != now.shell) {
            changes.insert("shell".into(), shell.into());
        }
        shadow.changes(&mut changes);
        for (key, value) in GECOS.iter().zip(&now.gecos) {
            if let Some(wanted) = self.text(key).filter(|w| w != value) {
                changes.insert((*key).into(), wanted.into());
            }
        }
        if errors.is_empty() {
            return Ok(changes);
        }
        let list: Vec<_> = errors.iter().map(|e| format!("\n- {e}")).collect();
        Err(format!(
            "Encountered error checking for needed changes. Additional info follows:\n{}",
            list.concat()
        ))
    }

    fn group_changes(&self, now: &Account, changes: &mut Map) {
        let remove = self.run.args.flag("remove_groups");
        let given = self.groups.is_some() || !self.optional.is_empty();
        let mut wanted: Vec<String> = self.groups.clone().unwrap_or_default();
        wanted.extend(self.optional.iter().cloned());
        if !remove || !given {
            wanted.extend(now.groups.iter().cloned());
        }
        wanted.sort();
        wanted.dedup();
        let own = perms::group_name(self.gid_number().unwrap_or(now.gid));
        let old_own = perms::group_name(now.gid);
        wanted.retain(|g| *g != own);
        let mut current = now.groups.clone();
        current.retain(|g| *g != own && *g != old_own);
        if !wanted.contains(&self.name) {
            current.retain(|g| *g != self.name);
        }
        let missing = wanted.iter().any(|g| !current.contains(g));
        let surplus = remove && current.iter().any(|g| !wanted.contains(g));
        if missing || surplus {
            changes.insert("groups".into(), wanted.into());
        }
    }
}

fn call(ctx: &Context, argv: &[&str]) -> Result<bool, Error> {
    let program = argv.first().copied().unwrap_or_default().to_owned();
    let argv = argv.iter().map(|a| (*a).to_owned());
    user::change(&ctx.host, argv, &[], &ctx.job.cancel)
        .map(|out| out.retcode == 0)
        .map_err(|_| Error::execution(format!("Command '{program}' cannot be found")))
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let name = args.text("name")?;
    for key in &GECOS[..3] {
        if let Some(text) = args.get(key).as_str().filter(|t| t.contains(',')) {
            return Ok(Outcome::failed(format!("Unsupported char ',' in {text}")));
        }
    }
    let mut groups = list(args.get("groups"));
    let mut pending = Vec::new();
    if let Some(groups) = &mut groups {
        pending = groups
            .iter()
            .filter(|g| user::group(g).is_none())
            .cloned()
            .collect();
        if !pending.is_empty() && !run.test {
            return Ok(Outcome::failed(format!(
                "The following group(s) are not present: {}",
                pending.join(",")
            )));
        }
        groups.retain(|g| !pending.contains(g));
    }
    let mut optional = list(args.get("optional_groups")).unwrap_or_default();
    optional.retain(|g| user::group(g).is_some());
    let wanted = Wanted {
        run,
        gid: if args.flag("usergroup") && user::group(&name).is_some() {
            name.as_str().into()
        } else {
            args.get("gid").clone()
        },
        groups,
        optional,
        name,
    };
    match user::account(&wanted.name) {
        Some(now) => update(ctx, &wanted, &now, &pending),
        None if run.test => {
            let mut comment = format!("User {} set to be added", wanted.name);
            if !pending.is_empty() {
                comment += &format!(" (pending groups: {})", pending.join(","));
            }
            Ok(Outcome::would(Map::new(), comment))
        }
        None => create(ctx, &wanted),
    }
}

fn update(ctx: &Context, wanted: &Wanted<'_>, now: &Account, pending: &[String]) -> Done {
    let run = wanted.run;
    let name = &wanted.name;
    let entry = shadow::Wanted::of(run, name)?;
    let changes = match wanted.changes(now, &entry) {
        Ok(changes) => changes,
        Err(text) => return Ok(Outcome::failed(text)),
    };
    if changes.is_empty() {
        return Ok(Outcome::unchanged(format!(
            "User {name} is present and up to date"
        )));
    }
    if run.test {
        let mut comment = "The following user attributes are set to be changed:\n".to_owned();
        for (key, value) in &changes {
            let value = if key.as_str() == Some("passwd") {
                password::HIDDEN.to_owned()
            } else {
                python::text(value)
            };
            comment += &format!("{}: {value}\n", python::text(key));
        }
        if !pending.is_empty() {
            comment += &format!("groups (pending creation): {}\n", pending.join(","));
        }
        return Ok(Outcome::would(Map::new(), comment));
    }
    let before_entry = shadow::entry(name);
    apply(ctx, wanted, now, &changes, &entry)?;
    let Some(after) = user::account(name) else {
        return Ok(Outcome::failed(format!(
            "User {name} is not there any more"
        )));
    };
    let (before, shown) = (info(now), info(&after));
    let mut changed: Map = shown
        .into_iter()
        .filter(|(k, v)| before.get(k) != Some(v))
        .collect();
    entry.report(before_entry.as_ref(), &mut changed);
    let mut left = wanted.changes(&after, &entry).unwrap_or_default();
    if let Some(hash) = left.get_mut("passwd") {
        *hash = password::HIDDEN.into();
    }
    let mut out = Outcome::changed(changed, format!("Updated user {name}"));
    if out.changes.is_empty() {
        out.comment = format!("User {name} is present and up to date");
    }
    if !left.is_empty() {
        out.comment = format!(
            "These values could not be changed: {}",
            python::repr(&left.into())
        );
        out.result = Some(false);
    }
    Ok(out)
}

fn apply(
    ctx: &Context,
    wanted: &Wanted<'_>,
    now: &Account,
    changes: &Map,
    entry: &shadow::Wanted<'_>,
) -> Result<(), Error> {
    let name = wanted.name.as_str();
    let text = |key: &str| changes.get(key).map(python::text);
    entry.apply_password(ctx, changes)?;
    if let Some(home) = text("home") {
        let mut argv = vec!["usermod", "-d", home.as_str()];
        if wanted.run.args.flag("persist_home") {
            argv.push("-m");
        }
        argv.push(name);
        call(ctx, &argv)?;
    }
    if let Some(home) = text("homeDoesNotExist") {
        let path = Path::new(&home);
        if !path.is_dir() {
            make_dirs(path, 0o755)
                .and_then(|()| perms::chown(path, Some(now.uid), Some(now.gid), true))
                .map_err(|e| Error::execution(format!("{home}: {e}")))?;
        }
    }
    entry.apply_ages(ctx, changes)?;
    for (key, flag) in [("uid", "-u"), ("gid", "-g"), ("shell", "-s")] {
        if let Some(value) = text(key) {
            call(ctx, &["usermod", flag, &value, name])?;
        }
    }
    if GECOS.iter().any(|k| changes.contains_key(*k)) {
        let parts: Vec<_> = GECOS
            .iter()
            .zip(&now.gecos)
            .map(|(key, old)| text(key).unwrap_or_else(|| old.clone()))
            .collect();
        let gecos = parts.join(",");
        call(ctx, &["usermod", "-c", gecos.trim_end_matches(','), name])?;
    }
    if let Some(Value::List(groups)) = changes.get("groups") {
        let groups: Vec<_> = groups.iter().map(python::text).collect();
        let groups = groups.join(",");
        let mut argv = vec!["usermod"];
        if !wanted.run.args.flag("remove_groups") {
            argv.push("-a");
        }
        argv.extend(["-G", groups.as_str(), name]);
        call(ctx, &argv)?;
    }
    Ok(())
}

fn create(ctx: &Context, wanted: &Wanted<'_>) -> Done {
    let args = wanted.run.args;
    let name = wanted.name.as_str();
    let mut groups = wanted.groups.clone().unwrap_or_default();
    groups.extend(wanted.optional.iter().cloned());
    let mut argv: Vec<String> = vec!["useradd".into()];
    for (key, flag) in [("shell", "-s"), ("uid", "-u")] {
        if let Some(value) = wanted.text(key).filter(|v| !v.is_empty()) {
            argv.extend([flag.to_owned(), value]);
        }
    }
    if let Some(gid) = wanted.text("gid").filter(|g| !g.is_empty()) {
        argv.extend(["-g".to_owned(), gid]);
    } else if args.flag("usergroup") {
        argv.push("-U".into());
    } else if groups.iter().any(|g| g == name)
        && let Some(own) = perms::gid_of(name)
    {
        // The group of its own name is there already, and useradd would refuse to make it.
        argv.extend(["-g".to_owned(), own.to_string()]);
    }
    if *args.get("usergroup") == Value::Bool(false) {
        argv.push("-N".into());
    }
    argv.push(if args.flag("createhome") { "-m" } else { "-M" }.into());
    if args.flag("nologinit") {
        argv.push("-l".into());
    }
    if let Some(home) = wanted.text("home") {
        argv.extend(["-d".to_owned(), home]);
    }
    if !args.flag("unique") {
        argv.push("-o".into());
    }
    if args.flag("system") {
        argv.push("-r".into());
    }
    argv.push(name.to_owned());
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let failed = || Ok(Outcome::failed(format!("Failed to create new user {name}")));
    if !call(ctx, &argv)? {
        return failed();
    }
    let has = user::account(name).map(|a| a.groups).unwrap_or_default();
    let all_there =
        groups.iter().all(|g| has.contains(g)) && has.iter().all(|g| groups.contains(g));
    if !groups.is_empty() && !all_there {
        call(ctx, &["usermod", "-G", &groups.join(","), name])?;
    }
    let parts: Vec<_> = GECOS
        .iter()
        .map(|key| wanted.text(key).unwrap_or_default())
        .collect();
    let gecos = parts.join(",");
    if !gecos.trim_end_matches(',').is_empty() {
        call(ctx, &["usermod", "-c", gecos.trim_end_matches(','), name])?;
    }
    let Some(account) = user::account(name) else {
        return failed();
    };
    let mut out = Outcome::changed(info(&account), format!("New user {name} created"));
    if !args.flag("createhome") {
        out.changes.insert("home".into(), "".into());
    }
    shadow::Wanted::of(wanted.run, name)?.create(ctx, &mut out)?;
    Ok(out)
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    let Some(account) = user::account(&name) else {
        return Ok(Outcome::unchanged(format!("User {name} is not present")));
    };
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("User {name} set for removal"),
        ));
    }
    let mut argv = vec!["userdel"];
    if run.args.flag("purge") {
        argv.push("-r");
    }
    if run.args.flag("force") {
        argv.push("-f");
    }
    argv.push(&name);
    call(ctx, &argv)?;
    // Its exit code also tells of a mail box that was never there.
    if user::account(&name).is_some() {
        return Ok(Outcome::failed(format!("Failed to remove user {name}")));
    }
    let mut changes = map! { name.as_str() => "removed" };
    for group in account.groups.iter().filter(|g| user::group(g).is_none()) {
        changes.insert(format!("{group} group").into(), "removed".into());
    }
    Ok(Outcome::changed(changes, format!("Removed user {name}")))
}
