//! Which tag a plain scalar has, by YAML 1.1 as PyYAML reads it.

pub(crate) const STR: &str = "tag:yaml.org,2002:str";
pub(crate) const SEQ: &str = "tag:yaml.org,2002:seq";
pub(crate) const MAP: &str = "tag:yaml.org,2002:map";
pub(crate) const NULL: &str = "tag:yaml.org,2002:null";
pub(crate) const BOOL: &str = "tag:yaml.org,2002:bool";
pub(crate) const INT: &str = "tag:yaml.org,2002:int";
pub(crate) const FLOAT: &str = "tag:yaml.org,2002:float";
pub(crate) const TIMESTAMP: &str = "tag:yaml.org,2002:timestamp";
pub(crate) const MERGE: &str = "tag:yaml.org,2002:merge";
pub(crate) const VALUE: &str = "tag:yaml.org,2002:value";
const YAML: &str = "tag:yaml.org,2002:yaml";

/// The tag that a plain scalar gets by its looks.
pub(crate) fn implicit(text: &str) -> &'static str {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NULL,
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false"
        | "False" | "FALSE" | "on" | "On" | "ON" | "off" | "Off" | "OFF" => return BOOL,
        "<<" => return MERGE,
        "=" => return VALUE,
        "!" | "&" | "*" => return YAML,
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        STR
    } else if is_float(text) {
        FLOAT
    } else if is_int(text) {
        INT
    } else if is_timestamp(text) {
        TIMESTAMP
    } else {
        STR
    }
}

/// Whether text written plainly is read back as that same text, as far as its tag goes.
pub fn is_plain_text(text: &str) -> bool {
    implicit(text) == STR
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, mut test: impl FnMut(u8) -> bool) -> bool {
    text.bytes().all(&mut test)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && all(text, |b| b.is_ascii_digit())
}

/// `[0-9][0-9_]*`
fn number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && all(text, |b| b.is_ascii_digit() || b == b'_')
}

/// `(?::[0-5]?[0-9])+`, given without its first colon.
fn sixties(text: &str) -> bool {
    text.split(':').all(|part| match part.as_bytes() {
        [a] => a.is_ascii_digit(),
        [a, b] => (b'0'..=b'5').contains(a) && b.is_ascii_digit(),
        _ => false,
    })
}

fn is_int(text: &str) -> bool {
    let text = unsigned(text);
    if let Some(bits) = text.strip_prefix("0b") {
        return !bits.is_empty() && all(bits, |b| matches!(b, b'0' | b'1' | b'_'));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && all(hex, |b| b.is_ascii_hexdigit() || b == b'_');
    }
    if let Some(octal) = text.strip_prefix('0') {
        return all(octal, |b| matches!(b, b'0'..=b'7' | b'_'));
    }
    match text.split_once(':') {
        Some((head, rest)) => number(head) && sixties(rest),
        None => number(text),
    }
}

/// `(?:[eE][-+][0-9]+)?` after `[0-9_]*`.
fn fraction(text: &str) -> bool {
    match text.find(['e', 'E']) {
        Some(at) => {
            let exponent = &text[at + 1..];
            all(&text[..at], |b| b.is_ascii_digit() || b == b'_')
                && exponent.starts_with(['-', '+'])
                && digits(&exponent[1..])
        }
        None => all(text, |b| b.is_ascii_digit() || b == b'_'),
    }
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    if let Some(rest) = text.strip_prefix('.')
        && rest.starts_with(|c: char| c.is_ascii_digit())
    {
        return fraction(rest);
    }
    let text = unsigned(text);
    if matches!(text, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let Some((whole, rest)) = text.split_once('.') else {
        return false;
    };
    match whole.split_once(':') {
        Some((head, sixty)) => {
            number(head) && sixties(sixty) && all(rest, |b| b.is_ascii_digit() || b == b'_')
        }
        None => number(whole) && fraction(rest),
    }
}

fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits_at = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|b| b.iter().all(u8::is_ascii_digit))
    };
    if !digits_at(0..4) || bytes.get(4) != Some(&b'-') {
        return false;
    }
    if bytes.len() == 10 && digits_at(5..7) && bytes[7] == b'-' && digits_at(8..10) {
        return true;
    }
    long_timestamp(&text[5..]).is_some()
}

/// `M?M-D?D(T|blanks)H?H:MM:SS(.f*)?(blanks(Z|±H?H(:MM)?))?`
fn long_timestamp(text: &str) -> Option<()> {
    let (rest, _) = short_number(text)?;
    let (rest, _) = short_number(rest.strip_prefix('-')?)?;
    let blanks = rest.trim_start_matches([' ', '\t']);
    let rest = match rest.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None if blanks.len() < rest.len() => blanks,
        None => return None,
    };
    let (rest, _) = short_number(rest)?;
    let rest = two_digits(rest.strip_prefix(':')?)?;
    let mut rest = two_digits(rest.strip_prefix(':')?)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    if rest.is_empty() {
        return Some(());
    }
    let zone = rest.trim_start_matches([' ', '\t']);
    if zone == "Z" {
        return Some(());
    }
    let (rest, _) = short_number(zone.strip_prefix(['-', '+'])?)?;
    match rest.strip_prefix(':') {
        Some(minutes) => two_digits(minutes)?.is_empty().then_some(()),
        None => rest.is_empty().then_some(()),
    }
}

/// One digit or two, as many as there are.
fn short_number(text: &str) -> Option<(&str, &str)> {
    let n = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    (n > 0).then(|| (&text[n..], &text[..n]))
}

fn two_digits(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => Some(&text[2..]),
        _ => None,
    }
}
