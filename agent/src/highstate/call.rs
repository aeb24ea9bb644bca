//! One call of one state function: verify, guards, the function, and what its return has to carry.

use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use super::callee::{self, Callee};
use super::low::{field, function};
use super::parallel::Call;
use super::run::Runner;
use super::slots;
use crate::context::{Args, Context, Error, Result, Signature, python};
use crate::host::clock;
use crate::states::{Outcome, Run};

impl Runner<'_> {
    /// Calls a low chunk. The error is one that ends the whole run: arguments that the function does not take.
    pub(crate) fn call_low(&mut self, low: &mut Map, attempt: i64) -> Result<Map> {
        let start = Instant::now();
        let start_time = clock::time_of_day();
        let (errors, callee) = verify_data(self.ctx, low);
        let callee = match callee {
            Some(callee) if errors.is_empty() => callee,
            _ => {
                let comment: String = errors.iter().map(|e| format!("{e}\n")).collect();
                let ret = map! {
                    "result" => false, "name" => low.get("name").cloned().unwrap_or_default(),
                    "changes" => Map::new(), "comment" => comment, "__run_num__" => self.run_num,
                };
                self.run_num += 1;
                return Ok(ret);
            }
        };
        let args = callee.arguments(&function(low), low)?;
        let prereq = low.get("__prereq__").is_some_and(Value::is_truthy);
        let test = self.options.test || prereq;
        let mut ret = self.guarded_call(&callee, low, &args, test);
        if prereq {
            low.insert("__prereq__".into(), false.into());
            return Ok(ret);
        }
        ret.insert(
            "__sls__".into(),
            low.get("__sls__").cloned().unwrap_or_default(),
        );
        ret.insert("__run_num__".into(), self.run_num.into());
        self.run_num += 1;
        if low.get("no_log").is_some_and(Value::is_truthy) {
            for key in ["name", "comment", "changes"] {
                if let Some(value) = ret.get_mut(key) {
                    hide(value);
                }
            }
        }
        self.refresh(low, &ret);
        ret.insert("start_time".into(), start_time.as_str().into());
        let duration = milliseconds(start.elapsed());
        ret.insert("duration".into(), duration.into());
        ret.insert(
            "__id__".into(),
            low.get("__id__").cloned().unwrap_or_default(),
        );
        // A parallel state tries again by itself.
        let parallel = low.get("parallel").is_some_and(Value::is_truthy);
        if let Some(retry) = low.get("retry").cloned().filter(|_| !parallel) {
            return self.retry(low, &retry, ret, attempt, duration, &start_time);
        }
        Ok(ret)
    }

    /// Guards first, then the function, then `check_cmd`; a failure inside becomes the state's failure.
    fn guarded_call(&mut self, callee: &Callee, low: &Map, args: &Args, test: bool) -> Map {
        let mut ret = map! {
            "result" => false, "name" => low.get("name").cloned().unwrap_or_default(),
            "changes" => Map::new(),
        };
        let guarded = ["onlyif", "unless", "creates"]
            .iter()
            .any(|g| low.contains_key(*g));
        if guarded && !callee::has_sibling(self.ctx, low, "mod_run_check") {
            match self.run_check(low) {
                Ok(checked) => ret.extend(checked),
                Err(error) => return failure(&error, low),
            }
        }
        if ret.get("result") == Some(&Value::Bool(false)) {
            ret = if self.options.mocked {
                mocked(low)
            } else {
                self.call_function(callee, low, args, test)
            };
        }
        let own_check = || {
            let takes = |s: &Signature| s.params.iter().any(|(name, _)| name == "check_cmd");
            callee.signature().is_ok_and(|s| takes(&s))
                && callee::has_sibling(self.ctx, low, "mod_run_check_cmd")
        };
        if low.contains_key("check_cmd") && !own_check() {
            match self.run_check_cmd(low) {
                Ok(checked) => ret.extend(checked),
                Err(error) => return failure(&error, low),
            }
        }
        ret
    }

    /// The function itself, here and now or beside the run.
    fn call_function(&mut self, callee: &Callee, low: &Map, args: &Args, test: bool) -> Map {
        if let Some(unmet) = self.conditions_unmet(low) {
            return unmet;
        }
        let mut args = args.clone();
        if let Err(error) = slots::fill(&self.quiet(), &mut args) {
            return failure(&error, low);
        }
        let prereq = low.get("__prereq__").is_some_and(Value::is_truthy);
        if low.get("parallel").is_some_and(Value::is_truthy) && !prereq {
            return self.pool.start(Call {
                ctx: self.quiet(),
                callee: callee.clone(),
                args,
                low: low.clone(),
                chunks: self.graph.chunks.clone(),
                test,
            });
        }
        let run = Run {
            args: &args,
            test,
            chunk: low,
            chunks: &self.graph.chunks,
            files: self.files,
        };
        callee.call(self.ctx, &run)
    }

    /// Reads grains and pillar anew where the state asks for it.
    fn refresh(&self, low: &Map, ret: &Map) {
        let wants = |key: &str| low.get(key).is_some_and(Value::is_truthy);
        if wants("reload_grains")
            && let Err(error) = self.ctx.minion.refresh_grains(self.ctx)
        {
            tracing::warn!(%error, "Grains were not reloaded.");
        }
        if wants("reload_pillar") {
            match self.seams.pillar(self.ctx) {
                Ok(pillar) => self.ctx.facts.set_pillar(pillar),
                Err(error) => tracing::warn!(%error, "The pillar was not reloaded."),
            }
        }
        let changed = ret.get("changes").is_some_and(Value::is_truthy);
        if wants("force_reload_modules") || (changed && (wants("reload_modules") || brings(low))) {
            self.ctx.worker.refresh();
        }
    }

    fn retry(
        &mut self,
        low: &mut Map,
        retry: &Value,
        mut ret: Map,
        attempt: i64,
        duration: f64,
        start_time: &str,
    ) -> Result<Map> {
        let retry = Retry::new(retry);
        let comment = |ret: &Map| match ret.get("comment") {
            Some(c) if c.is_truthy() => python::text(c),
            _ => String::new(),
        };
        if self.options.test {
            retry.announce(&mut ret);
            return Ok(ret);
        }
        if ret.get("result") == Some(&Value::Bool(retry.until)) || retry.attempts <= attempt {
            return Ok(ret);
        }
        let interval = retry.pause();
        if self.ctx.job.cancel.sleep(Duration::from_secs(interval)) {
            return Ok(ret);
        }
        let original = ret;
        let mut ret = self.call_low(low, attempt + 1)?;
        let text = format!(
            "Attempt {attempt}: Returned a result of \"{}\", with the following comment: \"{}\"\n{}",
            python::text(original.get("result").unwrap_or(&Value::Null)),
            python::text(original.get("comment").unwrap_or(&Value::Null)),
            comment(&ret)
        );
        ret.insert("comment".into(), text.into());
        let later = ret
            .get("duration")
            .and_then(Value::as_float)
            .unwrap_or_default();
        let total = later + duration + interval as f64 * 1000.0;
        ret.insert("duration".into(), total.into());
        if attempt == 1 {
            ret.insert("start_time".into(), start_time.into());
        }
        Ok(ret)
    }
}

