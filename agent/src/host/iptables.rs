//! The packet filter of the kernel through `iptables`: rules put together, looked up, added and taken away. Rules are
//! words, split as Salt splits them; no shell sees them.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value};

use super::env::which;
use super::fs::{make_dirs, write_atomic};
use super::program::{Programs, Said};
use super::shlex;
use crate::python;

/// What belongs to a target, and so stands behind the jump.
const AFTER_JUMP: &str = "j jump add-set and-mark and-tos checksum-fill clamp-mss-to-pmtu clustermac ctevents \
    ctmask del-set ecn-tcp-remove exist expevents gateway hash-init hashmode helper label local-node log-ip-options \
    log-level log-prefix log-tcp-options log-tcp-sequence log-uid map-set mask mss new nfmask nflog-group \
    nflog-prefix nflog-range nflog-threshold nodst notrack on-ip on-port or-mark or-tos persistent queue-balance \
    queue-bypass queue-num random random-fully rateest-ewmalog rateest-interval rateest-name reject-with restore \
    restore-mark sack-perm save-mark selctx set-class set-dscp set-dscp-class set-mark set-mss set-tos set-xmark \
    strip-options timeout timestamp to to-destination to-ports to-source total-nodes tproxy-mark ttl-dec ttl-inc \
    ttl-set type ulog-cprange ulog-nlgroup ulog-prefix ulog-qthreshold wscale xor-mark xor-tos zone zone-orig \
    zone-reply dst-pfx hl-dec hl-inc hl-set hmark-dport-mask hmark-dst-prefix hmark-mod hmark-offset \
    hmark-proto-mask hmark-rnd hmark-spi-mask hmark-sport-mask hmark-src-prefix hmark-tuple led-always-blink \
    led-delay led-trigger-id queue-cpu-fanout src-pfx to-port addr and-mask delude honeypot or-mask prefix reset \
    reuse set-mac shift static tarpit tname ttl";

/// `iptables` of one family.
pub struct Iptables<'a> {
    programs: Programs<'a>,
    /// The program's path.
    program: String,
    /// The option to wait for others, where it has one.
    wait: bool,
}

/// A value without a negation in front; whether there was one.
fn negated(value: &Value) -> (&'static str, String) {
    let text = python::text(value);
    if text.starts_with('!') || text.starts_with("not") {
        let plain = text.replace("! ", "").replace('!', "");
        let plain = plain.replace("not ", "").replace("not", "");
        ("! ", plain)
    } else {
        ("", text)
    }
}

