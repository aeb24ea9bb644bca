//! A server's life: lists, metadata, and each step from BUILD to gone.

use axum::http::Method;
use regex::Regex;
use serde_json::{Value, json};

use super::super::cinder;
use super::super::listing;
use super::super::neutron::ports;
use super::super::request::{Answer, Call, Doom, Outcome, Refusal, list as items, text};
use super::super::world::{Effect, Later, World, now, now_fine};
use super::{actions, create, missing, view};

/// Most pairs of metadata, Nova's default.
const MAX_METADATA: usize = 128;

pub(super) fn list(world: &World, call: &Call, detail: bool) -> Outcome {
    let everybody = call.caller.admin
        && call
            .ask("all_tenants")
            .is_some_and(|v| v != "0" && v != "False");
    // Nova's name filter is a pattern that may match anywhere.
    let pattern = match call.ask("name") {
        None => None,
        Some(name) => Some(Regex::new(name).map_err(|_| Refusal::bad("Invalid name filter"))?),
    };
    let wanted =
        |key: &str, found: &str| call.ask(key).is_none_or(|v| v.eq_ignore_ascii_case(found));
    let found: Vec<Value> = world
        .all("server")
        .rev()
        .filter(|s| everybody || text(s, "tenant_id") == call.caller.project)
        .filter(|s| pattern.as_ref().is_none_or(|p| p.is_match(text(s, "name"))))
        .filter(|s| wanted("status", text(s, "status")))
        .filter(|s| wanted("image", text(s, "_image")))
        .filter(|s| wanted("flavor", text(&s["_flavor"], "id")))
        .filter(|s| {
            call.ask("tags").is_none_or(|tags| {
                tags.split(',')
                    .all(|tag| items(s, "_tags").iter().any(|t| t == tag))
            })
        })
        .map(|server| {
            if detail {
                return view::detail(world, call, server);
            }
            let id = text(server, "id");
            json!({"id": id, "name": server["name"], "links": view::links(call, "servers", id)})
        })
        .collect();
    let path = if detail {
        "v2.1/servers/detail"
    } else {
        "v2.1/servers"
    };
    Ok(Answer::json(
        200,
        listing::page(call, "servers", found, path)?,
    ))
}

