//! `salt-agent adopt`.

use anyhow::bail;

use super::Code;
use crate::cli::{AdoptArgs, Global};

pub(super) fn run(_global: &Global, _args: &AdoptArgs) -> anyhow::Result<Code> {
    bail!("`adopt` is not part of this build yet")
}
