//! Floating IPs: one update moves one from port to port.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde_json::{Value, json};

use super::super::request::{Call, Refusal, list, number, text};
use super::super::world::{Effect, World};
use super::networks::merge;
use super::{begin, copy, invalid, missing_named, ports, rules_of};

pub(super) fn create(world: &mut World, call: &Call, asked: &Value) -> Result<Value, Refusal> {
    let network = text(asked, "floating_network_id").to_owned();
    let found = world
        .seen(&call.caller, "network", &network)
        .ok_or_else(|| missing_named("Network", &network))?;
    if found["router:external"] != true {
        let text =
            format!("Bad floatingip request: Network {network} is not a valid external network.");
        return Err(Refusal::new(400, "BadRequest", text));
    }
    let address = match text(asked, "floating_ip_address") {
        "" => ports::any_address(world, &network)?
            .ok_or_else(|| invalid(format!("network {network} has no subnet")))?,
        wanted => ports::fixed_ip(world, &network, &json!({"ip_address": wanted}))?,
    };
    let mut floating = begin(call, asked);
    let more = json!({
        "floating_ip_address": address["ip_address"], "floating_network_id": network, "router_id": null,
        "port_id": null, "fixed_ip_address": null, "status": "DOWN",
        "port_details": null,
    });
    merge(&mut floating, more);
    if let Some(map) = floating.as_object_mut() {
        map.shift_remove("name");
    }
    let id = text(&floating, "id").to_owned();
    world.put("floatingip", &id, floating);
    if !text(asked, "port_id").is_empty()
        && let Err(refusal) = associate(world, &id, asked)
    {
        world.remove("floatingip", &id);
        return Err(refusal);
    }
    Ok(world.one("floatingip", &id).cloned().unwrap_or_default())
}

pub(super) fn update(world: &mut World, _: &Call, id: &str, asked: &Value) -> Result<(), Refusal> {
    match asked.get("port_id") {
        Some(Value::Null) => release(world, id),
        Some(_) => associate(world, id, asked)?,
        None => {}
    }
    let mut rest = asked.clone();
    if let Some(rest) = rest.as_object_mut() {
        rest.shift_remove("port_id");
        rest.shift_remove("fixed_ip_address");
    }
    copy(world, "floatingip", id, &rest, &["description"])
}

pub(super) fn delete(world: &mut World, _: &Call, id: &str) -> Result<(), Refusal> {
    world.remove("floatingip", id);
    world.effect(Effect::Forwards);
    Ok(())
}

/// It belongs to no port any more.
pub(super) fn release(world: &mut World, id: &str) {
    for field in ["port_id", "fixed_ip_address", "router_id", "port_details"] {
        world.set("floatingip", id, field, Value::Null);
    }
    world.set("floatingip", id, "status", "DOWN");
    world.effect(Effect::Forwards);
}

