//! Checksums that a state run is about to want, asked for while the states before them work.
//!
//! A checksum is good for [`FRESH`], and not beyond a state that may have changed what the server serves: a minion may
//! well run beside its master, and no master says where its files lie.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::FileServer;
use super::server::FileHash;

/// How long an answer may wait for its question. Salt's master itself holds its list of files for longer.
const FRESH: Duration = Duration::from_secs(if cfg!(test) { 600 } else { 2 });

/// Requests that are under way at a time, beside the run's own.
const SIDE_BY_SIDE: usize = 2;

/// Expected files that are not asked for yet.
const WAITING: usize = 64;

/// Nobody waits longer for another's question.
const PATIENCE: Duration = Duration::from_secs(5);

/// A path on the server, and its environment.
pub type Wanted = (String, String);

/// What is known ahead of the questions, and who finds it out.
#[derive(Default)]
pub(super) struct Ahead {
    shared: Arc<Shared>,
    orders: Mutex<Option<SyncSender<Order>>>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Default)]
struct Known {
    files: HashMap<Wanted, Answer>,
    /// Questions so far.
    asked: u64,
}

enum Answer {
    /// By the question of this number: the answer to one that was forgotten is not believed.
    Asked(u64),
    Given(Instant, Option<FileHash>),
}

/// A file to ask for, and the number of the question.
type Order = (Wanted, u64);

impl Ahead {
    /// These files will be asked for soon.
    pub(super) fn expect(&self, server: &Arc<dyn FileServer>, files: impl Iterator<Item = Wanted>) {
        for wanted in files {
            let number = {
                let mut known = self.shared.lock();
                match known.files.get(&wanted) {
                    Some(Answer::Asked(_)) => continue,
                    Some(Answer::Given(at, _)) if at.elapsed() < FRESH / 2 => continue,
                    _ => {}
                }
                known.asked += 1;
                let number = known.asked;
                known.files.insert(wanted.clone(), Answer::Asked(number));
                number
            };
            let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            let sender = orders.get_or_insert_with(|| start(&self.shared, server));
            if sender.try_send((wanted.clone(), number)).is_err() {
                self.shared.lock().files.remove(&wanted);
                return;
            }
        }
    }

