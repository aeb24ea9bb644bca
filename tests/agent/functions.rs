//! Execution functions: our answer beside a salt-minion's answer to the same job of the same master.

use harness::{Agent, Client, Master, Minion, Release, until};
use serde_json::{Value, json};

/// Functions whose returns must be equal to the letter.
fn equal() -> Vec<(&'static str, Value, Value)> {
    let plain = |fun, arg| (fun, arg, json!({}));
    vec![
        plain("test.ping", json!([])),
        plain("test.true", json!([])),
        plain("test.false", json!([])),
        plain("test.echo", json!(["some text"])),
        plain("test.version", json!([])),
        plain("test.outputter", json!(["x"])),
        plain("test.retcode", json!([42])),
        plain("test.sleep", json!([0.1])),
        ("test.ping", json!([]), json!({"bogus": 1})),
        plain("no.such_function", json!([])),
        plain("test.no_such_function", json!([])),
        plain("cmd.run", json!(["echo out; echo err >&2"])),
        plain("cmd.run", json!(["exit 3"])),
        ("cmd.run", json!(["pwd"]), json!({"cwd": "/tmp"})),
        ("cmd.run", json!(["echo $A"]), json!({"env": {"A": "b"}})),
        ("cmd.run", json!(["echo $0"]), json!({"shell": "/bin/bash"})),
        ("cmd.run", json!(["cat"]), json!({"stdin": "typed"})),
        ("cmd.run", json!(["id -un"]), json!({"runas": "nobody"})),
        ("cmd.run", json!(["sleep 9"]), json!({"timeout": 1})),
        plain("cmd.run_stdout", json!(["echo out; echo err >&2"])),
        plain("cmd.run_stderr", json!(["echo out; echo err >&2"])),
        plain("cmd.retcode", json!(["exit 5"])),
        plain("cmd.shell", json!(["echo one | tr o 0"])),
        plain("cmd.which", json!(["sh"])),
        plain("cmd.which", json!(["no-such-program"])),
        plain("cmd.has_exec", json!(["sh"])),
        plain("cmd.exec_code", json!(["sh", "echo ran"])),
        plain("cmd.run", json!(["/no/such/program"])),
        (
            "cmd.run",
            json!(["true"]),
            json!({"cwd": "/no/such/folder"}),
        ),
        ("cmd.run", json!(["true"]), json!({"runas": "no-such-user"})),
        plain("pillar.get", json!(["tier:name"])),
        plain("pillar.get", json!(["no:such", {"a": 1}])),
        plain("pillar.item", json!(["tier"])),
        plain("pillar.items", json!([])),
        plain("pillar.ls", json!([])),
        plain("pillar.keys", json!(["tier"])),
        plain("config.get", json!(["tier:size"])),
        plain("config.get", json!(["test.unset", "fallback"])),
        plain("config.option", json!(["hash_type"])),
        plain("cp.hash_file", json!(["salt://one.txt"])),
        plain("cp.hash_file", json!(["salt://none.txt"])),
        plain("cp.get_file_str", json!(["salt://one.txt"])),
        plain("cp.list_master", json!([])),
        plain("cp.list_states", json!([])),
        plain("cp.list_master_dirs", json!([])),
        plain("cp.get_file", json!(["salt://none.txt", "/tmp/none"])),
        plain("key.finger_master", json!([])),
        plain("event.send", json!(["demo", {"a": 1}])),
        plain("mine.send", json!(["test.ping"])),
        plain("mine.delete", json!(["test.ping"])),
        plain("mine.valid", json!([])),
        plain("saltutil.find_job", json!(["20200101000000000000"])),
        plain("saltutil.kill_job", json!(["20200101000000000000"])),
        plain("saltutil.is_running", json!(["state.*"])),
        plain("saltutil.refresh_pillar", json!([])),
        plain("saltutil.refresh_grains", json!([])),
        plain("state.show_sls", json!(["demo"])),
        plain("state.show_low_sls", json!(["demo"])),
        plain("state.show_top", json!([])),
        plain("state.sls_exists", json!(["demo"])),
        plain("state.sls", json!(["none"])),
        ("state.sls", json!(["demo"]), json!({"test": true})),
        plain("state.apply", json!(["demo"])),
        ("state.single", json!(["test.nop"]), json!({"name": "x"})),
    ]
}

/// What differs between any two runs or minions, and nothing else.
fn same(mut ret: Value, id: &str) -> Value {
    fn walk(value: &mut Value, id: &str) {
        match value {
            Value::Object(map) => {
                map.remove("duration");
                map.remove("start_time");
                map.remove("pid");
                map.values_mut().for_each(|v| walk(v, id));
            }
            Value::Array(list) => list.iter_mut().for_each(|v| walk(v, id)),
            Value::String(text) => *text = text.replace(id, "<id>"),
            _ => {}
        }
    }
    walk(&mut ret, id);
    ret
}

#[test]
fn answers_equal_those_of_salt_minion() {
    let release = Release::V3008;
    if !release.is_installed() {
        return;
    }
    let master = Master::of(release)
        .auto_accept()
        .file("srv/salt/one.txt", "one\n")
        .file("srv/salt/top.sls", "base: {'*': [demo]}\n")
        .file(
            "srv/salt/demo.sls",
            "a: {test.succeed_with_changes: []}\nb: {test.fail_without_changes: []}\n\
             c: {test.nop: [{require: [{test: b}]}]}\nd: {test.nop: [{onchanges: [{test: a}]}]}\n",
        )
        .file("srv/pillar/top.sls", "base: {'*': [tier]}\n")
        .file("srv/pillar/tier.sls", "tier: {name: front, size: 3}\n")
        .start();
    let address = master.address.to_string();
    let mut minion = Minion::prepare(release, "theirs", &address, "");
    minion.start();
    let mut agent = Agent::start("ours", &address, "");
    agent.wait_ready();
    until(90, "both minions", || {
        master.salt(&["*", "test.ping"]) == json!({"ours": true, "theirs": true})
    });
    let mut client = Client::of(&master);
    let mut differing = Vec::new();
    for (fun, arg, kwarg) in equal() {
        let theirs = client.call("theirs", fun, arg.clone(), kwarg.clone()).0;
        let ours = client.call("ours", fun, arg.clone(), kwarg.clone()).0;
        let (theirs, ours) = (same(theirs, "theirs"), same(ours, "ours"));
        if theirs != ours {
            differing.push(format!(
                "{fun} {arg} {kwarg}\n  salt-minion: {theirs}\n  salt-agent:  {ours}"
            ));
        }
    }
    assert!(
        differing.is_empty(),
        "{} answers differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
}
