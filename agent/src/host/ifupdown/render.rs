//! The texts of the files.

use salt_wire::{Map, Value};

use crate::python;

/// Options of an interface in the order in which they are written.
const OPTIONS: &str = "autoconf privext dhcp hwaddress hwaddr vlan_raw_device address addresses netmask metric \
    gateway pointopoint scope hostname media leasehours leasetime vendor client bootfile server mode endpoint dstaddr \
    local ttl mtu provider unit options master dns_nameservers wireless_mode wpa_ap_scan wpa_conf wpa_driver \
    wpa_group wpa_key_mgmt wpa_pairwise wpa_proto wpa_psk wpa_roam wpa_ssid accept_ra up_cmds down_cmds pre_up_cmds \
    post_up_cmds pre_down_cmds post_down_cmds";

/// What `ifupdown` calls them.
fn word(option: &str) -> String {
    match option {
        "addresses" => "address".to_owned(),
        "hwaddr" => "hwaddress".to_owned(),
        "master" => "bond-master".to_owned(),
        "accept_ra" => "accept_ra".to_owned(),
        other => match other.strip_suffix("_cmds") {
            Some(when) => when.replace('_', "-"),
            None => other.replace('_', "-"),
        },
    }
}

/// What Jinja walks over: the items of a list, the keys of a map, the letters of a text.
fn items(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Map(map) => map.keys().map(python::text).collect(),
        Value::Str(text) => text.chars().map(String::from).collect(),
        _ => Vec::new(),
    }
}

fn truthy<'m>(map: &'m Map, key: &str) -> Option<&'m Value> {
    map.get(key).filter(|v| v.is_truthy())
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    *text += &format!("{words}\n");
}

/// An interface as the file has it.
pub fn eth(name: &str, data: &Map) -> String {
    let mut text = String::new();
    for (key, what) in [("enabled", "auto"), ("hotplug", "allow-hotplug")] {
        if truthy(data, key).is_some() {
            line(&mut text, format_args!("{what} {name}"));
        }
    }
    for family in ["inet", "inet6"] {
        let own = data.get("data").and_then(|d| d.get(family));
        let Some(own) = own.and_then(Value::as_map).filter(|o| !o.is_empty()) else {
            continue;
        };
        let proto = truthy(own, "proto").map(python::text);
        if let Some(proto) = proto.filter(|_| own.get("addrfam") == Some(&family.into())) {
            line(&mut text, format_args!("iface {name} {family} {proto}"));
            options(&mut text, own);
        }
    }
    text
}

fn options(text: &mut String, own: &Map) {
    for option in OPTIONS.split_whitespace() {
        let Some(value) = truthy(own, option) else {
            continue;
        };
        let word = word(option);
        match value {
            Value::List(_) | Value::Map(_) if option != "dns_nameservers" => {
                for item in items(value) {
                    line(text, format_args!("    {word} {item}"));
                }
            }
            Value::List(_) | Value::Map(_) | Value::Str(_) if option == "dns_nameservers" => {
                line(text, format_args!("    {word} {}", items(value).join(" ")));
            }
            other => line(text, format_args!("    {word} {}", python::text(other))),
        }
    }
    for (group, prefix) in [
        ("ethtool", ""),
        ("bonding", "bond-"),
        ("bridging", "bridge_"),
    ] {
        let Some(Value::Map(all)) = truthy(own, group) else {
            continue;
        };
        let keys = own.get(format!("{group}_keys").as_str());
        for key in keys.map(items).unwrap_or_default() {
            // A number is neither a text nor a list: Salt leaves it out.
            match all.get(key.as_str()) {
                Some(Value::Str(value)) => line(text, format_args!("    {prefix}{key} {value}")),
                Some(value @ (Value::List(_) | Value::Map(_))) => {
                    let joined = items(value).join(" ");
                    line(text, format_args!("    {prefix}{key} {joined}"));
                }
                _ => {}
            }
        }
    }
}

