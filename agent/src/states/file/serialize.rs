//! `file.serialize` and `file.decode`: files whose content is data, or text in base64.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salt_wire::{Map, Value, map};

use super::{Done, call, failed, path_of};
use crate::context::{Context, Error, merge, python};
use crate::host::digest;
use crate::host::fs::rewrite;
use crate::states::{Outcome, Run};
use crate::targeting::traverse;

/// Words for a serializer, as they are given: a map, or a list of maps.
fn options(value: &Value) -> Map {
    match value {
        Value::Map(map) => map.clone(),
        Value::List(list) => list
            .iter()
            .filter_map(Value::as_map)
            .flat_map(|m| m.iter().map(|(k, v)| (k.clone(), v.clone())))
            .collect(),
        _ => Map::new(),
    }
}

pub(super) fn serialize(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.serialize");
    }
    let is_file = Path::new(&name).is_file();
    if !args.flag("create") && !is_file {
        return Ok(Outcome::unchanged(format!(
            "File {name} is not present and is not set for creation"
        )));
    }
    let formatter = args.extra.get("formatter").filter(|f| f.is_truthy());
    if args.flag("serializer") && formatter.is_some() {
        return failed("Only one of serializer and formatter are allowed");
    }
    let serializer = match (args.get("serializer"), formatter) {
        (given, _) if given.is_truthy() => python::text(given),
        (_, Some(given)) => python::text(given),
        _ => "yaml".to_owned(),
    }
    .to_lowercase();
    let (dataset, pillar) = (args.get("dataset"), args.get("dataset_pillar"));
    if dataset.is_truthy() && pillar.is_truthy() {
        return failed("Only one of 'dataset' and 'dataset_pillar' is permitted");
    }
    let mut dataset = dataset.clone();
    if pillar.is_truthy() {
        let all = Value::Map((*ctx.facts.pillar()).clone());
        let found = traverse(&all, &python::text(pillar), ":");
        dataset = found.cloned().unwrap_or_else(|| "".into());
    }
    if dataset.is_null() {
        return failed("Neither 'dataset' nor 'dataset_pillar' was defined");
    }
    const KNOWN: [&str; 5] = ["configparser", "json", "plist", "toml", "yaml"];
    if !KNOWN.contains(&serializer.as_str()) {
        return failed(format!(
            "The {serializer} serializer could not be found. It either does not exist or its prerequisites are not installed."
        ));
    }
    let mut change = None;
    if args.flag("merge_if_exists") && is_file {
        match merged(ctx, run, &name, &serializer, &dataset)? {
            Merged::Same => {
                return Ok(Outcome::unchanged(format!(
                    "The file {name} is in the correct state"
                )));
            }
            Merged::Unreadable(comment) => return failed(comment),
            Merged::Empty => {}
            Merged::Changed(new, difference) => {
                dataset = new;
                change = difference;
            }
        }
    }
    let mut kwargs = match serializer.as_str() {
        "json" => map! { "indent" => 2, "sort_keys" => true },
        "yaml" => map! { "default_flow_style" => false },
        _ => Map::new(),
    };
    kwargs.extend(options(args.get("serializer_opts")));
    let words = [serializer.as_str().into(), dataset];
    let text = ctx.call("slsutil.serialize", &words, &kwargs)?;
    let mut contents = python::text(&text);
    // A property list is bytes, to which Salt adds nothing.
    if serializer != "plist" {
        contents.push('\n');
    }
    let mut given = map! { "name" => name.as_str(), "contents" => contents };
    for key in [
        "user",
        "group",
        "mode",
        "backup",
        "makedirs",
        "show_changes",
        "check_cmd",
        "tmp_dir",
        "tmp_ext",
        "encoding",
    ] {
        given.insert(key.into(), args.get(key).clone());
    }
    let mut out = call(ctx, "file.managed", given, run.test)?;
    if run.test && out.result.is_none() {
        out.comment = format!("Dataset will be serialized and stored into {name}");
    }
    if let Some(change) = change {
        out.changes.insert("diff".into(), change.into());
    }
    if !args.flag("merge_if_exists") && args.flag("deserializer_opts") {
        let text =
            "The 'deserializer_opts' option is ignored unless merge_if_exists is set to True.";
        out.extra
            .insert("warnings".into(), vec![text.to_owned()].into());
    }
    Ok(out)
}

enum Merged {
    /// Nothing would change.
    Same,
    /// The file holds nothing.
    Empty,
    /// The file cannot be read as data.
    Unreadable(String),
    /// The new data, and the difference of two maps.
    Changed(Value, Option<Map>),
}

