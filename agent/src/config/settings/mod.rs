//! The validated settings that the rest of the agent reads: typed groups, and `opts` with everything.

mod read;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use salt_wire::crypto::{EncAlgo, Fingerprint, HashType, SigAlgo};
use salt_wire::{Map, Value};

use super::address::MasterAddress;
use super::agent::Agent;
use super::error::Error;
use super::log::LogOptions;
use super::reader::Reader;
use super::{Origins, effective};

/// What the agent was told, complete and checked.
#[derive(Clone)]
pub struct Settings {
    /// The directory that holds `minion` and `minion.d/`.
    pub config_dir: PathBuf,
    /// The minion id.
    pub id: String,
    /// Every option as Salt's `opts` has it: defaults, then files, then command line. For `config.get`, Jinja's `opts` and options without a typed field.
    pub opts: Map,
    /// The place that set each option.
    pub origins: Origins,
    /// Prefix of the other directories; `/` unless set.
    pub root_dir: PathBuf,
    /// Keys of the pair and of the masters.
    pub pki_dir: PathBuf,
    /// Cached files, jobs and state.
    pub cachedir: PathBuf,
    /// Sockets.
    pub sock_dir: PathBuf,
    /// Where a process id is written when asked for.
    pub pidfile: PathBuf,
    /// The account to run as; empty is the one that started us.
    pub user: String,
    /// Which masters, and in which way.
    pub master: MasterOptions,
    /// Algorithms and what is signed.
    pub crypto: CryptoOptions,
    /// Authentication and waiting for acceptance.
    pub auth: AuthOptions,
    /// Sockets, names and requests.
    pub net: NetOptions,
    /// What runs, and how much at once.
    pub jobs: JobOptions,
    /// The mine.
    pub mine: MineOptions,
    /// Grains.
    pub grains: GrainsOptions,
    /// States, pillar and the fileserver.
    pub states: StateOptions,
    /// Log lines.
    pub log: LogOptions,
    /// The `schedule` mapping.
    pub schedule: Map,
    /// The `agent:` mapping.
    pub agent: Agent,
}

/// How several masters are used (`master_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MasterType {
    /// All of them at the same time (`str`).
    #[default]
    Hot,
    /// One at a time, the next when it is lost.
    Failover,
    /// One at a time, the first one chosen by the id.
    Distributed,
    /// None.
    Disable,
}

/// Which masters, and in which way.
#[derive(Debug, Clone)]
pub struct MasterOptions {
    /// Their addresses, in the order of the file.
    pub addresses: Vec<MasterAddress>,
    /// How several are used.
    pub kind: MasterType,
    /// The request port where an address names none.
    pub port: u16,
    /// The publish port where the operator wants another one than the master tells (Salt's rule with 4506 applied).
    pub publish_port: Option<u16>,
    /// `master_finger`: the only key to take.
    pub finger: Option<Fingerprint>,
    /// Pause between looks whether the master lives (failover); zero: the connection alone decides.
    pub alive_interval: Duration,
    /// Go back to the first master when it lives again.
    pub failback: bool,
    /// Pause between looks at the first master.
    pub failback_interval: Duration,
    /// Passes over the list; `None`: without end.
    pub tries: Option<u32>,
    /// Take the masters in a random order.
    pub random: bool,
    /// A key is trusted when `sign_key_name`'s key signed it.
    pub verify_pubkey_sign: bool,
    /// Look at that signature even when the key has not changed.
    pub always_verify_signature: bool,
    /// Name of the signing key's file, without `.pub`.
    pub sign_key_name: String,
}

/// Algorithms and what is signed.
#[derive(Debug, Clone)]
pub struct CryptoOptions {
    /// Hash of fingerprints and of the file cache.
    pub hash_type: HashType,
    /// Bits of a new key.
    pub keysize: u32,
    /// Set by the operator; `None`: the strongest that the master takes.
    pub encryption: Option<EncAlgo>,
    /// Set by the operator; `None`: the strongest that the master takes.
    pub signing: Option<SigAlgo>,
    /// Only what FIPS allows.
    pub fips: bool,
    /// Take any master's key. Salt's word for no protection at all.
    pub open_mode: bool,
    /// Refuse publications that are not signed.
    pub sign_pub_messages: bool,
    /// Sign returns.
    pub minion_sign_messages: bool,
}

