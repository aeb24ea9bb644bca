//! Keys that minions have elsewhere, put on a master: those of a wave on the new one, those of who comes home on the
//! old one.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::salt::Master;
use crate::salt::keys::{self, Key, KeyState};

/// Puts keys on a master, given as id and fingerprint, and looks whether it shows them; who it does not show, and why.
pub async fn hand_over(
    new: &mut dyn Master,
    work: &[(&str, &str)],
    held: &BTreeMap<String, Key>,
) -> Result<BTreeMap<String, String>> {
    let mut bad = BTreeMap::new();
    let before = keys::all(new).await?;
    let mut accept: Vec<&Key> = Vec::new();
    for (id, fingerprint) in work.iter().copied() {
        let Some(key) = held.get(id) else {
            let why = "the other master has no key of it any more";
            bad.insert(id.to_owned(), why.to_owned());
            continue;
        };
        if key.shown() != fingerprint {
            let why = format!(
                "the other master's key is {} by now, not {fingerprint}",
                key.shown()
            );
            bad.insert(id.to_owned(), why);
            continue;
        }
        let there: Vec<&Key> = before.iter().filter(|k| k.id == id).collect();
        match there.as_slice() {
            [] => {
                if let Err(error) = new.install_key(key).await {
                    bad.insert(id.to_owned(), error.to_string());
                }
            }
            [one] if one.shown() == fingerprint => {
                if one.state == KeyState::Pending {
                    accept.push(one);
                }
            }
            _ => {
                let why = "the master holds another key under this id by now";
                bad.insert(id.to_owned(), why.to_owned());
            }
        }
    }
    if !accept.is_empty()
        && let Err(error) = keys::act(new, keys::Action::Accept, &accept).await
    {
        // Whom it concerns, the look below says.
        tracing::info!(%error, "Not every key was accepted.");
    }
    let there = keys::all(new).await?;
    for (id, fingerprint) in work.iter().copied() {
        let same = there
            .iter()
            .any(|k| k.id == id && k.state == KeyState::Accepted && k.shown() == fingerprint);
        if !same && !bad.contains_key(id) {
            let why = "the master does not show its key as accepted";
            bad.insert(id.to_owned(), why.to_owned());
        }
    }
    Ok(bad)
}
