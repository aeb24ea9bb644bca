//! File systems: what is mounted, what `fstab` says, and swap.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::fs::rewrite;
use super::program::Programs;

type Result<T> = std::result::Result<T, String>;

/// One mounted file system, as the kernel tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Active {
    /// What is mounted.
    pub device: String,
    /// The kind of file system.
    pub fstype: String,
    /// Options of the mount.
    pub opts: Vec<String>,
    /// Options of the file system.
    pub superopts: Vec<String>,
    /// Its number, that of the mount above it, the device's two, and the directory of the device that is mounted.
    pub numbers: [String; 5],
}

fn commas(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// All that is mounted, by its place; blanks are `\040`.
pub fn active() -> Result<IndexMap<String, Active>> {
    let path = "/proc/self/mountinfo";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let mut all = IndexMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let Some(mark) = words.iter().position(|w| *w == "-") else {
            continue;
        };
        if let (Some(place), Some(opts), [fstype, device, superopts, ..]) =
            (words.get(4), words.get(5), &words[mark + 1..])
        {
            let word = |at: usize| words.get(at).map_or_else(String::new, |w| (*w).to_owned());
            let (major, minor) = words[2].split_once(':').unwrap_or_default();
            let entry = Active {
                numbers: [
                    word(0),
                    word(1),
                    major.to_owned(),
                    minor.to_owned(),
                    word(3),
                ],
                device: (*device).replace("\\040", "\\ "),
                fstype: (*fstype).to_owned(),
                opts: commas(opts),
                superopts: commas(superopts),
            };
            all.insert((*place).to_owned(), entry);
        }
    }
    Ok(all)
}

/// The lines of `/proc/self/mounts`, those below others too: place, and device, kind of file system, options.
pub fn mount_lines() -> Result<Vec<(String, [String; 3])>> {
    let path = "/proc/self/mounts";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let device = words.next()?;
        Some((words.next()?, [device, words.next()?, words.next()?]))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// All that is mounted, by its place.
pub fn mounts() -> Result<IndexMap<String, [String; 3]>> {
    Ok(mount_lines()?.into_iter().collect())
}

/// Where the file system of a path is mounted.
pub fn place_of(path: &Path) -> PathBuf {
    let mut path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    loop {
        let Some(above) = path.parent().map(Path::to_path_buf) else {
            return PathBuf::from("/");
        };
        let number = |p: &Path| fs::symlink_metadata(p).ok().map(|m| m.dev());
        if number(&path).is_some() && number(&path) != number(&above) {
            return path;
        }
        path = above;
    }
}

/// The device below a path.
pub fn device_of(path: &Path) -> Result<Option<String>> {
    let place = place_of(path);
    let mut now = mounts()?;
    let found = now.swap_remove(&*place.to_string_lossy());
    Ok(found.map(|[device, ..]| device))
}

/// A place as the kernel writes it.
pub fn escaped(place: &str) -> String {
    place.replace(' ', "\\040")
}

/// One line of `fstab`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What is mounted.
    pub device: String,
    /// Where.
    pub name: String,
    /// The kind of file system.
    pub fstype: String,
    /// Options with commas.
    pub opts: String,
    /// For dump.
    pub dump: String,
    /// When it is checked.
    pub pass_num: String,
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let word = |at: usize| words.get(at).cloned().unwrap_or_else(|| "0".to_owned());
        (4..=6).contains(&words.len()).then(|| Self {
            device: word(0),
            name: word(1),
            fstype: word(2),
            opts: word(3),
            dump: word(4),
            pass_num: word(5),
        })
    }

    fn line(&self) -> String {
        format!(
            "{}\t\t{}\t{}\t{}\t{} {}\n",
            self.device, self.name, self.fstype, self.opts, self.dump, self.pass_num
        )
    }

    fn field(&self, name: &str) -> Option<String> {
        Some(match name {
            "device" => self.device.clone(),
            "name" => self.name.clone(),
            "fstype" => self.fstype.clone(),
            // Their order does not count.
            "opts" => {
                let mut opts = commas(&self.opts);
                opts.sort();
                opts.join(",")
            }
            "dump" => self.dump.clone(),
            "pass_num" => self.pass_num.clone(),
            _ => return None,
        })
    }

    fn is(&self, other: &Self, keys: &[String]) -> bool {
        keys.iter().all(|k| self.field(k) == other.field(k))
    }
}

const KEYS: [&str; 6] = ["device", "name", "fstype", "opts", "dump", "pass_num"];

/// File systems whose device says nothing: their place tells them apart.
const SPECIAL: [&str; 14] = [
    "none",
    "tmpfs",
    "sysfs",
    "proc",
    "fusectl",
    "debugfs",
    "securityfs",
    "devtmpfs",
    "cgroup",
    "nfs",
    "nfs4",
    "glusterfs",
    "btrfs",
    "ceph",
];

/// How an entry stands to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There.
    Present,
    /// Not there.
    New,
    /// There, and different.
    Change,
}

impl Standing {
    /// Salt's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::New => "new",
            Self::Change => "change",
        }
    }
}

/// The entries of a file; of one that is not there, none.
pub fn fstab(config: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(config).unwrap_or_default();
    text.lines().filter_map(Entry::parse).collect()
}

fn read(config: &Path) -> Result<String> {
    fs::read_to_string(config).map_err(|e| format!("Couldn't read from {}: {e}", config.display()))
}

fn write(config: &Path, text: &str) -> Result<()> {
    rewrite(config, text.as_bytes(), 0o644)
        .map_err(|_| format!("File not writable {}", config.display()))
}

