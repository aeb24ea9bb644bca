//! When each job of a schedule is due: Salt's rules, with the clock as an argument.

use std::collections::HashMap;

use jiff::civil::DateTime;
use jiff::{SignedDuration, ToSpan};
use salt_wire::{Map, Value};

use super::cron::Cron;
use super::times;
use crate::context::python;

/// A job whose time has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Its name in the schedule.
    pub name: String,
    /// The function to run; another one than the job's own when it is to be skipped that way.
    pub fun: String,
    /// The job as written.
    pub job: Map,
}

/// What is remembered of a job between two looks.
#[derive(Debug, Clone, Default)]
struct Memory {
    /// The job as it was written when this was learned.
    job: Map,
    next: Option<DateTime>,
    splay: Option<DateTime>,
    on_start: Option<bool>,
    /// The point in time of `when` that still waits for its run.
    armed: Option<bool>,
    last_run: Option<DateTime>,
    /// The next point to which a run was postponed.
    postponed: Option<DateTime>,
    skipped: Option<(&'static str, DateTime)>,
    error: Option<String>,
}

/// The clockwork: what is known of each job's times.
#[derive(Debug, Default)]
pub struct Clock {
    jobs: HashMap<String, Memory>,
}

/// Settings beside the jobs.
const GLOBAL: &[&str] = &["enabled", "skip_function", "skip_during_range", "splay"];

/// How late a job with a fixed time may still start.
const LATE: SignedDuration = SignedDuration::from_secs(2);

impl Clock {
    /// The jobs of `schedule` that are to be started now. `running` counts those of a name that still run,
    /// `random` gives a number of a range.
    pub fn tick(
        &mut self,
        schedule: &Map,
        facts: &Facts<'_>,
        now: DateTime,
        running: &dyn Fn(&str) -> usize,
        random: &mut dyn FnMut(i64, i64) -> i64,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        self.jobs
            .retain(|name, _| schedule.contains_key(name.as_str()));
        for (name, job) in schedule {
            let (Some(name), Value::Map(job)) = (name.as_str(), job) else {
                continue;
            };
            if GLOBAL.contains(&name) {
                continue;
            }
            let memory = self.jobs.entry(name.to_owned()).or_default();
            if !alike(&memory.job, job) {
                // Written anew: what was learned of the old one does not count. It has run before, though.
                let ran = memory.last_run.is_some();
                *memory = Memory {
                    job: job.clone(),
                    on_start: ran.then_some(false),
                    ..Memory::default()
                };
            }
            let look = Look {
                schedule,
                facts,
                job,
                now,
            };
            if let Some(fun) = look.at(memory, name, running, random) {
                due.push(Due {
                    name: name.to_owned(),
                    fun,
                    job: job.clone(),
                });
            }
            if let Some(error) = &memory.error {
                tracing::error!(job = name, error, "Scheduled job ignored.");
            }
        }
        due
    }

    /// When a job runs next, as far as it is known.
    pub fn next(&self, name: &str) -> Option<DateTime> {
        let memory = self.jobs.get(name)?;
        memory.splay.or(memory.next)
    }

    /// The earliest time at which any job may be due.
    pub fn earliest(&self) -> Option<DateTime> {
        let times = self.jobs.values();
        times
            .flat_map(|m| [m.splay.or(m.next), m.postponed])
            .flatten()
            .min()
    }

