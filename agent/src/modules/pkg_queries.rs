//! `pkg`: what packages hold and who they are of, what could be upgraded or is no longer needed.

use std::path::Path;

use jiff::Timestamp;
use salt_wire::{Map, Value};

use super::pkg::{apt, plain, refresh, told};
use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::pkg::{self, Install, query};

/// The rows of `pkg` about what is known, and upgrades.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "pkg.autoremove",
        "list_only=False, purge=False",
        |ctx, args| {
            let purge = args.flag("purge");
            if args.flag("list_only") {
                return Ok(apt(ctx).unneeded(purge).map_err(plain)?.into());
            }
            let changes = apt(ctx).autoremove(purge).map_err(told("removing"))?;
            Ok(pkg::report(&changes).into())
        },
        "Remove packages that only others needed which are gone, or list them.",
        "salt '*' pkg.autoremove list_only=True"
    ),
    row!(
        "pkg.file_dict",
        "*packages, **kwargs",
        |ctx, args| files(ctx, args, false),
        "List the files of packages, package by package.",
        "salt '*' pkg.file_dict httpd"
    ),
    row!(
        "pkg.file_list",
        "*packages, **kwargs",
        |ctx, args| files(ctx, args, true),
        "List the files of packages.",
        "salt '*' pkg.file_list httpd"
    ),
    row!(
        "pkg.info_installed",
        "*names, **kwargs",
        info_installed,
        "Return what is known of installed packages.",
        "salt '*' pkg.info_installed <package1>"
    ),
    row!(
        "pkg.list_upgrades",
        "refresh=True, dist_upgrade=True, **kwargs",
        |ctx, args| {
            refresh(ctx, args)?;
            let fromrepo = args.extra.get("fromrepo").map(python::text);
            let found = apt(ctx).upgrades(args.flag("dist_upgrade"), fromrepo.as_deref());
            let found = found.map_err(plain)?;
            Ok(Value::Map(
                found
                    .into_iter()
                    .map(|(k, v)| (k.into(), v.into()))
                    .collect(),
            ))
        },
        "List the packages that can be upgraded, with the new versions.",
        "salt '*' pkg.list_upgrades"
    ),
    row!(
        "pkg.normalize_name",
        "name",
        |ctx, args| {
            let name = args.text("name")?;
            let grains = ctx.facts.grains();
            let own = grains.get("osarch").map(python::text).unwrap_or_default();
            Ok(match name.rsplit_once(':') {
                Some((plain, arch)) if arch == own || matches!(arch, "all" | "any") => plain.into(),
                _ => name.into(),
            })
        },
        "Return a package's name without this machine's own architecture.",
        "salt '*' pkg.normalize_name zsh:amd64"
    ),
    row!(
        "pkg.owner",
        "*paths, **kwargs",
        owner,
        "Return the packages that files are of.",
        "salt '*' pkg.owner /usr/bin/apachectl"
    ),
    row!(
        "pkg.parse_arch",
        "name",
        |_, args| {
            let name = args.text("name")?;
            let (name, arch) = match name.rsplit_once(':') {
                Some((name, arch)) => (name.to_owned(), arch.into()),
                None => (name, Value::Null),
            };
            let pair = [("name".into(), name.into()), ("arch".into(), arch)];
            Ok(Value::Map(Map::from_iter(pair)))
        },
        "Take a package's name and its architecture apart.",
        "salt '*' pkg.parse_arch zsh:amd64"
    ),
    row!(
        "pkg.show",
        "*names, **kwargs",
        show,
        "Return what apt knows of packages, version by version.",
        "salt '*' pkg.show foo filter=description,provides"
    ),
    row!(
        "pkg.upgrade",
        "refresh=True, dist_upgrade=False, **kwargs",
        upgrade,
        "Upgrade all packages and return what changed.",
        "salt '*' pkg.upgrade dist_upgrade=True"
    ),
    row!(
        "pkg.which",
        "path",
        |ctx, args| {
            let path = args.text("path")?;
            let path = Path::new(&path);
            if !path.is_absolute() || !path.exists() {
                return Ok(false.into());
            }
            let found = query::owner(&ctx.programs(), &path.to_string_lossy());
            Ok(found
                .map_err(Error::Execution)?
                .map_or(Value::Null, Value::from))
        },
        "Return the package that a file is of.",
        "salt '*' pkg.which <file name>"
    ),
];

fn words(args: &Args) -> Vec<String> {
    args.rest.iter().map(python::text).collect()
}

