//! `cmd`: commands and scripts, over `host::shell`. `run.rs` adds what only a function knows, `script.rs` fetches
//! scripts; here are the functions on top.
//!
//! Not here: `cmd.run_chroot`, `cmd.powershell*` and `cmd.tty`.

mod run;
mod script;

use salt_wire::{Map, Value, map};

use super::Function;
use crate::context::{Args, Context, Error, Result};
use crate::host::env;
use crate::host::shell::{Ran, Streams};

/// The rows of `cmd`.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "cmd.run",
        signature: "cmd, cwd=None, stdin=None, runas=None, group=None, shell='', python_shell=None, env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='debug', log_callback=None, hide_output=False, timeout=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, use_vt=False, redirect_stderr=True, bg=False, password=None, encoded_cmd=False, raise_err=False, prepend_path=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Execute the passed command and return the output as a string\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.run \"ls -l | awk '/foo/{print \\\\$2}'\"\n        salt '*' cmd.run 'grep f' stdin='one\\ntwo\\nfour'\n    ",
        run,
    },
    Function {
        name: "cmd.shell",
        signature: "cmd, cwd=None, stdin=None, runas=None, group=None, shell='', env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='debug', log_callback=None, hide_output=False, timeout=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, use_vt=False, bg=False, password=None, prepend_path=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Execute the passed command in a shell and return the output as a string\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.shell 'ls -l | wc -l'\n    ",
        run: shell,
    },
    Function {
        name: "cmd.run_stdout",
        signature: "cmd, cwd=None, stdin=None, runas=None, group=None, shell='', python_shell=None, env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='debug', log_callback=None, hide_output=False, timeout=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, use_vt=False, password=None, prepend_path=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Execute a command, and only return the standard out\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.run_stdout 'ls -l'\n    ",
        run: run_stdout,
    },
    Function {
        name: "cmd.run_stderr",
        signature: "cmd, cwd=None, stdin=None, runas=None, group=None, shell='', python_shell=None, env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='debug', log_callback=None, hide_output=False, timeout=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, use_vt=False, password=None, prepend_path=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Execute a command and only return the standard error\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.run_stderr 'ls /nothing'\n    ",
        run: run_stderr,
    },
    Function {
        name: "cmd.run_all",
        signature: "cmd, cwd=None, stdin=None, runas=None, group=None, shell='', python_shell=None, env=None, clean_env=False, template=None, rstrip=True, umask=None, output_encoding=None, output_loglevel='debug', log_callback=None, hide_output=False, timeout=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, use_vt=False, redirect_stderr=False, password=None, encoded_cmd=False, prepend_path=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Execute the passed command and return a dict of return data: ``pid``, ``retcode``,\n    ``stdout`` and ``stderr``\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.run_all 'ls -l'\n    ",
        run: run_all,
    },
    Function {
        name: "cmd.retcode",
        signature: "cmd, cwd=None, stdin=None, runas=None, group=None, shell='', python_shell=None, env=None, clean_env=False, template=None, umask=None, output_encoding=None, output_loglevel='debug', log_callback=None, timeout=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, use_vt=False, password=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Execute a shell command and return the command's return code\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.retcode 'file /bin/bash'\n    ",
        run: retcode,
    },
    Function {
        name: "cmd.run_bg",
        signature: "cmd, cwd=None, runas=None, group=None, shell='', python_shell=None, env=None, clean_env=False, template=None, umask=None, timeout=None, output_encoding=None, output_loglevel='debug', log_callback=None, reset_system_locale=True, ignore_retcode=False, saltenv=None, password=None, prepend_path=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Execute the passed command in the background and return its PID\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.run_bg 'sleep 60'\n    ",
        run: run_bg,
    },
    Function {
        name: "cmd.script",
        signature: "source, args=None, cwd=None, stdin=None, runas=None, group=None, shell='', python_shell=None, env=None, template=None, umask=None, output_encoding=None, output_loglevel='debug', log_callback=None, hide_output=False, timeout=None, reset_system_locale=True, saltenv=None, use_vt=False, bg=False, password=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Download a script from a remote location and execute the script locally\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.script salt://scripts/runme.sh 'arg1 arg2 \"arg 3\"'\n    ",
        run: script::script,
    },
    Function {
        name: "cmd.script_retcode",
        signature: "source, args=None, cwd=None, stdin=None, runas=None, group=None, shell='', python_shell=None, env=None, template='jinja', umask=None, timeout=None, reset_system_locale=True, saltenv=None, output_encoding=None, output_loglevel='debug', log_callback=None, use_vt=False, password=None, success_retcodes=None, success_stdout=None, success_stderr=None, **kwargs",
        doc: "\n    Download a script, execute it, and only return the retcode\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.script_retcode salt://scripts/runme.sh 'arg1 arg2'\n    ",
        run: script::script_retcode,
    },
    Function {
        name: "cmd.which",
        signature: "cmd",
        doc: "\n    Returns the path of an executable available on the minion, None otherwise\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.which cat\n    ",
        run: which,
    },
    Function {
        name: "cmd.which_bin",
        signature: "cmds",
        doc: "\n    Returns the first command found in a list of commands\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.which_bin '[pip2, pip, pip-python]'\n    ",
        run: which_bin,
    },
    Function {
        name: "cmd.has_exec",
        signature: "cmd",
        doc: "\n    Returns true if the executable is available on the minion, false otherwise\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.has_exec cat\n    ",
        run: has_exec,
    },
    Function {
        name: "cmd.exec_code",
        signature: "lang, code, cwd=None, args=None, **kwargs",
        doc: "\n    Pass in two strings, the first naming the executable language, aka - python2,\n    python3, ruby, perl, lua, etc. the second string containing the code you wish\n    to execute. The stdout will be returned.\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.exec_code sh 'echo $0'\n    ",
        run: script::exec_code,
    },
    Function {
        name: "cmd.exec_code_all",
        signature: "lang, code, cwd=None, args=None, **kwargs",
        doc: "\n    As ``cmd.exec_code``, returning all of the command's data\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.exec_code_all sh 'echo $0'\n    ",
        run: script::exec_code_all,
    },
    Function {
        name: "cmd.shells",
        signature: "",
        doc: "\n    Lists the valid shells on this system via the /etc/shells file\n\n    CLI Example:\n\n    .. code-block:: bash\n\n        salt '*' cmd.shells\n    ",
        run: shells,
    },
];

