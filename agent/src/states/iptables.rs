//! `iptables`: rules, chains and policies of the kernel's packet filter.

use std::path::PathBuf;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::arguments::{clean, needed};
use crate::context::{Context, Error, python};
use crate::host::iptables::{self, Iptables};

/// The rows of `iptables`.
pub const STATES: &[State] = &[
    State {
        name: "iptables.append",
        signature: "name, table='filter', family='ipv4', **kwargs",
        doc: "Ensure that a chain has a rule; a new one goes to its end.",
        run: |ctx, run| Rule::of(ctx, run, "A")?.present(),
    },
    State {
        name: "iptables.chain_absent",
        signature: "name, table='filter', family='ipv4'",
        doc: "Ensure that there is no such chain.",
        run: chain_absent,
    },
    State {
        name: "iptables.chain_present",
        signature: "name, table='filter', family='ipv4'",
        doc: "Ensure that there is a chain.",
        run: chain_present,
    },
    State {
        name: "iptables.delete",
        signature: "name, table='filter', family='ipv4', **kwargs",
        doc: "Ensure that a chain has no such rule.",
        run: |ctx, run| Rule::of(ctx, run, "D")?.absent(),
    },
    State {
        name: "iptables.flush",
        signature: "name, table='filter', family='ipv4', **kwargs",
        doc: "Delete all rules of a chain, or of a table.",
        run: flush,
    },
    State {
        name: "iptables.insert",
        signature: "name, table='filter', family='ipv4', **kwargs",
        doc: "Ensure that a chain has a rule; a new one goes to the place that ``position`` says.",
        run: |ctx, run| Rule::of(ctx, run, "I")?.present(),
    },
    State {
        name: "iptables.set_policy",
        signature: "name, table='filter', family='ipv4', **kwargs",
        doc: "Ensure that a chain has a policy.",
        run: set_policy,
    },
];

type Done = Result<Outcome, Error>;

fn told(text: String) -> Error {
    Error::Execution(text)
}

fn would(comment: String) -> Done {
    Ok(Outcome::would(Map::new(), comment))
}

fn done(name: &str, comment: String) -> Outcome {
    Outcome::changed(map! { "locale" => name }, comment)
}

/// What every one of these states begins with.
struct Filter<'a> {
    ctx: &'a Context,
    run: &'a Run<'a>,
    name: String,
    table: String,
    family: String,
    program: Iptables<'a>,
}

impl<'a> Filter<'a> {
    fn of(ctx: &'a Context, run: &'a Run<'a>) -> Result<Self, Error> {
        let family = run.args.text("family")?;
        Ok(Self {
            ctx,
            run,
            name: run.args.text("name")?,
            table: run.args.text("table")?,
            program: Iptables::of(ctx.programs(), &family).map_err(told)?,
            family,
        })
    }

    fn change(&self, words: &[&str], rule: &str) -> Result<String, Error> {
        self.program.change(&self.table, words, rule).map_err(told)
    }

    /// The file that `save` asks the rules to be written to, if it does.
    fn save_file(&self) -> Result<Option<PathBuf>, Error> {
        match self.run.args.extra.get("save") {
            Some(save) if save.is_truthy() && *save != Value::Bool(true) => {
                Ok(Some(PathBuf::from(python::text(save))))
            }
            Some(save) if save.is_truthy() => {
                let ipv6 = self.family == "ipv6";
                let file = iptables::saved_file(&self.ctx.facts.grains(), ipv6).map_err(told)?;
                Ok(Some(PathBuf::from(file)))
            }
            _ => Ok(None),
        }
    }

    fn has_chain(&self, chain: &str) -> Result<bool, Error> {
        let dump = self.program.dump(Some(&self.table)).map_err(told)?;
        Ok(dump.contains(&format!(":{chain} ")))
    }
}

/// The place that a position means: a negative one counts from the end.
pub fn position(
    filter: &Iptables<'_>,
    table: &str,
    chain: &str,
    position: i128,
) -> Result<String, Error> {
    if position >= 0 {
        return Ok(position.to_string());
    }
    let dump = filter.dump(Some(table)).map_err(told)?;
    let own = format!("-A {chain} ");
    let count = dump.lines().filter(|l| l.starts_with(&own)).count();
    let count = i128::try_from(count).unwrap_or_default();
    Ok((count + position + 1).max(1).to_string())
}

