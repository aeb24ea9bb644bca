//! Writing: PyYAML's representer in front of libyaml's emitter.

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};
use salt_wire::Value;

use crate::error::{Error, ErrorKind};
use crate::resolve;

/// Deepest value that is written.
const MAX_DUMP_DEPTH: usize = 200;
const BINARY: &str = "tag:yaml.org,2002:binary";

/// `default_flow_style`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flow {
    /// `False`: one entry a line.
    #[default]
    Block,
    /// `True`: all in braces.
    Flow,
    /// `None`: collections of scalars alone in braces. What Salt does unless told otherwise.
    Leaves,
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpOptions {
    /// Block or flow.
    pub flow: Flow,
    /// Sort map keys: what PyYAML does to a `dict`, and not to an `OrderedDict`.
    pub sort: bool,
    /// Columns per level; PyYAML's default is 2.
    pub indent: Option<u8>,
    /// Preferred line width; PyYAML's default is 80.
    pub width: Option<u32>,
    /// Write `é` as it is; Salt always does.
    pub unicode: bool,
    /// Begin with `---`.
    pub explicit_start: bool,
}

impl Default for DumpOptions {
    fn default() -> Self {
        Self {
            flow: Flow::Block,
            sort: false,
            indent: None,
            width: None,
            unicode: true,
            explicit_start: false,
        }
    }
}

/// Writes a value as `salt.utils.yaml.safe_dump` does; ends in a newline.
pub fn dump(value: &Value, options: &DumpOptions) -> Result<String, Error> {
    let mut events = Vec::new();
    let mut writer = Writer {
        options,
        astral: Vec::new(),
    };
    writer.represent(value, 0, &mut events);
    let mut out = Vec::new();
    let written = emit(events, options, &mut out);
    written.map_err(|e| Error::new(ErrorKind::Value, e.to_string(), None))?;
    Ok(writer.restore(String::from_utf8_lossy(&out).into_owned()))
}

fn emit(
    events: Vec<Event>,
    options: &DumpOptions,
    out: &mut Vec<u8>,
) -> Result<(), libyaml_safer::Error> {
    let mut emitter = Emitter::new();
    emitter.set_output(out);
    emitter.set_unicode(options.unicode);
    if let Some(indent) = options.indent {
        emitter.set_indent(indent.into());
    }
    if let Some(width) = options.width {
        emitter.set_width(i32::try_from(width).unwrap_or(i32::MAX));
    }
    emitter.emit(Event::stream_start(Encoding::Utf8))?;
    emitter.emit(Event::document_start(None, &[], !options.explicit_start))?;
    for event in events {
        emitter.emit(event)?;
    }
    emitter.emit(Event::document_end(true))?;
    emitter.emit(Event::stream_end())?;
    emitter.flush()
}

/// What stands for a character beyond the 16-bit plane while libyaml-safer writes: libyaml escapes those,
/// the port takes them for printable.
const STAND_IN: char = '\u{ffff}';
const STAND_IN_ESCAPED: &str = "\\uFFFF";

struct Writer<'a> {
    options: &'a DumpOptions,
    /// The characters behind the stand-ins, in order.
    astral: Vec<char>,
}

