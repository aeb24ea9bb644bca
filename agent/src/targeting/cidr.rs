//! Addresses and networks against the grains `ipv4` and `ipv6`, parsed as Python's `ipaddress` does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use salt_wire::{Map, Value};

/// `None` where Salt's matcher raises.
pub(super) fn matches(tgt: &Value, grains: &Map) -> Option<bool> {
    let Some(tgt) = tgt.as_str() else {
        return Some(false);
    };
    if let Some((address, scope)) = address(tgt) {
        let (grain, text) = match address {
            IpAddr::V4(v4) => ("ipv4", v4.to_string()),
            IpAddr::V6(v6) => ("ipv6", v6_text(v6) + scope),
        };
        return Some(match grains.get(grain) {
            Some(Value::List(list)) => list.iter().any(|a| a.as_str() == Some(&text)),
            Some(Value::Str(one)) => one.contains(&text),
            _ => false,
        });
    }
    let Some(network) = network(tgt) else {
        tracing::debug!(tgt, "Neither an address nor a network.");
        return Some(false);
    };
    let grain = match network {
        IpNet::V4(_) => "ipv4",
        IpNet::V6(_) => "ipv6",
    };
    let addresses = match grains.get(grain) {
        Some(Value::List(list)) => list.as_slice(),
        Some(one @ Value::Str(_)) => std::slice::from_ref(one),
        _ => return Some(false),
    };
    for item in addresses {
        match item.as_str().and_then(address) {
            None => return None,
            Some((item, _)) if network.contains(&item) => return Some(true),
            Some(_) => {}
        }
    }
    Some(false)
}

/// An address, and for IPv6 its `%scope`.
fn address(text: &str) -> Option<(IpAddr, &str)> {
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some((v4.into(), ""));
    }
    let at = text.find('%').unwrap_or(text.len());
    let (address, scope) = text.split_at(at);
    if scope == "%" || scope.matches('%').count() > 1 {
        return None;
    }
    let v6: Ipv6Addr = address.parse().ok()?;
    Some((v6.into(), scope))
}

/// As Python prints it: always in hex groups, also an IPv4 address mapped into IPv6.
fn v6_text(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., a, b]) => format!("::ffff:{a:x}:{b:x}"),
        _ => address.to_string(),
    }
}

/// A network without host bits; IPv4 also with a net mask or a host mask.
fn network(text: &str) -> Option<IpNet> {
    let (base, mask) = text.split_once('/')?;
    let (base, _) = address(base)?;
    let digits = !mask.is_empty() && mask.bytes().all(|b| b.is_ascii_digit());
    let prefix: Option<u8> = mask.parse().ok().filter(|_| digits);
    let network = match (base, prefix) {
        (IpAddr::V4(v4), Some(prefix)) => Ipv4Net::new(v4, prefix).ok()?.into(),
        (IpAddr::V4(v4), None) => Ipv4Net::new(v4, v4_prefix(mask)?).ok()?.into(),
        (IpAddr::V6(v6), Some(prefix)) => Ipv6Net::new(v6, prefix).ok()?.into(),
        (IpAddr::V6(_), None) => return None,
    };
    let strict = match network {
        IpNet::V4(net) => net.network() == net.addr(),
        IpNet::V6(net) => net.network() == net.addr(),
    };
    strict.then_some(network)
}

fn v4_prefix(mask: &str) -> Option<u8> {
    let bits = u32::from(mask.parse::<Ipv4Addr>().ok()?);
    let prefix = |bits: u32| {
        let ones = bits.leading_ones();
        (bits.count_ones() == ones).then_some(ones)
    };
    prefix(bits)
        .or_else(|| prefix(!bits))
        .and_then(|p| u8::try_from(p).ok())
}
