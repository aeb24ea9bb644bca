//! One clear request: a REQ socket of its own, so that a late answer can never meet the next question.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use salt_wire::transport::{BoxFuture, Dial, Link, Port, Stream};
use salt_wire::zmtp::{Limits, Role};
use salt_wire::{Map, Value, map};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::error::{Error, Kind, Result};

const CONNECT: Duration = Duration::from_secs(5);

/// Sends one load in the clear and gives the answer, as the master sent it.
pub(super) async fn request(address: &str, load: Map, within: Duration) -> Result<Value> {
    let unreachable = |what: &str| {
        Error::new(Kind::Unreachable, format!("the master at {address} {what}")).hint(
            "see that salt-master runs here, and that interface and ret_port are as configured",
        )
    };
    let message = Value::Map(map! {"enc" => "clear", "load" => load, "version" => 3}).to_msgpack();
    let peer = timeout(CONNECT, lookup_host(address))
        .await
        .map_err(|_| unreachable("has a name that does not resolve in time"))?
        .map_err(|e| unreachable("has a name that does not resolve").because(&e))?
        .next()
        .ok_or_else(|| unreachable("has a name without an address"))?;
    let mut link = Link::connect(&Tcp, peer, Role::Req, Limits::default(), None, CONNECT)
        .await
        .map_err(|e| unreachable("cannot be connected").because(&e))?;
    // The link's patience is for silence; ours is for the whole answer.
    let answer = timeout(within, link.request(&message, within))
        .await
        .map_err(|_| unreachable(&format!("did not answer within {} s", within.as_secs())))?
        .map_err(|e| unreachable("did not answer").because(&e))?;
    Value::from_msgpack(&answer)
        .map_err(|e| unreachable("answered with something else than Salt's").because(&e))
}

/// Opens streams to the master on this host.
struct Tcp;

impl Dial for Tcp {
    fn dial(&self, to: SocketAddr, _: Port) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// The failure in an answer, whichever of Salt's shapes it has.
pub(super) fn failure(answer: &Value) -> Option<Error> {
    let (name, message) = match answer {
        Value::Str(text) => ("", text.as_str()),
        _ => {
            let error = answer
                .get("error")
                .or_else(|| answer.get("load")?.get("error"))?;
            match error {
                Value::Str(text) => ("", text.as_str()),
                other => (
                    other.get("name").and_then(Value::as_str).unwrap_or(""),
                    other
                        .get("message")
                        .and_then(Value::as_str)
                        .unwrap_or("no message"),
                ),
            }
        }
    };
    let message = message.trim();
    if name.contains("Authentication") || name.contains("Authorization") {
        let error = Error::new(Kind::Permission, format!("the master refused: {message}"));
        return Some(error.hint("the local key is read from the master's cachedir: run as root or as the master's user, on the master that --salt-config names"));
    }
    if message.contains("could not resolve minions") {
        return Some(Error::new(
            Kind::NothingMatched,
            "no minion matches the target",
        ));
    }
    Some(Error::new(
        Kind::Failed,
        format!("the master refused: {message}"),
    ))
}

#[cfg(test)]
mod tests {
    use salt_wire::transport::memory;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// A stock master pings its peers every ten seconds, also one that waits for an answer.
    #[tokio::test]
    async fn a_master_that_pings_while_it_works_is_waited_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let master = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&memory::hello("ROUTER")).await.unwrap();
            memory::next_request(&mut stream).await.unwrap();
            stream.write_all(b"\x04\x07\x04PING\0\0").await.unwrap();
            stream
                .write_all(&memory::reply(&Value::from("done").to_msgpack()))
                .await
                .unwrap();
            stream
        });
        let load = map! {"cmd" => "ping"};
        let answer = request(&address, load, Duration::from_secs(10))
            .await
            .unwrap();
        assert_eq!(answer, Value::from("done"));
        drop(master.await.unwrap());
    }

    #[test]
    fn all_shapes_of_failure_are_seen() {
        let kind = |value: Value| failure(&value).map(|e| e.kind);
        let map = |m: Map| Value::Map(m);
        assert_eq!(kind("bad load".into()), Some(Kind::Failed));
        assert_eq!(kind(map(map! {"error" => "no jid"})), Some(Kind::Failed));
        let named = map! {"name" => "AuthenticationError", "message" => "x"};
        assert_eq!(kind(map(map! {"error" => named})), Some(Kind::Permission));
        let load = map! {"error" => "Master could not resolve minions for target x"};
        assert_eq!(kind(map(map! {"load" => load})), Some(Kind::NothingMatched));
        assert_eq!(kind(map(map! {"load" => map! {"jid" => "1"}})), None);
    }
}
