//! Network interfaces as Salt describes them, and names looked up as the C library does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use salt_wire::{Map, Value, map};

use super::netlink::{self, Link};

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// The interface it sits on, as `ip` names it.
    pub parent: Option<String>,
    /// Hardware address.
    pub hwaddr: Option<String>,
    /// Its addresses in the kernel's order.
    pub addresses: Vec<Assigned>,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// Another address of the same network was there before.
    pub secondary: bool,
    /// Broadcast address.
    pub broadcast: Option<IpAddr>,
    /// `host`, `link`, `global`, …
    pub scope: String,
    /// Its label, for IPv4.
    pub label: String,
}

/// All interfaces, in the order of their numbers.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let links = netlink::links()?;
    let names: BTreeMap<i32, String> = links.iter().map(|l| (l.index, l.name.clone())).collect();
    let addresses = netlink::addresses()?;
    Ok(links
        .iter()
        .map(|link| Interface {
            name: link.name.clone(),
            up: link.flags & 1 != 0,
            parent: parent(link, &names),
            hwaddr: link.address.as_ref().map(|a| hardware(link.kind, a)),
            addresses: addresses
                .iter()
                .filter(|a| a.index == link.index)
                .map(|a| Assigned {
                    ip: a.local,
                    // Salt reads the local end of a point-to-point address as a host of its own.
                    prefix: if a.peer.is_some() { 32 } else { a.prefix },
                    secondary: a.local.is_ipv4() && a.flags & 1 != 0,
                    broadcast: a.broadcast,
                    scope: scope(a.scope),
                    label: a.label.clone().unwrap_or_else(|| link.name.clone()),
                })
                .collect(),
        })
        .collect())
}

impl Interface {
    /// As `network.interfaces` shows it.
    pub fn to_value(&self) -> Value {
        let mut data = map! {"up" => self.up};
        if let Some(parent) = &self.parent {
            data.insert("parent".into(), parent.as_str().into());
        }
        if let Some(hwaddr) = &self.hwaddr {
            data.insert("hwaddr".into(), hwaddr.as_str().into());
        }
        for address in &self.addresses {
            let (list, entry) = address.entry();
            if let Value::List(items) = data
                .entry(list.into())
                .or_insert_with(|| Value::List(Vec::new()))
            {
                items.push(Value::Map(entry));
            }
        }
        Value::Map(data)
    }

    /// Its addresses as Salt lists them: IPv4, IPv6, then the secondary ones.
    pub fn ips(&self) -> impl Iterator<Item = &Assigned> {
        let primary = |v4: bool| {
            self.addresses
                .iter()
                .filter(move |a| !a.secondary && a.ip.is_ipv4() == v4)
        };
        primary(true)
            .chain(primary(false))
            .chain(self.addresses.iter().filter(|a| a.secondary))
    }
}

impl Assigned {
    fn entry(&self) -> (&'static str, Map) {
        let mut entry = Map::new();
        let v4 = self.ip.is_ipv4();
        if self.secondary {
            entry.insert("type".into(), if v4 { "inet" } else { "inet6" }.into());
        }
        entry.insert("address".into(), self.ip.to_string().into());
        if v4 {
            entry.insert("netmask".into(), netmask(self.prefix).to_string().into());
            let broadcast = self.broadcast.map(|b| b.to_string());
            entry.insert("broadcast".into(), broadcast.into());
            entry.insert("label".into(), self.label.as_str().into());
        } else {
            entry.insert("prefixlen".into(), self.prefix.to_string().into());
            entry.insert("scope".into(), self.scope.as_str().into());
        }
        let list = match (self.secondary, v4) {
            (true, _) => "secondary",
            (false, true) => "inet",
            (false, false) => "inet6",
        };
        (list, entry)
    }
}

/// The mask of an IPv4 prefix.
pub fn netmask(prefix: u8) -> Ipv4Addr {
    let bits = u32::MAX.checked_shl(32 - u32::from(prefix.min(32)));
    Ipv4Addr::from(bits.unwrap_or(0))
}

/// The bits of an IPv4 network, by its mask: ones and then zeros, or the other way round. Nothing for other mixtures.
pub fn prefix(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    let whole = |bits: &u32| bits.leading_ones() + bits.trailing_zeros() >= 32;
    let bits = [bits, !bits].into_iter().find(whole)?;
    Some(bits.leading_ones())
}

/// Hardware bytes as `ip` prints them.
pub fn hardware(kind: u16, bytes: &[u8]) -> String {
    // Tunnels have addresses of the family that they run over.
    const TUNNELS: [u16; 5] = [768, 769, 776, 778, 823];
    if TUNNELS.contains(&kind) {
        if let Ok(four) = <[u8; 4]>::try_from(bytes) {
            return Ipv4Addr::from(four).to_string();
        }
        if let Ok(six) = <[u8; 16]>::try_from(bytes) {
            return Ipv6Addr::from(six).to_string();
        }
    }
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let colon = if at == 0 { "" } else { ":" };
        // Writing into a String cannot fail.
        write!(text, "{colon}{byte:02x}").ok();
    }
    text
}

