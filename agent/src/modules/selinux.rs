//! `selinux`: its mode and its booleans. What else Salt has of it is Salt's own.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::env::which;
use crate::host::fs::rewrite;

/// The rows of `selinux`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "selinux.getconfig",
        "",
        |_, _| needed(|| Ok(configured().into())),
        "Return the mode of the configuration file.",
        "salt '*' selinux.getconfig"
    ),
    row!(
        "selinux.getenforce",
        "",
        |_, _| needed(|| Ok(mode().into())),
        "Return the mode that the kernel is in.",
        "salt '*' selinux.getenforce"
    ),
    row!(
        "selinux.getsebool",
        "boolean",
        |ctx, args| {
            let all = needed(|| booleans(ctx))?;
            let own = all.get(args.get("boolean")).cloned();
            Ok(own.unwrap_or_else(|| Map::new().into()))
        },
        "Return what there is to know of a boolean.",
        "salt '*' selinux.getsebool virt_use_usb"
    ),
    row!(
        "selinux.list_sebool",
        "",
        |ctx, _| needed(|| Ok(booleans(ctx)?.into())),
        "List all booleans: what they are and what they will be.",
        "salt '*' selinux.list_sebool"
    ),
    row!(
        "selinux.selinux_fs_path",
        "",
        |_, _| needed(|| Ok(kernel().map(|p| p.display().to_string()).into())),
        "Return where the kernel shows SELinux.",
        "salt '*' selinux.selinux_fs_path"
    ),
    row!(
        "selinux.setenforce",
        "mode",
        |_, args| needed(|| set_mode(args.get("mode"))),
        "Set the mode of the kernel and of the configuration file.",
        "salt '*' selinux.setenforce enforcing"
    ),
    row!(
        "selinux.setsebool",
        "boolean, value, persist=False",
        |ctx, args| {
            let words = [args.get("boolean"), args.get("value")];
            needed(|| set(ctx, args, words.map(python::text).to_vec()))
        },
        "Set a boolean, with ``persist`` for good.",
        "salt '*' selinux.setsebool virt_use_usb off"
    ),
    row!(
        "selinux.setsebools",
        "pairs, persist=False",
        |ctx, args| {
            let pairs = args.get("pairs").as_map().cloned().unwrap_or_default();
            let word = |(key, value): (&Value, &Value)| {
                format!("{}={}", python::text(key), python::text(value))
            };
            needed(|| set(ctx, args, pairs.iter().map(word).collect()))
        },
        "Set booleans, with ``persist`` for good.",
        "salt '*' selinux.setsebools '{virt_use_usb: on, squid_use_tproxy: off}'"
    ),
];

const CONFIG: &str = "/etc/selinux/config";

/// Salt has these functions where its programs are.
fn needed<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    let missing = ["semanage", "setsebool", "semodule"]
        .into_iter()
        .find(|program| which(program).is_none());
    match missing {
        Some(program) => Err(Error::MissingCommand(format!(
            "{program} is not in the path"
        ))),
        None => run(),
    }
}

fn kernel() -> Option<PathBuf> {
    let places = ["/sys/fs/selinux", "/selinux"].map(PathBuf::from);
    places.into_iter().find(|dir| dir.join("enforce").is_file())
}

fn mode() -> &'static str {
    match kernel().map(|dir| fs::read_to_string(dir.join("enforce"))) {
        Some(Ok(text)) if text.lines().next().map(str::trim) == Some("0") => "Permissive",
        Some(Ok(_)) => "Enforcing",
        _ => "Disabled",
    }
}

fn configured() -> Option<String> {
    let text = fs::read_to_string(CONFIG).ok()?;
    let value = text
        .lines()
        .find_map(|l| l.trim().strip_prefix("SELINUX="))?;
    let mut letters = value.chars();
    let first = letters.next()?.to_uppercase();
    let text: String = first.chain(letters.flat_map(char::to_lowercase)).collect();
    Some(text.trim_start().to_owned())
}

fn set_mode(wanted: &Value) -> Result {
    let word = wanted.as_str().unwrap_or_default().to_lowercase();
    let number = match word.as_str() {
        "enforcing" => "1",
        "permissive" | "disabled" => "0",
        _ => {
            return Err(Error::invocation(format!(
                "Invalid mode {}",
                python::text(wanted)
            )));
        }
    };
    let failed = |what: &str, path: &Path, e: &std::io::Error| {
        let why = python::os_error(path, e);
        Error::execution(format!("Could not {what} file: {why}"))
    };
    if let Some(dir) = kernel().filter(|_| mode() != "Disabled") {
        let file = dir.join("enforce");
        fs::write(&file, number).map_err(|e| failed("write SELinux enforce", &file, &e))?;
    }
    let path = Path::new(CONFIG);
    let text = fs::read_to_string(path).map_err(|e| failed("read SELinux config", path, &e))?;
    // The first line is a comment in every such file; Salt leaves it alone whatever it is.
    let line = |(at, line): (usize, &str)| {
        if at > 0 && line.starts_with("SELINUX=") && line.ends_with('\n') {
            format!("SELINUX={word}\n")
        } else {
            line.to_owned()
        }
    };
    let text: String = text.split_inclusive('\n').enumerate().map(line).collect();
    rewrite(path, text.as_bytes(), 0o644).map_err(|e| failed("write SELinux config", path, &e))?;
    Ok(mode().into())
}

fn booleans(ctx: &Context) -> Result<Map> {
    let words = vec!["semanage", "boolean", "--list"];
    let said = python::text(&ctx.cmd("cmd.run", words, Map::new())?);
    let mut all = Map::new();
    for line in said.lines().skip(1) {
        // `name (off , on) what it is for`
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, state, _, default, rest @ ..] = words.as_slice() {
            let about = map! {
                "State" => state.trim_start_matches('('), "Default" => default.trim_end_matches(')'),
                "Description" => rest.join(" "),
            };
            all.insert((*name).into(), about.into());
        }
    }
    Ok(all)
}

fn set(ctx: &Context, args: &Args, pairs: Vec<String>) -> Result {
    let mut words = vec!["setsebool".to_owned()];
    if args.flag("persist") {
        words.push("-P".to_owned());
    }
    words.extend(pairs);
    let code = ctx.cmd("cmd.retcode", words, Map::new())?;
    Ok((!code.is_truthy()).into())
}