    /// What `schedule.job_status` adds to a job.
    pub fn status(&self, name: &str) -> Map {
        let mut status = Map::new();
        let Some(memory) = self.jobs.get(name) else {
            return status;
        };
        let time = |t: Option<DateTime>| {
            t.map_or(Value::Null, |t| times::text(t, "%Y-%m-%dT%H:%M:%S").into())
        };
        status.insert("_next_fire_time".into(), time(memory.next));
        status.insert("_splay".into(), time(memory.splay));
        status.insert(
            "_run_on_start".into(),
            memory.on_start.unwrap_or(false).into(),
        );
        if memory.last_run.is_some() {
            status.insert("_last_run".into(), time(memory.last_run));
        }
        if let Some((reason, when)) = memory.skipped {
            status.insert("_skipped".into(), true.into());
            status.insert("_skip_reason".into(), reason.into());
            status.insert("_skipped_time".into(), time(Some(when)));
        }
        if let Some(error) = &memory.error {
            status.insert("_error".into(), error.as_str().into());
        }
        status
    }
}

/// Points in time at which a job runs besides, or does not run.
const EXPLICIT: [&str; 2] = ["run_explicit", "skip_explicit"];

/// Whether what was learned of one job counts for the other.
fn alike(a: &Map, b: &Map) -> bool {
    let plain = |job: &Map| -> Map {
        let mut job = job.clone();
        for key in EXPLICIT {
            job.shift_remove(key);
        }
        job
    };
    plain(a) == plain(b)
}

/// Where `when` may find names for points in time.
pub struct Facts<'a> {
    /// The grains.
    pub grains: &'a Map,
    /// The pillar.
    pub pillar: &'a Map,
}

/// One look at one job.
struct Look<'a> {
    schedule: &'a Map,
    facts: &'a Facts<'a>,
    job: &'a Map,
    now: DateTime,
}

