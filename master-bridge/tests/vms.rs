//! VMs in the sandbox with a real master: booted, flipped, replaced, imaged, undone; the bridge killed, and resumed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod world;

use harness::Finished;
use serde_json::{Value, json};
use world::{Web, World, step};

#[test]
fn a_vm_is_booted_flipped_replaced_and_imaged() {
    let Some(world) = World::start() else { return };
    let empty = world.holds();
    world.booted_as_planned();
    let web = Web::start();
    world.open(web.port);
    world.flipped_and_flipped_back(&web);
    world.replaced(&web);
    world.imaged();
    assert_eq!(world.holds(), empty, "nothing is left");
}

impl World {
    fn booted_as_planned(&self) {
        let flavors = self.bridge(&["flavor", "list"]).success().json();
        let flavors = flavors["flavors"].as_array().unwrap();
        assert!(flavors.iter().any(|f| f["name"] == "m1.nano"));
        let before = self.holds();
        let grains = ["--grain", "level=ci", "--expect-grain", "level=ci"];
        let plan = self.boot("app1", &["--dry-run"]).success().json();
        assert_eq!(self.holds(), before, "a look changes nothing");
        let hash = plan["hash"].as_str().unwrap();
        let other = self.boot("app1", &[&grains[..], &["--plan-hash", hash]].concat());
        assert_eq!(other.code, 6, "another plan: {other:?}");
        let booted = self.boot("app1", &[&["--floating-ip"], &grains[..]].concat());
        let booted = booted.success().json();
        assert_eq!(booted["result"], "done");
        assert_eq!(step(&booted, "highstate")["made"]["states"], 1);
        let listed = self.bridge(&["server", "list"]).success().json();
        let app1 = &listed["servers"][0];
        assert_eq!(
            (&app1["name"], &app1["minion"]["answers"]),
            (&json!("app1"), &json!(true))
        );
        assert_eq!(app1["operation"], Value::Null, "nobody holds it");
        let grain = self.master.salt(&["app1", "grains.get", "level"]);
        assert_eq!(grain["app1"], "ci", "and Salt's own tools see it");
        assert_eq!(self.boot("app1", &[]).code, 6, "the name is taken");
        let unknown = self.bridge(&["server", "show", "app"]);
        assert!(
            unknown.code == 5 && unknown.stderr.contains("app1"),
            "{unknown:?}"
        );
    }

    /// The address goes from app1 to app2, measured; not to one that does not answer.
    fn flipped_and_flipped_back(&self, web: &Web) {
        self.boot("app2", &[]).success();
        let shown = self.bridge(&["server", "show", "app1"]).success().json();
        let ip = shown["floating_ips"][0]["floating_ip_address"]
            .as_str()
            .unwrap()
            .to_owned();
        let probe = format!("http://{{ip}}:{}/", web.port);
        let flip = ["flip", ip.as_str(), "--to", "app2", "--probe", &probe];
        let flipped = self.bridge(&flip).success().json();
        let made = &step(&flipped, "flip")["made"];
        let blackout = made["blackout_ms"].as_u64().unwrap();
        assert!(
            blackout < 2000 && made["probes"].as_u64().unwrap() >= 10,
            "{made}"
        );
        assert_eq!(web.asked(&ip), self.fixed("app2"));
        self.bridge(&["ops", "rollback", "last"]).success();
        assert_eq!(web.asked(&ip), self.fixed("app1"), "and back");
        web.mute(&self.fixed("app2"));
        let black = self.bridge(&[&flip[..], &["--max-blackout", "700"]].concat());
        assert_eq!(black.code, 1, "{black:?}");
        assert!(
            black.stderr.contains("leads back to the old server"),
            "{black:?}"
        );
        assert_eq!(web.asked(&ip), self.fixed("app1"), "it is where it was");
        web.unmute();
        self.remove("app2");
    }

