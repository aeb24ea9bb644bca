//! A minion: whether it answers, what it is, its highstate, its health.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use salt_wire::{Value as Salt, map};
use serde_json::{Value, json};

use super::super::World;
use super::probe;
use crate::error::{Error, Kind, Result};
use crate::fleet::look::ask_all;
use crate::fleet::watch::wait_for;
use crate::output::json_of;
use crate::progress::short;
use crate::salt::job::Patience;
use crate::salt::wait::Return;
use crate::salt::{Event, Job, job};

/// Stands for the new server's address in a check.
const ADDRESS: &str = "{address}";

/// Every check of health has this long.
const CHECK: Duration = Duration::from_secs(10);

/// Names that are shown of a failed highstate.
const SHOWN: usize = 10;

pub(super) async fn ping(world: &mut World<'_>, minion: &str, within: Duration) -> Result<Value> {
    let patience = world.patience;
    let there = wait_for(world.salt()?, &[minion], patience, within).await?;
    if there.contains(minion) {
        return Ok(Value::Null);
    }
    let text = format!(
        "{minion} does not answer the master within {}",
        short(within)
    );
    Err(Error::new(Kind::Failed, text).hint(
        "its key is accepted: does it reach port 4505 too? Its console says what it waits for",
    ))
}

pub(super) async fn grains(
    world: &mut World<'_>,
    minion: &str,
    expect: &BTreeMap<String, String>,
) -> Result<Value> {
    let patience = world.patience;
    let names: Vec<&str> = expect.keys().map(String::as_str).collect();
    let outcome = ask_all(world.salt()?, &[minion], "grains.item", &names, patience).await?;
    let Some(found) = outcome.good(minion) else {
        return Err(Error::new(
            Kind::Failed,
            format!("{minion} does not tell its grains"),
        ));
    };
    let differ: Vec<String> = expect
        .iter()
        .filter_map(|(name, wanted)| {
            let value = found.get(name.as_str()).map(json_of).unwrap_or_default();
            let fits = match &value {
                Value::Array(all) => all.iter().any(|one| word(one) == *wanted),
                one => word(one) == *wanted,
            };
            (!fits).then(|| format!("{name} is {value}, not {wanted}"))
        })
        .collect();
    if differ.is_empty() {
        return Ok(Value::Null);
    }
    let mut error = Error::new(
        Kind::Failed,
        format!("{minion} has other grains than expected"),
    )
    .hint("--grain NAME=VALUE gives a new VM its grains");
    error.causes = differ;
    Err(error)
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Runs the highstate, and waits for one that runs already.
pub(super) async fn highstate(
    world: &mut World<'_>,
    key: &str,
    minion: &str,
    unchanged: bool,
) -> Result<Value> {
    let (patience, progress) = (world.patience, world.progress);
    let mut job = Job::for_ids(&[minion], "state.highstate");
    job.kwargs = map! {"queue" => true, "state_events" => true};
    let mut other = |event: Event| {
        if let Some(line) = state_of(&event, minion) {
            progress.at(key, &line);
        }
    };
    let outcome = job::hear(world.salt()?, &job, patience, &mut |_| {}, &mut other).await?;
    let Some(answer) = outcome.of(minion) else {
        let text = format!("{minion} was lost in its highstate (job {})", outcome.jid);
        return Err(Error::new(Kind::Failed, text).hint(format!(
            "`salt-run jobs.lookup_jid {}` has what comes later",
            outcome.jid
        )));
    };
    let summary = Summary::of(answer)?;
    progress.at(
        key,
        &format!("{} states, {} changed", summary.all, summary.changed.len()),
    );
    if !summary.failed.is_empty() || !answer.is_good() {
        return Err(bad(
            format!("the highstate of {minion} failed (job {})", outcome.jid),
            &summary.failed,
            "mend the states; `salt ID state.apply test=True` shows what they would do",
        ));
    }
    if unchanged && !summary.changed.is_empty() {
        return Err(bad(
            format!(
                "a second highstate of {minion} changes things again (job {})",
                outcome.jid
            ),
            &summary.changed,
            "a state that changes something each time is no state yet; --allow-changes accepts it",
        ));
    }
    Ok(
        json!({"jid": outcome.jid, "states": summary.all, "changed": summary.changed.len(), "digest": summary.digest}),
    )
}

fn bad(text: String, names: &[String], hint: &str) -> Error {
    let mut error = Error::new(Kind::Failed, text).hint(hint);
    error.causes = names.iter().take(SHOWN).cloned().collect();
    if names.len() > SHOWN {
        error
            .causes
            .push(format!("and {} more", names.len() - SHOWN));
    }
    error
}

/// A state's progress event, as a line.
fn state_of(event: &Event, minion: &str) -> Option<String> {
    if !event.tag.contains("/prog/") || !event.tag.split('/').any(|part| part == minion) {
        return None;
    }
    let data = event.data.get("data")?;
    let result = data.get("ret")?;
    let number = match result.get("__run_num__")? {
        Salt::Int(number) => number + 1,
        _ => return None,
    };
    let of = match data.get("len") {
        Some(Salt::Int(all)) => format!(" of {all}"),
        _ => String::new(),
    };
    let mark = match result.get("result") {
        Some(Salt::Bool(false)) => " FAILED",
        _ => "",
    };
    let name = result
        .get("__id__")
        .or_else(|| result.get("name"))?
        .as_str()?;
    Some(format!("state {number}{of}: {name}{mark}"))
}

/// What a highstate did.
struct Summary {
    all: usize,
    changed: Vec<String>,
    failed: Vec<String>,
    /// Which states there were and how each ended, in one hash.
    digest: String,
}

impl Summary {
    fn of(answer: &Return) -> Result<Self> {
        let Some(states) = answer.value.as_map() else {
            // Rendering errors come as a list of words.
            let words = json_of(&answer.value);
            let lines: Vec<String> = match &words {
                Value::Array(lines) => lines.iter().map(word).collect(),
                other => vec![word(other)],
            };
            return Err(bad(
                format!("the highstate of {} could not begin", answer.id),
                &lines,
                "`salt ID state.show_top` and `state.show_highstate` show how far it comes",
            ));
        };
        let (mut changed, mut failed, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (name, state) in states {
            let name = name.as_str().unwrap_or_default();
            let comment = state
                .get("comment")
                .and_then(Salt::as_str)
                .unwrap_or_default();
            let line = || format!("{}: {}", shown(name), comment.trim());
            let good = state.get("result").and_then(Salt::as_bool) != Some(false);
            if !good {
                failed.push(line());
            }
            if state.get("changes").is_some_and(Salt::is_truthy) {
                changed.push(line());
            }
            ends.push(format!("{name}={good}"));
        }
        ends.sort();
        let digest = salt_wire::crypto::HashType::Sha256.hex(ends.join("\n").as_bytes());
        Ok(Self {
            all: states.len(),
            changed,
            failed,
            digest: digest.replace(':', ""),
        })
    }
}

/// `file_|-motd_|-/etc/motd_|-managed` as `file.managed /etc/motd`.
fn shown(tag: &str) -> String {
    match tag.split("_|-").collect::<Vec<_>>().as_slice() {
        [module, _, name, fun] => format!("{module}.{fun} {name}"),
        _ => tag.to_owned(),
    }
}

/// A URL that the minion fetches, or with `{address}` in it the bridge from its place in the network; or a function
/// on the minion that returns yes.
pub(super) async fn health(
    world: &mut World<'_>,
    minion: &str,
    check: &str,
    within: Duration,
) -> Result<Value> {
    let start = Instant::now();
    loop {
        let is_url = check.starts_with("http://") || check.starts_with("https://");
        let trouble = if is_url && check.contains(ADDRESS) {
            let url = with_address(world, check)?;
            probe::fetch(&url, Duration::from_secs(5)).await.err()
        } else if is_url {
            let left = within.saturating_sub(start.elapsed());
            fetch_inside(world, minion, check, left).await?
        } else {
            let left = within.saturating_sub(start.elapsed());
            ask(world, minion, check, left).await?
        };
        let Some(trouble) = trouble else {
            return Ok(json!({"seconds": start.elapsed().as_secs_f64()}));
        };
        if start.elapsed() >= within {
            let mut error = Error::new(
                Kind::Failed,
                format!("{minion} is not well after {}", short(within)),
            )
            .hint("--health-within gives it longer; --keep-failed leaves it for you to look at");
            error.causes = vec![format!("{check}: {trouble}")];
            return Err(error);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// `{address}` in a URL is the new server's.
fn with_address(world: &World<'_>, url: &str) -> Result<String> {
    let made = world
        .made
        .values()
        .find_map(|made| made.get("addresses")?.get(0)?.as_str());
    let address = made.ok_or_else(|| Error::new(Kind::Local, "the new server has no address"))?;
    Ok(url.replace(ADDRESS, address))
}

/// A check that hangs is not well, and does not outlast the time that it has by much.
fn hurried(patience: Patience, left: Duration) -> Patience {
    Patience {
        most: patience.most.min(left.max(CHECK)),
        ..patience
    }
}

/// What is wrong with what the minion finds at a URL, if something is.
async fn fetch_inside(
    world: &mut World<'_>,
    minion: &str,
    url: &str,
    left: Duration,
) -> Result<Option<String>> {
    let patience = hurried(world.patience, left);
    let args = [url, "status=True"];
    let outcome = ask_all(world.salt()?, &[minion], "http.query", &args, patience).await?;
    let Some(answer) = outcome.of(minion) else {
        return Ok(Some("no answer".into()));
    };
    // Salt's own word for a status of 400 and above, too.
    let status = answer.value.get("status").and_then(Salt::as_int);
    Ok(match (answer.value.get("error"), status) {
        (None, Some(200..400)) => None,
        (error, _) => Some(word(&json_of(error.unwrap_or(&answer.value)))),
    })
}

/// A function with its arguments on the minion; what is wrong, if something is.
async fn ask(
    world: &mut World<'_>,
    minion: &str,
    check: &str,
    left: Duration,
) -> Result<Option<String>> {
    let patience = hurried(world.patience, left);
    let mut words = check.split_whitespace();
    let fun = words.next().unwrap_or("test.ping");
    let args: Vec<&str> = words.collect();
    let outcome = ask_all(world.salt()?, &[minion], fun, &args, patience).await?;
    Ok(match outcome.of(minion) {
        Some(answer) if answer.is_good() && answer.value.is_truthy() => None,
        Some(answer) => Some(word(&json_of(&answer.value))),
        None => Some("no answer".into()),
    })
}

pub(super) async fn run(
    world: &mut World<'_>,
    minion: &str,
    fun: &str,
    args: &[String],
) -> Result<Value> {
    let patience = world.patience;
    let mut job = Job::for_ids(&[minion], fun);
    job.args = args.iter().map(|a| salt_yaml::yamlify_arg(a)).collect();
    let outcome = job::run(world.salt()?, &job, patience, &mut |_| {}).await?;
    match outcome.of(minion) {
        Some(answer) if answer.is_good() => Ok(json_of(&answer.value)),
        Some(answer) => {
            let mut error = Error::new(Kind::Failed, format!("{fun} failed on {minion}"));
            error.causes = word(&json_of(&answer.value))
                .lines()
                .take(SHOWN)
                .map(str::to_owned)
                .collect();
            Err(error)
        }
        None => Err(Error::new(
            Kind::Failed,
            format!("{minion} did not answer {fun}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: Salt) -> Return {
        Return {
            id: "a".into(),
            value,
            retcode: 0,
            success: true,
        }
    }

    #[test]
    fn a_highstate_is_summed_up() {
        let state = |result: bool, changes: salt_wire::Map| map! {"result" => result, "comment" => "c", "changes" => changes};
        let states = map! {
            "file_|-m_|-/etc/motd_|-managed" => state(true, map! {"diff" => "+"}),
            "pkg_|-p_|-vim_|-installed" => state(false, salt_wire::Map::new()),
        };
        let summary = Summary::of(&answer(states.into())).unwrap();
        assert_eq!(summary.changed, ["file.managed /etc/motd: c"]);
        assert_eq!(summary.failed, ["pkg.installed vim: c"]);
        let broken = Summary::of(&answer(Salt::List(vec!["Rendering SLS failed".into()])));
        assert_eq!(broken.err().unwrap().causes, ["Rendering SLS failed"]);
    }

    #[test]
    fn a_states_event_becomes_a_line() {
        let ret = map! {"__run_num__" => 2, "__id__" => "motd", "result" => false};
        let event = Event {
            tag: "salt/job/1/prog/a/2".into(),
            data: map! {"data" => map! {"len" => 7, "ret" => ret}},
        };
        assert_eq!(state_of(&event, "a").unwrap(), "state 3 of 7: motd FAILED");
        assert_eq!(state_of(&event, "b"), None);
    }
}
