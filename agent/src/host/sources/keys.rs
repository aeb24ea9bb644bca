//! Keys that sign repositories, where apt looks for them.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::host::fs::{make_dirs, write_atomic};

/// Puts a key in place: an armoured one in its plain form, unless the file's name says that it is armoured.
pub fn place(key: &[u8], dest: &Path) -> io::Result<()> {
    let armoured = dest.extension().is_some_and(|e| e == "asc");
    let plain = if armoured { None } else { unarmour(key) };
    if let Some(dir) = dest.parent().filter(|d| !d.is_dir()) {
        make_dirs(dir, 0o755)?;
    }
    write_atomic(dest, plain.as_deref().unwrap_or(key), 0o644)
}

/// The bytes inside of all armoured blocks; `None` when there is none, or one that cannot be read.
fn unarmour(key: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(key).ok()?;
    let mut bytes = Vec::new();
    let mut block: Option<String> = None;
    let mut in_head = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----BEGIN PGP") {
            (block, in_head) = (Some(String::new()), true);
        } else if line.starts_with("-----END PGP") {
            bytes.extend(STANDARD.decode(block.take()?).ok()?);
        } else if let Some(block) = &mut block {
            if in_head {
                in_head = !line.is_empty();
            } else if !line.starts_with('=') {
                block.push_str(line);
            }
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn armour_comes_off() {
        let key = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\nYWJj\nZGVm\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(unarmour(key).unwrap(), b"abcdef");
        assert_eq!(unarmour(b"\x99\x01plain"), None);
        let dir = tempfile::tempdir().unwrap();
        let (gpg, asc) = (dir.path().join("k/a.gpg"), dir.path().join("k/a.asc"));
        place(key, &gpg).unwrap();
        place(key, &asc).unwrap();
        assert_eq!(fs::read(gpg).unwrap(), b"abcdef");
        assert_eq!(fs::read(asc).unwrap(), key);
    }
}
