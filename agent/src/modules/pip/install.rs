//! `pip.install` and `pip.uninstall`: every option in the order in which Salt gives it.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::upgrades::address;
use super::{is_since, program, run, version};
use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::host::fs::write_atomic;
use crate::host::perms;
use crate::host::scratch::Scratch;

/// Arguments that this agent leaves to Salt's own Python, or that pip has no more.
const UNSUPPORTED: &[&str] = &["mirrors", "use_wheel", "no_use_wheel"];

/// Words of a list, or of a text with commas.
fn commas(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.iter().map(python::text).collect(),
        value if value.is_truthy() => python::text(value)
            .split(',')
            .map(|w| w.trim().to_owned())
            .collect(),
        _ => Vec::new(),
    }
}

/// Files of requirements as paths of this machine, and where copies lie that another account may read; the inner error
/// is an answer.
fn requirements(ctx: &Context, args: &Args) -> Result<std::result::Result<Files, Map>> {
    let value = args.get("requirements");
    if !matches!(value, Value::Null | Value::Str(_) | Value::List(_)) {
        return Err(Error::Arguments(
            "requirements must be a string or list".to_owned(),
        ));
    }
    let client = FileClient::new(ctx);
    let mut files = Files::default();
    let user = args.opt_text("user")?.filter(|u| !u.is_empty());
    for file in commas(value) {
        if !file.starts_with("salt://") {
            files.paths.push(file);
            continue;
        }
        let env = args.text("saltenv")?;
        let found = client.cache_file(&file, &env, None);
        let found = found.map_err(|e| Error::execution(e.to_string()))?;
        let Some(path) = found else {
            let comment = format!("pip requirements file '{file}' not found");
            return Ok(Err(map! { "result" => false, "comment" => comment }));
        };
        let path = match &user {
            Some(user) => files
                .readable(&path, user)
                .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?,
            None => path,
        };
        files.paths.push(path.to_string_lossy().into_owned());
    }
    Ok(Ok(files))
}

/// Files of requirements.
#[derive(Default)]
struct Files {
    paths: Vec<String>,
    copies: Option<Scratch>,
}

impl Files {
    /// A copy of a file of our cache, for an account that may not look into that.
    fn readable(&mut self, path: &Path, user: &str) -> std::io::Result<PathBuf> {
        let uid = perms::uid_of(user);
        if self.copies.is_none() {
            let scratch = Scratch::new()?;
            perms::chown(&scratch.file(""), uid, None, true)?;
            self.copies = Some(scratch);
        }
        let number = self.paths.len();
        let copies = self
            .copies
            .as_ref()
            .map(|c| c.file(&format!("requirements{number}.txt")));
        let copy = copies.unwrap_or_default();
        write_atomic(&copy, &fs::read(path)?, 0o600)?;
        perms::chown(&copy, uid, None, true)?;
        Ok(copy)
    }
}

/// A proxy of the call, or of the configuration unless the call wants none.
fn proxy(ctx: &Context, args: &Args) -> Option<String> {
    let given = args.get("proxy");
    if given.is_truthy() {
        return Some(python::text(given));
    }
    let option = |key: &str| {
        let value = ctx.settings.opts.get(key).filter(|v| v.is_truthy());
        value.map(python::text)
    };
    let (host, port) = (option("proxy_host")?, option("proxy_port")?);
    if *given == Value::Bool(false) {
        return None;
    }
    Some(
        match option("proxy_username").zip(option("proxy_password")) {
            Some((name, password)) => format!("http://{name}:{password}@{host}:{port}"),
            None => format!("http://{host}:{port}"),
        },
    )
}

/// A number of seconds, as a word.
fn timeout(args: &Args) -> Result<Option<String>> {
    let value = args.get("timeout");
    if !value.is_truthy() {
        return Ok(None);
    }
    let text = python::text(value);
    if matches!(value, Value::Float(_)) || text.trim().parse::<i64>().is_err() {
        return Err(Error::Exception {
            kind: "ValueError",
            message: format!("'{text}' is not a valid timeout, must be an integer"),
        });
    }
    Ok(Some(text))
}

/// Options that stand for themselves: one with a map is an option with its value.
fn extra(args: &Args) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for one in args.get("extra_args").as_list().unwrap_or_default() {
        let Value::Map(pair) = one else {
            words.push(python::text(one));
            continue;
        };
        if let Some((key, value)) = pair.last() {
            if matches!(value, Value::Map(_) | Value::List(_)) {
                let key = python::text(key);
                return Err(Error::Arguments(format!("Too many levels in: {key}")));
            }
            words.extend([python::text(key), python::text(value)]);
        }
    }
    Ok(words)
}

