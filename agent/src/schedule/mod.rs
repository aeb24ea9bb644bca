//! Jobs that this minion starts by itself: the option `schedule`, the pillar's `schedule`, and what
//! `schedule.*` adds, kept in `minion.d/_schedule.conf`.
//!
//! `state.rs` decides what is due (one more kind of time is one more arm there), `times.rs` and `cron.rs`
//! read times, this file holds the jobs and answers `schedule.*`. The supervisor looks at it and hands what
//! is due to the dispatcher.

pub mod cron;
pub mod state;
pub mod times;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use salt_wire::{Map, Value, map};
use tokio::sync::Notify;
use tracing::{error, warn};

use state::Clock;
pub use state::Due;

use crate::config::Settings;
use crate::context::{Context, Error, Result, python};
use crate::host;

/// The name under which the daemon serves `schedule.*`.
pub const SERVICE: &str = "schedule";

/// Nobody looks less often, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The schedule of this minion. Shared by the daemon and by the functions that change it.
pub struct Schedule {
    file: PathBuf,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    jobs: Map,
    clock: Clock,
    explicit: Vec<String>,
}

impl Schedule {
    /// The schedule of these settings, with the mine's own job.
    pub fn of(settings: &Settings) -> Self {
        let mut jobs = settings.schedule.clone();
        let mine = &settings.mine;
        if mine.enabled {
            let minutes = i64::try_from(mine.interval.as_secs() / 60)
                .unwrap_or(60)
                .max(1);
            let job = map! {
                "function" => "mine.update", "minutes" => minutes, "jid_include" => true, "maxrunning" => 2,
                "run_on_start" => true, "return_job" => mine.return_job,
            };
            jobs.insert("__mine_interval".into(), job.into());
        } else {
            jobs.shift_remove("__mine_interval");
        }
        Self {
            file: file(settings),
            state: Mutex::new(State {
                jobs,
                ..State::default()
            }),
            changed: Notify::new(),
        }
    }

    /// Takes the jobs of new settings; what is known of their times stays.
    pub fn replace(&self, settings: &Settings) {
        let fresh = Self::of(settings).state.into_inner();
        self.state().jobs = fresh.unwrap_or_else(PoisonError::into_inner).jobs;
        self.changed.notify_one();
    }

    /// What is to be started now. `running` counts the running jobs of a name.
    pub fn due(&self, ctx: &Context, running: &dyn Fn(&str) -> usize) -> Vec<Due> {
        let (grains, pillar) = (ctx.facts.grains(), ctx.facts.pillar());
        let facts = state::Facts {
            grains: &grains,
            pillar: &pillar,
        };
        let mut state = self.state();
        let all = together(&pillar, &state.jobs);
        let mut due = state
            .clock
            .tick(&all, &facts, times::now(), running, &mut random);
        for name in std::mem::take(&mut state.explicit) {
            if let Some(Value::Map(job)) = all.get(name.as_str()) {
                let fun = ["function", "func", "fun"].iter().find_map(|k| job.get(*k));
                due.push(Due {
                    fun: fun.map(python::text).unwrap_or_default(),
                    job: job.clone(),
                    name,
                });
            }
        }
        due
    }

