//! The program as its users meet it: help, errors, exit codes, `-o json`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap in a test is a failed test"
)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use salt_wire::crypto::{HashType, OsRandom, PrivateKey};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_salt-agent");

/// A configuration directory that is its own root.
struct Home(tempfile::TempDir);

/// What a run left.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(&self, words: &str) {
        assert!(self.stderr.contains(words), "{words:?} in: {}", self.stderr);
    }
}

impl Home {
    /// `{}` in the text becomes the directory.
    fn new(minion: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Self(dir);
        home.write("minion", &format!("root_dir: {{}}\n{minion}"));
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let here = self.0.path().to_str().unwrap();
        fs::write(file, text.replace("{}", here)).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ran {
        let dir = self.0.path().to_str().unwrap();
        let args: Vec<&str> = args.iter().copied().chain(["-c", dir]).collect();
        run(Path::new(PROGRAM), &args)
    }

    /// A key that is made fast and good enough for what is tested.
    fn with_key(&self) -> PrivateKey {
        let key = PrivateKey::generate(1024, &mut OsRandom).unwrap();
        self.write("etc/salt/pki/minion/minion.pem", &key.to_pem().unwrap());
        self.write("etc/salt/pki/minion/minion.pub", &key.public().file_pem());
        for (file, mode) in [("minion.pem", 0o400), ("minion.pub", 0o644), ("", 0o700)] {
            let file = self.path("etc/salt/pki/minion").join(file);
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        }
        key
    }
}

fn run(program: &Path, args: &[&str]) -> Ran {
    let output = Command::new(program)
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn plain(args: &[&str]) -> Ran {
    run(Path::new(PROGRAM), args)
}

#[test]
fn help_is_data_and_mistakes_are_not() {
    let help = plain(&["--help"]).expect(0);
    for command in [
        "run",
        "call",
        "status",
        "doctor",
        "fingerprint",
        "check-config",
        "remaster",
        "adopt",
        "generalize",
        "cloud-init",
        "restart",
        "completions",
    ] {
        assert!(
            help.stdout.contains(&format!("\n  {command} ")),
            "{command}"
        );
        let own = plain(&[command, "--help"]).expect(0);
        assert!(own.stdout.contains("--config-dir"), "{command}");
    }
    assert!(!help.stdout.contains("\n  man "), "hidden");
    assert!(
        plain(&["--version"])
            .expect(0)
            .stdout
            .starts_with("salt-agent ")
    );
    for args in [
        &["frobnicate"][..],
        &[],
        &["status", "-o", "xml"],
        &["status", "-l", "loud"],
    ] {
        let ran = plain(args).expect(64);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty());
    }
    plain(&["status", "-l", "loud"]).says("known levels are");
}

#[test]
fn completions_and_pages_are_made() {
    assert!(
        plain(&["completions", "bash"])
            .expect(0)
            .stdout
            .contains("check-config")
    );
    assert!(plain(&["man"]).expect(0).stdout.contains(".TH salt-agent"));
    let dir = tempfile::tempdir().unwrap();
    plain(&["man", "--dir", dir.path().to_str().unwrap()]).expect(0);
    assert!(dir.path().join("salt-agent-doctor.1").exists());
    assert!(dir.path().join("salt-agent.1").exists());
}

#[test]
fn through_a_link_it_is_salts_program() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("salt-call");
    symlink(PROGRAM, &link).unwrap();
    run(&link, &["--version"]).expect(0);
    let help = run(&link, &["--help"]).expect(0);
    assert!(
        help.stdout.contains("--retcode-passthrough"),
        "{}",
        help.stdout
    );
}

