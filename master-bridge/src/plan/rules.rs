//! Security groups as they should be: what a file says, and what differs from what there is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cloud::{CloudStep, Ref, What};
use super::thing::Thing;
use crate::cloud::SecurityGroup;
use crate::error::{Error, Kind, Result};

/// A group in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Any words.
    #[serde(default)]
    pub description: String,
    /// Everything that it lets in; and out, if any rule has `to`.
    #[serde(default)]
    pub rules: Vec<RuleSpec>,
}

/// A rule in a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// `tcp`, `udp`, `icmp`, `vrrp`, a number; any without it.
    #[serde(default)]
    pub proto: Option<String>,
    /// A port, or `FROM-TO`; all without it.
    #[serde(default)]
    pub port: Option<Ports>,
    /// A CIDR or `group:NAME` that may come in; everybody without it.
    #[serde(default)]
    pub from: Option<String>,
    /// A CIDR or `group:NAME` that may be reached: the rule is about what goes out.
    #[serde(default)]
    pub to: Option<String>,
}

/// A port or a range, as a number or as text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Ports {
    /// One.
    One(u16),
    /// `80` or `80-90`.
    Text(String),
}

/// A rule, in the one form in which rules are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// The protocol's name; none for any.
    pub protocol: Option<String>,
    /// The first and the last port; none for all.
    pub ports: Option<(u64, u64)>,
    /// Whom it is about; none for everybody.
    pub prefix: Option<String>,
    /// The servers of another group, instead.
    pub group: Option<Ref>,
}

const EVERYBODY: [&str; 2] = ["0.0.0.0/0", "::/0"];

impl Rule {
    /// As Neutron shows one.
    pub fn of(rule: &Value) -> Self {
        let word = |key: &str| {
            rule[key]
                .as_str()
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
        };
        let port = |key: &str| rule[key].as_u64();
        Self {
            direction: word("direction").unwrap_or_default(),
            ethertype: word("ethertype").unwrap_or_else(|| "IPv4".into()),
            protocol: word("protocol").and_then(|p| protocol(&p)),
            ports: port("port_range_min").zip(port("port_range_max")),
            prefix: word("remote_ip_prefix").filter(|p| !EVERYBODY.contains(&p.as_str())),
            group: word("remote_group_id").map(Ref::Id),
        }
    }

    /// As Neutron takes one, in a group.
    pub fn body(&self, group: &str, remote: Option<&str>) -> Value {
        json!({
            "security_group_id": group, "direction": self.direction, "ethertype": self.ethertype,
            "protocol": self.protocol, "port_range_min": self.ports.map(|(min, _)| min),
            "port_range_max": self.ports.map(|(_, max)| max), "remote_ip_prefix": self.prefix,
            "remote_group_id": remote,
        })
    }

    /// In few words.
    pub fn shown(&self) -> String {
        let ports = match self.ports {
            None => String::new(),
            Some((min, max)) if min == max => format!(" {min}"),
            Some((min, max)) => format!(" {min}-{max}"),
        };
        let whom = match (&self.prefix, &self.group) {
            (Some(prefix), _) => prefix.clone(),
            (None, Some(Ref::Id(id))) => format!("group {id}"),
            (None, Some(Ref::Step(key))) => format!("the {key}"),
            (None, None) => "everybody".into(),
        };
        let way = if self.direction == "egress" {
            "to"
        } else {
            "from"
        };
        format!(
            "{}{ports} {way} {whom}",
            self.protocol.as_deref().unwrap_or("any")
        )
    }
}

/// Neutron shows some protocols by number and some by name.
fn protocol(word: &str) -> Option<String> {
    Some(match word {
        "any" | "-1" | "0" => return None,
        "1" => "icmp".into(),
        "6" => "tcp".into(),
        "17" => "udp".into(),
        "112" => "vrrp".into(),
        other => other.to_lowercase(),
    })
}

