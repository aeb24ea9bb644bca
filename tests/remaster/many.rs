//! A fleet: many agents, two real masters, `remaster-all` in groups and waves. The bridge is killed twice and
//! resumed, one wave fails and goes back by itself, and nobody is lost. `FLEET=300` (or `make fleet`) makes it a large one.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::{Agent, Events, Finished, Master, Release, until};

use crate::fleet::waiting;

/// Authentications a second that the new master gets.
const RATE: usize = 10;

#[test]
fn many_move_in_groups_and_none_is_lost() {
    let (from, to) = (Release::V3006, Release::V3008);
    if !from.is_installed() || !to.is_installed() {
        return;
    }
    let count: usize = std::env::var("FLEET")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20);
    let old = Master::of(from).auto_accept().start();
    let new = Master::of(to).start();
    let mut agents: Vec<Agent> = (0..count).map(|n| start(n, count, &old)).collect();
    for agent in &mut agents {
        agent.wait_ready();
    }
    let events = Events::of(&new);
    let load = Load::watch(new.process().pid());
    let config = new.config_dir().display().to_string();
    let rate = RATE.to_string();
    let go = [
        "-y",
        "remaster-all",
        "--to-config",
        &config,
        "--order-by",
        "level=ci,staging,prod",
        "--wave",
        "25%",
        "--max-failures",
        "1",
        "--auth-rate",
        &rate,
    ];
    let begin = Instant::now();
    // The masters of a large fleet are busy, and share this machine with all of it.
    let patience = Duration::from_secs(120 + 3 * count as u64);
    let bridge = |point: Option<&str>, args: &[&str]| {
        let mut command = waiting(&old, 3 + count / 20, args);
        if let Some(point) = point {
            command.env("MASTER_BRIDGE_FAULT", point);
        }
        Finished::within(patience, &mut command)
    };
    let killed = |point: &str, args: &[&str]| {
        let end = bridge(Some(point), args);
        assert_eq!(end.code, -9, "{point} was not passed: {end:?}");
    };
    killed("move.sent@2", &go);
    // Two of the last group are others on the new master by now: their wave fails as a whole.
    let last: Vec<String> = agents.iter().rev().take(2).map(|a| a.id.clone()).collect();
    for id in &last {
        let other = fs::read_to_string(new.pki_dir().join("master.pub")).unwrap();
        fs::write(new.pki_dir().join("minions").join(id), other).unwrap();
    }
    killed("confirm.sent", &["ops", "resume", "last"]);
    let stopped = bridge(None, &["-o", "json", "ops", "resume", "last"]);
    assert_eq!(stopped.code, 1, "{stopped:?}");
    let stopped = stopped.json();
    let results: BTreeMap<String, String> = stopped["minions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| {
            (
                m["id"].as_str().unwrap().to_owned(),
                m["result"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert!(
        stopped["stopped"]
            .as_str()
            .unwrap()
            .starts_with("stopped in wave"),
        "{stopped}"
    );
    for (id, result) in &results {
        if id.contains("prod") {
            assert_ne!(result, "moved", "{stopped}");
        } else {
            assert_eq!(result, "moved", "{stopped}");
        }
    }
    let back: Vec<_> = stopped["minions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["reason"] == "called-back")
        .collect();
    assert!(
        !back.is_empty(),
        "the others of the failed wave were called back: {stopped}"
    );

    for id in &last {
        fs::remove_file(new.pki_dir().join("minions").join(id)).unwrap();
    }
    bridge(None, &go).success();
    let took = begin.elapsed();
    until(60 + count as u64, "all to answer the new master", || {
        let answers = new.salt(&["*", "test.ping"]);
        agents.iter().all(|a| answers[&a.id] == true)
    });
    let truth = bridge(
        None,
        &["-o", "json", "remaster", "status", "--to-config", &config],
    )
    .json();
    assert_eq!(truth["count"]["new"], count, "none lost: {truth}");

    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    let auths: Vec<_> = events
        .all()
        .into_iter()
        .filter(|e| e.tag == "salt/auth")
        .collect();
    for auth in &auths {
        *seconds
            .entry(auth.at.saturating_duration_since(begin).as_secs())
            .or_default() += 1;
    }
    let peak = seconds.values().copied().max().unwrap_or(0);
    println!(
        "{count} agents moved in {:.0} s, with two kills and a wave that went back; new master: {} authentications, \
         at most {peak} in a second, peak load {:.0} % of a processor",
        took.as_secs_f64(),
        auths.len(),
        load.peak()
    );
    // A bucket of one second's worth, filled at the same rate.
    assert!(peak <= 2 * RATE, "{seconds:?}");
}

/// An agent whose id and grain say its group.
fn start(n: usize, count: usize, old: &Master) -> Agent {
    let level = match n * 4 / count {
        0 => "ci",
        1 | 2 => "staging",
        _ => "prod",
    };
    let config = format!("grains: {{level: {level}}}\nkeysize: 2048\n");
    Agent::start(
        &format!("{level}-{n:03}"),
        &old.address.to_string(),
        &config,
    )
}

/// Watches what all processes of a group take of the processors.
struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<f64>>,
}

impl Load {
    fn watch(group: i32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut peak, mut before, mut at) = (0.0f64, ticks(group), Instant::now());
            while !flag.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_secs(1));
                let now = ticks(group);
                // A hundredth of a second each, on every Linux that Salt runs on.
                let percent = now.saturating_sub(before) as f64 / at.elapsed().as_secs_f64();
                peak = peak.max(percent);
                (before, at) = (now, Instant::now());
            }
            peak
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    fn peak(mut self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn ticks(group: i32) -> u64 {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let of = |path: std::path::PathBuf| -> Option<u64> {
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let time = |at: usize| fields.get(at)?.parse::<u64>().ok();
        (fields.get(2)?.parse() == Ok(group)).then_some(time(11)? + time(12)?)
    };
    entries.filter_map(|entry| of(entry.path())).sum()
}