#[test]
fn check_config_says_who_set_what() {
    let home =
        Home::new("id: web1\nmaster: old\nbeacons: {load: []}\nworker_threads: 9\nmastr: x\n");
    home.write(
        "minion.d/20-new.conf",
        "# a comment\nmaster: new\ngrains: {a: 1}\n",
    );
    home.write("minion.d/30-more.conf", "grains: {b: 2}\n");
    let ran = home.run(&["check-config"]).expect(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let line = |name: &str| *lines.iter().find(|l| l.starts_with(name)).unwrap();
    assert!(line("id ").ends_with("minion:2"), "{}", line("id "));
    assert!(line("master ").ends_with("20-new.conf:2") && line("master ").contains(" new "));
    let grains = line("grains ");
    assert!(
        grains.contains("20-new.conf:3") && grains.contains("30-more.conf:1"),
        "{grains}"
    );
    ran.says("minion:6: unknown option `mastr` (did you mean `master`?)");
    ran.says("minion:4: `beacons` is not implemented");
    ran.says("minion:5: `worker_threads` is an option of a salt-master");
    home.run(&["check-config", "--strict"]).expect(1);
    let json = home.run(&["check-config", "-o", "json"]).expect(0).json();
    assert_eq!(json["valid"], true);
    assert_eq!(json["options"]["master"]["value"], "new");
    assert_eq!(json["options"]["master"]["set_by"][0]["line"], 2);
    assert_eq!(json["options"].get("loop_interval"), None);
    assert_eq!(json["ignored"][0]["option"], "beacons");
    let all = home.run(&["check-config", "--all", "-o", "json"]).json();
    assert_eq!(all["options"]["loop_interval"]["value"], 1);
    let quiet = home.run(&["check-config", "--quiet"]).expect(0);
    assert_eq!(quiet.stdout, "");
}

#[test]
fn each_kind_of_mistake_is_named_with_its_place() {
    for (minion, words) in [
        ("master: [a\n", "minion:3: "),
        ("id: a\nid: b\n", "conflicting ID"),
        ("id: a/b\n", "minion:2: the minion id \"a/b\" is not valid"),
        (
            "id: a\nmaster_port: http\n",
            "minion:3: `master_port` must be a port number, not \"http\"",
        ),
        ("id: a\nmaster: 'a b'\n", "minion:3: `master` must be"),
        ("id: a\nmaster: []\n", "minion:3: `master` must be"),
        (
            "id: a\nmaster_type: func\n",
            "minion:3: `master_type` must be",
        ),
        (
            "id: a\nmaster_finger: nonsense\n",
            "minion:3: `master_finger` must be a fingerprint",
        ),
        ("id: a\nhash_type: crc32\n", "minion:3: `hash_type` must be"),
        (
            "id: a\nkeysize: 1024\n",
            "minion:3: `keysize` must be 2048 to 16384 bits",
        ),
        (
            "id: a\nlog_level: loud\n",
            "minion:3: `log_level` must be one of",
        ),
        (
            "id: a\npki_dir: [x]\n",
            "minion:3: `pki_dir` must be a path",
        ),
        (
            "id: a\nschedule: text\n",
            "minion:3: `schedule` must be a mapping",
        ),
        (
            "id: a\nagent:\n  trust: everybody\n",
            "minion:4: `agent:trust` must be `pinned` or `first-use`",
        ),
        (
            "id: a\nagent:\n  trusted: true\n",
            "minion:4: unknown key `agent:trusted` (did you mean `trust`?)",
        ),
        (
            "id: a\nagent:\n  dead_after: soon\n",
            "minion:4: `agent:dead_after` must be a length of time",
        ),
        (
            "id: a\nagent:\n  spool: {max_age: x}\n",
            "`agent:spool:max_age` must be a length of time",
        ),
        (
            "id: a\nencryption_algorithm: OAEP-SHA1\nfips_mode: true\n",
            "`encryption_algorithm` must be OAEP-SHA224 with fips_mode",
        ),
    ] {
        let home = Home::new(minion);
        let ran = home.run(&["check-config"]).expect(1);
        ran.says(words);
        assert_eq!(ran.stdout, "", "{minion}");
        let json = home.run(&["check-config", "-o", "json"]).expect(1).json();
        assert_eq!(json["valid"], false);
        assert!(
            json["place"]["file"].as_str().unwrap().ends_with("/minion"),
            "{minion}"
        );
        // Every command that needs the configuration says the same.
        home.run(&["status"]).expect(1).says("error: ");
    }
}

#[test]
fn bad_files_are_named() {
    let home = Home::new("id: a\n");
    home.write("minion.d/a.conf", "- a list\n");
    home.run(&["check-config"])
        .expect(1)
        .says("a.conf: a configuration is a mapping of options, this is a list");
    home.write("minion.d/a.conf", "include: a.conf\n");
    home.run(&["check-config"])
        .expect(1)
        .says("does a file include itself?");
    fs::remove_file(home.path("minion.d/a.conf")).unwrap();
    fs::create_dir(home.path("minion.d/a.conf")).unwrap();
    home.run(&["check-config"]).expect(1).says("cannot read ");
    let home = Home::new("id: a\ninclude: nowhere/*.conf\n");
    home.run(&["check-config"])
        .expect(0)
        .says("minion:3: `include` finds no file");
}

#[test]
fn what_others_may_write_is_named() {
    let home = Home::new("id: a\nuser: no-such-account\n");
    home.write("minion.d/a.conf", "master: x\n");
    let file = home.path("minion.d/a.conf");
    fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    let ran = home.run(&["check-config"]).expect(0);
    ran.says("a.conf: others may write to it (mode 0666)");
    ran.says("minion:3: `user` is no-such-account: there is no such account");
    home.run(&["run", "-d"])
        .expect(1)
        .says("stays in the foreground");
}

#[test]
fn secrets_are_not_printed() {
    let home = Home::new("id: a\ngit_pillar_password: hunter2\nproxy_password: hunter2\n");
    for args in [&["check-config"][..], &["check-config", "-o", "json"]] {
        let ran = home.run(args).expect(0);
        assert!(!ran.stdout.contains("hunter2") && !ran.stderr.contains("hunter2"));
        assert!(ran.stdout.contains("(hidden)"));
    }
}

#[test]
fn without_a_daemon_status_says_so() {
    let ran = Home::new("id: a\n").run(&["status"]).expect(69);
    ran.says("no salt-agent is running here");
    ran.says("hint: start it with");
    assert_eq!(ran.stdout, "");
}

#[test]
fn fingerprints_of_both_forms() {
    let home = Home::new("id: web1\n");
    home.run(&["fingerprint"]).expect(1).says("no key yet");
    let key = home.with_key();
    let finger = key.public().fingerprint(HashType::Sha256).to_string();
    let ran = home.run(&["fingerprint"]).expect(0);
    assert_eq!(ran.stdout, format!("web1  {finger}  1024 bits\n"));
    let master = PrivateKey::generate(1024, &mut OsRandom).unwrap();
    home.write(
        "etc/salt/pki/minion/minion_master.pub",
        master.public().wire_pem(),
    );
    let json = home
        .run(&["fingerprint", "--hash", "md5", "-o", "json"])
        .expect(0)
        .json();
    let md5 = key.public().fingerprint(HashType::Md5).to_string();
    assert_eq!(json["minion"]["fingerprint"], md5);
    let armoured = master
        .public()
        .fingerprint_with_armour(HashType::Md5)
        .to_string();
    assert_eq!(json["masters"][0]["fingerprint_salt_key_3008"], armoured);
}

#[test]
fn key_files_that_are_no_use_are_named_and_left() {
    let home = Home::new("id: web1\n");
    home.with_key();
    let pem = home.path("etc/salt/pki/minion/minion.pem");
    let whole = fs::read_to_string(&pem).unwrap();
    for (text, words) in [
        (&whole[..200], "is no usable key"),
        ("", "is empty"),
        ("x", "is no usable key"),
    ] {
        fs::set_permissions(&pem, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&pem, text).unwrap();
        let ran = home.run(&["fingerprint", "--generate"]).expect(1);
        ran.says(words);
        ran.says("minion.pem");
        assert_eq!(fs::read_to_string(&pem).unwrap(), text);
        let doctor = home.run(&["doctor", "-o", "json"]);
        let key = finding(&doctor.json(), "key");
        assert_eq!(
            (&key["state"], &key["reason"]),
            (&"failed".into(), &"keys-unusable".into())
        );
    }
    fs::write(&pem, whole).unwrap();
    let dir = home.path("etc/salt/pki/minion");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    home.run(&["fingerprint"])
        .expect(1)
        .says("others may write");
}

fn finding(document: &Value, check: &str) -> Value {
    let all = document["findings"].as_array().unwrap();
    let found = all.iter().find(|f| f["check"] == check);
    found
        .unwrap_or_else(|| panic!("no {check} in {document}"))
        .clone()
}

#[test]
fn doctor_names_what_is_wrong_on_the_way() {
    let home = Home::new("id: [x\n");
    let ran = home.run(&["doctor", "-o", "json"]).expect(1);
    assert_eq!(finding(&ran.json(), "config")["reason"], "config");

    let home = Home::new("id: web1\nmaster: no-such-host.invalid\n");
    home.with_key();
    let ran = home.run(&["doctor", "-o", "json"]).expect(69);
    assert_eq!(finding(&ran.json(), "dns")["reason"], "dns");
    assert_eq!(finding(&ran.json(), "auth")["state"], "skipped");

    // A port that nobody has: taken and given back.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let master = format!("127.0.0.1:{port}");
    let ran = home
        .run(&[
            "doctor",
            "-o",
            "json",
            "--timeout",
            "1",
            "--master",
            &master,
        ])
        .expect(69);
    let silent = finding(&ran.json(), "port-4506");
    assert_eq!(
        silent["reason"], "timeout",
        "it takes connections and says nothing"
    );
    drop(taken);
    let ran = home
        .run(&["doctor", "--timeout", "1", "--master", &master])
        .expect(69);
    assert!(ran.stdout.contains("port-4506-closed: "), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("hint: is salt-master running"),
        "{}",
        ran.stdout
    );

    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let master = http.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        for stream in http.incoming().take(1) {
            stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .ok();
        }
    });
    let ran = home
        .run(&[
            "doctor",
            "-o",
            "json",
            "--timeout",
            "2",
            "--master",
            &master,
        ])
        .expect(69);
    assert_eq!(finding(&ran.json(), "port-4506")["reason"], "not-zeromq");
    server.join().unwrap();
}

