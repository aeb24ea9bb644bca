//! From HTTP to a [`Call`] and back: paths, tokens, bodies, versions and faults, the same for every service.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::faults::{Effect, Fault};
use super::request::{Answer, Body, Call, Caller, Doom, Outcome, Refusal, Service, text};
use super::wire::Scissors;
use super::world::{World, uuid};
use super::{cinder, glance, heat, keystone, neutron, nova, vm};

/// A document that a client sends.
const MAX_BODY: usize = 4 << 20;
/// An image's data.
const MAX_FILE: u64 = 64 << 30;

/// What every connection shares.
#[derive(Clone)]
pub(super) struct Shared {
    world: Arc<Mutex<World>>,
    /// There are effects to be carried out.
    pub(super) work: Arc<Notify>,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            work: Arc::new(Notify::new()),
        }
    }

    /// The world, locked. A handler that panicked has at worst left one document half-done.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

/// The service as axum serves it.
pub(super) fn router(shared: Shared) -> Router {
    Router::new().fallback(serve).with_state(shared)
}

async fn serve(
    State(shared): State<Shared>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response<HttpBody> {
    let answer = match take(&shared, request).await {
        Ok(Taken::Call(call)) => answer(&shared, *call, &scissors).await,
        Ok(Taken::Ours(answer)) => answer,
        Err((service, refusal)) => refusal.answer(service),
    };
    respond(answer).await
}

enum Taken {
    /// A service's.
    Call(Box<Call>),
    /// The sandbox's own pages, and the metadata service.
    Ours(Answer),
}

async fn take(shared: &Shared, request: Request) -> Result<Taken, (Service, Refusal)> {
    let (head, body) = request.into_parts();
    let path: Vec<String> = head
        .uri
        .path()
        .split('/')
        .filter(|p| !p.is_empty())
        .map(decode)
        .collect();
    let first = path.first().map_or("", String::as_str);
    let Some(service) = Service::ALL.into_iter().find(|s| s.prefix() == first) else {
        let body = document(body).await.map_err(|r| (Service::Keystone, r))?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        return Ok(Taken::Ours(ours(shared, &head.method, &parts, &body)));
    };
    let refused = |refusal| (service, refusal);
    let (caller, base) = {
        let world = shared.world();
        let token = header(&head.headers, "x-auth-token");
        (
            keystone::caller(&world, token),
            format!("{}/{}", world.config.url, service.prefix()),
        )
    };
    let mut call = Call {
        service,
        method: head.method,
        path: path[1..].to_vec(),
        query: query(head.uri.query().unwrap_or_default()),
        version: version(service, &head.headers).map_err(refused)?,
        headers: head.headers,
        body: Value::Null,
        file: None,
        caller: Caller::default(),
        base,
        doom: None,
    };
    let open = is_discovery(&call)
        || (service == Service::Keystone
            && call.method == Method::POST
            && call
                .path
                .ends_with(&["auth".to_owned(), "tokens".to_owned()]));
    match caller {
        Some(caller) => call.caller = caller,
        None if open => {}
        None => {
            let text = "The request you have made requires authentication.";
            return Err(refused(Refusal::new(401, "Unauthorized", text)));
        }
    }
    if service == Service::Glance && glance::is_data(&call) {
        let folder = shared.world().config.folder.clone();
        call.file = Some(store(&folder, body).await.map_err(refused)?);
    } else {
        call.body = document(body).await.map_err(refused)?;
    }
    Ok(Taken::Call(Box::new(call)))
}

/// Nothing below a version is asked for.
fn is_discovery(call: &Call) -> bool {
    call.method == Method::GET && call.path.len() <= 1
}

async fn answer(shared: &Shared, mut call: Call, scissors: &Scissors) -> Answer {
    let operation = operation(&call);
    let effects = shared.world().faults.pass(&operation);
    let mut lost = false;
    for effect in effects {
        match effect {
            Effect::Delay(time) => tokio::time::sleep(time).await,
            Effect::Status(status) => {
                let text = format!("{operation}: a fault of the sandbox");
                return Refusal::new(status, "SandboxFault", text).answer(call.service);
            }
            Effect::Expire => {
                keystone::expire_all(&mut shared.world());
                let text = "The request you have made requires authentication.";
                return Refusal::new(401, "Unauthorized", text).answer(call.service);
            }
            Effect::Lost => lost = true,
            Effect::Error => call.doom = Some(Doom::Error),
            Effect::Stuck => call.doom = Some(Doom::Stuck),
        }
    }
    let outcome = {
        let mut world = shared.world();
        let outcome = handle(&mut world, &call);
        if let Err(error) = world.save() {
            tracing::error!(%error, "The sandbox cannot write its state.");
        }
        outcome
    };
    if let Some(file) = &call.file {
        // What the handler wanted of it, it has moved.
        drop(tokio::fs::remove_file(file).await);
    }
    shared.work.notify_one();
    if lost {
        scissors.cut();
    }
    let answer = outcome.unwrap_or_else(|refusal| refusal.answer(call.service));
    microversion(answer, &call)
}

fn handle(world: &mut World, call: &Call) -> Outcome {
    match call.service {
        Service::Keystone => keystone::handle(world, call),
        Service::Nova => nova::handle(world, call),
        Service::Neutron => neutron::handle(world, call),
        Service::Glance => glance::handle(world, call),
        Service::Cinder => cinder::handle(world, call),
        Service::Heat => heat::handle(world, call),
    }
}

/// The sandbox's own pages: faults, and what a VM reads of itself.
fn ours(shared: &Shared, method: &Method, path: &[&str], body: &Value) -> Answer {
    let mut world = shared.world();
    match (method, path) {
        (&Method::GET, ["metadata", id, rest @ ..]) => {
            vm::metadata::page(&world, id, rest).unwrap_or_else(|| Answer::empty(404))
        }
        (&Method::GET, ["sandbox", "faults"]) => Answer::json(200, json!(world.faults.texts())),
        (&Method::DELETE, ["sandbox", "faults"]) => {
            world.faults.clear();
            Answer::empty(204)
        }
        (&Method::POST, ["sandbox", "faults"]) => match text(body, "fault").parse::<Fault>() {
            Ok(fault) => {
                world.faults.add(fault);
                Answer::empty(204)
            }
            Err(error) => Answer::json(400, json!({"error": error})),
        },
        (&Method::GET, ["sandbox"]) => Answer::json(200, super::census(&world)),
        _ => Answer::empty(404),
    }
}

/// What a call is called when faults are asked for: `SERVICE.THING.VERB`.
fn operation(call: &Call) -> String {
    let skip = match call.service {
        // Its project stands between version and collection.
        Service::Cinder | Service::Heat => 2,
        _ => 1,
    };
    let parts: Vec<&str> = call.path.iter().skip(skip).map(String::as_str).collect();
    let plain = match call.method {
        Method::GET | Method::HEAD => "show",
        Method::POST => "create",
        Method::DELETE => "delete",
        _ => "update",
    };
    let many = if plain == "show" { "list" } else { plain };
    let (thing, verb) = match parts[..] {
        [] => ("version".to_owned(), plain),
        ["auth", thing] => (singular(thing), plain),
        [things] | [things, "detail"] => (singular(things), many),
        [things, _, "action"] => {
            let action = call.body.as_object().and_then(|b| b.keys().next());
            let action = action.map_or(plain, String::as_str);
            return format!("{}.{}.{action}", call.service.name(), singular(things));
        }
        ["images", _, "file"] if plain == "update" => ("image".to_owned(), "upload"),
        [
            things,
            _,
            verb @ ("import" | "stage" | "add_router_interface" | "remove_router_interface"),
        ] => (singular(things), verb),
        ["stacks", _, _] => ("stack".to_owned(), plain),
        [things, _] => (singular(things), plain),
        [_, _, things] => (singular(things), many),
        [_, _, things, ..] => (singular(things), plain),
    };
    format!("{}.{thing}.{verb}", call.service.name())
}

fn singular(collection: &str) -> String {
    let name = collection.trim_start_matches("os-").replace('-', "_");
    if name == "volume_attachments" {
        return "attachment".into();
    }
    match name.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => name.strip_suffix('s').unwrap_or(&name).to_owned(),
    }
}

