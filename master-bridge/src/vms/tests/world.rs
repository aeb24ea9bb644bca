//! A cloud and a master in memory: as much of them as the steps use, with a fuse that stops everything at any call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use salt_wire::{Map, Value as Salt, map};
use serde_json::{Value, json};

use crate::cloud::{self, Answer, BoxedAsyncRead, Call, Cloud};
use crate::salt::keys::{Key, KeyState};
use crate::salt::{Autosign, Event, Job, Master, Pending, Published, Reach};

/// The old machine's key and the new ones'.
pub(super) const BLUE: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxNLKKYOBwd98bybYN+Ps
9usHDHVDlH7t6FU4zJgSrBVzgMdpZ6Q6/xmZ0MN+ljOXgcv8pN6yEApa2pqWvE09
dFcy02axtVxwQw2odSPJGKDX/o/Utjx5SVd70MjFv7m+YueeSEXlaEAfMuQG4Muf
doUe/vADYb/JOXxTQb7XomL+sSZcHf7ZqvVCyqChaHqRYmri6U0yTDni84ErzwOz
KKtpw8SPq1t3dw1mforLWT8YLGPCyetNGyb41JBVTsLdz1omhni0xaoY+m+62Rcg
K+KJSKYc5Z0QuT0f8TF4SlVWECpURZf2CZEQqFsuZJ3ouEtvxEYhV1rOT0UxgxL2
9wIDAQAB
-----END PUBLIC KEY-----";
/// Of the first server that is made; the cloud cannot tell machines apart by more.
pub(super) const GREEN: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA9T7dKvhDNF9hXi5lHytk
fEdb/hOLK5DrdaaXfQP0WBVTLejuBbfTD82SieXjPcBL/LWvhHehfyq5kk4/zWR3
VBJuf0cmxVp+ZFmLpucTaFW71D0WI3dbSQuTTJvBojKxvGBOGpx4IavNJh1ZfuaC
OXi9nhl7+87aa6REeeSkjJgm3ycSv3JrwzvzF5h7y0qE+59ROW4Y1CbQ3XikXWt+
bDAVnD3S0ogPkgW+S0hSFtSB/2zwbhOJRgS6ESPPz899mK/NLTwoRHD8RIsNOS01
br43QxJRUckucPfoPoTmiaBWWwSShXV+cfjLCIc18g+q5tSrqtKLuuLsFhkv7Z87
9QIDAQAB
-----END PUBLIC KEY-----";

/// When the fuse blows: before the effect of the call, or between the effect and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    Before,
    After,
}

/// What a process says that the fuse ends: as a kill, nothing is written after it.
pub(super) const DEATH: &str = "the fuse blew";

/// All there is.
#[derive(Default)]
pub(super) struct State {
    pub(super) servers: BTreeMap<String, Value>,
    pub(super) ips: BTreeMap<String, Value>,
    pub(super) images: BTreeMap<String, Value>,
    pub(super) keys: Vec<(String, KeyState, String)>,
    /// Calls that change something, until everything stops.
    pub(super) fuse: Option<(usize, Blow)>,
    /// Such calls so far.
    pub(super) changes: usize,
    /// Answers of minions, still unread.
    events: VecDeque<Event>,
    jobs: usize,
    made: usize,
    /// What minions say to a highstate.
    pub(super) highstate: bool,
    /// What is on the disk that minions see.
    pub(super) file_system: Option<String>,
    /// What is on the volume that is no file system.
    pub(super) raw: bool,
    /// Where they have mounted it.
    pub(super) mounted: Option<String>,
    /// Where something else is mounted.
    pub(super) stranger: Option<String>,
}

/// All there is, for one process after the other.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<State>>);

impl World {
    /// What there is now. A process that died with it in its hands left it whole.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|dead| dead.into_inner())
    }
}

impl State {
    /// What counts for "as it was".
    pub(super) fn snapshot(&self) -> String {
        let servers: Vec<_> = self
            .servers
            .values()
            .map(|s| (&s["name"], &s["metadata"]))
            .collect();
        format!(
            "{servers:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            self.ips, self.images, self.keys, self.mounted, self.stranger
        )
    }

