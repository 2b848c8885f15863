//! Matrices of the older format: numbers and names one after the other, without a word of what they are.
//!
//! All numbers are little-endian. A count of entries; for each the length of its name, the name, how often it
//! was measured, the count of its values, the values. Then, if the file goes on, the count of chunks and the
//! name of the text with its length.

use std::collections::BTreeMap;

use super::entry::{Contents, Counts, Entry, MOST_ENTRIES};
use super::error::ImportanceError;

/// Longer names than any tensor has, in bytes.
const LONGEST_NAME: i32 = 1024;

pub(super) fn read(bytes: &[u8]) -> Result<Contents, ImportanceError> {
    let mut reader = Reader { bytes, offset: 0 };
    let count = reader.number(|| "the number of entries".into(), 1..=i32::MAX)?;
    if count as usize > MOST_ENTRIES {
        return Err(ImportanceError::TooMany { got: count as u64, limit: MOST_ENTRIES });
    }
    let mut entries = BTreeMap::new();
    for index in 0..count as usize {
        let name = reader.name(index)?;
        let calls =
            reader.number(|| format!("the number of measurements of {name:?}"), i32::MIN..=i32::MAX)?;
        let length = reader.number(|| format!("the number of values of {name:?}"), 1..=i32::MAX)? as u64;
        let sums = reader.offset as u64;
        reader.take(length as usize * 4, || format!("the {length} values of {name:?}"))?;
        // Values that were never measured stand as they are.
        let counts = Counts::Same(if calls > 0 { calls as f32 } else { 1.0 });
        entries.insert(name.to_owned(), Entry { sums, length, counts });
    }
    let (chunks, dataset) = reader.ending();
    Ok(Contents { dataset, chunks, entries })
}

struct Reader<'b> {
    bytes: &'b [u8],
    offset: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize, what: impl FnOnce() -> String) -> Result<&'b [u8], ImportanceError> {
        let offset = self.offset as u64;
        let taken = self.bytes.get(self.offset..).and_then(|rest| rest.get(..length));
        let taken = taken.ok_or_else(|| ImportanceError::Truncated { what: what(), offset })?;
        self.offset += length;
        Ok(taken)
    }

    fn number(
        &mut self,
        what: impl Fn() -> String,
        expected: std::ops::RangeInclusive<i32>,
    ) -> Result<i32, ImportanceError> {
        let offset = self.offset as u64;
        let bytes = self.take(4, &what)?;
        let got = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if expected.contains(&got) {
            Ok(got)
        } else {
            Err(ImportanceError::Number { what: what(), offset, got })
        }
    }

    /// A name behind its length. What follows a zero in it is not read by the reference.
    fn name(&mut self, index: usize) -> Result<&'b str, ImportanceError> {
        let length = self.number(|| format!("the length of the name of entry {index}"), 1..=LONGEST_NAME)?;
        let offset = self.offset as u64;
        let bytes = self.take(length as usize, || format!("the name of entry {index}"))?;
        let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| ImportanceError::Name { index, offset })
    }

    /// The chunks and the name of the text, where they are told.
    fn ending(&mut self) -> (u32, Option<String>) {
        let Ok(chunks) = self.number(String::new, 0..=i32::MAX) else { return (0, None) };
        let name = self.name(0).ok().filter(|name| !name.is_empty()).map(str::to_owned);
        (chunks as u32, name)
    }
}
