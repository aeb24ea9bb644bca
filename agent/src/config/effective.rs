//! From the options as written to `opts` as Salt has them: defaults, id, directories below `root_dir`, and
//! the other fix-ups that `salt.config.apply_minion_config` does, in its order.

use std::path::Path;

use salt_wire::{Map, Value};

use super::error::{Error, kind};
use super::options::{self, OptionInfo};
use super::{FindId, FoundId, Origins, Warning};

/// Puts Salt's defaults below `overrides` and works out what follows from them.
pub(super) fn apply(
    mut overrides: Map,
    conf_file: &Path,
    origins: &Origins,
    find_id: FindId<'_>,
) -> Result<(Map, Vec<Warning>), Error> {
    let mut warnings = Vec::new();
    let mut opts = options::defaults();
    opts.insert("conf_file".into(), text(conf_file));
    opts.insert("user".into(), crate::host::account::current_name().into());
    opts.insert("__role".into(), "minion".into());
    log_dir(&mut overrides, &opts);
    let dynamic_buffer = overrides.get("ipc_write_buffer") == Some(&"dynamic".into());
    let own_buffer = overrides.contains_key("ipc_write_buffer");
    opts.extend(overrides);
    for key in PATHS.iter().chain(&["root_dir"]) {
        only_text(&opts, origins, key)?;
    }
    environment(&mut opts, origins, &mut warnings);
    fileserver_backend(&mut opts);
    let found = id(&mut opts, find_id)?;
    check_id(&opts, origins)?;
    append_id_to_directories(&mut opts);
    if str_of(&opts, "sock_dir").len() > str_of(&opts, "cachedir").len() + 10 {
        let below = join(str_of(&opts, "cachedir"), ".salt-unix");
        opts.insert("sock_dir".into(), below.into());
    }
    let open = opts.get("open_mode") == Some(&Value::Bool(true));
    opts.insert("open_mode".into(), open.into());
    roots(&mut opts, "file_roots", "/srv/salt");
    roots(&mut opts, "pillar_roots", "/srv/pillar");
    if !opts.get("extension_modules").is_some_and(Value::is_truthy) {
        let below = join(str_of(&opts, "cachedir"), "extmods");
        opts.insert("extension_modules".into(), below.into());
    }
    if !opts.get("utils_dirs").is_some_and(Value::is_truthy) {
        let below = join(str_of(&opts, "extension_modules"), "utils");
        opts.insert("utils_dirs".into(), vec![below].into());
    }
    prepend_root_dir(&mut opts, origins)?;
    opts.entry("beacons".into())
        .or_insert_with(|| Map::new().into());
    if dynamic_buffer {
        let default = options::find("ipc_write_buffer").and_then(|o| o.default.clone());
        opts.insert("ipc_write_buffer".into(), default.into());
    } else if !own_buffer {
        opts.insert("ipc_write_buffer".into(), 0.into());
    }
    let hash_type = str_of(&opts, "hash_type").to_lowercase();
    opts.insert("hash_type".into(), hash_type.into());
    if opts.get("ssl") == Some(&Value::Bool(false)) {
        opts.insert("ssl".into(), Value::Null);
    } else if opts.get("ssl") == Some(&Value::Bool(true)) {
        opts.insert("ssl".into(), Map::new().into());
    }
    let cachedir = opts.get("cachedir").cloned().unwrap_or_default();
    opts.entry("__cachedir".into()).or_insert(cachedir);
    if let Some(Value::List(returners)) = opts.get("return") {
        let joined: Vec<_> = returners.iter().filter_map(Value::as_str).collect();
        let joined = joined.join(",");
        opts.insert("return".into(), joined.into());
    }
    check_types(&opts, origins, &mut warnings);
    if let Some(found) = found {
        tracing::debug!(id = found.id, how = found.how, "Minion id found.");
    }
    Ok((opts, warnings))
}

/// Options that hold one path and are put below `root_dir`.
const PATHS: [&str; 5] = [
    "pki_dir",
    "cachedir",
    "sock_dir",
    "extension_modules",
    "pidfile",
];

fn text(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

fn str_of<'a>(opts: &'a Map, key: &str) -> &'a str {
    opts.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn only_text(opts: &Map, origins: &Origins, key: &str) -> Result<(), Error> {
    match opts.get(key) {
        Some(Value::Str(_)) => Ok(()),
        // Salt takes these two for "not set".
        Some(value) if key == "extension_modules" && !value.is_truthy() => Ok(()),
        None => Ok(()),
        Some(other) => Err(Error::Value {
            key: key.to_owned(),
            origin: origins.of(key),
            expected: "a path".to_owned(),
            found: kind(other).to_owned(),
        }),
    }
}

