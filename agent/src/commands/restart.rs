//! `salt-agent restart`: the program that lies on disk now takes the daemon's place when no job runs any more.

use std::time::Duration;

use salt_wire::{Map, Value};

use super::{Code, load, print, source};
use crate::cli::Global;
use crate::control;
use crate::identity::Cache;
use crate::supervisor::RESTART;

/// For the daemon's answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(global: &Global) -> anyhow::Result<Code> {
    let loaded = load(&source(global), Cache::Read)?;
    let socket = loaded.settings.control_socket();
    let answer = control::ask(&socket, RESTART, Map::new(), PATIENCE)?;
    let jobs = answer.get("jobs").and_then(Value::as_int).unwrap_or(0);
    print::line(&match jobs {
        0 => "the agent starts anew".to_owned(),
        1 => "the agent starts anew when the job that runs has ended".to_owned(),
        many => format!("the agent starts anew when the {many} jobs that run have ended"),
    })?;
    Ok(Code::OK)
}
