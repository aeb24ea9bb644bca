//! A job that makes a golden image of the machine that the agent runs on: of the agent's own root and of no other.

use std::fs;

use harness::{Agent, Finished, Master, Release, bin, until_some};

/// One is enough: it is not about the wire.
const RELEASE: Release = Release::V3008;

#[test]
fn a_job_forgets_its_own_disk_alone() {
    if !RELEASE.is_installed() {
        return;
    }
    let master = Master::of(RELEASE).auto_accept().start();
    let config = "keysize: 2048\nagent: {trust: first-use}\n";
    let mut agent = Agent::start("builder", &master.address.to_string(), config);
    agent.wait_ready();
    let console = agent.dir().join("console");
    let history = agent.dir().join("root/.bash_history");
    fs::create_dir_all(history.parent().unwrap()).unwrap();
    fs::write(&history, "secret\n").unwrap();

    // Neither a word nor a job leads from this configuration to the machine that the test runs on.
    let words = format!(
        "{} -c {} generalize --dry-run --root /",
        bin("salt-agent").display(),
        agent.config_dir().display()
    );
    let refused = master.salt(&["builder", "cmd.run", &words]);
    let refused = refused["builder"].as_str().unwrap();
    assert!(refused.contains("root_dir"), "{refused}");

    let told = master.salt(&[
        "builder",
        "image.generalize",
        &format!("console={}", console.display()),
    ]);
    assert_eq!(told["builder"]["result"], true, "{told}");
    let line = until_some(60, "the receipt on the console", || {
        let text = fs::read_to_string(&console).unwrap_or_default();
        text.lines().last().map(str::to_owned)
    });
    assert!(
        line.starts_with("salt-agent: generalized clean=true digest=sha256:"),
        "{line}"
    );
    let code = until_some(10, "the agent to end", || agent.process().ended());
    assert_eq!(code, 0, "it was told to");
    assert!(!history.exists());
    let key = agent.dir().join("etc/salt/pki/minion/minion.pem");
    assert!(!key.exists());
    let receipt = agent.dir().join("var/lib/salt-agent/generalized.json");
    let receipt: serde_json::Value = serde_json::from_slice(&fs::read(receipt).unwrap()).unwrap();
    assert_eq!(receipt["root"], agent.dir().to_str().unwrap());
    // The return was out before the agent was ended.
    assert_eq!(master.keys("minions"), ["builder"]);
    let check: Finished = agent.command("generalize", &["--check"]);
    assert_eq!(check.code, 0, "{check:?}");
}
