//! JMESPath text to a tree: Pratt's way, with the binding powers of the Python library.

use super::{Comparison, Literal, Node};
use crate::error::{Error, Result};

/// Deepest nesting.
const MAX_DEPTH: usize = 60;

#[derive(Debug, Clone, PartialEq)]
enum Tok {
    Name(String),
    Quoted(String),
    Literal(String),
    Raw(String),
    Number(i128),
    Op(&'static str),
    Eof,
}

pub(super) fn parse(text: &str) -> Result<Node> {
    if text.is_empty() {
        return Err(invalid(text, "the expression is empty"));
    }
    let mut parser = Parser {
        text,
        toks: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let node = parser.expression(0)?;
    if *parser.look() != Tok::Eof {
        return Err(parser.unexpected());
    }
    Ok(node)
}

fn invalid(text: &str, what: &str) -> Box<Error> {
    Error::python(
        "ParserError",
        format!("invalid jmespath expression {text:?}: {what}"),
    )
}

const OPS: &[&str] = &[
    "[?", "[]", "||", "&&", "==", "!=", "<=", ">=", ".", "*", "]", ",", ":", "@", "(", ")", "{",
    "}", "|", "&", "<", ">", "!", "[",
];

fn tokens(text: &str) -> Result<Vec<Tok>> {
    let mut toks = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if matches!(first, ' ' | '\t' | '\n' | '\r') {
            rest = &rest[1..];
        } else if first == '_' || first.is_ascii_alphabetic() {
            let end = rest
                .find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            toks.push(Tok::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if first == '-' || first.is_ascii_digit() {
            let end = rest[1..]
                .find(|c: char| !c.is_ascii_digit())
                .map_or(rest.len(), |n| n + 1);
            let number = rest[..end].parse();
            toks.push(Tok::Number(
                number.map_err(|_| invalid(text, "a number was expected"))?,
            ));
            rest = &rest[end..];
        } else if matches!(first, '"' | '`' | '\'') {
            let (inside, after) =
                until(rest, first).ok_or_else(|| invalid(text, "a quote is not closed"))?;
            toks.push(match first {
                '"' => match super::super::json::loads(&format!("\"{inside}\"")) {
                    Some(crate::value::Val::Str(t)) => Tok::Quoted(t.text.to_string()),
                    _ => return Err(invalid(text, "a quoted name is not valid")),
                },
                '\'' => Tok::Raw(inside.replace("\\'", "'")),
                _ => Tok::Literal(inside.replace("\\`", "`").trim_start().to_owned()),
            });
            rest = after;
        } else {
            let op = OPS.iter().find(|op| rest.starts_with(**op));
            let op = op.ok_or_else(|| invalid(text, &format!("unknown token {first}")))?;
            toks.push(Tok::Op(op));
            rest = &rest[op.len()..];
        }
    }
    toks.push(Tok::Eof);
    Ok(toks)
}

/// The text up to the closing quote, and what follows.
fn until(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return Some((&text[1..at], &text[at + 1..]));
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

struct Parser<'t> {
    text: &'t str,
    toks: Vec<Tok>,
    at: usize,
    depth: usize,
}

/// Below this a projection ends.
const STOP: u8 = 10;

fn power(tok: &Tok) -> u8 {
    match tok {
        Tok::Op("|") => 1,
        Tok::Op("||") => 2,
        Tok::Op("&&") => 3,
        Tok::Op("==" | "!=" | "<" | "<=" | ">" | ">=") => 5,
        Tok::Op("[]") => 9,
        Tok::Op("*") => 20,
        Tok::Op("[?") => 21,
        Tok::Op(".") => 40,
        Tok::Op("!") => 45,
        Tok::Op("{") => 50,
        Tok::Op("[") => 55,
        Tok::Op("(") => 60,
        _ => 0,
    }
}

fn both(a: Node, b: Node) -> (Box<Node>, Box<Node>) {
    (Box::new(a), Box::new(b))
}

impl Parser<'_> {
    fn look(&self) -> &Tok {
        self.toks.get(self.at).unwrap_or(&Tok::Eof)
    }

    fn next(&mut self) -> Tok {
        let tok = self.look().clone();
        self.at += 1;
        tok
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.look(), Tok::Op(o) if *o == op)
    }

    fn expect(&mut self, op: &str) -> Result<()> {
        if self.is(op) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn unexpected(&self) -> Box<Error> {
        invalid(self.text, &format!("unexpected {:?}", self.look()))
    }

    fn expression(&mut self, binding: u8) -> Result<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(invalid(self.text, "it is nested too deeply"));
        }
        let mut left = self.prefix()?;
        // Each turn takes a token, and the tree grows by one.
        let mut links = 0;
        while binding < power(self.look()) {
            links += 1;
            if links > MAX_DEPTH {
                return Err(invalid(self.text, "it is too long"));
            }
            left = self.infix(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Node> {
        Ok(match self.next() {
            Tok::Literal(json) => Node::Literal(Literal::Json(json)),
            Tok::Raw(text) => Node::Literal(Literal::Text(text)),
            Tok::Name(name) => Node::Field(name),
            Tok::Quoted(name) => {
                if self.is("(") {
                    return Err(invalid(self.text, "a quoted name is no function"));
                }
                Node::Field(name)
            }
            Tok::Op("*") => {
                let right = if self.is("]") {
                    Node::Current
                } else {
                    self.projection(20)?
                };
                let (left, right) = both(Node::Current, right);
                Node::ProjectValues(left, right)
            }
            Tok::Op("[?") => self.filter(Node::Current)?,
            Tok::Op("{") => self.dict()?,
            Tok::Op("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                inner
            }
            Tok::Op("[]") => {
                let right = self.projection(9)?;
                let (left, right) = both(Node::Flatten(Box::new(Node::Current)), right);
                Node::Project(left, right)
            }
            Tok::Op("!") => Node::Not(Box::new(self.expression(45)?)),
            Tok::Op("[") => match self.look() {
                Tok::Number(_) | Tok::Op(":") => {
                    let right = self.index()?;
                    self.indexed(Node::Current, right)?
                }
                Tok::Op("*") if matches!(self.toks.get(self.at + 1), Some(Tok::Op("]"))) => {
                    self.at += 2;
                    let (left, right) = both(Node::Current, self.projection(20)?);
                    Node::Project(left, right)
                }
                _ => self.list()?,
            },
            Tok::Op("@") => Node::Current,
            Tok::Op("&") => Node::Reference(Box::new(self.expression(0)?)),
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        })
    }

    fn infix(&mut self, left: Node) -> Result<Node> {
        let tok = self.next();
        let compare = |comparison, parser: &mut Self, left| -> Result<Node> {
            let (left, right) = both(left, parser.expression(5)?);
            Ok(Node::Compare(comparison, left, right))
        };
        match tok {
            Tok::Op(".") => {
                if self.is("*") {
                    self.at += 1;
                    let (left, right) = both(left, self.projection(20)?);
                    return Ok(Node::ProjectValues(left, right));
                }
                let (left, right) = both(left, self.dotted(40)?);
                Ok(Node::Then(left, right))
            }
            Tok::Op("|") => {
                let (left, right) = both(left, self.expression(1)?);
                Ok(Node::Then(left, right))
            }
            Tok::Op("||") => {
                let (left, right) = both(left, self.expression(2)?);
                Ok(Node::Or(left, right))
            }
            Tok::Op("&&") => {
                let (left, right) = both(left, self.expression(3)?);
                Ok(Node::And(left, right))
            }
            Tok::Op("(") => {
                let Node::Field(name) = left else {
                    return Err(invalid(self.text, "a function's name was expected"));
                };
                let mut args = Vec::new();
                while !self.is(")") {
                    args.push(self.expression(0)?);
                    if self.is(",") {
                        self.at += 1;
                    }
                }
                self.expect(")")?;
                Ok(Node::Call(name, args))
            }
            Tok::Op("[?") => self.filter(left),
            Tok::Op("[]") => {
                let (left, right) = both(Node::Flatten(Box::new(left)), self.projection(9)?);
                Ok(Node::Project(left, right))
            }
            Tok::Op("[") => match self.look() {
                Tok::Number(_) | Tok::Op(":") => {
                    let right = self.index()?;
                    self.indexed(left, right)
                }
                _ => {
                    self.expect("*")?;
                    self.expect("]")?;
                    let (left, right) = both(left, self.projection(20)?);
                    Ok(Node::Project(left, right))
                }
            },
            Tok::Op("==") => compare(Comparison::Eq, self, left),
            Tok::Op("!=") => compare(Comparison::Ne, self, left),
            Tok::Op("<") => compare(Comparison::Lt, self, left),
            Tok::Op("<=") => compare(Comparison::Le, self, left),
            Tok::Op(">") => compare(Comparison::Gt, self, left),
            Tok::Op(">=") => compare(Comparison::Ge, self, left),
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }

    /// `0]`, `1:2]`, `::2]`
    fn index(&mut self) -> Result<Node> {
        let colon = matches!(self.toks.get(self.at + 1), Some(Tok::Op(":")));
        if !self.is(":") && !colon {
            let Tok::Number(n) = self.next() else {
                return Err(self.unexpected());
            };
            self.expect("]")?;
            return Ok(Node::Index(n));
        }
        let mut parts = [None; 3];
        let mut at = 0;
        while !self.is("]") {
            match self.next() {
                Tok::Op(":") if at < 2 => at += 1,
                Tok::Number(n) => parts[at] = Some(n),
                _ => {
                    self.at -= 1;
                    return Err(self.unexpected());
                }
            }
        }
        self.expect("]")?;
        Ok(Node::Slice(parts))
    }

    fn indexed(&mut self, left: Node, index: Node) -> Result<Node> {
        let is_slice = matches!(index, Node::Slice(_));
        let (left, index) = both(left, index);
        let then = Node::Then(left, index);
        if !is_slice {
            return Ok(then);
        }
        let (then, right) = both(then, self.projection(20)?);
        Ok(Node::Project(then, right))
    }

    /// What is seen from each item of a projection.
    fn projection(&mut self, binding: u8) -> Result<Node> {
        if power(self.look()) < STOP {
            return Ok(Node::Current);
        }
        if self.is("[") || self.is("[?") {
            return self.expression(binding);
        }
        if self.is(".") {
            self.at += 1;
            return self.dotted(binding);
        }
        Err(self.unexpected())
    }

    /// What stands behind a dot.
    fn dotted(&mut self, binding: u8) -> Result<Node> {
        match self.look() {
            Tok::Name(_) | Tok::Quoted(_) | Tok::Op("*") => self.expression(binding),
            Tok::Op("[") => {
                self.at += 1;
                self.list()
            }
            Tok::Op("{") => {
                self.at += 1;
                self.dict()
            }
            _ => Err(self.unexpected()),
        }
    }

    fn filter(&mut self, left: Node) -> Result<Node> {
        let condition = self.expression(0)?;
        self.expect("]")?;
        let right = if self.is("[]") {
            Node::Current
        } else {
            self.projection(21)?
        };
        let (left, right) = both(left, right);
        Ok(Node::Filter(left, Box::new(condition), right))
    }

    fn list(&mut self) -> Result<Node> {
        let mut items = Vec::new();
        loop {
            items.push(self.expression(0)?);
            if self.is("]") {
                break;
            }
            self.expect(",")?;
        }
        self.expect("]")?;
        Ok(Node::List(items))
    }

    fn dict(&mut self) -> Result<Node> {
        let mut entries = Vec::new();
        loop {
            let (Tok::Name(key) | Tok::Quoted(key)) = self.next() else {
                self.at -= 1;
                return Err(self.unexpected());
            };
            self.expect(":")?;
            entries.push((key, self.expression(0)?));
            if self.is("}") {
                break;
            }
            self.expect(",")?;
        }
        self.expect("}")?;
        Ok(Node::Dict(entries))
    }
}
