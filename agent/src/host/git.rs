//! Git, by its own program, as an account of this machine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;
use nix::unistd::{Gid, Uid};

use super::exec::Command;
use super::fs::write_atomic;
use super::program::{Programs, Said};
use super::user;

/// What git said when it failed.
pub type Result<T> = std::result::Result<T, String>;

/// Longest that one command of git may take.
const LIMIT: Duration = Duration::from_secs(3600);

/// Lets git's ssh use one key; the key's path comes in the environment.
const WRAPPER: &str = "#!/bin/sh\nexec ssh -oBatchMode=yes -oStrictHostKeyChecking=no -oIdentitiesOnly=yes -i \"$GIT_IDENTITY\" \"$@\"\n";

/// Git as one account with one way to log in.
#[derive(Clone)]
pub struct Git<'a> {
    programs: Programs<'a>,
    account: Option<(Uid, Gid)>,
    env: BTreeMap<String, Option<String>>,
    identities: Vec<PathBuf>,
    wrapper: PathBuf,
}

impl<'a> Git<'a> {
    /// Git as this account, or as the agent's own; `cache` is where a helper for keys may be put.
    pub fn new(programs: Programs<'a>, cache: &Path, runas: Option<&str>) -> Result<Self> {
        let mut env = BTreeMap::new();
        env.insert("GIT_TERMINAL_PROMPT".to_owned(), Some("0".to_owned()));
        let account = match runas {
            None => None,
            Some(name) => {
                let account =
                    user::account(name).ok_or_else(|| format!("User '{name}' is not available"))?;
                env.insert("HOME".to_owned(), Some(account.home));
                Some((Uid::from_raw(account.uid), Gid::from_raw(account.gid)))
            }
        };
        Ok(Self {
            programs,
            account,
            env,
            identities: Vec::new(),
            wrapper: cache.join("git-ssh"),
        })
    }

    /// The same with keys to log in with, tried one after the other.
    pub fn with_identities(mut self, identities: Vec<PathBuf>) -> Result<Self> {
        if !identities.is_empty() {
            let told = |e: std::io::Error| format!("{}: {e}", self.wrapper.display());
            write_atomic(&self.wrapper, WRAPPER.as_bytes(), 0o755).map_err(told)?;
            fs::set_permissions(&self.wrapper, fs::Permissions::from_mode(0o755)).map_err(told)?;
        }
        self.identities = identities;
        Ok(self)
    }

    fn once(
        &self,
        dir: Option<&Path>,
        words: &[&str],
        key: Option<&Path>,
        merged: bool,
    ) -> Result<Said> {
        let mut env = self.env.clone();
        if let Some(key) = key {
            let text = |p: &Path| Some(p.to_string_lossy().into_owned());
            env.insert("GIT_SSH".to_owned(), text(&self.wrapper));
            env.insert("GIT_IDENTITY".to_owned(), text(key));
        }
        let argv = std::iter::once("git").chain(words.iter().copied());
        self.programs.command(Command {
            cwd: dir.map(Path::to_path_buf),
            env,
            user: self.account,
            timeout: Some(LIMIT),
            merge_stderr: merged,
            ..Command::new(argv)
        })
    }

    /// Runs git whatever it says.
    pub fn said(&self, dir: Option<&Path>, words: &[&str]) -> Result<Said> {
        self.heard(dir, words, false)
    }

    /// Runs git whatever it says; `merged`: its output and its complaints in one, in order.
    pub fn heard(&self, dir: Option<&Path>, words: &[&str], merged: bool) -> Result<Said> {
        let mut last = None;
        for key in &self.identities {
            let said = self.once(dir, words, Some(key), merged)?;
            if said.fine() {
                return Ok(said);
            }
            last = Some(said);
        }
        match last {
            Some(said) => Ok(said),
            None => self.once(dir, words, None, merged),
        }
    }

    /// Runs git; its output, or its complaint.
    pub fn run(&self, dir: Option<&Path>, words: &[&str]) -> Result<String> {
        let said = self.said(dir, words)?;
        if said.fine() {
            Ok(said.stdout)
        } else {
            Err(said.complaint().to_owned())
        }
    }

    /// The refs of a remote and what they point to.
    pub fn remote_refs(&self, url: &str) -> Result<IndexMap<String, String>> {
        let out = self.run(None, &["ls-remote", "--", url])?;
        let line = |line: &str| {
            let (sha, name) = line.split_once(char::is_whitespace)?;
            Some((name.trim().to_owned(), sha.to_owned()))
        };
        Ok(out.lines().filter_map(line).collect())
    }

    /// The commit that a name means; `None` when it means none.
    pub fn commit(&self, dir: &Path, name: &str) -> Result<Option<String>> {
        let name = format!("{name}^{{commit}}");
        let said = self.said(Some(dir), &["rev-parse", "--verify", "--quiet", &name])?;
        Ok((said.fine() && !said.stdout.is_empty()).then_some(said.stdout))
    }

