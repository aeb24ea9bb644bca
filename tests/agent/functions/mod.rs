//! Execution functions: our answer beside a salt-minion's answer to the same job of the same master, return,
//! return code, success and outputter.
//!
//! One job goes to both minions at once, and many rows are one job of several functions. `rows.txt` is the
//! table; a new function is a row there.

mod rows;

use harness::{Agent, Client, Master, Minion, Release, until};
use serde_json::{Map, Value, json};

use rows::{Row, Same};

// The table was made against this release; the older ones answer some rows otherwise.
#[test]
fn answers_equal_those_of_salt_minion() {
    crate::run(Release::V3008, answers_equal);
}

const IDS: [&str; 2] = ["theirs", "ours"];

/// Options that both minions have. A salt-minion that forks for each job spends most of the time on that.
const CONFIG: &str = "multiprocessing: false\nmultifunc_ordered: true\ngrains: {roles: [web, db], deep: {er: {x: 1}}}\ntest_option: {a: [1, 2]}\n";

fn answers_equal(release: Release) {
    let master = master(release);
    let address = master.address.to_string();
    let mut minion = Minion::prepare(release, "theirs", &address, CONFIG);
    minion.start();
    let mut agent = Agent::start("ours", &address, CONFIG);
    agent.wait_ready();
    until(90, "both minions", || {
        master.salt(&["*", "test.ping"]) == json!({"ours": true, "theirs": true})
    });
    let roots = [
        minion
            .config_dir()
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .to_owned(),
        agent.dir().to_owned(),
    ]
    .map(|root| root.display().to_string());
    let mut client = Client::of(&master);
    let only = std::env::var("FUNCTION").unwrap_or_default();
    let mut all = rows::all();
    all.retain(|row| row.fits(release) && row.fun.to_string().contains(&only));
    let mut differing = Vec::new();
    for batch in rows::batches(&all) {
        let mut returns = match batch {
            [row] => client.job(&IDS, &row.fun, &row.arg, &row.kwarg),
            rows => {
                let funs = rows.iter().map(|r| r.fun.clone()).collect();
                let args = rows.iter().map(Row::marked).collect();
                client.job(&IDS, &funs, &args, &json!({}))
            }
        };
        let data = IDS.map(|id| returns[id].take());
        for (at, row) in batch.iter().enumerate() {
            let [theirs, ours] = [0, 1].map(|which| {
                let data = part(&data[which], at, batch.len());
                Answer::of(data, row, release, IDS[which], &roots[which])
            });
            if theirs != ours {
                differing.push(format!("{row}\n{}", theirs.beside(&ours)));
            }
        }
    }
    assert!(
        differing.is_empty(),
        "{} of {} answers differ on {release}:\n{}",
        differing.len(),
        all.len(),
        differing.join("\n")
    );
}

/// One function's part of the return of a job with several.
fn part(data: &Value, at: usize, of: usize) -> Value {
    if of == 1 {
        return data.clone();
    }
    let key = at.to_string();
    ["return", "retcode", "success"]
        .into_iter()
        .map(|name| (name.to_owned(), data[name][&key].clone()))
        .collect::<Map<_, _>>()
        .into()
}

fn master(release: Release) -> Master {
    Master::of(release)
        .auto_accept()
        .config("file_recv: true")
        .file("srv/salt/one.txt", "one\n")
        .file("srv/salt/Debian.txt", "by name\n")
        .file("srv/salt/sub/two.txt", "two\n")
        .file("srv/salt/sub/deep/three.txt", "three\n")
        .file(
            "srv/salt/sub/t.jinja",
            "{{ pillar.tier.name }} {{ grains.os }}\n",
        )
        .file(
            "srv/salt/script.sh",
            "#!/bin/sh\necho \"args: $*\"; echo err >&2; exit 3\n",
        )
        .file("srv/salt/top.sls", "base: {'*': [demo]}\n")
        .file(
            "srv/salt/demo.sls",
            "a: {test.succeed_with_changes: []}\nb: {test.fail_without_changes: []}\n\
             c: {test.nop: [{require: [{test: b}]}]}\nd: {test.nop: [{onchanges: [{test: a}]}]}\n",
        )
        .file("srv/pillar/top.sls", "base: {'*': [tier]}\n")
        .file(
            "srv/pillar/tier.sls",
            "tier: {name: front, size: 3}\nlist: [1, two, {three: 3}]\nwords: [b, a]\n",
        )
        .start()
}

