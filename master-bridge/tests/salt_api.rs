//! The bridge through a real salt-api, on every release: keys, jobs, what a user may not do, what is not there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod project;
mod world;

use std::process::Command;
use std::time::Duration;

use harness::{Agent, Finished, Master, RELEASES, Release, SaltApi, until};
use master_bridge::error::Kind;
use master_bridge::salt::api::{Api, Settings};
use master_bridge::salt::job::{self, Patience};
use master_bridge::salt::{Job, Master as _, keys};
use serde_json::{Value, json};
use world::World;

const IDS: [&str; 3] = ["a1", "a2", "a3"];

/// A master with its salt-api.
fn master(release: Release) -> Option<(Master, SaltApi)> {
    if !release.is_installed() {
        return None;
    }
    let mut master = Master::of(release)
        .config("nodegroups: {firsts: 'L@a1,a2'}\ntimeout: 3\ngather_job_timeout: 2")
        .file("srv/salt/top.sls", "base: {'*': [app]}\n")
        .file("srv/salt/app.sls", "here:\n  test.nop: []\n")
        .prepare();
    let mut api = SaltApi::prepare(&master);
    master.start();
    api.start(&master);
    Some((master, api))
}

fn command(options: &[String], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_master-bridge"));
    command.env_remove("SALTAPI_PASS").args(options).args(args);
    command
}

fn bridge(options: &[String], args: &[&str]) -> Finished {
    Finished::run(&mut command(options, args))
}

fn document(options: &[String], args: &[&str]) -> Value {
    bridge(options, &[&["-o", "json"], args].concat()).json()
}

/// It failed so, and said this.
#[track_caller]
fn fails(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, code, "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word}: {finished:?}");
    }
}

#[test]
fn keys_and_jobs_on_every_release() {
    for release in RELEASES {
        let Some((master, _api)) = master(release) else {
            continue;
        };
        let ops = SaltApi::options(&master, "ops");
        let address = master.address.to_string();
        let _agents = IDS.map(|id| Agent::start(id, &address, ""));
        until(60, "all keys to be pending", || {
            master.keys("minions_pre") == IDS
        });
        accepted(&master, &ops);
        until(60, "all to answer", || {
            bridge(
                &ops,
                &["-t", "2", "--gather-timeout", "1", "run", "*", "test.ping"],
            )
            .code
                == 0
        });
        jobs(&ops);
        forbidden(&master);
        let deleted = document(&ops, &["-y", "keys", "delete", "a3"]);
        assert_eq!(deleted["keys"][0]["id"], "a3");
        assert_eq!(master.keys("minions"), ["a1", "a2"]);
    }
}

fn accepted(master: &Master, ops: &[String]) {
    let listed = document(ops, &["keys", "list"]);
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    let finger = keys[0]["fingerprint"].as_str().unwrap();
    let wrong = vec!["00"; 32].join(":");
    fails(
        &bridge(ops, &["keys", "accept", "a1", "--finger", &wrong]),
        6,
        &["a1"],
    );
    bridge(ops, &["keys", "accept", "a1", "--finger", finger]).success();
    assert_eq!(master.keys("minions"), ["a1"]);
    bridge(ops, &["-y", "keys", "accept", "a2", "a3", "--unproven"]).success();
    assert_eq!(master.keys("minions"), IDS);
}

fn jobs(ops: &[String]) {
    let args = [
        "run",
        "-L",
        "a1,a3,nobody",
        "test.arg",
        "1",
        "two",
        "'3'",
        "x=[3, y]",
    ];
    let ran = document(ops, &args);
    assert_eq!(ran["returns"].as_object().unwrap().len(), 2, "{ran:#}");
    let returned = &ran["returns"]["a3"]["return"];
    assert_eq!(returned["args"], json!([1, "two", "3"]));
    assert_eq!(returned["kwargs"]["x"], json!([3, "y"]));
    assert_eq!(ran["no_key"], json!(["nobody"]));
    let group = document(ops, &["run", "-N", "firsts", "test.ping"]);
    assert_eq!(group["returns"].as_object().unwrap().len(), 2, "{group:#}");
    // Longer than the timeout: asked, and waited for.
    let slow = [
        "-t",
        "1",
        "--gather-timeout",
        "3",
        "run",
        "a1",
        "test.sleep",
        "4",
    ];
    assert_eq!(bridge(ops, &slow).success().stdout, "a1:\n    true\n");
    assert_eq!(bridge(ops, &["run", "a1", "no.such"]).code, 1);
    fails(&bridge(ops, &["run", "nobody", "test.ping"]), 5, &[]);
    let minions = document(ops, &["minions"]);
    let minions = minions["minions"].as_array().unwrap();
    assert!(minions.iter().all(|m| m["answers"] == true), "{minions:?}");
    fails(
        &bridge(ops, &["keys", "rotate", "a1"]),
        2,
        &["--salt-config"],
    );
}

