//! `saltutil.sync_*`: extension modules of the file server, kept for the Python worker.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::fileclient::FileClient;
use crate::host::{self, digest};

const WITH_REFRESH: &str =
    "saltenv=None, refresh=True, extmod_whitelist=None, extmod_blacklist=None";

macro_rules! sync {
    ($name:literal, $form:literal) => {
        Function {
            name: concat!("saltutil.sync_", $name),
            signature: WITH_REFRESH,
            doc: concat!(
                "Sync extension modules from ``salt://_",
                $form,
                "`` and return the names of the new and changed ones.",
                "\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' saltutil.sync_",
                $name,
                "\n    salt '*' saltutil.sync_",
                $name,
                " saltenv=base,dev\n"
            ),
            run: |ctx, args| sync_one(ctx, args, $form),
        }
    };
}

/// The rows of `saltutil` that sync.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "saltutil.list_extmods",
        "",
        list_extmods,
        "List the extension modules that were synced, by kind.",
        "salt '*' saltutil.list_extmods"
    ),
    row!(
        "saltutil.sync_all",
        "saltenv=None, refresh=True, extmod_whitelist=None, extmod_blacklist=None, clean_pillar_cache=False",
        sync_all,
        "Sync extension modules of every kind; return the names of the new and changed ones by kind.",
        "salt '*' saltutil.sync_all\n    salt '*' saltutil.sync_all saltenv=dev"
    ),
    sync!("beacons", "beacons"),
    sync!("clouds", "clouds"),
    sync!("engines", "engines"),
    sync!("executors", "executors"),
    sync!("grains", "grains"),
    sync!("log_handlers", "log_handlers"),
    sync!("matchers", "matchers"),
    sync!("modules", "modules"),
    sync!("output", "output"),
    sync!("outputters", "output"),
    sync!("pillar", "pillar"),
    sync!("proxymodules", "proxy"),
    sync!("renderers", "renderers"),
    sync!("resources", "resources"),
    sync!("returners", "returners"),
    sync!("sdb", "sdb"),
    sync!("serializers", "serializers"),
    sync!("states", "states"),
    sync!("thorium", "thorium"),
    sync!("tops", "tops"),
    sync!("utils", "utils"),
    sync!("wrapper", "wrapper"),
];

/// Keys of `sync_all` in Salt's order, each with its directory.
const ALL: &[(&str, &str)] = &[
    ("clouds", "clouds"),
    ("beacons", "beacons"),
    ("modules", "modules"),
    ("states", "states"),
    ("sdb", "sdb"),
    ("grains", "grains"),
    ("renderers", "renderers"),
    ("returners", "returners"),
    ("output", "output"),
    ("utils", "utils"),
    ("log_handlers", "log_handlers"),
    ("executors", "executors"),
    ("proxymodules", "proxy"),
    ("engines", "engines"),
    ("thorium", "thorium"),
    ("serializers", "serializers"),
    ("matchers", "matchers"),
    ("resources", "resources"),
];

/// Kinds that only a master loads: synced where there is none.
const MASTERS: &[(&str, &str)] = &[
    ("pillar", "Pillar"),
    ("tops", "Master top"),
    ("wrapper", "Wrapper"),
];

fn sync_one(ctx: &Context, args: &Args, form: &str) -> Result {
    let changed = sync_kind(ctx, args, form)?;
    if !changed.is_empty() && args.flag("refresh") && form == "grains" {
        ctx.minion.refresh_grains(ctx)?;
    }
    Ok(changed.into())
}

fn sync_kind(ctx: &Context, args: &Args, form: &str) -> Result<Vec<String>> {
    if let Some((_, kind)) = MASTERS.iter().find(|(name, _)| *name == form)
        && ctx.master.is_some()
    {
        return Err(Error::execution(format!(
            "{kind} modules can only be synced to masterless minions"
        )));
    }
    let files = FileClient::new(ctx);
    let envs = environments(args, &files)?;
    let changed = sync(ctx, args, form, &envs, &files)?;
    ctx.worker.refresh();
    Ok(changed)
}

fn sync_all(ctx: &Context, args: &Args) -> Result {
    let files = FileClient::new(ctx);
    let envs = environments(args, &files)?;
    let local = ctx.master.is_none();
    let mut result = Map::new();
    let mut one = |key: &str, form: &str| -> Result<()> {
        result.insert(key.into(), sync(ctx, args, form, &envs, &files)?.into());
        Ok(())
    };
    if local {
        one("tops", "tops")?;
    }
    for (key, form) in ALL {
        one(key, form)?;
    }
    if local {
        one("pillar", "pillar")?;
        one("wrapper", "wrapper")?;
    }
    ctx.worker.refresh();
    if args.flag("refresh") {
        if result.get("grains").is_some_and(Value::is_truthy) {
            // Fetches the pillar anew, too.
            ctx.minion.refresh_grains(ctx)?;
        } else {
            ctx.minion.fire("pillar_refresh", Map::new());
        }
    }
    Ok(result.into())
}

