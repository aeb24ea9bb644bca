//! `disk`: how full file systems are, and what block devices say of themselves.

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::env::which;
use crate::host::mount;
use crate::host::program::Said;

/// The rows of `disk`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "disk.blkid",
        "device=None, token=None",
        |ctx, args| {
            let (device, token) = (args.opt_text("device")?, args.opt_text("token")?);
            Ok(blkid(ctx, device.as_deref(), token.as_deref())?.into())
        },
        "Return what block devices hold: UUID, LABEL, TYPE.",
        "salt '*' disk.blkid /dev/sda"
    ),
    row!(
        "disk.dump",
        "device, args=None",
        dump,
        "Return what ``blockdev`` knows of a device.",
        "salt '*' disk.dump /dev/sda1"
    ),
    row!(
        "disk.format",
        "device, fs_type='ext4', inode_size=None, lazy_itable_init=None, fat=None, force=False",
        format,
        "Make a file system on a device; what is on it is lost.",
        "salt '*' disk.format /dev/sdX1"
    ),
    row!(
        "disk.fstype",
        "device",
        |ctx, args| fstype(ctx, &args.text("device")?),
        "Return the kind of file system of a device.",
        "salt '*' disk.fstype /dev/sdX1"
    ),
    row!(
        "disk.get_fstype_from_path",
        "path",
        |ctx, args| {
            let path = args.text("path")?;
            let device = mount::device_of(Path::new(&path)).map_err(Error::Execution)?;
            fstype(ctx, device.as_deref().unwrap_or("None"))
        },
        "Return the kind of file system below a path.",
        "salt '*' disk.get_fstype_from_path /root"
    ),
    row!(
        "disk.inodeusage",
        "args=None",
        inodeusage,
        "Return how many inodes of each file system are used.",
        "salt '*' disk.inodeusage"
    ),
    row!(
        "disk.percent",
        "args=None",
        percent,
        "Return how full each file system is, or the one mounted there.",
        "salt '*' disk.percent /var"
    ),
    row!(
        "disk.resize2fs",
        "device",
        |ctx, args| {
            let said = run(ctx, &["resize2fs", &args.text("device")?])?;
            Ok(if said.fine() {
                true.into()
            } else {
                Value::Null
            })
        },
        "Make a file system as large as its device.",
        "salt '*' disk.resize2fs /dev/sda1"
    ),
    row!(
        "disk.tune",
        "device, **kwargs",
        tune,
        "Set attributes of a device: read-ahead, filesystem-read-ahead, read-only, read-write.",
        "salt '*' disk.tune /dev/sda1 read-ahead=1024 read-write=True"
    ),
    row!(
        "disk.usage",
        "args=None",
        usage,
        "Return how much of each file system is used.",
        "salt '*' disk.usage"
    ),
    row!(
        "disk.wipe",
        "device",
        |ctx, args| Ok(run(ctx, &["wipefs", "-a", &args.text("device")?])?
            .fine()
            .into()),
        "Take the marks of file systems from a device.",
        "salt '*' disk.wipe /dev/sda1"
    ),
];

/// Runs a program; its failure is the call's return code, as with `cmd.run`.
fn run(ctx: &Context, argv: &[&str]) -> Result<Said> {
    let said = ctx.programs().run(argv).map_err(Error::Execution)?;
    if !said.fine() {
        ctx.job.set_retcode(said.retcode.into());
    }
    Ok(said)
}

/// Letters that `df` may be given.
const FLAGS: &str = "aBhHiklPtTxv";

fn flags(args: &Args, caller: &str) -> Result<Option<String>> {
    let letters: Vec<String> = match args.get("args") {
        Value::Null => return Ok(None),
        Value::List(list) => list.iter().map(python::text).collect(),
        other => python::text(other).chars().map(String::from).collect(),
    };
    if letters
        .iter()
        .any(|l| l.chars().count() != 1 || !FLAGS.contains(l.as_str()))
    {
        return Err(Error::execution(format!("Invalid flag passed to {caller}")));
    }
    Ok(Some(letters.concat()).filter(|l| !l.is_empty()))
}

