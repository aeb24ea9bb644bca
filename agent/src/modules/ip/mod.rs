//! `ip`: interfaces, routes and names of the network as Debian's `ifupdown` has them, or netplan where it is in charge.
//! On other systems these functions are Salt's own.

mod netplan;

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::{Function, clean, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::ifupdown::{self, Fault, Resolver, compared, lines_of};
use crate::host::netplan::is_active;

/// The rows of `ip`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "ip.apply_network_settings",
        "**settings",
        apply_network_settings,
        "Restart the network, and with ``apply_hostname`` rename the machine.",
        "salt '*' ip.apply_network_settings"
    ),
    row!(
        "ip.build_bond",
        "iface, **settings",
        build_bond,
        "Write the options of the kernel's module for a bond, and load it.",
        "salt '*' ip.build_bond bond0 mode=balance-alb"
    ),
    row!(
        "ip.build_interface",
        "iface, iface_type, enabled, **settings",
        build_interface,
        "Write an interface; with ``test`` only say how it would be.",
        "salt '*' ip.build_interface eth0 eth True proto=dhcp"
    ),
    row!(
        "ip.build_network_settings",
        "**settings",
        build_network_settings,
        "Write what is of no interface: whether there is a network, and names.",
        "salt '*' ip.build_network_settings enabled=yes hostname=server1.example.com"
    ),
    row!(
        "ip.build_routes",
        "iface, **settings",
        build_routes,
        "Write the scripts that add and delete the routes of an interface.",
        "salt '*' ip.build_routes eth0 routes='[{ipaddr: 10.1.0.0, netmask: 16, gateway: 10.0.0.1}]'"
    ),
    row!(
        "ip.down",
        "iface, iface_type",
        |ctx, args| switch(ctx, args, "ifdown"),
        "Take an interface down.",
        "salt '*' ip.down eth0 eth"
    ),
    row!(
        "ip.get_bond",
        "iface",
        |_, args| {
            let name = format!("{}.conf", args.text("iface")?);
            Ok(shown(lines_of(
                &Path::new(ifupdown::MODPROBE_DIR).join(name),
            )))
        },
        "Return the options of the kernel's module for a bond.",
        "salt '*' ip.get_bond bond0"
    ),
    row!(
        "ip.get_interface",
        "iface",
        get_interface,
        "Return an interface as it is written.",
        "salt '*' ip.get_interface eth0"
    ),
    row!(
        "ip.get_network_settings",
        "",
        |ctx, _| get_network_settings(ctx),
        "Return what is of no interface.",
        "salt '*' ip.get_network_settings"
    ),
    row!(
        "ip.get_routes",
        "iface",
        |_, args| {
            if is_active() {
                return netplan::get_routes(args);
            }
            let name = format!("route-{}", args.text("iface")?);
            let of = |dir: &str| lines_of(&Path::new(dir).join(&name));
            let up = of(ifupdown::UP_DIR);
            Ok(shown([up, of(ifupdown::DOWN_DIR)].concat()))
        },
        "Return the scripts of an interface's routes.",
        "salt '*' ip.get_routes eth0"
    ),
    row!(
        "ip.up",
        "iface, iface_type",
        |ctx, args| switch(ctx, args, "ifup"),
        "Bring an interface up.",
        "salt '*' ip.up eth0 eth"
    ),
];

const NETWORKING: &str = "/etc/default/networking";
const HOSTNAME: &str = "/etc/hostname";
const RESOLVER: &str = "/etc/resolv.conf";

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Exception {
            kind: fault.kind,
            message: fault.message,
        }
    }
}

/// The lines of a file; nothing at all is an empty text.
fn shown(lines: Vec<String>) -> Value {
    if lines.is_empty() {
        "".into()
    } else {
        lines.into()
    }
}

fn lines(text: &str) -> Value {
    let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    lines.into()
}

