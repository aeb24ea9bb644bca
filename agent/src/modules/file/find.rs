//! `file.find`: files below a path by name, kind, owner, size, age and content.

use std::cmp::Ordering;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fancy_regex::Regex;
use salt_wire::{Map, Value};

use crate::config::glob::glob;
use crate::context::{Args, Context, Error, Result, python};
use crate::host::perms::{expand_user, gid_of, group_name, uid_of, user_name};
use crate::host::{digest, shlex};
use crate::modules::{Function, clean, python_int, row};
use crate::targeting::pcre;

/// The row of `file.find`.
pub const FUNCTIONS: &[Function] = &[row!(
    "file.find",
    "path, *args, **kwargs",
    find,
    "Return the files below a path that fit all of name, iname, regex, iregex, type, owner, group, size, mtime, grep, between mindepth and maxdepth; or print, delete or exec them.",
    "salt '*' file.find / type=f name='*.bak' size=+10m\n    salt '*' file.find /var/log name='*.[0-9]' mtime=+30d size=+10m print=path,size,mtime"
)];

/// What a file has to be.
enum Test {
    Name(Regex),
    Kind(Vec<char>),
    Owner(Vec<u32>),
    Group(Vec<u32>),
    Size(i128, i128),
    Time { since: bool, than: f64 },
    Holds(Regex),
}

/// What is done with one that fits.
enum Deed {
    Print(Vec<String>),
    Delete,
    Run(String),
}

struct Finder<'a> {
    ctx: &'a Context,
    least: i128,
    most: Option<i128>,
    test: bool,
    tests: Vec<Test>,
    deeds: Vec<Deed>,
    found: Vec<Value>,
}

fn find(ctx: &Context, args: &Args) -> Result {
    let mut options = clean(&args.extra);
    // Two deeds may be said without a value.
    let said = |word: &str| args.rest.iter().any(|w| w.as_str() == Some(word));
    if said("delete") {
        options.insert("delete".into(), "f".into());
    } else if said("print") {
        options.insert("print".into(), "path".into());
    }
    let mut finder = match Finder::new(ctx, &options)? {
        Ok(finder) => finder,
        Err(wrong) => return Ok(format!("error: {wrong}").into()),
    };
    let path = expand_user(&args.text("path")?);
    for path in glob(&path.to_string_lossy()) {
        finder.below(&path)?;
    }
    finder.found.sort_by(order);
    Ok(Value::List(finder.found))
}

/// Python's order of texts, numbers, and lists of them.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) => {
            let first = a.iter().zip(b).map(|(a, b)| order(a, b));
            let unlike = first.into_iter().find(|o| o.is_ne());
            unlike.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => python::text(a).cmp(&python::text(b)),
    }
}

impl<'a> Finder<'a> {
    /// The inner error is an option that makes no sense.
    fn new(ctx: &'a Context, options: &Map) -> Result<std::result::Result<Self, String>> {
        let mut finder = Self {
            ctx,
            least: 0,
            most: None,
            test: false,
            tests: Vec::new(),
            deeds: Vec::new(),
            found: Vec::new(),
        };
        for (key, value) in options {
            let key = python::text(key);
            match key.as_str() {
                "mindepth" => finder.least = python_int(value)?,
                "maxdepth" => finder.most = Some(python_int(value)?),
                "test" => finder.test = value.is_truthy(),
                _ if !value.is_truthy() => {
                    return Ok(Err(format!("missing value for \"{key}\" option")));
                }
                _ => {
                    if let Err(wrong) = finder.option(&key, &python::text(value)) {
                        return Ok(Err(wrong));
                    }
                }
            }
        }
        if finder.deeds.is_empty() {
            finder.deeds.push(Deed::Print(vec!["path".to_owned()]));
        }
        Ok(Ok(finder))
    }

