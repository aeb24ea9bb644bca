//! The subcommands, one file each: `run(&Global, &Args) -> anyhow::Result<Code>`. A new one is a variant in
//! `cli.rs`, a file here and a line in `dispatch`.

mod adopt;
mod call;
mod check_config;
mod cloud_init;
mod completions;
mod doctor;
mod exit;
mod fingerprint;
mod generalize;
mod print;
mod remaster;
mod restart;
mod run;
mod status;

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use clap::Parser;
use salt_wire::Value;

use crate::cli::{Cli, Command, Global};
use crate::config::{self, Loaded, Settings, Source};
use crate::host::env;
use crate::host::exec::become_other;
use crate::identity::binding::Parent;
use crate::identity::{self, Cache};
use crate::logging::{self, Destination};

pub use exit::Code;

/// The whole program: arguments in, exit code out.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Code {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(code) = become_other::take_over(&args) {
        return Code(code);
    }
    let cli = match Cli::try_parse_from(by_own_name(args)) {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    match dispatch(&cli) {
        Ok(code) => code,
        Err(error) => exit::fail(&error),
    }
}

fn dispatch(cli: &Cli) -> anyhow::Result<Code> {
    let global = &cli.global;
    match &cli.command {
        Command::Run(args) => run::run(global, args),
        Command::Call(args) => call::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::Doctor(args) => doctor::run(global, args),
        Command::Fingerprint(args) => fingerprint::run(global, args),
        Command::CheckConfig(args) => check_config::run(global, args),
        Command::Remaster(args) => remaster::run(global, args),
        Command::Adopt(args) => adopt::run(global, args),
        Command::Generalize(args) => generalize::run(global, args),
        Command::CloudInit(args) => cloud_init::run(global, args),
        Command::Restart => restart::run(global),
        Command::Completions { shell } => completions::run(*shell),
        Command::Unit => completions::unit(),
        Command::Man { dir } => completions::man(dir.as_deref()),
    }
}

/// Called through a link named after one of Salt's programs, we are that program.
fn by_own_name(mut args: Vec<OsString>) -> Vec<OsString> {
    let name = args
        .first()
        .and_then(|a| Path::new(a).file_name()?.to_str().map(str::to_owned));
    let command = match name.as_deref() {
        Some("salt-call") => "call",
        Some("salt-minion") => "run",
        _ => return args,
    };
    // `salt-call --version` is about the program.
    if !args.iter().any(|a| a == "--version" || a == "-V") {
        args.insert(1, command.into());
    }
    args
}

/// Where the command line and the environment say that the configuration is.
pub(crate) fn source(global: &Global) -> Source {
    let mut source = Source::locate(global.config_dir.as_deref(), &env::var);
    if let Some(level) = &global.log_level {
        let level = Value::from(level.as_str());
        source.overrides.insert("log_level".into(), level);
    }
    source
}

/// Reads the configuration as every command does; only the daemon keeps an id that was found.
pub(crate) fn load(source: &Source, cache: Cache) -> Result<Loaded, config::Error> {
    config::load(source, &|opts| identity::find(opts, cache))
}

/// Before anything speaks with our key: a clone of another machine puts its parent's away.
pub(crate) fn guard(settings: &Settings) -> anyhow::Result<Option<Parent>> {
    identity::guard(settings).with_context(|| {
        let dir = settings.pki_dir.display();
        format!(
            "cannot put the parent's key in {dir} away (`agent: {{identity: {{guard: false}}}}` says that it is ours)"
        )
    })
}

/// For what is done beside the daemon: a parent's key is not used, and putting it away is the daemon's work.
pub(crate) fn refuse_a_clone(settings: &Settings) -> anyhow::Result<()> {
    match identity::binding::parent_of(settings) {
        None => Ok(()),
        Some(parent) => anyhow::bail!(
            "this machine is a clone of {parent} and must not use its key: `systemctl start salt-agent`, or \
             `salt-agent cloud-init --key`, gives it one of its own"
        ),
    }
}

/// Says that this machine has just found out to be a clone.
pub(crate) fn warn_of_clone(settings: &Settings, parent: &Parent) {
    tracing::warn!(
        cloned_from = parent.instance,
        key = parent.fingerprint,
        quarantine = %parent.quarantine.display(),
        "This machine is a clone: its parent's key was put away, and it gets an id and a key of its own."
    );
    if let Some(place) = settings.origins.of("id") {
        tracing::warn!(%place, "The id is set in the image: this clone shows another key under its parent's id.");
    }
}

/// Starts logging as the settings say, and logs what there is to say about the configuration: each warning,
/// and each option that has no effect, once.
pub(crate) fn start_logging(loaded: &Loaded, destination: Destination) {
    let settings = &loaded.settings;
    let troubles = logging::start(&settings.log, &settings.id, destination);
    for trouble in troubles {
        tracing::warn!("{trouble}");
    }
    if destination == Destination::Daemon {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        for (option, origin) in &loaded.ignored {
            let place = origin.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(
                option,
                place,
                "Option ignored: this agent does not implement it."
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn salts_own_names_are_understood() {
        let args = |line: &str| by_own_name(line.split(' ').map(OsString::from).collect());
        let cli =
            Cli::try_parse_from(args("/usr/bin/salt-call --local test.ping -l debug")).unwrap();
        assert!(matches!(cli.command, Command::Call(_)));
        let cli = Cli::try_parse_from(args("salt-minion -c /x -l quiet")).unwrap();
        assert!(matches!(cli.command, Command::Run(_)));
        assert_eq!(cli.global.config_dir.unwrap().as_os_str(), "/x");
        assert_eq!(args("salt-agent status"), ["salt-agent", "status"]);
    }

    #[test]
    fn options_may_stand_anywhere_as_with_salt_call() {
        let line = [
            "salt-agent",
            "call",
            "test.arg",
            "a=b",
            "--local",
            "-l",
            "debug",
            "--",
            "-x",
        ];
        let cli = Cli::try_parse_from(line).unwrap();
        let Command::Call(call) = cli.command else {
            panic!("call");
        };
        assert!(call.local);
        assert_eq!(cli.global.log_level.as_deref(), Some("debug"));
        assert_eq!(call.function, ["test.arg", "a=b", "-x"]);
    }
}
