//! `event`: events sent from within a run.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error};

/// The rows of `event`.
pub const STATES: &[State] = &[
    State {
        name: "event.send",
        signature: "name, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, show_changed=True, **kwargs",
        doc: "Send an event to the master.",
        run: send,
    },
    State {
        name: "event.fire_master",
        signature: "name, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, show_changed=True, **kwargs",
        doc: "Other name of ``event.send``.",
        run: send,
    },
    State {
        name: "event.wait",
        signature: "name, sfun=None, data=None",
        doc: "Send an event when a watched state changes.",
        run: |_, _| Ok(Outcome::unchanged("")),
    },
    State {
        name: "event.mod_watch",
        signature: "name, data=None, preload=None, with_env=False, with_grains=False, with_pillar=False, show_changed=True, **kwargs",
        doc: "What a watched change makes ``event.wait`` do.",
        run: send,
    },
];

fn send(ctx: &Context, run: &Run<'_>) -> Result<Outcome, Error> {
    let args = run.args;
    let changes = if args.flag("show_changed") {
        map! { "tag" => args.get("name").clone(), "data" => args.get("data").clone() }
    } else {
        Map::new()
    };
    if run.test {
        return Ok(Outcome::would(changes, "Event would have been fired"));
    }
    let mut kwargs = args.extra.clone();
    for key in ["data", "preload", "with_env", "with_grains", "with_pillar"] {
        kwargs.insert(key.into(), args.get(key).clone());
    }
    let name = args.get("name").clone();
    let sent = ctx.call("event.send", &[name], &kwargs)?;
    Ok(Outcome {
        result: Some(sent == Value::Bool(true)),
        ..Outcome::changed(changes, "Event fired")
    })
}
