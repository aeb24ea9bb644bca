//! Where orders may lie. Each source gives a text or nothing: what is not there is no fault, and what is wrong
//! with a text is its judge's to say. All of this blocks.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use salt_wire::order::signed::from_metadata;
use salt_wire::{Map, Value};

use crate::config::Settings;
use crate::host::http::{self, Manner, Request};

/// More than any order, certificate or instance's metadata has.
const MAX_BYTES: u64 = 1 << 20;
/// For a whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The drive that carries an instance's metadata, by either of its names.
const DRIVES: [&str; 2] = ["/dev/disk/by-label/config-2", "/dev/disk/by-label/CONFIG-2"];
/// On the drive and at the service alike.
const META_DATA: &str = "openstack/latest/meta_data.json";

/// A text and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// For log and status.
    pub source: String,
    /// The text.
    pub text: String,
}

/// Everything that there is at the moment.
pub fn gather(settings: &Settings) -> Vec<Found> {
    let agent = &settings.agent;
    let file = agent.order_file.clone();
    let file = file.unwrap_or_else(|| settings.config_dir.join("remaster.order"));
    let mut found = Vec::new();
    let mut add = |source: String, text: Option<String>| {
        if let Some(text) = text.filter(|t| !t.trim().is_empty()) {
            found.push(Found { source, text });
        }
    };
    add(file.display().to_string(), read(&file));
    match &agent.order_drive {
        Some(dir) => add(dir.display().to_string(), on_drive(dir)),
        None => {
            for device in DRIVES.map(Path::new).into_iter().filter(|d| d.exists()) {
                add(
                    device.display().to_string(),
                    mounted(device, &settings.cachedir),
                );
            }
        }
    }
    if !agent.metadata_url.is_empty() {
        let url = format!("{}/{META_DATA}", agent.metadata_url.trim_end_matches('/'));
        let text = get(&url);
        add(url, text.and_then(|json| in_metadata(json.as_bytes())));
    }
    for url in &agent.order_urls {
        add(url.clone(), get(url));
    }
    found
}

fn read(path: &Path) -> Option<String> {
    let file = fs::File::open(path).ok()?;
    let mut text = String::new();
    match file.take(MAX_BYTES).read_to_string(&mut text) {
        Ok(_) => Some(text),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "An order cannot be read.");
            None
        }
    }
}

/// The order in the metadata of a config drive that is mounted there.
fn on_drive(dir: &Path) -> Option<String> {
    in_metadata(read(&dir.join(META_DATA))?.as_bytes())
}

/// The same on a drive that nobody has mounted: read-only, for a moment, where nobody looks.
fn mounted(device: &Path, cachedir: &Path) -> Option<String> {
    let dir: PathBuf = cachedir.join("config-drive");
    fs::create_dir_all(&dir).ok()?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mut text = None;
    for form in ["iso9660", "vfat"] {
        if mount(Some(device), &dir, Some(form), flags, None::<&str>).is_ok() {
            text = on_drive(&dir);
            if let Err(error) = umount2(&dir, MntFlags::MNT_DETACH) {
                tracing::warn!(dir = %dir.display(), %error, "The config drive stays mounted.");
            }
            break;
        }
    }
    text
}

/// The order in an instance's `meta` mapping, put together from its parts.
fn in_metadata(json: &[u8]) -> Option<String> {
    let document: Value = serde_json::from_slice(json).ok()?;
    let meta: &Map = document.get("meta")?.as_map()?;
    from_metadata(|key| meta.get(key).and_then(Value::as_str))
}

fn get(url: &str) -> Option<String> {
    // The metadata service is asked directly, as every client of it does.
    let manner = Manner {
        timeout: PATIENCE,
        proxy: false,
        ..Manner::default()
    };
    let request = Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        ..Request::default()
    };
    let text = http::send(&http::agent(&manner), &request).and_then(|answer| {
        if answer.status >= 400 {
            return Err(format!("{} {}", answer.status, answer.reason()));
        }
        let bytes = answer.bytes(MAX_BYTES).map_err(|e| e.to_string())?;
        String::from_utf8(bytes).map_err(|e| e.to_string())
    });
    text.inspect_err(|error| tracing::debug!(url, %error, "No order there."))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use salt_wire::map;
    use salt_wire::order::signed::to_metadata;

    use super::*;

    /// Answers each request with this, until it is told to stop by a last one.
    fn serve(body: String, times: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for _ in 0..times {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let _read = stream.read(&mut request).unwrap();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).unwrap();
            }
        });
        format!("http://{address}")
    }

    fn metadata(text: &str) -> String {
        let meta: Map = to_metadata(text)
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        let document = map! {"uuid" => "u", "meta" => meta};
        serde_json::to_string(&Value::Map(document)).unwrap()
    }

    #[test]
    fn every_source_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let drive = dir.path().join("drive");
        fs::create_dir_all(drive.join("openstack/latest")).unwrap();
        let long = "on the drive ".repeat(40);
        fs::write(drive.join(META_DATA), metadata(&long)).unwrap();
        fs::write(dir.path().join("remaster.order"), "in a file").unwrap();
        let service = serve(metadata("at the service"), 1);
        let url = serve("at a url".into(), 1);
        let opts = map! {
            "agent" => map! {
                "identity" => map! {"metadata_url" => service},
                "orders" => map! {
                    "config_drive" => drive.to_str().unwrap(), "urls" => vec![url.as_str()],
                },
            },
        };
        let settings = Settings::from_overrides(dir.path(), "m1", opts).unwrap();
        let texts: Vec<_> = gather(&settings).into_iter().map(|f| f.text).collect();
        assert_eq!(texts, ["in a file", &long, "at the service", "at a url"]);
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let opts = map! {
            "agent" => map! {
                "identity" => map! {"metadata_url" => "http://127.0.0.1:1"},
                "orders" => map! {
                    "config_drive" => dir.path().to_str().unwrap(), "urls" => vec!["http://127.0.0.1:1/x"],
                },
            },
        };
        let settings = Settings::from_overrides(dir.path(), "m1", opts).unwrap();
        assert_eq!(gather(&settings), []);
    }
}
