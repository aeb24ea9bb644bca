//! `file.absent`, and the two that only look.

use std::fs;
use std::path::Path;

use salt_wire::map;

use super::{Done, failed, os_error, path_of};
use crate::context::Context;
use crate::states::{Outcome, Run};

pub(super) fn absent(_: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    if name.is_empty() {
        return failed("Must provide name to file.absent");
    }
    if !name.starts_with('/') {
        return failed(format!("Specified file {name} is not an absolute path"));
    }
    if name == "/" {
        return failed("Refusing to make \"/\" absent");
    }
    let path = Path::new(&name);
    let removed = map! { "removed" => name.as_str() };
    if path.is_file() || path.is_symlink() {
        if run.test {
            return Ok(Outcome::would(
                removed,
                format!("File {name} is set for removal"),
            ));
        }
        return match fs::remove_file(path) {
            Ok(()) => Ok(Outcome::changed(removed, format!("Removed file {name}"))),
            Err(error) => failed(format!(
                "Could not remove '{name}': {}",
                os_error(path, &error)
            )),
        };
    }
    if path.is_dir() {
        if run.test {
            return Ok(Outcome::would(
                removed,
                format!("Directory {name} is set for removal"),
            ));
        }
        return match fs::remove_dir_all(path) {
            Ok(()) => Ok(Outcome::changed(
                removed,
                format!("Removed directory {name}"),
            )),
            Err(_) => failed(format!("Failed to remove directory {name}")),
        };
    }
    Ok(Outcome::unchanged(format!("File {name} is not present")))
}

pub(super) fn exists(_: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    if name.is_empty() {
        return failed("Must provide name to file.exists");
    }
    if !Path::new(&name).exists() {
        return failed(format!("Specified path {name} does not exist"));
    }
    Ok(Outcome::unchanged(format!("Path {name} exists")))
}

pub(super) fn missing(_: &Context, run: &Run<'_>) -> Done {
    let name = path_of(run)?;
    if name.is_empty() {
        return failed("Must provide name to file.missing");
    }
    if Path::new(&name).exists() {
        return failed(format!("Specified path {name} exists"));
    }
    Ok(Outcome::unchanged(format!("Path {name} is missing")))
}
