//! `nftables`: the kernel's packet filter of today.

mod nft;

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Function, clean, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::fs::rewrite;
use crate::host::nftables;
use nft::{Nft, answer};

/// The rows of `nftables`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "nftables.append",
        "table='filter', chain=None, rule=None, family='ipv4'",
        |ctx, args| add(ctx, args, "add"),
        "Add a rule at the end of a chain, unless it is there.",
        "salt '*' nftables.append filter input rule='tcp dport 22 log accept'"
    ),
    row!(
        "nftables.build_rule",
        "table=None, chain=None, command=None, position='', full=None, family='ipv4', **kwargs",
        build_rule,
        "Put a rule together from keyword arguments, or with ``full='True'`` a whole command.",
        "salt '*' nftables.build_rule match=state connstate=RELATED,ESTABLISHED jump=ACCEPT"
    ),
    row!(
        "nftables.check",
        "table='filter', chain=None, rule=None, family='ipv4'",
        |ctx, args| Nft::of(ctx, args)?.check().map(answer),
        "Whether a chain has a rule.",
        "salt '*' nftables.check filter input rule='tcp dport 22 log accept'"
    ),
    row!(
        "nftables.check_chain",
        "table='filter', chain=None, family='ipv4'",
        |ctx, args| Nft::of(ctx, args)?.check_chain().map(answer),
        "Whether a table has a chain.",
        "salt '*' nftables.check_chain filter input"
    ),
    row!(
        "nftables.check_table",
        "table=None, family='ipv4'",
        |ctx, args| Nft::of(ctx, args)?.check_table().map(answer),
        "Whether there is a table.",
        "salt '*' nftables.check_table nat"
    ),
    row!(
        "nftables.delete",
        "table, chain=None, position=None, rule=None, family='ipv4'",
        delete,
        "Delete a rule, told by itself or by the handle that it has.",
        "salt '*' nftables.delete filter input rule='tcp dport 22 log accept'"
    ),
    row!(
        "nftables.delete_chain",
        "table='filter', chain=None, family='ipv4'",
        |ctx, args| chain(ctx, args, false),
        "Delete a chain.",
        "salt '*' nftables.delete_chain filter foo"
    ),
    row!(
        "nftables.delete_table",
        "table, family='ipv4'",
        |ctx, args| table(ctx, args, false),
        "Delete a table.",
        "salt '*' nftables.delete_table filter"
    ),
    row!(
        "nftables.flush",
        "table='filter', chain='', family='ipv4'",
        flush,
        "Delete all rules of a chain, or of a table.",
        "salt '*' nftables.flush filter input"
    ),
    row!(
        "nftables.get_policy",
        "table='filter', chain=None, family='ipv4'",
        |ctx, args| {
            let nft = Nft::of(ctx, args)?;
            if nft.chain.is_empty() {
                return Ok("Error: Chain needs to be specified".into());
            }
            // Salt looks at its own list as if it were a map, finds nothing and says so: whoever has a policy set sets
            // it every time. That is kept, for the state says the same.
            Ok(Value::Null)
        },
        "Return nothing, as Salt does: it cannot tell the policy of a chain.",
        "salt '*' nftables.get_policy filter input"
    ),
    row!(
        "nftables.get_rule_handle",
        "table='filter', chain=None, rule=None, family='ipv4'",
        |ctx, args| {
            let nft = Nft::of(ctx, args)?;
            Ok(match nft.handle()? {
                Ok(handle) => map! { "result" => true, "handle" => handle }.into(),
                Err(told) => answer(told),
            })
        },
        "Return the handle of a rule.",
        "salt '*' nftables.get_rule_handle filter input rule='tcp dport 22 log accept'"
    ),
    row!(
        "nftables.get_rules",
        "family='ipv4'",
        |ctx, args| Ok(Nft::of(ctx, args)?.rules()?.into()),
        "Return the rules of all tables, each as text.",
        "salt '*' nftables.get_rules"
    ),
    row!(
        "nftables.get_rules_json",
        "family='ipv4'",
        |ctx, args| Ok(Value::List(Nft::of(ctx, args)?.ruleset()?)),
        "Return all rules as data.",
        "salt '*' nftables.get_rules_json"
    ),
    row!(
        "nftables.get_saved_rules",
        "conf_file=None",
        |_, args| {
            let file = args.opt_text("conf_file")?.filter(|f| !f.is_empty());
            let file = file.unwrap_or_else(|| SAVED.to_owned());
            let text = fs::read_to_string(&file).map_err(|e| Error::Exception {
                kind: "FileNotFoundError",
                message: python::os_error(Path::new(&file), &e),
            })?;
            let rules = text.split_inclusive('\n').filter(|line| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with('#')
            });
            Ok(Value::List(rules.map(Value::from).collect()))
        },
        "Return the rules of a file.",
        "salt '*' nftables.get_saved_rules"
    ),
    row!(
        "nftables.insert",
        "table='filter', chain=None, position=None, rule=None, family='ipv4'",
        |ctx, args| add(ctx, args, "insert"),
        "Add a rule at the beginning of a chain or before another one, unless it is there.",
        "salt '*' nftables.insert filter input position=3 rule='tcp dport 22 log accept'"
    ),
    row!(
        "nftables.list_tables",
        "family='ipv4'",
        |ctx, args| Ok(Value::List(Nft::of(ctx, args)?.tables()?)),
        "List the tables.",
        "salt '*' nftables.list_tables"
    ),
    row!(
        "nftables.new_chain",
        "table='filter', chain=None, table_type=None, hook=None, priority=None, family='ipv4'",
        |ctx, args| chain(ctx, args, true),
        "Make a chain, with type, hook and priority one that packets come to.",
        "salt '*' nftables.new_chain filter input table_type=filter hook=input priority=0"
    ),
    row!(
        "nftables.new_table",
        "table, family='ipv4'",
        |ctx, args| table(ctx, args, true),
        "Make a table.",
        "salt '*' nftables.new_table filter"
    ),
    row!(
        "nftables.save",
        "filename=None, family='ipv4'",
        save,
        "Write all rules to a file.",
        "salt '*' nftables.save /etc/nftables"
    ),
    row!(
        "nftables.set_policy",
        "table='filter', chain=None, policy=None, family='ipv4'",
        set_policy,
        "Set the policy of a chain that packets come to.",
        "salt '*' nftables.set_policy filter input accept"
    ),
    row!(
        "nftables.version",
        "",
        |ctx, args| {
            let said = Nft::of(ctx, args)?.run(&["--version"])?;
            let word = said.split_whitespace().nth(1).unwrap_or_default();
            Ok(word.into())
        },
        "Return the version of nft.",
        "salt '*' nftables.version"
    ),
];

