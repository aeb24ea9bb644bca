//! Targets, ours and Salt's: thousands of generated cases, and not one difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

mod oracle;
#[path = "../../tests/harness/venv.rs"]
mod venv;

use std::sync::Arc;

use oracle::Random;
use salt_agent::targeting::Target;
use salt_wire::{Map, Value, map};

/// Evaluates as `Minion._target_load` does: an exception in a matcher means that the job is not run.
const SALT: &str = r#"
import sys, logging
logging.disable(logging.CRITICAL)
import salt.utils.msgpack as msgpack
import importlib
cases = msgpack.unpackb(sys.stdin.buffer.read(), raw=False, strict_map_key=False)
matchers, modules = {}, []
for name in ("glob", "pcre", "list", "grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact",
             "ipcidr", "compound", "nodegroup", "range", "resource", "managing_minion"):
    try:
        module = importlib.import_module("salt.matchers.%s_match" % name)
    except ImportError:
        continue
    module.__context__ = {"matchers": matchers}
    modules.append(module)
    matchers["%s_match.match" % name] = module.match
out = []
for case in cases:
    opts = {"id": case["id"], "grains": case["grains"], "pillar": case["pillar"],
            "nodegroups": case["nodegroups"]}
    for module in modules:
        module.__opts__ = opts
    load = case["load"]
    try:
        if case.get("top"):
            hit = matchers["nodegroup_match.match"](load["tgt"], case["nodegroups"])
        elif "tgt_type" in load:
            match = matchers.get("%s_match.match" % load["tgt_type"])
            if match is None:
                hit = False
            elif load["tgt_type"] in ("grain", "grain_pcre", "pillar"):
                hit = match(load["tgt"], delimiter=load.get("delimiter", ":"))
            else:
                hit = match(load["tgt"])
        else:
            hit = matchers["glob_match.match"](load["tgt"])
    except Exception:
        hit = False
    out.append(bool(hit))
sys.stdout.buffer.write(msgpack.packb(out))
"#;

const CASES: usize = 6_000;

#[test]
fn salt_3008_agrees() {
    agree("3008.3", 1);
}

#[test]
fn salt_3006_agrees() {
    agree("3006.28", 2);
}

fn agree(release: &str, seed: u64) {
    let Some(python) = venv::program(release, "python") else {
        return;
    };
    let mut random = Random::new(seed);
    let cases: Vec<Value> = (0..CASES)
        .map(|_| case(&mut random, release).into())
        .collect();
    let answers = oracle::ask(&python, SALT, &Value::List(cases.clone()));
    let answers = answers.as_list().unwrap();
    assert_eq!(answers.len(), cases.len());
    let hits = answers.iter().filter(|a| a.is_truthy()).count();
    let mut different = Vec::new();
    for (case, theirs) in cases.iter().zip(answers) {
        let case = case.as_map().unwrap();
        let target = Target {
            id: case["id"].as_str().unwrap().to_owned(),
            grains: Arc::new(case["grains"].as_map().unwrap().clone()),
            pillar: Arc::new(case["pillar"].as_map().unwrap().clone()),
            nodegroups: case["nodegroups"].as_map().unwrap().clone(),
        };
        let load = case["load"].as_map().unwrap();
        let ours = if case.contains_key("top") {
            target.matches("nodegroup", &load["tgt"], ":")
        } else {
            target.matches_load(load)
        };
        if ours != theirs.is_truthy() {
            different.push(format!("ours {ours}: {case:?}"));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {CASES} differ:\n{}",
        different.len(),
        different[..different.len().min(20)].join("\n")
    );
    // Cases that never match would prove little.
    assert!((CASES / 5..CASES * 4 / 5).contains(&hits), "{hits} hits");
}

const IDS: &[&str] = &[
    "web1",
    "web2.example.com",
    "db-1",
    "WEB1",
    "a.b",
    "minion_7",
    "x[1]",
    "ünï",
];
const KEYS: &[&str] = &[
    "os",
    "osfinger",
    "roles",
    "ip4_interfaces",
    "a",
    "b",
    "c",
    "Roles",
    "0",
    "1",
    "a:b",
];
const WORDS: &[&str] = &[
    "Debian", "web", "db", "WEB", "12", "True", "none", "a", "b", "c", "a:b", "x y", "1.5", "-1",
    "[x]", "é",
];
const ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.9",
    "::1",
    "fe80::1",
    "2001:db8::5",
    "::ffff:10.0.0.1",
    "::ffff:a00:1",
    "fe80::1%eth0",
    "bogus",
];
const NETWORKS: &[&str] = &[
    "10.0.0.0/8",
    "10.1.2.0/24",
    "10.1.2.3/24",
    "192.168.0.0/255.255.0.0",
    "192.168.0.0/0.0.255.255",
    "2001:db8::/32",
    "::/0",
    "0.0.0.0/0",
    "10.0.0.0/33",
    "10.0.0.0/",
    "010.0.0.0/8",
    "fe80::/10",
    "fe80::1/10",
    "10.1.2.3/32",
    "192.168.0.0/255.0.255.0",
    "2001:db8::/ffff::",
    "1.2.3",
    "",
];

