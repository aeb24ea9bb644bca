//! A whole session against a master in memory.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use salt_wire::crypto::{Crypticle, OsRandom};
use salt_wire::error::Reason;
use salt_wire::load::AuthAnswer;
use salt_wire::{Map, Value, map};
use tokio::sync::mpsc;

use super::fake::{Fake, Known, command};
use super::*;
use crate::config::Settings;
use crate::transport::memory::Memory;
use crate::transport::{Answer, BoxFuture, Error};

/// A name for one address, then for another.
#[derive(Default)]
struct Names {
    moved: AtomicBool,
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer, Error>> {
        let last = u8::from(self.moved.load(Ordering::Relaxed));
        Box::pin(async move {
            Ok(Answer {
                addresses: vec![IpAddr::from([192, 0, 2, last])],
                valid: Some(Duration::from_secs(20)),
            })
        })
    }
}

struct Running {
    session: Session,
    jobs: mpsc::Receiver<Arrived>,
    names: Arc<Names>,
}

fn run(memory: Memory, options: Map) -> Running {
    let settings = Settings::from_overrides(Path::new("/etc/salt"), "m1", options).unwrap();
    let (sender, jobs) = mpsc::channel(100);
    let names = Arc::new(Names::default());
    let session = Session::start(Setup {
        address: MasterAddress::parse("salt", 4506).unwrap(),
        options: Options::of(&settings),
        persistence: Persistence::Forever,
        credentials: Arc::new(Known),
        dial: Arc::new(memory),
        resolve: names.clone(),
        jobs: sender,
        beside: Box::pin(std::future::ready(())),
    });
    Running {
        session,
        jobs,
        names,
    }
}

impl Running {
    async fn ready(&self) {
        self.until(|s| s.state.is_ready()).await;
    }

    async fn lost(&self, reason: Reason) {
        self.until(|s| matches!(&s.state, State::Lost(t) if t.reason == reason))
            .await;
    }

    async fn until(&self, condition: impl Fn(&Status) -> bool) {
        let mut status = self.session.status();
        let waited =
            tokio::time::timeout(Duration::from_secs(300), status.wait_for(|s| condition(s)));
        let seen = self.session.status().borrow().clone();
        assert!(waited.await.is_ok(), "was: {seen:?}");
    }

