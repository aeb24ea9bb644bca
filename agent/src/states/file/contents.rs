//! The content that `file.managed` is given itself: `contents`, `contents_pillar`, `contents_grains`.

use salt_wire::Value;

use super::source;
use crate::context::{Context, python};
use crate::host::charset::Charset;
use crate::states::Run;

/// `contents` and its kin as bytes; the error is the state's comment.
pub(super) fn of(ctx: &Context, run: &Run<'_>) -> Result<Option<Vec<u8>>, String> {
    let args = run.args;
    let delimiter = args
        .get("contents_delimiter")
        .as_str()
        .unwrap_or(":")
        .to_owned();
    let (value, id) = if !args.get("contents_pillar").is_null() {
        let pillar = Value::Map((*ctx.facts.pillar()).clone());
        let keys = args.get("contents_pillar");
        let value = lookup(&pillar, keys, &delimiter)
            .map_err(|key| format!("Pillar {key} does not exist"))?;
        (value, format!("contents_pillar {}", python::text(keys)))
    } else if !args.get("contents_grains").is_null() {
        let grains = Value::Map((*ctx.facts.grains()).clone());
        let keys = args.get("contents_grains");
        let value = lookup(&grains, keys, &delimiter)
            .map_err(|key| format!("Grain {key} does not exist"))?;
        (value, format!("contents_grains {}", python::text(keys)))
    } else if !args.get("contents").is_null() {
        (args.get("contents").clone(), "'contents'".to_owned())
    } else {
        return Ok(None);
    };
    if !args.flag("allow_empty") && !value.is_truthy() {
        return Err(format!(
            "{id} value would result in empty contents. Set allow_empty to True to allow the managed file to be empty."
        ));
    }
    let parts: Vec<String> = match &value {
        Value::Bytes(bytes) => return Ok(Some(bytes.clone())),
        Value::List(list) if list.is_empty() => {
            return Err("Contents specified by contents/contents_pillar/contents_grains is not a string or list of strings, and is not binary data. SLS is likely malformed.".into());
        }
        Value::List(list) => list.iter().map(python::text).collect(),
        other => vec![python::text(other)],
    };
    let mut text = String::new();
    for part in &parts {
        for line in split_lines(part) {
            text += line.trim_end_matches('\n').trim_end_matches('\r');
            text.push('\n');
        }
    }
    if !args.flag("contents_newline") {
        text.truncate(text.trim_end_matches('\n').trim_end_matches('\r').len());
    }
    if args.flag("template") {
        text = source::render(ctx, run, &text, &python::text(args.get("template")), None)?;
    }
    let encoded = match args.get("encoding") {
        Value::Null => return Ok(Some(text.into_bytes())),
        name => Charset::named(&python::text(name)).and_then(|c| c.encode(&text)),
    };
    encoded.map(Some)
}

/// The value under a key path, or those under several, a line each; the error is the key that is missing.
fn lookup(data: &Value, keys: &Value, delimiter: &str) -> Result<Value, String> {
    let one = |key: &Value| {
        let key = python::text(key);
        crate::targeting::traverse(data, &key, delimiter)
            .cloned()
            .ok_or(key)
    };
    match keys {
        Value::List(list) => {
            let mut lines = Vec::new();
            for key in list {
                lines.push(python::text(&one(key)?));
            }
            Ok(lines.join("\n").into())
        }
        key => one(key),
    }
}

/// Python's `splitlines()`.
fn split_lines(text: &str) -> Vec<&str> {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ends) {
        lines.push(&rest[..at]);
        let end = &rest[at..];
        let width = if end.starts_with("\r\n") {
            2
        } else {
            end.chars().next().map_or(1, char::len_utf8)
        };
        rest = &end[width..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}
