//! OpenStack's APIs as plain HTTP: what a service says is seen as it is, with no client's opinion between.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// A project's way into a cloud.
pub struct Api {
    token: String,
    catalog: Value,
    /// The project's id.
    pub project: String,
    /// The user's id.
    pub user: String,
}

/// What a service said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status; 0 if the connection was cut.
    pub status: u16,
    /// The head's lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The document; a text if it is no JSON, null if there is none.
    pub body: Value,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value)
    }

    /// Fails the test unless it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Api {
    /// By password. User and project have the same name.
    pub fn login(auth_url: &str, name: &str, password: &str) -> Self {
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                         "password": {"user": {"name": name, "domain": domain, "password": password}}},
            "scope": {"project": {"name": name, "domain": domain}}}});
        let reply = http("POST", &format!("{auth_url}/auth/tokens"), &[], &body).is(201);
        let token = &reply.body["token"];
        Self {
            token: reply.header("x-subject-token").to_owned(),
            project: token["project"]["id"].as_str().unwrap().to_owned(),
            user: token["user"]["id"].as_str().unwrap().to_owned(),
            catalog: token["catalog"].clone(),
        }
    }

    /// Where a service is, with the version that its paths begin with.
    pub fn endpoint(&self, service: &str) -> String {
        let entry = self
            .catalog
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["type"] == service);
        let endpoints =
            entry.unwrap_or_else(|| panic!("no {service} in the catalog"))["endpoints"].clone();
        let public = endpoints
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["interface"] == "public")
            .cloned();
        let url = public.unwrap()["url"]
            .as_str()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        match service {
            "network" if !url.ends_with("/v2.0") => url + "/v2.0",
            "image" if !url.ends_with("/v2") => url + "/v2",
            _ => url,
        }
    }

    /// One call. A microversion may stand before the path: `2.45 /servers`.
    pub fn call(&self, method: &str, service: &str, path: &str, body: &Value) -> Answer {
        let (version, path) = path.split_once(' ').unwrap_or(("", path));
        let url = format!("{}{path}", self.endpoint(service));
        let mut headers = vec![("X-Auth-Token", self.token.clone())];
        if !version.is_empty() {
            headers.push(("OpenStack-API-Version", format!("{service} {version}")));
        }
        http(method, &url, &headers, body)
    }

    /// Reads.
    pub fn get(&self, service: &str, path: &str) -> Answer {
        self.call("GET", service, path, &Value::Null)
    }

    /// Creates, or asks for an action.
    pub fn post(&self, service: &str, path: &str, body: &Value) -> Answer {
        self.call("POST", service, path, body)
    }

    /// Deletes.
    pub fn delete(&self, service: &str, path: &str) -> Answer {
        self.call("DELETE", service, path, &Value::Null)
    }
}

/// One request. A text as body is sent as it is, everything else as JSON.
fn http(method: &str, url: &str, headers: &[(&str, String)], body: &Value) -> Answer {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (kind, body) = match body {
        Value::Null => ("", String::new()),
        Value::String(raw) => ("application/octet-stream", raw.clone()),
        Value::Array(_) => (
            "application/openstack-images-v2.1-json-patch",
            body.to_string(),
        ),
        other => ("application/json", other.to_string()),
    };
    let mut request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !kind.is_empty() {
        request.push_str(&format!("Content-Type: {kind}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let mut stream = TcpStream::connect(host).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A cut connection is an answer too, for those who asked for it.
    stream.read_to_end(&mut answer).ok();
    let text = String::from_utf8_lossy(&answer);
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_default();
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(n, v)| n == "transfer-encoding" && v == "chunked");
    let body = if chunked {
        unchunked(rest)
    } else {
        rest.to_owned()
    };
    Answer {
        status: head
            .split_whitespace()
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or_default(),
        headers,
        body: match serde_json::from_str(&body) {
            Ok(document) => document,
            Err(_) if body.is_empty() => Value::Null,
            Err(_) => body.into(),
        },
    }
}

fn unchunked(mut text: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else {
            break;
        };
        out.push_str(chunk);
        text = rest[size..].trim_start_matches("\r\n");
    }
    out
}
