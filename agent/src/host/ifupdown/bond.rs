//! Options of bonds, bridges, network cards and connections of the kind PPP over Ethernet.

use salt_wire::{Map, Value};

use super::options::{EITHER, int, is_float, is_no, is_yes};
use super::{Fault, unexpected};
use crate::python;

type Done = Result<Map, Fault>;

/// Names of options of network cards, and what `ifupdown` calls them.
pub(super) const ETHTOOL: &[(&str, &str)] = &[
    ("speed", "link-speed"),
    ("duplex", "link-duplex"),
    ("autoneg", "ethernet-autoneg"),
    ("ethernet-port", "ethernet-port"),
    ("wol", "ethernet-wol"),
    ("driver-message-level", "driver-message-level"),
    ("ethernet-pause-rx", "ethernet-pause-rx"),
    ("ethernet-pause-tx", "ethernet-pause-tx"),
    ("ethernet-pause-autoneg", "ethernet-pause-autoneg"),
    ("rx", "offload-rx"),
    ("tx", "offload-tx"),
    ("sg", "offload-sg"),
    ("tso", "offload-tso"),
    ("ufo", "offload-ufo"),
    ("gso", "offload-gso"),
    ("gro", "offload-gro"),
    ("lro", "offload-lro"),
    (
        "hardware-irq-coalesce-adaptive-rx",
        "hardware-irq-coalesce-adaptive-rx",
    ),
    (
        "hardware-irq-coalesce-adaptive-tx",
        "hardware-irq-coalesce-adaptive-tx",
    ),
    (
        "hardware-irq-coalesce-rx-usecs",
        "hardware-irq-coalesce-rx-usecs",
    ),
    (
        "hardware-irq-coalesce-rx-frames",
        "hardware-irq-coalesce-rx-frames",
    ),
    ("hardware-dma-ring-rx", "hardware-dma-ring-rx"),
    ("hardware-dma-ring-rx-mini", "hardware-dma-ring-rx-mini"),
    ("hardware-dma-ring-rx-jumbo", "hardware-dma-ring-rx-jumbo"),
    ("hardware-dma-ring-tx", "hardware-dma-ring-tx"),
];

const PPPOE: [&str; 18] = [
    "user",
    "password",
    "provider",
    "pppoe_iface",
    "noipdefault",
    "usepeerdns",
    "defaultroute",
    "holdoff",
    "maxfail",
    "hide-password",
    "lcp-echo-interval",
    "lcp-echo-failure",
    "connect",
    "noauth",
    "persist",
    "mtu",
    "noaccomp",
    "linkname",
];

/// A choice of yes and no under the words of its own; nothing when it is not made.
fn choice(opts: &Map, iface: &str, key: &str, words: [&str; 2]) -> Result<Option<Value>, Fault> {
    match opts.get(key) {
        None => Ok(None),
        Some(value) if is_yes(value) => Ok(Some(words[0].into())),
        Some(value) if is_no(value) => Ok(Some(words[1].into())),
        Some(_) => Err(unexpected(iface, key, &EITHER)),
    }
}

/// One of some texts.
fn one_of(opts: &Map, iface: &str, key: &str, words: &[&str]) -> Result<Option<Value>, Fault> {
    match opts.get(key) {
        None => Ok(None),
        Some(value) if value.as_str().is_some_and(|v| words.contains(&v)) => {
            Ok(Some(value.clone()))
        }
        Some(_) => Err(unexpected(iface, key, words)),
    }
}

/// What `ethtool` would be told, under the names of `ifupdown`.
pub(super) fn ethtool(opts: &Map, iface: &str) -> Done {
    let mut found = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        let name = ETHTOOL.iter().find(|(own, _)| *own == key);
        if let (Some((_, name)), Some(value)) = (name, value) {
            found.insert((*name).into(), value);
        }
    };
    let switch = ["on", "off"];
    put("autoneg", choice(opts, iface, "autoneg", switch)?);
    put("duplex", one_of(opts, iface, "duplex", &["full", "half"])?);
    if let Some(speed) = opts.get("speed") {
        let (text, known) = (python::text(speed), ["10", "100", "1000", "10000"]);
        if !known.contains(&text.as_str()) {
            return Err(unexpected(iface, &text, &known));
        }
        put("speed", Some(speed.clone()));
    }
    for key in ["rx", "tx", "sg", "tso", "ufo", "gso", "gro", "lro"] {
        put(key, choice(opts, iface, key, switch)?);
    }
    Ok(found)
}

pub(super) fn pppoe(opts: &Map, iface: &str) -> Done {
    let given = |key: &&str| Some(((*key).into(), opts.get(*key)?.clone()));
    let mut found: Map = PPPOE.iter().filter_map(given).collect();
    if opts.get("provider").is_some_and(|p| !p.is_truthy()) {
        return Err(unexpected(iface, "provider", &EITHER));
    }
    for key in [
        "noipdefault",
        "usepeerdns",
        "defaultroute",
        "hide-password",
        "noauth",
        "persist",
        "noaccomp",
    ] {
        if let Some(value) = choice(opts, iface, key, ["True", "False"])? {
            found.insert(key.into(), value);
        }
    }
    Ok(found)
}

/// What a number of a bond is when nobody says.
const NUMBERS: [(&str, &str); 6] = [
    ("ad_select", "0"),
    ("miimon", "100"),
    ("arp_interval", "250"),
    ("downdelay", "200"),
    ("lacp_rate", "0"),
    ("updelay", "0"),
];

const MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];

