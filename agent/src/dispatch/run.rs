//! One job from its thread's start to its return in the spool.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use nix::sys::signal::Signal;
use salt_wire::{Map, Value, map};
use tracing::{info, info_span, warn};

use super::table::{Interrupted, Overdue, Publication, Running, jid};
use super::{Inner, Registry, guard, scheduled};
use crate::context::{Context, Error, Job, Result};
use crate::highstate::last::LastHighstate;
use crate::host;
use crate::returns::load::{self, Outcome, Part};

/// Room for deep templates; only what is touched costs memory.
const STACK: usize = 8 << 20;

impl Inner {
    /// Runs a job on a thread of its own, and then, on the same thread, whatever waits.
    /// False when there is no thread for it now, and it waits.
    pub(super) fn spawn(self: Arc<Self>, running: Arc<Running>) -> bool {
        let inner = self.clone();
        let first = running.clone();
        let work = move || {
            let mut next = Some(first);
            while let Some(running) = next {
                inner.work(&running);
                inner.jobs.thread_ended();
                next = inner.jobs.next(inner.base().settings.agent.job_timeout);
            }
        };
        let spawned = thread::Builder::new()
            .name(format!("job {}", running.jid()))
            .stack_size(STACK)
            .spawn(work);
        if let Err(error) = &spawned {
            warn!(jid = running.jid(), %error, "No thread for the job now; it waits.");
            self.jobs.put_back(&running);
        }
        spawned.is_ok()
    }

    fn work(&self, running: &Arc<Running>) {
        let publication = &running.publication;
        let span = info_span!("job", jid = running.jid());
        let _entered = span.enter();
        self.jobs.write_proc(running);
        let context = self.context(publication, running);
        start_event(&context, &publication.load);
        let returned = if publication.load.contains_key("schedule") {
            scheduled::execute(&context, &publication.load)
        } else {
            execute(&context, &publication.load)
        };
        if running.claim() {
            let load = if running.cancel.is_cancelled() {
                let part = Part::ended(running.jid(), running.cancel.signal_given());
                Some(load::single(&context.settings.id, &publication.load, part))
            } else {
                returned
            };
            self.jobs.leave(running);
            self.deliver(&context, publication, load, self.answered(running));
        } else {
            self.jobs.outlived(running);
        }
    }

    /// Lets go of a job when its return is stored.
    fn answered(&self, running: &Arc<Running>) -> impl FnOnce() + Send + use<> {
        let (jobs, running) = (self.jobs.clone(), running.clone());
        move || jobs.answered(&running)
    }

    /// Ends a job in the place of its thread, which may go on for a while, unheard.
    pub(super) fn end(&self, overdue: Overdue) {
        let (running, timed_out) = match overdue {
            Overdue::Killed(running) => (running, false),
            Overdue::TimedOut(running) => (running, true),
        };
        // First claimed, then stopped: else its thread could be the one to tell, and not know why it ended.
        let ours = running.claim();
        if timed_out {
            running.cancel.signal(Signal::SIGKILL);
        }
        if ours {
            let context = self.context(&running.publication, &running);
            let part = if timed_out {
                let seconds = context
                    .settings
                    .agent
                    .job_timeout
                    .unwrap_or_default()
                    .as_secs();
                warn!(
                    jid = running.jid(),
                    seconds, "Job ran longer than its limit."
                );
                Part::timed_out(running.jid(), seconds)
            } else {
                Part::ended(running.jid(), Signal::SIGKILL)
            };
            let load = load::single(&context.settings.id, &running.publication.load, part);
            self.jobs.leave(&running);
            let stored = self.answered(&running);
            self.deliver(&context, &running.publication, Some(load), stored);
        } else {
            // Its thread was first; it takes the job from the table itself.
            self.jobs.leave(&running);
        }
    }

    /// Runs a function that never blocks, here and now.
    pub(super) fn answer(&self, publication: &Publication) {
        let mut context = self.base();
        context.job = Arc::new(Job::new(publication.load.clone()));
        context.host = context.host.for_job();
        let load = execute(&context, &publication.load);
        self.deliver(&context, publication, load, || ());
    }

    /// The agent was stopped while this job ran: its master hears that, once.
    pub(super) fn answer_interrupted(&self, interrupted: Interrupted) {
        let publication = interrupted.publication.clone();
        let (context, jid) = (self.base(), jid(&publication.load));
        warn!(jid, "The agent was stopped while this job ran.");
        let part = Part::interrupted(jid);
        let load = load::single(&context.settings.id, &publication.load, part);
        self.deliver(&context, &publication, Some(load), move || {
            interrupted.forget();
        });
    }

    /// Too many jobs wait already.
    pub(super) fn refuse(&self, publication: &Publication) {
        let context = self.base();
        warn!(
            jid = jid(&publication.load),
            "Too many jobs wait; this one is refused."
        );
        let outcome = Outcome {
            result: Err(Error::execution("too many jobs wait on this minion")),
            retcode: 1,
        };
        let fun = publication.load["fun"].as_str().unwrap_or_default();
        let part = Part::new(fun, outcome, &Registry);
        let load = load::single(&context.settings.id, &publication.load, part);
        self.deliver(&context, publication, Some(load), || ());
    }

    fn context(&self, publication: &Publication, running: &Running) -> Context {
        let mut context = self.base();
        let mut job = Job::new(publication.load.clone());
        job.cancel = running.cancel.clone();
        job.bystander = self.masters.bystander(&publication.master);
        context.job = Arc::new(job);
        context.host = context.host.for_job();
        context.master = self.masters.link(&publication.master);
        context.worker = context.worker.for_run();
        context
    }

