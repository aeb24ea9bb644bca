//! A name server that tests can move names on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Every name is this address, for a second.
    Is(Ipv4Addr),
    /// There is no such name.
    NoSuchName,
    /// Nothing at all.
    Nothing,
}

/// The server, which answers until it is dropped.
pub struct Names {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// A server that says this.
    pub fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)));
        let over = Arc::new(AtomicBool::new(false));
        let (mode, count, end) = (says.clone(), asked.clone(), over.clone());
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let mut question = [0; 512];
                let Ok((length, from)) = socket.recv_from(&mut question) else {
                    continue;
                };
                count.fetch_add(1, Ordering::Relaxed);
                let says = *mode.lock().unwrap();
                if let Some(reply) = reply(&question[..length], says) {
                    socket.send_to(&reply, from).ok();
                }
            }
        });
        Self {
            address,
            says,
            asked,
            over,
            thread: Some(thread),
        }
    }

    /// What `agent: {nameservers: […]}` takes.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says something else from now on.
    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// Every name is this address from now on.
    pub fn point(&self, to: &crate::Address) {
        match to.to_string().parse().unwrap() {
            IpAddr::V4(to) => self.say(Says::Is(to)),
            IpAddr::V6(_) => unreachable!("tests live on 127.0.0.0/8"),
        }
    }

    /// How many questions have come.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The answer to one question (RFC 1035): the question again, and an A record if that is what was asked for.
fn reply(question: &[u8], says: Says) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let name = question.get(HEADER..)?.iter().position(|b| *b == 0)?;
    let end = HEADER + name + 5;
    let mut reply = question.get(..end)?.to_vec();
    let wants_v4 = reply[end - 3] == 1;
    let (code, answers, address) = match says {
        Says::Nothing => return None,
        Says::NoSuchName => (0x83, 0, None),
        Says::Is(address) => (0x80, u8::from(wants_v4), wants_v4.then_some(address)),
    };
    reply[2..HEADER].copy_from_slice(&[0x81, code, 0, 1, 0, answers, 0, 0, 0, 0]);
    if let Some(address) = address {
        reply.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}

impl Drop for Names {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
