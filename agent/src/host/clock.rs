//! The time as Salt prints it.

use jiff::Zoned;

/// The local time of day with microseconds, as `start_time` of a state return has it.
pub fn time_of_day() -> String {
    let now = Zoned::now();
    let micros = now.subsec_nanosecond() / 1000;
    let seconds = now.strftime("%H:%M:%S");
    // Python leaves a zero fraction out.
    if micros == 0 {
        seconds.to_string()
    } else {
        format!("{seconds}.{micros:06}")
    }
}
