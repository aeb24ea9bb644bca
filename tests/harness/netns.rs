//! A network of its own: a namespace and a cable to it, gone when dropped.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::Finished;

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A namespace that a cable joins with ours. Ours has the first address, it has the second one.
pub struct NetNs {
    /// What `ip netns exec` takes.
    pub name: String,
    /// Our end's address.
    pub here: String,
    /// Its end's address.
    pub there: String,
    cable: String,
}

impl NetNs {
    /// Makes one; nothing, with the reason printed, where that is not allowed. In CI it must be.
    pub fn new() -> Option<Self> {
        let (pid, n) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let space = Self {
            name: format!("sa{pid}-{n}"),
            here: format!(
                "10.{}.{}.1",
                64 + (pid >> 6 & 0x3f),
                (pid << 2 & 0xfc) as u8 + n
            ),
            there: format!(
                "10.{}.{}.2",
                64 + (pid >> 6 & 0x3f),
                (pid << 2 & 0xfc) as u8 + n
            ),
            cable: format!("sa{pid}v{n}"),
        };
        let made = ip(&["netns", "add", &space.name]);
        if made.code != 0 {
            let why = format!("no network namespaces here: {}", made.stderr.trim());
            assert!(std::env::var_os("CI").is_none(), "{why}");
            eprintln!("skipped: {why}");
            return None;
        }
        let far = format!("{}p", space.cable);
        ip(&[
            "link",
            "add",
            &space.cable,
            "type",
            "veth",
            "peer",
            "name",
            &far,
            "netns",
            &space.name,
        ])
        .success();
        ip(&[
            "addr",
            "add",
            &format!("{}/24", space.here),
            "dev",
            &space.cable,
        ])
        .success();
        ip(&["link", "set", &space.cable, "up"]).success();
        space.inside(&["addr", "add", &format!("{}/24", space.there), "dev", &far]);
        space.inside(&["link", "set", &far, "up"]);
        space.inside(&["link", "set", "lo", "up"]);
        space.inside(&["route", "add", "default", "via", &space.here]);
        Some(space)
    }

    /// Runs `ip` inside of it.
    pub fn inside(&self, args: &[&str]) {
        let all = [&["-n", self.name.as_str()][..], args].concat();
        ip(&all).success();
    }

    /// Gives our end a further address.
    pub fn add_here(&self, address: &str) {
        ip(&["addr", "add", &format!("{address}/32"), "dev", &self.cable]).success();
    }

    /// Pulls the cable, or plugs it in again: packets vanish, nobody is told.
    pub fn cut(&self, cut: bool) {
        let state = if cut { "down" } else { "up" };
        ip(&["link", "set", &self.cable, state]).success();
    }
}

impl Drop for NetNs {
    fn drop(&mut self) {
        // The cable goes with it.
        ip(&["netns", "del", &self.name]);
        ip(&["link", "del", &self.cable]);
    }
}

fn ip(args: &[&str]) -> Finished {
    Finished::run(Command::new("ip").args(args))
}
