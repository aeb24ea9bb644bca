//! `mount`: file systems mounted and written down, and swap.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::mount::{self, Active, Entry, Standing};

/// The rows of `mount`.
pub const STATES: &[State] = &[
    State {
        name: "mount.mounted",
        signature: "name, device, fstype, mkmnt=False, opts='defaults', dump=0, pass_num=0, config='/etc/fstab', persist=True, mount=True, user=None, match_on='auto', device_name_regex=None, extra_mount_invisible_options=None, extra_mount_invisible_keys=None, extra_mount_ignore_fs_keys=None, extra_mount_translate_options=None, hidden_opts=None, bind_mount_copy_active_opts=True, **kwargs",
        doc: "Ensure that a file system is mounted, and on wish at every start.",
        run: mounted,
    },
    State {
        name: "mount.unmounted",
        signature: "name, device=None, config='/etc/fstab', persist=False, user=None, **kwargs",
        doc: "Ensure that a file system is not mounted, and on wish at no start.",
        run: unmounted,
    },
    State {
        name: "mount.swap",
        signature: "name, persist=True, config='/etc/fstab'",
        doc: "Ensure that a file or device is swapped to, and on wish at every start.",
        run: swap,
    },
    State {
        name: "mount.fstab_present",
        signature: "name, fs_file, fs_vfstype, fs_mntops='defaults', fs_freq=0, fs_passno=0, mount_by=None, config='/etc/fstab', mount=True, match_on='auto', not_change=False, fs_mount=True",
        doc: "Ensure that an entry is in fstab.",
        run: fstab_present,
    },
    State {
        name: "mount.fstab_absent",
        signature: "name, fs_file, mount_by=None, config='/etc/fstab'",
        doc: "Ensure that an entry is not in fstab.",
        run: fstab_absent,
    },
];

type Done = Result<Outcome, Error>;

/// Options that the kernel does not show, and so cannot be compared.
const INVISIBLE: &[&str] = &[
    "_netdev",
    "actimeo",
    "auto",
    "backup-volfile-servers",
    "bg",
    "bind",
    "comment",
    "credentials",
    "defaults",
    "delay_connect",
    "direct-io-mode",
    "intr",
    "loop",
    "nobootwait",
    "nofail",
    "nointr",
    "nonempty",
    "password",
    "port",
    "reconnect",
    "retry",
    "secretfile",
    "soft",
    "transform_symlinks",
    "users",
];

/// Those of which only the name counts.
const INVISIBLE_KEYS: &[&str] = &[
    "actimeo",
    "comment",
    "credentials",
    "direct-io-mode",
    "password",
    "port",
    "retry",
    "secretfile",
];

/// Arguments that this agent does not carry out.
const UNSUPPORTED: &[&str] = &[
    "user",
    "extra_mount_ignore_fs_keys",
    "extra_mount_translate_options",
];

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        text => python::text(text).split(',').map(str::to_owned).collect(),
    }
}

fn match_on(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(list) => Some(list.iter().map(python::text).collect()),
        Value::Str(word) if word != "auto" => Some(vec![word.clone()]),
        _ => None,
    }
}

fn resolved(path: &str) -> String {
    fs::canonicalize(path).map_or_else(|_| path.to_owned(), |p| p.to_string_lossy().into_owned())
}

/// `size=1g` as the kernel has it.
fn in_kilobytes(option: &str) -> Option<String> {
    let value = option.strip_prefix("size=")?;
    let unit = value.chars().last()?;
    let factor = match unit {
        'k' => 1,
        'm' => 1024,
        'g' => 1024 * 1024,
        _ => return None,
    };
    let number: u64 = value[..value.len() - 1].parse().ok()?;
    Some(format!("size={}k", number.saturating_mul(factor)))
}