/// Files that are read, too.
pub fn source(data: &Map) -> String {
    let sources = data.get("data").and_then(|d| d.get("sources"));
    let all = sources.map(items).unwrap_or_default();
    all.iter().map(|s| format!("\nsource {s}\n")).collect()
}

/// Options of the kernel's module for a bond.
pub fn bond_file(name: &str, bond: &Map) -> String {
    let mut text = format!("alias {name} bonding\noptions {name} ");
    for (key, value) in bond {
        text += &format!("{}={} ", python::text(key), python::text(value));
    }
    text
}

/// `/etc/default/networking`.
pub fn modules(networking: &str) -> String {
    format!(
        "# Configuration for networking init script being run during\n# the boot sequence\n\n\
         # Set to 'no' to skip interfaces configuration on boot\nCONFIGURE_INTERFACES={networking}\n\n\
         # Don't configure these interfaces. Shell wildcards supported/\n#EXCLUDE_INTERFACES=\n\n\
         # Set to 'yes' to enable additional verbosity\n#VERBOSE=no"
    )
}

/// A script that adds or deletes the routes of an interface.
pub fn route(what: &str, routes: &Value, iface: &str) -> String {
    let mut text = format!("#!/bin/sh\n# {what}\ntest \"${{IFACE}}\" = \"{iface}\" || exit 0\n");
    for route in routes.as_list().unwrap_or_default() {
        let part = |key: &str, before: &str| {
            let value = route.get(key).filter(|v| v.is_truthy());
            value.map_or_else(String::new, |v| format!("{before}{}", python::text(v)))
        };
        if !part("name", "").is_empty() {
            line(&mut text, format_args!("{}", part("name", "# ")));
        }
        line(
            &mut text,
            format_args!(
                "ip route {what} {}{} {} dev {iface}{}",
                part("ipaddr", ""),
                part("netmask", "/"),
                part("gateway", "via "),
                part("metric", " metric ")
            ),
        );
    }
    text
}

/// A peer of PPP over Ethernet.
pub fn ppp(own: &Map) -> String {
    let mut text = String::new();
    let Some(user) = truthy(own, "user") else {
        return text;
    };
    let text_of = |key: &str| own.get(key).map(python::text);
    line(&mut text, format_args!("user {}", python::text(user)));
    let password = truthy(own, "password").map(|p| format!("password {} ", python::text(p)));
    line(&mut text, format_args!("{}", password.unwrap_or_default()));
    let device = text_of("pppoe_iface").unwrap_or_else(|| "eth0".to_owned());
    line(&mut text, format_args!("plugin rp-pppoe.so {device}"));
    let flag = |key: &'static str| match own.get(key) {
        Some(Value::Str(no)) if no == "False" => "",
        _ => key,
    };
    let number = |key: &str, default: &str| match own.get(key) {
        Some(Value::Str(none)) if none.is_empty() => String::new(),
        Some(value) => format!("{key} {}", python::text(value)),
        None => format!("{key} {default}"),
    };
    // Salt leaves a blank behind some of them.
    let lines = [
        String::new(),
        flag("noipdefault").to_owned(),
        blank(flag("usepeerdns")),
        flag("defaultroute").to_owned(),
        String::new(),
        number("holdoff", "15"),
        number("maxfail", "0"),
        String::new(),
        flag("hide-password").to_owned(),
        blank(&number("lcp-echo-interval", "20")),
        blank(&number("lcp-echo-failure", "3")),
        String::new(),
        flag("noauth").to_owned(),
        flag("persist").to_owned(),
        blank(&number("mtu", "1492")),
        flag("noaccomp").to_owned(),
        String::new(),
    ];
    for words in lines {
        line(&mut text, format_args!("{words}"));
    }
    if let Some(name) = text_of("linkname") {
        text += &format!("\nlinkname {name}\n");
    }
    text.push('\n');
    text
}

fn blank(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!("{words} ")
    }
}
