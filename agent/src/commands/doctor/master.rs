//! One master, from its name to a round trip: as the daemon would go, and no step twice.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use salt_wire::channel::handshake::{Handshake, Outcome, Terms, Ticket};
use salt_wire::channel::request::Requests;
use salt_wire::channel::trust::Standing;
use salt_wire::crypto::{OsRandom, PrivateKey};
use salt_wire::error::Reason;
use salt_wire::frame::Version;
use salt_wire::ids::MinionId;
use salt_wire::map;
use salt_wire::zmtp::{Limits, Role};

use super::Finding;
use crate::config::{MasterAddress, Settings};
use crate::keys::Masters;
use crate::session::{self, told, trouble};
use crate::transport::tcp::Tcp;
use crate::transport::{Error, Link, Port, Resolve};

const PUBLISH_PORT: u16 = 4505;

/// Looks at one master.
pub(super) async fn look(
    settings: &Settings,
    address: &MasterAddress,
    key: Option<&Arc<PrivateKey>>,
    patience: Duration,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut way = Way {
        dial: dial(settings),
        patience,
    };
    match resolve(settings, address).await {
        Ok(addresses) => {
            let shown: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            findings.push(Finding::ok(
                "dns",
                format!("{} is {}", address.host, shown.join(", ")),
            ));
            findings.extend(way.ports(settings, address, &addresses, key).await);
        }
        Err(error) => {
            findings.push(transport("dns", &error, Port::Request).hint(hint(
                Reason::Dns,
                address,
                0,
            )));
            for check in ["port-4506", "auth", "port-4505", "round-trip"] {
                findings.push(Finding::skipped(check, "the name has no address"));
            }
        }
    }
    findings.into_iter().map(|f| f.of(address)).collect()
}

/// From where the daemon's connections come; not from its very ports, on which it may be connected itself.
fn dial(settings: &Settings) -> Tcp {
    let mut tcp = session::dial(settings);
    (tcp.source.publish_port, tcp.source.ret_port) = (0, 0);
    tcp
}

async fn resolve(settings: &Settings, address: &MasterAddress) -> Result<Vec<IpAddr>, Error> {
    let system = session::resolver(settings);
    Ok(system.resolve(&address.host).await?.addresses)
}

struct Way {
    dial: Tcp,
    patience: Duration,
}

impl Way {
    /// Both ports, and what is said on the first.
    async fn ports(
        &mut self,
        settings: &Settings,
        address: &MasterAddress,
        to: &[IpAddr],
        key: Option<&Arc<PrivateKey>>,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut ticket = None;
        let mut round_trip = Finding::skipped("round-trip", "we are not authenticated");
        match self.open(to, address.port, Role::Req).await {
            Err(error) => {
                let finding = transport("port-4506", &error, Port::Request);
                let advice = hint(reason_of(&error, Port::Request), address, address.port);
                findings.push(finding.hint(advice));
                findings.push(Finding::skipped("auth", "the request port cannot be used"));
            }
            Ok(mut link) => {
                let peer = link.peer();
                findings.push(Finding::ok("port-4506", format!("{peer} speaks ZeroMQ")));
                let (finding, got) = self.authenticate(&mut link, settings, address, key).await;
                findings.push(finding);
                if let (Some(got), Some(key)) = (&got, key) {
                    round_trip = self.round_trip(&mut link, settings, got, key).await;
                }
                ticket = got;
            }
        }
        let told = ticket.map(|t| t.publish_port);
        let port = settings
            .master
            .publish_port
            .or(told)
            .unwrap_or(PUBLISH_PORT);
        let role = Role::Sub {
            prefixes: vec![Vec::new()],
        };
        findings.push(match self.open(to, port, role).await {
            Ok(link) => Finding::ok("port-4505", format!("{} publishes", link.peer())),
            Err(error) => {
                let advice = hint(reason_of(&error, Port::Publish), address, port);
                transport("port-4505", &error, Port::Publish).hint(advice)
            }
        });
        findings.push(round_trip);
        findings
    }

