//! Where a file lies in the cache. Every name comes from outside, so each is checked here.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::url::{SaltUrl, scheme};
use super::{FileClient, FileError};
use crate::host::digest;
use crate::host::fs::make_dirs;

/// Longest file name that an external address may become.
const MAX_NAME: usize = 255;

impl FileClient {
    /// The cached copy's place of a file on the server.
    pub(super) fn cache_path(&self, path: &str, saltenv: &str) -> Result<PathBuf, FileError> {
        let base = self.cachedir.join("files").join(component(saltenv)?);
        Ok(base.join(relative(path.trim_start_matches(['|', '/']))?))
    }

    /// Makes the directory above a cached file, in place of a file that stands in its way.
    pub(super) fn make_room(&self, dest: &Path) -> Result<(), FileError> {
        let Some(dir) = dest.parent() else {
            return Ok(());
        };
        if dest.is_dir() {
            fs::remove_dir_all(dest).map_err(|e| FileError::io(dest, e))?;
        }
        let mut above = dir;
        while above.starts_with(&self.cachedir) && above != self.cachedir {
            if above.is_file() {
                fs::remove_file(above).map_err(|e| FileError::io(above, e))?;
            }
            let Some(next) = above.parent() else { break };
            above = next;
        }
        make_dirs(dir, 0o700).map_err(|e| FileError::io(dir, e))
    }

    /// Where a file of any address is cached, whether it is there or not.
    pub fn cache_dest(&self, url: &str, saltenv: &str) -> Result<PathBuf, FileError> {
        if let Some(salt) = SaltUrl::parse(url) {
            let env = salt.saltenv.as_deref().unwrap_or(saltenv);
            return self.cache_path(&salt.path, env);
        }
        match scheme(url) {
            "" => Ok(PathBuf::from(url)),
            _ => self.external_path(url, saltenv),
        }
    }

    /// The cached copy of a file, if there is one, looked for as Salt does.
    pub fn is_cached(&self, path: &str, saltenv: &str) -> Result<Option<String>, FileError> {
        let salt = SaltUrl::parse(path);
        let env = salt
            .as_ref()
            .and_then(|u| u.saltenv.as_deref())
            .unwrap_or(saltenv);
        let bare = salt.as_ref().map_or(path, |u| u.path.as_str());
        let escaped = bare.starts_with('|');
        let shown = |p: &Path| {
            let text = p.to_string_lossy();
            if escaped {
                format!("|{text}")
            } else {
                text.into_owned()
            }
        };
        let stripped = bare.trim_start_matches(['|', '/']);
        // A name that leads out of the cache is in no cache.
        let Ok(inner) = relative(stripped) else {
            return Ok(None);
        };
        let files = self
            .cachedir
            .join("files")
            .join(component(env)?)
            .join(&inner);
        if files.exists() {
            return Ok(Some(shown(&files)));
        }
        let local = self.cachedir.join("localfiles").join(&inner);
        if local.exists() {
            return Ok(Some(shown(&local)));
        }
        let external = self.external_path(bare, env)?;
        Ok(external.is_file().then(|| shown(&external)))
    }

    /// `extrn_files/<saltenv>/<host>/<path>` of an address outside of the file server.
    pub fn external_path(&self, url: &str, saltenv: &str) -> Result<PathBuf, FileError> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (authority, path) = match rest.find('/') {
            Some(at) if !scheme(url).is_empty() => (&rest[..at], &rest[at..]),
            _ if scheme(url).is_empty() => ("", rest),
            _ => (rest, ""),
        };
        // No passwords in file names, and no colon before a port.
        let host = authority
            .rsplit('@')
            .next()
            .unwrap_or_default()
            .replace(':', "");
        let path = path.split('#').next().unwrap_or_default();
        let name = match path.split_once('?') {
            Some((path, query)) if !query.is_empty() => format!("{path}-{query}"),
            Some((path, _)) => path.to_owned(),
            None => path.to_owned(),
        };
        let name = name.trim_start_matches('/').to_owned();
        let name = if name.len() + 1 > MAX_NAME {
            digest::bytes(format!("/{name}").as_bytes(), "sha256")
                .map_err(|e| FileError::io(&self.cachedir, e))?
        } else {
            name
        };
        let mut dest = self.cachedir.join("extrn_files").join(component(saltenv)?);
        if !host.is_empty() {
            dest.push(component(&host)?);
        }
        dest.push(relative(&name)?);
        Ok(dest)
    }

    /// Files in the cache of an environment and among the local ones, sorted.
    pub fn cached_files(&self, saltenv: &str) -> Result<Vec<String>, FileError> {
        let mut found = Vec::new();
        for dir in [
            self.cachedir.join("files").join(component(saltenv)?),
            self.cachedir.join("localfiles"),
        ] {
            collect(&dir, 0, &mut found);
        }
        found.sort();
        Ok(found)
    }
}

fn collect(dir: &Path, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            if depth < 64 {
                collect(&path, depth + 1, found);
            }
        } else {
            found.push(path.to_string_lossy().into_owned());
        }
    }
}

/// A name that is one directory, nothing else.
fn component(name: &str) -> Result<&str, FileError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(FileError::Escape {
            name: name.to_owned(),
        });
    }
    Ok(name)
}

/// A relative path of plain names.
pub(super) fn relative(path: &str) -> Result<PathBuf, FileError> {
    let plain = !path.contains('\0')
        && Path::new(path)
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if plain && !path.is_empty() {
        Ok(Path::new(path).components().collect())
    } else {
        Err(FileError::Escape {
            name: path.to_owned(),
        })
    }
}
