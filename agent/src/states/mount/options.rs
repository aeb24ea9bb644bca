//! Which options of a mount are wanted and not in force.

use salt_wire::Value;

use super::list;
use crate::host::mount::Active;
use crate::states::{Run, file};

/// Options that the kernel does not show, and so cannot be compared.
const INVISIBLE: &[&str] = &[
    "_netdev",
    "actimeo",
    "auto",
    "backup-volfile-servers",
    "bg",
    "bind",
    "comment",
    "credentials",
    "defaults",
    "delay_connect",
    "direct-io-mode",
    "intr",
    "loop",
    "nobootwait",
    "nofail",
    "nointr",
    "nonempty",
    "password",
    "port",
    "reconnect",
    "retry",
    "secretfile",
    "soft",
    "transform_symlinks",
    "users",
];

/// Those of which only the name counts.
const INVISIBLE_KEYS: &[&str] = &[
    "actimeo",
    "comment",
    "credentials",
    "direct-io-mode",
    "password",
    "port",
    "retry",
    "secretfile",
];

/// `size=1g` as the kernel has it.
fn in_kilobytes(option: &str) -> Option<String> {
    let value = option.strip_prefix("size=")?;
    let unit = value.chars().last()?;
    let factor = match unit {
        'k' => 1,
        'm' => 1024,
        'g' => 1024 * 1024,
        _ => return None,
    };
    let number: u64 = value[..value.len() - 1].parse().ok()?;
    Some(format!("size={}k", number.saturating_mul(factor)))
}

/// The options that are wanted and not in force.
pub(super) fn missing(run: &Run<'_>, opts: &[String], now: &Active, fstype: &str) -> Vec<String> {
    let hidden = list(run.args.get("hidden_opts"));
    let extra = list(run.args.get("extra_mount_invisible_options"));
    let extra_keys = list(run.args.get("extra_mount_invisible_keys"));
    let supers: Vec<String> = now
        .superopts
        .iter()
        .map(|o| in_kilobytes(o).unwrap_or_else(|| o.clone()))
        .collect();
    let mut gone: Vec<String> = Vec::new();
    // Where the kernel tells a size Salt takes every option for that size: none is ever missing.
    if now.superopts.iter().any(|o| in_kilobytes(o).is_some()) {
        return gone;
    }
    for option in opts {
        let key = option.split('=').next().unwrap_or_default();
        let option = match option.as_str() {
            "tcp" => "proto=tcp".to_owned(),
            "udp" => "proto=udp".to_owned(),
            _ if INVISIBLE_KEYS.contains(&key) || extra_keys.iter().any(|k| k == key) => {
                key.to_owned()
            }
            other => in_kilobytes(other).unwrap_or_else(|| other.to_owned()),
        };
        let option = match option.split_once('=') {
            Some(("user", name)) if fstype == "cifs" => format!("username={name}"),
            Some(("size", _)) if fstype == "ramfs" => continue,
            Some((kind @ ("uid" | "gid"), name)) => {
                let value = Value::from(name);
                let number = if kind == "uid" {
                    file::uid(&value)
                } else {
                    file::gid(&value)
                };
                number.map_or(option.clone(), |n| format!("{kind}={n}"))
            }
            _ => option,
        };
        let known = now.opts.contains(&option)
            || supers.contains(&option)
            || INVISIBLE.contains(&option.as_str())
            || [&hidden, &extra, &extra_keys]
                .iter()
                .any(|l| l.contains(&option));
        if !known {
            gone.push(option);
        }
    }
    gone.sort();
    gone
}
