//! The sandbox as a client sees it: it takes time, makes trouble when told to, and comes back as it was.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use harness::{Api, Sandbox, until, until_some};
use serde_json::{Value, json};

fn server(name: &str, api: &Api) -> Value {
    let image = api.get("image", "/images?name=tiny").is(200).body["images"][0]["id"].clone();
    let network =
        api.get("network", "/networks?name=private").is(200).body["networks"][0]["id"].clone();
    json!({"server": {"name": name, "imageRef": image, "flavorRef": "1", "networks": [{"uuid": network}]}})
}

fn boot(name: &str, api: &Api) -> String {
    let made = api.post("compute", "/servers", &server(name, api)).is(202);
    let id = made.body["server"]["id"].as_str().unwrap().to_owned();
    assert_eq!(show(&id, api)["status"], "BUILD");
    id
}

fn show(id: &str, api: &Api) -> Value {
    api.get("compute", &format!("/servers/{id}")).is(200).body["server"].clone()
}

fn wait(id: &str, status: &str, api: &Api) -> Value {
    until_some(20, &format!("{id} to be {status}"), || {
        let server = show(id, api);
        (server["status"] == status).then_some(server)
    })
}

#[test]
fn it_makes_the_trouble_that_it_is_told_to() {
    let sandbox = Sandbox::start(&["--fault", "nova.create=ERROR@2"]);
    let api = sandbox.login("demo");
    let before = sandbox.holds();
    let (good, bad) = (boot("good", &api), boot("bad", &api));
    wait(&good, "ACTIVE", &api);
    let failed = wait(&bad, "ERROR", &api);
    let why = failed["fault"]["message"].as_str().unwrap();
    assert!(why.contains("No valid host"), "{why}");

    sandbox.fault("nova.server.os-stop=503@1");
    sandbox.fault("nova.server.update=lost");
    sandbox.fault("nova.flavor.list=expire@1");
    let stop = json!({"os-stop": null});
    let action = format!("/servers/{good}/action");
    let refused = api.post("compute", &action, &stop).is(503);
    assert_eq!(refused.body["serviceUnavailable"]["code"], 503);
    api.post("compute", &action, &stop).is(202);
    wait(&good, "SHUTOFF", &api);
    let renamed = json!({"server": {"name": "renamed"}});
    api.call("PUT", "compute", &format!("/servers/{good}"), &renamed)
        .is(0);
    assert_eq!(
        show(&good, &api)["name"],
        "renamed",
        "done, though not answered"
    );
    api.get("compute", "/flavors").is(401);
    api.get("compute", "/flavors").is(401);

    let api = sandbox.login("demo");
    for id in [good, bad] {
        api.delete("compute", &format!("/servers/{id}")).is(204);
        until(20, "the server to be gone", || {
            api.get("compute", &format!("/servers/{id}")).status == 404
        });
    }
    let mut after = sandbox.holds();
    // Looking at them has made the project's default group.
    after["security_group"] = before["security_group"].clone();
    assert_eq!(before, after, "nothing is left");
}

#[test]
fn it_comes_back_as_it_was() {
    let mut sandbox = Sandbox::start(&[]);
    let api = sandbox.login("demo");
    let id = boot("stays", &api);
    wait(&id, "ACTIVE", &api);
    let second = sandbox
        .bridge(&["-o", "json", "sandbox", "up"])
        .success()
        .json();
    sandbox.bridge(&["sandbox", "down"]).success();
    assert_eq!(sandbox.bridge(&["sandbox", "status"]).code, 1);
    sandbox.up(&[]);
    let clouds = std::fs::read_to_string(sandbox.clouds()).unwrap();
    assert!(
        clouds.contains(second["url"].as_str().unwrap()),
        "the same address: {clouds}"
    );
    assert_eq!(show(&id, &sandbox.login("demo"))["status"], "ACTIVE");
}
