//! What happens to the new masters' sessions, as events of the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salt_wire::error::Reason;
use salt_wire::map;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{LOOK, TELL};
use crate::remaster::{Cause, Event, Request};
use crate::session::Status;
use crate::supervisor::Daemon;

/// Which of several masters have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Each of them: they are on trial.
    All,
    /// One of them: it is our master.
    Any,
}

/// Whom to watch, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    /// The sessions' names.
    pub(super) names: Vec<String>,
    /// Which of them have to be there.
    pub(super) need: Need,
    /// How many round trips are counted.
    pub(super) rounds: u64,
    /// The time for them.
    pub(super) confirm: Duration,
}

/// A session's state, as far as a move is concerned.
#[derive(Debug, Clone, PartialEq)]
enum News {
    Ready,
    Pending,
    Denied(Cause),
    Away(Cause),
}

impl News {
    fn of(status: &Status) -> Self {
        if status.state.is_ready() {
            return Self::Ready;
        }
        let Some(trouble) = &status.trouble else {
            return match status.state.name() {
                "pending" => Self::Pending,
                name => Self::Away(Cause::new("connecting", format!("the session is {name}"))),
            };
        };
        let cause = Cause::new(trouble.reason.code(), trouble.detail.clone());
        match trouble.reason {
            Reason::Pending => Self::Pending,
            Reason::Rejected
            | Reason::DeniedOtherKey
            | Reason::MasterKeyMismatch
            | Reason::MasterNotTrusted
            | Reason::BadAlgorithm
            | Reason::BadLoad
            | Reason::AuthVersionTooOld => Self::Denied(cause),
            _ => Self::Away(cause),
        }
    }

    fn of_all(daemon: &Daemon, watched: &Watched) -> Self {
        let all: Vec<Self> = watched
            .names
            .iter()
            .map(|name| match daemon.links.get(name) {
                Some(link) => Self::of(&link.status.borrow()),
                None => Self::Away(Cause::new(
                    "connecting",
                    format!("there is no session with {name}"),
                )),
            })
            .collect();
        let ready = |n: &&Self| **n == Self::Ready;
        let enough = match watched.need {
            Need::All => all.iter().all(|n| *n == Self::Ready),
            Need::Any => all.contains(&Self::Ready),
        };
        if enough {
            return Self::Ready;
        }
        // The worst one speaks for all.
        let mut rest: Vec<Self> = all.into_iter().filter(|n| !ready(&n)).collect();
        rest.sort_by_key(|n| match n {
            Self::Denied(_) => 0,
            Self::Away(_) => 1,
            Self::Pending => 2,
            Self::Ready => 3,
        });
        rest.into_iter().next().unwrap_or(Self::Ready)
    }

    fn event(self) -> Event {
        match self {
            Self::Ready => Event::Authenticated,
            Self::Pending => Event::Pending,
            Self::Denied(cause) => Event::Denied(cause),
            Self::Away(cause) => Event::Trouble(cause),
        }
    }
}

/// Reports until it is dropped. A master that is away for longer than `lost` is lost.
pub(super) async fn watch(
    daemon: Arc<Daemon>,
    watched: Watched,
    lost: Duration,
    happened: mpsc::Sender<Request>,
) {
    let counted = count(&daemon, &watched, &happened);
    let reported = report(&daemon, &watched, lost, &happened);
    tokio::join!(counted, reported);
}

async fn report(
    daemon: &Daemon,
    watched: &Watched,
    lost: Duration,
    happened: &mpsc::Sender<Request>,
) {
    let mut told: Option<News> = None;
    let mut away: Option<Instant> = None;
    loop {
        let news = News::of_all(daemon, watched);
        let mut events = Vec::new();
        match &news {
            News::Away(cause) => {
                let since = *away.get_or_insert_with(Instant::now);
                if since.elapsed() >= lost {
                    // Said again after as long again, for a machine that was busy.
                    away = None;
                    let mut cause = cause.clone();
                    if cause.code == "connecting" {
                        cause.code = "lost".into();
                    }
                    cause.detail = format!("the new master is away: {}", cause.detail);
                    events.push(Event::Lost(cause));
                }
            }
            _ => away = None,
        }
        // That a session is about to connect is no trouble.
        let connecting = matches!(&news, News::Away(c) if c.code == "connecting");
        if told.as_ref() != Some(&news) && !connecting {
            events.insert(0, news.clone().event());
            told = Some(news);
        }
        for event in events {
            if happened.send(Request::Happened(event)).await.is_err() {
                return;
            }
        }
        sleep(LOOK).await;
    }
}

/// Makes round trips, so spread that they fit twice into the time that there is.
async fn count(daemon: &Daemon, watched: &Watched, happened: &mpsc::Sender<Request>) {
    let Ok(rounds) = u32::try_from(watched.rounds) else {
        return;
    };
    if rounds == 0 {
        return;
    }
    let pause = (watched.confirm / rounds.saturating_mul(2))
        .clamp(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        sleep(pause).await;
        let mut links = watched.names.iter().filter_map(|n| daemon.links.get(n));
        let Some(link) = links.find(|link| link.status.borrow().state.is_ready()) else {
            continue;
        };
        let load = map! {"cmd" => "_file_envs"};
        if link.client.request(load, TELL).await.is_ok()
            && happened
                .send(Request::Happened(Event::Round))
                .await
                .is_err()
        {
            return;
        }
    }
}
