//! Unified diffs, line for line as Python's `difflib` makes them: managed files report their changes so.

use std::collections::HashMap;
use std::ops::Range;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The diff of two texts without file names; empty when they are equal. Bytes that are no UTF-8 are Latin-1.
pub fn unified(old: &[u8], new: &[u8]) -> String {
    unified_lines(&lines(old), &lines(new)).concat()
}

/// The lines of the diff between two lists of lines; its own lines end with a line break, the others as they do.
pub fn unified_lines(old: &[String], new: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    for group in grouped(opcodes(old, new)) {
        if out.is_empty() {
            out.extend(["--- \n".to_owned(), "+++ \n".to_owned()]);
        }
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        out.push(format!(
            "@@ -{} +{} @@\n",
            range(first.old.start..last.old.end),
            range(first.new.start..last.new.end)
        ));
        for op in &group {
            let mut put = |sign: char, lines: &[String]| {
                out.extend(lines.iter().map(|l| format!("{sign}{l}")));
            };
            if op.equal {
                put(' ', &old[op.old.clone()]);
            } else {
                put('-', &old[op.old.clone()]);
                put('+', &new[op.new.clone()]);
            }
        }
    }
    out
}

/// The change between two contents as a managed file reports it; `None` when they are equal.
pub fn files(old: &[u8], new: &[u8]) -> Option<String> {
    if old == new {
        return None;
    }
    Some(match (is_text(old), is_text(new)) {
        (true, true) => unified(old, new),
        (false, false) => "Replace binary file".into(),
        (false, true) => "Replace binary file with text file".into(),
        (true, false) => "Replace text file with binary file".into(),
    })
}

/// Whether bytes look like text: what Salt reads of a file to decide that.
pub fn is_text(bytes: &[u8]) -> bool {
    let block = &bytes[..bytes.len().min(512)];
    if block.contains(&0) {
        return false;
    }
    if block.is_empty() || std::str::from_utf8(block).is_ok() {
        return true;
    }
    let odd = block
        .iter()
        .filter(|b| !matches!(b, 32..=126 | b'\n' | b'\r' | b'\t' | 0x0c | 0x08))
        .count();
    odd * 10 <= block.len() * 3
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => line.iter().map(|b| char::from(*b)).collect(),
    };
    bytes.split_inclusive(|b| *b == b'\n').map(text).collect()
}

#[derive(Debug, Clone, PartialEq)]
struct Op {
    equal: bool,
    old: Range<usize>,
    new: Range<usize>,
}

fn range(range: Range<usize>) -> String {
    match range.len() {
        1 => format!("{}", range.start + 1),
        0 => format!("{},0", range.start),
        length => format!("{},{length}", range.start + 1),
    }
}

/// Ratcliff and Obershelp's matching as `difflib.SequenceMatcher` does it, popular lines left out.
struct Matcher<'a> {
    old: &'a [String],
    positions: HashMap<&'a str, Vec<usize>>,
    new: &'a [String],
}

impl<'a> Matcher<'a> {
    fn new(old: &'a [String], new: &'a [String]) -> Self {
        let mut positions: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, line) in new.iter().enumerate() {
            positions.entry(line).or_default().push(at);
        }
        if new.len() >= 200 {
            let most = new.len() / 100 + 1;
            positions.retain(|_, at| at.len() <= most);
        }
        Self {
            old,
            positions,
            new,
        }
    }

    /// The longest block that is in both ranges: start in each and length.
    fn longest(&self, old: &Range<usize>, new: &Range<usize>) -> (usize, usize, usize) {
        let (mut best_old, mut best_new, mut best) = (old.start, new.start, 0);
        let mut lengths: HashMap<usize, usize> = HashMap::new();
        for i in old.clone() {
            let mut next = HashMap::new();
            for &j in self
                .positions
                .get(self.old[i].as_str())
                .into_iter()
                .flatten()
            {
                if j < new.start {
                    continue;
                }
                if j >= new.end {
                    break;
                }
                let length = 1 + j
                    .checked_sub(1)
                    .and_then(|k| lengths.get(&k))
                    .copied()
                    .unwrap_or(0);
                next.insert(j, length);
                if length > best {
                    (best_old, best_new, best) = (i + 1 - length, j + 1 - length, length);
                }
            }
            lengths = next;
        }
        // Popular lines beside the block belong to it after all.
        while best_old > old.start
            && best_new > new.start
            && self.old[best_old - 1] == self.new[best_new - 1]
        {
            (best_old, best_new, best) = (best_old - 1, best_new - 1, best + 1);
        }
        while best_old + best < old.end
            && best_new + best < new.end
            && self.old[best_old + best] == self.new[best_new + best]
        {
            best += 1;
        }
        (best_old, best_new, best)
    }

    fn blocks(&self) -> Vec<(usize, usize, usize)> {
        let mut queue = vec![(0..self.old.len(), 0..self.new.len())];
        let mut found = Vec::new();
        while let Some((old, new)) = queue.pop() {
            let (i, j, length) = self.longest(&old, &new);
            if length == 0 {
                continue;
            }
            found.push((i, j, length));
            if old.start < i && new.start < j {
                queue.push((old.start..i, new.start..j));
            }
            if i + length < old.end && j + length < new.end {
                queue.push((i + length..old.end, j + length..new.end));
            }
        }
        found.sort_unstable();
        let mut joined: Vec<(usize, usize, usize)> = Vec::new();
        for (i, j, length) in found {
            match joined.last_mut() {
                Some((a, b, n)) if *a + *n == i && *b + *n == j => *n += length,
                _ => joined.push((i, j, length)),
            }
        }
        joined.push((self.old.len(), self.new.len(), 0));
        joined
    }
}

