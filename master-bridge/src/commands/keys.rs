//! `keys`: list, prove, accept, reject, delete; `rotate` has its own file.
//!
//! A key is accepted when its fingerprint, computed here, is the one that the minion's own machine showed
//! in a place that the network cannot forge; without such a proof only if the operator says so in words.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::open;
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::proof::{Expected, Sources, Verdict};
use crate::salt::Master;
use crate::salt::keys::{Action, Key, KeyState, act, all};

/// The commands about keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List keys with their state and fingerprint
    #[command(
        after_help = "Examples:\n  master-bridge keys list\n  master-bridge keys list --state pending -o json"
    )]
    List(List),
    /// Compare fingerprints with what the minions' machines showed
    #[command(
        after_help = "Examples:\n  master-bridge keys prove web1 --console /var/log/web1-console.log\n  master-bridge keys prove web1 web2 --nova"
    )]
    Prove(Prove),
    /// Accept keys whose fingerprint is proven
    #[command(
        after_help = "Examples:\n  master-bridge keys accept web1 --finger 16:fb:…\n  master-bridge keys accept --fingers fingers.txt\n  master-bridge keys accept web1 --nova --os-cloud mycloud"
    )]
    Accept(Accept),
    /// Keep minions out: their keys are kept and refused
    #[command(
        after_help = "Example:\n  master-bridge keys reject web1\n\nA salt-minion ends when it is rejected; salt-agent keeps asking."
    )]
    Reject(Change),
    /// Forget keys: a minion that lives comes back as pending by itself
    #[command(
        after_help = "Example:\n  master-bridge keys delete web1 --state rejected\n\nThe master then rotates its AES key, and all its minions authenticate anew."
    )]
    Delete(Change),
    /// Give minions other keys while they are managed
    #[command(
        after_help = "Example:\n  master-bridge keys rotate web1 web2\n\nEach minion's present key signs for the next one; the present one is forgotten when the minion has come back with the\nnext. Interrupted, the same command goes on."
    )]
    Rotate(super::keys_rotate::Rotate),
}

/// Arguments of `keys list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only these ids
    ids: Vec<String>,
    /// Only keys in this state
    #[arg(long, value_enum)]
    state: Option<State>,
}

/// A key's state on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum State {
    /// Its minion may work
    Accepted,
    /// Nobody has decided
    Pending,
    /// Somebody said no
    Rejected,
    /// Another key came under an id that has one
    Denied,
}

impl From<State> for KeyState {
    fn from(state: State) -> Self {
        match state {
            State::Accepted => Self::Accepted,
            State::Pending => Self::Pending,
            State::Rejected => Self::Rejected,
            State::Denied => Self::Denied,
        }
    }
}

/// Arguments of `keys prove`.
#[derive(Debug, Args)]
pub struct Prove {
    /// Which keys; without any, all that the sources name
    ids: Vec<String>,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    nova: Nova,
}

/// The consoles that Nova shows.
#[derive(Debug, Args)]
pub struct Nova {
    /// Read the serial console of each named minion's server through Nova; the server has the minion's id as its name
    #[arg(long, help_heading = "Proof", requires = "ids")]
    nova: bool,
    #[command(flatten)]
    cloud: Selection,
}

impl Nova {
    /// Everything that is known about these ids.
    async fn expected(&self, sources: &Sources, ids: &[String]) -> Result<Expected> {
        if sources.is_empty() && !self.nova {
            return Err(no_source());
        }
        let mut expected = sources.read(ids)?;
        if self.nova {
            let cloud = Client::connect(&self.cloud).await?;
            for id in ids {
                let server = cloud.server_of(id).await?;
                let console = cloud.console(&server.id, None).await?;
                expected.add_console(
                    id,
                    &console,
                    &format!("the console of server {}", server.id),
                )?;
            }
        }
        Ok(expected)
    }
}

/// Arguments of `keys accept`.
#[derive(Debug, Args)]
pub struct Accept {
    /// Which keys; without any, all pending ones that the sources name
    ids: Vec<String>,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    nova: Nova,
    /// Accept without proof: whoever sent the key is trusted
    #[arg(long)]
    unproven: bool,
}

/// Arguments of `keys reject` and `keys delete`.
#[derive(Debug, Args)]
pub struct Change {
    /// Which keys, by their exact ids
    #[arg(required = true)]
    ids: Vec<String>,
    /// Only keys in this state
    #[arg(long, value_enum)]
    state: Option<State>,
}