/// The environments asked for, or `base`.
fn environments(args: &Args, _: &FileClient) -> Result<Vec<String>> {
    Ok(match args.get("saltenv") {
        Value::Null => vec!["base".into()],
        Value::List(list) => list.iter().map(crate::context::python::text).collect(),
        _ => args
            .text("saltenv")?
            .split(',')
            .map(str::to_owned)
            .collect(),
    })
}

/// Syncs one kind: new and changed files come, files that the server no longer has go.
fn sync(
    ctx: &Context,
    args: &Args,
    form: &str,
    envs: &[String],
    files: &FileClient,
) -> Result<Vec<String>> {
    let dir = extension_modules(ctx).join(form);
    let failed =
        |path: &Path, e: std::io::Error| Error::execution(format!("{}: {e}", path.display()));
    host::fs::make_dirs(&dir, 0o700).map_err(|e| failed(&dir, e))?;
    let mut changed = Vec::new();
    let mut remote = BTreeSet::new();
    for env in envs {
        let cached = files.cache_dir(
            &format!("salt://_{form}"),
            env,
            false,
            &"E@\\.(pyx?|so|zip)$".into(),
            &Value::Null,
        )?;
        let root = ctx
            .settings
            .cachedir
            .join("files")
            .join(env)
            .join(format!("_{form}"));
        for file in cached {
            let Ok(relative) = file.strip_prefix(&root) else {
                continue;
            };
            let name = relative
                .with_extension("")
                .to_string_lossy()
                .replace('/', ".");
            if !wanted(ctx, args, form, &name) {
                continue;
            }
            remote.insert(relative.to_path_buf());
            let dest = dir.join(relative);
            let sum = |path: &Path| digest::file(path, "sha256").ok();
            if dest.is_file() && sum(&dest) == sum(&file) {
                continue;
            }
            if let Some(parent) = dest.parent() {
                host::fs::make_dirs(parent, 0o700).map_err(|e| failed(parent, e))?;
            }
            let bytes = fs::read(&file).map_err(|e| failed(&file, e))?;
            host::fs::write_atomic(&dest, &bytes, 0o600).map_err(|e| failed(&dest, e))?;
            changed.push(format!("{form}.{name}"));
        }
    }
    let clean = ctx
        .settings
        .opts
        .get("clean_dynamic_modules")
        .is_none_or(Value::is_truthy);
    if clean {
        remove_others(&dir, &dir, &remote);
        // Only an empty one goes.
        fs::remove_dir(&dir).ok();
    }
    Ok(changed)
}

/// Whether the white and black lists let a module through: an argument, or the option of that name.
fn wanted(ctx: &Context, args: &Args, form: &str, name: &str) -> bool {
    let listed = |which: &str| -> Option<bool> {
        let argument = args.get(which);
        let names = match argument {
            Value::Str(text) => return Some(text.split(',').any(|n| n == name)),
            Value::Null => ctx.settings.opts.get(which)?.get(form)?,
            by_form => by_form.get(form)?,
        };
        match names {
            Value::List(list) => Some(list.iter().any(|n| n.as_str() == Some(name))),
            Value::Str(text) => Some(text.contains(name)),
            _ => None,
        }
    };
    listed("extmod_whitelist").unwrap_or(true) && !listed("extmod_blacklist").unwrap_or(false)
}

fn remove_others(root: &Path, dir: &Path, keep: &BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            remove_others(root, &path, keep);
            // Only an empty one goes.
            fs::remove_dir(&path).ok();
        } else if path.strip_prefix(root).is_ok_and(|r| !keep.contains(r))
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "A module that the server no longer has cannot be removed.");
        }
    }
}

fn extension_modules(ctx: &Context) -> PathBuf {
    match ctx
        .settings
        .opts
        .get("extension_modules")
        .and_then(Value::as_str)
    {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => ctx.settings.cachedir.join("extmods"),
    }
}

fn list_extmods(ctx: &Context, _: &Args) -> Result {
    let mut found = Map::new();
    let Ok(kinds) = fs::read_dir(extension_modules(ctx)) else {
        return Ok(found.into());
    };
    for kind in kinds.flatten() {
        let mut names = BTreeSet::new();
        collect(&kind.path(), &mut names);
        let names: Vec<String> = names.into_iter().collect();
        found.insert(
            kind.file_name().to_string_lossy().into_owned().into(),
            names.into(),
        );
    }
    Ok(found.into())
}

fn collect(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), names);
        } else {
            let file = entry.file_name().to_string_lossy().into_owned();
            names.insert(file.split('.').next().unwrap_or_default().to_owned());
        }
    }
}
