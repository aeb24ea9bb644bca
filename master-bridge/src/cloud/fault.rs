//! What went wrong with a call: the service's own words, and whose turn it is.

use std::fmt;

use serde_json::Value;

use super::{Answer, Call};
use crate::error::{Error, Kind};

/// The kinds that somebody decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No connection came about: nothing was sent.
    Unreachable,
    /// The connection or the patience ended before an answer: it may have been done.
    Lost,
    /// Who we are was not believed.
    Unauthorized,
    /// We may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It is in a state in which this cannot be done.
    Conflict,
    /// The project may have no more of it.
    Quota,
    /// Too many requests.
    Busy,
    /// The request itself is wrong.
    Invalid,
    /// The service failed.
    Service,
    /// An answer that cannot be understood.
    Garbled,
}

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// The request.
    pub call: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The service's word for programs, such as Neutron's `FloatingIPPortAlreadyAssociated`.
    pub code: Option<String>,
    /// The service's words for people.
    pub message: String,
    /// What to search the service's log for.
    pub request_id: Option<String>,
    /// Seconds after which the service wants to be asked again.
    pub retry_after: Option<u64>,
}

impl Fault {
    /// A fault without an answer.
    pub fn new(kind: FaultKind, call: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            call: call.into(),
            status: None,
            code: None,
            message: message.into(),
            request_id: None,
            retry_after: None,
        }
    }

    /// What an answer that is no success says.
    pub fn of(call: &Call, answer: &Answer) -> Self {
        let (code, message) = words(&answer.body);
        let quota = answer.status == 413
            || message.to_lowercase().contains("quota exceeded")
            || code.as_deref() == Some("OverQuota");
        let kind = match answer.status {
            _ if quota => FaultKind::Quota,
            401 => FaultKind::Unauthorized,
            403 => FaultKind::Forbidden,
            404 | 410 => FaultKind::NotFound,
            409 | 423 => FaultKind::Conflict,
            429 => FaultKind::Busy,
            400..=499 => FaultKind::Invalid,
            500..=599 => FaultKind::Service,
            _ => FaultKind::Garbled,
        };
        Self {
            kind,
            call: call.shown(),
            status: Some(answer.status),
            code,
            message,
            request_id: answer.request_id.clone(),
            retry_after: answer.retry_after,
        }
    }

    /// An answer that is a success but not what was asked for.
    pub fn garbled(call: &Call, why: impl fmt::Display) -> Self {
        let text = format!("the answer cannot be understood: {why}");
        Self::new(FaultKind::Garbled, call.shown(), text)
    }

    /// Whether there is no such thing.
    pub fn is_not_found(&self) -> bool {
        self.kind == FaultKind::NotFound
    }

    /// Whether asking again later may well be answered.
    pub fn is_transient(&self) -> bool {
        use FaultKind::{Busy, Lost, Service, Unreachable};
        matches!(self.kind, Busy | Lost | Service | Unreachable)
    }

    fn hint(&self) -> &'static str {
        match self.kind {
            FaultKind::Unreachable => {
                "is the address right, and the service up? `master-bridge server list -v` tries again"
            }
            FaultKind::Lost => {
                "it may have been done all the same: look before you repeat it; `ops resume` does"
            }
            FaultKind::Unauthorized => {
                "look at user, password, token or application credential, and at their expiry"
            }
            FaultKind::Forbidden => "the user's role in this project does not allow it",
            FaultKind::NotFound => "is it in this project and region?",
            FaultKind::Conflict => {
                "look at its state, and repeat it when nothing else is under way on it"
            }
            FaultKind::Quota => "remove what nobody needs, or ask for a greater quota",
            FaultKind::Busy | FaultKind::Service => {
                "repeat it later; the request id finds it in the service's log"
            }
            FaultKind::Invalid => "the cloud does not take this value",
            FaultKind::Garbled => "is this address OpenStack's, and its release one that we know?",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.call)?;
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        f.write_str(if self.message.is_empty() {
            "no reason given"
        } else {
            &self.message
        })?;
        if let Some(id) = &self.request_id {
            write!(f, " ({id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault.kind {
            FaultKind::Unreachable | FaultKind::Lost | FaultKind::Busy | FaultKind::Service => {
                Kind::Unreachable
            }
            FaultKind::Unauthorized | FaultKind::Forbidden => Kind::Permission,
            FaultKind::NotFound => Kind::NothingMatched,
            FaultKind::Conflict | FaultKind::Quota => Kind::Refused,
            FaultKind::Invalid => Kind::Usage,
            FaultKind::Garbled => Kind::Local,
        };
        let hint = fault.hint();
        Self::new(kind, fault.to_string()).hint(hint)
    }
}

