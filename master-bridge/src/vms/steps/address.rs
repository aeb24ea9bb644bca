//! Floating addresses: taken, led from one server to another with a measured moment, led back, given back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::World;
use super::probe::{Prober, blackout, streak};
use crate::cloud::{FloatingIp, Port};
use crate::error::{Error, Kind, Result};
use crate::plan::cloud::{Lead, Probe, Ref, What};

/// Neutron shows what it was told at once; an agent may take a moment.
const READ_BACK: Duration = Duration::from_secs(30);
/// Before the flip: so many questions must be answered for the moment to be measurable.
const WARM_UP: Duration = Duration::from_millis(1500);
/// So many answers in a row end a blackout.
const STEADY: usize = 10;

fn marked(op: &str) -> String {
    format!("master-bridge {op}")
}

pub(super) async fn find(world: &mut World<'_>, key: &str) -> Result<Option<Value>> {
    let mark = marked(&world.mark(key));
    let all = world.cloud.floating_ips().await?;
    Ok(all
        .into_iter()
        .find(|ip| ip.description == mark)
        .map(|ip| value(&ip)))
}

fn value(ip: &FloatingIp) -> Value {
    json!({"id": ip.id, "address": ip.floating_ip_address})
}

pub(super) async fn allocate(world: &mut World<'_>, key: &str, network: &str) -> Result<Value> {
    let mark = marked(&world.mark(key));
    match world.cloud.allocate_floating_ip(network, &mark).await {
        Ok(ip) => Ok(value(&ip)),
        Err(fault) if fault.is_transient() => match find(world, key).await? {
            Some(made) => Ok(made),
            None => Err(fault.into()),
        },
        Err(fault) => Err(fault.into()),
    }
}

pub(super) async fn give_back(world: &mut World<'_>, made: Option<&Value>) -> Result<()> {
    if let Some(id) = made.and_then(|made| made.get("id")?.as_str()) {
        world.cloud.release_floating_ip(id).await?;
    }
    Ok(())
}

/// The parts of a flip.
struct Flip<'a> {
    ip: &'a Ref,
    server: &'a Ref,
    fixed_ip: Option<&'a str>,
    before: Option<&'a Lead>,
    probe: Option<&'a Probe>,
}

impl<'a> Flip<'a> {
    fn of(what: &'a What) -> Result<Self> {
        let What::Flip {
            ip,
            server,
            fixed_ip,
            before,
            probe,
            ..
        } = what
        else {
            return Err(Error::new(Kind::Local, "this step is no flip"));
        };
        Ok(Self {
            ip,
            server,
            fixed_ip: fixed_ip.as_deref(),
            before: before.as_ref(),
            probe: probe.as_ref(),
        })
    }
}

async fn look(world: &World<'_>, id: &str) -> Result<FloatingIp> {
    world.cloud.floating_ip(id).await?.ok_or_else(|| {
        Error::new(
            Kind::NothingMatched,
            format!("the floating IP {id} is gone"),
        )
        .hint("somebody else gave it back; `ops rollback` undoes the rest")
    })
}

fn lead(ip: &FloatingIp) -> Option<Lead> {
    Some(Lead {
        port: ip.port_id.clone()?,
        fixed_ip: ip.fixed_ip_address.clone()?,
    })
}

/// Where on a server a floating address is to lead: the address that was named, else its only one, else the one on
/// the subnet that it led to before.
async fn goal(
    world: &World<'_>,
    server: &str,
    named: Option<&str>,
    before: Option<&Lead>,
) -> Result<Lead> {
    let ports = world.cloud.ports_of(server).await?;
    let old = match before {
        Some(lead) => world.cloud.port(&lead.port).await?,
        None => None,
    };
    choose(server, &ports, named, old.as_ref())
}

