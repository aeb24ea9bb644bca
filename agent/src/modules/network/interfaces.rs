//! The machine's interfaces, their addresses and networks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use salt_wire::{Map, Value};

use super::address::{self, in_net, is_private, parse_net};
use crate::context::{Args, Context, Error, Result, python};
use crate::fnmatch::fnmatch;
use crate::host::net::{self, Assigned, Interface};

fn all() -> Result<Vec<Interface>> {
    net::interfaces().map_err(|e| Error::execution(format!("the interfaces cannot be read: {e}")))
}

pub(super) fn interfaces(_: &Context, _: &Args) -> Result {
    let entries = all()?.into_iter();
    let map: Map = entries
        .map(|i| (i.name.as_str().into(), i.to_value()))
        .collect();
    Ok(map.into())
}

/// One interface, or Salt's words for one that is not there.
fn one(args: &Args) -> Result<std::result::Result<Interface, Value>> {
    let name = args.text("iface")?;
    let all = all()?;
    let names: Vec<&str> = all.iter().map(|i| i.name.as_str()).collect();
    let missing = format!(
        "Interface \"{name}\" not in available interfaces: \"{}\"",
        names.join("\", \"")
    );
    Ok(all
        .into_iter()
        .find(|i| i.name == name)
        .ok_or_else(|| missing.into()))
}

pub(super) fn hw_addr(_: &Context, args: &Args) -> Result {
    Ok(one(args)?.map_or_else(|e| e, |i| i.hwaddr.unwrap_or_default().into()))
}

pub(super) fn interface(_: &Context, args: &Args) -> Result {
    let found = one(args)?.map(|i| i.to_value().get("inet").cloned());
    Ok(found.map_or_else(|e| e, |inet| inet.unwrap_or_else(|| "".into())))
}

pub(super) fn interface_ip(_: &Context, args: &Args) -> Result {
    let first = |i: Interface| {
        let mut inet = i
            .addresses
            .iter()
            .filter(|a| a.ip.is_ipv4() && !a.secondary);
        inet.next()
            .map(|a| a.ip.to_string())
            .unwrap_or_default()
            .into()
    };
    Ok(one(args)?.map_or_else(|e| e, first))
}

/// The addresses of a family on the chosen interfaces.
fn assigned(wanted: &Value, v4: bool) -> Result<Vec<Assigned>> {
    let patterns: Option<Vec<String>> = match wanted {
        Value::Null => None,
        Value::List(names) => Some(names.iter().map(python::text).collect()),
        other => Some(
            python::text(other)
                .split(',')
                .map(|p| p.trim().to_owned())
                .collect(),
        ),
    };
    let chosen = all()?.into_iter().filter(|i| {
        let fits = |p: &[String]| p.iter().any(|p| fnmatch(&i.name, p));
        patterns.as_deref().is_none_or(fits)
    });
    Ok(chosen
        .flat_map(|i| i.addresses)
        .filter(|a| a.ip.is_ipv4() == v4)
        .collect())
}

pub(super) fn addresses(wanted: &Value, loopback: bool, v4: bool) -> Result<BTreeSet<IpAddr>> {
    let found = assigned(wanted, v4)?.into_iter().map(|a| a.ip);
    Ok(found.filter(|ip| loopback || !ip.is_loopback()).collect())
}

fn texts(ips: impl IntoIterator<Item = IpAddr>) -> Value {
    ips.into_iter()
        .map(|ip| ip.to_string())
        .collect::<Vec<_>>()
        .into()
}

/// The addresses that the arguments `interface`, `include_loopback` and `cidr` leave.
fn wanted(args: &Args, v4: bool) -> Result<BTreeSet<IpAddr>> {
    let mut found = addresses(args.get("interface"), args.flag("include_loopback"), v4)?;
    if args.flag("cidr") {
        let cidr = parse_net(&args.text("cidr")?, true);
        found.retain(|ip| cidr.is_some_and(|c| in_net(c, *ip)));
    }
    Ok(found)
}

pub(super) fn ip_addrs(_: &Context, args: &Args) -> Result {
    let found = wanted(args, true)?;
    if args.flag("cidr") {
        return Ok(texts(found));
    }
    Ok(match args.get("type").as_str() {
        Some("public") => texts(found.into_iter().filter(|ip| !is_private(*ip))),
        Some("private") => texts(found.into_iter().filter(|ip| is_private(*ip))),
        _ => texts(found),
    })
}

pub(super) fn ip_addrs6(_: &Context, args: &Args) -> Result {
    Ok(texts(wanted(args, false)?))
}

pub(super) fn in_subnet(_: &Context, args: &Args) -> Result {
    let Some(net) = parse_net(&args.text("cidr")?, true) else {
        return Ok(false.into());
    };
    let mut own = addresses(&Value::Null, false, true)?;
    own.extend(addresses(&Value::Null, false, false)?);
    Ok(own.iter().any(|ip| in_net(net, *ip)).into())
}

/// The networks of these addresses, in Salt's order.
fn nets(addresses: &[Assigned], loopback: bool) -> Vec<IpNet> {
    let found: BTreeSet<(IpAddr, u8)> = addresses
        .iter()
        .filter(|a| loopback || !a.ip.is_loopback())
        .filter_map(|a| IpNet::new(a.ip, a.prefix).ok())
        .map(|n| (n.network(), n.prefix_len()))
        .collect();
    let found = found.into_iter();
    found
        .filter_map(|(ip, prefix)| IpNet::new(ip, prefix).ok())
        .collect()
}

fn net_texts(nets: &[IpNet]) -> Value {
    nets.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .into()
}

pub(super) fn subnets(_: &Context, args: &Args) -> Result {
    Ok(net_texts(&nets(
        &assigned(args.get("interfaces"), true)?,
        false,
    )))
}

pub(super) fn subnets6(_: &Context, _: &Args) -> Result {
    Ok(net_texts(&nets(&assigned(&Value::Null, false)?, false)))
}

fn networks(args: &Args, v4: bool) -> Result {
    let assigned = assigned(args.get("interface"), v4)?;
    let found = nets(&assigned, args.flag("include_loopback"));
    if !args.flag("verbose") {
        return Ok(net_texts(&found));
    }
    let entries = found
        .iter()
        .map(|n| (n.to_string().into(), address::describe(*n)));
    Ok(Value::Map(entries.collect()))
}

pub(super) fn ip_networks(_: &Context, args: &Args) -> Result {
    networks(args, true)
}

pub(super) fn ip_networks6(_: &Context, args: &Args) -> Result {
    networks(args, false)
}

pub(super) fn ifacestartswith(_: &Context, args: &Args) -> Result {
    let prefix = args.text("cidr")?;
    let mut found = Vec::new();
    for interface in all()? {
        for a in interface
            .addresses
            .iter()
            .filter(|a| a.ip.is_ipv4() && !a.secondary)
        {
            if a.ip.to_string().starts_with(&prefix) {
                found.push(a.label.clone());
            }
        }
    }
    Ok(found.into())
}
