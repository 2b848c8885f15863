//! Where the bytes of a chunk belong: `Content-Range: <first>-<last>`, as the distribution specification has
//! it, without a unit.

use axum::http::{HeaderMap, StatusCode, header};

use super::refusal::{Code, Refusal};

/// The places of the first and of the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    first: u64,
    last: u64,
}

impl ContentRange {
    /// What a request says, if it says it.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let Some(value) = headers.get(header::CONTENT_RANGE) else { return Ok(None) };
        let parsed = value.to_str().ok().and_then(Self::parse);
        parsed.map(Some).ok_or_else(|| {
            let message =
                "Content-Range must be the places of the first and of the last byte, such as 0-1023";
            Refusal::new(Code::BlobUploadInvalid, message)
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().split_once('-')?;
        let number = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_number)
        };
        let range = Self { first: number(first)?, last: number(last)? };
        (range.first <= range.last && range.last < u64::MAX).then_some(range)
    }

    /// How many bytes belong behind the first `offset`, of a body that has `stated` bytes if that is said.
    pub(super) fn length_from(self, offset: u64, stated: Option<u64>) -> Result<Option<u64>, Refusal> {
        let length = self.last - self.first + 1;
        if self.first != offset {
            let message = format!(
                "the chunk begins at {}, but the next byte of this upload is at {offset}",
                self.first
            );
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            return Err(Refusal::with_status(Code::BlobUploadInvalid, status, message));
        }
        match stated.filter(|stated| *stated != length) {
            Some(stated) => {
                let message = format!("Content-Range states {length} bytes, and Content-Length {stated}");
                Err(Refusal::new(Code::SizeInvalid, message))
            }
            None => Ok(Some(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers() {
        assert_eq!(ContentRange::parse("0-0"), Some(ContentRange { first: 0, last: 0 }));
        assert_eq!(ContentRange::parse(" 5-1023 "), Some(ContentRange { first: 5, last: 1023 }));
        let largest = format!("0-{}", u64::MAX);
        for bad in
            ["", "-", "0", "0-", "-5", "5-4", "0-+5", "0-1/2", "bytes 0-1", "bytes=0-1", "0-1-2", &largest]
        {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn chunks_come_in_order_and_are_as_long_as_they_say() {
        let range = ContentRange { first: 10, last: 19 };
        assert_eq!(range.length_from(10, None).unwrap(), Some(10));
        assert_eq!(range.length_from(10, Some(10)).unwrap(), Some(10));
        assert_eq!(range.length_from(9, None).unwrap_err().code(), Code::BlobUploadInvalid);
        assert_eq!(range.length_from(10, Some(9)).unwrap_err().code(), Code::SizeInvalid);
    }
}
