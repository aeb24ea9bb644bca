//! `volume`: volumes made, attached, detached, snapshot, removed; each waited for.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::vm_work::{Rules, Wish, carry_out, plan_of};
use crate::cli::Global;
use crate::cloud::{Client, Selection, Volume};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudStep;
use crate::plan::cloud::{Ref, What};
use crate::plan::thing::{Gone, Thing};

/// Whose the things are that are made here.
const OWNER: &str = "master-bridge";
/// A minion that is to mount a volume answers within so many seconds.
const ANSWER: u64 = 60;

/// The commands about volumes.
#[derive(Debug, Subcommand)]
pub enum Volumes {
    /// List volumes, and where they are attached
    #[command(
        after_help = "Examples:\n  master-bridge volume list\n  master-bridge volume list --snapshots"
    )]
    List(List),
    /// Make a volume, and attach it if you say where
    #[command(
        after_help = "Examples:\n  master-bridge volume create data --size 20\n  master-bridge volume create data --size 20 --attach app2 --format ext4 --mount /srv/data"
    )]
    Create(Create),
    /// Attach a volume to a server
    #[command(
        after_help = "Examples:\n  master-bridge volume attach data --to app2\n  master-bridge volume attach data --to app2 --format ext4 --mount /srv/data"
    )]
    Attach(Attach),
    /// Take a volume off its server; unmount it there before
    #[command(after_help = "Example:\n  master-bridge volume detach data")]
    Detach(Detach),
    /// Snapshot a volume
    #[command(
        after_help = "Example:\n  master-bridge volume snapshot data --name data-before-upgrade"
    )]
    Snapshot(Snapshot),
    /// Remove a volume with what is on it
    #[command(after_help = "Example:\n  master-bridge volume delete data")]
    Delete(Delete),
}

/// Arguments of `volume list`.
#[derive(Debug, Args)]
pub struct List {
    /// Snapshots of volumes instead
    #[arg(long)]
    snapshots: bool,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `volume create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: String,
    /// GiB
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u64).range(1..))]
    size: u64,
    /// Its type
    #[arg(long = "type", value_name = "TYPE")]
    volume_type: Option<String>,
    /// The volume snapshot that it is made of, by name or id
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    /// Attach it to this server, by name, id or address
    #[arg(long, value_name = "SERVER")]
    attach: Option<String>,
    #[command(flatten)]
    using: Using,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `volume attach`.
#[derive(Debug, Args)]
pub struct Attach {
    /// The volume, by name or id
    volume: String,
    /// The server, by name, id or address
    #[arg(long, value_name = "SERVER")]
    to: String,
    #[command(flatten)]
    using: Using,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// What the server is to do with a volume that it gets.
#[derive(Debug, Args)]
struct Using {
    /// Have the server's minion mount it there, now and at every boot
    #[arg(long, value_name = "DIRECTORY", value_parser = directory)]
    mount: Option<String>,
    /// The file system that an empty volume gets before; what is on a volume is never overwritten
    #[arg(long, requires = "mount", value_parser = ["ext4", "xfs", "btrfs"])]
    format: Option<String>,
    /// The minion id [default: the server's name]
    #[arg(long, value_name = "ID", requires = "mount")]
    minion_id: Option<String>,
}

/// A line of fstab has its fields between blanks.
fn directory(text: &str) -> std::result::Result<String, String> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '#' && c != '\\';
    let part = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(plain);
    match text.strip_prefix('/') {
        Some(rest) if rest.split('/').all(part) => Ok(text.to_owned()),
        _ => Err("a directory's whole path, without blanks, dots or a slash at its end".to_owned()),
    }
}

impl Using {
    /// The steps around the one that attaches it: nobody attaches what nobody can mount.
    fn around(&self, server: &str, volume: Ref, attach: CloudStep) -> Vec<CloudStep> {
        let Some(at) = &self.mount else {
            return vec![attach];
        };
        let minion = self.minion_id.clone().unwrap_or_else(|| server.to_owned());
        let ping = What::Ping {
            minion: minion.clone(),
            within: ANSWER,
        };
        let mount = What::Mount {
            minion,
            volume,
            format: self.format.clone(),
            at: at.clone(),
        };
        vec![
            CloudStep::new("ping", ping),
            attach,
            CloudStep::new("mount", mount),
        ]
    }
}

/// Arguments of `volume detach`.
#[derive(Debug, Args)]
pub struct Detach {
    /// The volume, by name or id
    volume: String,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `volume snapshot`.
#[derive(Debug, Args)]
pub struct Snapshot {
    /// The volume, by name or id
    volume: String,
    /// The snapshot's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Although it is in use: what its server has not written yet is not in it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `volume delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// The volume, by name or id
    volume: String,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

impl Volumes {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(&args, output).await,
            Self::Create(args) => args.run(global, output).await,
            Self::Attach(args) => args.run(global, output).await,
            Self::Detach(args) => args.run(global, output).await,
            Self::Snapshot(args) => args.run(global, output).await,
            Self::Delete(args) => args.run(global, output).await,
        }
    }
}

