//! `aliases`: where mail for an alias goes, as `/etc/aliases` says.

use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::env::which;
use crate::host::fs::replace;
use crate::host::perms;

/// The rows of `aliases`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "aliases.get_target",
        "alias",
        |ctx, args| {
            let alias = args.text("alias")?;
            Ok(target(&lines(ctx)?, &alias).unwrap_or_default().into())
        },
        "Return where mail for an alias goes.",
        "salt '*' aliases.get_target alias"
    ),
    row!(
        "aliases.has_target",
        "alias, target",
        has_target,
        "Whether mail for an alias goes there.",
        "salt '*' aliases.has_target alias target"
    ),
    row!(
        "aliases.list_aliases",
        "",
        |ctx, _| {
            let mut all = Map::new();
            for line in lines(ctx)? {
                if !line.alias.is_empty() {
                    all.insert(line.alias.into(), line.target.into());
                }
            }
            Ok(all.into())
        },
        "Return all aliases and where their mail goes.",
        "salt '*' aliases.list_aliases"
    ),
    row!(
        "aliases.rm_alias",
        "alias",
        rm_alias,
        "Take an alias away.",
        "salt '*' aliases.rm_alias alias"
    ),
    row!(
        "aliases.set_target",
        "alias, target",
        set_target,
        "Set where mail for an alias goes.",
        "salt '*' aliases.set_target alias target"
    ),
];

/// A line of the file: an alias with what stands behind it; of any other line only the comment.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    alias: String,
    target: String,
    comment: String,
}

impl Line {
    fn parse(line: &str) -> Self {
        let end = line.find([':', '#']).unwrap_or(line.len());
        let (alias, rest) = line.split_at(end);
        // What stands alone is a name, its line end and an empty line too: so Salt reads it.
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let rest = if rest.starts_with('#') {
            rest
        } else {
            rest.trim_start()
        };
        let (target, comment) = match rest.find('#') {
            Some(at) => {
                let target = rest[..at].trim_end();
                // What is behind the target is kept with the blanks in front of it.
                (target, &rest[target.len()..])
            }
            None => (rest.trim_end(), ""),
        };
        Self {
            alias: alias.to_owned(),
            target: target.to_owned(),
            comment: comment.trim_end_matches('\n').to_owned(),
        }
    }

    fn text(&self) -> String {
        let Self {
            alias,
            target,
            comment,
        } = self;
        if alias.is_empty() || target.is_empty() {
            format!("{comment}\n")
        } else {
            format!("{alias}: {target}{comment}\n")
        }
    }
}

fn file(ctx: &Context) -> PathBuf {
    let option = ctx
        .settings
        .opts
        .get("aliases.file")
        .and_then(Value::as_str);
    let path = PathBuf::from(option.unwrap_or("/etc/aliases"));
    fs::canonicalize(&path).unwrap_or(path)
}

fn lines(ctx: &Context) -> Result<Vec<Line>> {
    let file = file(ctx);
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let text =
        fs::read_to_string(&file).map_err(|e| Error::execution(python::os_error(&file, &e)))?;
    Ok(text.split_inclusive('\n').map(Line::parse).collect())
}

fn target(lines: &[Line], wanted: &str) -> Option<String> {
    let found = lines.iter().rev().find(|line| line.alias == wanted);
    found
        .filter(|line| !line.alias.is_empty())
        .map(|line| line.target.clone())
}

/// `target` as one text.
fn joined(args: &Args) -> String {
    match args.get("target") {
        Value::List(list) => list.iter().map(python::text).collect::<Vec<_>>().join(", "),
        other => python::text(other),
    }
}

fn given(args: &Args, name: &str) -> Result<()> {
    if args.get(name).as_str() == Some("") {
        return Err(Error::invocation(format!(
            "{name} can not be an empty string"
        )));
    }
    Ok(())
}

fn has_target(ctx: &Context, args: &Args) -> Result {
    given(args, "target")?;
    let now = target(&lines(ctx)?, &args.text("alias")?);
    Ok(now.is_some_and(|now| now == joined(args)).into())
}

fn write(ctx: &Context, lines: &[Line]) -> Result {
    let file = file(ctx);
    let text: String = lines.iter().map(Line::text).collect();
    let before = perms::stats(&file, true).ok();
    let mode = before.as_ref().map_or(0o644, |s| s.mode);
    let failed = |e| Error::execution(python::os_error(&file, &e));
    replace(&file, text.as_bytes(), mode).map_err(failed)?;
    if let Some(before) = before {
        perms::chown(&file, Some(before.uid), Some(before.gid), true).map_err(failed)?;
    }
    if which("newaliases").is_some() {
        let told = ctx.programs().run(&["newaliases"]);
        told.map_err(Error::Execution)?;
    }
    Ok(true.into())
}

fn set_target(ctx: &Context, args: &Args) -> Result {
    given(args, "alias")?;
    given(args, "target")?;
    let (wanted, goes) = (args.text("alias")?, joined(args));
    let old = lines(ctx)?;
    if target(&old, &wanted).as_ref() == Some(&goes) && args.get("target").as_str().is_some() {
        return Ok(true.into());
    }
    let (mut new, mut done) = (Vec::new(), false);
    for line in old {
        if line.alias != wanted {
            new.push(line);
        } else if !done {
            done = true;
            new.push(Line {
                alias: wanted.clone(),
                target: goes.clone(),
                comment: line.comment,
            });
        }
    }
    if !done {
        new.push(Line {
            alias: wanted,
            target: goes,
            comment: String::new(),
        });
    }
    write(ctx, &new)
}

fn rm_alias(ctx: &Context, args: &Args) -> Result {
    let wanted = args.text("alias")?;
    let old = lines(ctx)?;
    if target(&old, &wanted).is_none_or(|t| t.is_empty()) {
        return Ok(true.into());
    }
    let kept: Vec<Line> = old
        .into_iter()
        .filter(|line| line.alias != wanted)
        .collect();
    write(ctx, &kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        for line in [
            "root: admin@example.org # who else",
            "# a comment",
            "",
            "list: a, b",
        ] {
            assert_eq!(Line::parse(line).text(), format!("{line}\n"));
        }
    }
}
