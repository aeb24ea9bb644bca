//! What only root can do, done to two throw-away copies of this machine: by real Salt to one, by the agent's binary
//! to the other. Results, changes and comments are equal, and so are accounts, packages, services and files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    let_underscore_drop,
    reason = "a failed unwrap in a test is a failed test, and a skip says why"
)]

mod tree;
#[path = "../../../tests/harness/venv.rs"]
mod venv;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use tree::{FILES, TREE};

/// How long one side may take for everything.
const DEADLINE: &str = "900";

/// Test mode, for real, and again.
const ROUNDS: [&str; 3] = ["test", "apply", "again"];

fn missing(why: &str) -> bool {
    assert!(
        std::env::var_os("CI").is_none(),
        "not to be skipped in CI: {why}"
    );
    eprintln!("skipped: {why}");
    true
}

/// Runs a script in a copy of the machine; what it leaves in `out` stays.
fn sandbox(out: &Path, script: &str) {
    fs::write(out.join("overlay.sh"), include_str!("overlay.sh")).unwrap();
    fs::write(
        out.join("script.sh"),
        format!("{}\n{script}", include_str!("setup.sh")),
    )
    .unwrap();
    let done = Command::new("timeout")
        .args([
            "-k", "5", DEADLINE, "unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork",
        ])
        .args(["--kill-child=KILL", "--propagation", "private", "bash"])
        .arg(out.join("overlay.sh"))
        .arg(out.join("script.sh"))
        .env("OUT", out)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    fs::write(out.join("stderr"), &done.stderr).unwrap();
    assert!(
        done.status.success(),
        "the sandbox ended with {}:\n{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
}

/// The tree and a minion's configuration.
fn prepare(out: &Path) {
    let srv = out.join("srv");
    fs::create_dir_all(&srv).unwrap();
    fs::create_dir_all(out.join("root")).unwrap();
    for (name, text) in TREE {
        fs::write(srv.join(format!("{name}.sls")), text).unwrap();
    }
    for (name, text) in FILES {
        fs::write(srv.join(name), text).unwrap();
    }
    let conf = json!({
        "id": "minion", "file_client": "local", "cachedir": out.join("root/cache"),
        "pki_dir": out.join("root/pki"), "sock_dir": out.join("root/run"), "log_file": out.join("root/log"),
        "file_roots": { "base": [srv] }, "pillar_roots": { "base": [] },
    });
    fs::write(out.join("minion"), conf.to_string()).unwrap();
}

/// One answer file and one look for each SLS and round; `$CALL` is the side's own.
fn steps(call: impl Fn(&str, &str) -> String) -> String {
    let mut script = String::new();
    for (sls, _) in TREE {
        for round in ROUNDS {
            let ask = call(sls, round);
            writeln!(script, "{ask} >$OUT/{sls}.{round}.json").unwrap();
            writeln!(script, "look >$OUT/{sls}.{round}.look").unwrap();
        }
    }
    script
}

fn by_salt(out: &Path, python: &Path) {
    prepare(out);
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/oracle.py");
    let start = format!(
        "coproc SALT {{ exec {} {} 2>$OUT/oracle.log; }}\nask() {{ echo \"$1\" >&${{SALT[1]}}; read -r answer <&${{SALT[0]}}; echo \"$answer\"; }}\n",
        python.display(),
        oracle.display()
    );
    let script = steps(|sls, round| {
        let kwargs = if round == "test" {
            json!({"test": true})
        } else {
            json!({})
        };
        let opts =
            json!({ "file_roots": { "base": [out.join("srv")] }, "pillar_roots": { "base": [] } });
        let case = json!({
            "root": out.join("root"), "opts": opts, "fun": "state.apply", "args": [sls], "kwargs": kwargs,
        });
        format!("ask '{case}'")
    });
    sandbox(out, &format!("{start}{script}"));
}

fn by_agent(out: &Path) {
    prepare(out);
    let agent = env!("CARGO_BIN_EXE_salt-agent");
    let script = steps(|sls, round| {
        let test = if round == "test" { " test=True" } else { "" };
        format!(
            "{{ {agent} call --local -c $OUT --out json --out-indent=-1 state.apply {sls}{test} 2>>$OUT/agent.log || true; }}"
        )
    });
    sandbox(out, &script);
}

/// What differs between two runs of anything.
fn normal(value: &mut Json) {
    match value {
        Json::Object(map) => {
            for key in ["duration", "start_time", "pid", "lstchg", "__run_num__"] {
                map.remove(key);
            }
            map.values_mut().for_each(normal);
        }
        Json::Array(list) => list.iter_mut().for_each(normal),
        _ => {}
    }
}

fn answer(out: &Path, step: &str, key: &str) -> Json {
    let text = fs::read_to_string(out.join(format!("{step}.json"))).unwrap();
    // Each side has a directory of its own.
    let text = text.replace(&out.to_string_lossy().into_owned(), "OUT");
    // What is no answer is a refusal in words.
    let mut value = match serde_json::from_str::<Json>(&text) {
        Ok(mut value) => value[key].take(),
        Err(_) => json!(text),
    };
    normal(&mut value);
    value
}

fn differences(step: &str, salt: &Json, ours: &Json) -> Vec<String> {
    let (Json::Object(a), Json::Object(b)) = (salt, ours) else {
        return vec![format!("{step}\n  salt: {salt}\n  ours: {ours}")];
    };
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let mut found = Vec::new();
    for tag in keys {
        let (salt, ours) = (a.get(tag), b.get(tag));
        if salt == ours {
            continue;
        }
        // A failure inside: the kind of failure and its words count, not Python's traceback.
        let last = |v: Option<&Json>| {
            let comment = v?.get("comment")?.as_str()?;
            comment.starts_with("An exception occurred").then(|| {
                comment
                    .trim_end()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .to_owned()
            })
        };
        if let (Some(a), Some(b)) = (last(salt), last(ours))
            && b.ends_with(&a)
        {
            continue;
        }
        let show = |v: Option<&Json>| v.map_or("(absent)".to_owned(), Json::to_string);
        found.push(format!(
            "{step} {tag}\n  salt: {}\n  ours: {}",
            show(salt),
            show(ours)
        ));
    }
    found
}

#[test]
fn what_root_does_to_a_machine() {
    if !nix_is_root() && missing("this needs root, for name spaces and an overlay") {
        return;
    }
    let Some(python) = venv::program("3008.3", "python") else {
        return;
    };
    if !Path::new("/usr/bin/dpkg-query").exists() && missing("no Debian here") {
        return;
    }
    if !Path::new("/usr/sbin/iptables").exists() && missing("no iptables here") {
        return;
    }
    let (salt, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (salt, ours) = (salt.path(), ours.path());
    std::thread::scope(|scope| {
        scope.spawn(|| by_salt(salt, &python));
        by_agent(ours);
    });
    let mut wrong = Vec::new();
    for (sls, _) in TREE {
        for round in ROUNDS {
            let step = format!("{sls}.{round}");
            wrong.extend(differences(
                &step,
                &answer(salt, &step, "return"),
                &answer(ours, &step, "local"),
            ));
            let look = |out: &Path| fs::read_to_string(out.join(format!("{step}.look"))).unwrap();
            if look(salt) != look(ours) {
                wrong.push(format!(
                    "{step}: the machines differ\n--- salt\n{}\n--- ours\n{}",
                    look(salt),
                    look(ours)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn nix_is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