/// Who may ping may ping, and nothing else.
fn forbidden(master: &Master) {
    let reader = SaltApi::options(master, "reader");
    let url = SaltApi::url(master);
    bridge(&reader, &["run", "a1", "test.ping"]).success();
    let other = bridge(&reader, &["run", "a1", "test.echo", "x"]);
    fails(&other, 4, &[&url, "reader", "test.echo", "external_auth"]);
    fails(
        &bridge(&reader, &["keys", "list"]),
        4,
        &["reader", "key.list_all", "@wheel"],
    );
}

#[test]
fn what_is_wrong_is_said() {
    let Some((mut master, mut api)) = master(RELEASES[0]) else {
        return;
    };
    let ops = SaltApi::options(&master, "ops");
    let url = SaltApi::url(&master);
    let with = |option: &str, value: &str| {
        let mut options = ops.clone();
        let at = options.iter().position(|o| o == option).unwrap();
        options[at + 1] = value.to_owned();
        bridge(&options, &["keys", "list"])
    };
    fails(
        &with("--salt-api-user", "stranger"),
        4,
        &[&url, "stranger", "external_auth"],
    );
    fails(&with("--salt-api-eauth", "pam"), 4, &["by pam"]);
    master.write("api/wrong", "wrong\n");
    let wrong = master.dir().join("api/wrong");
    fails(
        &with("--salt-api-password-file", wrong.to_str().unwrap()),
        6,
        &["chmod 600"],
    );
    // From the environment, and nobody sees it.
    let nothing: Vec<String> = ops
        .chunks(2)
        .filter(|pair| pair[0] != "--salt-api-password-file")
        .flatten()
        .cloned()
        .collect();
    let env = |password| {
        let mut command = command(&nothing, &["-vvv", "keys", "list"]);
        Finished::run(command.env("SALTAPI_PASS", password))
    };
    let refused = env("a wrong word");
    fails(&refused, 4, &[&url, "ops", "sharedsecret", "password"]);
    assert!(!refused.stderr.contains("a wrong word"), "{refused:?}");
    let good = env(SaltApi::PASSWORD).success();
    assert!(!good.stderr.contains(SaltApi::PASSWORD), "{good:?}");
    fails(&bridge(&nothing, &["keys", "list"]), 2, &["SALTAPI_PASS"]);

    let host = master.address.to_string();
    let plain = format!("http://{host}:8000");
    fails(&with("--salt-api", &plain), 3, &[&plain]);
    fails(&with("--salt-api", "http://192.0.2.1:8000"), 6, &["https"]);
    fails(
        &with("--salt-api", &format!("{url}/elsewhere")),
        3,
        &["404", "rest_cherrypy"],
    );
    let closed = format!("https://{host}:1");
    fails(
        &with("--salt-api", &closed),
        3,
        &[&closed, "salt-api runs there"],
    );
    let stranger = master.dir().join("api/api.crt");
    fails(
        &with("--salt-api-ca", stranger.to_str().unwrap()),
        3,
        &[&url, "--salt-api-ca"],
    );
    let both = [&ops[..], &["-c".to_owned(), "/etc/salt".to_owned()]].concat();
    fails(&bridge(&both, &["keys", "list"]), 2, &["--salt-config"]);

    // A master that is not there, and a client that nobody has enabled.
    master.kill();
    fails(
        &with("--salt-api-user", "ops"),
        3,
        &[&url, "salt-master runs"],
    );
    let config = master.dir().join("etc/salt/master.d/api.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(", wheel]", "]")).unwrap();
    master.start();
    api.start(&master);
    fails(
        &with("--salt-api-user", "ops"),
        4,
        &["key.list_all", "netapi_enable_clients"],
    );
}

