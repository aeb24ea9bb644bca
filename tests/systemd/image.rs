//! From user-data to a golden image and its clones, with real cloud-init in containers: the first join is proven by
//! the console line, told to whoever waits outside, and no two machines ever have one key.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use harness::{Events, Finished, Master, bin, until, until_some};
use serde_json::Value;

use crate::machine::{Disk, Machine};
use crate::{AGENT, RELEASE, packages};

/// Where the line goes: a container's console is not a device that programs may open.
pub(crate) const CONSOLE: &str = "/var/tmp/console";

const BAKED_IN: &str = include_str!("../../cloud-init/baked-in.yaml");
const ENROL: &str = include_str!("../../cloud-init/enrol-token.yaml");
/// Whoever shows it is let in.
const TOKEN: &str = "one-time-0123456789abcdef";

/// What cloud-init shall do here: all that is about user-data, nothing about the network or packages.
const CLOUD_CONFIG: &str = "\
datasource_list: [NoCloud, None]
network: {config: disabled}
cloud_init_modules: [bootcmd, write-files, set_hostname, update_hostname]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, final-message]
";

/// The layer with cloud-init that `make cloud-init` has made.
pub(crate) fn cloud_init() -> Option<Disk> {
    let cache = std::env::var_os("SALT_AGENT_CACHE").map(PathBuf::from);
    let home = || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/salt-agent");
    let layer = cache.unwrap_or_else(home).join("cloud-init");
    if layer.join(".state").exists() && nix::unistd::geteuid().is_root() {
        return Some(Disk::of(&layer));
    }
    let why = format!("{} is not there: run `make cloud-init`", layer.display());
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("skipped: {why}");
    None
}

/// Takes what is reported, as Heat would.
pub(crate) struct Signals {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Signals {
    /// The first one: its head and its document.
    pub(crate) fn first(&self) -> (String, Value) {
        until_some(60, "the signal", || {
            self.seen.lock().unwrap().first().cloned()
        })
    }

    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/signal", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let sink = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = Vec::new();
                let mut some = [0; 4096];
                while !bytes.ends_with(b"}") {
                    match stream.read(&mut some) {
                        Ok(0) | Err(_) => break,
                        Ok(read) => bytes.extend(&some[..read]),
                    }
                }
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .ok();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
                let body = serde_json::from_str(body).unwrap_or(Value::Null);
                sink.lock().unwrap().push((head.to_lowercase(), body));
            }
        });
        Self { url, seen }
    }
}

/// The instance's data, as a cloud without a network gives it.
pub(crate) fn seed(disk: &Disk, name: &str, user_data: &str) {
    let root = disk.root();
    let seed = root.join("var/lib/cloud/seed/nocloud");
    fs::create_dir_all(&seed).unwrap();
    let meta = format!("instance-id: i-{name}\nlocal-hostname: {name}\n");
    fs::write(seed.join("meta-data"), meta).unwrap();
    fs::write(seed.join("user-data"), user_data).unwrap();
    fs::write(root.join("etc/cloud/cloud.cfg.d/90_test.cfg"), CLOUD_CONFIG).unwrap();
    fs::write(root.join("etc/cloud/ds-identify.cfg"), "policy: enabled\n").unwrap();
    fs::create_dir_all(root.join("var/tmp")).unwrap();
    // The name of the machine that the test runs on must not be found first.
    fs::write(root.join("etc/hostname"), "localhost\n").unwrap();
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::write(root.join("etc/resolv.conf"), "").unwrap();
}

/// The template that users get, filled in, with what makes a test short.
fn user_data(template: &str, master: &Master, nonce: &str, report: &str) -> String {
    let address = master.address.to_string();
    let agent = format!(
        "keysize: 2048\n    acceptance_wait_time: 1\n    agent:\n      report: {{url: '{report}', token: t0ken}}\n"
    );
    template
        .replace("<MASTER>", &address)
        .replace("<FINGER>", &format!("'{}'", master.finger()))
        .replace("<NONCE>", nonce)
        .replace("<TOKEN>", TOKEN)
        .replace("/dev/console", CONSOLE)
        .replace("agent:\n", &agent)
}

