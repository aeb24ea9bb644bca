//! The tour: each stop is a call and the status that it must have, everywhere. Heat's are in `stacks.rs`.

mod stacks;

use harness::{Answer, Api, until_some};
use serde_json::{Value, json};

use crate::shape;

/// What was answered, stop by stop.
pub(crate) struct Tour<'a> {
    api: &'a Api,
    stops: Vec<(&'static str, Value)>,
}

/// Where the sandbox's answers differ in form from the real ones.
pub(crate) fn compare(real: &Tour<'_>, ours: &Tour<'_>) -> Vec<String> {
    assert_eq!(real.stops.len(), ours.stops.len());
    let both = real.stops.iter().zip(&ours.stops);
    both.flat_map(|((name, real), (_, ours))| shape::differences(real, ours, name))
        .collect()
}

fn id(document: &Value) -> String {
    document["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id: {document}"))
        .to_owned()
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0yqjcqSVzpIEJvwTRgWMo0mnq3Y4cWTuTYkeFyvqLQ tour";

impl<'a> Tour<'a> {
    /// Goes all the way, and removes what it made.
    pub(crate) fn of(api: &'a Api) -> Self {
        let mut tour = Self {
            api,
            stops: Vec::new(),
        };
        tour.identity_and_refusals();
        let group = tour.groups_and_keys();
        let net = tour.networks();
        tour.images();
        tour.volumes();
        tour.servers(&group, &net);
        tour.stacks();
        tour.leave(&group, &net);
        tour
    }

    /// Notes an answer, whose status must be this one.
    #[track_caller]
    fn stop(&mut self, name: &'static str, answer: Answer, status: u16) -> Value {
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        self.stops.push((name, answer.body.clone()));
        answer.body
    }

    fn post(
        &mut self,
        name: &'static str,
        service: &str,
        path: &str,
        body: &Value,
        status: u16,
    ) -> Value {
        let answer = self.api.post(service, path, body);
        self.stop(name, answer, status)
    }

    fn get(&mut self, name: &'static str, service: &str, path: &str, status: u16) -> Value {
        let answer = self.api.get(service, path);
        self.stop(name, answer, status)
    }

    fn put(
        &mut self,
        name: &'static str,
        service: &str,
        path: &str,
        body: &Value,
        status: u16,
    ) -> Value {
        let answer = self.api.call("PUT", service, path, body);
        self.stop(name, answer, status)
    }

    fn delete(&mut self, name: &'static str, service: &str, path: &str, status: u16) {
        let answer = self.api.delete(service, path);
        self.stop(name, answer, status);
    }

    /// Waits for a field of a document; any state that begins with `err` ends the wait.
    fn wait(&self, service: &str, path: &str, key: &str, status: &str) -> Value {
        until_some(90, &format!("{path} to be {status}"), || {
            let found = self.api.get(service, path).is(200).body;
            let found = if found[key].is_object() {
                found[key].clone()
            } else {
                found
            };
            let now = found["status"].as_str().unwrap_or_default();
            assert!(!now.to_lowercase().starts_with("err"), "{found}");
            (now == status && found["OS-EXT-STS:task_state"].is_null()).then_some(found)
        })
    }

    fn gone(&self, service: &str, path: &str) {
        until_some(90, &format!("{path} to be gone"), || {
            (self.api.get(service, path).status == 404).then_some(())
        });
    }

    fn found(&self, service: &str, path: &str, key: &str, name: &str) -> String {
        let all = self.api.get(service, path).is(200).body;
        let found = all[key]
            .as_array()
            .unwrap()
            .iter()
            .find(|d| d["name"] == name)
            .cloned();
        id(&found.unwrap_or_else(|| panic!("no {name} in {path}")))
    }

    fn identity_and_refusals(&mut self) {
        self.get("no server", "compute", "/servers/nope", 404);
        self.get("no flavor", "compute", "/flavors/nope", 404);
        self.get("no keypair", "compute", "/os-keypairs/nope", 404);
        self.get("no version", "compute", "2.999 /servers", 406);
        self.get("no network", "network", "/networks/nope", 404);
        self.get("no floating ip", "network", "/floatingips/nope", 404);
        self.get(
            "no image",
            "image",
            "/images/11111111-1111-1111-1111-111111111111",
            404,
        );
        self.get(
            "no volume",
            "volumev3",
            "/volumes/11111111-1111-1111-1111-111111111111",
            404,
        );
        self.get("flavors", "compute", "/flavors/detail", 200);
        self.get("limits", "compute", "/limits", 200);
        let project = self.api.project.clone();
        self.get(
            "quota",
            "compute",
            &format!("/os-quota-sets/{project}"),
            200,
        );
        self.get(
            "network quota",
            "network",
            &format!("/quotas/{project}"),
            200,
        );
        self.get("volume limits", "volumev3", "/limits", 200);
        self.get("images", "image", "/images", 200);
        self.get("servers", "compute", "/servers/detail", 200);
    }

