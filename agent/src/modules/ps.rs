//! `ps`: processes, and what the machine's processors, memory, disks and network do.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use salt_wire::{Map, Value, map};

use super::{Function, python_int, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::mount;
use crate::host::procfs::{self, Task};

/// The rows of `ps`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "ps.boot_time",
        "time_format=None",
        boot_time,
        "Return when the machine was started, in seconds since 1970 or in a format of strftime.",
        "salt '*' ps.boot_time"
    ),
    row!(
        "ps.cpu_percent",
        "interval=0.1, per_cpu=False",
        cpu_percent,
        "Return how busy the processors are, in percent.",
        "salt '*' ps.cpu_percent"
    ),
    row!(
        "ps.cpu_times",
        "per_cpu=False",
        |_, args| {
            let mut all = procfs::cpu_times().into_iter().map(pairs);
            let together = all.next().unwrap_or_default();
            Ok(if args.flag("per_cpu") {
                Value::List(all.map(Value::Map).collect())
            } else {
                together.into()
            })
        },
        "Return the seconds that the processors spent with each kind of work.",
        "salt '*' ps.cpu_times"
    ),
    row!(
        "ps.disk_io_counters",
        "device=None",
        disk_io,
        "Return what the disks did since the start, or one of them.",
        "salt '*' ps.disk_io_counters device=sda1"
    ),
    row!(
        "ps.disk_partition_usage",
        "all=False",
        |_, args| {
            let mut list = partitions(args)?;
            for one in &mut list {
                let place = one.get("mountpoint").map(python::text).unwrap_or_default();
                one.extend(usage(&place)?);
            }
            Ok(Value::List(list.into_iter().map(Value::Map).collect()))
        },
        "Return the mounted disks with the room that they have.",
        "salt '*' ps.disk_partition_usage"
    ),
    row!(
        "ps.disk_partitions",
        "all=False",
        |_, args| {
            let list = partitions(args)?;
            Ok(Value::List(list.into_iter().map(Value::Map).collect()))
        },
        "Return the mounted disks.",
        "salt '*' ps.disk_partitions"
    ),
    row!(
        "ps.disk_usage",
        "path",
        |_, args| Ok(usage(&args.text("path")?)?.into()),
        "Return the room that a file system has.",
        "salt '*' ps.disk_usage /home"
    ),
    row!(
        "ps.get_pid_list",
        "",
        |_, _| Ok(Value::List(
            procfs::pids().into_iter().map(Value::from).collect()
        )),
        "Return the numbers of all processes.",
        "salt '*' ps.get_pid_list"
    ),
    row!(
        "ps.kill_pid",
        "pid, signal=15",
        |_, args| {
            let killed = procfs::signal(number(args.get("pid"))?, number(args.get("signal"))?);
            Ok(killed.map_err(Error::Execution)?.into())
        },
        "Send a signal to a process.",
        "salt 'minion' ps.kill_pid pid [signal=signal_number]"
    ),
    row!(
        "ps.lsof",
        "name",
        |ctx, args| {
            let name = args.text("name")?;
            let said = ctx.programs().run(&["lsof", "-c", &name]);
            let said = said.map_err(Error::Execution)?.stdout;
            Ok(Value::List(vec![name.into(), said.into()]))
        },
        "Return what lsof says of the processes of this name.",
        "salt '*' ps.lsof apache2"
    ),
    row!(
        "ps.netstat",
        "name",
        |ctx, args| lines_of(ctx, args, &["netstat", "-nap"]),
        "Return the lines of netstat with this name.",
        "salt '*' ps.netstat apache2"
    ),
    row!(
        "ps.network_io_counters",
        "interface=None",
        network_io,
        "Return what the network carried since the start, or one interface.",
        "salt '*' ps.network_io_counters interface=eth0"
    ),
    row!(
        "ps.num_cpus",
        "",
        |_, _| Ok(procfs::cpu_times().len().saturating_sub(1).into()),
        "Return the number of processors.",
        "salt '*' ps.num_cpus"
    ),
    row!(
        "ps.pgrep",
        "pattern, user=None, full=False, pattern_is_regex=False",
        |_, args| {
            let found = matching(args)?;
            let pids: Vec<Value> = found.into_iter().map(|t| t.pid.into()).collect();
            Ok(if pids.is_empty() {
                Value::Null
            } else {
                pids.into()
            })
        },
        "Return the numbers of the processes that fit a pattern; nothing when none does.",
        "salt '*' ps.pgrep httpd"
    ),
    row!(
        "ps.pkill",
        "pattern, user=None, signal=15, full=False",
        pkill,
        "Send a signal to the processes that fit a pattern.",
        "salt '*' ps.pkill pattern=httpd signal=1"
    ),
    row!(
        "ps.proc_info",
        "pid, attrs=None",
        proc_info,
        "Return what is known of a process, or the ``attrs`` of it.",
        "salt '*' ps.proc_info 2322 attrs='[\"pid\", \"name\"]'"
    ),
    row!(
        "ps.psaux",
        "name",
        psaux,
        "Return the lines of ps that fit a pattern, and their number.",
        "salt '*' ps.psaux www-data.+apache2"
    ),
    row!(
        "ps.ss",
        "name",
        |ctx, args| lines_of(ctx, args, &["ss", "-neap"]),
        "Return the lines of ss with this name.",
        "salt '*' ps.ss apache2"
    ),
    row!(
        "ps.status",
        "status",
        |_, args| {
            let wanted = args.opt_text("status")?.unwrap_or_default();
            if wanted.is_empty() {
                return Err(Error::invocation("Filter is required for ps.status"));
            }
            let found = Task::all().into_iter().filter(|t| t.status() == wanted);
            let shown = found.map(|t| map! { "pid" => t.pid, "name" => t.name }.into());
            Ok(Value::List(shown.collect()))
        },
        "Return the processes that do this: running, sleeping, zombie, …",
        "salt '*' ps.status STATUS"
    ),
    row!(
        "ps.swap_memory",
        "",
        |_, _| {
            let memory: BTreeMap<String, u64> = procfs::memory().into_iter().collect();
            let of = |key: &str| memory.get(key).copied().unwrap_or_default();
            let (total, free) = (of("SwapTotal"), of("SwapFree"));
            let (into, out) = procfs::swapped();
            let used = total.saturating_sub(free);
            Ok(Value::Map(map! {
                "total" => total, "used" => used, "free" => free, "percent" => percent(used, total),
                "sin" => into, "sout" => out,
            }))
        },
        "Return how much memory is swapped out.",
        "salt '*' ps.swap_memory"
    ),
    row!(
        "ps.top",
        "num_processes=5, interval=3",
        top,
        "Return the processes that use most of the processors within an interval.",
        "salt '*' ps.top num_processes=2 interval=1"
    ),
    row!(
        "ps.total_physical_memory",
        "",
        |_, _| Ok(virtual_memory().get("total").cloned().unwrap_or_default()),
        "Return how many bytes of memory the machine has.",
        "salt '*' ps.total_physical_memory"
    ),
    row!(
        "ps.virtual_memory",
        "",
        |_, _| Ok(virtual_memory().into()),
        "Return how much memory is in use, and for what.",
        "salt '*' ps.virtual_memory"
    ),
];

