//! The command line: types only. Each subcommand's work is in `commands/`, one file each.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Be a Salt minion, in Rust, that can be moved to another master
///
/// An unmodified salt-master sees an ordinary minion. The configuration is Salt's own (/etc/salt/minion and
/// minion.d/*.conf); settings that Salt does not have stand in it under `agent:`.
#[derive(Debug, Parser)]
#[command(
    name = "salt-agent",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Options of every subcommand.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Read the configuration in this directory instead of /etc/salt
    #[arg(short, long, global = true, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// Log at this level: quiet, error, warning, info, debug, trace, garbage
    #[arg(short, long, global = true, value_name = "LEVEL", value_parser = level)]
    pub log_level: Option<String>,
}

fn level(text: &str) -> Result<String, String> {
    match crate::config::LogLevel::of(text) {
        Some(_) => Ok(text.to_ascii_lowercase()),
        None => {
            let names: Vec<_> = crate::config::LOG_LEVELS.iter().map(|(n, _)| *n).collect();
            Err(format!("known levels are {}", names.join(", ")))
        }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the minion in the foreground
    ///
    /// This is what the systemd unit starts. It ends on SIGTERM and reads its configuration anew on SIGHUP.
    Run(RunArgs),
    /// Call one function, here and now
    ///
    /// Takes salt-call's options and prints its formats.
    Call(Box<CallArgs>),
    /// Show what the running agent is doing
    ///
    /// Asks the daemon over its control socket: each master with its session's state and reason code, running
    /// jobs, returns that wait, the last highstate. Exits with 0 when every master is ready.
    Status(StatusArgs),
    /// Check everything between this machine and its masters
    ///
    /// Configuration, disk, keys, DNS, both ports, the master's key, clock, and what the master says of our
    /// key: a line each with what to do. Exits with 0 only when every line is fine.
    Doctor(DoctorArgs),
    /// Print the fingerprints of the minion's key and of the masters it trusts
    Fingerprint(FingerprintArgs),
    /// Check the configuration, and print it with the file and line that set each option
    CheckConfig(CheckConfigArgs),
    /// Move to another master, or look how a move goes
    Remaster(RemasterArgs),
    /// Take over from salt-minion, with its configuration, id and keys
    ///
    /// Nothing of it is changed, so its master notices nothing. The unit of salt-minion is stopped and
    /// disabled, the agent's enabled and started. --undo gives everything back.
    Adopt(AdoptArgs),
    /// Make this disk a golden image: forget keys, ids, caches, logs and everything else of this one machine
    ///
    /// Removes what is on the list, looks again to prove it, and writes a receipt (JSON, with a digest), also to
    /// /var/lib/salt-agent/generalized.json of the image. Files that look like secrets are named and left alone.
    /// Exits with 0 only when nothing is left. The minions of a running system are stopped first.
    Generalize(GeneralizeArgs),
    /// Do what the instance's user-data says about the minion, as cloud-init's salt_minion module would
    ///
    /// For images that have the agent in them; the unit runs it before each start. What an instance says is done
    /// once: its `salt_minion:` block becomes minion.d/50-cloud-init.conf, its keys the minion's.
    CloudInit(CloudInitArgs),
    /// Let the program that lies on disk now take the running agent's place
    ///
    /// It waits until no job runs, so that a job may upgrade the agent and still return; its process id stays. If
    /// the new program cannot live with the configuration, the old one goes on and says so in its status.
    Restart,
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the systemd unit, for a machine that has the program and no package of it
    #[command(hide = true)]
    Unit,
    /// Print the manual page
    #[command(hide = true)]
    Man {
        /// Write a page for each subcommand into this directory instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; its keys stay.
    Json,
}

/// `run`; also salt-minion's options.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Write the process id to the file that the configuration names (`pidfile`)
    #[arg(long)]
    pub write_pidfile: bool,
    /// Not supported: the agent stays in the foreground
    #[arg(short, long, hide = true)]
    pub daemon: bool,
    /// Log to this file
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Accepted for salt-minion's sake
    #[arg(long, hide = true)]
    pub disable_keepalive: bool,
}

/// `call`: salt-call's options.
#[derive(Debug, Clone, Default, Args)]
pub struct CallArgs {
    /// Call without any master; files and pillar come from local directories
    #[arg(long)]
    pub local: bool,
    /// Print in this format: nested, json, yaml, highstate, txt, raw, quiet, key, …
    #[arg(long = "out", visible_alias = "output", value_name = "FORMAT")]
    pub output: Option<String>,
    /// Indent by this many spaces; negative: one line
    #[arg(
        long = "out-indent",
        visible_alias = "output-indent",
        value_name = "N",
        allow_hyphen_values = true
    )]
    pub output_indent: Option<i64>,
    /// Write the result to this file
    #[arg(long = "out-file", visible_alias = "output-file", value_name = "FILE")]
    pub output_file: Option<PathBuf>,
    /// Append to that file
    #[arg(long = "out-file-append", visible_alias = "output-file-append")]
    pub output_file_append: bool,
    /// Print without colours
    #[arg(long, visible_alias = "no-colour")]
    pub no_color: bool,
    /// Print with colours even into a pipe
    #[arg(long, visible_alias = "force-colour")]
    pub force_color: bool,
    /// How states are shown: full, terse, mixed, changes, filter
    #[arg(long, visible_alias = "state_output", value_name = "MODE")]
    pub state_output: Option<String>,
    /// Whether states that changed nothing are shown
    #[arg(long, visible_alias = "state_verbose", value_name = "BOOL")]
    pub state_verbose: Option<String>,
    /// Show only states that changed something
    #[arg(long)]
    pub output_diff: bool,
    /// Exit with the function's return code
    #[arg(long)]
    pub retcode_passthrough: bool,
    /// Print what else is known about the execution
    #[arg(long)]
    pub metadata: bool,
    /// Pass metadata along, to search jobs by
    #[arg(long, value_name = "METADATA")]
    pub set_metadata: Option<String>,
    /// Use this minion id
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Use this master
    #[arg(long, value_name = "MASTER")]
    pub master: Option<String>,
    /// Take files from this directory
    #[arg(long, value_name = "DIR")]
    pub file_root: Vec<PathBuf>,
    /// Take the pillar from this directory
    #[arg(long, value_name = "DIR")]
    pub pillar_root: Vec<PathBuf>,
    /// Use this cache directory
    #[arg(long, value_name = "DIR")]
    pub cachedir: Option<PathBuf>,
    /// Print the grains
    #[arg(short, long)]
    pub grains: bool,
    /// Print the documentation of a function, a module, or everything
    #[arg(short, long, visible_alias = "documentation")]
    pub doc: bool,
    /// Not available: returners need Salt's own modules
    #[arg(long = "return", hide = true, value_name = "RETURNER")]
    pub returner: Option<String>,
    /// Do not send the return to the master
    #[arg(long)]
    pub no_return_event: bool,
    /// Do not read grains
    #[arg(long)]
    pub skip_grains: bool,
    /// Read the grains anew, not from their cache
    #[arg(long)]
    pub refresh_grains_cache: bool,
    /// Names of arguments that stay text
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub no_parse: Vec<String>,
    /// Read further arguments from standard input, one a line
    #[arg(long)]
    pub args_stdin: bool,
    /// Seconds to wait for the master
    #[arg(short, long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Log to this file
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Log to the file at this level
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub log_file_level: Option<String>,
    /// Accepted for salt-call's sake
    #[arg(long, hide = true)]
    pub hard_crash: bool,
    /// Not available: they need Salt's own loader
    #[arg(short = 'm', long, hide = true, value_name = "DIR")]
    pub module_dirs: Vec<PathBuf>,
    /// Not available, as module directories
    #[arg(long, hide = true, value_name = "DIR")]
    pub states_dir: Vec<PathBuf>,
    /// Not available: functions are always called directly
    #[arg(long, hide = true, value_name = "LIST")]
    pub module_executors: Option<String>,
    /// Not available, as executors
    #[arg(long, hide = true, value_name = "OPTIONS")]
    pub executor_opts: Option<String>,
    /// Not available: call as that user
    #[arg(long = "priv", hide = true, value_name = "USER")]
    pub user: Option<String>,
    /// Accepted for salt-call's sake
    #[arg(long, hide = true, value_name = "FILE")]
    pub saltfile: Option<PathBuf>,
    /// The function and its arguments; `name=value` is a keyword argument, and what follows `--` is no option
    #[arg(value_name = "FUNCTION")]
    pub function: Vec<String>,
}

