//! The table of jobs, read from `rows.txt`: a line is a function, its arguments and its keyword arguments,
//! after words that say what of the answers must be the same. `alone`: a job of its own, whose wording of
//! failures and outputter are compared, too.

use std::fmt;

use harness::Release;
use serde_json::{Deserializer, Value, json};

/// How much of two answers must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Same {
    /// Everything.
    All,
    /// Keys and kinds of values.
    Shape,
}

/// One job.
pub(super) struct Row {
    /// Its function, or several.
    pub(super) fun: Value,
    /// Its arguments.
    pub(super) arg: Value,
    /// Its keyword arguments.
    pub(super) kwarg: Value,
    /// How much must agree.
    pub(super) same: Same,
    /// Keys of the return that are left out.
    pub(super) without: Vec<String>,
    only: Option<Release>,
    alone: bool,
}

/// How many functions one job has at most.
const BATCH: usize = 40;

/// Jobs to send: rows that may share one stand together.
pub(super) fn batches(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| !a.alone && !b.alone)
        .flat_map(|together| together.chunks(BATCH))
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.fun, self.arg, self.kwarg)
    }
}

impl Row {
    /// Its arguments as a publication has them.
    pub(super) fn marked(&self) -> Value {
        let mut args = self.arg.as_array().cloned().unwrap_or_default();
        if let Some(kwarg) = self.kwarg.as_object().filter(|k| !k.is_empty()) {
            let mut kwarg = kwarg.clone();
            kwarg.insert("__kwarg__".into(), json!(true));
            args.push(kwarg.into());
        }
        Value::Array(args)
    }

    /// Whether the release answers this as the one that we follow.
    pub(super) fn fits(&self, release: Release) -> bool {
        self.only.is_none_or(|only| only == release)
    }

    fn parse(line: &str) -> Self {
        let mut row = Self {
            fun: Value::Null,
            arg: json!([]),
            kwarg: json!({}),
            same: Same::All,
            without: Vec::new(),
            only: None,
            alone: false,
        };
        let mut rest = line;
        while row.fun.is_null() {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if let Some(keys) = word.strip_prefix("without=") {
                row.without = keys.split(',').map(str::to_owned).collect();
            } else if word == "shape" {
                row.same = Same::Shape;
            } else if word == "3008" {
                row.only = Some(Release::V3008);
            } else if word == "alone" {
                row.alone = true;
            } else if word.starts_with('[') {
                row.alone = true;
                break;
            } else {
                row.fun = json!(word);
            }
            rest = after;
        }
        let values = Deserializer::from_str(rest).into_iter::<Value>();
        for value in values {
            match value.unwrap() {
                value if row.fun.is_null() => row.fun = value,
                value if value.is_object() => row.kwarg = value,
                value => row.arg = value,
            }
        }
        row
    }
}

/// All rows, in order: some look at what others did.
pub(super) fn all() -> Vec<Row> {
    include_str!("rows.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(Row::parse)
        .collect()
}
