//! Memory and swap in MiB, from `/proc/meminfo`.

use std::fs;

use salt_wire::{Map, map};

pub(super) fn collect() -> Map {
    parse(&fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

fn parse(text: &str) -> Map {
    let mib = |name: &str| -> i64 {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<i64>().ok())
            .map_or(0, |kib| kib / 1024)
    };
    map! {"mem_total" => mib("MemTotal"), "swap_total" => mib("SwapTotal")}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_become_mebibytes() {
        let text = "MemTotal:       24683856 kB\nSwapTotal:          1023 kB\n";
        assert_eq!(parse(text), map! {"mem_total" => 24105, "swap_total" => 0});
    }
}
