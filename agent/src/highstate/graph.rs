//! What a run depends on, as 3008 orders it: chunks are nodes, requisites are edges, and the order
//! numbers only decide between chunks that are free to run.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use indexmap::{IndexMap, IndexSet};
use salt_wire::{Map, Value};

use super::low::{field, first_key, tag};
use crate::context::python;
use crate::fnmatch::{fnmatch, is_pattern};

/// A direct requisite. The order of the variants is their weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Requisite {
    Onfail,
    OnfailAny,
    OnfailAll,
    Require,
    RequireAny,
    Onchanges,
    OnchangesAny,
    Watch,
    WatchAny,
    Prereq,
    /// The other end of a prereq, before 3008.
    Prerequired,
}

impl Requisite {
    /// In the order in which a chunk's requisites become edges.
    pub(crate) const ALL: [Self; 10] = [
        Self::Require,
        Self::RequireAny,
        Self::Watch,
        Self::WatchAny,
        Self::Prereq,
        Self::Onfail,
        Self::OnfailAny,
        Self::OnfailAll,
        Self::Onchanges,
        Self::OnchangesAny,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Onfail => "onfail",
            Self::OnfailAny => "onfail_any",
            Self::OnfailAll => "onfail_all",
            Self::Require => "require",
            Self::RequireAny => "require_any",
            Self::Onchanges => "onchanges",
            Self::OnchangesAny => "onchanges_any",
            Self::Watch => "watch",
            Self::WatchAny => "watch_any",
            Self::Prereq => "prereq",
            Self::Prerequired => "prerequired",
        }
    }
}

/// A chunk in its graph.
pub(crate) type ChunkId = usize;
type NodeId = usize;

struct Node {
    tag: String,
    chunk: ChunkId,
    /// The lowest order among those that wait for it, once computed.
    computed: bool,
}

/// The chunks of a run and their edges.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) chunks: Vec<Map>,
    nodes: Vec<Node>,
    by_tag: HashMap<String, NodeId>,
    edges_out: Vec<IndexMap<NodeId, IndexSet<Requisite>>>,
    edges_in: Vec<IndexMap<NodeId, IndexSet<Requisite>>>,
    lookup: IndexMap<(String, String), IndexSet<NodeId>>,
    by_sls: IndexMap<String, IndexSet<NodeId>>,
}

