//! Orchestration: stacks of what the other services have. `template.rs` says what is wanted, `engine.rs` makes it so
//! one thing after the other, `resources.rs` has the types.

mod change;
mod engine;
mod resources;
mod template;

use axum::http::Method;
use serde_json::{Value, json};

use super::listing;
use super::request::{Answer, Call, Outcome, Refusal, list, text};
use super::world::World;
use engine::{GONE, Live, STACK};
use template::Template;

pub(super) use engine::{resume, tick};

pub(super) fn handle(world: &mut World, call: &Call) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (&call.method, &path[..]) {
        (&Method::GET, []) => Ok(Answer::json(
            300,
            json!({"versions": [{"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": format!("{}/v1/", call.base)}]}]}),
        )),
        (_, ["v1", project, ..]) if *project != call.caller.project && !call.caller.admin => {
            Err(Refusal::forbidden("You are not authorized to use stacks."))
        }
        (_, ["v1", _, "stacks", rest @ ..]) => stacks(world, call, rest),
        (&Method::POST, ["v1", _, "validate"]) => {
            let body = template::parse(&call.body["template"])?;
            let parameters = body["parameters"].clone();
            Ok(Answer::json(
                200,
                json!({"Description": body["description"], "Parameters": parameters}),
            ))
        }
        _ => Err(Refusal::unserved()),
    }
}

fn no_stack(word: &str) -> Refusal {
    Refusal::new(
        404,
        "EntityNotFound",
        format!("The Stack ({word}) could not be found."),
    )
}

fn stacks(world: &mut World, call: &Call, rest: &[&str]) -> Outcome {
    match (&call.method, rest) {
        (&Method::GET, []) => {
            let all: Vec<Value> = world
                .all(STACK)
                .rev()
                .filter(|s| text(s, "tenant_id") == call.caller.project)
                .map(|s| brief(call, s))
                .filter(|s| listing::matches(s, &call.query))
                .collect();
            let (stacks, _) = listing::cut(call, all)?;
            Ok(Answer::json(200, json!({"stacks": stacks})))
        }
        (&Method::POST, []) => {
            let name = text(&call.body, "stack_name");
            let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
            if !good {
                return Err(Refusal::new(
                    400,
                    "StackValidationFailed",
                    format!(
                        "Invalid stack name {name} must contain only alphanumeric or \"_-.\" characters, must start with alpha and must be 255 characters or less."
                    ),
                ));
            }
            if named(world, call, name).is_some() {
                let text = format!("The Stack ({name}) already exists.");
                return Err(Refusal::new(409, "StackExists", text));
            }
            let template = template_of(&call.body, &call.body["parameters"])?;
            let id = engine::create(world, &call.caller, &call.body, &template, call.doom);
            let body = json!({"stack": {"id": id, "links": links(call, name, &id)}});
            Ok(Answer::json(201, body))
        }
        (&Method::POST, ["preview"]) => {
            let template = template_of(&call.body, &call.body["parameters"])?;
            let resources: Vec<Value> = template
                .order()?
                .iter()
                .map(|name| json!({"resource_name": name, "resource_type": template.resource(name)["type"],
                    "resource_status": "INIT_COMPLETE", "properties": template.resource(name)["properties"]}))
                .collect();
            let body = json!({"stack": {"stack_name": call.body["stack_name"], "parameters": shown(&template),
                "resources": resources, "description": template.body()["description"]}});
            Ok(Answer::json(200, body))
        }
        (method, [word]) => {
            let found = named(world, call, word).ok_or_else(|| no_stack(word))?;
            if *method == Method::DELETE {
                let id = text(found, "id").to_owned();
                engine::delete(world, &id, call.doom);
                return Ok(Answer::empty(204));
            }
            moved(call, found, "")
        }
        (method, [word, tail])
            if *method == Method::GET
                && ["resources", "events", "outputs", "template"].contains(tail) =>
        {
            let found = named(world, call, word).ok_or_else(|| no_stack(word))?;
            moved(call, found, &format!("/{tail}"))
        }
        (_, [_, id, rest @ ..]) => {
            let seen = world
                .seen(&call.caller, STACK, id)
                .or_else(|| world.seen(&call.caller, GONE, id));
            let stack = seen.cloned().ok_or_else(|| no_stack(id))?;
            one(world, call, &stack, rest)
        }
        _ => Err(Refusal::unserved()),
    }
}

