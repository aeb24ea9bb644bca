//! Addresses: what they are, which of them, and what belongs to a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Filter;
use crate::error::{Error, Result};
use crate::eval::Args;
use crate::value::repr::str;
use crate::value::{Dict, Val, ops};

/// Most hosts that are listed.
const MAX_HOSTS: u128 = 1 << 16;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("is_ip", |_, v, a| {
        let options = options(a)?;
        Ok(Val::Bool(
            is_version(&v, 4, &options)?.is_some() || is_version(&v, 6, &options)?.is_some(),
        ))
    }),
    ("is_ipv4", |_, v, a| {
        Ok(Val::Bool(is_version(&v, 4, &options(a)?)?.is_some()))
    }),
    ("is_ipv6", |_, v, a| {
        Ok(Val::Bool(is_version(&v, 6, &options(a)?)?.is_some()))
    }),
    ("ipv4", |_, v, a| of_version(&v, 4, &options(a)?)),
    ("ipv6", |_, v, a| of_version(&v, 6, &options(a)?)),
    ("ipaddr", |_, v, a| of_any(&v, &options(a)?)),
    ("ip_host", |_, v, a| {
        each(&v, a, |text| {
            Ok(interface(text).map_or(Val::None, |i| i.with_prefix().into()))
        })
    }),
    ("network_hosts", |interp, v, a| {
        each(&v, a, |text| {
            let Some(network) = interface(text) else {
                return Ok(Val::None);
            };
            let hosts = network.hosts()?;
            interp.spend(hosts.len())?;
            Ok(Val::list(hosts.into_iter().map(Val::from).collect()))
        })
    }),
    ("network_size", |_, v, a| {
        each(&v, a, |text| {
            let size = interface(text).and_then(|i| i128::try_from(i.size()).ok());
            Ok(size.into())
        })
    }),
    ("ipwrap", |_, v, _| {
        let wrap = |v: &Val| -> Result {
            match is_version(v, 6, &None)? {
                Some(_) => {
                    let text = str(v)?;
                    let inner = text.trim_start_matches('[').trim_end_matches(']');
                    Ok(format!("[{inner}]").into())
                }
                None => Ok(v.clone()),
            }
        };
        match &v {
            Val::List(_) | Val::Tuple(_) => {
                let items = v.iterate()?;
                Ok(Val::list(items.iter().map(wrap).collect::<Result<_>>()?))
            }
            other => wrap(other),
        }
    }),
    ("filter_by_networks", |_, v, a| {
        let [networks] = a.bind("filter_by_networks", ["networks"])?;
        let networks = networks.unwrap_or(Val::None);
        if matches!(networks, Val::None) {
            return Ok(v);
        }
        let mut parsed = Vec::new();
        for network in ops::items(&networks)? {
            let text = str(&network)?;
            let found = interface(&text).filter(|i| i.network() == i.bits);
            parsed.push(found.ok_or_else(|| {
                Error::value_error(format!(
                    "'{text}' does not appear to be an IPv4 or IPv6 network"
                ))
            })?);
        }
        let inside = |list: &Val| -> Result {
            let mut kept = Vec::new();
            for item in ops::items(list)? {
                let text = str(&item)?;
                let Some(ip) = interface(&text).filter(|_| !text.contains('/')) else {
                    return Err(Error::value_error(format!(
                        "'{text}' does not appear to be an IPv4 or IPv6 address"
                    )));
                };
                for network in &parsed {
                    if network.v6 == ip.v6 && ip.bits & network.mask() == network.bits {
                        kept.push(item.clone());
                    }
                }
            }
            Ok(Val::list(kept))
        };
        match &v {
            Val::Dict(d) => {
                let mut out = Dict::new();
                for (key, value) in d.borrow().iter() {
                    out.insert(key.clone(), inside(value)?);
                }
                Ok(Val::dict(out))
            }
            other => inside(other),
        }
    }),
];

/// An address with the length of its network's prefix.
#[derive(Debug, Clone, Copy)]
struct Interface {
    v6: bool,
    bits: u128,
    prefix: u32,
    /// Written with a prefix.
    given: bool,
}

impl Interface {
    fn width(&self) -> u32 {
        if self.v6 { 128 } else { 32 }
    }

    fn mask(&self) -> u128 {
        let host = self.width() - self.prefix;
        let all = u128::MAX >> (128 - self.width());
        if host >= 128 {
            0
        } else {
            (all >> host) << host
        }
    }

    fn network(&self) -> u128 {
        self.bits & self.mask()
    }

    fn size(&self) -> u128 {
        1u128
            .checked_shl(self.width() - self.prefix)
            .unwrap_or(u128::MAX)
    }

    fn address(&self, bits: u128) -> IpAddr {
        if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
        }
    }

    fn with_prefix(&self) -> String {
        format!("{}/{}", self.address(self.bits), self.prefix)
    }

    fn shown(&self) -> String {
        if self.given {
            self.with_prefix()
        } else {
            self.address(self.bits).to_string()
        }
    }

    fn hosts(&self) -> Result<Vec<String>> {
        let (network, size) = (self.network(), self.size());
        if size > MAX_HOSTS {
            return Err(Error::bound(format!(
                "{} has too many hosts to list",
                self.with_prefix()
            )));
        }
        let last = network + (size - 1);
        // The network's own address and the broadcast address are no hosts.
        let (first, last) = match (self.v6, size) {
            (_, 1 | 2) => (network, last),
            (true, _) => (network + 1, last),
            (false, _) => (network + 1, last - 1),
        };
        Ok((first..=last)
            .map(|bits| self.address(bits).to_string())
            .collect())
    }
}