impl Graph {
    pub(crate) fn add_chunk(&mut self, chunk: Map) -> ChunkId {
        let id = self.chunks.len();
        let tag = tag(&chunk);
        let node = match self.by_tag.get(&tag) {
            // The same call twice is one node; the later chunk stands for it.
            Some(&node) => {
                self.nodes[node].chunk = id;
                node
            }
            None => self.add_node(tag, id),
        };
        let (state, name, own) = (
            field(&chunk, "state").to_owned(),
            field(&chunk, "name").to_owned(),
            field(&chunk, "__id__").to_owned(),
        );
        for key in [
            (state.clone(), name.clone()),
            (state, own.clone()),
            ("id".to_owned(), own),
            ("id".to_owned(), name),
        ] {
            self.lookup.entry(key).or_default().insert(node);
        }
        let mut files = vec![field(&chunk, "__sls__").to_owned()];
        if let Some(Value::List(from)) = chunk.get("__sls_included_from__") {
            files.extend(from.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        for sls in files.into_iter().filter(|s| !s.is_empty()) {
            self.by_sls.entry(sls).or_default().insert(node);
        }
        self.chunks.push(chunk);
        id
    }

    fn add_node(&mut self, tag: String, chunk: ChunkId) -> NodeId {
        let node = self.nodes.len();
        self.by_tag.insert(tag.clone(), node);
        self.nodes.push(Node {
            tag,
            chunk,
            computed: false,
        });
        self.edges_out.push(IndexMap::new());
        self.edges_in.push(IndexMap::new());
        node
    }

    fn add_edge(&mut self, from: NodeId, to: NodeId, kind: Requisite) {
        self.edges_out[from].entry(to).or_default().insert(kind);
        self.edges_in[to].entry(from).or_default().insert(kind);
    }

    /// Turns a chunk's requisites into edges; the error names one that points nowhere.
    pub(crate) fn add_requisites(
        &mut self,
        id: ChunkId,
        disabled: &[String],
    ) -> Result<(), String> {
        for kind in Requisite::ALL {
            let Some(Value::List(references)) = self.chunks[id].get(kind.name()).cloned() else {
                continue;
            };
            if disabled.iter().any(|d| d == kind.name()) {
                tracing::warn!(
                    requisite = kind.name(),
                    "The requisite is disabled, ignored."
                );
                continue;
            }
            for reference in &references {
                let (key, target) = match reference {
                    Value::Str(id) => ("id".to_owned(), Value::from(id.as_str())),
                    Value::Map(map) => {
                        let key = first_key(map);
                        // The function is no part of the reference.
                        let key = key.split('.').next().unwrap_or(key);
                        let target = map.first().map(|(_, v)| v.clone()).unwrap_or_default();
                        (key.to_owned(), target)
                    }
                    _ => continue,
                };
                let place = |chunk: &Map| {
                    format!(
                        "in state [{}] in SLS [{}]",
                        python::text(chunk.get("name").unwrap_or(&Value::Null)),
                        python::text(chunk.get("__sls__").unwrap_or(&Value::Null))
                    )
                };
                let target = match &target {
                    Value::Null => continue,
                    Value::Str(target) => target,
                    _ => {
                        return Err(format!(
                            "Requisite [{}: {key}] {} must have a string as the value",
                            kind.name(),
                            place(&self.chunks[id])
                        ));
                    }
                };
                if !self.add_dependency(id, kind, &key, target) {
                    return Err(format!(
                        "Referenced state does not exist for requisite [{}: ({key}: {target})] {}",
                        kind.name(),
                        place(&self.chunks[id])
                    ));
                }
            }
        }
        Ok(())
    }

    fn add_dependency(&mut self, id: ChunkId, kind: Requisite, key: &str, target: &str) -> bool {
        let targets: Vec<NodeId> = match (key, is_pattern(target)) {
            ("sls", true) => {
                let matching = self.by_sls.iter().filter(|(sls, _)| fnmatch(sls, target));
                let nodes: Vec<_> = matching.flat_map(|(_, n)| n.iter().copied()).collect();
                self.add_edges(id, kind, &nodes);
                // A pattern over SLS names may match nothing.
                return true;
            }
            ("sls", false) => self
                .by_sls
                .get(target)
                .map(|n| n.iter().copied().collect())
                .unwrap_or_default(),
            (_, true) => self
                .lookup
                .iter()
                .filter(|((state, name), _)| state == key && fnmatch(name, target))
                .flat_map(|(_, n)| n.iter().copied())
                .collect(),
            (_, false) => self
                .lookup
                .get(&(key.to_owned(), target.to_owned()))
                .map(|n| n.iter().copied().collect())
                .unwrap_or_default(),
        };
        self.add_edges(id, kind, &targets);
        !targets.is_empty()
    }

    fn add_edges(&mut self, id: ChunkId, kind: Requisite, targets: &[NodeId]) {
        let Some(&node) = self.by_tag.get(&tag(&self.chunks[id])) else {
            return;
        };
        let has_check = self.chunks[id]
            .get("__prereq__")
            .is_some_and(Value::is_truthy);
        for &target in targets {
            if kind == Requisite::Prereq {
                self.add_prereq(node, target);
                continue;
            }
            if has_check && let Some(check) = self.check_node(node) {
                self.add_edge(target, check, kind);
            }
            self.add_edge(target, node, kind);
        }
    }

    /// The node that runs a chunk in test mode ahead of those that wait for its changes.
    fn check_node(&self, node: NodeId) -> Option<NodeId> {
        self.by_tag.get(&check_tag(&self.nodes[node].tag)).copied()
    }

    fn add_prereq(&mut self, node: NodeId, target: NodeId) {
        let (own, other) = (self.nodes[node].chunk, self.nodes[target].chunk);
        self.chunks[own].insert("__prerequiring__".into(), true.into());
        self.chunks[other].insert("__prereq__".into(), true.into());
        let check = match self.check_node(target) {
            Some(check) => check,
            None => {
                let check = self.add_node(check_tag(&self.nodes[target].tag), other);
                for (from, kinds) in self.edges_in[target].clone() {
                    for kind in kinds.into_iter().filter(|k| *k != Requisite::Prereq) {
                        self.add_edge(from, check, kind);
                    }
                }
                check
            }
        };
        self.add_edge(check, node, Requisite::Prereq);
        self.add_edge(node, target, Requisite::Require);
        if let Some(own_check) = self.check_node(node) {
            self.add_edge(check, own_check, Requisite::Prereq);
        }
    }

    /// The chunks in the order in which they run; a chunk that is also checked first is in it twice.
    pub(crate) fn order(&mut self, cap: i128) -> Result<Vec<ChunkId>, String> {
        let mut waiting: Vec<usize> = self
            .edges_in
            .iter()
            .map(|e| e.values().map(IndexSet::len).sum())
            .collect();
        let mut free = BinaryHeap::new();
        for (node, _) in waiting.iter().enumerate().filter(|(_, w)| **w == 0) {
            free.push(Reverse(self.key(node, cap)));
        }
        let mut ordered = Vec::with_capacity(self.nodes.len());
        while let Some(Reverse(key)) = free.pop() {
            ordered.push(self.nodes[key.node].chunk);
            let next: Vec<_> = self.edges_out[key.node]
                .iter()
                .map(|(to, kinds)| (*to, kinds.len()))
                .collect();
            for (to, count) in next {
                waiting[to] -= count;
                if waiting[to] == 0 {
                    free.push(Reverse(self.key(to, cap)));
                }
            }
        }
        if ordered.len() == self.nodes.len() {
            Ok(ordered)
        } else {
            Err(format!(
                "Recursive requisites were found: {}",
                self.cycle_text()
            ))
        }
    }

    fn key(&mut self, node: NodeId, cap: i128) -> Key {
        let id = self.nodes[node].chunk;
        let own = settle_order(&mut self.chunks[id], cap);
        let mut least = own;
        if !self.nodes[node].computed {
            self.nodes[node].computed = true;
            let mut weight = None;
            let children: Vec<_> = self.edges_out[node]
                .iter()
                .flat_map(|(to, kinds)| kinds.iter().map(|k| (*to, *k)))
                .collect();
            for (child, kind) in children {
                if weight.is_some_and(|w| w > kind) {
                    continue;
                }
                weight = Some(kind);
                let child = self.nodes[child].chunk;
                let value = self.chunks[child].get("order").cloned();
                let order = match value.as_ref().map(number) {
                    None => f64::INFINITY,
                    Some(Some(order)) => order,
                    Some(None) => {
                        let order = word(value.as_ref(), cap);
                        self.chunks[child].insert("order".into(), Value::Int(order));
                        order as f64
                    }
                };
                least = least.min(order);
            }
        }
        let chunk = &self.chunks[id];
        Key {
            least,
            own,
            label: format!(
                "{}{}{}",
                field(chunk, "state"),
                field(chunk, "name"),
                field(chunk, "fun")
            ),
            tag: self.nodes[node].tag.clone(),
            node,
        }
    }

    /// What a chunk depends on, each with the kind of its edge.
    pub(crate) fn dependencies(&self, id: ChunkId) -> Vec<(Requisite, ChunkId)> {
        let own = tag(&self.chunks[id]);
        let prereq = self.chunks[id]
            .get("__prereq__")
            .is_some_and(Value::is_truthy);
        let name = if prereq { check_tag(&own) } else { own };
        let Some(&node) = self.by_tag.get(&name) else {
            return Vec::new();
        };
        self.edges_in[node]
            .iter()
            .flat_map(|(from, kinds)| kinds.iter().map(|k| (*k, self.nodes[*from].chunk)))
            .collect()
    }

    /// The edges of one cycle, found depth first from the first node on.
    fn cycle(&self) -> Vec<(NodeId, NodeId, Requisite)> {
        #[derive(Clone, Copy, PartialEq)]
        enum Color {
            White,
            Gray,
            Black,
        }
        let mut color = vec![Color::White; self.nodes.len()];
        let mut parent: HashMap<NodeId, (NodeId, Requisite)> = HashMap::new();
        let edges: Vec<Vec<(NodeId, Requisite)>> = self
            .edges_out
            .iter()
            .map(|e| {
                e.iter()
                    .flat_map(|(to, kinds)| kinds.iter().map(|k| (*to, *k)))
                    .collect()
            })
            .collect();
        for start in 0..self.nodes.len() {
            if color[start] != Color::White {
                continue;
            }
            color[start] = Color::Gray;
            let mut stack = vec![(start, 0)];
            while let Some((node, next)) = stack.last_mut() {
                let node = *node;
                let Some(&(target, kind)) = edges[node].get(*next) else {
                    color[node] = Color::Black;
                    stack.pop();
                    continue;
                };
                *next += 1;
                match color[target] {
                    Color::Gray => {
                        let mut cycle = vec![(node, target, kind)];
                        let mut current = node;
                        while current != target {
                            let Some(&(from, kind)) = parent.get(&current) else {
                                break;
                            };
                            cycle.push((from, current, kind));
                            current = from;
                        }
                        cycle.reverse();
                        return cycle;
                    }
                    Color::White => {
                        parent.insert(target, (node, kind));
                        color[target] = Color::Gray;
                        stack.push((target, 0));
                    }
                    Color::Black => {}
                }
            }
        }
        Vec::new()
    }

    fn cycle_text(&self) -> String {
        let shown = |id: ChunkId| {
            let chunk = &self.chunks[id];
            let get = |key: &str| chunk.get(key).cloned().unwrap_or_default();
            let mut map = salt_wire::map! { "SLS" => get("__sls__"), "ID" => get("__id__") };
            if get("__id__") != get("name") {
                map.insert("NAME".into(), get("name"));
            }
            python::repr(&Value::Map(map))
        };
        let edges: Vec<_> = self
            .cycle()
            .into_iter()
            .map(|(dependency, dependent, kind)| {
                let dependent = self.nodes[dependent].chunk;
                // An edge that stands for a prereq is shown as what was written.
                let kind = if kind == Requisite::Require
                    && !self.chunks[dependent].contains_key("require")
                {
                    Requisite::Prereq
                } else {
                    kind
                };
                format!(
                    "({}, '{}', {})",
                    shown(dependent),
                    kind.name(),
                    shown(self.nodes[dependency].chunk)
                )
            })
            .collect();
        edges.join(", ")
    }
}

fn check_tag(tag: &str) -> String {
    format!("{tag}_|-__prereq_test__")
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        other => other.as_float(),
    }
}

/// The number of an order that is a word.
fn word(value: Option<&Value>, cap: i128) -> i128 {
    match value.and_then(Value::as_str) {
        Some("last") => cap + 1_000_000,
        Some("first") => 0,
        _ => cap,
    }
}

/// Puts the final order number into a chunk and returns it.
pub(super) fn settle_order(chunk: &mut Map, cap: i128) -> f64 {
    let value = chunk.get("order").cloned();
    let mut order = match &value {
        Some(v) if number(v).is_some() => v.clone(),
        other => {
            let order = Value::Int(word(other.as_ref(), cap));
            chunk.insert("order".into(), order.clone());
            order
        }
    };
    if let Some(position) = chunk
        .shift_remove("name_order")
        .and_then(|v| v.as_float())
        .filter(|p| *p != 0.0)
    {
        order = Value::Float(number(&order).unwrap_or_default() + position / 10_000.0);
        chunk.insert("order".into(), order.clone());
    }
    if number(&order).is_some_and(|n| n < 0.0) {
        let base = cap + 1_000_000;
        order = match order {
            Value::Int(i) => Value::Int(i + base),
            other => Value::Float(number(&other).unwrap_or_default() + base as f64),
        };
        chunk.insert("order".into(), order.clone());
    }
    number(&order).unwrap_or_default()
}

/// By the lowest order of those that wait, then the own one, then the text.
struct Key {
    least: f64,
    own: f64,
    label: String,
    tag: String,
    node: NodeId,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.least
            .total_cmp(&other.least)
            .then_with(|| self.own.total_cmp(&other.own))
            .then_with(|| self.label.cmp(&other.label))
            .then_with(|| self.tag.cmp(&other.tag))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}
