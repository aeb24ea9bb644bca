//! `git`: repositories, by git's own program. `history.rs` looks at and makes commits, `remotes.rs` talks to others,
//! `config.rs` the configuration, `trees.rs` work trees; what they share is here.

mod config;
mod history;
mod local;
mod remotes;
mod trees;

pub use config::FUNCTIONS as CONFIG;
pub use history::FUNCTIONS as HISTORY;
pub use local::FUNCTIONS as LOCAL;
pub use remotes::FUNCTIONS as REMOTES;
pub use trees::FUNCTIONS as TREES;

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use crate::context::{Args, Context, Error, Result, python};
use crate::host::git::{Git, with_login};
use crate::host::http::redacted;
use crate::host::perms::expand_user;
use crate::host::program::Said;
use crate::host::shlex;

/// One command of git as a call asks for it.
struct Call<'a> {
    ctx: &'a Context,
    args: &'a Args,
    words: Vec<String>,
}

impl<'a> Call<'a> {
    /// `git`, the call's own `git_opts`, and these words.
    fn new(ctx: &'a Context, args: &'a Args, words: &[&str]) -> Result<Self> {
        let mut call = Self {
            ctx,
            args,
            words: split(args.get("git_opts"))?,
        };
        call.add(words);
        Ok(call)
    }

    fn add(&mut self, words: &[&str]) -> &mut Self {
        self.words.extend(words.iter().map(|w| (*w).to_owned()));
        self
    }

    fn add_if(&mut self, wanted: bool, words: &[&str]) -> &mut Self {
        if wanted { self.add(words) } else { self }
    }

    /// The call's `opts`, without those that are said already.
    fn add_opts(&mut self, without: &[&str]) -> Result<&mut Self> {
        let opts = split(self.args.get("opts"))?;
        let kept = opts.into_iter().filter(|o| !without.contains(&o.as_str()));
        self.words.extend(kept);
        Ok(self)
    }

    /// Runs it whatever it says.
    fn said(&self, dir: Option<&Path>, merged: bool) -> Result<Said> {
        let git = git(self.ctx, self.args)?;
        if let Some(dir) = dir.filter(|d| !d.is_dir()) {
            return Err(Error::execution(format!(
                "Specified cwd '{}' either not absolute or does not exist",
                dir.display()
            )));
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let said = git.heard(dir, &words, merged).map_err(Error::Execution)?;
        if !said.fine() && !self.args.flag("ignore_retcode") {
            self.ctx.job.set_retcode(said.retcode.into());
        }
        Ok(said)
    }

    /// Runs it; its failure is the call's.
    fn run(&self, dir: Option<&Path>, merged: bool) -> Result<String> {
        let said = self.said(dir, merged)?;
        if said.fine() {
            return Ok(said.stdout);
        }
        let complaint = if merged { &said.stdout } else { &said.stderr };
        let mut text = format!("Command 'git {}' failed", self.words.join(" "));
        if !complaint.is_empty() {
            text += &format!(": {complaint}");
        }
        Err(Error::execution(redacted(&text)))
    }

    /// Runs it in the call's directory.
    fn here(&self) -> Result<String> {
        self.run(Some(&cwd(self.args)?), false)
    }

    /// Runs it in the call's directory; what it says on the error stream belongs to its answer.
    fn here_merged(&self) -> Result<String> {
        self.run(Some(&cwd(self.args)?), true)
    }
}

/// Git as the call's account, with its keys.
fn git<'a>(ctx: &'a Context, args: &Args) -> Result<Git<'a>> {
    if args.flag("password") {
        return Err(Error::execution(
            "The argument 'password' is not supported by this agent",
        ));
    }
    let runas = args.opt_text("user")?.filter(|u| !u.is_empty());
    let git = Git::new(ctx.programs(), &ctx.settings.cachedir, runas.as_deref());
    let identities: Vec<PathBuf> = match args.get("identity") {
        Value::List(list) => list
            .iter()
            .map(|i| PathBuf::from(python::text(i)))
            .collect(),
        one if one.is_truthy() => vec![PathBuf::from(python::text(one))],
        _ => Vec::new(),
    };
    let missing: Vec<String> = identities
        .iter()
        .filter(|i| !i.is_file())
        .map(|i| i.display().to_string())
        .collect();
    if !missing.is_empty() && missing.len() == identities.len() {
        return Err(Error::execution(format!(
            "Unable to authenticate using identity file:\n\nThe following identity file(s) were not found: {}",
            missing.join(", ")
        )));
    }
    git.and_then(|g| g.with_identities(identities))
        .map_err(Error::Execution)
}

/// Options as words: a list, or a text as a shell would take it apart. A `--` at the end is ours to add.
fn split(value: &Value) -> Result<Vec<String>> {
    Ok(match value {
        Value::Null => Vec::new(),
        Value::List(list) => list.iter().map(python::text).collect(),
        other => {
            let mut words = shlex::split(&python::text(other)).map_err(Error::execution)?;
            if words.last().is_some_and(|w| w == "--") {
                words.pop();
            }
            words
        }
    })
}

/// A path as git's functions take it: what is not absolute lies in the account's home.
fn expanded(path: &str, args: &Args) -> Result<PathBuf> {
    let user = args.opt_text("user")?.unwrap_or_default();
    Ok(expand_user(&format!("~{user}")).join(path))
}

fn cwd(args: &Args) -> Result<PathBuf> {
    expanded(&args.text("cwd")?, args)
}

/// Words of a list, or of a text with commas.
fn commas(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::List(list) => list.iter().map(python::text).collect(),
        text => python::text(text).split(',').map(str::to_owned).collect(),
    }
}

fn lines(text: &str) -> Value {
    text.lines().collect::<Vec<_>>().into()
}

/// The keyword arguments that have no place in Python's parameter list because of their names.
fn extras(args: &Args, known: &[&str]) -> Result<Map> {
    let given = super::clean(&args.extra);
    let strange: Vec<String> = given
        .iter()
        .filter(|(k, _)| !k.as_str().is_some_and(|k| known.contains(&k)))
        .map(|(k, v)| format!("{}={}", python::text(k), python::text(v)))
        .collect();
    if strange.is_empty() {
        return Ok(given);
    }
    Err(Error::invocation(format!(
        "The following keyword arguments are not valid: {}",
        strange.join(", ")
    )))
}

/// An address with the call's name and password in it.
fn address(args: &Args, url: &str, user: &str, password: &str) -> Result<String> {
    let (user, password) = (args.opt_text(user)?, args.opt_text(password)?);
    with_login(url, user.as_deref(), password.as_deref()).map_err(Error::Invocation)
}
