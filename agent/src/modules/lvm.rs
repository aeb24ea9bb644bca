//! `lvm`: logical volumes.

use std::fs;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::lvm::{self, Kind, Shown};
use crate::states::lvm::change as states;

/// The rows of `lvm`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "lvm.fullversion",
        "",
        |ctx, _| {
            let said = ctx.programs().run(&["lvm", "version"]);
            let said = said.map_err(Error::Execution)?.stdout;
            let pairs = said.lines().filter_map(|l| {
                let mut parts = l.split(':').map(str::trim);
                Some((parts.next()?.into(), parts.next()?.into()))
            });
            Ok(Value::Map(pairs.collect()))
        },
        "Return all version numbers of LVM.",
        "salt '*' lvm.fullversion"
    ),
    row!(
        "lvm.lvcreate",
        "lvname, vgname, size=None, extents=None, snapshot=None, pv=None, thinvolume=False, thinpool=False, force=False, **kwargs",
        |ctx, args| states::lvcreate(ctx, args),
        "Make a logical volume.",
        "salt '*' lvm.lvcreate new_volume_name vg_name size=10G"
    ),
    row!(
        "lvm.lvdisplay",
        "lvname='', quiet=False",
        |ctx, args| show(ctx, Kind::Logical, &args.text("lvname")?),
        "Return what is known of logical volumes, or of one.",
        "salt '*' lvm.lvdisplay /dev/vg_myserver/root"
    ),
    row!(
        "lvm.lvextend",
        "size=None, lvpath=None, extents=None, force=False, resizefs=False",
        |ctx, args| states::resize(ctx, args, "lvextend"),
        "Give a logical volume more room.",
        "salt '*' lvm.lvextend +12M /dev/mapper/vg1-test"
    ),
    row!(
        "lvm.lvremove",
        "lvname, vgname, force=True",
        |ctx, args| {
            let name = args.text("lvname")?;
            let path = format!("{}/{name}", args.text("vgname")?);
            let done = format!("Logical volume \"{name}\" successfully removed");
            states::remove(ctx, args, &["lvremove", &path], done)
        },
        "Remove a logical volume.",
        "salt '*' lvm.lvremove lvname vgname force=True"
    ),
    row!(
        "lvm.lvresize",
        "size=None, lvpath=None, extents=None, force=False, resizefs=False",
        |ctx, args| states::resize(ctx, args, "lvresize"),
        "Give a logical volume another size.",
        "salt '*' lvm.lvresize +12M /dev/mapper/vg1-test"
    ),
    row!(
        "lvm.pvcreate",
        "devices, override=True, force=True, **kwargs",
        |ctx, args| states::pvcreate(ctx, args),
        "Give devices to LVM.",
        "salt mymachine lvm.pvcreate /dev/sdb1,/dev/sdb2"
    ),
    row!(
        "lvm.pvdisplay",
        "pvname='', real=False, quiet=False",
        pvdisplay,
        "Return what is known of physical volumes, or of one.",
        "salt '*' lvm.pvdisplay /dev/md0"
    ),
    row!(
        "lvm.pvremove",
        "devices, override=True, force=True",
        |ctx, args| states::of_volumes(ctx, args, "pvremove"),
        "Take devices away from LVM.",
        "salt mymachine lvm.pvremove /dev/sdb1,/dev/sdb2"
    ),
    row!(
        "lvm.pvresize",
        "devices, override=True, force=True",
        |ctx, args| states::of_volumes(ctx, args, "pvresize"),
        "Make physical volumes as large as their devices are now.",
        "salt mymachine lvm.pvresize /dev/sdb1,/dev/sdb2"
    ),
    row!(
        "lvm.version",
        "",
        |ctx, _| {
            let said = ctx.programs().run(&["lvm", "version"]);
            let said = said.map_err(Error::Execution)?.stdout;
            let first = said.lines().next().unwrap_or_default();
            let version = first.split(": ").nth(1).unwrap_or_default();
            Ok(version.trim().into())
        },
        "Return the version of LVM.",
        "salt '*' lvm.version"
    ),
    row!(
        "lvm.vgcreate",
        "vgname, devices, force=False, **kwargs",
        |ctx, args| states::vgcreate(ctx, args),
        "Make a volume group of physical volumes.",
        "salt mymachine lvm.vgcreate my_vg /dev/sdb1,/dev/sdb2"
    ),
    row!(
        "lvm.vgdisplay",
        "vgname='', quiet=False",
        |ctx, args| show(ctx, Kind::Group, &args.text("vgname")?),
        "Return what is known of volume groups, or of one.",
        "salt '*' lvm.vgdisplay nova-volumes"
    ),
    row!(
        "lvm.vgextend",
        "vgname, devices, force=False",
        |ctx, args| states::vgextend(ctx, args),
        "Add physical volumes to a volume group.",
        "salt mymachine lvm.vgextend my_vg /dev/sdb1,/dev/sdb2"
    ),
    row!(
        "lvm.vgremove",
        "vgname, force=True",
        |ctx, args| {
            let name = args.text("vgname")?;
            let done = format!("Volume group \"{name}\" successfully removed");
            states::remove(ctx, args, &["vgremove", &name], done)
        },
        "Remove a volume group.",
        "salt mymachine lvm.vgremove vgname force=True"
    ),
];

fn map(values: &[(&'static str, String)]) -> Map {
    let pairs = values.iter().map(|(k, v)| ((*k).into(), v.as_str().into()));
    pairs.collect()
}

fn all(shown: &Shown) -> Map {
    let each = shown
        .iter()
        .map(|(n, v)| (n.as_str().into(), map(v).into()));
    each.collect()
}

fn show(ctx: &Context, kind: Kind, name: &str) -> Result {
    let shown = lvm::display(&ctx.programs(), kind, name).map_err(Error::Execution)?;
    Ok(all(&shown).into())
}

fn pvdisplay(ctx: &Context, args: &Args) -> Result {
    let name = python::text(args.get("pvname"));
    let shown = lvm::display(&ctx.programs(), Kind::Physical, &name).map_err(Error::Execution)?;
    if !args.flag("real") {
        return Ok(all(&shown).into());
    }
    let mut found = Map::new();
    for (device, values) in &shown {
        let real =
            fs::canonicalize(device).map_or_else(|_| device.clone(), |p| p.display().to_string());
        let mut one = map(values);
        one.insert("Real Physical Volume Device".into(), real.as_str().into());
        found.insert(real.into(), one.into());
    }
    Ok(found.into())
}
