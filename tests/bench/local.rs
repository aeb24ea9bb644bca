//! State runs without a master, as `salt-call --local` and `salt-agent call --local` do them: nobody else's time is in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::{Agent, Minion, Release, bin};
use tempfile::TempDir;

use crate::{Figures, median, proc, trees};

/// Runs of each state; of the longest ones salt-call takes half a minute.
const RUNS: usize = 3;

/// No master is asked.
const NOBODY: &str = "localhost";

/// One of the two commands, with a directory of its own.
pub(crate) enum Caller {
    /// salt-call.
    Minion(Minion),
    /// Ours.
    Agent(Agent),
}

/// The state tree that both are given.
pub(crate) struct Tree(TempDir);

/// What a call came to.
struct Called {
    took: Duration,
    /// The most memory that it had.
    mebibytes: f64,
}

impl Tree {
    /// Writes it.
    pub(crate) fn write() -> Self {
        let dir = TempDir::with_prefix("bench-tree-").unwrap();
        fs::write(dir.path().join("files.sls"), trees::files(1000)).unwrap();
        fs::write(dir.path().join("mixed.sls"), trees::MIXED).unwrap();
        trees::formulas(dir.path());
        Self(dir)
    }

    fn config(&self) -> String {
        let root = self.0.path().display();
        format!("file_client: local\nfile_roots: {{base: ['{root}']}}")
    }
}

impl Caller {
    /// salt-call of this release.
    pub(crate) fn minion(release: Release, tree: &Tree) -> Self {
        Self::Minion(Minion::prepare(release, "bench", NOBODY, &tree.config()))
    }

    /// Ours.
    pub(crate) fn agent(tree: &Tree) -> Self {
        Self::Agent(Agent::prepare("bench", NOBODY, &tree.config()))
    }

    fn command(&self) -> Command {
        let (mut command, config) = match self {
            Self::Minion(minion) => {
                let command = Command::new(minion.release.program("salt-call"));
                (command, minion.config_dir())
            }
            Self::Agent(agent) => {
                let mut command = Command::new(bin("salt-agent"));
                command.arg("call");
                (command, agent.config_dir())
            }
        };
        command.arg("-c").arg(config);
        command.args(["--local", "--retcode-passthrough", "--out=json"]);
        command
    }

    fn call(&self, out: &Path, words: &[&str]) -> Called {
        let mut command = self.command();
        command.args(words).stdout(File::create(out).unwrap());
        command.stderr(Stdio::null());
        let since = Instant::now();
        let mut child = command.spawn().unwrap();
        let (status, mebibytes) = watch(&mut child);
        let took = since.elapsed();
        assert!(
            status,
            "{command:?} failed: {}",
            fs::read_to_string(out).unwrap()
        );
        Called { took, mebibytes }
    }

    /// The rows of the report.
    pub(crate) fn measure(&self, scratch: &TempDir) -> Figures {
        let scratch = scratch.path().join(match self {
            Self::Minion(_) => "salt-call",
            Self::Agent(_) => "salt-agent-call",
        });
        fs::create_dir(&scratch).unwrap();
        let out = scratch.join("out");
        let compile: Vec<_> = (0..RUNS)
            .map(|_| self.call(&out, &["state.show_lowstate"]).took)
            .collect();
        let thousand: Vec<_> = (0..RUNS)
            .map(|round| {
                self.apply(&out, "files", &scratch.join(format!("files{round}")))
                    .took
            })
            .collect();
        let into = scratch.join("mixed");
        self.apply(&out, "mixed", &into);
        let again: Vec<_> = (0..RUNS)
            .map(|_| self.apply(&out, "mixed", &into))
            .collect();
        let unchanged = fs::read_to_string(&out).unwrap();
        assert!(!unchanged.contains("\"New file\""), "{unchanged}");
        let peak = again.iter().map(|c| c.mebibytes).fold(0.0, f64::max);
        let again = again.into_iter().map(|c| c.took).collect();
        vec![
            ("compile 40 formulas", "ms", 10.0, median(compile)),
            ("1,000 files, no master", "ms", 15.0, median(thousand)),
            ("300 states, no change", "ms", 15.0, median(again)),
            ("its peak memory", "MiB", 6.0, peak),
        ]
    }

    fn apply(&self, out: &Path, sls: &str, into: &PathBuf) -> Called {
        let pillar = format!("pillar={{\"into\": {into:?}}}");
        self.call(out, &["state.apply", sls, &pillar])
    }
}

/// Waits for a command; whether it succeeded, and the most memory that it had.
fn watch(child: &mut Child) -> (bool, f64) {
    let pid = i32::try_from(child.id()).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let peak = scope.spawn(|| {
            let mut peak: f64 = 0.0;
            while !ended.load(Ordering::Relaxed) {
                peak = peak.max(proc::peak_mebibytes(pid).unwrap_or(0.0));
                // The kernel keeps the highest value: only the last moment is missed.
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        let status = child.wait().unwrap();
        ended.store(true, Ordering::Relaxed);
        (status.success(), peak.join().unwrap())
    })
}
