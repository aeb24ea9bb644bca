use std::fs;

use super::*;

const UUID: &str = "8b1f1a3e-4f00-4000-8000-00000000000a";

fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let file = dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let machine = Machine {
        root: dir.path().to_owned(),
        mount_at: dir.path().join("mnt"),
        metadata_url: String::new(),
        sources: vec![
            IdentitySource::ConfigDrive,
            IdentitySource::Metadata,
            IdentitySource::Machine,
        ],
        chosen: false,
        given: None,
        drive: None,
    };
    (dir, machine)
}

#[test]
fn a_container_is_not_what_its_hosts_firmware_says() {
    let files = [
        ("sys/class/dmi/id/product_uuid", UUID),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ];
    let (_dir, vm) = machine(&files);
    let seen = vm.evidence();
    assert_eq!(seen.uuid.as_deref(), Some(UUID));
    assert_eq!(
        seen.machine_id.as_deref(),
        Some("0123456789abcdef0123456789abcdef")
    );
    let (_dir, container) = machine(&[files[0], ("run/systemd/container", "systemd-nspawn")]);
    assert_eq!(container.evidence(), Evidence::default());
    for junk in [NO_UUID[0], NO_UUID[2], "Not Settable", ""] {
        let (_dir, vm) = machine(&[("sys/class/dmi/id/product_uuid", junk)]);
        assert_eq!(vm.evidence().uuid, None, "{junk}");
    }
    let (_dir, fresh) = machine(&[("etc/machine-id", "uninitialized\n")]);
    assert_eq!(fresh.evidence().machine_id, None);
}

#[test]
fn this_boots_cloud_init_is_believed_and_the_parents_is_not() {
    let parents = ("var/lib/cloud/data/instance-id", "i-parent\n");
    let (_dir, vm) = machine(&[parents]);
    assert_eq!(vm.evidence().instance, None);
    let (_dir, vm) = machine(&[parents, ("run/cloud-init/.instance-id", "i-own\n")]);
    assert_eq!(vm.evidence().instance.as_deref(), Some("i-own"));
}

#[test]
fn a_seed_and_a_config_drive_name_the_instance() {
    let seed = (
        "var/lib/cloud/seed/nocloud/meta-data",
        "instance-id: iid-7\nlocal-hostname: web7\n",
    );
    let (_dir, vm) = machine(&[seed]);
    assert_eq!(vm.evidence().instance.as_deref(), Some("iid-7"));
    let found = places::local(&vm.root, None, &vm.mount_at).unwrap();
    assert_eq!(found.hostname.as_deref(), Some("web7"));
    let json = format!(r#"{{"uuid": "{UUID}", "name": "web8"}}"#);
    let (dir, mut vm) = machine(&[
        seed,
        ("drive/openstack/latest/meta_data.json", json.as_str()),
    ]);
    vm.drive = Some(dir.path().join("drive"));
    assert_eq!(
        vm.evidence().instance.as_deref(),
        Some(UUID),
        "the config drive first"
    );
}

#[test]
fn uuids_are_the_same_in_either_byte_order() {
    let swapped = "3E1A1F8B-004F-0040-8000-00000000000A";
    assert!(same_uuid(UUID, swapped) && same_uuid(swapped, UUID));
    assert!(!same_uuid(UUID, "8b1f1a3e-4f00-4000-8000-00000000000b"));
    assert!(!same_uuid("é-1-2-3-4", "iid-1"));
    assert!(is_uuid(UUID) && !is_uuid("iid-1") && !is_uuid("é"));
}
