//! What `/proc` says of a process and its children.

use std::fs;
use std::path::Path;

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

/// Processor time used so far, in milliseconds.
pub(crate) fn cpu_ms(pids: &[i32]) -> f64 {
    let ticks: f64 = pids
        .iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .filter_map(|text| {
            let after = text.rsplit(") ").next()?.to_owned();
            let fields: Vec<_> = after.split(' ').collect();
            Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
        })
        .sum();
    // Linux counts in hundredths of a second for user space.
    ticks * 10.0
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
