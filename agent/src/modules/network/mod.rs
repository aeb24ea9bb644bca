//! `network`: interfaces, addresses, routes and connections. `address.rs` has what is pure arithmetic,
//! `tables.rs` reads the kernel's tables.

mod address;
mod connect;
mod hostname;
mod interfaces;
mod tables;

use std::net::IpAddr;
use std::time::Duration;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result};
use crate::host::net::{self};
use crate::host::{env, netlink};
use address::parse_ip;
use interfaces::{
    hw_addr, ifacestartswith, in_subnet, interface, interface_ip, interfaces, ip_addrs, ip_addrs6,
    ip_networks, ip_networks6, subnets, subnets6,
};

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

fn ping(ctx: &Context, args: &Args) -> Result {
    let mut words = vec!["ping".to_owned()];
    if args.flag("timeout") {
        words.extend(["-W".to_owned(), args.text("timeout")?]);
    }
    words.extend(["-c", "4"].map(str::to_owned));
    words.push(sanitized(&args.text("host")?));
    if args.flag("return_boolean") {
        return Ok(ctx.run_all(words, Map::new())?.is_fine().into());
    }
    ctx.cmd("cmd.run", words, Map::new())
}

fn dig(ctx: &Context, args: &Args) -> Result {
    if env::which("dig").is_none() {
        return Err(Error::MissingCommand(
            "The 'dig' binary was not found in $PATH.".to_owned(),
        ));
    }
    let host = sanitized(&args.text("host")?);
    ctx.cmd("cmd.run", vec!["dig", &host], Map::new())
}