/// `status`.
#[derive(Debug, Clone, Default, Args)]
pub struct StatusArgs {
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// Seconds to wait for the daemon
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub timeout: u64,
}

/// `doctor`.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// Look at this master instead of the configured ones
    #[arg(long, value_name = "HOST[:PORT]")]
    pub master: Option<String>,
    /// Seconds to wait for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub timeout: u64,
}

/// `fingerprint`.
#[derive(Debug, Clone, Default, Args)]
pub struct FingerprintArgs {
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// Hash with this instead of `hash_type`: md5, sha1, sha224, sha256, sha384, sha512
    #[arg(long, value_name = "HASH")]
    pub hash: Option<salt_wire::crypto::HashType>,
    /// Make the minion's key if there is none
    #[arg(long)]
    pub generate: bool,
}

/// `check-config`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckConfigArgs {
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// Print options that have Salt's default too
    #[arg(short, long)]
    pub all: bool,
    /// Print nothing but what is wrong
    #[arg(short, long, conflicts_with = "all")]
    pub quiet: bool,
    /// Fail on warnings too
    #[arg(long)]
    pub strict: bool,
}

/// `remaster`.
#[derive(Debug, Clone, Args)]
pub struct RemasterArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: RemasterAction,
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t, global = true)]
    pub output: Format,
}

