//! `gem`: packages of Ruby.

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Ran, Result, python};
use crate::host::env::{is_executable, var};
use crate::host::user::account;

/// The rows of `gem`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "gem.install",
        "gems, ruby=None, gem_bin=None, runas=None, version=None, rdoc=False, ri=False, pre_releases=False, proxy=None, source=None",
        install,
        "Install gems; the answer is what the program said.",
        "salt '*' gem.install vagrant"
    ),
    row!(
        "gem.list",
        "prefix='', ruby=None, runas=None, gem_bin=None",
        list,
        "List installed gems, each with its versions.",
        "salt '*' gem.list"
    ),
    row!(
        "gem.list_upgrades",
        "ruby=None, runas=None, gem_bin=None",
        list_upgrades,
        "List gems that have a newer version.",
        "salt '*' gem.list_upgrades"
    ),
    row!(
        "gem.sources_add",
        "source_uri, ruby=None, runas=None, gem_bin=None",
        |ctx, args| gem(ctx, args, &["sources", "--add", &args.text("source_uri")?]),
        "Add a source of gems.",
        "salt '*' gem.sources_add http://rubygems.org/"
    ),
    row!(
        "gem.sources_list",
        "ruby=None, runas=None, gem_bin=None",
        |ctx, args| {
            let said = gem(ctx, args, &["sources"])?;
            let lines = said.as_str().unwrap_or_default().lines().skip(2);
            Ok(Value::List(lines.map(Value::from).collect()))
        },
        "List the sources of gems.",
        "salt '*' gem.sources_list"
    ),
    row!(
        "gem.sources_remove",
        "source_uri, ruby=None, runas=None, gem_bin=None",
        |ctx, args| gem(
            ctx,
            args,
            &["sources", "--remove", &args.text("source_uri")?]
        ),
        "Remove a source of gems.",
        "salt '*' gem.sources_remove http://rubygems.org/"
    ),
    row!(
        "gem.uninstall",
        "gems, ruby=None, runas=None, gem_bin=None",
        |ctx, args| some(ctx, args, "uninstall", &["-a", "-x"]),
        "Uninstall gems, all versions and with their programs.",
        "salt '*' gem.uninstall vagrant"
    ),
    row!(
        "gem.update",
        "gems, ruby=None, runas=None, gem_bin=None",
        |ctx, args| some(ctx, args, "update", &[]),
        "Update gems.",
        "salt '*' gem.update vagrant"
    ),
    row!(
        "gem.update_system",
        "version='', ruby=None, runas=None, gem_bin=None",
        |ctx, args| gem(ctx, args, &["update", "--system", &args.text("version")?]),
        "Update gem itself.",
        "salt '*' gem.update_system"
    ),
    row!(
        "gem.version",
        "ruby=None, runas=None, gem_bin=None",
        version,
        "Return the version of gem.",
        "salt '*' gem.version"
    ),
];

/// Runs gem: that which is named, else that of RVM or rbenv where one is installed. Theirs answer False when they fail.
fn gem(ctx: &Context, args: &Args, command: &[&str]) -> Result {
    let runas = args.opt_text("runas")?;
    let given = args.opt_text("gem_bin")?;
    let program = given.clone().unwrap_or_else(|| "gem".to_owned());
    let mut words = vec![program];
    words.extend(command.iter().map(|w| (*w).to_owned()));
    let kwargs = |runas: &Option<String>| match runas {
        Some(runas) => map! { "runas" => runas.as_str() },
        None => Map::new(),
    };
    if given.is_none() {
        let ruby = args.opt_text("ruby")?;
        if let Some((program, runas)) = rvm(ctx, runas.clone()) {
            let ruby = ruby.filter(|r| !r.is_empty());
            let mut all = vec![
                program,
                ruby.unwrap_or_else(|| "default".into()),
                "do".into(),
            ];
            all.extend(words);
            return Ok(done(&ctx.run_all(all, kwargs(&runas))?));
        }
        let root = rbenv(ctx, runas.as_deref());
        if is_executable(&Path::new(&root).join("bin/rbenv")) {
            let path = var("PATH").unwrap_or_default();
            let mut env = map! { "PATH" => format!("{root}/shims:{path}") };
            if let Some(ruby) = ruby.filter(|r| !r.is_empty()) {
                env.insert("RBENV_VERSION".into(), ruby.into());
            }
            let mut all = kwargs(&runas);
            all.insert("env".into(), env.into());
            let told = ctx.run_all(words, all)?;
            if told.is_fine() {
                let rehash = vec![format!("{root}/bin/rbenv"), "rehash".to_owned()];
                let mut all = kwargs(&runas);
                all.insert("env".into(), map! { "RBENV_ROOT" => root }.into());
                ctx.run_all(rehash, all)?;
            }
            return Ok(done(&told));
        }
    }
    let told = ctx.run_all(words, kwargs(&runas))?;
    if told.is_fine() {
        Ok(told.stdout().into())
    } else {
        Err(Error::execution(told.stderr()))
    }
}

fn done(told: &Ran) -> Value {
    if told.is_fine() {
        told.stdout().into()
    } else {
        false.into()
    }
}

