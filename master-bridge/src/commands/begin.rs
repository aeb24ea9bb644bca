//! How an operation begins: it has an id, is held by this process, and is written down before anything is done.

use std::path::Path;

use super::travel::absolute;
use crate::cli::Global;
use crate::error::Result;
use crate::fault;
use crate::journal::{Held, Journal, OpState, Operation, millis, new_id};
use crate::output::Output;
use crate::plan::Planned;
use crate::salt::local;

/// Begins an operation that carries out this plan; it is this process's for as long as the second is kept.
pub(super) fn begin<P: Planned>(
    command: &str,
    plan: P,
    new_config: Option<&Path>,
    global: &Global,
    output: &Output,
) -> Result<(Journal, Held, Operation<P>)> {
    let mut journal = Journal::open(&global.journal())?;
    let op = Operation {
        id: new_id(),
        command: command.to_owned(),
        state: OpState::Running,
        note: String::new(),
        plan,
        old: global.way()?,
        new_config: new_config.map(absolute),
        operator: local::operator(),
        begun: millis() / 1000,
        ended: None,
    };
    let held = journal.hold(&op.id)?;
    journal.begin(&op)?;
    output.say(&format!("operation {}", op.id));
    fault::point("plan.written");
    Ok((journal, held, op))
}
