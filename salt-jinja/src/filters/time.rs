//! Dates: `strftime` and `date_format`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::Filter;
use crate::error::{Error, Result};
use crate::value::Val;
use crate::value::repr::str;

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("strftime", |_, v, a| strftime(&v, a)),
    ("date_format", |_, v, a| strftime(&v, a)),
];

fn strftime(value: &Val, args: &crate::eval::Args) -> Result {
    let [format] = args.bind("strftime", ["format"])?;
    let format = format.map_or_else(|| Ok("%Y-%m-%d".into()), |f| str(&f))?;
    let shown = jiff::fmt::strtime::format(&format, &moment(value)?);
    // What is no format letter stays as it is in Python.
    Ok(shown.unwrap_or(format).into())
}

/// Now, or the second that a number or its text names, in local time.
fn moment(value: &Val) -> Result<Zoned> {
    value.strict()?;
    let seconds = match value {
        Val::None => return Ok(Zoned::now()),
        Val::Str(t) => super::convert::parse_float(&t.text),
        other => other.as_float(),
    };
    let shown = || -> Result<Box<Error>> {
        Ok(Error::python(
            "RuntimeError",
            format!(
                "Unable to parse {}. Consider installing timelib",
                str(value)?
            ),
        ))
    };
    let Some(seconds) = seconds.filter(|s| s.abs() < 2e11) else {
        return Err(shown()?);
    };
    match Timestamp::from_microsecond((seconds * 1e6).round() as i64) {
        Ok(stamp) => Ok(stamp.to_zoned(TimeZone::system())),
        Err(_) => Err(shown()?),
    }
}
