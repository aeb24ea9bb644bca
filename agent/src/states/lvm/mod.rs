//! `lvm`: physical volumes, volume groups and logical volumes that shall be there or not. What changes them is
//! shared with the functions of the same names.

pub mod change;

use salt_wire::{Map, Value, map};

use change::{
    list, lvcreate, of_volumes, pvcreate, remove, resize, shown, text, vgcreate, vgextend,
};

use super::{Outcome, Run, State};
use crate::context::arguments::clean;
use crate::context::{Args, Context, Error, python};
use crate::host::lvm::{self, Kind, Shown, value};

/// The rows of `lvm`.
pub const STATES: &[State] = &[
    State {
        name: "lvm.lv_absent",
        signature: "name, vgname=None",
        doc: "Ensure that there is no such logical volume.",
        run: |ctx, run| {
            let path = format!(
                "/dev/{}/{}",
                text(run.args, "vgname"),
                text(run.args, "name")
            );
            absent(ctx, run, Kind::Logical, &path)
        },
    },
    State {
        name: "lvm.lv_present",
        signature: "name, vgname=None, size=None, extents=None, snapshot=None, pv='', thinvolume=False, thinpool=False, force=False, resizefs=False, **kwargs",
        doc: "Ensure that there is a logical volume of this size.",
        run: lv_present,
    },
    State {
        name: "lvm.pv_absent",
        signature: "name",
        doc: "Ensure that a device is no physical volume.",
        run: |ctx, run| absent(ctx, run, Kind::Physical, &text(run.args, "name")),
    },
    State {
        name: "lvm.pv_present",
        signature: "name, **kwargs",
        doc: "Ensure that a device is a physical volume.",
        run: pv_present,
    },
    State {
        name: "lvm.vg_absent",
        signature: "name",
        doc: "Ensure that there is no such volume group.",
        run: |ctx, run| absent(ctx, run, Kind::Group, &text(run.args, "name")),
    },
    State {
        name: "lvm.vg_present",
        signature: "name, devices=None, **kwargs",
        doc: "Ensure that there is a volume group of these devices.",
        run: vg_present,
    },
];

type Done = Result<Outcome, Error>;

/// Arguments as one of the functions of `change` takes them.
fn arguments(named: Map, extra: &Map) -> Args {
    let mut extra = clean(extra);
    // What a function has a name for is one of its arguments, however the state took it.
    let mut all = named;
    for key in ["force", "override"] {
        if let Some(value) = extra.shift_remove(key) {
            all.insert(key.into(), value);
        }
    }
    Args {
        named: all,
        extra,
        ..Args::default()
    }
}

fn pv_present(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    if !shown(ctx, Kind::Physical, &name)?.is_empty() {
        return Ok(Outcome::unchanged(format!(
            "Physical Volume {name} already present"
        )));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Physical Volume {name} is set to be created"),
        ));
    }
    let named = map! { "devices" => name.as_str(), "override" => true, "force" => true };
    let created = pvcreate(ctx, &arguments(named, &run.args.extra))?;
    made(
        ctx,
        Kind::Physical,
        &name,
        "Physical Volume",
        &name,
        created,
    )
}

/// The outcome of something that shall be there now.
fn made(ctx: &Context, kind: Kind, path: &str, what: &str, name: &str, created: Value) -> Done {
    if !shown(ctx, kind, path)?.is_empty() {
        return Ok(Outcome::changed(
            map! { "created" => created },
            format!("Created {what} {name}"),
        ));
    }
    let why = match created.get("Output from lvcreate").or(Some(&created)) {
        Some(said) if kind == Kind::Logical => format!(". Error: {}", python::text(said)),
        _ => String::new(),
    };
    Ok(Outcome::failed(format!(
        "Failed to create {what} {name}{why}"
    )))
}