/// The words of a rule, from what a state or a caller says of it. `Err`: it is no rule, in Salt's words.
pub fn rule(given: &Map) -> Result<String, String> {
    let mut left = given.clone();
    if let Some(target) = left.shift_remove("target") {
        left.insert("jump".into(), target);
    }
    for key in ["name", "state", "chain", "save", "table"] {
        left.shift_remove(key);
    }
    let mut rule: Vec<String> = Vec::new();
    let option = |left: &mut Map, key: &str, flag: &str| -> Option<String> {
        let (not, value) = negated(&left.shift_remove(key)?);
        Some(format!("{not}{flag} {value}"))
    };
    rule.extend(option(&mut left, "if", "-i"));
    rule.extend(option(&mut left, "of", "-o"));
    let policy = left
        .get("match")
        .is_some_and(|m| m.as_str() == Some("policy"));
    if !policy && let Some(proto) = left.shift_remove("proto") {
        left.insert("protocol".into(), proto);
    }
    let protocol = left.contains_key("protocol");
    rule.extend(option(&mut left, "protocol", "-p"));
    if let Some(matches) = left.shift_remove("match") {
        let names: Vec<String> = match &matches {
            Value::List(list) => list.iter().map(python::text).collect(),
            one => python::text(one).split(',').map(str::to_owned).collect(),
        };
        for name in names {
            rule.push(format!("-m {name}"));
            if matches!(name.trim(), "pknock" | "quota2" | "recent")
                && let Some(name) = left.shift_remove("name_")
            {
                rule.push(format!("--name {}", python::text(&name)));
            }
        }
        if policy {
            rule.extend(option(&mut left, "proto", "--proto"));
        }
    }
    if let Some(sets) = left.shift_remove("match-set") {
        let sets = match sets {
            Value::List(list) => list,
            one => vec![one],
        };
        for set in &sets {
            let (not, set) = negated(set);
            rule.push(format!("-m set {not}--match-set {set}"));
        }
    }
    if left.contains_key("connstate") {
        if !rule.iter().any(|r| r == "-m state") {
            rule.push("-m state".to_owned());
        }
        rule.extend(option(&mut left, "connstate", "--state"));
    }
    rule.extend(option(&mut left, "dport", "--dport"));
    rule.extend(option(&mut left, "sport", "--sport"));
    for key in ["dports", "sports"] {
        let Some(value) = left.shift_remove(key) else {
            continue;
        };
        if !rule.iter().any(|r| r == "-m multiport") {
            rule.push("-m multiport".to_owned());
            if !protocol {
                return Err("Error: protocol must be specified".to_owned());
            }
        }
        let each = match value {
            Value::List(list) => list.iter().map(negated).collect(),
            one => vec![negated(&one)],
        };
        if each.iter().any(|(not, _)| !not.is_empty()) {
            rule.push("!".to_owned());
        }
        let ports: Vec<String> = each.into_iter().map(|(_, port)| port).collect();
        rule.push(format!("--{key} {}", ports.join(",")));
    }
    if let Some(comment) = left.shift_remove("comment") {
        if !rule.iter().any(|r| r == "-m comment") {
            rule.push("-m comment".to_owned());
        }
        rule.push(format!("--comment \"{}\"", python::text(&comment)));
    }
    if left.get("set").is_some_and(Value::is_truthy) {
        rule.extend(option(&mut left, "set", "--match-set"));
    }
    let mut after = Vec::new();
    for key in AFTER_JUMP.split_whitespace() {
        if let Some(value) = left.shift_remove(key) {
            let text = python::text(&value);
            after.push(if value.is_null() || text.is_empty() {
                format!("--{key}")
            } else if text.contains(char::is_whitespace) {
                format!("--{key} \"{text}\"")
            } else {
                format!("--{key} {text}")
            });
        }
    }
    for (key, value) in &left {
        let key = python::text(key);
        let (not, text) = negated(value);
        let flag = if key.chars().count() == 1 { "-" } else { "--" };
        rule.push(if value.is_null() || text.is_empty() {
            format!("{not}{flag}{key}")
        } else {
            format!("{not}{flag}{key} {text}")
        });
    }
    rule.extend(after);
    Ok(rule.join(" "))
}

/// The file in which the rules survive a restart on a system of these grains.
pub fn saved_file(grains: &Map, ipv6: bool) -> Result<&'static str, String> {
    let grain = |key: &str| grains.get(key).map(python::text).unwrap_or_default();
    let (family, os) = (grain("os_family"), grain("os"));
    Ok(match (family.as_str(), os.as_str(), ipv6) {
        ("RedHat", _, false) => "/etc/sysconfig/iptables",
        ("RedHat", _, true) => "/etc/sysconfig/ip6tables",
        ("Arch" | "Void", _, false) => "/etc/iptables/iptables.rules",
        ("Arch" | "Void", _, true) => "/etc/iptables/ip6tables.rules",
        ("Debian", _, false) => "/etc/iptables/rules.v4",
        ("Debian", _, true) => "/etc/iptables/rules.v6",
        ("Gentoo", _, false) => "/var/lib/iptables/rules-save",
        ("Gentoo", _, true) => "/var/lib/ip6tables/rules-save",
        ("Suse", ..) => "/etc/sysconfig/scripts/SuSEfirewall2-custom",
        (_, "Alpine", false) => "/etc/iptables/rules-save",
        (_, "Alpine", true) => "/etc/iptables/rules6-save",
        _ => {
            return Err(format!(
                "Saving iptables to file is not supported on {os}. Please file an issue with SaltStack"
            ));
        }
    })
}

impl<'a> Iptables<'a> {
    /// That of a family, `ipv4` or `ipv6`; the error says that it is not installed.
    pub fn of(programs: Programs<'a>, family: &str) -> Result<Self, String> {
        let name = if family == "ipv6" {
            "ip6tables"
        } else {
            "iptables"
        };
        let program = which(name).ok_or_else(|| format!("Command '{name}' cannot be found"))?;
        let program = program.display().to_string();
        let help = programs.run(&[&program, "--help"])?;
        Ok(Self {
            programs,
            program,
            wait: help.stdout.contains("--wait"),
        })
    }

