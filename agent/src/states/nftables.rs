//! `nftables`: tables, chains, rules and policies of the kernel's packet filter.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::arguments::{clean, needed};
use crate::context::{Context, Error, python};

/// The rows of `nftables`.
pub const STATES: &[State] = &[
    State {
        name: "nftables.append",
        signature: "name, family='ipv4', **kwargs",
        doc: "Ensure that a chain has a rule; a new one goes to its end.",
        run: |ctx, run| Rule::of(ctx, run, "add")?.present(),
    },
    State {
        name: "nftables.chain_absent",
        signature: "name, table='filter', family='ipv4'",
        doc: "Ensure that there is no such chain.",
        run: chain_absent,
    },
    State {
        name: "nftables.chain_present",
        signature: "name, table='filter', table_type=None, hook=None, priority=None, family='ipv4'",
        doc: "Ensure that there is a chain.",
        run: chain_present,
    },
    State {
        name: "nftables.delete",
        signature: "name, family='ipv4', **kwargs",
        doc: "Ensure that a chain has no such rule.",
        run: |ctx, run| Rule::of(ctx, run, "D")?.absent(),
    },
    State {
        name: "nftables.flush",
        signature: "name, family='ipv4', ignore_absence=False, **kwargs",
        doc: "Delete all rules of a chain, or of a table.",
        run: flush,
    },
    State {
        name: "nftables.insert",
        signature: "name, family='ipv4', **kwargs",
        doc: "Ensure that a chain has a rule; a new one goes before the one that ``position`` says.",
        run: |ctx, run| Rule::of(ctx, run, "insert")?.present(),
    },
    State {
        name: "nftables.set_policy",
        signature: "name, table='filter', family='ipv4', **kwargs",
        doc: "Ensure that a chain has a policy.",
        run: set_policy,
    },
    State {
        name: "nftables.table_absent",
        signature: "name, family='ipv4', **kwargs",
        doc: "Ensure that there is no such table.",
        run: |ctx, run| table(ctx, run, false),
    },
    State {
        name: "nftables.table_present",
        signature: "name, family='ipv4', **kwargs",
        doc: "Ensure that there is a table.",
        run: |ctx, run| table(ctx, run, true),
    },
];

type Done = Result<Outcome, Error>;

fn done(name: &str, comment: String) -> Done {
    Ok(Outcome::changed(map! { "locale" => name }, comment))
}

fn would(comment: String) -> Done {
    Ok(Outcome::would(Map::new(), comment))
}

/// What a function answers: whether it is so, and the words of it.
fn ask(ctx: &Context, function: &str, kwargs: &Map) -> Result<(bool, String), Error> {
    let answer = ctx.call(function, &[], kwargs)?;
    let result = answer.get("result").is_some_and(Value::is_truthy);
    let comment = answer.get("comment").map(python::text);
    Ok((result, comment.unwrap_or_default()))
}

/// Name and family.
fn head(run: &Run<'_>) -> Result<(String, String), Error> {
    Ok((run.args.text("name")?, run.args.text("family")?))
}

/// One rule of a chain.
struct Rule<'a> {
    ctx: &'a Context,
    run: &'a Run<'a>,
    name: String,
    family: String,
    kwargs: Map,
    rule: String,
    /// As it is shown.
    command: String,
    verb: &'static str,
}

impl<'a> Rule<'a> {
    fn of(ctx: &'a Context, run: &'a Run<'a>, verb: &'static str) -> Result<Self, Error> {
        let (name, family) = head(run)?;
        let kwargs = clean(&run.args.extra);
        let build = |full: bool| {
            let mut own = kwargs.clone();
            own.insert("family".into(), family.as_str().into());
            if full {
                own.insert("full".into(), true.into());
                own.insert("command".into(), verb.into());
            }
            let built = ctx.call("nftables.build_rule", &[], &own)?;
            Ok::<_, Error>(built.get("rule").map(python::text).unwrap_or_default())
        };
        let (rule, command) = (build(false)?, build(true)?.trim().to_owned());
        Ok(Self {
            ctx,
            run,
            name,
            family,
            kwargs,
            rule,
            command,
            verb,
        })
    }

    fn ask(&self, function: &str, more: &[(&str, Value)]) -> Result<(bool, String), Error> {
        let mut kwargs = map! {
            "table" => needed(&self.kwargs, "table")?.clone(), "chain" => needed(&self.kwargs, "chain")?.clone(),
            "family" => self.family.as_str(),
        };
        kwargs.extend(more.iter().map(|(k, v)| ((*k).into(), v.clone())));
        ask(self.ctx, function, &kwargs)
    }

