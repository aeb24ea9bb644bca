//! The distribution's names: os-release and lsb-release turned into Salt's `os`, `os_family`, `osfullname`,
//! `oscodename`, `osrelease` and `lsb_distrib_*`. Salt's rules grew over many years; the quirks are theirs.

use std::collections::BTreeMap;
use std::fs;

use salt_wire::Map;

/// A parsed release file.
type Fields = BTreeMap<String, String>;

pub(super) fn collect() -> Map {
    let os_release = ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .map(|text| parse(&text));
    let lsb = fs::read_to_string("/etc/lsb-release").map_or_else(|_| Fields::new(), |t| parse(&t));
    let centos = fs::read_to_string("/etc/centos-release").ok();
    grains(&os_release.unwrap_or_default(), &lsb, centos.as_deref())
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

fn grains(
    os_release: &Fields,
    lsb: &Fields,
    centos: Option<&str>,
) -> BTreeMap<&'static str, String> {
    let mut grains = BTreeMap::new();
    for (field, grain) in [
        ("DISTRIB_ID", "lsb_distrib_id"),
        ("DISTRIB_RELEASE", "lsb_distrib_release"),
        ("DISTRIB_CODENAME", "lsb_distrib_codename"),
        ("DISTRIB_DESCRIPTION", "lsb_distrib_description"),
    ] {
        if let Some(value) = lsb.get(field).filter(|v| !v.is_empty()) {
            grains.insert(grain, value.clone());
        }
    }
    let field = |name: &str| os_release.get(name).map(|v| v.trim());
    let name = field("NAME").unwrap_or("Linux");
    let id = field("ID").unwrap_or("linux");
    if !os_release.is_empty() {
        grains.insert("os", os_name(name, Some(id)));
        grains.insert("osfullname", name.to_owned());
    }
    if grains
        .get("lsb_distrib_description")
        .is_some_and(|d| d.to_lowercase().starts_with("antergos"))
    {
        grains.insert("osfullname", "Antergos Linux".to_owned());
    } else if !grains.contains_key("lsb_distrib_id") && !os_release.is_empty() {
        lsb_from_os_release(&mut grains, os_release);
    }
    let (version, codename) = distribution(os_release, centos);
    if !grains.contains_key("osfullname") {
        let fullname = match grains.get("lsb_distrib_id") {
            Some(id) if id.to_lowercase().starts_with("nilrt") => "nilrt".to_owned(),
            Some(id) => id.trim().to_owned(),
            None => name.to_owned(),
        };
        grains.insert("osfullname", fullname);
    }
    let lsb_codename =
        |g: &BTreeMap<&str, String>| g.get("lsb_distrib_codename").cloned().unwrap_or_default();
    // CentOS keeps its minor number out of os-release.
    if ["CentOS Linux 7", "CentOS Linux 8"]
        .iter()
        .any(|c| lsb_codename(&grains).contains(c))
    {
        grains.remove("lsb_distrib_release");
    }
    let release = grains
        .get("lsb_distrib_release")
        .cloned()
        .unwrap_or(version);
    grains.insert("osrelease", release.trim().to_owned());
    // Some write their codename in brackets behind the version.
    let os = grains.get("os").cloned().unwrap_or_default();
    if ["Rocky", "AlmaLinux", "AstraLinuxSE"]
        .iter()
        .any(|o| os.contains(o))
        && let Some((_, inner)) = lsb_codename(&grains).split_once('(')
    {
        let inner = inner.split(')').next().unwrap_or_default();
        let inner = if os == "AstraLinuxSE" {
            inner
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_lowercase()
        } else {
            inner.to_owned()
        };
        grains.insert("lsb_distrib_codename", inner);
    }
    let mut oscodename = lsb_codename(&grains).trim().to_owned();
    if oscodename.is_empty() || oscodename.contains("Red Hat") {
        oscodename = codename;
    }
    grains.insert("oscodename", oscodename);
    if !grains.contains_key("os") {
        let os = os_name(&grains["osfullname"], None);
        grains.insert("os", os);
    }
    if let (Some(product), Some(version)) = (
        field("SUSE_SUPPORT_PRODUCT"),
        field("SUSE_SUPPORT_PRODUCT_VERSION"),
    ) {
        let pretty = field("SUSE_PRETTY_NAME").map(str::to_owned);
        grains.insert(
            "oscodename",
            pretty.unwrap_or_else(|| format!("{product} {version}")),
        );
        grains.insert("osrelease", version.to_owned());
        if product == "SUSE Linux Micro" {
            grains.insert("osfullname", "SL-Micro".to_owned());
        }
    }
    let family = family(&grains["os"]).to_owned();
    grains.insert("os_family", family);
    grains
}

