//! `git.latest`: cloned and up to date. First the remote is asked, then the local side compared, then changed.

mod update;

use std::fs;
use std::path::Path;

use indexmap::IndexMap;
use salt_wire::{Value, map};

use super::{Changes, Done, fail, sentences};
use crate::context::{Args, Context, Error, python};
use crate::host::git::{self, Git};
use crate::states::{Outcome, Run};

/// What the remote has at the wanted revision.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Branch,
    Tag,
    Commit,
}

/// The remote's side.
struct Remote {
    refs: IndexMap<String, String>,
    default_branch: Option<String>,
    rev: Option<(String, Kind)>,
    /// `remote/branch` that is to be followed; `None` for a revision that no branch has.
    upstream: Option<String>,
    /// The revision for texts.
    place: String,
}

/// Whether to force.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    No,
    Yes,
    RemoteChanges,
}

struct Latest<'a> {
    git: Git<'a>,
    name: String,
    url: String,
    target: String,
    rev: String,
    branch: Option<String>,
    remote_name: String,
    force: Force,
    bare: bool,
    mirror: bool,
    test: bool,
    args: &'a Args,
    comments: Vec<String>,
    changes: Changes,
}

/// Why it stops before its end: an outcome of its own.
enum Stop {
    Outcome(Box<Outcome>),
    Failed(String),
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

type Step<T> = Result<T, Stop>;

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

/// Where to clone from, with the login that was given.
pub(super) fn address(args: &Args, name: &str) -> Result<Result<String, String>, Error> {
    let (user, password) = (args.opt_text("https_user")?, args.opt_text("https_pass")?);
    Ok(git::with_login(name, user.as_deref(), password.as_deref()))
}

pub(super) fn latest(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let failed = |text: String| Ok(Outcome::failed(text));
    if let Some(unknown) = args
        .extra
        .keys()
        .find(|k| !python::text(k).starts_with("__"))
    {
        return failed(format!(
            "The following keyword arguments are not valid: {}={}",
            python::text(unknown),
            python::text(args.get(unknown.as_str().unwrap_or_default()))
        ));
    }
    for required in ["remote", "target"] {
        if !args.flag(required) {
            return failed(format!("'{required}' argument is required"));
        }
    }
    let rev = python::text(args.get("rev"));
    if !args.flag("rev") {
        return failed(format!(
            "'{rev}' is not a valid value for the 'rev' argument"
        ));
    }
    let force = match args.get("force_reset") {
        Value::Bool(true) => Force::Yes,
        Value::Bool(false) => Force::No,
        Value::Str(word) if word == "remote-changes" => Force::RemoteChanges,
        _ => {
            return failed(
                "'force_reset' must be one of True, False, or 'remote-changes'".to_owned(),
            );
        }
    };
    let target = args.text("target")?;
    if !target.starts_with('/') {
        return failed(format!("target '{target}' is not an absolute path"));
    }
    let git = match super::git(ctx, args)? {
        Ok(git) => git,
        Err(error) => return failed(error),
    };
    if Path::new(&target).is_file() {
        return failed(format!(
            "Target '{target}' exists and is a regular file, cannot proceed"
        ));
    }
    let url = match address(args, &name)? {
        Ok(url) => url,
        Err(error) => return failed(error),
    };
    let mirror = args.flag("mirror");
    let bare = mirror || args.flag("bare");
    if rev != "HEAD" && bare {
        return failed("'rev' is not compatible with the 'mirror' and 'bare' arguments".into());
    }
    let mut latest = Latest {
        git,
        name,
        url,
        target,
        rev,
        branch: args.opt_text("branch")?,
        remote_name: args.text("remote")?,
        force,
        bare,
        mirror,
        test: run.test,
        args,
        comments: Vec::new(),
        changes: Changes::new(),
    };
    Ok(match latest.go() {
        Ok(out) => Outcome {
            changes: latest.changes,
            ..out
        },
        Err(Stop::Outcome(out)) => Outcome {
            changes: latest.changes,
            ..*out
        },
        Err(Stop::Failed(text)) => Outcome {
            changes: latest.changes,
            ..fail(text, &latest.comments)
        },
    })
}

impl Latest<'_> {
    fn dir(&self) -> &Path {
        Path::new(&self.target)
    }

