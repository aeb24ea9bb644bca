//! The time as Salt prints it.

use jiff::Zoned;

/// How long the kernel has been running.
pub fn since_boot() -> std::time::Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok());
    std::time::Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}

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

/// The time in the name of a copy that `file.line` leaves beside a file.
pub fn file_stamp() -> String {
    Zoned::now().strftime("%Y-%m-%d-%H-%M-%S").to_string()
}

/// The time in a backup's file name, as Salt makes it: weekday first, microseconds before the year.
pub fn backup_stamp() -> String {
    let now = Zoned::now();
    format!(
        "{}_{:06}_{}",
        now.strftime("%a_%b_%d_%H:%M:%S"),
        now.subsec_nanosecond() / 1000,
        now.year()
    )
}