fn choose(server: &str, ports: &[Port], named: Option<&str>, old: Option<&Port>) -> Result<Lead> {
    let mut all: Vec<(Lead, &str)> = Vec::new();
    for port in ports {
        for ip in port
            .fixed_ips
            .iter()
            .filter(|ip| !ip.ip_address.contains(':'))
        {
            let lead = Lead {
                port: port.id.clone(),
                fixed_ip: ip.ip_address.clone(),
            };
            all.push((lead, &ip.subnet_id));
        }
    }
    if let Some(named) = named {
        all.retain(|(lead, _)| lead.fixed_ip == named);
    }
    if all.len() > 1
        && let Some(old) = old
    {
        let same: Vec<_> = all
            .iter()
            .filter(|(_, subnet)| old.fixed_ips.iter().any(|ip| ip.subnet_id == **subnet))
            .cloned()
            .collect();
        if !same.is_empty() {
            all = same;
        }
    }
    match (all.pop(), all.is_empty()) {
        (Some((lead, _)), true) => Ok(lead),
        (None, _) => {
            let what =
                named.map_or_else(|| "IPv4 address".to_owned(), |ip| format!("address {ip}"));
            Err(Error::new(
                Kind::NothingMatched,
                format!("server {server} has no {what} on any port"),
            ))
        }
        (Some(last), false) => {
            all.push(last);
            let mut error = Error::new(
                Kind::Usage,
                format!("server {server} has several addresses to lead to"),
            )
            .hint("name one with --fixed-ip");
            error.causes = all
                .iter()
                .map(|(lead, _)| format!("{} on port {}", lead.fixed_ip, lead.port))
                .collect();
            Err(error)
        }
    }
}

/// Whether it leads there already.
pub(super) async fn find_flip(world: &mut World<'_>, what: &What) -> Result<Option<Value>> {
    let flip = Flip::of(what)?;
    let (Ok(ip), Ok(server)) = (world.id(flip.ip), world.id(flip.server)) else {
        return Ok(None);
    };
    let Some(now) = world.cloud.floating_ip(&ip).await? else {
        return Ok(None);
    };
    let goal = match goal(world, &server, flip.fixed_ip, flip.before).await {
        // A server without ports is gone, and nothing leads to it.
        Err(error) if error.kind == Kind::NothingMatched => return Ok(None),
        other => other?,
    };
    let there = lead(&now).as_ref() == Some(&goal);
    // What was not watched is not measured.
    Ok(there.then(|| made(&now, &goal, None)))
}

fn made(ip: &FloatingIp, goal: &Lead, measured: Option<(Duration, usize)>) -> Value {
    json!({
        "id": ip.id, "address": ip.floating_ip_address, "port": goal.port, "fixed_ip": goal.fixed_ip,
        "blackout_ms": measured.map(|(time, _)| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        "probes": measured.map(|(_, count)| count),
    })
}

/// One update, looked at before and after, and measured.
pub(super) async fn flip(world: &mut World<'_>, key: &str, what: &What) -> Result<Value> {
    let flip = Flip::of(what)?;
    let (id, server) = (world.id(flip.ip)?, world.id(flip.server)?);
    let ip = look(world, &id).await?;
    let goal = goal(world, &server, flip.fixed_ip, flip.before).await?;
    let now = lead(&ip);
    if now.as_ref() == Some(&goal) {
        return Ok(made(&ip, &goal, None));
    }
    if now.as_ref() != flip.before {
        let at =
            |lead: Option<&Lead>| lead.map_or_else(|| "nowhere".into(), |l| l.fixed_ip.clone());
        let text = format!(
            "{} leads to {} now, and led to {} when the plan was made",
            ip.floating_ip_address,
            at(now.as_ref()),
            at(flip.before)
        );
        return Err(Error::new(Kind::Refused, text)
            .hint("somebody else moved it: look who, and make a new plan"));
    }
    let watch = match flip.probe {
        Some(probe) => Some((
            Prober::start(&probe.target, &ip.floating_ip_address)?,
            probe,
        )),
        None => None,
    };
    if let Some((prober, _)) = &watch {
        tokio::time::sleep(WARM_UP).await;
        let answered = prober.samples().iter().any(|(_, ok)| *ok);
        if flip.before.is_some() && !answered {
            world
                .progress
                .note("warning: the probe is not answered by the old server either");
        }
    }
    world.progress.at(
        key,
        &format!(
            "{} to {} on port {}",
            ip.floating_ip_address, goal.fixed_ip, goal.port
        ),
    );
    let moment = Instant::now();
    turn(world, &ip, Some(&goal)).await?;
    let Some((prober, probe)) = watch else {
        return Ok(made(&ip, &goal, None));
    };
    let limit = Duration::from_millis(probe.limit);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let samples = prober.samples();
        let black = blackout(&samples, moment, Instant::now());
        let steady = streak(&samples, moment) >= STEADY;
        if black > limit {
            turn(world, &ip, flip.before).await?;
            let text = format!(
                "{} was not answered for {} ms, more than {} ms: it leads back to the old server",
                ip.floating_ip_address,
                black.as_millis(),
                probe.limit
            );
            return Err(Error::new(Kind::Failed, text).hint(
                "does the new server answer from outside (security groups, service)? --max-blackout allows longer",
            ));
        }
        if steady {
            let count = samples.iter().filter(|(at, _)| *at > moment).count();
            world
                .progress
                .at(key, &format!("blackout {} ms", black.as_millis()));
            return Ok(made(&ip, &goal, Some((black, count))));
        }
    }
}

