//! Two masters and what the cases do with them.

use std::fs;
use std::path::PathBuf;

use harness::{Agent, Master, Release, until, until_some};
use serde_json::Value;

/// From which release to which.
pub(crate) type Direction = (Release, Release);

/// The ways that a move goes.
pub(crate) const DIRECTIONS: [Direction; 3] = [
    (Release::V3008, Release::V3006),
    (Release::V3006, Release::V3008),
    (Release::V3007, Release::V3008),
];

/// Whether each case goes all ways (`make directions`), and not only one.
pub(crate) fn all_ways() -> bool {
    std::env::var_os("DIRECTIONS").is_some_and(|ways| ways == "all")
}

/// The ways that a case goes which usually goes this one.
pub(crate) fn ways(usual: Direction) -> Vec<Direction> {
    let ways = if all_ways() { &DIRECTIONS[..] } else { &[] };
    let mut ways: Vec<Direction> = ways.iter().copied().filter(|way| *way != usual).collect();
    ways.insert(0, usual);
    ways.retain(|(from, to)| from.is_installed() && to.is_installed());
    ways
}

/// An old master that accepts everybody, and a new one that accepts nobody.
pub(crate) struct Pair {
    pub(crate) old: Master,
    pub(crate) new: Master,
}

impl Pair {
    /// Both, if they are installed; they start side by side.
    pub(crate) fn of(from: Release, to: Release) -> Option<Self> {
        if !from.is_installed() || !to.is_installed() {
            return None;
        }
        std::thread::scope(|scope| {
            let old = scope.spawn(|| {
                Master::of(from)
                    .auto_accept()
                    .file("srv/pillar/top.sls", "base: {'pillared': [some]}\n")
                    .file("srv/pillar/some.sls", "password: secret\n")
                    .start()
            });
            let new = Master::of(to)
                .file(
                    "srv/salt/top.sls",
                    "base: {'budget*': [change], 'early': [slow]}\n",
                )
                .file(
                    "srv/salt/slow.sls",
                    "{% do salt['test.sleep'](10) %}\nslow: {test.nop: []}\n",
                )
                .file(
                    "srv/salt/change.sls",
                    "one: {test.succeed_with_changes: []}\ntwo: {test.succeed_with_changes: []}\n",
                )
                .start();
            Some(Self {
                old: old.join().unwrap(),
                new,
            })
        })
    }

    /// An agent that is ready on the old master.
    pub(crate) fn agent(&self, id: &str) -> Agent {
        let mut agent = Agent::start(
            id,
            &self.old.address.to_string(),
            "agent: {trust: first-use, dead_after: 3s}\nkeysize: 2048",
        );
        agent.wait_ready();
        agent
    }

    /// One whose key the new master has accepted already, as the bridge does it.
    pub(crate) fn known_agent(&self, id: &str) -> Agent {
        let agent = self.agent(id);
        self.introduce(&agent);
        agent
    }

    /// Carries the agent's public key to the new master.
    pub(crate) fn introduce(&self, agent: &Agent) {
        introduce(agent, &self.new);
    }

    /// Orders a move through the old master; what the agent answered.
    pub(crate) fn order(&self, id: &str, finger: &str, more: &[&str]) -> Value {
        let (master, finger) = (
            format!("master={}", self.new.address),
            format!("finger={finger}"),
        );
        let mut args = vec![id, "remaster.to", &master, &finger];
        args.extend(more);
        self.old.salt(&args)[id].clone()
    }

    /// Orders a good move at the agent itself.
    pub(crate) fn order_here(&self, agent: &Agent, more: &[&str]) -> harness::Finished {
        let (to, finger) = (format!("{}:4506", self.new.address), self.new.finger());
        let mut args = vec!["to", &to, "--finger", &finger, "-o", "json"];
        args.extend(more);
        agent.command("remaster", &args)
    }

    /// Orders a move that fails, and gives its reason. The agent is where it was, and answers there.
    pub(crate) fn fails(&self, agent: &Agent, more: &[&str]) -> String {
        let ended = self.order_here(agent, &[&["--follow"], more].concat());
        assert_eq!(ended.code, 1, "{ended:?}");
        let ended = ended.json();
        on_only(agent, &self.old);
        assert!(!drop_in(agent).exists() && !leftovers(agent), "{ended}");
        ended["last"]["reason"].as_str().unwrap().to_owned()
    }
}

/// Carries the agent's public key to a master.
pub(crate) fn introduce(agent: &Agent, master: &Master) {
    let key = fs::read_to_string(agent.config_dir().join("pki/minion/minion.pub")).unwrap();
    let folder = master.pki_dir().join("minions");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(&agent.id), key.trim_end()).unwrap();
}

/// Null while nobody is there to be asked.
pub(crate) fn status(agent: &Agent) -> Value {
    let asked = agent.command("remaster", &["status", "-o", "json"]);
    serde_json::from_str(&asked.stdout).unwrap_or_default()
}

pub(crate) fn wait_state(agent: &Agent, state: &str) -> Value {
    until_some(90, &format!("{} to be {state}", agent.id), || {
        let status = status(agent);
        (status["state"] == state).then_some(status)
    })
}

/// Waits until the last order has ended like this.
pub(crate) fn wait_end(agent: &Agent, outcome: &str) -> Value {
    until_some(
        90,
        &format!("the move of {} to be {outcome}", agent.id),
        || {
            let status = status(agent);
            (status["state"] == "steady" && status["last"]["outcome"] == outcome).then_some(status)
        },
    )
}

pub(crate) fn answers(master: &Master, id: &str) -> bool {
    master
        .run(
            "salt",
            &["--out", "json", "--static", "-t", "5", id, "test.ping"],
        )
        .stdout
        .contains("true")
}

/// One master and no other, in configuration and connections.
pub(crate) fn on_only(agent: &Agent, master: &Master) {
    let address = format!("{}:4506", master.address);
    until(90, &format!("{} to be on {address} only", agent.id), || {
        let report = agent.status();
        let masters = report["masters"].as_array().cloned().unwrap_or_default();
        masters.len() == 1
            && masters[0]["address"] == address.as_str()
            && masters[0]["state"] == "ready"
    });
    let pinned = agent.config_dir().join("pki/minion/minion_master.pub");
    let pinned = fs::read_to_string(pinned).unwrap();
    let key = fs::read_to_string(master.pki_dir().join("master.pub")).unwrap();
    assert_eq!(pinned.trim(), key.trim(), "the pin is another master's");
    if drop_in(agent).exists() {
        let conf = fs::read_to_string(drop_in(agent)).unwrap();
        assert!(conf.contains(&master.address.to_string()), "{conf}");
    }
}

pub(crate) fn drop_in(agent: &Agent) -> PathBuf {
    agent.config_dir().join("minion.d/90-remaster.conf")
}

pub(crate) fn leftovers(agent: &Agent) -> bool {
    let folder = agent.config_dir().join("pki/minion/remaster");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.filter_map(|e| e.file_name().into_string().ok());
    names.any(|name| name.starts_with("candidate"))
}
