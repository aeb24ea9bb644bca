//! Another user, group or file mode mask for a command.
//!
//! The standard library can set user and group between fork and exec, but not the supplementary groups and not
//! the mask; doing it there by hand takes `unsafe`, and a mask set in our own process would be everybody's. So
//! our own program is started in the command's place, with a name that says so; it becomes that user, sets
//! the mask and turns into the command. It costs about a millisecond and gains nothing for anybody: who is not
//! root cannot become another user this way either.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command as StdCommand;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, User, getgid, getgrouplist, getuid, setgid, setgroups, setuid};

use super::Command;
use crate::host::env;

/// The name under which the program knows that it is to become a command.
const NAME: &str = "salt-agent: become";

/// Ourselves, whatever became of the file since we were started.
const OURSELVES: &str = "/proc/self/exe";

/// The command line that becomes `command`.
pub(super) fn command(command: &Command) -> io::Result<StdCommand> {
    let mut std = StdCommand::new(OURSELVES);
    std.arg0(NAME);
    match command.user {
        Some((uid, gid)) => {
            let groups: Vec<String> = groups(uid, gid)?.iter().map(Gid::to_string).collect();
            std.args([uid.to_string(), gid.to_string(), groups.join(",")]);
        }
        None => {
            std.args(["-", "-", "-"]);
        }
    }
    std.arg(command.umask.map_or("-".to_owned(), |m| format!("{m:o}")));
    // A program that is not there is told here, where the caller can hear it.
    let program = command.argv.first().map_or("", String::as_str);
    let found = if program.contains('/') {
        Path::new(program).exists()
    } else {
        env::which(program).is_some()
    };
    if !found {
        return Err(io::ErrorKind::NotFound.into());
    }
    std.args(&command.argv);
    Ok(std)
}

/// The groups of a user; only the given one for a user that the system does not know.
fn groups(uid: Uid, gid: Gid) -> io::Result<Vec<Gid>> {
    let Some(user) = User::from_uid(uid)? else {
        return Ok(vec![gid]);
    };
    let name = std::ffi::CString::new(user.name).map_err(io::Error::other)?;
    Ok(getgrouplist(&name, user.gid)?)
}

/// Whether this process was started to become a command; then it does so and this comes back only with
/// the exit code of a failure.
pub fn take_over(args: &[OsString]) -> Option<u8> {
    let (name, rest) = args.split_first()?;
    if name != NAME {
        return None;
    }
    let (code, error) = become_command(rest);
    let program = rest.get(4).cloned().unwrap_or_default();
    tell(&format!("{}: {error}\n", program.to_string_lossy()));
    Some(code)
}

fn become_command(args: &[OsString]) -> (u8, io::Error) {
    let invalid = || (126, io::Error::from(io::ErrorKind::InvalidInput));
    let [uid, gid, groups, mask, program, rest @ ..] = args else {
        return invalid();
    };
    if let Err(error) = switch(uid, gid, groups) {
        return (126, error);
    }
    if mask != "-" {
        let Some(mask) = mask.to_str().and_then(|m| u32::from_str_radix(m, 8).ok()) else {
            return invalid();
        };
        umask(Mode::from_bits_truncate(mask));
    }
    let error = StdCommand::new(program).args(rest).exec();
    let code = if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    (code, error)
}

fn switch(uid: &OsStr, gid: &OsStr, groups: &OsStr) -> io::Result<()> {
    if uid == "-" {
        return Ok(());
    }
    let number = |text: &str| text.parse::<u32>().map_err(io::Error::other);
    let text = |value: &OsStr| value.to_string_lossy().into_owned();
    let uid = Uid::from_raw(number(&text(uid))?);
    let gid = Gid::from_raw(number(&text(gid))?);
    let groups: io::Result<Vec<Gid>> = text(groups)
        .split(',')
        .map(|g| number(g).map(Gid::from_raw))
        .collect();
    // Who is that user already, without the right to change anything, stays as it is.
    if getuid() == uid && getgid() == gid && !uid.is_root() {
        return Ok(());
    }
    setgroups(&groups?)?;
    setgid(gid)?;
    setuid(uid)?;
    Ok(())
}

fn tell(text: &str) {
    // Nobody is left to be told when standard error is closed.
    nix::unistd::write(io::stderr(), text.as_bytes()).ok();
}
