//! `image`: images, where they come from, and which of them nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use salt_wire::crypto::OrderPublicKey;
use serde_json::json;

use super::image_import::ImportImage;
use crate::cli::Global;
use crate::cloud::{Client, Image, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::vms::provenance::{Signed, check};

/// The property that names the family of a golden image.
pub(super) const FAMILY: &str = "bridge_family";

/// The commands about images.
#[derive(Debug, Subcommand)]
pub enum Images {
    /// List images, the newest first
    #[command(
        after_help = "Examples:\n  master-bridge image list\n  master-bridge image list --family web"
    )]
    List(List),
    /// Show an image with all its properties
    #[command(after_help = "Example:\n  master-bridge image show web-3")]
    Show(One),
    /// Tell where an image comes from: its base, its highstate, its receipt, who signed it, and the images before it
    #[command(
        after_help = "Examples:\n  master-bridge image why web-3\n  master-bridge image why web-3 --key ed25519:…"
    )]
    Why(Why),
    /// Bring an image in from a file or a URL
    Import(Box<ImportImage>),
    /// Remove the old images of a family that no server uses
    #[command(after_help = "Example:\n  master-bridge image prune web --keep 3 --dry-run")]
    Prune(Prune),
}

/// Arguments of `image list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only the golden images of this family
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
    #[command(flatten)]
    cloud: Selection,
}

/// Which image.
#[derive(Debug, Args)]
pub struct One {
    /// Its name or id
    image: String,
    #[command(flatten)]
    cloud: Selection,
}

/// Arguments of `image why`.
#[derive(Debug, Args)]
pub struct Why {
    #[command(flatten)]
    one: One,
    /// Fail unless this key has signed it
    #[arg(long, value_name = "PUBLIC")]
    key: Option<OrderPublicKey>,
}

/// Arguments of `image prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// The family: what `bake` was called with
    family: String,
    /// How many of the newest are kept
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    keep: u64,
    #[command(flatten)]
    cloud: Selection,
}

impl Images {
    /// Runs one of them.
    pub async fn run(self, global: &Global, output: &Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(&args, output).await,
            Self::Show(args) => show(&args, output).await,
            Self::Why(args) => why(&args, output).await,
            Self::Import(args) => args.run(global, output).await,
            Self::Prune(args) => prune(&args, global, output).await,
        }
    }
}

/// The number of an image in its family.
pub(super) fn number_of(image: &Image, family: &str) -> Option<u64> {
    let rest = image
        .name
        .as_deref()?
        .strip_prefix(family)?
        .strip_prefix('-')?;
    rest.parse().ok()
}

async fn list(args: &List, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let mut images = cloud.images().await?;
    if let Some(family) = &args.family {
        images.retain(|image| image.property(FAMILY) == Some(family));
    }
    let rows: Vec<_> = images
        .iter()
        .map(|image| {
            vec![
                image.name.clone().unwrap_or_else(|| "-".into()),
                image.status.clone(),
                size(image.size),
                image.visibility.clone(),
                image.property(FAMILY).unwrap_or("-").to_owned(),
                image.created_at.clone(),
                image.id.clone(),
            ]
        })
        .collect();
    output.list(
        &format!("no such images in {}", cloud.name()),
        &[
            "name",
            "status",
            "size",
            "visibility",
            "family",
            "created",
            "id",
        ],
        &rows,
    );
    output.document(&json!({"images": images}));
    Ok(ExitCode::SUCCESS)
}

/// Bytes for people.
fn size(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else {
        return "-".into();
    };
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.1} MiB")
    } else {
        format!("{:.1} GiB", mib / 1024.0)
    }
}

async fn show(args: &One, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let image = cloud.image_of(&args.image).await?;
    let document = serde_json::to_value(&image).unwrap_or_default();
    let rows: Vec<_> = document
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            vec![name.clone(), shown]
        })
        .collect();
    output.table(&["field", "value"], &rows);
    output.document(&json!({"image": document}));
    Ok(ExitCode::SUCCESS)
}

