//! Getting files: one, several, a directory; into the cache or to a place of the caller's.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use salt_wire::Value;

use super::cache::relative;
use super::server::{FileHash, Listing};
use super::url::{self, SaltUrl, scheme};
use super::{FileClient, FileError};
use crate::fnmatch::fnmatch;
use crate::host::fs::{Pending, make_dirs, write_atomic};
use crate::host::{digest, http};

/// How often a file is fetched anew when its bytes are not those that were announced.
const TRIES: usize = 3;

/// How the web is asked.
#[derive(Debug, Clone, Copy)]
pub struct Web {
    /// Whether a server has to prove itself.
    pub verify: bool,
    /// Whether a copy that the server calls unchanged (by its ETag) is kept.
    pub etag: bool,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            verify: true,
            etag: false,
        }
    }
}

impl FileClient {
    /// Fetches a `salt://` file to `dest`, or into the cache; gives its place. `None`: no such file, or
    /// the directory of `dest` is missing and must not be made.
    pub fn get_file(
        &self,
        url: &str,
        dest: Option<&Path>,
        makedirs: bool,
        saltenv: &str,
        gzip: Option<i64>,
    ) -> Result<Option<PathBuf>, FileError> {
        let salt = SaltUrl::parse(url).ok_or_else(|| FileError::Unsupported(url.to_owned()))?;
        let env = salt.saltenv.as_deref().unwrap_or(saltenv);
        let cached = match dest {
            Some(_) => None,
            // Checked before the server is asked: what it has there is of no interest.
            None => Some(self.cache_path(&salt.path, env)?),
        };
        let Some(announced) = self.checksum(&salt.path, env)? else {
            return Ok(None);
        };
        let target = match (&cached, dest) {
            (Some(path), _) => path.clone(),
            (None, Some(dest)) => into_directory(dest, salt.plain()),
            (None, None) => return Ok(None),
        };
        if target.is_file()
            && digest::file(&target, &announced.hash_type).is_ok_and(|h| h == announced.hsum)
        {
            return Ok(Some(target));
        }
        if cached.is_some() {
            self.make_room(&target)?;
        } else if let Some(dir) = target.parent().filter(|d| !d.is_dir()) {
            if !makedirs {
                return Ok(None);
            }
            make_dirs(dir, 0o777).map_err(|e| FileError::io(dir, e))?;
        }
        let mode = if cached.is_some() { 0o600 } else { 0o644 };
        self.download(&salt.path, env, gzip, &target, mode, &announced)?;
        Ok(Some(target))
    }

    fn download(
        &self,
        path: &str,
        saltenv: &str,
        gzip: Option<i64>,
        target: &Path,
        mode: u32,
        announced: &FileHash,
    ) -> Result<(), FileError> {
        let failed = |e| FileError::io(target, e);
        let mut got = String::new();
        let mut announced = announced.clone();
        for _ in 0..TRIES {
            let mut pending = Pending::create(target, mode).map_err(failed)?;
            let mut loc = 0u64;
            loop {
                if self.cancel.is_cancelled() {
                    return Err(FileError::Cancelled(path.to_owned()));
                }
                let chunk = self.server.chunk(path, saltenv, loc, gzip)?;
                if chunk.data.is_empty() {
                    break;
                }
                pending.write_all(&chunk.data).map_err(failed)?;
                loc += chunk.data.len() as u64;
            }
            got = digest::file(pending.temporary(), &announced.hash_type).map_err(failed)?;
            if got == announced.hsum {
                return pending.commit().map_err(failed);
            }
            // It may have changed on the server in between: then the new one is as good.
            if let Some(now) = self.server.hash(path, saltenv)? {
                announced = now;
            }
        }
        Err(FileError::Corrupt {
            path: path.to_owned(),
            got,
            announced: announced.hsum,
        })
    }

    /// A file of any address, at `dest` or in the cache. A local file stays where it is.
    pub fn get_url(
        &self,
        url: &str,
        dest: Option<&Path>,
        makedirs: bool,
        saltenv: &str,
        source_hash: Option<&str>,
    ) -> Result<Option<PathBuf>, FileError> {
        let web = Web::default();
        self.get_url_as(url, dest, makedirs, saltenv, source_hash, &web)
    }

