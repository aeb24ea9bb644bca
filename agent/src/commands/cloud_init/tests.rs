use std::fs;

use clap::Parser;
use salt_wire::crypto::OsRandom;

use super::super::load;
use super::*;
use crate::cli::{Cli, Command};
use crate::identity::Cache;

/// A configuration directory and a config drive.
struct Vm(tempfile::TempDir);

impl Vm {
    fn with(user_data: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vm = Self(dir);
        let root = vm.0.path().display().to_string();
        vm.put(
            "etc/salt/minion",
            &format!(
                "root_dir: {root}\npki_dir: {root}/pki\nid: m1\n\
                 agent: {{identity: {{guard: false}}, orders: {{config_drive: {root}/drive}}}}\n"
            ),
        );
        vm.put(
            "drive/openstack/latest/meta_data.json",
            r#"{"uuid": "8b1f1a3e-0000-4000-8000-000000000001", "hostname": "web1.novalocal"}"#,
        );
        vm.put("drive/openstack/latest/user_data", user_data);
        vm
    }

    fn put(&self, path: &str, text: &str) {
        let file = self.0.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap_or_default()
    }

    fn settings(&self) -> Settings {
        let dir = self.0.path().join("etc/salt").display().to_string();
        let cli = Cli::try_parse_from(["salt-agent", "cloud-init", "-c", &dir]).unwrap();
        load(&source(&cli.global), Cache::Read).unwrap().settings
    }

    /// What is done. The record would be the machine's own: each run does it again.
    fn apply(&self, dry: bool) -> anyhow::Result<Vec<String>> {
        let settings = self.settings();
        let found = find(&Machine::of(&settings)).unwrap();
        assert_eq!(
            found.id.as_deref(),
            Some("8b1f1a3e-0000-4000-8000-000000000001")
        );
        let args = CloudInitArgs {
            dry_run: dry,
            again: true,
            ..CloudInitArgs::default()
        };
        apply(&settings, &found, &args, &self.0.path().join("state"))
    }
}

#[test]
fn the_command_is_there() {
    let cli = Cli::try_parse_from(["salt-agent", "cloud-init", "--key", "--dry-run"]).unwrap();
    assert!(matches!(cli.command, Command::CloudInit(args) if args.key && args.dry_run));
}

#[test]
fn conf_and_grains_become_one_drop_in() {
    let vm = Vm::with(
        &"#cloud-config\nsalt_minion:\n  pkg_name: salt-minion\n  conf:\n    master: salt.example.org\n    \
         master_finger: 'ab:cd'\n    grains: {zone: z1}\n    agent: {nonce: n1}\n  grains: {role: [web], zone: z0}\n"
            .replace("ab:cd", &vec!["ab"; 32].join(":")),
    );
    assert_eq!(vm.apply(true).unwrap().len(), 1);
    assert_eq!(vm.text("etc/salt/minion.d/50-cloud-init.conf"), "");
    vm.apply(false).unwrap();
    let settings = vm.settings();
    assert_eq!(
        settings.master.addresses[0].to_string(),
        "salt.example.org:4506"
    );
    assert_eq!(settings.agent.nonce.as_deref(), Some("n1"));
    let grains = settings.opts["grains"].as_map().unwrap();
    assert_eq!(grains["zone"].as_str(), Some("z1"));
    assert_eq!(grains["role"].as_list().unwrap().len(), 1);
    let state = vm.0.path().join("state/cloud-init.json");
    assert!(fs::read_to_string(state).unwrap().contains("8b1f1a3e"));
}

