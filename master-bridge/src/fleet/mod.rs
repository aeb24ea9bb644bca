//! Moving minions between two masters. `look.rs` asks both masters and everyone on them; `journey.rs` takes an operation
//! of the journal through its waves, `blind.rs` one that only the old master sees; `hand_over.rs` puts keys on a master;
//! `carrier.rs` leaves signed orders where minions look; `cross.rs` is one crossing between two masters, either way;
//! `undo.rs` brings waves back; `leftovers.rs` cleans up behind them, and `herd.rs` counts who comes back then;
//! `watch.rs` waits for minions.
//! What is decided is decided in `plan/`.

mod blind;
pub mod carrier;
pub mod cross;
pub mod ends;
#[cfg(test)]
pub(crate) mod fake;
pub mod hand_over;
pub mod herd;
pub mod journey;
pub mod leftovers;
pub mod look;
pub mod servers;
pub mod undo;
pub mod watch;
pub mod words;

use clap::Args;
use salt_wire::crypto::{Fingerprint, HashType};
use salt_wire::order::{MASTER_PORT, PUBLISH_PORT};
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::plan::steps::Terms;
use crate::salt::{Local, MasterConfig, keyfile};

/// Where to, and how patiently: arguments of both commands that move.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The new master")]
pub struct Destination {
    /// The new master's address, as the minions reach it
    #[arg(long, value_name = "HOST", required_unless_present = "to_config")]
    pub to: Option<String>,
    /// SHA-256 fingerprint of the new master's key (`salt-key -F master` there)
    #[arg(
        long,
        value_name = "FINGERPRINT",
        required_unless_present = "to_config"
    )]
    pub finger: Option<Fingerprint>,
    /// The new master's configuration directory, if it runs on this host: gives fingerprint and ports, and lets keys be handed over and moves be verified
    #[arg(long, value_name = "DIR")]
    pub to_config: Option<PathBuf>,
    /// The new master's request port
    #[arg(long, value_name = "PORT")]
    pub to_port: Option<u16>,
    /// The new master's publish port
    #[arg(long, value_name = "PORT")]
    pub to_publish_port: Option<u16>,
    /// Seconds that the new master may take to accept a key
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub wait: u64,
    /// Seconds after which a minion that was not confirmed goes back by itself
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub confirm: u64,
    /// Run a highstate on each minion after its move
    #[arg(long)]
    pub highstate: bool,
    /// Move nobody for whom a highstate with test=True on the new master would change more states than this
    #[arg(long, value_name = "N")]
    pub changes: Option<u64>,
    /// Round trips to the new master after which a move confirms itself [default: 3 for signed orders, which may be read when nobody looks on; else none]
    #[arg(long, value_name = "N")]
    pub rounds: Option<u64>,
}

/// The new master, as far as it is known.
pub struct Goal {
    /// Its address, ports, fingerprint and the terms of orders.
    pub terms: Terms,
    /// The master itself, if it runs here.
    pub master: Option<Local>,
}

/// Round trips after which a move by signed order confirms itself: who wakes next week finds nobody who does it.
const ROUNDS: u64 = 3;

impl Destination {
    /// The same, for orders that minions read whenever they wake.
    pub async fn open_signed(&self) -> Result<Goal> {
        let mut goal = self.open().await?;
        goal.terms.rounds = self.rounds.or(Some(ROUNDS));
        Ok(goal)
    }

    /// Opens the new master if it runs here, and makes sure of its fingerprint.
    pub async fn open(&self) -> Result<Goal> {
        let config = match &self.to_config {
            Some(dir) => Some(MasterConfig::read(dir)?),
            None => None,
        };
        let key = match &config {
            Some(config) => Some(keyfile::of_master(&config.pki_dir)?),
            None => None,
        };
        let found = key.as_ref().map(|key| key.fingerprint(HashType::Sha256));
        let finger = match (self.finger.clone(), found) {
            (Some(said), Some(found)) if said != found => {
                let text = format!("the new master's key has fingerprint {found}, not {said}");
                return Err(Error::new(Kind::Refused, text)
                    .hint("is --to-config the master that --finger was taken from?"));
            }
            (Some(finger), _) | (None, Some(finger)) => finger,
            (None, None) => return Err(Error::new(Kind::Usage, "--finger is missing")),
        };
        if finger.hash_type() != HashType::Sha256 {
            return Err(Error::new(
                Kind::Usage,
                "--finger must be a SHA-256 fingerprint",
            ));
        }
        let name = match (&self.to, &config) {
            (Some(to), _) => to.clone(),
            (None, Some(config)) if !matches!(config.interface.as_str(), "0.0.0.0" | "::") => {
                config.interface.clone()
            }
            _ => {
                return Err(Error::new(Kind::Usage, "--to is missing")
                    .hint("the new master listens on all addresses: say which one minions reach"));
            }
        };
        let port = |given: Option<u16>, configured: Option<u16>, default| {
            given.or(configured).unwrap_or(default)
        };
        let terms = Terms {
            master: name,
            finger: finger.to_string(),
            master_port: port(
                self.to_port,
                config.as_ref().map(|c| c.ret_port),
                MASTER_PORT,
            ),
            publish_port: port(
                self.to_publish_port,
                config.as_ref().map(|c| c.publish_port),
                PUBLISH_PORT,
            ),
            wait: self.wait,
            confirm: self.confirm,
            highstate: self.highstate,
            rounds: self.rounds,
            changes: self.changes,
            rekey: false,
            key: key.map(|key| key.wire_pem().to_owned()),
        };
        let master = match config {
            Some(config) => Some(Local::open(config).await?),
            None => None,
        };
        Ok(Goal { terms, master })
    }
}
