//! `remaster clean`: what a move leaves on the old master. Keys of minions that are on the new master for
//! good are deleted there, in one run: a deletion rotates the master's AES key, and everyone who is left
//! authenticates anew.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use salt_wire::Value;
use serde_json::json;
use tokio::try_join;

use super::{open, patience, short};
use crate::cli::Global;
use crate::error::{Error, Kind, Result};
use crate::fleet::look::{accepted, ask_all};
use crate::output::Output;
use crate::salt::keys::{Action, Key, act};
use crate::salt::{Local, Master, MasterConfig};

/// The rotation is at the master's next loop, at most a minute later; then minions come with the next job.
const ROTATION: Duration = Duration::from_secs(75);
/// After the rotation minions are counted for so long.
const HERD: Duration = Duration::from_secs(15);

/// Arguments of `remaster clean`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  master-bridge remaster clean --to-config /etc/salt-new --dry-run\n  master-bridge remaster clean --to-config /etc/salt-new --now"
)]
pub struct Clean {
    /// Only these ids
    ids: Vec<String>,
    /// The new master's configuration directory
    #[arg(long, visible_alias = "to", value_name = "DIR", required = true)]
    to_config: PathBuf,
    /// When the minions that are left may all authenticate anew, in local time
    #[arg(long, value_name = "HH:MM-HH:MM", default_value = "01:00-05:00")]
    window: Window,
    /// Do it at once, whatever the time
    #[arg(long)]
    now: bool,
    /// Do not watch how the minions that are left come back
    #[arg(long)]
    no_watch: bool,
}

/// A part of the day; it may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    from: u32,
    until: u32,
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let minutes = |text: &str| -> Option<u32> {
            let (hours, minutes) = text.trim().split_once(':')?;
            let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let window = text
            .split_once('-')
            .and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)));
        let (from, until) = window.ok_or("must be like 01:00-05:00")?;
        Ok(Self { from, until })
    }
}

impl Window {
    fn holds(self, minute: u32) -> bool {
        if self.from <= self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, until) = (self.from, self.until);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            until / 60,
            until % 60
        )
    }
}

impl Clean {
    /// Looks who is gone for good, asks, deletes, and watches the rest.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        let mut old = open(global).await?;
        let mut new = Local::open(MasterConfig::read(&self.to_config)?).await?;
        let patience = short(patience(global, &old));
        let (old_keys, new_keys) = (accepted(&mut old).await?, accepted(&mut new).await?);
        let both: Vec<&Key> = old_keys
            .values()
            .filter(|k| self.ids.is_empty() || self.ids.contains(&k.id))
            .filter(|k| {
                new_keys
                    .get(&k.id)
                    .is_some_and(|n| n.fingerprint() == k.fingerprint())
            })
            .collect();
        let ids: Vec<&str> = both.iter().map(|k| k.id.as_str()).collect();
        let (on_new, on_old) = try_join!(
            ask_all(&mut new, &ids, "remaster.status", &[], patience),
            ask_all(&mut old, &ids, "test.ping", &[], patience),
        )?;
        // At rest on the new master, and not on the old one: confirmed, or it would not be at rest there.
        let gone: Vec<&Key> = both
            .into_iter()
            .filter(|k| {
                let state = on_new.good(&k.id).and_then(|s| s.get("state")?.as_str());
                state == Some("steady") && on_old.of(&k.id).is_none()
            })
            .collect();
        let left = old_keys.len() - gone.len();
        let rows: Vec<_> = gone.iter().map(|k| vec![k.id.clone(), k.shown()]).collect();
        if gone.is_empty() {
            output.say("no key on the old master belongs to a minion that has moved for good");
            output.document(&json!({"deleted": [], "left": left, "dry_run": global.dry_run}));
            return Ok(ExitCode::SUCCESS);
        }
        output.table(&["id", "fingerprint"], &rows);
        output.say(&format!(
            "{left} minions are left; the master rotates its key within a minute, and they authenticate anew with their next job, {:.1} a second if that reaches all within 10 s",
            left as f64 / 10.0
        ));
        let names: Vec<&str> = gone.iter().map(|k| k.id.as_str()).collect();
        if global.dry_run {
            output.document(&json!({"would_delete": names, "left": left, "dry_run": true}));
            return Ok(ExitCode::SUCCESS);
        }
        self.in_time(left)?;
        output.consent(&format!("delete {} keys on the old master", gone.len()))?;
        act(&mut old, Action::Delete, &gone).await?;
        let herd = if left == 0 || self.no_watch {
            None
        } else {
            Some(herd(&mut old, output).await?)
        };
        output.say(&format!("{} keys deleted", gone.len()));
        output.document(&json!({
            "deleted": names, "left": left, "dry_run": false,
            "rotated": herd.as_ref().map(|h| h.rotated),
            "authentications": herd.as_ref().map(|h| h.count),
            "peak_per_second": herd.as_ref().map(|h| h.peak),
        }));
        Ok(ExitCode::SUCCESS)
    }

    fn in_time(&self, left: usize) -> Result<()> {
        let now = jiff::Zoned::now();
        let minute =
            u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs());
        if self.now || left == 0 || self.window.holds(minute) {
            return Ok(());
        }
        let text = format!(
            "it is {}: not within {}",
            now.strftime("%H:%M"),
            self.window
        );
        Err(Error::new(Kind::Refused, text)
            .hint("everyone who is left authenticates anew: do it then, or say --now"))
    }
}

struct Herd {
    rotated: bool,
    count: usize,
    peak: usize,
}

/// Counts who authenticates after the rotation.
async fn herd(old: &mut dyn Master, output: &Output) -> Result<Herd> {
    output.say("watching how the others come back");
    let start = Instant::now();
    let mut end = start + ROTATION;
    let mut herd = Herd {
        rotated: false,
        count: 0,
        peak: 0,
    };
    let mut seconds: std::collections::BTreeMap<u64, usize> = std::collections::BTreeMap::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let Some(event) = old.event(left).await? else {
            break;
        };
        if event.tag == "key"
            && event
                .data
                .get("rotate_aes_key")
                .is_some_and(Value::is_truthy)
        {
            herd.rotated = true;
            end = Instant::now() + HERD;
        } else if event.tag == "salt/auth" {
            herd.count += 1;
            *seconds.entry(start.elapsed().as_secs()).or_default() += 1;
        }
    }
    herd.peak = seconds.values().copied().max().unwrap_or(0);
    output.say(&format!(
        "{}{} authentications, at most {} in a second",
        if herd.rotated {
            ""
        } else {
            "no rotation was seen; "
        },
        herd.count,
        herd.peak
    ));
    Ok(herd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_over_midnight() {
        let window: Window = "22:30-05:00".parse().unwrap();
        let held: Vec<u32> = [0, 299, 300, 720, 1349, 1350, 1439]
            .into_iter()
            .filter(|minute| window.holds(*minute))
            .collect();
        assert_eq!(held, [0, 299, 1350, 1439]);
        assert_eq!(window.to_string(), "22:30-05:00");
        let day: Window = "01:00-05:00".parse().unwrap();
        assert!(day.holds(60) && !day.holds(300));
        for bad in ["", "1-5", "24:00-01:00", "01:60-02:00", "x"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }
}
