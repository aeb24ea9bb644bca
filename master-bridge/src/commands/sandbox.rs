//! `sandbox`: a cloud on this machine to try things on.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::cli::{Global, seconds};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::sandbox::{self, CLOUD, Fault, Options};

/// How long it may take to come up or to end its VMs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The commands of the sandbox.
#[derive(Debug, Subcommand)]
pub enum Sandbox {
    /// Start a cloud on loopback whose VMs are local agents, and print its clouds.yaml
    ///
    /// It serves the part of Keystone, Nova, Neutron, Glance and Cinder that master-bridge uses. A VM is a
    /// salt-agent with a folder as its disk, set up from the server's user-data; a floating IP is an address
    /// in 127.200.0.0/24 whose open ports lead to the VM. What VMs' states change outside of their folder
    /// they change on this machine.
    #[command(
        after_help = "Examples:\n  master-bridge sandbox up > clouds.yaml\n  master-bridge sandbox up --fault nova.create=ERROR@2 --fault 'neutron.*=300ms'"
    )]
    Up(Up),
    /// End it and its VMs; what it holds stays for the next start
    #[command(
        after_help = "Examples:\n  master-bridge sandbox down\n  master-bridge sandbox down --wipe --yes"
    )]
    Down(Down),
    /// Show whether it runs, what it holds, and its faults
    #[command(after_help = "Example:\n  master-bridge sandbox status -o json")]
    Status(Place),
    /// Make trouble in a running sandbox: OPERATION=EFFECT or OPERATION=EFFECT@N
    ///
    /// Operations are SERVICE.VERB or SERVICE.THING.VERB, such as nova.create, nova.server.os-stop,
    /// neutron.floatingip.update, glance.upload; a star stands for anything. Effects: ERROR (accepted, and it
    /// fails later), STUCK (it never ends), a status such as 503, a delay such as 2s or 300ms, lost (done, but
    /// not answered), expire (no token counts any more). @2 is the second time alone, @2+ from then on,
    /// @2-4 these three.
    #[command(
        after_help = "Examples:\n  master-bridge sandbox fault nova.create=ERROR@1\n  master-bridge sandbox fault --clear"
    )]
    Fault(MakeFault),
}

/// Where the sandbox is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The folder with all that it keeps [default: sandbox, beside the journal]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Place {
    fn folder(&self, global: &Global) -> PathBuf {
        match &self.folder {
            Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.clone()),
            None => global.journal().with_file_name("sandbox"),
        }
    }
}

/// Arguments of `sandbox up`.
#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    place: Place,
    /// The port on 127.0.0.1 [default: the one of last time, or any that is free]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Seconds that each stage of work takes, such as from BUILD one step on
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0.2")]
    pace: Duration,
    /// The program that plays a VM [default: salt-agent beside this program, or in PATH]
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// The program of VMs that `master launch` makes, such as salt-master of a virtual environment
    #[arg(long, value_name = "PROGRAM")]
    salt_master: Option<PathBuf>,
    /// Trouble from the beginning: OPERATION=EFFECT or OPERATION=EFFECT@N; may be repeated
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
    /// Serve in this process until it is ended
    #[arg(long)]
    foreground: bool,
}

/// Arguments of `sandbox down`.
#[derive(Debug, Args)]
pub struct Down {
    #[command(flatten)]
    place: Place,
    /// Remove the folder too: servers, images, everything
    #[arg(long)]
    wipe: bool,
}

/// Arguments of `sandbox fault`.
#[derive(Debug, Args)]
pub struct MakeFault {
    #[command(flatten)]
    place: Place,
    /// The faults
    #[arg(value_name = "FAULT", required_unless_present = "clear")]
    faults: Vec<Fault>,
    /// Forget all faults first
    #[arg(long)]
    clear: bool,
}

impl Sandbox {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::Up(args) if args.foreground => serve(args, global).await,
            Self::Up(args) => up(&args, global, output).await,
            Self::Down(args) => down(&args, global, output).await,
            Self::Status(place) => status(&place.folder(global), output).await,
            Self::Fault(args) => fault(&args, global).await,
        }
    }
}

fn local(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Local, format!("cannot {what} {}", path.display())).because(error)
}

/// The address of a sandbox that runs in this folder.
fn running(folder: &Path) -> Option<String> {
    let lock = File::open(folder.join("lock")).ok()?;
    if Flock::lock(lock, FlockArg::LockSharedNonblock).is_ok() {
        return None;
    }
    let url = fs::read_to_string(folder.join("url")).ok()?;
    Some(url.trim().to_owned())
}

