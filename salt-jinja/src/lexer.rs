//! Source → tokens, by the rules of Jinja2's lexer: white space control, `raw`, comments, balanced braces.

use crate::error::{Error, Result};
use crate::options::Options;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tok {
    /// Text outside of tags.
    Data(String),
    BlockBegin,
    BlockEnd,
    VarBegin,
    VarEnd,
    Name(String),
    Str(String),
    Int(i128),
    Float(f64),
    /// An operator or bracket.
    Op(&'static str),
    Eof,
}

impl Tok {
    /// Jinja2's words for a token, in its messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Data(_) => "template data / text".into(),
            Self::BlockBegin => "begin of statement block".into(),
            Self::BlockEnd => "end of statement block".into(),
            Self::VarBegin => "begin of print statement".into(),
            Self::VarEnd => "end of print statement".into(),
            Self::Name(name) => name.clone(),
            Self::Str(_) => "string".into(),
            Self::Int(_) => "integer".into(),
            Self::Float(_) => "float".into(),
            Self::Op(op) => (*op).into(),
            Self::Eof => "end of template".into(),
        }
    }
}

/// A token and its line.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) line: usize,
}

const OPERATORS: &[&str] = &[
    "//", "**", "==", "!=", "<=", ">=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
];

/// Splits a template's source into tokens, closed by [`Tok::Eof`]. A fault ends them early: it counts only if the
/// parser gets that far, since Jinja2 reads one token at a time.
pub(crate) fn tokenize(source: &str, options: &Options) -> (Vec<Token>, Option<Box<Error>>) {
    let mut source = source.replace("\r\n", "\n").replace('\r', "\n");
    if !options.keep_trailing_newline && source.ends_with('\n') {
        source.pop();
    }
    let mut lexer = Lexer {
        source: &source,
        options,
        at: 0,
        line: 1,
        line_starting: true,
        ahead: [None; 3],
        tokens: Vec::new(),
    };
    let fault = lexer.run().err();
    if fault.is_some() {
        lexer.push(Tok::Eof);
    }
    (lexer.tokens, fault)
}

#[derive(Clone, Copy, PartialEq)]
enum Begin {
    Block,
    Variable,
    Comment,
}