fn absent(ctx: &Context, run: &Run<'_>, kind: Kind, path: &str) -> Done {
    let name = run.args.text("name")?;
    let (what, gone) = match kind {
        Kind::Physical => ("Physical Volume", "does not exist"),
        Kind::Group => ("Volume Group", "already absent"),
        Kind::Logical => ("Logical Volume", "already absent"),
    };
    if shown(ctx, kind, path)?.is_empty() {
        return Ok(Outcome::unchanged(format!("{what} {name} {gone}")));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("{what} {name} is set to be removed"),
        ));
    }
    let args = arguments(
        map! { "devices" => name.as_str(), "override" => true, "force" => true },
        &Map::new(),
    );
    let removed = match kind {
        Kind::Physical => of_volumes(ctx, &args, "pvremove")?,
        Kind::Group => {
            let done = format!("Volume group \"{name}\" successfully removed");
            remove(ctx, &args, &["vgremove", &name], done)?
        }
        Kind::Logical => {
            let path = format!("{}/{name}", text(run.args, "vgname"));
            let done = format!("Logical volume \"{name}\" successfully removed");
            remove(ctx, &args, &["lvremove", &path], done)?
        }
    };
    if shown(ctx, kind, path)?.is_empty() {
        return Ok(Outcome::changed(
            map! { "removed" => removed },
            format!("Removed {what} {name}"),
        ));
    }
    Ok(Outcome::failed(format!("Failed to remove {what} {name}")))
}

fn vg_present(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    let devices = list(run.args.get("devices"));
    if shown(ctx, Kind::Group, &name)?.is_empty() {
        if run.test {
            return Ok(Outcome::would(
                Map::new(),
                format!("Volume Group {name} is set to be created"),
            ));
        }
        let named = map! { "vgname" => name.as_str(), "devices" => devices };
        let created = vgcreate(ctx, &arguments(named, &run.args.extra))?;
        return made(ctx, Kind::Group, &name, "Volume Group", &name, created);
    }
    let mut out = Outcome::unchanged(format!("Volume Group {name} already present"));
    for device in devices {
        let group = || -> Result<Option<String>, Error> {
            let found = shown(ctx, Kind::Physical, &real(&device))?;
            let own = found.keys().find(|k| real(k) == real(&device)).cloned();
            let group = own.and_then(|k| value(&found, &k, "Volume Group Name").map(str::to_owned));
            Ok(group)
        };
        let (comment, fine) = match group()?.as_deref() {
            None => (format!("pv {device} is not present"), false),
            Some(own) if own == name => (format!("{device} is part of Volume Group"), true),
            // As with Salt, test mode does not keep it from this.
            Some("" | "#orphans_lvm2") => {
                let named = map! { "vgname" => name.as_str(), "devices" => device.as_str() };
                vgextend(ctx, &arguments(named, &Map::new()))?;
                if group()?.as_deref() == Some(name.as_str()) {
                    let added = format!("added to {name}");
                    out.changes.insert(device.as_str().into(), added.into());
                    continue;
                }
                (format!("{device} could not be added"), false)
            }
            Some(other) => (format!("{device} is part of {other}"), false),
        };
        out.comment += &format!("\n{comment}");
        if !fine {
            out.result = Some(false);
        }
    }
    Ok(out)
}

/// A device behind its links.
fn real(device: &str) -> String {
    std::fs::canonicalize(device).map_or_else(|_| device.to_owned(), |p| p.display().to_string())
}

fn invalid(message: String) -> Error {
    Error::Exception {
        kind: "salt.exceptions.ArgumentValueError",
        message,
    }
}

/// A size in mebibytes; the error is Salt's.
fn mebibytes(size: &str) -> Result<f64, Error> {
    let lower = size.to_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[digits.len()..] {
        "" => "m",
        unit => unit
            .strip_suffix('b')
            .filter(|u| !u.is_empty())
            .unwrap_or(unit),
    };
    let number: f64 = digits
        .parse::<u64>()
        .map_err(|_| invalid(format!("Size {size} is invalid.")))? as f64;
    Ok(match unit {
        "s" => number / 2048.0,
        "m" => number,
        "g" => number * 1024.0,
        "t" => number * 1024.0 * 1024.0,
        "p" => number * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(invalid(format!("Unit {unit} is invalid."))),
    })
}

