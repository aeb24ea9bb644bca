//! One call of one state function: verify, guards, the function, and what its return has to carry.

use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use super::low::{function, is_internal};
use super::parallel::Call;
use super::run::Runner;
use super::slots;
use crate::context::{Args, Context, Error, Result, Signature, python};
use crate::host::clock;
use crate::states::{self, Outcome, Run, State};

impl Runner<'_> {
    /// Calls a low chunk. The error is one that ends the whole run: arguments that the function does not take.
    pub(crate) fn call_low(&mut self, low: &mut Map, attempt: i64) -> Result<Map> {
        let start = Instant::now();
        let start_time = clock::time_of_day();
        let errors = verify_data(low);
        let full = function(low);
        let state = match states::find(&full) {
            Some(state) if errors.is_empty() => state,
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
        let args = format_call(state, &full, low)?;
        let prereq = low.get("__prereq__").is_some_and(Value::is_truthy);
        let test = self.options.test || prereq;
        let mut ret = self.guarded_call(state, low, &args, test);
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
    fn guarded_call(&mut self, state: &'static State, low: &Map, args: &Args, test: bool) -> Map {
        let mut ret = map! {
            "result" => false, "name" => low.get("name").cloned().unwrap_or_default(),
            "changes" => Map::new(),
        };
        let guarded = ["onlyif", "unless", "creates"]
            .iter()
            .any(|g| low.contains_key(*g));
        if guarded && states::find(&format!("{}.mod_run_check", module(low))).is_none() {
            match self.run_check(low) {
                Ok(checked) => ret.extend(checked),
                Err(error) => return failure(&error, low),
            }
        }
        if ret.get("result") == Some(&Value::Bool(false)) {
            ret = if self.options.mocked {
                mocked(low)
            } else {
                self.call_function(state, low, args, test)
            };
        }
        let own_check = states::find(&format!("{}.mod_run_check_cmd", module(low))).is_some()
            && state.signature.contains("check_cmd");
        if low.contains_key("check_cmd") && !own_check {
            match self.run_check_cmd(low) {
                Ok(checked) => ret.extend(checked),
                Err(error) => return failure(&error, low),
            }
        }
        ret
    }

    /// The function itself, here and now or beside the run.
    fn call_function(&mut self, state: &'static State, low: &Map, args: &Args, test: bool) -> Map {
        let mut args = args.clone();
        if let Err(error) = slots::fill(&self.quiet(), &mut args) {
            return failure(&error, low);
        }
        let prereq = low.get("__prereq__").is_some_and(Value::is_truthy);
        if low.get("parallel").is_some_and(Value::is_truthy) && !prereq {
            return self.pool.start(Call {
                ctx: self.quiet(),
                state,
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
        report_call(self.ctx, state, &run)
    }

    /// Reads grains and pillar anew where the state asks for it.
    fn refresh(&self, low: &Map, _ret: &Map) {
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

fn module(low: &Map) -> &str {
    super::low::field(low, "state")
}

/// A duration as `duration` has it: milliseconds with microseconds behind the point.
pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// Calls the function; its words, or those of its failure.
pub(super) fn report_call(ctx: &Context, state: &State, run: &Run<'_>) -> Map {
    match (state.run)(ctx, run) {
        Ok(outcome) => report(outcome, run.chunk),
        Err(error) => failure(&error, run.chunk),
    }
}

fn failure(error: &Error, low: &Map) -> Map {
    map! {
        "result" => false, "name" => low.get("name").cloned().unwrap_or_default(),
        "changes" => Map::new(),
        "comment" => format!("An exception occurred in this state: {}", exception(error)),
    }
}

/// The function's own words and keys.
fn report(outcome: Outcome, low: &Map) -> Map {
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
    };
    format!("{class}: {error}\n")
}

/// What is wrong with a chunk, in Salt's words; `umask` is settled on the way.
pub(crate) fn verify_data(low: &mut Map) -> Vec<String> {
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
        return errors;
    }
    let full = function(low);
    match states::find(&full) {
        None => {
            if let Some(sls) = low.get("__sls__") {
                errors.push(format!(
                    "State '{full}' was not found in SLS '{}'",
                    python::text(sls)
                ));
                errors.push(format!("Reason: '{full}' is not available."));
            } else {
                errors.push(format!("Specified state '{full}' was not found"));
            }
        }
        Some(state) => {
            let signature = Signature::parse(state.signature).unwrap_or_default();
            for (name, default) in &signature.params {
                if default.is_none() && !low.contains_key(name.as_str()) {
                    errors.push(format!("Missing parameter {name} for state {full}"));
                }
            }
        }
    }
    errors
}

/// The function's arguments out of its chunk.
fn format_call(state: &State, full: &str, low: &Map) -> Result<Args> {
    let signature = Signature::parse(state.signature).map_err(Error::execution)?;
    let mut args = Args::default();
    let mut extra: Vec<&str> = Vec::new();
    for (name, default) in &signature.params {
        let value = low.get(name.as_str()).cloned();
        let value = value.or_else(|| default.clone()).unwrap_or_default();
        args.named.insert(name.as_str().into(), value);
    }
    for (key, value) in low {
        let Some(name) = key.as_str() else { continue };
        if args.named.contains_key(name) || is_internal(name) {
            continue;
        }
        if signature.kwargs.is_some() {
            args.extra.insert(key.clone(), value.clone());
        } else {
            extra.push(name);
        }
    }
    match extra.as_slice() {
        [] => Ok(args),
        [one] => Err(Error::invocation(format!(
            "'{one}' is an invalid keyword argument for '{full}'"
        ))),
        [head @ .., last] => {
            let head: Vec<_> = head.iter().map(|e| format!("'{e}'")).collect();
            Err(Error::invocation(format!(
                "{} and '{last}' are invalid keyword arguments for '{full}'",
                head.join(", ")
            )))
        }
    }
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