/// Heat sends whoever knows only a name to the stack's whole address.
fn moved(call: &Call, stack: &Value, tail: &str) -> Outcome {
    let (name, id) = (text(stack, "stack_name"), text(stack, "id"));
    let place = format!(
        "{}/v1/{}/stacks/{name}/{id}{tail}",
        call.base, call.caller.project
    );
    let body = json!({"message": "The resource was found at a different location", "code": "302 Found", "title": "Found"});
    Ok(Answer::json(302, body).header("location", place))
}

fn named<'a>(world: &'a World, call: &Call, word: &str) -> Option<&'a Value> {
    let mut all = world
        .all(STACK)
        .filter(|s| text(s, "tenant_id") == call.caller.project);
    all.find(|s| text(s, "stack_name") == word || text(s, "id") == word)
}

fn template_of(body: &Value, parameters: &Value) -> Result<Template, Refusal> {
    if body.get("template").is_none_or(Value::is_null) {
        return Err(Refusal::bad("No template specified"));
    }
    Template::new(
        template::parse(&body["template"])?,
        parameters,
        body["files"].clone(),
    )
}

/// What an update comes to: the template and the values that were given before, where they are to stay.
fn updated(call: &Call, stack: &Value) -> Result<(Template, Value), Refusal> {
    let existing = call.method == Method::PATCH;
    let old = Template::of(&stack["_template"]);
    let mut given = json!({});
    if existing {
        given = stack["_given"].clone();
        for name in list(&call.body, "clear_parameters")
            .iter()
            .filter_map(Value::as_str)
        {
            if let Some(given) = given.as_object_mut() {
                given.shift_remove(name);
            }
        }
    }
    let body = match call.body.get("template").filter(|t| !t.is_null()) {
        Some(template) => template::parse(template)?,
        None if existing => old.body().clone(),
        None => return Err(Refusal::bad("No template specified")),
    };
    for (name, value) in call.body["parameters"].as_object().into_iter().flatten() {
        // Over existing ones Heat forgets what the template does not have.
        if !existing || body["parameters"].get(name).is_some() {
            given[name] = value.clone();
        }
    }
    let files = match call.body.get("files").filter(|f| f.is_object()) {
        Some(files) => files.clone(),
        None => old.note()["files"].clone(),
    };
    Ok((Template::new(body, &given, files)?, given))
}

fn one(world: &mut World, call: &Call, stack: &Value, rest: &[&str]) -> Outcome {
    let id = text(stack, "id");
    let template = Template::of(&stack["_template"]);
    match (&call.method, rest) {
        (&Method::GET, []) => Ok(Answer::json(
            200,
            json!({"stack": detail(world, call, stack)}),
        )),
        (&Method::GET, ["template"]) => Ok(Answer::json(200, template.body().clone())),
        (&Method::GET, ["outputs"]) => {
            let outputs = template.outputs(&template::Nothing);
            let brief = outputs
                .iter()
                .map(|o| json!({"output_key": o["output_key"], "description": o["description"]}));
            Ok(Answer::json(
                200,
                json!({"outputs": brief.collect::<Vec<_>>()}),
            ))
        }
        (&Method::GET, ["outputs", key]) => {
            let outputs = template.outputs(&Live { world, stack });
            let found = outputs.into_iter().find(|o| text(o, "output_key") == *key);
            let output = found.ok_or_else(|| {
                Refusal::new(
                    404,
                    "NotFound",
                    format!("Specified output key {key} not found."),
                )
            })?;
            Ok(Answer::json(200, json!({"output": output})))
        }
        (&Method::GET, ["resources"]) => {
            let all: Vec<Value> = stack["_resources"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| resource(call, stack, name))
                .collect();
            Ok(Answer::json(200, json!({"resources": all})))
        }
        (&Method::GET, ["resources", name]) => {
            if stack["_resources"].get(name).is_none() {
                let why = format!(
                    "The Resource ({name}) could not be found in Stack {}.",
                    text(stack, "stack_name")
                );
                return Err(Refusal::new(404, "EntityNotFound", why));
            }
            let mut shown = resource(call, stack, name);
            shown["attributes"] = json!({});
            shown["description"] = "".into();
            Ok(Answer::json(200, json!({"resource": shown})))
        }
        (&Method::GET, ["events"]) => {
            let mut all: Vec<Value> = list(stack, "_events")
                .iter()
                .map(|event| {
                    let mut event = event.clone();
                    event["links"] = links(call, text(stack, "stack_name"), id);
                    event
                })
                .collect();
            if call.ask("sort_dir") == Some("desc") {
                all.reverse();
            }
            let (events, _) = listing::cut(call, all)?;
            Ok(Answer::json(200, json!({"events": events})))
        }
        (method, []) if *method == Method::PUT || *method == Method::PATCH => {
            idle(stack)?;
            let (template, given) = updated(call, stack)?;
            engine::update(world, id, &given, &template, call.doom);
            // As Heat says it.
            let body = json!({
                "message": "The request is accepted for processing.<br /><br />\n\n\n",
                "code": "202 Accepted", "title": "Accepted",
            });
            Ok(Answer::json(202, body))
        }
        (method, ["preview"]) if *method == Method::PUT || *method == Method::PATCH => {
            idle(stack)?;
            let (template, _) = updated(call, stack)?;
            let mut changes =
                json!({"added": [], "deleted": [], "replaced": [], "unchanged": [], "updated": []});
            for (kind, name) in engine::preview(world, stack, &template) {
                let mut shown = resource(call, stack, &name);
                if kind == "added" {
                    shown["resource_type"] = template.resource(&name)["type"].clone();
                }
                shown["stack_name"] = stack["stack_name"].clone();
                if let Some(shown) = shown.as_object_mut() {
                    shown
                        .retain(|key, _| !["links", "logical_resource_id"].contains(&key.as_str()));
                }
                if let Some(all) = changes[kind].as_array_mut() {
                    all.push(shown);
                }
            }
            Ok(Answer::json(200, json!({"resource_changes": changes})))
        }
        (&Method::DELETE, []) => {
            if world.one(STACK, id).is_some() {
                engine::delete(world, id, call.doom);
            }
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::unserved()),
    }
}

