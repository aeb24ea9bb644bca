//! A state's arguments, made an interface of.

use salt_wire::{Map, Value, map};

use super::bond::{bond, bridge, ethtool, pppoe};
use super::options::checked;
use super::{Fault, unexpected};
use crate::python;

/// The types of interfaces.
const KINDS: [&str; 11] = [
    "eth", "bond", "alias", "clone", "ipsec", "dialup", "bridge", "slave", "vlan", "pppoe",
    "source",
];

const FAMILIES: [&str; 2] = ["inet", "inet6"];

/// Commands around an interface's start and stop.
const COMMANDS: [&str; 6] = [
    "up_cmds",
    "pre_up_cmds",
    "post_up_cmds",
    "down_cmds",
    "pre_down_cmds",
    "post_down_cmds",
];

/// What `ifupdown` calls an option of Salt's.
fn debian(option: &str) -> &str {
    match option {
        "dns" => "dns-nameservers",
        "search" => "dns-search",
        "hwaddr" => "hwaddress",
        "ipaddr" | "addr" => "address",
        "ipaddrs" | "addrs" => "addresses",
        other => other,
    }
}

fn sorted(map: &Map) -> Value {
    let mut keys: Vec<String> = map.keys().map(python::text).collect();
    keys.sort_unstable();
    keys.into()
}

/// `eth0.2` is a part of `eth0`.
fn raw_device(iface: &str) -> String {
    let mut parts = iface.split('.');
    let mut name = parts.next().unwrap_or_default().to_owned();
    name.extend(parts.map(|p| p.trim_start_matches(|c: char| c.is_ascii_digit())));
    name
}

/// The interface that these settings describe. `has_carrier` is whether bonds of one master know `use_carrier`.
pub fn of_settings(
    settings: &Map,
    kind: &str,
    enabled: bool,
    iface: &str,
    has_carrier: bool,
) -> Result<Map, Fault> {
    if !KINDS.contains(&kind) {
        return Err(unexpected(iface, kind, &KINDS));
    }
    let needs = |key: &str, words: &str| match settings.contains_key(key) {
        true => Ok(()),
        false => Err(Fault::attribute(format!(
            "{key} is a required setting for {words}"
        ))),
    };
    match kind {
        "slave" => needs("master", "slave interfaces")?,
        "bond" => needs("slaves", "bond interfaces")?,
        "bridge" => needs(
            "ports",
            "bridge interfaces on Debian or Ubuntu based systems",
        )?,
        "source" => {
            let source = settings.get("source").ok_or_else(|| Fault::key("source"))?;
            let sources = map! { "sources" => Value::List(vec![source.clone()]) };
            return Ok(map! { "type" => kind, "data" => sources });
        }
        "eth" | "vlan" | "pppoe" => {}
        _ => {
            return Err(Fault {
                kind: "UnboundLocalError",
                message:
                    "cannot access local variable 'opts' where it is not associated with a value"
                        .to_owned(),
            });
        }
    }
    let mut opts = settings.clone();
    let mut adapter = map! { "type" => kind };
    if enabled {
        adapter.insert("enabled".into(), true.into());
    }
    if opts.get("hotplug").is_some_and(Value::is_truthy) {
        adapter.insert("hotplug".into(), true.into());
    }
    let mut families = [Map::new(), Map::new()];
    for (family, own) in FAMILIES.iter().zip(&mut families) {
        own_options(&mut opts, kind, iface, has_carrier, family, own)?;
    }
    opts.shift_remove("mode");
    for (option, value) in &opts {
        let option = python::text(option);
        let (option, wanted) = if let Some(rest) = option.strip_prefix("ipv4") {
            (rest, Some(0))
        } else if let Some(rest) = option.strip_prefix("ipv6") {
            (rest, Some(1))
        } else if matches!(
            option.as_str(),
            "ipaddr" | "address" | "ipaddresses" | "addresses" | "gateway" | "proto"
        ) {
            (option.as_str(), Some(0))
        } else {
            (option.as_str(), None)
        };
        if let Some(at) = wanted {
            families[at].insert("addrfam".into(), FAMILIES[at].into());
        }
        let name = debian(option);
        let key = Value::from(name.replace('-', "_"));
        for (at, own) in families.iter_mut().enumerate() {
            let (fits, value) = checked(name, value, FAMILIES[at])?;
            if fits && wanted.map_or(!own.contains_key(&key), |wanted| wanted == at) {
                own.insert(key.clone(), value);
            }
        }
    }
    for key in COMMANDS {
        if let Some(commands) = opts.get(key) {
            for own in &mut families {
                own.insert(key.into(), commands.clone());
            }
        }
    }
    let mut data = Map::new();
    for ((family, own), switch) in FAMILIES
        .iter()
        .zip(families)
        .zip(["enable_ipv4", "enable_ipv6"])
    {
        let is_off = opts.get(switch) == Some(&Value::Bool(false));
        if !is_off && own.get("addrfam").and_then(Value::as_str) == Some(family) {
            data.insert((*family).into(), own.into());
        }
    }
    adapter.insert("data".into(), data.into());
    Ok(adapter)
}

/// What the type of an interface asks of both families.
fn own_options(
    opts: &mut Map,
    kind: &str,
    iface: &str,
    has_carrier: bool,
    family: &str,
    own: &mut Map,
) -> Result<(), Fault> {
    let mut group = |name: &str, options: Map| {
        if !options.is_empty() {
            own.insert(format!("{name}_keys").into(), sorted(&options));
            own.insert(name.into(), options.into());
        }
    };
    if kind != "bridge" {
        group("ethtool", ethtool(opts, iface)?);
    }
    match kind {
        "bridge" => group("bridging", bridge(opts, iface)?),
        "bond" => {
            let mut options = bond(opts, iface, has_carrier)?;
            let slaves = opts.get("slaves").cloned().unwrap_or_default();
            options.insert("slaves".into(), slaves);
            group("bonding", options);
        }
        "slave" => {
            let master = opts.get("master").cloned().unwrap_or_default();
            own.insert("master".into(), master);
            opts.insert("proto".into(), "manual".into());
        }
        "vlan" => drop(own.insert("vlan_raw_device".into(), raw_device(iface).into())),
        "pppoe" => own.extend(pppoe(opts, iface)?),
        _ => return Ok(()),
    }
    own.insert("addrfam".into(), family.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_network_has_its_device() {
        assert_eq!(raw_device("eth0.12"), "eth0");
        assert_eq!(raw_device("bond0"), "bond0");
        assert_eq!(raw_device("a.b1"), "ab1");
    }
}
