//! Values from the graph: PyYAML's constructor with Salt's changes.
//!
//! Collections are made level by level, as PyYAML makes them, so that of several faults the same one is
//! reported first.

use std::collections::{HashMap, HashSet, VecDeque};

use salt_wire::{Map, Value};

use crate::error::{Error, ErrorKind, Mark};
use crate::node::{Graph, Id, Kind};
use crate::{MAX_DEPTH, MAX_VALUES, binary, resolve, scalar};

/// Which of Salt's loaders reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The yaml renderer: SLS, pillar, top files.
    Sls,
    /// `salt.utils.yaml.safe_load`: configuration, arguments, `load_yaml` of templates.
    Plain,
}

/// Where a key stands; both numbers start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// The places of a configuration's keys, the uppermost two levels.
#[derive(Debug, Clone, Default)]
pub struct Positions(HashMap<Vec<String>, Position>);

impl Positions {
    /// Where a key stands: `["master"]`, `["agent", "trust"]`.
    pub fn of(&self, path: &[&str]) -> Option<Position> {
        let path: Vec<String> = path.iter().map(|&p| p.to_owned()).collect();
        self.0.get(&path).copied()
    }

    /// Every known place with its path.
    pub fn iter(&self) -> impl Iterator<Item = (&[String], Position)> {
        self.0.iter().map(|(path, at)| (path.as_slice(), *at))
    }
}

/// Notes the places of the upper keys.
pub(crate) fn positions(graph: &Graph) -> Positions {
    let mut found = Positions::default();
    if let Some(root) = graph.root {
        note(graph, root, &[], &mut found);
    }
    found
}

fn note(graph: &Graph, id: Id, path: &[String], found: &mut Positions) {
    let Kind::Mapping(pairs) = &graph.nodes[id].kind else {
        return;
    };
    for &(key, value) in pairs {
        let node = &graph.nodes[key];
        let Kind::Scalar(text) = &node.kind else {
            continue;
        };
        let mut path = path.to_vec();
        path.push(text.clone());
        if path.len() < 2 {
            note(graph, value, &path, found);
        }
        found.0.entry(path).or_insert(Position {
            line: node.mark.line + 1,
            column: node.mark.column + 1,
        });
    }
}

/// Makes the document's value.
pub(crate) fn construct(graph: Graph, dialect: Dialect) -> Result<Value, Error> {
    let Some(root) = graph.root else {
        return Ok(Value::Null);
    };
    let count = graph.nodes.len();
    let mut constructor = Constructor {
        graph,
        dialect,
        built: vec![None; count],
        waiting: VecDeque::new(),
        merged: 0,
    };
    constructor.start(root)?;
    while let Some((id, shape)) = constructor.waiting.pop_front() {
        let built = constructor.fill(id, shape)?;
        constructor.built[id] = Some(built);
    }
    let mut assembly = Assembly {
        built: &constructor.built,
        marks: &|id| constructor.graph.nodes[id].mark,
        on_path: vec![false; count],
        cost: 0,
    };
    assembly.value(root, 0)
}

/// What a collection's tag makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Seq,
    Map,
    Set,
    Pairs(&'static str),
}

/// One constructed node, its children by name.
#[derive(Debug, Clone)]
enum Built {
    /// A collection that waits for its turn; such a thing cannot be a key.
    Waiting,
    Scalar(Value),
    Seq(Vec<Id>),
    Map(Vec<(Value, Id)>),
    Set(Vec<Value>),
    Pairs(Vec<(Id, Id)>),
}

struct Constructor {
    graph: Graph,
    dialect: Dialect,
    built: Vec<Option<Built>>,
    waiting: VecDeque<(Id, Shape)>,
    /// Entries that merges have copied so far.
    merged: usize,
}

const MAPPING: &str = "while constructing a mapping";

impl Constructor {
    fn mark(&self, id: Id) -> Mark {
        self.graph.nodes[id].mark
    }

    fn fault(&self, problem: impl Into<String>, id: Id) -> Error {
        Error::new(ErrorKind::Constructor, problem, Some(self.mark(id)))
    }

