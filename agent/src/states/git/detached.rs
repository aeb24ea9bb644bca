//! `git.detached`: a commit is checked out, of no branch.

use std::fs;
use std::path::Path;

use salt_wire::map;

use super::{Done, fail, git, latest, sentences};
use crate::context::{Context, Error, python};
use crate::host::git::{Git, news};
use crate::host::http::redacted;
use crate::states::{Outcome, Run};

pub(super) fn detached(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let failed = |text: String| Ok(Outcome::failed(text));
    let strange: Vec<String> = super::super::strange(args);
    if !strange.is_empty() {
        return failed(format!(
            "The following keyword arguments are not valid: {}",
            strange.join(", ")
        ));
    }
    let rev = python::text(args.get("rev"));
    for what in ["rev", "target"] {
        if !args.flag(what) {
            return failed(format!(
                "'{rev}' is not a valid value for the '{what}' argument"
            ));
        }
    }
    let target = args.text("target")?;
    let dir = Path::new(&target);
    if !dir.is_absolute() {
        return failed(format!("Target '{target}' is not an absolute path"));
    }
    let git = match git(ctx, args)? {
        Ok(git) => git,
        Err(error) => return failed(error),
    };
    if dir.is_file() {
        return failed(format!(
            "Target '{target}' exists and is a regular file, cannot proceed"
        ));
    }
    let url = match latest::address(args, &name)? {
        Ok(url) => url,
        Err(error) => return failed(error),
    };
    let hash = rev.len() <= 40 && rev.bytes().all(|b| b.is_ascii_hexdigit());
    let work = Work {
        git,
        run,
        name: &name,
        url,
        dir,
        rev: if hash { rev.to_lowercase() } else { rev },
        hash,
        remote: python::text(args.get("remote")),
    };
    let (mut comments, mut out) = (Vec::new(), Outcome::unchanged(""));
    match work.go(&mut comments, &mut out).map_err(Error::Execution)? {
        Step::Done => out.comment = sentences(&comments),
        Step::Would(text) => {
            out.result = None;
            out.comment = text;
        }
        Step::Missing(text) => {
            out.result = Some(false);
            out.comment = text;
        }
        Step::Failed(text) => {
            let stopped = fail(text, &comments);
            out.result = stopped.result;
            out.comment = stopped.comment;
        }
    }
    Ok(out)
}

/// How far it came.
enum Step {
    Done,
    Would(String),
    /// There is no such revision: what was done before is not told, as with Salt.
    Missing(String),
    Failed(String),
}

struct Work<'a> {
    git: Git<'a>,
    run: &'a Run<'a>,
    name: &'a str,
    url: String,
    dir: &'a Path,
    rev: String,
    hash: bool,
    remote: String,
}

