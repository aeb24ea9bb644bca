//! The kernel's tables of routes, neighbours and sockets, in the shapes that Salt takes from netstat, arp and ip.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;

use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Result};
use crate::host::net::{hardware, kernel_address};
use crate::host::netlink;

fn table(name: &str) -> String {
    fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default()
}

/// All routes, IPv4 first, as netstat shows them.
pub(super) fn routes() -> Vec<Map> {
    let mut found: Vec<Map> = table("route").lines().skip(1).filter_map(route4).collect();
    found.extend(table("ipv6_route").lines().filter_map(route6));
    found
}

fn route4(line: &str) -> Option<Map> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |at: usize| kernel_address(words.get(at)?).map(|ip| ip.to_string());
    let flags = u32::from_str_radix(words.get(3)?, 16).ok()?;
    let letters = [(0x2, 'G'), (0x4, 'H'), (0x8, 'R'), (0x10, 'D'), (0x20, 'M')];
    Some(map! {
        "addr_family" => "inet",
        "destination" => address(1)?,
        "gateway" => address(2)?,
        "netmask" => address(7)?,
        "flags" => shown(flags, &letters),
        "interface" => *words.first()?,
    })
}

/// The flags of a route as netstat's letters.
fn shown(flags: u32, letters: &[(u32, char)]) -> String {
    let first = if flags & 0x200 == 0 { 'U' } else { '!' };
    let set = letters.iter().filter(|(bit, _)| flags & bit != 0);
    std::iter::once(first).chain(set.map(|(_, c)| *c)).collect()
}

fn route6(line: &str) -> Option<Map> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |at: usize| {
        let bits = u128::from_str_radix(words.get(at)?, 16).ok()?;
        Some(std::net::Ipv6Addr::from(bits))
    };
    let prefix = u8::from_str_radix(words.get(1)?, 16).ok()?;
    let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
    let letters = [
        (0x2, 'G'),
        (0x4, 'H'),
        (0x1_0000, 'D'),
        (0x4_0000, 'A'),
        (0x100_0000, 'C'),
        (0x2_0000, 'a'),
        (0x40_0000, 'e'),
        (0x20, 'm'),
        (0x20_0000, 'n'),
        (0x200_0000, 'f'),
    ];
    Some(map! {
        "addr_family" => "inet6",
        "destination" => format!("{}/{prefix}", address(0)?),
        "gateway" => address(4)?.to_string(),
        "netmask" => "",
        "flags" => shown(flags, &letters),
        "interface" => *words.get(9)?,
    })
}

pub(super) fn arp(_: &Context, _: &Args) -> Result {
    let text = table("arp");
    let entries = text.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (ip, flags, hardware) = (words.first()?, words.get(2)?, words.get(3)?);
        let hardware = if *flags == "0x0" {
            "<incomplete>"
        } else {
            hardware
        };
        Some((hardware.into(), (*ip).into()))
    });
    Ok(Value::Map(entries.collect()))
}

fn neighbours(v4: bool) -> Result {
    // What needs no resolving is no neighbour that anybody met.
    const NO_ARP: u16 = 0x40;
    let links = netlink::links().unwrap_or_default();
    let kinds: HashMap<i32, u16> = links.iter().map(|l| (l.index, l.kind)).collect();
    let found = netlink::neighbours().unwrap_or_default();
    let entries = found
        .into_iter()
        .filter(|n| n.address.is_ipv4() == v4 && n.state & NO_ARP == 0)
        .map(|n| {
            let kind = kinds.get(&n.index).copied().unwrap_or(1);
            (
                hardware(kind, &n.hardware).into(),
                n.address.to_string().into(),
            )
        });
    Ok(Value::Map(entries.collect()))
}

pub(super) fn ip_neighs(_: &Context, _: &Args) -> Result {
    neighbours(true)
}

pub(super) fn ip_neighs6(_: &Context, _: &Args) -> Result {
    neighbours(false)
}

/// A line of a socket table.
struct Socket<'a> {
    proto: &'static str,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    state: u8,
    queues: &'a str,
    user: &'a str,
    inode: &'a str,
}

fn sockets<'a>(proto: &'static str, text: &'a str) -> impl Iterator<Item = Socket<'a>> {
    text.lines().skip(1).filter_map(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let end = |at: usize| {
            let (address, port) = words.get(at)?.split_once(':')?;
            Some((raw_address(address)?, u16::from_str_radix(port, 16).ok()?))
        };
        Some(Socket {
            proto,
            local: end(1)?,
            remote: end(2)?,
            state: u8::from_str_radix(words.get(3)?, 16).ok()?,
            queues: words.get(4)?,
            user: words.get(7)?,
            inode: words.get(9)?,
        })
    })
}

