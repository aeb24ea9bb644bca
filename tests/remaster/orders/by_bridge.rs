//! Orders that the bridge leaves where minions look: in a file, and in the metadata of a cloud.

use std::fs;
use std::path::Path;

use harness::{Agent, Api, Finished, Master, Sandbox, until};
use serde_json::json;

use super::{Signer, config, write};
use crate::fleet;
use crate::pair::{answers, on_only, status};

/// A server of this name.
fn made(api: &Api, name: &str) -> String {
    let image = api.get("image", "/images?name=tiny").is(200).body["images"][0]["id"].clone();
    let network =
        api.get("network", "/networks?name=private").is(200).body["networks"][0]["id"].clone();
    let wish = json!({"server": {
        "name": name, "imageRef": image, "flavorRef": "1", "networks": [{"uuid": network}],
    }});
    let made = api.post("compute", "/servers", &wish).is(202);
    made.body["server"]["id"].as_str().unwrap().to_owned()
}

/// Two agents whose orders the bridge leaves where they look: one in a file, one in the metadata of a cloud.
pub(super) struct Ways {
    sandbox: Sandbox,
    server: String,
    /// A server that will not be there any more when its order would come.
    deleted: String,
    signer: Signer,
    filed: Agent,
    published: Agent,
}

impl Ways {
    pub(super) fn of(old: &Master) -> Self {
        let sandbox = Sandbox::start(&[]);
        let api = sandbox.login("demo");
        let names = ["by-meta", "bystander", "no-minion", "meta1"];
        let [server, deleted, ..] = names.map(|name| made(&api, name));
        let signer = Signer::make(old);
        let start = |id: &str, url: &str| {
            let config = config(&signer.public, url);
            let mut agent = Agent::start(id, &old.address.to_string(), &config);
            agent.wait_ready();
            agent
        };
        Self {
            filed: start("by-file", ""),
            published: start("by-meta", &format!("{}/metadata/{server}", sandbox.url())),
            sandbox,
            server,
            deleted,
            signer,
        }
    }

    /// The plan of a move knows the cloud: why nobody answers, and whom the masters have never heard of.
    pub(super) fn planned(&self, old: &Master, new: &Master) {
        let config = new.config_dir().display().to_string();
        let args = ["-o", "json", "--dry-run", "remaster-all", "--to-config"];
        let cloud = ["--nova", "--os-cloud", "sandbox"];
        let mut command = fleet::command(old, &[&args[..], &[&config], &cloud].concat());
        command.env("OS_CLIENT_CONFIG_FILE", self.sandbox.clouds());
        let told = Finished::run(&mut command).success().json();
        let stays = told["plan"]["stays"].as_array().unwrap();
        let why = |id: &str| {
            let stay = stays.iter().find(|s| s["id"] == id);
            stay.unwrap()["server"].as_str().unwrap().to_owned()
        };
        assert!(why("meta1").contains("its server is ACTIVE"), "{told}");
        assert!(why("sleeper").contains("no server has its name"), "{told}");
        assert_eq!(
            told["servers_without_minion"][0]["name"], "no-minion",
            "{told}"
        );
        let orphans = told["keys_without_server"].as_array().unwrap();
        assert!(orphans.contains(&json!("by-file")), "{told}");
    }

    /// Where everyone is, also when the old master is dead; who has a server and no minion, or a key and no server.
    fn truth(&self, old: &Master, new: &Master, clouds: &Path) {
        let config = new.config_dir().display().to_string();
        let args = ["-o", "json", "remaster", "status", "--to-config", &config];
        let cloud = ["--nova", "--os-cloud", "sandbox"];
        let mut command = fleet::command(old, &[&args[..], &cloud].concat());
        let told = Finished::run(command.env("OS_CLIENT_CONFIG_FILE", clouds)).success();
        let told = told.json();
        let orphans = told["keys_without_server"].as_array().unwrap();
        assert!(orphans.contains(&json!("by-file")), "{told}");
        assert!(!orphans.contains(&json!("by-meta")), "{told}");
        let strangers = told["servers_without_minion"].as_array().unwrap();
        let strangers: Vec<_> = strangers.iter().map(|s| s["name"].clone()).collect();
        assert_eq!(strangers, ["no-minion"], "{told}");
        let moved = fleet::result(&told, "by-file");
        assert_eq!(
            (&moved["on"], &moved["keys"]),
            (&json!("new"), &json!("both"))
        );
        let left = fleet::result(&told, "bystander");
        assert_eq!(
            (&left["on"], &left["keys"]),
            (&json!("nowhere"), &json!("both"))
        );
    }

