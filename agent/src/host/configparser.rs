//! Data as Python's `configparser` writes and reads it: sections of keys and texts, with `%(name)s` in them.

use indexmap::IndexMap;
use salt_wire::{Map, Value};

use crate::python;

/// The section whose keys all others have.
const DEFAULT: &str = "DEFAULT";

/// How deep `%(name)s` may lead.
const DEEPEST: usize = 10;

/// Texts that name others several times grow with each step.
const LARGEST: usize = 16 << 20;

/// Keys with their texts; a key alone has none.
type Section = IndexMap<String, String>;

/// Data of sections as text, or why it is none.
pub fn write(data: &Value) -> Result<String, String> {
    let Value::Map(sections) = data else {
        return Err("configparser can only serialize dictionaries".into());
    };
    let mut text = String::new();
    // What all sections have stands first.
    let (first, rest): (Vec<_>, Vec<_>) = sections
        .iter()
        .partition(|(name, _)| name.as_str() == Some(DEFAULT));
    for (name, keys) in first.into_iter().chain(rest) {
        let name = python::text(name);
        let Value::Map(keys) = keys else {
            return Err(format!("section '{name}' is no dictionary"));
        };
        if name == DEFAULT && keys.is_empty() {
            continue;
        }
        text += &format!("[{name}]\n");
        let mut lines = Section::new();
        for (key, value) in keys {
            if value.is_null() {
                return Err("option values must be strings".into());
            }
            let value = python::text(value);
            lint(&value)?;
            lines.insert(python::text(key).to_lowercase(), value);
        }
        for (key, value) in lines {
            text += &format!("{key} = {}\n", value.replace('\n', "\n\t"));
        }
        text.push('\n');
    }
    Ok(text)
}

/// A `%` stands before another one or before `(name)s`.
fn lint(value: &str) -> Result<(), String> {
    let mut rest = value.replace("%%", "");
    while let Some(at) = rest.find("%(") {
        let Some(end) = rest[at..].find(")s") else {
            break;
        };
        rest.replace_range(at..at + end + 2, "");
    }
    match rest.find('%') {
        None => Ok(()),
        Some(at) => Err(format!(
            "invalid interpolation syntax in {} at position {at}",
            python::repr(&value.into())
        )),
    }
}

/// The sections of a text.
pub fn read(text: &str) -> Result<Map, String> {
    let mut sections: IndexMap<String, Section> = IndexMap::new();
    let mut defaults = Section::new();
    let mut section: Option<String> = None;
    let mut key: Option<(String, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let place = || format!("While reading from '<???>' [line {number:2}]: ");
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if let (Some(name), Some((option, level))) = (&section, &key)
            && (trimmed.is_empty() || indent > *level)
        {
            // Blank lines belong to a value that goes on below them.
            let keys = match name.as_str() {
                DEFAULT => Some(&mut defaults),
                name => sections.get_mut(name),
            };
            if let Some(value) = keys.and_then(|k| k.get_mut(option)) {
                value.push('\n');
                value.push_str(trimmed);
            }
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        if let Some(name) = trimmed
            .strip_prefix('[')
            .and_then(|t| t.rfind(']').map(|e| &t[..e]))
        {
            if name != DEFAULT && sections.contains_key(name) {
                return Err(format!("{}section '{name}' already exists", place()));
            }
            if name != DEFAULT {
                sections.insert(name.to_owned(), Section::new());
            }
            section = Some(name.to_owned());
            key = None;
            continue;
        }
        let Some(name) = section.clone() else {
            return Err(format!(
                "File contains no section headers.\nfile: '<???>', line: {number}\n{}",
                python::repr(&format!("{line}\n").into())
            ));
        };
        let Some((option, value)) = trimmed.split_once(['=', ':']) else {
            return Err(format!(
                "Source contains parsing errors: '<???>'\n\t[line {number:2}]: {}",
                python::repr(&format!("{line}\n").into())
            ));
        };
        let option = option.trim_end().to_lowercase();
        let keys = match name.as_str() {
            DEFAULT => &mut defaults,
            name => sections.entry(name.to_owned()).or_default(),
        };
        if keys.contains_key(&option) {
            return Err(format!(
                "{}option '{option}' in section '{name}' already exists",
                place()
            ));
        }
        keys.insert(option.clone(), value.trim().to_owned());
        key = Some((option, indent));
    }
    let mut all = Map::new();
    let mut left = LARGEST;
    for (name, own) in sections {
        let mut keys = defaults.clone();
        keys.extend(own);
        for value in keys.values_mut() {
            // Blank lines below a value are none of it.
            value.truncate(value.trim_end().len());
        }
        let mut shown = Map::new();
        for (key, value) in &keys {
            let place = Place {
                section: &name,
                key,
                keys: &keys,
            };
            let mut text = String::new();
            place.fill(&mut text, value, &mut left, 0)?;
            shown.insert(key.as_str().into(), text.into());
        }
        all.insert(name.into(), shown.into());
    }
    Ok(all)
}

/// The value that is being filled in.
struct Place<'a> {
    section: &'a str,
    key: &'a str,
    keys: &'a Section,
}

