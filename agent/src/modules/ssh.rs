//! `ssh`: keys that may log in, keys of known hosts, and the machine's own.

use std::fs;
use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::fileclient::FileClient;
use crate::host::ssh::auth::{self, Authorized, Keys, Standing};
use crate::host::ssh::known::{Became, Entry, Known, Wanted};
use crate::host::user;
use crate::states::ssh_auth::authorized;

/// The rows of `ssh`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "ssh.auth_keys",
        "user=None, config='.ssh/authorized_keys', fingerprint_hash_type=None",
        auth_keys,
        "Return the keys that may log in to an account, or to all of several.",
        "salt '*' ssh.auth_keys root"
    ),
    row!(
        "ssh.check_key",
        "user, key, enc, comment, options, config='.ssh/authorized_keys', cache_keys=None, fingerprint_hash_type=None",
        |_, args| word(authorized(args)?.standing(
            &args.text("key")?,
            &args.text("enc")?,
            &args.text("comment")?,
            &options(args)
        )),
        "Whether a key has to be added or updated, or exists.",
        "salt '*' ssh.check_key <user> <key> <enc> <comment> <options>"
    ),
    row!(
        "ssh.check_key_file",
        "user, source, config='.ssh/authorized_keys', saltenv='base', fingerprint_hash_type=None",
        check_key_file,
        "Whether each key of a file has to be added or updated, or exists.",
        "salt '*' ssh.check_key_file root salt://ssh/keyfile"
    ),
    row!(
        "ssh.check_known_host",
        "user=None, hostname=None, key=None, fingerprint=None, config=None, port=None, fingerprint_hash_type=None",
        check_known_host,
        "Whether a host has to be added to the known ones or updated, or exists.",
        "salt '*' ssh.check_known_host <user> <hostname> key='AAAA...FAaQ=='"
    ),
    row!(
        "ssh.get_known_host_entries",
        "user, hostname, config=None, port=None, fingerprint_hash_type=None",
        get_known,
        "Return the known keys of a host.",
        "salt '*' ssh.get_known_host_entries <user> <hostname>"
    ),
    row!(
        "ssh.hash_known_hosts",
        "user=None, config=None",
        hash_known_hosts,
        "Hash all names in a list of known hosts.",
        "salt '*' ssh.hash_known_hosts"
    ),
    row!(
        "ssh.host_keys",
        "keydir=None, private=True, certs=True",
        host_keys,
        "Return the keys of this machine.",
        "salt '*' ssh.host_keys private=False"
    ),
    row!(
        "ssh.recv_known_host_entries",
        "hostname, enc=None, port=None, hash_known_hosts=True, timeout=5, fingerprint_hash_type=None",
        recv_known,
        "Return the keys that a host shows.",
        "salt '*' ssh.recv_known_host_entries <hostname> enc=<enc> port=<port>"
    ),
    row!(
        "ssh.rm_auth_key",
        "user, key, config='.ssh/authorized_keys', fingerprint_hash_type=None",
        |_, args| {
            let said = authorized(args)?.remove(&args.text("key")?);
            Ok(said.map_err(Error::Execution)?.into())
        },
        "Remove a key from those that may log in.",
        "salt '*' ssh.rm_auth_key <user> <key>"
    ),
    row!(
        "ssh.rm_known_host",
        "user=None, hostname=None, config=None, port=None",
        rm_known_host,
        "Remove a host from the known ones.",
        "salt '*' ssh.rm_known_host <user> <hostname>"
    ),
    row!(
        "ssh.set_auth_key",
        "user, key, enc='ssh-rsa', comment='', options=None, config='.ssh/authorized_keys', cache_keys=None, fingerprint_hash_type=None",
        |_, args| {
            let became = authorized(args)?.set(
                &args.text("key")?,
                &args.text("enc")?,
                &args.text("comment")?,
                &options(args),
            );
            Ok(became.map_err(Error::Execution)?.word().into())
        },
        "Let a key log in to an account.",
        "salt '*' ssh.set_auth_key <user> '<key>' enc='dsa'"
    ),
    row!(
        "ssh.set_known_host",
        "user=None, hostname=None, fingerprint=None, key=None, port=None, enc=None, config=None, hash_known_hosts=True, timeout=5, fingerprint_hash_type=None",
        set_known_host,
        "Make a host known, with its own key or this one.",
        "salt '*' ssh.set_known_host <user> fingerprint='xx:xx:..:xx' enc='ssh-rsa'"
    ),
    row!(
        "ssh.user_keys",
        "user=None, pubfile=None, prvfile=None",
        user_keys,
        "Return the keys that accounts have for themselves.",
        "salt '*' ssh.user_keys user1"
    ),
];

fn word(standing: std::result::Result<Standing, String>) -> Result {
    Ok(standing.map_err(Error::Execution)?.word().into())
}

fn options(args: &Args) -> Vec<String> {
    match args.get("options") {
        Value::List(list) => list.iter().map(python::text).collect(),
        _ => Vec::new(),
    }
}

