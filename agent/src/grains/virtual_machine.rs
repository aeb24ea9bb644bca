//! What the machine runs on: `virtual`, `virtual_subtype`, and Xen's details.
//!
//! The judgement starts with `systemd-detect-virt` or `virt-what`, whose words Salt takes, and goes on with
//! files that know better. Where Salt runs `dmidecode` and `lspci`, sysfs tells the same.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::geteuid;
use salt_wire::{Map, Value, map};

use super::Sources;
use super::hardware::dmi;
use crate::host::env;

/// A finding: kind and subtype.
type Found = (Option<&'static str>, Option<&'static str>);

/// What the detecting programs say, in Salt's order: the first that knows something ends the search.
pub(super) fn detect(sources: &Sources<'_>) -> Map {
    let found = if env::which("virt-what").is_some() {
        sources
            .output(&["virt-what"])
            .map(|out| virt_what(&out))
            .unwrap_or_default()
    } else {
        sources
            .output(&["systemd-detect-virt"])
            .and_then(|out| systemd_word(out.trim()))
            .or_else(firmware_word)
            .or_else(|| sources.flag("enable_lspci", true).then(bus_word).flatten())
            .unwrap_or_default()
    };
    let mut grains = map! {"virtual" => found.0.unwrap_or("physical")};
    if let Some(subtype) = found.1 {
        grains.insert("virtual_subtype".into(), subtype.into());
    }
    grains
}

fn systemd_word(word: &str) -> Option<Found> {
    const AS_THEY_ARE: &[&str] = &[
        "qemu",
        "kvm",
        "oracle",
        "xen",
        "bochs",
        "chroot",
        "uml",
        "systemd-nspawn",
    ];
    let container = |kind| (Some("container"), Some(kind));
    if let Some(same) = AS_THEY_ARE.iter().find(|w| **w == word) {
        return Some((Some(same), None));
    }
    Some(match word {
        w if w.contains("vmware") => (Some("VMware"), None),
        w if w.contains("microsoft") => (Some("VirtualPC"), None),
        w if w.contains("lxc") => container("LXC"),
        w if w.contains("podman") => container("Podman"),
        w if w.contains("docker") => container("Docker"),
        w if w.contains("amazon") => (Some("Nitro"), Some("Amazon EC2")),
        _ => return None,
    })
}

fn virt_what(output: &str) -> Found {
    for line in output.lines() {
        let found = match line {
            "kvm" | "ibm_power-kvm" => (Some("kvm"), None),
            "qemu" => (Some("qemu"), None),
            "uml" => (Some("uml"), None),
            "xen" => (Some("xen"), None),
            "ibm_power-lpar_shared" => (Some("LPAR"), Some("shared")),
            "ibm_power-lpar_dedicated" => (Some("LPAR"), Some("dedicated")),
            l if l.contains("lxc") => (Some("container"), Some("LXC")),
            l if l.contains("docker") => (Some("container"), Some("Docker")),
            l if l.contains("vmware") => (Some("VMware"), None),
            l if l.contains("parallels") => (Some("Parallels"), None),
            l if l.contains("nutanix") => (Some("kvm"), Some("Nutanix AHV")),
            l if l.contains("hyperv") => (Some("HyperV"), None),
            _ => continue,
        };
        return found;
    }
    (None, None)
}

/// What `dmidecode` would tell root.
fn firmware_word() -> Option<Found> {
    if env::which("dmidecode").is_none() || !geteuid().is_root() {
        return None;
    }
    let field = |file| dmi(file).unwrap_or_default();
    Some(firmware(
        &field("bios_vendor"),
        &field("sys_vendor"),
        &field("product_name"),
    ))
}

fn firmware(bios: &str, maker: &str, product: &str) -> Found {
    let any = |word: &str| [bios, maker, product].iter().any(|f| f.contains(word));
    let kvm = |subtype| (Some("kvm"), subtype);
    if any("BHYVE") {
        (Some("bhyve"), None)
    } else if maker.starts_with("oVirt") {
        kvm(Some("ovirt"))
    } else if product.starts_with("RHEV Hypervisor") {
        kvm(Some("rhev"))
    } else if any("VirtualBox") {
        (Some("VirtualBox"), None)
    } else if any("VMware") {
        (Some("VMware"), None)
    } else if maker.starts_with("Microsoft") && any("Virtual Machine") {
        (Some("VirtualPC"), None)
    } else if any("Parallels Software") {
        (Some("Parallels"), None)
    } else if maker.starts_with("Nutanix") && product.starts_with("AHV") {
        kvm(Some("Nutanix AHV"))
    } else if ["QEMU", "Bochs", "Google"]
        .iter()
        .any(|m| maker.starts_with(m))
        || ["QEMU", "Bochs", "SeaBIOS"]
            .iter()
            .any(|m| bios.starts_with(m))
    {
        kvm(None)
    } else {
        (None, None)
    }
}

