//! Paragraphs as Python's `textwrap` fills them: words and the parts of hyphenated words, long ones broken.

/// Fills `text` into lines of at most `width`, each with `indent` blanks in front.
pub(super) fn fill(text: &str, width: usize, indent: usize) -> String {
    let text: String = expand_tabs(text)
        .chars()
        .map(|c| if c.is_ascii_whitespace() { ' ' } else { c })
        .collect();
    let room = width.saturating_sub(indent).max(1);
    let mut chunks: Vec<String> = chunks(&text);
    chunks.reverse();
    let mut lines: Vec<String> = Vec::new();
    while let Some(next) = chunks.last() {
        if next.trim().is_empty() && !lines.is_empty() {
            chunks.pop();
            continue;
        }
        let mut line = String::new();
        let mut length = 0;
        while let Some(chunk) = chunks.last() {
            let size = chunk.chars().count();
            if length + size > room {
                break;
            }
            length += size;
            line.push_str(chunk);
            chunks.pop();
        }
        if let Some(chunk) = chunks.last_mut().filter(|c| c.chars().count() > room) {
            let left = room
                .saturating_sub(length)
                .max(usize::from(line.is_empty()));
            let head: String = chunk.chars().take(left).collect();
            let tail: String = chunk.chars().skip(left).collect();
            line.push_str(&head);
            *chunk = tail;
        }
        let line = line.trim_end();
        if !line.is_empty() {
            lines.push(format!("{}{line}", " ".repeat(indent)));
        }
    }
    lines.join("\n")
}

/// Tabs as blanks up to the next of columns that are eight apart.
fn expand_tabs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' => {
                let blanks = 8 - column % 8;
                out.push_str(&" ".repeat(blanks));
                column += blanks;
            }
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// Blanks and words by turns; a word is cut behind a hyphen between letters.
fn chunks(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut current = String::new();
    let letters: Vec<char> = text.chars().collect();
    for (at, &c) in letters.iter().enumerate() {
        let changes_kind = current
            .chars()
            .next_back()
            .is_some_and(|last| (last == ' ') != (c == ' '));
        if changes_kind {
            found.push(std::mem::take(&mut current));
        }
        current.push(c);
        if c == '-' && breaks_behind(&letters, at) {
            found.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        found.push(current);
    }
    found
}

/// A hyphen with two word characters on each side, the last in front of it and one soon behind it a letter.
fn breaks_behind(letters: &[char], at: usize) -> bool {
    let word = |c: &char| c.is_alphanumeric() || *c == '_';
    let letter = |c: &char| word(c) && !c.is_numeric();
    let before = at >= 2 && letter(&letters[at - 1]) && word(&letters[at - 2]);
    let mut behind = letters[at + 1..].iter().take_while(|c| word(c));
    let first = behind.next().is_some();
    before && first && behind.any(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_and_long_ones_broken() {
        assert_eq!(fill("aa bb cc", 6, 1), " aa bb\n cc");
        assert_eq!(fill("abcdefgh", 4, 0), "abcd\nefgh");
        assert_eq!(fill("well-known", 6, 0), "well-\nknown");
    }
}
