//! Names: what the machine calls itself and what others call it. All lookups have a deadline and run side by side.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use salt_wire::{Map, Value, map};

use super::Sources;
use crate::host::{env, net};

/// Longest wait for one lookup: a dead name server must not hold the start back for long.
const DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn collect(sources: &Sources<'_>) -> Map {
    let addresses = || sources.interfaces.iter().flat_map(|i| &i.addresses);
    let (names, four, six, fqdn) = thread::scope(|scope| {
        let reverse = sources
            .flag("enable_fqdns_grains", true)
            .then(|| scope.spawn(|| all(sources)));
        let host = env::hostname();
        let fqdn = fqdn(&host);
        let found = net::addresses_of(&fqdn, DEADLINE);
        let of = |v4: bool| -> Vec<String> {
            let own = addresses().any(|a| a.ip.is_ipv4() == v4);
            found
                .iter()
                .filter(|ip| own && ip.is_ipv4() == v4)
                .map(ToString::to_string)
                .collect()
        };
        let reverse = reverse.and_then(|r| r.join().ok()).unwrap_or_default();
        (reverse, of(true), of(false), fqdn)
    });
    let (host, domain) = fqdn.split_once('.').unwrap_or((&fqdn, ""));
    map! {
        "fqdns" => names,
        "localhost" => env::hostname(),
        "fqdn" => fqdn.as_str(),
        "host" => host,
        "domain" => domain,
        "fqdn_ip4" => four,
        "fqdn_ip6" => six,
    }
}

/// The names of all addresses that are not loopback.
pub(super) fn all(sources: &Sources<'_>) -> Vec<String> {
    let addresses = sources.interfaces.iter().flat_map(|i| &i.addresses);
    fqdns(
        &addresses
            .map(|a| a.ip)
            .filter(|ip| !ip.is_loopback())
            .collect(),
    )
}

/// The name under which the machine is known, else its own.
fn fqdn(host: &str) -> String {
    if host.is_empty() {
        return "localhost.localdomain".to_owned();
    }
    net::canonical_name(host, DEADLINE).unwrap_or_else(|| host.to_owned())
}

/// The full names of these addresses, sorted.
fn fqdns(addresses: &BTreeSet<IpAddr>) -> Vec<String> {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let found: BTreeSet<String> = thread::scope(|scope| {
        let lookups: Vec<_> = addresses
            .iter()
            .map(|ip| scope.spawn(|| net::name_of(*ip, DEADLINE)))
            .collect();
        lookups
            .into_iter()
            .filter_map(|l| l.join().ok().flatten())
            .map(|name| dotted(&hosts, &name).unwrap_or(name))
            .collect()
    });
    found.into_iter().collect()
}

/// The first name with a dot that the hosts file gives beside this one.
pub(crate) fn dotted(hosts: &str, name: &str) -> Option<String> {
    if name.contains('.') {
        return None;
    }
    hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>())
        .filter(|names| names.contains(&name))
        .flatten()
        .find(|n| n.contains('.'))
        .map(str::to_owned)
}

/// The machine's id, for `machine_id`.
pub(super) fn machine_id() -> Option<Value> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .map(|id| id.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_completed_from_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n10.0.0.5 web1 web1.example.org # here\n";
        assert_eq!(dotted(hosts, "web1").as_deref(), Some("web1.example.org"));
        assert_eq!(dotted(hosts, "web2"), None);
        assert_eq!(dotted(hosts, "a.b"), None);
    }
}
