# libvirt and QEMU of the real level, without systemd and without touching the machine's own. To be sourced.
guests_up() {
  local conf=$ETC/libvirt
  mkdir -p $conf $RUN/libvirt $STATE/nova/instances /etc/libvirt /run/libvirt /run/openvswitch
  printf 'unix_sock_rw_perms = "0700"\nauth_unix_rw = "none"\nlog_outputs = "2:stderr"\n' >$conf/libvirtd.conf
  # The cgroups of a build machine are often not ours to divide, and the console is a file without virtlogd.
  printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'cgroup_controllers = [ ]' 'namespaces = [ ]' \
    'stdio_handler = "file"' 'remember_owner = 0' >$conf/qemu.conf
  # It has these directories built in, and calls ovs-vsctl with OVS's own.
  start libvirtd unshare --mount sh -c "mount --bind $conf /etc/libvirt && mount --bind $RUN/libvirt /run/libvirt &&
    mount --bind $OVS_RUNDIR /run/openvswitch && exec /usr/sbin/libvirtd -p $RUN/libvirtd.own"
  wait_for 30 libvirtd virsh -c "$LIBVIRT_URI" version
}
guests_down() {
  local domain
  if alive libvirtd; then
    for domain in $(virsh -c "$LIBVIRT_URI" list --name 2>/dev/null); do virsh -c "$LIBVIRT_URI" destroy "$domain" >/dev/null; done
  fi
  stop libvirtd 25
}
