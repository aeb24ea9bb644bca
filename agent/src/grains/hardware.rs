//! Firmware, kernel command line, boot mode and graphics.

use std::fs;
use std::path::Path;

use salt_wire::{Map, Value, map};

use super::Sources;
use crate::host::{env, shlex};

/// Grain and file below `/sys/class/dmi/id`.
const DMI: &[(&str, &str)] = &[
    ("biosversion", "bios_version"),
    ("biosvendor", "bios_vendor"),
    ("boardname", "board_name"),
    ("productname", "product_name"),
    ("manufacturer", "sys_vendor"),
    ("biosreleasedate", "bios_date"),
    ("uuid", "product_uuid"),
    ("serialnumber", "product_serial"),
];

/// What the firmware says of the machine; what only root may read is left out for others.
pub(super) fn firmware() -> Map {
    let mut grains = device_tree();
    for (grain, file) in DMI {
        if let Some(text) = dmi(file) {
            let text = if *grain == "uuid" {
                text.to_lowercase()
            } else {
                text
            };
            grains.insert((*grain).into(), text.into());
        }
    }
    grains
}

/// One field of the firmware's tables.
pub(super) fn dmi(file: &str) -> Option<String> {
    let bytes = fs::read(Path::new("/sys/class/dmi/id").join(file)).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// ARM and POWER machines name themselves in the device tree.
fn device_tree() -> Map {
    let mut grains = Map::new();
    let read = |name: &str| {
        let text = fs::read_to_string(Path::new("/proc/device-tree").join(name)).ok()?;
        let text = text.trim_end_matches('\0').to_owned();
        (!text.is_empty()).then_some(text)
    };
    if let Some(model) = read("model") {
        match model.split_once(',') {
            Some((maker, product)) => {
                grains.insert("manufacturer".into(), maker.into());
                grains.insert("productname".into(), product.into());
            }
            None => {
                grains.insert("productname".into(), model.into());
            }
        }
    }
    if let Some(serial) = read("serial-number").or_else(|| read("system-id")) {
        grains.insert("serialnumber".into(), serial.into());
    }
    grains
}

/// Boot mode and what else stands in sysfs or on the search path.
pub(super) fn boot() -> Map {
    let vars = ["/sys/firmware/efi/efivars", "/sys/firmware/efi/vars"]
        .map(Path::new)
        .into_iter()
        .find(|p| p.exists());
    map! {
        "transactional" => env::which("transactional-update").is_some(),
        "efi" => vars.is_some(),
        "efi-secure-boot" => vars.is_some_and(secure_boot),
    }
}

fn secure_boot(vars: &Path) -> bool {
    let found: Vec<_> = fs::read_dir(vars)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("SecureBoot-"))
        })
        .map(|p| if p.is_dir() { p.join("data") } else { p })
        .collect();
    matches!(&found[..], [one] if fs::read(one).is_ok_and(|b| b.last() == Some(&1)))
}

/// The kernel's command line in pairs; a word without exactly one `=` has no value.
pub(super) fn kernel_parameters() -> Map {
    let Ok(bytes) = fs::read("/proc/cmdline") else {
        return Map::new();
    };
    let line = String::from_utf8_lossy(&bytes);
    let Ok(words) = shlex::split(&line) else {
        return Map::new();
    };
    map! {"kernelparams" => Value::List(words.iter().map(|w| parameter(w)).collect())}
}

fn parameter(word: &str) -> Value {
    let parts: Vec<&str> = word.split('=').collect();
    let value = match parts[..] {
        [_, value] => value.trim_matches('"').into(),
        _ => Value::Null,
    };
    Value::List(vec![parts[0].into(), value])
}

const GPU_VENDORS: &[&str] = &[
    "nvidia",
    "amd",
    "ati",
    "intel",
    "cirrus logic",
    "vmware",
    "matrox",
    "aspeed",
];

/// Graphics adapters. `lspci` is asked for their names only if the bus has any.
pub(super) fn gpus(sources: &Sources<'_>) -> Map {
    let none = || map! {"num_gpus" => 0, "gpus" => Value::List(Vec::new())};
    let wanted = sources.flag("enable_lspci", true) && sources.flag("enable_gpu_grains", true);
    if !wanted || !has_display() {
        return none();
    }
    sources
        .output(&["lspci", "-vmm"])
        .map_or_else(none, |listing| parse_gpus(&listing))
}

/// Whether a PCI device is a display controller or a processing accelerator.
fn has_display() -> bool {
    fs::read_dir("/sys/bus/pci/devices")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|device| fs::read_to_string(device.path().join("class")).ok())
        .any(|class| class.starts_with("0x03") || class.starts_with("0x12"))
}

fn parse_gpus(listing: &str) -> Map {
    const CLASSES: &[&str] = &[
        "3d controller",
        "display controller",
        "processing accelerators",
        "vga compatible controller",
    ];
    let mut found = Vec::new();
    for record in listing.split("\n\n") {
        let field = |name: &str| {
            record
                .lines()
                .filter_map(|l| l.split_once(':'))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim())
        };
        let class = field("Class").unwrap_or_default().to_lowercase();
        if !CLASSES.contains(&class.as_str()) {
            continue;
        }
        let vendor = field("Vendor").unwrap_or_default().to_lowercase();
        let words: Vec<&str> = vendor.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let vendor = GPU_VENDORS
            .iter()
            .find(|v| words.contains(v))
            .unwrap_or(&"unknown");
        found.push(map! {"vendor" => *vendor, "model" => field("Device").unwrap_or_default()});
    }
    map! {"num_gpus" => found.len(), "gpus" => found}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_one_equals_sign() {
        let pair = |w, v: Value| Value::List(vec![Value::from(w), v]);
        assert_eq!(parameter("quiet"), pair("quiet", Value::Null));
        assert_eq!(parameter("a=b"), pair("a", "b".into()));
        assert_eq!(parameter("root=UUID=1"), pair("root", Value::Null));
    }

    #[test]
    fn gpus_are_known_by_class_and_vendor() {
        let listing = "Slot:\t00:01.0\nClass:\tISA bridge\nVendor:\tIntel Corporation\nDevice:\tx\n\n\
            Slot:\t00:02.0\nClass:\tVGA compatible controller\nVendor:\tCirrus Logic\nDevice:\tGD 5446\n\n\
            Class:\t3D controller\nVendor:\tNVIDIA Corporation\nDevice:\tA100\n";
        // Salt never finds a vendor of two words; neither may we.
        let expected = map! {"num_gpus" => 2, "gpus" => vec![
            map! {"vendor" => "unknown", "model" => "GD 5446"},
            map! {"vendor" => "nvidia", "model" => "A100"},
        ]};
        assert_eq!(parse_gpus(listing), expected);
    }
}
