//! `ssh_auth`: keys that may log in to an account.

use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Outcome, Run, State};
use crate::context::{Args, Context, Error, python};
use crate::host::ssh::auth::{self, Authorized, Became, Line, Standing};

/// The rows of `ssh_auth`.
pub const STATES: &[State] = &[
    State {
        name: "ssh_auth.present",
        signature: "name, user, enc='ssh-rsa', comment='', source='', options=None, config='.ssh/authorized_keys', fingerprint_hash_type=None, **kwargs",
        doc: "Ensure that a key, or each key of a file, may log in to an account.",
        run: present,
    },
    State {
        name: "ssh_auth.absent",
        signature: "name, user, enc='ssh-rsa', comment='', source='', options=None, config='.ssh/authorized_keys', fingerprint_hash_type=None",
        doc: "Ensure that a key, or each key of a file, may not log in to an account.",
        run: absent,
    },
    State {
        name: "ssh_auth.manage",
        signature: "name, ssh_keys, user, enc='ssh-rsa', comment='', source='', options=None, config='.ssh/authorized_keys', fingerprint_hash_type=None, **kwargs",
        doc: "Ensure that these keys may log in to an account, and no others.",
        run: manage,
    },
];

type Done = Result<Outcome, Error>;

/// One key as a state means it.
#[derive(Clone)]
struct Wanted {
    key: String,
    enc: String,
    comment: String,
    options: Vec<String>,
}

