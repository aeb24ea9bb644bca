//! `secgroup`: security groups as a file says that they should be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::vm_work::{Rules, Wish, carry_out, plan_of, text_of};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::rules::{GroupSpec, Rule, steps};

/// The commands about security groups.
#[derive(Debug, Subcommand)]
pub enum Secgroups {
    /// List security groups with their rules
    #[command(after_help = "Example:\n  master-bridge secgroup list")]
    List(List),
    /// Give security groups exactly the rules of a file; groups that it does not name are left alone
    #[command(after_help = "\
The file, in TOML:
  [group.web]
  rules = [{ proto = \"tcp\", port = 80 }, { proto = \"tcp\", port = \"8000-8010\", from = \"10.0.0.0/8\" }]
  [group.db]
  rules = [{ proto = \"tcp\", port = 3306, from = \"group:web\" }]
What goes out is only managed in groups that have a rule with `to`.

Examples:
  master-bridge secgroup apply groups.toml --dry-run
  master-bridge secgroup apply groups.toml")]
    Apply(Apply),
}

/// Arguments of `secgroup list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `secgroup apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    group: BTreeMap<String, GroupSpec>,
}

impl Secgroups {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(&args, output).await,
            Self::Apply(args) => apply(&args, global, output).await,
        }
    }
}

async fn list(args: &List, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let all = cloud.security_groups().await?;
    let mut rows = Vec::new();
    for group in &all {
        let mut name = group.name.clone();
        for rule in &group.security_group_rules {
            rows.push(vec![
                std::mem::take(&mut name),
                rule["direction"].as_str().unwrap_or_default().to_owned(),
                Rule::of(rule).shown(),
            ]);
        }
        if !name.is_empty() {
            rows.push(vec![name, "-".into(), "no rules".into()]);
        }
    }
    output.table(&["group", "direction", "rule"], &rows);
    output.document(&json!({"cloud": cloud.name(), "security_groups": all}));
    Ok(ExitCode::SUCCESS)
}

async fn apply(args: &Apply, global: &Global, output: &Output) -> Result<ExitCode> {
    let file: File = toml::from_str(&text_of(&args.file)?).map_err(|e| {
        Error::new(
            Kind::Usage,
            format!("{} cannot be used", args.file.display()),
        )
        .because(&e)
    })?;
    let cloud = Client::connect(&args.cloud).await?;
    let steps = steps(
        &file.group,
        "",
        &cloud.security_groups().await?,
        "master-bridge",
    )?;
    if steps.is_empty() {
        output.say("every group is as it should be: nothing to do");
        output.document(&json!({"result": "nothing", "steps": []}));
        return Ok(ExitCode::SUCCESS);
    }
    let title = format!("apply {}", args.file.display());
    let subjects = file
        .group
        .keys()
        .map(|name| format!("security group {name}"))
        .collect();
    let wish = Wish {
        command: "secgroup apply",
        question: format!("{title} to {}", cloud.name()),
        plan: plan_of(title, &cloud, subjects, steps),
        rules: &args.rules,
    };
    carry_out(wish, &cloud, global, output).await
}
