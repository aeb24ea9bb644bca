//! `mount.mounted`.

use std::path::{Path, PathBuf};

use salt_wire::Map;

use super::options::missing;
use super::{Done, active, list, match_on, resolved, written};
use crate::context::{Context, Error, python};
use crate::host::mount::{self, Active, Entry, Standing};
use crate::states::{Outcome, Run};

pub(super) fn mounted(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    for argument in ["name", "device", "fstype"] {
        if !args.flag(argument) {
            return Ok(Outcome::failed(format!(
                "Must provide {argument} to mount.mounted"
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