/// The options that are wanted and not in force.
fn missing(run: &Run<'_>, opts: &[String], now: &Active, fstype: &str) -> Vec<String> {
    let hidden = list(run.args.get("hidden_opts"));
    let extra = list(run.args.get("extra_mount_invisible_options"));
    let extra_keys = list(run.args.get("extra_mount_invisible_keys"));
    let supers: Vec<String> = now
        .superopts
        .iter()
        .map(|o| in_kilobytes(o).unwrap_or_else(|| o.clone()))
        .collect();
    let mut gone: Vec<String> = Vec::new();
    // Where the kernel tells a size Salt takes every option for that size: none is ever missing.
    if now.superopts.iter().any(|o| in_kilobytes(o).is_some()) {
        return gone;
    }
    for option in opts {
        let key = option.split('=').next().unwrap_or_default();
        let option = match option.as_str() {
            "tcp" => "proto=tcp".to_owned(),
            "udp" => "proto=udp".to_owned(),
            _ if INVISIBLE_KEYS.contains(&key) || extra_keys.iter().any(|k| k == key) => {
                key.to_owned()
            }
            other => in_kilobytes(other).unwrap_or_else(|| other.to_owned()),
        };
        let option = match option.split_once('=') {
            Some(("user", name)) if fstype == "cifs" => format!("username={name}"),
            Some(("size", _)) if fstype == "ramfs" => continue,
            Some((kind @ ("uid" | "gid"), name)) => {
                let value = Value::from(name);
                let number = if kind == "uid" {
                    super::file::uid(&value)
                } else {
                    super::file::gid(&value)
                };
                number.map_or(option.clone(), |n| format!("{kind}={n}"))
            }
            _ => option,
        };
        let known = now.opts.contains(&option)
            || supers.contains(&option)
            || INVISIBLE.contains(&option.as_str())
            || [&hidden, &extra, &extra_keys]
                .iter()
                .any(|l| l.contains(&option));
        if !known {
            gone.push(option);
        }
    }
    gone.sort();
    gone
}

fn active() -> Result<indexmap::IndexMap<String, Active>, Error> {
    mount::active().map_err(Error::Execution)
}

fn mounted(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    for argument in ["name", "device", "fstype"] {
        if !args.flag(argument) {
            return Ok(Outcome::failed(format!(
                "Must provide {argument} to mount.mounted"
            )));
        }
    }
    for argument in UNSUPPORTED {
        if args.flag(argument) {
            return Ok(Outcome::failed(format!(
                "The argument '{argument}' of mount.mounted is not supported by this agent"
            )));
        }
    }
    let mut name = args.text("name")?;
    if name != "/" {
        name = name.trim_end_matches('/').to_owned();
    }
    let (device, fstype) = (args.text("device")?, args.text("fstype")?);
    let (opts, programs) = (list(args.get("opts")), ctx.programs());
    let real_name = resolved(&name);
    let place = mount::escaped(&real_name);
    let mut now = active()?;
    let real_device = real_device(ctx, &device, &opts, now.get(&place), &now)?;
    let mut out = Outcome::unchanged("");
    let wanted = args.flag("mount");
    if let Some(entry) = now.get(&place).filter(|_| wanted).cloned() {
        let gone = missing(run, &opts, &entry, &fstype);
        if !gone.is_empty() {
            let gone = gone.join(",");
            if run.test {
                return Ok(Outcome::would(
                    Map::new(),
                    format!("Remount would be forced because options ({gone}) changed"),
                ));
            }
            let told = remount(&programs, &real_name, &device, &fstype, &opts);
            let (text, done) = match told {
                Ok(lazy) => (lazy, true),
                Err(error) => {
                    out.comment = error;
                    ("remount", false)
                }
            };
            out.changes.insert(
                "umount".into(),
                format!("Forced {text} because options ({gone}) changed").into(),
            );
            out.result = Some(done);
            if !done {
                return Ok(out);
            }
        }
        let mut devices = vec![entry.device.clone(), resolved(&entry.device)];
        devices.dedup();
        let regexes = list(args.get("device_name_regex"));
        let ignored = devices.iter().find(|d| {
            regexes
                .iter()
                .any(|r| crate::targeting::pcre::matches(r, d))
        });
        if devices.contains(&real_device) {
            out.comment = "Target was already mounted".to_owned();
        } else if let Some(ignored) = ignored {
            out.comment = format!(
                "An umount will not be forced because device matched device_name_regex: {ignored}"
            );
        } else if run.test {
            out.result = None;
            out.comment = format!(
                "An umount would have been forced because devices do not match.  Watched: {device}"
            );
        } else {
            let mut text = format!("Forced unmount because devices don't match. Wanted: {device}");
            if real_device != device {
                text += &format!(" ({real_device})");
            }
            text += &format!(", current: {}", devices.join(", "));
            out.changes.insert("umount".into(), text.into());
            drop(mount::umount(&programs, &real_name, false));
            now = active()?;
            if now.contains_key(&place) {
                out.result = Some(false);
                out.comment = "Unable to unmount".to_owned();
                return Ok(out);
            }
        }
    }
    if !now.contains_key(&place)
        && let Some(stopped) = self::place(ctx, run, &name, &place, &device, &mut out)?
    {
        return Ok(stopped);
    }
    if args.flag("persist") {
        persist(run, &name, &device, &fstype, &opts, &mut out)?;
    }
    Ok(out)
}

