//! Bad input from the wire: each kind of lie has its word, none ends the agent, none makes it grow.

use std::collections::BTreeMap;

use harness::{Agent, Auth, FakeMaster, Reply, Signature, until};
use salt_wire::load::AuthAnswer;

/// An agent of these masters, all at once, that trusts their one key and loses no time.
fn agent_of(masters: &[(&str, FakeMaster)], more: &str) -> Agent {
    // Longer than a connection may take: of two deadlines at the same moment either gives its word.
    let addresses: Vec<_> = masters.iter().map(|(_, m)| m.address.to_string()).collect();
    let config = format!(
        "master_finger: '{}'\nkeysize: 2048\nauth_timeout: 1\nauth_tries: 1\nrejected_retry: true\nrecon_default: 200\n\
         recon_max: 800\nreturn_retry_timer: 1\nreturn_retry_timer_max: 1\nreturn_retry_tries: 1\nagent: {{dead_after: 8s}}\n{more}",
        FakeMaster::finger()
    );
    let mut agent = Agent::prepare("besieged", &format!("[{}]", addresses.join(", ")), &config);
    agent.run();
    agent
}

/// What `status` says of each master: its state, or the reason for which it is not ready.
fn told(agent: &mut Agent, masters: &[(&str, FakeMaster)]) -> BTreeMap<String, String> {
    let code = agent.process().ended();
    assert!(
        code.is_none(),
        "the agent ended with {code:?}:\n{}",
        agent.log()
    );
    let status = agent.status();
    let of = |(name, master): &(&str, FakeMaster)| {
        let address = format!("{}:4506", master.address);
        let all = status["masters"].as_array().into_iter().flatten();
        let entry = all.into_iter().find(|m| m["address"] == address.as_str());
        let word = entry.map(|m| m["reason"].as_str().or(m["state"].as_str()));
        (
            (*name).to_owned(),
            word.flatten().unwrap_or_default().to_owned(),
        )
    };
    masters.iter().map(of).collect()
}

