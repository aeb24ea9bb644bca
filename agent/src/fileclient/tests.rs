//! The client against both kinds of server; the remote one is the local one behind Salt's loads.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use salt_wire::map;
use tempfile::TempDir;

use super::*;
use crate::context::Master;
use crate::testing;

/// A master that serves local roots, counts requests, and lies where it is told to.
struct FakeMaster {
    files: Local,
    chunks: AtomicUsize,
    lists: AtomicUsize,
    lie: Option<Vec<String>>,
}

impl Master for FakeMaster {
    fn request(&self, load: Map) -> Result<Value, MasterError> {
        let text = |k: &str| {
            load.get(k)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (path, env) = (text("path"), text("saltenv"));
        Ok(match text("cmd").as_str() {
            "_file_hash" if self.lie.is_some() => FileHash {
                hsum: "00".into(),
                hash_type: "sha256".into(),
            }
            .into(),
            "_file_hash" => self
                .files
                .hash(&path, &env)
                .unwrap()
                .map_or("".into(), Value::from),
            "_file_list" => {
                self.lists.fetch_add(1, Ordering::Relaxed);
                match &self.lie {
                    Some(names) => names.clone().into(),
                    None => self.files.list(Listing::Files, &env, "").unwrap().into(),
                }
            }
            "_file_list_emptydirs" => self
                .files
                .list(Listing::EmptyDirs, &env, "")
                .unwrap()
                .into(),
            "_serve_file" => {
                self.chunks.fetch_add(1, Ordering::Relaxed);
                let loc = load.get("loc").and_then(Value::as_int).unwrap() as u64;
                let chunk = self.files.chunk(&path, &env, loc, None).unwrap();
                let dest = if chunk.found { path } else { String::new() };
                Value::Map(map! { "data" => chunk.data, "dest" => dest })
            }
            _ => Value::Map(Map::new()),
        })
    }
    fn pillar(&self, _: Map) -> Result<Map, MasterError> {
        Ok(Map::new())
    }
    fn registers_resources(&self) -> Result<bool, MasterError> {
        Ok(true)
    }
}

struct Setup {
    dir: TempDir,
    ctx: Context,
    master: Arc<FakeMaster>,
}

fn setup(lie: Option<Vec<String>>) -> Setup {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("srv");
    fs::create_dir_all(root.join("web/empty")).unwrap();
    fs::create_dir_all(dir.path().join("dev")).unwrap();
    fs::write(root.join("top.sls"), "base: {}\n").unwrap();
    fs::write(root.join("web/init.sls"), "x: 1\n").unwrap();
    fs::write(root.join("web/big"), vec![0xfe; 700_000]).unwrap();
    fs::write(root.join("web/none"), "").unwrap();
    fs::write(root.join("odd?name"), "odd").unwrap();
    fs::write(dir.path().join("dev/top.sls"), "dev\n").unwrap();
    let text = |p: std::path::PathBuf| p.to_string_lossy().into_owned();
    let opts = map! { "file_roots" => map! {
        "base" => vec![text(root)], "dev" => vec![text(dir.path().join("dev"))],
    }};
    let master = Arc::new(FakeMaster {
        files: Local::new(&opts),
        chunks: AtomicUsize::new(0),
        lists: AtomicUsize::new(0),
        lie,
    });
    let mut ctx = testing::context(dir.path(), opts);
    ctx.master = Some(master.clone());
    Setup { dir, ctx, master }
}

#[test]
fn both_servers_give_the_same_files() {
    let s = setup(None);
    let mut local = s.ctx.clone();
    local.master = None;
    for ctx in [&s.ctx, &local] {
        let client = FileClient::new(ctx);
        let names = client.list(Listing::Files, "base", "").unwrap();
        assert_eq!(
            names,
            ["odd?name", "top.sls", "web/big", "web/init.sls", "web/none"]
        );
        assert_eq!(client.list_states("base").unwrap(), ["top", "web"]);
        let big = client
            .cache_file("salt://web/big", "base", None)
            .unwrap()
            .unwrap();
        assert_eq!(fs::read(&big).unwrap(), vec![0xfe; 700_000]);
        assert_eq!(big, s.dir.path().join("cache/files/base/web/big"));
        let none = client
            .cache_file("salt://web/none", "base", None)
            .unwrap()
            .unwrap();
        assert_eq!(fs::read(none).unwrap(), b"");
        let odd = client
            .cache_file("salt://|odd?name", "base", None)
            .unwrap()
            .unwrap();
        assert_eq!(fs::read(odd).unwrap(), b"odd");
        let dev = client
            .cache_file("salt://top.sls?saltenv=dev", "base", None)
            .unwrap();
        assert_eq!(fs::read(dev.unwrap()).unwrap(), b"dev\n");
        assert_eq!(
            client.cache_file("salt://nope", "base", None).unwrap(),
            None
        );
        assert_eq!(
            client.get_state("web", "base").unwrap().unwrap().source,
            "salt://web/init.sls"
        );
        let made = client.get_dir("salt://web", s.dir.path().to_str().unwrap(), "base", None);
        assert_eq!(made.unwrap().len(), 4);
        assert!(s.dir.path().join("web/empty").is_dir());
    }
}

#[test]
fn an_unchanged_file_does_not_travel() {
    let s = setup(None);
    let client = FileClient::new(&s.ctx);
    client.cache_file("salt://web/big", "base", None).unwrap();
    let first = s.master.chunks.load(Ordering::Relaxed);
    assert_eq!(first, 4, "three pieces and the end");
    client.cache_file("salt://web/big", "base", None).unwrap();
    assert_eq!(s.master.chunks.load(Ordering::Relaxed), first);
    client.list_states("base").unwrap();
    client.list_states("base").unwrap();
    assert_eq!(s.master.lists.load(Ordering::Relaxed), 1);
}

#[test]
fn nothing_leads_out_of_the_cache() {
    let s = setup(Some(vec!["web/../../../evil".into()]));
    let client = FileClient::new(&s.ctx);
    let refused = |r: Result<Option<PathBuf>, FileError>| {
        assert!(matches!(r, Err(FileError::Escape { .. })));
    };
    refused(client.cache_file("salt://../evil", "base", None));
    refused(client.cache_file("salt://a/../../evil", "base", None));
    refused(client.cache_file("salt://a", "../..", None));
    refused(client.cache_file("salt://a?saltenv=..", "base", None));
    assert!(client.cache_master("base").is_err());
    let dest = s.dir.path().join("a/b/c");
    assert!(
        client
            .get_dir("salt://web", dest.to_str().unwrap(), "base", None)
            .is_err()
    );
    assert!(!s.dir.path().join("a/evil").exists());
    assert_eq!(client.is_cached("salt://../../pki", "base").unwrap(), None);
}

#[test]
fn wrong_bytes_are_not_kept() {
    let s = setup(Some(Vec::new()));
    let client = FileClient::new(&s.ctx);
    let got = client.cache_file("salt://top.sls", "base", None);
    assert!(matches!(got, Err(FileError::Corrupt { .. })));
    let cache = s.dir.path().join("cache/files/base");
    assert_eq!(fs::read_dir(cache).unwrap().count(), 0);
}