/// The words of each line of `df`, the device's blanks in one word.
fn df(ctx: &Context, first: &str, flags: Option<String>) -> Result<Vec<Vec<String>>> {
    let flags = flags.map(|f| format!("-{f}"));
    let mut argv = vec!["df", first];
    argv.extend(flags.as_deref());
    let said = run(ctx, &argv)?;
    let mut lines = Vec::new();
    let mut held: Option<String> = None;
    for line in said.stdout.lines() {
        if line.is_empty() || line.starts_with("Filesystem") {
            continue;
        }
        let line = held
            .take()
            .map_or_else(|| line.to_owned(), |h| format!("{h} {line}"));
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if words.len() == 1 {
            held = Some(line);
            continue;
        }
        let number = |w: &String| w.chars().all(|c| c.is_ascii_digit());
        while words.len() >= 2 && first != "-iP" && !number(&words[1]) {
            let next = words.remove(1);
            words[0] += &format!(" {next}");
        }
        if words.len() >= 2 {
            lines.push(words);
        }
    }
    Ok(lines)
}

/// What the lines say, by the place where each is mounted. Of a line that is too short Salt forgets all before it.
fn by_place(lines: &[Vec<String>], what: impl Fn([&str; 5]) -> Value) -> Map {
    let mut all = Map::new();
    for words in lines {
        match &words[..] {
            [device, size, used, free, share, place, ..] => {
                let what = what([device, size, used, free, share]);
                all.insert(place.as_str().into(), what);
            }
            _ => all.clear(),
        }
    }
    all
}

fn usage(ctx: &Context, args: &Args) -> Result {
    let flags = flags(args, "disk.usage")?;
    if !Path::new("/etc/mtab").is_file() {
        tracing::error!("df cannot run without /etc/mtab.");
        return Ok(Map::new().into());
    }
    let all = by_place(
        &df(ctx, "-P", flags)?,
        |[device, size, used, free, share]| {
            let one = map! {
                "filesystem" => device, "1K-blocks" => size, "used" => used,
                "available" => free, "capacity" => share,
            };
            one.into()
        },
    );
    Ok(all.into())
}

fn inodeusage(ctx: &Context, args: &Args) -> Result {
    let flags = flags(args, "disk.inodeusage")?;
    let all = by_place(
        &df(ctx, "-iP", flags)?,
        |[device, inodes, used, free, share]| {
            let one = map! {
                "inodes" => inodes, "used" => used, "free" => free, "use" => share,
                "filesystem" => device,
            };
            one.into()
        },
    );
    Ok(all.into())
}

fn percent(ctx: &Context, args: &Args) -> Result {
    let all = by_place(&df(ctx, "-P", None)?, |[.., share]| share.into());
    let wanted = args.get("args");
    if !wanted.is_truthy() {
        return Ok(all.into());
    }
    Ok(all
        .get(wanted)
        .cloned()
        .unwrap_or_else(|| Map::new().into()))
}

/// What block devices hold, by device.
pub(super) fn blkid(ctx: &Context, device: Option<&str>, token: Option<&str>) -> Result<Map> {
    if which("blkid").is_none() {
        return Err(Error::MissingCommand(
            "'blkid' binary was not found in $PATH.".to_owned(),
        ));
    }
    let mut argv = vec!["blkid"];
    match (device, token) {
        (Some(device), _) => argv.push(device),
        (None, Some(token)) => argv.extend(["-t", token]),
        (None, None) => {}
    }
    let said = run(ctx, &argv)?;
    let mut all = Map::new();
    if !said.fine() {
        return Ok(all);
    }
    for line in said.stdout.lines() {
        let Some((device, rest)) = line.split_once(' ') else {
            continue;
        };
        let mut info = Map::new();
        let parts: Vec<&str> = rest.split('"').collect();
        for pair in parts.chunks_exact(2) {
            let key = pair[0].trim_matches('=').trim_matches(' ');
            info.insert(key.trim_end_matches('=').into(), pair[1].into());
        }
        let device = device.strip_suffix(':').unwrap_or(device);
        all.insert(device.into(), info.into());
    }
    Ok(all)
}

fn fstype(ctx: &Context, device: &str) -> Result {
    let second = |argv: &[&str]| -> Result<Option<String>> {
        if which(argv[0]).is_none() {
            return Ok(None);
        }
        let said = run(ctx, argv)?;
        let line = said.stdout.lines().nth(1).map(str::to_owned);
        Ok(line.filter(|l| !l.trim().is_empty()))
    };
    if let Some(kind) = second(&["lsblk", "-o", "fstype", device])? {
        return Ok(kind.trim().into());
    }
    // The whole line, as Salt gives it.
    Ok(second(&["df", "-T", device])?.unwrap_or_default().into())
}

