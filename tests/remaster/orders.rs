//! When no master can carry the order: signed orders from metadata, file and URL, handover certificates, and a
//! master that comes back with another key.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use harness::{Agent, Finished, Master, Process, Release, Sandbox, until, until_some};
use salt_wire::crypto::{OrderKey, OsRandom, PrivateKey};
use salt_wire::order::Order;
use salt_wire::order::signed::{SignedOrder, to_metadata};
use salt_wire::order::target::Target;
use salt_wire::{Map, Value, map};
use serde_json::json;
use tempfile::TempDir;

use crate::fleet;
use crate::pair::{Direction, answers, introduce, on_only, status, wait_end, ways};

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn order(new: &Master, id: &str, target: &str, sequence: u64) -> SignedOrder {
    let fields = map! {
        "id" => id, "master" => new.address.to_string(), "finger" => new.finger(),
        "expires" => now() + 600, "rounds" => 1, "wait" => 60,
    };
    SignedOrder {
        order: Order::from_map(&fields, 0, "").unwrap(),
        targets: vec![Target::parse(target)],
        not_before: now() - 60,
        sequence,
    }
}

/// A metadata service that shows this order to everybody.
fn metadata_service(text: &str) -> String {
    let meta: Map = to_metadata(text)
        .into_iter()
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    let body = serde_json::to_string(&Value::Map(map! {"meta" => meta})).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 2048];
            if stream.read(&mut request).is_ok() {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).ok();
            }
        }
    });
    format!("http://{address}")
}

/// Shows a file over HTTPS, with a certificate that its own authority has signed.
const WEB: &str = r"
import datetime, http.server, ipaddress, os, ssl, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
os.chdir(sys.argv[1])
name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
now = datetime.datetime.utcnow()
def signed(subject, key, issuer, by, extension):
    return (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(1)).add_extension(*extension).sign(by, hashes.SHA256()))
