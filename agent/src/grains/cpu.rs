//! Processors, from `/proc/cpuinfo`.

use std::fs;

use salt_wire::{Map, Value, map};

pub(super) fn collect() -> Map {
    parse(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

fn parse(text: &str) -> Map {
    let (mut count, mut model, mut flags) = (0i64, None, Vec::new());
    for line in text.lines() {
        let mut parts = line.split(':');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "processor" => count += 1,
            // S390 counts on one line.
            "# processors" => count = value.parse().unwrap_or(count),
            // POWER says `cpu`, everybody else one of the other two; the last one wins.
            "vendor_id" | "model name" | "cpu" => model = Some(value),
            "flags" | "Features" => flags = value.split_whitespace().collect(),
            // Old ARM kernels.
            "Processor" => {
                model = value.split('-').next();
                count = 1;
            }
            _ => {}
        }
    }
    map! {
        "num_cpus" => count,
        "cpu_model" => model.unwrap_or("Unknown"),
        "cpu_flags" => Value::from(flags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_follows_the_vendor() {
        let text = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon @ 2GHz\nflags\t\t: fpu vme\n\nprocessor\t: 1\n";
        assert_eq!(
            parse(text),
            map! {"num_cpus" => 2, "cpu_model" => "Xeon @ 2GHz", "cpu_flags" => vec!["fpu", "vme"]}
        );
        let none =
            map! {"num_cpus" => 0, "cpu_model" => "Unknown", "cpu_flags" => Value::List(vec![])};
        assert_eq!(parse(""), none);
    }

    #[test]
    fn power_and_s390() {
        let power = parse("processor\t: 0\ncpu\t\t: POWER9 (architected)\n");
        assert_eq!(power.get("cpu_model"), Some(&"POWER9 (architected)".into()));
        let s390 = parse("vendor_id       : IBM/S390\n# processors    : 2\n");
        assert_eq!(s390.get("num_cpus"), Some(&2.into()));
    }
}
