//! `slsutil`: what templates of SLS need beyond Jinja.

use std::collections::HashSet;
use std::path::Path;

use salt_wire::{Map, Value};

use super::{Function, clean, row};
use crate::context::{Args, Context, Error, Result, merge, python};
use crate::fileclient::{FileClient, Listing};
use crate::host::{configparser, plist, toml};
use crate::{output, render};

/// The rows of `slsutil`. In a template `update` also changes the map that it is given, as `render::salt`
/// sees to.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "slsutil.update",
        "dest, upd, recursive_update=True, merge_lists=False",
        |_, args| update(args),
        "Lay a map over another one.",
        "salt '*' slsutil.update '{foo: Foo}' '{bar: Bar}'"
    ),
    row!(
        "slsutil.merge",
        "obj_a, obj_b, strategy='smart', renderer='yaml', merge_lists=False",
        |_, args| {
            let both = [args.get("obj_a").clone(), args.get("obj_b").clone()];
            merge_all(&both, args)
        },
        "Merge two maps by a strategy: smart, recurse, list, overwrite or none.",
        "salt '*' slsutil.merge '{foo: Foo}' '{bar: Bar}'"
    ),
    row!(
        "slsutil.merge_all",
        "lst, strategy='smart', renderer='yaml', merge_lists=False",
        |_, args| {
            let empty = [Value::Map(Map::new())];
            let list = args.get("lst").as_list().unwrap_or_default();
            merge_all(&[&empty, list].concat(), args)
        },
        "Merge a list of maps, one after the other.",
        "salt '*' slsutil.merge_all '[{foo: Foo}, {foo: Bar}]'"
    ),
    row!(
        "slsutil.renderer",
        "path=None, string=None, default_renderer='jinja|yaml', **kwargs",
        renderer,
        "Render a file or a text through a pipe of renderers and return what comes out.",
        "salt '*' slsutil.renderer salt://path/to/file"
    ),
    row!(
        "slsutil.serialize",
        "serializer, obj, **mod_kwargs",
        |_, args| serialize(args),
        "Write data as json, yaml, configparser, toml or plist.",
        "salt '*' slsutil.serialize json '{foo: Foo}'"
    ),
    row!(
        "slsutil.deserialize",
        "serializer, stream_or_string, **mod_kwargs",
        |_, args| deserialize(args),
        "Read data from json, yaml, configparser, toml or plist.",
        "salt '*' slsutil.deserialize json '{\"foo\": \"Foo\"}'"
    ),
    row!(
        "slsutil.boolstr",
        "value, true='true', false='false'",
        |_, args| {
            let side = if args.flag("value") { "true" } else { "false" };
            Ok(args.get(side).clone())
        },
        "Return one of two texts for a truth.",
        "salt '*' slsutil.boolstr True yes no"
    ),
    row!(
        "slsutil.banner",
        "width=72, commentchar='#', borderchar='#', blockstart=None, blockend=None, title=None, text=None, newline=False",
        |_, args| banner(args),
        "Return a comment block that says who manages a file.",
        "salt '*' slsutil.banner width=60"
    ),
    row!(
        "slsutil.file_exists",
        "path, saltenv='base'",
        |ctx, args| exists(ctx, args, &[Listing::Files]),
        "Whether there is such a file in the state tree.",
        "salt '*' slsutil.file_exists nginx/defaults.yaml"
    ),
    row!(
        "slsutil.dir_exists",
        "path, saltenv='base'",
        |ctx, args| exists(ctx, args, &[Listing::Dirs]),
        "Whether there is such a directory in the state tree.",
        "salt '*' slsutil.dir_exists nginx/files"
    ),
    row!(
        "slsutil.path_exists",
        "path, saltenv='base'",
        |ctx, args| exists(ctx, args, &[Listing::Files, Listing::Dirs]),
        "Whether there is such a file or directory in the state tree.",
        "salt '*' slsutil.path_exists nginx/defaults.yaml"
    ),
    row!(
        "slsutil.findup",
        "startpath, filenames, saltenv='base'",
        findup,
        "Find the first of some names in a directory of the state tree or in one above it.",
        "salt '*' slsutil.findup formulas/nginx map.jinja"
    ),
];

fn no_map() -> Error {
    Error::Arguments("Cannot update using non-dict types in dictupdate.update()".into())
}

fn map_of(value: &Value) -> Result<Map> {
    value.as_map().cloned().ok_or_else(no_map)
}

fn update(args: &Args) -> Result {
    let (mut dest, over) = (map_of(args.get("dest"))?, map_of(args.get("upd"))?);
    if args.flag("recursive_update") {
        merge::recurse(&mut dest, &over, args.flag("merge_lists"));
    } else {
        merge::overwrite(&mut dest, &over);
    }
    Ok(dest.into())
}

