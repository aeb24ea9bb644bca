//! The command line of patch(1), as Salt makes it.

use std::path::Path;

use super::env::which;

/// Words that apply a patch to a file or a directory.
pub fn words(original: &Path, patch: &Path, options: &[String], dry_run: bool) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let program = which("patch").map_or_else(|| "patch".to_owned(), |p| text(&p));
    let mut words = vec![program];
    words.extend_from_slice(options);
    let has = |words: &[String], fits: fn(&str) -> bool| words.iter().any(|w| fits(w));
    if dry_run {
        words.push("--dry-run".to_owned());
    }
    // Without it patch may ask; it asks nobody here.
    if !has(&words, |w| w == "-N" || w == "--forward") {
        words.push("--forward".to_owned());
    }
    // Without it patch leaves a file beside the one that it could not change.
    if !has(&words, |w| {
        w == "-r" || w.starts_with("-r ") || w.starts_with("--reject-file")
    }) {
        words.push("--reject-file=-".to_owned());
    }
    words.extend(["-i".to_owned(), text(patch)]);
    if original.is_dir() {
        words.extend(["-d".to_owned(), text(original)]);
        if !has(&words, |w| w.starts_with("-p") || w.starts_with("--strip=")) {
            words.push("--strip=0".to_owned());
        }
    } else {
        words.push(text(original));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_and_nothing_left() {
        let made = words(Path::new("/none"), Path::new("/p"), &["-R".into()], true);
        assert_eq!(
            made[1..].join(" "),
            "-R --dry-run --forward --reject-file=- -i /p /none"
        );
        let options = ["-N".to_owned(), "-r".into(), "/r".into(), "-p1".into()];
        let made = words(Path::new("/"), Path::new("/p"), &options, false);
        assert_eq!(made[1..].join(" "), "-N -r /r -p1 -i /p -d /");
    }
}