async fn serve(args: Up, global: &Global) -> Result<ExitCode> {
    let folder = args.place.folder(global);
    fs::create_dir_all(&folder).map_err(|e| local("make", &folder, &e))?;
    let path = folder.join("lock");
    let lock = File::create(&path).map_err(|e| local("make", &path, &e))?;
    let _held = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|_| {
        let text = format!("a sandbox runs in {} already", folder.display());
        Error::new(Kind::Refused, text)
            .hint("`master-bridge sandbox status`; --folder for another one")
    })?;
    let write = |name: &str, text: String| {
        // Whole or not at all: somebody waits for it.
        let new = folder.join(format!("{name}.new"));
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, folder.join(name)));
        if let Err(error) = written {
            tracing::error!(folder = %folder.display(), name, %error, "The sandbox cannot say where it is.");
        }
    };
    write("pid", std::process::id().to_string());
    let options = Options {
        port: args.port.or_else(|| last_port(&folder)).unwrap_or_default(),
        folder: folder.clone(),
        pace: args.pace,
        agent: args.agent.clone().or_else(find_agent),
        salt_master: args.salt_master.clone(),
        faults: args.faults,
    };
    let ready = |url: &str| {
        write("clouds.yaml", sandbox::clouds_yaml(url));
        // Last: whoever waits for it finds everything.
        write("url", url.to_owned());
    };
    let served = sandbox::serve(options, ready).await;
    served.map_err(|e| local("serve a sandbox in", &folder, &e))?;
    Ok(ExitCode::SUCCESS)
}

/// A sandbox comes back where it was, so that a clouds.yaml stays true.
fn last_port(folder: &Path) -> Option<u16> {
    let url = fs::read_to_string(folder.join("url")).ok()?;
    let port = url.trim().rsplit(':').next()?.parse().ok()?;
    std::net::TcpListener::bind(("127.0.0.1", port))
        .ok()
        .map(|_| port)
}

fn find_agent() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.with_file_name("salt-agent");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(beside)
        .chain(std::env::split_paths(&path).map(|dir| dir.join("salt-agent")))
        .find(|path| path.is_file())
}

