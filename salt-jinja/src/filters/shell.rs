//! The machine: quoting for shells, paths, files.

use std::path::Path;

use super::{Filter, flag, text_of};
use crate::error::{Error, Result};
use crate::eval::{Args, item};
use crate::python::normpath;
use crate::value::Val;
use crate::value::repr::str;

/// Longest file that a filter reads.
const MAX_FILE: u64 = 1 << 30;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("quote", |_, v, _| {
        let text = text_of(&v, "quote")?;
        let safe = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
        if text.is_empty() {
            return Ok("''".into());
        }
        if text.chars().all(safe) {
            return Ok(text.into());
        }
        Ok(format!("'{}'", text.replace('\'', "'\"'\"'")).into())
    }),
    ("path_join", |_, v, a| {
        let mut parts = vec![normpath(&str(&v)?)];
        for part in &a.positional {
            parts.push(normpath(&str(part)?));
        }
        for (name, value) in &a.keywords {
            if &**name != "use_posixpath" {
                return Err(Error::new(
                    crate::error::ErrorKind::Salt,
                    format!(
                        "The following keyword arguments are not valid: {name}={}",
                        str(value)?
                    ),
                ));
            }
        }
        let mut path = parts.remove(0);
        for part in parts {
            let part = part.trim_start_matches('/');
            if path.is_empty() || path.ends_with('/') {
                path.push_str(part);
            } else {
                path.push('/');
                path.push_str(part);
            }
        }
        Ok(normpath(&path).into())
    }),
    ("which", |_, v, _| {
        let name = str(&v)?;
        if name.is_empty() {
            return Ok(Val::None);
        }
        let runnable = |path: &Path| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::metadata(path)
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        };
        if name.contains('/') {
            return Ok(runnable(Path::new(&name)).then_some(name).into());
        }
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let extra = ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/bin"];
        let found = std::env::split_paths(&paths)
            .chain(extra.iter().map(std::path::PathBuf::from))
            .map(|dir| dir.join(&name))
            .find(|path| runnable(path));
        Ok(found.map(|p| p.display().to_string()).into())
    }),
    ("file_hashsum", |_, v, a| {
        let [form, _chunk] = a.bind("get_hash", ["form", "chunk_size"])?;
        let form = form.map_or_else(|| Ok("sha256".into()), |f| str(&f))?;
        let data = read(&str(&v)?)?;
        match super::hash::digest(&form, &data) {
            Some(text) => Ok(text.into()),
            None => Err(Error::value_error(format!("Invalid hash type: {form}"))),
        }
    }),
    ("is_empty", |_, v, _| {
        let empty = std::fs::metadata(str(&v)?).is_ok_and(|m| m.is_file() && m.len() == 0);
        Ok(Val::Bool(empty))
    }),
    ("is_text_file", |_, v, _| Ok(Val::Bool(is_text(&str(&v)?)))),
    ("is_bin_file", |_, v, _| {
        let path = str(&v)?;
        let file = std::fs::metadata(&path).is_ok_and(|m| m.is_file());
        Ok(Val::Bool(file && !is_text(&path)))
    }),
    ("list_files", |interp, v, _| {
        let root = str(&v)?;
        let mut found = vec![Val::from(root.as_str())];
        let mut open = vec![std::path::PathBuf::from(root)];
        while let Some(dir) = open.pop() {
            let Ok(entries) = std::fs::read_dir(&dir) else {
                continue;
            };
            for entry in entries.flatten() {
                interp.spend(10)?;
                found.push(entry.path().display().to_string().into());
                if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    open.push(entry.path());
                }
            }
        }
        Ok(Val::list(found))
    }),
    ("get_uid", |_, v, _| {
        let name = str(&v)?;
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let uid = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name.as_str())).then(|| fields.nth(1)?.parse::<i128>().ok())?
        });
        Ok(uid.into())
    }),
    ("http_query", |interp, v, a| {
        // The request is `http.query`'s: an engine of templates opens no connection itself.
        let salt = interp.context(&"salt".into()).ok_or_else(|| {
            Error::runtime(
                "the filter 'http_query' needs the function http.query, which is not here",
            )
        })?;
        let query = item(interp, &salt, &Val::from("http.query"))?;
        let mut args = Args {
            positional: vec![v],
            keywords: a.keywords.clone(),
        };
        args.positional.extend(a.positional.iter().cloned());
        interp.call(&query, &args)
    }),
    ("dns_check", |_, v, a| {
        use std::net::ToSocketAddrs as _;
        let [port, safe, ipv6, _connect] =
            a.bind("dns_check", ["port", "safe", "ipv6", "attempt_connect"])?;
        let port = port
            .and_then(|p| p.as_index())
            .and_then(|p| u16::try_from(p).ok())
            .unwrap_or(0);
        let ipv6 = flag(ipv6)?;
        let host = str(&v)?;
        let found = (host.as_str(), port)
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.find(|a| a.is_ipv4() || ipv6));
        match found {
            Some(address) => Ok(address.ip().to_string().into()),
            None if flag(safe)? => Ok("".into()),
            None => Err(Error::python(
                "SaltSystemExit",
                format!("DNS lookup or connection check of '{host}' failed."),
            )),
        }
    }),
];

fn read(path: &str) -> Result<Vec<u8>> {
    let missing = |e: std::io::Error| {
        Error::python(
            "FileNotFoundError",
            format!(
                "[Errno {}] {}: '{path}'",
                e.raw_os_error().unwrap_or(0),
                "No such file or directory"
            ),
        )
    };
    let size = std::fs::metadata(path).map_err(missing)?.len();
    if size > MAX_FILE {
        return Err(Error::bound(format!("the file {path} is too long")));
    }
    std::fs::read(path).map_err(missing)
}

fn is_text(path: &str) -> bool {
    use std::io::Read as _;
    let Ok(file) = std::fs::File::open(path) else {
        return false;
    };
    let mut block = Vec::new();
    if file.take(512).read_to_end(&mut block).is_err() || block.contains(&0) {
        return false;
    }
    match std::str::from_utf8(&block) {
        Ok(_) => true,
        // Cut within a character.
        Err(e) if e.error_len().is_none() => true,
        Err(_) => {
            let odd = block
                .iter()
                .filter(|b| !matches!(b, b' '..=b'~' | b'\n' | b'\r' | b'\t' | 8 | 12));
            odd.count() * 10 <= block.len() * 3
        }
    }
}
