//! Text that is run as a file of its own: written privately, run, removed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::User;

use super::{Error, Result};
use crate::host::fs::write_atomic;

/// A file with code that is gone when its owner is done.
pub struct Script(PathBuf);

impl Script {
    /// A name in `dir` that nobody has yet.
    pub fn new(dir: &Path, suffix: &str) -> Result<Self> {
        let mut noise = [0u8; 8];
        getrandom::fill(&mut noise).map_err(|e| Error::execution(e.to_string()))?;
        let name: String = noise.iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self(dir.join(format!("__salt.tmp.{name}{suffix}"))))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts the code there, only for its user.
    pub fn fill(&self, bytes: &[u8], mode: u32, runas: Option<&str>) -> Result<()> {
        let told = |e: std::io::Error| Error::execution(format!("{}: {e}", self.0.display()));
        write_atomic(&self.0, bytes, mode).map_err(told)?;
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).map_err(told)?;
        let owner = runas.and_then(|name| User::from_name(name).ok().flatten());
        if let Some(user) = owner {
            chown(&self.0, Some(user.uid.as_raw()), None).map_err(told)?;
        }
        Ok(())
    }

    /// Leaves the file to whoever runs it now.
    pub fn hand_over(self) {
        std::mem::forget(self);
    }

    /// The ending that a script from this address keeps: some programs look at it.
    pub fn suffix(source: &str) -> &str {
        let bare = source.split('?').next().unwrap_or_default();
        let name = bare.rsplit('/').next().unwrap_or_default();
        match name.rfind('.') {
            Some(at) if at > 0 => &name[at..],
            _ => "",
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
