//! `mount.fstab_present` and `mount.fstab_absent`.

use std::path::Path;

use salt_wire::{Map, map};

use super::{Done, list, match_on};
use crate::context::{Context, Error, python};
use crate::host::mount::{self, Entry, Standing};
use crate::states::{Outcome, Run};

/// A return of several sentences, a line each.
fn listed(result: Option<bool>, changes: Map, comments: Vec<String>) -> Outcome {
    Outcome {
        result,
        changes,
        comment: comments.join("\n"),
        extra: Map::new(),
    }
}

pub(super) fn fstab_present(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let mut place = args.text("fs_file")?;
    if place != "/" {
        place = place.trim_end_matches('/').to_owned();
    }
    let config = args.text("config")?;
    let entry = Entry {
        device: name.clone(),
        name: place.clone(),
        fstype: args.text("fs_vfstype")?,
        opts: list(args.get("fs_mntops")).join(","),
        dump: python::text(args.get("fs_freq")),
        pass_num: python::text(args.get("fs_passno")),
    };
    let keys = match_on(args.get("match_on"));
    let standing = mount::set_fstab(
        &entry,
        Path::new(&config),
        keys.as_deref(),
        args.flag("not_change"),
        run.test,
    )
    .map_err(Error::Execution)?;
    let mut comments = Vec::new();
    if run.test {
        let (result, text) = match standing {
            Standing::Present => (Some(true), "is already in"),
            Standing::New => (None, "will be written in"),
            Standing::Change => (None, "will be updated in"),
        };
        comments.push(format!("{place} entry {text} {config}."));
        if standing == Standing::New && args.flag("mount") {
            comments.push(format!("Will mount {name} on {place}"));
        }
        return Ok(listed(result, Map::new(), comments));
    }
    let text = match standing {
        Standing::Present => "was already in",
        Standing::New => "added in",
        Standing::Change => "updated in",
    };
    comments.push(format!("{place} entry {text} {config}."));
    let mut changes = Map::new();
    if standing != Standing::Present {
        changes.insert("persist".into(), standing.word().into());
    }
    let mut result = Some(true);
    if standing == Standing::New && args.flag("mount") {
        match mount::mount(&ctx.programs(), &place, None, "", &[]) {
            Ok(()) => comments.push(format!("Mounted {name} on {place}")),
            Err(said) => {
                result = Some(false);
                let said = said.split_once(':').map_or(said.as_str(), |(_, rest)| rest);
                comments.push(format!("Error while mounting {said}"));
            }
        }
    }
    Ok(listed(result, changes, comments))
}

pub(super) fn fstab_absent(_: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let mut place = args.text("fs_file")?;
    if place != "/" {
        place = place.trim_end_matches('/').to_owned();
    }
    let config = args.text("config")?;
    let path = Path::new(&config);
    let there = mount::fstab(path).iter().any(|e| e.name == place);
    if run.test {
        return Ok(if there {
            let text = format!("{place} entry will be removed from {config}.");
            listed(None, Map::new(), vec![text])
        } else {
            let text = format!("{place} entry is already missing in {config}.");
            listed(None, Map::new(), vec![text])
        });
    }
    if !there {
        let text = format!("{place} entry is already missing in {config}.");
        return Ok(listed(Some(true), Map::new(), vec![text]));
    }
    mount::rm_fstab(&place, Some(&name), path).map_err(Error::Execution)?;
    let text = format!("{place} entry removed from {config}.");
    Ok(listed(
        Some(true),
        map! { "persist" => "removed" },
        vec![text],
    ))
}