    /// Sleeps until something may be due or the schedule was changed.
    pub async fn wait(&self) {
        let earliest = self.state().clock.earliest();
        let pause = earliest.map_or(LONGEST_SLEEP, |at| {
            let left = at.duration_since(times::now());
            Duration::try_from(left)
                .unwrap_or_default()
                .clamp(Duration::from_millis(200), LONGEST_SLEEP)
        });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.changed.notified() => {}
        }
    }

    /// Answers one request of `schedule.*`: a map with `func` and what that needs.
    pub fn manage(&self, ctx: &Context, request: &Map) -> Result {
        let text = |key: &str| request.get(key).map(python::text).unwrap_or_default();
        let name = text("name");
        let pillar = ctx.facts.pillar();
        let mut state = self.state();
        let in_pillar = pillar
            .get("schedule")
            .is_some_and(|s| s.get(&name).is_some());
        let own = state.jobs.contains_key(name.as_str());
        let func = text("func");
        if in_pillar
            && !own
            && !matches!(
                func.as_str(),
                "list" | "run_job" | "get_next_fire_time" | "job_status"
            )
        {
            warn!(job = name, "Cannot modify a job that is in the pillar.");
        }
        let enable = |state: &mut State, on: bool| {
            if let Some(Value::Map(job)) = state.jobs.get_mut(name.as_str()) {
                job.insert("enabled".into(), on.into());
            }
        };
        let mut answer = None;
        let mut changes = true;
        match func.as_str() {
            "list" => {
                changes = false;
                answer = Some(match text("where").as_str() {
                    "pillar" => together(&pillar, &Map::new()),
                    "opts" => state.jobs.clone(),
                    _ => together(&pillar, &state.jobs),
                });
            }
            "add" => {
                if let Some(Value::Map(jobs)) = request.get("schedule")
                    && !in_pillar
                {
                    state.jobs.extend(jobs.clone());
                }
            }
            "modify" => {
                if let Some(job) = request.get("schedule")
                    && (own || !in_pillar)
                {
                    state.jobs.insert(name.as_str().into(), job.clone());
                }
            }
            "delete" => drop(state.jobs.shift_remove(name.as_str())),
            "enable_job" => enable(&mut state, true),
            "disable_job" => enable(&mut state, false),
            "enable" | "disable" => {
                state
                    .jobs
                    .insert("enabled".into(), (func == "enable").into());
            }
            "reload" => {
                if let Some(Value::Map(jobs)) = request.get("schedule") {
                    state.jobs.extend(jobs.clone());
                }
            }
            "postpone_job" | "skip_job" => {
                if let Some(Value::Map(job)) = state.jobs.get_mut(name.as_str()) {
                    let mut point = |key: &str, time: &str| {
                        let point = map! {"time" => text(time), "time_fmt" => text("time_fmt")};
                        let points = job.entry(key.into()).or_insert(Value::List(Vec::new()));
                        if let Value::List(points) = points {
                            points.push(point.into());
                        }
                    };
                    point("skip_explicit", "time");
                    if func == "postpone_job" {
                        point("run_explicit", "new_time");
                    }
                }
                // As Salt: known until the minion starts anew.
                changes = false;
            }
            "run_job" => {
                state.explicit.push(name);
                changes = false;
            }
            "save_schedule" => {}
            "get_next_fire_time" => {
                let next = state.clock.next(&name);
                let next = next.map(|n| times::text(n, "%Y-%m-%dT%H:%M:%S"));
                return Ok(next.into());
            }
            "job_status" => {
                let all = together(&pillar, &state.jobs);
                let mut status = match all.get(name.as_str()) {
                    Some(Value::Map(job)) => job.clone(),
                    _ => return Ok(Map::new().into()),
                };
                status.extend(state.clock.status(&name));
                return Ok(status.into());
            }
            other => {
                return Err(Error::invocation(format!("the schedule cannot '{other}'")));
            }
        }
        let all = together(&pillar, &state.jobs);
        let kept = state.jobs.clone();
        drop(state);
        if changes && request.get("persist").is_none_or(Value::is_truthy) {
            self.persist(&kept);
        }
        self.changed.notify_one();
        Ok(answer.unwrap_or(all).into())
    }

    fn persist(&self, jobs: &Map) {
        let mut kept = jobs.clone();
        kept.retain(|name, _| name.as_str() != Some("__mine_interval"));
        if let Err(error) = write(&self.file, &kept) {
            error!(path = %self.file.display(), error, "Failed to persist the updated schedule.");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the schedule of these settings is kept.
pub fn file(settings: &Settings) -> PathBuf {
    let include = settings.opts.get("default_include").and_then(Value::as_str);
    let dir = Path::new(include.unwrap_or("minion.d/*.conf"))
        .parent()
        .unwrap_or(Path::new("minion.d"));
    settings.config_dir.join(dir).join("_schedule.conf")
}

/// The jobs in a schedule file; none if there is no such file.
pub fn read(path: &Path) -> std::result::Result<Map, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(error.to_string()),
    };
    let value = salt_yaml::load_config(&text).map_err(|e| e.to_string())?.0;
    Ok(match value.get("schedule") {
        Some(Value::Map(jobs)) => jobs.clone(),
        _ => Map::new(),
    })
}