fn scalar(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Int(i128::try_from(random.below(14)).unwrap() - 1),
        1 => random.once_in(2).into(),
        2 => Value::Null,
        3 => random.pick(&[1.5, 0.1, 1e16, 1e-5, 100.0]).into(),
        _ => random.pick(WORDS).into(),
    }
}

fn tree(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 2 } else { 6 }) {
        0 | 1 => scalar(random),
        2 | 3 => Value::List(
            (0..random.below(4))
                .map(|_| tree(random, depth - 1))
                .collect(),
        ),
        _ => facts(random, depth - 1).into(),
    }
}

fn facts(random: &mut Random, depth: usize) -> Map {
    (0..random.below(5))
        .map(|_| {
            let key = match random.below(12) {
                0 => Value::Int(i128::try_from(random.below(3)).unwrap()),
                _ => random.pick(KEYS).into(),
            };
            (key, tree(random, depth))
        })
        .collect()
}

fn glob(random: &mut Random, text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match random.below(14) {
            0 => out.push('*'),
            1 => out.push('?'),
            2 => out.push_str(&format!("[{c}]")),
            3 => out.push_str("[a-z]"),
            4 => out.push_str("[!a-c]"),
            5 => out.push_str(random.pick(&[
                "[]a]", "[!]", "[", "[z-a]", "[a-", "[--0]", "[^w]", "[a-z-9]", "[!z-a]",
                "[w-w\\d]",
            ])),
            _ => out.push(c),
        }
    }
    if random.once_in(3) {
        out.push('*');
    }
    out
}

fn regex(random: &mut Random, text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match random.below(16) {
            0 => out.push_str(".*"),
            1 => out.push_str("\\w"),
            2 => out.push_str(&format!("[{c}x]")),
            3 => out.push_str(&format!("({c}|q)")),
            4 => out.push_str(&format!("{c}+")),
            5 => out.push_str(random.pick(&[
                "$", "\\Z", "^", "(?=w)", "(?!z)", "[", "(", "\\d+", "{1}", "a{,2}", "\\b", "(?i)",
                "[^a-c]", "\\S", "(?P<n>.)", "[]x]", "[a&&b]", "\\.", "|", ")", "*", "\\-", "{",
                "\\D", "(?:a|b)?", "[\\w-]",
            ])),
            _ if "[]().*+?{}\\|^$".contains(c) => out.push_str(&format!("\\{c}")),
            _ => out.push(c),
        }
    }
    out
}