fn parent(link: &Link, names: &BTreeMap<i32, String>) -> Option<String> {
    let index = link.parent?;
    Some(match names.get(&index) {
        _ if index == 0 => "NONE".to_owned(),
        Some(name) if !link.parent_elsewhere => name.clone(),
        _ => format!("if{index}"),
    })
}

fn scope(number: u8) -> String {
    match number {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}

/// The canonical name of a host, as the C library finds it: hosts file, DNS, or whatever nsswitch says.
pub fn canonical_name(host: &str, deadline: Duration) -> Option<String> {
    let host = host.to_owned();
    within(deadline, move || {
        let hints = dns_lookup::AddrInfoHints {
            socktype: dns_lookup::SockType::Stream.into(),
            flags: AI_CANONNAME,
            ..dns_lookup::AddrInfoHints::default()
        };
        dns_lookup::getaddrinfo(Some(&host), None, Some(hints))
            .ok()?
            .filter_map(Result::ok)
            .find_map(|info| info.canonname.filter(|name| !name.is_empty()))
    })
    .flatten()
}

/// The addresses of a host.
pub fn addresses_of(host: &str, deadline: Duration) -> Vec<IpAddr> {
    let host = host.to_owned();
    within(deadline, move || {
        let mut found: Vec<IpAddr> = Vec::new();
        let hints = dns_lookup::AddrInfoHints {
            socktype: dns_lookup::SockType::Stream.into(),
            ..dns_lookup::AddrInfoHints::default()
        };
        if let Ok(infos) = dns_lookup::getaddrinfo(Some(&host), None, Some(hints)) {
            for info in infos.filter_map(Result::ok) {
                let ip = info.sockaddr.ip();
                if !found.contains(&ip) {
                    found.push(ip);
                }
            }
        }
        found
    })
    .unwrap_or_default()
}

/// The name of an address.
pub fn name_of(ip: IpAddr, deadline: Duration) -> Option<String> {
    within(deadline, move || dns_lookup::lookup_addr(&ip).ok()).flatten()
}

/// The peers of established TCP connections to a port of theirs.
pub fn connected_to(port: u16) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        found.extend(text.lines().skip(1).filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (address, peer_port) = words.get(2)?.split_once(':')?;
            let established = *words.get(3)? == "01";
            let peer_port = u16::from_str_radix(peer_port, 16).ok()?;
            (established && peer_port == port).then(|| kernel_address(address))?
        }));
    }
    found
}

/// An address as the kernel prints it: 32-bit words in the machine's own byte order, in hexadecimal.
pub fn kernel_address(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(&bytes[..]) {
        return Some(Ipv4Addr::from(four).into());
    }
    let six = Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?);
    Some(six.to_canonical())
}

/// Whether a TCP connection to there can be opened.
pub fn accepts_tcp(address: SocketAddr, deadline: Duration) -> bool {
    TcpStream::connect_timeout(&address, deadline).is_ok()
}

/// Whether anything comes back for a datagram.
pub fn answers_udp(address: SocketAddr, deadline: Duration) -> bool {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let answer = || -> io::Result<usize> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(deadline))?;
        socket.connect(address)?;
        socket.send(b"salt")?;
        socket.recv(&mut [0; 255])
    };
    answer().is_ok()
}

/// Whether a ZeroMQ socket listens there: both sides begin with the same signature at once.
pub fn speaks_zeromq(address: SocketAddr, deadline: Duration) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, deadline) else {
        return false;
    };
    let mut signature = [0; 10];
    stream.set_read_timeout(Some(deadline)).is_ok()
        && stream.read_exact(&mut signature).is_ok()
        && signature[0] == 0xff
        && signature[9] & 1 == 1
}

/// `AI_CANONNAME`, the same number in every C library of Linux.
const AI_CANONNAME: i32 = 2;

/// Runs a lookup that nothing can interrupt; past the deadline it goes on alone and its answer is dropped.
fn within<T: Send + 'static>(
    deadline: Duration,
    lookup: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (send, receive) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("lookup".into())
        .spawn(move || drop(send.send(lookup())))
        .ok()?;
    receive.recv_timeout(deadline).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_follow_prefixes() {
        assert_eq!(netmask(0).to_string(), "0.0.0.0");
        assert_eq!(netmask(20).to_string(), "255.255.240.0");
        assert_eq!(netmask(32).to_string(), "255.255.255.255");
        for bits in 0..=32 {
            assert_eq!(prefix(netmask(bits)), Some(bits.into()));
        }
        assert_eq!(prefix(Ipv4Addr::new(0, 0, 255, 255)), Some(16));
        assert_eq!(prefix(Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    #[test]
    fn hardware_reads_as_ip_prints_it() {
        assert_eq!(hardware(1, &[2, 0xfc, 0]), "02:fc:00");
        assert_eq!(hardware(776, &[0, 0, 0, 0]), "0.0.0.0");
    }

    #[test]
    fn the_kernels_addresses_are_read() {
        let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
        let text = format!("{loopback:08X}");
        assert_eq!(kernel_address(&text), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(kernel_address("zz"), None);
    }

    #[test]
    fn an_overdue_lookup_gives_nothing() {
        let late = within(Duration::from_millis(1), || {
            thread::sleep(Duration::from_millis(200));
        });
        assert!(late.is_none());
    }
}
