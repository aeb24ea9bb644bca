//! Images: documents, their data as files, and both ways of import.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use axum::http::Method;
use md5::Md5;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::listing;
use super::request::{Answer, Body, Call, Caller, Outcome, Refusal, list, number, text};
use super::world::{Effect, Later, World, hex, now, uuid};

/// What Glance alone may set.
const READ_ONLY: &[&str] = &[
    "id",
    "status",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "size",
    "virtual_size",
    "created_at",
    "updated_at",
    "self",
    "file",
    "schema",
    "owner",
    "direct_url",
    "locations",
];

/// Whether a call's body is an image's data.
pub(super) fn is_data(call: &Call) -> bool {
    call.method == Method::PUT
        && matches!(call.path.last().map(String::as_str), Some("file" | "stage"))
}

/// The image that a new sandbox has: an empty disk, on which the agent is as in every VM here.
pub(super) fn seed(world: &mut World, demo: &str) -> io::Result<()> {
    let caller = Caller {
        project: demo.to_owned(),
        admin: true,
        ..Caller::default()
    };
    let asked = json!({"name": "tiny", "disk_format": "raw", "container_format": "bare", "visibility": "public"});
    let id = create_image(world, &caller, &asked).map_err(|r| io::Error::other(r.message))?;
    fs::write(world.image_file(&id), b"an empty disk of the sandbox\n")?;
    complete(world, &id);
    Ok(())
}

pub(super) fn handle(world: &mut World, call: &Call) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (&call.method, &path[..]) {
        (&Method::GET, [] | ["versions"]) => {
            let versions: Vec<Value> = (0..=17)
                .rev()
                .map(|minor| {
                    json!({"id": format!("v2.{minor}"), "status": if minor == 17 { "CURRENT" } else { "SUPPORTED" },
                           "links": [{"rel": "self", "href": format!("{}/v2/", call.base)}]})
                })
                .collect();
            let status = if path.is_empty() { 300 } else { 200 };
            Ok(Answer::json(status, json!({"versions": versions})))
        }
        (&Method::GET, ["v2", "images"]) => index(world, call),
        (&Method::POST, ["v2", "images"]) => {
            let id = create_image(world, &call.caller, &call.body)?;
            let shown = world.one("image", &id).map(listing::shown);
            let place = format!("{}/v2/images/{id}", call.base);
            Ok(Answer::json(201, shown.unwrap_or_default())
                .header("location", place)
                .header(
                    "openstack-image-import-methods",
                    "glance-direct,web-download",
                ))
        }
        (&Method::GET, ["v2", "info", "import"]) => Ok(Answer::json(
            200,
            json!({"import-methods": {"description": "Import methods available.", "type": "array",
                   "value": ["glance-direct", "web-download"]}}),
        )),
        (_, ["v2", "images", id, rest @ ..]) => {
            let seen = world
                .seen(&call.caller, "image", id)
                .ok_or_else(|| missing(id))?;
            let is_own = call.caller.admin || text(seen, "owner") == call.caller.project;
            if call.method != Method::GET && !is_own {
                return Err(Refusal::forbidden(
                    "You are not authorized to complete this action.",
                ));
            }
            image(world, call, id, rest)
        }
        _ => Err(Refusal::unserved()),
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::missing(format!("No image found with ID {id}"))
}

fn index(world: &World, call: &Call) -> Outcome {
    let mut query = call.query.clone();
    // Tags are asked for one by one, and all must be there.
    let tags: Vec<String> = query
        .extract_if(.., |(key, _)| key == "tag")
        .map(|(_, value)| value)
        .collect();
    query.retain(|(key, value)| !(key == "visibility" && value == "all") && key != "member_status");
    let mut found: Vec<Value> = world
        .all("image")
        .rev()
        .filter(|i| World::may_see(&call.caller, i))
        .filter(|i| i["os_hidden"] != true || call.ask("os_hidden").is_some())
        .filter(|i| {
            tags.iter()
                .all(|tag| list(i, "tags").iter().any(|t| t == tag))
        })
        .filter(|i| {
            query
                .iter()
                .all(|pair| listing::matches(i, std::slice::from_ref(pair)) && known(i, &pair.0))
        })
        .map(listing::shown)
        .collect();
    if let Some(sort) = call.ask("sort") {
        let (key, direction) = sort.split_once(':').unwrap_or((sort, "desc"));
        found.sort_by(|a, b| text(a, key).cmp(text(b, key)));
        if direction == "desc" {
            found.reverse();
        }
    }
    let (images, more) = listing::cut(call, found)?;
    let mut body = json!({"images": images, "first": "/v2/images", "schema": "/v2/schemas/images"});
    if let Some(marker) = more {
        let limit = call.ask("limit").unwrap_or_default();
        body["next"] = format!("/v2/images?limit={limit}&marker={marker}").into();
    }
    Ok(Answer::json(200, body))
}

