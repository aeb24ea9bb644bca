//! `master`: is a new master ready, what must minions be told about it, and the old one's word for it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use salt_wire::crypto::{HashType, OsRandom, PrivateKey, PublicKey};
use salt_wire::order::handover::Handover;
use salt_wire::{Value, map};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::master_launch::{Launch, List, launched, list};
use super::master_pillar;
use super::orders;
use super::travel::absolute;
use super::vm_work::text_of;
use crate::cli::Global;
use crate::cloud::Selection;
use crate::error::{Error, Kind, Result};
use crate::fleet::carrier;
use crate::fleet::look::accepted;
use crate::journal::millis;
use crate::output::Output;
use crate::salt::{Local, Master, MasterConfig, keyfile};
use crate::scan;

/// A runner starts a process of its own.
const RUNNER: Duration = Duration::from_secs(60);
const PORT: Duration = Duration::from_secs(5);

/// The commands about masters.
#[derive(Debug, Subcommand)]
pub enum Masters {
    /// Look whether a new master is ready to take minions over
    #[command(
        after_help = "Examples:\n  master-bridge master check --to-config /etc/salt-new\n  master-bridge master check --to-config /etc/salt-new --scan /srv/cloud --scan /srv/heat --old salt.example.org"
    )]
    Check(Check),
    /// Print what a minion's configuration must say to trust a master, and no other
    #[command(
        after_help = "Examples:\n  master-bridge master pin --to new.example.org --to-config /etc/salt-new\n  master-bridge master pin --to salt.example.org   (the master of --salt-config)\n  master-bridge master pin --server salt2 --template cloud-init/user-data.yaml"
    )]
    Pin(Pin),
    /// Make a VM that is a salt-master, and prove its key through its console
    Launch(Box<Launch>),
    /// List the masters that were launched, with their keys
    #[command(after_help = "Example:\n  master-bridge master list")]
    List(List),
    /// Sign a new master's key with the old master's, so that minions accept it on sight
    #[command(
        after_help = "Example, on the old master:\n  master-bridge master handover --new-key /root/new-master.pub --to new.example.org --days 90 --out handover.txt"
    )]
    Handover(HandOver),
}

/// Arguments of `master check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The new master's configuration directory
    #[arg(long, visible_alias = "to", value_name = "DIR")]
    to_config: PathBuf,
    /// Its address as minions reach it [default: where it listens]
    #[arg(long, value_name = "HOST")]
    address: Option<String>,
    /// Compile the pillar of these minions of the old master, to be held against what they have there
    #[arg(long, value_name = "ID")]
    minion: Vec<String>,
    /// How many of the old master's minions, spread over all of them, if none is named
    #[arg(long, value_name = "N", default_value_t = 5)]
    sample: usize,
    /// Folders with user-data, templates and environment files: who names the old master there is listed
    #[arg(long, value_name = "DIR")]
    scan: Vec<PathBuf>,
    /// A name or address of the old master to look for; more than one may be given
    #[arg(long, value_name = "HOST", requires = "scan")]
    old: Vec<String>,
}

/// Arguments of `master pin`.
#[derive(Debug, Args)]
pub struct Pin {
    /// The master's address, as minions reach it [of a launched one: its floating address, else its own]
    #[arg(long, value_name = "HOST", required_unless_present = "server")]
    to: Option<String>,
    /// The master's configuration directory [default: --salt-config]
    #[arg(long, value_name = "DIR")]
    to_config: Option<PathBuf>,
    /// A master that was launched, by name or id: its key is the one that its console proved
    #[arg(long, value_name = "SERVER", conflicts_with = "to_config")]
    server: Option<String>,
    /// A user-data template: printed with its `<MASTER>` and `<FINGER>` filled in
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `master handover`.
#[derive(Debug, Args)]
pub struct HandOver {
    /// The new master's public key (its `master.pub`)
    #[arg(long, value_name = "FILE", required_unless_present = "to_config")]
    new_key: Option<PathBuf>,
    /// The new master's configuration directory, if it runs on this host
    #[arg(long, value_name = "DIR", conflicts_with = "new_key")]
    to_config: Option<PathBuf>,
    /// The new master's address, if it is another than the old one's
    #[arg(long, value_name = "HOST")]
    to: Option<String>,
    /// Its request port there
    #[arg(long, value_name = "PORT", default_value_t = salt_wire::order::MASTER_PORT)]
    to_port: u16,
    /// Its publish port there
    #[arg(long, value_name = "PORT", default_value_t = salt_wire::order::PUBLISH_PORT)]
    to_publish_port: u16,
    /// Days until it counts no more
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    days: u64,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Masters {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::Check(args) => check(&args, global, output).await,
            Self::Pin(args) => pin(&args, global, output).await,
            Self::Launch(args) => args.run(global, output).await,
            Self::List(args) => list(&args, output).await,
            Self::Handover(args) => handover(&args, global, output),
        }
    }
}

