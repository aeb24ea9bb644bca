//! The daemon as running functions see it: jobs, facts, and services by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use salt_wire::Map;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::links::Links;
use crate::compat::{self, Compat};
use crate::context::{Context, Error, Master, Minion, Result};
use crate::dispatch::Jobs;
use crate::{grains, pillar};

/// Serves one name of [`Minion::service`].
pub type Handler = Arc<dyn Fn(Map) -> Result + Send + Sync>;

/// What [`Context::minion`] is in the daemon.
pub struct Services {
    jobs: Arc<Jobs>,
    links: Arc<Links>,
    handlers: RwLock<BTreeMap<String, Handler>>,
    /// One refresh at a time: two would overtake each other.
    refreshing: Mutex<()>,
    /// Events of the minion's own bus, on their way to whoever heeds them.
    events: OnceLock<mpsc::Sender<Event>>,
    /// Salt's own Python, for what is not native.
    pub(super) compat: Compat,
}

/// An event of the minion's own bus: its tag and data.
pub(super) type Event = (String, Map);

/// How many events may wait to be heeded.
const WAITING: usize = 256;

impl Services {
    /// Services over these jobs and masters.
    pub fn new(jobs: Arc<Jobs>, links: Arc<Links>) -> Self {
        Self {
            jobs,
            links,
            handlers: RwLock::default(),
            refreshing: Mutex::new(()),
            events: OnceLock::new(),
            compat: Compat::new(),
        }
    }

    /// Serves `name` from now on.
    pub fn serve(&self, name: &str, handler: Handler) {
        let mut handlers = self
            .handlers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        handlers.insert(name.to_owned(), handler);
    }

    /// The events that functions fire from now on; for one listener.
    pub(super) fn listen(&self) -> mpsc::Receiver<Event> {
        let (sender, events) = mpsc::channel(WAITING);
        if self.events.set(sender).is_err() {
            warn!("Events of the minion's own bus have a listener already.");
        }
        events
    }

    /// The masters that shall hear of us.
    pub(super) fn ready(&self) -> Vec<Arc<dyn Master>> {
        let all = self.links.all().into_iter();
        let ready = all.filter(|(_, link)| link.status.borrow().state.is_ready());
        ready
            .map(|(_, link)| Arc::new(link) as Arc<dyn Master>)
            .collect()
    }
}

/// The pillar of `master` as it is now, which also refreshes the grains that it targets by.
pub(super) fn fresh_pillar(ctx: &Context, master: Arc<dyn Master>) -> Result<Map> {
    let request = pillar::Request {
        clean_cache: true,
        ..pillar::Request::of(ctx)
    };
    let ctx = Context {
        master: Some(master),
        ..ctx.clone()
    };
    pillar::fetch(&ctx, &request)
}

impl Minion for Services {
    fn running(&self) -> Vec<Map> {
        self.jobs.list()
    }

    fn signal_job(&self, jid: &str, signal: i32) -> Option<String> {
        self.jobs.signal(jid, signal)
    }

    fn refresh_grains(&self, ctx: &Context) -> Result<()> {
        let guard = self
            .refreshing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = grains::load(&ctx.settings, &ctx.host, true);
        ctx.facts.set_grains(fresh);
        match compat::grains(ctx) {
            Ok(grains) => ctx.facts.set_grains(grains),
            Err(error) => warn!(%error, "Grains of synced modules are missing."),
        }
        drop(guard);
        self.refresh_pillar(ctx)
    }

    fn refresh_pillar(&self, ctx: &Context) -> Result<()> {
        let _guard = self
            .refreshing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let ready = self.ready();
        let mut first = true;
        for master in ready {
            // Each master targets by the grains that came with the request; the first one's pillar counts.
            match fresh_pillar(ctx, master) {
                Ok(pillar) if first => ctx.facts.set_pillar(pillar),
                Ok(_) => {}
                Err(error) if first => return Err(error),
                Err(error) => debug!(%error, "A further master gave no pillar."),
            }
            first = false;
        }
        if first && !ctx.settings.states.local {
            return Err(Error::execution(
                "no master is ready to be asked for the pillar",
            ));
        }
        info!("Grains and pillar are fresh.");
        Ok(())
    }

    fn fire(&self, tag: &str, data: Map) {
        debug!(tag, "Event on the minion's own bus.");
        if let Some(events) = self.events.get()
            && let Err(error) = events.try_send((tag.to_owned(), data))
        {
            warn!(tag, %error, "Too many events on the minion's own bus; this one is lost.");
        }
    }

    fn service(&self, name: &str, request: Map) -> Result {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner);
        let handler = handlers.get(name).cloned();
        drop(handlers);
        match handler {
            Some(handler) => handler(request),
            None => Err(Error::execution(format!("{name} is not served here"))),
        }
    }
}
