//! Real Salt as a child that answers one call after another.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use super::Answer;
use crate::Release;

pub(super) struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The grains that Salt sees here.
    pub(super) grains: Json,
}

impl Oracle {
    pub(super) fn start(release: Release, conf: &Path) -> Self {
        let mut child = Command::new(release.program("python"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/parity/oracle.py"))
            .arg(conf)
            .env_remove("SALT_CONFIG_DIR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut oracle = Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            grains: Json::Null,
        };
        oracle.grains = oracle.read();
        oracle
    }

    pub(super) fn ask(&mut self, fun: &str, args: &Json) -> Answer {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{}", json!({ "fun": fun, "args": args })).unwrap();
        input.flush().unwrap();
        self.read()
    }

    /// The SLS of the tree.
    pub(super) fn states(&mut self) -> Vec<String> {
        let answer = self.ask("cp.list_states", &json!([]));
        let names = answer["return"].as_array().unwrap();
        names
            .iter()
            .map(|n| n.as_str().unwrap().to_owned())
            .filter(|n| n != "top")
            .collect()
    }

    fn read(&mut self) -> Json {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("Salt stopped: {e}: {line:?}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // End of input ends it.
        self.input.take();
        self.child.wait().ok();
    }
}
