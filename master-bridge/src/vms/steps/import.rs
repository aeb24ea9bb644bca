//! Images from files and URLs: converted, uploaded with progress, compared with what Glance got.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use super::super::World;
use super::image::{MADE_BY, half_made, unmake};
use super::tell;
use crate::cloud::{BoxedAsyncRead, Image};
use crate::error::{Error, Kind, Result};
use crate::plan::import::{Import, Source};

/// An upload of which nothing moves for so long is dead.
const STALL: Duration = Duration::from_secs(120);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(500);
/// A conversion takes no longer.
const CONVERT: Duration = Duration::from_secs(4 * 3600);

/// A file that is read by an upload, and says how far it came.
struct Counted {
    file: File,
    sent: Arc<AtomicU64>,
}

impl futures_io::AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        // From a local disk in small pieces: no wait that anybody would notice.
        let read = self.file.read(buffer)?;
        self.sent.fetch_add(read as u64, Ordering::Relaxed);
        Poll::Ready(Ok(read))
    }
}

pub(super) async fn import(
    world: &mut World<'_>,
    key: &str,
    import: &Import,
    within: Duration,
) -> Result<Value> {
    let mut id = half_made(world, key).await?;
    if let Some(half) = &id {
        let found = world.cloud.image(half).await?;
        let status = found.map(|i| i.status).unwrap_or_default();
        // An upload that was cut off cannot go on: Glance takes an image's content in one piece.
        if !["queued", "importing", "active"].contains(&status.as_str()) {
            unmake(world, key, None).await?;
            id = None;
        }
    }
    let id = match id {
        Some(id) => id,
        None => register(world, key, import).await?,
    };
    let status = world
        .cloud
        .image(&id)
        .await?
        .map(|i| i.status)
        .unwrap_or_default();
    let mut sum = None;
    if status == "queued" {
        sum = send(world, key, &id, import).await?;
    }
    let image = arrived(world, key, &id, within).await?;
    compare(&image, import, sum.as_deref())?;
    Ok(json!({
        "id": id, "name": import.name, "size": image.size, "hash": image.os_hash_value, "hash_algo": image.os_hash_algo,
    }))
}

async fn register(world: &World<'_>, key: &str, import: &Import) -> Result<String> {
    let mut body = json!({
        "name": import.name, "disk_format": import.disk_format, "container_format": "bare",
        "min_disk": import.min_disk, "min_ram": import.min_ram,
    });
    for (name, value) in &import.properties {
        body[name] = value.as_str().into();
    }
    body[MADE_BY] = world.mark(key).into();
    match world.cloud.queue_image(body).await {
        Ok(image) => Ok(image.id),
        Err(fault) if fault.is_transient() => match half_made(world, key).await? {
            Some(id) => Ok(id),
            None => Err(fault.into()),
        },
        Err(fault) => Err(fault.into()),
    }
}

/// Sends the content; gives the SHA-512 of what was sent.
async fn send(world: &World<'_>, key: &str, id: &str, import: &Import) -> Result<Option<String>> {
    let (path, convert, checksum) = match &import.source {
        Source::Url { url, .. } => {
            world
                .cloud
                .import_image(id, json!({"name": "web-download", "uri": url}))
                .await?;
            return Ok(None);
        }
        Source::File {
            path,
            convert,
            checksum,
            ..
        } => (path, convert, checksum),
    };
    let mut tell = tell(world, key);
    if let Some(checksum) = checksum {
        tell("comparing the checksum");
        let (path, wanted) = (path.clone(), checksum.clone());
        blocking(move || verify(&path, &wanted)).await?;
    }
    let (file, converted) = match convert {
        None => (path.clone(), None),
        Some(from) => {
            tell(&format!("converting {from} to {}", import.disk_format));
            let target = std::env::temp_dir().join(format!(
                "master-bridge-{}",
                world.mark(key).replace('/', "-")
            ));
            let converted = Converted(target.clone());
            let (source, from, to) = (path.clone(), from.clone(), import.disk_format.clone());
            blocking(move || qemu(&source, &from, &target, &to)).await?;
            (converted.0.clone(), Some(converted))
        }
    };
    let sum = {
        let file = file.clone();
        blocking(move || sha512(&file)).await?
    };
    upload(world, key, id, &file, import.staged).await?;
    drop(converted);
    if import.staged {
        world
            .cloud
            .import_image(id, json!({"name": "glance-direct"}))
            .await?;
    }
    Ok(Some(sum))
}

/// A file of ours that goes when it is not needed any more.
struct Converted(PathBuf);

impl Drop for Converted {
    fn drop(&mut self) {
        // In the folder for such files it is nobody's harm.
        drop(std::fs::remove_file(&self.0));
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::new(Kind::Local, "the work was cut off").because(&e))?
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |e| Error::new(Kind::Local, format!("cannot read {}", path.display())).because(&e)
}

fn hashed<D: Digest>(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(unreadable(path))?;
    let (mut hash, mut buffer) = (D::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).map_err(unreadable(path))?;
        if read == 0 {
            return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        hash.update(&buffer[..read]);
    }
}

fn sha512(path: &Path) -> Result<String> {
    hashed::<Sha512>(path)
}

fn verify(path: &Path, wanted: &str) -> Result<()> {
    let (kind, sum) = wanted.split_once(':').unwrap_or(("sha256", wanted));
    let found = match kind {
        "sha512" => sha512(path)?,
        _ => hashed::<Sha256>(path)?,
    };
    if found.eq_ignore_ascii_case(sum) {
        return Ok(());
    }
    let mut error = Error::new(
        Kind::Refused,
        format!("{} is not what it should be", path.display()),
    )
    .hint("get it again, and its checksum from who publishes it");
    error.causes = vec![format!("{kind} is {found}, not {sum}")];
    Err(error)
}

