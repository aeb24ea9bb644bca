//! The same master with another key.

use std::fs;
use std::path::Path;
use std::time::Instant;

use harness::{Agent, Master, until};
use salt_wire::crypto::{OsRandom, PrivateKey};

use super::{Signer, handover, write};
use crate::pair::{answers, on_only};

/// The new master comes back with another key: one agent has a signed order for it, one the master's own word, the
/// third has nothing and says so until its operator speaks.
pub(super) fn same_master_new_key(
    master: &mut Master,
    ordered: &mut Agent,
    [certified, alone]: [&Agent; 2],
    signer: &Signer,
) {
    let tried = |log: &str| {
        let try_ = format!("Authentication request from {}", alone.id);
        log.matches(&try_).count()
    };
    let tries_before = tried(&master.process().log());
    let before = master.finger();
    let made = PrivateKey::generate(2048, &mut OsRandom).unwrap();
    let pem = made.to_pem().unwrap();
    let next = signer.dir.path().join("next.pub");
    fs::write(&next, made.public().file_pem()).unwrap();
    let word = handover(master, &next.display().to_string(), &[]);
    master.kill();
    // 3008 keeps the pair under the master's id and links to it.
    let real = |name: &str| fs::canonicalize(master.pki_dir().join(name)).unwrap();
    replace(&real("master.pem"), &pem);
    replace(&real("master.pub"), &made.public().file_pem());
    let begun = Instant::now();
    master.start();
    let after = master.finger();
    assert_ne!(before, after);

    for agent in [&*ordered, certified, alone] {
        until(90, &format!("{} to see another key", agent.id), || {
            let status = agent.status();
            let state = &status["masters"][0];
            state["reason"] == "master-key-mismatch"
                && state["detail"]
                    .as_str()
                    .is_some_and(|d| d.contains(&after) && d.contains(&before))
        });
    }
    let terms = ["--rekey", "--for", &ordered.id];
    write(ordered, &signer.sign(master, &terms));
    // Killed between any two of what it writes down.
    ordered.kill();
    for point in [
        "successor permitted",
        "successor recorded",
        "master's key stored",
    ] {
        ordered.run_into(point);
    }
    ordered.run();
    until(90, "the new key to be taken", || {
        answers(master, &ordered.id)
    });
    on_only(ordered, master);
    write(certified, &word);
    until(90, "the certified key to be taken", || {
        answers(master, &certified.id)
    });
    on_only(certified, master);
    // Without certificate or order it stays, until somebody on the machine says so: patiently, and aloud.
    let tries = tried(&master.process().log()) - tries_before;
    let most = 2 + begun.elapsed().as_secs() / 10;
    assert!(
        (1..=most).contains(&(tries as u64)),
        "{tries} tries of {most}"
    );
    let console = fs::read_to_string(signer.console()).unwrap();
    let words = ["reason=master-key-mismatch", &before, &after];
    let told = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(console.lines().any(told), "{console}");
    assert_eq!(
        alone.status()["masters"][0]["reason"],
        "master-key-mismatch"
    );
    let permitted = alone
        .command(
            "remaster",
            &[
                "rekey",
                &master.address.to_string(),
                "--finger",
                &after,
                "-o",
                "json",
            ],
        )
        .success()
        .json();
    assert_eq!(permitted["state"], "permitted", "{permitted}");
    until(90, "the new key to be taken", || answers(master, &alone.id));
    on_only(alone, master);
}

fn replace(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
    let private = path.extension().is_some_and(|e| e == "pem");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(if private { 0o400 } else { 0o644 });
    fs::set_permissions(path, mode).unwrap();
}
