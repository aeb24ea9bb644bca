//! Versions compared as Salt compares those of no known scheme: piece by piece, numbers as numbers.

use std::cmp::Ordering;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Number(u128),
    Word(String),
}

/// Runs of digits, runs of small letters, and whatever stands between them; dots part.
fn pieces(version: &str) -> Vec<Piece> {
    let class = |c: char| match c {
        '0'..='9' => 0,
        'a'..='z' => 1,
        '.' => 2,
        _ => 3,
    };
    let mut runs: Vec<(u8, String)> = Vec::new();
    for c in version.chars() {
        match runs.last_mut() {
            Some((kind, run)) if *kind == class(c) => run.push(c),
            _ => runs.push((class(c), c.to_string())),
        }
    }
    let piece = |(kind, run): (u8, String)| match kind {
        0 => Some(run.parse().map_or(Piece::Word(run), Piece::Number)),
        2 => None,
        _ => Some(Piece::Word(run)),
    };
    runs.into_iter().filter_map(piece).collect()
}

/// How two versions stand to each other.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (pieces(a), pieces(b));
    let words = |p: &&Piece| matches!(p, Piece::Word(_));
    if a.iter().chain(&b).find(words).is_none() {
        return a.cmp(&b);
    }
    // Beside a word numbers are words, too, of one length.
    let texts = |list: Vec<Piece>| -> Vec<String> {
        let text = |piece| match piece {
            Piece::Number(n) => format!("{n:08}"),
            Piece::Word(word) => word,
        };
        list.into_iter().map(text).collect()
    };
    texts(a).cmp(&texts(b))
}

/// Whether `a` stands to `b` as a sign says: `<`, `<=`, `==`, `!=`, `>=`, `>`.
pub fn is(a: &str, sign: &str, b: &str) -> bool {
    let order = compare(a, b);
    match sign {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        ">=" => order.is_ge(),
        ">" => order.is_gt(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_and_words_sort() {
        for (a, sign, b) in [
            ("1.10", ">", "1.9"),
            ("1.2", "==", "1.2"),
            ("1.2", "<", "1.2.1"),
            ("1.2.rc1", ">=", "1.2"),
            ("1.10.a", ">", "1.9.b"),
            ("2.0", "!=", "2.0.0"),
        ] {
            assert!(is(a, sign, b), "{a} {sign} {b}");
        }
        assert!(!is("1", "~>", "1"));
    }
}