/// What `blockdev` is asked for.
const ASKED: [&str; 12] = [
    "getro",
    "getsz",
    "getss",
    "getpbsz",
    "getiomin",
    "getioopt",
    "getalignoff",
    "getmaxsect",
    "getsize",
    "getsize64",
    "getra",
    "getfra",
];

fn dumped(ctx: &Context, device: &str, wanted: &[String]) -> Result {
    let asked: Vec<String> = ASKED.iter().map(|a| format!("--{a}")).collect();
    let mut argv = vec!["blockdev"];
    argv.extend(asked.iter().map(String::as_str));
    argv.push(device);
    let said = run(ctx, &argv)?;
    if !said.fine() {
        return Ok(false.into());
    }
    let lines = said.stdout.lines().filter(|l| !l.is_empty());
    let all: Map = ASKED
        .iter()
        .zip(lines)
        .map(|(k, v)| ((*k).into(), v.into()))
        .collect();
    if wanted.is_empty() {
        return Ok(all.into());
    }
    let mut some = Map::new();
    for key in wanted {
        let value = all
            .get(key.as_str())
            .ok_or_else(|| Error::key(key.as_str()))?;
        some.insert(key.as_str().into(), value.clone());
    }
    Ok(some.into())
}

fn dump(ctx: &Context, args: &Args) -> Result {
    let wanted: Vec<String> = match args.get("args") {
        Value::List(list) => list.iter().map(python::text).collect(),
        _ => Vec::new(),
    };
    dumped(ctx, &args.text("device")?, &wanted)
}

fn tune(ctx: &Context, args: &Args) -> Result {
    let (mut words, mut shown, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in &super::clean(&args.extra) {
        let name = python::text(key);
        let yes = *value == Value::Bool(true) || value.as_str() == Some("True");
        match name.as_str() {
            "read-ahead" | "filesystem-read-ahead" => {
                let short = if name == "read-ahead" { "ra" } else { "fra" };
                words.push(format!("--set{short}"));
                words.push(python::text(value));
                shown.push(format!("get{short}"));
            }
            "read-only" | "read-write" if yes => {
                let short = if name == "read-only" { "ro" } else { "rw" };
                words.push(format!("--set{short}"));
                shown.push("getro".to_owned());
            }
            _ => invalid.push(format!("{name}={}", python::text(value))),
        }
    }
    if !invalid.is_empty() {
        return Err(Error::invocation(format!(
            "Invalid keyword arguments: {}",
            invalid.join(", ")
        )));
    }
    let device = args.text("device")?;
    let mut argv = vec!["blockdev"];
    argv.extend(words.iter().map(String::as_str));
    argv.push(&device);
    let said = run(ctx, &argv)?;
    if !said.fine() {
        return Err(Error::execution(said.stderr));
    }
    dumped(ctx, &device, &shown)
}

fn format(ctx: &Context, args: &Args) -> Result {
    let (device, kind) = (args.text("device")?, args.text("fs_type")?);
    let mut argv = vec!["mkfs".to_owned(), "-t".to_owned(), kind.clone()];
    let ext = kind.starts_with("ext");
    if let Some(size) = args.opt_text("inode_size")? {
        match (ext, kind.as_str()) {
            (true, _) => argv.extend(["-i".to_owned(), size]),
            (false, "xfs") => argv.extend(["-i".to_owned(), format!("size={size}")]),
            _ => {}
        }
    }
    if let Some(lazy) = args.opt_text("lazy_itable_init")?.filter(|_| ext) {
        argv.extend(["-E".to_owned(), format!("lazy_itable_init={lazy}")]);
    }
    if let Some(fat @ (12 | 16 | 32)) = args.get("fat").as_int().filter(|_| kind.ends_with("fat")) {
        argv.extend(["-F".to_owned(), fat.to_string()]);
    }
    if args.flag("force") {
        match (ext, kind.as_str()) {
            (true, _) => argv.push("-F".to_owned()),
            (false, "xfs") => argv.push("-f".to_owned()),
            _ => {}
        }
    }
    argv.push(device);
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let made = ctx.programs().work(&words).map_err(Error::Execution)?;
    let kept = ctx.programs().work(&["sync"]).map_err(Error::Execution)?;
    Ok((made.fine() && kept.fine()).into())
}
