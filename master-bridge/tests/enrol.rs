//! VMs that are let in by a one-time token: it works once, is gone whatever happens, and is held against the console.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod project;
mod world;

use std::fs;

use harness::{Finished, Master, RELEASES, until};
use salt_wire::crypto::{OsRandom, PrivateKey};
use world::{World, step};

/// What is in the master's file of tokens that is not an operator's.
fn tokens(world: &World) -> Vec<String> {
    let file = world
        .master
        .dir()
        .join("etc/salt/autosign_grains/bridge_enrolment");
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|l| !l.is_empty() && *l != OPERATOR);
    lines.map(str::to_owned).collect()
}

const OPERATOR: &str = "an-operators-own-value";
const TOKEN: [&str; 2] = ["--enrol", "token"];

fn world() -> Option<World> {
    let release = RELEASES[0];
    if !release.is_installed() {
        return None;
    }
    let master = Master::of(release)
        .config("autosign_grains_dir: /etc/salt/autosign_grains")
        .file("srv/salt/top.sls", "base: {'*': [app]}\n")
        .file("srv/salt/app.sls", "here:\n  test.nop: []\n")
        .file(
            "etc/salt/autosign_grains/bridge_enrolment",
            &format!("{OPERATOR}\n"),
        )
        .start();
    let config = master.config_dir().display().to_string();
    Some(World::of(master, &["-c".to_owned(), config]))
}

#[test]
fn a_token_lets_in_once_and_is_gone_whatever_happens() {
    let Some(world) = world() else { return };
    let empty = world.holds();
    let booted = world.boot("app1", &TOKEN).success().json();
    assert_eq!(booted["result"], "done");
    assert_eq!(step(&booted, "console")["made"]["console"], true);
    assert!(tokens(&world).is_empty(), "it is burned");
    world.answers("app1");
    let kept = fs::read_to_string(
        world
            .master
            .dir()
            .join("etc/salt/autosign_grains/bridge_enrolment"),
    );
    assert_eq!(kept.unwrap(), format!("{OPERATOR}\n"));
    world.remove("app1");
    assert_eq!(world.holds(), empty);

    // A power cut while it lives: undone, or ended.
    let cut = |name: &str| {
        let mut boot = world.boot_command(name, &TOKEN);
        let killed = Finished::run(boot.env("MASTER_BRIDGE_FAULT", "token.armed"));
        assert_ne!(killed.code, 0, "{killed:?}");
        assert_eq!(tokens(&world).len(), 2, "a token, and until when");
    };
    cut("app2");
    world.bridge(&["ops", "rollback", "last"]).success();
    assert!(tokens(&world).is_empty());
    assert_eq!(world.holds(), empty, "nothing is left");
    cut("app3");
    let resumed = world.done(&["ops", "resume", "last"]);
    assert_eq!(resumed["result"], "done");
    assert!(tokens(&world).is_empty());
    world.remove("app3");

    // Given up: the server stays, and the token does not.
    cut("app5");
    world.bridge(&["ops", "end", "last"]).success();
    assert!(tokens(&world).is_empty());
    world.remove("app5");

    // Somebody has accepted a key of this name meanwhile, whatever he saw in it: it is not ours to delete.
    let mut boot = world.boot_command("app6", &TOKEN);
    let killed = Finished::run(boot.env("MASTER_BRIDGE_FAULT", "key.begun"));
    assert_ne!(killed.code, 0, "{killed:?}");
    until(60, "its key to wait", || {
        world.master.keys("minions_pre") == ["app6"]
    });
    world.master.accept("app6");
    let refused = world.bridge(&["ops", "resume", "last"]);
    assert!(refused.stderr.contains("without our token"), "{refused:?}");
    world.bridge(&["ops", "rollback", "last"]).success();
    assert_eq!(world.master.keys("minions"), ["app6"]);
    world.bridge(&["keys", "delete", "app6"]).success();
    assert_eq!(world.holds(), empty, "nothing else is left");

    // Somebody else came with it: his key is not the console's.
    cut("app4");
    until(60, "the master to accept it", || {
        world.master.keys("minions") == ["app4"]
    });
    let thief = PrivateKey::generate(2048, &mut OsRandom).unwrap();
    let key = world.master.pki_dir().join("minions/app4");
    fs::write(key, thief.public().wire_pem()).unwrap();
    let refused = world.bridge(&["ops", "resume", "last"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.stderr.contains("its console shows"), "{refused:?}");
    assert!(tokens(&world).is_empty());
    assert!(world.master.keys("minions").is_empty(), "and is not let in");
    world.bridge(&["ops", "rollback", "last"]).success();
    assert_eq!(world.holds(), empty, "nothing is left");
}

#[test]
fn where_no_token_can_be_written_it_is_said_before() {
    let Some(world) = World::start() else { return };
    let empty = world.holds();
    let refused = world.boot("app1", &TOKEN);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.stderr.contains("autosign_grains_dir"),
        "{refused:?}"
    );
    assert_eq!(world.holds(), empty);
}