/// A path that often leads somewhere in `data`, ending in the text of what is there.
fn path(random: &mut Random, data: &Map, delimiter: &str) -> (String, String) {
    let mut parts: Vec<String> = Vec::new();
    let mut here = Value::Map(data.clone());
    loop {
        let next = match &here {
            Value::Map(map) if !map.is_empty() => {
                let (key, value) = map.get_index(random.below(map.len())).unwrap();
                parts.push(salt_agent::context::python::text(key));
                value.clone()
            }
            Value::List(list) if !list.is_empty() => {
                let at = random.below(list.len());
                if random.once_in(3) {
                    parts.push(random.pick(&[
                        at.to_string(),
                        format!("-{}", at + 1),
                        format!("0{at}"),
                    ]));
                }
                list[at].clone()
            }
            other => {
                let end = salt_agent::context::python::text(other);
                if random.once_in(10) && !parts.is_empty() {
                    let at = random.below(parts.len());
                    parts[at] = "*".into();
                }
                return (parts.join(delimiter), end);
            }
        };
        if random.once_in(12) {
            let keys = random.pick(KEYS);
            return (parts.join(delimiter), keys.to_owned());
        }
        here = next;
    }
}

fn expression(
    random: &mut Random,
    data: &Map,
    delimiter: &str,
    pattern: fn(&mut Random, &str) -> String,
) -> String {
    let (path, end) = path(random, data, delimiter);
    let end = match random.below(8) {
        0 => random.pick(WORDS).to_owned(),
        1 => "*".into(),
        2 => format!("*{delimiter}{end}"),
        3 | 4 => pattern(random, &end),
        5 => end.to_uppercase(),
        _ => end,
    };
    match random.below(20) {
        0 => end,
        1 => path,
        2 => format!("{}{delimiter}{path}{delimiter}{end}", random.pick(KEYS)),
        _ => format!("{path}{delimiter}{end}"),
    }
}

fn same(_: &mut Random, text: &str) -> String {
    text.to_owned()
}

fn ids(random: &mut Random, id: &str) -> Vec<String> {
    (0..=random.below(3))
        .map(|_| {
            if random.once_in(3) {
                id.to_owned()
            } else {
                random.pick(IDS).to_owned()
            }
        })
        .collect()
}

fn cidr(random: &mut Random) -> String {
    if random.once_in(2) {
        random.pick(NETWORKS)
    } else {
        random.pick(ADDRESSES)
    }
    .to_owned()
}

fn term(random: &mut Random, me: &Me, newest: bool) -> String {
    let delimiter = random.pick(&["", "", "", "|", ":", "@", ";"]);
    let used = if delimiter.is_empty() { ":" } else { delimiter };
    let (grains, pillar) = (&me.grains, &me.pillar);
    let term = match random.below(14) {
        0 => format!("G{delimiter}@{}", expression(random, grains, used, glob)),
        1 => format!("P{delimiter}@{}", expression(random, grains, used, regex)),
        2 => format!("I{delimiter}@{}", expression(random, pillar, used, glob)),
        3 => format!("J{delimiter}@{}", expression(random, pillar, used, regex)),
        4 => format!("L@{}", ids(random, me.id).join(",")),
        5 => format!("E@{}", regex(random, me.id)),
        6 => format!("S@{}", cidr(random)),
        7 => format!(
            "N@{}",
            random.pick(&["one", "two", "three", "loop", "none", "ids"])
        ),
        8 if newest => format!("M@{}", me.id),
        8 | 9 if random.once_in(6) => random
            .pick(&["R@%web", "X@y", "G@", "@", "E@", "N@", "L|@a", "T@x"])
            .to_owned(),
        _ => glob(random, me.id),
    };
    // A word has no blanks: they would make several of it.
    term.replace(' ', "?")
}

