//! What Salt tells of its interpreter, told of the system's: formulas choose package names by it.

use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, Value, map};

use super::SALT_VERSION;
use crate::host::env;

pub(super) fn collect() -> Map {
    let own = env::own_program().unwrap_or_default();
    let dir = own.parent().unwrap_or(&own).to_string_lossy().into_owned();
    let numbers: Vec<Value> = SALT_VERSION
        .split('.')
        .filter_map(|n| n.parse::<i64>().ok())
        .map(Value::from)
        .collect();
    let mut grains = map! {
        "pythonpath" => Value::List(Vec::new()),
        "saltpath" => dir,
        "saltversion" => SALT_VERSION,
        "saltversioninfo" => Value::List(numbers),
    };
    // A link's target carries the version: `python3 → python3.11`. A shim's does not; the system's own does.
    let candidates = [
        env::which("python3"),
        Some(PathBuf::from("/usr/bin/python3")),
    ];
    let found = candidates.into_iter().flatten().find_map(|python| {
        let real = fs::canonicalize(&python).ok()?;
        Some((python, version(&real.file_name()?.to_string_lossy())?))
    });
    if let Some((python, version)) = found {
        let python = python.to_string_lossy().into_owned();
        grains.insert("pythonexecutable".into(), python.into());
        grains.insert("pythonversion".into(), version);
    }
    grains
}

fn version(name: &str) -> Option<Value> {
    let (major, minor) = name.strip_prefix("python")?.split_once('.')?;
    Some(Value::List(vec![
        major.parse::<i64>().ok()?.into(),
        minor.parse::<i64>().ok()?.into(),
        0.into(),
        "final".into(),
        0.into(),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_name() {
        let v: Value = version("python3.11").unwrap();
        assert_eq!(v.as_list().unwrap()[..2], [3.into(), 11.into()]);
        assert_eq!(version("python3"), None);
    }
}
