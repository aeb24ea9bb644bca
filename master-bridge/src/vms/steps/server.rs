//! Servers: claimed, made, waited for, stopped, removed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{STEP, World};
use super::image::filled;
use super::tell;
use crate::cloud::server::{NewServer, Nic, OP, ROLE, Server};
use crate::error::{Error, Kind, Result};
use crate::plan::cloud::Ref;

/// Nova removes within seconds, and within minutes where volumes are wiped.
const REMOVAL: Duration = Duration::from_secs(300);

async fn there(world: &World<'_>, id: &str) -> Result<Server> {
    world.cloud.server(id).await?.ok_or_else(|| {
        Error::new(Kind::NothingMatched, format!("server {id} is gone"))
            .hint("somebody else removed it; `ops rollback` undoes the rest")
    })
}

pub(super) async fn find_claim(world: &mut World<'_>, server: &str) -> Result<Option<Value>> {
    let found = world.cloud.server(server).await?;
    let ours = found.is_some_and(|s| s.metadata.get(OP).is_some_and(|op| op == world.op));
    Ok(ours.then(|| json!({"id": server})))
}

pub(super) async fn claim(world: &mut World<'_>, server: &str, role: &str) -> Result<Value> {
    let now = there(world, server).await?;
    let held = |server: &Server| {
        server
            .metadata
            .get(OP)
            .filter(|op| *op != world.op)
            .cloned()
    };
    let refused = |op: &str| {
        let text = format!(
            "server {} ({server}) is held by the operation {op}",
            now.name
        );
        Error::new(Kind::Refused, text).hint(format!(
            "end that one where it was begun: `ops resume {op}` or `ops rollback {op}`; if that bridge is gone for good, take {OP} out of the server's metadata"
        ))
    };
    if let Some(op) = held(&now) {
        return Err(refused(&op));
    }
    let pairs = [
        (OP.to_owned(), world.op.to_owned()),
        (ROLE.to_owned(), role.to_owned()),
    ];
    world
        .cloud
        .set_metadata(server, &BTreeMap::from(pairs))
        .await?;
    // Of two bridges at the same moment the one that wrote last has it.
    match held(&there(world, server).await?) {
        Some(op) => Err(refused(&op)),
        None => Ok(json!({"id": server})),
    }
}

pub(super) async fn unclaim(world: &mut World<'_>, server: &str) -> Result<()> {
    if find_claim(world, server).await?.is_some() {
        for key in [OP, ROLE] {
            world.cloud.unset_metadata(server, key).await?;
        }
    }
    Ok(())
}

/// The server that this step of this operation made.
pub(super) async fn find(world: &mut World<'_>, key: &str) -> Result<Option<Value>> {
    let ours = |server: &Server| {
        let is = |name: &str, value: &str| server.metadata.get(name).is_some_and(|v| v == value);
        is(OP, world.op) && is(STEP, key)
    };
    let servers = world.cloud.servers().await?;
    let found = servers
        .into_iter()
        .find(|s| ours(s) && s.status != "DELETED");
    Ok(found.map(|server| json!({"id": server.id, "name": server.name})))
}

/// `{step}` is the id of what that step made.
fn made_by(world: &World<'_>, id: &str) -> Result<String> {
    match id.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        Some(step) => world.made(step, "id"),
        None => Ok(id.to_owned()),
    }
}