fn compound(random: &mut Random, me: &Me, depth: usize, newest: bool) -> String {
    let mut words = vec![];
    for at in 0..=random.below(3) {
        if at > 0 {
            words.push(
                random
                    .pick(&["and", "or", "and", "or", "not", ""])
                    .to_owned(),
            );
        }
        if random.once_in(4) {
            words.push("not".into());
        }
        if depth > 0 && random.once_in(4) {
            words.push(format!("( {} )", compound(random, me, depth - 1, newest)));
        } else {
            words.push(term(random, me, newest));
        }
    }
    if random.once_in(15) {
        let at = random.below(words.len() + 1);
        words.insert(
            at,
            random
                .pick(&["and", "or", "not", "(", ")", "( )", "not ( )"])
                .into(),
        );
    }
    words.join(" ")
}

struct Me {
    id: &'static str,
    grains: Map,
    pillar: Map,
}

fn case(random: &mut Random, release: &str) -> Map {
    let newest = release.starts_with("3008");
    let mut me = Me {
        id: random.pick(IDS),
        grains: facts(random, 3),
        pillar: facts(random, 3),
    };
    for grain in ["ipv4", "ipv6"] {
        if random.below(4) > 0 {
            let list: Vec<Value> = (0..random.below(4))
                .map(|_| random.pick(ADDRESSES).into())
                .collect();
            me.grains.insert(grain.into(), Value::List(list));
        }
    }
    let me = me;
    let words = |text: String| {
        Value::List(
            text.split(' ')
                .filter(|w| !w.is_empty())
                .map(Value::from)
                .collect(),
        )
    };
    let mut groups = map! {
        "one" => term(random, &me, newest),
        "two" => format!("N@one or {}", term(random, &me, newest)),
        "loop" => "N@loop and *",
        "ids" => words(ids(random, me.id).join(" ")),
        "broken" => 7,
    };
    let three = compound(random, &me, 1, newest);
    groups.insert(
        "three".into(),
        if random.once_in(2) {
            words(three)
        } else {
            three.into()
        },
    );
    let mut load = Map::new();
    let mut case = Map::new();
    let kind = random.pick(&[
        "glob",
        "pcre",
        "list",
        "grain",
        "grain",
        "grain_pcre",
        "pillar",
        "pillar_pcre",
        "pillar_exact",
        "ipcidr",
        "compound",
        "compound",
        "compound",
        "compound",
        "nodegroup",
        "range",
        "unknown",
        "compound_pillar_exact",
    ]);
    let delimiter = if random.once_in(5) {
        random.pick(&["|", ";", "::"])
    } else {
        ":"
    };
    let fixed = ":";
    let tgt: Value = match kind {
        "glob" => glob(random, me.id).into(),
        "pcre" => regex(random, me.id).into(),
        "list" if random.once_in(2) => ids(random, me.id).into(),
        "list" => ids(random, me.id).join(",").into(),
        "grain" => expression(random, &me.grains, delimiter, glob).into(),
        "grain_pcre" => expression(random, &me.grains, delimiter, regex).into(),
        "pillar" => expression(random, &me.pillar, delimiter, glob).into(),
        "pillar_pcre" => expression(random, &me.pillar, fixed, regex).into(),
        "pillar_exact" => expression(random, &me.pillar, fixed, same).into(),
        "ipcidr" => cidr(random).into(),
        "compound" => {
            let text = compound(random, &me, 2, newest);
            if random.once_in(4) {
                words(text)
            } else {
                text.into()
            }
        }
        "nodegroup" => {
            if random.below(4) > 0 {
                case.insert("top".into(), true.into());
            }
            random
                .pick(&["one", "two", "three", "loop", "ids", "none", "broken"])
                .into()
        }
        _ => me.id.into(),
    };
    load.insert("tgt".into(), tgt);
    if kind != "glob" || random.once_in(2) {
        load.insert("tgt_type".into(), kind.into());
    }
    if delimiter != ":" {
        load.insert("delimiter".into(), delimiter.into());
    }
    case.extend(map! {
        "id" => me.id, "grains" => me.grains, "pillar" => me.pillar, "nodegroups" => groups, "load" => load,
    });
    case
}