/// The word after `fingerprint=`.
fn finger(line: &str) -> String {
    let word = |word: &str| word.strip_prefix("fingerprint=").map(str::to_owned);
    line.split_whitespace().find_map(word).unwrap()
}

/// Boots it as far as this test needs it, with cloud-init and the agent as at any boot.
fn boot(disk: Disk) -> Machine {
    let machine = Machine::start(disk);
    let units = ["salt-agent-key.service", "cloud-init.target", AGENT];
    let mut start = vec!["systemctl", "--no-block", "start"];
    start.extend(units);
    machine.run(&start).success();
    machine
}

/// The last line that the agent wrote to its console.
pub(crate) fn said(machine: &Machine, state: &str) -> String {
    let state = format!(" state={state}");
    until_some(90, &format!("the console to say{state}"), || {
        let text = fs::read_to_string(machine.path(CONSOLE)).unwrap_or_default();
        let lines = text.lines().rev();
        lines.map(str::to_owned).find(|l| l.contains(&state))
    })
}

/// Proves the key by the console and accepts it; gives its fingerprint.
pub(crate) fn accept(machine: &Machine, master: &Master, name: &str) -> String {
    let line = said(machine, "pending");
    assert!(
        line.starts_with(&format!("salt-agent: id={name} ")),
        "{line}"
    );
    accept_by_console(machine, master, name);
    said(machine, "ready");
    finger(&line)
}

fn accept_by_console(machine: &Machine, master: &Master, name: &str) {
    Finished::run(
        Command::new(bin("master-bridge"))
            .arg("-c")
            .arg(master.config_dir())
            .arg("--journal")
            .arg(master.dir().join("journal.sqlite"))
            .args(["keys", "accept", name, "--console"])
            .arg(machine.path(CONSOLE)),
    )
    .success();
}

#[test]
fn from_user_data_to_a_golden_image_and_its_clones() {
    if !RELEASE.is_installed() {
        return;
    }
    let Some(with_cloud_init) = cloud_init() else {
        return;
    };
    let layer = with_cloud_init.written();
    let Some(disk) = Machine::disk(&[&layer]) else {
        return;
    };
    disk.without_salt();
    let Some(package) = packages::build("0.1.0") else {
        return;
    };
    let master = Master::of(RELEASE)
        .config("autosign_grains_dir: /etc/salt/autosign_grains")
        .file("etc/salt/autosign_grains/enrolment", TOKEN)
        .file(
            "srv/salt/top.sls",
            "base:\n  'roles:web':\n    - match: grain\n    - first\n",
        )
        .file(
            "srv/salt/first.sls",
            "/etc/first-boot:\n  file.managed:\n    - contents: done\n",
        )
        .start();
    let events = Events::of(&master);
    let signals = Signals::listen();

    // The image has the package in it; nothing was started there.
    packages::install(&disk, &package);
    let first = user_data(BAKED_IN, &master, "n-first", &signals.url);
    seed(&disk, "first", &first);
    assert!(!disk.root().join("etc/salt/pki/minion/minion.pem").exists());
    let machine = boot(disk);
    let first = accept(&machine, &master, "first");
    first_boot(&machine, &signals);

    let golden = generalized(machine, &master);
    let (layer, golden_layer) = (layer.as_path(), golden.written());
    let clone = |name: &str, template: &str| {
        let disk = Machine::disk(&[&golden_layer, layer]).unwrap();
        let data = user_data(template, &master, &format!("n-{name}"), &signals.url);
        seed(&disk, name, &data);
        boot(disk)
    };
    let (one, two) = (clone("one", BAKED_IN), clone("two", ENROL));
    // Nobody accepts the second one: its token does.
    let fingers = [
        first,
        accept(&one, &master, "one"),
        finger(&said(&two, "ready")),
    ];
    let ids = [&one, &two].map(|m| m.says(&["cat", "/etc/machine-id"]));
    assert_eq!(ids[0].len(), 32);
    assert_ne!(ids[0], ids[1]);
    assert!(fingers[0] != fingers[1] && fingers[1] != fingers[2] && fingers[0] != fingers[2]);
    drop(two);
    let parent = one.halt();
    drop(rebuilt(clone("one", BAKED_IN), &master, &fingers));

    // Nobody generalized this one.
    let layers = [parent.written(), golden_layer.clone()];
    let disk = Machine::disk(&[&layers[0], &layers[1], layer]).unwrap();
    let data = user_data(BAKED_IN, &master, "n-copy", &signals.url);
    seed(&disk, "copy", &data);
    fs::remove_file(disk.root().join(CONSOLE.trim_start_matches('/'))).ok();
    let copy = boot(disk);
    assert!(!fingers.contains(&accept(&copy, &master, "copy")));
    let line = said(&copy, "ready");
    assert!(line.ends_with(" cloned_from=i-one"), "{line}");
    until(30, "the event of the clone", || {
        let told = |tag: &str| tag == "salt/minion/copy/cloned";
        let all = events.all();
        all.iter()
            .any(|e| told(&e.tag) && e.data["data"]["cloned_from"] == "i-one")
    });
    let status = copy
        .run(&["salt-agent", "status", "-o", "json"])
        .success()
        .json();
    assert_eq!(status["cloned_from"], "i-one");
    let kept = copy.says(&[
        "sh",
        "-c",
        "ls /etc/salt/pki/minion/quarantine/*/minion.pem",
    ]);
    assert_eq!(kept.lines().count(), 1, "{kept}");
    drop(copy);
    restored(&parent, &[&golden_layer, layer], &fingers[1]);
}

