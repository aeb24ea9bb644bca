//! The remaster order: the document that the agent and the bridge must agree on.
//!
//! It names the new master, *the fingerprint of its key*, and how patient to be. It travels as the
//! keyword arguments of a `remaster.to` job or on the command line; [`Order::from_map`] reads both and
//! [`Order::to_map`] writes them. Where no master can carry it, it travels [`signed`]. A master that gives its
//! minions to another one, or changes its own key, says so in a [`handover`] certificate; a minion that changes
//! its own, in a [`rotation`].
//!
//! What the agent answers to `remaster.*` is described in `agent/src/remaster/control.rs`.

pub mod handover;
pub mod rotation;
mod sealed;
pub mod signed;
pub mod target;

use serde::{Deserialize, Serialize};

use crate::crypto::{Fingerprint, PublicKey};
use crate::value::{Map, Value};

/// Salt's publish port.
pub const PUBLISH_PORT: u16 = 4505;
/// Salt's request port, which minions know as `master_port`.
pub const MASTER_PORT: u16 = 4506;

const DEFAULT_WAIT: u64 = 600;
const DEFAULT_CONFIRM: u64 = 300;
const DEFAULT_VALID: u64 = 3600;
/// No wait is longer than a week: a typing mistake must not hold an order open for ever.
const LONGEST: u64 = 7 * 24 * 3600;

/// An order to move to another master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Names this order in events, logs and the journal.
    pub id: String,
    /// Host name or address of the new master.
    pub master: String,
    /// Its publish port.
    pub publish_port: u16,
    /// Its request port.
    pub master_port: u16,
    /// SHA-256 fingerprint of its public key, as `salt-key -F` and `master_finger` have it.
    pub finger: String,
    /// Seconds to wait until the new master has accepted our key.
    pub wait: u64,
    /// Seconds within which the move must be confirmed, or it is undone; 0 needs no confirmation.
    pub confirm: u64,
    /// Whether to run a highstate after the move.
    pub highstate: bool,
    /// Unix time after which it must not be begun any more.
    pub expires: u64,
    /// The move confirms itself after this many round trips with the new master; 0: somebody must.
    #[serde(default)]
    pub rounds: u64,
    /// The move is given up if a highstate with `test=True` on the new master's tree would change more
    /// states than this; nothing: no such look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<u64>,
    /// The new master's public key (PEM), so that it can prove its key before it has seen ours. It must have
    /// the fingerprint of `finger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The same master with another key: nothing moves, the key is taken when the master shows it.
    #[serde(default)]
    pub rekey: bool,
    /// The further masters of a list whose first is `master`; all of them have to prove themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Other>,
    /// The list is one at a time (`master_type: failover`), not all at once.
    #[serde(default)]
    pub failover: bool,
}

/// A further master of a list. Its publish port is the first one's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// Host name or address.
    pub master: String,
    /// Its request port.
    pub master_port: u16,
    /// SHA-256 fingerprint of its public key.
    pub finger: String,
}

/// What is wrong with an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("remaster order: {field}: {problem}")]
pub struct OrderError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl OrderError {
    /// The reason code: the same word in log, status and events.
    pub fn code(&self) -> &'static str {
        match self.field {
            "text" => "order-unreadable",
            "signature" => "order-not-signed",
            "targets" => "order-not-for-us",
            "not_before" => "order-too-early",
            "expires" => "order-expired",
            "sequence" => "order-replayed",
            _ => "bad-order",
        }
    }
}

