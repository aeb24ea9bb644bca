//! A master through the salt-api (rest_cherrypy) beside it: the same calls over HTTPS, and its events as a stream.
//!
//! `settings.rs` says where it is and who we are, `http.rs` holds the session, `stream.rs` takes the events apart.
//! Only narrow questions are asked: what a wheel function or a runner returns is on the master's event bus for
//! everyone there, so its whole configuration is never fetched.

mod http;
mod settings;
mod stream;

use std::time::{Duration, Instant};

use reqwest::Response;
use salt_wire::crypto::PublicKey;
use salt_wire::{Map, Value};
use serde_json::json;
use tokio::time::timeout;

use self::http::Http;
pub use self::settings::{Options, Settings};
use self::stream::{Decoder, value_of};
use super::keys::{self, Action, Key, KeyState};
use super::{Autosign, Event, Job, Master, MasterConfig, Pending, Published, Reach, answer};
use crate::error::{Error, Kind, Result};
use crate::output::json_of;

/// Salt's own bound on a publish, and what salt-api needs beside it.
const PUBLISH: Duration = Duration::from_secs(60);
const WHEEL: Duration = Duration::from_secs(120);
/// Until the stream is attached to the bus.
const ATTACH: Duration = Duration::from_secs(30);
/// A runner that looks one option up.
const LOOK: Duration = Duration::from_secs(60);
/// Within this a minion without a key comes again: the master forgets its session key every minute at most.
const COMES: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(1);

/// A master behind a salt-api.
pub struct Api {
    http: Http,
    events: Option<Stream>,
}

struct Stream {
    response: Response,
    decoder: Decoder,
}

impl Stream {
    /// The next event. What was read stays if this is dropped half-way.
    async fn next(&mut self) -> Result<Event> {
        let broken = |what: &str| {
            Error::new(Kind::Unreachable, format!("the event stream of salt-api {what}; returns may have been missed"))
                .hint("was it restarted, or is our token too old? `salt-run jobs.lookup_jid` has what came later")
        };
        loop {
            let next = self.decoder.next_event();
            if let Some(event) = next.map_err(|e| broken("cannot be read").because(&e))? {
                return Ok(event);
            }
            self.more(&broken).await?;
        }
    }

    /// Until salt-api says that it hears the bus: what is published after that is not missed.
    async fn begin(&mut self) -> Result<()> {
        let broken = |what: &str| {
            Error::new(
                Kind::Unreachable,
                format!("the event stream of salt-api {what}"),
            )
        };
        while !self.decoder.has_begun() {
            self.more(&broken).await?;
        }
        Ok(())
    }

    async fn more(&mut self, broken: &dyn Fn(&str) -> Error) -> Result<()> {
        match self.response.chunk().await {
            Ok(Some(bytes)) => {
                self.decoder.push(&bytes);
                Ok(())
            }
            Ok(None) => Err(broken("has ended")),
            Err(e) => Err(broken("broke off").because(&e.without_url())),
        }
    }
}

impl Api {
    /// Logs in.
    pub async fn open(settings: Settings) -> Result<Self> {
        let http = Http::open(settings).await?;
        Ok(Self { http, events: None })
    }

    /// Attaches to the events: from here on each of them is kept until it is read.
    async fn attach(&mut self) -> Result<&mut Stream> {
        if self.events.is_none() {
            let mut stream = Stream {
                response: self.http.events().await?,
                decoder: Decoder::default(),
            };
            let begun = timeout(ATTACH, stream.begin()).await;
            begun.map_err(|_| {
                let text = format!(
                    "salt-api did not attach to the event bus within {} s",
                    ATTACH.as_secs()
                );
                Error::new(Kind::Unreachable, text)
            })??;
            self.events = Some(stream);
        }
        self.events
            .as_mut()
            .ok_or_else(|| Error::new(Kind::Local, "the event stream is gone"))
    }

    async fn option(&mut self, key: &str) -> Result<Value> {
        let kwargs = salt_wire::map! {"key" => key};
        self.runner("config.get", kwargs, LOOK).await
    }

    /// The key that the master shows to minions.
    async fn key(&mut self) -> Result<PublicKey> {
        if self.option("cluster_id").await?.is_truthy() {
            let text = "not every release of salt-api tells which key a cluster of masters shows to minions";
            return Err(Error::new(Kind::Usage, text).hint(
                "run it on a master of the cluster, with --salt-config instead of --salt-api",
            ));
        }
        let answer = self.wheel("key.master_key_str", Vec::new()).await?;
        let local = answer.get("local").and_then(Value::as_map);
        let pem = local.and_then(|keys| keys.values().next()?.as_str());
        PublicKey::from_pem(pem.unwrap_or_default()).map_err(|e| {
            Error::new(Kind::Failed, "salt-api gives no key of its master").because(&e)
        })
    }
}

impl Master for Api {
    fn name(&self) -> String {
        self.http.settings().url.clone()
    }

    fn wheel<'a>(&'a mut self, fun: &'a str, args: Vec<Value>) -> Pending<'a, Value> {
        Box::pin(async move {
            let low = json!({
                "client": "wheel", "fun": fun, "arg": exact(&Value::List(args))?, "kwarg": {},
            });
            let answer = value_of(self.http.call(&low, WHEEL).await?);
            answer::of_wheel(fun, answer.get("data"))
        })
    }

