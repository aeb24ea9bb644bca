//! Whose disk it is. A configuration speaks for one machine: whoever runs with it can make an image of that machine's
//! disk, or of one that is mounted below it, and of nothing else. An agent whose `root_dir` is a directory, as in a
//! sandbox or a container's tree, therefore never touches the system that it happens to run on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use crate::cli::GeneralizeArgs;
use crate::commands::{Code, print};
use crate::config::{self, Loaded};
use crate::host::env;
use crate::host::exec::{Command, Exec};

/// The disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its root.
    pub(super) path: PathBuf,
    /// It is the one that the configuration is of.
    pub(super) own: bool,
}

/// The root that was named, else the configuration's own; `chosen`: the configuration was.
pub(super) fn choose(
    args: &GeneralizeArgs,
    loaded: Result<&Loaded, &config::Error>,
    chosen: bool,
) -> anyhow::Result<Target> {
    let own = match loaded {
        Ok(loaded) => loaded.settings.root_dir.clone(),
        // Whoever names a configuration means its machine, which might be another one than this.
        Err(error) if chosen && args.root.is_none() => {
            return Err(anyhow!(
                "whose disk this is cannot be known from the configuration: {error}; say it with --root"
            ));
        }
        Err(_) => PathBuf::from("/"),
    };
    let Some(path) = args.root.clone() else {
        return Ok(Target {
            path: own,
            own: true,
        });
    };
    let (real_own, real) = (real(&own)?, real(&path)?);
    if !real.starts_with(&real_own) {
        bail!(
            "the configuration is of the machine below {} (root_dir), and {} is not part of it: name the one that \
             this disk has with -c",
            own.display(),
            path.display()
        );
    }
    Ok(Target {
        own: real == real_own,
        path,
    })
}

fn real(path: &Path) -> anyhow::Result<PathBuf> {
    fs::canonicalize(path).with_context(|| format!("cannot open the root {}", path.display()))
}

/// Starts the same once more without `--detach`, in a process group of its own, and leaves it alone.
pub(super) fn go_on_alone(exec: &dyn Exec) -> anyhow::Result<Code> {
    let program = env::own_program().context("our own program file is not known")?;
    let mut argv = vec![program.display().to_string()];
    argv.extend(
        std::env::args()
            .skip(1)
            .filter(|argument| argument != "--detach"),
    );
    let mut command = Command::new(argv);
    command.cwd = Some("/".into());
    let pid = exec
        .start(&command)
        .context("cannot start the process that shall do it")?;
    print::line(&format!("process {pid} goes on with it"))?;
    Ok(Code::OK)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use salt_wire::map;

    use super::*;
    use crate::cli::{Cli, Command as Sub};
    use crate::config::{FoundId, Source};

    fn chosen(root_dir: &str, words: &[&str]) -> anyhow::Result<PathBuf> {
        let dir = tempfile::tempdir().unwrap();
        let mut source = Source::locate(Some(dir.path()), &|_| None);
        source.overrides = map! {"root_dir" => root_dir};
        let loaded = config::load(&source, &|_| Ok(FoundId::set("m1")));
        let line = [&["salt-agent", "generalize"], words].concat();
        let cli = Cli::try_parse_from(line).unwrap();
        let Sub::Generalize(args) = cli.command else {
            panic!("generalize");
        };
        choose(&args, loaded.as_ref(), true).map(|target| target.path)
    }

    #[test]
    fn a_configuration_of_another_root_never_reaches_this_machine() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().to_str().unwrap();
        let part = dir.path().join("mnt");
        fs::create_dir(&part).unwrap();
        assert_eq!(chosen(disk, &[]).unwrap(), dir.path());
        assert_eq!(chosen(disk, &["--root", disk]).unwrap(), dir.path());
        let part = part.to_str().unwrap();
        assert_eq!(chosen(disk, &["--root", part]).unwrap(), Path::new(part));
        for other in ["/", "/tmp", &format!("{part}/../.."), "/proc/self/root"] {
            let error = chosen(disk, &["--root", other]).unwrap_err().to_string();
            assert!(error.contains("root_dir"), "{other}: {error}");
        }
        // The machine's own configuration may look at any disk.
        assert_eq!(chosen("/", &[]).unwrap(), Path::new("/"));
        assert_eq!(chosen("/", &["--root", disk]).unwrap(), dir.path());
    }

    #[test]
    fn a_broken_configuration_that_was_named_is_no_guess() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("minion"), "id: [broken").unwrap();
        let source = Source::locate(Some(dir.path()), &|_| None);
        let loaded = config::load(&source, &|_| Ok(FoundId::set("m1")));
        let cli = Cli::try_parse_from(["salt-agent", "generalize"]).unwrap();
        let Sub::Generalize(args) = cli.command else {
            panic!("generalize");
        };
        let error = choose(&args, loaded.as_ref(), true).unwrap_err();
        assert!(error.to_string().contains("--root"), "{error}");
        // The usual place can only mean the usual machine.
        let target = choose(&args, loaded.as_ref(), false).unwrap();
        assert_eq!(target.path, Path::new("/"));
    }
}
