//! Ports: addresses, and whose they are.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::request::{Call, Refusal, flag, list, text};
use super::super::world::{Effect, World};
use super::address::{Cidr, next_free};
use super::networks::{mac, merge};
use super::{begin, copy, default_group, invalid, missing_named};

/// Whether a port has an address of this subnet.
pub(super) fn on_subnet(port: &Value, subnet: &str) -> bool {
    list(port, "fixed_ips")
        .iter()
        .any(|ip| text(ip, "subnet_id") == subnet)
}

pub(in super::super) fn create(
    world: &mut World,
    call: &Call,
    asked: &Value,
) -> Result<Value, Refusal> {
    let network = text(asked, "network_id").to_owned();
    world
        .seen(&call.caller, "network", &network)
        .ok_or_else(|| missing_named("Network", &network))?;
    let wanted = asked.get("fixed_ips").and_then(Value::as_array).cloned();
    let fixed = match wanted {
        Some(wanted) => wanted
            .iter()
            .map(|ip| fixed_ip(world, &network, ip))
            .collect::<Result<Vec<_>, _>>()?,
        None => any_address(world, &network)?.into_iter().collect(),
    };
    let groups = match asked.get("security_groups").and_then(Value::as_array) {
        Some(groups) => groups.clone(),
        None if text(asked, "device_owner").starts_with("network:") => Vec::new(),
        None => vec![default_group(world, &call.caller.project).into()],
    };
    known_groups(world, call, &groups)?;
    let mut port = begin(call, asked);
    let mac = mac();
    let mac = if text(asked, "mac_address").is_empty() {
        mac.as_str()
    } else {
        text(asked, "mac_address")
    };
    let device = text(asked, "device_id");
    let more = json!({
        "network_id": network, "mac_address": mac, "fixed_ips": fixed,
        "admin_state_up": flag(asked, "admin_state_up").unwrap_or(true),
        "status": if device.is_empty() { "DOWN" } else { "ACTIVE" },
        "device_id": device, "device_owner": text(asked, "device_owner"),
        "security_groups": groups, "allowed_address_pairs": list(asked, "allowed_address_pairs"),
        "extra_dhcp_opts": [], "binding:vnic_type": "normal",
        "port_security_enabled": flag(asked, "port_security_enabled").unwrap_or(true),
    });
    merge(&mut port, more);
    world.put("port", text(&port, "id"), port.clone());
    Ok(port)
}

fn known_groups(world: &World, call: &Call, groups: &[Value]) -> Result<(), Refusal> {
    for group in groups {
        let id = group.as_str().unwrap_or_default();
        if world.seen(&call.caller, "security_group", id).is_none() {
            return Err(missing_named("Security group", id));
        }
    }
    Ok(())
}

fn taken(world: &World, network: &str) -> BTreeSet<Ipv4Addr> {
    let ports = world
        .all("port")
        .filter(|p| text(p, "network_id") == network);
    let fixed = ports
        .flat_map(|p| list(p, "fixed_ips"))
        .map(|ip| text(ip, "ip_address"));
    let floating = world
        .all("floatingip")
        .filter(|f| text(f, "floating_network_id") == network)
        .map(|f| text(f, "floating_ip_address"));
    fixed
        .chain(floating)
        .filter_map(|ip| ip.parse().ok())
        .collect()
}

/// An address of the network's first subnet that has one; none if there is no subnet.
pub(super) fn any_address(world: &World, network: &str) -> Result<Option<Value>, Refusal> {
    let taken = taken(world, network);
    let mut subnets = world
        .all("subnet")
        .filter(|s| text(s, "network_id") == network)
        .peekable();
    if subnets.peek().is_none() {
        return Ok(None);
    }
    let found = subnets.find_map(|s| next_free(s, &taken).map(|ip| (text(s, "id"), ip)));
    match found {
        Some((subnet, ip)) => Ok(Some(
            json!({"subnet_id": subnet, "ip_address": ip.to_string()}),
        )),
        None => Err(Refusal::new(
            409,
            "IpAddressGenerationFailure",
            format!("No more IP addresses available on network {network}."),
        )),
    }
}