/// What the kernel will show as the device.
fn real_device(
    ctx: &Context,
    device: &str,
    opts: &[String],
    now: Option<&Active>,
    all: &indexmap::IndexMap<String, Active>,
) -> Result<String, Error> {
    let upper = device.to_uppercase();
    if device.starts_with('/') {
        if opts.iter().any(|o| o == "bind")
            && let Some(now) = now
        {
            // The device behind the directory that is bound: the nearest mount above it.
            let mut at = Some(Path::new(device));
            while let Some(path) = at {
                if let Some(above) = all.get(&mount::escaped(&path.to_string_lossy())) {
                    return Ok(above.device.clone());
                }
                at = path.parent();
            }
            return Ok(now.device.clone());
        }
        return Ok(resolved(device));
    }
    if upper.starts_with("UUID=") || upper.starts_with("LABEL=") {
        let said = ctx
            .programs()
            .run(&["blkid", "-o", "device", "-t", &device.replace('"', "")])
            .map_err(Error::Execution)?;
        if let Some(found) = said.stdout.lines().next() {
            return Ok(resolved(found));
        }
    }
    Ok(device.to_owned())
}

/// Mounts anew what cannot be changed in place; the word for what was done.
fn remount(
    programs: &crate::host::program::Programs<'_>,
    name: &str,
    device: &str,
    fstype: &str,
    opts: &[String],
) -> Result<&'static str, String> {
    if !matches!(fstype, "nfs" | "cvfs") && !fstype.starts_with("fuse") {
        let mut opts = opts.to_vec();
        if !opts.iter().any(|o| o == "remount") {
            opts.push("remount".to_owned());
        }
        mount::mount(programs, name, Some(device), fstype, &opts)?;
        return Ok("remount");
    }
    if mount::umount(programs, name, false).is_err() {
        mount::umount(programs, name, true)
            .map_err(|e| format!("Unable to unmount {name}: {e}."))?;
    }
    mount::mount(programs, name, Some(device), fstype, opts)?;
    Ok("unmount and mount")
}

/// Mounts what is not mounted; `Some` ends the state.
fn place(
    ctx: &Context,
    run: &Run<'_>,
    name: &str,
    place: &str,
    device: &str,
    out: &mut Outcome,
) -> Result<Option<Outcome>, Error> {
    let args = run.args;
    let (exists, make) = (Path::new(name).exists(), args.flag("mkmnt"));
    if args.flag("mount") {
        if run.test {
            let comment = match (exists, make) {
                (true, _) => format!("{name} would be mounted"),
                (false, true) => format!("{name} would be created and mounted"),
                (false, false) => format!("{name} does not exist and would not be created"),
            };
            return Ok(Some(Outcome::would(Map::new(), comment)));
        }
        if !exists && !make {
            return Ok(Some(Outcome::failed("Mount directory is not present")));
        }
        if !exists {
            mount::make_place(name).map_err(Error::Execution)?;
        }
        let (fstype, opts) = (args.text("fstype")?, list(args.get("opts")));
        if let Err(said) = mount::mount(&ctx.programs(), name, Some(device), &fstype, &opts) {
            return Ok(Some(Outcome {
                changes: std::mem::take(&mut out.changes),
                ..Outcome::failed(said)
            }));
        }
        if active()?.contains_key(place) {
            out.comment = "Target was successfully mounted".to_owned();
            out.changes.insert("mount".into(), true.into());
        }
        return Ok(None);
    }
    out.comment = match (exists, run.test, make) {
        (false, true, true) => format!("{name} would be created, but not mounted"),
        (false, true, false) => {
            format!("{name} does not exist and would neither be created nor mounted")
        }
        (false, false, true) => {
            mount::make_place(name).map_err(Error::Execution)?;
            format!("{name} was created, not mounted")
        }
        (false, false, false) => format!("{name} not present and not mounted"),
        (true, true, _) => format!("{name} would not be mounted"),
        (true, false, _) => format!("{name} not mounted"),
    };
    if !exists && run.test {
        out.result = None;
    }
    Ok(None)
}