    /// Begins a node: a scalar is made at once, a collection waits.
    fn start(&mut self, id: Id) -> Result<(), Error> {
        if self.built[id].is_some() {
            return Ok(());
        }
        let tag = self.graph.nodes[id].tag.clone();
        let shape = match tag.strip_prefix("tag:yaml.org,2002:") {
            Some("seq") => Shape::Seq,
            Some("map") => Shape::Map,
            Some("set") => Shape::Set,
            Some("omap") if self.dialect == Dialect::Sls => Shape::Map,
            Some("omap") => Shape::Pairs("an ordered map"),
            Some("pairs") => Shape::Pairs("pairs"),
            _ => {
                let value = self.scalar(id, &tag)?;
                self.built[id] = Some(Built::Scalar(value));
                return Ok(());
            }
        };
        self.built[id] = Some(Built::Waiting);
        self.waiting.push_back((id, shape));
        Ok(())
    }

    fn scalar(&self, id: Id, tag: &str) -> Result<Value, Error> {
        let text = |this: &Self| this.scalar_text(id).map(str::to_owned);
        let misfit = |problem: String| {
            let mut error = Error::new(ErrorKind::Value, problem, Some(self.mark(id)));
            error.mark = Some(self.mark(id));
            error
        };
        match tag {
            resolve::STR | resolve::TIMESTAMP => text(self).map(Value::Str),
            resolve::NULL => text(self).map(|_| Value::Null),
            resolve::BOOL => scalar::boolean(&text(self)?).map_err(misfit),
            resolve::INT => scalar::salt_int(&text(self)?).map_err(misfit),
            resolve::FLOAT => scalar::float(&text(self)?).map_err(misfit),
            "tag:yaml.org,2002:python/unicode" => match &self.graph.nodes[id].kind {
                Kind::Scalar(text) => Ok(Value::Str(text.clone())),
                _ => Err(self.fault("expected a scalar node", id)),
            },
            "tag:yaml.org,2002:binary" => {
                let text = text(self)?;
                if !text.is_ascii() {
                    return Err(self.fault("failed to convert base64 data into ascii", id));
                }
                binary::decode(&text, true)
                    .map(Value::Bytes)
                    .map_err(|e| self.fault(format!("failed to decode base64 data: {e}"), id))
            }
            _ => Err(self.fault(
                format!(
                    "could not determine a constructor for the tag {}",
                    quoted(tag)
                ),
                id,
            )),
        }
    }

    /// A scalar's text; a mapping with a `=` entry stands for that entry's text.
    fn scalar_text(&self, mut id: Id) -> Result<&str, Error> {
        for _ in 0..MAX_DEPTH {
            match &self.graph.nodes[id].kind {
                Kind::Scalar(text) => return Ok(text),
                Kind::Mapping(pairs) => {
                    let default = pairs
                        .iter()
                        .find(|(key, _)| self.graph.nodes[*key].tag == resolve::VALUE);
                    match default {
                        Some((_, value)) => id = *value,
                        None => break,
                    }
                }
                Kind::Sequence(_) => break,
            }
        }
        let found = self.graph.nodes[id].kind.word();
        Err(self.fault(format!("expected a scalar node, but found {found}"), id))
    }

    /// Makes a collection and begins its children.
    fn fill(&mut self, id: Id, shape: Shape) -> Result<Built, Error> {
        match shape {
            Shape::Seq => {
                let Kind::Sequence(items) = self.graph.nodes[id].kind.clone() else {
                    return Err(self.expected("a sequence node", id));
                };
                for &item in &items {
                    self.start(item)?;
                }
                Ok(Built::Seq(items))
            }
            Shape::Map => self.mapping(id).map(Built::Map),
            Shape::Set => {
                let entries = self.mapping(id)?;
                Ok(Built::Set(entries.into_iter().map(|(k, _)| k).collect()))
            }
            Shape::Pairs(what) => self.pairs(id, what).map(Built::Pairs),
        }
    }

    fn expected(&self, what: &str, id: Id) -> Error {
        let found = self.graph.nodes[id].kind.word();
        self.fault(format!("expected {what}, but found {found}"), id)
    }

