//! `acl`: entries in the access control lists of files.

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::signature::kind;
use crate::context::{Context, Error, python};

/// The rows of `acl`.
pub const STATES: &[State] = &[
    State {
        name: "acl.absent",
        signature: "name, acl_type, acl_name='', perms='', recurse=False",
        doc: "Ensure that a list has no such entry.",
        run: absent,
    },
    State {
        name: "acl.list_absent",
        signature: "name, acl_type, acl_names=None, recurse=False",
        doc: "Ensure that a list has none of these entries.",
        run: list_absent,
    },
    State {
        name: "acl.list_present",
        signature: "name, acl_type, acl_names=None, perms='', recurse=False, force=False",
        doc: "Ensure that a list has these entries.",
        run: list_present,
    },
    State {
        name: "acl.present",
        signature: "name, acl_type, acl_name='', perms='', recurse=False, force=False",
        doc: "Ensure that a list has this entry.",
        run: present,
    },
];

type Done = Result<Outcome, Error>;

const NO_TYPE: &str = "ACL Type does not exist";
const FINE: &str = "Permissions are in the desired state";

/// The lists that a state looks at.
struct Lists {
    name: String,
    /// As it was given: `default:user`.
    acl_type: String,
    /// Without `default`.
    own: String,
    default: bool,
    all: Map,
}

impl Lists {
    /// Nothing for a file that is not there.
    fn of(ctx: &Context, run: &Run<'_>, recurse: bool) -> Result<Option<Self>, Error> {
        let (name, acl_type) = (run.args.text("name")?, run.args.text("acl_type")?);
        if !Path::new(&name).exists() {
            return Ok(None);
        }
        let kwargs = map! { "recursive" => recurse };
        let all = ctx.call("acl.getfacl", &[name.as_str().into()], &kwargs)?;
        let default = acl_type.starts_with("d:") || acl_type.starts_with("default:");
        let own = match acl_type.split_once(':') {
            Some((_, own)) if default => own.to_owned(),
            _ => acl_type.clone(),
        };
        Ok(Some(Self {
            name,
            acl_type,
            own,
            default,
            all: all.as_map().cloned().unwrap_or_default(),
        }))
    }

    fn missing(run: &Run<'_>) -> Done {
        Ok(Outcome::failed(format!(
            "{} does not exist",
            run.args.text("name")?
        )))
    }

    /// The entries of the state's kind that a file has.
    fn entries(&self, file: &str) -> Option<&[Value]> {
        let own = self.all.get(file)?;
        let own = if self.default {
            own.get("defaults")?
        } else {
            own
        };
        own.get(self.own.as_str())?.as_list()
    }

    fn entry(&self, file: &str, name: &str) -> Option<i128> {
        let entries = self.entries(file).unwrap_or_default();
        let own = entries.iter().rev().find_map(|e| e.get(name))?;
        own.get("octal").and_then(Value::as_int)
    }

    /// Whether the file can have entries of this kind at all.
    fn has_type(&self) -> bool {
        self.default || self.entries(&self.name).is_some_and(|e| !e.is_empty())
    }

    /// The name under which nobody's entry is listed: that of the file's group, for groups.
    fn listed(&self, name: &str) -> String {
        if !name.is_empty() {
            return name.to_owned();
        }
        let comment = self
            .all
            .get(self.name.as_str())
            .and_then(|f| f.get("comment"));
        let own = comment.and_then(|c| c.get(self.own.as_str()));
        own.map(python::text).unwrap_or_default()
    }

    fn about(&self, name: &str, perms: &Value) -> Value {
        map! { "acl_name" => name, "acl_type" => self.acl_type.as_str(), "perms" => perms.clone() }
            .into()
    }

