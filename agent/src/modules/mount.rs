//! `mount`: file systems mounted and unmounted, what fstab says of them, and swap.

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Function, disk, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::env::which;
use crate::host::mount::{self, Entry, Swap};
use crate::host::perms;

/// The rows of `mount`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "mount.active",
        "extended=False",
        active,
        "Return what is mounted.",
        "salt '*' mount.active"
    ),
    row!(
        "mount.fstab",
        "config='/etc/fstab'",
        |_, args| Ok(fstab(Path::new(&args.text("config")?)).into()),
        "Return the entries of fstab.",
        "salt '*' mount.fstab"
    ),
    row!(
        "mount.get_device_from_path",
        "path",
        |_, args| {
            let found = mount::device_of(Path::new(&args.text("path")?));
            Ok(found.map_err(Error::Execution)?.into())
        },
        "Return the device below a path.",
        "salt '*' mount.get_device_from_path /"
    ),
    row!(
        "mount.get_mount_from_path",
        "path",
        |_, args| {
            let place = mount::place_of(Path::new(&args.text("path")?));
            Ok(place.to_string_lossy().as_ref().into())
        },
        "Return where the file system of a path is mounted.",
        "salt '*' mount.get_mount_from_path /opt/some/nested/path"
    ),
    row!(
        "mount.is_fuse_exec",
        "cmd",
        is_fuse_exec,
        "Whether a program mounts by FUSE.",
        "salt '*' mount.is_fuse_exec sshfs"
    ),
    row!(
        "mount.is_mounted",
        "name",
        |_, args| Ok(is_mounted(&args.text("name")?)?.into()),
        "Whether something is mounted there.",
        "salt '*' mount.is_mounted /mnt/share"
    ),
    row!(
        "mount.mount",
        "name, device=False, mkmnt=False, fstype='', opts='defaults', user=None, util='mount'",
        |ctx, args| mounted(ctx, args, false),
        "Mount a device, or what fstab says of this place.",
        "salt '*' mount.mount /mnt/foo /dev/sdz1 True"
    ),
    row!(
        "mount.remount",
        "name, device, mkmnt=False, fstype='', opts='defaults', user=None",
        |ctx, args| mounted(ctx, args, true),
        "Mount a device anew with other options; mount it if it is not.",
        "salt '*' mount.remount /mnt/foo /dev/sdz1 True"
    ),
    row!(
        "mount.rm_fstab",
        "name, device, config='/etc/fstab'",
        |_, args| {
            let (name, config) = (args.text("name")?, args.text("config")?);
            let device = args.opt_text("device")?;
            mount::rm_fstab(&name, device.as_deref(), Path::new(&config))
                .map_err(Error::Execution)?;
            Ok(true.into())
        },
        "Take an entry out of fstab.",
        "salt '*' mount.rm_fstab /mnt/foo /dev/sdg"
    ),
    row!(
        "mount.set_fstab",
        "name, device, fstype, opts='defaults', dump=0, pass_num=0, config='/etc/fstab', test=False, match_on='auto', not_change=False, **kwargs",
        set_fstab,
        "Put an entry into fstab; the answer is new, change or present.",
        "salt '*' mount.set_fstab /mnt/foo /dev/sdz1 ext4"
    ),
    row!(
        "mount.swapoff",
        "name",
        |ctx, args| {
            let name = args.text("name")?;
            if !mount::swaps().contains_key(&name) {
                return Ok(Value::Null);
            }
            tell(ctx, mount::swap(&ctx.programs(), &name, false));
            Ok((!mount::swaps().contains_key(&name)).into())
        },
        "Stop swapping to a file or device.",
        "salt '*' mount.swapoff /root/swapfile"
    ),
    row!(
        "mount.swapon",
        "name, priority=None",
        swapon,
        "Swap to a file or device.",
        "salt '*' mount.swapon /root/swapfile"
    ),
    row!(
        "mount.swaps",
        "",
        |_, _| {
            let all = mount::swaps().into_iter();
            let all: Map = all.map(|(name, one)| (name.into(), stats(&one))).collect();
            Ok(all.into())
        },
        "Return the swap that is in use.",
        "salt '*' mount.swaps"
    ),
    row!(
        "mount.umount",
        "name, device=None, user=None, util='mount', lazy=False",
        umount,
        "Unmount what is mounted there.",
        "salt '*' mount.umount /mnt/foo"
    ),
];

