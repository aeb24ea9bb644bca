//! The real binary, killed (SIGKILL) between every two things that a move writes or does: there, given up, kept and
//! back. The points are not listed here but walked: those that an agent passes which nobody kills. Jobs are given
//! all the while, and whatever ran is answered once, to whoever asked.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use harness::{Agent, Client, until};
use serde_json::{Value, json};

use crate::pair::{Pair, introduce, leftovers, on_only, status};

/// The points of each way, as an agent passes them.
#[derive(Debug, Default)]
struct Ways {
    /// From the order to the probation.
    there: VecDeque<String>,
    /// The same, while the key is not accepted.
    waiting: VecDeque<String>,
    /// Called off.
    given_up: VecDeque<String>,
    /// Kept.
    kept: VecDeque<String>,
    /// Undone.
    back: VecDeque<String>,
}

pub(crate) fn killed_at_any_point_it_comes_back_on_one_master(pair: &Pair) {
    let yard = Yard {
        pair,
        clients: [Client::of(&pair.old), Client::of(&pair.new)].map(Mutex::new),
        ways: Mutex::default(),
    };
    yard.walk();
    // Each goes there and back until no point is left.
    std::thread::scope(|scope| {
        for n in 0..3 {
            let yard = &yard;
            scope.spawn(move || yard.live(&format!("cut{n}")));
        }
    });
    let left = yard.ways.into_inner().unwrap();
    let left = [
        left.there,
        left.waiting,
        left.given_up,
        left.kept,
        left.back,
    ]
    .map(|w| w.len());
    assert_eq!(left, [0; 5], "points where nobody was killed");
}

struct Yard<'a> {
    pair: &'a Pair,
    clients: [Mutex<Client>; 2],
    ways: Mutex<Ways>,
}

/// The masters' places among the clients.
const OLD: usize = 0;
const NEW: usize = 1;

/// Jobs that were given to an agent, and by whom.
#[derive(Default)]
struct Jobs(Vec<(usize, String, PathBuf)>);

