//! Where a managed file's content comes from: the first source that is there, verified and rendered.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use super::saltenv;
use crate::context::{Context, python};
use crate::fileclient::url::scheme;
use crate::fileclient::{FileHash, Listing, SaltUrl, Web};
use crate::host::digest;
use crate::host::http::redacted;
use crate::states::Run;

/// Content that is to be put in place.
pub(in crate::states) struct Source {
    /// Its bytes.
    pub(in crate::states) bytes: Vec<u8>,
    /// The checksum that it must have, when it was given one.
    pub(in crate::states) announced: Option<FileHash>,
    /// The address, for modes that follow it.
    pub(in crate::states) address: String,
    /// Where its copy is, when it had to be fetched.
    pub(in crate::states) cached: Option<PathBuf>,
}

impl Source {
    /// The content, if it has the checksum that was announced; the error names both.
    pub(in crate::states) fn verified(self, name: &str) -> Result<Vec<u8>, String> {
        if let Some(FileHash { hsum, hash_type }) = &self.announced {
            let got = digest::bytes(&self.bytes, hash_type).unwrap_or_default();
            if got != *hsum {
                return Err(format!(
                    "Specified {hash_type} checksum for {name} ({hsum}) does not match actual checksum ({got})"
                ));
            }
        }
        Ok(self.bytes)
    }
}

/// The first of several sources that exists, with its checksum.
pub(in crate::states) fn choose(
    run: &Run<'_>,
    source: &Value,
    hash: &Value,
) -> Result<Option<(String, Value)>, String> {
    let list = match source {
        Value::List(list) => list,
        other if other.is_truthy() => return Ok(Some((python::text(other), hash.clone()))),
        _ => return Ok(None),
    };
    for entry in list {
        let (address, own) = match entry {
            Value::Map(map) => match map.first() {
                Some((key, value)) if map.len() == 1 => {
                    let own = if value.is_truthy() { value } else { hash };
                    (python::text(key), own.clone())
                }
                _ => continue,
            },
            other => (python::text(other), hash.clone()),
        };
        if exists(run, &address)? {
            return Ok(Some((address, own)));
        }
    }
    Err("none of the specified sources were found".into())
}