struct Lexer<'a> {
    source: &'a str,
    options: &'a Options,
    at: usize,
    line: usize,
    line_starting: bool,
    /// Where each begin mark comes next; `usize::MAX`: never again.
    ahead: [Option<usize>; 3],
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, tok: Tok) {
        self.tokens.push(Token {
            tok,
            line: self.line,
        });
    }

    /// Moves on and counts lines.
    fn advance(&mut self, bytes: usize) {
        let passed = &self.source[self.at..self.at + bytes];
        self.line += passed.matches('\n').count();
        if !passed.is_empty() {
            self.line_starting = passed.ends_with('\n');
        }
        self.at += bytes;
    }

    fn run(&mut self) -> Result<()> {
        while self.at < self.source.len() {
            let Some((offset, begin)) = self.next_begin() else {
                let text = self.rest();
                self.data(text);
                self.advance(text.len());
                break;
            };
            let mark = match begin {
                Begin::Block => self.options.block_start.len(),
                Begin::Variable => self.options.variable_start.len(),
                Begin::Comment => self.options.comment_start.len(),
            };
            let text = &self.rest()[..offset];
            let after = &self.rest()[offset + mark..];
            let sign = after.chars().next().filter(|c| matches!(c, '-' | '+'));
            let text = self.stripped(text, sign, begin == Begin::Variable);
            self.data(text);
            self.advance(offset);
            let opened = mark + sign.map_or(0, char::len_utf8);
            if begin == Begin::Block
                && let Some(length) = self.raw_begin(&self.rest()[opened..])
            {
                self.advance(opened + length);
                self.raw()?;
                continue;
            }
            match begin {
                Begin::Comment => {
                    self.advance(opened);
                    self.comment()?;
                }
                Begin::Block => {
                    self.push(Tok::BlockBegin);
                    self.advance(opened);
                    self.inside(true)?;
                }
                Begin::Variable => {
                    self.push(Tok::VarBegin);
                    self.advance(opened);
                    self.inside(false)?;
                }
            }
        }
        // The end stands where the last thing began, as in Jinja2.
        let line = self.tokens.last().map_or(1, |t| t.line);
        self.tokens.push(Token {
            tok: Tok::Eof,
            line,
        });
        Ok(())
    }

    /// The nearest begin mark; of several at one place the longest.
    fn next_begin(&mut self) -> Option<(usize, Begin)> {
        let o = self.options;
        let marks = [
            (&o.block_start, Begin::Block),
            (&o.variable_start, Begin::Variable),
            (&o.comment_start, Begin::Comment),
        ];
        // Each mark is searched again only when it was passed: a long template is read once.
        for (found, (mark, _)) in self.ahead.iter_mut().zip(&marks) {
            if found.is_none_or(|at| at < self.at) {
                let offset = self.source[self.at..].find(mark.as_str());
                *found = Some(offset.map_or(usize::MAX, |offset| self.at + offset));
            }
        }
        self.ahead
            .iter()
            .zip(marks)
            .filter_map(|(found, (mark, begin))| {
                Some((found.filter(|at| *at < usize::MAX)?, mark, begin))
            })
            .min_by_key(|(at, mark, _)| (*at, usize::MAX - mark.len()))
            .map(|(at, _, begin)| (at - self.at, begin))
    }

    fn data(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Tok::Data(text.to_owned()));
        }
    }

    /// Text before a tag, shortened as its sign or `lstrip_blocks` wants.
    fn stripped<'t>(&self, text: &'t str, sign: Option<char>, variable: bool) -> &'t str {
        if sign == Some('-') {
            return text.trim_end();
        }
        if sign.is_none() && self.options.lstrip_blocks && !variable {
            let start = text.rfind('\n').map_or(0, |at| at + 1);
            if (start > 0 || self.line_starting) && text[start..].trim().is_empty() {
                return &text[..start];
            }
        }
        text
    }

    /// The length of `raw -%}` behind a block's beginning.
    fn raw_begin(&self, text: &str) -> Option<usize> {
        let inner = text.trim_start().strip_prefix("raw")?.trim_start();
        let end = self.options.block_end.as_str();
        if let Some(rest) = inner.strip_prefix('-').and_then(|t| t.strip_prefix(end)) {
            return Some(text.len() - rest.trim_start().len());
        }
        inner.strip_prefix(end).map(|rest| text.len() - rest.len())
    }

    /// Text up to `{% endraw %}`.
    fn raw(&mut self) -> Result<()> {
        let rest = self.rest();
        let start = self.options.block_start.as_str();
        for (offset, _) in rest.match_indices(start) {
            let mut after = &rest[offset + start.len()..];
            let sign = after.chars().next().filter(|c| matches!(c, '-' | '+'));
            after = &after[sign.map_or(0, char::len_utf8)..];
            let Some(tail) = after.trim_start().strip_prefix("endraw") else {
                continue;
            };
            let Some(end) = self.block_end(tail.trim_start()) else {
                continue;
            };
            let text = self.stripped(&rest[..offset], sign, false);
            self.data(text);
            let length = rest.len() - tail.trim_start().len() + end;
            self.advance(length);
            return Ok(());
        }
        Err(Error::syntax("Missing end of raw directive", self.line))
    }

    /// The length of a block's end at the start of `text`: `-%}` with blanks, `+%}`, or `%}`.
    fn block_end(&self, text: &str) -> Option<usize> {
        self.close(text, &self.options.block_end, true)
    }

    fn close(&self, text: &str, end: &str, newline: bool) -> Option<usize> {
        if let Some(rest) = text.strip_prefix('-').and_then(|t| t.strip_prefix(end)) {
            return Some(text.len() - rest.trim_start().len());
        }
        if newline && let Some(rest) = text.strip_prefix('+').and_then(|t| t.strip_prefix(end)) {
            return Some(text.len() - rest.len());
        }
        let rest = text.strip_prefix(end)?;
        let newline = newline && self.options.trim_blocks && rest.starts_with('\n');
        Some(text.len() - rest.len() + usize::from(newline))
    }

    fn comment(&mut self) -> Result<()> {
        let rest = self.rest();
        let end = self.options.comment_end.as_str();
        let Some(found) = rest.find(end) else {
            return Err(Error::syntax("Missing end of comment tag", self.line));
        };
        let sign = usize::from(rest[..found].ends_with(['-', '+']));
        let from = found - sign;
        let length = self.close(&rest[from..], end, true).unwrap_or(end.len());
        self.advance(from + length);
        Ok(())
    }

    /// The tokens of one tag, its end included.
    fn inside(&mut self, block: bool) -> Result<()> {
        let end = if block {
            self.options.block_end.as_str()
        } else {
            self.options.variable_end.as_str()
        };
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            // The end eats blanks only after it; those before it belong to the tag.
            if open.is_empty()
                && let Some(length) = self.close(&rest[blank..], end, block)
            {
                self.advance(blank);
                self.push(if block { Tok::BlockEnd } else { Tok::VarEnd });
                self.advance(length);
                return Ok(());
            }
            if blank > 0 {
                self.advance(blank);
                continue;
            }
            if rest.is_empty() {
                return Ok(());
            }
            let (tok, length) = self.one(rest, &mut open)?;
            self.push(tok);
            self.advance(length);
        }
    }

    fn one(&self, rest: &str, open: &mut Vec<&'static str>) -> Result<(Tok, usize)> {
        let first = rest.chars().next().unwrap_or('\0');
        if first.is_ascii_digit()
            && let Some(found) = self.number(rest)?
        {
            return Ok(found);
        }
        if first.is_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            return Ok((Tok::Name(rest[..length].to_owned()), length));
        }
        if matches!(first, '\'' | '"')
            && let Some(length) = string_length(rest, first)
        {
            let text = unescape(&rest[1..length - 1]).map_err(|e| Error::syntax(e, self.line))?;
            return Ok((Tok::Str(text), length));
        }
        let Some(&op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) else {
            // A lone `!` or a quote that never closes ends here too.
            let shown = crate::python::quote(&first.to_string());
            let at = self.source[..self.at].chars().count();
            return Err(Error::syntax(
                format!("unexpected char {shown} at {at}"),
                self.line,
            ));
        };
        match op {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" => match open.pop() {
                None => {
                    return Err(Error::syntax(format!("unexpected '{op}'"), self.line));
                }
                Some(expected) if expected != op => {
                    return Err(Error::syntax(
                        format!("unexpected '{op}', expected '{expected}'"),
                        self.line,
                    ));
                }
                Some(_) => {}
            },
            _ => {}
        }
        Ok((Tok::Op(op), op.len()))
    }

    fn number(&self, rest: &str) -> Result<Option<(Tok, usize)>> {
        let after_dot = self.source[..self.at].ends_with('.');
        if !after_dot && let Some(length) = float_length(rest) {
            let text = rest[..length].replace('_', "");
            return Ok(text.parse().ok().map(|f| (Tok::Float(f), length)));
        }
        let length = integer_length(rest);
        let clean = rest[..length].replace('_', "").to_lowercase();
        let parsed = match clean.get(..2) {
            Some("0x") => i128::from_str_radix(&clean[2..], 16),
            Some("0o") => i128::from_str_radix(&clean[2..], 8),
            Some("0b") => i128::from_str_radix(&clean[2..], 2),
            _ => clean.parse(),
        };
        match parsed {
            Ok(n) => Ok(Some((Tok::Int(n), length))),
            Err(_) => Err(Error::syntax("the integer is too great", self.line)),
        }
    }
}

