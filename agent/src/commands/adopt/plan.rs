//! The steps, as data, from how the units are to how they should be; and systemd, which takes them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::record::Record;
use crate::host::Cancel;
use crate::host::exec::{Command, Exec};

const MINION: &str = "salt-minion.service";
const AGENT: &str = "salt-agent.service";
/// salt-minion may take its time to stop: jobs are running.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the two units are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) minion_enabled: bool,
    pub(super) minion_active: bool,
    pub(super) agent_known: bool,
    pub(super) agent_enabled: bool,
    pub(super) agent_active: bool,
}

/// One change. Each may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Stop(&'static str),
    Disable(&'static str),
    Enable(&'static str),
    Start(&'static str),
}

impl Step {
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Stop(unit) => ["stop", unit],
            Self::Disable(unit) => ["disable", unit],
            Self::Enable(unit) => ["enable", unit],
            Self::Start(unit) => ["start", unit],
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "systemctl {}", self.words().join(" "))
    }
}

/// From salt-minion to us. It is stopped before we start: two minions with one key would fight for its session.
pub(super) fn adopt(now: &Units) -> Vec<Step> {
    wanted([
        (now.minion_enabled, Step::Disable(MINION)),
        (now.minion_active, Step::Stop(MINION)),
        (now.agent_known && !now.agent_enabled, Step::Enable(AGENT)),
        (now.agent_known && !now.agent_active, Step::Start(AGENT)),
    ])
}

/// Back to what was recorded.
pub(super) fn undo(before: &Record, now: &Units) -> Vec<Step> {
    wanted([
        (
            now.agent_enabled && !before.agent_enabled,
            Step::Disable(AGENT),
        ),
        (now.agent_active && !before.agent_active, Step::Stop(AGENT)),
        (
            before.minion_enabled && !now.minion_enabled,
            Step::Enable(MINION),
        ),
        (
            before.minion_active && !now.minion_active,
            Step::Start(MINION),
        ),
    ])
}

fn wanted<const N: usize>(steps: [(bool, Step); N]) -> Vec<Step> {
    let wanted = steps.into_iter().filter(|(wanted, _)| *wanted);
    wanted.map(|(_, step)| step).collect()
}

/// systemd, if it runs this machine.
pub(super) struct Systemd<'a> {
    exec: Option<&'a dyn Exec>,
}

impl<'a> Systemd<'a> {
    pub(super) fn new(exec: &'a dyn Exec, leave_alone: bool) -> Self {
        // As sd_booted(3) has it.
        let here = Path::new("/run/systemd/system").is_dir() && !leave_alone;
        Self {
            exec: here.then_some(exec),
        }
    }

    pub(super) fn is_here(&self) -> bool {
        self.exec.is_some()
    }

    pub(super) fn units(&self) -> Units {
        let enabled = |unit| self.ask("is-enabled", unit);
        let active = |unit| {
            matches!(
                self.ask("is-active", unit).as_str(),
                "active" | "activating" | "reloading"
            )
        };
        let agent = enabled(AGENT);
        Units {
            minion_enabled: enabled(MINION).starts_with("enabled"),
            minion_active: active(MINION),
            agent_known: !matches!(agent.as_str(), "" | "not-found"),
            agent_enabled: agent.starts_with("enabled"),
            agent_active: active(AGENT),
        }
    }

    /// systemctl's one word; empty when it has none.
    fn ask(&self, verb: &str, unit: &str) -> String {
        let Some(exec) = self.exec else {
            return String::new();
        };
        let mut command = Command::new(["systemctl", verb, unit]);
        command.timeout = Some(PATIENCE);
        let output = exec.run(&command, &Cancel::new()).unwrap_or_default();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) fn run(&self, step: &Step) -> anyhow::Result<()> {
        let Some(exec) = self.exec else {
            return Ok(());
        };
        let [verb, unit] = step.words();
        let mut command = Command::new(["systemctl", verb, unit]);
        command.timeout = Some(PATIENCE);
        let output = exec
            .run(&command, &Cancel::new())
            .with_context(|| format!("cannot run `{step}`"))?;
        if output.timed_out {
            bail!("`{step}` did not end within {} s", PATIENCE.as_secs());
        }
        if output.retcode != 0 {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("`{step}` failed ({}): {}", output.retcode, words.trim());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::host::exec::Output;

    /// Two units in memory.
    struct Fake(Mutex<Units>);

    impl Exec for Fake {
        fn run(&self, command: &Command, _: &Cancel) -> io::Result<Output> {
            let mut units = self.0.lock().unwrap();
            let unit = command.argv[2].clone();
            let Units {
                minion_enabled,
                minion_active,
                agent_enabled,
                agent_active,
                ..
            } = &mut *units;
            let (enabled, active) = match unit.as_str() {
                MINION => (minion_enabled, minion_active),
                AGENT => (agent_enabled, agent_active),
                other => panic!("{other}"),
            };
            let mut stdout = "";
            match command.argv[1].as_str() {
                "is-enabled" => stdout = if *enabled { "enabled\n" } else { "disabled\n" },
                "is-active" => stdout = if *active { "active\n" } else { "inactive\n" },
                "enable" => *enabled = true,
                "disable" => *enabled = false,
                "start" => *active = true,
                "stop" => *active = false,
                other => panic!("{other}"),
            }
            Ok(Output {
                stdout: stdout.into(),
                ..Output::default()
            })
        }
    }

    const BEFORE: Units = Units {
        minion_enabled: true,
        minion_active: true,
        agent_known: true,
        agent_enabled: false,
        agent_active: false,
    };

    #[test]
    fn there_twice_and_back_twice() {
        let fake = Fake(Mutex::new(BEFORE));
        let systemd = Systemd { exec: Some(&fake) };
        assert_eq!(systemd.units(), BEFORE);
        let record = Record::for_test(&BEFORE);
        let steps = adopt(&systemd.units());
        assert_eq!(
            steps,
            [
                Step::Disable(MINION),
                Step::Stop(MINION),
                Step::Enable(AGENT),
                Step::Start(AGENT)
            ]
        );
        for step in &steps {
            systemd.run(step).unwrap();
        }
        assert_eq!(
            adopt(&systemd.units()),
            [],
            "a second run has nothing to do"
        );
        for step in undo(&record, &systemd.units()) {
            systemd.run(&step).unwrap();
        }
        assert_eq!(systemd.units(), BEFORE);
        assert_eq!(undo(&record, &systemd.units()), []);
    }

    #[test]
    fn from_any_half_way_both_ends_are_reached() {
        for done in 0..=4 {
            let fake = Fake(Mutex::new(BEFORE));
            let systemd = Systemd { exec: Some(&fake) };
            for step in adopt(&BEFORE).iter().take(done) {
                systemd.run(step).unwrap();
            }
            for step in undo(&Record::for_test(&BEFORE), &systemd.units()) {
                systemd.run(&step).unwrap();
            }
            assert_eq!(systemd.units(), BEFORE, "after {done} steps");
        }
    }

    #[test]
    fn an_agent_without_a_unit_is_not_started() {
        let now = Units {
            agent_known: false,
            ..BEFORE
        };
        assert_eq!(adopt(&now), [Step::Disable(MINION), Step::Stop(MINION)]);
    }
}