/// Whether what a state changed may be something that Python loads.
fn brings(low: &Map) -> bool {
    let name = field(low, "name");
    match (field(low, "state"), field(low, "fun")) {
        ("file", "managed") => [".py", ".pyx", ".pyo", ".pyc", ".so"]
            .iter()
            .any(|end| name.ends_with(end)),
        ("file", "recurse") | ("pkg" | "ports" | "pip", _) => true,
        ("file", "symlink") => name.contains("bin"),
        _ => false,
    }
}

/// `no_log`: nothing is shown, only that there is something.
fn hide(value: &mut Value) {
    match value {
        Value::List(items) => items.iter_mut().for_each(hide),
        Value::Map(map) => map.values_mut().for_each(hide),
        scalar if scalar.is_truthy() => *scalar = "**********".into(),
        _ => {}
    }
}

/// A duration as `duration` has it: milliseconds with microseconds behind the point.
pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

pub(super) fn failure(error: &Error, low: &Map) -> Map {
    map! {
        "result" => false, "name" => low.get("name").cloned().unwrap_or_default(),
        "changes" => Map::new(),
        "comment" => format!("An exception occurred in this state: {}", exception(error)),
    }
}

/// The function's own words and keys.
pub(super) fn report(outcome: Outcome, low: &Map) -> Map {
    let mut ret = map! {
        "name" => low.get("name").cloned().unwrap_or_default(),
        "changes" => outcome.changes,
        "result" => outcome.result.map_or(Value::Null, Value::Bool),
        "comment" => outcome.comment,
    };
    ret.extend(outcome.extra);
    ret
}

fn mocked(low: &Map) -> Map {
    map! {
        "name" => low.get("name").cloned().unwrap_or_default(), "comment" => "Not called, mocked",
        "changes" => Map::new(), "result" => true,
    }
}

/// A failure as the last line of Python's traceback has it.
fn exception(error: &Error) -> String {
    let class = match error {
        Error::Execution(_) => "salt.exceptions.CommandExecutionError",
        Error::Invocation(_) => "salt.exceptions.SaltInvocationError",
        Error::Arguments(_) => "TypeError",
        Error::MissingCommand(_) => "salt.exceptions.CommandNotFoundError",
        Error::NotAvailable(_) => "KeyError",
        Error::Exception { .. } => return format!("{error}\n"),
        Error::Python { trace, .. } => return trace.clone(),
    };
    format!("{class}: {error}\n")
}