    pub(super) fn of_the_bridge(&self, old: &Master, new: &Master) {
        let config = new.config_dir().display().to_string();
        let clouds = self.sandbox.clouds();
        let file = self.signer.dir.path().join("order").display().to_string();
        let remaster = |ids: &[&str], more: &[&str]| {
            let args = [
                &["-y", "-o", "json", "remaster"][..],
                ids,
                &["--to-config", &config, "--order-key", &self.signer.file],
                more,
            ]
            .concat();
            let mut command = fleet::command(old, &args);
            command.env("OS_CLIENT_CONFIG_FILE", &clouds);
            command
        };
        // Nothing begins where an order cannot be left.
        let nowhere = Finished::run(&mut remaster(
            &["by-file"],
            &["--via", "metadata", "--os-cloud", "sandbox"],
        ));
        assert_ne!(nowhere.code, 0);
        assert!(nowhere.stderr.contains("by-file"), "{nowhere:?}");
        assert!(!new.keys("minions").contains(&"by-file".to_owned()));

        // Whoever is waited for in vain is free again once the operation is given up.
        let elsewhere = format!("{file}.lost");
        let lost = ["--via", "file", "--order-out", &elsewhere, "--wait", "0"];
        let waits = Finished::run(&mut remaster(&["by-file"], &lost));
        assert_eq!(waits.code, 1, "{waits:?}");
        let held = Finished::run(&mut remaster(&["by-file"], &lost));
        assert!(held.stderr.contains("ops end"), "{held:?}");
        let end = ["-y", "-o", "json", "ops", "end", "last"];
        let ended = fleet::bridge(old, &end).success().json();
        assert_eq!(ended["state"], "failed", "{ended}");

        // Killed wherever it may be, whoever resumes it leaves the order, once.
        let via_file = [
            &["-y", "remaster", "by-file", "--to-config", &config][..],
            &["--order-key", &self.signer.file, "--rounds", "0"],
            &["--via", "file", "--order-out", &file],
        ]
        .concat();
        fleet::killed(old, "plan.written", &via_file);
        let resume = ["-y", "ops", "resume", "last"];
        for point in ["hand-over.begun", "move.begun", "move.sent", "move.ordered"] {
            fleet::killed(old, point, &resume);
        }
        let order = fs::read_to_string(&file).unwrap();
        // As a web server or a copy would bring it there.
        write(&self.filed, &order);
        fleet::killed(old, "confirm.begun", &resume);
        fleet::killed(old, "state.written", &resume);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            order,
            "one order is enough"
        );
        let shown = fleet::bridge(old, &["-o", "json", "ops", "show", "last"]).success();
        assert_eq!(shown.json()["state"], "done", "{shown:?}");

        // A server that was deleted meanwhile is named, and the others get their orders all the same.
        let metadata = ["--via", "metadata", "--os-cloud", "sandbox"];
        let mut both = remaster(&["by-meta", "bystander"], &metadata);
        let begun = Finished::run(both.env("MASTER_BRIDGE_FAULT", "plan.written"));
        assert_eq!(begun.code, -9, "{begun:?}");
        let resume = |point: &str, clouds: &Path| {
            let args = ["-y", "-o", "json", "ops", "resume", "last"];
            let mut resume = fleet::command(old, &args);
            resume
                .env("OS_CLIENT_CONFIG_FILE", clouds)
                .env("MASTER_BRIDGE_FAULT", point);
            Finished::run(&mut resume)
        };
        let api = self.sandbox.login("demo");
        let remove = |server: &str| {
            let path = format!("/servers/{server}");
            api.delete("compute", &path);
            until(30, "the server to be gone", || {
                api.get("compute", &path).status == 404
            });
        };
        // Where nobody can tell whose server is meant, or none is there, nothing is changed.
        let elsewhere = self.signer.dir.path().join("clouds.yaml");
        let of_others = fs::read_to_string(&clouds)
            .unwrap()
            .replace("demo", "admin");
        fs::write(&elsewhere, of_others).unwrap();
        let foreign = resume("", &elsewhere);
        assert_eq!(foreign.code, 6, "{foreign:?}");
        assert!(
            foreign.stderr.contains("was begun in project"),
            "{foreign:?}"
        );
        let twin = made(&api, "bystander");
        let twins = resume("", &clouds);
        assert_ne!(twins.code, 0, "{twins:?}");
        assert!(
            twins.stderr.contains("2 servers are called bystander"),
            "{twins:?}"
        );
        remove(&twin);
        let show = ["-o", "json", "ops", "show", "last"];
        let shown = fleet::bridge(old, &show).success().json();
        assert_eq!(shown["state"], "interrupted", "{shown}");
        let steps = shown["steps"].as_array().unwrap();
        assert!(steps.iter().all(|s| s["state"] == "planned"), "{shown}");
        // Its order is out: nobody waits for it until that expires.
        assert_eq!(resume("move.ordered", &clouds).code, -9);
        remove(&self.deleted);
        let published = resume("", &clouds);
        assert_eq!(published.code, 1, "{published:?}");
        let told = published.json();
        assert_eq!(fleet::result(&told, "by-meta")["result"], "moved", "{told}");
        assert_eq!(
            fleet::result(&told, "bystander")["reason"],
            "no-server",
            "{told}"
        );
        assert!(
            published.stderr.contains("bystander can get no order"),
            "{published:?}"
        );
        for agent in [&self.filed, &self.published] {
            on_only(agent, new);
            assert_eq!(status(agent)["last"]["outcome"], "confirmed");
            assert!(answers(new, &agent.id));
        }
        self.truth(old, new, &clouds);
        let server = api.get("compute", &format!("/servers/{}", self.server));
        let left = &server.is(200).body["server"]["metadata"];
        assert_eq!(*left, json!({}), "the order is taken back");
    }
}