    /// The first address that answers; the last one's error.
    async fn open(&self, to: &[IpAddr], port: u16, role: Role) -> Result<Link, Error> {
        let mut last = None;
        for ip in to {
            let peer = SocketAddr::new(*ip, port);
            let (role, limits) = (role.clone(), Limits::default());
            match Link::connect(&self.dial, peer, role, limits, None, self.patience).await {
                Ok(link) => return Ok(link),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(Error::Dns {
            host: String::new(),
            detail: "no address".to_owned(),
        }))
    }

    async fn authenticate(
        &self,
        link: &mut Link,
        settings: &Settings,
        address: &MasterAddress,
        key: Option<&Arc<PrivateKey>>,
    ) -> (Finding, Option<Ticket>) {
        let Some(key) = key else {
            let skipped = Finding::skipped("auth", "we have no key to authenticate with");
            return (skipped, None);
        };
        let masters = Masters::of(settings);
        let terms = match terms(settings, &masters, address, key) {
            Ok(terms) => terms,
            Err(words) => {
                let advice = hint(Reason::KeysUnusable, address, address.port);
                let finding = Finding::failed("auth", words).reason(Reason::KeysUnusable);
                return (finding.hint(advice), None);
            }
        };
        let mut handshake = Handshake::new(terms, &mut OsRandom);
        // A master may take neither of the stronger algorithms: three tries are all combinations there are.
        for _ in 0..4 {
            let request = match handshake.request(&mut OsRandom) {
                Ok(request) => request,
                Err(error) => {
                    let advice = hint(Reason::BadAlgorithm, address, address.port);
                    let finding = Finding::failed("auth", told(&error));
                    return (finding.reason(Reason::BadAlgorithm).hint(advice), None);
                }
            };
            let asked = link.request_within(session::MAX_ANSWER, &request, self.patience);
            let reply = match asked.await {
                Ok(reply) => reply,
                Err(error) => {
                    let advice = hint(reason_of(&error, Port::Request), address, address.port);
                    return (transport("auth", &error, Port::Request).hint(advice), None);
                }
            };
            match handshake.reply(&reply, &mut OsRandom) {
                Outcome::TryAgain { .. } => {}
                Outcome::Accepted(ticket) => {
                    return (accepted(&ticket, settings, &masters), Some(*ticket));
                }
                Outcome::Refused(refusal) => {
                    let advice = match &refusal.distrust {
                        Some(distrust) => masters.advice(distrust),
                        None => hint(refusal.reason, address, address.port),
                    };
                    let finding = Finding::failed("auth", refusal.text).reason(refusal.reason);
                    return (finding.hint(advice), None);
                }
            }
        }
        let finding = Finding::failed("auth", "the master takes none of our algorithms");
        let advice = hint(Reason::BadAlgorithm, address, address.port);
        (finding.reason(Reason::BadAlgorithm).hint(advice), None)
    }

    /// A request that only an accepted minion with a right clock gets answered.
    async fn round_trip(
        &self,
        link: &mut Link,
        settings: &Settings,
        ticket: &Ticket,
        key: &Arc<PrivateKey>,
    ) -> Finding {
        let failed = |words: String| Finding::failed("round-trip", words);
        let Ok(id) = settings.id.parse::<MinionId>() else {
            return failed("the minion id is not valid".to_owned());
        };
        let sign = settings.crypto.minion_sign_messages;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |d| d.as_secs());
        let load = map! { "cmd" => "_file_envs" };
        let begun = std::time::Instant::now();
        let encoded = Requests::new(&id, key, ticket, sign, &mut OsRandom)
            .and_then(|requests| requests.encode(&load, now, &mut OsRandom));
        let (bytes, expected) = match encoded {
            Ok(encoded) => encoded,
            Err(error) => return failed(told(&error)),
        };
        let asked = link.request_within(session::MAX_ANSWER, &bytes, self.patience);
        let reply = match asked.await {
            Ok(reply) => reply,
            Err(error) => {
                return transport("round-trip", &error, Port::Request)
                    .hint("try again; salt-master's log may say what keeps its workers");
            }
        };
        let took = begun.elapsed().as_millis();
        match expected.reply(&reply) {
            Ok(_) => Finding::ok("round-trip", format!("answered in {took} ms")),
            // Authenticated a moment ago, and yet refused: the time stamp is all that is left.
            Err(error) => failed(told(&error)).reason(Reason::ClockSkew).hint(
                "compare `date -u` here and on the master; its request_server_ttl bounds the difference",
            ),
        }
    }
}

