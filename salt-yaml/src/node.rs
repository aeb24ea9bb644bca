//! The graph of nodes that events describe: PyYAML's composer.

use std::collections::HashMap;

use libyaml_safer::{EventData, Parser, ScalarStyle};

use crate::error::{Error, ErrorKind, Mark, from_libyaml};
use crate::quiet::quietly;
use crate::{MAX_DEPTH, MAX_TEXT, resolve};

/// Names a node in its [`Graph`].
pub(crate) type Id = usize;

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar(String),
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
}

impl Kind {
    /// PyYAML's word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            Self::Sequence(_) => "sequence",
            Self::Mapping(_) => "mapping",
        }
    }
}

/// One node, its tag resolved.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) tag: String,
    pub(crate) kind: Kind,
    pub(crate) mark: Mark,
}

/// All nodes of one document.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// `None`: an empty text.
    pub(crate) root: Option<Id>,
}

/// A collection whose end has not come yet.
struct Open {
    id: Id,
    /// The key that waits for its value.
    key: Option<Id>,
}

/// Builds the graph of the one document in `text`.
pub(crate) fn compose(text: &str) -> Result<Graph, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::new(
            ErrorKind::Bound,
            format!("{} bytes of YAML are more than {MAX_TEXT}", text.len()),
            None,
        ));
    }
    // libyaml-safer 0.3 left two corners unfinished, with a panic in each. A block of text that the end of the file
    // ends, not a line break, gets its line break, and gives it back.
    if let Some(graph) = quietly(|| events(text, false)) {
        return graph;
    }
    let cut = !text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    let ended = || quietly(|| events(&format!("{text}\n"), true));
    // A tag right before a comma: for us such a text is as wrong as any other.
    cut.then(ended).flatten().unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::Parser,
            "the text has a tag in a form that is not supported",
            None,
        ))
    })
}

/// `lent`: the last line break is ours.
fn events(text: &str, lent: bool) -> Result<Graph, Error> {
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let length = plain.chars().count() as u64;
    let last_line = plain.trim_end_matches('\n').rsplit('\n').next();
    let lent = lent && last_line.is_some_and(|l| !l.trim().is_empty());
    let mut bytes = plain.as_bytes();
    let mut parser: Parser<&mut &[u8]> = Parser::new();
    parser.set_encoding(libyaml_safer::Encoding::Utf8);
    parser.set_input(&mut bytes);
    let mut composer = Composer::default();
    loop {
        let event = parser.parse().map_err(|e| from_libyaml(&e, text))?;
        let block = matches!(
            event.data,
            EventData::Scalar {
                style: ScalarStyle::Literal | ScalarStyle::Folded,
                ..
            }
        );
        let at_end = event.end_mark.index + 1 >= length;
        if composer.take(event.data, event.start_mark.into())? {
            return Ok(composer.graph);
        }
        if lent
            && block
            && at_end
            && let Some(Kind::Scalar(value)) = composer.graph.nodes.last_mut().map(|n| &mut n.kind)
            && value.ends_with('\n')
        {
            value.pop();
        }
    }
}

#[derive(Default)]
struct Composer {
    graph: Graph,
    anchors: HashMap<String, Id>,
    open: Vec<Open>,
    documents: Vec<Mark>,
}

impl Composer {
    /// Takes one event; true at the end of the stream.
    fn take(&mut self, event: EventData, mark: Mark) -> Result<bool, Error> {
        match event {
            EventData::StreamEnd => return Ok(true),
            EventData::DocumentStart { .. } => {
                if self.documents.len() == 1 {
                    let first = self.graph.root.map_or(mark, |id| self.graph.nodes[id].mark);
                    return Err(Error::new(
                        ErrorKind::Composer,
                        "but found another document",
                        Some(mark),
                    )
                    .within("expected a single document in the stream", first));
                }
                self.documents.push(mark);
            }
            EventData::Alias { anchor } => {
                let id = *self.anchors.get(&anchor).ok_or_else(|| {
                    Error::new(ErrorKind::Composer, "found undefined alias", Some(mark))
                })?;
                self.place(id);
            }
            EventData::Scalar {
                anchor,
                tag,
                value,
                plain_implicit,
                ..
            } => {
                let tag = match tag {
                    Some(tag) if tag != "!" => tag,
                    _ if plain_implicit => resolve::implicit(&value).to_owned(),
                    _ => resolve::STR.to_owned(),
                };
                let id = self.add(tag, Kind::Scalar(value), mark, anchor)?;
                self.place(id);
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                let tag = explicit(tag, resolve::SEQ);
                self.begin(tag, Kind::Sequence(Vec::new()), mark, anchor)?;
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let tag = explicit(tag, resolve::MAP);
                self.begin(tag, Kind::Mapping(Vec::new()), mark, anchor)?;
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                if let Some(done) = self.open.pop() {
                    self.place(done.id);
                }
            }
            EventData::StreamStart { .. } | EventData::DocumentEnd { .. } => {}
        }
        Ok(false)
    }

    fn begin(
        &mut self,
        tag: String,
        kind: Kind,
        mark: Mark,
        anchor: Option<String>,
    ) -> Result<(), Error> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::Bound,
                format!("nested deeper than {MAX_DEPTH} levels"),
                Some(mark),
            ));
        }
        let id = self.add(tag, kind, mark, anchor)?;
        self.open.push(Open { id, key: None });
        Ok(())
    }

    fn add(
        &mut self,
        tag: String,
        kind: Kind,
        mark: Mark,
        anchor: Option<String>,
    ) -> Result<Id, Error> {
        let id = self.graph.nodes.len();
        self.graph.nodes.push(Node { tag, kind, mark });
        if let Some(anchor) = anchor
            && let Some(first) = self.anchors.insert(anchor, id)
        {
            return Err(
                Error::new(ErrorKind::Composer, "second occurrence", Some(mark)).within(
                    "found duplicate anchor; first occurrence",
                    self.graph.nodes[first].mark,
                ),
            );
        }
        Ok(id)
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, id: Id) {
        let Some(parent) = self.open.last_mut() else {
            self.graph.root.get_or_insert(id);
            return;
        };
        match &mut self.graph.nodes[parent.id].kind {
            Kind::Sequence(items) => items.push(id),
            Kind::Mapping(pairs) => match parent.key.take() {
                Some(key) => pairs.push((key, id)),
                None => parent.key = Some(id),
            },
            Kind::Scalar(_) => {}
        }
    }
}

fn explicit(tag: Option<String>, default: &str) -> String {
    match tag {
        Some(tag) if tag != "!" => tag,
        _ => default.to_owned(),
    }
}
