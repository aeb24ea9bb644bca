//! Disks: the image with the agent in it, clones of it, and the small disks that clouds give their instances.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Finished, Release};

/// Which cloud the small disk is from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seed {
    /// `cidata`.
    NoCloud,
    /// `config-2`, as OpenStack has it.
    ConfigDrive,
}

/// What the image needs besides what packages bring.
const FILES: &[(&str, &str)] = &[
    ("etc/fstab", "/dev/vda / ext4 noatime 0 1\n"),
    ("etc/hostname", "localhost\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/resolv.conf", "nameserver 10.0.2.3\n"),
    ("etc/machine-id", ""),
    // A virtual switch in user space hands on what the card has not summed up yet, and the receiver throws it away.
    (
        "etc/systemd/network/10-sums.link",
        "[Match]\nDriver=virtio_net\n[Link]\nTransmitChecksumOffload=no\nTCPSegmentationOffload=no\n\
         TCP6SegmentationOffload=no\nGenericSegmentationOffload=no\nNamePolicy=kernel\nMACAddressPolicy=none\n",
    ),
    // Modules that need packages which a minimal root has not would make cloud-init fail as a whole.
    (
        "etc/cloud/cloud.cfg.d/90_test.cfg",
        "datasource_list: [NoCloud, ConfigDrive, None]\n\
         system_info: {network: {renderers: [networkd]}}\n\
         cloud_init_modules: [bootcmd, write-files, set_hostname, update_hostname]\n\
         cloud_config_modules: [runcmd]\n\
         cloud_final_modules: [scripts-user, final-message]\n",
    ),
];

/// The files of an image before anything is added.
pub(crate) fn unpack(files: &Path, work: &Path, name: &str) -> PathBuf {
    let root = work.join(name);
    fs::create_dir(&root).unwrap();
    run(Command::new("tar")
        .args(["--numeric-owner", "-xf"])
        .arg(files.join("root.tar"))
        .arg("-C")
        .arg(&root));
    root
}

/// Installs the agent as whoever makes an image does; how many bytes that added.
pub(crate) fn add_agent(root: &Path, package: &Path) -> u64 {
    let before = used(root);
    fs::copy(package, root.join("root/agent.deb")).unwrap();
    run(Command::new("chroot")
        .arg(root)
        .args(["dpkg", "--install", "/root/agent.deb"]));
    fs::remove_file(root.join("root/agent.deb")).unwrap();
    used(root).saturating_sub(before)
}

/// Installs Salt as PyPI has it, for the image's own Python, with salt-minion's unit; how many bytes that added.
pub(crate) fn add_minion(root: &Path, release: Release) -> u64 {
    let (before, venv) = (used(root), release.venv());
    let place = root.join(venv.strip_prefix("/").unwrap());
    fs::create_dir_all(place.join("bin")).unwrap();
    run(Command::new("cp")
        .arg("-a")
        .arg(venv.join("lib"))
        .arg(&place));
    let program = release.program("salt-minion");
    fs::copy(&program, place.join("bin/salt-minion")).unwrap();
    // Debian's Python is of the release that the environment was made with; its own may lie anywhere.
    let unit = format!(
        "[Unit]\nAfter=network.target\n[Service]\nType=notify\nNotifyAccess=all\nKillMode=process\n\
         Environment=PYTHONPATH={}\nExecStart=/usr/bin/python3 {}\n[Install]\nWantedBy=multi-user.target\n",
        venv.join("lib/python3.11/site-packages").display(),
        program.display()
    );
    fs::write(root.join("etc/systemd/system/salt-minion.service"), unit).unwrap();
    enable(root, &["salt-minion.service"]);
    used(root).saturating_sub(before)
}

fn enable(root: &Path, units: &[&str]) {
    run(Command::new("chroot")
        .arg(root)
        .args(["systemctl", "--quiet", "enable"])
        .args(units));
}

/// The image of such files; they are gone then.
pub(crate) fn image(root: PathBuf, work: &Path, name: &str) -> PathBuf {
    for (path, text) in FILES {
        fs::write(root.join(path), text).unwrap();
    }
    let network = [
        "systemd-networkd.service",
        "systemd-networkd-wait-online.service",
    ];
    enable(&root, &network);
    let raw = work.join(format!("{name}.raw"));
    run(Command::new("truncate").args(["--size", "2G"]).arg(&raw));
    run(Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-L", "root", "-m", "0", "-d"])
        .arg(&root)
        .arg(&raw));
    fs::remove_dir_all(root).unwrap();
    let image = work.join(format!("{name}.qcow2"));
    convert(&["-f", "raw"], &raw, &image);
    fs::remove_file(raw).unwrap();
    image
}

/// The golden image of a disk, as it would be uploaded, and its size.
pub(crate) fn golden(disk: &Path, work: &Path) -> (PathBuf, u64) {
    let golden = work.join("golden.qcow2");
    convert(&["-f", "qcow2", "-c"], disk, &golden);
    let bytes = fs::metadata(&golden).unwrap().len();
    (golden, bytes)
}

fn convert(how: &[&str], from: &Path, to: &Path) {
    run(Command::new("qemu-img")
        .arg("convert")
        .args(how)
        .args(["-O", "qcow2"])
        .arg(from)
        .arg(to));
}

/// A disk of its own on top of an image.
pub(crate) fn clone(work: &Path, image: &Path, name: &str) -> PathBuf {
    let disk = work.join(format!("{name}.qcow2"));
    let mut command = Command::new("qemu-img");
    command
        .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
        .arg(image)
        .arg(&disk);
    run(&mut command);
    disk
}

/// The disk that says who the instance is.
pub(crate) fn seed(work: &Path, name: &str, kind: Seed, user_data: &str) -> PathBuf {
    let dir = work.join(format!("{name}.seed"));
    let (label, top) = match kind {
        Seed::NoCloud => {
            fs::create_dir_all(&dir).unwrap();
            let meta = format!("instance-id: i-{name}\nlocal-hostname: {name}\n");
            fs::write(dir.join("meta-data"), meta).unwrap();
            fs::write(dir.join("user-data"), user_data).unwrap();
            ("cidata", vec!["meta-data", "user-data"])
        }
        Seed::ConfigDrive => {
            let latest = dir.join("openstack/latest");
            fs::create_dir_all(&latest).unwrap();
            let meta = serde_json::json!({
                "uuid": "8b1f1a3e-4f00-4000-8000-00000000000a", "hostname": name, "name": name,
            });
            fs::write(latest.join("meta_data.json"), meta.to_string()).unwrap();
            fs::write(latest.join("user_data"), user_data).unwrap();
            ("config-2", vec!["openstack"])
        }
    };
    let disk = work.join(format!("{name}.seed.img"));
    run(Command::new("truncate").args(["--size", "4M"]).arg(&disk));
    run(Command::new("mkfs.vfat").args(["-n", label]).arg(&disk));
    run(Command::new("mcopy")
        .args(["-s", "-o", "-i"])
        .arg(&disk)
        .args(top)
        .arg("::")
        .current_dir(&dir));
    disk
}

/// The bytes of a tree on disk.
fn used(root: &Path) -> u64 {
    let ran = Finished::run(
        Command::new("du")
            .args(["-s", "-B1", "--apparent-size"])
            .arg(root),
    )
    .success();
    ran.stdout
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn run(command: &mut Command) {
    Finished::run(command).success();
}