/// The newest microversions that are answered, each with how its service's header calls it.
fn newest(service: Service) -> Option<(&'static str, (u32, u32), u32)> {
    match service {
        Service::Nova => Some(("compute", (2, 1), nova::NEWEST)),
        Service::Cinder => Some(("volume", (3, 0), cinder::NEWEST)),
        _ => None,
    }
}

fn version(service: Service, headers: &HeaderMap) -> Result<(u32, u32), Refusal> {
    let Some((name, oldest, newest)) = newest(service) else {
        return Ok((1, 0));
    };
    let asked = header(headers, "openstack-api-version")
        .strip_prefix(name)
        .map(str::trim)
        .or_else(|| headers.get("x-openstack-nova-api-version")?.to_str().ok())
        .unwrap_or_default();
    if asked.is_empty() {
        return Ok(oldest);
    }
    if asked == "latest" {
        return Ok((oldest.0, newest));
    }
    let numbers = asked
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    match numbers {
        None => Err(Refusal::bad(format!(
            "API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."
        ))),
        Some(version) if version.0 == oldest.0 && version.1 >= oldest.1 && version.1 <= newest => {
            Ok(version)
        }
        Some(_) => Err(Refusal::new(
            406,
            "NotAcceptable",
            format!(
                "Version {asked} is not supported by the API. Minimum is {}.{} and maximum is {}.{newest}.",
                oldest.0, oldest.1, oldest.0
            ),
        )),
    }
}