fn shown(keys: Keys) -> Value {
    let one = |(key, line): (String, auth::Key)| {
        let line = map! {
            "enc" => line.enc, "comment" => line.comment, "options" => line.options,
            "fingerprint" => line.fingerprint,
        };
        (key.into(), Value::Map(line))
    };
    Value::Map(keys.into_iter().map(one).collect())
}

/// The accounts that are meant: one, several, or all.
fn users(args: &Args) -> Vec<String> {
    match args.get("user") {
        Value::List(list) => list.iter().map(python::text).collect(),
        one if one.is_truthy() => vec![python::text(one)],
        _ => user::all_accounts().into_iter().map(|a| a.name).collect(),
    }
}

fn auth_keys(_: &Context, args: &Args) -> Result {
    let (config, hash_type) = (
        args.text("config")?,
        args.opt_text("fingerprint_hash_type")?,
    );
    let of = |user: &str| {
        let place = Authorized {
            user: user.to_owned(),
            config: config.clone(),
            hash_type: hash_type.clone(),
        };
        let there = place.path().is_ok_and(|p| p.is_file());
        let keys = place.keys().map_err(Error::Execution)?;
        Ok::<_, Error>(there.then(|| shown(keys)))
    };
    let users = users(args);
    if let (Value::Str(_), [one]) = (args.get("user"), users.as_slice()) {
        return Ok(of(one)?.unwrap_or_else(|| Value::Map(Map::new())));
    }
    let mut all = Map::new();
    for user in users {
        if let Some(keys) = of(&user)? {
            all.insert(user.into(), keys);
        }
    }
    Ok(all.into())
}

fn check_key_file(ctx: &Context, args: &Args) -> Result {
    let place = authorized(args)?;
    let files = FileClient::new(ctx);
    let path: Option<PathBuf> =
        files.cache_file(&args.text("source")?, &args.text("saltenv")?, None)?;
    let mut all = Map::new();
    if let Some(path) = path {
        let keys = auth::read(&path, place.hash_type.as_deref()).map_err(Error::Execution)?;
        for (key, line) in keys {
            let standing = word(place.standing(&key, &line.enc, &line.comment, &line.options))?;
            all.insert(key.into(), standing);
        }
    }
    Ok(all.into())
}

/// Texts of a call about known hosts.
struct Texts {
    user: Option<String>,
    config: Option<String>,
    hash_type: Option<String>,
}

impl Texts {
    fn of(args: &Args) -> Result<Self> {
        let text = |key: &str| -> Result<Option<String>> {
            Ok(args.opt_text(key)?.filter(|t| !t.is_empty()))
        };
        Ok(Self {
            user: text("user")?,
            config: text("config")?,
            hash_type: text("fingerprint_hash_type")?,
        })
    }

    fn known<'a>(&'a self, ctx: &'a Context) -> Known<'a> {
        Known {
            programs: ctx.programs(),
            user: self.user.as_deref(),
            config: self.config.as_deref(),
            hash_type: self.hash_type.as_deref(),
        }
    }
}

fn port(args: &Args) -> Result<Option<u16>> {
    match args.get("port") {
        Value::Null => Ok(None),
        port => python::text(port)
            .parse()
            .map(Some)
            .map_err(|_| Error::invocation(format!("{} is no port", python::text(port)))),
    }
}

fn entries(entries: &[Entry]) -> Value {
    let one = |e: &Entry| {
        let mut map = map! { "hostname" => e.hostname.as_str(), "key" => e.key.as_str(), "enc" => e.enc.as_str() };
        if let Some(print) = &e.fingerprint {
            map.insert("fingerprint".into(), print.as_str().into());
        }
        Value::Map(map)
    };
    Value::List(entries.iter().map(one).collect())
}

fn error(text: String) -> Value {
    Value::Map(map! { "status" => "error", "error" => text })
}

fn get_known(ctx: &Context, args: &Args) -> Result {
    let texts = Texts::of(args)?;
    let found = texts
        .known(ctx)
        .entries(&args.text("hostname")?, port(args)?);
    Ok(match found.map_err(Error::Execution)? {
        Ok(found) => found.map_or(Value::Null, |f| entries(&f)),
        Err(text) => error(text),
    })
}

fn recv_known(ctx: &Context, args: &Args) -> Result {
    let texts = Texts::of(args)?;
    let (hostname, enc) = (args.text("hostname")?, args.opt_text("enc")?);
    let wanted = Wanted {
        hostname: &hostname,
        enc: enc.as_deref(),
        port: port(args)?,
        hash: args.flag("hash_known_hosts"),
        timeout: args.text("timeout")?.parse().unwrap_or(5),
        ..Wanted::default()
    };
    let found = texts
        .known(ctx)
        .receive(&wanted)
        .map_err(Error::Execution)?;
    Ok(found.map_or(Value::Null, |f| entries(&f)))
}

