//! `salt-agent doctor`: everything between this machine and its masters, a line each with what to do.
//!
//! One more thing to look at: a function in `local.rs` or `master.rs` that gives a [`Finding`].

mod local;
mod master;

use std::time::Duration;

use anyhow::anyhow;
use salt_wire::error::Reason;
use serde::Serialize;

use super::print::Paint;
use super::{Code, load, print, source};
use crate::cli::{DoctorArgs, Format, Global};
use crate::config::MasterAddress;
use crate::identity::Cache;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Fine.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
    /// It could not be looked at, because something before it failed.
    Skipped,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at: `config`, `dns`, `port-4506`, …
    check: &'static str,
    /// Of which master.
    #[serde(skip_serializing_if = "Option::is_none")]
    master: Option<String>,
    /// How it is.
    state: State,
    /// The reason code, the same word as in `status`, in logs and in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What was seen.
    detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The exit code that it asks for.
    #[serde(skip)]
    code: Option<Code>,
}

impl Finding {
    fn new(check: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self {
            check,
            master: None,
            state,
            reason: None,
            detail: detail.into(),
            hint: None,
            code: None,
        }
    }

    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Ok, detail)
    }

    fn warning(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Warning, detail)
    }

    fn failed(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Failed, detail)
    }

    fn skipped(check: &'static str, because: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, because)
    }

    fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason.code());
        self.code = Some(Code::of_reason(reason));
        self
    }

    fn word(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn of(mut self, master: &MasterAddress) -> Self {
        self.master = Some(master.to_string());
        self
    }
}

pub(super) fn run(global: &Global, args: &DoctorArgs) -> anyhow::Result<Code> {
    let findings = findings(global, args)?;
    match args.output {
        Format::Json => print::json(&serde_json::json!({
            "healthy": findings.iter().all(|f| f.state != State::Failed),
            "findings": findings,
        }))?,
        Format::Text => print::data(&text(&findings, Paint::for_stdout()))?,
    }
    Ok(code(&findings))
}

fn findings(global: &Global, args: &DoctorArgs) -> anyhow::Result<Vec<Finding>> {
    let source = source(global);
    let loaded = match load(&source, Cache::Read) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(vec![local::config_error(&error)]),
    };
    let mut settings = loaded.settings.clone();
    let patience = Duration::from_secs(args.timeout.max(1));
    if let Some(text) = &args.master {
        let address = MasterAddress::parse(text, settings.master.port);
        settings.master.addresses = vec![address.map_err(|cause| anyhow!("--master: {cause}"))?];
    }
    let mut findings = vec![local::config(&loaded)];
    findings.extend(local::disk(&settings));
    let (key, finding) = local::key(&settings);
    findings.push(finding);
    findings.push(local::compat(&settings));
    let copied = local::copied(&settings);
    // A parent's key is shown to nobody.
    let key = key.filter(|_| copied.is_none());
    findings.extend(copied);
    findings.push(local::clock());
    findings.push(local::daemon(&settings, patience));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for address in &settings.master.addresses {
        let look = master::look(&settings, address, key.as_ref(), patience);
        findings.extend(runtime.block_on(look));
    }
    Ok(findings)
}

/// The code of the first failure.
fn code(findings: &[Finding]) -> Code {
    let failed = findings.iter().find(|f| f.state == State::Failed);
    failed.map_or(Code::OK, |f| f.code.unwrap_or(Code::FAILED))
}

fn text(findings: &[Finding], paint: Paint) -> String {
    let mut text = String::new();
    let mut master = None;
    for finding in findings {
        if finding.master != master {
            master.clone_from(&finding.master);
            if let Some(master) = &master {
                text.push_str(&format!("master {master}\n"));
            }
        }
        let state = match finding.state {
            State::Ok => paint.green("ok     "),
            State::Warning => paint.yellow("warning"),
            State::Failed => paint.red("failed "),
            State::Skipped => "skipped".to_owned(),
        };
        let reason = finding
            .reason
            .map_or_else(String::new, |r| format!("{r}: "));
        let indent = if finding.master.is_some() { "  " } else { "" };
        let (check, detail) = (finding.check, &finding.detail);
        text.push_str(&format!("{indent}{state} {check:12} {reason}{detail}\n"));
        if let Some(hint) = &finding.hint {
            text.push_str(&format!("{indent}                     hint: {hint}\n"));
        }
    }
    text
}
