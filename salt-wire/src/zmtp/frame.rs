//! Frames: a flag byte, a length of one or eight bytes, a body.

use super::Error;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// A command to the connection, not a part of a message.
    pub command: bool,
    /// More parts of this message follow.
    pub more: bool,
    /// What it carries.
    pub body: Vec<u8>,
}

/// Writes a part of a message.
pub fn encode_part(body: &[u8], more: bool, out: &mut Vec<u8>) {
    encode(if more { MORE } else { 0 }, body, out);
}

/// Writes a command.
pub fn encode_command(body: &[u8], out: &mut Vec<u8>) {
    encode(COMMAND, body, out);
}

fn encode(flags: u8, body: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(body.len()) {
        Ok(length) => out.extend([flags, length]),
        Err(_) => {
            out.push(flags | LONG);
            out.extend((body.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(body);
}

/// The longest bodies that are taken.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// For a command.
    pub command: u64,
    /// For a part of a message.
    pub part: u64,
}

/// Puts frames together from pieces of any size. What it holds grows with what arrived, not with what
/// was announced.
#[derive(Debug, Default)]
pub struct Decoder {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Decoder {
    /// Takes one frame from the front of `input`, or all of `input` if the frame does not end in it.
    pub fn receive(&mut self, input: &mut &[u8], room: Room) -> Result<Option<Frame>, Error> {
        let Some((flags, length)) = self.header(input)? else {
            return Ok(None);
        };
        let command = flags & COMMAND != 0;
        let (what, limit) = if command {
            ("command", room.command)
        } else {
            ("message", room.part)
        };
        if length > limit {
            return Err(Error::TooLarge {
                what,
                announced: length,
                limit,
            });
        }
        let missing = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.body.len());
        let (taken, rest) = input.split_at(input.len().min(missing));
        self.body.extend_from_slice(taken);
        *input = rest;
        if taken.len() < missing {
            return Ok(None);
        }
        self.head.clear();
        Ok(Some(Frame {
            command,
            more: flags & MORE != 0,
            body: std::mem::take(&mut self.body),
        }))
    }

    /// Flags and length, once all of the header is there.
    fn header(&mut self, input: &mut &[u8]) -> Result<Option<(u8, u64)>, Error> {
        loop {
            if let Some((flags, length)) = self.head.split_first() {
                if flags & !(MORE | LONG | COMMAND) != 0 {
                    return Err(Error::Malformed("reserved flag bits are set"));
                }
                if flags & COMMAND != 0 && flags & MORE != 0 {
                    return Err(Error::Malformed("a command announces more frames"));
                }
                if flags & LONG == 0 && !length.is_empty() {
                    return Ok(Some((*flags, u64::from(length[0]))));
                }
                if let Ok(length) = <[u8; 8]>::try_from(length) {
                    return Ok(Some((*flags, u64::from_be_bytes(length))));
                }
            }
            let Some((byte, rest)) = input.split_first() else {
                return Ok(None);
            };
            self.head.push(*byte);
            *input = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        command: 100,
        part: 100_000,
    };

    fn decode(wire: &[u8], room: Room) -> Result<Vec<Frame>, Error> {
        let (mut decoder, mut input, mut frames) = (Decoder::default(), wire, Vec::new());
        while let Some(frame) = decoder.receive(&mut input, room)? {
            frames.push(frame);
        }
        assert!(input.is_empty());
        Ok(frames)
    }

    #[test]
    fn literal_bytes() {
        let mut out = Vec::new();
        encode_part(b"", true, &mut out);
        encode_part(b"hi", false, &mut out);
        encode_command(b"\x04PONG", &mut out);
        assert_eq!(out, b"\x01\x00\x00\x02hi\x04\x05\x04PONG");
        let mut long = Vec::new();
        encode_part(&[7; 256], false, &mut long);
        assert_eq!(long[..9], [2, 0, 0, 0, 0, 0, 0, 1, 0]);
        let frames = decode(&out, ROOM).unwrap();
        assert_eq!(frames.len(), 3);
        assert!(frames[0].more && frames[0].body.is_empty());
        assert!(frames[2].command && frames[2].body == b"\x04PONG");
        assert_eq!(decode(&long, ROOM).unwrap()[0].body, [7; 256]);
    }

    #[test]
    fn an_announced_length_is_refused_before_any_memory_is_spent() {
        let mut wire = vec![LONG];
        wire.extend(u64::MAX.to_be_bytes());
        let err = decode(&wire, ROOM).unwrap_err();
        assert!(matches!(
            err,
            Error::TooLarge {
                announced: u64::MAX,
                limit: 100_000,
                ..
            }
        ));
        assert!(matches!(
            decode(&[COMMAND, 101], ROOM),
            Err(Error::TooLarge {
                what: "command",
                announced: 101,
                limit: 100
            })
        ));
    }

    #[test]
    fn an_allowed_length_reserves_nothing() {
        let mut decoder = Decoder::default();
        let mut wire = vec![LONG];
        wire.extend(90_000u64.to_be_bytes());
        wire.extend(b"ten bytes!");
        assert_eq!(decoder.receive(&mut &wire[..], ROOM), Ok(None));
        assert!(decoder.body.capacity() < 1000);
    }

    #[test]
    fn wrong_flags_are_refused() {
        assert!(decode(&[8, 0], ROOM).is_err());
        assert!(decode(&[COMMAND | MORE, 0], ROOM).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_cut_gives_the_same_frames(
            bodies in proptest::collection::vec((proptest::bool::ANY, 0usize..600), 1..8),
            cut in 1usize..700,
        ) {
            let mut wire = Vec::new();
            for (more, length) in &bodies {
                encode_part(&vec![0xa5; *length], *more, &mut wire);
            }
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for mut piece in wire.chunks(cut) {
                while let Some(frame) = decoder.receive(&mut piece, ROOM).unwrap() {
                    got.push((frame.more, frame.body.len()));
                }
            }
            proptest::prop_assert_eq!(got, bodies);
        }
    }
}
