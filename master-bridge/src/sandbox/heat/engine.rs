//! A stack's life: resource by resource, each tick one thing.

use serde_json::{Value, json};

use super::super::request::{Caller, Doom, Refusal, list, text};
use super::super::world::{Later, World, now, uuid};
use super::change::{self, Change};
use super::resources::{self, New};
use super::template::{Resources, Template};

/// The table of stacks that are there; another keeps those that were, as Heat shows them by their id.
pub(super) const STACK: &str = "stack";
pub(super) const GONE: &str = "deleted_stack";

/// The resources of a stack as functions see them.
pub(super) struct Live<'a> {
    pub(super) world: &'a World,
    pub(super) stack: &'a Value,
}

impl Resources for Live<'_> {
    fn id(&self, name: &str) -> Option<Value> {
        let id = text(&self.stack["_resources"][name], "physical");
        (!id.is_empty()).then(|| id.into())
    }

    fn attribute(&self, name: &str, path: &[Value]) -> Option<Value> {
        let found = &self.stack["_resources"][name];
        let id = found["physical"].as_str().filter(|id| !id.is_empty())?;
        resources::attribute(self.world, text(found, "type"), id, &found["props"], path)
    }
}

/// A stack begins; gives its id.
pub(super) fn create(
    world: &mut World,
    caller: &Caller,
    asked: &Value,
    template: &Template,
    doom: Option<Doom>,
) -> String {
    let id = uuid();
    let tags: Option<Vec<&str>> = asked["tags"]
        .as_str()
        .map(|tags| tags.split(',').map(str::trim).collect());
    let stack = json!({
        "id": id, "stack_name": asked["stack_name"], "tenant_id": caller.project, "_user": caller.user,
        "action": "CREATE", "status": "IN_PROGRESS", "reason": "Stack CREATE started",
        "creation_time": now(), "updated_time": null, "deletion_time": null,
        "timeout_mins": asked["timeout_mins"], "disable_rollback": asked.get("disable_rollback").cloned().unwrap_or(true.into()),
        "tags": tags, "_template": template.note(), "_resources": {}, "_events": [], "_work": [],
        "_doom": Doom::note(doom), "_given": asked["parameters"],
    });
    world.put(STACK, &id, stack);
    note(world, &id, None);
    begin(world, &id, template.order().unwrap_or_default());
    id
}

/// Another template, or other values.
pub(super) fn update(
    world: &mut World,
    id: &str,
    given: &Value,
    template: &Template,
    doom: Option<Doom>,
) {
    world.set(STACK, id, "_template", template.note());
    world.set(STACK, id, "_given", given.clone());
    world.set(STACK, id, "_doom", Doom::note(doom));
    world.set(STACK, id, "updated_time", now());
    turn(world, id, ("UPDATE", "IN_PROGRESS", "Stack UPDATE started"));
    begin(world, id, template.order().unwrap_or_default());
}

/// All of it goes.
pub(super) fn delete(world: &mut World, id: &str, doom: Option<Doom>) {
    world.set(STACK, id, "_doom", Doom::note(doom));
    turn(world, id, ("DELETE", "IN_PROGRESS", "Stack DELETE started"));
    begin(world, id, Vec::new());
}

fn begin(world: &mut World, id: &str, wanted: Vec<String>) {
    let stack = world.one(STACK, id).cloned().unwrap_or_default();
    let mut work: Vec<Value> = wanted
        .iter()
        .map(|name| json!({"do": "have", "name": name}))
        .collect();
    // What was made last goes first.
    let there = stack["_resources"].as_object().into_iter().flatten().rev();
    for (name, _) in there.filter(|(name, _)| !wanted.contains(name)) {
        work.push(json!({"do": "lose", "name": name}));
    }
    world.set(STACK, id, "_work", work);
    world.later(1, Later::Stack(id.to_owned()));
}

fn turn(world: &mut World, id: &str, (action, status, reason): (&str, &str, &str)) {
    world.set(STACK, id, "action", action);
    world.set(STACK, id, "status", status);
    world.set(STACK, id, "reason", reason);
    note(world, id, None);
}

/// Notes an event: of a resource, or of the stack itself.
fn note(world: &mut World, id: &str, resource: Option<&str>) {
    let Some(stack) = world.change(STACK, id) else {
        return;
    };
    let (of, name, physical) = match resource {
        Some(name) => (
            stack["_resources"][name].clone(),
            name.to_owned(),
            stack["_resources"][name]["physical"].clone(),
        ),
        None => (
            stack.clone(),
            text(stack, "stack_name").to_owned(),
            stack["id"].clone(),
        ),
    };
    let event = json!({
        "id": uuid(), "event_time": now(), "resource_name": name, "logical_resource_id": name,
        "physical_resource_id": physical, "resource_status": format!("{}_{}", text(&of, "action"), text(&of, "status")),
        "resource_status_reason": of["reason"],
    });
    if let Some(events) = stack["_events"].as_array_mut() {
        events.push(event);
    }
}

