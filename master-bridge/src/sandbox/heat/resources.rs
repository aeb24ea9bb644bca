//! What a stack is made of: each type's calls to the other services, as Heat makes them for its user.

use axum::http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::super::request::{Answer, Body, Call, Caller, Refusal, Service, list, text};
use super::super::world::{World, uuid};
use super::super::{cinder, keystone, neutron, nova};
use super::template::inside;

/// The types that there are.
const KNOWN: &[&str] = &[
    "OS::Cinder::Volume",
    "OS::Cinder::VolumeAttachment",
    "OS::Heat::CloudConfig",
    "OS::Heat::RandomString",
    "OS::Heat::SoftwareConfig",
    "OS::Heat::Value",
    "OS::Neutron::FloatingIP",
    "OS::Neutron::FloatingIPAssociation",
    "OS::Neutron::Net",
    "OS::Neutron::Port",
    "OS::Neutron::Router",
    "OS::Neutron::RouterInterface",
    "OS::Neutron::SecurityGroup",
    "OS::Neutron::Subnet",
    "OS::Nova::KeyPair",
    "OS::Nova::Server",
    "OS::Nova::ServerGroup",
];

/// Whether the sandbox has this type.
pub(super) fn is_known(kind: &str) -> bool {
    KNOWN.contains(&kind)
}

/// A resource that is to be made.
pub(super) struct New<'a> {
    pub(super) stack: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) properties: &'a Value,
}

/// One call to another service in the name of the stack's owner.
pub(super) fn ask(
    world: &mut World,
    caller: &Caller,
    service: Service,
    (method, path): (Method, &[&str]),
    body: Value,
) -> Result<Value, Refusal> {
    let call = Call {
        service,
        method,
        path: path.iter().map(|p| (*p).to_owned()).collect(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body,
        file: None,
        caller: caller.clone(),
        version: match service {
            Service::Nova => (2, 72),
            _ => (3, 44),
        },
        base: format!("{}/{}", world.config.url, service.prefix()),
        doom: None,
    };
    let answer: Answer = match service {
        Service::Nova => nova::handle(world, &call)?,
        Service::Neutron => neutron::handle(world, &call)?,
        Service::Cinder => cinder::handle(world, &call)?,
        _ => return Err(Refusal::unserved()),
    };
    Ok(match answer.body {
        Body::Json(body) => body,
        _ => Value::Null,
    })
}

/// The id of what a resource's properties name as `kind`, or as Heat named it before.
fn named(world: &World, caller: &Caller, of: &Value, kind: &str) -> Result<String, Refusal> {
    found(
        world,
        caller,
        kind,
        either(of, &[kind, &format!("{kind}_id")]),
    )
}

/// The id that a name or an id means.
pub(super) fn found(
    world: &World,
    caller: &Caller,
    kind: &str,
    word: &str,
) -> Result<String, Refusal> {
    let all = world
        .all(kind)
        .filter(|d| kind == "flavor" || World::may_see(caller, d));
    let ids: Vec<&str> = all
        .filter(|d| text(d, "id") == word || text(d, "name") == word)
        .map(|d| text(d, "id"))
        .collect();
    match ids[..] {
        [id] => Ok(id.to_owned()),
        [] => Err(Refusal::bad(format!(
            "The {kind} ({word}) could not be found."
        ))),
        _ => Err(Refusal::bad(format!(
            "More than one {kind} exists with the name '{word}'."
        ))),
    }
}

/// The first of these properties that is set.
fn either<'a>(properties: &'a Value, keys: &[&str]) -> &'a str {
    let mut all = keys.iter().map(|key| text(properties, key));
    all.find(|word| !word.is_empty()).unwrap_or_default()
}

fn copied(properties: &Value, keys: &[&str]) -> Map<String, Value> {
    keys.iter()
        .filter_map(|key| {
            Some((
                (*key).to_owned(),
                properties.get(key).filter(|v| !v.is_null())?.clone(),
            ))
        })
        .collect()
}

