//! What the engine itself does: requisites, order, includes, top files, and `state.*` and `cp.*` around them.

use super::cases::{APPLY, Case, SHOW, sls};

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
