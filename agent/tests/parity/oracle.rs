//! Real Salt as a child process that answers one call after another.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use crate::venv;

/// A Python with Salt in it.
pub struct Oracle {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// That of a release.
    pub fn start(release: &str) -> Option<Self> {
        let mut child = Command::new(venv::program(release, "python")?)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/oracle.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        })
    }

    pub fn ask(&mut self, root: &Path, opts: &Json, fun: &str, args: &Json, kwargs: &Json) -> Json {
        fs::create_dir_all(root).unwrap();
        let case =
            json!({ "root": root, "opts": opts, "fun": fun, "args": args, "kwargs": kwargs });
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{case}").unwrap();
        input.flush().unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // End of input ends it.
        self.input.take();
        let _ = self.child.wait();
    }
}
