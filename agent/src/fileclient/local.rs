//! The minion's own `file_roots`, served as a master would serve them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use fancy_regex::Regex;
use salt_wire::{Map, Value, map};

use super::FileError;
use super::server::{Chunk, FileHash, FileServer, Listing};
use crate::fnmatch::fnmatch;
use crate::host::digest;

/// Directories may be links to each other; nobody nests deeper on purpose.
const MAX_DEPTH: usize = 64;

/// The file roots of `file_client: local`.
pub struct Local {
    /// Environment to directories, first one first.
    roots: Vec<(String, Vec<PathBuf>)>,
    ignore_glob: Vec<String>,
    ignore_regex: Vec<Regex>,
    follow_links: bool,
    ignore_links: bool,
    hash_type: String,
    buffer: usize,
    opts: Map,
}

impl Local {
    /// Serves `file_roots` of these options.
    pub fn new(opts: &Map) -> Self {
        Self::with_roots(opts, "file_roots")
    }

    /// Serves the roots under another option, such as `pillar_roots`.
    pub fn with_roots(opts: &Map, option: &str) -> Self {
        let flag = |key: &str, default| opts.get(key).and_then(Value::as_bool).unwrap_or(default);
        Self {
            roots: roots(opts.get(option)),
            ignore_glob: texts(opts.get("file_ignore_glob")),
            ignore_regex: texts(opts.get("file_ignore_regex"))
                .iter()
                .filter_map(|r| Regex::new(r).ok())
                .collect(),
            follow_links: flag("fileserver_followsymlinks", true),
            ignore_links: flag("fileserver_ignoresymlinks", false),
            hash_type: opts
                .get("hash_type")
                .and_then(Value::as_str)
                .unwrap_or("sha256")
                .to_lowercase(),
            buffer: opts
                .get("file_buffer_size")
                .and_then(Value::as_int)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(256 << 10)
                .clamp(1, 64 << 20),
            opts: opts.clone(),
        }
    }

    /// The directories of an environment; `__env__` serves any that is not named.
    fn dirs(&self, saltenv: &str) -> Vec<PathBuf> {
        let named = |name: &str| self.roots.iter().find(|(env, _)| env == name);
        if let Some((_, dirs)) = named(saltenv) {
            return dirs.clone();
        }
        // The name becomes part of a path here, so it must be a single component.
        if saltenv.contains('/') || saltenv == ".." {
            return Vec::new();
        }
        named("__env__").map_or_else(Vec::new, |(_, dirs)| {
            dirs.iter()
                .map(|d| PathBuf::from(d.to_string_lossy().replace("__env__", saltenv)))
                .collect()
        })
    }

    fn is_ignored(&self, name: &str) -> bool {
        self.ignore_regex
            .iter()
            .any(|r| r.is_match(name).unwrap_or(false))
            || self.ignore_glob.iter().any(|g| fnmatch(name, g))
    }

    /// The file behind a path, as the server finds it.
    pub fn find(&self, path: &str, saltenv: &str) -> Option<PathBuf> {
        let (path, env) = query(path);
        if path.starts_with('/') || path.contains("../") || path.contains('\0') {
            return None;
        }
        for root in self.dirs(env.unwrap_or(saltenv)) {
            let full = root.join(path);
            if !inside(&root, &full, !self.follow_links) {
                continue;
            }
            if full.is_file() && !self.is_ignored(&full.to_string_lossy()) {
                return Some(full);
            }
        }
        None
    }

    fn walk(&self, root: &Path, dir: &Path, depth: usize, found: &mut Found) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_link = entry.file_type().is_ok_and(|t| t.is_symlink());
            let is_dir = path.is_dir();
            let Some(name) = path
                .strip_prefix(root)
                .ok()
                .and_then(Path::to_str)
                .map(str::to_owned)
            else {
                continue;
            };
            let unwanted = self.is_ignored(&name) || is_link && self.ignore_links;
            if !unwanted {
                if is_link {
                    found.link(root, &path, &name, self.follow_links);
                }
                if is_dir {
                    if fs::read_dir(&path).is_ok_and(|mut d| d.next().is_none()) {
                        found.empty_dirs.insert(name.clone());
                    }
                    found.dirs.insert(name);
                } else {
                    found.files.insert(name);
                }
            }
            // An ignored directory is still walked, as Salt does; its files are matched by their own names.
            if is_dir && depth < MAX_DEPTH && (!is_link || self.follow_links) {
                self.walk(root, &path, depth + 1, found);
            }
        }
    }

    fn found(&self, saltenv: &str) -> Found {
        let mut found = Found::default();
        for root in self.dirs(saltenv) {
            self.walk(&root, &root, 0, &mut found);
        }
        found
    }
}

#[derive(Default)]
struct Found {
    files: BTreeSet<String>,
    dirs: BTreeSet<String>,
    empty_dirs: BTreeSet<String>,
    links: Map,
}

impl Found {
    fn link(&mut self, root: &Path, path: &Path, name: &str, follow: bool) {
        let Ok(target) = fs::read_link(path) else {
            return;
        };
        let joined = path.parent().unwrap_or(root).join(&target);
        let real = fs::canonicalize(&joined).unwrap_or_else(|_| normal(&joined));
        let real_root = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
        if real.starts_with(real_root) || !follow {
            self.links
                .insert(name.into(), target.to_string_lossy().as_ref().into());
        }
    }
}

