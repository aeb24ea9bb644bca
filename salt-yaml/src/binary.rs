//! `!!binary`: base64 as Python's `decodebytes` takes it, which skips what is no base64.

/// Decodes leniently; the error is `binascii`'s text.
pub(crate) fn decode(text: &str, pad: bool) -> Result<Vec<u8>, String> {
    let mut input = text.as_bytes().to_vec();
    let short = input.len() % 4;
    if pad && short != 0 {
        input.extend(std::iter::repeat_n(b'=', 4 - short));
    }
    let (mut out, mut quad, mut left, mut pads) = (Vec::new(), 0usize, 0u8, 0usize);
    for byte in input {
        if byte == b'=' {
            pads += 1;
            if quad >= 2 && quad + pads >= 4 {
                return Ok(out);
            }
            continue;
        }
        let Some(six) = sextet(byte) else { continue };
        pads = 0;
        match quad {
            0 => left = six,
            1 => {
                out.push(left << 2 | six >> 4);
                left = six & 0x0f;
            }
            2 => {
                out.push(left << 4 | six >> 2);
                left = six & 0x03;
            }
            _ => out.push(left << 6 | six),
        }
        quad = (quad + 1) % 4;
    }
    match quad {
        0 => Ok(out),
        1 => Err(format!(
            "Invalid base64-encoded string: number of data characters ({}) cannot be 1 more than a multiple of 4",
            out.len() / 3 * 4 + 1
        )),
        _ => Err("Incorrect padding".into()),
    }
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}