    /// The branch that is checked out; `HEAD` when none is, nothing in an empty repository.
    pub fn branch(&self, dir: &Path) -> Result<Option<String>> {
        let said = self.said(Some(dir), &["rev-parse", "--abbrev-ref", "HEAD"])?;
        Ok(said.fine().then_some(said.stdout))
    }

    /// Local branches.
    pub fn branches(&self, dir: &Path) -> Result<Vec<String>> {
        let out = self.run(
            Some(dir),
            &[
                "for-each-ref",
                "--format",
                "%(refname:short)",
                "refs/heads/",
            ],
        )?;
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// Local tags.
    pub fn tags(&self, dir: &Path) -> Result<Vec<String>> {
        let out = self.run(
            Some(dir),
            &["for-each-ref", "--format", "%(refname:short)", "refs/tags/"],
        )?;
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// Where a remote is fetched from.
    pub fn remote_url(&self, dir: &Path, remote: &str) -> Result<Option<String>> {
        let key = format!("remote.{remote}.url");
        let said = self.said(Some(dir), &["config", "--get", &key])?;
        Ok((said.fine() && !said.stdout.is_empty()).then_some(said.stdout))
    }

    /// The branch that a local one follows.
    pub fn upstream(&self, dir: &Path, branch: &str) -> Result<Option<String>> {
        let name = format!("{branch}@{{upstream}}");
        let said = self.said(Some(dir), &["rev-parse", "--abbrev-ref", &name])?;
        Ok(said.fine().then_some(said.stdout))
    }

    /// Whether one commit leads to another.
    pub fn is_ancestor(&self, dir: &Path, old: &str, new: &str) -> Result<bool> {
        let said = self.said(Some(dir), &["merge-base", "--is-ancestor", old, new])?;
        Ok(said.fine())
    }

    /// Whether there are changes that are not committed.
    pub fn is_changed(&self, dir: &Path) -> Result<bool> {
        let said = self.said(Some(dir), &["diff", "HEAD"])?;
        Ok(said.fine() && !said.stdout.is_empty())
    }

    /// The values of a key, of the account's own configuration or of a repository's.
    pub fn config(&self, dir: Option<&Path>, key: &str) -> Result<Vec<String>> {
        let place = if dir.is_some() { "--local" } else { "--global" };
        let said = self.said(dir, &["config", place, "--get-all", key])?;
        Ok(if said.fine() {
            said.stdout.lines().map(str::to_owned).collect()
        } else {
            Vec::new()
        })
    }

    /// Sets a key to these values, or takes it away.
    pub fn set_config(&self, dir: Option<&Path>, key: &str, values: &[String]) -> Result<()> {
        let place = if dir.is_some() { "--local" } else { "--global" };
        // That there is nothing to take away is no fault.
        self.said(dir, &["config", place, "--unset-all", key])?;
        for value in values {
            self.run(dir, &["config", place, "--add", key, value])?;
        }
        Ok(())
    }
}

/// What a fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A tag that was not there.
    Tag(String),
    /// A branch that was not there.
    Branch(String),
    /// A tag that means another commit now.
    MovedTag(String),
    /// A branch that has moved on.
    Moved {
        /// Its name.
        name: String,
        /// Its commit before, short.
        old: String,
        /// Its commit now, short.
        new: String,
    },
}

/// What `git fetch` told on both streams.
pub fn news(output: &str) -> Vec<News> {
    output.lines().filter_map(news_of).collect()
}

fn news_of(line: &str) -> Option<News> {
    let line = line.trim_start_matches(|c: char| c == '*' || c.is_whitespace());
    let (what, rest) = match line.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => line.split_once(char::is_whitespace)?,
    };
    let (name, _) = rest.rsplit_once("->")?;
    let name = name.trim().to_owned();
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    match what {
        "new tag" => Some(News::Tag(name)),
        "new branch" => Some(News::Branch(name)),
        "tag update" => Some(News::MovedTag(name)),
        _ => {
            let (old, new) = what.split_once("..").filter(|(a, b)| hex(a) && hex(b))?;
            let (old, new) = (old.to_owned(), new.to_owned());
            Some(News::Moved { name, old, new })
        }
    }
}

/// An address with a name and password in it, if it is one of https.
pub fn with_login(url: &str, name: Option<&str>, password: Option<&str>) -> Result<String> {
    let Some(name) = name.filter(|n| !n.is_empty()) else {
        return Ok(url.to_owned());
    };
    let Some(rest) = url.strip_prefix("https://") else {
        return Err("Basic Auth only supported for HTTPS".to_owned());
    };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    Ok(match password {
        Some(password) => format!("https://{name}:{password}@{host}"),
        None => format!("https://{name}@{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fetch_brought_is_read() {
        let told = "From /srv/x\n * [new branch]      other      -> origin/other\n   abc12..def34  main       -> origin/main\n + abc12...def34 forced     -> origin/forced  (forced update)\n * [new tag]         v1         -> v1\n";
        let moved = News::Moved {
            name: "main".into(),
            old: "abc12".into(),
            new: "def34".into(),
        };
        assert_eq!(
            news(told),
            [News::Branch("other".into()), moved, News::Tag("v1".into())]
        );
    }
}