/// Puts an entry into its file, unless this is only a test. `match_on` says by what it is found, none means by what
/// tells its kind apart; `keep` leaves one that is found as it is.
pub fn set_fstab(
    entry: &Entry,
    config: &Path,
    match_on: Option<&[String]>,
    keep: bool,
    test: bool,
) -> Result<Standing> {
    let usual = if SPECIAL.contains(&entry.fstype.as_str()) {
        vec!["name".to_owned()]
    } else {
        vec!["device".to_owned()]
    };
    let keys = match_on.map_or(usual, <[String]>::to_vec);
    if keys.iter().any(|k| !KEYS.contains(&k.as_str())) {
        return Err(format!(
            "Unrecognized keys in match_on: \"{}\"",
            keys.join(", ")
        ));
    }
    if !config.is_file() {
        return Err(format!("Bad config file \"{}\"", config.display()));
    }
    let entry = &Entry {
        device: entry.device.replace("\\ ", "\\040"),
        opts: entry.opts.replace("\\ ", "\\040"),
        ..entry.clone()
    };
    let every = KEYS.map(str::to_owned);
    let (mut text, mut standing) = (String::new(), Standing::New);
    for line in read(config)?.split_inclusive('\n') {
        match Entry::parse(line).filter(|old| old.is(entry, &keys)) {
            None => text += line,
            Some(old) if keep || old.is(entry, &every) => {
                standing = Standing::Present;
                text += line;
            }
            Some(_) => {
                standing = Standing::Change;
                text += &entry.line();
            }
        }
    }
    if standing == Standing::New {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text += &entry.line();
    }
    if standing != Standing::Present && !test {
        write(config, &text)?;
    }
    Ok(standing)
}

/// Takes entries out of their file: of this place, and of this device if it is given.
pub fn rm_fstab(name: &str, device: Option<&str>, config: &Path) -> Result<()> {
    let old = read(config)?;
    let ours = |line: &str| {
        Entry::parse(line).is_some_and(|e| e.name == name && device.is_none_or(|d| e.device == d))
    };
    let new: String = old.split_inclusive('\n').filter(|l| !ours(l)).collect();
    if new == old {
        return Ok(());
    }
    write(config, &new)
}

fn ran(programs: &Programs<'_>, argv: &[&str]) -> Result<()> {
    let said = programs.run(argv)?;
    if said.fine() {
        Ok(())
    } else {
        Err(said.complaint().to_owned())
    }
}

/// Mounts; without a device as `fstab` says. The error is what `mount` says.
pub fn mount(
    programs: &Programs<'_>,
    name: &str,
    device: Option<&str>,
    fstype: &str,
    opts: &[String],
) -> Result<()> {
    let opts = opts.join(",");
    let mut argv = vec!["mount"];
    if let Some(device) = device {
        if !opts.is_empty() {
            argv.extend(["-o", &opts]);
        }
        if !fstype.is_empty() {
            argv.extend(["-t", fstype]);
        }
        argv.push(device);
    }
    argv.push(name);
    ran(programs, &argv)
}

/// Unmounts; lazily on wish.
pub fn umount(programs: &Programs<'_>, what: &str, lazy: bool) -> Result<()> {
    if lazy {
        ran(programs, &["umount", "-l", what])
    } else {
        ran(programs, &["umount", what])
    }
}

/// Makes the directory of a mount.
pub fn make_place(name: &str) -> Result<()> {
    let made: io::Result<()> = fs::create_dir_all(name);
    made.map_err(|e| format!("{name}: {e}"))
}

/// One area of swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// `file` or `partition`.
    pub kind: String,
    /// Its size.
    pub size: String,
    /// What is used of it.
    pub used: String,
    /// Which comes first.
    pub priority: String,
}

/// Swap that is in use, by its file or device.
pub fn swaps() -> IndexMap<String, Swap> {
    let text = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let name = words.next()?;
        let swap = Swap {
            kind: words.next()?,
            size: words.next()?,
            used: words.next()?,
            priority: words.next()?,
        };
        Some((name, swap))
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// Starts or stops swapping to a file or device.
pub fn swap(programs: &Programs<'_>, name: &str, on: bool) -> Result<()> {
    ran(programs, &[if on { "swapon" } else { "swapoff" }, name])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_change_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fstab");
        fs::write(
            &file,
            "# top\nproc /proc proc defaults\n/dev/a /a ext4 ro,noatime 0 2",
        )
        .unwrap();
        let entry = |device: &str, name: &str, opts: &str| Entry {
            device: device.into(),
            name: name.into(),
            fstype: "ext4".into(),
            opts: opts.into(),
            dump: "0".into(),
            pass_num: "2".into(),
        };
        let set = |e: &Entry| set_fstab(e, &file, None, false, false).unwrap();
        assert_eq!(set(&entry("/dev/a", "/a", "noatime,ro")), Standing::Present);
        assert_eq!(set(&entry("/dev/a", "/b", "rw")), Standing::Change);
        assert_eq!(set(&entry("/dev/c", "/c", "defaults")), Standing::New);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "# top\nproc /proc proc defaults\n/dev/a\t\t/b\text4\trw\t0 2\n/dev/c\t\t/c\text4\tdefaults\t0 2\n"
        );
        rm_fstab("/b", Some("/dev/x"), &file).unwrap();
        rm_fstab("/c", None, &file).unwrap();
        assert_eq!(fstab(&file).len(), 2);
        assert!(set_fstab(&Entry::default(), Path::new("/no/such"), None, false, true).is_err());
        assert!(active().unwrap().contains_key("/proc"));
    }
}