/// One line of the check.
struct Finding {
    name: &'static str,
    result: std::result::Result<String, String>,
    seconds: f64,
}

async fn check(args: &Check, global: &Global, output: &Output) -> Result<ExitCode> {
    global.dir("the check of a new master")?;
    let config = MasterConfig::read(&args.to_config)?;
    let mut findings = Vec::new();
    let mut add = |name, start: Instant, result| {
        let seconds = start.elapsed().as_secs_f64();
        findings.push(Finding {
            name,
            result,
            seconds,
        });
    };
    let start = Instant::now();
    let key = keyfile::of_master(&config.pki_dir);
    add(
        "key",
        start,
        key.map(|k| k.fingerprint(HashType::Sha256).to_string())
            .map_err(|e| e.to_string()),
    );
    let address = args
        .address
        .clone()
        .unwrap_or_else(|| config.local_address());
    for (name, port) in [
        ("publish port", config.publish_port),
        ("request port", config.ret_port),
    ] {
        let start = Instant::now();
        add(name, start, reach(&address, port).await);
    }
    let (ids, old) = master_pillar::old_master(global, &config).await;
    let start = Instant::now();
    match Local::open(config).await {
        Err(error) => add("requests", start, Err(error.to_string())),
        Ok(mut master) => {
            add("requests", start, Ok("answers with its local key".into()));
            let start = Instant::now();
            let version = salt_cmd(&mut master, "test.version").await;
            add("version", start, version);
            let start = Instant::now();
            let files = file_roots(&mut master).await;
            add("file roots", start, files);
            let held = accepted(&mut master).await?;
            let start = Instant::now();
            let ids = match ids.is_empty() {
                true => held.keys().cloned().collect(),
                false => ids,
            };
            let meant = master_pillar::sample(&args.minion, &ids, args.sample);
            let pillar = master_pillar::good(&mut master, old, &meant).await;
            add("pillar", start, pillar);
            let start = Instant::now();
            add("minion keys", start, missing_keys(global, &held));
        }
    }
    let named = scan::folders(&args.scan, &args.old)?;
    if !args.scan.is_empty() {
        let text = format!("{} lines name {}", named.len(), args.old.join(", "));
        let result = if named.is_empty() {
            Ok(text)
        } else {
            Err(text)
        };
        findings.push(Finding {
            name: "files",
            result,
            seconds: 0.0,
        });
    }
    let rows: Vec<_> = findings
        .iter()
        .map(|f| {
            let (word, text) = match &f.result {
                Ok(text) => ("ok", text),
                Err(text) => ("NOT OK", text),
            };
            vec![
                f.name.to_owned(),
                word.into(),
                format!("{:.2} s", f.seconds),
                text.clone(),
            ]
        })
        .collect();
    output.table(&["check", "result", "took", "found"], &rows);
    for line in &named {
        output.data(&format!(
            "{}:{}: {}",
            line.path.display(),
            line.number,
            line.text
        ));
    }
    let good = findings.iter().all(|f| f.result.is_ok());
    let checks: serde_json::Map<_, _> = findings
        .iter()
        .map(|f| {
            let text = f.result.as_ref().unwrap_or_else(|e| e);
            let shown = json!({"ok": f.result.is_ok(), "found": text, "seconds": f.seconds});
            (f.name.replace(' ', "_"), shown)
        })
        .collect();
    let named: Vec<_> = named
        .iter()
        .map(|l| json!({"file": l.path, "line": l.number, "text": l.text}))
        .collect();
    output.document(&json!({"ready": good, "checks": checks, "names_old_master": named}));
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn reach(address: &str, port: u16) -> std::result::Result<String, String> {
    let place = if address.contains(':') && !address.starts_with('[') {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    };
    match timeout(PORT, TcpStream::connect(&place)).await {
        Ok(Ok(_)) => Ok(format!("{place} is open")),
        Ok(Err(e)) => Err(format!("{place}: {e}")),
        Err(_) => Err(format!(
            "{place} does not answer within {} s",
            PORT.as_secs()
        )),
    }
}

/// An execution function, run by the master on itself.
async fn salt_cmd(master: &mut Local, fun: &str) -> std::result::Result<String, String> {
    let returned = master.runner("salt.cmd", map! {"fun" => fun}, RUNNER).await;
    match returned {
        Ok(Value::Str(text)) => Ok(text),
        Ok(other) => Err(format!("{fun} gave {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

async fn file_roots(master: &mut Local) -> std::result::Result<String, String> {
    let files = master
        .runner("fileserver.file_list", map! {"saltenv" => "base"}, RUNNER)
        .await
        .map_err(|e| e.to_string())?;
    let files = files.as_list().unwrap_or_default();
    if files.iter().any(|f| f.as_str() == Some("top.sls")) {
        return Ok(format!("{} files in base, top.sls among them", files.len()));
    }
    Err(format!("{} files in base, and no top.sls", files.len()))
}

/// Whether the new master has the key of everyone whom the old one has accepted.
fn missing_keys(
    global: &Global,
    held: &std::collections::BTreeMap<String, crate::salt::keys::Key>,
) -> std::result::Result<String, String> {
    let Ok(old) = MasterConfig::read(&global.salt_config) else {
        return Ok(format!(
            "{} accepted (no old master to compare with)",
            held.len()
        ));
    };
    let old = keyfile::accepted(&old.pki_dir)
        .map_err(|e| format!("cannot read the old master's keys: {e}"))?;
    let differ: Vec<&str> = old
        .iter()
        .filter(|k| {
            held.get(&k.id)
                .is_some_and(|h| h.fingerprint() != k.fingerprint())
        })
        .map(|k| k.id.as_str())
        .collect();
    let missing = old.iter().filter(|k| !held.contains_key(&k.id)).count();
    if differ.is_empty() {
        // The move hands the missing ones over.
        return Ok(format!(
            "{} accepted, {missing} will be handed over",
            held.len()
        ));
    }
    Err(format!(
        "another key than on the old master: {}",
        differ.join(", ")
    ))
}

/// What minions must know of a master.
struct Pinned {
    master: String,
    finger: String,
    ret_port: u16,
    publish_port: u16,
    config: Option<PathBuf>,
}

async fn pinned(args: &Pin, global: &Global) -> Result<Pinned> {
    if let Some(server) = &args.server {
        let (address, finger) = launched(server, &args.cloud).await?;
        return Ok(Pinned {
            master: args.to.clone().unwrap_or(address),
            finger,
            ret_port: salt_wire::order::MASTER_PORT,
            publish_port: salt_wire::order::PUBLISH_PORT,
            config: None,
        });
    }
    let dir = match &args.to_config {
        Some(dir) => dir.clone(),
        None => global.dir("the pin of a master")?,
    };
    let dir = dir.as_path();
    let config = MasterConfig::read(dir)?;
    let key = keyfile::of_master(&config.pki_dir)?;
    Ok(Pinned {
        master: args.to.clone().unwrap_or_default(),
        finger: key.fingerprint(HashType::Sha256).to_string(),
        ret_port: config.ret_port,
        publish_port: config.publish_port,
        config: Some(absolute(dir)),
    })
}

async fn pin(args: &Pin, global: &Global, output: &Output) -> Result<ExitCode> {
    let of = pinned(args, global).await?;
    let mut lines = vec![
        format!("master: {}", of.master),
        format!("master_finger: '{}'", of.finger),
    ];
    if of.ret_port != salt_wire::order::MASTER_PORT {
        lines.push(format!("master_port: {}", of.ret_port));
    }
    if of.publish_port != salt_wire::order::PUBLISH_PORT {
        lines.push(format!("publish_port: {}", of.publish_port));
    }
    let mut text = lines.join("\n");
    if let Some(path) = &args.template {
        let template = text_of(path)?;
        if !template.contains("<FINGER>") {
            let text = format!("{} has no place <FINGER>", path.display());
            return Err(Error::new(Kind::Usage, text).hint("cloud-init/user-data.yaml shows one"));
        }
        let quoted = |word: &str| format!("'{word}'");
        // What is said about the places above them stays as it is.
        let filled = template
            .lines()
            .map(|line| match line.trim_start().starts_with('#') {
                true => line.to_owned(),
                false => line
                    .replace("<MASTER>", &quoted(&of.master))
                    .replace("<FINGER>", &quoted(&of.finger)),
            });
        text = filled.collect::<Vec<_>>().join("\n");
    }
    output.data(&text);
    output.document(&json!({
        "master": of.master, "master_finger": of.finger,
        "master_port": of.ret_port, "publish_port": of.publish_port,
        "config": of.config, "template": args.template.as_ref().map(|_| text),
    }));
    Ok(ExitCode::SUCCESS)
}

fn handover(args: &HandOver, global: &Global, output: &Output) -> Result<ExitCode> {
    let old = MasterConfig::read(&global.dir("a handover")?)?;
    let new = match (&args.new_key, &args.to_config) {
        (Some(path), _) => public_key(path)?,
        (None, Some(dir)) => keyfile::of_master(&MasterConfig::read(dir)?.pki_dir)?,
        (None, None) => return Err(Error::new(Kind::Usage, "--new-key is missing")),
    };
    let path = old.pki_dir.join("master.pem");
    let failed = || {
        Error::new(
            Kind::Permission,
            format!("cannot use the old master's private key {}", path.display()),
        )
        .hint("run on the old master, as root or as the master's user")
    };
    let pem = std::fs::read_to_string(&path).map_err(|e| failed().because(&e))?;
    let key = PrivateKey::from_pem(&pem).map_err(|e| failed().because(&e))?;
    if *key.public() == new {
        return Err(Error::new(Kind::Usage, "the new key is the old one"));
    }
    let not_after = millis() / 1000 + args.days * 24 * 3600;
    let mut certificate = Handover::new(key.public().clone(), new.clone(), not_after);
    certificate.master = args.to.clone();
    certificate.master_port = args.to_port;
    certificate.publish_port = args.to_publish_port;
    let text = certificate
        .seal(&key, &mut OsRandom)
        .map_err(orders::bad_order)?;
    match &args.out {
        Some(_) if global.dry_run => {}
        Some(path) => {
            carrier::write(path, &text)?;
            output.say(&format!("written to {}", path.display()));
        }
        None => output.data(&text),
    }
    output.document(&json!({
        "old": key.public().fingerprint(HashType::Sha256).to_string(),
        "new": new.fingerprint(HashType::Sha256).to_string(),
        "master": args.to, "not_after": not_after, "text": text,
    }));
    Ok(ExitCode::SUCCESS)
}

fn public_key(path: &Path) -> Result<PublicKey> {
    let failed = || {
        Error::new(
            Kind::Local,
            format!("cannot read the public key {}", path.display()),
        )
    };
    let pem = std::fs::read_to_string(path).map_err(|e| failed().because(&e))?;
    PublicKey::from_pem(&pem).map_err(|e| failed().because(&e))
}