/// Makes one; gives its physical id.
pub(super) fn create(world: &mut World, caller: &Caller, new: &New<'_>) -> Result<String, Refusal> {
    let of = new.properties;
    let default = format!(
        "{}-{}-{}",
        new.stack,
        new.name,
        &uuid()[..12].replace('-', "")
    );
    let name = match text(of, "name") {
        "" => default,
        given => given.to_owned(),
    };
    let post = |path: &'static str| (Method::POST, vec!["v2.0", path]);
    let (service, (method, path), key, body) = match new.kind {
        "OS::Nova::Server" => {
            let server = server(world, caller, &name, of)?;
            let made = ask(
                world,
                caller,
                Service::Nova,
                (Method::POST, &["v2.1", "servers"]),
                server,
            )?;
            return Ok(text(&made["server"], "id").to_owned());
        }
        "OS::Nova::KeyPair" => {
            let body = json!({"keypair": {"name": name, "public_key": of["public_key"]}});
            ask(
                world,
                caller,
                Service::Nova,
                (Method::POST, &["v2.1", "os-keypairs"]),
                body,
            )?;
            return Ok(name);
        }
        "OS::Nova::ServerGroup" => {
            let policy = list(of, "policies")
                .first()
                .cloned()
                .unwrap_or_else(|| "anti-affinity".into());
            let body = json!({"server_group": {"name": name, "policy": policy}});
            let made = ask(
                world,
                caller,
                Service::Nova,
                (Method::POST, &["v2.1", "os-server-groups"]),
                body,
            )?;
            return Ok(text(&made["server_group"], "id").to_owned());
        }
        "OS::Cinder::Volume" => {
            let mut volume = copied(of, &["size", "description", "metadata", "snapshot_id"]);
            volume.insert("name".into(), name.into());
            let path = ["v3", &caller.project, "volumes"];
            let made = ask(
                world,
                caller,
                Service::Cinder,
                (Method::POST, &path),
                json!({"volume": volume}),
            )?;
            return Ok(text(&made["volume"], "id").to_owned());
        }
        "OS::Cinder::VolumeAttachment" => {
            let (server, volume) = (text(of, "instance_uuid"), text(of, "volume_id"));
            let path = ["v2.1", "servers", server, "os-volume_attachments"];
            let body = json!({"volumeAttachment": {"volumeId": volume}});
            ask(world, caller, Service::Nova, (Method::POST, &path), body)?;
            return Ok(format!("{server}:{volume}"));
        }
        "OS::Neutron::RouterInterface" => {
            let router = named(world, caller, of, "router")?;
            let subnet = named(world, caller, of, "subnet")?;
            let path = ["v2.0", "routers", &router, "add_router_interface"];
            ask(
                world,
                caller,
                Service::Neutron,
                (Method::PUT, &path),
                json!({"subnet_id": subnet}),
            )?;
            return Ok(format!("{router}:subnet_id={subnet}"));
        }
        "OS::Neutron::FloatingIPAssociation" => {
            let ip = text(of, "floatingip_id");
            let body = json!({"floatingip": {"port_id": of["port_id"]}});
            ask(
                world,
                caller,
                Service::Neutron,
                (Method::PUT, &["v2.0", "floatingips", ip]),
                body,
            )?;
            return Ok(format!("{ip}:{}", text(of, "port_id")));
        }
        "OS::Neutron::Net" => (
            Service::Neutron,
            post("networks"),
            "network",
            json!({"name": name}),
        ),
        "OS::Neutron::Subnet" => {
            let network = named(world, caller, of, "network")?;
            let mut body = copied(
                of,
                &[
                    "cidr",
                    "gateway_ip",
                    "enable_dhcp",
                    "allocation_pools",
                    "dns_nameservers",
                ],
            );
            body.insert("name".into(), name.into());
            body.insert("network_id".into(), network.into());
            body.insert("ip_version".into(), 4.into());
            (Service::Neutron, post("subnets"), "subnet", body.into())
        }
        "OS::Neutron::Router" => {
            let mut body = json!({"name": name});
            let gateway = text(&of["external_gateway_info"], "network");
            if !gateway.is_empty() {
                let network = found(world, caller, "network", gateway)?;
                body["external_gateway_info"] = json!({"network_id": network});
            }
            (Service::Neutron, post("routers"), "router", body)
        }
        "OS::Neutron::Port" => {
            let network = named(world, caller, of, "network")?;
            let mut body = copied(of, &["allowed_address_pairs"]);
            body.insert("name".into(), name.into());
            body.insert("network_id".into(), network.into());
            let groups: Result<Vec<String>, Refusal> = list(of, "security_groups")
                .iter()
                .map(|g| {
                    found(
                        world,
                        caller,
                        "security_group",
                        g.as_str().unwrap_or_default(),
                    )
                })
                .collect();
            if of.get("security_groups").is_some() {
                body.insert("security_groups".into(), json!(groups?));
            }
            if let Some(ips) = of["fixed_ips"].as_array() {
                let ips: Vec<Value> = ips
                    .iter()
                    .map(|ip| copied(ip, &["ip_address", "subnet_id"]).into())
                    .collect();
                body.insert("fixed_ips".into(), ips.into());
            }
            (Service::Neutron, post("ports"), "port", body.into())
        }
        "OS::Neutron::FloatingIP" => {
            let network = found(
                world,
                caller,
                "network",
                either(of, &["floating_network", "floating_network_id"]),
            )?;
            let mut body = copied(of, &["port_id", "fixed_ip_address"]);
            body.insert("floating_network_id".into(), network.into());
            (
                Service::Neutron,
                post("floatingips"),
                "floatingip",
                body.into(),
            )
        }
        "OS::Neutron::SecurityGroup" => {
            let body =
                json!({"security_group": {"name": name, "description": text(of, "description")}});
            let made = ask(
                world,
                caller,
                Service::Neutron,
                (Method::POST, &["v2.0", "security-groups"]),
                body,
            )?;
            let id = text(&made["security_group"], "id").to_owned();
            if let Err(refusal) = rules(world, caller, &id, list(of, "rules")) {
                delete(world, caller, new.kind, &id);
                return Err(refusal);
            }
            return Ok(id);
        }
        // Nothing but its value.
        _ => return Ok(uuid()),
    };
    let made = ask(world, caller, service, (method, &path), json!({key: body}))?;
    Ok(text(&made[key], "id").to_owned())
}

