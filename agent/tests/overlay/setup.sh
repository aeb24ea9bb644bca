# What both sides find: a package repository, an init script, accounts, and a way to look at what became of them.
set -eu
export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /srv/repo /tmp/deb /var/lib/parity
package() {
    rm -rf /tmp/deb/*
    mkdir -p "/tmp/deb/DEBIAN" "/tmp/deb/etc"
    echo "conf of $1" >"/tmp/deb/etc/$1.conf"
    echo "/etc/$1.conf" >/tmp/deb/DEBIAN/conffiles
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: for a test\n' \
        "$1" "$2" >/tmp/deb/DEBIAN/control
    dpkg-deb --build -Znone /tmp/deb "/srv/repo/$1_$2_all.deb" >/dev/null
    {
        dpkg-deb -f "/srv/repo/$1_$2_all.deb"
        echo "Filename: ./$1_$2_all.deb"
        echo "Size: $(stat -c %s "/srv/repo/$1_$2_all.deb")"
        echo "SHA256: $(sha256sum "/srv/repo/$1_$2_all.deb" | cut -d' ' -f1)"
        echo
    } >>/srv/repo/Packages
}
package parity-one 1.0
package parity-two 1.0
package parity-two 2.0
package parity-three 1.0
for name in vlan bridge-utils ppp ifenslave; do package $name 9.0; done
rm -rf /etc/apt/sources.list.d/* /etc/apt/preferences.d/*
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
echo 'deb [trusted=yes] file:/srv/gone ./' >/etc/apt/sources.list.d/gone.list
printf 'deb [trusted=yes] file:/srv/repo6 ./\ndeb [trusted=yes] file:/srv/repo5 ./\n' >/etc/apt/sources.list.d/stale.list
rm -rf /var/lib/apt/lists/*
for name in parity-svc parity-broken networking; do
    cat >/etc/init.d/$name <<'SVC'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          NAME
# Required-Start:
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: for a test
### END INIT INFO
echo "$1" >>/var/lib/parity/NAME.log
case "$1" in
start) [ NAME != parity-broken ] && touch /var/lib/parity/NAME ;;
stop) rm -f /var/lib/parity/NAME ;;
restart) touch /var/lib/parity/NAME ;;
reload) true ;;
status) [ -e /var/lib/parity/NAME ] || exit 3 ;;
*) exit 1 ;;
esac
SVC
    sed -i "s/NAME/$name/g" /etc/init.d/$name
    chmod 755 /etc/init.d/$name
done
groupadd -g 4190 parity-old
useradd -u 4190 -g 4190 -M -s /bin/sh -c 'Old One,room,1,2' parity-olduser
mkdir -p /srv/old && mount -t tmpfs old /srv/old
printf '# table\n/dev/known /known ext4 defaults 0 0\n/dev/changed /changed ext4 defaults 0 0\n/dev/gone /gone ext4 ro 0 0\nold /srv/old tmpfs defaults 0 0\n' >/var/lib/parity/fstab
# Repositories, archives and checkouts for the states that take them.
for dir in /srv/repo2 /srv/repo3 /srv/repo4 /srv/repo5 /srv/repo6 /srv/gone; do mkdir $dir && : >$dir/Packages; done
mkdir -p /tmp/top/top/in /srv/way/top/link /srv/empty/a/b && cd /tmp/top
echo one >top/one.txt && echo two >'top/in/two words' && ln -s one.txt top/link && echo three >flat
touch -d 2020-01-01T00:00Z top/one.txt top/in/* top/in top flat
tar --sort=name -czf /var/lib/parity/top.tgz top && tar --sort=name -cf /var/lib/parity/flat.tar top flat
cp /var/lib/parity/top.tgz $OUT/srv/
cd /
export GIT_CONFIG_GLOBAL=/tmp/gitconfig GIT_AUTHOR_DATE=2020-01-01T00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00Z
git config --global user.name parity && git config --global user.email parity@example.org
git config --global init.defaultBranch main && git config --global safe.directory '*'
commit() { echo "$2" >"$1/file" && git -C "$1" add file && git -C "$1" commit -qm "$2"; }
{
    git init -q /srv/git && commit /srv/git one && git -C /srv/git tag v1
    git clone -q /srv/git /srv/behind && git clone -q /srv/git /srv/dirty && echo changed >/srv/dirty/file
    git -C /srv/git checkout -qb other && commit /srv/git other
    git -C /srv/git checkout -q main && commit /srv/git two
} >/dev/null 2>&1
useradd -u 4191 -g 4190 -m -s /bin/sh parity-keys
# Programs that are not on every machine, as far as the states need them.
cat >/usr/local/bin/crontab <<'SH'
#!/bin/sh
user=root
[ "$1" = -u ] && user=$2 && shift 2
file=/var/lib/parity/cron.$user
case "$1" in
-l) [ -e "$file" ] || { echo "no crontab for $user" >&2; exit 1; }; cat "$file" ;;
*) cat -- "$1" >"$file.new"; grep -q REFUSED "$file.new" && { rm "$file.new"; echo "bad minute" >&2; exit 1; }; mv "$file.new" "$file" ;;
esac
SH
cat >/usr/local/bin/debconf-get-selections <<'SH'
#!/bin/sh
cat /var/lib/parity/answers
SH
cat >/usr/local/bin/debconf-set-selections <<'SH'
#!/bin/sh
{ cat -- "${1:--}"; echo; } | sed '/^$/d; s/ /\t/; s/ /\t/; s/ /\t/' >>/var/lib/parity/answers
SH
# Volumes as lines of two files: device and group; group, name and mebibytes.
cat >/usr/local/bin/lvm <<'SH'
#!/bin/sh
dir=/var/lib/parity/lvm
mkdir -p $dir && touch $dir/pv $dir/lv
program=${0##*/} words= size=
while [ $# -gt 0 ]; do
    case "$1" in
    -L) size=${2%[Mm]} && shift ;;
    -n) words="$words $2" && shift ;;
    --metadatasize) shift ;;
    -*) ;;
    *) words="$words $1" ;;
    esac
    shift
