//! Paths with wildcards, as Python's `glob` expands them: `*`, `?` and `[…]`, sorted, hidden files only
//! when the pattern asks for them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fnmatch::fnmatch;

/// Most matches that are followed; more in a configuration is a mistake.
const LIMIT: usize = 10_000;

/// Whether there is anything to expand.
pub(super) fn has_magic(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Every path that exists and matches.
pub(crate) fn glob(pattern: &str) -> Vec<PathBuf> {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![PathBuf::from(start)];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        found = found.iter().flat_map(|dir| step(dir, part)).collect();
        found.truncate(LIMIT);
    }
    found.sort();
    found
}

fn step(dir: &Path, part: &str) -> Vec<PathBuf> {
    if !has_magic(part) {
        let path = dir.join(part);
        return if path.symlink_metadata().is_ok() {
            vec![path]
        } else {
            Vec::new()
        };
    }
    let listed = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let entries = fs::read_dir(listed).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?;
            let hidden = name.starts_with('.') && !part.starts_with('.');
            (!hidden && fnmatch(name, part)).then(|| dir.join(name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_order_and_hidden_ones_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "b.conf",
            "_schedule.conf",
            "A.conf",
            ".hidden.conf",
            "x.txt",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let found = glob(&format!("{}/*.conf", dir.path().display()));
        let names: Vec<_> = found.iter().map(|p| p.file_name().unwrap()).collect();
        assert_eq!(names, ["A.conf", "_schedule.conf", "b.conf"]);
        assert!(glob(&format!("{}/none/*.conf", dir.path().display())).is_empty());
    }
}
