//! What is asked of a server: stop, start, reboot, rebuild, snapshot, console, security groups.

use serde_json::{Value, json};

use super::super::glance;
use super::super::neutron::ports;
use super::super::request::{Answer, Call, Doom, Outcome, Refusal, list, number, text};
use super::super::vm;
use super::super::world::{Effect, Later, World, now};
use super::{create, servers, view};

pub(super) fn act(world: &mut World, call: &Call, id: &str) -> Outcome {
    let Some((action, arguments)) = call.body.as_object().and_then(|b| b.iter().next()) else {
        return Err(Refusal::bad("There is no such action: None"));
    };
    match action.as_str() {
        "os-getConsoleOutput" => return console(world, id, arguments),
        "addSecurityGroup" | "removeSecurityGroup" => {
            return group(
                world,
                call,
                id,
                text(arguments, "name"),
                action.starts_with("add"),
            );
        }
        "lock" | "unlock" => {
            world.set("server", id, "_locked", action == "lock");
            return Ok(Answer::empty(202));
        }
        _ => {}
    }
    let begun = match action.as_str() {
        "os-stop" => {
            only_in(world, id, "stop", &["active", "error"])?;
            world.effect(Effect::Stop(id.to_owned()));
            ("stop", "powering-off")
        }
        "os-start" => {
            only_in(world, id, "start", &["stopped"])?;
            ("start", "powering-on")
        }
        "reboot" => {
            only_in(world, id, "reboot", &["active", "stopped", "error"])?;
            world.set("server", id, "status", "REBOOT");
            world.effect(Effect::Stop(id.to_owned()));
            ("reboot", "rebooting")
        }
        "createImage" => return snapshot(world, call, id, arguments),
        "rebuild" => return rebuild(world, call, id, arguments),
        "forceDelete" => {
            servers::delete(world, id, call.doom);
            return Ok(Answer::empty(202));
        }
        other => {
            return Err(Refusal::bad(format!("There is no such action: {other}")));
        }
    };
    world.set("server", id, "OS-EXT-STS:task_state", begun.1);
    world.set("server", id, "_doom", Doom::note(call.doom));
    view::record(world, id, begun.0, &call.caller);
    world.later(1, Later::Server(id.to_owned()));
    Ok(Answer::empty(202))
}

/// Refuses what the server's state does not allow, as Nova words it.
fn only_in(world: &World, id: &str, action: &str, states: &[&str]) -> Result<(), Refusal> {
    let server = world.one("server", id);
    let state = server.map_or("", |s| text(s, "OS-EXT-STS:vm_state"));
    let task = server.map_or("", |s| text(s, "OS-EXT-STS:task_state"));
    if !states.contains(&state) {
        return Err(Refusal::conflict(format!(
            "Cannot '{action}' instance {id} while it is in vm_state {state}"
        )));
    }
    if !task.is_empty() {
        return Err(Refusal::conflict(format!(
            "Cannot '{action}' instance {id} while it is in task_state {task}"
        )));
    }
    Ok(())
}

fn console(world: &World, id: &str, arguments: &Value) -> Outcome {
    let built = world.one("server", id).is_some_and(|s| s["_built"] == true);
    if !built {
        return Err(Refusal::conflict(format!("Instance {id} is not ready")));
    }
    let all = std::fs::read(vm::console_file(&world.vm_dir(id))).unwrap_or_default();
    let text = String::from_utf8_lossy(&all);
    let output = match number(arguments, "length").and_then(|n| usize::try_from(n).ok()) {
        None => text.into_owned(),
        Some(length) => {
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(length);
            lines[from..]
                .iter()
                .map(|line| format!("{line}\n"))
                .collect()
        }
    };
    Ok(Answer::json(200, json!({"output": output})))
}

fn group(world: &mut World, call: &Call, id: &str, name: &str, add: bool) -> Outcome {
    let found = world
        .all("security_group")
        .filter(|g| World::may_see(&call.caller, g))
        .find(|g| text(g, "id") == name || text(g, "name") == name)
        .map(|g| text(g, "id").to_owned())
        .ok_or_else(|| {
            Refusal::missing(format!(
                "Security group {name} not found for project {}.",
                call.caller.project
            ))
        })?;
    let ports: Vec<(String, Vec<Value>)> = world
        .all("port")
        .filter(|p| text(p, "device_id") == id)
        .map(|p| {
            (
                text(p, "id").to_owned(),
                list(p, "security_groups").to_vec(),
            )
        })
        .collect();
    for (port, mut groups) in ports {
        groups.retain(|g| *g != found);
        if add {
            groups.push(found.clone().into());
        }
        world.set("port", &port, "security_groups", groups);
    }
    world.effect(Effect::Forwards);
    Ok(Answer::empty(202))
}

