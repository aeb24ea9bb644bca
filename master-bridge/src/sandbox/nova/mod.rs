//! Compute. Servers are in `create.rs` (their birth), `servers.rs` (their life), `actions.rs` (what is
//! asked of them) and `view.rs` (how they are shown); `attach.rs` has what hangs on them, `small.rs` the rest.

mod actions;
mod attach;
mod create;
mod servers;
mod small;
mod view;

use axum::http::Method;
use serde_json::{Value, json};

use super::request::{Answer, Call, Outcome, Refusal};
use super::world::World;

pub(super) use actions::snapshot_taken;
pub(super) use servers::{resume, tick};

/// The newest microversion (2.NEWEST) that clients are told of.
pub(super) const NEWEST: u32 = 100;

/// The flavors of a new sandbox: name, MiB, cores, GiB.
const FLAVORS: &[(&str, i64, i64, i64)] = &[
    ("m1.nano", 128, 1, 1),
    ("m1.small", 512, 1, 2),
    ("m1.medium", 1024, 2, 10),
    ("m1.large", 4096, 4, 40),
];

pub(super) fn seed(world: &mut World) {
    for (at, (name, ram, vcpus, disk)) in FLAVORS.iter().enumerate() {
        let id = (at + 1).to_string();
        let flavor = json!({
            "id": id, "name": name, "ram": ram, "vcpus": vcpus, "disk": disk, "swap": "",
            "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false,
            "os-flavor-access:is_public": true, "rxtx_factor": 1.0,
        });
        world.put("flavor", &id, flavor);
    }
}

pub(super) fn handle(world: &mut World, call: &Call) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let (get, post) = (call.method == Method::GET, call.method == Method::POST);
    match &path[..] {
        [] if get => Ok(Answer::json(200, json!({"versions": [version(call)]}))),
        ["v2.1"] if get => Ok(Answer::json(200, json!({"version": version(call)}))),
        ["v2.1", "servers"] if post => create::create(world, call),
        ["v2.1", "servers"] if get => servers::list(world, call, false),
        ["v2.1", "servers", "detail"] if get => servers::list(world, call, true),
        ["v2.1", "servers", id, rest @ ..] => server(world, call, id, rest),
        ["v2.1", "flavors", rest @ ..] => small::flavors(world, call, rest),
        ["v2.1", "os-keypairs", rest @ ..] => small::keypairs(world, call, rest),
        ["v2.1", "os-server-groups", rest @ ..] => small::groups(world, call, rest),
        ["v2.1", "limits"] if get => Ok(small::limits(world, call)),
        ["v2.1", "os-quota-sets", rest @ ..] => small::quotas(world, call, rest),
        ["v2.1", "os-availability-zone", ..] if get => Ok(Answer::json(
            200,
            json!({"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": true}, "hosts": null}]}),
        )),
        ["v2.1", "extensions"] if get => Ok(Answer::json(200, json!({"extensions": []}))),
        _ => Err(Refusal::unserved()),
    }
}

fn server(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Outcome {
    world
        .seen(&call.caller, "server", id)
        .ok_or_else(|| missing(id))?;
    match (&call.method, rest) {
        (&Method::GET, []) => servers::show(world, call, id),
        (&Method::PUT, []) => servers::update(world, call, id),
        (&Method::DELETE, []) => {
            servers::delete(world, id, call.doom);
            Ok(Answer::empty(204))
        }
        (&Method::POST, ["action"]) => actions::act(world, call, id),
        (_, ["metadata", rest @ ..]) => servers::metadata(world, call, id, rest),
        (_, ["tags", rest @ ..]) => servers::tags(world, call, id, rest),
        (_, ["os-interface", rest @ ..]) => attach::interfaces(world, call, id, rest),
        (_, ["os-volume_attachments", rest @ ..]) => attach::volumes(world, call, id, rest),
        (&Method::GET, ["ips"]) => {
            let addresses = view::addresses(world, id);
            Ok(Answer::json(200, json!({"addresses": addresses})))
        }
        (&Method::GET, ["os-security-groups"]) => {
            let groups: Vec<Value> = view::groups(world, id)
                .into_iter()
                .map(|(id, name)| json!({"id": id, "name": name, "description": "", "rules": [], "tenant_id": call.caller.project}))
                .collect();
            Ok(Answer::json(200, json!({"security_groups": groups})))
        }
        (&Method::GET, ["os-instance-actions", ..]) => {
            let actions = world.one("server", id).map(|s| s["_actions"].clone());
            Ok(Answer::json(200, json!({"instanceActions": actions})))
        }
        _ => Err(Refusal::unserved()),
    }
}

fn version(call: &Call) -> Value {
    json!({
        "id": "v2.1", "status": "CURRENT", "version": format!("2.{NEWEST}"), "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": format!("{}/v2.1/", call.base)}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}],
    })
}

fn missing(id: &str) -> Refusal {
    Refusal::missing(format!("Instance {id} could not be found."))
}
