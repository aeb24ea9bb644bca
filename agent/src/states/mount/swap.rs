//! `mount.swap`.

use std::fs;
use std::path::PathBuf;

use salt_wire::{Map, map};

use super::{Done, written};
use crate::context::{Context, Error};
use crate::host::mount::{self, Entry, Standing};
use crate::states::{Outcome, Run};

pub(super) fn swap(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    let real = match fs::read_link(&name) {
        Ok(to) if to.is_absolute() => to.to_string_lossy().into_owned(),
        Ok(to) => format!(
            "/dev/{}",
            to.file_name().unwrap_or_default().to_string_lossy()
        ),
        Err(_) => name.clone(),
    };
    let mut out = Outcome::unchanged("");
    let on = mount::swaps();
    if on.contains_key(&real) {
        out.comment = format!("Swap {name} already active");
    } else if run.test {
        out = Outcome::would(Map::new(), format!("Swap {name} is set to be activated"));
    } else {
        drop(mount::swap(&ctx.programs(), &real, true));
        match mount::swaps().get(&real) {
            Some(now) => {
                out.comment = format!("Swap {name} activated");
                out.changes = map! {
                    "type" => now.kind.as_str(), "size" => now.size.as_str(),
                    "used" => now.used.as_str(), "priority" => now.priority.as_str(),
                };
            }
            None => out = Outcome::failed(format!("Swap {name} failed to activate")),
        }
    }
    if !args.flag("persist") {
        return Ok(out);
    }
    let config = PathBuf::from(args.text("config")?);
    let entries = mount::fstab(&config);
    if run.test {
        if !entries.iter().any(|e| e.name == name || e.device == name) {
            out.result = None;
            if on.contains_key(&name) {
                out.comment =
                    format!("Swap {name} is set to be added to the fstab and to be activated");
            }
        }
        return Ok(out);
    }
    let taken = entries.iter().find(|e| e.name == "none");
    if taken.is_some_and(|e| e.device == name && e.fstype != "swap") {
        return Ok(out);
    }
    let entry = Entry {
        device: name,
        name: "none".into(),
        fstype: "swap".into(),
        opts: "defaults".into(),
        dump: "0".into(),
        pass_num: "0".into(),
    };
    let standing = mount::set_fstab(&entry, &config, None, false, false);
    match standing.map_err(Error::Execution)? {
        Standing::Present => {}
        other => written(other, &mut out),
    }
    Ok(out)
}
