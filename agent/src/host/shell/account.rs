//! Running as another user: who that is, and the environment that a login would give.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User, getgid, getuid};
use tracing::error;

use super::{Error, Result};
use crate::host::exec::{Command, Exec};
use crate::host::{Cancel, env};

/// How long a login may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The ids to run under; none if nothing changes.
pub(super) fn find(runas: Option<&str>, group: Option<&str>) -> Result<Option<(Uid, Gid)>> {
    let user = match runas {
        None => None,
        Some(name) => Some(
            User::from_name(name)
                .ok()
                .flatten()
                .ok_or_else(|| Error::execution(format!("User '{name}' is not available")))?,
        ),
    };
    let group = match group {
        None => None,
        Some(name) => Some(Group::from_name(name).ok().flatten().ok_or_else(|| {
            // Salt names the user here, whatever the group.
            let name = runas.unwrap_or("None");
            Error::execution(format!("Group '{name}' is not available"))
        })?),
    };
    let (own_uid, own_gid) = (getuid(), getgid());
    let uid = user.as_ref().map_or(own_uid, |u| u.uid);
    let gid = group
        .map(|g| g.gid)
        .or(user.map(|u| u.gid))
        .unwrap_or(own_gid);
    Ok(((uid, gid) != (own_uid, own_gid)).then_some((uid, gid)))
}

/// What the user's login shell exports; empty if there is no login to be had.
pub(super) fn environment(
    exec: &dyn Exec,
    shell: Option<&str>,
    user: &str,
) -> BTreeMap<String, String> {
    // Whatever else a profile prints stays outside of the marks.
    let mut noise = [0u8; 8];
    if let Err(error) = getrandom::fill(&mut noise) {
        error!(user, %error, "Environment could not be retrieved.");
        return BTreeMap::new();
    }
    let mark = format!("<<<{:016x}>>>", u64::from_le_bytes(noise));
    let script = format!("printf %s '{mark}'; env -0; printf %s '{mark}'");
    let mut argv = vec!["su"];
    if let Some(shell) = shell {
        argv.extend(["-s", shell]);
    }
    argv.push("-");
    if !user.is_empty() {
        argv.push(user);
    }
    argv.extend(["-c", &script]);
    let mut command = Command::new(argv);
    command.timeout = Some(DEADLINE);
    let output = match exec.run(&command, &Cancel::new()) {
        Ok(output) => output,
        Err(error) => {
            error!(user, %error, "Environment could not be retrieved.");
            return BTreeMap::new();
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(inner) = text.split(&mark).nth(1) else {
        error!(user, "Environment could not be retrieved.");
        return BTreeMap::new();
    };
    inner
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// What an environment must have whatever the login gave.
pub(super) fn complete(environment: &mut BTreeMap<String, String>, user: &str) {
    if user.is_empty() {
        return;
    }
    environment.insert("USER".to_owned(), user.to_owned());
    if let Ok(Some(found)) = User::from_name(user) {
        environment.insert("HOME".to_owned(), found.dir.display().to_string());
    }
    // Salt asks Python for the environment, and Python turns the C locale into C.UTF-8.
    let c = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|v| environment.get(*v).filter(|v| !v.is_empty()))
        .is_none_or(|v| v == "C" || v == "POSIX");
    if c && env::which("su").is_some() {
        environment.insert("LC_CTYPE".to_owned(), "C.UTF-8".to_owned());
    }
}
