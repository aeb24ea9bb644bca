//! Printing: the one place of the call that writes to the terminal or to `--out-file`.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use salt_wire::{Value, map};

use crate::cli::CallArgs;
use crate::config::Settings;
use crate::output::color::Colors;
use crate::output::{Indent, Options, render};

/// Shows returns as the command line wants them.
pub(super) struct Printer {
    out: Option<String>,
    options: Options,
    file: Option<PathBuf>,
}

impl Printer {
    pub(super) fn new(args: &CallArgs, settings: &Settings) -> Result<Self, String> {
        let opts = &settings.opts;
        let configured = opts.get("output").and_then(Value::as_str);
        let out = args.output.as_deref().or(configured).map(str::to_owned);
        let wanted = |option: &str| opts.get(option).is_some_and(Value::is_truthy);
        let on = if args.force_color || wanted("force_color") {
            true
        } else if args.no_color || wanted("no_color") {
            false
        } else {
            let color = opts.get("color").filter(|c| !c.is_null());
            color.map_or_else(|| io::stdout().is_terminal(), Value::is_truthy)
        };
        let file = args.output_file.clone().or_else(|| {
            opts.get("output_file")
                .and_then(Value::as_str)
                .map(PathBuf::from)
        });
        if let Some(path) = &args.output_file
            && !args.output_file_append
            && path.is_file()
        {
            File::create(path).map_err(|e| format!("{}: Access denied: {e}", path.display()))?;
        }
        let indent = opts.get("output_indent").filter(|i| !i.is_null());
        Ok(Self {
            out: out.filter(|o| !o.is_empty()),
            options: Options {
                colors: Colors { on },
                indent: Indent::from_option(indent),
                retcode: 0,
                opts: opts.clone(),
            },
            file,
        })
    }

    /// Shows a return under `local`. An outputter from the command line wins over the function's own, except
    /// that `--out=highstate` leaves other functions theirs.
    pub(super) fn show(&self, value: &Value, out: &str, retcode: i64) {
        let chosen = self.out.as_deref().filter(|o| *o != "highstate");
        let options = Options {
            retcode,
            ..self.options.clone()
        };
        let data = Value::Map(map! {"local" => value.clone()});
        let Some(shown) = render(chosen.unwrap_or(out), &data, &options).filter(|t| !t.is_empty())
        else {
            return;
        };
        match &self.file {
            None => text(&shown),
            Some(path) => {
                let file = OpenOptions::new().append(true).create(true).open(path);
                let written = file.and_then(|mut f| writeln!(f, "{shown}"));
                if let Err(e) = written {
                    error(&format!("{}: {e}\n", path.display()));
                }
            }
        }
    }
}

/// A text and a line end on standard output. A reader that went away is not our failure.
pub(super) fn text(text: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok();
}

/// A text on standard error.
pub(super) fn error(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}
