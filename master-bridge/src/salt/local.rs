//! The master on this host: its root key, clear requests on its request port, and its event bus.

use std::path::PathBuf;
use std::time::Duration;

use salt_wire::{Map, Value, map};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::bus::{Decoder, Event};
use super::keys::Key;
use super::request::{failure, request};
use super::{Autosign, Job, Master, MasterConfig, Pending, Published, Reach, answer, keyfile};
use crate::error::{Error, Kind, Result};

/// Salt's own bound on a publish; wheel functions do real work.
const PUBLISH: Duration = Duration::from_secs(30);
const WHEEL: Duration = Duration::from_secs(120);

/// A master that runs on this host.
pub struct Local {
    config: MasterConfig,
    key: String,
    bus: Option<Bus>,
}

struct Bus {
    stream: UnixStream,
    decoder: Decoder,
}

impl Local {
    /// Reads the local key and sees that the master is alive.
    pub async fn open(config: MasterConfig) -> Result<Self> {
        let key = read_key(&config)?;
        let local = Self {
            config,
            key,
            bus: None,
        };
        let ping = map! {"cmd" => "ping"};
        // One that is gone refuses at once; one that has much to do answers late.
        request(&local.address(), ping, PUBLISH).await?;
        Ok(local)
    }

    /// Its configuration.
    pub fn config(&self) -> &MasterConfig {
        &self.config
    }

    fn address(&self) -> String {
        format!("{}:{}", self.config.local_address(), self.config.ret_port)
    }

    /// A load with our key and the operator's name.
    fn signed(&self, mut load: Map) -> Map {
        load.insert("key".into(), self.key.as_str().into());
        load.insert("user".into(), operator().into());
        load
    }

