//! Against a small Keystone and Nova of our own: what the crate below forgets, and what the linker drops.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::{Call, Client, Selection, Service};
use super::*;

/// The crate looks for it at the end of addresses, so it is nothing that stands there by chance.
const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// What the server saw, and whether it still believes the tokens before this one.
#[derive(Default)]
struct Seen {
    logins: Vec<Value>,
    paths: Vec<String>,
    revoked: usize,
}

type Shared = Arc<Mutex<Seen>>;

async fn request(stream: &mut TcpStream) -> Option<(String, String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| {
                let (name, value) = l.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            let start = head.len() + 4;
            if bytes.len() >= start + length.unwrap_or(0) {
                let line = head.lines().next()?.to_owned();
                return Some((line, head.to_owned(), bytes[start..].to_vec()));
            }
        }
        match stream.read(&mut chunk).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}

fn answer(seen: &Shared, base: &str, line: &str, head: &str, body: &[u8]) -> (u16, String, Value) {
    let mut seen = seen.lock().unwrap();
    let path = line
        .split(' ')
        .nth(1)
        .unwrap()
        .trim_end_matches(['/', '?'])
        .to_owned();
    seen.paths.push(path.clone());
    let number = seen.logins.len();
    let believed = (seen.revoked + 1..=number)
        .any(|n| head.contains(&format!("tok-{n}\r")) || head.ends_with(&format!("tok-{n}")));
    match path.as_str() {
        "/v3" => {
            let links = json!([{"rel": "self", "href": format!("{base}/v3/")}]);
            let version =
                json!({"id": "v3.14", "status": "stable", "links": links, "media-types": []});
            (200, String::new(), json!({"version": version}))
        }
        "/v3/auth/tokens" => {
            seen.logins.push(serde_json::from_slice(body).unwrap());
            let endpoint = |kind: &str, path: &str| {
                json!({
                    "type": kind, "name": kind, "id": kind,
                    "endpoints": [{"id": kind, "interface": "public", "region": "R", "region_id": "R",
                        "url": format!("{base}{path}")}],
                })
            };
            let domain = json!({"id": "default", "name": "Default"});
            let token = json!({
                "methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z", "roles": [{"id": "r", "name": "member"}],
                "user": {"id": "u", "name": "u", "domain": domain},
                "project": {"id": PROJECT, "name": "project", "domain": domain},
                "catalog": [endpoint("identity", "/v3"), endpoint("compute", "/compute")],
            });
            let header = format!("X-Subject-Token: tok-{}\r\n", number + 1);
            (201, header, json!({"token": token}))
        }
        "/compute" => {
            let links = json!([{"rel": "self", "href": format!("{base}/compute/v2.1/")}]);
            let version = json!({
                "id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1", "links": links,
            });
            (200, String::new(), json!({"versions": [version]}))
        }
        "/compute/v2.1/servers/detail" if !believed => (
            401,
            String::new(),
            json!({"error": {"code": 401, "message": "no"}}),
        ),
        "/compute/v2.1/servers/detail" => {
            assert!(
                head.to_lowercase()
                    .contains("openstack-api-version: compute 2.72"),
                "{head}"
            );
            (200, String::new(), json!({"servers": []}))
        }
        _ => (
            404,
            String::new(),
            json!({"itemNotFound": {"message": "wrong address"}}),
        ),
    }
}

async fn serve() -> (String, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let seen = Shared::default();
    let (of, address) = (seen.clone(), base.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (seen, base) = (of.clone(), address.clone());
            tokio::spawn(async move {
                let Some((line, head, body)) = request(&mut stream).await else {
                    return;
                };
                let (status, header, body) = answer(&seen, &base, &line, &head, &body);
                let body = body.to_string();
                let text = format!(
                    "HTTP/1.1 {status} X\r\n{header}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                drop(stream.write_all(text.as_bytes()).await);
            });
        }
    });
    (base, seen)
}

async fn connect(base: &str, auth: &str) -> error::Result<Client> {
    let dir = tempfile::tempdir().unwrap();
    let text =
        format!("clouds:\n  t:\n    region_name: R\n    auth:\n      auth_url: {base}/v3\n{auth}");
    std::fs::write(dir.path().join("clouds.yaml"), text).unwrap();
    let selection = Selection {
        os_cloud: Some("t".into()),
        ..Selection::default()
    };
    let settings = selection.read_in(dir.path())?;
    Ok(Client::new(Box::new(OpenStack::connect(settings).await?)))
}

const PASSWORD: &str = "      username: u\n      user_domain_name: d\n      password: 1234\n      project_name: p\n      project_domain_name: d\n";

#[tokio::test]
async fn a_token_that_is_revoked_costs_nothing_but_a_login() {
    let (base, seen) = serve().await;
    let cloud = connect(&base, PASSWORD).await.unwrap();
    assert_eq!(
        cloud.project(),
        Some((PROJECT.to_owned(), "project".to_owned()))
    );
    let servers = cloud.servers().await;
    assert!(
        servers.is_ok_and(|all| all.is_empty()),
        "{:?}",
        seen.lock().unwrap().paths
    );
    seen.lock().unwrap().revoked = 1;
    for _ in 0..3 {
        // The second of these would go to a wrong address if discovery were not repeated.
        assert!(cloud.servers().await.unwrap().is_empty());
    }
    assert_eq!(seen.lock().unwrap().logins.len(), 2);
    let missing = Call::get(Service::Compute, &["servers", "x"]);
    assert!(cloud.send(&missing).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_application_credential_logs_in() {
    let (base, seen) = serve().await;
    let auth = "      application_credential_id: i\n      application_credential_secret: s\n";
    let cloud = connect(&base, auth).await.unwrap();
    assert!(cloud.is_application_credential());
    let login = seen.lock().unwrap().logins[0].clone();
    assert_eq!(
        login["auth"]["identity"]["methods"],
        json!(["application_credential"])
    );
    assert!(cloud.servers().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_reason_of_a_missing_connection_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let error = connect(&base, PASSWORD).await.err().unwrap();
    assert_eq!(error.kind, Kind::Unreachable);
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(probe("not a url").await.0.is_some());
}
