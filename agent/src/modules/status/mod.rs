//! `status`: how the machine is doing, from `/proc`.

mod kernel;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;
use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::fnmatch::fnmatch;
use crate::host::exec::Command;
use crate::host::{env, net, process};
use kernel::{cpuinfo, cpustats, diskstats, loadavg, meminfo, netdev, netstats, proc, vmstats};

/// The rows of `status`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "status.all_status",
        "",
        all_status,
        "Return the most common of these at once.",
        "salt '*' status.all_status"
    ),
    row!(
        "status.cpuinfo",
        "",
        cpuinfo,
        "Return the CPU info of this minion.",
        "salt '*' status.cpuinfo"
    ),
    row!(
        "status.cpustats",
        "",
        cpustats,
        "Return the CPU stats of this minion.",
        "salt '*' status.cpustats"
    ),
    row!(
        "status.custom",
        "",
        custom,
        "Return what the options ``status.*`` choose of the other functions' data.",
        "salt '*' status.custom"
    ),
    row!(
        "status.diskstats",
        "",
        diskstats,
        "Return the disk stats of this minion.",
        "salt '*' status.diskstats"
    ),
    row!(
        "status.diskusage",
        "*args",
        diskusage,
        "Return the disk usage of mount points, chosen by path or by a pattern of file system types.",
        "salt '*' status.diskusage / /tmp ext?"
    ),
    row!(
        "status.loadavg",
        "",
        loadavg,
        "Return the load averages of this minion.",
        "salt '*' status.loadavg"
    ),
    row!(
        "status.master",
        "master=None, connected=True",
        master,
        "Whether there is a connection to this master; fires an event when that is not as expected.",
        "salt '*' status.master"
    ),
    row!(
        "status.meminfo",
        "",
        meminfo,
        "Return the memory info of this minion.",
        "salt '*' status.meminfo"
    ),
    row!(
        "status.netdev",
        "",
        netdev,
        "Return the network device stats of this minion.",
        "salt '*' status.netdev"
    ),
    row!(
        "status.netstats",
        "",
        netstats,
        "Return the network stats of this minion.",
        "salt '*' status.netstats"
    ),
    row!(
        "status.nproc",
        "",
        nproc,
        "Return the number of processing units.",
        "salt '*' status.nproc"
    ),
    row!(
        "status.pid",
        "sig",
        pid,
        "Return the ids of the processes whose line in the process list matches a regular expression.",
        "salt '*' status.pid <sig>"
    ),
    row!(
        "status.ping_master",
        "master",
        ping_master,
        "Whether a master answers on its request port.",
        "salt '*' status.ping_master localhost"
    ),
    row!(
        "status.procs",
        "",
        procs,
        "Return the processes with their users and commands.",
        "salt '*' status.procs"
    ),
    row!(
        "status.time",
        "format='%A, %d. %B %Y %I:%M%p'",
        time,
        "Return the current time on the minion.",
        "salt '*' status.time"
    ),
    row!(
        "status.uptime",
        "",
        uptime,
        "Return for how long this minion is up.",
        "salt '*' status.uptime"
    ),
    row!(
        "status.version",
        "",
        version,
        "Return the version of the kernel and its compiler.",
        "salt '*' status.version"
    ),
    row!(
        "status.vmstats",
        "",
        vmstats,
        "Return the virtual memory stats of this minion.",
        "salt '*' status.vmstats"
    ),
    row!(
        "status.w",
        "",
        w,
        "Return who is logged in and what they are doing.",
        "salt '*' status.w"
    ),
];

fn all_status(ctx: &Context, args: &Args) -> Result {
    Ok(Value::Map(map! {
        "cpuinfo" => cpuinfo(ctx, args)?,
        "cpustats" => cpustats(ctx, args)?,
        "diskstats" => diskstats(ctx, args)?,
        "diskusage" => diskusage(ctx, args)?,
        "loadavg" => loadavg(ctx, args)?,
        "meminfo" => meminfo(ctx, args)?,
        "netdev" => netdev(ctx, args)?,
        "netstats" => netstats(ctx, args)?,
        "uptime" => uptime(ctx, args)?,
        "vmstats" => vmstats(ctx, args)?,
        "w" => w(ctx, args)?,
    }))
}

fn diskusage(_: &Context, args: &Args) -> Result {
    let mut selected = BTreeSet::new();
    let mut types = Vec::new();
    for arg in &args.rest {
        let text = python::text(arg);
        if text.starts_with('/') {
            selected.insert(text);
        } else {
            types.push(text);
        }
    }
    if args.rest.is_empty() {
        types.push("*".to_owned());
    }
    if !types.is_empty() {
        for line in proc("mounts").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [_, point, kind, ..] = words[..]
                && types.iter().any(|t| fnmatch(kind, t))
            {
                selected.insert(point.to_owned());
            }
        }
    }
    let mut found = Map::new();
    for path in selected {
        if !Path::new(&path).exists() {
            continue;
        }
        let usage = match statvfs(path.as_str()) {
            Ok(stat) => {
                // Python multiplies by the preferred block size, not by the fragment size.
                let bytes =
                    |blocks: u64| Value::Int(i128::from(blocks) * i128::from(stat.block_size()));
                map! {"available" => bytes(stat.blocks_available()), "total" => bytes(stat.blocks())}
            }
            Err(_) => map! {"available" => Value::Null, "total" => Value::Null},
        };
        found.insert(path.into(), usage.into());
    }
    Ok(found.into())
}

fn nproc(_: &Context, _: &Args) -> Result {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(|e| Error::execution(e.to_string()))?;
    let count = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false));
    Ok(count.count().into())
}

