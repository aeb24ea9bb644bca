//! Whose agent this is while a move is under way, whatever somebody writes into the configuration meanwhile: a
//! reactor, a state or a hand that changes `master` is heard when the move is over.

use std::fmt;

use salt_wire::order::Order;

use super::files;
use crate::config::{MasterAddress, MasterType, Settings};
use crate::remaster::{Previous, State};

/// The masters that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::supervisor) struct Expected {
    addresses: Vec<MasterAddress>,
    /// With the order's, what it says besides.
    ordered: Option<(u16, bool)>,
}

impl Expected {
    /// Those of a state; nothing when no move is under way.
    pub(in crate::supervisor) fn of(state: &State) -> Option<Self> {
        match state {
            State::Steady { .. } => None,
            // Its own effects decide, and look themselves.
            State::Committing { .. } => None,
            State::Probation { journey, .. } => Some(Self::new_masters(&journey.order)),
            State::Staged { journey }
            | State::Trial { journey, .. }
            | State::Waiting { journey, .. }
            | State::Verifying { journey, .. }
            | State::Returning { journey, .. }
            | State::RollingBack { journey, .. } => Some(Self::old_masters(&journey.previous)),
        }
    }

    /// Those of the order.
    pub(super) fn new_masters(order: &Order) -> Self {
        let list = files::addresses(order).unwrap_or_default();
        Self {
            addresses: list.into_iter().map(|(address, _)| address).collect(),
            ordered: Some((order.publish_port, order.failover)),
        }
    }

    /// Those of before.
    pub(super) fn old_masters(previous: &Previous) -> Self {
        let names = previous.master.split(", ").filter(|n| !n.is_empty());
        let addresses =
            names.filter_map(|name| MasterAddress::parse(name, salt_wire::order::MASTER_PORT).ok());
        Self {
            addresses: addresses.collect(),
            ordered: None,
        }
    }

    /// What the settings name instead, if they name others.
    pub(super) fn differs(&self, settings: &Settings) -> Option<String> {
        let found = names(&settings.master.addresses);
        (found != names(&self.addresses)).then(|| found.join(", "))
    }

    /// Has the settings name these.
    pub(super) fn force(&self, settings: &mut Settings) {
        let master = &mut settings.master;
        master.addresses.clone_from(&self.addresses);
        // The stored keys are theirs; a fingerprint that somebody wrote beside another name is not.
        master.finger = None;
        if let Some((publish_port, failover)) = self.ordered {
            master.publish_port = Some(publish_port);
            master.kind = if failover {
                MasterType::Failover
            } else {
                MasterType::Hot
            };
        }
        let list: Vec<_> = self.addresses.iter().map(|a| a.host.as_str()).collect();
        settings.opts.insert("master".into(), list.into());
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names(&self.addresses).join(", "))
    }
}

fn names(addresses: &[MasterAddress]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// Keeps the expected masters in settings that were just read; what to warn of, if they name others.
pub(in crate::supervisor) fn hold(
    expected: Option<&Expected>,
    settings: &mut Settings,
) -> Option<String> {
    let expected = expected?;
    let found = expected.differs(settings)?;
    expected.force(settings);
    Some(format!(
        "config-changed: the configuration names {found}, and a remaster is under way: {expected} stays until \
         it is over"
    ))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn another_name_in_the_configuration_is_not_obeyed_meanwhile() {
        let previous = Previous {
            master: "old:4506, older:4606".into(),
            ..Previous::default()
        };
        let expected = Expected::old_masters(&previous);
        let opts = map! {"master" => vec!["old", "older:4606"], "pki_dir" => "/tmp"};
        let mut same = Settings::from_overrides("/etc/salt".as_ref(), "m1", opts).unwrap();
        assert_eq!(hold(Some(&expected), &mut same), None);
        assert_eq!(hold(None, &mut same), None);
        let opts = map! {"master" => "third", "master_finger" => "ab".repeat(32)};
        let mut other = Settings::from_overrides("/etc/salt".as_ref(), "m1", opts).unwrap();
        let words = hold(Some(&expected), &mut other).unwrap();
        assert!(
            words.contains("third:4506") && words.contains("old:4506"),
            "{words}"
        );
        assert_eq!(expected.differs(&other), None);
        assert!(other.master.finger.is_none());
    }
}
