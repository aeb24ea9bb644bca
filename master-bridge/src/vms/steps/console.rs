//! The proof of a new server's key: its agent's line on the serial console, which Nova alone can show us.

use std::time::{Duration, Instant};

use salt_wire::crypto::Fingerprint;
use salt_wire::{Announcement, Value as Salt};
use serde_json::{Value, json};

use super::super::World;
use crate::error::{Error, Kind, Result};
use crate::fleet::look::ask_all;
use crate::output::json_of;
use crate::plan::cloud::What;
use crate::progress::short;
use crate::salt::{Job, job};

/// Between two looks; the console of a busy host is not cheap.
const PAUSE: Duration = Duration::from_secs(1);

/// The newest line of an agent with this nonce.
pub(super) fn line(console: &str, nonce: &str) -> Option<Announcement> {
    let mut lines = console.lines().rev().filter_map(Announcement::parse);
    lines.find(|s| s.nonce.as_deref() == Some(nonce))
}

/// Whose keys a server has brought as far as its console shows it, for who removes it before they were proven.
pub(super) async fn last_look(world: &mut World<'_>, server: &str) {
    let steps = world.plan.steps.iter();
    let unseen = steps.filter_map(|step| match &step.what {
        What::Announced { server: of, .. } if of == server => Some(step.key.clone()),
        _ => None,
    });
    let unseen: Vec<String> = unseen.filter(|key| !world.made.contains_key(key)).collect();
    let Ok(id) = world.made(server, "id") else {
        return;
    };
    for key in unseen {
        // No console is no line: some clouds have none to show.
        let shown = world.cloud.console(&id, None).await.unwrap_or_default();
        if let Some(said) = line(&shown, &world.plan.nonce(server)) {
            let finger = said.fingerprint.to_string();
            let made = json!({"fingerprint": finger, "id": id});
            world.made.insert(key, made);
        }
    }
}

