//! A resident `LocalClient` of a master: jobs in, returns and round-trip times out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Master;

/// Publishes jobs without starting an interpreter for each.
pub struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    /// A client of this master.
    pub fn of(master: &Master) -> Self {
        let mut child = Command::new(master.release.program("python"))
            .args(["-c", include_str!("client.py")])
            .arg(master.config_dir().join("master"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Runs a function on one minion; its return (null if it did not answer) and the round trip.
    pub fn call(&mut self, id: &str, fun: &str, arg: Value, kwarg: Value) -> (Value, Duration) {
        let mut answer =
            self.ask(&json!({"do": "call", "tgt": [id], "fun": fun, "arg": arg, "kwarg": kwarg}));
        let ms = answer["ms"].as_f64().unwrap();
        (
            answer["ret"][id].take(),
            Duration::from_secs_f64(ms / 1000.0),
        )
    }

    /// Runs one job on several minions: the whole return of each, with retcode, success and outputter.
    pub fn job(&mut self, ids: &[&str], fun: &Value, arg: &Value, kwarg: &Value) -> Value {
        let mut answer =
            self.ask(&json!({"do": "job", "tgt": ids, "fun": fun, "arg": arg, "kwarg": kwarg}));
        answer["ret"].take()
    }

    /// Who answers `test.ping` to a target of this kind.
    pub fn ping(&mut self, tgt: &Value, tgt_type: &str) -> Vec<String> {
        let answer = self.ask(&json!({
            "do": "call", "tgt": tgt, "fun": "test.ping", "tgt_type": tgt_type, "timeout": 5
        }));
        let mut ids: Vec<_> = answer["ret"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, ret)| **ret == true)
            .map(|(id, _)| id.clone())
            .collect();
        ids.sort();
        ids
    }

    /// Publishes a job this many times without waiting; the job ids.
    pub fn publish(&mut self, id: &str, fun: &str, arg: Value, times: usize) -> Vec<String> {
        let answer = self
            .ask(&json!({"do": "publish", "tgt": [id], "fun": fun, "arg": arg, "times": times}));
        let jids = answer["jids"].as_array().unwrap();
        jids.iter()
            .map(|j| j.as_str().expect("the master gave a jid").to_owned())
            .collect()
    }

    /// What this minion has returned to each of these jobs so far: `null` for nothing.
    pub fn returns(&mut self, id: &str, jids: &[String]) -> Vec<Value> {
        let answer = self.ask(&json!({"do": "returns", "jids": jids}));
        jids.iter()
            .map(|jid| answer["returns"][jid][id]["ret"].clone())
            .collect()
    }

    fn ask(&mut self, job: &Value) -> Value {
        writeln!(self.input, "{job}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the client answers")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
