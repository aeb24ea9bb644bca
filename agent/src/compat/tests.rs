//! The process and its bounds, with a Python that only knows frames; against real Salt in `tests/agent/compat.rs`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use salt_wire::{Map, map};

use super::Compat;
use crate::context::{Context, Error, Job, Worker};
use crate::testing;

/// Answers each call with its own process id; some words in a call make it misbehave.
const FAKE: &str = r#"#!/usr/bin/env python3
import os, time
def r(n):
    b = b""
    while len(b) < n:
        p = os.read(0, n - len(b))
        if not p:
            os._exit(0)
        b += p
    return b
def frame():
    return r(int.from_bytes(r(4), "big"))
frame()
while True:
    asked = frame()
    if b"\xa4rest" in asked:
        continue
    if b"die" in asked:
        os._exit(3)
    if b"sleep" in asked:
        time.sleep(60)
    if b"grow" in asked:
        grown = b"x" * (300 << 20)
        time.sleep(60)
    if b"noise" in asked:
        os.write(1, b"\xff\xff\xff\xff")
        time.sleep(60)
    answer = b"\x81\xa2ok\x82\xa5value\xd2" + os.getpid().to_bytes(4, "big") + b"\xa7retcode\x00"
    os.write(1, len(answer).to_bytes(4, "big") + answer)
"#;

fn context(root: &Path) -> Context {
    let python = root.join("python3");
    std::fs::write(&python, FAKE).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let python = python.display().to_string();
    let compat = map! {"python" => python, "timeout" => "10s", "memory" => "128MiB"};
    testing::context(root, map! {"agent" => map! {"compat" => compat}})
}

fn call(worker: &Arc<dyn Worker>, ctx: &Context, word: &str) -> Result<i128, String> {
    let answer = worker.call(ctx, "fake.fun", &[word.into()], &Map::new());
    match answer {
        Ok(value) => Ok(value.as_int().unwrap()),
        Err(Error::Execution(text)) => Err(text),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_run_keeps_its_process_and_leaves_it_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(dir.path());
    let compat = Compat::new();
    let first = compat.worker();
    let pid = call(&first, &ctx, "a").unwrap();
    assert_eq!(call(&first, &ctx, "b").unwrap(), pid);
    ctx.facts.set_grains(map! {"new" => true});
    assert_eq!(call(&first, &ctx, "c").unwrap(), pid);
    // A run beside it has another one.
    let beside = first.for_run();
    assert_ne!(call(&beside, &ctx, "d").unwrap(), pid);
    drop(first);
    let next = compat.worker();
    assert_eq!(call(&next, &ctx, "e").unwrap(), pid);
}

#[test]
fn one_that_dies_fails_its_call_and_the_next_call_has_another() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(dir.path());
    let worker = Compat::new().worker();
    let pid = call(&worker, &ctx, "a").unwrap();
    let text = call(&worker, &ctx, "die").unwrap_err();
    assert!(
        text.contains("fake.fun: the compat worker ended (exit status: 3)"),
        "{text}"
    );
    let other = call(&worker, &ctx, "b").unwrap();
    assert_ne!(other, pid);
    let killed = nix::unistd::Pid::from_raw(i32::try_from(other).unwrap());
    nix::sys::signal::kill(killed, Signal::SIGKILL).unwrap();
    // Whether it is noticed before the call or in it, the run goes on.
    if let Err(text) = call(&worker, &ctx, "c") {
        assert!(text.contains("signal: 9"), "{text}");
    }
    assert_ne!(call(&worker, &ctx, "d").unwrap(), other);
}

#[test]
fn noise_on_the_pipe_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(dir.path());
    let worker = Compat::new().worker();
    let text = call(&worker, &ctx, "noise").unwrap_err();
    assert!(text.contains("a frame of 4294967295 bytes"), "{text}");
    call(&worker, &ctx, "a").unwrap();
}

#[test]
fn time_memory_and_the_end_of_the_job_bound_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut ctx = context(dir.path());
    let worker = Compat::new().worker();
    let text = call(&worker, &ctx, "grow").unwrap_err();
    assert!(text.contains("more than 128 MiB"), "{text}");

    let mut settings = (*ctx.settings).clone();
    settings.agent.compat.timeout = Duration::from_secs(2);
    ctx.settings = Arc::new(settings);
    let start = Instant::now();
    let text = call(&worker, &ctx, "sleep").unwrap_err();
    assert!(text.contains("longer than 2 seconds"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(30));

    ctx.settings = context(dir.path()).settings;
    ctx.job = Arc::new(Job::default());
    let cancel = ctx.job.cancel.clone();
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        cancel.signal(Signal::SIGTERM);
    });
    assert!(call(&worker, &ctx, "sleep").is_err());
    killer.join().unwrap();
}

#[test]
fn without_a_salt_nothing_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = testing::context(dir.path(), map! {"agent" => map! {"compat" => false}});
    let worker = Compat::new().worker();
    assert!(worker.ready(&ctx).unwrap_err().contains("is off"));
    assert_eq!(worker.grains(&ctx).unwrap(), Map::new());
    assert!(!worker.has_module(&ctx, "docker"));
}
