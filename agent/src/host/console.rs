//! A line on a serial console, whose other end may have stopped reading, or not be there.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

/// For a console that takes no more for now.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Writes a line; blocks for two seconds at most.
pub fn write_line(path: &Path, line: &str) -> io::Result<()> {
    write_within(path, line, PATIENCE)
}

fn write_within(path: &Path, line: &str, patience: Duration) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let waits_for_nobody = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    options.create(true).append(true);
    let mut console = options.custom_flags(waits_for_nobody.bits()).open(path)?;
    let end = Instant::now() + patience;
    let text = format!("{line}\r\n");
    let mut left = text.as_bytes();
    while !left.is_empty() {
        match console.write(left) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => left = left.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < end => {
                sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn lines_are_added_and_nobody_is_waited_for_in_vain() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("console");
        write_line(&file, "one").unwrap();
        write_line(&file, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\r\ntwo\r\n");

        let pipe = dir.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        assert!(write_line(&pipe, "nobody reads").is_err());
        // Somebody is there and takes no more than fits.
        let mut both = OpenOptions::new();
        let _reader: File = both.read(true).write(true).open(&pipe).unwrap();
        let much = "x".repeat(1 << 20);
        let error = write_within(&pipe, &much, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}
