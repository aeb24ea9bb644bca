//! The states that edit files, many in one tree: each works on a file of its own below `work`. And what a run does
//! beside calling one state after the other.

use super::cases::{APPLY, Case};

const CONF: &str = "# comment\n[main]\nkey = value\nother=1\n#off = yes\n  indented = 2\nlast\n";

pub const EDITS: &[Case] = &[
    Case {
        name: "append and prepend",
        files: &[
            (
                "srv/t.sls",
                "
a-new: {file.append: [{name: ROOT/work/new}, {text: hello}]}
a-two: {file.append: [{name: ROOT/work/a2}, {text: [last, 'key   =  value', 'x y', 'it''s']}]}
a-block: {file.append: [{name: ROOT/work/a3}, {text: \"one\\ntwo\\n\"}]}
a-exact: {file.append: [{name: ROOT/work/a4}, {text: 'key  = value'}, {ignore_whitespace: false}]}
a-none: {file.append: [{name: ROOT/work/a5}, {text: last}]}
a-nonl: {file.append: [{name: ROOT/work/nonl}, {text: more}]}
a-nodir: {file.append: [{name: ROOT/work/no/dir}, {text: x}]}
a-mkdir: {file.append: [{name: ROOT/work/made/f}, {text: x}, {makedirs: true}]}
a-hidden: {file.append: [{name: ROOT/work/a6}, {text: secret}, {show_changes: false}]}
a-source: {file.append: [{name: ROOT/work/a7}, {source: 'salt://part.j2'}, {context: {who: me}}]}
a-sources: {file.append: [{name: ROOT/work/a8}, {sources: ['salt://part.j2', 'salt://plain']}, {defaults: {who: us}}]}
a-relative: {file.append: [{name: rel}, {text: x}]}
p-new: {file.prepend: [{name: ROOT/work/pnew}, {text: hello}]}
p-two: {file.prepend: [{name: ROOT/work/p2}, {text: [first, last]}]}
p-header: {file.prepend: [{name: ROOT/work/p3}, {text: ['# top', '# comment']}, {header: true}]}
p-header-there: {file.prepend: [{name: ROOT/work/p4}, {text: ['# comment', '[main]']}, {header: true}]}
p-there: {file.prepend: [{name: ROOT/work/p5}, {text: last}]}
",
            ),
            ("srv/part.j2", "from {{ who }}\n"),
            ("srv/plain", "plain\ntext\n"),
            ("work/a2", CONF),
            ("work/a3", CONF),
            ("work/a4", CONF),
            ("work/a5", CONF),
            ("work/a6", CONF),
            ("work/a7", CONF),
            ("work/a8", CONF),
            ("work/nonl", "no line end"),
            ("work/p2", CONF),
            ("work/p3", CONF),
            ("work/p4", CONF),
            ("work/p5", CONF),
        ],
        opts: "{}",
        calls: APPLY,
    },
    Case {
        name: "replace and comment",
        files: &[
            (
                "srv/t.sls",
                r"
r-one: {file.replace: [{name: ROOT/work/r1}, {pattern: '^key = (.*)$'}, {repl: 'key = new-\1'}]}
r-count: {file.replace: [{name: ROOT/work/r2}, {pattern: e}, {repl: E}, {count: 2}]}
r-flags: {file.replace: [{name: ROOT/work/r3}, {pattern: '^KEY.*$'}, {repl: 'x'}, {flags: [IGNORECASE, MULTILINE]}]}
r-append: {file.replace: [{name: ROOT/work/r4}, {pattern: '^none=.*$'}, {repl: 'none=1'}, {append_if_not_found: true}]}
r-prepend: {file.replace: [{name: ROOT/work/r5}, {pattern: '^none=.*$'}, {repl: 'none=1'}, {prepend_if_not_found: true}, {not_found_content: 'other text'}, {backup: false}]}
r-same: {file.replace: [{name: ROOT/work/r6}, {pattern: 'nothing'}, {repl: 'x'}]}
r-hidden: {file.replace: [{name: ROOT/work/r7}, {pattern: last}, {repl: 'the end'}, {show_changes: false}]}
r-literal: {file.replace: [{name: ROOT/work/r8}, {pattern: last}, {repl: 'a\1b'}, {backslash_literal: true}]}
r-multi: {file.replace: [{name: ROOT/work/r9}, {pattern: 'main.*?other'}, {repl: 'gone'}, {flags: [DOTALL]}]}
r-missing: {file.replace: [{name: ROOT/work/nope}, {pattern: a}, {repl: b}]}
r-ignored: {file.replace: [{name: ROOT/work/nope}, {pattern: a}, {repl: b}, {ignore_if_missing: true}]}
r-bak: {file.replace: [{name: ROOT/work/r10}, {pattern: last}, {repl: end}, {backup: .orig}]}
c-one: {file.comment: [{name: ROOT/work/c1}, {regex: '^key'}]}
c-char: {file.comment: [{name: ROOT/work/c2}, {regex: '^other=1$'}, {char: ';'}, {backup: false}]}
c-already: {file.comment: [{name: ROOT/work/c3}, {regex: '^off'}]}
c-missing: {file.comment: [{name: ROOT/work/c4}, {regex: '^nothing'}]}
c-ignored: {file.comment: [{name: ROOT/work/c5}, {regex: '^nothing'}, {ignore_missing: true}]}
u-one: {file.uncomment: [{name: ROOT/work/u1}, {regex: 'off'}]}
u-already: {file.uncomment: [{name: ROOT/work/u2}, {regex: '^key'}]}
u-missing: {file.uncomment: [{name: ROOT/work/u3}, {regex: 'nothing'}]}
u-nofile: {file.uncomment: [{name: ROOT/work/nope}, {regex: 'off'}]}
",
            ),
            ("work/r1", CONF),
            ("work/r2", CONF),
            ("work/r3", CONF),
            ("work/r4", CONF),
            ("work/r5", CONF),
            ("work/r6", CONF),
            ("work/r7", CONF),
            ("work/r8", CONF),
            ("work/r9", CONF),
            ("work/r10", CONF),
            ("work/c1", CONF),
            ("work/c2", CONF),
            ("work/c3", CONF),
            ("work/c4", CONF),
            ("work/c5", CONF),
            ("work/u1", CONF),
            ("work/u2", CONF),
            ("work/u3", CONF),
        ],
        opts: "{}",
        calls: APPLY,
    },
    Case {
        name: "line, block and keyvalue",
        files: &[
            (
                "srv/t.sls",
                "
l-after: {file.line: [{name: ROOT/work/l1}, {content: 'new = 1'}, {mode: ensure}, {after: '^key'}]}
l-before: {file.line: [{name: ROOT/work/l2}, {content: 'new = 1'}, {mode: ensure}, {before: 'indented'}]}
l-between: {file.line: [{name: ROOT/work/l3}, {content: 'between'}, {mode: ensure}, {after: main}, {before: other}]}
l-insert-end: {file.line: [{name: ROOT/work/l4}, {content: 'end'}, {mode: insert}, {location: end}]}
l-insert-start: {file.line: [{name: ROOT/work/l5}, {content: 'start'}, {mode: insert}, {location: start}]}
l-insert-after: {file.line: [{name: ROOT/work/l6}, {content: 'x'}, {mode: insert}, {after: indented}]}
l-replace: {file.line: [{name: ROOT/work/l7}, {content: 'key = 2'}, {match: '^key'}, {mode: replace}]}
l-delete: {file.line: [{name: ROOT/work/l8}, {match: other}, {mode: delete}]}
l-flush: {file.line: [{name: ROOT/work/l9}, {content: '  flush'}, {match: indented}, {mode: replace}, {indent: false}]}
l-nomode: {file.line: [{name: ROOT/work/l10}, {content: x}]}
l-nocontent: {file.line: [{name: ROOT/work/l11}, {mode: ensure}, {after: key}]}
l-nofile: {file.line: [{name: ROOT/work/nope}, {content: x}, {mode: ensure}, {after: key}]}
l-hidden: {file.line: [{name: ROOT/work/l12}, {content: 'key = 2'}, {match: '^key'}, {mode: replace}, {show_changes: false}]}
b-append: {file.blockreplace: [{name: ROOT/work/b1}, {content: \"a\\nb\"}, {append_if_not_found: true}, {backup: false}]}
b-prepend: {file.blockreplace: [{name: ROOT/work/b2}, {marker_start: '# S'}, {marker_end: '# E'}, {content: \"a\\nb\\n\"}, {prepend_if_not_found: true}]}
b-there: {file.blockreplace: [{name: ROOT/work/b3}, {marker_start: '# S'}, {marker_end: '# E'}, {content: new}]}
b-after: {file.blockreplace: [{name: ROOT/work/b4}, {content: x}, {insert_after_match: '^key'}]}
b-before: {file.blockreplace: [{name: ROOT/work/b5}, {content: x}, {insert_before_match: '^key'}, {show_changes: false}]}
b-none: {file.blockreplace: [{name: ROOT/work/b6}, {content: x}]}
b-open: {file.blockreplace: [{name: ROOT/work/b7}, {marker_start: '# S'}, {marker_end: '# never'}, {content: x}]}
b-source: {file.blockreplace: [{name: ROOT/work/b8}, {source: 'salt://block.j2'}, {append_if_not_found: true}]}
gather: {file.accumulated: [{filename: ROOT/work/b9}, {text: [one, two]}, {require_in: [{file: b-gathered}]}]}
orphan: {file.accumulated: [{filename: ROOT/work/b9}, {text: three}]}
b-gathered: {file.blockreplace: [{name: ROOT/work/b9}, {content: own}, {append_if_not_found: true}]}
k-set: {file.keyvalue: [{name: ROOT/work/k1}, {key: other}, {value: two}]}
k-many: {file.keyvalue: [{name: ROOT/work/k2}, {key_values: {other: 'two', 'off': 'no', fresh: 'yes'}}, {append_if_not_found: true}]}
k-sep: {file.keyvalue: [{name: ROOT/work/k3}, {key: key}, {value: v2}, {separator: ' = '}]}
k-uncomment: {file.keyvalue: [{name: ROOT/work/k4}, {key: off}, {value: 'no'}, {separator: ' = '}, {uncomment: '#'}]}
k-prepend: {file.keyvalue: [{name: ROOT/work/k5}, {key: fresh}, {value: 7}, {prepend_if_not_found: true}]}
k-case: {file.keyvalue: [{name: ROOT/work/k6}, {key: OTHER}, {value: two}, {key_ignore_case: true}]}
k-create: {file.keyvalue: [{name: ROOT/work/k7}, {key: a}, {value: b}, {create_if_missing: true}]}
k-missing: {file.keyvalue: [{name: ROOT/work/nope}, {key: a}, {value: b}]}
k-ignored: {file.keyvalue: [{name: ROOT/work/nope}, {key: a}, {value: b}, {ignore_if_missing: true}]}
k-empty: {file.keyvalue: [{name: ROOT/work/k8}]}
k-prune: {file.keyvalue: [{name: ROOT/work/k9}, {key_values: {other: '1'}}, {prune: true}]}
",
            ),
            ("srv/block.j2", "from {{ 1 + 1 }}\n"),
            ("work/l1", CONF),
            ("work/l2", CONF),
            ("work/l3", CONF),
            ("work/l4", CONF),
            ("work/l5", CONF),
            ("work/l6", CONF),
            ("work/l7", CONF),
            ("work/l8", CONF),
            ("work/l9", CONF),
            ("work/l10", CONF),
            ("work/l11", CONF),
            ("work/l12", CONF),
            ("work/b1", CONF),
            ("work/b2", CONF),
            ("work/b3", "x\n# S\nold\n# E tail\ny\n"),
            ("work/b4", CONF),
            ("work/b5", CONF),
            ("work/b6", CONF),
            ("work/b7", "# S\nopen\n"),
            ("work/b8", CONF),
            ("work/b9", CONF),
            ("work/k1", CONF),
            ("work/k2", CONF),
            ("work/k3", CONF),
            ("work/k4", CONF),
            ("work/k5", CONF),
            ("work/k6", CONF),
            ("work/k8", CONF),
            ("work/k9", CONF),
        ],
        opts: "{}",
        calls: APPLY,
    },
    Case {
        name: "copies, moves and trees",
        files: &[
            (
                "srv/t.sls",
                "
y-copy: {file.copy: [{name: ROOT/work/copied}, {source: ROOT/work/from}, {mode: '0640'}]}
y-keep: {file.copy: [{name: ROOT/work/kept}, {source: ROOT/work/from}, {preserve: true}]}
y-there: {file.copy: [{name: ROOT/work/there}, {source: ROOT/work/from}]}
y-force: {file.copy: [{name: ROOT/work/forced}, {source: ROOT/work/from}, {force: true}]}
y-nodir: {file.copy: [{name: ROOT/work/no/copy}, {source: ROOT/work/from}]}
y-mkdir: {file.copy: [{name: ROOT/work/made/copy}, {source: ROOT/work/from}, {makedirs: true}]}
y-gone: {file.copy: [{name: ROOT/work/x}, {source: ROOT/work/nope}]}
y-dir: {file.copy: [{name: ROOT/work/dir2}, {source: ROOT/work/dir}]}
y-subdir: {file.copy: [{name: ROOT/work/dir}, {source: ROOT/work/from}, {subdir: true}]}
m-move: {file.rename: [{name: ROOT/work/moved}, {source: ROOT/work/mover}]}
m-there: {file.rename: [{name: ROOT/work/there}, {source: ROOT/work/from}]}
m-force: {file.rename: [{name: ROOT/work/over}, {source: ROOT/work/mover2}, {force: true}]}
m-gone: {file.rename: [{name: ROOT/work/x}, {source: ROOT/work/nope}]}
m-nodir: {file.rename: [{name: ROOT/work/no/x}, {source: ROOT/work/from}]}
h-new: {file.hardlink: [{name: ROOT/work/hard}, {target: ROOT/work/from}]}
h-file: {file.hardlink: [{name: ROOT/work/there}, {target: ROOT/work/other}]}
h-force: {file.hardlink: [{name: ROOT/work/victim}, {target: ROOT/work/other}, {force: true}]}
h-gone: {file.hardlink: [{name: ROOT/work/hx}, {target: ROOT/work/nope}]}
h-relative: {file.hardlink: [{name: rel}, {target: rel2}]}
h-dir: {file.hardlink: [{name: ROOT/work/hx}, {target: ROOT/work/dir}]}
t-new: {file.touch: [{name: ROOT/work/touched}]}
t-nodir: {file.touch: [{name: ROOT/work/no/touched}]}
t-mkdir: {file.touch: [{name: ROOT/work/tdir/touched}, {makedirs: true}]}
t-there: {file.touch: [{name: ROOT/work/there}]}
t-relative: {file.touch: [{name: rel}]}
e-tree: {file.recurse: [{name: ROOT/work/tree}, {source: 'salt://tree'}, {file_mode: '0640'}, {dir_mode: '0750'}]}
e-template: {file.recurse: [{name: ROOT/work/tree2}, {source: 'salt://tree'}, {template: jinja}, {context: {x: 1}}, {include_pat: '*.j2'}]}
e-clean: {file.recurse: [{name: ROOT/work/tree3}, {source: 'salt://tree'}, {clean: true}, {exclude_pat: 'E@keep'}]}
e-depth: {file.recurse: [{name: ROOT/work/tree4}, {source: 'salt://tree'}, {maxdepth: 0}]}
e-none: {file.recurse: [{name: ROOT/work/tree5}, {source: 'salt://nowhere'}]}
e-scheme: {file.recurse: [{name: ROOT/work/tree6}, {source: '/etc'}]}
e-mode: {file.recurse: [{name: ROOT/work/tree7}, {source: 'salt://tree'}, {mode: '0644'}]}
e-file: {file.recurse: [{name: ROOT/work/there}, {source: 'salt://tree'}]}
",
            ),
            ("srv/tree/a", "a\n"),
            ("srv/tree/b.j2", "b {{ x|default('none') }}\n"),
            ("srv/tree/sub/c", "c\n"),
            ("work/from", "from\n"),
            ("work/there", "there\n"),
            ("work/forced", "from\n"),
            ("work/dir/f", "f\n"),
            ("work/mover", "m\n"),
            ("work/mover2", "m2\n"),
            ("work/over", "o\n"),
            ("work/other", "other\n"),
            ("work/victim", "v\n"),
            ("work/tree3/extra", "x\n"),
            ("work/tree3/keep", "k\n"),
            ("work/tree3/a", "old\n"),
        ],
        opts: "{}",
        calls: APPLY,
    },
];

pub const RUNNING: &[Case] = &[
    Case {
        name: "slots",
        files: &[(
            "srv/t.sls",
            "
a: {test.configurable_test_state: [{changes: false}, {comment: '__slot__:salt:test.echo(hello)'}]}
b: {test.configurable_test_state: [{changes: false}, {comment: '__slot__:salt:test.echo(\"a, b\") ~ \" and c\"'}]}
c: {test.configurable_test_state: [{changes: false}, {comment: '__slot__:salt:test.arg(x, k=v).kwargs.k'}]}
d: {test.configurable_test_state: [{changes: false}, {comment: '__slot__:salt:no.such()'}]}
e: {test.configurable_test_state: [{changes: false}, {comment: '__slot__:other:x'}]}
f: {test.nop: [{onlyif: [{fun: test.echo, args: ['__slot__:salt:test.echo(x)']}]}]}
",
        )],
        opts: "{}",
        calls: APPLY,
    },
    Case {
        name: "parallel",
        files: &[(
            "srv/t.sls",
            "
a: {test.succeed_with_changes: [{parallel: true}]}
b: {test.fail_without_changes: [{parallel: true}]}
f: {test.configurable_test_state: [{result: false}, {comment: mine}, {parallel: true}, {retry: {attempts: 2, interval: 0}}]}
d: {test.nop: [{require: [{test: b}]}]}
e: {test.nop: [{onchanges: [{test: a}]}]}
c: {test.nop: [{parallel: true}, {require: [{test: a}]}]}
",
        )],
        opts: "{}",
        calls: APPLY,
    },
];