fn lsb_from_os_release(grains: &mut BTreeMap<&'static str, String>, os_release: &Fields) {
    let field = |name: &str| os_release.get(name).map(String::as_str);
    if let Some(name) = field("NAME") {
        grains.insert("lsb_distrib_id", name.trim().to_owned());
    }
    if let Some(version) = field("VERSION_ID") {
        grains.insert("lsb_distrib_release", version.to_owned());
    }
    if let Some(codename) = field("VERSION_CODENAME").or_else(|| field("PRETTY_NAME")) {
        grains.insert("lsb_distrib_codename", codename.to_owned());
    }
    if let Some((vendor, version)) = field("CPE_NAME").and_then(cpe)
        && matches!(vendor.to_lowercase().as_str(), "suse" | "opensuse")
    {
        grains.insert("os", "SUSE".to_owned());
        if field("NAME") == Some("openSUSE Leap") {
            grains.insert("osfullname", "Leap".to_owned());
        } else if field("VERSION") == Some("Tumbleweed") {
            grains.insert("osfullname", "Tumbleweed".to_owned());
        }
        if let Some(version) = version.filter(|_| vendor == "opensuse") {
            grains.insert("lsb_distrib_release", version);
        }
    }
    if field("ID") == Some("mendel")
        && let Some(release) = field("PRETTY_NAME").and_then(|p| p.split_whitespace().nth(2))
    {
        grains.insert("lsb_distrib_release", release.to_owned());
    }
}

/// Vendor and version of a platform name, in either of its notations.
fn cpe(name: &str) -> Option<(String, Option<String>)> {
    let parts: Vec<&str> = name.split(':').collect();
    if parts.len() <= 4 || parts[0] != "cpe" {
        return None;
    }
    let known = |at: usize| {
        parts
            .get(at)
            .filter(|p| **p != "*")
            .map(|p| (*p).to_owned())
    };
    if parts[1].starts_with('/') {
        Some((parts[2].to_owned(), Some(parts[4].to_owned())))
    } else if parts[1] == "2.3" && (parts.len() == 6 || (8..=13).contains(&parts.len())) {
        Some((known(3).unwrap_or_default(), known(5)))
    } else {
        None
    }
}

/// Version and codename where lsb and os-release leave them open.
fn distribution(os_release: &Fields, centos: Option<&str>) -> (String, String) {
    let field = |name: &str| os_release.get(name).cloned().unwrap_or_default();
    let mut version = field("VERSION_ID");
    let more = centos.and_then(|text| {
        text.split_whitespace()
            .find(|w| w.starts_with(|c: char| c.is_ascii_digit()))
    });
    if let Some(more) = more.filter(|m| m.len() > version.len()) {
        version = more.to_owned();
    }
    let mut codename = field("VERSION_CODENAME");
    if codename.is_empty()
        && let Some((_, rest)) = field("VERSION").split_once('(')
    {
        codename = rest.trim_end_matches(')').to_owned();
    }
    (version, codename)
}

/// Shell-like assignments, as os-release and lsb-release are made of.
fn parse(text: &str) -> Fields {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.trim().split_once('=')?;
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return None;
            }
            let bare = ['"', '\'']
                .iter()
                .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q))
                .unwrap_or(value);
            Some((key.to_owned(), unescape(bare)))
        })
        .collect()
}

