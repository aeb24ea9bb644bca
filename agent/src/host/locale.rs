//! Locales: the machine's own, those that are there, and making more, as Debian and systemd keep them.

use std::fs;
use std::path::Path;

use super::env;
use super::fs::{edit_lines, rewrite};
use super::program::Programs;
use super::service::booted;

type Result<T> = std::result::Result<T, String>;

const DEBIAN: &str = "/etc/default/locale";
const SYSTEMD: &str = "/etc/locale.conf";
const WANTED: &str = "/etc/locale.gen";
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";

/// A locale's name taken apart: `language_territory.codeset@modifier charmap`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    language: String,
    territory: String,
    codeset: String,
    modifier: String,
    charmap: String,
}

impl Parts {
    /// Takes a name apart.
    pub fn of(name: &str) -> Self {
        let split = |text: &str, at: char| -> (String, String) {
            let (a, b) = text.split_once(at).unwrap_or((text, ""));
            (a.to_owned(), b.to_owned())
        };
        let (rest, charmap) = split(name, ' ');
        let (rest, modifier) = split(&rest, '@');
        let (rest, codeset) = split(&rest, '.');
        let (language, territory) = split(&rest, '_');
        Self {
            language,
            territory,
            codeset,
            modifier,
            charmap,
        }
    }

    /// The name again.
    pub fn join(&self) -> String {
        let mut name = self.language.clone();
        for (sign, part) in [
            ('_', &self.territory),
            ('.', &self.codeset),
            ('@', &self.modifier),
            (' ', &self.charmap),
        ] {
            if !part.is_empty() {
                name.push(sign);
                name += part;
            }
        }
        name
    }

    /// The form in which names of one locale are equal.
    fn normal(mut self) -> String {
        self.territory = self.territory.to_uppercase();
        self.codeset = self.codeset.to_lowercase().replace('-', "");
        self.charmap.clear();
        self.join()
    }
}

/// The locales that programs can use.
pub fn available(programs: &Programs<'_>) -> Result<Vec<String>> {
    let said = programs.run(&["locale", "-a"])?;
    Ok(said.stdout.lines().map(str::to_owned).collect())
}

/// Whether programs can use this one.
pub fn is_available(programs: &Programs<'_>, name: &str) -> Result<bool> {
    let wanted = Parts::of(name).normal();
    let all = available(programs)?;
    Ok(all.iter().any(|l| Parts::of(l.trim()).normal() == wanted))
}

/// The machine's locale; empty when none is set.
pub fn current(programs: &Programs<'_>) -> Result<String> {
    if !booted() {
        let text = fs::read_to_string(DEBIAN).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("LANG="));
        return Ok(line.unwrap_or_default().replace('"', ""));
    }
    if env::which("localectl").is_none() {
        return Err("Unable to find \"localectl\"".to_owned());
    }
    let said = programs.run(&["localectl", "status"])?;
    if said.stderr.contains("Failed to connect to bus") {
        return Err("Command \"localectl\" is in a degraded state.".to_owned());
    }
    let set = said.stdout.lines().find_map(|l| {
        let value = l.trim().trim_start_matches("System Locale:").trim();
        value.strip_prefix("LANG=")
    });
    Ok(set.unwrap_or_default().to_owned())
}

/// Sets the machine's locale. `release` is Debian's number where it is Debian.
pub fn set(programs: &Programs<'_>, name: &str, release: Option<i64>) -> Result<bool> {
    // Since 13 Debian's systemd no longer writes its own file.
    if booted() && release.is_none_or(|r| r < 13) {
        let said = programs.run(&["localectl", "set-locale", &format!("LANG={name}")])?;
        if !said.fine() {
            set_line(Path::new(SYSTEMD), &format!("LANG={name}"))?;
        }
        return Ok(true);
    }
    if env::which("update-locale").is_none() {
        return Err("Cannot set locale: \"update-locale\" was not found.".to_owned());
    }
    programs.run(&["update-locale"])?;
    set_line(Path::new(DEBIAN), &format!("LANG=\"{name}\""))?;
    Ok(true)
}

/// Puts a line in the place of those that set the same variable, or behind all.
fn set_line(path: &Path, line: &str) -> Result<()> {
    let ours = |old: &str| old.starts_with("LANG=").then(|| line.to_owned());
    edit_lines(path, ours, Some(line))
}

/// Makes a locale; false when there is none of that name, or when it failed.
pub fn generate(programs: &Programs<'_>, name: &str, ubuntu: bool) -> Result<bool> {
    let mut parts = Parts::of(name);
    if parts.charmap.is_empty() && !ubuntu {
        parts.charmap.clone_from(&parts.codeset);
    }
    let full = if ubuntu {
        name.to_owned()
    } else {
        parts.join()
    };
    let short = format!("{}_{}", parts.language, parts.territory);
    let is_known = if ubuntu {
        Path::new("/usr/share/i18n/locales").join(&short).exists()
    } else {
        fs::read_to_string(SUPPORTED)
            .map_err(|e| format!("{SUPPORTED}: {e}"))?
            .lines()
            .any(|l| l == full)
    };
    if !is_known {
        return Ok(false);
    }
    let list = Path::new(WANTED);
    if let Ok(old) = fs::read_to_string(list) {
        let mut done = false;
        let mut new = String::new();
        for line in old.lines() {
            let bare = line.trim_start_matches(['#', ' ', '\t']).trim_end();
            let ours = bare == full;
            if !ours || !done {
                new += if ours { &full } else { line };
                new.push('\n');
            }
            done |= ours;
        }
        if !done {
            new += &full;
            new.push('\n');
        }
        if new != old {
            rewrite(list, new.as_bytes(), 0o644).map_err(|e| format!("{WANTED}: {e}"))?;
        }
    }
    let said = if env::which("locale-gen").is_some() {
        let word = if ubuntu {
            Parts::of(name).normal()
        } else {
            full
        };
        programs.run(&["locale-gen", &word])?
    } else if env::which("localedef").is_some() {
        let target = format!("{short}.{}", parts.codeset);
        programs.run(&[
            "localedef",
            "--force",
            "-i",
            &short,
            "-f",
            &parts.codeset,
            &target,
            "--quiet",
        ])?
    } else {
        return Err("Command \"locale-gen\" or \"localedef\" was not found on this system.".into());
    };
    Ok(said.fine())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_locale_are_equal() {
        let normal = |name: &str| Parts::of(name).normal();
        assert_eq!(normal("en_us.UTF-8 UTF-8"), normal("en_US.utf8"));
        assert_ne!(normal("de_DE@euro"), normal("de_DE"));
        assert_eq!(Parts::of("ca_ES.UTF-8@v x").join(), "ca_ES.UTF-8@v x");
    }

    #[test]
    fn a_line_takes_the_place_of_its_like() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("locale");
        set_line(&file, "LANG=a").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "LANG=a\n");
        fs::write(&file, "# top\nLANG=b\nLC_ALL=c\n").unwrap();
        set_line(&file, "LANG=d").unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "# top\nLANG=d\nLC_ALL=c\n"
        );
    }
}