/// One rule of a chain.
struct Rule<'a> {
    filter: Filter<'a>,
    letter: &'static str,
    chain: String,
    /// Its words.
    rule: String,
    /// The whole command, as it is shown.
    command: String,
}

impl<'a> Rule<'a> {
    fn of(ctx: &'a Context, run: &'a Run<'a>, letter: &'static str) -> Result<Self, Error> {
        let filter = Filter::of(ctx, run)?;
        let mut given = clean(&run.args.extra);
        let place = given.shift_remove("position");
        let built = iptables::rule(&given);
        let chain = python::text(needed(&run.args.extra, "chain")?);
        let place = place.map(|p| python::text(&p)).unwrap_or_default();
        let program = &filter.program;
        // What is no rule is shown, and tried, as what is wrong with it.
        let (rule, command) = match built {
            Ok(rule) => {
                let command = program.command(&filter.table, letter, [&chain, &place], &rule);
                (rule, command)
            }
            Err(told) => (told.clone(), told),
        };
        Ok(Self {
            command: command.trim().to_owned(),
            filter,
            letter,
            chain,
            rule,
        })
    }

    fn is_there(&self) -> Result<bool, Error> {
        let filter = &self.filter;
        filter
            .program
            .check(&filter.table, &self.chain, &self.rule)
            .map_err(told)
    }

    fn present(&self) -> Done {
        let Self {
            filter, command, ..
        } = self;
        let (name, family) = (&filter.name, &filter.family);
        // Salt puts the two at different places.
        let shown = |is: &str| {
            if self.letter == "A" {
                format!("iptables rule for {name} {is} ({command}) for {family}")
            } else {
                format!("iptables rule for {name} {is} for {family} ({command})")
            }
        };
        let file = filter.save_file()?;
        if self.is_there()? {
            let mut out = Outcome::unchanged(shown("already set"));
            if let Some(file) = file {
                let rules = |text: &str| -> Vec<String> {
                    let rules = text.lines().filter(|l| l.starts_with("-A"));
                    rules.map(str::to_owned).collect()
                };
                let now = filter.program.dump(None).map_err(told)?;
                if rules(&now) != rules(&iptables::saved(&file).map_err(told)?) {
                    let said = filter.program.save(&file).map_err(told)?;
                    out.comment +=
                        &format!("\nSaved iptables rule {name} for {family}\n{command}\n{said}");
                }
            }
            return Ok(out);
        }
        if filter.run.test {
            return would(shown("needs to be set"));
        }
        let place = match self.letter {
            "A" => None,
            _ => {
                let given = needed(&filter.run.args.extra, "position")?
                    .as_int()
                    .unwrap_or_default();
                Some(position(
                    &filter.program,
                    &filter.table,
                    &self.chain,
                    given,
                )?)
            }
        };
        let flag = format!("-{}", self.letter);
        let mut words = vec![flag.as_str(), self.chain.as_str()];
        words.extend(place.as_deref());
        if !filter.change(&words, &self.rule)?.is_empty() {
            let rest = if self.letter == "A" {
                format!(" for {family}")
            } else {
                String::new()
            };
            return Ok(Outcome::failed(format!(
                "Failed to set iptables rule for {name}.\nAttempted rule was {command}{rest}"
            )));
        }
        let comment = match file {
            None => format!("Set iptables rule for {name} to: {command} for {family}"),
            Some(file) => {
                let said = filter.program.save(&file).map_err(told)?;
                format!("Set and saved iptables rule {name} for {family}\n{command}\n{said}")
            }
        };
        Ok(done(name, comment))
    }

    fn absent(&self) -> Done {
        let Self {
            filter, command, ..
        } = self;
        let (name, family) = (&filter.name, &filter.family);
        let place = filter.run.args.extra.get("position");
        if place.is_none() && !self.is_there()? {
            return Ok(Outcome::unchanged(format!(
                "iptables rule for {name} already absent for {family} ({command})"
            )));
        }
        if filter.run.test {
            return would(format!(
                "iptables rule for {name} needs to be deleted for {family} ({command})"
            ));
        }
        let what = place.map_or_else(|| self.rule.clone(), python::text);
        if !filter.change(&["-D", &self.chain], &what)?.is_empty() {
            return Ok(Outcome::failed(format!(
                "Failed to delete iptables rule for {name}.\nAttempted rule was {command}"
            )));
        }
        let comment = match filter.save_file()? {
            None => format!("Delete iptables rule for {name} {command}"),
            Some(file) => {
                let said = filter.program.save(&file).map_err(told)?;
                format!("Deleted and saved iptables rule {name} for {family}\n{command}\n{said}")
            }
        };
        Ok(done(name, comment))
    }
}

