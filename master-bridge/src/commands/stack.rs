//! `stack`: Heat's stacks: looked at, made, changed with what Heat would replace shown before, removed, waited for.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::stack_input::{Given, hidden, secret_of};
use super::stack_roll::RollImage;
use super::vm_work::{Rules, Wish, carry_out, plan_of};
use crate::cli::Global;
use crate::cloud::stack::{Change, Input, Stack};
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudStep;
use crate::plan::cloud::What;
use crate::plan::stack::{StackRef, StackWork};
use crate::progress::Progress;

/// The commands about stacks.
#[derive(Debug, Subcommand)]
pub enum Stacks {
    /// List stacks
    #[command(after_help = "Example:\n  master-bridge stack list")]
    List(List),
    /// Show a stack: state, parameters, outputs
    #[command(after_help = "Example:\n  master-bridge stack show edx")]
    Show(One),
    /// Print the outputs of a stack, or the value of one
    #[command(
        after_help = "Examples:\n  master-bridge stack outputs edx\n  master-bridge stack outputs edx app_master_id"
    )]
    Outputs(Outputs),
    /// List the resources of a stack
    #[command(after_help = "Example:\n  master-bridge stack resources edx")]
    Resources(One),
    /// List what happened in a stack
    #[command(after_help = "Example:\n  master-bridge stack events edx --lines 20")]
    Events(Events),
    /// Make a stack, and wait until it is complete
    #[command(
        after_help = "Example:\n  master-bridge stack create edx --template edx.yaml -P key_name=ops -P app_count=3"
    )]
    Create(Create),
    /// Set parameters of a stack over those that it has; what Heat would replace is shown before
    #[command(
        after_help = "Examples:\n  master-bridge stack set edx -P app_count=4\n  master-bridge stack set edx -P app_image=web-7 --dry-run"
    )]
    Set(Set),
    /// Remove a stack with all that it made
    #[command(after_help = "Example:\n  master-bridge stack delete edx")]
    Delete(Delete),
    /// Wait until nothing is under way on a stack, and tell what happens
    #[command(after_help = "Example:\n  master-bridge stack wait edx --within 3600")]
    Wait(Wait),
    /// Show what would be made, replaced, changed and removed, and do nothing
    #[command(
        after_help = "Examples:\n  master-bridge stack preview edx -P app_count=4\n  master-bridge stack preview new --template edx.yaml -P key_name=ops"
    )]
    Preview(Preview),
    /// Enable an app-master in a stack, configure it, make an image of it, disable it and set the new image
    RollImage(Box<RollImage>),
}

/// Arguments of `stack list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    cloud: Selection,
}

/// Which stack.
#[derive(Debug, Args)]
pub struct One {
    /// Its name or id
    stack: String,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `stack outputs`.
#[derive(Debug, Args)]
pub struct Outputs {
    #[command(flatten)]
    one: One,
    /// Only the value of this one
    #[arg(value_name = "OUTPUT")]
    key: Option<String>,
}

/// Arguments of `stack events`.
#[derive(Debug, Args)]
pub struct Events {
    #[command(flatten)]
    one: One,
    /// Only so many of the last
    #[arg(long, value_name = "NUMBER")]
    lines: Option<usize>,
}

/// Arguments of `stack create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: String,
    #[command(flatten)]
    given: Given,
    /// Seconds until it must be complete
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    within: u64,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `stack set`.
#[derive(Debug, Args)]
pub struct Set {
    /// Its name or id
    stack: String,
    #[command(flatten)]
    given: Given,
    /// Seconds until it must be complete
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    within: u64,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `stack delete`.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    one: One,
    /// Seconds until it must be gone
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    within: u64,
    #[command(flatten)]
    rules: Rules,
}

/// Arguments of `stack wait`.
#[derive(Debug, Args)]
pub struct Wait {
    #[command(flatten)]
    one: One,
    /// Seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    within: u64,
}

/// Arguments of `stack preview`.
#[derive(Debug, Args)]
pub struct Preview {
    /// The stack, or the name of a new one
    stack: String,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    cloud: Selection,
}

impl Stacks {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(&args, output).await,
            Self::Show(args) => show(&args, output).await,
            Self::Outputs(args) => outputs(&args, output).await,
            Self::Resources(args) => resources(&args, output).await,
            Self::Events(args) => events(&args, output).await,
            Self::Create(args) => create(&args, global, output).await,
            Self::Set(args) => set(&args, global, output).await,
            Self::Delete(args) => delete(&args, global, output).await,
            Self::Wait(args) => wait(&args, output).await,
            Self::Preview(args) => preview(&args, output).await,
            Self::RollImage(args) => args.run(global, output).await,
        }
    }
}

