//! `iptables`: the kernel's packet filter.

use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Function, clean, python_int, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::iptables::{self, Iptables};

/// The rows of `iptables`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "iptables.append",
        "table='filter', chain=None, rule=None, family='ipv4'",
        append,
        "Add a rule at the end of a chain, unless it is there.",
        "salt '*' iptables.append filter INPUT rule='-m state --state RELATED,ESTABLISHED -j ACCEPT'"
    ),
    row!(
        "iptables.build_rule",
        "table='filter', chain=None, command=None, position='', full=None, family='ipv4', **kwargs",
        build_rule,
        "Put a rule together from keyword arguments, or with ``full`` a whole command.",
        "salt '*' iptables.build_rule match=state connstate=RELATED,ESTABLISHED jump=ACCEPT"
    ),
    row!(
        "iptables.check",
        "table='filter', chain=None, rule=None, family='ipv4'",
        |ctx, args| {
            let (Some(chain), Some(rule)) = (text(args, "chain")?, text(args, "rule")?) else {
                return Ok(needed(args).into());
            };
            let there = filter(ctx, args)?.check(&args.text("table")?, &chain, &rule);
            Ok(there.map_err(Error::Execution)?.into())
        },
        "Whether a chain has a rule.",
        "salt '*' iptables.check filter INPUT rule='-m state --state RELATED,ESTABLISHED -j ACCEPT'"
    ),
    row!(
        "iptables.check_chain",
        "table='filter', chain=None, family='ipv4'",
        |ctx, args| {
            let Some(chain) = text(args, "chain")? else {
                return Ok(needed(args).into());
            };
            let dump = filter(ctx, args)?.dump(Some(&args.text("table")?));
            let dump = dump.map_err(Error::Execution)?;
            Ok(dump.contains(&format!(":{chain} ")).into())
        },
        "Whether there is a chain.",
        "salt '*' iptables.check_chain filter INPUT"
    ),
    row!(
        "iptables.delete",
        "table, chain=None, position=None, rule=None, family='ipv4'",
        |ctx, args| {
            let (position, rule) = (text(args, "position")?, text(args, "rule")?);
            if position.is_some() && rule.is_some() {
                return Ok("Error: Only specify a position or a rule, not both".into());
            }
            let chain = args.opt_text("chain")?.unwrap_or_default();
            let rule = position.or(rule).unwrap_or_default();
            let said = filter(ctx, args)?.change(&args.text("table")?, &["-D", &chain], &rule);
            Ok(said.map_err(Error::Execution)?.into())
        },
        "Delete a rule, by its place or its words; nothing is returned when that went well.",
        "salt '*' iptables.delete filter INPUT position=3"
    ),
    row!(
        "iptables.delete_chain",
        "table='filter', chain=None, family='ipv4'",
        |ctx, args| chain(ctx, args, "-X"),
        "Delete a chain of one's own.",
        "salt '*' iptables.delete_chain filter CUSTOM_CHAIN"
    ),
    row!(
        "iptables.flush",
        "table='filter', chain='', family='ipv4'",
        |ctx, args| {
            let chain = args.opt_text("chain")?.unwrap_or_default();
            let said = filter(ctx, args)?.change(&args.text("table")?, &["-F"], &chain);
            Ok(said.map_err(Error::Execution)?.into())
        },
        "Delete all rules of a chain, or of a table.",
        "salt '*' iptables.flush filter INPUT"
    ),
    row!(
        "iptables.get_policy",
        "table='filter', chain=None, family='ipv4'",
        |ctx, args| policy(args, |_| filter(ctx, args)?
            .dump(None)
            .map_err(Error::Execution)),
        "Return the policy of a chain.",
        "salt '*' iptables.get_policy filter INPUT"
    ),
    row!(
        "iptables.get_rules",
        "family='ipv4'",
        |ctx, args| {
            let dump = filter(ctx, args)?.dump(None).map_err(Error::Execution)?;
            Ok(iptables::parse(&dump).into())
        },
        "Return all rules that the kernel has.",
        "salt '*' iptables.get_rules"
    ),
    row!(
        "iptables.get_saved_policy",
        "table='filter', chain=None, conf_file=None, family='ipv4'",
        |ctx, args| policy(args, |args| saved(ctx, args)),
        "Return the policy of a chain in the file of saved rules.",
        "salt '*' iptables.get_saved_policy filter INPUT"
    ),
    row!(
        "iptables.get_saved_rules",
        "conf_file=None, family='ipv4'",
        |ctx, args| Ok(iptables::parse(&saved(ctx, args)?).into()),
        "Return the rules of the file of saved rules.",
        "salt '*' iptables.get_saved_rules"
    ),
    row!(
        "iptables.insert",
        "table='filter', chain=None, position=None, rule=None, family='ipv4'",
        insert,
        "Put a rule at a place of a chain, unless it is there; nothing is returned when that went well.",
        "salt '*' iptables.insert filter INPUT position=3 rule='-m state --state RELATED,ESTABLISHED -j ACCEPT'"
    ),
    row!(
        "iptables.new_chain",
        "table='filter', chain=None, family='ipv4'",
        |ctx, args| chain(ctx, args, "-N"),
        "Make a chain of one's own.",
        "salt '*' iptables.new_chain filter CUSTOM_CHAIN"
    ),
    row!(
        "iptables.save",
        "filename=None, family='ipv4'",
        |ctx, args| {
            let file = match text(args, "filename")? {
                Some(file) => PathBuf::from(file),
                None => PathBuf::from(saved_file(ctx, args)?),
            };
            let said = filter(ctx, args)?.save(&file).map_err(Error::Execution)?;
            Ok(said.into())
        },
        "Write the rules to the file from which they come back after a restart.",
        "salt '*' iptables.save /etc/sysconfig/iptables"
    ),
    row!(
        "iptables.set_policy",
        "table='filter', chain=None, policy=None, family='ipv4'",
        |ctx, args| {
            let Some(chain) = text(args, "chain")? else {
                return Ok(needed(args).into());
            };
            let Some(policy) = text(args, "policy")? else {
                return Ok("Error: Policy needs to be specified".into());
            };
            let said = filter(ctx, args)?.change(&args.text("table")?, &["-P", &chain], &policy);
            Ok(said.map_err(Error::Execution)?.into())
        },
        "Set the policy of a chain.",
        "salt '*' iptables.set_policy filter INPUT ACCEPT"
    ),
    row!(
        "iptables.version",
        "family='ipv4'",
        |ctx, args| Ok(filter(ctx, args)?
            .version()
            .map_err(Error::Execution)?
            .into()),
        "Return the version of iptables.",
        "salt '*' iptables.version"
    ),
];

