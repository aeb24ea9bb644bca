//! What `/proc` says of a process and its children.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The process and all its descendants.
pub(crate) fn tree(root: i32) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        let pid = found[next];
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.filter_map(Result::ok) {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|c| c.parse::<i32>().ok()),
            );
        }
    }
    found
}

/// Proportional set size in MiB: shared pages are counted once over all sharers.
pub(crate) fn mebibytes(pids: &[i32]) -> f64 {
    let kib: f64 = pids
        .iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
        .filter_map(|text| {
            let line = text.lines().find(|l| l.starts_with("Pss:"))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        })
        .sum();
    kib / 1024.0
}

/// The most memory that a process has had; nothing once it has ended.
pub(crate) fn peak_mebibytes(pid: i32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Processor time that each thread has used so far, in milliseconds.
pub(crate) fn threads(pids: &[i32]) -> HashMap<PathBuf, f64> {
    let tasks = pids
        .iter()
        .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
    tasks
        .flatten()
        .filter_map(|task| {
            let path = task.ok()?.path();
            // `stat` counts in hundredths of a second, of which somebody at rest needs few.
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
            Some((path, nanoseconds / 1e6))
        })
        .collect()
}

/// The size of a file or of everything below a folder, in MiB.
pub(crate) fn size(path: &Path) -> f64 {
    fn bytes(path: &Path) -> u64 {
        let Ok(meta) = fs::symlink_metadata(path) else {
            return 0;
        };
        if !meta.is_dir() {
            return meta.len();
        }
        fs::read_dir(path)
            .map(|entries| {
                entries
                    .filter_map(Result::ok)
                    .map(|e| bytes(&e.path()))
                    .sum()
            })
            .unwrap_or(0)
    }
    bytes(path) as f64 / f64::from(1 << 20)
}