fn run(ctx: &Context, args: &Args) -> Result {
    let streams = if args.flag("redirect_stderr") {
        Streams::Merged
    } else {
        Streams::Apart
    };
    let ran = run::run(ctx, args, streams)?;
    if args.flag("raise_err") && ran.failed && run::is_logged(args) {
        return Err(Error::Execution(shown(args, ran.stdout)));
    }
    Ok(shown(args, ran.stdout).into())
}

fn shell(ctx: &Context, args: &Args) -> Result {
    let mut args = args.clone();
    // The one difference: a shell unless the caller says no.
    let asked = args.extra.shift_remove("python_shell").unwrap_or_default();
    let asked = if asked.is_null() { true.into() } else { asked };
    args.named.insert("python_shell".into(), asked);
    args.named.insert("redirect_stderr".into(), true.into());
    run(ctx, &args)
}

fn run_stdout(ctx: &Context, args: &Args) -> Result {
    let ran = run::run(ctx, args, Streams::Apart)?;
    Ok(shown(args, ran.stdout).into())
}

fn run_stderr(ctx: &Context, args: &Args) -> Result {
    let ran = run::run(ctx, args, Streams::Apart)?;
    Ok(shown(args, ran.stderr).into())
}

fn run_all(ctx: &Context, args: &Args) -> Result {
    let streams = if args.flag("redirect_stderr") {
        Streams::Merged
    } else {
        Streams::Apart
    };
    let ran = run::run(ctx, args, streams)?;
    Ok(Value::Map(all(args, ran)))
}

fn retcode(ctx: &Context, args: &Args) -> Result {
    let ran = run::run(ctx, args, Streams::Merged)?;
    Ok(ran.retcode)
}

fn run_bg(ctx: &Context, args: &Args) -> Result {
    let ran = run::run(ctx, args, Streams::Dropped)?;
    Ok(Value::Map(map! {"pid" => ran.pid}))
}

/// The outcome as a map, its output left out if so ordered.
fn all(args: &Args, ran: Ran) -> Map {
    let mut all = ran.to_map();
    if args.flag("hide_output") {
        all.insert("stdout".into(), "".into());
        all.insert("stderr".into(), "".into());
    }
    all
}

fn shown(args: &Args, output: String) -> String {
    if args.flag("hide_output") {
        String::new()
    } else {
        output
    }
}

fn path_of(program: &str) -> Value {
    let path = env::which(program);
    path.map(|p| p.to_string_lossy().into_owned()).into()
}

fn which(_: &Context, args: &Args) -> Result {
    Ok(path_of(&args.text("cmd")?))
}

fn which_bin(_: &Context, args: &Args) -> Result {
    let names: Vec<String> = match args.get("cmds") {
        Value::List(items) => items
            .iter()
            .filter_map(|i| i.as_str().map(str::to_owned))
            .collect(),
        Value::Str(text) => vec![text.clone()],
        _ => Vec::new(),
    };
    let found = names.iter().map(|n| path_of(n)).find(|p| !p.is_null());
    Ok(found.unwrap_or_default())
}

fn has_exec(_: &Context, args: &Args) -> Result {
    Ok((!path_of(&args.text("cmd")?).is_null()).into())
}

fn shells(_: &Context, _: &Args) -> Result {
    let text = std::fs::read_to_string("/etc/shells").unwrap_or_default();
    let lines = text.lines().map(str::trim);
    let shells: Vec<&str> = lines
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect();
    Ok(shells.into())
}