    /// A server as Nova would show it.
    pub(super) fn add_server(&mut self, id: &str, name: &str, metadata: Value, console: &str) {
        let number = self.servers.len() + 5;
        let server = json!({
            "id": id, "name": name, "status": "ACTIVE", "metadata": metadata, "console": console,
            "addresses": {"net": [{"addr": format!("10.0.0.{number}"), "version": 4, "OS-EXT-IPS:type": "fixed"}]},
        });
        self.servers.insert(id.to_owned(), server);
    }

    fn port_of(id: &str, server: &Value) -> Value {
        json!({
            "id": format!("port-{id}"), "device_id": id, "network_id": "net",
            "fixed_ips": [{"subnet_id": "sub", "ip_address": server["addresses"]["net"][0]["addr"]}],
        })
    }

    /// Whether a call changes something, for the fuse.
    fn is_change(call: &Call) -> bool {
        let console = call
            .body
            .as_ref()
            .is_some_and(|b| b.get("os-getConsoleOutput").is_some());
        call.method != http::Method::GET && !console
    }

    fn burn(&mut self, when: Blow) -> bool {
        if when == Blow::Before {
            self.changes += 1;
        }
        self.fuse
            .is_some_and(|(at, blow)| blow == when && at == self.changes)
    }

    fn answer(&mut self, call: &Call) -> (u16, Value) {
        let parts: Vec<&str> = call.path.split('/').collect();
        let body = call.body.clone().unwrap_or_default();
        let missing = (404, json!({"itemNotFound": {"message": "no"}}));
        match (call.method.as_str(), parts.as_slice()) {
            ("GET", ["servers", "detail"]) => {
                let all: Vec<_> = self.servers.values().cloned().collect();
                (200, json!({"servers": all}))
            }
            ("GET", ["servers", id]) => match self.servers.get(*id) {
                Some(server) => (200, json!({"server": server})),
                None => missing,
            },
            ("POST", ["servers"]) => {
                self.made += 1;
                let (id, wish) = (format!("made-{}", self.made), &body["server"]);
                let data = wish["user_data"].as_str().unwrap_or_default();
                let data = base64::engine::general_purpose::STANDARD
                    .decode(data)
                    .unwrap();
                let data = String::from_utf8(data).unwrap();
                let (minion, nonce) = data.split_once(' ').unwrap_or((&data, ""));
                let key = salt_wire::crypto::PublicKey::from_pem(GREEN).unwrap();
                let finger = key.fingerprint(salt_wire::crypto::HashType::Sha256);
                let line = format!(
                    "boot\nsalt-agent: id={minion} fingerprint={finger} nonce={nonce} state=pending\n"
                );
                self.add_server(
                    &id,
                    wish["name"].as_str().unwrap(),
                    wish["metadata"].clone(),
                    &line,
                );
                let taken = self
                    .keys
                    .iter()
                    .any(|(m, s, _)| m == minion && *s == KeyState::Accepted);
                let state = if taken {
                    KeyState::Denied
                } else {
                    KeyState::Pending
                };
                self.keys.push((minion.to_owned(), state, GREEN.to_owned()));
                (202, json!({"server": {"id": id}}))
            }
            ("DELETE", ["servers", id]) => {
                for ip in self.ips.values_mut() {
                    if ip["port_id"] == format!("port-{id}") {
                        ip["port_id"] = Value::Null;
                        ip["fixed_ip_address"] = Value::Null;
                    }
                }
                // A machine that is gone asks no more: its waiting key goes from this picture.
                if self.servers.remove(*id).is_some() {
                    if id.starts_with("made") {
                        self.keys
                            .retain(|(_, state, pem)| pem != GREEN || *state == KeyState::Accepted);
                    }
                    return (204, Value::Null);
                }
                missing
            }
            ("POST", ["servers", id, "action"]) => self.action(id, &body),
            ("POST", ["servers", id, "metadata"]) => {
                let Some(server) = self.servers.get_mut(*id) else {
                    return missing;
                };
                for (name, value) in body["metadata"].as_object().unwrap() {
                    server["metadata"][name] = value.clone();
                }
                (200, body)
            }
            ("DELETE", ["servers", id, "metadata", key]) => {
                let server = self.servers.get_mut(*id);
                let gone = server.and_then(|s| s["metadata"].as_object_mut()?.shift_remove(*key));
                if gone.is_some() {
                    (204, Value::Null)
                } else {
                    missing
                }
            }
            ("GET", ["ports"]) => {
                let wanted = call
                    .query
                    .iter()
                    .find(|(name, _)| name == "device_id")
                    .map(|(_, id)| id);
                let ports: Vec<_> = self
                    .servers
                    .iter()
                    .filter(|(id, _)| wanted.is_none_or(|wanted| wanted == *id))
                    .map(|(id, server)| Self::port_of(id, server))
                    .collect();
                (200, json!({"ports": ports}))
            }
            ("GET", ["ports", id]) => {
                let server = id
                    .strip_prefix("port-")
                    .and_then(|id| Some((id, self.servers.get(id)?)));
                match server {
                    Some((id, server)) => (200, json!({"port": Self::port_of(id, server)})),
                    None => missing,
                }
            }
            ("GET", ["floatingips"]) => {
                let all: Vec<_> = self.ips.values().cloned().collect();
                (200, json!({"floatingips": all}))
            }
            ("GET", ["floatingips", id]) => match self.ips.get(*id) {
                Some(ip) => (200, json!({"floatingip": ip})),
                None => missing,
            },
            ("POST", ["floatingips"]) => {
                self.made += 1;
                let id = format!("ip-{}", self.made);
                let mut ip = body["floatingip"].clone();
                ip["id"] = id.as_str().into();
                ip["floating_ip_address"] = format!("192.0.2.{}", self.made).into();
                self.ips.insert(id, ip.clone());
                (201, json!({"floatingip": ip}))
            }
            ("PUT", ["floatingips", id]) => {
                let Some(ip) = self.ips.get_mut(*id) else {
                    return missing;
                };
                ip["port_id"] = body["floatingip"]["port_id"].clone();
                ip["fixed_ip_address"] = body["floatingip"]["fixed_ip_address"].clone();
                (200, json!({"floatingip": ip}))
            }
            ("DELETE", ["floatingips", id]) => {
                if self.ips.remove(*id).is_some() {
                    (204, Value::Null)
                } else {
                    missing
                }
            }
            ("GET", ["images"]) => {
                let all: Vec<_> = self.images.values().cloned().collect();
                (200, json!({"images": all}))
            }
            ("GET", ["images", id]) => self.images.get(*id).map_or(missing, |i| (200, i.clone())),
            ("PATCH", ["images", id]) => {
                let image = self.images.get_mut(*id).unwrap();
                for change in body.as_array().unwrap() {
                    let name = change["path"]
                        .as_str()
                        .unwrap()
                        .trim_start_matches('/')
                        .to_owned();
                    image[name.as_str()] = change["value"].clone();
                }
                (200, image.clone())
            }
            ("DELETE", ["images", id]) => {
                if self.images.remove(*id).is_some() {
                    (204, Value::Null)
                } else {
                    missing
                }
            }
            other => panic!("nobody asks that: {other:?}"),
        }
    }