    /// The version, as it tells it.
    pub fn version(&self) -> Result<String, String> {
        let said = self.programs.run(&[&self.program, "--version"])?;
        let word = said.stdout.split_whitespace().nth(1);
        Ok(word.unwrap_or_default().to_owned())
    }

    /// A whole command as Salt shows it.
    pub fn command(&self, table: &str, command: &str, place: [&str; 2], rule: &str) -> String {
        let wait = if self.wait { "--wait" } else { "" };
        let flag = if "ACDIRLSFZNXPE".contains(command) {
            "-"
        } else {
            "--"
        };
        let [chain, position] = place;
        format!(
            "{} {wait} -t {table} {flag}{command} {chain} {position} {rule}",
            self.program
        )
    }

    fn run(&self, table: &str, words: &[&str], rule: &str) -> Result<Said, String> {
        let rule = shlex::split(rule)?;
        let mut argv = vec![self.program.as_str()];
        if self.wait {
            argv.push("--wait");
        }
        argv.extend(["-t", table]);
        argv.extend(words);
        argv.extend(rule.iter().map(String::as_str));
        self.programs.run(&argv)
    }

    /// Changes something; what it complains of, nothing when it went well.
    pub fn change(&self, table: &str, words: &[&str], rule: &str) -> Result<String, String> {
        Ok(self.run(table, words, rule)?.stderr)
    }

    /// Whether a chain has a rule.
    pub fn check(&self, table: &str, chain: &str, rule: &str) -> Result<bool, String> {
        Ok(self.run(table, &["-C", chain], rule)?.fine())
    }

    /// All rules, or those of a table, as the kernel has them.
    pub fn dump(&self, table: Option<&str>) -> Result<String, String> {
        let program = format!("{}-save", self.program);
        let mut argv = vec![program.as_str()];
        if let Some(table) = table {
            argv.extend(["-t", table]);
        }
        let done = self.programs.run(&argv)?;
        // What it cannot tell must not be taken for no rules, and saved as that.
        if done.fine() {
            Ok(done.stdout)
        } else {
            Err(format!("{program}: {}", done.stderr))
        }
    }

    /// Writes all rules to a file; Salt's words of it.
    pub fn save(&self, file: &Path) -> Result<String, String> {
        let told = |e: std::io::Error| format!("{}: {e}", file.display());
        if let Some(dir) = file.parent() {
            make_dirs(dir, 0o755).map_err(told)?;
        }
        let text = self.dump(None)?;
        let bytes = format!("{text}\n");
        write_atomic(file, bytes.as_bytes(), 0o644).map_err(told)?;
        // Salt hands the text over as one line.
        Ok(format!("Wrote 1 lines to \"{}\"", file.display()))
    }
}

/// The rules of a file.
pub fn saved(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}

/// The options of rules that are shown under another name.
const SHORT: &[(&str, &str)] = &[
    ("sport", "source_port"),
    ("source-port", "source_port"),
    ("dport", "destination_port"),
    ("destination-port", "destination_port"),
    ("sports", "source-ports"),
    ("dports", "destination-ports"),
    ("src-cc", "source-country"),
    ("dst-cc", "destination-country"),
    ("p", "protocol"),
    ("s", "source"),
    ("d", "destination"),
    ("j", "jump"),
    ("g", "goto"),
    ("i", "in-interface"),
    ("o", "out-interface"),
    ("f", "fragment"),
    ("c", "set-counters"),
    ("m", "match"),
];