/// A property that an image does not have is not the one that is asked for.
fn known(image: &Value, key: &str) -> bool {
    image.get(key).is_some() || ["limit", "marker", "sort", "sort_key", "sort_dir"].contains(&key)
}

/// A new image, without its data.
pub(super) fn create_image(
    world: &mut World,
    caller: &Caller,
    asked: &Value,
) -> Result<String, Refusal> {
    let id = match text(asked, "id") {
        "" => uuid(),
        given if world.one("image", given).is_some() => {
            return Err(Refusal::conflict(format!(
                "Image ID {given} already exists!"
            )));
        }
        given => given.to_owned(),
    };
    let visibility = match text(asked, "visibility") {
        "" => "shared",
        "public" if !caller.admin => {
            return Err(Refusal::forbidden(
                "You are not authorized to complete publicize_image action.",
            ));
        }
        given => given,
    };
    let at = now();
    let mut image = json!({
        "id": id, "name": asked["name"], "status": "queued", "visibility": visibility,
        "protected": asked["protected"] == true, "os_hidden": asked["os_hidden"] == true, "owner": caller.project,
        "checksum": null, "os_hash_algo": null, "os_hash_value": null, "size": null, "virtual_size": null,
        "created_at": at, "updated_at": at, "disk_format": asked["disk_format"],
        "container_format": asked["container_format"], "min_disk": number(asked, "min_disk").unwrap_or_default(),
        "min_ram": number(asked, "min_ram").unwrap_or_default(), "tags": list(asked, "tags"),
        "self": format!("/v2/images/{id}"), "file": format!("/v2/images/{id}/file"), "schema": "/v2/schemas/image",
    });
    for (key, value) in asked.as_object().into_iter().flatten() {
        if image.get(key).is_some() {
            continue;
        }
        if !value.is_string() {
            return Err(Refusal::bad(format!(
                "Provided object does not match schema 'image': {value} is not of type 'string'"
            )));
        }
        image[key] = value.clone();
    }
    world.put("image", &id, image);
    Ok(id)
}

fn image(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    let found = world.one("image", id).cloned().unwrap_or_default();
    let status = text(&found, "status");
    match (&call.method, rest) {
        (&Method::GET, []) => Ok(Answer::json(200, listing::shown(&found))),
        (&Method::PATCH, []) => patch(world, call, id, found),
        (&Method::DELETE, []) => {
            if found["protected"] == true {
                return Err(Refusal::forbidden(format!(
                    "Image {id} is protected and cannot be deleted."
                )));
            }
            world.remove("image", id);
            drop(fs::remove_file(world.image_file(id)));
            Ok(Answer::empty(204))
        }
        (&Method::GET, ["file"]) if status == "active" => Ok(Answer {
            status: 200,
            body: Body::File(world.image_file(id)),
            headers: vec![("content-md5", text(&found, "checksum").to_owned())],
        }),
        (&Method::GET, ["file"]) => Ok(Answer::empty(204)),
        (&Method::PUT, ["file" | "stage"]) => {
            if status != "queued" {
                return Err(Refusal::conflict(format!(
                    "Image status transition from {status} to saving is not allowed"
                )));
            }
            let data = call.file.as_deref().ok_or_else(Refusal::unserved)?;
            fs::rename(data, world.image_file(id))
                .map_err(|e| Refusal::new(500, "Storage", format!("cannot store the data: {e}")))?;
            if rest == ["stage"] {
                world.set("image", id, "status", "uploading");
            } else if call.doom.is_some() {
                world.set("image", id, "status", "killed");
            } else {
                complete(world, id);
            }
            Ok(Answer::empty(204))
        }
        (&Method::POST, ["import"]) => {
            import(world, call, id, status)?;
            Ok(Answer::empty(202))
        }
        (&Method::PUT, ["tags", tag]) => {
            let mut tags = list(&found, "tags").to_vec();
            if tags.iter().all(|t| t != tag) {
                tags.push(json!(tag));
            }
            world.set("image", id, "tags", tags);
            Ok(Answer::empty(204))
        }
        (&Method::DELETE, ["tags", tag]) => {
            let mut tags = list(&found, "tags").to_vec();
            tags.retain(|t| t != tag);
            world.set("image", id, "tags", tags);
            Ok(Answer::empty(204))
        }
        (&Method::GET, ["members"]) => Ok(Answer::json(
            200,
            json!({"members": [], "schema": "/v2/schemas/members"}),
        )),
        _ => Err(Refusal::unserved()),
    }
}

