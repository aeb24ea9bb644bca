//! The remaster order: the document that the agent and the bridge must agree on.
//!
//! It names the new master, *the fingerprint of its key*, and how patient to be. It travels as the
//! keyword arguments of a `remaster.to` job or on the command line; [`Order::from_map`] reads both and
//! [`Order::to_map`] writes them. Where no master can carry it, it travels [`signed`].

pub mod signed;

use serde::{Deserialize, Serialize};

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
        let master = required(fields, "master")?;
        if master.len() > 253 || !master.bytes().all(|b| plain(b) || b == b':') {
            return Err(OrderError {
                field: "master",
                problem: format!("\"{}\" is no host name or address", master.escape_debug()),
            });
        }
        Ok(Self {
            id,
            master,
            publish_port: port(fields, "publish_port", PUBLISH_PORT)?,
            master_port: port(fields, "master_port", MASTER_PORT)?,
            finger: finger(&required(fields, "finger")?)?,
            wait: seconds(fields, "wait", DEFAULT_WAIT)?,
            confirm: seconds(fields, "confirm", DEFAULT_CONFIRM)?,
            highstate: flag(fields, "highstate")?,
            expires: number(fields, "expires")?.unwrap_or(now.saturating_add(DEFAULT_VALID)),
        })
    }

    /// Its fields, as [`Order::from_map`] reads them.
    pub fn to_map(&self) -> Map {
        crate::map! {
            "id" => self.id.as_str(),
            "master" => self.master.as_str(),
            "publish_port" => u64::from(self.publish_port),
            "master_port" => u64::from(self.master_port),
            "finger" => self.finger.as_str(),
            "wait" => self.wait,
            "confirm" => self.confirm,
            "highstate" => self.highstate,
            "expires" => self.expires,
        }
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
];

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
    }
}
