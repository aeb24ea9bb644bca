//! Expressions, from the loosest binding operator to the tightest.

use super::MAX_CHAIN;
use super::stream::Parser;
use crate::ast::{Arguments, Cmp, Expr, FilterCall, Name, Op, Target};
use crate::error::Result;
use crate::lexer::Tok;

/// What ends a tuple besides the tag's own end.
pub(super) type EndNames = &'static [&'static str];

impl Parser {
    /// `a, b` or a single expression.
    pub(super) fn tuple(
        &mut self,
        conditional: bool,
        ends: EndNames,
        parens: bool,
    ) -> Result<Expr> {
        let (mut items, mut is_tuple) = (Vec::new(), false);
        loop {
            if !items.is_empty() {
                self.expect_op(",")?;
            }
            if self.tuple_ends(ends) {
                break;
            }
            items.push(if conditional {
                self.expression()?
            } else {
                self.or()?
            });
            if !self.is_op(",") {
                break;
            }
            is_tuple = true;
        }
        if !is_tuple {
            if let Some(only) = items.pop() {
                return Ok(only);
            }
            if !parens {
                let got = crate::python::quote(&self.current().describe());
                return Err(self.fail(format!("Expected an expression, got {got}")));
            }
        }
        Ok(Expr::Tuple(items))
    }

    fn tuple_ends(&self, ends: EndNames) -> bool {
        match self.current() {
            Tok::VarEnd | Tok::BlockEnd | Tok::Op(")") => true,
            Tok::Name(name) => ends.contains(&name.as_str()),
            _ => false,
        }
    }