impl FileServer for Local {
    fn list(&self, kind: Listing, saltenv: &str, prefix: &str) -> Result<Vec<String>, FileError> {
        let found = self.found(saltenv);
        let names = match kind {
            Listing::Files => found.files,
            Listing::Dirs => found.dirs,
            Listing::EmptyDirs => found.empty_dirs,
        };
        let prefix = prefix.trim_matches('/');
        Ok(names
            .into_iter()
            .filter(|n| n.starts_with(prefix))
            .collect())
    }

    fn symlinks(&self, saltenv: &str, prefix: &str) -> Result<Map, FileError> {
        let prefix = prefix.trim_matches('/');
        let mut links = self.found(saltenv).links;
        links.retain(|k, _| k.as_str().is_some_and(|k| k.starts_with(prefix)));
        Ok(links)
    }

    fn hash(&self, path: &str, saltenv: &str) -> Result<Option<FileHash>, FileError> {
        let Some(full) = self.find(path, saltenv) else {
            return Ok(None);
        };
        let hsum = digest::file(&full, &self.hash_type).map_err(|e| FileError::io(&full, e))?;
        Ok(Some(FileHash {
            hsum,
            hash_type: self.hash_type.clone(),
        }))
    }

    fn stat(&self, path: &str, saltenv: &str) -> Result<Option<Vec<Value>>, FileError> {
        let Some(full) = self.find(path, saltenv) else {
            return Ok(None);
        };
        Ok(fs::metadata(&full).ok().map(|m| stat_list(&m)))
    }

    fn chunk(
        &self,
        path: &str,
        saltenv: &str,
        loc: u64,
        _gzip: Option<i64>,
    ) -> Result<Chunk, FileError> {
        let Some(full) = self.find(path, saltenv) else {
            return Ok(Chunk::default());
        };
        let failed = |e| FileError::io(&full, e);
        let mut file = File::open(&full).map_err(failed)?;
        file.seek(SeekFrom::Start(loc)).map_err(failed)?;
        let mut data = Vec::new();
        file.take(self.buffer as u64)
            .read_to_end(&mut data)
            .map_err(failed)?;
        Ok(Chunk {
            data,
            found: true,
            hash: None,
        })
    }

    fn envs(&self) -> Result<Vec<String>, FileError> {
        let mut envs: Vec<_> = self.roots.iter().map(|(env, _)| env.clone()).collect();
        envs.sort();
        Ok(envs)
    }

    fn master_opts(&self) -> Result<Map, FileError> {
        let mut opts = self.opts.clone();
        let roots: Map = self
            .roots
            .iter()
            .map(|(env, dirs)| {
                let dirs: Vec<_> = dirs
                    .iter()
                    .map(|d| Value::from(d.to_string_lossy().as_ref()))
                    .collect();
                (Value::from(env.as_str()), Value::List(dirs))
            })
            .collect();
        opts.insert("file_roots".into(), Value::Map(roots));
        Ok(opts)
    }

    fn master_tops(&self) -> Result<Map, FileError> {
        Ok(map! {})
    }
}

/// The numbers of `os.stat()` as a list.
pub fn stat_list(meta: &fs::Metadata) -> Vec<Value> {
    vec![
        Value::Int(meta.mode().into()),
        Value::Int(meta.ino().into()),
        Value::Int(meta.dev().into()),
        Value::Int(meta.nlink().into()),
        Value::Int(meta.uid().into()),
        Value::Int(meta.gid().into()),
        Value::Int(meta.size().into()),
        Value::Int(meta.atime().into()),
        Value::Int(meta.mtime().into()),
        Value::Int(meta.ctime().into()),
    ]
}

fn roots(option: Option<&Value>) -> Vec<(String, Vec<PathBuf>)> {
    let Some(Value::Map(map)) = option else {
        return Vec::new();
    };
    map.iter()
        .map(|(env, dirs)| {
            let dirs = texts(Some(dirs)).into_iter().map(PathBuf::from).collect();
            let env = env
                .as_str()
                .map_or_else(|| format!("{env:?}"), str::to_owned);
            (env, dirs)
        })
        .collect()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Str(one)) => vec![one.clone()],
        Some(Value::List(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// The path and the environment of a query, unless the path is escaped.
fn query(path: &str) -> (&str, Option<&str>) {
    if path.starts_with('|') {
        return (path.trim_start_matches('|'), None);
    }
    let Some((path, rest)) = path.split_once('?') else {
        return (path, None);
    };
    let env = rest
        .split('&')
        .find_map(|part| part.strip_prefix("saltenv="));
    (path, env)
}

fn inside(root: &Path, full: &Path, real: bool) -> bool {
    let (root, full) = (normal(root), normal(full));
    if !real {
        return full.starts_with(&root);
    }
    match (fs::canonicalize(&root), fs::canonicalize(&full)) {
        (Ok(root), Ok(full)) => full.starts_with(root),
        _ => false,
    }
}

/// The path without `.` and `..`, by text alone.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}
