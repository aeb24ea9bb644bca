//! The real binary, killed (SIGKILL) at each point of the way there and back.

use harness::{Agent, until};

use crate::pair::{Pair, leftovers, on_only, status, wait_state};

const THERE: [&str; 8] = [
    "journaled staged",
    "after open",
    "journaled verifying",
    "before switch",
    "after switch",
    "after promote",
    "journaled probation",
    "after release",
];
const BACK: [&str; 3] = ["journaled returning", "after restore", "after promote"];

pub(crate) fn killed_at_any_point_it_comes_back_on_one_master(pair: &Pair) {
    // Side by side: each has its own point.
    std::thread::scope(|scope| {
        for (n, point) in THERE.iter().enumerate() {
            scope.spawn(move || there(pair, &format!("cut{n}"), point));
        }
    });
    std::thread::scope(|scope| {
        for (n, point) in BACK.iter().enumerate() {
            scope.spawn(move || back(pair, &format!("cutback{n}"), point));
        }
    });
}

fn dead(agent: &mut Agent, point: &str) {
    until(60, &format!("{} to be killed {point}", agent.id), || {
        agent.process().ended().is_some_and(|code| code == -9)
    });
}

fn there(pair: &Pair, id: &str, point: &str) {
    let mut agent = pair.known_agent(id);
    agent.kill();
    agent.run_until(point);
    on_only(&agent, &pair.old);
    // Its answer may be lost with it.
    pair.order_here(&agent, &["--confirm", "120"]);
    dead(&mut agent, point);
    agent.run();
    wait_state(&agent, "probation");
    on_only(&agent, &pair.new);
    agent.command("remaster", &["confirm"]).success();
    until(60, &format!("{point}: {id} to be confirmed"), || {
        status(&agent)["last"]["outcome"] == "confirmed"
    });
    assert!(!leftovers(&agent), "{point}");
}

fn back(pair: &Pair, id: &str, point: &str) {
    let mut agent = pair.known_agent(id);
    pair.order_here(&agent, &["--confirm", "120"]).success();
    wait_state(&agent, "probation");
    agent.kill();
    agent.run_until(point);
    on_only(&agent, &pair.new);
    agent.command("remaster", &["rollback"]);
    dead(&mut agent, point);
    agent.run();
    until(60, &format!("{point}: {id} to be back"), || {
        status(&agent)["last"]["outcome"] == "rolled_back"
    });
    on_only(&agent, &pair.old);
    assert!(!leftovers(&agent), "{point}");
}