async fn up(args: &Up, global: &Global, output: &Output) -> Result<ExitCode> {
    let folder = args.place.folder(global);
    if let Some(url) = running(&folder) {
        output.say(&format!("a sandbox runs in {} already", folder.display()));
        return tell(&folder, &url, output);
    }
    if global.dry_run {
        output.say(&format!("would start a sandbox in {}", folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let agent = args.agent.clone().or_else(find_agent);
    if agent.is_none() {
        output.warn("no salt-agent is found: VMs will be documents without anything that runs (--agent names it)");
    }
    fs::create_dir_all(&folder).map_err(|e| local("make", &folder, &e))?;
    let log_path = folder.join("log");
    let log = File::create(&log_path).map_err(|e| local("make", &log_path, &e))?;
    let port = args.port.or_else(|| last_port(&folder));
    let url_file = folder.join("url");
    if url_file.exists() {
        fs::remove_file(&url_file).map_err(|e| local("remove", &url_file, &e))?;
    }
    let failed =
        |e: std::io::Error| Error::new(Kind::Local, "cannot start the sandbox").because(&e);
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command
        .args(["sandbox", "up", "--foreground", "--pace"])
        .arg(args.pace.as_secs_f64().to_string())
        .arg("--folder")
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // A Ctrl-C meant for us is not meant for it.
        .process_group(0);
    if let Some(program) = &args.salt_master {
        command.arg("--salt-master").arg(program);
    }
    if let Some(agent) = &agent {
        command.arg("--agent").arg(agent);
    }
    if let Some(port) = port {
        command.arg("--port").arg(port.to_string());
    }
    for fault in &args.faults {
        command.arg("--fault").arg(fault.to_string());
    }
    let mut child = command.spawn().map_err(failed)?;
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(url) = running(&folder) {
            return tell(&folder, &url, output);
        }
        let ended = child.try_wait().map_err(failed)?;
        if ended.is_some() || Instant::now() > until {
            let said = fs::read_to_string(&log_path).unwrap_or_default();
            return Err(
                Error::new(Kind::Local, "the sandbox did not come up").hint(format!(
                    "{} says: {}",
                    log_path.display(),
                    said.trim()
                )),
            );
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn tell(folder: &Path, url: &str, output: &Output) -> Result<ExitCode> {
    let file = sandbox::clouds_file(folder);
    output.data(sandbox::clouds_yaml(url).trim_end());
    output.document(&json!({
        "folder": folder, "url": url, "clouds_yaml": file, "cloud": CLOUD,
    }));
    output.say(&format!(
        "export OS_CLIENT_CONFIG_FILE={} OS_CLOUD={CLOUD}",
        file.display()
    ));
    Ok(ExitCode::SUCCESS)
}

async fn down(args: &Down, global: &Global, output: &Output) -> Result<ExitCode> {
    let folder = args.place.folder(global);
    if args.wipe {
        output.consent(&format!(
            "remove {} with all servers and images of the sandbox",
            folder.display()
        ))?;
    }
    if global.dry_run {
        output.say(&format!("would end the sandbox in {}", folder.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let ran = running(&folder).is_some();
    if ran {
        let path = folder.join("pid");
        let text = fs::read_to_string(&path).map_err(|e| local("read", &path, &e))?;
        let pid = text.trim().parse().map(Pid::from_raw).map_err(|_| {
            Error::new(
                Kind::Local,
                format!("{} holds no process id", path.display()),
            )
        })?;
        kill(pid, Signal::SIGTERM).map_err(|e| {
            Error::new(Kind::Permission, format!("cannot end process {pid}")).because(&e)
        })?;
        let until = Instant::now() + PATIENCE;
        while running(&folder).is_some() {
            if Instant::now() > until {
                let text = format!("the sandbox (process {pid}) does not end");
                return Err(Error::new(Kind::Local, text).hint(format!("kill -9 {pid}")));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    // Only what is a sandbox is removed as one.
    if args.wipe && folder.join("lock").exists() {
        fs::remove_dir_all(&folder).map_err(|e| local("remove", &folder, &e))?;
    }
    output.say(if ran {
        "the sandbox has ended"
    } else {
        "no sandbox runs there"
    });
    output.document(&json!({"ran": ran, "wiped": args.wipe}));
    Ok(ExitCode::SUCCESS)
}

async fn status(folder: &Path, output: &Output) -> Result<ExitCode> {
    let Some(url) = running(folder) else {
        output.say(&format!("no sandbox runs in {}", folder.display()));
        output.document(&json!({"running": false, "folder": folder}));
        return Ok(ExitCode::FAILURE);
    };
    let holds = ask(&url, "GET", "/sandbox", &Value::Null).await?;
    let faults = ask(&url, "GET", "/sandbox/faults", &Value::Null).await?;
    let rows: Vec<Vec<String>> = holds
        .as_object()
        .into_iter()
        .flatten()
        .map(|(kind, count)| vec![kind.clone(), count.to_string()])
        .collect();
    output.table(&["kind", "count"], &rows);
    for fault in faults
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        output.data(&format!("fault {fault}"));
    }
    output.document(&json!({
        "running": true, "folder": folder, "url": url, "clouds_yaml": sandbox::clouds_file(folder),
        "holds": holds, "faults": faults,
    }));
    Ok(ExitCode::SUCCESS)
}

async fn fault(args: &MakeFault, global: &Global) -> Result<ExitCode> {
    let folder = args.place.folder(global);
    let url = running(&folder).ok_or_else(|| {
        Error::new(
            Kind::NothingMatched,
            format!("no sandbox runs in {}", folder.display()),
        )
        .hint("`master-bridge sandbox up` starts one")
    })?;
    if args.clear {
        ask(&url, "DELETE", "/sandbox/faults", &Value::Null).await?;
    }
    for fault in &args.faults {
        ask(
            &url,
            "POST",
            "/sandbox/faults",
            &json!({"fault": fault.to_string()}),
        )
        .await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One request to a sandbox of this machine.
async fn ask(url: &str, method: &str, path: &str, body: &Value) -> Result<Value> {
    let place = url.trim_start_matches("http://");
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {place}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(place).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(1 << 20).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let failed = || {
        Error::new(
            Kind::Unreachable,
            format!("the sandbox at {url} does not answer"),
        )
    };
    let answer = match timeout(PATIENCE, exchange).await {
        Ok(Ok(answer)) => String::from_utf8_lossy(&answer).into_owned(),
        Ok(Err(error)) => return Err(failed().because(&error)),
        Err(_) => return Err(failed()),
    };
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(failed)?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        return Err(Error::new(
            Kind::Failed,
            format!("the sandbox says {status}: {}", body.trim()),
        ));
    }
    Ok(serde_json::from_str(body).unwrap_or_default())
}