/// Waits for a line with this server's nonce. A line with another nonce is of another boot, or a forgery.
pub(super) async fn announced(
    world: &mut World<'_>,
    key: &str,
    server: &str,
    minion: &str,
    within: Duration,
) -> Result<Value> {
    let id = world.made(server, "id")?;
    let nonce = world.plan.nonce(server);
    let (start, mut seen) = (Instant::now(), String::new());
    loop {
        match world.cloud.console(&id, None).await {
            Ok(console) => match line(&console, &nonce) {
                Some(said) if said.id.as_str() != minion => {
                    let text = format!(
                        "the agent on server {id} calls itself {}, not {minion}",
                        said.id
                    );
                    return Err(Error::new(Kind::Refused, text).hint(
                        "does the image bring an id of its own in /etc/salt/minion_id or minion.d?",
                    ));
                }
                Some(said) => {
                    world
                        .progress
                        .at(key, &format!("{} {}", said.fingerprint, said.state));
                    return Ok(json!({"fingerprint": said.fingerprint.to_string(), "id": id}));
                }
                None => seen = console,
            },
            // The console of a server that just became active may not be there yet.
            Err(fault)
                if fault.is_transient() || fault.is_not_found() || fault.status == Some(409) => {}
            Err(fault) => return Err(fault.into()),
        }
        if start.elapsed() >= within {
            return Err(silent(&id, within, &seen));
        }
        if let Some(server) = world.cloud.server(&id).await?
            && server.status == "ERROR"
        {
            // Nova's own words end the wait.
            world
                .cloud
                .wait_server(&id, "ACTIVE", Duration::ZERO, &mut |_| {})
                .await?;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits for a master's line with this server's nonce: `salt-master: fingerprint=… nonce=…`.
pub(super) async fn master_key(
    world: &mut World<'_>,
    key: &str,
    server: &str,
    within: Duration,
) -> Result<Value> {
    let id = world.made(server, "id")?;
    let nonce = world.plan.nonce(server);
    let (start, mut seen) = (Instant::now(), String::new());
    loop {
        match world.cloud.console(&id, None).await {
            Ok(console) => match console.lines().rev().find_map(|l| master_line(l, &nonce)) {
                Some(finger) => {
                    world.progress.at(key, &finger.to_string());
                    return Ok(json!({"fingerprint": finger.to_string(), "id": id}));
                }
                None => seen = console,
            },
            Err(fault)
                if fault.is_transient() || fault.is_not_found() || fault.status == Some(409) => {}
            Err(fault) => return Err(fault.into()),
        }
        if start.elapsed() >= within {
            let mut error = silent(&id, within, &seen);
            error.message = format!(
                "no salt-master announced its key on the console of server {id} within {}",
                short(within)
            );
            return Err(error.hint("is salt-master in the image, or a repository that has it? cloud-init's log is on the server: /var/log/cloud-init-output.log"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The fingerprint in a master's line, if it is of this boot.
fn master_line(line: &str, nonce: &str) -> Option<Fingerprint> {
    let rest = line.split_once("salt-master: ")?.1;
    let field = |name: &str| {
        rest.split_whitespace()
            .find_map(|w| w.strip_prefix(name)?.strip_prefix('='))
    };
    (field("nonce") == Some(nonce))
        .then(|| field("fingerprint")?.parse().ok())
        .flatten()
}

/// Starts what makes the disk forget, beside the agent, which it stops, and waits for its receipt on the console.
pub(super) async fn generalize(
    world: &mut World<'_>,
    server: &str,
    minion: &str,
    command: &str,
    within: Duration,
) -> Result<Value> {
    let id = world.made(server, "id")?;
    let start = Instant::now();
    // After a crash it may be done already, and nobody answers any more.
    if let Some(done) = receipt(&world.cloud.console(&id, None).await?) {
        return done;
    }
    if command.contains(char::is_whitespace) {
        not_here(world, minion, "say nothing, or --generalize none").await?;
    }
    let job = job_of(minion, command);
    let patience = world.patience;
    let outcome = job::run(world.salt()?, &job, patience, &mut |_| {}).await?;
    if let Some(answer) = outcome.of(minion) {
        // That of a command line; a function's own is in the answer.
        let code = answer.value.get("retcode").map(json_of).unwrap_or_default();
        if !answer.is_good() || (code != 0 && !code.is_null()) {
            let mut error = Error::new(Kind::Failed, format!("{minion} did not begin `{command}`"))
                .hint("the agent in the image must know `image.generalize`; --generalize names another way");
            error.causes = vec![json_of(&answer.value).to_string()];
            return Err(error);
        }
    }
    loop {
        if let Ok(console) = world.cloud.console(&id, None).await
            && let Some(done) = receipt(&console)
        {
            return done;
        }
        if start.elapsed() >= within {
            let text = format!(
                "no receipt on the console of server {id} within {}",
                short(within)
            );
            return Err(Error::new(Kind::Failed, text)
                .hint("`salt-agent generalize --check` on the machine says what is left"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One word is a function, more are a command line.
fn job_of(minion: &str, command: &str) -> Job {
    if !command.contains(char::is_whitespace) {
        return Job::for_ids(&[minion], command);
    }
    let mut job = Job::for_ids(&[minion], "cmd.run_all");
    job.args = vec![command.into()];
    job.kwargs = salt_wire::map! {"python_shell" => false};
    job
}

/// A VM of the sandbox is a process of this very machine: a command that makes it forget would make this machine forget.
pub(super) async fn not_here(world: &mut World<'_>, minion: &str, hint: &str) -> Result<()> {
    let patience = world.patience;
    let root = ["sandbox_root"];
    let outcome = ask_all(world.salt()?, &[minion], "grains.item", &root, patience).await?;
    let Some(facts) = outcome.good(minion) else {
        let text = format!("{minion} does not say what kind of machine it is");
        return Err(Error::new(Kind::Failed, text).hint("does it answer `master-bridge minions`?"));
    };
    let place = facts
        .get("sandbox_root")
        .and_then(Salt::as_str)
        .map(str::to_owned);
    match place.filter(|place| !place.is_empty()) {
        None => Ok(()),
        Some(place) => {
            let text = format!(
                "{minion} is a VM of the sandbox: its commands run on this machine, not in {place}"
            );
            Err(Error::new(Kind::Refused, text).hint(hint))
        }
    }
}

/// The receipt's line, once it is there: its digest, or that the disk is not clean.
fn receipt(console: &str) -> Option<Result<Value>> {
    let line = console
        .lines()
        .rev()
        .find_map(|l| l.split_once("salt-agent: generalized "))?
        .1;
    let field = |name: &str| {
        line.split_whitespace()
            .find_map(|w| w.strip_prefix(name)?.strip_prefix('='))
    };
    let digest = field("digest").unwrap_or_default();
    if field("clean") == Some("true") {
        return Some(Ok(json!({"digest": digest, "clean": true})));
    }
    let text = match line.split_once("reason: ") {
        Some((_, why)) => format!("the disk was not generalized: {}", why.trim_end()),
        None => {
            "the disk is not clean: something of the machine, or what looks like a secret, is left"
                .to_owned()
        }
    };
    Some(Err(Error::new(Kind::Refused, text).hint(
        "`salt-agent generalize --check` on the machine names it; --keep-failed leaves the builder to look at",
    )))
}

fn silent(id: &str, within: Duration, console: &str) -> Error {
    let text = format!(
        "no agent announced itself on the console of server {id} within {}",
        short(within)
    );
    let other = console.lines().rev().find_map(Announcement::parse);
    let hint = match (&other, console.trim().is_empty()) {
        (Some(_), _) => {
            "an agent is there with another nonce: did the server get this user-data (cloud-init, config drive)?"
        }
        (None, true) => "the console is empty: does the image's kernel have console=ttyS0?",
        (None, false) => {
            "is salt-agent in the image and does cloud-init run? The agent writes to agent:console, /dev/ttyS0 by itself"
        }
    };
    let mut error = Error::new(Kind::Failed, text).hint(hint);
    let last: Vec<&str> = console
        .lines()
        .map(str::trim_end)
        .filter(|l| !l.is_empty())
        .collect();
    let from = last.len().saturating_sub(5);
    error.causes = last[from..]
        .iter()
        .map(|line| format!("console: {line}"))
        .collect();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_and_one_that_is_not_clean_refused() {
        let line =
            |clean| format!("[1.0] salt-agent: generalized clean={clean} digest=ab\r\nlogin:");
        assert!(receipt("nothing").is_none());
        assert_eq!(receipt(&line("true")).unwrap().unwrap()["digest"], "ab");
        assert_eq!(
            receipt(&line("false")).unwrap().unwrap_err().kind,
            Kind::Refused
        );
    }

    #[test]
    fn a_masters_line_counts_with_its_nonce_alone() {
        let finger = vec!["ab"; 32].join(":");
        let line = format!("[9.1] salt-master: fingerprint={finger} nonce=n1\r");
        assert_eq!(master_line(&line, "n1").unwrap().to_string(), finger);
        assert!(master_line(&line, "n2").is_none());
        assert!(master_line("salt-master: fingerprint=ab nonce=n1", "n1").is_none());
    }

    #[test]
    fn one_word_is_a_function() {
        assert_eq!(job_of("m1", "image.generalize").fun, "image.generalize");
        let line = job_of("m1", "salt-agent generalize --yes");
        assert_eq!((line.fun.as_str(), line.args.len()), ("cmd.run_all", 1));
    }

    #[test]
    fn a_silent_console_says_what_it_did_say() {
        let error = silent("i", Duration::from_secs(60), "a\n\nb\r\n");
        assert_eq!(error.causes, ["console: a", "console: b"]);
        assert!(
            silent("i", Duration::ZERO, " ")
                .hint
                .unwrap()
                .contains("ttyS0")
        );
    }
}