/// Updates, and reads back until Neutron shows it.
async fn turn(world: &World<'_>, ip: &FloatingIp, to: Option<&Lead>) -> Result<()> {
    let goal = to.map(|lead| (lead.port.as_str(), lead.fixed_ip.as_str()));
    world.cloud.lead_floating_ip(&ip.id, goal).await?;
    let end = Instant::now() + READ_BACK;
    loop {
        let now = look(world, &ip.id).await?;
        if lead(&now).as_ref() == to {
            return Ok(());
        }
        if Instant::now() > end {
            let text = format!(
                "Neutron took the update of {} and shows another port still",
                ip.floating_ip_address
            );
            return Err(Error::new(Kind::Failed, text)
                .hint("`openstack floating ip show` tells what it shows now"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Leads it back, unless somebody else has led it elsewhere since.
pub(super) async fn flip_back(
    world: &mut World<'_>,
    what: &What,
    done: Option<&Value>,
) -> Result<()> {
    let flip = Flip::of(what)?;
    let Ok(id) = world.id(flip.ip) else {
        return Ok(());
    };
    let Some(ip) = world.cloud.floating_ip(&id).await? else {
        return Ok(());
    };
    let now = lead(&ip);
    let word = |name: &str| done.and_then(|made| made.get(name)?.as_str());
    let ours = match &now {
        None => true,
        Some(now) => word("port") == Some(&now.port),
    };
    if now.as_ref() == flip.before || !ours {
        if !ours {
            let text = format!(
                "{} leads elsewhere by now, and is left there",
                ip.floating_ip_address
            );
            world.progress.note(&text);
        }
        return Ok(());
    }
    turn(world, &ip, flip.before).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::port::FixedIp;

    fn port(id: &str, ips: &[(&str, &str)]) -> Port {
        let fixed_ips = ips.iter().map(|(subnet, ip)| FixedIp {
            subnet_id: (*subnet).into(),
            ip_address: (*ip).into(),
        });
        Port {
            id: id.into(),
            name: String::new(),
            network_id: String::new(),
            device_id: "s".into(),
            device_owner: String::new(),
            status: "ACTIVE".into(),
            fixed_ips: fixed_ips.collect(),
            security_groups: Vec::new(),
            description: String::new(),
        }
    }

    #[test]
    fn the_address_on_the_old_subnet_is_chosen_and_twins_are_named() {
        let ports = [
            port("p", &[("a", "10.0.0.1"), ("a6", "fe80::1")]),
            port("q", &[("b", "10.1.0.1")]),
        ];
        let pick = |named, old: Option<&Port>| choose("s", &ports, named, old);
        assert_eq!(pick(Some("10.1.0.1"), None).unwrap().port, "q");
        let twins = pick(None, None).unwrap_err();
        assert_eq!((twins.kind, twins.causes.len()), (Kind::Usage, 2));
        let old = port("old", &[("b", "10.1.0.9")]);
        assert_eq!(pick(None, Some(&old)).unwrap().fixed_ip, "10.1.0.1");
        assert_eq!(
            choose("s", &ports[..1], None, None).unwrap().fixed_ip,
            "10.0.0.1"
        );
        assert_eq!(
            pick(Some("1.1.1.1"), None).unwrap_err().kind,
            Kind::NothingMatched
        );
        assert_eq!(
            choose("s", &[], None, None).unwrap_err().kind,
            Kind::NothingMatched
        );
    }
}
