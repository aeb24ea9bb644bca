//! What changes volumes, for the states and for the functions of the same names.

use std::path::Path;

use salt_wire::{Map, Value};

use crate::context::{Args, Context, Error, python};
use crate::host::lvm::{Kind, Shown, change, display};

type Answer = Result<Value, Error>;

pub(super) fn text(args: &Args, key: &str) -> String {
    python::text(args.get(key))
}

/// One or several, with commas between or as a list.
pub(super) fn list(given: &Value) -> Vec<String> {
    match given {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        one => python::text(one).split(',').map(str::to_owned).collect(),
    }
}

pub(super) fn shown(ctx: &Context, kind: Kind, name: &str) -> Result<Shown, Error> {
    display(&ctx.programs(), kind, name).map_err(Error::Execution)
}

fn carry_out(ctx: &Context, argv: &[String]) -> Result<Result<(), String>, Error> {
    change(&ctx.programs(), argv).map_err(Error::Execution)
}

fn words(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|p| (*p).to_owned()).collect()
}

/// Options of a program that the caller may name, with their values.
fn options(given: &Map, valid: &[&str], bare: &[&str]) -> Vec<String> {
    let mut set = given.clone();
    set.retain(|_, value| value.is_truthy());
    named_options(&set, valid, bare)
}

/// The same, and those that are set to nothing or to false, too.
fn named_options(given: &Map, valid: &[&str], bare: &[&str]) -> Vec<String> {
    let mut argv = Vec::new();
    for (key, value) in given {
        let key = python::text(key);
        if bare.contains(&key.as_str()) {
            argv.push(format!("--{key}"));
        } else if valid.contains(&key.as_str()) {
            argv.extend([format!("--{key}"), python::text(value)]);
        }
    }
    argv
}

/// Gives devices to LVM: true, or what went wrong.
pub fn pvcreate(ctx: &Context, args: &Args) -> Answer {
    let devices = list(args.get("devices"));
    if devices.is_empty() {
        return Ok("Error: at least one device is required".into());
    }
    let force = args.flag("force");
    let mut argv = words(&["pvcreate", if force { "--yes" } else { "-qq" }]);
    for device in &devices {
        if !Path::new(device).exists() {
            return Ok(format!("{device} does not exist").into());
        }
        if shown(ctx, Kind::Physical, device)?.is_empty() {
            argv.push(device.clone());
        } else if !args.flag("override") {
            let told = format!("Device \"{device}\" is already an LVM physical volume.");
            return Ok(told.into());
        }
    }
    if argv.len() == 2 {
        return Ok(true.into());
    }
    let valid = [
        "metadatasize",
        "dataalignment",
        "dataalignmentoffset",
        "pvmetadatacopies",
        "metadatacopies",
        "metadataignore",
        "restorefile",
        "norestorefile",
        "labelsector",
        "setphysicalvolumesize",
    ];
    argv.extend(options(&args.extra, &valid, &[]));
    if let Err(told) = carry_out(ctx, &argv)? {
        return Ok(told.into());
    }
    affected(ctx, &devices, true)
}

/// Whether devices now are, or are not, physical volumes.
fn affected(ctx: &Context, devices: &[String], there: bool) -> Answer {
    for device in devices {
        if shown(ctx, Kind::Physical, device)?.is_empty() == there {
            return Ok(format!("Device \"{device}\" was not affected.").into());
        }
    }
    Ok(true.into())
}

/// `pvremove` and `pvresize`: true, or what went wrong.
pub fn of_volumes(ctx: &Context, args: &Args, program: &str) -> Answer {
    let devices = list(args.get("devices"));
    let force = args.flag("force");
    let mut argv = words(&[program, if force { "--yes" } else { "-qq" }]);
    for device in &devices {
        if !shown(ctx, Kind::Physical, device)?.is_empty() {
            argv.push(device.clone());
        } else if !args.flag("override") {
            return Ok(format!("{device} is not a physical volume").into());
        }
    }
    if argv.len() == 2 {
        return Ok(true.into());
    }
    if let Err(told) = carry_out(ctx, &argv)? {
        return Ok(told.into());
    }
    if program == "pvremove" {
        affected(ctx, &devices, false)
    } else {
        Ok(true.into())
    }
}

fn forced(args: &Args) -> String {
    let force = args.flag("force");
    if force { "--yes" } else { "-qq" }.to_owned()
}

/// What a change said, beside what is there now.
fn told(what: &str, said: Result<(), String>, fine: String) -> Map {
    let said = said.map_or_else(|e| e.trim().to_owned(), |()| fine);
    Map::from_iter([(format!("Output from {what}").into(), said.into())])
}

fn with(shown: &Shown, more: Map) -> Value {
    let each = shown.iter().map(|(name, values)| {
        let values = values.iter().map(|(k, v)| ((*k).into(), v.as_str().into()));
        (name.as_str().into(), Value::Map(values.collect()))
    });
    let mut all: Map = each.collect();
    all.extend(more);
    all.into()
}