    fn get_url_as(
        &self,
        url: &str,
        dest: Option<&Path>,
        makedirs: bool,
        saltenv: &str,
        source_hash: Option<&str>,
        web: &Web,
    ) -> Result<Option<PathBuf>, FileError> {
        match scheme(url) {
            "salt" => self.get_file(url, dest, makedirs, saltenv, None),
            "" | "file" => {
                let path = url.strip_prefix("file://").unwrap_or(url);
                if path.starts_with('/') {
                    Ok(Some(PathBuf::from(path)))
                } else {
                    Err(FileError::Unsupported(url.to_owned()))
                }
            }
            _ => {
                // A copy that was put there and has the right checksum needs no fetching.
                let cached = self.external_path(url, saltenv)?;
                let wanted = source_hash.map(|h| h.rsplit('=').next().unwrap_or(h));
                let fits = wanted.is_some_and(|wanted| {
                    digest::by_length(wanted.len())
                        .and_then(|form| digest::file(&cached, form).ok())
                        .is_some_and(|sum| sum == wanted)
                });
                if fits && dest.is_none() {
                    return Ok(Some(cached));
                }
                if !matches!(scheme(url), "http" | "https") {
                    return Err(FileError::Unsupported(url.to_owned()));
                }
                let target = match dest {
                    Some(dest) => into_directory(dest, url.split(['?', '#']).next().unwrap_or(url)),
                    None => cached,
                };
                if dest.is_none() {
                    self.make_room(&target)?;
                } else if let Some(dir) = target.parent().filter(|d| !d.is_dir()) {
                    if !makedirs {
                        return Ok(None);
                    }
                    make_dirs(dir, 0o777).map_err(|e| FileError::io(dir, e))?;
                }
                self.web(url, &target, web)?;
                Ok(Some(target))
            }
        }
    }

    /// Whether a web server has something at this address.
    pub fn is_on_web(&self, url: &str, verify: bool) -> bool {
        let request = http::Request {
            method: "HEAD".to_owned(),
            url: url.to_owned(),
            ..http::Request::default()
        };
        http::send(&self.browser(verify), &request).is_ok_and(|answer| answer.status < 400)
    }

    fn browser(&self, verify: bool) -> ureq::Agent {
        http::agent(&http::Manner {
            bundle: self.bundle.clone(),
            verify,
            ..http::Manner::default()
        })
    }