    async fn ask(&self, load: Map, within: Duration) -> Result<Value> {
        let answer = request(&self.address(), self.signed(load), within).await?;
        match failure(&answer) {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    /// Attaches to the event bus: from here on every event is kept until it is read.
    async fn attach(&mut self) -> Result<&mut Bus> {
        if self.bus.is_none() {
            let path = self.config.sock_dir.join("master_event_pub.ipc");
            let stream = UnixStream::connect(&path).await.map_err(|e| {
                let kind = match e.kind() {
                    std::io::ErrorKind::PermissionDenied => Kind::Permission,
                    _ => Kind::Unreachable,
                };
                let text = format!("cannot attach to the event bus {}", path.display());
                Error::new(kind, text)
                    .because(&e)
                    .hint("run as root or as the master's user, and see that salt-master runs")
            })?;
            self.bus = Some(Bus {
                stream,
                decoder: Decoder::default(),
            });
        }
        self.bus
            .as_mut()
            .ok_or_else(|| Error::new(Kind::Local, "the event bus is gone"))
    }
}

impl Master for Local {
    fn name(&self) -> String {
        self.address()
    }

    fn wheel<'a>(&'a mut self, fun: &'a str, args: Vec<Value>) -> Pending<'a, Value> {
        Box::pin(async move {
            let load = map! {
                "cmd" => "wheel", "fun" => fun, "arg" => args, "kwarg" => Map::new(),
            };
            let answer = self.ask(load, WHEEL).await?;
            answer::of_wheel(fun, answer.get("data"))
        })
    }

    fn publish<'a>(&'a mut self, job: &'a Job) -> Pending<'a, Published> {
        Box::pin(async move {
            self.attach().await?;
            let kwargs = map! {"delimiter" => job.target.delimiter.as_str()};
            let load = map! {
                "cmd" => "publish", "tgt" => job.target.tgt.as_str(), "tgt_type" => job.target.tgt_type,
                "fun" => job.fun.as_str(), "arg" => job.wire_args(), "ret" => "", "jid" => "",
                "kwargs" => kwargs,
            };
            let answer = self.ask(load, PUBLISH).await?;
            let load = answer.get("load");
            let ids = |key| {
                let list = load.and_then(|l| l.get(key)).and_then(Value::as_list);
                list.unwrap_or_default()
                    .iter()
                    .filter_map(|id| id.as_str().map(str::to_owned))
                    .collect::<Vec<_>>()
            };
            let jid = load.and_then(|l| l.get("jid")).and_then(Value::as_str);
            let Some(jid) = jid else {
                return Err(Error::new(
                    Kind::NothingMatched,
                    "no minion matches the target",
                ));
            };
            Ok(Published {
                jid: jid.to_owned(),
                minions: ids("minions"),
                missing: ids("missing"),
            })
        })
    }

    fn runner<'a>(&'a mut self, fun: &'a str, kwargs: Map, within: Duration) -> Pending<'a, Value> {
        Box::pin(async move {
            self.attach().await?;
            let load = map! {"cmd" => "runner", "fun" => fun, "kwarg" => kwargs};
            let answer = self.ask(load, PUBLISH).await?;
            let tag = answer
                .get("tag")
                .and_then(Value::as_str)
                .unwrap_or_default();
            answer::of_runner(self, tag, fun, within).await
        })
    }

    fn install_key<'a>(&'a mut self, key: &'a Key) -> Pending<'a, ()> {
        Box::pin(async move {
            keyfile::write(&self.config.pki_dir, key).map_err(|e| {
                let folder = self.config.pki_dir.join("minions");
                let text = format!(
                    "cannot write the key of {} into {}",
                    key.id,
                    folder.display()
                );
                Error::new(Kind::Permission, text)
                    .because(&e)
                    .hint("run as root or as the master's user")
            })
        })
    }

    fn event(&mut self, within: Duration) -> Pending<'_, Option<Event>> {
        Box::pin(async move {
            let bus = self.attach().await?;
            let read = async {
                let mut chunk = vec![0; 64 << 10];
                loop {
                    let next = bus.decoder.next_event().map_err(|e| {
                        Error::new(Kind::Unreachable, "the event bus cannot be read").because(&e)
                    })?;
                    if next.is_some() {
                        return Ok(next);
                    }
                    let count = bus.stream.read(&mut chunk).await;
                    match count {
                        Ok(count @ 1..) => bus.decoder.push(&chunk[..count]),
                        Ok(0) => {
                            return Err(Error::new(
                                Kind::Unreachable,
                                "the master closed its event bus; returns may have been missed",
                            )
                            .hint(
                                "was it restarted? `salt-run jobs.lookup_jid` has what came later",
                            ));
                        }
                        Err(e) => {
                            return Err(Error::new(
                                Kind::Unreachable,
                                "the event bus cannot be read",
                            )
                            .because(&e));
                        }
                    }
                }
            };
            let result = timeout(within, read).await;
            match result {
                Err(_) => Ok(None),
                Ok(Ok(event)) => Ok(event),
                Ok(Err(error)) => {
                    self.bus = None;
                    Err(error)
                }
            }
        })
    }

    fn patience(&self) -> (Duration, Duration) {
        (self.config.timeout, self.config.gather_job_timeout)
    }

    fn autosign(&self) -> Result<Autosign> {
        Autosign::of(&self.config)
    }

    fn reach(&mut self) -> Pending<'_, Reach> {
        Box::pin(async move {
            Ok(Reach {
                key: keyfile::of_master(&self.config.pki_dir)?,
                address: self.config.local_address(),
                ret_port: self.config.ret_port,
                publish_port: self.config.publish_port,
            })
        })
    }
}

/// The name of who works here, for the master's log: never a secret, never trusted.
pub fn operator() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|user| !user.is_empty() && user != "root")
        .map_or_else(|| "root".to_owned(), |user| format!("sudo_{user}"))
}

/// The key that the master wrote for us: the one of its own user, of us, or root's.
fn read_key(config: &MasterConfig) -> Result<String> {
    let mut users = vec![config.user.clone(), "root".to_owned(), "salt".to_owned()];
    users.extend(std::env::var("USER").ok());
    users.retain(|user| !user.is_empty());
    let mut failed: Option<(PathBuf, std::io::Error)> = None;
    for user in users {
        let path = config
            .cachedir
            .join(format!(".{}_key", user.replace('\\', "_")));
        match std::fs::read_to_string(&path) {
            Ok(key) if !key.trim().is_empty() => return Ok(key.trim().to_owned()),
            Ok(_) => {}
            Err(e) => {
                let worse = e.kind() == std::io::ErrorKind::PermissionDenied;
                if failed.is_none() || worse {
                    failed = Some((path, e));
                }
            }
        }
    }
    let Some((path, e)) = failed else {
        return Err(Error::new(
            Kind::Permission,
            "the master's local key is empty",
        ));
    };
    let kind = match e.kind() {
        std::io::ErrorKind::PermissionDenied => Kind::Permission,
        _ => Kind::Unreachable,
    };
    let text = format!("cannot read the master's local key {}", path.display());
    let error = Error::new(kind, text).because(&e);
    Err(match kind {
        Kind::Permission => error.hint("run as root or as the master's user"),
        _ => error.hint("the master writes it when it starts: is salt-master running, and is this its configuration?"),
    })
}
