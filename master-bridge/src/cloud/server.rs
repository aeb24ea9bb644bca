//! Servers (Nova).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::resolve::{Named, pick};
use super::wait::{Look, until};
use super::{Call, Client, Result, Service};
use crate::error::{self, Error, Kind};

/// A server, as Nova shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its name, which others may have too.
    pub name: String,
    /// `BUILD`, `ACTIVE`, `SHUTOFF`, `ERROR`…
    pub status: String,
    /// What is being done to it.
    #[serde(rename = "OS-EXT-STS:task_state", default)]
    pub task_state: Option<String>,
    /// Its addresses, by network name.
    #[serde(default)]
    pub addresses: BTreeMap<String, Vec<Address>>,
    /// Its flavor, as it was when the server was made.
    #[serde(default)]
    pub flavor: ServerFlavor,
    /// Its image's reference; an empty text if it boots from a volume.
    #[serde(default)]
    pub image: Value,
    /// Its metadata.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Why it is in `ERROR`.
    #[serde(default)]
    pub fault: Option<ServerFault>,
    /// When it was made.
    #[serde(default)]
    pub created: String,
    /// Its keypair.
    #[serde(default)]
    pub key_name: Option<String>,
    /// Its security groups; of several ports a group may come several times.
    #[serde(default)]
    pub security_groups: Vec<GroupName>,
    /// Its volumes.
    #[serde(rename = "os-extended-volumes:volumes_attached", default)]
    pub volumes_attached: Vec<AttachedVolume>,
    /// Its availability zone.
    #[serde(rename = "OS-EXT-AZ:availability_zone", default)]
    pub availability_zone: Option<String>,
    /// `True`, or empty.
    #[serde(default)]
    pub config_drive: String,
    /// The ids of its server groups.
    #[serde(default)]
    pub server_groups: Vec<String>,
}

/// An address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub addr: String,
    /// 4 or 6.
    #[serde(default)]
    pub version: u8,
    /// `fixed` or `floating`.
    #[serde(rename = "OS-EXT-IPS:type", default)]
    pub kind: String,
}

/// The flavor inside a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFlavor {
    /// The flavor's name.
    #[serde(default)]
    pub original_name: String,
    /// Processors.
    #[serde(default)]
    pub vcpus: u64,
    /// Memory in MiB.
    #[serde(default)]
    pub ram: u64,
    /// Root disk in GiB.
    #[serde(default)]
    pub disk: u64,
}

/// Why a server is in `ERROR`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFault {
    /// An HTTP status.
    #[serde(default)]
    pub code: i64,
    /// In words.
    #[serde(default)]
    pub message: String,
}

/// A security group of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupName {
    /// Its name.
    pub name: String,
}

/// A volume of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedVolume {
    /// The volume's id.
    pub id: String,
    /// Whether it goes with the server.
    #[serde(default)]
    pub delete_on_termination: bool,
}

impl Server {
    /// All addresses of a kind: `fixed` or `floating`.
    pub fn addresses(&self, kind: &str) -> Vec<&str> {
        let all = self.addresses.values().flatten();
        all.filter(|a| a.kind == kind)
            .map(|a| a.addr.as_str())
            .collect()
    }

    /// Its image's id; none if it boots from a volume.
    pub fn image_id(&self) -> Option<&str> {
        self.image.get("id").and_then(Value::as_str)
    }

    /// Whether nothing is being done to it.
    pub fn is_at_rest(&self) -> bool {
        self.task_state.is_none()
    }
}

impl Named for Server {
    const KIND: &'static str = "server";

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> String {
        let addresses: Vec<&str> = self
            .addresses
            .values()
            .flatten()
            .map(|a| a.addr.as_str())
            .collect();
        let role = self
            .metadata
            .get(ROLE)
            .map_or_else(String::new, |role| format!(" ({role})"));
        format!(
            "{}{role} {} since {}",
            self.status,
            addresses.join(" "),
            self.created
        )
    }

    fn answers_to(&self, word: &str) -> bool {
        self.addresses.values().flatten().any(|a| a.addr == word)
    }
}

