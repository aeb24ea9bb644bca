//! Logical volumes through LVM's own programs.

use indexmap::IndexMap;

use super::program::Programs;

/// What a display command shows of volumes: their names, and a value under each heading.
pub type Shown = IndexMap<String, Vec<(&'static str, String)>>;

/// A kind of volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A device that belongs to LVM.
    Physical,
    /// Devices together.
    Group,
    /// What is cut out of a group.
    Logical,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Physical => "pvdisplay",
            Self::Group => "vgdisplay",
            Self::Logical => "lvdisplay",
        }
    }

    /// Salt's headings for the columns.
    fn headings(self) -> &'static [&'static str] {
        match self {
            Self::Physical => &[
                "Physical Volume Device",
                "Volume Group Name",
                "Physical Volume Size (kB)",
                "Internal Physical Volume Number",
                "Physical Volume Status",
                "Physical Volume (not) Allocatable",
                "Current Logical Volumes Here",
                "Physical Extent Size (kB)",
                "Total Physical Extents",
                "Free Physical Extents",
                "Allocated Physical Extents",
            ],
            Self::Group => &[
                "Volume Group Name",
                "Volume Group Access",
                "Volume Group Status",
                "Internal Volume Group Number",
                "Maximum Logical Volumes",
                "Current Logical Volumes",
                "Open Logical Volumes",
                "Maximum Logical Volume Size",
                "Maximum Physical Volumes",
                "Current Physical Volumes",
                "Actual Physical Volumes",
                "Volume Group Size (kB)",
                "Physical Extent Size (kB)",
                "Total Physical Extents",
                "Allocated Physical Extents",
                "Free Physical Extents",
                "UUID",
            ],
            Self::Logical => &[
                "Logical Volume Name",
                "Volume Group Name",
                "Logical Volume Access",
                "Logical Volume Status",
                "Internal Logical Volume Number",
                "Open Logical Volumes",
                "Logical Volume Size",
                "Current Logical Extents Associated",
                "Allocated Logical Extents",
                "Allocation Policy",
                "Read Ahead Sectors",
                "Major Device Number",
                "Minor Device Number",
            ],
        }
    }
}

/// Shows one volume, or all of a kind (a blank name); nothing when there is none.
pub fn display(programs: &Programs<'_>, kind: Kind, name: &str) -> Result<Shown, String> {
    let mut argv = vec![kind.program(), "-c"];
    if !name.is_empty() {
        argv.push(name);
    }
    let said = programs.run(&argv)?;
    if !said.fine() {
        return Ok(Shown::new());
    }
    Ok(columns(kind, &said.stdout))
}

fn columns(kind: Kind, text: &str) -> Shown {
    let mut all = Shown::new();
    for line in text.lines() {
        if kind == Kind::Physical && line.contains("is a new physical volume") {
            continue;
        }
        let parts: Vec<&str> = line.trim().split(':').collect();
        let headings = kind.headings();
        if parts.len() >= headings.len() {
            let values = headings
                .iter()
                .copied()
                .zip(parts.iter().map(|p| (*p).to_owned()));
            all.insert(parts[0].to_owned(), values.collect());
        }
    }
    all
}

/// One value of what a display command shows.
pub fn value<'s>(shown: &'s Shown, name: &str, heading: &str) -> Option<&'s str> {
    let values = shown.get(name)?;
    let found = values.iter().find(|(key, _)| *key == heading)?;
    Some(&found.1)
}

/// Runs one of the programs that change volumes; the error is what it complains of.
pub fn change(programs: &Programs<'_>, argv: &[String]) -> Result<Result<(), String>, String> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let said = programs.run(&words)?;
    Ok(if said.fine() {
        Ok(())
    } else {
        Err(said.stderr)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_get_their_headings() {
        let text = "  /dev/sdb:vg1:2097152:-1:8:8:-1:4096:255:255:0:uuid\n  \"/dev/sdc\" is a new physical volume of \"1 GiB\"\n";
        let shown = columns(Kind::Physical, text);
        assert_eq!(shown.len(), 1);
        assert_eq!(value(&shown, "/dev/sdb", "Volume Group Name"), Some("vg1"));
        assert_eq!(
            value(&shown, "/dev/sdb", "Allocated Physical Extents"),
            Some("0")
        );
    }
}