impl Yard<'_> {
    /// Goes each way once, undisturbed.
    fn walk(&self) {
        let agent = self.breakable("walker");
        let mut from = agent.passed().len();
        let mut since = |agent: &Agent, first: &str| {
            let all = agent.passed().split_off(from);
            from += all.len();
            let mut points = VecDeque::new();
            // What keeps a master away is written down as often as it changes; and jobs end when they end.
            for point in all.into_iter().skip_while(|p| p != first) {
                if !point.starts_with("return ") && !points.contains(&point) {
                    points.push_back(point);
                }
            }
            points
        };
        let mut ways = Ways::default();
        self.order(&agent);
        reaches(&agent, "waiting");
        ways.waiting = since(&agent, "journaled waiting");
        agent.command("remaster", &["cancel"]).success();
        ends(&agent, "rolled_back");
        ways.given_up = since(&agent, "journaled rolling_back");
        self.let_in(&agent);
        self.order(&agent);
        reaches(&agent, "probation");
        ways.there = since(&agent, "journaled staged");
        agent.command("remaster", &["rollback"]).success();
        ends(&agent, "rolled_back");
        ways.back = since(&agent, "journaled returning");
        self.order(&agent);
        reaches(&agent, "probation");
        since(&agent, "");
        agent.command("remaster", &["confirm"]).success();
        ends(&agent, "confirmed");
        ways.kept = since(&agent, "journaled steady");
        for (points, least) in [
            (&ways.there, 14),
            (&ways.waiting, 2),
            (&ways.given_up, 5),
            (&ways.kept, 3),
            (&ways.back, 6),
        ] {
            assert!(points.len() >= least, "{ways:?}");
        }
        println!("{ways:?}");
        *self.ways.lock().unwrap() = ways;
    }

    /// Takes points until there are none, and is killed at each.
    fn live(&self, id: &str) {
        let mut agent = self.breakable(id);
        let mut jobs = Jobs::default();
        // While the new master does not know it.
        let take = |way: fn(&mut Ways) -> &mut VecDeque<String>| {
            way(&mut self.ways.lock().unwrap()).pop_front()
        };
        loop {
            let (waiting, called_off) = (take(|w| &mut w.waiting), take(|w| &mut w.given_up));
            if waiting.is_none() && called_off.is_none() {
                break;
            }
            self.give(&mut jobs, &agent, OLD, &[0.0, 1.5]);
            self.cut(&mut agent, waiting.as_deref(), |agent| self.order(agent));
            reaches(&agent, "waiting");
            self.give(&mut jobs, &agent, OLD, &[0.0, 1.0]);
            self.cut(&mut agent, called_off.as_deref(), |agent| {
                agent.command("remaster", &["cancel"]);
            });
            ends(&agent, "rolled_back");
            self.is_at(&agent, OLD);
        }
        self.let_in(&agent);
        loop {
            let (there, back) = (take(|w| &mut w.there), take(|w| &mut w.back));
            if there.is_none() && back.is_none() {
                break;
            }
            self.give(&mut jobs, &agent, OLD, &[0.0, 0.5, 2.0]);
            self.cut(&mut agent, there.as_deref(), |agent| self.order(agent));
            reaches(&agent, "probation");
            self.is_at(&agent, NEW);
            self.give(&mut jobs, &agent, NEW, &[0.0, 1.0]);
            self.cut(&mut agent, back.as_deref(), |agent| {
                agent.command("remaster", &["rollback"]);
            });
            ends(&agent, "rolled_back");
            self.is_at(&agent, OLD);
        }
        // And each kept move by an agent that goes home again by an ordinary one.
        while let Some(kept) = take(|w| &mut w.kept) {
            self.order(&agent);
            reaches(&agent, "probation");
            self.give(&mut jobs, &agent, NEW, &[0.0, 1.0]);
            self.cut(&mut agent, Some(&kept), |agent| {
                agent.command("remaster", &["confirm"]);
            });
            ends(&agent, "confirmed");
            self.is_at(&agent, NEW);
            let (to, finger) = (
                format!("{}:4506", self.pair.old.address),
                self.pair.old.finger(),
            );
            let home = ["to", &to, "--finger", &finger, "--confirm", "0"];
            agent.command("remaster", &home).success();
            ends(&agent, "committed");
            self.is_at(&agent, OLD);
        }
        // A return that is stored when the power fails, and one that the master has already.
        for point in ["return stored", "return delivered"] {
            self.cut(&mut agent, Some(point), |agent| {
                self.give(&mut jobs, agent, OLD, &[0.0])
            });
            on_only(&agent, &self.pair.old);
        }
        self.answered(&agent, &jobs);
    }

    fn breakable(&self, id: &str) -> Agent {
        let mut agent = Agent::prepare(
            id,
            &self.pair.old.address.to_string(),
            "agent: {trust: first-use, dead_after: 3s}\nkeysize: 2048",
        );
        agent.run_breakable();
        agent.wait_ready();
        agent
    }

    /// The new master holds its key from now on, whether it has shown it there or not.
    fn let_in(&self, agent: &Agent) {
        if self.pair.new.keys("minions_pre").contains(&agent.id) {
            return self.pair.new.accept(&agent.id);
        }
        introduce(agent, &self.pair.new);
    }

    /// Its answer may be lost with who gives it.
    fn order(&self, agent: &Agent) {
        self.pair
            .order_here(agent, &["--confirm", "120", "--wait", "120"]);
    }

    /// Does something in which it is killed at this point, and starts it again.
    fn cut(&self, agent: &mut Agent, point: Option<&str>, mut act: impl FnMut(&Agent)) {
        let Some(point) = point else {
            return act(agent);
        };
        agent.crash_at(point);
        act(agent);
        agent.wait_cut(point);
        agent.run_breakable();
    }

    fn is_at(&self, agent: &Agent, at: usize) {
        on_only(agent, [&self.pair.old, &self.pair.new][at]);
        if at == OLD {
            until(10, "nothing of the trial to be left", || !leftovers(agent));
        }
    }

    /// Gives it jobs that take so many seconds; each says in a file of its own that it came to its end.
    fn give(&self, jobs: &mut Jobs, agent: &Agent, from: usize, seconds: &[f64]) {
        let mut client = self.clients[from].lock().unwrap();
        for seconds in seconds {
            let file = agent.dir().join(format!("job{}", jobs.0.len()));
            let work = format!("sleep {seconds}; echo run >> {}", file.display());
            let jid = client
                .publish(&agent.id, "cmd.run", json!([work]), 1)
                .remove(0);
            jobs.0.push((from, jid, file));
        }
    }

    /// Whatever ran is answered to the master that asked, and to no other, and ran once. A job that an agent was
    /// killed in says so; one that came to nobody has neither run nor an answer.
    fn answered(&self, agent: &Agent, jobs: &Jobs) {
        let returned = |at: usize, jid: &String| {
            let mut client = self.clients[at].lock().unwrap();
            client
                .returns(&agent.id, std::slice::from_ref(jid))
                .remove(0)
        };
        let (mut whole, mut cut, mut never) = (0, 0, 0);
        for (n, (from, jid, file)) in jobs.0.iter().enumerate() {
            let ran = || fs::read_to_string(file).unwrap_or_default();
            let mut answer = Value::Null;
            if !ran().is_empty() {
                until(
                    60,
                    &format!("{}'s job {n} ({jid}) to be answered", agent.id),
                    || {
                        answer = returned(*from, jid);
                        !answer.is_null()
                    },
                );
            }
            assert!(
                ran().is_empty() || ran() == "run\n",
                "{}: job {n} ran twice",
                agent.id
            );
            assert_eq!(
                returned(1 - from, jid),
                Value::Null,
                "{}: job {n}, by another",
                agent.id
            );
            match answer.as_str() {
                None => never += 1,
                Some(words) if words.contains("interrupted") => cut += 1,
                Some(words) => {
                    assert_eq!(
                        (words, ran().as_str()),
                        ("", "run\n"),
                        "{}: job {n}",
                        agent.id
                    );
                    whole += 1;
                }
            }
        }
        println!(
            "{}: {whole} jobs answered, {cut} interrupted, {never} never begun",
            agent.id
        );
        assert!(whole > jobs.0.len() / 3, "{whole} of {}", jobs.0.len());
    }
}

/// Asked now and then: each question is a process.
fn comes_to(agent: &Agent, what: &str, is: impl Fn(&Value) -> bool) {
    until(90, &format!("{} to be {what}", agent.id), || {
        std::thread::sleep(Duration::from_millis(150));
        is(&status(agent))
    });
}

fn reaches(agent: &Agent, state: &str) {
    comes_to(agent, state, |status| status["state"] == state);
}

fn ends(agent: &Agent, outcome: &str) {
    comes_to(agent, outcome, |status| {
        status["state"] == "steady" && status["last"]["outcome"] == outcome
    });
}
