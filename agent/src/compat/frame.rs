//! Frames on the worker's pipe: four bytes of length, then one msgpack value.

use std::io::{self, Read, Write};

use salt_wire::Value;

/// Longest frame of a worker; the worker keeps to it, too.
pub(super) const LIMIT: usize = 64 << 20;

/// Writes one frame.
pub(super) fn write(pipe: &mut impl Write, value: &Value) -> io::Result<()> {
    let body = value.to_msgpack();
    let size = u32::try_from(body.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a frame of more than 4 GiB"))?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend(size.to_be_bytes());
    frame.extend(body);
    pipe.write_all(&frame)?;
    pipe.flush()
}

/// Reads one frame; `None` at the end.
pub(super) fn read(pipe: &mut impl Read) -> io::Result<Option<Value>> {
    let mut size = [0; 4];
    let first = loop {
        match pipe.read(&mut size) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if first == 0 {
        return Ok(None);
    }
    pipe.read_exact(&mut size[first..])?;
    let size = usize::try_from(u32::from_be_bytes(size)).map_err(io::Error::other)?;
    if size > LIMIT {
        let words = format!("a frame of {size} bytes, more than {LIMIT}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    // Only what really comes takes memory.
    let mut body = Vec::new();
    pipe.take(size as u64).read_to_end(&mut body)?;
    if body.len() < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Value::from_msgpack(&body)
        .map(Some)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn frames_come_back_one_by_one() {
        let (one, two) = (Value::Map(map! {"a" => 1}), Value::from("x".repeat(70_000)));
        let mut pipe = Vec::new();
        write(&mut pipe, &one).unwrap();
        write(&mut pipe, &two).unwrap();
        let mut rest = pipe.as_slice();
        assert_eq!(read(&mut rest).unwrap(), Some(one));
        assert_eq!(read(&mut rest).unwrap(), Some(two));
        assert_eq!(read(&mut rest).unwrap(), None);
    }

    #[test]
    fn what_is_cut_too_long_or_no_msgpack_is_an_error() {
        let mut pipe = Vec::new();
        write(&mut pipe, &"text".into()).unwrap();
        for end in 1..pipe.len() {
            assert!(read(&mut &pipe[..end]).is_err(), "cut at {end}");
        }
        let long = u32::try_from(LIMIT + 1).unwrap().to_be_bytes();
        assert!(read(&mut long.as_slice()).is_err());
        assert!(read(&mut [0, 0, 0, 1, 0xc1].as_slice()).is_err());
    }
}
