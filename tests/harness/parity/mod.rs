//! State trees through real Salt and through the agent: what `show_top` and `show_low_sls` of each SLS give.
//!
//! `tree.rs` lays a tree out for both sides, `oracle.rs` asks Salt, `ours.rs` the agent, `answer.rs` says
//! whether two answers are the same.

mod answer;
mod oracle;
mod ours;
mod tree;

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::Release;
use oracle::Oracle;
use tree::Layout;

/// What a comparison of one tree found.
pub struct Report {
    /// Documents that were compared.
    pub asked: usize,
    /// One text for each that differs: what was called, Salt's answer, ours.
    pub differences: Vec<String>,
    /// How many of the equal ones are refusals of both.
    pub refused: usize,
}

/// Compares one tree. `pillar` is a file like a formula's `pillar.example`; a tree that has one of its own
/// needs none. `only`: this SLS alone. SLS below `run` are carried out, too: they may have states of `test` alone.
pub fn compare(release: Release, tree: &Path, pillar: Option<&Path>, only: Option<&str>) -> Report {
    let home = tempfile::tempdir().unwrap();
    let layout = Layout::new(tree, pillar);
    let (salt, agent) = (home.path().join("salt"), home.path().join("agnt"));
    layout.write(&salt);
    layout.write(&agent);
    let mut oracle = Oracle::start(release, &salt);
    ours::set_grains(&agent, &oracle.grains);
    ours::set_release(&agent, release);
    let mut calls = Vec::new();
    if only.is_none() {
        calls.push(("cp.list_states", json!([])));
        calls.push(("state.show_top", json!([])));
    }
    for sls in oracle.states() {
        if only.is_none_or(|only| only == sls) {
            calls.push(("state.show_low_sls", json!([sls])));
            if sls.starts_with("run.") {
                calls.push(("state.apply", json!([sls])));
            }
        }
    }
    let mut report = Report {
        asked: calls.len(),
        differences: Vec::new(),
        refused: 0,
    };
    for (fun, args) in &calls {
        let mut expected = oracle.ask(fun, args);
        let mut got = ours::ask(&agent, fun, args);
        answer::normalise(&mut expected, &salt);
        answer::normalise(&mut got, &agent);
        let mut difference = answer::differences(&expected, &got);
        if !difference.is_empty() {
            // What Salt itself says otherwise the second time is of the moment: a time, a random number.
            let mut again = oracle.ask(fun, args);
            answer::normalise(&mut again, &salt);
            let fleeting = answer::differences(&expected, &again);
            difference.retain(|(path, _)| !fleeting.iter().any(|(p, _)| p == path));
        }
        if !difference.is_empty() {
            let texts: Vec<_> = difference.into_iter().map(|(_, text)| text).collect();
            report
                .differences
                .push(format!("{fun} {args}\n{}", texts.join("\n")));
        } else if answer::is_refusal(&expected) {
            report.refused += 1;
        }
    }
    report
}

type Answer = Json;
