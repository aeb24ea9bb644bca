//! The bridge's commands on the real services: what it says is done is what the services show, and nothing is left.

use std::path::PathBuf;

use harness::{Api, Finished};
use serde_json::json;

use crate::bridge::Bridge;
use crate::views;

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../master-bridge/tests/fixtures")
        .join(name);
    path.to_str().unwrap().to_owned()
}

/// Goes through all that needs no salt-master.
pub(crate) fn run(auth: &str, user: &str, password: &str, api: &Api) {
    let bridge = Bridge::of(auth, user, password, api);
    let before = bridge.census();
    bridge.small_things();
    bridge.environment();
    bridge.stack();
    assert_eq!(bridge.census(), before, "nothing is left");
}

impl Bridge<'_> {
    fn small_things(&self) {
        let key = self.home.path().join("key");
        self.done(&[
            "keypair",
            "create",
            "bridge-k",
            "--private-key",
            key.to_str().unwrap(),
        ]);
        assert!(
            std::fs::read_to_string(&key)
                .unwrap()
                .contains("PRIVATE KEY")
        );
        self.done(&["keypair", "delete", "bridge-k"]);
        let groups = "[group.bridge-g]\nrules = [{ proto = 'tcp', port = 80 }, { from = 'group:bridge-g' }, \
            { proto = 'icmp', from = '10.0.0.0/8' }, { proto = 'vrrp' }, { proto = 'udp', port = '5000-5010' }]\n";
        let groups = self.file("groups.toml", groups.as_bytes());
        self.done(&["secgroup", "apply", &groups]);
        assert_eq!(
            self.done(&["secgroup", "apply", &groups])["result"],
            "nothing",
            "whatever Neutron makes of a rule"
        );
        self.done(&["ops", "rollback", "last"]);
        self.done(&["volume", "create", "bridge-v", "--size", "1"]);
        self.done(&["volume", "snapshot", "bridge-v", "--name", "bridge-s"]);
        self.done(&["ops", "rollback", "last"]);
        self.done(&["volume", "delete", "bridge-v"]);
        let disk = self.file("disk.raw", &b"0123456789".repeat(100_000));
        for method in ["direct", "glance-direct"] {
            let import = [
                "image",
                "import",
                "bridge-i",
                "--file",
                &disk,
                "--min-disk",
                "1",
                "--property",
                "a=b",
                "--method",
                method,
            ];
            let made = self.done(&import);
            let id = made["steps"][0]["made"]["id"].as_str().unwrap();
            let image = self.api.get("image", &format!("/images/{id}")).is(200).body;
            assert_eq!(
                (&image["status"], &image["size"], &image["a"]),
                (&json!("active"), &json!(1_000_000), &json!("b"))
            );
            self.done(&["ops", "rollback", "last"]);
        }
    }

    fn environment(&self) {
        let file = fixture("ci.toml");
        self.done(&["env", "up", &file]);
        assert_eq!(self.done(&["env", "up", &file])["result"], "nothing");
        views::of_environment(self);
        let found = self.api.get("network", "/ports?name=ci-lb1").is(200).body;
        assert_eq!(
            found["ports"][0]["allowed_address_pairs"][0]["ip_address"],
            "10.78.0.200"
        );
        let mut down = self.command(&["env", "down", &file]);
        let killed = Finished::run(down.env("MASTER_BRIDGE_FAULT", "ci-lb1-gone.made"));
        assert_ne!(killed.code, 0, "{killed:?}");
        self.done(&["ops", "resume", "last"]);
    }

    fn stack(&self) {
        self.done(&[
            "stack",
            "create",
            "bridge-t",
            "--template",
            &fixture("app-master.yaml"),
            "-P",
            "password=hunter2",
        ]);
        let set = self.done(&["stack", "preview", "bridge-t", "-P", "enable_app_master=1"]);
        assert!(
            set["changes"]
                .as_array()
                .unwrap()
                .iter()
                .any(|c| c["what"] == "added" && c["name"] == "app_master")
        );
        self.done(&[
            "stack",
            "roll-image",
            "bridge-t",
            "--enable",
            "enable_app_master",
            "--server",
            "app_master_id",
            "--image-parameter",
            "app_image",
            "--no-configure",
            "--generalize",
            "none",
        ]);
        views::of_stack(self);
        let shown = self.done(&["stack", "show", "bridge-t"])["stack"]["parameters"].clone();
        let image = self.done(&["image", "show", "bridge-t-1"])["image"]["id"].clone();
        assert_eq!(
            (&shown["app_image"], &shown["enable_app_master"]),
            (&image, &json!("0"))
        );
        self.done(&["ops", "rollback", "last"]);
        let shown = self.done(&["stack", "show", "bridge-t"])["stack"]["parameters"].clone();
        assert_eq!(
            (&shown["app_image"], &shown["enable_app_master"]),
            (&json!("tiny"), &json!("0")),
            "as before"
        );
        self.done(&["stack", "delete", "bridge-t"]);
    }
}
