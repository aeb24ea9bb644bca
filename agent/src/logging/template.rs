//! A line's form as Python's `logging` writes it: `[%(levelname)-8s] %(message)s`.

/// A parsed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    left: bool,
    zeros: bool,
    width: usize,
}

/// A width beyond this is a mistake, not a wish.
const MAX_WIDTH: usize = 200;

impl Template {
    /// Reads a form; what is no field stays as it is.
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            push(&mut pieces, &rest[..at]);
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('%') {
                push(&mut pieces, "%");
                rest = tail;
            } else if let Some((field, tail)) = field(after) {
                pieces.push(Piece::Field(field));
                rest = tail;
            } else {
                push(&mut pieces, "%");
                rest = after;
            }
        }
        push(&mut pieces, rest);
        Self(pieces)
    }

    /// Puts values in; a field without one becomes empty.
    pub(super) fn fill(&self, value: &dyn Fn(&str) -> Option<String>) -> String {
        let mut line = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Field(field) => {
                    let value = value(&field.name).unwrap_or_default();
                    let missing = field.width.saturating_sub(value.chars().count());
                    let pad = if field.zeros { "0" } else { " " }.repeat(missing);
                    if field.left {
                        line.push_str(&value);
                        line.push_str(&pad);
                    } else {
                        line.push_str(&pad);
                        line.push_str(&value);
                    }
                }
            }
        }
        line
    }
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    if let Some(Piece::Text(last)) = pieces.last_mut() {
        last.push_str(text);
    } else if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// `(name)`, flags, width, and the letter of a type.
fn field(text: &str) -> Option<(Field, &str)> {
    let (name, rest) = text.strip_prefix('(')?.split_once(')')?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '.' | ' ' | '+'))?;
    let (flags, tail) = rest.split_at(end);
    let kind = tail.chars().next().filter(char::is_ascii_alphabetic)?;
    let left = flags.starts_with('-');
    let digits = flags.trim_start_matches(['-', ' ', '+']);
    let width = digits.split('.').next().unwrap_or_default();
    let field = Field {
        name: name.to_owned(),
        left,
        zeros: !left && width.starts_with('0'),
        width: width.parse().unwrap_or(0).min(MAX_WIDTH),
    };
    Some((field, &tail[kind.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> String {
        Template::parse(template).fill(&|name| match name {
            "levelname" => Some("INFO".into()),
            "message" => Some("done".into()),
            "msecs" => Some("7".into()),
            _ => None,
        })
    }

    #[test]
    fn salts_own_forms() {
        assert_eq!(filled("[%(levelname)-8s] %(message)s"), "[INFO    ] done");
        assert_eq!(filled(",%(msecs)03d %(lineno)-4d|"), ",007     |");
        assert_eq!(filled("%(levelname)8s"), "    INFO");
    }

    #[test]
    fn what_is_no_field_stays() {
        assert_eq!(filled("100%% %s %(message) %("), "100% %s %(message) %(");
        assert_eq!(filled(""), "");
        assert_eq!(filled("%(message)-99999s").len(), MAX_WIDTH);
    }
}
