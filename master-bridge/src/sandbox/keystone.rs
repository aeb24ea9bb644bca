//! Identity: tokens by password, token or application credential, and the catalog.

use axum::http::Method;
use serde_json::{Value, json};

use super::request::{Answer, Call, Caller, Outcome, Refusal, Service, flag, text};
use super::world::{World, hex, uuid};

/// The one password; the sandbox keeps nobody out.
pub(super) const PASSWORD: &str = "sandbox";
/// The only region.
pub(super) const REGION: &str = "RegionOne";
const LIFE: i64 = 24 * 3600;

/// What the catalog lists: service, types, and the path behind the prefix.
const CATALOG: &[(Service, &str, &str)] = &[
    (Service::Keystone, "identity", "/v3"),
    (Service::Nova, "compute", "/v2.1"),
    (Service::Neutron, "network", ""),
    (Service::Glance, "image", ""),
    (Service::Cinder, "volumev3", "/v3/PROJECT"),
    (Service::Cinder, "block-storage", "/v3/PROJECT"),
    (Service::Heat, "orchestration", "/v1/PROJECT"),
];

/// Makes the users and projects of a new sandbox; gives the id of the project `demo`.
pub(super) fn seed(world: &mut World) -> String {
    let mut demo = String::new();
    for name in ["admin", "demo"] {
        let project = uuid().replace('-', "");
        let user = uuid().replace('-', "");
        world.put(
            "project",
            &project,
            json!({"id": project, "name": name, "domain_id": "default", "enabled": true,
                   "description": "", "is_domain": false, "parent_id": "default", "options": {}, "tags": []}),
        );
        let roles = if name == "admin" {
            json!(["admin", "member", "reader"])
        } else {
            json!(["member", "reader", "heat_stack_owner"])
        };
        world.put(
            "user",
            &user,
            json!({"id": user, "name": name, "domain_id": "default", "enabled": true,
                   "password_expires_at": null, "options": {}, "_project": project, "_roles": roles}),
        );
        demo = project;
    }
    demo
}

/// Who a token belongs to.
pub(super) fn caller(world: &World, token: &str) -> Option<Caller> {
    let kept = world.one("token", token)?;
    if kept["expires"].as_i64()? <= jiff::Timestamp::now().as_second() {
        return None;
    }
    Some(Caller {
        project: text(kept, "project").to_owned(),
        user: text(kept, "user").to_owned(),
        admin: flag(kept, "admin").unwrap_or_default(),
    })
}

/// A user in a project, as a service that acts for them is known to the others.
pub(super) fn as_user(world: &World, user: &str, project: &str) -> Caller {
    let roles = world.one("user", user).map(|u| u["_roles"].clone());
    let admin = roles.as_ref().and_then(Value::as_array);
    Caller {
        project: project.to_owned(),
        user: user.to_owned(),
        admin: admin.is_some_and(|roles| roles.iter().any(|role| role == "admin")),
    }
}

/// No token counts any more.
pub(super) fn expire_all(world: &mut World) {
    let tokens: Vec<String> = world
        .all("token")
        .map(|t| text(t, "id").to_owned())
        .collect();
    for token in tokens {
        world.remove("token", &token);
    }
}

