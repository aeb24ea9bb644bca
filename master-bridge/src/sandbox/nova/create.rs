//! A server's birth: everything that Nova checks before it says 202, and what it makes.

use serde_json::{Value, json};

use super::super::neutron::{default_group, ports};
use super::super::request::{Answer, Call, Doom, Outcome, Refusal, flag, list, number, text};
use super::super::world::{Later, World, now, uuid};
use super::{small, view};

/// Nova's bound on user-data, as it is sent.
const MAX_USER_DATA: usize = 65535;

pub(super) fn create(world: &mut World, call: &Call) -> Outcome {
    let asked = call.inner("server")?;
    let name = text(asked, "name");
    if name.is_empty() || name.len() > 255 {
        return Err(Refusal::bad(format!(
            "Invalid input for field/attribute name. Value: {name}. '{name}' is too short"
        )));
    }
    let user_data = user_data(asked)?;
    for (key, value) in asked["metadata"].as_object().into_iter().flatten() {
        if key.len() > 255 || value.as_str().is_none_or(|v| v.len() > 255) {
            return Err(Refusal::bad(format!(
                "Invalid input for field/attribute {key}. Value: {value}. {value} is too long or no string"
            )));
        }
    }
    let flavor = flavor(world, text(asked, "flavorRef"))?;
    let disks = list(asked, "block_device_mapping_v2");
    let image = image(world, call, asked, &flavor)?;
    if image.is_none() && disks.is_empty() {
        return Err(Refusal::bad("Invalid imageRef provided."));
    }
    let key_name = asked["key_name"].as_str();
    if let Some(key) = key_name
        && small::keypair(world, &call.caller.user, key).is_none()
    {
        return Err(Refusal::bad("Invalid key_name provided."));
    }
    let group = text(&call.body["os:scheduler_hints"], "group").to_owned();
    if !group.is_empty() && world.seen(&call.caller, "server_group", &group).is_none() {
        return Err(Refusal::bad(format!(
            "Instance group {group} could not be found."
        )));
    }
    small::room_for(world, &call.caller.project, &flavor)?;
    let groups = security_groups(world, call, asked)?;
    let networks = networks(world, call, asked)?;
    let id = uuid();
    let mut made = Vec::new();
    for network in &networks {
        match plug(world, call, &id, network, &groups) {
            Ok(port) => made.push(port),
            Err(refusal) => {
                for (port, ours) in made {
                    unplug(world, &port, ours);
                }
                return Err(refusal);
            }
        }
    }
    let volumes = volumes(world, call, &id, disks)?;
    let at = now();
    let server = json!({
        "id": id, "name": name, "status": "BUILD", "tenant_id": call.caller.project, "user_id": call.caller.user,
        "metadata": asked.get("metadata").cloned().unwrap_or_else(|| json!({})), "hostId": "",
        "created": at, "updated": at, "accessIPv4": "", "accessIPv6": "", "progress": 0,
        "key_name": key_name, "description": asked["description"],
        "OS-DCF:diskConfig": "MANUAL", "OS-EXT-AZ:availability_zone": "",
        "config_drive": if flag(asked, "config_drive").unwrap_or_default() { "True" } else { "" },
        "OS-EXT-STS:task_state": "scheduling", "OS-EXT-STS:vm_state": "building", "OS-EXT-STS:power_state": 0,
        "OS-SRV-USG:launched_at": null, "OS-SRV-USG:terminated_at": null,
        "_image": image, "_flavor": flavor, "_user_data": user_data, "_group": group,
        "_tags": list(asked, "tags"), "_volumes": volumes, "_doom": Doom::note(call.doom),
        "_ports": made.iter().map(|(port, ours)| json!({"id": port, "ours": ours})).collect::<Vec<_>>(),
        "_actions": [], "_locked": false, "_admin_pass": "",
    });
    world.put("server", &id, server);
    view::record(world, &id, "create", &call.caller);
    world.later(1, Later::Server(id.clone()));
    let names: Vec<Value> = view::groups(world, &id)
        .into_iter()
        .map(|(_, name)| json!({"name": name}))
        .collect();
    let location = format!("{}/v2.1/servers/{id}", call.base);
    let body = json!({"server": {
        "id": id, "OS-DCF:diskConfig": "MANUAL", "adminPass": &uuid().replace('-', "")[..12],
        "security_groups": names, "links": view::links(call, "servers", &id),
    }});
    Ok(Answer::json(202, body).header("location", location))
}

