//! What cloud-init would do with user-data, as far as an agent needs it: `write_files`, `hostname`, and
//! the parts of a multipart archive. Commands and scripts are not run: this machine is not theirs.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use salt_wire::Value;

/// Applies user-data (base64, as Nova keeps it) to a disk; gives what is to be said on the console.
pub(super) fn apply(disk: &Path, hostname: &str, user_data: &str) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    let bytes = base64(user_data).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut host = hostname.to_owned();
    for part in parts(&text) {
        let part = part.trim_start();
        if part.is_empty() {
            continue;
        }
        if !part.starts_with("#cloud-config") {
            let first = part.lines().next().unwrap_or_default();
            notes.push(format!(
                "a part that begins with {first:?} is not run in the sandbox"
            ));
            continue;
        }
        match salt_yaml::load_plain(part) {
            Ok(config) => {
                if let Some(name) = config.get("hostname").and_then(Value::as_str) {
                    host = name.to_owned();
                }
                notes.extend(files(disk, &config)?);
            }
            Err(error) => notes.push(format!("user-data is no YAML: {error}")),
        }
    }
    let etc = disk.join("etc/salt");
    fs::create_dir_all(&etc)?;
    fs::write(etc.join("minion_id"), format!("{host}\n"))?;
    notes.push(format!("hostname {host}"));
    Ok(notes)
}

fn files(disk: &Path, config: &Value) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    for file in config
        .get("write_files")
        .and_then(Value::as_list)
        .unwrap_or_default()
    {
        let word = |key: &str| file.get(key).and_then(Value::as_str).unwrap_or_default();
        let Some(path) = inside(disk, word("path")) else {
            notes.push(format!("write_files: {:?} is no path", word("path")));
            continue;
        };
        let content = match word("encoding") {
            "b64" | "base64" => base64(word("content")).unwrap_or_default(),
            _ => word("content").as_bytes().to_vec(),
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let old = if file.get("append").is_some_and(Value::is_truthy) {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        fs::write(&path, [old, content].concat())?;
        let mode =
            u32::from_str_radix(word("permissions").trim_start_matches("0o"), 8).unwrap_or(0o644);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        notes.push(format!("wrote {}", word("path")));
    }
    Ok(notes)
}

/// Where a VM's path lies on its disk; none if it leads out of it.
fn inside(disk: &Path, path: &str) -> Option<PathBuf> {
    if !path.starts_with('/') {
        return None;
    }
    // The main file is the sandbox's own; what was meant for it is read just as well beside it.
    let path = match path {
        "/etc/salt/minion" => "/etc/salt/minion.d/05-minion.conf",
        other => other,
    };
    let mut all = disk.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => all.push(name),
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(all)
}

/// The parts of a multipart archive; a text that is none is its own only part.
fn parts(text: &str) -> Vec<String> {
    let is_mime = text.starts_with("Content-Type: multipart/") || text.starts_with("MIME-Version:");
    let boundary = is_mime
        .then(|| text.split_once("boundary="))
        .flatten()
        .map(|(_, rest)| {
            let end = rest.find(['\r', '\n', ';']).unwrap_or(rest.len());
            rest[..end].trim().trim_matches('"').to_owned()
        });
    let Some(boundary) = boundary else {
        return vec![text.to_owned()];
    };
    let text = text.replace("\r\n", "\n");
    text.split(&format!("--{boundary}"))
        .skip(1)
        .filter(|part| !part.starts_with("--"))
        .filter_map(|part| {
            let (head, body) = part.trim_start_matches('\n').split_once("\n\n")?;
            let encoded = head.lines().any(|line| {
                let line = line.to_ascii_lowercase();
                line.starts_with("content-transfer-encoding:") && line.contains("base64")
            });
            if encoded {
                let bytes = base64(body)?;
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
            Some(body.to_owned())
        })
        .collect()
}

/// Whether anything says how the agent finds its master.
pub(super) fn is_configured(etc: &Path) -> bool {
    let Ok(entries) = fs::read_dir(etc.join("minion.d")) else {
        return false;
    };
    entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "conf") && !p.ends_with("99-sandbox.conf"))
        .any(|p| {
            fs::read_to_string(p).is_ok_and(|text| text.lines().any(|l| l.starts_with("master:")))
        })
}

/// Base64, line breaks allowed.
pub(in super::super) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sandbox only ever decodes.
    fn encode(text: &str) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let mut n = 0_u32;
            for at in 0..3 {
                n = n << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
            }
            for at in 0..4 {
                let digit = DIGITS[(n >> (18 - 6 * at) & 63) as usize];
                out.push(if at <= chunk.len() {
                    char::from(digit)
                } else {
                    '='
                });
            }
        }
        out
    }

    #[test]
    fn files_land_on_the_disk_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        let data = "#cloud-config\nwrite_files:\n  - {path: /etc/salt/minion.d/10.conf, content: 'master: m'}\n  - {path: /../../x, content: y}\n  - {path: /k, content: c2VjcmV0, encoding: b64, permissions: '0600'}\nruncmd: [[reboot]]\n";
        let notes = apply(&disk, "web1", &encode(data)).unwrap();
        let read = |path: &str| fs::read_to_string(disk.join(path)).unwrap();
        assert_eq!(read("etc/salt/minion.d/10.conf"), "master: m");
        assert_eq!(read("etc/salt/minion_id"), "web1\n");
        assert_eq!(read("k"), "secret");
        assert!(!dir.path().join("x").exists());
        assert!(notes.iter().any(|n| n.contains("is no path")), "{notes:?}");
        assert!(is_configured(&disk.join("etc/salt")));
        let mode = fs::metadata(disk.join("k")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn every_part_of_an_archive_counts() {
        let dir = tempfile::tempdir().unwrap();
        let data = format!(
            "Content-Type: multipart/mixed; boundary=\"==b==\"\nMIME-Version: 1.0\n\n--==b==\nContent-Type: text/cloud-config\n\n#cloud-config\nhostname: other\n\n--==b==\nContent-Type: text/x-shellscript\n\n#!/bin/sh\nreboot\n--==b==\nContent-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\n{}\n--==b==--\n",
            encode("#cloud-config\nwrite_files: [{path: /a, content: b}]\n")
        );
        let notes = apply(dir.path(), "web1", &encode(&data)).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("etc/salt/minion_id")).unwrap(),
            "other\n"
        );
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "b");
        assert!(notes.iter().any(|n| n.contains("#!/bin/sh")), "{notes:?}");
    }
}
