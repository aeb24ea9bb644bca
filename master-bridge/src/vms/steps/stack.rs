//! Stacks: made, changed, removed, each waited for with its events; looked at first, so that twice is once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::World;
use super::tell;
use crate::cloud::stack::{HIDDEN, Input, Stack};
use crate::error::{Error, Kind, Result};
use crate::plan::stack::{StackRef, StackWork};

/// Heat's own limit for one action: what it takes longer for, it gives up.
const MINUTES: u64 = 60;

fn mark(world: &World<'_>, key: &str) -> String {
    world.mark(key).replace('/', ".")
}

async fn named(world: &World<'_>, name: &str) -> Result<Option<Stack>> {
    let all = world.cloud.stacks().await?;
    let Some(found) = all.into_iter().find(|s| s.stack_name == name) else {
        return Ok(None);
    };
    Ok(world.cloud.stack(&found).await?)
}

async fn there(world: &World<'_>, stack: &StackRef) -> Result<Stack> {
    let all = world.cloud.stacks().await?;
    let found = all.into_iter().find(|s| s.id == stack.id);
    let whole = match &found {
        Some(found) => world.cloud.stack(found).await?,
        None => None,
    };
    whole.ok_or_else(|| {
        Error::new(
            Kind::NothingMatched,
            format!("stack {} ({}) is gone", stack.name, stack.id),
        )
        .hint("somebody else removed it; `ops rollback` undoes the rest")
    })
}

pub(super) async fn apply(
    world: &mut World<'_>,
    key: &str,
    work: &StackWork,
    within: Duration,
) -> Result<Value> {
    match work {
        StackWork::Create { name, input, .. } => create(world, key, name, input, within).await,
        StackWork::Set { stack, input, .. } => set(world, key, stack, input, within).await,
        StackWork::Delete { stack } => {
            delete(world, key, stack, within).await?;
            Ok(Value::Null)
        }
        StackWork::Server { stack, word } => server(world, stack, word).await,
    }
}

/// Values with what earlier steps made.
fn filled(world: &World<'_>, input: &Input) -> Result<Input> {
    let mut input = input.clone();
    for value in input.parameters.values_mut() {
        let step = value.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        if let Some(step) = step.filter(|key| world.plan.steps.iter().any(|s| s.key == **key)) {
            *value = world.made(step, "id")?;
        }
    }
    Ok(input)
}

fn shown(stack: &Stack) -> Value {
    let outputs = stack
        .outputs
        .iter()
        .map(|o| (o.output_key.clone(), o.output_value.clone()));
    json!({"id": stack.id, "status": stack.stack_status, "outputs": outputs.collect::<BTreeMap<_, _>>()})
}

async fn create(
    world: &mut World<'_>,
    key: &str,
    name: &str,
    input: &Input,
    within: Duration,
) -> Result<Value> {
    let mark = mark(world, key);
    let input = filled(world, input)?;
    let stack = match named(world, name).await? {
        Some(stack) if is_ours(&stack, &mark) => stack,
        Some(stack) => {
            let text = format!("there is a stack {name} already: {}", stack.id);
            return Err(Error::new(Kind::Refused, text)
                .hint("`stack set` changes it; or choose another name"));
        }
        None => {
            let made = world.cloud.create_stack(name, &input, &mark, MINUTES).await;
            match (made, named(world, name).await?) {
                // With a lost answer it may have been made all the same.
                (_, Some(stack)) if is_ours(&stack, &mark) => stack,
                (Err(error), _) => return Err(error),
                (Ok(_), _) => {
                    return Err(Error::new(
                        Kind::Failed,
                        format!("Heat took the stack {name} and does not show it"),
                    ));
                }
            }
        }
    };
    let mut tell = tell(world, key);
    // What was told before an interruption is told again: it is one story.
    let since = Some(Default::default());
    let done = world
        .cloud
        .wait_stack(&stack, since, within, &mut tell)
        .await?;
    match done {
        Some(done) if done.stack_status == "CREATE_COMPLETE" => Ok(shown(&done)),
        Some(failed) => Err(world.cloud.stack_failure(&failed).await),
        None => Err(Error::new(
            Kind::Failed,
            format!("stack {name} was removed while it was made"),
        )),
    }
}

fn is_ours(stack: &Stack, mark: &str) -> bool {
    stack.tags.iter().flatten().any(|tag| tag == mark)
}

