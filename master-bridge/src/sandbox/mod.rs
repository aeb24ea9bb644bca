//! A cloud to try everything on: the part of Keystone, Nova, Neutron, Glance, Cinder and Heat that the bridge
//! uses, from one process on loopback, with VMs that are local agents.
//!
//! ```text
//! server (HTTP, tokens, faults) → keystone | nova | neutron | glance | cinder | heat → world
//!                                  world.later → ticks,  world.effects → vm (agents, forwards, disks)
//! ```
//!
//! Where it differs from the real services the real ones are right: the same suite runs against both
//! (`make test-openstack`). One more call: an arm in its service's file, and a case in that suite.

mod cinder;
mod faults;
mod glance;
mod heat;
mod keystone;
mod listing;
mod neutron;
mod nova;
mod quota;
mod request;
mod server;
mod vm;
mod wire;
mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub use faults::Fault;
use server::Shared;
use wire::{Door, Scissors};
use world::{Config, Later, World};

/// The project and user that clouds.yaml names first.
pub const CLOUD: &str = "sandbox";

/// How often it looks whether something is due.
const BEAT: Duration = Duration::from_millis(10);

/// What a sandbox is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with all that it keeps.
    pub folder: PathBuf,
    /// The port to listen on; 0 is any.
    pub port: u16,
    /// How long each stage of work takes.
    pub pace: Duration,
    /// The program that plays a VM; without one, VMs are nothing but their documents.
    pub agent: Option<PathBuf>,
    /// The program of VMs that are salt-masters.
    pub salt_master: Option<PathBuf>,
    /// Trouble from the beginning.
    pub faults: Vec<Fault>,
}

/// Serves until SIGTERM or SIGINT; `ready` is told the address when clients may come.
pub async fn serve(options: Options, ready: impl FnOnce(&str)) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut world = World::open(Config {
        folder: options.folder.clone(),
        url: url.clone(),
        pace: options.pace,
        agent: options.agent,
        salt_master: options.salt_master,
    })?;
    vm::end_leftovers(&world);
    if world.is_new() {
        seed(&mut world)?;
    } else {
        nova::resume(&mut world);
        cinder::resume(&mut world);
        heat::resume(&mut world);
        world.effect(world::Effect::Forwards);
    }
    for fault in options.faults {
        world.faults.add(fault);
    }
    world.save()?;
    let shared = Shared::new(world);
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let app = server::router(shared.clone()).into_make_service_with_connect_info::<Scissors>();
    let service = axum::serve(Door(listener), app);
    ready(&url);
    let mut runner = vm::Runner::new(shared.clone());
    tokio::select! {
        served = service => return served,
        never = beat(&shared, &mut runner) => match never {},
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    runner.end().await;
    shared.world().save()
}

/// Does what is due, for ever.
async fn beat(shared: &Shared, runner: &mut vm::Runner) -> std::convert::Infallible {
    loop {
        drop(tokio::time::timeout(BEAT, shared.work.notified()).await);
        let effects: Vec<_> = {
            let mut world = shared.world();
            for what in world.due() {
                tick(&mut world, &what);
            }
            if let Err(error) = world.save() {
                tracing::error!(%error, "The sandbox cannot write its state.");
            }
            std::iter::from_fn(|| world.next_effect()).collect()
        };
        for effect in effects {
            runner.carry_out(effect).await;
        }
    }
}

fn tick(world: &mut World, what: &Later) {
    match what {
        Later::Server(id) => nova::tick(world, id),
        Later::Volume(id) => cinder::tick(world, id),
        Later::Stack(id) => heat::tick(world, id),
        Later::Image(id) => glance::imported(world, id, true),
    }
}

fn seed(world: &mut World) -> io::Result<()> {
    let demo = keystone::seed(world);
    nova::seed(world);
    glance::seed(world, &demo)?;
    neutron::seed(world, &demo).map_err(|r| io::Error::other(r.message))
}

/// How much there is of everything.
fn census(world: &World) -> Value {
    let kinds = [
        "server",
        "port",
        "floatingip",
        "network",
        "subnet",
        "router",
        "security_group",
        "image",
        "volume",
        "snapshot",
        "keypair",
        "server_group",
        "stack",
    ];
    let counts: serde_json::Map<String, Value> = kinds
        .iter()
        .map(|kind| ((*kind).to_owned(), json!(world.all(kind).count())))
        .collect();
    Value::Object(counts)
}

/// The clouds.yaml that leads to a sandbox at this address: `sandbox` for work, `sandbox-admin` for quotas.
pub fn clouds_yaml(url: &str) -> String {
    let cloud = |name: &str, user: &str| {
        format!(
            "  {name}:\n    auth:\n      auth_url: {url}/identity/v3\n      username: {user}\n      password: {}\n      \
             project_name: {user}\n      user_domain_name: Default\n      project_domain_name: Default\n    \
             region_name: {}\n    identity_api_version: 3\n",
            keystone::PASSWORD,
            keystone::REGION,
        )
    };
    format!(
        "clouds:\n{}{}",
        cloud(CLOUD, "demo"),
        cloud(&format!("{CLOUD}-admin"), "admin")
    )
}

/// The file that leads to a running sandbox.
pub fn clouds_file(folder: &Path) -> PathBuf {
    folder.join("clouds.yaml")
}
