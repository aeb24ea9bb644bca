//! `orders`: keys that sign orders, and signed orders: for minions that no master reaches any more.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use salt_wire::crypto::{HashType, OrderKey, OrderPublicKey, OsRandom};
use salt_wire::order::handover::{self, Handover};
use salt_wire::order::signed::{SignedOrder, to_metadata};
use salt_wire::order::target::Target;
use salt_wire::order::{Order, OrderError};
use serde_json::json;

use crate::cli::Global;
use crate::error::{Error, Kind, Result};
use crate::fleet::{Destination, carrier};
use crate::journal::{millis, new_id};
use crate::output::{Output, json_of};
use crate::secret;

/// The commands about orders.
#[derive(Debug, Subcommand)]
pub enum Orders {
    /// Make a key that signs orders, and print the line for the minions' configuration
    #[command(
        after_help = "Examples:\n  master-bridge orders keygen /root/orders.key\n  master-bridge orders keygen /root/orders.key --passphrase"
    )]
    Keygen(Keygen),
    /// Sign an order to move, for minions that read it from a file, a URL or their metadata
    #[command(
        after_help = "Examples:\n  master-bridge orders sign --key /root/orders.key --for 'web*' --to new.example.org --finger 51:8f:… --out order.txt\n  master-bridge orders sign --key /root/orders.key --for G@level:staging --to new.example.org --to-config /etc/salt-new\n  master-bridge orders sign --key /root/orders.key --for '*' --rekey --to salt.example.org --finger 51:8f:…"
    )]
    Sign(Box<Sign>),
    /// Say whether an order is signed by one of these keys, and counts now
    #[command(after_help = "Example:\n  master-bridge orders verify order.txt --key ed25519:…")]
    Verify(Verify),
    /// Show what is in a signed order or a handover certificate, believed or not
    #[command(after_help = "Example:\n  master-bridge orders show order.txt")]
    Show(Show),
}

/// Arguments of `orders keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The file to make, readable by its owner alone
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Lock it with a passphrase, asked for twice
    #[arg(long)]
    passphrase: bool,
    /// Lock it with the passphrase in this file
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase")]
    passphrase_file: Option<PathBuf>,
}

/// The key that signs.
#[derive(Debug, Clone, Args)]
pub struct Signer {
    /// The key that signs, as `orders keygen` made it
    #[arg(long = "key", value_name = "FILE")]
    pub key: PathBuf,
    /// The passphrase of the key; without it you are asked
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl Signer {
    /// Reads the key.
    pub fn read(&self) -> Result<OrderKey> {
        let prompt = format!("passphrase of {}", self.key.display());
        secret::read_key(&self.key, || {
            secret::passphrase(self.passphrase_file.as_deref(), &prompt)
        })
    }
}

/// Arguments of `orders sign`.
#[derive(Debug, Args)]
pub struct Sign {
    #[command(flatten)]
    signer: Signer,
    #[command(flatten)]
    destination: Destination,
    /// Whom it is for: a glob of ids, L@web1,web2 or G@level:staging
    #[arg(long = "for", required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// Hours until it counts no more
    #[arg(long, value_name = "HOURS", default_value_t = 168)]
    valid: u64,
    /// Hours until it counts
    #[arg(long, value_name = "HOURS", default_value_t = 0)]
    after: u64,
    /// Its number, above that of every order before [default: the seconds of the Unix epoch]
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// The minions' own master has another key: --to is that master, --finger its new key, and nobody moves
    #[arg(long)]
    rekey: bool,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print it as entries of instance metadata, none longer than Nova takes
    #[arg(long)]
    metadata: bool,
}

/// Arguments of `orders verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The file with the order
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// A public key, as it is in agent: order_keys; one that fits is enough
    #[arg(long = "key", required = true, value_name = "KEY")]
    keys: Vec<OrderPublicKey>,
}

/// Arguments of `orders show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The file with the order or certificate
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

impl Orders {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::Keygen(args) => keygen(&args, global, output),
            Self::Sign(args) => sign(*args, global, output).await,
            Self::Verify(args) => verify(&args, output),
            Self::Show(args) => show(&args.path, output),
        }
    }
}

fn keygen(args: &Keygen, global: &Global, output: &Output) -> Result<ExitCode> {
    let file = args.passphrase_file.as_deref();
    let passphrase = if args.passphrase || file.is_some() {
        let first = secret::passphrase(file, "new passphrase")?;
        if file.is_none() && *secret::passphrase(None, "again")? != *first {
            return Err(Error::new(Kind::Usage, "the two passphrases differ"));
        }
        if first.is_empty() {
            return Err(Error::new(Kind::Usage, "the passphrase is empty"));
        }
        Some(first)
    } else {
        None
    };
    let key = OrderKey::generate(&mut OsRandom)
        .map_err(|e| Error::new(Kind::Local, "cannot make a key").because(&e))?;
    if !global.dry_run {
        let passphrase = passphrase.as_ref().map(|p| p.as_str());
        secret::write_key(&args.path, &key, passphrase)?;
    }
    let public = key.public();
    output.data(&format!("agent:\n  order_keys: ['{public}']"));
    output.document(&json!({
        "file": args.path, "public": public.to_string(), "locked": passphrase.is_some(),
        "dry_run": global.dry_run,
    }));
    Ok(ExitCode::SUCCESS)
}

