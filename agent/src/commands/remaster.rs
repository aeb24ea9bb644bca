//! `salt-agent remaster`: the daemon's remaster machine, asked over the control socket.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use salt_wire::{Map, Value, map};

use super::{Code, load, print, source};
use crate::cli::{Format, Global, RemasterAction, RemasterArgs};
use crate::config::MasterAddress;
use crate::control;
use crate::host::Cancel;
use crate::identity::Cache;
use crate::modules::remaster::look;

/// The machine answers at the latest after its slowest effect.
const TIMEOUT: Duration = Duration::from_secs(90);
/// A look may run a whole highstate.
const LOOK: Duration = Duration::from_mins(20);
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
                "rounds" => to.rounds,
                "changes" => to.changes,
                "key" => contents(to.key.as_deref())?,
            });
            (ask(map! {"do" => "to", "order" => order})?, to.follow)
        }
        RemasterAction::Check(check) => {
            let mut order = addressed(&check.master, check.publish_port)?;
            order.extend(map! {
                "finger" => check.finger.as_ref().map(ToString::to_string),
                "key" => contents(check.key.as_deref())?,
                "changes" => check.changes,
            });
            let request = look(order, check.auth);
            let findings = control::ask(&socket, "remaster", request, LOOK)?;
            show(&findings, args.output)?;
            // What was not made is no fault.
            let good = |finding: &Value| finding.get("ok").and_then(Value::as_bool) != Some(false);
            let all = findings.as_map().is_some_and(|map| map.values().all(good));
            return Ok(if all { Code::OK } else { Code::FAILED });
        }
        RemasterAction::Order { file } => {
            let text = contents(Some(file))?.unwrap_or_default();
            (ask(map! {"do" => "order", "text" => text})?, false)
        }
        RemasterAction::Rekey { master, finger } => {
            let mut order = addressed(master, None)?;
            order.extend(map! {"finger" => finger.to_string(), "rekey" => true});
            (ask(map! {"do" => "to", "order" => order})?, false)
        }
        RemasterAction::RotateKey { action } => {
            let request = map! {"do" => action.name()};
            let answer = control::ask(&socket, "rotate_key", request, TIMEOUT)?;
            show(&answer, args.output)?;
            return Ok(Code::OK);
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

/// The text of a file that an option may name.
fn contents(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let read = |file: &Path| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    file.map(read).transpose()
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
