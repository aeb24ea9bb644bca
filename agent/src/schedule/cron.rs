//! Cron expressions: five fields with lists, ranges, steps and names.

use jiff::ToSpan;
use jiff::civil::DateTime;

/// A parsed expression: the allowed values of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    days: Vec<i8>,
    months: Vec<i8>,
    weekdays: Vec<i8>,
    /// Both days and weekdays are restricted: one of them is enough.
    either: bool,
}

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A year has this many days at most, and 29 February comes within eight of them.
const DAYS_AHEAD: usize = 8 * 366;

impl Cron {
    /// Reads `minute hour day month weekday`, or `@daily` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return None;
        };
        let mut weekdays = field(weekday, 0, 7, WEEKDAYS, 0)?;
        // Sunday is 0 and 7.
        for value in &mut weekdays {
            *value %= 7;
        }
        Some(Self {
            minutes: field(minute, 0, 59, &[], 0)?,
            hours: field(hour, 0, 23, &[], 0)?,
            days: field(day, 1, 31, &[], 0)?,
            months: field(month, 1, 12, MONTHS, 1)?,
            weekdays,
            either: !day.starts_with('*') && !weekday.starts_with('*'),
        })
    }

    /// The first moment after `now` that fits.
    pub fn next(&self, now: DateTime) -> Option<DateTime> {
        let start = now
            .with()
            .second(0)
            .subsec_nanosecond(0)
            .build()
            .ok()?
            .checked_add(1.minute())
            .ok()?;
        let mut date = start.date();
        for ahead in 0..DAYS_AHEAD {
            if self.months.contains(&date.month()) && self.day_fits(date) {
                for &hour in &self.hours {
                    for &minute in &self.minutes {
                        let candidate = date.at(hour, minute, 0, 0);
                        if ahead > 0 || candidate >= start {
                            return Some(candidate);
                        }
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn day_fits(&self, date: jiff::civil::Date) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self
            .weekdays
            .contains(&date.weekday().to_sunday_zero_offset());
        if self.either {
            day || weekday
        } else {
            day && weekday
        }
    }
}

fn field(text: &str, low: i8, high: i8, names: &[&str], base: i8) -> Option<Vec<i8>> {
    let number = |text: &str| -> Option<i8> {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|n| *n == lower);
        let value = match named {
            Some(at) => i8::try_from(at).ok()? + base,
            None => text.parse().ok()?,
        };
        (low..=high).contains(&value).then_some(value)
    };
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|s| *s > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step > 1 => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        values.extend((from..=to).step_by(step));
    }
    values.sort_unstable();
    values.dedup();
    Some(values)
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn finds_the_next_moment() {
        let now = datetime(2026, 11, 21, 5, 7, 30, 0);
        for (text, wanted) in [
            ("*/15 * * * *", datetime(2026, 11, 21, 5, 15, 0, 0)),
            ("0 16 * * *", datetime(2026, 11, 21, 16, 0, 0, 0)),
            ("0 3 * * mon-fri", datetime(2026, 11, 23, 3, 0, 0, 0)),
            ("30 4 1 jan *", datetime(2027, 1, 1, 4, 30, 0, 0)),
            ("0 0 29 2 *", datetime(2028, 2, 29, 0, 0, 0, 0)),
            ("0 0 13 * 5", datetime(2026, 11, 27, 0, 0, 0, 0)),
            ("0 0 * * 7", datetime(2026, 11, 22, 0, 0, 0, 0)),
            ("7 5 * * *", datetime(2026, 11, 22, 5, 7, 0, 0)),
            ("@hourly", datetime(2026, 11, 21, 6, 0, 0, 0)),
        ] {
            let cron = Cron::parse(text).unwrap();
            assert_eq!(cron.next(now), Some(wanted), "{text}");
        }
        for text in [
            "",
            "* * * *",
            "61 * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "x * * * *",
        ] {
            assert_eq!(Cron::parse(text), None, "{text}");
        }
    }
}