    fn run(&self, words: &[&str]) -> Result<String, String> {
        self.git.run(Some(Path::new(&self.target)), words)
    }

    fn stop<T>(&self, text: impl Into<String>) -> Step<T> {
        Err(Stop::Outcome(Box::new(fail(text, &self.comments))))
    }

    fn go(&mut self) -> Step<Outcome> {
        let remote = self.ask()?;
        let here = if self.bare { "refs" } else { ".git" };
        if self.dir().join(here).exists() {
            self.update(&remote)
        } else {
            self.clone(&remote)
        }
    }

    /// What the remote has.
    fn ask(&mut self) -> Step<Remote> {
        let refs = match self.git.remote_refs(&self.url) {
            Ok(refs) => refs,
            Err(error) => return self.stop(format!("Failed to check remote refs: {error}")),
        };
        let head = refs.get("HEAD").cloned();
        let default_branch = head.as_ref().and_then(|head| {
            let mut branches = refs
                .iter()
                .filter_map(|(name, sha)| Some((name.strip_prefix("refs/heads/")?, sha)));
            branches
                .find(|(_, sha)| *sha == head)
                .map(|(n, _)| n.to_owned())
        });
        let rev = self.rev.clone();
        let of = |name: String| refs.get(&name).cloned();
        let mut upstream = None;
        let found = if self.bare {
            None
        } else if rev == "HEAD" {
            head.map(|sha| (sha, Kind::Commit))
        } else if let Some(sha) = of(format!("refs/heads/{rev}")) {
            upstream = Some(format!("{}/{rev}", self.remote_name));
            Some((sha, Kind::Branch))
        } else if let Some(sha) =
            of(format!("refs/tags/{rev}^{{}}")).or_else(|| of(format!("refs/tags/{rev}")))
        {
            Some((sha, Kind::Tag))
        } else if rev.len() <= 40 && rev.bytes().all(|b| b.is_ascii_hexdigit()) {
            self.rev = rev.to_lowercase();
            Some((self.rev.clone(), Kind::Commit))
        } else {
            None
        };
        let depth = !self.args.get("depth").is_null();
        if depth && !matches!(found, Some((_, Kind::Branch | Kind::Tag))) {
            return self.stop(
                "When 'depth' is used, 'rev' must be set to the name of a branch or tag on the remote repository",
            );
        }
        if found.is_none() && !self.bare && self.rev != "HEAD" {
            let rev = &self.rev;
            return self.stop(format!(
                "No revision matching '{rev}' exists in the remote repository"
            ));
        }
        let place = match &found {
            None => String::new(),
            Some((sha, Kind::Commit)) if self.rev == "HEAD" => {
                format!("remote HEAD ({})", short(sha))
            }
            Some((sha, Kind::Commit)) => short(sha).to_owned(),
            Some((sha, Kind::Branch)) => {
                format!(
                    "{} ({})",
                    upstream.as_deref().unwrap_or(&self.rev),
                    short(sha)
                )
            }
            Some((sha, Kind::Tag)) => format!("{} ({})", self.rev, short(sha)),
        };
        Ok(Remote {
            refs,
            default_branch,
            rev: found,
            upstream,
            place,
        })
    }

    /// Whether a local revision is the remote's.
    fn is_at(local: Option<&str>, remote: &Remote) -> bool {
        match (local, &remote.rev) {
            (None, None) => true,
            (Some(local), Some((sha, Kind::Commit))) => local.starts_with(sha.as_str()),
            (Some(local), Some((sha, _))) => local == sha,
            _ => false,
        }
    }

    fn uptodate(&self, comments: &[String], local_changes: bool) -> Outcome {
        let mut text = format!("Repository {} is up-to-date", self.target);
        if local_changes {
            text += ", but with uncommitted changes. Set 'force_reset' to True to purge uncommitted changes.";
        }
        if !comments.is_empty() {
            let would = if self.test { "that would be " } else { "" };
            text += &format!("\n\nChanges {would}made: {}", sentences(comments));
        }
        Outcome::unchanged(text)
    }