fn check_known_host(ctx: &Context, args: &Args) -> Result {
    let texts = Texts::of(args)?;
    let Some(hostname) = args.opt_text("hostname")?.filter(|h| !h.is_empty()) else {
        return Ok(error("hostname argument required".to_owned()));
    };
    let found = texts.known(ctx).entries(&hostname, port(args)?);
    let found = match found.map_err(Error::Execution)? {
        Ok(found) => found,
        Err(text) => return Ok(error(text)),
    };
    let Some(found) = found else {
        return Ok(Standing::Add.word().into());
    };
    let (key, print) = (args.opt_text("key")?, args.opt_text("fingerprint")?);
    let fits = match (
        key.filter(|k| !k.is_empty()),
        print.filter(|p| !p.is_empty()),
    ) {
        (Some(key), _) => found.iter().any(|e| e.key == key),
        (None, Some(print)) => found.iter().any(|e| e.fingerprint.as_ref() == Some(&print)),
        (None, None) => true,
    };
    let standing = if fits {
        Standing::Exists
    } else {
        Standing::Update
    };
    Ok(standing.word().into())
}

fn set_known_host(ctx: &Context, args: &Args) -> Result {
    let texts = Texts::of(args)?;
    let text =
        |key: &str| -> Result<Option<String>> { Ok(args.opt_text(key)?.filter(|t| !t.is_empty())) };
    let (hostname, enc) = (text("hostname")?, text("enc")?);
    let (key, fingerprint) = (text("key")?, text("fingerprint")?);
    let wanted = Wanted {
        hostname: hostname.as_deref().unwrap_or_default(),
        fingerprint: fingerprint.as_deref(),
        key: key.as_deref(),
        port: port(args)?,
        enc: enc.as_deref(),
        hash: args.flag("hash_known_hosts"),
        timeout: args.text("timeout")?.parse().unwrap_or(5),
    };
    let became = texts.known(ctx).set(&wanted).map_err(Error::Execution)?;
    Ok(match became {
        Became::Exists(keys) => Value::Map(map! { "status" => "exists", "keys" => keys }),
        Became::Error(text) => error(text),
        Became::Updated(old, new) => Value::Map(map! {
            "status" => "updated", "old" => old.map_or(Value::Null, |o| entries(&o)),
            "new" => entries(&new),
        }),
    })
}

fn rm_known_host(ctx: &Context, args: &Args) -> Result {
    let texts = Texts::of(args)?;
    let Some(hostname) = args.opt_text("hostname")?.filter(|h| !h.is_empty()) else {
        return Ok(error("hostname argument required".to_owned()));
    };
    let removed = texts.known(ctx).remove(&hostname, port(args)?);
    Ok(match removed.map_err(Error::Execution)? {
        Ok(said) => Value::Map(map! { "status" => "removed", "comment" => said }),
        Err(text) => error(text),
    })
}

fn hash_known_hosts(ctx: &Context, args: &Args) -> Result {
    let texts = Texts::of(args)?;
    let known = texts.known(ctx);
    let path = match known.path() {
        Ok(path) if path.is_file() => path,
        Ok(path) => {
            return Ok(error(format!(
                "Known hosts file {} does not exist",
                path.display()
            )));
        }
        Err(text) => return Ok(error(text)),
    };
    let said = known.hash(&path).map_err(Error::Execution)?;
    Ok(Value::Map(
        map! { "status" => "updated", "comment" => said },
    ))
}

fn host_keys(_: &Context, args: &Args) -> Result {
    let dir = args.opt_text("keydir")?.filter(|d| !d.is_empty());
    let dir = PathBuf::from(dir.unwrap_or_else(|| "/etc/ssh".to_owned()));
    let listed =
        fs::read_dir(&dir).map_err(|e| Error::execution(format!("{}: {e}", dir.display())))?;
    let mut names: Vec<String> = listed
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut keys = Map::new();
    for name in names {
        let Some((kind, end)) = name
            .strip_prefix("ssh_host_")
            .and_then(|n| n.rsplit_once("_key"))
        else {
            continue;
        };
        let wanted = match end {
            ".pub" => true,
            "-cert.pub" => args.flag("certs"),
            "" => args.flag("private"),
            _ => false,
        };
        if wanted {
            let text = fs::read(dir.join(&name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            keys.insert(format!("{kind}{end}").into(), text.into());
        }
    }
    Ok(keys.into())
}

fn user_keys(_: &Context, args: &Args) -> Result {
    let wanted = |key: &str, usual: &[&str]| -> Vec<String> {
        match args.get(key) {
            Value::Bool(false) => Vec::new(),
            given if given.is_truthy() => vec![python::text(given)],
            _ => usual.iter().map(|n| (*n).to_owned()).collect(),
        }
    };
    let mut names = wanted(
        "pubfile",
        &["id_rsa.pub", "id_dsa.pub", "id_ecdsa.pub", "id_ed25519.pub"],
    );
    names.extend(wanted(
        "prvfile",
        &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"],
    ));
    let mut all = Map::new();
    for user in users(args) {
        let Some(account) = user::account(&user) else {
            continue;
        };
        let mut keys = Map::new();
        for name in &names {
            let path = Path::new(&account.home).join(".ssh").join(name);
            if let Ok(text) = fs::read_to_string(&path) {
                let short = name.rsplit('/').next().unwrap_or(name);
                keys.insert(short.into(), text.trim().into());
            }
        }
        if !keys.is_empty() {
            all.insert(user.into(), keys.into());
        }
    }
    Ok(all.into())
}
