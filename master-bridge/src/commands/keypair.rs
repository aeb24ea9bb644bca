//! `keypair`: public keys for SSH, under a name.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::vm_work::{Rules, Wish, carry_out, plan_of, text_of};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudStep;
use crate::plan::cloud::What;
use crate::plan::thing::{Gone, Thing};

/// The commands about keypairs.
#[derive(Debug, Subcommand)]
pub enum Keypairs {
    /// List keypairs
    #[command(after_help = "Example:\n  master-bridge keypair list")]
    List(List),
    /// Show a keypair: its fingerprint and its public key
    #[command(after_help = "Example:\n  master-bridge keypair show ops")]
    Show(One),
    /// Let Nova make a keypair, and write its private half into a file
    #[command(after_help = "Example:\n  master-bridge keypair create ops --private-key ~/.ssh/ops")]
    Create(Create),
    /// Put a public key under a name
    #[command(
        after_help = "Example:\n  master-bridge keypair import ops --public-key ~/.ssh/id_ed25519.pub"
    )]
    Import(Import),
    /// Remove a keypair; servers that have it keep it
    #[command(after_help = "Example:\n  master-bridge keypair delete ops")]
    Delete(Delete),
}

/// Arguments of `keypair list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    cloud: Selection,
}

/// Which keypair.
#[derive(Debug, Args)]
pub struct One {
    /// Its name
    name: String,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `keypair create`.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    one: One,
    /// The new file for the private key
    #[arg(long, value_name = "FILE")]
    private_key: PathBuf,
}

/// Arguments of `keypair import`.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    one: One,
    /// The file with the public key
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    #[command(flatten)]
    rules: Rules,
}

/// Arguments of `keypair delete`.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    rules: Rules,
}

impl Keypairs {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(&args, output).await,
            Self::Show(args) => show(&args, output).await,
            Self::Create(args) => create(&args, global, output).await,
            Self::Import(args) => import(&args, global, output).await,
            Self::Delete(args) => delete(&args, global, output).await,
        }
    }
}

async fn list(args: &List, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let all = cloud.keypairs().await?;
    let rows: Vec<_> = all
        .iter()
        .map(|k| vec![k.name.clone(), k.fingerprint.clone()])
        .collect();
    output.list(
        &format!("no keypairs in {}", cloud.name()),
        &["name", "fingerprint"],
        &rows,
    );
    output.document(&json!({"cloud": cloud.name(), "keypairs": all}));
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &One, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let found = cloud.keypair_of(&args.name).await?;
    let row = |name: &str, value: &str| vec![name.to_owned(), value.trim().to_owned()];
    let rows = [
        row("name", &found.name),
        row("fingerprint", &found.fingerprint),
        row("public key", &found.public_key),
    ];
    output.table(&["field", "value"], &rows);
    output.document(&json!({"keypair": found}));
    Ok(ExitCode::SUCCESS)
}

async fn free(cloud: &Client, name: &str) -> Result<()> {
    match cloud.keypairs().await?.into_iter().find(|k| k.name == name) {
        None => Ok(()),
        Some(twin) => {
            let text = format!("there is a keypair {name} already: {}", twin.fingerprint);
            Err(Error::new(Kind::Refused, text).hint(format!(
                "`master-bridge keypair delete {name}`, or another name"
            )))
        }
    }
}

/// Nova shows the private half once and forgets it, so this is one act without a way to resume: the file is made first.
async fn create(args: &Create, global: &Global, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.one.cloud).await?;
    let (name, path) = (&args.one.name, &args.private_key);
    free(&cloud, name).await?;
    if path.exists() {
        let text = format!("{} is there already", path.display());
        return Err(Error::new(Kind::Refused, text)
            .hint("a private key is not written over; name another file"));
    }
    if global.dry_run {
        output.say(&format!(
            "would make the keypair {name} and write {}",
            path.display()
        ));
        output.document(&json!({"dry_run": true, "name": name, "private_key": path}));
        return Ok(ExitCode::SUCCESS);
    }
    let failed = |e: std::io::Error| {
        Error::new(Kind::Local, format!("cannot write {}", path.display())).because(&e)
    };
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let made = match cloud.generate_keypair(name).await {
        Ok(made) => made,
        Err(fault) => {
            // An empty file is nobody's key.
            drop(std::fs::remove_file(path));
            return Err(fault);
        }
    };
    let written = file
        .write_all(made.1.expose_secret().as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        cloud.delete_keypair(name).await?;
        return Err(failed(error));
    }
    output.table(
        &["name", "fingerprint", "private key"],
        &[vec![
            name.clone(),
            made.0.fingerprint.clone(),
            path.display().to_string(),
        ]],
    );
    output.document(&json!({"keypair": made.0, "private_key": path}));
    Ok(ExitCode::SUCCESS)
}

async fn import(args: &Import, global: &Global, output: &Output) -> Result<ExitCode> {
    let text = text_of(&args.public_key)?;
    let key = text.trim();
    let kind = key.split_whitespace().next().unwrap_or_default();
    if !(kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-")) {
        let text = format!("{} is no public key of OpenSSH", args.public_key.display());
        return Err(Error::new(Kind::Usage, text)
            .hint("it begins with ssh-ed25519, ssh-rsa or ecdsa-…, and ends with .pub"));
    }
    let cloud = Client::connect(&args.one.cloud).await?;
    let name = &args.one.name;
    free(&cloud, name).await?;
    let thing = Thing::Keypair {
        name: name.clone(),
        public_key: key.to_owned(),
    };
    let step = CloudStep::new(
        "keypair",
        What::Make {
            thing,
            owner: "master-bridge".into(),
        },
    );
    let title = format!("import the keypair {name}");
    let wish = Wish {
        command: "keypair import",
        question: format!("{title} into {}", cloud.name()),
        plan: plan_of(title, &cloud, vec![format!("keypair {name}")], vec![step]),
        rules: &args.rules,
    };
    carry_out(wish, &cloud, global, output).await
}

async fn delete(args: &Delete, global: &Global, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.one.cloud).await?;
    let found = cloud.keypair_of(&args.one.name).await?;
    let step = CloudStep::new(
        "keypair",
        What::Unmake {
            gone: Gone::Keypair {
                name: found.name.clone(),
            },
        },
    );
    let title = format!("remove the keypair {}", found.name);
    let wish = Wish {
        command: "keypair delete",
        question: format!("{title} ({})", found.fingerprint),
        plan: plan_of(
            title,
            &cloud,
            vec![format!("keypair {}", found.name)],
            vec![step],
        ),
        rules: &args.rules,
    };
    carry_out(wish, &cloud, global, output).await
}