impl Order {
    /// Reads an order from its fields; `now` is Unix time and `id` is used if the fields name none.
    pub fn from_map(fields: &Map, now: u64, id: &str) -> Result<Self, OrderError> {
        for key in fields.keys() {
            let name = key.as_str().unwrap_or_default();
            if !FIELDS.contains(&name) && !name.starts_with("__") {
                return Err(OrderError {
                    field: "fields",
                    problem: format!(
                        "\"{}\" is unknown; known are {}",
                        name.escape_debug(),
                        FIELDS.join(", ")
                    ),
                });
            }
        }
        let id = text(fields, "id")?.unwrap_or_else(|| id.to_owned());
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return Err(OrderError {
                field: "id",
                problem: "must be 1 to 64 letters, digits, '-', '_' or '.'".into(),
            });
        }
        let finger = finger(&required(fields, "finger")?)?;
        let others = others(fields)?;
        let rekey = flag(fields, "rekey")?;
        if rekey && !others.is_empty() {
            return Err(OrderError {
                field: "others",
                problem: "a new key is of one master: give each an order of its own".into(),
            });
        }
        Ok(Self {
            id,
            master: host(required(fields, "master")?)?,
            publish_port: port(fields, "publish_port", PUBLISH_PORT)?,
            master_port: port(fields, "master_port", MASTER_PORT)?,
            key: key(fields, &finger)?,
            finger,
            wait: seconds(fields, "wait", DEFAULT_WAIT)?,
            confirm: seconds(fields, "confirm", DEFAULT_CONFIRM)?,
            highstate: flag(fields, "highstate")?,
            expires: number(fields, "expires")?.unwrap_or(now.saturating_add(DEFAULT_VALID)),
            rounds: number(fields, "rounds")?.unwrap_or(0),
            changes: number(fields, "changes")?,
            rekey,
            others,
            failover: flag(fields, "failover")?,
        })
    }

    /// All its masters, the first one first: host, request port and fingerprint.
    pub fn masters(&self) -> impl Iterator<Item = (&str, u16, &str)> {
        let first = (self.master.as_str(), self.master_port, self.finger.as_str());
        let others = self.others.iter();
        let others = others.map(|o| (o.master.as_str(), o.master_port, o.finger.as_str()));
        std::iter::once(first).chain(others)
    }

    /// Its fields, as [`Order::from_map`] reads them; those that say nothing are left out.
    pub fn to_map(&self) -> Map {
        let mut fields = crate::map! {
            "id" => self.id.as_str(),
            "master" => self.master.as_str(),
            "publish_port" => u64::from(self.publish_port),
            "master_port" => u64::from(self.master_port),
            "finger" => self.finger.as_str(),
            "wait" => self.wait,
            "confirm" => self.confirm,
            "highstate" => self.highstate,
            "expires" => self.expires,
        };
        if self.rounds > 0 {
            fields.insert("rounds".into(), self.rounds.into());
        }
        if let Some(changes) = self.changes {
            fields.insert("changes".into(), changes.into());
        }
        if let Some(key) = &self.key {
            fields.insert("key".into(), key.as_str().into());
        }
        if self.rekey {
            fields.insert("rekey".into(), true.into());
        }
        if !self.others.is_empty() {
            let other = |o: &Other| {
                Value::Map(crate::map! {
                    "master" => o.master.as_str(),
                    "master_port" => u64::from(o.master_port),
                    "finger" => o.finger.as_str(),
                })
            };
            let others: Vec<Value> = self.others.iter().map(other).collect();
            fields.insert("others".into(), Value::List(others));
        }
        if self.failover {
            fields.insert("failover".into(), true.into());
        }
        fields
    }
}

const FIELDS: &[&str] = &[
    "id",
    "master",
    "publish_port",
    "master_port",
    "finger",
    "wait",
    "confirm",
    "highstate",
    "expires",
    "rounds",
    "changes",
    "key",
    "rekey",
    "others",
    "failover",
];

/// More masters than any list has.
const MOST_OTHERS: usize = 16;

fn host(master: String) -> Result<String, OrderError> {
    if master.len() > 253 || !master.bytes().all(|b| plain(b) || b == b':') {
        return Err(OrderError {
            field: "master",
            problem: format!("\"{}\" is no host name or address", master.escape_debug()),
        });
    }
    Ok(master)
}

fn key(fields: &Map, finger: &str) -> Result<Option<String>, OrderError> {
    let Some(pem) = text(fields, "key")?.filter(|pem| !pem.is_empty()) else {
        return Ok(None);
    };
    let wrong = |problem: String| OrderError {
        field: "key",
        problem,
    };
    let key = PublicKey::from_pem(&pem).map_err(|e| wrong(e.to_string()))?;
    let finger: Fingerprint = finger.parse().map_err(|_| wrong("no fingerprint".into()))?;
    if key.matches(&finger) {
        Ok(Some(pem))
    } else {
        Err(wrong(format!("its fingerprint is not {finger}")))
    }
}

fn others(fields: &Map) -> Result<Vec<Other>, OrderError> {
    let wrong = |problem: &str| OrderError {
        field: "others",
        problem: problem.into(),
    };
    let list = match fields.get("others") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::List(list)) if list.len() <= MOST_OTHERS => list,
        _ => return Err(wrong("must be a list of up to 16 masters")),
    };
    list.iter()
        .map(|other| {
            let other = other
                .as_map()
                .ok_or_else(|| wrong("each must have `master` and `finger`"))?;
            Ok(Other {
                master: host(required(other, "master")?)?,
                master_port: port(other, "master_port", MASTER_PORT)?,
                finger: finger(&required(other, "finger")?)?,
            })
        })
        .collect()
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

fn text(fields: &Map, field: &'static str) -> Result<Option<String>, OrderError> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Str(text)) => Ok(Some(text.trim().to_owned())),
        // YAML on a command line makes a number of an id of digits.
        Some(Value::Int(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(OrderError {
            field,
            problem: "must be text".into(),
        }),
    }
}

fn required(fields: &Map, field: &'static str) -> Result<String, OrderError> {
    text(fields, field)?
        .filter(|t| !t.is_empty())
        .ok_or_else(|| OrderError {
            field,
            problem: "is missing".into(),
        })
}

fn number(fields: &Map, field: &'static str) -> Result<Option<u64>, OrderError> {
    let bad = || OrderError {
        field,
        problem: "must be a whole number of seconds or a port".into(),
    };
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Int(number)) => u64::try_from(*number).map(Some).map_err(|_| bad()),
        Some(Value::Str(text)) => text.trim().parse().map(Some).map_err(|_| bad()),
        Some(_) => Err(bad()),
    }
}