const SAVED: &str = "/etc/nftables";

fn build_rule(_: &Context, args: &Args) -> Result {
    let family = args.text("family")?;
    let own = nftables::family(&family).ok_or_else(|| Error::key(family.as_str()))?;
    let rule = nftables::rule(&clean(&args.extra), own).map_err(|message| Error::Exception {
        kind: "ValueError",
        message,
    })?;
    let told = |comment: &str, rule: String, result: bool| {
        let map: Map = map! { "comment" => comment, "rule" => rule, "result" => result };
        Ok(map.into())
    };
    let full = matches!(args.get("full").as_str(), Some("True" | "true"));
    let mut rule = rule;
    if full {
        for (key, name) in [
            ("table", "Table"),
            ("chain", "Chain"),
            ("command", "Command"),
        ] {
            if !args.flag(key) {
                return told(&format!("{name} needs to be specified"), rule, false);
            }
        }
        let (table, chain, command) = (
            args.text("table")?,
            args.text("chain")?,
            args.text("command")?,
        );
        let position = python::text(args.get("position"));
        rule = match command.as_str() {
            "Insert" | "insert" | "INSERT" if args.flag("position") => {
                format!("nft insert rule {own} {table} {chain} position {position} {rule}")
            }
            "Insert" | "INSERT" => format!("nft insert rule {own} {table} {chain} {rule}"),
            _ => format!("nft {command} rule {own} {table} {chain} {rule}"),
        };
    }
    let comment = if rule.is_empty() {
        ""
    } else {
        "Successfully built rule"
    };
    told(comment, rule, true)
}

