//! The `agent:` mapping: what a salt-minion does not have. Unknown keys in it are errors.
//!
//! One more setting: a row in [`KEYS`], a field here, a line in [`Agent::read`].

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use salt_wire::crypto::OrderPublicKey;
use salt_wire::{Map, Value};

use super::compat::Compat;
use super::error::Error;
use super::reader::Reader;

/// Every key below `agent:`, with the path of nested ones, and what it is for.
pub const KEYS: &[(&str, &str)] = &[
    (
        "trust",
        "`pinned` (default) or `first-use`: whether an unknown master's key is taken",
    ),
    (
        "dead_after",
        "silence of a connection after which it counts as lost (15s)",
    ),
    (
        "nameservers",
        "name servers, ADDRESS or ADDRESS:PORT, instead of those of resolv.conf",
    ),
    (
        "profile",
        "`full` (default) or `bootstrap`: what masters may call",
    ),
    (
        "allow",
        "functions that masters may call besides the profile's, as globs",
    ),
    ("deny", "functions that masters may not call, as globs"),
    (
        "nonce",
        "text repeated on the console beside our fingerprint: which boot this is",
    ),
    (
        "console",
        "device or file that gets a line at each state of the first join, such as /dev/console (off)",
    ),
    (
        "order_keys",
        "Ed25519 public keys, base64, whose signed remaster orders are obeyed",
    ),
    (
        "orphaned_after",
        "no master for this long: look for a signed order elsewhere (5m); 0: never",
    ),
    (
        "orders:file",
        "file that may hold a signed order (remaster.order in the configuration directory)",
    ),
    (
        "orders:config_drive",
        "directory where the config drive is mounted (else its device is looked for)",
    ),
    ("orders:urls", "URLs that may give a signed order"),
    ("max_jobs", "jobs that run at the same time (256)"),
    ("job_timeout", "a job that runs longer is ended (off)"),
    (
        "unsigned_auth",
        "true: take the unsigned authentication of masters before 3005",
    ),
    (
        "spool:max_size",
        "bytes of returns kept on disk while no master takes them (256MiB)",
    ),
    (
        "spool:max_age",
        "age at which a kept return is given up (7d)",
    ),
    ("spool:max_entries", "number of returns kept (10000)"),
    (
        "identity:sources",
        "what tells this machine from its clones, in order: `config_drive`, `metadata`, `machine`",
    ),
    ("identity:metadata_url", "address of the metadata service"),
    (
        "identity:guard",
        "false: the key is not bound to the instance, and a clone uses its parent's (true)",
    ),
    (
        "identity:instance",
        "what the key is bound to, instead of what the cloud and the machine say",
    ),
    (
        "report:url",
        "told once how the first join went: a Heat wait condition's URL or any other that takes JSON",
    ),
    ("report:method", "how: POST (default) or PUT"),
    ("report:token", "sent as X-Auth-Token with it"),
    (
        "report:form",
        "`heat` (default) or `cfn`: the names in its JSON",
    ),
    (
        "report:after",
        "success is told when a master is `ready` or, by default, when the startup states ran, too",
    ),
    (
        "report:timeout",
        "failure is told after this long without success (1h)",
    ),
    (
        "control:socket",
        "path of the control socket (control.sock in the cache directory)",
    ),
    (
        "compat:mode",
        "`auto` (default), `off` or `require`: this machine's own Salt for what is not native; `compat: off` for short",
    ),
    (
        "compat:python",
        "Python that has Salt, or its virtual environment (else it is found)",
    ),
    ("compat:timeout", "longest call of what is not native (1h)"),
    (
        "compat:memory",
        "memory that the Python process may take (1GiB)",
    ),
    (
        "salt_release",
        "`auto` (the master's, default), `3006`, `3007` or `3008`: whose rules of requisites and their order hold",
    ),
];

/// Whether an unknown master's key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Only a key that was pinned before.
    #[default]
    Pinned,
    /// The first key seen, as a salt-minion does.
    FirstUse,
}

/// The releases of Salt whose state compilers differ, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 3006, and whatever is older.
    V3006,
    /// 3007.
    V3007,
    /// 3008, and whatever is newer.
    V3008,
}

