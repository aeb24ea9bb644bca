//! Files that name a master: user-data, templates, environment files. Whoever boots from one of them
//! tomorrow would go to yesterday's master.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// Larger files are no user-data.
const MAX_FILE: u64 = 4 << 20;
/// More than this is no folder of templates.
const MAX_FILES: usize = 100_000;
const MAX_DEPTH: usize = 32;
/// A line as it is shown.
const SHOWN: usize = 160;

/// A line that names the old master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its file.
    pub(crate) path: PathBuf,
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Its text, cut where it is long.
    pub(crate) text: String,
}

/// Every line below these folders that has one of these names as a whole word.
pub(crate) fn folders(folders: &[PathBuf], names: &[String]) -> Result<Vec<Named>> {
    if !folders.is_empty() && names.is_empty() {
        return Err(Error::new(Kind::Usage, "what is the old master called?")
            .hint("name it with --old HOST; its address too, if files have that"));
    }
    let mut found = Vec::new();
    let mut files = Vec::new();
    for folder in folders {
        collect(folder, 0, &mut files)?;
    }
    files.sort();
    for path in files {
        // A file that is no text names nobody.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (at, line) in text.lines().enumerate() {
            if names.iter().any(|name| names_it(line, name)) {
                found.push(Named {
                    path: path.clone(),
                    number: at + 1,
                    text: line.trim().chars().take(SHOWN).collect(),
                });
            }
        }
    }
    Ok(found)
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::new(
            Kind::Local,
            format!("cannot look through {}", path.display()),
        )
        .because(&e)
    };
    let kind = fs::symlink_metadata(path).map_err(failed)?;
    if kind.is_file() && kind.len() <= MAX_FILE {
        files.push(path.to_owned());
    }
    // Links are not followed: what they point to is found where it is, or is none of ours.
    if kind.is_dir() && path.file_name().is_none_or(|name| name != ".git") && depth < MAX_DEPTH {
        for entry in fs::read_dir(path).map_err(failed)? {
            collect(&entry.map_err(failed)?.path(), depth + 1, files)?;
            if files.len() > MAX_FILES {
                let text = format!("more than {MAX_FILES} files below {}", path.display());
                return Err(
                    Error::new(Kind::Usage, text).hint("name the folders with the templates")
                );
            }
        }
    }
    Ok(())
}

/// Whether a line has this name, and not only as a part of a longer one.
fn names_it(line: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let mut after = line[at + name.len()..].chars();
        let next = after.next();
        // A dot that ends a sentence or a name is no part of it.
        let ends = next.is_none_or(|c| !part(c) || (c == '.' && !after.next().is_some_and(part)));
        before.is_none_or(|c| !part(c)) && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_only() {
        for (line, hit) in [
            ("master: salt.example.org", true),
            ("  - salt.example.org:4506", true),
            ("master: [salt.example.org, b]", true),
            ("ask salt.example.org.", true),
            ("master: salt.example.org.lan", false),
            ("master: new-salt.example.org", false),
            ("master: xsalt.example.org", false),
            ("master: new", false),
        ] {
            assert_eq!(names_it(line, "salt.example.org"), hit, "{line}");
        }
        assert!(names_it("master: 10.0.0.1", "10.0.0.1"));
        assert!(!names_it("master: 10.0.0.12", "10.0.0.1"));
    }

    #[test]
    fn lines_are_found_with_their_place() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/.git")).unwrap();
        fs::write(
            dir.path().join("a/user-data"),
            "#cloud-config\nmaster: old\n",
        )
        .unwrap();
        fs::write(dir.path().join("a/.git/x"), "master: old\n").unwrap();
        fs::write(dir.path().join("image"), [0xff, 0xfe, 0]).unwrap();
        let folder = [dir.path().to_owned()];
        let found = folders(&folder, &["old".into()]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].number, found[0].text.as_str()),
            (2, "master: old")
        );
        assert!(folders(&folder, &[]).is_err());
        assert!(folders(&["/nonexistent".into()], &["old".into()]).is_err());
    }
}
