//! What wheel functions and runners came to: the same words, whichever way they were called.

use std::time::{Duration, Instant};

use salt_wire::Value;

use super::Master;
use crate::error::{Error, Kind, Result};

/// The return in the data of a wheel call.
pub(super) fn of_wheel(fun: &str, data: Option<&Value>) -> Result<Value> {
    let returned = data.and_then(|d| d.get("return"));
    outcome(fun, data, returned)
}

/// Waits for the end of a runner that has been started under this tag.
pub(super) async fn of_runner(
    master: &mut dyn Master,
    tag: &str,
    fun: &str,
    within: Duration,
) -> Result<Value> {
    let wanted = format!("{tag}/ret");
    let end = Instant::now() + within;
    while let Some(event) = master
        .event(end.saturating_duration_since(Instant::now()))
        .await?
    {
        if event.tag == wanted {
            let data = Value::Map(event.data);
            return outcome(fun, Some(&data), data.get("return"));
        }
    }
    let text = format!(
        "{fun} did not end on the master within {} s",
        within.as_secs()
    );
    Err(Error::new(Kind::Unreachable, text))
}

fn outcome(fun: &str, data: Option<&Value>, returned: Option<&Value>) -> Result<Value> {
    let success = data.and_then(|d| d.get("success")).and_then(Value::as_bool);
    if success == Some(true) {
        return Ok(returned.cloned().unwrap_or_default());
    }
    let text = returned
        .and_then(Value::as_str)
        .unwrap_or("no reason given");
    let last = text.trim().lines().last().unwrap_or_default();
    Err(Error::new(
        Kind::Failed,
        format!("the master failed in {fun}: {last}"),
    ))
}
