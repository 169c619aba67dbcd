//! Times on the screen: local, from the UTC milliseconds kept on disk. The zone is data, so that every screen can be tested.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::wire::time::UnixMs;

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn local(time: UnixMs, zone: &TimeZone) -> jiff::civil::DateTime {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    let stamp = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    zone.to_datetime(stamp)
}

/// `21:58`.
pub fn minute(time: UnixMs, zone: &TimeZone) -> String {
    let t = local(time, zone);
    format!("{:02}:{:02}", t.hour(), t.minute())
}

/// `21:58:07`.
pub fn second(time: UnixMs, zone: &TimeZone) -> String {
    let t = local(time, zone);
    format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
}

/// Local days since 1970, to see where a new day begins.
pub fn day_number(time: UnixMs, zone: &TimeZone) -> i64 {
    let date = local(time, zone).date();
    i64::from(
        date.since(jiff::civil::date(1970, 1, 1))
            .map_or(0, |span| span.get_days()),
    )
}

/// `Saturday 21 November`, with the year if it is not this one.
pub fn day(time: UnixMs, now: UnixMs, zone: &TimeZone) -> String {
    let (date, today) = (local(time, zone).date(), local(now, zone).date());
    let weekday = DAYS[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0) % 7];
    let month = month_name(date.month());
    if date.year() == today.year() {
        format!("{weekday} {} {month}", date.day())
    } else {
        format!("{weekday} {} {month} {}", date.day(), date.year())
    }
}

/// `8 Dec`, for a day counted in UTC days since 1970 (as protocol dates are).
pub fn short_day(day: u32) -> String {
    let time = UnixMs(u64::from(day) * 86_400_000);
    let date = local(time, &TimeZone::UTC).date();
    format!("{} {}", date.day(), &month_name(date.month())[..3])
}

/// `21 November 21:58:07`, for details.
pub fn full(time: UnixMs, zone: &TimeZone) -> String {
    let date = local(time, zone).date();
    format!(
        "{} {} {} {}",
        date.day(),
        month_name(date.month()),
        date.year(),
        second(time, zone)
    )
}

/// `40 s`, `34 min`, `5 h`, `3 d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds / 60),
        6_000..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn month_name(month: i8) -> &'static str {
    MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::offset;

    const EVENING: UnixMs = UnixMs(1_795_302_000_000); // 2026-11-21 23:00:00 UTC

    #[test]
    fn times_are_local_and_days_begin_at_local_midnight() {
        let utc = TimeZone::UTC;
        let east = TimeZone::fixed(offset(2));
        assert_eq!(minute(EVENING, &utc), "23:00");
        assert_eq!(minute(EVENING, &east), "01:00");
        assert_eq!(day(EVENING, EVENING, &utc), "Saturday 21 November");
        assert_eq!(day(EVENING, EVENING, &east), "Sunday 22 November");
        assert_eq!(day_number(EVENING, &east), day_number(EVENING, &utc) + 1);
        assert_eq!(day(UnixMs(0), EVENING, &utc), "Thursday 1 January 1970");
    }

    #[test]
    fn absurd_times_are_drawn_too() {
        assert!(!full(UnixMs(u64::MAX), &TimeZone::fixed(offset(-11))).is_empty());
        assert_eq!(short_day(20_795), "8 Dec");
        assert!(!short_day(u32::MAX).is_empty());
        assert_eq!(
            (span(7), span(120), span(7_200), span(200_000)),
            ("7 s".into(), "2 min".into(), "2 h".into(), "2 d".into())
        );
    }
}
