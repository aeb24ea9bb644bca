//! Where orders may lie. Each source gives a text or nothing: what is not there is no fault, and what is wrong
//! with a text is its judge's to say. All of this blocks.

use std::path::Path;

use salt_wire::Value;
use salt_wire::order::signed::from_metadata;

use crate::config::Settings;
use crate::identity::places::{META_DATA, config_drives, get, meta, mounted, read};

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
    add(file.display().to_string(), text(&file));
    match &agent.order_drive {
        Some(dir) => add(dir.display().to_string(), on_drive(dir)),
        None => {
            let at = settings.cachedir.join("config-drive");
            for device in config_drives() {
                let found = mounted(&device, &at, &on_drive);
                add(device.display().to_string(), found);
            }
        }
    }
    if !agent.metadata_url.is_empty() {
        let url = format!("{}/{META_DATA}", agent.metadata_url.trim_end_matches('/'));
        let text = get(&url, None);
        add(url, text.and_then(|json| in_metadata(json.as_bytes())));
    }
    for url in &agent.order_urls {
        add(url.clone(), get(url, settings.ca_bundle()));
    }
    found
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(read(path)?).ok()
}

/// The order in the metadata of a config drive that is mounted there.
fn on_drive(dir: &Path) -> Option<String> {
    in_metadata(&read(&dir.join(META_DATA))?)
}

/// The order in an instance's `meta` mapping, put together from its parts.
fn in_metadata(json: &[u8]) -> Option<String> {
    let meta = meta(json)?;
    from_metadata(|key| meta.get(key).and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use salt_wire::order::signed::to_metadata;
    use salt_wire::{Map, map};

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