/// The options of a bond, in the order that Salt has them.
pub fn bond(opts: &Map, iface: &str, has_carrier: bool) -> Done {
    let mode = opts.get("mode").ok_or_else(|| Fault::key("mode"))?;
    let own = mode.as_str().unwrap_or("none");
    let number = MODES.iter().position(|name| *name == own).or_else(|| {
        ["0", "1", "2", "3", "4", "5", "6"]
            .iter()
            .position(|n| *n == own)
    });
    let Some(number) = number else {
        let mut known = vec!["0", "1", "2", "3", "4", "5", "6"];
        known.extend(MODES);
        return Err(unexpected(iface, "mode", &known));
    };
    let mut bond = Map::new();
    bond.insert("mode".into(), number.to_string().into());
    let numbers: &[&str] = match number {
        0 | 2 => {
            bond.insert("arp_ip_target".into(), arp_targets(opts, iface)?.into());
            &["arp_interval"]
        }
        4 => &["miimon", "downdelay", "updelay", "lacp_rate", "ad_select"],
        _ => &["miimon", "downdelay", "updelay"],
    };
    for key in numbers {
        let expected: &[&str] = match *key {
            "lacp_rate" => &["fast", "1", "slow", "0"],
            _ => &["integer"],
        };
        let default = NUMBERS.iter().find(|(name, _)| name == key);
        let default = Value::from(default.map_or("", |(_, value)| value));
        let value = match (*key, opts.get(*key)) {
            ("lacp_rate", Some(Value::Str(word))) if word == "fast" => "1".into(),
            ("lacp_rate", Some(Value::Str(word))) if word == "slow" => "0".into(),
            (_, Some(value)) => value.clone(),
            (_, None) => default,
        };
        if int(&value)?.is_none() {
            return Err(unexpected(iface, key, expected));
        }
        bond.insert((*key).into(), value);
    }
    let primary = |bond: &mut Map| {
        if let Some(primary) = opts.get("primary") {
            bond.insert("primary".into(), primary.clone());
        }
    };
    if number == 1 {
        primary(&mut bond);
    }
    if matches!(number, 3..=6) || number == 1 && has_carrier {
        let carrier = choice(opts, iface, "use_carrier", ["1", "0"])?;
        bond.insert("use_carrier".into(), carrier.unwrap_or_else(|| "on".into()));
    }
    if matches!(number, 5 | 6) {
        primary(&mut bond);
    }
    if matches!(number, 2 | 4) {
        let words = ["layer2", "layer2+3", "layer3+4"];
        if let Some(policy) = one_of(opts, iface, "hashing-algorithm", &words)? {
            bond.insert("xmit_hash_policy".into(), policy);
        }
    }
    Ok(bond)
}

fn arp_targets(opts: &Map, iface: &str) -> Result<String, Fault> {
    match opts.get("arp_ip_target") {
        Some(Value::List(ips)) if (1..=16).contains(&ips.len()) => {
            let ips: Vec<String> = ips.iter().map(python::text).collect();
            Ok(ips.join(","))
        }
        _ => Err(unexpected(
            iface,
            "arp_ip_target",
            &["list of ips (up to 16)"],
        )),
    }
}

fn is_hardware_address(text: &str) -> bool {
    let sign = text.chars().nth(2).filter(|c| matches!(c, '-' | ':'));
    sign.is_some_and(|sign| {
        let parts: Vec<&str> = text.split(sign).collect();
        let hex = |p: &str| p.len() == 2 && p.chars().all(|c| c.is_ascii_hexdigit());
        parts.len() == 6 && parts.iter().all(|p| hex(p))
    })
}

pub(super) fn bridge(opts: &Map, iface: &str) -> Done {
    let mut found = Map::new();
    match opts.get("ports") {
        Some(Value::List(ports)) => {
            let ports: Vec<String> = ports.iter().map(python::text).collect();
            found.insert("ports".into(), ports.join(" ").into());
        }
        Some(ports) => drop(found.insert("ports".into(), ports.clone())),
        None => {}
    }
    for key in ["ageing", "fd", "gcint", "hello", "maxage"] {
        if let Some(value) = opts.get(key) {
            if !is_float(value)? {
                return Err(unexpected(iface, key, &["float"]));
            }
            found.insert(key.into(), value.clone());
        }
    }
    for key in ["bridgeprio", "maxwait"] {
        match opts.get(key) {
            None => {}
            Some(value @ (Value::Int(_) | Value::Bool(_))) => {
                found.insert(key.into(), value.clone());
            }
            Some(_) => return Err(unexpected(iface, key, &["integer"])),
        }
    }
    if let Some(hw) = opts.get("hw") {
        if !hw.as_str().is_some_and(is_hardware_address) {
            return Err(unexpected(iface, "hw", &["valid MAC address"]));
        }
        found.insert("hw".into(), hw.clone());
    }
    for key in ["pathcost", "portprio"] {
        let Some(value) = opts.get(key) else { continue };
        let text = python::text(value);
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [port, number] if number.parse::<i128>().is_ok() => {
                found.insert(key.into(), format!("{port} {number}").into());
            }
            _ => return Err(unexpected(iface, key, &["interface integer"])),
        }
    }
    if let Some(stp) = choice(opts, iface, "stp", ["on", "off"])? {
        found.insert("stp".into(), stp);
    }
    match opts.get("waitport") {
        None => {}
        Some(value @ (Value::Int(_) | Value::Bool(_))) => {
            found.insert("waitport".into(), value.clone());
        }
        Some(value) => {
            let text = python::text(value);
            let words: Vec<&str> = text.split_whitespace().collect();
            let is_number = |w: &str| w.chars().all(|c| c.is_ascii_digit());
            if words.len() < 2 || !is_number(words[0]) {
                // Salt names the option that it looked at before.
                return Err(unexpected(iface, "portprio", &["integer [interfaces]"]));
            }
            found.insert("waitport".into(), words.join(" ").into());
        }
    }
    Ok(found)
}
