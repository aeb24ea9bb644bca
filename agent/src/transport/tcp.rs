//! Streams over TCP, with keep-alive and a chosen local side.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpSocket, TcpStream};

use super::{BoxFuture, Dial, Port, Stream};

/// Keep-alive options; `None` leaves one to the system (Salt's -1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// Seconds of silence before the first probe.
    pub idle: Option<u32>,
    /// Probes before the connection counts as dead.
    pub count: Option<u32>,
    /// Seconds between probes.
    pub interval: Option<u32>,
}

/// Where connections come from; nothing set lets the system choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `source_address`, or that of `source_interface_name`.
    pub address: Option<IpAddr>,
    /// `source_publish_port`; 0 for any.
    pub publish_port: u16,
    /// `source_ret_port`; 0 for any.
    pub ret_port: u16,
}

/// Opens TCP connections.
#[derive(Debug, Clone, Default)]
pub struct Tcp {
    /// Keep-alive, if it is on.
    pub keep_alive: Option<KeepAlive>,
    /// The local side.
    pub source: Source,
    /// Sent bytes that stay unacknowledged for this long end the connection.
    pub user_timeout: Option<Duration>,
}

impl Tcp {
    async fn open(&self, to: SocketAddr, port: Port) -> io::Result<TcpStream> {
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        let source_port = match port {
            Port::Publish => self.source.publish_port,
            Port::Request => self.source.ret_port,
        };
        let same_family = self.source.address.filter(|a| a.is_ipv4() == to.is_ipv4());
        if same_family.is_some() || source_port != 0 {
            // A fixed port must be free again at once after a loss, which it is not while the system remembers the
            // connection that was closed (TIME_WAIT).
            socket.set_reuseaddr(true)?;
            if source_port != 0 {
                socket.set_zero_linger()?;
            }
            let any = match to {
                SocketAddr::V4(_) => IpAddr::from([0u8; 4]),
                SocketAddr::V6(_) => IpAddr::from([0u8; 16]),
            };
            socket.bind(SocketAddr::new(same_family.unwrap_or(any), source_port))?;
        }
        if let Some(keep_alive) = self.keep_alive {
            socket.set_keepalive(true)?;
            if let Some(seconds) = keep_alive.idle {
                setsockopt(&socket, sockopt::TcpKeepIdle, &seconds)?;
            }
            if let Some(probes) = keep_alive.count {
                setsockopt(&socket, sockopt::TcpKeepCount, &probes)?;
            }
            if let Some(seconds) = keep_alive.interval {
                setsockopt(&socket, sockopt::TcpKeepInterval, &seconds)?;
            }
        }
        if let Some(timeout) = self.user_timeout {
            let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            setsockopt(&socket, sockopt::TcpUserTimeout, &millis)?;
        }
        socket.set_nodelay(true)?;
        socket.connect(to).await
    }
}

impl Dial for Tcp {
    fn dial(&self, to: SocketAddr, port: Port) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move { Ok(Box::new(self.open(to, port).await?) as Box<dyn Stream>) })
    }
}

/// The first address of a network interface, of the wanted family if there is one (`source_interface_name`).
pub fn interface_address(name: &str, ipv6: Option<bool>) -> io::Result<IpAddr> {
    let mut addresses: Vec<IpAddr> = nix::ifaddrs::getifaddrs()?
        .filter(|i| i.interface_name == name)
        .filter_map(|i| i.address)
        .filter_map(|a| {
            let v4 = a.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| a.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
        })
        .collect();
    addresses.sort_by_key(|a| a.is_ipv6() != ipv6.unwrap_or(false));
    addresses.first().copied().ok_or_else(|| {
        let text = format!("source_interface_name: there is no interface {name} with an address");
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::getsockopt;

    use super::*;

    #[tokio::test]
    async fn the_options_reach_the_socket() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = Tcp {
            keep_alive: Some(KeepAlive {
                idle: Some(300),
                count: None,
                interval: Some(7),
            }),
            source: Source {
                address: Some("127.0.0.9".parse().unwrap()),
                ..Source::default()
            },
            user_timeout: Some(Duration::from_secs(15)),
        };
        let to = listener.local_addr().unwrap();
        let stream = tcp.open(to, Port::Publish).await.unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(from.ip().to_string(), "127.0.0.9");
        assert!(getsockopt(&stream, sockopt::KeepAlive).unwrap());
        assert_eq!(getsockopt(&stream, sockopt::TcpKeepIdle).unwrap(), 300);
        assert_eq!(getsockopt(&stream, sockopt::TcpKeepInterval).unwrap(), 7);
        assert_eq!(
            getsockopt(&stream, sockopt::TcpUserTimeout).unwrap(),
            15_000
        );
    }

    #[test]
    fn an_interface_has_an_address_or_is_named() {
        assert_eq!(
            interface_address("lo", Some(false)).unwrap().to_string(),
            "127.0.0.1"
        );
        let error = interface_address("nosuch0", None).unwrap_err();
        assert!(error.to_string().contains("nosuch0"));
    }
}
