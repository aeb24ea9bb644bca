//! A plan of steps in a cloud, one after the other. The same world gives the same plan and the same hash.
//!
//! One more kind of step is a variant of [`What`] here, with its words, and an `impl Effect` in `vms/steps/`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use salt_wire::crypto::HashType;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::import::Import;
use super::stack::StackWork;
use super::thing::{Gone, Thing};
use crate::cloud::server::NewServer;

/// A plan: what it is about, what belongs to it alone, and its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudPlan {
    /// What it does, as `replace app2`.
    pub title: String,
    /// The cloud's name in clouds.yaml, or its Keystone's address.
    pub cloud: String,
    /// The project's id.
    pub project: String,
    /// What belongs to this operation alone while it is open: `server ID`, `floating IP ADDRESS`.
    pub subjects: Vec<String>,
    /// The steps.
    pub steps: Vec<CloudStep>,
    /// What nonces are made from. Drawn when the operation begins, so it is no part of the hash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seed: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudStep {
    /// Its name in this plan; later steps call what it made by it.
    pub key: String,
    /// What it does.
    pub what: What,
}

impl CloudStep {
    /// A step of this name.
    pub fn new(key: &str, what: What) -> Self {
        Self {
            key: key.to_owned(),
            what,
        }
    }
}

/// Something that is there, or that an earlier step makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ref {
    /// It has this id.
    Id(String),
    /// The step of this key makes it.
    Step(String),
}

/// A port and its address that a floating address leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The port's id.
    pub port: String,
    /// The address of that port.
    pub fixed_ip: String,
}

/// How a floating address is watched while it is led elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked through the floating address: `tcp:PORT`, or an `http://` URL on it.
    pub target: String,
    /// Milliseconds without an answer after which it is led back.
    pub limit: u64,
}