/// Sessions end: with the process of salt-api, and with their tokens. A new one is got, once.
#[test]
fn a_session_that_has_ended_is_begun_anew() {
    let Some((master, mut api)) = master(RELEASES[0]) else {
        return;
    };
    let address = master.address.to_string();
    let _agent = Agent::start("a1", &address, "");
    master.accept("a1");
    until(60, "a1 to answer", || {
        master.salt(&["a1", "test.ping"])["a1"] == true
    });
    let settings = Settings {
        url: SaltApi::url(&master),
        user: "ops".into(),
        eauth: "sharedsecret".into(),
        password_file: Some(SaltApi::password_file(&master)),
        ca: Some(SaltApi::ca(&master)),
    };
    let patience = Patience {
        timeout: Duration::from_secs(5),
        gather: Duration::from_secs(5),
        most: Duration::from_secs(60),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut there = Api::open(settings).await.unwrap();
        assert_eq!(keys::all(&mut there).await.unwrap().len(), 1);
        api.start(&master);
        assert_eq!(keys::all(&mut there).await.unwrap().len(), 1);
        let expire = || {
            let tokens = master.dir().join("var/cache/salt/master/tokens");
            for token in std::fs::read_dir(tokens).unwrap() {
                std::fs::remove_file(token.unwrap().path()).unwrap();
            }
        };
        expire();
        let ping = Job::for_ids(&["a1"], "test.ping");
        let ran = job::run(&mut there, &ping, patience, &mut |_| {})
            .await
            .unwrap();
        assert!(ran.is_good(), "{ran:?}");
        // The stream is another matter: what was missed is not known, so it is said.
        let mut nap = Job::for_ids(&["a1"], "test.sleep");
        nap.args.push(2.into());
        there.publish(&nap).await.unwrap();
        expire();
        let ended = loop {
            match there.event(Duration::from_secs(30)).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream goes on without a token"),
                Err(error) => break error,
            }
        };
        assert_eq!(ended.kind, Kind::Unreachable);
        assert!(ended.message.contains("may have been missed"), "{ended}");
        let ran = job::run(&mut there, &ping, patience, &mut |_| {})
            .await
            .unwrap();
        assert!(ran.is_good(), "and it is opened anew: {ran:?}");
    });
}

/// An operation knows from the journal how its master is reached.
#[test]
fn a_vm_is_booted_and_replaced_through_it() {
    let Some((master, _api)) = master(RELEASES[0]) else {
        return;
    };
    let options = SaltApi::options(&master, "ops");
    let world = World::of(master, &options);
    let empty = world.holds();
    let killed = Finished::run(
        world
            .boot_command("app1", &[])
            .env("MASTER_BRIDGE_FAULT", "proof.done"),
    );
    assert_ne!(killed.code, 0, "{killed:?}");
    // Nothing on this command line leads to the master.
    let mut resume = Command::new(env!("CARGO_BIN_EXE_master-bridge"));
    resume
        .env("HOME", world.home.path())
        .env("OS_CLIENT_CONFIG_FILE", world.sandbox.clouds())
        .env("OS_CLOUD", "sandbox")
        .arg("--journal")
        .arg(world.home.path().join("journal"))
        .args(["-y", "-o", "json", "ops", "resume"]);
    let booted = Finished::run(&mut resume).success().json();
    assert_eq!(booted["result"], "done");
    world.answers("app1");
    let key = world.key("app1");
    let replace = ["replace", "app1", "--master", &world.address, "--soak", "0"];
    // It is not well: the old one's key is accepted again when it comes with it.
    let sick = ["--health", "test.no_such_function", "--health-within", "0"];
    let failed = world.bridge(&[&replace[..], &sick].concat());
    assert_eq!(failed.json()["result"], "rolled-back", "{failed:?}");
    assert_eq!(world.key("app1"), key);
    world.answers("app1");
    let replaced = world.done(&replace);
    assert_eq!(replaced["result"], "done");
    assert_ne!(world.key("app1"), key);
    world.answers("app1");
    world.remove("app1");
    assert_eq!(world.holds(), empty, "nothing is left");
}