/// `(\d+_)*\d+`
fn digits_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while bytes.get(end).is_some_and(u8::is_ascii_digit)
        || (end > 0
            && bytes.get(end) == Some(&b'_')
            && bytes.get(end + 1).is_some_and(u8::is_ascii_digit))
    {
        end += 1;
    }
    end
}

fn float_length(text: &str) -> Option<usize> {
    let mut end = digits_length(text);
    let mut float = false;
    if text[end..].starts_with('.') {
        let fraction = digits_length(&text[end + 1..]);
        if fraction > 0 {
            end += 1 + fraction;
            float = true;
        }
    }
    if text[end..].starts_with(['e', 'E']) {
        let mut from = end + 1;
        if text[from..].starts_with(['+', '-']) {
            from += 1;
        }
        let exponent = digits_length(&text[from..]);
        if exponent > 0 {
            end = from + exponent;
            float = true;
        }
    }
    float.then_some(end)
}

fn integer_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let run = |from: usize, ok: fn(u8) -> bool| {
        let mut end = from;
        while let Some(&b) = bytes.get(end) {
            if ok(b) || (b == b'_' && bytes.get(end + 1).is_some_and(|&b| ok(b))) {
                end += 1;
            } else {
                break;
            }
        }
        end
    };
    let prefixed = match bytes.get(1).map(u8::to_ascii_lowercase) {
        _ if bytes[0] != b'0' => 0,
        Some(b'x') => run(2, |b| b.is_ascii_hexdigit()),
        Some(b'o') => run(2, |b| (b'0'..=b'7').contains(&b)),
        Some(b'b') => run(2, |b| matches!(b, b'0' | b'1')),
        _ => 0,
    };
    if prefixed > 2 {
        prefixed
    } else if bytes[0] == b'0' {
        run(0, |b| b == b'0')
    } else {
        run(0, |b| b.is_ascii_digit())
    }
}

fn string_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Python's `unicode-escape`.
fn unescape(text: &str) -> std::result::Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some((_, next)) = chars.next() else {
            out.push('\\');
            break;
        };
        let simple = match next {
            '\n' => continue,
            '\\' | '\'' | '"' => Some(next),
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'v' => Some('\x0b'),
            _ => None,
        };
        if let Some(simple) = simple {
            out.push(simple);
            continue;
        }
        let (digits, radix) = match next {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => (3, 8),
            _ => {
                out.push('\\');
                out.push(next);
                continue;
            }
        };
        let mut number = String::new();
        if radix == 8 {
            number.push(next);
        }
        while number.len() < digits
            && let Some((_, d)) = chars.next_if(|(_, d)| d.is_digit(radix))
        {
            number.push(d);
        }
        if radix == 16 && number.len() < digits {
            let end = at + 1 + number.len();
            return Err(format!(
                "(unicode error) 'unicodeescape' codec can't decode bytes in position {at}-{end}: truncated \\{next}{} escape",
                "X".repeat(digits)
            ));
        }
        let code = u32::from_str_radix(&number, radix).unwrap_or(0xfffd);
        out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
    }
    Ok(out)
}