fn user_data(asked: &Value) -> Result<Value, Refusal> {
    let Some(given) = asked.get("user_data").filter(|v| !v.is_null()) else {
        return Ok(Value::Null);
    };
    let given = given.as_str().unwrap_or_default();
    if given.len() > MAX_USER_DATA {
        return Err(Refusal::bad(format!(
            "Invalid input for field/attribute user_data. Value: {}... is too long",
            given.get(..20).unwrap_or_default()
        )));
    }
    let good = given
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\n' | b'\r'));
    if !good {
        return Err(Refusal::bad(
            "Invalid input for field/attribute user_data. The value is not a 'base64'",
        ));
    }
    Ok(given.into())
}

fn flavor(world: &World, reference: &str) -> Result<Value, Refusal> {
    // Old clients send the flavor's URL.
    let id = reference.rsplit('/').next().unwrap_or_default();
    world
        .one("flavor", id)
        .cloned()
        .ok_or_else(|| Refusal::bad(format!("Flavor {id} could not be found.")))
}

fn image(
    world: &World,
    call: &Call,
    asked: &Value,
    flavor: &Value,
) -> Result<Option<String>, Refusal> {
    let id = text(asked, "imageRef");
    if id.is_empty() {
        return Ok(None);
    }
    let image = world
        .seen(&call.caller, "image", id)
        .ok_or_else(|| Refusal::bad("Can not find requested image"))?;
    check_image(image, flavor)?;
    Ok(Some(id.to_owned()))
}

/// Whether a server of this flavor can be made of this image.
pub(super) fn check_image(image: &Value, flavor: &Value) -> Result<(), Refusal> {
    if text(image, "status") != "active" {
        let id = text(image, "id");
        return Err(Refusal::bad(format!("Image {id} is not active.")));
    }
    let amount = |of: &Value, key| number(of, key).unwrap_or_default();
    if amount(image, "min_ram") > amount(flavor, "ram") {
        return Err(Refusal::bad(
            "Flavor's memory is too small for requested image.",
        ));
    }
    if amount(image, "min_disk") > amount(flavor, "disk") {
        return Err(Refusal::bad(
            "Flavor's disk is too small for requested image. Flavor disk is smaller than the minimum size specified in image metadata.",
        ));
    }
    Ok(())
}

/// Groups by name or id.
fn security_groups(world: &mut World, call: &Call, asked: &Value) -> Result<Vec<String>, Refusal> {
    let wanted = list(asked, "security_groups");
    let default = default_group(world, &call.caller.project);
    if wanted.is_empty() {
        return Ok(vec![default]);
    }
    wanted
        .iter()
        .map(|group| {
            let name = text(group, "name");
            let mut found = world
                .all("security_group")
                .filter(|g| World::may_see(&call.caller, g))
                .filter(|g| text(g, "id") == name || text(g, "name") == name)
                .map(|g| text(g, "id").to_owned());
            match (found.next(), found.next()) {
                (Some(id), None) => Ok(id),
                (Some(_), Some(_)) => Err(Refusal::conflict(format!(
                    "Multiple security_group matches found for name '{name}', use an ID to be more specific."
                ))),
                (None, _) => Err(Refusal::bad(format!(
                    "Security group {name} not found for project {}.",
                    call.caller.project
                ))),
            }
        })
        .collect()
}

/// What a server is to be plugged into.
enum Plug {
    /// A port that is there.
    Port(String),
    /// A new port on a network, with this address if one is named.
    Network(String, Option<String>),
}