fn associate(world: &mut World, id: &str, asked: &Value) -> Result<(), Refusal> {
    let port_id = text(asked, "port_id").to_owned();
    let port = world
        .one("port", &port_id)
        .ok_or_else(|| missing_named("Port", &port_id))?
        .clone();
    let floating = world.one("floatingip", id).cloned().unwrap_or_default();
    let network = text(&floating, "floating_network_id").to_owned();
    let fixed = list(&port, "fixed_ips");
    let wanted = text(asked, "fixed_ip_address");
    let bad = |message: String| {
        Refusal::new(
            400,
            "BadRequest",
            format!("Bad floatingip request: {message}."),
        )
    };
    let address = match (wanted, fixed) {
        ("", []) => {
            return Err(bad(format!(
                "Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses"
            )));
        }
        ("", [one]) => one,
        ("", _) => {
            return Err(bad(format!(
                "Port {port_id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP"
            )));
        }
        (wanted, fixed) => fixed
            .iter()
            .find(|ip| text(ip, "ip_address") == wanted)
            .ok_or_else(|| bad(format!("Port {port_id} does not have fixed ip {wanted}")))?,
    };
    let subnet = text(address, "subnet_id");
    let router = router_between(world, subnet, &network).ok_or_else(|| {
        let text = format!("External network {network} is not reachable from subnet {subnet}. Therefore, cannot associate Port {port_id} with a Floating IP.");
        Refusal::new(404, "ExternalGatewayForFloatingIPNotFound", text)
    })?;
    let ip = text(address, "ip_address");
    let taken = world.all("floatingip").any(|f| {
        text(f, "id") != id
            && text(f, "port_id") == port_id
            && text(f, "fixed_ip_address") == ip
            && text(f, "floating_network_id") == network
    });
    if taken {
        let text = format!(
            "Cannot associate floating IP {} ({id}) with port {port_id} using fixed IP {ip}, as that fixed IP already has a floating IP on external network {network}.",
            text(&floating, "floating_ip_address")
        );
        return Err(Refusal::new(409, "FloatingIPPortAlreadyAssociated", text));
    }
    let details = json!({
        "name": port["name"], "network_id": port["network_id"], "mac_address": port["mac_address"],
        "admin_state_up": port["admin_state_up"], "status": port["status"], "device_id": port["device_id"],
        "device_owner": port["device_owner"],
    });
    let fields = [
        ("port_id", json!(port_id)),
        ("fixed_ip_address", json!(ip)),
        ("router_id", json!(router)),
        ("port_details", details),
        ("status", json!("ACTIVE")),
    ];
    for (field, value) in fields {
        world.set("floatingip", id, field, value);
    }
    world.effect(Effect::Forwards);
    Ok(())
}

/// The router that has an interface on the subnet and its gateway on the network.
fn router_between(world: &World, subnet: &str, external: &str) -> Option<String> {
    world
        .all("router")
        .filter(|r| text(&r["external_gateway_info"], "network_id") == external)
        .map(|r| text(r, "id"))
        .find(|router| {
            world
                .all("port")
                .any(|p| text(p, "device_id") == *router && ports::on_subnet(p, subnet))
        })
        .map(str::to_owned)
}

/// Most ports of one rule that are forwarded: a rule for all ports is a rule for nothing in particular.
const WIDEST: i64 = 128;

/// From each floating IP's ports to the VM's, for what security groups let in.
pub(in super::super) fn forwards(world: &World) -> BTreeMap<SocketAddrV4, SocketAddrV4> {
    let mut all = BTreeMap::new();
    for floating in world.all("floatingip") {
        let outside = text(floating, "floating_ip_address").parse::<Ipv4Addr>();
        let inside = text(floating, "fixed_ip_address").parse::<Ipv4Addr>();
        let (Ok(outside), Ok(inside)) = (outside, inside) else {
            continue;
        };
        let Some(port) = world.one("port", text(floating, "port_id")) else {
            continue;
        };
        let groups = list(port, "security_groups")
            .iter()
            .filter_map(Value::as_str);
        for rule in groups.flat_map(|group| rules_of(world, group)) {
            let from = number(rule, "port_range_min");
            let to = number(rule, "port_range_max");
            let (Some(from), Some(to)) = (from, to) else {
                continue;
            };
            if text(rule, "direction") != "ingress"
                || text(rule, "protocol") != "tcp"
                || rule["remote_group_id"].is_string()
                || to - from >= WIDEST
            {
                continue;
            }
            for port in (from..=to).filter_map(|p| u16::try_from(p).ok()) {
                all.insert(
                    SocketAddrV4::new(local(outside), port),
                    SocketAddrV4::new(local(inside), port),
                );
            }
        }
    }
    all
}

/// Where an address lies on this machine: all of 127/8 does, so the first number gives way.
pub(in super::super) fn local(address: Ipv4Addr) -> Ipv4Addr {
    let [_, b, c, d] = address.octets();
    Ipv4Addr::new(127, b, c, d)
}
