//! `hosts`: the table of host names.

use std::io;

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::hosts::{Entry, Hosts};

/// The rows of `hosts`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "hosts.add_host",
        "ip, alias",
        |ctx, args| told(ctx, |h| h
            .add(&text(args, "ip"), &text(args, "alias"))
            .map(|()| true)),
        "Give an address one more name.",
        "salt '*' hosts.add_host <ip> <alias>"
    ),
    row!(
        "hosts.get_alias",
        "ip",
        |ctx, args| {
            let names = read(ctx, |h| h.names(&text(args, "ip")))?;
            Ok(names.map(|n| n.aliases).unwrap_or_default().into())
        },
        "Return the names of an address.",
        "salt '*' hosts.get_alias <ip addr>"
    ),
    row!(
        "hosts.get_ip",
        "host",
        get_ip,
        "Return the address of a name; blank when there is none.",
        "salt '*' hosts.get_ip <hostname>"
    ),
    row!(
        "hosts.has_pair",
        "ip, alias",
        has_pair,
        "Whether an address has this name, or all of these.",
        "salt '*' hosts.has_pair <ip> <alias>"
    ),
    row!(
        "hosts.list_hosts",
        "",
        list_hosts,
        "Return the whole table.",
        "salt '*' hosts.list_hosts"
    ),
    row!(
        "hosts.rm_host",
        "ip, alias",
        |ctx, args| told(ctx, |h| h
            .remove(&text(args, "ip"), &text(args, "alias"))
            .map(|()| true)),
        "Take a name from an address.",
        "salt '*' hosts.rm_host <ip> <alias>"
    ),
    row!(
        "hosts.set_comment",
        "ip, comment",
        |ctx, args| told(ctx, |h| h
            .set_comment(&text(args, "ip"), &text(args, "comment"))),
        "Set the comment of an address.",
        "salt '*' hosts.set_comment <ip> <comment>"
    ),
    row!(
        "hosts.set_host",
        "ip, alias, comment=None",
        |ctx, args| {
            let comment = args.opt_text("comment")?;
            told(ctx, |h| {
                let (ip, alias) = (text(args, "ip"), text(args, "alias"));
                h.set(&ip, &alias, comment.as_deref()).map(|()| true)
            })
        },
        "Set all names of an address; a blank one removes it.",
        "salt '*' hosts.set_host <ip> <alias>"
    ),
];

fn text(args: &Args, key: &str) -> String {
    python::text(args.get(key))
}

fn hosts(ctx: &Context) -> Hosts {
    Hosts::configured(&ctx.settings.opts)
}

fn read<T>(ctx: &Context, ask: impl FnOnce(&Hosts) -> io::Result<T>) -> Result<T> {
    let hosts = hosts(ctx);
    ask(&hosts).map_err(|e| Error::execution(format!("{}: {e}", hosts.path().display())))
}

fn told(ctx: &Context, change: impl FnOnce(&Hosts) -> io::Result<bool>) -> Result {
    read(ctx, change).map(Value::Bool)
}

fn list_hosts(ctx: &Context, _: &Args) -> Result {
    let mut all = Map::new();
    for (key, entry) in read(ctx, Hosts::read)? {
        let value = match entry {
            Entry::Comment(line) => Value::from(vec![line]),
            Entry::Names(names) => {
                let mut map = map! { "aliases" => names.aliases };
                if let Some(comment) = names.comment {
                    map.insert("comment".into(), comment.into());
                }
                map.into()
            }
        };
        all.insert(key.into(), value);
    }
    Ok(all.into())
}

fn get_ip(ctx: &Context, args: &Args) -> Result {
    let host = text(args, "host");
    let table = read(ctx, Hosts::read)?;
    let found = table.into_iter().find(|(_, entry)| match entry {
        Entry::Names(names) => names.aliases.contains(&host),
        Entry::Comment(_) => false,
    });
    Ok(found.map(|(ip, _)| ip).unwrap_or_default().into())
}

fn has_pair(ctx: &Context, args: &Args) -> Result {
    let names = read(ctx, |h| h.names(&text(args, "ip")))?;
    let has = |alias: &Value| {
        names
            .as_ref()
            .is_some_and(|n| n.aliases.contains(&python::text(alias)))
    };
    Ok(match args.get("alias") {
        Value::List(all) => names.is_some() && all.iter().all(has),
        one => has(one),
    }
    .into())
}
