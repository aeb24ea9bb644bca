//! The only file of the commands that prints: data to standard output, talk to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Writes data. A reader that has gone away (`| head`) is no failure.
pub(super) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Writes one line of data.
pub(super) fn line(text: &str) -> io::Result<()> {
    data(&format!("{text}\n"))
}

/// Writes a document as JSON, indented, with a final newline.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string_pretty(value)?)?)
}

/// Writes a line of talk.
pub(super) fn error(text: &str) {
    // Nobody is left to be told when standard error is closed.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Colours, where somebody sees them.
#[derive(Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    /// On for a terminal, unless NO_COLOR is set.
    pub(super) fn for_stdout() -> Self {
        Self(io::stdout().is_terminal() && crate::host::env::var("NO_COLOR").is_none())
    }

    pub(super) fn green(self, text: &str) -> String {
        self.sgr("32", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.sgr("33", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.sgr("31", text)
    }

    fn sgr(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