fn files(ctx: &Context, args: &Args, together: bool) -> Result {
    let found = match query::files(&ctx.programs(), &words(args)) {
        Ok(found) => found,
        // Salt returns its complaint.
        Err(complaint) => return Ok(complaint.into()),
    };
    let (key, value) = if together {
        let mut all: Vec<String> = found.into_iter().flat_map(|(_, files)| files).collect();
        all.sort();
        all.dedup();
        ("files", Value::from(all))
    } else {
        let each = found.into_iter().map(|(n, files)| (n.into(), files.into()));
        ("packages", Value::Map(each.collect()))
    };
    let errors = Value::List(Vec::new());
    Ok(Value::Map(Map::from_iter([
        ("errors".into(), errors),
        (key.into(), value),
    ])))
}

fn owner(ctx: &Context, args: &Args) -> Result {
    let paths = words(args);
    let mut all = Map::new();
    for path in &paths {
        let owner = query::owner(&ctx.programs(), path).map_err(Error::Execution)?;
        all.insert(path.as_str().into(), owner.unwrap_or_default().into());
    }
    Ok(match paths.as_slice() {
        [] => "".into(),
        [one] => all.get(one.as_str()).cloned().unwrap_or_default(),
        _ => all.into(),
    })
}

fn info_installed(ctx: &Context, args: &Args) -> Result {
    let found = match query::info(&ctx.programs(), &words(args)) {
        Ok(found) => found,
        Err(text) if args.extra.get("failhard").is_none_or(Value::is_truthy) => {
            return Err(Error::Execution(text));
        }
        Err(_) => Vec::new(),
    };
    let mut all = Map::new();
    for package in found {
        let status = package.get("status").map_or("ii", String::as_str);
        if status.as_bytes().get(1) != Some(&b'i') {
            continue;
        }
        let name = package.get("package").cloned().unwrap_or_default();
        let mut shown = Map::new();
        for (key, value) in package {
            let (key, value) = match key {
                "status" => continue,
                "package" => ("name", value),
                "origin" => ("vendor", value),
                "section" => ("group", value),
                "maintainer" => ("packager", value),
                "homepage" => ("url", value),
                "install_date" => match value.parse().map(Timestamp::from_second) {
                    Ok(Ok(time)) => (key, time.to_string()),
                    _ => continue,
                },
                _ => (key, value),
            };
            shown.insert(key.into(), value.into());
        }
        let licences = query::licences(&name);
        if !licences.is_empty() {
            shown.insert("license".into(), licences.into());
        }
        all.insert(name.into(), shown.into());
    }
    Ok(all.into())
}

fn show(ctx: &Context, args: &Args) -> Result {
    let wanted: Vec<String> = match args.extra.get("filter") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(list)) => list
            .iter()
            .map(|f| python::text(f).to_lowercase())
            .collect(),
        Some(other) => python::text(other)
            .to_lowercase()
            .split(',')
            .map(|f| f.trim().to_owned())
            .collect(),
    };
    if args.extra.get("refresh").is_some_and(Value::is_truthy) {
        apt(ctx).update().map_err(plain)?;
    }
    let names = words(args);
    let mut all = Map::new();
    if names.is_empty() {
        return Ok(all.into());
    }
    for stanza in query::show(&ctx.programs(), &names).map_err(Error::Execution)? {
        let field = |key: &str| {
            stanza
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.clone())
        };
        let (Some(name), Some(version)) = (field("Package"), field("Version")) else {
            continue;
        };
        let rest = stanza.into_iter().filter(|(key, _)| {
            let fits = wanted.is_empty() || wanted.contains(&key.to_lowercase());
            fits && !matches!(key.as_str(), "Package" | "Version")
        });
        let rest: Map = rest.map(|(k, v)| (k.into(), v.into())).collect();
        let versions = all.entry(name.into()).or_insert_with(|| Map::new().into());
        if let Value::Map(versions) = versions {
            versions.insert(version.into(), rest.into());
        }
    }
    Ok(all.into())
}

fn upgrade(ctx: &Context, args: &Args) -> Result {
    refresh(ctx, args)?;
    let how = Install::upgrade(|key| args.extra.get(key).is_some_and(Value::is_truthy));
    let changes = apt(ctx)
        .upgrade(args.flag("dist_upgrade"), &how)
        .map_err(|e| Error::Execution(e.text("upgrading")))?;
    Ok(pkg::report(&changes).into())
}