    fn would(text: String) -> Outcome {
        Outcome::would(Changes::new(), text)
    }

    fn clone(&mut self, remote: &Remote) -> Step<Outcome> {
        let (name, target) = (self.name.clone(), self.target.clone());
        let arrow = format!("{name} => {target}");
        if self.dir().is_dir() {
            let entries: Vec<_> = fs::read_dir(self.dir())
                .map_err(|e| format!("{target}: {e}"))?
                .flatten()
                .map(|e| e.path())
                .collect();
            if self.args.flag("force_clone") {
                self.changes.insert("forced clone".into(), true.into());
                if self.test {
                    self.changes.insert("new".into(), arrow.into());
                    return Ok(Self::would(format!(
                        "Target directory {target} exists. Since force_clone=True, the contents of {target} would be deleted, and {name} would be cloned into this directory."
                    )));
                }
                for path in entries {
                    let gone = if path.is_dir() && !path.is_symlink() {
                        fs::remove_dir_all(&path)
                    } else {
                        fs::remove_file(&path)
                    };
                    gone.map_err(|e| format!("Unable to remove\n  {}\n    {e}", path.display()))?;
                }
            } else if !entries.is_empty() {
                return self.stop(format!(
                    "Target '{target}' exists, is non-empty and is not a git repository. Set the 'force_clone' option to True to remove this directory's contents and proceed with cloning the remote repository"
                ));
            }
        }
        if self.test {
            self.changes.insert("new".into(), arrow.into());
            return Ok(Self::would(format!(
                "Repository {name} would be cloned to {target}"
            )));
        }
        self.fresh(remote)?;
        let new = self.git.commit(self.dir(), "HEAD")?;
        if let Some(new) = new {
            let pair = map! { "old" => Value::Null, "new" => new };
            self.changes.insert("revision".into(), pair.into());
        }
        Ok(Outcome::unchanged(sentences(&self.comments)))
    }

    fn fresh(&mut self, remote: &Remote) -> Step<()> {
        let (name, target) = (self.name.clone(), self.target.clone());
        let depth = python::text(self.args.get("depth"));
        let mut words = vec!["clone"];
        if self.mirror {
            words.push("--mirror");
        } else if self.bare {
            words.push("--bare");
        }
        if self.remote_name != "origin" {
            words.extend(["--origin", &self.remote_name]);
        }
        if !self.args.get("depth").is_null() {
            words.extend(["--depth", &depth, "--branch", &self.rev]);
        }
        words.extend(["--", &self.url, &target]);
        if let Err(error) = self.git.run(None, &words) {
            return self.stop(format!("Clone failed: {error}"));
        }
        self.changes
            .insert("new".into(), format!("{name} => {target}").into());
        let as_what = match (self.mirror, self.bare) {
            (true, _) => " as mirror",
            (false, true) => " as bare repository",
            _ => "",
        };
        self.comments
            .push(format!("{name} cloned to {target}{as_what}"));
        let Some((sha, kind)) = remote.rev.clone().filter(|_| !self.bare) else {
            return Ok(());
        };
        if kind == Kind::Tag && !self.git.tags(self.dir())?.contains(&self.rev) {
            return self.stop(format!("Revision '{}' does not exist in clone", self.rev));
        }
        if let Some(branch) = self.branch.clone()
            && !self.git.branches(self.dir())?.contains(&branch)
        {
            let start = self.start(remote, &sha);
            self.run(&["checkout", "-b", &branch, &start])?;
            self.comments.push(format!(
                "Branch '{branch}' checked out, with {} as a starting point",
                remote.place
            ));
        }
        let local = self.git.commit(self.dir(), "HEAD")?;
        let local_branch = self.git.branch(self.dir())?;
        if local_branch.is_none() && !remote.refs.contains_key("HEAD") {
            return self.stop(
                "Remote HEAD refers to a ref that does not exist. This can happen when the default branch on the remote repository is renamed or deleted. If you are unable to fix the remote repository, you can work around this by setting the 'branch' argument (which will ensure that the named branch is created if it does not already exist).",
            );
        }
        if !Self::is_at(local.as_deref(), remote) {
            self.run(&["reset", "--hard", &sha])?;
            self.comments
                .push(format!("Repository was reset to {}", remote.place));
        }
        let upstream = match &local_branch {
            Some(branch) => self.git.upstream(self.dir(), branch)?,
            None => None,
        };
        self.track(remote, upstream)?;
        self.submodules()
    }

