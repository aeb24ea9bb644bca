//! What a client asks and what it is told: one call, one answer, and each service's way to refuse.

use std::path::PathBuf;

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

/// The services, by the first part of the path that the catalog gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Identity.
    Keystone,
    /// Compute.
    Nova,
    /// Network.
    Neutron,
    /// Images.
    Glance,
    /// Block storage.
    Cinder,
    /// Orchestration.
    Heat,
}

impl Service {
    pub(super) const ALL: [Self; 6] = [
        Self::Keystone,
        Self::Nova,
        Self::Neutron,
        Self::Glance,
        Self::Cinder,
        Self::Heat,
    ];

    /// The project's name, as faults name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Keystone => "keystone",
            Self::Nova => "nova",
            Self::Neutron => "neutron",
            Self::Glance => "glance",
            Self::Cinder => "cinder",
            Self::Heat => "heat",
        }
    }

    /// The first part of its path.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Keystone => "identity",
            Self::Nova => "compute",
            Self::Neutron => "network",
            Self::Glance => "image",
            Self::Cinder => "volume",
            Self::Heat => "orchestration",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    /// The project that it is scoped to.
    pub(super) project: String,
    /// The user.
    pub(super) user: String,
    /// Whether the role admin is among the roles.
    pub(super) admin: bool,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) method: Method,
    /// The path below the service's version, in its parts, decoded.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    /// Where the body is, if it is an image's data.
    pub(super) file: Option<PathBuf>,
    pub(super) caller: Caller,
    /// The microversion asked for, 2.1 or 3.0 if none.
    pub(super) version: (u32, u32),
    /// What the service's own links begin with.
    pub(super) base: String,
    /// What a fault has in store for what this call makes.
    pub(super) doom: Option<Doom>,
}

/// How something ends that was begun well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doom {
    /// In the state for failures.
    Error,
    /// Never.
    Stuck,
}

impl Doom {
    /// As it is noted in a document, whose keys with an underscore no client sees.
    pub(super) fn note(doom: Option<Self>) -> Value {
        match doom {
            Some(Self::Error) => "error".into(),
            Some(Self::Stuck) => "stuck".into(),
            None => Value::Null,
        }
    }
}

impl Call {
    /// The first value of a query parameter.
    pub(super) fn ask(&self, key: &str) -> Option<&str> {
        let found = self.query.iter().find(|(k, _)| k == key);
        found.map(|(_, value)| value.as_str())
    }

    /// The object below the body's one key, such as `server`.
    pub(super) fn inner(&self, key: &str) -> Result<&Value, Refusal> {
        self.body.get(key).filter(|v| v.is_object()).ok_or_else(|| {
            Refusal::bad(format!(
                "Invalid input for field/attribute {key}. '{key}' is a required property"
            ))
        })
    }

    /// Whether the caller asked for this microversion or a later one.
    pub(super) fn at_least(&self, minor: u32) -> bool {
        self.version.1 >= minor
    }
}

/// What an answer's body is.
#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Json(Value),
    Text(String),
    File(PathBuf),
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// An answer with a document.
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Body::Json(body),
            headers: Vec::new(),
        }
    }

    /// An answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            body: Body::Empty,
            headers: Vec::new(),
        }
    }

    /// With one more header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a handler gives.
pub(super) type Outcome = Result<Answer, Refusal>;

/// A refusal, before it is put into its service's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// The kind of error, where the service names it (Neutron, Heat).
    pub(super) kind: String,
}

impl Refusal {
    pub(super) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            kind: kind.to_owned(),
        }
    }

    /// The request makes no sense.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "HTTPBadRequest", message)
    }

    /// There is no such thing.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "HTTPNotFound", message)
    }

    /// It is not in a state for that.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "Conflict", message)
    }

    /// Not with these roles, or not with this quota.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    /// A path that the sandbox does not serve.
    pub(super) fn unserved() -> Self {
        Self::missing("The resource could not be found.")
    }

    /// As this service would say it.
    pub(super) fn answer(&self, service: Service) -> Answer {
        let Self {
            status,
            message,
            kind,
        } = self;
        let title = reason(*status);
        let body = match service {
            // The middleware that checks tokens speaks like this in front of every service.
            _ if *status == 401 => {
                json!({"error": {"code": 401, "title": title, "message": message}})
            }
            Service::Keystone => {
                json!({"error": {"code": status, "title": title, "message": message}})
            }
            Service::Nova | Service::Cinder => {
                let name = match status {
                    400 => "badRequest",
                    403 => "forbidden",
                    404 => "itemNotFound",
                    405 => "badMethod",
                    409 => "conflictingRequest",
                    413 => "overLimit",
                    429 => "overLimit",
                    503 => "serviceUnavailable",
                    _ => "computeFault",
                };
                json!({name: {"code": status, "message": message}})
            }
            Service::Neutron => {
                json!({"NeutronError": {"type": kind, "message": message, "detail": ""}})
            }
            Service::Glance => {
                json!({"message": format!("{message}<br /><br />\n\n\n"), "code": format!("{status} {title}"), "title": title})
            }
            Service::Heat => json!({
                "code": status, "title": title, "explanation": explanation(*status),
                "error": {"message": message, "type": kind, "traceback": null},
            }),
        };
        Answer::json(*status, body)
    }
}

/// HTTP's words for a status.
pub(super) fn reason(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Error")
}

fn explanation(status: u16) -> &'static str {
    match status {
        404 => "The resource could not be found.",
        409 => "There was a conflict when trying to complete your request.",
        403 => "Access was denied to this resource.",
        400 => {
            "The server could not comply with the request since it is either malformed or otherwise incorrect."
        }
        _ => "The server has either erred or is incapable of performing the requested operation.",
    }
}

/// A text of a document; empty if there is none.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number of a document, also where a client wrote it as text.
pub(super) fn number(value: &Value, key: &str) -> Option<i64> {
    match value.get(key)? {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

/// A flag of a document, also where a client wrote it as text.
pub(super) fn flag(value: &Value, key: &str) -> Option<bool> {
    match value.get(key)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => Some(text.eq_ignore_ascii_case("true")),
        _ => None,
    }
}

/// The list below a key; empty if there is none.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