pub(super) fn install(ctx: &Context, args: &Args) -> Result {
    if let Some(name) = UNSUPPORTED.iter().find(|a| args.flag(a)) {
        return Err(Error::execution(format!(
            "The argument '{name}' of pip.install is not supported by this agent"
        )));
    }
    let mut words = program(args)?;
    let mut add = |more: &[&str]| words.extend(more.iter().map(|w| (*w).to_owned()));
    add(&["install"]);
    let files = match requirements(ctx, args)? {
        Ok(files) => files,
        Err(answer) => return Ok(answer.into()),
    };
    for file in &files.paths {
        add(&["--requirement", file]);
    }
    let now = version(ctx, args)?;
    if args.flag("no_binary") {
        add(&["--no-binary", &commas(args.get("no_binary")).join(",")]);
    }
    if let Some(log) = args.opt_text("log")?.filter(|l| !l.is_empty()) {
        if Path::new(&log).is_dir() {
            return Err(Error::Exception {
                kind: "OSError",
                message: format!("'{log}' is a directory. Use --log path_to_file"),
            });
        }
        add(&["--log", &log]);
    }
    if let Some(proxy) = proxy(ctx, args) {
        add(&["--proxy", &proxy]);
    }
    if let Some(seconds) = timeout(args)? {
        add(&["--timeout", &seconds]);
    }
    for link in commas(args.get("find_links")) {
        if !link.contains("://") && !Path::new(&link).exists() {
            return Err(Error::execution(format!(
                "'{link}' is not a valid URL or path"
            )));
        }
        add(&["--find-links", &link]);
    }
    if args.flag("no_index") && (args.flag("index_url") || args.flag("extra_index_url")) {
        return Err(Error::execution(
            "'no_index' and ('index_url' or 'extra_index_url') are mutually exclusive.",
        ));
    }
    for (key, option) in [
        ("index_url", "--index-url"),
        ("extra_index_url", "--extra-index-url"),
    ] {
        if let Some(url) = address(args, key)? {
            add(&[option, &url]);
        }
    }
    for (key, option) in [
        ("no_index", "--no-index"),
        ("disable_version_check", "--disable-pip-version-check"),
    ] {
        if args.flag(key) {
            add(&[option]);
        }
    }
    let value =
        |key: &str| -> Result<Option<String>> { Ok(args.opt_text(key)?.filter(|v| !v.is_empty())) };
    for (key, option) in [
        ("build", "--build"),
        ("target", "--target"),
        ("download", "--download"),
    ] {
        if let Some(value) = value(key)? {
            add(&[option, &value]);
        }
    }
    if let Some(dir) = value("download_cache")?.or(value("cache_dir")?) {
        add(&["--cache-dir", &dir]);
    }
    if let Some(dir) = value("source")? {
        add(&["--source", &dir]);
    }
    for (key, option) in [
        ("upgrade", "--upgrade"),
        ("force_reinstall", "--force-reinstall"),
        ("ignore_installed", "--ignore-installed"),
    ] {
        if args.flag(key) {
            add(&[option]);
        }
    }
    if let Some(action) = value("exists_action")? {
        if !["s", "i", "w", "b"].contains(&action.to_lowercase().as_str()) {
            return Err(Error::execution(format!(
                "The exists_action pip option only supports the values s, i, w, and b. '{action}' is not valid."
            )));
        }
        add(&["--exists-action", &action]);
    }
    for (key, option) in [
        ("no_deps", "--no-deps"),
        ("no_install", "--no-install"),
        ("no_download", "--no-download"),
        ("no_cache_dir", "--no-cache-dir"),
    ] {
        if args.flag(key) {
            add(&[option]);
        }
    }
    if args.flag("pre_releases") && is_since(&now, "1.4") {
        add(&["--pre"]);
    }
    if let Some(file) = value("cert")? {
        add(&["--cert", &file]);
    }
    for (key, option) in [
        ("global_options", "--global-option"),
        ("install_options", "--install-option"),
    ] {
        for one in commas(args.get(key)) {
            add(&[option, &one]);
        }
    }
    let packages = commas(args.get("pkgs"));
    if packages.is_empty() && files.paths.is_empty() && !args.flag("editable") {
        return Ok(map! { "retcode" => 0, "stdout" => "No packages to install." }.into());
    }
    for package in &packages {
        // A range of versions had its commas changed, so that it is one word.
        add(&[&package.replace(';', ",")]);
    }
    for entry in commas(args.get("editable")) {
        let local = entry == "." || entry.starts_with("file://") || entry.starts_with('/');
        let egg = entry
            .split(['#', '&'])
            .skip(1)
            .find_map(|p| p.strip_prefix("egg="));
        if !local && egg.is_none_or(str::is_empty) {
            return Err(Error::execution(
                "You must specify an egg for this editable",
            ));
        }
        add(&["--editable", &entry]);
    }
    if args.flag("allow_all_external") {
        add(&["--allow-all-external"]);
    }
    for (key, option) in [
        ("allow_external", "--allow-external"),
        ("allow_unverified", "--allow-unverified"),
    ] {
        for one in commas(args.get(key)) {
            add(&[option, &one]);
        }
    }
    if args.flag("process_dependency_links") {
        add(&["--process-dependency-links"]);
    }
    if let Some(host) = value("trusted_host")? {
        add(&["--trusted-host", &host]);
    }
    words.extend(extra(args)?);
    Ok(run(ctx, args, words, Some(args.get("env_vars")))?.into())
}

pub(super) fn uninstall(ctx: &Context, args: &Args) -> Result {
    let mut words = program(args)?;
    words.extend(["uninstall".to_owned(), "-y".to_owned()]);
    let files = match requirements(ctx, args)? {
        Ok(files) => files,
        Err(answer) => return Ok(answer.into()),
    };
    for file in &files.paths {
        words.extend(["--requirement".to_owned(), file.clone()]);
    }
    if let Some(log) = args.opt_text("log")?.filter(|l| !l.is_empty()) {
        words.extend(["--log".to_owned(), log]);
    }
    if let Some(proxy) = proxy(ctx, args) {
        words.extend(["--proxy".to_owned(), proxy]);
    }
    if let Some(seconds) = timeout(args)? {
        words.extend(["--timeout".to_owned(), seconds]);
    }
    words.extend(commas(args.get("pkgs")));
    words.extend(extra(args)?);
    Ok(run(ctx, args, words, None)?.into())
}
