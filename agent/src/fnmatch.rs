//! Shell globs as Python's `fnmatch` reads them: `*`, `?`, `[seq]`, `[!seq]`, over the whole text, with
//! no special meaning for slashes or leading dots. Salt matches SLS names, ids and file names with it.

/// Whether `text` matches `pattern`.
pub fn fnmatch(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let tokens = parse(pattern);
    // Classic two-finger matching: only the last star is ever tried again.
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match tokens.get(p) {
            Some(Token::Star) => {
                star = Some((p, t));
                p += 1;
            }
            Some(token) if token.takes(text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, t));
                }
                None => return false,
            },
        }
    }
    tokens[p..].iter().all(|t| matches!(t, Token::Star))
}

/// Whether a text has any character that makes it a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']'])
}

/// Those of `names` that match, in their order.
pub fn filter<'a>(names: &'a [String], pattern: &str) -> Vec<&'a str> {
    names
        .iter()
        .map(String::as_str)
        .filter(|n| fnmatch(n, pattern))
        .collect()
}

enum Token {
    Star,
    Any,
    Literal(char),
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Literal(l) => *l == c,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(a, z)| (*a..=*z).contains(&c)) != *negated
            }
        }
    }
}

fn parse(pattern: &str) -> Vec<Token> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        at += 1;
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '[' => match set(&chars, at) {
                Some((token, after)) => {
                    at = after;
                    token
                }
                None => Token::Literal('['),
            },
            c => Token::Literal(c),
        });
    }
    tokens
}

/// The set that begins behind an opening bracket, and where it ends; `None` when it never closes.
fn set(chars: &[char], start: usize) -> Option<(Token, usize)> {
    let negated = chars.get(start) == Some(&'!');
    let first = start + usize::from(negated);
    // A closing bracket right at the beginning is a member.
    let mut end = first;
    if chars.get(end) == Some(&']') {
        end += 1;
    }
    while *chars.get(end)? != ']' {
        end += 1;
    }
    let (negated, ranges) = ranges(&chars[start..end]);
    Some((Token::Set { negated, ranges }, end + 1))
}

/// Reads the inside of a set as Python does. It cuts the text at the dashes that make ranges and drops the
/// empty ones (`z-a`), which may move a `!` to the front and so turn the set around.
fn ranges(body: &[char]) -> (bool, Vec<(char, char)>) {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let mut from = 0;
    let mut search = if body.first() == Some(&'!') { 2 } else { 1 };
    while let Some(dash) = (search..body.len()).find(|&i| body[i] == '-') {
        chunks.push(body[from..dash].to_vec());
        from = dash + 1;
        search = dash + 3;
    }
    if from < body.len() {
        chunks.push(body[from..].to_vec());
    } else if let Some(last) = chunks.last_mut() {
        last.push('-');
    }
    for at in (1..chunks.len()).rev() {
        if chunks[at - 1].last() > chunks[at].first() {
            chunks[at - 1].pop();
            let rest = chunks.remove(at);
            chunks[at - 1].extend(rest.into_iter().skip(1));
        }
    }
    // A dash between two chunks is a range, one inside of a chunk a member.
    let mut marked: Vec<(char, bool)> = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        if at > 0 {
            marked.push(('-', true));
        }
        marked.extend(chunk.iter().map(|c| (*c, false)));
    }
    let negated = marked.first() == Some(&('!', false));
    let mut members = marked.into_iter().skip(usize::from(negated)).peekable();
    let mut ranges = Vec::new();
    while let Some((low, _)) = members.next() {
        let high = members
            .next_if_eq(&('-', true))
            .and_then(|_| members.next())
            .map_or(low, |(high, _)| high);
        ranges.push((low, high));
    }
    (negated, ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_python_does() {
        for (text, pattern, expected) in [
            ("web1", "web*", true),
            ("web1", "*", true),
            ("", "*", true),
            ("web1", "web?", true),
            ("web12", "web?", false),
            ("a.b.c", "a.*", true),
            ("a/b", "a*", true),
            (".hidden", "*", true),
            ("x1", "x[0-9]", true),
            ("xa", "x[!0-9]", true),
            ("x]", "x[]]", true),
            ("x", "[z-a]", false),
            ("-", "[a-]", true),
            ("b", "[a-[!a-c]", false),
            ("d", "[a-[!a-c]", true),
            ("x[", "x[", true),
            ("abcabd", "*ab?", true),
            ("abc", "ABC", false),
            ("a-b", "a[-x]b", true),
            ("aXbXc", "a*b*c", true),
            ("aXbX", "a*b*c", false),
        ] {
            assert_eq!(fnmatch(text, pattern), expected, "{text} {pattern}");
        }
    }
}
