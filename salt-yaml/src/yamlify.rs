//! Arguments as they come on a command line: `salt.utils.args.yamlify_arg`.

use salt_wire::Value;

/// The value that an argument's text stands for; the text itself where that would lose something.
pub fn yamlify_arg(text: &str) -> Value {
    let keep = || Value::Str(text.to_owned());
    let trimmed = text.trim_matches(python_space);
    if matches!(trimmed, "" | "---" | "...")
        || text.contains(['\t', '\r', '\n'])
        || (text.contains('_') && trimmed.bytes().all(|b| b.is_ascii_digit() || b == b'_'))
    {
        return keep();
    }
    if text == "None" {
        return Value::Null;
    }
    let Ok(value) = crate::load_plain(text) else {
        return keep();
    };
    let hash = text.contains('#');
    match &value {
        Value::Str(_) | Value::Null if hash => keep(),
        _ if hash => value,
        Value::Map(_) if !text.starts_with('{') => keep(),
        Value::List(_) if !text.starts_with('[') => keep(),
        Value::Str(s) if s.is_empty() && matches!(text, "|" | "!") => keep(),
        Value::Null if text == "!" => keep(),
        Value::Bytes(_) => keep(),
        _ => value,
    }
}

/// What Python's `strip` takes away.
fn python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