    /// Puts a return into the spool; `stored` is called when it is there, or when there is none.
    fn deliver(
        &self,
        context: &Context,
        publication: &Publication,
        load: Option<Map>,
        stored: impl FnOnce() + Send + 'static,
    ) {
        let Some(load) = load else { return stored() };
        info!(
            jid = jid(&publication.load),
            fun = ?publication.load["fun"],
            retcode = ?load.get("retcode"),
            "Job finished."
        );
        if is_startup(&publication.load) {
            let ended = LastHighstate::of_return(&load);
            self.startup.send_replace(Some(ended));
        }
        if context.settings.jobs.cache_jobs {
            cache(context, &load);
        }
        if publication.master.is_empty() {
            warn!("There is no master to return the job to.");
            stored();
        } else if context
            .settings
            .opts
            .get("pub_ret")
            .is_none_or(Value::is_truthy)
        {
            self.spool
                .push_then(&publication.master, load, Box::new(stored));
        } else {
            stored();
        }
    }
}

/// Runs what the load names; the return, or nothing when the function asked for none (a queued state run).
fn execute(context: &Context, job: &Map) -> Option<Map> {
    let id = &context.settings.id;
    if job
        .get("module_executors")
        .is_some_and(|m| m.is_truthy() && m != &Value::List(vec!["direct_call".into()]))
    {
        warn!("module_executors is not supported here and was ignored.");
    }
    let arg = |value: &Value| value.as_list().map(<[_]>::to_vec).unwrap_or_default();
    if let Value::List(funs) = &job["fun"] {
        let args = arg(&job["arg"]);
        let parts = funs
            .iter()
            .enumerate()
            .map(|(at, fun)| {
                let fun = fun.as_str().unwrap_or_default();
                let arg = args.get(at).map(arg).unwrap_or_default();
                let outcome = call(context, fun, &arg, job);
                let part = match outcome.result {
                    Err(error @ Error::NotAvailable(_)) => Err(error.to_string()),
                    Err(error) => Err(load::traceback(&error)),
                    Ok(_) => Ok(Part::new(fun, outcome, &Registry)),
                };
                (fun.to_owned(), part)
            })
            .collect();
        let ordered = context.settings.jobs.multifunc_ordered;
        return Some(load::multiple(id, job, parts, ordered));
    }
    let fun = job["fun"].as_str().unwrap_or_default();
    let outcome = call(context, fun, &arg(&job["arg"]), job);
    if let Err(Error::Exception { .. }) = &outcome.result {
        context.minion.fire(
            "_salt_error",
            map! {"message" => "The minion function caused an exception", "job" => job.clone()},
        );
    }
    let unreturned = |v: &Value| v.get("__no_return__").is_some_and(Value::is_truthy);
    if outcome.result.as_ref().is_ok_and(unreturned) {
        return None;
    }
    Some(load::single(id, job, Part::new(fun, outcome, &Registry)))
}

/// Calls one function; its panic is its failure, not ours.
pub(super) fn call(context: &Context, fun: &str, arg: &[Value], job: &Map) -> Outcome {
    let guarded = || -> Result {
        // What does not exist is not refused but missing; Salt's own functions are asked for behind the guard.
        if crate::modules::find(fun).is_none() && context.worker.ready(context).is_err() {
            return Err(Error::NotAvailable(fun.to_owned()));
        }
        guard::check(context, fun, arg)?;
        Registry.run(context, fun, arg, Some(job))
    };
    let result = catch_unwind(AssertUnwindSafe(guarded)).unwrap_or_else(|panic| {
        Err(Error::Exception {
            kind: "Panic",
            message: panic_text(panic.as_ref()),
        })
    });
    Outcome {
        result,
        retcode: context.job.retcode(),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a bug in the agent".into())
}

/// Tells the master that the job begins, if the publisher asked for that (3008).
fn start_event(context: &Context, job: &Map) {
    if !job.get("start_event").is_some_and(Value::is_truthy) {
        return;
    }
    let Some(master) = &context.master else {
        return;
    };
    let id = context.settings.id.as_str();
    let mut data = map! {"id" => id};
    for key in ["jid", "fun", "tgt", "tgt_type", "user"] {
        data.insert(key.into(), job.get(key).cloned().unwrap_or_default());
    }
    for key in ["master_id", "metadata"] {
        if let Some(value) = job.get(key).filter(|v| !v.is_null()) {
            data.insert(key.into(), value.clone());
        }
    }
    let event = map! {
        "cmd" => "_minion_event", "id" => id, "pretag" => Value::Null,
        "tag" => format!("salt/job/{}/start/{id}", jid(job)), "data" => data,
    };
    if let Err(error) = master.request(event) {
        warn!(%error, "The job's start event did not reach the master.");
    }
}

/// Nobody asked for it, and it is not of the schedule.
fn is_startup(job: &Map) -> bool {
    job.get("jid").and_then(Value::as_str) == Some("req") && !job.contains_key("schedule")
}

/// Keeps a copy of the return, as `cache_jobs` asks.
fn cache(context: &Context, load: &Map) {
    let jid = jid(load);
    if jid.is_empty() || jid.contains('/') || jid.starts_with('.') {
        return;
    }
    let dir = context.settings.cachedir.join("minion_jobs").join(jid);
    let mut copy = load.clone();
    copy.shift_remove("cmd");
    copy.shift_remove("id");
    let written = std::fs::create_dir_all(&dir).and_then(|()| {
        host::fs::replace(&dir.join("return.p"), &Value::Map(copy).to_msgpack(), 0o600)
    });
    if let Err(error) = written {
        warn!(dir = %dir.display(), %error, "The return cannot be cached.");
    }
}
