//! What `/proc` tells of processes and of the machine's load, in the units and by the names that Salt shows.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, Uid, User, sysconf};

use super::process::is_alive;

/// Clock ticks of a second.
fn ticks() -> f64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks.map_or(100.0, |t| t as f64)
}

/// Bytes of a page.
fn page() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|s| u64::try_from(s).ok()).unwrap_or(4096)
}

/// Two digits after the point, as the programs show times.
fn seconds(ticks_text: &str) -> f64 {
    let count: f64 = ticks_text.parse().unwrap_or(0.0);
    (count / ticks() * 100.0).round() / 100.0
}

/// All process numbers, sorted.
pub fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<i32> = entries
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// A process as it was when it was looked at.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its number.
    pub pid: i32,
    /// The name of its program.
    pub name: String,
    /// Its words.
    pub cmdline: Vec<String>,
    /// Fields of `stat` behind the name, the first being the state.
    stat: Vec<String>,
}

impl Task {
    /// One process; `None` when there is none of this number.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, rest) = stat.rsplit_once(')')?;
        let mut name = head.split_once('(')?.1.to_owned();
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        let mut cmdline: Vec<String> = words.split('\0').map(str::to_owned).collect();
        if cmdline.last().is_some_and(String::is_empty) {
            cmdline.pop();
        }
        // The kernel keeps fifteen letters of a name; the command may know the rest.
        if name.len() >= 15
            && let Some(base) = cmdline.first().and_then(|c| c.rsplit('/').next())
            && base.starts_with(&name)
        {
            name = base.to_owned();
        }
        Some(Self {
            pid,
            name,
            cmdline,
            stat: rest.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// All processes, by number.
    pub fn all() -> Vec<Self> {
        // One that ends while we look is as good as ended before.
        pids().into_iter().filter_map(Self::of).collect()
    }

    /// A field of `stat`, counted as proc(5) does.
    fn field(&self, number: usize) -> &str {
        let at = number.checked_sub(3);
        at.and_then(|at| self.stat.get(at))
            .map_or("", String::as_str)
    }

    /// Its parent.
    pub fn parent(&self) -> i32 {
        self.field(4).parse().unwrap_or_default()
    }

    /// What it is doing, in a word.
    pub fn status(&self) -> &'static str {
        match self.field(3) {
            "R" => "running",
            "S" => "sleeping",
            "D" => "disk-sleep",
            "T" => "stopped",
            "t" => "tracing-stop",
            "Z" => "zombie",
            "X" | "x" => "dead",
            "K" => "wake-kill",
            "W" => "waking",
            "I" => "idle",
            "P" => "parked",
            _ => "?",
        }
    }

    /// How nice it is to others.
    pub fn nice(&self) -> i64 {
        self.field(19).parse().unwrap_or_default()
    }

    /// How many threads it has.
    pub fn threads(&self) -> i64 {
        self.field(20).parse().unwrap_or_default()
    }

    /// When it began, in seconds since 1970.
    pub fn created(&self) -> f64 {
        boot_time() as f64 + seconds(self.field(22))
    }

    /// Seconds spent: in the program, in the kernel, by children in both, and waiting for disks.
    pub fn times(&self) -> [(&'static str, f64); 5] {
        [
            ("user", seconds(self.field(14))),
            ("system", seconds(self.field(15))),
            ("children_user", seconds(self.field(16))),
            ("children_system", seconds(self.field(17))),
            ("iowait", seconds(self.field(42))),
        ]
    }

    /// Bytes of memory, by kind.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.pid)).unwrap_or_default();
        let pages: Vec<u64> = text
            .split_whitespace()
            .map(|w| w.parse().unwrap_or_default())
            .collect();
        let names = ["vms", "rss", "shared", "text", "lib", "data", "dirty"];
        let mut all: Vec<_> = names
            .into_iter()
            .zip(pages)
            .map(|(name, count)| (name, count * page()))
            .collect();
        if all.len() > 1 {
            all.swap(0, 1);
        }
        all
    }

    /// A field of `status`.
    fn told(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let mut lines = text.lines();
        lines.find_map(|l| Some(l.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
    }

    /// The real, effective and saved numbers of its user (`Uid`) or group (`Gid`).
    pub fn ids(&self, kind: &str) -> Vec<i64> {
        let text = self.told(kind).unwrap_or_default();
        let numbers = text.split_whitespace().take(3);
        numbers.map(|n| n.parse().unwrap_or_default()).collect()
    }

    /// Who runs it: a name, or the number of a user without one.
    pub fn user(&self) -> Option<String> {
        let uid = u32::try_from(*self.ids("Uid").first()?).ok()?;
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        Some(user.map_or_else(|| uid.to_string(), |u| u.name))
    }

    /// What one of its links (`exe`, `cwd`) leads to.
    pub fn link(&self, name: &str) -> Option<String> {
        let path = fs::read_link(format!("/proc/{}/{name}", self.pid)).ok()?;
        Some(path.display().to_string())
    }

    /// How many files it has open.
    pub fn open_files(&self) -> Option<usize> {
        Some(fs::read_dir(format!("/proc/{}/fd", self.pid)).ok()?.count())
    }
}

/// Sends a signal; whether there was such a process.
pub fn signal(pid: i32, number: i32) -> Result<bool, String> {
    if !u32::try_from(pid).is_ok_and(is_alive) {
        return Ok(false);
    }
    let signal = Signal::try_from(number).map_err(|_| format!("there is no signal {number}"))?;
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) => Ok(true),
        // It ended just now.
        Err(Errno::ESRCH) => Ok(false),
        Err(e) => Err(format!("signal {number} to process {pid}: {e}")),
    }
}

/// When the machine was started, in seconds since 1970.
pub fn boot_time() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().find_map(|l| l.strip_prefix("btime "));
    line.and_then(|l| l.trim().parse().ok()).unwrap_or_default()
}

