//! Feeds the machine: orders and questions from outside, happenings from the candidate session, the
//! deadline, and how its effects went.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use salt_wire::Map;
use salt_wire::order::Order;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::effect::Effect;
use super::event::Event;
use super::journal::{ApplyError, Machine};
use super::state::{Cause, Millis, Previous, State};
use crate::host::crash;

/// What carries effects out: the supervisor, or a test.
pub trait Effects: Send {
    /// Carries one effect out, within a time of its own. What takes longer (a candidate that
    /// authenticates, a verification) is only begun here, and reported as an event.
    fn run(&mut self, effect: &Effect) -> impl Future<Output = Result<(), Cause>> + Send;

    /// Begins to look without touching, beside everything else; `control.rs` says what is answered.
    fn check(&mut self, look: Look, answer: oneshot::Sender<Map>);

    /// Lets the master of this address have another key, when it shows it: nothing moves.
    fn permit(&mut self, order: &Order) -> Result<Map, Cause>;

    /// What going back would need, as things are now.
    fn previous(&mut self, order: &Order) -> Result<Previous, Cause>;

    /// Unix time in milliseconds.
    fn now(&self) -> Millis;

    /// The machine came to this state: for status and log.
    fn entered(&mut self, state: &State);
}

/// What a look at a new master is made of.
#[derive(Debug, Clone)]
pub struct Look {
    /// What a move would be ordered with.
    pub order: Order,
    /// Whether the fingerprint in it was given, and not made up.
    pub pinned: bool,
    /// Our key may be shown there: it is known to be accepted, or may become pending.
    pub auth: bool,
}

/// What others want of the machine.
#[derive(Debug)]
pub enum Request {
    /// Begin a move; answered when it is staged or refused.
    To(Order, oneshot::Sender<Result<State, String>>),
    /// What would a move meet? Nothing is begun.
    Check(Look, oneshot::Sender<Map>),
    /// The same master with another key.
    Permit(Order, oneshot::Sender<Result<Map, String>>),
    /// Cancel, confirm or roll back.
    Operator(Event, oneshot::Sender<Result<State, String>>),
    /// Where does it stand?
    Status(oneshot::Sender<State>),
    /// Something happened to the candidate or to the session.
    Happened(Event),
}

/// The machine, its effects and its inbox.
pub struct Driver<E> {
    machine: Machine,
    effects: E,
    inbox: mpsc::Receiver<Request>,
    todo: VecDeque<Effect>,
}

impl<E: Effects> Driver<E> {
    /// A driver; [`Driver::run`] resumes what the journal holds.
    pub fn new(machine: Machine, effects: E, inbox: mpsc::Receiver<Request>) -> Self {
        Self {
            machine,
            effects,
            inbox,
            todo: VecDeque::new(),
        }
    }

    /// Runs until every sender of requests is gone.
    pub async fn run(mut self) {
        if let Err(e) = self.apply(Event::Restarted) {
            error!(error = %e, "The remaster journal could not be resumed.");
        }
        loop {
            self.carry_out().await;
            // A state that retries its effects still answers between two tries.
            let request = if self.todo.is_empty() {
                self.next().await
            } else {
                match self.inbox.try_recv() {
                    Ok(request) => Some(request),
                    Err(mpsc::error::TryRecvError::Empty) => continue,
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                }
            };
            let Some(request) = request else { return };
            self.serve(request).await;
        }
    }

    /// Waits for the next request or the deadline, whichever is first.
    async fn next(&mut self) -> Option<Request> {
        let Some(deadline) = self.machine.state().deadline() else {
            return self.inbox.recv().await;
        };
        let left = Duration::from_millis(deadline.saturating_sub(self.effects.now()));
        tokio::select! {
            request = self.inbox.recv() => request,
            // Looked at anew at least each minute: the wall clock may jump.
            () = sleep_until(Instant::now() + left.min(Duration::from_secs(60))) => {
                Some(Request::Happened(Event::Deadline))
            }
        }
    }

    async fn serve(&mut self, request: Request) {
        match request {
            Request::To(order, answer) => {
                let result = self
                    .effects
                    .previous(&order)
                    .map_err(|e| e.to_string())
                    .and_then(|previous| self.answer(Event::Ordered(order, previous.into())));
                drop(answer.send(result));
            }
            Request::Check(look, answer) => self.effects.check(look, answer),
            Request::Permit(order, answer) => {
                let permitted = self.effects.permit(&order).map_err(|e| e.to_string());
                drop(answer.send(permitted));
            }
            Request::Operator(event, answer) => {
                let result = self.answer(event);
                drop(answer.send(result));
            }
            Request::Status(answer) => drop(answer.send(self.machine.state().clone())),
            Request::Happened(event) => match self.apply(event) {
                Ok(()) => {}
                // A late word of a session that is closed already.
                Err(ApplyError::Refused(e)) => debug!(refused = %e, "Event ignored."),
                Err(ApplyError::Journal(e)) => error!(error = %e, "Remaster step not taken."),
            },
        }
    }

    fn answer(&mut self, event: Event) -> Result<State, String> {
        self.apply(event)
            .map(|()| self.machine.state().clone())
            .map_err(|e| e.to_string())
    }

    /// One step; its effects replace none: those of the last step are done by then.
    fn apply(&mut self, event: Event) -> Result<(), ApplyError> {
        let (before, name) = (self.machine.state().name(), event.name());
        let effects = self.machine.apply(event, self.effects.now())?;
        let state = self.machine.state();
        if state.name() != before {
            let order = state.journey().map_or("", |j| j.order.id.as_str());
            info!(
                order,
                from = before,
                to = state.name(),
                event = name,
                "Remaster step."
            );
        }
        self.effects.entered(state);
        self.todo.extend(effects);
        Ok(())
    }

