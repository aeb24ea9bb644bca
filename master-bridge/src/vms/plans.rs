//! The plans of the commands, from what was resolved. Pure: the same world gives the same steps.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::cloud::server::NewServer;
use crate::plan::CloudStep;
use crate::plan::cloud::{Lead, Probe, Ref, Signer, What};

/// Nova is given this long to make a server active.
const ACTIVE: u64 = 600;
/// An agent that announced itself is at the master's door within this time.
const KEY: u64 = 120;
/// And answers within this.
const ANSWER: u64 = 120;

/// A server that becomes a proven minion.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// The key of the step that makes it.
    pub key: String,
    /// The server.
    pub server: NewServer,
    /// Its user-data.
    pub user_data: String,
    /// Its minion id.
    pub minion: String,
    /// The accepted key (PEM) that is set aside for it.
    pub aside: Option<String>,
    /// Grains that it must have.
    pub expect: BTreeMap<String, String>,
    /// Whether it gets its highstate.
    pub highstate: bool,
    /// Seconds until its agent is on the console.
    pub announced: u64,
    /// How its key is let in.
    pub enrol: Enrol,
}

/// How a new minion's key is let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Enrol {
    /// Its fingerprint is on the server's serial console, which Nova alone can read
    #[default]
    Console,
    /// It comes with a one-time token of the server's user-data
    Token,
}

impl Newcomer {
    /// From nothing to a minion that is as its states say.
    pub fn steps(&self) -> Vec<CloudStep> {
        let key = |name: &str| match self.key.as_str() {
            "server" => name.to_owned(),
            other => format!("{other}-{name}"),
        };
        let (minion, made) = (self.minion.clone(), Ref::Step(self.key.clone()));
        let mut steps = vec![
            CloudStep::new(
                &self.key,
                What::Server {
                    server: Box::new(self.server.clone()),
                    user_data: self.user_data.clone(),
                },
            ),
            CloudStep::new(
                &key("active"),
                What::Active {
                    server: made,
                    within: ACTIVE,
                },
            ),
        ];
        steps.extend(self.let_in(&key));
        steps.push(CloudStep::new(
            &key("ping"),
            What::Ping {
                minion: minion.clone(),
                within: ANSWER,
            },
        ));
        if !self.expect.is_empty() {
            let expect = self.expect.clone();
            let minion = minion.clone();
            steps.push(CloudStep::new(
                &key("grains"),
                What::Grains { minion, expect },
            ));
        }
        if self.highstate {
            let highstate = What::Highstate {
                minion,
                unchanged: false,
            };
            steps.push(CloudStep::new(&key("highstate"), highstate));
        }
        steps
    }

    /// Its key, proven before it is accepted, or accepted by a token and held against the console then.
    fn let_in(&self, key: &dyn Fn(&str) -> String) -> [CloudStep; 2] {
        let (server, minion) = (self.key.clone(), self.minion.clone());
        match self.enrol {
            Enrol::Console => [
                CloudStep::new(
                    &key("proof"),
                    What::Announced {
                        server,
                        minion: minion.clone(),
                        within: self.announced,
                    },
                ),
                CloudStep::new(
                    &key("key"),
                    What::Accept {
                        minion,
                        announced: key("proof"),
                        aside: self.aside.clone(),
                        within: KEY,
                    },
                ),
            ],
            Enrol::Token => [
                CloudStep::new(
                    &key("key"),
                    What::Enrol {
                        server: server.clone(),
                        minion: minion.clone(),
                        within: self.announced + KEY,
                    },
                ),
                CloudStep::new(
                    &key("console"),
                    What::Compare {
                        server,
                        minion,
                        accepted: key("key"),
                        within: self.announced,
                    },
                ),
            ],
        }
    }
}

/// Where a floating address comes from.
#[derive(Debug, Clone)]
pub enum Address {
    /// It is there: its id, itself, and where it leads now.
    There {
        /// Its id.
        id: String,
        /// The address.
        address: String,
        /// Where it leads.
        before: Option<Lead>,
    },
    /// A new one from this network.
    New {
        /// The external network's id.
        network: String,
    },
}

impl Address {
    /// Leads it to a server.
    pub fn steps(
        &self,
        server: &Ref,
        fixed_ip: Option<String>,
        probe: Option<Probe>,
    ) -> Vec<CloudStep> {
        let flip = |ip, address, before| What::Flip {
            ip,
            address,
            server: server.clone(),
            fixed_ip: fixed_ip.clone(),
            before,
            probe: probe.clone(),
        };
        match self {
            Self::There {
                id,
                address,
                before,
            } => vec![CloudStep::new(
                "flip",
                flip(Ref::Id(id.clone()), Some(address.clone()), before.clone()),
            )],
            Self::New { network } => vec![
                CloudStep::new(
                    "address",
                    What::Allocate {
                        network: network.clone(),
                    },
                ),
                CloudStep::new("flip", flip(Ref::Step("address".into()), None, None)),
            ],
        }
    }
}

