//! `salt-agent check-config`: the effective settings, each with the place that set it.

use salt_wire::{Map, Value, map};

use super::{Code, load, print, source};
use crate::cli::{CheckConfigArgs, Format, Global};
use crate::config::{self, Error, Loaded, Origin, options};
use crate::identity::Cache;

pub(super) fn run(global: &Global, args: &CheckConfigArgs) -> anyhow::Result<Code> {
    let loaded = match load(&source(global), Cache::Read) {
        Ok(loaded) => loaded,
        Err(error) if args.output == Format::Json => {
            print::json(&Value::Map(failure(&error)))?;
            return Ok(Code::FAILED);
        }
        Err(error) => return Err(error.into()),
    };
    match args.output {
        Format::Json => print::json(&Value::Map(document(&loaded, args.all)))?,
        Format::Text => {
            if !args.quiet {
                print::data(&text(&loaded, args.all))?;
            }
            talk(&loaded);
        }
    }
    let wanting = args.strict && !loaded.warnings.is_empty();
    Ok(if wanting { Code::FAILED } else { Code::OK })
}

/// Warnings, and what has no effect.
fn talk(loaded: &Loaded) {
    for warning in &loaded.warnings {
        print::error(&format!("warning: {warning}"));
    }
    for (name, origin) in &loaded.ignored {
        let place = origin
            .as_ref()
            .map_or_else(String::new, |o| format!("{o}: "));
        print::error(&format!("ignored: {place}`{name}` {}", why_ignored(name)));
    }
}

fn why_ignored(name: &str) -> &'static str {
    match options::find(name).map(|o| o.treatment) {
        Some(options::Treatment::Master) => "is an option of a salt-master",
        _ => "is not implemented by this agent",
    }
}

fn text(loaded: &Loaded, all: bool) -> String {
    let rows: Vec<_> = shown(loaded, all)
        .map(|(name, value)| (name, shorten(name, value), place(loaded, name)))
        .collect();
    let name_width = rows.iter().map(|(n, ..)| n.len()).max().unwrap_or(0);
    let value_width = rows.iter().map(|(_, v, _)| v.chars().count().min(60)).max();
    let value_width = value_width.unwrap_or(0);
    let mut text = String::new();
    for (name, value, place) in rows {
        let line = format!("{name:name_width$}  {value:value_width$}  {place}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Options to show: those that something set, and the id; with `all`, every one.
fn shown(loaded: &Loaded, all: bool) -> impl Iterator<Item = (&str, &Value)> {
    let settings = &loaded.settings;
    settings.opts.iter().filter_map(move |(key, value)| {
        let name = key.as_str()?;
        let wanted = all || name == "id" || settings.origins.is_set(name);
        (wanted && !name.starts_with("__")).then_some((name, value))
    })
}

fn place(loaded: &Loaded, name: &str) -> String {
    let places = loaded.settings.origins.all(name);
    let places: Vec<_> = places.iter().map(Origin::to_string).collect();
    match (places.is_empty(), loaded.settings.origins.is_set(name)) {
        (false, _) => places.join(", "),
        (true, true) => "command line".to_owned(),
        (true, false) if name == "id" => "found".to_owned(),
        (true, false) => "default".to_owned(),
    }
}

/// Names whose values are secrets.
fn is_secret(name: &str) -> bool {
    let secret = [
        "password",
        "passphrase",
        "passwd",
        "secret",
        "token",
        "key_pass",
    ];
    secret.iter().any(|s| name.contains(s))
}

fn shorten(name: &str, value: &Value) -> String {
    if is_secret(name) && value.is_truthy() {
        return "(hidden)".to_owned();
    }
    match value {
        Value::Str(text) if !text.is_empty() && !text.contains('\n') => text.clone(),
        value => serde_json::to_string(value).unwrap_or_else(|_| format!("{value:?}")),
    }
}

fn document(loaded: &Loaded, all: bool) -> Map {
    let mut options = Map::new();
    for (name, value) in shown(loaded, all) {
        let hidden = is_secret(name) && value.is_truthy();
        let places: Vec<Value> = loaded
            .settings
            .origins
            .all(name)
            .iter()
            .map(json_place)
            .collect();
        let entry = map! {
            "value" => if hidden { "(hidden)".into() } else { value.clone() },
            "set_by" => Value::List(places),
        };
        options.insert(name.into(), entry.into());
    }
    let warnings = loaded.warnings.iter().map(|w| {
        let origin = w.origin.as_ref().map(json_place);
        Value::Map(map! { "text" => w.text.as_str(), "place" => origin })
    });
    let ignored = loaded.ignored.iter().map(|(name, origin)| {
        let origin = origin.as_ref().map(json_place);
        Value::Map(
            map! { "option" => name.as_str(), "place" => origin, "cause" => why_ignored(name) },
        )
    });
    let files = loaded.files.iter().map(|f| f.display().to_string());
    map! {
        "valid" => true,
        "id" => loaded.settings.id.as_str(),
        "files" => files.collect::<Vec<String>>(),
        "options" => options,
        "warnings" => Value::List(warnings.collect()),
        "ignored" => Value::List(ignored.collect()),
    }
}

fn json_place(origin: &Origin) -> Value {
    let line = origin.line.map(Value::from);
    map! { "file" => origin.file.display().to_string(), "line" => line }.into()
}

fn failure(error: &config::Error) -> Map {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    let origin = match error {
        Error::Value { origin, .. }
        | Error::Id { origin, .. }
        | Error::UnknownAgentKey { origin, .. } => origin.clone(),
        Error::Syntax { file, line, .. } => Some(Origin {
            file: file.clone(),
            line: *line,
        }),
        Error::Read { file, .. }
        | Error::NotAMapping { file, .. }
        | Error::IncludeLoop { file } => Some(Origin {
            file: file.clone(),
            line: None,
        }),
    };
    map! { "valid" => false, "error" => words, "place" => origin.as_ref().map(json_place) }
}
