//! What an update does to a resource that is there: nothing, a change in place, or another in its place.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::neutron;
use super::super::request::{Caller, Refusal, Service, list, text};
use super::super::world::World;
use super::resources::{ask, found, rules};

/// What an update does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    InPlace,
    Replace,
}

/// What other properties mean for one that is there.
pub(super) fn change(kind: &str, old: &Value, new: &Value) -> Change {
    let keys = |of: &Value| of.as_object().cloned().unwrap_or_default();
    let (before, after) = (keys(old), keys(new));
    let mut changed = before
        .keys()
        .chain(after.keys())
        .filter(|key| before.get(*key) != after.get(*key));
    let in_place: &[&str] = match kind {
        // Heat rebuilds a server for a new image, unless its policy says otherwise.
        "OS::Nova::Server" if text(new, "image_update_policy") != "REPLACE" => {
            &["name", "metadata", "image"]
        }
        "OS::Nova::Server" => &["name", "metadata"],
        "OS::Neutron::SecurityGroup" => &["name", "description", "rules"],
        "OS::Neutron::FloatingIP" => &["port_id"],
        "OS::Heat::Value" => &["value"],
        _ => &["name", "description"],
    };
    let Some(first) = changed.next() else {
        return Change::Nothing;
    };
    match std::iter::once(first)
        .chain(changed)
        .all(|key| in_place.contains(&key.as_str()))
    {
        true => Change::InPlace,
        false => Change::Replace,
    }
}

/// Changes what can be changed in place.
pub(super) fn update(
    world: &mut World,
    caller: &Caller,
    kind: &str,
    id: &str,
    (old, new): (&Value, &Value),
) -> Result<(), Refusal> {
    match kind {
        "OS::Nova::Server" => {
            if old["image"] != new["image"] {
                let image = found(world, caller, "image", text(new, "image"))?;
                let body = json!({"rebuild": {"imageRef": image}});
                ask(
                    world,
                    caller,
                    Service::Nova,
                    (Method::POST, &["v2.1", "servers", id, "action"]),
                    body,
                )?;
            }
            if let Some(metadata) = new.get("metadata") {
                let path = ["v2.1", "servers", id, "metadata"];
                ask(
                    world,
                    caller,
                    Service::Nova,
                    (Method::PUT, &path),
                    json!({"metadata": metadata}),
                )?;
            }
        }
        "OS::Neutron::SecurityGroup" => {
            let theirs: Vec<String> = neutron::rules_of(world, id)
                .filter(|rule| text(rule, "direction") == "ingress")
                .map(|rule| text(rule, "id").to_owned())
                .collect();
            for rule in theirs {
                let path = ["v2.0", "security-group-rules", &rule];
                ask(
                    world,
                    caller,
                    Service::Neutron,
                    (Method::DELETE, &path),
                    Value::Null,
                )?;
            }
            rules(world, caller, id, list(new, "rules"))?;
        }
        "OS::Neutron::FloatingIP" => {
            let body = json!({"floatingip": {"port_id": new["port_id"]}});
            ask(
                world,
                caller,
                Service::Neutron,
                (Method::PUT, &["v2.0", "floatingips", id]),
                body,
            )?;
        }
        _ => {}
    }
    Ok(())
}
