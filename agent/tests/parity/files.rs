//! Files, directories and links, and files and trees that are rendered.

use super::cases::{APPLY, Case, SHOW, sls};

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
a: {test.show_notification: [{text: '{{ conf.x }} {{ data.y }} {{ data.z }}'}]}
", "srv/map.jinja" => "{% set conf = {'x': grains['id']} %}\n", "srv/data.yaml" => "y: 5\nz: |\n  last\n"),
    sls!(
        "http_query",
        SHOW,
        "a: {test.show_notification: [{text: \"{{ 'http://127.0.0.1:1' | http_query(test=True) }}\"}]}\n"
    ),
    sls!("templates", APPLY, "
ROOT/work/a: {file.managed: [{source: 'salt://files/a.j2'}, {template: jinja}, {context: {x: 1}}, {defaults: {x: 0, y: 2}}]}
ROOT/work/b: {file.managed: [{contents: '{% raw %}{{ 1 + 1 }}{% endraw %}'}, {template: jinja}]}
ROOT/work/c: {file.managed: [{source: 'salt://files/a.j2'}, {template: bogus}]}
ROOT/work/d: {file.managed: [{source: 'salt://files/a.j2'}, {template: jinja}, {context: [1]}]}
", "srv/files/a.j2" => "x={{ x }} y={{ y }} {{ grains.id }} {{ source }} {{ saltenv }}\n"),
];
