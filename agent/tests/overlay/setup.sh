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
rm -rf /etc/apt/sources.list.d/* /etc/apt/preferences.d/*
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
rm -rf /var/lib/apt/lists/*
for name in parity-svc parity-broken; do
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
look() {
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
    echo "== files"
    find /srv/work -printf '%P %m %U:%G %l\n' 2>/dev/null | sort || true
}