/// What is wrong with a chunk, in Salt's words; `umask` is settled on the way.
pub(super) fn verify_data(ctx: &Context, low: &mut Map) -> (Vec<String>, Option<Callee>) {
    let mut errors = Vec::new();
    for key in ["state", "fun", "name"] {
        if !low.contains_key(key) {
            errors.push(format!("Missing \"{key}\" data"));
        }
    }
    if let Some(name) = low.get("name")
        && name.is_truthy()
        && name.as_str().is_none()
    {
        let place = low
            .get("__sls__")
            .map(|s| format!("in SLS '{}' ", python::text(s)))
            .unwrap_or_default();
        errors.push(format!(
            "ID '{}' {place}is not formed as a string, but is a {}",
            python::text(name),
            crate::context::signature::kind(name)
        ));
    }
    if let Some(umask) = low.shift_remove("umask") {
        match i64::from_str_radix(&python::text(&umask), 8) {
            Ok(mask) => {
                low.insert("__umask__".into(), mask.into());
            }
            Err(_) => errors.push(format!("Invalid umask: {}", python::text(&umask))),
        }
    }
    if !errors.is_empty() {
        return (errors, None);
    }
    let full = function(low);
    let found = callee::of(ctx, low);
    match &found {
        Err(why) => {
            if let Some(sls) = low.get("__sls__") {
                errors.push(format!(
                    "State '{full}' was not found in SLS '{}'",
                    python::text(sls)
                ));
                errors.push(format!("Reason: {why}"));
            } else {
                errors.push(format!("Specified state '{full}' was not found"));
            }
        }
        Ok(callee) => {
            let signature = callee.signature().unwrap_or_default();
            for (name, default) in &signature.params {
                if default.is_none() && !low.contains_key(name.as_str()) {
                    errors.push(format!("Missing parameter {name} for state {full}"));
                }
            }
        }
    }
    (errors, found.ok())
}

/// `retry` as it is meant; what makes no sense is the default.
pub(super) struct Retry {
    pub(super) until: bool,
    pub(super) attempts: i64,
    interval: i64,
    splay: i64,
}

impl Retry {
    pub(super) fn new(value: &Value) -> Self {
        let number = |key: &str, default: i64| {
            value
                .get(key)
                .and_then(Value::as_int)
                .and_then(|n| i64::try_from(n).ok())
                .unwrap_or(default)
        };
        Self {
            until: value.get("until").and_then(Value::as_bool).unwrap_or(true),
            attempts: if *value == Value::Bool(false) {
                0
            } else {
                number("attempts", 2)
            },
            interval: number("interval", 30),
            splay: number("splay", 0),
        }
    }

    /// Seconds until the next attempt.
    pub(super) fn pause(&self) -> u64 {
        let mut interval = self.interval.max(0).unsigned_abs();
        if self.splay > 0 {
            let mut bytes = [0; 8];
            if getrandom::fill(&mut bytes).is_ok() {
                interval += u64::from_le_bytes(bytes) % (self.splay.unsigned_abs() + 1);
            }
        }
        interval
    }

    /// Says in test mode what would be.
    pub(super) fn announce(&self, ret: &mut Map) {
        let comment = match ret.get("comment") {
            Some(c) if c.is_truthy() => python::text(c),
            _ => String::new(),
        };
        let text = format!(
            "{comment}  The state would be retried every {} seconds (with a splay of up to {} seconds) a maximum of {} times or until a result of {} is returned",
            self.interval,
            self.splay,
            self.attempts,
            python::text(&Value::Bool(self.until))
        );
        ret.insert("comment".into(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_to_be_logged_shows_only_its_keys() {
        let mut changes = Value::Map(map! {
            "diff" => "secret", "mode" => 600, "new" => true, "none" => Value::Null, "empty" => "",
            "list" => vec![Value::from("a"), 0.into()],
        });
        hide(&mut changes);
        let hidden = "**********";
        assert_eq!(
            changes,
            Value::Map(map! {
                "diff" => hidden, "mode" => hidden, "new" => hidden, "none" => Value::Null, "empty" => "",
                "list" => vec![Value::from(hidden), 0.into()],
            })
        );
    }

    #[test]
    fn what_python_may_load_is_loaded_anew() {
        let low = |state: &str, fun: &str, name: &str| {
            map! {"state" => state, "fun" => fun, "name" => name}
        };
        assert!(brings(&low("pkg", "installed", "python3-docker")));
        assert!(brings(&low("file", "managed", "/x/_modules/own.py")));
        assert!(!brings(&low("file", "managed", "/etc/motd")));
        assert!(!brings(&low("cmd", "run", "x.py")));
    }
}