fn exists(run: &Run<'_>, address: &str) -> Result<bool, String> {
    if let Some(url) = SaltUrl::parse(address) {
        let env = url.saltenv.clone().unwrap_or_else(|| saltenv(run));
        for kind in [Listing::Files, Listing::Dirs] {
            let names = run.files.list(kind, &env, "").map_err(|e| e.to_string())?;
            if names.iter().any(|n| n == url.plain()) {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if matches!(scheme(address), "http" | "https") {
        let verify = *run.args.get("verify_ssl") != Value::Bool(false);
        return Ok(run.files.is_on_web(address, verify));
    }
    let path = address.strip_prefix("file://").unwrap_or(address);
    Ok(path.starts_with('/') && Path::new(path).exists())
}

/// Fetches, verifies and renders a source; the error is the state's comment, and tells no passwords.
pub(in crate::states) fn fetch(
    ctx: &Context,
    run: &Run<'_>,
    name: &str,
    address: &str,
    hash: &Value,
) -> Result<Source, String> {
    fetched(ctx, run, name, address, hash).map_err(|error| redacted(&error))
}

fn fetched(
    ctx: &Context,
    run: &Run<'_>,
    name: &str,
    address: &str,
    hash: &Value,
) -> Result<Source, String> {
    let env = saltenv(run);
    let template = run.args.get("template");
    let local = matches!(scheme(address), "" | "file");
    let path: PathBuf = if local {
        let path = address.strip_prefix("file://").unwrap_or(address);
        if !Path::new(path).exists() {
            return Err(format!("Local file source {path} does not exist"));
        }
        PathBuf::from(path)
    } else if scheme(address) == "salt" {
        match run.files.cache_file(address, &env, None) {
            Ok(Some(path)) => path,
            Ok(None) => {
                return Err(format!(
                    "Source file {address} not found in saltenv '{env}'"
                ));
            }
            Err(error) => return Err(format!("Failed to cache {address}: {error}")),
        }
    } else {
        let sum = if hash.is_truthy() {
            Some(parse_hash(run, name, address, hash)?)
        } else if run.args.flag("skip_verify") || run.args.flag("use_etag") {
            None
        } else {
            return Err(format!(
                "Unable to verify upstream hash of source file {address}, please set source_hash or set skip_verify to True"
            ));
        };
        if let Some(announced) = sum.as_ref().filter(|_| !template.is_truthy())
            && let Some(bytes) = there_already(name, announced)
        {
            return Ok(Source {
                bytes,
                announced: sum,
                address: address.to_owned(),
                cached: None,
            });
        }
        let wanted = sum.as_ref().map(|s| s.hsum.as_str());
        // What is not verified is not fetched a second time either.
        let kept = run
            .files
            .is_cached(address, &env)
            .map_err(|e| e.to_string())?;
        let kept = kept
            .map(PathBuf::from)
            .filter(|_| sum.is_none() && run.args.flag("skip_verify"));
        let fetched = match kept {
            Some(path) => Ok(Some(path)),
            None => run.files.cache_file_as(address, &env, wanted, &web(run)),
        };
        match fetched {
            Ok(Some(path)) => path,
            Ok(None) => return Err(format!("Source file '{address}' not found")),
            Err(error) => return Err(format!("Failed to cache {address}: {error}")),
        }
    };
    if path == Path::new(name) {
        return Err("Source file cannot be the same as destination".into());
    }
    if path.is_dir() {
        return Err(format!("[Errno 21] Is a directory: '{}'", path.display()));
    }
    let bytes = fs::read(&path).map_err(|e| super::os_error(&path, &e))?;
    let announced = if scheme(address) != "salt"
        && hash.is_truthy()
        && !run.args.flag("skip_verify")
        && template.is_null()
    {
        Some(parse_hash(run, name, address, hash)?)
    } else {
        None
    };
    let bytes = if template.is_truthy() {
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("{} is no text, and cannot be rendered", path.display()))?;
        render(ctx, run, &text, &python::text(template), Some(&path))?.into_bytes()
    } else {
        bytes
    };
    Ok(Source {
        bytes,
        announced,
        address: address.to_owned(),
        cached: (!local).then_some(path),
    })
}

/// How a state wants the web to be asked.
fn web(run: &Run<'_>) -> Web {
    Web {
        verify: *run.args.get("verify_ssl") != Value::Bool(false),
        etag: run.args.flag("use_etag"),
    }
}

/// The managed file itself, when it already is what the source announces: nothing needs to travel.
fn there_already(name: &str, announced: &FileHash) -> Option<Vec<u8>> {
    let path = Path::new(name);
    let sum = digest::file(path, &announced.hash_type).ok()?;
    (sum == announced.hsum).then(|| fs::read(path).ok())?
}

/// `defaults` below `context`, as templates see them.
pub(in crate::states) fn variables(run: &Run<'_>) -> Map {
    let mut names = run
        .args
        .get("defaults")
        .as_map()
        .cloned()
        .unwrap_or_default();
    if let Value::Map(context) = run.args.get("context") {
        names.extend(context.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    names
}

/// Renders a template; the error is the state's comment.
pub(in crate::states) fn render(
    ctx: &Context,
    run: &Run<'_>,
    text: &str,
    engine: &str,
    path: Option<&Path>,
) -> Result<String, String> {
    if engine != "jinja" {
        return Err(format!(
            "Specified template format {engine} is not supported"
        ));
    }
    let mut names = variables(run);
    let gathered = super::block::gathered(run, &python::text(run.args.get("name")));
    if !gathered.is_empty() {
        names.insert("accumulator".into(), gathered.into());
    }
    // What Salt hands to a managed file's template beside its own names.
    for key in ["source", "user", "group", "mode", "name"] {
        let value = run.args.get(key).clone();
        names.entry(key.into()).or_insert(value);
    }
    let env = saltenv(run);
    let source = crate::render::Source {
        text,
        path,
        saltenv: &env,
        sls: None,
        variables: &names,
        files: run.files,
    };
    crate::render::template(ctx, &source).map_err(|e| e.to_string())
}

/// A `source_hash` in any of its forms: a checksum, `type=checksum`, or a file of them.
pub(in crate::states) fn parse_hash(
    run: &Run<'_>,
    name: &str,
    address: &str,
    hash: &Value,
) -> Result<FileHash, String> {
    let text = python::text(hash);
    let invalid = || {
        format!(
            "Source hash {text} format is invalid. The supported formats are: 1) a hash, 2) an expression in the format <hash_type>=<hash>, or 3) either a path to a local file containing hashes, or a URI of a remote hash file. Supported protocols for remote hash files are: salt, file, http, https, ftp, swift, s3. The hash may also not be of a valid length, the following are supported hash types and lengths: md5 (32), sha1 (40), sha224 (56), sha256 (64), sha384 (96), sha512 (128)."
        )
    };
    if text.starts_with('/') || !scheme(&text).is_empty() {
        let env = saltenv(run);
        let file = run
            .files
            .cache_file_as(&text, &env, None, &web(run))
            .map_err(|e| e.to_string())?
            .ok_or_else(|| format!("Source hash file {text} not found"))?;
        let lines = fs::read_to_string(&file).map_err(|e| super::os_error(&file, &e))?;
        let wanted = run.args.get("source_hash_name");
        let wanted = wanted.is_truthy().then(|| python::text(wanted));
        return from_file(&lines, name, address, wanted.as_deref()).ok_or_else(invalid);
    }
    let (hash_type, hsum) = match text.split_once('=') {
        Some((kind, sum)) => (kind.trim().to_owned(), sum.trim().to_owned()),
        None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            let kind = digest::by_length(text.len()).ok_or_else(invalid)?;
            (kind.to_owned(), text.clone())
        }
        None => return Err(invalid()),
    };
    match digest::by_length(hsum.len()) {
        Some(kind) if kind == hash_type => Ok(FileHash {
            hsum: hsum.to_lowercase(),
            hash_type,
        }),
        Some(kind) => Err(format!(
            "Invalid length ({}) for hash type '{hash_type}'. Either remove the hash type and simply use '{hsum}' as the source_hash, or change the hash type to '{kind}'",
            hsum.len()
        )),
        None => Err(invalid()),
    }
}

/// The checksum of the right file in a list of them: by the given name, the source's, the target's, or the only one.
fn from_file(lines: &str, name: &str, address: &str, wanted: Option<&str>) -> Option<FileHash> {
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let candidates: Vec<String> = match wanted {
        Some(name) => vec![name.to_owned()],
        None => vec![last(address), last(name)],
    };
    let mut found: Vec<(FileHash, String)> = Vec::new();
    for line in lines.lines() {
        let Some(word) = line
            .split(|c: char| c.is_whitespace() || c == '=')
            .find(|w| {
                digest::by_length(w.len()).is_some() && w.bytes().all(|b| b.is_ascii_hexdigit())
            })
        else {
            continue;
        };
        let hash_type = digest::by_length(word.len())?.to_owned();
        let hash = FileHash {
            hsum: word.to_lowercase(),
            hash_type,
        };
        found.push((hash, line.to_owned()));
    }
    for candidate in &candidates {
        let of_name = found.iter().find(|(_, line)| {
            line.split(|c: char| c.is_whitespace() || c == '=' || c == '*')
                .any(|w| last(w) == *candidate)
        });
        if let Some((hash, _)) = of_name {
            return Some(hash.clone());
        }
    }
    match found.as_slice() {
        [(only, _)] => Some(only.clone()),
        _ => None,
    }
}
