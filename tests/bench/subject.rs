//! What is measured: our agent or a salt-minion, started and stopped the same way.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Agent, Client, Events, Master, Minion, Process, bin};
use serde_json::json;

use crate::proc;

/// A minion of either kind.
pub(crate) enum Subject {
    /// salt-minion.
    Minion(Minion),
    /// Ours.
    Agent(Agent),
}

/// How a subject is when nobody asks for anything.
pub(crate) struct Idle {
    /// Memory of all its processes.
    pub(crate) mebibytes: f64,
    /// Processor time a second.
    pub(crate) cpu_ms_per_second: f64,
}

impl Subject {
    /// A salt-minion of the master's release.
    pub(crate) fn minion(master: &Master) -> Self {
        let address = master.address.to_string();
        Self::Minion(Minion::prepare(master.release, "bench-minion", &address, "").apart())
    }

    /// Our agent.
    pub(crate) fn agent(master: &Master) -> Self {
        let address = master.address.to_string();
        Self::Agent(Agent::prepare(
            "bench-agent",
            &address,
            "agent: {trust: first-use}",
        ))
    }

    /// Its name in the report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Minion(_) => "salt-minion",
            Self::Agent(_) => "salt-agent",
        }
    }

    /// Its minion id.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Minion(m) => &m.id,
            Self::Agent(a) => &a.id,
        }
    }

    fn process(&mut self) -> &mut Process {
        match self {
            Self::Minion(m) => m.process(),
            Self::Agent(a) => a.process(),
        }
    }

    /// Starts it and waits until the master hears that it did.
    pub(crate) fn start(&mut self, events: &Events) -> Duration {
        let since = Instant::now();
        match self {
            Self::Minion(m) => m.start(),
            Self::Agent(a) => a.run(),
        }
        let tag = format!("salt/minion/{}/start", self.id());
        events.wait(90, &tag, since).at - since
    }

    /// Ends it with SIGTERM; how long that took.
    pub(crate) fn stop(&mut self) -> Duration {
        self.process().stop(60).1
    }

    /// Memory and processor time over a quiet while.
    pub(crate) fn idle(&mut self, time: Duration) -> Idle {
        let root = self.process().pid();
        let before = proc::threads(&proc::tree(root));
        std::thread::sleep(time);
        let pids = proc::tree(root);
        let used: f64 = proc::threads(&pids)
            .iter()
            .map(|(thread, now)| now - before.get(thread).unwrap_or(&0.0))
            .sum();
        Idle {
            mebibytes: proc::mebibytes(&pids),
            cpu_ms_per_second: used / time.as_secs_f64(),
        }
    }

    /// Applies a state of so many files into an empty directory.
    pub(crate) fn state_run(
        &self,
        client: &mut Client,
        sls: &str,
        files: usize,
        into: &Path,
    ) -> Duration {
        let (ret, took) = client.call(
            self.id(),
            "state.apply",
            json!([sls]),
            json!({"pillar": {"into": into}}),
        );
        let done = ret.as_object().map_or(0, |states| {
            states.values().filter(|s| s["result"] == true).count()
        });
        assert_eq!(done, files, "{}: {ret}", self.name());
        took
    }

    /// What it takes on disk: our binary; Salt's libraries without the interpreter, in its favour.
    pub(crate) fn installed_mebibytes(&self) -> f64 {
        match self {
            Self::Minion(m) => proc::size(&m.release.venv().join("lib")),
            Self::Agent(_) => proc::size(&bin("salt-agent")),
        }
    }
}
