//! Slots: arguments written `__slot__:salt:mod.fun(…)` are asked for at the last minute before a call.

use salt_wire::{Map, Value};
use tracing::{error, warn};

use crate::context::{Args, Context, Result};
use crate::targeting::subdict::traverse;

const MARK: &str = "__slot__:";

/// Fills the slots of a state's arguments: texts, and one level down in maps and lists.
pub(super) fn fill(ctx: &Context, args: &mut Args) -> Result<()> {
    fill_map(ctx, &mut args.named)?;
    fill_map(ctx, &mut args.extra)
}

/// Fills the slots of a function's arguments.
pub(super) fn fill_map(ctx: &Context, map: &mut Map) -> Result<()> {
    for value in map.values_mut() {
        fill_value(ctx, value)?;
    }
    Ok(())
}

/// Fills one argument.
pub(super) fn fill_value(ctx: &Context, value: &mut Value) -> Result<()> {
    match value {
        Value::List(items) => {
            for item in items {
                match item {
                    Value::Map(map) => direct(ctx, map.values_mut())?,
                    one => direct(ctx, [one])?,
                }
            }
            Ok(())
        }
        Value::Map(map) => direct(ctx, map.values_mut()),
        one => direct(ctx, [one]),
    }
}

fn direct<'v>(ctx: &Context, values: impl IntoIterator<Item = &'v mut Value>) -> Result<()> {
    for value in values {
        if let Value::Str(text) = value
            && text.starts_with(MARK)
        {
            *value = eval(ctx, text)?;
        }
    }
    Ok(())
}

/// What a slot stands for; a malformed one stands for itself.
fn eval(ctx: &Context, slot: &str) -> Result {
    let mut parts = slot.splitn(3, ':');
    let (_, kind, call) = (parts.next(), parts.next(), parts.next());
    let (Some("salt"), Some(call)) = (kind, call) else {
        warn!(slot, "Malformed slot.");
        return Ok(slot.into());
    };
    let Some((fun, args, kwargs)) =
        parse_call(call).filter(|(fun, ..)| ctx.functions.has(ctx, fun))
    else {
        warn!(slot, "Malformed slot.");
        return Ok(slot.into());
    };
    let mut answer = ctx.call(&fun, &args, &kwargs)?;
    // Behind the call: `.a.b` picks from the answer, `~ text` is put after it.
    let (text, appended) = match call.split_once('~') {
        Some((text, appended)) => (text, Some(appended.trim())),
        None => (call, None),
    };
    let rest = text.rfind(')').map_or("", |at| &text[at + 1..]);
    if let Some((_, path)) = rest.split_once('.') {
        answer = traverse(&answer, path.trim(), ".")
            .cloned()
            .unwrap_or_default();
    }
    if let Some(appended) = appended {
        match &mut answer {
            Value::Str(text) => text.push_str(unquoted(appended)),
            _ => error!(
                slot,
                "The slot's result is no text, nothing is appended to it."
            ),
        }
    }
    Ok(answer)
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q))
        .unwrap_or(text)
}

/// `mod.fun(a, b, key=c)` in its parts. All arguments are text, as in Salt.
fn parse_call(text: &str) -> Option<(String, Vec<Value>, Map)> {
    let mut tokens = tokens(text)?.into_iter();
    let mut name = String::new();
    loop {
        match tokens.next()? {
            Token::Sign('(') => break,
            token => token.put(&mut name),
        }
    }
    if name.is_empty() {
        return None;
    }
    let (mut args, mut kwargs) = (Vec::new(), Map::new());
    let (mut word, mut key): (Option<String>, Option<String>) = (None, None);
    let mut brackets = Vec::new();
    for token in tokens {
        match token {
            Token::Sign(c @ ('(' | '[' | '{')) => {
                brackets.push(c);
                word.get_or_insert_default().push(c);
            }
            Token::Sign(c @ (',' | ')')) if brackets.is_empty() => {
                match (key.take(), word.take()) {
                    (Some(key), word) => {
                        kwargs.insert(key.into(), word.unwrap_or_default().into());
                    }
                    (None, Some(word)) => args.push(word.into()),
                    (None, None) => {}
                }
                if c == ')' {
                    return Some((name, args, kwargs));
                }
            }
            Token::Sign(c @ (')' | ']' | '}')) => {
                let fits = matches!(
                    (brackets.pop(), c),
                    (Some('('), ')') | (Some('['), ']') | (Some('{'), '}')
                );
                if !fits {
                    return None;
                }
                word.get_or_insert_default().push(c);
            }
            Token::Sign('=') if brackets.is_empty() => key = Some(word.take().unwrap_or_default()),
            token => token.put(word.get_or_insert_default()),
        }
    }
    None
}

enum Token {
    Word(String),
    Sign(char),
}

impl Token {
    fn put(self, into: &mut String) {
        match self {
            Self::Word(word) => into.push_str(&word),
            Self::Sign(sign) => into.push(sign),
        }
    }
}

/// Words of letters, digits, underscores and quoted text, and single signs; none for an open quote.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '\\' => match chars.next()? {
                            escaped if escaped == c || escaped == '\\' => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c if c.is_alphanumeric() || c == '_' => word.get_or_insert_default().push(c),
            c => {
                found.extend(word.take().map(Token::Word));
                if !c.is_whitespace() {
                    found.push(Token::Sign(c));
                }
            }
        }
    }
    found.extend(word.map(Token::Word));
    Some(found)
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn calls_in_their_parts() {
        let (fun, args, kwargs) =
            parse_call("test.arg(a, 'b, c', [1,2], key='x y', other=3).z").unwrap();
        assert_eq!(fun, "test.arg");
        assert_eq!(args, vec!["a".into(), "b, c".into(), Value::from("[1,2]")]);
        assert_eq!(kwargs, map! { "key" => "x y", "other" => "3" });
        assert!(parse_call("test.arg(a").is_none());
        assert!(parse_call("test.arg").is_none());
        assert_eq!(parse_call("test.echo()").unwrap().1, Vec::new());
    }
}