fn call(ctx: &Context, function: &str, words: &[&str]) -> Result {
    let words: Vec<Value> = words.iter().map(|w| (*w).into()).collect();
    ctx.call(function, &words, &Map::new())
}

fn grain(ctx: &Context, key: &str) -> String {
    let grains = ctx.facts.grains();
    grains.get(key).map(python::text).unwrap_or_default()
}

/// The number before the first dot of the release; of Ubuntu only.
fn ubuntu(ctx: &Context, key: &str) -> Option<u32> {
    let release = grain(ctx, "osrelease");
    let number = release.split('.').next().and_then(|n| n.parse().ok());
    (grain(ctx, key) == "Ubuntu").then_some(number.unwrap_or(0))
}

fn is_test(settings: &Map) -> bool {
    settings.get("test").is_some_and(Value::is_truthy)
}

/// A bond of one master has no such option on newer Ubuntus.
fn has_carrier(ctx: &Context) -> bool {
    ubuntu(ctx, "os").is_none_or(|release| release < 16)
}

fn switch(ctx: &Context, args: &Args, program: &str) -> Result {
    if is_active() {
        return netplan::switch(ctx, args, program == "ifup");
    }
    // Parts of a bond go with it, and what is included is no interface.
    if matches!(args.text("iface_type")?.as_str(), "slave" | "source") {
        return Ok(Value::Null);
    }
    let words = Value::from(vec![program.to_owned(), args.text("iface")?]);
    ctx.call("cmd.run", &[words], &Map::new())
}

fn get_interface(_: &Context, args: &Args) -> Result {
    if is_active() {
        return netplan::get_interface(args);
    }
    let name = args.text("iface")?;
    let all = ifupdown::interfaces()?;
    Ok(match all.get(name.as_str()).and_then(Value::as_map) {
        None => Value::List(Vec::new()),
        Some(data) if name == "source" => compared(&ifupdown::source(data)).into(),
        Some(data) => compared(&ifupdown::eth(&name, data)).into(),
    })
}

fn build_interface(ctx: &Context, args: &Args) -> Result {
    if is_active() {
        return netplan::build_interface(args);
    }
    let (name, settings) = (args.text("iface")?, clean(&args.extra));
    let kind = args.text("iface_type")?.to_lowercase();
    let is_on = args.flag("enabled");
    let data = ifupdown::of_settings(&settings, &kind, is_on, &name, has_carrier(ctx))?;
    if is_test(&settings) {
        return Ok(compared(&ifupdown::eth(&name, &data)).into());
    }
    match kind.as_str() {
        "vlan" => drop(call(ctx, "pkg.install", &["vlan"])?),
        "bridge" => drop(call(ctx, "pkg.install", &["bridge-utils"])?),
        "pppoe" if !call(ctx, "pkg.version", &["ppp"])?.is_truthy() => {
            call(ctx, "pkg.install", &["ppp"])?;
        }
        _ => {}
    }
    let peer = data.get("data").and_then(|d| d.get("inet")).cloned();
    let file = settings.get("filename").map(python::text);
    let text = ifupdown::put(&name, data, file.as_deref())?;
    if kind == "pppoe" {
        let peer = peer
            .as_ref()
            .and_then(Value::as_map)
            .ok_or_else(|| Error::key("inet"))?;
        let provider = peer.get("provider").ok_or_else(|| Error::key("provider"))?;
        let dir = ifupdown::PPP_DIR;
        if !Path::new(dir).exists() {
            return Err(Fault::attribute(format!(
                "{} cannot be written.",
                dir.trim_end_matches('/')
            ))
            .into());
        }
        let path = Path::new(dir).join(python::text(provider));
        ifupdown::write(&path, &ifupdown::ppp(peer))?;
    }
    Ok(compared(&text).into())
}