    /// Runs the effects of the present state and says how they went; what that leads to may bring more.
    async fn carry_out(&mut self) {
        while !self.todo.is_empty() {
            let mut outcome = Event::Done;
            while let Some(effect) = self.todo.pop_front() {
                let done = self.effects.run(&effect).await;
                crash::point(format_args!("after {}", effect.name()));
                if let Err(cause) = done {
                    warn!(effect = effect.name(), %cause, "Remaster effect failed.");
                    self.todo.clear();
                    outcome = Event::Failed(cause);
                }
            }
            let failed = matches!(outcome, Event::Failed(_));
            if let Err(e) = self.apply(outcome) {
                error!(error = %e, "Remaster step not taken.");
            }
            if failed {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::state::{SavedFile, Stage};
    use super::*;

    /// Remembers what it was asked to do; the effects named in `broken` fail once.
    struct Fake {
        done: Arc<Mutex<Vec<String>>>,
        broken: Vec<&'static str>,
        start: Instant,
    }

    impl Effects for Fake {
        async fn run(&mut self, effect: &Effect) -> Result<(), Cause> {
            let name = effect.name();
            if let Some(at) = self.broken.iter().position(|b| *b == name) {
                self.broken.remove(at);
                return Err(Cause::new("broken", name));
            }
            self.done.lock().unwrap().push(name);
            Ok(())
        }

        fn check(&mut self, _: Look, answer: oneshot::Sender<Map>) {
            answer.send(Map::new()).unwrap();
        }

        fn permit(&mut self, _: &Order) -> Result<Map, Cause> {
            Ok(Map::new())
        }

        fn previous(&mut self, _: &Order) -> Result<Previous, Cause> {
            Ok(Previous {
                master: "old".into(),
                files: vec![SavedFile {
                    path: "x".into(),
                    text: None,
                }],
                ..Previous::default()
            })
        }

        fn now(&self) -> Millis {
            1_000_000 + u64::try_from(self.start.elapsed().as_millis()).unwrap()
        }

        fn entered(&mut self, _: &State) {}
    }

    fn order() -> Order {
        let finger = "ab".repeat(32);
        let fields = salt_wire::map! {"master" => "new", "finger" => finger, "confirm" => 60};
        Order::from_map(&fields, 1_000_000, "o1").unwrap()
    }

    struct Running {
        inbox: mpsc::Sender<Request>,
        done: Arc<Mutex<Vec<String>>>,
        task: tokio::task::JoinHandle<()>,
    }

    fn start(dir: &std::path::Path, broken: Vec<&'static str>) -> Running {
        let (inbox, requests) = mpsc::channel(8);
        let done = Arc::new(Mutex::new(Vec::new()));
        let fake = Fake {
            done: done.clone(),
            broken,
            start: Instant::now(),
        };
        let machine = Machine::open(&dir.join("journal.json")).unwrap();
        let task = tokio::spawn(Driver::new(machine, fake, requests).run());
        Running { inbox, done, task }
    }

    impl Running {
        async fn to(&self) -> Result<State, String> {
            let (answer, wait) = oneshot::channel();
            self.inbox.send(Request::To(order(), answer)).await.unwrap();
            wait.await.unwrap()
        }

        async fn happened(&self, event: Event) {
            self.inbox.send(Request::Happened(event)).await.unwrap();
        }

        async fn status(&self) -> State {
            let (answer, wait) = oneshot::channel();
            self.inbox.send(Request::Status(answer)).await.unwrap();
            wait.await.unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_move_survives_a_restart_and_goes_back_unconfirmed() {
        let dir = tempfile::tempdir().unwrap();
        let first = start(dir.path(), vec!["switch"]);
        assert_eq!(first.to().await.unwrap().name(), "staged");
        assert_eq!(first.status().await.name(), "trial");
        assert!(first.to().await.unwrap_err().contains("under way"));
        first.happened(Event::Authenticated).await;
        first.happened(Event::Answered).await;
        assert_eq!(first.status().await.name(), "committing");
        assert_eq!(first.status().await.name(), "probation");
        let done = first.done.lock().unwrap().join(" ");
        assert_eq!(
            done,
            "tidy tell staged check tell trial open verify tell verified pause switch promote \
             tell committed release"
        );
        first.task.abort();

        let second = start(dir.path(), vec![]);
        assert_eq!(second.status().await.name(), "probation");
        tokio::time::sleep(Duration::from_secs(61)).await;
        let State::Steady { last: Some(last) } = second.status().await else {
            panic!("not steady")
        };
        assert_eq!(last.stage, Stage::RolledBack);
        assert_eq!(last.cause.unwrap().code, "unconfirmed");
        let done = second.done.lock().unwrap().join(" ");
        assert_eq!(
            done,
            "tell committed restore promote tell rolled_back release tidy"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_order_leaves_the_old_master_alone() {
        let dir = tempfile::tempdir().unwrap();
        let running = start(dir.path(), vec!["check"]);
        assert!(running.to().await.is_ok());
        let State::Steady { last: Some(last) } = running.status().await else {
            panic!("not steady")
        };
        assert_eq!(last.cause.unwrap().code, "broken");
        let done = running.done.lock().unwrap().join(" ");
        assert_eq!(done, "tidy tell staged tell rolled_back");
    }
}