/// The metadata key that names the operation which holds a server.
pub const OP: &str = "bridge-op";
/// The metadata key of servers that are salt-masters: the fingerprint of their key.
pub const MASTER: &str = "bridge-master";
/// The metadata key that names what a server is in a replacement: `blue` is the old one, `green` the new one.
pub const ROLE: &str = "bridge-role";

/// A disk of a new server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootDisk {
    /// On the host, as the flavor says.
    Local,
    /// A volume of this many GiB from the image.
    Volume {
        /// Its size.
        size: u64,
        /// Whether it goes with the server.
        delete_on_termination: bool,
    },
}

/// Where a new server's interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nic {
    /// A new port on this network.
    Network(String),
    /// This port.
    Port(String),
}

/// A server to be made; everything by id, but security groups by name, as Nova has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewServer {
    /// Its name.
    pub name: String,
    /// The image's id.
    pub image: String,
    /// The flavor's id.
    pub flavor: String,
    /// Its interfaces.
    pub nics: Vec<Nic>,
    /// The names of its security groups.
    pub security_groups: Vec<String>,
    /// Its keypair's name.
    pub key_name: Option<String>,
    /// The id of its server group.
    pub server_group: Option<String>,
    /// Its availability zone.
    pub availability_zone: Option<String>,
    /// Its root disk.
    pub root: RootDisk,
    /// Whether it gets a config drive.
    pub config_drive: bool,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
}

impl NewServer {
    /// The body of the request, with this user-data.
    fn body(&self, user_data: &[u8]) -> Value {
        use base64::Engine as _;
        let mut server = Map::new();
        server.insert("name".into(), self.name.as_str().into());
        server.insert("flavorRef".into(), self.flavor.as_str().into());
        match &self.root {
            RootDisk::Local => {
                server.insert("imageRef".into(), self.image.as_str().into());
            }
            RootDisk::Volume {
                size,
                delete_on_termination,
            } => {
                let disk = json!({
                    "boot_index": 0, "uuid": self.image, "source_type": "image", "destination_type": "volume",
                    "volume_size": size, "delete_on_termination": delete_on_termination,
                });
                server.insert("block_device_mapping_v2".into(), json!([disk]));
            }
        }
        let nics = self.nics.iter().map(|nic| match nic {
            Nic::Network(id) => json!({"uuid": id}),
            Nic::Port(id) => json!({"port": id}),
        });
        let nics: Vec<Value> = nics.collect();
        let networks = if nics.is_empty() {
            "auto".into()
        } else {
            nics.into()
        };
        server.insert("networks".into(), networks);
        if !self.security_groups.is_empty() {
            let groups = self
                .security_groups
                .iter()
                .map(|name| json!({"name": name}));
            server.insert("security_groups".into(), groups.collect());
        }
        for (name, value) in [
            ("key_name", &self.key_name),
            ("availability_zone", &self.availability_zone),
        ] {
            if let Some(value) = value {
                server.insert(name.into(), value.as_str().into());
            }
        }
        server.insert("config_drive".into(), self.config_drive.into());
        server.insert("metadata".into(), json!(self.metadata));
        if !user_data.is_empty() {
            let text = base64::engine::general_purpose::STANDARD.encode(user_data);
            server.insert("user_data".into(), text.into());
        }
        let mut body = Map::new();
        body.insert("server".into(), server.into());
        if let Some(group) = &self.server_group {
            body.insert("os:scheduler_hints".into(), json!({"group": group}));
        }
        body.into()
    }
}

impl Client {
    /// All servers of the project.
    pub async fn servers(&self) -> Result<Vec<Server>> {
        self.list(
            Call::get(Service::Compute, &["servers", "detail"]),
            "servers",
        )
        .await
    }

    /// One server, by its id.
    pub async fn server(&self, id: &str) -> Result<Option<Server>> {
        self.find(&Call::get(Service::Compute, &["servers", id]), "server")
            .await
    }