    fn replaced(&self, web: &Web) {
        let old = self.bridge(&["server", "show", "app1"]).success().json();
        let ip = old["floating_ips"][0]["floating_ip_address"]
            .as_str()
            .unwrap()
            .to_owned();
        let probe = format!("http://{{ip}}:{}/", web.port);
        let (before, key) = (self.holds(), self.key("app1"));
        let health = format!("http://{{address}}:{}/", web.port);
        let common = [
            "replace",
            "app1",
            "--master",
            &self.address,
            "--grain",
            "level=ci",
            "--soak",
            "0",
        ];
        let probed = ["--probe", probe.as_str(), "--health", &health];
        // It is not well: the old one serves as before, with its key.
        let sick = ["--health", "test.no_such_function", "--health-within", "0"];
        let failed = self.bridge(&[&common[..], &sick].concat());
        assert!(
            failed.code == 1 && failed.stderr.contains("is not well"),
            "{failed:?}"
        );
        assert_eq!(failed.json()["result"], "rolled-back");
        assert_eq!(
            (self.holds(), self.key("app1")),
            (before.clone(), key.clone())
        );
        assert_eq!(web.asked(&ip), self.fixed("app1"));
        self.answers("app1");
        // The bridge is killed before the address moves, and again before the old one goes.
        let mut replace = self.command(&[&common[..], &probed, &["--test-ip"]].concat());
        let killed = Finished::run(replace.env("MASTER_BRIDGE_FAULT", "green-key.made"));
        assert_ne!(killed.code, 0, "{killed:?}");
        assert_eq!(
            web.asked(&ip),
            old["ports"][0]["fixed_ips"][0]["ip_address"]
        );
        let mut resume = self.command(&["ops", "resume", "last"]);
        let killed = Finished::run(resume.env("MASTER_BRIDGE_FAULT", "retire.begun"));
        assert_ne!(killed.code, 0, "{killed:?}");
        let done = self.bridge(&["ops", "resume", "last"]).success().json();
        assert_eq!(done["result"], "done");
        let blackout = step(&done, "flip")["made"]["blackout_ms"].as_u64();
        assert!(blackout.is_some_and(|ms| ms < 2000), "{done:#}");
        assert_eq!(step(&done, "test-over")["state"], "done");
        let mut after = self.holds();
        after["security_group"] = before["security_group"].clone();
        assert_eq!(after, before, "one for one");
        assert_ne!(self.key("app1"), key, "another machine");
        self.answers("app1");
        let shown = self.bridge(&["server", "show", &ip]).success().json();
        assert_ne!(shown["server"]["id"], old["server"]["id"]);
        let refused = self.bridge(&["ops", "rollback", "last"]);
        assert!(
            refused.code == 6 && refused.stderr.contains("cannot be undone"),
            "{refused:?}"
        );
        self.remove("app1");
        self.release(&ip);
    }

    fn imaged(&self) {
        let before = self.holds();
        // What the sandbox's VMs run they run on this machine: nothing may be generalized here.
        let bake = [
            "bake",
            "web",
            "--image",
            "tiny",
            "--flavor",
            "m1.nano",
            "--network",
            "private",
            "--master",
            &self.address,
            "--generalize",
            "none",
            "--grain",
            "level=ci",
        ];
        let baked = self.bridge(&bake).success().json();
        let image = step(&baked, "image")["made"]["id"].as_str().unwrap();
        let why = self.bridge(&["image", "why", "web-1"]).success().json();
        assert_eq!(why["id"], image);
        assert_eq!(why["content_is_as_made"], true, "{why:#}");
        assert_eq!(why["made_from"].as_array().unwrap().len(), 1);
        let mut after = self.holds();
        assert_eq!(after["image"], json!(before["image"].as_u64().unwrap() + 1));
        after["image"] = before["image"].clone();
        assert_eq!(after, before, "of the builder nothing is left");
        self.bridge(&["ops", "rollback", "last"]).success();
        assert_eq!(
            self.bridge(&["image", "why", "web-1"]).code,
            5,
            "gone with its operation"
        );
    }
}

#[test]
fn trouble_ends_with_a_cause_and_leaves_nothing() {
    let Some(world) = World::start() else { return };
    let before = world.holds();
    for (fault, words) in [
        ("nova.create=ERROR@1", "No valid host"),
        ("nova.create=403@1", "403"),
    ] {
        world.sandbox.fault(fault);
        let failed = world.boot("x", &["--floating-ip"]);
        assert!(failed.code != 0, "{fault}: {failed:?}");
        assert!(failed.stderr.contains(words), "{fault}: {failed:?}");
        assert!(failed.stderr.contains("hint:"), "{fault}: {failed:?}");
        world
            .sandbox
            .bridge(&["sandbox", "fault", "--clear"])
            .success();
        if failed.json()["result"] == "stopped" {
            world.bridge(&["ops", "rollback", "last"]).success();
        }
        assert_eq!(world.holds(), before, "{fault}");
    }
    // The answer is lost, and it was done all the same: a second look finds it. Then the token counts no more.
    world.sandbox.fault("nova.create=lost@1");
    world.sandbox.fault("nova.server.show=expire@1");
    world.boot("y", &["--floating-ip"]).success();
    world.bridge(&["ops", "rollback", "last"]).success();
    assert_eq!(world.holds(), before);
    // The bridge is killed: resumed, or undone at once.
    for (at, resume) in [
        ("server.begun", true),
        ("server.made", false),
        ("key.made", true),
        ("flip.made", false),
    ] {
        let mut boot = world.boot_command("k", &["--floating-ip"]);
        let killed = Finished::run(boot.env("MASTER_BRIDGE_FAULT", at));
        assert_ne!(killed.code, 0, "{at}: {killed:?}");
        if resume {
            let done = world.bridge(&["ops", "resume", "last"]).success().json();
            assert_eq!(done["result"], "done", "{at}");
            world.answers("k");
        }
        world.bridge(&["ops", "rollback", "last"]).success();
        assert_eq!(world.holds(), before, "{at}");
    }
}