fn options(args: &Args) -> Vec<String> {
    match args.get("options") {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Str(one) if !one.is_empty() => one.split(',').map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The name of a state is a key alone, or a whole line with kind, comment and options.
fn wanted(args: &Args, name: &str) -> Result<Wanted, Error> {
    let mut wanted = Wanted {
        key: name.to_owned(),
        enc: args.text("enc")?,
        comment: args.text("comment")?,
        options: options(args),
    };
    if let Some(line) = Line::parse(name) {
        if !line.options.is_empty() {
            wanted.options = line.options.split(',').map(str::to_owned).collect();
        }
        wanted.enc = line.enc.to_owned();
        wanted.key = line.key.unwrap_or_default().to_owned();
        if !line.comment.is_empty() {
            // What stands behind the key, with the blanks between.
            let at = name
                .rfind(&wanted.key)
                .map_or(0, |at| at + wanted.key.len());
            wanted.comment = name[at..].trim().to_owned();
        }
    } else if let Some((key, comment)) = name.trim().split_once(char::is_whitespace) {
        wanted.key = key.to_owned();
        wanted.comment = comment.trim_start().to_owned();
    }
    Ok(wanted)
}

/// The keys that a call is about.
pub(crate) fn authorized(args: &Args) -> Result<Authorized, Error> {
    Ok(Authorized {
        user: args.text("user")?,
        config: args.text("config")?,
        hash_type: args.opt_text("fingerprint_hash_type")?,
    })
}

fn standing(place: &Authorized, wanted: &Wanted) -> Result<Standing, Error> {
    place
        .standing(&wanted.key, &wanted.enc, &wanted.comment, &wanted.options)
        .map_err(Error::Execution)
}

/// The keys of a file, in it; `None` when the file is not there.
fn keys_of(
    run: &Run<'_>,
    source: &str,
    hash_type: Option<&str>,
) -> Result<Option<Vec<Wanted>>, Error> {
    let env = run.chunk.get("__env__").map_or("base".into(), python::text);
    let path: Option<PathBuf> = run.files.cache_file(source, &env, None)?;
    let Some(path) = path.filter(|p| p.is_file()) else {
        return Ok(None);
    };
    let keys = auth::read(&path, hash_type).map_err(Error::Execution)?;
    let keys = keys.into_iter().map(|(key, line)| Wanted {
        key,
        enc: line.enc,
        comment: line.comment,
        options: line.options,
    });
    Ok(Some(keys.collect()))
}

fn no_keys(source: &str) -> String {
    format!("No keys detected in {source}. Is file properly formatted?")
}

fn present(_: &Context, run: &Run<'_>) -> Done {
    add(run, &run.args.text("name")?)
}

fn add(run: &Run<'_>, name: &str) -> Done {
    let args = run.args;
    let place = authorized(args)?;
    let source = args.text("source")?;
    let user = &place.user;
    if !source.is_empty() {
        return add_file(run, &place, name, &source);
    }
    let wanted = wanted(args, name)?;
    let key = &wanted.key;
    let there = format!("The authorized host key {key} is already present for user {user}");
    if run.test {
        return Ok(match standing(&place, &wanted)? {
            Standing::Exists => Outcome::unchanged(there),
            Standing::Update => Outcome::would(
                Map::new(),
                format!("Key {key} for user {user} is set to be updated"),
            ),
            Standing::Add => Outcome::would(
                Map::new(),
                format!("Key {key} for user {user} is set to be added"),
            ),
        });
    }
    let became = place
        .set(key, &wanted.enc, &wanted.comment, &wanted.options)
        .map_err(Error::Execution)?;
    Ok(told(became, key, user))
}

fn told(became: Became, key: &str, user: &str) -> Outcome {
    let changed = |word: &str, done: &str| {
        Outcome::changed(
            Map::from_iter([(key.into(), word.into())]),
            format!("The authorized host key {key} for user {user} was {done}"),
        )
    };
    match became {
        Became::New => changed("New", "added"),
        Became::Replaced => changed("Updated", "updated"),
        Became::Same => Outcome::unchanged(format!(
            "The authorized host key {key} is already present for user {user}"
        )),
        Became::Invalid | Became::NoKey => {
            Outcome::failed("Invalid public ssh key, most likely has spaces or invalid syntax")
        }
        Became::Failed => Outcome::failed(
            "Failed to add the ssh key. Is the home directory available, and/or does the key file exist?",
        ),
    }
}

fn add_file(run: &Run<'_>, place: &Authorized, name: &str, source: &str) -> Done {
    let Some(keys) = keys_of(run, source, place.hash_type.as_deref())? else {
        return Ok(if run.test {
            Outcome::unchanged(format!(
                "All host keys in file {source} are already present"
            ))
        } else {
            Outcome::failed(format!(
                "Failed to add the ssh key. Source file {source} is missing"
            ))
        });
    };
    if keys.is_empty() {
        return Ok(Outcome::failed(no_keys(source)));
    }
    if run.test {
        let mut comment = String::new();
        for wanted in &keys {
            let standing = standing(place, wanted)?;
            if standing != Standing::Exists {
                comment += &format!("Set to {}: {}\n", standing.word(), wanted.key);
            }
        }
        return Ok(if comment.is_empty() {
            Outcome::unchanged(format!(
                "All host keys in file {source} are already present"
            ))
        } else {
            Outcome::would(Map::new(), comment)
        });
    }
    // The worst of all: a failure, a replacement, an addition.
    let rank = |became: Became| match became {
        Became::Failed => 3,
        Became::Replaced => 2,
        Became::New => 1,
        Became::Same | Became::Invalid | Became::NoKey => 0,
    };
    let given = options(run.args);
    let mut all = Became::Same;
    for wanted in &keys {
        let options = if given.is_empty() {
            &wanted.options
        } else {
            &given
        };
        let became = place
            .set(&wanted.key, &wanted.enc, &wanted.comment, options)
            .map_err(Error::Execution)?;
        if rank(became) > rank(all) {
            all = became;
        }
    }
    Ok(told(all, name, &place.user))
}

fn absent(_: &Context, run: &Run<'_>) -> Done {
    take(run, &run.args.text("name")?)
}

fn take(run: &Run<'_>, name: &str) -> Done {
    let args = run.args;
    let place = authorized(args)?;
    let source = args.text("source")?;
    let user = &place.user;
    let gone = |comment: String, name: &str| match comment.as_str() {
        "User authorized keys file not present" => Outcome::failed(comment),
        "Key removed" => {
            Outcome::changed(Map::from_iter([(name.into(), "Removed".into())]), comment)
        }
        _ => Outcome::unchanged(comment),
    };
    if !source.is_empty() {
        let Some(keys) = keys_of(run, &source, place.hash_type.as_deref())? else {
            return Ok(Outcome::unchanged(if run.test {
                format!("All host keys in file {source} are already absent")
            } else {
                String::new()
            }));
        };
        if keys.is_empty() {
            return Ok(Outcome::failed(no_keys(&source)));
        }
        let mut words = String::new();
        for wanted in &keys {
            if !run.test {
                let said = place.remove(&wanted.key);
                words += &said.map_err(Error::Execution)?;
            } else if standing(&place, wanted)? != Standing::Add {
                words += &format!("Set to remove: {}\n", wanted.key);
            }
        }
        if run.test {
            return Ok(if words.is_empty() {
                Outcome::unchanged(format!("All host keys in file {source} are already absent"))
            } else {
                Outcome::would(Map::new(), words)
            });
        }
        let all = ["Key not removed", "Key removed"]
            .into_iter()
            .find(|w| words.contains(w));
        return Ok(gone(all.unwrap_or("Key not present").to_owned(), name));
    }
    let wanted = wanted(args, name)?;
    if run.test {
        return Ok(match standing(&place, &wanted)? {
            Standing::Add => Outcome::unchanged("Key is already absent"),
            _ => Outcome::would(
                Map::new(),
                format!("Key {} for user {user} is set for removal", wanted.key),
            ),
        });
    }
    let said = place.remove(&wanted.key);
    Ok(gone(said.map_err(Error::Execution)?, &wanted.key))
}

fn manage(_: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let keys: Vec<String> = match args.get("ssh_keys") {
        Value::List(list) => list.iter().map(python::text).collect(),
        one => vec![python::text(one)],
    };
    let words: Vec<&str> = keys.iter().flat_map(|k| k.split(' ')).collect();
    let place = authorized(args)?;
    let now = place.keys().map_err(Error::Execution)?;
    let mut out = Outcome::unchanged("");
    out.extra.insert("name".into(), "".into());
    for key in now.keys().filter(|k| !words.contains(&k.as_str())) {
        if run.test {
            out.comment = format!("{key} Key set for removal");
            out.result = None;
        } else {
            let removed = take(run, key)?;
            out.changes
                .insert(key.as_str().into(), removed.comment.into());
        }
    }
    for key in &keys {
        let added = add(run, key)?;
        if added.changes.is_empty() {
            out.comment = format!("{}\n{}", out.comment, added.comment)
                .trim()
                .to_owned();
        }
        out.changes.extend(added.changes);
        match added.result {
            None => out.result = None,
            Some(false) => out.result = Some(false),
            Some(true) => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn a_name_is_a_key_or_a_line() {
        let args = Args {
            named: map! { "enc" => "ssh-rsa", "comment" => "own", "options" => vec!["no-pty".to_owned()] },
            ..Args::default()
        };
        let read = |name: &str| {
            let w = wanted(&args, name).unwrap();
            (w.key, w.enc, w.comment, w.options.join("+"))
        };
        let expect = |key: &str, enc: &str, comment: &str, options: &str| {
            (
                key.to_owned(),
                enc.to_owned(),
                comment.to_owned(),
                options.to_owned(),
            )
        };
        assert_eq!(read("AAAA"), expect("AAAA", "ssh-rsa", "own", "no-pty"));
        assert_eq!(
            read("AAAA me and you"),
            expect("AAAA", "ssh-rsa", "me and you", "no-pty")
        );
        assert_eq!(
            read("a=b,c ssh-ed25519 BBBB at  home"),
            expect("BBBB", "ssh-ed25519", "at  home", "a=b+c")
        );
    }
}
