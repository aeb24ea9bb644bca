//! `match`: whether a target means this minion, asked from a template.

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, merge, python};
use crate::targeting::Target;

/// The rows of `match`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "match.compound",
        "tgt, minion_id=None",
        |ctx, args| asked(ctx, args, "compound"),
        "Whether an expression of targets means this minion.",
        "salt '*' match.compound 'L@cheese,foo and *'"
    ),
    row!(
        "match.filter_by",
        "lookup, tgt_type='compound', minion_id=None, merge=None, merge_lists=False, default='default'",
        filter_by,
        "Choose an entry of a map by the first of its keys that means this minion.",
        "salt '*' match.filter_by '{foo*: Foo!, bar*: Bar!}' minion_id=bar03"
    ),
    row!(
        "match.glob",
        "tgt, minion_id=None",
        |ctx, args| asked(ctx, args, "glob"),
        "Whether a glob means this minion.",
        "salt '*' match.glob '*'"
    ),
    row!(
        "match.grain",
        "tgt, delimiter=':'",
        |ctx, args| asked(ctx, args, "grain"),
        "Whether a grain fits a glob.",
        "salt '*' match.grain 'os:Ubuntu'"
    ),
    row!(
        "match.grain_pcre",
        "tgt, delimiter=':'",
        |ctx, args| asked(ctx, args, "grain_pcre"),
        "Whether a grain fits a pattern.",
        "salt '*' match.grain_pcre 'os:Fedo.*'"
    ),
    row!(
        "match.ifelse",
        "*args, tgt_type='compound', minion_id=None, merge=None, merge_lists=False",
        ifelse,
        "Return the value behind the first target that means this minion; the last argument if none does.",
        "salt '*' match.ifelse 'foo*' 'Foo!' 'bar*' 'Bar!' 'neither' minion_id=bar03"
    ),
    row!(
        "match.ipcidr",
        "tgt",
        |ctx, args| asked(ctx, args, "ipcidr"),
        "Whether this minion has an address in a network.",
        "salt '*' match.ipcidr '192.168.44.0/24'"
    ),
    row!(
        "match.list",
        "tgt, minion_id=None",
        |ctx, args| asked(ctx, args, "list"),
        "Whether a list names this minion.",
        "salt '*' match.list 'server1,server2'"
    ),
    row!(
        "match.pcre",
        "tgt, minion_id=None",
        |ctx, args| asked(ctx, args, "pcre"),
        "Whether a pattern means this minion.",
        "salt '*' match.pcre '.*'"
    ),
    row!(
        "match.pillar",
        "tgt, delimiter=':'",
        |ctx, args| asked(ctx, args, "pillar"),
        "Whether a value of the pillar fits a glob.",
        "salt '*' match.pillar 'cheese:foo'"
    ),
    row!(
        "match.pillar_pcre",
        "tgt, delimiter=':'",
        |ctx, args| asked(ctx, args, "pillar_pcre"),
        "Whether a value of the pillar fits a pattern.",
        "salt '*' match.pillar_pcre 'cheese:(swiss|american)'"
    ),
    row!(
        "match.search_by",
        "lookup, tgt_type='compound', minion_id=None",
        search_by,
        "Return the keys of those lists in a map that have a target for this minion.",
        "salt '*' match.search_by '{web: [node1, node2], db: [node2, node]}'"
    ),
];

/// This minion, or the one whose id is given.
fn target(ctx: &Context, args: &Args) -> Result<Target> {
    let mut target = Target::of(ctx);
    if let Some(id) = args.opt_text("minion_id")?.filter(|id| !id.is_empty()) {
        target.id = id;
    }
    Ok(target)
}

fn asked(ctx: &Context, args: &Args, kind: &str) -> Result {
    let delimiter = match args.get("delimiter") {
        Value::Null => ":".to_owned(),
        other => python::text(other),
    };
    let target = target(ctx, args)?;
    Ok(target.matches(kind, args.get("tgt"), &delimiter).into())
}

fn lookup(args: &Args) -> Result<&Map> {
    args.get("lookup")
        .as_map()
        .ok_or_else(|| Error::invocation("lookup must be a dictionary."))
}

fn filter_by(ctx: &Context, args: &Args) -> Result {
    let lookup = lookup(args)?;
    chosen(ctx, args, lookup, lookup.get(args.get("default")))
}

fn ifelse(ctx: &Context, args: &Args) -> Result {
    let (pairs, default) = match args.rest.as_slice() {
        [pairs @ .., default] if pairs.len() % 2 == 0 => (pairs, default),
        _ => {
            return Err(Error::Exception {
                kind: "salt.exceptions.SaltException",
                message: "The ifelse function must have an odd number of arguments!".to_owned(),
            });
        }
    };
    let key = |key: &Value| match key {
        Value::Bool(true) => "*".into(),
        Value::Bool(false) => "SALT_IFELSE_MATCH_NOTHING".into(),
        other => other.clone(),
    };
    let lookup: Map = pairs
        .chunks(2)
        .map(|p| (key(&p[0]), p[1].clone()))
        .collect();
    if lookup.is_empty() {
        return Ok(default.clone());
    }
    chosen(ctx, args, &lookup, Some(default))
}

/// The entry of the first key that means this minion, with what is to be merged into it.
fn chosen(ctx: &Context, args: &Args, lookup: &Map, default: Option<&Value>) -> Result {
    let (target, kind) = (target(ctx, args)?, args.text("tgt_type")?);
    let fits = |key: &Value| target.matches(&kind, key, ":");
    let Some((_, found)) = lookup.iter().find(|(key, _)| fits(key)) else {
        return Ok(default.cloned().unwrap_or_default());
    };
    let over = args.get("merge");
    if !over.is_truthy() {
        return Ok(found.clone());
    }
    let Value::Map(over) = over else {
        return Err(Error::Exception {
            kind: "salt.exceptions.SaltException",
            message: "filter_by merge argument must be a dictionary.".to_owned(),
        });
    };
    Ok(match found {
        Value::Null => over.clone().into(),
        Value::Map(found) => {
            let mut merged = found.clone();
            merge::recurse(&mut merged, over, args.flag("merge_lists"));
            merged.into()
        }
        other => other.clone(),
    })
}

fn search_by(ctx: &Context, args: &Args) -> Result {
    let (target, kind) = (target(ctx, args)?, args.text("tgt_type")?);
    let mut found = Vec::new();
    for (key, targets) in lookup(args)? {
        for one in targets.as_list().unwrap_or_default() {
            if target.matches(&kind, one, ":") {
                found.push(key.clone());
            }
        }
    }
    Ok(if found.is_empty() {
        Value::Null
    } else {
        Value::List(found)
    })
}
