//! Jobs of the schedule: the same way as a master's, with another return.

use salt_wire::{Map, Value, map};
use tracing::info;

use super::Dispatcher;
use super::run::call;
use super::table::{Admission, Publication};
use crate::context::{Context, Error};
use crate::schedule::Due;

impl Dispatcher {
    /// Starts a job of the schedule; its return goes to `master`.
    pub fn scheduled(&self, due: &Due, master: &str) {
        let base = self.inner.base();
        let load = load(&base.settings.id, due);
        info!(
            job = due.name,
            fun = due.fun,
            jid = super::table::jid(&load),
            "Scheduled job starts."
        );
        if due.job.get("dry_run").is_some_and(Value::is_truthy) {
            return;
        }
        let publication = Publication {
            master: master.to_owned(),
            load,
        };
        let limit = base.settings.agent.job_timeout;
        match self.inner.jobs.admit(publication, limit) {
            Admission::Run(running) => {
                self.inner.clone().spawn(running);
            }
            Admission::Queued => {}
            Admission::Refused => {
                tracing::warn!(
                    job = due.name,
                    "Too many jobs wait; the scheduled one is left out."
                );
            }
        }
    }

    /// How many jobs of this name in the schedule are running or waiting.
    pub fn running_of_schedule(&self, name: &str) -> usize {
        let jobs = self.inner.jobs.list();
        jobs.iter()
            .filter(|job| job.get("schedule").and_then(Value::as_str) == Some(name))
            .count()
    }
}

/// What stands for the publication that such a job does not have.
fn load(id: &str, due: &Due) -> Map {
    let args = match due.job.get("args") {
        Some(Value::List(list)) => list.clone(),
        _ => Vec::new(),
    };
    let (mut arg, mut fun_args) = (args.clone(), args);
    if let Some(Value::Map(kwargs)) = due.job.get("kwargs") {
        fun_args.push(kwargs.clone().into());
        let mut marked = map! {"__kwarg__" => true};
        marked.extend(kwargs.clone());
        arg.push(marked.into());
    }
    let mut load = map! {
        "id" => id, "fun" => due.fun.as_str(), "fun_args" => Value::List(fun_args),
        "schedule" => due.name.as_str(), "jid" => jid(), "arg" => Value::List(arg),
    };
    for key in ["metadata", "return_job"] {
        if let Some(value) = due.job.get(key) {
            load.insert(key.into(), value.clone());
        }
    }
    load
}

fn jid() -> String {
    jiff::Zoned::now().strftime("%Y%m%d%H%M%S%6f").to_string()
}

/// Runs the job; its return, unless `return_job` says that nobody wants it.
pub(super) fn execute(context: &Context, job: &Map) -> Option<Map> {
    let fun = job["fun"].as_str().unwrap_or_default();
    let arg = job["arg"].as_list().unwrap_or_default();
    let outcome = call(context, fun, arg, job);
    let (value, retcode, success) = match outcome.result {
        Ok(value) => (value, outcome.retcode, true),
        Err(error) => {
            tracing::error!(fun, %error, "Unhandled exception running a scheduled job.");
            let text = match error {
                Error::NotAvailable(_) => error.to_string(),
                _ => format!("Unhandled exception running {fun}"),
            };
            (text.into(), 254, false)
        }
    };
    let wanted = job.get("return_job");
    let jid = match wanted.map(|w| (w.as_str(), w.is_truthy())) {
        Some((_, false)) => return None,
        Some((Some("nocache"), _)) => "nocache",
        _ => "req",
    };
    let mut load = map! {
        "cmd" => "_return", "id" => context.settings.id.as_str(), "fun" => fun,
        "fun_args" => job["fun_args"].clone(), "schedule" => job["schedule"].clone(), "jid" => jid,
        "pid" => i64::from(std::process::id()), "return" => value, "retcode" => retcode, "success" => success,
    };
    if let Some(Value::Map(metadata)) = job.get("metadata") {
        let mut metadata = metadata.clone();
        let now = jiff::Zoned::now();
        let utc = now.with_time_zone(jiff::tz::TimeZone::UTC);
        metadata.insert("_TOS".into(), now.strftime("%z").to_string().into());
        metadata.insert(
            "_TS".into(),
            now.strftime("%a %b %e %H:%M:%S %Y").to_string().into(),
        );
        metadata.insert(
            "_TT".into(),
            utc.strftime("%Y %B %d %a %H %m").to_string().into(),
        );
        load.insert("metadata".into(), metadata.into());
    }
    Some(load)
}
