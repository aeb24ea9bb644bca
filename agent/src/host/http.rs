//! HTTP to other machines: one request, its answer; redirects followed, the system's certificates trusted, every wait
//! bounded.

use std::fs;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

/// What the system trusts.
const ROOTS: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// How long to wait for a connection, and for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a client goes about it.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Limit for all of it.
    pub timeout: Duration,
    /// Whether the environment's proxy is used.
    pub proxy: bool,
    /// Whether a server has to prove itself.
    pub verify: bool,
    /// Most redirects that are followed.
    pub redirects: u32,
    /// A file of certificates to trust instead of the system's.
    pub bundle: Option<String>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3600),
            proxy: true,
            verify: true,
            redirects: 10,
            bundle: None,
        }
    }
}

/// A client that goes about it so.
pub fn agent(manner: &Manner) -> Agent {
    let roots = match &manner.bundle {
        Some(file) => fs::read(file).ok(),
        None => ROOTS.iter().find_map(|file| fs::read(file).ok()),
    };
    let roots = roots.unwrap_or_default();
    let certificates = parse_pem(&roots).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<Certificate<'static>> = certificates.collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .disable_verification(!manner.verify)
        .unversioned_rustls_crypto_provider(provider);
    let proxy = manner.proxy.then(Proxy::try_from_env).flatten();
    Agent::config_builder()
        .timeout_global(Some(manner.timeout))
        .timeout_connect(Some(manner.timeout.min(PATIENCE)))
        .timeout_recv_response(Some(manner.timeout.min(PATIENCE)))
        .max_redirects(manner.redirects)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .tls_config(tls.build())
        .proxy(proxy)
        .build()
        .into()
}

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET` and the like.
    pub method: String,
    /// Where to; a name and password in it become a header.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// What is sent along.
    pub body: Vec<u8>,
}

/// The head of an answer, and its body to be read.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    body: Box<dyn Read + Send>,
}

impl Answer {
    /// What a status means, as servers word it.
    pub fn reason(&self) -> &'static str {
        reason(self.status)
    }

    /// Reads the body, up to a limit.
    pub fn bytes(self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.body.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The body, to be read piece by piece.
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        self.body
    }
}

/// The name of a status.
pub fn reason(status: u16) -> &'static str {
    ureq::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Unknown")
}

/// An address without the name and password in it, and those as a header's value.
pub fn without_login(url: &str) -> (String, Option<String>) {
    let plain = || (url.to_owned(), None);
    let Some((scheme, rest)) = url.split_once("://") else {
        return plain();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((login, host)) = rest[..end].rsplit_once('@') else {
        return plain();
    };
    let header = format!("Basic {}", STANDARD.encode(login));
    (format!("{scheme}://{host}{}", &rest[end..]), Some(header))
}

/// A text without the names and passwords in the addresses that it holds.
pub fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("//") {
        let (head, tail) = rest.split_at(at + 2);
        out.push_str(head);
        let end = tail
            .find(|c: char| c == '/' || c.is_whitespace())
            .unwrap_or(tail.len());
        rest = match tail[..end].rfind('@') {
            Some(at) => {
                out.push_str("<redacted>");
                &tail[at..]
            }
            None => tail,
        };
    }
    out + rest
}

/// Sends a request and waits for the head of its answer.
pub fn send(agent: &Agent, request: &Request) -> Result<Answer, String> {
    let (url, login) = without_login(&request.url);
    let mut built = ureq::http::Request::builder()
        .method(request.method.as_str())
        .uri(&url);
    for (name, value) in &request.headers {
        built = built.header(name, value);
    }
    let has_login = |(name, _): &(String, String)| name.eq_ignore_ascii_case("authorization");
    if let Some(login) = login.filter(|_| !request.headers.iter().any(has_login)) {
        built = built.header("Authorization", login);
    }
    let answer = if request.body.is_empty() {
        let ready = built.body(()).map_err(|e| e.to_string())?;
        agent.run(ready)
    } else {
        let ready = built.body(&request.body[..]).map_err(|e| e.to_string())?;
        agent.run(ready)
    };
    let answer = answer.map_err(|e| e.to_string())?;
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    Ok(Answer {
        status: answer.status().as_u16(),
        headers,
        body: Box::new(answer.into_body().into_reader()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn logins_leave_the_address() {
        let (url, login) = without_login("http://me:pw@host:80/a@b");
        assert_eq!(url, "http://host:80/a@b");
        assert_eq!(login.as_deref(), Some("Basic bWU6cHc="));
        assert_eq!(without_login("http://host/a@b").1, None);
        assert_eq!(
            redacted("no https://me:pw@host/a, http://b/c@d // e@f"),
            "no https://<redacted>@host/a, http://b/c@d // e@f"
        );
    }

    #[test]
    fn an_answer_comes_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let n = stream.read(&mut request).unwrap();
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-A: b\r\nConnection: close\r\n\r\ngone")
                .unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let manner = Manner {
            proxy: false,
            ..Manner::default()
        };
        let request = Request {
            method: "POST".into(),
            url: format!("http://u:p@{address}/x?y=1"),
            headers: vec![("X-Q".into(), "1".into())],
            body: b"body".to_vec(),
        };
        let answer = send(&agent(&manner), &request).unwrap();
        assert_eq!((answer.status, answer.reason()), (404, "Not Found"));
        assert!(answer.headers.contains(&("x-a".into(), "b".into())));
        assert_eq!(answer.bytes(100).unwrap(), b"gone");
        let seen = server.join().unwrap();
        assert!(seen.starts_with("POST /x?y=1 HTTP/1.1\r\n"), "{seen}");
        assert!(
            seen.to_lowercase().contains("authorization: basic dtpw"),
            "{seen}"
        );
    }
}
