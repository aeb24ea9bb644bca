//! Grains: what the machine is, in Salt's names and values, one file per family. A family is a function
//! that takes [`Sources`] and gives a map; [`collect`] lists the families in Salt's order, in which a later
//! one overrides an earlier one. One more family is one more file and one line there.
//!
//! Each key that `salt-call grains.items` of 3008.3 gives on a machine is here with the same value, checked by
//! `tests/grains.rs` on the machine that runs it, except where Salt speaks of its own Python process:
//!
//! | grain | here | why |
//! |---|---|---|
//! | `pythonexecutable`, `pythonversion` | those of the system's `python3`, absent without one | formulas choose packages by it |
//! | `pythonpath` | empty | no Python runs |
//! | `saltpath` | the directory of this program | there is no other |
//! | `zmqversion` | absent | no libzmq is linked; Salt leaves it out, too, where it finds none |
//! | `ca_truststore` | `os` | no certificate bundle is shipped |
//! | `pid` | ours | |
//!
//! `saltversion` and `saltversioninfo` name the Salt release whose protocol and shapes we speak, because states,
//! reactors and tools parse them. The agent's own version is under `salt_agent`, and `openstack` tells what the
//! cloud says of this instance: both are additions.
//!
//! Files and system calls answer wherever they can. A program is started only where its words are the answer
//! (`systemctl --version`, `systemd-detect-virt`, `lvm`), and then beside everything else.

mod cache;
mod cpu;
mod disks;
mod hardware;
mod memory;
mod names;
mod network;
mod os;
mod os_release;
mod process;
mod python;
pub mod statics;
mod virtual_machine;

use std::thread;
use std::time::Duration;

use salt_wire::{Map, Value, map};

use crate::config::Settings;
use crate::fnmatch::fnmatch;
use crate::host::exec::Command;
use crate::host::net::{self, Interface};
use crate::host::{Cancel, Host, env};

/// The Salt release whose protocol and shapes we speak.
pub const SALT_VERSION: &str = "3008.3";

/// Longest wait for a program that a grain needs.
const PROGRAM_DEADLINE: Duration = Duration::from_secs(5);

/// What a family may look at.
pub struct Sources<'a> {
    /// The configuration.
    pub settings: &'a Settings,
    /// The machine.
    pub host: &'a Host,
    /// Its interfaces, read once.
    pub interfaces: Vec<Interface>,
}

