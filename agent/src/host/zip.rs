//! Writing zip archives: deflated entries, a directory at the end. No larger than 4 GiB: that would need another form.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::Crc;
use flate2::write::DeflateEncoder;
use jiff::Zoned;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Version 2.0, and made on Unix.
const VERSION: u16 = 20;
const UNIX: u16 = (3 << 8) | VERSION;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;

struct Entry {
    name: String,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    packed: u32,
    size: u32,
    mode: u32,
    offset: u32,
}

/// An archive that is being written.
pub struct Writer {
    file: BufWriter<File>,
    entries: Vec<Entry>,
}

fn too_large() -> io::Error {
    io::Error::other("Resulting zip file too large, would require ZIP64 support which is not there")
}

fn small(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| too_large())
}

/// Counts what goes through it.
struct Counted<'a> {
    file: &'a mut BufWriter<File>,
    count: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Writer {
    /// Begins an archive.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create(path)?),
            entries: Vec::new(),
        })
    }

    /// Adds a file or a directory under a name; a directory's ends in a slash.
    pub fn add(&mut self, path: &Path, name: &str) -> io::Result<()> {
        let meta = fs::metadata(path)?;
        let when = Zoned::try_from(meta.modified()?).unwrap_or_else(|_| Zoned::now());
        let year = u16::try_from(when.year() - 1980).unwrap_or_default();
        let part = |n: i8| u16::try_from(n).unwrap_or_default();
        let mut entry = Entry {
            name: name.to_owned(),
            method: if meta.is_dir() { 0 } else { 8 },
            time: (part(when.hour()) << 11)
                | (part(when.minute()) << 5)
                | (part(when.second()) / 2),
            date: (year << 9) | (part(when.month()) << 5) | part(when.day()),
            crc: 0,
            packed: 0,
            size: 0,
            mode: meta.permissions().mode(),
            offset: small(self.file.stream_position()?)?,
        };
        self.head(&entry)?;
        if meta.is_file() {
            let mut from = File::open(path)?;
            let mut crc = Crc::new();
            let mut counted = Counted {
                file: &mut self.file,
                count: 0,
            };
            let mut encoder = DeflateEncoder::new(&mut counted, Compression::default());
            let mut chunk = vec![0; 64 << 10];
            loop {
                let n = from.read(&mut chunk)?;
                if n == 0 {
                    break;
                }
                crc.update(&chunk[..n]);
                entry.size = small(u64::from(entry.size) + n as u64)?;
                encoder.write_all(&chunk[..n])?;
            }
            encoder.finish()?;
            (entry.crc, entry.packed) = (crc.sum(), small(counted.count)?);
            // The head again, with what is known now.
            let end = self.file.stream_position()?;
            self.file.seek(SeekFrom::Start(u64::from(entry.offset)))?;
            self.head(&entry)?;
            self.file.seek(SeekFrom::Start(end))?;
        }
        self.entries.push(entry);
        Ok(())
    }

    fn head(&mut self, entry: &Entry) -> io::Result<()> {
        self.file.write_all(&LOCAL.to_le_bytes())?;
        self.file.write_all(&VERSION.to_le_bytes())?;
        self.common(entry)?;
        self.file.write_all(&0u16.to_le_bytes())?;
        self.file.write_all(entry.name.as_bytes())
    }

    /// What the head of an entry and its line in the directory have in common.
    fn common(&mut self, entry: &Entry) -> io::Result<()> {
        let length = u16::try_from(entry.name.len()).map_err(|_| too_large())?;
        for number in [FLAGS, entry.method, entry.time, entry.date] {
            self.file.write_all(&number.to_le_bytes())?;
        }
        for number in [entry.crc, entry.packed, entry.size] {
            self.file.write_all(&number.to_le_bytes())?;
        }
        self.file.write_all(&length.to_le_bytes())
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<()> {
        let start = small(self.file.stream_position()?)?;
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            self.file.write_all(&CENTRAL.to_le_bytes())?;
            self.file.write_all(&UNIX.to_le_bytes())?;
            self.file.write_all(&VERSION.to_le_bytes())?;
            self.common(entry)?;
            // No extra field, no comment, first disk, no inner attributes.
            self.file.write_all(&[0; 8])?;
            self.file.write_all(&(entry.mode << 16).to_le_bytes())?;
            self.file.write_all(&entry.offset.to_le_bytes())?;
            self.file.write_all(entry.name.as_bytes())?;
        }
        let size = small(self.file.stream_position()?)? - start;
        let count = u16::try_from(entries.len()).map_err(|_| too_large())?;
        self.file.write_all(&END.to_le_bytes())?;
        self.file.write_all(&[0; 4])?;
        self.file.write_all(&count.to_le_bytes())?;
        self.file.write_all(&count.to_le_bytes())?;
        self.file.write_all(&size.to_le_bytes())?;
        self.file.write_all(&start.to_le_bytes())?;
        self.file.write_all(&0u16.to_le_bytes())?;
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::archive::{Kind, Order, extract, list};
    use crate::host::env;
    use crate::host::program::Programs;
    use crate::host::{Cancel, Host};

    #[test]
    fn unzip_reads_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        fs::create_dir(at.join("d")).unwrap();
        fs::write(at.join("d/text"), "hello ".repeat(10_000)).unwrap();
        fs::write(at.join("d/ü empty"), "").unwrap();
        let path = at.join("x.zip");
        let mut zip = Writer::create(&path).unwrap();
        zip.add(&at.join("d"), "d/").unwrap();
        zip.add(&at.join("d/text"), "d/text").unwrap();
        zip.add(&at.join("d/ü empty"), "d/ü empty").unwrap();
        zip.finish().unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 2_000);
        if env::which("unzip").is_none() {
            assert!(env::var("CI").is_none(), "unzip is needed");
            return;
        }
        let (host, cancel) = (Host::real(), Cancel::new());
        let programs = Programs::new(&host, &cancel);
        let contents = list(&programs, &path, Kind::Zip, 0).unwrap();
        assert_eq!(contents.dirs, ["d/"]);
        assert_eq!(contents.files.len(), 2);
        let out = at.join("out");
        fs::create_dir(&out).unwrap();
        // Another mask would be set by our own program, which a unit test is not.
        let order = Order {
            modes: true,
            ..Order::default()
        };
        extract(&programs, &path, Kind::Zip, &out, &order).unwrap();
        let text = fs::read_to_string(out.join("d/text")).unwrap();
        assert_eq!(text.len(), 60_000);
    }
}