impl RuleSpec {
    fn rule(&self, remote: &dyn Fn(&str) -> Result<Ref>) -> Result<Rule> {
        let bad = |text: String| Error::new(Kind::Usage, text);
        let (direction, whom) = match (&self.from, &self.to) {
            (Some(_), Some(_)) => return Err(bad("a rule has `from` or `to`, not both".into())),
            (from, None) => ("ingress", from.as_deref()),
            (None, to) => ("egress", to.as_deref()),
        };
        let (mut prefix, mut group) = (None, None);
        match whom {
            None => {}
            Some(word) => match word.strip_prefix("group:") {
                Some(name) => group = Some(remote(name)?),
                None if word.contains('/') => prefix = Some(word.to_owned()),
                None => {
                    return Err(bad(format!(
                        "{word} is no CIDR; a group is written `group:{word}`"
                    )));
                }
            },
        }
        let ethertype = if prefix.as_deref().is_some_and(|p| p.contains(':')) {
            "IPv6"
        } else {
            "IPv4"
        };
        let ports = match &self.port {
            None => None,
            Some(Ports::One(port)) => Some((u64::from(*port), u64::from(*port))),
            Some(Ports::Text(text)) => {
                let (min, max) = text.split_once('-').unwrap_or((text, text));
                let number = |word: &str| word.trim().parse::<u16>().map(u64::from);
                match (number(min), number(max)) {
                    (Ok(min), Ok(max)) if min <= max => Some((min, max)),
                    _ => return Err(bad(format!("{text} is no port, and no range of ports"))),
                }
            }
        };
        let protocol = self.proto.as_deref().and_then(protocol);
        if ports.is_some() && protocol.is_none() {
            return Err(bad(
                "a rule with ports names its protocol: proto = \"tcp\"".into()
            ));
        }
        Ok(Rule {
            direction: direction.into(),
            ethertype: ethertype.into(),
            protocol,
            ports,
            prefix: prefix.filter(|p| !EVERYBODY.contains(&p.as_str())),
            group,
        })
    }
}

/// The rules to add and the ids of those to remove, so that a group has these. What goes out is only looked at if it
/// is managed.
pub fn differences(wanted: &[Rule], there: &[Value], egress: bool) -> (Vec<Rule>, Vec<String>) {
    let managed: Vec<(Rule, &str)> = there
        .iter()
        .map(|rule| (Rule::of(rule), rule["id"].as_str().unwrap_or_default()))
        .filter(|(rule, _)| egress || rule.direction == "ingress")
        .collect();
    let missing = wanted
        .iter()
        .filter(|rule| managed.iter().all(|(there, _)| there != *rule));
    let extra = managed.iter().filter(|(rule, _)| !wanted.contains(rule));
    (
        missing.cloned().collect(),
        extra.map(|(_, id)| (*id).to_owned()).collect(),
    )
}

