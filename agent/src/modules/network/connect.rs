//! Reaching out: a connection tried, a machine woken.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use salt_wire::{Value, map};

use super::sanitized;
use crate::context::{Args, Context, Error, Result, python};
use crate::host::net;

pub(super) fn connect(_: &Context, args: &Args) -> Result {
    let answer = |result: bool, comment: String| {
        Ok(Value::Map(map! {"result" => result, "comment" => comment}))
    };
    if !args.flag("host") {
        return answer(false, "Required argument, host, is missing.".to_owned());
    }
    if !args.flag("port") {
        return answer(false, "Required argument, port, is missing.".to_owned());
    }
    let (host, port) = (args.text("host")?, args.text("port")?);
    let udp = args.get("proto").as_str() == Some("udp");
    let proto = if udp { "udp" } else { "tcp" };
    let v4 = match args.get("family").as_str() {
        Some("ipv4") => Some(true),
        Some("ipv6") => Some(false),
        _ => None,
    };
    let number = port.parse::<u16>().ok();
    let found = (sanitized(&host), number.unwrap_or(0)).to_socket_addrs();
    let target: Option<SocketAddr> = found
        .into_iter()
        .flatten()
        .find(|a| v4.is_none_or(|v4| a.is_ipv4() == v4));
    let Some(target) = target else {
        let text = format!("Unable to resolve host {host} on {proto} port {port}");
        return answer(false, text);
    };
    let seconds = match args.get("timeout") {
        Value::Null => 5.0,
        other => other.as_float().unwrap_or(5.0),
    };
    let deadline = Duration::try_from_secs_f64(seconds.clamp(0.001, 3600.0)).unwrap_or_default();
    let reached = if number.is_none() {
        false
    } else if udp {
        net::answers_udp(target, deadline)
    } else {
        net::accepts_tcp(target, deadline)
    };
    let ip = target.ip();
    if reached {
        answer(
            true,
            format!("Successfully connected to {host} ({ip}) on {proto} port {port}"),
        )
    } else {
        answer(
            false,
            format!("Unable to connect to {host} ({ip}) on {proto} port {port}"),
        )
    }
}

pub(super) fn wol(_: &Context, args: &Args) -> Result {
    let mac = mac_bytes(&args.text("mac")?)?;
    let to: IpAddr = super::address::parse_ip(&args.text("bcast")?)?;
    let port = python::text(args.get("destport"));
    let port: u16 = port.parse().map_err(|_| Error::Exception {
        kind: "ValueError",
        message: format!("invalid port {port}"),
    })?;
    let mut packet = vec![0xff; 6];
    packet.extend(mac.repeat(16));
    let failed = |e: std::io::Error| Error::execution(format!("{to}: {e}"));
    let any: IpAddr = if to.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0; 16].into()
    };
    let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
    socket.set_broadcast(true).map_err(failed)?;
    socket.send_to(&packet, (to, port)).map_err(failed)?;
    Ok(true.into())
}

fn mac_bytes(text: &str) -> Result<Vec<u8>> {
    let digits: String = match text.len() {
        12 => text.to_owned(),
        17 => text.split(|c: char| !c.is_ascii_hexdigit()).collect(),
        _ => String::new(),
    };
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    bytes
        .filter(|b| b.len() == 6)
        .ok_or_else(|| Error::Exception {
            kind: "ValueError",
            message: "Invalid MAC address".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_in_both_notations() {
        assert_eq!(
            mac_bytes("08-00-27-13-69-77").unwrap(),
            [8, 0, 0x27, 0x13, 0x69, 0x77]
        );
        assert_eq!(mac_bytes("080027136977").unwrap()[5], 0x77);
        assert!(mac_bytes("08").is_err());
    }
}