fn add(ctx: &Context, args: &Args, verb: &str) -> Result {
    let nft = Nft::of(ctx, args)?;
    if let Some(told) = nft.lacks(true)? {
        return Ok(answer(told));
    }
    let (rule, chain, table, family) = (&nft.rule, &nft.chain, &nft.table, &nft.family);
    let place = format!("chain {chain} in table {table} in family {family}");
    if nft.check()?.0 {
        return Ok(answer((
            false,
            format!("Rule {rule} {place} already exists"),
        )));
    }
    let mut words = vec![verb, "rule", nft.own, table, chain];
    let position = python::text(args.get("position"));
    if args.flag("position") {
        words.extend(["position", &position]);
    }
    let rule_words = nft.rule_words()?;
    words.extend(rule_words.iter().map(String::as_str));
    let is = nft.run(&words)?.is_empty();
    let word = if is { "Added" } else { "Failed to add" };
    Ok(answer((is, format!("{word} rule \"{rule}\" {place}."))))
}

/// Salt's own puts a whole answer where the handle belongs, and never deletes a rule; this one does.
fn delete(ctx: &Context, args: &Args) -> Result {
    let nft = Nft::of(ctx, args)?;
    let shown = args.opt_text("rule")?.unwrap_or_else(|| "None".to_owned());
    if args.flag("position") && args.flag("rule") {
        let told = "Only specify a position or a rule, not both";
        return Ok(answer((false, told.to_owned())));
    }
    for told in [nft.check_table()?, nft.check_chain()?] {
        if !told.0 {
            return Ok(answer(told));
        }
    }
    let handle = if args.flag("position") {
        python::text(args.get("position"))
    } else {
        match nft.handle()? {
            Ok(handle) => handle,
            Err(_) => {
                return Ok(answer((
                    false,
                    format!(
                        "Rule {shown} {} does not exist",
                        nft.place().replacen("in ", "", 1)
                    ),
                )));
            }
        }
    };
    let words = [
        "delete", "rule", nft.own, &nft.table, &nft.chain, "handle", &handle,
    ];
    let (chain, table, family) = (&nft.chain, &nft.table, &nft.family);
    Ok(answer(if nft.run(&words)?.is_empty() {
        (true, format!("Deleted rule \"{shown}\" {}.", nft.place()))
    } else {
        (
            false,
            format!(
                "Failed to delete rule \"{shown}\" in chain {chain}  table {table} in family {family}"
            ),
        )
    }))
}

fn table(ctx: &Context, args: &Args, wanted: bool) -> Result {
    let nft = Nft::of(ctx, args)?;
    let told = nft.check_table()?;
    if told.0 == wanted || nft.table.is_empty() {
        return Ok(answer(told));
    }
    let (verb, done) = if wanted {
        ("add", "created")
    } else {
        ("delete", "deleted")
    };
    let is = nft.run(&[verb, "table", nft.own, &nft.table])?.is_empty();
    let word = if is {
        done.to_owned()
    } else {
        format!("could not be {done}")
    };
    let (table, family) = (&nft.table, &nft.family);
    Ok(answer((
        is,
        format!("Table {table} in family {family} {word}"),
    )))
}

