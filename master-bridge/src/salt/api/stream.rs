//! The event stream: server-sent events to events of the bus.

use salt_wire::{Map, Value};

use crate::salt::Event;

/// As on the bus itself: beyond this the stream is none.
const MAX_EVENT: usize = 256 << 20;

/// An event that does not end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {MAX_EVENT} bytes")]
pub(super) struct TooLong;

/// Takes bytes as they come and gives events.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    /// Up to here no line ends.
    looked: usize,
    data: Vec<u8>,
    begun: bool,
}

impl Decoder {
    /// Adds received bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.looked -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
        self.begun |= bytes.contains(&b'\n');
    }

    /// Whether a line came: salt-api writes its first when it is attached to the bus.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The next whole event; `None` if more bytes are needed.
    pub(super) fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(at) = self.buffer[self.looked..].iter().position(|b| *b == b'\n') {
            let end = self.looked + at;
            let line = &self.buffer[self.start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                let event = event_of(&self.data);
                self.data.clear();
                (self.start, self.looked) = (end + 1, end + 1);
                if event.is_some() {
                    return Ok(event);
                }
                continue;
            }
            if let Some(more) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(more);
                self.data.push(b'\n');
            }
            (self.start, self.looked) = (end + 1, end + 1);
        }
        self.looked = self.buffer.len();
        if self.buffer.len() - self.start + self.data.len() > MAX_EVENT {
            return Err(TooLong);
        }
        Ok(None)
    }
}

fn event_of(data: &[u8]) -> Option<Event> {
    let mut event: serde_json::Value = serde_json::from_slice(data).ok()?;
    let tag = event.get("tag")?.as_str()?.to_owned();
    match value_of(event.get_mut("data")?.take()) {
        Value::Map(data) => Some(Event { tag, data }),
        _ => None,
    }
}

/// A document of salt-api as Salt's value.
pub(super) fn value_of(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => flag.into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int.into()),
            (_, Some(int)) => Value::Int(int.into()),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text),
        Json::Array(items) => Value::List(items.into_iter().map(value_of).collect()),
        Json::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(k, v)| (Value::Str(k), value_of(v)));
            Value::Map(fields.collect::<Map>())
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    /// As rest_cherrypy writes it, with a stranger and a comment between.
    const STREAM: &str = "retry: 400\ntag: a/1\ndata: {\"tag\": \"a/1\", \"data\": {\"n\": 1}}\n\n\
        : comment\n\ndata: no json\n\ndata: {\"tag\": \"x\", \"data\": 3}\r\n\r\n\
        tag: a/2\ndata: {\"tag\": \"a/2\",\ndata: \"data\": {\"s\": \"\u{e9}\"}}\n\n";

    #[test]
    fn events_in_pieces_of_any_size() {
        for size in [1, 2, 7, 1000] {
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            assert!(!decoder.has_begun());
            for piece in STREAM.as_bytes().chunks(size) {
                decoder.push(piece);
                while let Some(event) = decoder.next_event().unwrap() {
                    events.push(event);
                }
            }
            assert!(decoder.has_begun());
            let tags: Vec<_> = events.iter().map(|e| e.tag.as_str()).collect();
            assert_eq!(tags, ["a/1", "a/2"], "{size}");
            assert_eq!(events[1].data, map! {"s" => "é"});
        }
    }

    #[test]
    fn it_has_begun_with_its_first_line() {
        let mut decoder = Decoder::default();
        decoder.push(b"retry: 4");
        assert!(!decoder.has_begun());
        decoder.push(b"00\n");
        assert!(decoder.has_begun());
    }
}
