//! `make parity`: state trees through real Salt and through the agent.
//!
//! `parity [--release 3006.28] [--pillar FILE] [--only SLS] [--show N] TREE…`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers; its table is its output"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use harness::{RELEASES, Release, parity};

/// What the command line says.
struct Options {
    release: Release,
    pillar: Option<PathBuf>,
    only: Option<String>,
    /// How many differences of a tree are printed, and how much of each.
    show: usize,
    trees: Vec<PathBuf>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        release: Release::V3008,
        pillar: None,
        only: None,
        show: 3,
        trees: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--release" => {
                let wanted = value()?;
                options.release = RELEASES
                    .into_iter()
                    .find(|r| r.version() == wanted)
                    .ok_or(format!("there is no release {wanted}"))?;
            }
            "--pillar" => options.pillar = Some(value()?.into()),
            "--only" => options.only = Some(value()?),
            "--show" => options.show = value()?.parse().map_err(|e| format!("--show: {e}"))?,
            tree if !tree.starts_with('-') => options.trees.push(tree.into()),
            other => return Err(format!("unknown option {other}")),
        }
    }
    if options.trees.is_empty() {
        return Err("which trees? make parity TREES='DIR…'".into());
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if !options.release.is_installed() {
        return ExitCode::FAILURE;
    }
    let (mut asked, mut same) = (0, 0);
    for tree in &options.trees {
        let report = parity::compare(
            options.release,
            tree,
            options.pillar.as_deref(),
            options.only.as_deref(),
        );
        let equal = report.asked - report.differences.len();
        (asked, same) = (asked + report.asked, same + equal);
        println!(
            "{}: {equal} of {} ({} of them refused by both)",
            tree.display(),
            report.asked,
            report.refused
        );
        for difference in report.differences.iter().take(options.show) {
            for line in difference.lines().take(12) {
                println!("    {}", line.chars().take(600).collect::<String>());
            }
        }
    }
    println!("all: {same} of {asked} as Salt {}", options.release);
    ExitCode::from(u8::from(same != asked))
}
