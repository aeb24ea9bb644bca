//! The pre-flight: everything that can be known of a new master before anything depends on it. What needs our
//! key to be shown there would leave it as pending, so it is done only by an operator's leave (`auth=True`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use salt_wire::channel::handshake::Ticket;
use salt_wire::channel::proof::{KeyProof, Unproven};
use salt_wire::crypto::{Fingerprint, HashType, OsRandom, PublicKey, SigAlgo};
use salt_wire::error::Reason;
use salt_wire::zmtp::{Limits, Role};
use salt_wire::{Map, Value, map};
use tokio::time::timeout;
use tracing::info;

use super::files;
use crate::config::{MasterAddress, MasterType};
use crate::context::{Job, Master};
use crate::keys;
use crate::remaster::{Cause, Look};
use crate::session::{self, Client, Options, RequestError, told, trouble};
use crate::supervisor::Daemon;
use crate::supervisor::crew::Crew;
use crate::supervisor::links::asking;
use crate::supervisor::services::fresh_pillar;
use crate::supervisor::sessions::Sessions;
use crate::transport::{Error, Link, Pool, Port};

/// The code of a master that let us in and then answers nothing.
pub(super) const NO_ROUND_TRIP: &str = "no-round-trip";
/// For one look at one port.
const REACH: Duration = Duration::from_secs(5);
/// For an answer, which a master that has much to do gives late.
const ANSWER: Duration = Duration::from_secs(20);
/// For a whole highstate with `test=True`.
const TEST_RUN: Duration = Duration::from_mins(15);

/// What looks need.
#[derive(Clone)]
pub(super) struct Looks {
    pub(super) daemon: Arc<Daemon>,
    pub(super) crew: Arc<Crew>,
}

/// One line of the table.
struct Row {
    name: String,
    seconds: f64,
    made: Made,
}

enum Made {
    Ok(Option<Value>),
    Failed(Cause),
    Skipped(&'static str),
}

/// The lines so far.
struct Table {
    rows: Vec<Row>,
    /// Added to each name, for the further masters of a list.
    of: String,
}

impl Table {
    fn add<T>(
        &mut self,
        name: &str,
        begun: Instant,
        made: Result<(T, Option<Value>), Cause>,
    ) -> Option<T> {
        let (value, made) = match made {
            Ok((value, found)) => (Some(value), Made::Ok(found)),
            Err(cause) => (None, Made::Failed(cause)),
        };
        let seconds = begun.elapsed().as_secs_f64();
        self.push(name, seconds, made);
        value
    }

    fn skip(&mut self, names: &[&str], why: &'static str) {
        for name in names {
            self.push(name, 0.0, Made::Skipped(why));
        }
    }

    fn push(&mut self, name: &str, seconds: f64, made: Made) {
        let name = format!("{name}{}", self.of);
        self.rows.push(Row {
            name,
            seconds,
            made,
        });
    }
}

/// The master that is looked at.
struct Aim<'a> {
    address: MasterAddress,
    publish_port: u16,
    finger: Option<Fingerprint>,
    key: Option<PublicKey>,
    sessions: &'a Sessions,
}

const NEEDS_AUTH: &str =
    "our key is not shown there without auth=True: it would be left as pending";
const NEEDS_PIN: &str =
    "the fingerprint is not known: a master that is not proven is asked for nothing";

impl Looks {
    /// All lines, as `remaster.check` returns them.
    pub(super) async fn all(&self, look: &Look) -> Map {
        let rows = self.rows(look).await;
        let shown = rows.into_iter().map(|row| {
            let mut line = map! {"ok" => Value::Null, "seconds" => row.seconds};
            match row.made {
                Made::Ok(found) => {
                    line.insert("ok".into(), true.into());
                    if let Some(found) = found {
                        line.insert("found".into(), found);
                    }
                }
                Made::Failed(cause) => {
                    line.insert("ok".into(), false.into());
                    line.insert("reason".into(), cause.code.into());
                    line.insert("detail".into(), cause.detail.into());
                }
                Made::Skipped(why) => {
                    line.insert("skipped".into(), why.into());
                }
            }
            (row.name.into(), line.into())
        });
        shown.collect()
    }