pub(super) fn handle(world: &mut World, call: &Call) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (&call.method, &path[..]) {
        (&Method::GET, []) => Ok(Answer::json(
            300,
            json!({"versions": {"values": [version(call)]}}),
        )),
        (&Method::GET, ["v3"]) => Ok(Answer::json(200, json!({"version": version(call)}))),
        (&Method::POST, ["v3", "auth", "tokens"]) => issue(world, call),
        (&Method::GET | &Method::HEAD, ["v3", "auth", "tokens"]) => {
            let subject = subject(call);
            let kept = world
                .one("token", &subject)
                .ok_or_else(|| Refusal::missing(format!("Could not find token: {subject}.")))?;
            let body = token_body(world, kept, call.ask("nocatalog").is_none());
            Ok(Answer::json(200, body).header("x-subject-token", subject))
        }
        (&Method::DELETE, ["v3", "auth", "tokens"]) => {
            world.remove("token", &subject(call));
            Ok(Answer::empty(204))
        }
        (&Method::GET, ["v3", "auth", "catalog"]) => Ok(Answer::json(
            200,
            json!({"catalog": catalog(world, &call.caller.project), "links": {}}),
        )),
        (&Method::GET, ["v3", "auth", "projects"] | ["v3", "projects"]) => {
            let projects: Vec<Value> = world
                .all("project")
                .filter(|p| call.caller.admin || text(p, "id") == call.caller.project)
                .filter(|p| call.ask("name").is_none_or(|n| text(p, "name") == n))
                .cloned()
                .collect();
            Ok(Answer::json(
                200,
                json!({"projects": projects, "links": {}}),
            ))
        }
        (&Method::GET, ["v3", "projects", id]) => {
            let found = world
                .one("project", id)
                .ok_or_else(|| Refusal::missing(format!("Could not find project: {id}.")))?;
            Ok(Answer::json(200, json!({"project": found})))
        }
        (_, ["v3", "users", user, "application_credentials", rest @ ..]) => {
            credentials(world, call, user, rest)
        }
        _ => Err(Refusal::unserved()),
    }
}