/// The order of these terms, sealed. `id` names it in events and journals.
pub(super) fn seal(
    key: &OrderKey,
    terms: &crate::plan::steps::Terms,
    id: &str,
    targets: Vec<Target>,
    (after, until, sequence): (u64, u64, Option<u64>),
) -> Result<(SignedOrder, String)> {
    let now = millis() / 1000;
    let mut fields = terms.order(id);
    fields.insert("expires".into(), (now + until).into());
    let order = Order::from_map(&fields, now, id).map_err(bad_order)?;
    let signed = SignedOrder {
        order,
        targets,
        not_before: now + after,
        sequence: sequence.unwrap_or(now),
    };
    let text = signed.seal(key);
    Ok((signed, text))
}

async fn sign(args: Sign, global: &Global, output: &Output) -> Result<ExitCode> {
    if args.after >= args.valid {
        return Err(Error::new(Kind::Usage, "it would expire before it counts")
            .hint("--valid must be greater than --after"));
    }
    let mut goal = args.destination.open_signed().await?;
    goal.terms.rekey = args.rekey;
    let key = args.signer.read()?;
    let targets: Vec<Target> = args.targets.iter().map(|t| Target::parse(t)).collect();
    let hours = (args.after * 3600, args.valid * 3600, args.sequence);
    let (order, text) = seal(&key, &goal.terms, &new_id(), targets, hours)?;
    let entries = to_metadata(&text);
    match &args.out {
        Some(path) if !global.dry_run => carrier::write(path, &text)?,
        Some(_) => {}
        None if args.metadata => {
            for (key, value) in &entries {
                output.data(&format!("{key}={value}"));
            }
        }
        None => output.data(&text),
    }
    if let Some(path) = &args.out {
        output.say(&format!("written to {}", path.display()));
    }
    let metadata: serde_json::Map<_, _> = entries.into_iter().map(|(k, v)| (k, v.into())).collect();
    let mut document = described(&order);
    if let Some(document) = document.as_object_mut() {
        document.insert("signed_by".into(), key.public().to_string().into());
        document.insert("text".into(), text.into());
        document.insert("metadata".into(), metadata.into());
    }
    output.document(&document);
    Ok(ExitCode::SUCCESS)
}

fn verify(args: &Verify, output: &Output) -> Result<ExitCode> {
    let text = read(&args.path)?;
    let order = SignedOrder::open(&text, &args.keys).map_err(bad_order)?;
    let now = millis() / 1000;
    let fault = if now < order.not_before {
        Some(format!("it counts in {} s", order.not_before - now))
    } else if now >= order.order.expires {
        Some(format!("it expired {} s ago", now - order.order.expires))
    } else {
        None
    };
    tell(&order, output);
    let mut document = described(&order);
    if let Some(document) = document.as_object_mut() {
        document.insert("signature".into(), "good".into());
        document.insert("counts_now".into(), fault.is_none().into());
    }
    output.document(&document);
    match fault {
        None => {
            output.say("the signature is good, and it counts now");
            Ok(ExitCode::SUCCESS)
        }
        Some(fault) => {
            output.warn(&fault);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(path: &Path, output: &Output) -> Result<ExitCode> {
    let text = read(path)?;
    if text.trim().starts_with(handover::MARK) {
        let certificate = Handover::open(&text).map_err(bad_order)?;
        let (old, new) = (&certificate.old, &certificate.new);
        let finger =
            |key: &salt_wire::crypto::PublicKey| key.fingerprint(HashType::Sha256).to_string();
        let place = certificate
            .master
            .clone()
            .unwrap_or_else(|| "the same address".into());
        output.data(&format!(
            "handover certificate, signed by the key in it\nold key    {}\nnew key    {}\nmaster     {place}\nnot after  {}",
            finger(old), finger(new), certificate.not_after,
        ));
        output.document(&json!({
            "kind": "handover", "old": finger(old), "new": finger(new),
            "master": certificate.master, "not_after": certificate.not_after,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let order = SignedOrder::peek(&text).map_err(bad_order)?;
    tell(&order, output);
    output.document(&described(&order));
    output.warn("the signature was not looked at: `orders verify` does");
    Ok(ExitCode::SUCCESS)
}

fn tell(order: &SignedOrder, output: &Output) {
    let targets: Vec<String> = order.targets.iter().map(ToString::to_string).collect();
    output.data(&format!(
        "order {}\nfor        {}\nmaster     {} (ports {}, {})\nfinger     {}\nsequence   {}\nnot before {}\nexpires    {}\nprobation  {} s",
        order.order.id,
        targets.join(" or "),
        order.order.master,
        order.order.publish_port,
        order.order.master_port,
        order.order.finger,
        order.sequence,
        order.not_before,
        order.order.expires,
        order.order.confirm,
    ));
}

fn described(order: &SignedOrder) -> serde_json::Value {
    let targets: Vec<String> = order.targets.iter().map(ToString::to_string).collect();
    json!({
        "kind": "order", "order": json_of(&order.order.to_map().into()), "targets": targets,
        "not_before": order.not_before, "sequence": order.sequence,
    })
}

pub(super) fn bad_order(error: OrderError) -> Error {
    Error::new(Kind::Refused, error.to_string())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|e| Error::new(Kind::Local, format!("cannot read {}", path.display())).because(&e))
}