/// Writes jobs to a schedule file, as `minion.d` files are read.
pub fn write(path: &Path, jobs: &Map) -> std::result::Result<(), String> {
    let text = yaml(&map! {"schedule" => jobs.clone()}.into())?;
    if let Some(dir) = path.parent() {
        host::fs::make_dirs(dir, 0o755).map_err(|e| e.to_string())?;
    }
    host::fs::write_atomic(path, text.as_bytes(), 0o600).map_err(|e| e.to_string())
}

/// As Salt dumps a plain `dict`: sorted.
pub fn yaml(value: &Value) -> std::result::Result<String, String> {
    let options = salt_yaml::DumpOptions {
        sort: true,
        ..salt_yaml::DumpOptions::default()
    };
    salt_yaml::dump(value, &options).map_err(|e| e.to_string())
}

/// The pillar's jobs with the minion's own over them.
fn together(pillar: &Map, own: &Map) -> Map {
    let mut all = match pillar.get("schedule") {
        Some(Value::Map(jobs)) => jobs.clone(),
        _ => Map::new(),
    };
    all.extend(own.clone());
    all
}

/// A number of `low..=high`.
fn random(low: i64, high: i64) -> i64 {
    let width = u64::try_from(high - low).unwrap_or(0) + 1;
    let number = getrandom::u64().unwrap_or(0) % width;
    low.saturating_add(i64::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_is_added_is_kept_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = testing::context(dir.path(), Map::new());
        let schedule = Schedule::of(&ctx.settings);
        let job = map! {"function" => "test.ping", "seconds" => 3600, "run_on_start" => false};
        let add = map! {"func" => "add", "name" => "a", "schedule" => map!{"a" => job.clone()}};
        let all = schedule.manage(&ctx, &add).unwrap();
        assert_eq!(all.get("a"), Some(&job.clone().into()));
        assert_eq!(read(&file(&ctx.settings)).unwrap(), map! {"a" => job});
        assert_eq!(schedule.due(&ctx, &|_| 0).len(), 1, "the mine's own job");
        let next = |s: &Schedule| {
            s.manage(&ctx, &map! {"func" => "get_next_fire_time", "name" => "a"})
                .unwrap()
        };
        assert!(next(&schedule).as_str().is_some());

        schedule
            .manage(&ctx, &map! {"func" => "run_job", "name" => "a"})
            .unwrap();
        assert_eq!(schedule.due(&ctx, &|_| 0)[0].fun, "test.ping");
        schedule
            .manage(&ctx, &map! {"func" => "disable_job", "name" => "a"})
            .unwrap();
        let status = schedule
            .manage(&ctx, &map! {"func" => "job_status", "name" => "a"})
            .unwrap();
        assert_eq!(status.get("enabled"), Some(&false.into()));
        schedule
            .manage(&ctx, &map! {"func" => "delete", "name" => "a"})
            .unwrap();
        assert_eq!(read(&file(&ctx.settings)).unwrap(), Map::new());
    }

    #[test]
    fn the_pillars_jobs_count_and_stay_the_pillars() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = testing::context(dir.path(), map! {"mine_enabled" => false});
        ctx.facts.set_pillar(
            map! {"schedule" => map!{"p" => map!{"function" => "test.ping", "seconds" => 5}}},
        );
        let schedule = Schedule::of(&ctx.settings);
        assert_eq!(schedule.due(&ctx, &|_| 0)[0].name, "p");
        let request = map! {"func" => "delete", "name" => "p"};
        assert!(schedule.manage(&ctx, &request).unwrap().get("p").is_some());
    }
}