fn option(ctx: &Context, key: &str) -> Option<String> {
    let set = ctx.settings.opts.get(key).filter(|v| v.is_truthy());
    set.map(python::text)
}

/// RVM, and the account that it is of.
fn rvm(ctx: &Context, runas: Option<String>) -> Option<(String, Option<String>)> {
    let own = runas.as_deref().and_then(account);
    let own = own.map(|a| format!("{}/.rvm/bin/rvm", a.home));
    let program = own
        .filter(|p| Path::new(p).exists())
        .unwrap_or_else(|| "/usr/local/rvm/bin/rvm".to_owned());
    let runas = runas.or_else(|| option(ctx, "rvm.runas"));
    is_executable(Path::new(&program)).then_some((program, runas))
}

/// The directory in which rbenv would be.
fn rbenv(ctx: &Context, runas: Option<&str>) -> String {
    option(ctx, "rbenv.root").unwrap_or_else(|| match runas {
        None | Some("root") => "/usr/local/rbenv".to_owned(),
        Some(name) => match account(name) {
            Some(account) => format!("{}/.rbenv", account.home),
            None => format!("~{name}/.rbenv"),
        },
    })
}

/// Names in a text, or a list of them.
fn names(args: &Args) -> Result<Vec<String>> {
    Ok(match args.get("gems") {
        Value::List(list) => list.iter().map(python::text).collect(),
        _ => {
            let text = args.text("gems")?;
            text.split_whitespace().map(str::to_owned).collect()
        }
    })
}

fn some(ctx: &Context, args: &Args, command: &str, options: &[&str]) -> Result {
    let names = names(args)?;
    let mut words = vec![command];
    words.extend(names.iter().map(String::as_str));
    words.extend(options);
    gem(ctx, args, &words)
}

fn install(ctx: &Context, args: &Args) -> Result {
    let mut options: Vec<String> = Vec::new();
    if args.flag("version") {
        options.extend(["--version".to_owned(), args.text("version")?]);
    }
    let now = version(ctx, args)?;
    let Value::Str(now) = now else {
        return Err(no_text(&now));
    };
    let (rdoc, ri) = (args.flag("rdoc"), args.flag("ri"));
    let mut add = |condition: bool, option: &str| {
        if condition {
            options.push(option.to_owned());
        }
    };
    if now.starts_with("3.") {
        add(!rdoc || !ri, "--no-document");
        add(args.flag("pre_releases"), "--prerelease");
    } else {
        add(!rdoc, "--no-rdoc");
        add(!ri, "--no-ri");
        add(args.flag("pre_releases"), "--pre");
    }
    for (key, option) in [("proxy", "-p"), ("source", "--source")] {
        if args.flag(key) {
            options.extend([option.to_owned(), args.text(key)?]);
        }
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    some(ctx, args, "install", &options)
}

/// Python's complaint of a pattern that is given no text.
fn no_text(value: &Value) -> Error {
    let kind = crate::context::signature::kind(value);
    Error::Arguments(format!(
        "expected string or bytes-like object, got '{kind}'"
    ))
}

fn lines(said: &Value) -> Result<Vec<&str>> {
    match said {
        Value::Str(text) => Ok(text.split('\n').collect()),
        other => Err(no_text(other)),
    }
}

fn version(ctx: &Context, args: &Args) -> Result {
    let said = gem(ctx, args, &["--version"])?;
    let first = lines(&said)?
        .into_iter()
        .find(|l| l.starts_with(|c: char| c == '.' || c.is_ascii_digit()));
    Ok(first.map_or_else(|| Map::new().into(), Value::from))
}

fn list(ctx: &Context, args: &Args) -> Result {
    let prefix = args.opt_text("prefix")?.unwrap_or_default();
    let mut words = vec!["list"];
    if !prefix.is_empty() {
        words.push(&prefix);
    }
    let said = gem(ctx, args, &words)?;
    let mut all = Map::new();
    for line in lines(&said)? {
        let Some((name, rest)) = line.split_once(' ') else {
            continue;
        };
        let inner = rest
            .strip_prefix('(')
            .and_then(|r| r.rfind(')').map(|end| &r[..end]));
        if let Some(inner) = inner.filter(|i| !i.is_empty() && !name.is_empty()) {
            let versions = inner.split(", ").map(Value::from);
            all.insert(name.into(), Value::List(versions.collect()));
        }
    }
    Ok(all.into())
}

fn list_upgrades(ctx: &Context, args: &Args) -> Result {
    let said = gem(ctx, args, &["outdated"])?;
    let mut all = Map::new();
    for line in lines(&said)? {
        // `name (1.0 < 1.1)`
        let words: Vec<&str> = line.split(' ').collect();
        let found = words.windows(4).find_map(|w| match w {
            [name, old, "<", new] if old.starts_with('(') && !name.is_empty() => {
                Some((*name, new.strip_suffix(')')?))
            }
            _ => None,
        });
        match found {
            Some((name, new)) => drop(all.insert(name.into(), new.into())),
            None => tracing::error!(line, "No upgrade is told by this line of gem."),
        }
    }
    Ok(all.into())
}
