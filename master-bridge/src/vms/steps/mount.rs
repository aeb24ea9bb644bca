//! A volume's file system in the tree of the server that it is attached to, by jobs of Salt's own functions. What is on
//! a volume is never overwritten: only an empty one is formatted.

use std::time::{Duration, Instant};

use salt_wire::{Map, Value as Salt, map};
use serde_json::{Value, json};

use super::super::World;
use super::console::not_here;
use crate::error::{Error, Kind, Result};
use crate::output::json_of;
use crate::plan::cloud::Ref;
use crate::progress::short;
use crate::salt::wait::Return;
use crate::salt::{Job, job};

/// A kernel shows a disk this long after Nova has attached it.
const APPEARS: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// The server comes up without the volume too.
const OPTIONS: &str = "defaults,nofail";

/// A volume, and where its file system is to be.
pub(super) struct Place<'a> {
    pub(super) minion: &'a str,
    pub(super) volume: &'a Ref,
    pub(super) format: Option<&'a str>,
    pub(super) at: &'a str,
}

/// Finds the disk by the volume's id, formats it if it is empty and may be, mounts it now and at every boot.
pub(super) async fn mount(world: &mut World<'_>, key: &str, place: &Place<'_>) -> Result<Value> {
    let minion = place.minion;
    not_here(world, minion, "mount it there by hand").await?;
    let volume = world.id(place.volume)?;
    let device = appeared(world, minion, &volume).await?;
    let mut found = file_system(world, minion, &device).await?;
    free(world, place, found.as_ref()).await?;
    if found.is_none() {
        let Some(wanted) = place.format else {
            let text = format!("volume {volume} has no file system");
            return Err(Error::new(Kind::Refused, text).hint("--format ext4 gives it one"));
        };
        empty(world, minion, &device).await?;
        world.progress.at(key, &format!("{wanted} on {device}"));
        let kwargs = map! {"device" => device.as_str(), "fs_type" => wanted};
        if ask(world, minion, "disk.format", kwargs).await? != Salt::Bool(true) {
            let text = format!("{minion} did not format {device} as {wanted}");
            return Err(Error::new(Kind::Failed, text).hint(format!(
                "does the server have mkfs.{wanted}? Its agent's log says more"
            )));
        }
        found = file_system(world, minion, &device).await?;
    }
    let Some((kind, uuid)) = found else {
        let text = format!("{minion} shows no file system on {device}, though it was made");
        return Err(Error::new(Kind::Failed, text));
    };
    if let Some(wanted) = place.format.filter(|wanted| *wanted != kind) {
        let text = format!("volume {volume} has the file system {kind} already, not {wanted}");
        return Err(Error::new(Kind::Refused, text)
            .hint("leave --format out to mount what is there; it is never overwritten"));
    }
    let source = format!("UUID={uuid}");
    let kwargs = map! {
        "name" => place.at, "device" => source.as_str(), "fstype" => kind.as_str(), "opts" => OPTIONS,
        "mkmnt" => true, "persist" => true,
    };
    state(world, minion, "mount.mounted", kwargs).await?;
    world.progress.at(key, &format!("{kind} at {}", place.at));
    Ok(json!({"device": device, "file_system": kind, "uuid": uuid, "at": place.at}))
}

/// Takes it out of the tree again, now and at every boot; what is on the volume stays. Only what is known to be the
/// volume's is taken away: something else may be mounted there.
pub(super) async fn unmount(
    world: &mut World<'_>,
    place: &Place<'_>,
    made: Option<&Value>,
) -> Result<()> {
    let known = made.and_then(|made| Some(made.get("uuid")?.as_str()?.to_owned()));
    not_here(world, place.minion, "unmount it there by hand").await?;
    let uuid = match known {
        Some(uuid) => Some(uuid),
        None => on_volume(world, place).await?,
    };
    // Without a file system nothing was mounted.
    let Some(uuid) = uuid else {
        return Ok(());
    };
    let source = format!("UUID={uuid}");
    let kwargs = map! {"name" => place.at, "device" => source.as_str(), "persist" => true};
    state(world, place.minion, "mount.unmounted", kwargs).await
}

/// The UUID of what is on the volume, if its disk is there and something is.
async fn on_volume(world: &mut World<'_>, place: &Place<'_>) -> Result<Option<String>> {
    let volume = world.id(place.volume)?;
    let Some(device) = disk(world, place.minion, &volume).await? else {
        return Ok(None);
    };
    let found = file_system(world, place.minion, &device).await?;
    Ok(found.map(|(_, uuid)| uuid))
}

/// Refuses a directory where something else is mounted, or will be at the next boot.
async fn free(
    world: &mut World<'_>,
    place: &Place<'_>,
    found: Option<&(String, String)>,
) -> Result<()> {
    let ours = found.map(|(_, uuid)| format!("UUID={uuid}"));
    // The table first: it names the file system, where the kernel names the disk of this boot.
    for fun in ["mount.fstab", "mount.active"] {
        let all = ask(world, place.minion, fun, Map::new()).await?;
        let there = all
            .get(place.at)
            .and_then(|line| line.get("device")?.as_str());
        match there {
            None => {}
            Some(device) if Some(device) == ours.as_deref() => return Ok(()),
            Some(device) => {
                let text = format!("{device} is mounted at {} already", place.at);
                return Err(Error::new(Kind::Refused, text).hint("choose another --mount"));
            }
        }
    }
    Ok(())
}

