//! `minions`: who there is: key, life, version, master.

use std::process::ExitCode;

use clap::Args;
use salt_wire::Value;
use serde_json::json;

use super::{open, patience, short};
use crate::cli::Global;
use crate::error::Result;
use crate::output::Output;
use crate::salt::Job;
use crate::salt::job::{self, Outcome};
use crate::salt::keys::{KeyState, all};

/// Arguments of `minions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  master-bridge minions\n  master-bridge minions --troubled")]
pub struct Minions {
    /// Only these ids
    ids: Vec<String>,
    /// Only those that do not answer, or whose key is not accepted
    #[arg(long)]
    troubled: bool,
}

impl Minions {
    /// Looks and prints.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let mut master = open(global).await?;
        let mut keys = all(&mut *master).await?;
        if !self.ids.is_empty() {
            keys.retain(|k| self.ids.contains(&k.id));
        }
        let accepted: Vec<&str> = keys
            .iter()
            .filter(|k| k.state == KeyState::Accepted)
            .map(|k| k.id.as_str())
            .collect();
        let patience = short(patience(global, &*master));
        let (mut alive, mut facts) = (Outcome::default(), Outcome::default());
        if !accepted.is_empty() {
            let ping = Job::for_ids(&accepted, "test.ping");
            alive = job::run(&mut *master, &ping, patience, &mut |_| {}).await?;
            let ids: Vec<&str> = alive.returns.iter().map(|r| r.id.as_str()).collect();
            if !ids.is_empty() {
                let mut grains = Job::for_ids(&ids, "grains.item");
                grains.args = vec!["saltversion".into(), "master".into(), "osfinger".into()];
                facts = job::run(&mut *master, &grains, patience, &mut |_| {}).await?;
            }
        }
        let (mut rows, mut documents) = (Vec::new(), Vec::new());
        for key in &keys {
            let asked = key.state == KeyState::Accepted;
            let answers = alive
                .of(&key.id)
                .is_some_and(|r| r.value == Value::Bool(true));
            if self.troubled && answers {
                continue;
            }
            let fact = |name| {
                let all = facts.of(&key.id).filter(|_| asked).map(|r| &r.value)?;
                all.get(name).and_then(Value::as_str).map(str::to_owned)
            };
            let (version, its_master) = (fact("saltversion"), fact("master"));
            let shown = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "-".into());
            let life = match (asked, answers) {
                (true, true) => "yes",
                (true, false) => "NO",
                (false, _) => "-",
            };
            rows.push(vec![
                key.id.clone(),
                key.state.name().into(),
                life.into(),
                shown(&version),
                shown(&its_master),
                shown(&fact("osfinger")),
            ]);
            documents.push(json!({
                "id": key.id, "key": key.state.name(), "answers": asked.then_some(answers),
                "version": version, "master": its_master, "os": fact("osfinger"),
            }));
        }
        output.table(&["id", "key", "answers", "version", "master", "os"], &rows);
        output.document(&json!({"minions": documents}));
        Ok(ExitCode::SUCCESS)
    }
}
