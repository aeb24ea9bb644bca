//! A file that does not render, in Salt's words: the fault, the line, and the lines around it.

use salt_jinja::ErrorKind;

/// Salt's `SaltRenderError`; its text is what a job's return shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct RenderError {
    text: String,
    /// The line in the template, if one is to blame.
    pub line: Option<usize>,
}

/// A file that was imported while the template rendered.
pub(super) struct Imported {
    /// The cached file.
    pub(super) path: String,
    pub(super) text: String,
}

const MARKER: &str = "    <======================";

impl RenderError {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            line: None,
        }
    }

    pub(super) fn not_text(renderer: &str) -> Self {
        Self::plain(format!(
            "the renderer '{renderer}' takes text, and the one before it made data"
        ))
    }

    /// As Salt's yaml renderer reports: a misplaced character by its name alone, the rest in full.
    pub(super) fn yaml(error: &salt_yaml::Error) -> Self {
        let text = match error.kind {
            salt_yaml::ErrorKind::Scanner
                if error.problem == "found character '\\t' that cannot start any token" =>
            {
                "Illegal tab character".to_owned()
            }
            salt_yaml::ErrorKind::Scanner => error.problem.clone(),
            _ => error.to_string(),
        };
        Self {
            text,
            line: error.line(),
        }
    }

    /// As Salt's jinja renderer reports.
    pub(super) fn jinja(
        error: &salt_jinja::Error,
        source: &str,
        imported: Option<&Imported>,
    ) -> Self {
        let mut line = error.line;
        // The fault is in another file: that one is shown.
        let mut elsewhere = String::new();
        if let Some(file) = imported {
            elsewhere = format!(
                "\n{}({line}):\n{}",
                file.path,
                around(&file.text, line, MARKER)
            );
            line = 0;
        }
        let what = &error.message;
        let (mut text, trace) = match error.kind {
            ErrorKind::Undefined => (format!("Jinja variable {what}{elsewhere}"), None),
            ErrorKind::Syntax
            | ErrorKind::Assertion
            | ErrorKind::Runtime
            | ErrorKind::FilterArgument
            | ErrorKind::Security => (format!("Jinja syntax error: {what}{elsewhere}"), None),
            ErrorKind::Salt => (
                format!("Problem running salt function in Jinja template: {what}{elsewhere}"),
                None,
            ),
            _ => {
                // Where Python prints its stack we have the last step of it.
                let trace = format!(
                    "Traceback (most recent call last):\n  File \"<template>\", line {}, in top-level template code\n{}: {what}\n",
                    error.line,
                    error.class(),
                );
                (
                    format!("Jinja error: {what}{elsewhere}\n{trace}\n"),
                    Some(trace),
                )
            }
        };
        if line > 0 && !source.is_empty() {
            let shown = match trace {
                Some(trace) => around(&format!("{source}\n{trace}"), line, MARKER),
                None => around(source, line, MARKER),
            };
            text.push_str(&format!("; line {line}\n\n{shown}"));
        }
        Self {
            text,
            line: (line > 0).then_some(line),
        }
    }
}

/// The lines around one, which is marked: `salt.utils.stringutils.get_context`.
fn around(text: &str, line: usize, marker: &str) -> String {
    const REACH: usize = 5;
    let lines: Vec<&str> = text.lines().collect();
    if line > lines.len() || line == 0 {
        return text.to_owned();
    }
    let start = line.saturating_sub(REACH + 1);
    let end = lines.len().min(line + REACH);
    let mut shown = vec!["---".to_owned()];
    if start > 0 {
        shown.push("[...]".to_owned());
    }
    for (at, text) in lines[start..end].iter().enumerate() {
        let marked = start + at + 1 == line;
        shown.push(format!("{text}{}", if marked { marker } else { "" }));
    }
    if end < lines.len() {
        shown.push("[...]".to_owned());
    }
    shown.push("---".to_owned());
    shown.join("\n")
}