impl Sources<'_> {
    /// A truth value from the options.
    fn flag(&self, option: &str, default: bool) -> bool {
        self.settings
            .opts
            .get(option)
            .map_or(default, Value::is_truthy)
    }

    /// What a program prints, if it is there, ends well and in time.
    fn output(&self, argv: &[&str]) -> Option<String> {
        let program = env::which(argv.first()?)?;
        let mut command = Command::new(argv.iter().copied());
        command.argv[0] = program.to_str()?.to_owned();
        command.timeout = Some(PROGRAM_DEADLINE);
        command.env.insert("LC_ALL".into(), Some("C".into()));
        let done = self.host.exec.run(&command, &Cancel::new()).ok()?;
        (done.retcode == 0).then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

/// Grains from the cache if `grains_cache` allows it and `refresh` does not forbid it, else collected anew.
pub fn load(settings: &Settings, host: &Host, refresh: bool) -> Map {
    if !refresh && let Some(cached) = cache::read(settings) {
        return cached;
    }
    if settings
        .opts
        .get("skip_grains")
        .is_some_and(Value::is_truthy)
    {
        return Map::new();
    }
    let grains = collect(settings, host);
    cache::write(settings, &grains);
    grains
}

pub(crate) use names::dotted;

/// The grain `fqdns` alone, looked up now.
pub fn fqdns(settings: &Settings, host: &Host) -> Map {
    let sources = Sources {
        settings,
        host,
        interfaces: net::interfaces().unwrap_or_default(),
    };
    map! {"fqdns" => names::all(&sources)}
}

/// Reads every family of this machine.
pub fn collect(settings: &Settings, host: &Host) -> Map {
    let sources = Sources {
        settings,
        host,
        interfaces: net::interfaces().unwrap_or_default(),
    };
    let sources = &sources;
    // What waits for programs or the network runs beside the rest.
    let (names, systemd, virtualization, volumes, gpus) = thread::scope(|scope| {
        let names = scope.spawn(|| names::collect(sources));
        let systemd = scope.spawn(|| os::systemd(sources));
        let virtualization = scope.spawn(|| virtual_machine::detect(sources));
        let volumes = scope.spawn(|| disks::volumes(sources));
        let gpus = hardware::gpus(sources);
        (
            names.join().unwrap_or_default(),
            systemd.join().unwrap_or_default(),
            virtualization.join().unwrap_or_default(),
            volumes.join().unwrap_or_default(),
            gpus,
        )
    });
    let os = os::collect(systemd, gpus, |os| {
        let mut os = os;
        os.extend(memory::collect());
        os.extend(hardware::firmware());
        let productname = os.get("productname").and_then(Value::as_str);
        let virtualization = virtual_machine::refine(virtualization, productname);
        os.extend(virtualization);
        os
    });
    let config = settings.opts.get("grains").and_then(Value::as_map);
    let families = [
        process::environment(),
        network::collect(sources),
        names,
        process::identity(settings),
        os,
        process::locale(),
        python::collect(),
        disks::collect(),
        volumes,
        statics::read(settings),
        process::shell(),
        hardware::boot(),
        process::user(),
        options(settings),
        map! {
            "salt_agent" => map! {"version" => env!("CARGO_PKG_VERSION")},
            "ca_truststore" => "os",
            "package" => Value::Null,
        },
        config.cloned().unwrap_or_default(),
    ];
    let deep = sources.flag("grains_deep_merge", false);
    let mut grains = Map::new();
    let last = families.len() - 1;
    for (at, mut family) in families.into_iter().enumerate() {
        // Grains of the config are never hidden and never merged deeply.
        if at < last {
            hide(settings, &mut family);
        }
        if deep && at < last {
            merge_deep(&mut grains, family);
        } else {
            grains.extend(family);
        }
    }
    grains
}

/// Grains with those of synced modules, which only the configuration's own come before.
pub fn with_custom(settings: &Settings, grains: &Map, mut custom: Map) -> Map {
    let mut all = grains.clone();
    hide(settings, &mut custom);
    let opts = &settings.opts;
    if opts.get("grains_deep_merge").is_some_and(Value::is_truthy) {
        merge_deep(&mut all, custom);
    } else {
        all.extend(custom);
    }
    let config = opts.get("grains").and_then(Value::as_map);
    all.extend(config.cloned().unwrap_or_default());
    all
}

/// `grain_opts` puts all options among the grains; `resources` is told as `salt_resources`.
fn options(settings: &Settings) -> Map {
    let mut found = Map::new();
    let opts = &settings.opts;
    if opts.get("grain_opts").is_some_and(Value::is_truthy) {
        found.insert("opts".into(), Value::Map(opts.clone()));
    }
    if let Some(resources) = opts.get("resources").filter(|r| r.is_truthy()) {
        found.insert("salt_resources".into(), resources.clone());
    }
    if let Some(domain) = opts.get("append_domain").filter(|d| d.is_truthy()) {
        found.insert("append_domain".into(), domain.clone());
    }
    found
}

/// Takes out what `grains_blacklist` names: globs, or regular expressions of the whole key.
fn hide(settings: &Settings, family: &mut Map) {
    let patterns: Vec<(&str, Option<regex::Regex>)> = settings
        .opts
        .get("grains_blacklist")
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str)
        .map(|p| (p, regex::Regex::new(&format!("^(?:{p})$")).ok()))
        .collect();
    if patterns.is_empty() {
        return;
    }
    family.retain(|key, _| {
        let key = key.as_str().unwrap_or_default();
        !patterns.iter().any(|(glob, regex)| {
            fnmatch(key, glob) || regex.as_ref().is_some_and(|r| r.is_match(key))
        })
    });
}

/// Maps are merged key by key, everything else is replaced.
fn merge_deep(into: &mut Map, from: Map) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Map(old)), Value::Map(new)) => merge_deep(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_merging_keeps_what_is_not_replaced() {
        let mut grains = map! {"a" => map! {"x" => 1, "y" => 2}, "b" => 1};
        merge_deep(&mut grains, map! {"a" => map! {"y" => 3}, "b" => map! {}});
        assert_eq!(
            grains,
            map! {"a" => map! {"x" => 1, "y" => 3}, "b" => map! {}}
        );
    }
}
