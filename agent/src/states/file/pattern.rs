//! Regular expressions as Python's `re` takes them, for the states that edit lines. The pattern's own flags and
//! those of the `flags` argument are joined; replacements are Python's templates (`\1`, `\g<name>`).

use fancy_regex::{Captures, Regex};
use salt_wire::Value;

use crate::context::{Error, python};
use crate::targeting::pcre;

/// Python's `re.MULTILINE`, the default of Salt's editing functions.
pub(super) const MULTILINE: i64 = 8;

/// Each flag's letter, name and number.
const FLAGS: [(char, &[&str], i64); 5] = [
    ('i', &["I", "IGNORECASE"], 2),
    ('m', &["M", "MULTILINE"], 8),
    ('s', &["S", "DOTALL"], 16),
    ('u', &["U", "UNICODE"], 32),
    ('x', &["X", "VERBOSE"], 64),
];

/// The number of the `flags` argument: a number, a name, or a list of names.
pub(super) fn flags(value: &Value) -> Result<i64, Error> {
    let one = |name: &Value| {
        let name = python::text(name).to_uppercase();
        let found = FLAGS
            .iter()
            .find(|(_, names, _)| names.contains(&name.as_str()));
        found
            .map(|(_, _, number)| *number)
            .ok_or_else(|| Error::execution(format!("Invalid re flag given: {name}")))
    };
    match value {
        Value::Int(number) => Ok(i64::try_from(*number).unwrap_or_default()),
        Value::List(names) => names.iter().try_fold(0, |all, name| Ok(all | one(name)?)),
        Value::Str(_) => one(value),
        other => Err(Error::execution(format!(
            "Invalid re flags: \"{}\", must be given either as a single flag string, a list of strings, as an integer, or as an re flag",
            python::text(other)
        ))),
    }
}

/// A pattern with these flags.
pub(super) fn compile(pattern: &str, flags: i64) -> Result<Regex, Error> {
    let letters: String = FLAGS
        .iter()
        .filter(|(letter, _, number)| *letter != 'u' && flags & number != 0)
        .map(|(letter, ..)| *letter)
        .collect();
    // Flags that the pattern begins with come after ours: only one group of them may stand there.
    let (own, rest) = match pattern.strip_prefix("(?").and_then(|r| r.split_once(')')) {
        Some((own, rest)) if own.chars().all(|c| "aimsux".contains(c)) && !own.is_empty() => {
            (own, rest)
        }
        _ => ("", pattern),
    };
    let mut all: Vec<char> = letters.chars().chain(own.chars()).collect();
    all.retain(|c| !matches!(c, 'a' | 'u'));
    all.sort_unstable();
    all.dedup();
    let text = if all.is_empty() {
        rest.to_owned()
    } else {
        format!("(?{}){rest}", all.into_iter().collect::<String>())
    };
    pcre::compile(&text).ok_or_else(|| {
        Error::execution(format!("the regular expression '{pattern}' cannot be read"))
    })
}

/// Whether a text has a match anywhere. A search that takes too long is an error, not a miss.
pub(super) fn search(regex: &Regex, text: &str) -> Result<bool, Error> {
    regex
        .is_match(text)
        .map_err(|e| Error::execution(format!("the regular expression gives up: {e}")))
}

/// Whether a text begins with a match.
pub(super) fn begins(regex: &Regex, text: &str) -> Result<bool, Error> {
    let found = regex
        .find(text)
        .map_err(|e| Error::execution(format!("the regular expression gives up: {e}")))?;
    Ok(found.is_some_and(|m| m.start() == 0))
}

/// All matches (or the first `count`) replaced, and how many there were.
pub(super) fn replace(
    regex: &Regex,
    text: &str,
    template: &str,
    literal: bool,
    count: usize,
) -> Result<(String, usize), Error> {
    let mut out = String::with_capacity(text.len());
    let (mut end, mut found) = (0, 0);
    for captures in regex.captures_iter(text) {
        let captures = captures
            .map_err(|e| Error::execution(format!("the regular expression gives up: {e}")))?;
        let Some(whole) = captures.get(0) else {
            continue;
        };
        out.push_str(&text[end..whole.start()]);
        if literal {
            out.push_str(template);
        } else {
            expand(template, &captures, &mut out)?;
        }
        end = whole.end();
        found += 1;
        if found == count {
            break;
        }
    }
    out.push_str(&text[end..]);
    Ok((out, found))
}

