//! Signed orders, left where minions look for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salt_wire::order::signed::{METADATA_KEY, SignedOrder, to_metadata};
use salt_wire::order::target::Target;

use crate::cloud::{Client, Server, resolve};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::{Carriage, Way};

/// Where signed orders are left.
pub enum Carrier {
    /// A file that minions read, or that a web server shows to them.
    File(PathBuf),
    /// The metadata of their servers, which are known before anything is done.
    Metadata(Box<Client>, BTreeMap<String, String>),
}

/// Those for whom no order can be left (any more), and why.
pub type Lost = BTreeMap<String, Error>;

impl Carrier {
    /// Makes sure that orders for these minions can be left there.
    pub async fn of(way: &Way, ids: &[String]) -> Result<Self> {
        let cloud = match way {
            Way::File(path) => return Ok(Self::File(path.clone())),
            Way::Metadata(cloud) => Client::connect(cloud).await?,
        };
        let (servers, lost) = sort_out(&cloud.servers().await?, ids)?;
        match lost.into_values().next() {
            None => Ok(Self::Metadata(Box::new(cloud), servers)),
            Some(error) => Err(error),
        }
    }

    /// The same again for those of an operation who are not there yet: some may have lost their servers meanwhile.
    pub async fn again(by: &Carriage, ids: &[String], others: &[String]) -> Result<(Self, Lost)> {
        let cloud = match &by.way {
            Way::File(path) => return Ok((Self::File(path.clone()), Lost::new())),
            Way::Metadata(cloud) => Client::connect(cloud).await?,
        };
        if let Some(project) = &by.project {
            cloud.must_be_in(project)?;
        }
        let all = cloud.servers().await?;
        let (servers, lost) = sort_out(&all, ids)?;
        if servers.is_empty() && is_another(&all, others) {
            let text = format!("{} has no server of any of them", cloud.name());
            let mut error = Error::new(Kind::NothingMatched, text).hint(
                "is this the cloud, the project and the region that it was begun in? If they are all gone: `master-bridge ops end`",
            );
            error.causes = lost.into_values().map(|e| e.message).collect();
            return Err(error);
        }
        Ok((Self::Metadata(Box::new(cloud), servers), lost))
    }

    /// The id of the project whose servers it needs.
    pub fn project(&self) -> Option<String> {
        match self {
            Self::File(_) => None,
            Self::Metadata(cloud, _) => cloud.project().map(|(id, _)| id),
        }
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

/// The servers of minions, by their names, and who has none. Which of several is meant nobody knows.
fn sort_out(all: &[Server], ids: &[String]) -> Result<(BTreeMap<String, String>, Lost)> {
    let (mut servers, mut lost) = (BTreeMap::new(), Lost::new());
    for id in ids {
        let found = resolve::find(all, id).map_err(|e| {
            e.hint("an order goes to the one server that has its minion's name: rename or delete the others")
        })?;
        match found.and_then(|at| all.get(at)) {
            Some(server) => drop(servers.insert(id.clone(), server.id.clone())),
            None => drop(lost.insert(id.clone(), resolve::none(all, id))),
        }
    }
    Ok((servers, lost))
}

/// Whether this is not the cloud of an operation: that everyone has lost his server is not believed while the others of
/// the operation have none either.
fn is_another(all: &[Server], others: &[String]) -> bool {
    !all.iter().any(|server| others.contains(&server.name))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, name: &str) -> Server {
        let found = serde_json::json!({"id": id, "name": name, "status": "ACTIVE"});
        serde_json::from_value(found).unwrap()
    }

    #[test]
    fn one_that_is_gone_is_lost_and_a_twin_is_an_error() {
        let ids = ["a", "b"].map(str::to_owned);
        let (servers, lost) = sort_out(&[server("1", "a"), server("2", "x")], &ids).unwrap();
        assert_eq!(servers, BTreeMap::from([("a".into(), "1".into())]));
        assert_eq!(lost.keys().collect::<Vec<_>>(), ["b"]);
        let twins = [server("1", "a"), server("2", "a"), server("3", "b")];
        let error = sort_out(&twins, &ids).unwrap_err();
        assert_eq!(error.message, "2 servers are called a");
        assert!(error.hint.unwrap().contains("rename"));
    }

    #[test]
    fn a_cloud_without_any_of_them_is_another() {
        let others = ["a".to_owned()];
        let (here, elsewhere) = ([server("1", "a")], [server("1", "x")]);
        assert!(!is_another(&here, &others));
        assert!(is_another(&elsewhere, &others) && is_another(&here, &[]));
    }
}
