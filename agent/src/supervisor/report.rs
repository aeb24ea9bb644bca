//! Tells whoever waits outside how the first join went, once for each place: the console, whose log Nova gives to the
//! server's owner; and a Heat wait condition, or anything else that takes a small JSON document (`agent: {report: …}`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::{Daemon, console};
use crate::config::{Report, Settings};
use crate::highstate::last::LastHighstate;
use crate::host::http::{self, Manner, Request};
use crate::host::{digest, fs::write_atomic};
use crate::identity::Binding;
use crate::session::backoff::{Backoff, random};

/// For one try.
const PATIENCE: Duration = Duration::from_secs(20);
/// It is tried for this long.
const TRY_FOR: Duration = Duration::from_mins(15);
/// For the whole first join, unless `report: {timeout: …}` says otherwise.
const PATIENCE_OF_ALL: Duration = Duration::from_hours(1);
/// How often it is looked whether a master is there.
const TICK: Duration = Duration::from_millis(200);

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    success: bool,
    /// A word of the agent's: the same as in status and log.
    reason: String,
    detail: String,
}

/// Waits for the outcome and tells it: on the console, which Nova shows to the server's owner, and to the address.
pub(super) async fn tell(daemon: Arc<Daemon>) {
    let settings = daemon.settings();
    let wanted = Wanted::of(&settings);
    if wanted.is_nothing() {
        return;
    }
    let (at_ready, patience) = settings
        .agent
        .report
        .as_ref()
        .map_or((false, PATIENCE_OF_ALL), |r| (r.at_ready, r.timeout));
    let deadline = Instant::now() + patience;
    let outcome = match timeout_at(deadline, success(&daemon, at_ready)).await {
        Ok(outcome) => outcome,
        Err(_) => failure(&daemon, &settings),
    };
    if let Some(mark) = &wanted.console {
        let state = if outcome.success {
            "succeeded"
        } else {
            "failed"
        };
        let reason = (!outcome.success).then_some(outcome.reason.as_str());
        let (of, whose, reason) = (
            settings.clone(),
            daemon.pair.clone(),
            reason.map(str::to_owned),
        );
        let told = spawn_blocking(move || console::outcome(&of, &whose, state, reason.as_deref()));
        if told.await.is_ok_and(|told| told) {
            remember(mark, state);
        }
    }
    if let Some((report, mark)) = &wanted.address {
        signal(&daemon, &settings, report, mark, &outcome).await;
    }
}

/// What is still to be told, with the file that will say that it was.
struct Wanted {
    console: Option<PathBuf>,
    address: Option<(Report, PathBuf)>,
}

impl Wanted {
    fn of(settings: &Settings) -> Self {
        let new = |place: &str| Some(mark(settings, place)).filter(|mark| !mark.exists());
        let agent = &settings.agent;
        // Where nothing follows, `state=ready` was the outcome.
        let follows = agent.report.is_some() || !settings.jobs.startup_states.is_empty();
        let console = agent.console.as_ref().filter(|_| follows);
        let console = console.and_then(|path| new(&path.display().to_string()));
        let address = agent.report.clone();
        let address = address.and_then(|report| new(&report.url).map(|mark| (report, mark)));
        Self { console, address }
    }

    fn is_nothing(&self) -> bool {
        self.console.is_none() && self.address.is_none()
    }
}

/// Sends it until it is taken, for a while.
async fn signal(
    daemon: &Daemon,
    settings: &Settings,
    report: &Report,
    mark: &Path,
    outcome: &Outcome,
) {
    let body = body(report, &settings.id, outcome);
    let end = Instant::now() + TRY_FOR;
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        let (ask, text, bundle) = (report.clone(), body.clone(), settings.ca_bundle());
        let sent = spawn_blocking(move || send(&ask, &text, bundle)).await;
        match sent {
            Ok(Ok(())) => break,
            Ok(Err(error)) if Instant::now() > end => {
                let words = "The first join could not be reported (agent:report).";
                warn!(error, "{words}");
                daemon.add_warning(format!("{words} {error}"));
                return;
            }
            Ok(Err(_)) => sleep(backoff.next(&mut random)).await,
            Err(_) => return,
        }
    }
    info!(
        success = outcome.success,
        reason = outcome.reason,
        "The first join was reported."
    );
    remember(mark, &body);
}

fn remember(mark: &Path, text: &str) {
    if let Err(error) = write_atomic(mark, text.as_bytes(), 0o600) {
        warn!(file = %mark.display(), %error, "It could not be recorded that the first join was reported.");
    }
}

/// Until it is decided whether all is well.
async fn success(daemon: &Daemon, at_ready: bool) -> Outcome {
    while daemon.once.ready_after().is_none() {
        sleep(TICK).await;
    }
    let ready = Outcome {
        success: true,
        reason: "ready".to_owned(),
        detail: format!("{} is ready", daemon.settings().id),
    };
    if at_ready || daemon.settings().jobs.startup_states.is_empty() {
        return ready;
    }
    let mut states = daemon.dispatcher.startup_states();
    match states.wait_for(Option::is_some).await {
        Ok(ended) => ended.as_ref().map_or(ready, of_states),
        Err(_) => ready,
    }
}