impl Release {
    /// The one of a version such as `3007.15`.
    pub fn of_version(version: &str) -> Option<Self> {
        let number: u32 = version.split('.').next()?.parse().ok()?;
        Some(match number {
            3008.. => Self::V3008,
            3007 => Self::V3007,
            _ => Self::V3006,
        })
    }
}

/// What masters may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Everything that the agent can do.
    #[default]
    Full,
    /// Least authority: look, remaster and run the highstate.
    Bootstrap,
}

/// Limits of the returns kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolLimits {
    /// All returns together, in bytes.
    pub max_size: u64,
    /// How old one may become.
    pub max_age: Duration,
    /// How many.
    pub max_entries: usize,
}

/// Who is told how the first join went, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// Where.
    pub url: String,
    /// `PUT`, else `POST`.
    pub put: bool,
    /// Proves that we may.
    pub token: Option<String>,
    /// CloudFormation's names instead of Heat's.
    pub cfn: bool,
    /// Success is a master that is ready, whatever its states do.
    pub at_ready: bool,
    /// Then it has failed.
    pub timeout: Duration,
}

impl std::fmt::Debug for Report {
    // A wait condition's address is a secret, too: whoever has it may signal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

impl Report {
    fn read(report: Reader<'_>) -> Result<Option<Self>, Error> {
        let Some(url) = report.some_text("url")? else {
            return Ok(None);
        };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(report.wrong("url", "an address of http or https", "something else"));
        }
        let put = report.word("method", &[("POST", false), ("PUT", true)])?;
        let cfn = report.word("form", &[("heat", false), ("cfn", true)])?;
        let at_ready = report.word("after", &[("ready", true), ("states", false)])?;
        Ok(Some(Self {
            url,
            put: put.unwrap_or_default(),
            token: report.some_text("token")?,
            cfn: cfn.unwrap_or_default(),
            at_ready: at_ready.unwrap_or_default(),
            timeout: report
                .duration("timeout")?
                .unwrap_or(Duration::from_hours(1)),
        }))
    }
}

/// A rung of the ladder that tells which machine this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    /// The instance id on the config drive.
    ConfigDrive,
    /// The instance id from the metadata service.
    Metadata,
    /// The DMI product uuid and the machine id.
    Machine,
}

/// The settings below `agent:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Whether an unknown master's key is taken.
    pub trust: Trust,
    /// Silence after which a connection counts as lost.
    pub dead_after: Duration,
    /// Name servers instead of the system's.
    pub nameservers: Vec<SocketAddr>,
    /// What masters may call.
    pub profile: Profile,
    /// Globs of functions allowed on top of the profile.
    pub allow: Vec<String>,
    /// Globs of functions never allowed.
    pub deny: Vec<String>,
    /// Repeated on the console.
    pub nonce: Option<String>,
    /// The console.
    pub console: Option<PathBuf>,
    /// Operators' keys for signed orders.
    pub order_keys: Vec<OrderPublicKey>,
    /// Time without any master after which orders are looked for elsewhere.
    pub orphaned_after: Duration,
    /// The file that may hold an order, when not in the configuration directory.
    pub order_file: Option<PathBuf>,
    /// Where the config drive is mounted, when it is.
    pub order_drive: Option<PathBuf>,
    /// URLs that may give an order.
    pub order_urls: Vec<String>,
    /// Jobs side by side.
    pub max_jobs: usize,
    /// Longest run of a job.
    pub job_timeout: Option<Duration>,
    /// Takes unsigned authentication replies of masters of the past.
    pub unsigned_auth: bool,
    /// Limits of the returns kept on disk.
    pub spool: SpoolLimits,
    /// What tells this machine from its clones, in order.
    pub identity_sources: Vec<IdentitySource>,
    /// The metadata service.
    pub metadata_url: String,
    /// A clone gets a key of its own.
    pub identity_guard: bool,
    /// The instance id, as the operator says it.
    pub identity_instance: Option<String>,
    /// Who is told how the first join went.
    pub report: Option<Report>,
    /// Where the control socket is, when not in the cache directory.
    pub control_socket: Option<PathBuf>,
    /// This machine's own Salt for what is not native.
    pub compat: Compat,
    /// Whose rules hold in a state run, when not its master's.
    pub salt_release: Option<Release>,
}