/// What of a return must be the same.
#[derive(PartialEq)]
struct Answer(Map<String, Value>);

impl Answer {
    fn of(data: Value, row: &Row, release: Release, id: &str, root: &str) -> Self {
        let keys = ["return", "retcode", "success", "out"];
        let mut kept = Map::new();
        for key in keys {
            if let Some(value) = data.get(key) {
                kept.insert(key.into(), value.clone());
            }
        }
        // Before 3008 a minion tells of success what the return code says only for states.
        if release != Release::V3008 {
            kept.remove("success");
        }
        let mut ret = kept.remove("return").unwrap_or(json!("no return"));
        row.without.iter().for_each(|key| remove(&mut ret, key));
        normal(&mut ret, id, root);
        if row.same == Same::Shape {
            ret = shape(&ret);
        }
        kept.insert("return".into(), ret);
        Self(kept)
    }

    /// The parts that differ.
    fn beside(&self, ours: &Self) -> String {
        let mut lines = Vec::new();
        let keys = self
            .0
            .keys()
            .chain(ours.0.keys().filter(|k| !self.0.contains_key(*k)));
        for key in keys {
            let of = |answer: &Self| answer.0.get(key).map_or("-".to_owned(), Value::to_string);
            if self.0.get(key) != ours.0.get(key) {
                lines.push(format!(
                    "  {key}\n    salt-minion: {}\n    salt-agent:  {}",
                    of(self),
                    of(ours)
                ));
            }
        }
        lines.join("\n")
    }
}

fn remove(value: &mut Value, key: &str) {
    if let Value::Object(map) = value {
        map.remove(key);
    }
}

/// Levels what differs between any two runs or minions, and nothing else.
fn normal(value: &mut Value, id: &str, root: &str) {
    match value {
        Value::Object(map) => {
            for key in ["duration", "start_time", "pid"] {
                map.remove(key);
            }
            // A minion of 3008 adds these to every job; ours is one, whatever its master.
            for key in [
                "resource_targets",
                "pure_resource_target",
                "minion_is_target",
            ] {
                map.remove(&format!("__pub_{key}"));
            }
            map.values_mut().for_each(|v| normal(v, id, root));
            if map.get("__pub_tgt").is_some() {
                map.insert("__pub_tgt".into(), json!(IDS));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| normal(v, id, root)),
        Value::String(text) => *text = normal_text(text, id, root),
        _ => {}
    }
}

fn normal_text(text: &str, id: &str, root: &str) -> String {
    // Usage follows, which is Salt's own text and ours.
    if text.starts_with("Passed invalid arguments to ") {
        return text.lines().next().unwrap_or_default().to_owned();
    }
    // Lines of Salt's code; the exception at the end counts.
    if let Some((before, trace)) = text.split_once("Traceback (most recent call last):\n") {
        let last = trace.rsplit("Traceback (most recent call last):\n").next();
        let what: Vec<_> = last
            .unwrap_or_default()
            .lines()
            .filter(|l| !l.starts_with("  "))
            .collect();
        return format!("{before}{}", what.join("\n"));
    }
    let temporary = text.find("/__salt.tmp.");
    let text = match temporary {
        Some(at) => text[..at].to_owned(),
        None => text.to_owned(),
    };
    text.replace(root, "<root>").replace(id, "<id>")
}

/// Keys and kinds, for what is another value each time.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), shape(v))).collect(),
        Value::Array(list) => list.first().map(shape).into_iter().collect(),
        Value::String(_) => json!("text"),
        Value::Number(n) if n.is_f64() => json!(0.5),
        Value::Number(_) => json!(0),
        other => other.clone(),
    }
}
