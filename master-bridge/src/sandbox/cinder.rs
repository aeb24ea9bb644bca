//! Volumes and their snapshots. They hold no data: what the bridge sees of them is their state.

use axum::http::Method;
use serde_json::{Value, json};

use super::listing;
use super::quota::Quota;
use super::request::{Answer, Call, Doom, Outcome, Refusal, number, text};
use super::world::{Later, World, now_fine, uuid};

/// The newest microversion (3.NEWEST).
pub(super) const NEWEST: u32 = 71;
const QUOTA: Quota = Quota {
    table: "cinder_quota",
    defaults: &[("volumes", 50), ("snapshots", 50), ("gigabytes", 5000)],
};

pub(super) fn handle(world: &mut World, call: &Call) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let get = call.method == Method::GET;
    match &path[..] {
        [] if get => Ok(Answer::json(300, json!({"versions": [version(call)]}))),
        ["v3"] if get => Ok(Answer::json(200, json!({"versions": [version(call)]}))),
        ["v3", project, ..] if *project != call.caller.project && !call.caller.admin => {
            Err(Refusal::bad(format!(
                "Malformed request url: URL's project_id '{project}' doesn't match Context's project_id '{}'",
                call.caller.project
            )))
        }
        ["v3", _] if get => Ok(Answer::json(200, json!({"versions": [version(call)]}))),
        ["v3", _, "volumes", rest @ ..] => volumes(world, call, rest),
        ["v3", _, "snapshots", rest @ ..] => snapshots(world, call, rest),
        ["v3", _, "types", ..] if get => Ok(Answer::json(
            200,
            json!({"volume_types": [{"id": "00000000-0000-0000-0000-000000000001", "name": "file", "is_public": true,
                   "description": null, "os-volume-type-access:is_public": true, "extra_specs": {}}]}),
        )),
        ["v3", _, "limits"] if get => {
            let absolute = json!({
                "maxTotalVolumes": limit(world, call, "volumes"), "totalVolumesUsed": used(world, call, "volume"),
                "maxTotalSnapshots": limit(world, call, "snapshots"), "totalSnapshotsUsed": used(world, call, "snapshot"),
                "maxTotalVolumeGigabytes": limit(world, call, "gigabytes"), "totalGigabytesUsed": gigabytes(world, call),
                "maxTotalBackups": 10, "totalBackupsUsed": 0, "maxTotalBackupGigabytes": 1000, "totalBackupGigabytesUsed": 0,
            });
            Ok(Answer::json(
                200,
                json!({"limits": {"rate": [], "absolute": absolute}}),
            ))
        }
        ["v3", _, "os-quota-sets", project] => {
            if call.method == Method::PUT {
                if !call.caller.admin {
                    return Err(Refusal::forbidden(
                        "Policy doesn't allow volume_extension:quotas:update to be performed.",
                    ));
                }
                QUOTA.set(world, project, &call.body["quota_set"]);
            }
            let set: serde_json::Map<String, Value> = QUOTA
                .defaults
                .iter()
                .map(|(key, _)| ((*key).to_owned(), json!(QUOTA.limit(world, project, key))))
                .collect();
            Ok(Answer::json(200, json!({"quota_set": set})))
        }
        _ => Err(Refusal::unserved()),
    }
}