fn merge_all(list: &[Value], args: &Args) -> Result {
    let (strategy, lists) = (args.text("strategy")?, args.flag("merge_lists"));
    let mut maps = list.iter().map(map_of);
    let mut merged = maps.next().transpose()?.unwrap_or_default();
    for over in maps {
        let over = over?;
        match strategy.as_str() {
            "list" => {
                for (key, value) in &mut merged {
                    if let Some(other) = over.get(key) {
                        *value = Value::List(vec![std::mem::take(value), other.clone()]);
                    }
                }
            }
            "overwrite" => {
                // What both have is the later one's alone.
                for (key, value) in &mut merged {
                    if let Some(other) = over.get(key) {
                        value.clone_from(other);
                    }
                }
                merge::recurse(&mut merged, &over, lists);
            }
            "aggregate" => merge::overwrite(&mut merged, &over),
            "none" => merge::recurse(&mut merged, &over, false),
            _ => merge::recurse(&mut merged, &over, lists),
        }
    }
    Ok(merged.into())
}

fn renderer(ctx: &Context, args: &Args) -> Result {
    let (path, string) = (args.opt_text("path")?, args.opt_text("string")?);
    let (path, string) = (
        path.filter(|p| !p.is_empty()),
        string.filter(|s| !s.is_empty()),
    );
    let mut variables = clean(&args.extra);
    let saltenv = match variables.shift_remove("saltenv") {
        Some(env) => python::text(&env),
        None => "base".to_owned(),
    };
    let sls = variables.shift_remove("sls").map(|s| python::text(&s));
    let files = FileClient::new(ctx);
    let default = args.text("default_renderer")?;
    let (text, place) = match (path, string) {
        (None, None) => return Err(Error::invocation("Must pass path or string.")),
        (Some(_), Some(_)) => {
            return Err(Error::invocation("Must not pass both path and string."));
        }
        (None, Some(text)) => (text, None),
        (Some(path), None) => {
            let local = if path.starts_with('/') {
                Some(Path::new(&path).to_owned()).filter(|p| p.is_file())
            } else {
                files.cache_file(&path, &saltenv, None)?
            };
            let Some(local) = local else {
                return Ok(Map::new().into());
            };
            let text = std::fs::read_to_string(&local)
                .map_err(|e| Error::execution(format!("{}: {e}", local.display())))?;
            (text, Some(local))
        }
    };
    if text.trim().is_empty() {
        return Ok(Map::new().into());
    }
    let source = render::Source {
        text: &text,
        path: place.as_deref(),
        saltenv: &saltenv,
        sls: Some(sls.as_deref().unwrap_or_default()),
        variables: &variables,
        files: &files,
    };
    render::render(ctx, &source, &default).map_err(|e| Error::Exception {
        kind: "salt.exceptions.SaltRenderError",
        message: e.to_string(),
    })
}

fn no_serializer(name: &str) -> Error {
    Error::execution(format!("Serializer '{name}' not found."))
}

fn serialize(args: &Args) -> Result {
    let kwargs = clean(&args.extra);
    let number = |key: &str| {
        let value = kwargs.get(key).and_then(Value::as_int)?;
        u32::try_from(value).ok()
    };
    let obj = args.get("obj");
    let failed = |message: String| Error::Exception {
        kind: "salt.serializers.SerializationError",
        message,
    };
    match args.text("serializer")?.as_str() {
        "json" => {
            let sort = kwargs.get("sort_keys").is_some_and(Value::is_truthy);
            let indent = number("indent").map(|n| n as usize);
            Ok(output::json::dumps(obj, indent, sort).into())
        }
        "yaml" => {
            let flow = match kwargs.get("default_flow_style") {
                None | Some(Value::Null) => salt_yaml::Flow::Leaves,
                Some(wanted) if wanted.is_truthy() => salt_yaml::Flow::Flow,
                Some(_) => salt_yaml::Flow::Block,
            };
            let options = salt_yaml::DumpOptions {
                flow,
                sort: kwargs.get("sort_keys").is_none_or(Value::is_truthy),
                indent: number("indent").and_then(|n| u8::try_from(n).ok()),
                width: number("width"),
                ..salt_yaml::DumpOptions::default()
            };
            let text = salt_yaml::dump(obj, &options).map_err(|e| failed(e.to_string()))?;
            let text = text.strip_suffix("\n...\n").unwrap_or(&text);
            Ok(text.strip_suffix('\n').unwrap_or(text).into())
        }
        "configparser" => Ok(configparser::write(obj).map_err(failed)?.into()),
        // Python's has bytes for it, which are this text.
        "plist" => {
            let sort = kwargs.get("sort_keys").is_none_or(Value::is_truthy);
            Ok(plist::write(obj, sort).map_err(failed)?.into())
        }
        "toml" => Ok(toml::write(obj).map_err(failed)?.into()),
        other => Err(no_serializer(other)),
    }
}

