//! A line of `sources.list`: `deb [options] uri suite components`.

use std::sync::LazyLock;

use regex::Regex;

/// One line, taken apart as far as it is one of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// As it was written.
    pub raw: String,
    /// No repository: an empty line, a comment, something else.
    pub invalid: bool,
    /// Behind a `#`.
    pub disabled: bool,
    /// `deb` or `deb-src`.
    pub kind: String,
    /// Options by name, in order.
    pub options: Vec<(String, String)>,
    /// Where it is.
    pub uri: String,
    /// The suite.
    pub dist: String,
    /// The components.
    pub comps: Vec<String>,
    /// What stands behind a second `#`.
    pub comment: String,
}

static OPTIONS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[(.*?=.*?)\]").ok());

impl Line {
    /// Takes a line apart.
    pub fn parse(raw: &str) -> Self {
        let mut line = Self {
            raw: raw.to_owned(),
            invalid: true,
            ..Self::default()
        };
        let mut text = raw.trim();
        if let Some(rest) = text.strip_prefix('#') {
            line.disabled = true;
            text = rest;
        }
        if let Some(at) = text.find('#').filter(|at| *at > 0) {
            line.comment = text[at + 1..].to_owned();
            text = &text[..at];
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_repo = words.len() >= 3 && matches!(words[0], "deb" | "deb-src" | "rpm" | "rpm-src");
        if !is_repo || words[1].starts_with('[') && !words.iter().any(|w| w.ends_with(']')) {
            return line;
        }
        let mut rest: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        if words[1].starts_with('[') {
            let inside = OPTIONS
                .as_ref()
                .and_then(|r| r.captures(text))
                .map_or(String::new(), |c| c[1].trim_matches(['[', ']']).to_owned());
            let given: Vec<&str> = inside.split_whitespace().collect();
            line.options = options(&given);
            rest = rest
                .iter()
                .map(|w| w.trim_matches(['[', ']']).to_owned())
                .filter(|w| !w.is_empty() && !given.contains(&w.as_str()))
                .collect();
        }
        let [kind, uri, dist, comps @ ..] = rest.as_slice() else {
            return line;
        };
        line.invalid = false;
        line.kind.clone_from(kind);
        line.uri.clone_from(uri);
        line.dist.clone_from(dist);
        line.comps = comps.to_vec();
        line
    }

    /// An option.
    pub fn option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets an option in its place, or behind the others; an empty one goes.
    pub fn set_option(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.options.retain(|(n, _)| n != name);
        } else if let Some((_, old)) = self.options.iter_mut().find(|(n, _)| n == name) {
            value.clone_into(old);
        } else {
            self.options.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The line as it is to be written, without its end.
    pub fn text(&self) -> String {
        if self.invalid {
            return self.raw.trim().to_owned();
        }
        let mut words = Vec::new();
        if self.disabled {
            words.push("#".to_owned());
        }
        words.push(self.kind.clone());
        let options: Vec<_> = self
            .options
            .iter()
            .filter(|(name, value)| name != "trusted" || value != "no")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !options.is_empty() {
            words.push(format!("[{}]", options.join(" ")));
        }
        words.extend([self.uri.clone(), self.dist.clone(), self.comps.join(" ")]);
        if !self.comment.is_empty() {
            words.push(format!("#{}", self.comment));
        }
        words.join(" ").trim().to_owned()
    }
}

fn options(given: &[&str]) -> Vec<(String, String)> {
    given
        .iter()
        .filter_map(|option| option.split_once('='))
        .map(|(name, value)| {
            let name = if name.starts_with("arch") {
                "arch"
            } else {
                name
            };
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_apart_and_together() {
        for text in [
            "deb http://a.example/debian stable main contrib",
            "# deb-src [arch=amd64,arm64 signed-by=/k.gpg] http://a/ suite/ main",
            "deb [trusted=yes] file:/srv/repo ./",
            "# only words",
        ] {
            assert_eq!(Line::parse(text).text(), text);
        }
        let line = Line::parse("deb [ arch=amd64 ] http://a s main # why\n");
        assert_eq!(line.option("arch"), Some("amd64"));
        assert_eq!((line.dist.as_str(), line.comment.as_str()), ("s", " why"));
        assert!(Line::parse("deb http://a").invalid);
        assert!(Line::parse("deb [arch=amd64 http://a s main").invalid);
    }
}
