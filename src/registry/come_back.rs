//! When a registry that refuses asks to come back.

use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// When a registry asks to come back (RFC 9110, section 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComeBack {
    /// From its answer on.
    pub after: Duration,
    /// By this machine's clock.
    pub at: SystemTime,
}

impl ComeBack {
    /// What the header `Retry-After` says, a number of seconds or a date.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let now = SystemTime::now();
        if let Ok(seconds) = text.parse() {
            let after = Duration::from_secs(seconds);
            // A time that the clock cannot hold means never.
            return Some(Self { after, at: now.checked_add(after).unwrap_or(now + YEAR) });
        }
        let at = httpdate::parse_http_date(text).ok()?;
        Some(Self { after: at.duration_since(now).unwrap_or_default(), at })
    }
}

impl fmt::Display for ComeBack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.min(SystemTime::now() + YEAR);
        write!(formatter, "in {} s, at {}", self.after.as_secs(), httpdate::fmt_http_date(at))
    }
}

/// No date is told that lies further ahead.
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_header_are_understood() {
        let of = |text: &str| ComeBack::of(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(of("3600").unwrap().after, Duration::from_secs(3600));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        assert!((80..=90).contains(&of(&date).unwrap().after.as_secs()));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT").unwrap().after, Duration::ZERO);
        for far in ["18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert!(of(far).unwrap().to_string().contains("GMT"), "{far}");
        }
        for neither in ["", "-1", "soon", "1.5"] {
            assert_eq!(of(neither), None, "{neither}");
        }
    }
}