    /// The first thing that stands in the way.
    pub(super) async fn first_trouble(&self, look: &Look) -> Result<(), Cause> {
        for row in self.rows(look).await {
            let ok = !matches!(row.made, Made::Failed(_));
            info!(
                order = look.order.id,
                check = row.name,
                seconds = row.seconds,
                ok,
                "Checked."
            );
            if let Made::Failed(cause) = row.made {
                return Err(cause);
            }
        }
        Ok(())
    }

    async fn rows(&self, look: &Look) -> Vec<Row> {
        let mut table = Table {
            rows: Vec::new(),
            of: String::new(),
        };
        let (begun, settings) = (Instant::now(), self.daemon.settings());
        let list = files::addresses(&look.order);
        let ours = list.as_ref().map_err(Clone::clone).and_then(|list| {
            let ours = &settings.master;
            // The same masters in another order, or no longer all at once, are another list.
            let failover = ours.kind == MasterType::Failover;
            let alike = list.len() == 1 || failover == look.order.failover;
            if alike && list.iter().map(|(a, _)| a).eq(&ours.addresses) {
                let detail = format!("{} is our master already", look.order.master);
                return Err(Cause::new("same-master", detail));
            }
            self.rotation_at_rest()?;
            files::usable(&settings)
        });
        table.add("configuration", begun, ours.map(|()| ((), None)));
        let (Ok(list), Some(sessions)) = (list, self.crew.sessions()) else {
            return table.rows;
        };
        for (at, (address, finger)) in list.into_iter().enumerate() {
            if at > 0 {
                table.of = format!(" of {address}");
            }
            let key = look.order.key.as_deref().filter(|_| at == 0);
            let aim = Aim {
                address,
                publish_port: look.order.publish_port,
                finger: finger.parse().ok().filter(|_| look.pinned),
                key: key.and_then(|pem| PublicKey::from_pem(pem).ok()),
                sessions: &sessions,
            };
            self.one(&aim, look, &mut table).await;
        }
        table.rows
    }

    /// A move hands our key over: not in the middle of its rotation, where two of them are ours.
    fn rotation_at_rest(&self) -> Result<(), Cause> {
        let rotation = self.daemon.pair.rotation();
        let rotation = rotation.map_err(|e| Cause::new("keys-unusable", e.to_string()))?;
        match rotation.state() {
            "steady" => Ok(()),
            state => Err(Cause::new(
                "key-rotation",
                format!("our key is being rotated ({state}): confirm or cancel that first"),
            )),
        }
    }

    async fn one(&self, aim: &Aim<'_>, look: &Look, table: &mut Table) {
        let begun = Instant::now();
        let resolved = aim.sessions.addresses(&aim.address.host).await;
        let found = |ips: &Vec<IpAddr>| {
            let texts: Vec<_> = ips.iter().map(ToString::to_string).collect();
            Some(Value::from(texts))
        };
        let resolved = resolved
            .map(|ips| (ips.clone(), found(&ips)))
            .map_err(|detail| Cause::new(Reason::Dns.code(), detail));
        let Some(ips) = table.add("name", begun, resolved) else {
            let rest = [
                "request port",
                "publish port",
                "fingerprint",
                "authentication",
                "key",
                "clock",
                "pillar",
                "highstate",
            ];
            return table.skip(&rest, "the name has no address");
        };
        let begun = Instant::now();
        let request = aim.reach(&ips, aim.address.port, Port::Request).await;
        let peer = table.add("request port", begun, request.map(|peer| (peer, None)));
        let begun = Instant::now();
        let publish = aim.reach(&ips, aim.publish_port, Port::Publish).await;
        table.add("publish port", begun, publish.map(|_| ((), None)));
        let Some(peer) = peer else {
            let rest = [
                "fingerprint",
                "authentication",
                "key",
                "clock",
                "pillar",
                "highstate",
            ];
            return table.skip(&rest, "the request port cannot be used");
        };
        let proven = match &aim.key {
            Some(key) => {
                let begun = Instant::now();
                let proven = aim.prove(peer, key).await;
                table.add(
                    "fingerprint",
                    begun,
                    proven.map(|finger| ((), Some(finger.into()))),
                )
            }
            None if !look.auth => {
                table.skip(
                    &["fingerprint"],
                    "a master shows its key to accepted minions only; give its public key, or auth=True",
                );
                None
            }
            None => None,
        };
        if !look.auth {
            let rest = ["authentication", "key", "clock", "pillar", "highstate"];
            return table.skip(&rest, NEEDS_AUTH);
        }
        self.authenticated(
            aim,
            look,
            peer,
            proven.is_some() || aim.key.is_some(),
            table,
        )
        .await;
    }

