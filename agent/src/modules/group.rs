//! `group`: groups and who is in them.

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::user::{self, GroupInfo};

/// The rows of `group`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "group.add",
        "name, gid=None, system=False, root=None, non_unique=False, local=False",
        add,
        "Add a group.",
        "salt '*' group.add foo 3456"
    ),
    row!(
        "group.adduser",
        "name, username, root=None",
        |ctx, args| run(
            ctx,
            args,
            &[
                "gpasswd",
                "--add",
                &args.text("username")?,
                &args.text("name")?
            ]
        ),
        "Put an account into a group.",
        "salt '*' group.adduser foo bar"
    ),
    row!(
        "group.chgid",
        "name, gid, root=None, non_unique=False",
        chgid,
        "Change the number of a group.",
        "salt '*' group.chgid foo 4376"
    ),
    row!(
        "group.delete",
        "name, root=None, local=False",
        |ctx, args| run(ctx, args, &["groupdel", &args.text("name")?]),
        "Delete a group.",
        "salt '*' group.delete foo"
    ),
    row!(
        "group.deluser",
        "name, username, root=None",
        deluser,
        "Take an account out of a group.",
        "salt '*' group.deluser foo bar"
    ),
    row!(
        "group.getent",
        "refresh=False, root=None",
        |_, args| {
            plain(args)?;
            let all = user::all_groups();
            Ok(Value::List(all.iter().map(|g| shown(g).into()).collect()))
        },
        "Return all groups.",
        "salt '*' group.getent"
    ),
    row!(
        "group.info",
        "name, root=None",
        |_, args| {
            plain(args)?;
            let group = user::group(&args.text("name")?);
            Ok(group.map_or_else(Map::new, |g| shown(&g)).into())
        },
        "Return a group; nothing when there is none.",
        "salt '*' group.info foo"
    ),
    row!(
        "group.members",
        "name, members_list, root=None",
        |ctx, args| {
            let members = match args.get("members_list") {
                Value::List(list) => list.iter().map(python::text).collect::<Vec<_>>().join(","),
                text => python::text(text),
            };
            run(
                ctx,
                args,
                &["gpasswd", "--members", &members, &args.text("name")?],
            )
        },
        "Set who is in a group.",
        "salt '*' group.members foo 'user1,user2,user3,...'"
    ),
];

/// Groups of another root, and those of libuser, are not dealt with.
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

fn shown(group: &GroupInfo) -> Map {
    map! {
        "name" => group.name.as_str(), "passwd" => group.passwd.as_str(),
        "gid" => u64::from(group.gid), "members" => group.members.clone(),
    }
}

fn run(ctx: &Context, args: &Args, argv: &[&str]) -> Result {
    plain(args)?;
    let out =
        user::change(&ctx.host, argv.iter().copied(), &[], &ctx.job.cancel).map_err(|_| {
            let program = argv.first().copied().unwrap_or_default();
            Error::execution(format!("Command '{program}' cannot be found"))
        })?;
    Ok((out.retcode == 0).into())
}

fn add(ctx: &Context, args: &Args) -> Result {
    let (name, gid) = (args.text("name")?, args.opt_text("gid")?);
    let mut argv = vec!["groupadd"];
    if let Some(gid) = gid.as_deref().filter(|g| !g.is_empty() && *g != "0") {
        argv.extend(["-g", gid]);
        if args.flag("non_unique") {
            argv.push("-o");
        }
    }
    if args.flag("system") {
        argv.push("-r");
    }
    argv.push(&name);
    run(ctx, args, &argv)
}

fn chgid(ctx: &Context, args: &Args) -> Result {
    plain(args)?;
    let (name, gid) = (args.text("name")?, args.text("gid")?);
    let has = || user::group(&name).map(|g| g.gid.to_string() == gid);
    match has() {
        None => return Ok(false.into()),
        Some(true) => return Ok(true.into()),
        Some(false) => {}
    }
    let flag = if args.flag("non_unique") { "-og" } else { "-g" };
    run(ctx, args, &["groupmod", flag, &gid, &name])?;
    Ok((has() == Some(true)).into())
}

fn deluser(ctx: &Context, args: &Args) -> Result {
    plain(args)?;
    let (name, member) = (args.text("name")?, args.text("username")?);
    match user::group(&name) {
        Some(group) if group.members.contains(&member) => {
            run(ctx, args, &["gpasswd", "--del", &member, &name])
        }
        _ => Ok(true.into()),
    }
}
