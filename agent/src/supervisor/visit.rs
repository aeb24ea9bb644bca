//! An errand at a master: a single call is let in, asks, and listens to nothing. No daemon is needed for it, and
//! none that runs is disturbed.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use salt_wire::error::Reason;
use salt_wire::zmtp::Limits;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::credentials::{Credentials, Pair};
use super::links::asking;
use crate::config::{MasterAddress, Settings};
use crate::context::{Facts, Master};
use crate::keys;
use crate::session::{self, Client, Credentials as _, Options, Trouble, trouble};
use crate::transport::{Pool, Port, Resolve};

/// A lookup takes no longer.
const LOOKUP: Duration = Duration::from_secs(15);

/// A master that can be asked for as long as this lives.
pub struct Visit {
    /// Asks it.
    pub master: Arc<dyn Master>,
    _runtime: Runtime,
}

/// No master let us in: what each of them said.
#[derive(Debug, thiserror::Error)]
#[error(
    "no master can be asked:{said}\nWith --local no master is needed; `salt-agent doctor` looks closer."
)]
pub struct Unasked {
    said: String,
}

/// Goes to the masters of the configuration in their order, until one lets us in.
pub fn visit(settings: &Arc<Settings>, facts: &Arc<Facts>) -> Result<Visit, Unasked> {
    let mut said = String::new();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Unasked {
        said: format!(" {error}"),
    })?;
    for address in &settings.master.addresses {
        match runtime.block_on(enter(settings, facts, address)) {
            Ok(client) => {
                let _inside = runtime.enter();
                let master = asking(client);
                return Ok(Visit {
                    master,
                    _runtime: runtime,
                });
            }
            Err(Trouble { reason, detail }) => {
                // Writing to a string does not fail.
                let _written = write!(said, "\n  {address}: {reason}: {detail}");
            }
        }
    }
    if settings.master.addresses.is_empty() {
        said.push_str(" the configuration names none");
    }
    Err(Unasked { said })
}

async fn enter(
    settings: &Arc<Settings>,
    facts: &Arc<Facts>,
    address: &MasterAddress,
) -> Result<Client, Trouble> {
    let credentials = Arc::new(Credentials {
        settings: settings.clone(),
        pair: Arc::new(Pair::of(settings)),
        masters: RwLock::new(keys::Masters::of(settings)),
        address: address.clone(),
        facts: facts.clone(),
    });
    let options = Options::of(settings);
    let name = address.to_string();
    let pool = Arc::new(reach(settings, address, &options).await?);
    let met = session::introduce(&name, pool, credentials.clone(), &options).await;
    let (client, ticket) = met?;
    credentials.remember(&ticket)?;
    Ok(client)
}

/// A connection to the first address of the name that takes one.
pub(super) async fn reach(
    settings: &Settings,
    address: &MasterAddress,
    options: &Options,
) -> Result<Pool, Trouble> {
    let unknown = |detail| Trouble {
        reason: Reason::Dns,
        detail,
    };
    let resolver = session::resolver(settings);
    let answer = timeout(LOOKUP, resolver.resolve(&address.host)).await;
    let answer = answer
        .map_err(|_| unknown(format!("{}: no answer in time", address.host)))?
        .map_err(|error| trouble(&error, Port::Request))?;
    let limits = Limits {
        message: salt_wire::frame::MAX_REPLY as u64,
        ..Limits::default()
    };
    let mut last = unknown(format!("{} has no address", address.host));
    for ip in answer.addresses {
        let peer = SocketAddr::new(ip, address.port);
        let dial = Arc::new(session::dial(settings));
        let pool = Pool::new(dial, peer, limits, options.pool, options.connect_timeout);
        match pool.open().await {
            Ok(()) => return Ok(pool),
            Err(error) => last = trouble(&error, Port::Request),
        }
    }
    Err(last)
}