    /// What an accepted minion sees.
    async fn authenticated(
        &self,
        aim: &Aim<'_>,
        look: &Look,
        peer: SocketAddr,
        proven: bool,
        table: &mut Table,
    ) {
        let begun = Instant::now();
        let met = aim.introduce(&self.daemon, peer).await;
        let mut rest = vec!["clock", "pillar", "highstate"];
        let (client, ticket) = match met {
            Ok(met) => met,
            Err(cause) => {
                // What is wrong decides which line says it.
                let line = match Reason::from_code(&cause.code) {
                    Some(Reason::MasterKeyMismatch | Reason::MasterNotTrusted) => "fingerprint",
                    Some(
                        Reason::Pending
                        | Reason::Rejected
                        | Reason::DeniedOtherKey
                        | Reason::MasterFull,
                    ) => "key",
                    _ => "authentication",
                };
                for name in ["fingerprint", "authentication", "key"] {
                    if name == line {
                        table.add::<()>(name, begun, Err(cause.clone()));
                    } else if name == "authentication" && line == "key" {
                        // It understood us, and said so.
                        table.add(name, begun, Ok(((), None)));
                    } else if name != "fingerprint" || !proven {
                        table.skip(&[name], "the master did not let us in");
                    }
                }
                return table.skip(&rest, "the master did not let us in");
            }
        };
        if !proven {
            let finger = ticket.master.fingerprint(HashType::default()).to_string();
            table.add("fingerprint", begun, Ok(((), Some(finger.into()))));
        }
        let version = i64::from(ticket.version.number());
        table.add("authentication", begun, Ok(((), Some(version.into()))));
        table.add("key", begun, Ok(((), Some("accepted".into()))));
        if aim.finger.is_none() {
            return table.skip(&rest, NEEDS_PIN);
        }
        let begun = Instant::now();
        let patience = client.patience();
        let asked = client.request(map! {"cmd" => "_file_envs"}, patience).await;
        let asked = asked.map_err(|error| {
            let code = match &error {
                // Let in a moment ago, and yet refused: the time stamp is all that is left.
                RequestError::Refused(_) => Reason::ClockSkew.code(),
                RequestError::Unreachable(_) => NO_ROUND_TRIP,
            };
            Cause::new(code, error.to_string())
        });
        if table
            .add("clock", begun, asked.map(|_| ((), None)))
            .is_none()
        {
            rest.remove(0);
            return table.skip(&rest, "the master does not take our requests");
        }
        let begun = Instant::now();
        let master = asking(client);
        let (daemon, asked) = (self.daemon.clone(), master.clone());
        let pillar = tokio::task::spawn_blocking(move || fresh_pillar(&daemon.context(), asked));
        let pillar = match pillar.await {
            Ok(Ok(pillar)) => {
                let missing = self.judge_pillar(&pillar).await;
                missing.map(|missing| ((), missing))
            }
            Ok(Err(error)) => Err(Cause::new("no-pillar", error.to_string())),
            Err(error) => Err(Cause::new("no-pillar", error.to_string())),
        };
        let pillar = table.add("pillar", begun, pillar);
        match look.order.changes {
            None => table.skip(&["highstate"], "not asked for (changes=N)"),
            Some(_) if pillar.is_none() => table.skip(&["highstate"], "there is no pillar"),
            Some(budget) => {
                let begun = Instant::now();
                let run = self.test_run(master, Some(budget)).await;
                table.add("highstate", begun, run.map(|changes| ((), Some(changes))));
            }
        }
    }

