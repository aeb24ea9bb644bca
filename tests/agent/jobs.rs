//! Jobs: many, long, large, stopped.

use harness::{Agent, Client, Master, Release, until, until_some};
use serde_json::json;

on_each_release!(
    two_hundred_jobs_at_once_are_all_answered,
    a_long_job_is_found_and_can_be_killed,
    a_return_of_fifty_megabytes_arrives,
    several_functions_in_one_job,
);

fn joined(release: Release, id: &str) -> (Master, Agent) {
    let master = Master::of(release).auto_accept().start();
    let mut agent = Agent::start(id, &master.address.to_string(), "");
    agent.wait_ready();
    (master, agent)
}

fn two_hundred_jobs_at_once_are_all_answered(release: Release) {
    let (master, _agent) = joined(release, "busy");
    let mut client = Client::of(&master);
    let jids = client.publish("busy", "test.echo", json!(["here"]), 200);
    until(90, "200 returns", || {
        client.returns("busy", &jids).iter().all(|r| r == "here")
    });
}

fn a_long_job_is_found_and_can_be_killed(release: Release) {
    let (master, _agent) = joined(release, "patient");
    // The CLI asks after 1 s, again and again, whether the job still runs.
    let long = master
        .run(
            "salt",
            &["-t", "1", "--out", "json", "patient", "test.sleep", "4"],
        )
        .success();
    assert_eq!(long.json()["patient"], true);
    let jid = Client::of(&master)
        .publish("patient", "cmd.run", json!(["sleep 600"]), 1)
        .remove(0);
    let running = || master.salt(&["patient", "saltutil.running"])["patient"].clone();
    until(90, "the job to be listed", || {
        running()
            .as_array()
            .is_some_and(|l| l.iter().any(|j| j["jid"] == jid))
    });
    let told = master.salt(&["patient", "saltutil.kill_job", &jid]);
    assert!(
        told["patient"]
            .as_str()
            .unwrap()
            .contains("Signal 9 sent to job"),
        "{told}"
    );
    until(90, "the job to be gone", || {
        running()
            .as_array()
            .is_some_and(|l| !l.iter().any(|j| j["jid"] == jid))
    });
}

fn a_return_of_fifty_megabytes_arrives(release: Release) {
    let (master, _agent) = joined(release, "wordy");
    let mut client = Client::of(&master);
    let command = "head -c 50000000 /dev/zero | tr '\\0' x";
    // From the job cache: the master trims what it puts on its event bus.
    let jids = client.publish("wordy", "cmd.run", json!([command]), 1);
    let size = until_some(90, "the return", || {
        client.returns("wordy", &jids)[0].as_str().map(str::len)
    });
    assert_eq!(size, 50_000_000);
}

fn several_functions_in_one_job(release: Release) {
    let (master, _agent) = joined(release, "able");
    let all = master.salt(&["able", "test.ping,test.echo,no.such", ",one,"]);
    assert_eq!(all["able"]["test.ping"], true);
    assert_eq!(all["able"]["test.echo"], "one");
    assert_eq!(all["able"]["no.such"], "'no.such' is not available.");
}
