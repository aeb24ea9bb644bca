//! One connection: greeting, handshake, then messages, with heartbeats underneath.

use std::time::{Duration, Instant};

use super::command::{self, Command};
use super::error::Error;
use super::frame::{Decoder, Frame, Room, encode_part};
use super::greeting::{self, Greeting};

/// Which socket we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Receives messages that begin with one of these prefixes.
    Sub {
        /// Sent as soon as the peer is ready for them.
        prefixes: Vec<Vec<u8>>,
    },
    /// Sends one request and waits for its reply.
    Req,
}

impl Role {
    const fn name(&self) -> &'static str {
        match self {
            Self::Sub { .. } => "SUB",
            Self::Req => "REQ",
        }
    }

    /// The socket types that we can talk to.
    const fn partners(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Sub { .. } => ("PUB", &["PUB", "XPUB"]),
            Self::Req => ("ROUTER", &["ROUTER", "REP"]),
        }
    }
}

/// What is taken from a peer at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes in all parts of one message.
    pub message: u64,
    /// Bytes of a command.
    pub command: u64,
    /// Parts of a message.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 256 << 20,
            command: 4096,
            // Two is the most that Salt uses: delimiter and body, or topic and body.
            parts: 4,
        }
    }
}

/// How a silent peer is found out.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat {
    /// A peer from which nothing was heard for this long is dead. It is pinged at each third of that time
    /// first; one that does not know PING is left to TCP's keep-alive.
    pub dead_after: Duration,
}

/// A silent peer's time has this many parts, with a PING at the end of each but the last.
const PARTS: u32 = 3;

/// What the peer told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Minor version of its ZMTP 3.
    pub minor: u8,
    /// Its socket type.
    pub socket_type: String,
}

impl Peer {
    /// Whether it answers PING.
    pub const fn answers_ping(&self) -> bool {
        self.minor >= greeting::MINOR_WITH_COMMANDS
    }
}

/// What a connection reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The handshake is done; a SUB's prefixes are on their way.
    Ready(Peer),
    /// A message: its parts, without the delimiter that a REQ's reply has.
    Message(Vec<Vec<u8>>),
}

#[derive(Debug)]
enum Phase {
    Greeting(Greeting),
    Handshake { minor: u8 },
    Ready(Peer),
    Failed,
}

/// One end of a connection. The caller carries bytes: [`Self::receive`] in, [`Self::transmit`] out, and
/// calls [`Self::handle_timeout`] when [`Self::deadline`] has come.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    limits: Limits,
    /// Bytes in all parts of the next message.
    longest: u64,
    heartbeat: Option<Heartbeat>,
    phase: Phase,
    decoder: Decoder,
    parts: Vec<Vec<u8>>,
    size: u64,
    out: Vec<u8>,
    heard: Instant,
    beat: Instant,
    pings: u32,
    waiting: bool,
}

impl Connection {
    /// A connection at its first byte. With a heartbeat, its time also bounds the handshake.
    pub fn new(role: Role, limits: Limits, heartbeat: Option<Heartbeat>, now: Instant) -> Self {
        // Nothing is due before a request.
        let longest = match role {
            Role::Sub { .. } => limits.message,
            Role::Req => limits.command,
        };
        Self {
            role,
            longest,
            limits,
            heartbeat,
            phase: Phase::Greeting(Greeting::default()),
            decoder: Decoder::default(),
            parts: Vec::new(),
            size: 0,
            out: greeting::ours().to_vec(),
            heard: now,
            beat: now,
            pings: 0,
            waiting: false,
        }
    }

    /// Takes no longer message than this until the next request, and no longer one than the limits say.
    pub fn limit_message(&mut self, bytes: u64) {
        self.longest = bytes.min(self.limits.message);
    }

    /// The peer, once the handshake is done.
    pub const fn peer(&self) -> Option<&Peer> {
        match &self.phase {
            Phase::Ready(peer) => Some(peer),
            _ => None,
        }
    }

    /// Takes bytes from the front of `input` up to the next event; `None` when they are used up. After
    /// an error nothing more is taken.
    pub fn receive(&mut self, input: &mut &[u8], now: Instant) -> Result<Option<Event>, Error> {
        // A peer that trickles its handshake gains no time by it.
        if !input.is_empty() && self.peer().is_some() {
            self.heard = now;
            self.beat = now;
            self.pings = 0;
        }
        let result = self.advance(input);
        if result.is_err() {
            self.phase = Phase::Failed;
        }
        result
    }