fn of_states(run: &LastHighstate) -> Outcome {
    Outcome {
        success: run.success,
        reason: if run.success {
            "ready"
        } else {
            "states-failed"
        }
        .to_owned(),
        detail: format!(
            "{} states succeeded ({} changed), {} failed",
            run.succeeded, run.changed, run.failed
        ),
    }
}

/// The time is over: the reason is that of the first master, in the words of `salt-agent status`.
fn failure(daemon: &Daemon, settings: &Settings) -> Outcome {
    let all = daemon.links.all();
    let trouble = all
        .iter()
        .find_map(|(_, link)| link.status.borrow().trouble.clone());
    let ready = daemon.links.first_ready().is_some();
    let (reason, detail) = match trouble {
        _ if ready => (
            "states-running".to_owned(),
            "the startup states have not ended".to_owned(),
        ),
        Some(trouble) => (trouble.reason.code().to_owned(), trouble.detail),
        None => ("timeout".to_owned(), "no master was ready".to_owned()),
    };
    Outcome {
        success: false,
        reason,
        detail: format!("{}: {detail}", settings.id),
    }
}

/// In Heat's names, or in CloudFormation's.
fn body(report: &Report, id: &str, outcome: &Outcome) -> String {
    let status = if outcome.success {
        "SUCCESS"
    } else {
        "FAILURE"
    };
    let reason = format!("salt-agent: {}: {}", outcome.reason, outcome.detail);
    let document = if report.cfn {
        serde_json::json!({"Status": status, "Reason": reason, "UniqueId": id, "Data": outcome.reason})
    } else {
        serde_json::json!({"status": status, "reason": reason, "id": id, "data": outcome.reason})
    };
    document.to_string()
}

fn send(report: &Report, body: &str, bundle: Option<String>) -> Result<(), String> {
    // Asked directly: the address is one of the cloud that the machine runs in.
    let manner = Manner {
        timeout: PATIENCE,
        proxy: false,
        bundle,
        ..Manner::default()
    };
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    // A presigned address of Swift (TEMP_URL_SIGNAL) takes a PUT with no type of its own.
    if !report.cfn {
        headers.push(("Accept".to_owned(), "application/json".to_owned()));
    }
    if let Some(token) = &report.token {
        headers.push(("X-Auth-Token".to_owned(), token.clone()));
    }
    let request = Request {
        method: if report.put { "PUT" } else { "POST" }.to_owned(),
        url: report.url.clone(),
        headers,
        body: body.as_bytes().to_vec(),
    };
    // The address may be a secret: an error must not repeat it.
    let plain = |error: String| error.replace(&report.url, "the address");
    let answer = http::send(&http::agent(&manner), &request).map_err(plain)?;
    if answer.status >= 400 {
        return Err(format!("{} {}", answer.status, answer.reason()));
    }
    Ok(())
}

/// The file that says that this place was told, by this machine: a clone has its own first join.
fn mark(settings: &Settings, place: &str) -> PathBuf {
    let since = Binding::read(&settings.pki_dir).map(|binding| binding.since);
    let whose = format!("{place}\n{}", since.unwrap_or_default());
    let sum = digest::bytes(whose.as_bytes(), "sha256").unwrap_or_default();
    let name = format!("reported-{}", sum.get(..16).unwrap_or("x"));
    Path::new(&settings.pki_dir).join(name)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn report(url: &str) -> Report {
        Report {
            url: url.to_owned(),
            put: false,
            token: Some("t0ken".to_owned()),
            cfn: false,
            at_ready: false,
            timeout: Duration::from_secs(1),
        }
    }

    fn outcome() -> Outcome {
        Outcome {
            success: false,
            reason: "pending".into(),
            detail: "m1: \"wait\"".into(),
        }
    }

    #[test]
    fn heat_and_cloudformation_have_their_own_names() {
        let mut report = report("http://x");
        let read = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
        let heat = read(&body(&report, "m1", &outcome()));
        assert_eq!(heat["status"], "FAILURE");
        assert_eq!(heat["data"], "pending");
        report.cfn = true;
        let cfn = read(&body(&report, "m1", &outcome()));
        assert_eq!(cfn["Status"], "FAILURE");
        assert_eq!(cfn["UniqueId"], "m1");
        assert!(!format!("{report:?}").contains("t0ken"));
    }

    #[test]
    fn a_signal_is_a_post_with_its_token_and_a_no_is_an_error() {
        for (status, fine) in [("200 OK", true), ("404 Not Found", false)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut bytes = Vec::new();
                let mut some = [0; 4096];
                while !bytes.ends_with(b"}") {
                    let read = stream.read(&mut some).unwrap();
                    bytes.extend(&some[..read]);
                }
                let head =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
                String::from_utf8(bytes).unwrap()
            });
            let report = report(&format!("http://{address}/signal?sig=secret"));
            let sent = send(&report, &body(&report, "m1", &outcome()), None);
            assert_eq!(sent.is_ok(), fine, "{sent:?}");
            assert!(!format!("{sent:?}").contains("secret"));
            let request = server.join().unwrap();
            assert!(request.starts_with("POST /signal?sig=secret "), "{request}");
            assert!(
                request.to_lowercase().contains("x-auth-token: t0ken"),
                "{request}"
            );
        }
    }
}
