//! Names to addresses, with the time for which the answer holds.
//!
//! Each call asks anew: nothing is cached here, and `resolv.conf` is read each time, since early in a
//! boot it is often not yet the right one.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;

use super::{BoxFuture, Error};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Addresses in the order in which to try them; never empty.
    pub addresses: Vec<IpAddr>,
    /// How long to believe that; `None` for an address that was no name.
    pub valid: Option<Duration>,
}

/// Looks names up.
pub trait Resolve: Send + Sync {
    /// The addresses of `host`, asked for now.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Answer, Error>>;
}

/// However short a TTL is, a name is not asked for more often than this; however long, not less often.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(1);
/// For answers that carry no TTL: `/etc/hosts` and other sources of the system.
const UNTIMED: Duration = Duration::from_secs(30);
/// What hickory gives as the time of an answer from `/etc/hosts`.
const HOSTS_FILE: Duration = Duration::from_secs(86_390);
/// A lookup takes no longer, whatever the number of servers and search domains.
const PATIENCE: Duration = Duration::from_secs(10);

/// The system's resolvers: DNS as `resolv.conf` has it, then whatever else the system knows (NSS).
#[derive(Debug, Clone, Default)]
pub struct System {
    /// Salt's `ipv6`: `None` for the system's preference, true for v6 first, false for v4 only.
    pub ipv6: Option<bool>,
    /// Servers instead of those in `resolv.conf`.
    pub servers: Vec<SocketAddr>,
}

impl System {
    async fn lookup(&self, host: &str) -> Result<Answer, Error> {
        let by_dns = tokio::time::timeout(PATIENCE, self.dns(host)).await;
        let failed = match by_dns {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(detail)) => detail,
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        let error = |detail| Error::Dns {
            host: host.to_owned(),
            detail,
        };
        if !self.servers.is_empty() {
            return Err(error(failed));
        }
        // A name that only NSS knows: mDNS, a virtualisation plug-in, our own host name.
        match tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, 0))).await {
            Ok(Ok(found)) => {
                let addresses = self.order(found.map(|a| a.ip()).collect());
                if addresses.is_empty() {
                    return Err(error(failed));
                }
                Ok(Answer {
                    addresses,
                    valid: Some(UNTIMED),
                })
            }
            _ => Err(error(failed)),
        }
    }

    async fn dns(&self, host: &str) -> Result<Answer, String> {
        let (mut config, mut options) = read_system_conf().map_err(|e| e.to_string())?;
        if !self.servers.is_empty() {
            config = ResolverConfig::from_name_servers(
                self.servers.iter().copied().map(name_server).collect(),
            );
        }
        options.cache_size = 0;
        options.timeout = Duration::from_secs(2);
        options.attempts = 2;
        options.ip_strategy = match self.ipv6 {
            Some(false) => LookupIpStrategy::Ipv4Only,
            _ => LookupIpStrategy::Ipv4AndIpv6,
        };
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|e| e.to_string())?;
        let found = resolver.lookup_ip(host).await.map_err(|e| e.to_string())?;
        let valid = found
            .valid_until()
            .saturating_duration_since(std::time::Instant::now());
        let addresses = self.order(found.iter().collect());
        if addresses.is_empty() {
            return Err("no address of a family that is allowed".to_owned());
        }
        Ok(Answer {
            addresses,
            valid: Some(believe(valid)),
        })
    }

    /// Addresses that we have a route to first, IPv6 before IPv4 as systems prefer it, and each once.
    fn order(&self, mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        if self.ipv6 == Some(false) {
            addresses.retain(IpAddr::is_ipv4);
        }
        let mut seen = Vec::new();
        addresses.retain(|a| {
            !seen.contains(a) && {
                seen.push(*a);
                true
            }
        });
        addresses.sort_by_cached_key(|a| (!has_route(*a), a.is_ipv4()));
        addresses
    }
}

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            if let Ok(address) = host.parse() {
                return Ok(Answer {
                    addresses: vec![address],
                    valid: None,
                });
            }
            self.lookup(host).await
        })
    }
}

/// A server that is asked by UDP, and by TCP when an answer is too long for that.
fn name_server(at: SocketAddr) -> NameServerConfig {
    let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let at_port = |mut way: ConnectionConfig| {
        way.port = at.port();
        way
    };
    NameServerConfig::new(at.ip(), true, ways.map(at_port).into())
}

fn believe(ttl: Duration) -> Duration {
    if ttl > HOSTS_FILE {
        UNTIMED
    } else {
        ttl.clamp(SHORTEST, LONGEST)
    }
}

/// Whether the system would know where to send; nothing is sent.
fn has_route(to: IpAddr) -> bool {
    let any: IpAddr = if to.is_ipv4() {
        [0u8; 4].into()
    } else {
        [0u8; 16].into()
    };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect((to, 9)).is_ok())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    /// A name server that answers every A question with 192.0.2.N and a TTL of 7 s, and has no AAAA.
    async fn name_server(last: Arc<AtomicU8>) -> SocketAddr {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question_end =
                    12 + buffer[12..length].iter().position(|b| *b == 0).unwrap() + 5;
                let is_a = buffer[question_end - 3] == 1;
                let mut reply = buffer[..question_end].to_vec();
                reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
                if is_a {
                    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 7, 0, 4, 192, 0, 2]);
                    reply.push(last.load(Ordering::Relaxed));
                }
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn each_call_asks_anew_and_tells_the_ttl() {
        let last = Arc::new(AtomicU8::new(1));
        let resolver = System {
            ipv6: None,
            servers: vec![name_server(last.clone()).await],
        };
        let first = resolver.resolve("salt.example.").await.unwrap();
        assert_eq!(first.addresses, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        let valid = first.valid.unwrap();
        assert!(valid > Duration::from_secs(5) && valid <= Duration::from_secs(7));
        last.store(2, Ordering::Relaxed);
        let second = resolver.resolve("salt.example.").await.unwrap();
        assert_eq!(second.addresses, ["192.0.2.2".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup_and_a_missing_name_is_named() {
        let resolver = System {
            ipv6: Some(false),
            servers: vec!["127.0.0.1:1".parse().unwrap()],
        };
        let answer = resolver.resolve("::1").await.unwrap();
        assert_eq!((answer.addresses.len(), answer.valid), (1, None));
        let error = resolver.resolve("nobody.example.").await.unwrap_err();
        assert!(error.to_string().contains("nobody.example."), "{error}");
    }

    #[tokio::test]
    async fn the_hosts_file_counts_and_is_looked_at_often() {
        let answer = System::default().resolve("localhost").await.unwrap();
        assert!(answer.addresses.iter().all(IpAddr::is_loopback));
        assert_eq!(answer.valid, Some(UNTIMED));
    }

    #[test]
    fn times_are_bounded() {
        assert_eq!(believe(Duration::ZERO), SHORTEST);
        assert_eq!(believe(Duration::from_hours(20)), LONGEST);
        assert_eq!(believe(Duration::from_mins(1)), Duration::from_mins(1));
    }
}
