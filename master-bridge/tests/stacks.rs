//! Heat's stacks in the sandbox: made, previewed, changed, imaged through, removed; with trouble, and killed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod project;

use project::Project;
use serde_json::{Value, json};

const TEMPLATE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/app-master.yaml"
);

fn changes(preview: &Value) -> Vec<String> {
    let all = preview["changes"].as_array().unwrap().iter();
    all.map(|c| {
        format!(
            "{} {}",
            c["what"].as_str().unwrap(),
            c["name"].as_str().unwrap()
        )
    })
    .collect()
}

#[test]
fn a_stack_is_made_changed_imaged_and_removed() {
    let project = Project::start();
    let empty = project.sandbox.holds();
    let create = [
        "stack",
        "create",
        "edx",
        "--template",
        TEMPLATE,
        "-P",
        "password=hunter2",
    ];
    let plan = project
        .bridge(&[&create[..], &["--dry-run"]].concat())
        .success();
    assert!(
        !plan.stdout.contains("hunter2") && !plan.stderr.contains("hunter2"),
        "{plan:?}"
    );
    assert_eq!(project.sandbox.holds(), empty, "a look changes nothing");
    let made = project.bridge(&create).success();
    assert!(
        made.stderr.contains("app CREATE_COMPLETE"),
        "events are told: {made:?}"
    );
    assert_eq!(project.bridge(&create).code, 6, "the name is taken");
    assert_eq!(
        project.done(&["stack", "list"])["stacks"][0]["stack_status"],
        "CREATE_COMPLETE"
    );
    let ip =
        project.done(&["stack", "outputs", "edx", "server_ip"])["output"]["output_value"].clone();
    let app = project.done(&["server", "show", ip.as_str().unwrap()]);
    let resources = project.done(&["stack", "resources", "edx"]);
    let app_id = |resources: &Value| {
        let all = resources["resources"].as_array().unwrap().iter();
        let mut apps = all
            .filter(|r| r["resource_name"] == "app")
            .map(|r| r["physical_resource_id"].clone());
        apps.next().unwrap()
    };
    assert_eq!(app_id(&resources), app["server"]["id"]);
    assert_eq!(
        project.done(&["stack", "show", "edx"])["stack"]["parameters"]["password"],
        "******"
    );

    let preview = |pairs: &str| changes(&project.done(&["stack", "preview", "edx", "-P", pairs]));
    assert_eq!(preview("enable_app_master=1"), ["added app_master"]);
    assert_eq!(preview("flavor=m1.small"), ["replaced app"]);
    assert!(preview("enable_app_master=0").is_empty());
    let unknown = project.bridge(&["stack", "set", "edx", "-P", "x=1"]);
    assert!(
        unknown.code != 0 && unknown.stderr.contains('x'),
        "{unknown:?}"
    );
    let set = project
        .bridge(&["stack", "set", "edx", "-P", "flavor=m1.small"])
        .success();
    assert!(set.stderr.contains("replaced app"), "{set:?}");
    let other = project.done(&["stack", "resources", "edx"]);
    assert_ne!(app_id(&other), app_id(&resources), "Heat has replaced it");
    let kept =
        project.done(&["stack", "outputs", "edx", "server_ip"])["output"]["output_value"].clone();
    assert_eq!(kept, ip, "its address stays");
    project.done(&["ops", "rollback", "last"]);
    assert_eq!(
        project.done(&["stack", "show", "edx"])["stack"]["parameters"]["flavor"],
        "m1.nano"
    );

    project.rolled(&app_id(&project.done(&["stack", "resources", "edx"])));
    project.failed();
    let before = project.sandbox.holds();
    let removed = project.bridge(&["stack", "delete", "edx"]).success();
    assert!(removed.stderr.contains("removes app"), "{removed:?}");
    assert_eq!(project.bridge(&["stack", "show", "edx"]).code, 5);
    let mut after = project.sandbox.holds();
    assert_eq!(after["image"].as_u64(), before["image"].as_u64());
    after["image"] = empty["image"].clone();
    assert_eq!(after, empty, "nothing but the image is left");
}

impl Project {
    /// The tour of the golden image, killed in the middle and resumed.
    fn rolled(&self, app: &Value) {
        let before = self.sandbox.holds();
        let roll = [
            "stack",
            "roll-image",
            "edx",
            "--enable",
            "enable_app_master",
            "--server",
            "app_master_id",
            "--image-parameter",
            "app_image",
            "--no-configure",
            "--generalize",
            "none",
        ];
        self.killed("enable.begun", &roll);
        self.killed("image.made", &["ops", "resume", "last"]);
        let parameter =
            |name: &str| self.done(&["stack", "show", "edx"])["stack"]["parameters"][name].clone();
        assert_eq!(parameter("enable_app_master"), "1");
        // Undone from here, and done again.
        self.done(&["ops", "rollback", "last"]);
        assert_eq!(self.sandbox.holds(), before, "as it was");
        assert_eq!(
            (parameter("enable_app_master"), parameter("app_image")),
            (json!("0"), json!("tiny"))
        );
        self.done(&roll);
        assert_eq!(parameter("enable_app_master"), "0");
        let image = self.done(&["image", "show", "edx-1"])["image"]["id"].clone();
        assert_eq!(parameter("app_image"), image);
        let servers = self.done(&["server", "list", "--no-salt"]);
        assert_eq!(
            servers["servers"].as_array().unwrap().len(),
            1,
            "the app-master is gone"
        );
        assert_eq!(
            &servers["servers"][0]["id"], app,
            "and the app server was rebuilt in its place"
        );
        assert_eq!(servers["servers"][0]["image"], "edx-1");
    }

    /// What Heat cannot do ends with its words, and is undone.
    fn failed(&self) {
        let before = self.sandbox.holds();
        self.sandbox.fault("heat.stack.update=ERROR@1");
        let failed = self.bridge(&["stack", "set", "edx", "-P", "enable_app_master=1"]);
        assert_eq!(failed.code, 1, "{failed:?}");
        assert!(
            failed.stderr.contains("UPDATE_FAILED") && failed.stderr.contains("app_master"),
            "{failed:?}"
        );
        assert_eq!(self.sandbox.holds(), before, "undone");
        self.sandbox.fault("heat.stack.update=503@1-3");
        self.done(&["stack", "set", "edx", "-P", "enable_app_master=0"]);
        self.sandbox
            .bridge(&["sandbox", "fault", "--clear"])
            .success();
        let bad = self.bridge(&["stack", "set", "edx", "-P", "enable_app_master=7"]);
        assert!(
            bad.code != 0 && bad.stderr.contains("out of range"),
            "{bad:?}"
        );
        self.sandbox.fault("heat.stack.create=lost@1");
        let create = ["stack", "create", "two", "--template", TEMPLATE];
        self.done(&create);
        self.done(&["ops", "rollback", "last"]);
        assert_eq!(
            self.sandbox.holds(),
            before,
            "made though nobody heard of it, and removed"
        );
    }
}