/// The steps after which these groups are as they should be; none if they are. Names get this prefix.
pub fn steps(
    specs: &BTreeMap<String, GroupSpec>,
    prefix: &str,
    there: &[SecurityGroup],
    owner: &str,
) -> Result<Vec<CloudStep>> {
    let named = |name: &str| -> Result<Option<&SecurityGroup>> {
        let mut all = there.iter().filter(|g| g.name == name);
        match (all.next(), all.next()) {
            (Some(first), Some(second)) => {
                let mut error = Error::new(
                    Kind::NothingMatched,
                    format!("two security groups are called {name}"),
                )
                .hint("rename one, or remove it");
                error.causes = vec![first.id.clone(), second.id.clone()];
                Err(error)
            }
            (one, _) => Ok(one),
        }
    };
    let key = |name: &str| format!("group-{name}");
    let group = |name: &str| -> Result<Ref> {
        if specs.contains_key(name) {
            return Ok(match named(&format!("{prefix}{name}"))? {
                Some(there) => Ref::Id(there.id.clone()),
                None => Ref::Step(key(name)),
            });
        }
        match named(name)? {
            Some(there) => Ok(Ref::Id(there.id.clone())),
            None => Err(Error::new(
                Kind::NothingMatched,
                format!("there is no security group {name}"),
            )
            .hint("a rule's `group:NAME` is a group of the same file, or one of the project")),
        }
    };
    let (mut made, mut ruled) = (Vec::new(), Vec::new());
    for (name, spec) in specs {
        let full = format!("{prefix}{name}");
        let existing = named(&full)?;
        if existing.is_none() {
            let thing = Thing::Group {
                name: full.clone(),
                description: spec.description.clone(),
            };
            made.push(CloudStep::new(
                &key(name),
                What::Make {
                    thing,
                    owner: owner.to_owned(),
                },
            ));
        }
        let rules: Result<Vec<Rule>> = spec.rules.iter().map(|rule| rule.rule(&group)).collect();
        let rules = rules.map_err(|mut error| {
            error.message = format!("security group {name}: {}", error.message);
            error
        })?;
        let egress = rules.iter().any(|rule| rule.direction == "egress");
        let current = existing
            .map(|g| g.security_group_rules.as_slice())
            .unwrap_or_default();
        let (add, remove) = differences(&rules, current, egress);
        let nothing = add.is_empty() && remove.is_empty() && (existing.is_some() || !egress);
        if nothing {
            continue;
        }
        let before = existing.map(|_| {
            current
                .iter()
                .map(Rule::of)
                .filter(|r| egress || r.direction == "ingress")
                .collect()
        });
        let gone = current.iter().filter(|rule| {
            rule["id"]
                .as_str()
                .is_some_and(|id| remove.iter().any(|r| r == id))
        });
        let changes = add
            .iter()
            .map(|rule| format!("+ {}", rule.shown()))
            .chain(gone.map(|rule| format!("- {}", Rule::of(rule).shown())))
            .collect();
        let thing = Thing::Rules {
            group: group(name)?,
            name: full,
            rules,
            egress,
            before,
            changes,
        };
        ruled.push(CloudStep::new(
            &format!("rules-{name}"),
            What::Make {
                thing,
                owner: owner.to_owned(),
            },
        ));
    }
    // All groups first: their rules name each other.
    made.extend(ruled);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(text: &str) -> BTreeMap<String, GroupSpec> {
        toml::from_str(text).unwrap()
    }

    fn group(name: &str, rules: Value) -> SecurityGroup {
        let text = json!({"id": format!("id-{name}"), "name": name, "security_group_rules": rules});
        serde_json::from_value(text).unwrap()
    }

    fn words(steps: &[CloudStep]) -> Vec<String> {
        steps
            .iter()
            .map(|s| format!("{}: {}", s.key, s.what.subject()))
            .collect()
    }

    #[test]
    fn a_second_time_nothing_is_to_be_done() {
        let file = specs(
            "[db]\nrules = [{proto = 'tcp', port = 3306, from = 'group:web'}]\n\
             [web]\nrules = [{proto = 'tcp', port = '80-81'}, {proto = 'icmp', from = '10.0.0.0/8'}, {from = 'group:web'}]",
        );
        let first = steps(&file, "ci-", &[], "o").unwrap();
        let keys: Vec<&str> = first.iter().map(|s| s.key.as_str()).collect();
        assert_eq!(keys, ["group-db", "group-web", "rules-db", "rules-web"]);
        let all = |more: Value| {
            let mut rules = vec![
                json!({"id": "1", "direction": "ingress", "ethertype": "IPv4", "protocol": "6", "port_range_min": 80, "port_range_max": 81, "remote_ip_prefix": "0.0.0.0/0"}),
                json!({"id": "2", "direction": "ingress", "ethertype": "IPv4", "protocol": "icmp", "remote_ip_prefix": "10.0.0.0/8"}),
                json!({"id": "3", "direction": "ingress", "ethertype": "IPv4", "protocol": null, "remote_group_id": "id-ci-web"}),
                json!({"id": "4", "direction": "egress", "ethertype": "IPv4", "protocol": null}),
            ];
            rules.extend(more.as_array().cloned().unwrap_or_default());
            Value::Array(rules)
        };
        let db = json!([{"id": "9", "direction": "ingress", "protocol": "tcp", "port_range_min": 3306, "port_range_max": 3306, "remote_group_id": "id-ci-web"}]);
        let there = [group("ci-db", db.clone()), group("ci-web", all(json!([])))];
        assert!(steps(&file, "ci-", &there, "o").unwrap().is_empty());
        let more = json!([{"id": "5", "direction": "ingress", "protocol": "udp"}]);
        let there = [group("ci-db", db), group("ci-web", all(more))];
        let now = steps(&file, "ci-", &there, "o").unwrap();
        assert_eq!(words(&now), ["rules-web: ci-web (- udp from everybody)"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (rule, why) in [
            ("{port = 80}", "names its protocol"),
            ("{proto = 'tcp', port = '9-8'}", "no range"),
            ("{from = 'web'}", "group:web"),
            ("{from = '10.0.0.0/8', to = '10.0.0.0/8'}", "not both"),
            ("{from = 'group:nope'}", "no security group nope"),
        ] {
            let error = steps(&specs(&format!("[a]\nrules = [{rule}]")), "", &[], "o").unwrap_err();
            assert!(error.to_string().contains(why), "{rule}: {error}");
        }
        let twins = [group("a", json!([])), group("a", json!([]))];
        assert!(steps(&specs("[a]"), "", &twins, "o").is_err());
        assert!(toml::from_str::<BTreeMap<String, GroupSpec>>("[a]\nrule = []").is_err());
    }
}
