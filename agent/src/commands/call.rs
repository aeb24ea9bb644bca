//! `salt-agent call`.

use anyhow::bail;

use super::Code;
use crate::cli::{CallArgs, Global};

pub(super) fn run(_global: &Global, _args: &CallArgs) -> anyhow::Result<Code> {
    bail!("`call` is not part of this build yet")
}
