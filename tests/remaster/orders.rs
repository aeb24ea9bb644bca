//! When no master can carry the order: signed orders from metadata, file and URL, handover certificates, and a
//! master that comes back with another key.

mod by_bridge;
mod new_key;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Agent, Master, Process, Release, until, until_some};
use salt_wire::crypto::{OrderKey, OsRandom};
use salt_wire::order::Order;
use salt_wire::order::signed::{SignedOrder, to_metadata};
use salt_wire::order::target::Target;
use salt_wire::{Map, Value, map};
use tempfile::TempDir;

use by_bridge::Ways;
use new_key::same_master_new_key;

use crate::fleet;
use crate::pair::{Direction, introduce, on_only, status, wait_end, ways};

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
