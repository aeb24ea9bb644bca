//! The spool alone: bounds, order, restarts, disks that take nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use salt_wire::map;

use super::files::decode;
use super::*;

fn open(dir: &Path) -> Spool {
    Spool::open(dir, Limits::default())
}

#[test]
fn what_is_not_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.push("[::1]:4506", map! {"jid" => "1", "return" => true});
    spool.push(
        "[::1]:4506",
        map! {"jid" => "2", "return" => Value::Bytes(vec![255])},
    );
    spool.push("other:4506", map! {"jid" => "3"});
    let first = spool.next("[::1]:4506").unwrap();
    assert_eq!(first.jid, "1");
    spool.ack(first.id);
    // Handed out and never acknowledged, as a kill leaves it.
    assert_eq!(spool.next("[::1]:4506").unwrap().jid, "2");
    drop(spool);

    let spool = open(dir.path());
    assert_eq!(spool.stats().waiting, 2);
    let second = spool.next("[::1]:4506").unwrap();
    assert_eq!(
        second.load,
        map! {"jid" => "2", "return" => Value::Bytes(vec![255])}
    );
    spool.ack(second.id);
    assert!(spool.next("[::1]:4506").is_none());
    let newer = spool.push("other:4506", map! {"jid" => "4"});
    assert!(newer > second.id);
    assert_eq!(spool.rehome("other:4506", "new"), 2);
    assert_eq!(spool.next("new").unwrap().jid, "3");
}

#[test]
fn returns_of_one_job_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    for (jid, n) in [("a", 1), ("a", 2), ("b", 3)] {
        spool.push("m", map! {"jid" => jid, "return" => n});
    }
    let a1 = spool.next("m").unwrap();
    let b = spool.next("m").unwrap();
    assert_eq!((a1.jid.as_str(), b.jid.as_str()), ("a", "b"));
    assert!(spool.next("m").is_none(), "a's second waits for its first");
    spool.release(a1.id);
    assert_eq!(spool.next("m").unwrap().id, a1.id);
    spool.ack(a1.id);
    assert_eq!(spool.next("m").unwrap().load["return"], 2.into());
}

#[test]
fn bounds_of_size_and_age_are_kept_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        bytes: 3000,
        age: Duration::from_hours(1),
        entries: 100,
    };
    let spool = Spool::open(dir.path(), limits);
    for n in 0..4 {
        spool.push(
            "m",
            map! {"jid" => n.to_string(), "return" => "x".repeat(1000)},
        );
    }
    assert_eq!(spool.stats().dropped_full, 2);
    assert_eq!(spool.waiting("m"), 2);
    assert_eq!(spool.next("m").unwrap().jid, "2");
    let later = SystemTime::now() + Duration::from_hours(2);
    spool.trim(&mut spool.state(), later);
    assert_eq!((spool.stats().dropped_old, spool.stats().waiting), (2, 0));
    assert_eq!(spool.stats().bytes, 0);
}

#[test]
fn a_broken_file_is_given_up_and_a_half_written_one_cleaned_away() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.push("m", map! {"jid" => "1"});
    spool.push("m", map! {"jid" => "2"});
    drop(spool);
    let folder = dir.path().join("m");
    fs::write(folder.join(format!("{:020}-1.p", 0)), b"\xdf").unwrap();
    fs::write(folder.join(".tmp"), b"half").unwrap();
    let spool = open(dir.path());
    assert_eq!(spool.next("m").unwrap().jid, "2");
    assert_eq!(spool.stats().dropped_broken, 1);
    assert!(!folder.join(".tmp").exists());
}

#[test]
fn a_disk_that_takes_nothing_loses_nothing_and_gets_it_when_it_takes_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("spool");
    // A file where the directory should be fails every write.
    fs::write(&place, "").unwrap();
    let spool = open(&place);
    let id = spool.push("m", map! {"jid" => "1", "return" => 5});
    assert_eq!(spool.next("m").unwrap().load["return"], 5.into());
    // What is kept of a job stays until its return is on disk.
    let kept = Arc::new(AtomicBool::new(true));
    let let_go = kept.clone();
    let stored = move || let_go.store(false, Ordering::SeqCst);
    spool.push_then("m", map! {"jid" => "2"}, Box::new(stored));
    assert_eq!(spool.stats().in_memory, 2);
    assert!(kept.load(Ordering::SeqCst));
    fs::remove_file(&place).unwrap();
    spool.push("m", map! {"jid" => "3"});
    assert_eq!(spool.stats().in_memory, 0);
    assert!(!kept.load(Ordering::SeqCst));
    spool.ack(id);
    drop(spool);
    let spool = open(&place);
    assert_eq!(spool.next("m").unwrap().jid, "2");
    assert_eq!(spool.next("m").unwrap().jid, "3");
    assert_eq!(spool.stats().waiting, 2);
}

#[test]
fn what_a_master_does_not_store_waits_without_holding_up_others() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.push("m", map! {"jid" => "1"});
    spool.push("m", map! {"jid" => "2"});
    let first = spool.next("m").unwrap();
    assert_eq!(spool.park(first.id, "no"), FIRST_PARK);
    assert_eq!(spool.complaint().as_deref(), Some("no"));
    assert!(spool.parked_until().unwrap() > Instant::now());
    let second = spool.next("m").unwrap();
    assert_eq!(second.jid, "2");
    spool.ack(second.id);
    assert!(spool.next("m").is_none());
    spool.unpark("other");
    assert!(spool.next("m").is_none());
    spool.unpark("m");
    let again = spool.next("m").unwrap();
    assert_eq!((again.id, spool.parked_until()), (first.id, None));
    assert_eq!(spool.park(again.id, "no"), 2 * FIRST_PARK);
    assert_eq!(spool.stats().parked, 1);
    spool.unpark("m");
    spool.ack(spool.next("m").unwrap().id);
    assert_eq!((spool.stats().parked, spool.stats().waiting), (0, 0));
    assert_eq!(spool.complaint(), None);
}

#[test]
fn a_new_return_wakes_its_sender() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    let mut news = spool.subscribe();
    assert!(!news.has_changed().unwrap());
    spool.push("m", map! {"jid" => "1"});
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
}

#[test]
fn names_of_masters_survive_as_file_names() {
    for name in ["..", "a/b", "[::1]:4506", "salt.example.com:4506", "ü"] {
        let file = encode(name);
        assert!(!file.contains('/') && !file.starts_with('.'), "{file}");
        assert_eq!(decode(&file).as_deref(), Some(name));
    }
}