/// A program that failed on the way leaves its mark on the call's return code.
fn tell(ctx: &Context, done: std::result::Result<(), String>) {
    if done.is_err() {
        ctx.job.set_retcode(1);
    }
}

/// Options with accounts as numbers.
fn by_number(options: &[String]) -> Vec<String> {
    let one = |option: &String| {
        let (key, name) = option.split_once('=')?;
        let number = match key {
            "uid" => perms::uid_of(name),
            "gid" => perms::gid_of(name),
            _ => None,
        };
        number.map(|n| format!("{key}={n}"))
    };
    options
        .iter()
        .map(|o| one(o).unwrap_or_else(|| o.clone()).replace("\\040", "\\ "))
        .collect()
}

fn active(ctx: &Context, args: &Args) -> Result {
    let said = ctx
        .programs()
        .run(&["mount", "-l"])
        .map_err(Error::Execution)?;
    let words = |line: &str| -> Option<(String, String)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(((*words.get(2)?).to_owned(), (*words.first()?).to_owned()))
    };
    let listed: std::collections::HashMap<String, String> =
        said.stdout.lines().filter_map(words).collect();
    let mut all = Map::new();
    if !args.flag("extended") {
        for (place, [device, fstype, options]) in mount::mounts().map_err(Error::Execution)? {
            let options: Vec<String> = options.split(',').map(str::to_owned).collect();
            let one = map! {
                "device" => device, "alt_device" => listed.get(&place).cloned(),
                "fstype" => fstype, "opts" => by_number(&options),
            };
            all.insert(place.into(), one.into());
        }
        return Ok(all.into());
    }
    let ids = disk::blkid(ctx, None, None)?;
    for (place, now) in mount::active().map_err(Error::Execution)? {
        let of = |key: &str| {
            let value = ids.get(now.device.as_str()).and_then(|d| d.get(key));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        let [mountid, parentid, major, minor, root] = now.numbers;
        let one = map! {
            "mountid" => mountid, "parentid" => parentid, "major" => major, "minor" => minor,
            "root" => root, "opts" => by_number(&now.opts), "fstype" => now.fstype,
            "superopts" => by_number(&now.superopts),
            "alt_device" => listed.get(&place).cloned(),
            "device_uuid" => of("UUID").map(|u| u.to_lowercase()),
            "device_label" => of("LABEL"), "device" => now.device.as_str(),
        };
        all.insert(place.into(), one.into());
    }
    Ok(all.into())
}

fn fstab(config: &Path) -> Map {
    let mut all = Map::new();
    for entry in mount::fstab(config) {
        let mut name = entry.name;
        while all.contains_key(name.as_str()) {
            name.push('_');
        }
        let opts: Vec<String> = entry.opts.split(',').map(str::to_owned).collect();
        let one = map! {
            "device" => entry.device, "fstype" => entry.fstype, "opts" => opts,
            "dump" => entry.dump, "pass" => entry.pass_num,
        };
        all.insert(name.into(), one.into());
    }
    all
}

fn is_mounted(name: &str) -> Result<bool> {
    let now = mount::active().map_err(Error::Execution)?;
    Ok(now.contains_key(name))
}

fn is_fuse_exec(ctx: &Context, args: &Args) -> Result {
    let Some(path) = which(&args.text("cmd")?) else {
        return Ok(false.into());
    };
    if which("ldd").is_none() {
        return Err(Error::MissingCommand("ldd".to_owned()));
    }
    let said = ctx.programs().run(&["ldd", &path.to_string_lossy()]);
    let said = said.map_err(Error::Execution)?;
    Ok(said.stdout.contains("libfuse").into())
}

