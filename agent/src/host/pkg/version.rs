//! Versions as dpkg compares them.

use std::cmp::Ordering;

use crate::fnmatch::fnmatch;

/// Whether a version meets conditions such as `>=1.2,<2`; without an operator it may be a pattern.
pub fn fulfils(version: &str, conditions: &str) -> bool {
    conditions.split(',').map(str::trim).all(|condition| {
        let at = condition
            .find(|c| !matches!(c, '<' | '>' | '=' | '!'))
            .unwrap_or(condition.len());
        let (operator, wanted) = (&condition[..at], condition[at..].trim());
        let order = compare(version, wanted);
        match operator {
            "" | "=" | "==" => fnmatch(version, wanted) || order == Ordering::Equal,
            "!=" => order != Ordering::Equal,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            _ => false,
        }
    })
}

/// Compares two versions as dpkg does: epoch, upstream version, revision.
pub fn compare(a: &str, b: &str) -> Ordering {
    let split = |v: &str| {
        let (epoch, rest) = v.split_once(':').unwrap_or(("0", v));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        (
            epoch.parse::<u64>().unwrap_or(0),
            upstream.to_owned(),
            revision.to_owned(),
        )
    };
    let ((ea, ua, ra), (eb, ub, rb)) = (split(a), split(b));
    ea.cmp(&eb)
        .then_with(|| parts(&ua, &ub))
        .then_with(|| parts(&ra, &rb))
}

/// Letters before other signs, and a tilde before everything, the end included.
fn weight(c: Option<u8>) -> i32 {
    match c {
        None => 0,
        Some(b'~') => -1,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(c),
        Some(c) => i32::from(c) + 256,
    }
}

fn parts(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let text = |s: &[u8], at: usize| s.get(at).is_some_and(|c| !c.is_ascii_digit());
        while text(a, i) || text(b, j) {
            let order = weight(a.get(i).copied()).cmp(&weight(b.get(j).copied()));
            if order != Ordering::Equal {
                return order;
            }
            i += 1;
            j += 1;
        }
        let (x, after_x) = digits(a, i);
        let (y, after_y) = digits(b, j);
        let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
        if order != Ordering::Equal {
            return order;
        }
        (i, j) = (after_x, after_y);
    }
    Ordering::Equal
}

/// The number at a place without its leading zeros, and where it ends.
fn digits(s: &[u8], start: usize) -> (&[u8], usize) {
    let start = start.min(s.len());
    let length = s[start..].iter().take_while(|c| c.is_ascii_digit()).count();
    let end = start + length;
    let zeros = s[start..end].iter().take_while(|c| **c == b'0').count();
    (&s[start + zeros..end], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_dpkgs() {
        for (a, b, order) in [
            ("1.0", "1.0", Ordering::Equal),
            ("1.0-1", "1.0-2", Ordering::Less),
            ("1:1.0", "2.0", Ordering::Greater),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0~~", "1.0~", Ordering::Less),
            ("1.10", "1.9", Ordering::Greater),
            ("1.0a", "1.0+b", Ordering::Less),
            ("1.0", "1.0-0", Ordering::Equal),
            ("1.002", "1.2", Ordering::Equal),
            ("2.36-9+deb12u10", "2.36-9+deb12u9", Ordering::Greater),
        ] {
            assert_eq!(compare(a, b), order, "{a} {b}");
        }
    }
}
