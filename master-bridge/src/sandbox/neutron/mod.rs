//! Networks: a collection is a row in [`COLLECTIONS`]; what is special about one is in its own file.

mod address;
mod floating;
mod groups;
mod networks;
pub(super) mod ports;
mod routers;

use axum::http::Method;
use serde_json::{Value, json};

use super::listing;
use super::quota::Quota;
use super::request::{Answer, Call, Outcome, Refusal, text};
use super::world::{World, now, uuid};

pub(super) use floating::{forwards, local};
pub(super) use groups::{default_group, rules_of};

/// A collection: its path, its documents' key, and how refusals call it.
struct Collection {
    path: &'static str,
    kind: &'static str,
    name: &'static str,
    create: fn(&mut World, &Call, &Value) -> Result<Value, Refusal>,
    update: fn(&mut World, &Call, &str, &Value) -> Result<(), Refusal>,
    delete: fn(&mut World, &Call, &str) -> Result<(), Refusal>,
}

const COLLECTIONS: &[Collection] = &[
    Collection {
        path: "networks",
        kind: "network",
        name: "Network",
        create: networks::create_network,
        update: networks::update_network,
        delete: networks::delete_network,
    },
    Collection {
        path: "subnets",
        kind: "subnet",
        name: "Subnet",
        create: networks::create_subnet,
        update: networks::update_subnet,
        delete: networks::delete_subnet,
    },
    Collection {
        path: "ports",
        kind: "port",
        name: "Port",
        create: ports::create,
        update: ports::update,
        delete: ports::delete,
    },
    Collection {
        path: "routers",
        kind: "router",
        name: "Router",
        create: routers::create,
        update: routers::update,
        delete: routers::delete,
    },
    Collection {
        path: "floatingips",
        kind: "floatingip",
        name: "Floating IP",
        create: floating::create,
        update: floating::update,
        delete: floating::delete,
    },
    Collection {
        path: "security-groups",
        kind: "security_group",
        name: "Security group",
        create: groups::create,
        update: groups::update,
        delete: groups::delete,
    },
    Collection {
        path: "security-group-rules",
        kind: "security_group_rule",
        name: "Security group rule",
        create: groups::create_rule,
        update: |_, _, _, _| Err(Refusal::unserved()),
        delete: groups::delete_rule,
    },
];

/// How many of each a project may have, unless told otherwise.
const QUOTA: Quota = Quota {
    table: "quota",
    defaults: &[
        ("network", 100),
        ("subnet", 100),
        ("port", 500),
        ("router", 10),
        ("floatingip", 50),
        ("security_group", 100),
        ("security_group_rule", 1000),
    ],
};

/// The network, subnets and router that a new sandbox has, as many clouds have them.
pub(super) fn seed(world: &mut World, demo: &str) -> Result<(), Refusal> {
    networks::seed(world, demo)
}

pub(super) fn handle(world: &mut World, call: &Call) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (&call.method, &path[..]) {
        (&Method::GET, []) => Ok(Answer::json(
            200,
            json!({"versions": [{"id": "v2.0", "status": "CURRENT",
                   "links": [{"rel": "self", "href": format!("{}/v2.0/", call.base)}]}]}),
        )),
        (&Method::GET, ["v2.0"]) => Ok(Answer::json(200, json!({"resources": []}))),
        (&Method::GET, ["v2.0", "extensions"]) => {
            let known = [
                "router",
                "security-group",
                "quotas",
                "external-net",
                "allowed-address-pairs",
                "port-security",
                "standard-attr-tag",
            ];
            let all: Vec<Value> = known
                .iter()
                .map(|alias| json!({"alias": alias, "name": alias, "description": "", "links": [], "updated": "2013-01-01T00:00:00-00:00"}))
                .collect();
            Ok(Answer::json(200, json!({"extensions": all})))
        }
        (_, ["v2.0", "quotas", rest @ ..]) => quotas(world, call, rest),
        (
            method,
            [
                "v2.0",
                "routers",
                id,
                verb @ ("add_router_interface" | "remove_router_interface"),
            ],
        ) if *method == Method::PUT => {
            routers::interface(world, call, id, *verb == "add_router_interface")
        }
        (_, ["v2.0", things, rest @ ..]) => {
            let collection = COLLECTIONS.iter().find(|c| c.path == *things);
            collected(world, call, collection.ok_or_else(Refusal::unserved)?, rest)
        }
        _ => Err(Refusal::unserved()),
    }
}

