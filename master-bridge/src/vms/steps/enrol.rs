//! A new minion's key by a one-time token: the master accepts whoever shows it, and then it is worth nothing.
//!
//! The token proves that somebody read the server's user-data, and no more: so it lives as shortly as can be, from
//! when the server is there until its key is accepted, and the key is held against the console where there is one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::World;
use super::console::line;
use super::keys::{drop_ours, of};
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::progress::short;
use crate::salt::keys::KeyState;

const PAUSE: Duration = Duration::from_millis(500);
/// A console that cannot be had within this time is none.
const CONSOLE: Duration = Duration::from_secs(30);

/// Whether its key was accepted before we were interrupted: the token is armed only when the id is free, and taken out
/// only when the journal has the key.
pub(super) async fn find(
    world: &mut World<'_>,
    server: &str,
    minion: &str,
) -> Result<Option<Value>> {
    let token = world.plan.token(server);
    if !world.salt()?.autosign()?.is_armed(&token)? {
        return Ok(None);
    }
    accepted(world, minion).await
}

/// Arms the token, and waits until the master has accepted the key. It stays armed until the next step has begun.
pub(super) async fn enrol(
    world: &mut World<'_>,
    server: &str,
    minion: &str,
    within: Duration,
) -> Result<Value> {
    let (token, autosign) = (world.plan.token(server), world.salt()?.autosign()?);
    if !autosign.is_armed(&token)? && accepted(world, minion).await?.is_some() {
        let text = format!("{minion} has an accepted key already, which came without our token");
        return Err(Error::new(Kind::Refused, text)
            .hint(format!("is another machine called {minion}? If it is gone: `master-bridge keys delete {minion}`")));
    }
    autosign.arm(&token, within)?;
    fault::point("token.armed");
    let waited = wait(world, minion, within).await;
    if waited.is_err() {
        burn(world, server)?;
    }
    waited
}

async fn wait(world: &mut World<'_>, minion: &str, within: Duration) -> Result<Value> {
    let start = Instant::now();
    loop {
        if let Some(made) = accepted(world, minion).await? {
            return Ok(made);
        }
        if start.elapsed() >= within {
            let text = format!(
                "the master has not accepted a key of {minion} by its token within {}",
                short(within)
            );
            return Err(Error::new(Kind::Failed, text).hint(
                "does the VM reach the master, has it read its user-data, and was the master restarted since it knows autosign_grains_dir?",
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn accepted(world: &mut World<'_>, minion: &str) -> Result<Option<Value>> {
    let keys = of(world, minion).await?;
    let key = keys.iter().find(|k| k.state == KeyState::Accepted);
    Ok(key.map(|key| json!({"fingerprint": key.shown()})))
}

fn burn(world: &mut World<'_>, server: &str) -> Result<()> {
    let token = world.plan.token(server);
    world.salt()?.autosign()?.burn(&token)
}

/// The token first: the server still lives, and would come again with it.
pub(super) async fn undo(
    world: &mut World<'_>,
    server: &str,
    minion: &str,
    made: Option<&Value>,
) -> Result<()> {
    let token = world.plan.token(server);
    let was_armed = world.salt()?.autosign()?.is_armed(&token)?;
    burn(world, server)?;
    let mut made = made.cloned();
    if made.is_none() && was_armed {
        // Whoever was at the door when it was taken out is let in or not by now.
        tokio::time::sleep(PAUSE).await;
        made = accepted(world, minion).await?;
    }
    let finger = made.and_then(|m| m.get("fingerprint")?.as_str()?.parse().ok());
    drop_ours(world, minion, finger.as_ref()).await
}

/// Takes the token out, and holds the accepted key against the console's line with this server's nonce. Whoever has
/// stolen the token is faster than the server, which is still booting: a console that shows anything must come to
/// show the line.
pub(super) async fn compare(
    world: &mut World<'_>,
    server: &str,
    (minion, accepted): (&str, &str),
    within: Duration,
) -> Result<Value> {
    burn(world, server)?;
    let id = world.made(server, "id")?;
    let finger = world.made(accepted, "fingerprint")?;
    let nonce = world.plan.nonce(server);
    let start = Instant::now();
    let mut is_there = false;
    let text = loop {
        let shown = world.cloud.console(&id, None).await;
        is_there |= shown.as_ref().is_ok_and(|text| !text.trim().is_empty());
        let text = shown.unwrap_or_default();
        if let Some(said) = line(&text, &nonce) {
            let shown = said.fingerprint.to_string();
            if shown == finger && said.id.as_str() == minion {
                return Ok(json!({"console": true}));
            }
            break format!(
                "the key of {minion} that came with the token is {finger}, and its console shows {shown} of {}",
                said.id
            );
        }
        if !is_there && start.elapsed() >= CONSOLE {
            return Ok(json!({"console": false}));
        }
        if start.elapsed() >= within {
            break format!(
                "the key of {minion} that came with the token is {finger}, and its console does not show it within {}",
                short(within)
            );
        }
        tokio::time::sleep(PAUSE).await;
    };
    // Whatever becomes of the operation, it is let in no longer.
    drop_ours(world, minion, finger.parse().ok().as_ref()).await?;
    Err(Error::new(Kind::Refused, text).hint(
        "somebody else may have read the server's user-data: that key is deleted; find out who it was",
    ))
}