#[test]
fn adopt_changes_nothing_of_the_minion_and_can_be_undone() {
    let home = Home::new("id: web1\n");
    home.with_key();
    let pki = home.path("etc/salt/pki/minion");
    let state = || {
        let mut files: Vec<_> = fs::read_dir(&pki)
            .unwrap()
            .map(|e| e.unwrap().path())
            .map(|p| {
                (
                    p.clone(),
                    fs::metadata(&p).unwrap().mode(),
                    fs::read(p).unwrap(),
                )
            })
            .collect();
        files.sort();
        (files, fs::read(home.path("minion")).unwrap())
    };
    let before = state();
    let record = home.path("var/lib/salt-agent/adopt.json");
    home.run(&["adopt", "--undo", "--no-systemd"])
        .expect(1)
        .says("nothing was adopted here");
    home.run(&["adopt", "--dry-run", "--no-systemd"]).expect(0);
    assert!(!record.exists());
    let json = home
        .run(&["adopt", "--no-systemd", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(json["id"], "web1");
    assert_eq!(json["systemd"], false);
    let first = fs::read(&record).unwrap();
    home.run(&["adopt", "--no-systemd"]).expect(0);
    assert_eq!(
        fs::read(&record).unwrap(),
        first,
        "a second time keeps what was before"
    );
    home.run(&["adopt", "--undo", "--no-systemd"]).expect(0);
    assert!(!record.exists());
    assert_eq!(state(), before);
    // A minion that we cannot stop.
    home.write("var/run/salt-minion.pid", &std::process::id().to_string());
    home.run(&["adopt", "--no-systemd"])
        .expect(1)
        .says("a minion is running");
    // A key that could not be used afterwards.
    fs::remove_file(home.path("var/run/salt-minion.pid")).unwrap();
    fs::set_permissions(pki.join("minion.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(pki.join("minion.pem"), "x").unwrap();
    home.run(&["adopt", "--no-systemd"])
        .expect(1)
        .says("is no usable key");
    assert!(!record.exists());
}

/// Keys of the unit that an older systemd passes over.
const NEWER: [&str; 2] = ["'RestartSteps'", "'RestartMaxDelaySec'"];

#[test]
fn requisites_lead_as_deep_as_salt_lets_them_and_no_deeper() {
    let home = Home::new(
        "id: m\nfile_client: local\nfile_roots: {base: ['{}/srv']}\nagent: {salt_release: '3006'}\n",
    );
    home.write(
        "srv/loop.sls",
        "a: {test.nop: [{prereq: [{test: b}]}]}\n\
         b: {test.nop: [{prereq: [{test: c}]}]}\n\
         c: {test.nop: [{prereq: [{test: a}]}]}\n",
    );
    let state = |i: usize| {
        format!(
            "s{i}: {{test.nop: [{{require: [{{test: s{}}}]}}]}}\n",
            i + 1
        )
    };
    let chain: String = (0..899).map(state).collect();
    home.write("srv/chain.sls", &format!("{chain}s899: {{test.nop: []}}\n"));

    let ran = home.run(&["call", "--local", "--out", "json", "state.sls", "chain"]);
    let states = ran.expect(0).json();
    assert_eq!(states["local"].as_object().unwrap().len(), 900);
    let ran = home.run(&["call", "--local", "state.sls", "loop"]);
    ran.expect(1).says("Requisites lead more than");
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    let unit = fs::read_to_string(packaging.join("systemd/salt-agent.service")).unwrap();
    assert!(unit.contains("/usr/bin/salt-agent check-config"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("salt-agent.service");
    // It checks that the programs are there.
    fs::write(&file, unit.replace("/usr/bin/salt-agent", PROGRAM)).unwrap();
    match Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file)
        .output()
    {
        Ok(verified) => {
            let words = String::from_utf8_lossy(&verified.stderr).into_owned();
            // Other units of this machine are not our business, nor is what systemd before 254 does not know.
            let ours = words
                .lines()
                .find(|l| l.contains("salt-agent") && !NEWER.iter().any(|key| l.contains(key)));
            assert!(verified.status.success() && ours.is_none(), "{words}");
        }
        Err(_) => assert!(
            std::env::var_os("CI").is_none(),
            "systemd-analyze is missing"
        ),
    }
    let config = packaging.join("config.d/00-agent.conf");
    let home = Home::new("id: a\n");
    let text = fs::read_to_string(config).unwrap();
    let on: String = text
        .lines()
        .filter_map(|l| l.strip_prefix("# "))
        .skip_while(|l| *l != "agent:")
        .map(|l| format!("{l}\n"))
        .collect();
    home.write("minion.d/00-agent.conf", &on);
    home.run(&["check-config", "--strict"]).expect(0);
}
