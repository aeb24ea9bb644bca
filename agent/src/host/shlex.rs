//! Text into words as Python's `shlex.split` does it: what Salt does with a command that needs no shell.

/// Splits at blanks, minding quotes and backslashes; the message of a failure is Python's.
pub fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or("No closing quotation")? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or("No closing quotation")? {
                        '"' => break,
                        '\\' => {
                            let escaped = rest.next().ok_or("No escaped character")?;
                            if !matches!(escaped, '"' | '\\') {
                                word.push('\\');
                            }
                            word.push(escaped);
                        }
                        c => word.push(c),
                    }
                }
            }
            '\\' => {
                let escaped = rest.next().ok_or("No escaped character")?;
                word.get_or_insert_default().push(escaped);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_backslashes() {
        let split = |t| split(t).unwrap();
        assert_eq!(split("a  b\n"), ["a", "b"]);
        assert_eq!(split(r#"a "b c"d 'e"f' """#), ["a", "b cd", "e\"f", ""]);
        assert_eq!(split(r#"\a "\b\"" '\'"#), ["a", "\\b\"", "\\"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn open_ends_are_told() {
        assert_eq!(split("'a"), Err("No closing quotation"));
        assert_eq!(split("a\\"), Err("No escaped character"));
    }
}
