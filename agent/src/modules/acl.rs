//! `acl`: access control lists of files, as `getfacl` shows and `setfacl` changes them.

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::env::which;

/// The rows of `acl`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "acl.delfacl",
        "acl_type, acl_name='', *args, **kwargs",
        |ctx, args| {
            let entry = format!(
                "{}:{}",
                prefix(&args.text("acl_type")?),
                args.text("acl_name")?
            );
            change(ctx, args, &["-x", &entry])
        },
        "Remove an entry from the lists of files.",
        "salt '*' acl.delfacl user myuser /tmp/house/kitchen"
    ),
    row!(
        "acl.getfacl",
        "*args, **kwargs",
        getfacl,
        "Return the lists of files, entry by entry.",
        "salt '*' acl.getfacl /tmp/house/kitchen /tmp/house/livingroom recursive=True"
    ),
    row!(
        "acl.modfacl",
        "acl_type, acl_name='', perms='', *args, **kwargs",
        |ctx, args| {
            let kind = prefix(&args.text("acl_type")?);
            let (name, perms) = (args.text("acl_name")?, args.text("perms")?);
            change(ctx, args, &["-m", &format!("{kind}:{name}:{perms}")])
        },
        "Add an entry to the lists of files, or change it.",
        "salt '*' acl.modfacl user myuser rwx /tmp/house/kitchen"
    ),
    row!(
        "acl.version",
        "",
        |ctx, _| {
            let said = run(ctx, &["getfacl", "--version"], false)?;
            let word = said.split_whitespace().nth(1).unwrap_or_default();
            Ok(word.into())
        },
        "Return the version of getfacl.",
        "salt '*' acl.version"
    ),
    row!(
        "acl.wipefacls",
        "*args, **kwargs",
        |ctx, args| change(ctx, args, &["-b"]),
        "Remove all entries from the lists of files.",
        "salt '*' acl.wipefacls /tmp/house/kitchen"
    ),
];

/// What a program says, complaints among it; with `must` its failure is the call's.
fn run(ctx: &Context, words: &[&str], must: bool) -> Result<String> {
    if which("getfacl").is_none() {
        return Err(Error::MissingCommand(
            "The linux_acl execution module cannot be loaded: the getfacl binary is not in the path."
                .to_owned(),
        ));
    }
    let told = ctx.run_all(words.to_vec(), map! { "redirect_stderr" => true })?;
    if must && !told.is_fine() {
        return Err(Error::execution(told.stdout()));
    }
    Ok(told.stdout())
}

fn files(args: &Args) -> Result<Vec<String>> {
    if args.rest.is_empty() {
        return Err(Error::execution(
            "You need to specify at least one file or directory to work with!",
        ));
    }
    Ok(args.rest.iter().map(python::text).collect())
}

/// A kind of entry as `setfacl` takes it.
fn prefix(kind: &str) -> String {
    let (mut own, mut kind) = (String::new(), kind.to_owned());
    if kind.starts_with('d') {
        own.push_str("d:");
        kind = kind.replace("default:", "").replace("d:", "");
    }
    own.push_str(match kind.as_str() {
        "user" | "u" => "u",
        "group" | "g" => "g",
        "mask" | "m" => "m",
        _ => "",
    });
    own
}

fn change(ctx: &Context, args: &Args, words: &[&str]) -> Result {
    let files = files(args)?;
    let mut argv = vec!["setfacl"];
    if args.flag("recursive") {
        argv.push("-R");
    }
    argv.extend(words);
    argv.extend(files.iter().map(String::as_str));
    run(ctx, &argv, args.flag("raise_err"))?;
    Ok(true.into())
}

fn getfacl(ctx: &Context, args: &Args) -> Result {
    let files = files(args)?;
    let mut argv = vec!["getfacl", "--absolute-names"];
    if args.flag("recursive") {
        argv.push("-R");
    }
    argv.extend(files.iter().map(String::as_str));
    let said = run(ctx, &argv, false)?;
    let (mut all, mut file) = (Map::new(), String::new());
    for line in said.lines() {
        if line.is_empty() || line.starts_with("getfacl") {
            continue;
        }
        if let Some(about) = line.strip_prefix('#') {
            let (key, value) = about.trim_start().split_once(": ").unwrap_or((about, ""));
            if key == "file" {
                value.clone_into(&mut file);
                let own = map! {
                    "comment" => Map::new(), "user" => Value::List(Vec::new()),
                    "group" => Value::List(Vec::new()),
                };
                all.insert(value.into(), own.into());
            }
            if let Some(Value::Map(own)) = all.get_mut(file.as_str()) {
                remark(own, key, value);
            }
        } else if let Some(Value::Map(own)) = all.get_mut(file.as_str()) {
            entry(own, line);
        }
    }
    Ok(all.into())
}

/// What is told about a file before its list.
fn remark(own: &mut Map, key: &str, value: &str) {
    if let Some(Value::Map(comment)) = own.get_mut("comment") {
        comment.insert(key.into(), value.into());
    }
    if key == "flags" {
        for ((letter, wanted), name) in value
            .chars()
            .zip("sst".chars())
            .zip(["suid", "sgid", "sticky"])
        {
            if letter == wanted {
                own.insert(name.into(), true.into());
            }
        }
    }
}

/// One entry: `default:user:name:rwx`. Nobody's is that of the file's owner or group.
fn entry(own: &mut Map, line: &str) {
    let (default, line) = match line.strip_prefix("default:") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let mut parts = line.split(':');
    let (kind, name) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let perms = line.rsplit(':').next().unwrap_or_default();
    let has = |letter: char| perms.contains(letter);
    let octal = i64::from(has('r')) * 4 + i64::from(has('w')) * 2 + i64::from(has('x'));
    let about: Map = map! {
        "permissions" => map! { "read" => has('r'), "write" => has('w'), "execute" => has('x') },
        "octal" => octal,
    };
    let owner = if kind == "user" { "owner" } else { "group" };
    let name = match (kind, name) {
        ("user" | "group", "") => {
            let comment = own.get("comment").and_then(|c| c.get(owner));
            comment.cloned().unwrap_or_default()
        }
        ("user" | "group", name) => name.into(),
        _ => "".into(),
    };
    let place = if default {
        let defaults = own
            .entry("defaults".into())
            .or_insert_with(|| Map::new().into());
        match defaults {
            Value::Map(defaults) => defaults,
            _ => return,
        }
    } else {
        own
    };
    let one: Value = Map::from_iter([(name, about.into())]).into();
    match place.get_mut(kind) {
        Some(Value::List(list)) if matches!(kind, "user" | "group") => list.push(one),
        _ => drop(place.insert(kind.into(), Value::List(vec![one]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_letters() {
        assert_eq!(prefix("default:group"), "d:g");
        assert_eq!(prefix("d:u"), "d:u");
        assert_eq!(prefix("mask"), "m");
        assert_eq!(prefix("other"), "");
    }
}
