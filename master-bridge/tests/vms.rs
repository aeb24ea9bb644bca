//! VMs in the sandbox with a real master: booted, flipped, replaced, imaged, undone; the bridge killed, and resumed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod page;
mod project;
mod world;

use harness::{Finished, until};
use serde_json::{Value, json};
use world::{Web, World, step};

#[test]
fn a_vm_is_booted_flipped_replaced_and_imaged() {
    let Some(world) = World::start() else { return };
    let empty = world.holds();
    world.booted_as_planned();
    let web = Web::start(0);
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
        let agreed = self.home.path().join("agreed");
        std::fs::write(&agreed, plan.to_string()).unwrap();
        let agreed = ["--plan", agreed.to_str().unwrap()];
        let same = [&agreed[..], &["--dry-run"]].concat();
        self.boot("app1", &same).success();
        let other = self.boot("app1", &[&grains[..], &agreed].concat());
        assert!(
            other.code == 6 && other.stderr.contains("grains: is a new step"),
            "{other:?}"
        );
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
        let health = format!("http://127.77.0.2:{}/", web.port);
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
        let sick = ["--health", "http://127.0.0.1:9/", "--health-within", "0"];
        let failed = self.bridge(&[&common[..], &sick].concat());
        assert!(
            failed.code == 1
                && failed.stderr.contains("is not well")
                && failed.stderr.contains("refused"),
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
            "--grain",
            "level=ci",
        ];
        // A command line would run on this machine, and not in the VM's folder.
        let line = self.bridge(
            &[
                &bake[..],
                &["--generalize", "salt-agent generalize --check"],
            ]
            .concat(),
        );
        assert!(
            line.code == 1 && line.stderr.contains("is a VM of the sandbox"),
            "{line:?}"
        );
        assert_eq!(self.holds(), before);
        // With a proof boot it is in the page *Golden images*.
        let baked = self.bridge(&bake).success().json();
        assert_eq!(step(&baked, "generalize")["made"]["clean"], true);
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

/// Whether a process of this group runs. Whoever has ended and waits to be taken note of does not.
fn lives(group: &str) -> bool {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut stats = entries.filter_map(|e| std::fs::read_to_string(e.path().join("stat")).ok());
    stats.any(|stat| {
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let mut words = rest.split_whitespace();
        words.next() != Some("Z") && words.nth(1) == Some(group)
    })
}

/// The pages *Replace a VM*, *Golden images* and *A new master*, as they stand.
#[test]
fn the_pages_about_vms() {
    let Some(world) = World::start() else { return };
    let file = world.home.path().join("image.raw");
    std::fs::write(&file, "nothing that boots").unwrap();
    let file = file.to_str().unwrap();
    world
        .bridge(&["image", "import", "ubuntu-24.04", "--file", file])
        .success();
    world.boot("app2", &["--floating-ip"]).success();
    let _web = Web::start(8080);
    world.open(8080);
    let bridge = |args: &[&str]| {
        // On a real master its own address is in its configuration; and nobody looks on here.
        let more: &[&str] = match args[0] {
            "replace" => &["--master", &world.address, "--soak", "0"],
            "boot" | "bake" => &["--master", &world.address],
            _ => &[],
        };
        world.table(&[args, more].concat())
    };
    for page in ["replace-a-vm.md", "golden-images.md", "a-new-master.md"] {
        page::run(page, world.home.path(), &bridge);
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
    world.a_master_is_launched();
    world.an_environment_of_minions();
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
        if at == "server.made" {
            until(60, "its key to wait", || {
                world.master.keys("minions_pre") == ["k"]
            });
        }
        if resume {
            let done = world.bridge(&["ops", "resume", "last"]).success().json();
            assert_eq!(done["result"], "done", "{at}");
            world.answers("k");
        }
        world.bridge(&["ops", "rollback", "last"]).success();
        assert_eq!(world.holds(), before, "{at}");
    }
}

impl World {
    /// The key that the console proved is the key that it has, and minions may be told.
    fn a_master_is_launched(&self) {
        let launch = [
            "master",
            "launch",
            "salt2",
            "--image",
            "tiny",
            "--flavor",
            "m1.small",
            "--network",
            "private",
            "--floating-ip",
        ];
        let launched = self.bridge(&launch).success().json();
        let finger = step(&launched, "proof")["made"]["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned();
        let id = step(&launched, "server")["made"]["id"].as_str().unwrap();
        let vm = self.sandbox.folder().join("vm").join(id);
        let pid = std::fs::read_to_string(vm.join("pid")).unwrap();
        let key = vm.join("disk").join("etc/salt/pki/master/master.pub");
        assert_eq!(
            self.announced(&key),
            finger,
            "as the script on a real one would say it"
        );
        let listed = self.bridge(&["master", "list"]).success().json();
        assert_eq!(listed["masters"][0]["fingerprint"], finger.as_str());
        let address = step(&launched, "flip")["made"]["address"].as_str().unwrap();
        let pinned = self
            .bridge(&["master", "pin", "--server", "salt2"])
            .success()
            .json();
        assert_eq!(
            (&pinned["master"], &pinned["master_finger"]),
            (&json!(address), &json!(finger))
        );
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../cloud-init/user-data.yaml");
        let pin = ["master", "pin", "--server", "salt2", "--template", template];
        let text = self.bridge(&pin).success().json()["template"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            text.contains(&format!("master_finger: '{finger}'")),
            "{text}"
        );
        self.bridge(&["ops", "rollback", "last"]).success();
        assert_eq!(self.bridge(&["master", "pin", "--server", "salt2"]).code, 5);
        until(10, "all of it to be off", || !lives(&pid));
    }

    /// What the script of cloud-init/master.yaml makes of a key.
    fn announced(&self, key: &std::path::Path) -> String {
        let template = include_str!("../../cloud-init/master.yaml");
        let line = template
            .lines()
            .find(|l| l.trim().starts_with("finger="))
            .unwrap();
        let script = format!(
            "key={}\n{}\nprintf %s \"$finger\"",
            key.display(),
            line.trim()
        );
        Finished::run(std::process::Command::new("sh").args(["-c", &script]))
            .success()
            .stdout
    }

    /// Its servers are proven minions; larger, smaller and gone, keys included.
    fn an_environment_of_minions(&self) {
        let before = self.holds();
        let file = |count: u32| {
            let text = format!(
                "name = 'm'\nmaster = '{}'\n[network]\nexisting = 'private'\n[group.app]\nrules = [{{ proto = 'tcp', port = 80 }}]\n\
                 [server.app]\ncount = {count}\nimage = 'tiny'\nflavor = 'm1.nano'\ngroups = ['app']\ngrains = {{ level = 'ci' }}\nboot_within = 60\n[server.salt]\nimage = 'tiny'\nflavor = 'm1.small'\nmaster = true\n",
                self.address
            );
            let path = self.home.path().join(format!("m{count}.toml"));
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let mut up = self.command(&["env", "up", &file(2)]);
        let killed = Finished::run(up.env("MASTER_BRIDGE_FAULT", "app1-key.made"));
        assert_ne!(killed.code, 0, "{killed:?}");
        let done = self.bridge(&["ops", "resume", "last"]).success().json();
        assert_eq!(step(&done, "app2-highstate")["state"], "done");
        let masters = self.bridge(&["master", "list"]).success().json();
        let proven = &step(&done, "salt1-proof")["made"]["fingerprint"];
        assert_eq!(&masters["masters"][0]["fingerprint"], proven);
        self.answers("m-app1");
        self.answers("m-app2");
        let again = self.bridge(&["env", "up", &file(2)]).success().json();
        assert_eq!(again["result"], "nothing");
        self.bridge(&["env", "up", &file(1)]).success();
        assert_eq!(
            self.master.keys("minions"),
            ["m-app1"],
            "drained with its key"
        );
        let mut down = self.command(&["env", "down", &file(1)]);
        let killed = Finished::run(down.env("MASTER_BRIDGE_FAULT", "m-app1-gone.made"));
        assert_ne!(killed.code, 0, "{killed:?}");
        self.bridge(&["ops", "resume", "last"]).success();
        assert_eq!(self.holds(), before, "keys included");
    }
}
