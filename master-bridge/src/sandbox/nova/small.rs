//! Flavors, keypairs, server groups, limits and quotas.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::listing;
use super::super::quota::Quota;
use super::super::request::{Answer, Call, Outcome, Refusal, list, number, text};
use super::super::world::{World, hex, now_fine, uuid};
use super::view;

/// How much a project may have, unless told otherwise.
const QUOTA: Quota = Quota {
    table: "nova_quota",
    defaults: &[
        ("instances", 50),
        ("cores", 200),
        ("ram", 512_000),
        ("key_pairs", 100),
        ("metadata_items", 128),
        ("server_groups", 10),
        ("server_group_members", 10),
    ],
};

pub(super) fn flavors(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    let shown = |f: &Value| {
        let mut f = listing::shown(f);
        let id = text(&f, "id").to_owned();
        f["links"] = view::links(call, "flavors", &id);
        if call.at_least(55) {
            f["description"] = Value::Null;
        }
        if call.at_least(61) {
            f["extra_specs"] = json!({});
        }
        f
    };
    match (&call.method, rest) {
        (&Method::GET, [] | ["detail"]) => {
            let atleast = |key: &str, of: &Value, field: &str| {
                let least = call.ask(key).and_then(|v| v.parse::<i64>().ok());
                least.is_none_or(|least| number(of, field).unwrap_or_default() >= least)
            };
            let all: Vec<Value> = world
                .all("flavor")
                .filter(|f| atleast("minRam", f, "ram") && atleast("minDisk", f, "disk"))
                .map(|f| match rest.is_empty() {
                    true => json!({"id": f["id"], "name": f["name"], "links": view::links(call, "flavors", text(f, "id"))}),
                    false => shown(f),
                })
                .collect();
            let path = if rest.is_empty() {
                "v2.1/flavors"
            } else {
                "v2.1/flavors/detail"
            };
            Ok(Answer::json(
                200,
                listing::page(call, "flavors", all, path)?,
            ))
        }
        (&Method::GET, [id, "os-extra_specs"]) => match world.one("flavor", id) {
            Some(_) => Ok(Answer::json(200, json!({"extra_specs": {}}))),
            None => Err(no_flavor(id)),
        },
        (&Method::GET, [id]) => match world.one("flavor", id) {
            Some(flavor) => Ok(Answer::json(200, json!({"flavor": shown(flavor)}))),
            None => Err(no_flavor(id)),
        },
        (&Method::POST | &Method::DELETE, _) if !call.caller.admin => Err(Refusal::forbidden(
            "Policy doesn't allow os_compute_api:os-flavor-manage to be performed.",
        )),
        (&Method::POST, []) => {
            let asked = call.inner("flavor")?;
            let id = match text(asked, "id") {
                "" | "auto" => uuid(),
                given => given.to_owned(),
            };
            let flavor = json!({
                "id": id, "name": asked["name"], "ram": number(asked, "ram"), "vcpus": number(asked, "vcpus"),
                "disk": number(asked, "disk").unwrap_or_default(), "swap": "", "OS-FLV-EXT-DATA:ephemeral": 0,
                "OS-FLV-DISABLED:disabled": false, "os-flavor-access:is_public": true, "rxtx_factor": 1.0,
            });
            world.put("flavor", &id, flavor.clone());
            Ok(Answer::json(200, json!({"flavor": shown(&flavor)})))
        }
        (&Method::DELETE, [id]) => match world.remove("flavor", id) {
            Some(_) => Ok(Answer::empty(202)),
            None => Err(no_flavor(id)),
        },
        _ => Err(Refusal::unserved()),
    }
}

fn no_flavor(id: &str) -> Refusal {
    Refusal::missing(format!("Flavor {id} could not be found."))
}

/// A keypair of a user.
pub(super) fn keypair<'a>(world: &'a World, user: &str, name: &str) -> Option<&'a Value> {
    world.one("keypair", &format!("{user}/{name}"))
}

