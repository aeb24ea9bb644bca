//! Putting a repository there, or changing the entry that is there.

use super::{Entry, LIST, Line, Repo, Shape, Sources, Stanza, is_yes, list};

/// What a repository should be, beyond what its line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The line.
    pub repo: String,
    /// The file for a new entry, and for one that moves.
    pub file: Option<String>,
    /// Components that are wanted instead of, or beside, those of the line.
    pub comps: Option<Vec<String>>,
    /// Architectures instead of those of the line.
    pub architectures: Option<Vec<String>>,
    /// Another suite, type or place.
    pub dist: Option<String>,
    /// See `dist`.
    pub uri: Option<String>,
    /// Whether it is to be off.
    pub disabled: Option<bool>,
    /// Whether it is to be trusted without a key.
    pub trusted: Option<bool>,
    /// A comment behind or above it.
    pub comments: Option<String>,
}

impl Order {
    fn line(&self) -> Line {
        Line::parse(&self.repo)
    }

    fn architectures(&self) -> Vec<String> {
        let of_line = || list(self.line().option("arch"));
        self.architectures.clone().unwrap_or_else(of_line)
    }

    /// The repository that will be there if it is made anew.
    pub fn expected(&self) -> Repo {
        let mut line = self.line();
        self.apply_to_line(&mut line);
        line.comment.clear();
        // Salt makes it of these only, in this order; of `trusted` only where it is an argument.
        let given = std::mem::take(&mut line.options);
        for name in ["arch", "signed-by", "trusted"] {
            let counts = name != "trusted" || self.trusted == Some(true);
            let option = given.iter().find(|(n, _)| n == name && counts);
            line.options.extend(option.cloned());
        }
        let file = self.file.clone().unwrap_or_else(|| LIST.to_owned());
        let entry = if file.ends_with(".sources") {
            Entry {
                shape: Shape::Stanza(stanza_of(&line)),
                file,
            }
        } else {
            line.raw = line.text();
            Entry {
                shape: Shape::Line(line),
                file,
            }
        };
        let text = entry.text();
        entry
            .repos()
            .into_iter()
            .next()
            .map(|repo| Repo { line: text, ..repo })
            .unwrap_or_default()
    }

    fn apply_to_line(&self, line: &mut Line) {
        if let Some(comps) = &self.comps {
            line.comps.clone_from(comps);
        }
        line.set_option("arch", &self.architectures().join(","));
        if let Some(dist) = &self.dist {
            line.dist.clone_from(dist);
        }
        if let Some(uri) = &self.uri {
            line.uri.clone_from(uri);
        }
        if let Some(disabled) = self.disabled {
            line.disabled = disabled;
        }
        if let Some(trusted) = self.trusted {
            line.set_option("trusted", if trusted { "yes" } else { "no" });
        }
    }
}

fn stanza_of(line: &Line) -> Stanza {
    let mut stanza = Stanza::default();
    stanza.set("Types", &line.kind);
    stanza.set("URIs", &line.uri);
    stanza.set("Suites", &line.dist);
    stanza.set("Components", &line.comps.join(" "));
    stanza.set("Architectures", &list(line.option("arch")).join(" "));
    stanza.set("Signed-By", line.option("signed-by").unwrap_or_default());
    if line.disabled {
        stanza.set("Enabled", "no");
    }
    if line.option("trusted").is_some_and(is_yes) {
        stanza.set("Trusted", "yes");
    }
    stanza
}

