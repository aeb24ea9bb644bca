//! The ways that a move goes between two masters that are shared by all cases of a direction.

use std::fs;
use std::ops::Range;

use harness::{until, until_some};

use crate::pair::{
    DIRECTIONS, Direction, Pair, all_ways, answers, drop_in, leftovers, on_only, status, wait_end,
    wait_state,
};
use crate::{adopted, both, kills, trouble};

/// What two ordinary masters are enough for.
const CASES: [fn(&Pair); 14] = [
    what_cannot_be_reached_is_not_tried,
    waits_for_its_key_then_moves_and_stays,
    a_wrong_fingerprint_is_refused,
    an_unconfirmed_move_is_undone,
    the_ordered_round_trips_confirm,
    a_list_is_lived_with,
    trouble::a_look_leaves_no_trace,
    trouble::everything_that_goes_wrong_has_its_word,
    trouble::who_writes_into_the_configuration_is_not_obeyed,
    both::a_job_a_second_through_the_whole_move,
    both::only_the_active_master_runs_states,
    both::the_new_master_gives_jobs_before_the_switch,
    kills::killed_at_any_point_it_comes_back_on_one_master,
    adopted::adopt_and_a_move_one_after_the_other,
];

/// The cases that this way usually has, or all of them.
fn go((from, to): Direction, usual: Range<usize>) {
    let Some(pair) = Pair::of(from, to) else {
        return;
    };
    let cases = if all_ways() { &CASES } else { &CASES[usual] };
    for case in cases {
        case(&pair);
    }
}

#[test]
fn from_3008_to_3006() {
    go(DIRECTIONS[0], 0..6);
}

#[test]
fn from_3006_to_3008() {
    go(DIRECTIONS[1], 6..10);
}

#[test]
fn from_3007_to_3008() {
    go(DIRECTIONS[2], 9..14);
}

fn what_cannot_be_reached_is_not_tried(pair: &Pair) {
    let agent = pair.agent("careful");
    let good = format!("{}:4506", pair.new.address);
    let looks = agent
        .command("remaster", &["check", &good, "-o", "json"])
        .success()
        .json();
    assert_eq!(looks["request port"]["ok"], true, "{looks}");
    let closed = format!("{}:4599", pair.new.address);
    let looks = agent.command("remaster", &["check", &closed, "-o", "json"]);
    assert_eq!(looks.code, 1);
    assert_eq!(looks.json()["request port"]["reason"], "port-4506-closed");
    let ours = pair.old.address.to_string();
    let looks = agent
        .command("remaster", &["check", &ours, "-o", "json"])
        .json();
    assert_eq!(looks["configuration"]["reason"], "same-master");

    let finger = pair.new.finger();
    let ended = agent.command(
        "remaster",
        &["to", &closed, "--finger", &finger, "--follow", "-o", "json"],
    );
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(
        ended.json()["last"]["reason"],
        "port-4506-closed",
        "{ended:?}"
    );
    let nothing = agent.command("remaster", &["confirm"]);
    assert!(
        nothing.stderr.contains("no order is under way"),
        "{nothing:?}"
    );
    on_only(&agent, &pair.old);
    assert_eq!(
        pair.new.keys("minions_pre"),
        Vec::<String>::new(),
        "no trace there"
    );
}

fn waits_for_its_key_then_moves_and_stays(pair: &Pair) {
    let mut agent = pair.agent("mover");
    let taken = pair.order("mover", &pair.new.finger(), &["confirm=120"]);
    assert_eq!(taken["state"], "staged", "{taken}");
    wait_state(&agent, "waiting");
    assert!(answers(&pair.old, "mover"), "managed while it waits");
    let again = pair.order("mover", &pair.new.finger(), &[]);
    assert!(again.as_str().unwrap().contains("under way"), "{again}");
    // A power cut in the middle, and an agent that is upgraded meanwhile.
    agent.kill();
    agent.run();
    wait_state(&agent, "waiting");
    pair.new.accept("mover");
    let moved = wait_state(&agent, "probation");
    assert!(moved["since"]["waiting"].is_number(), "{moved}");
    on_only(&agent, &pair.new);
    assert!(answers(&pair.new, "mover"));
    let confirmed = pair.new.salt(&["mover", "remaster.confirm"]);
    assert_eq!(
        confirmed["mover"]["last"]["outcome"], "confirmed",
        "{confirmed}"
    );
    assert!(!leftovers(&agent));

    agent.kill();
    agent.run();
    on_only(&agent, &pair.new);
    let conf = fs::read_to_string(drop_in(&agent)).unwrap();
    assert!(conf.contains(&pair.new.finger()), "{conf}");
}

