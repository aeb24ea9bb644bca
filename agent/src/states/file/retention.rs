//! `file.retention_schedule`: of many backups some are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::strtime::BrokenDownTime};
use salt_wire::{Value, map};

use super::{Done, failed, path_of};
use crate::context::{Context, Error, python};
use crate::states::{Outcome, Run};

/// When a file is of: the parts of its time from the year down, then the moment itself.
type Key = Vec<i64>;

/// The files of a tree of times, so many below each `depth`-th branch from the newest on, the first of each.
fn newest(files: &BTreeMap<Key, String>, depth: usize, count: usize) -> BTreeSet<String> {
    let mut firsts: BTreeMap<&[i64], &String> = BTreeMap::new();
    for (key, name) in files {
        firsts.entry(&key[..depth]).or_insert(name);
    }
    firsts.into_values().rev().take(count).cloned().collect()
}

pub(super) fn retention_schedule(ctx: &Context, run: &Run<'_>) -> Done {
    let (name, args) = (path_of(run)?, run.args);
    if name.is_empty() {
        return failed("Must provide name to file.retention_schedule");
    }
    let dir = Path::new(&name);
    if !dir.is_dir() {
        return failed("Name provided to file.retention must be a directory");
    }
    let format = args.opt_text("strptime_format")?.filter(|f| !f.is_empty());
    let zone = match args.opt_text("timezone")? {
        Some(zone) => TimeZone::get(&zone).map_err(|e| Error::execution(e.to_string()))?,
        None => TimeZone::system(),
    };
    // Salt's own list of names has these two.
    let mut ignored: BTreeSet<String> = [".", ".."].map(str::to_owned).into();
    let (mut by_day, mut by_week) = (BTreeMap::new(), BTreeMap::new());
    let mut dated = BTreeSet::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let time = match &format {
            Some(format) => parsed(&file, format),
            None => changed(&entry.path(), &zone),
        };
        let Some((time, moment)) = time else {
            ignored.insert(file);
            continue;
        };
        dated.insert(file.clone());
        let day = [
            time.year(),
            time.month().into(),
            time.day().into(),
            time.hour().into(),
        ];
        let mut key: Key = day.map(i64::from).to_vec();
        key.push(moment);
        by_day.insert(key, file.clone());
        let week = time.date().iso_week_date();
        let weekday = time.date().weekday().to_monday_zero_offset();
        // The year of the calendar, not the week's own: so Salt sorts them.
        let key = vec![
            time.year().into(),
            week.week().into(),
            weekday.into(),
            moment,
        ];
        by_week.insert(key, file);
    }
    let mut kept = BTreeSet::new();
    let rules = args.get("retain").as_map().cloned().unwrap_or_default();
    for (rule, count) in &rules {
        let count = match count {
            Value::Str(all) if all == "all" => usize::MAX,
            other => usize::try_from(number(other)?).unwrap_or_default(),
        };
        let rule = python::text(rule);
        kept.extend(match rule.as_str() {
            // One more than asked for, as Salt does.
            "first_of_week" => newest(&by_week, 2, count.saturating_add(1)),
            "first_of_year" => newest(&by_day, 1, count),
            "first_of_month" => newest(&by_day, 2, count),
            "first_of_day" => newest(&by_day, 3, count),
            "first_of_hour" => newest(&by_day, 4, count),
            "most_recent" => newest(&by_day, 5, count),
            _ => return Err(Error::key(rule.as_str())),
        });
    }
    let gone: Vec<String> = dated
        .iter()
        .rev()
        .filter(|f| !kept.contains(*f))
        .cloned()
        .collect();
    let mut out = Outcome::unchanged("");
    if !gone.is_empty() {
        let from_last = |names: BTreeSet<String>| names.into_iter().rev().collect::<Vec<_>>();
        out.changes = map! {
            "retained" => from_last(kept), "deleted" => gone.clone(),
            "ignored" => from_last(ignored),
        };
    }
    if run.test {
        out.comment = format!(
            "{} backups would have been removed from {name}.\n",
            gone.len()
        );
        out.result = gone.is_empty().then_some(true);
        return Ok(out);
    }
    for file in &gone {
        let path = dir.join(file).to_string_lossy().into_owned();
        ctx.call("file.remove", &[path.into()], &salt_wire::Map::new())?;
    }
    out.comment = format!("{} backups were removed from {name}.\n", gone.len());
    Ok(out)
}

fn number(value: &Value) -> Result<i128, Error> {
    let text = python::text(value);
    text.trim().parse().map_err(|_| Error::Exception {
        kind: "ValueError",
        message: format!(
            "invalid literal for int() with base 10: {}",
            python::repr(value)
        ),
    })
}

/// The time in a name, and its distance to the epoch as if it were universal.
fn parsed(name: &str, format: &str) -> Option<(DateTime, i64)> {
    let parts = BrokenDownTime::parse(format, name).ok()?;
    // What the format does not say is the first of its kind, as in Python.
    let date = jiff::civil::Date::new(
        parts.year().unwrap_or(1900),
        parts.month().unwrap_or(1),
        parts.day().unwrap_or(1),
    );
    let time = jiff::civil::Time::new(
        parts.hour().unwrap_or(0),
        parts.minute().unwrap_or(0),
        parts.second().unwrap_or(0),
        0,
    );
    let time = date.ok()?.to_datetime(time.ok()?);
    let moment = time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some((time, moment))
}

fn changed(path: &Path, zone: &TimeZone) -> Option<(DateTime, i64)> {
    let meta = fs::symlink_metadata(path).ok()?;
    let moment = Timestamp::from_second(meta.mtime()).ok()?;
    let nanos = meta.mtime_nsec() / 1000;
    Some((
        moment.to_zoned(zone.clone()).datetime(),
        meta.mtime() * 1_000_000 + nanos,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_branch_is_kept() {
        let file = |key: &[i64], name: &str| (key.to_vec(), name.to_owned());
        let files = BTreeMap::from([
            file(&[2020, 1, 1, 0, 10], "a"),
            file(&[2020, 1, 2, 0, 20], "b"),
            file(&[2020, 2, 1, 0, 30], "c"),
            file(&[2021, 1, 1, 0, 40], "d"),
        ]);
        let kept = |depth, count| newest(&files, depth, count).into_iter().collect::<String>();
        assert_eq!(kept(1, 5), "ad");
        assert_eq!(kept(2, 2), "cd");
        assert_eq!(kept(5, 1), "d");
    }
}
