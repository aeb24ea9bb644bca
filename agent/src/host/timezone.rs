//! The machine's time zone, and whether its hardware clock keeps universal time: through `timedatectl` where it is,
//! else as Debian keeps them in files.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::env;
use super::fs::{remove_if_there, rewrite};
use super::program::{Programs, Said};
use crate::python::strerror;

const LOCALTIME: &str = "/etc/localtime";
const TIMEZONE: &str = "/etc/timezone";

/// Why it cannot be told or done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// `CommandExecutionError`.
    #[error("{0}")]
    Execution(String),
    /// `SaltInvocationError`.
    #[error("{0}")]
    Invocation(String),
}

type Result<T> = std::result::Result<T, Error>;

fn has_timedatectl() -> bool {
    env::which("timedatectl").is_some()
}

fn timedatectl(programs: &Programs<'_>) -> Result<Said> {
    let said = programs.run(&["timedatectl"]).map_err(Error::Execution)?;
    if said.fine() {
        return Ok(said);
    }
    Err(Error::Execution(format!(
        "timedatectl failed: {}",
        said.stderr
    )))
}

/// What stands behind a word of timedatectl's answer.
fn told<'a>(said: &'a Said, names: &[&str]) -> Option<&'a str> {
    said.stdout.lines().find_map(|line| {
        let (name, value) = line.trim().split_once(':')?;
        let name = name.to_lowercase();
        names.contains(&name.as_str()).then(|| value.trim())
    })
}

fn unparsed(said: &Said) -> Error {
    Error::Execution(format!(
        "Failed to parse timedatectl output: {}",
        said.stdout
    ))
}

/// The file of a zone.
pub fn zone_file(zone: &str) -> PathBuf {
    Path::new("/usr/share/zoneinfo").join(zone.trim_start_matches('/'))
}

/// The name of the time zone.
pub fn zone(programs: &Programs<'_>) -> Result<String> {
    if has_timedatectl() {
        let said = timedatectl(programs)?;
        let zone = told(&said, &["time zone", "timezone"]);
        let zone = zone.and_then(|z| z.split_whitespace().next());
        return zone.map(str::to_owned).ok_or_else(|| unparsed(&said));
    }
    match fs::read_to_string(TIMEZONE) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(Error::Execution(format!(
            "Problem reading timezone file {TIMEZONE}: {}",
            strerror(&error)
        ))),
    }
}

/// Whether this is the time zone: by name, or else by the rules that are in force.
pub fn is(programs: &Programs<'_>, zone: &str) -> Result<bool> {
    match self::zone(programs) {
        Ok(now) => Ok(now == zone),
        Err(Error::Invocation(text)) => Err(Error::Invocation(text)),
        Err(Error::Execution(_)) => {
            let now = fs::read(LOCALTIME).map_err(|e| {
                Error::Execution(format!(
                    "Failed to read {LOCALTIME} to determine current timezone: {}",
                    strerror(&e)
                ))
            })?;
            let wanted = fs::read(zone_file(zone)).map_err(|_| {
                Error::Invocation(format!("Can't find a local timezone \"{zone}\""))
            })?;
            Ok(now == wanted)
        }
    }
}

/// Sets the time zone; the words of a refusal.
pub fn set(programs: &Programs<'_>, zone: &str) -> io::Result<std::result::Result<(), String>> {
    if has_timedatectl() {
        // Without a bus it fails; what follows does the same.
        drop(programs.run(&["timedatectl", "set-timezone", zone]));
    }
    let file = zone_file(zone);
    if !file.exists() {
        return Ok(Err(format!("Zone does not exist: {}", file.display())));
    }
    link(&file)?;
    rewrite(
        Path::new(TIMEZONE),
        format!("{}\n", zone.trim()).as_bytes(),
        0o644,
    )?;
    Ok(Ok(()))
}

/// Puts the link in place in one step: at no moment is the machine without a zone.
fn link(file: &Path) -> io::Result<()> {
    let temporary = format!("{LOCALTIME}.{}.tmp", std::process::id());
    remove_if_there(Path::new(&temporary))?;
    symlink(file, &temporary)?;
    fs::rename(&temporary, LOCALTIME)
}

/// `UTC` or `localtime`; what `/etc/adjtime` says on machines without `timedatectl`, `None` without that.
pub fn hwclock(programs: &Programs<'_>) -> Result<Option<String>> {
    if has_timedatectl() {
        let said = timedatectl(programs)?;
        let local = told(&said, &["rtc in local tz"]).ok_or_else(|| unparsed(&said))?;
        let local = local.eq_ignore_ascii_case("yes");
        return Ok(Some(if local { "localtime" } else { "UTC" }.to_owned()));
    }
    if let Ok(text) = fs::read_to_string("/etc/default/rcS") {
        let set = text
            .lines()
            .filter(|l| !l.trim_start().starts_with('#'))
            .find_map(|l| {
                l.contains("UTC=")
                    .then(|| l.rsplit('=').next().unwrap_or_default())
            });
        if let Some(set) = set {
            let utc = set.eq_ignore_ascii_case("yes");
            return Ok(Some(if utc { "UTC" } else { "localtime" }.to_owned()));
        }
    }
    match fs::read_to_string("/etc/adjtime") {
        Ok(text) => Ok(text.trim_end().lines().next_back().map(str::to_owned)),
        Err(_) if Path::new("/dev/rtc").exists() => Err(Error::Execution(
            "Unable to get hwclock timezone from /etc/adjtime".to_owned(),
        )),
        Err(_) => Ok(None),
    }
}

/// Sets what the hardware clock keeps; false when that failed.
pub fn set_hwclock(programs: &Programs<'_>, clock: &str) -> Result<bool> {
    if has_timedatectl() {
        let local = (clock == "localtime").to_string();
        let said = programs
            .run(&["timedatectl", "set-local-rtc", &local])
            .map_err(Error::Execution)?;
        return Ok(said.fine());
    }
    let file = zone_file(&zone(programs)?);
    if !file.exists() {
        return Err(Error::Execution(format!(
            "Zone '{}' does not exist",
            file.display()
        )));
    }
    let failed = |e: io::Error| Error::Execution(format!("{LOCALTIME}: {}", strerror(&e)));
    link(&file).map_err(failed)?;
    let defaults = Path::new("/etc/default/rcS");
    let word = match clock {
        "UTC" => "yes",
        "localtime" => "no",
        _ => return Ok(true),
    };
    if let Ok(text) = fs::read_to_string(defaults) {
        let lines = text.lines().map(|line| {
            if line.starts_with("UTC=") {
                format!("UTC={word}\n")
            } else {
                format!("{line}\n")
            }
        });
        let text: String = lines.collect();
        rewrite(defaults, text.as_bytes(), 0o644)
            .map_err(|e| Error::Execution(format!("{}: {e}", defaults.display())))?;
    }
    Ok(true)
}
