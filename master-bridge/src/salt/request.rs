//! One clear request: a REQ socket of its own, so that a late answer can never meet the next question.

use std::time::Duration;

use salt_wire::{Map, Value, map};
use tokio::time::timeout;
use zeromq::{ReqSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use crate::error::{Error, Kind, Result};

const CONNECT: Duration = Duration::from_secs(5);

/// Sends one load in the clear and gives the answer, as the master sent it.
pub(super) async fn request(address: &str, load: Map, within: Duration) -> Result<Value> {
    let unreachable = |what: &str| {
        Error::new(Kind::Unreachable, format!("the master at {address} {what}")).hint(
            "see that salt-master runs here, and that interface and ret_port are as configured",
        )
    };
    let message = map! {"enc" => "clear", "load" => load, "version" => 3};
    let mut socket = ReqSocket::new();
    timeout(CONNECT, socket.connect(&format!("tcp://{address}")))
        .await
        .map_err(|_| unreachable("cannot be connected in time"))?
        .map_err(|e| unreachable("cannot be connected").because(&e))?;
    let exchange = async {
        socket
            .send(ZmqMessage::from(Value::Map(message).to_msgpack()))
            .await?;
        socket.recv().await
    };
    let answer = timeout(within, exchange)
        .await
        .map_err(|_| unreachable(&format!("did not answer within {} s", within.as_secs())))?
        .map_err(|e| unreachable("did not answer").because(&e))?;
    let bytes = answer.into_vec().pop().unwrap_or_default();
    Value::from_msgpack(&bytes)
        .map_err(|e| unreachable("answered with something else than Salt's").because(&e))
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
    use super::*;

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
