//! No template hangs, exhausts the host or ends the process, whatever it holds; all on a small stack of the caller's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

use salt_jinja::{Environment, Limits, Options};
use salt_wire::{Map, map};

/// Renders on a thread as small as a runtime gives; it must end in text or an error.
fn survive(source: &str) -> Result<String, String> {
    let source = source.to_owned();
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || {
            let mut environment = Environment::new(Options {
                limits: Limits {
                    steps: 100_000,
                    ..Limits::default()
                },
                ..Options::default()
            });
            environment.set("d", map! {"a" => 1, "b" => Map::new()});
            environment.render(&source).map_err(|e| e.message)
        })
        .unwrap()
        .join()
        .expect("a template must not panic")
}

#[test]
fn endless_work_is_stopped() {
    for source in [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(n) %}{% if n %}{% for x in [1] %}{{ m(n - 1) }}{% endfor %}{% endif %}{% endmacro %}{{ m(9999) }}",
        "{% for n in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'x' * 99999999999 }}",
        "{{ 'x' * 9999999 * 9999999 }}",
        "{{ [1] * 99999999999 }}",
        "{{ '%99999999999d' % 1 * 9999999 }}",
        "{{ 10 ** 99999999999 }}",
        "{{ range(100000000) }}",
        "{% set ns = namespace(x='x' * 999999) %}{% for i in range(999) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{{ range(30)|permutations|list|length }}",
        "{{ range(99)|product(range(99), range(99), range(99))|list|length }}",
        "{{ '10.0.0.0/8'|network_hosts }}",
        "{% set l = [] %}{% for i in range(99999) %}{% do l.append('x' * 9999999) %}{% endfor %}",
    ] {
        assert!(survive(source).is_err(), "{source}");
    }
    // Finds nothing, and soon.
    drop(survive("{{ ('a' * 5000 ~ 'b')|regex_search('(a*)*c') }}"));
}

#[test]
fn depth_is_no_danger() {
    let deep =
        |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    for n in [10, 50, 59, 60, 61, 200, 3_000] {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("{1:", "}"),
            ("not ", ""),
            ("-", ""),
            ("f(", ")"),
            ("d[", "]"),
        ] {
            drop(survive(&format!("{{{{ {} }}}}", deep(open, close, n))));
        }
        for (open, close) in [
            ("{% if 1 %}", "{% endif %}"),
            ("{% for i in [1] %}", "{% endfor %}"),
            ("{% filter upper %}", "{% endfilter %}"),
            ("{% set x %}", "{% endset %}"),
            ("{% macro m() %}", "{% endmacro %}"),
            ("{% with %}", "{% endwith %}"),
        ] {
            drop(survive(&deep(open, close, n)));
        }
        drop(survive(&format!("{{{{ 1{} }}}}", "|string".repeat(n))));
        drop(survive(&format!("{{{{ 1{} }}}}", " + 1".repeat(n))));
        drop(survive(&format!("{{{{ d{} }}}}", ".a".repeat(n))));
    }
    // The greatest nesting of statements and expressions, within the deepest calls.
    let inner = deep("{% for i in [1] %}", "{% endfor %}", 40)
        .replace('1', "m(n - 1) if n else ((((((((((1))))))))))");
    drop(survive(&format!(
        "{{% macro m(n) %}}{{{{ m(n - 1) if n }}}}{inner}{{% endmacro %}}{{{{ m(60) }}}}"
    )));
}

#[test]
fn values_that_hold_themselves_or_are_endlessly_deep() {
    for source in [
        "{% set l = [] %}{% do l.append(l) %}{{ l }}",
        "{% set l = [] %}{% do l.append(l) %}{{ l|json }}",
        "{% set l = [] %}{% do l.append(l) %}{{ l|yaml }}",
        "{% set l = [] %}{% do l.append(l) %}{{ l|flatten }}",
        "{% set l = [] %}{% do l.append(l) %}{{ l|python }}",
        "{% do d.update({'d': d}) %}{{ d }}",
    ] {
        assert!(survive(source).is_err(), "{source}");
    }
    for wrap in [
        "[ns.x]",
        "(ns.x,)",
        "{'x': ns.x}",
        "[ns.x]|select('defined')",
        "cycler(ns.x)",
        "namespace(x=ns.x)",
        "[ns.x]|reverse",
        "{(ns.x,): 1}",
    ] {
        drop(survive(&format!(
            "{{% set ns = namespace(x=1) %}}{{% for i in range(30000) %}}{{% set ns.x = {wrap} %}}{{% endfor %}}{{{{ ns.x == ns.x }}}}"
        )));
        // Few parts, but endlessly many ways through them.
        for end in [
            "ns.x",
            "ns.x|json",
            "ns.x|yaml",
            "ns.x|python",
            "ns.x|flatten",
            "ns.x == ns.y",
            "ns.x|unique",
            "ns.x|tojson|length",
        ] {
            drop(survive(&format!(
                "{{% set ns = namespace(x=[1], y=[1]) %}}{{% for i in range(60) %}}{{% set ns.x = [ns.x, ns.x] %}}{{% set ns.y = [ns.y, ns.y] %}}{{% endfor %}}{{{{ {end} }}}}"
            )));
        }
    }
}

#[test]
fn odd_sources_are_errors_or_text() {
    let pieces = [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "-",
        "+",
        "if",
        "for",
        "in",
        "endfor",
        "endif",
        "else",
        "set",
        "x",
        "=",
        "'",
        "\"",
        "\\",
        "|",
        ".",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "1",
        "1.5",
        "~",
        "is",
        "not",
        "raw",
        "endraw",
        " ",
        "\n",
        "é",
        "%",
        "macro",
        "block",
        "d",
        "upper",
        "**",
        "//",
        "import",
        "as",
        "include",
        "load_yaml",
        "endload",
        "call",
        "filter",
        "0x",
        "1e",
        "_",
        "loop",
        "!",
    ];
    let mut seed = 99u64;
    for _ in 0..60 {
        let mut sources = Vec::new();
        for _ in 0..200 {
            let mut source = String::new();
            for _ in 0..16 {
                seed = seed
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                source.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            sources.push(source);
        }
        let all = sources.join("{# #}");
        drop(survive(&all));
        for source in sources {
            let environment = Environment::default();
            drop(environment.render(&source));
            drop(environment.render(&format!("{{{{ {source} }}}}")));
            drop(environment.render(&format!("{{% {source} %}}")));
        }
    }
}
