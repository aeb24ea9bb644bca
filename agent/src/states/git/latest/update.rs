//! A repository that is there, brought up to date.

use salt_wire::{Value, map};

use super::{Force, Kind, Latest, Remote, Step, Stop, sentences, short};
use crate::host::git;
use crate::host::http::redacted;
use crate::states::Outcome;

/// The local side.
struct Local {
    rev: Option<String>,
    branch: Option<String>,
    branches: Vec<String>,
    tags: Vec<String>,
    dirty: bool,
    /// Where the branch is that will be checked out.
    base: Option<String>,
    base_branch: Option<String>,
}

impl Latest<'_> {
    fn local(&self, remote: &Remote) -> Step<Local> {
        let dir = self.dir();
        let rev = self.git.commit(dir, "HEAD")?;
        let branch = self.git.branch(dir)?;
        let branches = self.git.branches(dir)?;
        let (mut base, mut base_branch) = (rev.clone(), branch.clone());
        if let Some(wanted) = self.branch.as_ref().filter(|b| Some(*b) != branch.as_ref()) {
            if branches.contains(wanted) {
                base = self.git.commit(dir, wanted)?;
                base_branch = Some(wanted.clone());
            } else {
                base = remote.rev.as_ref().map(|(sha, _)| sha.clone());
            }
        }
        Ok(Local {
            dirty: !self.bare && self.git.is_changed(dir)?,
            tags: self.git.tags(dir)?,
            rev,
            branch,
            branches,
            base,
            base_branch,
        })
    }

    fn changes_branch(&self, local: &Local) -> bool {
        self.branch.is_some() && self.branch != local.branch
    }

    /// Whether the wanted revision is here already, under the name that it has at the remote.
    fn has(&self, remote: &Remote, local: &Local) -> Step<bool> {
        let Some((sha, kind)) = &remote.rev else {
            return Ok(false);
        };
        let dir = self.dir();
        if *kind == Kind::Commit
            && local
                .base
                .as_ref()
                .is_some_and(|b| b.starts_with(sha.as_str()))
        {
            return Ok(true);
        }
        if self.git.commit(dir, sha)?.is_none() {
            return Ok(false);
        }
        match kind {
            Kind::Commit => Ok(true),
            Kind::Branch => {
                let upstream = remote.upstream.as_deref().unwrap_or_default();
                Ok(self.git.commit(dir, upstream)?.as_ref() == Some(sha))
            }
            Kind::Tag if !local.tags.contains(&self.rev) => Ok(false),
            Kind::Tag => {
                let here = self.git.commit(dir, &self.rev)?;
                if here.as_ref() == Some(sha) {
                    return Ok(true);
                }
                if self.force == Force::No {
                    return self.stop(format!(
                        "'{}' is a tag, but the remote SHA1 for this tag ({}) doesn't match the local SHA1 ({}). Set 'force_reset' to True to force this update.",
                        self.rev,
                        short(sha),
                        here.as_deref().map_or("None", short)
                    ));
                }
                Ok(false)
            }
        }
    }

    fn head_stays(&self, remote: &Remote, local: &Local, matches: bool) -> Option<Outcome> {
        let other = self.branch.is_some() && self.branch != local.branch;
        (!matches && !self.args.flag("update_head") && !other).then(|| {
            let mut place = remote.place.clone();
            if self.rev == "HEAD" {
                // As Python's `capitalize`: the rest in lower case.
                place = place.to_lowercase();
                if let Some(first) = place.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
            }
            Outcome::unchanged(format!(
                "{place} is already present and local HEAD ({}) does not match, but update_head=False. HEAD has not been updated locally.",
                local.rev.as_deref().map_or("", short)
            ))
        })
    }

    pub(super) fn update(&mut self, remote: &Remote) -> Step<Outcome> {
        if self.bare {
            return self.update_bare();
        }
        let local = self.local(remote)?;
        let Some((sha, _)) = remote.rev.clone() else {
            return if local.rev.is_some() {
                self.stop(
                    "Remote repository is empty, cannot update from a non-empty to an empty repository",
                )
            } else {
                Ok(self.uptodate(&self.comments, false))
            };
        };
        let matches = Self::is_at(local.rev.as_deref(), remote);
        if local.dirty && matches {
            if self.force != Force::Yes {
                return Ok(self.uptodate(&self.comments, true));
            }
            if self.test {
                self.changes.insert("forced update".into(), true.into());
                return Ok(Self::would(format!(
                    "{} is up-to-date, but with uncommitted changes. Since 'force_reset' is set to True, these local changes would be reset. To only reset when there are changes in the remote repository, set 'force_reset' to 'remote-changes'.",
                    self.target
                )));
            }
        }
        let mut has = self.has(remote, &local)?;
        let leads = |git: &git::Git<'_>, dir: &std::path::Path| -> Result<bool, String> {
            match &local.base {
                None => Ok(true),
                Some(base) => git.is_ancestor(dir, base, &sha),
            }
        };
        let mut forward = (local.dirty && self.force != Force::RemoteChanges).then_some(false);
        if has {
            if let Some(out) = self.head_stays(remote, &local, matches) {
                return Ok(out);
            }
            if forward.is_none() {
                forward = Some(leads(&self.git, self.dir())?);
            }
        }
        if forward == Some(false) && self.force == Force::No {
            return Err(Stop::Outcome(Box::new(self.not_fast_forward(
                remote,
                local.base.as_deref(),
                local.branch.as_deref(),
                local.dirty,
            ))));
        }
        let upstream = match &local.base_branch {
            Some(branch) => self.git.upstream(self.dir(), branch)?,
            None => None,
        };
        self.set_remote(has, matches, forward, &local, &sha)?;
        if self.test {
            return Ok(self.foretell(remote, &local, has, matches, forward, upstream.as_deref()));
        }
        if self.sync_tags(remote, &local)? {
            has = false;
        }
        if !has {
            self.fetch()?;
            if self.git.commit(self.dir(), &sha)?.is_none() {
                return self.stop(format!(
                    "Fetch did not successfully retrieve rev '{}' from {}: {sha} is not there",
                    self.rev, self.name
                ));
            }
            if let Some(out) = self.head_stays(remote, &local, matches) {
                return Ok(out);
            }
            forward = Some(leads(&self.git, self.dir())?);
            let no = forward == Some(false) || local.dirty;
            if no && self.force == Force::No {
                return Err(Stop::Outcome(Box::new(self.not_fast_forward(
                    remote,
                    local.base.as_deref(),
                    local.branch.as_deref(),
                    local.dirty,
                ))));
            }
        }
        self.check_out(remote, &local, &sha)?;
        self.move_head(remote, &local, &sha, forward, upstream)?;
        self.submodules()?;
        let new = self.git.commit(self.dir(), "HEAD")?;
        if !Self::is_at(new.as_deref(), remote) {
            return self.stop("Failed to update repository");
        }
        Ok(self.finish(local.rev, new))
    }

    fn finish(&mut self, old: Option<String>, new: Option<String>) -> Outcome {
        if old == new {
            return self.uptodate(&self.comments, false);
        }
        let value = |rev: Option<String>| rev.map_or(Value::Null, Value::from);
        let pair = map! { "old" => value(old), "new" => value(new) };
        self.changes.insert("revision".into(), pair.into());
        Outcome::unchanged(sentences(&self.comments))
    }

    fn update_bare(&mut self) -> Step<Outcome> {
        if self.test {
            let text = format!("Bare repository at {} would be fetched", self.target);
            return Ok(self.uptodate(&[text], false));
        }
        let old = self.git.commit(self.dir(), "HEAD")?;
        let updated = self.fetch_refs()?;
        let with = if updated {
            ", resulting in updated refs"
        } else {
            ""
        };
        self.comments.push(format!(
            "Bare repository at {} was fetched{with}",
            self.target
        ));
        let new = self.git.commit(self.dir(), "HEAD")?;
        Ok(self.finish(old, new))
    }

    /// The remote's address, set right.
    fn set_remote(
        &mut self,
        has: bool,
        matches: bool,
        forward: Option<bool>,
        local: &Local,
        sha: &str,
    ) -> Step<()> {
        let now = self.git.remote_url(self.dir(), &self.remote_name)?;
        if now.as_deref() == Some(self.url.as_str()) {
            return Ok(());
        }
        let (old, new) = (
            now.as_deref().map_or("None".to_owned(), redacted),
            redacted(&self.url),
        );
        let remote = self.remote_name.clone();
        if self.test {
            let mut actions = vec![format!(
                "Remote '{remote}' would be changed from {old} to {new}"
            )];
            if !has {
                actions.push("Remote would be fetched".to_owned());
            }
            if !matches && self.args.flag("update_head") {
                let how = match forward {
                    Some(false) => {
                        self.changes.insert("forced update".into(), true.into());
                        "hard-reset"
                    }
                    Some(true) => "fast-forwarded",
                    None => "updated",
                };
                let old = local.rev.clone().map_or(Value::Null, Value::from);
                let pair = map! { "old" => old, "new" => sha };
                self.changes.insert("revision".into(), pair.into());
                actions.push(format!("Repository would be {how} to {}", short(sha)));
            }
            let out = if self.changes.is_empty() {
                self.uptodate(&actions, false)
            } else {
                Self::would(sentences(&actions))
            };
            return Err(Stop::Outcome(Box::new(out)));
        }
        if now.is_some() {
            self.run(&["remote", "set-url", &remote, &self.url])?;
            self.comments
                .push(format!("Remote '{remote}' changed from {old} to {new}"));
        } else {
            self.run(&["remote", "add", &remote, &self.url])?;
            self.comments
                .push(format!("Remote '{remote}' set to {new}"));
            let arrow = format!("{} => {remote}", self.name);
            self.changes.insert("new".into(), arrow.into());
        }
        Ok(())
    }

    /// What would be done, for test mode.
    fn foretell(
        &mut self,
        remote: &Remote,
        local: &Local,
        has: bool,
        matches: bool,
        forward: Option<bool>,
        upstream: Option<&str>,
    ) -> Outcome {
        let sha = remote.rev.as_ref().map_or("", |(sha, _)| sha.as_str());
        let (to, from) = (short(sha), local.rev.as_deref().map_or("None", short));
        let update_head = self.args.flag("update_head");
        let how = match forward {
            Some(false) => "hard-reset",
            Some(true) => "fast-forwarded",
            None => "updated",
        };
        let mut actions = Vec::new();
        if !has {
            actions.push(format!("Remote '{}' would be fetched", self.remote_name));
        }
        if !matches && (update_head || self.changes_branch(local)) {
            let old = local.rev.clone().map_or(Value::Null, Value::from);
            let pair = map! { "old" => old, "new" => sha };
            self.changes.insert("revision".into(), pair.into());
        }
        if let Some(branch) = self.branch.clone().filter(|_| self.changes_branch(local)) {
            if local.branches.contains(&branch) {
                actions.push(format!(
                    "Branch '{branch}' would be checked out and {how} to {to}"
                ));
            } else {
                actions.push(format!(
                    "New branch '{branch}' would be checked out, with {} as a starting point",
                    remote.place
                ));
                if let Some(upstream) = &remote.upstream {
                    actions.push(format!("Tracking branch would be set to {upstream}"));
                }
            }
        } else if !matches && !update_head {
            actions.push(format!(
                "Local HEAD ({from}) does not match {} but update_head=False, HEAD would not be updated locally",
                remote.place
            ));
        } else if !matches {
            let how = match forward {
                Some(true) => "fast-forwarded",
                _ if self.force != Force::No && has => "hard-reset",
                _ => "updated",
            };
            actions.push(format!("Repository would be {how} from {from} to {to}"));
        }
        if let Some((done, _)) = self.tracking(remote, upstream) {
            actions.push(format!("Tracking branch would be {done}"));
        }
        if !self.changes.is_empty() {
            Self::would(sentences(&actions))
        } else if !matches && !update_head && !actions.is_empty() {
            Outcome::unchanged(sentences(&actions))
        } else {
            self.uptodate(&actions, false)
        }
    }

    /// Local tags that the remote does not have are removed; true when the two differ.
    fn sync_tags(&mut self, remote: &Remote, local: &Local) -> Step<bool> {
        let there: Vec<&str> = remote
            .refs
            .keys()
            .filter_map(|name| name.strip_prefix("refs/tags/"))
            .filter(|name| !name.ends_with("^{}"))
            .collect();
        let new: Vec<String> = there
            .iter()
            .filter(|t| !local.tags.iter().any(|l| l == *t))
            .map(|t| (*t).to_owned())
            .collect();
        let gone: Vec<String> = local
            .tags
            .iter()
            .filter(|t| !there.contains(&t.as_str()))
            .cloned()
            .collect();
        if new.is_empty() && gone.is_empty() {
            return Ok(false);
        }
        if !new.is_empty() {
            self.changes.insert("new_tags".into(), new.into());
        }
        if !gone.is_empty() && self.args.flag("sync_tags") {
            for tag in &gone {
                self.run(&["tag", "-d", tag])?;
            }
            self.comments.push(format!(
                "The following tags were removed from the local checkout: {}",
                gone.join(", ")
            ));
            self.changes.insert("deleted_tags".into(), gone.into());
        }
        Ok(true)
    }

    /// Fetches; true when a ref changed.
    fn fetch_refs(&mut self) -> Step<bool> {
        let text = |key: &str| crate::context::python::text(self.args.get(key));
        let (branch, tag) = (text("refspec_branch"), text("refspec_tag"));
        let heads = format!(
            "refs/heads/{branch}:refs/remotes/{}/{branch}",
            self.remote_name
        );
        let tags = format!("+refs/tags/{tag}:refs/tags/{tag}");
        let mut words = vec!["fetch"];
        if self.args.flag("force_fetch") {
            words.push("--force");
        }
        words.push(&self.remote_name);
        if self.args.flag("fetch_tags") {
            words.extend([heads.as_str(), &tags]);
        }
        let said = self.git.said(Some(self.dir()), &words)?;
        if !said.fine() {
            return self.stop(format!(
                "Fetch failed. Set 'force_fetch' to True to force the fetch if the failure was due to not being able to fast-forward. Output of the fetch command follows:\n\n{}",
                said.complaint()
            ));
        }
        Ok(said.stderr.lines().any(|l| l.contains(" -> ")))
    }

    fn fetch(&mut self) -> Step<()> {
        if self.fetch_refs()? {
            self.comments.push(format!(
                "{} was fetched, resulting in updated refs",
                self.name
            ));
        }
        Ok(())
    }

    fn check_out(&mut self, remote: &Remote, local: &Local, sha: &str) -> Step<()> {
        let Some(branch) = self.branch.clone().filter(|_| self.changes_branch(local)) else {
            return Ok(());
        };
        let force = self.args.flag("force_checkout");
        if local.dirty && !force {
            return self.stop(format!(
                "Local branch '{}' has uncommitted changes. Set 'force_checkout' to True to discard them and proceed.",
                local.branch.as_deref().unwrap_or("None")
            ));
        }
        let start = self.start(remote, sha);
        let mut words = vec!["checkout"];
        if force {
            words.push("--force");
        }
        let is_new = !local.branches.contains(&branch);
        if is_new {
            words.extend(["-b", &branch, &start]);
        } else {
            words.push(&branch);
        }
        self.run(&words)?;
        self.comments.push(if is_new {
            format!(
                "New branch '{branch}' was checked out, with {} as a starting point",
                remote.place
            )
        } else {
            format!("'{branch}' was checked out")
        });
        Ok(())
    }

    fn move_head(
        &mut self,
        remote: &Remote,
        local: &Local,
        sha: &str,
        forward: Option<bool>,
        upstream: Option<String>,
    ) -> Step<()> {
        if forward == Some(false) {
            self.run(&["reset", "--hard", sha])?;
            self.changes.insert("forced update".into(), true.into());
            if local.dirty {
                self.comments
                    .push("Uncommitted changes were discarded".to_owned());
            }
            self.comments
                .push(format!("Repository was hard-reset to {}", remote.place));
        } else if local.dirty && self.force != Force::No {
            self.run(&["checkout", "--", ":/"])?;
            self.comments
                .push("Uncommitted changes were discarded".to_owned());
        }
        let is_new = self
            .branch
            .as_ref()
            .is_some_and(|b| !local.branches.contains(b));
        if !is_new {
            if self.tracking(remote, upstream.as_deref()).is_some() && local.branch.is_none() {
                return self.stop(
                    "Cannot set/unset upstream tracking branch, local HEAD refers to nonexistent branch. This may have been caused by cloning a remote repository for which the default branch was renamed or deleted. If you are unable to fix the remote repository, you can work around this by setting the 'branch' argument (which will ensure that the named branch is created if it does not already exist).",
                );
            }
            self.track(remote, upstream)?;
        }
        if forward != Some(true) || Self::is_at(local.base.as_deref(), remote) {
            return Ok(());
        }
        if remote.upstream.is_none() && self.rev != "HEAD" {
            let rev = self.rev.clone();
            self.run(&["reset", "--hard", &rev])?;
            self.comments
                .push(format!("Repository was reset to {rev} (fast-forward)"));
            return Ok(());
        }
        let attached = self
            .git
            .said(Some(self.dir()), &["symbolic-ref", "--quiet", "HEAD"])?;
        if !attached.fine() {
            return self.stop("Unable to fast-forward, HEAD is detached");
        }
        self.run(&["merge", "--ff-only", sha])?;
        self.comments
            .push(format!("Repository was fast-forwarded to {}", remote.place));
        Ok(())
    }
}
