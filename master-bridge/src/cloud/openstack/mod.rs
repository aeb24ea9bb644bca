//! The real one, on `openstack_sdk`, with what that needs to work in the field:
//!
//! - The plug-in of application credentials is named here, or the linker drops it.
//! - A service's versioned address is discovered before its first call, and again after the token changed: the
//!   crate forgets its discoveries when it logs in anew on a 401, and would then call wrong addresses.
//! - Uploads go through a second session without a limit for the whole transfer.
//! - Why a connection did not come about is found out by a probe of our own: the crate keeps it for itself.
//! - Tokens are never stored on disk.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::error::Error as StdError;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use openstack_sdk::api::{
    ApiError, BodyError, QueryAsync as _, QueryParams, RestClient as _, RestEndpoint, raw,
    raw_with_body,
};
use openstack_sdk::types::{ApiVersion, BoxedAsyncRead, ServiceType};
use openstack_sdk::{AsyncOpenStack, OpenStackError, RestError};
use openstack_sdk_auth_applicationcredential as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::config::Settings;
use super::{Answer, Call, Cloud, Fault, FaultKind, Pending, Result, Service};
use crate::error::{self, Error, Kind};

/// A connection that does not come about in this time does not come about.
const CONNECT: Duration = Duration::from_secs(5);
/// No transfer takes longer; stalls are noticed by whoever reads.
const TRANSFER: Duration = Duration::from_secs(24 * 3600);

/// A session with a cloud.
pub struct OpenStack {
    settings: Settings,
    session: AsyncOpenStack,
    transfers: OnceCell<AsyncOpenStack>,
    known: RefCell<Known>,
}

/// The services whose addresses were discovered, with which token.
#[derive(Default)]
struct Known {
    token: Option<SecretString>,
    services: HashSet<Service>,
}

impl OpenStack {
    /// Logs in.
    pub async fn connect(settings: Settings) -> error::Result<Self> {
        let builder = AsyncOpenStack::builder(&settings.config)
            .disable_auth_cache(true)
            .http_connect_timeout(CONNECT);
        let session = match builder.connect().await {
            Ok(session) => session,
            Err(error) => return Err(refused(&settings, &error).await),
        };
        Ok(Self {
            settings,
            session,
            transfers: OnceCell::new(),
            known: RefCell::default(),
        })
    }

    /// Sees that the session knows the versioned address of a service.
    async fn discover(&self, service: Service) -> Result<()> {
        // Identity is discovered at login; the catalog's address of Heat is the versioned one.
        if matches!(service, Service::Identity | Service::Orchestration) {
            return Ok(());
        }
        let token = self.session.get_auth_token();
        {
            let mut known = self.known.borrow_mut();
            let same = match (&token, &known.token) {
                (Some(now), Some(then)) => now.expose_secret() == then.expose_secret(),
                (None, None) => true,
                _ => false,
            };
            if !same {
                known.services.clear();
                known.token = token;
            }
            if known.services.contains(&service) {
                return Ok(());
            }
        }
        let kind = service_type(service);
        let found = self.session.discover_service_endpoint(&kind);
        found.await.map_err(|e| {
            let call = format!("discovery of {}", service.name());
            Fault::new(FaultKind::Unreachable, call, cause(&e))
        })?;
        self.known.borrow_mut().services.insert(service);
        Ok(())
    }

    async fn transfers(&self, service: Service) -> Result<&AsyncOpenStack> {
        let connect = || async {
            let session = AsyncOpenStack::builder(&self.settings.config)
                .disable_auth_cache(true)
                .http_connect_timeout(CONNECT)
                .http_timeout(TRANSFER)
                .connect()
                .await;
            session
                .map_err(|e| Fault::new(FaultKind::Unreachable, "log in for a transfer", cause(&e)))
        };
        let session = self.transfers.get_or_try_init(connect).await?;
        // Each time: a transfer is rare, and is never repeated by itself after a wrong address.
        let kind = service_type(service);
        let found = session.discover_service_endpoint(&kind);
        found.await.map_err(|e| {
            let call = format!("discovery of {}", service.name());
            Fault::new(FaultKind::Unreachable, call, cause(&e))
        })?;
        Ok(session)
    }
}

impl Cloud for OpenStack {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn project(&self) -> Option<(String, String)> {
        let project = self.session.get_current_project()?;
        Some((project.id?, project.name.unwrap_or_default()))
    }

    fn is_application_credential(&self) -> bool {
        self.settings.is_application_credential()
    }

    fn send<'a>(&'a self, call: &'a Call) -> Pending<'a, Answer> {
        Box::pin(async move {
            self.discover(call.service).await?;
            let endpoint = Endpoint::of(call)?;
            let raw = raw(endpoint).skip_error_check(true);
            let answer: std::result::Result<Response<_>, _> = raw.query_async(&self.session).await;
            answer
                .map(|answer| answer_of(&answer))
                .map_err(|e| no_answer(call, &e))
        })
    }

    fn upload<'a>(&'a self, call: &'a Call, body: BoxedAsyncRead) -> Pending<'a, Answer> {
        Box::pin(async move {
            let session = self.transfers(call.service).await?;
            let endpoint = Endpoint::of(call)?;
            let raw = raw_with_body(endpoint, body).skip_error_check(true);
            let answer: std::result::Result<Response<_>, _> = raw.query_async(session).await;
            answer
                .map(|answer| answer_of(&answer))
                .map_err(|e| no_answer(call, &e))
        })
    }
}

/// A call as the crate takes it.
struct Endpoint<'a> {
    call: &'a Call,
    headers: HeaderMap,
}

