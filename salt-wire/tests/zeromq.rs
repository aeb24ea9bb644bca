//! Our ZMTP against the `zeromq` crate's: what either says, the other understands.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use salt_wire::transport::{BoxFuture, Dial, Link, Port, Stream};
use salt_wire::zmtp::{Limits, Role};
use tokio::net::TcpStream;
use zeromq::{Endpoint, PubSocket, RepSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

const SOON: Duration = Duration::from_secs(10);

struct Tcp;

impl Dial for Tcp {
    fn dial(&self, to: SocketAddr, _: Port) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(to).await?) as Box<dyn Stream>) })
    }
}

async fn bound(socket: &mut impl Socket) -> SocketAddr {
    match socket.bind("tcp://127.0.0.1:0").await.unwrap() {
        Endpoint::Tcp(host, port) => format!("{host}:{port}").parse().unwrap(),
        other => unreachable!("{other}"),
    }
}

async fn link(peer: SocketAddr, role: Role) -> Link {
    Link::connect(&Tcp, peer, role, Limits::default(), None, SOON)
        .await
        .unwrap()
}

#[tokio::test]
async fn requests_are_answered() {
    let mut rep = RepSocket::new();
    let peer = bound(&mut rep).await;
    let serve = tokio::spawn(async move {
        for _ in 0..2 {
            let mut body = rep.recv().await.unwrap().into_vec().pop().unwrap().to_vec();
            body.reverse();
            rep.send(ZmqMessage::from(body)).await.unwrap();
        }
        rep
    });
    let mut link = link(peer, Role::Req).await;
    assert_eq!(link.request(b"short", SOON).await.unwrap(), b"trohs");
    let long: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    let mut back = link.request(&long, SOON).await.unwrap();
    back.reverse();
    assert!(back == long);
    drop(serve.await.unwrap());
}

#[tokio::test]
async fn publications_arrive_by_topic() {
    let mut publisher = PubSocket::new();
    let peer = bound(&mut publisher).await;
    let prefixes = vec![b"topic".to_vec()];
    let mut link = link(peer, Role::Sub { prefixes }).await;
    let publish = tokio::spawn(async move {
        // A subscription is on its way for a moment.
        for n in 0_u32.. {
            let topic = if n % 2 == 0 { "other" } else { "topic" };
            let mut message = ZmqMessage::from(topic);
            message.push_back(n.to_string().into());
            publisher.send(message).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let parts = link.message().await.unwrap();
        assert_eq!(parts[0], b"topic");
        let number = String::from_utf8(parts[1].clone()).unwrap();
        numbers.push(number.parse::<u32>().unwrap());
    }
    assert!(numbers.windows(2).all(|n| n[1] == n[0] + 2), "{numbers:?}");
    publish.abort();
}
