//! Arithmetic with addresses, in the words of Python's `ipaddress`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use salt_wire::{Value, map};

use crate::context::{Args, Context, Error, Result, python};

/// An address, or Python's complaint.
pub(super) fn parse_ip(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| Error::Exception {
        kind: "ValueError",
        message: format!(
            "{} does not appear to be an IPv4 or IPv6 address",
            python::repr(&text.into())
        ),
    })
}

/// A network; `strict` refuses one with host bits set.
pub(super) fn parse_net(text: &str, strict: bool) -> Option<IpNet> {
    let (address, mask) = text.split_once('/').unwrap_or((text, ""));
    let ip: IpAddr = address.parse().ok()?;
    let prefix = match mask {
        "" if ip.is_ipv4() => 32,
        "" => 128,
        bits if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok()?,
        dotted => {
            let mask: Ipv4Addr = dotted.parse().ok()?;
            // Python also takes a host mask.
            let prefix = ipnet::ip_mask_to_prefix(mask.into());
            prefix
                .or_else(|_| ipnet::ip_mask_to_prefix(Ipv4Addr::from(!mask.to_bits()).into()))
                .ok()?
        }
    };
    let net = IpNet::new(ip, prefix).ok()?;
    (!strict || net.network() == ip).then(|| net.trunc())
}

fn needed(text: &str) -> Result<IpNet> {
    parse_net(text, false).ok_or_else(|| Error::Exception {
        kind: "ValueError",
        message: format!(
            "{} does not appear to be an IPv4 or IPv6 network",
            python::repr(&text.into())
        ),
    })
}

/// Membership; the other family is never in it.
pub(super) fn in_net(net: IpNet, ip: IpAddr) -> bool {
    net.contains(&ip)
}

/// What `verbose=True` tells of a network.
pub(super) fn describe(net: IpNet) -> Value {
    let bits = u32::from(net.max_prefix_len() - net.prefix_len());
    let count = 1i128.checked_shl(bits).filter(|c| *c > 0);
    Value::Map(map! {
        "address" => net.network().to_string(),
        "netmask" => net.netmask().to_string(),
        "num_addresses" => count.map(Value::Int),
        "prefixlen" => i64::from(net.prefix_len()),
    })
}

pub(super) fn calc_net(_: &Context, args: &Args) -> Result {
    let mut text = args.text("ip_addr")?;
    if let Some(mask) = args.opt_text("netmask")? {
        text = format!("{text}/{mask}");
    }
    Ok(needed(&text)?.to_string().into())
}

pub(super) fn convert_cidr(_: &Context, args: &Args) -> Result {
    let net = needed(&args.text("cidr")?)?;
    Ok(Value::Map(map! {
        "network" => net.network().to_string(),
        "netmask" => net.netmask().to_string(),
        "broadcast" => net.broadcast().to_string(),
    }))
}

pub(super) fn ip_in_subnet(_: &Context, args: &Args) -> Result {
    let Some(net) = parse_net(&args.text("cidr")?, true) else {
        return Ok(false.into());
    };
    let ips: Result<Vec<IpAddr>> = match args.get("ip_addr") {
        Value::List(items) => items.iter().map(|i| parse_ip(&python::text(i))).collect(),
        other => parse_ip(&python::text(other)).map(|ip| vec![ip]),
    };
    Ok(ips?.into_iter().any(|ip| in_net(net, ip)).into())
}

pub(super) fn iphexval(_: &Context, args: &Args) -> Result {
    let text = args.text("ip")?;
    let bytes: Option<Vec<String>> = text
        .split('.')
        .map(|part| Some(format!("{:02X}", part.trim().parse::<i64>().ok()?)))
        .collect();
    let bytes = bytes.ok_or_else(|| Error::Exception {
        kind: "ValueError",
        message: format!(
            "invalid literal for int() with base 10: {}",
            python::repr(
                &text
                    .split('.')
                    .find(|p| p.trim().parse::<i64>().is_err())
                    .unwrap_or("")
                    .into()
            )
        ),
    })?;
    Ok(bytes.concat().into())
}

pub(super) fn is_loopback(_: &Context, args: &Args) -> Result {
    Ok(parse_ip(&args.text("ip_addr")?)?.is_loopback().into())
}

pub(super) fn is_private_(_: &Context, args: &Args) -> Result {
    Ok(is_private(parse_ip(&args.text("ip_addr")?)?).into())
}

/// The networks that Python calls private.
pub(super) fn is_private(ip: IpAddr) -> bool {
    const FOUR: [(Ipv4Addr, u8); 14] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 29),
        (Ipv4Addr::new(192, 0, 0, 170), 31),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
        (Ipv4Addr::new(255, 255, 255, 255), 32),
    ];
    const SIX: [(Ipv6Addr, u8); 10] = [
        (Ipv6Addr::LOCALHOST, 128),
        (Ipv6Addr::UNSPECIFIED, 128),
        (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
        (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
        (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48),
        (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
        (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28),
        (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    ];
    let within = |net: IpAddr, prefix| IpNet::new(net, prefix).is_ok_and(|n| n.contains(&ip));
    FOUR.iter()
        .any(|(net, prefix)| within((*net).into(), *prefix))
        || SIX
            .iter()
            .any(|(net, prefix)| within((*net).into(), *prefix))
}

pub(super) fn reverse_ip(_: &Context, args: &Args) -> Result {
    Ok(match parse_ip(&args.text("ip_addr")?)? {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa").into()
        }
        IpAddr::V6(ip) => {
            let digits: Vec<String> = format!("{:032x}", ip.to_bits())
                .chars()
                .rev()
                .map(String::from)
                .collect();
            format!("{}.ip6.arpa", digits.join(".")).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_with_and_without_host_bits() {
        let net = |t, strict| parse_net(t, strict).map(|n| n.to_string());
        assert_eq!(net("10.1.2.3/8", false).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(net("10.1.2.3/8", true), None);
        assert_eq!(
            net("10.0.0.0/255.0.0.0", true).as_deref(),
            Some("10.0.0.0/8")
        );
        assert_eq!(
            net("10.0.0.0/0.255.255.255", true).as_deref(),
            Some("10.0.0.0/8")
        );
        assert_eq!(net("10.0.0.1", true).as_deref(), Some("10.0.0.1/32"));
        assert_eq!(net("x/8", true), None);
    }

    #[test]
    fn private_as_python_has_it() {
        let private = |t: &str| is_private(t.parse().unwrap());
        assert!(private("10.1.1.1") && private("fd00::1") && private("100::1"));
        assert!(!private("8.8.8.8") && !private("100.64.0.1") && !private("2a00::1"));
    }
}
