//! A signed document as one line of text: a mark, the payload and its signature in base64. What orders and handover
//! certificates have in common; whose signature counts is theirs to say.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::OrderError;

/// A kind of document.
pub(super) struct Seal {
    /// Begins each text of this kind.
    pub(super) mark: &'static str,
    /// Stands before the payload when it is signed: what is signed here counts nowhere else.
    pub(super) domain: &'static [u8],
    /// The kind, with its article.
    pub(super) kind: &'static str,
    /// What a text that is none is told.
    pub(super) shape: &'static str,
}

/// No document is longer.
pub(super) const MAX_TEXT: usize = 64 * 1024;

impl Seal {
    /// What is signed for this payload.
    pub(super) fn to_sign(&self, payload: &[u8]) -> Vec<u8> {
        [self.domain, payload].concat()
    }

    /// The text of a payload and its signature.
    pub(super) fn write(&self, payload: &[u8], signature: &[u8]) -> String {
        let (payload, signature) = (
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode(signature),
        );
        format!("{}{payload}:{signature}", self.mark)
    }

    /// The payload and the signature in a text; nothing is verified.
    pub(super) fn read(&self, text: &str) -> Result<(Vec<u8>, Vec<u8>), OrderError> {
        let text = text.trim();
        let shape = || problem("text", self.shape);
        if text.len() > MAX_TEXT {
            let words = format!("is far too long for {}", self.kind);
            return Err(problem("text", &words));
        }
        let (payload, signature) = text
            .strip_prefix(self.mark)
            .and_then(|rest| rest.split_once(':'))
            .ok_or_else(shape)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| shape())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| shape())?;
        Ok((payload, signature))
    }
}

/// A fault of a field.
pub(super) fn problem(field: &'static str, problem: &str) -> OrderError {
    OrderError {
        field,
        problem: problem.to_owned(),
    }
}