fn version(call: &Call) -> Value {
    json!({
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/v3/", call.base)}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

fn subject(call: &Call) -> String {
    let header = call.headers.get("x-subject-token");
    header
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn unauthorized() -> Refusal {
    let text = "The request you have made requires authentication.";
    Refusal::new(401, "Unauthorized", text)
}

fn issue(world: &mut World, call: &Call) -> Outcome {
    let auth = call.inner("auth")?;
    let identity = &auth["identity"];
    let method = identity["methods"][0].as_str().unwrap_or_default();
    let mut credential = Value::Null;
    let user = match method {
        "password" => {
            let user = &identity["password"]["user"];
            if text(user, "password") != PASSWORD {
                return Err(unauthorized());
            }
            find(world, "user", user)
        }
        "token" => {
            let kept = caller(world, text(&identity["token"], "id"));
            kept.and_then(|c| world.one("user", &c.user).cloned())
        }
        "application_credential" => {
            let asked = &identity["application_credential"];
            let found = world.all("credential").find(|c| {
                text(c, "id") == text(asked, "id")
                    || text(c, "name") == text(asked, "name") && !text(asked, "name").is_empty()
            });
            let found = found.filter(|c| text(c, "_secret") == text(asked, "secret"));
            credential = found.map_or(Value::Null, |c| c["id"].clone());
            found.and_then(|c| world.one("user", text(c, "user_id")).cloned())
        }
        _ => None,
    };
    let user = user.ok_or_else(unauthorized)?;
    let scope = &auth["scope"]["project"];
    let project = if scope.is_object() {
        let found = find(world, "project", scope).ok_or_else(unauthorized)?;
        text(&found, "id").to_owned()
    } else {
        text(&user, "_project").to_owned()
    };
    let admin = user["_roles"]
        .as_array()
        .is_some_and(|r| r.iter().any(|r| r == "admin"));
    if project != text(&user, "_project") && !admin {
        return Err(unauthorized());
    }
    let id = format!("gAAAAA{}", hex(uuid().as_bytes()));
    let now = jiff::Timestamp::now().as_second();
    let kept = json!({
        "id": id, "user": user["id"], "project": project, "admin": admin, "method": method,
        "credential": credential, "issued": now, "expires": now + LIFE,
    });
    let body = token_body(world, &kept, call.ask("nocatalog").is_none());
    world.put("token", &id, kept);
    Ok(Answer::json(201, body).header("x-subject-token", id))
}

/// A user or project by id, or by its name in the default domain.
fn find(world: &World, kind: &str, asked: &Value) -> Option<Value> {
    let (id, name) = (text(asked, "id"), text(asked, "name"));
    world
        .all(kind)
        .find(|d| text(d, "id") == id || !name.is_empty() && text(d, "name") == name)
        .cloned()
}

fn token_body(world: &World, kept: &Value, with_catalog: bool) -> Value {
    let domain = json!({"id": "default", "name": "Default"});
    let empty = Value::Null;
    let user = world.one("user", text(kept, "user")).unwrap_or(&empty);
    let project = world
        .one("project", text(kept, "project"))
        .unwrap_or(&empty);
    let time = |key: &str| {
        let second = kept[key].as_i64().unwrap_or_default();
        let at = jiff::Timestamp::from_second(second).unwrap_or_default();
        at.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
    };
    let roles: Vec<Value> = user["_roles"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|role| json!({"id": hex(role.as_str().unwrap_or_default().as_bytes()), "name": role}))
        .collect();
    let mut token = json!({
        "methods": [kept["method"]], "audit_ids": [text(kept, "id").get(8..30)],
        "issued_at": time("issued"), "expires_at": time("expires"), "is_domain": false,
        "user": {"id": user["id"], "name": user["name"], "domain": domain, "password_expires_at": null},
        "project": {"id": project["id"], "name": project["name"], "domain": domain},
        "roles": roles,
    });
    if kept["credential"].is_string() {
        let id = text(kept, "credential");
        let name = world.one("credential", id).map_or("", |c| text(c, "name"));
        token["application_credential"] = json!({"id": id, "name": name, "restricted": false});
    }
    if with_catalog {
        token["catalog"] = catalog(world, text(kept, "project"));
    }
    json!({"token": token})
}

fn catalog(world: &World, project: &str) -> Value {
    let entries = CATALOG.iter().map(|(service, kind, path)| {
        let path = path.replace("PROJECT", project);
        let url = format!("{}/{}{path}", world.config.url, service.prefix());
        let endpoints: Vec<Value> = ["public", "internal", "admin"]
            .iter()
            .map(|interface| {
                let id = hex(format!("{kind}{interface}").as_bytes());
                json!({"id": id, "interface": interface, "url": url, "region": REGION, "region_id": REGION})
            })
            .collect();
        json!({"id": hex(kind.as_bytes()), "name": service.name(), "type": kind, "endpoints": endpoints})
    });
    entries.collect()
}

fn credentials(world: &mut World, call: &Call, user: &str, rest: &[&str]) -> Outcome {
    let shown = |c: &Value| {
        let mut c = c.clone();
        if let Some(c) = c.as_object_mut() {
            c.shift_remove("_secret");
        }
        c
    };
    if user != call.caller.user && !call.caller.admin {
        return Err(Refusal::forbidden(
            "You are not authorized to perform the requested action.",
        ));
    }
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let all: Vec<Value> = world
                .all("credential")
                .filter(|c| text(c, "user_id") == user)
                .filter(|c| call.ask("name").is_none_or(|n| text(c, "name") == n))
                .map(shown)
                .collect();
            Ok(Answer::json(
                200,
                json!({"application_credentials": all, "links": {}}),
            ))
        }
        (&Method::POST, []) => {
            let asked = call.inner("application_credential")?;
            let id = uuid().replace('-', "");
            let secret = match text(asked, "secret") {
                "" => uuid(),
                given => given.to_owned(),
            };
            let mut made = json!({
                "id": id, "name": asked["name"], "description": asked["description"], "user_id": user,
                "project_id": call.caller.project, "expires_at": asked["expires_at"], "roles": [],
                "unrestricted": flag(asked, "unrestricted").unwrap_or_default(), "_secret": secret,
            });
            world.put("credential", &id, made.clone());
            made = shown(&made);
            made["secret"] = secret.into();
            Ok(Answer::json(201, json!({"application_credential": made})))
        }
        (&Method::DELETE, [id]) => match world.remove("credential", id) {
            Some(_) => Ok(Answer::empty(204)),
            None => Err(Refusal::missing(format!(
                "Could not find Application Credential: {id}."
            ))),
        },
        (&Method::GET, [id]) => match world.one("credential", id) {
            Some(found) => Ok(Answer::json(
                200,
                json!({"application_credential": shown(found)}),
            )),
            None => Err(Refusal::missing(format!(
                "Could not find Application Credential: {id}."
            ))),
        },
        _ => Err(Refusal::unserved()),
    }
}
