//! A VM's disk: a folder, and in an image the same as a tar archive.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a download may take.
const DOWNLOAD: Duration = Duration::from_secs(600);

/// Writes a disk as an image's data.
pub(super) fn pack(disk: &Path, image: &Path) -> io::Result<()> {
    fs::create_dir_all(disk)?;
    tar(Command::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(image)
        .arg("--directory")
        .arg(disk)
        .arg("--exclude=*.sock")
        .arg("."))
}

/// Lays out an image's data as a new disk; data that is no archive of ours is an empty disk.
pub(super) fn unpack(image: Option<&Path>, disk: &Path) -> io::Result<()> {
    fs::create_dir_all(disk)?;
    match image {
        Some(image) if is_archive(image) => tar(Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(image)
            .arg("--directory")
            .arg(disk)),
        _ => Ok(()),
    }
}

fn is_archive(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 263];
    let read = fs::File::open(path).and_then(|mut f| f.read_exact(&mut head));
    read.is_ok() && &head[257..262] == b"ustar"
}

fn tar(command: &mut Command) -> io::Result<()> {
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    // 1: a file changed while it was read, as on any disk that is in use.
    match done.status.code() {
        Some(0 | 1) => Ok(()),
        _ => Err(io::Error::other(
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )),
    }
}

/// What the agent must know that a real machine would tell it: its root, console and metadata.
pub(super) fn settings(dir: &Path, metadata: &str, with_drive: bool) -> io::Result<()> {
    let disk = dir.join("disk").display().to_string();
    let etc = dir.join("disk/etc/salt");
    fs::create_dir_all(etc.join("minion.d"))?;
    let base = format!(
        "# Written by the sandbox at each boot.\nroot_dir: {disk}\npki_dir: {disk}/etc/salt/pki/minion\n\
         conf_file: {disk}/etc/salt/minion\ndefault_include: minion.d/*.conf\nacceptance_wait_time: 1\n\
         keysize: 2048\nlog_level: info\nlog_level_logfile: quiet\n"
    );
    fs::write(etc.join("minion"), base)?;
    let console = super::console_file(dir).display().to_string();
    let mut own = format!(
        "# Written by the sandbox at each boot.\ngrains:\n  sandbox_root: {disk}\nagent:\n  console: {console}\n  \
         identity:\n    metadata_url: {metadata}\n    sources: [metadata]\n"
    );
    if with_drive {
        let drive = dir.join("config-drive").display().to_string();
        own.push_str(&format!("  orders:\n    config_drive: {drive}\n"));
    }
    fs::write(etc.join("minion.d/99-sandbox.conf"), own)
}

/// Gets a file over plain HTTP, for web-download.
pub(super) async fn download(url: &str, path: &Path) -> io::Result<()> {
    let bad = |text: &str| io::Error::other(text.to_owned());
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| bad("the sandbox downloads over plain http alone"))?;
    let (host, page) = rest.split_once('/').unwrap_or((rest, ""));
    let place = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let all = async {
        let mut stream = TcpStream::connect(place).await?;
        let request = format!("GET /{page} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > 16384 {
                return Err(bad("the answer has no end of its head"));
            }
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head);
        if head.split_whitespace().nth(1) != Some("200") {
            return Err(bad(head.lines().next().unwrap_or_default()));
        }
        let mut file = tokio::fs::File::create(path).await?;
        tokio::io::copy(&mut stream, &mut file).await?;
        file.flush().await
    };
    timeout(DOWNLOAD, all)
        .await
        .map_err(|_| bad("it takes too long"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_goes_into_an_image_and_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two, image) = (
            dir.path().join("one"),
            dir.path().join("two"),
            dir.path().join("image"),
        );
        fs::create_dir_all(one.join("etc")).unwrap();
        fs::write(one.join("etc/motd"), "hello").unwrap();
        pack(&one, &image).unwrap();
        unpack(Some(&image), &two).unwrap();
        assert_eq!(fs::read_to_string(two.join("etc/motd")).unwrap(), "hello");
        fs::write(&image, "no archive").unwrap();
        let three = dir.path().join("three");
        unpack(Some(&image), &three).unwrap();
        assert_eq!(fs::read_dir(three).unwrap().count(), 0);
    }
}
