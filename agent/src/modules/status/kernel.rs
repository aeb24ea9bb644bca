//! The kernel's own counters, as `/proc` writes them.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Error, Result};

pub(super) fn proc(name: &str) -> String {
    let bytes = fs::read(Path::new("/proc").join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A number if it reads as one, else the text.
fn number(text: &str) -> Value {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text
            .parse::<i128>()
            .map_or_else(|_| text.into(), Value::Int);
    }
    text.parse::<f64>()
        .map_or_else(|_| text.into(), Value::from)
}

fn numbers(words: &[&str]) -> Value {
    Value::List(words.iter().map(|w| number(w)).collect())
}

fn at(words: &[&str], index: usize) -> Value {
    words.get(index).map_or(Value::Null, |w| number(w))
}

pub(super) fn cpuinfo(_: &Context, _: &Args) -> Result {
    let mut found = Map::new();
    for line in proc("cpuinfo").lines() {
        let mut parts = line.split(':');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let key = key.trim();
        let value: Value = if key == "flags" {
            value.split_whitespace().collect::<Vec<_>>().into()
        } else {
            value.trim().into()
        };
        found.insert(key.into(), value);
    }
    Ok(found.into())
}

pub(super) fn cpustats(_: &Context, _: &Args) -> Result {
    Ok(parse_stat(&proc("stat")).into())
}

fn parse_stat(text: &str) -> Map {
    let mut found = Map::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((key, rest)) = words.split_first() else {
            continue;
        };
        let value = match *key {
            "cpu" => Value::Map(map! {
                "idle" => at(rest, 3),
                "iowait" => at(rest, 4),
                "irq" => at(rest, 5),
                "nice" => at(rest, 1),
                "softirq" => at(rest, 6),
                "steal" => at(rest, 7),
                "system" => at(rest, 2),
                "user" => at(rest, 0),
            }),
            "intr" | "softirq" => {
                let each = numbers(rest.get(1..).unwrap_or_default());
                let name = if *key == "intr" { "irqs" } else { "softirqs" };
                Value::Map(map! {"total" => at(rest, 0), name => each})
            }
            _ => at(rest, 0),
        };
        found.insert((*key).into(), value);
    }
    found
}

pub(super) fn meminfo(_: &Context, _: &Args) -> Result {
    let mut found = Map::new();
    for line in proc("meminfo").lines() {
        let mut words = line.split_whitespace();
        let (Some(key), Some(value)) = (words.next(), words.next()) else {
            continue;
        };
        let mut entry = map! {"value" => value};
        if let Some(unit) = words.next() {
            entry.insert("unit".into(), unit.into());
        }
        found.insert(key.replace(':', "").into(), entry.into());
    }
    Ok(found.into())
}

pub(super) fn vmstats(_: &Context, _: &Args) -> Result {
    let text = proc("vmstat");
    let pairs = text.lines().filter_map(|l| l.split_once(' '));
    let found: Map = pairs
        .map(|(key, value)| (key.into(), number(value.trim())))
        .collect();
    Ok(found.into())
}

pub(super) fn diskstats(_: &Context, _: &Args) -> Result {
    const FIELDS: [&str; 14] = [
        "major",
        "minor",
        "device",
        "reads_issued",
        "reads_merged",
        "sectors_read",
        "ms_spent_reading",
        "writes_completed",
        "writes_merged",
        "sectors_written",
        "ms_spent_writing",
        "io_in_progress",
        "ms_spent_in_io",
        "weighted_ms_spent_in_io",
    ];
    let mut found = Map::new();
    for line in proc("diskstats").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(device) = words.get(2) else { continue };
        let entry = FIELDS.iter().enumerate();
        let entry: Map = entry.map(|(i, f)| ((*f).into(), at(&words, i))).collect();
        found.insert((*device).into(), entry.into());
    }
    Ok(found.into())
}

pub(super) fn loadavg(_: &Context, _: &Args) -> Result {
    // The kernel's own fixed-point numbers; /proc/loadavg has only two digits of them.
    let info = nix::sys::sysinfo::sysinfo()
        .map_err(|_| Error::execution("status.loadavag is not available on your platform"))?;
    let (one, five, fifteen) = info.load_average();
    Ok(Value::Map(
        map! {"1-min" => one, "5-min" => five, "15-min" => fifteen},
    ))
}

pub(super) fn netdev(_: &Context, _: &Args) -> Result {
    const FIELDS: [&str; 16] = [
        "rx_bytes",
        "rx_packets",
        "rx_errs",
        "rx_drop",
        "rx_fifo",
        "rx_frame",
        "rx_compressed",
        "rx_multicast",
        "tx_bytes",
        "tx_packets",
        "tx_errs",
        "tx_drop",
        "tx_fifo",
        "tx_colls",
        "tx_carrier",
        "tx_compressed",
    ];
    let mut found = Map::new();
    for line in proc("net/dev").lines() {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let mut entry = map! {"iface" => name.trim()};
        for (index, field) in FIELDS.iter().enumerate() {
            entry.insert((*field).into(), at(&words, index));
        }
        found.insert(name.trim().into(), entry.into());
    }
    Ok(found.into())
}

pub(super) fn netstats(_: &Context, _: &Args) -> Result {
    Ok(parse_netstat(&proc("net/netstat")).into())
}

/// Lines by twos: names, then numbers. Salt leaves the last column out.
fn parse_netstat(text: &str) -> Map {
    let mut found = Map::new();
    let mut headers: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() || words.first() != headers.first() {
            headers = words;
            continue;
        }
        let row = (1..headers.len().saturating_sub(1)).map(|i| (headers[i].into(), at(&words, i)));
        let name = headers[0].replace(':', "");
        found.insert(name.into(), Value::Map(row.collect()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_look_like() {
        assert_eq!(number("12"), 12.into());
        assert_eq!(number("1.5"), 1.5.into());
        assert_eq!(number("-3"), (-3.0).into());
        assert_eq!(number("sda"), "sda".into());
    }

    #[test]
    fn the_last_column_is_left_out() {
        let text = "TcpExt: A B C\nTcpExt: 1 2 3\nIpExt: X Y\nIpExt: 7 8\n";
        let expected = map! {"TcpExt" => map! {"A" => 1, "B" => 2}, "IpExt" => map! {"X" => 7}};
        assert_eq!(parse_netstat(text), expected);
    }

    #[test]
    fn cpu_times_have_names() {
        let found = parse_stat("cpu  1 2 3 4 5 6 7 8\nintr 9 1 2\nbtime 7\n");
        assert_eq!(found["cpu"].get("idle"), Some(&4.into()));
        assert_eq!(
            found["intr"].get("irqs"),
            Some(&Value::List(vec![1.into(), 2.into()]))
        );
        assert_eq!(found["btime"], 7.into());
    }
}
