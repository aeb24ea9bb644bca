//! The VMs: each is an agent on this machine, with a folder as its disk.
//!
//! ```text
//! vm/ID/disk            its root directory, laid out by image and user-data
//! vm/ID/console.log     what nova console-log shows
//! vm/ID/config-drive    openstack/latest/…, if the server asked for one
//! vm/ID/agent.log       what the agent logs
//! ```
//!
//! [`Runner`] does one thing after the other for each VM, and for all VMs side by side.

mod disk;
mod forward;
mod master;
pub(super) mod metadata;
pub(super) mod userdata;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::request::text;
use super::server::Shared;
use super::world::{Effect, World};
use super::{glance, neutron, nova};

/// How long an agent has to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a VM looks whether its agent still runs.
const LOOK: Duration = Duration::from_millis(250);
/// Orders that a VM may have waiting.
const QUEUE: usize = 64;

/// The file that stands for a VM's serial console.
pub(super) fn console_file(dir: &Path) -> PathBuf {
    dir.join("console.log")
}

/// Carries out what the world orders on this machine.
pub(super) struct Runner {
    shared: Shared,
    machines: HashMap<String, mpsc::Sender<Effect>>,
    tasks: JoinSet<()>,
    forwards: forward::Forwards,
}

impl Runner {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared,
            machines: HashMap::new(),
            tasks: JoinSet::new(),
            forwards: forward::Forwards::default(),
        }
    }

    /// Does one thing, or gives it to the VM that it concerns.
    pub(super) async fn carry_out(&mut self, effect: Effect) {
        let id = match &effect {
            Effect::Start(id) | Effect::Stop(id) | Effect::Remove(id) | Effect::Rebuild(id) => {
                id.clone()
            }
            Effect::Snapshot { server, .. } => server.clone(),
            Effect::Forwards => {
                let wanted = neutron::forwards(&self.shared.world());
                self.forwards.become_these(wanted).await;
                return;
            }
            Effect::Download { image, url } => {
                let (shared, image, url) = (self.shared.clone(), image.clone(), url.clone());
                self.tasks.spawn(async move {
                    let path = shared.world().image_file(&image);
                    let written = disk::download(&url, &path).await;
                    if let Err(error) = &written {
                        tracing::warn!(%url, %error, "The image could not be downloaded.");
                    }
                    let mut world = shared.world();
                    glance::imported(&mut world, &image, written.is_ok());
                });
                return;
            }
        };
        let gone = matches!(effect, Effect::Remove(_));
        let shared = &self.shared;
        let tasks = &mut self.tasks;
        let sender = self.machines.entry(id.clone()).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            tasks.spawn(machine(shared.clone(), id.clone(), receiver));
            sender
        });
        if sender.try_send(effect).is_err() {
            tracing::error!(server = id, "The VM has too much to do.");
        }
        if gone {
            self.machines.remove(&id);
        }
        // What is over needs no place.
        while self.tasks.try_join_next().is_some() {}
    }

    /// Ends all VMs; their disks stay.
    pub(super) async fn end(mut self) {
        self.machines.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        drop(timeout(PATIENCE * 2, all).await);
    }
}

/// One VM: its orders in turn, and its agent kept alive between them.
async fn machine(shared: Shared, id: String, mut orders: mpsc::Receiver<Effect>) {
    let dir = shared.world().vm_dir(&id);
    let mut agent: Option<Child> = None;
    let mut wanted = false;
    loop {
        let order = match timeout(LOOK, orders.recv()).await {
            Ok(Some(order)) => order,
            Ok(None) => break,
            Err(_) => {
                // As the unit has it (Restart=on-failure): an agent that was told to end stays so.
                let failed = agent.as_mut().is_some_and(|a| match a.try_wait() {
                    Ok(None) => false,
                    Ok(Some(status)) => !status.success(),
                    Err(_) => true,
                });
                if wanted && failed {
                    say(&dir, "salt-agent.service: ended, and is started again");
                    agent = start(&shared, &id, &dir);
                }
                continue;
            }
        };
        match order {
            Effect::Start(_) if agent.is_none() => {
                wanted = true;
                if let Err(error) = boot(&shared, &id, &dir).await {
                    say(&dir, &format!("cloud-init: failed: {error}"));
                }
                agent = start(&shared, &id, &dir);
            }
            Effect::Stop(_) => {
                wanted = false;
                end(&mut agent).await;
            }
            Effect::Rebuild(_) => {
                wanted = false;
                end(&mut agent).await;
                drop(fs::remove_dir_all(dir.join("disk")));
            }
            Effect::Remove(_) => {
                end(&mut agent).await;
                drop(fs::remove_dir_all(&dir));
                return;
            }
            Effect::Snapshot { image, .. } => {
                let target = shared.world().image_file(&image);
                let source = dir.join("disk");
                let written =
                    tokio::task::spawn_blocking(move || disk::pack(&source, &target)).await;
                let good = matches!(written, Ok(Ok(())));
                let mut world = shared.world();
                nova::snapshot_taken(&mut world, &id, &image, good);
                if let Err(error) = world.save() {
                    tracing::error!(%error, "The sandbox cannot write its state.");
                }
            }
            _ => {}
        }
    }
    end(&mut agent).await;
}