/// Makes a volume group.
pub fn vgcreate(ctx: &Context, args: &Args) -> Answer {
    let (name, devices) = (text(args, "vgname"), list(args.get("devices")));
    if name.is_empty() || devices.is_empty() {
        return Ok("Error: vgname and device(s) are both required".into());
    }
    let mut argv = words(&["vgcreate", &name]);
    argv.extend(devices);
    argv.push(forced(args));
    let valid = [
        "addtag",
        "alloc",
        "autobackup",
        "clustered",
        "maxlogicalvolumes",
        "maxphysicalvolumes",
        "metadatatype",
        "vgmetadatacopies",
        "metadatacopies",
        "physicalextentsize",
        "zero",
    ];
    argv.extend(options(&args.extra, &valid, &[]));
    let said = carry_out(ctx, &argv)?;
    let fine = format!("Volume group \"{name}\" successfully created");
    let more = told("vgcreate", said, fine);
    Ok(with(&shown(ctx, Kind::Group, &name)?, more))
}

/// Adds devices to a volume group.
pub fn vgextend(ctx: &Context, args: &Args) -> Answer {
    let (name, devices) = (text(args, "vgname"), list(args.get("devices")));
    if name.is_empty() || devices.is_empty() {
        return Ok("Error: vgname and device(s) are both required".into());
    }
    let mut argv = words(&["vgextend", &name]);
    argv.push(forced(args));
    argv.extend(devices);
    let said = carry_out(ctx, &argv)?;
    let fine = format!("Volume group \"{name}\" successfully extended");
    Ok(told("vgextend", said, fine).into())
}

/// Makes a logical volume.
pub fn lvcreate(ctx: &Context, args: &Args) -> Answer {
    let (name, group) = (text(args, "lvname"), text(args, "vgname"));
    let (size, extents) = (args.get("size"), args.get("extents"));
    let (thin, pool) = (args.flag("thinvolume"), args.flag("thinpool"));
    if size.is_truthy() && extents.is_truthy() {
        return Ok("Error: Please specify only one of size or extents".into());
    }
    if thin && pool {
        return Ok("Error: Please set only one of thinvolume or thinpool to True".into());
    }
    let mut argv = words(match (thin, pool) {
        (true, _) => &["lvcreate", "--thin", "-n"][..],
        (_, true) => &["lvcreate", "--thinpool"],
        _ => &["lvcreate", "-n"],
    });
    argv.push(name.clone());
    let snapshot = args.get("snapshot");
    if snapshot.is_truthy() {
        argv.extend([
            "-s".to_owned(),
            format!("{group}/{}", python::text(snapshot)),
        ]);
    } else {
        argv.push(group.clone());
    }
    let (flag, amount) = match (size.is_truthy(), extents.is_truthy()) {
        (true, _) if thin => ("-V", size),
        (_, true) if thin => {
            return Ok("Error: Thin volume size cannot be specified as extents".into());
        }
        (true, _) => ("-L", size),
        (_, true) => ("-l", extents),
        _ => return Ok("Error: Either size or extents must be specified".into()),
    };
    argv.extend([flag.to_owned(), python::text(amount)]);
    if args.flag("pv") {
        argv.push(text(args, "pv"));
    }
    let valid = [
        "activate",
        "chunksize",
        "contiguous",
        "discards",
        "stripes",
        "stripesize",
        "minor",
        "persistent",
        "mirrors",
        "monitor",
        "permission",
        "poolmetadatasize",
        "readahead",
        "regionsize",
        "type",
        "virtualsize",
        "zero",
    ];
    let bare = ["nosync", "noudevsync", "ignoremonitoring", "thin"];
    // As in Salt: only here a name is enough.
    argv.extend(named_options(&args.extra, &valid, &bare));
    argv.push(forced(args));
    let said = carry_out(ctx, &argv)?;
    let more = told(
        "lvcreate",
        said,
        format!("Logical volume \"{name}\" created."),
    );
    let path = format!("/dev/{group}/{name}");
    Ok(with(&shown(ctx, Kind::Logical, &path)?, more))
}

/// `lvresize` and `lvextend`; nothing when the arguments make no sense.
pub fn resize(ctx: &Context, args: &Args, program: &str) -> Answer {
    let (size, extents) = (args.get("size"), args.get("extents"));
    let (flag, amount) = match (size.is_truthy(), extents.is_truthy()) {
        (true, false) => ("-L", size),
        (false, true) => ("-l", extents),
        _ => return Ok(Map::new().into()),
    };
    let force = match (args.flag("force"), program) {
        (true, "lvresize") => "--force",
        (true, _) => "--yes",
        _ => "-qq",
    };
    let mut argv = words(&[program, force]);
    if args.flag("resizefs") {
        argv.push("--resizefs".to_owned());
    }
    let path = text(args, "lvpath");
    argv.extend([flag.to_owned(), python::text(amount), path.clone()]);
    let said = carry_out(ctx, &argv)?;
    let what = if program == "lvresize" {
        "resized"
    } else {
        "extended"
    };
    let fine = format!("Logical volume \"{path}\" successfully {what}.");
    Ok(told(program, said, fine).into())
}

/// Removes a group or a logical volume; what was said.
pub fn remove(ctx: &Context, args: &Args, argv: &[&str], done: String) -> Answer {
    let mut argv = words(argv);
    argv.push(forced(args));
    let said = carry_out(ctx, &argv)?;
    Ok(said.map_or_else(|e| e.trim().to_owned(), |()| done).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_enough_for_a_logical_volume_alone() {
        let given =
            salt_wire::map! { "zero" => false, "nosync" => false, "type" => "raid1", "other" => 1 };
        let (valid, bare) = (["zero", "type"], ["nosync"]);
        assert_eq!(options(&given, &valid, &bare), ["--type", "raid1"]);
        assert_eq!(
            named_options(&given, &valid, &bare),
            ["--zero", "False", "--nosync", "--type", "raid1"]
        );
    }
}
