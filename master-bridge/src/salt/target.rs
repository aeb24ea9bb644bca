//! Which minions are meant, in Salt's target types.

use clap::Args;
use salt_wire::Map;

use crate::error::{Error, Kind, Result};

/// A target as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The expression.
    pub tgt: String,
    /// Its type, in Salt's word.
    pub tgt_type: &'static str,
    /// What separates levels in grain and pillar targets.
    pub delimiter: String,
}

impl Target {
    /// Exactly these ids.
    pub fn list<S: AsRef<str>>(ids: &[S]) -> Self {
        let ids: Vec<&str> = ids.iter().map(AsRef::as_ref).collect();
        Self::of(ids.join(","), "list")
    }

    /// All ids that match a shell pattern.
    pub fn glob(pattern: impl Into<String>) -> Self {
        Self::of(pattern.into(), "glob")
    }

    fn of(tgt: String, tgt_type: &'static str) -> Self {
        Self {
            tgt,
            tgt_type,
            delimiter: ":".into(),
        }
    }
}

/// The options that say what a target expression is; without one it is a shell pattern.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Target types")]
#[group(multiple = false)]
pub struct TargetType {
    /// The target is a regular expression
    #[arg(short = 'E', long)]
    pcre: bool,
    /// The target is a list of ids, separated by commas
    #[arg(short = 'L', long)]
    list: bool,
    /// The target is GRAIN:PATTERN
    #[arg(short = 'G', long)]
    grain: bool,
    /// The target is GRAIN:REGULAR-EXPRESSION
    #[arg(short = 'P', long)]
    grain_pcre: bool,
    /// The target is PILLAR:PATTERN
    #[arg(short = 'I', long)]
    pillar: bool,
    /// The target is PILLAR:REGULAR-EXPRESSION
    #[arg(short = 'J', long)]
    pillar_pcre: bool,
    /// The target combines others with and, or, not and parentheses
    #[arg(short = 'C', long)]
    compound: bool,
    /// The target is an address or a network
    #[arg(short = 'S', long)]
    ipcidr: bool,
    /// The target is a nodegroup of the master's configuration
    #[arg(short = 'N', long)]
    nodegroup: bool,
}

impl TargetType {
    /// The target that an expression is. A master does not resolve nodegroups, so that is done here; salt-api does,
    /// and then there are none here.
    pub fn of(&self, expression: &str, delimiter: &str, groups: Option<&Map>) -> Result<Target> {
        let types = [
            (self.pcre, "pcre"),
            (self.list, "list"),
            (self.grain, "grain"),
            (self.grain_pcre, "grain_pcre"),
            (self.pillar, "pillar"),
            (self.pillar_pcre, "pillar_pcre"),
            (self.compound, "compound"),
            (self.ipcidr, "ipcidr"),
            (self.nodegroup && groups.is_some(), "compound"),
            (self.nodegroup, "nodegroup"),
        ];
        let tgt_type = types
            .iter()
            .find(|(on, _)| *on)
            .map_or("glob", |(_, name)| name);
        let tgt = match groups.filter(|_| self.nodegroup) {
            Some(groups) => nodegroup(expression, groups, &mut Vec::new())?,
            None => expression.to_owned(),
        };
        Ok(Target {
            tgt,
            tgt_type,
            delimiter: delimiter.to_owned(),
        })
    }
}

/// A nodegroup as a compound expression, groups inside of it included.
fn nodegroup(name: &str, groups: &Map, inside: &mut Vec<String>) -> Result<String> {
    if inside.iter().any(|group| group == name) {
        let path = inside.join(" → ");
        return Err(Error::new(
            Kind::Local,
            format!("nodegroup {name} contains itself ({path} → {name})"),
        ));
    }
    let words: Vec<String> = match groups.get(name) {
        Some(salt_wire::Value::Str(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(salt_wire::Value::List(ids)) => {
            let ids: Vec<&str> = ids.iter().filter_map(salt_wire::Value::as_str).collect();
            // A list of plain ids; of words, if one of them is an operator or a typed target.
            let words = ids
                .iter()
                .any(|w| matches!(*w, "and" | "or" | "not" | "(" | ")") || w.contains('@'));
            if words {
                ids.iter().map(|w| (*w).to_owned()).collect()
            } else {
                vec![format!("L@{}", ids.join(","))]
            }
        }
        _ => {
            let known: Vec<&str> = groups.keys().filter_map(|k| k.as_str()).collect();
            let error = Error::new(Kind::NothingMatched, format!("no nodegroup {name}"));
            return Err(if known.is_empty() {
                error.hint("the master's configuration has no nodegroups")
            } else {
                error.hint(format!("there are {}", known.join(", ")))
            });
        }
    };
    inside.push(name.to_owned());
    let mut parts = Vec::new();
    for word in words {
        match word.strip_prefix("N@") {
            Some(other) => parts.push(nodegroup(other, groups, inside)?),
            None => parts.push(word),
        }
    }
    inside.pop();
    Ok(format!("( {} )", parts.join(" ")))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    fn groups() -> Map {
        map! {
            "web" => "G@role:web and not N@old",
            "old" => vec!["w1", "w2"],
            "loop" => "N@loop2",
            "loop2" => "x or N@loop",
        }
    }

    #[test]
    fn nodegroups_become_compounds() {
        let types = TargetType {
            nodegroup: true,
            ..TargetType::default()
        };
        let target = types.of("web", ":", Some(&groups())).unwrap();
        assert_eq!(target.tgt_type, "compound");
        assert_eq!(target.tgt, "( G@role:web and not ( L@w1,w2 ) )");
        assert!(types.of("loop", ":", Some(&groups())).is_err());
        let error = types.of("nope", ":", Some(&groups())).unwrap_err();
        assert_eq!(error.kind, Kind::NothingMatched);
        assert!(error.hint.unwrap().contains("web"));
    }

    #[test]
    fn without_an_option_it_is_a_pattern() {
        let target = TargetType::default()
            .of("web*", ":", Some(&groups()))
            .unwrap();
        assert_eq!((target.tgt_type, target.tgt.as_str()), ("glob", "web*"));
    }
}
