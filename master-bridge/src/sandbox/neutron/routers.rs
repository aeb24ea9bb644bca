//! Routers and their interfaces.

use serde_json::{Value, json};

use super::super::request::{Answer, Call, Outcome, Refusal, flag, list, text};
use super::super::world::World;
use super::networks::merge;
use super::{begin, copy, missing_named, ports};

const INTERFACE: &str = "network:router_interface";
const GATEWAY: &str = "network:router_gateway";

pub(super) fn create(world: &mut World, call: &Call, asked: &Value) -> Result<Value, Refusal> {
    let mut router = begin(call, asked);
    let more = json!({
        "status": "ACTIVE", "admin_state_up": flag(asked, "admin_state_up").unwrap_or(true),
        "external_gateway_info": null, "routes": [], "availability_zone_hints": [], "availability_zones": ["nova"],
        "flavor_id": null,
    });
    merge(&mut router, more);
    let id = text(&router, "id").to_owned();
    world.put("router", &id, router);
    if asked["external_gateway_info"].is_object()
        && let Err(refusal) = set_gateway(world, call, &id, &asked["external_gateway_info"])
    {
        world.remove("router", &id);
        return Err(refusal);
    }
    Ok(world.one("router", &id).cloned().unwrap_or_default())
}

fn set_gateway(world: &mut World, call: &Call, id: &str, wanted: &Value) -> Result<(), Refusal> {
    let network = text(wanted, "network_id").to_owned();
    let found = world
        .seen(&call.caller, "network", &network)
        .ok_or_else(|| missing_named("Network", &network))?;
    if found["router:external"] != true {
        let text = format!("Bad router request: Network {network} is not an external network.");
        return Err(Refusal::new(400, "BadRequest", text));
    }
    clear_gateway(world, id);
    let asked = json!({"network_id": network, "device_id": id, "device_owner": GATEWAY});
    let port = ports::create(world, call, &asked)?;
    // Nobody's project owns it, so that nobody's quota pays.
    let port_id = text(&port, "id").to_owned();
    world.set("port", &port_id, "tenant_id", "");
    world.set("port", &port_id, "project_id", "");
    let info = json!({"network_id": network, "enable_snat": true, "external_fixed_ips": port["fixed_ips"]});
    world.set("router", id, "external_gateway_info", info);
    Ok(())
}

fn clear_gateway(world: &mut World, id: &str) {
    for port in ports_of(world, id, GATEWAY) {
        world.remove("port", &port);
    }
    world.set("router", id, "external_gateway_info", Value::Null);
}

fn ports_of(world: &World, router: &str, owner: &str) -> Vec<String> {
    world
        .all("port")
        .filter(|p| text(p, "device_id") == router && text(p, "device_owner") == owner)
        .map(|p| text(p, "id").to_owned())
        .collect()
}

pub(super) fn update(
    world: &mut World,
    call: &Call,
    id: &str,
    asked: &Value,
) -> Result<(), Refusal> {
    let mut rest = asked.clone();
    if let Some(rest) = rest.as_object_mut()
        && let Some(gateway) = rest.shift_remove("external_gateway_info")
    {
        let served = world.all("floatingip").any(|f| text(f, "router_id") == id);
        if served && text(&gateway, "network_id") != gateway_of(world, id) {
            let text = format!(
                "Gateway cannot be updated for router {id}, since a gateway to external network is required by one or more floating IPs."
            );
            return Err(Refusal::new(
                409,
                "RouterExternalGatewayInUseByFloatingIp",
                text,
            ));
        }
        if text(&gateway, "network_id").is_empty() {
            clear_gateway(world, id);
        } else {
            set_gateway(world, call, id, &gateway)?;
        }
    }
    copy(
        world,
        "router",
        id,
        &rest,
        &["name", "description", "admin_state_up", "routes"],
    )
}

fn gateway_of(world: &World, id: &str) -> String {
    let router = world.one("router", id);
    router.map_or_else(String::new, |r| {
        text(&r["external_gateway_info"], "network_id").to_owned()
    })
}