pub(super) async fn make(
    world: &mut World<'_>,
    key: &str,
    server: &NewServer,
    user_data: &str,
) -> Result<Value> {
    let mut server = server.clone();
    // What earlier steps made.
    server.image = made_by(world, &server.image)?;
    server.server_group = server
        .server_group
        .map(|g| made_by(world, &g))
        .transpose()?;
    for nic in &mut server.nics {
        let (Nic::Network(id) | Nic::Port(id)) = nic;
        *id = made_by(world, id)?;
    }
    let marks = [(OP, world.op), (STEP, key)];
    server
        .metadata
        .extend(marks.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let user_data = user_data
        .replace("<NONCE>", &world.plan.nonce(key))
        .replace("<TOKEN>", &world.plan.token(key));
    match world
        .cloud
        .create_server(&server, user_data.as_bytes())
        .await
    {
        Ok(id) => Ok(json!({"id": id, "name": server.name})),
        // The answer was lost: it may have been made all the same.
        Err(fault) if fault.is_transient() => match find(world, key).await? {
            Some(made) => Ok(made),
            None => Err(fault.into()),
        },
        Err(fault) => Err(fault.into()),
    }
}

pub(super) async fn unmake(world: &mut World<'_>, made: Option<&Value>) -> Result<()> {
    let Some(id) = made.and_then(|made| made.get("id")?.as_str()) else {
        return Ok(());
    };
    world.cloud.delete_server(id).await?;
    world.cloud.wait_server_gone(id, REMOVAL, &mut |_| {}).await
}

pub(super) async fn active(
    world: &mut World<'_>,
    key: &str,
    server: &Ref,
    within: Duration,
) -> Result<Value> {
    let id = world.id(server)?;
    let mut tell = tell(world, key);
    let server = world
        .cloud
        .wait_server(&id, "ACTIVE", within, &mut tell)
        .await?;
    Ok(json!({"id": id, "addresses": server.addresses("fixed")}))
}

pub(super) async fn stop(
    world: &mut World<'_>,
    key: &str,
    server: &Ref,
    within: Duration,
) -> Result<Value> {
    let id = world.id(server)?;
    if there(world, &id).await?.status != "SHUTOFF" {
        world.cloud.server_action(&id, "os-stop").await?;
    }
    let mut tell = tell(world, key);
    world
        .cloud
        .wait_server(&id, "SHUTOFF", within, &mut tell)
        .await?;
    Ok(Value::Null)
}

pub(super) async fn find_retired(world: &mut World<'_>, server: &str) -> Result<Option<Value>> {
    let gone = world.cloud.server(server).await?.is_none();
    Ok(gone.then_some(Value::Null))
}

pub(super) async fn retire(world: &mut World<'_>, key: &str, server: &str) -> Result<Value> {
    let ports = world.cloud.ports_of(server).await?;
    let ips = world.cloud.floating_ips().await?;
    let leads = ips.iter().find(|ip| {
        ip.port_id
            .as_ref()
            .is_some_and(|id| ports.iter().any(|p| p.id == *id))
    });
    if let Some(ip) = leads {
        let text = format!(
            "{} leads to the old server {server} again",
            ip.floating_ip_address
        );
        return Err(Error::new(Kind::Refused, text)
            .hint("somebody moved it back: it is kept. `ops rollback` undoes the rest, or flip it and `ops resume`"));
    }
    world.cloud.delete_server(server).await?;
    let mut tell = tell(world, key);
    world
        .cloud
        .wait_server_gone(server, REMOVAL, &mut tell)
        .await?;
    Ok(Value::Null)
}

pub(super) async fn release(world: &mut World<'_>, server: &Ref) -> Result<Value> {
    let id = world.id(server)?;
    for key in [OP, STEP, ROLE] {
        world.cloud.unset_metadata(&id, key).await?;
    }
    Ok(Value::Null)
}

pub(super) async fn remove(world: &mut World<'_>, server: &str) -> Result<Value> {
    let made = world.made.get(server).cloned();
    unmake(world, made.as_ref()).await?;
    Ok(Value::Null)
}

pub(super) async fn tag(
    world: &mut World<'_>,
    server: &Ref,
    pairs: &BTreeMap<String, String>,
) -> Result<Value> {
    let id = world.id(server)?;
    let pairs: BTreeMap<String, String> = pairs
        .iter()
        .map(|(name, value)| (name.clone(), filled(&world.made, value)))
        .collect();
    world.cloud.set_metadata(&id, &pairs).await?;
    let now = there(world, &id).await?;
    if pairs
        .iter()
        .all(|(name, value)| now.metadata.get(name) == Some(value))
    {
        return Ok(json!(pairs));
    }
    let text = format!("Nova did not keep what was written into the metadata of server {id}");
    Err(Error::new(Kind::Failed, text).hint("`openstack server show` tells what it has"))
}