/// `log_dir` moves a log file that is not absolute.
fn log_dir(overrides: &mut Map, defaults: &Map) {
    let Some(dir) = overrides.get("log_dir").and_then(Value::as_str) else {
        return;
    };
    let file = match overrides.get("log_file").and_then(Value::as_str) {
        Some(file) if file.starts_with('/') => return,
        Some(file) if !file.is_empty() => file,
        _ => str_of(defaults, "log_file")
            .rsplit('/')
            .next()
            .unwrap_or_default(),
    };
    if !dir.is_empty() {
        let joined = join(dir, file);
        overrides.insert("log_file".into(), joined.into());
    }
}

/// `environment` is the old name of `saltenv`.
fn environment(opts: &mut Map, origins: &Origins, warnings: &mut Vec<Warning>) {
    let Some(old) = opts.get("environment").cloned() else {
        return;
    };
    let saltenv = opts.get("saltenv").cloned().unwrap_or_default();
    let words = if saltenv.is_null() {
        opts.insert("saltenv".into(), old);
        "`environment` is the old name of `saltenv`: rename it"
    } else {
        opts.insert("environment".into(), saltenv);
        "`environment` is ignored because `saltenv` is set: remove it"
    };
    warnings.push(Warning::new(origins.of("environment"), words));
}

fn fileserver_backend(opts: &mut Map) {
    if let Some(Value::List(backends)) = opts.get_mut("fileserver_backend") {
        for backend in backends {
            if let Some(name @ ("git" | "hg" | "svn" | "minion")) = backend.as_str() {
                *backend = format!("{name}fs").into();
            }
        }
    }
}

/// The id that is set, or the one that is found.
fn id(opts: &mut Map, find_id: FindId<'_>) -> Result<Option<FoundId>, Error> {
    let found = if opts.get("id").is_some_and(Value::is_truthy) {
        None
    } else {
        let found = find_id(opts)?;
        opts.insert("id".into(), found.id.clone().into());
        Some(found)
    };
    let is_address = found.as_ref().is_some_and(|f| f.is_address);
    if !is_address && let Some(domain) = opts.get("append_domain").and_then(Value::as_str) {
        let id = str_of(opts, "id");
        if !id.ends_with(domain) && !id.ends_with('.') {
            let whole = format!("{id}.{domain}");
            opts.insert("id".into(), whole.into());
        }
    }
    Ok(found)
}

/// What `salt.utils.verify.valid_id` says of it, and one thing more: it must be text that a file can be named after.
fn check_id(opts: &Map, origins: &Origins) -> Result<(), Error> {
    let id = str_of(opts, "id");
    let cause = if id.is_empty() {
        "it is empty"
    } else if id.contains(['/', '\\', '\0']) {
        "`/`, `\\` and NUL are not allowed"
    } else if id == "." || id == ".." {
        "it is the name of a directory"
    } else if id.chars().any(char::is_control) {
        "it has a control character"
    } else if id.len() > 255 {
        "it is longer than 255 bytes"
    } else {
        return Ok(());
    };
    Err(Error::Id {
        id: id.to_owned(),
        origin: origins.of("id"),
        cause: cause.to_owned(),
    })
}

fn append_id_to_directories(opts: &mut Map) {
    let id = str_of(opts, "id").to_owned();
    let wanted = opts.get("append_minionid_config_dirs");
    let wanted: Vec<String> = wanted
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect();
    for name in &wanted {
        match name.as_str() {
            "pki_dir" | "cachedir" | "extension_modules" => {
                let below = join(str_of(opts, name), &id);
                opts.insert(name.as_str().into(), below.into());
            }
            "default_include" => {
                let (dir, glob) = split(str_of(opts, name));
                let below = join(&join(dir, &id), glob);
                opts.insert(name.as_str().into(), below.into());
            }
            _ => {}
        }
    }
    if wanted.iter().any(|n| n == "pidfile") {
        let (dir, file) = split(str_of(opts, "pidfile"));
        let below = join(&join(&join(dir, "salt"), &id), file);
        opts.insert("pidfile".into(), below.into());
    }
}