/// A server that takes another's place.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// The old server: id and name.
    pub old: (String, String),
    /// The new one.
    pub new: Newcomer,
    /// A check of its health, and how many seconds it has.
    pub health: Option<(String, u64)>,
    /// A temporary address from this external network first, and what is asked through it.
    pub test: Option<(String, Option<Probe>)>,
    /// The addresses that move.
    pub addresses: Vec<Address>,
    /// How they are watched.
    pub probe: Option<Probe>,
    /// Seconds side by side.
    pub soak: u64,
    /// Whether the old server stays.
    pub keep_old: bool,
}

impl Replacement {
    /// The whole procedure.
    pub fn steps(&self) -> Vec<CloudStep> {
        let green = Ref::Step(self.new.key.clone());
        let mut steps = vec![CloudStep::new(
            "claim",
            What::Claim {
                server: self.old.0.clone(),
                role: "blue".into(),
            },
        )];
        steps.extend(self.new.steps());
        if let Some((check, within)) = &self.health {
            steps.push(CloudStep::new(
                "health",
                What::Health {
                    minion: self.new.minion.clone(),
                    check: check.clone(),
                    within: *within,
                },
            ));
        }
        if let Some((network, probe)) = &self.test {
            steps.push(CloudStep::new(
                "test-address",
                What::Allocate {
                    network: network.clone(),
                },
            ));
            steps.push(CloudStep::new(
                "test-flip",
                What::Flip {
                    ip: Ref::Step("test-address".into()),
                    address: None,
                    server: green.clone(),
                    fixed_ip: None,
                    before: None,
                    probe: probe.clone(),
                },
            ));
            steps.push(CloudStep::new(
                "test-over",
                What::GiveBack {
                    allocated: "test-address".into(),
                },
            ));
        }
        for (at, address) in self.addresses.iter().enumerate() {
            for mut step in address.steps(&green, None, self.probe.clone()) {
                if at > 0 {
                    step.key = format!("{}-{}", step.key, at + 1);
                }
                steps.push(step);
            }
        }
        if self.soak > 0 {
            steps.push(CloudStep::new("soak", What::Soak { seconds: self.soak }));
        }
        if self.keep_old {
            let old = Ref::Id(self.old.0.clone());
            steps.push(CloudStep::new("let-old-go", What::Release { server: old }));
        } else {
            steps.push(CloudStep::new(
                "retire",
                What::Retire {
                    server: self.old.0.clone(),
                    name: self.old.1.clone(),
                },
            ));
        }
        steps.push(CloudStep::new("release", What::Release { server: green }));
        steps
    }
}

/// A golden image of a new server.
#[derive(Debug, Clone)]
pub struct Bake {
    /// The builder.
    pub builder: Newcomer,
    /// The image's name.
    pub image: String,
    /// What is known about its making before it is made.
    pub properties: BTreeMap<String, String>,
    /// Who signs it.
    pub signer: Option<Signer>,
    /// Whether a second highstate may change things.
    pub allow_changes: bool,
    /// The command that makes the disk forget who it is; none to leave it.
    pub generalize: Option<String>,
    /// Seconds for the snapshot.
    pub within: u64,
    /// A clone of the image that must come up as another machine, and change nothing.
    pub clone: Option<Newcomer>,
}

