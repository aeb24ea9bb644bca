//! Our agent, as a process in a directory of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::{Finished, Process, bin, until};

/// A `salt-agent run` and its files.
pub struct Agent {
    /// Its minion id.
    pub id: String,
    // Before the directory: it reads its log there when it ends.
    process: Option<Process>,
    dir: TempDir,
}

impl Agent {
    /// Writes the configuration and starts nothing.
    pub fn prepare(id: &str, master: &str, config: &str) -> Self {
        let dir = TempDir::with_prefix("sa-").unwrap();
        let agent = Self {
            id: id.to_owned(),
            dir,
            process: None,
        };
        agent.configure(&format!("master: {master}\n{config}"));
        agent
    }

    /// A machine with nothing but its directories and its name: what its image holds.
    pub fn bare(id: &str) -> Self {
        Self::prepare(id, "''", "default_include: minion.d/*.conf")
    }

    /// Starts an agent that trusts the master it finds: for tests that are not about trust.
    pub fn start(id: &str, master: &str, config: &str) -> Self {
        let trust = if config.contains("trust:") {
            ""
        } else {
            "agent: {trust: first-use}\n"
        };
        let mut agent = Self::prepare(id, master, &format!("{trust}{config}"));
        agent.run();
        agent
    }

    /// Writes the `minion` file anew; directories and id are added.
    pub fn configure(&self, config: &str) {
        let root = self.dir().display().to_string();
        let etc = self.config_dir();
        fs::create_dir_all(etc.join("minion.d")).unwrap();
        fs::write(
            etc.join("minion"),
            format!(
                "id: {}\nroot_dir: {root}\npki_dir: {root}/etc/salt/pki/minion\n\
                 conf_file: {root}/etc/salt/minion\nacceptance_wait_time: 1\nlog_level: info\nlog_level_logfile: quiet\n{config}\n",
                self.id
            ),
        )
        .unwrap();
    }

    /// The directory with everything of this agent.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What `-c` takes.
    pub fn config_dir(&self) -> PathBuf {
        self.dir().join("etc/salt")
    }

    /// Starts `salt-agent run`.
    pub fn run(&mut self) {
        self.run_by(&mut Command::new(bin("salt-agent")));
    }

    /// Starts it so that [`Agent::crash_at`] counts, and the points that it passes are written down.
    pub fn run_breakable(&mut self) {
        let file = self.dir().join("crash");
        self.run_by(Command::new(bin("salt-agent")).env("SALT_AGENT_CRASH", file));
    }

    /// The next time that it comes to this point it is killed, as by a power cut.
    pub fn crash_at(&self, point: &str) {
        let file = self.dir().join("crash");
        let whole = file.with_extension("new");
        fs::write(&whole, point).unwrap();
        fs::rename(whole, file).unwrap();
    }

    /// Starts it, and waits until it is killed at this point.
    pub fn run_into(&mut self, point: &str) {
        self.crash_at(point);
        self.run_breakable();
        self.wait_cut(point);
    }

    /// Waits until it is killed at the point that was named.
    pub fn wait_cut(&mut self, point: &str) {
        until(60, &format!("{} to be killed at {point}", self.id), || {
            self.process().ended().is_some_and(|code| code == -9)
        });
    }

    /// The points that it has passed so far, in their order.
    pub fn passed(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir().join("crash.passed")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Starts it inside of a network namespace.
    pub fn run_in(&mut self, space: &str) {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", space])
            .arg(bin("salt-agent"));
        self.run_by(&mut command);
    }

    /// Starts it by a command that lacks only its arguments.
    pub fn run_by(&mut self, command: &mut Command) {
        let log = self.dir().join("agent.out");
        let command = command.arg("run").arg("-c").arg(self.config_dir());
        self.process = Some(Process::start(command, &log));
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the agent runs")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir().join("agent.out")).unwrap_or_default()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Waits for the line that says it is ready.
    pub fn wait_ready(&mut self) {
        self.wait_log(60, "Minion is ready");
    }

    /// Waits for a piece of its log; fails at once if the agent ended.
    pub fn wait_log(&mut self, seconds: u64, piece: &str) {
        until(
            seconds,
            &format!("{piece:?} in the log of {}", self.id),
            || {
                if self.log().contains(piece) {
                    return true;
                }
                let code = self.process().ended();
                assert!(
                    code.is_none(),
                    "the agent ended with {code:?}:\n{}",
                    self.log()
                );
                false
            },
        );
    }

    /// What `salt-agent status` says; null while the agent does not answer.
    pub fn status(&self) -> serde_json::Value {
        let told = self.command("status", &["-o", "json"]);
        serde_json::from_str(&told.stdout).unwrap_or_default()
    }

    /// Waits until a session is in this state for this reason; an empty reason is any.
    pub fn wait_state(&mut self, seconds: u64, state: &str, reason: &str) {
        until(
            seconds,
            &format!("{} to be {state} ({reason})", self.id),
            || {
                let code = self.process().ended();
                assert!(
                    code.is_none(),
                    "the agent ended with {code:?}:\n{}",
                    self.log()
                );
                let status = self.status();
                status["masters"].as_array().is_some_and(|masters| {
                    masters.iter().any(|m| {
                        m["state"] == state && (reason.is_empty() || m["reason"] == reason)
                    })
                })
            },
        );
    }

    /// Runs another command of the binary on this agent's configuration.
    pub fn command(&self, command: &str, args: &[&str]) -> Finished {
        Finished::run(
            Command::new(bin("salt-agent"))
                .arg(command)
                .arg("-c")
                .arg(self.config_dir())
                .args(args),
        )
    }
}