/// What `lspci` would show: devices whose makers make nothing but virtual hardware.
fn bus_word() -> Option<Found> {
    if !Path::new("/proc/bus/pci").exists() || env::which("lspci").is_none() {
        return None;
    }
    let vendors: Vec<String> = fs::read_dir("/sys/bus/pci/devices")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|d| fs::read_to_string(d.path().join("vendor")).ok())
        .map(|v| v.trim().to_owned())
        .collect();
    let any = |ids: &[&str]| vendors.iter().any(|v| ids.contains(&v.as_str()));
    Some(if any(&["0x15ad"]) {
        (Some("VMware"), None)
    } else if any(&["0x80ee"]) {
        (Some("VirtualBox"), None)
    } else if any(&["0x1af4", "0x1b36", "0x1234"]) {
        (Some("kvm"), None)
    } else {
        (None, None)
    })
}

/// What files know better than the programs did.
pub(super) fn refine(mut grains: Map, productname: Option<&str>) -> Map {
    let mut set = |key: &str, value: &str| {
        grains.insert(key.into(), value.into());
    };
    if let (Ok(own), Ok(first)) = (fs::metadata("/"), fs::metadata("/proc/1/root/."))
        && (own.dev(), own.ino()) != (first.dev(), first.ino())
    {
        set("virtual_subtype", "chroot");
    }
    if Path::new("/proc/vz/version").is_file() {
        set("virtual", "openvzhn");
    } else if Path::new("/proc/vz/veinfo").is_file() {
        set("virtual", "openvzve");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(id) = status.lines().find_map(|l| l.strip_prefix("envID:")) {
        let kind = if id.trim() == "0" {
            "openvzhn"
        } else {
            "openvzve"
        };
        set("virtual", kind);
    }
    if let Some(subtype) = xen(productname) {
        set("virtual_subtype", subtype);
        set("virtual", "xen");
    }
    if fs::read_to_string("/proc/cpuinfo").is_ok_and(|c| c.contains("QEMU Virtual CPU")) {
        set("virtual", "kvm");
    }
    let product = fs::read("/sys/devices/virtual/dmi/id/product_name").unwrap_or_default();
    let product = String::from_utf8_lossy(&product);
    if product.contains("VirtualBox") {
        set("virtual", "VirtualBox");
    } else if product.contains("RHEV Hypervisor") {
        set("virtual", "kvm");
        set("virtual_subtype", "rhev");
    } else if product.contains("oVirt Node") {
        set("virtual", "kvm");
        set("virtual_subtype", "ovirt");
    } else if product.contains("Google") {
        set("virtual", "gce");
    } else if product.contains("BHYVE") {
        set("virtual", "bhyve");
    }
    if let Some((kind, subtype)) = container() {
        if let Some(kind) = kind {
            set("virtual", kind);
        }
        set("virtual_subtype", subtype);
    }
    let kind = grains.get("virtual").and_then(Value::as_str);
    if kind == Some("physical") && grains.contains_key("virtual_subtype") {
        grains.insert("virtual".into(), "virtual".into());
    }
    amazon_or_nutanix(&mut grains);
    if grains.get("virtual").and_then(Value::as_str) == Some("xen") {
        grains.extend(hypervisor());
    }
    grains
}

fn xen(productname: Option<&str>) -> Option<&'static str> {
    let is_dir = |p: &str| Path::new(p).is_dir();
    if !is_dir("/proc/sys/xen") && !is_dir("/sys/bus/xen") && !is_dir("/proc/xen") {
        return None;
    }
    if Path::new("/proc/xen/xsd_kva").is_file() {
        return Some("Xen Dom0");
    }
    if productname == Some("HVM domU") {
        return Some("Xen HVM DomU");
    }
    if let Ok(text) = fs::read_to_string("/proc/xen/capabilities") {
        return Some(if text.contains("control_d") {
            "Xen Dom0"
        } else {
            "Xen PV DomU"
        });
    }
    is_dir("/sys/bus/xen/drivers/xenconsole").then_some("Xen PV DomU")
}