impl Bake {
    /// From a builder to an image that says where it comes from.
    pub fn steps(&self) -> Vec<CloudStep> {
        let builder = Ref::Step(self.builder.key.clone());
        let minion = self.builder.minion.clone();
        let mut steps = self.builder.steps();
        steps.push(CloudStep::new(
            "again",
            What::Highstate {
                minion: minion.clone(),
                unchanged: !self.allow_changes,
            },
        ));
        if let Some(command) = &self.generalize {
            steps.push(CloudStep::new(
                "generalize",
                What::Generalize {
                    server: self.builder.key.clone(),
                    minion: minion.clone(),
                    command: command.clone(),
                    within: 300,
                },
            ));
        }
        steps.push(CloudStep::new(
            "stop",
            What::Stop {
                server: builder.clone(),
                within: 300,
            },
        ));
        steps.push(CloudStep::new(
            "image",
            What::Snapshot {
                server: builder,
                name: self.image.clone(),
                properties: BTreeMap::new(),
                within: self.within,
            },
        ));
        let mut properties = self.properties.clone();
        for (name, value) in [
            ("bridge_size", "{image.size}"),
            ("bridge_hash", "{image.hash}"),
            ("bridge_states", "{again.states}"),
            ("bridge_highstate", "{again.digest}"),
        ] {
            properties.insert(name.into(), value.into());
        }
        if self.generalize.is_some() {
            properties.insert("bridge_receipt".into(), "{generalize.digest}".into());
        }
        steps.push(CloudStep::new(
            "provenance",
            What::Provenance {
                image: "image".into(),
                properties,
                signer: self.signer.clone(),
            },
        ));
        let gone = |newcomer: &Newcomer, key: &str, accepted: &str| {
            [
                CloudStep::new(
                    &format!("{key}-removed"),
                    What::Remove {
                        server: newcomer.key.clone(),
                    },
                ),
                CloudStep::new(
                    &format!("{key}-forgotten"),
                    What::Forget {
                        minion: newcomer.minion.clone(),
                        accepted: accepted.to_owned(),
                    },
                ),
            ]
        };
        steps.extend(gone(&self.builder, "builder", "builder-key"));
        if let Some(clone) = &self.clone {
            steps.extend(clone.steps());
            steps.push(CloudStep::new(
                "clone-unchanged",
                What::Highstate {
                    minion: clone.minion.clone(),
                    unchanged: !self.allow_changes,
                },
            ));
            steps.extend(gone(clone, "clone", "clone-key"));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::server::tests::new_server;

    fn newcomer(key: &str) -> Newcomer {
        Newcomer {
            key: key.into(),
            server: new_server(),
            user_data: "u".into(),
            minion: "app2".into(),
            aside: None,
            expect: BTreeMap::from([("level".to_owned(), "ci".to_owned())]),
            highstate: true,
            announced: 300,
            enrol: Enrol::Console,
        }
    }

    fn shown(steps: &[CloudStep]) -> String {
        let words: Vec<String> = steps
            .iter()
            .map(|s| format!("{}:{}", s.key, s.what.name()))
            .collect();
        // Keys are what later steps call earlier ones by.
        let mut keys: Vec<&str> = steps.iter().map(|s| s.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), steps.len(), "{words:?}");
        words.join(" ")
    }

    #[test]
    fn a_newcomer_is_proven_before_it_is_let_in() {
        assert_eq!(
            shown(&newcomer("server").steps()),
            "server:server active:active proof:announced key:accept ping:ping grains:grains highstate:highstate"
        );
    }

    #[test]
    fn the_old_server_goes_last() {
        let there = |n: u8| Address::There {
            id: n.to_string(),
            address: format!("1.2.3.{n}"),
            before: None,
        };
        let mut replacement = Replacement {
            old: ("o".into(), "app2".into()),
            new: newcomer("green"),
            health: Some(("test.ping".into(), 5)),
            test: Some(("ext".into(), None)),
            addresses: vec![there(4), there(5)],
            probe: None,
            soak: 60,
            keep_old: false,
        };
        assert_eq!(
            shown(&replacement.steps()),
            "claim:claim green:server green-active:active green-proof:announced green-key:accept green-ping:ping \
             green-grains:grains green-highstate:highstate health:health test-address:allocate test-flip:flip \
             test-over:give-back flip:flip flip-2:flip soak:soak retire:retire release:release"
        );
        replacement.keep_old = true;
        let steps = replacement.steps();
        assert!(
            steps.iter().all(|s| !s.what.is_final()),
            "everything can be undone"
        );
    }

    #[test]
    fn an_image_is_made_of_a_disk_that_forgot_who_it_was() {
        let mut clone = newcomer("clone");
        clone.server.image = "{image}".into();
        let bake = Bake {
            builder: newcomer("builder"),
            image: "golden".into(),
            properties: BTreeMap::new(),
            signer: None,
            allow_changes: false,
            generalize: Some("x".into()),
            within: 900,
            clone: Some(clone),
        };
        let steps = bake.steps();
        let text = shown(&steps);
        let at = |word: &str| {
            text.find(word)
                .unwrap_or_else(|| panic!("{word} in {text}"))
        };
        assert!(at("again:highstate") < at("generalize:generalize"));
        assert!(
            at("generalize:generalize") < at("stop:stop") && at("stop:stop") < at("image:snapshot")
        );
        assert!(at("provenance:provenance") < at("builder-removed:remove"));
        assert!(
            at("builder-forgotten:forget") < at("clone:server"),
            "the clone has the builder's id"
        );
        for step in &steps {
            if let What::Forget { accepted, .. } = &step.what {
                assert!(steps.iter().any(|s| s.key == *accepted), "{accepted}");
            }
        }
    }
}
