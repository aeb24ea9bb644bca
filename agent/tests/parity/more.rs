//! States beyond files and accounts: patches, devices, backups, the schedule, logrotate, servers and commits.

use super::cases::{APPLY, Case};

const INI: &str = "# head\ntop = 1\n\n[main]\n; why\nkey=value\n  continued\nother = 1\n#off = no\nodd\n\n[second]\nx = y\n";

pub const MORE: &[Case] = &[
    Case {
        name: "patches",
        files: &[
            ("srv/t.sls", "
applies: {file.patch: [{name: ROOT/work/one}, {source: 'salt://one.patch'}]}
again: {file.patch: [{name: ROOT/work/one}, {source: 'salt://one.patch'}]}
local: {file.patch: [{name: ROOT/work/two}, {source: ROOT/srv/one.patch}]}
unlike: {file.patch: [{name: ROOT/work/other}, {source: 'salt://one.patch'}, {reject_file: ROOT/cache/rejects}]}
hinted: {file.patch: [{name: ROOT/work/other}, {source: 'salt://one.patch'}]}
directory: {file.patch: [{name: ROOT/work/dir}, {source: 'salt://dir.patch'}, {strip: 1}]}
directory again: {file.patch: [{name: ROOT/work/dir}, {source: 'salt://dir.patch'}, {options: '-p1'}]}
rendered: {file.patch: [{name: ROOT/work/three}, {source: 'salt://rendered.patch'}, {template: jinja}, {context: {new: TWO}}]}
no patch: {file.patch: [{name: ROOT/work/one}, {source: 'salt://text'}]}
relative: {file.patch: [{name: one}, {source: 'salt://one.patch'}]}
missing: {file.patch: [{name: ROOT/work/none}, {source: 'salt://one.patch'}]}
forbidden: {file.patch: [{name: ROOT/work/one}, {source: 'salt://one.patch'}, {options: '-o x -N'}]}
misfit: {file.patch: [{name: ROOT/work/one}, {source: 'salt://one.patch'}, {options: '-px'}]}
nowhere: {file.patch: [{name: ROOT/work/one}, {source: 'salt://one.patch'}, {reject_file: /none/x}]}
several: {file.patch: [{name: ROOT/work/one}, {source: ['salt://none', 'salt://none2']}]}
"),
            ("srv/one.patch", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"),
            ("srv/rendered.patch", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n one\n-two\n+{{ new }}\n three\n"),
            ("srv/dir.patch", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+X\n--- a/in/y\n+++ b/in/y\n@@ -1 +1 @@\n-y\n+Y\n"),
            ("srv/text", "no patch\n"),
            ("work/one", "one\ntwo\nthree\n"),
            ("work/two", "one\ntwo\nthree\n"),
            ("work/three", "one\ntwo\nthree\n"),
            ("work/other", "quite\nanother\ntext\n"),
            ("work/dir/x", "x\n"),
            ("work/dir/in/y", "y\n"),
        ],
        opts: "{}",
        calls: APPLY,
    },
    Case {
        name: "settings of ini files",
        files: &[
            ("srv/t.sls", "
set: {ini.options_present: [{name: ROOT/work/a.ini}, {sections: {top: 2, main: {key: new, added: 1, 'off': 'yes'}, fresh: {a: b, c: true}}}]}
there: {ini.options_present: [{name: ROOT/work/b.ini}, {sections: {main: {key: value}}}]}
strict: {ini.options_present: [{name: ROOT/work/c.ini}, {strict: true}, {sections: {main: {key: value}}}]}
strict at the top: {ini.options_present: [{name: ROOT/work/d.ini}, {strict: true}, {sections: {other: x, main: {key: value, other: 1}}}]}
close: {ini.options_present: [{name: ROOT/work/e.ini}, {no_spaces: true}, {sections: {main: {key: new}}}]}
colon: {ini.options_present: [{name: ROOT/work/colon.ini}, {separator: ':'}, {sections: {s: {b: 3}}}]}
made: {ini.options_present: [{name: ROOT/work/made.ini}, {sections: {one: {a: 1}}}]}
nothing: {ini.options_present: [{name: ROOT/work/f.ini}]}
gone: {ini.options_absent: [{name: ROOT/work/g.ini}, {sections: {main: [key, none], nowhere: [x]}}]}
not there: {ini.options_absent: [{name: ROOT/work/h.ini}, {sections: {main: [none]}}]}
no section: {ini.sections_absent: [{name: ROOT/work/i.ini}, {sections: [main, none]}]}
no such section: {ini.sections_absent: [{name: ROOT/work/j.ini}, {sections: [none]}]}
"),
            ("work/a.ini", INI), ("work/b.ini", INI), ("work/c.ini", INI), ("work/d.ini", INI), ("work/e.ini", INI),
            ("work/f.ini", INI), ("work/g.ini", INI), ("work/h.ini", INI), ("work/i.ini", INI), ("work/j.ini", INI),
            ("work/k.ini", INI), ("work/l.ini", INI),
            ("work/colon.ini", "[s]\na: 1\nb : 2\n"),
        ],
        opts: "{}",
        calls: &[
            ("state.apply", r#"["t"]"#, r#"{"test": true}"#),
            ("state.apply", r#"["t"]"#, "{}"),
            ("state.apply", r#"["t"]"#, "{}"),
            ("ini.get_ini", r#"["ROOT/work/a.ini"]"#, "{}"),
            ("ini.get_section", r#"["ROOT/work/a.ini", "main"]"#, "{}"),
            ("ini.get_option", r#"["ROOT/work/a.ini", "main", "key"]"#, "{}"),
            ("ini.get_option", r#"["ROOT/work/a.ini", "none", "key"]"#, "{}"),
            ("ini.get_ini", r#"["ROOT/work/none.ini"]"#, "{}"),
            ("ini.set_option", r#"["ROOT/work/k.ini", {"main": {"key": 5}}]"#, "{}"),
            ("ini.remove_option", r#"["ROOT/work/k.ini", "main", "other"]"#, "{}"),
            ("ini.remove_option", r#"["ROOT/work/k.ini", null, "top"]"#, "{}"),
            ("ini.remove_section", r#"["ROOT/work/l.ini", "main"]"#, "{}"),
            ("ini.remove_section", r#"["ROOT/work/l.ini", "none"]"#, "{}"),
        ],
    },
    Case {
        name: "other encodings",
        files: &[
            ("srv/t.sls", "
replaced: {file.replace: [{name: ROOT/work/wide}, {pattern: 'two'}, {repl: 'zwölf'}, {encoding: utf-16}]}
added: {file.replace: [{name: ROOT/work/more}, {pattern: '^none$'}, {repl: new}, {append_if_not_found: true}, {encoding: utf-16}, {backup: false}]}
not found: {file.replace: [{name: ROOT/work/same}, {pattern: none}, {repl: new}, {encoding: utf-16}]}
made: {file.managed: [{name: ROOT/work/made}, {contents: \"aé\"}, {encoding: utf-16-be}]}
narrow: {file.managed: [{name: ROOT/work/narrow}, {contents: \"aé\"}, {encoding: latin-1}]}
data: {file.serialize: [{name: ROOT/work/data}, {dataset: {a: \"é\"}}, {serializer: json}, {encoding: utf-8}]}
"),
            ("setup.sh", r"for file in wide more same; do printf '\377\376o\000n\000e\000\r\000\n\000t\000w\000o\000\n\000' >work/$file; done"),
        ],
        opts: "{}",
        calls: APPLY,
    },
    Case {
        name: "devices and backups",
        files: &[
            ("srv/t.sls", "
pipe: {file.mknod: [{name: ROOT/work/pipe}, {ntype: p}, {mode: '0640'}, {user: daemon}, {group: daemon}]}
there: {file.mknod: [{name: ROOT/work/there}, {ntype: p}, {mode: '0600'}]}
other mode: {file.mknod: [{name: ROOT/work/modes}, {ntype: p}, {mode: '0644'}]}
deep: {file.mknod: [{name: ROOT/work/a/b/pipe}, {ntype: p}]}
device: {file.mknod: [{name: ROOT/work/null}, {ntype: c}, {major: 1}, {minor: 3}]}
known device: {file.mknod: [{name: ROOT/work/null}, {ntype: c}, {major: 1}, {minor: 4}]}
no block: {file.mknod: [{name: ROOT/work/null}, {ntype: b}]}
file: {file.mknod: [{name: ROOT/work/file}, {ntype: c}, {major: 1}, {minor: 3}]}
kind: {file.mknod: [{name: ROOT/work/x}, {ntype: z}]}
by name: {file.retention_schedule: [{name: ROOT/work/named}, {retain: {most_recent: 2, first_of_month: 2, first_of_week: 1}}, {strptime_format: 'backup-%Y-%m-%d.%H%M'}]}
by time: {file.retention_schedule: [{name: ROOT/work/timed}, {retain: {first_of_year: all, first_of_day: 1, first_of_hour: 1}}]}
kept: {file.retention_schedule: [{name: ROOT/work/kept}, {retain: {most_recent: 5}}]}
no directory: {file.retention_schedule: [{name: ROOT/work/file}, {retain: {most_recent: 5}}]}
"),
            ("work/file", "x"),
            ("setup.sh", "
mkfifo -m 600 work/there work/modes
mkdir work/named work/timed work/kept && : >work/kept/a
for day in 2019-12-30.0100 2020-01-01.0000 2020-01-02.0000 2020-02-03.1200 2020-02-03.1300 2020-02-04.0000 2020-03-01.0000; do : >work/named/backup-$day; done
: >work/named/other
for day in 2018-05-01 2018-06-01 2019-01-01 2019-01-02; do touch -d ${day}T10:00:00Z work/timed/$day; done
"),
        ],
        opts: "{}",
        calls: APPLY,
    },
    Case {
        name: "node functions",
        files: &[("work/file", "x"), ("work/p", "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n"), ("work/old", "x\n")],
        opts: "{}",
        calls: &[
            ("file.mknod_fifo", r#"["ROOT/work/pipe"]"#, "{}"),
            ("file.mknod_fifo", r#"["ROOT/work/pipe"]"#, "{}"),
            ("file.mknod", r#"["ROOT/work/in/pipe", "p"]"#, "{}"),
            ("file.mknod", r#"["ROOT/work/x", "q"]"#, "{}"),
            ("file.mknod_chrdev", r#"["ROOT/work/null", 1, 3]"#, "{}"),
            ("file.get_devmm", r#"["/dev/zero"]"#, "{}"),
            ("file.get_devmm", r#"["/dev"]"#, "{}"),
            ("file.patch", r#"["ROOT/work/old", "ROOT/work/p"]"#, r#"{"dry_run": true}"#),
            ("file.patch", r#"["ROOT/work/old", "ROOT/work/p"]"#, "{}"),
            ("file.patch", r#"["ROOT/work/old", "ROOT/work/p"]"#, "{}"),
        ],
    },
    Case {
        name: "logrotate",
        files: &[
            ("srv/t.sls", "
directive: {logrotate.set: [{key: rotate}, {value: 7}, {conf_file: ROOT/work/conf}]}
text: {logrotate.set: [{key: rotate}, {value: '7'}, {conf_file: ROOT/work/conf}]}
new: {logrotate.set: [{key: compress}, {value: true}, {conf_file: ROOT/work/conf}]}
there: {logrotate.set: [{key: weekly}, {value: true}, {conf_file: ROOT/work/conf}]}
inner: {logrotate.set: [{key: /var/log/wtmp}, {value: rotate}, {setting: 3}, {conf_file: ROOT/work/conf}]}
inner there: {logrotate.set: [{key: /var/log/wtmp}, {value: missingok}, {setting: true}, {conf_file: ROOT/work/conf}]}
fresh log: {logrotate.set: [{key: /var/log/new}, {value: size}, {setting: 1M}, {conf_file: ROOT/work/conf}]}
included: {logrotate.set: [{key: /var/log/inc}, {value: rotate}, {setting: 9}, {conf_file: ROOT/work/conf}]}
"),
            ("work/conf", "# c\nweekly\nrotate 4\ninclude ROOT/work/conf.d\n\n/var/log/wtmp {\n    missingok\n    create 0664 root utmp\n    rotate 1\n}\n"),
            ("work/conf.d/inc", "/var/log/inc {\n    rotate 1\n    postrotate\n        true\n    endscript\n}\n"),
        ],
        opts: "{}",
        calls: &[
            ("logrotate.show_conf", r#"["ROOT/work/conf"]"#, "{}"),
            ("logrotate.get", r#"["rotate"]"#, r#"{"conf_file": "ROOT/work/conf"}"#),
            ("logrotate.get", r#"["/var/log/wtmp", "rotate"]"#, r#"{"conf_file": "ROOT/work/conf"}"#),
            ("logrotate.get", r#"["none"]"#, r#"{"conf_file": "ROOT/work/conf"}"#),
            ("logrotate.set", r#"["/var/log/wtmp", 5]"#, r#"{"conf_file": "ROOT/work/conf"}"#),
            ("logrotate.set", r#"["rotate", "x", "y"]"#, r#"{"conf_file": "ROOT/work/conf"}"#),
            ("state.apply", r#"["t"]"#, r#"{"test": true}"#),
            ("state.apply", r#"["t"]"#, "{}"),
            ("state.apply", r#"["t"]"#, "{}"),
        ],
    },
    Case {
        name: "requests",
        files: &[("srv/t.sls", "
found: {http.query: [{name: 'http://SERVER/'}, {status: 200}, {match: hello}]}
not found: {http.query: [{name: 'http://SERVER/'}, {match: nothing}]}
pattern: {http.query: [{name: 'http://SERVER/json'}, {match: 'a.: .1'}, {match_type: pcre}, {status: '2..'}, {status_type: pcre}]}
several: {http.query: [{name: 'http://SERVER/'}, {status: [200, 201]}, {status_type: list}]}
none of them: {http.query: [{name: 'http://SERVER/'}, {status: [300, 301]}, {status_type: list}]}
missing: {http.query: [{name: 'http://SERVER/missing'}, {status: 200}]}
nothing: {http.query: [{name: 'http://SERVER/'}]}
waited: {http.wait_for_successful_query: [{name: 'http://SERVER/'}, {wait_for: 1}, {status: 200}]}
in vain: {http.wait_for_successful_query: [{name: 'http://SERVER/missing'}, {wait_for: 0}, {status: 200}]}
")],
        opts: "{}",
        calls: &APPLY_TWICE,
    },
    Case {
        name: "aliases and extension modules",
        files: &[
            ("srv/t.sls", "
there: {alias.present: [{name: root}, {target: admin@example.org}]}
other: {alias.present: [{name: root}, {target: other@example.org}]}
new: {alias.present: [{name: new}, {target: x}]}
gone: {alias.absent: [{name: list}]}
not there: {alias.absent: [{name: none}]}
modules: {saltutil.sync_modules: [{refresh: false}]}
everything: {saltutil.sync_all: [{refresh: false}]}
again: {saltutil.sync_all: [{refresh: false}]}
"),
            ("work/aliases", "root: admin@example.org\nlist: a, b\n"),
            ("srv/_modules/own.py", "def f():\n    return 1\n"),
            ("srv/_states/own.py", "def g(name):\n    return {}\n"),
        ],
        opts: r#"{"aliases.file": "ROOT/work/aliases", "extension_modules": "ROOT/cache/extmods"}"#,
        calls: APPLY,
    },
    Case {
        name: "commits",
        files: &[
            ("srv/t.sls", "
tag: {git.detached: [{name: ROOT/work/origin}, {rev: v1}, {target: ROOT/work/d1}]}
branch: {git.detached: [{name: ROOT/work/origin}, {rev: other}, {target: ROOT/work/d2}, {remote: up}]}
moved: {git.detached: [{name: ROOT/work/origin}, {rev: other}, {target: ROOT/work/clone}]}
reset: {git.detached: [{name: ROOT/work/origin}, {rev: main}, {target: ROOT/work/dirty}, {hard_reset: true}]}
address: {git.detached: [{name: ROOT/work/bare}, {rev: main}, {target: ROOT/work/clone2}]}
occupied: {git.detached: [{name: ROOT/work/origin}, {rev: main}, {target: ROOT/work/full}]}
forced: {git.detached: [{name: ROOT/work/origin}, {rev: main}, {target: ROOT/work/full2}, {force_clone: true}]}
file: {git.detached: [{name: ROOT/work/origin}, {rev: main}, {target: ROOT/work/file}]}
no rev: {git.detached: [{name: ROOT/work/origin}, {rev: nowhere}, {target: ROOT/work/d3}]}
no remote: {git.detached: [{name: ROOT/work/none}, {rev: main}, {target: ROOT/work/d4}]}
relative: {git.detached: [{name: ROOT/work/origin}, {rev: main}, {target: d5}]}
empty: {git.detached: [{name: ROOT/work/origin}, {rev: ''}, {target: ROOT/work/d6}]}
strange: {git.detached: [{name: ROOT/work/origin}, {rev: main}, {target: ROOT/work/d7}, {bogus: 1}]}
"),
            ("work/full/x", "x"),
            ("work/full2/x", "x"),
            ("work/file", "x"),
            ("setup.sh", "
git init -q -b main work/origin && cd work/origin
echo one >file && git add file && git commit -qm one && git tag v1
git checkout -q -b other && echo two >file && git commit -qam two && git checkout -q main
cd .. && git clone -q origin clone && git clone -q origin clone2 && git clone -q origin dirty && git clone -q --bare origin bare
echo changed >dirty/file
"),
        ],
        opts: "{}",
        calls: APPLY,
    },
];

/// Packages of a directory beside the tree: no index is asked.
pub const PYTHON: &[Case] = &[Case {
    name: "python packages",
    files: &[
        ("srv/t.sls", "
fits: {pip.installed: [{name: 'Parity>=1,<2'}, {bin_env: ROOT/work/env}]}
newer: {pip.installed: [{pkgs: [other_one, parity==2.0]}, {bin_env: ROOT/work/env/bin/python}, {no_index: true}, {find_links: ROOT/srv}]}
none: {pip.installed: [{name: parity-none}, {bin_env: ROOT/work/env}, {no_index: true}, {find_links: ROOT/srv}]}
wrong: {pip.installed: [{name: parity=1}, {bin_env: ROOT/work/env}]}
nowhere: {pip.installed: [{name: parity}, {bin_env: ROOT/work/none}]}
no list: {pip.installed: [{pkgs: parity}, {bin_env: ROOT/work/env}]}
listed: {pip.installed: [{requirements: 'salt://req.txt'}, {bin_env: ROOT/work/env}, {no_index: true}, {find_links: ROOT/srv}]}
removed: {pip.removed: [{name: other-one}, {bin_env: ROOT/work/env}]}
environment: {virtualenv.managed: [{name: ROOT/work/env}]}
no requirements: {virtualenv.managed: [{name: ROOT/work/env2}, {requirements: 'salt://none.txt'}]}
"),
        ("srv/req.txt", "parity==2.0\n"),
        ("wheels.py", "
import zipfile
for name, version in (('parity', '1.0'), ('parity', '2.0'), ('other_one', '1.0')):
    with zipfile.ZipFile(f'srv/{name}-{version}-py3-none-any.whl', 'w') as wheel:
        info = f'{name}-{version}.dist-info'
        wheel.writestr(f'{name}.py', '')
        wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n')
        wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: parity\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr(f'{info}/RECORD', f'{name}.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n')
"),
        ("setup.sh", "
python3 wheels.py
python3 -m venv --without-pip work/env
cp -r $(python3 -c 'import pip, os; print(os.path.dirname(pip.__file__))') work/env/lib/python3*/site-packages/
work/env/bin/python -m pip install -q --no-index --find-links srv --disable-pip-version-check parity==1.0
"),
    ],
    opts: "{}",
    calls: &[
        ("pip.version", r#"["ROOT/work/none"]"#, "{}"),
        ("pip.is_installed", r#"["parity"]"#, r#"{"bin_env": "ROOT/work/env"}"#),
        ("pip.normalize", r#"["A.b_C"]"#, "{}"),
        ("pip.install", "[]", r#"{"bin_env": "ROOT/work/env"}"#),
        ("pip.install", r#"["x"]"#, r#"{"bin_env": "ROOT/work/env", "no_index": true, "index_url": "http://x"}"#),
        ("pip.install", r#"["x"]"#, r#"{"bin_env": "ROOT/work/env", "index_url": "x"}"#),
        ("pip.install", r#"["x"]"#, r#"{"bin_env": "ROOT/work/env", "timeout": "long"}"#),
        ("state.apply", r#"["t"]"#, "{}"),
    ],
}];

/// Each a request more: test mode and the run itself are enough.
const APPLY_TWICE: [(&str, &str, &str); 2] = [
    ("state.apply", r#"["t"]"#, r#"{"test": true}"#),
    ("state.apply", r#"["t"]"#, "{}"),
];

pub const SCHEDULE: &[Case] = &[Case {
    name: "schedule",
    files: &[("srv/t.sls", "
added: {schedule.present: [{name: j1}, {function: test.ping}, {seconds: 3600}, {offline: true}]}
again: {schedule.present: [{name: j1}, {function: test.ping}, {seconds: 3600}, {offline: true}]}
changed: {schedule.present: [{name: j1}, {function: test.ping}, {seconds: 1800}, {offline: true}]}
both: {schedule.present: [{name: j2}, {function: test.ping}, {seconds: 1}, {when: 1pm}, {offline: true}]}
gone: {schedule.absent: [{name: j1}, {offline: true}]}
not there: {schedule.absent: [{name: none}, {offline: true}]}
off: {schedule.disabled: [{name: none}, {offline: true}]}
")],
    opts: "{}",
    calls: APPLY,
}];