    /// Gives entries their permissions; the words of a failure.
    fn give(
        &self,
        ctx: &Context,
        run: &Run<'_>,
        names: &[String],
    ) -> Result<Option<String>, Error> {
        let kwargs = map! { "recursive" => run.args.get("recurse").clone(), "raise_err" => true };
        let file = Value::from(self.name.as_str());
        let call = |function: &str, words: &[Value]| match ctx.call(function, words, &kwargs) {
            Ok(_) => Ok(None),
            Err(Error::Execution(text)) => Ok(Some(text)),
            Err(other) => Err(other),
        };
        if run.args.flag("force")
            && let Some(text) = call("acl.wipefacls", std::slice::from_ref(&file))?
        {
            return Ok(Some(text));
        }
        for name in names {
            let perms = run.args.get("perms").clone();
            let words = [
                self.acl_type.as_str().into(),
                name.as_str().into(),
                perms,
                file.clone(),
            ];
            if let Some(text) = call("acl.modfacl", &words)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}

/// Permissions as a number. A sign that is none of theirs is Python's error.
fn octal(perms: &Value, known: &str) -> Result<i128, Error> {
    let Value::Str(text) = perms else {
        return Err(Error::Arguments(format!(
            "'{}' object is not iterable",
            kind(perms)
        )));
    };
    let bit = |letter: char| match letter {
        'r' => Ok(4),
        'w' => Ok(2),
        'x' | 'X' if known.contains(letter) => Ok(1),
        '-' => Ok(0),
        _ => Err(Error::Arguments(
            "unsupported operand type(s) for +: 'int' and 'str'".to_owned(),
        )),
    };
    text.chars().map(bit).sum()
}

fn letters(octal: i128) -> String {
    let letter = |bit: i128, letter: &'static str| if octal & bit == 0 { "-" } else { letter };
    [letter(4, "r"), letter(2, "w"), letter(1, "x")].concat()
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let recurse = args.flag("recurse");
    let Some(lists) = Lists::of(ctx, run, recurse)? else {
        return Lists::missing(run);
    };
    if !lists.has_type() {
        return Ok(Outcome::failed(NO_TYPE));
    }
    let (name, perms) = (args.text("acl_name")?, args.get("perms"));
    let shown = python::text(perms);
    let listed = lists.listed(&name);
    let new = lists.about(&name, perms);
    let now = lists.entry(&lists.name, &listed);
    let (changes, would, done) = if let Some(now) = now {
        let wanted = octal(perms, "rwxX-")?;
        let fine = if recurse {
            let loose = shown.ends_with('X');
            let fits = |at: i128| at == wanted || loose && at % 2 == 0 && at == wanted - 1;
            let mut files = lists.all.keys().map(python::text);
            // Only directories hand entries down.
            files.all(|file| {
                lists.default && !Path::new(&file).is_dir()
                    || lists.entry(&file, &listed).is_some_and(fits)
            })
        } else {
            now == wanted
        };
        if fine {
            return Ok(Outcome::unchanged(FINE));
        }
        let old = letters(now);
        (
            map! { "new" => new, "old" => lists.about(&name, &old.as_str().into()) },
            format!("Updated permissions will be applied for {name}: {old} -> {shown}"),
            format!("Updated permissions for {name}"),
        )
    } else {
        (
            map! { "new" => new },
            format!("New permissions will be applied for {name}: {shown}"),
            format!("Applied new permissions for {name}"),
        )
    };
    if run.test {
        return Ok(Outcome::would(changes, would));
    }
    Ok(match lists.give(ctx, run, std::slice::from_ref(&name))? {
        None => Outcome::changed(changes, done),
        Some(text) => Outcome::failed(format!("Error updating permissions for {name}: {text}")),
    })
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let Some(lists) = Lists::of(ctx, run, args.flag("recurse"))? else {
        return Lists::missing(run);
    };
    if !lists.has_type() {
        return Ok(Outcome::failed(NO_TYPE));
    }
    let name = args.text("acl_name")?;
    let listed = lists.listed(&name);
    // Of the files below it is their own lists that count, also for what they hand down.
    let named = |file: &Value| {
        let entries = file.get(lists.own.as_str()).and_then(Value::as_list);
        entries.is_some_and(|e| e.iter().any(|entry| entry.get(listed.as_str()).is_some()))
    };
    if lists.entry(&lists.name, &listed).is_none() && !lists.all.values().any(named) {
        return Ok(Outcome::unchanged(FINE));
    }
    remove(ctx, run, &lists, &[name])
}

/// Takes entries away. Salt tells of no changes.
fn remove(ctx: &Context, run: &Run<'_>, lists: &Lists, names: &[String]) -> Done {
    const COMMENT: &str = "Removing permissions";
    if run.test {
        return Ok(Outcome::would(Map::new(), COMMENT));
    }
    let kwargs = map! { "recursive" => run.args.get("recurse").clone() };
    for name in names {
        let words = [
            lists.acl_type.as_str().into(),
            name.as_str().into(),
            lists.name.as_str().into(),
        ];
        ctx.call("acl.delfacl", &words, &kwargs)?;
    }
    Ok(Outcome::unchanged(COMMENT))
}

/// Names as a list; one alone is one.
fn names(run: &Run<'_>) -> Vec<String> {
    match run.args.get("acl_names") {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        one => vec![python::text(one)],
    }
}

fn list_present(ctx: &Context, run: &Run<'_>) -> Done {
    let perms = run.args.get("perms");
    let wanted = octal(perms, "rwx-")?;
    let Some(lists) = Lists::of(ctx, run, false)? else {
        return Lists::missing(run);
    };
    if !lists.default && lists.entries(&lists.name).is_none() {
        return Err(Error::key(lists.acl_type.as_str()));
    }
    if !lists.has_type() {
        return Ok(Outcome::failed(NO_TYPE));
    }
    let names = names(run);
    let (joined, shown) = (names.join(", "), python::text(run.args.get("acl_names")));
    let shown_perms = python::text(perms);
    let has: Vec<Option<i128>> = names.iter().map(|n| lists.entry(&lists.name, n)).collect();
    let added = map! { "new" => lists.about(&joined, perms) };
    let new = || {
        let would = format!("New permissions will be applied for {shown}: {shown_perms}");
        let done = format!("Applied new permissions for {joined}");
        (added.clone(), would, done)
    };
    let mut out = Outcome::unchanged("");
    if has.iter().all(Option::is_none) {
        return settle(ctx, run, &lists, &names, out, new());
    }
    // Salt goes through the names, and gives all of them theirs whenever one has not got it.
    for now in has {
        let step = match now {
            Some(now) if now == wanted => {
                FINE.clone_into(&mut out.comment);
                continue;
            }
            Some(now) => {
                let old = lists.about(&joined, &now.to_string().into());
                let would = format!(
                    "Updated permissions will be applied for {shown}: {now} -> {shown_perms}"
                );
                let changes =
                    map! { "new" => lists.about(&joined, &Value::Int(wanted)), "old" => old };
                (changes, would, format!("Updated permissions for {shown}"))
            }
            None => new(),
        };
        out = settle(ctx, run, &lists, &names, out, step)?;
        if run.test {
            return Ok(out);
        }
    }
    Ok(out)
}

/// Says what would change, or gives all names their permissions.
fn settle(
    ctx: &Context,
    run: &Run<'_>,
    lists: &Lists,
    names: &[String],
    before: Outcome,
    (changes, would, done): (Map, String, String),
) -> Done {
    if run.test {
        return Ok(Outcome::would(changes, would));
    }
    Ok(match lists.give(ctx, run, names)? {
        None => Outcome::changed(changes, done),
        Some(text) => Outcome {
            changes: before.changes,
            ..Outcome::failed(format!(
                "Error updating permissions for {}: {text}",
                python::text(run.args.get("acl_names"))
            ))
        },
    })
}

fn list_absent(ctx: &Context, run: &Run<'_>) -> Done {
    let Some(lists) = Lists::of(ctx, run, false)? else {
        return Lists::missing(run);
    };
    if !lists.has_type() {
        return Ok(Outcome::failed(NO_TYPE));
    }
    let names = names(run);
    if names.iter().all(|n| lists.entry(&lists.name, n).is_none()) {
        return Ok(Outcome::unchanged(FINE));
    }
    remove(ctx, run, &lists, &names)
}
