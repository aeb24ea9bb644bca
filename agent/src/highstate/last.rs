//! What the last highstate came to, kept on disk: `salt-agent status` shows it after a restart too, and also when a
//! `salt-agent call` ran it.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Outcome, report};
use crate::context::Context;
use crate::host::fs::write_atomic;

/// A highstate's end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastHighstate {
    /// Its job.
    pub jid: String,
    /// When it ended, RFC 3339.
    pub finished: String,
    /// Whether it only looked what it would do.
    pub test: bool,
    /// Whether every state succeeded.
    pub success: bool,
    /// States that succeeded.
    pub succeeded: u64,
    /// States that failed.
    pub failed: u64,
    /// States that changed something.
    pub changed: u64,
}

impl LastHighstate {
    /// The one that ended below this `cachedir`, if there was any.
    pub fn read(cachedir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(cachedir)).ok()?).ok()
    }

    /// Keeps how a run ended. That it cannot is no reason to fail the run.
    pub fn keep(ctx: &Context, outcome: &Outcome) {
        let path = path(&ctx.settings.cachedir);
        let last = Self {
            jid: ctx.job.jid.clone(),
            finished: jiff::Timestamp::now().to_string(),
            test: ctx.settings.opts.get("test").is_some_and(Value::is_truthy),
            ..Self::of(outcome)
        };
        let written = serde_json::to_vec(&last)
            .map_err(std::io::Error::from)
            .and_then(|bytes| write_atomic(&path, &bytes, 0o600));
        if let Err(error) = written {
            warn!(path = %path.display(), %error, "The end of the highstate cannot be kept for `status`.");
        }
    }

    fn of(outcome: &Outcome) -> Self {
        let Outcome::Ran { results, high } = outcome else {
            return Self::default();
        };
        Self {
            success: report::check_result(results, high),
            ..Self::counted(results)
        }
    }

    /// What a job's return says about the states that it ran.
    pub fn of_return(load: &Map) -> Self {
        // Anything but a mapping is an error's text.
        let Some(Value::Map(results)) = load.get("return") else {
            return Self::default();
        };
        Self {
            success: load.get("retcode").and_then(Value::as_int).unwrap_or(0) == 0,
            ..Self::counted(results)
        }
    }

    fn counted(results: &Map) -> Self {
        let count = |wanted: fn(&Value) -> bool| results.values().filter(|r| wanted(r)).count();
        let failed = count(|r| r.get("result") == Some(&Value::Bool(false)));
        let changed = count(|r| r.get("changes").is_some_and(Value::is_truthy));
        Self {
            succeeded: (results.len() - failed) as u64,
            failed: failed as u64,
            changed: changed as u64,
            ..Self::default()
        }
    }
}

fn path(cachedir: &Path) -> PathBuf {
    cachedir.join("highstate.json")
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn it_counts_what_became_of_the_states() {
        let state = |result: Value, changes: Map| map! {"result" => result, "changes" => changes};
        let outcome = Outcome::Ran {
            results: map! {
                "a" => state(true.into(), Map::new()),
                "b" => state(true.into(), map! {"x" => 1}),
                "c" => state(false.into(), Map::new()),
                "d" => state(Value::Null, map! {"x" => 1}),
            },
            high: Map::new(),
        };
        let last = LastHighstate::of(&outcome);
        assert_eq!((last.succeeded, last.failed, last.changed), (3, 1, 2));
        assert!(!last.success);
        let refused = LastHighstate::of(&Outcome::Refused(vec!["no".into()]));
        assert_eq!(refused, LastHighstate::default());
    }

    #[test]
    fn a_return_says_the_same() {
        let states = map! {
            "a" => map! {"result" => true, "changes" => map! {"new" => 1}},
            "b" => map! {"result" => false, "changes" => Map::new()},
        };
        let of = |ret: Value, code: i64| {
            LastHighstate::of_return(&map! {"return" => ret, "retcode" => code})
        };
        let last = of(states.clone().into(), 2);
        assert_eq!((last.succeeded, last.failed, last.changed), (1, 1, 1));
        assert!(!last.success && of(states.into(), 0).success);
        assert_eq!(of("an error".into(), 1), LastHighstate::default());
    }
}
