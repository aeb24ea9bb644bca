//! `bake`: a golden image of a VM that is as its states say and has forgotten who it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::boot::free;
use super::image::{FAMILY, number_of};
use super::travel::absolute;
use super::vm_shape::{Joining, Shape};
use super::vm_work::{Rules, Wish, carry_out, master};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudPlan;
use crate::plan::cloud::Signer;
use crate::vms::plans::{Bake as Plan, Enrol};

/// What makes a disk forget who it is: a function of the agent, which knows whose disk it has.
pub(super) const GENERALIZE: &str = "image.generalize";

/// Arguments of `bake`.
#[derive(Debug, Args)]
#[command(after_help = "\
The image is called NAME-1, NAME-2 and so on; its properties say what it was made from, its size and hash, the \
result of the highstate and the receipt of the generalized disk (`image why` shows them). The builder and its key \
are removed. On failure nothing is left.

Examples:
  master-bridge bake web --image ubuntu-24.04 --flavor m1.small --grain role=web
  master-bridge bake web --image ubuntu-24.04 --flavor m1.small --proof-boot --sign-key /root/images.key")]
pub struct Bake {
    /// The family of the image: its name without its number
    name: String,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    joining: Joining,
    /// Boot a clone of the image, which must come up as another machine and change nothing
    #[arg(long)]
    proof_boot: bool,
    /// Accept that a second highstate changes something
    #[arg(long)]
    allow_changes: bool,
    /// The function, or the command line of several words, that makes the disk forget who it is and prints the
    /// receipt to the console; `none` to leave it as it is
    #[arg(long, value_name = "FUNCTION", default_value = GENERALIZE)]
    generalize: String,
    /// Sign what is known about the image's making with this key, as `orders keygen` made it
    #[arg(long, value_name = "FILE")]
    sign_key: Option<PathBuf>,
    /// The passphrase of that key; without it you are asked
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    passphrase_file: Option<PathBuf>,
    /// Seconds for the snapshot
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    image_within: u64,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

impl Bake {
    /// Plans it, and does it.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        if self.shape.volume_size.is_some() {
            let text = "the snapshot of a server that boots from a volume is no image";
            return Err(Error::new(Kind::Usage, text)
                .hint("leave --volume-size out: the builder is gone in minutes"));
        }
        if self.joining.no_highstate {
            return Err(Error::new(Kind::Usage, "a golden image is a highstate")
                .hint("leave --no-highstate out; without states the image is the one that it was made from"));
        }
        let builder = format!("bake-{}", self.name);
        let minion = self.joining.minion(&builder)?;
        let mut facts = master(self.joining.master.as_deref(), global).await?;
        let cloud = Client::connect(&self.cloud).await?;
        free(&mut facts, &minion).await?;
        if let Some(twin) = cloud.servers().await?.iter().find(|s| s.name == builder) {
            let text = format!("there is a server {builder} already: {}", twin.id);
            return Err(
                Error::new(Kind::Refused, text).hint("`master-bridge ops list` shows whose it is")
            );
        }
        let images = cloud.images().await?;
        let number = images
            .iter()
            .filter_map(|i| number_of(i, &self.name))
            .max()
            .unwrap_or(0)
            + 1;
        let server = self.shape.resolve(&builder, &cloud).await?;
        let base = images.iter().find(|i| i.id == server.image);
        let mut properties = BTreeMap::from([
            (FAMILY.to_owned(), self.name.clone()),
            ("bridge_base".to_owned(), server.image.clone()),
        ]);
        if let Some(hash) = base.and_then(|b| b.os_hash_value.clone()) {
            properties.insert("bridge_base_hash".into(), hash);
        }
        let clone = if self.proof_boot {
            let mut server = server.clone();
            server.name = format!("{builder}-clone");
            server.image = "{image}".into();
            let mut joining = self.joining.clone();
            joining.minion_id = Some(minion.clone());
            Some(joining.newcomer("clone", server, &facts, (None, Enrol::Console))?)
        } else {
            None
        };
        let plan = Plan {
            builder: self
                .joining
                .newcomer("builder", server, &facts, (None, Enrol::Console))?,
            image: format!("{}-{number}", self.name),
            properties,
            signer: self.sign_key.as_deref().map(|key| Signer {
                key: absolute(key),
                passphrase_file: self.passphrase_file.as_deref().map(absolute),
            }),
            allow_changes: self.allow_changes,
            generalize: Some(self.generalize.clone()).filter(|command| command != "none"),
            within: self.image_within,
            clone,
        };
        let title = format!("bake {}", plan.image);
        let plan = CloudPlan {
            title: title.clone(),
            cloud: cloud.name().to_owned(),
            project: cloud.project().map(|(id, _)| id).unwrap_or_default(),
            subjects: vec![
                format!("server {builder}"),
                format!("minion {minion}"),
                format!("image {}", plan.image),
            ],
            steps: plan.steps(),
            seed: String::new(),
        };
        let wish = Wish {
            command: "bake",
            plan,
            question: format!("{title} in {}", cloud.name()),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }
}
