//! The environment that a job's commands get: the agent's own, with what the job set. The process itself keeps its
//! environment, which other jobs share.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use super::exec::{Command, Exec, Output};
use super::{Cancel, env};

/// What a job changed of its environment; `None` is a variable taken away.
#[derive(Debug, Default)]
pub struct Environ {
    changes: RwLock<BTreeMap<String, Option<String>>>,
}

impl Environ {
    fn changes(&self) -> BTreeMap<String, Option<String>> {
        self.changes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// One variable.
    pub fn get(&self, name: &str) -> Option<String> {
        match self.changes().remove(name) {
            Some(changed) => changed,
            None => env::var(name),
        }
    }

    /// All variables.
    pub fn all(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> = env::vars().collect();
        for (name, value) in self.changes() {
            match value {
                Some(value) => all.insert(name, value),
                None => all.remove(&name),
            };
        }
        all
    }

    /// Sets a variable or takes it away.
    pub fn set(&self, name: &str, value: Option<&str>) {
        self.changes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), value.map(str::to_owned));
    }
}

/// Runs commands in a changed environment.
pub(super) struct Within {
    /// What runs them.
    pub(super) exec: Arc<dyn Exec>,
    /// The changes.
    pub(super) environ: Arc<Environ>,
}

impl Within {
    /// The command with the changes below what it sets itself; `None` when there are none.
    fn changed(&self, command: &Command) -> Option<Command> {
        let changes = self.environ.changes();
        if changes.is_empty() || command.clean_env {
            return None;
        }
        let mut command = command.clone();
        for (name, value) in changes {
            command.env.entry(name).or_insert(value);
        }
        Some(command)
    }
}

impl Exec for Within {
    fn run(&self, command: &Command, cancel: &Cancel) -> io::Result<Output> {
        let changed = self.changed(command);
        self.exec.run(changed.as_ref().unwrap_or(command), cancel)
    }

    fn start(&self, command: &Command) -> io::Result<i32> {
        let changed = self.changed(command);
        self.exec.start(changed.as_ref().unwrap_or(command))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Host;
    use super::*;

    #[test]
    fn a_job_changes_its_own_environment_only() {
        let host = Host::real();
        let job = host.for_job();
        job.environ.set("SALT_AGENT_TEST_A", Some("one"));
        job.environ.set("PATH", None);
        let said = |host: &Host| {
            let out = host
                .exec
                .run(&Command::new(["/usr/bin/env"]), &Cancel::new());
            String::from_utf8(out.unwrap().stdout).unwrap()
        };
        assert!(said(&job).contains("SALT_AGENT_TEST_A=one\n"));
        assert!(!said(&job).contains("\nPATH="));
        assert_eq!(job.environ.get("SALT_AGENT_TEST_A").as_deref(), Some("one"));
        assert!(!job.environ.all().contains_key("PATH"));
        assert!(!said(&host).contains("SALT_AGENT_TEST_A"));
        assert_eq!(host.environ.get("SALT_AGENT_TEST_A"), None);
    }
}