    fn groups_and_keys(&mut self) -> String {
        let key = json!({"keypair": {"name": "tour", "public_key": KEY}});
        self.post("keypair", "compute", "2.2 /os-keypairs", &key, 201);
        self.post("keypair again", "compute", "2.2 /os-keypairs", &key, 409);
        self.get("keypairs", "compute", "2.2 /os-keypairs", 200);
        self.get("keypair shown", "compute", "2.2 /os-keypairs/tour", 200);
        let group = json!({"server_group": {"name": "tour", "policy": "soft-anti-affinity"}});
        let made = self.post(
            "server group",
            "compute",
            "2.64 /os-server-groups",
            &group,
            200,
        );
        let path = format!("/os-server-groups/{}", id(&made["server_group"]));
        self.delete("server group deleted", "compute", &path, 204);
        let group = json!({"security_group": {"name": "tour"}});
        let made = self.post("security group", "network", "/security-groups", &group, 201);
        let group = id(&made["security_group"]);
        let rule = json!({"security_group_rule": {"security_group_id": group, "direction": "ingress",
            "protocol": "tcp", "port_range_min": 80, "port_range_max": 80, "remote_ip_prefix": "0.0.0.0/0"}});
        self.post("rule", "network", "/security-group-rules", &rule, 201);
        self.post("rule again", "network", "/security-group-rules", &rule, 409);
        let bad = json!({"security_group_rule": {"security_group_id": group, "direction": "ingress",
            "protocol": "tcp", "port_range_min": 90, "port_range_max": 80}});
        self.post(
            "rule upside down",
            "network",
            "/security-group-rules",
            &bad,
            400,
        );
        self.get(
            "security group shown",
            "network",
            &format!("/security-groups/{group}"),
            200,
        );
        group
    }

    /// Network, subnet and router of our own.
    fn networks(&mut self) -> [String; 3] {
        let public = self.found("network", "/networks", "networks", "public");
        let made = self.post(
            "network",
            "network",
            "/networks",
            &json!({"network": {"name": "tour"}}),
            201,
        );
        let net = id(&made["network"]);
        let subnet = json!({"subnet": {"name": "tour", "network_id": net, "ip_version": 4, "cidr": "10.91.0.0/28"}});
        let made = self.post("subnet", "network", "/subnets", &subnet, 201);
        self.post("subnet again", "network", "/subnets", &subnet, 400);
        let subnet = id(&made["subnet"]);
        let router =
            json!({"router": {"name": "tour", "external_gateway_info": {"network_id": public}}});
        let made = self.post("router", "network", "/routers", &router, 201);
        let router = id(&made["router"]);
        let port = json!({"port": {"name": "tour", "network_id": net, "fixed_ips": [{"ip_address": "10.91.0.9"}]}});
        let made = self.post("port", "network", "/ports", &port, 201);
        self.post("port again", "network", "/ports", &port, 409);
        let port = id(&made["port"]);
        let ip = json!({"floatingip": {"floating_network_id": public}});
        let made = self.post("floating ip", "network", "/floatingips", &ip, 201);
        let first = format!("/floatingips/{}", id(&made["floatingip"]));
        let to_port = json!({"floatingip": {"port_id": port}});
        self.put(
            "floating ip without a way",
            "network",
            &first,
            &to_port,
            404,
        );
        let interface = format!("/routers/{router}/add_router_interface");
        self.put(
            "interface",
            "network",
            &interface,
            &json!({"subnet_id": subnet}),
            200,
        );
        self.put(
            "interface again",
            "network",
            &interface,
            &json!({"subnet_id": subnet}),
            400,
        );
        self.put("floating ip of a port", "network", &first, &to_port, 200);
        let made = self.post("second floating ip", "network", "/floatingips", &ip, 201);
        let second = format!("/floatingips/{}", id(&made["floatingip"]));
        self.put("two on one address", "network", &second, &to_port, 409);
        self.delete(
            "network in use",
            "network",
            &format!("/networks/{net}"),
            409,
        );
        self.delete(
            "subnet in use",
            "network",
            &format!("/subnets/{subnet}"),
            409,
        );
        self.delete(
            "router in use",
            "network",
            &format!("/routers/{router}"),
            409,
        );
        self.put(
            "floating ip freed",
            "network",
            &first,
            &json!({"floatingip": {"port_id": null}}),
            200,
        );
        self.delete("floating ip deleted", "network", &first, 204);
        self.delete("second floating ip deleted", "network", &second, 204);
        self.delete("port deleted", "network", &format!("/ports/{port}"), 204);
        [net, subnet, router]
    }