    /// Whether a pillar of the new master can be lived with; the top keys that it lacks.
    pub(super) async fn judge_pillar(&self, pillar: &Map) -> Result<Option<Value>, Cause> {
        if let Some(errors) = pillar.get("_errors") {
            let detail = format!("the new master's pillar has errors: {errors:?}");
            return Err(Cause::new("pillar-errors", detail));
        }
        // A pillar that is not there yet must not be taken for an empty one.
        if self.daemon.links.first_ready().is_some() {
            timeout(ANSWER, self.daemon.facts_there()).await.ok();
        }
        let ours = self.daemon.facts.pillar();
        let missing: Vec<Value> = ours
            .keys()
            .filter(|key| !pillar.contains_key(*key))
            .cloned()
            .collect();
        if pillar.is_empty() && !ours.is_empty() {
            let detail = format!(
                "the new master has no pillar for us, and {} keys were there before: states would remove what \
                 depends on them",
                missing.len()
            );
            return Err(Cause::new("pillar-missing", detail));
        }
        Ok((!missing.is_empty()).then(|| map! {"missing" => Value::List(missing)}.into()))
    }

    /// A highstate on the new master's tree that changes nothing; what it would change.
    pub(super) async fn test_run(
        &self,
        master: Arc<dyn Master>,
        budget: Option<u64>,
    ) -> Result<Value, Cause> {
        let daemon = self.daemon.clone();
        let run = tokio::task::spawn_blocking(move || test_run(&daemon, master));
        let run = timeout(TEST_RUN, run).await.map_err(|_| {
            let detail = format!(
                "highstate test=True took more than {} s",
                TEST_RUN.as_secs()
            );
            Cause::new("timeout", detail)
        })?;
        let changes = run.map_err(|e| Cause::new("highstate-failed", e.to_string()))??;
        if let Some(budget) = budget.filter(|b| changes.len() as u64 > *b) {
            let first: Vec<_> = changes.iter().take(5).map(String::as_str).collect();
            let detail = format!(
                "a highstate of the new master would change {} states, more than {budget}: {}…",
                changes.len(),
                first.join(", ")
            );
            return Err(Cause::new("too-many-changes", detail));
        }
        Ok(map! {"changes" => changes.len() as u64, "states" => changes}.into())
    }
}

