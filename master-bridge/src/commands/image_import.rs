//! `image import`: an image from a file or a URL.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::travel::absolute;
use super::vm_work::{Rules, Wish, carry_out, pair, plan_of};
use crate::cli::Global;
use crate::cloud::{Client, Selection};
use crate::error::{Error, Kind, Result};
use crate::output::Output;
use crate::plan::CloudStep;
use crate::plan::cloud::What;
use crate::plan::import::{Import, Source};

/// Arguments of `image import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A file is uploaded and compared with what Glance got, by SHA-512. An upload that is interrupted begins anew with \
`ops resume`; an image that is half there is never left. With --url Glance fetches it by itself, if the cloud allows it.

Examples:
  master-bridge image import debian-12 --file debian-12.qcow2 --convert raw --min-disk 2
  master-bridge image import ubuntu-24.04 --url https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img \
--disk-format qcow2")]
pub struct ImportImage {
    /// The image's name
    name: String,
    /// The file
    #[arg(long, value_name = "FILE", required_unless_present = "url")]
    file: Option<PathBuf>,
    /// The URL that Glance fetches
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    url: Option<String>,
    /// What it is: raw, qcow2, vmdk, vdi, vhd, iso [default: as the file's first bytes say]
    #[arg(long, value_name = "FORMAT", required_unless_present = "file")]
    disk_format: Option<String>,
    /// Convert it with qemu-img before: to raw, where the cloud boots that faster; to qcow2, to send only what is used
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "none",
        conflicts_with = "url"
    )]
    convert: String,
    /// `sha256:…` or `sha512:…` of the file; of a URL's content only sha512
    #[arg(long, value_name = "KIND:SUM", value_parser = checksum)]
    checksum: Option<String>,
    /// How the content of a file goes to Glance
    #[arg(long, value_enum, default_value_t = Way::Direct)]
    method: Way,
    /// GiB that a root disk must have
    #[arg(long, value_name = "GIB", default_value_t = 0)]
    min_disk: u64,
    /// MiB that a server must have
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    min_ram: u64,
    /// A property of the image, such as hw_qemu_guest_agent=yes
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    property: Vec<(String, String)>,
    /// Although there is an image of this name
    #[arg(long)]
    twin: bool,
    /// Seconds after the upload until it must be active
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    within: u64,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    cloud: Selection,
}

/// How the content of a file goes to Glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Into its store at once
    Direct,
    /// Through its staging, where the cloud may convert it or copy it to several stores
    GlanceDirect,
}

fn checksum(text: &str) -> std::result::Result<String, String> {
    let (kind, sum) = text.split_once(':').unwrap_or(("sha256", text));
    let length = match kind {
        "sha256" => 64,
        "sha512" => 128,
        _ => return Err("must be sha256:… or sha512:…".into()),
    };
    if sum.len() != length || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("a {kind} has {length} hexadecimal digits"));
    }
    Ok(format!("{kind}:{}", sum.to_lowercase()))
}

/// The format of a disk image, by its first bytes.
fn detect(path: &Path) -> Result<&'static str> {
    let failed = |e: std::io::Error| {
        Error::new(Kind::Usage, format!("cannot read {}", path.display())).because(&e)
    };
    let mut head = Vec::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(8)
        .read_to_end(&mut head)
        .map_err(failed)?;
    Ok(match head.as_slice() {
        [b'Q', b'F', b'I', 0xfb, ..] => "qcow2",
        [b'K', b'D', b'M', b'V', ..] | [b'#', b' ', b'D', b'i', b's', b'k', b' ', b'D'] => "vmdk",
        [b'c', b'o', b'n', b'e', b'c', b't', b'i', b'x'] => "vhd",
        [b'v', b'h', b'd', b'x', b'f', b'i', b'l', b'e'] => "vhdx",
        [b'<', b'<', b'<', ..] => "vdi",
        _ => "raw",
    })
}

impl ImportImage {
    /// Plans it, and does it.
    pub(super) async fn run(&self, global: &Global, output: &Output) -> Result<ExitCode> {
        let (source, disk_format) = self.source(output)?;
        let cloud = Client::connect(&self.cloud).await?;
        if !self.twin
            && let Some(twin) = cloud
                .images()
                .await?
                .iter()
                .find(|i| i.name.as_deref() == Some(&self.name))
        {
            let text = format!("there is an image {} already: {}", self.name, twin.id);
            return Err(Error::new(Kind::Refused, text)
                .hint("choose another name; or say --twin, and name it by its id later"));
        }
        let import = Import {
            name: self.name.clone(),
            source,
            disk_format,
            min_disk: self.min_disk,
            min_ram: self.min_ram,
            properties: self.property.iter().cloned().collect::<BTreeMap<_, _>>(),
            staged: self.method == Way::GlanceDirect,
        };
        let title = format!("import the image {}", self.name);
        let step = CloudStep::new(
            "image",
            What::Import {
                import: Box::new(import),
                within: self.within,
            },
        );
        let wish = Wish {
            command: "image import",
            question: format!("{title} into {}", cloud.name()),
            plan: plan_of(
                title,
                &cloud,
                vec![format!("image {}", self.name)],
                vec![step],
            ),
            rules: &self.rules,
        };
        carry_out(wish, &cloud, global, output).await
    }

    fn source(&self, output: &Output) -> Result<(Source, String)> {
        let Some(path) = &self.file else {
            if self
                .checksum
                .as_ref()
                .is_some_and(|sum| !sum.starts_with("sha512:"))
            {
                return Err(Error::new(
                    Kind::Usage,
                    "Glance tells the SHA-512 of what it fetched, and no other",
                )
                .hint("get the file, and import it with --file"));
            }
            let url = self.url.clone().unwrap_or_default();
            let source = Source::Url {
                url,
                checksum: self.checksum.clone(),
            };
            return Ok((source, self.disk_format.clone().unwrap_or_default()));
        };
        let facts = std::fs::metadata(path).map_err(|e| {
            Error::new(Kind::Usage, format!("cannot read {}", path.display())).because(&e)
        })?;
        if !facts.is_file() || facts.len() == 0 {
            return Err(Error::new(
                Kind::Usage,
                format!("{} is no file with content", path.display()),
            ));
        }
        let found = detect(path)?;
        let given = self.disk_format.as_deref().unwrap_or(found);
        if found != "raw" && given != found {
            let text = format!("{} is {found}, not {given}", path.display());
            return Err(Error::new(Kind::Usage, text).hint("leave --disk-format out"));
        }
        let target = if self.convert == "none" {
            given
        } else {
            self.convert.as_str()
        };
        let used = facts.blocks() * 512;
        if given == "raw" && target == "raw" && used < facts.len() / 2 {
            output.warn(&format!(
                "of {} bytes only {used} are used: --convert qcow2 sends less",
                facts.len()
            ));
        }
        let source = Source::File {
            path: absolute(path),
            size: facts.len(),
            convert: (target != given).then(|| given.to_owned()),
            checksum: self.checksum.clone(),
        };
        Ok((source, target.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for (head, format) in [
            (&b"QFI\xfb\0\0\0\x03"[..], "qcow2"),
            (b"KDMV\x01", "vmdk"),
            (b"", "raw"),
            (b"\0\0\0\0\0\0\0\0\0", "raw"),
        ] {
            std::fs::write(&path, head).unwrap();
            assert_eq!(detect(&path).unwrap(), format);
        }
        assert!(checksum("md5:00").is_err() && checksum("sha256:00").is_err());
        assert_eq!(
            checksum(&"A".repeat(64)).unwrap(),
            format!("sha256:{}", "a".repeat(64))
        );
    }
}