    fn action(&mut self, id: &str, body: &Value) -> (u16, Value) {
        let Some(server) = self.servers.get_mut(id) else {
            return (404, json!({"itemNotFound": {"message": "no"}}));
        };
        if body.get("os-getConsoleOutput").is_some() {
            return (200, json!({"output": server["console"]}));
        }
        if body.get("os-stop").is_some() {
            server["status"] = "SHUTOFF".into();
            return (202, Value::Null);
        }
        let wish = &body["createImage"];
        self.made += 1;
        let image = format!("image-{}", self.made);
        let mut shown = wish["metadata"].clone();
        shown["id"] = image.as_str().into();
        shown["name"] = wish["name"].clone();
        shown["status"] = "active".into();
        shown["size"] = 7.into();
        shown["os_hash_value"] = "cafe".into();
        self.images.insert(image.clone(), shown);
        (202, json!({"image_id": image}))
    }

    fn fold(&self, show: impl Fn(&str, &str) -> (Salt, Salt), list: bool) -> Salt {
        let mut out = Map::new();
        for state in KeyState::ALL {
            let of = self.keys.iter().filter(|(_, s, _)| *s == state);
            let value = if list {
                Salt::List(of.map(|(id, _, _)| id.as_str().into()).collect())
            } else {
                Salt::Map(of.map(|(id, _, pem)| show(id, pem)).collect())
            };
            out.insert(state.folder().into(), value);
        }
        out.into()
    }
}

