//! Accounts and groups: read from the system's own lookup, changed by the system's own programs.

use std::ffi::CString;
use std::fs;
use std::io;
use std::time::Duration;

use nix::unistd::{Gid, Group, User, getgrouplist};

use super::exec::{Command, Output};
use super::{Cancel, Host};

/// An account as Salt shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Number of its own group.
    pub gid: u32,
    /// Names of all its groups, sorted.
    pub groups: Vec<String>,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// The password field, which is not the password.
    pub passwd: String,
    /// Full name, room, work phone, home phone, other.
    pub gecos: [String; 5],
}

/// A group as Salt shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Name.
    pub name: String,
    /// Number.
    pub gid: u32,
    /// The password field.
    pub passwd: String,
    /// Names of its members, those whose own group it is left out.
    pub members: Vec<String>,
}

/// The account of this name.
pub fn account(name: &str) -> Option<Account> {
    let user = User::from_name(name).ok()??;
    let gecos = user.gecos.to_string_lossy().into_owned();
    let mut parts = gecos.splitn(5, ',').map(str::to_owned);
    Some(Account {
        groups: groups_of(&user.name, user.gid),
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        home: user.dir.to_string_lossy().into_owned(),
        shell: user.shell.to_string_lossy().into_owned(),
        passwd: user.passwd.to_string_lossy().into_owned(),
        gecos: std::array::from_fn(|_| parts.next().unwrap_or_default()),
        name: user.name,
    })
}

fn groups_of(name: &str, own: Gid) -> Vec<String> {
    let Ok(c_name) = CString::new(name) else {
        return Vec::new();
    };
    let mut names: Vec<_> = getgrouplist(&c_name, own)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|gid| Some(Group::from_gid(gid).ok()??.name))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// All accounts of the machine's own file.
pub fn all_accounts() -> Vec<Account> {
    names_in("/etc/passwd")
        .iter()
        .filter_map(|n| account(n))
        .collect()
}

/// All groups of the machine's own file.
pub fn all_groups() -> Vec<GroupInfo> {
    names_in("/etc/group")
        .iter()
        .filter_map(|n| group(n))
        .collect()
}

fn names_in(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let names = text.lines().filter_map(|l| l.split(':').next());
    names.filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

/// The group of this name.
pub fn group(name: &str) -> Option<GroupInfo> {
    Group::from_name(name).ok()?.map(info)
}

/// The group with this number.
pub fn group_by_gid(gid: u32) -> Option<GroupInfo> {
    Group::from_gid(Gid::from_raw(gid)).ok()?.map(info)
}

fn info(group: Group) -> GroupInfo {
    GroupInfo {
        name: group.name,
        gid: group.gid.as_raw(),
        passwd: group.passwd.to_string_lossy().into_owned(),
        members: group.mem,
    }
}

/// Runs one of the programs that change accounts (`useradd`, `usermod`, `gpasswd`, …).
pub fn change<S: Into<String>>(
    host: &Host,
    argv: impl IntoIterator<Item = S>,
    stdin: &[u8],
    cancel: &Cancel,
) -> io::Result<Output> {
    let command = Command {
        stdin: stdin.to_vec(),
        timeout: Some(Duration::from_secs(120)),
        ..Command::new(argv)
    };
    host.exec.run(&command, cancel)
}
