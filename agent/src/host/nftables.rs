//! Rules of `nft`: put together from Salt's words, and found again in what it lists.

use salt_wire::{Map, Value};

use crate::python;

/// What nft calls a family of addresses.
pub fn family(name: &str) -> Option<&'static str> {
    Some(match name {
        "ipv4" | "ip4" | "ip" => "ip",
        "ipv6" | "ip6" => "ip6",
        "inet" => "inet",
        "arp" => "arp",
        "bridge" => "bridge",
        "netdev" => "netdev",
        _ => return None,
    })
}

/// Ports from high to low, as nft lists them.
fn ports(value: &Value) -> Result<String, String> {
    let text = python::text(value);
    let number = |port: &str| {
        port.trim()
            .parse::<i64>()
            .map_err(|_| format!("invalid literal for int() with base 10: '{port}'"))
    };
    let mut all = text.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable_by(|a, b| b.cmp(a));
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    Ok(all.join(", "))
}

/// A rule from keyword arguments.
pub fn rule(given: &Map, own: &str) -> Result<String, String> {
    let text = |key: &str| given.get(key).map(python::text);
    let truthy = |keys: [&str; 2]| {
        let named = keys.iter().any(|key| given.contains_key(*key));
        let mut values = keys.iter().filter_map(|key| given.get(*key));
        let last = given.get(keys[1]).cloned().unwrap_or_default();
        named.then(|| python::text(values.find(|v| v.is_truthy()).unwrap_or(&last)))
    };
    let mut parts: Vec<String> = Vec::new();
    for (key, words) in [("if", "meta iifname"), ("of", "meta oifname")] {
        parts.extend(text(key).map(|value| format!("{words} {value}")));
    }
    for (key, words) in [
        ("connstate", "ct state"),
        ("icmp-type", "icmp type"),
        ("icmpv6-type", "icmpv6 type"),
        ("pkttype", "meta pkttype"),
    ] {
        parts.extend(text(key).map(|value| format!("{words} {{ {value} }}")));
    }
    if given.contains_key("counter") {
        parts.push("counter".to_owned());
    }
    for (keys, word) in [
        (["saddr", "source"], "saddr"),
        (["daddr", "destination"], "daddr"),
    ] {
        parts.extend(truthy(keys).map(|value| format!("{own} {word} {value}")));
    }
    for key in ["dport", "sport"] {
        let value = text(key).map(|value| value.replace(':', "-"));
        parts.extend(value.map(|value| format!("{key} {{ {value} }}")));
    }
    for (key, word) in [("dports", "dport"), ("sports", "sport")] {
        if let Some(value) = given.get(key) {
            parts.push(format!("{word} {{ {} }}", ports(value)?));
        }
    }
    parts.extend(text(if given.contains_key("target") {
        "target"
    } else {
        "jump"
    }));
    parts.extend(text("j"));
    parts.extend(truthy(["redirect-to", "to-port"]).map(|to| format!("redirect to {to}")));
    parts.extend(text("to-ports").map(|ports| format!("--to-ports {ports}")));
    parts.extend(text("to-source"));
    parts.extend(text("to-destination"));
    parts.extend(text("reject-with").map(|with| format!("reject with {with}")));
    let proto = text("proto").unwrap_or_default();
    let rule = parts.join(" ");
    let rule = rule.trim();
    Ok(rule
        .replace("dport", &format!("{proto} dport"))
        .replace("sport", &format!("{proto} sport")))
}

/// Whether a listed chain shows a rule, or one that ends in it, as Salt looks for it.
pub fn shows(listed: &str, rule: &str) -> bool {
    let wanted = format!("{} # handle ", plain(rule));
    listed.lines().any(|line| plain(line).contains(&wanted))
}

/// The handle of this very rule in a listed chain.
pub fn handle(listed: &str, rule: &str) -> Option<String> {
    let wanted = format!("{} # handle ", plain(rule));
    listed.lines().find_map(|line| {
        let line = plain(line);
        let handle = line.trim_start().strip_prefix(&wanted)?;
        Some(handle.trim().to_owned())
    })
}

/// A single port has no braces where rules are listed.
fn plain(text: &str) -> String {
    text.replace("{ ", "").replace(" }", "")
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn rules_are_put_together_as_salt_does() {
        let ssh = map! {
            "chain" => "input", "table" => "filter", "jump" => "accept", "match" => "state", "connstate" => "new",
            "dport" => 22, "proto" => "tcp", "sport" => "1025:65535", "save" => true,
        };
        assert_eq!(
            rule(&ssh, "ip").unwrap(),
            "ct state { new } tcp dport { 22 } tcp sport { 1025-65535 } accept"
        );
        let several = map! { "dports" => "80,443", "proto" => "tcp", "source" => "10.0.0.0/8", "counter" => true };
        assert_eq!(
            rule(&several, "ip").unwrap(),
            "counter ip saddr 10.0.0.0/8 tcp dport { 443, 80 }"
        );
        assert!(rule(&map! { "dports" => "ssh" }, "ip").is_err());
    }

    #[test]
    fn a_rule_is_found_in_a_chain() {
        let listed = "table ip filter {\n\tchain input { # handle 1\n\t\ttcp dport 22 accept # handle 4\n\t\ttcp dport { 80, 443 } accept # handle 6\n\t}\n}";
        assert_eq!(
            handle(listed, "tcp dport { 22 } accept").as_deref(),
            Some("4")
        );
        assert_eq!(
            handle(listed, "tcp dport { 80, 443 } accept").as_deref(),
            Some("6")
        );
        assert_eq!(handle(listed, "dport { 23 }"), None);
        // The end of another rule is shown, and is not that rule.
        assert!(shows(listed, "accept") && handle(listed, "accept").is_none());
    }
}
