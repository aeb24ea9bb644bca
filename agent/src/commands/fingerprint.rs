//! `salt-agent fingerprint`: our key, and the masters' keys that we believe.

use salt_wire::crypto::{HashType, PublicKey};
use salt_wire::{Map, Value, map};

use super::{Code, Destination, load, print, source, start_logging};
use crate::cli::{FingerprintArgs, Format, Global};
use crate::config::Settings;
use crate::identity::Cache;
use crate::keys::{Masters, Store};

pub(super) fn run(global: &Global, args: &FingerprintArgs) -> anyhow::Result<Code> {
    let loaded = load(&source(global), Cache::Read)?;
    start_logging(&loaded, Destination::Console);
    let settings = &loaded.settings;
    let hash = args.hash.unwrap_or(settings.crypto.hash_type);
    let store = Store::of(settings);
    let own = if args.generate {
        Some(store.load_or_make()?.public().clone())
    } else {
        store.load()?.map(|key| key.public().clone())
    };
    let masters = masters(settings)?;
    match args.output {
        Format::Json => {
            let rows = masters.iter().map(|(name, file, key)| {
                let mut row = map! { "master" => name.as_str(), "file" => file.as_str() };
                row.extend(json(key, hash));
                Value::Map(row)
            });
            let minion = own.as_ref().map(|key| Value::Map(json(key, hash)));
            print::json(&Value::Map(map! {
                "id" => settings.id.as_str(),
                "minion" => minion,
                "masters" => Value::List(rows.collect()),
            }))?;
        }
        Format::Text => {
            let width = masters.iter().map(|(n, ..)| n.len()).max().unwrap_or(0);
            let width = width.max(settings.id.len());
            let file = store.private_file();
            match &own {
                Some(key) => print::line(&line(&settings.id, width, key, hash))?,
                None => print::error(&format!(
                    "no key yet: {} (made at the first start, or with --generate)",
                    file.display()
                )),
            }
            for (name, _, key) in &masters {
                print::line(&line(name, width, key, hash))?;
            }
        }
    }
    Ok(if own.is_some() {
        Code::OK
    } else {
        Code::FAILED
    })
}

/// Each master with the file of the key believed for it.
fn masters(settings: &Settings) -> anyhow::Result<Vec<(String, String, PublicKey)>> {
    let known = Masters::of(settings);
    let mut rows = Vec::new();
    for address in &settings.master.addresses {
        if let Some(key) = known.stored(address)? {
            let own = known.own_file(address);
            let file = if own.exists() {
                own
            } else {
                known.common_file()
            };
            rows.push((address.to_string(), file.display().to_string(), key));
        }
    }
    Ok(rows)
}

fn line(name: &str, width: usize, key: &PublicKey, hash: HashType) -> String {
    format!(
        "{name:width$}  {}  {} bits",
        key.fingerprint(hash),
        key.bits()
    )
}

/// Both forms: 3008's `salt-key` prints another one than everything else.
fn json(key: &PublicKey, hash: HashType) -> Map {
    map! {
        "fingerprint" => key.fingerprint(hash).to_string(),
        "fingerprint_salt_key_3008" => key.fingerprint_with_armour(hash).to_string(),
        "hash_type" => hash.name(),
        "bits" => key.bits(),
    }
}
