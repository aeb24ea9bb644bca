//! `remaster status`: the truth about everyone between two masters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use salt_wire::Value;
use serde_json::json;
use tokio::try_join;

use super::{patience, short};
use crate::cli::Global;
use crate::cloud::Selection;
use crate::error::{Error, Kind, Result};
use crate::fleet::look::{accepted, ask_all};
use crate::fleet::servers::Servers;
use crate::output::Output;
use crate::salt::job::{Outcome, Patience};
use crate::salt::keys::Key;
use crate::salt::{Local, MasterConfig, keyfile};

/// Arguments of `remaster status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  master-bridge remaster status --to-config /etc/salt-new\n  master-bridge remaster status web1 web2 --to-config /etc/salt-new --troubled\n  master-bridge remaster status --to-config /etc/salt-new --nova --os-cloud mycloud"
)]
pub struct Status {
    /// Only these ids
    ids: Vec<String>,
    /// The new master's configuration directory; without it only the old master is asked
    #[arg(long, visible_alias = "to", value_name = "DIR")]
    to_config: Option<PathBuf>,
    /// Only those that are not on the new master alone, or have a reason code
    #[arg(long)]
    troubled: bool,
    /// Compare with the servers of the cloud too: those without a minion, and keys without a server
    #[arg(long, help_heading = "Cloud")]
    nova: bool,
    #[command(flatten)]
    cloud: Selection,
}

impl Status {
    /// Asks both masters and everyone with a key on either.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let Some(dir) = &self.to_config else {
            return Err(Error::new(Kind::Usage, "--to-config is missing")
                .hint("the truth needs both masters: name the new one's configuration directory"));
        };
        let mut new = Local::open(MasterConfig::read(dir)?).await?;
        let servers = match self.nova {
            true => Some(Servers::of(&self.cloud).await?),
            false => None,
        };
        let patience = short(patience(global, &new));
        let mut old = Old::find(global, output).await?;
        let (old_keys, new_keys) = (old.keys().await?, accepted(&mut new).await?);
        let ids: BTreeSet<&String> = old_keys
            .keys()
            .chain(new_keys.keys())
            .filter(|id| self.ids.is_empty() || self.ids.contains(id))
            .collect();
        let on = |keys: &BTreeMap<String, _>| -> Vec<&str> {
            let held = ids.iter().filter(|id| keys.contains_key(**id));
            held.map(|id| id.as_str()).collect()
        };
        let (of_old, of_new) = (on(&old_keys), on(&new_keys));
        let (ping_old, ping_new) = try_join!(
            old.ask(&of_old, "test.ping", patience),
            ask_all(&mut new, &of_new, "test.ping", &[], patience),
        )?;
        let (here, there) = (answering(&ping_old), answering(&ping_new));
        let (on_old, on_new) = try_join!(
            old.ask(&here, "remaster.status", patience),
            ask_all(&mut new, &there, "remaster.status", &[], patience),
        )?;
        let (mut rows, mut documents) = (Vec::new(), Vec::new());
        let mut count = [0usize; 4];
        for id in ids {
            let status = on_new.good(id).or_else(|| on_old.good(id));
            let found = (here.contains(&id.as_str()), there.contains(&id.as_str()));
            let place = match found {
                (true, false) => 0,
                (true, true) => 1,
                (false, true) => 2,
                (false, false) => 3,
            };
            count[place] += 1;
            let story = story(status, PLACES[place]);
            if self.troubled && place == 2 && story.reason.is_empty() {
                continue;
            }
            let keys = match (old_keys.contains_key(id), new_keys.contains_key(id)) {
                (true, true) => "both",
                (true, false) => "old",
                _ => "new",
            };
            let since = story.since.map_or_else(
                || "-".into(),
                |s| crate::progress::short(std::time::Duration::from_secs_f64(s.clamp(0.0, 1e9))),
            );
            rows.push(vec![
                id.clone(),
                PLACES[place].into(),
                keys.into(),
                story.state.clone(),
                since,
                format!("{} {}", story.reason, story.detail)
                    .trim()
                    .to_owned(),
            ]);
            documents.push(json!({
                "id": id, "on": PLACES[place], "keys": keys, "state": story.state,
                "since_seconds": story.since, "reason": story.reason, "detail": story.detail,
            }));
        }
        output.table(&["id", "on", "keys", "state", "since", "reason"], &rows);
        let [old, both, new, nowhere] = count;
        output.say(&format!(
            "{old} on old, {both} on both, {new} on new, {nowhere} nowhere"
        ));
        let mut document = json!({
            "minions": documents,
            "count": {"old": old, "both": both, "new": new, "nowhere": nowhere},
        });
        if let Some(servers) = servers {
            let keys = old_keys.keys().chain(new_keys.keys()).map(String::as_str);
            for (field, value) in servers.tell(keys, output) {
                document[field] = value;
            }
        }
        output.document(&document);
        Ok(ExitCode::SUCCESS)
    }
}