/// The address that is asked for, by subnet or by itself.
pub(super) fn fixed_ip(world: &World, network: &str, wanted: &Value) -> Result<Value, Refusal> {
    let taken = taken(world, network);
    let (subnet, address) = (text(wanted, "subnet_id"), text(wanted, "ip_address"));
    if address.is_empty() {
        let found = world
            .one("subnet", subnet)
            .ok_or_else(|| missing_named("Subnet", subnet))?;
        let ip = next_free(found, &taken).ok_or_else(|| {
            let text = format!("No more IP addresses available on network {network}.");
            Refusal::new(409, "IpAddressGenerationFailure", text)
        })?;
        return Ok(json!({"subnet_id": subnet, "ip_address": ip.to_string()}));
    }
    let ip: Ipv4Addr = address
        .parse()
        .map_err(|_| invalid(format!("'{address}' is not a valid IP address")))?;
    let home = world
        .all("subnet")
        .filter(|s| text(s, "network_id") == network)
        .find(|s| Cidr::of(text(s, "cidr")).is_some_and(|c| c.holds(ip)))
        .ok_or_else(|| {
            let text = format!(
                "IP address {ip} is not a valid IP for any of the subnets on the specified network."
            );
            Refusal::new(400, "InvalidIpForNetwork", text)
        })?;
    if taken.contains(&ip) {
        let text = format!(
            "IP address {ip} already allocated in subnet {}",
            text(home, "id")
        );
        return Err(Refusal::new(409, "IpAddressAlreadyAllocated", text));
    }
    Ok(json!({"subnet_id": home["id"], "ip_address": ip.to_string()}))
}

pub(super) fn update(
    world: &mut World,
    call: &Call,
    id: &str,
    asked: &Value,
) -> Result<(), Refusal> {
    let mut asked = asked.clone();
    known_groups(world, call, list(&asked, "security_groups"))?;
    if let Some(wanted) = asked.get("fixed_ips").and_then(Value::as_array).cloned() {
        let port = world.one("port", id).cloned().unwrap_or_default();
        let now = list(&port, "fixed_ips");
        let fixed = wanted
            .iter()
            .map(
                |ip| match now.iter().find(|n| n["ip_address"] == ip["ip_address"]) {
                    // What it has already is not taken by another.
                    Some(same) => Ok(same.clone()),
                    None => fixed_ip(world, text(&port, "network_id"), ip),
                },
            )
            .collect::<Result<Vec<_>, _>>()?;
        asked["fixed_ips"] = fixed.into();
    }
    let allowed = [
        "name",
        "description",
        "admin_state_up",
        "security_groups",
        "allowed_address_pairs",
        "device_id",
        "device_owner",
        "fixed_ips",
        "port_security_enabled",
        "mac_address",
    ];
    copy(world, "port", id, &asked, &allowed)?;
    world.effect(Effect::Forwards);
    Ok(())
}

pub(super) fn delete(world: &mut World, _: &Call, id: &str) -> Result<(), Refusal> {
    let port = world.one("port", id).cloned().unwrap_or_default();
    let owner = text(&port, "device_owner");
    if owner.starts_with("network:router") {
        let text = format!(
            "Port {id} cannot be deleted directly via the port API: has device owner {owner}."
        );
        return Err(Refusal::new(409, "ServicePortInUse", text));
    }
    remove(world, id);
    Ok(())
}

/// A port goes, and its floating IP is free.
pub(in super::super) fn remove(world: &mut World, id: &str) {
    let floating: Vec<String> = world
        .all("floatingip")
        .filter(|f| text(f, "port_id") == id)
        .map(|f| text(f, "id").to_owned())
        .collect();
    for ip in floating {
        super::floating::release(world, &ip);
    }
    world.remove("port", id);
    world.effect(Effect::Forwards);
}

/// Binds a port to a device, or frees it.
pub(in super::super) fn bind(world: &mut World, id: &str, device: &str, owner: &str) {
    world.set("port", id, "device_id", device);
    world.set("port", id, "device_owner", owner);
    world.set(
        "port",
        id,
        "status",
        if device.is_empty() { "DOWN" } else { "ACTIVE" },
    );
    world.effect(Effect::Forwards);
}
