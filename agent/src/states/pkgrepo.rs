//! `pkgrepo`: package repositories of apt.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::fileclient::FileClient;
use crate::host::env;
use crate::host::pkg::Apt;
use crate::host::sources::{Order, Repo, Sources, is_yes, keys};

/// The rows of `pkgrepo`.
pub const STATES: &[State] = &[
    State {
        name: "pkgrepo.managed",
        signature: "name, ppa=None, copr=None, aptkey=True, **kwargs",
        doc: "Ensure that a package repository is configured; its name is its whole line.",
        run: managed,
    },
    State {
        name: "pkgrepo.absent",
        signature: "name, **kwargs",
        doc: "Ensure that a package repository is not configured.",
        run: absent,
    },
];

type Done = Result<Outcome, Error>;

const LATER: &str = "This may cause pkg states to behave differently than stated if this action is repeated without test=True, due to the differences in the configured repositories.";

/// What `pkg.mod_repo` is told about a repository.
pub(crate) struct Request {
    order: Order,
    given: Map,
    aptkey: bool,
    saltenv: String,
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Str(text) => text.eq_ignore_ascii_case("true") || is_yes(text),
        other => other.is_truthy(),
    }
}

fn commas(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.iter().map(python::text).collect(),
        text => python::text(text)
            .split(',')
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty())
            .collect(),
    }
}

