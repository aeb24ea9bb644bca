//! The event bus: bytes to events. Both framings, told apart by the first byte of a connection.
//!
//! A frame is the msgpack map `{"head": {}, "body": tag \n\n msgpack}`. 3006 puts a length before each,
//! 3007 and 3008 do not.

use salt_wire::{Map, Value};

/// Salt trims events to 1 MiB; a return can be larger. Beyond this the stream is no event bus.
const MAX_FRAME: usize = 256 << 20;
const MAX_DEPTH: usize = 128;

/// An event of the master's bus.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its tag.
    pub tag: String,
    /// Its data.
    pub data: Map,
}

/// Why a stream is no event bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// A frame longer than any event.
    #[error("an event of more than {MAX_FRAME} bytes")]
    TooLong,
    /// Bytes that are no msgpack.
    #[error("bytes that are no event frame")]
    Malformed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Bare,
    Length,
}

/// Takes bytes as they come and gives events.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    framing: Option<Framing>,
}

impl Decoder {
    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > 1 << 20 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, `None` if more bytes are needed. Frames that hold no event are passed over.
    pub fn next_event(&mut self) -> Result<Option<Event>, BusError> {
        loop {
            let rest = &self.buffer[self.start..];
            let Some(first) = rest.first() else {
                return Ok(None);
            };
            let framing = *self.framing.get_or_insert(match first {
                0 => Framing::Length,
                _ => Framing::Bare,
            });
            let (skip, length) = match framing {
                Framing::Length => {
                    let Some(prefix) = rest.first_chunk::<4>() else {
                        return Ok(None);
                    };
                    (4, u32::from_be_bytes(*prefix) as usize)
                }
                Framing::Bare => match value_length(rest)? {
                    Some(length) => (0, length),
                    None if rest.len() > MAX_FRAME => return Err(BusError::TooLong),
                    None => return Ok(None),
                },
            };
            if length > MAX_FRAME {
                return Err(BusError::TooLong);
            }
            let Some(frame) = rest.get(skip..skip + length) else {
                return Ok(None);
            };
            let event = event_of(frame);
            self.start += skip + length;
            if event.is_some() {
                return Ok(event);
            }
        }
    }
}

/// The event in a frame; `None` for whatever else somebody put on the bus.
fn event_of(frame: &[u8]) -> Option<Event> {
    let frame = Value::from_msgpack(frame).ok()?;
    let body = frame.get("body")?.as_bytes()?;
    let split = body.windows(2).position(|pair| pair == b"\n\n")?;
    let tag = std::str::from_utf8(&body[..split]).ok()?.to_owned();
    match Value::from_msgpack(&body[split + 2..]).ok()? {
        Value::Map(data) => Some(Event { tag, data }),
        _ => None,
    }
}

