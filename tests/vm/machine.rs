//! One VM. It reaches nothing but its master, by one address that QEMU forwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Master, Process, until, until_some};

/// Where the master is, as the VM sees it.
pub(crate) const MASTER: &str = "10.0.2.100";

/// Without what would only take time: an emulated processor has no flaws and no timers that must be tried.
const KERNEL: &str = "root=/dev/vda console=ttyS0 net.ifnames=0 panic=-1 loglevel=4 systemd.show_status=1 \
                      mitigations=off nokaslr no_timer_check apparmor=0 audit=0 random.trust_cpu=on";

/// A VM that runs; it ends with this.
pub(crate) struct Machine {
    name: String,
    process: std::cell::RefCell<Process>,
    console: PathBuf,
}

impl Machine {
    /// Switches it on.
    pub(crate) fn boot(
        name: &str,
        files: &Path,
        work: &Path,
        disk: &Path,
        seed: &Path,
        master: &Master,
    ) -> Self {
        let console = work.join(format!("{name}.console"));
        let forward = |port: u16| {
            let to = format!("socat - TCP:{}:{port}", master.address);
            format!(",guestfwd=tcp:{MASTER}:{port}-cmd:{to}")
        };
        let net = format!("user,id=n0,restrict=on{}{}", forward(4505), forward(4506));
        // Hardware help is not looked for: a KVM that is there, and never comes to the kernel's first line, was seen.
        let accelerator =
            std::env::var("VM_ACCEL").unwrap_or_else(|_| "tcg,thread=multi,tb-size=256".to_owned());
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args([
                "-name",
                name,
                "-M",
                "q35,usb=off,vmport=off",
                "-accel",
                &accelerator,
            ])
            .args([
                "-cpu",
                "qemu64",
                // Without hardware help two would mostly wait for each other.
                "-smp",
                "1",
                "-m",
                "512",
                "-nodefaults",
                "-no-user-config",
            ])
            .args(["-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(files.join("vmlinuz"))
            .arg("-initrd")
            .arg(files.join("initrd"))
            .args(["-append", KERNEL])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-drive")
            .arg(format!(
                "if=none,id=d0,file={},format=qcow2,cache=unsafe,discard=unmap",
                disk.display()
            ))
            .args(["-device", "virtio-blk-pci,drive=d0"])
            .arg("-drive")
            .arg(format!(
                "if=none,id=d1,file={},format=raw,readonly=on",
                seed.display()
            ))
            .args([
                "-device",
                "virtio-blk-pci,drive=d1",
                "-device",
                "virtio-rng-pci",
            ])
            .args([
                "-netdev",
                &net,
                "-device",
                "virtio-net-pci,netdev=n0,romfile=",
            ]);
        let process = Process::start(&mut command, &work.join(format!("{name}.qemu")));
        Self {
            name: name.to_owned(),
            process: process.into(),
            console,
        }
    }

    /// What it printed on its serial port.
    pub(crate) fn console(&self) -> &Path {
        &self.console
    }

    /// Waits for a line with both pieces.
    pub(crate) fn wait_line(&self, seconds: u64, piece: &str, other: &str) -> String {
        let what = format!("{piece:?} with {other:?} on the console of {}", self.name);
        until_some(seconds, &what, || {
            let ended = self.process.borrow_mut().ended();
            let bytes = std::fs::read(&self.console).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let mut lines = text.lines();
            let line = lines.find(|l| l.contains(piece) && l.contains(other));
            assert!(line.is_some() || ended.is_none(), "the VM ended: {text}");
            line.map(str::to_owned)
        })
    }

    /// Waits until it has switched itself off.
    pub(crate) fn wait_end(&self, seconds: u64) {
        until(seconds, &format!("{} to be off", self.name), || {
            self.process.borrow_mut().ended().is_some()
        });
    }
}
