//! Compound targets: terms of every other type, joined with `and`, `or`, `not` and parentheses.
//!
//! Salt puts the terms' answers into a text and lets Python evaluate it, so the text's grammar is Python's:
//! what Python cannot parse means nobody, and a group right behind a term reads as a call of it, which only
//! fails if it is reached.

use std::collections::VecDeque;

use super::{DELIMITER, Target, nodegroup};
use crate::fnmatch::fnmatch;

pub(super) const OPERATORS: &[&str] = &["and", "or", "not", "(", ")"];

/// Words that a target may grow to when node groups are put in.
const WORD_LIMIT: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    Term(bool),
    And,
    Or,
    Not,
    Open,
    Close,
}

impl Target {
    pub(super) fn compound(&self, words: impl IntoIterator<Item = String>) -> bool {
        self.tokens(words.into_iter().collect())
            .and_then(|tokens| evaluate(&tokens))
            .unwrap_or(false)
    }

    fn tokens(&self, mut words: VecDeque<String>) -> Option<Vec<Token>> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut taken = 0;
        while let Some(word) = words.pop_front() {
            taken += 1;
            if taken > WORD_LIMIT {
                return None;
            }
            let operator = match word.as_str() {
                "and" => Token::And,
                "or" => Token::Or,
                "not" => Token::Not,
                "(" => Token::Open,
                ")" => Token::Close,
                _ => {
                    match parse(&word) {
                        Some(('N', _, group)) => {
                            for word in nodegroup::expand(group, &self.nodegroups).into_iter().rev()
                            {
                                words.push_front(word);
                            }
                        }
                        Some((engine, delimiter, pattern)) => {
                            tokens.push(Token::Term(self.term(engine, delimiter, pattern)?));
                        }
                        None => tokens.push(Token::Term(fnmatch(&self.id, &word))),
                    }
                    continue;
                }
            };
            match tokens.last() {
                None if !matches!(operator, Token::Open | Token::Not) => return None,
                Some(Token::Open) if matches!(operator, Token::And | Token::Or) => return None,
                Some(last)
                    if operator == Token::Not
                        && !matches!(last, Token::And | Token::Or | Token::Open) =>
                {
                    tokens.push(Token::And);
                }
                _ => {}
            }
            tokens.push(operator);
        }
        Some(tokens)
    }

    /// The answer of one term; an engine that does not exist spoils the whole target, and so does a failure.
    fn term(&self, engine: char, delimiter: Option<&str>, pattern: &str) -> Option<bool> {
        let kind = match engine {
            'G' => "grain",
            'P' => "grain_pcre",
            'I' => "pillar",
            'J' => "pillar_pcre",
            'L' => "list",
            'S' => "ipcidr",
            'E' => "pcre",
            'T' => "resource",
            'M' => "managing_minion",
            _ => return None,
        };
        self.answer(kind, &pattern.into(), delimiter.unwrap_or(DELIMITER))
    }
}

/// Takes `G|@os|Debian` apart: engine, delimiter, pattern. `None`: no engine, the word is a glob.
fn parse(word: &str) -> Option<(char, Option<&str>, &str)> {
    let line = word.strip_suffix('\n').unwrap_or(word);
    let mut chars = line.chars();
    let engine = chars.next().filter(|c| "GPIJLNSERTM".contains(*c))?;
    let rest = chars.as_str();
    if line.contains('\n') {
        return None;
    }
    if "GPIJ".contains(engine)
        && let Some(first) = rest.chars().next()
        && let Some(pattern) = rest[first.len_utf8()..].strip_prefix('@')
        && !pattern.is_empty()
    {
        return Some((engine, Some(&rest[..first.len_utf8()]), pattern));
    }
    let pattern = rest.strip_prefix('@').filter(|p| !p.is_empty())?;
    Some((engine, None, pattern))
}

/// Python's tokenizer gives up at this many open parentheses.
const DEPTH_LIMIT: usize = 200;

/// What Python would make of the expression: `None` for what it refuses or trips over.
fn evaluate(tokens: &[Token]) -> Option<bool> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
    };
    let value = parser.or()?;
    if parser.at == tokens.len() {
        value.ok()
    } else {
        None
    }
}

/// The outer `Option` is a syntax error, known before anything is evaluated; the inner `Result` is what
/// evaluation gives, an `Err` being an exception that only counts if it is reached.
type Evaluated = Option<Result<bool, ()>>;

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self, token: Token) -> bool {
        let hit = self.tokens.get(self.at) == Some(&token);
        self.at += usize::from(hit);
        hit
    }

    fn or(&mut self) -> Evaluated {
        let mut value = self.and()?;
        while self.take(Token::Or) {
            let right = self.and()?;
            if value == Ok(false) {
                value = right;
            }
        }
        Some(value)
    }

    fn and(&mut self) -> Evaluated {
        let mut value = self.not()?;
        while self.take(Token::And) {
            let right = self.not()?;
            if value == Ok(true) {
                value = right;
            }
        }
        Some(value)
    }

    fn not(&mut self) -> Evaluated {
        if self.take(Token::Not) {
            // No chain: `not not` never comes out of a target.
            return Some(self.primary()?.map(|value| !value));
        }
        self.primary()
    }

    fn primary(&mut self) -> Evaluated {
        let mut value = match self.tokens.get(self.at)? {
            Token::Term(value) => {
                self.at += 1;
                Ok(*value)
            }
            Token::Open => self.group()?,
            _ => return None,
        };
        // A group behind a term is a call, and truth values cannot be called.
        while self.tokens.get(self.at) == Some(&Token::Open) {
            value = self.group()?.and(Err(()));
        }
        Some(value)
    }

    /// `( … )`; with nothing inside it is the empty tuple, which is false.
    fn group(&mut self) -> Evaluated {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return None;
        }
        let value = if self.tokens.get(self.at) == Some(&Token::Close) {
            Ok(false)
        } else {
            self.or()?
        };
        self.depth -= 1;
        self.take(Token::Close).then_some(value)
    }
}
