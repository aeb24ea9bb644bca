//! `key`: fingerprints of the keys that this minion holds.

use std::fs;
use std::path::Path;

use salt_wire::Value;

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::host::digest;

/// The rows of `key`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "key.finger",
        "hash_type=None",
        |ctx, args| finger(ctx, args, "minion.pub"),
        "Return the fingerprint of the minion's public key.",
        "salt '*' key.finger"
    ),
    row!(
        "key.finger_master",
        "hash_type=None",
        |ctx, args| finger(ctx, args, "minion_master.pub"),
        "Return the fingerprint of the master's public key as the minion holds it.",
        "salt '*' key.finger_master"
    ),
];

fn finger(ctx: &Context, args: &Args, file: &str) -> Result {
    let form = match args.opt_text("hash_type")? {
        Some(form) => form,
        None => ctx
            .settings
            .opts
            .get("hash_type")
            .and_then(Value::as_str)
            .unwrap_or("sha256")
            .to_owned(),
    };
    of_file(&ctx.settings.pki_dir.join(file), &form)
}

/// The hash of the lines between a key file's armour; an empty text when there is no file.
fn of_file(path: &Path, form: &str) -> Result {
    if !path.is_file() {
        return Ok("".into());
    }
    let text = fs::read(path).map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
    let lines: Vec<&[u8]> = text
        .split_inclusive(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    let body = match lines.as_slice() {
        [_, body @ .., _] => body.concat(),
        _ => Vec::new(),
    };
    let body: Vec<u8> = String::from_utf8_lossy(&body)
        .replace("\r\n", "\n")
        .into_bytes();
    let hex = digest::bytes(&body, form).map_err(|_| Error::Exception {
        kind: "AttributeError",
        message: format!("module 'hashlib' has no attribute '{form}'"),
    })?;
    let pairs: Vec<&str> = (0..hex.len())
        .step_by(2)
        .filter_map(|at| hex.get(at..at + 2))
        .collect();
    Ok(pairs.join(":").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_the_text_between_the_armour() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("minion.pub");
        fs::write(
            &path,
            "-----BEGIN PUBLIC KEY-----\nQUJD\r\n\nREVG\n-----END PUBLIC KEY-----\n",
        )
        .unwrap();
        let finger = of_file(&path, "sha256").unwrap();
        assert_eq!(finger, "ab:a8:5f:e1:54:bd:a5:24:5c:3a:86:e5:ba:8a:46:03:9b:25:b8:9c:29:fd:51:fc:3a:0c:67:b0:41:4a:7b:b1".into());
        assert_eq!(
            of_file(&dir.path().join("none"), "sha256").unwrap(),
            "".into()
        );
    }
}