fn microversion(answer: Answer, call: &Call) -> Answer {
    let Some((name, ..)) = newest(call.service) else {
        return answer;
    };
    let version = format!("{}.{}", call.version.0, call.version.1);
    let answer = answer
        .header("openstack-api-version", format!("{name} {version}"))
        .header("vary", "OpenStack-API-Version");
    if call.service == Service::Nova {
        return answer.header("x-openstack-nova-api-version", version);
    }
    answer
}

async fn respond(answer: Answer) -> Response<HttpBody> {
    let (body, kind) = match answer.body {
        Body::Empty => (HttpBody::empty(), None),
        Body::Json(value) => (HttpBody::from(value.to_string()), Some("application/json")),
        Body::Text(text) => (HttpBody::from(text), Some("text/plain")),
        Body::File(path) => match tokio::fs::read(&path).await {
            Ok(bytes) => (HttpBody::from(bytes), Some("application/octet-stream")),
            Err(_) => (HttpBody::empty(), None),
        },
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert("content-type", HeaderValue::from_static(kind));
    }
    let request = format!("req-{}", uuid());
    let all = answer
        .headers
        .into_iter()
        .chain([("x-openstack-request-id", request)]);
    for (name, value) in all {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

async fn document(body: HttpBody) -> Result<Value, Refusal> {
    let bytes = axum::body::to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| Refusal::new(413, "RequestTooLarge", "Request is too large."))?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|_| Refusal::bad("Malformed request body: it is no JSON"))
}

/// Writes an image's data beside where it will lie.
async fn store(folder: &Path, mut body: HttpBody) -> Result<PathBuf, Refusal> {
    let failed = |e: io::Error| Refusal::new(500, "Storage", format!("cannot store the data: {e}"));
    let path = folder.join("images").join(format!("upload-{}", uuid()));
    let mut file = tokio::fs::File::create(&path).await.map_err(failed)?;
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| failed(io::Error::other(e)));
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(refusal) => {
                drop(tokio::fs::remove_file(&path).await);
                return Err(refusal);
            }
        };
        size += data.len() as u64;
        if size > MAX_FILE {
            drop(tokio::fs::remove_file(&path).await);
            return Err(Refusal::new(
                413,
                "ImageSizeLimitExceeded",
                "Image is too large.",
            ));
        }
        file.write_all(&data).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(path)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