impl Agent {
    pub(super) fn read(top: Reader<'_>) -> Result<Self, Error> {
        let map = top.map("agent")?;
        if let Some((key, hint)) = unknown_key(&map) {
            return Err(Error::UnknownAgentKey {
                origin: top.origin(&format!("agent:{key}")),
                key,
                hint,
            });
        }
        let agent = top.inside(&map, "agent:");
        let spool_map = agent.map("spool")?;
        let spool = agent.inside(&spool_map, "agent:spool:");
        let identity_map = agent.map("identity")?;
        let identity = agent.inside(&identity_map, "agent:identity:");
        let report_map = agent.map("report")?;
        let report = agent.inside(&report_map, "agent:report:");
        let control_map = agent.map("control")?;
        let control = agent.inside(&control_map, "agent:control:");
        let orders_map = agent.map("orders")?;
        let orders = agent.inside(&orders_map, "agent:orders:");
        let trust = [("pinned", Trust::Pinned), ("first-use", Trust::FirstUse)];
        let profile = [("full", Profile::Full), ("bootstrap", Profile::Bootstrap)];
        let dead_after = agent
            .duration("dead_after")?
            .unwrap_or(Duration::from_secs(15));
        if dead_after < Duration::from_secs(1) {
            return Err(agent.wrong("dead_after", "1s or more", format!("{dead_after:?}")));
        }
        Ok(Self {
            trust: agent.word("trust", &trust)?.unwrap_or_default(),
            dead_after,
            nameservers: nameservers(agent)?,
            profile: agent.word("profile", &profile)?.unwrap_or_default(),
            allow: agent.texts("allow")?,
            deny: agent.texts("deny")?,
            nonce: nonce(agent)?,
            console: agent.some_text("console")?.map(PathBuf::from),
            order_keys: order_keys(agent)?,
            orphaned_after: agent
                .duration("orphaned_after")?
                .unwrap_or(Duration::from_mins(5)),
            order_file: orders.some_text("file")?.map(PathBuf::from),
            order_drive: orders.some_text("config_drive")?.map(PathBuf::from),
            order_urls: orders.texts("urls")?,
            max_jobs: positive(agent, "max_jobs", 256)?,
            job_timeout: agent.duration("job_timeout")?,
            unsigned_auth: agent.flag("unsigned_auth")?,
            spool: SpoolLimits {
                max_size: spool.size("max_size")?.unwrap_or(256 << 20),
                max_age: spool
                    .duration("max_age")?
                    .unwrap_or(Duration::from_secs(7 * 86400)),
                max_entries: positive(spool, "max_entries", 10_000)?,
            },
            identity_sources: identity_sources(identity)?,
            metadata_url: identity
                .some_text("metadata_url")?
                .unwrap_or_else(|| "http://169.254.169.254".to_owned()),
            identity_guard: identity.raw("guard").is_none() || identity.flag("guard")?,
            identity_instance: identity.some_text("instance")?,
            report: Report::read(report)?,
            control_socket: control.some_text("socket")?.map(PathBuf::from),
            compat: Compat::read(agent)?,
            salt_release: salt_release(agent)?,
        })
    }
}

/// A number as well as a text: nobody quotes `3006`.
fn salt_release(agent: Reader<'_>) -> Result<Option<Release>, Error> {
    let said = match agent.raw("salt_release") {
        None => return Ok(None),
        Some(Value::Int(number)) => number.to_string(),
        Some(_) => agent.some_text("salt_release")?.unwrap_or_default(),
    };
    match said.as_str() {
        "auto" => Ok(None),
        "3006" => Ok(Some(Release::V3006)),
        "3007" => Ok(Some(Release::V3007)),
        "3008" => Ok(Some(Release::V3008)),
        other => Err(agent.wrong(
            "salt_release",
            "`auto`, `3006`, `3007` or `3008`",
            format!("\"{other}\""),
        )),
    }
}

fn positive(reader: Reader<'_>, key: &str, default: usize) -> Result<usize, Error> {
    if reader.raw(key).is_none() {
        return Ok(default);
    }
    let number = reader.number(key, "a number, 1 or more")?;
    if number == 0 {
        return Err(reader.wrong(key, "a number, 1 or more", "0"));
    }
    Ok(number)
}