fn chain(ctx: &Context, args: &Args, wanted: bool) -> Result {
    let nft = Nft::of(ctx, args)?;
    if nft.chain.is_empty() {
        return Ok(answer((false, "Chain needs to be specified".to_owned())));
    }
    let told = nft.check_table()?;
    if !told.0 {
        return Ok(answer(told));
    }
    let there = nft.check_chain()?;
    let place = format!(
        "Chain {} in table {} in family {}",
        nft.chain, nft.table, nft.family
    );
    if wanted && there.0 {
        return Ok(answer((false, format!("{place} already exists"))));
    }
    if !wanted && !there.0 {
        return Ok(answer(there));
    }
    let (verb, done) = if wanted {
        ("add", "created")
    } else {
        ("delete", "deleted")
    };
    let mut words = vec!["--", verb, "chain", nft.own, &nft.table, &nft.chain];
    let given = |key: &str| args.flag(key).then(|| python::text(args.get(key)));
    let (kind, hook) = (given("table_type"), given("hook"));
    let priority = format!("{};", python::text(args.get("priority")));
    match (&kind, &hook) {
        (Some(kind), Some(hook)) => {
            words.extend(["{", "type", kind, "hook", hook, "priority", &priority, "}"]);
        }
        (None, None) if !args.flag("priority") => {}
        _ => {
            let told = "Table_type, hook, and priority required.";
            return Ok(answer((false, told.to_owned())));
        }
    }
    let is = nft.run(&words)?.is_empty();
    let word = if is {
        done.to_owned()
    } else {
        format!("could not be {done}")
    };
    Ok(answer((is, format!("{place} {word}"))))
}

fn flush(ctx: &Context, args: &Args) -> Result {
    let nft = Nft::of(ctx, args)?;
    let told = nft.check_table()?;
    if !told.0 {
        return Ok(answer(told));
    }
    let (chain, table, family) = (&nft.chain, &nft.table, &nft.family);
    let (said, what) = if chain.is_empty() {
        let said = nft.run(&["flush", "table", nft.own, table])?;
        (said, format!("from table {table} in family {family}."))
    } else {
        let told = nft.check_chain()?;
        if !told.0 {
            return Ok(answer(told));
        }
        let said = nft.run(&["flush", "chain", nft.own, table, chain])?;
        (
            said,
            format!("from chain {chain} in table {table} in family {family}."),
        )
    };
    Ok(answer(if said.is_empty() {
        (true, format!("Flushed rules {what}"))
    } else {
        (false, format!("Failed to flush rules {what}"))
    }))
}

fn set_policy(ctx: &Context, args: &Args) -> Result {
    for (key, name) in [("chain", "Chain"), ("policy", "Policy")] {
        if !args.flag(key) {
            return Ok(format!("Error: {name} needs to be specified").into());
        }
    }
    let nft = Nft::of(ctx, args)?;
    let is =
        |about: &Value, key: &str, own: &str| about.get(key).and_then(Value::as_str) == Some(own);
    let all = nft.ruleset()?;
    let mut chains = all.iter().filter_map(|item| item.get("chain"));
    let found = chains.find(|c| is(c, "table", &nft.table) && is(c, "name", &nft.chain));
    let part = |key: &str| found.and_then(|c| c.get(key)).map(python::text);
    let (Some(kind), Some(hook), Some(priority)) = (part("type"), part("hook"), part("prio"))
    else {
        return Ok(false.into());
    };
    let policy = args.text("policy")?;
    let base = format!("{{ type {kind} hook {hook} priority {priority}; policy {policy}; }}");
    let words = ["add", "chain", nft.own, &nft.table, &nft.chain, &base];
    Ok(nft.run(&words)?.is_empty().into())
}

fn save(ctx: &Context, args: &Args) -> Result {
    let file = args.opt_text("filename")?.filter(|f| !f.is_empty());
    let file = file.unwrap_or_else(|| SAVED.to_owned());
    let mut text = "#! nft -f\n".to_owned();
    for own in ["ip", "ip6", "inet", "arp", "bridge", "netdev"] {
        let nft = Nft {
            own,
            ..Nft::of(ctx, args)?
        };
        let rules = nft.rules()?;
        if !rules.is_empty() {
            text.push('\n');
        }
        text += &rules.join("\n");
    }
    text.push('\n');
    let mut path = Path::new(&file).to_path_buf();
    if path.is_dir() {
        path.push("salt-all-in-one.nft");
    }
    rewrite(&path, text.as_bytes(), 0o644).map_err(|e| {
        let why = python::os_error(&path, &e);
        Error::execution(format!("Problem writing to configuration file: {why}"))
    })?;
    Ok(text.into())
}
