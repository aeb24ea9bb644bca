//! The command line: global options here, each command's own beside its code.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use salt_wire::Map;

use crate::commands::{
    bake, boot, completions, env, flavor, flip, image, keypair, keys, man, master, minions, ops,
    orders, remaster, remaster_all, replace, run, sandbox, secgroup, server, stack, volume,
};
use crate::error::Result;
use crate::salt::{MasterConfig, Way, api};

const EXIT_CODES: &str = "\
Exit codes: 0 done and verified · 1 failed for at least one minion · 2 wrong usage · 3 master not reachable · \
4 not permitted · 5 nothing matched · 6 refused: not proven, or not agreed to · 7 this machine's fault";

/// Work on a Salt master and its cloud: prove keys, run jobs, boot and replace VMs, move minions to another master
#[derive(Debug, Parser)]
#[command(name = "master-bridge", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The directory with the master's configuration
    #[arg(
        short = 'c',
        long = "salt-config",
        visible_alias = "config-dir",
        global = true,
        value_name = "DIR",
        default_value = "/etc/salt"
    )]
    pub salt_config: PathBuf,
    /// The salt-api to use instead.
    #[command(flatten)]
    pub salt_api: api::Options,
    /// The journal of operations [default: /var/lib/master-bridge/journal.sqlite; below ~/.local/state for other users than root]
    #[arg(long, global = true, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// How to print results
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Say more; twice for details, three times for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Seconds to wait for minions before asking whether they still work [default: the master's timeout]
    #[arg(short, long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Seconds that a minion has to say that it still works [default: the master's gather_job_timeout]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub gather_timeout: Option<Duration>,
    /// Seconds after which to stop waiting even for minions that still work
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds, default_value = "3600")]
    pub max_wait: Duration,
}

impl Global {
    /// How the master is reached.
    pub fn way(&self) -> Result<Way> {
        Ok(match self.salt_api.settings()? {
            Some(api) => Way::Api(api),
            None => Way::Local(
                std::path::absolute(&self.salt_config).unwrap_or_else(|_| self.salt_config.clone()),
            ),
        })
    }

    /// The master's configuration directory, for what only its files tell.
    pub fn dir(&self, what: &str) -> Result<PathBuf> {
        self.way()?.dir(what).map(Path::to_owned)
    }

    /// The master's nodegroups; none if they are resolved where it is.
    pub fn nodegroups(&self) -> Result<Option<Map>> {
        match self.way()? {
            Way::Local(dir) => Ok(Some(MasterConfig::read(&dir)?.nodegroups)),
            Way::Api(_) => Ok(None),
        }
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        if let Some(path) = &self.journal {
            return path.clone();
        }
        let folder = if nix::unistd::Uid::effective().is_root() {
            PathBuf::from("/var/lib")
        } else {
            let home =
                || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
            let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
            state.or_else(home).unwrap_or_else(|| ".".into())
        };
        folder.join("master-bridge/journal.sqlite")
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List, prove, accept, reject and delete minion keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Run a function on minions and print what they return
    Run(run::Run),
    /// Show every minion: its key, whether it answers, its version and its master
    Minions(minions::Minions),
    /// Move minions to another master, verify them there, and confirm
    Remaster(remaster::Remaster),
    /// Move all minions to another master: a canary first, then in waves
    RemasterAll(remaster_all::RemasterAll),
    /// List, show, resume and roll back operations of the journal
    #[command(subcommand)]
    Ops(ops::Ops),
    /// Make signing keys; sign, verify and show orders for minions that no master reaches
    #[command(subcommand)]
    Orders(orders::Orders),
    /// Check a new master, pin it, and hand a fleet over to it
    #[command(subcommand)]
    Master(master::Masters),
    /// Run a cloud on this machine to try things on, with agents as VMs
    #[command(subcommand)]
    Sandbox(sandbox::Sandbox),
    /// List and show servers, joined with what the master knows about their minions
    #[command(subcommand)]
    Server(server::Servers),
    /// List the sizes that servers can have
    #[command(subcommand)]
    Flavor(flavor::Flavors),
    /// Bring environments up and down: networks, groups, volumes, servers and virtual addresses as a file says
    #[command(subcommand)]
    Env(env::Envs),
    /// List, show, make, import and remove keypairs
    #[command(subcommand)]
    Keypair(keypair::Keypairs),
    /// Give security groups the rules of a file
    #[command(subcommand)]
    Secgroup(secgroup::Secgroups),
    /// List, make, attach, detach, snapshot and remove volumes
    #[command(subcommand)]
    Volume(volume::Volumes),
    /// Look at Heat's stacks, make, change, remove them; roll a golden image through one
    #[command(subcommand)]
    Stack(stack::Stacks),
    /// List, explain and prune golden images
    #[command(subcommand)]
    Image(image::Images),
    /// Make a golden image: a builder with its highstate, twice, made to forget who it is, and snapshot
    Bake(Box<bake::Bake>),
    /// Boot a VM that is a proven minion with its highstate before anybody uses it
    Boot(Box<boot::Boot>),
    /// Lead a floating address to another VM: looked at before and after, measured, undoable
    Flip(flip::Flip),
    /// Replace a VM by a new one without a moment when nobody serves
    Replace(Box<replace::Replace>),
    /// Print the completion script of a shell
    Completions(completions::Completions),
    /// Write the man pages into a directory
    Man(man::Man),
}

/// A rate per second that is neither standstill nor a flood.
pub(crate) fn rate(text: &str) -> std::result::Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if !(0.01..=1000.0).contains(&number) {
        return Err("must be between 0.01 and 1000 a second".into());
    }
    Ok(number)
}

/// Seconds, as a number with or without a fraction.
pub(crate) fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "no number of seconds".to_owned())?;
    // A year is longer than any job and far from overflow.
    if !(0.0..=31_536_000.0).contains(&number) {
        return Err("must be between 0 and 31536000".into());
    }
    Ok(Duration::from_secs_f64(number))
}