    /// The bytes to send, if there are any. Answers to PINGs are among them, so send them before
    /// receiving more: then they never grow beyond what was received.
    pub fn transmit(&mut self) -> Option<Vec<u8>> {
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out))
    }

    /// How many bytes [`Self::transmit`] would give: answers that pile up when the peer does not read.
    pub const fn pending(&self) -> usize {
        self.out.len()
    }

    /// Sends one request; its reply is the next message.
    pub fn request(&mut self, body: &[u8]) -> Result<(), Error> {
        if self.role != Role::Req || self.peer().is_none() {
            return Err(Error::Misuse("a request needs a ready REQ connection"));
        }
        if self.waiting {
            return Err(Error::Misuse("the last request is not answered yet"));
        }
        self.waiting = true;
        encode_part(b"", true, &mut self.out);
        encode_part(body, false, &mut self.out);
        self.longest = self.limits.message;
        Ok(())
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let Heartbeat { dead_after } = self.heartbeat?;
        match &self.phase {
            Phase::Failed => None,
            Phase::Ready(peer) if !peer.answers_ping() => None,
            Phase::Ready(_) => Some(self.beat + dead_after / PARTS),
            Phase::Greeting(_) | Phase::Handshake { .. } => Some(self.beat + dead_after),
        }
    }

    /// Pings a silent peer, or gives it up.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if self.peer().is_none() || self.pings + 1 == PARTS {
            self.phase = Phase::Failed;
            let silence = now.saturating_duration_since(self.heard);
            return Err(Error::Silent { silence });
        }
        // Counted from this PING, not from the last sign of life: if it was us who slept, the peer still
        // gets its time to answer.
        self.beat = now;
        self.pings += 1;
        command::ping(&mut self.out);
        Ok(())
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        loop {
            match &mut self.phase {
                Phase::Failed => return Err(Error::Misuse("the connection has failed")),
                Phase::Greeting(greeting) => {
                    let Some(minor) = greeting.receive(input)? else {
                        return Ok(None);
                    };
                    command::ready(self.role.name(), &mut self.out);
                    self.phase = Phase::Handshake { minor };
                }
                Phase::Handshake { minor } => {
                    let minor = *minor;
                    let Some(frame) = self.frame(input)? else {
                        return Ok(None);
                    };
                    let peer = self.shake(frame, minor)?;
                    self.phase = Phase::Ready(peer.clone());
                    return Ok(Some(Event::Ready(peer)));
                }
                Phase::Ready(_) => {
                    let Some(frame) = self.frame(input)? else {
                        return Ok(None);
                    };
                    if let Some(message) = self.take(frame)? {
                        return Ok(Some(Event::Message(message)));
                    }
                }
            }
        }
    }

    fn frame(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Error> {
        let room = Room {
            command: self.limits.command,
            part: self.longest.saturating_sub(self.size),
        };
        self.decoder.receive(input, room).map_err(|e| match e {
            Error::TooLarge {
                what: "message",
                announced,
                ..
            } => Error::TooLarge {
                what: "message",
                announced: announced.saturating_add(self.size),
                limit: self.longest,
            },
            other => other,
        })
    }

    /// The handshake of the NULL mechanism: READY from both sides.
    fn shake(&mut self, frame: Frame, minor: u8) -> Result<Peer, Error> {
        if !frame.command {
            return Err(Error::Malformed("a message before READY"));
        }
        let socket_type = match Command::decode(&frame.body)? {
            Command::Ready { socket_type } => socket_type,
            Command::Error { reason } => return Err(Error::Refused { reason }),
            _ => return Err(Error::Malformed("another command before READY")),
        };
        let (expected, partners) = self.role.partners();
        if !partners.contains(&socket_type.as_str()) {
            return Err(Error::SocketType {
                expected,
                found: socket_type,
            });
        }
        let peer = Peer { minor, socket_type };
        if let Role::Sub { prefixes } = &self.role {
            for prefix in prefixes {
                if peer.answers_ping() {
                    command::subscribe(prefix, &mut self.out);
                } else {
                    // ZMTP 3.0 has no such command: a message that begins with 1.
                    encode_part(&[b"\x01", &prefix[..]].concat(), false, &mut self.out);
                }
            }
        }
        Ok(peer)
    }

    /// One frame of a ready connection; a message when it is complete.
    fn take(&mut self, frame: Frame) -> Result<Option<Vec<Vec<u8>>>, Error> {
        if frame.command {
            match Command::decode(&frame.body)? {
                Command::Ping { context } => command::pong(&context, &mut self.out),
                Command::Error { reason } => return Err(Error::Refused { reason }),
                Command::Ready { .. } => return Err(Error::Malformed("a second READY")),
                Command::Pong | Command::Other => {}
            }
            return Ok(None);
        }
        if self.parts.len() == self.limits.parts {
            return Err(Error::TooManyFrames {
                limit: self.limits.parts,
            });
        }
        self.size += frame.body.len() as u64;
        self.parts.push(frame.body);
        if frame.more {
            return Ok(None);
        }
        self.size = 0;
        let mut parts = std::mem::take(&mut self.parts);
        if self.role == Role::Req {
            // What nobody asked for, or what lacks the delimiter, is dropped as the protocol asks.
            if !self.waiting || parts.len() < 2 || !parts[0].is_empty() {
                return Ok(None);
            }
            self.waiting = false;
            parts.remove(0);
        }
        Ok(Some(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zmtp::frame::encode_command;

    const DEAD_AFTER: Duration = Duration::from_secs(15);

    /// What a libzmq PUB or ROUTER sends first.
    fn hello(minor: u8, socket_type: &str) -> Vec<u8> {
        let mut bytes = greeting::ours().to_vec();
        bytes[11] = minor;
        let mut body = b"\x05READY\x0bSocket-Type".to_vec();
        body.extend((socket_type.len() as u32).to_be_bytes());
        body.extend(socket_type.as_bytes());
        encode_command(&body, &mut bytes);
        bytes
    }

    fn sub() -> Role {
        Role::Sub {
            prefixes: vec![b"topic".to_vec()],
        }
    }

    fn start(role: Role, now: Instant) -> Connection {
        let heartbeat = Heartbeat {
            dead_after: DEAD_AFTER,
        };
        let limits = Limits {
            message: 1000,
            ..Limits::default()
        };
        Connection::new(role, limits, Some(heartbeat), now)
    }

    fn ready(role: Role, partner: &str, now: Instant) -> Connection {
        let mut connection = start(role, now);
        let event = connection
            .receive(&mut &hello(1, partner)[..], now)
            .unwrap();
        assert!(matches!(event, Some(Event::Ready(_))));
        connection.transmit();
        connection
    }

    fn events(connection: &mut Connection, mut bytes: &[u8]) -> Result<Vec<Event>, Error> {
        let (mut events, now) = (Vec::new(), Instant::now());
        while let Some(event) = connection.receive(&mut bytes, now)? {
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn a_handshake_byte_by_byte_then_the_subscription_of_its_version() {
        for (minor, subscription) in [
            (1, &b"\x04\x0f\x09SUBSCRIBEtopic"[..]),
            (0, &b"\x00\x06\x01topic"[..]),
        ] {
            let mut connection = start(sub(), Instant::now());
            let mut sent = connection.transmit().unwrap();
            assert_eq!(sent, greeting::ours());
            let mut got = Vec::new();
            for byte in hello(minor, "PUB") {
                got.extend(events(&mut connection, &[byte]).unwrap());
            }
            let peer = Peer {
                minor,
                socket_type: "PUB".into(),
            };
            assert_eq!(got, [Event::Ready(peer)]);
            sent = connection.transmit().unwrap();
            assert!(sent.ends_with(subscription), "{}", sent.escape_ascii());
        }
    }

    #[test]
    fn pings_are_answered_and_do_not_disturb_a_message() {
        let mut connection = ready(sub(), "PUB", Instant::now());
        let mut wire = Vec::new();
        encode_part(b"topic", true, &mut wire);
        encode_command(b"\x04PING\x00\x00abc", &mut wire);
        encode_part(b"body", false, &mut wire);
        let got = events(&mut connection, &wire).unwrap();
        let message = vec![b"topic".to_vec(), b"body".to_vec()];
        assert_eq!(got, [Event::Message(message)]);
        assert_eq!(
            connection.transmit().as_deref(),
            Some(&b"\x04\x08\x04PONGabc"[..])
        );
    }

    #[test]
    fn a_silent_peer_is_pinged_twice_and_given_up_in_time() {
        let start = Instant::now();
        let mut connection = ready(sub(), "PUB", start);
        for round in 1..=2 {
            let due = connection.deadline().unwrap();
            assert_eq!(due, start + DEAD_AFTER / 3 * round);
            connection.handle_timeout(due).unwrap();
            assert_eq!(
                connection.transmit().as_deref(),
                Some(&b"\x04\x07\x04PING\0\0"[..])
            );
        }
        let end = connection.deadline().unwrap();
        assert_eq!(end, start + DEAD_AFTER);
        assert_eq!(
            connection.handle_timeout(end),
            Err(Error::Silent {
                silence: DEAD_AFTER
            })
        );
        assert!(connection.receive(&mut &b"late"[..], end).is_err());
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let start = Instant::now();
        let mut connection = ready(sub(), "PUB", start);
        let later = start + DEAD_AFTER / 2;
        connection.handle_timeout(later).unwrap();
        let mut pong = Vec::new();
        encode_command(b"\x04PONG", &mut pong);
        connection.receive(&mut &pong[..], later).unwrap();
        assert_eq!(connection.deadline(), Some(later + DEAD_AFTER / 3));
    }

    #[test]
    fn a_stopped_handshake_ends_in_time_even_if_it_trickles() {
        let start_at = Instant::now();
        let mut connection = start(sub(), start_at);
        let half = start_at + DEAD_AFTER / 2;
        connection.receive(&mut &[0xff][..], half).unwrap();
        let end = connection.deadline().unwrap();
        assert_eq!(end, start_at + DEAD_AFTER);
        assert!(matches!(
            connection.handle_timeout(end),
            Err(Error::Silent { .. })
        ));
    }

    #[test]
    fn a_peer_that_knows_no_ping_gets_none() {
        let now = Instant::now();
        let mut connection = start(sub(), now);
        connection.receive(&mut &hello(0, "XPUB")[..], now).unwrap();
        assert_eq!(connection.deadline(), None);
    }

    #[test]
    fn requests_are_one_at_a_time_and_carry_the_delimiter() {
        let mut connection = start(Role::Req, Instant::now());
        assert!(matches!(connection.request(b"x"), Err(Error::Misuse(_))));
        let mut connection = ready(Role::Req, "ROUTER", Instant::now());
        // Nobody asked: dropped.
        assert_eq!(events(&mut connection, b"\x01\x00\x00\x01?"), Ok(vec![]));
        connection.request(b"ask").unwrap();
        assert_eq!(
            connection.transmit().as_deref(),
            Some(&b"\x01\x00\x00\x03ask"[..])
        );
        assert!(matches!(connection.request(b"x"), Err(Error::Misuse(_))));
        // Without the delimiter: dropped, and the answer is still awaited.
        assert_eq!(events(&mut connection, b"\x00\x01!"), Ok(vec![]));
        let got = events(&mut connection, b"\x01\x00\x00\x02ok").unwrap();
        assert_eq!(got, [Event::Message(vec![b"ok".to_vec()])]);
        connection.request(b"again").unwrap();
    }

    #[test]
    fn the_parts_of_a_message_share_one_limit() {
        let mut connection = ready(sub(), "PUB", Instant::now());
        let mut wire = Vec::new();
        encode_part(&[0; 600], true, &mut wire);
        encode_part(&[0; 600], false, &mut wire);
        assert_eq!(
            events(&mut connection, &wire),
            Err(Error::TooLarge {
                what: "message",
                announced: 1200,
                limit: 1000
            })
        );
        let mut connection = ready(sub(), "PUB", Instant::now());
        let endless = b"\x01\x00".repeat(5);
        assert_eq!(
            events(&mut connection, &endless),
            Err(Error::TooManyFrames { limit: 4 })
        );
        // The limit is each message's own.
        let mut connection = ready(sub(), "PUB", Instant::now());
        let mut wire = Vec::new();
        encode_part(&[0; 600], false, &mut wire);
        encode_part(&[0; 600], false, &mut wire);
        assert_eq!(events(&mut connection, &wire).unwrap().len(), 2);
    }

    #[test]
    fn swapped_ports_are_named() {
        let mut connection = start(sub(), Instant::now());
        let err = events(&mut connection, &hello(1, "ROUTER")).unwrap_err();
        assert!(err.to_string().contains("swapped"), "{err}");
    }

    #[test]
    fn a_refusal_is_told_in_the_peers_words() {
        let mut connection = start(Role::Req, Instant::now());
        let mut bytes = greeting::ours().to_vec();
        encode_command(b"\x05ERROR\x04full", &mut bytes);
        assert_eq!(
            events(&mut connection, &bytes),
            Err(Error::Refused {
                reason: "full".into()
            })
        );
    }

    proptest::proptest! {
        #[test]
        fn noise_never_panics_nor_grows(noise: Vec<u8>, handshake: bool) {
            let mut connection = if handshake {
                start(Role::Req, Instant::now())
            } else {
                ready(sub(), "PUB", Instant::now())
            };
            connection.transmit();
            drop(events(&mut connection, &noise));
            let sent = connection.transmit().unwrap_or_default();
            proptest::prop_assert!(sent.len() <= noise.len() + 100);
        }
    }
}