impl Request {
    /// Reads the arguments of `pkg.mod_repo`.
    pub(crate) fn new(repo: &str, given: &Map, aptkey: bool, saltenv: &str) -> Self {
        let get = |key: &str| given.get(key).filter(|v| !v.is_null());
        let text = |key: &str| get(key).map(python::text);
        let disabled = match (get("disabled"), get("enabled")) {
            (Some(disabled), _) => Some(truth(disabled)),
            (None, Some(enabled)) => Some(!truth(enabled)),
            (None, None) => None,
        };
        let order = Order {
            repo: repo.to_owned(),
            file: text("file"),
            comps: get("comps").map(commas),
            architectures: get("architectures").map(commas),
            dist: text("dist"),
            uri: text("uri"),
            disabled,
            trusted: get("trusted").map(truth),
            comments: get("comments").map(|c| match c {
                Value::List(list) => {
                    let parts: Vec<_> = list.iter().map(python::text).collect();
                    parts.join(" ").trim().to_owned()
                }
                one => python::text(one).trim().to_owned(),
            }),
        };
        Self {
            order,
            given: given.clone(),
            aptkey: aptkey && env::which("apt-key").is_some(),
            saltenv: saltenv.to_owned(),
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        let value = self.given.get(key).filter(|v| v.is_truthy());
        value.map(python::text)
    }

    /// Puts the key and the repository in place and has apt read its lists.
    pub(crate) fn carry_out(&self, ctx: &Context, files: &FileClient) -> Result<(), Error> {
        if self.order.repo.starts_with("ppa:") {
            return Err(Error::execution(format!(
                "cannot parse \"ppa:\" style repo definitions: {}",
                self.order.repo
            )));
        }
        let mut sources = Sources::read();
        sources
            .modify(&self.order, !self.aptkey)
            .map_err(Error::Invocation)?;
        self.key(ctx, files)?;
        sources
            .save()
            .map_err(|e| Error::execution(format!("apt's sources: {e}")))?;
        let refresh = self.given.get("refresh_db").or(self.given.get("refresh"));
        if refresh.is_none_or(Value::is_truthy) {
            apt(ctx)
                .update()
                .map_err(|e| Error::execution(e.errors.join("\n")))?;
        }
        Ok(())
    }

    fn key(&self, ctx: &Context, files: &FileClient) -> Result<(), Error> {
        let signedby = self.order.expected().signedby;
        let dest = |name: &str| {
            if signedby.is_empty() {
                Path::new("/etc/apt/keyrings").join(name)
            } else {
                PathBuf::from(&signedby)
            }
        };
        let place = |bytes: &[u8], dest: &Path| {
            keys::place(bytes, dest)
                .map_err(|e| Error::execution(format!("{}: {e}", dest.display())))
        };
        if self.given.contains_key("keyid") {
            return self.receive(ctx, &dest("salt.gpg"));
        }
        if let Some(url) = self.text("key_url") {
            let path = files
                .cache_file(&url, &self.saltenv, None)?
                .ok_or_else(|| Error::execution(format!("Error: file not found: {url}")))?;
            if self.aptkey {
                let said = ctx
                    .programs()
                    .run(&["apt-key", "add", &path.to_string_lossy()])
                    .map_err(Error::Execution)?;
                if !said.stdout.to_uppercase().starts_with("OK") {
                    return Err(Error::execution(format!(
                        "Error: failed to add key from {url}"
                    )));
                }
                return Ok(());
            }
            let bytes = fs::read(&path)
                .map_err(|e| Error::execution(format!("{}: {e}", path.display())))?;
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
            return place(&bytes, &dest(&name.unwrap_or_default()));
        }
        if let Some(text) = self.text("key_text") {
            if !self.aptkey {
                return place(text.as_bytes(), &dest("salt.gpg"));
            }
            let said = ctx
                .programs()
                .feed(&["apt-key", "add", "-"], text.as_bytes())
                .map_err(Error::Execution)?;
            if !said.stdout.to_uppercase().starts_with("OK") {
                return Err(Error::execution(format!(
                    "Error: failed to add key:\n{text}"
                )));
            }
        }
        Ok(())
    }

    /// Keys by their ids, from a key server.
    fn receive(&self, ctx: &Context, dest: &Path) -> Result<(), Error> {
        let Some(server) = self.text("keyserver") else {
            return Err(Error::execution(
                "both keyserver and keyid options required.",
            ));
        };
        for id in commas(self.given.get("keyid").unwrap_or(&Value::Null)) {
            let programs = ctx.programs();
            let said = if self.aptkey {
                let has = programs.run(&["apt-key", "export", &id]);
                if has
                    .map_err(Error::Execution)?
                    .stdout
                    .starts_with("-----BEGIN PGP")
                {
                    continue;
                }
                programs.run(&[
                    "apt-key",
                    "adv",
                    "--batch",
                    "--keyserver",
                    &server,
                    "--logger-fd",
                    "1",
                    "--recv-keys",
                    &id,
                ])
            } else {
                let ring = dest.to_string_lossy();
                programs.run(&[
                    "gpg",
                    "--batch",
                    "--no-default-keyring",
                    "--keyring",
                    &ring,
                    "--keyserver",
                    &server,
                    "--recv-keys",
                    &id,
                ])
            };
            let said = said.map_err(Error::Execution)?;
            if !said.fine() {
                return Err(Error::execution(if self.aptkey {
                    format!("Error: key retrieval failed: {}", said.stdout)
                } else {
                    format!("Error: Could not add key: {id}")
                }));
            }
        }
        Ok(())
    }
}

fn apt(ctx: &Context) -> Apt<'_> {
    Apt {
        host: &ctx.host,
        cancel: &ctx.job.cancel,
        mark: ctx.settings.cachedir.join("pkg_refresh"),
    }
}

/// A repository as Salt shows it.
pub(crate) fn shown(repo: &Repo) -> Map {
    map! {
        "file" => repo.file.as_str(), "comps" => repo.comps.clone(), "disabled" => repo.disabled,
        "enabled" => !repo.disabled, "dist" => repo.dist.as_str(), "suites" => repo.suites.clone(),
        "type" => repo.kind.as_str(), "types" => repo.kinds.clone(), "uri" => repo.uri.as_str(),
        "uris" => repo.uris.clone(), "line" => repo.line.as_str(),
        "architectures" => repo.architectures.clone(), "signedby" => repo.signedby.as_str(),
    }
}

