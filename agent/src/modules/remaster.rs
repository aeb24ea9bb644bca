//! `remaster`: moving this minion to another master, and keeping or undoing the move.

use salt_wire::{Map, Value, map};

use super::Function;
use crate::context::{Args, Context, Result};

/// The rows of `remaster`.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "remaster.cancel",
        signature: "",
        doc: "Calls off a move that is not done yet. The old master was never left.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.cancel",
        run: |ctx, _| ask(ctx, "cancel"),
    },
    Function {
        name: "remaster.check",
        signature: "master, finger=None, master_port=4506, publish_port=4505",
        doc: "Looks at a new master without moving: its name, both ports, what could not be written here.\n\nReturns one entry for each check, with a reason code and the seconds it took.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.check new.example finger=ab:cd:…",
        run: check,
    },
    Function {
        name: "remaster.confirm",
        signature: "",
        doc: "Keeps the new master. Without this a move is undone when its time is over.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.confirm",
        run: |ctx, _| ask(ctx, "confirm"),
    },
    Function {
        name: "remaster.rollback",
        signature: "",
        doc: "Goes back to the old master, during the move or while it awaits its confirmation.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.rollback",
        run: |ctx, _| ask(ctx, "rollback"),
    },
    Function {
        name: "remaster.status",
        signature: "",
        doc: "Where a move stands, and what became of the last one.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.status",
        run: |ctx, _| ask(ctx, "status"),
    },
    Function {
        name: "remaster.to",
        signature: "master, finger, master_port=4506, publish_port=4505, wait=600, confirm=300, highstate=False, id=None, expires=None",
        doc: "Moves this minion to another master, which must have the key of this SHA-256 fingerprint.\n\nThe new master is tried while this one stays in charge. After the move, ``confirm`` seconds remain to call ``remaster.confirm`` from the new master; else the minion comes back by itself. ``wait`` is how long the new master may take to accept the minion's key.\n\nReturns at once; events ``salt/remaster/<id>/<stage>`` tell both masters how it goes.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.to new.example finger=ab:cd:… confirm=600",
        run: to,
    },
];

fn ask(ctx: &Context, action: &str) -> Result {
    ctx.minion.service("remaster", map! {"do" => action})
}

fn to(ctx: &Context, args: &Args) -> Result {
    let mut order = given(args);
    if order.get("id").is_none_or(Value::is_null) && !ctx.job.jid.is_empty() {
        order.insert("id".into(), ctx.job.jid.as_str().into());
    }
    ctx.minion
        .service("remaster", map! {"do" => "to", "order" => order})
}

fn check(ctx: &Context, args: &Args) -> Result {
    let mut order = given(args);
    if order.get("finger").is_none_or(Value::is_null) {
        // Nothing is trusted by a look: any fingerprint will do.
        order.insert("finger".into(), "00".repeat(32).into());
    }
    ctx.minion
        .service("remaster", map! {"do" => "check", "order" => order})
}

/// The arguments, as the fields of an order.
fn given(args: &Args) -> Map {
    args.named.clone()
}