fn mark(world: &mut World, id: &str, name: &str, (action, status, reason): (&str, &str, &str)) {
    if let Some(stack) = world.change(STACK, id) {
        let resource = &mut stack["_resources"][name];
        resource["action"] = action.into();
        resource["status"] = status.into();
        resource["reason"] = reason.into();
        resource["updated"] = now().into();
    }
    note(world, id, Some(name));
}

fn fail(world: &mut World, id: &str, name: &str, action: &str, why: &str) {
    mark(world, id, name, (action, "FAILED", why));
    let stack = world.one(STACK, id).cloned().unwrap_or_default();
    let reason = format!(
        "Resource {action} failed: {}",
        why.replace(
            "ResourceInError: ",
            &format!("ResourceInError: resources.{name}: ")
        )
    );
    world.set(STACK, id, "_work", json!([]));
    let action = text(&stack, "action").to_owned();
    turn(world, id, (&action, "FAILED", &reason));
}

/// Puts on their way again what was on its way when the sandbox ended.
pub(in super::super) fn resume(world: &mut World) {
    let busy: Vec<String> = world
        .all(STACK)
        .filter(|s| text(s, "status") == "IN_PROGRESS")
        .map(|s| text(s, "id").to_owned())
        .collect();
    for id in busy {
        world.later(1, Later::Stack(id));
    }
}

/// One thing more.
pub(in super::super) fn tick(world: &mut World, id: &str) {
    let Some(stack) = world.one(STACK, id).cloned() else {
        return;
    };
    if text(&stack, "status") != "IN_PROGRESS" || text(&stack, "_doom") == "stuck" {
        return;
    }
    let Some(work) = list(&stack, "_work").first().cloned() else {
        end(world, id, &stack);
        return;
    };
    let name = text(&work, "name");
    let over = match text(&work, "do") {
        "have" => have(world, id, &stack, name),
        _ => lose(world, id, &stack, name),
    };
    if over && let Some(stack) = world.change(STACK, id) {
        let rest = list(stack, "_work").get(1..).unwrap_or_default().to_vec();
        stack["_work"] = rest.into();
    }
    world.later(1, Later::Stack(id.to_owned()));
}

fn end(world: &mut World, id: &str, stack: &Value) {
    let action = text(stack, "action").to_owned();
    let reason = format!("Stack {action} completed successfully");
    turn(world, id, (&action, "COMPLETE", &reason));
    if action == "DELETE"
        && let Some(mut gone) = world.remove(STACK, id)
    {
        gone["deletion_time"] = now().into();
        world.put(GONE, id, gone);
    }
}

/// One step towards a resource that is as it should be; whether that is over.
fn have(world: &mut World, id: &str, stack: &Value, name: &str) -> bool {
    let template = Template::of(&stack["_template"]);
    let declared = template.resource(name);
    let kind = text(declared, "type");
    let there = &stack["_resources"][name];
    let physical = text(there, "physical");
    if text(there, "status") == "IN_PROGRESS" {
        let action = text(there, "action").to_owned();
        if action == "DELETE" {
            // The one before it makes room.
            if resources::delete(world, &resources::owner(world, stack), kind, physical) {
                forget(world, id, name);
            }
            return false;
        }
        return match resources::ready(world, kind, physical) {
            Ok(true) => {
                mark(world, id, name, (&action, "COMPLETE", "state changed"));
                true
            }
            Ok(false) => false,
            Err(why) => {
                fail(world, id, name, &action, &why);
                false
            }
        };
    }
    let nothing = json!({});
    let properties = declared.get("properties").unwrap_or(&nothing);
    let Some(properties) = template.resolve(properties, &Live { world, stack }) else {
        fail(
            world,
            id,
            name,
            "CREATE",
            "a value that it refers to is not there",
        );
        return false;
    };
    let caller = resources::owner(world, stack);
    if physical.is_empty() || text(there, "status") == "FAILED" {
        if !physical.is_empty() {
            mark(world, id, name, ("DELETE", "IN_PROGRESS", "state changed"));
            return false;
        }
        make(world, id, &caller, (stack, name, kind), &properties);
        return false;
    }
    match change::change(kind, &there["props"], &properties) {
        Change::Nothing => true,
        Change::InPlace => {
            let done = change::update(
                world,
                &caller,
                kind,
                physical,
                (&there["props"], &properties),
            );
            if let Some(stack) = world.change(STACK, id) {
                stack["_resources"][name]["props"] = properties;
            }
            match done {
                Ok(()) => mark(world, id, name, ("UPDATE", "IN_PROGRESS", "state changed")),
                Err(refusal) => fail(world, id, name, "UPDATE", &refusal.message),
            }
            false
        }
        Change::Replace => {
            mark(world, id, name, ("DELETE", "IN_PROGRESS", "state changed"));
            false
        }
    }
}

