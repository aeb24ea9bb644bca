//! Environments in the sandbox: brought up, as they are a second time, larger, smaller, and away; killed at every step.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod project;

use project::Project;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ci.toml");

fn keys(plan: &Value) -> Vec<String> {
    let steps = plan["steps"].as_array().unwrap().iter();
    steps
        .map(|s| s["key"].as_str().unwrap().to_owned())
        .collect()
}

/// What there is more than before, by kind.
fn more(now: &Value, before: &Value) -> Value {
    let all = now.as_object().unwrap().iter();
    let more = all.map(|(kind, count)| {
        (
            kind.clone(),
            count.as_i64().unwrap() - before[kind].as_i64().unwrap(),
        )
    });
    Value::Object(
        more.filter(|(_, n)| *n != 0)
            .map(|(kind, n)| (kind, n.into()))
            .collect(),
    )
}

#[test]
fn an_environment_comes_grows_shrinks_and_goes() {
    let project = Project::start();
    let empty = project.sandbox.holds();
    let nothing = project.done(&["env", "down", FILE]);
    assert_eq!(nothing["result"], "nothing");
    let plan = project.done(&["env", "plan", FILE]);
    assert_eq!(project.sandbox.holds(), empty, "a look changes nothing");
    let hash = plan["hash"].as_str().unwrap();
    project.done(&["env", "up", FILE, "--plan-hash", hash]);
    // Of ports: the router's, the gateway's and those of the floating addresses count too.
    let holds = more(&project.sandbox.holds(), &empty);
    for (kind, count) in [
        ("server", 3),
        ("network", 1),
        ("subnet", 1),
        ("router", 1),
        ("security_group", 2),
        ("keypair", 1),
        ("server_group", 1),
        ("floatingip", 2),
        ("volume", 1),
    ] {
        assert_eq!(holds[kind], count, "{kind} in {holds}");
    }
    assert_eq!(
        project.done(&["env", "up", FILE])["result"],
        "nothing",
        "a second time"
    );
    project.pair();
    project.other_counts(&empty);
    project.strangers(&empty);
    let refused = project.bridge(&["env", "up", &project.file("moved.toml", &moved())]);
    assert!(
        refused.code == 6 && refused.stderr.contains("is to be 10.79"),
        "{refused:?}"
    );
    project.done(&["env", "down", FILE]);
    assert_eq!(project.done(&["env", "down", FILE])["result"], "nothing");
    assert_eq!(
        project.sandbox.holds(),
        empty,
        "and nothing else is gone or left"
    );
}

fn text() -> String {
    std::fs::read_to_string(FILE).unwrap()
}

fn moved() -> Vec<u8> {
    text().replace("10.78.0.0/24", "10.79.0.0/24").into_bytes()
}

impl Project {
    /// The pair may both use the virtual address, and the world comes in there.
    fn pair(&self) {
        let api = self.sandbox.login("demo");
        let port = |name: &str| {
            let found = api
                .get("network", &format!("/ports?name={name}"))
                .is(200)
                .body["ports"]
                .clone();
            assert_eq!(found.as_array().unwrap().len(), 1, "{name}: {found}");
            found[0].clone()
        };
        for name in ["ci-lb1", "ci-lb2"] {
            assert_eq!(
                port(name)["allowed_address_pairs"][0]["ip_address"],
                "10.78.0.200"
            );
        }
        let vip = port("ci-front");
        let ips = api.get("network", "/floatingips").body["floatingips"].clone();
        let leads = ips
            .as_array()
            .unwrap()
            .iter()
            .any(|ip| ip["port_id"] == vip["id"]);
        assert!(leads, "{ips}");
        let app = self.done(&["server", "show", "ci-app1"]);
        assert_eq!(app["floating_ips"].as_array().unwrap().len(), 1);
        assert_eq!(app["server"]["key_name"], "ci-key");
        assert_eq!(
            app["server"]["metadata"],
            json!({"bridge-env": "ci", "bridge-minion": "no"}),
            "nobody holds it"
        );
    }

