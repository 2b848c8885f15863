//! The header of one safetensors file.

use std::fmt;

use ::safetensors::Dtype;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{NamedSource, SafetensorsError};

/// The tensors of a file, in the order of its header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// One entry a tensor; together they cover the data of the file without gap or overlap.
    pub tensors: Vec<TensorEntry>,
}

/// Where a tensor lies in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorEntry {
    /// Unique within the file.
    pub name: String,
    /// How its elements are stored.
    pub dtype: Dtype,
    /// Slowest first; empty for a single number.
    pub dimensions: Vec<u64>,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Bytes, as many as dimensions and element type take.
    pub length: u64,
}

/// Bytes of the header's length at the start of a file.
const PREFIX: usize = 8;

/// The longest header that is read; the reference implementation has the same limit.
pub const HEADER_LIMIT: u64 = 100_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Header {
    /// Reads the header of `file` and checks it against the file's length.
    ///
    /// # Errors
    ///
    /// Every way in which [`SafetensorsError`] says that a file can be wrong.
    pub fn read(file: NamedSource<'_>) -> Result<Self, SafetensorsError> {
        let (json, data_start) = header_text(file)?;
        let available = (file.bytes.len() - data_start) as u64;
        let mut tensors = entries(file.name, json, available)?;
        check_unique(file.name, &tensors)?;
        check_cover(file.name, &tensors, available)?;
        for tensor in &mut tensors {
            tensor.offset += data_start as u64;
        }
        Ok(Self { tensors })
    }
}

/// The bytes of the header's JSON, and where the data starts.
fn header_text(file: NamedSource<'_>) -> Result<(&[u8], usize), SafetensorsError> {
    let name = || file.name.to_owned();
    let Some((prefix, rest)) = file.bytes.split_first_chunk::<PREFIX>() else {
        return Err(SafetensorsError::TooShort { file: name(), length: file.bytes.len() });
    };
    let got = u64::from_le_bytes(*prefix);
    if got > HEADER_LIMIT && got <= rest.len() as u64 {
        return Err(SafetensorsError::HeaderTooLarge { file: name(), got, limit: HEADER_LIMIT });
    }
    match usize::try_from(got).ok().and_then(|length| rest.get(..length)) {
        Some(json) if json.len() >= 2 => Ok((json, PREFIX + json.len())),
        _ => Err(SafetensorsError::HeaderLength { file: name(), got, available: rest.len() }),
    }
}

/// The entries of the header's object in its order, duplicates kept, without the free-text metadata. Each is
/// checked when it is read, so a header of nonsense costs no more than its first entry.
fn entries(file: &str, json: &[u8], available: u64) -> Result<Vec<TensorEntry>, SafetensorsError> {
    let mut entries = Entries { file, available, tensors: Vec::new(), wrong: None };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = deserializer.deserialize_map(&mut entries).and_then(|()| deserializer.end());
    match (entries.wrong, read) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(entries.tensors),
        (None, Err(error)) => {
            Err(SafetensorsError::HeaderJson { file: file.to_owned(), reason: error.to_string() })
        }
    }
}

struct Entries<'f> {
    file: &'f str,
    /// Bytes of data.
    available: u64,
    tensors: Vec<TensorEntry>,
    /// Why reading stopped, where it is not the JSON.
    wrong: Option<SafetensorsError>,
}

impl<'de> Visitor<'de> for &mut Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match entry_of(self.file, name, map.next_value()?, self.available) {
                Ok(tensor) => self.tensors.push(tensor),
                Err(error) => {
                    self.wrong = Some(error);
                    return Err(A::Error::custom("an entry is wrong"));
                }
            }
        }
        Ok(())
    }
}

/// One entry, checked in itself; its offset still counts from the end of the header.
fn entry_of(
    file: &str,
    name: String,
    raw: &RawValue,
    available: u64,
) -> Result<TensorEntry, SafetensorsError> {
    let file = || file.to_owned();
    let raw: RawEntry = serde_json::from_str(raw.get()).map_err(|error| SafetensorsError::Entry {
        file: file(),
        tensor: name.clone(),
        reason: error.to_string(),
    })?;
    let Ok(dtype) = serde_json::from_value::<Dtype>(raw.dtype.as_str().into()) else {
        return Err(SafetensorsError::ElementType { file: file(), tensor: name, got: raw.dtype });
    };
    let (begin, end) = raw.data_offsets;
    if begin > end {
        return Err(SafetensorsError::OffsetsReversed { file: file(), tensor: name, begin, end });
    }
    if end > available {
        return Err(SafetensorsError::PastEnd { file: file(), tensor: name, end, available });
    }
    let bits = dtype.bitsize() as u64;
    let Some(bits) = raw.shape.iter().try_fold(bits, |bits, &length| bits.checked_mul(length)) else {
        return Err(SafetensorsError::TooLarge { file: file(), tensor: name, dimensions: raw.shape });
    };
    if !bits.is_multiple_of(8) {
        return Err(SafetensorsError::PartialByte {
            file: file(),
            tensor: name,
            dimensions: raw.shape,
            dtype: raw.dtype,
        });
    }
    if end - begin != bits / 8 {
        return Err(SafetensorsError::Size {
            file: file(),
            tensor: name,
            got: end - begin,
            dimensions: raw.shape,
            dtype: raw.dtype,
            expected: bits / 8,
        });
    }
    Ok(TensorEntry { name, dtype, dimensions: raw.shape, offset: begin, length: end - begin })
}

fn check_unique(file: &str, tensors: &[TensorEntry]) -> Result<(), SafetensorsError> {
    let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(SafetensorsError::DuplicateTensor { file: file.to_owned(), tensor: pair[0].to_owned() })
        }
        None => Ok(()),
    }
}

/// Checks that every byte of the data belongs to exactly one tensor.
fn check_cover(file: &str, tensors: &[TensorEntry], available: u64) -> Result<(), SafetensorsError> {
    let mut sorted: Vec<&TensorEntry> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| (tensor.offset, tensor.length));
    let gap = |offset: u64, length: u64| SafetensorsError::Gap { file: file.to_owned(), offset, length };
    let mut covered = 0;
    let mut last = None;
    for tensor in sorted {
        if tensor.offset > covered {
            return Err(gap(covered, tensor.offset - covered));
        }
        if tensor.offset < covered {
            return Err(SafetensorsError::Overlap {
                file: file.to_owned(),
                first: last.unwrap_or(tensor).name.clone(),
                second: tensor.name.clone(),
                offset: tensor.offset,
            });
        }
        covered += tensor.length;
        last = Some(tensor);
    }
    if covered < available { Err(gap(covered, available - covered)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Header, SafetensorsError> {
        Header::read(NamedSource { name: "m.safetensors", bytes })
    }

    #[test]
    fn offsets_count_from_the_start_of_the_file() {
        let header =
            r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        let tensors = read(&file(header, 24)).unwrap().tensors;
        assert_eq!(tensors.len(), 1);
        assert_eq!((tensors[0].offset, tensors[0].length), (8 + header.len() as u64, 24));
    }

    #[test]
    fn reading_stops_at_the_first_entry_that_is_none() {
        let error = read(&file(r#"{"a":0,"b":"#, 0)).unwrap_err();
        assert!(matches!(error, SafetensorsError::Entry { ref tensor, .. } if tensor == "a"), "{error}");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = file(r#"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#, 8);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