/// Writes a mount down.
fn persist(
    run: &Run<'_>,
    name: &str,
    device: &str,
    fstype: &str,
    opts: &[String],
    out: &mut Outcome,
) -> Result<(), Error> {
    let args = run.args;
    let entry = Entry {
        device: device.to_owned(),
        name: name.to_owned(),
        fstype: fstype.to_owned(),
        opts: opts.join(","),
        dump: python::text(args.get("dump")),
        pass_num: python::text(args.get("pass_num")),
    };
    let config = PathBuf::from(args.text("config")?);
    let keys = match_on(args.get("match_on"));
    let standing = mount::set_fstab(&entry, &config, keys.as_deref(), false, run.test)
        .map_err(Error::Execution)?;
    if run.test {
        let wanted = args.flag("mount");
        let text = match (standing, wanted) {
            (Standing::Present, _) => return Ok(()),
            (Standing::New, true) => format!(
                "{name} is mounted, but needs to be written to the fstab in order to be made persistent."
            ),
            (Standing::New, false) => {
                format!("{name} needs to be written to the fstab in order to be made persistent.")
            }
            (Standing::Change, true) => {
                format!("{name} is mounted, but its fstab entry must be updated.")
            }
            (Standing::Change, false) => format!("The {name} fstab entry must be updated."),
        };
        out.result = None;
        out.comment = format!("{}. {text}", out.comment);
        return Ok(());
    }
    written(standing, out);
    Ok(())
}

/// What became of an entry.
fn written(standing: Standing, out: &mut Outcome) {
    let (change, text) = match standing {
        Standing::Present => {
            out.comment += ". Entry already exists in the fstab.";
            return;
        }
        Standing::New => ("new", ". Added new entry to the fstab."),
        Standing::Change => ("update", ". Updated the entry in the fstab."),
    };
    out.changes.insert("persist".into(), change.into());
    out.comment += text;
}

fn unmounted(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    if name.is_empty() {
        return Ok(Outcome::failed("Must provide name to mount.unmounted"));
    }
    if args.flag("user") {
        return Ok(Outcome::failed(
            "The argument 'user' of mount.unmounted is not supported by this agent",
        ));
    }
    let device = args.opt_text("device")?.filter(|d| !d.is_empty());
    let mut out = Outcome::unchanged("");
    if active()?.contains_key(&mount::escaped(&name)) {
        if run.test {
            return Ok(Outcome::would(
                Map::new(),
                format!("Mount point {name} is mounted but should not be"),
            ));
        }
        let what = device.as_deref().unwrap_or(&name);
        match mount::umount(&ctx.programs(), what, false) {
            Ok(()) => {
                out.comment = "Target was successfully unmounted".to_owned();
                out.changes.insert("umount".into(), true.into());
            }
            Err(said) => out = Outcome::failed(said),
        }
    } else {
        out.comment = "Target was already unmounted".to_owned();
    }
    if !args.flag("persist") {
        return Ok(out);
    }
    let config = args.text("config")?;
    let path = Path::new(&config);
    let Some(entry) = mount::fstab(path).into_iter().find(|e| e.name == name) else {
        out.comment += ". fstab entry not found";
        return Ok(out);
    };
    if let Some(device) = device.as_ref().filter(|d| **d != entry.device) {
        out.comment += &format!(". fstab entry for device {device} not found");
        return Ok(out);
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!(
                "Mount point {name} is unmounted but needs to be purged from {config} to be made persistent"
            ),
        ));
    }
    mount::rm_fstab(&name, device.as_deref(), path).map_err(Error::Execution)?;
    out.comment += ". Removed target from fstab";
    out.changes.insert("persist".into(), "purged".into());
    Ok(out)
}

fn swap(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let real = match fs::read_link(&name) {
        Ok(to) if to.is_absolute() => to.to_string_lossy().into_owned(),
        Ok(to) => format!(
            "/dev/{}",
            to.file_name().unwrap_or_default().to_string_lossy()
        ),
        Err(_) => name.clone(),
    };
    let mut out = Outcome::unchanged("");
    let on = mount::swaps();
    if on.contains_key(&real) {
        out.comment = format!("Swap {name} already active");
    } else if run.test {
        out = Outcome::would(Map::new(), format!("Swap {name} is set to be activated"));
    } else {
        drop(mount::swap(&ctx.programs(), &real, true));
        match mount::swaps().get(&real) {
            Some(now) => {
                out.comment = format!("Swap {name} activated");
                out.changes = map! {
                    "type" => now.kind.as_str(), "size" => now.size.as_str(),
                    "used" => now.used.as_str(), "priority" => now.priority.as_str(),
                };
            }
            None => out = Outcome::failed(format!("Swap {name} failed to activate")),
        }
    }
    if !args.flag("persist") {
        return Ok(out);
    }
    let config = PathBuf::from(args.text("config")?);
    let entries = mount::fstab(&config);
    if run.test {
        if !entries.iter().any(|e| e.name == name || e.device == name) {
            out.result = None;
            if on.contains_key(&name) {
                out.comment =
                    format!("Swap {name} is set to be added to the fstab and to be activated");
            }
        }
        return Ok(out);
    }
    let taken = entries.iter().find(|e| e.name == "none");
    if taken.is_some_and(|e| e.device == name && e.fstype != "swap") {
        return Ok(out);
    }
    let entry = Entry {
        device: name,
        name: "none".into(),
        fstype: "swap".into(),
        opts: "defaults".into(),
        dump: "0".into(),
        pass_num: "0".into(),
    };
    let standing = mount::set_fstab(&entry, &config, None, false, false);
    match standing.map_err(Error::Execution)? {
        Standing::Present => {}
        other => written(other, &mut out),
    }
    Ok(out)
}

