//! Points in time as people write them in a schedule; local time without a zone, as Salt has it.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};

const DATES: &[&str] = &[
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%m/%d/%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%B %d %Y",
];
const TIMES: &[&str] = &[
    "%H:%M:%S%.f",
    "%H:%M:%S",
    "%H:%M",
    "%I:%M:%S%p",
    "%I:%M:%S %p",
    "%I:%M%p",
    "%I:%M %p",
    "%I%p",
    "%I %p",
];

/// Local time now.
pub fn now() -> DateTime {
    jiff::Zoned::now().datetime()
}

/// Reads a date with or without a time of day, a time of day (of `today`), or a weekday with a time (the
/// next such day, today included).
pub fn parse(text: &str, today: Date) -> Option<DateTime> {
    let text = text.trim();
    if let Some(date) = date(text) {
        return Some(date.to_datetime(Time::midnight()));
    }
    if let Some(time) = time(text) {
        return Some(today.to_datetime(time));
    }
    // The date ends at a `T` or at one of the blanks.
    for (at, c) in text.char_indices().filter(|(_, c)| matches!(c, ' ' | 'T')) {
        let (head, tail) = (
            text[..at].trim_end_matches(','),
            text[at + c.len_utf8()..].trim(),
        );
        if let (Some(date), Some(time)) = (date(head), time(tail)) {
            return Some(date.to_datetime(time));
        }
        if let (Some(weekday), Some(time)) = (weekday(head), time(tail)) {
            return Some(next(today, weekday)?.to_datetime(time));
        }
    }
    Some(next(today, weekday(text)?)?.to_datetime(Time::midnight()))
}

/// As [`parse`], in a given `strptime` format.
pub fn parse_as(text: &str, format: &str) -> Option<DateTime> {
    DateTime::strptime(format, text).ok()
}

/// `2026-11-21T05:00:00`.
pub fn text(time: DateTime, format: &str) -> String {
    time.strftime(format).to_string()
}

fn date(text: &str) -> Option<Date> {
    DATES.iter().find_map(|f| Date::strptime(f, text).ok())
}

fn time(text: &str) -> Option<Time> {
    TIMES.iter().find_map(|f| Time::strptime(f, text).ok())
}

fn weekday(text: &str) -> Option<Weekday> {
    let name = text.to_ascii_lowercase();
    let days = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    days.into_iter()
        .find(|(full, _)| {
            name == *full || name.len() >= 3 && *full != name && full.starts_with(&name)
        })
        .map(|(_, day)| day)
}

fn next(today: Date, weekday: Weekday) -> Option<Date> {
    let ahead = i64::from(today.weekday().until(weekday));
    today.checked_add(ahead.days()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    #[test]
    fn reads_what_people_write() {
        // A Saturday.
        let today = date(2026, 11, 21);
        for (text, wanted) in [
            ("2026-12-24", datetime(2026, 12, 24, 0, 0, 0, 0)),
            ("2026-12-24 18:30", datetime(2026, 12, 24, 18, 30, 0, 0)),
            ("2026-12-24T18:30:05", datetime(2026, 12, 24, 18, 30, 5, 0)),
            ("12/24/2026 6:30pm", datetime(2026, 12, 24, 18, 30, 0, 0)),
            ("Dec 24, 2026 6:30 PM", datetime(2026, 12, 24, 18, 30, 0, 0)),
            ("5pm", datetime(2026, 11, 21, 17, 0, 0, 0)),
            ("05:30", datetime(2026, 11, 21, 5, 30, 0, 0)),
            ("Monday 3:00am", datetime(2026, 11, 23, 3, 0, 0, 0)),
            ("Saturday 5pm", datetime(2026, 11, 21, 17, 0, 0, 0)),
            ("fri", datetime(2026, 11, 27, 0, 0, 0, 0)),
        ] {
            assert_eq!(parse(text, today), Some(wanted), "{text}");
        }
        assert_eq!(parse("sometime", today), None);
        assert_eq!(parse("", today), None);
    }
}
