//! Answers to the questions that packages ask.

use std::path::Path;

use super::env;
use super::program::Programs;

type Result<T> = std::result::Result<T, String>;

/// One answer: package, question, type, value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whose question it is.
    pub package: String,
    /// Its name.
    pub question: String,
    /// `boolean`, `string`, `select`, …
    pub kind: String,
    /// The answer.
    pub value: String,
}

/// All answers that there are.
pub fn answers(programs: &Programs<'_>) -> Result<Vec<Answer>> {
    if env::which("debconf-get-selections").is_none() {
        return Err("debconf-utils is not installed: it brings debconf-get-selections".to_owned());
    }
    let said = programs.run(&["debconf-get-selections"])?;
    Ok(said.stdout.lines().filter_map(parse).collect())
}

fn parse(line: &str) -> Option<Answer> {
    let blank = |c: char| c == ' ' || c == '\t';
    let word = |text: &str| -> Option<(String, String)> {
        let (word, rest) = text.split_once(blank)?;
        Some((word.to_owned(), rest.trim_start_matches(blank).to_owned()))
    };
    if line.starts_with('#') {
        return None;
    }
    let (package, rest) = word(line)?;
    let (question, rest) = word(&rest)?;
    let (kind, value) = word(&rest).unwrap_or((rest, String::new()));
    (package.len() > 1).then_some(Answer {
        package,
        question,
        kind,
        value,
    })
}

/// Gives one answer.
pub fn set(programs: &Programs<'_>, answer: &Answer) -> Result<()> {
    let Answer {
        package,
        question,
        kind,
        value,
    } = answer;
    let line = format!("{package} {question} {kind} {value}");
    programs.feed(&["debconf-set-selections"], line.as_bytes())?;
    Ok(())
}

/// Gives the answers of a file.
pub fn set_file(programs: &Programs<'_>, path: &Path) -> Result<()> {
    programs.run(&["debconf-set-selections", &path.to_string_lossy()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = parse("tzdata\ttzdata/Zones/Etc\tselect\tUTC and more").unwrap();
        assert_eq!(answer.question, "tzdata/Zones/Etc");
        assert_eq!(answer.value, "UTC and more");
        assert_eq!(parse("pkg q/a string\t").unwrap().value, "");
        assert_eq!(parse("# comment"), None);
    }
}
