use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use super::*;
use crate::context::Facts;
use crate::returns::spool::Limits;
use crate::testing;

struct NoLinks;

impl Masters for NoLinks {
    fn link(&self, _: &str) -> Option<Arc<dyn Master>> {
        None
    }
}

/// A dispatcher in a directory of its own, and what it returned.
struct Bench {
    _dir: tempfile::TempDir,
    dispatcher: Dispatcher,
}

impl Bench {
    fn new(opts: Map, facts: Facts) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut context = testing::context(dir.path(), opts);
        context.facts = Arc::new(facts);
        let cachedir = context.settings.cachedir.clone();
        let jobs = Jobs::open(&cachedir, most_jobs(&context.settings), 100);
        let jobs = Arc::new(jobs);
        context.functions = Arc::new(Registry);
        context.minion = Arc::new(testing::Table(jobs.clone()));
        let spool = Spool::open(&cachedir.join("returns"), Limits::default());
        Self {
            _dir: dir,
            dispatcher: Dispatcher::new(context, Arc::new(NoLinks), jobs, Arc::new(spool)),
        }
    }

    fn plain() -> Self {
        Self::new(Map::new(), Facts::default())
    }

    fn submit(&self, jid: &str, fun: &str, arg: Vec<Value>) -> bool {
        self.dispatcher.submit(publication(
            map! {"fun" => fun, "arg" => arg, "jid" => jid, "tgt" => "*", "tgt_type" => "glob", "ret" => "", "user" => "root"},
        ))
    }

    fn returned(&self) -> Map {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(entry) = self.dispatcher.spool().next("m:4506") {
                self.dispatcher.spool().ack(entry.id);
                return entry.load;
            }
            assert!(Instant::now() < end, "no return");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the proc file of a job, which its own thread writes.
    fn until_begun(&self, jid: &str) {
        let proc = self.dispatcher.inner.base().settings.cachedir.join("proc");
        let end = Instant::now() + Duration::from_secs(20);
        while !proc.join(jid).exists() {
            assert!(Instant::now() < end, "{jid} has not begun");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn ask(&self, fun: &str, arg: Vec<Value>) -> Map {
        assert!(self.submit(&format!("ask {fun} {arg:?}"), fun, arg));
        self.returned()
    }
}

fn publication(load: Map) -> Publication {
    Publication {
        master: "m:4506".into(),
        load,
    }
}

#[test]
fn a_job_becomes_a_return() {
    let bench = Bench::plain();
    assert!(bench.submit("1", "test.ping", vec![]));
    let load = bench.returned();
    assert_eq!(
        load,
        map! {
            "cmd" => "_return", "id" => "minion", "success" => true, "return" => true, "retcode" => 0,
            "jid" => "1", "fun" => "test.ping", "fun_args" => Vec::<Value>::new(), "user" => "root",
        }
    );
    assert_eq!(bench.dispatcher.jobs().counts(), (0, 0));
}

#[test]
fn what_is_not_ours_or_no_job_or_a_repetition_is_left_alone() {
    let bench = Bench::plain();
    let other =
        map! {"fun" => "test.ping", "arg" => Vec::<Value>::new(), "jid" => "1", "tgt" => "other"};
    assert!(!bench.dispatcher.submit(publication(other.clone())));
    let mut ours = other;
    ours.insert("tgt".into(), "mini*".into());
    assert!(bench.dispatcher.submit(publication(ours.clone())));
    assert!(
        !bench.dispatcher.submit(publication(ours.clone())),
        "a repetition"
    );
    ours.insert("jid".into(), "2".into());
    ours.shift_remove("arg");
    assert!(!bench.dispatcher.submit(publication(ours)), "no job");
    assert_eq!(bench.returned()["jid"], "1".into());
}

#[test]
fn failures_come_back_in_salts_words() {
    let bench = Bench::plain();
    let load = bench.ask("no.such", vec![]);
    assert_eq!(load["return"], "'no.such' is not available.".into());
    assert_eq!(load["success"], false.into());
    assert_eq!(load["out"], "nested".into());
    let load = bench.ask("test.ping", vec!["bogus=1".into()]);
    assert_eq!(
        load["return"],
        "ERROR executing 'test.ping': The following keyword arguments are not valid: bogus=1"
            .into()
    );
    let load = bench.ask("test.ping", vec![1.into()]);
    let text = load["return"].as_str().unwrap();
    assert!(text.starts_with("Passed invalid arguments to test.ping: ping() takes 0 positional arguments but 1 was given\n"), "{text}");
}

#[test]
fn several_functions_are_one_job() {
    let bench = Bench::plain();
    let load = map! {
        "fun" => vec!["test.ping", "no.such"], "arg" => vec![Value::List(vec![]), Value::List(vec![])],
        "jid" => "1", "tgt" => "*", "tgt_type" => "glob", "ret" => "",
    };
    assert!(bench.dispatcher.submit(publication(load)));
    let load = bench.returned();
    assert_eq!(
        load["success"],
        map! {"test.ping" => true, "no.such" => false}.into()
    );
    assert_eq!(load["retcode"], map! {"test.ping" => 0}.into());
}

#[test]
fn blackout_profile_and_lists_refuse() {
    let grains =
        map! {"minion_blackout" => true, "minion_blackout_whitelist" => vec!["test.version"]};
    let bench = Bench::new(Map::new(), Facts::new(grains, Map::new()));
    let load = bench.ask("test.ping", vec![]);
    assert_eq!(load["return"], "ERROR executing 'test.ping': Minion in blackout mode. Set 'minion_blackout' to False in pillar or grains to resume operations. Only saltutil.refresh_pillar allowed in blackout mode.".into());

    let agent = |agent: Map| Bench::new(map! {"agent" => agent}, Facts::default());
    let bench = agent(map! {"profile" => "bootstrap"});
    assert_eq!(bench.ask("test.ping", vec![])["return"], true.into());
    let load = bench.ask("cp.get_url", vec!["x".into(), "y".into()]);
    assert_eq!(load["return"], "ERROR executing 'cp.get_url': cp.get_url is not allowed on this minion (option agent: profile is bootstrap)".into());

    let bench = agent(map! {"deny" => vec!["test.p*"]});
    assert_eq!(bench.ask("test.ping", vec![])["success"], false.into());
    let disabled = map! {"disable_modules" => vec!["test"]};
    let bench = Bench::new(disabled, Facts::default());
    let load = bench.ask("test.ping", vec![]);
    assert!(
        load["return"]
            .get("test.ping")
            .is_some_and(|t| t == &"'test.ping' is not available.".into())
            || load["return"] == "'test.ping' is not available.".into()
    );
}

#[test]
fn a_running_job_is_found_and_its_killing_is_answered() {
    let bench = Bench::plain();
    assert!(bench.submit("long", "test.sleep", vec![60.into()]));
    let found = bench.dispatcher.jobs().list();
    assert_eq!(found[0]["jid"], "long".into());
    assert_eq!(found[0]["fun"], "test.sleep".into());
    assert!(found[0].contains_key("pid"));
    let answer = bench.dispatcher.jobs().signal("long", 9).unwrap();
    assert!(
        answer.starts_with("Signal 9 sent to job long at pid "),
        "{answer}"
    );
    let load = bench.returned();
    assert_eq!(
        load["return"],
        "ERROR: Job long was ended by signal 9".into()
    );
    assert_eq!(load["retcode"], 137.into());
    assert_eq!(bench.dispatcher.jobs().signal("long", 9), None);

    assert!(bench.submit("other", "test.sleep", vec![60.into()]));
    bench.dispatcher.jobs().signal("other", 15).unwrap();
    assert_eq!(bench.returned()["retcode"], 143.into());
}

#[test]
fn a_job_beyond_the_limit_waits_counts_as_running_and_survives() {
    let limited = map! {"agent" => map! {"max_jobs" => 1}};
    let bench = Bench::new(limited, Facts::default());
    assert!(bench.submit("first", "test.sleep", vec![60.into()]));
    assert!(bench.submit("second", "test.ping", vec![]));
    assert!(bench.submit("third", "test.ping", vec![]));
    let jobs = bench.dispatcher.jobs();
    assert_eq!(jobs.counts(), (1, 2));
    let waiting = &jobs.list()[1];
    assert_eq!(waiting["jid"], "second".into());
    assert_eq!(waiting["pid"], 0.into());
    assert_eq!(waiting["queued"], true.into());
    assert_eq!(waiting["queue_type"], "job_queue".into());
    // What waits is on disk, for the next run of the agent; what runs is, too.
    bench.until_begun("first");
    let cachedir = bench.dispatcher.inner.base().settings.cachedir.clone();
    let later = Jobs::open(&cachedir, 1, 100);
    assert_eq!(later.counts(), (0, 2));
    let begun = later.next(None).unwrap();
    assert_eq!(begun.publication.master, "m:4506");
    // The power fails when its proc file is there, and the one of its waiting still is: it has not begun.
    let waited = std::fs::read_dir(cachedir.join("job_queue")).unwrap();
    let waited: Vec<_> = waited.map(|e| e.unwrap().path()).collect();
    let copies: Vec<_> = waited.iter().map(|p| std::fs::read(p).unwrap()).collect();
    later.write_proc(&begun);
    assert_eq!(later.counts(), (1, 1));
    for (path, copy) in waited.iter().zip(copies) {
        std::fs::write(path, copy).unwrap();
    }
    let again = Jobs::open(&cachedir, 1, 100);
    assert_eq!(again.counts(), (0, 2));
    let interrupted = again.take_interrupted();
    let interrupted: Vec<_> = interrupted
        .iter()
        .map(|i| table::jid(&i.publication.load))
        .collect();
    assert_eq!(interrupted, ["first"]);

    jobs.signal("first", 9).unwrap();
    let mut order = vec![];
    for _ in 0..3 {
        order.push(bench.returned()["jid"].clone());
    }
    // Who was killed may still be writing its return while the next one runs.
    order.retain(|jid| *jid != "first".into());
    assert_eq!(order, ["second".into(), "third".into()]);
    assert_eq!(jobs.counts(), (0, 0));
}

#[test]
fn a_job_over_its_time_is_ended() {
    let limited = map! {"agent" => map! {"job_timeout" => 0.05}};
    let bench = Bench::new(limited, Facts::default());
    let load = bench.ask("test.sleep", vec![60.into()]);
    assert_eq!(load["retcode"], 124.into());
    assert_eq!(load["success"], false.into());
}

#[test]
fn two_hundred_jobs_at_once() {
    let bench = Bench::plain();
    for n in 0..200 {
        assert!(bench.submit(&format!("job{n}"), "test.sleep", vec![1.into()]));
    }
    let begin = Instant::now();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let load = bench.returned();
        assert_eq!(load["return"], true.into());
        assert!(seen.insert(load["jid"].as_str().unwrap().to_owned()));
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "side by side");
}

#[test]
fn keywords_and_the_publication_reach_the_function() {
    let bench = Bench::plain();
    let load = bench.ask(
        "test.kwarg",
        vec![
            "n=[1, 2]".into(),
            Value::Map(map! {"__kwarg__" => true, "t" => "x"}),
        ],
    );
    let kwargs = load["return"].as_map().unwrap();
    assert_eq!(kwargs["n"], Value::List(vec![1.into(), 2.into()]));
    assert_eq!(kwargs["t"], "x".into());
    assert_eq!(kwargs["__pub_fun"], "test.kwarg".into());
    assert_eq!(kwargs["__pub_tgt_type"], "glob".into());
}

#[test]
fn proc_files_are_there_while_the_job_runs() {
    let bench = Bench::plain();
    let proc = bench.dispatcher.inner.base().settings.cachedir.join("proc");
    assert!(bench.submit("77", "test.sleep", vec![60.into()]));
    bench.until_begun("77");
    let data = Value::from_msgpack(&std::fs::read(proc.join("77")).unwrap()).unwrap();
    assert_eq!(data.get("jid"), Some(&"77".into()));
    bench.dispatcher.jobs().signal("77", 9);
    bench.returned();
    assert!(!proc.join("77").exists());
}

#[test]
fn a_job_that_a_power_cut_ended_is_answered_once() {
    let bench = Bench::plain();
    let context = bench.dispatcher.inner.base();
    let cachedir = context.settings.cachedir.clone();
    let proc = cachedir.join("proc");
    assert!(bench.submit("cut", "test.sleep", vec![60.into()]));
    bench.until_begun("cut");
    // One whose return was stored, and the power failed before its proc file was gone.
    std::fs::copy(proc.join("cut"), proc.join("stored")).unwrap();
    let mut data = Value::from_msgpack(&std::fs::read(proc.join("stored")).unwrap()).unwrap();
    if let Value::Map(data) = &mut data {
        data.insert("jid".into(), "stored".into());
    }
    std::fs::write(proc.join("stored"), data.to_msgpack()).unwrap();
    let later = cachedir.join("later");
    let spool = Arc::new(Spool::open(&later, Limits::default()));
    spool.push("m:4506", map! {"jid" => "stored", "return" => "whole"});

    // The next run of the agent, on the same disk.
    let jobs = Arc::new(Jobs::open(&cachedir, 4, 100));
    let next = Dispatcher::new(context, Arc::new(NoLinks), jobs, spool.clone());
    next.resume();
    let whole = spool.next("m:4506").unwrap();
    assert_eq!(whole.load["return"], "whole".into());
    let cut = spool.next("m:4506").unwrap();
    assert_eq!(cut.jid, "cut");
    assert_eq!(cut.load["success"], false.into());
    let words = cut.load["return"].as_str().unwrap();
    assert!(words.contains("interrupted"), "{words}");
    assert!(spool.next("m:4506").is_none());
    assert_eq!(std::fs::read_dir(&proc).unwrap().count(), 0);
    bench.dispatcher.jobs().signal("cut", 9);
    bench.returned();
}

#[test]
fn a_scheduled_job_returns_as_salts_do() {
    let bench = Bench::plain();
    let due = |fun: &str, job: Map| crate::schedule::Due {
        name: "nightly".into(),
        fun: fun.into(),
        job,
    };
    let job = map! {"args" => vec!["hello"], "kwargs" => map!{}, "metadata" => map!{"a" => 1}};
    bench.dispatcher.scheduled(&due("test.echo", job), "m:4506");
    let load = bench.returned();
    assert_eq!(load["return"], "hello".into());
    assert_eq!(load["jid"], "req".into());
    assert_eq!(load["schedule"], "nightly".into());
    assert_eq!(
        load["fun_args"],
        Value::List(vec!["hello".into(), map! {}.into()])
    );
    assert_eq!(load["success"], true.into());
    assert!(load["metadata"].get("_TS").is_some());

    bench
        .dispatcher
        .scheduled(&due("no.such", map! {}), "m:4506");
    let load = bench.returned();
    assert_eq!(load["retcode"], 254.into());
    assert_eq!(load["return"], "'no.such' is not available.".into());

    let silent = map! {"return_job" => false};
    bench
        .dispatcher
        .scheduled(&due("test.ping", silent), "m:4506");
    assert!(bench.dispatcher.jobs().close(Duration::from_secs(10)));
    assert_eq!(bench.dispatcher.spool().stats().waiting, 0);
}