fn seconds(fields: &Map, field: &'static str, default: u64) -> Result<u64, OrderError> {
    let seconds = number(fields, field)?.unwrap_or(default);
    if seconds > LONGEST {
        return Err(OrderError {
            field,
            problem: format!("{seconds} seconds are more than a week"),
        });
    }
    Ok(seconds)
}

fn port(fields: &Map, field: &'static str, default: u16) -> Result<u16, OrderError> {
    match number(fields, field)? {
        None => Ok(default),
        Some(number) => u16::try_from(number)
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| OrderError {
                field,
                problem: format!("{number} is no port"),
            }),
    }
}

fn flag(fields: &Map, field: &'static str) -> Result<bool, OrderError> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(OrderError {
            field,
            problem: "must be true or false".into(),
        }),
    }
}

/// A SHA-256 fingerprint in Salt's spelling: lower-case hex pairs joined with colons.
fn finger(text: &str) -> Result<String, OrderError> {
    let hex: String = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(OrderError {
            field: "finger",
            problem: format!(
                "\"{}\" is no SHA-256 fingerprint (32 hex pairs joined with colons)",
                text.chars().take(120).collect::<String>().escape_debug()
            ),
        });
    }
    let mut spelled = String::with_capacity(95);
    for (at, digit) in hex.chars().enumerate() {
        if at > 0 && at % 2 == 0 {
            spelled.push(':');
        }
        spelled.push(digit);
    }
    Ok(spelled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    const FINGER: &str = "ab:a8:5f:e1:54:bd:a5:24:5c:3a:86:e5:ba:8a:46:03:9b:25:b8:9c:29:fd:51:fc:3a:0c:67:b0:41:4a:7b:b1";

    #[test]
    fn the_shortest_order_gets_its_defaults_and_comes_back() {
        let fields = map! {"master" => "new.example", "finger" => FINGER.to_uppercase()};
        let order = Order::from_map(&fields, 1000, "o1").unwrap();
        assert_eq!(order.id, "o1");
        assert_eq!(order.finger, FINGER);
        assert_eq!((order.publish_port, order.master_port), (4505, 4506));
        assert_eq!((order.wait, order.confirm, order.expires), (600, 300, 4600));
        assert_eq!(Order::from_map(&order.to_map(), 0, ""), Ok(order));
    }

    #[test]
    fn every_field_comes_back() {
        let key = crate::crypto::PrivateKey::generate(1024, &mut crate::crypto::OsRandom).unwrap();
        let key = key.public();
        let other = map! {"master" => "b", "master_port" => 4606, "finger" => FINGER};
        let fields = map! {
            "master" => "a",
            "finger" => key.fingerprint(crate::crypto::HashType::Sha256).to_string(),
            "key" => key.file_pem(),
            "rounds" => 3,
            "changes" => 0,
            "others" => Value::List(vec![Value::Map(other)]),
            "failover" => true,
        };
        let order = Order::from_map(&fields, 0, "o1").unwrap();
        assert_eq!(order.masters().count(), 2);
        assert_eq!(order.others[0].master_port, 4606);
        assert_eq!(Order::from_map(&order.to_map(), 0, ""), Ok(order.clone()));
        // Another key than the fingerprint's.
        let mut fields = order.to_map();
        fields.insert("finger".into(), FINGER.into());
        assert_eq!(Order::from_map(&fields, 0, "").unwrap_err().field, "key");
    }

    #[test]
    fn mistakes_name_their_field() {
        let fault = |extra: Map| {
            let mut fields = map! {"master" => "new", "finger" => FINGER};
            fields.extend(extra);
            Order::from_map(&fields, 0, "o").unwrap_err().field
        };
        assert_eq!(fault(map! {"master" => ""}), "master");
        assert_eq!(fault(map! {"master" => "a b"}), "master");
        assert_eq!(fault(map! {"finger" => "aa:bb"}), "finger");
        assert_eq!(fault(map! {"finger" => Value::Null}), "finger");
        assert_eq!(fault(map! {"master_port" => 0}), "master_port");
        assert_eq!(fault(map! {"publish_port" => 65536}), "publish_port");
        assert_eq!(fault(map! {"wait" => -1}), "wait");
        assert_eq!(fault(map! {"confirm" => 9_999_999}), "confirm");
        assert_eq!(fault(map! {"highstate" => "yes"}), "highstate");
        assert_eq!(fault(map! {"id" => "a/b"}), "id");
        assert_eq!(fault(map! {"port" => 1}), "fields");
        assert_eq!(fault(map! {"rounds" => -1}), "rounds");
        assert_eq!(fault(map! {"changes" => "many"}), "changes");
        assert_eq!(fault(map! {"key" => "no key"}), "key");
        assert_eq!(fault(map! {"others" => "b"}), "others");
        let nameless = vec![Value::Map(map! {"finger" => FINGER})];
        assert_eq!(fault(map! {"others" => Value::List(nameless)}), "master");
    }
}
