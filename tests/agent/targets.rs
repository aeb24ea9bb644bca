//! Every kind of target, through a real master.

use harness::{Agent, Client, Master, Release};
use serde_json::{Value, json};

on_each_release!(each_kind_of_target_finds_its_minions);

fn each_kind_of_target_finds_its_minions(release: Release) {
    let master = Master::of(release)
        .auto_accept()
        .config("nodegroups: {webs: 'web* and not G@role:spare'}")
        .file("srv/pillar/top.sls", "base: {'web*': [web]}\n")
        .file("srv/pillar/web.sls", "tier: {name: front, size: 3}\n")
        .start();
    let address = master.address.to_string();
    let start = |id: &str, role: &str| {
        let mut agent = Agent::start(
            id,
            &address,
            &format!(
                "keysize: 2048\nagent: {{trust: first-use}}\ngrains: {{role: {role}, list: [a, {role}]}}"
            ),
        );
        agent.wait_ready();
        agent
    };
    let _web = start("web1", "main");
    let _spare = start("web2", "spare");
    let _db = start("db1", "main");
    let mut client = Client::of(&master);
    let cases: [(Value, &str, &[&str]); 19] = [
        (json!("*"), "glob", &["db1", "web1", "web2"]),
        (json!("web[1]"), "glob", &["web1"]),
        (json!("w.b[12]"), "pcre", &["web1", "web2"]),
        (json!(["web1", "db1"]), "list", &["db1", "web1"]),
        (json!("web1,db1"), "list", &["db1", "web1"]),
        (json!("role:main"), "grain", &["db1", "web1"]),
        (json!("role:MAIN"), "grain", &["db1", "web1"]),
        (json!("list:spare"), "grain", &["web2"]),
        (json!("role:^sp"), "grain_pcre", &["web2"]),
        (json!("tier:name:fr*"), "pillar", &["web1", "web2"]),
        (json!("tier:name:^fr"), "pillar_pcre", &["web1", "web2"]),
        (json!("tier:name:front"), "pillar_exact", &["web1", "web2"]),
        (json!("tier:name:fr*"), "pillar_exact", &[]),
        (json!("web* and G@role:spare"), "compound", &["web2"]),
        (json!("not web*"), "compound", &["db1"]),
        (
            json!("( web1 or db1 ) and not L@db1,x"),
            "compound",
            &["web1"],
        ),
        (json!("E@db and P@role:mai"), "compound", &["db1"]),
        (
            json!("I@tier:size:3 and not G@role:main"),
            "compound",
            &["web2"],
        ),
        (
            json!("J@tier:name:fro and S@127.0.0.0/8"),
            "compound",
            &["web1", "web2"],
        ),
    ];
    for (tgt, kind, expected) in cases {
        assert_eq!(client.ping(&tgt, kind), expected, "{kind} {tgt}");
    }
    let group = master.salt(&["-N", "webs", "test.ping"]);
    assert_eq!(group, json!({"web1": true}), "nodegroup");
    let delimiter = master
        .run(
            "salt",
            &[
                "--out",
                "json",
                "-t",
                "10",
                "--delimiter=|",
                "-G",
                "role|spare",
                "test.ping",
            ],
        )
        .json();
    assert_eq!(delimiter, json!({"web2": true}), "delimiter");
}