pub(super) fn rules(
    world: &mut World,
    caller: &Caller,
    group: &str,
    rules: &[Value],
) -> Result<(), Refusal> {
    for rule in rules {
        let mut body = copied(
            rule,
            &[
                "direction",
                "ethertype",
                "protocol",
                "port_range_min",
                "port_range_max",
                "remote_ip_prefix",
            ],
        );
        body.insert("security_group_id".into(), group.into());
        body.entry("direction").or_insert_with(|| "ingress".into());
        if text(rule, "remote_mode") == "remote_group_id" {
            let of = match text(rule, "remote_group_id") {
                "" => group.to_owned(),
                word => found(world, caller, "security_group", word)?,
            };
            body.insert("remote_group_id".into(), of.into());
        }
        let path = ["v2.0", "security-group-rules"];
        ask(
            world,
            caller,
            Service::Neutron,
            (Method::POST, &path),
            json!({"security_group_rule": body}),
        )?;
    }
    Ok(())
}

fn server(world: &World, caller: &Caller, name: &str, of: &Value) -> Result<Value, Refusal> {
    let mut server = copied(
        of,
        &["key_name", "metadata", "config_drive", "availability_zone"],
    );
    server.insert("name".into(), name.into());
    server.insert(
        "flavorRef".into(),
        found(world, caller, "flavor", text(of, "flavor"))?.into(),
    );
    if !text(of, "image").is_empty() {
        server.insert(
            "imageRef".into(),
            found(world, caller, "image", text(of, "image"))?.into(),
        );
    }
    let networks: Result<Vec<Value>, Refusal> = list(of, "networks")
        .iter()
        .map(|nic| match either(nic, &["port"]) {
            "" => {
                let network = found(world, caller, "network", either(nic, &["network", "uuid"]))?;
                Ok(json!({"uuid": network, "fixed_ip": nic["fixed_ip"]}))
            }
            port => Ok(json!({"port": port})),
        })
        .collect();
    if of.get("networks").is_some() {
        server.insert("networks".into(), networks?.into());
    }
    let groups = list(of, "security_groups")
        .iter()
        .map(|name| json!({"name": name}));
    server.insert("security_groups".into(), groups.collect());
    let data = text(of, "user_data");
    if !data.is_empty() {
        // A configuration resource stands for its text.
        let text = world
            .one("heat_config", data)
            .map_or(data, |config| text(config, "text"));
        use base64::Engine as _;
        server.insert(
            "user_data".into(),
            base64::engine::general_purpose::STANDARD
                .encode(text)
                .into(),
        );
    }
    Ok(json!({"server": server, "os:scheduler_hints": of["scheduler_hints"]}))
}

/// Whether it is there; why not, if it will never be.
pub(super) fn ready(world: &World, kind: &str, id: &str) -> Result<bool, String> {
    let (found, good) = match kind {
        "OS::Nova::Server" => (world.one("server", id), "ACTIVE"),
        "OS::Cinder::Volume" => (world.one("volume", id), "available"),
        _ => return Ok(true),
    };
    let Some(found) = found else {
        return Err(format!("The resource {id} is gone"));
    };
    match text(found, "status") {
        status if status == good => Ok(true),
        "ERROR" | "error" => {
            let why = text(&found["fault"], "message");
            let why = if why.is_empty() { "Unknown" } else { why };
            Err(format!(
                "ResourceInError: Went to status ERROR due to \"Message: {why}, Code: 500\""
            ))
        }
        _ => Ok(false),
    }
}

