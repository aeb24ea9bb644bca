//! `npm`: packages of node.js. Its words are handed over as they are: no shell reads them.

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Ran, Result, python};
use crate::host::env::which;
use crate::host::perms::uid_of;

/// The rows of `npm`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "npm.cache_clean",
        "path=None, runas=None, env=None, force=False",
        cache_clean,
        "Clean the cache, or one path in it.",
        "salt '*' npm.cache_clean force=True"
    ),
    row!(
        "npm.cache_list",
        "path=None, runas=None, env=None",
        cache_list,
        "List what is in the cache.",
        "salt '*' npm.cache_list"
    ),
    row!(
        "npm.cache_path",
        "runas=None, env=None",
        |ctx, args| {
            let told = run(ctx, args, &["config", "get", "cache"], None, false)?;
            Ok(either(&told).into())
        },
        "Return the directory of the cache.",
        "salt '*' npm.cache_path"
    ),
    row!(
        "npm.install",
        "pkg=None, pkgs=None, dir=None, runas=None, registry=None, env=None, dry_run=False, silent=True",
        install,
        "Install packages, for all or in a directory; without a name what the directory's package.json asks for.",
        "salt '*' npm.install coffee-script@1.0.1"
    ),
    row!(
        "npm.list",
        "pkg=None, dir=None, runas=None, env=None, depth=None",
        list,
        "List installed packages, of all or of a directory.",
        "salt '*' npm.list"
    ),
    row!(
        "npm.uninstall",
        "pkg, dir=None, runas=None, env=None",
        uninstall,
        "Uninstall a package, of all or of a directory.",
        "salt '*' npm.uninstall coffee-script"
    ),
];

/// Runs npm as `cmd.run_all` runs things.
fn run(
    ctx: &Context,
    args: &Args,
    words: &[&str],
    cwd: Option<&str>,
    may_fail: bool,
) -> Result<Ran> {
    if which("npm").is_none() {
        return Err(Error::MissingCommand(
            "npm execution module could not be loaded because the npm binary could not be located"
                .to_owned(),
        ));
    }
    let mut kwargs = map! { "ignore_retcode" => may_fail };
    if let Some(cwd) = cwd {
        kwargs.insert("cwd".into(), cwd.into());
    }
    let mut env = args.get("env").clone();
    if let Some(runas) = args.opt_text("runas")?.filter(|r| !r.is_empty()) {
        if let Some(uid) = uid_of(&runas).filter(|uid| *uid != 0) {
            let own = map! { "SUDO_UID" => uid.to_string(), "SUDO_USER" => "" };
            env = match env {
                Value::Map(mut given) => {
                    given.extend(own);
                    given.into()
                }
                Value::List(mut given) => {
                    given.push(own.into());
                    given.into()
                }
                _ => own.into(),
            };
        }
        kwargs.insert("runas".into(), runas.into());
    }
    if env.is_truthy() {
        kwargs.insert("env".into(), env);
    }
    ctx.run_all([&["npm"], words].concat(), kwargs)
}

/// What it said, and if that is nothing what it complained of.
fn either(told: &Ran) -> String {
    match told.stdout() {
        empty if empty.is_empty() => told.stderr(),
        out => out,
    }
}

fn dir_of(args: &Args) -> Result<Option<String>> {
    Ok(args.opt_text("dir")?.filter(|d| !d.is_empty()))
}

fn install(ctx: &Context, args: &Args) -> Result {
    let mut words = vec!["install".to_owned(), "--json".to_owned()];
    let mut add = |condition: bool, option: &str| {
        if condition {
            words.push(option.to_owned());
        }
    };
    let dir = dir_of(args)?;
    add(args.flag("silent"), "--silent");
    add(dir.is_none(), "--global");
    if args.flag("registry") {
        add(true, &format!("--registry={}", args.text("registry")?));
    }
    add(args.flag("dry_run"), "--dry-run");
    if args.flag("pkg") {
        add(true, &args.text("pkg")?);
    } else if let Value::List(pkgs) = args.get("pkgs") {
        words.extend(pkgs.iter().map(python::text));
    }
    let cwd = dir.unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = run(ctx, args, &words, Some(&cwd), false)?;
    if !told.is_fine() {
        return Err(Error::execution(told.stderr()));
    }
    let text = either(&told);
    Ok(crate::render::json_within(&text).unwrap_or_else(|| text.into()))
}

fn uninstall(ctx: &Context, args: &Args) -> Result {
    let (pkg, dir) = (args.text("pkg")?, dir_of(args)?);
    let mut words = vec!["uninstall", pkg.as_str()];
    if dir.is_none() {
        words.push("--global");
    }
    let told = run(ctx, args, &words, dir.as_deref(), false)?;
    Ok(fine_or_logged(&told).into())
}

fn fine_or_logged(told: &Ran) -> bool {
    if !told.is_fine() {
        tracing::error!(stderr = told.stderr(), "npm failed.");
    }
    told.is_fine()
}

fn list(ctx: &Context, args: &Args) -> Result {
    let dir = dir_of(args)?;
    let mut words = vec![
        "list".to_owned(),
        "--json".to_owned(),
        "--silent".to_owned(),
    ];
    if dir.is_none() {
        words.push("--global".to_owned());
    }
    match args.get("depth") {
        Value::Null => {}
        Value::Int(depth) => words.push(format!("--depth={depth}")),
        Value::Float(depth) => words.push(format!("--depth={}", depth.trunc())),
        other => {
            return Err(Error::invocation(format!(
                "Error: depth {} must be a number",
                python::text(other)
            )));
        }
    }
    if args.flag("pkg") {
        words.push(args.text("pkg")?);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = run(ctx, args, &words, dir.as_deref(), true)?;
    let complaint = told.stderr();
    // It fails, too, when there is nothing to list, and then without a word.
    if !told.is_fine() && !complaint.is_empty() {
        return Err(Error::execution(complaint));
    }
    let all = crate::render::json(&told.stdout()).map_err(|e| Error::Exception {
        kind: "ValueError",
        message: e.to_string(),
    })?;
    Ok(all
        .get("dependencies")
        .cloned()
        .unwrap_or_else(|| Map::new().into()))
}

fn cache(ctx: &Context, args: &Args, verb: &str) -> Result<Ran> {
    let path = args.opt_text("path")?.unwrap_or_default();
    let mut words = vec!["cache", verb];
    if !path.is_empty() {
        words.push(&path);
    }
    if args.get("force") == &Value::Bool(true) {
        words.push("--force");
    }
    run(ctx, args, &words, None, true)
}

fn cache_clean(ctx: &Context, args: &Args) -> Result {
    let told = cache(ctx, args, "clean")?;
    Ok(fine_or_logged(&told).into())
}

fn cache_list(ctx: &Context, args: &Args) -> Result {
    let told = cache(ctx, args, "ls")?;
    let complaint = told.stderr();
    if !told.is_fine() && !complaint.is_empty() {
        return Err(Error::execution(complaint));
    }
    Ok(told.stdout().into())
}
