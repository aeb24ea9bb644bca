//! Operations against a cloud in memory: stopped at every call that changes something, before its effect and before
//! its answer, then resumed or undone. Both must end right, and leave nothing.

mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use world::{BLUE, Blow, FakeCloud, FakeMaster, GREEN, World as Fake};

use super::plans::{Address, Bake, Newcomer, Replacement};
use super::{Runner, Stopped, World};
use crate::cli::Cli;
use crate::cloud::Client;
use crate::cloud::server::{NewServer, Nic, RootDisk};
use crate::error::Kind;
use crate::journal::{Journal, OpState, Operation};
use crate::output::Output;
use crate::plan::cloud::{Lead, What};
use crate::plan::{CloudPlan, CloudStep};
use crate::progress::Progress;
use crate::salt::job::Patience;
use crate::salt::keys::KeyState;

fn newcomer(key: &str) -> Newcomer {
    Newcomer {
        key: key.into(),
        server: NewServer {
            name: "app2".into(),
            image: "i".into(),
            flavor: "f".into(),
            nics: vec![Nic::Network("net".into())],
            security_groups: Vec::new(),
            key_name: None,
            server_group: None,
            availability_zone: None,
            root: RootDisk::Local,
            config_drive: false,
            metadata: BTreeMap::new(),
        },
        user_data: "app2 <NONCE>".into(),
        minion: "app2".into(),
        aside: None,
        expect: BTreeMap::from([("level".to_owned(), "ci".to_owned())]),
        highstate: true,
        announced: 60,
        enrol: crate::vms::plans::Enrol::Console,
    }
}

fn plan(steps: Vec<CloudStep>) -> CloudPlan {
    CloudPlan {
        title: "test".into(),
        cloud: "fake".into(),
        project: "p".into(),
        subjects: vec!["server app2".into()],
        steps,
        seed: "seed".into(),
    }
}

/// A project with a server `app2`, its key and its address.
fn old_world() -> Fake {
    let world = empty_world();
    let mut state = world.state();
    state.add_server("old", "app2", json!({"owner": "me"}), "");
    state
        .keys
        .push(("app2".into(), KeyState::Accepted, BLUE.into()));
    let ip = json!({
        "id": "ip", "floating_ip_address": "192.0.2.1", "port_id": "port-old", "fixed_ip_address": "10.0.0.5",
    });
    state.ips.insert("ip".into(), ip);
    drop(state);
    world
}

fn replace() -> CloudPlan {
    let mut new = newcomer("green");
    new.aside = Some(BLUE.into());
    let lead = Lead {
        port: "port-old".into(),
        fixed_ip: "10.0.0.5".into(),
    };
    let replacement = Replacement {
        old: ("old".into(), "app2".into()),
        new,
        health: Some(("test.ping".into(), 5)),
        test: Some(("ext".into(), None)),
        addresses: vec![Address::There {
            id: "ip".into(),
            address: "192.0.2.1".into(),
            before: Some(lead),
        }],
        probe: None,
        soak: 0,
        keep_old: false,
    };
    plan(replacement.steps())
}

fn boot() -> CloudPlan {
    let mut steps = newcomer("server").steps();
    let address = Address::New {
        network: "ext".into(),
    };
    let server = crate::plan::cloud::Ref::Step("server".into());
    steps.extend(address.steps(&server, None, None));
    steps.push(CloudStep::new("release", What::Release { server }));
    plan(steps)
}

fn bake() -> CloudPlan {
    let mut clone = newcomer("clone");
    clone.server.image = "{image}".into();
    let bake = Bake {
        builder: newcomer("builder"),
        image: "golden".into(),
        properties: BTreeMap::from([("bridge_base".to_owned(), "i".to_owned())]),
        signer: None,
        allow_changes: false,
        generalize: Some("image.generalize".into()),
        within: 60,
        clone: Some(clone),
    };
    plan(bake.steps())
}

/// What one process does with an operation.
enum Work {
    Forward,
    Back,
}

fn journal(dir: &Path) -> Journal {
    Journal::open(&dir.join("journal")).unwrap()
}

fn operation(plan: CloudPlan) -> Operation<CloudPlan> {
    Operation {
        id: "op-1".into(),
        command: "test".into(),
        state: OpState::Running,
        note: String::new(),
        plan,
        old: crate::salt::Way::Local("/".into()),
        new_config: None,
        operator: "me".into(),
        begun: 1,
        ended: None,
    }
}

/// One process; `None` if it died.
fn process(
    dir: &Path,
    op: &Operation<CloudPlan>,
    fake: &Fake,
    work: Work,
) -> Option<Option<Stopped>> {
    std::thread::scope(|scope| {
        let process = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(live(dir, op, fake, work))
        });
        process.join().ok()
    })
}