    /// Any expression, `a if b else c` included.
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.deeper(|p| {
            let mut then = p.or()?;
            while p.skip_name("if") {
                let test = p.or()?;
                let otherwise = if p.skip_name("else") {
                    Some(Box::new(p.expression()?))
                } else {
                    None
                };
                then = Expr::Cond {
                    test: Box::new(test),
                    then: Box::new(then),
                    otherwise,
                };
            }
            Ok(then)
        })
    }

    /// Without a trailing condition.
    pub(super) fn or(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        for _ in 0..MAX_CHAIN {
            if !self.skip_name("or") {
                return Ok(left);
            }
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Err(self.fail("the expression is too long"))
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        for _ in 0..MAX_CHAIN {
            if !self.skip_name("and") {
                return Ok(left);
            }
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Err(self.fail("the expression is too long"))
    }

    fn not(&mut self) -> Result<Expr> {
        if self.is_name("not") && !self.look_is_name("in") {
            self.skip();
            return self.deeper(|p| Ok(Expr::Not(Box::new(p.not()?))));
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Expr> {
        let first = self.math1()?;
        let mut rest = Vec::new();
        loop {
            let cmp = match self.current() {
                Tok::Op("==") => Cmp::Eq,
                Tok::Op("!=") => Cmp::Ne,
                Tok::Op("<") => Cmp::Lt,
                Tok::Op("<=") => Cmp::Le,
                Tok::Op(">") => Cmp::Gt,
                Tok::Op(">=") => Cmp::Ge,
                Tok::Name(n) if n == "in" => Cmp::In,
                Tok::Name(n) if n == "not" && self.look_is_name("in") => {
                    self.skip();
                    Cmp::NotIn
                }
                _ => break,
            };
            self.skip();
            rest.push((cmp, self.math1()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expr::Compare(Box::new(first), rest))
    }

    fn math1(&mut self) -> Result<Expr> {
        let mut left = self.concat()?;
        for _ in 0..MAX_CHAIN {
            let op = match self.current() {
                Tok::Op("+") => Op::Add,
                Tok::Op("-") => Op::Sub,
                _ => return Ok(left),
            };
            self.skip();
            left = Expr::Binary(op, Box::new(left), Box::new(self.concat()?));
        }
        Err(self.fail("the expression is too long"))
    }

    fn concat(&mut self) -> Result<Expr> {
        let first = self.math2()?;
        if !self.is_op("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_op("~") {
            parts.push(self.math2()?);
        }
        Ok(Expr::Concat(parts))
    }

    fn math2(&mut self) -> Result<Expr> {
        let mut left = self.pow()?;
        for _ in 0..MAX_CHAIN {
            let op = match self.current() {
                Tok::Op("*") => Op::Mul,
                Tok::Op("/") => Op::Div,
                Tok::Op("//") => Op::FloorDiv,
                Tok::Op("%") => Op::Mod,
                _ => return Ok(left),
            };
            self.skip();
            left = Expr::Binary(op, Box::new(left), Box::new(self.pow()?));
        }
        Err(self.fail("the expression is too long"))
    }

    fn pow(&mut self) -> Result<Expr> {
        let mut left = self.unary(true)?;
        for _ in 0..MAX_CHAIN {
            if !self.skip_op("**") {
                return Ok(left);
            }
            left = Expr::Binary(Op::Pow, Box::new(left), Box::new(self.unary(true)?));
        }
        Err(self.fail("the expression is too long"))
    }

    fn unary(&mut self, filters: bool) -> Result<Expr> {
        let node = if self.skip_op("-") {
            Expr::Neg(Box::new(self.deeper(|p| p.unary(false))?))
        } else if self.skip_op("+") {
            Expr::Pos(Box::new(self.deeper(|p| p.unary(false))?))
        } else {
            self.primary()?
        };
        let node = self.postfix(node)?;
        if filters {
            self.filters_and_tests(node)
        } else {
            Ok(node)
        }
    }

    fn primary(&mut self) -> Result<Expr> {
        let tok = self.current().clone();
        match tok {
            Tok::Name(name) => {
                self.skip();
                Ok(match name.as_str() {
                    "true" | "True" => Expr::Bool(true),
                    "false" | "False" => Expr::Bool(false),
                    "none" | "None" => Expr::None,
                    _ => {
                        self.note_use(&name);
                        Expr::Name(name.as_str().into())
                    }
                })
            }
            Tok::Str(mut text) => {
                self.skip();
                while let Tok::Str(more) = self.current() {
                    text.push_str(more);
                    self.skip();
                }
                Ok(Expr::Str(text.as_str().into()))
            }
            Tok::Int(n) => {
                self.skip();
                Ok(Expr::Int(n))
            }
            Tok::Float(f) => {
                self.skip();
                Ok(Expr::Float(f))
            }
            Tok::Op("(") => {
                self.skip();
                let inner = self.deeper(|p| p.tuple(true, &[], true))?;
                self.expect_op(")")?;
                Ok(inner)
            }
            Tok::Op("[") => self.list(),
            Tok::Op("{") => self.dict(),
            other => {
                let got = crate::python::quote(&other.describe());
                Err(self.fail(format!("unexpected {got}")))
            }
        }
    }

    /// Remembers what the macros around us use of their special names.
    fn note_use(&mut self, name: &str) {
        for uses in &mut self.macros {
            match name {
                "caller" => uses.caller = true,
                "varargs" => uses.varargs = true,
                "kwargs" => uses.kwargs = true,
                _ => {}
            }
        }
    }

    fn list(&mut self) -> Result<Expr> {
        self.expect_op("[")?;
        let mut items = Vec::new();
        while !self.is_op("]") {
            if !items.is_empty() {
                self.expect_op(",")?;
            }
            if self.is_op("]") {
                break;
            }
            items.push(self.expression()?);
        }
        self.expect_op("]")?;
        Ok(Expr::List(items))
    }

    fn dict(&mut self) -> Result<Expr> {
        self.expect_op("{")?;
        let mut items = Vec::new();
        while !self.is_op("}") {
            if !items.is_empty() {
                self.expect_op(",")?;
            }
            if self.is_op("}") {
                break;
            }
            let key = self.expression()?;
            self.expect_op(":")?;
            items.push((key, self.expression()?));
        }
        self.expect_op("}")?;
        Ok(Expr::Dict(items))
    }

    fn postfix(&mut self, mut node: Expr) -> Result<Expr> {
        for _ in 0..MAX_CHAIN {
            node = match self.current() {
                Tok::Op("." | "[") => self.subscript(node)?,
                Tok::Op("(") => Expr::Call(Box::new(node), Box::new(self.arguments()?)),
                _ => return Ok(node),
            };
        }
        Err(self.fail("the expression is too long"))
    }

    fn filters_and_tests(&mut self, mut node: Expr) -> Result<Expr> {
        for _ in 0..MAX_CHAIN {
            node = match self.current() {
                Tok::Op("|") => {
                    self.skip();
                    let call = self.filter()?;
                    Expr::Filter(Box::new(node), Box::new(call))
                }
                Tok::Name(n) if n == "is" => self.test(node)?,
                Tok::Op("(") => Expr::Call(Box::new(node), Box::new(self.arguments()?)),
                _ => return Ok(node),
            };
        }
        Err(self.fail("the expression is too long"))
    }

    fn dotted(&mut self) -> Result<Name> {
        let first = self.any_name()?;
        if !self.is_op(".") {
            return Ok(first);
        }
        let mut name = first.to_string();
        while self.skip_op(".") {
            name.push('.');
            name.push_str(&self.any_name()?);
        }
        Ok(name.as_str().into())
    }

    /// A filter's name and arguments, the bar already read.
    pub(super) fn filter(&mut self) -> Result<FilterCall> {
        let line = self.line();
        let name = self.dotted()?;
        let args = if self.is_op("(") {
            self.arguments()?
        } else {
            Arguments::default()
        };
        Ok(FilterCall { name, args, line })
    }

    fn test(&mut self, value: Expr) -> Result<Expr> {
        self.skip();
        let negated = self.skip_name("not");
        let line = self.line();
        let name = self.dotted()?;
        let mut args = Arguments::default();
        let argument = match self.current() {
            Tok::Op("(") => {
                args = self.arguments()?;
                false
            }
            Tok::Name(n) => !matches!(n.as_str(), "else" | "or" | "and"),
            Tok::Str(_) | Tok::Int(_) | Tok::Float(_) | Tok::Op("[" | "{") => true,
            _ => false,
        };
        if argument {
            if self.is_name("is") {
                return Err(self.fail("You cannot chain multiple tests with is"));
            }
            let node = self.primary()?;
            args.args.push(self.postfix(node)?);
        }
        Ok(Expr::Test {
            value: Box::new(value),
            call: Box::new(FilterCall { name, args, line }),
            negated,
        })
    }

    fn subscript(&mut self, node: Expr) -> Result<Expr> {
        if self.skip_op(".") {
            return match self.next() {
                Tok::Name(name) => Ok(Expr::Attr(Box::new(node), name.as_str().into())),
                Tok::Int(n) => Ok(Expr::Item(Box::new(node), Box::new(Expr::Int(n)))),
                _ => Err(self.fail("expected name or number")),
            };
        }
        self.expect_op("[")?;
        let mut keys = Vec::new();
        while !self.is_op("]") {
            if !keys.is_empty() {
                self.expect_op(",")?;
            }
            keys.push(self.subscribed()?);
        }
        self.expect_op("]")?;
        let node = Box::new(node);
        let only = if keys.len() == 1 { keys.pop() } else { None };
        match only {
            Some(Key::Slice(slice)) => Ok(Expr::Slice(node, slice)),
            Some(Key::Expr(key)) => Ok(Expr::Item(node, Box::new(key))),
            None => {
                let items = keys.into_iter().map(|k| match k {
                    Key::Expr(e) => e,
                    Key::Slice(_) => Expr::None,
                });
                Ok(Expr::Item(node, Box::new(Expr::Tuple(items.collect()))))
            }
        }
    }

    fn subscribed(&mut self) -> Result<Key> {
        let mut parts: [Option<Expr>; 3] = [None, None, None];
        if !self.is_op(":") {
            let first = self.expression()?;
            if !self.is_op(":") {
                return Ok(Key::Expr(first));
            }
            parts[0] = Some(first);
        }
        self.expect_op(":")?;
        let ends = |p: &Self| matches!(p.current(), Tok::Op("]" | ","));
        if !self.is_op(":") && !ends(self) {
            parts[1] = Some(self.expression()?);
        }
        if self.skip_op(":") && !ends(self) {
            parts[2] = Some(self.expression()?);
        }
        Ok(Key::Slice(Box::new(parts)))
    }

    /// `(a, b, c=d, *e, **f)`
    pub(super) fn arguments(&mut self) -> Result<Arguments> {
        self.expect_op("(")?;
        let mut found = Arguments::default();
        let mut comma = false;
        while !self.is_op(")") {
            if comma {
                self.expect_op(",")?;
                if self.is_op(")") {
                    break;
                }
            }
            let invalid = |p: &Self| p.fail("invalid syntax for function call expression");
            if self.is_op("*") {
                if found.star.is_some() || found.star_star.is_some() {
                    return Err(invalid(self));
                }
                self.skip();
                found.star = Some(Box::new(self.expression()?));
            } else if self.is_op("**") {
                if found.star_star.is_some() {
                    return Err(invalid(self));
                }
                self.skip();
                found.star_star = Some(Box::new(self.expression()?));
            } else if matches!(self.current(), Tok::Name(_)) && matches!(self.look(), Tok::Op("="))
            {
                if found.star_star.is_some() {
                    return Err(invalid(self));
                }
                let name = self.any_name()?;
                self.skip();
                found.kwargs.push((name, self.expression()?));
            } else {
                if found.star.is_some() || found.star_star.is_some() || !found.kwargs.is_empty() {
                    return Err(invalid(self));
                }
                found.args.push(self.expression()?);
            }
            comma = true;
        }
        self.expect_op(")")?;
        Ok(found)
    }

    /// What `set`, `for` and `with` assign to.
    pub(super) fn target(&mut self, namespace: bool, ends: EndNames) -> Result<Target> {
        if namespace
            && matches!(self.current(), Tok::Name(_))
            && matches!(self.look(), Tok::Op("."))
        {
            let name = self.any_name()?;
            self.skip();
            return Ok(Target::Attr(name, self.any_name()?));
        }
        let (mut items, mut is_tuple) = (Vec::new(), false);
        loop {
            if !items.is_empty() {
                self.expect_op(",")?;
            }
            if self.tuple_ends(ends) || self.is_op("=") {
                break;
            }
            items.push(self.single_target(ends)?);
            if !self.is_op(",") {
                break;
            }
            is_tuple = true;
        }
        if !is_tuple && let Some(only) = items.pop() {
            return Ok(only);
        }
        if items.is_empty() {
            let got = crate::python::quote(&self.current().describe());
            return Err(self.fail(format!("Expected an expression, got {got}")));
        }
        Ok(Target::Tuple(items))
    }

    fn single_target(&mut self, ends: EndNames) -> Result<Target> {
        if self.skip_op("(") {
            let inner = self.deeper(|p| p.target(false, ends))?;
            self.expect_op(")")?;
            return Ok(inner);
        }
        let expr = self.primary()?;
        let kind = match expr {
            Expr::Name(name) => return Ok(Target::Name(name)),
            Expr::Bool(_) | Expr::None | Expr::Int(_) | Expr::Float(_) | Expr::Str(_) => "const",
            Expr::List(_) => "list",
            Expr::Dict(_) => "dict",
            _ => "expression",
        };
        Err(self.fail(format!("can't assign to '{kind}'")))
    }
}

enum Key {
    Expr(Expr),
    Slice(Box<[Option<Expr>; 3]>),
}
