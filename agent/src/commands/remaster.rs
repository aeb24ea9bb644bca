//! `salt-agent remaster`: the daemon's remaster machine, asked over the control socket.

use std::time::Duration;

use salt_wire::{Map, Value, map};

use super::{Code, load, print, source};
use crate::cli::{Format, Global, RemasterAction, RemasterArgs};
use crate::config::MasterAddress;
use crate::control;
use crate::host::Cancel;
use crate::identity::Cache;

/// The machine answers at the latest after its slowest effect.
const TIMEOUT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(500);

pub(super) fn run(global: &Global, args: &RemasterArgs) -> anyhow::Result<Code> {
    let loaded = load(&source(global), Cache::Read)?;
    let socket = loaded.settings.control_socket();
    let ask = |request: Map| control::ask(&socket, "remaster", request, TIMEOUT);
    let (answer, follow) = match &args.action {
        RemasterAction::To(to) => {
            let mut order = addressed(&to.master, to.publish_port)?;
            order.extend(map! {
                "finger" => to.finger.to_string(),
                "wait" => to.wait,
                "confirm" => to.confirm,
                "highstate" => to.highstate,
            });
            (ask(map! {"do" => "to", "order" => order})?, to.follow)
        }
        RemasterAction::Check(check) => {
            let mut order = addressed(&check.master, check.publish_port)?;
            order.insert("finger".into(), "00".repeat(32).into());
            let findings = ask(map! {"do" => "check", "order" => order})?;
            show(&findings, args.output)?;
            let good = |finding: &Value| finding.get("ok").and_then(Value::as_bool) == Some(true);
            let all = findings.as_map().is_some_and(|map| map.values().all(good));
            return Ok(if all { Code::OK } else { Code::FAILED });
        }
        RemasterAction::Status => (ask(map! {"do" => "status"})?, false),
        RemasterAction::Confirm => (ask(map! {"do" => "confirm"})?, false),
        RemasterAction::Cancel => (ask(map! {"do" => "cancel"})?, false),
        RemasterAction::Rollback => (ask(map! {"do" => "rollback"})?, false),
    };
    if !follow {
        show(&answer, args.output)?;
        return Ok(Code::OK);
    }
    let mut answer = answer;
    // The machine has deadlines of its own; each question has one too.
    while !matches!(state(&answer), "steady" | "probation") {
        Cancel::new().sleep(PAUSE);
        answer = ask(map! {"do" => "status"})?;
    }
    show(&answer, args.output)?;
    let outcome = answer
        .get("last")
        .and_then(|last| last.get("outcome"))
        .and_then(Value::as_str);
    Ok(
        if state(&answer) == "steady" && outcome == Some("rolled_back") {
            Code::FAILED
        } else {
            Code::OK
        },
    )
}

fn state(answer: &Value) -> &str {
    answer
        .get("state")
        .and_then(Value::as_str)
        .unwrap_or("steady")
}

fn addressed(master: &str, publish_port: Option<u16>) -> anyhow::Result<Map> {
    let address = MasterAddress::parse(master, salt_wire::order::MASTER_PORT)
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut order = map! {
        "master" => address.host.as_str(),
        "master_port" => u64::from(address.port),
    };
    if let Some(port) = publish_port {
        order.insert("publish_port".into(), u64::from(port).into());
    }
    Ok(order)
}

fn show(answer: &Value, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => print::json(answer),
        Format::Text => {
            let options = salt_yaml::DumpOptions::default();
            Ok(print::data(&salt_yaml::dump(answer, &options)?)?)
        }
    }
}
