//! What a network does to a move: a port that swallows, a way that is lost, a cable that is pulled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::{Address, Agent, Master, NetNs, Release, until};

use crate::pair::{Direction, answers, introduce, on_only, status, wait_end, wait_state, ways};

#[test]
fn through_a_network_that_fails() {
    for way in ways((Release::V3008, Release::V3008)) {
        fails(way);
    }
}

fn fails((from, to): Direction) {
    let Some(space) = NetNs::new() else { return };
    let second = format!("{}102", space.here.trim_end_matches('1'));
    space.add_here(&second);
    let (old, new) = std::thread::scope(|scope| {
        let old = scope.spawn(|| {
            Master::of(from)
                .auto_accept()
                .at(&Address::from(space.here.as_str()))
                .start()
        });
        let new = Master::of(to).at(&Address::from(second.as_str())).start();
        (old.join().unwrap(), new)
    });
    let config = "agent: {trust: first-use, dead_after: 2s}\nkeysize: 2048\n";
    let mut agent = Agent::prepare("netted", &old.address.to_string(), config);
    agent.run_in(&space.name);
    agent.wait_ready();
    introduce(&agent, &new);
    let (to, finger) = (format!("{}:4506", new.address), new.finger());
    let order = |more: &[&str]| {
        let args = ["to", &to, "--finger", &finger, "-o", "json"];
        agent.command("remaster", &[&args[..], more].concat())
    };

    // 4506 alone swallows what is sent to it.
    let swallow = |action| {
        let rule = ["to", &second, "ipproto", "tcp", "dport", "4506"];
        space.inside(&[&["rule", action], &rule[..], &["blackhole"]].concat());
    };
    swallow("add");
    let ended = order(&["--follow"]);
    assert_eq!(
        ended.json()["last"]["reason"],
        "port-4506-closed",
        "{ended:?}"
    );
    on_only(&agent, &old);
    swallow("del");

    // The way to the new master is lost after the switch: back to the old one.
    order(&["--confirm", "120"]).success();
    wait_state(&agent, "probation");
    on_only(&agent, &new);
    space.inside(&["route", "add", "blackhole", &format!("{second}/32")]);
    let end = wait_end(&agent, "rolled_back");
    let reason = end["last"]["reason"].as_str().unwrap().to_owned();
    assert!(
        [
            "master-silent",
            "timeout",
            "unreachable",
            "connection-closed"
        ]
        .contains(&reason.as_str()),
        "{end}"
    );
    on_only(&agent, &old);
    space.inside(&["route", "del", "blackhole", &format!("{second}/32")]);

    // The whole cable is pulled in the middle, and for a while: the move goes on where it was.
    order(&["--confirm", "120"]).success();
    wait_state(&agent, "probation");
    space.cut(true);
    until(60, "the agent to notice", || {
        agent.status()["masters"][0]["state"] != "ready"
    });
    space.cut(false);
    until(90, "one master to answer", || {
        answers(&old, "netted") || answers(&new, "netted")
    });
    until(90, "one of both to be decided on", || {
        matches!(
            status(&agent)["state"].as_str(),
            Some("probation" | "steady")
        )
    });
    let there = status(&agent)["state"] == "probation";
    on_only(&agent, if there { &new } else { &old });

    a_loose_contact(&space, &old, &new);
}

/// A quarter of the time nothing comes through: what TCP repeats arrives, and the move is made.
fn a_loose_contact(space: &NetNs, old: &Master, new: &Master) {
    let config = "agent: {trust: first-use}\nkeysize: 2048\n";
    let mut agent = Agent::prepare("loose", &old.address.to_string(), config);
    agent.run_in(&space.name);
    agent.wait_ready();
    introduce(&agent, new);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                space.cut(true);
                std::thread::sleep(Duration::from_millis(150));
                space.cut(false);
                std::thread::sleep(Duration::from_millis(450));
            }
        });
        let (to, finger) = (format!("{}:4506", new.address), new.finger());
        let order = ["to", &to, "--finger", &finger, "--rounds", "3"];
        let ordered = agent.command("remaster", &order);
        let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_end(&agent, "confirmed")
        }));
        over.store(true, Ordering::Relaxed);
        assert_eq!(ordered.code, 0, "{ordered:?}");
        end.unwrap();
    });
    on_only(&agent, new);
    assert!(answers(new, "loose"));
}