done
set -- $words
fail() { echo "  $*" >&2; exit 5; }
regroup() { sed -i "s|^$1 .*|$1 $2|" $dir/pv; }
case "$program" in
lvm) printf '  LVM version:     2.03.16(2) (2022-05-18)\n  Library version: 1.02.185 (2022-05-18)\n' ;;
pvdisplay)
    [ -z "${1:-}" ] || grep -q "^$1 " $dir/pv || fail "Failed to find physical volume \"$1\"."
    grep "^${1:-}" $dir/pv | while read -r device group; do
        echo "  $device:$group:2097152:-1:8:8:-1:4096:255:255:0:uuid"
    done ;;
vgdisplay)
    [ -z "${1:-}" ] || grep -q " $1\$" $dir/pv || fail "Volume group \"$1\" not found"
    cut -d' ' -f2 $dir/pv | grep "${1:-.}" | sort -u | while read -r group; do
        echo "  $group:r/w:772:-1:0:0:0:-1:0:1:1:1044480:4096:255:0:255:uuid"
    done ;;
lvdisplay)
    [ -z "${1:-}" ] || [ -n "$(echo "$1" | while IFS=/ read -r _ _ g l; do grep "^$g $l " $dir/lv; done)" ] || fail "Failed to find logical volume \"$1\""
    while read -r group name mib; do
        [ -n "${1:-}" ] && [ "$1" != "/dev/$group/$name" ] && continue
        echo "  /dev/$group/$name:$group:3:1:-1:0:$((mib * 2048)):$((mib / 4)):-1:0:-1:253:0"
    done <$dir/lv ;;
pvcreate) for device; do
        case "$device" in *refused) fail "Cannot use $device: device is refused" ;; esac
        echo "$device " >>$dir/pv
    done ;;
pvremove) for device; do sed -i "\\|^$device |d" $dir/pv; done ;;
vgcreate | vgextend) group=$1; shift; for device; do
        grep -q "^$device " $dir/pv || fail "No PV label found on $device."
        regroup "$device" "$group"
    done ;;