fn build_bond(ctx: &Context, args: &Args) -> Result {
    let (name, settings) = (args.text("iface")?, clean(&args.extra));
    let bond = ifupdown::bond(&settings, &name, has_carrier(ctx))?;
    let text = ifupdown::bond_file(&name, &bond);
    if is_test(&settings) {
        return Ok(lines(&text));
    }
    let path = ifupdown::write_in(ifupdown::MODPROBE_DIR, &format!("{name}.conf"), &text)?;
    call(ctx, "kmod.load", &["bonding"])?;
    call(ctx, "pkg.install", &["ifenslave"])?;
    Ok(shown(lines_of(&path)))
}

fn build_routes(ctx: &Context, args: &Args) -> Result {
    if is_active() {
        return netplan::build_routes(args);
    }
    let (name, settings) = (args.text("iface")?, clean(&args.extra));
    let lower = |key: &Value| python::text(key).to_lowercase() == "routes";
    let Some((_, routes)) = settings.iter().find(|(key, _)| lower(key)) else {
        return Err(Fault::attribute(format!(
            "Invalid option -- Route interface: {name}, Option: routes, Expected: [List of routes]"
        ))
        .into());
    };
    let [add, del] = ["add", "del"].map(|what| ifupdown::route(what, routes, &name));
    if is_test(&settings) {
        return Ok(lines(&(add + &del)));
    }
    // `run-parts` runs no file with a dot in its name.
    let file = format!("route-{}", name.replace('.', "_"));
    let mut all = Vec::new();
    for (dir, text) in [(ifupdown::UP_DIR, add), (ifupdown::DOWN_DIR, del)] {
        let path = ifupdown::write_in(dir, &file, &text)?;
        let words = [&path.display().to_string(), "0755"];
        call(ctx, "file.set_mode", &words)?;
        all.extend(lines_of(&path));
    }
    Ok(all.into())
}

/// The four settings that are shown.
#[derive(Default)]
struct Shown {
    networking: String,
    hostname: String,
    domain: String,
    search: Value,
}

impl Shown {
    fn now() -> Self {
        let mut networking = String::new();
        for line in lines_of(Path::new(NETWORKING)) {
            if line.starts_with("CONFIGURE_INTERFACES")
                && let Some((_, value)) = line.split_once('=')
            {
                value.trim().clone_into(&mut networking);
            }
        }
        let first = lines_of(Path::new(HOSTNAME)).into_iter().next();
        let resolver = Resolver::read(Path::new(RESOLVER));
        Self {
            networking,
            hostname: first.unwrap_or_default().trim_end_matches('\n').to_owned(),
            domain: resolver.domain,
            search: resolver.search,
        }
    }

    fn text(&self) -> String {
        let search = if self.search.is_truthy() {
            python::text(&self.search)
        } else {
            String::new()
        };
        let all = [
            ("NETWORKING", &self.networking),
            ("HOSTNAME", &self.hostname),
            ("DOMAIN", &self.domain),
            ("SEARCH", &search),
        ];
        let said = all.iter().filter(|(_, value)| !value.is_empty());
        said.map(|(key, value)| format!("{key}={value}\n"))
            .collect()
    }
}

fn get_network_settings(ctx: &Context) -> Result {
    // With netplan there is nothing that is of no interface.
    if is_active() {
        return Ok(Value::List(Vec::new()));
    }
    let mut now = Shown::now();
    if ubuntu(ctx, "osfullname").is_some_and(|release| release >= 12) {
        let is_on = call(ctx, "service.available", &["networking"])?.is_truthy()
            && call(ctx, "service.status", &["networking"])?.is_truthy();
        (if is_on { "yes" } else { "no" }).clone_into(&mut now.networking);
        now.search = Value::Null;
    }
    Ok(lines(&now.text()))
}

fn unexpected(setting: &str, expected: &str) -> Error {
    Fault::attribute(format!(
        "Invalid network setting -- Setting: {setting}, Expected: [{expected}]"
    ))
    .into()
}

