//! Addresses, gateways and resolvers.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ipnet::IpNet;
use salt_wire::{Map, Value, map};

use super::Sources;
use super::names::machine_id;
use crate::host::net::{Assigned, netmask};
use crate::host::netlink;

pub(super) fn collect(sources: &Sources<'_>) -> Map {
    let mut grains = gateways();
    grains.extend(dns());
    grains.insert(
        "fibre_channel_host".into(),
        Path::new("/sys/class/fc_host").is_dir().into(),
    );
    if let Some(id) = machine_id() {
        grains.insert("machine_id".into(), id);
    }
    let interfaces = &sources.interfaces;
    let hardware = interfaces
        .iter()
        .filter_map(|i| Some((i.name.as_str().into(), i.hwaddr.as_deref()?.into())));
    grains.insert("hwaddr_interfaces".into(), Value::Map(hardware.collect()));
    let mut lists = |grain: &str, wanted: fn(&Assigned) -> bool| {
        let by_interface = interfaces.iter().map(|i| {
            let ips = i.ips().filter(|a| wanted(a));
            let ips: Vec<String> = ips.map(|a| a.ip.to_string()).collect();
            (i.name.as_str().into(), ips.into())
        });
        grains.insert(grain.into(), Value::Map(by_interface.collect()));
    };
    lists("ip4_interfaces", |a| a.ip.is_ipv4());
    lists("ip6_interfaces", |a| a.ip.is_ipv6());
    lists("ip_interfaces", |_| true);
    let all = || interfaces.iter().flat_map(|i| &i.addresses).map(|a| a.ip);
    let four: BTreeSet<IpAddr> = all().filter(IpAddr::is_ipv4).collect();
    let six: BTreeSet<IpAddr> = all().filter(IpAddr::is_ipv6).collect();
    for (grain, ips) in [("ipv4", four), ("ipv6", six)] {
        let ips: Vec<String> = ips.iter().map(ToString::to_string).collect();
        grains.insert(grain.into(), ips.into());
    }
    grains.extend(super::hardware::kernel_parameters());
    grains
}

/// Whether there is a way out, and through whom.
fn gateways() -> Map {
    let routes = netlink::routes().unwrap_or_default();
    let gateway = |v6: bool| -> Value {
        routes
            .iter()
            .find(|r| r.v6 == v6 && r.prefix == 0 && r.kind == 1)
            .map_or(false.into(), |r| {
                r.gateway.map_or(true.into(), |g| g.to_string().into())
            })
    };
    let (four, six) = (gateway(false), gateway(true));
    map! {
        "ip_gw" => four.is_truthy() || six.is_truthy(),
        "ip4_gw" => four,
        "ip6_gw" => six,
    }
}

/// The resolver's configuration: systemd-resolved's own upstreams where it runs.
fn dns() -> Map {
    ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .map_or_else(Map::new, |text| map! {"dns" => resolv_conf(&text)})
}

fn resolv_conf(text: &str) -> Map {
    let (mut servers, mut four, mut six) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sortlist, mut options, mut search) = (Vec::new(), Vec::new(), Vec::new());
    let mut domain = "";
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let directive = words.next().unwrap_or_default().to_lowercase();
        let words: Vec<&str> = words.take_while(|w| !w.starts_with(['#', ';'])).collect();
        match (directive.as_str(), &words[..]) {
            ("nameserver", [server, ..]) => {
                let Ok(ip) = server.parse::<IpAddr>() else {
                    continue;
                };
                let ip_text = ip.to_string();
                let family = if ip.is_ipv4() { &mut four } else { &mut six };
                for list in [&mut servers, family] {
                    if !list.contains(&ip_text) {
                        list.push(ip_text.clone());
                    }
                }
            }
            ("domain", [name, ..]) => domain = name,
            ("search", names) => search = names.to_vec(),
            ("sortlist", nets) => {
                for net in nets.iter().filter_map(|n| sortlist_entry(n)) {
                    if !sortlist.contains(&net) {
                        sortlist.push(net);
                    }
                }
            }
            ("options", [option, ..]) if !options.contains(option) => options.push(*option),
            _ => {}
        }
    }
    map! {
        "nameservers" => servers,
        "ip4_nameservers" => four,
        "ip6_nameservers" => six,
        "sortlist" => sortlist,
        "domain" => domain,
        "search" => search,
        "options" => options,
    }
}

/// `net/mask` with the mask written out; without one, the mask of the address's old class.
fn sortlist_entry(text: &str) -> Option<String> {
    let (address, mask) = text.split_once('/').unwrap_or((text, ""));
    let ip: IpAddr = address.parse().ok()?;
    let prefix = match (ip, mask) {
        (IpAddr::V4(four), "") => match four.octets()[0] {
            0..128 => 8,
            128..192 => 16,
            192..224 => 24,
            _ => 32,
        },
        (IpAddr::V6(_), "") => 128,
        (_, bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok()?,
        (_, dotted) => {
            let mask: Ipv4Addr = dotted.parse().ok()?;
            ipnet::ip_mask_to_prefix(mask.into()).ok()?
        }
    };
    let net = IpNet::new(ip, prefix).ok()?.trunc();
    Some(match net.netmask() {
        IpAddr::V4(_) => format!("{}/{}", net.network(), netmask(prefix)),
        IpAddr::V6(mask) => format!("{}/{}", net.network(), Ipv6Addr::from(mask.to_bits())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_as_salt_reads_it() {
        let text = "# c\nnameserver 10.0.0.2 # first\nnameserver fd00::53\nnameserver 10.0.0.2\n\
            nameserver bogus\nsearch a.org b.org\noptions ndots:5 edns0\nsortlist 130.155.160.0/255.255.240.0 130.155.0.0\n";
        let expected = map! {
            "nameservers" => vec!["10.0.0.2", "fd00::53"],
            "ip4_nameservers" => vec!["10.0.0.2"],
            "ip6_nameservers" => vec!["fd00::53"],
            "sortlist" => vec!["130.155.160.0/255.255.240.0", "130.155.0.0/255.255.0.0"],
            "domain" => "",
            "search" => vec!["a.org", "b.org"],
            "options" => vec!["ndots:5"],
        };
        assert_eq!(resolv_conf(text), expected);
    }
}