vgremove) cut -d' ' -f1,2 $dir/pv | while read -r device group; do [ "$group" != "$1" ] || regroup "$device" ""; done ;;
lvcreate) [ "$size" -le 1000 ] || fail "Volume group \"$2\" has insufficient free space"; echo "$2 $1 $size" >>$dir/lv ;;
lvresize) echo "$1" | while IFS=/ read -r _ _ group name; do sed -i "s|^$group $name .*|$group $name $size|" $dir/lv; done ;;
lvremove) echo "$1" | while IFS=/ read -r group name; do sed -i "/^$group $name /d" $dir/lv; done ;;
esac
SH
for program in pv vg lv; do
    for action in display create remove; do ln -s lvm /usr/local/bin/$program$action; done
done
ln -s lvm /usr/local/bin/vgextend && ln -s lvm /usr/local/bin/lvresize
# The network of `ifupdown`, which is told and does nothing; no module is loaded into the kernel that tests run on.
for name in ifup ifdown modprobe ifenslave; do
    printf '#!/bin/sh\necho "${0##*/} $*" >>/var/lib/parity/network.log\n' >/usr/local/bin/$name
done
mkdir -p /etc/network/interfaces.d /etc/network/if-up.d /etc/network/if-down.d /etc/ppp/peers /etc/modprobe.d
printf '# head\nauto lo\niface lo inet loopback\n\nauto eth1 eth0\nallow-hotplug eth1\niface eth1 inet static\n\taddress 192.0.2.1\n\taddress 192.0.2.3\n\tnetmask 24\n\tdns-nameservers 192.0.2.2 192.0.2.9\n\tdns-search example.org\n\toffload-rx off\n\tbridge_ports eth0 eth2\n\tbond-mode 1\n\tpre-up echo a\n\tup echo "b c"\n\nsource /etc/network/interfaces.d/*\n' >/etc/network/interfaces
printf 'iface eth9 inet6 auto\n    privext 2\n    accept_ra 0\n' >/etc/network/interfaces.d/nine
printf 'old.example.org\n' >/etc/hostname
# SELinux as two files: its configuration, and its booleans with what they are and will be.
mkdir -p /etc/selinux && printf '# of a test\nSELINUX=enforcing\nSELINUXTYPE=x\n' >/etc/selinux/config
printf 'parity_a off off\nparity_b off on\nparity_bad off off\n' >/var/lib/parity/booleans
cat >/usr/local/bin/semanage <<'SH'
#!/bin/sh
printf 'SELinux boolean                State  Default Description\n\n'
while read -r name state default; do
    printf '%-30s (%s  ,  %s)  Allow %s  to be\n' "$name" "$state" "$default" "$name"
done </var/lib/parity/booleans
SH
cat >/usr/local/bin/setsebool <<'SH'
#!/bin/sh
persist=
[ "$1" = -P ] && persist=1 && shift
for pair; do
    [ "${pair%=*}" != parity_bad ] || exit 1
    if [ -n "$persist" ]; then new='\1 VALUE VALUE'; else new='\1 VALUE \3'; fi
    sed -i "s/^\(${pair%=*}\) \(.*\) \(.*\)/$(echo "$new" | sed "s/VALUE/${pair#*=}/g")/" /var/lib/parity/booleans
done
SH
ln -s setsebool /usr/local/bin/semodule
truncate -s 4M /srv/blocks
# A device of nobody's, and a program that keeps two of its options.
mknod /srv/device b 240 240
echo '0 256' >/var/lib/parity/device
cat >/usr/local/bin/blockdev <<'SH'
#!/bin/sh
read -r ro ra </var/lib/parity/device
for word; do
    case "$word" in
    --setro) ro=1 ;;
    --setrw) ro=0 ;;
    --setra) wanted=1 ;;
    [0-9]*) [ -z "$wanted" ] || ra=$word ;;
    esac