    fn images(&mut self) {
        let asked = json!({"name": "tour", "disk_format": "raw", "container_format": "bare", "color": "red"});
        let made = self.post("image", "image", "/images", &asked, 201);
        let path = format!("/images/{}", id(&made));
        self.put(
            "data",
            "image",
            &format!("{path}/file"),
            &json!("0123456789"),
            204,
        );
        let image = self.get("image shown", "image", &path, 200);
        assert_eq!(image["checksum"], "781e5e245d69b566979b86e28d23f2c7");
        self.put(
            "data again",
            "image",
            &format!("{path}/file"),
            &json!("0123456789"),
            409,
        );
        let patch = json!([{"op": "add", "path": "/protected", "value": true}, {"op": "replace", "path": "/color", "value": "blue"}]);
        let answer = self.api.call("PATCH", "image", &path, &patch);
        self.stop("image changed", answer, 200);
        self.delete("protected", "image", &path, 403);
        let bad = json!([{"op": "replace", "path": "/status", "value": "queued"}]);
        let answer = self.api.call("PATCH", "image", &path, &bad);
        self.stop("read-only", answer, 403);
        let patch = json!([{"op": "replace", "path": "/protected", "value": false}]);
        let answer = self.api.call("PATCH", "image", &path, &patch);
        self.stop("image freed", answer, 200);
        self.delete("image deleted", "image", &path, 204);
    }

    fn volumes(&mut self) {
        let nothing = json!({"volume": {"size": 0}});
        self.post("volume of nothing", "volumev3", "/volumes", &nothing, 400);
        let asked = json!({"volume": {"size": 1, "name": "tour"}});
        let made = self.post("volume", "volumev3", "/volumes", &asked, 202);
        let volume = id(&made["volume"]);
        let path = format!("/volumes/{volume}");
        self.wait("volumev3", &path, "volume", "available");
        self.get("volume shown", "volumev3", &path, 200);
        let asked = json!({"snapshot": {"volume_id": volume, "name": "tour"}});
        let made = self.post("volume snapshot", "volumev3", "/snapshots", &asked, 202);
        let snapshot = format!("/snapshots/{}", id(&made["snapshot"]));
        self.wait("volumev3", &snapshot, "snapshot", "available");
        self.delete("volume with snapshot", "volumev3", &path, 400);
        self.delete("snapshot deleted", "volumev3", &snapshot, 202);
        self.gone("volumev3", &snapshot);
        self.delete("volume deleted", "volumev3", &path, 202);
        self.gone("volumev3", &path);
    }

