//! Package repositories of apt: the lines of `sources.list` and its kin (`line.rs`), the stanzas of `.sources` files
//! (`stanza.rs`), and changing them (`modify.rs`) as Salt's `pkg.mod_repo` and `pkg.del_repo` do.

pub mod keys;

mod line;
mod modify;
mod stanza;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use line::Line;
pub use modify::Order;
pub use stanza::Stanza;

use super::fs::rewrite;

/// The main list.
pub const LIST: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";

/// One entry in whatever form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A line.
    Line(Line),
    /// A stanza.
    Stanza(Stanza),
}

/// One entry and the file that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub file: String,
    /// The entry.
    pub shape: Shape,
}

/// One repository as Salt shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repo {
    /// The file that it stands in.
    pub file: String,
    /// The components.
    pub comps: Vec<String>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The suite.
    pub dist: String,
    /// All suites of its entry.
    pub suites: Vec<String>,
    /// `deb` or `deb-src`.
    pub kind: String,
    /// All types of its entry.
    pub kinds: Vec<String>,
    /// Where it is.
    pub uri: String,
    /// All places of its entry.
    pub uris: Vec<String>,
    /// It as a line.
    pub line: String,
    /// The architectures.
    pub architectures: Vec<String>,
    /// The file of the key that signs it.
    pub signedby: String,
}

fn list(text: Option<&str>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',')
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Entry {
    /// Whether it is no repository.
    pub fn invalid(&self) -> bool {
        match &self.shape {
            Shape::Line(line) => line.invalid,
            Shape::Stanza(stanza) => stanza.field("Types").is_none_or(str::is_empty),
        }
    }

    /// `deb`, `deb-src`
    pub fn kinds(&self) -> Vec<String> {
        match &self.shape {
            Shape::Line(line) => vec![line.kind.clone()],
            Shape::Stanza(stanza) => stanza.words("Types"),
        }
    }

    /// Where it is.
    pub fn uris(&self) -> Vec<String> {
        match &self.shape {
            Shape::Line(line) => vec![line.uri.clone()],
            Shape::Stanza(stanza) => stanza.words("URIs"),
        }
    }

    /// The suites.
    pub fn suites(&self) -> Vec<String> {
        match &self.shape {
            Shape::Line(line) if line.dist.is_empty() => Vec::new(),
            Shape::Line(line) => vec![line.dist.clone()],
            Shape::Stanza(stanza) => stanza.words("Suites"),
        }
    }

    /// The components.
    pub fn comps(&self) -> Vec<String> {
        match &self.shape {
            Shape::Line(line) => line.comps.clone(),
            Shape::Stanza(stanza) => stanza.words("Components"),
        }
    }

    /// The architectures.
    pub fn architectures(&self) -> Vec<String> {
        match &self.shape {
            Shape::Line(line) => list(line.option("arch")),
            Shape::Stanza(stanza) => stanza.words("Architectures"),
        }
    }

    /// The file of the key that signs it.
    pub fn signedby(&self) -> String {
        match &self.shape {
            Shape::Line(line) => line.option("signed-by").unwrap_or_default().to_owned(),
            Shape::Stanza(stanza) => stanza.field("Signed-By").unwrap_or_default().to_owned(),
        }
    }

    /// Whether it is trusted without a key.
    pub fn trusted(&self) -> bool {
        let trusted = match &self.shape {
            Shape::Line(line) => line.option("trusted"),
            Shape::Stanza(stanza) => stanza.field("Trusted"),
        };
        trusted.is_some_and(is_yes)
    }

    /// Whether it is switched off.
    pub fn disabled(&self) -> bool {
        match &self.shape {
            Shape::Line(line) => line.disabled,
            Shape::Stanza(stanza) => stanza.field("Enabled").is_some_and(|e| !is_yes(e)),
        }
    }

    fn text(&self) -> String {
        match &self.shape {
            Shape::Line(line) => line.text(),
            Shape::Stanza(stanza) => stanza.text(),
        }
    }

    /// Each repository of the entry.
    pub fn repos(&self) -> Vec<Repo> {
        let mut repos = Vec::new();
        for uri in self.uris() {
            for dist in self.suites() {
                for kind in self.kinds() {
                    let line = match &self.shape {
                        Shape::Line(line) => line.raw.trim().to_owned(),
                        Shape::Stanza(_) => self.as_line(&kind, &uri, &dist).text(),
                    };
                    repos.push(Repo {
                        file: self.file.clone(),
                        comps: self.comps(),
                        disabled: self.disabled(),
                        dist: dist.clone(),
                        suites: self.suites(),
                        kind,
                        kinds: self.kinds(),
                        uri: uri.clone(),
                        uris: self.uris(),
                        line,
                        architectures: self.architectures(),
                        signedby: self.signedby(),
                    });
                }
            }
        }
        repos
    }

    fn as_line(&self, kind: &str, uri: &str, dist: &str) -> Line {
        let mut line = Line {
            kind: kind.to_owned(),
            uri: uri.to_owned(),
            dist: dist.to_owned(),
            comps: self.comps(),
            disabled: self.disabled(),
            ..Line::default()
        };
        line.set_option("arch", &self.architectures().join(","));
        line.set_option("signed-by", &self.signedby());
        if self.trusted() {
            line.set_option("trusted", "yes");
        }
        line
    }
}

