//! What a golden image must not know: the one list that removing, checking and the docs are made from.
//!
//! One more thing is one more row. A pattern is a path below the root whose parts may be globs; `**` at its end
//! is every file below.

use crate::cli::Section;

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Remove it, with all below it.
    Remove,
    /// Keep the file and its owner, without content.
    Empty,
    /// Remove rotated ones, empty the others.
    Logs,
    /// Give the file this content, unless it has it.
    Put(&'static str),
    /// Keep only lines that say nothing about this instance.
    Lines(Lines),
    /// Remove it when it says that cloud-init wrote it.
    IfOfCloudInit,
}

/// Which lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// `/etc/fstab`: mounts that cloud-init added.
    Fstab,
    /// `/etc/hosts`: the machine's own name.
    Hosts,
}

/// One thing.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) section: Section,
    pub(super) pattern: &'static str,
    pub(super) act: Act,
}

const fn row(section: Section, pattern: &'static str, act: Act) -> Row {
    Row {
        section,
        pattern,
        act,
    }
}

use Act::{Empty, IfOfCloudInit, Logs, Put, Remove};
use Section::{Agents, CloudInit, Cron, History, Machine, Network, Packages, Salt, Ssh};

/// The list.
pub(super) const LIST: &[Row] = &[
    row(Salt, "etc/salt/pki/minion/*", Remove),
    row(Salt, "etc/salt/minion_id", Remove),
    row(Salt, "etc/salt/minion.d/_schedule.conf", Remove),
    row(Salt, "etc/salt/minion.d/??-cloud-init.conf", Remove),
    row(Salt, "etc/salt/minion.d/20-master-bridge.conf", Remove),
    row(Salt, "etc/salt/remaster.order", Remove),
    row(Salt, "var/cache/salt/*", Remove),
    row(Salt, "var/lib/salt-agent/*", Remove),
    row(Salt, "var/log/salt/*", Remove),
    row(Salt, "run/salt/*", Remove),
    row(Salt, "etc/venv-salt-minion/pki/minion/*", Remove),
    row(Salt, "etc/venv-salt-minion/minion_id", Remove),
    row(Salt, "var/cache/venv-salt-minion/*", Remove),
    // Empty and not `uninitialized`: every systemd takes it so, and no unit is enabled or disabled by presets.
    row(Machine, "etc/machine-id", Empty),
    row(Machine, "var/lib/dbus/machine-id", Remove),
    row(Machine, "var/lib/zypp/AnonymousUniqueId", Remove),
    row(Machine, "var/lib/systemd/random-seed", Remove),
    row(Machine, "var/lib/systemd/credential.secret", Remove),
    row(Machine, "var/lib/urandom/random-seed", Remove),
    row(Machine, "boot/loader/random-seed", Remove),
    row(Machine, "boot/efi/loader/random-seed", Remove),
    row(Machine, "etc/hostname", Put("localhost\n")),
    row(Machine, "etc/hosts", Act::Lines(Lines::Hosts)),
    row(CloudInit, "var/lib/cloud/[!s]*", Remove),
    row(CloudInit, "var/lib/cloud/s[!e]*", Remove),
    row(CloudInit, "var/lib/cloud/sem*", Remove),
    row(CloudInit, "var/lib/cloud/seed/*", Remove),
    row(CloudInit, "run/cloud-init/*", Remove),
    row(CloudInit, "var/log/cloud-init*.log", Remove),
    row(CloudInit, "etc/netplan/50-cloud-init.yaml", Remove),
    row(CloudInit, "etc/network/interfaces.d/50-cloud-init*", Remove),
    row(CloudInit, "etc/systemd/network/10-cloud-init-*", Remove),
    row(
        CloudInit,
        "etc/NetworkManager/system-connections/cloud-init-*",
        Remove,
    ),
    row(CloudInit, "etc/NetworkManager/conf.d/*cloud-init*", Remove),
    row(
        CloudInit,
        "etc/sysconfig/network-scripts/ifcfg-*",
        IfOfCloudInit,
    ),
    row(CloudInit, "etc/sysconfig/network/ifcfg-*", IfOfCloudInit),
    row(
        CloudInit,
        "etc/udev/rules.d/70-persistent-net.rules",
        Remove,
    ),
    row(
        CloudInit,
        "etc/ssh/sshd_config.d/50-cloud-init.conf",
        Remove,
    ),
    row(CloudInit, "etc/sudoers.d/90-cloud-init-users", Remove),
    row(CloudInit, "etc/fstab", Act::Lines(Lines::Fstab)),
    row(Ssh, "etc/ssh/ssh_host_*key", Remove),
    row(Ssh, "etc/ssh/ssh_host_*key.pub", Remove),
    row(Ssh, "etc/ssh/ssh_host_*key-cert.pub", Remove),
    row(Ssh, "etc/dropbear/dropbear_*_host_key", Remove),
    row(Ssh, "root/.ssh/*", Remove),
    row(Ssh, "home/*/.ssh/*", Remove),
    row(Network, "var/lib/dhcp/*", Remove),
    row(Network, "var/lib/dhclient/*", Remove),
    row(Network, "var/lib/dhcpcd/*", Remove),
    row(Network, "var/lib/dhcpcd5/*", Remove),
    row(Network, "var/lib/wicked/*", Remove),
    row(Network, "var/lib/NetworkManager/*.lease", Remove),
    row(Network, "var/lib/NetworkManager/secret_key", Remove),
    row(Network, "var/lib/NetworkManager/seen-bssids", Remove),
    row(Network, "var/lib/NetworkManager/timestamps", Remove),
    row(Network, "etc/udev/rules.d/7?-persistent-net.rules", Remove),
    row(Network, "etc/udev/rules.d/75-persistent-*.rules", Remove),
    row(Section::Logs, "var/log/journal/*", Remove),
    row(Section::Logs, "var/log/**", Logs),
    row(Section::Logs, "var/crash/*", Remove),
    row(Section::Logs, "var/lib/systemd/coredump/*", Remove),
    row(Section::Logs, "var/lib/apport/coredump/*", Remove),
    row(Section::Logs, "var/spool/abrt/*", Remove),
    row(History, "root/.*_history", Remove),
    row(History, "home/*/.*_history", Remove),
    row(History, "root/.lesshst", Remove),
    row(History, "home/*/.lesshst", Remove),
    row(History, "root/.viminfo", Remove),
    row(History, "home/*/.viminfo", Remove),
    row(History, "root/.wget-hsts", Remove),
    row(History, "home/*/.wget-hsts", Remove),
    row(History, "root/.local/share/fish/fish_history", Remove),
    row(History, "home/*/.local/share/fish/fish_history", Remove),
    row(History, "root/.cache/*", Remove),
    row(History, "home/*/.cache/*", Remove),
    row(History, "var/mail/*", Remove),
    row(History, "var/spool/mail/*", Remove),
    row(History, "tmp/*", Remove),
    row(History, "var/tmp/*", Remove),
    row(Cron, "var/spool/cron/crontabs/*", Remove),
    row(Cron, "var/spool/cron/[!ac]*", Remove),
    row(Cron, "var/spool/cron/atjobs/*", Remove),
    row(Cron, "var/spool/at/[!.]*", Remove),
    row(Packages, "var/cache/apt/archives/*.deb", Remove),
    row(Packages, "var/cache/apt/archives/partial/*", Remove),
    row(Packages, "var/cache/apt/*.bin", Remove),
    row(Packages, "var/lib/apt/lists/*_*", Remove),
    row(Packages, "var/cache/dnf/*", Remove),
    row(Packages, "var/cache/yum/*", Remove),
    row(Packages, "var/cache/libdnf5/*", Remove),
    row(Packages, "var/cache/zypp/*", Remove),
    row(Agents, "var/lib/ecs/data/*", Remove),
    row(Agents, "var/lib/amazon/ssm/*", Remove),
    row(Agents, "var/lib/waagent/*", Remove),
    row(Agents, "var/lib/puppet/ssl/*", Remove),
    row(Agents, "etc/puppetlabs/puppet/ssl/*", Remove),
    row(Agents, "opt/puppetlabs/puppet/cache/*", Remove),
    row(Agents, "etc/chef/client.pem", Remove),
    row(Agents, "etc/pki/consumer/*", Remove),
    row(Agents, "etc/pki/entitlement/*", Remove),
    row(Agents, "var/lib/rhsm/*", Remove),
    row(Agents, "etc/sysconfig/rhn/systemid", Remove),
    row(Agents, "etc/zypp/credentials.d/*", Remove),
    row(Agents, "var/lib/ubuntu-advantage/private/*", Remove),
    row(Agents, "var/lib/tailscale/*", Remove),
    row(Agents, "etc/krb5.keytab", Remove),
    row(Agents, "var/lib/sss/db/*", Remove),
    row(Agents, "var/lib/samba/private/secrets.tdb", Remove),
    row(Agents, "etc/nvme/hostid", Remove),
    row(Agents, "etc/nvme/hostnqn", Remove),
];

/// What keys speak for masters: they stay with `--keep-trust`.
pub(super) const TRUST: &[&str] = &[
    "etc/salt/pki/minion/minion_master.pub",
    "etc/salt/pki/minion/master_sign.pub",
];

/// The receipt of the last run, which is no leftover.
pub(super) const RECEIPT: &str = "var/lib/salt-agent/generalized.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_below_the_root() {
        for row in LIST {
            let parts: Vec<_> = row.pattern.split('/').collect();
            assert!(parts.iter().all(|p| !p.is_empty() && *p != ".."), "{row:?}");
            // A bare directory of the system must never match as a whole.
            assert!(parts.len() >= 2, "{row:?}");
        }
        let mut patterns: Vec<_> = LIST.iter().map(|row| row.pattern).collect();
        patterns.sort_unstable();
        patterns.dedup();
        assert_eq!(patterns.len(), LIST.len(), "a pattern stands there twice");
    }
}
