//! One crossing: some minions from one master to another, as many at once as may be, ordered no faster than
//! the tokens come, and followed until each has arrived or given up. It neither confirms nor calls back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use salt_wire::{Map, Value};

use super::look::{ask_all, places};
use super::words::Word;
use crate::error::{Error, Kind, Result};
use crate::fault;
use crate::plan::bucket::Bucket;
use crate::plan::place::Place;
use crate::progress::Progress;
use crate::salt::job::{self, Patience};
use crate::salt::{Event, Job, Master};

/// A minion needs no longer than this beyond what its new master may take.
const SLACK: Duration = Duration::from_secs(240);
/// Events may be lost with a session or a bus: ask now and then.
const ASK_AGAIN: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(100);
/// A bus that cannot be heard for so long ends the crossing.
const DEAF: Duration = Duration::from_secs(120);

/// From where to where, on what terms, and who is told.
pub struct Crossing<'a> {
    /// The master that they are on.
    pub from: &'a mut dyn Master,
    /// The master that they go to, if it can be seen from here.
    pub to: Option<&'a mut dyn Master>,
    /// The order, with its id.
    pub order: Map,
    /// How many may be on their way at once.
    pub in_flight: usize,
    /// Authentications on the new master.
    pub bucket: &'a mut Bucket,
    /// How long to wait for answers.
    pub patience: Patience,
    /// Who watches.
    pub progress: &'a Progress<'a>,
}

/// Called with those who are about to be ordered, before they are.
pub type BeforeOrder<'a> = &'a mut dyn FnMut(&[&str]) -> Result<()>;
/// Called with each that gave up: id, reason code, detail.
pub type GaveUp<'a> = &'a mut dyn FnMut(&str, &str, &str) -> Result<()>;

/// Who is where while they cross.
struct Way {
    queue: VecDeque<String>,
    open: BTreeMap<String, Instant>,
    arrived: BTreeSet<String>,
    order: String,
    wait: Duration,
    heard: Vec<Event>,
    deaf: Option<Instant>,
}