    fn mapping(&mut self, id: Id) -> Result<Vec<(Value, Id)>, Error> {
        if !matches!(self.graph.nodes[id].kind, Kind::Mapping(_)) {
            return Err(self.expected("a mapping node", id));
        }
        self.flatten(id, 0)?;
        let Kind::Mapping(pairs) = self.graph.nodes[id].kind.clone() else {
            return Ok(Vec::new());
        };
        let mut seen = HashSet::with_capacity(pairs.len());
        let mut entries = Vec::with_capacity(pairs.len());
        for (key_id, value_id) in pairs {
            self.start(key_id)?;
            let Some(Built::Scalar(key)) = &self.built[key_id] else {
                let problem = format!("found unacceptable key {}", self.shown(key_id));
                return Err(self.fault(problem, key_id).within(MAPPING, self.mark(id)));
            };
            let key = key.clone();
            self.start(value_id)?;
            if !seen.insert(python_key(&key)) {
                let problem = format!("found conflicting ID '{}'", python_str(&key));
                return Err(self.fault(problem, key_id).within(MAPPING, self.mark(id)));
            }
            entries.push((key, value_id));
        }
        Ok(entries)
    }

    /// Puts what `<<` names in front of a mapping's own entries.
    fn flatten(&mut self, id: Id, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(self.fault("found unconstructable recursive node", id));
        }
        let Kind::Mapping(pairs) = self.graph.nodes[id].kind.clone() else {
            return Ok(());
        };
        let (mut own, mut merge) = (Vec::with_capacity(pairs.len()), Vec::new());
        for (key, value) in pairs {
            match self.graph.nodes[key].tag.as_str() {
                resolve::MERGE => {
                    for source in self.sources(id, value)? {
                        self.flatten(source, depth + 1)?;
                        if let Kind::Mapping(entries) = &self.graph.nodes[source].kind {
                            merge.extend_from_slice(entries);
                        }
                    }
                }
                resolve::VALUE => {
                    self.graph.nodes[key].tag = resolve::STR.to_owned();
                    own.push((key, value));
                }
                _ => own.push((key, value)),
            }
        }
        if !merge.is_empty() {
            self.merged += merge.len();
            if self.merged > MAX_VALUES {
                return Err(self.fault("the merged mappings are too great", id));
            }
            let existing: HashSet<&str> = own
                .iter()
                .filter_map(|(key, _)| self.text_of(*key))
                .collect();
            merge.retain(|(key, _)| self.text_of(*key).is_none_or(|t| !existing.contains(t)));
            merge.extend(own);
            own = merge;
        }
        self.graph.nodes[id].kind = Kind::Mapping(own);
        Ok(())
    }

    fn text_of(&self, id: Id) -> Option<&str> {
        match &self.graph.nodes[id].kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The mappings that a `<<` names, the last one first.
    fn sources(&self, id: Id, value: Id) -> Result<Vec<Id>, Error> {
        match &self.graph.nodes[value].kind {
            Kind::Mapping(_) => Ok(vec![value]),
            Kind::Sequence(items) => {
                for &item in items {
                    if !matches!(self.graph.nodes[item].kind, Kind::Mapping(_)) {
                        let found = self.graph.nodes[item].kind.word();
                        let problem = format!("expected a mapping for merging, but found {found}");
                        return Err(self.fault(problem, item).within(MAPPING, self.mark(id)));
                    }
                }
                Ok(items.iter().rev().copied().collect())
            }
            Kind::Scalar(_) => {
                let problem =
                    "expected a mapping or list of mappings for merging, but found scalar";
                Err(self.fault(problem, value).within(MAPPING, self.mark(id)))
            }
        }
    }

    fn pairs(&mut self, id: Id, what: &str) -> Result<Vec<(Id, Id)>, Error> {
        let context = format!("while constructing {what}");
        let Kind::Sequence(items) = self.graph.nodes[id].kind.clone() else {
            let error = self.expected("a sequence", id);
            return Err(error.within(&context, self.mark(id)));
        };
        let mut pairs = Vec::with_capacity(items.len());
        for item in items {
            let Kind::Mapping(entries) = &self.graph.nodes[item].kind else {
                let error = self.expected("a mapping of length 1", item);
                return Err(error.within(&context, self.mark(id)));
            };
            let &[(key, value)] = entries.as_slice() else {
                let n = entries.len();
                let problem = format!("expected a single mapping item, but found {n} items");
                return Err(self.fault(problem, item).within(&context, self.mark(id)));
            };
            self.start(key)?;
            self.start(value)?;
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    /// What Salt shows of a key that is none, most often `{{ x }}` unquoted.
    fn shown(&self, id: Id) -> String {
        match &self.graph.nodes[id].kind {
            Kind::Scalar(text) => text.clone(),
            _ => self.repr(id, 0, false),
        }
    }

    /// A node as Python prints it.
    fn repr(&self, id: Id, depth: usize, named: bool) -> String {
        let node = &self.graph.nodes[id];
        if depth > 8 {
            return "...".into();
        }
        let (class, value) = match &node.kind {
            Kind::Scalar(text) => ("ScalarNode", quoted(text)),
            Kind::Sequence(items) => {
                let items: Vec<_> = items
                    .iter()
                    .take(64)
                    .map(|&i| self.repr(i, depth + 1, true))
                    .collect();
                ("SequenceNode", format!("[{}]", items.join(", ")))
            }
            Kind::Mapping(pairs) => {
                let pairs: Vec<_> = pairs
                    .iter()
                    .take(64)
                    .map(|&(k, v)| {
                        let (k, v) = (self.repr(k, depth + 1, true), self.repr(v, depth + 1, true));
                        format!("({k}, {v})")
                    })
                    .collect();
                ("MappingNode", format!("[{}]", pairs.join(", ")))
            }
        };
        if named {
            format!("{class}(tag='{}', value={value})", node.tag)
        } else {
            value
        }
    }
}

/// Python's `repr` of text, near enough for a message.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Keys that are one to Python (`1`, `1.0`, `True`) are one here.
fn python_key(key: &Value) -> Value {
    match key {
        Value::Bool(b) => Value::Int((*b).into()),
        Value::Float(f) if f.fract() == 0.0 && f.abs() < 1e30 => Value::Int(*f as i128),
        other => other.clone(),
    }
}

fn python_str(key: &Value) -> String {
    match key {
        Value::Str(s) => s.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => "None".into(),
        other => crate::dump::python_number(other).unwrap_or_else(|| format!("{other:?}")),
    }
}

/// Puts the constructed nodes together, aliases copied.
struct Assembly<'a> {
    built: &'a [Option<Built>],
    marks: &'a dyn Fn(Id) -> Mark,
    on_path: Vec<bool>,
    cost: usize,
}

impl Assembly<'_> {
    fn value(&mut self, id: Id, depth: usize) -> Result<Value, Error> {
        let bound = |problem: &str| Error::new(ErrorKind::Bound, problem, Some((self.marks)(id)));
        if self.on_path[id] {
            return Err(bound("found unconstructable recursive node"));
        }
        if depth > MAX_DEPTH {
            return Err(bound("nested too deeply"));
        }
        self.cost += 1;
        if self.cost > MAX_VALUES {
            return Err(bound("the aliases expand to too many values"));
        }
        let built = self.built;
        self.on_path[id] = true;
        let value = match &built[id] {
            Some(Built::Scalar(value)) => {
                self.cost += match value {
                    Value::Str(s) => s.len() / 64,
                    Value::Bytes(b) => b.len() / 64,
                    _ => 0,
                };
                value.clone()
            }
            Some(Built::Seq(items)) => Value::List(
                items
                    .iter()
                    .map(|&i| self.value(i, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            Some(Built::Map(entries)) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, value) in entries {
                    map.insert(key.clone(), self.value(*value, depth + 1)?);
                }
                Value::Map(map)
            }
            Some(Built::Set(keys)) => Value::List(keys.clone()),
            Some(Built::Pairs(pairs)) => {
                let mut list = Vec::with_capacity(pairs.len());
                for &(key, value) in pairs {
                    list.push(Value::List(vec![
                        self.value(key, depth + 1)?,
                        self.value(value, depth + 1)?,
                    ]));
                }
                Value::List(list)
            }
            Some(Built::Waiting) | None => Value::Null,
        };
        self.on_path[id] = false;
        Ok(value)
    }
}
