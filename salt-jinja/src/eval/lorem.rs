//! `lipsum()`: words that mean nothing, another text each time.

use super::Args;
use crate::error::{Error, Result};
use crate::value::Val;

const WORDS: &str = "a ac ad amet ante arcu at augue blandit congue cras cursus dapibus diam dictum dolor \
donec dui egestas eget elit enim erat eros est et etiam eu facilisis fames felis fusce gravida iaculis id \
imperdiet in integer ipsum justo lacus laoreet lectus leo libero ligula lorem luctus magna massa mattis \
mauris metus mi mollis morbi nam nec neque nibh nisi nisl non nulla nunc odio orci ornare pede porta \
posuere pretium primis purus quam quis quisque rhoncus risus sagittis sapien sed sem semper sit sodales \
tellus tempor tempus tincidunt tortor turpis ultrices urna ut varius vel velit vitae viverra volutpat";

/// Most words of one call.
const MAX_WORDS: i128 = 1_000_000;

pub(super) fn lipsum(args: &Args) -> Result {
    let [n, html, min, max] = args.bind("generate_lorem_ipsum", ["n", "html", "min", "max"])?;
    let number = |value: Option<Val>, default: i128| match value {
        None => Ok(default),
        Some(value) => value.as_index().ok_or_else(|| {
            Error::type_error(format!(
                "'{}' object cannot be interpreted as an integer",
                value.type_name()
            ))
        }),
    };
    let (n, min, max) = (number(n, 5)?, number(min, 20)?, number(max, 100)?);
    let html = html.map_or(Ok(true), |h| h.truth())?;
    if n > 0 && min >= max {
        return Err(Error::value_error(format!(
            "empty range for randrange() ({min}, {max}, {})",
            max - min
        )));
    }
    if n.saturating_mul(max) > MAX_WORDS {
        return Err(Error::bound("the text is too long"));
    }
    let words: Vec<&str> = WORDS.split(' ').collect();
    let mut paragraphs = Vec::new();
    for _ in 0..n.max(0) {
        paragraphs.push(paragraph(&words, random(min, max)?)?);
    }
    if !html {
        return Ok(paragraphs.join("\n\n").into());
    }
    let paragraphs = paragraphs.iter().map(|p| format!("<p>{p}</p>"));
    Ok(Val::markup(&paragraphs.collect::<Vec<_>>().join("\n")))
}

/// A number from `low` up to, not including, `high`.
fn random(low: i128, high: i128) -> Result<i128> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| Error::runtime(e.to_string()))?;
    Ok(low + i128::from(u64::from_le_bytes(bytes)) % (high - low).max(1))
}

fn paragraph(words: &[&str], length: i128) -> Result<String> {
    let mut text = String::new();
    let (mut last, mut begins) = ("", true);
    let (mut comma, mut stop) = (0, 0);
    for at in 0..length {
        let mut word = last;
        while word == last {
            word = words[random(0, words.len() as i128)? as usize];
        }
        last = word;
        if at > 0 {
            text.push(' ');
        }
        if begins {
            text.push_str(&crate::filters::text::capitalized(word));
            begins = false;
        } else {
            text.push_str(word);
        }
        if at - random(3, 8)? > comma {
            comma = at;
            stop += 2;
            text.push(',');
        }
        if at - random(10, 20)? > stop {
            (comma, stop) = (at, at);
            text.push('.');
            begins = true;
        }
    }
    if text.ends_with(',') {
        text.pop();
    }
    if !text.ends_with('.') {
        text.push('.');
    }
    Ok(text)
}
