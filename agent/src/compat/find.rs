//! Which Python has Salt: the configured one, Salt's own package, what `salt-call` names in its first line, or the
//! distribution's. Nothing is started to find out.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::{Compat, CompatMode};
use crate::host::env;

/// Salt's own package, and the one of SUSE.
const BUNDLES: &[&str] = &[
    "opt/saltstack/salt/bin/python3",
    "usr/lib/venv-salt-minion/bin/python",
];

/// Programs of an installed Salt, whose first line names its Python.
const PROGRAMS: &[&str] = &["salt-call", "salt-minion"];

/// Where distributions put Salt for their own Python.
const PACKAGES: &[&str] = &["usr/lib/python3/dist-packages/salt/__init__.py"];

/// Where to look.
pub struct Place {
    /// The root of the file system.
    pub root: PathBuf,
    /// Directories of programs.
    pub path: Vec<PathBuf>,
}

impl Place {
    /// This machine.
    pub fn here() -> Self {
        let path = env::var("PATH").unwrap_or_default();
        Self {
            root: PathBuf::from("/"),
            path: std::env::split_paths(&path).collect(),
        }
    }
}

/// The Python to start, or why none is started and what to do.
pub fn find(settings: &Compat, place: &Place) -> Result<PathBuf, String> {
    if settings.mode == CompatMode::Off {
        return Err("the compat worker is off (option agent: compat)".to_owned());
    }
    if let Some(python) = &settings.python {
        // An environment will do, too.
        let candidates = [
            python.join("bin/python3"),
            python.join("bin/python"),
            python.clone(),
        ];
        return candidates.into_iter().find(|p| p.is_file()).ok_or_else(|| {
            format!(
                "{} is no Python and no environment of one (option agent: compat: python)",
                python.display()
            )
        });
    }
    let mut bundles = BUNDLES.iter().map(|b| place.root.join(b));
    if let Some(python) = bundles.find(|p| p.is_file()) {
        return Ok(python);
    }
    let mut programs = place
        .path
        .iter()
        .flat_map(|dir| PROGRAMS.iter().map(move |p| dir.join(p)));
    if let Some(python) = programs.find_map(|p| interpreter(&p)) {
        return Ok(python);
    }
    let python = place.root.join("usr/bin/python3");
    if PACKAGES.iter().any(|p| place.root.join(p).is_file()) && python.is_file() {
        return Ok(python);
    }
    Err(
        "no Salt was found on this machine: install salt-minion's package, or name its Python in \
         agent: {compat: {python: …}}"
            .to_owned(),
    )
}

/// The Python in a script's first line; our own links are no scripts.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut start = [0; 256];
    let read = std::fs::File::open(program).ok()?.read(&mut start).ok()?;
    let line = std::str::from_utf8(start[..read].split(|b| *b == b'\n').next()?).ok()?;
    let python = Path::new(line.strip_prefix("#!")?.split_whitespace().next()?);
    let name = python.file_name()?.to_str()?;
    (python.is_absolute() && name.starts_with("python") && python.is_file())
        .then(|| python.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: CompatMode) -> Compat {
        Compat {
            mode,
            ..Compat::default()
        }
    }

    fn write(root: &Path, path: &str, text: &str) -> PathBuf {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn each_place_is_looked_at_in_turn() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let place = Place {
            root: root.to_owned(),
            path: vec![root.join("bin")],
        };
        let auto = settings(CompatMode::Auto);
        assert!(
            find(&auto, &place)
                .unwrap_err()
                .contains("no Salt was found")
        );
        write(root, "usr/lib/python3/dist-packages/salt/__init__.py", "");
        assert!(find(&auto, &place).is_err(), "a package without a Python");
        let debian = write(root, "usr/bin/python3", "");
        assert_eq!(find(&auto, &place).unwrap(), debian);
        // Another program's script, and a link to ourselves, name no Python.
        write(root, "bin/salt-minion", "#!/bin/sh\n");
        write(root, "bin/salt-call", "\x7fELF");
        assert_eq!(find(&auto, &place).unwrap(), debian);
        let own = write(root, "venv/bin/python3.11", "");
        write(root, "bin/salt-call", &format!("#!{} -s\n", own.display()));
        assert_eq!(find(&auto, &place).unwrap(), own);
        let onedir = write(root, BUNDLES[0], "");
        assert_eq!(find(&auto, &place).unwrap(), onedir);
    }

    #[test]
    fn what_is_configured_counts_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            root: dir.path().to_owned(),
            path: Vec::new(),
        };
        let python = write(dir.path(), "venv/bin/python3", "");
        let mut set = settings(CompatMode::Auto);
        set.python = Some(dir.path().join("venv"));
        assert_eq!(find(&set, &place).unwrap(), python);
        set.python = Some(python.clone());
        assert_eq!(find(&set, &place).unwrap(), python);
        set.python = Some(dir.path().join("nothing"));
        assert!(find(&set, &place).unwrap_err().contains("nothing"));
        set.mode = CompatMode::Off;
        assert!(find(&set, &place).unwrap_err().contains("is off"));
    }
}