fn a_wrong_fingerprint_is_refused(pair: &Pair) {
    let agent = pair.agent("stayer");
    let wrong = vec!["00"; 32].join(":");
    pair.order("stayer", &wrong, &[]);
    // A master shows its key to accepted minions only.
    pair.new.accept("stayer");
    let end = until_some(60, "the refusal", || {
        let status = status(&agent);
        status["last"]["reason"].is_string().then_some(status)
    });
    assert_eq!(end["last"]["reason"], "master-key-mismatch", "{end}");
    on_only(&agent, &pair.old);
    assert!(answers(&pair.old, "stayer"));
    assert!(!drop_in(&agent).exists());
    assert!(!leftovers(&agent));
}

fn an_unconfirmed_move_is_undone(pair: &Pair) {
    let agent = pair.known_agent("homesick");
    pair.order("homesick", &pair.new.finger(), &["confirm=8"]);
    wait_state(&agent, "probation");
    on_only(&agent, &pair.new);
    let end = wait_state(&agent, "steady");
    assert_eq!(end["last"]["reason"], "unconfirmed", "{end}");
    on_only(&agent, &pair.old);
    assert!(answers(&pair.old, "homesick"));
    assert!(!drop_in(&agent).exists());
}

fn the_ordered_round_trips_confirm(pair: &Pair) {
    let agent = pair.known_agent("sure");
    pair.order_here(&agent, &["--rounds", "2", "--confirm", "60"])
        .success();
    wait_end(&agent, "confirmed");
    on_only(&agent, &pair.new);
}

/// From one master to a failover list with the old one as its second.
fn a_list_is_lived_with(pair: &Pair) {
    let agent = pair.known_agent("listed");
    let others = format!(
        "others=[{{\"master\": \"{}\", \"finger\": \"{}\"}}]",
        pair.old.address,
        pair.old.finger()
    );
    let taken = pair.order(
        "listed",
        &pair.new.finger(),
        &[&others, "failover=True", "rounds=1"],
    );
    assert_eq!(taken["state"], "staged", "{taken}");
    wait_end(&agent, "confirmed");
    on_only(&agent, &pair.new);
    let conf = fs::read_to_string(drop_in(&agent)).unwrap();
    assert!(conf.contains("master_type: failover"), "{conf}");
    let own = format!("pki/minion/masters/{}_4506.pub", pair.old.address);
    let own = fs::read_to_string(agent.config_dir().join(own)).unwrap();
    let key = fs::read_to_string(pair.old.pki_dir().join("master.pub")).unwrap();
    assert_eq!(own.trim(), key.trim());

    // From that list to another: both at once.
    let other = format!(
        "others=[{{\"master\": \"{}\", \"finger\": \"{}\"}}]",
        pair.new.address,
        pair.new.finger()
    );
    let (to, finger) = (
        format!("master={}", pair.old.address),
        format!("finger={}", pair.old.finger()),
    );
    let to_it = |terms: &[&str]| {
        let order = [&["listed", "remaster.to", &to, &finger, "rounds=1"], terms].concat();
        let taken = pair.new.salt(&order);
        assert_eq!(taken["listed"]["state"], "staged", "{taken}");
        wait_end(&agent, "confirmed");
    };
    to_it(&[&other, "id=both"]);
    until(60, "both to be there", || {
        let status = agent.status();
        let masters = status["masters"].as_array().cloned().unwrap_or_default();
        masters.len() == 2 && masters.iter().all(|m| m["state"] == "ready")
    });
    assert!(answers(&pair.old, "listed") && answers(&pair.new, "listed"));
    // And from a list to one.
    to_it(&["id=one"]);
    on_only(&agent, &pair.old);
}
