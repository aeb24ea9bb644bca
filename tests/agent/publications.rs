//! What a master publishes: by topic, signed, and from where we listen to it.

use std::fs;
use std::net::Ipv4Addr;

use harness::{Agent, Client, Master, Release, until};
use serde_json::json;

on_each_release!(
    topics_reach_whom_they_are_for_and_signatures_are_asked_for,
    connections_come_from_where_the_options_say,
);

fn topics_reach_whom_they_are_for_and_signatures_are_asked_for(release: Release) {
    let master = Master::of(release)
        .auto_accept()
        .config("zmq_filtering: true")
        .start();
    let address = master.address.to_string();
    let mut strict = Agent::start(
        "strict",
        &address,
        "zmq_filtering: true\nsign_pub_messages: true\ngrains: {role: keeper}",
    );
    // It hears everything, other minions' topics too.
    let mut open = Agent::start("open", &address, "sign_pub_messages: true");
    strict.wait_ready();
    open.wait_ready();
    let mut client = Client::of(&master);
    for (target, kind) in [
        (json!("strict"), "glob"),
        (json!("str?ct"), "glob"),
        (json!(["strict"]), "list"),
        (json!("s.*t"), "pcre"),
        (json!("role:keeper"), "grain"),
        (json!("G@role:keeper and strict"), "compound"),
    ] {
        assert_eq!(client.ping(&target, kind), ["strict"], "{target} ({kind})");
    }
    assert_eq!(client.ping(&json!("*"), "glob"), ["open", "strict"]);
    // The master sends a copy for each of them. Whoever hears all copies still runs the job once.
    let mark = master.dir().join("marks");
    let command = format!("echo $(hostname) >> {}", mark.display());
    let ran = client.call("open", "cmd.run", json!([command]), json!({}));
    assert_eq!(ran.0, "");
    let ran = master.salt(&["*", "cmd.run", &command]);
    assert_eq!(ran.as_object().unwrap().len(), 2, "{ran}");
    assert_eq!(fs::read_to_string(&mark).unwrap().lines().count(), 3);
}

/// Local addresses of our connections to a master's port, as the kernel tells them.
fn sources(master: &Master, port: u16) -> Vec<(Ipv4Addr, u16)> {
    let to: Ipv4Addr = master.address.to_string().parse().unwrap();
    let hex = |text: &str| {
        let (ip, port) = text.split_once(':')?;
        let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
        Some((ip, u16::from_str_radix(port, 16).ok()?))
    };
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let ends = (hex(words.next()?)?, hex(words.next()?)?);
        // 01: established.
        (words.next()? == "01").then_some(ends)
    });
    let ours = lines.filter(|(_, remote)| *remote == (to, port));
    ours.map(|(local, _)| local).collect()
}

fn connections_come_from_where_the_options_say(release: Release) {
    let master = Master::of(release).auto_accept().start();
    let from = harness::next_address();
    let config = format!(
        "source_address: {from}\nsource_ret_port: 41506\nsource_publish_port: 41505\nrecon_default: 200"
    );
    let mut agent = Agent::start("sourced", &master.address.to_string(), &config);
    agent.wait_ready();
    let from: Ipv4Addr = from.to_string().parse().unwrap();
    assert_eq!(sources(&master, 4505), [(from, 41505)]);
    assert_eq!(sources(&master, 4506), [(from, 41506)]);
    assert_eq!(master.salt(&["sourced", "test.ping"])["sourced"], true);
    // The same two ends again: what was closed must not stand in the way.
    agent.process().stop(10);
    agent.run();
    agent.wait_state(30, "ready", "");
    assert_eq!(sources(&master, 4505), [(from, 41505)]);
    // doctor asks from the same address while the daemon holds the ports.
    let healthy = agent.command("doctor", &["-o", "json"]).success().json();
    assert_eq!(healthy["healthy"], true, "{healthy}");

    agent.process().stop(10);
    agent.configure(&format!(
        "master: {}\nagent: {{trust: first-use}}\nsource_interface_name: lo",
        master.address
    ));
    agent.run();
    agent.wait_state(30, "ready", "");
    let any_port: Vec<Ipv4Addr> = sources(&master, 4505).iter().map(|(ip, _)| *ip).collect();
    assert_eq!(any_port, [Ipv4Addr::LOCALHOST]);
    until(20, "an answer", || {
        master
            .run("salt", &["-t", "5", "sourced", "test.ping"])
            .stdout
            .contains("True")
    });
}
