//! Floating IPs: connections to one are carried to the VM that has it.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a VM may take to answer the door.
const CONNECT: Duration = Duration::from_secs(5);

/// All doors that are open.
#[derive(Default)]
pub(super) struct Forwards(HashMap<SocketAddrV4, watch::Sender<SocketAddrV4>>);

impl Forwards {
    /// Opens, moves and closes doors until they are these.
    pub(super) async fn become_these(&mut self, wanted: BTreeMap<SocketAddrV4, SocketAddrV4>) {
        // A door closes when the last sender of its target is dropped.
        self.0.retain(|door, _| wanted.contains_key(door));
        for (door, target) in wanted {
            if let Some(sender) = self.0.get(&door) {
                sender.send_if_modified(|now| std::mem::replace(now, target) != target);
                continue;
            }
            match bind(door).await {
                Ok(listener) => {
                    let (sender, receiver) = watch::channel(target);
                    tokio::spawn(serve(listener, receiver));
                    self.0.insert(door, sender);
                }
                Err(error) => {
                    tracing::warn!(%door, %error, "The floating IP cannot listen there.");
                }
            }
        }
    }
}

/// A door that was closed a moment ago may still be held.
async fn bind(door: SocketAddrV4) -> std::io::Result<TcpListener> {
    let mut last = None;
    for _ in 0..10 {
        match TcpListener::bind(SocketAddr::V4(door)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
}

async fn serve(listener: TcpListener, mut target: watch::Receiver<SocketAddrV4>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(carry(stream, target.clone()));
                } else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            changed = target.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// One connection, until either end closes it or the floating IP goes elsewhere: established
/// connections do not follow it, as with a real one.
async fn carry(mut from: TcpStream, mut target: watch::Receiver<SocketAddrV4>) {
    let to = *target.borrow_and_update();
    let Ok(Ok(mut to)) = timeout(CONNECT, TcpStream::connect(SocketAddr::V4(to))).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut from, &mut to) => {}
        _ = target.changed() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn server(word: &'static str) -> SocketAddrV4 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            unreachable!()
        };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(word.as_bytes()).await.unwrap();
                // Stays open until the other side goes.
                tokio::spawn(async move { stream.read_u8().await });
            }
        });
        address
    }

    async fn word(door: SocketAddrV4) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(SocketAddr::V4(door)).await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        (stream, String::from_utf8(word.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_door_moves_and_cuts_what_was_established() {
        let (blue, green) = (server("blue").await, server("gree").await);
        let free = TcpListener::bind("127.201.3.4:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let door = SocketAddrV4::new(Ipv4Addr::new(127, 201, 3, 4), port);
        let mut forwards = Forwards::default();
        forwards.become_these([(door, blue)].into()).await;
        let (mut held, first) = word(door).await;
        assert_eq!(first, "blue");
        forwards.become_these([(door, green)].into()).await;
        assert_eq!(word(door).await.1, "gree");
        let end = held.read_u8().await;
        assert!(end.is_err(), "the old connection is cut");
        forwards.become_these(BTreeMap::new()).await;
        let closed = async {
            while TcpStream::connect(SocketAddr::V4(door)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), closed).await.unwrap();
    }
}
