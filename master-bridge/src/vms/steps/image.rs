//! Images of servers: snapshot, and what is known about their making.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::World;
use super::tell;
use crate::error::{Error, Kind, Result};
use crate::plan::cloud::{Ref, Signer};
use crate::secret;
use crate::vms::provenance::{SIGNATURE, SIGNED_BY, signed_text};

/// The property that names the operation and step which made an image.
pub(super) const MADE_BY: &str = "bridge_operation";

/// The image that an interrupted snapshot left behind, in whatever state.
pub(super) async fn half_made(world: &World<'_>, key: &str) -> Result<Option<String>> {
    let mark = world.mark(key);
    let all = world.cloud.images().await?;
    Ok(all
        .into_iter()
        .find(|i| i.property(MADE_BY) == Some(&mark))
        .map(|i| i.id))
}

pub(super) async fn snapshot(
    world: &mut World<'_>,
    key: &str,
    server: &Ref,
    (name, properties): (&str, &BTreeMap<String, String>),
    within: Duration,
) -> Result<Value> {
    let server = world.id(server)?;
    let id = match half_made(world, key).await? {
        Some(id) => id,
        None => {
            let mut properties = properties.clone();
            properties.insert(MADE_BY.into(), world.mark(key));
            world.cloud.create_image(&server, name, &properties).await?
        }
    };
    let mut tell = tell(world, key);
    let image = world.cloud.wait_image(&id, within, &mut tell).await?;
    // The image may be active while Nova still works on the server: both must be over.
    world
        .cloud
        .wait_server(&server, "SHUTOFF", within, &mut tell)
        .await?;
    if image.size == Some(0) {
        let text = format!("the image {name} ({id}) is empty");
        return Err(Error::new(Kind::Failed, text)
            .hint("a server that boots from a volume has its content in a volume snapshot"));
    }
    Ok(json!({
        "id": id, "name": name, "size": image.size, "hash": image.os_hash_value, "hash_algo": image.os_hash_algo,
    }))
}

/// Removes it, half made or whole.
pub(super) async fn unmake(world: &mut World<'_>, key: &str, made: Option<&Value>) -> Result<()> {
    let known = made.and_then(|made| made.get("id")?.as_str());
    let id = match known {
        Some(id) => Some(id.to_owned()),
        None => half_made(world, key).await?,
    };
    if let Some(id) = id {
        world.cloud.delete_image(&id).await?;
    }
    Ok(())
}

/// Writes properties; what other steps made is referred to as `{step.word}`. Whoever has the signer's public key can
/// tell later whether they are still what was written, and belong to this image.
pub(super) async fn provenance(
    world: &mut World<'_>,
    image: &str,
    properties: &BTreeMap<String, String>,
    signer: Option<&Signer>,
) -> Result<Value> {
    let id = world.made(image, "id")?;
    let mut words: BTreeMap<String, String> = properties
        .iter()
        .map(|(name, value)| (name.clone(), filled(&world.made, value)))
        .collect();
    if let Some(signer) = signer {
        let prompt = format!("passphrase of {}", signer.key.display());
        let key = secret::read_key(&signer.key, || {
            secret::passphrase(signer.passphrase_file.as_deref(), &prompt)
        })?;
        words.insert(SIGNED_BY.into(), key.public().to_string());
        let signature = key.sign(signed_text(&id, &words).as_bytes());
        words.insert(SIGNATURE.into(), STANDARD.encode(signature));
    }
    let values: BTreeMap<String, Value> = words
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    world.cloud.set_image(&id, &values).await?;
    let there = world.cloud.image(&id).await?;
    let missing: Vec<&String> = values
        .iter()
        .filter(|(name, value)| {
            there.as_ref().and_then(|i| i.properties.get(*name)) != Some(*value)
        })
        .map(|(name, _)| name)
        .collect();
    if !missing.is_empty() {
        let text = format!("Glance did not keep {missing:?} of image {id}");
        return Err(Error::new(Kind::Failed, text));
    }
    Ok(json!({"properties": values}))
}

/// `{step.word}` in a text is what that step made.
pub(super) fn filled(made: &BTreeMap<String, Value>, text: &str) -> String {
    let Some((step, word)) = text
        .strip_prefix('{')
        .and_then(|t| t.strip_suffix('}')?.split_once('.'))
    else {
        return text.to_owned();
    };
    match made.get(step).and_then(|made| made.get(word)) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".into(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_take_what_steps_made() {
        let made = BTreeMap::from([(
            "image".to_owned(),
            json!({"size": 7, "hash": "ab", "none": null}),
        )]);
        assert_eq!(filled(&made, "{image.size}"), "7");
        assert_eq!(filled(&made, "{image.hash}"), "ab");
        assert_eq!(filled(&made, "{image.none}"), "-");
        assert_eq!(filled(&made, "plain {x}"), "plain {x}");
    }
}
