//! Archives, by the system's own programs: what is in them, and taking it out.

use std::path::Path;

use super::exec::Command;
use super::program::Programs;

type Result<T> = std::result::Result<T, String>;

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `tar`, however compressed.
    Tar,
    /// `zip`.
    Zip,
    /// `rar`.
    Rar,
}

impl Kind {
    /// The kind that a word names.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word.to_lowercase().as_str() {
            "tar" => Self::Tar,
            "zip" => Self::Zip,
            "rar" => Self::Rar,
            _ => return None,
        })
    }

    /// The kind that a file's name tells.
    pub fn guess(name: &str) -> Option<Self> {
        const TAR: [&str; 10] = [
            ".tar",
            ".tar.gz",
            ".tgz",
            ".tar.bz2",
            ".tbz2",
            ".tbz",
            ".tar.xz",
            ".txz",
            ".tar.lzma",
            ".tlz",
        ];
        let name = name.to_lowercase();
        if TAR.iter().any(|end| name.ends_with(end)) {
            Some(Self::Tar)
        } else if name.ends_with(".zip") {
            Some(Self::Zip)
        } else {
            name.ends_with(".rar").then_some(Self::Rar)
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Zip => "zip",
            Self::Rar => "rar",
        }
    }
}

/// What is in an archive, sorted; directories end in a slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Directories, those too that only files' names tell.
    pub dirs: Vec<String>,
    /// Files.
    pub files: Vec<String>,
    /// Symbolic links.
    pub links: Vec<String>,
    /// Names in the order of the archive, without slashes at their ends.
    pub members: Vec<String>,
}

impl Contents {
    fn add(&mut self, name: &str, kind: char) {
        self.members.push(name.trim_end_matches('/').to_owned());
        match kind {
            'd' => self.dirs.push(format!("{}/", name.trim_end_matches('/'))),
            'l' => self.links.push(name.to_owned()),
            _ => self.files.push(name.to_owned()),
        }
    }

    fn finish(mut self, strip: usize) -> Self {
        for list in [&mut self.dirs, &mut self.files, &mut self.links] {
            if strip > 0 {
                for name in list.iter_mut() {
                    *name = name
                        .splitn(strip + 1, '/')
                        .nth(strip)
                        .unwrap_or_default()
                        .to_owned();
                }
                list.retain(|name| !name.is_empty());
            }
            list.sort();
            list.dedup();
        }
        self
    }

    /// The directories at the top, one that is only the beginning of all names included.
    pub fn top_dirs(&self) -> Vec<String> {
        let mut top: Vec<_> = self
            .dirs
            .iter()
            .filter(|d| d.matches('/').count() == 1)
            .cloned()
            .collect();
        let mut all = self.dirs.iter().chain(&self.files).chain(&self.links);
        if let Some(first) = all.next()
            && let Some((head, _)) = first.split_once('/')
        {
            let head = format!("{head}/");
            let common = self
                .dirs
                .iter()
                .chain(&self.files)
                .chain(&self.links)
                .all(|n| n.starts_with(&head));
            if common && !top.contains(&head) {
                top.push(head);
            }
        }
        top
    }

    /// The names of a list without a slash.
    pub fn top(list: &[String]) -> Vec<String> {
        list.iter().filter(|n| !n.contains('/')).cloned().collect()
    }
}

fn failed(what: &str, path: &Path, said: &str) -> String {
    format!("Unable to {what} {}: {said}", path.display())
}

/// The names of a zip's entries, one after the other as they are in it.
pub fn zip_names(programs: &Programs<'_>, path: &Path) -> Result<Vec<String>> {
    let said = programs.run(&["unzip", "-Z", "-1", &path.to_string_lossy()])?;
    if !said.fine() {
        return Err(format!("{} is not a ZIP file", path.display()));
    }
    Ok(said.stdout.lines().map(str::to_owned).collect())
}

/// What is in an archive. `strip` leaves out that many leading parts of each name.
pub fn list(programs: &Programs<'_>, path: &Path, kind: Kind, strip: usize) -> Result<Contents> {
    let file = path.to_string_lossy();
    let mut contents = Contents::default();
    match kind {
        Kind::Tar => {
            // Once for the names, once for the kinds: a name may hold what the long form puts between its columns.
            let quoting = "--quoting-style=literal";
            let names = programs.run(&["tar", "--list", quoting, "--file", &file])?;
            if !names.fine() {
                return Err(failed("list contents of", path, names.complaint()));
            }
            let long = programs.run(&["tar", "--list", "--verbose", quoting, "--file", &file])?;
            for (name, line) in names.stdout.lines().zip(long.stdout.lines()) {
                contents.add(name, line.chars().next().unwrap_or('-'));
            }
        }
        Kind::Zip => {
            let names = zip_names(programs, path)?;
            let long = programs.run(&["unzip", "-Z", "-s", "-h", &file])?;
            let kinds = long
                .stdout
                .lines()
                .filter(|l| l.len() > 10 && l[..10].chars().all(|c| "dlrwxst-?SaTt".contains(c)));
            let mut kinds: Vec<char> = kinds.map(|l| l.chars().next().unwrap_or('-')).collect();
            kinds.resize(names.len(), '-');
            for (name, kind) in names.iter().zip(kinds) {
                let kind = if name.ends_with('/') { 'd' } else { kind };
                contents.add(name, kind);
                // Directories that have no entry of their own.
                if let Some((dir, _)) = name.trim_end_matches('/').rsplit_once('/') {
                    contents.dirs.push(format!("{dir}/"));
                }
            }
        }
        Kind::Rar => {
            let said = programs.run(&["unrar", "lb", &file])?;
            if !said.fine() {
                return Err(failed("list contents of", path, said.complaint()));
            }
            for name in said.stdout.lines() {
                contents.add(name, '-');
            }
        }
    }
    Ok(contents.finish(strip))
}