    /// The checksum of an expected file: the inner `None` when the server has no such file. Nothing is known of others.
    pub(super) fn get(&self, wanted: &Wanted) -> Option<Option<FileHash>> {
        let end = Instant::now() + PATIENCE;
        let mut known = self.shared.lock();
        loop {
            match known.files.get(wanted)? {
                Answer::Given(at, hash) if at.elapsed() < FRESH => return Some(hash.clone()),
                Answer::Given(..) => return None,
                Answer::Asked(_) => {
                    let left = end.checked_duration_since(Instant::now())?;
                    known = self
                        .shared
                        .changed
                        .wait_timeout(known, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
            }
        }
    }

    /// The server may serve other bytes of these paths from now on.
    pub(super) fn forget(&self, changed: impl Fn(&str) -> bool) {
        let mut known = self.shared.lock();
        known.files.retain(|(path, _), _| !changed(path));
        self.shared.changed.notify_all();
    }
}

impl Known {
    fn waits_for(&self, (wanted, number): &Order) -> bool {
        matches!(self.files.get(wanted), Some(Answer::Asked(n)) if n == number)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads that ask until nobody can expect anything any more.
fn start(shared: &Arc<Shared>, server: &Arc<dyn FileServer>) -> SyncSender<Order> {
    let (sender, orders) = sync_channel(WAITING);
    let orders = Arc::new(Mutex::new(orders));
    for _ in 0..SIDE_BY_SIDE {
        let (shared, server, orders) = (shared.clone(), server.clone(), orders.clone());
        // Without a thread the run asks for itself.
        let asker = move || ask(&shared, &*server, &orders);
        thread::Builder::new()
            .name("ahead".into())
            .spawn(asker)
            .ok();
    }
    sender
}

fn ask(shared: &Shared, server: &dyn FileServer, orders: &Mutex<Receiver<Order>>) {
    loop {
        let next = orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(order) = next else { return };
        if !shared.lock().waits_for(&order) {
            continue;
        }
        let (path, saltenv) = &order.0;
        let answer = server.hash(path, saltenv);
        let mut known = shared.lock();
        if known.waits_for(&order) {
            match answer {
                Ok(hash) => known
                    .files
                    .insert(order.0, Answer::Given(Instant::now(), hash)),
                // The run asks for itself, and reports what goes wrong.
                Err(_) => known.files.remove(&order.0),
            };
        }
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use salt_wire::{Map, Value};

    use super::super::{Chunk, FileError, Listing};
    use super::*;

    /// A server whose every file has the number of the question as its checksum; `lost` fails.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl FileServer for Counting {
        fn hash(&self, path: &str, _: &str) -> Result<Option<FileHash>, FileError> {
            let hsum = (self.0.fetch_add(1, Ordering::SeqCst) + 1).to_string();
            match path {
                "lost" => Err(FileError::Unsupported(path.to_owned())),
                "none" => Ok(None),
                _ => Ok(Some(FileHash {
                    hsum,
                    hash_type: "sha256".into(),
                })),
            }
        }
        fn list(&self, _: Listing, _: &str, _: &str) -> Result<Vec<String>, FileError> {
            Ok(Vec::new())
        }
        fn symlinks(&self, _: &str, _: &str) -> Result<Map, FileError> {
            Ok(Map::new())
        }
        fn stat(&self, _: &str, _: &str) -> Result<Option<Vec<Value>>, FileError> {
            Ok(None)
        }
        fn chunk(&self, _: &str, _: &str, _: u64, _: Option<i64>) -> Result<Chunk, FileError> {
            Ok(Chunk::default())
        }
        fn envs(&self) -> Result<Vec<String>, FileError> {
            Ok(Vec::new())
        }
        fn master_opts(&self) -> Result<Map, FileError> {
            Ok(Map::new())
        }
        fn master_tops(&self) -> Result<Map, FileError> {
            Ok(Map::new())
        }
    }

    fn wanted(path: &str) -> Wanted {
        (path.to_owned(), "base".to_owned())
    }

    #[test]
    fn what_is_expected_is_asked_once_and_not_beyond_a_change() {
        let (ahead, counting) = (Ahead::default(), Arc::new(Counting::default()));
        let server: Arc<dyn FileServer> = counting.clone();
        assert_eq!(ahead.get(&wanted("a")), None);
        ahead.expect(&server, ["a", "a", "a"].map(wanted).into_iter());
        let first = ahead.get(&wanted("a")).unwrap().unwrap();
        ahead.expect(&server, ["a"].map(wanted).into_iter());
        assert_eq!(ahead.get(&wanted("a")), Some(Some(first.clone())));
        assert_eq!(counting.0.load(Ordering::SeqCst), 1);
        ahead.forget(|path| path == "b");
        assert_eq!(ahead.get(&wanted("a")), Some(Some(first.clone())));
        ahead.forget(|path| path == "a");
        assert_eq!(ahead.get(&wanted("a")), None);
        ahead.expect(&server, ["a"].map(wanted).into_iter());
        assert_ne!(ahead.get(&wanted("a")), Some(Some(first)));
    }

    #[test]
    fn no_file_is_an_answer_and_a_failure_is_none() {
        let ahead = Ahead::default();
        let server: Arc<dyn FileServer> = Arc::new(Counting::default());
        ahead.expect(&server, ["none", "lost"].map(wanted).into_iter());
        assert_eq!(ahead.get(&wanted("none")), Some(None));
        assert_eq!(ahead.get(&wanted("lost")), None);
    }

    #[test]
    fn more_than_fits_is_left_to_the_run() {
        let (ahead, counting) = (Ahead::default(), Arc::new(Counting::default()));
        let server: Arc<dyn FileServer> = counting.clone();
        let all: Vec<_> = (0..10 * WAITING).map(|i| wanted(&i.to_string())).collect();
        ahead.expect(&server, all.iter().cloned());
        let known = all.iter().filter_map(|w| ahead.get(w)).count();
        assert!(known >= WAITING, "{known}");
        assert_eq!(counting.0.load(Ordering::SeqCst), known);
    }
}
