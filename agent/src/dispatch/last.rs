//! How the last run of states went: for `salt-agent status`, and for whoever waits for the first one.

use salt_wire::{Map, Value};

/// Functions whose return is states.
const STATES: [&str; 4] = ["state.highstate", "state.apply", "state.sls", "state.top"];

/// A run of states that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Its job.
    pub jid: String,
    /// When it ended, RFC 3339.
    pub finished: String,
    /// Nobody asked for it: it is what `startup_states` says.
    pub startup: bool,
    /// Every state succeeded.
    pub success: bool,
    /// States that succeeded.
    pub succeeded: u64,
    /// States that failed.
    pub failed: u64,
    /// States that changed something.
    pub changed: u64,
}

impl LastRun {
    /// What a return says about it, if it is one of states.
    pub(super) fn of(job: &Map, load: &Map) -> Option<Self> {
        let fun = job.get("fun")?.as_str()?;
        if !STATES.contains(&fun) {
            return None;
        }
        let text = |key: &str| job.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut run = Self {
            jid: text("jid").to_owned(),
            finished: jiff::Timestamp::now().to_string(),
            startup: text("jid") == "req" && !job.contains_key("schedule"),
            success: false,
            succeeded: 0,
            failed: 0,
            changed: 0,
        };
        // Anything but a mapping is an error's text.
        if let Some(Value::Map(states)) = load.get("return") {
            for state in states.values() {
                let ended = state
                    .get("result")
                    .is_some_and(|r| *r == Value::Bool(false));
                run.failed += u64::from(ended);
                run.succeeded += u64::from(!ended);
                let changed = state.get("changes").is_some_and(Value::is_truthy);
                run.changed += u64::from(changed);
            }
            let retcode = load.get("retcode").and_then(Value::as_int).unwrap_or(0);
            run.success = run.failed == 0 && retcode == 0;
        }
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    fn run(job: Map, ret: Value) -> Option<LastRun> {
        LastRun::of(&job, &map! {"return" => ret, "retcode" => 0})
    }

    #[test]
    fn states_are_counted() {
        let state = |result: bool, changes: Map| map! {"result" => result, "changes" => changes};
        let states = map! {
            "a" => state(true, Map::new()),
            "b" => state(true, map! {"new" => 1}),
            "c" => state(false, Map::new()),
        };
        let job = map! {"fun" => "state.highstate", "jid" => "req"};
        let ran = run(job.clone(), states.into()).unwrap();
        assert_eq!((ran.succeeded, ran.failed, ran.changed), (2, 1, 1));
        assert!(ran.startup && !ran.success);
        let fine = map! {"a" => state(true, Map::new())};
        assert!(run(job.clone(), fine.into()).unwrap().success);
        assert!(!run(job, Value::from("an error")).unwrap().success);
        assert_eq!(
            run(map! {"fun" => "test.ping", "jid" => "1"}, true.into()),
            None
        );
        let planned = map! {"fun" => "state.apply", "jid" => "req", "schedule" => "x"};
        assert!(!run(planned, Map::new().into()).unwrap().startup);
    }
}
