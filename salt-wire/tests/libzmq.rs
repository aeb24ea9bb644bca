//! Our ZMTP against the one that every master has: libzmq, driven through the pyzmq of a Salt venv.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test"
)]

#[path = "../../tests/harness/venv.rs"]
mod venv;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use salt_wire::zmtp::{Connection, Error, Event, Heartbeat, Limits, Role};

/// Runs until its stdin closes. Prints its port, then does what the test is about.
const PUB: &str = r"
import sys, zmq, threading, os
ctx = zmq.Context()
s = ctx.socket(zmq.PUB)
s.setsockopt(zmq.HEARTBEAT_IVL, 50)
s.setsockopt(zmq.HEARTBEAT_TIMEOUT, 200)
print(s.bind_to_random_port('tcp://127.0.0.1'), flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
n = 0
while True:
    threading.Event().wait(0.005)
    s.send_multipart([b'other', b'x']) if n % 2 else s.send_multipart([b'topic', b'%d' % (n // 2)])
    n += 1
";

const IDLE: &str = r"
import sys, zmq
s = zmq.Context().socket(zmq.PUB)
print(s.bind_to_random_port('tcp://127.0.0.1'), flush=True)
sys.stdin.read()
";

const ROUTER: &str = r"
import sys, zmq, threading, os
s = zmq.Context().socket(zmq.ROUTER)
print(s.bind_to_random_port('tcp://127.0.0.1'), flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    who, empty, body = s.recv_multipart()
    s.send_multipart([who, empty, body[::-1]])
";

struct Peer {
    child: Child,
    port: u16,
    _stdin: ChildStdin,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Every Salt venv's libzmq; on a laptop without any, none.
fn pythons() -> Vec<PathBuf> {
    ["3008.3", "3007.15", "3006.28"]
        .iter()
        .filter_map(|release| venv::program(release, "python"))
        .collect()
}

fn spawn(python: &PathBuf, script: &str) -> Peer {
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    Peer {
        port: line.trim().parse().unwrap(),
        _stdin: child.stdin.take().unwrap(),
        child,
    }
}

/// The smallest driver there is: a blocking socket with a short read timeout.
struct Link {
    tcp: TcpStream,
    zmtp: Connection,
    mute: bool,
    events: Vec<Event>,
}

impl Link {
    fn new(peer: &Peer, role: Role, dead_after: Duration) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", peer.port)).unwrap();
        tcp.set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let heartbeat = Some(Heartbeat { dead_after });
        let zmtp = Connection::new(role, Limits::default(), heartbeat, Instant::now());
        Self {
            tcp,
            zmtp,
            mute: false,
            events: Vec::new(),
        }
    }

    /// One turn; false when the peer closed the connection.
    fn turn(&mut self) -> Result<bool, Error> {
        if let Some(bytes) = self.zmtp.transmit()
            && !self.mute
        {
            self.tcp.write_all(&bytes).unwrap();
        }
        let mut buffer = [0; 65536];
        match self.tcp.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => {
                let mut input = &buffer[..n];
                while let Some(event) = self.zmtp.receive(&mut input, Instant::now())? {
                    self.events.push(event);
                }
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return Ok(false),
        }
        self.zmtp.handle_timeout(Instant::now())?;
        Ok(true)
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(Instant::now() < end, "never: {what}");
            assert!(self.turn().unwrap(), "closed before: {what}");
        }
    }
}

fn sub() -> Role {
    Role::Sub {
        prefixes: vec![b"topic".to_vec()],
    }
}

#[test]
fn a_publisher_with_heartbeats_keeps_us_and_its_filter_works() {
    for python in pythons() {
        let peer = spawn(&python, PUB);
        let mut link = Link::new(&peer, sub(), Duration::from_millis(600));
        // Ten times its own patience, and nothing lost in it.
        let end = Instant::now() + Duration::from_secs(2);
        link.until("two seconds of publications", |_| Instant::now() > end);
        let Some(Event::Ready(publisher)) = link.events.first() else {
            panic!("no handshake: {:?}", link.events);
        };
        assert_eq!(
            (publisher.minor, publisher.socket_type.as_str()),
            (1, "PUB")
        );
        let numbers: Vec<u64> = link.events[1..]
            .iter()
            .map(|event| match event {
                Event::Message(parts) => {
                    assert_eq!(parts[0], b"topic");
                    std::str::from_utf8(&parts[1]).unwrap().parse().unwrap()
                }
                Event::Ready(_) => panic!("a second handshake"),
            })
            .collect();
        assert!(numbers.len() > 50, "only {} came", numbers.len());
        assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "{numbers:?}");
    }
}

/// The proof that the test above proves something.
#[test]
fn a_publisher_with_heartbeats_drops_who_does_not_answer() {
    let Some(python) = pythons().into_iter().next() else {
        return;
    };
    let peer = spawn(&python, PUB);
    let mut link = Link::new(&peer, sub(), Duration::from_mins(1));
    link.until("a message", |l| l.events.len() > 1);
    link.mute = true;
    let end = Instant::now() + Duration::from_secs(10);
    while link.turn().unwrap() {
        assert!(Instant::now() < end, "it never dropped us");
    }
}

#[test]
fn an_idle_publisher_lives_by_its_pongs_and_a_stopped_one_is_found_out() {
    let Some(python) = pythons().into_iter().next() else {
        return;
    };
    let peer = spawn(&python, IDLE);
    let dead_after = Duration::from_millis(900);
    let mut link = Link::new(&peer, sub(), dead_after);
    let end = Instant::now() + 3 * dead_after;
    link.until("three times our patience", |_| Instant::now() > end);
    let stopped = Command::new("kill")
        .args(["-STOP", &peer.child.id().to_string()])
        .status()
        .unwrap();
    assert!(stopped.success());
    let since = Instant::now();
    let error = loop {
        match link.turn() {
            Ok(open) => assert!(open),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(since.elapsed() < dead_after + Duration::from_secs(1));
}

#[test]
fn requests_of_every_size_are_answered_by_a_router() {
    for python in pythons() {
        let peer = spawn(&python, ROUTER);
        let mut link = Link::new(&peer, Role::Req, Duration::from_secs(20));
        link.until("the handshake", |l| l.zmtp.peer().is_some());
        for size in [1, 255, 256, 70_000, 20 << 20] {
            let body: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            link.zmtp.request(&body).unwrap();
            link.events.clear();
            // A large one must be written beside reading: the peer answers heartbeats meanwhile.
            link.until("the reply", |l| !l.events.is_empty());
            let expected: Vec<u8> = body.into_iter().rev().collect();
            assert!(link.events == [Event::Message(vec![expected])]);
        }
    }
}

#[test]
fn a_router_where_a_publisher_should_be_is_named() {
    let Some(python) = pythons().into_iter().next() else {
        return;
    };
    let peer = spawn(&python, ROUTER);
    let mut link = Link::new(&peer, sub(), Duration::from_secs(20));
    let error = loop {
        match link.turn() {
            Ok(true) => {}
            Ok(false) => panic!("closed without a word"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&error, Error::SocketType { found, .. } if found == "ROUTER"),
        "{error}"
    );
}
