//! `user`: accounts.

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::user::{self, Account};

/// The rows of `user`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "user.add",
        "name, uid=None, gid=None, groups=None, home=None, shell=None, unique=True, system=False, fullname='', roomnumber='', workphone='', homephone='', other='', createhome=True, loginclass=None, nologinit=False, root=None, usergroup=None, local=False",
        add,
        "Add an account.",
        "salt '*' user.add name <uid> <gid> <groups> <home> <shell>"
    ),
    row!(
        "user.chfullname",
        "name, fullname, root=None",
        |ctx, args| describe(ctx, args, 0, "fullname"),
        "Change the full name of an account.",
        "salt '*' user.chfullname foo \"Foo Bar\""
    ),
    row!(
        "user.chgid",
        "name, gid, root=None",
        |ctx, args| change(ctx, args, "gid", "-g"),
        "Change the own group of an account.",
        "salt '*' user.chgid foo 4376"
    ),
    row!(
        "user.chgroups",
        "name, groups, append=False, root=None",
        chgroups,
        "Set the further groups of an account, or add some.",
        "salt '*' user.chgroups foo wheel,root"
    ),
    row!(
        "user.chhome",
        "name, home, persist=False, root=None",
        |ctx, args| change(ctx, args, "home", "-d"),
        "Change the home of an account; with ``persist`` its content moves, too.",
        "salt '*' user.chhome foo /home/users/foo True"
    ),
    row!(
        "user.chhomephone",
        "name, homephone, root=None",
        |ctx, args| describe(ctx, args, 3, "homephone"),
        "Change the home phone of an account.",
        "salt '*' user.chhomephone foo 7735551234"
    ),
    row!(
        "user.chother",
        "name, other, root=None",
        |ctx, args| describe(ctx, args, 4, "other"),
        "Change what else is told of an account.",
        "salt '*' user.chother foobar"
    ),
    row!(
        "user.chroomnumber",
        "name, roomnumber, root=None",
        |ctx, args| describe(ctx, args, 1, "roomnumber"),
        "Change the room number of an account.",
        "salt '*' user.chroomnumber foo 123"
    ),
    row!(
        "user.chshell",
        "name, shell, root=None",
        |ctx, args| change(ctx, args, "shell", "-s"),
        "Change the login shell of an account.",
        "salt '*' user.chshell foo /bin/zsh"
    ),
    row!(
        "user.chuid",
        "name, uid, root=None",
        |ctx, args| change(ctx, args, "uid", "-u"),
        "Change the number of an account.",
        "salt '*' user.chuid foo 4376"
    ),
    row!(
        "user.chworkphone",
        "name, workphone, root=None",
        |ctx, args| describe(ctx, args, 2, "workphone"),
        "Change the work phone of an account.",
        "salt '*' user.chworkphone foo 7735550123"
    ),
    row!(
        "user.delete",
        "name, remove=False, force=False, root=None, local=False",
        delete,
        "Delete an account, on wish with its files.",
        "salt '*' user.delete name remove=True force=True"
    ),
    row!(
        "user.getent",
        "refresh=False, root=None",
        |_, args| {
            plain(args)?;
            let all = user::all_accounts();
            Ok(Value::List(all.iter().map(|a| shown(a).into()).collect()))
        },
        "Return all accounts.",
        "salt '*' user.getent"
    ),
    row!(
        "user.info",
        "name, root=None",
        |_, args| {
            plain(args)?;
            let account = user::account(&args.text("name")?);
            Ok(account.map_or_else(Map::new, |a| shown(&a)).into())
        },
        "Return an account; nothing when there is none.",
        "salt '*' user.info root"
    ),
    row!(
        "user.list_groups",
        "name",
        |_, args| {
            let account = user::account(&args.text("name")?);
            Ok(account.map(|a| a.groups).unwrap_or_default().into())
        },
        "List the groups of an account.",
        "salt '*' user.list_groups foo"
    ),
    row!(
        "user.list_users",
        "root=None",
        |_, args| {
            plain(args)?;
            let mut names: Vec<_> = user::all_accounts().into_iter().map(|a| a.name).collect();
            names.sort();
            Ok(names.into())
        },
        "List the names of all accounts.",
        "salt '*' user.list_users"
    ),
    row!(
        "user.primary_group",
        "name",
        |_, args| {
            let account = user::account(&args.text("name")?);
            let group = account.and_then(|a| user::group_by_gid(a.gid));
            Ok(group.map(|g| g.name).unwrap_or_default().into())
        },
        "Return the name of an account's own group.",
        "salt '*' user.primary_group saltadmin"
    ),
    row!(
        "user.rename",
        "name, new_name, root=None",
        rename,
        "Give an account another name.",
        "salt '*' user.rename name new_name"
    ),
];