fn pairs<V: Into<Value>>(list: impl IntoIterator<Item = (&'static str, V)>) -> Map {
    list.into_iter()
        .map(|(k, v)| (k.into(), v.into()))
        .collect()
}

fn number(value: &Value) -> Result<i32> {
    i32::try_from(python_int(value)?).map_err(|e| Error::invocation(e.to_string()))
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 1000.0).round() / 10.0
}

fn boot_time(_: &Context, args: &Args) -> Result {
    let time = procfs::boot_time();
    let Some(format) = args.opt_text("time_format")?.filter(|f| !f.is_empty()) else {
        return Ok(time.into());
    };
    let stamp = i64::try_from(time)
        .ok()
        .and_then(|t| jiff::Timestamp::from_second(t).ok());
    let zoned = stamp.map(|s| s.to_zoned(jiff::tz::TimeZone::system()));
    let shown = zoned.and_then(|z| jiff::fmt::strtime::format(format.as_bytes(), &z).ok());
    shown
        .map(Value::from)
        .ok_or_else(|| Error::invocation(format!("Invalid format string: {format}")))
}

fn cpu_percent(ctx: &Context, args: &Args) -> Result {
    let before = procfs::cpu_times();
    pause(ctx, args)?;
    let after = procfs::cpu_times();
    let mut each = before.iter().zip(&after).map(|(a, b)| procfs::busy(a, b));
    let together = each.next().unwrap_or_default();
    Ok(if args.flag("per_cpu") {
        Value::List(each.map(Value::from).collect())
    } else {
        together.into()
    })
}