    /// The server that a name, an id or an address means. A floating address is asked of Neutron, which knows
    /// it before Nova does.
    pub async fn server_of(&self, word: &str) -> error::Result<Server> {
        let servers = self.servers().await?;
        if word.parse::<std::net::IpAddr>().is_ok()
            && let Some(ip) = self
                .floating_ips()
                .await?
                .into_iter()
                .find(|ip| ip.floating_ip_address == word)
            && let Some(port) = &ip.port_id
            && let Some(port) = self.port(port).await?
        {
            return pick(servers, &port.device_id);
        }
        pick(servers, word)
    }

    /// Makes a server, and says its id. Nova may have made it although no answer came: look for the metadata.
    pub async fn create_server(&self, server: &NewServer, user_data: &[u8]) -> Result<String> {
        let call = Call::post(Service::Compute, &["servers"], server.body(user_data));
        let made: Value = self.ask(&call, "server").await?;
        let id = made.get("id").and_then(Value::as_str);
        id.map(str::to_owned)
            .ok_or_else(|| super::Fault::garbled(&call, "the server has no id"))
    }

    /// Removes a server, if it is there.
    pub async fn delete_server(&self, id: &str) -> Result<bool> {
        let call = Call::delete(Service::Compute, &["servers", id]).wait_out_conflicts();
        self.remove(&call).await
    }

    /// `os-stop`, `os-start`… Nova answers at once and works afterwards.
    pub async fn server_action(&self, id: &str, action: &str) -> Result<()> {
        let body = json!({action: null});
        let call =
            Call::post(Service::Compute, &["servers", id, "action"], body).wait_out_conflicts();
        self.send(&call).await.map(drop)
    }

    /// The last lines of its console.
    pub async fn console(&self, id: &str, lines: Option<u32>) -> Result<String> {
        let mut what = Map::new();
        if let Some(lines) = lines {
            what.insert("length".into(), lines.into());
        }
        let body = json!({"os-getConsoleOutput": what});
        let call = Call::post(Service::Compute, &["servers", id, "action"], body).idempotent();
        self.ask(&call, "output").await
    }

    /// Adds to a server's metadata.
    pub async fn set_metadata(&self, id: &str, pairs: &BTreeMap<String, String>) -> Result<()> {
        let body = json!({"metadata": pairs});
        let call = Call::post(Service::Compute, &["servers", id, "metadata"], body).idempotent();
        self.send(&call.wait_out_conflicts()).await.map(drop)
    }

    /// Takes a key from a server's metadata.
    pub async fn unset_metadata(&self, id: &str, key: &str) -> Result<bool> {
        self.remove(&Call::delete(
            Service::Compute,
            &["servers", id, "metadata", key],
        ))
        .await
    }

