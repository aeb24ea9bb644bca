//! One call of nft for a table, a chain and a rule: what there is, and what is missing.

use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Error, Result, python};
use crate::host::env::which;
use crate::host::nftables;

/// Whether something is so, or was done, and the words of it.
pub(super) type Told = (bool, String);

pub(super) fn answer((result, comment): Told) -> Value {
    map! { "comment" => comment, "result" => result }.into()
}

/// What every one of these functions begins with.
pub(super) struct Nft<'a> {
    pub(super) ctx: &'a Context,
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) rule: String,
    /// The family as it was given, and as nft calls it.
    pub(super) family: String,
    pub(super) own: &'static str,
}

impl<'a> Nft<'a> {
    pub(super) fn of(ctx: &'a Context, args: &Args) -> Result<Self> {
        if which("nft").is_none() {
            return Err(Error::MissingCommand(
                "The nftables execution module failed to load: nftables is not installed."
                    .to_owned(),
            ));
        }
        let text = |key: &str| Ok::<_, Error>(args.opt_text(key)?.unwrap_or_default());
        let family = args
            .opt_text("family")?
            .unwrap_or_else(|| "ipv4".to_owned());
        let own = nftables::family(&family).ok_or_else(|| Error::key(family.as_str()))?;
        Ok(Self {
            ctx,
            table: text("table")?,
            chain: text("chain")?,
            rule: text("rule")?,
            family,
            own,
        })
    }

    /// What nft says, complaints among it.
    pub(super) fn run(&self, words: &[&str]) -> Result<String> {
        let argv = [&["nft"], words].concat();
        Ok(python::text(&self.ctx.cmd("cmd.run", argv, Map::new())?))
    }

    /// The words of a rule, as a shell would part them.
    pub(super) fn rule_words(&self) -> Result<Vec<String>> {
        crate::host::shlex::split(&self.rule).map_err(|e| Error::Exception {
            kind: "ValueError",
            message: e.to_owned(),
        })
    }

    pub(super) fn place(&self) -> String {
        format!(
            "in chain {} in table {} in family {}",
            self.chain, self.table, self.family
        )
    }

    pub(super) fn check_table(&self) -> Result<Told> {
        let (table, family) = (&self.table, &self.family);
        if table.is_empty() {
            return Ok((false, "Table needs to be specified".to_owned()));
        }
        let said = self.run(&["list", "tables", self.own])?;
        let is = said.contains(&format!("table {} {table}", self.own));
        let word = if is { "exists" } else { "does not exist" };
        Ok((is, format!("Table {table} in family {family} {word}")))
    }

    pub(super) fn check_chain(&self) -> Result<Told> {
        let (chain, table) = (&self.chain, &self.table);
        if chain.is_empty() {
            return Ok((false, "Chain needs to be specified".to_owned()));
        }
        let said = self.run(&["list", "table", self.own, table])?;
        let is = said.contains(&format!("chain {chain} {{"));
        let word = if is { "exists" } else { "does not exist" };
        let family = &self.family;
        Ok((
            is,
            format!("Chain {chain} in table {table} in family {family} {word}"),
        ))
    }

    /// What is missing of chain, rule, table and the chain in it.
    pub(super) fn lacks(&self, needs_rule: bool) -> Result<Option<Told>> {
        let needed = |what: &str| Ok(Some((false, format!("{what} needs to be specified"))));
        if self.chain.is_empty() {
            return needed("Chain");
        }
        if needs_rule && self.rule.is_empty() {
            return needed("Rule");
        }
        for told in [self.check_table()?, self.check_chain()?] {
            if !told.0 {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    /// The chain with its handles where it shows the rule, else why it does not.
    fn listed(&self) -> Result<std::result::Result<String, Told>> {
        if let Some(told) = self.lacks(true)? {
            return Ok(Err(told));
        }
        let list = [
            "--handle",
            "list",
            "chain",
            self.own,
            &self.table,
            &self.chain,
        ];
        let said = self.run(&list)?;
        Ok(if nftables::shows(&said, &self.rule) {
            Ok(said)
        } else {
            Err((false, self.rule_that("does not exist")))
        })
    }

    fn rule_that(&self, is: &str) -> String {
        format!("Rule {} {} {is}", self.rule, self.place())
    }

    pub(super) fn check(&self) -> Result<Told> {
        Ok(match self.listed()? {
            Ok(_) => (true, self.rule_that("exists")),
            Err(told) => told,
        })
    }

    pub(super) fn handle(&self) -> Result<std::result::Result<String, Told>> {
        let missing = || (false, format!("Could not find rule {}", self.rule));
        Ok(self
            .listed()?
            .and_then(|said| nftables::handle(&said, &self.rule).ok_or_else(missing)))
    }

    pub(super) fn data(&self, words: &[&str]) -> Result<Vec<Value>> {
        let mut all = vec!["--json", "--numeric", "--numeric", "--numeric", "list"];
        all.extend(words);
        let said = self.run(&all)?;
        let data = crate::render::json(&said).unwrap_or_default();
        let list = data.get("nftables").and_then(Value::as_list);
        Ok(list.unwrap_or_default().to_vec())
    }

    pub(super) fn ruleset(&self) -> Result<Vec<Value>> {
        self.data(&["ruleset", self.own])
    }

    pub(super) fn tables(&self) -> Result<Vec<Value>> {
        let all = self.data(&["tables", self.own])?;
        Ok(all.iter().filter_map(|i| i.get("table").cloned()).collect())
    }

    pub(super) fn rules(&self) -> Result<Vec<String>> {
        let names = self.tables()?;
        let names = names.iter().filter_map(|t| t.get("name")).map(python::text);
        let plain = [
            "--numeric",
            "--numeric",
            "--numeric",
            "list",
            "table",
            self.own,
        ];
        names
            .map(|name| self.run(&[&plain[..], &[name.as_str()]].concat()))
            .collect()
    }
}
