//! Things that are made and removed. Each carries the name of the step that made it, where OpenStack keeps words for
//! it; what has no such place is known by its name and content.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::World;
use super::{keys, tell};
use crate::cloud::{Named as _, Port};
use crate::error::{Error, Kind, Result};
use crate::plan::cloud::Ref;
use crate::plan::rules::{Rule, differences};
use crate::plan::thing::{Gone, Thing};

/// A volume is made, attached, freed or removed within this time.
const VOLUME: Duration = Duration::from_secs(600);
/// A server is removed within this time.
const REMOVAL: Duration = Duration::from_secs(300);
/// The metadata key of volumes and their snapshots for what others have a description for.
pub(in super::super) const MADE: &str = "bridge-made";

/// What is written on a thing: whose it is, and which step made it.
fn words(world: &World<'_>, key: &str, owner: &str) -> String {
    format!("{owner} {}", world.mark(key))
}

/// Whether words on a thing name this step.
fn is_ours(world: &World<'_>, key: &str, words: &str) -> bool {
    words.rsplit(' ').next() == Some(&world.mark(key))
}

/// Did it happen before we were interrupted?
pub(super) async fn find(world: &mut World<'_>, key: &str, thing: &Thing) -> Result<Option<Value>> {
    let cloud = world.cloud;
    let ours = |words: &str| is_ours(world, key, words);
    let id = match thing {
        Thing::Network { .. } => cloud
            .networks()
            .await?
            .into_iter()
            .find(|n| ours(&n.description))
            .map(|n| n.id),
        Thing::Subnet { .. } => cloud
            .subnets()
            .await?
            .into_iter()
            .find(|s| ours(&s.description))
            .map(|s| s.id),
        Thing::Router { .. } => cloud
            .routers()
            .await?
            .into_iter()
            .find(|r| ours(&r.description))
            .map(|r| r.id),
        Thing::Group { .. } => cloud
            .security_groups()
            .await?
            .into_iter()
            .find(|g| ours(&g.description))
            .map(|g| g.id),
        Thing::Port { .. } => {
            let port = cloud
                .ports()
                .await?
                .into_iter()
                .find(|p| ours(&p.description));
            return Ok(port.map(|p| port_made(&p)));
        }
        Thing::FloatingIp { .. } => {
            let all = cloud.floating_ips().await?.into_iter();
            let found = all.into_iter().find(|ip| ours(&ip.description));
            return Ok(found.map(|ip| json!({"id": ip.id, "address": ip.floating_ip_address})));
        }
        Thing::Keypair { name, public_key } => {
            let all = cloud.keypairs().await?.into_iter();
            all.into_iter()
                .find(|k| k.name == *name && same_key(&k.public_key, public_key))
                .map(|k| k.name)
        }
        Thing::ServerGroup { name, .. } => cloud
            .server_groups()
            .await?
            .into_iter()
            .find(|g| g.name == *name)
            .map(|g| g.id),
        Thing::Volume { .. } => {
            let all = cloud.volumes().await?.into_iter();
            all.into_iter()
                .find(|v| v.metadata.get(MADE).is_some_and(|m| ours(m)))
                .map(|v| v.id)
        }
        Thing::VolumeSnapshot { .. } => {
            let all = cloud.volume_snapshots().await?.into_iter();
            all.into_iter()
                .find(|s| s.metadata.get(MADE).is_some_and(|m| ours(m)))
                .map(|s| s.id)
        }
        // These say by themselves whether they are as they should be.
        Thing::Interface { .. }
        | Thing::Rules { .. }
        | Thing::Lead { .. }
        | Thing::Attachment { .. } => None,
    };
    Ok(id.map(|id| json!({"id": id})))
}

fn port_made(port: &Port) -> Value {
    let address = port.fixed_ips.first().map(|ip| ip.ip_address.as_str());
    json!({"id": port.id, "address": address})
}