pub(super) fn delete(world: &mut World, _: &Call, id: &str) -> Result<(), Refusal> {
    if !ports_of(world, id, INTERFACE).is_empty() {
        let text = format!("Router {id} still has ports");
        return Err(Refusal::new(409, "RouterInUse", text));
    }
    clear_gateway(world, id);
    world.remove("router", id);
    Ok(())
}

/// Adds or removes an interface.
pub(super) fn interface(world: &mut World, call: &Call, id: &str, add: bool) -> Outcome {
    if world.seen(&call.caller, "router", id).is_none() {
        return Err(missing_named("Router", id));
    }
    let (subnet, port) = (text(&call.body, "subnet_id"), text(&call.body, "port_id"));
    let port = if add {
        add_interface(world, call, id, subnet, port)?
    } else {
        let found = ports_of(world, id, INTERFACE)
            .into_iter()
            .find(|p| {
                p == port
                    || world
                        .one("port", p)
                        .is_some_and(|p| ports::on_subnet(p, subnet))
            })
            .ok_or_else(|| {
                let text = format!("Router {id} has no interface on subnet {subnet}");
                Refusal::new(404, "RouterInterfaceNotFoundForSubnet", text)
            })?;
        let removed = world.one("port", &found).cloned().unwrap_or_default();
        let lost = list(&removed, "fixed_ips")
            .iter()
            .map(|ip| text(ip, "subnet_id"));
        let lost: Vec<&str> = lost.collect();
        let used = world
            .all("floatingip")
            .filter(|f| text(f, "router_id") == id)
            .any(|f| {
                let port = world.one("port", text(f, "port_id"));
                port.is_some_and(|p| lost.iter().any(|s| ports::on_subnet(p, s)))
            });
        if used {
            let text = format!(
                "Router interface for subnet {} on router {id} cannot be deleted, as it is required by one or more floating IPs.",
                lost.first().unwrap_or(&"")
            );
            return Err(Refusal::new(409, "RouterInterfaceInUseByFloatingIP", text));
        }
        world.remove("port", &found);
        removed
    };
    let subnets: Vec<Value> = list(&port, "fixed_ips")
        .iter()
        .map(|ip| ip["subnet_id"].clone())
        .collect();
    let body = json!({
        "id": id, "project_id": call.caller.project,
        "port_id": port["id"], "network_id": port["network_id"],
        "subnet_id": subnets.first(), "subnet_ids": subnets,
    });
    Ok(Answer::json(200, body))
}

fn add_interface(
    world: &mut World,
    call: &Call,
    id: &str,
    subnet: &str,
    port: &str,
) -> Result<Value, Refusal> {
    if subnet.is_empty() {
        let found = world
            .seen(&call.caller, "port", port)
            .ok_or_else(|| missing_named("Port", port))?
            .clone();
        if !text(&found, "device_id").is_empty() {
            let text = format!(
                "Unable to complete operation on port {port} for network {}. Port already has an attached device {}.",
                text(&found, "network_id"),
                text(&found, "device_id")
            );
            return Err(Refusal::new(409, "PortInUse", text));
        }
        ports::bind(world, port, id, INTERFACE);
        return Ok(found);
    }
    let found = world
        .seen(&call.caller, "subnet", subnet)
        .ok_or_else(|| missing_named("Subnet", subnet))?
        .clone();
    let here = ports_of(world, id, INTERFACE);
    if here.iter().any(|p| {
        world
            .one("port", p)
            .is_some_and(|p| ports::on_subnet(p, subnet))
    }) {
        let text = format!("Bad router request: Router already has a port on subnet {subnet}.");
        return Err(Refusal::new(400, "BadRequest", text));
    }
    let asked = json!({
        "network_id": found["network_id"], "device_id": id, "device_owner": INTERFACE,
        "fixed_ips": [{"subnet_id": subnet, "ip_address": found["gateway_ip"]}],
    });
    ports::create(world, call, &asked)
}