/// Sees that it goes; whether it is gone.
pub(super) fn delete(world: &mut World, caller: &Caller, kind: &str, id: &str) -> bool {
    let (service, path): (Service, Vec<&str>) = match kind {
        "OS::Nova::Server" => (Service::Nova, vec!["v2.1", "servers", id]),
        "OS::Nova::KeyPair" => (Service::Nova, vec!["v2.1", "os-keypairs", id]),
        "OS::Nova::ServerGroup" => (Service::Nova, vec!["v2.1", "os-server-groups", id]),
        "OS::Cinder::Volume" => (Service::Cinder, vec!["v3", &caller.project, "volumes", id]),
        "OS::Cinder::VolumeAttachment" => {
            let (server, volume) = id.split_once(':').unwrap_or((id, ""));
            (
                Service::Nova,
                vec!["v2.1", "servers", server, "os-volume_attachments", volume],
            )
        }
        "OS::Neutron::Net" => (Service::Neutron, vec!["v2.0", "networks", id]),
        "OS::Neutron::Subnet" => (Service::Neutron, vec!["v2.0", "subnets", id]),
        "OS::Neutron::Router" => (Service::Neutron, vec!["v2.0", "routers", id]),
        "OS::Neutron::Port" => (Service::Neutron, vec!["v2.0", "ports", id]),
        "OS::Neutron::FloatingIP" => (Service::Neutron, vec!["v2.0", "floatingips", id]),
        "OS::Neutron::SecurityGroup" => (Service::Neutron, vec!["v2.0", "security-groups", id]),
        "OS::Neutron::RouterInterface" => {
            let (router, subnet) = id.split_once(":subnet_id=").unwrap_or((id, ""));
            let path = ["v2.0", "routers", router, "remove_router_interface"];
            let gone = ask(
                world,
                caller,
                Service::Neutron,
                (Method::PUT, &path),
                json!({"subnet_id": subnet}),
            );
            return gone.is_ok() || gone.is_err_and(|refusal| refusal.status == 404);
        }
        "OS::Neutron::FloatingIPAssociation" => {
            let ip = id.split_once(':').map_or(id, |(ip, _)| ip);
            let body = json!({"floatingip": {"port_id": null}});
            drop(ask(
                world,
                caller,
                Service::Neutron,
                (Method::PUT, &["v2.0", "floatingips", ip]),
                body,
            ));
            return true;
        }
        _ => {
            world.remove("heat_config", id);
            return true;
        }
    };
    let slow = matches!(
        kind,
        "OS::Nova::Server" | "OS::Cinder::Volume" | "OS::Cinder::VolumeAttachment"
    );
    match ask(world, caller, service, (Method::DELETE, &path), Value::Null) {
        Ok(_) => !slow,
        Err(refusal) => refusal.status == 404,
    }
}

/// What `get_attr` gives of one that is there.
pub(super) fn attribute(
    world: &World,
    kind: &str,
    id: &str,
    properties: &Value,
    path: &[Value],
) -> Option<Value> {
    let (name, rest) = path.split_first()?;
    let name = name.as_str()?;
    let (table, of) = match kind {
        "OS::Nova::Server" => ("server", id),
        "OS::Neutron::Port" => ("port", id),
        "OS::Neutron::FloatingIP" => ("floatingip", id),
        "OS::Neutron::Net" => ("network", id),
        "OS::Neutron::Subnet" => ("subnet", id),
        "OS::Cinder::Volume" => ("volume", id),
        "OS::Heat::Value" => {
            return inside(properties["value"].clone(), rest).filter(|_| name == "value");
        }
        "OS::Heat::RandomString" => return (name == "value").then(|| id.replace('-', "").into()),
        _ => return None,
    };
    let document = world.one(table, of)?;
    if kind == "OS::Nova::Server" {
        let addresses: Vec<(String, Value)> = world
            .all("port")
            .filter(|p| text(p, "device_id") == id)
            .flat_map(|p| {
                let network = world
                    .one("network", text(p, "network_id"))
                    .map_or("", |n| text(n, "name"));
                list(p, "fixed_ips")
                    .iter()
                    .map(|ip| (network.to_owned(), ip["ip_address"].clone()))
            })
            .collect();
        match name {
            "first_address" => return addresses.first().map(|(_, ip)| ip.clone()),
            "networks" => {
                let mut networks = Map::new();
                for (network, ip) in addresses {
                    let all = networks.entry(network).or_insert_with(|| json!([]));
                    if let Some(all) = all.as_array_mut() {
                        all.push(ip);
                    }
                }
                return inside(networks.into(), rest);
            }
            _ => {}
        }
    }
    inside(document.get(name)?.clone(), rest)
}

/// Who a stack acts for.
pub(super) fn owner(world: &World, stack: &Value) -> Caller {
    keystone::as_user(world, text(stack, "_user"), text(stack, "tenant_id"))
}
