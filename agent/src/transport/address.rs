//! Where a master is, as the `master` option writes it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A master's host (a name or an IP address) and request port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterAddress {
    /// Name or address, without brackets.
    pub host: String,
    /// The request port.
    pub port: u16,
}

/// Text that names no master.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no master address (host, host:port, IPv4, IPv6 or [IPv6]:port)")]
pub struct AddressError {
    text: String,
}

impl MasterAddress {
    /// Reads `host`, `host:port`, `v4:port`, `v6` or `[v6]:port`. With `master_uri_format: ip_only` nothing is split off.
    pub fn parse(text: &str, default_port: u16, ip_only: bool) -> Result<Self, AddressError> {
        let error = || AddressError {
            text: text.to_owned(),
        };
        let text = text.trim();
        let whole = |host: &str| Self {
            host: host.to_owned(),
            port: default_port,
        };
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let address = if let Ok(v6) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
            whole(&v6.to_string())
        } else if ip_only {
            whole(text)
        } else if let Some((host, port)) = text.rsplit_once(':') {
            let host = host
                .strip_prefix('[')
                .and_then(|h| h.strip_suffix(']'))
                .unwrap_or(host);
            let port = port.parse().ok().filter(|p| *p != 0).ok_or_else(error)?;
            if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
                return Err(error());
            }
            Self {
                host: host.to_owned(),
                port,
            }
        } else {
            whole(text)
        };
        let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"/[]@".contains(c);
        if address.host.is_empty() || address.host.len() > 253 || !address.host.chars().all(fits) {
            return Err(error());
        }
        Ok(address)
    }

    /// The address itself, if no name has to be looked up.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for MasterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_salt_takes() {
        for (text, shown) in [
            ("salt", "salt:4506"),
            (" salt.example.com ", "salt.example.com:4506"),
            ("salt:9506", "salt:9506"),
            ("192.0.2.1", "192.0.2.1:4506"),
            ("192.0.2.1:9506", "192.0.2.1:9506"),
            ("2001:db8::1", "[2001:db8::1]:4506"),
            ("[2001:db8::1]", "[2001:db8::1]:4506"),
            ("[2001:db8::1]:9506", "[2001:db8::1]:9506"),
        ] {
            let address = MasterAddress::parse(text, 4506, false).unwrap();
            assert_eq!(address.to_string(), shown);
        }
        let whole = MasterAddress::parse("2001:db8::1", 1, true).unwrap();
        assert_eq!(whole.host, "2001:db8::1");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for text in [
            "", "a b", "a:b:c", "a:0", "a:99999", "tcp://a", "[::1", "::1]:3",
        ] {
            let error = MasterAddress::parse(text, 4506, false).unwrap_err();
            assert!(error.to_string().contains(&format!("\"{text}\"")));
        }
    }
}
