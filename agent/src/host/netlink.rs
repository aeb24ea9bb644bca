//! What the kernel knows of links, addresses, routes and neighbours, asked over rtnetlink: the source that
//! `ip` prints, without starting it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: i32,
    /// Its name.
    pub name: String,
    /// `IFF_*`.
    pub flags: u32,
    /// `ARPHRD_*`.
    pub kind: u16,
    /// Link-layer address.
    pub address: Option<Vec<u8>>,
    /// The link it sits on: 0 for none.
    pub parent: Option<i32>,
    /// The parent lives in another network namespace.
    pub parent_elsewhere: bool,
}

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The link's number.
    pub index: i32,
    /// Bits of the network part.
    pub prefix: u8,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
    /// The address itself.
    pub local: IpAddr,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// Broadcast address.
    pub broadcast: Option<IpAddr>,
    /// Name under which it was added.
    pub label: Option<String>,
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// IPv6, not IPv4.
    pub v6: bool,
    /// Destination and its prefix length; `None`: default.
    pub destination: Option<IpAddr>,
    /// Bits of the destination.
    pub prefix: u8,
    /// `RTN_*`: 1 is an ordinary route.
    pub kind: u8,
    /// `RTPROT_*`.
    pub protocol: u8,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Number of the link it leaves by.
    pub link: i32,
    /// Metric.
    pub metric: u32,
    /// Preferred source address.
    pub source: Option<IpAddr>,
}

/// A neighbour: an address and the hardware behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The link's number.
    pub index: i32,
    /// `NUD_*`.
    pub state: u16,
    /// Its address.
    pub address: IpAddr,
    /// Its link-layer address.
    pub hardware: Vec<u8>,
}

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const REQUEST: u16 = 1;
const REQUEST_DUMP: u16 = 0x301;
const MAIN_TABLE: u32 = 254;

/// All links, by number.
pub fn links() -> io::Result<Vec<Link>> {
    let mut found = Vec::new();
    dump(RTM_NEWLINK + 2, 0, 16, RTM_NEWLINK, |body| {
        let mut link = Link {
            kind: u16_at(body, 2)?,
            index: i32_at(body, 4)?,
            flags: u32_at(body, 8)?,
            ..Link::default()
        };
        for (kind, data) in attributes(body.get(16..)?) {
            match kind {
                1 => link.address = Some(data.to_vec()),
                3 => link.name = text(data),
                5 => link.parent = i32_at(data, 0),
                37 => link.parent_elsewhere = true,
                _ => {}
            }
        }
        found.push(link);
        Some(())
    })?;
    found.sort_by_key(|l| l.index);
    Ok(found)
}

/// All addresses, in the kernel's order.
pub fn addresses() -> io::Result<Vec<Address>> {
    let mut found = Vec::new();
    dump(RTM_NEWADDR + 2, 0, 8, RTM_NEWADDR, |body| {
        let (mut address, mut local, mut broadcast, mut label) = (None, None, None, None);
        let mut flags = u32::from(*body.get(2)?);
        for (kind, data) in attributes(body.get(8..)?) {
            match kind {
                1 => address = ip(data),
                2 => local = ip(data),
                3 => label = Some(text(data)),
                4 => broadcast = ip(data),
                8 => flags = u32_at(data, 0)?,
                _ => {}
            }
        }
        let own = local.or(address)?;
        found.push(Address {
            index: i32_at(body, 4)?,
            prefix: *body.get(1)?,
            scope: *body.get(3)?,
            flags,
            local: own,
            peer: address.filter(|a| *a != own),
            broadcast,
            label,
        });
        Some(())
    })?;
    Ok(found)
}

/// The main table of both families, IPv4 first, in the kernel's order.
pub fn routes() -> io::Result<Vec<Route>> {
    let mut found = Vec::new();
    for family in [2u8, 10] {
        dump(RTM_NEWROUTE + 2, family, 12, RTM_NEWROUTE, |body| {
            let (route, table) = route(body)?;
            // A cached entry is no route that anybody configured.
            let cloned = u32_at(body, 8)? & 0x200 != 0;
            if table == MAIN_TABLE && !cloned {
                found.push(route);
            }
            Some(())
        })?;
    }
    Ok(found)
}

