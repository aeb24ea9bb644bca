//! The agent in process, called as `salt-agent call --local` calls it.

use std::path::Path;
use std::sync::Arc;

use salt_agent::config::Settings;
use salt_agent::context::{Context, Error, Facts, Job, Minion, Result};
use salt_agent::dispatch::Registry;
use salt_agent::host::Host;
use salt_wire::{Map, Value};
use serde_json::{Value as Json, json};

struct Alone;

impl Minion for Alone {
    fn running(&self) -> Vec<Map> {
        Vec::new()
    }
    fn signal_job(&self, _: &str, _: i32) -> Option<String> {
        None
    }
    fn refresh_grains(&self, _: &Context) -> Result<()> {
        Ok(())
    }
    fn refresh_pillar(&self, _: &Context) -> Result<()> {
        Ok(())
    }
    fn fire(&self, _: &str, _: Map) {}
    fn service(&self, _: &str, _: Map) -> Result {
        Ok(Value::Null)
    }
}

pub fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::Int(i.into()),
            None => Value::Float(n.as_f64().unwrap()),
        },
        Json::String(s) => Value::Str(s.clone()),
        Json::Array(a) => Value::List(a.iter().map(value).collect()),
        Json::Object(o) => Value::Map(
            o.iter()
                .map(|(k, v)| (k.as_str().into(), value(v)))
                .collect(),
        ),
    }
}

pub fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(i) => json!(i64::try_from(*i).unwrap()),
        Value::Float(f) => json!(f),
        Value::Str(s) => json!(s),
        Value::Bytes(b) => json!(format!("{b:?}")),
        Value::List(l) => l.iter().map(json_of).collect(),
        Value::Map(m) => Json::Object(
            m.iter()
                .map(|(k, v)| {
                    let key = k
                        .as_str()
                        .map_or_else(|| json_of(k).to_string(), str::to_owned);
                    (key, json_of(v))
                })
                .collect(),
        ),
    }
}

pub fn ask(root: &Path, opts: &Json, grains: &Map, fun: &str, args: &Json, kwargs: &Json) -> Json {
    let Value::Map(mut opts) = value(opts) else {
        panic!()
    };
    let text = |p: &str| Value::from(root.join(p).to_string_lossy().as_ref());
    opts.insert("file_client".into(), "local".into());
    opts.insert("cachedir".into(), text("cache"));
    opts.insert("pki_dir".into(), text("pki"));
    let ctx = Context {
        host: Host::real(),
        settings: Arc::new(Settings::from_overrides(root, "minion", opts).unwrap()),
        facts: Arc::new(Facts::new(grains.clone(), Map::new())),
        job: Arc::new(Job::default()),
        master: None,
        functions: Arc::new(Registry),
        minion: Arc::new(Alone),
        worker: Arc::new(salt_agent::context::worker::NoWorker),
    };
    let request = salt_agent::pillar::Request::of(&ctx);
    ctx.facts
        .set_pillar(salt_agent::highstate::gather(&ctx, &request).unwrap());
    let Value::List(args) = value(args) else {
        panic!()
    };
    let Value::Map(kwargs) = value(kwargs) else {
        panic!()
    };
    match ctx.functions.call(&ctx, fun, &args, &kwargs) {
        Ok(value) => json!({ "return": json_of(&value), "retcode": ctx.job.retcode() }),
        // Of an exception the message counts; its class is the first word of Salt's answer, which is not compared.
        Err(Error::Exception { message, .. }) => json!({ "error": message }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