done
echo "$ro $ra" >/var/lib/parity/device
case "$*" in *--get*) printf '%s\n' "$ro" 8192 512 512 512 0 0 256 8192 4194304 "$ra" "$ra" ;; esac
SH
mkdir -p /srv/acl/dir/in && touch /srv/acl/file /srv/acl/list /srv/acl/dir/script && chmod 755 /srv/acl/dir/script
touch /srv/disk1 /srv/disk2 /srv/disk3 /srv/refused
chmod 755 /usr/local/bin/*
printf 'parity-old\tparity/c\tstring\told\n' >/var/lib/parity/answers
printf '# own\n0 0 * * * /bin/own\n# Lines below here are managed by Salt, do not edit\nPATH=/sbin\nGONE=x\n# SALT_CRON_IDENTIFIER:/bin/kept\n* * * * * /bin/kept\n# SALT_CRON_IDENTIFIER:old\n7 * * * * /bin/old\n* * * * * /bin/gone\n@reboot /bin/reboot\n' >/var/lib/parity/cron.root
printf '# top\n127.0.0.1 localhost\n\n192.0.2.1 known.example # kept\n192.0.2.2 gone.example left.example\n192.0.2.5 moved.example warned.example\n' >/etc/hosts
look() {
    echo "== tables"
    cat /etc/hosts /var/lib/parity/cron.* /var/lib/parity/answers /etc/sysctl.d/parity.conf /etc/ssh/ssh_known_hosts 2>/dev/null || true
    for file in /home/parity-keys/.ssh /home/parity-keys/.ssh/*; do
        [ ! -e "$file" ] || stat -c '%n %a %U:%G' "$file"
        [ ! -f "$file" ] || cat "$file"
    done
    readlink /etc/localtime || true
    cat /var/lib/parity/fstab
    grep " /srv/" /proc/mounts || true
    echo "== sources"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/keyrings/*; do
        [ ! -f "$file" ] || { echo "$file" && cat "$file"; }
    done
    find /srv/tree /srv/way /srv/empty -path '*/.git' -prune -o -path '/srv/tree/g6' -prune -o -printf '%p %m %U:%G %l\n' 2>/dev/null | sort || true
    cat /srv/tree/data.* /srv/tree/decoded /srv/behind/file /srv/dirty/file 2>/dev/null || true
    for dir in /srv/tree/g* /srv/behind /srv/dirty; do
        [ ! -d "$dir" ] || git -C "$dir" rev-parse HEAD --abbrev-ref HEAD 2>&1 || true
    done
    for file in passwd group gshadow; do
        echo "== $file"
        grep parity /etc/$file || true
    done
    echo "== shadow"
    # The day of the last change may turn in between.
    grep parity /etc/shadow | cut -d: -f1,2,4- || true
    echo "== homes"
    ls -ldn /home/parity* /srv/parity* 2>/dev/null | awk '{print $1, $3, $4, $NF}' || true
    echo "== packages"
    dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' 'parity-*' 2>/dev/null || true
    ls /etc/parity-*.conf 2>/dev/null || true
    echo "== services"
    cat /var/lib/parity/*.log 2>/dev/null || true
    ls /etc/rc2.d | grep parity || true
    echo "== packet filter"
    iptables -S
    iptables -t nat -S
    ip6tables -S
    grep -v '^#' /var/lib/parity/rules 2>/dev/null || true
    cat /var/lib/parity/lvm/* 2>/dev/null || true
    nft list ruleset ip
    cat /etc/nftables /etc/selinux/config /var/lib/parity/booleans /var/lib/parity/device 2>/dev/null || true
    getfacl --absolute-names -R /srv/acl
    echo "== network"
    for file in /etc/network/interfaces /etc/network/i*.d/* /etc/network/if-*.d/route-* /etc/modprobe.d/bond* /etc/ppp/peers/parity* /etc/default/networking /etc/hostname; do
        [ ! -f "$file" ] || { stat -c '%n %a' "$file" && cat "$file"; }
    done
    echo "== files"
    find /srv/tree -printf '%P %m %U:%G %l\n' 2>/dev/null | sort || true
}