fn lv_present(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let (size, extents) = (args.get("size"), args.get("extents"));
    if size.is_truthy() && extents.is_truthy() {
        return Ok(Outcome::failed(
            "Only one of extents or size can be specified.",
        ));
    }
    let wanted = if size.is_truthy() {
        Some(mebibytes(&python::text(size))?)
    } else {
        None
    };
    let (mut name, group) = (args.text("name")?, text(args, "vgname"));
    let mut origin = Value::Null;
    if args.flag("snapshot") {
        origin = name.into();
        name = text(args, "snapshot");
    }
    let thin = args.flag("thinvolume");
    let place = if thin {
        group.split('/').next().unwrap_or_default()
    } else {
        &group
    };
    let path = format!("/dev/{place}/{name}");
    let now = shown(ctx, Kind::Logical, &path)?;
    if !now.contains_key(&path) {
        if run.test {
            return Ok(Outcome::would(
                Map::new(),
                format!("Logical Volume {name} is set to be created"),
            ));
        }
        let mut named =
            map! { "lvname" => name.as_str(), "vgname" => group.as_str(), "snapshot" => origin };
        for key in ["size", "extents", "pv", "thinvolume", "thinpool", "force"] {
            named.insert(key.into(), args.get(key).clone());
        }
        let created = lvcreate(ctx, &arguments(named, &args.extra))?;
        return made(ctx, Kind::Logical, &path, "Logical Volume", &name, created);
    }
    let mut out = Outcome::unchanged(format!("Logical Volume {name} already present"));
    if wanted.is_none() && !extents.is_truthy() {
        return Ok(out);
    }
    let sizes = |shown: &Shown| -> Result<(f64, i128), Error> {
        let of = |heading| value(shown, &path, heading).unwrap_or_default();
        let count = of("Current Logical Extents Associated").parse();
        let size = mebibytes(&format!("{}s", of("Logical Volume Size")))?;
        Ok((size, count.unwrap_or_default()))
    };
    let (old_size, old_extents) = sizes(&now)?;
    let mut new_extents = old_extents;
    if wanted.is_none() {
        let given = python::text(extents);
        if given.contains('%') {
            out.comment =
                format!("Logical Volume {name} already present, {given} won't be resized.");
        } else {
            new_extents = given
                .parse()
                .map_err(|_| Error::execution(format!("extents {given} are no number")))?;
        }
    }
    let new_size = wanted.unwrap_or(old_size);
    if *args.get("force") == Value::Bool(false)
        && (new_size < old_size || new_extents < old_extents)
    {
        return Ok(Outcome::failed(
            "To reduce a Logical Volume option 'force' must be True.",
        ));
    }
    if (new_size - old_size).abs() < f64::EPSILON && new_extents == old_extents {
        return Ok(out);
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Logical Volume {name} is set to be resized"),
        ));
    }
    let mut named = map! { "lvpath" => path.as_str() };
    for key in ["size", "extents", "resizefs", "force"] {
        named.insert(key.into(), args.get(key).clone());
    }
    let resized = resize(ctx, &arguments(named, &Map::new()), "lvresize")?;
    let (after, _) =
        sizes(&lvm::display(&ctx.programs(), Kind::Logical, &path).map_err(Error::Execution)?)?;
    if (after - old_size).abs() < f64::EPSILON {
        let said = resized.get("Output from lvresize").map(python::text);
        return Ok(Outcome::failed(format!(
            "Failed to resize Logical Volume {name}.\nError: {}",
            said.unwrap_or_default()
        )));
    }
    Ok(Outcome::changed(
        map! { "resized" => resized },
        format!("Resized Logical Volume {name}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_lvm() {
        for (text, size) in [
            ("10", 10.0),
            ("10m", 10.0),
            ("2G", 2048.0),
            ("1tb", 1_048_576.0),
            ("4096s", 2.0),
        ] {
            let got = mebibytes(text).unwrap();
            assert!((got - size).abs() < f64::EPSILON, "{text} {got}");
        }
        assert!(mebibytes("10x").is_err() && mebibytes("G").is_err());
    }
}