impl Work<'_> {
    fn head(&self) -> Result<Option<String>, String> {
        let said = self.git.said(Some(self.dir), &["rev-parse", "HEAD"])?;
        Ok(said.fine().then_some(said.stdout))
    }

    /// Whether the directory is a repository, or a further work tree of one.
    fn is_there(&self) -> bool {
        let place = self.dir.join(".git");
        place.is_dir() || fs::read_to_string(place).is_ok_and(|t| t.starts_with("gitdir:"))
    }

    fn go(&self, comments: &mut Vec<String>, out: &mut Outcome) -> Result<Step, String> {
        let (args, test, remote) = (self.run.args, self.run.test, &self.remote);
        let target = self.dir.display();
        let (mut before, mut known) = (None, false);
        if self.is_there() {
            before = self.head()?;
            if self.hash {
                let words = ["describe", "--always", &self.rev];
                known = self.git.said(Some(self.dir), &words)?.fine();
            } else {
                let now = self.git.remote_url(self.dir, remote)?;
                // Salt looks for the wanted address in the one that is there.
                if !now.as_ref().is_some_and(|now| now.contains(self.name)) {
                    if test {
                        return Ok(Step::Would(format!(
                            "Remote {remote} would be set to {}",
                            self.name
                        )));
                    }
                    if now.is_some() {
                        self.git.run(Some(self.dir), &["remote", "rm", remote])?;
                    }
                    let words = ["remote", "add", remote, &self.url];
                    self.git.run(Some(self.dir), &words)?;
                    comments.push(format!(
                        "Remote {remote} updated from '{}' to '{}'",
                        now.as_deref().unwrap_or("None"),
                        self.name
                    ));
                }
            }
        } else if let Some(stopped) = self.clone(comments, out)? {
            return Ok(stopped);
        }
        if !known && args.get("fetch_remote") != &salt_wire::Value::Bool(false) {
            if test {
                return Ok(Step::Would(format!(
                    "Repository remote {remote} would be fetched"
                )));
            }
            let heads = format!("refs/heads/*:refs/remotes/{remote}/*");
            let words = [
                "fetch",
                "--force",
                remote,
                &heads,
                "+refs/tags/*:refs/tags/*",
            ];
            let said = self.git.heard(Some(self.dir), &words, true)?;
            if !said.fine() {
                let command = words.join(" ");
                return Ok(Step::Failed(redacted(&format!(
                    "Fetch failed:\n\nCommand 'git {command}' failed: {}",
                    said.stdout
                ))));
            }
            if !news(&said.stdout).is_empty() {
                comments.push(format!(
                    "Remote {remote} was fetched, resulting in updated refs"
                ));
            }
        }
        let Some(wanted) = self.wanted()? else {
            return Ok(Step::Missing(format!(
                "Revision '{}' does not exist",
                self.rev
            )));
        };
        if args.flag("hard_reset") {
            if test {
                return Ok(Step::Would(format!(
                    "Hard reset to HEAD would be performed on {target}"
                )));
            }
            self.git.run(Some(self.dir), &["reset", "--hard", "HEAD"])?;
            comments.push("Repository was reset to HEAD before checking out revision".to_owned());
        }
        let mut after = None;
        if before.as_ref() != Some(&wanted) {
            if test {
                let pair = map! { "old" => before, "new" => wanted.as_str() };
                out.changes.insert("HEAD".into(), pair.into());
                return Ok(Step::Would(format!(
                    "Commit ID {wanted} would be checked out at {target}"
                )));
            }
            let mut words = vec!["checkout"];
            if args.flag("force_checkout") {
                words.push("--force");
            }
            words.push(&wanted);
            self.git.run(Some(self.dir), &words)?;
            comments.push(format!("Commit ID {wanted} was checked out at {target}"));
            after = self.head()?;
        }
        if args.flag("submodules") {
            let words = ["submodule", "update", "--init", "--recursive"];
            self.git.run(Some(self.dir), &words)?;
            comments.push("Submodules were updated".to_owned());
        }
        match after {
            Some(after) => {
                let pair = map! { "old" => before, "new" => after };
                out.changes.insert("HEAD".into(), pair.into());
            }
            None => comments.push("Already checked out at correct revision".to_owned()),
        }
        Ok(Step::Done)
    }

    /// Clones without checking anything out; `Some` ends the state.
    fn clone(&self, comments: &mut Vec<String>, out: &mut Outcome) -> Result<Option<Step>, String> {
        let (args, test, name) = (self.run.args, self.run.test, self.name);
        let target = self.dir.display();
        if self.dir.is_dir() {
            let content: Vec<_> = fs::read_dir(self.dir)
                .into_iter()
                .flatten()
                .flatten()
                .collect();
            if args.flag("force_clone") {
                if test {
                    return Ok(Some(Step::Would(format!(
                        "Target directory {target} exists. Since force_clone=True, the contents of {target} would be deleted, and {name} would be cloned into this directory."
                    ))));
                }
                let mut wrong = Vec::new();
                for entry in content {
                    let path = entry.path();
                    let gone = if entry.file_type().is_ok_and(|t| t.is_dir()) {
                        fs::remove_dir_all(&path)
                    } else {
                        fs::remove_file(&path)
                    };
                    if let Err(error) = gone {
                        wrong.push(format!(
                            "  {}\n    {}",
                            path.display(),
                            python::os_error(&path, &error)
                        ));
                    }
                }
                if !wrong.is_empty() {
                    let text = format!("Unable to remove\n{}", wrong.join("\n"));
                    return Ok(Some(Step::Failed(text)));
                }
                out.changes.insert("forced clone".into(), true.into());
            } else if !content.is_empty() {
                return Ok(Some(Step::Failed(format!(
                    "Target '{target}' exists, is non-empty and is not a git repository. Set the 'force_clone' option to True to remove this directory's contents and proceed with cloning the remote repository"
                ))));
            }
        }
        if test {
            return Ok(Some(Step::Would(format!(
                "Repository {name} would be cloned to {target}"
            ))));
        }
        let mut words = vec!["clone", "--no-checkout"];
        if self.remote != "origin" {
            words.extend(["--origin", &self.remote]);
        }
        let place = self.dir.to_string_lossy();
        words.extend(["--", &self.url, &place]);
        if let Err(error) = self.git.run(None, &words) {
            return Ok(Some(Step::Failed(redacted(&error))));
        }
        comments.push(format!("{name} cloned to {target}"));
        Ok(None)
    }

    /// The commit to be checked out.
    fn wanted(&self) -> Result<Option<String>, String> {
        if self.hash {
            let words = ["describe", "--always", &self.rev];
            self.git.run(Some(self.dir), &words)?;
            return Ok(Some(self.rev.clone()));
        }
        let refs = self.git.remote_refs(&self.dir.to_string_lossy())?;
        let branch = format!("refs/remotes/{}/{}", self.remote, self.rev);
        let tag = format!("refs/tags/{}", self.rev);
        Ok(refs.get(&branch).or_else(|| refs.get(&tag)).cloned())
    }
}