    fn option(&mut self, key: &str, value: &str) -> std::result::Result<(), String> {
        let small = if key.starts_with('i') { "(?i)" } else { "" };
        let test = match key {
            "name" | "iname" => {
                let like = value
                    .replace('.', "\\.")
                    .replace('?', ".?")
                    .replace('*', ".*");
                Test::Name(pattern(&format!("{small}^(?:{like}$)"), value)?)
            }
            "regex" | "iregex" => Test::Name(pattern(&format!("{small}^(?:{value})"), value)?),
            "grep" => Test::Holds(pattern(value, value)?),
            "type" => Test::Kind(kinds(value)?),
            "owner" => Test::Owner(numbers(value, "user", uid_of)?),
            "group" => Test::Group(numbers(value, "group", gid_of)?),
            "size" => size(value)?,
            "mtime" => time(value)?,
            "print" => {
                let words = value.replace(',', " ");
                let mut words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
                if words.is_empty() {
                    words.push("path".to_owned());
                }
                self.deeds.push(Deed::Print(words));
                return Ok(());
            }
            "delete" => {
                self.deeds.push(Deed::Delete);
                let all = value.contains('a');
                Test::Kind(kinds(if all { "bcdpfls" } else { value })?)
            }
            "exec" => {
                self.deeds.push(Deed::Run(value.to_owned()));
                return Ok(());
            }
            _ => return Err(format!("invalid option \"{key}\"")),
        };
        // What a file holds is looked at last.
        if matches!(test, Test::Holds(_)) {
            self.tests.push(test);
        } else {
            self.tests.insert(0, test);
        }
        Ok(())
    }

    /// The path itself, then all below it; links are not followed.
    fn below(&mut self, path: &Path) -> Result<()> {
        if self.least < 1 {
            self.look(path)?;
        }
        let mut open = vec![(path.to_path_buf(), 1)];
        while let Some((dir, depth)) = open.pop() {
            if self.ctx.job.cancel.is_cancelled() {
                return Err(Error::execution("The job was stopped"));
            }
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if depth >= self.least && self.most.is_none_or(|most| most >= depth) {
                    self.look(&path)?;
                }
                let further = self.most.is_none_or(|most| depth < most);
                if further && entry.file_type().is_ok_and(|t| t.is_dir()) {
                    open.push((path, depth + 1));
                }
            }
        }
        Ok(())
    }

    fn look(&mut self, path: &Path) -> Result<()> {
        let Ok(meta) = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)) else {
            return Ok(());
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !self.tests.iter().all(|t| t.fits(path, &name, &meta)) {
            return Ok(());
        }
        for deed in &self.deeds {
            let done = match deed {
                Deed::Print(words) => Some(printed(words, path, &meta)?),
                Deed::Delete => self.delete(path),
                Deed::Run(command) => Some(self.run(command, path)),
            };
            self.found.extend(done);
        }
        Ok(())
    }

    fn delete(&self, path: &Path) -> Option<Value> {
        let gone = match fs::symlink_metadata(path) {
            _ if self.test => Ok(()),
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
            // Salt names pipes, sockets and devices here, and leaves them.
            Ok(meta) if !meta.is_file() && !meta.is_symlink() => Ok(()),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        gone.ok().map(|()| path.to_string_lossy().as_ref().into())
    }

    fn run(&self, command: &str, path: &Path) -> Value {
        let command = command.replace("{}", &path.to_string_lossy());
        let words = shlex::split(&command).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match self.ctx.programs().run(&words) {
            Ok(said) if said.stdout.is_empty() => format!("{command}:\n\n").into(),
            Ok(said) => format!("{command}:\n{}\n\n", said.stdout).into(),
            Err(_) => format!("{}: Failed", path.display()).into(),
        }
    }
}

impl Test {
    fn fits(&self, path: &Path, name: &str, meta: &Metadata) -> bool {
        match self {
            Self::Name(pattern) => pattern.is_match(name).unwrap_or_default(),
            Self::Kind(kinds) => kinds.contains(&kind(meta)),
            Self::Owner(ids) => ids.contains(&meta.uid()),
            Self::Group(ids) => ids.contains(&meta.gid()),
            Self::Size(least, most) => (*least..=*most).contains(&i128::from(meta.len())),
            Self::Time { since, than } if *since => meta.mtime() as f64 >= *than,
            Self::Time { than, .. } => meta.mtime() as f64 <= *than,
            Self::Holds(pattern) => {
                meta.is_file()
                    && fs::read(path).is_ok_and(|held| {
                        let held = String::from_utf8_lossy(&held);
                        pattern.is_match(&held).unwrap_or_default()
                    })
            }
        }
    }
}

fn pattern(pattern: &str, shown: &str) -> std::result::Result<Regex, String> {
    pcre::compile(pattern).ok_or_else(|| format!("invalid regular expression: \"{shown}\""))
}

fn kind(meta: &Metadata) -> char {
    let of = meta.file_type();
    match () {
        () if of.is_dir() => 'd',
        () if of.is_file() => 'f',
        () if of.is_symlink() => 'l',
        () if of.is_block_device() => 'b',
        () if of.is_char_device() => 'c',
        () if of.is_fifo() => 'p',
        () if of.is_socket() => 's',
        () => '?',
    }
}