fn interface(text: &str) -> Option<Interface> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let ip: IpAddr = address.parse().ok()?;
    let (v6, bits, width) = match ip {
        IpAddr::V4(v4) => (false, u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (true, v6.to_bits(), 128),
    };
    let length = match prefix {
        None => width,
        Some(p) if p.bytes().all(|b| b.is_ascii_digit()) && !p.is_empty() => p.parse().ok()?,
        // A netmask in dots.
        Some(p) if !v6 => {
            let mask = p.parse::<Ipv4Addr>().ok()?.to_bits();
            if mask.leading_ones() + mask.trailing_zeros() >= 32 {
                mask.leading_ones()
            } else if mask.leading_zeros() + mask.trailing_ones() >= 32 {
                mask.leading_zeros()
            } else {
                return None;
            }
        }
        Some(_) => return None,
    };
    (length <= width).then_some(Interface {
        v6,
        bits,
        prefix: length,
        given: prefix.is_some(),
    })
}

fn options(args: &Args) -> Result<Option<String>> {
    let [options] = args.bind("ipaddr", ["options"])?;
    match options {
        None | Some(Val::None) => Ok(None),
        Some(other) => str(&other).map(Some),
    }
}

/// The address as Salt shows it, if it is of this version and of the wanted kinds.
fn is_version(value: &Val, version: u8, options: &Option<String>) -> Result<Option<String>> {
    value.strict()?;
    let Val::Str(text) = value else {
        return Ok(None);
    };
    let Some(found) = interface(&text.text).filter(|i| i.v6 == (version == 6)) else {
        return Ok(None);
    };
    let ip = found.address(found.bits);
    let wanted = options.as_deref().unwrap_or_default();
    for option in wanted.split(',').map(str::trim) {
        let holds = match option {
            "global" | "public" => !is_private(ip),
            "link-local" | "linklocal" | "ll" | "link_local" => match ip {
                IpAddr::V4(v4) => v4.is_link_local(),
                IpAddr::V6(v6) => v6.is_unicast_link_local(),
            },
            "loopback" | "lo" => ip.is_loopback(),
            "multicast" => ip.is_multicast(),
            "private" => is_private(ip),
            "reserved" => is_reserved(ip),
            "site-local" | "sl" | "site_local" => {
                matches!(ip, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfec0)
            }
            "unspecified" => ip.is_unspecified(),
            _ => true,
        };
        if !holds {
            return Ok(None);
        }
    }
    Ok(Some(found.shown()))
}

/// Python's `is_private`: everything that IANA does not route globally.
fn is_private(ip: IpAddr) -> bool {
    let within = |list: &[&str]| {
        list.iter().filter_map(|n| interface(n)).any(|network| {
            let bits = match ip {
                IpAddr::V4(v4) if !network.v6 => u128::from(v4.to_bits()),
                IpAddr::V6(v6) if network.v6 => v6.to_bits(),
                _ => return false,
            };
            bits & network.mask() == network.bits
        })
    };
    let private = within(&[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.0.170/31",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "255.255.255.255/32",
        "::1/128",
        "::/128",
        "::ffff:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "fc00::/7",
        "fe80::/10",
    ]);
    let excepted = within(&[
        "192.0.0.9/32",
        "192.0.0.10/32",
        "2001:1::1/128",
        "2001:1::2/128",
        "2001:3::/32",
        "2001:4:112::/48",
        "2001:20::/28",
        "2001:30::/28",
    ]);
    private && !excepted
}

fn is_reserved(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[0] >= 240,
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            let head = first >> 8;
            // Everything outside of what IANA has given out.
            matches!(head, 0x00..=0x1f) && first >> 13 == 0
                || matches!(first >> 13, 2..=6)
                || matches!(head, 0xe0..=0xfb)
                || matches!(head, 0xfe) && first & 0xff80 == 0xfe00
        }
    }
}

fn of_version(value: &Val, version: u8, options: &Option<String>) -> Result {
    match value {
        Val::Str(_) => Ok(is_version(value, version, options)?.into()),
        Val::List(_) | Val::Tuple(_) | Val::Iter(_) => {
            let mut kept = Vec::new();
            for item in value.iterate()? {
                if let Some(shown) = is_version(&item, version, options)? {
                    kept.push(shown.into());
                }
            }
            Ok(Val::list(kept))
        }
        other => {
            other.strict()?;
            Ok(Val::None)
        }
    }
}

fn of_any(value: &Val, options: &Option<String>) -> Result {
    let (v4, v6) = (
        of_version(value, 4, options)?,
        of_version(value, 6, options)?,
    );
    match (&v4, &v6) {
        (Val::None, _) => Ok(v6),
        (_, Val::None) => Ok(v4),
        _ => ops::binary(crate::ast::Op::Add, &v4, &v6),
    }
}

/// Runs `code` on the address, or on each of a list, after Salt's own filtering.
fn each(value: &Val, args: &Args, code: impl Fn(&str) -> Result) -> Result {
    let [options, version] = args.bind("ip_host", ["options", "version"])?;
    let options = match options {
        None | Some(Val::None) => None,
        Some(other) => Some(str(&other)?),
    };
    let found = match version.and_then(|v| v.as_index()) {
        Some(4) => of_version(value, 4, &options)?,
        Some(6) => of_version(value, 6, &options)?,
        _ => of_any(value, &options)?,
    };
    match &found {
        Val::List(items) => {
            let items = items.borrow();
            if items.is_empty() {
                return Ok(Val::None);
            }
            let results = items.iter().map(|i| code(&str(i)?));
            Ok(Val::list(results.collect::<Result<_>>()?))
        }
        Val::Str(t) => code(&t.text),
        _ => Ok(Val::None),
    }
}