async fn live(dir: &Path, op: &Operation<CloudPlan>, fake: &Fake, work: Work) -> Option<Stopped> {
    let mut journal = journal(dir);
    let cloud = Client::new(Box::new(FakeCloud(fake.clone())));
    let mut master = FakeMaster(fake.clone());
    let cli = Cli::parse_from(["master-bridge", "-q", "ops", "list"]);
    let output = Output::new(&cli.global);
    let progress = Progress::new(&output, "test", 1);
    // Longer than an answer takes on a busy machine: a few milliseconds were not.
    let quick = Duration::from_millis(200);
    let mut runner = Runner {
        journal: &mut journal,
        op,
        world: World::of(
            op,
            &cloud,
            Some(&mut master),
            Patience {
                timeout: quick,
                gather: quick,
                most: quick * 10,
            },
            &progress,
        ),
    };
    match work {
        Work::Forward => runner.forward().await.unwrap(),
        Work::Back => runner.back().await.unwrap(),
    }
}

fn begin(dir: &Path, plan: CloudPlan) -> Operation<CloudPlan> {
    let op = operation(plan);
    journal(dir).begin(&op).unwrap();
    op
}

/// Runs to the end, and says how many calls changed something and what is there then.
fn whole(plan: CloudPlan, fake: &Fake) -> (usize, String) {
    let dir = tempfile::tempdir().unwrap();
    let op = begin(dir.path(), plan);
    let stopped = process(dir.path(), &op, fake, Work::Forward).unwrap();
    assert!(stopped.is_none(), "{stopped:?}");
    let state = fake.state();
    (state.changes, state.snapshot())
}

/// Ids count what was made, which a repeated step may do again.
fn without_ids(text: &str) -> String {
    let mut out = text.to_owned();
    for n in (1..9).rev() {
        for kind in ["made-", "ip-", "image-", "192.0.2."] {
            out = out.replace(&format!("{kind}{n}"), kind);
        }
    }
    out
}

/// Stops at every change, both ways; then resumes, and in another world undoes.
fn crash_everywhere(plan: fn() -> CloudPlan, world: fn() -> Fake, last: usize) {
    let fake = world();
    let before = fake.state().snapshot();
    let (changes, after) = whole(plan(), &fake);
    for at in 1..=changes {
        for blow in [Blow::Before, Blow::After] {
            for back in [false, true] {
                let (fake, dir) = (world(), tempfile::tempdir().unwrap());
                let op = begin(dir.path(), plan());
                fake.state().fuse = Some((at, blow));
                let died = process(dir.path(), &op, &fake, Work::Forward);
                assert!(died.is_none(), "{at} {blow:?}: {died:?}");
                fake.state().fuse = None;
                let place = format!("stopped {blow:?} change {at} of {changes}, back: {back}");
                if back {
                    // What is gone is gone: from there on undoing is refused, and resuming is the way.
                    let result = if at < last { Work::Back } else { Work::Forward };
                    let end = process(dir.path(), &op, &fake, result).unwrap();
                    assert!(end.is_none(), "{place}: {end:?}");
                    let now = fake.state().snapshot();
                    let wanted = if at < last { &before } else { &after };
                    assert_eq!(without_ids(&now), without_ids(wanted), "{place}");
                } else {
                    let end = process(dir.path(), &op, &fake, Work::Forward).unwrap();
                    assert!(end.is_none(), "{place}: {end:?}");
                    let now = fake.state().snapshot();
                    assert_eq!(without_ids(&now), without_ids(&after), "{place}");
                }
            }
        }
    }
}

fn empty_world() -> Fake {
    let world = Fake::default();
    world.state().highstate = true;
    world
}

#[test]
fn a_boot_that_is_stopped_anywhere_ends_right() {
    crash_everywhere(boot, empty_world, usize::MAX);
}

#[test]
fn a_bake_that_is_stopped_anywhere_ends_right() {
    crash_everywhere(bake, empty_world, usize::MAX);
}

#[test]
fn a_replacement_that_is_stopped_anywhere_ends_right() {
    let fake = old_world();
    let (changes, after) = whole(replace(), &fake);
    assert!(!after.contains("bridge-"), "{after}");
    {
        let state = fake.state();
        assert_eq!(state.servers.len(), 1);
        assert_eq!(state.ips["ip"]["port_id"], "port-made-1");
        let accepted: Vec<_> = state
            .keys
            .iter()
            .filter(|k| k.1 == KeyState::Accepted)
            .collect();
        assert_eq!(accepted.len(), 1);
        assert_eq!(accepted[0].2, GREEN);
    }
    // Removing the old server, and three words of metadata after it.
    crash_everywhere(replace, old_world, changes - 3);
}

fn mount(format: Option<&str>) -> CloudPlan {
    let mount = What::Mount {
        minion: "app2".into(),
        volume: crate::plan::cloud::Ref::Id("v".into()),
        format: format.map(str::to_owned),
        at: "/srv/data".into(),
    };
    plan(vec![CloudStep::new("mount", mount)])
}