/// The container around process 1, if its control group or environment names one.
fn container() -> Option<(Option<&'static str>, &'static str)> {
    let groups = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    let found = if groups.contains(":/lxc/") {
        Some((Some("container"), "LXC"))
    } else if groups.contains(":/kubepods/") {
        Some((None, "kubernetes"))
    } else if groups.contains(":/libpod_parent/") {
        Some((None, "libpod"))
    } else if [":/system.slice/docker", ":/docker/", ":/docker-ce/"]
        .iter()
        .any(|d| groups.contains(d))
    {
        Some((Some("container"), "Docker"))
    } else {
        None
    };
    let environ = fs::read("/proc/1/environ").unwrap_or_default();
    if environ.windows(13).any(|w| w == b"container=lxc") {
        return Some((Some("container"), "LXC"));
    }
    found
}

/// Amazon's and Nutanix' machines say in their firmware what they are.
fn amazon_or_nutanix(grains: &mut Map) {
    let kind = grains.get("virtual").and_then(Value::as_str);
    let generic = matches!(kind, Some("qemu" | "kvm" | "xen" | "amazon"));
    if !generic || env::which("dmidecode").is_none() || !geteuid().is_root() {
        return;
    }
    let is_xen = kind == Some("xen");
    let maker = dmi("sys_vendor").unwrap_or_default();
    let product = dmi("product_name").unwrap_or_default();
    if maker.starts_with("Amazon EC2") {
        if !is_xen {
            grains.insert("virtual".into(), "Nitro".into());
        }
        let subtype = format!("Amazon EC2 ({product})");
        grains.insert("virtual_subtype".into(), subtype.into());
    } else if dmi("product_version").is_some_and(|v| v.contains(".amazon")) {
        grains.insert("virtual_subtype".into(), "Amazon EC2".into());
    } else if maker.starts_with("Nutanix") && product.starts_with("AHV") {
        grains.insert("virtual_subtype".into(), "Nutanix AHV".into());
    }
}

/// Xen's version and features.
fn hypervisor() -> Map {
    const FEATURES: &[(u32, &str)] = &[
        (0, "writable_page_tables"),
        (1, "writable_descriptor_tables"),
        (2, "auto_translated_physmap"),
        (3, "supervisor_mode_kernel"),
        (4, "pae_pgdir_above_4gb"),
        (5, "mmu_pt_update_preserve_ad"),
        (7, "gnttab_map_avail_bits"),
        (8, "hvm_callback_vector"),
        (9, "hvm_safe_pvclock"),
        (10, "hvm_pirqs"),
        (11, "dom0"),
        (12, "grant_map_identity"),
        (13, "memory_op_vnode_supported"),
        (14, "ARM_SMCCC_supported"),
    ];
    let read = |name: &str| {
        let path = Path::new("/sys/hypervisor").join(name);
        fs::read_to_string(path).ok().map(|t| t.trim().to_owned())
    };
    let mut grains = Map::new();
    if let (Some(major), Some(minor), Some(extra)) = (
        read("version/major"),
        read("version/minor"),
        read("version/extra"),
    ) {
        let version = format!("{major}.{minor}{extra}");
        grains.insert("virtual_hv_version".into(), version.into());
        let info = vec![major, minor, extra];
        grains.insert("virtual_hv_version_info".into(), info.into());
    }
    if let Some(text) = read("properties/features")
        && let Ok(bits) = u64::from_str_radix(text.trim_start_matches("0x"), 16)
    {
        let names = FEATURES.iter().filter(|(bit, _)| bits & (1 << bit) != 0);
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        grains.insert("virtual_hv_features".into(), text.into());
        grains.insert("virtual_hv_features_list".into(), names.into());
    }
    grains
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_programs() {
        assert_eq!(systemd_word("kvm"), Some((Some("kvm"), None)));
        assert_eq!(
            systemd_word("docker"),
            Some((Some("container"), Some("Docker")))
        );
        assert_eq!(systemd_word("none"), None);
        assert_eq!(virt_what("xen\nxen-domU\n"), (Some("xen"), None));
        assert_eq!(virt_what(""), (None, None));
    }

    #[test]
    fn firmware_of_known_makers() {
        assert_eq!(
            firmware("SeaBIOS", "OpenStack Foundation", "OpenStack Nova"),
            (Some("kvm"), None)
        );
        assert_eq!(
            firmware("innotek GmbH", "innotek GmbH", "VirtualBox"),
            (Some("VirtualBox"), None)
        );
        assert_eq!(firmware("LENOVO", "LENOVO", "20XW"), (None, None));
    }
}