fn make(
    world: &mut World,
    id: &str,
    caller: &Caller,
    (stack, name, kind): (&Value, &str, &str),
    properties: &Value,
) {
    let doomed = text(stack, "_doom") == "error";
    let made = match doomed {
        true => Err(Refusal::bad("a fault of the sandbox")),
        false => resources::create(
            world,
            caller,
            &New {
                stack: text(stack, "stack_name"),
                name,
                kind,
                properties,
            },
        ),
    };
    if let (Ok(physical), true) = (&made, kind.ends_with("Config")) {
        let body = properties
            .get("config")
            .or_else(|| properties.get("cloud_config"))
            .cloned()
            .unwrap_or_default();
        let text = match body {
            Value::String(text) => text,
            other => format!("#cloud-config\n{other}"),
        };
        world.put(
            "heat_config",
            physical,
            json!({"id": physical, "text": text}),
        );
    }
    let at = now();
    if let Some(stack) = world.change(STACK, id) {
        stack["_resources"][name] = json!({
            "physical": made.as_ref().map_or("", String::as_str), "type": kind, "props": properties,
            "created": at, "updated": at,
        });
    }
    match made {
        Ok(_) => mark(world, id, name, ("CREATE", "IN_PROGRESS", "state changed")),
        Err(refusal) => fail(world, id, name, "CREATE", &refusal.message),
    }
}

fn forget(world: &mut World, id: &str, name: &str) {
    let stack = world.change(STACK, id);
    if let Some(all) = stack.and_then(|stack| stack["_resources"].as_object_mut()) {
        all.shift_remove(name);
    }
}

/// One step towards a resource that is gone.
fn lose(world: &mut World, id: &str, stack: &Value, name: &str) -> bool {
    let there = &stack["_resources"][name];
    let (kind, physical) = (text(there, "type"), text(there, "physical"));
    let begun = text(there, "action") == "DELETE" && text(there, "status") == "IN_PROGRESS";
    if !begun {
        if text(stack, "_doom") == "error" {
            fail(world, id, name, "DELETE", "a fault of the sandbox");
            return false;
        }
        mark(world, id, name, ("DELETE", "IN_PROGRESS", "state changed"));
    }
    if !physical.is_empty()
        && !resources::delete(world, &resources::owner(world, stack), kind, physical)
    {
        return false;
    }
    mark(world, id, name, ("DELETE", "COMPLETE", "state changed"));
    forget(world, id, name);
    true
}

/// What an update would do.
pub(super) fn preview(
    world: &World,
    stack: &Value,
    template: &Template,
) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let order = template.order().unwrap_or_default();
    // What is replaced has another id, which whatever refers to it will see.
    let mut other: Vec<String> = Vec::new();
    for name in &order {
        let declared = template.resource(name);
        let there = &stack["_resources"][name.as_str()];
        if text(there, "physical").is_empty() {
            other.push(name.clone());
            all.push(("added", name.clone()));
            continue;
        }
        let nothing = json!({});
        let properties = declared.get("properties").unwrap_or(&nothing);
        let resolved = template
            .resolve(properties, &Live { world, stack })
            .unwrap_or_default();
        let refers = super::template::needs(declared)
            .iter()
            .any(|of| other.contains(of));
        let change = match change::change(text(declared, "type"), &there["props"], &resolved) {
            Change::Nothing if refers => Change::InPlace,
            change => change,
        };
        all.push((
            match change {
                Change::Nothing => "unchanged",
                Change::InPlace => "updated",
                Change::Replace => {
                    other.push(name.clone());
                    "replaced"
                }
            },
            name.clone(),
        ));
    }
    let there = stack["_resources"].as_object().into_iter().flatten();
    all.extend(
        there
            .filter(|(name, _)| !order.contains(name))
            .map(|(name, _)| ("deleted", name.clone())),
    );
    all
}
