//! Stacks (Heat), on endpoints of our own: the crate knows nothing of Heat.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resolve::{Named, pick};
use super::{Call, Client, Fault, FaultKind, Result, Service};
use crate::error::{self, Error, Kind};
use crate::progress::short;

/// Between two looks: soon at first, then more rarely.
const FIRST: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_secs(3);
/// What Heat shows instead of a hidden value.
pub const HIDDEN: &str = "******";

/// A stack; a list shows less of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Its id.
    pub id: String,
    /// Its name, which no other has while it is there.
    pub stack_name: String,
    /// `CREATE_COMPLETE`, `UPDATE_IN_PROGRESS`, `DELETE_FAILED`…
    pub stack_status: String,
    /// Why it is so.
    #[serde(default)]
    pub stack_status_reason: Option<String>,
    /// Any words of its template.
    #[serde(default)]
    pub description: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub creation_time: Option<String>,
    /// When its last update began.
    #[serde(default)]
    pub updated_time: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// Its parameters' values, as text; hidden ones as asterisks.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Its outputs.
    #[serde(default)]
    pub outputs: Vec<Output>,
}

/// An output of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub output_key: String,
    /// Its value; a list of a stack shows none.
    #[serde(default)]
    pub output_value: Value,
    /// Any words.
    #[serde(default)]
    pub description: Option<String>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_error: Option<String>,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name in the template.
    pub resource_name: String,
    /// Its type.
    #[serde(default)]
    pub resource_type: String,
    /// The id of what it is: a server's, a port's…
    #[serde(default)]
    pub physical_resource_id: Option<String>,
    /// Its state.
    #[serde(default)]
    pub resource_status: String,
    /// Why it is so.
    #[serde(default)]
    pub resource_status_reason: Option<String>,
}

/// Something that happened in a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// When.
    #[serde(default)]
    pub event_time: String,
    /// To which resource, or the stack's own name.
    #[serde(default)]
    pub resource_name: String,
    /// What it is: the stack's own id, if it is about the stack.
    #[serde(default)]
    pub physical_resource_id: Option<String>,
    /// The state that it came to.
    #[serde(default)]
    pub resource_status: String,
    /// Why.
    #[serde(default)]
    pub resource_status_reason: Option<String>,
}

/// What an update would do to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `added`, `deleted`, `replaced`, `updated`; what stays is not listed.
    pub what: String,
    /// The resource.
    pub name: String,
    /// Its type.
    pub kind: String,
}

/// What a stack is made of, or is to become: what is not given stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// The template's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Files that the template refers to, by the names that it has for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Values of parameters.
    pub parameters: BTreeMap<String, String>,
}

impl Named for Stack {
    const KIND: &'static str = "stack";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.stack_name
    }

    fn about(&self) -> String {
        format!(
            "{} since {}",
            self.stack_status,
            self.creation_time.as_deref().unwrap_or("-")
        )
    }
}

impl Stack {
    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.as_str()
    }

    /// Whether something is under way on it.
    pub fn is_busy(&self) -> bool {
        self.stack_status.ends_with("_IN_PROGRESS")
    }

    /// Whether its parameters have these values; what is hidden is not known, and so has not.
    pub fn has(&self, parameters: &BTreeMap<String, String>) -> bool {
        parameters
            .iter()
            .all(|(name, value)| self.parameter(name).is_some_and(|now| same(now, value)))
    }
}

/// Whether two texts are one value: Heat shows flags as Python does.
fn same(a: &str, b: &str) -> bool {
    let flag = |text: &str| ["true", "false"].contains(&text.to_lowercase().as_str());
    a == b || (flag(a) && flag(b) && a.eq_ignore_ascii_case(b))
}

impl Event {
    /// In one line.
    pub fn shown(&self) -> String {
        let reason = self.resource_status_reason.as_deref().unwrap_or_default();
        let reason = match reason {
            "" | "state changed" => String::new(),
            why => format!(": {why}"),
        };
        format!("{} {}{reason}", self.resource_name, self.resource_status)
    }
}

impl Input {
    fn body(&self) -> Value {
        let mut body = json!({"parameters": self.parameters});
        if let Some(template) = &self.template {
            body["template"] = template.as_str().into();
            body["files"] = json!(self.files);
        }
        body
    }
}