/// The cloud's side of it.
pub(super) struct FakeCloud(pub(super) World);

impl Cloud for FakeCloud {
    fn name(&self) -> &str {
        "fake"
    }

    fn project(&self) -> Option<(String, String)> {
        Some(("p".into(), "project".into()))
    }

    fn send<'a>(&'a self, call: &'a Call) -> cloud::Pending<'a, Answer> {
        Box::pin(async move {
            let change = State::is_change(call);
            let die = change && self.0.state().burn(Blow::Before);
            assert!(!die, "{DEATH}");
            let (status, body) = self.0.state().answer(call);
            let die = change && self.0.state().burn(Blow::After);
            assert!(!die, "{DEATH}");
            Ok(Answer {
                status,
                body,
                ..Answer::default()
            })
        })
    }

    fn upload<'a>(&'a self, call: &'a Call, _: BoxedAsyncRead) -> cloud::Pending<'a, Answer> {
        self.send(call)
    }
}

/// The master's side of it.
pub(super) struct FakeMaster(pub(super) World);

impl FakeMaster {
    /// Changes keys, unless the fuse blows.
    fn change(&self, work: impl FnOnce(&mut State)) {
        let die = self.0.state().burn(Blow::Before);
        assert!(!die, "{DEATH}");
        work(&mut self.0.state());
        let die = self.0.state().burn(Blow::After);
        assert!(!die, "{DEATH}");
    }
}

/// The ids of a dict of `key.accept_dict`.
fn chosen(args: &[Salt]) -> Vec<(KeyState, String)> {
    let dict = args[0].as_map().unwrap();
    let mut all = Vec::new();
    for state in KeyState::ALL {
        let ids = dict
            .get(state.folder())
            .and_then(Salt::as_list)
            .unwrap_or_default();
        all.extend(
            ids.iter()
                .map(|id| (state, id.as_str().unwrap().to_owned())),
        );
    }
    all
}

impl Master for FakeMaster {
    fn name(&self) -> String {
        "fake".into()
    }

    fn wheel<'a>(&'a mut self, fun: &'a str, args: Vec<Salt>) -> Pending<'a, Salt> {
        Box::pin(async move {
            match fun {
                "key.list_all" => {
                    return Ok(self.0.state().fold(|_, _| (Salt::Null, Salt::Null), true));
                }
                "key.print" => {
                    return Ok(self
                        .0
                        .state()
                        .fold(|id, pem| (id.into(), pem.into()), false));
                }
                _ => {}
            }
            let meant = chosen(&args);
            self.change(|state| {
                let is = |key: &(String, KeyState, String)| {
                    meant.iter().any(|(s, id)| *s == key.1 && *id == key.0)
                };
                if fun == "key.delete_dict" {
                    state.keys.retain(|key| !is(key));
                } else {
                    for key in state.keys.iter_mut().filter(|key| is(key)) {
                        key.1 = KeyState::Accepted;
                    }
                }
            });
            Ok(Salt::Null)
        })
    }

