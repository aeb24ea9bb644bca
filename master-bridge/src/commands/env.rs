//! `env`: environments as files say that they should be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::boot::{free, only_external};
use super::vm_shape::fits;
use super::vm_work::{MasterFacts, Rules, Wish, carry_out, master, plan_of, text_of};
use crate::cli::Global;
use crate::cloud::resolve::pick;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudStep;
use crate::vms::env::{Have, Shapes, Spec, down, up};
use crate::vms::user_data::{self, Facts, render};

/// The commands about environments.
#[derive(Debug, Subcommand)]
pub enum Envs {
    /// Show what `up` would do
    #[command(after_help = "Example:\n  master-bridge env plan ci.toml")]
    Plan(One),
    /// Make an environment as its file says; a second time changes nothing, another count adds or drains
    #[command(
        after_help = "Examples:\n  master-bridge env up ci.toml --dry-run\n  master-bridge env up ci.toml"
    )]
    Up(Change),
    /// Remove an environment with its minions' keys: all that `up` made, and nothing else
    #[command(
        after_help = "Examples:\n  master-bridge env down ci.toml --dry-run\n  master-bridge env down ci.toml"
    )]
    Down(Change),
    /// Show what there is of an environment
    #[command(after_help = "Example:\n  master-bridge env show ci.toml")]
    Show(One),
}

/// Which environment.
#[derive(Debug, Args)]
pub struct One {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    cloud: Selection,
}

/// Which environment, and how it is changed.
#[derive(Debug, Args)]
pub struct Change {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    rules: Rules,
}

impl Envs {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::Plan(one) => {
                let global = Global {
                    dry_run: true,
                    ..global.clone()
                };
                raise(&one, &Rules::default(), &global, output).await
            }
            Self::Up(change) => raise(&change.one, &change.rules, global, output).await,
            Self::Down(change) => remove(&change, global, output).await,
            Self::Show(one) => show(&one, output).await,
        }
    }
}

async fn read(one: &One) -> Result<(Spec, Client, Have)> {
    let spec = Spec::of(&text_of(&one.file)?).map_err(|mut error| {
        error.message = format!("{}: {}", one.file.display(), error.message);
        error
    })?;
    let cloud = Client::connect(&one.cloud).await?;
    let have = Have::look(&spec.name, &cloud).await?;
    Ok((spec, cloud, have))
}

async fn raise(one: &One, rules: &Rules, global: &Global, output: &Output) -> Result<ExitCode> {
    let (spec, cloud, have) = read(one).await?;
    have.is_free()?;
    let shapes = shapes(&spec, &have, &cloud, global).await?;
    let steps = up(&spec, &have, &shapes)?;
    if steps.is_empty() {
        output.say(&format!("{} is as its file says: nothing to do", spec.name));
        output.document(&json!({"result": "nothing", "environment": spec.name, "steps": []}));
        return Ok(ExitCode::SUCCESS);
    }
    let gone = steps.iter().filter(|s| s.what.is_final()).count();
    let title = format!("bring up the environment {}", spec.name);
    let question = match gone {
        0 => format!("{title} in {}", cloud.name()),
        many => format!(
            "{title} in {}; {many} things of it are removed for good",
            cloud.name()
        ),
    };
    carry(
        ("env up", title, question),
        steps,
        &spec,
        (&cloud, rules),
        global,
        output,
    )
    .await
}