fn snapshot(world: &mut World, call: &Call, id: &str, arguments: &Value) -> Outcome {
    only_in(
        world,
        id,
        "createImage",
        &["active", "stopped", "paused", "suspended"],
    )?;
    let name = text(arguments, "name");
    if name.is_empty() {
        return Err(Refusal::bad(
            "Invalid input for field/attribute name. Value: . '' is too short",
        ));
    }
    let server = world.one("server", id).cloned().unwrap_or_default();
    let flavor = &server["_flavor"];
    let mut image = json!({
        "name": name, "container_format": "bare", "disk_format": "raw", "min_ram": 0, "min_disk": flavor["disk"],
        "image_type": "snapshot", "instance_uuid": id, "base_image_ref": text(&server, "_image"),
        "boot_roles": "member,reader", "owner_project_name": "demo", "user_id": call.caller.user,
    });
    for (key, value) in arguments["metadata"].as_object().into_iter().flatten() {
        image[key] = value.clone();
    }
    let image = glance::create_image(world, &call.caller, &image)?;
    world.set(
        "server",
        id,
        "OS-EXT-STS:task_state",
        "image_snapshot_pending",
    );
    world.set("server", id, "_snapshot", image.clone());
    world.set("server", id, "_doom", Doom::note(call.doom));
    view::record(world, id, "createImage", &call.caller);
    world.later(1, Later::Server(id.to_owned()));
    if call.at_least(45) {
        return Ok(Answer::json(202, json!({"image_id": image})));
    }
    let location = format!("{}/image/v2/images/{image}", world.config.url);
    Ok(Answer::empty(202).header("location", location))
}

/// One step of a snapshot; between upload and end the runner writes the data.
pub(super) fn snapshot_step(world: &mut World, id: &str, task: &str) {
    let server = world.one("server", id).cloned().unwrap_or_default();
    let image = text(&server, "_snapshot").to_owned();
    let next = match task {
        "image_snapshot_pending" => "image_snapshot",
        "image_snapshot" => "image_pending_upload",
        "image_pending_upload" => {
            if text(&server, "_doom") == "error" {
                // As when the hypervisor fails: the image is removed and the server serves on.
                world.set("image", &image, "status", "deleted");
                world.remove("image", &image);
                world.set("server", id, "OS-EXT-STS:task_state", Value::Null);
                world.set("server", id, "_doom", Value::Null);
                return;
            }
            world.set("image", &image, "status", "saving");
            world.effect(Effect::Snapshot {
                server: id.to_owned(),
                image,
            });
            world.set("server", id, "OS-EXT-STS:task_state", "image_uploading");
            return;
        }
        // The runner says when it is over; after a restart it begins again.
        _ => {
            world.effect(Effect::Snapshot {
                server: id.to_owned(),
                image,
            });
            return;
        }
    };
    world.set("server", id, "OS-EXT-STS:task_state", next);
    world.later(1, Later::Server(id.to_owned()));
}

/// The runner has written the data: the image is whole, and the server free.
pub(in super::super) fn snapshot_taken(world: &mut World, id: &str, image: &str, written: bool) {
    if written {
        glance::complete(world, image);
    } else {
        world.remove("image", image);
    }
    world.set("server", id, "OS-EXT-STS:task_state", Value::Null);
    world.set("server", id, "_snapshot", Value::Null);
}

fn rebuild(world: &mut World, call: &Call, id: &str, arguments: &Value) -> Outcome {
    only_in(world, id, "rebuild", &["active", "stopped", "error"])?;
    let image = text(arguments, "imageRef").to_owned();
    let found = world
        .seen(&call.caller, "image", &image)
        .ok_or_else(|| Refusal::bad("Cannot find image for rebuild"))?;
    let server = world.one("server", id).cloned().unwrap_or_default();
    create::check_image(found, &server["_flavor"])?;
    if let Some(name) = arguments["name"].as_str() {
        world.set("server", id, "name", name);
    }
    if let Some(data) = arguments.get("user_data") {
        world.set("server", id, "_user_data", data.clone());
    }
    if arguments["metadata"].is_object() {
        world.set("server", id, "metadata", arguments["metadata"].clone());
    }
    world.set("server", id, "_image", image);
    world.set("server", id, "status", "REBUILD");
    world.set("server", id, "updated", now());
    world.set("server", id, "OS-EXT-STS:task_state", "rebuild_spawning");
    world.set("server", id, "_doom", Doom::note(call.doom));
    world.set("server", id, "_fault", Value::Null);
    world.effect(Effect::Rebuild(id.to_owned()));
    view::record(world, id, "rebuild", &call.caller);
    world.later(1, Later::Server(id.to_owned()));
    let mut shown = call_view(world, call, id);
    shown["adminPass"] = "sandbox".into();
    Ok(Answer::json(202, json!({"server": shown})))
}

fn call_view(world: &World, call: &Call, id: &str) -> Value {
    world
        .one("server", id)
        .map(|server| view::detail(world, call, server))
        .unwrap_or_default()
}

/// Gives a running server another port.
pub(super) fn attach_port(
    world: &mut World,
    call: &Call,
    id: &str,
    asked: &Value,
) -> Result<Value, Refusal> {
    let port = text(asked, "port_id").to_owned();
    let (port, ours) = if port.is_empty() {
        let network = text(asked, "net_id");
        let made = json!({
            "network_id": network, "device_id": id, "device_owner": "compute:nova",
        });
        let made = ports::create(world, call, &made).map_err(|r| Refusal::bad(r.message))?;
        (text(&made, "id").to_owned(), true)
    } else {
        let found = world
            .seen(&call.caller, "port", &port)
            .ok_or_else(|| Refusal::bad(format!("Port {port} could not be found.")))?;
        if !text(found, "device_id").is_empty() {
            return Err(Refusal::bad(format!("Port {port} is still in use.")));
        }
        ports::bind(world, &port, id, "compute:nova");
        (port, false)
    };
    if let Some(all) = world
        .change("server", id)
        .and_then(|s| s["_ports"].as_array_mut())
    {
        all.push(json!({"id": port, "ours": ours}));
    }
    Ok(world.one("port", &port).cloned().unwrap_or_default())
}
