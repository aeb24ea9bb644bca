//! The table, held against itself: every state × every event; every prefix of every path, restarted.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;

use salt_wire::order::Order;

use super::effect::Effect;
use super::event::Event;
use super::state::{Cause, Journey, Millis, Previous, SavedFile, Stage, State};
use super::step::{MAX_RESTARTS, step};
use crate::testing::page_is;

const NOW: Millis = 1_000_000_000;
const LATE: Millis = NOW * 2;

fn order(confirm: u64) -> Order {
    Order {
        id: "o1".into(),
        master: "new".into(),
        publish_port: 4505,
        master_port: 4506,
        finger: "ab".into(),
        wait: 600,
        confirm,
        highstate: false,
        expires: LATE,
        rounds: 0,
        changes: None,
        key: None,
        rekey: false,
        others: Vec::new(),
        failover: false,
    }
}

fn previous() -> Box<Previous> {
    Box::new(Previous {
        master: "old".into(),
        files: vec![SavedFile {
            path: "conf".into(),
            text: None,
        }],
        ..Previous::default()
    })
}

fn cause() -> Cause {
    Cause::new("test", "a test")
}

fn journey() -> Journey {
    Journey {
        order: order(300),
        previous: *previous(),
        marks: Vec::new(),
        restarts: 0,
        trouble: None,
        rounds: 0,
    }
}

fn states() -> Vec<State> {
    let deadline = NOW + 1000;
    vec![
        State::Steady { last: None },
        State::Staged { journey: journey() },
        State::Trial {
            journey: journey(),
            deadline,
        },
        State::Waiting {
            journey: journey(),
            deadline,
        },
        State::Verifying {
            journey: journey(),
            deadline,
        },
        State::Committing { journey: journey() },
        State::Probation {
            journey: journey(),
            deadline,
        },
        State::Returning {
            journey: journey(),
            cause: cause(),
        },
        State::RollingBack {
            journey: journey(),
            cause: cause(),
        },
    ]
}

/// Every event; the deadline once too early and once due.
fn events() -> Vec<(String, Event, Millis)> {
    let mut all: Vec<_> = [
        Event::Ordered(order(300), previous()),
        Event::Done,
        Event::Failed(cause()),
        Event::Authenticated,
        Event::Pending,
        Event::Denied(cause()),
        Event::Answered,
        Event::Trouble(cause()),
        Event::Lost(cause()),
        Event::Round,
        Event::Cancel,
        Event::Confirm,
        Event::Rollback,
        Event::Restarted,
    ]
    .into_iter()
    .map(|e| (e.name().to_owned(), e, NOW))
    .collect();
    let foreign = Cause::new(Cause::FOREIGN, "a test");
    all.push((
        "failed (config changed)".into(),
        Event::Failed(foreign),
        NOW,
    ));
    all.push(("deadline (early)".into(), Event::Deadline, NOW));
    all.push(("deadline".into(), Event::Deadline, LATE));
    all
}

#[test]
fn samples_cover_every_state_and_event() {
    let names: BTreeSet<_> = states().iter().map(State::name).collect();
    assert_eq!(names.len(), 9);
    let names: BTreeSet<_> = events().iter().map(|(_, e, _)| e.name()).collect();
    assert_eq!(names.len(), 15);
}

/// The table as Markdown.
fn table() -> String {
    let mut out = String::from("| state | event | next | effects |\n|---|---|---|---|\n");
    for state in states() {
        let mut stays = Vec::new();
        for (name, event, now) in events() {
            let Ok((next, effects)) = step(state.clone(), event, now) else {
                continue;
            };
            if next.name() == state.name() && effects.is_empty() {
                stays.push(name);
                continue;
            }
            let effects: Vec<_> = effects.iter().map(Effect::name).collect();
            let (from, to, effects) = (state.name(), next.name(), effects.join(", "));
            writeln!(out, "| {from} | {name} | {to} | {effects} |").unwrap();
        }
        if !stays.is_empty() {
            let name = state.name();
            writeln!(out, "| {name} | {} | *stays* | |", stays.join(", ")).unwrap();
        }
    }
    out
}

/// The page as the code has it.
fn page() -> String {
    format!(
        "# The states of a move\n\n\
         What the agent does when something happens, cell by cell, printed from the code. What is not listed is\n\
         refused with a reason; *stays* is the same state without anything to do. Each state is on disk before\n\
         its effects begin.\n\n{}",
        table()
    )
}

#[test]
fn the_docs_show_this_table() {
    page_is("remaster-table.md", &page(), "remaster::table");
}

