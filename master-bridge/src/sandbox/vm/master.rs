//! VMs that are salt-masters: a real one, with the VM's folder as its root, on the VM's own address. What the script in
//! its user-data would print to the console is printed for it, since the sandbox runs no scripts.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use salt_wire::crypto::HashType;

use super::super::neutron;
use super::super::request::{list, text};
use super::super::server::Shared;
use super::super::world::World;
use crate::salt::keyfile;

/// A master makes its key within this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether this disk is a master's.
pub(super) fn is_one(disk: &Path) -> bool {
    nonce(disk).is_some()
}

fn nonce(disk: &Path) -> Option<String> {
    let text = fs::read_to_string(disk.join("etc/salt/master-bridge.nonce")).ok()?;
    Some(text.trim().to_owned())
}

fn address(world: &World, id: &str) -> Option<Ipv4Addr> {
    let mut ports = world.all("port").filter(|p| text(p, "device_id") == id);
    let own = ports.find_map(|p| list(p, "fixed_ips").first().cloned())?;
    Some(neutron::local(text(&own, "ip_address").parse().ok()?))
}

/// Starts it, and announces its key once it is there.
pub(super) fn start(shared: &Shared, id: &str, dir: &Path) -> Option<Child> {
    let (program, address) = {
        let world = shared.world();
        (world.config.salt_master.clone(), address(&world, id))
    };
    let (Some(program), Some(address)) = (program, address) else {
        super::say(
            dir,
            "sandbox: no program for salt-masters is named (sandbox up --salt-master)",
        );
        return None;
    };
    match spawn(&program, address, dir) {
        Ok(child) => {
            drop(fs::write(dir.join("pid"), child.id().to_string()));
            let (dir, nonce) = (dir.to_owned(), nonce(&dir.join("disk")).unwrap_or_default());
            tokio::spawn(async move { announce(&dir, &nonce).await });
            Some(child)
        }
        Err(error) => {
            super::say(
                dir,
                &format!("sandbox: {} cannot be started: {error}", program.display()),
            );
            None
        }
    }
}

fn spawn(program: &Path, address: Ipv4Addr, dir: &Path) -> io::Result<Child> {
    let disk = dir.join("disk");
    let (root, etc) = (disk.display(), disk.join("etc/salt"));
    fs::create_dir_all(etc.join("master.d"))?;
    // The sockets' paths must stay short, so they lie beside the disk.
    let settings = format!(
        "# Written by the sandbox at each boot.\nroot_dir: {root}\npki_dir: {root}/etc/salt/pki/master\n\
         conf_file: {root}/etc/salt/master\ndefault_include: master.d/*.conf\ninterface: {address}\n\
         sock_dir: {}\nworker_threads: 3\n",
        dir.join("s").display()
    );
    fs::write(etc.join("master"), settings)?;
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("agent.log"))?;
    Command::new(program)
        .arg("-c")
        .arg(&etc)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
}

async fn announce(dir: &Path, nonce: &str) {
    let keys = dir.join("disk/etc/salt/pki/master");
    let there = async {
        loop {
            if let Ok(key) = keyfile::of_master(&keys) {
                return key.fingerprint(HashType::Sha256).to_string();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    if let Ok(finger) = tokio::time::timeout(PATIENCE, there).await {
        super::say(
            dir,
            &format!("salt-master: fingerprint={finger} nonce={nonce}"),
        );
    }
}
