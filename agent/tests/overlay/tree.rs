//! What is done to both machines, one SLS after the other. Each is applied in test mode, for real, and once more.

/// Name and text of each SLS.
pub(crate) const TREE: &[(&str, &str)] = &[
    (
        "accounts",
        "
fresh group: {group.present: [{name: parity-g}, {gid: 4101}]}
system group: {group.present: [{name: parity-sys}, {system: true}, {gid: 411}]}
taken gid: {group.present: [{name: parity-taken}, {gid: 4101}]}
known group: {group.present: [{name: parity-old}]}
fresh user:
  user.present:
    - name: parity-u
    - uid: 4102
    - gid: 4101
    - fullname: Some One
    - shell: /bin/sh
    - home: /home/parity-u
    - groups: [parity-old]
bare user: {user.present: [{name: parity-bare}, {uid: 4103}]}
homeless: {user.present: [{name: parity-nohome}, {uid: 4104}, {createhome: false}, {usergroup: true}]}
hashed: {user.present: [{name: parity-hash}, {uid: 4105}, {password: '$6$salt$abcdefgh'}, {enforce_password: true}]}
gid from name: {user.present: [{name: parity-named}, {uid: 4106}, {gid: parity-g}, {roomnumber: '1'}, {workphone: '2'}]}
no such group: {user.present: [{name: parity-x}, {uid: 4107}, {groups: [parity-none]}]}
known user: {user.present: [{name: parity-olduser}]}
members: {group.present: [{name: parity-m}, {gid: 4108}, {members: [parity-u, parity-olduser]}]}
gone user: {user.absent: [{name: parity-none}]}
gone group: {group.absent: [{name: parity-none}]}
",
    ),
    (
        "changes",
        "
moved: {user.present: [{name: parity-u}, {uid: 4102}, {gid: 4190}, {fullname: Other Name}, {shell: /bin/bash}, {groups: [parity-g]}]}
optional: {user.present: [{name: parity-bare}, {optional_groups: [parity-old, parity-none]}]}
kept groups: {user.present: [{name: parity-olduser}, {groups: [parity-g]}, {remove_groups: false}]}
hash changed: {user.present: [{name: parity-hash}, {password: '$6$salt$other'}]}
hash kept: {user.present: [{name: parity-hash}, {password: '$6$salt$third'}, {enforce_password: false}]}
added: {group.present: [{name: parity-m}, {addusers: [parity-bare]}, {delusers: [parity-u]}]}
gid changed: {group.present: [{name: parity-sys}, {gid: 412}]}
",
    ),
    (
        "gone",
        "
user: {user.absent: [{name: parity-bare}]}
purged: {user.absent: [{name: parity-named}, {purge: true}]}
group: {group.absent: [{name: parity-sys}]}
primary: {group.absent: [{name: parity-old}]}
",
    ),
    (
        "files",
        "
dir: {file.directory: [{name: /srv/tree/d}, {user: parity-u}, {group: parity-g}, {mode: '0750'}, {makedirs: true}]}
file: {file.managed: [{name: /srv/tree/f}, {contents: hello}, {user: parity-u}, {group: parity-g}, {mode: '4750'}]}
link: {file.symlink: [{name: /srv/tree/l}, {target: /srv/tree/f}, {user: parity-u}, {group: parity-g}]}
no owner: {file.managed: [{name: /srv/tree/x}, {contents: x}, {user: parity-none}]}
owned: {file.directory: [{name: /srv/tree/d}, {user: root}, {recurse: [user]}]}
as user: {cmd.run: [{name: 'id -un; umask; echo $HOME'}, {runas: parity-u}, {umask: '077'}, {cwd: /}]}
as nobody: {cmd.run: [{name: id}, {runas: parity-none}]}
copy: {file.copy: [{name: /srv/tree/c}, {source: /srv/tree/f}, {user: parity-u}, {group: parity-g}]}
preserved: {file.copy: [{name: /srv/tree/p}, {source: /srv/tree/f}, {preserve: true}]}
edited: {file.append: [{name: /srv/tree/f}, {text: more}]}
absent: {file.absent: [{name: /srv/tree/d}]}
",
    ),
    (
        "crontabs",
        "
fresh: {cron.present: [{name: /bin/one}, {minute: '*/5'}, {identifier: one}, {comment: 'why and wherefore'}]}
plain: {cron.present: [{name: /bin/two}, {hour: 3}]}
special: {cron.present: [{name: /bin/three}, {special: '@daily'}]}
switched off: {cron.present: [{name: /bin/four}, {commented: true}, {dayweek: Sun}]}
kept: {cron.present: [{name: /bin/kept}]}
replaced: {cron.present: [{name: /bin/new}, {identifier: old}]}
other user: {cron.present: [{name: /bin/five}, {user: parity-olduser}]}
refused: {cron.present: [{name: /bin/REFUSED}]}
gone: {cron.absent: [{name: /bin/gone}]}
not there: {cron.absent: [{name: /bin/none}]}
special gone: {cron.absent: [{name: /bin/reboot}, {special: '@reboot'}]}
variable: {cron.env_present: [{name: MAILTO}, {value: me@example.org}]}
variable changed: {cron.env_present: [{name: PATH}, {value: /bin}]}
variable gone: {cron.env_absent: [{name: GONE}]}
variable not there: {cron.env_absent: [{name: NONE}]}
whole: {cron.file: [{name: salt://crontab}, {user: parity-olduser}]}
no user: {cron.file: [{name: salt://crontab}, {user: parity-none}]}
no file: {cron.file: [{name: salt://none}]}
",
    ),
    (
        "hosts",
        "
fresh: {host.present: [{name: parity.example}, {ip: 192.0.2.7}]}
several: {host.present: [{name: several.example}, {ip: [192.0.2.7]}, {comment: why}]}
known: {host.present: [{name: known.example}, {ip: 192.0.2.1}]}
elsewhere: {host.present: [{name: known.example}, {ip: 192.0.2.1}]}
moved: {host.present: [{name: moved.example}, {ip: 192.0.2.3}, {clean: true}]}
warned: {host.present: [{name: warned.example}, {ip: 192.0.2.3}]}
gone: {host.absent: [{name: gone.example}, {ip: 192.0.2.2}]}
not there: {host.absent: [{name: none.example}, {ip: 192.0.2.2}]}
just: {host.only: [{name: 192.0.2.4}, {hostnames: [a.example, b.example]}]}
",
    ),
    (
        "keys",
        "
fresh: {ssh_auth.present: [{name: AAAAB3NzaC1yc2EAAAADAQAB}, {user: parity-keys}, {comment: me}]}
line: {ssh_auth.present: [{name: 'no-pty,command=\"x y\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 you at home'}, {user: parity-keys}]}
changed: {ssh_auth.present: [{name: AAAAB3NzaC1yc2EAAAADAQAB}, {user: parity-keys}, {enc: rsa}, {comment: other}]}
no key: {ssh_auth.present: [{name: 'bad!'}, {user: parity-keys}]}
no kind: {ssh_auth.present: [{name: AAAA}, {user: parity-keys}, {enc: nonsense}]}
no user: {ssh_auth.present: [{name: AAAA}, {user: parity-none}]}
file: {ssh_auth.present: [{name: of a file}, {user: parity-keys}, {source: 'salt://keys.pub'}]}
empty file: {ssh_auth.present: [{name: of an empty file}, {user: parity-keys}, {source: 'salt://accounts.sls'}]}
gone: {ssh_auth.absent: [{name: AAAAC3NzaC1lZDI1NTE5}, {user: parity-keys}]}
not there: {ssh_auth.absent: [{name: BBBB}, {user: parity-keys}]}
host: {ssh_known_hosts.present: [{name: host.example}, {user: parity-keys}, {key: AAAAB3NzaC1yc2EAAAADAQAB}, {enc: ssh-rsa}, {hash_known_hosts: false}]}
host of all: {ssh_known_hosts.present: [{name: host.example}, {key: AAAAB3NzaC1yc2EAAAADAQAB}, {enc: ssh-rsa}, {hash_known_hosts: false}]}
host gone: {ssh_known_hosts.absent: [{name: host.example}]}
host not there: {ssh_known_hosts.absent: [{name: none.example}, {user: parity-keys}]}
nowhere: {ssh_known_hosts.absent: [{name: none.example}, {config: relative}]}
",
    ),
    (
        "system",
        "
parameter: {sysctl.present: [{name: kernel.shmmni}, {value: 4097}, {config: /etc/sysctl.d/parity.conf}]}
set: {sysctl.present: [{name: kernel.shmmni}, {value: '4097'}, {config: /etc/sysctl.d/parity.conf}]}
no parameter: {sysctl.present: [{name: kernel.parity}, {value: 1}, {config: /etc/sysctl.d/parity.conf}]}
zone: {timezone.system: [{name: Europe/Berlin}]}
no zone: {timezone.system: [{name: Nowhere/Land}]}
locale: {locale.present: [{name: C.UTF-8}]}
no locale: {locale.present: [{name: xx_YY.UTF-8}]}
environment: {environ.setenv: [{name: PARITY}, {value: one}]}
seen: {cmd.run: [{name: echo $PARITY}]}
several: {environ.setenv: [{name: several}, {value: {PARITY: one, PARITY_B: two}}]}
emptied: {environ.setenv: [{name: PARITY}, {value: false}]}
taken away: {environ.setenv: [{name: PARITY_B}, {value: false}, {false_unsets: true}]}
no value: {environ.setenv: [{name: PARITY}, {value: 7}]}
answers: {debconf.set: [{name: parity-one}, {data: {parity/a: {type: string, value: some text}, parity/b: {type: boolean, value: true}}}]}
answered: {debconf.set: [{name: parity-old}, {data: {parity/c: {type: string, value: old}}}]}
answers of a file: {debconf.set_file: [{source: 'salt://answers'}]}
no answers: {debconf.set_file: [{source: 'salt://none'}]}
",
    ),
    (
        "functions",
        "
echo: {module.run: [{name: test.echo}, {text: hello}]}
named: {module.run: [{name: test.arg}, {args: [1, two]}, {kwargs: {three: 4}}]}
missing: {module.run: [{name: test.echo}]}
none: {module.run: [{name: parity.none}]}
denied: {module.run: [{name: test.false}]}
code: {module.run: [{name: cmd.run_all}, {cmd: 'exit 3'}, {python_shell: true}]}
several: {module.run: [{test.echo: [{text: hi}]}, {'test.echo:again': [there]}, {test.ping: []}]}
several wrong: {module.run: [{test.echo: []}, {test.false: []}]}
several none: {module.run: [{parity.none: []}, {test.ping: []}]}
list: {module.run: [{args: [1]}, {name: test.arg}]}
waits: {module.wait: [{name: test.echo}, {text: never}]}
changes: {test.succeed_with_changes: []}
watched: {module.wait: [{name: test.echo}, {text: now}, {watch: [{test: changes}]}]}
",
    ),
    (
        "sources",
        "
fresh: {pkgrepo.managed: [{name: 'deb [trusted=yes] file:/srv/repo2 ./'}, {file: /etc/apt/sources.list.d/fresh.list}]}
known: {pkgrepo.managed: [{name: 'deb [trusted=yes] file:/srv/repo ./'}, {file: /etc/apt/sources.list}]}
signed: {pkgrepo.managed: [{name: 'deb [signed-by=/etc/apt/keyrings/parity.gpg trusted=yes] file:/srv/repo3 ./'}, {file: /etc/apt/sources.list.d/signed.list}, {key_url: 'salt://parity.key'}, {aptkey: false}, {refresh: false}]}
switched off: {pkgrepo.managed: [{name: 'deb [trusted=yes] file:/srv/repo4 ./'}, {file: /etc/apt/sources.list.d/off.list}, {disabled: true}]}
cleaned: {pkgrepo.managed: [{name: 'deb [trusted=yes] file:/srv/repo5 ./'}, {file: /etc/apt/sources.list.d/stale.list}, {clean_file: true}]}
no line: {pkgrepo.managed: [{name: nonsense}, {file: /etc/apt/sources.list.d/none.list}]}
both: {pkgrepo.managed: [{name: 'deb file:/x ./'}, {enabled: true}, {disabled: true}]}
gone: {pkgrepo.absent: [{name: 'deb [trusted=yes] file:/srv/gone ./'}]}
not there: {pkgrepo.absent: [{name: 'deb http://none.example/ s main'}]}
",
    ),
    (
        "archives",
        "
fresh: {archive.extracted: [{name: /srv/tree/a}, {source: 'salt://top.tgz'}]}
again: {archive.extracted: [{name: /srv/tree/a}, {source: 'salt://top.tgz'}]}
local: {archive.extracted: [{name: /srv/tree/b}, {source: /var/lib/parity/top.tgz}, {user: parity-olduser}, {group: parity-old}]}
stripped: {archive.extracted: [{name: /srv/tree/c}, {source: /var/lib/parity/top.tgz}, {options: '--strip-components=1'}, {enforce_toplevel: false}]}
summed: {archive.extracted: [{name: /srv/tree/e}, {source: /var/lib/parity/top.tgz}, {source_hash: 'md5=00000000000000000000000000000000'}]}
several: {archive.extracted: [{name: /srv/tree/f}, {source: /var/lib/parity/flat.tar}]}
not several: {archive.extracted: [{name: /srv/tree/f}, {source: /var/lib/parity/flat.tar}, {enforce_toplevel: false}]}
in the way: {archive.extracted: [{name: /srv/way}, {source: /var/lib/parity/top.tgz}]}
there: {archive.extracted: [{name: /srv/tree/h}, {source: /var/lib/parity/top.tgz}, {if_missing: /etc/passwd}]}
none: {archive.extracted: [{name: /srv/tree/i}, {source: /var/lib/parity/none.tgz}]}
unknown: {archive.extracted: [{name: /srv/tree/j}, {source: /etc/passwd}]}
no user: {archive.extracted: [{name: /srv/tree/k}, {source: /var/lib/parity/top.tgz}, {user: parity-none}]}
cached: {file.cached: [{name: 'salt://top.tgz'}]}
not cached: {file.not_cached: [{name: 'salt://crontab'}]}
data: {file.serialize: [{name: /srv/tree/data.json}, {dataset: {b: [1, two], a: {c: null}}}, {serializer: json}]}
yaml: {file.serialize: [{name: /srv/tree/data.yaml}, {dataset: {b: [1, two], a: {c: null}}}]}
merged: {file.serialize: [{name: /srv/tree/data.yaml}, {dataset: {a: {d: 1}, e: x}}, {merge_if_exists: true}]}
decoded: {file.decode: [{name: /srv/tree/decoded}, {encoded_data: aGVsbG8=}]}
tidied: {file.tidied: [{name: /srv/tree/a/top}, {matches: ['.*txt']}]}
pruned: {file.pruned: [{name: /srv/empty}, {recurse: true}]}
not pruned: {file.pruned: [{name: /srv/tree}]}
grain gone: {grains.absent: [{name: parity-none}]}
grain exists: {grains.exists: [{name: os}]}
",
    ),
    (
        "repositories",
        "
fresh: {git.latest: [{name: /srv/git}, {target: /srv/tree/g1}]}
branch: {git.latest: [{name: /srv/git}, {target: /srv/tree/g2}, {rev: other}, {branch: other}]}
tag: {git.latest: [{name: /srv/git}, {target: /srv/tree/g3}, {rev: v1}]}
behind: {git.latest: [{name: /srv/git}, {target: /srv/behind}, {rev: main}]}
dirty: {git.latest: [{name: /srv/git}, {target: /srv/dirty}, {rev: main}]}
forced: {git.latest: [{name: /srv/git}, {target: /srv/dirty}, {rev: main}, {force_reset: true}]}
no rev: {git.latest: [{name: /srv/git}, {target: /srv/tree/g4}, {rev: none}]}
no remote: {git.latest: [{name: /srv/none}, {target: /srv/tree/g5}]}
occupied: {git.latest: [{name: /srv/git}, {target: /etc}]}
bare: {git.latest: [{name: /srv/git}, {target: /srv/tree/g6}, {bare: true}]}
cloned: {git.cloned: [{name: /srv/git}, {target: /srv/tree/g7}, {branch: other}]}
configured: {git.config_set: [{name: user.name}, {value: Some One}, {repo: /srv/behind}]}
",
    ),
    (
        "mounts",
        "
fresh: {mount.mounted: [{name: /srv/mnt}, {device: parity}, {fstype: tmpfs}, {mkmnt: true}, {opts: size=1m}, {config: /var/lib/parity/fstab}]}
no place: {mount.mounted: [{name: /srv/none}, {device: parity}, {fstype: tmpfs}, {persist: false}]}
no device: {mount.mounted: [{name: /srv/mnt2}, {device: /dev/none}, {fstype: ext4}, {mkmnt: true}, {persist: false}]}
not now: {mount.mounted: [{name: /srv/later}, {device: later}, {fstype: tmpfs}, {mount: false}, {config: /var/lib/parity/fstab}]}
entry: {mount.fstab_present: [{name: /dev/entry}, {fs_file: /entry}, {fs_vfstype: ext4}, {mount: false}, {config: /var/lib/parity/fstab}]}
known: {mount.fstab_present: [{name: /dev/known}, {fs_file: /known}, {fs_vfstype: ext4}, {mount: false}, {config: /var/lib/parity/fstab}]}
changed: {mount.fstab_present: [{name: /dev/changed}, {fs_file: /changed}, {fs_vfstype: ext4}, {fs_mntops: ro}, {mount: false}, {config: /var/lib/parity/fstab}]}
gone: {mount.fstab_absent: [{name: /dev/gone}, {fs_file: /gone}, {config: /var/lib/parity/fstab}]}
not there: {mount.fstab_absent: [{name: /dev/none}, {fs_file: /none}, {config: /var/lib/parity/fstab}]}
unmounted: {mount.unmounted: [{name: /srv/old}, {persist: true}, {config: /var/lib/parity/fstab}]}
not mounted: {mount.unmounted: [{name: /srv/none}]}
",
    ),
    (
        "passwords",
        "
aged: {user.present: [{name: parity-age}, {uid: 4110}, {password: '$6$salt$aged'}, {mindays: 3}, {maxdays: 90}, {warndays: 5}, {inactdays: 10}, {expire: 30000}, {date: 19000}]}
empty: {user.present: [{name: parity-empty}, {uid: 4111}, {empty_password: true}]}
both: {user.present: [{name: parity-both}, {uid: 4112}, {empty_password: true}, {password: '$6$salt$both'}]}
zero: {user.present: [{name: parity-zero}, {uid: 4113}, {mindays: 0}, {inactdays: 0}, {date: 0}]}
own group: {user.present: [{name: parity-old}, {uid: 4114}, {optional_groups: [parity-old]}]}
locked: {user.present: [{name: parity-hash}, {password_lock: true}]}
locked again: {user.present: [{name: parity-hash}, {password_lock: true}]}
unlocked: {user.present: [{name: parity-hash}, {password_lock: false}]}
ages: {user.present: [{name: parity-olduser}, {mindays: 1}, {maxdays: 50}, {warndays: 0}, {inactdays: -1}, {expire: 30000}]}
never: {user.present: [{name: parity-olduser}, {expire: -1}]}
text: {user.present: [{name: parity-olduser}, {maxdays: '5'}]}
with password: {user.present: [{name: parity-hash}, {password: '$6$salt$new'}, {maxdays: 33}]}
same password: {user.present: [{name: parity-hash}, {password: '$6$salt$new'}, {maxdays: 34}]}
in clear: {user.present: [{name: parity-hash}, {password: secret}, {hash_password: true}]}
looked at: {module.run: [{shadow.info: [parity-age]}, {'shadow.info:none': [parity-none]}, {shadow.default_hash: []}]}
set: {module.run: [{shadow.set_maxdays: [parity-age, 91]}, {shadow.set_date: [parity-age, 19001]}, {shadow.lock_password: [parity-age]}, {'shadow.set_mindays:none': [parity-none, 1]}]}
by hash: {module.run: [{shadow.set_password: [parity-age, '$6$salt$set']}, {shadow.del_password: [parity-both]}, {shadow.unlock_password: [parity-age]}]}
made: {module.run: [{shadow.gen_password: [secret, {crypt_salt: salt}, {algorithm: sha256}]}]}
",
    ),
    (
        "packages",
        "
lists: {cmd.run: [{name: 'rm -f /etc/apt/sources.list.d/*; echo deb [trusted=yes] file:/srv/repo ./ >/etc/apt/sources.list; apt-get -q update >/dev/null 2>&1'}]}
fresh: {pkg.installed: [{name: parity-one}]}
held: {pkg.installed: [{name: parity-two}, {version: '1.0'}, {hold: true}]}
held already: {pkg.installed: [{name: parity-two}, {hold: true}]}
several: {pkg.installed: [{pkgs: [parity-one, parity-three]}, {hold: true}]}
released: {pkg.installed: [{name: parity-one}, {hold: false}]}
released again: {pkg.installed: [{name: parity-one}, {hold: false}]}
none: {pkg.installed: [{name: parity-none}, {hold: true}]}
nothing to do: {pkg.uptodate: [{refresh: false}]}
newer: {pkg.installed: [{name: parity-two}, {version: '2.0'}]}
let go: {pkg.unheld: [{name: parity-two}]}
older: {pkg.installed: [{name: parity-two}, {version: '1.0'}]}
up to date: {pkg.uptodate: [{refresh: false}]}
queries: {module.run: [{pkg.owner: [/etc/parity-one.conf]}, {pkg.list_upgrades: [{refresh: false}]}, {pkg.get_selections: [{pattern: 'parity-*'}]}, {pkg.which: [{path: /etc/parity-one.conf}]}, {pkg.file_list: [parity-one]}, {pkg.file_dict: [parity-three]}, {pkg.show: [parity-two, {filter: 'description,architecture'}]}, {pkg.parse_arch: [{name: 'a:i386'}]}, {pkg.normalize_name: [{name: 'a:amd64'}]}]}
selected: {module.run: [{pkg.set_selections: [{selection: {hold: [parity-one]}}]}, {pkg.hold: [{name: parity-none}]}, {pkg.unhold: [{name: parity-two}]}, {pkg.autoremove: [{list_only: true}]}]}
purged but held: {pkg.purged: [{name: parity-three}]}
let go, too: {pkg.unheld: [{all: true}, {pkgs: []}]}
purged: {pkg.purged: [{name: parity-three}]}
",
    ),
    (
        "firewall",
        "
own chain: {iptables.chain_present: [{name: OWN}]}
again: {iptables.chain_present: [{name: OWN}]}
ssh: {iptables.append: [{chain: INPUT}, {jump: ACCEPT}, {match: state}, {connstate: NEW}, {dport: 22}, {protocol: tcp}, {sport: '1025:65535'}]}
in test and for real: {iptables.append: [{table: filter}, {chain: OWN}, {jump: ACCEPT}, {source: '!10.0.0.0/8'}, {proto: udp}, {dports: [53, 67]}, {comment: two words}, {save: /var/lib/parity/rules}]}
saved: {iptables.append: [{chain: OWN}, {jump: DROP}, {if: lo}, {save: /var/lib/parity/rules}]}
first: {iptables.insert: [{chain: INPUT}, {position: 1}, {jump: OWN}]}
from the end: {iptables.insert: [{chain: INPUT}, {position: -1}, {jump: DROP}, {protocol: icmp}]}
six: {iptables.append: [{family: ipv6}, {chain: INPUT}, {jump: ACCEPT}, {protocol: tcp}, {dport: 22}]}
no protocol: {iptables.append: [{chain: INPUT}, {jump: ACCEPT}, {dports: '80,443'}]}
no target: {iptables.append: [{chain: INPUT}, {jump: NONE}, {protocol: tcp}]}
no chain: {iptables.append: [{jump: ACCEPT}]}
gone: {iptables.delete: [{chain: OWN}, {jump: DROP}, {if: lo}, {save: /var/lib/parity/rules}]}
not there: {iptables.delete: [{chain: OWN}, {jump: DROP}, {if: eth9}]}
by place: {iptables.delete: [{chain: INPUT}, {position: 1}]}
policy: {iptables.set_policy: [{chain: FORWARD}, {policy: DROP}]}
in use: {iptables.chain_absent: [{name: OWN}]}
no such: {iptables.chain_absent: [{name: NONE}]}
flushed: {iptables.flush: [{table: nat}, {chain: POSTROUTING}]}
nat: {iptables.append: [{table: nat}, {chain: POSTROUTING}, {jump: MASQUERADE}, {of: lo}]}
looked at: {module.run: [{iptables.get_rules: []}, {iptables.get_policy: [{chain: FORWARD}]}, {iptables.check_chain: [{chain: OWN}]}, {iptables.check: [{chain: INPUT}, {rule: '-p tcp --dport 1 -j ACCEPT'}]}, {iptables.get_saved_policy: [{chain: INPUT}, {conf_file: /var/lib/parity/rules}]}]}
built: {module.run: [{iptables.build_rule: [{full: 'True'}, {command: A}, {chain: INPUT}, {jump: LOG}, {log-prefix: 'a b'}, {match: 'limit'}, {limit: 5/min}, {match-set: [a src, '!b dst']}]}]}
changed: {module.run: [{iptables.append: [{chain: INPUT}, {rule: '-p tcp --dport 9 -j DROP'}]}, {iptables.insert: [{chain: INPUT}, {position: 1}, {rule: '-p tcp --dport 10 -j DROP'}]}, {iptables.delete: [{table: filter}, {chain: INPUT}, {rule: '-p tcp --dport 9 -j DROP'}]}, {iptables.new_chain: [{chain: TWO}]}, {iptables.delete_chain: [{chain: TWO}]}, {iptables.flush: [{chain: INPUT}]}, {iptables.set_policy: [{chain: FORWARD}, {policy: ACCEPT}]}]}
",
    ),
    (
        "volumes",
        "
physical: {lvm.pv_present: [{name: /srv/disk1}]}
again: {lvm.pv_present: [{name: /srv/disk1}]}
second: {lvm.pv_present: [{name: /srv/disk2}, {metadatasize: 1m}]}
missing: {lvm.pv_present: [{name: /srv/none}]}
refused: {lvm.pv_present: [{name: /srv/refused}]}
group: {lvm.vg_present: [{name: parity}, {devices: [/srv/disk1]}]}
more: {lvm.vg_present: [{name: parity}, {devices: '/srv/disk1,/srv/disk2,/srv/disk3'}]}
other: {lvm.vg_present: [{name: other}, {devices: /srv/disk3}]}
cut: {lvm.lv_present: [{name: data}, {vgname: parity}, {size: 100M}]}
there: {lvm.lv_present: [{name: data}, {vgname: parity}, {size: 100M}]}
grown: {lvm.lv_present: [{name: data}, {vgname: parity}, {size: 200M}]}
smaller: {lvm.lv_present: [{name: data}, {vgname: parity}, {size: 120M}]}
forced: {lvm.lv_present: [{name: data}, {vgname: parity}, {size: 120M}, {force: true}]}
share: {lvm.lv_present: [{name: data}, {vgname: parity}, {extents: 100%FREE}]}
too large: {lvm.lv_present: [{name: large}, {vgname: parity}, {size: 2000M}]}
both: {lvm.lv_present: [{name: large}, {vgname: parity}, {size: 20M}, {extents: 5}]}
unit: {lvm.lv_present: [{name: large}, {vgname: parity}, {size: 2x}]}
looked at: {module.run: [{lvm.pvdisplay: []}, {lvm.vgdisplay: [{vgname: parity}]}, {lvm.lvdisplay: []}, {lvm.version: []}, {lvm.fullversion: []}, {'lvm.pvdisplay:real': [{pvname: /srv/disk1}, {real: true}]}]}
gone: {lvm.lv_absent: [{name: data}, {vgname: parity}]}
gone again: {lvm.lv_absent: [{name: data}, {vgname: parity}]}
no group: {lvm.vg_absent: [{name: parity}]}
no group again: {lvm.vg_absent: [{name: parity}]}
no volume: {lvm.pv_absent: [{name: /srv/disk2}]}
no volume again: {lvm.pv_absent: [{name: /srv/disk2}]}
",
    ),
    (
        "network",
        "
looked at: {module.run: [{ip.get_interface: [eth1]}, {ip.get_network_settings: []}, {ip.get_routes: [eth1]}, {ip.get_bond: [bond0]}]}
loopback: {network.managed: [{name: lo}, {type: eth}, {proto: loopback}]}
static: {network.managed: [{name: eth7}, {proto: static}, {ipaddr: 10.1.0.7}, {netmask: 255.255.255.0}, {gateway: 10.1.0.1}, {dns: [8.8.8.8, 8.8.4.4]}, {search: example.org}, {mtu: 1480}, {hotplug: true}, {enable_ipv6: true}, {ipv6proto: static}, {ipv6ipaddr: '2001:db8::3'}, {ipv6netmask: 64}, {ipv6gateway: '2001:db8::1'}, {ttl: 18}, {ipv6ttl: 15}, {up_cmds: [echo a, 'echo b c']}, {pre_down_cmds: echo d}, {noifupdown: true}]}
many addresses: {network.managed: [{name: eth6}, {proto: static}, {ipaddrs: [10.2.0.1/24, 10.2.0.2/24]}, {addr: '00:11:22:33:44:55'}, {metric: '7'}, {dns: '1.1.1.1 9.9.9.9'}]}
both addresses: {network.managed: [{name: eth5}, {proto: dhcp}, {addr: a}, {hwaddr: '00:11:22:33:44:56'}, {hostname: x}, {leasetime: 5}]}
not there: {network.managed: [{name: eth7}, {proto: manual}, {ipaddr: 10.1.0.300}, {mtu: many}, {enabled: false}]}
disabled: {network.managed: [{name: lo}, {enabled: false}, {proto: loopback}, {enable_ipv4: false}]}
card: {network.managed: [{name: eth4}, {proto: dhcp}, {speed: '100'}, {duplex: full}, {autoneg: true}, {rx: 'off'}, {tso: 1}, {lro: 0}]}
card of numbers: {network.managed: [{name: eth4}, {proto: dhcp}, {speed: 1000}]}
slow card: {network.managed: [{name: eth4}, {proto: dhcp}, {speed: 11}]}
odd card: {network.managed: [{name: eth4}, {proto: dhcp}, {duplex: both}]}
odder card: {network.managed: [{name: eth4}, {proto: dhcp}, {gro: maybe}]}
no kind: {network.managed: [{name: eth4}, {type: odd}]}
vlan: {network.managed: [{name: eth7.12}, {type: vlan}, {ipaddr: 10.1.12.7}, {proto: static}, {netmask: 24}]}
bridge: {network.managed: [{name: br0}, {type: bridge}, {proto: dhcp}, {ports: [eth4, eth5]}, {fd: '0'}, {hello: 2}, {stp: 'off'}, {bridgeprio: 5}, {pathcost: eth4 10}, {hw: '00:11:22:33:44:55'}, {waitport: 30 eth4}]}
no ports: {network.managed: [{name: br1}, {type: bridge}]}
odd bridge: {network.managed: [{name: br1}, {type: bridge}, {ports: eth4}, {pathcost: eth4}]}
odd wait: {network.managed: [{name: br1}, {type: bridge}, {ports: eth4}, {waitport: eth4}]}
slave: {network.managed: [{name: eth3}, {type: slave}, {master: bond0}]}
no master: {network.managed: [{name: eth3}, {type: slave}]}
{% for mode in ['balance-rr', '1', 'balance-xor', '3', '802.3ad', 'balance-tlb', '6', 4, 'odd'] %}
bond {{ mode }}: {network.managed: [{name: bond{{ loop.index0 }}}, {type: bond}, {mode: '{{ mode }}'}, {slaves: [eth3, eth2]}, {proto: static}, {ipaddr: 10.3.0.1}, {arp_ip_target: [10.3.0.2, 10.3.0.3]}, {miimon: 50}, {downdelay: '300'}, {lacp_rate: fast}, {use_carrier: 'off'}, {primary: eth2}, {hashing-algorithm: layer3+4}, {test: true}]}
{% endfor %}
plain bond: {network.managed: [{name: bond20}, {type: bond}, {mode: '4'}, {slaves: eth3 eth2}, {proto: manual}, {test: true}]}
bond without: {network.managed: [{name: bond21}, {type: bond}, {mode: '0'}, {slaves: eth3}]}
bond of none: {network.managed: [{name: bond21}, {type: bond}, {mode: '0'}]}
odd bond: {network.managed: [{name: bond21}, {type: bond}, {mode: '1'}, {slaves: eth3}, {miimon: often}]}
peer: {network.managed: [{name: ppp0}, {type: pppoe}, {proto: ppp}, {user: me}, {password: secret}, {provider: parity-peer}, {noauth: false}, {mtu: 1400}, {linkname: l}, {holdoff: ''}]}
small peer: {network.managed: [{name: ppp1}, {type: pppoe}, {proto: ppp}, {user: me}, {provider: parity-two}]}
included: {network.managed: [{name: more}, {type: source}, {source: /etc/network/more/*}]}
own file: {network.managed: [{name: eth8}, {proto: manual}, {filename: eight}, {noifupdown: true}]}
elsewhere: {network.managed: [{name: eth8}, {proto: manual}, {filename: /none/eight}]}
range: {network.managed: [{name: eth1-range0}, {proto: manual}]}
routes: {network.routes: [{name: eth7.12}, {routes: [{name: lan, ipaddr: 10.9.0.0, netmask: 16, gateway: 10.1.0.1}, {ipaddr: 10.8.0.0/16, metric: 5}]}]}
routes again: {network.routes: [{name: eth7}, {routes: [{ipaddr: 10.9.0.0, netmask: 255.255.0.0, gateway: 10.1.0.1}]}]}
routes changed: {network.routes: [{name: eth7}, {routes: [{ipaddr: 10.9.0.0, netmask: 255.255.0.0, gateway: 10.1.0.2}]}]}
no routes: {network.routes: [{name: eth7}]}
system: {network.system: [{enabled: true}, {hostname: new.example.org}, {require_reboot: true}]}
system again: {network.system: [{enabled: 'yes'}, {hostname: other}]}
odd system: {network.system: [{enabled: maybe}]}
",
    ),
    (
        "nft",
        "
table: {nftables.table_present: [{name: parity}]}
again: {nftables.table_present: [{name: parity}]}
six: {nftables.table_present: [{name: six}, {family: inet}]}
base chain: {nftables.chain_present: [{name: input}, {table: parity}, {table_type: filter}, {hook: input}, {priority: 0}]}
own chain: {nftables.chain_present: [{name: own}, {table: parity}]}
own chain again: {nftables.chain_present: [{name: own}, {table: parity}]}
half a chain: {nftables.chain_present: [{name: half}, {table: parity}, {hook: input}]}
no table: {nftables.chain_present: [{name: own}, {table: none}]}
ssh: {nftables.append: [{table: parity}, {chain: input}, {jump: accept}, {match: state}, {connstate: new}, {dport: 22}, {proto: tcp}, {sport: '1025:65535'}]}
ssh again: {nftables.append: [{table: parity}, {chain: input}, {jump: accept}, {match: state}, {connstate: new}, {dport: 22}, {proto: tcp}, {sport: '1025:65535'}]}
ports: {nftables.append: [{table: parity}, {chain: own}, {jump: drop}, {proto: udp}, {dports: '53,67'}, {source: 10.0.0.0/8}, {counter: true}, {save: true}]}
one port: {nftables.append: [{table: parity}, {chain: own}, {jump: accept}, {proto: tcp}, {dport: 80}]}
one port again: {nftables.append: [{table: parity}, {chain: own}, {jump: accept}, {proto: tcp}, {dport: 80}]}
first: {nftables.insert: [{table: parity}, {chain: own}, {position: ''}, {jump: accept}, {proto: tcp}, {dport: 81}]}
no position: {nftables.insert: [{table: parity}, {chain: own}, {jump: accept}, {proto: tcp}, {dport: 82}]}
wrong: {nftables.append: [{table: parity}, {chain: own}, {jump: nowhere}, {proto: tcp}, {dport: 83}]}
no chain: {nftables.append: [{table: parity}, {jump: accept}]}
odd family: {nftables.append: [{table: parity}, {chain: own}, {family: odd}]}
odd ports: {nftables.append: [{table: parity}, {chain: own}, {jump: accept}, {proto: tcp}, {dports: 'ssh,80'}]}
not there: {nftables.delete: [{table: parity}, {chain: own}, {jump: accept}, {proto: tcp}, {dport: 99}]}
policy: {nftables.set_policy: [{table: parity}, {chain: input}, {policy: drop}]}
no base: {nftables.set_policy: [{table: parity}, {chain: own}, {policy: drop}]}
looked at: {module.run: [{nftables.list_tables: []}, {nftables.get_rules: []}, {nftables.check: [{table: parity}, {chain: own}, {rule: 'tcp dport 80 accept'}]}, {nftables.get_rule_handle: [{table: parity}, {chain: own}, {rule: 'tcp dport 80 accept'}]}, {nftables.check_chain: [{table: parity}, {chain: none}]}, {nftables.get_policy: [{table: parity}, {chain: input}]}, {nftables.get_saved_rules: []}, {nftables.version: []}]}
built: {module.run: [{nftables.build_rule: [{full: 'True'}, {table: parity}, {chain: own}, {command: insert}, {position: 3}, {if: lo}, {of: eth0}, {icmp-type: echo-request}, {to-port: 80}, {reject-with: tcp reset}]}]}
flushed: {nftables.flush: [{table: parity}, {chain: own}]}
no such chain: {nftables.flush: [{table: parity}, {chain: none}]}
no such table: {nftables.flush: [{table: none}]}
never mind: {nftables.flush: [{table: none}, {chain: none}, {ignore_absence: true}]}
gone: {nftables.table_absent: [{name: six}, {family: inet}]}
gone again: {nftables.table_absent: [{name: six}, {family: inet}]}
",
    ),
    (
        "blocks",
        "
formatted: {blockdev.formatted: [{name: /srv/blocks}, {fs_type: ext2}, {force: true}]}
again: {blockdev.formatted: [{name: /srv/blocks}, {fs_type: ext2}, {force: true}]}
missing: {blockdev.formatted: [{name: /srv/none}]}
odd: {blockdev.formatted: [{name: /srv/blocks}, {fs_type: odd}]}
no device: {blockdev.tuned: [{name: /srv/blocks}, {read-ahead: 128}]}
tuned: {blockdev.tuned: [{name: /srv/device}, {read-ahead: 128}, {read-only: true}]}
tuned again: {blockdev.tuned: [{name: /srv/device}, {read-ahead: 128}]}
",
    ),
    (
        "selinux",
        "
permissive: {selinux.mode: [{name: permissive}]}
disabled: {selinux.mode: [{name: 'Disabled'}]}
disabled again: {selinux.mode: [{name: disabled}]}
odd: {selinux.mode: [{name: odd}]}
one: {selinux.boolean: [{name: parity_a}, {value: true}]}
several: {selinux.boolean: [{value: 'off'}, {persist: true}, {booleans: [parity_a, {parity_b: 1}]}]}
none: {selinux.boolean: [{name: none}, {value: true}]}
odd value: {selinux.boolean: [{name: parity_a}, {value: maybe}]}
refused: {selinux.boolean: [{name: parity_bad}, {value: true}]}
looked at: {module.run: [{selinux.getenforce: []}, {selinux.getconfig: []}, {selinux.getsebool: [parity_b]}, {selinux.list_sebool: []}]}
",
    ),
    (
        "acls",
        "
present: {acl.present: [{name: /srv/acl/file}, {acl_type: user}, {acl_name: parity-olduser}, {perms: rw}]}
again: {acl.present: [{name: /srv/acl/file}, {acl_type: user}, {acl_name: parity-olduser}, {perms: rw}]}
changed: {acl.present: [{name: /srv/acl/file}, {acl_type: user}, {acl_name: parity-olduser}, {perms: r}]}
recursive: {acl.present: [{name: /srv/acl/dir}, {acl_type: group}, {acl_name: parity-old}, {perms: rwX}, {recurse: true}]}
default: {acl.present: [{name: /srv/acl/dir}, {acl_type: 'd:user'}, {acl_name: parity-olduser}, {perms: rwx}]}
default again: {acl.present: [{name: /srv/acl/dir}, {acl_type: 'default:user'}, {acl_name: parity-olduser}, {perms: rwx}, {recurse: true}]}
mask: {acl.present: [{name: /srv/acl/file}, {acl_type: mask}, {perms: r}]}
group: {acl.present: [{name: /srv/acl/file}, {acl_type: group}, {perms: rwx}]}
forced: {acl.present: [{name: /srv/acl/file}, {acl_type: user}, {acl_name: parity-keys}, {perms: x}, {force: true}]}
nobody: {acl.present: [{name: /srv/acl/file}, {acl_type: user}, {acl_name: parity-none}, {perms: r}]}
no type: {acl.present: [{name: /srv/acl/file}, {acl_type: u}, {acl_name: parity-keys}, {perms: r}]}
missing: {acl.present: [{name: /srv/acl/none}, {acl_type: user}, {acl_name: parity-keys}, {perms: r}]}
odd: {acl.present: [{name: /srv/acl/file}, {acl_type: user}, {acl_name: parity-keys}, {perms: '7'}]}
listed: {acl.list_present: [{name: /srv/acl/list}, {acl_type: user}, {acl_names: [parity-keys, parity-olduser]}, {perms: rw}]}
listed again: {acl.list_present: [{name: /srv/acl/list}, {acl_type: user}, {acl_names: [parity-keys, parity-olduser]}, {perms: rw}]}
listed anew: {acl.list_present: [{name: /srv/acl/list}, {acl_type: user}, {acl_names: [parity-keys, parity-olduser]}, {perms: r}]}
listed badly: {acl.list_present: [{name: /srv/acl/list}, {acl_type: user}, {acl_names: [parity-none]}, {perms: r}]}
list without type: {acl.list_present: [{name: /srv/acl/list}, {acl_type: u}, {acl_names: [parity-keys]}, {perms: r}]}
unlisted: {acl.list_absent: [{name: /srv/acl/list}, {acl_type: user}, {acl_names: [parity-keys, parity-none]}]}
unlisted again: {acl.list_absent: [{name: /srv/acl/list}, {acl_type: user}, {acl_names: [parity-none]}]}
absent: {acl.absent: [{name: /srv/acl/dir}, {acl_type: group}, {acl_name: parity-old}, {recurse: true}]}
absent again: {acl.absent: [{name: /srv/acl/dir}, {acl_type: group}, {acl_name: parity-none}]}
absent type: {acl.absent: [{name: /srv/acl/dir}, {acl_type: g}, {acl_name: parity-none}]}
looked at: {module.run: [{acl.getfacl: [/srv/acl/dir, /srv/acl/list, {recursive: true}]}, {acl.version: []}, {acl.wipefacls: [/srv/acl/list]}]}
",
    ),
];

/// Further files of the tree.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("crontab", "MAILTO=x\n1 2 3 4 5 /bin/whole\n"),
    (
        "keys.pub",
        "# two\nssh-rsa AAAAB3NzaC1yc2EAAAADAQAC first\nno-pty ssh-rsa AAAAB3NzaC1yc2EAAAADAQAD second one\n",
    ),
    ("parity.key", "a key as it is\n"),
    ("answers", "parity-file parity/d string of a file\n"),
];