/// Authentication and waiting for acceptance.
#[derive(Debug, Clone)]
pub struct AuthOptions {
    /// Wait for one answer.
    pub timeout: Duration,
    /// Tries of one attempt.
    pub tries: u32,
    /// Treat a timeout as "not accepted yet".
    pub safemode: bool,
    /// Wait between tries while the key is pending.
    pub acceptance_wait: Duration,
    /// How long that wait may grow; zero: it does not.
    pub acceptance_wait_max: Duration,
    /// Go on trying after the key was rejected. The agent always does; the option only shortens the wait.
    pub rejected_retry: bool,
    /// Longest random wait before authenticating again.
    pub random_reauth_delay: Duration,
    /// Longest random wait before the first connection.
    pub random_startup_delay: Duration,
    /// Grains sent along with the key.
    pub autosign_grains: Vec<String>,
}

/// Sockets, names and requests.
#[derive(Debug, Clone)]
pub struct NetOptions {
    /// Wait before a name is looked up again; `None`: do not wait, try the next master.
    pub retry_dns: Option<Duration>,
    /// How often; `None`: without end.
    pub retry_dns_count: Option<u32>,
    /// `true`: IPv6 only wanted first; `None`: whatever the name gives.
    pub ipv6: Option<bool>,
    /// Address to connect from.
    pub source_address: Option<String>,
    /// Interface to connect from.
    pub source_interface: Option<String>,
    /// Local port of the request connection; 0 is any.
    pub source_ret_port: u16,
    /// Local port of the publish connection; 0 is any.
    pub source_publish_port: u16,
    /// Shortest pause before a reconnect.
    pub recon_default: Duration,
    /// What may be added to it.
    pub recon_max: Duration,
    /// Whether it is random.
    pub recon_randomize: bool,
    /// TCP keep-alive.
    pub keepalive: bool,
    /// Idle time before it; `None`: the kernel's.
    pub keepalive_idle: Option<Duration>,
    /// Probes; `None`: the kernel's.
    pub keepalive_count: Option<u32>,
    /// Time between probes; `None`: the kernel's.
    pub keepalive_interval: Option<Duration>,
    /// Wait for one answer of a request.
    pub request_timeout: Duration,
    /// Tries of a request.
    pub request_tries: u32,
    /// Shortest wait for the acknowledgement of a return.
    pub return_retry_timer: Duration,
    /// Longest.
    pub return_retry_timer_max: Duration,
    /// Tries within one attempt to send a return.
    pub return_retry_tries: u32,
    /// Subscribe to topics (the master must do the same).
    pub zmq_filtering: bool,
    /// Ping the master this often through an event; zero: never.
    pub ping_interval: Duration,
}

/// What runs, and how much at once.
#[derive(Debug, Clone)]
pub struct JobOptions {
    /// Jobs side by side as Salt limits them; `None`: no limit but the agent's own.
    pub process_count_max: Option<usize>,
    /// Jobs waiting; job ids remembered against duplicates.
    pub queue_hwm: usize,
    /// Arguments of a multi-function job come with each function.
    pub multifunc_ordered: bool,
    /// Modules that cannot be called.
    pub disable_modules: Vec<String>,
    /// Returners that cannot be used.
    pub disable_returners: Vec<String>,
    /// If not empty: the only modules that can be called.
    pub whitelist_modules: Vec<String>,
    /// `highstate`, `sls` or `top` at start; empty for none.
    pub startup_states: String,
    /// The SLS of `startup_states: sls`.
    pub sls_list: Vec<String>,
    /// The top file of `startup_states: top`.
    pub top_file: String,
    /// Grains in the start event.
    pub start_event_grains: Vec<String>,
    /// Also fire the start event of the past.
    pub legacy_startup_events: bool,
    /// Keep returns in the cache directory.
    pub cache_jobs: bool,
    /// Returners to use beside the master.
    pub returner: String,
    /// Longest pause between looks at the schedule.
    pub loop_interval: Duration,
    /// Start the schedule before the first master is there.
    pub scheduler_before_connect: bool,
}

/// The mine.
#[derive(Debug, Clone)]
pub struct MineOptions {
    /// Whether there is one.
    pub enabled: bool,
    /// Whether its job gives a return.
    pub return_job: bool,
    /// Pause between updates.
    pub interval: Duration,
    /// The functions, as written.
    pub functions: Value,
}