impl Keys {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(args, global, output).await,
            Self::Prove(args) => prove(args, global, output).await,
            Self::Accept(args) => accept(args, global, output).await,
            Self::Reject(args) => change(Action::Reject, args, global, output).await,
            Self::Delete(args) => change(Action::Delete, args, global, output).await,
            Self::Rotate(args) => super::keys_rotate::rotate(args, global, output).await,
        }
    }
}

async fn list(args: List, global: &Global, output: &Output) -> Result<ExitCode> {
    let mut master = open(global).await?;
    let mut keys = chosen(&mut *master, &args.ids).await?;
    if let Some(state) = args.state {
        keys.retain(|k| k.state == state.into());
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|k| vec![k.id.clone(), k.state.name().into(), k.shown()])
        .collect();
    output.table(&["id", "state", "fingerprint"], &rows);
    let document: Vec<_> = keys.iter().map(|k| document(k, None)).collect();
    output.document(&json!({"keys": document}));
    Ok(ExitCode::SUCCESS)
}

async fn prove(args: Prove, global: &Global, output: &Output) -> Result<ExitCode> {
    let expected = args.nova.expected(&args.sources, &args.ids).await?;
    let ids = ids_or_expected(&args.ids, &expected);
    let mut master = open(global).await?;
    let keys = chosen(&mut *master, &ids).await?;
    show_verdicts(&keys, &expected, output);
    let proven = keys.iter().all(|k| expected.verdict(k) == Verdict::Proven);
    if proven {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Error::new(Kind::Refused, "not every key is proven"))
}

async fn accept(args: Accept, global: &Global, output: &Output) -> Result<ExitCode> {
    let expected = match args.unproven && args.sources.is_empty() && !args.nova.nova {
        true => Expected::default(),
        false => args.nova.expected(&args.sources, &args.ids).await?,
    };
    let ids = ids_or_expected(&args.ids, &expected);
    if ids.is_empty() {
        return Err(Error::new(Kind::Usage, "name the keys to accept"));
    }
    let mut master = open(global).await?;
    let keys = chosen(&mut *master, &ids).await?;
    if keys.iter().all(|k| k.state == KeyState::Accepted) {
        show_verdicts(&keys, &expected, output);
        refuse_bad(&keys, &expected, args.unproven)?;
        output.say("accepted already: nothing to do");
        return Ok(ExitCode::SUCCESS);
    }
    // Of an id with several keys the one that waits is meant; a denied one only if it is the proven one.
    let meant: Vec<Key> = keys
        .into_iter()
        .filter(|k| match k.state {
            KeyState::Accepted => false,
            KeyState::Pending | KeyState::Rejected => true,
            KeyState::Denied => expected.verdict(k) == Verdict::Proven,
        })
        .collect();
    if meant.is_empty() {
        return Err(
            Error::new(Kind::Refused, "only denied keys without proof are left")
                .hint("a denied key came under an id that has another key: prove which is right"),
        );
    }
    refuse_bad(&meant, &expected, args.unproven)?;
    let unproven: Vec<&str> = meant
        .iter()
        .filter(|k| expected.verdict(k) != Verdict::Proven)
        .map(|k| k.id.as_str())
        .collect();
    if !unproven.is_empty() && !global.dry_run {
        output.consent(&format!("accept without proof {}", unproven.join(", ")))?;
    }
    finish(
        &mut *master,
        Action::Accept,
        &meant,
        &expected,
        global,
        output,
    )
    .await
}

async fn change(
    action: Action,
    args: Change,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let mut master = open(global).await?;
    let mut keys = chosen(&mut *master, &args.ids).await?;
    if let Some(state) = args.state {
        keys.retain(|k| k.state == state.into());
    }
    if keys.is_empty() {
        return Err(Error::new(
            Kind::NothingMatched,
            "no key of these ids is in that state",
        ));
    }
    if !global.dry_run {
        let names: Vec<String> = keys
            .iter()
            .map(|k| format!("{} ({})", k.id, k.state.name()))
            .collect();
        output.consent(&format!("{} {}", action.name(), names.join(", ")))?;
    }
    finish(
        &mut *master,
        action,
        &keys,
        &Expected::default(),
        global,
        output,
    )
    .await
}

