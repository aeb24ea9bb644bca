//! `ssh_known_hosts`: hosts whose keys are known.

use salt_wire::{Map, Value, map};

use super::{Outcome, Run, State};
use crate::context::{Context, Error, python};
use crate::host::ssh::known::{Became, Entry, Known, Wanted};

/// The rows of `ssh_known_hosts`.
pub const STATES: &[State] = &[
    State {
        name: "ssh_known_hosts.present",
        signature: "name, user=None, fingerprint=None, key=None, port=None, enc=None, config=None, hash_known_hosts=True, timeout=5, fingerprint_hash_type=None",
        doc: "Ensure that a host is known, with this key or fingerprint.",
        run: present,
    },
    State {
        name: "ssh_known_hosts.absent",
        signature: "name, user=None, config=None",
        doc: "Ensure that a host is not known.",
        run: absent,
    },
];

type Done = Result<Outcome, Error>;

fn shown(entries: &[Entry]) -> Value {
    let one = |e: &Entry| {
        let mut map = map! { "hostname" => e.hostname.as_str(), "key" => e.key.as_str(), "enc" => e.enc.as_str() };
        if let Some(print) = &e.fingerprint {
            map.insert("fingerprint".into(), print.as_str().into());
        }
        if let Some(port) = e.port {
            map.insert("port".into(), i64::from(port).into());
        }
        Value::Map(map)
    };
    Value::List(entries.iter().map(one).collect())
}

/// Texts of a call that live as long as it.
struct Texts {
    name: String,
    user: Option<String>,
    config: String,
    hash_type: Option<String>,
}

impl Texts {
    /// Or the refusal: a machine's list needs an absolute path.
    fn of(run: &Run<'_>) -> Result<Result<Self, Outcome>, Error> {
        let text = |key: &str| -> Result<Option<String>, Error> {
            Ok(run.args.opt_text(key)?.filter(|t| !t.is_empty()))
        };
        let user = text("user")?;
        let usual = if user.is_some() {
            ".ssh/known_hosts"
        } else {
            "/etc/ssh/ssh_known_hosts"
        };
        let config = text("config")?.unwrap_or_else(|| usual.to_owned());
        if user.is_none() && !config.starts_with('/') {
            return Ok(Err(Outcome::failed(
                "If not specifying a \"user\", specify an absolute \"config\".",
            )));
        }
        Ok(Ok(Self {
            name: run.args.text("name")?,
            user,
            config,
            hash_type: text("fingerprint_hash_type")?,
        }))
    }

    fn known<'a>(&'a self, ctx: &'a Context) -> Known<'a> {
        Known {
            programs: ctx.programs(),
            user: self.user.as_deref(),
            config: Some(&self.config),
            hash_type: self.hash_type.as_deref(),
        }
    }
}

fn present(ctx: &Context, run: &Run<'_>) -> Done {
    let args = run.args;
    let texts = match Texts::of(run)? {
        Ok(texts) => texts,
        Err(refused) => return Ok(refused),
    };
    let (name, config) = (&texts.name, &texts.config);
    let given = |key: &str| -> Result<Option<String>, Error> {
        Ok(args.opt_text(key)?.filter(|t| !t.is_empty()))
    };
    let (key, fingerprint, enc) = (given("key")?, given("fingerprint")?, given("enc")?);
    let port = match args.get("port") {
        Value::Null => None,
        port => match python::text(port).parse() {
            Ok(port) => Some(port),
            Err(_) => {
                return Ok(Outcome::failed(format!(
                    "{} is no port",
                    python::text(port)
                )));
            }
        },
    };
    let known = texts.known(ctx);
    if run.test {
        if key.is_some() && fingerprint.is_some() {
            return Ok(Outcome::failed(
                "Specify either \"key\" or \"fingerprint\", not both.",
            ));
        }
        if key.is_some() && enc.is_none() {
            return Ok(Outcome::failed(
                "Required argument \"enc\" if using \"key\" argument.",
            ));
        }
        let entries = match known.entries(name, port).map_err(Error::Execution)? {
            Ok(entries) => entries,
            Err(error) => return Ok(Outcome::failed(error)),
        };
        let Some(entries) = entries else {
            return Ok(Outcome::would(
                Map::new(),
                format!("Key for {name} is set to be added to {config}"),
            ));
        };
        let fits = match (&key, &fingerprint) {
            (Some(key), _) => entries.iter().any(|e| e.key == *key),
            (None, Some(print)) => entries
                .iter()
                .any(|e| e.fingerprint.as_ref() == Some(print)),
            (None, None) => true,
        };
        return Ok(if fits {
            Outcome::unchanged(format!("Host {name} is already in {config}"))
        } else {
            Outcome::would(
                Map::new(),
                format!("Key for {name} is set to be updated in {config}"),
            )
        });
    }
    let wanted = Wanted {
        hostname: name,
        fingerprint: fingerprint.as_deref(),
        key: key.as_deref(),
        port,
        enc: enc.as_deref(),
        hash: args.flag("hash_known_hosts"),
        timeout: args
            .get("timeout")
            .as_int()
            .and_then(|t| i64::try_from(t).ok())
            .unwrap_or(5),
    };
    Ok(match known.set(&wanted).map_err(Error::Execution)? {
        Became::Exists(_) => Outcome::unchanged(format!("{name} already exists in {config}")),
        Became::Error(error) => Outcome::failed(error),
        Became::Updated(old, new) => {
            let first = new.first();
            let first_key = first.map_or("", |e| e.key.as_str());
            let comment = match (&key, &fingerprint, &enc) {
                (Some(_), _, _) => format!("{name}'s key saved to {config} (key: {first_key})"),
                (None, Some(_), _) => format!(
                    "{name}'s key saved to {config} (fingerprint: {})",
                    first
                        .and_then(|e| e.fingerprint.as_deref())
                        .unwrap_or_default()
                ),
                (None, None, Some(enc)) => {
                    format!("{name}'s {enc} key saved to {config} (key: {first_key})")
                }
                (None, None, None) => format!("{name}'s key(s) saved to {config}"),
            };
            let old = old.map_or(Value::Null, |o| shown(&o));
            Outcome::changed(map! { "old" => old, "new" => shown(&new) }, comment)
        }
    })
}

fn absent(ctx: &Context, run: &Run<'_>) -> Done {
    let texts = match Texts::of(run)? {
        Ok(texts) => texts,
        Err(refused) => return Ok(refused),
    };
    let (name, config) = (&texts.name, &texts.config);
    let known = texts.known(ctx);
    let entries = known.entries(name, None).map_err(Error::Execution)?;
    let Ok(Some(entries)) = entries else {
        return Ok(Outcome::unchanged("Host is already absent"));
    };
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!("Key for {name} is set to be removed from {config}"),
        ));
    }
    Ok(match known.remove(name, None).map_err(Error::Execution)? {
        Ok(said) => Outcome::changed(
            map! { "old" => shown(&entries), "new" => Value::Null },
            said,
        ),
        Err(error) => Outcome::failed(error),
    })
}