async fn why(args: &Why, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.one.cloud).await?;
    let all = cloud.images().await?;
    let image = cloud.image_of(&args.one.image).await?;
    if image.property(FAMILY).is_none() {
        let text = format!("image {} was not made by `bake`", args.one.image);
        return Err(
            Error::new(Kind::NothingMatched, text).hint("`image show` has what Glance knows")
        );
    }
    let mut rows = Vec::new();
    let mut document = serde_json::Map::new();
    for (name, value) in &image.properties {
        let (Some(short), Some(value)) = (name.strip_prefix("bridge_"), value.as_str()) else {
            continue;
        };
        rows.push(vec![short.to_owned(), value.to_owned()]);
        document.insert(short.to_owned(), value.into());
    }
    // The image may have been written anew behind Glance's back, or its properties.
    let told = image.property("bridge_hash").filter(|hash| *hash != "-");
    let same = told.map(|told| Some(told) == image.os_hash_value.as_deref());
    rows.push(vec![
        "content".into(),
        match same {
            Some(true) => "is what was made".into(),
            Some(false) => "DIFFERS from what was made".to_owned(),
            None => "has no hash to compare".into(),
        },
    ]);
    let texts = image.properties.iter();
    let texts: BTreeMap<String, String> = texts
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let signed = check(&image.id, &texts);
    let wanted = args.key.as_ref().map(ToString::to_string);
    let (trusted, words) = match &signed {
        Signed::By(key) if wanted.as_ref().is_none_or(|w| w == key) => {
            (true, "is right".to_owned())
        }
        Signed::By(key) => (false, format!("is of another key: {key}")),
        Signed::Wrong => (false, "is WRONG: something was changed".to_owned()),
        Signed::Not => (wanted.is_none(), "there is none".to_owned()),
    };
    rows.push(vec!["signature".into(), words]);
    let chain = chain(&image, &all);
    for (depth, base) in chain.iter().enumerate() {
        let name = base.name.clone().unwrap_or_else(|| base.id.clone());
        rows.push(vec![
            format!("made from {}", depth + 1),
            format!("{name} ({})", base.id),
        ]);
    }
    output.table(&["what", "value"], &rows);
    let bases: Vec<&str> = chain.iter().map(|i| i.id.as_str()).collect();
    output.document(&json!({
        "id": image.id, "name": image.name, "provenance": document, "content_is_as_made": same, "made_from": bases,
        "signed": match &signed {
            Signed::By(key) => json!(key),
            Signed::Wrong => json!(false),
            Signed::Not => json!(null),
        },
    }));
    Ok(if same == Some(false) || !trusted {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The images that an image was made from, as far as they are there.
fn chain<'a>(image: &Image, all: &'a [Image]) -> Vec<&'a Image> {
    let (mut chain, mut seen) = (Vec::new(), BTreeSet::from([image.id.clone()]));
    let mut base = image.property("bridge_base").map(str::to_owned);
    while let Some(id) = base {
        let Some(found) = all
            .iter()
            .find(|i| i.id == id)
            .filter(|i| seen.insert(i.id.clone()))
        else {
            break;
        };
        chain.push(found);
        base = found.property("bridge_base").map(str::to_owned);
    }
    chain
}

/// Which images of a family go, the newest first, and which stay although they are old because a server uses them.
fn old<'a>(
    images: &'a [Image],
    family: &str,
    keep: usize,
    used: &BTreeSet<&str>,
) -> (Vec<&'a Image>, Vec<&'a Image>) {
    let mut family: Vec<&Image> = images
        .iter()
        .filter(|i| i.property(FAMILY) == Some(family))
        .collect();
    family.sort_by(|a, b| (&b.created_at, &b.id).cmp(&(&a.created_at, &a.id)));
    let beyond = family.into_iter().skip(keep);
    beyond.partition(|image| !used.contains(image.id.as_str()) && !image.protected)
}

async fn prune(args: &Prune, global: &Global, output: &Output) -> Result<ExitCode> {
    let cloud = Client::connect(&args.cloud).await?;
    let images = cloud.images().await?;
    let servers = cloud.servers().await?;
    let used: BTreeSet<&str> = servers.iter().filter_map(|s| s.image_id()).collect();
    let keep = usize::try_from(args.keep).unwrap_or(usize::MAX);
    let (go, stay) = old(&images, &args.family, keep, &used);
    let name = |image: &Image| image.name.clone().unwrap_or_else(|| image.id.clone());
    for image in &stay {
        output.say(&format!(
            "{} stays: a server uses it, or it is protected",
            name(image)
        ));
    }
    let names: Vec<String> = go.iter().map(|i| name(i)).collect();
    let ids: Vec<&str> = go.iter().map(|i| i.id.as_str()).collect();
    let kept: Vec<&str> = stay.iter().map(|i| i.id.as_str()).collect();
    let document =
        |done: bool| json!({"dry_run": !done, "removed": ids, "kept_although_old": kept});
    if go.is_empty() {
        output.say(&format!("no image of {} is old enough to go", args.family));
        output.document(&document(true));
        return Ok(ExitCode::SUCCESS);
    }
    if global.dry_run {
        output.data(&format!("would remove {}", names.join(", ")));
        output.document(&document(false));
        return Ok(ExitCode::SUCCESS);
    }
    output.consent(&format!("remove the images {}", names.join(", ")))?;
    for id in &ids {
        cloud.delete_image(id).await?;
    }
    output.data(&format!("removed {}", names.join(", ")));
    output.document(&document(true));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, at: &str, base: &str) -> Image {
        let text = json!({
            "id": id, "name": format!("web-{id}"), "status": "active", "created_at": at,
            "bridge_family": "web", "bridge_base": base,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_newest_stay_and_so_does_what_is_in_use() {
        let all = [
            image("1", "a", "0"),
            image("2", "b", "1"),
            image("3", "c", "2"),
            image("4", "d", "3"),
        ];
        let (go, stay) = old(&all, "web", 1, &BTreeSet::from(["2"]));
        let ids = |images: Vec<&Image>| images.iter().map(|i| i.id.clone()).collect::<Vec<_>>();
        assert_eq!(
            (ids(go), ids(stay)),
            (vec!["3".to_owned(), "1".to_owned()], vec!["2".to_owned()])
        );
        assert!(old(&all, "db", 1, &BTreeSet::new()).0.is_empty());
        assert_eq!(number_of(&all[2], "web"), Some(3));
        assert_eq!(number_of(&all[2], "we"), None);
    }

    #[test]
    fn where_an_image_comes_from_is_followed_without_going_round() {
        let all = [
            image("1", "a", "3"),
            image("2", "b", "1"),
            image("3", "c", "2"),
        ];
        let ids: Vec<_> = chain(&all[2], &all).iter().map(|i| i.id.clone()).collect();
        assert_eq!(ids, ["2", "1"]);
    }
}