const CPU: [&str; 10] = [
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
];

/// Seconds that processors spent with each kind of work: all of them together, then each.
pub fn cpu_times() -> Vec<Vec<(&'static str, f64)>> {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let lines = stat.lines().filter(|l| l.starts_with("cpu"));
    lines
        .map(|line| {
            let numbers = line.split_whitespace().skip(1).map(seconds);
            CPU.into_iter().zip(numbers).collect()
        })
        .collect()
}

/// How busy a processor was between two looks, in percent.
pub fn busy(before: &[(&str, f64)], after: &[(&str, f64)]) -> f64 {
    let spent = |idle: bool| -> f64 {
        let pairs = before.iter().zip(after);
        // What guests use is counted as the host's use, too.
        let kinds = pairs.filter(|((name, _), _)| !name.starts_with("guest"));
        kinds
            .filter(|((name, _), _)| !idle || matches!(*name, "idle" | "iowait"))
            .map(|((_, old), (_, new))| (new - old).max(0.0))
            .sum()
    };
    let (all, idle) = (spent(false), spent(true));
    if all > 0.0 {
        ((all - idle) / all * 1000.0).round() / 10.0
    } else {
        0.0
    }
}

/// The kernel's account of memory, in bytes.
pub fn memory() -> Vec<(String, u64)> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
        Some((name.to_owned(), kib * 1024))
    };
    text.lines().filter_map(line).collect()
}

/// Pages swapped in and out since the start, in bytes.
pub fn swapped() -> (u64, u64) {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let count = |name: &str| -> u64 {
        let mut lines = text.lines();
        let found = lines.find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok());
        found.unwrap_or_default() * 4096
    };
    (count("pswpin "), count("pswpout "))
}

/// What each network interface carried: bytes and packets sent and received, errors and drops in and out.
pub fn traffic() -> Vec<(String, [u64; 8])> {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let n: Vec<u64> = rest
            .split_whitespace()
            .map(|w| w.parse().unwrap_or_default())
            .collect();
        let at = |i: usize| n.get(i).copied().unwrap_or_default();
        let all = [at(8), at(0), at(9), at(1), at(2), at(10), at(3), at(11)];
        Some((name.trim().to_owned(), all))
    };
    text.lines().filter_map(line).collect()
}

/// What each disk did: reads and writes, their bytes and milliseconds, merged ones, and how long it was busy. The
/// second value says whether it is a whole disk.
pub fn disks() -> Vec<(String, bool, [u64; 9])> {
    let text = fs::read_to_string("/proc/diskstats").unwrap_or_default();
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = (*words.get(2)?).to_owned();
        let at = |i: usize| -> u64 {
            let word = words.get(i).copied().unwrap_or_default();
            word.parse().unwrap_or_default()
        };
        let whole = Path::new("/sys/block")
            .join(name.replace('/', "!"))
            .exists();
        // The kernel counts sectors of 512 bytes whatever the disk's are.
        let all = [
            at(3),
            at(7),
            at(5) * 512,
            at(9) * 512,
            at(6),
            at(10),
            at(4),
            at(8),
            at(12),
        ];
        Some((name, whole, all))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_told_of_ourselves() {
        let own = i32::try_from(std::process::id()).unwrap();
        let us = Task::of(own).unwrap();
        assert!(us.created() > boot_time() as f64);
        assert!(us.threads() >= 1 && !us.cmdline.is_empty());
        assert_eq!(us.ids("Uid").len(), 3);
        assert_eq!(us.memory()[0].0, "rss");
        assert!(us.memory()[0].1 > 0);
        assert!(pids().contains(&own) && Task::of(-5).is_none());
        assert_eq!(signal(own, 0), Err("there is no signal 0".to_owned()));
    }

    #[test]
    fn a_processor_is_as_busy_as_its_time_says() {
        let before = [
            ("user", 1.0),
            ("idle", 2.0),
            ("iowait", 0.0),
            ("guest", 0.5),
        ];
        let after = [
            ("user", 2.0),
            ("idle", 4.0),
            ("iowait", 1.0),
            ("guest", 1.5),
        ];
        assert_eq!(busy(&before, &after), 25.0);
        assert_eq!(busy(&before, &before), 0.0);
    }
}
