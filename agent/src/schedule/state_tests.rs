use jiff::civil::datetime;
use salt_wire::map;

use super::*;

const NEVER: [i64; 0] = [];

/// Looks once a second from `from` on; the seconds at which something ran.
fn runs(schedule: &Map, from: DateTime, seconds: i64) -> Vec<(i64, String)> {
    let mut clock = Clock::default();
    let empty = Map::new();
    let facts = Facts {
        grains: &empty,
        pillar: &empty,
    };
    let mut ran = Vec::new();
    for second in 0..=seconds {
        let now = later(from, second);
        for due in clock.tick(schedule, &facts, now, &|_| 0, &mut |_, most| most) {
            ran.push((second, due.fun));
        }
    }
    ran
}

fn times(job: Map, seconds: i64) -> Vec<i64> {
    let schedule = map! {"job" => job};
    let from = datetime(2026, 11, 21, 5, 0, 0, 0);
    runs(&schedule, from, seconds)
        .into_iter()
        .map(|(second, _)| second)
        .collect()
}

#[test]
fn a_run_is_postponed_or_skipped() {
    let at = |time: &str| Value::List(vec![map! {"time" => time}.into()]);
    let mut job = map! {"function" => "f", "cron" => "* * * * *"};
    job.insert("skip_explicit".into(), at("2026-11-21T05:01:00"));
    assert_eq!(times(job.clone(), 125), [120]);
    job.insert("run_explicit".into(), at("2026-11-21T05:01:30"));
    assert_eq!(times(job, 125), [90, 120]);
}

#[test]
fn intervals_run_at_the_start_and_then_regularly() {
    assert_eq!(
        times(map! {"function" => "f", "seconds" => 10}, 35),
        [0, 10, 20, 30]
    );
    assert_eq!(
        times(
            map! {"function" => "f", "seconds" => 10, "run_on_start" => false},
            35
        ),
        [10, 20, 30]
    );
    assert_eq!(
        times(
            map! {"function" => "f", "minutes" => 1, "seconds" => 5},
            140
        ),
        [0, 65, 130]
    );
}

#[test]
fn a_splay_comes_on_top() {
    let job = map! {"function" => "f", "seconds" => 10, "splay" => 3, "run_on_start" => false};
    assert_eq!(times(job, 40), [13, 26, 39]);
    let job = map! {"function" => "f", "seconds" => 10, "splay" => map!{"start" => 1, "end" => 2}};
    assert_eq!(times(job, 30), [0, 12, 24]);
}

#[test]
fn points_in_time_come_once_each() {
    let when = |when: Value| map! {"function" => "f", "when" => when};
    assert_eq!(times(when("5:00:20am".into()), 60), [20]);
    assert_eq!(
        times(when(vec!["05:00:20", "05:00:40", "04:00"].into()), 120),
        [20, 40]
    );
    assert_eq!(times(when("04:00".into()), 60), NEVER);
    let mut splayed = when("05:00:20".into());
    splayed.insert("splay".into(), 5.into());
    assert_eq!(times(splayed, 60), [25]);
    assert_eq!(
        times(
            map! {"function" => "f", "once" => "2026-11-21T05:00:07"},
            60
        ),
        [7]
    );
    assert_eq!(
        times(
            map! {"function" => "f", "once" => "2026-11-21T04:00:07"},
            60
        ),
        NEVER
    );
    assert_eq!(
        times(map! {"function" => "f", "cron" => "*/2 * * * *"}, 300),
        [120, 240]
    );
}

#[test]
fn ranges_and_limits_keep_it_from_running() {
    let with = |key: &str, value: Value| {
        let mut job = map! {"function" => "f", "seconds" => 10, "run_on_start" => false};
        job.insert(key.into(), value);
        times(job, 60)
    };
    let range = |start: &str, end: &str| map! {"start" => start, "end" => end};
    assert_eq!(
        with("range", range("05:00:15", "05:00:35").into()),
        [20, 30]
    );
    let mut inverted = range("05:00:15", "05:00:35");
    inverted.insert("invert".into(), true.into());
    assert_eq!(with("range", inverted.into()), [10, 40, 50, 60]);
    assert_eq!(
        with("skip_during_range", range("05:00:15", "05:00:35").into()),
        [10, 40, 50, 60]
    );
    assert_eq!(with("until", "05:00:25".into()), [10, 20]);
    assert_eq!(with("after", "05:00:45".into()), [50, 60]);
    assert_eq!(with("enabled", false.into()), NEVER);
    assert_eq!(with("when", "05:00:45".into()), NEVER, "two ways are none");
}

#[test]
fn one_at_a_time_unless_more_are_allowed() {
    let schedule = map! {"job" => map!{"function" => "f", "seconds" => 1}};
    let empty = Map::new();
    let facts = Facts {
        grains: &empty,
        pillar: &empty,
    };
    let mut clock = Clock::default();
    let now = datetime(2026, 11, 21, 5, 0, 0, 0);
    let tick = |clock: &mut Clock, busy: usize, at: i64| {
        clock
            .tick(&schedule, &facts, later(now, at), &|_| busy, &mut |_, m| m)
            .len()
    };
    assert_eq!(tick(&mut clock, 1, 0), 0);
    assert_eq!(clock.status("job")["_skip_reason"], "maxrunning".into());
    assert_eq!(tick(&mut clock, 0, 1), 1);
}

#[test]
fn another_function_may_run_instead() {
    let job = map! {
        "function" => "f", "seconds" => 10, "run_on_start" => false,
        "range" => map!{"start" => "06:00", "end" => "07:00"},
    };
    let schedule = map! {"skip_function" => "other", "job" => job};
    let ran = runs(&schedule, datetime(2026, 11, 21, 5, 0, 0, 0), 10);
    assert_eq!(ran, [(10, "other".to_owned())]);
}