fn query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                decode(&key.replace('+', " ")),
                decode(&value.replace('+', " ")),
            )
        })
        .collect()
}

/// A part of a URL as it was meant.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(service: Service, method: Method, path: &[&str], body: Value) -> Call {
        Call {
            service,
            method,
            path: path.iter().map(|p| (*p).to_owned()).collect(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body,
            file: None,
            caller: Caller::default(),
            version: (2, 1),
            base: String::new(),
            doom: None,
        }
    }

    #[test]
    fn operations_have_names() {
        let nova =
            |method, path: &[&str], body| operation(&call(Service::Nova, method, path, body));
        let v = "v2.1";
        assert_eq!(
            nova(Method::POST, &[v, "servers"], json!({})),
            "nova.server.create"
        );
        assert_eq!(
            nova(Method::GET, &[v, "servers", "detail"], json!({})),
            "nova.server.list"
        );
        assert_eq!(
            nova(Method::GET, &[v, "servers", "1"], json!({})),
            "nova.server.show"
        );
        let stop = nova(
            Method::POST,
            &[v, "servers", "1", "action"],
            json!({"os-stop": null}),
        );
        assert_eq!(stop, "nova.server.os-stop");
        let attach = nova(
            Method::POST,
            &[v, "servers", "1", "os-volume_attachments"],
            json!({}),
        );
        assert_eq!(attach, "nova.attachment.create");
        let keypairs = nova(Method::GET, &[v, "os-keypairs"], json!({}));
        assert_eq!(keypairs, "nova.keypair.list");
        let token = call(
            Service::Keystone,
            Method::POST,
            &["v3", "auth", "tokens"],
            json!({}),
        );
        assert_eq!(operation(&token), "keystone.token.create");
        let rule = ["v2.0", "security-group-rules"];
        let rule = call(Service::Neutron, Method::POST, &rule, json!({}));
        assert_eq!(operation(&rule), "neutron.security_group_rule.create");
        let volume = call(
            Service::Cinder,
            Method::POST,
            &["v3", "p", "volumes"],
            json!({}),
        );
        assert_eq!(operation(&volume), "cinder.volume.create");
        let stack = call(
            Service::Heat,
            Method::PATCH,
            &["v1", "p", "stacks", "n", "i"],
            json!({}),
        );
        assert_eq!(operation(&stack), "heat.stack.update");
        let file = call(
            Service::Glance,
            Method::PUT,
            &["v2", "images", "i", "file"],
            json!({}),
        );
        assert_eq!(operation(&file), "glance.image.upload");
    }

    #[test]
    fn urls_are_decoded() {
        assert_eq!(decode("a%20b%2Fc%zz%"), "a b/c%zz%");
        let pairs = query("name=a+b&x=%C3%A9&flag");
        assert_eq!(pairs[0], ("name".to_owned(), "a b".to_owned()));
        assert_eq!(pairs[1].1, "é");
        assert_eq!(pairs[2], ("flag".to_owned(), String::new()));
    }

    #[test]
    fn microversions_within_what_is_served() {
        let ask = |service, text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("openstack-api-version", HeaderValue::from_static(text));
            version(service, &headers).map_err(|r| r.status)
        };
        assert_eq!(ask(Service::Nova, "compute 2.45"), Ok((2, 45)));
        assert_eq!(ask(Service::Nova, "volume 3.1"), Ok((2, 1)));
        assert_eq!(ask(Service::Nova, "compute 2.999"), Err(406));
        assert_eq!(ask(Service::Nova, "compute x"), Err(400));
        assert_eq!(ask(Service::Cinder, "volume 3.5"), Ok((3, 5)));
        assert_eq!(version(Service::Nova, &HeaderMap::new()), Ok((2, 1)));
    }
}