/// The key that signs, as files: no secret is in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// The key, as `orders keygen` made it.
    pub key: PathBuf,
    /// Its passphrase.
    pub passphrase_file: Option<PathBuf>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum What {
    /// Writes the operation's id into a server's metadata, so that no other bridge touches it.
    Claim {
        /// The server's id.
        server: String,
        /// What it is in this operation.
        role: String,
    },
    /// Makes a server.
    Server {
        /// As it is to be.
        server: Box<NewServer>,
        /// Its user-data; `<NONCE>` and `<TOKEN>` in it become the server's.
        user_data: String,
    },
    /// Waits until a server is active.
    Active {
        /// The server.
        server: Ref,
        /// Seconds.
        within: u64,
    },
    /// Waits for the agent's line on the server's console.
    Announced {
        /// The step that makes the server.
        server: String,
        /// The minion id that it must have.
        minion: String,
        /// Seconds.
        within: u64,
    },
    /// Lets the master accept the key that comes with the server's one-time token.
    Enrol {
        /// The step that makes the server.
        server: String,
        /// The minion id, which is free.
        minion: String,
        /// Seconds.
        within: u64,
    },
    /// Holds such a key against the server's console, if that shows one.
    Compare {
        /// The step that makes the server.
        server: String,
        /// The minion id.
        minion: String,
        /// The step that let the key in.
        accepted: String,
        /// Seconds until a console that shows something shows the agent's line.
        within: u64,
    },
    /// Waits for a master's line on its server's console.
    MasterKey {
        /// The step that makes the server.
        server: String,
        /// Seconds.
        within: u64,
    },
    /// Writes into a server's metadata; `{step.word}` is what a step made.
    Tag {
        /// The server.
        server: Ref,
        /// What is written.
        pairs: BTreeMap<String, String>,
    },
    /// Accepts the key that the console showed.
    Accept {
        /// The minion.
        minion: String,
        /// The step that read the console.
        announced: String,
        /// The fingerprint of the accepted key that is set aside for it.
        aside: Option<String>,
        /// Seconds that the key may take to reach the master.
        within: u64,
    },
    /// Waits until a minion answers.
    Ping {
        /// The minion.
        minion: String,
        /// Seconds.
        within: u64,
    },
    /// Compares grains.
    Grains {
        /// The minion.
        minion: String,
        /// What they must be.
        expect: BTreeMap<String, String>,
    },
    /// Runs the highstate.
    Highstate {
        /// The minion.
        minion: String,
        /// Whether a change is a failure: the proof that an earlier one did its work.
        unchanged: bool,
    },
    /// Asks a minion whether its service is well.
    Health {
        /// The minion.
        minion: String,
        /// A URL that it fetches, or a function with arguments.
        check: String,
        /// Seconds that it may take to become well.
        within: u64,
    },
    /// Takes a new floating address.
    Allocate {
        /// The external network's id.
        network: String,
    },
    /// Leads a floating address to a server.
    Flip {
        /// The floating address.
        ip: Ref,
        /// The address itself, if it is known; for people.
        address: Option<String>,
        /// The server.
        server: Ref,
        /// Which of its addresses, if it has several.
        fixed_ip: Option<String>,
        /// Where it led when the plan was made.
        before: Option<Lead>,
        /// How it is watched.
        probe: Option<Probe>,
    },
    /// Gives a floating address back that this operation took.
    GiveBack {
        /// The step that took it.
        allocated: String,
    },
    /// Lets both servers run side by side for a while.
    Soak {
        /// Seconds.
        seconds: u64,
    },
    /// Removes a server that was there before. This cannot be undone.
    Retire {
        /// Its id.
        server: String,
        /// Its name.
        name: String,
    },
    /// Takes the operation's id from a server's metadata.
    Release {
        /// The server.
        server: Ref,
    },
    /// Runs a function on a minion, and wants success.
    Run {
        /// The minion.
        minion: String,
        /// The function.
        fun: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// Makes a server's disk a golden image: its agent forgets who it is, and says so on the console.
    Generalize {
        /// The step that made the server.
        server: String,
        /// The minion.
        minion: String,
        /// The function, or the command line, that does it there.
        command: String,
        /// Seconds.
        within: u64,
    },
    /// Stops a server.
    Stop {
        /// The server.
        server: Ref,
        /// Seconds.
        within: u64,
    },
    /// Snapshots a server into an image.
    Snapshot {
        /// The server.
        server: Ref,
        /// The image's name.
        name: String,
        /// Properties of the image.
        properties: BTreeMap<String, String>,
        /// Seconds.
        within: u64,
    },
    /// Writes what is known about an image's making into its properties.
    Provenance {
        /// The step that makes the image.
        image: String,
        /// What is written.
        properties: BTreeMap<String, String>,
        /// Who signs it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signer: Option<Signer>,
    },
    /// Removes a server that this operation made.
    Remove {
        /// The step that made it.
        server: String,
    },
    /// Deletes a minion's key that this operation accepted.
    Forget {
        /// The minion.
        minion: String,
        /// The step that accepted it.
        accepted: String,
    },
    /// Makes something.
    Make {
        /// What.
        thing: Thing,
        /// Whose it is, in the words that are written on it.
        owner: String,
    },
    /// Removes something that was there before.
    Unmake {
        /// What.
        gone: Gone,
    },
    /// Mounts the file system of a volume on the server that it is attached to.
    Mount {
        /// The minion on that server.
        minion: String,
        /// The volume.
        volume: Ref,
        /// The file system that an empty volume gets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
        /// Where.
        at: String,
    },
    /// Brings an image in.
    Import {
        /// Which.
        import: Box<Import>,
        /// Seconds after the upload.
        within: u64,
    },
    /// Does something to a stack.
    Stack {
        /// What.
        work: StackWork,
        /// Seconds.
        within: u64,
    },
}

impl CloudPlan {
    /// SHA-256 of the whole plan but its seed.
    pub fn hash(&self) -> String {
        let bare = Self {
            seed: String::new(),
            ..self.clone()
        };
        let text = serde_json::to_string(&bare).unwrap_or_default();
        HashType::Sha256.hex(text.as_bytes())
    }

    /// The nonce of a step: known to this operation alone, and the same after a crash.
    pub fn nonce(&self, key: &str) -> String {
        let hex = HashType::Sha256.hex(format!("{}:{key}", self.seed).as_bytes());
        // A letter first: all digits would be a number to YAML.
        std::iter::once('n')
            .chain(hex.chars().filter(|c| *c != ':'))
            .take(32)
            .collect()
    }

    /// The enrolment token of a step's server. Its nonce, which is shown, does not tell it.
    pub fn token(&self, key: &str) -> String {
        self.nonce(&format!("{key}:token"))
    }

    /// What differs from the document of an earlier plan, a line each: the world has moved.
    pub fn differences(&self, before: &Value) -> Vec<String> {
        let now = self.document();
        let mut lines = Vec::new();
        for name in ["title", "cloud", "project", "subjects"] {
            if now[name] != before[name] {
                lines.push(format!("{name} was {}, is {}", before[name], now[name]));
            }
        }
        let steps = |document: &Value| -> Vec<(String, Value)> {
            let all = document["steps"].as_array().into_iter().flatten();
            all.map(|step| {
                let key = step["key"].as_str().unwrap_or_default().to_owned();
                (key, step["detail"].clone())
            })
            .collect()
        };
        let (now, before) = (steps(&now), steps(before));
        for (key, _) in &before {
            if !now.iter().any(|(other, _)| other == key) {
                lines.push(format!("{key}: is no step any more"));
            }
        }
        for (key, detail) in &now {
            match before.iter().find(|(other, _)| other == key) {
                None => lines.push(format!("{key}: is a new step")),
                Some((_, then)) if then != detail => {
                    lines.push(format!("{key}: {}", what_differs(then, detail)));
                }
                Some(_) => {}
            }
        }
        lines
    }

    /// The document of `--dry-run`. User-data may hold secrets: only its hash and size are shown.
    pub fn document(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let [before, effect, check, inverse] = step.what.words();
                json!({
                    "key": step.key, "step": step.what.name(), "subject": step.what.subject(),
                    "precondition": before, "effect": effect, "check": check, "inverse": inverse,
                    "detail": shown(&step.what),
                })
            })
            .collect();
        json!({
            "hash": self.hash(), "title": self.title, "cloud": self.cloud, "project": self.project,
            "subjects": self.subjects, "steps": steps,
        })
    }
}

