# A throw-away copy of this machine: mount, process and network name spaces of its own, / an overlay whose changes lie in
# memory. OUT is the machine's own directory; $1 is the script that runs inside.
set -eu
base=$(mktemp -d)
mount -t tmpfs -o size=512m,mode=755 overlay "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
root=$base/root
# An overlay shows no file systems below its own: what else is mounted comes along as it is, but for the kernel's.
while read -r _ where type _; do
    case "$where" in / | /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /run | /run/* | "$base" | "$base"/*) continue ;; esac
    [ "$type" = autofs ] && continue
    [ -e "$root$where" ] || continue
    mount --bind "$where" "$root$where" 2>/dev/null || continue
    mount -o remount,bind,ro "$root$where" 2>/dev/null || true
done </proc/mounts
# What the machine runs is nobody's business in here: no systemd to talk to, no process ids of others.
mount -t tmpfs -o size=16m,mode=755 run "$root/run"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mkdir -p "$root$OUT"
mount --bind "$OUT" "$root$OUT"
exec chroot "$root" /bin/bash "$1"
