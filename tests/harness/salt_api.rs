//! Salt's own HTTP API beside a master.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::{Finished, Master, Process, until};

/// A salt-api (rest_cherrypy, TLS) of a master. Its users are `ops`, who may do everything, and `reader`, who may
/// ping; both have the password [`SaltApi::PASSWORD`] under the eauth `sharedsecret`.
pub struct SaltApi {
    process: Option<Process>,
}

const PORT: u16 = 8000;

/// A certificate authority and a certificate of it for one address, by the library that Salt itself uses.
const CERTIFY: &str = r#"
import datetime, ipaddress, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

folder, address = sys.argv[1:]
now = datetime.datetime.utcnow()

def write(name, data):
    with open(f"{folder}/{name}", "wb") as file:
        file.write(data)

def certificate(name, issuer, key, signer, *extensions):
    named = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    made = (x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer))
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1)))
    for extension in extensions:
        made = made.add_extension(extension, critical=False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

ca, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
write("ca.pem", certificate("a test", "a test", ca, ca, x509.BasicConstraints(ca=True, path_length=None)))
names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
write("api.crt", certificate("salt-api", "a test", key, ca, names))
write("api.key", key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption()))
"#;

impl SaltApi {
    /// What `ops` and `reader` log in with.
    pub const PASSWORD: &str = "open sesame";

    /// Configures a master that does not run yet for it.
    pub fn prepare(master: &Master) -> Self {
        let dir = master.dir().join("api");
        fs::create_dir_all(&dir).unwrap();
        Finished::run(
            Command::new(master.release.program("python"))
                .args(["-c", CERTIFY])
                .arg(&dir)
                .arg(master.address.to_string()),
        )
        .success();
        master.write(
            "etc/salt/master.d/api.conf",
            &format!(
                "netapi_enable_clients: [local_async, runner_async, wheel]\nsharedsecret: {password}\n\
                 external_auth: {{sharedsecret: {{ops: ['.*', '@wheel', '@runner'], reader: [test.ping]}}}}\n\
                 rest_cherrypy: {{host: {address}, port: {PORT}, ssl_crt: {dir}/api.crt, ssl_key: {dir}/api.key}}\n",
                password = Self::PASSWORD,
                address = master.address,
                dir = dir.display(),
            ),
        );
        master.write("api/password", Self::PASSWORD);
        let password = dir.join("password");
        fs::set_permissions(password, fs::Permissions::from_mode(0o600)).unwrap();
        Self { process: None }
    }

    /// Starts it (again), beside the master that runs.
    pub fn start(&mut self, master: &Master) {
        let address = master.address.to_string();
        let answers = || TcpStream::connect((address.as_str(), PORT)).is_ok();
        self.process = None;
        // Its children are told to end, and may take a moment.
        until(60, &format!("no salt-api of {address}"), || !answers());
        self.process = Some(Process::start(
            Command::new(master.release.program("salt-api"))
                .arg("-c")
                .arg(master.config_dir())
                .args(["-l", "info"]),
            &master.dir().join("api.out"),
        ));
        until(60, &format!("the salt-api of {address}"), answers);
    }

    /// Its URL.
    pub fn url(master: &Master) -> String {
        format!("https://{}:{}", master.address, PORT)
    }

    /// The file with the certificate that it is believed by.
    pub fn ca(master: &Master) -> PathBuf {
        master.dir().join("api/ca.pem")
    }

    /// The file with the password.
    pub fn password_file(master: &Master) -> PathBuf {
        master.dir().join("api/password")
    }

    /// What the bridge is told about it, as this user.
    pub fn options(master: &Master, user: &str) -> Vec<String> {
        let (ca, password) = (Self::ca(master), Self::password_file(master));
        let words = [
            "--salt-api",
            &Self::url(master),
            "--salt-api-user",
            user,
            "--salt-api-eauth",
            "sharedsecret",
            "--salt-api-password-file",
            &password.display().to_string(),
            "--salt-api-ca",
            &ca.display().to_string(),
        ];
        words.map(str::to_owned).into()
    }
}