async fn carry(
    (command, title, question): (&'static str, String, String),
    steps: Vec<CloudStep>,
    spec: &Spec,
    (cloud, rules): (&Client, &Rules),
    global: &Global,
    output: &Output,
) -> Result<ExitCode> {
    let subjects = vec![format!("environment {}", spec.name)];
    let wish = Wish {
        command,
        plan: plan_of(title, cloud, subjects, steps),
        question,
        rules,
    };
    carry_out(wish, cloud, global, output).await
}

/// What the file's words mean in this cloud, looked at before anything is made.
async fn shapes(spec: &Spec, have: &Have, cloud: &Client, global: &Global) -> Result<Shapes> {
    let mut shapes = Shapes::default();
    let networks = cloud.networks().await?;
    if let Some(word) = &spec.network.existing {
        shapes.network = Some(pick(networks.clone(), word)?.id);
    }
    if let Some(word) = &spec.external {
        let id = match word.as_str() {
            "auto" => only_external(cloud).await?,
            word => pick(networks, word)?.id,
        };
        shapes.external = Some(id);
    }
    let (images, flavors, mut limits) = (
        cloud.images().await?,
        cloud.flavors().await?,
        cloud.limits().await?,
    );
    let mut facts: Option<MasterFacts> = None;
    let servers = cloud.servers().await?;
    for (role, of) in &spec.server {
        let image = pick(images.clone(), &of.image)?;
        let flavor = pick(flavors.clone(), &of.flavor)?;
        fits(&image, &flavor, None)?;
        let new: Vec<String> = spec
            .names(role, of)
            .into_iter()
            .filter(|name| have.servers.iter().all(|s| s.name != *name))
            .collect();
        limits.allow(u64::try_from(new.len()).unwrap_or(u64::MAX), &flavor)?;
        limits.take(u64::try_from(new.len()).unwrap_or(u64::MAX), &flavor);
        shapes.roles.insert(role.clone(), (image.id, flavor.id));
        for name in new {
            if let Some(other) = servers.iter().find(|s| s.name == name) {
                let text = format!(
                    "there is a server {name} ({}) that is not of this environment",
                    other.id
                );
                return Err(Error::new(Kind::Refused, text).hint("rename it, or the environment"));
            }
            if of.master {
                let text = user_data::master(None, None)?;
                shapes.user_data.insert(name, text);
                continue;
            }
            if !of.minion {
                continue;
            }
            if facts.is_none() {
                facts = Some(master(spec.master.as_deref(), global).await?);
            }
            if let Some(facts) = &mut facts {
                free(facts, &name).await?;
                shapes
                    .user_data
                    .insert(name.clone(), user_data(facts, &name, &of.grains)?);
            }
        }
    }
    Ok(shapes)
}

fn user_data(facts: &MasterFacts, name: &str, grains: &BTreeMap<String, String>) -> Result<String> {
    let facts = Facts {
        master: facts.address.clone(),
        finger: facts.finger.clone(),
        master_port: facts.ret_port,
        publish_port: facts.publish_port,
        id: name.to_owned(),
        grains: grains.clone(),
        token: false,
    };
    render(&facts, None)
}

async fn remove(change: &Change, global: &Global, output: &Output) -> Result<ExitCode> {
    let (spec, cloud, have) = read(&change.one).await?;
    have.is_free()?;
    if have.is_empty() {
        output.say(&format!("of {} nothing is there: nothing to do", spec.name));
        output.document(&json!({"result": "nothing", "environment": spec.name, "steps": []}));
        return Ok(ExitCode::SUCCESS);
    }
    let steps = down(&have);
    let title = format!("remove the environment {}", spec.name);
    let servers: Vec<&str> = have.servers.iter().map(|s| s.name.as_str()).collect();
    let question = format!(
        "{title} in {}: {} things for good, among them {} servers ({})",
        cloud.name(),
        steps.len(),
        servers.len(),
        servers.join(", ")
    );
    carry(
        ("env down", title, question),
        steps,
        &spec,
        (&cloud, &change.rules),
        global,
        output,
    )
    .await
}

async fn show(one: &One, output: &Output) -> Result<ExitCode> {
    let (spec, _, have) = read(one).await?;
    let rows = have.rows();
    let things: Vec<Value> = rows
        .iter()
        .map(|row| json!({"kind": row[0], "name": row[1], "about": row[2], "id": row[3]}))
        .collect();
    output.list(
        &format!("of {} nothing is there", spec.name),
        &["kind", "name", "about", "id"],
        &rows,
    );
    output.document(&json!({"environment": spec.name, "things": things}));
    Ok(ExitCode::SUCCESS)
}