/// Grains.
#[derive(Debug, Clone)]
pub struct GrainsOptions {
    /// Grains set in the configuration.
    pub set: Map,
    /// Globs of grains to leave out.
    pub blacklist: Vec<String>,
    /// Keep them on disk.
    pub cache: bool,
    /// How long the kept ones are good.
    pub cache_expiration: Duration,
    /// Merge mappings of several sources.
    pub deep_merge: bool,
    /// Read anew this often; zero: never.
    pub refresh_every: Duration,
}

/// States, pillar and the fileserver.
#[derive(Debug, Clone)]
pub struct StateOptions {
    /// Files come from disk, not from the master.
    pub local: bool,
    /// State trees by environment, for `local`.
    pub file_roots: Map,
    /// Pillar trees by environment, for `local`.
    pub pillar_roots: Map,
    /// The default pipe of renderers.
    pub renderer: String,
    /// Render pipes that may not be used.
    pub renderer_blacklist: Vec<String>,
    /// If not empty: the only ones that may.
    pub renderer_whitelist: Vec<String>,
    /// The environment to use; `None`: the top file decides.
    pub saltenv: Option<String>,
    /// Refuse another one.
    pub lock_saltenv: bool,
    /// The pillar's environment.
    pub pillarenv: Option<String>,
    /// It follows `saltenv`.
    pub pillarenv_from_saltenv: bool,
    /// Name of the top file.
    pub state_top: String,
    /// The environment whose top file alone counts.
    pub state_top_saltenv: Option<String>,
    /// Always as with `test=True`.
    pub test: bool,
    /// End a run at its first failure.
    pub failhard: bool,
    /// States without an order run in the order of their files.
    pub auto_order: bool,
    /// Tell the master of each state's end.
    pub events: bool,
    /// Wait for a running state instead of refusing.
    pub queue: bool,
    /// Requisites to leave out.
    pub disabled_requisites: Vec<String>,
    /// If not empty: the only state modules that may be used.
    pub whitelist_modules: Vec<String>,
    /// Bytes of one file chunk.
    pub file_buffer_size: usize,
}

/// Without its options: passwords may be among them.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("config_dir", &self.config_dir)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Settings made of Salt's defaults and `overrides` alone, for a given id: what tools and tests need.
    pub fn from_overrides(config_dir: &Path, id: &str, overrides: Map) -> Result<Self, Error> {
        let mut origins = Origins::default();
        origins.set_by_caller(overrides.keys().filter_map(Value::as_str));
        let known = |_: &Map| Ok(super::FoundId::set(id));
        let (opts, _) = effective::apply(overrides, &config_dir.join("minion"), &origins, &known)?;
        Self::read(config_dir, opts, origins)
    }

    /// Reads the typed groups out of complete `opts`.
    pub(super) fn read(config_dir: &Path, opts: Map, origins: Origins) -> Result<Self, Error> {
        let top = Reader::new(&opts, &origins);
        Ok(Self {
            config_dir: config_dir.to_owned(),
            id: top.text("id")?,
            root_dir: top.path("root_dir")?,
            pki_dir: top.path("pki_dir")?,
            cachedir: top.path("cachedir")?,
            sock_dir: top.path("sock_dir")?,
            pidfile: top.path("pidfile")?,
            user: top.text("user")?,
            master: read::master(top)?,
            crypto: read::crypto(top)?,
            auth: read::auth(top)?,
            net: read::net(top)?,
            jobs: read::jobs(top)?,
            mine: read::mine(top)?,
            grains: read::grains(top)?,
            states: read::states(top)?,
            log: LogOptions::read(top)?,
            schedule: top.map("schedule")?,
            agent: Agent::read(top)?,
            opts,
            origins,
        })
    }

    /// `ca_bundle`: the certificates that servers are proven by, instead of the system's.
    pub fn ca_bundle(&self) -> Option<String> {
        let file = self.opts.get("ca_bundle")?.as_str()?;
        // As Salt does it: a file that is not there counts for nothing.
        std::path::Path::new(file).exists().then(|| file.to_owned())
    }

    /// Where the daemon's control socket is.
    pub fn control_socket(&self) -> PathBuf {
        self.agent
            .control_socket
            .clone()
            .unwrap_or_else(|| self.cachedir.join("control.sock"))
    }
}