/// What is compared, in Salt's order.
const KEYS: &[&str] = &[
    "comps",
    "disabled",
    "dist",
    "suites",
    "type",
    "types",
    "uri",
    "uris",
    "line",
    "architectures",
    "signedby",
];

fn sorted(list: &[String]) -> Vec<String> {
    let mut list = list.to_vec();
    list.sort();
    list
}

/// A line's words with the components sorted.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    if words.len() > 3 {
        words[3..].sort();
    }
    words
}

/// Whether a repository that is there is as it should be.
fn fits(now: &Repo, wanted: &Repo, comments: Option<&str>) -> bool {
    let (line, comment) = now.line.split_once('#').unwrap_or((&now.line, ""));
    let same_line = wanted.disabled
        || words(&wanted.line) == words(line) && comments.is_none_or(|c| c == comment.trim());
    let same_architectures = if wanted.architectures.is_empty() {
        now.architectures.is_empty()
    } else {
        sorted(&now.architectures) == sorted(&wanted.architectures)
    };
    sorted(&now.comps) == sorted(&wanted.comps)
        && now.disabled == wanted.disabled
        && now.dist == wanted.dist
        && now.suites == wanted.suites
        && now.kind == wanted.kind
        && now.kinds == wanted.kinds
        && now.uri == wanted.uri
        && now.uris == wanted.uris
        && same_line
        && same_architectures
        && now.signedby == wanted.signedby
}

fn managed(ctx: &Context, run: &Run<'_>) -> Done {
    let (args, name) = (run.args, run.args.text("name")?);
    let mut given = args.extra.clone();
    let has = |key: &str| given.contains_key(key);
    if has("repo") {
        return Ok(Outcome::failed(
            "'repo' is not a supported argument for this state. The 'name' argument is probably what was intended.",
        ));
    }
    let enabled = given.shift_remove("enabled").filter(|v| !v.is_null());
    let disabled = given.shift_remove("disabled").filter(|v| !v.is_null());
    if enabled.is_some() && disabled.is_some() {
        return Ok(Outcome::failed("Only one of enabled/disabled is allowed"));
    }
    let off = match (&enabled, &disabled) {
        (_, Some(disabled)) => truth(disabled),
        (Some(enabled), None) => !truth(enabled),
        (None, None) => false,
    };
    given.insert("disabled".into(), off.into());
    let insecure = given
        .get("key_url")
        .is_some_and(|u| python::text(u).trim().starts_with("http:"));
    let allow = given.shift_remove("allow_insecure_key");
    if insecure && allow.is_some_and(|a| !a.is_truthy()) {
        return Ok(Outcome::failed(
            "Cannot have 'key_url' using http with 'allow_insecure_key' set to True",
        ));
    }
    if args.flag("ppa") || name.starts_with("ppa:") {
        return ppa(ctx, run, &name);
    }
    let env = run.chunk.get("__env__").map_or("base".into(), python::text);
    let request = Request::new(&name, &given, args.flag("aptkey"), &env);
    let wanted = request.order.expected();
    let pre = Sources::read().find(&name);
    let clean = given.get("clean_file").is_some_and(Value::is_truthy);
    let file = request.order.file.clone();
    let stale = clean && file.as_deref().is_some_and(|f| holds_others(f, &name));
    if let Some(now) = &pre
        && !stale
        && fits(now, &wanted, request.order.comments.as_deref())
    {
        return Ok(Outcome::unchanged(format!(
            "Package repo '{name}' already configured"
        )));
    }
    let differences = |new: &Repo, old: &Repo| -> Map {
        let (new, old) = (shown(new), shown(old));
        // The file counts only where it was to be cleaned.
        let keys = std::iter::once(&"file").filter(|_| stale).chain(KEYS);
        keys.filter(|k| new.get(**k) != old.get(**k))
            .map(|k| {
                let part = |m: &Map| m.get(*k).cloned().unwrap_or_default();
                (
                    (*k).into(),
                    map! { "new" => part(&new), "old" => part(&old) }.into(),
                )
            })
            .collect()
    };
    if run.test {
        let changes = match &pre {
            Some(now) => differences(&wanted, now),
            None => map! { "repo" => name.as_str() },
        };
        return Ok(Outcome::would(
            changes,
            format!("Package repo '{name}' would be configured. {LATER}"),
        ));
    }
    if clean && let Some(file) = &file {
        fs::write(file, "").map_err(|e| Error::execution(format!("{file}: {e}")))?;
    }
    if let Err(error) = request.carry_out(ctx, run.files) {
        return Ok(Outcome::failed(format!(
            "Failed to configure repo '{name}': {error}"
        )));
    }
    let changes = match (&pre, Sources::read().find(&name)) {
        (Some(old), Some(new)) => differences(&new, old),
        _ => map! { "repo" => name.as_str() },
    };
    Ok(Outcome::changed(
        changes,
        format!("Configured package repo '{name}'"),
    ))
}

