//! The master's configuration: the few settings that one beside it needs, with Salt's defaults and its
//! rules for `root_dir` and includes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use salt_wire::{Map, Value};

use crate::error::{Error, Kind, Result};

/// What a neighbour of the master must know.
#[derive(Debug, Clone, PartialEq)]
pub struct MasterConfig {
    /// The directory that it was read from.
    pub dir: PathBuf,
    /// The user that the master runs as; empty for the user that started it.
    pub user: String,
    /// Where its event bus is.
    pub sock_dir: PathBuf,
    /// Where its local keys are.
    pub cachedir: PathBuf,
    /// Where its own pair and the minions' keys are.
    pub pki_dir: PathBuf,
    /// The address that it listens on.
    pub interface: String,
    /// Its request port.
    pub ret_port: u16,
    /// Its publish port.
    pub publish_port: u16,
    /// How long the CLI waits for returns.
    pub timeout: Duration,
    /// How long the CLI waits for "still working".
    pub gather_job_timeout: Duration,
    /// Where it looks for values of grains for which it accepts a key by itself.
    pub autosign_grains_dir: Option<PathBuf>,
    /// Named targets.
    pub nodegroups: Map,
}

impl Default for MasterConfig {
    fn default() -> Self {
        Self {
            dir: "/etc/salt".into(),
            user: String::new(),
            sock_dir: "/var/run/salt/master".into(),
            cachedir: "/var/cache/salt/master".into(),
            pki_dir: "/etc/salt/pki/master".into(),
            interface: "0.0.0.0".into(),
            ret_port: 4506,
            publish_port: 4505,
            timeout: Duration::from_secs(5),
            gather_job_timeout: Duration::from_secs(10),
            autosign_grains_dir: None,
            nodegroups: Map::new(),
        }
    }
}