fn collected(world: &mut World, call: &Call, of: &Collection, rest: &[&str]) -> Outcome {
    let kind = of.kind;
    match (&call.method, rest) {
        (&Method::GET, []) => {
            if kind == "security_group" {
                // As Neutron does it: whoever looks has one.
                default_group(world, &call.caller.project);
            }
            let found: Vec<Value> = world
                .all(kind)
                .filter(|d| World::may_see(&call.caller, d))
                .filter(|d| listing::matches(d, &call.query))
                .map(|d| view(world, kind, d))
                .map(|d| fields(d, &call.query))
                .collect();
            let name = of.path.replace('-', "_");
            let path = format!("v2.0/{}", of.path);
            Ok(Answer::json(200, listing::page(call, &name, found, &path)?))
        }
        (&Method::POST, []) => {
            let asked = call
                .body
                .get(kind)
                .filter(|v| v.is_object())
                .ok_or_else(|| invalid(format!("Unable to find '{kind}' in request body")))?;
            within_quota(world, &call.caller.project, kind)?;
            let made = (of.create)(world, call, asked)?;
            let shown = view(world, kind, &made);
            Ok(Answer::json(201, json!({kind: shown})))
        }
        (_, [id, ..]) => {
            let seen = world
                .seen(&call.caller, kind, id)
                .ok_or_else(|| missing(of, id))?;
            match (&call.method, rest.get(1..).unwrap_or_default()) {
                (&Method::GET, []) => {
                    let shown = fields(view(world, kind, seen), &call.query);
                    Ok(Answer::json(200, json!({kind: shown})))
                }
                (&Method::PUT, []) => {
                    let asked = call
                        .body
                        .get(kind)
                        .filter(|v| v.is_object())
                        .ok_or_else(|| {
                            invalid(format!("Unable to find '{kind}' in request body"))
                        })?;
                    own(call, seen)?;
                    (of.update)(world, call, id, asked)?;
                    world.set(kind, id, "updated_at", now());
                    let revision = world
                        .one(kind, id)
                        .and_then(|d| d["revision_number"].as_i64());
                    world.set(
                        kind,
                        id,
                        "revision_number",
                        revision.unwrap_or_default() + 1,
                    );
                    let shown = world.one(kind, id).map(|d| view(world, kind, d));
                    Ok(Answer::json(200, json!({kind: shown})))
                }
                (&Method::DELETE, []) => {
                    own(call, seen)?;
                    (of.delete)(world, call, id)?;
                    Ok(Answer::empty(204))
                }
                (method, ["tags", ..]) => tags(world, call, method.clone(), kind, id, &rest[2..]),
                _ => Err(Refusal::unserved()),
            }
        }
        _ => Err(Refusal::unserved()),
    }
}

fn own(call: &Call, document: &Value) -> Result<(), Refusal> {
    if call.caller.admin || text(document, "tenant_id") == call.caller.project {
        return Ok(());
    }
    Err(Refusal::new(
        403,
        "PolicyNotAuthorized",
        "This request is disallowed by policy.",
    ))
}

fn tags(
    world: &mut World,
    call: &Call,
    method: Method,
    kind: &str,
    id: &str,
    rest: &[&str],
) -> Outcome {
    let mut tags: Vec<Value> = world
        .one(kind, id)
        .map(|d| super::request::list(d, "tags").to_vec())
        .unwrap_or_default();
    match (method, rest) {
        (Method::GET, []) => return Ok(Answer::json(200, json!({"tags": tags}))),
        (Method::PUT, []) => tags = super::request::list(&call.body, "tags").to_vec(),
        (Method::DELETE, []) => tags.clear(),
        (Method::PUT, [tag]) => {
            if tags.iter().all(|t| t != tag) {
                tags.push(json!(tag));
            }
        }
        (Method::DELETE, [tag]) => tags.retain(|t| t != tag),
        _ => return Err(Refusal::unserved()),
    }
    world.set(kind, id, "tags", tags.clone());
    if call.method == Method::PUT && rest.is_empty() {
        return Ok(Answer::json(200, json!({"tags": tags})));
    }
    Ok(Answer::empty(if call.method == Method::DELETE {
        204
    } else {
        201
    }))
}