fn nameservers(agent: Reader<'_>) -> Result<Vec<SocketAddr>, Error> {
    let read = |text: &String| {
        let plain = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        plain.or_else(|_| text.parse()).map_err(|_| {
            agent.wrong(
                "nameservers",
                "a list of ADDRESS or ADDRESS:PORT",
                format!("\"{text}\""),
            )
        })
    };
    agent.texts("nameservers")?.iter().map(read).collect()
}

/// One word, so that the console line keeps its form whatever user-data held.
fn nonce(agent: Reader<'_>) -> Result<Option<String>, Error> {
    let text = agent.some_text("nonce")?;
    match text {
        Some(text) if text.len() > 128 || !text.chars().all(|c| c.is_ascii_graphic()) => Err(agent
            .wrong(
                "nonce",
                "up to 128 visible ASCII characters",
                format!("\"{text}\""),
            )),
        text => Ok(text),
    }
}

fn order_keys(agent: Reader<'_>) -> Result<Vec<OrderPublicKey>, Error> {
    let expected = "a list of Ed25519 public keys, each 32 bytes in base64";
    agent
        .texts("order_keys")?
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| agent.wrong("order_keys", expected, format!("\"{text}\"")))
        })
        .collect()
}

fn identity_sources(identity: Reader<'_>) -> Result<Vec<IdentitySource>, Error> {
    const SOURCES: [(&str, IdentitySource); 3] = [
        ("config_drive", IdentitySource::ConfigDrive),
        ("metadata", IdentitySource::Metadata),
        ("machine", IdentitySource::Machine),
    ];
    if identity.raw("sources").is_none() {
        return Ok(SOURCES.map(|(_, source)| source).to_vec());
    }
    identity
        .texts("sources")?
        .iter()
        .map(|name| {
            let found = SOURCES.iter().find(|(word, _)| word == name);
            found.map(|(_, source)| *source).ok_or_else(|| {
                let expected = "a list of `config_drive`, `metadata` and `machine`";
                identity.wrong("sources", expected, format!("\"{name}\""))
            })
        })
        .collect()
}

/// The first key below `agent:` that does not exist, with its path, and the known key nearest to it.
fn unknown_key(agent: &Map) -> Option<(String, Option<String>)> {
    for (key, value) in agent {
        let name = key
            .as_str()
            .map_or_else(|| format!("{key:?}"), str::to_owned);
        let group = format!("{name}:");
        let is_group = KEYS.iter().any(|(k, _)| k.starts_with(&group));
        match value {
            Value::Map(inner) if is_group => {
                let wrong = inner
                    .keys()
                    .map(|k| format!("{group}{}", k.as_str().unwrap_or("?")))
                    .find(|path| KEYS.iter().all(|(k, _)| k != path));
                if let Some(path) = wrong {
                    let near = nearest(&path);
                    return Some((path, near));
                }
            }
            _ if is_group || KEYS.iter().any(|(k, _)| *k == name) => {}
            _ => {
                let near = nearest(&name);
                return Some((name, near));
            }
        }
    }
    None
}

fn nearest(wrong: &str) -> Option<String> {
    let names = KEYS.iter().map(|(k, _)| *k);
    super::nearest(wrong, names).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use salt_wire::{Value, map};

    use super::Release;
    use crate::config::Settings;

    #[test]
    fn a_release_is_a_number_or_a_text() {
        let read = |value: Value| {
            let opts = map! { "agent" => map! { "salt_release" => value } };
            Settings::from_overrides(Path::new("/none"), "a", opts).map(|s| s.agent.salt_release)
        };
        assert_eq!(read(3006.into()).unwrap(), Some(Release::V3006));
        assert_eq!(read("3007".into()).unwrap(), Some(Release::V3007));
        assert_eq!(read("auto".into()).unwrap(), None);
        let wrong = read(3005.into()).unwrap_err().to_string();
        assert!(wrong.contains("`agent:salt_release` must be"), "{wrong}");
        assert_eq!(Release::of_version("3009.0"), Some(Release::V3008));
        assert_eq!(Release::of_version("3005.1"), Some(Release::V3006));
    }
}