fn roots(opts: &mut Map, key: &str, default: &str) {
    let Some(Value::Map(given)) = opts.get(key) else {
        opts.insert(key.into(), map_of("base", vec![default]).into());
        return;
    };
    let mut roots = Map::new();
    for (env, dirs) in given {
        let env = match env {
            Value::Str(name) => name.clone(),
            other => format!("{other:?}"),
        };
        let dirs = dirs.as_list().unwrap_or_default();
        let dirs: Vec<Value> = dirs.iter().flat_map(expand).collect();
        roots.insert(env.into(), dirs.into());
    }
    opts.insert(key.into(), roots.into());
}

fn map_of(key: &str, value: Vec<&str>) -> Map {
    Map::from_iter([(key.into(), value.into())])
}

/// A directory with wildcards becomes those that exist.
fn expand(dir: &Value) -> Vec<Value> {
    match dir.as_str() {
        Some(pattern) if super::glob::has_magic(pattern) => super::glob::glob(pattern)
            .iter()
            .map(|path| text(path))
            .collect(),
        _ => vec![dir.clone()],
    }
}

fn prepend_root_dir(opts: &mut Map, origins: &Origins) -> Result<(), Error> {
    let root = absolute(str_of(opts, "root_dir"));
    let mut keys = PATHS.to_vec();
    for key in ["log_file", "key_logfile"] {
        only_text(opts, origins, key)?;
        // A log file may be an address of syslog.
        if opts.get(key).is_some_and(|v| !v.is_null()) && !has_scheme(str_of(opts, key)) {
            keys.push(key);
        }
    }
    for key in keys {
        let Some(path) = opts.get(key).and_then(Value::as_str) else {
            continue;
        };
        let below = match path.strip_prefix(root.as_str()) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        };
        let joined = normal(&format!("{root}/{}", below.trim_start_matches('/')));
        opts.insert(key.into(), joined.into());
    }
    Ok(())
}

fn has_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// `os.path.join` of two.
fn join(dir: &str, name: &str) -> String {
    if name.starts_with('/') || dir.is_empty() {
        name.to_owned()
    } else if dir.ends_with('/') {
        format!("{dir}{name}")
    } else {
        format!("{dir}/{name}")
    }
}

/// `os.path.split`.
fn split(path: &str) -> (&str, &str) {
    match path.rfind('/') {
        Some(0) => ("/", &path[1..]),
        Some(at) => (path[..at].trim_end_matches('/'), &path[at + 1..]),
        None => ("", path),
    }
}

fn absolute(path: &str) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.into());
    normal(&whole.to_string_lossy())
}

/// `os.path.normpath` of an absolute path.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Salt's check of types, which never stops it: what has no meaning for us stays a warning, the rest is
/// looked at again when it is read.
fn check_types(opts: &Map, origins: &Origins, warnings: &mut Vec<Warning>) {
    for (key, value) in opts {
        let info = key.as_str().and_then(options::find);
        if let Some(OptionInfo { name, types, .. }) = info.filter(|o| !o.takes(value)) {
            let words = format!(
                "`{name}` is {}, Salt takes {}",
                kind(value),
                types.join(" or ")
            );
            warnings.push(Warning::new(origins.of(name), words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_below_the_root_once() {
        for (root, path, whole) in [
            ("/", "/var/cache/salt/minion", "/var/cache/salt/minion"),
            ("/r", "/var/cache", "/r/var/cache"),
            ("/r/", "/r/var", "/r/var"),
            ("/r", "/rest", "/r/rest"),
            ("/r", "rel/./x/../y", "/r/rel/y"),
            ("/r", "/r", "/r/r"),
        ] {
            let mut opts = Map::from_iter([
                ("root_dir".into(), root.into()),
                ("pki_dir".into(), path.into()),
            ]);
            prepend_root_dir(&mut opts, &Origins::default()).unwrap();
            assert_eq!(str_of(&opts, "pki_dir"), whole, "{root} {path}");
        }
    }

    #[test]
    fn schemes() {
        assert!(has_scheme("udp://loghost:514/LOG_USER"));
        assert!(has_scheme("file:///dev/log"));
        assert!(!has_scheme("/var/log/salt/minion"));
        assert!(!has_scheme("minion"));
    }

    #[test]
    fn python_path_functions() {
        assert_eq!(join("a", "b"), "a/b");
        assert_eq!(join("a/", "b"), "a/b");
        assert_eq!(join("a", "/b"), "/b");
        assert_eq!(split("minion.d/*.conf"), ("minion.d", "*.conf"));
        assert_eq!(split("/x"), ("/", "x"));
        assert_eq!(normal("/a/../../b//c/."), "/b/c");
    }
}
