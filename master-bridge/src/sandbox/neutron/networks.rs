//! Networks and subnets.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::request::{Call, Refusal, flag, list, text};
use super::super::world::{World, uuid};
use super::address::Cidr;
use super::{begin, copy, invalid, missing_named, ports};

/// Where floating IPs of a new sandbox come from; all of 127/8 is this machine.
const PUBLIC: &str = "127.200.0.0/24";
const PRIVATE: &str = "127.77.0.0/24";

/// `public` outside, `private` inside, and `router1` between them.
pub(super) fn seed(world: &mut World, demo: &str) -> Result<(), Refusal> {
    let admin = world.all("project").find(|p| text(p, "name") == "admin");
    let admin = admin.map(|p| text(p, "id").to_owned()).unwrap_or_default();
    let mut call = seed_call(&admin, true);
    let public = create_network(
        world,
        &call,
        &json!({"name": "public", "router:external": true}),
    )?;
    create_subnet(
        world,
        &call,
        &json!({"name": "public-subnet", "network_id": public["id"], "cidr": PUBLIC, "enable_dhcp": false,
                "allocation_pools": [{"start": "127.200.0.10", "end": "127.200.0.250"}]}),
    )?;
    call = seed_call(demo, false);
    let private = create_network(world, &call, &json!({"name": "private"}))?;
    let subnet = create_subnet(
        world,
        &call,
        &json!({"name": "private-subnet", "network_id": private["id"], "cidr": PRIVATE}),
    )?;
    let gateway = json!({"name": "router1", "external_gateway_info": {"network_id": public["id"]}});
    let router = super::routers::create(world, &call, &gateway)?;
    call.body = json!({"subnet_id": subnet["id"]});
    super::routers::interface(world, &call, text(&router, "id"), true)?;
    Ok(())
}

fn seed_call(project: &str, admin: bool) -> Call {
    use super::super::request::{Caller, Service};
    Call {
        service: Service::Neutron,
        method: axum::http::Method::POST,
        path: Vec::new(),
        query: Vec::new(),
        headers: axum::http::HeaderMap::new(),
        body: Value::Null,
        file: None,
        caller: Caller {
            project: project.to_owned(),
            admin,
            ..Caller::default()
        },
        version: (2, 0),
        base: String::new(),
        doom: None,
    }
}

pub(super) fn create_network(
    world: &mut World,
    call: &Call,
    asked: &Value,
) -> Result<Value, Refusal> {
    let external = flag(asked, "router:external").unwrap_or_default();
    let shared = flag(asked, "shared").unwrap_or_default();
    if (external || shared) && !call.caller.admin {
        let text = "(rule:create_network and rule:create_network:shared) is disallowed by policy";
        return Err(Refusal::new(403, "PolicyNotAuthorized", text));
    }
    let mut network = begin(call, asked);
    let more = json!({
        "status": "ACTIVE", "admin_state_up": flag(asked, "admin_state_up").unwrap_or(true),
        "shared": shared, "router:external": external, "mtu": 1450, "subnets": [],
        "ipv4_address_scope": null, "ipv6_address_scope": null,
        "availability_zone_hints": [], "availability_zones": ["nova"],
        "port_security_enabled": flag(asked, "port_security_enabled").unwrap_or(true),
    });
    merge(&mut network, more);
    world.put("network", text(&network, "id"), network.clone());
    Ok(network)
}

/// Adds the keys of one object to another.
pub(super) fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

pub(super) fn update_network(
    world: &mut World,
    _: &Call,
    id: &str,
    asked: &Value,
) -> Result<(), Refusal> {
    let allowed = [
        "name",
        "description",
        "admin_state_up",
        "shared",
        "router:external",
        "mtu",
        "port_security_enabled",
    ];
    copy(world, "network", id, asked, &allowed)
}

pub(super) fn delete_network(world: &mut World, _: &Call, id: &str) -> Result<(), Refusal> {
    if world.all("port").any(|p| text(p, "network_id") == id) {
        let text = format!(
            "Unable to complete operation on network {id}. There are one or more ports still in use on the network."
        );
        return Err(Refusal::new(409, "NetworkInUse", text));
    }
    let subnets: Vec<String> = world
        .all("subnet")
        .filter(|s| text(s, "network_id") == id)
        .map(|s| text(s, "id").to_owned())
        .collect();
    for subnet in subnets {
        world.remove("subnet", &subnet);
    }
    world.remove("network", id);
    Ok(())
}

