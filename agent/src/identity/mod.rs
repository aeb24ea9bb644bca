//! Who this machine is: to its masters, the minion id as Salt finds it (an id in the configuration wins and never
//! comes here); and for itself, which machine its key belongs to ([`binding`]), so that no clone speaks with its
//! parent's voice.
//!
//! One more source of names: a step in `names::first`. One more place where a cloud leaves what an instance shall
//! know: `places`.

pub mod binding;
pub mod instance;
mod names;
pub mod places;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

pub use binding::{Binding, guard};

use crate::config::{Error, FoundId};
use crate::host::fs::write_atomic;

/// Whether a found id is kept for the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Read it, and write what was found: the daemon.
    Write,
    /// Only read it.
    Read,
}

/// Finds the id: the kept one, else this machine's name. Fits [`crate::config::FindId`].
pub fn find(opts: &Map, cache: Cache) -> Result<FoundId, Error> {
    let file = cache_file(opts);
    let caching = opts.get("minion_id_caching").is_none_or(Value::is_truthy);
    if caching && let Some(id) = kept(&file) {
        let how = file.display().to_string();
        return Ok(FoundId {
            id,
            is_address: false,
            how,
        });
    }
    if opts.get("id_function").is_some_and(Value::is_truthy) {
        tracing::warn!(
            "Option id_function is ignored: it needs Salt's own modules. Set `id` instead."
        );
    }
    let (name, how) = names::first();
    let id = shape(&name, opts);
    if caching && cache == Cache::Write {
        keep(&file, &id);
    }
    Ok(FoundId {
        is_address: id.parse::<std::net::Ipv4Addr>().is_ok(),
        id,
        how,
    })
}

/// Where Salt keeps a found id: always below `root_dir`, whatever the configuration directory is.
pub fn cache_file(opts: &Map) -> PathBuf {
    let root = opts.get("root_dir").and_then(Value::as_str).unwrap_or("/");
    Path::new(root).join("etc/salt/minion_id")
}

/// The first line of the file, unless it is no name.
fn kept(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let id = text.lines().next()?.trim();
    (!id.is_empty() && id != "localhost").then(|| id.to_owned())
}

fn keep(file: &Path, id: &str) {
    let written = fs::create_dir_all(file.parent().unwrap_or(file))
        .and_then(|()| write_atomic(file, id.as_bytes(), 0o644));
    if let Err(error) = written {
        // The next start finds the same name again, unless the machine is renamed.
        warn_not_kept(file, &error);
    }
}

fn warn_not_kept(file: &Path, error: &io::Error) {
    tracing::warn!(file = %file.display(), %error, "The minion id could not be kept.");
}

/// `minion_id_lowercase` and `minion_id_remove_domain`.
fn shape(name: &str, opts: &Map) -> String {
    let mut id = name.to_owned();
    if opts
        .get("minion_id_lowercase")
        .is_some_and(Value::is_truthy)
    {
        id = id.to_lowercase();
    }
    match opts.get("minion_id_remove_domain") {
        Some(Value::Bool(true)) => {
            id.truncate(id.find('.').unwrap_or(id.len()));
        }
        Some(Value::Str(domain)) if !domain.is_empty() => {
            let end = format!(".{domain}");
            if id.to_uppercase().ends_with(&end.to_uppercase()) {
                let keep = id.chars().count() - end.chars().count();
                id = id.chars().take(keep).collect();
            }
        }
        _ => {}
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use salt_wire::map;

    #[test]
    fn the_kept_id_wins_and_localhost_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let opts = map! { "root_dir" => dir.path().to_str().unwrap() };
        let file = cache_file(&opts);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, " kept.example.org\nsecond line\n").unwrap();
        assert_eq!(find(&opts, Cache::Read).unwrap().id, "kept.example.org");
        fs::write(&file, "localhost\n").unwrap();
        assert_ne!(find(&opts, Cache::Read).unwrap().id, "localhost\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), "localhost\n");
    }

    #[test]
    fn a_found_id_is_kept_by_the_daemon_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut opts = map! { "root_dir" => dir.path().to_str().unwrap() };
        let file = cache_file(&opts);
        let found = find(&opts, Cache::Read).unwrap();
        assert!(!file.exists());
        assert_eq!(find(&opts, Cache::Write).unwrap(), found);
        assert_eq!(fs::read_to_string(&file).unwrap(), found.id);
        fs::remove_file(&file).unwrap();
        opts.insert("minion_id_caching".into(), false.into());
        find(&opts, Cache::Write).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn shapes() {
        let id = |opts: Map| shape("Web1.Prod.Example.ORG", &opts);
        assert_eq!(
            id(map! { "minion_id_lowercase" => true }),
            "web1.prod.example.org"
        );
        assert_eq!(id(map! { "minion_id_remove_domain" => true }), "Web1");
        assert_eq!(
            id(map! { "minion_id_remove_domain" => "example.org" }),
            "Web1.Prod"
        );
        assert_eq!(
            id(map! { "minion_id_remove_domain" => "other.org" }),
            "Web1.Prod.Example.ORG"
        );
    }
}