impl Aim<'_> {
    /// The first address whose port speaks ZeroMQ.
    async fn reach(&self, ips: &[IpAddr], port: u16, which: Port) -> Result<SocketAddr, Cause> {
        let closed = match which {
            Port::Request => Reason::Port4506Closed,
            Port::Publish => Reason::Port4505Closed,
        };
        let mut last = Cause::new(closed.code(), "the name has no address");
        for ip in ips {
            let peer = SocketAddr::new(*ip, port);
            let role = match which {
                Port::Request => Role::Req,
                // To nothing: the greeting is all that is wanted.
                Port::Publish => Role::Sub {
                    prefixes: Vec::new(),
                },
            };
            let dial = &*self.sessions.dial;
            match Link::connect(dial, peer, role, Limits::default(), None, REACH).await {
                Ok(_) => return Ok(peer),
                Err(error) => {
                    let code = match trouble(&error, which).reason {
                        Reason::Timeout | Reason::Unreachable | Reason::ConnectionClosed => closed,
                        reason => reason,
                    };
                    last = Cause::new(code.code(), format!("port {port}: {}", told(&error)));
                }
            }
        }
        Err(last)
    }

    /// Has the master prove its key; it does not see ours.
    async fn prove(&self, peer: SocketAddr, key: &PublicKey) -> Result<String, Cause> {
        let failed = |error: &Error| {
            let trouble = trouble(error, Port::Request);
            Cause::new(trouble.reason.code(), trouble.detail)
        };
        let mut last = Unproven::Unsigned;
        for algo in [SigAlgo::Pkcs1v15Sha224, SigAlgo::Pkcs1v15Sha1] {
            let (proof, frame) = KeyProof::new(algo, &mut OsRandom);
            let reply = self.pool(peer).request(&frame, ANSWER).await;
            match proof.judge(&reply.map_err(|e| failed(&e))?, key) {
                Ok(()) => return Ok(key.fingerprint(HashType::default()).to_string()),
                Err(Unproven::Algorithm) => last = Unproven::Algorithm,
                Err(unproven) => {
                    last = unproven;
                    break;
                }
            }
        }
        let reason = match last {
            Unproven::OtherKey => Reason::MasterKeyMismatch,
            Unproven::Algorithm => Reason::BadAlgorithm,
            Unproven::Unsigned => Reason::AuthVersionTooOld,
        };
        let expected = key.fingerprint(HashType::default());
        Err(Cause::new(reason.code(), format!("{last} ({expected})")))
    }

    async fn introduce(
        &self,
        daemon: &Daemon,
        peer: SocketAddr,
    ) -> Result<(Client, Box<Ticket>), Cause> {
        let settings = daemon.settings();
        let file = files::candidate(&settings.pki_dir, &self.address);
        let masters = keys::Masters::of(&settings);
        let masters = match &self.finger {
            Some(finger) => masters.candidate(finger.clone(), file),
            None => masters.stranger(file),
        };
        let credentials = Arc::new(self.sessions.credentials(&self.address, masters));
        let options = Options::of(&settings);
        let pool = Arc::new(self.pool(peer));
        let name = self.address.to_string();
        let met = session::introduce(&name, pool, credentials, &options).await;
        met.map_err(|trouble| Cause::new(trouble.reason.code(), trouble.detail))
    }

    fn pool(&self, peer: SocketAddr) -> Pool {
        let limits = Limits {
            message: salt_wire::frame::MAX_REPLY as u64,
            ..Limits::default()
        };
        Pool::new(self.sessions.dial.clone(), peer, limits, 4, REACH)
    }
}

/// The ids of the states that would change something.
fn test_run(daemon: &Daemon, master: Arc<dyn Master>) -> Result<Vec<String>, Cause> {
    let failed = |detail: String| Cause::new("highstate-failed", detail);
    let mut ctx = daemon.context();
    ctx.master = Some(master);
    ctx.job = Arc::new(Job::new(
        map! {"jid" => "remaster-check", "fun" => "state.highstate"},
    ));
    // Apart from our master's files and locks.
    let cache = ctx.settings.cachedir.join("remaster-check");
    let mut settings = (*ctx.settings).clone();
    settings.cachedir.clone_from(&cache);
    let shown = cache.display().to_string();
    settings.opts.insert("cachedir".into(), shown.into());
    ctx.settings = Arc::new(settings);
    let functions = ctx.functions.clone();
    let returned = functions.call(&ctx, "state.highstate", &[], &map! {"test" => true});
    drop(std::fs::remove_dir_all(&cache));
    let returned = returned.map_err(|e| failed(e.to_string()))?;
    let Value::Map(states) = &returned else {
        return Err(failed(format!("no states: {returned:?}")));
    };
    let mut changes = Vec::new();
    for (id, state) in states {
        // No top file means us: a highstate there does nothing.
        if id.as_str().is_some_and(|id| id.starts_with("no_|-states_")) {
            continue;
        }
        let name = || {
            let name = id.as_str().unwrap_or_default();
            let mut parts = name.split("_|-");
            let (state, id) = (parts.next().unwrap_or(name), parts.next().unwrap_or(""));
            format!("{state}: {id}")
        };
        match state.get("result") {
            Some(Value::Bool(false)) => {
                let comment = state.get("comment").and_then(Value::as_str).unwrap_or("");
                return Err(failed(format!("{}: {comment}", name())));
            }
            Some(Value::Bool(true)) if !state.get("changes").is_some_and(Value::is_truthy) => {}
            _ => changes.push(name()),
        }
    }
    Ok(changes)
}