fn chain_present(ctx: &Context, run: &Run<'_>) -> Done {
    let filter = Filter::of(ctx, run)?;
    let (name, table, family) = (&filter.name, &filter.table, &filter.family);
    if filter.has_chain(name)? {
        return Ok(Outcome::unchanged(format!(
            "iptables {name} chain is already exist in {table} table for {family}"
        )));
    }
    if run.test {
        return would(format!(
            "iptables {name} chain in {table} table needs to be set for {family}"
        ));
    }
    let said = filter.change(&["-N", name], "")?;
    Ok(if said.is_empty() {
        done(
            name,
            format!("iptables {name} chain in {table} table create success for {family}"),
        )
    } else {
        Outcome::failed(format!(
            "Failed to create {name} chain in {table} table: {} for {family}",
            said.trim()
        ))
    })
}

fn chain_absent(ctx: &Context, run: &Run<'_>) -> Done {
    let filter = Filter::of(ctx, run)?;
    let (name, table, family) = (&filter.name, &filter.table, &filter.family);
    if !filter.has_chain(name)? {
        return Ok(Outcome::unchanged(format!(
            "iptables {name} chain is already absent in {table} table for {family}"
        )));
    }
    if run.test {
        return would(format!(
            "iptables {name} chain in {table} table needs to be removed {family}"
        ));
    }
    for (flag, what) in [("-F", "flush"), ("-X", "delete")] {
        let said = filter.change(&[flag, name], "")?;
        if !said.is_empty() {
            return Ok(Outcome::failed(format!(
                "Failed to {what} {name} chain in {table} table: {} for {family}",
                said.trim()
            )));
        }
    }
    Ok(done(
        name,
        format!("iptables {name} chain in {table} table delete success for {family}"),
    ))
}

fn set_policy(ctx: &Context, run: &Run<'_>) -> Done {
    let filter = Filter::of(ctx, run)?;
    let (name, table, family) = (&filter.name, &filter.table, &filter.family);
    let chain = python::text(needed(&run.args.extra, "chain")?);
    let policy = python::text(needed(&run.args.extra, "policy")?);
    let tables = iptables::parse(&filter.program.dump(None).map_err(told)?);
    let now = tables.get(table.as_str()).and_then(|t| t.get(&chain));
    let now = now.and_then(|c| c.get("policy")).and_then(Value::as_str);
    if now == Some(policy.as_str()) {
        return Ok(Outcome::unchanged(format!(
            "iptables default policy for chain {chain} on table {table} for {family} already set to {policy}"
        )));
    }
    if run.test {
        return would(format!(
            "iptables default policy for chain {chain} on table {table} for {family} needs to be set to {policy}"
        ));
    }
    if !filter.change(&["-P", &chain, &policy], "")?.is_empty() {
        return Ok(Outcome::failed("Failed to set iptables default policy"));
    }
    let and_saved = match filter.save_file()? {
        None => "",
        Some(file) => {
            filter.program.save(&file).map_err(told)?;
            " and saved"
        }
    };
    Ok(done(
        name,
        format!("Set{and_saved} default policy for {chain} to {policy} family {family}"),
    ))
}

fn flush(ctx: &Context, run: &Run<'_>) -> Done {
    let filter = Filter::of(ctx, run)?;
    let (name, table, family) = (&filter.name, &filter.table, &filter.family);
    let chain = run.args.extra.get("chain").map(python::text);
    let chain = chain.unwrap_or_default();
    if run.test {
        return would(format!(
            "iptables rules in {name} table {table} chain {family} family needs to be flushed"
        ));
    }
    Ok(if filter.change(&["-F"], &chain)?.is_empty() {
        done(
            name,
            format!("Flush iptables rules in {table} table {chain} chain {family} family"),
        )
    } else {
        Outcome::failed("Failed to flush iptables rules")
    })
}
