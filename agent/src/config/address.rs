//! A master's address: `host`, `host:port`, `[ipv6]:port` or a bare IPv6 address, as Salt reads them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Where a master listens for requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterAddress {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Its request port (`master_port`, the master's `ret_port`).
    pub port: u16,
}

impl MasterAddress {
    /// Reads an address; `default_port` where it names none.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let (host, port) = split(text)?;
        let host = match host.parse::<IpAddr>() {
            Ok(ip) => ip.to_string(),
            Err(_) => host_name(host)?,
        };
        Ok(Self {
            host,
            port: port.unwrap_or(default_port),
        })
    }

    /// Whether the host is an IPv6 address.
    pub fn is_ipv6(&self) -> bool {
        self.host.parse::<Ipv6Addr>().is_ok()
    }
}

impl fmt::Display for MasterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ipv6() {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest
            .rsplit_once(']')
            .ok_or_else(|| format!("\"{text}\" lacks its closing bracket"))?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(format!("\"{host}\" is no IPv6 address"));
        }
        return match rest.strip_prefix(':') {
            Some(number) => Ok((host, Some(port(text, number)?))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(format!("\"{text}\" has \"{rest}\" behind its address")),
        };
    }
    match text.split_once(':') {
        Some((host, number)) if !number.contains(':') => Ok((host, Some(port(text, number)?))),
        _ => Ok((text, None)),
    }
}

fn port(whole: &str, number: &str) -> Result<u16, String> {
    number
        .parse()
        .ok()
        .filter(|p| *p > 0)
        .ok_or_else(|| format!("\"{whole}\" has no port number but \"{number}\" behind its colon"))
}

fn host_name(host: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || host.len() > 255 || !host.chars().all(fine) {
        return Err(format!("\"{host}\" is no host name"));
    }
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, shown) in [
            ("salt", "salt:4506"),
            ("salt.example.org:4606", "salt.example.org:4606"),
            ("10.1.2.3", "10.1.2.3:4506"),
            ("10.1.2.3:99", "10.1.2.3:99"),
            ("[::1]:1234", "[::1]:1234"),
            ("[fe80::1]", "[fe80::1]:4506"),
            ("2001:0db8::0:1", "[2001:db8::1]:4506"),
        ] {
            let address = MasterAddress::parse(text, 4506).unwrap();
            assert_eq!(address.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_in_words() {
        for (text, words) in [
            ("", "no host name"),
            ("a b", "no host name"),
            ("salt:port", "no port number"),
            ("salt:0", "no port number"),
            ("salt:70000", "no port number"),
            ("[::1", "closing bracket"),
            ("[::1]x", "behind its address"),
            ("[salt]:1", "no IPv6 address"),
            ("-\u{7}", "no host name"),
        ] {
            let error = MasterAddress::parse(text, 4506).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