    /// Snapshots a server into an image of this name, and says the image's id.
    pub async fn create_image(
        &self,
        id: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<String> {
        let body = json!({"createImage": {"name": name, "metadata": metadata}});
        let call =
            Call::post(Service::Compute, &["servers", id, "action"], body).wait_out_conflicts();
        self.ask(&call, "image_id").await
    }

    /// Waits until a server has this status and nothing is being done to it. `ERROR` ends the wait with Nova's
    /// own words and the console's last lines.
    pub async fn wait_server(
        &self,
        id: &str,
        status: &str,
        within: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> error::Result<Server> {
        let what = format!("server {id} with status {status}");
        let found = until(&what, within, tell, || async {
            let call = Call::get(Service::Compute, &["servers", id]);
            let server: Server = self.ask(&call, "server").await?;
            let task = server.task_state.as_deref();
            let word = task.map_or_else(
                || server.status.clone(),
                |task| format!("{} {task}", server.status),
            );
            if server.status == status && task.is_none() {
                return Ok(Look::There(server));
            }
            if server.status == "ERROR" && status != "ERROR" {
                return Ok(Look::Never(in_error(&server)));
            }
            Ok(Look::NotYet(word))
        });
        match found.await {
            Err(mut error) if error.kind == Kind::Failed => {
                let console = self.console(id, Some(5)).await.unwrap_or_default();
                let lines = console.lines().map(str::trim_end).filter(|l| !l.is_empty());
                error
                    .causes
                    .extend(lines.map(|line| format!("console: {line}")));
                Err(error)
            }
            other => other,
        }
    }

    /// Waits until a server is gone.
    pub async fn wait_server_gone(
        &self,
        id: &str,
        within: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> error::Result<()> {
        until(&format!("the end of server {id}"), within, tell, || async {
            Ok(match self.server(id).await? {
                None => Look::There(()),
                Some(server) if server.status == "DELETED" => Look::There(()),
                Some(server) => Look::NotYet(format!(
                    "{} {}",
                    server.status,
                    server.task_state.unwrap_or_default()
                )),
            })
        })
        .await
    }
}

/// What Nova says, and what mostly helps.
fn in_error(server: &Server) -> Error {
    let why = server
        .fault
        .as_ref()
        .map(|f| f.message.as_str())
        .unwrap_or_default();
    let text = format!("server {} ({}) is in ERROR: {why}", server.name, server.id);
    let lower = why.to_lowercase();
    let hint = if lower.contains("no valid host") {
        "no host has room for this flavor, or none fits the server group or availability zone: try another flavor, or ask the operator of the cloud"
    } else if lower.contains("quota") {
        "remove what nobody needs, or ask for a greater quota"
    } else if lower.contains("image") {
        "is the image whole (`master-bridge image show`), and does the flavor's disk hold it?"
    } else if lower.contains("port") || lower.contains("network") || lower.contains("vif") {
        "look at the network, its subnet and its free addresses"
    } else if lower.contains("volume") || lower.contains("block device") {
        "look at the volume's state and at the quota for volumes"
    } else {
        "the operator of the cloud finds more under the server's id"
    };
    Error::new(Kind::Failed, text).hint(hint)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn novas_own_server_is_read() {
        let server: Server = serde_json::from_value(json!({
            "id": "i", "name": "app2", "status": "ERROR", "OS-EXT-STS:task_state": null,
            "addresses": {"net": [
                {"addr": "10.0.0.5", "version": 4, "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "x"},
                {"addr": "1.2.3.4", "version": 4, "OS-EXT-IPS:type": "floating"}]},
            "flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny", "extra_specs": {}},
            "image": "", "metadata": {"bridge-role": "green"}, "locked": false,
            "fault": {"code": 500, "message": "No valid host was found.", "created": "now"},
            "os-extended-volumes:volumes_attached": [{"id": "v", "delete_on_termination": true}],
        }))
        .unwrap();
        assert_eq!(server.addresses("floating"), ["1.2.3.4"]);
        assert!(server.answers_to("10.0.0.5") && server.image_id().is_none());
        assert!(
            server.about().starts_with("ERROR (green) 10.0.0.5 1.2.3.4"),
            "{}",
            server.about()
        );
        let error = in_error(&server);
        assert!(error.message.ends_with("No valid host was found."));
        assert!(error.hint.unwrap().contains("flavor"));
    }

    pub(crate) fn new_server() -> NewServer {
        NewServer {
            name: "a".into(),
            image: "i".into(),
            flavor: "f".into(),
            nics: vec![Nic::Network("n".into()), Nic::Port("p".into())],
            security_groups: vec!["web".into()],
            key_name: None,
            server_group: Some("g".into()),
            availability_zone: None,
            root: RootDisk::Local,
            config_drive: true,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn a_new_server_says_what_nova_wants() {
        let mut server = new_server();
        let body = server.body(b"#!");
        assert_eq!(
            body["server"]["networks"],
            json!([{"uuid": "n"}, {"port": "p"}])
        );
        assert_eq!(body["server"]["imageRef"], "i");
        assert_eq!(body["server"]["user_data"], "IyE=");
        assert_eq!(body["os:scheduler_hints"]["group"], "g");
        server.root = RootDisk::Volume {
            size: 9,
            delete_on_termination: true,
        };
        let body = server.body(b"");
        assert!(
            body["server"].get("imageRef").is_none() && body["server"].get("user_data").is_none()
        );
        assert_eq!(
            body["server"]["block_device_mapping_v2"][0]["volume_size"],
            9
        );
    }
}
