//! `mount`: file systems mounted and written down, and swap.

mod fstab;
mod mounted;
mod options;
mod swap;
mod unmounted;

use std::fs;

use salt_wire::Value;

use super::{Outcome, State};
use crate::context::{Error, python};
use crate::host::mount::{self, Active, Standing};

/// The rows of `mount`.
pub const STATES: &[State] = &[
    State {
        name: "mount.mounted",
        signature: "name, device, fstype, mkmnt=False, opts='defaults', dump=0, pass_num=0, config='/etc/fstab', persist=True, mount=True, user=None, match_on='auto', device_name_regex=None, extra_mount_invisible_options=None, extra_mount_invisible_keys=None, extra_mount_ignore_fs_keys=None, extra_mount_translate_options=None, hidden_opts=None, bind_mount_copy_active_opts=True, **kwargs",
        doc: "Ensure that a file system is mounted, and on wish at every start.",
        run: mounted::mounted,
    },
    State {
        name: "mount.unmounted",
        signature: "name, device=None, config='/etc/fstab', persist=False, user=None, **kwargs",
        doc: "Ensure that a file system is not mounted, and on wish at no start.",
        run: unmounted::unmounted,
    },
    State {
        name: "mount.swap",
        signature: "name, persist=True, config='/etc/fstab'",
        doc: "Ensure that a file or device is swapped to, and on wish at every start.",
        run: swap::swap,
    },
    State {
        name: "mount.fstab_present",
        signature: "name, fs_file, fs_vfstype, fs_mntops='defaults', fs_freq=0, fs_passno=0, mount_by=None, config='/etc/fstab', mount=True, match_on='auto', not_change=False, fs_mount=True",
        doc: "Ensure that an entry is in fstab.",
        run: fstab::fstab_present,
    },
    State {
        name: "mount.fstab_absent",
        signature: "name, fs_file, mount_by=None, config='/etc/fstab'",
        doc: "Ensure that an entry is not in fstab.",
        run: fstab::fstab_absent,
    },
];

type Done = Result<Outcome, Error>;

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        text => python::text(text).split(',').map(str::to_owned).collect(),
    }
}

fn match_on(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::List(list) => Some(list.iter().map(python::text).collect()),
        Value::Str(word) if word != "auto" => Some(vec![word.clone()]),
        _ => None,
    }
}

fn resolved(path: &str) -> String {
    fs::canonicalize(path).map_or_else(|_| path.to_owned(), |p| p.to_string_lossy().into_owned())
}

fn active() -> Result<indexmap::IndexMap<String, Active>, Error> {
    mount::active().map_err(Error::Execution)
}

/// What became of an entry.
fn written(standing: Standing, out: &mut Outcome) {
    let (change, text) = match standing {
        Standing::Present => {
            out.comment += ". Entry already exists in the fstab.";
            return;
        }
        Standing::New => ("new", ". Added new entry to the fstab."),
        Standing::Change => ("update", ". Updated the entry in the fstab."),
    };
    out.changes.insert("persist".into(), change.into());
    out.comment += text;
}