fn filter<'a>(ctx: &'a Context, args: &Args) -> Result<Iptables<'a>> {
    Iptables::of(ctx.programs(), &args.text("family")?).map_err(Error::Execution)
}

/// An argument that is given, and not blank.
fn text(args: &Args, key: &str) -> Result<Option<String>> {
    Ok(args.opt_text(key)?.filter(|t| !t.is_empty()))
}

/// What is missing, in Salt's words.
fn needed(args: &Args) -> &'static str {
    if args.flag("chain") {
        "Error: Rule needs to be specified"
    } else {
        "Error: Chain needs to be specified"
    }
}

fn saved_file(ctx: &Context, args: &Args) -> Result<&'static str> {
    let ipv6 = args.text("family")? == "ipv6";
    iptables::saved_file(&ctx.facts.grains(), ipv6).map_err(Error::Execution)
}

fn saved(ctx: &Context, args: &Args) -> Result<String> {
    let file = match text(args, "conf_file")? {
        Some(file) => file,
        None => saved_file(ctx, args)?.to_owned(),
    };
    iptables::saved(&PathBuf::from(file)).map_err(Error::Execution)
}

fn policy(args: &Args, rules: impl Fn(&Args) -> Result<String>) -> Result {
    let Some(chain) = text(args, "chain")? else {
        return Ok(needed(args).into());
    };
    let tables = iptables::parse(&rules(args)?);
    let chain = tables
        .get(args.text("table")?.as_str())
        .and_then(|t| t.get(&chain));
    Ok(chain
        .and_then(|c| c.get("policy"))
        .cloned()
        .unwrap_or_default())
}

fn chain(ctx: &Context, args: &Args, flag: &str) -> Result {
    let Some(chain) = text(args, "chain")? else {
        return Ok(needed(args).into());
    };
    let said = filter(ctx, args)?.change(&args.text("table")?, &[flag, &chain], "");
    let said = said.map_err(Error::Execution)?;
    Ok(if said.is_empty() {
        true.into()
    } else {
        said.into()
    })
}

fn append(ctx: &Context, args: &Args) -> Result {
    let (Some(chain), Some(rule)) = (text(args, "chain")?, text(args, "rule")?) else {
        return Ok(needed(args).into());
    };
    let (table, filter) = (args.text("table")?, filter(ctx, args)?);
    let there = filter
        .check(&table, &chain, &rule)
        .map_err(Error::Execution)?;
    if there {
        return Ok(false.into());
    }
    let said = filter.change(&table, &["-A", &chain], &rule);
    Ok(said.map_err(Error::Execution)?.is_empty().into())
}

fn insert(ctx: &Context, args: &Args) -> Result {
    let Some(chain) = text(args, "chain")? else {
        return Ok(needed(args).into());
    };
    if !args.flag("position") {
        return Ok("Error: Position needs to be specified or use append (-A)".into());
    }
    let Some(rule) = text(args, "rule")? else {
        return Ok(needed(args).into());
    };
    let (table, filter) = (args.text("table")?, filter(ctx, args)?);
    let position = python_int(args.get("position"))?;
    let position = crate::states::iptables::position(&filter, &table, &chain, position)?;
    if filter
        .check(&table, &chain, &rule)
        .map_err(Error::Execution)?
    {
        return Ok(false.into());
    }
    let words = ["-I", chain.as_str(), &position];
    let said = filter.change(&table, &words, &rule);
    Ok(said.map_err(Error::Execution)?.into())
}

fn build_rule(ctx: &Context, args: &Args) -> Result {
    let given: Map = clean(&args.extra);
    let rule = match iptables::rule(&given) {
        Ok(rule) => rule,
        Err(told) => return Ok(told.into()),
    };
    if !args.flag("full") {
        return Ok(rule.into());
    }
    for (key, name) in [
        ("table", "Table"),
        ("chain", "Chain"),
        ("command", "Command"),
    ] {
        if !args.flag(key) {
            return Ok(format!("Error: {name} needs to be specified").into());
        }
    }
    let place = [args.text("chain")?, python::text(args.get("position"))];
    let place = [place[0].as_str(), place[1].as_str()];
    let (table, command) = (args.text("table")?, args.text("command")?);
    Ok(Value::from(
        filter(ctx, args)?.command(&table, &command, place, &rule),
    ))
}
