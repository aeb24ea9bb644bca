//! Renaming the machine.

use std::fs;

use crate::context::{Args, Context, Error, Result};
use crate::host::exec::Command;
use crate::host::fs::write_atomic;
use crate::host::{env, net};

pub(super) fn mod_hostname(ctx: &Context, args: &Args) -> Result {
    let Some(name) = args.opt_text("hostname")? else {
        return Ok(false.into());
    };
    let host = env::hostname();
    let old = net::canonical_name(&host, std::time::Duration::from_secs(5)).unwrap_or(host.clone());
    let words = if env::which("hostnamectl").is_some() {
        ["hostnamectl", "set-hostname", &name]
            .map(str::to_owned)
            .to_vec()
    } else {
        vec!["hostname".to_owned(), name.clone()]
    };
    let controlled = words.len() == 3;
    let done = ctx.host.exec.run(&Command::new(words), &ctx.job.cancel);
    let ok = done.is_ok_and(|d| d.retcode == 0);
    if controlled && !ok {
        return Ok(false.into());
    }
    let failed = |path: &str, e: std::io::Error| Error::execution(format!("{path}: {e}"));
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let renamed = rename(&hosts, &[&old, &host], &name);
    if renamed != hosts {
        write_atomic("/etc/hosts".as_ref(), renamed.as_bytes(), 0o644)
            .map_err(|e| failed("/etc/hosts", e))?;
    }
    let text = format!("{name}\n");
    write_atomic("/etc/hostname".as_ref(), text.as_bytes(), 0o644)
        .map_err(|e| failed("/etc/hostname", e))?;
    Ok(true.into())
}

/// Puts the new name in the place of the old ones; lines without them stay as they are.
fn rename(hosts: &str, old: &[&str], new: &str) -> String {
    let lines = hosts.split_inclusive('\n').map(|line| {
        let bare = line.split('#').next().unwrap_or_default();
        let mut words: Vec<&str> = bare.split_whitespace().collect();
        let Some(at) = words.iter().skip(1).position(|w| old.contains(w)) else {
            return line.to_owned();
        };
        words[at + 1] = new;
        let comment = line.get(bare.len()..).unwrap_or_default();
        let end = if comment.is_empty() { "\n" } else { " " };
        format!("{}{end}{comment}", words.join("\t"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_the_old_name_change() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1   old alias # mine\n# old\n";
        let expected = "127.0.0.1 localhost\n127.0.1.1\tnew\talias # mine\n# old\n";
        assert_eq!(rename(hosts, &["old"], "new"), expected);
    }
}