pub(super) fn keypairs(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    let user = call.caller.user.clone();
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let all: Vec<Value> = world
                .all("keypair")
                .filter(|k| text(k, "user_id") == user)
                .map(|k| {
                    let mut shown = json!({"name": k["name"], "public_key": k["public_key"], "fingerprint": k["fingerprint"]});
                    if call.at_least(2) {
                        shown["type"] = k["type"].clone();
                    }
                    json!({"keypair": shown})
                })
                .collect();
            Ok(Answer::json(200, json!({"keypairs": all})))
        }
        (&Method::POST, []) => {
            let asked = call.inner("keypair")?;
            let (name, key) = (text(asked, "name"), text(asked, "public_key"));
            if name.is_empty() {
                return Err(Refusal::bad(
                    "Invalid input for field/attribute name. Value: . '' is too short",
                ));
            }
            if keypair(world, &user, name).is_some() {
                return Err(Refusal::conflict(format!(
                    "Key pair '{name}' already exists."
                )));
            }
            let owned = world
                .all("keypair")
                .filter(|k| text(k, "user_id") == user)
                .count();
            if i64::try_from(owned)
                .is_ok_and(|n| n >= QUOTA.limit(world, &call.caller.project, "key_pairs"))
            {
                return Err(Refusal::forbidden("Quota exceeded, too many key pairs."));
            }
            if key.is_empty() {
                return Err(match call.at_least(92) {
                    true => Refusal::bad(
                        "Invalid input for field/attribute keypair. 'public_key' is a required property",
                    ),
                    false => Refusal::bad("the sandbox makes no private keys: send a public_key"),
                });
            }
            let fingerprint = fingerprint(key).ok_or_else(|| {
                Refusal::bad("Keypair data is invalid: failed to generate fingerprint")
            })?;
            let mut kept = json!({
                "name": name, "public_key": key, "fingerprint": fingerprint, "user_id": user, "type": "ssh",
                "id": world.all("keypair").count() + 1, "created_at": now_fine(), "updated_at": null,
                "deleted_at": null, "deleted": false,
            });
            world.put("keypair", &format!("{user}/{name}"), kept.clone());
            for field in ["id", "created_at", "updated_at", "deleted_at", "deleted"] {
                if let Some(kept) = kept.as_object_mut() {
                    kept.shift_remove(field);
                }
            }
            if !call.at_least(2)
                && let Some(kept) = kept.as_object_mut()
            {
                kept.shift_remove("type");
            }
            let status = if call.at_least(2) { 201 } else { 200 };
            Ok(Answer::json(status, json!({"keypair": kept})))
        }
        (&Method::GET, [name]) => match keypair(world, &user, name) {
            Some(found) => Ok(Answer::json(200, json!({"keypair": found}))),
            None => Err(no_keypair(&user, name)),
        },
        (&Method::DELETE, [name]) => match world.remove("keypair", &format!("{user}/{name}")) {
            Some(_) => Ok(Answer::empty(if call.at_least(2) { 204 } else { 202 })),
            None => Err(no_keypair(&user, name)),
        },
        _ => Err(Refusal::unserved()),
    }
}

fn no_keypair(user: &str, name: &str) -> Refusal {
    Refusal::missing(format!("Keypair {name} not found for user {user}"))
}

/// MD5 of the key itself, as Nova shows it.
fn fingerprint(key: &str) -> Option<String> {
    use md5::{Digest, Md5};
    let blob = key.split_whitespace().nth(1)?;
    let bytes = super::super::vm::userdata::base64(blob)?;
    let digest = hex(&Md5::digest(&bytes));
    let pairs: Vec<&str> = (0..digest.len())
        .step_by(2)
        .map(|at| &digest[at..at + 2])
        .collect();
    Some(pairs.join(":"))
}

