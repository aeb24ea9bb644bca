//! What an option of an interface may be, for each family of addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use salt_wire::Value;

use super::Fault;
use crate::host::net;
use crate::python;

/// The words for yes, as they are listed in complaints.
pub(super) const EITHER: [&str; 10] = [
    "yes", "on", "true", "1", "True", "no", "off", "false", "0", "False",
];

/// One of Salt's words for yes.
pub fn is_yes(value: &Value) -> bool {
    match value {
        Value::Str(text) => matches!(text.as_str(), "yes" | "on" | "true" | "1"),
        Value::Bool(yes) => *yes,
        Value::Int(number) => *number == 1,
        Value::Float(number) => *number == 1.0,
        _ => false,
    }
}

/// One of Salt's words for no.
pub fn is_no(value: &Value) -> bool {
    match value {
        Value::Str(text) => matches!(text.as_str(), "no" | "off" | "false" | "0"),
        Value::Bool(yes) => !yes,
        Value::Int(number) => *number == 0,
        Value::Float(number) => *number == 0.0,
        _ => false,
    }
}

/// What Python's `int()` makes of a value; nothing for a text that is no number.
pub(super) fn int(value: &Value) -> Result<Option<i128>, Fault> {
    Ok(match value {
        Value::Int(number) => Some(*number),
        Value::Bool(yes) => Some(i128::from(*yes)),
        Value::Float(number) if number.is_finite() => Some(*number as i128),
        Value::Float(_) => None,
        Value::Str(text) => text.trim().replace('_', "").parse().ok(),
        other => return Err(no_number("int", other)),
    })
}

/// Whether Python's `float()` takes a value.
pub(super) fn is_float(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Int(_) | Value::Bool(_) | Value::Float(_) => Ok(true),
        Value::Str(text) => Ok(text.trim().parse::<f64>().is_ok()),
        other => Err(no_number("float", other)),
    }
}

fn no_number(function: &str, value: &Value) -> Fault {
    let kind = match value {
        Value::Null => "NoneType",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        _ => "bytes",
    };
    let text = if function == "int" {
        format!(
            "int() argument must be a string, a bytes-like object or a real number, not '{kind}'"
        )
    } else {
        format!("float() argument must be a string or a real number, not '{kind}'")
    };
    Fault {
        kind: "TypeError",
        message: text,
    }
}

/// How an option is checked, and what becomes of it.
#[derive(Clone, Copy)]
enum Check {
    Anything,
    Quad,
    Six,
    Mac,
    Int,
    Float,
    Mask4,
    Mask6,
    Words(&'static [&'static str]),
    Upto(i128),
    List,
}

const IPV4: &[(&str, Check)] = &[
    (
        "proto",
        Check::Words(&["bootp", "dhcp", "static", "manual", "loopback", "ppp"]),
    ),
    ("address", Check::Quad),
    ("netmask", Check::Mask4),
    ("broadcast", Check::Quad),
    ("metric", Check::Int),
    ("gateway", Check::Quad),
    ("pointopoint", Check::Quad),
    ("scope", Check::Words(&["global", "link", "host"])),
    ("hostname", Check::Anything),
    ("leasehours", Check::Int),
    ("leasetime", Check::Int),
    ("vendor", Check::Anything),
    ("client", Check::Anything),
    ("bootfile", Check::Anything),
    ("server", Check::Quad),
    ("hwaddr", Check::Mac),
    ("dstaddr", Check::Quad),
    ("provider", Check::Anything),
    ("unit", Check::Int),
    ("options", Check::Anything),
    ("network", Check::Anything),
];

const IPV6: &[(&str, Check)] = &[
    (
        "proto",
        Check::Words(&[
            "auto", "loopback", "static", "manual", "dhcp", "v4tunnel", "6to4",
        ]),
    ),
    ("address", Check::Six),
    ("netmask", Check::Mask6),
    ("broadcast", Check::Six),
    ("gateway", Check::Six),
    ("scope", Check::Words(&["global", "site", "link", "host"])),
    ("privext", Check::Upto(2)),
    ("dhcp", Check::Upto(1)),
    ("media", Check::Anything),
    ("accept_ra", Check::Upto(2)),
    ("autoconf", Check::Upto(1)),
    ("preferred-lifetime", Check::Int),
    ("dad-attempts", Check::Int),
    ("dad-interval", Check::Float),
];

/// Options of both families.
const BOTH: &[(&str, Check)] = &[
    ("addresses", Check::Anything),
    ("hwaddress", Check::Mac),
    ("mtu", Check::Int),
    ("slaves", Check::Anything),
    ("mode", MODES),
    ("endpoint", Check::Quad),
    ("local", Check::Quad),
    ("ttl", Check::Int),
    ("dns-nameservers", Check::List),
    ("dns-search", Check::List),
    ("vlan-raw-device", Check::Anything),
    ("test", Check::Anything),
    ("enable_ipv4", Check::Anything),
    ("enable_ipv6", Check::Anything),
    ("wireless-essid", Check::Anything),
    ("wireless-mode", Check::Anything),
    ("wpa-ap-scan", Check::Upto(2)),
    ("wpa-conf", Check::Anything),
    ("wpa-driver", Check::Anything),
    ("wpa-group", Check::Anything),
    ("wpa-key-mgmt", Check::Anything),
    ("wpa-pairwise", Check::Anything),
    ("wpa-psk", Check::Anything),
    ("wpa-proto", Check::Anything),
    ("wpa-roam", Check::Anything),
    ("wpa-ssid", Check::Anything),
];

