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

const SHOW: &[(&str, &str, &str)] = &[
    ("state.show_sls", r#"["t"]"#, "{}"),
    ("state.show_low_sls", r#"["t"]"#, "{}"),
    ("state.apply", r#"["t"]"#, "{}"),
];

macro_rules! sls {
    ($name:literal, $calls:expr, $text:literal $(, $path:literal => $content:literal)*) => {
        Case { name: $name, files: &[("srv/t.sls", $text) $(, ($path, $content))*], opts: "{}", calls: $calls }
    };
}

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

pub const ENGINE: &[Case] = &[
    sls!(
        "requisites",
        SHOW,
        "
last:
  test.nop:
    - require: [{test: mid}]
    - order: first
mid:
  test.succeed_with_changes:
    - require_in: [{test: also}]
also: test.nop
watcher:
  test.succeed_without_changes:
    - watch: [{test: mid}]
changed:
  test.nop:
    - onchanges: [{test: mid}]
unchanged:
  test.nop:
    - onchanges: [{test: also}]
bad: test.fail_without_changes
needs bad:
  test.nop:
    - require: [{test: bad}, {test: also}]
on bad:
  test.nop:
    - onfail: [{test: bad}]
on good:
  test.nop:
    - onfail: [{test: also}]
any:
  test.nop:
    - require_any: [{test: bad}, {test: also}]
onchanges any:
  test.nop:
    - onchanges_any: [{test: also}, {test: mid}]
named:
  test.nop:
    - name: other name
    - require: [{test: 'needs *'}]
by id:
  test.nop:
    - require: [mid]
"
    ),
    sls!(
        "prereq and listen",
        SHOW,
        "
first:
  test.succeed_without_changes:
    - prereq: [{test: second}]
second: test.succeed_with_changes
idle:
  test.nop:
    - prereq: [{test: quiet}]
quiet: test.nop
listener:
  test.nop:
    - listen: [{test: second}]
lazy:
  test.nop:
    - listen: [{test: quiet}]
heard:
  test.succeed_with_changes:
    - listen_in: [{test: idle}]
"
    ),
    sls!(
        "order",
        SHOW,
        "
z: test.nop
y: {test.nop: [{order: last}]}
x: {test.nop: [{order: -1}]}
w: {test.nop: [{order: 1}]}
v: {test.nop: [{names: [one, {two: [{comment: 2}]}, three]}]}
u: {test.nop: [{order: first}]}
"
    ),
    sls!(
        "failhard",
        APPLY,
        "
a: test.nop
b: {test.fail_without_changes: [{failhard: true}]}
c: test.nop
"
    ),
    sls!(
        "retry",
        &[
            ("state.apply", r#"["t"]"#, "{}"),
            ("state.apply", r#"["t"]"#, r#"{"test": true}"#)
        ],
        "
a: {test.configurable_test_state: [{result: false}, {retry: {attempts: 3, interval: 0}}]}
b: {test.nop: [{retry: true}]}
"
    ),
    sls!(
        "cycle",
        SHOW,
        "
a: {test.nop: [{require: [{test: b}]}]}
b: {test.nop: [{require: [{test: c}]}]}
c: {test.nop: [{name: sea}, {require: [{test: a}]}]}
"
    ),
    sls!(
        "missing requisite",
        SHOW,
        "
a: {test.nop: [{require: [{test: nowhere}]}]}
b: {test.nop: [{watch: [{file: nowhere}]}]}
"
    ),
    sls!(
        "errors of form",
        SHOW,
        "
a: {test: [nop, nop]}
b: {test: [{name: x}]}
c: {test.nop: {name: x}}
d: {test.nop: [{require: {test: a}}]}
e: {test.nop: [{require: [{test.nop: a}]}]}
f: {test: ['a b']}
7: {test: [nop]}
g: {test.nop: }
"
    ),
    sls!(
        "not a dictionary",
        SHOW,
        "
a: [1, 2]
b: text
"
    ),
    sls!(
        "two of a kind",
        SHOW,
        "
a:
  test.nop: []
  test.succeed_with_changes: []
"
    ),
    sls!(
        "duplicate",
        SHOW,
        "
a: {test: [nop]}
a: {test: [nop]}
"
    ),
    sls!("extend and use", SHOW, "
include: [other]
extend:
  base:
    test:
      - comment: extended
      - require: [{test: local}]
local: test.nop
user:
  test.nop:
    - use: [{test: base}]
giver:
  test.nop:
    - comment: given
    - use_in: [{test: taker}]
taker: {test: [nop]}
", "srv/other.sls" => "
base:
  test.succeed_with_changes:
    - comment: original
    - require: [{test: early}]
early: {test: [nop]}
"),
    sls!(
        "extend nothing",
        SHOW,
        "extend: {nobody: {test: [{comment: x}]}}\na: test.nop\n"
    ),
    sls!("includes", SHOW, "
include:
  - a
  - .b
  - sub
  - g*
  - missing
mine: {test: [nop], cmd: [wait]}
exclude: [{id: of a}, sub.deep]
", "srv/a.sls" => "of a: {test: [nop]}\n",
   "srv/b.sls" => "include: [a]\nof b: {test: [nop]}\n",
   "srv/sub/init.sls" => "include: [.deep, ..a]\nof sub: {test: [nop]}\n",
   "srv/sub/deep.sls" => "of deep: {test: [nop]}\n",
   "srv/g1.sls" => "of g1: {test: [nop]}\n",
   "srv/g2.sls" => "of g2: {test: [nop]}\n"),
    sls!("exclude", SHOW, "
include: [a, sub]
mine: {test: [nop]}
exclude: [{id: of a}, 'sub*']
", "srv/a.sls" => "of a: {test: [nop]}\nof a2: {test: [nop]}\n",
   "srv/sub.sls" => "of sub: {test: [nop]}\n"),
    sls!("sls requisite", SHOW, "
include: [a, empty]
mine: {test.nop: [{require: [{sls: a}]}, {require_in: [{sls: a2}]}]}
", "srv/a.sls" => "include: [a2]\nof a: {test: [nop]}\n",
   "srv/a2.sls" => "of a2: {test: [fail_without_changes]}\n",
   "srv/empty.sls" => "\n"),
    sls!("conflict", SHOW, "
include: [a]
x: {test: [nop]}
", "srv/a.sls" => "x: {test: [succeed_with_changes]}\n"),
    sls!(
        "onfail handled",
        APPLY,
        "
bad: test.fail_without_changes
handler: {test.nop: [{onfail: [{test: bad}]}, {onfail_stop: false}]}
"
    ),
    sls!("no such sls", &[
        ("state.apply", r#"["nope"]"#, "{}"),
        ("state.sls", r#"["t,nope"]"#, "{}"),
        ("state.show_sls", r#"["nope"]"#, "{}"),
        ("state.sls_exists", r#"["t"]"#, "{}"),
        ("state.sls_exists", r#"["nope"]"#, "{}"),
        ("state.id_exists", r#"["a", "t"]"#, "{}"),
        ("state.id_exists", r#"["a,b", "t"]"#, "{}"),
        ("state.sls_id", r#"["a", "t"]"#, "{}"),
        ("state.sls_id", r#"["b", "t"]"#, "{}"),
        ("state.apply", r#"["t"]"#, r#"{"pillar": [1]}"#),
        ("state.apply", r#"["t"]"#, r#"{"mock": true}"#),
        ("state.apply", r#"["t"]"#, r#"{"terse": true}"#),
        ("state.apply", r#"["t"]"#, r#"{"exclude": "t"}"#),
        ("state.apply", r#"["d"]"#, r#"{"saltenv": "dev"}"#),
        ("state.single", r#"["test.nop", "x"]"#, "{}"),
        ("state.single", r#"["test.succeed_with_changes", "x"]"#, r#"{"test": true}"#),
        ("state.single", r#"["nop", "x"]"#, "{}"),
        ("state.low", r#"[{"state": "test", "fun": "nop", "name": "n", "__id__": "i"}]"#, "{}"),
        ("state.high", r#"[{"i": {"test": ["nop"], "__sls__": "s", "__env__": "base"}}]"#, "{}"),
        ("state.template_str", r#"["a: {test: [nop]}"]"#, "{}"),
        ("state.running", "[]", "{}"),
        ("cp.list_states", "[]", "{}"),
        ("cp.list_master", "[]", "{}"),
        ("cp.list_master_dirs", "[]", "{}"),
        ("cp.hash_file", r#"["salt://t.sls"]"#, "{}"),
        ("cp.hash_file", r#"["salt://nope"]"#, "{}"),
        ("cp.stat_file", r#"["salt://t.sls"]"#, "{}"),
        ("cp.cache_file", r#"["salt://t.sls"]"#, "{}"),
        ("cp.cache_file", r#"["salt://nope"]"#, "{}"),
        ("cp.cache_file", r#"["salt://d.sls?saltenv=dev"]"#, "{}"),
        ("cp.is_cached", r#"["salt://t.sls"]"#, "{}"),
        ("cp.is_cached", r#"["salt://nope"]"#, "{}"),
        ("cp.cache_dest", r#"["salt://x/y"]"#, "{}"),
        ("cp.get_file_str", r#"["salt://t.sls"]"#, "{}"),
        ("cp.get_file", r#"["salt://t.sls", "ROOT/work/copy"]"#, "{}"),
        ("cp.get_file", r#"["salt://t.sls", "ROOT/work/no/copy"]"#, "{}"),
        ("cp.get_file", r#"["salt://nope", "ROOT/work/copy"]"#, "{}"),
        ("cp.get_url", r#"["salt://t.sls", "ROOT/work/url"]"#, "{}"),
        ("cp.get_url", r#"["salt://t.sls", null]"#, "{}"),
        ("cp.get_dir", r#"["salt://dir", "ROOT/work"]"#, "{}"),
        ("cp.cache_dir", r#"["salt://dir"]"#, "{}"),
        ("cp.cache_master", "[]", "{}"),
        ("cp.cache_files", r#"["salt://t.sls,salt://nope"]"#, "{}"),
    ], "a: {test: [nop]}\n", "dev/d.sls" => "d: {test: [nop]}\n", "srv/dir/sub/f" => "f\n", "srv/dir/g" => "g\n"),
    Case {
        name: "top",
        files: &[
            (
                "srv/top.sls",
                "base:\n  '*': [a, 'b*']\n  'other': [c]\n  'minion':\n    - match: list\n    - d\n    - dev: e\ndev:\n  '*': [e]\n",
            ),
            ("srv/a.sls", "a: {test: [nop]}\n"),
            ("srv/b1.sls", "b1: {test: [succeed_with_changes]}\n"),
            ("srv/b2.sls", "b2: {test: [nop]}\n"),
            ("srv/c.sls", "c: {test: [nop]}\n"),
            ("srv/d.sls", "d: {test: [nop]}\n"),
            ("dev/e.sls", "e: {test: [nop]}\n"),
        ],
        opts: "{}",
        calls: &[
            ("state.show_top", "[]", "{}"),
            ("state.show_highstate", "[]", "{}"),
            ("state.show_lowstate", "[]", "{}"),
            ("state.show_states", "[]", "{}"),
            ("state.highstate", "[]", "{}"),
            ("state.apply", "[]", r#"{"test": true}"#),
            ("state.highstate", "[]", r#"{"exclude": "a"}"#),
            ("state.highstate", "[]", r#"{"whitelist": "a"}"#),
            ("state.highstate", "[]", r#"{"saltenv": "dev"}"#),
        ],
    },
    Case {
        name: "no top",
        files: &[("srv/a.sls", "a: {test: [nop]}\n")],
        opts: "{}",
        calls: &[
            ("state.highstate", "[]", "{}"),
            ("state.show_top", "[]", "{}"),
            ("state.show_highstate", "[]", "{}"),
            ("state.show_lowstate", "[]", "{}"),
        ],
    },
    Case {
        name: "malformed top",
        files: &[("srv/top.sls", "base:\n  '*': a\n")],
        opts: "{}",
        calls: &[
            ("state.highstate", "[]", "{}"),
            ("state.show_top", "[]", "{}"),
        ],
    },
    Case {
        name: "pillar",
        files: &[
            (
                "srv/t.sls",
                "a: {test.check_pillar: [{string: 'm:x'}, {listing: l}, {present: [n, r, gone]}, {verbose: true}]}\n",
            ),
            ("pillar/top.sls", "base: {'*': [p, q]}\n"),
            ("pillar/p.sls", "include: [r]\nm: {x: text}\nl: [1]\n"),
            ("pillar/q.sls", "n: 5\nm: {y: 1}\n"),
            ("pillar/r.sls", "m: {x: 7, z: 1}\nr: true\n"),
        ],
        opts: "{}",
        calls: &[
            ("state.apply", r#"["t"]"#, "{}"),
            (
                "state.apply",
                r#"["t"]"#,
                r#"{"pillar": {"gone": "no", "l": "text", "m": {"x": "1"}}}"#,
            ),
        ],
    },
    Case {
        name: "bad pillar",
        files: &[
            ("srv/t.sls", "a: {test: [nop]}\n"),
            ("pillar/top.sls", "base: {'*': [nope]}\n"),
        ],
        opts: "{}",
        calls: &[
            ("state.apply", r#"["t"]"#, "{}"),
            ("state.highstate", "[]", "{}"),
            ("state.show_top", "[]", "{}"),
        ],
    },
];

pub const FILE: &[Case] = &[
    sls!("contents", APPLY, "
ROOT/work/a: {file.managed: [{contents: hello}]}
ROOT/work/b: {file.managed: [{contents: [x, y]}, {mode: 640}]}
ROOT/work/c: {file.managed: [{contents: ''}, {allow_empty: false}]}
ROOT/work/d: {file.managed: [{contents: \"a\\nb\\n\"}, {contents_newline: false}]}
ROOT/work/e: {file.managed: []}
ROOT/work/f: {file.managed: [{mode: '0600'}, {replace: false}]}
ROOT/work/old: {file.managed: [{contents: new}]}
ROOT/work/g/h/i: {file.managed: [{contents: x}, {makedirs: true}, {mode: 640}]}
ROOT/work/j/k: {file.managed: [{contents: x}]}
ROOT/work/l: {file.managed: [{contents: true}]}
ROOT/work/m: {file.managed: [{contents: x}, {source: 'salt://t.sls'}]}
ROOT/work/n: {file.managed: [{contents: x}, {create: false}]}
relative: {file.managed: [{contents: x}]}
ROOT/work: {file.managed: [{contents: x}]}
ROOT/work/o: {file.managed: [{contents: x}, {user: nobody-here}]}
ROOT/work/p: {file.managed: [{contents: secret}, {show_changes: false}]}
ROOT/work/q: {file.managed: [{contents: []}]}
ROOT/work/r: {file.managed: [{contents: x}, {user: daemon}, {group: daemon}, {mode: 4755}]}
ROOT/work/s: {file.managed: [{contents: \"a\\n\"}, {new_file_diff: true}]}
", "work/old" => "old\nlines\n", "work/p" => "open\n"),
    sls!("sources", APPLY, "
ROOT/work/a: {file.managed: [{source: 'salt://files/a'}]}
ROOT/work/b: {file.managed: [{source: 'salt://files/a'}, {mode: keep}]}
ROOT/work/c: {file.managed: [{source: ['salt://files/none', 'salt://files/a']}]}
ROOT/work/d: {file.managed: [{source: 'salt://files/none'}]}
ROOT/work/e: {file.managed: [{source: ['salt://files/none']}]}
ROOT/work/f: {file.managed: [{source: 'ROOT/srv/files/a'}]}
ROOT/work/g: {file.managed: [{source: 'ROOT/srv/files/none'}]}
ROOT/work/h: {file.managed: [{source: 'file://ROOT/srv/files/a'}]}
ROOT/work/i: {file.managed: [{source: 'salt://files/a'}, {replace: false}, {mode: 600}]}
ROOT/work/j: {file.managed: [{source: 'salt://files/a'}, {mode: 600}, {backup: minion}]}
ROOT/work/k: {file.managed: [{source: 'ROOT/srv/files/a'}, {source_hash: d41d8cd98f00b204e9800998ecf8427e}]}
ROOT/work/l: {file.managed: [{source: 'http://127.0.0.1:1/x'}]}
ROOT/work/m: {file.managed: [{source: 'salt://d?saltenv=dev'}]}
", "srv/files/a" => "1\n2\n3\n", "work/i" => "kept\n", "work/j" => "1\n3\n", "dev/d" => "dev\n"),
    sls!("directories", APPLY, "
ROOT/work/a: {file.directory: [{mode: 750}]}
ROOT/work/b/c: {file.directory: []}
ROOT/work/d/e: {file.directory: [{makedirs: true}, {dir_mode: 700}]}
ROOT/work/f: {file.directory: []}
ROOT/work/g: {file.directory: [{force: true}]}
ROOT/work/h: {file.directory: [{dir_mode: 755}, {file_mode: 600}, {user: daemon}, {recurse: [user, mode]}]}
ROOT/work/i: {file.directory: [{clean: true}]}
ROOT/work/j: {file.directory: [{clean: true}, {exclude_pat: 'keep*'}, {require: [{file: ROOT/work/j/mine}]}]}
ROOT/work/j/mine: {file.managed: [{contents: x}, {makedirs: true}]}
ROOT/work/k: {file.directory: [{recurse: [bogus]}]}
relative: {file.directory: []}
ROOT/work/l: {file.directory: [{user: nobody-here}]}
ROOT/work/m: {file.directory: [{max_depth: 1}, {clean: true}]}
ROOT/work/n: {file.directory: [{recurse: [user, group]}, {user: root}]}
", "work/f" => "file", "work/g" => "file", "work/h/x/y" => "y", "work/i/rest" => "r", "work/j/rest" => "r", "work/j/keep1" => "k", "work/n/x" => "x"),
    sls!("links and removal", APPLY, "
ROOT/work/a: {file.symlink: [{target: /etc/hosts}]}
ROOT/work/b: {file.symlink: [{target: elsewhere}]}
ROOT/work/c: {file.symlink: [{target: x}, {force: true}]}
ROOT/work/d/e: {file.symlink: [{target: x}]}
ROOT/work/d2/e: {file.symlink: [{target: x}, {makedirs: true}]}
ROOT/work/f: {file.symlink: [{target: x}, {backupname: f.old}]}
ROOT/work/g: {file.symlink: [{target: x}, {user: daemon}, {group: daemon}]}
relative: {file.symlink: [{target: x}]}
ROOT/work/h: {file.absent: []}
ROOT/work/i: {file.absent: []}
ROOT/work/j: {file.absent: []}
/: {file.absent: []}
also relative: {file.absent: []}
ROOT/work/k: {file.exists: []}
ROOT/work/l: {file.exists: []}
ROOT/work/m: {file.missing: [{name: ROOT/work/k}]}
ROOT/work/n: {file.missing: []}
ROOT/work/o: {file.symlink: [{target: x}, {user: nobody-here}]}
", "work/b" => "file", "work/c" => "file", "work/f" => "old", "work/h" => "h", "work/i/x" => "x", "work/k" => "k"),
];

pub const RENDERED: &[Case] = &[
    sls!(
        "jinja",
        SHOW,
        "
{% set names = ['a', 'b'] %}
{% for n in names %}
{{ n }}-{{ grains['id'] }}:
  test.nop:
    - name: {{ sls }} {{ saltenv }} {{ slspath }} {{ tpldir }} {{ tplfile }}
{% endfor %}
{% if salt['test.ping']() %}
pinged: test.nop
{% endif %}
"
    ),
    sls!(
        "cp.get_template",
        &[
            ("cp.get_template", r#"["salt://f.j2", "ROOT/work/f"]"#, r#"{"x": 1}"#),
            ("cp.get_template", r#"["salt://f.j2", "ROOT/work/no/f"]"#, r#"{"x": 1}"#),
            ("cp.get_template", r#"["salt://nope", "ROOT/work/f"]"#, "{}"),
        ],
        "\n", "srv/f.j2" => "{{ x }} {{ grains.id }}\n"
    ),
    sls!(
        "undefined",
        SHOW,
        "a: {test.show_notification: [{text: '{{ nothing.here }}'}]}\n"
    ),
    sls!("imports", SHOW, "
{% from 'map.jinja' import conf with context %}
{% import_yaml 'data.yaml' as data %}
a: {test.show_notification: [{text: '{{ conf.x }} {{ data.y }}'}]}
", "srv/map.jinja" => "{% set conf = {'x': grains['id']} %}\n", "srv/data.yaml" => "y: 5\n"),
    sls!("templates", APPLY, "
ROOT/work/a: {file.managed: [{source: 'salt://files/a.j2'}, {template: jinja}, {context: {x: 1}}, {defaults: {x: 0, y: 2}}]}
ROOT/work/b: {file.managed: [{contents: '{% raw %}{{ 1 + 1 }}{% endraw %}'}, {template: jinja}]}
ROOT/work/c: {file.managed: [{source: 'salt://files/a.j2'}, {template: bogus}]}
ROOT/work/d: {file.managed: [{source: 'salt://files/a.j2'}, {template: jinja}, {context: [1]}]}
", "srv/files/a.j2" => "x={{ x }} y={{ y }} {{ grains.id }} {{ source }} {{ saltenv }}\n"),
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