pem = serialization.Encoding.PEM
root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ca = signed('authority', root, 'authority', root, (x509.BasicConstraints(ca=True, path_length=None), True))
address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address('127.0.0.1'))])
server = signed('server', own, 'authority', root, (address, False))
with open('server.pem', 'wb') as fp:
    fp.write(server.public_bytes(pem))
    fp.write(own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
with open('ca.tmp', 'wb') as fp:
    fp.write(ca.public_bytes(pem))
httpd = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain('server.pem')
httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
with open('port.tmp', 'w') as fp:
    fp.write(str(httpd.server_port))
os.rename('ca.tmp', 'ca.pem')
os.rename('port.tmp', 'port')
httpd.serve_forever()
";

/// A web server, its folder, and where it listens.
fn web(release: Release) -> (Process, TempDir, String) {
    let dir = TempDir::with_prefix("web-").unwrap();
    let mut command = Command::new(release.program("python"));
    command.args(["-c", WEB]).arg(dir.path());
    let process = Process::start(&mut command, &dir.path().join("log"));
    let port = until_some(60, "the web server", || {
        fs::read_to_string(dir.path().join("port")).ok()
    });
    (process, dir, format!("https://127.0.0.1:{port}/order"))
}

/// An agent that hears on the orders of a key. It has a metadata service, or none with an empty address.
fn config(public: &str, metadata_url: &str) -> String {
    format!(
        "keysize: 2048\nagent:\n  trust: first-use\n  dead_after: 2s\n  orphaned_after: 2s\n  \
         order_keys: ['{public}']\n  identity: {{metadata_url: '{metadata_url}'}}\n"
    )
}

fn write(agent: &Agent, text: &str) {
    fs::write(agent.config_dir().join("remaster.order"), text).unwrap();
}

fn refused(agent: &Agent, code: &str) {
    until(60, &format!("{} to say {code}", agent.id), || {
        let status = agent.status();
        let warnings = status["warnings"].as_array().cloned().unwrap_or_default();
        warnings
            .iter()
            .any(|w| w.as_str().is_some_and(|w| w.contains(code)))
    });
}

#[test]
fn the_old_master_is_dead() {
    for way in ways((Release::V3008, Release::V3008)) {
        dead(way);
    }
}

fn dead((from, to): Direction) {
    let (mut old, mut new) = std::thread::scope(|scope| {
        let old = scope.spawn(|| Master::of(from).auto_accept().start());
        let new = Master::of(to).start();
        (old.join().unwrap(), new)
    });
    let (key, stranger) = (
        OrderKey::generate(&mut OsRandom).unwrap(),
        OrderKey::generate(&mut OsRandom).unwrap(),
    );
    let service = metadata_service(&order(&new, "move-meta", "meta*", 7).seal(&key));
    let public = key.public().to_string();
    let start = |id: &str, more: &str| {
        let config = config(&public, "") + more;
        let mut agent = Agent::start(id, &old.address.to_string(), &config);
        agent.wait_ready();
        introduce(&agent, &new);
        agent
    };
    // Stopped while the old master died: it reads its order when it wakes. Its key must be there to start with.
    let signer = Signer::make(&old);
    let mut sleeper = Agent::start(
        "sleeper",
        &old.address.to_string(),
        &config(&signer.public, ""),
    );
    sleeper.wait_ready();
    introduce(&sleeper, &new);
    sleeper.kill();
    let filed = start("filed", &format!("  console: '{}'", signer.console()));
    let bystander = start("bystander", "");
    // Whoever has a master listens to that one alone.
    write(&bystander, &order(&new, "early", "*", 1).seal(&key));
    let certified = start("certified", "");
    let (_web, page, url) = web(to);
    // One trusts the server's authority, the other has never heard of it.
    let from_url = format!("  orders: {{urls: ['{url}']}}");
    let bundle = page.path().join("ca.pem").display().to_string();
    let trusting = start("trusting", &format!("{from_url}\nca_bundle: {bundle}"));
    let wary = start("wary", &from_url);
    // One that knows no order keys at all: its master's own word needs none.
    let page_of = |name: &str| url.replace("/order", name);
    let fetching = Agent::start(
        "fetching",
        &old.address.to_string(),
        &format!(
            "keysize: 2048\nca_bundle: {bundle}\nagent:\n  trust: first-use\n  dead_after: 2s\n  orphaned_after: 2s\n  \
             identity: {{metadata_url: ''}}\n  orders: {{urls: ['{}']}}\n",
            page_of("/certificate")
        ),
    );
    introduce_when_ready(&fetching, &new);
    // Metadata is only looked at by an orphan, and once at boot: this one boots without a service.
    let mut meta = start("meta1", "");
    meta.kill();
    meta.configure(&format!(
        "master: {}\n{}",
        old.address,
        config(&public, &service)
    ));
    let ways = Ways::of(&old);
    ways.planned(&old, &new);
    // The old master's word for the new one, made while its key is there.
    let address = new.address.to_string();
    let of_new = new.pki_dir().join("master.pub").display().to_string();
    let word = handover(&old, &of_new, &["--to", &address]);
    let late = handover(&old, &of_new, &["--to", &address, "--days", "0"]);
    let of_old = old.pki_dir().join("master.pub").display().to_string();
    let foreign = handover(&new, &of_old, &["--to", &address]);
    // By a job, while there is somebody to give it: a foreign one is refused, the master's own is taken.
    let taken = |text: &str| old.salt(&["certified", "remaster.order", text])["certified"].clone();
    let words = taken(&foreign);
    assert!(
        words.as_str().unwrap().contains("order-not-signed"),
        "{words}"
    );
    let words = taken(&late);
    assert!(words.as_str().unwrap().contains("order-expired"), "{words}");
    assert_eq!(taken(&word)["state"], "staged");
    wait_end(&certified, "confirmed");
    on_only(&certified, &new);
    assert!(status(&bystander)["last"].is_null(), "it has a master");
    fs::remove_file(bystander.config_dir().join("remaster.order")).unwrap();
    old.kill();

    meta.run();
    wait_end(&meta, "confirmed");
    on_only(&meta, &new);

    // Nobody looks on when it wakes: it confirms itself.
    let terms = ["--for", "L@other,sleeper", "--confirm", "12"];
    let text = signer.sign(&new, &terms);
    write(&sleeper, &text);
    // Killed when the order is recorded and not begun, and when it has ended: it is taken once.
    sleeper.run_into("order recorded");
    sleeper.run_into("order's end recorded");
    sleeper.run();
    wait_end(&sleeper, "confirmed");
    on_only(&sleeper, &new);
    let moved = status(&sleeper)["last"]["id"].clone();
    // At its next boot another order of the same number, and it changes nothing.
    let number = SignedOrder::peek(&text).unwrap().sequence.to_string();
    let again = [&terms[..], &["--sequence", &number]].concat();
    write(&sleeper, &signer.sign(&new, &again));
    sleeper.kill();
    sleeper.run();
    on_only(&sleeper, &new);
    assert_eq!(status(&sleeper)["last"]["id"], moved);

    // The operator's key is lost: nobody else's will do. Nor an order for others, of yesterday, or of tomorrow.
    write(&filed, &order(&new, "x", "filed", 1).seal(&stranger));
    refused(&filed, "order-not-signed");
    write(&filed, &order(&new, "x", "G@id:nobody", 1).seal(&key));
    refused(&filed, "order-not-for-us");
    let mut late = order(&new, "x", "*", 1);
    late.order.expires = now() - 1;
    write(&filed, &late.seal(&key));
    refused(&filed, "order-expired");
    let mut early = order(&new, "x", "*", 1);
    early.not_before = now() + 600;
    write(&filed, &early.seal(&key));
    refused(&filed, "order-too-early");
    write(&filed, "no order at all");
    refused(&filed, "order-unreadable");
    write(&filed, &foreign);
    assert_eq!(
        status(&filed)["last"],
        serde_json::Value::Null,
        "nothing was begun"
    );
    write(
        &filed,
        &order(&new, "move-filed", "G@id:filed", 1).seal(&key),
    );
    wait_end(&filed, "confirmed");
    on_only(&filed, &new);

    // Fetched, long after its master is gone.
    fs::write(page.path().join("certificate"), &foreign).unwrap();
    refused(&fetching, "order-not-signed");
    fs::write(page.path().join("certificate"), &word).unwrap();
    wait_end(&fetching, "confirmed");
    on_only(&fetching, &new);
    assert!(status(&bystander)["last"].is_null(), "it was told nothing");

    let text = order(&new, "move-url", "L@trusting,wary", 4).seal(&key);
    fs::write(page.path().join("order"), text).unwrap();
    wait_end(&trusting, "confirmed");
    on_only(&trusting, &new);
    let log = || fs::read_to_string(page.path().join("log")).unwrap_or_default();
    assert!(log().contains("GET /order"), "{}", log());
    assert!(
        status(&wary)["last"].is_null(),
        "who cannot prove itself is not heard"
    );

    ways.of_the_bridge(&old, &new);
    same_master_new_key(&mut new, &mut sleeper, [&certified, &filed], &signer);
}

/// A master's word for another key, by the bridge on the machine that has the master's own.
fn handover(master: &Master, new_key: &str, more: &[&str]) -> String {
    let args = ["-o", "json", "master", "handover", "--new-key", new_key];
    let made = fleet::bridge(master, &[&args[..], more].concat()).success();
    made.json()["text"].as_str().unwrap().to_owned()
}

fn introduce_when_ready(agent: &Agent, new: &Master) {
    until(60, &format!("{} to be ready", agent.id), || {
        agent.log().contains("Minion is ready")
    });
    introduce(agent, new);
}

/// A key that the bridge has made, and what it signs with it.
struct Signer {
    dir: TempDir,
    file: String,
    public: String,
}

impl Signer {
    fn make(master: &Master) -> Self {
        let dir = TempDir::with_prefix("orders-").unwrap();
        let file = dir.path().join("orders.key").display().to_string();
        let made = fleet::bridge(master, &["-o", "json", "orders", "keygen", &file]).success();
        let public = made.json()["public"].as_str().unwrap().to_owned();
        fs::write(dir.path().join("console"), "").unwrap();
        Self { dir, file, public }
    }

    /// Where the serial console of an agent is that has one.
    fn console(&self) -> String {
        self.dir.path().join("console").display().to_string()
    }

    fn sign(&self, to: &Master, terms: &[&str]) -> String {
        let (address, finger) = (to.address.to_string(), to.finger());
        let sign = ["-o", "json", "orders", "sign", "--key", &self.file];
        let to_it = ["--to", &address, "--finger", &finger];
        let signed = fleet::bridge(to, &[&sign[..], &to_it, terms].concat()).success();
        signed.json()["text"].as_str().unwrap().to_owned()
    }
}

/// Two agents whose orders the bridge leaves where they look: one in a file, one in the metadata of a cloud.
struct Ways {
    sandbox: Sandbox,
    server: String,
    /// A server that will not be there any more when its order would come.
    deleted: String,
    signer: Signer,
    filed: Agent,
    published: Agent,
}

impl Ways {
    fn of(old: &Master) -> Self {
        let sandbox = Sandbox::start(&[]);
        let api = sandbox.login("demo");
        let image = api.get("image", "/images?name=tiny").is(200).body["images"][0]["id"].clone();
        let network =
            api.get("network", "/networks?name=private").is(200).body["networks"][0]["id"].clone();
        let names = ["by-meta", "bystander", "no-minion", "meta1"];
        let [server, deleted, ..] = names.map(|name| {
            let wish = json!({"server": {
                "name": name, "imageRef": image, "flavorRef": "1", "networks": [{"uuid": network}],
            }});
            let made = api.post("compute", "/servers", &wish).is(202);
            made.body["server"]["id"].as_str().unwrap().to_owned()
        });
        let signer = Signer::make(old);
        let start = |id: &str, url: &str| {
            let config = config(&signer.public, url);
            let mut agent = Agent::start(id, &old.address.to_string(), &config);
            agent.wait_ready();
            agent
        };
        Self {
            filed: start("by-file", ""),
            published: start("by-meta", &format!("{}/metadata/{server}", sandbox.url())),
            sandbox,
            server,
            deleted,
            signer,
        }
    }

    /// The plan of a move knows the cloud: why nobody answers, and whom the masters have never heard of.
    fn planned(&self, old: &Master, new: &Master) {
        let config = new.config_dir().display().to_string();
        let args = ["-o", "json", "--dry-run", "remaster-all", "--to-config"];
        let cloud = ["--nova", "--os-cloud", "sandbox"];
        let mut command = fleet::command(old, &[&args[..], &[&config], &cloud].concat());
        command.env("OS_CLIENT_CONFIG_FILE", self.sandbox.clouds());
        let told = Finished::run(&mut command).success().json();
        let stays = told["plan"]["stays"].as_array().unwrap();
        let why = |id: &str| {
            let stay = stays.iter().find(|s| s["id"] == id);
            stay.unwrap()["server"].as_str().unwrap().to_owned()
        };
        assert!(why("meta1").contains("its server is ACTIVE"), "{told}");
        assert!(why("sleeper").contains("no server has its name"), "{told}");
        assert_eq!(
            told["servers_without_minion"][0]["name"], "no-minion",
            "{told}"
        );
        let orphans = told["keys_without_server"].as_array().unwrap();
        assert!(orphans.contains(&json!("by-file")), "{told}");
    }

    /// Where everyone is, also when the old master is dead; who has a server and no minion, or a key and no server.
    fn truth(&self, old: &Master, new: &Master, clouds: &Path) {
        let config = new.config_dir().display().to_string();
        let args = ["-o", "json", "remaster", "status", "--to-config", &config];
        let cloud = ["--nova", "--os-cloud", "sandbox"];
        let mut command = fleet::command(old, &[&args[..], &cloud].concat());
        let told = Finished::run(command.env("OS_CLIENT_CONFIG_FILE", clouds)).success();
        let told = told.json();
        let orphans = told["keys_without_server"].as_array().unwrap();
        assert!(orphans.contains(&json!("by-file")), "{told}");
        assert!(!orphans.contains(&json!("by-meta")), "{told}");
        let strangers = told["servers_without_minion"].as_array().unwrap();
        let strangers: Vec<_> = strangers.iter().map(|s| s["name"].clone()).collect();
        assert_eq!(strangers, ["no-minion"], "{told}");
        let moved = fleet::result(&told, "by-file");
        assert_eq!(
            (&moved["on"], &moved["keys"]),
            (&json!("new"), &json!("both"))
        );
        let left = fleet::result(&told, "bystander");
        assert_eq!(
            (&left["on"], &left["keys"]),
            (&json!("nowhere"), &json!("both"))
        );
    }

    fn of_the_bridge(&self, old: &Master, new: &Master) {
        let config = new.config_dir().display().to_string();
        let clouds = self.sandbox.clouds();
        let file = self.signer.dir.path().join("order").display().to_string();
        let remaster = |ids: &[&str], more: &[&str]| {
            let args = [
                &["-y", "-o", "json", "remaster"][..],
                ids,
                &["--to-config", &config, "--order-key", &self.signer.file],
                more,
            ]
            .concat();
            let mut command = fleet::command(old, &args);
            command.env("OS_CLIENT_CONFIG_FILE", &clouds);
            command
        };
        // Nothing begins where an order cannot be left.
        let nowhere = Finished::run(&mut remaster(
            &["by-file"],
            &["--via", "metadata", "--os-cloud", "sandbox"],
        ));
        assert_ne!(nowhere.code, 0);
        assert!(nowhere.stderr.contains("by-file"), "{nowhere:?}");
        assert!(!new.keys("minions").contains(&"by-file".to_owned()));

        // Whoever is waited for in vain is free again once the operation is given up.
        let elsewhere = format!("{file}.lost");
        let lost = ["--via", "file", "--order-out", &elsewhere, "--wait", "0"];
        let waits = Finished::run(&mut remaster(&["by-file"], &lost));
        assert_eq!(waits.code, 1, "{waits:?}");
        let held = Finished::run(&mut remaster(&["by-file"], &lost));
        assert!(held.stderr.contains("ops end"), "{held:?}");
        let end = ["-y", "-o", "json", "ops", "end", "last"];
        let ended = fleet::bridge(old, &end).success().json();
        assert_eq!(ended["state"], "failed", "{ended}");

        // Killed wherever it may be, whoever resumes it leaves the order, once.
        let via_file = [
            &["-y", "remaster", "by-file", "--to-config", &config][..],
            &["--order-key", &self.signer.file, "--rounds", "0"],
            &["--via", "file", "--order-out", &file],
        ]
        .concat();
        fleet::killed(old, "plan.written", &via_file);
        let resume = ["-y", "ops", "resume", "last"];
        for point in ["hand-over.begun", "move.begun", "move.sent", "move.ordered"] {
            fleet::killed(old, point, &resume);
        }
        let order = fs::read_to_string(&file).unwrap();
        // As a web server or a copy would bring it there.
        write(&self.filed, &order);
        fleet::killed(old, "confirm.begun", &resume);
        fleet::killed(old, "state.written", &resume);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            order,
            "one order is enough"
        );
        let shown = fleet::bridge(old, &["-o", "json", "ops", "show", "last"]).success();
        assert_eq!(shown.json()["state"], "done", "{shown:?}");

        // A server that was deleted meanwhile is named, and the others get their orders all the same.
        let metadata = ["--via", "metadata", "--os-cloud", "sandbox"];
        let mut both = remaster(&["by-meta", "bystander"], &metadata);
        let begun = Finished::run(both.env("MASTER_BRIDGE_FAULT", "plan.written"));
        assert_eq!(begun.code, -9, "{begun:?}");
        let api = self.sandbox.login("demo");
        api.delete("compute", &format!("/servers/{}", self.deleted));
        until(30, "the server to be gone", || {
            api.get("compute", &format!("/servers/{}", self.deleted))
                .status
                == 404
        });
        let mut resume = fleet::command(old, &["-y", "-o", "json", "ops", "resume", "last"]);
        resume.env("OS_CLIENT_CONFIG_FILE", &clouds);
        let published = Finished::run(&mut resume);
        assert_eq!(published.code, 1, "{published:?}");
        let told = published.json();
        assert_eq!(fleet::result(&told, "by-meta")["result"], "moved", "{told}");
        assert_eq!(
            fleet::result(&told, "bystander")["reason"],
            "no-server",
            "{told}"
        );
        assert!(
            published.stderr.contains("bystander can get no order"),
            "{published:?}"
        );
        for agent in [&self.filed, &self.published] {
            on_only(agent, new);
            assert_eq!(status(agent)["last"]["outcome"], "confirmed");
            assert!(answers(new, &agent.id));
        }
        self.truth(old, new, &clouds);
        let server = api.get("compute", &format!("/servers/{}", self.server));
        let left = &server.is(200).body["server"]["metadata"];
        assert_eq!(*left, json!({}), "the order is taken back");
    }
}

