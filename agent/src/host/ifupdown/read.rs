//! Interfaces as the files have them, and the resolver's file.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::bond::ETHTOOL;
use super::options::{checked, is_known};
use super::{DIR, FILE, Fault};
use crate::python;

/// The map under a key, made when it is missing.
fn inner<'m>(map: &'m mut Map, key: &str) -> Option<&'m mut Map> {
    let entry = map.entry(key.into()).or_insert_with(|| Map::new().into());
    match entry {
        Value::Map(inner) => Some(inner),
        _ => None,
    }
}

fn push(map: &mut Map, key: &str, value: Value) {
    let entry = map
        .entry(key.into())
        .or_insert_with(|| Value::List(Vec::new()));
    if let Value::List(list) = entry {
        list.push(value);
    }
}

/// All interfaces of the files, by name; what they include is under `source`.
pub fn interfaces() -> Result<Map, Fault> {
    let mut files: Vec<PathBuf> = Vec::new();
    if Path::new(FILE).is_file() {
        files.push(PathBuf::from(FILE));
    }
    let entries = fs::read_dir(DIR).into_iter().flatten().flatten();
    files.extend(entries.map(|e| e.path()));
    let mut adapters = Map::new();
    for file in files {
        let bytes = fs::read(&file).map_err(|e| super::os_error(&file, &e))?;
        read(&String::from_utf8_lossy(&bytes), &mut adapters)?;
    }
    Ok(whole(adapters))
}

fn read(text: &str, adapters: &mut Map) -> Result<(), Fault> {
    let mut current: Option<(String, String)> = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first().filter(|w| !w.starts_with('#')) else {
            continue;
        };
        if line.starts_with(char::is_whitespace) {
            let Some((attr, value)) = line.trim().split_once(char::is_whitespace) else {
                return Err(Fault {
                    kind: "ValueError",
                    message: "not enough values to unpack (expected 2, got 1)".to_owned(),
                });
            };
            let mut nowhere = Map::new();
            let own = current
                .as_ref()
                .and_then(|(iface, family)| inner(inner(inner(adapters, iface)?, "data")?, family));
            let family = current.as_ref().map_or("", |(_, family)| family);
            detail(
                own.unwrap_or(&mut nowhere),
                attr,
                value.trim_start(),
                family,
            )?;
        } else if line.starts_with("iface") {
            let [_, iface, family, method] = words.as_slice() else {
                let list: Vec<Value> = words.iter().map(|w| (*w).into()).collect();
                return Err(Fault::attribute(format!(
                    "Interface file malformed: {}.",
                    python::text(&Value::List(list))
                )));
            };
            let data = inner(adapters, iface).and_then(|a| inner(a, "data"));
            if let Some(own) = data.and_then(|d| inner(d, family)) {
                own.extend(map! { "addrfam" => *family, "proto" => *method });
            }
            current = Some(((*iface).to_owned(), (*family).to_owned()));
        } else if line.starts_with("auto") || line.starts_with("allow-hotplug") {
            let key = if first.starts_with("auto") {
                "enabled"
            } else {
                "hotplug"
            };
            for iface in &words[1..] {
                if let Some(adapter) = inner(adapters, iface) {
                    adapter.insert(key.into(), true.into());
                }
            }
        } else if line.starts_with("source")
            && let Some(data) = inner(adapters, "source").and_then(|a| inner(a, "data"))
        {
            push(
                data,
                "sources",
                words.get(1).copied().unwrap_or_default().into(),
            );
        }
    }
    Ok(())
}

