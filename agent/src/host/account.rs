//! Who runs this process.

use nix::unistd::{Uid, User, geteuid};

/// Name of the account that this process runs as; its number when it has no name.
pub fn current_name() -> String {
    name_of(geteuid())
}

/// Name of an account; its number when it has none.
pub fn name_of(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// The number of an account.
pub fn find(name: &str) -> Option<Uid> {
    let found = User::from_name(name).ok().flatten();
    // Salt names an account that has no name by its number.
    found
        .map(|user| user.uid)
        .or_else(|| (name == current_name()).then(geteuid))
}