    async fn job(&mut self) -> String {
        let arrived = tokio::time::timeout(Duration::from_secs(60), self.jobs.recv());
        let load = arrived.await.unwrap().unwrap().load;
        load["jid"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, cmd: &str) -> Result<Value, RequestError> {
        let client = self.session.client();
        client.request(command(cmd), client.patience()).await
    }
}

#[tokio::test(start_paused = true)]
async fn let_in_listening_and_asking() {
    let (fake, memory) = Fake::start();
    let mut us = run(memory, Map::new());
    us.ready().await;
    fake.send(&fake.publication("1", true));
    fake.send(&fake.publication("2", false));
    assert_eq!((us.job().await, us.job().await), ("1".into(), "2".into()));
    assert_eq!(us.ask("_return").await.unwrap(), "_return".into());
}

#[tokio::test(start_paused = true)]
async fn pending_until_somebody_accepts() {
    let (fake, memory) = Fake::start();
    fake.set(|is| is.answer = Some(AuthAnswer::Pending));
    let us = run(memory, Map::new());
    us.until(|s| s.state.name() == "pending").await;
    let trouble = us.session.status().borrow().trouble.clone().unwrap();
    assert_eq!(trouble.reason, Reason::Pending);
    assert!(trouble.detail.contains("salt-key -a m1"), "{trouble}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!((5..9).contains(&fake.is.lock().unwrap().auths));
    fake.set(|is| is.answer = None);
    us.ready().await;
    assert!(us.session.status().borrow().trouble.is_none());
}

#[tokio::test(start_paused = true)]
async fn every_no_has_its_word_and_none_is_the_end() {
    for (answer, reason) in [
        (AuthAnswer::No, Reason::Rejected),
        (AuthAnswer::Full, Reason::MasterFull),
    ] {
        let (fake, memory) = Fake::start();
        fake.set(|is| is.answer = Some(answer));
        let us = run(memory, Map::new());
        us.lost(reason).await;
        fake.set(|is| is.answer = None);
        us.ready().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nonsense_instead_of_an_answer_is_named_and_survived() {
    for (raw, reason) in [
        (b"\xc1garbage".to_vec(), Reason::BadAnswer),
        (Value::from("bad load").to_msgpack(), Reason::BadLoad),
        (vec![0xdd, 0xff, 0xff, 0xff, 0xff], Reason::BadAnswer),
        (Vec::new(), Reason::BadAnswer),
    ] {
        let (fake, memory) = Fake::start();
        fake.set(|is| is.raw_auth = Some(raw));
        let us = run(memory, Map::new());
        us.lost(reason).await;
        fake.set(|is| is.raw_auth = None);
        us.ready().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_without_a_word_is_a_timeout() {
    let (fake, memory) = Fake::start();
    fake.set(|is| is.mute = true);
    let us = run(memory, map! {"auth_tries" => 2});
    us.lost(Reason::Timeout).await;
    fake.set(|is| is.mute = false);
    us.ready().await;
}

#[tokio::test(start_paused = true)]
async fn garbage_on_the_publish_port_is_named_and_survived() {
    let mut too_large = vec![2];
    too_large.extend(u64::MAX.to_be_bytes());
    for (raw, reason) in [
        (b"SSH-2.0-OpenSSH".to_vec(), Reason::NotZeroMq),
        (crate::transport::memory::hello("ROUTER"), Reason::NotZeroMq),
        (
            [crate::transport::memory::hello("PUB"), too_large].concat(),
            Reason::BadAnswer,
        ),
        (
            [
                crate::transport::memory::hello("PUB"),
                b"\xff\xff\xff".to_vec(),
            ]
            .concat(),
            Reason::BadAnswer,
        ),
    ] {
        let (fake, memory) = Fake::start();
        fake.set(|is| is.raw_publish = Some(raw));
        let us = run(memory, Map::new());
        us.lost(reason).await;
        fake.set(|is| is.raw_publish = None);
        us.ready().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bad_publications_are_dropped_and_good_ones_still_come() {
    let (fake, memory) = Fake::start();
    let mut us = run(memory, map! {"sign_pub_messages" => true});
    us.ready().await;
    let good = fake.publication("1", true);
    let mut forged = fake.publication("2", true);
    // The last byte belongs to the algorithm's name, the one in the middle to the blob or the signature.
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    fake.send(&good);
    for bad in [
        good.clone(),
        good[..good.len() - 1].to_vec(),
        forged,
        fake.publication("3", false),
        b"noise".to_vec(),
        Vec::new(),
        Value::Map(map! {"enc" => "clear", "load" => "x"}).to_msgpack(),
    ] {
        fake.send(&bad);
    }
    fake.send(&fake.publication("4", true));
    assert_eq!(us.job().await, "1");
    assert_eq!(us.job().await, "4");
    assert!(us.session.status().borrow().state.is_ready());
    assert!(fake.is.lock().unwrap().auths <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_aes_key_is_fetched_and_the_job_that_told_is_not_lost() {
    let (fake, memory) = Fake::start();
    let mut us = run(memory, Map::new());
    us.ready().await;
    fake.set(|is| {
        is.aes = Crypticle::generate(&mut OsRandom);
        is.serial = 0;
    });
    for jid in ["1", "2", "3"] {
        fake.send(&fake.publication(jid, true));
    }
    assert_eq!(us.job().await, "1");
    assert_eq!(us.job().await, "2");
    assert_eq!(us.job().await, "3");
    assert_eq!(fake.is.lock().unwrap().auths, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_asked_once_more_with_new_keys() {
    let (fake, memory) = Fake::start();
    let us = run(memory, Map::new());
    us.ready().await;
    fake.set(|is| {
        is.raw_reply = Some(Value::from("bad load").to_msgpack());
        is.session = Crypticle::generate(&mut OsRandom);
    });
    assert_eq!(us.ask("_mine").await.unwrap(), "_mine".into());
    assert_eq!(fake.is.lock().unwrap().auths, 2);
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_nobody_can_read_is_no_flood_of_authentications() {
    let (fake, memory) = Fake::start();
    let mut us = run(memory, Map::new());
    us.ready().await;
    let other = Fake::start().0;
    for n in 0..50 {
        fake.send(&other.publication(&n.to_string(), false));
    }
    fake.send(&fake.publication("mine", true));
    assert_eq!(us.job().await, "mine");
    assert!(fake.is.lock().unwrap().auths <= 3);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_key_is_pending_again() {
    let (fake, memory) = Fake::start();
    let us = run(memory, Map::new());
    us.ready().await;
    fake.set(|is| {
        is.answer = Some(AuthAnswer::Pending);
        is.raw_reply = Some(Value::from("bad load").to_msgpack());
    });
    let client = us.session.client();
    let asking =
        tokio::spawn(async move { client.request(command("_return"), client.patience()).await });
    us.until(|s| s.state.name() == "pending").await;
    fake.set(|is| is.answer = None);
    us.ready().await;
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_comes_back() {
    let (fake, memory) = Fake::start();
    let mut us = run(memory, Map::new());
    us.ready().await;
    fake.send_raw(Vec::new());
    us.lost(Reason::ConnectionClosed).await;
    us.ready().await;
    fake.send(&fake.publication("1", true));
    assert_eq!(us.job().await, "1");
}

#[tokio::test(start_paused = true)]
async fn a_silent_master_is_found_out_in_time() {
    let (_fake, memory) = Fake::start();
    let us = run(memory, map! {"agent" => map! {"dead_after" => "15s"}});
    us.ready().await;
    // The fake answers no PING.
    let since = tokio::time::Instant::now();
    us.lost(Reason::MasterSilent).await;
    assert!(
        since.elapsed() <= Duration::from_secs(16),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_moved_name_is_followed_while_the_old_connection_still_works() {
    let (_fake, memory) = Fake::start();
    let us = run(memory, map! {"agent" => map! {"dead_after" => "5m"}});
    us.ready().await;
    us.names.moved.store(true, Ordering::Relaxed);
    us.until(|s| s.peer == Some(IpAddr::from([192, 0, 2, 1])) && s.state.is_ready())
        .await;
}
