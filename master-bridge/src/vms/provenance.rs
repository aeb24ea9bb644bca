//! What is signed of an image's making, and whether a signature is right.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salt_wire::crypto::OrderPublicKey;

/// The property with the public key of who signed.
pub const SIGNED_BY: &str = "bridge_signed_by";
/// The property with the signature.
pub const SIGNATURE: &str = "bridge_signature";
/// The properties that are signed begin with this.
const OURS: &str = "bridge_";
/// Which step made the image is written before the rest, by Nova: it is no part of the signature.
const BY_NOVA: &str = "bridge_operation";

/// The text that is signed: the image's id, and each property of ours in order. An id is never given twice, so the
/// properties of one image prove nothing about another.
pub fn signed_text(id: &str, properties: &BTreeMap<String, String>) -> String {
    let ours = properties
        .iter()
        .filter(|(name, _)| name.starts_with(OURS) && *name != SIGNATURE && *name != BY_NOVA);
    let mut text = format!("master-bridge-provenance:v1\nid={id}\n");
    for (name, value) in ours {
        text.push_str(&format!("{name}={}\n", value.escape_default()));
    }
    text
}

/// What a signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// There is none.
    Not,
    /// It is right, of this key.
    By(String),
    /// It is wrong: a property was changed, added or taken away, or comes from another image.
    Wrong,
}

/// Looks at the signature of an image's properties.
pub fn check(id: &str, properties: &BTreeMap<String, String>) -> Signed {
    let (Some(by), Some(signature)) = (properties.get(SIGNED_BY), properties.get(SIGNATURE)) else {
        let some = properties.contains_key(SIGNED_BY) || properties.contains_key(SIGNATURE);
        return if some { Signed::Wrong } else { Signed::Not };
    };
    let text = signed_text(id, properties);
    let right = by.parse::<OrderPublicKey>().is_ok_and(|key| {
        let bytes = STANDARD.decode(signature).unwrap_or_default();
        key.verify("provenance", text.as_bytes(), &bytes).is_ok()
    });
    if right {
        Signed::By(by.clone())
    } else {
        Signed::Wrong
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::crypto::{OrderKey, OsRandom};

    use super::*;

    #[test]
    fn a_signature_is_of_one_image_and_all_its_words() {
        let key = OrderKey::generate(&mut OsRandom).unwrap();
        let mut words = BTreeMap::from([
            ("bridge_base".to_owned(), "b".to_owned()),
            ("bridge_operation".to_owned(), "op/image".to_owned()),
            ("other".to_owned(), "x".to_owned()),
            (SIGNED_BY.to_owned(), key.public().to_string()),
        ]);
        assert_eq!(check("i", &words), Signed::Wrong);
        let signature = key.sign(signed_text("i", &words).as_bytes());
        words.insert(SIGNATURE.into(), STANDARD.encode(signature));
        assert_eq!(check("i", &words), Signed::By(key.public().to_string()));
        assert_eq!(check("j", &words), Signed::Wrong);
        words.insert("other".into(), "y".into());
        assert_ne!(check("i", &words), Signed::Wrong);
        words.insert("bridge_base".into(), "c".into());
        assert_eq!(check("i", &words), Signed::Wrong);
        assert_eq!(check("i", &BTreeMap::new()), Signed::Not);
    }
}
