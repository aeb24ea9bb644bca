//! State trees and what is called on them. `ROOT` is each side's own directory: `srv`, `dev` and `pillar`
//! are the trees, `work` is where states work.

/// One tree and the calls on it, in order: function, arguments, keyword arguments.
pub struct Case {
    pub name: &'static str,
    pub files: &'static [(&'static str, &'static str)],
    pub opts: &'static str,
    pub calls: &'static [(&'static str, &'static str, &'static str)],
}

pub const APPLY: &[(&str, &str, &str)] = &[
    ("state.apply", r#"["t"]"#, r#"{"test": true}"#),
    ("state.apply", r#"["t"]"#, "{}"),
    ("state.apply", r#"["t"]"#, "{}"),
];

pub const SHOW: &[(&str, &str, &str)] = &[
    ("state.show_sls", r#"["t"]"#, "{}"),
    ("state.show_low_sls", r#"["t"]"#, "{}"),
    ("state.apply", r#"["t"]"#, "{}"),
];

/// A case of one SLS, `t`, and further files.
macro_rules! sls {
    ($name:literal, $calls:expr, $text:literal $(, $path:literal => $content:literal)*) => {
        $crate::cases::Case { name: $name, files: &[("srv/t.sls", $text) $(, ($path, $content))*], opts: "{}", calls: $calls }
    };
}

pub(crate) use sls;

pub const TEST: &[Case] = &[
    sls!(
        "all",
        APPLY,
        "
a: test.nop
b: test.succeed_without_changes
c: {test.succeed_with_changes: [{comment: hello}]}
d: test.fail_with_changes
e: {test.fail_without_changes: [{comment: nope}]}
f:
  test.configurable_test_state:
    - changes: false
    - result: true
    - comment: bar
    - warnings: careful
g: {test.configurable_test_state: [{changes: true}, {result: false}]}
h: {test.show_notification: [{text: shown}]}
i: {test.check_pillar: [{present: nothing}, {verbose: true}]}
"
    ),
    sls!(
        "invalid keyword",
        APPLY,
        "a: {test.configurable_test_state: [{bogus: 1}]}\n"
    ),
    sls!(
        "missing parameter",
        APPLY,
        "a: {file.symlink: [{user: root}]}\n"
    ),
];

pub const ACCOUNTS: &[Case] = &[
    sls!(
        "accounts",
        &[("state.apply", r#"["t"]"#, r#"{"test": true}"#)],
        "
new user: {user.present: [{name: parity-new}, {groups: [daemon, parity-none]}]}
root: {user.present: [{shell: /bin/zsh}]}
daemon: {user.present: []}
uid: {user.present: [{name: daemon}, {uid: 4711}]}
comma: {user.present: [{name: daemon}, {fullname: 'a,b'}]}
full: {user.present: [{name: daemon}, {fullname: A B}, {groups: [bin]}]}
gone: {user.absent: [{name: parity-none}]}
going: {user.absent: [{name: daemon}]}
new group: {group.present: [{name: parity-new}]}
group: {group.present: [{name: daemon}]}
gid: {group.present: [{name: daemon}, {gid: 4711}]}
members: {group.present: [{name: daemon}, {members: [root, bin]}]}
added: {group.present: [{name: daemon}, {addusers: [root]}, {delusers: [bin]}]}
conflict: {group.present: [{name: daemon}, {addusers: [root]}, {members: [bin]}]}
same: {group.present: [{name: daemon}, {addusers: [root]}, {delusers: [root]}]}
no group: {group.absent: [{name: parity-none}]}
bye group: {group.absent: [{name: daemon}]}
"
    ),
    sls!(
        "accounts as they are",
        &[("state.apply", r#"["t"]"#, "{}")],
        "
daemon: {user.present: []}
uid: {user.present: [{name: daemon}, {uid: 4711}]}
missing groups: {user.present: [{name: daemon}, {groups: [parity-none]}]}
gone: {user.absent: [{name: parity-none}]}
group: {group.present: [{name: daemon}]}
taken: {group.present: [{name: parity-new}, {gid: 0}]}
taken2: {group.present: [{name: parity-new}, {gid: 1}]}
no group: {group.absent: [{name: parity-none}]}
"
    ),
];

pub const PACKAGES: &[Case] = &[
    sls!(
        "packages",
        APPLY,
        "
bash: pkg.installed
more: {pkg.installed: [{pkgs: [bash, coreutils]}]}
none: {pkg.installed: [{pkgs: []}]}
any: {pkg.installed: [{name: bash}, {version: '>=1'}]}
absent: {pkg.removed: [{name: parity-none}]}
absents: {pkg.removed: [{pkgs: [parity-none, parity-none2]}]}
purged: {pkg.purged: [{name: parity-none}]}
"
    ),
    sls!(
        "package functions",
        &[
            ("pkg.version", r#"["bash"]"#, "{}"),
            ("pkg.version", r#"["bash", "parity-none"]"#, "{}"),
            ("pkg.version_cmp", r#"["1.0-1", "1.0-2"]"#, "{}"),
            ("pkg.version_cmp", r#"["1:1.0", "2.0"]"#, "{}"),
            ("pkg.version_cmp", r#"["1.0~rc1", "1.0"]"#, "{}"),
            ("pkg.version_cmp", r#"["1.0", "1.0"]"#, "{}"),
            ("pkg.list_pkgs", "[]", "{}"),
            ("pkg.list_pkgs", "[]", r#"{"versions_as_list": true}"#),
            ("pkg.remove", r#"["parity-none"]"#, "{}"),
        ],
        "\n"
    ),
];

pub const COMMANDS: &[Case] = &[sls!(
    "commands",
    APPLY,
    "
echo one: {cmd.run: []}
fails: {cmd.run: [{name: 'exit 3'}]}
ok codes: {cmd.run: [{name: 'exit 3'}, {success_retcodes: [3]}]}
there: {cmd.run: [{name: pwd}, {cwd: /}]}
nowhere: {cmd.run: [{name: pwd}, {cwd: /nonexistent}]}
env: {cmd.run: [{name: 'echo $X'}, {env: [{X: y}]}]}
stderr: {cmd.run: [{name: 'echo e >&2'}]}
created: {cmd.run: [{name: 'touch ROOT/work/created'}, {creates: ROOT/work/created}]}
stateful: {cmd.run: [{name: 'echo changed=yes comment=done x=1'}, {stateful: true}]}
stateless: {cmd.run: [{name: 'echo changed=no'}, {stateful: true}]}
bad stateful: {cmd.run: [{name: 'echo nothing here'}, {stateful: true}]}
json: {cmd.run: [{name: 'printf \"{\\\"changed\\\": true}\"'}, {stateful: true}]}
waiting: {cmd.wait: [{name: echo waited}, {watch: [{cmd: there}]}]}
not waiting: {cmd.wait: [{name: echo waited}]}
changes: {cmd.run: [{name: echo on}, {onchanges: [{cmd: there}]}]}
bad env: {cmd.run: [{name: pwd}, {env: 5}]}
hidden: {cmd.run: [{name: echo x}, {hide_output: true}]}
"
)];

pub const GUARDS: &[Case] = &[sls!(
    "guards",
    SHOW,
    "
a: {test.nop: [{onlyif: 'true'}]}
b: {test.nop: [{onlyif: 'false'}]}
c: {test.nop: [{onlyif: ['true', 'false']}]}
d: {test.nop: [{unless: 'true'}]}
e: {test.nop: [{unless: ['true', 'false']}]}
f: {test.nop: [{creates: /}]}
g: {test.nop: [{creates: [/, /nonexistent]}]}
h: {test.fail_without_changes: [{check_cmd: ['true']}]}
i: {test.nop: [{check_cmd: ['false']}]}
j: {test.nop: [{unless: [{fun: test.ping}]}]}
k: {test.nop: [{onlyif: [{fun: test.ping}]}, {unless: 'true'}]}
l: {test.succeed_with_changes: [{unless: 'true'}, {require: [{test: a}]}]}
m: {test.nop: [{watch: [{test: l}]}]}
"
)];