async fn list(args: &List, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let stacks = cloud.stacks().await?;
    let rows: Vec<_> = stacks
        .iter()
        .map(|s| {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            vec![
                s.stack_name.clone(),
                s.stack_status.clone(),
                word(&s.creation_time),
                word(&s.updated_time),
                s.id.clone(),
            ]
        })
        .collect();
    output.list(
        &format!("no stacks in {}", cloud.name()),
        &["name", "status", "created", "updated", "id"],
        &rows,
    );
    output.document(&json!({"cloud": cloud.name(), "stacks": stacks}));
    Ok(ExitCode::SUCCESS)
}

/// A value in a table: texts as they are.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

async fn show(args: &One, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let stack = cloud.stack_of(&args.stack).await?;
    let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
    let mut rows = vec![
        row("id", &stack.id),
        row("name", &stack.stack_name),
        row("status", &stack.stack_status),
        row(
            "reason",
            stack.stack_status_reason.as_deref().unwrap_or("-"),
        ),
        row("created", stack.creation_time.as_deref().unwrap_or("-")),
        row("updated", stack.updated_time.as_deref().unwrap_or("-")),
    ];
    for (name, value) in stack
        .parameters
        .iter()
        .filter(|(name, _)| !name.starts_with("OS::"))
    {
        rows.push(row(&format!("parameter {name}"), &plain(value)));
    }
    for one in &stack.outputs {
        rows.push(row(
            &format!("output {}", one.output_key),
            &plain(&one.output_value),
        ));
    }
    output.table(&["field", "value"], &rows);
    output.document(&json!({"stack": stack}));
    Ok(ExitCode::SUCCESS)
}

async fn outputs(args: &Outputs, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.one.cloud).await?;
    let stack = cloud.stack_of(&args.one.stack).await?;
    let Some(wanted) = &args.key else {
        let rows: Vec<_> = stack
            .outputs
            .iter()
            .map(|o| {
                vec![
                    o.output_key.clone(),
                    plain(&o.output_value),
                    o.description.clone().unwrap_or_default(),
                ]
            })
            .collect();
        output.table(&["output", "value", "description"], &rows);
        output.document(&json!({"id": stack.id, "outputs": stack.outputs}));
        return Ok(ExitCode::SUCCESS);
    };
    let Some(found) = stack.outputs.iter().find(|o| o.output_key == *wanted) else {
        let names: Vec<&str> = stack
            .outputs
            .iter()
            .map(|o| o.output_key.as_str())
            .collect();
        let text = format!("stack {} has no output {wanted}", stack.stack_name);
        return Err(
            Error::new(Kind::NothingMatched, text).hint(format!("there is {}", names.join(", ")))
        );
    };
    if let Some(why) = &found.output_error {
        return Err(Error::new(
            Kind::Failed,
            format!("the output {wanted} has no value: {why}"),
        ));
    }
    output.data(&plain(&found.output_value));
    output.document(&json!({"id": stack.id, "output": found}));
    Ok(ExitCode::SUCCESS)
}

async fn resources(args: &One, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let stack = cloud.stack_of(&args.stack).await?;
    let all = cloud.stack_resources(&stack).await?;
    let rows: Vec<_> = all
        .iter()
        .map(|r| {
            let id = r.physical_resource_id.clone().unwrap_or_default();
            vec![
                r.resource_name.clone(),
                r.resource_type.clone(),
                r.resource_status.clone(),
                id,
            ]
        })
        .collect();
    output.table(&["resource", "type", "status", "id"], &rows);
    output.document(&json!({"id": stack.id, "resources": all}));
    Ok(ExitCode::SUCCESS)
}

