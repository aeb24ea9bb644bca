//! What a VM can read of itself: the metadata service and the config drive, the same documents.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::super::request::{Answer, Body, text};
use super::super::world::World;
use super::userdata::base64;

/// The documents of a VM, by file name.
pub(super) fn documents(world: &World, id: &str) -> Vec<(&'static str, Vec<u8>)> {
    let server = world.one("server", id).cloned().unwrap_or_default();
    let name = text(&server, "name");
    let keys: serde_json::Map<String, Value> = server["key_name"]
        .as_str()
        .and_then(|key| world.one("keypair", &format!("{}/{key}", text(&server, "user_id"))))
        .map(|key| (text(key, "name").to_owned(), key["public_key"].clone()))
        .into_iter()
        .collect();
    let mut data = json!({
        "uuid": id, "name": name, "hostname": name, "availability_zone": "nova", "launch_index": 0,
        "meta": server["metadata"], "project_id": server["tenant_id"], "devices": [], "dedicated_cpus": [],
    });
    if !keys.is_empty() {
        data["public_keys"] = Value::Object(keys);
    }
    let mut all = vec![("meta_data.json", data.to_string().into_bytes())];
    if let Some(user_data) = server["_user_data"].as_str().and_then(base64) {
        all.push(("user_data", user_data));
    }
    let links: Vec<Value> = world
        .all("port")
        .filter(|p| text(p, "device_id") == id)
        .map(|p| {
            json!({"id": format!("tap{}", &text(p, "id")[..11]), "type": "phy", "mtu": 1450,
                        "ethernet_mac_address": p["mac_address"], "vif_id": p["id"]})
        })
        .collect();
    let network = json!({"links": links, "networks": [], "services": []});
    all.push(("network_data.json", network.to_string().into_bytes()));
    all.push(("vendor_data.json", b"{}".to_vec()));
    all
}

/// A page of the metadata service.
pub(in super::super) fn page(world: &World, id: &str, path: &[&str]) -> Option<Answer> {
    world.one("server", id)?;
    let found = |name: &str| documents(world, id).into_iter().find(|(n, _)| *n == name);
    let body = match path {
        [] => "1.0\n2009-04-04\nlatest\n".to_owned(),
        ["openstack"] => "2018-08-27\nlatest\n".to_owned(),
        ["openstack", _] => {
            "meta_data.json\nnetwork_data.json\nuser_data\nvendor_data.json\n".to_owned()
        }
        ["openstack", _, name] => String::from_utf8_lossy(&found(name)?.1).into_owned(),
        ["latest" | "2009-04-04", "meta-data", "instance-id"] => format!("i-{}", &id[..8]),
        ["latest" | "2009-04-04", "meta-data", "hostname"] => {
            text(world.one("server", id)?, "name").to_owned()
        }
        ["latest" | "2009-04-04", "user-data"] => {
            String::from_utf8_lossy(&found("user_data")?.1).into_owned()
        }
        _ => return None,
    };
    Some(Answer {
        status: 200,
        body: Body::Text(body),
        headers: Vec::new(),
    })
}

/// Writes the config drive. It shows what was true when the VM was made, as a real one does.
pub(super) fn write_drive(folder: &Path, documents: &[(&'static str, Vec<u8>)]) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    for version in ["latest", "2018-08-27"] {
        let folder = folder.join("openstack").join(version);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in documents {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
