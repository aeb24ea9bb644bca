//! INI files, changed without losing what else is in them: comments, blank lines, the order. What Salt's own reader
//! makes of odd lines is kept, since its files are read again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fancy_regex::Regex;
use indexmap::IndexMap;
use salt_wire::{Map, Value, map};

use super::charset::Charset;
use super::fs::rewrite;
use crate::python;

/// A value, or a section of them.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Text(String),
    Section(Section),
}

/// Keys and values; what is no setting has a key that begins with `#`.
#[derive(Debug, Clone, Default, PartialEq)]
struct Section(IndexMap<String, Item>);

/// How a file is written.
#[derive(Debug, Clone)]
pub struct Manner {
    /// What stands between key and value.
    pub separator: String,
    /// Without blanks around it.
    pub no_spaces: bool,
    /// Its encoding; UTF-8 unless said otherwise.
    pub encoding: Option<Charset>,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Ini {
    path: PathBuf,
    manner: Manner,
    top: Section,
}

fn compiled(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static HEADER: LazyLock<Option<Regex>> = LazyLock::new(|| compiled(r"(?m)^\s*\[(.+?)\]\s*$"));

/// A line that is only for people.
fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// Indentation, key and value of a line.
fn setting<'l>(line: &'l str, separator: &str) -> Option<(&'l str, &'l str, &'l str)> {
    let body = line.trim_start();
    let indent = &line[..line.len() - body.len()];
    // At least one letter is the key's, and blanks alone may be what separates.
    let first = body.chars().next()?.len_utf8();
    let at = first + body[first..].find(separator)?;
    let value = body[at + separator.len()..].trim_start();
    Some((indent, body[..at].trim_end(), value))
}

impl Section {
    fn read(text: &str, separator: &str) -> Self {
        let mut section = Self::default();
        let text = text.trim_matches('\n');
        if text.is_empty() {
            return section;
        }
        let (mut comments, mut unknown, mut indent) = (0, 0, String::new());
        for line in text.split('\n') {
            if is_comment(line) {
                comments += 1;
                section.put(format!("#comment{comments}"), line);
                continue;
            }
            let body = line.trim_start();
            let own = line[..line.len() - body.len()].replace('\t', "    ");
            if own > indent
                && let Some((_, Item::Text(value))) = section.0.last_mut()
            {
                value.push('\n');
                value.push_str(line);
                continue;
            }
            if let Some((before, name, value)) = setting(line, separator) {
                indent = before.replace('\t', "    ");
                section.put(name.to_owned(), value);
                continue;
            }
            unknown += 1;
            section.put(format!("#unknown{unknown}"), line);
        }
        section
    }

    fn put(&mut self, key: String, text: &str) {
        self.0.insert(key, Item::Text(text.to_owned()));
    }

    /// Makes room for a new key: in the place of the comment that holds it, if there is one.
    fn uncomment(&mut self, key: &str, separator: &str) {
        let place = self.0.iter().position(|(name, item)| {
            let Item::Text(text) = item else { return false };
            let plain = text.trim_start_matches('#');
            name.contains("#comment")
                && setting(plain, separator).is_some_and(|(_, name, _)| name == key)
        });
        match place {
            None => {
                self.put(key.to_owned(), "");
            }
            Some(at) => {
                self.0.shift_remove_index(at);
                self.0
                    .shift_insert(at, key.to_owned(), Item::Text(String::new()));
            }
        }
    }

    /// Sets values; what changed, before and after.
    fn update(&mut self, wanted: &Self, separator: &str) -> Map {
        let mut changes = Map::new();
        for (key, item) in &wanted.0 {
            // A section is taken over key by key, as Salt does, which may bring a comment to life.
            let item = match item {
                Item::Section(section) => {
                    let mut copy = Self::default();
                    copy.update(section, separator);
                    Item::Section(copy)
                }
                Item::Text(text) => Item::Text(text.clone()),
            };
            let change = |before: Value, item: &Item| -> Value {
                map! { "before" => before, "after" => item.plain() }.into()
            };
            match (self.0.get_mut(key), &item) {
                (None, _) => {
                    changes.insert(key.as_str().into(), change(Value::Null, &item));
                    if matches!(item, Item::Text(_)) {
                        self.uncomment(key, separator);
                    }
                    self.0.insert(key.clone(), item);
                }
                (Some(Item::Section(there)), Item::Section(section)) => {
                    let inner = there.update(section, separator);
                    if !inner.is_empty() {
                        changes.insert(key.as_str().into(), inner.into());
                    }
                }
                (Some(there), _) => {
                    if *there != item {
                        let before = there.plain();
                        changes.insert(key.as_str().into(), change(before, &item));
                        *there = item;
                    }
                }
            }
        }
        changes
    }

    fn write(&self, between: &str, out: &mut String) {
        for (name, item) in &self.0 {
            match item {
                Item::Text(text) if name.starts_with('#') => *out += &format!("{text}\n"),
                Item::Text(text) => *out += &format!("{name}{between}{text}\n"),
                Item::Section(_) => {}
            }
        }
        for (name, item) in &self.0 {
            if let Item::Section(section) = item {
                *out += &format!("\n[{name}]\n");
                section.write(between, out);
            }
        }
    }

    /// Without what is no setting.
    fn settings(&self) -> Map {
        let own = self.0.iter().filter(|(key, _)| !key.starts_with('#'));
        own.map(|(key, item)| {
            let value = match item {
                Item::Text(text) => text.as_str().into(),
                Item::Section(section) => section.settings().into(),
            };
            (key.as_str().into(), value)
        })
        .collect()
    }