/// A return of several sentences, a line each.
fn listed(result: Option<bool>, changes: Map, comments: Vec<String>) -> Outcome {
    Outcome {
        result,
        changes,
        comment: comments.join("\n"),
        extra: Map::new(),
    }
}

fn fstab_present(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    if args.flag("mount_by") {
        return Ok(Outcome::failed(
            "The argument 'mount_by' of mount.fstab_present is not supported by this agent",
        ));
    }
    let mut place = args.text("fs_file")?;
    if place != "/" {
        place = place.trim_end_matches('/').to_owned();
    }
    let config = args.text("config")?;
    let entry = Entry {
        device: name.clone(),
        name: place.clone(),
        fstype: args.text("fs_vfstype")?,
        opts: list(args.get("fs_mntops")).join(","),
        dump: python::text(args.get("fs_freq")),
        pass_num: python::text(args.get("fs_passno")),
    };
    let keys = match_on(args.get("match_on"));
    let standing = mount::set_fstab(
        &entry,
        Path::new(&config),
        keys.as_deref(),
        args.flag("not_change"),
        run.test,
    )
    .map_err(Error::Execution)?;
    let mut comments = Vec::new();
    if run.test {
        let (result, text) = match standing {
            Standing::Present => (Some(true), "is already in"),
            Standing::New => (None, "will be written in"),
            Standing::Change => (None, "will be updated in"),
        };
        comments.push(format!("{place} entry {text} {config}."));
        if standing == Standing::New && args.flag("mount") {
            comments.push(format!("Will mount {name} on {place}"));
        }
        return Ok(listed(result, Map::new(), comments));
    }
    let text = match standing {
        Standing::Present => "was already in",
        Standing::New => "added in",
        Standing::Change => "updated in",
    };
    comments.push(format!("{place} entry {text} {config}."));
    let mut changes = Map::new();
    if standing != Standing::Present {
        changes.insert("persist".into(), standing.word().into());
    }
    let mut result = Some(true);
    if standing == Standing::New && args.flag("mount") {
        match mount::mount(&ctx.programs(), &place, None, "", &[]) {
            Ok(()) => comments.push(format!("Mounted {name} on {place}")),
            Err(said) => {
                result = Some(false);
                let said = said.split_once(':').map_or(said.as_str(), |(_, rest)| rest);
                comments.push(format!("Error while mounting {said}"));
            }
        }
    }
    Ok(listed(result, changes, comments))
}

fn fstab_absent(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    if args.flag("mount_by") {
        return Ok(Outcome::failed(
            "The argument 'mount_by' of mount.fstab_absent is not supported by this agent",
        ));
    }
    let mut place = args.text("fs_file")?;
    if place != "/" {
        place = place.trim_end_matches('/').to_owned();
    }
    let config = args.text("config")?;
    let path = Path::new(&config);
    let there = mount::fstab(path).iter().any(|e| e.name == place);
    if run.test {
        return Ok(if there {
            let text = format!("{place} entry will be removed from {config}.");
            listed(None, Map::new(), vec![text])
        } else {
            let text = format!("{place} entry is already missing in {config}.");
            listed(None, Map::new(), vec![text])
        });
    }
    if !there {
        let text = format!("{place} entry is already missing in {config}.");
        return Ok(listed(Some(true), Map::new(), vec![text]));
    }
    mount::rm_fstab(&place, Some(&name), path).map_err(Error::Execution)?;
    let text = format!("{place} entry removed from {config}.");
    Ok(listed(
        Some(true),
        map! { "persist" => "removed" },
        vec![text],
    ))
}