fn path<'a>(stack: &'a Stack, rest: &[&'a str]) -> Vec<&'a str> {
    [&["stacks", &stack.stack_name, &stack.id], rest].concat()
}

impl Client {
    /// All stacks of the project, without parameters and outputs.
    pub async fn stacks(&self) -> Result<Vec<Stack>> {
        self.list(Call::get(Service::Orchestration, &["stacks"]), "stacks")
            .await
    }

    /// The stack that a name or an id means, whole.
    pub async fn stack_of(&self, word: &str) -> error::Result<Stack> {
        let brief = pick(self.stacks().await?, word)?;
        self.stack(&brief)
            .await?
            .ok_or_else(|| Error::new(Kind::NothingMatched, format!("stack {word} is gone")))
    }

    /// A stack as it is now; none once it is gone. Heat shows what was deleted for a while.
    pub async fn stack(&self, stack: &Stack) -> Result<Option<Stack>> {
        let call = Call::get(Service::Orchestration, &path(stack, &[]));
        let found: Option<Stack> = self.find(&call, "stack").await?;
        Ok(found.filter(|s| s.stack_status != "DELETE_COMPLETE"))
    }

    /// Begins to make a stack; gives its id. It is left as it is on failure: whoever asked for it decides.
    pub async fn create_stack(
        &self,
        name: &str,
        input: &Input,
        tags: &str,
        minutes: u64,
    ) -> error::Result<String> {
        let mut body = input.body();
        for (key, value) in [
            ("stack_name", json!(name)),
            ("disable_rollback", json!(true)),
            ("tags", json!(tags)),
            ("timeout_mins", json!(minutes)),
        ] {
            body[key] = value;
        }
        let call = Call::post(Service::Orchestration, &["stacks"], body);
        let made: Value = self
            .ask(&call, "stack")
            .await
            .map_err(|fault| self.explained(fault))?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Begins an update with these values over those that are there.
    pub async fn update_stack(&self, stack: &Stack, input: &Input) -> error::Result<()> {
        let call = self.patch(stack, &[], input);
        self.send(&call)
            .await
            .map(drop)
            .map_err(|fault| self.explained(fault))
    }

    /// What an update would do.
    pub async fn preview_stack(&self, stack: &Stack, input: &Input) -> Result<Vec<Change>> {
        let call = self.patch(stack, &["preview"], input).idempotent();
        let found: Value = self.ask(&call, "resource_changes").await?;
        let mut all = Vec::new();
        for what in ["replaced", "deleted", "updated", "added"] {
            let named = found[what].as_array().into_iter().flatten();
            all.extend(named.map(|one| {
                let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                Change {
                    what: what.into(),
                    name: word("resource_name"),
                    kind: word("resource_type"),
                }
            }));
        }
        Ok(all)
    }

    fn patch(&self, stack: &Stack, rest: &[&str], input: &Input) -> Call {
        let mut body = input.body();
        body["existing"] = true.into();
        Call::new(Method::PATCH, Service::Orchestration, &path(stack, rest)).body(body)
    }

    /// What a new stack would be made of.
    pub async fn preview_new_stack(&self, name: &str, input: &Input) -> Result<Vec<Change>> {
        let mut body = input.body();
        body["stack_name"] = name.into();
        let call = Call::post(Service::Orchestration, &["stacks", "preview"], body).idempotent();
        let found: Value = self.ask(&call, "stack").await?;
        let all = found["resources"].as_array().into_iter().flatten();
        Ok(all
            .map(|one| {
                let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                Change {
                    what: "added".into(),
                    name: word("resource_name"),
                    kind: word("resource_type"),
                }
            })
            .collect())
    }

    /// Begins to remove a stack with all that it made.
    pub async fn delete_stack(&self, stack: &Stack) -> Result<bool> {
        self.remove(&Call::delete(Service::Orchestration, &path(stack, &[])).wait_out_conflicts())
            .await
    }

    /// Its resources.
    pub async fn stack_resources(&self, stack: &Stack) -> Result<Vec<Resource>> {
        self.list(
            Call::get(Service::Orchestration, &path(stack, &["resources"])),
            "resources",
        )
        .await
    }

    /// Its events, the oldest first.
    pub async fn stack_events(&self, stack: &Stack) -> Result<Vec<Event>> {
        let call =
            Call::get(Service::Orchestration, &path(stack, &["events"])).query("sort_dir", "asc");
        self.list(call, "events").await
    }

    /// Its template.
    pub async fn stack_template(&self, stack: &Stack) -> Result<Value> {
        self.ask(
            &Call::get(Service::Orchestration, &path(stack, &["template"])),
            "",
        )
        .await
    }

    /// Waits until nothing is under way on a stack, and tells its events; none if it is gone then. With `since`, the
    /// events of before, an action must have begun after them: Heat may still show the end of the one before.
    pub async fn wait_stack(
        &self,
        stack: &Stack,
        since: Option<HashSet<String>>,
        within: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> error::Result<Option<Stack>> {
        let (start, mut delay) = (Instant::now(), FIRST);
        let mut begun = since.is_none();
        let mut told = match since {
            Some(told) => told,
            None => self.events_so_far(stack).await?,
        };
        let mut last = stack.stack_status.clone();
        loop {
            match self.look_at(stack).await {
                Ok((now, events)) => {
                    for event in events
                        .into_iter()
                        .filter(|e| !told.contains(&e.id))
                        .collect::<Vec<_>>()
                    {
                        begun |= event.physical_resource_id.as_deref() == Some(&stack.id);
                        tell(&event.shown());
                        told.insert(event.id);
                    }
                    match now {
                        None => return Ok(None),
                        Some(now) if begun && !now.is_busy() => return Ok(Some(now)),
                        Some(now) => last = now.stack_status,
                    }
                }
                Err(fault) if fault.is_transient() => tell(&fault.to_string()),
                Err(fault) => return Err(fault.into()),
            }
            if start.elapsed() >= within {
                let text = format!(
                    "stack {}: {last} still after {}",
                    stack.stack_name,
                    short(within)
                );
                return Err(Error::new(Kind::Failed, text).hint(format!(
                    "`master-bridge stack wait {}` waits again, `stack events` shows what it is at",
                    stack.stack_name
                )));
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 3 / 2).min(MOST);
        }
    }

    async fn look_at(&self, stack: &Stack) -> Result<(Option<Stack>, Vec<Event>)> {
        // Events first: those of the end are told before the end is seen.
        let events = match self.stack_events(stack).await {
            Err(fault) if fault.is_not_found() => Vec::new(),
            other => other?,
        };
        Ok((self.stack(stack).await?, events))
    }

    /// The events that there are, by their ids.
    pub async fn events_so_far(&self, stack: &Stack) -> Result<HashSet<String>> {
        let events = self.stack_events(stack).await;
        match events {
            Err(fault) if fault.is_not_found() => Ok(HashSet::new()),
            other => Ok(other?.into_iter().map(|e| e.id).collect()),
        }
    }

    /// An error that names what failed in a stack.
    pub async fn stack_failure(&self, stack: &Stack) -> Error {
        let reason = stack
            .stack_status_reason
            .as_deref()
            .unwrap_or("no reason given");
        let text = format!("stack {} is {}", stack.stack_name, stack.stack_status);
        let mut error = Error::new(Kind::Failed, text).hint(format!(
            "`master-bridge stack events {}` has the whole story; `stack set` with other values tries again",
            stack.stack_name
        ));
        error.causes = vec![reason.to_owned()];
        let failed = self
            .stack_resources(stack)
            .await
            .unwrap_or_default()
            .into_iter();
        error.causes.extend(
            failed
                .filter(|r| r.resource_status.ends_with("_FAILED"))
                .map(|r| {
                    let why = r.resource_status_reason.unwrap_or_default();
                    format!("{} ({}): {why}", r.resource_name, r.resource_type)
                }),
        );
        error.causes.dedup();
        error
    }

    /// Heat acts for its user later, by a trust, which an application credential may not make unless it is unrestricted.
    fn explained(&self, fault: Fault) -> Error {
        let trust = matches!(
            fault.kind,
            FaultKind::Service | FaultKind::Forbidden | FaultKind::Unauthorized
        );
        let error = Error::from(fault);
        if trust && self.is_application_credential() {
            return error.hint(
                "Heat makes a trust to act for you, and refuses application credentials that cannot: use a password, or `openstack application credential create --unrestricted`",
            );
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heats_own_stack_is_read() {
        let stack: Stack = serde_json::from_value(json!({
            "id": "i", "stack_name": "edx", "stack_status": "UPDATE_COMPLETE", "stack_status_reason": "Stack UPDATE completed successfully",
            "description": "x", "creation_time": "2026-01-01T00:00:00Z", "updated_time": null, "tags": null, "parent": null,
            "parameters": {"OS::stack_id": "i", "count": "1", "secret": HIDDEN, "flag": "True"},
            "outputs": [{"output_key": "ip", "output_value": "10.0.0.1", "description": "d"}],
        }))
        .unwrap();
        let has = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            stack.has(&pairs.collect())
        };
        assert!(
            has(&[("count", "1"), ("flag", "true")])
                && !has(&[("count", "2")])
                && !has(&[("secret", "x")])
        );
        assert!(!stack.is_busy());
    }
}