fn build_network_settings(ctx: &Context, args: &Args) -> Result {
    if is_active() {
        return Ok(Value::List(Vec::new()));
    }
    let now = Shown::now();
    let settings: Map = clean(&args.extra)
        .into_iter()
        .map(|(key, value)| (python::text(&key).to_lowercase().into(), value))
        .collect();
    let wanted = settings.get("enabled").cloned();
    let wanted = wanted.unwrap_or_else(|| now.networking.as_str().into());
    let networking = if ifupdown::is_yes(&wanted) {
        "yes"
    } else if ifupdown::is_no(&wanted) {
        "no"
    } else {
        return Err(unexpected(
            "networking",
            "yes|on|true|1|True|no|off|false|0|False",
        ));
    };
    let hostname = settings.get("hostname").map(python::text);
    let hostname = hostname.unwrap_or_else(|| now.hostname.clone());
    if hostname.is_empty() {
        return Err(unexpected("hostname", "server1.example.com"));
    }
    let test = is_test(&settings);
    if ubuntu(ctx, "osfullname").is_some_and(|release| release >= 12) {
        let verb = if networking == "yes" {
            "service.enable"
        } else {
            "service.disable"
        };
        for service in ["NetworkManager", "networking"] {
            if !test && call(ctx, "service.available", &[service])?.is_truthy() {
                call(ctx, verb, &[service])?;
            }
        }
    } else {
        let text = ifupdown::modules(networking);
        if test {
            return Ok(lines(&text));
        }
        ifupdown::write(Path::new(NETWORKING), &text)?;
    }
    let (host, domain) = match hostname.split_once('.') {
        Some((host, domain)) => (host.to_owned(), Some(domain.to_owned())),
        None => (hostname, None),
    };
    let new_domain = domain.as_ref().is_some_and(|domain| *domain != now.domain);
    let search = settings.get("search").cloned();
    let new_search = search.as_ref().is_some_and(|search| *search != now.search);
    let new = Shown {
        networking: networking.to_owned(),
        hostname: host,
        domain: domain.unwrap_or(now.domain),
        search: search.unwrap_or(now.search),
    };
    if (new_domain || new_search) && !test {
        resolver(&new)?;
    }
    Ok(lines(&new.text()))
}

/// Writes the two names into the resolver's file, where lines for them are; Salt parts all lines by one more end.
fn resolver(new: &Shown) -> Result<()> {
    let path = Path::new(RESOLVER);
    if !path.exists() {
        return Err(Fault::attribute(format!(
            "{RESOLVER} cannot be written. {RESOLVER} does not exist and create is setto False"
        ))
        .into());
    }
    let begins = |line: &str, word: &str| {
        let rest = line.strip_prefix(word);
        rest.is_some_and(|rest| rest.starts_with(char::is_whitespace))
    };
    let change = |line: String| {
        if begins(&line, "domain") {
            format!("domain {}", new.domain)
        } else if begins(&line, "search") {
            format!("search {}", python::text(&new.search))
        } else {
            line
        }
    };
    let all: Vec<String> = lines_of(path).into_iter().map(change).collect();
    Ok(ifupdown::write(path, &all.join("\n"))?)
}

fn apply_network_settings(ctx: &Context, args: &Args) -> Result {
    let settings = clean(&args.extra);
    if is_active() {
        return netplan::apply(ctx, &settings);
    }
    let yes = |key: &str| settings.get(key).is_some_and(ifupdown::is_yes);
    let mut fine = true;
    if yes("apply_hostname") {
        fine = match settings.get("hostname") {
            Some(name) => {
                let name = [name.clone()];
                let done = ctx.call("network.mod_hostname", &name, &map! {})?;
                done.is_truthy()
            }
            None => {
                tracing::warn!("A host name is to be applied, and none is given.");
                false
            }
        };
    }
    if yes("require_reboot") {
        tracing::warn!("The network's new settings need a restart of the machine.");
        return Ok(fine.into());
    }
    let stopped = call(ctx, "service.stop", &["networking"])?;
    let started = stopped.is_truthy() && call(ctx, "service.start", &["networking"])?.is_truthy();
    Ok((fine && started).into())
}
