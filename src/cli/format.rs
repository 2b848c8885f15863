//! Sizes, times and tables for people.

use serde_json::Value;
use time::OffsetDateTime;

/// A size in bytes in units of powers of 1024, as limits and settings are told in, with at most three digits:
/// `4.4 GiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    // A thousand of one unit is told in the next, so that no figure has a fourth digit.
    match UNITS.into_iter().find(|(shift, _)| count >= 1000 << (shift - 10)) {
        None => format!("{count} B"),
        Some((shift, name)) => {
            let value = count as f64 / (1_u64 << shift) as f64;
            if value >= 10.0 { format!("{value:.0} {name}") } else { format!("{value:.1} {name}") }
        }
    }
}

/// A number of things: `1 blob`, `2 blobs`.
pub(super) fn count_of(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// A JSON value as a person writes it; nothing for what is not there.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What is called something, in a row.
pub(super) fn row(named: &[impl std::fmt::Display]) -> String {
    named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How long ago that was: `3 minutes ago`.
pub(super) fn age(then: OffsetDateTime, now: OffsetDateTime) -> String {
    const UNITS: [(i64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
    ];
    let seconds = (now - then).whole_seconds();
    match UNITS.into_iter().find(|(unit, _)| seconds >= *unit) {
        None => "less than a minute ago".to_owned(),
        Some((unit, name)) => match seconds / unit {
            1 => format!("1 {name} ago"),
            count => format!("{count} {name}s ago"),
        },
    }
}

/// Rows in columns of equal width, four blanks apart.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row: &[String; COLUMNS]| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let line: String =
            std::iter::zip(row, widths).map(|(cell, width)| format!("{cell:<width$}    ")).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    #[test]
    fn sizes_have_binary_units() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KiB"),
            (1_500, "1.5 KiB"),
            (999 << 10, "999 KiB"),
            (1_000 << 10, "1.0 MiB"),
            (105_650_811, "101 MiB"),
            (4_700_000_000, "4.4 GiB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn ages_are_rounded_down() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(1000);
        let cases = [
            (59, "less than a minute ago"),
            (60, "1 minute ago"),
            (7_200, "2 hours ago"),
            (800_000, "1 week ago"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(now - Duration::seconds(seconds), now), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [["a".to_owned(), "bc".to_owned()], ["def".to_owned(), "g".to_owned()]];
        assert_eq!(table(&rows), "a      bc\ndef    g\n");
    }
}
