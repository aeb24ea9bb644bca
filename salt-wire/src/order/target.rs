//! Whom a signed order is for: an id or glob, a list of ids (`L@web1,web2`), or a grain (`G@level:staging`),
//! in the letters of Salt's compound targets.

use std::fmt;

use crate::value::{Map, Value};

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A glob (`*`, `?`) that the id must fit.
    Glob(String),
    /// Ids, as they are.
    List(Vec<String>),
    /// A grain, its path joined with colons, and a glob that its value must fit.
    Grain {
        /// `level`, or `deploy:level`.
        path: String,
        /// The glob.
        value: String,
    },
}

impl Target {
    /// Reads a target. Every text is one: what is no list and no grain is a glob.
    pub fn parse(text: &str) -> Self {
        if let Some(ids) = text.strip_prefix("L@") {
            let ids = ids.split(',').map(str::trim).filter(|id| !id.is_empty());
            return Self::List(ids.map(str::to_owned).collect());
        }
        if let Some((path, value)) = text.strip_prefix("G@").and_then(|t| t.rsplit_once(':')) {
            return Self::Grain {
                path: path.to_owned(),
                value: value.to_owned(),
            };
        }
        Self::Glob(text.to_owned())
    }

    /// Whether a minion with this id and these grains is meant.
    pub fn fits(&self, id: &str, grains: &Map) -> bool {
        match self {
            Self::Glob(glob) => fits(glob, id),
            Self::List(ids) => ids.iter().any(|listed| listed == id),
            Self::Grain { path, value } => grain(grains, path).is_some_and(|found| match found {
                Value::List(all) => all.iter().any(|one| fits_value(value, one)),
                one => fits_value(value, one),
            }),
        }
    }
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(glob) => f.write_str(glob),
            Self::List(ids) => write!(f, "L@{}", ids.join(",")),
            Self::Grain { path, value } => write!(f, "G@{path}:{value}"),
        }
    }
}

fn grain<'a>(grains: &'a Map, path: &str) -> Option<&'a Value> {
    let mut parts = path.split(':');
    let first = grains.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_map()?.get(part))
}

fn fits_value(glob: &str, value: &Value) -> bool {
    match value {
        Value::Str(text) => fits(glob, text),
        Value::Int(number) => fits(glob, &number.to_string()),
        // As Python prints them, and so as Salt compares them.
        Value::Bool(true) => fits(glob, "True"),
        Value::Bool(false) => fits(glob, "False"),
        _ => false,
    }
}

/// `*` is any text, `?` any character. Takes time in proportion to both lengths, whatever the stars.
fn fits(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match star {
                // Let the last star take one character more.
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    g = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn targets_come_back_and_fit() {
        let grains = map! {
            "level" => "staging",
            "roles" => vec!["web", "cache"],
            "deploy" => map! {"ring" => 2},
            "ipv6" => true,
        };
        for (text, meant) in [
            ("*", true),
            ("web?", true),
            ("db*", false),
            ("L@db1,web1", true),
            ("L@web*", false),
            ("L@", false),
            ("G@level:stag*", true),
            ("G@level:prod", false),
            ("G@roles:cache", true),
            ("G@deploy:ring:2", true),
            ("G@deploy:ring:3", false),
            ("G@ipv6:True", true),
            ("G@none:*", false),
            ("G@level", false),
        ] {
            let target = Target::parse(text);
            assert_eq!(target.to_string(), text);
            assert_eq!(target.fits("web1", &grains), meant, "{text}");
        }
    }

    #[test]
    fn globs_take_linear_time() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbXXc", true),
            ("a*b*c", "aXbXX", false),
            ("?", "ü", true),
            ("**a", "a", true),
        ] {
            assert_eq!(fits(glob, text), expected, "{glob} {text}");
        }
        assert!(!fits(&"*a".repeat(100), &"a".repeat(99)));
        assert!(!fits(&("*a".repeat(100) + "b"), &"a".repeat(250)));
    }
}
