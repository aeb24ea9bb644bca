//! ANSI X9.31 padding, without a hash identifier, as OpenSSL's `RSA_X931_PADDING` has it.
//!
//! Salt uses it for `tok` in every request and `sig` in the answer to `_auth`. Only the padding is here;
//! the RSA operation and its "smaller of s and n − s" rule are in `rsa.rs`.

/// Pads a message to a block of `len` bytes; `None` if it does not fit.
pub(super) fn pad(message: &[u8], len: usize) -> Option<Vec<u8>> {
    let fill = len.checked_sub(message.len() + 2)?;
    let mut block = Vec::with_capacity(len);
    match fill {
        0 => block.push(0x6a),
        _ => {
            block.push(0x6b);
            block.resize(fill, 0xbb);
            block.push(0xba);
        }
    }
    block.extend_from_slice(message);
    block.push(0xcc);
    Some(block)
}

/// The message within a padded block.
pub(super) fn unpad(block: &[u8]) -> Option<&[u8]> {
    let (&last, rest) = block.split_last()?;
    let (&first, body) = rest.split_first()?;
    if last != 0xcc {
        return None;
    }
    match first {
        0x6a => Some(body),
        0x6b => {
            let end = body.iter().position(|b| *b != 0xbb)?;
            // OpenSSL wants at least one filler or the end mark, and nothing between them.
            (body.get(end) == Some(&0xba)).then(|| &body[end + 1..])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_has_its_literal_shape() {
        let block = [0x6b, 0xbb, 0xbb, 0xbb, 0xba, b's', b'a', b'l', b't', 0xcc];
        assert_eq!(pad(b"salt", 10).unwrap(), block);
        assert_eq!(pad(b"salt", 7).unwrap(), b"\x6b\xbasalt\xcc");
        assert_eq!(pad(b"salt", 6).unwrap(), b"\x6asalt\xcc");
        assert_eq!(pad(b"salt", 5), None);
    }

    #[test]
    fn what_was_padded_comes_back() {
        for len in 6..40 {
            assert_eq!(unpad(&pad(b"salt", len).unwrap()), Some(&b"salt"[..]));
        }
        assert_eq!(unpad(b"\x6b\xbb\xbbsalt\xcc"), None);
        assert_eq!(unpad(b"\x6b\xbasalt\xcd"), None);
        assert_eq!(unpad(b"\x6c\xbasalt\xcc"), None);
        assert_eq!(unpad(b"\xcc"), None);
        assert_eq!(unpad(b""), None);
    }
}
