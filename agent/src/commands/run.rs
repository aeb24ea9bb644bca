//! `salt-agent run`.

use anyhow::bail;

use super::Code;
use crate::cli::{Global, RunArgs};

pub(super) fn run(_global: &Global, _args: &RunArgs) -> anyhow::Result<Code> {
    bail!("`run` is not part of this build yet")
}
