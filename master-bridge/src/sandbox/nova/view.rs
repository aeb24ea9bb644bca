//! How a server is shown.

use serde_json::{Map, Value, json};

use super::super::request::{Call, Caller, list, text};
use super::super::world::{World, now, uuid};

/// The two links that each document of Nova has.
pub(super) fn links(call: &Call, collection: &str, id: &str) -> Value {
    json!([
        {"rel": "self", "href": format!("{}/v2.1/{collection}/{id}", call.base)},
        {"rel": "bookmark", "href": format!("{}/{collection}/{id}", call.base)},
    ])
}

/// A server with all that the asked version shows.
pub(super) fn detail(world: &World, call: &Call, server: &Value) -> Value {
    let id = text(server, "id");
    let mut shown = super::super::listing::shown(server);
    let flavor = &server["_flavor"];
    shown["links"] = links(call, "servers", id);
    shown["image"] = match server["_image"].as_str() {
        Some(image) => {
            json!({"id": image, "links": [{"rel": "bookmark", "href": format!("{}/images/{image}", call.base)}]})
        }
        None => json!(""),
    };
    shown["flavor"] = if call.at_least(47) {
        json!({"original_name": flavor["name"], "ram": flavor["ram"], "vcpus": flavor["vcpus"], "disk": flavor["disk"],
               "ephemeral": 0, "swap": 0, "extra_specs": {}})
    } else {
        let id = text(flavor, "id");
        json!({"id": id, "links": [{"rel": "bookmark", "href": format!("{}/flavors/{id}", call.base)}]})
    };
    shown["addresses"] = addresses(world, id);
    if server["_built"] == true {
        // While it builds Nova does not know them.
        shown["security_groups"] = groups(world, id)
            .into_iter()
            .map(|(_, name)| json!({"name": name}))
            .collect();
    }
    shown["os-extended-volumes:volumes_attached"] = list(server, "_volumes")
        .iter()
        .map(|v| match call.at_least(3) {
            true => v.clone(),
            false => json!({"id": v["id"]}),
        })
        .collect();
    let Some(map) = shown.as_object_mut() else {
        return shown;
    };
    if !["BUILD", "ACTIVE", "REBUILD", "REBOOT"].contains(&text(server, "status")) {
        map.shift_remove("progress");
    }
    if !call.at_least(19) {
        map.shift_remove("description");
    }
    if call.at_least(9) {
        map.insert("locked".into(), server["_locked"].clone());
    }
    if call.at_least(26) {
        map.insert("tags".into(), server["_tags"].clone());
    }
    if call.at_least(71) {
        let group = text(server, "_group");
        let groups: Vec<&str> = Some(group).filter(|g| !g.is_empty()).into_iter().collect();
        map.insert("server_groups".into(), json!(groups));
    }
    if server["_fault"].is_object() {
        map.insert("fault".into(), server["_fault"].clone());
    }
    shown
}

/// Its addresses by network, floating ones beside the fixed ones that they belong to.
pub(super) fn addresses(world: &World, id: &str) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for port in world.all("port").filter(|p| text(p, "device_id") == id) {
        if text(port, "device_owner").starts_with("network:") {
            continue;
        }
        let network = world.one("network", text(port, "network_id"));
        let name = network.map_or("", |n| text(n, "name"));
        let mut add = |address: &str, kind: &str| {
            let entry = json!({"version": 4, "addr": address, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port["mac_address"]});
            let list = all.entry(name).or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(entry);
            }
        };
        for fixed in list(port, "fixed_ips") {
            let address = text(fixed, "ip_address");
            add(address, "fixed");
            let floating = world
                .all("floatingip")
                .filter(|f| f["port_id"] == port["id"] && text(f, "fixed_ip_address") == address);
            for floating in floating {
                add(text(floating, "floating_ip_address"), "floating");
            }
        }
    }
    Value::Object(all)
}

/// The groups of its ports: id and name, each once.
pub(super) fn groups(world: &World, id: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for port in world.all("port").filter(|p| text(p, "device_id") == id) {
        for group in list(port, "security_groups")
            .iter()
            .filter_map(Value::as_str)
        {
            if all.iter().all(|(known, _)| known != group) {
                let name = world
                    .one("security_group", group)
                    .map_or("", |g| text(g, "name"));
                all.push((group.to_owned(), name.to_owned()));
            }
        }
    }
    all
}

/// Notes an action, as os-instance-actions shows it.
pub(super) fn record(world: &mut World, id: &str, action: &str, caller: &Caller) {
    let entry = json!({
        "action": action, "instance_uuid": id, "request_id": format!("req-{}", uuid()), "message": null,
        "start_time": now(), "user_id": caller.user, "project_id": caller.project,
    });
    if let Some(actions) = world
        .change("server", id)
        .and_then(|s| s["_actions"].as_array_mut())
    {
        // The latest first, as Nova lists them, and no more than anybody reads.
        actions.insert(0, entry);
        actions.truncate(50);
    }
}
