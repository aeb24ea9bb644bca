//! The process itself: its directory, path, user, locale, and the minion's names from the configuration.

use std::fs;

use nix::unistd::{Group, User, getegid, geteuid};
use ring::digest;
use salt_wire::{Map, Value, map};

use crate::config::Settings;
use crate::host::env;

pub(super) fn environment() -> Map {
    let path = env::var("PATH").unwrap_or_default();
    let path = path.trim();
    let cwd = env::cwd().map(|c| c.to_string_lossy().into_owned());
    map! {
        "cwd" => cwd,
        "path" => path,
        "systempath" => path.split(':').collect::<Vec<_>>(),
    }
}

/// Id and master, and the number that is made of the id.
pub(super) fn identity(settings: &Settings) -> Map {
    map! {
        "master" => settings.opts.get("master").cloned().unwrap_or_default(),
        "server_id" => server_id(&settings.id),
        "id" => settings.id.as_str(),
    }
}

/// The SHA-256 of the id, modulo 2^31.
fn server_id(id: &str) -> i64 {
    let digest = digest::digest(&digest::SHA256, id.as_bytes());
    let tail = digest
        .as_ref()
        .last_chunk::<4>()
        .map_or(0, |t| u32::from_be_bytes(*t));
    i64::from(tail & 0x7fff_ffff)
}

pub(super) fn shell() -> Map {
    map! {"shell" => env::var("SHELL").unwrap_or_else(|| "/bin/sh".to_owned())}
}

pub(super) fn user() -> Map {
    let (uid, gid) = (geteuid(), getegid());
    let user = User::from_uid(uid).ok().flatten();
    let group = user
        .as_ref()
        .and_then(|u| Group::from_gid(u.gid).ok().flatten());
    map! {
        "username" => user.map(|u| u.name),
        "groupname" => group.map_or_else(String::new, |g| g.name),
        "pid" => i64::from(std::process::id()),
        "gid" => i64::from(gid.as_raw()),
        "uid" => i64::from(uid.as_raw()),
    }
}

/// Language, encoding and time zone, as Python derives them from the environment.
pub(super) fn locale() -> Map {
    let name = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|v| env::var(v))
        .find(|v| !v.is_empty())
        .unwrap_or_default();
    let (language, encoding) = language(&name, installed);
    let zone = jiff::Zoned::now();
    let zone = zone.strftime("%Z").to_string();
    let info = map! {
        "defaultlanguage" => language,
        "defaultencoding" => encoding.as_str(),
        "detectedencoding" => encoding.to_lowercase(),
        "timezone" => zone,
    };
    map! {"locale_info" => info}
}

/// Python coerces the C locale, and one that is not installed, to C.UTF-8, which it knows as `en_US`.
fn language(name: &str, installed: impl Fn(&str) -> bool) -> (String, String) {
    let coerced = || ("en_US".to_owned(), "UTF-8".to_owned());
    let name = name.split('@').next().unwrap_or_default();
    let (language, encoding) = name.split_once('.').unwrap_or((name, ""));
    if matches!(language, "" | "C" | "POSIX") || !installed(name) {
        return coerced();
    }
    let encoding = match encoding.to_lowercase().replace('-', "").as_str() {
        "utf8" => "UTF-8",
        "" | "iso88591" => "ISO8859-1",
        _ => encoding,
    };
    (language.to_owned(), encoding.to_owned())
}

/// Whether the C library has this locale: a directory of its own, or a place in the archive.
fn installed(name: &str) -> bool {
    let normal = name
        .split_once('.')
        .map(|(language, code)| format!("{language}.{}", code.to_lowercase().replace('-', "")));
    let names = [Some(name.to_owned()), normal];
    let mut names = names.iter().flatten();
    let base = "/usr/lib/locale";
    names
        .clone()
        .any(|n| fs::metadata(format!("{base}/{n}")).is_ok())
        || fs::read(format!("{base}/locale-archive")).is_ok_and(|archive| {
            // Names stand in front, within the first part of the file.
            let head = &archive[..archive.len().min(1 << 20)];
            names.any(|n| head.windows(n.len()).any(|w| w == n.as_bytes()))
        })
}

/// A map's value of the operating system's facts, for families that depend on them.
pub(super) fn text<'a>(grains: &'a Map, key: &str) -> &'a str {
    grains.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_id_is_the_hash_of_the_id() {
        assert_eq!(server_id("graintest"), 1_134_480_519);
    }

    #[test]
    fn languages_as_python_names_them() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(language("", |_| true), pair("en_US", "UTF-8"));
        assert_eq!(language("C.UTF-8", |_| true), pair("en_US", "UTF-8"));
        assert_eq!(language("de_DE.utf8", |_| true), pair("de_DE", "UTF-8"));
        assert_eq!(language("de_DE.utf8", |_| false), pair("en_US", "UTF-8"));
    }
}