    fn rule(&self) -> (&'static str, Value) {
        ("rule", self.rule.as_str().into())
    }

    /// Writes the rules to Salt's file, where that is asked for.
    fn is_saved(&self) -> Result<bool, Error> {
        if !self.kwargs.get("save").is_some_and(Value::is_truthy) {
            return Ok(false);
        }
        let kwargs = map! { "family" => self.family.as_str() };
        self.ctx.call("nftables.save", &[], &kwargs)?;
        Ok(true)
    }

    fn present(&self) -> Done {
        let (name, family, command) = (&self.name, &self.family, &self.command);
        // Salt puts the two at different places.
        let shown = |is: &str| {
            if self.verb == "add" {
                format!("nftables rule for {name} {is} ({command}) for {family}")
            } else {
                format!("nftables rule for {name} {is} for {family} ({command})")
            }
        };
        if self.ask("nftables.check", &[self.rule()])?.0 {
            return Ok(Outcome::unchanged(shown("already set")));
        }
        if self.run.test {
            return would(shown("needs to be set"));
        }
        let (is, told) = if self.verb == "add" {
            self.ask("nftables.append", &[self.rule()])?
        } else {
            let position = needed(&self.kwargs, "position")?.clone();
            self.ask("nftables.insert", &[self.rule(), ("position", position)])?
        };
        if !is {
            let rest = if self.verb == "add" {
                format!(" for {family}.\n{told}")
            } else {
                String::new()
            };
            return Ok(Outcome::failed(format!(
                "Failed to set nftables rule for {name}.\nAttempted rule was {command}{rest}"
            )));
        }
        let and_saved = if self.is_saved()? { " and Saved" } else { "" };
        done(
            name,
            format!("Set{and_saved} nftables rule for {name} to: {command} for {family}"),
        )
    }

    fn absent(&self) -> Done {
        let (name, family, command) = (&self.name, &self.family, &self.command);
        if !self.ask("nftables.check", &[self.rule()])?.0 {
            return Ok(Outcome::unchanged(format!(
                "nftables rule for {name} already absent for {family} ({command})"
            )));
        }
        if self.run.test {
            return would(format!(
                "nftables rule for {name} needs to be deleted for {family} ({command})"
            ));
        }
        let which = match self.kwargs.get("position") {
            Some(position) => ("position", position.clone()),
            None => self.rule(),
        };
        if !self.ask("nftables.delete", &[which])?.0 {
            return Ok(Outcome::failed(format!(
                "Failed to delete nftables rule for {name}.\nAttempted rule was {command}"
            )));
        }
        let comment = if self.is_saved()? {
            format!("Deleted and Saved nftables rule for {name} for {command}{family}")
        } else {
            format!("Delete nftables rule for {name} {command}")
        };
        done(name, comment)
    }
}

/// What the functions on chains take.
fn chain_of(run: &Run<'_>, name: &str) -> Map {
    map! {
        "table" => run.args.get("table").clone(), "chain" => name,
        "family" => run.args.get("family").clone(),
    }
}

fn chain_present(ctx: &Context, run: &Run<'_>) -> Done {
    let ((name, family), table) = (head(run)?, run.args.text("table")?);
    let mut kwargs = chain_of(run, &name);
    if ask(ctx, "nftables.check_chain", &kwargs)?.0 {
        return Ok(Outcome::unchanged(format!(
            "nftables {name} chain is already exist in {table} table for {family}"
        )));
    }
    if run.test {
        return would(format!(
            "nftables chain {name} would be created in table {table} for family {family}"
        ));
    }
    for key in ["table_type", "hook", "priority"] {
        kwargs.insert(key.into(), run.args.get(key).clone());
    }
    let (is, told) = ask(ctx, "nftables.new_chain", &kwargs)?;
    if is {
        return done(
            &name,
            format!("nftables {name} chain in {table} table create success for {family}"),
        );
    }
    Ok(Outcome::failed(format!(
        "Failed to create {name} chain in {table} table: {} for {family}",
        told.trim()
    )))
}

/// Salt's own takes any answer for a yes: it does this in test mode, too, and then fails over what it got. Here its
/// words are kept, and what they say is done.
fn chain_absent(ctx: &Context, run: &Run<'_>) -> Done {
    let ((name, family), table) = (head(run)?, run.args.text("table")?);
    let kwargs = chain_of(run, &name);
    if !ask(ctx, "nftables.check_chain", &kwargs)?.0 {
        return Ok(Outcome::unchanged(format!(
            "nftables {name} chain is already absent in {table} table for {family}"
        )));
    }
    if run.test {
        return would(format!(
            "nftables chain {name} would be deleted from table {table} for family {family}"
        ));
    }
    for (function, what) in [("flush", "flush"), ("delete_chain", "delete")] {
        let (is, told) = ask(ctx, &format!("nftables.{function}"), &kwargs)?;
        if !is {
            return Ok(Outcome::failed(format!(
                "Failed to {what} {name} chain in {table} table: {} for {family}",
                told.trim()
            )));
        }
    }
    done(
        &name,
        format!("nftables {name} chain in {table} table delete success for {family}"),
    )
}