/// A document as it is shown, with what others say about it.
fn view(world: &World, kind: &str, document: &Value) -> Value {
    let mut shown = listing::shown(document);
    match kind {
        "security_group" => {
            shown["security_group_rules"] = rules_of(world, text(document, "id")).cloned().collect()
        }
        "network" => {
            let id = text(document, "id");
            shown["subnets"] = world
                .all("subnet")
                .filter(|s| text(s, "network_id") == id)
                .map(|s| s["id"].clone())
                .collect();
        }
        _ => {}
    }
    shown
}

/// Only the attributes that are asked for.
fn fields(mut document: Value, query: &[(String, String)]) -> Value {
    let wanted: Vec<&str> = query
        .iter()
        .filter(|(k, _)| k == "fields")
        .map(|(_, v)| v.as_str())
        .collect();
    if let (false, Some(map)) = (wanted.is_empty(), document.as_object_mut()) {
        map.retain(|key, _| wanted.contains(&key.as_str()));
    }
    document
}

fn quotas(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    let Some(project) = rest.first() else {
        return Ok(Answer::json(200, json!({"quotas": []})));
    };
    if *project != call.caller.project && !call.caller.admin {
        return Err(missing_named("Quota", project));
    }
    if call.method == Method::PUT {
        if !call.caller.admin {
            return Err(Refusal::new(
                403,
                "PolicyNotAuthorized",
                "This request is disallowed by policy.",
            ));
        }
        QUOTA.set(world, project, &call.body["quota"]);
    }
    let details = rest.get(1).is_some_and(|r| r.starts_with("details"));
    let quota: serde_json::Map<String, Value> = QUOTA
        .defaults
        .iter()
        .map(|(kind, _)| {
            let limit = QUOTA.limit(world, project, kind);
            let value = if details {
                json!({"limit": limit, "used": used(world, project, kind), "reserved": 0})
            } else {
                json!(limit)
            };
            ((*kind).to_owned(), value)
        })
        .collect();
    Ok(Answer::json(200, json!({"quota": quota})))
}

fn used(world: &World, project: &str, kind: &str) -> i64 {
    let used = world
        .all(kind)
        .filter(|d| text(d, "tenant_id") == project)
        .count();
    i64::try_from(used).unwrap_or(i64::MAX)
}

fn within_quota(world: &World, project: &str, kind: &str) -> Result<(), Refusal> {
    let limit = QUOTA.limit(world, project, kind);
    if limit >= 0 && used(world, project, kind) >= limit {
        return Err(Refusal::new(
            409,
            "OverQuota",
            format!("Quota exceeded for resources: ['{kind}']."),
        ));
    }
    Ok(())
}

/// What every document begins with.
fn begin(call: &Call, asked: &Value) -> Value {
    let project = match text(asked, "tenant_id") {
        "" => call.caller.project.clone(),
        given if call.caller.admin => given.to_owned(),
        _ => call.caller.project.clone(),
    };
    let at = now();
    json!({
        "id": uuid(), "name": text(asked, "name"), "tenant_id": project, "project_id": project,
        "description": text(asked, "description"), "created_at": at, "updated_at": at,
        "revision_number": 1, "tags": [],
    })
}

/// Copies the attributes that may be changed.
fn copy(
    world: &mut World,
    kind: &str,
    id: &str,
    asked: &Value,
    allowed: &[&str],
) -> Result<(), Refusal> {
    for (key, value) in asked.as_object().into_iter().flatten() {
        if !allowed.contains(&key.as_str()) {
            return Err(invalid(format!("Cannot update read-only attribute {key}")));
        }
        world.set(kind, id, key, value.clone());
    }
    Ok(())
}

fn missing(of: &Collection, id: &str) -> Refusal {
    missing_named(of.name, id)
}

fn missing_named(name: &str, id: &str) -> Refusal {
    let kind: String = name
        .split(' ')
        .flat_map(|w| {
            w[..1]
                .to_uppercase()
                .chars()
                .chain(w[1..].chars())
                .collect::<Vec<_>>()
        })
        .collect();
    let text = match name {
        "Security group" => format!("Security group {id} does not exist"),
        "Security group rule" => format!("Security group rule {id} does not exist"),
        _ => format!("{name} {id} could not be found."),
    };
    Refusal::new(404, &format!("{kind}NotFound"), text)
}

fn invalid(message: impl Into<String>) -> Refusal {
    let message = message.into();
    Refusal::new(
        400,
        "InvalidInput",
        format!("Invalid input for operation: {message}."),
    )
}
