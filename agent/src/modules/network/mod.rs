//! `network`: interfaces, addresses, routes and connections. `address.rs` has what is pure arithmetic,
//! `tables.rs` reads the kernel's tables.

mod address;
mod connect;
mod hostname;
mod tables;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::fnmatch::fnmatch;
use crate::host::net::{self, Assigned, Interface};
use crate::host::{env, netlink};
use address::{in_net, is_private, parse_ip, parse_net};

/// The rows of `network`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "network.active_tcp",
        "",
        tables::active_tcp,
        "Return a map of all established TCP connections.",
        "salt '*' network.active_tcp"
    ),
    row!(
        "network.arp",
        "",
        tables::arp,
        "Return the arp table from the minion.",
        "salt '*' network.arp"
    ),
    row!(
        "network.calc_net",
        "ip_addr, netmask=None",
        address::calc_net,
        "Return the network of an address and its mask.",
        "salt '*' network.calc_net 172.17.0.5 255.255.255.240"
    ),
    row!(
        "network.connect",
        "host, port=None, **kwargs",
        connect::connect,
        "Try to connect to a host and port.",
        "salt '*' network.connect archlinux.org 80"
    ),
    row!(
        "network.convert_cidr",
        "cidr",
        address::convert_cidr,
        "Return network, mask and broadcast address of a network in CIDR notation.",
        "salt '*' network.convert_cidr 172.31.0.0/16"
    ),
    row!(
        "network.default_route",
        "family=None",
        default_route,
        "Return the default routes; ``family`` is inet or inet6.",
        "salt '*' network.default_route"
    ),
    row!(
        "network.dig",
        "host",
        dig,
        "Perform a DNS lookup with dig.",
        "salt '*' network.dig archlinux.org"
    ),
    row!(
        "network.fqdns",
        "",
        fqdns,
        "Return all names that the addresses of this minion have.",
        "salt '*' network.fqdns"
    ),
    row!(
        "network.get_fqdn",
        "",
        get_fqdn,
        "Return the fully qualified name of this minion.",
        "salt '*' network.get_fqdn"
    ),
    row!(
        "network.get_hostname",
        "",
        get_hostname,
        "Return the name of this minion.",
        "salt '*' network.get_hostname"
    ),
    row!(
        "network.get_route",
        "ip",
        get_route,
        "Return the way to an address.",
        "salt '*' network.get_route 10.10.10.10"
    ),
    row!(
        "network.hw_addr",
        "iface",
        hw_addr,
        "Return the hardware address of an interface.",
        "salt '*' network.hw_addr eth0"
    ),
    row!(
        "network.hwaddr",
        "iface",
        hw_addr,
        "Other name of ``network.hw_addr``.",
        "salt '*' network.hwaddr eth0"
    ),
    row!(
        "network.ifacestartswith",
        "cidr",
        ifacestartswith,
        "Return the interfaces with an address that starts like this.",
        "salt '*' network.ifacestartswith 10.0"
    ),
    row!(
        "network.in_subnet",
        "cidr",
        in_subnet,
        "Whether this minion has an address in a network.",
        "salt '*' network.in_subnet 10.0.0.0/16"
    ),
    row!(
        "network.interface",
        "iface",
        interface,
        "Return the IPv4 addresses of an interface with their masks.",
        "salt '*' network.interface eth0"
    ),
    row!(
        "network.interface_ip",
        "iface",
        interface_ip,
        "Return the first IPv4 address of an interface.",
        "salt '*' network.interface_ip eth0"
    ),
    row!(
        "network.interfaces",
        "",
        interfaces,
        "Return what there is to know about all interfaces.",
        "salt '*' network.interfaces"
    ),
    row!(
        "network.ip_addrs",
        "interface=None, include_loopback=False, cidr=None, type=None",
        ip_addrs,
        "Return the IPv4 addresses of this minion.",
        "salt '*' network.ip_addrs cidr=10.0.0.0/8"
    ),
    row!(
        "network.ip_addrs6",
        "interface=None, include_loopback=False, cidr=None",
        ip_addrs6,
        "Return the IPv6 addresses of this minion.",
        "salt '*' network.ip_addrs6"
    ),
    row!(
        "network.ip_in_subnet",
        "ip_addr, cidr",
        address::ip_in_subnet,
        "Whether an address is in a network.",
        "salt '*' network.ip_in_subnet 172.17.0.4 172.16.0.0/12"
    ),
    row!(
        "network.ip_neighs",
        "",
        tables::ip_neighs,
        "Return the IPv4 neighbours by hardware address.",
        "salt '*' network.ip_neighs"
    ),
    row!(
        "network.ip_neighs6",
        "",
        tables::ip_neighs6,
        "Return the IPv6 neighbours by hardware address.",
        "salt '*' network.ip_neighs6"
    ),
    row!(
        "network.ip_networks",
        "interface=None, include_loopback=False, verbose=False",
        ip_networks,
        "Return the IPv4 networks of this minion.",
        "salt '*' network.ip_networks"
    ),
    row!(
        "network.ip_networks6",
        "interface=None, include_loopback=False, verbose=False",
        ip_networks6,
        "Return the IPv6 networks of this minion.",
        "salt '*' network.ip_networks6"
    ),
    row!(
        "network.ipaddrs",
        "interface=None, include_loopback=False, cidr=None, type=None",
        ip_addrs,
        "Other name of ``network.ip_addrs``.",
        "salt '*' network.ipaddrs"
    ),
    row!(
        "network.ipaddrs6",
        "interface=None, include_loopback=False, cidr=None",
        ip_addrs6,
        "Other name of ``network.ip_addrs6``.",
        "salt '*' network.ipaddrs6"
    ),
    row!(
        "network.iphexval",
        "ip",
        address::iphexval,
        "Return an IPv4 address in hexadecimal.",
        "salt '*' network.iphexval 10.0.0.1"
    ),
    row!(
        "network.ipneighs",
        "",
        tables::ip_neighs,
        "Other name of ``network.ip_neighs``.",
        "salt '*' network.ipneighs"
    ),
    row!(
        "network.ipneighs6",
        "",
        tables::ip_neighs6,
        "Other name of ``network.ip_neighs6``.",
        "salt '*' network.ipneighs6"
    ),
    row!(
        "network.is_loopback",
        "ip_addr",
        address::is_loopback,
        "Whether an address is a loopback address.",
        "salt '*' network.is_loopback 127.0.0.1"
    ),
    row!(
        "network.is_private",
        "ip_addr",
        address::is_private_,
        "Whether an address is a private address.",
        "salt '*' network.is_private 10.0.0.3"
    ),
    row!(
        "network.mod_hostname",
        "hostname",
        hostname::mod_hostname,
        "Change the name of this minion.",
        "salt '*' network.mod_hostname master.saltstack.com"
    ),
    row!(
        "network.netstat",
        "",
        tables::netstat,
        "Return all sockets with their users and programs.",
        "salt '*' network.netstat"
    ),
    row!(
        "network.ping",
        "host, timeout=False, return_boolean=False",
        ping,
        "Ping a host; with ``return_boolean`` only whether it answers.",
        "salt '*' network.ping archlinux.org return_boolean=True"
    ),
    row!(
        "network.reverse_ip",
        "ip_addr",
        address::reverse_ip,
        "Return the name under which DNS has the name of an address.",
        "salt '*' network.reverse_ip 127.0.0.1"
    ),
    row!(
        "network.routes",
        "family=None",
        routes,
        "Return the routes of this minion; ``family`` is inet or inet6.",
        "salt '*' network.routes"
    ),
    row!(
        "network.subnets",
        "interfaces=None",
        subnets,
        "Return the IPv4 networks to which this minion belongs.",
        "salt '*' network.subnets"
    ),
    row!(
        "network.subnets6",
        "",
        subnets6,
        "Return the IPv6 networks to which this minion belongs.",
        "salt '*' network.subnets6"
    ),
    row!(
        "network.wol",
        "mac, bcast='255.255.255.255', destport=9",
        connect::wol,
        "Send a wake-on-LAN packet to a hardware address.",
        "salt '*' network.wol 08-00-27-13-69-77"
    ),
];

