//! `keys rotate`: minions get other keys while they are managed.
//!
//! The minion's present key, which the master has accepted, signs for the next one; so nobody has to look at a
//! console. Nothing is written down here: at every moment the minion asks with whichever key the master holds, and
//! the same command again goes on where an interrupted one stopped.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use salt_wire::Value;
use salt_wire::crypto::PublicKey;
use salt_wire::order::rotation::Rotation;
use serde_json::json;

use super::{patience, short};
use crate::cli::Global;
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::salt::job::{self, Patience};
use crate::salt::keys::{self, Key, KeyState};
use crate::salt::{Job, Local, Master, MasterConfig};

/// Arguments of `keys rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Which minions, by their exact ids; they must run salt-agent
    #[arg(required = true)]
    ids: Vec<String>,
}

/// What became of one minion's key.
struct Done {
    before: String,
    after: String,
}

pub(super) async fn rotate(args: Rotate, global: &Global, output: &Output) -> Result<ExitCode> {
    let dir = global.dir("to give minions other keys")?;
    let mut master = Local::open(MasterConfig::read(&dir)?).await?;
    let patience = short(patience(global, &master));
    let held = held(&mut master, &args.ids).await?;
    if !global.dry_run {
        output.consent(&format!("give another key to {}", args.ids.join(", ")))?;
    }
    let (mut rows, mut documents, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for key in &held {
        let mut work = Work {
            master: &mut master,
            patience,
            key,
        };
        let result = match global.dry_run {
            true => work.look().await,
            false => work.rotate().await,
        };
        let word = match (&result, global.dry_run) {
            (Err(_), _) => "failed",
            (Ok(_), true) => "would rotate",
            (Ok(_), false) => "rotated",
        };
        let (before, after, why) = match result {
            Ok(done) => (done.before, done.after, None),
            Err(error) => {
                let why = error.to_string();
                output.say(&format!("{}: {why}", key.id));
                failed.push(key.id.clone());
                (key.shown(), String::new(), Some(why))
            }
        };
        rows.push(vec![
            key.id.clone(),
            word.into(),
            before.clone(),
            after.clone(),
        ]);
        documents.push(json!({
            "id": key.id, "result": word, "before": before,
            "after": (!after.is_empty()).then_some(after), "error": why,
        }));
    }
    output.table(&["id", "key", "before", "now"], &rows);
    output.document(&json!({"dry_run": global.dry_run, "keys": documents}));
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let text = format!("the key was not rotated of {}", failed.join(", "));
    Err(Error::new(Kind::Failed, text)
        .hint("the same command again goes on where this one stopped; `salt-agent remaster rotate-key` on the minion tells where that is"))
}

/// The accepted key of each id.
async fn held(master: &mut Local, ids: &[String]) -> Result<Vec<Key>> {
    let all = keys::all(master).await?;
    let of = |id: &String| {
        let accepted = |k: &&Key| k.id == *id && k.state == KeyState::Accepted && k.key.is_some();
        let found = all.iter().find(accepted).cloned();
        found.ok_or_else(|| {
            let text = format!("the master has no accepted key of {id}");
            Error::new(Kind::NothingMatched, text).hint("`master-bridge keys list` shows all")
        })
    };
    ids.iter().map(of).collect()
}

struct Work<'a> {
    master: &'a mut Local,
    patience: Patience,
    key: &'a Key,
}

impl Work<'_> {
    /// Where the minion stands, for a dry run.
    async fn look(&mut self) -> Result<Done> {
        let status = self.ask("status").await?;
        Ok(Done {
            before: self.key.shown(),
            after: text(&status, "next").unwrap_or_default(),
        })
    }

    async fn rotate(&mut self) -> Result<Done> {
        let status = self.ask("status").await?;
        let (state, in_use) = (text(&status, "state"), text(&status, "fingerprint"));
        if state.as_deref() == Some("switched") && in_use == Some(self.key.shown()) {
            // An earlier run stopped before the last word.
            let before = text(&status, "last").unwrap_or_default();
            return self.confirm(before).await;
        }
        // The master may hold the staged key already: then the word for it was believed, and only the switch is left.
        if text(&status, "next") != Some(self.key.shown()) {
            let next = self.next().await?;
            self.put(&next).await?;
        }
        let before = in_use.unwrap_or_default();
        if let Err(error) = self.ask("switch").await {
            // With the key of before the minion is let in again, whichever it uses.
            let old = self.key.key.clone();
            if let Some(old) = old {
                self.put(&old).await?;
            }
            return Err(error);
        }
        self.confirm(before).await
    }

    /// The minion's next key, by the word of its present one.
    async fn next(&mut self) -> Result<PublicKey> {
        let staged = self.ask("stage").await?;
        let word = text(&staged, "word").unwrap_or_default();
        let believed = Rotation::open(&word).and_then(|word| {
            let (id, now) = (&self.key.id, SystemTime::now().duration_since(UNIX_EPOCH));
            let accepted = self.key.key.as_ref().unwrap_or(&word.new);
            word.check(id, accepted, now.map_or(0, |d| d.as_secs()))?;
            Ok(word.new)
        });
        believed.map_err(|error| {
            let text = format!("{} gave no good word for its next key", self.key.id);
            Error::new(Kind::Refused, text).because(&error)
        })
    }

    /// Puts a key in the place of the accepted one.
    async fn put(&mut self, key: &PublicKey) -> Result<()> {
        let key = Key {
            id: self.key.id.clone(),
            state: KeyState::Accepted,
            key: Some(key.clone()),
        };
        self.master.install_key(&key).await
    }

    /// The minion forgets the key of before, if the master and it have the same one now.
    async fn confirm(&mut self, before: String) -> Result<Done> {
        let status = self.ask("status").await?;
        let ids = [self.key.id.clone()];
        let accepted = held(self.master, &ids).await?;
        let after = accepted.first().map(Key::shown).unwrap_or_default();
        if text(&status, "fingerprint").as_ref() != Some(&after) {
            let text = format!("{} uses another key than the accepted one {after}", ids[0]);
            return Err(Error::new(Kind::Failed, text));
        }
        self.ask("confirm").await?;
        Ok(Done { before, after })
    }

    async fn ask(&mut self, action: &str) -> Result<Value> {
        let id = &self.key.id;
        let mut job = Job::for_ids(&[id], "remaster.rotate_key");
        job.args.push(action.into());
        let outcome = job::run(self.master, &job, self.patience, &mut |_| {}).await?;
        match outcome.of(id) {
            Some(answer) if answer.is_good() && answer.value.as_map().is_some() => {
                Ok(answer.value.clone())
            }
            Some(answer) => {
                let said = answer.value.as_str().unwrap_or("no usable answer");
                let text = format!("{id} did not {action} its key: {said}");
                Err(Error::new(Kind::Failed, text))
            }
            None => Err(Error::new(
                Kind::Unreachable,
                format!("{id} did not answer"),
            )),
        }
    }
}

fn text(map: &Value, field: &str) -> Option<String> {
    map.get(field).and_then(Value::as_str).map(str::to_owned)
}
