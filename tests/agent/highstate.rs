//! A highstate, read by Salt's own outputter.

use std::fs;

use harness::{Agent, Master, Release};

on_each_release!(a_highstate_reads_as_the_operator_knows_it);

const APP: &str = "
greeting:
  file.managed:
    - name: {{ grains['motd_path'] }}
    - contents: 'hello {{ pillar.get(\"who\", \"nobody\") }} from {{ grains.id }}'
    - mode: '0640'
tell:
  cmd.run:
    - name: echo told
    - onchanges: [{file: greeting}]
plain:
  test.succeed_without_changes:
    - require: [{file: greeting}]
";

const LOST: &str = "
found: test.nop
lost: {test.nop: [{require: [{test: nowhere}]}]}
";

fn a_highstate_reads_as_the_operator_knows_it(release: Release) {
    let master = Master::of(release)
        .auto_accept()
        .file("srv/salt/top.sls", "base: {'*': [app]}\n")
        .file("srv/salt/app.sls", APP)
        .file("srv/pillar/top.sls", "base: {'*': [who]}\n")
        .file("srv/pillar/who.sls", "who: world\n")
        .start();
    let mut agent = Agent::prepare("app1", &master.address.to_string(), "");
    let motd = agent.dir().join("motd");
    agent.configure(&format!(
        "master: {}\nagent: {{trust: first-use}}\ngrains: {{motd_path: {}}}",
        master.address,
        motd.display()
    ));
    agent.run();
    agent.wait_ready();

    let tested = master.run(
        "salt",
        &["-t", "30", "app1", "state.highstate", "test=True"],
    );
    assert_eq!(tested.code, 0, "{tested:?}");
    assert!(
        tested
            .stdout
            .contains("Succeeded: 3 (unchanged=2, changed=2)"),
        "{tested:?}"
    );
    assert!(!motd.exists());

    let first = master
        .run("salt", &["-t", "30", "app1", "state.highstate"])
        .success();
    assert!(
        first.stdout.contains("Succeeded: 3 (changed=2)"),
        "{first:?}"
    );
    assert_eq!(
        fs::read_to_string(&motd).unwrap(),
        "hello world from app1\n"
    );

    let second = master
        .run("salt", &["-t", "30", "app1", "state.apply"])
        .success();
    assert!(second.stdout.contains("Succeeded: 3"), "{second:?}");
    assert!(!second.stdout.contains("changed="), "{second:?}");

    // Whose rules hold is the master's release: a requisite that leads nowhere is the end of the run, or of one state.
    master.write("srv/salt/lost.sls", LOST);
    let lost = master.run("salt", &["-t", "30", "app1", "state.apply", "lost"]);
    assert_ne!(lost.code, 0);
    let (said, counted) = match release {
        Release::V3008 => ("Referenced state does not exist for requisite", ""),
        Release::V3007 | Release::V3006 => (
            "The following requisites were not found",
            "Succeeded: 1\nFailed:    1",
        ),
    };
    assert!(
        lost.stdout.contains(said) && lost.stdout.contains(counted),
        "{lost:?}"
    );

    // What cannot run here is named before anything is changed.
    fs::remove_file(&motd).unwrap();
    master.write(
        "srv/salt/app.sls",
        &format!("{APP}\nnever:\n  docker_container.running:\n    - image: x\n"),
    );
    let refused = master.run("salt", &["-t", "30", "app1", "state.highstate"]);
    assert_ne!(refused.code, 0);
    assert!(
        refused.stdout.contains("docker_container.running"),
        "{refused:?}"
    );
    assert!(!motd.exists(), "something was changed before the refusal");
}