/// One option of an interface.
fn detail(own: &mut Map, attr: &str, value: &str, family: &str) -> Result<(), Fault> {
    if is_known(attr) {
        let (_, value) = checked(attr, &value.into(), family)?;
        if attr == "address" && own.contains_key("address") {
            push(own, "addresses", value);
        } else {
            own.insert(attr.replace('-', "_").into(), value);
        }
        return Ok(());
    }
    let grouped = |own: &mut Map, group: &str, key: &str| {
        if let Some(group) = inner(own, group) {
            group.insert(key.into(), value.into());
        }
    };
    // What follows the first sign: `bond-slaves`, `bridge_ports`.
    let rest = attr.split_once(['_', '-']).map(|(_, rest)| rest);
    match (attr, rest) {
        _ if ETHTOOL.iter().any(|(_, name)| *name == attr) => grouped(own, "ethtool", attr),
        (_, Some(rest)) if attr.starts_with("bond") => grouped(own, "bonding", rest),
        (_, Some(rest)) if attr.starts_with("bridge") => grouped(own, "bridging", rest),
        _ if attr.starts_with("bond") || attr.starts_with("bridge") => {
            return Err(Fault {
                kind: "IndexError",
                message: "list index out of range".to_owned(),
            });
        }
        ("up" | "pre-up" | "post-up" | "down" | "pre-down" | "post-down", _) => {
            let key = format!("{}_cmds", attr.replace('-', "_"));
            push(own, &key, value.into());
        }
        _ => {}
    }
    Ok(())
}

/// Without interfaces that are only named, and with the order in which groups of options are shown.
fn whole(mut adapters: Map) -> Map {
    adapters
        .retain(|name, adapter| name.as_str() == Some("source") || adapter.get("data").is_some());
    for (_, adapter) in &mut adapters {
        let Value::Map(adapter) = adapter else {
            continue;
        };
        let Some(data) = inner(adapter, "data") else {
            continue;
        };
        for family in ["inet", "inet6"] {
            let Some(Value::Map(own)) = data.get_mut(family) else {
                continue;
            };
            for group in ["ethtool", "bonding", "bridging"] {
                if let Some(Value::Map(options)) = own.get(group) {
                    let mut keys: Vec<String> = options.keys().map(python::text).collect();
                    keys.sort_unstable();
                    own.insert(format!("{group}_keys").into(), keys.into());
                }
            }
        }
    }
    adapters
}

/// The file of the resolver, as far as it is about names.
#[derive(Debug, PartialEq)]
pub struct Resolver {
    /// The domain.
    pub domain: String,
    /// Where names without one are looked for: a list, or an empty text.
    pub search: Value,
}

impl Resolver {
    /// What a file says.
    pub fn read(path: &Path) -> Self {
        let Ok(bytes) = fs::read(path) else {
            return Self {
                domain: String::new(),
                search: "".into(),
            };
        };
        let mut found = Self {
            domain: String::new(),
            search: Value::List(Vec::new()),
        };
        for line in String::from_utf8_lossy(&bytes).lines() {
            let mut words = line.split_whitespace();
            let Some(directive) = words.next() else {
                continue;
            };
            let mut words = words.take_while(|w| !w.starts_with(['#', ';']));
            match directive.to_lowercase().as_str() {
                "domain" => {
                    if let Some(domain) = words.next() {
                        domain.clone_into(&mut found.domain);
                    }
                }
                "search" => found.search = Value::List(words.map(Value::from).collect()),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_interfaces_is_read() {
        let mut adapters = Map::new();
        let text = "# c\nauto lo eth0 only\niface lo inet loopback\n\nallow-hotplug eth0\niface eth0 inet static\n    address 10.0.0.1\n    address 10.0.0.2\n    netmask 24\n    dns-nameservers 1.1.1.1 9.9.9.9\n    offload-rx on\n    up echo a\n    up echo b\nsource /x/*\n";
        read(text, &mut adapters).unwrap();
        let adapters = whole(adapters);
        let shown = python::text(&adapters.into());
        assert_eq!(
            shown,
            "{'lo': {'enabled': True, 'data': {'inet': {'addrfam': 'inet', 'proto': 'loopback'}}}, 'eth0': {'enabled': True, 'hotplug': True, 'data': {'inet': {'addrfam': 'inet', 'proto': 'static', 'address': '10.0.0.1', 'addresses': ['10.0.0.2'], 'netmask': 24, 'dns_nameservers': ['1.1.1.1', '9.9.9.9'], 'ethtool': {'offload-rx': 'on'}, 'up_cmds': ['echo a', 'echo b'], 'ethtool_keys': ['offload-rx']}}}, 'source': {'data': {'sources': ['/x/*']}}}"
        );
        let wrong = read("iface lo inet\n", &mut Map::new()).unwrap_err();
        assert_eq!(
            wrong.message,
            "Interface file malformed: ['iface', 'lo', 'inet']."
        );
    }
}
