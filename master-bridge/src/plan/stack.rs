//! Steps on stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cloud::stack::{Change, HIDDEN, Input};

/// A stack that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRef {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// What is done to a stack. A parameter's value `{step}` is the id of what that step made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum StackWork {
    /// Makes one.
    Create {
        /// Its name.
        name: String,
        /// Of what.
        input: Input,
        /// Parameters that are not shown.
        #[serde(default)]
        secret: BTreeSet<String>,
    },
    /// Sets parameters, or another template, over what is there.
    Set {
        /// Which.
        stack: StackRef,
        /// To what.
        input: Input,
        /// The values before.
        before: BTreeMap<String, String>,
        /// Parameters that are not shown.
        #[serde(default)]
        secret: BTreeSet<String>,
        /// What Heat says that it will do.
        changes: Vec<Change>,
    },
    /// Removes one. This cannot be undone.
    Delete {
        /// Which.
        stack: StackRef,
    },
    /// Finds the server that an output or a resource of a stack is.
    Server {
        /// Which.
        stack: StackRef,
        /// The output or the resource.
        word: String,
    },
}

impl StackWork {
    /// The word in the journal and in documents.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "stack-create",
            Self::Set { .. } => "stack-set",
            Self::Delete { .. } => "stack-delete",
            Self::Server { .. } => "stack-server",
        }
    }

    /// What must hold before, what is done, how it is checked, how it is undone: for people.
    pub fn words(&self) -> [&'static str; 4] {
        match self {
            Self::Create { .. } => [
                "no stack has this name, and Heat takes the template",
                "make the stack",
                "CREATE_COMPLETE",
                "remove the stack",
            ],
            Self::Set { .. } => [
                "nothing is under way on the stack",
                "update it with these values over those that are there",
                "UPDATE_COMPLETE with these values",
                "update it with the values before",
            ],
            Self::Delete { .. } => [
                "nothing is under way on the stack",
                "remove it with all that it made",
                "Heat does not show it any more",
                "cannot be undone",
            ],
            Self::Server { .. } => [
                "the stack is complete",
                "look",
                "Nova shows the server",
                "nothing to undo",
            ],
        }
    }

    /// Whether it cannot be undone.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Delete { .. })
    }

    /// What it is about, for people.
    pub fn subject(&self) -> String {
        match self {
            Self::Create {
                name,
                input,
                secret,
            } => format!("{name} {}", pairs(&input.parameters, secret)),
            Self::Set {
                stack,
                input,
                secret,
                changes,
                ..
            } => {
                let template = if input.template.is_some() {
                    " with another template"
                } else {
                    ""
                };
                let all: Vec<String> = changes
                    .iter()
                    .map(|c| format!("{} {}", c.what, c.name))
                    .collect();
                let changes = if all.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", all.join(", "))
                };
                format!(
                    "{}{template} {}{changes}",
                    stack.name,
                    pairs(&input.parameters, secret)
                )
            }
            Self::Delete { stack } => stack.name.clone(),
            Self::Server { stack, word } => format!("{word} of {}", stack.name),
        }
    }

    /// The step's document without what is secret.
    pub fn mask(&self, document: &mut Value) {
        let secret = match self {
            Self::Create { secret, .. } | Self::Set { secret, .. } => secret,
            Self::Delete { .. } | Self::Server { .. } => return,
        };
        for name in secret {
            if let Some(value) = document.pointer_mut(&format!("/work/input/parameters/{name}")) {
                *value = HIDDEN.into();
            }
        }
    }
}

fn pairs(parameters: &BTreeMap<String, String>, secret: &BTreeSet<String>) -> String {
    let shown = parameters.iter().map(|(name, value)| {
        let value = if secret.contains(name) { HIDDEN } else { value };
        format!("{name}={value}")
    });
    shown.collect::<Vec<_>>().join(" ")
}
