//! `salt-agent doctor`.

use anyhow::bail;

use super::Code;
use crate::cli::{DoctorArgs, Global};

pub(super) fn run(_global: &Global, _args: &DoctorArgs) -> anyhow::Result<Code> {
    bail!("`doctor` is not part of this build yet")
}