async fn list(args: &List, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    if args.snapshots {
        let all = cloud.volume_snapshots().await?;
        let rows: Vec<_> = all
            .iter()
            .map(|s| {
                let name = s.name.clone().unwrap_or_else(|| "-".into());
                vec![
                    name,
                    s.status.clone(),
                    s.size.to_string(),
                    s.volume_id.clone(),
                    s.id.clone(),
                ]
            })
            .collect();
        output.table(&["name", "status", "gib", "of volume", "id"], &rows);
        output.document(&json!({"cloud": cloud.name(), "snapshots": all}));
        return Ok(ExitCode::SUCCESS);
    }
    let (all, servers) = (cloud.volumes().await?, cloud.servers().await?);
    let rows: Vec<_> = all
        .iter()
        .map(|v| {
            let places = v.attachments.iter().map(|a| {
                let server = servers.iter().find(|s| s.id == a.server_id);
                let name = server.map_or(a.server_id.as_str(), |s| s.name.as_str());
                format!("{name} {}", a.device.as_deref().unwrap_or("-"))
            });
            let places: Vec<String> = places.collect();
            let name = v
                .name
                .clone()
                .filter(|n| !n.is_empty())
                .unwrap_or_else(|| "-".into());
            vec![
                name,
                v.status.clone(),
                v.size.to_string(),
                places.join(", "),
                v.id.clone(),
            ]
        })
        .collect();
    output.list(
        &format!("no volumes in {}", cloud.name()),
        &["name", "status", "gib", "attached to", "id"],
        &rows,
    );
    output.document(&json!({"cloud": cloud.name(), "volumes": all}));
    Ok(ExitCode::SUCCESS)
}

fn make(key: &str, thing: Thing) -> CloudStep {
    CloudStep::new(
        key,
        What::Make {
            thing,
            owner: OWNER.into(),
        },
    )
}

/// Refuses a volume that is on a server.
fn free(volume: &Volume) -> Result<()> {
    let Some(at) = volume.attachments.first() else {
        return Ok(());
    };
    let text = format!(
        "volume {} is on server {}",
        volume.name.as_deref().unwrap_or(&volume.id),
        at.server_id
    );
    Err(Error::new(Kind::Refused, text).hint(format!(
        "`master-bridge volume detach {}` takes it off",
        volume.id
    )))
}

