//! Interfaces as netplan has them, one file for each that Salt manages.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::env::which;
use super::fs::write_atomic;
use super::net;
use crate::python;

const DIR: &str = "/etc/netplan";

/// Options that netplan has nothing for.
const UNSUPPORTED: [&str; 7] = [
    "down_cmds",
    "ethtool",
    "post_down_cmds",
    "post_up_cmds",
    "pre_down_cmds",
    "pre_up_cmds",
    "up_cmds",
];

/// Options of bonds and what netplan calls them.
const BOND: &[(&str, &str)] = &[
    ("mode", "mode"),
    ("miimon", "mii-monitor-interval"),
    ("lacp_rate", "lacp-rate"),
    ("xmit_hash_policy", "transmit-hash-policy"),
    ("downdelay", "down-delay"),
    ("updelay", "up-delay"),
    ("arp_interval", "arp-interval"),
    ("primary", "primary"),
];

/// Options of bridges and what netplan calls them.
const BRIDGE: &[(&str, &str)] = &[
    ("fd", "forward-delay"),
    ("forward_delay", "forward-delay"),
    ("ageing", "ageing-time"),
    ("maxage", "max-age"),
    ("hello", "hello-time"),
    ("priority", "priority"),
];

/// Whether netplan is in charge of this machine's network.
pub fn is_active() -> bool {
    which("netplan").is_some() && Path::new(DIR).is_dir()
}

fn file_of(iface: &str) -> PathBuf {
    Path::new(DIR).join(format!("90-salt-{iface}.yaml"))
}

/// The part of the document that interfaces of a type are in.
fn section(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "eth" | "slave" => "ethernets",
        "bond" => "bonds",
        "vlan" => "vlans",
        "bridge" => "bridges",
        _ => return None,
    })
}

/// The first of these settings that says something.
fn said<'s>(settings: &'s Map, keys: &[&str]) -> Option<&'s Value> {
    let mut values = keys.iter().filter_map(|key| settings.get(*key));
    values.find(|value| value.is_truthy())
}

/// A list, or a text of words with blanks or commas between them.
fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(list)) => list.iter().map(python::text).collect(),
        Some(other) => {
            let text = python::text(other).replace(',', " ");
            text.split_whitespace().map(str::to_owned).collect()
        }
    }
}

