//! What dpkg and apt know of packages: their files, their owners, their descriptions.

use std::collections::BTreeMap;

use crate::host::program::Programs;

/// Fields of an installed package, by Salt's names, with dpkg's.
const FIELDS: &[(&str, &str)] = &[
    ("package", "${Package}"),
    ("revision", "${binary:Revision}"),
    ("architecture", "${Architecture}"),
    ("maintainer", "${Maintainer}"),
    ("summary", "${Summary}"),
    ("source", "${source:Package}"),
    ("version", "${Version}"),
    ("section", "${Section}"),
    ("size", "${Size}"),
    ("MD5", "${MD5sum}"),
    ("SHA1", "${SHA1}"),
    ("SHA256", "${SHA256}"),
    ("origin", "${Origin}"),
    ("homepage", "${Homepage}"),
    ("status", "${db:Status-Abbrev}"),
    ("install_date", "${db-fsys:Last-Modified}"),
    ("description", "${Description}"),
];

/// Between two fields, and between two packages: in no description.
const FIELD: char = '\u{1f}';
const PACKAGE: char = '\u{1e}';

fn names(packages: &[String]) -> Result<impl Iterator<Item = &str>, String> {
    match packages.iter().find(|p| p.starts_with('-')) {
        Some(bad) => Err(format!("'{bad}' is no package name")),
        None => Ok(packages.iter().map(String::as_str)),
    }
}

/// What dpkg has of these packages, or of all; fields without a value are left out.
pub fn info(
    programs: &Programs<'_>,
    packages: &[String],
) -> Result<Vec<BTreeMap<&'static str, String>>, String> {
    let mut format: String = FIELDS
        .iter()
        .map(|(_, field)| format!("{field}{FIELD}"))
        .collect();
    format.push(PACKAGE);
    let mut argv = vec!["dpkg-query", "-W", "-f", &format];
    argv.extend(names(packages)?);
    let said = programs.run(&argv)?;
    if !said.fine() {
        return Err(format!(
            "Error getting packages information: {}",
            said.stderr
        ));
    }
    Ok(said.stdout.split_terminator(PACKAGE).map(fields).collect())
}

fn fields(package: &str) -> BTreeMap<&'static str, String> {
    let pairs = FIELDS.iter().zip(package.split(FIELD));
    pairs
        .map(|((name, _), value)| (*name, value.to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// The licences that a package's copyright file names, sorted.
pub fn licences(package: &str) -> String {
    let path = format!("/usr/share/doc/{package}/copyright");
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let named = text.lines().filter_map(|l| l.strip_prefix("License:"));
    let mut all: Vec<&str> = named.map(str::trim).collect();
    all.sort_unstable();
    all.dedup();
    all.join(", ")
}

/// Each installed one of these packages, or each of all, with its files. The error is dpkg's complaint.
pub fn files(
    programs: &Programs<'_>,
    packages: &[String],
) -> Result<Vec<(String, Vec<String>)>, String> {
    let mut argv = vec![
        "dpkg-query",
        "-f",
        "${db:Status-Status}\t${binary:Package}\n",
        "-W",
    ];
    argv.extend(names(packages)?);
    let said = programs.run(&argv)?;
    if !said.fine() {
        return Err(format!("Error:  {}", said.stderr));
    }
    let mut all = Vec::new();
    for line in said.stdout.lines() {
        if let Some(("installed", name)) = line.split_once('\t') {
            let said = programs.run(&["dpkg", "-L", name])?;
            let files = said.stdout.lines().map(str::to_owned).collect();
            all.push((name.to_owned(), files));
        }
    }
    Ok(all)
}

/// The package that a file is of.
pub fn owner(programs: &Programs<'_>, path: &str) -> Result<Option<String>, String> {
    let said = programs.run(&["dpkg", "-S", "--", path])?;
    let owner = said.stdout.split(':').next().filter(|o| !o.is_empty());
    Ok(owner.map(str::to_owned).filter(|_| said.fine()))
}

/// What `apt-cache show` says: name, version and fields of each.
pub fn show(
    programs: &Programs<'_>,
    packages: &[String],
) -> Result<Vec<Vec<(String, String)>>, String> {
    let mut argv = vec!["apt-cache", "show"];
    argv.extend(names(packages)?);
    Ok(stanzas(&programs.run(&argv)?.stdout))
}

fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    let field = |line: &str| {
        let (key, value) = line.split_once(':')?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    text.split("\n\n")
        .map(|stanza| stanza.lines().filter_map(field).collect::<Vec<_>>())
        .filter(|fields| !fields.is_empty())
        .collect()
}

/// What `apt-get --just-print` would configure: names and versions.
pub(super) fn planned(text: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let mut words = line.strip_prefix("Conf ")?.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('(')?);
        Some((name.to_owned(), version.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// The packages that `apt-get --assume-no autoremove` lists, sorted.
pub(super) fn listed_for_removal(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if within && line.starts_with(' ') {
            found.extend(line.split_whitespace().map(str::to_owned));
        } else {
            within = line.contains("The following packages will be REMOVED:");
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_prints_is_understood() {
        let text = "Inst a [1] (2 Debian:12 [amd64])\nConf a (2 Debian:12 [amd64])\nConf libb:i386 (1:3-1 x)\n";
        let found = planned(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found["a"], "2");
        assert_eq!(found["libb:i386"], "1:3-1");
        let text =
            "Reading\nThe following packages will be REMOVED:\n  b a*\n  c\n0 upgraded\n  d\n";
        assert_eq!(listed_for_removal(text), ["a*", "b", "c"]);
        let shown = stanzas("Package: a\nVersion: 1\nDescription: x: y\n more\n\nPackage: b\n");
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0][2], ("Description".to_owned(), "x: y".to_owned()));
        let line = format!("a{FIELD}{FIELD}amd64{FIELD}");
        let one = fields(&line);
        assert_eq!(
            (one.get("package"), one.get("revision")),
            (Some(&"a".to_owned()), None)
        );
    }
}
