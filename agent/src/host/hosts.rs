//! The table of host names (`/etc/hosts`), read and written as Salt does: comments stay, an address has one line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use salt_wire::{Map, Value};

use super::fs::rewrite;

/// What stands behind an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Its names.
    pub aliases: Vec<String>,
    /// The comment at the end of its line.
    pub comment: Option<String>,
}

/// One entry of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A line that is a comment.
    Comment(String),
    /// The names of an address.
    Names(Names),
}

/// The table, by address; comments have keys of their own (`comment-0`).
pub type Table = IndexMap<String, Entry>;

/// The file that holds the table.
pub struct Hosts {
    path: PathBuf,
}

impl Hosts {
    /// The table in this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The table of the file that the options name (`hosts.file`).
    pub fn configured(opts: &Map) -> Self {
        let file = opts.get("hosts.file").and_then(Value::as_str);
        Self::new(file.unwrap_or("/etc/hosts"))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn text(&self) -> io::Result<String> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(e),
        }
    }

    /// The whole table.
    pub fn read(&self) -> io::Result<Table> {
        Ok(parse(&self.text()?))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        rewrite(&self.path, text.as_bytes(), 0o644)
    }

    /// The names of an address.
    pub fn names(&self, ip: &str) -> io::Result<Option<Names>> {
        Ok(match self.read()?.swap_remove(ip) {
            Some(Entry::Names(names)) => Some(names),
            _ => None,
        })
    }

    /// Whether an address has this name.
    pub fn has(&self, ip: &str, alias: &str) -> io::Result<bool> {
        let names = self.names(ip)?;
        Ok(names.is_some_and(|n| n.aliases.iter().any(|a| a == alias)))
    }

    /// Gives an address one more name.
    pub fn add(&self, ip: &str, alias: &str) -> io::Result<()> {
        if self.has(ip, alias)? {
            return Ok(());
        }
        let mut table = self.read()?;
        let entry = table
            .entry(ip.to_owned())
            .or_insert_with(|| Entry::Names(Names::default()));
        if let Entry::Names(names) = entry {
            names.aliases.push(alias.to_owned());
        }
        self.write(&render(&table))
    }

    /// Sets the comment of an address; false when the address is not there.
    pub fn set_comment(&self, ip: &str, comment: &str) -> io::Result<bool> {
        let mut table = self.read()?;
        let Some(Entry::Names(names)) = table.get_mut(ip) else {
            return Ok(false);
        };
        if names.comment.as_deref() != Some(comment) {
            names.comment = Some(comment.to_owned());
            self.write(&render(&table))?;
        }
        Ok(true)
    }

    /// Sets all names of an address at once; none removes its lines.
    pub fn set(&self, ip: &str, alias: &str, comment: Option<&str>) -> io::Result<()> {
        let line = match comment {
            _ if alias.trim().is_empty() => String::new(),
            Some(comment) if !comment.is_empty() => format!("{ip}\t\t{alias}\t\t# {comment}\n"),
            _ => format!("{ip}\t\t{alias}\n"),
        };
        let mut done = false;
        let mut text = String::new();
        for old in self.text()?.split_inclusive('\n') {
            if address(old) != Some(ip) {
                text += old;
            } else if !std::mem::replace(&mut done, true) {
                text += &line;
            }
        }
        if !done {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text += &line;
        }
        self.write(&text)
    }

    /// Takes a name from an address; the line of an address without names goes.
    pub fn remove(&self, ip: &str, alias: &str) -> io::Result<()> {
        if !self.has(ip, alias)? {
            return Ok(());
        }
        let mut text = String::new();
        for old in self.text()?.split_inclusive('\n') {
            if address(old) != Some(ip) {
                text += old;
                continue;
            }
            let (names, comment) = match old.trim().split_once('#') {
                Some((names, comment)) => (names, Some(comment.trim_start())),
                None => (old.trim(), None),
            };
            let left: Vec<_> = names
                .split_whitespace()
                .skip(1)
                .filter(|n| *n != alias)
                .collect();
            if left.is_empty() {
                continue;
            }
            text += &format!("{ip}\t\t{} ", left.join(" "));
            if let Some(comment) = comment.filter(|c| !c.is_empty()) {
                text += &format!("# {comment}");
            }
            text.push('\n');
        }
        self.write(&text)
    }
}

/// The address of a line that has one.
fn address(line: &str) -> Option<&str> {
    let line = line.trim();
    (!line.starts_with('#'))
        .then(|| line.split_whitespace().next())
        .flatten()
}

fn parse(text: &str) -> Table {
    let mut table = Table::new();
    let mut count = 0;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if line.starts_with('#') {
            table.insert(format!("comment-{count}"), Entry::Comment(line.to_owned()));
            count += 1;
            continue;
        }
        let (names, comment) = match line.split_once('#') {
            Some((names, comment)) => (names.trim(), Some(comment.trim_start())),
            None => (line, None),
        };
        let mut words = names.split_whitespace().map(str::to_owned);
        let Some(ip) = words.next() else { continue };
        let entry = table
            .entry(ip)
            .or_insert_with(|| Entry::Names(Names::default()));
        if let Entry::Names(known) = entry {
            known.aliases.extend(words);
            if let Some(comment) = comment.filter(|c| !c.is_empty()) {
                known.comment = Some(comment.to_owned());
            }
        }
    }
    table
}

fn render(table: &Table) -> String {
    let mut text = String::new();
    for (ip, entry) in table {
        let line = match entry {
            Entry::Comment(line) => line.clone(),
            Entry::Names(names) => match &names.comment {
                Some(comment) => format!("{ip}\t\t{}\t\t# {comment}", names.aliases.join(" ")),
                None => format!("{ip}\t\t{}", names.aliases.join(" ")),
            },
        };
        text += line.trim();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# top\n127.0.0.1 localhost\n\n10.0.0.1 a b # both\n10.0.0.1 c\n";

    #[test]
    fn names_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts::new(dir.path().join("hosts"));
        hosts.add("10.0.0.9", "fresh").unwrap();
        assert_eq!(hosts.text().unwrap(), "10.0.0.9\t\tfresh\n");
        fs::write(hosts.path(), TEXT).unwrap();
        let names = hosts.names("10.0.0.1").unwrap().unwrap();
        assert_eq!(names.aliases, ["a", "b", "c"]);
        assert_eq!(names.comment.as_deref(), Some("both"));
        hosts.add("10.0.0.2", "d").unwrap();
        assert_eq!(
            hosts.text().unwrap(),
            "# top\n127.0.0.1\t\tlocalhost\n10.0.0.1\t\ta b c\t\t# both\n10.0.0.2\t\td\n"
        );
        hosts.remove("10.0.0.1", "b").unwrap();
        hosts.remove("10.0.0.2", "d").unwrap();
        assert_eq!(
            hosts.text().unwrap(),
            "# top\n127.0.0.1\t\tlocalhost\n10.0.0.1\t\ta c # both\n"
        );
        hosts.set("10.0.0.1", "x y", None).unwrap();
        hosts.set("10.0.0.3", "z", Some("why")).unwrap();
        assert!(hosts.set_comment("127.0.0.1", "self").unwrap());
        assert!(!hosts.set_comment("127.9.9.9", "none").unwrap());
        assert_eq!(
            hosts.text().unwrap(),
            "# top\n127.0.0.1\t\tlocalhost\t\t# self\n10.0.0.1\t\tx y\n10.0.0.3\t\tz\t\t# why\n"
        );
    }
}