const MODES: Check = Check::Words(&["gre", "GRE", "ipip", "IPIP", "802.3ad"]);

/// Whether a line of the file may begin with this word.
pub(super) fn is_known(name: &str) -> bool {
    [IPV4, IPV6, BOTH]
        .iter()
        .any(|table| table.iter().any(|(known, _)| *known == name))
}

/// Whether an option may have a value, and the value as it is kept.
pub(super) fn checked(name: &str, value: &Value, family: &str) -> Result<(bool, Value), Fault> {
    let tables: &[_] = match family {
        "inet" => &[IPV4, BOTH],
        "inet6" => &[IPV6, BOTH],
        _ => &[],
    };
    let mut rows = tables.iter().flat_map(|table| table.iter());
    match rows.find(|(known, _)| *known == name) {
        Some((_, check)) => check.of(value),
        None => Ok((false, value.clone())),
    }
}

impl Check {
    fn of(self, value: &Value) -> Result<(bool, Value), Fault> {
        let text = || value.as_str().unwrap_or_default();
        let number = |limit: Option<i128>| {
            Ok(match int(value)? {
                Some(number) => {
                    let fits = limit.is_none_or(|limit| (0..=limit).contains(&number));
                    (fits, Value::Int(number))
                }
                None => (false, value.clone()),
            })
        };
        Ok(match self {
            Self::Anything => (true, value.clone()),
            Self::Quad => (is_address::<Ipv4Addr>(text(), 32), value.clone()),
            Self::Six => (is_address::<Ipv6Addr>(text(), 128), value.clone()),
            Self::Mac => match value {
                Value::Str(text) => (is_mac(text), value.clone()),
                _ => {
                    return Err(Fault {
                        kind: "TypeError",
                        message: "expected string or bytes-like object".to_owned(),
                    });
                }
            },
            Self::Int => return number(None),
            Self::Upto(limit) => return number(Some(limit)),
            Self::Float => (
                is_float(value)?,
                match value {
                    Value::Str(text) => text.trim().parse().map_or(value.clone(), Value::Float),
                    Value::Int(number) => Value::Float(*number as f64),
                    other => other.clone(),
                },
            ),
            Self::Mask4 => match int(value)? {
                Some(number) => ((0..=32).contains(&number), Value::Int(number)),
                None => (is_netmask(text()), value.clone()),
            },
            Self::Mask6 => return number(Some(128)),
            Self::Words(words) => {
                let own = python::text(value);
                (words.contains(&own.as_str()), own.into())
            }
            Self::List => {
                let list = match value {
                    Value::Str(text) => {
                        let words = text.split_whitespace().map(Value::from);
                        Value::List(words.collect())
                    }
                    other => other.clone(),
                };
                let fits = match &list {
                    Value::List(words) => !words.is_empty(),
                    Value::Map(_) => true,
                    _ => false,
                };
                (fits, list)
            }
        })
    }
}

/// An address, or one with the bits of its network.
fn is_address<A: std::str::FromStr>(text: &str, most: u32) -> bool {
    let (ip, mask) = match text.rsplit_once('/') {
        Some((ip, mask)) => (ip, mask.trim().parse().unwrap_or(0)),
        None => (text, most),
    };
    ip.parse::<A>().is_ok() && (1..=most).contains(&mask)
}

fn is_netmask(text: &str) -> bool {
    text.parse().is_ok_and(|mask| net::prefix(mask).is_some())
}

fn is_mac(text: &str) -> bool {
    ['-', ':', '.'].iter().any(|sign| {
        let parts: Vec<&str> = text.trim_end_matches('\n').split(*sign).collect();
        let hex = |p: &&str| (1..=2).contains(&p.len()) && p.chars().all(|c| c.is_ascii_hexdigit());
        parts.len() == 6 && parts.iter().all(hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_by_family() {
        let fits = |name: &str, value: Value, family: &str| checked(name, &value, family).unwrap();
        assert!(fits("address", "10.0.0.1/24".into(), "inet").0);
        assert!(!fits("address", "10.0.0.1/33".into(), "inet").0);
        assert!(!fits("address", "fe80::1".into(), "inet").0);
        assert!(fits("address", "fe80::1/64".into(), "inet6").0);
        assert_eq!(fits("netmask", "24".into(), "inet"), (true, 24.into()));
        assert!(fits("netmask", "255.255.0.0".into(), "inet").0);
        assert!(fits("netmask", "0.0.255.255".into(), "inet").0);
        assert!(!fits("netmask", "255.0.255.0".into(), "inet").0);
        assert!(fits("hwaddress", "0:1:2:3:4:ff".into(), "inet").0);
        assert!(!fits("hwaddress", "0:1:2:3:4".into(), "inet").0);
        assert!(!fits("privext", 3.into(), "inet6").0);
        assert!(!fits("bogus", 3.into(), "inet").0);
        assert!(checked("mtu", &Value::Null, "inet").is_err());
    }
}