pub(super) fn create_subnet(
    world: &mut World,
    call: &Call,
    asked: &Value,
) -> Result<Value, Refusal> {
    let network = text(asked, "network_id");
    world
        .seen(&call.caller, "network", network)
        .ok_or_else(|| missing_named("Network", network))?;
    if asked.get("ip_version").is_some_and(|v| v != 4 && v != "4") {
        return Err(invalid("the sandbox serves IPv4 alone"));
    }
    let given = text(asked, "cidr");
    let cidr =
        Cidr::of(given).ok_or_else(|| invalid(format!("'{given}' is not a valid IP subnet")))?;
    let overlap = world
        .all("subnet")
        .filter(|s| text(s, "network_id") == network)
        .find(|s| Cidr::of(text(s, "cidr")).is_some_and(|c| c.overlaps(cidr)));
    if let Some(other) = overlap {
        return Err(invalid(format!(
            "Requested subnet with cidr: {cidr} for network: {network} overlaps with another subnet ({})",
            text(other, "id")
        )));
    }
    let gateway = match asked.get("gateway_ip") {
        None => Some(cidr.at(1)),
        Some(Value::Null) => None,
        Some(given) => {
            let address = given.as_str().and_then(|g| g.parse::<Ipv4Addr>().ok());
            Some(address.ok_or_else(|| invalid(format!("{given} is not a valid IP address")))?)
        }
    };
    let pools = match asked.get("allocation_pools").filter(|p| p.is_array()) {
        Some(pools) => {
            for pool in pools.as_array().into_iter().flatten() {
                let inside = ["start", "end"]
                    .iter()
                    .all(|key| text(pool, key).parse().is_ok_and(|ip| cidr.holds(ip)));
                if !inside {
                    let text =
                        format!("The allocation pool {pool} spans beyond the subnet cidr {cidr}.");
                    return Err(Refusal::new(400, "OutOfBoundsAllocationPool", text));
                }
            }
            pools.clone()
        }
        None => cidr
            .pools(gateway)
            .into_iter()
            .map(|(start, end)| json!({"start": start.to_string(), "end": end.to_string()}))
            .collect(),
    };
    let mut subnet = begin(call, asked);
    let more = json!({
        "network_id": network, "ip_version": 4, "cidr": cidr.to_string(),
        "gateway_ip": gateway.map(|g| g.to_string()), "allocation_pools": pools,
        "enable_dhcp": flag(asked, "enable_dhcp").unwrap_or(true),
        "dns_nameservers": list(asked, "dns_nameservers"), "host_routes": list(asked, "host_routes"),
        "ipv6_address_mode": null, "ipv6_ra_mode": null, "subnetpool_id": null, "service_types": [],
    });
    merge(&mut subnet, more);
    world.put("subnet", text(&subnet, "id"), subnet.clone());
    Ok(subnet)
}

pub(super) fn update_subnet(
    world: &mut World,
    _: &Call,
    id: &str,
    asked: &Value,
) -> Result<(), Refusal> {
    let allowed = [
        "name",
        "description",
        "gateway_ip",
        "enable_dhcp",
        "dns_nameservers",
        "host_routes",
        "allocation_pools",
    ];
    copy(world, "subnet", id, asked, &allowed)
}

pub(super) fn delete_subnet(world: &mut World, _: &Call, id: &str) -> Result<(), Refusal> {
    if world.all("port").any(|p| ports::on_subnet(p, id)) {
        let text = format!(
            "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
        );
        return Err(Refusal::new(409, "SubnetInUse", text));
    }
    world.remove("subnet", id);
    Ok(())
}

/// A MAC address as Neutron makes them.
pub(super) fn mac() -> String {
    let id = uuid();
    format!("fa:16:3e:{}:{}:{}", &id[0..2], &id[2..4], &id[4..6])
}
