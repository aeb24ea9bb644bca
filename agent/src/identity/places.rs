//! Where a cloud leaves what an instance shall know: a config drive, a NoCloud seed, the metadata service.
//! Orders, identity and user-data are all read through here. All of this blocks, for a bounded time.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use salt_wire::{Map, Value};

use crate::host::http::{self, Manner, Request};

/// More than any order, metadata or user-data has: Nova takes 64 KiB.
const MAX_BYTES: u64 = 1 << 20;
/// For a whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// On the drive and at the service alike.
pub const META_DATA: &str = "openstack/latest/meta_data.json";
const USER_DATA: &str = "openstack/latest/user_data";
/// Labels of a config drive and of a NoCloud disk, in the cases that are seen.
const CONFIG_DRIVES: [&str; 2] = ["config-2", "CONFIG-2"];
const NOCLOUDS: [&str; 2] = ["cidata", "CIDATA"];
/// Where a NoCloud seed lies in an image or a container.
const SEEDS: [&str; 2] = [
    "var/lib/cloud/seed/nocloud",
    "var/lib/cloud/seed/nocloud-net",
];
/// What a place says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// Which place.
    pub source: String,
    /// The instance's id.
    pub id: Option<String>,
    /// Its name.
    pub hostname: Option<String>,
    /// What its owner wants of it.
    pub user_data: Option<Vec<u8>>,
}

/// The places on the machine itself: the config drive first, then NoCloud, whose seed may have come with the image.
pub fn local(root: &Path, drive: Option<&Path>, mount_at: &Path) -> Option<Instance> {
    if let Some(dir) = drive
        && let Some(found) = config_drive(dir, &dir.display().to_string())
    {
        return Some(found);
    }
    // Another root has no devices of its own.
    let own = root == Path::new("/");
    let labelled = |labels: &[&str], read: &dyn Fn(&Path, &str) -> Option<Instance>| {
        let devices = labels
            .iter()
            .map(|label| Path::new("/dev/disk/by-label").join(label));
        devices
            .filter(|device| own && device.exists())
            .find_map(|device| {
                let name = device.display().to_string();
                mounted(&device, mount_at, &|dir| read(dir, &name))
            })
    };
    let seeds = || {
        let mut seeds = SEEDS.iter();
        seeds.find_map(|seed| nocloud(&root.join(seed), seed))
    };
    labelled(&CONFIG_DRIVES, &config_drive)
        .or_else(seeds)
        .or_else(|| labelled(&NOCLOUDS, &nocloud))
}

/// The metadata service.
pub fn metadata(url: &str) -> Option<Instance> {
    let url = url.trim_end_matches('/');
    let source = format!("{url}/{META_DATA}");
    let mut found = of_meta_data(get(&source, None)?.as_bytes(), &source)?;
    found.user_data = get_bytes(&format!("{url}/{USER_DATA}"), None);
    Some(found)
}

fn config_drive(dir: &Path, source: &str) -> Option<Instance> {
    let mut found = of_meta_data(&read(&dir.join(META_DATA))?, source)?;
    found.user_data = read(&dir.join(USER_DATA));
    Some(found)
}

fn of_meta_data(json: &[u8], source: &str) -> Option<Instance> {
    let document: Value = serde_json::from_slice(json).ok()?;
    let text = |key: &str| {
        let text = document.get(key)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    Some(Instance {
        source: source.to_owned(),
        id: text("uuid"),
        hostname: text("hostname").or_else(|| text("name")),
        user_data: None,
    })
}

fn nocloud(dir: &Path, source: &str) -> Option<Instance> {
    let text = String::from_utf8(read(&dir.join("meta-data"))?).ok()?;
    let document = salt_yaml::load(&text).unwrap_or(Value::Null);
    let text = |key: &str| match document.get(key)? {
        Value::Str(text) if !text.is_empty() => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    };
    Some(Instance {
        source: source.to_owned(),
        id: text("instance-id"),
        hostname: text("local-hostname").or_else(|| text("hostname")),
        user_data: read(&dir.join("user-data")),
    })
}

/// What is on a drive that nobody has mounted: read-only, for a moment, where nobody looks.
pub fn mounted<T>(device: &Path, at: &Path, look: &dyn Fn(&Path) -> Option<T>) -> Option<T> {
    fs::create_dir_all(at).ok()?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mut found = None;
    for form in ["iso9660", "vfat"] {
        if mount(Some(device), at, Some(form), flags, None::<&str>).is_ok() {
            found = look(at);
            if let Err(error) = umount2(at, MntFlags::MNT_DETACH) {
                tracing::warn!(dir = %at.display(), %error, "The config drive stays mounted.");
            }
            break;
        }
    }
    found
}

/// The devices of config drives that are there.
pub fn config_drives() -> impl Iterator<Item = PathBuf> {
    CONFIG_DRIVES
        .iter()
        .map(|label| Path::new("/dev/disk/by-label").join(label))
        .filter(|device| device.exists())
}

/// A file's bytes, if it is there and not too long.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    let file = fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    match file.take(MAX_BYTES).read_to_end(&mut bytes) {
        Ok(_) => Some(bytes),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "A file of the instance cannot be read.");
            None
        }
    }
}

/// The `meta` mapping of an instance: what its owner set on it.
pub fn meta(json: &[u8]) -> Option<Map> {
    let document: Value = serde_json::from_slice(json).ok()?;
    document.get("meta")?.as_map().cloned()
}

/// What an address gives, as text; `bundle` names certificates to trust instead of the system's.
pub fn get(url: &str, bundle: Option<String>) -> Option<String> {
    String::from_utf8(get_bytes(url, bundle)?).ok()
}

fn get_bytes(url: &str, bundle: Option<String>) -> Option<Vec<u8>> {
    // The metadata service is asked directly, as every client of it does.
    let manner = Manner {
        timeout: PATIENCE,
        proxy: false,
        bundle,
        ..Manner::default()
    };
    let request = Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        ..Request::default()
    };
    let bytes = http::send(&http::agent(&manner), &request).and_then(|answer| {
        if answer.status >= 400 {
            return Err(format!("{} {}", answer.status, answer.reason()));
        }
        answer.bytes(MAX_BYTES).map_err(|e| e.to_string())
    });
    bytes
        .inspect_err(|error| tracing::debug!(url, %error, "Nothing there."))
        .ok()
}
