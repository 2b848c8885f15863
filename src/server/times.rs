//! Times as clients see them.

use std::time::SystemTime;

use serde::Serializer;
use time::OffsetDateTime;
use time::macros::format_description;

/// A time as Go's `time.Time` is encoded: in nanoseconds, without zeros at the end.
pub(super) fn time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let time = OffsetDateTime::from(*time);
    let seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let mut text = time.format(seconds).map_err(serde::ser::Error::custom)?;
    if time.nanosecond() > 0 {
        let fraction = format!(".{:09}", time.nanosecond());
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    serializer.serialize_str(&text)
}

/// The same of a time that may not have come yet.
pub(super) fn some_time<S: Serializer>(some: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match some {
        Some(moment) => time(moment, serializer),
        None => serializer.serialize_none(),
    }
}

/// Seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    OffsetDateTime::from(time).unix_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_have_no_zeros_at_the_end() {
        let encode = |nanoseconds| {
            let moment = SystemTime::UNIX_EPOCH + Duration::new(1_795_330_167, nanoseconds);
            time(&moment, serde_json::value::Serializer).unwrap()
        };
        assert_eq!(encode(546_053_890), "2026-11-22T06:49:27.54605389Z");
        assert_eq!(encode(0), "2026-11-22T06:49:27Z");
    }
}
