//! The header of one safetensors file.

use std::fmt;

use ::safetensors::Dtype;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
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
const HEADER_LIMIT: u64 = 100_000_000;

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
        let RawHeader(raw) = serde_json::from_slice(json).map_err(|error| SafetensorsError::HeaderJson {
            file: file.name.to_owned(),
            reason: error.to_string(),
        })?;
        let mut tensors = Vec::with_capacity(raw.len());
        for (name, entry) in raw {
            tensors.push(entry_of(file.name, name, entry, available)?);
        }
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

/// The header's object with its keys in order and duplicates kept, without the free-text metadata.
struct RawHeader<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawHeader<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = RawHeader<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((key, map.next_value()?));
                    }
                }
                Ok(RawHeader(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
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
    fn every_truncation_is_an_error() {
        let bytes = file(r#"{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#, 8);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
