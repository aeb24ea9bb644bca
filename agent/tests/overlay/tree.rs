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
dir: {file.directory: [{name: /srv/work/d}, {user: parity-u}, {group: parity-g}, {mode: '0750'}, {makedirs: true}]}
file: {file.managed: [{name: /srv/work/f}, {contents: hello}, {user: parity-u}, {group: parity-g}, {mode: '4750'}]}
link: {file.symlink: [{name: /srv/work/l}, {target: /srv/work/f}, {user: parity-u}, {group: parity-g}]}
no owner: {file.managed: [{name: /srv/work/x}, {contents: x}, {user: parity-none}]}
owned: {file.directory: [{name: /srv/work/d}, {user: root}, {recurse: [user]}]}
as user: {cmd.run: [{name: 'id -un; umask; echo $HOME'}, {runas: parity-u}, {umask: '077'}, {cwd: /}]}
as nobody: {cmd.run: [{name: id}, {runas: parity-none}]}
copy: {file.copy: [{name: /srv/work/c}, {source: /srv/work/f}, {user: parity-u}, {group: parity-g}]}
preserved: {file.copy: [{name: /srv/work/p}, {source: /srv/work/f}, {preserve: true}]}
edited: {file.append: [{name: /srv/work/f}, {text: more}]}
absent: {file.absent: [{name: /srv/work/d}]}
",
    ),
];
