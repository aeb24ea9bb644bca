//! A new minion's key: accepted because the console proved it, and taken back.

use std::time::{Duration, Instant};

use salt_wire::crypto::{Fingerprint, HashType, PublicKey};
use serde_json::{Value, json};

use super::super::World;
use crate::error::{Error, Kind, Result};
use crate::plan::cloud::What;
use crate::progress::short;
use crate::salt::keys::{Action, Key, KeyState, act, all};

const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn of(world: &mut World<'_>, minion: &str) -> Result<Vec<Key>> {
    let mut keys = all(world.salt()?).await?;
    keys.retain(|k| k.id == minion);
    Ok(keys)
}

fn proven(world: &World<'_>, announced: &str) -> Result<Fingerprint> {
    let text = world.made(announced, "fingerprint")?;
    text.parse().map_err(|e| {
        Error::new(
            Kind::Local,
            format!("{text} in the journal is no fingerprint"),
        )
        .because(&e)
    })
}

fn holds(keys: &[Key], finger: &Fingerprint, state: KeyState) -> bool {
    keys.iter()
        .any(|k| k.state == state && k.fingerprint().as_ref() == Some(finger))
}

pub(super) async fn find(
    world: &mut World<'_>,
    minion: &str,
    announced: &str,
) -> Result<Option<Value>> {
    let Ok(finger) = proven(world, announced) else {
        // The console was never read, so nothing was accepted.
        return Ok(None);
    };
    let keys = of(world, minion).await?;
    if !holds(&keys, &finger, KeyState::Accepted) {
        return Ok(None);
    }
    tidy(world, &keys, &finger).await?;
    Ok(Some(json!({"fingerprint": finger.to_string()})))
}

/// A key that came while another was accepted lies among the denied ones too: nobody needs it there.
async fn tidy(world: &mut World<'_>, keys: &[Key], finger: &Fingerprint) -> Result<()> {
    let twice: Vec<&Key> = keys
        .iter()
        .filter(|k| k.state != KeyState::Accepted && k.fingerprint().as_ref() == Some(finger))
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    act(world.salt()?, Action::Delete, &twice).await
}