impl Sources {
    /// Carries an order out on the entries; `save` writes them. The error is Salt's.
    pub fn modify(&mut self, order: &Order, needs_key: bool) -> Result<(), String> {
        let wanted = order.line();
        if wanted.invalid {
            return Err(format!(
                "Name {} is not valid. This must be the complete repo entry as seen in the sources file",
                order.repo
            ));
        }
        let mut comps = wanted.comps.clone();
        for comp in order.comps.iter().flatten() {
            if !comps.contains(comp) {
                comps.push(comp.clone());
            }
        }
        let architectures = order.architectures();
        let bare = |uri: &str| uri.trim_end_matches('/').to_owned();
        let found = self.entries.iter().position(|entry| {
            let is_it = !entry.invalid()
                && entry.kinds().contains(&wanted.kind)
                && entry.uris().iter().any(|u| bare(u) == bare(&wanted.uri))
                && entry.suites().contains(&wanted.dist);
            let have = entry.comps();
            is_it
                && (have.is_empty()
                    || comps.iter().any(|c| have.contains(c))
                    || architectures != entry.architectures())
        });
        let Some(at) = found else {
            let is_trusted =
                wanted.option("trusted").is_some_and(is_yes) || order.trusted == Some(true);
            if needs_key && wanted.option("signed-by").is_none() && !is_trusted {
                return Err(
                    "missing 'signedby' or 'trusted' option when apt-key is missing".into(),
                );
            }
            let mut line = wanted;
            order.apply_to_line(&mut line);
            let file = order.file.clone().unwrap_or_else(|| LIST.to_owned());
            let shape = if file.ends_with(".sources") {
                let mut stanza = stanza_of(&line);
                if let Some(comments) = &order.comments {
                    stanza.header = vec![format!("#{comments}")];
                }
                Shape::Stanza(stanza)
            } else {
                if let Some(comments) = &order.comments {
                    line.comment.clone_from(comments);
                }
                Shape::Line(line)
            };
            self.entries.push(Entry { file, shape });
            return Ok(());
        };
        let entry = &mut self.entries[at];
        if let Some(file) = &order.file {
            entry.file.clone_from(file);
        }
        match &mut entry.shape {
            Shape::Line(line) => {
                // The options are those of the new line.
                line.options.clone_from(&wanted.options);
                line.uri.clone_from(&wanted.uri);
                if order.comps.is_none() {
                    line.comps = comps;
                }
                order.apply_to_line(line);
                if let Some(comments) = &order.comments {
                    line.comment.clone_from(comments);
                }
            }
            Shape::Stanza(stanza) => {
                let comps = order.comps.clone().unwrap_or(comps);
                stanza.set("Components", &comps.join(" "));
                stanza.set("Architectures", &architectures.join(" "));
                let key = wanted.option("signed-by").unwrap_or_default();
                stanza.set("Signed-By", key);
                match order.disabled {
                    Some(true) => stanza.set("Enabled", "no"),
                    Some(false) => stanza.set("Enabled", ""),
                    None => {}
                }
                if let Some(trusted) = order.trusted {
                    stanza.set("Trusted", if trusted { "yes" } else { "no" });
                }
                if let Some(uri) = &order.uri {
                    stanza.set("URIs", uri);
                }
                if let Some(comments) = &order.comments {
                    stanza.header = vec![format!("#{comments}")];
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add_text(LIST, text);
        sources
    }

    fn order(repo: &str) -> Order {
        Order {
            repo: repo.to_owned(),
            disabled: Some(false),
            ..Order::default()
        }
    }

    #[test]
    fn a_repository_is_added_and_changed() {
        let mut all = sources("# top\ndeb http://a s main\n");
        all.modify(&order("deb http://b/ s main contrib"), false)
            .unwrap();
        all.modify(&order("deb [arch=amd64] http://a s main extra"), false)
            .unwrap();
        let texts: Vec<_> = all.entries.iter().map(Entry::text).collect();
        assert_eq!(
            texts,
            [
                "# top",
                "deb [arch=amd64] http://a s main extra",
                "deb http://b/ s main contrib"
            ]
        );
        let error = all.modify(&order("deb http://c s main"), true).unwrap_err();
        assert!(error.contains("signedby"), "{error}");
        assert!(all.modify(&order("nonsense"), false).is_err());
        let found = all.find("deb http://b s contrib").unwrap();
        assert_eq!(
            (found.uri.as_str(), found.file.as_str()),
            ("http://b/", LIST)
        );
        assert_eq!(all.find("deb http://b s other"), None);
    }

    #[test]
    fn what_is_expected_is_what_will_be_there() {
        let mut wanted = order("deb [signed-by=/k.gpg] http://b s main");
        wanted.architectures = Some(vec!["amd64".into()]);
        let repo = wanted.expected();
        assert_eq!(
            repo.line,
            "deb [arch=amd64 signed-by=/k.gpg] http://b s main"
        );
        assert_eq!(repo.signedby, "/k.gpg");
        let mut all = Sources::default();
        all.modify(&wanted, true).unwrap();
        assert_eq!(
            all.entries[0].text(),
            "deb [signed-by=/k.gpg arch=amd64] http://b s main"
        );
    }
}
