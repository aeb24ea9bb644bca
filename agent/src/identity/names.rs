//! The names of this machine in the order in which Salt tries them: the full name that the resolver gives,
//! the bare host name, names in `/etc/hostname`, `/etc/nodename` and `/etc/hosts`, and IPv4 addresses. Names
//! of the loopback are passed over.

use std::fs;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use crate::host::{env, net};

/// For each question to the resolver.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first name, and where it is from; `localhost` when there is none.
pub(super) fn first() -> (String, String) {
    let host = env::hostname();
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let full = || vec![full_name(&host, &hosts)];
    let sources: [(&str, &dyn Fn() -> Vec<String>); 6] = [
        ("the resolver", &full),
        ("the host name", &|| vec![host.clone()]),
        ("/etc/hostname", &|| names_in("/etc/hostname")),
        ("/etc/nodename", &|| names_in("/etc/nodename")),
        ("/etc/hosts", &|| local_names(&hosts)),
        ("an interface's address", &addresses),
    ];
    for (how, names) in sources {
        if let Some(name) = names().into_iter().find(|name| is_name(name)) {
            return (name, how.to_owned());
        }
    }
    ("localhost".to_owned(), "nothing".to_owned())
}

/// Names that mean this machine to itself only.
fn is_name(name: &str) -> bool {
    static LOOPBACK: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // Salt's list, with its unescaped dots.
        let list =
            r"^(localhost|ip6-|127[.][0-9]|0\.0\.0\.0|::1|ipv6-|fe00::|fe02::|1.0.0.*.ip6.arpa)";
        Regex::new(list).ok()
    });
    let loopback = LOOPBACK.as_ref().is_some_and(|list| list.is_match(name));
    !name.is_empty() && !loopback
}

/// Python's `socket.getfqdn`: the first name with a dot among those of the host's first address.
fn full_name(host: &str, hosts: &str) -> String {
    let host = host.trim();
    let Some(address) = net::addresses_of(host, PATIENCE).first().copied() else {
        return host.to_owned();
    };
    let Some(canonical) = net::name_of(address, PATIENCE) else {
        return host.to_owned();
    };
    if canonical.parse::<IpAddr>().is_ok() {
        return host.to_owned();
    }
    let mut names = vec![canonical.clone()];
    names.extend(aliases(hosts, address));
    let full = names.into_iter().find(|name| name.contains('.'));
    full.unwrap_or(canonical)
}

/// All names that `/etc/hosts` gives an address.
fn aliases(hosts: &str, address: IpAddr) -> Vec<String> {
    words(hosts)
        .filter(|words| words[0].parse() == Ok(address))
        .flat_map(|words| words[1..].to_vec())
        .map(str::to_owned)
        .collect()
}

fn names_in(file: &str) -> Vec<String> {
    fs::read_to_string(file)
        .map(|text| local_names(&text))
        .unwrap_or_default()
}

/// Words of lines that are about the loopback, or that have one word only.
fn local_names(text: &str) -> Vec<String> {
    words(text)
        .filter(|words| words[0].starts_with("127.") || words[0] == "::1" || words.len() == 1)
        .flatten()
        .map(str::to_owned)
        .collect()
}

/// The words of each line that has any, without its comment.
fn words(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|line| {
            let code = line.split('#').next().unwrap_or_default();
            code.split_whitespace().collect::<Vec<_>>()
        })
        .filter(|words| !words.is_empty())
}

fn addresses() -> Vec<String> {
    let mut found: Vec<_> = net::interfaces()
        .unwrap_or_default()
        .iter()
        .flat_map(|interface| interface.addresses.iter())
        .filter_map(|assigned| match assigned.ip {
            IpAddr::V4(ip) if !ip.is_loopback() => Some(ip),
            _ => None,
        })
        .collect();
    found.sort();
    found.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "# comment\n127.0.0.1 localhost\n127.0.1.1 web1.example.org web1 # me\n\
        10.0.0.7\tdb.example.org db\n::1 ip6-localhost\n::11 other\n";

    #[test]
    fn loopback_names_are_none() {
        for name in [
            "",
            "localhost",
            "localhost.localdomain",
            "ip6-loopback",
            "127.0.0.1",
            "::1",
            "fe00::0",
            "1.0.0.127.ip6.arpa",
            "0.0.0.0",
            "ipv6-localhost",
        ] {
            assert!(!is_name(name), "{name}");
        }
        for name in ["vm", "web1.example.org", "10.1.2.3", "1.0.0.example.org"] {
            assert!(is_name(name), "{name}");
        }
    }

    #[test]
    fn the_hosts_file_is_read_as_salt_reads_it() {
        assert_eq!(
            local_names(HOSTS),
            [
                "127.0.0.1",
                "localhost",
                "127.0.1.1",
                "web1.example.org",
                "web1",
                "::1",
                "ip6-localhost"
            ]
        );
        assert_eq!(local_names("web1\n"), ["web1"]);
        assert_eq!(
            aliases(HOSTS, "10.0.0.7".parse().unwrap()),
            ["db.example.org", "db"]
        );
    }

    #[test]
    fn something_is_always_found() {
        assert!(!first().0.is_empty());
    }
}
