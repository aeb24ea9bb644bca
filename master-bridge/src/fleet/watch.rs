//! Waiting for minions: until they answer, come back, or are heard no more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::look::ask_all;
use crate::error::{Kind, Result};
use crate::salt::job::Patience;
use crate::salt::{Job, Master, job};

/// A minion hears the master that it left for some seconds more, and for as long as it runs jobs of it.
const FAREWELL: Duration = Duration::from_secs(20);

/// Waits until these are gone from the master that they left, so that what is said to be done is over; who still
/// answers there. A master that is gone itself hears nobody.
pub async fn farewell(
    master: &mut dyn Master,
    ids: &[&str],
    patience: Patience,
) -> Result<BTreeSet<String>> {
    let (quick, end) = (quick(patience), Instant::now() + FAREWELL);
    let mut here: BTreeSet<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    while !here.is_empty() && Instant::now() < end {
        let asked: Vec<&str> = here.iter().map(String::as_str).collect();
        here = match ask_all(master, &asked, "test.ping", &[], quick).await {
            Ok(answers) => answers.returns.into_iter().map(|r| r.id).collect(),
            Err(error) if error.kind == Kind::Unreachable => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        if !here.is_empty() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    Ok(here)
}

/// Short waits, for questions that are asked again.
fn quick(patience: Patience) -> Patience {
    Patience {
        timeout: patience.timeout.min(Duration::from_secs(2)),
        gather: Duration::from_secs(1),
        ..patience
    }
}

/// Waits until these answer on a master; who did.
pub async fn wait_for(
    master: &mut dyn Master,
    ids: &[&str],
    patience: Patience,
    limit: Duration,
) -> Result<BTreeSet<String>> {
    let quick = quick(patience);
    let (end, mut there) = (Instant::now() + limit, BTreeSet::new());
    loop {
        let missing: Vec<&str> = ids
            .iter()
            .filter(|id| !there.contains(**id))
            .copied()
            .collect();
        if missing.is_empty() {
            return Ok(there);
        }
        let answers = ask_all(master, &missing, "test.ping", &[], quick).await?;
        there.extend(
            answers
                .returns
                .into_iter()
                .filter(|r| r.is_good())
                .map(|r| r.id),
        );
        if Instant::now() >= end {
            return Ok(there);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Watches the old master for those who come back; who did, and why.
pub async fn came_back(
    old: &mut dyn Master,
    ids: &[&str],
    order: &str,
    patience: Patience,
    limit: Duration,
) -> Result<BTreeMap<String, (String, String)>> {
    let (end, mut back) = (Instant::now() + limit, BTreeMap::new());
    while back.len() < ids.len() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        if let Some(event) = old.event(left).await?
            && let Some(word) = super::words::Word::of(&event)
            && word.order == order
            && word.stage == "rolled_back"
            && ids.contains(&word.id.as_str())
        {
            back.insert(word.id, (word.reason, word.detail));
        }
    }
    // A word may have been lost: whoever answers here has come back.
    let open: Vec<&str> = ids
        .iter()
        .filter(|id| !back.contains_key(**id))
        .copied()
        .collect();
    let ping = Job::for_ids(&open, "test.ping");
    if !open.is_empty() {
        let answers = job::run(old, &ping, patience, &mut |_| {}).await?;
        for answer in answers.returns {
            let words = (
                "unconfirmed".to_owned(),
                "it came back to the old master".to_owned(),
            );
            back.insert(answer.id, words);
        }
    }
    Ok(back)
}