async fn events(args: &Events, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.one.cloud).await?;
    let stack = cloud.stack_of(&args.one.stack).await?;
    let mut all = cloud.stack_events(&stack).await?;
    let skip = args
        .lines
        .map_or(0, |lines| all.len().saturating_sub(lines));
    all.drain(..skip);
    let rows: Vec<_> = all
        .iter()
        .map(|e| {
            let why = e.resource_status_reason.clone().unwrap_or_default();
            vec![
                e.event_time.clone(),
                e.resource_name.clone(),
                e.resource_status.clone(),
                why,
            ]
        })
        .collect();
    output.table(&["time", "resource", "status", "reason"], &rows);
    output.document(&json!({"id": stack.id, "events": all}));
    Ok(ExitCode::SUCCESS)
}

async fn create(args: &Create, global: &Global, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let input = args.given.input()?;
    if input.template.is_none() {
        return Err(Error::new(Kind::Usage, "a new stack is made of a template")
            .hint("name it with --template"));
    }
    if let Some(twin) = cloud
        .stacks()
        .await?
        .iter()
        .find(|s| s.stack_name == args.name)
    {
        let text = format!("there is a stack {} already: {}", args.name, twin.id);
        return Err(Error::new(Kind::Refused, text).hint(format!(
            "`master-bridge stack set {}` changes it",
            args.name
        )));
    }
    let changes = cloud.preview_new_stack(&args.name, &input).await?;
    tell(&changes, output);
    let secret = secret_of(&input);
    let work = StackWork::Create {
        name: args.name.clone(),
        input,
        secret,
    };
    let title = format!("create the stack {}", args.name);
    let step = CloudStep::new(
        "stack",
        What::Stack {
            work,
            within: args.within,
        },
    );
    let wish = Wish {
        command: "stack create",
        question: format!("{title} of {} resources in {}", changes.len(), cloud.name()),
        plan: plan_of(
            title,
            &cloud,
            vec![format!("stack {}", args.name)],
            vec![step],
        ),
        rules: &args.rules,
    };
    carry_out(wish, &cloud, global, output).await
}

/// What Heat says that it will do, for people.
fn tell(changes: &[Change], output: &Output) {
    for change in changes {
        output.say(&format!(
            "{} {} ({})",
            change.what, change.name, change.kind
        ));
    }
}

/// The step that sets parameters of a stack that is there, and what Heat says about it.
pub(super) async fn set_work(cloud: &Client, stack: &Stack, input: Input) -> Result<StackWork> {
    let template = cloud.stack_template(stack).await?;
    let declared = template
        .get("parameters")
        .or_else(|| template.get("Parameters"));
    if let (Some(declared), None) = (declared.and_then(Value::as_object), &input.template)
        && let Some(unknown) = input
            .parameters
            .keys()
            .find(|name| !declared.contains_key(*name))
    {
        let names: Vec<&str> = declared.keys().map(String::as_str).collect();
        let text = format!("stack {} has no parameter {unknown}", stack.stack_name);
        return Err(
            Error::new(Kind::NothingMatched, text).hint(format!("there is {}", names.join(", ")))
        );
    }
    let mut secret = hidden(&template);
    secret.extend(secret_of(&input));
    let before = input.parameters.keys().filter_map(|name| {
        let value = stack.parameter(name)?;
        Some((name.clone(), value.to_owned()))
    });
    Ok(StackWork::Set {
        stack: StackRef {
            name: stack.stack_name.clone(),
            id: stack.id.clone(),
        },
        before: before.collect(),
        secret,
        changes: Vec::new(),
        input,
    })
}

/// Refuses a stack that something is under way on.
pub(super) fn idle(stack: &Stack) -> Result<()> {
    if !stack.is_busy() {
        return Ok(());
    }
    let text = format!("stack {} is {}", stack.stack_name, stack.stack_status);
    Err(Error::new(Kind::Refused, text).hint(format!(
        "`master-bridge stack wait {}`, and try again",
        stack.stack_name
    )))
}

