//! Which signed orders were taken: `remaster/sequence.json` in the key directory, written before an order is
//! begun, so that none is begun twice, whatever ends the agent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use salt_wire::order::Order;
use salt_wire::order::signed::SignedOrder;
use serde::{Deserialize, Serialize};

use crate::host::fs::write_atomic;

/// The record on disk.
#[derive(Debug, Clone)]
pub struct Ledger {
    file: PathBuf,
}

/// The latest order that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Latest {
    sequence: u64,
    id: String,
    /// It has come to an end that another try would not change.
    done: bool,
}

impl Ledger {
    /// The ledger in this key directory.
    pub fn of(pki_dir: &Path) -> Self {
        Self {
            file: pki_dir.join("remaster/sequence.json"),
        }
    }

    /// The sequence that an order must be above. The latest one itself may be taken up again as long as it has
    /// only failed: a new master that was away when the order came is there an hour later.
    pub fn floor(&self, order: &SignedOrder) -> u64 {
        let latest = self.latest();
        let again =
            !latest.done && latest.sequence == order.sequence && latest.id == order.order.id;
        if again {
            latest.sequence.saturating_sub(1)
        } else {
            latest.sequence
        }
    }

    /// The order is about to be begun.
    pub fn take(&self, order: &Order, sequence: u64) -> io::Result<()> {
        self.write(&Latest {
            sequence,
            id: order.id.clone(),
            done: false,
        })
    }

    /// The latest order has come to its end.
    pub fn done(&self) -> io::Result<()> {
        let latest = self.latest();
        if latest.done || latest.sequence == 0 {
            return Ok(());
        }
        self.write(&Latest {
            done: true,
            ..latest
        })
    }

    /// The id of the latest order, if it has not come to its end.
    pub fn open_order(&self) -> Option<String> {
        let latest = self.latest();
        (!latest.done && latest.sequence > 0).then_some(latest.id)
    }

    /// A ledger that cannot be read takes no order at all: better none than one twice.
    fn latest(&self) -> Latest {
        let unusable = |error: String| {
            tracing::error!(file = %self.file.display(), error, "The record of signed orders cannot be read: no signed order is taken. Mend it, or remove it.");
            Latest {
                sequence: u64::MAX,
                id: String::new(),
                done: true,
            }
        };
        match fs::read(&self.file) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|e| unusable(e.to_string())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Latest::default(),
            Err(e) => unusable(e.to_string()),
        }
    }

    fn write(&self, latest: &Latest) -> io::Result<()> {
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir)?;
        }
        let text = serde_json::to_vec_pretty(latest)?;
        write_atomic(&self.file, &text, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    fn order(id: &str, sequence: u64) -> SignedOrder {
        let fields = map! {"id" => id, "master" => "new", "finger" => "ab".repeat(32)};
        SignedOrder {
            order: Order::from_map(&fields, 0, "").unwrap(),
            targets: Vec::new(),
            not_before: 0,
            sequence,
        }
    }

    #[test]
    fn an_order_is_taken_once_unless_it_only_failed() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(dir.path());
        let first = order("a", 7);
        assert_eq!(ledger.floor(&first), 0);
        ledger.take(&first.order, 7).unwrap();
        assert_eq!(Ledger::of(dir.path()).floor(&first), 6, "again");
        assert_eq!(
            ledger.floor(&order("b", 7)),
            7,
            "another one with its number"
        );
        assert_eq!(ledger.open_order().as_deref(), Some("a"));
        ledger.done().unwrap();
        assert_eq!(ledger.floor(&first), 7);
        assert_eq!(ledger.open_order(), None);
        fs::write(&ledger.file, "{").unwrap();
        assert_eq!(ledger.floor(&order("c", 100)), u64::MAX);
    }
}
