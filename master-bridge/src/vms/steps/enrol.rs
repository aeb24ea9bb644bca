//! A new minion's key by a one-time token: the master accepts whoever shows it, and then it is worth nothing.
//!
//! The token proves that somebody read the server's user-data, and no more: so it lives as shortly as can be, from
//! when the server is there until its key is accepted, and the key is held against the console where there is one.

use std::time::{Duration, Instant};

use salt_wire::Announcement;
use serde_json::{Value, json};

use super::super::World;
use super::keys::{drop_all, of};
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::progress::short;
use crate::salt::keys::KeyState;

const PAUSE: Duration = Duration::from_millis(500);
/// The agent writes its line before it goes to the master; this is for a console that is slow to show it.
const CONSOLE: Duration = Duration::from_secs(10);

/// Whether it was accepted before we were interrupted. The token is worth nothing in any case: a new try arms it anew.
pub(super) async fn find(
    world: &mut World<'_>,
    server: &str,
    minion: &str,
) -> Result<Option<Value>> {
    burn(world, server)?;
    accepted(world, minion).await
}

/// Arms the token, waits until the master has accepted the key, and burns the token, whatever came of it.
pub(super) async fn enrol(
    world: &mut World<'_>,
    server: &str,
    minion: &str,
    within: Duration,
) -> Result<Value> {
    if accepted(world, minion).await?.is_some() {
        let text = format!("{minion} has an accepted key already, which came without our token");
        return Err(Error::new(Kind::Refused, text)
            .hint(format!("is another machine called {minion}? If it is gone: `master-bridge keys delete {minion}`")));
    }
    let token = world.plan.token(server);
    world.salt()?.autosign()?.arm(&token, within)?;
    fault::point("token.armed");
    let waited = wait(world, minion, within).await;
    let burnt = burn(world, server);
    let made = waited?;
    burnt?;
    Ok(made)
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

/// The token first: the server still lives, and would come again with it. Its id was free when this was planned.
pub(super) async fn undo(world: &mut World<'_>, server: &str, minion: &str) -> Result<()> {
    burn(world, server)?;
    drop_all(world, minion).await
}

/// Holds the accepted key against the console's line with this server's nonce, if there is one.
pub(super) async fn compare(
    world: &mut World<'_>,
    server: &str,
    minion: &str,
    accepted: &str,
) -> Result<Value> {
    let id = world.made(server, "id")?;
    let finger = world.made(accepted, "fingerprint")?;
    let nonce = world.plan.nonce(server);
    let start = Instant::now();
    loop {
        // No console is no line: some clouds have none to show.
        let console = world.cloud.console(&id, None).await.unwrap_or_default();
        let mut lines = console.lines().rev().filter_map(Announcement::parse);
        if let Some(said) = lines.find(|s| s.nonce.as_deref() == Some(nonce.as_str())) {
            let shown = said.fingerprint.to_string();
            if shown == finger && said.id.as_str() == minion {
                return Ok(json!({"console": true}));
            }
            // Whatever becomes of the operation, it is let in no longer.
            drop_all(world, minion).await?;
            let text = format!(
                "the key of {minion} that came with the token is {finger}, and its console shows {shown} of {}",
                said.id
            );
            return Err(Error::new(Kind::Refused, text).hint(
                "somebody else has read the server's user-data: that key is deleted; find out who it was",
            ));
        }
        if start.elapsed() >= CONSOLE {
            return Ok(json!({"console": false}));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
