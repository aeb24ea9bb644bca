//! Whether a master works: its ports are open long before its workers are there.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use salt_wire::zmtp::{Connection, Event, Limits, Role};
use salt_wire::{Value, map};

const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a worker behind the request port answers a ping, for which nobody needs a key.
pub(crate) fn answers(address: &str) -> bool {
    format!("{address}:4506")
        .parse()
        .is_ok_and(|peer| ping(peer).is_ok())
}

fn ping(peer: SocketAddr) -> io::Result<()> {
    let ping = map! {"enc" => "clear", "load" => Value::Map(map! {"cmd" => "ping"})};
    let mut stream = TcpStream::connect_timeout(&peer, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut zmtp = Connection::new(Role::Req, Limits::default(), None, Instant::now());
    let mut buffer = [0; 4096];
    loop {
        while let Some(bytes) = zmtp.transmit() {
            stream.write_all(&bytes)?;
        }
        let received = stream.read(&mut buffer)?;
        if received == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut input = &buffer[..received];
        while let Some(event) = zmtp
            .receive(&mut input, Instant::now())
            .map_err(io::Error::other)?
        {
            match event {
                Event::Ready(_) => zmtp
                    .request(&Value::Map(ping.clone()).to_msgpack())
                    .map_err(io::Error::other)?,
                Event::Message(_) => return Ok(()),
            }
        }
    }
}