impl<'a> Endpoint<'a> {
    fn of(call: &'a Call) -> Result<Self> {
        let mut headers = HeaderMap::new();
        let agent = concat!("master-bridge/", env!("CARGO_PKG_VERSION"));
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static(agent));
        if let Some(version) = call.microversion {
            let name = HeaderName::from_static("openstack-api-version");
            headers.insert(name, HeaderValue::from_static(version));
        }
        // With a JSON body the crate sets it.
        if let (Some(kind), None) = (call.content_type, &call.body) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        Ok(Self { call, headers })
    }
}

impl RestEndpoint for Endpoint<'_> {
    fn method(&self) -> Method {
        self.call.method.clone()
    }

    fn endpoint(&self) -> Cow<'static, str> {
        self.call.path.clone().into()
    }

    fn service_type(&self) -> ServiceType {
        service_type(self.call.service)
    }

    fn parameters(&self) -> QueryParams<'_> {
        let mut params = QueryParams::default();
        for (name, value) in &self.call.query {
            params.push(name.as_str(), value.as_str());
        }
        params
    }

    fn body(&self) -> std::result::Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        let kind = self.call.content_type.unwrap_or("application/json");
        match &self.call.body {
            Some(body) => Ok(Some((kind, serde_json::to_vec(body)?))),
            None => Ok(None),
        }
    }

    fn request_headers(&self) -> Option<&HeaderMap> {
        Some(&self.headers)
    }

    fn api_version(&self) -> Option<ApiVersion> {
        // Nova alone has two versions of its own beside each other, 2.0 and 2.1; of the others the current one is right.
        (self.call.service == Service::Compute).then(|| ApiVersion::new(2, 1))
    }
}

fn service_type(service: Service) -> ServiceType {
    match service {
        Service::Compute => ServiceType::Compute,
        Service::Network => ServiceType::Network,
        Service::Image => ServiceType::Image,
        Service::BlockStorage => ServiceType::BlockStorage,
        Service::Identity => ServiceType::Identity,
        Service::Orchestration => ServiceType::Other(service.name().into()),
    }
}

fn answer_of<B: AsRef<[u8]>>(answer: &Response<B>) -> Answer {
    let header = |name: &str| {
        let value = answer.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let bytes = answer.body().as_ref();
    let body = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
    };
    Answer {
        status: answer.status().as_u16(),
        body,
        location: header("location"),
        retry_after: header("retry-after").and_then(|s| s.parse().ok()),
        request_id: header("x-openstack-request-id").or_else(|| header("x-compute-request-id")),
    }
}

/// No answer came: whether the request was sent decides whether it may be sent again.
fn no_answer(call: &Call, error: &ApiError<RestError>) -> Fault {
    let kind = match error {
        ApiError::Client { source } => match source {
            RestError::Communication { source } if source.is_connect() => FaultKind::Unreachable,
            RestError::Communication { .. } => FaultKind::Lost,
            RestError::AuthError { .. } => FaultKind::Unauthorized,
            _ => FaultKind::Garbled,
        },
        ApiError::Catalog { .. } => FaultKind::NotFound,
        _ => FaultKind::Garbled,
    };
    Fault::new(kind, call.shown(), cause(error))
}

/// The deepest causes say it best; the crate's own frames say nothing.
fn cause(error: &dyn StdError) -> String {
    let mut all = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        all.push(source.to_string());
        next = source.source();
    }
    let mut kept: Vec<String> = Vec::new();
    for text in all.into_iter().rev() {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // An outer text often repeats the inner one after a colon.
        if kept.len() < 2
            && !kept
                .iter()
                .any(|k| line.contains(k.as_str()) || k.contains(&line))
        {
            kept.push(line);
        }
    }
    kept.reverse();
    kept.join(": ")
}

/// Why logging in failed.
async fn refused(settings: &Settings, error: &OpenStackError) -> Error {
    let (name, url) = (&settings.name, settings.auth_url());
    match error {
        OpenStackError::AuthError { .. } | OpenStackError::Api { .. } => {
            let text = format!("{url} does not let us in ({name})");
            let mut refusal = Error::new(Kind::Permission, text).hint(
                "look at user, password, token or application credential, project and domains; `openstack token issue` uses the same",
            );
            refusal.causes = vec![cause(error)];
            refusal
        }
        OpenStackError::IOWithPath { path, source } => Error::new(
            Kind::Local,
            format!("cannot read the CA file {path} of {name}"),
        )
        .because(source),
        _ => {
            let (why, hint) = probe(url).await;
            let mut refusal = Error::new(
                Kind::Unreachable,
                format!("cannot reach Keystone at {url} ({name})"),
            )
            .hint(hint);
            refusal.causes = vec![why.unwrap_or_else(|| cause(error))];
            refusal
        }
    }
}

/// What stands between us and an address.
async fn probe(url: &str) -> (Option<String>, &'static str) {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return (
            Some("it is no URL".into()),
            "auth_url looks like https://keystone.example:5000/v3",
        );
    };
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    match timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await {
        Err(_) => (
            Some(format!(
                "{host}:{port} does not answer within {} s",
                CONNECT.as_secs()
            )),
            "is a firewall or a proxy between us?",
        ),
        Ok(Err(error)) => (
            Some(format!("{host}:{port}: {error}")),
            "is the address right, and Keystone up?",
        ),
        Ok(Ok(_)) if secure => (
            None,
            "something answers there: is its certificate of a known authority (cacert), and is it Keystone?",
        ),
        Ok(Ok(_)) => (
            None,
            "something answers there: is it Keystone, and does it speak http rather than https?",
        ),
    }
}

#[cfg(test)]
mod tests;
