//! What a master says on its event bus, as `salt-run state.event` prints it.

use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::salt::Running;
use crate::{Master, until, until_some};

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its tag.
    pub tag: String,
    /// Its data.
    pub data: Value,
    /// When it was read here.
    pub at: Instant,
}

/// Everything on the bus since this was made.
pub struct Events {
    runner: Running,
    seen: Arc<Mutex<Vec<Event>>>,
}

impl Events {
    /// Listens; returns when the first event of our own came through, so that none after it is missed.
    pub fn of(master: &Master) -> Self {
        let words = ["state.event", "pretty=False"];
        let mut runner = Running::start(master.release, "salt-run", &master.config_dir(), &words);
        let lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Some((tag, data)) = line.split_once('\t') else {
                    continue;
                };
                let event = Event {
                    tag: tag.to_owned(),
                    data: serde_json::from_str(data).unwrap_or(Value::Null),
                    at: Instant::now(),
                };
                sink.lock().unwrap().push(event);
            }
        });
        let events = Self { runner, seen };
        until(60, "the event bus to be heard", || {
            // Any runner call makes events.
            master.run("salt-run", &["test.arg", "heard"]);
            !events.seen.lock().unwrap().is_empty()
        });
        events
    }

    /// All events so far.
    pub fn all(&self) -> Vec<Event> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for an event with this tag that came after `since`.
    pub fn wait(&self, seconds: u64, tag: &str, since: Instant) -> Event {
        self.find(seconds, &format!("the event {tag}"), since, |e| {
            e.tag == tag
        })
    }

    /// Waits for an event like this that came after `since`.
    pub fn find(
        &self,
        seconds: u64,
        what: &str,
        since: Instant,
        like: impl Fn(&Event) -> bool,
    ) -> Event {
        until_some(seconds, what, || {
            self.all().into_iter().find(|e| e.at >= since && like(e))
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.runner.kill();
    }
}
