//! `host`: names in the table of host names.

use std::net::IpAddr;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::hosts::{Entry, Hosts};

/// The rows of `host`.
pub const STATES: &[State] = &[
    State {
        name: "host.present",
        signature: "name, ip, comment='', clean=False",
        doc: "Ensure that a name belongs to these addresses; with ``clean`` to no others.",
        run: present,
    },
    State {
        name: "host.absent",
        signature: "name, ip",
        doc: "Ensure that a name does not belong to these addresses.",
        run: absent,
    },
    State {
        name: "host.only",
        signature: "name, hostnames",
        doc: "Ensure that an address, the name of this state, has just these names.",
        run: only,
    },
];

type Done = Result<Outcome, Error>;

fn hosts(ctx: &Context) -> Hosts {
    Hosts::configured(&ctx.settings.opts)
}

fn told(hosts: &Hosts) -> impl Fn(std::io::Error) -> Error {
    move |e| Error::execution(format!("{}: {e}", hosts.path().display()))
}

fn addresses(run: &Run<'_>) -> Vec<String> {
    match run.args.get("ip") {
        Value::List(list) => list.iter().map(python::text).collect(),
        one => vec![python::text(one)],
    }
}

/// What happened, as it piles up.
struct Report {
    out: Outcome,
    comments: Vec<String>,
}

impl Report {
    /// One more change, under a heading and an address.
    fn change(&mut self, heading: &str, address: &str, what: &str) {
        let places = self
            .out
            .changes
            .entry(heading.into())
            .or_insert_with(|| Map::new().into());
        if let Value::Map(places) = places
            && let Value::List(list) = places
                .entry(address.into())
                .or_insert_with(|| Value::List(Vec::new()))
        {
            list.push(what.into());
        }
    }
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, comment) = (run.args.text("name")?, run.args.text("comment")?);
    let (hosts, wanted) = (hosts(ctx), addresses(run));
    let table = hosts.read().map_err(told(&hosts))?;
    let mut report = Report {
        out: Outcome::unchanged(""),
        comments: Vec::new(),
    };
    let (mut add, mut describe, mut remove) = (Vec::new(), Vec::new(), Vec::new());
    for ip in wanted.iter().filter(|ip| !table.contains_key(*ip)) {
        add.push(ip.clone());
        if !comment.is_empty() {
            describe.push(ip.clone());
        }
    }
    let mut warnings = Vec::new();
    for (ip, entry) in &table {
        let Entry::Names(names) = entry else { continue };
        let named = names.aliases.contains(&name);
        match (wanted.contains(ip), named) {
            (false, true) if run.args.flag("clean") => remove.push(ip.clone()),
            (false, true) => warnings.push(format!(
                "Host {name} present for IP address {ip}. To get rid of this warning, either run this state with 'clean' set to True to remove {name} from {ip}, or add {ip} to the 'ip' argument."
            )),
            (false, false) => {}
            (true, true) if !comment.is_empty() && names.comment.as_ref() != Some(&comment) => {
                describe.push(ip.clone());
            }
            (true, true) => report
                .comments
                .push(format!("Host {name} ({ip}) already present")),
            (true, false) if ip.parse::<IpAddr>().is_ok() => {
                add.push(ip.clone());
                if !comment.is_empty() {
                    describe.push(ip.clone());
                }
            }
            (true, false) => {
                report.out.result = Some(false);
                report
                    .comments
                    .push(format!("Invalid IP Address for {name} ({ip})"));
            }
        }
    }
    if !warnings.is_empty() {
        report.out.extra.insert("warnings".into(), warnings.into());
    }
    for ip in add {
        if run.test {
            report.out.result = None;
            report
                .comments
                .push(format!("Host {name} ({ip}) would be added"));
        } else {
            hosts.add(&ip, &name).map_err(told(&hosts))?;
            report.comments.push(format!("Added host {name} ({ip})"));
        }
        report.change("added", &ip, &name);
    }
    for ip in describe {
        if run.test {
            report
                .comments
                .push(format!("Comment for {ip} ({comment}) would be added"));
        } else if hosts.set_comment(&ip, &comment).map_err(told(&hosts))? {
            report
                .comments
                .push(format!("Set comment for host {ip} ({comment})"));
        } else {
            report.out.result = Some(false);
            report
                .comments
                .push(format!("Failed to add comment for host {ip} ({comment})"));
            continue;
        }
        report.change("comment_added", &ip, &comment);
    }
    for ip in remove {
        if run.test {
            report.out.result = None;
            report
                .comments
                .push(format!("Host {name} ({ip}) would be removed"));
        } else {
            hosts.remove(&ip, &name).map_err(told(&hosts))?;
            report.comments.push(format!("Removed host {name} ({ip})"));
        }
        report.change("removed", &ip, &name);
    }
    report.out.comment = report.comments.join("\n");
    Ok(report.out)
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, hosts) = (run.args.text("name")?, hosts(ctx));
    let mut out = Outcome::would(Map::new(), "");
    let mut comments = Vec::new();
    for ip in addresses(run) {
        if !hosts.has(&ip, &name).map_err(told(&hosts))? {
            out.result = Some(true);
            comments.push(format!("Host {name} ({ip}) already absent"));
        } else if run.test {
            comments.push(format!("Host {name} ({ip}) needs to be removed"));
        } else {
            hosts.remove(&ip, &name).map_err(told(&hosts))?;
            out.changes = map! { "host" => name.as_str() };
            out.result = Some(true);
            comments.push(format!("Removed host {name} ({ip})"));
        }
    }
    out.comment = comments.join("\n");
    Ok(out)
}

fn only(ctx: &Context, run: &Run<'_>) -> Done {
    let (ip, hosts) = (run.args.text("name")?, hosts(ctx));
    let new: Vec<String> = match run.args.get("hostnames") {
        Value::List(list) => list
            .iter()
            .map(|n| python::text(n).trim().to_owned())
            .collect(),
        one => vec![python::text(one).trim().to_owned()],
    };
    let new = new.join(" ");
    let old = hosts.names(&ip).map_err(told(&hosts))?;
    let old = old.map(|n| n.aliases.join(" ")).unwrap_or_default();
    if old == new {
        return Ok(Outcome::unchanged(format!(
            "IP address {ip} already set to \"{new}\""
        )));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Would change {ip} from \"{old}\" to \"{new}\""),
        ));
    }
    hosts.set(&ip, &new, None).map_err(told(&hosts))?;
    let comment = format!("successfully changed {ip} from \"{old}\" to \"{new}\"");
    Ok(Outcome::changed(
        map! { ip.as_str() => map! { "old" => old, "new" => new } },
        comment,
    ))
}