fn flush(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, family) = head(run)?;
    if run.test {
        return would("nftables flush not performed in test mode.".to_owned());
    }
    let kwargs = clean(&run.args.extra);
    let table = kwargs.get("table").map(python::text);
    let table = table.unwrap_or_else(|| "filter".to_owned());
    let chain = kwargs.get("chain").map(python::text);
    let forgiving = run.args.flag("ignore_absence");
    let mut own = map! { "table" => table.as_str(), "family" => family.as_str() };
    let has_table = ask(ctx, "nftables.check_table", &own)?.0;
    if !forgiving && !has_table {
        return Ok(Outcome::failed(format!(
            "Failed to flush table {table} in family {family}, table does not exist."
        )));
    }
    let mut has_chain = true;
    if let Some(chain) = &chain {
        own.insert("chain".into(), chain.as_str().into());
        has_chain = ask(ctx, "nftables.check_chain", &own)?.0;
        if !forgiving && !has_chain {
            return Ok(Outcome::failed(format!(
                "Failed to flush chain {chain} in table {table} in family {family}, chain does not exist."
            )));
        }
    }
    let chain = chain.unwrap_or_default();
    if ask(ctx, "nftables.flush", &own)?.0 || forgiving && (!has_table || !has_chain) {
        return done(
            &name,
            format!("Flush nftables rules in {table} table {chain} chain {family} family"),
        );
    }
    Ok(Outcome::failed("Failed to flush nftables rules"))
}

fn set_policy(ctx: &Context, run: &Run<'_>) -> Done {
    let ((name, family), table) = (head(run)?, run.args.text("table")?);
    let kwargs = clean(&run.args.extra);
    let chain = python::text(needed(&kwargs, "chain")?);
    let mut own = chain_of(run, &chain);
    let now = ctx.call("nftables.get_policy", &[], &own)?;
    let now = now.as_str().unwrap_or_default().to_lowercase();
    let policy = python::text(needed(&kwargs, "policy")?);
    let shown = |is: &str| {
        format!(
            "nftables default policy for chain {chain} on table {table} for {family} {is} to {policy}"
        )
    };
    if now == policy.to_lowercase() {
        return Ok(Outcome::unchanged(shown("already set")));
    }
    if run.test {
        return would(shown("needs to be set"));
    }
    own.insert("policy".into(), policy.to_lowercase().into());
    if !ctx.call("nftables.set_policy", &[], &own)?.is_truthy() {
        return Ok(Outcome::failed("Failed to set nftables default policy"));
    }
    let mut and_saved = "";
    if kwargs.get("save").is_some_and(Value::is_truthy) {
        let file = kwargs.get("save_filename").cloned().unwrap_or_default();
        let own = map! { "filename" => file, "family" => family.as_str() };
        ctx.call("nftables.save", &[], &own)?;
        and_saved = " and saved";
    }
    done(
        &name,
        format!("Set{and_saved} default policy for {chain} to {policy} family {family}"),
    )
}

fn table(ctx: &Context, run: &Run<'_>, wanted: bool) -> Done {
    let (name, family) = head(run)?;
    let kwargs = map! { "table" => name.as_str(), "family" => family.as_str() };
    let words = if wanted {
        [
            "already exists in",
            "created in",
            "create",
            "for",
            "new_table",
        ]
    } else {
        [
            "is already absent from",
            "deleted from",
            "delete",
            "from",
            "delete_table",
        ]
    };
    let [already, done_so, verb, of, function] = words;
    if ask(ctx, "nftables.check_table", &kwargs)?.0 == wanted {
        return Ok(Outcome::unchanged(format!(
            "nftables table {name} {already} family {family}"
        )));
    }
    if run.test {
        return would(format!(
            "nftables table {name} would be {done_so} family {family}"
        ));
    }
    if ask(ctx, &format!("nftables.{function}"), &kwargs)?.0 {
        return done(
            &name,
            format!("nftables table {name} successfully {done_so} family {family}"),
        );
    }
    Ok(Outcome::failed(format!(
        "Failed to {verb} table {name} {of} family {family}"
    )))
}