/// Whether a file has lines beside this one.
fn holds_others(file: &str, name: &str) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .any(|l| !l.is_empty() && !l.starts_with('#') && l != name.trim())
}

/// A personal archive, which only Ubuntu has a program for.
fn ppa(ctx: &Context, run: &Run<'_>, name: &str) -> Done {
    let grains = ctx.facts.grains();
    let os = grains.get("os").and_then(Value::as_str).unwrap_or_default();
    let ppa = match run.args.get("ppa") {
        ppa if ppa.is_truthy() => format!("ppa:{}", python::text(ppa)),
        _ => name.to_owned(),
    };
    if !matches!(os, "Ubuntu" | "Mint" | "neon") {
        return Ok(Outcome::failed(format!(
            "Failed to configure repo '{name}': cannot parse \"ppa:\" style repo definitions: {ppa}"
        )));
    }
    let codename = grains
        .get("oscodename")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (owner, archive) = ppa[4..].split_once('/').unwrap_or((&ppa[4..], "ppa"));
    let line = format!("deb http://ppa.launchpad.net/{owner}/{archive}/ubuntu {codename} main");
    if Sources::read().find(&line).is_some() {
        return Ok(Outcome::unchanged(format!(
            "Package repo '{name}' already configured"
        )));
    }
    if run.test {
        return Ok(Outcome::would(
            map! { "repo" => name },
            format!("Package repo '{name}' would be configured. {LATER}"),
        ));
    }
    let said = ctx.programs().run(&["apt-add-repository", "-y", &ppa]);
    Ok(match said {
        Ok(said) if said.fine() => Outcome::changed(
            map! { "repo" => ppa.as_str() },
            format!("Configured package repo '{name}'"),
        ),
        Ok(said) => Outcome::failed(format!(
            "Failed to configure repo '{name}': Unable to add PPA '{}': '{}'",
            &ppa[4..],
            said.complaint()
        )),
        Err(error) => Outcome::failed(format!("Failed to configure repo '{name}': {error}")),
    })
}

/// A line without slashes at the end of its address.
fn stripped(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let web = ["http://", "https://", "ftp://"];
        if web.iter().any(|scheme| word.starts_with(scheme)) {
            word.trim_end_matches('/')
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let name = run.args.text("name")?;
    let line = stripped(&name);
    let wanted = Request::new(&line, &Map::new(), false, "base")
        .order
        .expected();
    let mut sources = Sources::read();
    let there = sources
        .find(&line)
        .filter(|r| sorted(&r.architectures) == sorted(&wanted.architectures));
    if there.is_none() {
        return Ok(Outcome::unchanged(format!("Package repo {name} is absent")));
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Package repo '{name}' will be removed. {LATER}"),
        ));
    }
    sources
        .remove(&line)
        .map_err(|e| Error::execution(format!("apt's sources: {e}")))?;
    if let Err(error) = apt(ctx).update() {
        return Ok(Outcome::failed(error.errors.join("\n")));
    }
    Ok(Outcome::changed(
        map! { "repo" => name.as_str() },
        format!("Removed repo {name}"),
    ))
}
