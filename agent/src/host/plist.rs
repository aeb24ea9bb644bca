//! Data as a property list, in its form of XML, written as Python's `plistlib` writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salt_wire::{Map, Value};

use crate::python;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n";

/// Deepest that lists and maps lie within each other in what is read.
const DEEPEST: usize = 200;

/// Data as text, or why it is none. Keys are sorted unless `sort` says no.
pub fn write(data: &Value, sort: bool) -> Result<String, String> {
    let mut text = HEAD.to_owned();
    put(&mut text, data, 0, sort)?;
    text.push_str("</plist>\n");
    Ok(text)
}

fn escaped(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.contains(odd) {
        return Err("strings can't contains control characters; use bytes instead".to_owned());
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    Ok(text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;"))
}

fn put(text: &mut String, value: &Value, depth: usize, sort: bool) -> Result<(), String> {
    let mut line = |depth: usize, words: &str| {
        text.extend(std::iter::repeat_n('\t', depth));
        text.push_str(words);
        text.push('\n');
    };
    match value {
        Value::Str(own) => line(depth, &format!("<string>{}</string>", escaped(own)?)),
        Value::Bool(true) => line(depth, "<true/>"),
        Value::Bool(false) => line(depth, "<false/>"),
        Value::Int(number) => line(depth, &format!("<integer>{number}</integer>")),
        Value::Float(_) => line(depth, &format!("<real>{}</real>", python::text(value))),
        Value::Bytes(bytes) => {
            line(depth, "<data>");
            let packed = STANDARD.encode(bytes);
            let width = 76usize.saturating_sub(8 * depth).max(16) / 4 * 4;
            for part in packed.as_bytes().chunks(width) {
                line(depth, &String::from_utf8_lossy(part));
            }
            line(depth, "</data>");
        }
        Value::List(list) if list.is_empty() => line(depth, "<array/>"),
        Value::Map(map) if map.is_empty() => line(depth, "<dict/>"),
        Value::List(list) => {
            line(depth, "<array>");
            for item in list {
                put(text, item, depth + 1, sort)?;
            }
            text.push_str(&format!("{}</array>\n", "\t".repeat(depth)));
        }
        Value::Map(map) => {
            line(depth, "<dict>");
            let mut pairs: Vec<(&str, &Value)> = Vec::new();
            for (key, value) in map {
                pairs.push((key.as_str().ok_or("keys must be strings")?, value));
            }
            if sort {
                pairs.sort_by_key(|(key, _)| *key);
            }
            for (key, value) in pairs {
                let key = escaped(key)?;
                text.push_str(&format!("{}<key>{key}</key>\n", "\t".repeat(depth + 1)));
                put(text, value, depth + 1, sort)?;
            }
            text.push_str(&format!("{}</dict>\n", "\t".repeat(depth)));
        }
        Value::Null => return Err("unsupported type: <class 'NoneType'>".to_owned()),
    }
    Ok(())
}

/// The data of a text, or why it is none.
pub fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader { rest: text };
    match reader.next()? {
        Some(Piece::Open("plist")) => {}
        _ => return Err("Invalid file".to_owned()),
    }
    let value = match reader.next()? {
        Some(piece) => reader.value(piece, 0)?,
        None => return Err("no element found".to_owned()),
    };
    match reader.next()? {
        Some(Piece::Close("plist")) => Ok(value),
        _ => Err("mismatched tag".to_owned()),
    }
}

/// A tag. Text belongs to the tag before it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece<'t> {
    Open(&'t str),
    Close(&'t str),
    /// Open and closed at once.
    Empty(&'t str),
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    /// The next tag; what is no data is left out.
    fn next(&mut self) -> Result<Option<Piece<'t>>, String> {
        loop {
            let Some(at) = self.rest.find('<') else {
                return Ok(None);
            };
            let tag = &self.rest[at..];
            let end = if tag.starts_with("<!--") { "-->" } else { ">" };
            let end = tag.find(end).map(|e| e + end.len());
            let end = end.ok_or("unclosed token")?;
            self.rest = &tag[end..];
            let inner = &tag[1..end - 1];
            if inner.starts_with(['?', '!']) {
                continue;
            }
            let name = |text: &'t str| text.split_whitespace().next().unwrap_or_default();
            return Ok(Some(match inner.strip_prefix('/') {
                Some(closed) => Piece::Close(name(closed)),
                None => match inner.strip_suffix('/') {
                    Some(empty) => Piece::Empty(name(empty)),
                    None => Piece::Open(name(inner)),
                },
            }));
        }
    }

    /// The text up to the end of an element.
    fn text(&mut self, name: &str) -> Result<String, String> {
        let end = self.rest.find('<').ok_or("no element found")?;
        let text = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        if self.next()? != Some(Piece::Close(name)) {
            return Err("mismatched tag".to_owned());
        }
        plain(&text)
    }

    fn value(&mut self, piece: Piece<'t>, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err("too deep".to_owned());
        }
        let name = match piece {
            Piece::Empty("true") => return Ok(true.into()),
            Piece::Empty("false") => return Ok(false.into()),
            Piece::Empty("dict") => return Ok(Map::new().into()),
            Piece::Empty("array") => return Ok(Value::List(Vec::new())),
            Piece::Empty("string") => return Ok("".into()),
            Piece::Open(name) => name,
            Piece::Empty(name) | Piece::Close(name) => {
                return Err(format!("unexpected element: {name}"));
            }
        };
        let wrong = |text: &str| format!("no {name}: {text:?}");
        match name {
            "dict" => {
                let mut map = Map::new();
                loop {
                    match self.next()? {
                        Some(Piece::Close("dict")) => return Ok(map.into()),
                        Some(Piece::Open("key")) => {}
                        _ => return Err("missing key".to_owned()),
                    }
                    let key = self.text("key")?;
                    let piece = self.next()?.ok_or("no element found")?;
                    map.insert(key.into(), self.value(piece, depth + 1)?);
                }
            }
            "array" => {
                let mut list = Vec::new();
                loop {
                    match self.next()?.ok_or("no element found")? {
                        Piece::Close("array") => return Ok(Value::List(list)),
                        piece => list.push(self.value(piece, depth + 1)?),
                    }
                }
            }
            "true" | "false" => {
                self.text(name)?;
                Ok((name == "true").into())
            }
            "string" | "date" => Ok(self.text(name)?.into()),
            "integer" => {
                let text = self.text(name)?;
                let number = match text.strip_prefix("0x") {
                    Some(hex) => i128::from_str_radix(hex, 16),
                    None => text.trim().parse(),
                };
                number.map(Value::Int).map_err(|_| wrong(&text))
            }
            "real" => {
                let text = self.text(name)?;
                text.trim()
                    .parse()
                    .map(Value::Float)
                    .map_err(|_| wrong(&text))
            }
            "data" => {
                let text = self.text(name)?;
                let packed: String = text.split_whitespace().collect();
                STANDARD
                    .decode(packed)
                    .map(Value::Bytes)
                    .map_err(|_| wrong(&text))
            }
            other => Err(format!("unexpected element: {other}")),
        }
    }
}

/// A text without entities.
fn plain(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let end = rest[at..]
            .find(';')
            .ok_or("not well-formed (invalid token)")?
            + at;
        let name = &rest[at + 1..end];
        let number = name
            .strip_prefix('#')
            .and_then(|n| match n.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => n.parse().ok(),
            });
        out.push(match (name, number.and_then(char::from_u32)) {
            ("amp", _) => '&',
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("quot", _) => '"',
            ("apos", _) => '\'',
            (_, Some(letter)) => letter,
            _ => return Err(format!("undefined entity &{name};")),
        });
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;

    #[test]
    fn it_is_written_as_python_does_and_read_back() {
        let data: Value = map! {
            "b" => Value::List(vec![1.into(), Value::Float(1.5), true.into(), "a<b & c".into()]),
            "a" => map! { "x" => Map::new(), "y" => Value::List(Vec::new()), "z" => Value::Bytes(b"abc".to_vec()) },
        }
        .into();
        let text = write(&data, true).unwrap();
        assert_eq!(
            text.strip_prefix(HEAD).unwrap(),
            "<dict>\n\t<key>a</key>\n\t<dict>\n\t\t<key>x</key>\n\t\t<dict/>\n\t\t<key>y</key>\n\t\t<array/>\n\t\t<key>z</key>\n\t\t<data>\n\t\tYWJj\n\t\t</data>\n\t</dict>\n\t<key>b</key>\n\t<array>\n\t\t<integer>1</integer>\n\t\t<real>1.5</real>\n\t\t<true/>\n\t\t<string>a&lt;b &amp; c</string>\n\t</array>\n</dict>\n</plist>\n"
        );
        assert_eq!(read(&text).unwrap(), data);
        assert!(write(&Value::Null, true).is_err());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "x",
            "<plist>",
            "<plist><dict></plist>",
            "<plist><odd/></plist>",
            "<plist><integer>x</integer></plist>",
            "<plist><string>&odd;</string></plist>",
            "<plist><dict><string>x</string></dict></plist>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&format!("<plist>{}", "<array>".repeat(5000))).is_err());
        let hex = read("<!-- > --><plist version='1.0'><integer>0x1f</integer></plist>");
        assert_eq!(hex.unwrap(), 31.into());
    }
}
