//! `/etc/shadow`: password hashes and how long they last. Read here, changed by the system's own programs, which lock
//! the file and know its variants.

use std::fs;
use std::path::Path;

use super::program::Programs;

/// One number of an entry, in days; days since 1970 for dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// When the password was last changed.
    Changed,
    /// How long it may not be changed again.
    Min,
    /// How long it is valid.
    Max,
    /// How long before its end the user is warned.
    Warn,
    /// How long after its end the account still works.
    Inactive,
    /// When the account expires.
    Expire,
}

/// All of them, as the file has them one after the other.
pub const FIELDS: [Field; 6] = [
    Field::Changed,
    Field::Min,
    Field::Max,
    Field::Warn,
    Field::Inactive,
    Field::Expire,
];

impl Field {
    /// Its name in what Salt shows of an entry.
    pub fn key(self) -> &'static str {
        match self {
            Self::Changed => "lstchg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Warn => "warn",
            Self::Inactive => "inact",
            Self::Expire => "expire",
        }
    }

    /// `chage`'s option for it.
    fn option(self) -> &'static str {
        match self {
            Self::Changed => "-d",
            Self::Min => "-m",
            Self::Max => "-M",
            Self::Warn => "-W",
            Self::Inactive => "-I",
            Self::Expire => "-E",
        }
    }
}

/// What the file says of one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The hash; `!` in front of it locks it.
    pub passwd: String,
    /// The numbers, in the order of [`FIELDS`]; -1 where the file says nothing.
    days: [i64; 6],
}

impl Entry {
    fn of(line: &str) -> Self {
        let mut parts = line.split(':');
        let mut text = || parts.next().unwrap_or_default().to_owned();
        let (name, passwd) = (text(), text());
        Self {
            name,
            passwd,
            days: std::array::from_fn(|_| text().parse().unwrap_or(-1)),
        }
    }

    /// One of its numbers.
    pub fn get(&self, field: Field) -> i64 {
        let at = FIELDS.iter().position(|f| *f == field).unwrap_or_default();
        self.days[at]
    }

    /// Whether its password is locked.
    pub fn is_locked(&self) -> bool {
        self.passwd.starts_with('!')
    }
}

/// The entry of an account below `root`; `None` when there is none, or no right to read it.
pub fn entry(root: &Path, name: &str) -> Option<Entry> {
    let text = fs::read_to_string(root.join("etc/shadow")).ok()?;
    let own = |line: &&str| line.split(':').next() == Some(name);
    text.lines().find(own).map(Entry::of)
}

/// Names of all entries below `root`, sorted.
pub fn names(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("etc/shadow")).unwrap_or_default();
    let names = text.lines().filter_map(|l| l.split(':').next());
    let mut names: Vec<_> = names.filter(|n| !n.is_empty()).map(str::to_owned).collect();
    names.sort();
    names
}

/// Runs a program with `-R root` where that is not the machine's own.
fn run(programs: &Programs<'_>, root: &Path, argv: &[&str], stdin: &[u8]) -> Result<bool, String> {
    let (program, rest) = argv.split_first().ok_or("no program")?;
    let shown = root.display().to_string();
    let mut words = vec![*program];
    if root != Path::new("/") {
        words.extend(["-R", &shown]);
    }
    words.extend(rest);
    Ok(programs.feed(&words, stdin)?.fine())
}

/// Sets one number; `value` is what `chage` shall be told. Whether it said yes.
pub fn set(
    programs: &Programs<'_>,
    root: &Path,
    name: &str,
    field: Field,
    value: &str,
) -> Result<bool, String> {
    run(programs, root, &["chage", field.option(), value, name], &[])
}

/// Sets the hash, which travels on standard input, where no process list shows it; whether it is in the file now.
pub fn set_hash(
    programs: &Programs<'_>,
    root: &Path,
    name: &str,
    hash: &str,
) -> Result<bool, String> {
    if name.contains([':', '\n']) || hash.contains([':', '\n']) {
        return Err(format!(
            "a password hash of {name} with a colon or a line break in it cannot be stored"
        ));
    }
    let line = format!("{name}:{hash}\n");
    run(programs, root, &["chpasswd", "-e"], line.as_bytes())?;
    Ok(entry(root, name).is_some_and(|e| e.passwd == hash))
}

/// Takes the password away, so that none is asked for; whether it is so now.
pub fn delete(programs: &Programs<'_>, root: &Path, name: &str) -> Result<bool, String> {
    run(programs, root, &["passwd", "-d", name], &[])?;
    Ok(entry(root, name).is_some_and(|e| e.passwd.is_empty()))
}

/// Locks the password or unlocks it; whether it is so now.
pub fn lock(
    programs: &Programs<'_>,
    root: &Path,
    name: &str,
    locked: bool,
) -> Result<bool, String> {
    let as_wanted = || entry(root, name).map(|e| e.is_locked() == locked);
    match as_wanted() {
        None => return Ok(false),
        Some(true) => return Ok(true),
        Some(false) => {}
    }
    let flag = if locked { "-l" } else { "-u" };
    run(programs, root, &["passwd", flag, name], &[])?;
    Ok(as_wanted() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_the_file_has_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let text = "root:*:19000:0:99999:7:::\nold:!$6$a$b:19001:1:2:3:4:20000:\nbroken\n";
        fs::write(dir.path().join("etc/shadow"), text).unwrap();
        let old = entry(dir.path(), "old").unwrap();
        assert!(old.is_locked());
        assert_eq!(FIELDS.map(|f| old.get(f)), [19001, 1, 2, 3, 4, 20000]);
        let root = entry(dir.path(), "root").unwrap();
        assert_eq!(FIELDS.map(|f| root.get(f)), [19000, 0, 99999, 7, -1, -1]);
        assert!(entry(dir.path(), "roo").is_none());
        assert_eq!(names(dir.path()), ["broken", "old", "root"]);
    }

    #[test]
    fn a_hash_cannot_bring_another_line() {
        let (host, cancel) = (crate::host::Host::real(), crate::host::Cancel::new());
        let programs = Programs::new(&host, &cancel);
        let refused = set_hash(&programs, Path::new("/"), "a", "x\nroot:y");
        assert!(refused.is_err_and(|e| !e.contains("root:y")));
    }
}
