//! `log`: lines for the minion's log, written from templates.

use super::{Function, row};
use crate::context::{Args, Context, Result};

/// The rows of `log`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "log.debug",
        "message",
        |_, args| said(args, |m| tracing::debug!("{m}")),
        "Log a message at level debug.",
        "salt '*' log.debug 'what is seen'"
    ),
    row!(
        "log.info",
        "message",
        |_, args| said(args, |m| tracing::info!("{m}")),
        "Log a message at level info.",
        "salt '*' log.info 'what is done'"
    ),
    row!(
        "log.warning",
        "message",
        |_, args| said(args, |m| tracing::warn!("{m}")),
        "Log a message at level warning.",
        "salt '*' log.warning 'what is odd'"
    ),
    row!(
        "log.error",
        "message",
        failed,
        "Log a message at level error.",
        "salt '*' log.error 'what went wrong'"
    ),
    row!(
        "log.critical",
        "message",
        failed,
        "Log a message at level critical.",
        "salt '*' log.critical 'what cannot go on'"
    ),
    row!(
        "log.exception",
        "message",
        failed,
        "Log a message as an exception is logged.",
        "salt '*' log.exception 'what was raised'"
    ),
];

fn said(args: &Args, say: fn(&str)) -> Result {
    say(&args.text("message")?);
    Ok(true.into())
}

fn failed(_: &Context, args: &Args) -> Result {
    said(args, |m| tracing::error!("{m}"))
}