    fn publish<'a>(&'a mut self, job: &'a Job) -> Pending<'a, Published> {
        Box::pin(async move {
            self.attach().await?;
            let target = &job.target;
            let low = json!({
                "client": "local_async", "tgt": target.tgt, "tgt_type": target.tgt_type,
                "delimiter": target.delimiter, "fun": job.fun, "arg": exact(&job.wire_args())?,
                "timeout": PUBLISH.as_secs() / 2,
            });
            let answer = self.http.call(&low, PUBLISH).await?;
            let Some(jid) = answer["jid"].as_str() else {
                return Err(Error::new(
                    Kind::NothingMatched,
                    "no minion matches the target",
                ));
            };
            let minions = answer["minions"].as_array();
            let ids = minions.into_iter().flatten().filter_map(|id| id.as_str());
            let minions: Vec<String> = ids.map(str::to_owned).collect();
            // The master's answer names them; salt-api leaves that out.
            let named = target.tgt.split(',').filter(|_| target.tgt_type == "list");
            let missing = named.filter(|id| !id.is_empty() && !minions.iter().any(|m| m == id));
            Ok(Published {
                jid: jid.to_owned(),
                missing: missing.map(str::to_owned).collect(),
                minions,
            })
        })
    }

    fn runner<'a>(&'a mut self, fun: &'a str, kwargs: Map, within: Duration) -> Pending<'a, Value> {
        Box::pin(async move {
            self.attach().await?;
            let kwargs = exact(&Value::Map(kwargs))?;
            let low = json!({"client": "runner_async", "fun": fun, "kwarg": kwargs});
            let answer = self.http.call(&low, PUBLISH).await?;
            let tag = answer["tag"].as_str().unwrap_or_default();
            answer::of_runner(self, tag, fun, within).await
        })
    }

    /// No function of Salt takes a public key. Its minion shows it again when it has none that is accepted, and then
    /// it is accepted: this very key, and no other.
    fn install_key<'a>(&'a mut self, key: &'a Key) -> Pending<'a, ()> {
        Box::pin(async move {
            let end = Instant::now() + COMES;
            loop {
                let there = keys::all(self).await?;
                let mut same = there
                    .iter()
                    .filter(|k| k.id == key.id && k.fingerprint() == key.fingerprint());
                if same.clone().any(|k| k.state == KeyState::Accepted) {
                    return Ok(());
                }
                if let Some(waiting) = same.next() {
                    return keys::act(self, Action::Accept, &[waiting]).await;
                }
                if Instant::now() >= end {
                    let text = format!(
                        "the key of {} cannot be put on the master through salt-api, and its minion has not shown it again within {} s",
                        key.id,
                        COMES.as_secs()
                    );
                    return Err(Error::new(Kind::Failed, text).hint(
                        "on the master, with --salt-config, it is put there without its minion",
                    ));
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
    }

    fn event(&mut self, within: Duration) -> Pending<'_, Option<Event>> {
        Box::pin(async move {
            let stream = self.attach().await?;
            match timeout(within, stream.next()).await {
                Err(_) => Ok(None),
                Ok(Ok(event)) => Ok(Some(event)),
                Ok(Err(error)) => {
                    self.events = None;
                    Err(error)
                }
            }
        })
    }

    fn patience(&self) -> (Duration, Duration) {
        let defaults = MasterConfig::default();
        (defaults.timeout, defaults.gather_job_timeout)
    }

    fn autosign(&self) -> Result<Autosign> {
        let text =
            "an enrolment token is written into the master's own files, which salt-api does not do";
        Err(Error::new(Kind::Usage, text)
            .hint("--enrol console needs no token; or run it on the master, with --salt-config"))
    }

    fn reach(&mut self) -> Pending<'_, Reach> {
        Box::pin(async move {
            let key = self.key().await?;
            let interface = self.option("interface").await?;
            let listens = interface.as_str().unwrap_or_default();
            let address = match listens {
                "" | "0.0.0.0" | "::" => self.http.settings().host(),
                v6 if v6.contains(':') => format!("[{v6}]"),
                other => other.to_owned(),
            };
            Ok(Reach {
                key,
                address,
                ret_port: port(&self.option("ret_port").await?)?,
                publish_port: port(&self.option("publish_port").await?)?,
            })
        })
    }
}

fn port(value: &Value) -> Result<u16> {
    let number = match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        Value::Str(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| Error::new(Kind::Failed, "salt-api gives no port of its master"))
}

/// Arguments as JSON, if they are the same there.
fn exact(value: &Value) -> Result<serde_json::Value> {
    if value_of(json_of(value)) == *value {
        return Ok(json_of(value));
    }
    let text =
        "an argument cannot travel through salt-api: JSON has no bytes, and no keys but text";
    Err(Error::new(Kind::Usage, text).hint("run it on the master, with --salt-config"))
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn arguments_arrive_as_they_are_or_not_at_all() {
        let good = map! {"a" => vec![Value::Int(1), 2.5.into(), "x=1".into()], "b" => Value::Null};
        assert!(exact(&good.into()).is_ok());
        for bad in [map! {1 => "a"}, map! {"a" => Value::Bytes(vec![255])}] {
            assert_eq!(exact(&bad.into()).unwrap_err().kind, Kind::Usage);
        }
    }
}