/// Accounts of another root, and those of libuser, are not dealt with.
fn plain(args: &Args) -> Result<()> {
    for argument in ["root", "local"] {
        if args.flag(argument) {
            return Err(Error::invocation(format!(
                "The argument '{argument}' is not supported by this agent"
            )));
        }
    }
    Ok(())
}

fn shown(account: &Account) -> Map {
    let [fullname, roomnumber, workphone, homephone, other] = account.gecos.clone();
    map! {
        "gid" => u64::from(account.gid), "groups" => account.groups.clone(),
        "home" => account.home.as_str(), "name" => account.name.as_str(),
        "passwd" => account.passwd.as_str(), "shell" => account.shell.as_str(),
        "uid" => u64::from(account.uid), "fullname" => fullname, "roomnumber" => roomnumber,
        "workphone" => workphone, "homephone" => homephone, "other" => other,
    }
}

fn run(ctx: &Context, argv: &[&str]) -> Result<(i32, String)> {
    let out =
        user::change(&ctx.host, argv.iter().copied(), &[], &ctx.job.cancel).map_err(|_| {
            let program = argv.first().copied().unwrap_or_default();
            Error::execution(format!("Command '{program}' cannot be found"))
        })?;
    Ok((
        out.retcode,
        String::from_utf8_lossy(&out.stderr).into_owned(),
    ))
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        text => python::text(text).split(',').map(str::to_owned).collect(),
    }
}

fn add(ctx: &Context, args: &Args) -> Result {
    plain(args)?;
    let (name, groups) = (args.text("name")?, list(args.get("groups")));
    let text =
        |key: &str| -> Result<Option<String>> { Ok(args.opt_text(key)?.filter(|t| !t.is_empty())) };
    let (shell, uid, gid, home) = (text("shell")?, text("uid")?, text("gid")?, text("home")?);
    let mut argv = vec!["useradd"];
    for (flag, value) in [("-s", &shell), ("-u", &uid), ("-g", &gid)] {
        if let Some(value) = value {
            argv.extend([flag, value]);
        }
    }
    // A group of the account's own name that is already there becomes its own group.
    if gid.is_none() && args.flag("usergroup") {
        argv.push("-U");
    } else if gid.is_none() && groups.contains(&name) && user::group(&name).is_some() {
        argv.extend(["-g", &name]);
    }
    if args.get("usergroup") == &Value::Bool(false) {
        argv.push("-N");
    }
    argv.push(if args.flag("createhome") { "-m" } else { "-M" });
    if args.flag("nologinit") {
        argv.push("-l");
    }
    if let Some(home) = &home {
        argv.extend(["-d", home]);
    }
    if !args.flag("unique") {
        argv.push("-o");
    }
    if args.flag("system") {
        argv.push("-r");
    }
    argv.push(&name);
    if run(ctx, &argv)?.0 != 0 {
        return Ok(false.into());
    }
    if !groups.is_empty() {
        set_groups(ctx, &name, &groups, false)?;
    }
    for (at, key) in ["fullname", "roomnumber", "workphone", "homephone", "other"]
        .into_iter()
        .enumerate()
    {
        if args.flag(key) {
            set_part(ctx, &name, at, &args.text(key)?)?;
        }
    }
    Ok(true.into())
}

