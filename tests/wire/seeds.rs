//! Every seed of every fuzz target, through the very functions that are fuzzed.

#[path = "../../fuzz/src/lib.rs"]
#[allow(
    clippy::expect_used,
    unreachable_pub,
    reason = "written for the fuzzer, where a panic is a finding"
)]
mod targets;

use crate::fixtures::folder;

#[test]
fn every_seed_goes_through_its_decoder() {
    let seeds = folder().join("../../fuzz/seeds");
    for (name, run) in targets::TARGETS {
        let mut count = 0;
        for file in std::fs::read_dir(seeds.join(name)).unwrap() {
            let data = std::fs::read(file.unwrap().path()).unwrap();
            run(&data);
            // And what an unsteady network makes of it.
            run(&data[..data.len() / 2]);
            let mut changed = data;
            if let Some(byte) = changed.last_mut() {
                *byte ^= 0x20;
            }
            run(&changed);
            count += 1;
        }
        assert!(count > 2, "{name} has {count} seeds");
    }
}

#[test]
fn every_target_has_its_file() {
    let folder = folder().join("../../fuzz/fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    let mut names = targets::TARGETS.map(|(name, _)| name.to_owned()).to_vec();
    files.sort();
    names.sort();
    assert_eq!(files, names);
}