/// A list of JSON patches, each on one attribute.
fn patch(world: &mut World, call: &Call, id: &str, mut image: Value) -> Outcome {
    let changes = call
        .body
        .as_array()
        .ok_or_else(|| Refusal::bad("Request body must be a JSON array of operation objects."))?;
    for change in changes {
        let path = text(change, "path").trim_start_matches('/');
        let key = path.replace("~1", "/").replace("~0", "~");
        if READ_ONLY.contains(&key.as_str()) {
            return Err(Refusal::forbidden(format!(
                "Attribute '{key}' is read-only."
            )));
        }
        let map: &mut Map<String, Value> = image.as_object_mut().ok_or_else(Refusal::unserved)?;
        match (text(change, "op"), map.contains_key(&key)) {
            ("remove", true) => {
                map.shift_remove(&key);
            }
            ("add", _) | ("replace", true) => {
                map.insert(key, change["value"].clone());
            }
            ("remove" | "replace", false) => {
                return Err(Refusal::conflict(format!("Property {key} does not exist.")));
            }
            (op, _) => {
                return Err(Refusal::bad(format!(
                    "Unable to find '{op}' in JSON Schema change"
                )));
            }
        }
    }
    if image["visibility"] == "public" && !call.caller.admin {
        return Err(Refusal::forbidden(
            "You are not authorized to complete publicize_image action.",
        ));
    }
    image["updated_at"] = now().into();
    world.put("image", id, image.clone());
    Ok(Answer::json(200, listing::shown(&image)))
}

fn import(world: &mut World, call: &Call, id: &str, status: &str) -> Result<(), Refusal> {
    let method = &call.body["method"];
    match text(method, "name") {
        "glance-direct" => {
            if status != "uploading" {
                return Err(Refusal::conflict(format!(
                    "Only images with status uploading can be imported: image {id} is {status}"
                )));
            }
            world.later(1, Later::Image(id.to_owned()));
        }
        "web-download" => {
            if status != "queued" {
                return Err(Refusal::conflict(format!(
                    "Only images with status queued can be imported: image {id} is {status}"
                )));
            }
            let url = text(method, "uri").to_owned();
            if !url.starts_with("http") {
                return Err(Refusal::bad(format!(
                    "URI for web-download does not pass filtering: {url}"
                )));
            }
            world.effect(Effect::Download {
                image: id.to_owned(),
                url,
            });
        }
        other => {
            return Err(Refusal::bad(format!(
                "Unknown import method name '{other}'."
            )));
        }
    }
    world.set("image", id, "status", "importing");
    if call.doom.is_some() {
        world.set("image", id, "_doom", "error");
    }
    Ok(())
}

/// The data of an import has come.
pub(super) fn imported(world: &mut World, id: &str, written: bool) {
    let doomed = world
        .one("image", id)
        .is_some_and(|i| i["_doom"] == "error");
    if written && !doomed {
        complete(world, id);
    } else {
        // As Glance does when an import task fails: back to the beginning.
        world.set("image", id, "status", "queued");
        world.set("image", id, "os_glance_failed_import", "file");
    }
}

/// The image has its data: size, sums, active.
pub(super) fn complete(world: &mut World, id: &str) {
    let Ok((size, md5, sha512)) = sums(&world.image_file(id)) else {
        world.set("image", id, "status", "killed");
        return;
    };
    world.set("image", id, "size", size);
    world.set("image", id, "checksum", md5);
    world.set("image", id, "os_hash_algo", "sha512");
    world.set("image", id, "os_hash_value", sha512);
    world.set("image", id, "status", "active");
    world.set("image", id, "updated_at", now());
}

fn sums(path: &Path) -> io::Result<(u64, String, String)> {
    let mut file = fs::File::open(path)?;
    let (mut md5, mut sha512) = (Md5::new(), Sha512::new());
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((size, hex(&md5.finalize()), hex(&sha512.finalize())));
        }
        md5.update(&buffer[..read]);
        sha512.update(&buffer[..read]);
        size += read as u64;
    }
}