async fn set(args: &Set, global: &Global, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let stack = cloud.stack_of(&args.stack).await?;
    idle(&stack)?;
    let input = args.given.input()?;
    if input.parameters.is_empty() && input.template.is_none() {
        return Err(
            Error::new(Kind::Usage, "nothing is to be set").hint("-P NAME=VALUE sets a parameter")
        );
    }
    // Heat itself forgets parameters that the template does not have.
    let mut work = set_work(&cloud, &stack, input.clone()).await?;
    let found = cloud.preview_stack(&stack, &input).await?;
    tell(&found, output);
    if let StackWork::Set { changes, .. } = &mut work {
        changes.clone_from(&found);
    }
    let replaced = found
        .iter()
        .filter(|c| c.what == "replaced" || c.what == "deleted")
        .count();
    let title = format!("update the stack {}", stack.stack_name);
    let question = match replaced {
        0 => title.clone(),
        many => format!("{title}; Heat will remove or replace {many} of its resources"),
    };
    let step = CloudStep::new(
        "stack",
        What::Stack {
            work,
            within: args.within,
        },
    );
    let wish = Wish {
        command: "stack set",
        plan: plan_of(
            title,
            &cloud,
            vec![format!("stack {}", stack.stack_name)],
            vec![step],
        ),
        question,
        rules: &args.rules,
    };
    carry_out(wish, &cloud, global, output).await
}

async fn delete(args: &Delete, global: &Global, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.one.cloud).await?;
    let stack = cloud.stack_of(&args.one.stack).await?;
    let resources = cloud.stack_resources(&stack).await?;
    for one in &resources {
        let id = one.physical_resource_id.as_deref().unwrap_or_default();
        output.say(&format!(
            "removes {} ({}) {id}",
            one.resource_name, one.resource_type
        ));
    }
    let work = StackWork::Delete {
        stack: StackRef {
            name: stack.stack_name.clone(),
            id: stack.id.clone(),
        },
    };
    let title = format!("remove the stack {}", stack.stack_name);
    let step = CloudStep::new(
        "stack",
        What::Stack {
            work,
            within: args.within,
        },
    );
    let wish = Wish {
        command: "stack delete",
        question: format!(
            "{title} ({}) with its {} resources",
            stack.id,
            resources.len()
        ),
        plan: plan_of(
            title,
            &cloud,
            vec![format!("stack {}", stack.stack_name)],
            vec![step],
        ),
        rules: &args.rules,
    };
    carry_out(wish, &cloud, global, output).await
}

async fn wait(args: &Wait, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.one.cloud).await?;
    let stack = cloud.stack_of(&args.one.stack).await?;
    let progress = Progress::new(output, &format!("stack {}", stack.stack_name), 1);
    let mut tell = |line: &str| progress.at(&stack.stack_name, line);
    let within = Duration::from_secs(args.within);
    let found = cloud.wait_stack(&stack, None, within, &mut tell).await?;
    drop(progress);
    let status = found
        .as_ref()
        .map_or("DELETE_COMPLETE", |s| s.stack_status.as_str());
    output.table(
        &["stack", "status"],
        &[vec![stack.stack_name.clone(), status.to_owned()]],
    );
    output.document(
        &json!({"id": stack.id, "name": stack.stack_name, "status": status, "stack": found}),
    );
    match found {
        Some(failed) if !failed.stack_status.ends_with("_COMPLETE") => {
            Err(cloud.stack_failure(&failed).await)
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn preview(args: &Preview, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let input = args.given.input()?;
    let known = cloud
        .stacks()
        .await?
        .into_iter()
        .any(|s| s.stack_name == args.stack || s.id == args.stack);
    let changes = if known {
        let stack = cloud.stack_of(&args.stack).await?;
        cloud.preview_stack(&stack, &input).await?
    } else if input.template.is_some() {
        cloud.preview_new_stack(&args.stack, &input).await?
    } else {
        cloud.stack_of(&args.stack).await?;
        Vec::new()
    };
    let rows: Vec<_> = changes
        .iter()
        .map(|c| vec![c.what.clone(), c.name.clone(), c.kind.clone()])
        .collect();
    output.list(
        "nothing would change",
        &["change", "resource", "type"],
        &rows,
    );
    output.document(&json!({"stack": args.stack, "is_new": !known, "changes": changes}));
    Ok(ExitCode::SUCCESS)
}