#[test]
fn a_volume_is_mounted_wherever_that_is_stopped() {
    let fake = old_world();
    whole(mount(Some("ext4")), &fake);
    let (kind, at) = {
        let state = fake.state();
        (state.file_system.clone(), state.mounted.clone())
    };
    assert_eq!(
        (kind.as_deref(), at.as_deref()),
        (Some("ext4"), Some("/srv/data"))
    );
    crash_everywhere(|| mount(Some("ext4")), old_world, usize::MAX);
}

#[test]
fn what_is_on_a_volume_is_never_overwritten() {
    for (there, format, words) in [
        (Some("xfs"), Some("ext4"), "has the file system xfs already"),
        (None, None, "has no file system"),
    ] {
        let (fake, dir) = (old_world(), tempfile::tempdir().unwrap());
        fake.state().file_system = there.map(str::to_owned);
        let op = begin(dir.path(), mount(format));
        let stopped = process(dir.path(), &op, &fake, Work::Forward);
        let stopped = stopped.unwrap().unwrap();
        assert!(stopped.error.message.contains(words), "{stopped:?}");
        let state = fake.state();
        assert_eq!(
            (state.file_system.as_deref(), &state.mounted),
            (there, &None)
        );
    }
    // Encrypted data, say, of which blkid says nothing.
    let (fake, dir) = (old_world(), tempfile::tempdir().unwrap());
    fake.state().raw = true;
    let op = begin(dir.path(), mount(Some("ext4")));
    let stopped = process(dir.path(), &op, &fake, Work::Forward);
    let stopped = stopped.unwrap().unwrap();
    assert!(stopped.error.message.contains("not empty"), "{stopped:?}");
    assert_eq!(fake.state().file_system, None);
    // As it is, without a wish.
    let fake = old_world();
    fake.state().file_system = Some("xfs".into());
    whole(mount(None), &fake);
    assert!(fake.state().mounted.is_some());
}

#[test]
fn what_is_mounted_already_stays_there() {
    for there in [None, Some("xfs")] {
        let (fake, dir) = (old_world(), tempfile::tempdir().unwrap());
        fake.state().stranger = Some("/srv/data".into());
        fake.state().file_system = there.map(str::to_owned);
        let op = begin(dir.path(), mount(None));
        let stopped = process(dir.path(), &op, &fake, Work::Forward);
        let stopped = stopped.unwrap().unwrap();
        assert!(stopped.error.message.contains("mounted at"), "{stopped:?}");
        let undone = process(dir.path(), &op, &fake, Work::Back);
        assert!(undone.unwrap().is_none());
        let state = fake.state();
        assert_eq!(state.stranger.as_deref(), Some("/srv/data"));
        assert_eq!(state.mounted, None);
    }
}

#[test]
fn a_failed_highstate_leaves_the_old_server_as_it_was() {
    let (fake, dir) = (old_world(), tempfile::tempdir().unwrap());
    let before = fake.state().snapshot();
    fake.state().highstate = false;
    let op = begin(dir.path(), replace());
    let stopped = process(dir.path(), &op, &fake, Work::Forward)
        .unwrap()
        .unwrap();
    assert_eq!(stopped.step, "green-highstate");
    assert!(!stopped.may_go_on());
    assert!(
        process(dir.path(), &op, &fake, Work::Back)
            .unwrap()
            .is_none()
    );
    assert_eq!(fake.state().snapshot(), before);
}

#[test]
fn an_address_that_somebody_moved_is_left_to_them() {
    let (fake, dir) = (old_world(), tempfile::tempdir().unwrap());
    fake.state().add_server("other", "x", json!({}), "");
    fake.state().ips.get_mut("ip").unwrap()["port_id"] = "port-other".into();
    let op = begin(dir.path(), replace());
    let stopped = process(dir.path(), &op, &fake, Work::Forward)
        .unwrap()
        .unwrap();
    assert_eq!(
        (stopped.step.as_str(), stopped.error.kind),
        ("flip", Kind::Refused)
    );
    assert!(
        process(dir.path(), &op, &fake, Work::Back)
            .unwrap()
            .is_none()
    );
    assert_eq!(fake.state().ips["ip"]["port_id"], "port-other");
}

#[test]
fn a_server_that_another_bridge_holds_is_left_alone() {
    let (fake, dir) = (old_world(), tempfile::tempdir().unwrap());
    fake.state().servers.get_mut("old").unwrap()["metadata"]["bridge-op"] = "op-9".into();
    let op = begin(dir.path(), replace());
    let stopped = process(dir.path(), &op, &fake, Work::Forward)
        .unwrap()
        .unwrap();
    assert_eq!(stopped.step, "claim");
    assert!(stopped.error.hint.unwrap().contains("op-9"));
    assert!(
        process(dir.path(), &op, &fake, Work::Back)
            .unwrap()
            .is_none()
    );
    let held = fake.state().servers["old"]["metadata"]["bridge-op"].clone();
    assert_eq!(held, "op-9");
}
