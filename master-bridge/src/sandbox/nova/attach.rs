//! What hangs on a server: interfaces and volumes.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::cinder;
use super::super::request::{Answer, Call, Outcome, Refusal, flag, list, text};
use super::super::world::World;
use super::{actions, servers};

pub(super) fn interfaces(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let shown = |p: &Value| {
        json!({"port_id": p["id"], "net_id": p["network_id"], "mac_addr": p["mac_address"],
               "port_state": p["status"], "fixed_ips": p["fixed_ips"]})
    };
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let all: Vec<Value> = world
                .all("port")
                .filter(|p| text(p, "device_id") == id)
                .map(shown)
                .collect();
            Ok(Answer::json(200, json!({"interfaceAttachments": all})))
        }
        (&Method::POST, []) => {
            let asked = call.inner("interfaceAttachment")?.clone();
            let port = actions::attach_port(world, call, id, &asked)?;
            Ok(Answer::json(
                200,
                json!({"interfaceAttachment": shown(&port)}),
            ))
        }
        (&Method::DELETE, [port]) => {
            let here = world
                .one("port", port)
                .is_some_and(|p| text(p, "device_id") == id);
            if !here {
                return Err(Refusal::missing(format!("Port {port} not attached")));
            }
            servers::detach_port(world, id, port);
            Ok(Answer::empty(202))
        }
        _ => Err(Refusal::unserved()),
    }
}

pub(super) fn volumes(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let shown = |world: &World, v: &Value| {
        let volume = text(v, "id");
        let device = world
            .one("volume", volume)
            .and_then(|v| list(v, "attachments").first().map(|a| a["device"].clone()));
        let mut shown = json!({"serverId": id, "volumeId": volume, "device": device});
        if !call.at_least(89) {
            shown["id"] = volume.into();
        }
        if call.at_least(79) {
            shown["delete_on_termination"] = v["delete_on_termination"].clone();
        }
        if call.at_least(70) {
            shown["tag"] = Value::Null;
        }
        shown
    };
    let here = world
        .one("server", id)
        .map(|s| list(s, "_volumes").to_vec())
        .unwrap_or_default();
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let all: Vec<Value> = here.iter().map(|v| shown(world, v)).collect();
            Ok(Answer::json(200, json!({"volumeAttachments": all})))
        }
        (&Method::GET, [volume]) => {
            let found = here
                .iter()
                .find(|v| text(v, "id") == *volume)
                .ok_or_else(|| no_such(id, volume))?;
            Ok(Answer::json(
                200,
                json!({"volumeAttachment": shown(world, found)}),
            ))
        }
        (&Method::POST, []) => {
            let asked = call.inner("volumeAttachment")?;
            let volume = text(asked, "volumeId").to_owned();
            if world.seen(&call.caller, "volume", &volume).is_none() {
                return Err(Refusal::missing(format!(
                    "Volume {volume} could not be found."
                )));
            }
            cinder::attach(world, &volume, id)?;
            let entry = json!({"id": volume, "delete_on_termination": flag(asked, "delete_on_termination").unwrap_or_default()});
            if let Some(all) = world
                .change("server", id)
                .and_then(|s| s["_volumes"].as_array_mut())
            {
                all.push(entry.clone());
            }
            Ok(Answer::json(
                200,
                json!({"volumeAttachment": shown(world, &entry)}),
            ))
        }
        (&Method::DELETE, [volume]) => {
            if here.iter().all(|v| text(v, "id") != *volume) {
                return Err(no_such(id, volume));
            }
            let left: Vec<Value> = here
                .into_iter()
                .filter(|v| text(v, "id") != *volume)
                .collect();
            world.set("server", id, "_volumes", left);
            cinder::begin_detach(world, volume);
            Ok(Answer::empty(202))
        }
        _ => Err(Refusal::unserved()),
    }
}

fn no_such(id: &str, volume: &str) -> Refusal {
    Refusal::missing(format!("volume_id not found: {volume} on instance {id}"))
}