/// Does it, unless it is only to be shown, and prints what was done.
async fn finish(
    master: &mut dyn Master,
    action: Action,
    keys: &[Key],
    expected: &Expected,
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    if !global.dry_run {
        act(master, action, &keys.iter().collect::<Vec<_>>()).await?;
    }
    let word = if global.dry_run { "would" } else { "done" };
    let rows: Vec<_> = keys
        .iter()
        .map(|k| {
            let verdict = expected.verdict(k).name();
            vec![
                k.id.clone(),
                format!("{word}: {}", action.name()),
                k.state.name().into(),
                verdict.into(),
                k.shown(),
            ]
        })
        .collect();
    output.table(&["id", "action", "was", "proof", "fingerprint"], &rows);
    let documents: Vec<_> = keys.iter().map(|k| document(k, Some(expected))).collect();
    output.document(&json!({
        "action": action.name(),
        "dry_run": global.dry_run,
        "keys": documents,
    }));
    Ok(ExitCode::SUCCESS)
}

/// The keys of these ids; all keys if there are none. An id without a key is an error that names it.
async fn chosen(master: &mut dyn Master, ids: &[String]) -> Result<Vec<Key>> {
    let mut keys = all(master).await?;
    if ids.is_empty() {
        return Ok(keys);
    }
    let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    keys.retain(|k| wanted.contains(k.id.as_str()));
    let found: BTreeSet<&str> = keys.iter().map(|k| k.id.as_str()).collect();
    let missing: Vec<&str> = wanted.difference(&found).copied().collect();
    if missing.is_empty() {
        return Ok(keys);
    }
    let text = format!("the master has no key of {}", missing.join(", "));
    Err(Error::new(Kind::NothingMatched, text).hint(
        "`master-bridge keys list` shows all; a new minion shows up when it has reached the master",
    ))
}

fn ids_or_expected(ids: &[String], expected: &Expected) -> Vec<String> {
    if ids.is_empty() {
        expected.ids().map(str::to_owned).collect()
    } else {
        ids.to_vec()
    }
}

/// A key that is another than expected is never accepted; one without proof only with `--unproven`.
fn refuse_bad(keys: &[Key], expected: &Expected, unproven: bool) -> Result<()> {
    let named = |verdict: Verdict| -> Vec<String> {
        keys.iter()
            .filter(|k| expected.verdict(k) == verdict)
            .map(|k| k.id.clone())
            .collect()
    };
    let different = named(Verdict::Different);
    if !different.is_empty() {
        let text = format!("the key is not the expected one: {}", different.join(", "));
        return Err(Error::new(Kind::Refused, text)
            .hint("`keys prove` shows both fingerprints; an old key of a machine made anew is deleted with `keys delete`"));
    }
    let unreadable = named(Verdict::Unreadable);
    if !unreadable.is_empty() {
        let text = format!(
            "the master's file is no public key: {}",
            unreadable.join(", ")
        );
        return Err(Error::new(Kind::Refused, text));
    }
    let without = named(Verdict::Unproven);
    if !without.is_empty() && !unproven {
        let text = format!("nothing proves the key of {}", without.join(", "));
        return Err(Error::new(Kind::Refused, text).hint(
            "give its fingerprint with --finger, --fingers, --console or --nova; or say --unproven to trust it unseen",
        ));
    }
    Ok(())
}

fn no_source() -> Error {
    Error::new(Kind::Usage, "nothing to prove with")
        .hint("give --finger FINGERPRINT, --fingers FILE, --console FILE or --nova")
}

fn show_verdicts(keys: &[Key], expected: &Expected, output: &Output) {
    let rows: Vec<_> = keys
        .iter()
        .map(|k| {
            let should = expected.of(&k.id).map(ToString::to_string);
            vec![
                k.id.clone(),
                k.state.name().into(),
                expected.verdict(k).name().into(),
                k.shown(),
                should.unwrap_or_else(|| "-".into()),
            ]
        })
        .collect();
    output.table(&["id", "state", "proof", "fingerprint", "expected"], &rows);
    let documents: Vec<_> = keys.iter().map(|k| document(k, Some(expected))).collect();
    output.document(&json!({"keys": documents}));
}

fn document(key: &Key, expected: Option<&Expected>) -> serde_json::Value {
    let mut shown = json!({
        "id": key.id,
        "state": key.state.name(),
        "fingerprint": key.fingerprint().map(|f| f.to_string()),
    });
    if let (Some(expected), Some(map)) = (expected, shown.as_object_mut()) {
        let verdict = expected.verdict(key).name().to_lowercase();
        map.insert("proof".into(), verdict.into());
        let should = expected.of(&key.id).map(ToString::to_string);
        map.insert("expected".into(), should.into());
    }
    shown
}
