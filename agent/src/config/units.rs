//! Lengths of time and sizes as people write them.

use std::time::Duration;

/// `500ms`, `15s`, `5m`, `2h`, `7d`, or seconds without a unit.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" | "sec" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// `64k`, `256MiB`, `1GB`, or bytes without a unit; all are powers of 1024.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    let bytes = number * f64::from(1u32 << shift);
    (bytes.is_finite() && (0.0..1e18).contains(&bytes)).then_some(bytes as u64)
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(duration("15s"), Some(Duration::from_secs(15)));
        assert_eq!(duration("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!(duration(" 500 ms "), Some(Duration::from_millis(500)));
        assert_eq!(duration("7"), Some(Duration::from_secs(7)));
        for wrong in ["", "s", "-1s", "1 week", "1e9s", "999999999999999999999d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("256MiB"), Some(256 << 20));
        assert_eq!(size("64k"), Some(64 << 10));
        assert_eq!(size("12"), Some(12));
        for wrong in ["", "MB", "1TB", "-1", "9999999999g"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
