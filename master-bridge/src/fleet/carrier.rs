//! Signed orders, left where minions look for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salt_wire::order::signed::{METADATA_KEY, SignedOrder, to_metadata};
use salt_wire::order::target::Target;

use crate::cloud::Client;
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::Way;

/// Where signed orders are left.
pub enum Carrier {
    /// A file that minions read, or that a web server shows to them.
    File(PathBuf),
    /// The metadata of their servers, which are known before anything is done.
    Metadata(Box<Client>, BTreeMap<String, String>),
}

impl Carrier {
    /// Makes sure that orders for these minions can be left there.
    pub async fn of(way: &Way, ids: &[String]) -> Result<Self> {
        let (carrier, lost) = Self::of_those_there(way, ids).await?;
        match lost.into_values().next() {
            None => Ok(carrier),
            Some(error) => Err(error),
        }
    }

    /// The same, but for those who have no server (any more): each with what is wrong.
    pub async fn of_those_there(
        way: &Way,
        ids: &[String],
    ) -> Result<(Self, BTreeMap<String, Error>)> {
        let cloud = match way {
            Way::File(path) => return Ok((Self::File(path.clone()), BTreeMap::new())),
            Way::Metadata(cloud) => Client::connect(cloud).await?,
        };
        let (mut servers, mut lost) = (BTreeMap::new(), BTreeMap::new());
        for id in ids {
            match cloud.server_of(id).await {
                Ok(server) => {
                    servers.insert(id.clone(), server.id);
                }
                Err(error) if error.kind == Kind::NothingMatched => {
                    lost.insert(id.clone(), error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Self::Metadata(Box::new(cloud), servers), lost))
    }

    /// Leaves an order for these minions; until when it counts.
    pub async fn leave(
        &self,
        ids: &[String],
        seal: impl Fn(Vec<Target>) -> Result<(SignedOrder, String)>,
    ) -> Result<u64> {
        match self {
            Self::File(path) => {
                let (order, text) = seal(vec![Target::List(ids.to_vec())])?;
                write(path, &text)?;
                Ok(order.order.expires)
            }
            // One order for each: one for all would not fit into Nova's limits.
            Self::Metadata(cloud, servers) => {
                let mut expires = 0;
                for id in ids {
                    let (order, text) = seal(vec![Target::List(vec![id.clone()])])?;
                    expires = order.order.expires;
                    if let Some(server) = servers.get(id) {
                        let entries = to_metadata(&text).into_iter().collect();
                        cloud.set_metadata(server, &entries).await?;
                    }
                }
                Ok(expires)
            }
        }
    }

    /// Takes the orders back of those that are where they should be. What stays expires, and is not taken twice.
    pub async fn tidy(&self, ids: &[String], output: &Output) {
        let Self::Metadata(cloud, servers) = self else {
            return;
        };
        for (id, server) in servers.iter().filter(|(id, _)| ids.contains(id)) {
            if let Err(error) = tidy(cloud, server).await {
                output.say(&format!(
                    "{id}: the order stays in the metadata of {server}: {error}"
                ));
            }
        }
    }
}

async fn tidy(cloud: &Client, server: &str) -> Result<()> {
    let found = cloud.server(server).await?;
    let metadata = found.map(|s| s.metadata).unwrap_or_default();
    for key in metadata.keys().filter(|k| k.starts_with(METADATA_KEY)) {
        cloud.unset_metadata(server, key).await?;
    }
    Ok(())
}

/// Writes an order where minions may read it: whole or not at all.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::new(Kind::Local, format!("cannot write {}", path.display())).because(&e)
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    std::fs::write(&temporary, format!("{text}\n"))
        .and_then(|()| std::fs::File::open(&temporary)?.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(failed)
}