fn pid(_: &Context, args: &Args) -> Result {
    let sig = args.text("sig")?;
    let regex = fancy_regex::Regex::new(&sig).map_err(|e| Error::Exception {
        kind: "re.error",
        message: e.to_string(),
    })?;
    let own = i64::from(std::process::id());
    let found: Vec<String> = process::list()
        .into_iter()
        .filter(|p| i64::from(p.pid) != own)
        .filter(|p| {
            let line = format!("{} {} {} {}", p.user, p.pid, p.parent, p.command);
            regex.is_match(&line).unwrap_or(false)
        })
        .map(|p| p.pid.to_string())
        .collect();
    Ok(found.join("\n").into())
}

fn procs(_: &Context, _: &Args) -> Result {
    let list = process::list().into_iter();
    let found: Map = list
        .map(|p| {
            let entry = map! {"user" => p.user, "cmd" => p.command};
            (p.pid.to_string().into(), entry.into())
        })
        .collect();
    Ok(found.into())
}

fn time(_: &Context, args: &Args) -> Result {
    let format = args.text("format")?;
    let text = jiff::fmt::strtime::format(&format, &jiff::Zoned::now());
    text.map(Value::from)
        .map_err(|e| Error::execution(e.to_string()))
}

fn uptime(ctx: &Context, _: &Args) -> Result {
    let text = proc("uptime");
    let seconds = text
        .split_whitespace()
        .next()
        .and_then(|s| s.parse::<f64>().ok())
        .ok_or_else(|| Error::execution("File /proc/uptime was not found."))?;
    let seconds = seconds as i64;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let boot = now.saturating_sub(Duration::from_secs(seconds.unsigned_abs()));
    let since = jiff::Timestamp::from_microsecond(i64::try_from(boot.as_micros()).unwrap_or(0));
    let since = since.unwrap_or_default();
    let rest = seconds % 86_400;
    let mut found = map! {
        "seconds" => seconds,
        "since_iso" => since.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        "since_t" => boot.as_secs(),
        "days" => seconds / 86_400,
        "time" => format!("{}:{}", rest / 3600, rest % 3600 / 60),
    };
    if env::which("who").is_some() {
        // An empty list is one line to Salt.
        let lines = output(ctx, &["who", "-s"]).trim_end().split('\n').count();
        found.insert("users".into(), lines.into());
    }
    Ok(found.into())
}

fn output(ctx: &Context, argv: &[&str]) -> String {
    let mut command = Command::new(argv.iter().copied());
    command.timeout = Some(Duration::from_secs(10));
    command.env.insert("LC_ALL".into(), Some("C".into()));
    let done = ctx.host.exec.run(&command, &ctx.job.cancel);
    done.map(|d| String::from_utf8_lossy(&d.stdout).into_owned())
        .unwrap_or_default()
}

fn version(_: &Context, _: &Args) -> Result {
    Ok(proc("version").trim().into())
}

fn w(ctx: &Context, _: &Args) -> Result {
    let text = output(ctx, &["w", "-fh"]);
    let mut users = Vec::new();
    for line in text.lines().filter(|l| !l.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.len() < 6 {
            continue;
        }
        users.push(map! {
            "idle" => words[3],
            "jcpu" => words[4],
            "login" => words[2],
            "pcpu" => words[5],
            "tty" => words[1],
            "user" => words[0],
            "what" => words[6..].join(" "),
        });
    }
    Ok(users.into())
}

fn custom(ctx: &Context, _: &Args) -> Result {
    let mut found = Map::new();
    for (key, wanted) in &ctx.settings.opts {
        let Some((fun, _)) = key.as_str().and_then(|k| k.rsplit_once('.')) else {
            continue;
        };
        let (Some(items), true) = (wanted.as_list(), fun.starts_with("status.")) else {
            continue;
        };
        if fun == "status.custom" || !ctx.functions.has(ctx, fun) {
            continue;
        }
        let data = ctx.call(fun, &[], &Map::new())?;
        for item in items {
            let value = data.as_map().and_then(|m| m.get(item));
            found.insert(
                item.clone(),
                value.cloned().unwrap_or_else(|| "UNKNOWN".into()),
            );
        }
    }
    Ok(found.into())
}

fn port(ctx: &Context, option: &str, default: u16) -> u16 {
    let value = ctx.settings.opts.get(option).and_then(Value::as_int);
    value.and_then(|p| u16::try_from(p).ok()).unwrap_or(default)
}

fn master(ctx: &Context, args: &Args) -> Result {
    let Some(host) = args.opt_text("master")?.filter(|m| !m.is_empty()) else {
        return Ok(Value::Null);
    };
    let addresses = net::addresses_of(&host, Duration::from_secs(5));
    if addresses.is_empty() {
        return Ok(Value::Null);
    }
    let peers: BTreeSet<IpAddr> = net::connected_to(port(ctx, "publish_port", 4505));
    let is_connected = addresses.iter().any(|a| peers.contains(a));
    if is_connected != args.flag("connected") {
        let tag = if is_connected {
            "__master_connected"
        } else {
            "__master_disconnected"
        };
        ctx.minion.fire(tag, map! {"master" => host});
    }
    Ok(is_connected.into())
}

fn ping_master(ctx: &Context, args: &Args) -> Result {
    let Some(host) = args.opt_text("master")?.filter(|m| !m.is_empty()) else {
        return Ok(false.into());
    };
    let own_port = (host.as_str(), port(ctx, "master_port", 4506));
    let addresses: Vec<SocketAddr> = match host.to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(_) => own_port
            .to_socket_addrs()
            .map(Iterator::collect)
            .unwrap_or_default(),
    };
    let answers = addresses
        .iter()
        .any(|a| net::speaks_zeromq(*a, Duration::from_secs(5)));
    if answers {
        ctx.minion
            .fire("__master_failback", map! {"master" => host});
    }
    Ok(answers.into())
}