/// The way that a packet to an address takes.
pub fn route_to(ip: IpAddr) -> io::Result<Route> {
    let octets = match ip {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    };
    let bits = u8::try_from(octets.len() * 8).map_err(io::Error::other)?;
    let mut body = vec![if ip.is_ipv4() { 2 } else { 10 }, bits];
    body.resize(12, 0);
    let length = u16::try_from(4 + octets.len()).map_err(io::Error::other)?;
    body.extend(length.to_ne_bytes());
    body.extend(1u16.to_ne_bytes());
    body.extend(octets);
    let mut found = None;
    ask(RTM_NEWROUTE + 2, REQUEST, &body, RTM_NEWROUTE, |body| {
        let (route, _) = route(body)?;
        found = Some(route);
        Some(())
    })?;
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// A route message, and the table it stands in.
fn route(body: &[u8]) -> Option<(Route, u32)> {
    let mut route = Route {
        v6: *body.first()? == 10,
        destination: None,
        prefix: *body.get(1)?,
        kind: *body.get(7)?,
        protocol: *body.get(5)?,
        gateway: None,
        link: 0,
        metric: 0,
        source: None,
    };
    let mut table = u32::from(*body.get(4)?);
    for (kind, data) in attributes(body.get(12..)?) {
        match kind {
            1 => route.destination = ip(data),
            4 => route.link = i32_at(data, 0)?,
            5 => route.gateway = ip(data),
            6 => route.metric = u32_at(data, 0)?,
            7 => route.source = ip(data),
            // The first hop stands for all of a multipath route.
            9 if route.link == 0 => {
                route.link = i32_at(data, 4)?;
                route.gateway =
                    attributes(data.get(8..)?).find_map(|(k, d)| (k == 5).then(|| ip(d)).flatten());
            }
            15 => table = u32_at(data, 0)?,
            _ => {}
        }
    }
    Some((route, table))
}

/// The neighbours that have a hardware address.
pub fn neighbours() -> io::Result<Vec<Neighbour>> {
    let mut found = Vec::new();
    dump(RTM_NEWNEIGH + 2, 0, 12, RTM_NEWNEIGH, |body| {
        let (mut address, mut hardware) = (None, None);
        for (kind, data) in attributes(body.get(12..)?) {
            match kind {
                1 => address = ip(data),
                2 => hardware = Some(data.to_vec()),
                _ => {}
            }
        }
        found.push(Neighbour {
            index: i32_at(body, 4)?,
            state: u16_at(body, 8)?,
            address: address?,
            hardware: hardware?,
        });
        Some(())
    })?;
    Ok(found)
}

/// Asks for everything of one kind; `take` reads one message body, `None` skips a malformed one.
fn dump(
    request: u16,
    family: u8,
    size: usize,
    wanted: u16,
    take: impl FnMut(&[u8]) -> Option<()>,
) -> io::Result<()> {
    let mut body = vec![0; size];
    body[0] = family;
    ask(request, REQUEST_DUMP, &body, wanted, take)
}

/// Sends one request and reads its answers.
fn ask(
    request: u16,
    flags: u16,
    body: &[u8],
    wanted: u16,
    mut take: impl FnMut(&[u8]) -> Option<()>,
) -> io::Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(2))?;
    let length = 16 + body.len();
    let mut message = Vec::with_capacity(length);
    message.extend(
        u32::try_from(length)
            .map_err(io::Error::other)?
            .to_ne_bytes(),
    );
    message.extend(request.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = &buffer[..read];
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let (Some(length), Some(kind)) = (u32_at(rest, 0), u16_at(rest, 4)) {
            let length = length as usize;
            let Some(body) = rest.get(16..length) else {
                break;
            };
            match kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => {
                    let code = i32_at(body, 0).unwrap_or(0);
                    return Err(io::Error::from_raw_os_error(code.saturating_neg()));
                }
                k if k == wanted => {
                    take(body);
                    // Only a dump has an end that says so.
                    if flags == REQUEST {
                        return Ok(());
                    }
                }
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        }
    }
}

/// The attributes of a message: their kind without its flag bits, and their bytes.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & 0x3fff;
        let data = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, data))
    })
}

fn ip(data: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(data) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(data)
        .ok()
        .map(|six| Ipv6Addr::from(six).into())
}

fn text(data: &[u8]) -> String {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    String::from_utf8_lossy(&data[..end]).into_owned()
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_ne_bytes(bytes))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

fn i32_at(data: &[u8], at: usize) -> Option<i32> {
    let bytes = data.get(at..at + 4)?.try_into().ok()?;
    Some(i32::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let lo = links()
            .unwrap()
            .into_iter()
            .find(|l| l.name == "lo")
            .unwrap();
        assert_eq!(lo.address.as_deref(), Some(&[0u8; 6][..]));
        let own = addresses().unwrap();
        assert!(
            own.iter()
                .any(|a| a.index == lo.index && a.local.is_loopback() && a.prefix == 8)
        );
    }

    #[test]
    fn broken_attributes_end_the_walk() {
        assert_eq!(attributes(&[]).count(), 0);
        assert_eq!(attributes(&[200, 0, 1, 0, 9]).count(), 0);
        assert_eq!(attributes(&[2, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[5, 0, 1, 0, 9]).count(), 1);
    }
}