/// Lays out the disk where this instance has not been started before: image first, then user-data.
async fn boot(shared: &Shared, id: &str, dir: &Path) -> std::io::Result<()> {
    let (server, image, plan) = {
        let world = shared.world();
        let server = world.one("server", id).cloned().unwrap_or_default();
        let image = server["_image"]
            .as_str()
            .map(|image| world.image_file(image));
        let plan = metadata::documents(&world, id);
        (server, image, plan)
    };
    let disk = dir.join("disk");
    fs::create_dir_all(dir)?;
    say(
        dir,
        &format!("sandbox: {} ({id}) boots", text(&server, "name")),
    );
    if !disk.exists() {
        let (target, source) = (disk.clone(), image);
        tokio::task::spawn_blocking(move || disk::unpack(source.as_deref(), &target))
            .await
            .map_err(std::io::Error::other)??;
    }
    if text(&server, "config_drive") == "True" {
        metadata::write_drive(&dir.join("config-drive"), &plan)?;
    }
    let instance = disk.join("var/lib/cloud/data/instance-id");
    let known = fs::read_to_string(&instance).unwrap_or_default();
    if known.trim() != id {
        let hostname = text(&server, "name").to_owned();
        let notes = userdata::apply(&disk, &hostname, text(&server, "_user_data"))?;
        for note in notes {
            say(dir, &format!("cloud-init: {note}"));
        }
        if let Some(parent) = instance.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&instance, id)?;
    }
    let url = shared.world().config.url.clone();
    disk::settings(
        dir,
        &format!("{url}/metadata/{id}"),
        text(&server, "config_drive") == "True",
    )
}

fn start(shared: &Shared, id: &str, dir: &Path) -> Option<Child> {
    if master::is_one(&dir.join("disk")) {
        return master::start(shared, id, dir);
    }
    let program = shared.world().config.agent.clone()?;
    let config = dir.join("disk/etc/salt");
    if !userdata::is_configured(&config) {
        say(
            dir,
            "sandbox: no master is named, salt-agent is not started",
        );
        return None;
    }
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("agent.log"));
    let started = log.and_then(|log| {
        Command::new(&program)
            .arg("run")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
    });
    match started {
        Ok(child) => {
            drop(fs::write(dir.join("pid"), child.id().to_string()));
            Some(child)
        }
        Err(error) => {
            tracing::error!(server = id, program = %program.display(), %error, "The VM cannot be started.");
            say(
                dir,
                &format!("sandbox: {} cannot be started: {error}", program.display()),
            );
            None
        }
    }
}

async fn end(agent: &mut Option<Child>) {
    let Some(mut child) = agent.take() else {
        return;
    };
    let Ok(pid) = i32::try_from(child.id()).map(Pid::from_raw) else {
        return;
    };
    kill(pid, Signal::SIGTERM).ok();
    let until = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() <= until {
        sleep(Duration::from_millis(10)).await;
    }
    // Nothing runs on a VM that is off: a salt-master leaves a process of its own behind, of the same group.
    killpg(pid, Signal::SIGKILL).ok();
    drop(child.wait());
}

/// A line on the console.
fn say(dir: &Path, line: &str) {
    let file = fs::File::options()
        .create(true)
        .append(true)
        .open(console_file(dir));
    // A console that cannot be written is no reason not to boot.
    drop(file.and_then(|mut file| writeln!(file, "{line}\r")));
}

/// Ends agents that an earlier sandbox of this folder left behind when it was killed.
pub(super) fn end_leftovers(world: &World) {
    let Ok(entries) = fs::read_dir(world.config.folder.join("vm")) else {
        return;
    };
    for dir in entries.filter_map(|e| Some(e.ok()?.path())) {
        let file = dir.join("pid");
        let pid = fs::read_to_string(&file)
            .ok()
            .and_then(|p| p.trim().parse::<i32>().ok());
        let Some(pid) = pid else {
            continue;
        };
        // The number may be another's by now: its command line must name this disk.
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let disk = dir.join("disk").display().to_string();
        if String::from_utf8_lossy(&command).contains(&disk) {
            killpg(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        drop(fs::remove_file(file));
    }
}
