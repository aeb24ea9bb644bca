//! `timezone`: the machine's time zone.

use salt_wire::Map;

use super::{Outcome, Run, State};
use crate::context::{Context, Error};
use crate::host::timezone;

/// The rows of `timezone`.
pub const STATES: &[State] = &[State {
    name: "timezone.system",
    signature: "name, utc=True",
    doc: "Ensure the time zone, and that the hardware clock keeps universal time.",
    run: system,
}];

fn system(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let (name, utc) = (run.args.text("name")?, run.args.flag("utc"));
    let programs = ctx.programs();
    let is_set = match timezone::is(&programs, &name) {
        Ok(is_set) => is_set,
        Err(error) => {
            return Ok(Outcome::failed(format!(
                "Unable to compare desired timezone '{name}' to system timezone: {error}"
            )));
        }
    };
    let my_utc = timezone::hwclock(&programs)?.as_deref() != Some("localtime");
    let do_utc = utc && !my_utc;
    let shown = if utc { "True" } else { "False" };
    if is_set && !do_utc {
        let mut comment = format!("Timezone {name} already set");
        if utc {
            comment += &format!(", UTC already set to {name}");
        }
        return Ok(Outcome::unchanged(comment));
    }
    let mut messages = Vec::new();
    if run.test {
        if !is_set {
            messages.push(format!("Timezone {name} needs to be set"));
        }
        if do_utc {
            messages.push(format!("UTC needs to be set to {shown}"));
        }
        return Ok(Outcome::would(Map::new(), messages.join(", ")));
    }
    let mut out = Outcome::default();
    if !is_set {
        // A refusal in words counts as done, as with Salt: the next run tells.
        drop(
            timezone::set(&programs, &name)
                .map_err(|e| Error::execution(format!("/etc/localtime: {e}")))?,
        );
        out.changes.insert("timezone".into(), name.as_str().into());
        messages.push(format!("Set timezone {name}"));
        out.result = Some(true);
    }
    if do_utc {
        if timezone::set_hwclock(&programs, "UTC")? {
            out.changes.insert("utc".into(), true.into());
            messages.push(format!("Set UTC to {shown}"));
            out.result = Some(true);
        } else {
            messages.push(format!("Failed to set UTC to {shown}"));
            out.result = Some(false);
        }
    }
    out.comment = messages.join(", ");
    Ok(out)
}