/// How long the first msgpack value is, without decoding it; `None` if it is not all there.
fn value_length(bytes: &[u8]) -> Result<Option<usize>, BusError> {
    let mut at = 0;
    // How many values are still to come on each level.
    let mut open = vec![1usize];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let Some(marker) = bytes.get(at).copied() else {
            return Ok(None);
        };
        at += 1;
        let number = |width: usize| -> Option<usize> {
            let digits = bytes.get(at..at + width)?;
            Some(digits.iter().fold(0, |n, d| n << 8 | usize::from(*d)))
        };
        // Width of a length field, what comes after it, and whether the length counts values.
        let (width, extra, nested) = match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (0, 0, 0),
            0x80..=0x8f => (0, 0, 2 * usize::from(marker & 15)),
            0x90..=0x9f => (0, 0, usize::from(marker & 15)),
            0xa0..=0xbf => (0, usize::from(marker & 31), 0),
            0xcc | 0xd0 => (0, 1, 0),
            0xcd | 0xd1 => (0, 2, 0),
            0xca | 0xce | 0xd2 => (0, 4, 0),
            0xcb | 0xcf | 0xd3 => (0, 8, 0),
            0xd4..=0xd8 => (0, 1 + (1 << (marker - 0xd4)), 0),
            0xc4 | 0xd9 => (1, 0, 0),
            0xc5 | 0xda => (2, 0, 0),
            0xc6 | 0xdb => (4, 0, 0),
            0xc7 => (1, 1, 0),
            0xc8 => (2, 1, 0),
            0xc9 => (4, 1, 0),
            0xdc => (2, 0, 1),
            0xdd => (4, 0, 1),
            0xde => (2, 0, 2),
            0xdf => (4, 0, 2),
            0xc1 => return Err(BusError::Malformed),
        };
        let mut nested = nested;
        let mut skip = extra;
        if width > 0 {
            let Some(count) = number(width) else {
                return Ok(None);
            };
            if matches!(marker, 0xdc..=0xdf) {
                nested *= count;
            } else {
                skip += count;
            }
        }
        at += width + skip;
        if at > MAX_FRAME {
            return Err(BusError::TooLong);
        }
        if nested > 0 {
            if open.len() >= MAX_DEPTH {
                return Err(BusError::Malformed);
            }
            open.push(nested);
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// A frame as the bus sends it: for tests here and elsewhere.
#[cfg(test)]
pub(crate) fn frame(tag: &str, data: Map) -> Vec<u8> {
    let mut body = tag.as_bytes().to_vec();
    body.extend(b"\n\n");
    body.extend(Value::Map(data).to_msgpack());
    let mut out = vec![0x82, 0xa4];
    out.extend(b"head");
    out.push(0x80);
    out.push(0xa4);
    out.extend(b"body");
    out.push(0xc6);
    out.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    out.extend(body);
    out
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    fn stream(length: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for n in 0..3 {
            let frame = frame(
                &format!("tag/{n}"),
                map! {"n" => n, "s" => "\n\n".repeat(n as usize)},
            );
            if length {
                bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            }
            bytes.extend(frame);
        }
        bytes
    }

    #[test]
    fn both_framings_in_pieces_of_any_size() {
        for length in [false, true] {
            for size in [1, 2, 7, 1000] {
                let mut decoder = Decoder::default();
                let mut tags = Vec::new();
                for piece in stream(length).chunks(size) {
                    decoder.push(piece);
                    while let Some(event) = decoder.next_event().unwrap() {
                        tags.push(event.tag);
                    }
                }
                assert_eq!(tags, ["tag/0", "tag/1", "tag/2"], "{length} {size}");
            }
        }
    }

    #[test]
    fn what_real_masters_send() {
        // Captured: 3006.28 with a length, 3007.15 without.
        let body = b"salt/presence/present\n\n\x81\xa7present\x90";
        let mut frame = b"\x82\xa4head\x80\xa4body\xc4".to_vec();
        frame.push(u8::try_from(body.len()).unwrap());
        frame.extend(body);
        let mut with_length = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
        with_length.extend(&frame);
        for bytes in [frame, with_length] {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let event = decoder.next_event().unwrap().unwrap();
            assert_eq!(event.tag, "salt/presence/present");
            assert_eq!(event.data, map! {"present" => Value::List(vec![])});
            assert_eq!(decoder.next_event(), Ok(None));
        }
    }

    #[test]
    fn strangers_on_the_bus_are_passed_over() {
        let mut decoder = Decoder::default();
        // A map without body, a body without data, a bare number.
        decoder.push(&Value::Map(map! {"head" => 1}).to_msgpack());
        decoder.push(&Value::Map(map! {"body" => "no separator"}).to_msgpack());
        decoder.push(&[7]);
        decoder.push(&frame("good", map! {}));
        assert_eq!(decoder.next_event().unwrap().unwrap().tag, "good");
    }

    #[test]
    fn nonsense_ends_in_an_error_and_never_grows() {
        let mut decoder = Decoder::default();
        decoder.push(&[0xc1]);
        assert_eq!(decoder.next_event(), Err(BusError::Malformed));
        let mut decoder = Decoder::default();
        decoder.push(&[0, 0xff, 0xff, 0xff]);
        assert_eq!(decoder.next_event(), Ok(None));
        let mut decoder = Decoder::default();
        decoder.push(&[0xdb, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(decoder.next_event(), Err(BusError::TooLong));
        let mut decoder = Decoder::default();
        decoder.push(&[0x91; 200]);
        assert_eq!(decoder.next_event(), Err(BusError::Malformed));
    }
}