fn merged(
    ctx: &Context,
    run: &Run<'_>,
    name: &str,
    serializer: &str,
    dataset: &Value,
) -> Result<Merged, Error> {
    let text = fs::read_to_string(name).map_err(|e| Error::execution(format!("{name}: {e}")))?;
    let words = [serializer.into(), text.into()];
    let kwargs = options(run.args.get("deserializer_opts"));
    let existing = match ctx.call("slsutil.deserialize", &words, &kwargs) {
        Ok(existing) => existing,
        Err(error) => {
            let text = match error {
                Error::Exception { message, .. } => message,
                other => other.to_string(),
            };
            return Ok(Merged::Unreadable(format!(
                "Failed to deserialize existing data: {text}"
            )));
        }
    };
    Ok(match (&existing, dataset) {
        (Value::Null, _) => Merged::Empty,
        (Value::Map(old), Value::Map(over)) => {
            let mut new = old.clone();
            merge::recurse(&mut new, over, false);
            if new == *old {
                Merged::Same
            } else {
                let change = difference(old, &new);
                Merged::Changed(new.into(), Some(change))
            }
        }
        (old, new) if *old == *new => Merged::Same,
        (_, new) => Merged::Changed(new.clone(), None),
    })
}

/// What differs between two maps, key by key, as Salt's `recursive_diff` shows it.
fn difference(old: &Map, new: &Map) -> Map {
    const NONE: &str = "<_null_>";
    let mut found = Map::new();
    for (key, value) in new {
        match (old.get(key), value) {
            (Some(before), after) if before == after => {}
            (Some(Value::Map(before)), Value::Map(after)) => {
                found.insert(key.clone(), difference(before, after).into());
            }
            (before, after) => {
                let before = before.cloned().unwrap_or_else(|| NONE.into());
                let pair = map! { "old" => before, "new" => after.clone() };
                found.insert(key.clone(), pair.into());
            }
        }
    }
    for (key, value) in old {
        if !new.contains_key(key) {
            let pair = map! { "old" => value.clone(), "new" => NONE };
            found.insert(key.clone(), pair.into());
        }
    }
    found
}

pub(super) fn decode(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    let (data, pillar) = (args.get("encoded_data"), args.get("contents_pillar"));
    let content = match (data.is_truthy(), pillar.is_truthy()) {
        (false, false) => {
            return Err(Error::execution(
                "Specify either the 'encoded_data' or 'contents_pillar' argument.",
            ));
        }
        (true, true) => {
            return Err(Error::execution(
                "Specify only one 'encoded_data' or 'contents_pillar' argument.",
            ));
        }
        (true, false) => python::text(data),
        (false, true) => {
            let all = Value::Map((*ctx.facts.pillar()).clone());
            let found = traverse(&all, &python::text(pillar), ":");
            python::text(found.ok_or_else(|| Error::execution("Pillar data not found."))?)
        }
    };
    if python::text(args.get("encoding_type")) != "base64" {
        return failed("Only the encoding_type 'base64' is supported by this agent");
    }
    let packed: String = content.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(packed).map_err(|e| Error::Exception {
        kind: "binascii.Error",
        message: e.to_string(),
    })?;
    let form = args.text("checksum")?;
    let unknown = |_| Error::execution(format!("Hash type '{form}' is not supported"));
    let new = digest::bytes(&bytes, &form).map_err(unknown)?;
    let path = Path::new(&name);
    let old = if path.is_file() {
        Some(digest::file(path, &form).map_err(unknown)?)
    } else {
        None
    };
    if old.as_ref() == Some(&new) {
        return Ok(Outcome::unchanged("File is in the correct state."));
    }
    let changes = map! { "old" => old.clone().map_or(Value::Null, Value::from), "new" => new };
    if run.test {
        let changes = if old.is_some() { changes } else { Map::new() };
        return Ok(Outcome::would(changes, "File is set to be updated."));
    }
    rewrite(path, &bytes, 0o644).map_err(|e| Error::execution(super::os_error(path, &e)))?;
    Ok(Outcome::changed(changes, "File was updated."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_differ_key_by_key() {
        let old = map! { "a" => 1, "b" => map! { "c" => 2, "d" => 3 }, "gone" => 4, "same" => 5 };
        let new = map! { "a" => 9, "b" => map! { "c" => 2, "d" => 8 }, "same" => 5, "new" => 6 };
        assert_eq!(
            python::text(&difference(&old, &new).into()),
            "{'a': {'old': 1, 'new': 9}, 'b': {'d': {'old': 3, 'new': 8}}, 'new': {'old': '<_null_>', 'new': 6}, 'gone': {'old': 4, 'new': '<_null_>'}}"
        );
    }
}
