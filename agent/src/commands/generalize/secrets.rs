//! Secrets that the builder may have left: looked for by what they look like, since no list knows their names.
//! They are named in the receipt and never removed: only their owner knows whether the image needs them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde::Serialize;

use crate::fnmatch::fnmatch;
use crate::host::beneath::{Kind, Tree};

/// Where people and tools put them.
const PLACES: &[&str] = &[
    "etc",
    "root",
    "home",
    "opt",
    "srv",
    "usr/local",
    "var/www",
    "var/lib",
];
/// What is not the builder's own: packages' databases, containers' layers.
const PASSED_OVER: &[&str] = &[
    "opt/saltstack",
    "var/lib/apt",
    "var/lib/containerd",
    "var/lib/containers",
    "var/lib/docker",
    "var/lib/dpkg",
    "var/lib/flatpak",
    "var/lib/kubelet",
    "var/lib/rpm",
    "var/lib/snapd",
];
/// Names whose mere presence tells.
const NAMES: &[&str] = &[
    ".git-credentials",
    ".netrc",
    ".pgpass",
    ".my.cnf",
    ".vault-token",
    "id_rsa",
    "id_ecdsa",
    "id_ed25519",
    "clouds.yaml",
    "secure.yaml",
    "*openrc*.sh",
];
/// No secret stands deeper in a file than this.
const HEAD: u64 = 256 << 10;
/// Bounds of one look.
const MAX_FILES: usize = 300_000;
const MAX_DEPTH: usize = 24;

/// A file that may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Secret {
    /// Where.
    pub(super) path: PathBuf,
    /// What it looks like.
    pub(super) what: String,
}

/// Looks through the tree; what `allowed` globs match is meant to be there.
pub(super) fn scan(tree: &Tree, allowed: &[String]) -> Vec<Secret> {
    let mut look = Look {
        tree,
        allowed,
        files: 0,
        found: Vec::new(),
    };
    for place in PLACES {
        look.dir(Path::new(place), 0);
    }
    look.found
}

struct Look<'a> {
    tree: &'a Tree,
    allowed: &'a [String],
    files: usize,
    found: Vec<Secret>,
}

impl Look<'_> {
    fn dir(&mut self, dir: &Path, depth: usize) {
        if depth > MAX_DEPTH || PASSED_OVER.iter().any(|p| dir == Path::new(p)) {
            return;
        }
        // A link would bring us to the same files twice.
        if self.tree.entry(dir).is_none_or(|e| e.kind != Kind::Dir) {
            return;
        }
        for name in self.tree.names(dir) {
            let path = dir.join(&name);
            match self.tree.entry(&path) {
                Some(entry) if entry.kind == Kind::Dir => self.dir(&path, depth + 1),
                Some(entry) if entry.kind == Kind::File && entry.size > 0 => {
                    self.files += 1;
                    if self.files <= MAX_FILES {
                        self.file(path, &name.to_string_lossy());
                    }
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: PathBuf, name: &str) {
        let shown = format!("/{}", path.display());
        if self.allowed.iter().any(|glob| fnmatch(&shown, glob)) {
            return;
        }
        let named = NAMES.iter().any(|glob| fnmatch(name, glob));
        let what = if named {
            Some("a file of credentials")
        } else {
            let head = self.tree.read(&path, HEAD).unwrap_or_default();
            looks_like(&head, name)
        };
        if let Some(what) = what {
            let what = what.to_owned();
            self.found.push(Secret { path, what });
        }
    }
}

fn looks_like(head: &[u8], name: &str) -> Option<&'static str> {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
        // A line of its own, followed by its body: prose and source that only name it are passed over.
        Regex::new(r"(?m)^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----\r?\n").ok()
    });
    static CLOUD: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bhvs\.[A-Za-z0-9_-]{24,}").ok());
    static SETTING: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let word = "(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)";
        Regex::new(&format!(
            r#"(?m)^\s*(export\s+)?[A-Z0-9_]*{word}[A-Z0-9_]*=["']?[^\s"'$]{{6,}}"#
        ))
        .ok()
    });
    static ORDER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#""auths"\s*:\s*\{\s*"|(?m)^aws_secret_access_key\s*="#).ok());
    let is = |pattern: &LazyLock<Option<Regex>>| {
        let regex: &Option<Regex> = pattern;
        regex.as_ref().is_some_and(|r| r.is_match(head))
    };
    let environment = name == ".env" || name.ends_with(".env") || name == "environment";
    if is(&KEY) {
        Some("a private key")
    } else if is(&CLOUD) {
        Some("a cloud's access key or token")
    } else if is(&ORDER) {
        Some("credentials of a registry or cloud")
    } else if environment && is(&SETTING) {
        Some("a password in an environment file")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn secrets_are_named_by_their_looks() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let file = dir.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n";
        put("etc/certificates/web.pem", key);
        put("etc/ssl/kept.pem", key);
        put("opt/app/.env", "DB_PASSWORD=hunter22hunter\n");
        put("opt/app/empty.env", "DB_PASSWORD=\nTOKEN=$OTHER_TOKEN\n");
        put("root/.git-credentials", "https://u:p@h\n");
        put(
            "srv/notes.txt",
            "say -----BEGIN PRIVATE KEY----- in a sentence\n",
        );
        put("var/lib/docker/x.pem", key);
        put("usr/share/doc/example.pem", key);
        put(
            "home/u/.aws/credentials",
            "[default]\naws_secret_access_key = x\n",
        );
        let tree = Tree::open(dir.path()).unwrap();
        let found = scan(&tree, &["/etc/ssl/*".to_owned()]);
        let paths: Vec<_> = found.iter().map(|s| s.path.to_str().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "etc/certificates/web.pem",
                "root/.git-credentials",
                "home/u/.aws/credentials",
                "opt/app/.env"
            ]
        );
    }
}