/// An address with the bits of its network.
fn with_bits(address: &str, mask: &str) -> Result<String, String> {
    if address.contains('/') {
        return Ok(address.to_owned());
    }
    let wrong = || {
        format!(
            "Invalid address/netmask {address}/{mask}: '{address}/{mask}' does not appear to be an IPv4 or IPv6 interface"
        )
    };
    let ip: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = match (mask.parse::<u32>(), mask.parse::<Ipv4Addr>()) {
        (Ok(bits), _) if bits <= most => bits,
        (_, Ok(mask)) if ip.is_ipv4() => net::prefix(mask).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    Ok(format!("{ip}/{bits}"))
}

fn is_on(value: &Value) -> bool {
    let text = python::text(value).to_lowercase();
    matches!(text.as_str(), "true" | "yes" | "on" | "1")
}

fn parameters(settings: &Map, names: &[(&str, &str)]) -> Map {
    let given = names.iter().filter_map(|(own, theirs)| {
        let value = settings.get(*own).filter(|v| !v.is_null())?;
        Some(((*theirs).into(), value.clone()))
    });
    given.collect()
}

/// Number and device of a virtual network, from what is said or from the interface's name.
fn vlan(iface: &str, settings: &Map) -> (Option<Value>, Option<String>) {
    let mut id = said(settings, &["vlan_id", "id"]).cloned();
    let keys = ["vlan-raw-device", "vlan_raw_device", "parent", "link"];
    let mut link = said(settings, &keys).map(python::text);
    if let Some((device, tag)) = iface.rsplit_once('.') {
        link.get_or_insert_with(|| device.to_owned());
        if id.is_none() && !tag.is_empty() && tag.chars().all(|c| c.is_ascii_digit()) {
            id = Some(tag.into());
        }
    }
    let number = id.as_ref().and_then(|id| python::text(id).parse().ok());
    (number.map(Value::Int).or(id), link)
}

/// The interfaces that another one is made of.
fn members(iface: &str, kind: &str, settings: &Map) -> Vec<String> {
    match kind {
        "bond" => words(said(settings, &["slaves", "interfaces"])),
        "bridge" => words(said(settings, &["ports", "bridge_ports", "interfaces"])),
        "vlan" => vlan(iface, settings).1.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn interface(iface: &str, kind: &str, settings: &Map) -> Result<Map, String> {
    let asked = |key: &&&str| settings.get(**key).is_some_and(Value::is_truthy);
    let wrong: Vec<&str> = UNSUPPORTED.iter().filter(asked).copied().collect();
    if !wrong.is_empty() {
        return Err(format!(
            "netplan does not support these network.managed options: {}. Manage them outside network.managed on netplan systems.",
            wrong.join(", ")
        ));
    }
    let text = |key: &str| settings.get(key).map(python::text).unwrap_or_default();
    let mask = |key: &str| {
        settings
            .get(key)
            .map_or_else(|| "None".to_owned(), python::text)
    };
    let one = |address: &str, key: &str| {
        let is_said = !text(address).is_empty() && said(settings, &[key]).is_some();
        is_said
            .then(|| with_bits(&text(address), &mask(key)))
            .transpose()
    };
    let mut addresses: Vec<String> = Vec::new();
    addresses.extend(one("ipaddr", "netmask")?);
    for address in words(said(settings, &["ipaddrs", "addresses"])) {
        addresses.push(with_bits(&address, &mask("netmask"))?);
    }
    addresses.extend(one("ipv6ipaddr", "ipv6netmask")?);
    addresses.extend(words(settings.get("ipv6addrs")));
    let proto = text("proto").to_lowercase();
    let mut own = map! { "dhcp4" => matches!(proto.as_str(), "dhcp" | "dhcp4") };
    if matches!(text("ipv6proto").to_lowercase().as_str(), "dhcp" | "dhcp6") {
        own.insert("dhcp6".into(), true.into());
    }
    if !addresses.is_empty() {
        own.insert("addresses".into(), addresses.into());
    }
    let gateways = ["gateway", "ipv6gateway"].map(|key| said(settings, &[key]));
    let route = |via: &Value| Value::from(map! { "to" => "default", "via" => python::text(via) });
    let routes: Vec<Value> = gateways.into_iter().flatten().map(route).collect();
    if !routes.is_empty() {
        own.insert("routes".into(), Value::List(routes));
    }
    let servers = words(said(settings, &["dns", "nameservers"]));
    if !servers.is_empty() {
        own.insert("nameservers".into(), map! { "addresses" => servers }.into());
    }
    if let Some(mtu) = said(settings, &["mtu"]) {
        let mtu = python::text(mtu);
        let number = mtu
            .trim()
            .parse()
            .map_err(|_| format!("invalid literal for int() with base 10: '{mtu}'"))?;
        own.insert("mtu".into(), Value::Int(number));
    }
    let mut more = match kind {
        "bond" => parameters(settings, BOND),
        "bridge" => parameters(settings, BRIDGE),
        _ => Map::new(),
    };
    if let Some(stp) = settings
        .get("stp")
        .filter(|v| kind == "bridge" && !v.is_null())
    {
        more.insert("stp".into(), is_on(stp).into());
    }
    if !more.is_empty() {
        own.insert("parameters".into(), more.into());
    }
    let parts = members(iface, kind, settings);
    if kind == "vlan" {
        let (id, link) = vlan(iface, settings);
        own.extend(id.map(|id| ("id".into(), id)));
        own.extend(link.map(|link| ("link".into(), link.into())));
    } else if !parts.is_empty() {
        own.insert("interfaces".into(), parts.into());
    }
    Ok(own)
}

/// What the files say who carries it out.
fn renderer() -> Value {
    let entries = fs::read_dir(DIR).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    files.sort();
    let named = files.iter().find_map(|file| {
        let end = file.extension()?.to_str()?;
        let text = fs::read_to_string(file)
            .ok()
            .filter(|_| matches!(end, "yaml" | "yml"))?;
        let data = salt_yaml::load(&text).ok()?;
        let renderer = data.get("network")?.get("renderer")?;
        renderer.is_truthy().then(|| renderer.clone())
    });
    named.unwrap_or_else(|| "networkd".into())
}

/// The lines of a document.
fn lines(document: &Map) -> Result<Vec<String>, String> {
    let options = salt_yaml::DumpOptions {
        flow: salt_yaml::Flow::Block,
        sort: true,
        ..salt_yaml::DumpOptions::default()
    };
    let text = salt_yaml::dump(&document.clone().into(), &options).map_err(|e| e.to_string())?;
    Ok(text.lines().map(|l| format!("{l}\n")).collect())
}

/// The lines of an interface's file.
pub fn build(iface: &str, kind: &str, settings: &Map) -> Result<Vec<String>, String> {
    let Some(place) = section(kind) else {
        return Err(format!(
            "netplan_ip supports interface types bond, bridge, eth, slave, vlan; got '{kind}'"
        ));
    };
    let own = Map::from_iter([(iface.into(), interface(iface, kind, settings)?.into())]);
    let mut network = map! { "version" => 2, "renderer" => renderer(), place => own };
    for part in members(iface, kind, settings) {
        let ethernets = network
            .entry("ethernets".into())
            .or_insert_with(|| Map::new().into());
        if let Value::Map(ethernets) = ethernets
            && part != iface
        {
            ethernets
                .entry(part.into())
                .or_insert_with(|| Map::new().into());
        }
    }
    lines(&map! { "network" => network })
}

/// Writes the file of an interface.
pub fn write(iface: &str, lines: &[String]) -> Result<(), String> {
    let path = file_of(iface);
    write_atomic(&path, lines.concat().as_bytes(), 0o600).map_err(|e| python::os_error(&path, &e))
}

/// The lines of an interface's file; none of one that Salt does not manage.
pub fn read(iface: &str) -> Vec<String> {
    let text = fs::read_to_string(file_of(iface)).unwrap_or_default();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// Routes as they would stand in an interface's file.
pub fn routes(given: &Value) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for route in given.as_list().unwrap_or_default() {
        let Value::Map(route) = route else { continue };
        let to = said(route, &["ipaddr", "destination", "name"]).map(python::text);
        let to = match to.filter(|to| to != "default" && to != "0.0.0.0") {
            None => "default".to_owned(),
            Some(to) => match said(route, &["netmask"]) {
                Some(mask) => with_bits(&to, &python::text(mask))?,
                None => to,
            },
        };
        let mut entry = map! { "to" => to };
        entry.extend(said(route, &["gateway"]).map(|via| ("via".into(), via.clone())));
        all.push(Value::from(entry));
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    lines(&map! { "routes" => Value::List(all) })
}

/// The routes in an interface's file.
pub fn written_routes(iface: &str) -> Result<Vec<String>, String> {
    let data = salt_yaml::load(&read(iface).concat()).unwrap_or_default();
    let network = data.get("network").and_then(Value::as_map);
    let routes = network.and_then(|network| {
        let mut sections = network.values();
        sections.find_map(|s| {
            s.get(iface)?
                .get("routes")
                .filter(|r| r.is_truthy())
                .cloned()
        })
    });
    match routes {
        Some(routes) => lines(&map! { "routes" => routes }),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(iface: &str, kind: &str, settings: Map) -> String {
        build(iface, kind, &settings).unwrap().concat()
    }

    /// The texts are those of Salt's own `netplan_ip`.
    #[test]
    fn interfaces_are_written_as_salt_does() {
        let eth = map! {
            "proto" => "static", "ipaddr" => "10.0.0.5", "netmask" => "255.255.255.0", "gateway" => "10.0.0.1",
            "dns" => "1.1.1.1, 9.9.9.9", "mtu" => "1400", "ipv6ipaddr" => "2001:db8::5", "ipv6netmask" => 64,
            "ipv6gateway" => "2001:db8::1",
        };
        assert_eq!(built("eth0", "eth", eth), ETH);
        let bond = map! {
            "proto" => "dhcp", "mode" => "active-backup", "slaves" => "eth1 eth2", "miimon" => 100, "ipv6proto" => "dhcp",
        };
        assert_eq!(built("bond0", "bond", bond), BOND_TEXT);
        assert_eq!(
            built(
                "eth0.12",
                "vlan",
                map! { "ipaddrs" => vec!["10.1.0.1/24".to_owned()] }
            ),
            VLAN
        );
        let bridge = map! { "ports" => vec!["eth3".to_owned()], "stp" => "off", "fd" => 4, "proto" => "dhcp" };
        assert_eq!(built("br0", "bridge", bridge), BRIDGE_TEXT);
        let routes =
            map! { "ipaddr" => "10.9.0.0", "netmask" => "255.255.0.0", "gateway" => "10.0.0.1" };
        let routes = Value::List(vec![
            routes.into(),
            map! { "name" => "default", "gateway" => "10.0.0.2" }.into(),
        ]);
        assert_eq!(super::routes(&routes).unwrap().concat(), ROUTES);
    }

    const ETH: &str = "network:\n  ethernets:\n    eth0:\n      addresses:\n      - 10.0.0.5/24\n      - 2001:db8::5/64\n      dhcp4: false\n      mtu: 1400\n      nameservers:\n        addresses:\n        - 1.1.1.1\n        - 9.9.9.9\n      routes:\n      - to: default\n        via: 10.0.0.1\n      - to: default\n        via: 2001:db8::1\n  renderer: networkd\n  version: 2\n";
    const BOND_TEXT: &str = "network:\n  bonds:\n    bond0:\n      dhcp4: true\n      dhcp6: true\n      interfaces:\n      - eth1\n      - eth2\n      parameters:\n        mii-monitor-interval: 100\n        mode: active-backup\n  ethernets:\n    eth1: {}\n    eth2: {}\n  renderer: networkd\n  version: 2\n";
    const VLAN: &str = "network:\n  ethernets:\n    eth0: {}\n  renderer: networkd\n  version: 2\n  vlans:\n    eth0.12:\n      addresses:\n      - 10.1.0.1/24\n      dhcp4: false\n      id: 12\n      link: eth0\n";
    const BRIDGE_TEXT: &str = "network:\n  bridges:\n    br0:\n      dhcp4: true\n      interfaces:\n      - eth3\n      parameters:\n        forward-delay: 4\n        stp: false\n  ethernets:\n    eth3: {}\n  renderer: networkd\n  version: 2\n";
    const ROUTES: &str =
        "routes:\n- to: 10.9.0.0/16\n  via: 10.0.0.1\n- to: default\n  via: 10.0.0.2\n";

    #[test]
    fn what_netplan_cannot_is_refused() {
        let told = |settings: Map| build("eth0", "eth", &settings).unwrap_err();
        assert_eq!(
            told(map! { "up_cmds" => "x", "ethtool" => true }),
            "netplan does not support these network.managed options: ethtool, up_cmds. Manage them outside network.managed on netplan systems."
        );
        assert_eq!(
            told(map! { "ipaddr" => "10.0.0.300", "netmask" => 24 }),
            "Invalid address/netmask 10.0.0.300/24: '10.0.0.300/24' does not appear to be an IPv4 or IPv6 interface"
        );
        assert!(build("x", "pppoe", &Map::new()).is_err());
    }
}
