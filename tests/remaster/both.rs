//! While two masters are there: jobs of both are served, states are the active one's, nothing is lost.

use std::fs;
use std::time::{Duration, Instant};

use harness::{Client, until};
use serde_json::{Value, json};

use crate::pair::{Pair, on_only, status, wait_end, wait_state};

/// A job of the old master is still running when the agent has moved: the old one is heard, and answered,
/// and must not change states; the new one may.
pub(crate) fn only_the_active_master_runs_states(pair: &Pair) {
    let agent = pair.known_agent("torn");
    let (mut old, mut new) = (Client::of(&pair.old), Client::of(&pair.new));
    let long = old.publish("torn", "cmd.run", json!(["sleep 25; echo done"]), 1);
    until(30, "the long job to run", || {
        agent.status()["jobs"]
            .as_array()
            .is_some_and(|jobs| !jobs.is_empty())
    });
    pair.order_here(&agent, &[]).success();
    wait_state(&agent, "probation");

    let (ping, _) = old.call("torn", "test.ping", json!([]), json!({}));
    assert_eq!(ping, true, "the old master is still heard");
    let state = json!(["test.succeed_with_changes", "x"]);
    let (refused, _) = old.call("torn", "state.single", state.clone(), json!({}));
    let words = refused.as_str().unwrap_or_default();
    assert!(
        words.contains("not-active-master") && words.contains(&pair.new.address.to_string()),
        "{refused}"
    );
    let (tried, _) = old.call("torn", "state.single", state.clone(), json!({"test": true}));
    assert!(tried.is_object(), "{tried}");
    let (refused, _) = old.call("torn", "remaster.confirm", json!([]), json!({}));
    assert!(
        refused
            .as_str()
            .unwrap_or_default()
            .contains("not-active-master"),
        "{refused}"
    );
    let (done, _) = new.call("torn", "state.single", state, json!({}));
    assert!(done.is_object(), "{done}");

    let mut returned = Value::Null;
    until(60, "the old master's job to be answered to it", || {
        returned = old.returns("torn", &long).remove(0);
        !returned.is_null()
    });
    assert_eq!(returned, "done");
    let (confirmed, _) = new.call("torn", "remaster.confirm", json!([]), json!({}));
    assert_eq!(confirmed["last"]["outcome"], "confirmed", "{confirmed}");
    on_only(&agent, &pair.new);
}

/// While the agent tries the states of the new master, both give jobs; only the old one may change something yet.
pub(crate) fn the_new_master_gives_jobs_before_the_switch(pair: &Pair) {
    let agent = pair.known_agent("early");
    let (mut old, mut new) = (Client::of(&pair.old), Client::of(&pair.new));
    pair.order_here(&agent, &["--changes", "0"]).success();
    wait_state(&agent, "verifying");
    let state = json!(["test.succeed_with_changes", "x"]);
    let (ping, _) = new.call("early", "test.ping", json!([]), json!({}));
    let (refused, _) = new.call("early", "state.single", state.clone(), json!({}));
    let (done, _) = old.call("early", "state.single", state, json!({}));
    assert_eq!(status(&agent)["state"], "verifying", "it was over early");
    assert_eq!(ping, true);
    let words = refused.as_str().unwrap_or_default();
    assert!(
        words.contains("not-active-master") && words.contains(&pair.old.address.to_string()),
        "{refused}"
    );
    assert!(done.is_object(), "{done}");
    wait_state(&agent, "probation");
    let (confirmed, _) = new.call("early", "remaster.confirm", json!([]), json!({}));
    assert_eq!(confirmed["last"]["outcome"], "confirmed", "{confirmed}");
    on_only(&agent, &pair.new);
}

/// Where the busy agent is on its way.
#[derive(Clone, Copy, PartialEq)]
enum Leg {
    There,
    Back,
    Again,
    Kept,
}

/// Each job writes into a file of its own: twice run is two lines, lost is none. There, back, and there for good.
pub(crate) fn a_job_a_second_through_the_whole_move(pair: &Pair) {
    let agent = pair.agent("busy");
    let mut clients = [Client::of(&pair.old), Client::of(&pair.new)];
    let counters = agent.dir().join("counters");
    fs::create_dir(&counters).unwrap();
    let mut jobs: Vec<(usize, String)> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let (mut leg, mut after) = (Leg::There, 0);
    let end = Instant::now() + Duration::from_secs(180);
    while (leg, after) != (Leg::Kept, 2) {
        assert!(Instant::now() < end, "the move did not end: {seen:?}");
        let tick = Instant::now();
        let state = status(&agent)["state"].as_str().unwrap_or("").to_owned();
        // The operator asks the master that the agent is on.
        let on = match leg {
            Leg::There | Leg::Again => usize::from(state == "probation"),
            Leg::Back => usize::from(state != "steady"),
            Leg::Kept => 1,
        };
        let file = counters.join(jobs.len().to_string());
        let work = json!([format!("echo run >> {}", file.display())]);
        let jid = clients[on].publish("busy", "cmd.run", work, 1).remove(0);
        jobs.push((on, jid));
        if seen.last() != Some(&state) {
            seen.push(state.clone());
        }
        let order = || pair.order_here(&agent, &["--confirm", "100"]).success();
        match (leg, state.as_str()) {
            (Leg::There, "steady") if jobs.len() == 2 => drop(order()),
            (Leg::There, "waiting") if pair.new.keys("minions_pre").iter().any(|k| k == "busy") => {
                pair.new.accept("busy");
            }
            (Leg::There | Leg::Again, "probation") => after += 1,
            (Leg::Back, "steady") => after += 1,
            (Leg::Kept, _) => after += 1,
            _ => {}
        }
        let say = |word| drop(agent.command("remaster", &[word]).success());
        match (leg, after) {
            (Leg::There, 2) => {
                say("rollback");
                (leg, after) = (Leg::Back, 0);
            }
            (Leg::Back, 2) => {
                order();
                (leg, after) = (Leg::Again, 0);
            }
            (Leg::Again, 2) => {
                say("confirm");
                (leg, after) = (Leg::Kept, 0);
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_secs(1).saturating_sub(tick.elapsed()));
    }
    wait_end(&agent, "confirmed");
    on_only(&agent, &pair.new);
    assert!(seen.iter().any(|s| s == "waiting"), "{seen:?}");
    for (number, (on, jid)) in jobs.iter().enumerate() {
        let mut returned = Value::Null;
        until(
            30,
            &format!("job {number} of {} to be answered", jobs.len()),
            || {
                returned = clients[*on]
                    .returns("busy", std::slice::from_ref(jid))
                    .remove(0);
                !returned.is_null()
            },
        );
        let lines = fs::read_to_string(counters.join(number.to_string())).unwrap();
        assert_eq!(lines, "run\n", "job {number} ({jid})");
    }
    assert!(jobs.iter().filter(|(on, _)| *on == 1).count() >= 3);
}
