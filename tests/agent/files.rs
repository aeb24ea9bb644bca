//! Files from the master.

use std::fs;

use harness::{Agent, Client, Master, Release};
use serde_json::json;

on_each_release!(a_file_of_a_hundred_megabytes_arrives_whole);

fn a_file_of_a_hundred_megabytes_arrives_whole(release: Release) {
    let master = Master::of(release).auto_accept().start();
    let mut agent = Agent::start("reader", &master.address.to_string(), "");
    agent.wait_ready();
    // No two chunks alike, and bytes that are no text.
    let bytes: Vec<u8> = (0..100_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(master.dir().join("srv/salt/big.bin"), &bytes).unwrap();
    let dest = agent.dir().join("big.bin");
    let (ret, _) = Client::of(&master).call(
        "reader",
        "cp.get_file",
        json!(["salt://big.bin", dest]),
        json!({}),
    );
    assert_eq!(ret, json!(dest));
    assert!(fs::read(&dest).unwrap() == bytes, "the file differs");
}