fn delete(ctx: &Context, args: &Args) -> Result {
    plain(args)?;
    let name = args.text("name")?;
    let mut argv = vec!["userdel"];
    if args.flag("remove") {
        argv.push("-r");
    }
    if args.flag("force") {
        argv.push("-f");
    }
    argv.push(&name);
    let (code, complaint) = run(ctx, &argv)?;
    // Debian complains of a mail spool that is not there.
    let no_mail =
        code == 12 && (complaint.contains("var/mail") || complaint.contains("var/spool/mail"));
    Ok((code == 0 || no_mail).into())
}

fn existing(name: &str) -> Result<Account> {
    user::account(name).ok_or_else(|| Error::execution(format!("User '{name}' does not exist")))
}

fn change(ctx: &Context, args: &Args, key: &str, flag: &str) -> Result {
    plain(args)?;
    let name = args.text("name")?;
    let before = shown(&existing(&name)?);
    let wanted = args.get(key);
    if before.get(key) == Some(wanted) {
        return Ok(true.into());
    }
    let value = python::text(wanted);
    let mut argv = vec!["usermod"];
    if args.flag("persist") {
        argv.push("-m");
    }
    argv.extend([flag, &value, &name]);
    run(ctx, &argv)?;
    let after = user::account(&name).map(|a| shown(&a));
    Ok(after.is_some_and(|a| a.get(key) == Some(wanted)).into())
}

fn describe(ctx: &Context, args: &Args, at: usize, key: &str) -> Result {
    plain(args)?;
    let value = match args.get(key) {
        Value::Null => String::new(),
        other => python::text(other),
    };
    Ok(set_part(ctx, &args.text("name")?, at, &value)?.into())
}

/// Sets one of the five parts of an account's description.
fn set_part(ctx: &Context, name: &str, at: usize, value: &str) -> Result<bool> {
    let mut parts = existing(name)?.gecos;
    if parts[at] == value {
        return Ok(true);
    }
    parts[at] = value.to_owned();
    let joined = parts.join(",");
    run(ctx, &["usermod", "-c", joined.trim_end_matches(','), name])?;
    Ok(existing(name)?.gecos[at] == value)
}

fn chgroups(ctx: &Context, args: &Args) -> Result {
    plain(args)?;
    let groups = list(args.get("groups"));
    Ok(set_groups(ctx, &args.text("name")?, &groups, args.flag("append"))?.into())
}

fn set_groups(ctx: &Context, name: &str, groups: &[String], append: bool) -> Result<bool> {
    let now = user::account(name).map(|a| a.groups).unwrap_or_default();
    if groups.iter().all(|g| now.contains(g)) && now.iter().all(|g| groups.contains(g)) {
        return Ok(true);
    }
    let joined = groups.join(",");
    let mut argv = vec!["usermod"];
    if append {
        argv.push("-a");
    }
    argv.extend(["-G", &joined, name]);
    let (code, complaint) = run(ctx, &argv)?;
    if code != 0 && complaint.contains("not found in") {
        // An account of a directory service is not in the file.
        let mut fine = true;
        for group in groups {
            fine &= run(ctx, &["gpasswd", "-a", name, group])?.0 == 0;
        }
        return Ok(fine);
    }
    Ok(code == 0)
}

fn rename(ctx: &Context, args: &Args) -> Result {
    plain(args)?;
    let (name, new) = (args.text("name")?, args.text("new_name")?);
    if user::account(&new).is_some() {
        return Err(Error::execution(format!("User '{new}' already exists")));
    }
    existing(&name)?;
    run(ctx, &["usermod", "-l", &new, &name])?;
    // As with Salt, which looks for the new name under the old one.
    Ok(user::account(&name).is_some_and(|a| a.name == new).into())
}