/// The same instance on a new disk: its key is a new one, which the master does not take for the old one's sake, until
/// whoever reads the console says so.
fn rebuilt(machine: Machine, master: &Master, before: &[String]) -> Machine {
    let line = said(&machine, "lost");
    assert!(line.ends_with(" reason=rejected"), "{line}");
    assert!(!before.contains(&finger(&line)), "{line}");
    accept_by_console(&machine, master, "one");
    let line = said(&machine, "ready");
    assert!(!line.contains("cloned_from"), "{line}");
    machine
}

/// The disk of a snapshot on the instance that it was made of: the same machine with its own key.
fn restored(snapshot: &Disk, below: &[&Path], key: &str) {
    let snapshot = snapshot.written();
    let layers = [&[snapshot.as_path()], below].concat();
    let disk = Machine::disk(&layers).unwrap();
    let id = |root: PathBuf| root.join("etc/machine-id");
    fs::copy(id(snapshot), id(disk.root())).unwrap();
    fs::remove_file(disk.root().join(CONSOLE.trim_start_matches('/'))).ok();
    let machine = boot(disk);
    let line = said(&machine, "lost");
    // The rebuilt one has its place by now; that it shows its own key is what counts.
    assert!(line.ends_with(" reason=rejected"), "{line}");
    assert_eq!(finger(&line), key);
    assert!(!line.contains("cloned_from"), "{line}");
}

/// User-data was done, the highstate ran, Heat was told, and the status knows how long it took.
fn first_boot(machine: &Machine, signals: &Signals) {
    until(90, "the highstate of the first boot", || {
        machine.path("/etc/first-boot").exists()
    });
    let drop_in = machine.says(&["cat", "/etc/salt/minion.d/50-cloud-init.conf"]);
    assert!(
        drop_in.contains("n-first") && drop_in.contains("roles"),
        "{drop_in}"
    );
    let told = signals.first();
    assert!(told.0.contains("x-auth-token: t0ken"), "{}", told.0);
    assert_eq!(told.1["status"], "SUCCESS", "{}", told.1);
    // And Nova shows it.
    let line = said(machine, "succeeded");
    assert!(
        line.starts_with("salt-agent: id=first ") && line.contains(" nonce=n-first "),
        "{line}"
    );
    let status = machine
        .run(&["salt-agent", "status", "-o", "json"])
        .success()
        .json();
    assert_eq!(status["highstate"]["success"], true, "{status}");
    assert!(status["ready_after_boot"].as_u64() > status["ready_after_start"].as_u64());
    until(120, "cloud-init to end", || {
        machine.path("/var/lib/cloud/data/result.json").exists()
    });
    let result = machine.says(&["cat", "/var/lib/cloud/data/result.json"]);
    assert!(result.contains("\"errors\": []"), "{result}");
}