/// An address as it is, without turning a mapped one into IPv4.
fn raw_address(text: &str) -> Option<IpAddr> {
    if text.len() == 8 {
        return kernel_address(text);
    }
    let mut bytes = [0u8; 16];
    for (at, chunk) in bytes.chunks_mut(4).enumerate() {
        let word = u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?;
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    Some(std::net::Ipv6Addr::from(bytes).into())
}

pub(super) fn active_tcp(_: &Context, _: &Args) -> Result {
    let (four, six) = (table("tcp"), table("tcp6"));
    let all = sockets("tcp", &four).chain(sockets("tcp6", &six));
    let established = all.filter(|s| s.state == 1).enumerate().map(|(number, s)| {
        let entry = map! {
            "local_addr" => s.local.0.to_canonical().to_string(),
            "local_port" => i64::from(s.local.1),
            "remote_addr" => s.remote.0.to_canonical().to_string(),
            "remote_port" => i64::from(s.remote.1),
        };
        (number.into(), entry.into())
    });
    Ok(Value::Map(established.collect()))
}

pub(super) fn netstat(_: &Context, _: &Args) -> Result {
    const STATES: [&str; 12] = [
        "",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
    ];
    let owners = owners();
    let mut found = Vec::new();
    for proto in ["tcp", "tcp6", "udp", "udp6"] {
        let text = table(proto);
        for socket in sockets(proto, &text) {
            let (send, receive) = socket.queues.split_once(':').unwrap_or(("0", "0"));
            let queue = |text| u64::from_str_radix(text, 16).unwrap_or(0).to_string();
            let mut entry = map! {
                "proto" => socket.proto,
                "recv-q" => queue(receive),
                "send-q" => queue(send),
                "local-address" => endpoint(socket.local),
                "remote-address" => endpoint(socket.remote),
            };
            if proto.starts_with("tcp") {
                let state = STATES.get(usize::from(socket.state)).unwrap_or(&"UNKNOWN");
                entry.insert("state".into(), (*state).into());
            }
            entry.insert("user".into(), socket.user.into());
            entry.insert("inode".into(), socket.inode.into());
            let program = owners.get(socket.inode).map_or("-", String::as_str);
            entry.insert("program".into(), program.into());
            found.push(entry);
        }
    }
    Ok(found.into())
}

fn endpoint((ip, port): (IpAddr, u16)) -> String {
    match port {
        0 => format!("{ip}:*"),
        port => format!("{ip}:{port}"),
    }
}

/// The program that holds each socket, by the socket's number: `pid/name`.
fn owners() -> HashMap<String, String> {
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u32>().ok())
        else {
            continue;
        };
        let mut name = None;
        for fd in fs::read_dir(entry.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let target = fs::read_link(fd.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            let socket = target
                .strip_prefix("socket:[")
                .and_then(|t| t.strip_suffix(']'));
            if let Some(inode) = socket {
                let name = name.get_or_insert_with(|| program(&entry.path(), pid));
                found.insert(inode.to_owned(), name.clone());
            }
        }
    }
    found
}

fn program(dir: &std::path::Path, pid: u32) -> String {
    let line = fs::read(dir.join("cmdline")).unwrap_or_default();
    let first = line.split(|b| *b == 0).next().unwrap_or_default();
    let first = String::from_utf8_lossy(first).into_owned();
    let name = first.rsplit('/').next().unwrap_or_default();
    let word = name.split_whitespace().next().unwrap_or_default();
    // netstat's column is that wide.
    format!("{pid}/{word}").chars().take(19).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_as_netstat_shows_them() {
        let address = |a: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(a));
        let line = format!(
            "eth0\t{}\t{}\t0003\t0\t0\t0\t{}\t0\t0\t0",
            address([0; 4]),
            address([192, 0, 2, 1]),
            address([0; 4])
        );
        let expected = map! {
            "addr_family" => "inet", "destination" => "0.0.0.0", "gateway" => "192.0.2.1",
            "netmask" => "0.0.0.0", "flags" => "UG", "interface" => "eth0",
        };
        assert_eq!(route4(&line), Some(expected));
        let line = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0";
        let route = route6(line).unwrap();
        assert_eq!(route["destination"], "fd00::/64".into());
        assert_eq!(route["flags"], "U".into());
        assert_eq!(route4("broken"), None);
    }
}