/// The new master comes back with another key: one agent has a signed order for it, one the master's own word, the
/// third has nothing and says so until its operator speaks.
fn same_master_new_key(
    master: &mut Master,
    ordered: &mut Agent,
    [certified, alone]: [&Agent; 2],
    signer: &Signer,
) {
    let tried = |log: &str| {
        let try_ = format!("Authentication request from {}", alone.id);
        log.matches(&try_).count()
    };
    let tries_before = tried(&master.process().log());
    let before = master.finger();
    let made = PrivateKey::generate(2048, &mut OsRandom).unwrap();
    let pem = made.to_pem().unwrap();
    let next = signer.dir.path().join("next.pub");
    fs::write(&next, made.public().file_pem()).unwrap();
    let word = handover(master, &next.display().to_string(), &[]);
    master.kill();
    // 3008 keeps the pair under the master's id and links to it.
    let real = |name: &str| fs::canonicalize(master.pki_dir().join(name)).unwrap();
    replace(&real("master.pem"), &pem);
    replace(&real("master.pub"), &made.public().file_pem());
    let begun = Instant::now();
    master.start();
    let after = master.finger();
    assert_ne!(before, after);

    for agent in [&*ordered, certified, alone] {
        until(90, &format!("{} to see another key", agent.id), || {
            let status = agent.status();
            let state = &status["masters"][0];
            state["reason"] == "master-key-mismatch"
                && state["detail"]
                    .as_str()
                    .is_some_and(|d| d.contains(&after) && d.contains(&before))
        });
    }
    let terms = ["--rekey", "--for", &ordered.id];
    write(ordered, &signer.sign(master, &terms));
    // Killed between any two of what it writes down.
    ordered.kill();
    for point in [
        "successor permitted",
        "successor recorded",
        "master's key stored",
    ] {
        ordered.run_into(point);
    }
    ordered.run();
    until(90, "the new key to be taken", || {
        answers(master, &ordered.id)
    });
    on_only(ordered, master);
    write(certified, &word);
    until(90, "the certified key to be taken", || {
        answers(master, &certified.id)
    });
    on_only(certified, master);
    // Without certificate or order it stays, until somebody on the machine says so: patiently, and aloud.
    let tries = tried(&master.process().log()) - tries_before;
    let most = 2 + begun.elapsed().as_secs() / 10;
    assert!(
        (1..=most).contains(&(tries as u64)),
        "{tries} tries of {most}"
    );
    let console = fs::read_to_string(signer.console()).unwrap();
    let words = ["reason=master-key-mismatch", &before, &after];
    let told = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(console.lines().any(told), "{console}");
    assert_eq!(
        alone.status()["masters"][0]["reason"],
        "master-key-mismatch"
    );
    let permitted = alone
        .command(
            "remaster",
            &[
                "rekey",
                &master.address.to_string(),
                "--finger",
                &after,
                "-o",
                "json",
            ],
        )
        .success()
        .json();
    assert_eq!(permitted["state"], "permitted", "{permitted}");
    until(90, "the new key to be taken", || answers(master, &alone.id));
    on_only(alone, master);
}

fn replace(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
    let private = path.extension().is_some_and(|e| e == "pem");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(if private { 0o400 } else { 0o644 });
    fs::set_permissions(path, mode).unwrap();
}