impl Crossing<'_> {
    /// Orders `ids`, follows them and those that are `under_way` already; gives who has arrived.
    pub async fn run(
        &mut self,
        ids: Vec<String>,
        under_way: Vec<String>,
        before: BeforeOrder<'_>,
        gave_up: GaveUp<'_>,
    ) -> Result<BTreeSet<String>> {
        let now = Instant::now();
        let text = |key| {
            self.order
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let wait = self.order.get("wait").and_then(Value::as_int);
        let mut way = Way {
            queue: ids.into(),
            open: under_way.into_iter().map(|id| (id, now)).collect(),
            arrived: BTreeSet::new(),
            order: text("id"),
            wait: Duration::from_secs(wait.and_then(|w| u64::try_from(w).ok()).unwrap_or(0))
                + SLACK,
            heard: Vec::new(),
            deaf: None,
        };
        // Attached before the first order, so that no event is missed.
        self.hear(&mut way, Duration::ZERO).await?;
        let mut ask = Instant::now() + ASK_AGAIN;
        while !(way.queue.is_empty() && way.open.is_empty()) {
            let now = Instant::now();
            let room = self
                .in_flight
                .saturating_sub(way.open.len())
                .min(way.queue.len());
            let count = self.bucket.take(room, now);
            if count > 0 {
                self.send(&mut way, count, before, gave_up).await?;
            }
            let pause = if room > count {
                self.bucket
                    .wait(Instant::now())
                    .clamp(Duration::from_millis(1), GLANCE)
            } else {
                GLANCE
            };
            self.hear(&mut way, pause).await?;
            self.understand(&mut way, gave_up)?;
            if Instant::now() >= ask && !way.open.is_empty() {
                self.ask(&mut way, gave_up).await?;
                ask = Instant::now() + ASK_AGAIN;
            }
            let late: Vec<String> = way
                .open
                .iter()
                .filter(|(_, since)| since.elapsed() > way.wait)
                .map(|(id, _)| id.clone())
                .collect();
            for id in late {
                way.open.remove(&id);
                gave_up(&id, "timeout", "nothing was heard of it any more")?;
            }
        }
        Ok(way.arrived)
    }

    /// Orders the next ones; who does not take the order has given up.
    async fn send(
        &mut self,
        way: &mut Way,
        count: usize,
        before: BeforeOrder<'_>,
        gave_up: GaveUp<'_>,
    ) -> Result<()> {
        let ids: Vec<String> = way.queue.drain(..count).collect();
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        before(&names)?;
        fault::point("move.begun");
        let mut order = Job::for_ids(&ids, "remaster.to");
        order.kwargs = self.order.clone();
        let heard = &mut way.heard;
        let mut other = |event| heard.push(event);
        let taken = job::hear(self.from, &order, self.patience, &mut |_| {}, &mut other).await;
        let taken = match taken {
            Ok(taken) => taken,
            // Nobody has a key there, or the master is gone: nobody was ordered.
            Err(error) => {
                for id in &ids {
                    gave_up(id, "no-order", &error.to_string())?;
                }
                return Ok(());
            }
        };
        fault::point("move.sent");
        let now = Instant::now();
        for id in ids {
            match taken.of(&id) {
                Some(answer) if answer.is_good() && answer.value.as_map().is_some() => {
                    self.progress.at(&id, "ordered");
                    way.open.insert(id, now);
                }
                Some(answer) => {
                    let detail = answer.value.as_str().unwrap_or("no reason given");
                    gave_up(&id, "refused", detail)?;
                }
                None => gave_up(&id, "no-answer", "it did not take the order")?,
            }
        }
        Ok(())
    }

    /// Takes what is on either bus; a bus that is away for a while is tried again.
    async fn hear(&mut self, way: &mut Way, pause: Duration) -> Result<()> {
        let mut quiet = pause;
        let mut troubles: Option<Error> = None;
        for master in std::iter::once(&mut *self.from).chain(self.to.as_deref_mut()) {
            loop {
                match master.event(quiet).await {
                    Ok(Some(event)) => {
                        way.heard.push(event);
                        // Something was there: only what is there already, from here on.
                        quiet = Duration::ZERO;
                    }
                    Ok(None) => break,
                    Err(error) => {
                        troubles = Some(error);
                        break;
                    }
                }
                if way.heard.len() > 10_000 {
                    break;
                }
            }
        }
        let Some(error) = troubles else {
            way.deaf = None;
            return Ok(());
        };
        let since = *way.deaf.get_or_insert_with(Instant::now);
        if since.elapsed() > DEAF {
            return Err(error);
        }
        tokio::time::sleep(GLANCE).await;
        Ok(())
    }

    /// Acts on what was heard.
    fn understand(&self, way: &mut Way, gave_up: GaveUp<'_>) -> Result<()> {
        for event in std::mem::take(&mut way.heard) {
            let Some(word) = Word::of(&event) else {
                continue;
            };
            if word.order != way.order || !way.open.contains_key(&word.id) {
                continue;
            }
            self.progress.at(&word.id, &word.told());
            match word.stage.as_str() {
                "committed" | "confirmed" => {
                    way.open.remove(&word.id);
                    way.arrived.insert(word.id);
                }
                "rolled_back" => {
                    way.open.remove(&word.id);
                    gave_up(&word.id, &word.reason, &word.detail)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks those of whom nothing was heard.
    async fn ask(&mut self, way: &mut Way, gave_up: GaveUp<'_>) -> Result<()> {
        let quick = Patience {
            gather: Duration::from_secs(1),
            timeout: self.patience.timeout.min(Duration::from_secs(2)),
            ..self.patience
        };
        let ids: Vec<String> = way.open.keys().cloned().collect();
        let names: Vec<&str> = ids.iter().map(String::as_str).collect();
        let found = match self.to.as_deref_mut() {
            Some(to) => places(self.from, to, &names, &way.order, quick).await,
            None => ask_all(self.from, &names, "remaster.status", &[], quick)
                .await
                .map(|answers| {
                    let place = |id: &String| Place::of(answers.good(id), None, &way.order);
                    ids.iter().map(|id| (id.clone(), place(id))).collect()
                }),
        };
        let found: BTreeMap<String, Place> = match found {
            Ok(found) => found,
            // A master that is away now may be back at the next time.
            Err(error) if error.kind == Kind::Unreachable => return Ok(()),
            Err(error) => return Err(error),
        };
        for (id, place) in found {
            match place {
                Place::Arrived | Place::New => {
                    way.open.remove(&id);
                    way.arrived.insert(id);
                }
                Place::GaveUp { reason, detail } => {
                    way.open.remove(&id);
                    gave_up(&id, &reason, &detail)?;
                }
                Place::Old | Place::UnderWay | Place::Busy | Place::Silent => {}
            }
        }
        Ok(())
    }
}