/// Refuses while something is under way.
fn idle(stack: &Value) -> Result<(), Refusal> {
    if text(stack, "status") != "IN_PROGRESS" {
        return Ok(());
    }
    let text = format!(
        "Stack {} already has an action ({}) in progress.",
        text(stack, "stack_name"),
        text(stack, "action")
    );
    Err(Refusal::new(409, "ActionInProgress", text))
}

fn links(call: &Call, name: &str, id: &str) -> Value {
    let href = format!(
        "{}/v1/{}/stacks/{name}/{id}",
        call.base, call.caller.project
    );
    json!([{"href": href, "rel": "self"}])
}

fn state(of: &Value) -> String {
    format!("{}_{}", text(of, "action"), text(of, "status"))
}

fn brief(call: &Call, stack: &Value) -> Value {
    let (name, id) = (text(stack, "stack_name"), text(stack, "id"));
    let template = Template::of(&stack["_template"]);
    json!({
        "id": id, "stack_name": name, "description": template.body()["description"].as_str().unwrap_or_default(),
        "creation_time": stack["creation_time"], "updated_time": stack["updated_time"],
        "deletion_time": stack["deletion_time"], "stack_status": state(stack), "stack_status_reason": stack["reason"],
        "stack_owner": null, "parent": null, "stack_user_project_id": "", "tags": stack["tags"],
        "links": links(call, name, id),
    })
}

/// The parameters as Heat shows them: hidden ones without their value.
fn shown(template: &Template) -> Value {
    let all = template.parameters.iter().map(|(name, value)| {
        let value = if template.is_hidden(name) {
            "******".into()
        } else {
            value.clone()
        };
        (name.clone(), value)
    });
    Value::Object(all.collect())
}

fn detail(world: &World, call: &Call, stack: &Value) -> Value {
    let mut detail = brief(call, stack);
    let template = Template::of(&stack["_template"]);
    let mut parameters = shown(&template);
    for (name, value) in [
        ("OS::stack_id", &stack["id"]),
        ("OS::stack_name", &stack["stack_name"]),
        ("OS::project_id", &stack["tenant_id"]),
    ] {
        parameters[name] = value.clone();
    }
    detail["parameters"] = parameters;
    detail["outputs"] = template.outputs(&Live { world, stack }).into();
    detail["template_description"] = detail["description"].clone();
    for (name, value) in [
        ("capabilities", json!([])),
        ("notification_topics", json!([])),
        ("disable_rollback", stack["disable_rollback"].clone()),
        ("timeout_mins", stack["timeout_mins"].clone()),
    ] {
        detail[name] = value;
    }
    detail
}

fn resource(call: &Call, stack: &Value, name: &str) -> Value {
    let of = &stack["_resources"][name];
    json!({
        "resource_name": name, "logical_resource_id": name, "physical_resource_id": text(of, "physical"),
        "resource_type": of["type"], "resource_status": state(of), "resource_status_reason": of["reason"],
        "creation_time": of["created"], "updated_time": of["updated"], "required_by": [],
        "links": links(call, text(stack, "stack_name"), text(stack, "id")),
    })
}