/// How an archive is taken out.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// Words for the program.
    pub options: Option<Vec<String>>,
    /// The password of a zip.
    pub password: Option<String>,
    /// Whether files of a zip keep their modes.
    pub modes: bool,
}

/// Takes an archive out below a directory; the lines that the program said, when it was given words of the caller's,
/// else `None`. The error carries code, output and complaint.
pub fn extract(
    programs: &Programs<'_>,
    path: &Path,
    kind: Kind,
    dest: &Path,
    order: &Order,
) -> std::result::Result<Option<Vec<String>>, (i32, String, String)> {
    let (file, dir) = (path.to_string_lossy(), dest.to_string_lossy());
    let mut argv: Vec<String> = Vec::new();
    match kind {
        Kind::Tar => {
            argv.push("tar".into());
            let mut short = "xv".to_owned();
            let mut long = Vec::new();
            for (at, word) in order.options.iter().flatten().enumerate() {
                if matches!(word.as_str(), "v" | "-v" | "--verbose") {
                    continue;
                }
                if word.starts_with('-') || at > 0 {
                    long.push(word.clone());
                } else {
                    // The old form: letters without a dash.
                    short += &word.replace(['x', 'f'], "");
                }
            }
            argv.push(format!("-{short}"));
            argv.extend(long);
            argv.extend(["-f".into(), file.into_owned()]);
        }
        Kind::Zip => {
            argv.extend(["unzip".into(), "-o".into()]);
            if let Some(password) = &order.password {
                argv.extend(["-P".into(), password.clone()]);
            }
            argv.extend(order.options.clone().unwrap_or_default());
            argv.extend([file.into_owned(), "-d".into(), dir.into_owned()]);
        }
        Kind::Rar => argv.extend([
            "unrar".into(),
            "x".into(),
            "-idp".into(),
            file.into_owned(),
            dir.into_owned(),
        ]),
    }
    let command = Command {
        cwd: Some(dest.to_path_buf()),
        umask: (kind == Kind::Zip && !order.modes).then_some(super::perms::umask()),
        ..Command::new(argv)
    };
    let said = programs
        .command(command)
        .map_err(|text| (127, String::new(), text))?;
    if !said.fine() {
        return Err((said.retcode, said.stdout, said.stderr));
    }
    let told = order.options.is_some() || kind == Kind::Rar;
    Ok(told.then(|| said.stdout.lines().map(str::to_owned).collect()))
}

/// Whether a zip cannot be read without a password.
pub fn is_encrypted(programs: &Programs<'_>, path: &Path) -> Result<bool> {
    let file = path.to_string_lossy();
    // An empty password fits nothing that needs one.
    let said = programs.run(&["unzip", "-P", "", "-tqq", &file])?;
    let text = format!("{}{}", said.stdout, said.stderr);
    Ok(!said.fine() && text.contains("password"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::{Cancel, Host};

    #[test]
    fn a_tar_is_listed_and_taken_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        fs::create_dir_all(at.join("top/in ner")).unwrap();
        fs::write(at.join("top/in ner/a -> b"), "x").unwrap();
        std::os::unix::fs::symlink("a", at.join("top/link")).unwrap();
        let (host, cancel) = (Host::real(), Cancel::new());
        let programs = Programs::new(&host, &cancel);
        assert!(
            programs
                .at(at, &["tar", "-czf", "x.tgz", "top"])
                .unwrap()
                .fine()
        );
        let path = at.join("x.tgz");
        let contents = list(&programs, &path, Kind::Tar, 0).unwrap();
        assert_eq!(contents.dirs, ["top/", "top/in ner/"]);
        assert_eq!(contents.files, ["top/in ner/a -> b"]);
        assert_eq!(contents.links, ["top/link"]);
        assert_eq!(contents.top_dirs(), ["top/"]);
        let stripped = list(&programs, &path, Kind::Tar, 1).unwrap();
        assert_eq!(stripped.dirs, ["in ner/"]);
        let dest = at.join("out");
        fs::create_dir(&dest).unwrap();
        let order = Order {
            options: Some(vec!["--strip-components=1".into(), "v".into()]),
            ..Order::default()
        };
        let said = extract(&programs, &path, Kind::Tar, &dest, &order).unwrap();
        assert!(said.unwrap().contains(&"top/in ner/a -> b".to_owned()));
        assert_eq!(fs::read_to_string(dest.join("in ner/a -> b")).unwrap(), "x");
        fs::write(&path, "nonsense").unwrap();
        assert!(list(&programs, &path, Kind::Tar, 0).is_err());
        assert_eq!(Kind::guess("a.TAR.xz"), Some(Kind::Tar));
        assert_eq!(Kind::guess("a.gz"), None);
    }
}