    fn of(given: &Map) -> Self {
        let items = given.iter().map(|(key, value)| {
            let item = match value {
                Value::Map(section) => Item::Section(Self::of(section)),
                other => Item::Text(python::text(other)),
            };
            (python::text(key), item)
        });
        Self(items.collect())
    }
}

impl Item {
    fn plain(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Section(section) => {
                let all = section.0.iter();
                Value::Map(all.map(|(k, v)| (k.as_str().into(), v.plain())).collect())
            }
        }
    }
}

impl Ini {
    /// Reads a file; one that is not there is empty.
    pub fn read(path: &Path, manner: Manner) -> Result<Self, String> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(format!(
                    "Unable to open file '{}'. Exception: {error}",
                    path.display()
                ));
            }
        };
        let charset = manner.encoding.unwrap_or(Charset::Utf8 { mark: false });
        let text = charset
            .decode(&bytes)
            .map_err(|e| format!("{}: {e}", path.display()))?;
        let lines: Vec<&str> = text.lines().collect();
        let top = parse(&lines.join("\n"), &manner.separator);
        Ok(Self {
            path: path.to_owned(),
            manner,
            top,
        })
    }

    /// All settings, section by section.
    pub fn settings(&self) -> Map {
        self.top.settings()
    }

    /// Sets values; what changed.
    pub fn update(&mut self, wanted: &Map) -> Map {
        let separator = self.manner.separator.clone();
        self.top.update(&Section::of(wanted), &separator)
    }

    /// Takes an option away, of a section or outside of all; its value.
    pub fn remove_option(&mut self, section: &str, option: &str) -> Option<Value> {
        let items = match self.top.0.get_mut(section) {
            Some(Item::Section(section)) => &mut section.0,
            _ => &mut self.top.0,
        };
        items.shift_remove(option).map(|item| item.plain())
    }

    /// Takes a section away; its settings.
    pub fn remove_section(&mut self, name: &str) -> Option<Map> {
        match self.top.0.shift_remove(name)? {
            Item::Section(section) => Some(section.settings()),
            Item::Text(_) => None,
        }
    }

    fn text(&self) -> String {
        let separator = &self.manner.separator;
        let plain = separator.trim();
        let between = match (plain.is_empty(), self.manner.no_spaces) {
            (true, _) => " ".to_owned(),
            (_, true) => plain.to_owned(),
            _ => format!(" {plain} "),
        };
        let mut text = String::new();
        self.top.write(&between, &mut text);
        text.trim_start_matches('\n').to_owned()
    }

    /// Writes the file.
    pub fn write(&self) -> Result<(), String> {
        let charset = self
            .manner
            .encoding
            .unwrap_or(Charset::Utf8 { mark: false });
        let bytes = charset.encode(&self.text())?;
        rewrite(&self.path, &bytes, 0o644).map_err(|error| {
            let path = self.path.display();
            format!("Unable to write file '{path}'. Exception: {error}")
        })
    }
}

fn parse(text: &str, separator: &str) -> Section {
    let Some(header) = HEADER.as_ref() else {
        return Section::default();
    };
    let mut parts: Vec<(Option<String>, usize, usize)> = vec![(None, 0, text.len())];
    for found in header.captures_iter(text).flatten() {
        if let (Some(whole), Some(name)) = (found.get(0), found.get(1)) {
            if let Some(last) = parts.last_mut() {
                last.2 = whole.start();
            }
            parts.push((Some(name.as_str().to_owned()), whole.end(), text.len()));
        }
    }
    let mut top = Section::default();
    for (name, start, end) in parts {
        let section = Section::read(&text[start..end.max(start)], separator);
        match name {
            None => top = section,
            Some(name) => {
                let one = Section(IndexMap::from([(name, Item::Section(section))]));
                top.update(&one, separator);
            }
        }
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ini(text: &str, no_spaces: bool) -> Ini {
        let manner = Manner {
            separator: "=".to_owned(),
            no_spaces,
            encoding: None,
        };
        Ini {
            path: PathBuf::new(),
            top: parse(text, &manner.separator),
            manner,
        }
    }

    #[test]
    fn what_is_not_asked_for_stays() {
        let text = "# head\ntop=1\n\n[a]\n; why\nx = 1\n  more\n\nodd line\n[b]\n#y = 2\nz=3\n";
        let mut file = ini(text, false);
        assert_eq!(
            python::text(&file.settings().into()),
            "{'top': '1', 'a': {'x': '1\\n  more'}, 'b': {'z': '3'}}"
        );
        let changes =
            file.update(&map! { "b" => map! { "y" => 5, "z" => 3 }, "c" => map! { "n" => true } });
        assert_eq!(
            python::text(&changes.into()),
            "{'b': {'y': {'before': None, 'after': '5'}}, 'c': {'before': None, 'after': {'n': 'True'}}}"
        );
        assert_eq!(
            file.text(),
            "# head\ntop = 1\n\n[a]\n; why\nx = 1\n  more\n\nodd line\n\n[b]\ny = 5\nz = 3\n\n[c]\nn = True\n"
        );
        assert_eq!(file.remove_option("a", "none"), None);
        assert_eq!(file.remove_option("b", "z"), Some("3".into()));
        assert!(file.remove_section("a").is_some());
        assert!(!file.text().contains("odd line"));
    }

    #[test]
    fn blanks_around_the_separator_are_a_choice() {
        assert_eq!(ini("[a]\nx = 1", true).text(), "[a]\nx=1\n");
        assert_eq!(ini("", true).text(), "");
    }
}