/// A backslash protects `$`, quotes, backslash and backtick.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match rest.peek() {
            Some(next @ ('\\' | '$' | '"' | '\'' | '`')) if c == '\\' => {
                plain.push(*next);
                rest.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

/// Salt's short name of a distribution.
fn os_name(fullname: &str, id: Option<&str>) -> String {
    let whole = match (id, fullname) {
        (Some("astra"), "Astra Linux (Orel)") => Some("AstraLinuxCE"),
        (Some("astra"), "Astra Linux (Smolensk)") => Some("AstraLinuxSE"),
        (Some("pop"), "Pop!_OS") => Some("Pop"),
        _ => None,
    };
    if let Some(name) = whole {
        return name.to_owned();
    }
    let bare = without_linux(fullname);
    let bare = bare.trim();
    let short: String = bare
        .replace(' ', "")
        .to_lowercase()
        .chars()
        .take(10)
        .collect();
    let known = NAMES.iter().find(|(key, _)| *key == short);
    known.map_or_else(|| bare.to_owned(), |(_, name)| (*name).to_owned())
}

/// Drops `Linux` and `GNU/Linux` with the character in front of them.
fn without_linux(name: &str) -> String {
    let mut kept = name.to_owned();
    for word in ["gnu/linux", "linux"] {
        let lower = kept.to_lowercase();
        if lower.len() != kept.len() {
            continue;
        }
        let mut from = 0;
        let mut out = String::new();
        for (at, _) in lower.match_indices(word) {
            let before = kept[from..at].chars().next_back();
            if let Some(c) = before.filter(|c| !c.is_alphanumeric() && *c != '_') {
                out.push_str(&kept[from..at - c.len_utf8()]);
                from = at + word.len();
            }
        }
        out.push_str(&kept[from..]);
        kept = out;
    }
    kept
}

/// The family of a distribution; its own name where it has none.
fn family(os: &str) -> &str {
    FAMILIES
        .iter()
        .find(|(_, members)| members.contains(&os))
        .map_or(os, |(family, _)| family)
}

/// First ten letters of a name, without blanks, and Salt's name for it.
const NAMES: &[(&str, &str)] = &[
    ("alibabaclo", "Alinux"),
    ("almalinux", "AlmaLinux"),
    ("almalinuxk", "AlmaLinux"),
    ("alt", "ALT"),
    ("amazonami", "Amazon"),
    ("antergos", "Antergos"),
    ("arch", "Arch"),
    ("archarm", "Arch ARM"),
    ("chapeau", "Chapeau"),
    ("cloudlinux", "CloudLinux"),
    ("cloudserve", "CloudLinux"),
    ("debian", "Debian"),
    ("enterprise", "OEL"),
    ("fedoraremi", "Fedora"),
    ("gentoobase", "Gentoo"),
    ("korora", "Korora"),
    ("linuxmint", "Mint"),
    ("manjaro", "Manjaro"),
    ("manjarolin", "Manjaro"),
    ("mendel", "Mendel"),
    ("neon", "KDE neon"),
    ("nilrt", "NILinuxRT"),
    ("oracleserv", "OEL"),
    ("photon", "VMware Photon OS"),
    ("pidora", "Fedora"),
    ("poky", "Poky"),
    ("pop", "Pop"),
    ("raspbian", "Raspbian"),
    ("redhatente", "RedHat"),
    ("rocky", "Rocky"),
    ("scientific", "ScientificLinux"),
    ("sles", "SUSE"),
    ("slesexpand", "RES"),
    ("synology", "Synology"),
    ("univention", "Univention"),
    ("virtuozzo", "Virtuozzo"),
    ("void", "Void"),
];

/// Families and those of their members that are named otherwise.
const FAMILIES: &[(&str, &[&str])] = &[
    (
        "Debian",
        &[
            "Ubuntu",
            "Mint",
            "Trisquel",
            "GCEL",
            "Linaro",
            "elementary OS",
            "elementary",
            "Univention",
            "Raspbian",
            "Devuan",
            "antiX",
            "Kali",
            "Parrot OS",
            "neon",
            "Cumulus",
            "Deepin",
            "KDE neon",
            "IDMS",
            "TurnKey",
            "Pop",
            "AstraLinuxCE",
            "AstraLinuxSE",
            "Mendel",
            "OSMC",
        ],
    ),
    (
        "RedHat",
        &[
            "Fedora",
            "Chapeau",
            "Korora",
            "FedBerry",
            "CentOS",
            "CentOS Stream",
            "GoOSe",
            "Scientific",
            "Amazon",
            "CloudLinux",
            "Virtuozzo",
            "AlmaLinux",
            "AlmaLinux Kitten",
            "OVS",
            "OEL",
            "XCP",
            "XCP-ng",
            "XenServer",
            "RES",
            "Sangoma",
            "VMware Photon OS",
            "AlterOS",
            "RED OS",
            "ALT",
            "ScientificLinux",
            "Rocky",
            "Alinux",
            "openEuler",
        ],
    ),
    (
        "Suse",
        &[
            "SLES",
            "SUSE Enterprise Server",
            "SUSE  Enterprise Server",
            "SLED",
            "openSUSE",
            "SUSE",
            "openSUSE Leap",
            "openSUSE Tumbleweed",
            "SLES_SAP",
            "alfaLinux",
            "alfaLinux Rise",
        ],
    ),
    (
        "Arch",
        &[
            "Arch ARM",
            "Manjaro",
            "Manjaro ARM",
            "Antergos",
            "EndeavourOS",
        ],
    ),
    ("Mandriva", &["Mandrake"]),
    ("VMware", &["VMwareESX"]),
    ("Bluewhite", &["Bluewhite64"]),
    ("Slackware", &["Slamd64"]),
    ("Gentoo", &["Funtoo"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(os_release: &str, lsb: &str, centos: Option<&str>) -> BTreeMap<&'static str, String> {
        grains(&parse(os_release), &parse(lsb), centos)
    }

    #[test]
    fn ubuntu() {
        let g = of(
            "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n",
            "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=24.04\nDISTRIB_CODENAME=noble\nDISTRIB_DESCRIPTION=\"Ubuntu 24.04 LTS\"\n",
            None,
        );
        assert_eq!(g["os"], "Ubuntu");
        assert_eq!(g["os_family"], "Debian");
        assert_eq!(g["osrelease"], "24.04");
        assert_eq!(g["oscodename"], "noble");
        assert_eq!(g["lsb_distrib_description"], "Ubuntu 24.04 LTS");
    }

    #[test]
    fn centos_7_has_its_minor_number() {
        let g = of(
            "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\nCPE_NAME=\"cpe:/o:centos:centos:7\"\n",
            "",
            Some("CentOS Linux release 7.9.2009 (Core)\n"),
        );
        assert_eq!(
            (g["os"].as_str(), g["os_family"].as_str()),
            ("CentOS", "RedHat")
        );
        assert_eq!(g["osrelease"], "7.9.2009");
        assert_eq!(g["osfullname"], "CentOS Linux");
        assert_eq!(g["oscodename"], "CentOS Linux 7 (Core)");
    }

    #[test]
    fn red_hat_and_rocky_codenames_lose_their_brackets() {
        let g = of(
            "NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"9.4 (Plow)\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4 (Plow)\"\n",
            "",
            None,
        );
        assert_eq!(
            (g["os"].as_str(), g["oscodename"].as_str()),
            ("RedHat", "Plow")
        );
        let g = of(
            "NAME=\"Rocky Linux\"\nVERSION=\"9.4 (Blue Onyx)\"\nID=\"rocky\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"\n",
            "",
            None,
        );
        assert_eq!(
            (g["os"].as_str(), g["oscodename"].as_str()),
            ("Rocky", "Blue Onyx")
        );
    }

    #[test]
    fn leap_is_suse() {
        let g = of(
            "NAME=\"openSUSE Leap\"\nVERSION=\"15.6\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.6\"\nPRETTY_NAME=\"openSUSE Leap 15.6\"\nCPE_NAME=\"cpe:/o:opensuse:leap:15.6\"\n",
            "",
            None,
        );
        assert_eq!(
            (g["os"].as_str(), g["osfullname"].as_str()),
            ("SUSE", "Leap")
        );
        assert_eq!(g["os_family"], "Suse");
        assert_eq!(g["osrelease"], "15.6");
    }

    #[test]
    fn quoted_and_escaped_values() {
        let f = parse("A=\"x \\\"y\\\" \\$z\"\nB='q'\nbad line\n=x\n");
        assert_eq!(f["A"], "x \"y\" $z");
        assert_eq!(f["B"], "q");
        assert_eq!(f.len(), 2);
    }
}