pub(super) fn show(world: &World, call: &Call, id: &str) -> Outcome {
    let server = world.one("server", id).ok_or_else(|| missing(id))?;
    Ok(Answer::json(
        200,
        json!({"server": view::detail(world, call, server)}),
    ))
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Outcome {
    let asked = call.inner("server")?.clone();
    for key in ["name", "description", "accessIPv4", "accessIPv6"] {
        if let Some(value) = asked.get(key) {
            world.set("server", id, key, value.clone());
        }
    }
    world.set("server", id, "updated", now());
    show(world, call, id)
}

/// Begins to remove a server.
pub(super) fn delete(world: &mut World, id: &str, doom: Option<Doom>) {
    world.set("server", id, "OS-EXT-STS:task_state", "deleting");
    world.set("server", id, "_doom", Doom::note(doom));
    world.effect(Effect::Stop(id.to_owned()));
    world.later(1, Later::Server(id.to_owned()));
}

pub(super) fn metadata(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let mut all = world
        .one("server", id)
        .map(|s| s["metadata"].clone())
        .unwrap_or_default();
    let given = call.body["metadata"]
        .as_object()
        .or_else(|| call.body["meta"].as_object());
    let given = given.cloned().unwrap_or_default();
    match (&call.method, rest) {
        (&Method::GET, []) => return Ok(Answer::json(200, json!({"metadata": all}))),
        (&Method::GET, [key]) => {
            let value = all
                .get(key)
                .ok_or_else(|| Refusal::missing("Metadata item was not found"))?;
            return Ok(Answer::json(200, json!({"meta": {*key: value}})));
        }
        (&Method::DELETE, [key]) => {
            let removed = all.as_object_mut().and_then(|all| all.shift_remove(*key));
            removed.ok_or_else(|| Refusal::missing("Metadata item was not found"))?;
        }
        (&Method::PUT, []) => all = Value::Object(given.clone()),
        (&Method::POST, []) | (&Method::PUT, [_]) => {
            if rest.first().is_some_and(|key| !given.contains_key(*key)) {
                return Err(Refusal::bad("Request body and URI mismatch"));
            }
            if let Some(all) = all.as_object_mut() {
                all.extend(given.clone());
            }
        }
        _ => return Err(Refusal::unserved()),
    }
    for (key, value) in &given {
        if key.is_empty() || key.len() > 255 || value.as_str().is_none_or(|v| v.len() > 255) {
            return Err(Refusal::bad(format!(
                "Invalid input for field/attribute {key}. Value: {value}. {value} is too long or no string"
            )));
        }
    }
    if all.as_object().is_some_and(|all| all.len() > MAX_METADATA) {
        return Err(Refusal::forbidden(format!(
            "Maximum number of metadata items exceeds {MAX_METADATA}"
        )));
    }
    world.set("server", id, "metadata", all.clone());
    world.set("server", id, "updated", now());
    match (&call.method, rest) {
        (&Method::DELETE, _) => Ok(Answer::empty(204)),
        (&Method::PUT, [_]) => Ok(Answer::json(200, json!({"meta": given}))),
        _ => Ok(Answer::json(200, json!({"metadata": all}))),
    }
}

pub(super) fn tags(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let mut tags = world
        .one("server", id)
        .map(|s| items(s, "_tags").to_vec())
        .unwrap_or_default();
    let answer = match (&call.method, rest) {
        (&Method::GET, []) => return Ok(Answer::json(200, json!({"tags": tags}))),
        (&Method::PUT, []) => {
            tags = items(&call.body, "tags").to_vec();
            Answer::json(200, json!({"tags": tags}))
        }
        (&Method::PUT, [tag]) if tags.iter().any(|t| t == tag) => Answer::empty(204),
        (&Method::PUT, [tag]) => {
            tags.push(json!(tag));
            Answer::empty(201)
        }
        (&Method::DELETE, [tag]) => {
            if tags.iter().all(|t| t != tag) {
                return Err(Refusal::missing(format!("Server {id} has no tag '{tag}'")));
            }
            tags.retain(|t| t != tag);
            Answer::empty(204)
        }
        (&Method::DELETE, []) => {
            tags.clear();
            Answer::empty(204)
        }
        _ => return Err(Refusal::unserved()),
    };
    world.set("server", id, "_tags", tags);
    Ok(answer)
}

/// Puts every server that was on its way when the sandbox ended on its way again, and starts those that ran.
pub(in super::super) fn resume(world: &mut World) {
    let all: Vec<(String, String, bool)> = world
        .all("server")
        .map(|s| {
            let busy = s["OS-EXT-STS:task_state"].is_string();
            (text(s, "id").to_owned(), text(s, "status").to_owned(), busy)
        })
        .collect();
    for (id, status, busy) in all {
        if busy {
            world.later(1, Later::Server(id.clone()));
        }
        if status == "ACTIVE" {
            world.effect(Effect::Start(id));
        }
    }
}

/// One step of whatever a server is at.
pub(in super::super) fn tick(world: &mut World, id: &str) {
    let Some(server) = world.one("server", id) else {
        return;
    };
    let doom = text(server, "_doom").to_owned();
    if doom == "stuck" {
        return;
    }
    match text(server, "OS-EXT-STS:task_state").to_owned().as_str() {
        "scheduling" if doom == "error" => no_valid_host(world, id),
        "scheduling" => match refused_by_group(world, id) {
            true => no_valid_host(world, id),
            false => next(world, id, "networking"),
        },
        "networking" => next(world, id, "spawning"),
        "spawning" | "rebuild_spawning" | "rebooting" | "powering-on" => active(world, id),
        "powering-off" => {
            settle(world, id, "SHUTOFF", "stopped", 4);
        }
        "deleting" if doom == "error" => {
            fault(world, id, "the sandbox was told that it cannot be deleted");
        }
        "deleting" => gone(world, id),
        task if task.starts_with("image_") => actions::snapshot_step(world, id, task),
        _ => {}
    }
}

fn next(world: &mut World, id: &str, task: &str) {
    world.set("server", id, "OS-EXT-STS:task_state", task);
    if task == "spawning" {
        world.set("server", id, "OS-EXT-AZ:availability_zone", "nova");
        world.set(
            "server",
            id,
            "hostId",
            super::super::world::hex(id.replace('-', "").as_bytes())[..56].to_owned(),
        );
    }
    world.later(1, Later::Server(id.to_owned()));
}

fn active(world: &mut World, id: &str) {
    let first = world.one("server", id).is_some_and(|s| s["_built"] != true);
    if first {
        world.set("server", id, "_built", true);
        world.set("server", id, "OS-SRV-USG:launched_at", now_fine());
    }
    settle(world, id, "ACTIVE", "active", 1);
    for port in ports_of(world, id) {
        world.set("port", &port, "status", "ACTIVE");
    }
    world.effect(Effect::Start(id.to_owned()));
    world.effect(Effect::Forwards);
}

fn settle(world: &mut World, id: &str, status: &str, state: &str, power: u8) {
    world.set("server", id, "status", status);
    world.set("server", id, "OS-EXT-STS:vm_state", state);
    world.set("server", id, "OS-EXT-STS:power_state", power);
    world.set("server", id, "OS-EXT-STS:task_state", Value::Null);
    world.set("server", id, "updated", now());
}

fn ports_of(world: &World, id: &str) -> Vec<String> {
    world
        .all("port")
        .filter(|p| text(p, "device_id") == id)
        .map(|p| text(p, "id").to_owned())
        .collect()
}

/// There is one host: a second server of a group with anti-affinity has none.
fn refused_by_group(world: &World, id: &str) -> bool {
    let group = |s: &Value| text(s, "_group").to_owned();
    let Some(mine) = world.one("server", id).map(group).filter(|g| !g.is_empty()) else {
        return false;
    };
    let strict = world.one("server_group", &mine).is_some_and(|g| {
        items(g, "policies").iter().any(|p| p == "anti-affinity") && g["_one_host"] == true
    });
    strict
        && world
            .all("server")
            .any(|s| text(s, "id") != id && group(s) == mine && text(s, "status") != "ERROR")
}

fn no_valid_host(world: &mut World, id: &str) {
    // A server that found no host gives its ports back, as Nova does.
    let server = world.one("server", id).cloned().unwrap_or_default();
    for port in items(&server, "_ports") {
        create::unplug(world, text(port, "id"), port["ours"] == true);
    }
    world.set("server", id, "_ports", json!([]));
    fault(
        world,
        id,
        "No valid host was found. There are not enough hosts available.",
    );
}

fn fault(world: &mut World, id: &str, message: &str) {
    settle(world, id, "ERROR", "error", 0);
    world.set("server", id, "_doom", Value::Null);
    world.set(
        "server",
        id,
        "_fault",
        json!({"code": 500, "created": now(), "message": message}),
    );
}

fn gone(world: &mut World, id: &str) {
    let server = world.one("server", id).cloned().unwrap_or_default();
    let ours: Vec<&str> = items(&server, "_ports")
        .iter()
        .filter(|p| p["ours"] == true)
        .map(|p| text(p, "id"))
        .collect();
    for port in ports_of(world, id) {
        create::unplug(world, &port, ours.contains(&port.as_str()));
    }
    for volume in items(&server, "_volumes") {
        cinder::detach(world, text(volume, "id"));
        if volume["delete_on_termination"] == true {
            cinder::remove_volume(world, text(volume, "id"));
        }
    }
    world.remove("server", id);
    world.effect(Effect::Remove(id.to_owned()));
}

/// Frees a port that is taken off a server while it runs.
pub(super) fn detach_port(world: &mut World, id: &str, port: &str) {
    let ours = world
        .change("server", id)
        .and_then(|s| s["_ports"].as_array_mut())
        .and_then(|ports| {
            let at = ports.iter().position(|p| text(p, "id") == port)?;
            Some(ports.remove(at)["ours"] == true)
        });
    match ours {
        Some(true) => ports::remove(world, port),
        _ => ports::bind(world, port, "", ""),
    }
}