fn kinds(value: &str) -> std::result::Result<Vec<char>, String> {
    let letters: Vec<char> = value
        .chars()
        .filter(|c| *c != ',' && !c.is_whitespace())
        .collect();
    match letters.iter().find(|c| !"bcdflps".contains(**c)) {
        Some(other) => Err(format!("invalid file type \"{other}\"")),
        None => Ok(letters),
    }
}

fn numbers(
    value: &str,
    what: &str,
    of: fn(&str) -> Option<u32>,
) -> std::result::Result<Vec<u32>, String> {
    let names = value.replace(',', " ");
    let one = |name: &str| {
        let number = name.parse().ok().or_else(|| of(name));
        number.ok_or_else(|| format!("no such {what} \"{name}\""))
    };
    names.split_whitespace().map(one).collect()
}

fn size(value: &str) -> std::result::Result<Test, String> {
    let wrong = || format!("invalid size: \"{value}\"");
    let text = value.trim();
    let (sign, text) = match text.chars().next() {
        Some(sign @ ('+' | '-')) => (sign, &text[1..]),
        _ => ('=', text),
    };
    let power = text
        .chars()
        .last()
        .and_then(|c| "bkmgt".find(c.to_ascii_lowercase()));
    let (number, unit) = match power {
        Some(power) => (text[..text.len() - 1].trim(), 1i128 << (10 * power)),
        None => (text, 1),
    };
    let number = match number.parse::<i64>() {
        Ok(number) => i128::from(number) * unit,
        Err(_) => {
            let number: f64 = number.parse().map_err(|_| wrong())?;
            (number * unit as f64) as i128
        }
    };
    Ok(match sign {
        '-' => Test::Size(0, number),
        '+' => Test::Size(number, i128::MAX),
        _ => Test::Size(number, number + unit - 1),
    })
}

/// Units of a time, the shortest last; the letters stand in this order.
const UNITS: [(char, f64); 5] = [
    ('w', 604_800.0),
    ('d', 86_400.0),
    ('h', 3600.0),
    ('m', 60.0),
    ('s', 1.0),
];

fn time(value: &str) -> std::result::Result<Test, String> {
    let wrong = || format!("invalid time interval: '{value}'");
    let mut rest = value.trim();
    let sign = rest.chars().next().filter(|c| matches!(c, '+' | '-'));
    rest = rest
        .trim_start_matches(|c| Some(c) == sign && sign.is_some())
        .trim_start();
    let (mut seconds, mut smallest, mut from) = (0.0, 0.0, 0);
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        let tail = rest[end..].trim_start();
        let letter = tail.chars().next().ok_or_else(wrong)?.to_ascii_lowercase();
        let at = UNITS[from..]
            .iter()
            .position(|(l, _)| *l == letter)
            .ok_or_else(wrong)?;
        from += at + 1;
        smallest = UNITS[from - 1].1;
        seconds += number * smallest;
        rest = tail[1..].trim_start();
    }
    if smallest == 0.0 {
        return Err(wrong());
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Test::Time {
        since: sign == Some('-'),
        than: now.as_secs_f64() - (seconds / smallest).trunc() * smallest,
    })
}

fn printed(words: &[String], path: &Path, meta: &Metadata) -> Result<Value> {
    let mut all = Vec::new();
    for word in words {
        all.push(match word.as_str() {
            "path" => path.to_string_lossy().as_ref().into(),
            "name" => path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .as_ref()
                .into(),
            "size" => meta.len().into(),
            "type" => kind(meta).to_string().into(),
            "mode" => u64::from(meta.mode() & 0o777).into(),
            "mtime" => meta.mtime().into(),
            "user" => user_name(meta.uid()).into(),
            "group" => group_name(meta.gid()).into(),
            "md5" if meta.is_file() => digest::file(path, "md5")
                .map_err(|e| Error::execution(python::os_error(path, &e)))?
                .into(),
            "md5" => "".into(),
            _ => continue,
        });
    }
    Ok(if all.len() == 1 {
        all.remove(0)
    } else {
        Value::List(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read() {
        assert!(matches!(size("+1k"), Ok(Test::Size(1024, i128::MAX))));
        assert!(matches!(size("2K"), Ok(Test::Size(2048, 3071))));
        assert!(matches!(size("-10"), Ok(Test::Size(0, 10))));
        assert!(size("x").is_err());
        assert!(matches!(time("1w 2d"), Ok(Test::Time { since: false, .. })));
        assert!(matches!(time("-3m"), Ok(Test::Time { since: true, .. })));
        for wrong in ["", "5", "3m 1h", "x"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
