//! `stack roll-image`: the golden-image tour of a stack with an app-master, on parameter names that the user gives.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;

use super::bake::GENERALIZE;
use super::image::{FAMILY, number_of};
use super::stack::{idle, set_work};
use super::vm_work::{Rules, Wish, carry_out, pair, plan_of};
use crate::cli::Global;
use crate::cloud::stack::Input;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudStep;
use crate::plan::cloud::{Ref, What};
use crate::plan::stack::{StackRef, StackWork};

/// Arguments of `stack roll-image`.
#[derive(Debug, Args)]
#[command(after_help = "\
For stacks as the Open edX ones have it: a parameter enables an app-master, another names the image of the app \
servers. The app-master is enabled, brought to its highstate, made to forget who it is, stopped and snapshot; then it \
is disabled and the new image set in one update. If anything fails the stack is as it was.

Example:
  master-bridge stack roll-image edx --enable enable_app_master --server app_master_id --image-parameter app_image \
--minion app-master")]
pub struct RollImage {
    /// The stack, by name or id
    stack: String,
    /// The parameter that enables the app-master
    #[arg(long, value_name = "PARAMETER")]
    enable: String,
    /// Its value while the app-master is there
    #[arg(long, value_name = "VALUE", default_value = "1")]
    on: String,
    /// Its value while it is not
    #[arg(long, value_name = "VALUE", default_value = "0")]
    off: String,
    /// Another parameter that is set together with it, such as the image of the app-master
    #[arg(long = "with", value_name = "NAME=VALUE", value_parser = pair)]
    with: Vec<(String, String)>,
    /// The output that is the app-master's server id, or the resource that is its server
    #[arg(long, value_name = "NAME")]
    server: String,
    /// The parameter that gets the new image's id
    #[arg(long, value_name = "PARAMETER")]
    image_parameter: String,
    /// The app-master's minion id: it gets its highstate
    #[arg(long, value_name = "ID", required_unless_present = "no_configure")]
    minion: Option<String>,
    /// Make the image of the app-master as it comes up
    #[arg(long, conflicts_with = "minion")]
    no_configure: bool,
    /// The function, or the command line of several words, that makes the disk forget who it is; `none` to leave it as
    /// it is
    #[arg(long, value_name = "FUNCTION", default_value = GENERALIZE)]
    generalize: String,
    /// The family of the image: its name without its number [default: the stack's name]
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    /// Seconds for each update of the stack
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    within: u64,
    /// Seconds until the app-master's minion answers
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    boot_within: u64,
    /// Seconds for the snapshot
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    image_within: u64,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

impl RollImage {
    /// Plans it, and does it.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        if self.minion.is_none() && self.generalize != "none" {
            let text = "without a minion nobody can make the disk forget who it is";
            return Err(Error::new(Kind::Usage, text)
                .hint("name it with --minion; or say --generalize none, if the image's own boot takes care of it"));
        }
        let cloud = Client::connect(&self.cloud).await?;
        let stack = cloud.stack_of(&self.stack).await?;
        idle(&stack)?;
        let name = stack.stack_name.clone();
        let family = self.family.clone().unwrap_or_else(|| name.clone());
        let images = cloud.images().await?;
        let number = images
            .iter()
            .filter_map(|i| number_of(i, &family))
            .max()
            .unwrap_or(0)
            + 1;
        let image = format!("{family}-{number}");
        let values = |all: &[(&str, &str)], more: &[(String, String)]| Input {
            parameters: all
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .chain(more.iter().cloned())
                .collect(),
            ..Input::default()
        };
        let on = set_work(
            &cloud,
            &stack,
            values(&[(&self.enable, &self.on)], &self.with),
        )
        .await?;
        let new = [
            (self.enable.as_str(), self.off.as_str()),
            (&self.image_parameter, "{image}"),
        ];
        let mut off = set_work(&cloud, &stack, values(&new, &[])).await?;
        if let StackWork::Set { before, .. } = &mut off {
            // What is before the last update is not what is now.
            before.insert(self.enable.clone(), self.on.clone());
        }
        let plan = plan_of(
            format!("roll {image} through {name}"),
            &cloud,
            vec![format!("stack {name}"), format!("image {image}")],
            self.steps(&StackRef { name, id: stack.id }, on, off, (&image, &family)),
        );
        let wish = Wish {
            command: "stack roll-image",
            question: format!("{} in {}", plan.title, cloud.name()),
            plan,
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }

    fn steps(
        &self,
        stack: &StackRef,
        on: StackWork,
        off: StackWork,
        (image, family): (&str, &str),
    ) -> Vec<CloudStep> {
        let master = Ref::Step("master".into());
        let within = self.within;
        let mut steps = vec![
            CloudStep::new("enable", What::Stack { work: on, within }),
            CloudStep::new(
                "master",
                What::Stack {
                    work: StackWork::Server {
                        stack: stack.clone(),
                        word: self.server.clone(),
                    },
                    within,
                },
            ),
            CloudStep::new(
                "active",
                What::Active {
                    server: master.clone(),
                    within: self.boot_within,
                },
            ),
        ];
        if let Some(minion) = &self.minion {
            let minion = minion.clone();
            steps.push(CloudStep::new(
                "ping",
                What::Ping {
                    minion: minion.clone(),
                    within: self.boot_within,
                },
            ));
            let highstate = |unchanged| What::Highstate {
                minion: minion.clone(),
                unchanged,
            };
            steps.push(CloudStep::new("highstate", highstate(false)));
            steps.push(CloudStep::new("again", highstate(true)));
            if self.generalize != "none" {
                let generalize = What::Generalize {
                    server: "master".into(),
                    minion,
                    command: self.generalize.clone(),
                    within: 300,
                };
                steps.push(CloudStep::new("generalize", generalize));
            }
        }
        let properties = [
            (FAMILY, family),
            ("bridge_stack", &stack.name),
            ("bridge_size", "{image.size}"),
            ("bridge_hash", "{image.hash}"),
        ];
        let properties = properties.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        steps.extend([
            CloudStep::new(
                "stop",
                What::Stop {
                    server: master.clone(),
                    within: 300,
                },
            ),
            CloudStep::new(
                "image",
                What::Snapshot {
                    server: master,
                    name: image.to_owned(),
                    properties: BTreeMap::new(),
                    within: self.image_within,
                },
            ),
            CloudStep::new(
                "provenance",
                What::Provenance {
                    image: "image".into(),
                    properties,
                    signer: None,
                },
            ),
            CloudStep::new("roll", What::Stack { work: off, within }),
        ]);
        steps
    }
}
