//! `mount.unmounted`.

use std::path::Path;

use salt_wire::Map;

use super::{Done, active};
use crate::context::{Context, Error};
use crate::host::mount;
use crate::states::{Outcome, Run};

pub(super) fn unmounted(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (run.args.text("name")?, run.args);
    if name.is_empty() {
        return Ok(Outcome::failed("Must provide name to mount.unmounted"));
    }
    let device = args.opt_text("device")?.filter(|d| !d.is_empty());
    let mut out = Outcome::unchanged("");
    if active()?.contains_key(&mount::escaped(&name)) {
        if run.test {
            return Ok(Outcome::would(
                Map::new(),
                format!("Mount point {name} is mounted but should not be"),
            ));
        }
        let what = device.as_deref().unwrap_or(&name);
        match mount::umount(&ctx.programs(), what, false) {
            Ok(()) => {
                out.comment = "Target was successfully unmounted".to_owned();
                out.changes.insert("umount".into(), true.into());
            }
            Err(said) => out = Outcome::failed(said),
        }
    } else {
        out.comment = "Target was already unmounted".to_owned();
    }
    if !args.flag("persist") {
        return Ok(out);
    }
    let config = args.text("config")?;
    let path = Path::new(&config);
    let Some(entry) = mount::fstab(path).into_iter().find(|e| e.name == name) else {
        out.comment += ". fstab entry not found";
        return Ok(out);
    };
    if let Some(device) = device.as_ref().filter(|d| **d != entry.device) {
        out.comment += &format!(". fstab entry for device {device} not found");
        return Ok(out);
    }
    if run.test {
        return Ok(Outcome::would(
            Map::new(),
            format!(
                "Mount point {name} is unmounted but needs to be purged from {config} to be made persistent"
            ),
        ));
    }
    mount::rm_fstab(&name, device.as_deref(), path).map_err(Error::Execution)?;
    out.comment += ". Removed target from fstab";
    out.changes.insert("persist".into(), "purged".into());
    Ok(out)
}
