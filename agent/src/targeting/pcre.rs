//! Python's `re.match`, translated to the dialect of the `fancy-regex` crate.

use fancy_regex::{Regex, RegexBuilder};

/// Steps of a pattern with look-around or back-references after which it counts as no match.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// Whether `text` begins with what `pattern` describes. A pattern that Python would refuse matches nothing.
pub fn matches(pattern: &str, text: &str) -> bool {
    try_match(pattern, text).unwrap_or_else(|| {
        tracing::debug!(pattern, "Not a regular expression.");
        false
    })
}

/// As [`matches()`]; `None` for a pattern that is none.
pub fn try_match(pattern: &str, text: &str) -> Option<bool> {
    let regex = compile(pattern)?;
    // The leftmost match begins at the start if any match does.
    Some(match regex.find(text) {
        Ok(found) => found.is_some_and(|m| m.start() == 0),
        Err(error) => {
            tracing::warn!(pattern, %error, "A pattern takes too many steps; it counts as no match.");
            false
        }
    })
}

/// A pattern in Python's syntax, compiled; `None` when Python or the engine refuses it.
pub fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&translate(pattern)?)
        .backtrack_limit(BACKTRACK_LIMIT)
        .build()
        .ok()
}

/// Rewrites what the two dialects read differently: `$`, `\Z`, literal braces, brackets inside of sets,
/// comments, and escapes that only one side knows.
fn translate(pattern: &str) -> Option<String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    // `(?m)` at the start makes `$` the end of each line.
    let multiline = global_flags(pattern).contains('m');
    while at < chars.len() {
        let c = chars[at];
        match c {
            '\\' => {
                let next = *chars.get(at + 1)?;
                match next {
                    'Z' => out.push_str("\\z"),
                    'z' | 'p' | 'P' | 'G' | 'K' | 'h' | 'H' | 'R' | 'X' | 'e' | 'k' | 'g' | 'E'
                    | 'Q' | 'C' | 'i' | 'l' | 'm' | 'o' | 'q' | 'y' | 'c' | 'j' | 'F' | 'I'
                    | 'J' | 'L' | 'M' | 'O' | 'T' | 'V' | 'Y' => return None,
                    'N' => return None,
                    '<' | '>' => out.push(next),
                    '/' | '"' | '\'' | '!' | '%' | ',' | ':' | ';' | '=' | '@' | '`' | '_'
                    | ' ' => {
                        if next == ' ' {
                            out.push_str("\\x20");
                        } else {
                            out.push(next);
                        }
                    }
                    '0' => {
                        // Octal.
                        let digits: String = chars[at + 1..]
                            .iter()
                            .take(3)
                            .take_while(|c| ('0'..='7').contains(*c))
                            .collect();
                        let code = u32::from_str_radix(&digits, 8).ok()?;
                        out.push_str(&format!("\\x{{{code:x}}}"));
                        at += digits.len() + 1;
                        continue;
                    }
                    _ if !next.is_ascii() => out.push(next),
                    _ => {
                        out.push('\\');
                        out.push(next);
                    }
                }
                at += 2;
                continue;
            }
            '[' => {
                at = set(&chars, at, &mut out)?;
                continue;
            }
            '$' if !multiline => out.push_str("(?=\\n?\\z)"),
            '{' => {
                if let Some((text, end)) = repeat(&chars, at) {
                    out.push_str(&text);
                    at = end;
                    continue;
                }
                out.push_str("\\{");
            }
            '}' => out.push_str("\\}"),
            '(' if chars[at..].starts_with(&['(', '?', '#']) => {
                at += chars[at..].iter().position(|c| *c == ')')? + 1;
                continue;
            }
            '(' if at > 0 && is_global_flags(&chars[at..]) => return None,
            '(' if chars[at..].starts_with(&['(', '?', 'P', '=']) => {
                let end = at + chars[at..].iter().position(|c| *c == ')')?;
                let name: String = chars[at + 4..end].iter().collect();
                out.push_str(&format!("\\k<{name}>"));
                at = end + 1;
                continue;
            }
            _ => out.push(c),
        }
        at += 1;
    }
    Some(out)
}

/// `(?i)`: only allowed at the very start.
fn is_global_flags(chars: &[char]) -> bool {
    chars.starts_with(&['(', '?'])
        && chars[2..]
            .iter()
            .position(|c| !c.is_ascii_lowercase())
            .is_some_and(|end| end > 0 && chars[2 + end] == ')')
}

fn global_flags(pattern: &str) -> &str {
    pattern
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'))
        .map(|(flags, _)| flags)
        .filter(|flags| flags.chars().all(|c| c.is_ascii_lowercase()))
        .unwrap_or("")
}

/// `{2}`, `{2,}`, `{,3}`, `{2,3}`; anything else in braces is literal.
fn repeat(chars: &[char], at: usize) -> Option<(String, usize)> {
    let end = at + chars[at..].iter().position(|c| *c == '}')?;
    let inner: String = chars[at + 1..end].iter().collect();
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    let text = match inner.split_once(',') {
        None if !inner.is_empty() && digits(&inner) => format!("{{{inner}}}"),
        Some((low, high)) if digits(low) && digits(high) => {
            let low = if low.is_empty() { "0" } else { low };
            format!("{{{low},{high}}}")
        }
        _ => return None,
    };
    Some((text, end + 1))
}

/// Copies a `[…]` set, escaping what only the other engine gives a meaning; returns where it ends.
fn set(chars: &[char], start: usize, out: &mut String) -> Option<usize> {
    let mut at = start + 1;
    out.push('[');
    if chars.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    let first = at;
    loop {
        let c = *chars.get(at)?;
        match c {
            ']' if at > first => {
                out.push(']');
                return Some(at + 1);
            }
            '\\' => {
                let next = *chars.get(at + 1)?;
                if next.is_ascii_alphabetic() && !"abfnrtvxudDsSwW".contains(next) {
                    return None;
                }
                if next == 'b' {
                    out.push_str("\\x08");
                } else if next.is_ascii_alphanumeric() {
                    out.push('\\');
                    out.push(next);
                } else {
                    literal(next, out);
                }
                at += 2;
                continue;
            }
            // A dash keeps its place: range or member, both engines agree.
            '-' if at > first && chars.get(at + 1) != Some(&']') => out.push('-'),
            c => literal(c, out),
        }
        at += 1;
    }
}

fn literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_patterns_as_python_does() {
        for (pattern, text) in [
            ("web", "web1"),
            ("web$", "web\n"),
            ("a{,2}b", "aab"),
            ("a{x}", "a{x}"),
            ("[[]x", "[x"),
            ("[]a]+\\Z", "]a"),
            ("[a&&b]+$", "a&b"),
            ("(?P<n>a)(?P=n)", "aa"),
            ("(?i)WEB", "web"),
            ("web(?#note)1", "web1"),
            ("(?!db)", "web"),
            ("\\-x\\.y", "-x.y"),
            ("", ""),
        ] {
            assert!(matches(pattern, text), "{pattern} {text:?}");
        }
        for (pattern, text) in [
            ("eb", "web"),
            ("web\\Z", "web\n"),
            ("(", "("),
            ("*", "*"),
            ("web$", "web1"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text:?}");
        }
    }
}