/// An argument that only Salt itself carries out.
fn refuse(args: &Args, name: &str) -> Result<()> {
    if args.flag(name) {
        return Err(Error::execution(format!(
            "The argument '{name}' is not supported by this agent"
        )));
    }
    Ok(())
}

fn options(args: &Args) -> Vec<String> {
    match args.get("opts") {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        text => python::text(text).split(',').map(str::to_owned).collect(),
    }
}

fn mounted(ctx: &Context, args: &Args, again: bool) -> Result {
    refuse(args, "user")?;
    if !again && args.text("util")? != "mount" {
        return Err(Error::execution(
            "Only util='mount' is supported by this agent",
        ));
    }
    let (name, fstype) = (args.text("name")?, args.text("fstype")?);
    let device = args.get("device");
    let device = device.is_truthy().then(|| python::text(device));
    let mut opts = options(args);
    if again && is_mounted(&name)? {
        if !opts.iter().any(|o| o == "remount") {
            opts.push("remount".to_owned());
        }
    } else if args.flag("mkmnt") && !Path::new(&name).exists() {
        mount::make_place(&name).map_err(Error::Execution)?;
    }
    let done = mount::mount(&ctx.programs(), &name, device.as_deref(), &fstype, &opts);
    Ok(worded(ctx, done))
}

/// True, or what the program complained of.
fn worded(ctx: &Context, done: std::result::Result<(), String>) -> Value {
    match done {
        Ok(()) => true.into(),
        Err(said) => {
            ctx.job.set_retcode(1);
            said.into()
        }
    }
}

fn umount(ctx: &Context, args: &Args) -> Result {
    refuse(args, "user")?;
    let name = args.text("name")?;
    if !is_mounted(&name)? {
        return Ok(format!("{name} does not have anything mounted").into());
    }
    let device = args.opt_text("device")?.filter(|d| !d.is_empty());
    let what = device.as_deref().unwrap_or(&name);
    let done = mount::umount(&ctx.programs(), what, args.flag("lazy"));
    Ok(worded(ctx, done))
}

fn set_fstab(_: &Context, args: &Args) -> Result {
    let keys = match args.get("match_on") {
        Value::List(list) => Some(list.iter().map(python::text).collect::<Vec<_>>()),
        Value::Str(word) if word == "auto" => None,
        Value::Str(word) => Some(vec![word.clone()]),
        _ => {
            return Err(Error::execution(
                "match_on must be a string or list of strings",
            ));
        }
    };
    let entry = Entry {
        device: args.text("device")?,
        name: args.text("name")?,
        fstype: args.text("fstype")?,
        opts: options(args).join(","),
        dump: python::text(args.get("dump")),
        pass_num: python::text(args.get("pass_num")),
    };
    let config = PathBuf::from(args.text("config")?);
    let (keep, test) = (args.flag("not_change"), args.flag("test"));
    let standing = mount::set_fstab(&entry, &config, keys.as_deref(), keep, test);
    Ok(standing.map_err(Error::Execution)?.word().into())
}

fn stats(swap: &Swap) -> Value {
    Value::Map(map! {
        "type" => swap.kind.as_str(), "size" => swap.size.as_str(), "used" => swap.used.as_str(),
        "priority" => swap.priority.as_str(),
    })
}

fn swapon(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let found = |new: bool| {
        let now = mount::swaps();
        now.get(&name)
            .map(|s| Value::Map(map! { "stats" => stats(s), "new" => new }))
    };
    if let Some(already) = found(false) {
        return Ok(already);
    }
    let mut argv = vec!["swapon".to_owned(), name.clone()];
    let priority = args.get("priority");
    if priority.is_truthy() {
        argv.extend(["-p".to_owned(), python::text(priority)]);
    }
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let said = ctx.programs().run(&words).map_err(Error::Execution)?;
    if !said.fine() {
        ctx.job.set_retcode(said.retcode.into());
    }
    Ok(found(true).unwrap_or_else(|| Map::new().into()))
}