/// Waits for the key that was proven, and accepts it. An accepted key of another fingerprint is set aside only if
/// the plan names it: then it is deleted, so that the master changes its session key, and the proven one put there.
pub(super) async fn accept(
    world: &mut World<'_>,
    minion: &str,
    announced: &str,
    aside: Option<&str>,
    within: Duration,
) -> Result<Value> {
    let finger = proven(world, announced)?;
    let aside = aside.map(public).transpose()?;
    let aside = aside.map(|key| key.fingerprint(HashType::Sha256));
    let (start, mut seen) = (Instant::now(), Vec::new());
    loop {
        let keys = of(world, minion).await?;
        if holds(&keys, &finger, KeyState::Accepted) {
            tidy(world, &keys, &finger).await?;
            return Ok(json!({"fingerprint": finger.to_string()}));
        }
        let accepted = keys.iter().find(|k| k.state == KeyState::Accepted);
        if let Some(other) = accepted.filter(|k| aside.is_none() || k.fingerprint() != aside) {
            let text = format!(
                "{minion} has an accepted key already, of another fingerprint: {}",
                other.shown()
            );
            return Err(Error::new(Kind::Refused, text).hint(format!(
                "is another machine called {minion}? If it is gone: `master-bridge keys delete {minion}`; to take its place: `master-bridge replace {minion}`"
            )));
        }
        let ours = keys
            .iter()
            .find(|k| k.fingerprint().as_ref() == Some(&finger));
        if let Some(ours) = ours {
            let old: Vec<&Key> = accepted.into_iter().collect();
            let salt = world.salt()?;
            if old.is_empty() {
                act(salt, Action::Accept, &[ours]).await?;
            } else {
                // Deleted, not overwritten: the old machine must not hear the new one's jobs.
                act(salt, Action::Delete, &old).await?;
                salt.install_key(ours).await?;
            }
            continue;
        }
        seen = if keys.is_empty() { seen } else { keys };
        if start.elapsed() >= within {
            return Err(missing(minion, &finger, &seen, within));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn missing(minion: &str, finger: &Fingerprint, seen: &[Key], within: Duration) -> Error {
    let text = format!(
        "the key of {minion} that the console showed ({finger}) has not reached the master within {}",
        short(within)
    );
    let waiting: Vec<&Key> = seen
        .iter()
        .filter(|k| k.state != KeyState::Accepted)
        .collect();
    let mut error = Error::new(Kind::Failed, text).hint(if waiting.is_empty() {
        "does the VM reach the master's ports 4505 and 4506 (security groups, routes, name)?"
    } else {
        "another key came under this id: somebody else claims to be it, and was not let in"
    });
    error.causes = waiting
        .iter()
        .map(|k| format!("{} {} waits with {}", k.id, k.state.name(), k.shown()))
        .collect();
    error
}

pub(super) async fn unaccept(
    world: &mut World<'_>,
    minion: &str,
    aside: Option<&str>,
    made: Option<&Value>,
) -> Result<()> {
    let finger = made.and_then(|m| m.get("fingerprint")?.as_str()?.parse::<Fingerprint>().ok());
    let keys = of(world, minion).await?;
    let ours: Vec<&Key> = keys
        .iter()
        .filter(|k| finger.is_some() && k.fingerprint() == finger)
        .collect();
    if !ours.is_empty() {
        act(world.salt()?, Action::Delete, &ours).await?;
    }
    let Some(pem) = aside else {
        return Ok(());
    };
    let key = public(pem)?;
    if !holds(
        &keys,
        &key.fingerprint(HashType::Sha256),
        KeyState::Accepted,
    ) {
        let back = Key {
            id: minion.to_owned(),
            state: KeyState::Accepted,
            key: Some(key),
        };
        world.salt()?.install_key(&back).await?;
    }
    Ok(())
}

/// Deletes the key that was accepted, whatever state it is in by now.
pub(super) async fn forget(world: &mut World<'_>, minion: &str, accepted: &str) -> Result<Value> {
    let made = world.made.get(accepted).cloned();
    unaccept(world, minion, None, made.as_ref()).await?;
    Ok(Value::Null)
}

/// A server that is gone leaves no key: while another's was accepted in its place its agent came again and again, and
/// was left waiting or denied. `server` is the step that made it; none is the one whose place was taken.
pub(super) async fn sweep(world: &mut World<'_>, server: Option<&str>) -> Result<()> {
    if world.salt.is_none() {
        return Ok(());
    }
    for minion in enrolled_on(world, server) {
        drop_ours(world, &minion, None).await?;
    }
    for (minion, finger) in left_by(world, server) {
        let keys = of(world, &minion).await?;
        tidy(world, &keys, &finger).await?;
    }
    match server {
        Some(server) => keep_old(world, server).await,
        None => Ok(()),
    }
}

/// The minions that a step's server was to become by a token.
fn enrolled_on(world: &World<'_>, server: Option<&str>) -> Vec<String> {
    let steps = world.plan.steps.iter();
    let minions = steps.filter_map(|step| match &step.what {
        What::Enrol {
            server: of, minion, ..
        } if Some(of.as_str()) == server => Some(minion.clone()),
        _ => None,
    });
    minions.collect()
}

/// The old key is back for good: while the new server lived, its agent may have come between deleting and restoring.
async fn keep_old(world: &mut World<'_>, server: &str) -> Result<()> {
    for (minion, pem) in set_aside_for(world, server) {
        let key = public(&pem)?;
        let keys = of(world, &minion).await?;
        if !holds(
            &keys,
            &key.fingerprint(HashType::Sha256),
            KeyState::Accepted,
        ) {
            let back = Key {
                id: minion,
                state: KeyState::Accepted,
                key: Some(key),
            };
            world.salt()?.install_key(&back).await?;
        }
    }
    Ok(())
}

/// The minions of a step's server for which another key was set aside, each with that key.
fn set_aside_for(world: &World<'_>, server: &str) -> Vec<(String, String)> {
    let steps = &world.plan.steps;
    let of = |announced: &str| {
        let step = steps.iter().find(|s| s.key == announced);
        step.is_some_and(|s| matches!(&s.what, What::Announced { server: of, .. } if of == server))
    };
    let aside = steps.iter().filter_map(|step| match &step.what {
        What::Accept {
            minion,
            announced,
            aside: Some(pem),
            ..
        } if of(announced) => Some((minion.clone(), pem.clone())),
        _ => None,
    });
    aside.collect()
}

/// Whose key, and which.
fn left_by(world: &World<'_>, server: Option<&str>) -> Vec<(String, Fingerprint)> {
    let mut all = Vec::new();
    for step in &world.plan.steps {
        let What::Accept {
            minion,
            announced,
            aside,
            ..
        } = &step.what
        else {
            continue;
        };
        let made_by = world.plan.steps.iter().find(|s| s.key == *announced);
        let ours = made_by.is_some_and(
            |s| matches!(&s.what, What::Announced { server: of, .. } if Some(of.as_str()) == server),
        );
        let old = aside.as_deref().and_then(|pem| public(pem).ok());
        let old = old.map(|key| key.fingerprint(HashType::Sha256));
        let fingers = match server {
            // Its undoing has put the old key back, which may lie among the denied ones as well.
            Some(_) if ours => [proven(world, announced).ok(), old],
            Some(_) => continue,
            None => [None, old],
        };
        all.extend(fingers.into_iter().flatten().map(|f| (minion.clone(), f)));
    }
    all
}

/// Deletes a minion's key that was let in by us, and those that nobody has let in. Another one that is accepted by now
/// is somebody else's business.
pub(super) async fn drop_ours(
    world: &mut World<'_>,
    minion: &str,
    ours: Option<&Fingerprint>,
) -> Result<()> {
    let mut keys = of(world, minion).await?;
    keys.retain(|k| {
        k.state != KeyState::Accepted || ours.is_some() && k.fingerprint().as_ref() == ours
    });
    delete(world, &keys).await
}

/// Deletes every key of a minion, in whatever state.
pub(super) async fn drop_all(world: &mut World<'_>, minion: &str) -> Result<()> {
    let keys = of(world, minion).await?;
    delete(world, &keys).await
}

async fn delete(world: &mut World<'_>, keys: &[Key]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<&Key> = keys.iter().collect();
    act(world.salt()?, Action::Delete, &keys).await
}

fn public(pem: &str) -> Result<PublicKey> {
    PublicKey::from_pem(pem).map_err(|e| {
        Error::new(
            Kind::Local,
            "the key set aside in the journal cannot be read",
        )
        .because(&e)
    })
}
