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
        signature: "master, finger=None, master_port=4506, publish_port=4505, key=None, auth=False, changes=None, others=None",
        doc: "Looks at a new master without moving: what could not be written here, its name, both ports; with ``key``, its public key, that it has the other half of it.\n\nThis leaves no trace there. With ``auth=True`` this minion's key is shown to it, which may make it pending there: then also the key's state, the clock and the pillar are looked at, and with ``changes=N`` a highstate with ``test=True``, which may change up to N states.\n\nReturns one entry for each check, with a reason code and the seconds it took.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.check new.example finger=ab:cd:… auth=True changes=0",
        run: check,
    },
    Function {
        name: "remaster.confirm",
        signature: "",
        doc: "Keeps the new master. Without this a move is undone when its time is over.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.confirm",
        run: |ctx, _| ask(ctx, "confirm"),
    },
    Function {
        name: "remaster.order",
        signature: "text",
        doc: "Takes a signed order or a handover certificate, as ``master-bridge`` makes them. Nothing is changed by one that is not for this minion, not for now, or not signed by whom it should be.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.order salt-agent-order:v1:…",
        run: |ctx, args| {
            let text = args.get("text").as_str().unwrap_or_default();
            ctx.minion
                .service("remaster", map! {"do" => "order", "text" => text})
        },
    },
    Function {
        name: "remaster.rekey",
        signature: "master, finger, master_port=4506, expires=None",
        doc: "Lets a master of this minion have another key, which must have this SHA-256 fingerprint. Nothing moves: the new key is taken when the master shows it, until then the old one counts.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.rekey salt.example finger=ab:cd:…",
        run: rekey,
    },
    Function {
        name: "remaster.rollback",
        signature: "",
        doc: "Goes back to the old master, during the move or while it awaits its confirmation.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.rollback",
        run: |ctx, _| ask(ctx, "rollback"),
    },
    Function {
        name: "remaster.rotate_key",
        signature: "action='stage'",
        doc: "Gives this minion another key. ``stage`` makes it and returns its fingerprint with the present key's signed word for it; when the master holds it as accepted, ``switch`` puts it into use, after every master that the minion is with has let it in; ``confirm`` then forgets the key before, and ``cancel`` goes back to it. ``status`` tells where that stands.\n\nWhat a master has accepted is always in use: a minion that is refused with one of the two keys asks with the other. ``master-bridge keys rotate`` does all of it.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.rotate_key status",
        run: |ctx, args| {
            let action = args.get("action").as_str().unwrap_or_default().to_owned();
            ctx.minion.service("rotate_key", map! {"do" => action})
        },
    },
    Function {
        name: "remaster.status",
        signature: "",
        doc: "Where a move stands, and what became of the last one.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.status",
        run: |ctx, _| ask(ctx, "status"),
    },
    Function {
        name: "remaster.to",
        signature: "master, finger, master_port=4506, publish_port=4505, wait=600, confirm=300, highstate=False, id=None, expires=None, rounds=0, changes=None, key=None, others=None, failover=False",
        doc: "Moves this minion to another master, which must have the key of this SHA-256 fingerprint.\n\nThe new master is tried while this one stays in charge. After the move, ``confirm`` seconds remain to call ``remaster.confirm`` from the new master; else the minion comes back by itself. ``wait`` is how long the new master may take to accept the minion's key. ``rounds=N`` confirms by itself after N round trips. ``changes=N`` gives the move up if a highstate of the new master would change more than N states. ``others`` names the further masters of a list.\n\nReturns at once; events ``salt/remaster/<id>/<stage>`` tell both masters how it goes.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt app2 remaster.to new.example finger=ab:cd:… confirm=600",
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

fn rekey(ctx: &Context, args: &Args) -> Result {
    let mut order = given(args);
    order.insert("rekey".into(), true.into());
    ctx.minion
        .service("remaster", map! {"do" => "to", "order" => order})
}

fn check(ctx: &Context, args: &Args) -> Result {
    let mut order = given(args);
    let auth = order.shift_remove("auth").unwrap_or_default();
    ctx.minion
        .service("remaster", look(order, auth.is_truthy()))
}

/// The question for a look. Nothing is trusted by one: without a fingerprint, any will do for the order.
pub fn look(mut order: Map, auth: bool) -> Map {
    let unpinned = order.get("finger").is_none_or(Value::is_null);
    if unpinned {
        let key = order.get("key").and_then(Value::as_str);
        let key = key.and_then(|pem| salt_wire::crypto::PublicKey::from_pem(pem).ok());
        let finger = key.map(|key| {
            key.fingerprint(salt_wire::crypto::HashType::Sha256)
                .to_string()
        });
        // With the key itself there is nothing to make up.
        let unpinned = finger.is_none();
        let finger = finger.unwrap_or_else(|| "00".repeat(32));
        order.insert("finger".into(), finger.into());
        return map! {"do" => "check", "order" => order, "auth" => auth, "unpinned" => unpinned};
    }
    map! {"do" => "check", "order" => order, "auth" => auth}
}

/// The arguments, as the fields of an order.
fn given(args: &Args) -> Map {
    args.named.clone()
}
