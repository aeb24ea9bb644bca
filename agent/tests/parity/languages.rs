//! Packages of Ruby and node.js, from indexes and directories of the case's own; property lists.

use super::cases::{APPLY, Case};

pub const GEM: &[Case] = &[Case {
    name: "gems",
    files: &[
        (
            "srv/t.sls",
            "
{% set own = {'gem_bin': 'ROOT/gem'} %}
{% set from = {'source': 'file://ROOT/srv'} %}
installed: {gem.installed: [{name: parity}, {version: '1.0'}, {{ own }}, {{ from }}]}
again: {gem.installed: [{name: parity}, {version: '1.0'}, {{ own }}, {{ from }}]}
any: {gem.installed: [{name: parity}, {{ own }}]}
enough: {gem.installed: [{name: parity}, {version: '>=1.0'}, {{ own }}]}
too new: {gem.installed: [{name: parity}, {version: '< 1.0'}, {{ own }}, {{ from }}]}
newer: {gem.installed: [{name: parity}, {version: '> 1.0'}, {pre_releases: true}, {ri: true}, {{ own }}, {{ from }}]}
none such: {gem.installed: [{name: parity-none}, {{ own }}, {{ from }}]}
no program: {gem.installed: [{name: parity}, {gem_bin: ROOT/none}]}
gone: {gem.removed: [{name: parity}, {{ own }}]}
gone again: {gem.removed: [{name: parity}, {{ own }}]}
misspelt: {gem.removed: [{name: parity}, {version: 1}]}
",
        ),
        (
            "parity.gemspec",
            "Gem::Specification.new do |s|
s.name = 'parity'
s.version = ENV['V']
s.summary = s.authors = 'x'
s.files = []
end
",
        ),
        (
            "gem",
            "#!/bin/sh\nGEM_HOME=ROOT/work/env GEM_PATH=ROOT/work/env HOME=ROOT/work/env exec /usr/bin/gem \"$@\"\n",
        ),
        (
            "setup.sh",
            "
mkdir -p srv/gems work/env
chmod 755 gem
for v in 1.0 2.0; do V=$v gem build -q parity.gemspec >/dev/null 2>&1; done
mv *.gem srv/gems/
gem generate_index -d srv >/dev/null 2>&1
./gem sources --remove https://rubygems.org/ >/dev/null
",
        ),
    ],
    opts: "{}",
    calls: &[
        ("gem.version", "[]", r#"{"gem_bin": "ROOT/gem"}"#),
        ("gem.list", "[]", r#"{"gem_bin": "ROOT/gem"}"#),
        (
            "gem.install",
            r#"["parity"]"#,
            r#"{"gem_bin": "ROOT/gem", "version": "1.0", "source": "file://ROOT/srv"}"#,
        ),
        ("gem.list", r#"["par"]"#, r#"{"gem_bin": "ROOT/gem"}"#),
        (
            "gem.sources_add",
            r#"["file://ROOT/srv"]"#,
            r#"{"gem_bin": "ROOT/gem"}"#,
        ),
        ("gem.sources_list", "[]", r#"{"gem_bin": "ROOT/gem"}"#),
        ("gem.list_upgrades", "[]", r#"{"gem_bin": "ROOT/gem"}"#),
        ("gem.update", r#"["parity"]"#, r#"{"gem_bin": "ROOT/gem"}"#),
        (
            "gem.uninstall",
            r#"[["parity"]]"#,
            r#"{"gem_bin": "ROOT/gem"}"#,
        ),
        (
            "gem.sources_remove",
            r#"["file://ROOT/srv"]"#,
            r#"{"gem_bin": "ROOT/gem"}"#,
        ),
        (
            "gem.install",
            r#"["none such"]"#,
            r#"{"gem_bin": "ROOT/gem", "source": "file://ROOT/srv"}"#,
        ),
        ("state.apply", r#"["t"]"#, r#"{"test": true}"#),
        ("state.apply", r#"["t"]"#, "{}"),
        ("state.apply", r#"["t"]"#, "{}"),
    ],
}];

const PACKAGE: &str = r#"{"name": "parity", "version": "1.0.0"}"#;

pub const NPM: &[Case] = &[
    Case {
        name: "packages",
        files: &[
            (
                "srv/t.sls",
                "
there: {npm.installed: [{name: parity}, {dir: ROOT/work/env/app}]}
version: {npm.installed: [{name: parity@1.0.0}, {dir: ROOT/work/env/app}]}
both: {npm.installed: [{pkgs: [parity@1.0.0, 'file:ROOT/srv/two']}, {dir: ROOT/work/env/app}]}
forced: {npm.installed: [{name: 'file:ROOT/srv/one'}, {force_reinstall: true}, {dir: ROOT/work/env/app}, {env: [{A: b}]}]}
no such: {npm.installed: [{name: parity-none@1}, {dir: ROOT/work/env/app}]}
nowhere: {npm.installed: [{name: parity}, {dir: ROOT/work/none}]}
gone: {npm.removed: [{name: parity-two}, {dir: ROOT/work/env/app}]}
never: {npm.removed: [{name: parity-two}, {dir: ROOT/work/env/app}]}
bootstrapped: {npm.bootstrap: [{name: ROOT/work/env/boot}]}
no directory: {npm.bootstrap: [{name: ROOT/work/none}]}
misspelt: {npm.removed: [{name: parity}, {registry: x}]}
",
            ),
            ("srv/one/package.json", PACKAGE),
            (
                "srv/two/package.json",
                r#"{"name": "parity-two", "version": "2.0.0"}"#,
            ),
            (
                "work/env/app/package.json",
                r#"{"name": "app", "version": "1.0.0"}"#,
            ),
            (
                "work/env/boot/package.json",
                r#"{"name": "boot", "version": "1.0.0", "dependencies": {"parity": "file:../../../srv/one"}}"#,
            ),
            (
                "setup.sh",
                "
for dir in app boot; do printf 'offline=true\nfund=false\naudit=false\nupdate-notifier=false\nlogs-max=0\n' >work/env/$dir/.npmrc; done
cd work/env/app && npm install --silent ../../../srv/one >/dev/null
",
            ),
        ],
        opts: "{}",
        calls: &[
            ("npm.list", "[]", r#"{"dir": "ROOT/work/env/app"}"#),
            (
                "npm.list",
                r#"["parity"]"#,
                r#"{"dir": "ROOT/work/env/app", "depth": 0}"#,
            ),
            (
                "npm.list",
                r#"["parity-none"]"#,
                r#"{"dir": "ROOT/work/env/app", "depth": 0.5}"#,
            ),
            ("npm.list", "[]", r#"{"depth": "x"}"#),
            (
                "npm.install",
                r#"["file:ROOT/srv/two"]"#,
                r#"{"dir": "ROOT/work/env/app", "dry_run": true}"#,
            ),
            (
                "npm.uninstall",
                r#"["parity-two"]"#,
                r#"{"dir": "ROOT/work/env/app"}"#,
            ),
            ("npm.cache_path", "[]", "{}"),
            ("state.apply", r#"["t"]"#, r#"{"test": true}"#),
            ("state.apply", r#"["t"]"#, "{}"),
            ("state.apply", r#"["t"]"#, "{}"),
        ],
    },
    Case {
        name: "packages of all",
        files: &[(
            "srv/t.sls",
            "
none: {npm.removed: [{name: parity-none}]}
not cached: {npm.cache_cleaned: [{name: parity-none}]}
cached: {npm.cache_cleaned: []}
",
        )],
        opts: "{}",
        calls: &[APPLY[0]],
    },
];

pub const PLIST: &[Case] = &[Case {
    name: "property lists",
    files: &[
        (
            "srv/t.sls",
            "
new: {file.serialize: [{name: ROOT/work/new}, {serializer: plist}, {dataset: {b: [1, 1.5, true, 'a<b & c'], a: {x: {}, y: []}, c: ''}}]}
unsorted: {file.serialize: [{name: ROOT/work/unsorted}, {formatter: plist}, {serializer_opts: [{sort_keys: false}]}, {dataset: {b: 1, a: 2}}]}
merged: {file.serialize: [{name: ROOT/work/there}, {serializer: plist}, {merge_if_exists: true}, {dataset: {new: 1, kept: {more: 2}}}]}
same: {file.serialize: [{name: ROOT/work/there}, {serializer: plist}, {merge_if_exists: true}, {dataset: {kept: {more: 2}}}]}
",
        ),
        (
            "work/there",
            "<?xml version=\"1.0\"?>\n<!-- c --><plist version=\"1.0\"><dict><key>kept</key><dict><key>x</key><string>&lt;y&#62;</string></dict><key>n</key><integer>0x10</integer><key>f</key><false/></dict></plist>",
        ),
        ("setup.sh", "chmod 644 work/*\n"),
    ],
    opts: "{}",
    calls: APPLY,
}];
