//! `image`: making a golden image of the machine that this minion runs on.

use std::time::Duration;

use salt_wire::{Value, map};

use super::Function;
use crate::context::{Args, Context, Error, Result};
use crate::highstate::split_input;
use crate::host::env;
use crate::host::exec::Command;

/// For what is looked at before anything begins.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rows of `image`.
pub const FUNCTIONS: &[Function] = &[Function {
    name: "image.generalize",
    signature: "console=None, poweroff=False, keep_trust=False, skip=None, allow=None",
    doc: "Makes this minion's disk a golden image, as ``salt-agent generalize`` does, and leaves the minion stopped.\n\nReturns at once; the rest is done beside the minion, which is stopped when its returns are out, and a line with the receipt's digest goes to ``console`` (by itself ``agent: {console: …}``). A minion whose ``root_dir`` is not ``/`` forgets what is below that directory, and the machine that it runs on is not touched.\n\n``poweroff`` switches the machine off when the disk is clean; ``skip`` leaves sections out; ``allow`` names files, as globs, that look like secrets and are meant.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt builder image.generalize poweroff=True",
    run: generalize,
}];

fn generalize(ctx: &Context, args: &Args) -> Result {
    let program = env::own_program()
        .ok_or_else(|| Error::execution("the agent's own program file is not known"))?;
    let command = command(ctx, args, &program.display().to_string());
    let output = ctx
        .host
        .exec
        .run(&command, &ctx.job.cancel)
        .map_err(|e| Error::execution(format!("{}: {e}", program.display())))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.retcode != 0 {
        return Err(Error::execution(text(&output.stderr)));
    }
    Ok(map! {"result" => true, "comment" => text(&output.stdout)}.into())
}

fn command(ctx: &Context, args: &Args, program: &str) -> Command {
    let settings = &ctx.settings;
    let mut argv = vec![program.to_owned(), "-c".to_owned()];
    argv.push(settings.config_dir.display().to_string());
    for word in ["generalize", "--yes", "--detach"] {
        argv.push(word.to_owned());
    }
    let console = match args.get("console") {
        Value::Str(path) => Some(path.clone()),
        _ => settings
            .agent
            .console
            .as_ref()
            .map(|p| p.display().to_string()),
    };
    if let Some(console) = console {
        argv.push(format!("--console={console}"));
    }
    for (name, option) in [("poweroff", "--poweroff"), ("keep_trust", "--keep-trust")] {
        if args.get(name).is_truthy() {
            argv.push(option.to_owned());
        }
    }
    for name in ["skip", "allow"] {
        let words = split_input(args.get(name));
        argv.extend(words.iter().map(|word| format!("--{name}={word}")));
    }
    let mut command = Command::new(argv);
    command.timeout = Some(PATIENCE);
    command
}
