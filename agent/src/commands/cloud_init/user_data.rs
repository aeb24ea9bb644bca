//! User-data as cloud-init reads it, as far as it is data: `#cloud-config`, an archive of such, MIME multipart,
//! any of them gzipped. Scripts, includes and templates are for cloud-init alone.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use salt_wire::Value;

/// No user-data unpacks to more.
const MAX_BYTES: u64 = 4 << 20;
/// Parts in parts.
const MAX_DEPTH: usize = 4;
/// Parts of one message.
const MAX_PARTS: usize = 256;

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// The block; of several the last, as cloud-init merges.
    pub(super) block: Option<Value>,
    /// What was passed over and might matter.
    pub(super) notes: Vec<String>,
}

/// The `salt_minion:` block.
pub(super) fn salt_minion(data: &[u8]) -> Found {
    let mut found = Found::default();
    part(data, "", 0, &mut found);
    found
}

fn part(data: &[u8], kind: &str, depth: usize, found: &mut Found) {
    if depth > MAX_DEPTH {
        found
            .notes
            .push("User-data is nested too deep; the rest is passed over.".into());
        return;
    }
    if data.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        match MultiGzDecoder::new(data)
            .take(MAX_BYTES)
            .read_to_end(&mut plain)
        {
            Ok(_) => part(&plain, kind, depth + 1, found),
            Err(error) => found
                .notes
                .push(format!("Packed user-data cannot be read: {error}.")),
        }
        return;
    }
    let text = String::from_utf8_lossy(data);
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first.starts_with("## template:") {
        let note = "User-data that is a template is for cloud-init alone; it is passed over.";
        found.notes.push(note.into());
    } else if first.starts_with("#cloud-config-archive") || kind == "text/cloud-config-archive" {
        archive(text, depth, found);
    } else if first.starts_with("#cloud-config") || kind == "text/cloud-config" {
        cloud_config(text, found);
    } else if let Some(boundary) = boundary(text) {
        for (kind, body) in parts(text, &boundary) {
            part(&body, &kind, depth + 1, found);
        }
    }
}

fn cloud_config(text: &str, found: &mut Found) {
    match salt_yaml::load_plain(text) {
        Ok(document) => {
            if let Some(block) = document.get("salt_minion") {
                found.block = Some(block.clone());
            }
        }
        Err(error) => found
            .notes
            .push(format!("A #cloud-config part is no YAML: {error}.")),
    }
}

fn archive(text: &str, depth: usize, found: &mut Found) {
    let document = salt_yaml::load_plain(text).unwrap_or(Value::Null);
    for item in document
        .as_list()
        .unwrap_or_default()
        .iter()
        .take(MAX_PARTS)
    {
        let of = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        match item.as_str() {
            Some(content) => part(content.as_bytes(), "", depth + 1, found),
            None => part(of("content").as_bytes(), of("type"), depth + 1, found),
        }
    }
}

/// The boundary of a multipart message whose headers the text begins with.
fn boundary(text: &str) -> Option<String> {
    let (headers, _) = split(text);
    let value = header(headers, "content-type")?;
    if !value
        .to_ascii_lowercase()
        .trim_start()
        .starts_with("multipart/")
    {
        return None;
    }
    let at = value.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let rest = &value[at..];
    let word = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([';', ' ', '\t']).next(),
    };
    word.filter(|word| !word.is_empty() && word.len() <= 70)
        .map(str::to_owned)
}

/// Each part's content type and decoded body.
fn parts(text: &str, boundary: &str) -> Vec<(String, Vec<u8>)> {
    let (open, close) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut bodies: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == close {
            break;
        }
        if bare == open {
            if bodies.len() == MAX_PARTS {
                break;
            }
            bodies.push(String::new());
        } else if let Some(body) = bodies.last_mut() {
            body.push_str(line);
        }
    }
    bodies
        .iter()
        .map(|whole| {
            let (headers, body) = split(whole);
            let kind = header(headers, "content-type")
                .unwrap_or_default()
                .to_ascii_lowercase();
            if kind.trim_start().starts_with("multipart/") {
                // Its boundary stands in its headers.
                return (String::new(), whole.as_bytes().to_vec());
            }
            let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
            let encoding = header(headers, "content-transfer-encoding").unwrap_or_default();
            (kind, decoded(body, encoding.trim()))
        })
        .collect()
}

