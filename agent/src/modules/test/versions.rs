//! What this minion is made of.

use salt_wire::{Map, Value, map};

use crate::context::{Args, Context, Result, python};
use crate::grains::SALT_VERSION;

pub(super) fn versions(ctx: &Context) -> Map {
    let grains = ctx.facts.grains();
    let grain = |key: &str| python::text(grains.get(key).unwrap_or(&Value::Null));
    // On Debian the point release stands in a file of its own.
    let point = std::fs::read_to_string("/etc/debian_version").ok();
    let release = point
        .filter(|p| grain("os") == "Debian" && p.starts_with(char::is_numeric))
        .map_or_else(|| grain("osrelease"), |p| p.trim().to_owned());
    let (release, codename) = (release.as_str(), grain("oscodename"));
    let distribution = format!("{} {release} {codename}", grain("os").to_lowercase());
    let system = format!("{} {release} {codename}", grain("osfullname"));
    map! {
        "Salt Version" => map! {"Salt" => SALT_VERSION},
        "Agent Version" => map! {"salt-agent" => env!("CARGO_PKG_VERSION")},
        "System Versions" => map! {
            "dist" => distribution,
            "locale" => "utf-8",
            "machine" => grain("cpuarch"),
            "release" => grain("kernelrelease"),
            "system" => grain("kernel"),
            "version" => system,
        },
    }
}

pub(super) fn versions_report(ctx: &Context, _: &Args) -> Result {
    let mut lines = Vec::new();
    let versions = versions(ctx);
    let width = versions
        .values()
        .filter_map(Value::as_map)
        .flat_map(Map::keys)
        .filter_map(Value::as_str)
        .map(str::len)
        .max()
        .unwrap_or(0);
    for (section, entries) in &versions {
        lines.push(format!("{}:", python::text(section)));
        for (name, version) in entries.as_map().into_iter().flatten() {
            lines.push(format!(
                "{:>w$}: {}",
                python::text(name),
                python::text(version),
                w = width + 2
            ));
        }
        lines.push(" ".to_owned());
    }
    Ok(lines.join("\n").into())
}
