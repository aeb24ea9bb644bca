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
        let job = json!({"tgt": [id], "fun": fun, "arg": arg, "kwarg": kwarg});
        writeln!(self.input, "{job}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let ms = answer["ms"].as_f64().unwrap();
        (
            answer["ret"][id].clone(),
            Duration::from_secs_f64(ms / 1000.0),
        )
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