/// Waits for `interval`, or until the job is told to end.
fn pause(ctx: &Context, args: &Args) -> Result<()> {
    let seconds = args.get("interval").as_float().unwrap_or_default();
    // Nothing is a number's clamp if it is none.
    let wait = Duration::try_from_secs_f64(seconds.clamp(0.0, 3600.0))
        .map_err(|e| Error::Invocation(format!("interval: {e}")))?;
    if ctx.job.cancel.sleep(wait) {
        return Err(Error::execution("the job was told to end"));
    }
    Ok(())
}

fn disk_io(_: &Context, args: &Args) -> Result {
    let names = [
        "read_count",
        "write_count",
        "read_bytes",
        "write_bytes",
        "read_time",
        "write_time",
        "read_merged_count",
        "write_merged_count",
        "busy_time",
    ];
    let all = procfs::disks().into_iter().map(|(name, whole, numbers)| {
        // Loop devices and RAM disks are others' files.
        let counts = whole && !name.starts_with("loop") && !name.starts_with("ram");
        (name, counts, numbers)
    });
    Ok(counters(names, all.collect(), args.opt_text("device")?))
}

/// The counters of one device, or the sums of those that count.
fn counters<const N: usize>(
    names: [&'static str; N],
    all: Vec<(String, bool, [u64; N])>,
    one: Option<String>,
) -> Value {
    let shown = |numbers: [u64; N]| Value::Map(pairs(names.into_iter().zip(numbers)));
    if let Some(device) = one.filter(|d| !d.is_empty()) {
        let found = all.into_iter().find(|(name, ..)| *name == device);
        return found.map_or(Value::Bool(false), |(.., n)| shown(n));
    }
    let mut sum = [0; N];
    for (_, _, numbers) in all.into_iter().filter(|(_, counts, _)| *counts) {
        sum.iter_mut().zip(numbers).for_each(|(a, b)| *a += b);
    }
    shown(sum)
}

fn network_io(_: &Context, args: &Args) -> Result {
    let names = [
        "bytes_sent",
        "bytes_recv",
        "packets_sent",
        "packets_recv",
        "errin",
        "errout",
        "dropin",
        "dropout",
    ];
    let all = procfs::traffic().into_iter();
    let all = all.map(|(name, numbers)| (name, true, numbers)).collect();
    Ok(counters(names, all, args.opt_text("interface")?))
}

/// File systems that the kernel knows to lie on a device.
fn on_devices() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let own = text.lines().filter(|l| !l.starts_with("nodev"));
    let mut names: Vec<String> = own.map(|l| l.trim().to_owned()).collect();
    names.push("zfs".to_owned());
    names
}

fn partitions(args: &Args) -> Result<Vec<Map>> {
    let (all, kinds) = (args.flag("all"), on_devices());
    let mut list = Vec::new();
    for (place, [device, kind, options]) in mount::mount_lines().map_err(Error::Execution)? {
        if all || device != "none" && kinds.contains(&kind) {
            list.push(map! {
                "device" => device, "mountpoint" => place.replace("\\040", " "), "fstype" => kind,
                "opts" => options,
            });
        }
    }
    Ok(list)
}

fn usage(path: &str) -> Result<Map> {
    let stat = statvfs(Path::new(path)).map_err(|e| Error::Exception {
        kind: "OSError",
        message: format!("[Errno {}] {}: '{path}'", e as i32, e.desc()),
    })?;
    let size = stat.fragment_size();
    let (total, free) = (stat.blocks() * size, stat.blocks_available() * size);
    let used = total.saturating_sub(stat.blocks_free() * size);
    Ok(map! {
        "total" => total, "used" => used, "free" => free, "percent" => percent(used, used + free),
    })
}