/// Refuses a disk on which something may be, though it is no file system: `blkid` is silent about encrypted data, about
/// contradicting signatures, and about a disk that it cannot read.
async fn empty(world: &mut World<'_>, minion: &str, device: &str) -> Result<()> {
    let looks: [&[&str]; 2] = [
        &["wipefs", "--no-act", device],
        // The first MiB holds nothing but zeros.
        &["cmp", "--bytes=1048576", device, "/dev/zero"],
    ];
    for words in looks {
        let argv = Salt::List(words.iter().map(|word| (*word).into()).collect());
        let kwargs = map! {"cmd" => argv, "python_shell" => false};
        let said = answer(world, minion, "cmd.run_all", kwargs).await?;
        let told = |name: &str| said.value.get(name).map(json_of).unwrap_or_default();
        let (code, stdout) = (told("retcode"), told("stdout"));
        if code != json!(0) || stdout != json!("") {
            let text = format!("{device} has no file system, but it is not empty either");
            let mut error = Error::new(Kind::Refused, text)
                .hint("look what it is, and format it by hand; nothing is overwritten");
            error.causes = vec![format!("{}: {code} {stdout} {}", words[0], told("stderr"))];
            return Err(error);
        }
    }
    Ok(())
}

/// Where disks are by the names that hypervisors give them: QEMU shows the first letters of the volume's id as their
/// serial number.
fn names(volume: &str) -> Vec<String> {
    let short: String = volume.chars().take(20).collect();
    vec![
        format!("/dev/disk/by-id/virtio-{short}"),
        format!("/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{volume}"),
        format!("/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{short}"),
    ]
}

/// The volume's disk on the server, once its kernel shows it.
async fn appeared(world: &mut World<'_>, minion: &str, volume: &str) -> Result<String> {
    let start = Instant::now();
    loop {
        if let Some(name) = disk(world, minion, volume).await? {
            return Ok(name);
        }
        if start.elapsed() >= APPEARS {
            let mut error = Error::new(
                Kind::Failed,
                format!(
                    "{minion} shows no disk of volume {volume} within {}",
                    short(APPEARS)
                ),
            )
            .hint("is the minion the one on this server (--minion-id)? Its `dmesg` says whether a disk came");
            error.causes = names(volume);
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The volume's disk, if the kernel shows it now.
async fn disk(world: &mut World<'_>, minion: &str, volume: &str) -> Result<Option<String>> {
    for name in names(volume) {
        let kwargs = map! {"name" => name.as_str()};
        if ask(world, minion, "file.is_blkdev", kwargs).await? == Salt::Bool(true) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// What file system is on a device, and its UUID.
async fn file_system(
    world: &mut World<'_>,
    minion: &str,
    device: &str,
) -> Result<Option<(String, String)>> {
    // Of an empty disk it says nothing, and with the code of a failure: `blkid` has no other word for it.
    let said = answer(world, minion, "disk.blkid", map! {"device" => device}).await?;
    if said.value.as_map().is_none() {
        return Err(failed(&said, "disk.blkid"));
    }
    let Some(facts) = said.value.as_map().and_then(|all| all.values().next()) else {
        return Ok(None);
    };
    let word = |name: &str| Some(facts.get(name)?.as_str()?.to_owned());
    match (word("TYPE"), word("UUID")) {
        (Some(kind), Some(uuid)) => Ok(Some((kind, uuid))),
        // A partition table, say: nothing that we may write over.
        _ => {
            let text = format!("there is something on {device} that is no file system");
            let mut error = Error::new(Kind::Refused, text)
                .hint("mount what is on it by hand; it is never overwritten");
            error.causes = vec![json_of(facts).to_string()];
            Err(error)
        }
    }
}

async fn answer(world: &mut World<'_>, minion: &str, fun: &str, kwargs: Map) -> Result<Return> {
    let patience = world.patience;
    let mut job = Job::for_ids(&[minion], fun);
    job.kwargs = kwargs;
    let outcome = job::run(world.salt()?, &job, patience, &mut |_| {}).await?;
    outcome
        .of(minion)
        .cloned()
        .ok_or_else(|| Error::new(Kind::Failed, format!("{minion} did not answer {fun}")))
}

/// A function's value, if it did not fail.
async fn ask(world: &mut World<'_>, minion: &str, fun: &str, kwargs: Map) -> Result<Salt> {
    let said = answer(world, minion, fun, kwargs).await?;
    if said.success {
        return Ok(said.value);
    }
    Err(failed(&said, fun))
}

fn failed(said: &Return, fun: &str) -> Error {
    let mut error = Error::new(Kind::Failed, format!("{fun} failed on {}", said.id));
    error.causes = vec![json_of(&said.value).to_string()];
    error
}

/// One state, which must hold then.
async fn state(world: &mut World<'_>, minion: &str, fun: &str, kwargs: Map) -> Result<()> {
    let mut all = map! {"fun" => fun};
    all.extend(kwargs);
    let said = ask(world, minion, "state.single", all).await?;
    let result = said.as_map().and_then(|all| all.values().next());
    if result.and_then(|r| r.get("result")).and_then(Salt::as_bool) == Some(true) {
        return Ok(());
    }
    let why = result
        .and_then(|r| r.get("comment")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| json_of(&said).to_string());
    let mut error = Error::new(Kind::Failed, format!("{fun} failed on {minion}"));
    error.causes = vec![why];
    Err(error)
}
