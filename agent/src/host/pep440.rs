//! Versions and their demands as Python packages have them (PEP 440).

use std::cmp::Ordering;

/// A version, taken apart into what is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// Before the release: `a`, `b`, `rc` with their number; a development version of none of them sorts first of all.
    pre: Option<(char, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<String>,
}

/// A number at the beginning of a text.
fn number(text: &str) -> (Option<u64>, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (text[..end].parse().ok(), &text[end..])
}

impl Version {
    /// Reads a version; nothing when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_lowercase();
        let text = lower.strip_prefix('v').unwrap_or(&lower);
        let (text, local) = text.split_once('+').unwrap_or((text, ""));
        let local = local.split(['.', '-', '_']).filter(|p| !p.is_empty());
        let (epoch, mut rest) = match text.split_once('!') {
            Some((epoch, rest)) => (epoch.parse().ok()?, rest),
            None => (0, text),
        };
        let mut release = Vec::new();
        loop {
            let (part, after) = number(rest);
            release.push(part?);
            rest = after;
            match rest.strip_prefix('.') {
                Some(next) if next.starts_with(|c: char| c.is_ascii_digit()) => rest = next,
                _ => break,
            }
        }
        let mut version = Self {
            epoch,
            release,
            pre: None,
            post: None,
            dev: None,
            local: local.map(str::to_owned).collect(),
        };
        while !rest.is_empty() {
            let word = rest.trim_start_matches(['.', '-', '_']);
            let end = word
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(word.len());
            let (name, after) = word.split_at(end);
            let after = after.strip_prefix(['.', '-', '_']).unwrap_or(after);
            let (count, after) = number(after);
            match name {
                "a" | "alpha" => version.pre = Some(('a', count.unwrap_or(0))),
                "b" | "beta" => version.pre = Some(('b', count.unwrap_or(0))),
                "rc" | "c" | "pre" | "preview" => version.pre = Some(('c', count.unwrap_or(0))),
                "post" | "rev" | "r" => version.post = Some(count.unwrap_or(0)),
                "" if rest.starts_with('-') => version.post = Some(count?),
                "dev" => version.dev = Some(count.unwrap_or(0)),
                _ => return None,
            }
            rest = after;
        }
        Some(version)
    }

    /// Whether it is before its release.
    pub fn is_early(&self) -> bool {
        self.pre.is_some() || self.dev.is_some()
    }

    fn numbers(&self) -> &[u64] {
        let end = self
            .release
            .iter()
            .rposition(|n| *n != 0)
            .map_or(0, |at| at + 1);
        &self.release[..end]
    }

    /// The release without what is before, after and beside it.
    fn base(&self) -> Self {
        Self {
            pre: None,
            post: None,
            dev: None,
            local: Vec::new(),
            ..self.clone()
        }
    }

    fn public(&self) -> Self {
        Self {
            local: Vec::new(),
            ..self.clone()
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // A development version of a release is before its alphas; a release is behind all of them.
        let pre = |v: &Self| match (v.pre, v.post, v.dev) {
            (None, None, Some(_)) => (0, ('a', 0)),
            (Some(pre), ..) => (1, pre),
            (None, ..) => (2, ('a', 0)),
        };
        let dev = |v: &Self| v.dev.unwrap_or(u64::MAX);
        let part = |p: &String| (p.parse::<u64>().ok(), p.clone());
        let local = |v: &Self| v.local.iter().map(part).collect::<Vec<_>>();
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| self.numbers().cmp(other.numbers()))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| self.post.cmp(&other.post))
            .then_with(|| dev(self).cmp(&dev(other)))
            .then_with(|| local(self).cmp(&local(other)))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A package that is asked for: its name, and what its version has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The name as it was written.
    pub name: String,
    /// Operators and versions.
    pub demands: Vec<(String, String)>,
}

const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

impl Requirement {
    /// Reads `name[extras] >=1,<2 ; marker`; nothing when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split(';').next()?.trim();
        let end = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
            .unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        if name.is_empty() {
            return None;
        }
        rest = rest.trim();
        if let Some(extras) = rest.strip_prefix('[') {
            rest = extras.split_once(']')?.1.trim();
        }
        let inner = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')'));
        let rest = inner.unwrap_or(rest);
        let mut demands = Vec::new();
        for part in rest.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let operator = OPERATORS.iter().find(|o| part.starts_with(**o))?;
            let version = part[operator.len()..].trim();
            let plain = version.strip_suffix(".*").unwrap_or(version);
            if *operator != "===" && Version::parse(plain).is_none() {
                return None;
            }
            demands.push(((*operator).to_owned(), version.to_owned()));
        }
        Some(Self {
            name: name.to_owned(),
            demands,
        })
    }
}