fn decoded(body: &str, encoding: &str) -> Vec<u8> {
    if !encoding.eq_ignore_ascii_case("base64") {
        return body.as_bytes().to_vec();
    }
    let packed: String = body.split_whitespace().collect();
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    engine.decode(packed).unwrap_or_default()
}

/// Headers and body, at the first empty line.
fn split(text: &str) -> (&str, &str) {
    for (end, next) in [("\r\n\r\n", 4), ("\n\n", 2)] {
        if let Some(at) = text.find(end) {
            return (&text[..at], &text[at + next..]);
        }
    }
    (text, "")
}

/// A header's value, its continuation lines joined.
fn header(headers: &str, name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in headers.lines().take(64) {
        if let Some(value) = &mut value {
            if line.starts_with([' ', '\t']) {
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            break;
        }
        value = line
            .split_once(':')
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, text)| text.trim().to_owned());
    }
    value
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const PLAIN: &str = "#cloud-config\nsalt_minion:\n  conf: {master: salt1}\n";

    fn master(data: &[u8]) -> Option<String> {
        let block = salt_minion(data).block?;
        Some(block.get("conf")?.get("master")?.as_str()?.to_owned())
    }

    fn packed(data: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(data).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_block_is_found_in_every_form() {
        assert_eq!(master(PLAIN.as_bytes()).as_deref(), Some("salt1"));
        assert_eq!(master(&packed(PLAIN.as_bytes())).as_deref(), Some("salt1"));
        let coded =
            base64::engine::general_purpose::STANDARD.encode(PLAIN.replace("salt1", "salt2"));
        let mime = format!(
            "Content-Type: multipart/mixed;\n boundary=\"=b=\"\nMIME-Version: 1.0\n\npreamble\n--=b=\n\
             Content-Type: text/x-shellscript\n\n#!/bin/sh\necho salt_minion\n--=b=\n\
             Content-Type: text/cloud-config; charset=\"us-ascii\"\n\n{PLAIN}\n--=b=\n\
             Content-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\n{coded}\n--=b=--\nepilogue\n"
        );
        assert_eq!(
            master(mime.as_bytes()).as_deref(),
            Some("salt2"),
            "the last one counts"
        );
        assert_eq!(
            master(mime.replace('\n', "\r\n").as_bytes()).as_deref(),
            Some("salt2")
        );
        assert_eq!(master(&packed(mime.as_bytes())).as_deref(), Some("salt2"));
        let nested = format!("Content-Type: multipart/mixed; boundary=o\n\n--o\n{mime}\n--o--\n");
        assert_eq!(master(nested.as_bytes()).as_deref(), Some("salt2"));
        let archive = "#cloud-config-archive\n- type: text/cloud-config\n  content: |\n    salt_minion: {conf: {master: salt3}}\n- '#!/bin/sh'\n";
        assert_eq!(master(archive.as_bytes()).as_deref(), Some("salt3"));
    }

    #[test]
    fn what_is_none_of_ours_is_passed_over() {
        for data in [
            "",
            "#!/bin/sh\nsalt_minion:\n",
            "#cloud-config\npackages: [x]\n",
            "#include\nhttp://x/\n",
            "Content-Type: multipart/mixed; boundary=\n\n--\n",
            "Content-Type: multipart/mixed; boundary=b\n\n--b",
        ] {
            assert_eq!(salt_minion(data.as_bytes()).block, None, "{data:?}");
        }
        assert_eq!(
            salt_minion(b"## template: jinja\n#cloud-config\nsalt_minion: {}\n")
                .notes
                .len(),
            1
        );
        assert_eq!(salt_minion(b"#cloud-config\na: [\n").notes.len(), 1);
        assert_eq!(salt_minion(&[0x1f, 0x8b, 1]).notes.len(), 1);
        let mut bomb = PLAIN.as_bytes().to_vec();
        for _ in 0..8 {
            bomb = packed(&bomb);
        }
        assert_eq!(salt_minion(&bomb).block, None);
    }
}
