//! `make bench`: our agent beside salt-minion of the same release, one master, one run, medians.
//!
//! Both are measured from outside by the same means: the master's event bus, a resident `LocalClient`
//! and `/proc`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people at a terminal; a failed step ends it"
)]

mod local;
mod proc;
mod subject;
mod trees;

use std::time::Duration;

use harness::{Client, Events, Master, Release};
use serde_json::json;
use tempfile::TempDir;

use crate::local::{Caller, Tree};
use crate::subject::Subject;

const RELEASE: Release = Release::V3008;
const STARTS: usize = 5;
const PINGS: usize = 50;
const FILES: usize = 300;
const STATE_RUNS: usize = 3;

/// One line of the report.
struct Row {
    what: &'static str,
    unit: &'static str,
    target: f64,
    minion: f64,
    agent: f64,
}

fn main() {
    assert!(RELEASE.is_installed(), "run `make venvs`");
    println!("starting salt-master {RELEASE}; both subjects join it in turn");
    let master = Master::of(RELEASE)
        .auto_accept()
        .file("srv/salt/one.sls", &trees::files(1))
        .file("srv/salt/big.sls", &trees::files(FILES))
        .file("srv/salt/templated.sls", &trees::templated(FILES))
        .file("srv/salt/site.conf.j2", trees::TEMPLATE)
        .start();
    let events = Events::of(&master);
    let mut client = Client::of(&master);
    // What was made is removed at the end: ext4 goes around inodes that were deleted a moment ago, one by one.
    let scratch = TempDir::with_prefix("bench-").unwrap();
    let (mut minion, mut agent) = (Subject::minion(&master), Subject::agent(&master));
    let mut minions = measure(&mut minion, &events, &mut client, &scratch);
    let mut agents = measure(&mut agent, &events, &mut client, &scratch);
    println!("measuring both without a master");
    let tree = Tree::write();
    minions.extend(Caller::minion(RELEASE, &tree).measure(&scratch));
    agents.extend(Caller::agent(&tree).measure(&scratch));
    report(&minions, &agents);
}

/// What one subject came to, in the order of the report: what, its unit, the target, the median.
type Figures = Vec<(&'static str, &'static str, f64, f64)>;

fn measure(
    subject: &mut Subject,
    events: &Events,
    client: &mut Client,
    scratch: &TempDir,
) -> Figures {
    println!("measuring {}", subject.name());
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for round in 0..STARTS {
        starts.push(subject.start(events));
        if round + 1 < STARTS {
            stops.push(subject.stop());
        }
    }
    let id = subject.id().to_owned();
    let pings: Vec<_> = (0..PINGS)
        .map(|_| {
            let (ret, took) = client.call(&id, "test.ping", json!([]), json!({}));
            assert_eq!(ret, true, "{id} did not answer");
            took
        })
        .collect();
    let answers = answer_times(&id, events);
    let idle = subject.idle(Duration::from_secs(20));
    let mut state = |sls: &str, files| {
        let runs = (0..STATE_RUNS).map(|round| {
            let into = format!("{}-{sls}-{round}", subject.name());
            subject.state_run(client, sls, files, &scratch.path().join(into))
        });
        median(runs.collect())
    };
    let (one, big, templated) = (
        state("one", 1),
        state("big", FILES),
        state("templated", FILES),
    );
    stops.push(subject.stop());
    vec![
        ("memory at rest", "MiB", 12.0, idle.mebibytes),
        ("start to ready", "ms", 10.0, median(starts)),
        ("test.ping round trip", "ms", 5.0, median(pings)),
        ("of it, the minion's part", "ms", 5.0, median(answers)),
        ("stop", "ms", 20.0, median(stops)),
        ("CPU at rest", "ms/s", 1.0, idle.cpu_ms_per_second),
        ("installed size", "MiB", 15.0, subject.installed_mebibytes()),
        ("state of 300 files", "ms", 8.0, big),
        ("of it, the files", "ms", 8.0, big - one),
        ("300 templated files", "ms", 10.0, templated),
        ("of it, the files", "ms", 10.0, templated - one),
    ]
}

/// From each job's publication to its return, as the master's bus had them: what no minion can change is left out.
fn answer_times(id: &str, events: &Events) -> Vec<Duration> {
    let all = events.all();
    let published = |jid: &str| {
        let tag = format!("salt/job/{jid}/new");
        all.iter().find(|e| e.tag == tag).map(|e| e.at)
    };
    let suffix = format!("/ret/{id}");
    let returned = all.iter().filter(|e| e.data["fun"] == "test.ping");
    returned
        .filter_map(|e| {
            let jid = e.tag.strip_prefix("salt/job/")?.strip_suffix(&suffix)?;
            Some(e.at.saturating_duration_since(published(jid)?))
        })
        .collect()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn report(minion: &Figures, agent: &Figures) {
    println!();
    println!(
        "{:<28}{:>14}{:>14}  {:>8}  target",
        "median", "salt-minion", "salt-agent", "ratio"
    );
    for (m, a) in minion.iter().zip(agent) {
        let row = Row {
            what: m.0,
            unit: m.1,
            target: m.2,
            minion: m.3,
            agent: a.3,
        };
        let ratio = row.minion / row.agent.max(0.001);
        println!(
            "{:<28}{:>14.1}{:>14.1}  {:>7.1}x  {} {}",
            format!("{} ({})", row.what, row.unit),
            row.minion,
            row.agent,
            ratio,
            if ratio >= row.target { "≥" } else { "MISSED" },
            row.target,
        );
    }
    println!(
        "\n{STARTS} starts, {PINGS} pings, {STATE_RUNS} state runs of each; from outside, on the same master"
    );
}
