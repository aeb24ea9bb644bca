//! Each outputter against Salt's own: the same data, the same options, the same bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test"
)]

#[path = "../../tests/harness/venv.rs"]
mod venv;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use salt_agent::output::color::Colors;
use salt_agent::output::{Indent, Options, render};
use salt_wire::{Map, Value, map};
use serde_json::json;

/// Prints each case with Salt's outputter of that name.
const SALTS: &str = r#"
import json, sys, logging
logging.disable(logging.CRITICAL)
import salt.config, salt.output, salt.loader
base = salt.config.DEFAULT_MINION_OPTS.copy()
base.update(extension_modules='', cachedir='/nonexistent', conf_file='/nonexistent', __role='minion')
answers = []
for case in json.load(sys.stdin):
    opts = dict(base, **case['opts'])
    opts['color'] = case['color']
    opts['force_color'] = case['color']
    opts['no_color'] = not case['color']
    answers.append(salt.output.try_printout(case['data'], case['out'], opts, _retcode=case['retcode']))
json.dump(answers, sys.stdout)
"#;

struct Case {
    out: &'static str,
    data: Value,
    opts: Map,
    color: bool,
    retcode: i64,
}

#[test]
fn every_outputter_prints_what_salts_prints() {
    let Some(python) = venv::program("3008.3", "python") else {
        return;
    };
    let cases = cases();
    let asked: Vec<_> = cases
        .iter()
        .map(|c| {
            json!({"out": c.out, "data": to_json(&c.data), "opts": to_json(&Value::Map(c.opts.clone())),
                   "color": c.color, "retcode": c.retcode})
        })
        .collect();
    let answers = ask(&python, &serde_json::to_string(&asked).unwrap());
    assert_eq!(answers.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, salts) in cases.iter().zip(answers) {
        let options = Options {
            colors: Colors { on: case.color },
            indent: Indent::from_option(case.opts.get("output_indent")),
            retcode: case.retcode,
            opts: case.opts.clone(),
        };
        let ours = render(case.out, &case.data, &options);
        if ours.as_deref() != salts.as_str() {
            wrong.push(format!(
                "{} {:?} {:?}\n--- salt\n{}\n--- ours\n{}\n",
                case.out,
                case.opts,
                case.data,
                salts.as_str().unwrap_or("(nothing)"),
                ours.as_deref().unwrap_or("(nothing)")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(3)].join("\n")
    );
}

fn ask(python: &Path, cases: &str) -> Vec<serde_json::Value> {
    let mut child = Command::new(python)
        .args(["-W", "ignore", "-c", SALTS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let cases = cases.to_owned();
    let writer = std::thread::spawn(move || input.write_all(cases.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn cases() -> Vec<Case> {
    let mut random = Random(7);
    let mut cases = Vec::new();
    let mut add = |out, data: &Value, opts: &Map, color, retcode| {
        cases.push(Case {
            out,
            data: data.clone(),
            opts: opts.clone(),
            color,
            retcode,
        });
    };
    for number in 0..50 {
        let data = Value::Map(map! {"local" => random.value(4)});
        for out in [
            "nested",
            "json",
            "yaml",
            "txt",
            "raw",
            "pprint",
            "no_return",
        ] {
            add(out, &data, &Map::new(), number % 7 == 0, number % 3);
        }
        for indent in [-1, 0, 2, 4] {
            for out in ["json", "yaml", "pprint"] {
                add(out, &data, &map! {"output_indent" => indent}, false, 0);
            }
        }
        let pretty = map! {"output_indent" => "pretty"};
        add("json", &data, &pretty, false, 0);
        let run = random.state_run();
        let run = Value::Map(map! {"local" => run});
        for opts in state_options() {
            add("highstate", &run, &opts, number % 5 == 0, 0);
        }
    }
    for data in [
        json!({"local": ["Rendering SLS 'base:x' failed: \u{1b}[31mno", "two\nlines"]}),
        json!({"local": "text\nof two"}),
        json!({"local": 3}),
        json!({"local": {"test_|-a_|-a_|-nop": {"result": true, "comment": "no number", "changes": {}}}}),
        json!({"local": {}}),
    ] {
        add("highstate", &from_json(&data), &defaults(), false, 0);
    }
    let keys = json!({"minions": ["b", "a"], "minions_pre": [], "minions_denied": ["x"], "minions_rejected": ["z"]});
    add("key", &from_json(&keys), &Map::new(), false, 0);
    add("key", &from_json(&keys), &Map::new(), true, 0);
    let prints = json!({"minions": {"a": "aa:bb", "b": "cc"}, "local": {"master.pub": "dd"}});
    add("key", &from_json(&prints), &Map::new(), false, 0);
    let rows = json!({"local": {"out": [{"a_key": 1, "b": "some text"}, {"a_key": 22, "b": "a text of some length"}], "comment": "x"}});
    add("table", &from_json(&rows), &Map::new(), false, 0);
    cases
}

fn defaults() -> Map {
    map! {"state_verbose" => true, "state_output" => "full", "state_output_profile" => true}
}

fn state_options() -> Vec<Map> {
    let with = |more: Map| {
        let mut opts = defaults();
        opts.extend(more);
        opts
    };
    vec![
        defaults(),
        with(map! {"state_output" => "terse"}),
        with(map! {"state_output" => "mixed", "state_verbose" => false}),
        with(map! {"state_output" => "changes_id"}),
        with(
            map! {"state_output" => "filter", "state_output_exclude" => "True,None", "state_output_terse" => "False"},
        ),
        with(map! {"state_output_diff" => true, "state_output_pct" => true}),
        with(map! {"state_output" => "terse", "state_tabular" => true}),
        with(map! {"state_output_profile" => false, "state_compress_ids" => true}),
    ]
}

/// A small generator of the same data each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn text(&mut self) -> String {
        const PIECES: &[&str] = &[
            "a",
            "Zeile",
            " ",
            "  ",
            "\n",
            "\n\n",
            "it's",
            "\"q\"",
            "é",
            "日本",
            "\t",
            "x: y",
            "- z",
            "#",
            "yes",
            "1.5",
            "\\",
            "a-very-long-word-with-hyphens-in-it",
            "lorem ipsum dolor sit amet ",
            "\u{1b}[31m",
            "\u{7f}",
            ",",
            "{}",
            "%",
            "null",
            "\r\n",
            "/usr/bin/env python3 -c 'print(1)'",
        ];
        let count = self.below(8);
        (0..count)
            .map(|_| PIECES[self.below(PIECES.len())])
            .collect()
    }

    /// Salt takes braces in warnings for its own format and fails.
    fn warning(&mut self) -> String {
        self.text().replace(['{', '}'], "") + "x"
    }

    fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 6 } else { 9 };
        match self.below(kinds) {
            0 => Value::Null,
            1 => (self.below(2) == 0).into(),
            2 => (i64::try_from(self.below(100_000)).unwrap() - 50_000).into(),
            3 => (self.below(1_000_000) as f64 / 997.0 * 10f64.powi(self.below(40) as i32 - 20))
                .into(),
            4 | 5 => self.text().into(),
            6 => {
                let count = self.below(6);
                Value::List((0..count).map(|_| self.value(depth - 1)).collect())
            }
            _ => {
                let count = self.below(6);
                let entries = (0..count).map(|at| {
                    let key = format!("{}{at}", self.text().replace(['\n', '\r', '\u{1b}'], "_"));
                    (key.into(), self.value(depth - 1))
                });
                Value::Map(entries.collect())
            }
        }
    }

    fn state_run(&mut self) -> Map {
        let mut run = Map::new();
        for number in 0..self.below(6) {
            let id = format!("id {}", self.below(4));
            let name = if self.below(2) == 0 {
                id.clone()
            } else {
                format!("name {number}")
            };
            let changes = match self.below(3) {
                0 => map! {"diff" => self.text(), "mode" => "0644"},
                1 => map! {"ret" => self.value(2), "pid" => 7},
                _ => Map::new(),
            };
            let result = match self.below(4) {
                0 => false.into(),
                1 => Value::Null,
                _ => Value::from(true),
            };
            let mut chunk = map! {
                "name" => name.as_str(), "changes" => changes, "result" => result, "comment" => self.text(),
                "__sls__" => "demo", "__run_num__" => number as i64, "start_time" => format!("01:57:40.45605{number}"),
                "duration" => self.below(2_000_000) as f64 / 1000.0, "__id__" => id.as_str(),
            };
            if self.below(4) == 0 {
                chunk.insert(
                    "warnings".into(),
                    vec![self.warning(), self.warning()].into(),
                );
            }
            if self.below(6) == 0 {
                chunk.insert("__parallel__".into(), true.into());
            }
            run.insert(
                format!("file_|-{id}_|-{name}_|-managed").into(),
                Value::Map(chunk),
            );
        }
        run
    }
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => i64::try_from(*i).unwrap().into(),
        Value::Float(f) => (*f).into(),
        Value::Str(s) => s.as_str().into(),
        Value::Bytes(_) => unreachable!("no bytes in JSON"),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(k, v)| (k.as_str().unwrap().to_owned(), to_json(v)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => (*b).into(),
        serde_json::Value::Number(n) => n.as_i64().map_or_else(|| n.as_f64().into(), Value::from),
        serde_json::Value::String(s) => s.as_str().into(),
        serde_json::Value::Array(items) => Value::List(items.iter().map(from_json).collect()),
        serde_json::Value::Object(map) => map
            .iter()
            .map(|(k, v)| (k.as_str().into(), from_json(v)))
            .collect::<Map>()
            .into(),
    }
}