/// Keys differ by their comments.
fn same_key(a: &str, b: &str) -> bool {
    let words = |key: &str| {
        key.split_whitespace()
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    words(a) == words(b)
}

/// Makes it; says what it made. Whatever is made slowly is waited for.
pub(super) async fn make(
    world: &mut World<'_>,
    key: &str,
    thing: &Thing,
    owner: &str,
) -> Result<Value> {
    let made = match create(world, key, thing, owner).await {
        Ok(made) => made,
        Err(error) if error.kind == Kind::Unreachable => match find(world, key, thing).await? {
            // The answer was lost, and it was made all the same.
            Some(made) => made,
            None => return Err(error),
        },
        Err(error) => return Err(error),
    };
    settle(world, key, thing, &made).await?;
    Ok(made)
}

async fn create(world: &mut World<'_>, key: &str, thing: &Thing, owner: &str) -> Result<Value> {
    let words = words(world, key, owner);
    let cloud = world.cloud;
    let id = match thing {
        Thing::Network { name } => cloud.create_network(name, &words).await?.id,
        Thing::Subnet {
            name,
            network,
            cidr,
            dns,
        } => {
            let network = world.id(network)?;
            let body = json!({
                "name": name, "network_id": network, "cidr": cidr, "ip_version": 4, "dns_nameservers": dns,
                "description": words,
            });
            cloud.create_subnet(body).await?.id
        }
        Thing::Router { name, external } => {
            let mut body = json!({"name": name, "description": words});
            if let Some(network) = external {
                body["external_gateway_info"] = json!({"network_id": network});
            }
            cloud.create_router(body).await?.id
        }
        Thing::Interface { router, subnet } => {
            let (router, subnet) = (world.id(router)?, world.id(subnet)?);
            if !is_plugged(world, &router, &subnet).await? {
                cloud.plug_subnet(&router, &subnet).await?;
            }
            return Ok(json!({"router": router, "subnet": subnet}));
        }
        Thing::Group { name, description } => {
            let words = [description.as_str(), &words].join(" ");
            cloud.create_security_group(name, words.trim()).await?.id
        }
        Thing::Rules {
            group,
            rules,
            egress,
            ..
        } => {
            let id = world.id(group)?;
            let (added, removed) = become_these(world, &id, rules, *egress).await?;
            return Ok(json!({"group": id, "added": added, "removed": removed}));
        }
        Thing::Keypair { name, public_key } => cloud.create_keypair(name, public_key).await?.name,
        Thing::ServerGroup { name, policy } => cloud.create_server_group(name, policy).await?.id,
        Thing::Port {
            name,
            network,
            groups,
            address,
            also,
        } => {
            let body = port(
                world,
                &words,
                (name, network),
                groups,
                (address.as_deref(), also),
            )?;
            return Ok(port_made(&cloud.create_port(body).await?));
        }
        Thing::FloatingIp { network } => {
            let ip = cloud.allocate_floating_ip(network, &words).await?;
            return Ok(json!({"id": ip.id, "address": ip.floating_ip_address}));
        }
        Thing::Lead { ip, port } => {
            let (ip, port) = (world.id(ip)?, world.id(port)?);
            let found = cloud.port(&port).await?;
            let fixed = found.and_then(|p| Some(p.fixed_ips.first()?.ip_address.clone()));
            let fixed = fixed.ok_or_else(|| {
                Error::new(Kind::NothingMatched, format!("port {port} has no address"))
            })?;
            let led = cloud.lead_floating_ip(&ip, Some((&port, &fixed))).await?;
            return Ok(
                json!({"id": led.id, "address": led.floating_ip_address, "fixed_ip": fixed}),
            );
        }
        Thing::Volume {
            name,
            size,
            volume_type,
            snapshot,
        } => {
            let mut body = json!({"name": name, "size": size, "metadata": {MADE: words}});
            for (key, value) in [("volume_type", volume_type), ("snapshot_id", snapshot)] {
                if let Some(value) = value {
                    body[key] = value.as_str().into();
                }
            }
            cloud.create_volume(body).await?.id
        }
        Thing::VolumeSnapshot {
            name,
            volume,
            force,
        } => {
            let volume = world.id(volume)?;
            let body = json!({"name": name, "volume_id": volume, "force": force, "metadata": {MADE: words}});
            cloud.create_volume_snapshot(body).await?.id
        }
        Thing::Attachment { server, volume } => {
            let (server, volume) = (world.id(server)?, world.id(volume)?);
            let device = attach(world, &server, &volume).await?;
            return Ok(json!({"server": server, "volume": volume, "device": device}));
        }
    };
    Ok(json!({"id": id}))
}

async fn settle(world: &mut World<'_>, key: &str, thing: &Thing, made: &Value) -> Result<()> {
    let id = made["id"].as_str().unwrap_or_default();
    let mut tell = tell(world, key);
    match thing {
        Thing::Volume { .. } => {
            world
                .cloud
                .wait_volume(id, "available", VOLUME, &mut tell)
                .await?;
        }
        Thing::VolumeSnapshot { .. } => {
            world
                .cloud
                .wait_volume_snapshot(id, VOLUME, &mut tell)
                .await?;
        }
        Thing::Attachment { .. } => {
            let volume = made["volume"].as_str().unwrap_or_default();
            world
                .cloud
                .wait_volume(volume, "in-use", VOLUME, &mut tell)
                .await?;
        }
        _ => {}
    }
    Ok(())
}

async fn is_plugged(world: &World<'_>, router: &str, subnet: &str) -> Result<bool> {
    let ports = world.cloud.ports_of(router).await?;
    Ok(ports
        .iter()
        .any(|p| p.fixed_ips.iter().any(|ip| ip.subnet_id == subnet)))
}

fn port(
    world: &World<'_>,
    words: &str,
    (name, network): (&str, &Ref),
    groups: &[Ref],
    (address, also): (Option<&str>, &[Ref]),
) -> Result<Value> {
    let groups: Result<Vec<String>> = groups.iter().map(|group| world.id(group)).collect();
    let mut body = json!({
        "name": name, "network_id": world.id(network)?, "description": words, "security_groups": groups?,
    });
    if let Some(address) = address {
        body["fixed_ips"] = json!([{"ip_address": address}]);
    }
    let pairs: Result<Vec<Value>> = also
        .iter()
        .map(|port| {
            let address = match port {
                Ref::Id(address) => address.clone(),
                Ref::Step(key) => world.made(key, "address")?,
            };
            Ok(json!({"ip_address": address}))
        })
        .collect();
    let pairs = pairs?;
    if !pairs.is_empty() {
        body["allowed_address_pairs"] = pairs.into();
    }
    Ok(body)
}

/// Adds and removes rules until these are there; says how many.
async fn become_these(
    world: &World<'_>,
    group: &str,
    rules: &[Rule],
    egress: bool,
) -> Result<(usize, usize)> {
    let wanted: Result<Vec<Rule>> = rules
        .iter()
        .map(|rule| {
            let mut rule = rule.clone();
            rule.group = rule
                .group
                .map(|of| world.id(&of).map(Ref::Id))
                .transpose()?;
            Ok(rule)
        })
        .collect();
    let wanted = wanted?;
    let there = world.cloud.security_group_of(group).await?;
    let (add, remove) = differences(&wanted, &there.security_group_rules, egress);
    // First what is missing: what is let in by an old and by a new rule is never cut.
    for rule in &add {
        let remote = match &rule.group {
            Some(Ref::Id(id)) => Some(id.as_str()),
            _ => None,
        };
        match world
            .cloud
            .create_security_group_rule(rule.body(group, remote))
            .await
        {
            Err(fault) if fault.code.as_deref() == Some("SecurityGroupRuleExists") => {}
            other => drop(other?),
        }
    }
    for id in &remove {
        world.cloud.delete_security_group_rule(id).await?;
    }
    Ok((add.len(), remove.len()))
}

async fn attach(world: &World<'_>, server: &str, volume: &str) -> Result<Option<String>> {
    let there = world.cloud.volume(volume).await?;
    let there = there
        .ok_or_else(|| Error::new(Kind::NothingMatched, format!("volume {volume} is gone")))?;
    if let Some(at) = there.attachments.first() {
        if at.server_id == server {
            return Ok(at.device.clone());
        }
        let text = format!(
            "volume {} ({volume}) is on server {}",
            there.name(),
            at.server_id
        );
        return Err(Error::new(Kind::Refused, text)
            .hint("`master-bridge volume detach` takes it off first"));
    }
    world
        .cloud
        .wait_volume(volume, "available", VOLUME, &mut |_| {})
        .await?;
    Ok(world.cloud.attach_volume(server, volume).await?)
}

async fn detach(world: &World<'_>, server: &str, volume: &str) -> Result<()> {
    let Some(there) = world.cloud.volume(volume).await? else {
        return Ok(());
    };
    if there.attachments.iter().any(|a| a.server_id == server) {
        world.cloud.detach_volume(server, volume).await?;
        world
            .cloud
            .wait_volume(volume, "available", VOLUME, &mut |_| {})
            .await?;
    }
    Ok(())
}

/// Removes what was made, or puts back what was there before.
pub(super) async fn undo(world: &mut World<'_>, thing: &Thing, made: Option<&Value>) -> Result<()> {
    let cloud = world.cloud;
    if let Thing::Rules {
        group,
        before: Some(before),
        egress,
        ..
    } = thing
    {
        let id = world.id(group)?;
        return become_these(world, &id, before, *egress).await.map(drop);
    }
    // Interrupted ones say by themselves whether they are there.
    if let Thing::Interface { router, subnet } = thing {
        if let (Ok(router), Ok(subnet)) = (world.id(router), world.id(subnet)) {
            cloud.unplug_subnet(&router, &subnet).await?;
        }
        return Ok(());
    }
    if let Thing::Attachment { server, volume } = thing {
        if let (Ok(server), Ok(volume)) = (world.id(server), world.id(volume)) {
            detach(world, &server, &volume).await?;
        }
        return Ok(());
    }
    let Some(id) = made.and_then(|made| made.get("id")?.as_str()) else {
        return Ok(());
    };
    match thing {
        Thing::Network { .. } => cloud.delete_network(id).await?,
        Thing::Subnet { .. } => cloud.delete_subnet(id).await?,
        Thing::Router { .. } => cloud.delete_router(id).await?,
        Thing::Group { .. } => cloud.delete_security_group(id).await?,
        Thing::Keypair { .. } => cloud.delete_keypair(id).await?,
        Thing::ServerGroup { .. } => cloud.delete_server_group(id).await?,
        Thing::FloatingIp { .. } => cloud.release_floating_ip(id).await?,
        Thing::Port { .. } => cloud.delete_port(id).await?,
        Thing::Lead { .. } => {
            cloud.lead_floating_ip(id, None).await?;
            true
        }
        Thing::Volume { .. } => return volume_gone(world, id).await,
        Thing::VolumeSnapshot { .. } => {
            cloud.delete_volume_snapshot(id).await?;
            return cloud.wait_volume_snapshot_gone(id, VOLUME).await;
        }
        Thing::Interface { .. } | Thing::Attachment { .. } | Thing::Rules { .. } => true,
    };
    Ok(())
}

async fn volume_gone(world: &World<'_>, id: &str) -> Result<()> {
    world.cloud.delete_volume(id).await?;
    world.cloud.wait_volume_gone(id, VOLUME).await
}

/// Removes what was there before. What is gone is as good as removed.
pub(super) async fn remove(world: &mut World<'_>, key: &str, gone: &Gone) -> Result<Value> {
    let cloud = world.cloud;
    match gone {
        Gone::Server { id, .. } => {
            cloud.delete_server(id).await?;
            let mut tell = tell(world, key);
            cloud.wait_server_gone(id, REMOVAL, &mut tell).await?;
        }
        Gone::MinionKey { minion } => keys::drop_all(world, minion).await?,
        Gone::FloatingIp { id, .. } => drop(cloud.release_floating_ip(id).await?),
        Gone::Port { id, .. } => drop(cloud.delete_port(id).await?),
        Gone::Volume { id, .. } => {
            // Of a server that has just gone it may be in use for a moment more.
            if let Some(volume) = cloud.volume(id).await?
                && volume.attachments.is_empty()
                && volume.status != "available"
            {
                cloud
                    .wait_volume(id, "available", VOLUME, &mut |_| {})
                    .await?;
            }
            volume_gone(world, id).await?;
        }
        Gone::Attachment { server, volume } => detach(world, server, volume).await?,
        Gone::Interface { router, subnet } => drop(cloud.unplug_subnet(router, subnet).await?),
        Gone::Router { id, .. } => drop(cloud.delete_router(id).await?),
        Gone::Network { id, .. } => drop(cloud.delete_network(id).await?),
        Gone::Group { id, .. } => drop(cloud.delete_security_group(id).await?),
        Gone::ServerGroup { id, .. } => drop(cloud.delete_server_group(id).await?),
        Gone::Keypair { name } => drop(cloud.delete_keypair(name).await?),
    }
    Ok(Value::Null)
}

/// Puts a thing back into its place, if it is there still.
pub(super) async fn restore(world: &mut World<'_>, gone: &Gone) -> Result<()> {
    match gone {
        Gone::Attachment { server, volume } => {
            attach(world, server, volume).await?;
            world
                .cloud
                .wait_volume(volume, "in-use", VOLUME, &mut |_| {})
                .await?;
        }
        Gone::Interface { router, subnet } if !is_plugged(world, router, subnet).await? => {
            world.cloud.plug_subnet(router, subnet).await?;
        }
        _ => {}
    }
    Ok(())
}