/// The old master, or what it has left.
enum Old {
    Here(Box<Local>),
    /// It does not answer: its keys are in this directory, and nobody is on it.
    Gone(PathBuf),
}

impl Old {
    async fn find(global: &Global, output: &Output) -> Result<Self> {
        let config = MasterConfig::read(&global.dir("the state of moves")?)?;
        let pki_dir = config.pki_dir.clone();
        match Local::open(config).await {
            Ok(master) => Ok(Self::Here(Box::new(master))),
            Err(error) if error.kind == Kind::Unreachable => {
                output.say(&format!(
                    "{error}; its keys are read from {}",
                    pki_dir.display()
                ));
                Ok(Self::Gone(pki_dir))
            }
            Err(error) => Err(error),
        }
    }

    async fn keys(&mut self) -> Result<BTreeMap<String, Key>> {
        match self {
            Self::Here(master) => accepted(&mut **master).await,
            Self::Gone(dir) => keyfile::by_id(dir),
        }
    }

    async fn ask(&mut self, ids: &[&str], fun: &str, patience: Patience) -> Result<Outcome> {
        match self {
            Self::Here(master) => ask_all(&mut **master, ids, fun, &[], patience).await,
            Self::Gone(_) => Ok(Outcome::default()),
        }
    }
}

const PLACES: [&str; 4] = ["old", "both", "new", "nowhere"];

fn answering(outcome: &Outcome) -> Vec<&str> {
    let good = outcome
        .returns
        .iter()
        .filter(|r| r.value == Value::Bool(true));
    good.map(|r| r.id.as_str()).collect()
}

/// What a minion says about itself.
#[derive(Debug, Default, PartialEq)]
struct Story {
    state: String,
    since: Option<f64>,
    reason: String,
    detail: String,
}

fn story(status: Option<&Value>, place: &str) -> Story {
    let text = |value: Option<&Value>, key: &str| {
        let text = value.and_then(|v| v.get(key)).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let Some(status) = status else {
        // A key that nobody answers for; or a minion that knows no remaster.
        let (reason, detail) = match place {
            "nowhere" => ("no-answer", "a key without a minion that answers"),
            _ => ("no-agent", "it has no function remaster.status"),
        };
        return Story {
            state: "-".into(),
            reason: reason.into(),
            detail: detail.into(),
            ..Story::default()
        };
    };
    let last = status.get("last");
    let trouble = status.get("trouble");
    let moving = status.get("since").and_then(Value::as_map);
    let since = match moving {
        // The stages follow each other: the last one is where it stands.
        Some(stages) => stages.values().last().and_then(Value::as_float),
        None => last.and_then(|l| l.get("ago")).and_then(Value::as_float),
    };
    let first = |key| {
        [Some(status), trouble, last]
            .into_iter()
            .map(|value| text(value, key))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    };
    Story {
        state: text(Some(status), "state"),
        since,
        reason: first("reason"),
        detail: first("detail"),
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn a_story_has_a_since_and_a_reason() {
        let moving: Value = map! {
            "state" => "waiting", "since" => map! {"staged" => 1.0, "waiting" => 7.5},
            "trouble" => map! {"reason" => "pending", "detail" => "not accepted"},
        }
        .into();
        let told = story(Some(&moving), "old");
        assert_eq!((told.state.as_str(), told.since), ("waiting", Some(7.5)));
        assert_eq!(told.reason, "pending");
        let rest: Value =
            map! {"state" => "steady", "last" => map! {"ago" => 3.0, "outcome" => "confirmed"}}
                .into();
        let told = story(Some(&rest), "new");
        assert_eq!((told.since, told.reason.as_str()), (Some(3.0), ""));
        assert_eq!(story(None, "nowhere").reason, "no-answer");
        assert_eq!(story(None, "old").reason, "no-agent");
    }
}
