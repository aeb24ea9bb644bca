//! Text in other encodings than UTF-8, by the names that Python knows them under.

/// An encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8; with a mark in front of it.
    Utf8 {
        /// Whether the mark is written, and taken away.
        mark: bool,
    },
    /// Two or four bytes for each unit.
    Wide {
        /// Bytes of a unit.
        width: usize,
        /// The order of the bytes; `None`: as a mark in front says, which is written, too.
        big: Option<bool>,
    },
    /// One byte for each character, up to this one.
    Narrow(char),
}

/// The mark in front of a text that says its order of bytes.
const MARK: char = '\u{feff}';

impl Charset {
    /// The encoding of this name; the error is Python's.
    pub fn named(name: &str) -> Result<Self, String> {
        let plain: String = name
            .to_lowercase()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .collect();
        let wide = |width, big| Self::Wide { width, big };
        Ok(match plain.as_str() {
            "utf8" | "u8" | "utf" => Self::Utf8 { mark: false },
            "utf8sig" => Self::Utf8 { mark: true },
            "utf16" | "u16" => wide(2, None),
            "utf16le" => wide(2, Some(false)),
            "utf16be" => wide(2, Some(true)),
            "utf32" | "u32" => wide(4, None),
            "utf32le" => wide(4, Some(false)),
            "utf32be" => wide(4, Some(true)),
            "latin1" | "iso88591" | "latin" | "l1" | "88591" => Self::Narrow('\u{ff}'),
            "ascii" | "usascii" | "646" => Self::Narrow('\u{7f}'),
            _ => return Err(format!("unknown encoding: {name}")),
        })
    }

    /// The text of these bytes.
    pub fn decode(self, bytes: &[u8]) -> Result<String, String> {
        let bad = || "the bytes are not of this encoding".to_owned();
        match self {
            Self::Utf8 { mark } => {
                let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
                let text = if mark {
                    text.strip_prefix(MARK).unwrap_or(text)
                } else {
                    text
                };
                Ok(text.to_owned())
            }
            Self::Narrow(last) => {
                let text: String = bytes.iter().map(|b| char::from(*b)).collect();
                if text.chars().any(|c| c > last) {
                    return Err(bad());
                }
                Ok(text)
            }
            Self::Wide { width, big } => {
                if !bytes.len().is_multiple_of(width) {
                    return Err(bad());
                }
                let (mut big_endian, mut rest) = (big.unwrap_or(false), bytes);
                if big.is_none()
                    && let Some((head, tail)) = bytes.split_at_checked(width)
                {
                    for order in [false, true] {
                        if unit(head, order) == u32::from(MARK) {
                            (big_endian, rest) = (order, tail);
                            break;
                        }
                    }
                }
                let units = rest.chunks_exact(width).map(|c| unit(c, big_endian));
                if width == 4 {
                    units.map(|u| char::from_u32(u).ok_or_else(bad)).collect()
                } else {
                    let units = units.filter_map(|u| u16::try_from(u).ok());
                    char::decode_utf16(units)
                        .map(|c| c.map_err(|_| bad()))
                        .collect()
                }
            }
        }
    }

    /// The bytes of a text.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Utf8 { mark: false } => Ok(text.as_bytes().to_vec()),
            Self::Utf8 { mark: true } => Ok(format!("{MARK}{text}").into_bytes()),
            Self::Narrow(last) => text
                .chars()
                .map(|c| u8::try_from(c).ok().filter(|_| c <= last).ok_or(c))
                .collect::<Result<_, char>>()
                .map_err(|c| format!("the character {c:?} is not in this encoding")),
            Self::Wide { width, big } => {
                let mark = big.is_none().then_some(MARK);
                let mut bytes = Vec::new();
                let mut put = |unit: u32| {
                    let four = if big == Some(true) {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    };
                    let at = if big == Some(true) { 4 - width } else { 0 };
                    bytes.extend_from_slice(&four[at..at + width]);
                };
                for c in mark.into_iter().chain(text.chars()) {
                    if width == 4 {
                        put(u32::from(c));
                    } else {
                        let mut pair = [0; 2];
                        c.encode_utf16(&mut pair)
                            .iter()
                            .for_each(|u| put(u32::from(*u)));
                    }
                }
                Ok(bytes)
            }
        }
    }
}

/// The number that a few bytes make.
fn unit(bytes: &[u8], big: bool) -> u32 {
    let add = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
    if big {
        bytes.iter().fold(0, add)
    } else {
        bytes.iter().rev().fold(0, add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_python() {
        for (name, text, bytes) in [
            ("utf-16", "aé😀", &b"\xff\xfea\0\xe9\0=\xd8\0\xde"[..]),
            ("UTF_16_BE", "aé", b"\0a\0\xe9"),
            ("utf-32", "a", b"\xff\xfe\0\0a\0\0\0"),
            ("utf-32-be", "😀", b"\0\x01\xf6\0"),
            ("utf-8-sig", "a", b"\xef\xbb\xbfa"),
            ("latin-1", "é", b"\xe9"),
            ("ascii", "a", b"a"),
        ] {
            let charset = Charset::named(name).unwrap();
            assert_eq!(charset.encode(text).unwrap(), bytes, "{name}");
            assert_eq!(charset.decode(bytes).unwrap(), text, "{name}");
        }
        let utf16 = Charset::named("utf-16").unwrap();
        assert_eq!(utf16.decode(b"\xfe\xff\0a").unwrap(), "a");
        assert!(utf16.decode(b"\xff\xfe\0").is_err());
        assert!(utf16.decode(b"\xff\xfe\0\xd8").is_err());
        assert!(Charset::named("ascii").unwrap().encode("é").is_err());
        assert!(Charset::named("latin-1").unwrap().encode("€").is_err());
        assert_eq!(
            Charset::named("utf-7"),
            Err("unknown encoding: utf-7".to_owned())
        );
    }
}