/// The word for programs and the words for people in an error's body: at the top, or one level below, as
/// `badRequest`, `NeutronError`, `overLimit`, `error`.
fn words(body: &Value) -> (Option<String>, String) {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let of = |value: &Value| {
        let message = text(value, "message").or_else(|| text(value, "faultstring"))?;
        Some((text(value, "type"), message))
    };
    let found = of(body).or_else(|| body.as_object()?.values().find_map(of));
    let (code, message) = found.unwrap_or_else(|| {
        let whole = match body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (None, whole)
    });
    (code, tidy(&message))
}

/// One line without HTML, of a length that people read.
fn tidy(message: &str) -> String {
    const MOST: usize = 600;
    let mut plain = String::new();
    let mut tag = false;
    for c in message.chars() {
        match c {
            '<' => tag = true,
            '>' if tag => {
                tag = false;
                plain.push(' ');
            }
            c if !tag => plain.push(c),
            _ => {}
        }
    }
    // A lone "<" was no tag.
    let plain = if tag { message.to_owned() } else { plain };
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Service;
    use super::*;

    fn fault(status: u16, body: Value) -> Fault {
        let call = Call::get(Service::Compute, &["servers", "x"]);
        let answer = Answer {
            status,
            body,
            ..Answer::default()
        };
        Fault::of(&call, &answer)
    }

    #[test]
    fn each_service_says_it_in_its_own_way() {
        let nova = fault(
            404,
            json!({"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}),
        );
        assert!(nova.is_not_found());
        assert_eq!(
            nova.to_string(),
            "GET compute servers/x: 404 Instance x could not be found."
        );
        let neutron = fault(
            409,
            json!({"NeutronError": {"type": "FloatingIPPortAlreadyAssociated", "message": "no", "detail": ""}}),
        );
        assert_eq!(neutron.kind, FaultKind::Conflict);
        assert_eq!(
            neutron.code.as_deref(),
            Some("FloatingIPPortAlreadyAssociated")
        );
        let glance = fault(
            400,
            json!({"message": "Bad:<br /><br />\n\n Failed on <x>", "code": "400 Bad Request"}),
        );
        assert_eq!(glance.message, "Bad: Failed on");
        let cinder = fault(
            413,
            json!({"overLimit": {"code": 413, "message": "VolumeLimitExceeded"}}),
        );
        assert_eq!(cinder.kind, FaultKind::Quota);
        let quota = fault(
            403,
            json!({"forbidden": {"message": "Quota exceeded for cores"}}),
        );
        assert_eq!(quota.kind, FaultKind::Quota);
        let heat = fault(
            409,
            json!({"error": {"message": "exists", "type": "StackExists"}}),
        );
        assert_eq!(
            (heat.code.as_deref(), heat.message.as_str()),
            (Some("StackExists"), "exists")
        );
        let proxy = fault(502, json!("<html><h1>Bad Gateway</h1></html>"));
        assert_eq!(
            (proxy.kind, proxy.message.as_str()),
            (FaultKind::Service, "Bad Gateway")
        );
        let none = fault(500, Value::Null);
        assert!(none.to_string().ends_with("500 no reason given"));
    }

    #[test]
    fn a_long_schema_is_cut() {
        let long = fault(400, json!({"message": "é".repeat(5000)}));
        assert_eq!(long.message.chars().count(), 601);
    }
}
