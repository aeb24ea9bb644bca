//! Configurations: name, and the files below the configuration directory. `ROOT` stands for that directory.

/// One configuration.
pub(crate) type Case = (&'static str, &'static [(&'static str, &'static str)]);

/// All of them; each has `root_dir: ROOT` unless it sets its own.
pub(crate) const CASES: &[Case] = &[
    ("empty", &[("minion", "")]),
    ("missing", &[]),
    ("comments only", &[("minion", "# nothing\n\n# here\n")]),
    ("document marks", &[("minion", "---\nid: a\n...\n")]),
    ("false", &[("minion", "false\n")]),
    ("a list", &[("minion", "- a\n- b\n")]),
    ("text", &[("minion", "master salt\n")]),
    ("a number", &[("minion", "5\n")]),
    ("broken", &[("minion", "master: [a\n")]),
    ("tab", &[("minion", "a:\n\tb: 1\n")]),
    ("twice", &[("minion", "id: a\nid: b\n")]),
    ("numeric id", &[("minion", "id: 007\n")]),
    ("float id", &[("minion", "id: 1.50\n")]),
    ("true id", &[("minion", "id: yes\n")]),
    (
        "master list",
        &[(
            "minion",
            "id: a\nmaster: [m1, 'm2:4606', '[::1]:4506']\nmaster_type: failover\n",
        )],
    ),
    (
        "yaml 1.1",
        &[(
            "minion",
            "id: a\nfailhard: on\nloop_interval: 1:30\nmaster_port: 0x119a\nretry_dns: 030\nuser: ~\nlog_fmt_console: ''\n",
        )],
    ),
    (
        "anchors",
        &[(
            "minion",
            "id: a\nx: &x {grains_cache: true}\ngrains: {<<: *x, y: 1}\n",
        )],
    ),
    (
        "top merge",
        &[(
            "minion",
            "x: &x {grains_cache: true, loop_interval: 5}\nid: a\n<<: *x\n",
        )],
    ),
    (
        "unicode",
        &[(
            "minion",
            "id: \"m\u{fc}nchen\"\ngrains: {\u{e4}: \u{20ac}}\n",
        )],
    ),
    (
        "drop-ins in order",
        &[
            ("minion", "id: a\nmaster: one\n"),
            ("minion.d/20-b.conf", "master: three\nlog_level: info\n"),
            ("minion.d/10-a.conf", "master: two\nlog_level: debug\n"),
            (
                "minion.d/_schedule.conf",
                "schedule: {j: {function: test.ping, seconds: 5}}\n",
            ),
            ("minion.d/.hidden.conf", "master: hidden\n"),
            ("minion.d/not-a-conf.txt", "master: text\n"),
            ("minion.d/Z.conf", "log_level: trace\n"),
        ],
    ),
    (
        "drop-ins without a main file",
        &[("minion.d/a.conf", "id: x\nmaster: y\n")],
    ),
    (
        "drop-ins merge maps and lists",
        &[
            ("minion", "id: a\ngrains: {main: 1, roles: [m]}\n"),
            (
                "minion.d/a.conf",
                "grains: {roles: [x, y], deep: {a: 1, l: [1]}}\nsls_list: [one, two]\n",
            ),
            (
                "minion.d/b.conf",
                "grains: {roles: [y, z], deep: {b: 2, l: [1, 2]}, n: 3}\nsls_list: [two, three]\n",
            ),
        ],
    ),
    (
        "drop-in map over text",
        &[
            ("minion.d/a.conf", "id: a\ngrains: {a: {b: text}}\n"),
            ("minion.d/b.conf", "grains: {a: {b: {c: 1}}}\n"),
        ],
    ),
    (
        "drop-in map over list",
        &[
            ("minion.d/a.conf", "id: a\nbeacons: [x]\n"),
            ("minion.d/b.conf", "beacons: {y: []}\n"),
        ],
    ),
    (
        "nested map over list",
        &[
            ("minion.d/a.conf", "id: a\ngrains: {k: [x]}\n"),
            ("minion.d/b.conf", "grains: {k: {y: 1}}\n"),
        ],
    ),
    (
        "schedules are merged by job",
        &[
            (
                "minion.d/a.conf",
                "id: a\nschedule: {j: {function: test.ping, seconds: 5, args: [1]}, k: {function: a.b}}\n",
            ),
            (
                "minion.d/b.conf",
                "schedule: {j: {function: test.fib, minutes: 1}, l: {function: c.d}}\n",
            ),
        ],
    ),
    (
        "a broken schedule",
        &[
            ("minion", "id: a\n"),
            ("minion.d/_schedule.conf", "schedule: {j: [\n"),
        ],
    ),
    (
        "a broken drop-in",
        &[("minion", "id: a\n"), ("minion.d/a.conf", "x: [\n")],
    ),
    (
        "a drop-in of text",
        &[("minion", "id: a\n"), ("minion.d/a.conf", "text\n")],
    ),
    (
        "an empty drop-in",
        &[("minion", "id: a\n"), ("minion.d/a.conf", "")],
    ),
    (
        "default_include",
        &[
            ("minion", "id: a\ndefault_include: more/*.yaml\n"),
            ("more/a.yaml", "master: included\n"),
            ("minion.d/a.conf", "master: not included\n"),
        ],
    ),
    (
        "no default_include",
        &[
            ("minion", "id: a\ndefault_include: ''\n"),
            ("minion.d/a.conf", "master: not included\n"),
        ],
    ),
    (
        "include",
        &[
            (
                "minion",
                "id: a\nmaster: main\ninclude: [extra/*.conf, other]\ngrains: {a: 1}\n",
            ),
            ("minion.d/a.conf", "master: drop-in\ngrains: {b: 2}\n"),
            ("extra/x.conf", "master: extra\ngrains: {c: 3}\n"),
            ("other", "log_level: debug\n"),
        ],
    ),
    (
        "include of nothing",
        &[("minion", "id: a\ninclude: none/*.conf\n")],
    ),
    (
        "include as text",
        &[
            ("minion", "id: a\ninclude: x.conf\n"),
            ("x.conf", "master: x\n"),
        ],
    ),
    (
        "nested include",
        &[
            ("minion", "id: a\n"),
            (
                "minion.d/a.conf",
                "include: sub/b.conf\nmaster: a\ngrains: {a: [1]}\n",
            ),
            (
                "minion.d/sub/b.conf",
                "include: c.conf\nmaster: b\ngrains: {a: [2]}\n",
            ),
            ("minion.d/sub/c.conf", "log_level: error\n"),
            ("minion.d/z.conf", "grains: {a: [3]}\n"),
        ],
    ),
    (
        "absolute paths below the root",
        &[(
            "minion",
            "id: a\nroot_dir: ROOT/r\npki_dir: /pki\ncachedir: ROOT/r/cache\nsock_dir: /s\nlog_file: /var/log/m\npidfile: run/m.pid\n",
        )],
    ),
    (
        "relative paths",
        &[(
            "minion",
            "id: a\npki_dir: pki/./x/../y\ncachedir: c//d/\nlog_file: l\nextension_modules: e\n",
        )],
    ),
    (
        "the root itself",
        &[(
            "minion",
            "id: a\nroot_dir: ROOT/\npki_dir: ROOT\ncachedir: /\n",
        )],
    ),
    (
        "root with dots",
        &[("minion", "id: a\nroot_dir: ROOT/x/../y//\n")],
    ),
    (
        "a root that begins alike",
        &[("minion", "id: a\nroot_dir: ROOT/r\npki_dir: ROOT/rest\n")],
    ),
    (
        "log urls",
        &[(
            "minion",
            "id: a\nlog_file: 'file:///dev/log'\nkey_logfile: 'udp://loghost:514'\n",
        )],
    ),
    (
        "key_logfile",
        &[("minion", "id: a\nkey_logfile: /var/log/key\n")],
    ),
    ("log_dir", &[("minion", "id: a\nlog_dir: /logs\n")]),
    (
        "log_dir and relative file",
        &[("minion", "id: a\nlog_dir: /logs\nlog_file: m\n")],
    ),
    (
        "log_dir and absolute file",
        &[("minion", "id: a\nlog_dir: /logs\nlog_file: /x/m\n")],
    ),
    ("cachedir alone", &[("minion", "id: a\ncachedir: /c\n")]),
    (
        "no extension_modules",
        &[("minion", "id: a\nextension_modules: ''\ncachedir: /c\n")],
    ),
    ("utils_dirs", &[("minion", "id: a\nutils_dirs: [/u]\n")]),
    (
        "long sock_dir",
        &[(
            "minion",
            "id: a\nsock_dir: /a/very/long/directory/for/sockets/that/is/longer\ncachedir: /c\n",
        )],
    ),
    (
        "append_minionid_config_dirs",
        &[(
            "minion",
            "id: a\nappend_minionid_config_dirs: [pki_dir, cachedir, extension_modules, pidfile, default_include]\n",
        )],
    ),
    (
        "append_domain",
        &[("minion", "id: web\nappend_domain: example.org\n")],
    ),
    (
        "append_domain twice",
        &[(
            "minion",
            "id: web.example.org\nappend_domain: example.org\n",
        )],
    ),
    (
        "append_domain and a final dot",
        &[("minion", "id: web.\nappend_domain: example.org\n")],
    ),
    (
        "a kept id",
        &[
            ("minion", ""),
            ("etc/salt/minion_id", "kept.example.org\nmore\n"),
        ],
    ),
    (
        "a kept id with a mark",
        &[("minion", ""), ("etc/salt/minion_id", "\u{feff}kept\n")],
    ),
    (
        "a kept localhost",
        &[("minion", ""), ("etc/salt/minion_id", "localhost\n")],
    ),
    (
        "a kept id of nothing",
        &[("minion", ""), ("etc/salt/minion_id", "\n")],
    ),
    (
        "a kept id that is not wanted",
        &[
            ("minion", "minion_id_caching: false\n"),
            ("etc/salt/minion_id", "kept\n"),
        ],
    ),
    (
        "a kept id and a domain",
        &[
            ("minion", "append_domain: d\n"),
            ("etc/salt/minion_id", "kept\n"),
        ],
    ),
    (
        "found and lower case",
        &[("minion", "minion_id_lowercase: true\n")],
    ),
    (
        "found without its domain",
        &[("minion", "minion_id_remove_domain: true\n")],
    ),
    (
        "found without another domain",
        &[("minion", "minion_id_remove_domain: nowhere.example\n")],
    ),
    (
        "found with a domain",
        &[("minion", "append_domain: example.org\n")],
    ),
    ("environment", &[("minion", "id: a\nenvironment: dev\n")]),
    (
        "environment and saltenv",
        &[("minion", "id: a\nenvironment: dev\nsaltenv: prod\n")],
    ),
    (
        "fileserver_backend",
        &[(
            "minion",
            "id: a\nfileserver_backend: [git, roots, minion, hg, svn, other]\n",
        )],
    ),
    (
        "open_mode text",
        &[("minion", "id: a\nopen_mode: 'True'\n")],
    ),
    ("open_mode", &[("minion", "id: a\nopen_mode: true\n")]),
    (
        "file_roots",
        &[(
            "minion",
            "id: a\nfile_roots: {base: [ROOT/s, '/none'], dev: text}\npillar_roots: {base: []}\n",
        )],
    ),
    (
        "file_roots of text",
        &[("minion", "id: a\nfile_roots: /srv\npillar_roots: [x]\n")],
    ),
    (
        "file_roots with wildcards",
        &[
            (
                "minion",
                "id: a\nfile_roots: {base: ['ROOT/s/*', 'ROOT/none*']}\n",
            ),
            ("s/a/x", ""),
        ],
    ),
    ("hash_type", &[("minion", "id: a\nhash_type: SHA512\n")]),
    (
        "ipc_write_buffer",
        &[("minion", "id: a\nipc_write_buffer: 7\n")],
    ),
    (
        "ipc_write_buffer dynamic",
        &[("minion", "id: a\nipc_write_buffer: dynamic\n")],
    ),
    ("ssl", &[("minion", "id: a\nssl: true\n")]),
    ("no ssl", &[("minion", "id: a\nssl: false\n")]),
    (
        "beacons",
        &[("minion", "id: a\nbeacons: {load: [{interval: 5}]}\n")],
    ),
    ("return list", &[("minion", "id: a\nreturn: [x, y]\n")]),
    (
        "algorithms",
        &[(
            "minion",
            "id: a\nencryption_algorithm: OAEP-SHA224\nsigning_algorithm: PKCS1v15-SHA224\n",
        )],
    ),
    (
        "a wrong algorithm",
        &[("minion", "id: a\nencryption_algorithm: OAEP-MD5\n")],
    ),
    (
        "another wrong algorithm",
        &[("minion", "id: a\nsigning_algorithm: MD5\n")],
    ),
    (
        "unknown keys",
        &[("minion", "id: a\nmastr: x\nmysql.host: y\n")],
    ),
    (
        "wrong types that salt takes",
        &[(
            "minion",
            "id: a\nmaster_port: '4506'\ntest: 1\ngrains_cache: 0\n",
        )],
    ),
];