impl Place<'_> {
    /// Appends a text with what its `%(name)s` stand for. Whatever is read takes from `left`.
    fn fill(
        &self,
        out: &mut String,
        value: &str,
        left: &mut usize,
        depth: usize,
    ) -> Result<(), String> {
        let Self { section, key, keys } = self;
        if depth > DEEPEST {
            return Err(format!(
                "Recursion limit exceeded in value substitution: option '{key}' in section '{section}' contains an interpolation key which cannot be substituted in {DEEPEST} steps. Raw value: {}",
                python::repr(&value.into())
            ));
        }
        *left = left.checked_sub(value.len() + 1).ok_or_else(|| {
            format!(
                "option '{key}' in section '{section}' makes the values longer than {LARGEST} bytes"
            )
        })?;
        let mut rest = value;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                out.push('%');
                rest = after;
                continue;
            }
            let named = rest.strip_prefix('(').and_then(|r| r.split_once(")s"));
            let Some((name, after)) = named else {
                return Err(format!(
                    "'%' must be followed by '%' or '(', found: '%{rest}'"
                ));
            };
            let name = name.to_lowercase();
            let Some(other) = keys.get(&name) else {
                return Err(format!(
                    "Bad value substitution: option '{key}' in section '{section}' contains an interpolation key '{name}' which is not a valid option name. Raw value: {}",
                    python::repr(&value.into())
                ));
            };
            self.fill(out, other, left, depth + 1)?;
            rest = after;
        }
        out.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    // Each as Python 3.11's configparser gives it through Salt's serializer.
    #[test]
    fn sections_are_written_as_python_does() {
        let data = map! {
            "b" => map! { "Key" => 1, "two" => "x\ny", "pc" => "50%%" },
            "DEFAULT" => map! { "all" => true },
        };
        assert_eq!(
            write(&data.into()).unwrap(),
            "[DEFAULT]\nall = True\n\n[b]\nkey = 1\ntwo = x\n\ty\npc = 50%%\n\n"
        );
        assert!(write(&map! { "a" => map! { "k" => "50%" } }.into()).is_err());
        assert!(write(&"text".into()).is_err());
    }

    #[test]
    fn sections_are_read_as_python_does() {
        let text = "[DEFAULT]\nhome: /srv\n# no\n[a]\nDir = %(home)s/a\nlong = one\n  two\n\n  four\n\nlast=\n[b]\n";
        let read = read(text).unwrap();
        assert_eq!(
            python::text(&read.into()),
            "{'a': {'home': '/srv', 'dir': '/srv/a', 'long': 'one\\ntwo\\n\\nfour', 'last': ''}, 'b': {'home': '/srv'}}"
        );
        let blank = super::read("[a]\nx = 1\n\ny = <%(x)s>\n").unwrap();
        assert_eq!(python::text(&blank.into()), "{'a': {'x': '1', 'y': '<1>'}}");
        // Six steps of forty times the one before.
        let step = |n| format!("x{n} = {}\n", format!("%(x{})s", n + 1).repeat(40));
        let bomb: String = (0..6).map(step).collect();
        let silent = format!("[a]\n{bomb}x6 =\n");
        let bomb = format!("[a]\n{bomb}x6 = boom\n");
        for wrong in [
            "x = 1\n",
            "[a]\nno delimiter\n",
            "[a]\nx=1\nx=2\n",
            "[a]\n[a]\n",
            "[a]\nx=%(y)s\n",
            &bomb,
            &silent,
        ] {
            assert!(super::read(wrong).is_err(), "{wrong}");
        }
    }
}