/// What the style of the machine promises, cell by cell.
#[test]
fn the_cells_that_matter() {
    let cells = [
        ("steady", "ordered", "staged"),
        ("staged", "done", "trial"),
        ("staged", "failed", "steady"),
        ("staged", "cancel", "steady"),
        ("trial", "authenticated", "verifying"),
        ("trial", "pending", "waiting"),
        ("trial", "denied", "rolling_back"),
        ("trial", "deadline", "rolling_back"),
        ("trial", "deadline (early)", "trial"),
        ("trial", "lost", "trial"),
        ("trial", "cancel", "rolling_back"),
        ("waiting", "authenticated", "verifying"),
        ("waiting", "deadline", "rolling_back"),
        ("waiting", "cancel", "rolling_back"),
        ("verifying", "answered", "committing"),
        ("verifying", "lost", "rolling_back"),
        ("verifying", "cancel", "rolling_back"),
        ("verifying", "deadline", "rolling_back"),
        ("verifying", "restarted", "trial"),
        ("committing", "done", "probation"),
        ("committing", "failed", "committing"),
        ("committing", "failed (config changed)", "returning"),
        ("trial", "trouble", "trial"),
        ("probation", "trouble", "probation"),
        ("probation", "round", "probation"),
        ("steady", "round", "refused"),
        ("committing", "cancel", "refused"),
        ("committing", "rollback", "refused"),
        ("probation", "confirm", "steady"),
        ("probation", "deadline", "returning"),
        ("probation", "lost", "returning"),
        ("probation", "rollback", "returning"),
        ("probation", "cancel", "refused"),
        ("returning", "done", "steady"),
        ("returning", "failed", "returning"),
        ("rolling_back", "done", "steady"),
        ("steady", "confirm", "refused"),
        ("trial", "confirm", "refused"),
        ("trial", "ordered", "refused"),
        ("probation", "ordered", "refused"),
    ];
    for (state, event, expected) in cells {
        let from = states().into_iter().find(|s| s.name() == state).unwrap();
        let (_, e, now) = events().into_iter().find(|(n, ..)| n == event).unwrap();
        let got = step(from, e, now).map_or("refused", |(next, _)| next.name());
        assert_eq!(got, expected, "{state} on {event}");
    }
}

#[test]
fn an_order_is_carried_out_once_and_in_time() {
    let steady = |last| State::Steady { last };
    let mut late = order(300);
    late.expires = NOW / 1000 - 1;
    assert!(step(steady(None), Event::Ordered(late, previous()), NOW).is_err());
    let (done, _) = step(states().remove(6), Event::Confirm, NOW).unwrap();
    let again = Event::Ordered(order(300), previous());
    assert!(step(done, again, NOW).is_err());
}

#[test]
fn an_order_that_failed_by_itself_may_be_tried_again() {
    for (code, again) in [
        ("port-4506-closed", true),
        ("cancelled", false),
        ("unconfirmed", false),
    ] {
        let state = State::RollingBack {
            journey: journey(),
            cause: Cause::new(code, "a test"),
        };
        let (done, _) = step(state, Event::Done, NOW).unwrap();
        let taken = step(done, Event::Ordered(order(300), previous()), NOW);
        assert_eq!(taken.is_ok(), again, "{code}");
    }
}

#[test]
fn the_ordered_number_of_round_trips_confirms() {
    let mut state = states().remove(6);
    if let State::Probation { journey, .. } = &mut state {
        journey.order.rounds = 2;
    }
    let (state, effects) = step(state, Event::Round, NOW).unwrap();
    assert_eq!((state.name(), effects.len()), ("probation", 0));
    let (state, _) = step(state, Event::Round, NOW).unwrap();
    let State::Steady { last: Some(last) } = state else {
        panic!("{state:?}")
    };
    assert_eq!(last.stage, Stage::Confirmed);
}

#[test]
fn a_trial_that_ends_says_what_kept_the_master_away() {
    let closed = Cause::new("port-4506-closed", "a test");
    let (state, _) = step(states().remove(2), Event::Trouble(closed.clone()), NOW).unwrap();
    let (state, _) = step(state, Event::Deadline, LATE).unwrap();
    let State::RollingBack { cause, .. } = state else {
        panic!("{state:?}")
    };
    assert_eq!(cause, closed);
}

#[test]
fn a_clock_that_was_set_back_does_not_stretch_a_deadline() {
    let probation = states().remove(6);
    let (state, _) = step(probation, Event::Restarted, 5).unwrap();
    assert_eq!(state.deadline(), Some(5 + 300_000));
}

/// The machine around the machine: which master the files name, which sessions are open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    config: &'static str,
    pinned: &'static str,
    active: Option<&'static str>,
    open: BTreeSet<&'static str>,
    trial_files: bool,
}

impl World {
    fn new() -> Self {
        Self {
            config: "old",
            pinned: "old",
            active: Some("old"),
            open: BTreeSet::from(["old"]),
            trial_files: false,
        }
    }

    /// Power off, power on: the agent opens the session of the configured master.
    fn reboot(&mut self) {
        self.active = Some(self.config);
        self.open = BTreeSet::from([self.config]);
    }

    /// Carries one effect out; the switch is two writes, and a crash may fall between them.
    fn run(&mut self, effect: &Effect) {
        match effect {
            Effect::Open(_) => {
                self.open.insert("new");
                self.trial_files = true;
            }
            Effect::Switch(_) => {
                self.pinned = "new";
                self.config = "new";
            }
            Effect::Restore(_) => {
                self.config = "old";
                self.pinned = "old";
            }
            Effect::Promote(_) => {
                self.open.insert(self.config);
                self.active = Some(self.config);
            }
            Effect::Release => self.open.retain(|m| Some(*m) == self.active),
            Effect::Tidy => self.trial_files = false,
            Effect::Check(_)
            | Effect::Verify(_)
            | Effect::Highstate
            | Effect::Pause
            | Effect::Tell(_) => {}
        }
    }