impl Look<'_> {
    fn at(
        &self,
        memory: &mut Memory,
        name: &str,
        running: &dyn Fn(&str) -> usize,
        random: &mut dyn FnMut(i64, i64) -> i64,
    ) -> Option<String> {
        memory.error = None;
        let interval = self.interval();
        let fixed: Vec<&str> = ["when", "cron", "once"]
            .into_iter()
            .filter(|k| self.job.contains_key(*k))
            .collect();
        let kinds = fixed.len() + usize::from(interval.is_some());
        if kinds != 1 {
            if kinds > 1 {
                memory.error = Some("its times are given in more than one way".into());
            }
            return None;
        }
        let wanted = self.get("run_on_start");
        let on_start = memory
            .on_start
            .unwrap_or_else(|| wanted.map_or(interval.is_some(), Value::is_truthy));
        memory.on_start = Some(on_start);
        let ready = match (interval, fixed.first()) {
            (Some(seconds), _) => {
                memory.next.get_or_insert_with(|| later(self.now, seconds));
                true
            }
            (None, Some(&"cron")) => self.cron(memory),
            (None, Some(&"once")) => self.once(memory),
            (None, _) => self.when(memory),
        };
        if !ready || memory.error.is_some() {
            return None;
        }
        let mut run = self.reached(memory, interval.is_some(), random);
        let postponed = memory.postponed.take().filter(|at| *at <= self.now);
        run |= postponed.is_some();
        let points = self.explicit("run_explicit");
        memory.postponed = points.into_iter().filter(|at| *at > self.now).min();
        let mut fun = ["function", "func", "fun"]
            .iter()
            .find_map(|k| self.get(k))
            .map(python::text)
            .unwrap_or_default();
        if on_start {
            run = true;
            memory.on_start = Some(false);
        } else if run {
            match self.allowed() {
                Ok(Some(other)) => fun = other,
                Ok(None) => {}
                Err(Refusal::Skip(reason)) => {
                    memory.skipped = Some((reason, self.now));
                    run = false;
                }
                Err(Refusal::Wrong(error)) => {
                    memory.error = Some(error);
                    run = false;
                }
            }
        }
        let on = |map: &Map| map.get("enabled").is_none_or(Value::is_truthy);
        if !on(self.schedule) || !on(self.job) {
            memory.skipped = Some(("disabled", self.now));
            run = false;
        }
        if run && self.get("jid_include").is_none_or(Value::is_truthy) {
            let most = self.get("maxrunning").and_then(Value::as_int).unwrap_or(1);
            if i128::try_from(running(name)).unwrap_or(i128::MAX) >= most {
                memory.skipped = Some(("maxrunning", self.now));
                run = false;
            }
        }
        let passed = memory.next.is_some_and(|next| next <= self.now);
        if run {
            memory.last_run = Some(self.now);
            memory.skipped = None;
            memory.splay = None;
        }
        if let Some(seconds) = interval
            && (run || passed && memory.splay.is_none_or(|s| s <= self.now))
        {
            memory.next = Some(later(self.now, seconds));
            memory.splay = None;
        }
        run.then_some(fun)
    }

    /// The points in time of `run_explicit` or `skip_explicit`.
    fn explicit(&self, key: &str) -> Vec<DateTime> {
        let points = self.get(key).and_then(Value::as_list).unwrap_or_default();
        let parse = |point: &Value| {
            let format = point.get("time_fmt").and_then(Value::as_str);
            let format = format.unwrap_or("%Y-%m-%dT%H:%M:%S");
            times::parse_as(point.get("time")?.as_str()?, format)
        };
        points.iter().filter_map(parse).collect()
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.job.get(key).filter(|v| !v.is_null())
    }

    /// Seconds of `seconds`, `minutes`, `hours` and `days` together.
    fn interval(&self) -> Option<i64> {
        let units = [
            ("seconds", 1),
            ("minutes", 60),
            ("hours", 3600),
            ("days", 86400),
        ];
        if units.iter().all(|(unit, _)| !self.job.contains_key(*unit)) {
            return None;
        }
        let sum: i64 = units
            .iter()
            .filter_map(|(unit, factor)| {
                let count = match self.get(unit)? {
                    Value::Str(text) => text.trim().parse().ok()?,
                    other => other.as_float()? as i64,
                };
                count.checked_mul(*factor)
            })
            .sum();
        Some(sum.max(1))
    }

    fn cron(&self, memory: &mut Memory) -> bool {
        if memory.next.is_none() {
            let text = self.get("cron").map(python::text).unwrap_or_default();
            match Cron::parse(&text).and_then(|cron| cron.next(self.now)) {
                Some(next) => memory.next = Some(next),
                None => memory.error = Some(format!("Invalid cron string: {text}")),
            }
        }
        true
    }

    fn once(&self, memory: &mut Memory) -> bool {
        if memory.next.is_none() && memory.last_run.is_none() {
            let text = self.get("once").map(python::text).unwrap_or_default();
            let format = self.get("once_fmt").map(python::text);
            let format = format.as_deref().unwrap_or("%Y-%m-%dT%H:%M:%S");
            match times::parse_as(&text, format) {
                Some(once) => memory.next = Some(once),
                None => {
                    memory.error =
                        Some(format!("Date string could not be parsed: {text}, {format}"))
                }
            }
        }
        memory.armed.get_or_insert(true);
        memory.armed == Some(true)
            && memory
                .next
                .is_some_and(|next| memory.splay.unwrap_or(next) >= self.now - LATE)
    }

    fn when(&self, memory: &mut Memory) -> bool {
        // A point in time that was taken stays until it has passed.
        if let Some(next) = memory.next
            && memory.splay.unwrap_or(next) >= self.now - LATE
            && memory.armed == Some(true)
        {
            return true;
        }
        let written = match self.job.get("when") {
            Some(Value::List(several)) => several.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        let mut points = Vec::new();
        for item in &written {
            let text = self.named(item);
            match times::parse(&text, self.now.date()) {
                Some(point) => points.push(point),
                None => {
                    memory.error = Some(format!("Invalid date string {}", python::text(item)));
                    return false;
                }
            }
        }
        let last = memory.next.filter(|_| memory.armed == Some(false));
        let next = points
            .into_iter()
            .filter(|p| *p >= self.now - LATE && last.is_none_or(|l| *p > l))
            .min();
        match next {
            Some(next) => {
                memory.next = Some(next);
                memory.armed = Some(true);
                memory.splay = None;
                true
            }
            None => {
                memory.splay = None;
                if last.is_none() {
                    memory.next = None;
                }
                false
            }
        }
    }

    /// A name of pillar's or grains' `whens`, or the text itself.
    fn named(&self, item: &Value) -> String {
        [self.facts.pillar, self.facts.grains]
            .iter()
            .find_map(|facts| facts.get("whens")?.as_map()?.get(item))
            .map_or_else(|| python::text(item), python::text)
    }

    /// Whether the time has come; a splay is drawn once per run.
    fn reached(
        &self,
        memory: &mut Memory,
        every: bool,
        random: &mut dyn FnMut(i64, i64) -> i64,
    ) -> bool {
        let Some(next) = memory.next else {
            return false;
        };
        let splay = self.get("splay").or_else(|| self.schedule.get("splay"));
        if memory.splay.is_none()
            && let Some(range) = splay.and_then(splay_range)
        {
            memory.splay = Some(later(next, random(range.0, range.1)));
        }
        let target = memory.splay.unwrap_or(next);
        let reached = target <= self.now;
        if reached && !every {
            if self.job.contains_key("cron") {
                memory.next = None;
                memory.splay = None;
            } else {
                memory.armed = Some(false);
            }
        }
        reached
    }

    /// Ranges and limits: another function to run instead, or why nothing runs.
    fn allowed(&self) -> Result<Option<String>, Refusal> {
        let instead = self.schedule.get("skip_function").map(python::text);
        let mut fun = None;
        let mut skip = |reason: &'static str| match &instead {
            Some(other) => {
                fun = Some(other.clone());
                Ok(())
            }
            None => Err(Refusal::Skip(reason)),
        };
        if let Some(range) = self.get("range") {
            let inside = self.inside(range)?;
            if range.get("invert").is_some_and(Value::is_truthy) {
                if inside {
                    return Err(Refusal::Skip("in_skip_range"));
                }
            } else if !inside {
                skip("not_in_range")?;
            }
        }
        let range = self
            .get("skip_during_range")
            .or_else(|| self.schedule.get("skip_during_range"));
        if let Some(range) = range.filter(|r| r.is_truthy())
            && self.inside(range)?
        {
            skip("in_skip_range")?;
        }
        let mut skipped = self.explicit("skip_explicit").into_iter();
        if skipped.any(|at| at <= self.now && self.now <= at + LATE) {
            skip("skip_explicit")?;
        }
        if let Some(until) = self.get("until")
            && self.moment(until)? <= self.now
        {
            return Err(Refusal::Skip("until_passed"));
        }
        if let Some(after) = self.get("after")
            && self.moment(after)? >= self.now
        {
            return Err(Refusal::Skip("after_not_passed"));
        }
        Ok(fun)
    }

    fn inside(&self, range: &Value) -> Result<bool, Refusal> {
        let end = |key: &str| match range.get(key) {
            Some(text) => self.moment(text),
            None => Err(Refusal::Wrong(
                "Invalid, range must be specified as a dictionary.".into(),
            )),
        };
        let (start, end) = (end("start")?, end("end")?);
        if end <= start {
            return Err(Refusal::Wrong(
                "Invalid range, end must be larger than start.".into(),
            ));
        }
        Ok((start..=end).contains(&self.now))
    }

    fn moment(&self, text: &Value) -> Result<DateTime, Refusal> {
        let text = python::text(text);
        times::parse(&text, self.now.date())
            .ok_or_else(|| Refusal::Wrong(format!("Invalid date string {text}.")))
    }
}

/// Why a job whose time has come does not run.
enum Refusal {
    Skip(&'static str),
    Wrong(String),
}

fn later(time: DateTime, seconds: i64) -> DateTime {
    time.checked_add(seconds.seconds()).unwrap_or(DateTime::MAX)
}

/// `5` is one to five seconds, `{start: 5, end: 10}` is what it says.
fn splay_range(splay: &Value) -> Option<(i64, i64)> {
    let int = |v: &Value| v.as_int().and_then(|i| i64::try_from(i).ok());
    match splay {
        Value::Map(range) => {
            let (start, end) = (int(range.get("start")?)?, int(range.get("end")?)?);
            (start <= end).then_some((start, end))
        }
        most => int(most).filter(|m| *m > 0).map(|most| (1, most)),
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