fn lines_of(ctx: &Context, args: &Args, argv: &[&str]) -> Result {
    let name = args.text("name")?;
    let said = ctx.programs().run(argv).map_err(Error::Execution)?;
    let found: Vec<String> = said
        .stdout
        .lines()
        .filter(|l| l.contains(&name))
        .map(str::to_owned)
        .collect();
    Ok(Value::List(vec![name.into(), found.into()]))
}

fn psaux(ctx: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let pattern = regex::Regex::new(&name).map_err(|e| Error::invocation(e.to_string()))?;
    let said = ctx
        .programs()
        .run(&["ps", "aux"])
        .map_err(Error::Execution)?;
    let found: Vec<String> = said
        .stdout
        .lines()
        // Whoever asks has the pattern in the command line, too.
        .filter(|l| pattern.is_match(l) && !(l.contains("salt") && l.contains("ps.psaux ")))
        .map(str::to_owned)
        .collect();
    let count = format!("{} occurrence(s).", found.len());
    Ok(Value::List(vec![name.into(), found.into(), count.into()]))
}

/// The processes that fit the arguments `pattern`, `user`, `full`.
fn matching(args: &Args) -> Result<Vec<Task>> {
    let (pattern, full) = (args.text("pattern")?, args.flag("full"));
    let regex = if args.flag("pattern_is_regex") {
        let regex = regex::Regex::new(&pattern);
        Some(regex.map_err(|e| Error::invocation(e.to_string()))?)
    } else {
        None
    };
    let user = args.opt_text("user")?;
    Ok(Task::all()
        .into_iter()
        .filter(|task| {
            let line = if full {
                task.cmdline.join(" ")
            } else {
                task.name.clone()
            };
            let fits = match &regex {
                Some(regex) => regex.is_match(&line),
                None => line.contains(&pattern),
            };
            fits && (user.is_none() || task.user() == user)
        })
        .collect())
}

fn pkill(_: &Context, args: &Args) -> Result {
    let signal = number(args.get("signal"))?;
    let mut killed: Vec<Value> = Vec::new();
    for task in matching(args)? {
        if procfs::signal(task.pid, signal).map_err(Error::Execution)? {
            killed.push(task.pid.into());
        }
    }
    Ok(if killed.is_empty() {
        Value::Null
    } else {
        map! { "killed" => killed }.into()
    })
}

/// What `proc_info` can tell of a process.
const ATTRIBUTES: [&str; 18] = [
    "cmdline",
    "cpu_times",
    "create_time",
    "cwd",
    "exe",
    "gids",
    "memory_info",
    "memory_percent",
    "name",
    "nice",
    "num_fds",
    "num_threads",
    "pid",
    "ppid",
    "status",
    "uids",
    "username",
    "terminal",
];

fn attribute(task: &Task, name: &str) -> Value {
    let text = |t: Option<String>| t.map_or(Value::Null, Value::from);
    let numbers = |n: Vec<i64>| Value::List(n.into_iter().map(Value::from).collect());
    match name {
        "cmdline" => task.cmdline.clone().into(),
        "cpu_times" => Value::List(task.times().map(|(_, t)| t.into()).to_vec()),
        "create_time" => task.created().into(),
        "cwd" | "exe" => text(task.link(name)),
        "gids" => numbers(task.ids("Gid")),
        "uids" => numbers(task.ids("Uid")),
        "memory_info" => {
            let all = task.memory().into_iter().map(|(_, n)| Value::from(n));
            Value::List(all.collect())
        }
        "memory_percent" => {
            let used = task.memory().first().map_or(0, |(_, n)| *n);
            let all = virtual_memory().get("total").and_then(Value::as_float);
            (used as f64 / all.unwrap_or(1.0) * 100.0).into()
        }
        "name" => task.name.as_str().into(),
        "nice" => task.nice().into(),
        "num_fds" => task.open_files().map_or(Value::Null, Value::from),
        "num_threads" => task.threads().into(),
        "pid" => task.pid.into(),
        "ppid" => task.parent().into(),
        "status" => task.status().into(),
        "username" => text(task.user()),
        _ => Value::Null,
    }
}