fn networks(world: &World, call: &Call, asked: &Value) -> Result<Vec<Plug>, Refusal> {
    let caller = &call.caller;
    match &asked["networks"] {
        Value::String(word) if word == "none" => Ok(Vec::new()),
        Value::Array(wanted) => wanted
            .iter()
            .map(|one| {
                let (port, network) = (text(one, "port"), text(one, "uuid"));
                if !port.is_empty() {
                    let found = world
                        .seen(caller, "port", port)
                        .ok_or_else(|| Refusal::bad(format!("Port {port} could not be found.")))?;
                    if !text(found, "device_id").is_empty() {
                        return Err(Refusal::conflict(format!("Port {port} is still in use.")));
                    }
                    return Ok(Plug::Port(port.to_owned()));
                }
                world.seen(caller, "network", network).ok_or_else(|| {
                    Refusal::bad(format!("Network {network} could not be found."))
                })?;
                let address = one["fixed_ip"].as_str().map(str::to_owned);
                Ok(Plug::Network(network.to_owned(), address))
            })
            .collect(),
        _ => {
            let mut own = world
                .all("network")
                .filter(|n| text(n, "tenant_id") == caller.project || n["shared"] == true);
            match (own.next(), own.next()) {
                (None, _) => Ok(Vec::new()),
                (Some(one), None) => Ok(vec![Plug::Network(text(one, "id").to_owned(), None)]),
                _ => Err(Refusal::conflict(
                    "Multiple possible networks found, use a Network ID to be more specific.",
                )),
            }
        }
    }
}

/// Binds or makes a port; says whether it is ours to remove with the server.
fn plug(
    world: &mut World,
    call: &Call,
    server: &str,
    plug: &Plug,
    groups: &[String],
) -> Result<(String, bool), Refusal> {
    match plug {
        Plug::Port(id) => {
            ports::bind(world, id, server, "compute:nova");
            world.set("port", id, "status", "DOWN");
            Ok((id.clone(), false))
        }
        Plug::Network(network, address) => {
            let mut asked = json!({
                "network_id": network, "device_id": server, "device_owner": "compute:nova", "security_groups": groups,
            });
            if let Some(address) = address {
                asked["fixed_ips"] = json!([{"ip_address": address}]);
            }
            let port = ports::create(world, call, &asked).map_err(|r| match r.kind.as_str() {
                "IpAddressAlreadyAllocated" => Refusal::bad(format!(
                    "Fixed IP address {} is already in use on instance {server}.",
                    address.as_deref().unwrap_or_default()
                )),
                _ => Refusal::bad(r.message),
            })?;
            let id = text(&port, "id").to_owned();
            world.set("port", &id, "status", "DOWN");
            Ok((id, true))
        }
    }
}

/// The opposite of [`plug`].
pub(super) fn unplug(world: &mut World, port: &str, ours: bool) {
    if ours {
        ports::remove(world, port);
    } else {
        ports::bind(world, port, "", "");
    }
}

/// Volumes that the server is to have from its birth.
fn volumes(
    world: &mut World,
    call: &Call,
    server: &str,
    disks: &[Value],
) -> Result<Vec<Value>, Refusal> {
    let mut all = Vec::new();
    for disk in disks {
        if text(disk, "destination_type") != "volume" {
            continue;
        }
        let goes = flag(disk, "delete_on_termination").unwrap_or_default();
        let source = text(disk, "uuid").to_owned();
        let id = match text(disk, "source_type") {
            "volume" => source,
            kind @ ("image" | "blank" | "snapshot") => {
                let mut asked =
                    json!({"size": number(disk, "volume_size").unwrap_or(1), "name": ""});
                match kind {
                    "image" => asked["imageRef"] = source.into(),
                    "snapshot" => asked["snapshot_id"] = source.into(),
                    _ => {}
                }
                super::super::cinder::create_volume(world, call, &asked)?
            }
            other => return Err(Refusal::bad(format!("Invalid source_type field: {other}"))),
        };
        super::super::cinder::attach(world, &id, server)?;
        all.push(json!({"id": id, "delete_on_termination": goes}));
    }
    Ok(all)
}