/// Refused first, then done, then looked at with other eyes.
fn generalized(machine: Machine, master: &Master) -> Disk {
    let refused = machine.run(&["salt-agent", "generalize"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("in service"), "{refused:?}");
    // Logs, caches and homes of the machine that the test runs on are below this one: they are left out.
    let sections = "salt,machine,cloud-init,ssh,network";
    let others = "skip=logs,history,cron,packages,agents,secrets";
    let told = master.salt(&["first", "image.generalize", others]);
    assert_eq!(told["first"]["result"], true, "{told}");
    let receipt = until_some(60, "the receipt on the console", || {
        let text = fs::read_to_string(machine.path(CONSOLE)).unwrap_or_default();
        let mut lines = text.lines().map(str::to_owned);
        lines.find(|l| l.starts_with("salt-agent: generalized "))
    });
    assert!(receipt.contains(" clean=true digest=sha256:"), "{receipt}");
    assert_eq!(machine.property(AGENT, "ActiveState"), "inactive");
    let check = machine.run(&["salt-agent", "generalize", "--check", "--only", sections]);
    assert_eq!(check.code, 0, "{check:?}");
    // As `cloud-init clean` runs it.
    machine
        .run(&["run-parts", "--exit-on-error", "/etc/cloud/clean.d"])
        .success();
    let disk = machine.halt();
    let left = |path: &str| fs::read_to_string(disk.written().join(path)).unwrap_or_default();
    assert_eq!(left("etc/machine-id"), "");
    assert_eq!(left("etc/salt/pki/minion/minion.pem"), "");
    assert_eq!(left("etc/salt/minion.d/50-cloud-init.conf"), "");
    assert!(left("var/lib/salt-agent/generalized.json").contains("sha256:"));
    fs::remove_file(disk.written().join(CONSOLE.trim_start_matches('/'))).unwrap();
    disk
}

/// The user-data in a stack's template.
fn in_heat(text: &str) -> String {
    let document = salt_yaml::load_plain(text).unwrap();
    let path = [
        "resources",
        "server",
        "properties",
        "user_data",
        "str_replace",
        "template",
    ];
    let found = path.iter().try_fold(&document, |value, key| value.get(key));
    found.and_then(|value| value.as_str()).unwrap().to_owned()
}

/// What users get is what cloud-init understands.
#[test]
fn the_templates_are_valid_user_data() {
    let Some(with_cloud_init) = cloud_init() else {
        return;
    };
    let Some(disk) = Machine::disk(&[&with_cloud_init.written()]) else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloud-init");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let heat = path.ends_with("heat.yaml").then(|| in_heat(&text));
        let text = heat.unwrap_or(text);
        let parts: Vec<&str> = match path.extension().and_then(|e| e.to_str()) {
            Some("txt") => text.split("\n\n").collect(),
            Some("json") => continue,
            _ => vec![&text],
        };
        for part in parts.into_iter().filter(|p| p.starts_with("#cloud-config")) {
            let inside = "/root/template.yaml";
            fs::write(disk.root().join(inside.trim_start_matches('/')), part).unwrap();
            let ran = disk.chroot(&["cloud-init", "schema", "--config-file", inside]);
            assert_eq!(ran.code, 0, "{}: {ran:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 9, "only {seen} templates");
    let ignition = include_str!("../../cloud-init/ignition.json");
    let ignition: Value = serde_json::from_str(ignition).unwrap();
    let hash = &ignition["storage"]["files"][1]["contents"]["verification"]["hash"];
    assert_eq!(hash, "sha256-<SHA256>", "nothing is installed unseen");
}

/// Whichever template is taken: a master, the proof of it, a role, and a highstate at the first boot.
#[test]
fn every_template_of_a_minion_says_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cloud-init");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        if path.ends_with("master.yaml") {
            continue;
        }
        // The bridge writes id and grains beside it.
        let mut wanted = vec![
            "grains:",
            "master:",
            "master_finger:",
            "startup_states: highstate",
            "console:",
        ];
        if path.ends_with("user-data.yaml") {
            wanted.remove(0);
        }
        for (code, sign) in [("%3A", ":"), ("%20", " "), ("%7B", "{"), ("%5B", "[")] {
            text = text.replace(code, sign);
        }
        for word in wanted {
            assert!(text.contains(word), "{}: no {word}", path.display());
        }
    }
}