async fn set(
    world: &mut World<'_>,
    key: &str,
    stack: &StackRef,
    input: &Input,
    within: Duration,
) -> Result<Value> {
    let input = filled(world, input)?;
    let mut tell = tell(world, key);
    let mut now = there(world, stack).await?;
    if now.is_busy() {
        // Ours from before an interruption, or somebody else's: either way it must end first.
        now = settled(world, &now, within, &mut tell).await?;
    }
    let hidden = input
        .parameters
        .keys()
        .any(|name| now.parameter(name) == Some(HIDDEN));
    let done = now.stack_status.ends_with("_COMPLETE") && now.has(&input.parameters);
    if done && !hidden && input.template.is_none() {
        return Ok(shown(&now));
    }
    let before = world.cloud.events_so_far(&now).await?;
    world.cloud.update_stack(&now, &input).await?;
    let done = world
        .cloud
        .wait_stack(&now, Some(before), within, &mut tell)
        .await?;
    match done {
        Some(done) if done.stack_status == "UPDATE_COMPLETE" => Ok(shown(&done)),
        Some(failed) => Err(world.cloud.stack_failure(&failed).await),
        None => Err(Error::new(
            Kind::Failed,
            format!("stack {} was removed while it was updated", stack.name),
        )),
    }
}

async fn settled(
    world: &World<'_>,
    stack: &Stack,
    within: Duration,
    tell: &mut dyn FnMut(&str),
) -> Result<Stack> {
    let settled = world.cloud.wait_stack(stack, None, within, tell).await?;
    settled.ok_or_else(|| {
        Error::new(
            Kind::NothingMatched,
            format!("stack {} is gone", stack.stack_name),
        )
    })
}

async fn delete(
    world: &mut World<'_>,
    key: &str,
    stack: &StackRef,
    within: Duration,
) -> Result<()> {
    let all = world.cloud.stacks().await?;
    let Some(found) = all.into_iter().find(|s| s.id == stack.id) else {
        return Ok(());
    };
    let before = world.cloud.events_so_far(&found).await?;
    world.cloud.delete_stack(&found).await?;
    let mut tell = tell(world, key);
    match world
        .cloud
        .wait_stack(&found, Some(before), within, &mut tell)
        .await?
    {
        None => Ok(()),
        Some(left) => Err(world.cloud.stack_failure(&left).await),
    }
}

/// By an output, else by a resource of this name.
async fn server(world: &mut World<'_>, stack: &StackRef, word: &str) -> Result<Value> {
    let now = there(world, stack).await?;
    let output = now.outputs.iter().find(|o| o.output_key == word);
    let id = match output.and_then(|o| o.output_value.as_str()) {
        Some(id) => id.to_owned(),
        None => {
            let resources = world.cloud.stack_resources(&now).await?;
            let found = resources.into_iter().find(|r| r.resource_name == word);
            found
                .and_then(|r| r.physical_resource_id)
                .unwrap_or_default()
        }
    };
    match world.cloud.server_of(&id).await {
        Ok(server) => Ok(
            json!({"id": server.id, "name": server.name, "addresses": server.addresses("fixed")}),
        ),
        Err(error) => {
            let names: Vec<&str> = now.outputs.iter().map(|o| o.output_key.as_str()).collect();
            let text = format!("{word} of stack {} is no server", stack.name);
            Err(Error::new(Kind::NothingMatched, text)
                .because(&error)
                .hint(format!("its outputs are {}", names.join(", "))))
        }
    }
}

pub(super) async fn undo(
    world: &mut World<'_>,
    key: &str,
    work: &StackWork,
    within: Duration,
) -> Result<()> {
    match work {
        StackWork::Create { name, .. } => {
            let mark = mark(world, key);
            let ours = named(world, name)
                .await?
                .filter(|stack| is_ours(stack, &mark));
            match ours {
                Some(stack) => {
                    let stack = StackRef {
                        name: stack.stack_name,
                        id: stack.id,
                    };
                    delete(world, key, &stack, within).await
                }
                None => Ok(()),
            }
        }
        StackWork::Set { stack, before, .. } => {
            let mut input = Input {
                parameters: before.clone(),
                ..Input::default()
            };
            input.parameters.retain(|name, value| {
                let known = value != HIDDEN;
                if !known {
                    let text = format!(
                        "{name} of {} was hidden: its value before is not known here",
                        stack.name
                    );
                    world.progress.note(&text);
                }
                known
            });
            set(world, key, stack, &input, within).await.map(drop)
        }
        StackWork::Delete { .. } | StackWork::Server { .. } => Ok(()),
    }
}
