//! The operating system: kernel, distribution, architecture, init system.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value, map};

use super::Sources;
use super::process::text;
use super::{cpu, os_release};
use crate::host::env;

/// Kernel and distribution; `hardware` adds in the middle what the last of them need.
pub(super) fn collect(systemd: Map, gpus: Map, hardware: impl FnOnce(Map) -> Map) -> Map {
    let uname = env::uname();
    let mut grains = gpus;
    grains.extend(map! {
        "kernel" => uname.sysname,
        "nodename" => uname.nodename,
        "kernelrelease" => uname.release,
        "kernelversion" => uname.version,
        "cpuarch" => uname.machine.as_str(),
    });
    grains.extend(selinux());
    grains.extend(systemd);
    grains.insert("init".into(), init_system().into());
    grains.extend(os_release::collect());
    grains.extend(cpu::collect());
    let family = text(&grains, "os_family");
    let arch = if family == "Debian" {
        debian_architecture()
    } else {
        None
    };
    grains.insert("osarch".into(), arch.unwrap_or(uname.machine).into());
    let mut grains = hardware(grains);
    grains.insert("ps".into(), ps(text(&grains, "virtual")).into());
    let release = text(&grains, "osrelease").to_owned();
    if !release.is_empty() {
        let derived = derived(text(&grains, "os"), text(&grains, "osfullname"), &release);
        grains.extend(derived);
    }
    grains
}

/// The version and features of systemd, where it is installed.
pub(super) fn systemd(sources: &Sources<'_>) -> Map {
    if env::which("systemctl").is_none() || env::which("localectl").is_none() {
        return Map::new();
    }
    let output = sources
        .output(&["systemctl", "--version"])
        .unwrap_or_default();
    let mut lines = output.lines();
    let version = lines
        .next()
        .and_then(|l| l.strip_prefix("systemd "))
        .and_then(|l| l.split_whitespace().next());
    let features = version.and_then(|_| lines.next()).unwrap_or_default();
    map! {"systemd" => map! {
        "version" => version.unwrap_or("UNDEFINED"),
        "features" => features,
    }}
}

/// Numbers of the release, and the name and number by which formulas tell systems apart.
fn derived(os: &str, fullname: &str, release: &str) -> Map {
    let info: Vec<Value> = release
        .split('.')
        .map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            match part.parse::<i64>() {
                Ok(number) if digits => number.into(),
                _ => part.into(),
            }
        })
        .collect();
    let mut grains = Map::new();
    let major = match &info[0] {
        Value::Int(number) => number.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    if let Ok(number) = major.parse::<i64>() {
        grains.insert("osmajorrelease".into(), number.into());
    }
    grains.insert("osrelease_info".into(), Value::List(info));
    const BY_OS: &[&str] = &["Debian", "Raspbian", "AlmaLinux"];
    let name = if BY_OS.contains(&os) { os } else { fullname };
    let number = if matches!(os, "Ubuntu" | "Pop" | "NixOS") {
        release
    } else {
        &major
    };
    grains.insert("osfinger".into(), format!("{name}-{number}").into());
    grains
}

/// The command that lists processes.
fn ps(virtualization: &str) -> &'static str {
    if virtualization == "openvzhn" {
        "ps -fH -p $(grep -l \"^envID:[[:space:]]*0\\$\" /proc/[0-9]*/status | sed -e \"s=/proc/\\([0-9]*\\)/.*=\\1=\")  | awk '{ $7=\"\"; print }'"
    } else {
        "ps -efHww"
    }
}

/// The architecture that dpkg itself is built for.
fn debian_architecture() -> Option<String> {
    let status = fs::read("/var/lib/dpkg/status").ok()?;
    let status = String::from_utf8_lossy(&status);
    let start = if status.starts_with("Package: dpkg\n") {
        0
    } else {
        status.find("\nPackage: dpkg\n")? + 1
    };
    status[start..]
        .lines()
        .take_while(|l| !l.is_empty())
        .find_map(|l| l.strip_prefix("Architecture: "))
        .map(str::to_owned)
}

fn selinux() -> Map {
    if env::which("selinuxenabled").is_none() {
        return Map::new();
    }
    let mode = fs::read_to_string("/sys/fs/selinux/enforce").ok();
    let mut selinux = map! {"enabled" => mode.is_some()};
    if env::which("getenforce").is_some() {
        let word = match mode.as_deref().map(str::trim) {
            Some("1") => "Enforcing",
            Some(_) => "Permissive",
            None => "Disabled",
        };
        selinux.insert("enforced".into(), word.into());
    }
    map! {"selinux" => selinux}
}

/// What runs as process 1.
fn init_system() -> &'static str {
    if Path::new("/run/systemd/system").exists() {
        return "systemd";
    }
    let Ok(line) = fs::read("/proc/1/cmdline") else {
        return "unknown";
    };
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let words: Vec<&str> = line.split_whitespace().collect();
    let runs = |program: &str| {
        env::which(program).is_some_and(|p| words.iter().any(|w| p.as_os_str() == *w))
    };
    match words.first().and_then(|w| env::which(w)) {
        Some(init) if init.to_string_lossy().ends_with("bin/init") => init_flavour(&init),
        _ if runs("supervisord") => "supervisord",
        _ if runs("dumb-init") => "dumb-init",
        _ if runs("tini") => "tini",
        _ if words == ["runit"] || words.contains(&"/sbin/my_init") => "runit",
        _ => "unknown",
    }
}

/// The first of the known names inside the program.
fn init_flavour(program: &Path) -> &'static str {
    let bytes = fs::read(program).unwrap_or_default().to_ascii_lowercase();
    ["upstart", "sysvinit", "systemd"]
        .into_iter()
        .find(|name| bytes.windows(name.len()).any(|w| w == name.as_bytes()))
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finger_and_numbers() {
        let ubuntu = derived("Ubuntu", "Ubuntu", "22.04");
        assert_eq!(
            ubuntu,
            map! {"osmajorrelease" => 22, "osrelease_info" => Value::List(vec![22.into(), 4.into()]), "osfinger" => "Ubuntu-22.04"}
        );
        let debian = derived("Debian", "Debian GNU/Linux", "12");
        assert_eq!(debian.get("osfinger"), Some(&"Debian-12".into()));
        let rolling = derived("Arch", "Arch Linux", "rolling");
        assert_eq!(rolling.get("osmajorrelease"), None);
        assert_eq!(rolling.get("osfinger"), Some(&"Arch Linux-rolling".into()));
    }
}
