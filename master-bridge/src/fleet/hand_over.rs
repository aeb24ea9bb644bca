//! A wave's keys, put on the new master beside the old one.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::plan::Member;
use crate::salt::Master;
use crate::salt::keys::{self, Key, KeyState};

/// Puts keys on a master and looks whether it shows them; who it does not show, and why.
pub async fn hand_over(
    new: &mut dyn Master,
    work: &[&Member],
    held: &BTreeMap<String, Key>,
) -> Result<BTreeMap<String, String>> {
    let mut bad = BTreeMap::new();
    let before = keys::all(new).await?;
    let mut accept: Vec<&Key> = Vec::new();
    for member in work {
        let Some(key) = held.get(&member.id) else {
            bad.insert(
                member.id.clone(),
                "the old master has no key of it any more".to_owned(),
            );
            continue;
        };
        if key.shown() != member.fingerprint {
            let why = format!(
                "the old master's key is {} by now, not {}",
                key.shown(),
                member.fingerprint
            );
            bad.insert(member.id.clone(), why);
            continue;
        }
        let there: Vec<&Key> = before.iter().filter(|k| k.id == member.id).collect();
        match there.as_slice() {
            [] => {
                if let Err(error) = new.install_key(key).await {
                    bad.insert(member.id.clone(), error.to_string());
                }
            }
            [one] if one.shown() == member.fingerprint => {
                if one.state == KeyState::Pending {
                    accept.push(one);
                }
            }
            _ => {
                let why = "the new master holds another key under this id by now";
                bad.insert(member.id.clone(), why.to_owned());
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
    for member in work
        .iter()
        .filter(|m| !bad.contains_key(&m.id))
        .collect::<Vec<_>>()
    {
        let same = there.iter().any(|k| {
            k.id == member.id && k.state == KeyState::Accepted && k.shown() == member.fingerprint
        });
        if !same {
            let why = "the new master does not show its key as accepted";
            bad.insert(member.id.clone(), why.to_owned());
        }
    }
    Ok(bad)
}
