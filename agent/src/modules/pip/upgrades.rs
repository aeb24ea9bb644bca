//! What the index has newer.

use salt_wire::{Map, Value, map};

use super::{compared, heard, is_since, json, program, run, version};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::pep440::Version;

pub(super) fn list(ctx: &Context, args: &Args) -> Result<Map> {
    let words = [
        "list",
        "--outdated",
        "--disable-pip-version-check",
        "--format=json",
    ];
    let mut all = Map::new();
    for one in json(&heard(ctx, args, &words)?)? {
        let part = |key: &str| one.get(key).map(python::text).unwrap_or_default();
        let newer = format!("{} [{}]", part("latest_version"), part("latest_filetype"));
        all.insert(part("name").into(), newer.into());
    }
    Ok(all)
}

/// Whether an address is one that pip takes.
pub(super) fn address(args: &Args, key: &str) -> Result<Option<String>> {
    let Some(url) = args.opt_text(key)?.filter(|u| !u.is_empty()) else {
        return Ok(None);
    };
    let known = ["http://", "https://", "ftp://", "file://"];
    if known.iter().any(|k| url.starts_with(k)) {
        return Ok(Some(url));
    }
    Err(Error::execution(format!("'{url}' is not a valid URL")))
}

pub(super) fn list_all_versions(ctx: &Context, args: &Args) -> Result {
    let name = args.text("pkg")?;
    let mut words = program(args)?;
    words.push("--disable-pip-version-check".to_owned());
    let now = version(ctx, args)?;
    let begin = if is_since(&now, "21.2") {
        words.extend(["index".to_owned(), "versions".into(), name]);
        "Available versions: "
    } else {
        if is_since(&now, "20.3") {
            words.push("--use-deprecated=legacy-resolver".to_owned());
        }
        words.extend(["install".to_owned(), format!("{name}==versions")]);
        "(from versions: "
    };
    for (key, option) in [
        ("index_url", "--index-url"),
        ("extra_index_url", "--extra-index-url"),
    ] {
        if let Some(url) = address(args, key)? {
            words.extend([option.to_owned(), url]);
        }
    }
    let told = run(ctx, args, words, None)?;
    let said = format!("{}\n{}", told.stdout(), told.stderr());
    let line = said
        .lines()
        .find_map(|l| l.split_once(begin).map(|(_, rest)| rest));
    let unwanted: Vec<&str> = [
        ("include_alpha", "a"),
        ("include_beta", "b"),
        ("include_rc", "rc"),
    ]
    .into_iter()
    .filter(|(key, _)| !args.flag(key))
    .map(|(_, mark)| mark)
    .collect();
    let line = line.unwrap_or_default().trim_end_matches(')');
    let mut all: Vec<&str> = line
        .split(", ")
        .filter(|v| !v.is_empty() && !unwanted.iter().any(|mark| v.contains(mark)))
        .collect();
    all.sort_by_key(|v| Version::parse(v));
    Ok(if all.is_empty() {
        Value::Null
    } else {
        all.into()
    })
}

pub(super) fn upgrade(ctx: &Context, args: &Args) -> Result {
    let old = super::list(ctx, args, None)?;
    let (mut fine, mut comment) = (true, String::new());
    for name in list(ctx, args)?.keys() {
        let mut words = program(args)?;
        let more = ["install", "-U", "--disable-pip-version-check"].map(str::to_owned);
        words.extend(more);
        words.push(python::text(name));
        let told = run(ctx, args, words, None)?;
        fine &= told.is_fine();
        comment += &told.stderr();
    }
    let new = super::list(ctx, args, None)?;
    Ok(map! { "changes" => compared(&old, &new), "result" => fine, "comment" => comment }.into())
}
