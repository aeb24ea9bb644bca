//! The agent, as its users call it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use super::Answer;
use crate::{Finished, Release, bin};

/// Gives the agent the grains that Salt sees, which are compared elsewhere.
pub(super) fn set_grains(conf: &Path, grains: &Json) {
    let text = json!({ "grains": grains }).to_string();
    fs::write(conf.join("minion.d/grains.conf"), text).unwrap();
}

/// As under a master of this release.
pub(super) fn set_release(conf: &Path, release: Release) {
    let (number, _) = release.version().split_once('.').unwrap();
    let text = format!("agent: {{salt_release: {number}}}\n");
    fs::write(conf.join("minion.d/release.conf"), text).unwrap();
}

pub(super) fn ask(conf: &Path, fun: &str, args: &Json) -> Answer {
    let mut command = Command::new(bin("salt-agent"));
    command.args(["call", "--local", "--out=json", "-l", "quiet", "-c"]);
    command.arg(conf).arg(fun);
    for arg in args.as_array().unwrap() {
        command.arg(arg.as_str().unwrap());
    }
    let finished = Finished::run(&mut command);
    match serde_json::from_str::<Json>(&finished.stdout) {
        Ok(mut answer) => json!({ "return": answer["local"].take() }),
        Err(_) => {
            let text = format!("{}{}", finished.stdout, finished.stderr);
            json!({ "error": text.trim_start_matches("Error running '").trim() })
        }
    }
}
