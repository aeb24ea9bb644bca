//! `salt-agent status`: what the daemon says of itself.

use std::time::Duration;

use super::print::Paint;
use super::{Code, load, print, source};
use crate::cli::{Format, Global, StatusArgs};
use crate::control::{self, MasterReport, StatusReport};
use crate::identity::Cache;

pub(super) fn run(global: &Global, args: &StatusArgs) -> anyhow::Result<Code> {
    let loaded = load(&source(global), Cache::Read)?;
    let timeout = Duration::from_secs(args.timeout.max(1));
    let report = control::status(&loaded.settings.control_socket(), timeout)?;
    match args.output {
        Format::Json => print::json(&report)?,
        Format::Text => print::data(&text(&report, Paint::for_stdout()))?,
    }
    Ok(code(&report))
}

/// Ready with every master is success; otherwise the code of the first trouble.
fn code(report: &StatusReport) -> Code {
    let trouble = report.masters.iter().find(|m| m.state != "ready");
    trouble.map_or(Code::OK, |master| {
        let reason = master.reason.as_deref();
        let reason = reason.and_then(salt_wire::error::Reason::from_code);
        reason.map_or(Code::UNAVAILABLE, Code::of_reason)
    })
}

fn text(report: &StatusReport, paint: Paint) -> String {
    let mut lines = vec![format!(
        "{} (salt-agent {}, process {}, up {})",
        report.id,
        report.version,
        report.pid,
        ago(report.uptime)
    )];
    if !report.fingerprint.is_empty() {
        lines.push(format!("  key       {}", report.fingerprint));
    }
    for master in &report.masters {
        lines.push(line_of(master, paint));
        if let Some(finger) = &master.fingerprint {
            lines.push(format!("            key {finger}"));
        }
        if let Some(detail) = &master.detail {
            lines.push(format!("            {detail}"));
        }
    }
    if report.masters.is_empty() {
        lines.push("  master    none".to_owned());
    }
    if let Some((boot, start)) = report.ready_after_boot.zip(report.ready_after_start) {
        lines.push(format!(
            "  ready     {} after the kernel's start, {} after the agent's",
            tenths(boot),
            tenths(start)
        ));
    }
    if let Some(parent) = &report.cloned_from {
        lines.push(format!("  clone     of {parent}"));
    }
    lines.push(format!("  jobs      {}", report.jobs.len()));
    for job in &report.jobs {
        let (state, since) = (&job.state, ago(job.since));
        lines.push(format!(
            "            {} {} {state} for {since}",
            job.jid, job.fun
        ));
    }
    let spool = &report.spool;
    let mut waiting = format!(
        "  spool     {} returns, {} bytes",
        spool.entries, spool.bytes
    );
    if spool.entries > 0 {
        waiting.push_str(&format!(", the oldest {} old", ago(spool.oldest)));
    }
    if spool.dropped > 0 {
        waiting.push_str(&paint.red(&format!(", {} given up", spool.dropped)));
    }
    if let Some((reason, detail)) = spool.reason.as_ref().zip(spool.detail.as_ref()) {
        waiting.push_str(&format!("\n            {reason}: {detail}"));
    }
    lines.push(waiting);
    lines.push(match &report.highstate {
        None => "  highstate none yet".to_owned(),
        Some(run) => {
            let word = if run.success {
                paint.green("succeeded")
            } else {
                paint.red("failed")
            };
            let how = if run.test { " (test)" } else { "" };
            format!(
                "  highstate {word}{how} at {}: {} succeeded ({} changed), {} failed",
                run.finished, run.succeeded, run.changed, run.failed
            )
        }
    });
    if !report.remaster.is_empty() && report.remaster != "steady" {
        lines.push(format!("  remaster  {}", paint.yellow(&report.remaster)));
    }
    for warning in &report.warnings {
        lines.push(format!("  {} {warning}", paint.yellow("warning")));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn line_of(master: &MasterReport, paint: Paint) -> String {
    let state = match master.state.as_str() {
        "ready" => paint.green("ready"),
        "lost" => paint.red("lost"),
        other => paint.yellow(other),
    };
    let reason = master.reason.as_ref();
    let reason = reason.map_or_else(String::new, |r| format!(" ({r})"));
    let since = ago(master.since);
    format!("  master    {} {state}{reason} for {since}", master.address)
}

/// Milliseconds as seconds with one digit, however many.
fn tenths(milliseconds: u64) -> String {
    format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// Seconds as people say them.
fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: &str, reason: Option<&str>) -> StatusReport {
        StatusReport {
            masters: vec![MasterReport {
                address: "salt:4506".into(),
                state: state.into(),
                reason: reason.map(str::to_owned),
                ..MasterReport::default()
            }],
            ..StatusReport::default()
        }
    }

    #[test]
    fn the_code_tells_the_state() {
        assert_eq!(code(&report("ready", None)), Code::OK);
        assert_eq!(code(&report("pending", Some("pending"))), Code::TRY_LATER);
        assert_eq!(code(&report("lost", Some("dns"))), Code::UNAVAILABLE);
        assert_eq!(
            code(&report("lost", Some("master-key-mismatch"))),
            Code::DENIED
        );
        assert_eq!(code(&report("connecting", None)), Code::UNAVAILABLE);
    }
}