impl Writer<'_> {
    /// The events of a value; true if it is a scalar without a style of its own.
    fn represent(&mut self, value: &Value, depth: usize, events: &mut Vec<Event>) -> bool {
        match value {
            Value::List(items) if depth < MAX_DUMP_DEPTH => {
                let (mut inner, mut leaves) = (Vec::new(), true);
                for item in items {
                    leaves &= self.represent(item, depth + 1, &mut inner);
                }
                let style = if in_flow(self.options.flow, leaves) {
                    SequenceStyle::Flow
                } else {
                    SequenceStyle::Block
                };
                events.push(Event::sequence_start(None, Some(resolve::SEQ), true, style));
                events.append(&mut inner);
                events.push(Event::sequence_end());
                false
            }
            Value::Map(map) if depth < MAX_DUMP_DEPTH => {
                let mut entries: Vec<_> = map.iter().collect();
                // Keys of several kinds cannot be compared in Python, and stay as they are.
                if self.options.sort {
                    sort_keys(&mut entries);
                }
                let (mut inner, mut leaves) = (Vec::new(), true);
                for (key, value) in entries {
                    leaves &= self.represent(key, depth + 1, &mut inner);
                    leaves &= self.represent(value, depth + 1, &mut inner);
                }
                let style = if in_flow(self.options.flow, leaves) {
                    MappingStyle::Flow
                } else {
                    MappingStyle::Block
                };
                events.push(Event::mapping_start(None, Some(resolve::MAP), true, style));
                events.append(&mut inner);
                events.push(Event::mapping_end());
                false
            }
            Value::List(_) | Value::Map(_) => {
                self.scalar("...", resolve::STR, ScalarStyle::Any, events);
                true
            }
            Value::Bytes(bytes) => {
                self.scalar(&base64_lines(bytes), BINARY, ScalarStyle::Literal, events);
                false
            }
            other => {
                let (text, tag) = plain(other);
                self.scalar(&text, tag, ScalarStyle::Any, events);
                true
            }
        }
    }

    fn scalar(&mut self, text: &str, tag: &str, style: ScalarStyle, events: &mut Vec<Event>) {
        let plain = resolve::implicit(text) == tag;
        let quoted = tag == resolve::STR;
        let text: String = text
            .chars()
            .map(|c| {
                if c >= STAND_IN {
                    self.astral.push(c);
                    STAND_IN
                } else {
                    c
                }
            })
            .collect();
        events.push(Event::scalar(None, Some(tag), &text, plain, quoted, style));
    }

    /// Puts the characters back, escaped.
    fn restore(self, text: String) -> String {
        if self.astral.is_empty() {
            return text;
        }
        let mut parts = text.split(STAND_IN_ESCAPED);
        let mut out = parts.next().unwrap_or_default().to_owned();
        let mut astral = self.astral.into_iter();
        for part in parts {
            match astral.next() {
                Some(c) if c > STAND_IN => out.push_str(&format!("\\U{:08X}", u32::from(c))),
                _ => out.push_str(STAND_IN_ESCAPED),
            }
            out.push_str(part);
        }
        out
    }
}

fn in_flow(flow: Flow, leaves: bool) -> bool {
    match flow {
        Flow::Block => false,
        Flow::Flow => true,
        Flow::Leaves => leaves,
    }
}

/// A scalar's text and tag.
fn plain(value: &Value) -> (String, &'static str) {
    match value {
        Value::Bool(true) => ("true".into(), resolve::BOOL),
        Value::Bool(false) => ("false".into(), resolve::BOOL),
        Value::Int(i) => (i.to_string(), resolve::INT),
        Value::Float(f) => (float(*f), resolve::FLOAT),
        Value::Str(s) => (s.clone(), resolve::STR),
        _ => ("null".into(), resolve::NULL),
    }
}

/// A scalar as `yaml_encode` needs it: the text before quoting, and whether it is text.
pub fn scalar_text(value: &Value) -> Option<(String, bool)> {
    match value {
        Value::List(_) | Value::Map(_) | Value::Bytes(_) => None,
        other => {
            let (text, tag) = plain(other);
            Some((text, tag == resolve::STR))
        }
    }
}

fn float(f: f64) -> String {
    if f.is_nan() {
        ".nan".into()
    } else if f.is_infinite() {
        if f > 0.0 { ".inf" } else { "-.inf" }.into()
    } else {
        let text = python_float(f);
        // YAML 1.1 wants a point in every float.
        match text.find('e') {
            Some(at) if !text.contains('.') => format!("{}.0{}", &text[..at], &text[at..]),
            _ => text,
        }
    }
}

/// Python's `repr` of a number.
pub(crate) fn python_number(value: &Value) -> Option<String> {
    match value {
        Value::Int(i) => Some(i.to_string()),
        Value::Float(f) => Some(python_float(*f)),
        _ => None,
    }
}

/// Python's `repr` of a float: the shortest digits, an exponent from 1e16 and below 1e-4.
fn python_float(f: f64) -> String {
    if f == 0.0 || (1e-4..1e16).contains(&f.abs()) {
        return format!("{f:?}");
    }
    if !f.is_finite() {
        return if f.is_nan() {
            "nan"
        } else if f > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .into();
    }
    let text = format!("{f:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match exponent.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{power:0>2}")
}

fn sort_keys(entries: &mut [(&Value, &Value)]) {
    if entries.iter().all(|(k, _)| k.as_str().is_some()) {
        entries.sort_by(|a, b| a.0.as_str().cmp(&b.0.as_str()));
    } else if entries
        .iter()
        .all(|(k, _)| matches!(k, Value::Int(_) | Value::Float(_) | Value::Bool(_)))
    {
        let number = |v: &Value| v.as_bool().map(f64::from).or(v.as_float()).unwrap_or(0.0);
        entries.sort_by(|a, b| number(a.0).total_cmp(&number(b.0)));
    }
}

/// `base64.encodebytes`: lines of 76 characters.
fn base64_lines(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let mut out = String::new();
    for line in bytes.chunks(57) {
        base64::engine::general_purpose::STANDARD.encode_string(line, &mut out);
        out.push('\n');
    }
    out
}
