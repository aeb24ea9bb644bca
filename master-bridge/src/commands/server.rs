//! `server`: the project's servers, joined with what the master knows about their minions.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use salt_wire::Value;
use serde_json::json;

use super::{open, patience, short};
use crate::cli::Global;
use crate::cloud::server::{OP, ROLE, Server};
use crate::cloud::{Client, Selection};
use crate::error::Result;
use crate::fleet::look::ask_all;
use crate::output::Output;
use crate::salt::keys::{Key, KeyState, all};

/// The commands about servers.
#[derive(Debug, Subcommand)]
pub enum Servers {
    /// List servers with their minions: addresses, image, key, whether they answer, their master
    #[command(
        after_help = "Examples:\n  master-bridge server list\n  master-bridge server list --no-salt -o json\n  master-bridge server list --troubled"
    )]
    List(List),
    /// Show a server
    #[command(after_help = "Example:\n  master-bridge server show app2")]
    Show(Show),
    /// Print the console of a server
    #[command(after_help = "Example:\n  master-bridge server console app2 --lines 20")]
    Console(Console),
}

/// Arguments of `server list`.
#[derive(Debug, Args)]
pub struct List {
    /// Do not ask the master
    #[arg(long)]
    no_salt: bool,
    /// Only those with trouble: not active, no accepted key, no answer
    #[arg(long, conflicts_with = "no_salt")]
    troubled: bool,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `server show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Its name, id or address
    server: String,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `server console`.
#[derive(Debug, Args)]
pub struct Console {
    /// Its name, id or address
    server: String,
    /// Only so many of the last lines
    #[arg(long, value_name = "NUMBER")]
    lines: Option<u32>,
    #[command(flatten)]
    cloud: Selection,
}

impl Servers {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(&args, global, output).await,
            Self::Show(args) => show(&args, output).await,
            Self::Console(args) => console(&args, output).await,
        }
    }
}

/// What the master knows about one minion.
#[derive(Debug, Clone, Default, PartialEq)]
struct Minion {
    key: Option<KeyState>,
    answers: Option<bool>,
    master: Option<String>,
}

impl Minion {
    fn of(
        id: &str,
        keys: &[Key],
        alive: &crate::salt::job::Outcome,
        facts: &crate::salt::job::Outcome,
    ) -> Self {
        let key = keys.iter().find(|k| k.id == id).map(|k| k.state);
        let asked = key == Some(KeyState::Accepted);
        Self {
            key,
            answers: asked.then(|| alive.good(id).is_some()),
            master: facts
                .good(id)
                .and_then(|all| Some(all.get("master")?.as_str()?.to_owned())),
        }
    }
}

async fn list(args: &List, global: &Global, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let mut servers = cloud.servers().await?;
    servers.sort_by(|a, b| (&a.name, &a.created).cmp(&(&b.name, &b.created)));
    let images: BTreeMap<String, String> = cloud
        .images()
        .await?
        .into_iter()
        .map(|image| (image.id.clone(), image.name.unwrap_or(image.id)))
        .collect();
    let minions = if args.no_salt {
        BTreeMap::new()
    } else {
        minions(&servers, global, output).await
    };
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for server in &servers {
        let minion = minions.get(&server.name).cloned().unwrap_or_default();
        let well = server.status == "ACTIVE" && minion.answers == Some(true);
        if args.troubled && well {
            continue;
        }
        let image = server
            .image_id()
            .map_or("(volume)", |id| images.get(id).map_or(id, String::as_str));
        let addresses: Vec<&str> = server
            .addresses
            .values()
            .flatten()
            .map(|a| a.addr.as_str())
            .collect();
        let life = match minion.answers {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        rows.push(vec![
            server.name.clone(),
            state(server),
            addresses.join(" "),
            server.flavor.original_name.clone(),
            image.to_owned(),
            minion.key.map_or("-", KeyState::name).to_owned(),
            life.to_owned(),
            minion.master.clone().unwrap_or_else(|| "-".into()),
            server.id.clone(),
        ]);
        documents.push(json!({
            "id": server.id, "name": server.name, "status": server.status, "task_state": server.task_state,
            "addresses": server.addresses, "flavor": server.flavor.original_name, "image": image,
            "created": server.created, "operation": server.metadata.get(OP), "role": server.metadata.get(ROLE),
            "minion": {
                "key": minion.key.map(KeyState::name), "answers": minion.answers, "master": minion.master,
            },
        }));
    }
    output.list(
        &format!("no servers in {}", cloud.name()),
        &[
            "name",
            "status",
            "addresses",
            "flavor",
            "image",
            "key",
            "answers",
            "master",
            "id",
        ],
        &rows,
    );
    output.document(&json!({"cloud": cloud.name(), "servers": documents}));
    Ok(ExitCode::SUCCESS)
}

/// The state for people, with what is being done to it and what it is in an operation.
fn state(server: &Server) -> String {
    let mut text = server.status.clone();
    if let Some(task) = &server.task_state {
        text.push_str(&format!(" {task}"));
    }
    if let Some(role) = server.metadata.get(ROLE) {
        text.push_str(&format!(" ({role})"));
    }
    text
}

/// What the master knows, by minion id, which is the server's name; without a master it is said, and is no error.
async fn minions(servers: &[Server], global: &Global, output: &Output) -> BTreeMap<String, Minion> {
    match ask(servers, global).await {
        Ok(minions) => minions,
        Err(error) => {
            output.warn(&format!(
                "nothing is known about minions: {error} (--no-salt does not ask)"
            ));
            BTreeMap::new()
        }
    }
}

async fn ask(servers: &[Server], global: &Global) -> Result<BTreeMap<String, Minion>> {
    let mut master = open(global).await?;
    let keys = all(&mut *master).await?;
    let accepted: Vec<&str> = servers
        .iter()
        .map(|s| s.name.as_str())
        .filter(|name| {
            keys.iter()
                .any(|k| k.id == *name && k.state == KeyState::Accepted)
        })
        .collect();
    let patience = short(patience(global, &*master));
    let alive = ask_all(&mut *master, &accepted, "test.ping", &[], patience).await?;
    let answering: Vec<&str> = alive
        .returns
        .iter()
        .filter(|r| r.value == Value::Bool(true))
        .map(|r| r.id.as_str())
        .collect();
    let facts = ask_all(
        &mut *master,
        &answering,
        "grains.item",
        &["master"],
        patience,
    )
    .await?;
    let each = servers.iter().map(|server| {
        let minion = Minion::of(&server.name, &keys, &alive, &facts);
        (server.name.clone(), minion)
    });
    Ok(each.collect())
}

async fn show(args: &Show, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let server = cloud.server_of(&args.server).await?;
    let ports = cloud.ports_of(&server.id).await?;
    let ips = cloud.floating_ips().await?;
    let leading: Vec<_> = ips
        .iter()
        .filter(|ip| {
            ip.port_id
                .as_ref()
                .is_some_and(|id| ports.iter().any(|p| p.id == *id))
        })
        .collect();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let list = |words: Vec<String>| {
        if words.is_empty() {
            "-".to_owned()
        } else {
            words.join(", ")
        }
    };
    let mut rows = vec![
        row("id", server.id.clone()),
        row("name", server.name.clone()),
        row("status", state(&server)),
        row("created", server.created.clone()),
        row("flavor", server.flavor.original_name.clone()),
        row("image", server.image_id().unwrap_or("(volume)").to_owned()),
        row(
            "keypair",
            server.key_name.clone().unwrap_or_else(|| "-".into()),
        ),
    ];
    for port in &ports {
        let fixed = port
            .fixed_ips
            .iter()
            .map(|ip| ip.ip_address.clone())
            .collect();
        rows.push(row(
            "port",
            format!("{} {} {}", port.id, port.status, list(fixed)),
        ));
    }
    for ip in &leading {
        let to = ip.fixed_ip_address.clone().unwrap_or_default();
        rows.push(row(
            "floating IP",
            format!("{} to {to}", ip.floating_ip_address),
        ));
    }
    for (name, value) in &server.metadata {
        rows.push(row(&format!("metadata {name}"), value.clone()));
    }
    for volume in &server.volumes_attached {
        rows.push(row("volume", volume.id.clone()));
    }
    if let Some(fault) = &server.fault {
        rows.push(row("fault", fault.message.clone()));
    }
    output.table(&["field", "value"], &rows);
    output.document(&json!({"server": server, "ports": ports, "floating_ips": leading}));
    Ok(ExitCode::SUCCESS)
}

async fn console(args: &Console, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let server = cloud.server_of(&args.server).await?;
    let text = cloud.console(&server.id, args.lines).await?;
    output.data(text.trim_end());
    output.document(&json!({"id": server.id, "output": text}));
    Ok(ExitCode::SUCCESS)
}