/// A step's parameters without what may be secret.
fn shown(what: &What) -> Value {
    let mut value = serde_json::to_value(what).unwrap_or_default();
    if let Some(data) = value.get_mut("user_data")
        && let Some(text) = data.as_str()
    {
        *data = json!({"sha256": HashType::Sha256.hex(text.as_bytes()), "bytes": text.len()});
    }
    if let What::Stack { work, .. } = what {
        work.mask(&mut value);
    }
    value
}

fn what_differs(then: &Value, now: &Value) -> String {
    let changed: Vec<String> = now
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| then.get(name.as_str()) != Some(*value))
        .map(|(name, value)| {
            format!(
                "{name} was {}, is {value}",
                then.get(name.as_str()).unwrap_or(&Value::Null)
            )
        })
        .collect();
    changed.join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn plan(steps: Vec<CloudStep>) -> CloudPlan {
        CloudPlan {
            title: "boot a".into(),
            cloud: "c".into(),
            project: "p".into(),
            subjects: vec!["server a".into()],
            steps,
            seed: String::new(),
        }
    }

    fn server(user_data: &str) -> CloudStep {
        let server = Box::new(crate::cloud::server::tests::new_server());
        CloudStep::new(
            "server",
            What::Server {
                server,
                user_data: user_data.into(),
            },
        )
    }

    #[test]
    fn the_hash_follows_the_world_but_not_the_seed() {
        let mut one = plan(vec![server("x")]);
        let hash = one.hash();
        one.seed = "s".into();
        assert_eq!(one.hash(), hash);
        assert_ne!(plan(vec![server("y")]).hash(), hash);
        assert_ne!(one.nonce("server"), one.nonce("other"));
        assert_eq!(one.nonce("server").len(), 32);
    }

    #[test]
    fn secrets_in_user_data_are_not_shown() {
        let document = plan(vec![server("password: hunter2")]).document();
        assert!(!document.to_string().contains("hunter2"));
        assert_eq!(document["steps"][0]["detail"]["user_data"]["bytes"], 17);
    }

    #[test]
    fn what_moved_is_named() {
        let soak = |seconds| CloudStep::new("soak", What::Soak { seconds });
        let before = plan(vec![soak(5), server("x")]);
        let now = plan(vec![soak(6)]);
        assert_eq!(
            now.differences(&before.document()),
            ["server: is no step any more", "soak: seconds was 5, is 6"]
        );
    }

    #[test]
    fn a_plan_comes_back_from_the_journal() {
        let one = plan(vec![server("x")]);
        let text = serde_json::to_string(&one).unwrap();
        let back: super::super::AnyPlan = serde_json::from_str(&text).unwrap();
        assert!(matches!(back, super::super::AnyPlan::Cloud(plan) if plan == one));
    }
}
