//! Lays the functions of the released program out in memory as `layout.ld` says.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=layout.ld");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LAYOUT");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    // GNU ld and LLD, which Rust has brought for this target since 1.90, know such a script.
    let known = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    // `make layout` measures a program that no script has touched: its tool tells functions apart in one section only.
    if is("PROFILE", "release") && known && !is("LAYOUT", "none") {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/layout.ld");
    }
}