/// A package's name as indexes write it.
pub fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|p| !p.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

/// Whether a version is what is demanded. Versions before a release only fit where a demand names one.
pub fn fits(version: &str, demands: &[(String, String)]) -> bool {
    let Some(version) = Version::parse(version) else {
        return false;
    };
    let early = |demand: &(String, String)| {
        Version::parse(demand.1.trim_end_matches(".*")).is_some_and(|v| v.is_early())
    };
    if version.is_early() && !demands.is_empty() && !demands.iter().any(early) {
        return false;
    }
    demands
        .iter()
        .all(|(operator, wanted)| fits_one(&version, operator, wanted))
}

fn fits_one(version: &Version, operator: &str, wanted: &str) -> bool {
    let begins = |text: &str| {
        let Some(prefix) = Version::parse(text) else {
            return false;
        };
        let mut numbers = version.release.clone();
        numbers.resize(numbers.len().max(prefix.release.len()), 0);
        version.epoch == prefix.epoch && numbers.starts_with(&prefix.release)
    };
    let Some(other) = Version::parse(wanted.trim_end_matches(".*")) else {
        return false;
    };
    // What is beside a version counts only where the demand names it.
    let version = if other.local.is_empty() {
        version.public()
    } else {
        version.clone()
    };
    match (operator, wanted.strip_suffix(".*")) {
        ("==", Some(prefix)) => begins(prefix),
        ("!=", Some(prefix)) => !begins(prefix),
        ("==" | "===", None) => version == other || version.cmp(&other).is_eq(),
        ("!=", None) => version.cmp(&other).is_ne(),
        ("<=", _) => version <= other,
        (">=", _) => version >= other,
        ("<", _) => {
            version < other
                && (other.is_early() || !version.is_early() || version.base() != other.base())
        }
        (">", _) => {
            version > other
                && (other.post.is_some()
                    || version.post.is_none()
                    || version.base() != other.base())
        }
        ("~=", _) => {
            let prefix = other
                .release
                .iter()
                .take(other.release.len().saturating_sub(1));
            let prefix: Vec<String> = prefix.map(u64::to_string).collect();
            version >= other && begins(&prefix.join("."))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_pep_440_says() {
        let sorted = [
            "1.0.dev1",
            "1.0a1.dev1",
            "1.0a1",
            "1.0b2",
            "1.0rc1",
            "1.0",
            "1.0+local",
            "1.0.post1",
            "1.0.1",
            "1.10",
            "1!0.1",
        ];
        for pair in sorted.windows(2) {
            assert!(
                Version::parse(pair[0]) < Version::parse(pair[1]),
                "{pair:?}"
            );
        }
        let same = |a, b| Version::parse(a).cmp(&Version::parse(b)).is_eq();
        assert!(same("1.0", "1") && same("v1.0-alpha.1", "1a1") && same("1.0-1", "1.0.post1"));
        assert_eq!(Version::parse("1.x"), None);
    }

    #[test]
    fn demands_are_met_or_not() {
        let fits = |version: &str, text: &str| {
            let wanted = Requirement::parse(&format!("x{text}")).unwrap();
            super::fits(version, &wanted.demands)
        };
        assert!(fits("1.4", ">=1.2,<2") && !fits("2.0", ">=1.2,<2"));
        assert!(fits("1.4.9", "~=1.4.2") && !fits("1.5", "~=1.4.2"));
        assert!(fits("1.4.9", "==1.4.*") && fits("1.4", "==1.4.0") && !fits("1.4.1", "!=1.4.*"));
        assert!(!fits("2.0rc1", ">=1") && fits("2.0rc1", ">=2.0a1"));
        assert!(fits("1.0+x", "==1.0") && fits("3", ""));
        assert_eq!(
            Requirement::parse("Name[a,b] (>=1) ; python_version > '3'")
                .unwrap()
                .name,
            "Name"
        );
        assert!(
            Requirement::parse("x=1").is_none() && Requirement::parse("git+https://x").is_none()
        );
    }
}
