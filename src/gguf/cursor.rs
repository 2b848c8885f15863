//! Reading forward over untrusted bytes: every length is checked against what remains.

use super::GgufError;

/// A position in the bytes of a file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes from the start of the file.
    pub(super) fn offset(&self) -> u64 {
        self.position as u64
    }

    /// The same, as an index into the bytes.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The bytes from `start`, an earlier position, up to here.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.position]
    }

    pub(super) fn remaining(&self) -> u64 {
        (self.bytes.len() - self.position) as u64
    }

    /// The next `count` bytes; `what` names them if they are not there.
    pub(super) fn take(&mut self, count: u64, what: impl Fn() -> String) -> Result<&'a [u8], GgufError> {
        let rest = &self.bytes[self.position..];
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(taken) => {
                self.position += taken.len();
                Ok(taken)
            }
            None => Err(GgufError::Truncated {
                what: what(),
                offset: self.offset(),
                remaining: rest.len() as u64,
                needed: count,
            }),
        }
    }

    fn array<const N: usize>(&mut self, what: impl Fn() -> String) -> Result<[u8; N], GgufError> {
        let taken = self.take(N as u64, what)?;
        let mut array = [0; N];
        array.copy_from_slice(taken);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: impl Fn() -> String) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: impl Fn() -> String) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A 64-bit length and that many bytes of UTF-8.
    pub(super) fn string(&mut self, what: impl Fn() -> String) -> Result<&'a str, GgufError> {
        let length = self.u64(&what)?;
        let offset = self.offset();
        let bytes = self.take(length, &what)?;
        std::str::from_utf8(bytes).map_err(|_| GgufError::Utf8 { what: what(), offset })
    }
}
