//! A session under steady load: `SOAK_SECONDS` at each stock master with 20 publications a second, without a
//! disconnect and without a loss. A minute each unless told otherwise, which is longer than a master waits for the answer
//! to a PING; `make soak` makes it ten.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use harness::{Agent, Client, Master, RELEASES, Release, until};
use serde_json::json;

/// Publications a second.
const RATE: u32 = 20;

#[test]
fn twenty_publications_a_second() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(60, |s| s.parse().unwrap());
    // All at the same time: most of it is waiting.
    thread::scope(|scope| {
        for release in RELEASES.into_iter().filter(|r| r.is_installed()) {
            scope.spawn(move || soak(release, Duration::from_secs(seconds)));
        }
    });
}

fn soak(release: Release, time: Duration) {
    let mut master = Master::of(release).auto_accept().start();
    let address = master.address.to_string();
    let mut agent = Agent::start("soaked", &address, "");
    agent.wait_ready();
    let mut client = Client::of(&master);
    let memory_before = agent.process().resident();
    let start = Instant::now();
    let mut jids = Vec::new();
    // On a busy machine the publisher falls behind, and the same number takes longer; the point is the session.
    let wanted = f64::from(RATE) * time.as_secs_f64() * 0.8;
    let enough = |so_far: usize| so_far as f64 >= wanted || start.elapsed() > time * 3;
    while start.elapsed() < time || !enough(jids.len()) {
        let number = json!([jids.len()]);
        jids.extend(client.publish("soaked", "test.echo", number, 1));
        // In step with the clock, not with the publisher.
        let due = start + Duration::from_secs(1) / RATE * u32::try_from(jids.len()).unwrap();
        sleep(due.saturating_duration_since(Instant::now()));
    }
    let took = start.elapsed();
    let rate = jids.len() as f64 / took.as_secs_f64();
    // Nothing is published twice: what is not here now was lost, or is still on its way.
    let mut missing: Vec<(usize, String)> = jids.iter().cloned().enumerate().collect();
    until(60, "the last returns", || {
        missing = missing
            .chunks(500)
            .flat_map(|chunk| {
                let asked: Vec<String> = chunk.iter().map(|(_, jid)| jid.clone()).collect();
                let returns = client.returns("soaked", &asked);
                let pairs = chunk.iter().cloned().zip(returns);
                pairs
                    .filter(|((n, _), got)| *got != json!(n))
                    .map(|(pair, _)| pair)
                    .collect::<Vec<_>>()
            })
            .collect();
        missing.is_empty()
    });
    let memory = agent.process().resident();
    let log = agent.log();
    let lost: Vec<_> = log
        .lines()
        .filter(|l| l.contains("WARN") || l.contains("ERROR"))
        .collect();
    assert!(
        lost.is_empty(),
        "{release}: the log has\n{}",
        lost.join("\n")
    );
    assert!(log.matches("Minion is ready").count() == 1);
    assert!(
        jids.len() as f64 >= wanted,
        "{release}: only {rate:.1} a second"
    );
    // The table of jobs seen and the spool have bounds, and so has the process.
    assert!(
        memory < memory_before + (32 << 20),
        "{release}: grew from {memory_before} to {memory}"
    );
    println!(
        "{release}: {} publications in {:.0} s ({rate:.1} a second), none lost, no disconnect; {} → {} KiB",
        jids.len(),
        took.as_secs_f64(),
        memory_before >> 10,
        memory >> 10
    );
    drop(agent);
    master.kill();
}