fn version(call: &Call) -> Value {
    json!({
        "id": "v3.0", "status": "CURRENT", "version": format!("3.{NEWEST}"), "min_version": "3.0",
        "updated": "2023-08-31T00:00:00Z", "links": [{"rel": "self", "href": format!("{}/v3/", call.base)}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    })
}

fn limit(world: &World, call: &Call, key: &str) -> i64 {
    QUOTA.limit(world, &call.caller.project, key)
}

fn used(world: &World, call: &Call, kind: &str) -> i64 {
    let mine = world
        .all(kind)
        .filter(|v| text(v, "project_id") == call.caller.project);
    i64::try_from(mine.count()).unwrap_or(i64::MAX)
}

fn gigabytes(world: &World, call: &Call) -> i64 {
    world
        .all("volume")
        .chain(world.all("snapshot"))
        .filter(|v| text(v, "project_id") == call.caller.project)
        .filter_map(|v| number(v, "size"))
        .sum()
}

fn over(kind: &str, message: String) -> Refusal {
    // Cinder's quota is the one that says 413.
    Refusal::new(413, kind, message)
}

fn no_volume(id: &str) -> Refusal {
    Refusal::missing(format!("Volume {id} could not be found."))
}

fn volumes(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    let project = &call.caller.project;
    match (&call.method, rest) {
        (&Method::GET, [] | ["detail"]) => {
            let all: Vec<Value> = world
                .all("volume")
                .rev()
                .filter(|v| text(v, "project_id") == project)
                .filter(|v| listing::matches(v, &call.query))
                .map(|v| match rest.is_empty() {
                    true => json!({"id": v["id"], "name": v["name"], "links": links(call, "volumes", text(v, "id"))}),
                    false => detail(call, v),
                })
                .collect();
            let path = format!(
                "v3/{project}/volumes{}",
                if rest.is_empty() { "" } else { "/detail" }
            );
            Ok(Answer::json(
                200,
                listing::page(call, "volumes", all, &path)?,
            ))
        }
        (&Method::POST, []) => {
            let asked = call.inner("volume")?.clone();
            let id = create_volume(world, call, &asked)?;
            let mut made = world.one("volume", &id).map(|v| detail(call, v));
            // Whose it is, Cinder tells only those who look.
            if let Some(made) = made.as_mut().and_then(Value::as_object_mut) {
                made.shift_remove("os-vol-tenant-attr:tenant_id");
            }
            Ok(Answer::json(202, json!({"volume": made})))
        }
        (_, [id, rest @ ..]) => {
            let volume = world
                .seen(&call.caller, "volume", id)
                .ok_or_else(|| no_volume(id))?
                .clone();
            one_volume(world, call, &volume, rest)
        }
        _ => Err(Refusal::unserved()),
    }
}

fn one_volume(world: &mut World, call: &Call, volume: &Value, rest: &[&str]) -> Outcome {
    let id = text(volume, "id");
    match (&call.method, rest) {
        (&Method::GET, []) => Ok(Answer::json(200, json!({"volume": detail(call, volume)}))),
        (&Method::PUT, []) => {
            let asked = call.inner("volume")?;
            for key in ["name", "description", "metadata"] {
                if let Some(value) = asked.get(key) {
                    world.set("volume", id, key, value.clone());
                }
            }
            let shown = world.one("volume", id).map(|v| detail(call, v));
            Ok(Answer::json(200, json!({"volume": shown})))
        }
        (&Method::DELETE, []) => {
            let free = [
                "available",
                "error",
                "error_restoring",
                "error_extending",
                "error_managing",
            ];
            let kept = world.all("snapshot").any(|s| text(s, "volume_id") == id);
            if !free.contains(&text(volume, "status")) || kept {
                return Err(Refusal::bad(
                    "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.",
                ));
            }
            world.set("volume", id, "status", "deleting");
            world.set("volume", id, "_doom", Doom::note(call.doom));
            world.later(1, Later::Volume(id.to_owned()));
            Ok(Answer::empty(202))
        }
        (&Method::POST, ["action"]) => {
            let Some((action, arguments)) = call.body.as_object().and_then(|b| b.iter().next())
            else {
                return Err(Refusal::bad("There is no such action"));
            };
            match action.as_str() {
                "os-extend" => {
                    let size = number(arguments, "new_size").unwrap_or_default();
                    if size <= number(volume, "size").unwrap_or_default() {
                        return Err(Refusal::bad(format!(
                            "Invalid input received: New size for extend must be greater than current size. (current: {}, extended: {size}).",
                            volume["size"]
                        )));
                    }
                    world.set("volume", id, "size", size);
                }
                "os-set_bootable" => {
                    let bootable = arguments["bootable"] == true;
                    world.set("volume", id, "bootable", bootable.to_string());
                    return Ok(Answer::empty(200));
                }
                _ => return Err(Refusal::bad(format!("There is no such action: {action}"))),
            }
            Ok(Answer::empty(202))
        }
        _ => Err(Refusal::unserved()),
    }
}

/// Makes a volume; gives its id.
pub(super) fn create_volume(
    world: &mut World,
    call: &Call,
    asked: &Value,
) -> Result<String, Refusal> {
    let size = number(asked, "size").unwrap_or_default();
    let snapshot = text(asked, "snapshot_id");
    let size = match world.one("snapshot", snapshot) {
        Some(of) if size == 0 => number(of, "volume_size").unwrap_or(1),
        None if !snapshot.is_empty() => {
            return Err(Refusal::missing(format!(
                "Snapshot {snapshot} could not be found."
            )));
        }
        _ => size,
    };
    if size <= 0 {
        return Err(Refusal::bad(format!(
            "Invalid input received: Volume size '{size}' must be an integer and greater than 0"
        )));
    }
    let image = text(asked, "imageRef");
    if !image.is_empty() && world.seen(&call.caller, "image", image).is_none() {
        return Err(Refusal::bad(
            "Invalid image identifier or unable to access requested image.",
        ));
    }
    let most = limit(world, call, "volumes");
    if most >= 0 && used(world, call, "volume") >= most {
        return Err(over(
            "VolumeLimitExceeded",
            format!(
                "VolumeLimitExceeded: Maximum number of volumes allowed ({most}) exceeded for quota 'volumes'."
            ),
        ));
    }
    let room = limit(world, call, "gigabytes");
    let taken = gigabytes(world, call);
    if room >= 0 && taken + size > room {
        return Err(over(
            "VolumeSizeExceedsAvailableQuota",
            format!(
                "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested {size}G, quota is {room}G and {taken}G has been consumed."
            ),
        ));
    }
    let id = uuid();
    let volume = json!({
        "id": id, "name": asked["name"], "description": asked["description"], "size": size, "status": "creating",
        "availability_zone": "nova", "created_at": now_fine(), "updated_at": null, "attachments": [],
        "volume_type": "file", "bootable": (!image.is_empty()).to_string(), "encrypted": false, "multiattach": false,
        "snapshot_id": asked.get("snapshot_id").filter(|_| !snapshot.is_empty()), "source_volid": asked["source_volid"],
        "metadata": asked.get("metadata").filter(|m| m.is_object()).cloned().unwrap_or_else(|| json!({})),
        "consistencygroup_id": null, "replication_status": null,
        "user_id": call.caller.user, "project_id": call.caller.project,
        "_image": asked.get("imageRef"), "_doom": Doom::note(call.doom),
    });
    world.put("volume", &id, volume);
    world.later(1, Later::Volume(id.clone()));
    Ok(id)
}

fn links(call: &Call, collection: &str, id: &str) -> Value {
    let project = &call.caller.project;
    json!([
        {"rel": "self", "href": format!("{}/v3/{project}/{collection}/{id}", call.base)},
        {"rel": "bookmark", "href": format!("{}/{project}/{collection}/{id}", call.base)},
    ])
}

fn detail(call: &Call, volume: &Value) -> Value {
    let mut shown = listing::shown(volume);
    shown["links"] = links(call, "volumes", text(volume, "id"));
    shown["os-vol-tenant-attr:tenant_id"] = volume["project_id"].clone();
    if let Some(map) = shown.as_object_mut() {
        map.shift_remove("project_id");
    }
    if let Some(image) = volume["_image"].as_str() {
        shown["volume_image_metadata"] = json!({"image_id": image});
    }
    shown
}

/// Begins to give a volume to a server.
pub(super) fn attach(world: &mut World, id: &str, server: &str) -> Result<(), Refusal> {
    let volume = world.one("volume", id).ok_or_else(|| no_volume(id))?;
    let status = text(volume, "status");
    let usable = status == "available" || status == "creating";
    if !usable {
        return Err(Refusal::bad(format!(
            "Invalid volume: Volume {id} status must be available or downloading to reserve, but the current status is {status}."
        )));
    }
    let letter = (b'b'..=b'z')
        .map(|l| format!("/dev/vd{}", char::from(l)))
        .find(|device| {
            world
                .all("volume")
                .flat_map(|v| super::request::list(v, "attachments"))
                .all(|a| text(a, "server_id") != server || text(a, "device") != *device)
        })
        .unwrap_or_default();
    let attachment = json!({
        "id": id, "attachment_id": uuid(), "volume_id": id, "server_id": server, "host_name": "sandbox",
        "device": letter, "attached_at": now_fine(),
    });
    world.set("volume", id, "attachments", json!([attachment]));
    world.set("volume", id, "status", "reserved");
    world.later(1, Later::Volume(id.to_owned()));
    Ok(())
}

/// Begins to take a volume off its server.
pub(super) fn begin_detach(world: &mut World, id: &str) {
    world.set("volume", id, "status", "detaching");
    world.later(1, Later::Volume(id.to_owned()));
}

/// A volume is nobody's.
pub(super) fn detach(world: &mut World, id: &str) {
    world.set("volume", id, "attachments", json!([]));
    world.set("volume", id, "status", "available");
}

/// A volume goes with its server.
pub(super) fn remove_volume(world: &mut World, id: &str) {
    world.remove("volume", id);
}

/// Puts on their way again what was on its way when the sandbox ended.
pub(super) fn resume(world: &mut World) {
    let settled = ["available", "in-use", "error", "error_deleting"];
    let busy: Vec<String> = world
        .all("volume")
        .chain(world.all("snapshot"))
        .filter(|v| !settled.contains(&text(v, "status")))
        .map(|v| text(v, "id").to_owned())
        .collect();
    for id in busy {
        world.later(1, Later::Volume(id));
    }
}

/// One step of whatever a volume or snapshot is at.
pub(super) fn tick(world: &mut World, id: &str) {
    let kind = if world.one("volume", id).is_some() {
        "volume"
    } else {
        "snapshot"
    };
    let Some(found) = world.one(kind, id) else {
        return;
    };
    let doom = text(found, "_doom").to_owned();
    if doom == "stuck" {
        return;
    }
    let next = match (text(found, "status"), doom.as_str()) {
        ("creating", "error") => "error",
        ("deleting", "error") => "error_deleting",
        ("creating", _) => "available",
        ("reserved", _) => "in-use",
        ("detaching", _) => {
            detach(world, id);
            return;
        }
        ("deleting", _) => {
            world.remove(kind, id);
            return;
        }
        _ => return,
    };
    world.set(kind, id, "status", next);
    world.set(kind, id, "_doom", Value::Null);
    world.set(kind, id, "updated_at", now_fine());
}

fn snapshots(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    let shown = |s: &Value| {
        let mut shown = listing::shown(s);
        shown["size"] = s["size"].clone();
        if let Some(map) = shown.as_object_mut() {
            map.shift_remove("volume_size");
            map.shift_remove("project_id");
        }
        shown
    };
    let missing = |id: &str| Refusal::missing(format!("Snapshot {id} could not be found."));
    match (&call.method, rest) {
        (&Method::GET, [] | ["detail"]) => {
            let all: Vec<Value> = world
                .all("snapshot")
                .filter(|s| text(s, "project_id") == call.caller.project)
                .filter(|s| listing::matches(s, &call.query))
                .map(shown)
                .collect();
            let path = format!("v3/{}/snapshots", call.caller.project);
            Ok(Answer::json(
                200,
                listing::page(call, "snapshots", all, &path)?,
            ))
        }
        (&Method::POST, []) => {
            let asked = call.inner("snapshot")?.clone();
            let volume = text(&asked, "volume_id");
            let of = world
                .seen(&call.caller, "volume", volume)
                .ok_or_else(|| no_volume(volume))?;
            let forced = super::request::flag(&asked, "force").unwrap_or_default();
            let status = text(of, "status");
            if status != "available" && !(forced && status == "in-use") {
                return Err(Refusal::bad(format!(
                    "Invalid volume: Volume {volume} status must be available, but current status is: {status}."
                )));
            }
            let most = limit(world, call, "snapshots");
            if most >= 0 && used(world, call, "snapshot") >= most {
                return Err(over(
                    "SnapshotLimitExceeded",
                    format!(
                        "SnapshotLimitExceeded: Maximum number of snapshots allowed ({most}) exceeded"
                    ),
                ));
            }
            let id = uuid();
            let made = json!({
                "id": id, "name": asked["name"], "description": asked["description"], "volume_id": volume,
                "status": "creating", "size": of["size"], "created_at": now_fine(), "updated_at": null,
                "metadata": asked.get("metadata").filter(|m| m.is_object()).cloned().unwrap_or_else(|| json!({})),
                "project_id": call.caller.project, "volume_size": of["size"], "_doom": Doom::note(call.doom),
            });
            world.put("snapshot", &id, made.clone());
            world.later(1, Later::Volume(id));
            Ok(Answer::json(202, json!({"snapshot": shown(&made)})))
        }
        (&Method::GET, [id]) => {
            let found = world
                .seen(&call.caller, "snapshot", id)
                .ok_or_else(|| missing(id))?;
            Ok(Answer::json(200, json!({"snapshot": shown(found)})))
        }
        (&Method::DELETE, [id]) => {
            world
                .seen(&call.caller, "snapshot", id)
                .ok_or_else(|| missing(id))?;
            world.set("snapshot", id, "status", "deleting");
            world.later(1, Later::Volume((*id).to_owned()));
            Ok(Answer::empty(202))
        }
        _ => Err(Refusal::unserved()),
    }
}
