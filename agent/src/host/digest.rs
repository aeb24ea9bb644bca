//! Checksums of files, streamed: `hash_type` names the algorithm as Salt does.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// The checksum of a file as lower-case hex; an unknown algorithm is `InvalidInput`.
pub fn file(path: &Path, form: &str) -> io::Result<String> {
    reader(File::open(path)?, form)
}

/// The checksum of bytes in memory.
pub fn bytes(bytes: &[u8], form: &str) -> io::Result<String> {
    reader(bytes, form)
}

/// The algorithm whose checksums have this many hex digits, as `source_hash` without a name implies.
pub fn by_length(digits: usize) -> Option<&'static str> {
    Some(match digits {
        32 => "md5",
        40 => "sha1",
        56 => "sha224",
        64 => "sha256",
        96 => "sha384",
        128 => "sha512",
        _ => return None,
    })
}

fn reader(input: impl Read, form: &str) -> io::Result<String> {
    match form {
        "md5" => hash::<Md5>(input),
        "sha1" => hash::<Sha1>(input),
        "sha224" => hash::<Sha224>(input),
        "sha256" => hash::<Sha256>(input),
        "sha384" => hash::<Sha384>(input),
        "sha512" => hash::<Sha512>(input),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("unknown hash type '{form}'"),
        )),
    }
}

fn hash<D: Digest>(mut input: impl Read) -> io::Result<String> {
    let mut digest = D::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        match input.read(&mut chunk)? {
            0 => break,
            n => digest.update(&chunk[..n]),
        }
    }
    Ok(digest
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        assert_eq!(
            bytes(b"abc", "md5").unwrap(),
            "900150983cd24fb0d6963f7d28e17f72"
        );
        let sha = bytes(b"abc", "sha256").unwrap();
        assert!(sha.starts_with("ba7816bf"));
        assert_eq!(by_length(sha.len()), Some("sha256"));
        assert!(bytes(b"", "crc").is_err());
    }
}