/// Apt's idea of yes.
pub fn is_yes(text: &str) -> bool {
    matches!(
        text.to_ascii_lowercase().as_str(),
        "yes" | "true" | "with" | "on" | "enable" | "1"
    )
}

/// All entries of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    entries: Vec<Entry>,
}

impl Sources {
    /// Reads them; a file that cannot be read counts as empty, as apt itself would tell.
    pub fn read() -> Self {
        let mut files = vec![PathBuf::from(LIST)];
        let mut parts: Vec<_> = fs::read_dir(PARTS)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        parts.sort();
        files.extend(parts);
        let mut sources = Self::default();
        for file in files.iter().filter(|f| f.is_file()) {
            let name = file.to_string_lossy().into_owned();
            let text = fs::read_to_string(file).unwrap_or_default();
            sources.add_text(&name, &text);
        }
        sources
    }

    fn add_text(&mut self, file: &str, text: &str) {
        let shapes: Vec<Shape> = if file.ends_with(".sources") {
            let mut stanzas = vec![String::new()];
            for line in text.lines() {
                if line.trim().is_empty() {
                    stanzas.push(String::new());
                } else if let Some(last) = stanzas.last_mut() {
                    last.push_str(line);
                    last.push('\n');
                }
            }
            let stanzas = stanzas.iter().filter(|s| !s.is_empty());
            stanzas.map(|s| Shape::Stanza(Stanza::parse(s))).collect()
        } else if file.ends_with(".list") {
            text.lines().map(|l| Shape::Line(Line::parse(l))).collect()
        } else {
            return;
        };
        self.entries.extend(shapes.into_iter().map(|shape| Entry {
            file: file.to_owned(),
            shape,
        }));
    }

    /// Each repository that there is.
    pub fn repos(&self) -> Vec<Repo> {
        let valid = self.entries.iter().filter(|e| !e.invalid());
        valid.flat_map(Entry::repos).collect()
    }

    /// The repository that a line means.
    pub fn find(&self, line: &str) -> Option<Repo> {
        let wanted = Line::parse(line);
        let bare = |uri: &str| uri.trim_end_matches('/').to_owned();
        self.repos().into_iter().find(|repo| {
            repo.kind == wanted.kind
                && bare(&repo.uri) == bare(&wanted.uri)
                && repo.dist == wanted.dist
                && (wanted.comps.is_empty() || wanted.comps.iter().any(|c| repo.comps.contains(c)))
        })
    }

    /// Writes all files that have entries.
    pub fn save(&self) -> io::Result<()> {
        let mut files: Vec<(&str, String)> = Vec::new();
        for entry in &self.entries {
            let at = files.iter().position(|(f, _)| *f == entry.file);
            let at = at.unwrap_or_else(|| {
                files.push((&entry.file, String::new()));
                files.len() - 1
            });
            let text = &mut files[at].1;
            if matches!(entry.shape, Shape::Stanza(_)) && !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&entry.text());
            text.push('\n');
        }
        for (file, text) in files {
            let path = Path::new(file);
            if fs::read_to_string(path).is_ok_and(|old| old == text) {
                continue;
            }
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            rewrite(path, text.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// Takes the repository of a line out of its entries; the words for each file that it was in, empty when it was in
    /// none. A file of its own that is left without entries goes, too.
    pub fn remove(&mut self, repo: &str) -> io::Result<String> {
        let wanted = Line::parse(repo);
        let bare = |uri: &str| uri.trim_end_matches('/').to_owned();
        let architectures = list(wanted.option("arch"));
        let mut touched: Vec<String> = Vec::new();
        self.entries.retain_mut(|entry| {
            let is_it = !entry.invalid()
                && entry.kinds().contains(&wanted.kind)
                && entry.architectures() == architectures
                && entry.uris().iter().any(|u| bare(u) == bare(&wanted.uri))
                && entry.suites().contains(&wanted.dist);
            if !is_it {
                return true;
            }
            let (have, gone) = (entry.comps(), &wanted.comps);
            let same =
                have.iter().all(|c| gone.contains(c)) && gone.iter().all(|c| have.contains(c));
            let left: Vec<_> = have.iter().filter(|c| !gone.contains(c)).cloned().collect();
            if !same && left.len() == have.len() {
                return true;
            }
            if !touched.contains(&entry.file) {
                touched.push(entry.file.clone());
            }
            if same {
                let mut suites = entry.suites();
                suites.retain(|s| *s != wanted.dist);
                if let Shape::Stanza(stanza) = &mut entry.shape {
                    stanza.set("Suites", &suites.join(" "));
                }
                return !suites.is_empty();
            }
            match &mut entry.shape {
                Shape::Line(line) => line.comps.clone_from(&left),
                Shape::Stanza(stanza) => stanza.set("Components", &left.join(" ")),
            }
            !left.is_empty()
        });
        let mut words = String::new();
        for file in touched {
            let empty = !self.entries.iter().any(|e| e.file == file && !e.invalid());
            if empty && file.contains("sources.list.d/") {
                self.entries.retain(|e| e.file != file);
                fs::remove_file(&file)?;
                words += &format!("File {file} containing repo '{repo}' has been removed.");
            } else {
                if !self.entries.iter().any(|e| e.file == file) {
                    rewrite(Path::new(&file), b"", 0o644)?;
                }
                words += &format!("Repo '{repo}' has been removed from {file}.\n");
            }
        }
        self.save()?;
        Ok(words)
    }
}
