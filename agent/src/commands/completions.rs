//! What is printed for others to keep: `completions` and `man`, made from the same types as the command line, and
//! `unit`.

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory;

use super::{Code, print};
use crate::cli::Cli;
use crate::host::fs::write_atomic;

pub(super) fn run(shell: clap_complete::Shell) -> anyhow::Result<Code> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "salt-agent", &mut text);
    print::data(&String::from_utf8(text)?)?;
    Ok(Code::OK)
}

pub(super) fn man(dir: Option<&Path>) -> anyhow::Result<Code> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = dir else {
        print::data(&page(command)?)?;
        return Ok(Code::OK);
    };
    let pages = command.get_subcommands().filter(|c| !c.is_hide_set());
    for page_of in pages.cloned().chain([command.clone()]) {
        let name = page_of.get_display_name().unwrap_or(page_of.get_name());
        let file = dir.join(format!("{name}.1"));
        let text = page(page_of.clone())?;
        write_atomic(&file, text.as_bytes(), 0o644)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(Code::OK)
}

/// The unit of the packages. The one that makes the key early is left out: the daemon makes it as well.
pub(super) fn unit() -> anyhow::Result<Code> {
    let unit = include_str!("../../../packaging/systemd/salt-agent.service");
    print::data(&unit.replace("\nAlso=salt-agent-key.service", ""))?;
    Ok(Code::OK)
}

fn page(command: clap::Command) -> anyhow::Result<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(String::from_utf8(text)?)
}