impl MasterConfig {
    /// Reads `master` and what it includes.
    pub fn read(dir: &Path) -> Result<Self> {
        let file = dir.join("master");
        let mut options = read_file(&file)?;
        let default = options
            .get("default_include")
            .and_then(Value::as_str)
            .unwrap_or("master.d/*.conf")
            .to_owned();
        let mut patterns = vec![default];
        match options.get("include") {
            Some(Value::Str(one)) => patterns.push(one.clone()),
            Some(Value::List(many)) => {
                patterns.extend(many.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
        for pattern in patterns {
            for path in matching(dir, &pattern) {
                options.extend(read_file(&path)?);
            }
        }
        Self::from_options(dir, &options)
    }

    /// The settings in merged options.
    fn from_options(dir: &Path, options: &Map) -> Result<Self> {
        let default = Self::default();
        let root = text(options, "root_dir").unwrap_or_else(|| "/".into());
        let path = |key: &str, default: &Path| {
            let path = text(options, key).map_or_else(|| default.to_owned(), PathBuf::from);
            below(Path::new(&root), &path)
        };
        let raw = |key: &str, default: &Path| {
            text(options, key).unwrap_or_else(|| default.display().to_string())
        };
        // Salt's own rule against socket paths that are too long, made on the paths as they are written.
        let cachedir = raw("cachedir", &default.cachedir);
        let sock_dir = raw("sock_dir", &default.sock_dir);
        let sock_dir = if sock_dir.len() > cachedir.len() + 10 {
            below(Path::new(&root), &Path::new(&cachedir).join(".salt-unix"))
        } else {
            path("sock_dir", &default.sock_dir)
        };
        let keys = if options.get("cluster_id").is_some_and(Value::is_truthy)
            && options.get("cluster_pki_dir").is_some_and(Value::is_truthy)
        {
            text(options, "cluster_pki_dir").map_or_else(|| default.pki_dir.clone(), PathBuf::from)
        } else {
            path("pki_dir", &default.pki_dir)
        };
        Ok(Self {
            dir: dir.to_owned(),
            user: text(options, "user").unwrap_or_default(),
            sock_dir,
            cachedir: path("cachedir", &default.cachedir),
            pki_dir: keys,
            interface: text(options, "interface").unwrap_or(default.interface),
            ret_port: port(dir, options, "ret_port", default.ret_port)?,
            publish_port: port(dir, options, "publish_port", default.publish_port)?,
            timeout: wait(options, "timeout", default.timeout),
            gather_job_timeout: wait(options, "gather_job_timeout", default.gather_job_timeout),
            autosign_grains_dir: text(options, "autosign_grains_dir")
                .map(|dir| below(Path::new(&root), Path::new(&dir))),
            nodegroups: options
                .get("nodegroups")
                .and_then(Value::as_map)
                .cloned()
                .unwrap_or_default(),
        })
    }

    /// The address at which a neighbour reaches the request port.
    pub fn local_address(&self) -> String {
        match self.interface.as_str() {
            "0.0.0.0" => "127.0.0.1".into(),
            "::" => "[::1]".into(),
            v6 if v6.contains(':') => format!("[{v6}]"),
            other => other.to_owned(),
        }
    }
}

fn read_file(path: &Path) -> Result<Map> {
    let text = fs::read_to_string(path).map_err(|e| {
        let kind = match e.kind() {
            std::io::ErrorKind::PermissionDenied => Kind::Permission,
            _ => Kind::Local,
        };
        let error = Error::new(
            kind,
            format!("cannot read the master's configuration {}", path.display()),
        )
        .because(&e);
        match kind {
            Kind::Permission => error.hint("run as root or as the master's user"),
            _ => error.hint("run on the master, name its directory with --salt-config DIR, or reach it by --salt-api URL"),
        }
    })?;
    let (value, _) = salt_yaml::load_config(&text).map_err(|e| {
        Error::new(
            Kind::Local,
            format!("{} is no valid configuration", path.display()),
        )
        .because(&e)
    })?;
    match value {
        Value::Map(options) => Ok(options),
        Value::Null => Ok(Map::new()),
        _ => Err(Error::new(
            Kind::Local,
            format!("{} holds no options", path.display()),
        )),
    }
}

/// The files that an include pattern names, in order. A pattern may have `*` in its last part.
fn matching(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = dir.join(pattern);
    let Some(name) = pattern.file_name().and_then(|n| n.to_str()) else {
        return Vec::new();
    };
    let Some((before, after)) = name.split_once('*') else {
        return if pattern.is_file() {
            vec![pattern]
        } else {
            Vec::new()
        };
    };
    let folder = pattern.parent().unwrap_or(dir);
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
                && !name.starts_with('.')
                && path.is_file()
        })
        .collect();
    found.sort();
    found
}

/// A path below `root_dir`, unless it is there already.
fn below(root: &Path, path: &Path) -> PathBuf {
    if path.starts_with(root) {
        return path.to_owned();
    }
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn text(options: &Map, key: &str) -> Option<String> {
    options
        .get(key)
        .and_then(Value::as_str)
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
}

fn port(dir: &Path, options: &Map, key: &str, default: u16) -> Result<u16> {
    let number = match options.get(key) {
        None | Some(Value::Null) => return Ok(default),
        Some(Value::Int(number)) => u16::try_from(*number).ok(),
        Some(Value::Str(text)) => text.parse().ok(),
        Some(_) => None,
    };
    number.filter(|port| *port > 0).ok_or_else(|| {
        Error::new(
            Kind::Local,
            format!("{key} in {} is no port", dir.join("master").display()),
        )
    })
}

fn wait(options: &Map, key: &str, default: Duration) -> Duration {
    options
        .get(key)
        .and_then(Value::as_float)
        .filter(|seconds| (0.0..1e9).contains(seconds))
        .map_or(default, Duration::from_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_root_dir_and_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path();
        fs::create_dir(etc.join("master.d")).unwrap();
        fs::write(
            etc.join("master"),
            "root_dir: /r\ninterface: '::'\nuser: salt\nret_port: 1\ntimeout: 2\n",
        )
        .unwrap();
        fs::write(etc.join("master.d/b.conf"), "ret_port: 3\n").unwrap();
        fs::write(
            etc.join("master.d/a.conf"),
            "ret_port: 2\npki_dir: /r/pki\n",
        )
        .unwrap();
        fs::write(etc.join("master.d/c.txt"), "ret_port: 4\n").unwrap();
        let config = MasterConfig::read(etc).unwrap();
        assert_eq!(config.ret_port, 3);
        assert_eq!(config.publish_port, 4505);
        assert_eq!(config.pki_dir, Path::new("/r/pki"));
        assert_eq!(config.cachedir, Path::new("/r/var/cache/salt/master"));
        assert_eq!(config.sock_dir, Path::new("/r/var/run/salt/master"));
        assert_eq!(config.local_address(), "[::1]");
        assert_eq!(config.timeout, Duration::from_secs(2));
        assert_eq!(config.user, "salt");
    }

    #[test]
    fn mistakes_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = MasterConfig::read(dir.path()).unwrap_err();
        assert!(missing.hint.unwrap().contains("--salt-config"));
        let path = dir.path().join("master");
        fs::write(&path, "a: [").unwrap();
        assert!(
            MasterConfig::read(dir.path())
                .unwrap_err()
                .message
                .contains("master")
        );
        fs::write(&path, "ret_port: many").unwrap();
        let error = MasterConfig::read(dir.path()).unwrap_err();
        assert!(error.message.starts_with("ret_port in"), "{error}");
    }
}
