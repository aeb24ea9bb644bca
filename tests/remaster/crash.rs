//! The bridge is killed at each boundary between what it writes and what it does; resumed, and rolled back,
//! it comes to the same world every time.

use harness::{Agent, Master, Release, until};

use crate::fleet::{bridge, killed};

const IDS: [&str; 2] = ["c1", "c2"];

/// Every point of the way there, in its order.
const THERE: [&str; 11] = [
    "plan.written",
    "hand-over.begun",
    "hand-over.effect",
    "hand-over.done",
    "move.begun",
    "move.sent",
    "move.done",
    "settle.done",
    "confirm.begun",
    "confirm.sent",
    "confirm.done",
];

/// And of the way back.
const BACK: [&str; 3] = ["return.begun", "return.sent", "return.done"];

#[test]
fn killed_anywhere_it_comes_to_the_same_end() {
    let (from, to) = (Release::V3006, Release::V3008);
    if !from.is_installed() || !to.is_installed() {
        return;
    }
    let old = Master::of(from).auto_accept().start();
    let new = Master::of(to).start();
    let mut agents = IDS.map(|id| Agent::start(id, &old.address.to_string(), "keysize: 2048"));
    for agent in &mut agents {
        agent.wait_ready();
    }
    let config = new.config_dir().display().to_string();
    let go = [
        "-y",
        "remaster-all",
        "--to-config",
        &config,
        "--canary",
        "0",
        "--wave",
        "100%",
    ];
    for (at, point) in THERE.into_iter().enumerate() {
        killed(&old, point, &go);
        let interrupted = bridge(&old, &["-o", "json", "ops", "show", "last"]).json();
        assert_eq!(interrupted["state"], "interrupted", "{point}");
        // Its minions belong to it until it is over.
        if point != "confirm.done" && at == 0 {
            assert_eq!(bridge(&old, &go).code, 6, "{point}");
        }
        let resumed = bridge(&old, &["-o", "json", "ops", "resume", "last"]);
        assert_eq!(resumed.code, 0, "{point}: {resumed:?}");
        for id in IDS {
            let moved = resumed.json();
            assert_eq!(
                crate::fleet::result(&moved, id)["result"],
                "moved",
                "{point}: {moved}"
            );
        }
        only_on(&new, &agents, point);
        assert_eq!(
            bridge(&old, &["ops", "resume", "last"]).code,
            6,
            "it is over"
        );
        if let Some(back) = BACK.get(at) {
            killed(&old, back, &["-y", "ops", "rollback", "last"]);
            assert_eq!(
                bridge(&old, &["ops", "resume", "last"]).code,
                6,
                "{back}: it is on its way back"
            );
        }
        let rolled = bridge(&old, &["-y", "-o", "json", "ops", "rollback", "last"]);
        assert_eq!(rolled.code, 0, "{point}: {rolled:?}");
        only_on(&old, &agents, point);
        assert_eq!(
            new.keys("minions"),
            Vec::<String>::new(),
            "{point}: keys that were put there"
        );
        let over = bridge(&old, &["-o", "json", "ops", "show", "last"]).json();
        assert_eq!(over["state"], "rolled-back", "{point}");
    }
}

/// Everyone is on this master alone, and at rest.
fn only_on(master: &Master, agents: &[Agent], point: &str) {
    let address = format!("{}:4506", master.address);
    for agent in agents {
        until(
            60,
            &format!("{} to be on {address} only ({point})", agent.id),
            || {
                let status = agent.status();
                let masters = status["masters"].as_array().cloned().unwrap_or_default();
                let moving = agent.command("remaster", &["status", "-o", "json"]);
                let moving: serde_json::Value =
                    serde_json::from_str(&moving.stdout).unwrap_or_default();
                masters.len() == 1
                    && masters[0]["address"] == address.as_str()
                    && masters[0]["state"] == "ready"
                    && moving["state"] == "steady"
            },
        );
    }
}