/// What `remaster` does.
#[derive(Debug, Clone, Subcommand)]
pub enum RemasterAction {
    /// Move to another master; the old one stays until the new one is proven
    To(RemasterTo),
    /// Look at another master without moving
    Check(RemasterCheck),
    /// Take a signed order or a handover certificate from a file
    Order {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Let a master of ours have another key, when it shows it
    Rekey {
        /// The master
        #[arg(value_name = "HOST[:PORT]")]
        master: String,
        /// SHA-256 fingerprint of its new key
        #[arg(long, value_name = "FINGERPRINT")]
        finger: salt_wire::crypto::Fingerprint,
    },
    /// Give this minion another key, which its master accepts before it is used
    RotateKey {
        /// What to do
        #[arg(value_enum, default_value_t = RotateKey::Status)]
        action: RotateKey,
    },
    /// Show how the move goes, and what became of the last one
    Status,
    /// Keep the new master: ends the probation
    Confirm,
    /// Give the move up before it is done
    Cancel,
    /// Go back to the master before
    Rollback,
}

/// `remaster rotate-key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RotateKey {
    /// Make the next key and print the present one's word for it
    Stage,
    /// Put the next key into use, if the master lets it in
    Switch,
    /// Forget the key that was used before
    Confirm,
    /// Forget the staged key, or go back to the one before
    Cancel,
    /// Show where the rotation stands
    Status,
}

impl RotateKey {
    /// The word for the daemon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Switch => "switch",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Status => "status",
        }
    }
}