    fn run_all(&mut self, effects: &[Effect]) {
        for effect in effects {
            self.run(effect);
            assert!(self.active.is_some(), "never without a master");
        }
    }
}

/// Plays a state to its end: the new master is good, or never answers.
fn finish(mut state: State, mut world: World, new_is_good: bool) -> (State, World) {
    for _ in 0..40 {
        let (event, now) = match &state {
            State::Steady { .. } => return (state, world),
            State::Staged { .. }
            | State::Committing { .. }
            | State::Returning { .. }
            | State::RollingBack { .. } => (Event::Done, NOW),
            State::Trial { .. } | State::Waiting { .. } if new_is_good => {
                (Event::Authenticated, NOW)
            }
            State::Verifying { .. } if new_is_good => (Event::Answered, NOW),
            State::Probation { .. } if new_is_good => (Event::Confirm, NOW),
            State::Trial { .. }
            | State::Waiting { .. }
            | State::Verifying { .. }
            | State::Probation { .. } => (Event::Deadline, LATE),
        };
        let (next, effects) = step(state, event, now).unwrap();
        world.run_all(&effects);
        state = next;
    }
    panic!("no end: {state:?}");
}

fn assert_one_master(state: &State, world: &World, path: &[String]) {
    let State::Steady { last } = state else {
        panic!("not steady: {state:?}")
    };
    let expected = match last.as_ref().map(|l| l.stage) {
        Some(Stage::Committed | Stage::Confirmed) => "new",
        _ => "old",
    };
    assert_eq!(world.active, Some(expected), "{path:?}");
    assert_eq!(
        (world.config, world.pinned),
        (expected, expected),
        "{path:?}"
    );
    assert_eq!(world.open, BTreeSet::from([expected]), "{path:?}");
    assert!(!world.trial_files, "{path:?}");
}

/// Restarts from what the journal holds and plays both futures.
fn crash(journal: &str, mut world: World, path: &[String]) -> usize {
    world.reboot();
    let state: State = serde_json::from_str(journal).unwrap();
    let (state, effects) = step(state, Event::Restarted, NOW).unwrap();
    world.run_all(&effects);
    for new_is_good in [true, false] {
        let (end, world) = finish(state.clone(), world.clone(), new_is_good);
        assert_one_master(&end, &world, path);
    }
    1
}

/// Walks every path; before each event, between any two effects and after the last the power may fail.
fn walk(
    state: &State,
    world: &World,
    path: &mut Vec<String>,
    seen: &mut HashSet<String>,
    crashes: &mut usize,
) {
    let mut known = state.clone();
    if let State::Steady { last: Some(_) } = known {
        return assert_one_master(state, world, path);
    }
    if let State::Trial { deadline, .. }
    | State::Waiting { deadline, .. }
    | State::Verifying { deadline, .. }
    | State::Probation { deadline, .. } = &mut known
    {
        *deadline = 0;
    }
    if !seen.insert(format!("{known:?}{world:?}")) {
        return;
    }
    let confirm = if path.first().is_some_and(|p| p == "0") {
        0
    } else {
        300
    };
    for (name, event, now) in events() {
        let event = match event {
            Event::Ordered(_, previous) => Event::Ordered(order(confirm), previous),
            other => other,
        };
        let mut world = world.clone();
        if event == Event::Restarted {
            world.reboot();
        }
        let Ok((next, effects)) = step(state.clone(), event, now) else {
            continue;
        };
        path.push(name);
        // The journal holds the new state from here on; the effects follow one by one.
        let journal = serde_json::to_string(&next).unwrap();
        for effect in &effects {
            *crashes += crash(&journal, world.clone(), path);
            if matches!(effect, Effect::Switch(_) | Effect::Restore(_)) {
                // Half of it.
                let mut half = world.clone();
                half.run(effect);
                half.config = world.config;
                *crashes += crash(&journal, half, path);
            }
            world.run(effect);
        }
        *crashes += crash(&journal, world.clone(), path);
        walk(&next, &world, path, seen, crashes);
        path.pop();
    }
}

#[test]
fn every_path_cut_anywhere_ends_on_exactly_one_master() {
    for confirm in ["0", "300"] {
        let mut crashes = 0;
        let (mut path, mut seen) = (vec![confirm.to_owned()], HashSet::new());
        walk(
            &State::default(),
            &World::new(),
            &mut path,
            &mut seen,
            &mut crashes,
        );
        assert!(crashes > 500, "only {crashes} crashes were tried");
    }
}

#[test]
fn an_agent_that_keeps_dying_gives_the_move_up() {
    let mut state = states().remove(2);
    for _ in 0..=MAX_RESTARTS {
        (state, _) = step(state, Event::Restarted, NOW).unwrap();
    }
    assert_eq!(state.name(), "rolling_back");
}