    /// Downloads an address of the web to a file, which is there whole or not at all.
    fn web(&self, url: &str, target: &Path, web: &Web) -> Result<(), FileError> {
        let (plain, _) = http::without_login(url);
        let path = plain.split_once("://").map_or(plain.as_str(), |(_, rest)| {
            rest.find('/').map_or("", |at| &rest[at..])
        });
        let told = |detail: String| FileError::Download {
            path: path.split(['?', '#']).next().unwrap_or(path).to_owned(),
            detail,
        };
        let mut request = http::Request {
            method: "GET".to_owned(),
            url: url.to_owned(),
            ..http::Request::default()
        };
        let mut note = target.as_os_str().to_owned();
        note.push(".etag");
        if web.etag
            && target.exists()
            && let Ok(etag) = fs::read_to_string(&note)
        {
            let etag = etag.trim().to_owned();
            request.headers.push(("If-None-Match".to_owned(), etag));
        }
        let answer = http::send(&self.browser(web.verify), &request).map_err(told)?;
        if web.etag && answer.status == 304 {
            return Ok(());
        }
        let etag = answer.headers.iter().find(|(name, _)| name == "etag");
        let etag = etag.filter(|_| web.etag).map(|(_, value)| value.clone());
        if answer.status >= 400 {
            return Err(told(format!("HTTP {}: {}", answer.status, answer.reason())));
        }
        let mut pending = Pending::create(target, 0o600).map_err(|e| FileError::io(target, e))?;
        let mut body = answer.into_reader();
        let mut chunk = vec![0; 64 << 10];
        loop {
            if self.cancel.is_cancelled() {
                return Err(FileError::Cancelled(url.to_owned()));
            }
            match body.read(&mut chunk).map_err(|e| told(e.to_string()))? {
                0 => break,
                n => pending
                    .write_all(&chunk[..n])
                    .map_err(|e| FileError::io(target, e))?,
            }
        }
        // The note is of the file before: it goes first, so that it never stands beside another one.
        let note = Path::new(&note);
        match fs::remove_file(note) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(FileError::io(note, e)),
            _ => {}
        }
        pending.commit().map_err(|e| FileError::io(target, e))?;
        if let Some(etag) = etag {
            write_atomic(note, etag.as_bytes(), 0o600).map_err(|e| FileError::io(note, e))?;
        }
        Ok(())
    }

    /// A file of any address in the cache, the web asked for it in this way.
    pub fn cache_file_as(
        &self,
        url: &str,
        saltenv: &str,
        source_hash: Option<&str>,
        web: &Web,
    ) -> Result<Option<PathBuf>, FileError> {
        self.get_url_as(url, None, true, saltenv, source_hash, web)
    }

    /// A file of any address in the cache.
    pub fn cache_file(
        &self,
        url: &str,
        saltenv: &str,
        source_hash: Option<&str>,
    ) -> Result<Option<PathBuf>, FileError> {
        self.get_url(url, None, true, saltenv, source_hash)
    }

    /// The bytes of a file of any address.
    pub fn read(&self, url: &str, saltenv: &str) -> Result<Option<Vec<u8>>, FileError> {
        match self.cache_file(url, saltenv, None)? {
            Some(path) => Ok(Some(fs::read(&path).map_err(|e| FileError::io(&path, e))?)),
            None => Ok(None),
        }
    }

    /// Caches all files of an environment.
    pub fn cache_master(&self, saltenv: &str) -> Result<Vec<Option<PathBuf>>, FileError> {
        self.list(Listing::Files, saltenv, "")?
            .iter()
            .map(|path| self.cache_file(&url::create(path), saltenv, None))
            .collect()
    }

    /// Caches the files below a directory, as far as the patterns let them through.
    pub fn cache_dir(
        &self,
        path: &str,
        saltenv: &str,
        include_empty: bool,
        include_pat: &Value,
        exclude_pat: &Value,
    ) -> Result<Vec<PathBuf>, FileError> {
        let salt = SaltUrl::parse(path).ok_or_else(|| FileError::Unsupported(path.to_owned()))?;
        let mut dir = salt.path;
        if !dir.ends_with('/') {
            dir.push('/');
        }
        let mut cached = Vec::new();
        for file in self.list(Listing::Files, saltenv, "")? {
            if file.starts_with(&dir) && included(&file, include_pat, exclude_pat) {
                cached.extend(self.cache_file(&url::create(&file), saltenv, None)?);
            }
        }
        if include_empty {
            for empty in self.list(Listing::EmptyDirs, saltenv, "")? {
                if empty.starts_with(&dir) {
                    let dest = self.cache_path(&empty, saltenv)?;
                    make_dirs(&dest, 0o700).map_err(|e| FileError::io(&dest, e))?;
                    cached.push(dest);
                }
            }
        }
        Ok(cached)
    }

    /// Copies a directory of the server below `dest`.
    pub fn get_dir(
        &self,
        path: &str,
        dest: &str,
        saltenv: &str,
        gzip: Option<i64>,
    ) -> Result<Vec<String>, FileError> {
        let salt = SaltUrl::parse(path).ok_or_else(|| FileError::Unsupported(path.to_owned()))?;
        let path = salt.path.trim_end_matches('/');
        let prefix = path.rsplit_once('/').map_or("", |(head, _)| head);
        let below = |name: &str| name.strip_prefix(path).is_some_and(|r| r.starts_with('/'));
        let mut made = Vec::new();
        for file in self.list(Listing::Files, saltenv, path)? {
            if !below(&file) {
                continue;
            }
            let inner = relative(file[prefix.len()..].trim_start_matches('/'))?;
            let target = format!("{dest}/{}", inner.display());
            let got = self.get_file(
                &url::create(&file),
                Some(Path::new(&target)),
                true,
                saltenv,
                gzip,
            )?;
            made.extend(got.map(|p| p.to_string_lossy().into_owned()));
        }
        for empty in self.list(Listing::EmptyDirs, saltenv, path)? {
            if !below(&empty) {
                continue;
            }
            let inner = relative(empty[prefix.len()..].trim_start_matches('/'))?;
            let target = format!("{dest}/{}", inner.display());
            make_dirs(Path::new(&target), 0o777)
                .map_err(|e| FileError::io(Path::new(&target), e))?;
            made.push(target);
        }
        made.sort();
        Ok(made)
    }

    /// Copies a file of this machine into the cache of local files.
    pub fn cache_local_file(&self, path: &str) -> Result<PathBuf, FileError> {
        let dest = self
            .cachedir
            .join("localfiles")
            .join(relative(path.trim_start_matches('/'))?);
        self.make_room(&dest)?;
        let mut from = fs::File::open(path).map_err(|e| FileError::io(Path::new(path), e))?;
        let mut pending = Pending::create(&dest, 0o600).map_err(|e| FileError::io(&dest, e))?;
        std::io::copy(&mut from, &mut pending).map_err(|e| FileError::io(&dest, e))?;
        pending.commit().map_err(|e| FileError::io(&dest, e))?;
        Ok(dest)
    }
}

/// A destination that is a directory gets the file's own name below it.
fn into_directory(dest: &Path, path: &str) -> PathBuf {
    if dest.is_dir() || dest.as_os_str().to_string_lossy().ends_with('/') {
        dest.join(path.rsplit('/').next().unwrap_or(path))
    } else {
        dest.to_path_buf()
    }
}

/// Salt's include and exclude patterns: globs, or regular expressions behind `E@`.
pub fn included(path: &str, include: &Value, exclude: &Value) -> bool {
    let any = |patterns: &Value| match patterns {
        Value::Str(one) => matches(path, one),
        Value::List(list) => list
            .iter()
            .filter_map(Value::as_str)
            .any(|p| matches(path, p)),
        _ => false,
    };
    (!include.is_truthy() || any(include)) && (!exclude.is_truthy() || !any(exclude))
}

fn matches(path: &str, pattern: &str) -> bool {
    match pattern.strip_prefix("E@") {
        Some(regex) => Regex::new(regex)
            .ok()
            .and_then(|r| r.is_match(path).ok())
            .unwrap_or(false),
        None => fnmatch(path, pattern),
    }
}