fn proc_info(_: &Context, args: &Args) -> Result {
    let pid = number(args.get("pid"))?;
    let wanted: Vec<String> = match args.get("attrs") {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => ATTRIBUTES.map(str::to_owned).to_vec(),
        other => vec![python::text(other)],
    };
    if let Some(bad) = wanted.iter().find(|w| !ATTRIBUTES.contains(&w.as_str())) {
        return Err(Error::Exception {
            kind: "ValueError",
            message: format!("invalid attr name '{bad}'"),
        });
    }
    let task = Task::of(pid)
        .ok_or_else(|| Error::execution(format!("process PID not found (pid={pid})")))?;
    let told = wanted
        .iter()
        .map(|w| (w.as_str().into(), attribute(&task, w)));
    Ok(Value::Map(told.collect()))
}

fn virtual_memory() -> Map {
    let memory: BTreeMap<String, u64> = procfs::memory().into_iter().collect();
    let of = |key: &str| memory.get(key).copied().unwrap_or_default();
    let (total, free) = (of("MemTotal"), of("MemFree"));
    let available = of("MemAvailable");
    // In a container the kernel may tell of more than there is.
    let available = if available > total { free } else { available };
    let used = total.saturating_sub(available);
    map! {
        "total" => total, "available" => available, "percent" => percent(used, total), "used" => used,
        "free" => free, "active" => of("Active"), "inactive" => of("Inactive"), "buffers" => of("Buffers"),
        "cached" => of("Cached") + of("SReclaimable"), "shared" => of("Shmem"), "slab" => of("Slab"),
    }
}

fn top(ctx: &Context, args: &Args) -> Result {
    let spent = |task: &Task| -> f64 { task.times()[..2].iter().map(|(_, t)| t).sum() };
    let before: BTreeMap<i32, f64> = Task::all().iter().map(|t| (t.pid, spent(t))).collect();
    pause(ctx, args)?;
    let mut used: Vec<(f64, Task)> = Task::all()
        .into_iter()
        .filter_map(|task| Some((spent(&task) - before.get(&task.pid)?, task)))
        .collect();
    used.sort_by(|a, b| b.0.total_cmp(&a.0));
    let count = usize::try_from(python_int(args.get("num_processes"))?).unwrap_or_default();
    let shown = used.into_iter().take(count.max(1)).map(|(_, task)| {
        let cmd = if task.cmdline.is_empty() {
            task.name.as_str().into()
        } else {
            attribute(&task, "cmdline")
        };
        Value::Map(map! {
            "cmd" => cmd, "user" => attribute(&task, "username"), "status" => task.status(),
            "pid" => task.pid, "create_time" => task.created(), "cpu" => pairs(task.times()),
            "mem" => pairs(task.memory()),
        })
    });
    Ok(Value::List(shown.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_process_is_found_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = testing::context(dir.path(), Map::new());
        let call = |fun: &str, kwargs: Map| ctx.call(fun, &[], &kwargs);
        let own = i64::from(std::process::id());
        let info = map! { "pid" => own, "attrs" => vec![Value::from("name"), "pid".into()] };
        let told = call("ps.proc_info", info).unwrap();
        let name = python::text(told.get("name").unwrap());
        let found = call("ps.pgrep", map! { "pattern" => name.as_str() }).unwrap();
        assert!(found.as_list().unwrap().contains(&own.into()), "{found:?}");
        let none = call("ps.pgrep", map! { "pattern" => "no such program" }).unwrap();
        assert_eq!(none, Value::Null);
        let bad = map! { "pid" => own, "attrs" => vec![Value::from("nonsense")] };
        let error = call("ps.proc_info", bad).unwrap_err().to_string();
        assert!(error.contains("invalid attr name 'nonsense'"), "{error}");
        let memory = call("ps.virtual_memory", Map::new()).unwrap();
        let total = call("ps.total_physical_memory", Map::new()).unwrap();
        assert_eq!(memory.get("total"), Some(&total));
    }
}
