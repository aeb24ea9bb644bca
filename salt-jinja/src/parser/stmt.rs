//! Statements: one function a tag.

use std::rc::Rc;

use super::stream::{Parser, Uses};
use crate::ast::{
    BlockDef, Body, Expr, FilterCall, ForDef, MacroDef, Name, Stmt, StmtKind, Target,
};
use crate::error::Result;
use crate::lexer::Tok;

impl Parser {
    /// Statements up to one of these tags (whose name is then current), or to the end.
    pub(super) fn subparse(&mut self, ends: &'static [&'static str]) -> Result<Body> {
        if !ends.is_empty() {
            self.end_tags.push(ends);
        }
        let mut body = Vec::new();
        loop {
            let line = self.line();
            match self.current().clone() {
                Tok::Data(text) => {
                    self.skip();
                    let kind = StmtKind::Data(text.as_str().into());
                    body.push(Stmt { line, kind });
                }
                Tok::VarBegin => {
                    self.skip();
                    let line = self.line();
                    let value = self.tuple(true, &[], false)?;
                    self.expect(&Tok::VarEnd)?;
                    let kind = StmtKind::Output(value);
                    body.push(Stmt { line, kind });
                }
                Tok::BlockBegin => {
                    self.skip();
                    if matches!(self.current(), Tok::Name(n) if ends.contains(&n.as_str())) {
                        break;
                    }
                    let stmt = self.deeper(Self::statement)?;
                    body.push(stmt);
                    self.expect(&Tok::BlockEnd)?;
                }
                Tok::Eof => break,
                _ => return Err(self.fail("internal parsing error")),
            }
        }
        if !ends.is_empty() {
            if *self.current() == Tok::Eof {
                return Err(self.fail_tag(None, &self.end_tags));
            }
            self.end_tags.pop();
        }
        Ok(body)
    }

    /// The end of the opening tag, then its body; the closing tag's name stays current.
    fn body(&mut self, ends: &'static [&'static str]) -> Result<Body> {
        self.skip_op(":");
        self.expect(&Tok::BlockEnd)?;
        self.subparse(ends)
    }

    /// As [`Self::body`], and the closing tag's name is read too.
    fn body_to(&mut self, ends: &'static [&'static str]) -> Result<Body> {
        let body = self.body(ends)?;
        self.skip();
        Ok(body)
    }

    fn statement(&mut self) -> Result<Stmt> {
        let line = self.line();
        let Tok::Name(tag) = self.current().clone() else {
            return Err(self.fail("tag name expected"));
        };
        self.open_tags.push(tag.clone());
        let kind = match tag.as_str() {
            "if" => self.if_(),
            "for" => self.for_(),
            "set" => self.set(),
            "do" => {
                self.skip();
                self.tuple(true, &[], false).map(StmtKind::Do)
            }
            "with" => self.with(),
            "macro" => self.macro_(),
            "call" => self.call(),
            "filter" => self.filter_block(),
            "block" => self.block(),
            "extends" => {
                self.skip();
                self.expression().map(StmtKind::Extends)
            }
            "include" => self.include(),
            "import" => self.import(),
            "from" => self.from(),
            "break" => {
                self.skip();
                Ok(StmtKind::Break)
            }
            "continue" => {
                self.skip();
                Ok(StmtKind::Continue)
            }
            "autoescape" => {
                self.skip();
                let on = self.expression()?;
                let body = self.body_to(&["endautoescape"])?;
                Ok(StmtKind::AutoEscape { on, body })
            }
            "profile" => {
                self.skip();
                self.expect_name("as")?;
                self.expression()?;
                self.body_to(&["endprofile"]).map(StmtKind::Plain)
            }
            "load_yaml" => self.load("load_yaml"),
            "load_json" => self.load("load_json"),
            "load_text" => self.load("load_text"),
            "import_yaml" => self.import_data("load_yaml"),
            "import_json" => self.import_data("load_json"),
            "import_text" => self.import_data("load_text"),
            unknown => {
                // The tag itself is no block that needs to be closed.
                self.open_tags.pop();
                return Err(self.fail_tag(Some(unknown), &self.end_tags));
            }
        }?;
        self.open_tags.pop();
        Ok(Stmt { line, kind })
    }

    fn if_(&mut self) -> Result<StmtKind> {
        let mut branches = Vec::new();
        loop {
            self.skip();
            let test = self.tuple(false, &[], false)?;
            let body = self.body(&["elif", "else", "endif"])?;
            branches.push((test, body));
            if self.is_name("elif") {
                continue;
            }
            let otherwise = if self.skip_name("else") {
                self.body_to(&["endif"])?
            } else {
                self.skip();
                Vec::new()
            };
            return Ok(StmtKind::If {
                branches,
                otherwise,
            });
        }
    }

    fn for_(&mut self) -> Result<StmtKind> {
        self.skip();
        let target = self.target(false, &["in"])?;
        self.expect_name("in")?;
        let iter = self.tuple(false, &["recursive"], false)?;
        let filter = if self.skip_name("if") {
            Some(self.expression()?)
        } else {
            None
        };
        let recursive = self.skip_name("recursive");
        let body = self.body(&["endfor", "else"])?;
        let otherwise = if self.skip_name("else") {
            self.body_to(&["endfor"])?
        } else {
            self.skip();
            Vec::new()
        };
        Ok(StmtKind::For(Rc::new(ForDef {
            target,
            iter,
            filter,
            body,
            otherwise,
            recursive,
        })))
    }

    fn set(&mut self) -> Result<StmtKind> {
        self.skip();
        let target = self.target(true, &[])?;
        if self.skip_op("=") {
            let value = self.tuple(true, &[], false)?;
            return Ok(StmtKind::Set { target, value });
        }
        let mut filters = Vec::new();
        while self.skip_op("|") {
            filters.push(self.filter()?);
        }
        let body = self.body_to(&["endset"])?;
        Ok(StmtKind::SetBlock {
            target,
            filters,
            body,
        })
    }

    fn with(&mut self) -> Result<StmtKind> {
        self.skip();
        let mut bindings = Vec::new();
        while *self.current() != Tok::BlockEnd {
            if !bindings.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.target(false, &[])?;
            self.expect_op("=")?;
            bindings.push((target, self.expression()?));
        }
        let body = self.body_to(&["endwith"])?;
        Ok(StmtKind::With { bindings, body })
    }

    fn signature(&mut self) -> Result<Vec<(Name, Option<Expr>)>> {
        self.expect_op("(")?;
        let mut params: Vec<(Name, Option<Expr>)> = Vec::new();
        while !self.is_op(")") {
            if !params.is_empty() {
                self.expect_op(",")?;
            }
            let name = self.any_name()?;
            if self.skip_op("=") {
                params.push((name, Some(self.expression()?)));
            } else {
                if params.iter().any(|(_, default)| default.is_some()) {
                    return Err(self.fail("non-default argument follows default argument"));
                }
                params.push((name, None));
            }
        }
        self.expect_op(")")?;
        Ok(params)
    }

    fn definition(
        &mut self,
        name: Name,
        params: Vec<(Name, Option<Expr>)>,
        end: &'static [&'static str],
        line: usize,
    ) -> Result<MacroDef> {
        self.macros.push(Uses::default());
        let body = self.body_to(end)?;
        let uses = self.macros.pop().unwrap_or_default();
        let named = |special: &str| params.iter().any(|(n, _)| &**n == special);
        Ok(MacroDef {
            uses_caller: uses.caller && !named("caller"),
            uses_varargs: uses.varargs && !named("varargs"),
            uses_kwargs: uses.kwargs && !named("kwargs"),
            name,
            params,
            body,
            line,
        })
    }

    fn macro_(&mut self) -> Result<StmtKind> {
        let line = self.line();
        self.skip();
        let name = self.any_name()?;
        let params = self.signature()?;
        let def = self.definition(name, params, &["endmacro"], line)?;
        Ok(StmtKind::Macro(Rc::new(def)))
    }

    fn call(&mut self) -> Result<StmtKind> {
        let line = self.line();
        self.skip();
        let params = if self.is_op("(") {
            self.signature()?
        } else {
            Vec::new()
        };
        let call = self.expression()?;
        if !matches!(call, Expr::Call(..)) {
            return Err(self.fail("expected call"));
        }
        let caller = self.definition("caller".into(), params, &["endcall"], line)?;
        Ok(StmtKind::CallBlock {
            caller: Rc::new(caller),
            call,
        })
    }

    fn filter_block(&mut self) -> Result<StmtKind> {
        self.skip();
        let mut filters: Vec<FilterCall> = vec![self.filter()?];
        while self.skip_op("|") {
            filters.push(self.filter()?);
        }
        let body = self.body_to(&["endfilter"])?;
        Ok(StmtKind::FilterBlock { filters, body })
    }

    fn block(&mut self) -> Result<StmtKind> {
        self.skip();
        let name = self.any_name()?;
        let scoped = self.skip_name("scoped");
        let required = self.skip_name("required");
        if self.is_op("-") {
            return Err(self.fail(
                "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.",
            ));
        }
        let body = self.body_to(&["endblock"])?;
        if self.is_name(&name) {
            self.skip();
        }
        if self.blocks.iter().any(|(n, _)| *n == name) {
            return Err(self.assertion(format!("block '{name}' defined twice")));
        }
        let def = BlockDef {
            body,
            scoped,
            required,
        };
        self.blocks.push((name.clone(), Rc::new(def)));
        Ok(StmtKind::Block { name })
    }

    fn context(&mut self, default: bool) -> bool {
        let with = self.is_name("with");
        if (with || self.is_name("without")) && self.look_is_name("context") {
            self.skip();
            self.skip();
            return with;
        }
        default
    }

    fn include(&mut self) -> Result<StmtKind> {
        self.skip();
        let template = self.expression()?;
        let ignore_missing = self.is_name("ignore") && self.look_is_name("missing");
        if ignore_missing {
            self.skip();
            self.skip();
        }
        Ok(StmtKind::Include {
            template,
            ignore_missing,
            with_context: self.context(true),
        })
    }

    fn import_parts(&mut self) -> Result<(Expr, Name, bool)> {
        self.skip();
        let template = self.expression()?;
        self.expect_name("as")?;
        let target = self.any_name()?;
        Ok((template, target, self.context(false)))
    }

    fn import(&mut self) -> Result<StmtKind> {
        let (template, target, with_context) = self.import_parts()?;
        Ok(StmtKind::Import {
            template,
            target,
            with_context,
        })
    }

    fn import_data(&mut self, filter: &'static str) -> Result<StmtKind> {
        let (template, target, with_context) = self.import_parts()?;
        Ok(StmtKind::ImportData {
            filter,
            template,
            target,
            with_context,
        })
    }

    fn from(&mut self) -> Result<StmtKind> {
        self.skip();
        let template = self.expression()?;
        self.expect_name("import")?;
        let mut names: Vec<(Name, Name)> = Vec::new();
        loop {
            if !names.is_empty() {
                if !self.is_op(",") {
                    break;
                }
                self.skip();
            }
            let context =
                (self.is_name("with") || self.is_name("without")) && self.look_is_name("context");
            if context || !matches!(self.current(), Tok::Name(_)) {
                if names.is_empty() {
                    return Err(self.expected("name"));
                }
                break;
            }
            let name = self.any_name()?;
            if name.starts_with('_') {
                return Err(self.assertion("names starting with an underline can not be imported"));
            }
            let alias = if self.skip_name("as") {
                self.any_name()?
            } else {
                name.clone()
            };
            names.push((name, alias));
        }
        Ok(StmtKind::FromImport {
            template,
            names,
            with_context: self.context(false),
        })
    }

    fn load(&mut self, filter: &'static str) -> Result<StmtKind> {
        self.skip();
        self.expect_name("as")?;
        let target: Target = self.target(false, &[])?;
        let body = self.body_to(&["endload"])?;
        Ok(StmtKind::Load {
            filter,
            target,
            body,
        })
    }
}
