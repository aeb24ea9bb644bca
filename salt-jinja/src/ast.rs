//! What the parser makes of a template.

use std::rc::Rc;

/// A name, shared.
pub(crate) type Name = Rc<str>;
/// Statements in a row.
pub(crate) type Body = Vec<Stmt>;

/// A statement and its line.
#[derive(Debug)]
pub(crate) struct Stmt {
    pub(crate) line: usize,
    pub(crate) kind: StmtKind,
}

#[derive(Debug)]
pub(crate) enum StmtKind {
    /// Text as it is.
    Data(Rc<str>),
    /// `{{ … }}`
    Output(Expr),
    /// `do`
    Do(Expr),
    If {
        branches: Vec<(Expr, Body)>,
        otherwise: Body,
    },
    For(Rc<ForDef>),
    Break,
    Continue,
    Set {
        target: Target,
        value: Expr,
    },
    /// `{% set x | filter %}…{% endset %}`
    SetBlock {
        target: Target,
        filters: Vec<FilterCall>,
        body: Body,
    },
    With {
        bindings: Vec<(Target, Expr)>,
        body: Body,
    },
    Macro(Rc<MacroDef>),
    /// `{% call(x) f() %}…`
    CallBlock {
        caller: Rc<MacroDef>,
        call: Expr,
    },
    FilterBlock {
        filters: Vec<FilterCall>,
        body: Body,
    },
    Block {
        name: Name,
    },
    Extends(Expr),
    Include {
        template: Expr,
        ignore_missing: bool,
        with_context: bool,
    },
    Import {
        template: Expr,
        target: Name,
        with_context: bool,
    },
    FromImport {
        template: Expr,
        names: Vec<(Name, Name)>,
        with_context: bool,
    },
    /// `load_yaml`, `load_json`, `load_text`
    Load {
        filter: &'static str,
        target: Target,
        body: Body,
    },
    /// `import_yaml`, `import_json`, `import_text`
    ImportData {
        filter: &'static str,
        template: Expr,
        target: Name,
        with_context: bool,
    },
    /// `{% autoescape true %}…{% endautoescape %}`
    AutoEscape {
        on: Expr,
        body: Body,
    },
    /// A body in the same scope: `profile`.
    Plain(Body),
}

/// What can be assigned to.
#[derive(Debug)]
pub(crate) enum Target {
    Name(Name),
    /// `ns.attr`
    Attr(Name, Name),
    Tuple(Vec<Self>),
}

/// A loop.
#[derive(Debug)]
pub(crate) struct ForDef {
    pub(crate) target: Target,
    pub(crate) iter: Expr,
    pub(crate) filter: Option<Expr>,
    pub(crate) body: Body,
    pub(crate) otherwise: Body,
    pub(crate) recursive: bool,
}

/// A macro, a call block's body, or a set block's.
#[derive(Debug)]
pub(crate) struct MacroDef {
    pub(crate) name: Name,
    pub(crate) params: Vec<(Name, Option<Expr>)>,
    pub(crate) body: Body,
    pub(crate) line: usize,
    pub(crate) uses_caller: bool,
    pub(crate) uses_varargs: bool,
    pub(crate) uses_kwargs: bool,
}

/// Arguments of a call.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) args: Vec<Expr>,
    pub(crate) kwargs: Vec<(Name, Expr)>,
    pub(crate) star: Option<Box<Expr>>,
    pub(crate) star_star: Option<Box<Expr>>,
}

/// A filter or test with its arguments.
#[derive(Debug)]
pub(crate) struct FilterCall {
    pub(crate) name: Name,
    pub(crate) args: Arguments,
    pub(crate) line: usize,
}

/// Operators between two values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Debug)]
pub(crate) enum Expr {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Rc<str>),
    Name(Name),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(Self, Self)>),
    Not(Box<Self>),
    Neg(Box<Self>),
    Pos(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Binary(Op, Box<Self>, Box<Self>),
    Compare(Box<Self>, Vec<(Cmp, Self)>),
    Concat(Vec<Self>),
    Cond {
        test: Box<Self>,
        then: Box<Self>,
        otherwise: Option<Box<Self>>,
    },
    Attr(Box<Self>, Name),
    Item(Box<Self>, Box<Self>),
    Slice(Box<Self>, Box<[Option<Self>; 3]>),
    Call(Box<Self>, Box<Arguments>),
    Filter(Box<Self>, Box<FilterCall>),
    Test {
        value: Box<Self>,
        call: Box<FilterCall>,
        negated: bool,
    },
}

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Ast {
    pub(crate) body: Body,
    pub(crate) blocks: Vec<(Name, Rc<BlockDef>)>,
}

/// A named block.
#[derive(Debug)]
pub(crate) struct BlockDef {
    pub(crate) body: Body,
    pub(crate) scoped: bool,
    pub(crate) required: bool,
}
