//! Security groups and their rules.

use serde_json::{Value, json};

use super::super::request::{Call, Caller, Refusal, list, number, text};
use super::super::world::{Effect, World, now, uuid};
use super::networks::merge;
use super::{begin, copy, invalid, missing_named};

/// The rules of a group.
pub(in super::super) fn rules_of<'a>(
    world: &'a World,
    group: &'a str,
) -> impl Iterator<Item = &'a Value> {
    world
        .all("security_group_rule")
        .filter(move |r| text(r, "security_group_id") == group)
}

/// The id of the project's group `default`, which is made when it is first looked for.
pub(in super::super) fn default_group(world: &mut World, project: &str) -> String {
    let found = world
        .all("security_group")
        .find(|g| text(g, "tenant_id") == project && text(g, "name") == "default");
    if let Some(found) = found {
        return text(found, "id").to_owned();
    }
    let at = now();
    let id = uuid();
    let group = json!({
        "id": id, "name": "default", "tenant_id": project, "project_id": project, "stateful": true,
        "description": "Default security group", "created_at": at, "updated_at": at,
        "revision_number": 1, "tags": [], "shared": false,
    });
    world.put("security_group", &id, group);
    egress(world, project, &id);
    for ethertype in ["IPv4", "IPv6"] {
        let rule = rule(
            project,
            &id,
            "ingress",
            ethertype,
            &json!({"remote_group_id": id}),
        );
        world.put("security_group_rule", text(&rule, "id"), rule.clone());
    }
    id
}

fn egress(world: &mut World, project: &str, group: &str) {
    for ethertype in ["IPv4", "IPv6"] {
        let rule = rule(project, group, "egress", ethertype, &Value::Null);
        world.put("security_group_rule", text(&rule, "id"), rule.clone());
    }
}

fn rule(project: &str, group: &str, direction: &str, ethertype: &str, asked: &Value) -> Value {
    let at = now();
    let field = |key: &str| asked.get(key).cloned().unwrap_or_default();
    json!({
        "id": uuid(), "tenant_id": project, "project_id": project, "security_group_id": group,
        "direction": direction, "ethertype": ethertype, "protocol": field("protocol"),
        "port_range_min": number(asked, "port_range_min"), "port_range_max": number(asked, "port_range_max"),
        "remote_ip_prefix": field("remote_ip_prefix"), "remote_group_id": field("remote_group_id"),
        "remote_address_group_id": null, "normalized_cidr": field("remote_ip_prefix"),
        "description": text(asked, "description"), "created_at": at, "updated_at": at, "revision_number": 0,
    })
}

pub(super) fn create(world: &mut World, call: &Call, asked: &Value) -> Result<Value, Refusal> {
    if text(asked, "name") == "default" {
        default_group(world, &call.caller.project);
        let text = "Default security group already exists.";
        return Err(Refusal::new(409, "SecurityGroupDefaultAlreadyExists", text));
    }
    let mut group = begin(call, asked);
    merge(&mut group, json!({"stateful": true, "shared": false}));
    let id = text(&group, "id").to_owned();
    world.put("security_group", &id, group.clone());
    egress(world, text(&group, "tenant_id"), &id);
    Ok(group)
}

pub(super) fn update(world: &mut World, _: &Call, id: &str, asked: &Value) -> Result<(), Refusal> {
    copy(
        world,
        "security_group",
        id,
        asked,
        &["name", "description", "stateful"],
    )
}

pub(super) fn delete(world: &mut World, call: &Call, id: &str) -> Result<(), Refusal> {
    let group = world.one("security_group", id).cloned().unwrap_or_default();
    if text(&group, "name") == "default" && !call.caller.admin {
        let text = "Removing default security group not allowed.";
        return Err(Refusal::new(409, "SecurityGroupCannotRemoveDefault", text));
    }
    let used = world
        .all("port")
        .any(|p| list(p, "security_groups").iter().any(|g| g == id));
    if used {
        let text = format!("Security Group {id} in use.");
        return Err(Refusal::new(409, "SecurityGroupInUse", text));
    }
    let rules: Vec<String> = world
        .all("security_group_rule")
        .filter(|r| text(r, "security_group_id") == id || text(r, "remote_group_id") == id)
        .map(|r| text(r, "id").to_owned())
        .collect();
    for rule in rules {
        world.remove("security_group_rule", &rule);
    }
    world.remove("security_group", id);
    Ok(())
}

pub(super) fn create_rule(world: &mut World, call: &Call, asked: &Value) -> Result<Value, Refusal> {
    let group = text(asked, "security_group_id");
    let seen = |caller: &Caller, id: &str| world.seen(caller, "security_group", id).is_some();
    let remote = text(asked, "remote_group_id");
    for id in [group, remote]
        .into_iter()
        .filter(|id| *id == group || !id.is_empty())
    {
        if !seen(&call.caller, id) {
            return Err(missing_named("Security group", id));
        }
    }
    let (from, to) = (
        number(asked, "port_range_min"),
        number(asked, "port_range_max"),
    );
    if let (Some(from), Some(to)) = (from, to)
        && from > to
        && text(asked, "protocol") != "icmp"
    {
        let text = "For TCP/UDP protocols, port_range_min must be <= port_range_max";
        return Err(Refusal::new(400, "SecurityGroupInvalidPortRange", text));
    }
    if !remote.is_empty() && !text(asked, "remote_ip_prefix").is_empty() {
        let text = "Only remote_ip_prefix or remote_group_id may be provided.";
        return Err(Refusal::new(
            400,
            "SecurityGroupRemoteGroupAndRemoteIpPrefix",
            text,
        ));
    }
    let ethertype = match text(asked, "ethertype") {
        "" => "IPv4",
        given => given,
    };
    let direction = text(asked, "direction");
    if !["ingress", "egress"].contains(&direction) {
        return Err(invalid(format!(
            "'{direction}' is not in ['ingress', 'egress']"
        )));
    }
    let project = call.caller.project.as_str();
    let made = rule(project, group, direction, ethertype, asked);
    let same = [
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
    ];
    let twin = rules_of(world, group).find(|r| same.iter().all(|key| r[key] == made[key]));
    if let Some(twin) = twin {
        let text = format!(
            "Security group rule already exists. Rule id is {}.",
            text(twin, "id")
        );
        return Err(Refusal::new(409, "SecurityGroupRuleExists", text));
    }
    world.put("security_group_rule", text(&made, "id"), made.clone());
    world.effect(Effect::Forwards);
    Ok(made)
}

pub(super) fn delete_rule(world: &mut World, _: &Call, id: &str) -> Result<(), Refusal> {
    world.remove("security_group_rule", id);
    world.effect(Effect::Forwards);
    Ok(())
}