/// Waits until each master's word is the expected one; all words of those that are not yet, if it takes too long.
fn expect(
    agent: &mut Agent,
    masters: &[(&str, FakeMaster)],
    seconds: u64,
    word: impl Fn(&str) -> String,
) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    loop {
        let mut wrong = told(agent, masters);
        wrong.retain(|name, told| *told != word(name));
        if wrong.is_empty() {
            return;
        }
        assert!(
            std::time::Instant::now() < end,
            "{wrong:?}\n{}",
            agent.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// A ZeroMQ greeting and READY, and then a message that announces a terabyte.
fn terabyte(socket: &str) -> Vec<u8> {
    let mut bytes = harness::hello(socket);
    bytes.extend([2, 0, 0, 1, 0, 0, 0, 0, 0]);
    bytes.extend([0; 4096]);
    bytes
}

#[test]
fn lies_about_who_a_master_is() {
    let greets = |port: usize, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        FakeMaster::start_with(Auth::Accept, |is| is.greetings[port] = Some(bytes))
    };
    let answers = |auth: Auth| FakeMaster::start(auth);
    let noise: Vec<u8> = (0..5000u32).map(|n| (n * 7919 % 251) as u8).collect();
    let cases = vec![
        (
            "not-zeromq",
            "an ssh server",
            greets(0, b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        ),
        ("not-zeromq", "noise on 4506", greets(0, &noise)),
        ("not-zeromq", "noise on 4505", greets(1, &noise)),
        (
            "not-zeromq",
            "ports swapped",
            greets(0, &harness::hello("PUB")),
        ),
        (
            "timeout",
            "half a greeting on 4506",
            greets(0, &harness::hello("ROUTER")[..20]),
        ),
        (
            "timeout",
            "half a greeting on 4505",
            greets(1, &harness::hello("PUB")[..20]),
        ),
        ("connection-closed", "closed at once", greets(0, b"")),
        (
            "bad-answer",
            "a terabyte on 4506",
            greets(0, &terabyte("ROUTER")),
        ),
        (
            "bad-answer",
            "a terabyte on 4505",
            greets(1, &terabyte("PUB")),
        ),
        (
            "bad-answer",
            "garbage",
            answers(Auth::Raw(b"\xc1\xff\0garbage".to_vec())),
        ),
        (
            "bad-answer",
            "an answer that is too long",
            answers(Auth::Raw(vec![0xc0; 100 << 10])),
        ),
        (
            "bad-answer",
            "nothing at all",
            answers(Auth::Raw(Vec::new())),
        ),
        (
            "bad-answer",
            "half an answer",
            answers(Auth::Changed(|mut a| {
                a.truncate(a.len() / 2);
                a
            })),
        ),
        (
            "bad-answer",
            "more than an answer",
            answers(Auth::Changed(|mut a| {
                a.push(0xc0);
                a
            })),
        ),
        (
            "bad-load",
            "bad load",
            answers(Auth::Raw(b"\xa8bad load".to_vec())),
        ),
        (
            "answer-not-authentic",
            "an answer of yesterday",
            answers(Auth::Replayed),
        ),
        (
            "answer-not-authentic",
            "another key's signature",
            answers(Auth::BadlySigned),
        ),
        (
            "answer-not-authentic",
            "one bit",
            answers(Auth::Changed(|mut a| {
                let end = a.len() - 1;
                a[end] ^= 1;
                a
            })),
        ),
        (
            "answer-not-authentic",
            "keys for somebody else",
            answers(Auth::WronglyWrapped),
        ),
        (
            "answer-not-authentic",
            "an AES key that nobody signed",
            answers(Auth::UnsignedKey),
        ),
        (
            "auth-version-too-old",
            "nothing is signed",
            answers(Auth::Ancient),
        ),
        (
            "bad-algorithm",
            "no algorithm is good enough",
            answers(Auth::Unsigned(AuthAnswer::BadSigAlgo)),
        ),
        (
            "bad-answer",
            "an unknown word",
            answers(Auth::Word(AuthAnswer::Other(b"perhaps"))),
        ),
        ("rejected", "no", answers(Auth::Word(AuthAnswer::No))),
        ("master-full", "full", answers(Auth::Word(AuthAnswer::Full))),
        (
            "pending",
            "pending",
            answers(Auth::Word(AuthAnswer::Pending)),
        ),
        ("timeout", "silence", answers(Auth::Silence)),
    ];
    let reasons: BTreeMap<&str, &str> = cases
        .iter()
        .map(|(reason, name, _)| (*name, *reason))
        .collect();
    let masters: Vec<_> = cases
        .into_iter()
        .map(|(_, name, master)| (name, master))
        .collect();
    let mut agent = agent_of(&masters, "");
    expect(&mut agent, &masters, 60, |name| reasons[name].to_owned());
    let before = agent.process().resident();
    // Time for dozens of further tries.
    let tries = |masters: &[(&str, FakeMaster)]| {
        masters
            .iter()
            .map(|(_, m)| m.set(|is| is.auths))
            .sum::<usize>()
    };
    let (begun, more) = (tries(&masters), 60);
    until(60, "further tries", || tries(&masters) > begun + more);
    expect(&mut agent, &masters, 20, |name| reasons[name].to_owned());
    let after = agent.process().resident();
    assert!(after < before + (16 << 20), "grew from {before} to {after}");
    // None of it has left a key behind that was not proven.
    let pinned = agent.dir().join("etc/salt/pki/minion/minion_master.pub");
    if pinned.exists() {
        let text = std::fs::read_to_string(&pinned).unwrap();
        let key = salt_wire::crypto::PublicKey::from_pem(&text).unwrap();
        let finger = key.fingerprint(salt_wire::crypto::HashType::Sha256);
        assert_eq!(finger.to_string(), FakeMaster::finger());
    }
    for (_, master) in &masters {
        master.set(|is| {
            is.auth = Auth::Accept;
            is.greetings = [None, None];
        });
    }
    expect(&mut agent, &masters, 120, |_| "ready".to_owned());
}

#[test]
fn lies_about_jobs() {
    let masters = [("one", FakeMaster::start(Auth::Accept))];
    let mut agent = agent_of(
        &masters,
        "sign_pub_messages: true\nlog_granular_levels: {salt_agent.session: debug}",
    );
    expect(&mut agent, &masters, 60, |_| "ready".to_owned());
    let master = &masters[0].1;
    let serves = |jid: &str| {
        let job = master.publication(jid, true, Signature::Good);
        master.publish(&job);
        until(20, &format!("the return of {jid}"), || {
            master.returned(jid).is_some()
        });
        job
    };
    let replayed = serves("20260101000000000001");
    let before = agent.process().resident();
    let good = |n: u8| master.publication(&format!("202601010000000000{n}"), true, Signature::Good);
    let mut half = good(20);
    half.truncate(half.len() / 2);
    let mut flipped = good(21);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let refused = |agent: &Agent| agent.log().matches("Publication refused").count();
    for (lie, bytes) in [
        ("garbage", b"\xc1\xff\0garbage".to_vec()),
        ("nothing", Vec::new()),
        ("half of one", half),
        ("one bit", flipped),
        (
            "unsigned",
            master.publication("20260101000000000022", true, Signature::None),
        ),
        (
            "badly signed",
            master.publication("20260101000000000023", true, Signature::Anothers),
        ),
        (
            "wrongly encrypted",
            master.publication("20260101000000000024", false, Signature::Good),
        ),
    ] {
        let so_far = refused(&agent);
        master.publish(&bytes);
        until(20, &format!("{lie} to be refused"), || {
            refused(&agent) > so_far
        });
    }
    let ignored = agent.log().matches("Publication ignored").count();
    master.publish(&replayed);
    until(20, "the replay to be ignored", || {
        agent.log().matches("Publication ignored").count() > ignored
    });
    serves("20260101000000000002");
    for jid in 20..25 {
        assert_eq!(master.returned(&format!("202601010000000000{jid}")), None);
    }
    // A storm of noise, and what no frame can be.
    for _ in 0..2000 {
        master.publish(&[0xc1; 5000]);
    }
    serves("20260101000000000003");
    master.publish_raw(&terabyte("PUB")[harness::hello("PUB").len()..]);
    agent.wait_log(20, "bad-answer");
    expect(&mut agent, &masters, 60, |_| "ready".to_owned());
    until(20, "the new subscription", || {
        master.publish(&good(30));
        master.returned("20260101000000000030").is_some()
    });
    let after = agent.process().resident();
    assert!(after < before + (32 << 20), "grew from {before} to {after}");
}

#[test]
fn lies_in_answers() {
    let masters = [
        ("garbage", Reply::Raw(b"\xc1\xff\0garbage".to_vec())),
        ("words", Reply::Raw(b"\xa8bad load".to_vec())),
        ("nothing", Reply::Raw(Vec::new())),
        (
            "half",
            Reply::Changed(|mut a| {
                a.truncate(a.len() / 2);
                a
            }),
        ),
        (
            "bit",
            Reply::Changed(|mut a| {
                let end = a.len() - 1;
                a[end] ^= 1;
                a
            }),
        ),
        ("replayed", Reply::WrongNonce),
        ("another key", Reply::WrongKey),
        ("silence", Reply::Silence),
    ];
    let (names, replies): (Vec<&str>, Vec<Reply>) = masters.into_iter().unzip();
    let masters: Vec<_> = names
        .into_iter()
        .map(|name| (name, FakeMaster::start(Auth::Accept)))
        .collect();
    let mut agent = agent_of(&masters, "");
    expect(&mut agent, &masters, 60, |_| "ready".to_owned());
    for ((_, master), reply) in masters.iter().zip(replies) {
        master.set(|is| is.reply = reply);
    }
    let jid = |n: usize| format!("2026010100000000010{n}");
    for (n, (_, master)) in masters.iter().enumerate() {
        master.publish(&master.publication(&jid(n), true, Signature::Good));
    }
    let kept = |agent: &Agent, n: usize| {
        agent
            .log()
            .lines()
            .any(|l| l.contains("Return not delivered, kept") && l.contains(&jid(n)))
    };
    for (n, (name, _)) in masters.iter().enumerate() {
        until(60, &format!("{name}: the return to be kept"), || {
            kept(&agent, n)
        });
    }
    assert_eq!(agent.status()["spool"]["entries"], masters.len());
    // Refused with the keys of a moment ago: there is one cause for that.
    until(30, "the refusal to be named", || {
        told(&mut agent, &masters)["words"] == "clock-skew"
    });
    for (_, master) in &masters {
        master.set(|is| is.reply = Reply::Proper);
    }
    until(90, "all returns to arrive", || {
        agent.status()["spool"]["entries"] == 0
    });
    until(30, "the clock to be right", || {
        told(&mut agent, &masters)["words"] == "ready"
    });
}
