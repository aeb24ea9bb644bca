//! A ZeroMQ connection: [`crate::zmtp`] on a byte stream.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Dial, Error, Port, Stream};
use crate::zmtp::{Connection, Event, Heartbeat, Limits, Role};

/// Answers to PINGs that wait to be sent; at more of them we stop reading until the peer reads.
const MOST_PENDING: usize = 64 << 10;
const READ_SIZE: usize = 16 << 10;
/// Bytes a second below which a request is given up once its patience is over: slower than any line, and faster than
/// a peer that only wants to keep us.
const SLOWEST: u64 = 256;

/// An open connection to one socket of a master.
pub struct Link {
    peer: SocketAddr,
    read: ReadHalf<Box<dyn Stream>>,
    write: WriteHalf<Box<dyn Stream>>,
    zmtp: Connection,
    /// Received and not yet understood.
    input: Vec<u8>,
    eaten: usize,
    /// To be sent; `sent` of it already is.
    output: Vec<u8>,
    sent: usize,
    /// When bytes last moved in either direction, and how many since the last request.
    moved: Instant,
    bytes: u64,
}

impl Link {
    /// Connects and shakes hands, in `patience` altogether.
    pub async fn connect(
        dial: &dyn Dial,
        peer: SocketAddr,
        role: Role,
        limits: Limits,
        heartbeat: Option<Heartbeat>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let end = Instant::now() + patience;
        let late = |doing| Error::Timeout {
            peer,
            doing,
            after: patience,
        };
        let port = match role {
            Role::Sub { .. } => Port::Publish,
            Role::Req => Port::Request,
        };
        let stream = timeout_at(end, dial.dial(peer, port))
            .await
            .map_err(|_| late("connecting"))?
            .map_err(|source| Error::connecting(peer, source))?;
        let (read, write) = tokio::io::split(stream);
        let now = Instant::now();
        let mut link = Self {
            peer,
            read,
            write,
            zmtp: Connection::new(role, limits, heartbeat, now.into_std()),
            input: Vec::new(),
            eaten: 0,
            output: Vec::new(),
            sent: 0,
            moved: now,
            bytes: 0,
        };
        match timeout_at(end, link.event()).await {
            Ok(Ok(_ready)) => Ok(link),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(late("the ZeroMQ handshake")),
        }
    }

    /// The other end.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether a silent peer is found out by heartbeats; else only by TCP.
    pub fn has_heartbeat(&self) -> bool {
        self.zmtp.peer().is_some_and(|p| p.answers_ping())
    }

    /// The next message: its parts. May be dropped at any point without loss.
    pub async fn message(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        loop {
            if let Event::Message(parts) = self.event().await? {
                return Ok(parts);
            }
        }
    }

    /// One request and its reply. `patience` is for a connection on which nothing moves, so that a large
    /// message over a slow line is no timeout; but a peer that keeps us with a byte now and then, or with PINGs, is
    /// one after `SLOWEST`. After an error the link is of no more use.
    pub async fn request(&mut self, body: &[u8], patience: Duration) -> Result<Vec<u8>, Error> {
        self.request_within(u64::MAX, body, patience).await
    }

    /// The same, for a reply that has no reason to be longer than `limit`: one of a peer that is not proven yet.
    pub async fn request_within(
        &mut self,
        limit: u64,
        body: &[u8],
        patience: Duration,
    ) -> Result<Vec<u8>, Error> {
        let peer = self.peer;
        self.zmtp
            .request(body)
            .map_err(|source| Error::Zmtp { peer, source })?;
        self.zmtp.limit_message(limit);
        let begun = Instant::now();
        (self.moved, self.bytes) = (begun, 0);
        loop {
            let end = self.later(begun, patience);
            match timeout_at(end, self.message()).await {
                // Salt's replies are one frame.
                Ok(Ok(mut parts)) => return Ok(parts.pop().unwrap_or_default()),
                Ok(Err(error)) => return Err(error),
                Err(_) if self.later(begun, patience) > end => {}
                Err(_) => {
                    return Err(Error::Timeout {
                        peer,
                        doing: "waiting for a reply",
                        after: patience,
                    });
                }
            }
        }
    }

    /// When a request that began then has waited for too long, by all that has moved so far.
    fn later(&self, begun: Instant, patience: Duration) -> Instant {
        let slowest = begun + patience + Duration::from_secs(self.bytes / SLOWEST);
        (self.moved + patience).min(slowest)
    }

    /// Whether an idle connection is still usable; looks at what has arrived and waits for nothing.
    pub async fn is_open(&mut self) -> bool {
        // Zero time is enough: what has arrived is read in the first poll.
        tokio::time::timeout(Duration::ZERO, self.event())
            .await
            .is_err()
    }