fn opcodes(old: &[String], new: &[String]) -> Vec<Op> {
    let (mut i, mut j) = (0, 0);
    let mut ops = Vec::new();
    for (a, b, length) in Matcher::new(old, new).blocks() {
        if i < a || j < b {
            ops.push(Op {
                equal: false,
                old: i..a,
                new: j..b,
            });
        }
        (i, j) = (a + length, b + length);
        if length > 0 {
            ops.push(Op {
                equal: true,
                old: a..i,
                new: b..j,
            });
        }
    }
    ops
}

fn grouped(mut ops: Vec<Op>) -> Vec<Vec<Op>> {
    if let Some(first) = ops.first_mut().filter(|o| o.equal) {
        first.old.start = first.old.start.max(first.old.end.saturating_sub(CONTEXT));
        first.new.start = first.new.start.max(first.new.end.saturating_sub(CONTEXT));
    }
    if let Some(last) = ops.last_mut().filter(|o| o.equal) {
        last.old.end = last.old.end.min(last.old.start + CONTEXT);
        last.new.end = last.new.end.min(last.new.start + CONTEXT);
    }
    let mut groups = Vec::new();
    let mut group: Vec<Op> = Vec::new();
    for op in ops {
        if op.equal && op.old.len() > 2 * CONTEXT {
            group.push(Op {
                equal: true,
                old: op.old.start..op.old.start + CONTEXT,
                new: op.new.start..op.new.start + CONTEXT,
            });
            groups.push(std::mem::take(&mut group));
            group.push(Op {
                equal: true,
                old: op.old.end - CONTEXT..op.old.end,
                new: op.new.end - CONTEXT..op.new.end,
            });
        } else {
            group.push(op);
        }
    }
    groups.push(group);
    groups.retain(|g| g.iter().any(|o| !o.equal));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_difflib_prints_it() {
        assert_eq!(
            unified(b"a\nb\nc\n", b"a\nx\nc\n"),
            "--- \n+++ \n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"
        );
        assert_eq!(unified(b"", b"a\n"), "--- \n+++ \n@@ -0,0 +1 @@\n+a\n");
        assert_eq!(unified(b"same", b"same"), "");
        assert_eq!(
            unified(b"one", b"one\n"),
            "--- \n+++ \n@@ -1 +1 @@\n-one+one\n"
        );
        let long: String = (0..40).map(|i| format!("{i}\n")).collect();
        let changed = long.replace("\n20\n", "\ntwenty\n");
        assert_eq!(
            unified(long.as_bytes(), changed.as_bytes()),
            "--- \n+++ \n@@ -18,7 +18,7 @@\n 17\n 18\n 19\n-20\n+twenty\n 21\n 22\n 23\n"
        );
    }

    #[test]
    fn binary_is_told_from_text() {
        assert!(is_text(b"plain"));
        assert!(is_text("ä".as_bytes()));
        assert!(!is_text(b"\x7fELF\0"));
        assert!(!is_text(&[0xff; 20]));
    }
}