/// A replacement with its references to groups filled in.
fn expand(template: &str, captures: &Captures<'_>, out: &mut String) -> Result<(), Error> {
    let bad = |what: &str| Error::Exception {
        kind: "re.error",
        message: what.to_owned(),
    };
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else {
            return Err(bad("bad escape (end of pattern)"));
        };
        rest = &rest[c.len_utf8()..];
        match c {
            'g' => {
                let (name, after) = rest
                    .strip_prefix('<')
                    .and_then(|r| r.split_once('>'))
                    .ok_or_else(|| bad("missing group name"))?;
                let group = match name.parse() {
                    Ok(number) => captures.get(number),
                    Err(_) => captures.name(name),
                };
                out.push_str(group.map_or("", |g| g.as_str()));
                rest = after;
            }
            '0' => out.push('\0'),
            '1'..='9' => {
                let mut digits = c.to_string();
                if let Some(next) = rest.chars().next().filter(char::is_ascii_digit) {
                    digits.push(next);
                    rest = &rest[1..];
                }
                let number: usize = digits.parse().unwrap_or_default();
                if number >= captures.len() {
                    return Err(bad(&format!("invalid group reference {number}")));
                }
                out.push_str(captures.get(number).map_or("", |g| g.as_str()));
            }
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'f' => out.push('\x0c'),
            'v' => out.push('\x0b'),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            '\\' => out.push('\\'),
            c if c.is_ascii_alphabetic() => return Err(bad(&format!("bad escape \\{c}"))),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out.push_str(rest);
    Ok(())
}

/// Python's `re.escape`.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A pattern that finds this text whatever the white space between and around its words.
pub(super) fn whitespace_tolerant(text: &str) -> String {
    let mut regex = String::new();
    for line in python_lines(text) {
        let words: Vec<String> = split_quoted(line).iter().map(|w| escape(w)).collect();
        regex += &format!("(?:[\\s]+)?{}(?:[\\s]+)?", words.join("(?:[\\s]+)?"));
    }
    format!("(?m)^{regex}$")
}

/// Words at white space; quoted text stays together, with its quotes.
fn split_quoted(line: &str) -> Vec<String> {
    let quotes: &[char] = if line.contains("'\\\"") {
        &[]
    } else if line.contains('\'') {
        &['"']
    } else if line.contains('"') {
        &['\'']
    } else {
        &['"', '\'']
    };
    let mut words = Vec::new();
    let mut word = String::new();
    let mut open = None;
    for c in line.chars() {
        match open {
            Some(quote) => {
                word.push(c);
                if c == quote {
                    open = None;
                }
            }
            None if matches!(c, ' ' | '\t' | '\r' | '\n') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            None => {
                if quotes.contains(&c) {
                    open = Some(c);
                }
                word.push(c);
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Python's `splitlines()`.
pub(super) fn python_lines(text: &str) -> Vec<&str> {
    kept_lines(text).into_iter().map(bare).collect()
}

const ENDS: [char; 10] = [
    '\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}',
];

/// A line without its end.
fn bare(line: &str) -> &str {
    line.strip_suffix("\r\n")
        .or_else(|| line.strip_suffix(ENDS))
        .unwrap_or(line)
}

/// Python's `splitlines(True)`: lines with their ends.
pub(super) fn kept_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ENDS) {
        let width = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        let (line, after) = rest.split_at(at + width);
        lines.push(line);
        rest = after;
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand_as_in_python() {
        let regex = compile("(?P<n>a)(b)?", MULTILINE).unwrap();
        let sub = |template| replace(&regex, "xaby", template, false, 0).unwrap().0;
        assert_eq!(sub(r"\1-\g<n>-\g<2>"), "xa-a-by");
        assert_eq!(sub(r"\\n\n"), "x\\n\ny");
        assert!(replace(&regex, "a", r"\7", false, 0).is_err());
        assert_eq!(
            replace(&regex, "aaa", "b", false, 2).unwrap(),
            ("bba".into(), 2)
        );
    }

    #[test]
    fn words_with_any_white_space_between() {
        let regex = compile(&whitespace_tolerant("a = 'b c'"), MULTILINE).unwrap();
        for text in ["a = 'b c'", "x\n a  =   'b c' \ny", "a='b c'"] {
            assert!(search(&regex, text).unwrap(), "{text}");
        }
        assert!(!search(&regex, "a = b").unwrap());
    }

    #[test]
    fn flags_have_names_and_numbers() {
        assert_eq!(flags(&vec!["IGNORECASE", "m"].into()).unwrap(), 10);
        assert!(flags(&"nonsense".into()).is_err());
        let regex = compile("(?i)^B$", MULTILINE).unwrap();
        assert!(search(&regex, "a\nb\n").unwrap());
    }
}