    async fn event(&mut self) -> Result<Event, Error> {
        let peer = self.peer;
        let closed = |source| Error::Closed { peer, source };
        loop {
            if self.sent == self.output.len() {
                self.output = self.zmtp.transmit().unwrap_or_default();
                self.sent = 0;
            }
            let room = self.zmtp.pending() < MOST_PENDING;
            if room && self.eaten < self.input.len() {
                let mut rest = &self.input[self.eaten..];
                let result = self.zmtp.receive(&mut rest, Instant::now().into_std());
                self.eaten = self.input.len() - rest.len();
                if self.eaten == self.input.len() {
                    self.input.clear();
                    self.eaten = 0;
                }
                if let Some(event) = result.map_err(|source| Error::Zmtp { peer, source })? {
                    return Ok(event);
                }
                continue;
            }
            let deadline = self.zmtp.deadline().map(Instant::from_std);
            let far = Instant::now() + Duration::from_hours(1);
            self.input.reserve(READ_SIZE);
            tokio::select! {
                got = self.read.read_buf(&mut self.input), if room => match got {
                    Ok(0) => return Err(closed(None)),
                    Ok(n) => {
                        self.moved = Instant::now();
                        self.bytes += n as u64;
                    }
                    Err(source) => return Err(closed(Some(source))),
                },
                put = self.write.write(&self.output[self.sent..]), if self.sent < self.output.len() => {
                    match put {
                        Ok(0) => return Err(closed(None)),
                        Ok(n) => {
                            self.sent += n;
                            self.moved = Instant::now();
                            self.bytes += n as u64;
                        }
                        Err(source) => return Err(closed(Some(source))),
                    }
                },
                () = sleep_until(deadline.unwrap_or(far)) => {
                    self.zmtp
                        .handle_timeout(Instant::now().into_std())
                        .map_err(|source| Error::Zmtp { peer, source })?;
                },
            }
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{Memory, hello, reply, request_body};
    use super::*;

    const SOON: Duration = Duration::from_secs(2);

    async fn req(memory: &Memory) -> Result<Link, Error> {
        let peer = "192.0.2.1:4506".parse().unwrap();
        let limits = Limits {
            message: 3000,
            ..Limits::default()
        };
        Link::connect(memory, peer, Role::Req, limits, None, SOON).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_and_its_reply() {
        let (memory, mut served) = Memory::new();
        let server = tokio::spawn(async move {
            let (_, mut peer) = served.recv().await.unwrap();
            peer.write_all(&hello("ROUTER")).await.unwrap();
            assert_eq!(request_body(&mut peer).await, b"ask");
            for byte in reply(b"answer") {
                peer.write_all(&[byte]).await.unwrap();
            }
            peer
        });
        let mut link = req(&memory).await.unwrap();
        assert_eq!(link.request(b"ask", SOON).await.unwrap(), b"answer");
        assert!(link.is_open().await);
        drop(server.await.unwrap());
        assert!(!link.is_open().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reply_is_no_timeout_and_a_stopped_one_is() {
        let (memory, mut served) = Memory::new();
        let server = tokio::spawn(async move {
            let (_, mut peer) = served.recv().await.unwrap();
            peer.write_all(&hello("ROUTER")).await.unwrap();
            request_body(&mut peer).await;
            for piece in reply(&[b's'; 2000]).chunks(500) {
                tokio::time::sleep(SOON * 3 / 4).await;
                peer.write_all(piece).await.unwrap();
            }
            request_body(&mut peer).await;
            peer.write_all(&reply(b"never whole")[..9]).await.unwrap();
            peer
        });
        let mut link = req(&memory).await.unwrap();
        assert_eq!(link.request(b"1", SOON).await.unwrap(), [b's'; 2000]);
        let error = link.request(b"2", SOON).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { after, .. } if after == SOON));
        drop(server);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_only_keeps_us_is_given_up() {
        let pings = b"\x04\x07\x04PING\0\0".as_slice();
        let whole = reply(&[b's'; 2000]);
        for drops in [pings.repeat(100), whole] {
            let (memory, mut served) = Memory::new();
            let server = tokio::spawn(async move {
                let (_, mut peer) = served.recv().await.unwrap();
                peer.write_all(&hello("ROUTER")).await.unwrap();
                request_body(&mut peer).await;
                for drop in drops.chunks(10) {
                    tokio::time::sleep(SOON / 2).await;
                    if peer.write_all(drop).await.is_err() {
                        break;
                    }
                }
            });
            let mut link = req(&memory).await.unwrap();
            let begun = Instant::now();
            let error = link.request(b"x", SOON).await.unwrap_err();
            assert!(matches!(error, Error::Timeout { .. }), "{error}");
            assert!(begun.elapsed() < 2 * SOON, "{:?}", begun.elapsed());
            server.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_of_bad_peer_is_told_apart() {
        for (sends, closes, expected) in [
            (b"SSH-2.0-x\r\n".to_vec(), false, "does not speak ZeroMQ"),
            (hello("PUB"), false, "ports swapped"),
            (
                hello("ROUTER")[..70].to_vec(),
                true,
                "closed the connection",
            ),
            (
                hello("ROUTER")[..70].to_vec(),
                false,
                "did not answer within 2 s",
            ),
            (Vec::new(), true, "closed the connection"),
        ] {
            let (memory, mut served) = Memory::new();
            let server = tokio::spawn(async move {
                let (_, mut peer) = served.recv().await.unwrap();
                peer.write_all(&sends).await.unwrap();
                (!closes).then_some(peer)
            });
            let error = req(&memory).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            drop(server);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_pings_and_never_reads_makes_nothing_grow() {
        let (memory, mut served) = Memory::new();
        let server = tokio::spawn(async move {
            let (_, mut peer) = served.recv().await.unwrap();
            peer.write_all(&hello("ROUTER")).await.unwrap();
            let pings = b"\x04\x07\x04PING\0\0".repeat(10_000);
            // Never read: our answers get stuck, and then it can no longer write either.
            let mut taken = 0;
            while let Ok(Ok(n)) = tokio::time::timeout(SOON, peer.write(&pings)).await {
                taken += n;
            }
            (peer, taken)
        });
        let mut link = req(&memory).await.unwrap();
        let patience = 60 * SOON;
        link.request(b"x", patience).await.unwrap_err();
        let (_peer, taken) = server.await.unwrap();
        assert!(
            taken < 2 * MOST_PENDING + 100_000,
            "{taken} bytes were taken"
        );
        assert!(link.output.len() + link.zmtp.pending() < 2 * MOST_PENDING);
    }
}