#[test]
fn the_owners_key_is_the_minions_and_another_is_put_away() {
    let key = |bits| PrivateKey::generate(bits, &mut OsRandom).unwrap();
    let (first, second) = (key(1024), key(1024));
    let data = |key: &PrivateKey| {
        let indent = |pem: &str| pem.trim_end().replace('\n', "\n    ");
        format!(
            "#cloud-config\nsalt_minion:\n  public_key: |\n    {}\n  private_key: |\n    {}\n",
            indent(&key.public().file_pem()),
            indent(&key.to_pem().unwrap())
        )
    };
    let vm = Vm::with(&data(&first));
    vm.apply(false).unwrap();
    let kept = Store::of(&vm.settings()).load().unwrap().unwrap();
    assert_eq!(kept.public(), first.public());
    assert_eq!(
        vm.apply(false).unwrap(),
        Vec::<String>::new(),
        "it is there"
    );
    vm.put("drive/openstack/latest/user_data", &data(&second));
    assert_eq!(vm.apply(false).unwrap().len(), 2);
    let kept = Store::of(&vm.settings()).load().unwrap().unwrap();
    assert_eq!(kept.public(), second.public());
    let away = fs::read_dir(vm.0.path().join("pki/quarantine"))
        .unwrap()
        .count();
    assert_eq!(away, 1, "nothing is lost");
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_written() {
    for (block, words) in [
        ("salt_minion: [x]", "no mapping"),
        ("salt_minion: {conf: 1}", "`conf` is no mapping"),
        (
            "salt_minion: {public_key: a, private_key: b}",
            "no usable RSA key",
        ),
    ] {
        let vm = Vm::with(&format!("#cloud-config\n{block}\n"));
        let error = format!("{:#}", vm.apply(false).unwrap_err());
        assert!(error.contains(words), "{error}");
        assert_eq!(vm.text("pki/minion.pem"), "");
    }
    assert!(
        Vm::with("#cloud-config\nsalt_minion: {public_key: a}\n")
            .apply(false)
            .is_ok()
    );
}

/// A metadata service that knows two paths; counts what it was asked.
fn service() -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicUsize, Ordering};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let path = String::from_utf8_lossy(&request[..read]).into_owned();
            let body = match path.split_whitespace().nth(1) {
                Some("/openstack/latest/meta_data.json") => r#"{"uuid": "of-the-service"}"#,
                Some("/openstack/latest/user_data") => "#cloud-config\n",
                _ => "",
            };
            count.fetch_add(1, Ordering::SeqCst);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
            write!(stream, "{head}Connection: close\r\n\r\n{body}").unwrap();
        }
    });
    (url, asked)
}

#[test]
fn the_network_is_asked_last_and_only_on_openstack() {
    let (url, asked) = service();
    let asked = || asked.load(std::sync::atomic::Ordering::SeqCst);
    let vm = Vm::with("#cloud-config\n");
    let mut machine = Machine::of(&vm.settings());
    machine.root = vm.0.path().to_owned();
    machine.metadata_url = url;
    let drive = machine.drive.take();
    // No cloud that would answer, as far as the firmware says.
    assert_eq!(find(&machine), None);
    assert_eq!(asked(), 0);
    vm.put("sys/class/dmi/id/product_name", "OpenStack Nova\n");
    let found = find(&machine).unwrap();
    assert_eq!(found.id.as_deref(), Some("of-the-service"));
    assert_eq!(found.user_data.as_deref(), Some(&b"#cloud-config\n"[..]));
    let before = asked();
    vm.put(
        "var/lib/cloud/seed/nocloud/meta-data",
        "instance-id: of-the-seed\n",
    );
    assert_eq!(find(&machine).unwrap().id.as_deref(), Some("of-the-seed"));
    machine.drive = drive;
    let found = find(&machine).unwrap();
    assert_eq!(
        found.source,
        vm.0.path().join("drive").display().to_string()
    );
    // What cloud-init merged in this boot is more than any of them has.
    vm.put("run/cloud-init/.instance-id", "of-this-boot\n");
    vm.put("var/lib/cloud/instance/cloud-config.txt", "#cloud-config\n");
    assert_eq!(find(&machine).unwrap().id.as_deref(), Some("of-this-boot"));
    assert_eq!(asked(), before, "the machine itself knew");
}
