//! `man`: the man pages, one for each command, made from the same types as the help.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::error::{Error, Kind, Result};
use crate::output::Output;

/// Write the man pages into a directory
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  master-bridge man /usr/local/share/man/man1")]
pub struct Man {
    /// Where to
    directory: PathBuf,
}

impl Man {
    /// Writes the pages.
    pub fn run(self, output: &Output) -> Result<ExitCode> {
        let failed = |e: std::io::Error| {
            let text = format!("cannot write man pages into {}", self.directory.display());
            Error::new(Kind::Local, text).because(&e)
        };
        fs::create_dir_all(&self.directory).map_err(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.directory).map_err(failed)?;
        output.say(&format!("man pages are in {}", self.directory.display()));
        Ok(ExitCode::SUCCESS)
    }
}
