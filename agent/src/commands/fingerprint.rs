//! `salt-agent fingerprint`.

use anyhow::bail;

use super::Code;
use crate::cli::{FingerprintArgs, Global};

pub(super) fn run(_global: &Global, _args: &FingerprintArgs) -> anyhow::Result<Code> {
    bail!("`fingerprint` is not part of this build yet")
}