impl Create {
    async fn run(&self, global: &Global, output: &Output) -> Result<ExitCode> {
        let cloud = Client::connect(&self.cloud).await?;
        let snapshot = match &self.snapshot {
            Some(word) => {
                let found = cloud.volume_snapshot_of(word).await?;
                if found.size > self.size {
                    let text = format!(
                        "the snapshot {word} has {} GiB, and the volume is to have {}",
                        found.size, self.size
                    );
                    return Err(Error::new(Kind::Refused, text)
                        .hint("a volume is at least as large as its snapshot"));
                }
                Some(found.id)
            }
            None => None,
        };
        let thing = Thing::Volume {
            name: self.name.clone(),
            size: self.size,
            volume_type: self.volume_type.clone(),
            snapshot,
        };
        if self.using.mount.is_some() && self.attach.is_none() {
            return Err(
                Error::new(Kind::Usage, "--mount on which server?").hint("name it with --attach")
            );
        }
        let mut steps = vec![make("volume", thing)];
        let mut subjects = vec![format!("volume {}", self.name)];
        let mut title = format!("make the volume {}", self.name);
        if let Some(word) = &self.attach {
            let server = cloud.server_of(word).await?;
            title.push_str(&format!(" and attach it to {}", server.name));
            subjects.push(format!("server {}", server.id));
            let volume = Ref::Step("volume".into());
            let thing = Thing::Attachment {
                server: Ref::Id(server.id),
                volume: volume.clone(),
            };
            let attach = make("attachment", thing);
            steps.extend(self.using.around(&server.name, volume, attach));
        }
        let wish = Wish {
            command: "volume create",
            question: format!("{title} in {}", cloud.name()),
            plan: plan_of(title, &cloud, subjects, steps),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}

impl Attach {
    async fn run(&self, global: &Global, output: &Output) -> Result<ExitCode> {
        let cloud = Client::connect(&self.cloud).await?;
        let volume = cloud.volume_of(&self.volume).await?;
        let server = cloud.server_of(&self.to).await?;
        free(&volume)?;
        let title = format!("attach {} to {}", self.volume, server.name);
        let subjects = vec![
            format!("volume {}", volume.id),
            format!("server {}", server.id),
        ];
        let volume = Ref::Id(volume.id);
        let thing = Thing::Attachment {
            server: Ref::Id(server.id),
            volume: volume.clone(),
        };
        let attach = make("attachment", thing);
        let steps = self.using.around(&server.name, volume, attach);
        let wish = Wish {
            command: "volume attach",
            question: format!("{title} in {}", cloud.name()),
            plan: plan_of(title, &cloud, subjects, steps),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}

impl Detach {
    async fn run(&self, global: &Global, output: &Output) -> Result<ExitCode> {
        let cloud = Client::connect(&self.cloud).await?;
        let volume = cloud.volume_of(&self.volume).await?;
        let Some(at) = volume.attachments.first() else {
            output.say(&format!(
                "volume {} is on no server: nothing to do",
                self.volume
            ));
            output.document(&json!({"result": "nothing", "steps": []}));
            return Ok(ExitCode::SUCCESS);
        };
        let title = format!("detach {} from {}", self.volume, at.server_id);
        let subjects = vec![
            format!("volume {}", volume.id),
            format!("server {}", at.server_id),
        ];
        let gone = Gone::Attachment {
            server: at.server_id.clone(),
            volume: volume.id.clone(),
        };
        let wish = Wish {
            command: "volume detach",
            question: format!("{title}; is it unmounted there"),
            plan: plan_of(
                title,
                &cloud,
                subjects,
                vec![CloudStep::new("detach", What::Unmake { gone })],
            ),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}

impl Snapshot {
    async fn run(&self, global: &Global, output: &Output) -> Result<ExitCode> {
        let cloud = Client::connect(&self.cloud).await?;
        let volume = cloud.volume_of(&self.volume).await?;
        if !self.force {
            free(&volume).map_err(|error| {
                error.hint("detach it; or say --force, and have what its server writes stopped")
            })?;
        }
        let title = format!("snapshot {} as {}", self.volume, self.name);
        let thing = Thing::VolumeSnapshot {
            name: self.name.clone(),
            volume: Ref::Id(volume.id.clone()),
            force: self.force,
        };
        let wish = Wish {
            command: "volume snapshot",
            question: format!("{title} in {}", cloud.name()),
            plan: plan_of(
                title,
                &cloud,
                vec![format!("volume {}", volume.id)],
                vec![make("snapshot", thing)],
            ),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}

impl Delete {
    async fn run(&self, global: &Global, output: &Output) -> Result<ExitCode> {
        let cloud = Client::connect(&self.cloud).await?;
        let volume = cloud.volume_of(&self.volume).await?;
        free(&volume)?;
        let snapshots = cloud.volume_snapshots().await?;
        if let Some(of) = snapshots.iter().find(|s| s.volume_id == volume.id) {
            let text = format!(
                "volume {} has the snapshot {}",
                self.volume,
                of.name.as_deref().unwrap_or(&of.id)
            );
            return Err(Error::new(Kind::Refused, text)
                .hint("Cinder keeps a volume while it has snapshots"));
        }
        let name = volume.name.clone().unwrap_or_default();
        let title = format!(
            "remove the volume {name} ({}) of {} GiB with what is on it",
            volume.id, volume.size
        );
        let gone = Gone::Volume {
            id: volume.id.clone(),
            name,
        };
        let wish = Wish {
            command: "volume delete",
            question: title.clone(),
            plan: plan_of(
                title,
                &cloud,
                vec![format!("volume {}", volume.id)],
                vec![CloudStep::new("volume", What::Unmake { gone })],
            ),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_says_where_it_is_in_one_way() {
        assert_eq!(directory("/srv/data").as_deref(), Ok("/srv/data"));
        for bad in [
            "",
            "/",
            "srv",
            "//srv",
            "/srv/",
            "/srv/../etc",
            "/./srv",
            "/a b",
            "/a#b",
        ] {
            assert!(directory(bad).is_err(), "{bad}");
        }
    }
}