    /// The point at which a new branch begins.
    fn start(&self, remote: &Remote, sha: &str) -> String {
        match &remote.upstream {
            _ if self.rev == "HEAD" => sha.to_owned(),
            Some(upstream) => upstream.clone(),
            None => self.rev.clone(),
        }
    }

    /// What has to be said of the branch that is followed, and git's words for it.
    fn tracking(&self, remote: &Remote, upstream: Option<&str>) -> Option<(String, Vec<String>)> {
        match (upstream, &remote.upstream) {
            (None, Some(wanted)) => Some((
                format!("set to {wanted}"),
                vec!["--set-upstream-to".into(), wanted.clone()],
            )),
            (Some(now), Some(wanted)) if now != wanted => Some((
                format!("updated to {wanted}"),
                vec!["--set-upstream-to".into(), wanted.clone()],
            )),
            (Some(_), None) if self.rev != "HEAD" => {
                Some(("unset".into(), vec!["--unset-upstream".into()]))
            }
            _ => None,
        }
    }

    fn track(&mut self, remote: &Remote, upstream: Option<String>) -> Step<()> {
        if let Some((done, words)) = self.tracking(remote, upstream.as_deref()) {
            let mut argv = vec!["branch"];
            argv.extend(words.iter().map(String::as_str));
            self.run(&argv)?;
            self.comments.push(format!("Tracking branch was {done}"));
        }
        Ok(())
    }

    fn submodules(&mut self) -> Step<()> {
        if self.args.flag("submodules")
            && let Err(error) = self.run(&["submodule", "update", "--init", "--recursive"])
        {
            return self.stop(format!("Failed to update submodules: {error}"));
        }
        Ok(())
    }

    fn not_fast_forward(
        &self,
        remote: &Remote,
        base: Option<&str>,
        local_branch: Option<&str>,
        dirty: bool,
    ) -> Outcome {
        let post = remote.rev.as_ref().map_or("", |(sha, _)| short(sha));
        let pre = base.map_or("None", short);
        let local = local_branch.unwrap_or("None");
        let mut hint = String::new();
        if self.branch.is_none() && self.rev != "HEAD" && local != self.rev {
            hint = format!(
                " The desired rev ({0}) differs from the name of the local branch ({local}), if the desired rev is a branch name then a forced update could possibly be avoided by setting the 'branch' argument to '{0}' instead.",
                self.rev
            );
        } else if let (None, "HEAD", Some(default)) =
            (&self.branch, self.rev.as_str(), &remote.default_branch)
            && local != default
        {
            hint = format!(
                " The default remote branch ({default}) differs from the local branch ({local}). This could be caused by changing the default remote branch, or if the local branch was manually changed. Rather than forcing an update, it may be advisable to set the 'branch' argument to '{default}' instead. To ensure that this state follows the '{default}' branch instead of the remote HEAD, set the 'rev' argument to '{default}'."
            );
        }
        let path = if dirty && pre != post {
            format!("from {pre} to {post}")
        } else {
            format!("to {post}")
        };
        let after = match &self.branch {
            Some(branch) if Some(branch.as_str()) != local_branch => {
                format!(" (after checking out local branch '{branch}')")
            }
            _ => String::new(),
        };
        let (why, or, discard) = if dirty {
            (
                "there are uncommitted changes",
                " (or 'remote-changes')",
                " and discard these changes",
            )
        } else {
            ("this is not a fast-forward merge", "", "")
        };
        fail(
            format!(
                "Repository would be updated {path}{after}, but {why}. Set 'force_reset' to True{or} to force this update{discard}.{hint}"
            ),
            &self.comments,
        )
    }
}