fn qemu(source: &Path, from: &str, target: &Path, to: &str) -> Result<()> {
    let failed = |why: String| {
        let mut error = Error::new(
            Kind::Local,
            format!("cannot convert {} to {to}", source.display()),
        )
        .hint("qemu-img is in the package qemu-utils; --convert none sends it as it is");
        error.causes = vec![why];
        error
    };
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", from, "-O", to]);
    if to == "qcow2" {
        command.arg("-c");
    }
    let child = command
        .arg("--")
        .arg(source)
        .arg(target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = child.spawn().map_err(|e| failed(e.to_string()))?;
    let end = Instant::now() + CONVERT;
    let status = loop {
        match child.try_wait().map_err(|e| failed(e.to_string()))? {
            Some(status) => break status,
            None if Instant::now() > end => {
                drop(child.kill());
                return Err(failed("it takes too long".into()));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut text = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        drop(stderr.by_ref().take(4096).read_to_string(&mut text));
    }
    Err(failed(text.trim().to_owned()))
}

async fn upload(world: &World<'_>, key: &str, id: &str, path: &Path, staged: bool) -> Result<()> {
    let file = File::open(path).map_err(unreadable(path))?;
    let size = file.metadata().map_err(unreadable(path))?.len().max(1);
    // A cheap call first: a transfer is not repeated when the token is too old for it.
    world.cloud.image(id).await?;
    let sent = Arc::new(AtomicU64::new(0));
    let body = BoxedAsyncRead::new(Counted {
        file,
        sent: sent.clone(),
    });
    let work = async {
        if staged {
            world.cloud.stage_image(id, body).await
        } else {
            world.cloud.upload_image(id, body).await
        }
    };
    tokio::pin!(work);
    let mut tell = tell(world, key);
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        tokio::select! {
            done = &mut work => return Ok(done?),
            () = tokio::time::sleep(TELL) => {}
        }
        let now = sent.load(Ordering::Relaxed);
        if now > last {
            (last, moved) = (now, Instant::now());
            tell(&format!(
                "{} % of {size} bytes",
                now.saturating_mul(100) / size
            ));
        } else if now < size && moved.elapsed() > STALL {
            let text = format!(
                "the upload of {} stands still at {now} of {size} bytes",
                path.display()
            );
            return Err(Error::new(Kind::Unreachable, text).hint("`ops resume` begins it anew"));
        }
    }
}

/// Waits until the image is active. An import that failed puts it back to the beginning.
async fn arrived(world: &World<'_>, key: &str, id: &str, within: Duration) -> Result<Image> {
    let mut tell = tell(world, key);
    let (start, mut last) = (Instant::now(), String::new());
    loop {
        match world.cloud.image(id).await {
            Ok(Some(image)) => {
                let failed = image
                    .property("os_glance_failed_import")
                    .is_some_and(|stores| !stores.is_empty());
                let dead = ["killed", "deleted", "deactivated"].contains(&image.status.as_str());
                if image.status == "active" {
                    return Ok(image);
                }
                if dead || (failed && image.status == "queued") {
                    let text = format!(
                        "Glance could not take the content of image {id}: it is {}",
                        image.status
                    );
                    return Err(Error::new(Kind::Failed, text).hint(
                        "can Glance reach the URL, and does it allow it? Its log has the reason under the image's id",
                    ));
                }
                if image.status != last {
                    tell(&image.status);
                    last = image.status;
                }
            }
            Ok(None) => {
                return Err(Error::new(
                    Kind::NothingMatched,
                    format!("image {id} is gone"),
                ));
            }
            Err(fault) if fault.is_transient() => {}
            Err(fault) => return Err(fault.into()),
        }
        if start.elapsed() >= within {
            let text = format!("image {id} is {last} still after {} s", within.as_secs());
            return Err(Error::new(Kind::Unreachable, text)
                .hint("`ops resume` waits again; --within gives it longer"));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Whether Glance has what was meant.
fn compare(image: &Image, import: &Import, sent: Option<&str>) -> Result<()> {
    let wanted = match (&import.source, sent) {
        (_, Some(sum)) => Some(sum.to_owned()),
        (
            Source::Url {
                checksum: Some(sum),
                ..
            },
            None,
        ) => sum.strip_prefix("sha512:").map(str::to_owned),
        _ => None,
    };
    // Staging may have converted it; other algorithms cannot be compared.
    let comparable = image.os_hash_algo.as_deref() == Some("sha512") && !import.staged;
    if let (Some(wanted), Some(found), true) = (wanted, &image.os_hash_value, comparable)
        && !wanted.eq_ignore_ascii_case(found)
    {
        let mut error = Error::new(
            Kind::Failed,
            format!("image {} has another content than was meant", import.name),
        )
        .hint("the transfer or the source was bad: the image is removed, try again");
        error.causes = vec![format!("sha512 is {found}, not {wanted}")];
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_checksum_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "abc").unwrap();
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        verify(&path, &format!("sha256:{sum}")).unwrap();
        verify(&path, &sum.to_uppercase()).unwrap();
        let wrong = verify(&path, "sha512:00").unwrap_err();
        assert_eq!(wrong.kind, Kind::Refused);
        assert!(wrong.causes[0].starts_with("sha512 is ddaf35a1"), "{wrong}");
        assert_eq!(
            verify(&dir.path().join("no"), sum).unwrap_err().kind,
            Kind::Local
        );
    }
}