    fn other_counts(&self, empty: &Value) {
        let three = text().replace("[server.app]\ncount = 1", "[server.app]\ncount = 3");
        let three = self.file("three.toml", three.as_bytes());
        let one = self.sandbox.holds();
        self.done(&["env", "up", &three]);
        let grown = more(&self.sandbox.holds(), &one);
        assert_eq!(
            (&grown["server"], &grown["volume"], &grown["floatingip"]),
            (&json!(2), &json!(2), &json!(2))
        );
        assert_eq!(self.done(&["env", "up", &three])["result"], "nothing");
        let kept = self.done(&["server", "show", "ci-app1"])["server"]["id"].clone();
        let plan = self.done(&["env", "plan", FILE]);
        assert!(
            keys(&plan)[0].starts_with("app3"),
            "the last goes first: {plan:#}"
        );
        self.done(&["env", "up", FILE]);
        assert_eq!(self.sandbox.holds(), one, "drained, with what was theirs");
        assert_eq!(
            self.done(&["server", "show", "ci-app1"])["server"]["id"],
            kept
        );
        assert_ne!(&one, empty);
    }

    /// What has a name like the environment's, and is not of it, stays.
    fn strangers(&self, empty: &Value) {
        let api = self.sandbox.login("demo");
        let group = json!({"security_group": {"name": "ci-other"}});
        let group = api.post("network", "/security-groups", &group).is(201).body["security_group"]
            ["id"]
            .clone();
        let before = self.sandbox.holds();
        self.done(&["env", "down", FILE]);
        let left = more(&self.sandbox.holds(), empty);
        assert_eq!(left, json!({"security_group": 1}), "the stranger");
        self.done(&["env", "up", FILE]);
        assert_eq!(
            self.sandbox.holds(),
            before,
            "and the environment is there again"
        );
        api.delete(
            "network",
            &format!("/security-groups/{}", group.as_str().unwrap()),
        )
        .is(204);
    }
}

#[test]
fn it_is_killed_at_every_step() {
    let project = Project::start();
    let empty = project.sandbox.holds();
    let up = ["env", "up", FILE];
    let steps = keys(&project.done(&["env", "plan", FILE]));
    // Before each effect, and between each and the note that it is done.
    let mut args: &[&str] = &up;
    let resume = ["ops", "resume", "last"];
    for key in &steps {
        for point in ["begun", "made"] {
            project.killed(&format!("{key}.{point}"), args);
            args = &resume;
        }
    }
    project.done(&resume);
    assert_eq!(project.done(&up)["result"], "nothing", "each was made once");
    let whole = project.sandbox.holds();
    // Back, killed after each inverse.
    let rollback = ["ops", "rollback", "last"];
    for key in steps.iter().rev() {
        project.killed(&format!("{key}.undone"), &rollback);
    }
    project.done(&rollback);
    assert_eq!(project.sandbox.holds(), empty, "nothing is left");
    // Undone from the middle, whatever was half made.
    for key in [
        "interface",
        "rules-lb",
        "vip-front",
        "lb1",
        "app1-data-attached",
        "app1-lead",
    ] {
        project.killed(&format!("{key}.made"), &up);
        project.done(&rollback);
        assert_eq!(project.sandbox.holds(), empty, "{key}");
    }
    project.done(&up);
    assert_eq!(project.sandbox.holds(), whole);
    let mut args: &[&str] = &["env", "down", FILE];
    for key in keys(&project.done(&["env", "down", FILE, "--dry-run"])) {
        for point in ["begun", "made"] {
            project.killed(&format!("{key}.{point}"), args);
            args = &resume;
        }
    }
    project.done(&resume);
    assert_eq!(project.sandbox.holds(), empty, "all of it is gone");
}
