//! A text that the parser cannot cope with is an error, and nothing else: stderr stays clean.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::process::Command;

#[test]
fn a_panic_of_the_parser_is_only_an_error() {
    if std::env::var_os("SALT_YAML_INNER").is_some() {
        for text in ["[!x, y]", "{!!str, a: b}", "a: [!, b]"] {
            assert!(salt_yaml::load(text).is_err(), "{text}");
        }
        return;
    }
    let inner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_panic_of_the_parser_is_only_an_error",
            "--nocapture",
        ])
        .env("SALT_YAML_INNER", "1")
        .output()
        .unwrap();
    assert!(inner.status.success());
    assert_eq!(String::from_utf8_lossy(&inner.stderr), "");
}
