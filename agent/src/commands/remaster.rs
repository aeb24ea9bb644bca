//! `salt-agent remaster`.

use anyhow::bail;

use super::Code;
use crate::cli::{Global, RemasterArgs};

pub(super) fn run(_global: &Global, _args: &RemasterArgs) -> anyhow::Result<Code> {
    bail!("`remaster` is not part of this build yet")
}