pub(super) fn groups(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    let shown = |world: &World, g: &Value| {
        let id = text(g, "id");
        let members: Vec<&str> = world
            .all("server")
            .filter(|s| text(s, "_group") == id)
            .map(|s| text(s, "id"))
            .collect();
        let mut shown = json!({"id": id, "name": g["name"], "members": members});
        if call.at_least(64) {
            shown["policy"] = g["policies"][0].clone();
            shown["rules"] = json!({});
        } else {
            shown["policies"] = g["policies"].clone();
            shown["metadata"] = json!({});
        }
        if call.at_least(13) {
            shown["project_id"] = g["project_id"].clone();
            shown["user_id"] = g["user_id"].clone();
        }
        shown
    };
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let all: Vec<Value> = world
                .all("server_group")
                .filter(|g| text(g, "project_id") == call.caller.project)
                .map(|g| shown(world, g))
                .collect();
            let (all, _) = listing::cut(call, all)?;
            Ok(Answer::json(200, json!({"server_groups": all})))
        }
        (&Method::POST, []) => {
            let asked = call.inner("server_group")?;
            let policy = match call.at_least(64) {
                true => text(asked, "policy"),
                false => list(asked, "policies")
                    .first()
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            };
            let known = [
                "affinity",
                "anti-affinity",
                "soft-affinity",
                "soft-anti-affinity",
            ];
            if !known.contains(&policy) {
                return Err(Refusal::bad(format!(
                    "Invalid input for field/attribute policy. Value: {policy}. '{policy}' is not one of {known:?}"
                )));
            }
            let mine = world
                .all("server_group")
                .filter(|g| text(g, "project_id") == call.caller.project)
                .count();
            if i64::try_from(mine)
                .is_ok_and(|n| n >= QUOTA.limit(world, &call.caller.project, "server_groups"))
            {
                return Err(Refusal::forbidden(
                    "Quota exceeded, too many server groups.",
                ));
            }
            let id = uuid();
            let group = json!({
                "id": id, "name": asked["name"], "policies": [policy], "project_id": call.caller.project,
                "user_id": call.caller.user,
            });
            world.put("server_group", &id, group.clone());
            Ok(Answer::json(
                200,
                json!({"server_group": shown(world, &group)}),
            ))
        }
        (method, [id]) => {
            let found = world
                .seen(&call.caller, "server_group", id)
                .ok_or_else(|| {
                    Refusal::missing(format!("Instance group {id} could not be found."))
                })?;
            match *method {
                Method::GET => Ok(Answer::json(
                    200,
                    json!({"server_group": shown(world, found)}),
                )),
                Method::DELETE => {
                    world.remove("server_group", id);
                    Ok(Answer::empty(204))
                }
                _ => Err(Refusal::unserved()),
            }
        }
        _ => Err(Refusal::unserved()),
    }
}

/// Instances, cores and memory in use.
fn usage(world: &World, project: &str) -> [i64; 3] {
    let mine = world
        .all("server")
        .filter(|s| text(s, "tenant_id") == project);
    mine.fold([0; 3], |[n, cores, ram], s| {
        let amount = |key| number(&s["_flavor"], key).unwrap_or_default();
        [n + 1, cores + amount("vcpus"), ram + amount("ram")]
    })
}

/// Refuses a server for which the project's quota has no room.
pub(super) fn room_for(world: &World, project: &str, flavor: &Value) -> Result<(), Refusal> {
    let used = usage(world, project);
    let amount = |key| number(flavor, key).unwrap_or_default();
    let wanted = [1, amount("vcpus"), amount("ram")];
    for ((key, used), wanted) in ["instances", "cores", "ram"]
        .into_iter()
        .zip(used)
        .zip(wanted)
    {
        let limit = QUOTA.limit(world, project, key);
        if limit >= 0 && used + wanted > limit {
            return Err(Refusal::forbidden(format!(
                "Quota exceeded for {key}: Requested {wanted}, but already used {used} of {limit} {key}"
            )));
        }
    }
    Ok(())
}

pub(super) fn limits(world: &World, call: &Call) -> Answer {
    let project = &call.caller.project;
    let [instances, cores, ram] = usage(world, project);
    let of = |key| QUOTA.limit(world, project, key);
    let groups = world
        .all("server_group")
        .filter(|g| text(g, "project_id") == *project)
        .count();
    Answer::json(
        200,
        json!({"limits": {"rate": [], "absolute": {
            "maxTotalInstances": of("instances"), "maxTotalCores": of("cores"), "maxTotalRAMSize": of("ram"),
            "maxTotalKeypairs": of("key_pairs"), "maxServerMeta": of("metadata_items"),
            "maxServerGroups": of("server_groups"), "maxServerGroupMembers": of("server_group_members"),
            "totalInstancesUsed": instances, "totalCoresUsed": cores, "totalRAMUsed": ram,
            "totalServerGroupsUsed": groups,
        }}}),
    )
}

pub(super) fn quotas(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    let [project, more @ ..] = rest else {
        return Err(Refusal::unserved());
    };
    if call.method == Method::PUT {
        if !call.caller.admin {
            return Err(Refusal::forbidden(
                "Policy doesn't allow os_compute_api:os-quota-sets:update to be performed.",
            ));
        }
        QUOTA.set(world, project, &call.body["quota_set"]);
    }
    let detail = more.first() == Some(&"detail");
    let used = usage(world, project);
    let mut set = json!({});
    for (at, (key, _)) in QUOTA.defaults.iter().enumerate() {
        let limit = QUOTA.limit(world, project, key);
        set[*key] = match detail {
            true => {
                json!({"limit": limit, "in_use": used.get(at).copied().unwrap_or_default(), "reserved": 0})
            }
            false => json!(limit),
        };
    }
    if call.method == Method::GET {
        set["id"] = json!(project);
    }
    Ok(Answer::json(200, json!({"quota_set": set})))
}