    fn publish<'a>(&'a mut self, job: &'a Job) -> Pending<'a, Published> {
        Box::pin(async move {
            let word = |name: &str| {
                job.kwargs
                    .get(name)
                    .and_then(Salt::as_str)
                    .map(str::to_owned)
            };
            match job.fun.as_str() {
                "disk.format" => self.change(|state| state.file_system = word("fs_type")),
                "state.single" => self.change(|state| {
                    let up = word("fun").as_deref() == Some("mount.mounted");
                    if up || word("device").is_none() {
                        // One at a place: whatever is there goes.
                        state.stranger = state
                            .stranger
                            .take()
                            .filter(|at| word("name").as_ref() != Some(at));
                    }
                    state.mounted = word("name").filter(|_| up);
                }),
                _ => {}
            }
            let mut state = self.0.state();
            state.jobs += 1;
            let (jid, id) = (state.jobs.to_string(), job.target.tgt.clone());
            // Only a running machine whose key is accepted hears anything.
            let alive = state.keys.iter().any(|(m, s, pem)| {
                *m == id
                    && *s == KeyState::Accepted
                    && (pem == BLUE || state.servers.keys().any(|s| s.starts_with("made")))
            });
            let good = state.highstate;
            let value: Salt = match job.fun.as_str() {
                "test.ping" => true.into(),
                "state.highstate" => {
                    let one = map! {"result" => good, "comment" => "c", "changes" => Map::new()};
                    map! {"file_|-a_|-/a_|-managed" => one}.into()
                }
                "grains.item" => map! {"level" => "ci"}.into(),
                "disk.blkid" => match &state.file_system {
                    Some(kind) => {
                        map! {"d" => map! {"TYPE" => kind.as_str(), "UUID" => "u"}}.into()
                    }
                    None => Map::new().into(),
                },
                "mount.fstab" | "mount.active" => {
                    let table = job.fun == "mount.fstab";
                    let own = if table { "UUID=u" } else { "/dev/vdb" };
                    let lines = [(&state.stranger, "/dev/sdz"), (&state.mounted, own)];
                    let lines = lines.into_iter().filter_map(|(at, device)| {
                        let line = map! {"device" => device};
                        Some((at.as_deref()?.into(), line.into()))
                    });
                    Salt::Map(lines.collect())
                }
                "cmd.run_all" => {
                    let stdout = if state.raw { "0x1fe dos" } else { "" };
                    map! {"retcode" => 0, "stdout" => stdout, "stderr" => ""}.into()
                }
                "state.single" => map! {"mount_|-a_|-a_|-b" => map! {"result" => true}}.into(),
                "image.generalize" => {
                    for server in state.servers.values_mut() {
                        let text = format!(
                            "{}salt-agent: generalized clean=true digest=d\n",
                            server["console"].as_str().unwrap()
                        );
                        server["console"] = text.into();
                    }
                    map! {"retcode" => 0}.into()
                }
                _ => true.into(),
            };
            if alive {
                let tag = format!("salt/job/{jid}/ret/{id}");
                let nothing = job.fun == "disk.blkid" && state.file_system.is_none();
                let bad = nothing || job.fun == "state.highstate" && !good;
                let data = map! {"id" => id.as_str(), "return" => value, "retcode" => i64::from(bad), "success" => !bad};
                state.events.push_back(Event { tag, data });
            }
            Ok(Published {
                jid,
                minions: vec![id],
                missing: Vec::new(),
            })
        })
    }

    fn runner<'a>(&'a mut self, fun: &'a str, _: Map, _: Duration) -> Pending<'a, Salt> {
        panic!("nobody runs {fun}")
    }

    fn install_key<'a>(&'a mut self, key: &'a Key) -> Pending<'a, ()> {
        Box::pin(async move {
            let pem = key.key.as_ref().unwrap().wire_pem().to_owned();
            self.change(|state| {
                // The denied one stays where it is, as on a real master.
                state
                    .keys
                    .retain(|(id, s, _)| id != &key.id || *s != KeyState::Accepted);
                state.keys.push((key.id.clone(), KeyState::Accepted, pem));
            });
            Ok(())
        })
    }

    fn event(&mut self, within: Duration) -> Pending<'_, Option<Event>> {
        Box::pin(async move {
            if let Some(event) = self.0.state().events.pop_front() {
                return Ok(Some(event));
            }
            tokio::time::sleep(within).await;
            Ok(None)
        })
    }

    fn patience(&self) -> (Duration, Duration) {
        (Duration::from_millis(200), Duration::from_millis(200))
    }

    fn autosign(&self) -> crate::error::Result<Autosign> {
        Err(crate::error::Error::new(
            crate::error::Kind::Usage,
            "no tokens",
        ))
    }

    fn reach(&mut self) -> Pending<'_, Reach> {
        panic!("nobody asks")
    }
}