fn all() -> Result<Vec<Interface>> {
    net::interfaces().map_err(|e| Error::execution(format!("the interfaces cannot be read: {e}")))
}

fn interfaces(_: &Context, _: &Args) -> Result {
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

fn hw_addr(_: &Context, args: &Args) -> Result {
    Ok(one(args)?.map_or_else(|e| e, |i| i.hwaddr.unwrap_or_default().into()))
}

fn interface(_: &Context, args: &Args) -> Result {
    let found = one(args)?.map(|i| i.to_value().get("inet").cloned());
    Ok(found.map_or_else(|e| e, |inet| inet.unwrap_or_else(|| "".into())))
}

fn interface_ip(_: &Context, args: &Args) -> Result {
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

fn addresses(wanted: &Value, loopback: bool, v4: bool) -> Result<BTreeSet<IpAddr>> {
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

fn ip_addrs(_: &Context, args: &Args) -> Result {
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

fn ip_addrs6(_: &Context, args: &Args) -> Result {
    Ok(texts(wanted(args, false)?))
}

fn in_subnet(_: &Context, args: &Args) -> Result {
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

fn subnets(_: &Context, args: &Args) -> Result {
    Ok(net_texts(&nets(
        &assigned(args.get("interfaces"), true)?,
        false,
    )))
}

fn subnets6(_: &Context, _: &Args) -> Result {
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

fn ip_networks(_: &Context, args: &Args) -> Result {
    networks(args, true)
}

fn ip_networks6(_: &Context, args: &Args) -> Result {
    networks(args, false)
}

fn ifacestartswith(_: &Context, args: &Args) -> Result {
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

fn family(args: &Args) -> Result<Option<String>> {
    match args.opt_text("family")? {
        Some(f) if f != "inet" && f != "inet6" => {
            Err(Error::execution(format!("Invalid address family {f}")))
        }
        other => Ok(other),
    }
}

fn routes(_: &Context, args: &Args) -> Result {
    let family = family(args)?;
    let found = tables::routes().into_iter();
    let found = found.filter(|r| {
        let own = r.get("addr_family").and_then(Value::as_str);
        family.is_none() || own == family.as_deref()
    });
    Ok(found.collect::<Vec<_>>().into())
}

fn default_route(_: &Context, args: &Args) -> Result {
    let family = family(args)?;
    let found = tables::routes().into_iter().filter(|r| {
        let text = |key: &str| r.get(key).and_then(Value::as_str).unwrap_or_default();
        let fits = family.as_deref().is_none_or(|f| f == text("addr_family"));
        fits && matches!(text("destination"), "0.0.0.0" | "::/0" | "default")
    });
    Ok(found.collect::<Vec<_>>().into())
}

fn get_route(_: &Context, args: &Args) -> Result {
    let text = args.text("ip")?;
    // `ip route get` has no answer, and Salt's pattern does not match it.
    let ip = parse_ip(&text).map_err(|_| Error::Exception {
        kind: "AttributeError",
        message: "'NoneType' object has no attribute 'group'".to_owned(),
    })?;
    let route = netlink::route_to(ip)
        .map_err(|e| Error::execution(format!("there is no route to {text}: {e}")))?;
    let links = netlink::links().unwrap_or_default();
    let name = links
        .into_iter()
        .find(|l| l.index == route.link)
        .map(|l| l.name);
    Ok(Value::Map(salt_wire::map! {
        "destination" => text,
        "gateway" => route.gateway.map(|g| g.to_string()),
        "interface" => name,
        "source" => route.source.map(|s| s.to_string()),
    }))
}

fn get_hostname(_: &Context, _: &Args) -> Result {
    Ok(env::hostname().into())
}

/// As Python's `getfqdn`: the name of our name's address, and of its names the first with a dot.
fn get_fqdn(_: &Context, _: &Args) -> Result {
    let host = env::hostname();
    let deadline = Duration::from_secs(5);
    let address = net::addresses_of(&host, deadline).into_iter().next();
    let Some(name) = address.and_then(|ip| net::name_of(ip, deadline)) else {
        return Ok(host.into());
    };
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    Ok(crate::grains::dotted(&hosts, &name).unwrap_or(name).into())
}

fn fqdns(ctx: &Context, _: &Args) -> Result {
    Ok(Value::Map(crate::grains::fqdns(&ctx.settings, &ctx.host)))
}

/// What may stand in a host name; an address stays as it is.
fn sanitized(host: &str) -> String {
    if host.parse::<IpAddr>().is_ok() {
        return host.to_owned();
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.chars().take(255).filter(allowed).collect()
}

/// Calls another function with one command and no shell.
fn command(ctx: &Context, fun: &str, words: Vec<String>) -> Result {
    let mut kwargs = Map::new();
    kwargs.insert("python_shell".into(), false.into());
    ctx.functions.call(ctx, fun, &[words.into()], &kwargs)
}

fn ping(ctx: &Context, args: &Args) -> Result {
    let mut words = vec!["ping".to_owned()];
    if args.flag("timeout") {
        words.extend(["-W".to_owned(), args.text("timeout")?]);
    }
    words.extend(["-c", "4"].map(str::to_owned));
    words.push(sanitized(&args.text("host")?));
    if args.flag("return_boolean") {
        let done = command(ctx, "cmd.run_all", words)?;
        return Ok((done.get("retcode") == Some(&0.into())).into());
    }
    command(ctx, "cmd.run", words)
}

fn dig(ctx: &Context, args: &Args) -> Result {
    if env::which("dig").is_none() {
        return Err(Error::MissingCommand(
            "The 'dig' binary was not found in $PATH.".to_owned(),
        ));
    }
    command(
        ctx,
        "cmd.run",
        vec!["dig".to_owned(), sanitized(&args.text("host")?)],
    )
}