fn terms(
    settings: &Settings,
    masters: &Masters,
    address: &MasterAddress,
    key: &Arc<PrivateKey>,
) -> Result<Terms, String> {
    let id: MinionId = settings.id.parse().map_err(|e| format!("{e}"))?;
    let trust = masters.trust(address).map_err(|e| told(&e))?;
    let spoken = trust.stored.as_ref().map(|key| masters.spoken(key));
    let mut terms = Terms::new(id, key.clone(), trust);
    terms.algorithms = masters.algorithms();
    terms.spoken = spoken.unwrap_or_default();
    Ok(terms)
}

fn accepted(ticket: &Ticket, settings: &Settings, masters: &Masters) -> Finding {
    let finger = ticket.master.fingerprint(settings.crypto.hash_type);
    let how = match ticket.standing {
        Standing::Known => "known",
        Standing::Pinned => "pinned",
        Standing::Signed => "signed",
        Standing::Successor => "the one that follows",
        Standing::FirstUse => "taken on first use",
    };
    let told = format!("accepted; the master's key {finger} is {how}");
    match ticket.version {
        Version::V3 => Finding::ok("auth", told),
        older => Finding::warning(
            "auth",
            format!("{told}; protocol version {}", older.number()),
        )
        .hint("upgrade the master: version 3 alone proves each request"),
    }
    .hint_if(ticket.standing == Standing::FirstUse, || {
        format!(
            "pin it: `master_finger: {finger}`, or let the first start write {}",
            masters.common_file().display()
        )
    })
}

impl Finding {
    fn hint_if(self, wanted: bool, hint: impl FnOnce() -> String) -> Self {
        if wanted { self.hint(hint()) } else { self }
    }
}

fn reason_of(error: &Error, port: Port) -> Reason {
    trouble(error, port).reason
}

fn transport(check: &'static str, error: &Error, port: Port) -> Finding {
    let trouble = trouble(error, port);
    Finding::failed(check, trouble.detail).reason(trouble.reason)
}

/// What to do about a reason.
fn hint(reason: Reason, address: &MasterAddress, port: u16) -> String {
    let host = &address.host;
    match reason {
        Reason::Pending => "accept it on the master: `salt-key -a ID`, after comparing `salt-key -f ID` with our key".to_owned(),
        Reason::Rejected | Reason::DeniedOtherKey => "on the master: `salt-key -L`; delete the other or rejected key with `salt-key -d ID`, then accept ours".to_owned(),
        Reason::MasterFull => "the master's max_minions is reached: raise it, or delete keys of minions that are gone".to_owned(),
        Reason::MasterKeyMismatch => "compare with `salt-key -F master` on the master; if its key was changed on purpose, mend master_finger, or have it taken by `salt-agent remaster rekey`".to_owned(),
        Reason::MasterNotTrusted => "pin the master's key with master_finger".to_owned(),
        Reason::AnswerNotAuthentic => "somebody between us and the master may be answering in its place: look at the network".to_owned(),
        Reason::BadAlgorithm => "remove encryption_algorithm and signing_algorithm from the configuration, or allow them on the master".to_owned(),
        Reason::AuthVersionTooOld | Reason::BadLoad => "compare the versions: this agent speaks version 3; the master's minimum_auth_version may ask for more".to_owned(),
        Reason::Dns => format!("check `getent hosts {host}` and /etc/resolv.conf, or set `master` to an address"),
        Reason::Port4505Closed | Reason::Port4506Closed => format!("is salt-master running on {host}, and does it listen on port {port}?"),
        Reason::Unreachable | Reason::Timeout | Reason::MasterSilent => format!("a firewall, security group or route between here and {host} port {port} may be in the way"),
        Reason::NotZeroMq | Reason::BadAnswer => format!("port {port} of {host} is not the one of a Salt master: check master_port and publish_port"),
        Reason::ConnectionClosed => format!("salt-master on {host} may be restarting: try again"),
        Reason::ClockSkew => "compare `date -u` here and on the master".to_owned(),
        Reason::KeysUnusable => "mend the key file that is named, or move it away to get a new key".to_owned(),
        Reason::NameMoved | Reason::Superseded => "try again".to_owned(),
    }
}