    fn servers(&mut self, group: &str, net: &[String; 3]) {
        let image = self.found("image", "/images", "images", "tiny");
        let flavor = self.found("compute", "/flavors", "flavors", "m1.nano");
        let asked = json!({"server": {
            "name": "tour", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": net[0]}], "key_name": "tour",
            "metadata": {"role": "tour"}, "user_data": "I2Nsb3VkLWNvbmZpZwo=", "config_drive": true,
            "security_groups": [{"name": "tour"}]}});
        for (name, key, value) in [
            ("server of no flavor", "flavorRef", json!("nope")),
            (
                "server of no image",
                "imageRef",
                json!("11111111-1111-1111-1111-111111111111"),
            ),
            ("server with no key", "key_name", json!("nope")),
            (
                "server on no network",
                "networks",
                json!([{"uuid": "11111111-1111-1111-1111-111111111111"}]),
            ),
            ("server without a name", "name", json!("")),
            (
                "server with raw user-data",
                "user_data",
                json!("!not base64!"),
            ),
        ] {
            let mut bad = asked.clone();
            bad["server"][key] = value;
            self.post(name, "compute", "/servers", &bad, 400);
        }
        let made = self.post("server", "compute", "/servers", &asked, 202);
        let server = id(&made["server"]);
        let path = format!("/servers/{server}");
        self.wait("compute", &path, "server", "ACTIVE");
        self.get("server shown", "compute", &path, 200);
        self.get(
            "server shown at 2.79",
            "compute",
            &format!("2.79 {path}"),
            200,
        );
        self.get(
            "interfaces",
            "compute",
            &format!("{path}/os-interface"),
            200,
        );
        self.get(
            "its ports",
            "network",
            &format!("/ports?device_id={server}"),
            200,
        );
        let one = json!({"meta": {"a": "b"}});
        self.put(
            "one of metadata",
            "compute",
            &format!("{path}/metadata/a"),
            &one,
            200,
        );
        self.get("metadata", "compute", &format!("{path}/metadata"), 200);
        self.delete("one less", "compute", &format!("{path}/metadata/a"), 204);
        self.delete(
            "none to delete",
            "compute",
            &format!("{path}/metadata/a"),
            404,
        );
        let action = format!("{path}/action");
        self.post(
            "console",
            "compute",
            &action,
            &json!({"os-getConsoleOutput": {"length": 5}}),
            200,
        );
        self.post(
            "start of a running one",
            "compute",
            &action,
            &json!({"os-start": null}),
            409,
        );
        self.post(
            "no such action",
            "compute",
            &action,
            &json!({"os-nothing": null}),
            400,
        );
        self.delete(
            "group in use",
            "network",
            &format!("/security-groups/{group}"),
            409,
        );
        self.volume_of(&server);
        self.post("stop", "compute", &action, &json!({"os-stop": null}), 202);
        self.wait("compute", &path, "server", "SHUTOFF");
        self.post(
            "stop of a stopped one",
            "compute",
            &action,
            &json!({"os-stop": null}),
            409,
        );
        let asked = json!({"createImage": {"name": "tour-image", "metadata": {"by": "tour"}}});
        let made = self.post(
            "snapshot",
            "compute",
            &format!("2.45 {action}"),
            &asked,
            202,
        );
        let image = format!("/images/{}", made["image_id"].as_str().unwrap());
        self.wait("image", &image, "", "active");
        self.wait("compute", &path, "server", "SHUTOFF");
        let shown = self.get("snapshot shown", "image", &image, 200);
        assert_eq!(
            (&shown["by"], &shown["image_type"]),
            (&json!("tour"), &json!("snapshot"))
        );
        self.delete("snapshot deleted", "image", &image, 204);
        self.post("start", "compute", &action, &json!({"os-start": null}), 202);
        self.wait("compute", &path, "server", "ACTIVE");
        self.delete("server deleted", "compute", &path, 204);
        self.gone("compute", &path);
    }

    fn volume_of(&mut self, server: &str) {
        let asked = json!({"volume": {"size": 1, "name": "tour"}});
        let volume = id(&self.api.post("volumev3", "/volumes", &asked).is(202).body["volume"]);
        let path = format!("/volumes/{volume}");
        self.wait("volumev3", &path, "volume", "available");
        let all = format!("/servers/{server}/os-volume_attachments");
        let asked = json!({"volumeAttachment": {"volumeId": volume}});
        self.post("attachment", "compute", &all, &asked, 200);
        self.wait("volumev3", &path, "volume", "in-use");
        self.get("attached volume", "volumev3", &path, 200);
        self.get("attachments", "compute", &all, 200);
        self.delete("volume in use", "volumev3", &path, 400);
        self.delete("detached", "compute", &format!("{all}/{volume}"), 202);
        self.wait("volumev3", &path, "volume", "available");
        self.delete("its volume deleted", "volumev3", &path, 202);
        self.gone("volumev3", &path);
    }

    fn leave(&mut self, group: &str, [net, subnet, router]: &[String; 3]) {
        let interface = format!("/routers/{router}/remove_router_interface");
        self.put(
            "interface removed",
            "network",
            &interface,
            &json!({"subnet_id": subnet}),
            200,
        );
        self.delete(
            "router deleted",
            "network",
            &format!("/routers/{router}"),
            204,
        );
        self.delete(
            "network deleted",
            "network",
            &format!("/networks/{net}"),
            204,
        );
        self.delete(
            "security group deleted",
            "network",
            &format!("/security-groups/{group}"),
            204,
        );
        self.delete("keypair deleted", "compute", "2.2 /os-keypairs/tour", 204);
    }
}
