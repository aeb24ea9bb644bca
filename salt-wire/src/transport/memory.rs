//! Streams in memory, for tests: each one that is opened hands its other end to the test.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::{BoxFuture, Dial, Port, Stream};
use crate::zmtp::frame::{Decoder, Frame, Room, encode_command, encode_part};
use crate::zmtp::greeting;

/// Opens streams whose other ends come out of the receiver that [`Memory::new`] gives.
pub struct Memory(mpsc::UnboundedSender<(Port, DuplexStream)>);

impl Memory {
    /// A way to connect, and the other ends of what was connected, in order.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<(Port, DuplexStream)>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }
}

impl Dial for Memory {
    fn dial(&self, _: SocketAddr, port: Port) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let (ours, theirs) = duplex(4096);
            self.0
                .send((port, theirs))
                .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

/// Greeting and READY of a peer of this type.
pub fn hello(socket_type: &str) -> Vec<u8> {
    let mut bytes = greeting::ours().to_vec();
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend((socket_type.len() as u32).to_be_bytes());
    body.extend(socket_type.as_bytes());
    encode_command(&body, &mut bytes);
    bytes
}

/// A reply as a ROUTER sends it.
pub fn reply(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_part(b"", true, &mut bytes);
    encode_part(body, false, &mut bytes);
    bytes
}

/// Reads up to the next request and gives its body; skips a greeting and a READY before it.
pub async fn request_body(peer: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    next_request(peer).await.unwrap()
}

/// The same; `None` when the other end is closed.
pub async fn next_request(peer: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let room = Room {
        command: 4096,
        part: u64::MAX,
    };
    let mut decoder = Decoder::default();
    loop {
        let first = peer.read_u8().await.ok()?;
        if first == 0xff {
            peer.read_exact(&mut [0; greeting::LENGTH - 1]).await.ok()?;
            continue;
        }
        let mut next = vec![first];
        let frame: Frame = loop {
            if let Some(frame) = decoder.receive(&mut &next[..], room).unwrap() {
                break frame;
            }
            next = vec![peer.read_u8().await.ok()?];
        };
        if !frame.command && !frame.more {
            return Some(frame.body);
        }
    }
}