fn deserialize(args: &Args) -> Result {
    let text = args.text("stream_or_string")?;
    let failed = |message: String| Error::Exception {
        kind: "salt.serializers.DeserializationError",
        message,
    };
    match args.text("serializer")?.as_str() {
        "json" => render::json(&text).map_err(|e| failed(e.to_string())),
        "yaml" => salt_yaml::load_plain(&text).map_err(|e| failed(e.to_string())),
        "configparser" => Ok(configparser::read(&text).map_err(failed)?.into()),
        "plist" => plist::read(&text).map_err(failed),
        "toml" => Ok(toml::read(&text).map_err(failed)?.into()),
        other => Err(no_serializer(other)),
    }
}

/// Words put in lines of at most `width`, as Python's `textwrap` does.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => {
                let mut rest: Vec<char> = word.chars().collect();
                while rest.len() > width {
                    let tail = rest.split_off(width);
                    lines.push(rest.into_iter().collect());
                    rest = tail;
                }
                lines.push(rest.into_iter().collect());
            }
        }
    }
    lines
}

fn banner(args: &Args) -> Result {
    let width = usize::try_from(super::python_int(args.get("width"))?).unwrap_or(0);
    let comment = args.text("commentchar")?;
    let border = args.text("borderchar")?;
    let border: String = border.chars().take(1).collect();
    let count = |text: &str| text.chars().count();
    let (left, right) = (comment.trim_end().to_owned(), comment.trim().to_owned());
    let room = width
        .checked_sub(count(&left) + count(&right) + 2)
        .filter(|room| *room > 0 && width <= 10_000)
        .ok_or_else(|| Error::Exception {
            kind: "salt.exceptions.ArgumentValueError",
            message: "Width is too small to render banner".into(),
        })?;
    let line = border.repeat(width - count(&left) - count(&right));
    let blank = width.saturating_sub(count(&comment) * 2);
    let spacer = format!("{comment}{}{comment}", " ".repeat(blank));
    let title = args.opt_text("title")?;
    let title = title
        .as_deref()
        .unwrap_or("THIS FILE IS MANAGED BY SALT - DO NOT EDIT");
    let text = args.opt_text("text")?;
    let text = text.as_deref().unwrap_or(
        "The contents of this file are managed by Salt. Any changes to this file may be overwritten automatically and without warning.",
    );
    let mut block: Vec<String> = args.opt_text("blockstart")?.into_iter().collect();
    block.push(format!("{comment}{line}{right}"));
    block.push(spacer.clone());
    for line in wrapped(title, room) {
        // Python's `center` puts an odd blank to the left where the room is odd.
        let free = room - count(&line);
        let before = free / 2 + (free & room & 1);
        let (before, after) = (" ".repeat(before), " ".repeat(free - before));
        block.push(format!("{left} {before}{line}{after} {right}"));
    }
    block.push(spacer);
    for line in wrapped(text, room) {
        let after = " ".repeat(room - count(&line));
        block.push(format!("{left} {line}{after} {right}"));
    }
    block.push(format!("{comment}{line}{right}"));
    block.extend(args.opt_text("blockend")?);
    let mut text = block.join("\n");
    if args.flag("newline") {
        text.push('\n');
    }
    Ok(text.into())
}

/// Paths of the state tree.
fn paths(ctx: &Context, saltenv: &str, kinds: &[Listing]) -> Result<HashSet<String>> {
    let files = FileClient::new(ctx);
    let mut found = HashSet::new();
    for kind in kinds {
        found.extend(files.list(*kind, saltenv, "")?);
    }
    Ok(found)
}

fn exists(ctx: &Context, args: &Args, kinds: &[Listing]) -> Result {
    let all = paths(ctx, &args.text("saltenv")?, kinds)?;
    Ok(all.contains(&args.text("path")?).into())
}

fn findup(ctx: &Context, args: &Args) -> Result {
    let all = paths(
        ctx,
        &args.text("saltenv")?,
        &[Listing::Files, Listing::Dirs],
    )?;
    let start = args.opt_text("startpath")?.unwrap_or_default();
    let mut at = python::normpath(&start);
    if start.is_empty() {
        at.clear();
    } else if !all.contains(&at) {
        return Err(Error::invocation(format!(
            "Starting path not found in the state tree: {at}"
        )));
    }
    let names: Vec<String> = match args.get("filenames") {
        Value::Str(name) => vec![name.clone()],
        Value::List(names) => names.iter().map(python::text).collect(),
        _ => {
            return Err(Error::invocation(
                "Filenames argument must be a string or list of strings",
            ));
        }
    };
    loop {
        for name in &names {
            let full = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}/{name}")
            };
            if all.contains(&full) {
                return Ok(full.into());
            }
        }
        if at.is_empty() {
            return Err(Error::execution(
                "File pattern(s) not found in path ancestry",
            ));
        }
        at = at
            .rsplit_once('/')
            .map_or(String::new(), |(above, _)| above.to_owned());
    }
}
