//! The processes of the machine, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use nix::unistd::{Uid, User};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Who runs it: a name, or the number of a user without one.
    pub user: String,
    /// Its command line; a kernel thread's name stands in brackets.
    pub command: String,
}

/// All processes, by number.
pub fn list() -> Vec<Process> {
    let mut users = HashMap::new();
    let mut found: Vec<Process> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // One that ends while we look is as good as ended before.
            read(&entry.path(), pid, &mut users)
        })
        .collect();
    found.sort_by_key(|p| p.pid);
    found
}

/// Whether a process other than ours has this text in its command line.
pub fn is_running(text: &str) -> bool {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    list()
        .iter()
        .any(|p| p.pid != own && p.command.contains(text))
}

/// Whether a process still runs; one that only waits for its parent to notice its end does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    after
        .split_whitespace()
        .next()
        .is_some_and(|state| !matches!(state, "Z" | "X"))
}

/// Our parent, its parent and so on.
pub fn ancestors() -> Vec<u32> {
    let mut found = Vec::new();
    let mut pid = std::process::id();
    while pid > 1 && found.len() < 64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let Some(parent) = after.split_whitespace().nth(1).and_then(|p| p.parse().ok()) else {
            break;
        };
        found.push(parent);
        pid = parent;
    }
    found
}

fn read(dir: &Path, pid: i32, users: &mut HashMap<u32, String>) -> Option<Process> {
    let status = fs::read_to_string(dir.join("status")).ok()?;
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|l| l.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let uid: u32 = field("Uid")?.split_whitespace().nth(1)?.parse().ok()?;
    let user = users.entry(uid).or_insert_with(|| {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        user.map_or_else(|| uid.to_string(), |u| u.name)
    });
    let line = fs::read(dir.join("cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let words: Vec<&str> = line.split_whitespace().collect();
    let command = if words.is_empty() {
        format!("[{}]", field("Name")?)
    } else {
        words.join(" ")
    };
    Some(Process {
        pid,
        parent: field("PPid")?.parse().ok()?,
        user: user.clone(),
        command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_among_them() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(is_alive(std::process::id()) && !is_alive(u32::MAX));
        let all = list();
        let us = all.iter().find(|p| p.pid == own).unwrap();
        assert!(!us.command.starts_with('['));
        assert!(all.iter().any(|p| p.pid == us.parent || us.parent == 0));
    }
}