/// `remaster to`.
#[derive(Debug, Clone, Args)]
pub struct RemasterTo {
    /// The new master
    #[arg(value_name = "HOST[:PORT]")]
    pub master: String,
    /// SHA-256 fingerprint of its public key, as `salt-key -F master` prints it there
    #[arg(long, value_name = "FINGERPRINT")]
    pub finger: salt_wire::crypto::Fingerprint,
    /// Its publish port
    #[arg(long, value_name = "PORT")]
    pub publish_port: Option<u16>,
    /// Wait this long for the new master to accept our key
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub wait: u64,
    /// Go back unless confirmed within this time; 0 needs no confirmation
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub confirm: u64,
    /// Run the highstate after the move
    #[arg(long)]
    pub highstate: bool,
    /// Confirm by itself after this many round trips with the new master
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rounds: u64,
    /// Give up if a highstate of the new master would change more states than this
    #[arg(long, value_name = "N")]
    pub changes: Option<u64>,
    /// File with the new master's public key: it proves it before it sees ours
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Come back when the move is done or has failed
    #[arg(long)]
    pub follow: bool,
}

/// `remaster check`.
#[derive(Debug, Clone, Args)]
pub struct RemasterCheck {
    /// The new master
    #[arg(value_name = "HOST[:PORT]")]
    pub master: String,
    /// Its publish port
    #[arg(long, value_name = "PORT")]
    pub publish_port: Option<u16>,
    /// SHA-256 fingerprint that its public key must have
    #[arg(long, value_name = "FINGERPRINT")]
    pub finger: Option<salt_wire::crypto::Fingerprint>,
    /// File with its public key, which it then has to prove
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Show our key to it: one that is not accepted there becomes pending
    #[arg(long)]
    pub auth: bool,
    /// With --auth: try a highstate with test=True, which may change up to this many states
    #[arg(long, value_name = "N", requires = "auth")]
    pub changes: Option<u64>,
}

/// `adopt`.
#[derive(Debug, Clone, Default, Args)]
pub struct AdoptArgs {
    /// Give everything back to salt-minion
    #[arg(long)]
    pub undo: bool,
    /// Show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Leave systemd alone: only check and record
    #[arg(long)]
    pub no_systemd: bool,
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// What `generalize` forgets together, for `--only` and `--skip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Section {
    /// The minion: keys, id, caches, returns that wait, logs
    Salt,
    /// Ids and seeds of the machine itself, its name
    Machine,
    /// State of cloud-init and the files that it wrote for this instance
    CloudInit,
    /// Host keys, and who may log in
    Ssh,
    /// Leases and remembered network cards
    Network,
    /// Logs, journals, crash dumps
    Logs,
    /// Shell histories, mail, temporary files
    History,
    /// Cron tables and at jobs of users
    Cron,
    /// Downloaded packages and package lists
    Packages,
    /// What other agents know themselves by
    Agents,
    /// Private keys and credentials: they are named, never removed
    Secrets,
}

/// `generalize`.
#[derive(Debug, Clone, Args)]
pub struct GeneralizeArgs {
    /// The image's root, where it is mounted; by itself the `root_dir` of the configuration
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Only look: say what is left of a machine
    #[arg(long, conflicts_with = "dry_run")]
    pub check: bool,
    /// Show what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Do it on a machine that is in service, too
    #[arg(long)]
    pub yes: bool,
    /// Only these sections
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SECTION")]
    pub only: Vec<Section>,
    /// All sections but these
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SECTION")]
    pub skip: Vec<Section>,
    /// Keep the stored keys of masters: the image trusts them
    #[arg(long)]
    pub keep_trust: bool,
    /// A file with a secret that is meant to be in the image, as a glob
    #[arg(long, value_name = "GLOB")]
    pub allow: Vec<String>,
    /// Write the receipt to this file, too
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// Print a line with the receipt's digest to this device when done, such as /dev/console
    #[arg(long, value_name = "DEVICE")]
    pub console: Option<PathBuf>,
    /// Switch the machine off when it is clean
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub poweroff: bool,
    /// Go on beside what started it: for a job of the agent, which is stopped once the job's return is out
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub detach: bool,
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `cloud-init`.
#[derive(Debug, Clone, Default, Args)]
pub struct CloudInitArgs {
    /// Show what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Do it again for an instance that it was done for
    #[arg(long)]
    pub again: bool,
    /// Make the minion's key, too, so that the daemon need not
    #[arg(long)]
    pub key: bool,
    /// Print as text or JSON
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}
