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
                    steps: 500_000,
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
fn calls_and_values_have_bounds() {
    for source in [
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for n in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'x' * 99999999999 }}",
        "{{ [1] * 99999999999 }}",
        "{{ 10 ** 99999999999 }}",
        "{{ range(100000000) }}",
        "{% set l = [] %}{% do l.append(l) %}{{ l }}",
    ] {
        assert!(survive(source).is_err(), "{source}");
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
    for _ in 0..10 {
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