/// What `iptables-save` writes as Salt shows it: tables of chains, each with policy, counters and rules.
pub fn parse(text: &str) -> Map {
    let mut tables = Map::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            name.clone_into(&mut table);
            tables.insert(name.into(), Map::new().into());
            continue;
        }
        let Some(Value::Map(chains)) = tables.get_mut(table.as_str()) else {
            continue;
        };
        if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let mut word = || words.next().unwrap_or_default();
            let (name, policy) = (word(), word());
            let counters = word().trim_matches(['[', ']']);
            let (packets, bytes) = counters.split_once(':').unwrap_or_default();
            let about = Map::from_iter([
                ("policy".into(), policy.into()),
                ("packet count".into(), packets.into()),
                ("byte count".into(), bytes.into()),
                ("rules".into(), Value::List(Vec::new())),
                ("rules_comment".into(), Map::new().into()),
            ]);
            chains.insert(name.into(), about.into());
        } else if line.starts_with("-A") {
            let words = shlex::split(line).unwrap_or_default();
            let (chain, rule) = parse_rule(&words);
            let Some(Value::Map(about)) = chains.get_mut(chain.as_str()) else {
                continue;
            };
            if let Some(Value::List(comment)) = rule.get("comment")
                && let Some(comment) = comment.first().cloned()
                && let Some(Value::Map(comments)) = about.get_mut("rules_comment")
            {
                comments.insert(comment, rule.clone().into());
            }
            if let Some(Value::List(rules)) = about.get_mut("rules") {
                rules.push(rule.into());
            }
        }
    }
    tables
}

/// A rule's chain, and its options with all their values.
fn parse_rule(words: &[String]) -> (String, Map) {
    let (mut chain, mut rule) = (String::new(), Map::new());
    let mut at = 0;
    while at < words.len() {
        let not = words[at] == "!" && words.get(at + 1).is_some_and(|w| w.starts_with('-'));
        at += usize::from(not);
        let Some(key) = words[at].strip_prefix("--").or(words[at].strip_prefix('-')) else {
            at += 1;
            continue;
        };
        at += 1;
        let mut value: Vec<&str> = if not { vec!["!"] } else { Vec::new() };
        while at < words.len() && words[at] != "!" && !words[at].starts_with('-') {
            value.push(&words[at]);
            at += 1;
        }
        let value = value.join(" ");
        if key == "A" {
            chain = value;
            continue;
        }
        let long = SHORT.iter().find(|(short, _)| *short == key);
        let key = long.map_or(key, |(_, long)| long);
        let values = rule
            .entry(key.into())
            .or_insert_with(|| Value::List(Vec::new()));
        if let Value::List(values) = values {
            values.push(value.into());
        }
    }
    (chain, rule)
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn rules_are_put_together_as_salt_does() {
        let ssh = map! {
            "name" => "x", "chain" => "INPUT", "jump" => "ACCEPT", "match" => "state", "connstate" => "NEW",
            "dport" => 22, "proto" => "tcp", "sport" => "1025:65535", "save" => true,
        };
        assert_eq!(
            rule(&ssh).unwrap(),
            "-p tcp -m state --state NEW --dport 22 --sport 1025:65535 --jump ACCEPT"
        );
        let several = map! {
            "source" => "!10.0.0.0/8", "dports" => vec![Value::from(80), 443.into()], "protocol" => "tcp",
            "comment" => "two words", "jump" => "LOG", "log-prefix" => "a b", "if" => "not eth0",
        };
        assert_eq!(
            rule(&several).unwrap(),
            "! -i eth0 -p tcp -m multiport --dports 80,443 -m comment --comment \"two words\" ! --source 10.0.0.0/8 --jump LOG --log-prefix \"a b\""
        );
        let no_protocol = map! { "dports" => "80,443" };
        assert_eq!(
            rule(&no_protocol),
            Err("Error: protocol must be specified".to_owned())
        );
    }

    #[test]
    fn what_it_saves_is_read_back() {
        let text = "# Generated\n*filter\n:INPUT ACCEPT [1:2]\n:own - [0:0]\n-A INPUT ! -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -m comment --comment \"a b\" -j ACCEPT\nCOMMIT\n";
        let tables = parse(text);
        let input = tables["filter"].get("INPUT").unwrap();
        assert_eq!(input.get("policy"), Some(&"ACCEPT".into()));
        assert_eq!(input.get("byte count"), Some(&"2".into()));
        let rules = input.get("rules").unwrap().as_list().unwrap();
        assert_eq!(
            python::text(&rules[0]),
            "{'source': ['! 10.0.0.0/8'], 'protocol': ['tcp'], 'match': ['tcp', 'comment'], 'destination_port': ['22'], 'comment': ['a b'], 'jump': ['ACCEPT']}"
        );
        assert!(input.get("rules_comment").unwrap().get("a b").is_some());
    }
}
