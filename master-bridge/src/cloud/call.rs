//! A request and an answer, as values.

use http::Method;
use serde_json::Value;

/// The services that we speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Glance.
    Image,
    /// Cinder.
    BlockStorage,
    /// Keystone.
    Identity,
    /// Heat.
    Orchestration,
}

impl Service {
    /// The type in the catalog, which is also the word in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Network => "network",
            Self::Image => "image",
            Self::BlockStorage => "block-storage",
            Self::Identity => "identity",
            Self::Orchestration => "orchestration",
        }
    }

    /// The microversion that every call to it asks for unless it says otherwise: old enough for clouds in the
    /// field, new enough for what we read. Nova 2.72 is Stein: flavors inside servers, their groups, images by id.
    pub(super) fn microversion(self) -> Option<&'static str> {
        match self {
            Self::Compute => Some("compute 2.72"),
            Self::BlockStorage => Some("volume 3.44"),
            Self::Network | Self::Image | Self::Identity | Self::Orchestration => None,
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// To whom.
    pub service: Service,
    /// The path below the service's versioned address, its parts encoded.
    pub path: String,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// The JSON body.
    pub body: Option<Value>,
    /// Another content type than JSON's, for uploads and patches.
    pub content_type: Option<&'static str>,
    /// Another microversion than the service's usual one, as `compute 2.79`.
    pub microversion: Option<&'static str>,
    /// Whether doing it twice does no more than doing it once.
    pub idempotent: bool,
    /// Whether a conflict goes by itself: another task is under way on the same thing.
    pub wait_out_conflicts: bool,
}

impl Call {
    /// A request; GET, HEAD, PUT and DELETE may be repeated, others only if they say so.
    pub fn new(method: Method, service: Service, parts: &[&str]) -> Self {
        let idempotent = method.is_idempotent();
        Self {
            method,
            service,
            path: parts
                .iter()
                .map(|p| encoded(p))
                .collect::<Vec<_>>()
                .join("/"),
            query: Vec::new(),
            body: None,
            content_type: None,
            microversion: service.microversion(),
            idempotent,
            wait_out_conflicts: false,
        }
    }

    /// A question.
    pub fn get(service: Service, parts: &[&str]) -> Self {
        Self::new(Method::GET, service, parts)
    }

    /// A creation or an action.
    pub fn post(service: Service, parts: &[&str], body: Value) -> Self {
        Self::new(Method::POST, service, parts).body(body)
    }

    /// An update.
    pub fn put(service: Service, parts: &[&str], body: Value) -> Self {
        Self::new(Method::PUT, service, parts).body(body)
    }

    /// A removal.
    pub fn delete(service: Service, parts: &[&str]) -> Self {
        Self::new(Method::DELETE, service, parts)
    }

    /// With a JSON body.
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a query parameter.
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// With another content type than JSON's.
    pub fn content_type(mut self, content_type: &'static str) -> Self {
        self.content_type = Some(content_type);
        self
    }

    /// With another microversion than the service's usual one.
    pub fn microversion(mut self, microversion: &'static str) -> Self {
        self.microversion = Some(microversion);
        self
    }

    /// May be repeated, whatever its method.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Is repeated while another task is under way on the same thing.
    pub fn wait_out_conflicts(mut self) -> Self {
        self.wait_out_conflicts = true;
        self
    }

    /// What to call it in messages.
    pub fn shown(&self) -> String {
        format!("{} {} {}", self.method, self.service.name(), self.path)
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; `Null` if there is none, text if it is no JSON.
    pub body: Value,
    /// The header Location.
    pub location: Option<String>,
    /// Seconds after which to ask again.
    pub retry_after: Option<u64>,
    /// What to search the service's log for.
    pub request_id: Option<String>,
}

impl Answer {
    /// Whether it says yes.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A part of a path: only unreserved characters stay as they are, so that no name can become a path.
pub(super) fn encoded(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // A part of dots alone is a step in the tree.
            b'.' if part.bytes().any(|b| b != b'.') => out.push('.'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_becomes_a_path() {
        let call = Call::get(
            Service::Compute,
            &["os-keypairs", "a b/../x?y", "..", "é.v"],
        );
        assert_eq!(call.path, "os-keypairs/a%20b%2F..%2Fx%3Fy/%2E%2E/%C3%A9.v");
    }

    #[test]
    fn only_what_may_be_repeated_says_so() {
        assert!(Call::delete(Service::Network, &["ports", "p"]).idempotent);
        assert!(!Call::post(Service::Network, &["ports"], Value::Null).idempotent);
    }
}
