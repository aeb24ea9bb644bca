//! `hashutil`: checksums and base64.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use salt_wire::Value;

use super::{Function, row};
use crate::context::{Args, Error, Result, python};
use crate::host::digest;
use crate::host::fs::rewrite;

/// The rows of `hashutil`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "hashutil.base64_b64decode",
        "instr",
        |_, args| decoded(args),
        "Decode base64.",
        "salt '*' hashutil.base64_b64decode 'Z2V0IHNhbHRlZA=='"
    ),
    row!(
        "hashutil.base64_b64encode",
        "instr",
        |_, args| Ok(STANDARD.encode(bytes(args, "instr")).into()),
        "Encode as base64, without line ends.",
        "salt '*' hashutil.base64_b64encode 'get salted'"
    ),
    row!(
        "hashutil.base64_decodefile",
        "instr, outfile",
        |_, args| {
            let file = args.text("outfile")?;
            let held = plain(&args.text("instr")?)?;
            rewrite(Path::new(&file), &held, 0o644)
                .map_err(|e| Error::execution(format!("{file}: {e}")))?;
            Ok(true.into())
        },
        "Decode base64 into a file.",
        "salt '*' hashutil.base64_decodefile instr='Z2V0IHNhbHRlZAo=' outfile='/path/to/binary_file'"
    ),
    row!(
        "hashutil.base64_decodestring",
        "instr",
        |_, args| decoded(args),
        "Decode base64.",
        "salt '*' hashutil.base64_decodestring instr='Z2V0IHNhbHRlZAo='"
    ),
    row!(
        "hashutil.base64_encodefile",
        "fname",
        |_, args| {
            let file = args.text("fname")?;
            let held = fs::read(&file).map_err(|e| Error::execution(format!("{file}: {e}")))?;
            Ok(in_lines(&held).into())
        },
        "Encode a file as base64, with line ends.",
        "salt '*' hashutil.base64_encodefile /path/to/binary_file"
    ),
    row!(
        "hashutil.base64_encodestring",
        "instr",
        |_, args| Ok(in_lines(&bytes(args, "instr")).into()),
        "Encode as base64, with line ends.",
        "salt '*' hashutil.base64_encodestring 'get salted'"
    ),
    row!(
        "hashutil.digest",
        "instr, checksum='md5'",
        |_, args| sum(args, &args.text("checksum")?),
        "Return the checksum of a text.",
        "salt '*' hashutil.digest 'get salted'"
    ),
    row!(
        "hashutil.digest_file",
        "infile, checksum='md5'",
        |_, args| {
            let (file, form) = (args.text("infile")?, args.text("checksum")?);
            if !Path::new(&file).is_file() {
                return Err(Error::execution(format!("File path '{file}' not found.")));
            }
            supported(&form)?;
            let sum = digest::file(Path::new(&file), &form);
            Ok(sum
                .map_err(|e| Error::execution(format!("{file}: {e}")))?
                .into())
        },
        "Return the checksum of a file.",
        "salt '*' hashutil.digest_file /path/to/file"
    ),
    row!(
        "hashutil.hmac_compute",
        "string, shared_secret",
        |_, args| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes(args, "shared_secret"));
            let tag = hmac::sign(&key, &bytes(args, "string"));
            let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
            Ok(hex.into())
        },
        "Return the signature of a text by a shared secret.",
        "salt '*' hashutil.hmac_compute 'get salted' 'shared secret'"
    ),
    row!(
        "hashutil.hmac_signature",
        "string, shared_secret, challenge_hmac",
        |_, args| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes(args, "shared_secret"));
            let wanted = STANDARD
                .decode(args.text("challenge_hmac")?)
                .unwrap_or_default();
            Ok(hmac::verify(&key, &bytes(args, "string"), &wanted)
                .is_ok()
                .into())
        },
        "Whether a text was signed by a shared secret.",
        "salt '*' hashutil.hmac_signature 'get salted' 'shared secret' 'eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ='"
    ),
    row!(
        "hashutil.md5_digest",
        "instr",
        |_, args| sum(args, "md5"),
        "Return the MD5 checksum of a text.",
        "salt '*' hashutil.md5_digest 'get salted'"
    ),
    row!(
        "hashutil.sha256_digest",
        "instr",
        |_, args| sum(args, "sha256"),
        "Return the SHA-256 checksum of a text.",
        "salt '*' hashutil.sha256_digest 'get salted'"
    ),
    row!(
        "hashutil.sha512_digest",
        "instr",
        |_, args| sum(args, "sha512"),
        "Return the SHA-512 checksum of a text.",
        "salt '*' hashutil.sha512_digest 'get salted'"
    ),
];

fn bytes(args: &Args, key: &str) -> Vec<u8> {
    let value = args.get(key);
    match value.as_bytes() {
        Some(bytes) => bytes.to_vec(),
        None => python::text(value).into_bytes(),
    }
}

fn supported(form: &str) -> Result<()> {
    if matches!(form, "md5" | "sha256" | "sha512") {
        return Ok(());
    }
    Err(Error::execution(format!(
        "Hash func '{form}' is not supported."
    )))
}

fn sum(args: &Args, form: &str) -> Result {
    supported(form)?;
    let sum = digest::bytes(&bytes(args, "instr"), form);
    Ok(sum.map_err(|e| Error::execution(e.to_string()))?.into())
}

/// Base64 in lines of 76 letters.
fn in_lines(bytes: &[u8]) -> String {
    let packed = STANDARD.encode(bytes);
    let lines = packed.as_bytes().chunks(76);
    lines
        .map(|line| String::from_utf8_lossy(line).into_owned() + "\n")
        .collect()
}

fn plain(text: &str) -> Result<Vec<u8>> {
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(packed).map_err(|e| Error::Exception {
        kind: "binascii.Error",
        message: e.to_string(),
    })
}

fn decoded(args: &Args) -> Result {
    let held = plain(&args.text("instr")?)?;
    Ok(match String::from_utf8(held) {
        Ok(text) => text.into(),
        Err(error) => Value::Bytes(error.into_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;
    use crate::context::Context;
    use crate::testing;

    fn ask(fun: &str, args: salt_wire::Map) -> Value {
        let dir = tempfile::tempdir().unwrap();
        let ctx: Context = testing::context(dir.path(), salt_wire::Map::new());
        ctx.call(fun, &[], &args).unwrap()
    }

    #[test]
    fn sums_and_signatures_are_salts() {
        // The examples of Salt's own documentation.
        let text = || map! { "instr" => "get salted" };
        assert_eq!(
            ask("hashutil.digest", text()),
            "2aacf29e92feaf528fb738bcf9d647ac".into()
        );
        assert_eq!(
            ask("hashutil.base64_b64encode", text()),
            "Z2V0IHNhbHRlZA==".into()
        );
        assert_eq!(
            ask(
                "hashutil.base64_decodestring",
                map! { "instr" => "Z2V0IHNhbHRlZAo=" }
            ),
            "get salted\n".into()
        );
        let signed = map! {
            "string" => "get salted", "shared_secret" => "shared secret",
            "challenge_hmac" => "eBWf9bstXg+NiP5AOwppB5HMvZiYMPzEM9W5YMm/AmQ=",
        };
        assert_eq!(ask("hashutil.hmac_signature", signed), true.into());
        let held = vec![b'x'; 60];
        assert_eq!(in_lines(&held).lines().count(), 2);
    }
}
