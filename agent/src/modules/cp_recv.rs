//! `cp`: files that the master's `salt-cp` brings, whole or piece by piece.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use salt_wire::{Map, Value};

use super::{Function, python_int, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::fs::{make_dirs, put_piece, rewrite};
use crate::host::perms;

/// The rows of `cp` for what is brought.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "cp.recv",
        "files, dest",
        recv,
        "Take small files that salt-cp brings.",
        "salt '*' cp.recv"
    ),
    row!(
        "cp.recv_chunked",
        "dest, chunk, append=False, compressed=True, mode=None",
        recv_chunked,
        "Take a piece of a file that salt-cp brings.",
        "salt '*' cp.recv_chunked"
    ),
];

/// The most that one piece may unpack to.
const LIMIT: u64 = 256 << 20;

fn recv(_: &Context, args: &Args) -> Result {
    let dest = PathBuf::from(args.text("dest")?);
    let mut told = Map::new();
    for (path, data) in args.get("files").as_map().into_iter().flatten() {
        let path = python::text(path);
        let name = Path::new(&path).file_name();
        let place = if dest.is_dir() {
            dest.join(name.unwrap_or_default())
        } else if name == dest.file_name() || dest.parent().is_some_and(Path::is_dir) {
            dest.clone()
        } else {
            return Ok("Destination unavailable".into());
        };
        let bytes = match data {
            Value::Bytes(bytes) => bytes.clone(),
            other => python::text(other).into_bytes(),
        };
        let written = rewrite(&place, &bytes, 0o644).is_ok();
        told.insert(place.display().to_string().into(), written.into());
    }
    Ok(told.into())
}

fn recv_chunked(ctx: &Context, args: &Args) -> Result {
    let dest = PathBuf::from(args.text("dest")?);
    let failed = |error: io::Error| {
        ctx.job.set_retcode(1);
        Ok(python::os_error(&dest, &error).into())
    };
    let chunk = args.get("chunk");
    if chunk.is_null() {
        // An empty directory.
        if dest.is_file() {
            return Ok("Path exists and is a file".into());
        }
        return match make_dirs(&dest, 0o755) {
            Ok(()) => Ok(true.into()),
            Err(error) => failed(error),
        };
    }
    let packed = STANDARD.decode(python::text(chunk)).map_err(|e| {
        Error::execution(format!("{}: the piece is no base64: {e}", dest.display()))
    })?;
    let mut bytes = packed;
    if args.flag("compressed") {
        let mut plain = Vec::new();
        let unpacked = GzDecoder::new(bytes.as_slice())
            .take(LIMIT + 1)
            .read_to_end(&mut plain);
        if let Err(error) = unpacked {
            return failed(error);
        }
        if plain.len() as u64 > LIMIT {
            let text = format!("{}: the piece is larger than {LIMIT} bytes", dest.display());
            return Err(Error::execution(text));
        }
        bytes = plain;
    }
    let append = args.flag("append");
    match put_piece(&dest, &bytes, append) {
        Err(error) => failed(error),
        Ok(()) => {
            let mode = args.get("mode");
            if !append && !mode.is_null() {
                let mode = u32::try_from(python_int(mode)?).unwrap_or(0o644) & 0o7777;
                if let Err(error) = perms::set_mode(&dest, mode) {
                    return failed(error);
                }
            }
            Ok(true.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;
    use crate::testing;

    #[test]
    fn pieces_become_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = testing::context(dir.path(), Map::new());
        let call = |fun: &str, kwargs: Map| ctx.call(fun, &[], &kwargs).unwrap();
        let file = dir.path().join("new/file");
        let path = file.display().to_string();
        let piece = |data: &str, append: bool| map! { "dest" => path.as_str(), "chunk" => STANDARD.encode(data), "append" => append, "compressed" => false, "mode" => 0o640 };
        assert_eq!(call("cp.recv_chunked", piece("one ", false)), true.into());
        assert_eq!(call("cp.recv_chunked", piece("two", true)), true.into());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one two");
        let other = dir.path().join("other").display().to_string();
        let files = map! { "/srv/other" => "text" };
        let told = call(
            "cp.recv",
            map! { "files" => files, "dest" => other.as_str() },
        );
        assert_eq!(told.get(&other), Some(&true.into()));
        let nowhere = map! { "files" => map! { "a" => "b" }, "dest" => "/no/such/place" };
        assert_eq!(call("cp.recv", nowhere), "Destination unavailable".into());
        let taken = map! { "dest" => path.as_str(), "chunk" => Value::Null };
        assert_eq!(
            call("cp.recv_chunked", taken),
            "Path exists and is a file".into()
        );
    }
}
