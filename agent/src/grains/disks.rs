//! Disks, solid or turning, from sysfs; software RAID; logical volumes.

use std::fs;

use salt_wire::{Map, Value, map};

use super::Sources;
use crate::host::env;

/// `disks` turn, `ssds` do not, as the kernel's flag has it; virtual devices are neither.
pub(super) fn collect() -> Map {
    let (mut disks, mut ssds) = (Vec::new(), Vec::new());
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = fs::read_link(&path).unwrap_or_default();
        if target.starts_with("../devices/virtual") {
            continue;
        }
        match fs::read(path.join("queue/rotational")).as_deref() {
            Ok([b'0', ..]) => ssds.push(name),
            Ok([b'1', ..]) => disks.push(name),
            _ => {}
        }
    }
    let mut grains = map! {"disks" => disks, "ssds" => ssds};
    if let Ok(stat) = fs::read_to_string("/proc/mdstat") {
        grains.insert("mdadm".into(), arrays(&stat).into());
    }
    grains
}

fn arrays(stat: &str) -> Vec<String> {
    let mut names: Vec<String> = stat
        .lines()
        .filter(|l| !l.starts_with("Personalities : ") && !l.starts_with("unused devices:"))
        .filter_map(|l| Some(l.split_once(" : ")?.0.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Volume groups and their volumes, where LVM is installed.
pub(super) fn volumes(sources: &Sources<'_>) -> Map {
    if env::which("lvm").is_none() {
        return Map::new();
    }
    let mut groups = Map::new();
    let listed = sources.output(&["lvm", "vgs", "-o", "vg_name", "--noheadings"]);
    for group in listed.iter().flat_map(|o| o.lines()).map(str::trim) {
        groups.insert(group.into(), Value::List(Vec::new()));
    }
    if !groups.is_empty() {
        let listed = sources.output(&["lvm", "lvs", "-o", "vg_name,lv_name", "--noheadings"]);
        for line in listed.iter().flat_map(|o| o.lines()) {
            let mut words = line.split_whitespace();
            if let (Some(group), Some(volume)) = (words.next(), words.next())
                && let Some(Value::List(volumes)) = groups.get_mut(group)
            {
                volumes.push(volume.into());
            }
        }
    }
    map! {"lvm" => groups}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_named_once_and_sorted() {
        let stat = "Personalities : [raid1]\nmd1 : active raid1 sdb1[1]\n      1 blocks\nmd0 : active raid1 sda1[0]\nunused devices: <none>\n";
        assert_eq!(arrays(stat), ["md0", "md1"]);
    }
}
