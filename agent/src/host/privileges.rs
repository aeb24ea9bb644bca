//! Giving up root: the daemon runs as the account that the configuration names (`user`), as salt-minion does.
//!
//! The program is started anew in its own place, with the same process id, so that nothing that root opened and no
//! variable of root's environment is left over; changing variables of a running process takes `unsafe` besides.

use std::ffi::CString;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid, getgrouplist, setgroups, setresgid, setresuid};

use super::account;

/// Ourselves, whatever became of the file since we were started.
const OURSELVES: &str = "/proc/self/exe";
/// Directories nest no deeper than this.
const DEEPEST: usize = 64;

/// Becomes `name` for good, with these directories and all in them handed over; comes back at once if that is who we
/// are. If it becomes somebody else, the program starts anew and this does not come back.
pub fn become_user(name: &str, dirs: &[&Path]) -> io::Result<()> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "there is no such account");
    if name.is_empty() || account::find(name) == Some(geteuid()) {
        return Ok(());
    }
    let user = User::from_name(name)?.ok_or_else(unknown)?;
    if !geteuid().is_root() {
        let words = "only root can become another account";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    for dir in dirs {
        std::fs::create_dir_all(dir)?;
        hand_over(dir, &user, DEEPEST);
    }
    let groups = getgrouplist(&CString::new(user.name.clone())?, user.gid)?;
    setgroups(&groups)?;
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)?;
    let mut arguments = std::env::args_os();
    let mut anew = Command::new(OURSELVES);
    anew.arg0(arguments.next().unwrap_or_default());
    anew.args(arguments);
    for (variable, value) in [
        ("HOME", user.dir.as_os_str()),
        ("SHELL", user.shell.as_os_str()),
        ("USER", user.name.as_ref()),
        ("LOGNAME", user.name.as_ref()),
    ] {
        // As Salt has it: what is not set stays so.
        if std::env::var_os(variable).is_some() {
            anew.env(variable, value);
        }
    }
    Err(anew.exec())
}

/// What is here belongs to `user` afterwards, as far as it can be; links are not followed.
fn hand_over(path: &Path, user: &User, depth: usize) {
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let Ok(meta) = path.symlink_metadata() else {
        return;
    };
    if (meta.uid(), meta.gid()) != (uid, gid)
        && let Err(error) = lchown(path, Some(uid), Some(gid))
    {
        tracing::warn!(path = %path.display(), user = user.name, %error, "This cannot be handed over.");
    }
    if !meta.is_dir() || depth == 0 {
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        hand_over(&entry.path(), user, depth - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_we_are_already_and_who_is_not_there() {
        let own = crate::host::account::current_name();
        become_user(&own, &[]).unwrap();
        let error = become_user("no-such-account", &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn everything_below_is_handed_over_and_nothing_behind_a_link() {
        if !geteuid().is_root() {
            // Only root can give files away; the suites run as root prove it.
            return;
        }
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("file"), "").unwrap();
        std::fs::write(other.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(other.path(), deep.join("link")).unwrap();
        let nobody = User::from_name("nobody").unwrap().unwrap();
        hand_over(dir.path(), &nobody, DEEPEST);
        let owner = |path: &Path| path.symlink_metadata().unwrap().uid();
        for path in [dir.path(), &deep, &deep.join("file"), &deep.join("link")] {
            assert_eq!(owner(path), nobody.uid.as_raw(), "{path:?}");
        }
        assert_eq!(owner(&other.path().join("file")), 0);
    }
}
