//! A GGUF file over its bytes, every statement of its header checked.

use std::collections::HashSet;
use std::ops::Range;

use super::cursor::Cursor;
use super::metadata::checked_alignment;
use super::value_ref::read_key;
use super::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, GgufError, Header, MAGIC, MAX_NAME_BYTES, Metadata, ValueRef};
use crate::tensor::{ElementType, Shape, TensorError};

/// A valid GGUF file.
#[derive(Debug, Clone, PartialEq)]
pub struct Gguf<'a> {
    version: u32,
    alignment: u64,
    entries: Vec<(&'a str, ValueRef<'a>)>,
    tensors: Vec<TensorInfo<'a>>,
    header_length: u64,
}

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo<'a> {
    /// Its name, unique in the file.
    pub name: &'a str,
    /// Its shape, fastest dimension first.
    pub shape: Shape,
    /// How its elements are encoded.
    pub element_type: ElementType,
    /// Where its data lies, in bytes from the start of the file. Inside the file.
    pub data: Range<u64>,
}

/// More pairs than any model has; keeps what a hostile file can make us hold small.
const MAX_ENTRIES: u64 = 1 << 16;
/// A longer header in bytes than any model has: the largest vocabularies take a tenth of it.
pub const MAX_HEADER: usize = 256 << 20;
/// More tensors than any model has.
pub const MAX_TENSORS: u64 = 1 << 18;
/// The least bytes that a pair takes: key length, one byte of key, type, one byte of value.
const LEAST_ENTRY: u64 = 8 + 1 + 4 + 1;
/// The least bytes of a tensor's description: name length, one byte of name, number of dimensions, one
/// dimension, element type, offset.
const LEAST_TENSOR: u64 = 8 + 1 + 4 + 8 + 4 + 8;

impl<'a> Gguf<'a> {
    /// Reads and checks the header of a file that consists of `bytes`.
    ///
    /// Time and memory are bounded by the size of the header; tensor data is not touched.
    ///
    /// # Errors
    /// Whatever [`GgufError`] names. Padding after the last tensor may be missing; bytes after it are
    /// ignored.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, GgufError> {
        let header = &bytes[..bytes.len().min(MAX_HEADER)];
        Self::read(header, bytes.len() as u64).map_err(|error| match error {
            GgufError::Truncated { what, .. } if header.len() < bytes.len() => {
                GgufError::HeaderLength { what, limit: MAX_HEADER }
            }
            error => error,
        })
    }

    /// What a file says that is yet to be written.
    ///
    /// # Errors
    /// As those of [`parse`](Self::parse).
    pub fn of_header(header: &'a Header) -> Result<Self, GgufError> {
        Self::read(header.bytes(), header.file_length())
    }

    /// Reads the header that `bytes` begin with, of a file of so many bytes.
    fn read(bytes: &'a [u8], file_length: u64) -> Result<Self, GgufError> {
        let mut cursor = Cursor::new(bytes);
        let version = read_version(&mut cursor, bytes)?;
        let tensor_count = cursor.u64(|| "the number of tensors".into())?;
        let entry_count = cursor.u64(|| "the number of key-value pairs".into())?;
        check_count("key-value pairs", entry_count, MAX_ENTRIES, cursor.remaining() / LEAST_ENTRY)?;
        check_count("tensors", tensor_count, MAX_TENSORS, cursor.remaining() / LEAST_TENSOR)?;

        let entries = read_entries(&mut cursor, entry_count)?;
        let alignment = match entries.iter().find(|(key, _)| *key == ALIGNMENT_KEY) {
            None => DEFAULT_ALIGNMENT,
            Some((_, ValueRef::U32(alignment))) => checked_alignment(*alignment)?,
            Some((key, value)) => {
                let key = (*key).to_owned();
                return Err(GgufError::KeyType { key, got: value.value_type(), expected: "u32" });
            }
        };
        let tensors = read_tensors(&mut cursor, tensor_count, alignment, file_length)?;
        Ok(Self { version, alignment, entries, tensors, header_length: cursor.offset() })
    }

    /// The version of the format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The alignment of tensor data in bytes, a power of two.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// The key-value pairs in file order.
    pub fn entries(&self) -> &[(&'a str, ValueRef<'a>)] {
        &self.entries
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&ValueRef<'a>> {
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The tensors in file order.
    pub fn tensors(&self) -> &[TensorInfo<'a>] {
        &self.tensors
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo<'a>> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Bytes from the start of the file to the end of the last tensor's description.
    pub fn header_length(&self) -> u64 {
        self.header_length
    }

    /// A copy of the key-value pairs that outlives the file.
    pub fn metadata(&self) -> Metadata {
        Metadata::from_unique(self.entries.iter().map(|(key, value)| ((*key).to_owned(), value.to_owned())))
    }
}

fn read_version(cursor: &mut Cursor<'_>, bytes: &[u8]) -> Result<u32, GgufError> {
    let magic = &bytes[..bytes.len().min(MAGIC.len())];
    if magic != MAGIC {
        let reversed = magic.iter().rev().eq(&MAGIC);
        let got = magic.to_vec();
        return Err(if reversed { GgufError::BigEndian } else { GgufError::Magic { got } });
    }
    cursor.take(MAGIC.len() as u64, || "the magic number".into())?;
    match cursor.u32(|| "the version".into())? {
        1 => Err(GgufError::Version1),
        version @ (2 | 3) => Ok(version),
        // A small number in the byte order of the other kind of machine.
        version if version.swap_bytes() <= 3 && version != 0 => Err(GgufError::BigEndian),
        version => Err(GgufError::Version { got: version }),
    }
}

fn check_count(what: &'static str, got: u64, cap: u64, room: u64) -> Result<(), GgufError> {
    let limit = cap.min(room);
    if got <= limit { Ok(()) } else { Err(GgufError::Count { what, got, limit }) }
}

fn read_entries<'a>(cursor: &mut Cursor<'a>, count: u64) -> Result<Vec<(&'a str, ValueRef<'a>)>, GgufError> {
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    for index in 0..count {
        let offset = cursor.offset();
        let key = read_key(cursor, index)?;
        if !seen.insert(key) {
            return Err(GgufError::DuplicateKey { key: key.to_owned(), offset });
        }
        entries.push((key, ValueRef::read(cursor, key)?));
    }
    Ok(entries)
}

/// A tensor's description before it is known where the data section begins.
struct Described<'a> {
    name: &'a str,
    shape: Shape,
    element_type: ElementType,
    data_length: u64,
    relative_offset: u64,
    /// Where `relative_offset` is stated.
    stated_at: u64,
}

fn read_tensors<'a>(
    cursor: &mut Cursor<'a>,
    count: u64,
    alignment: u64,
    file_length: u64,
) -> Result<Vec<TensorInfo<'a>>, GgufError> {
    let mut described = Vec::new();
    let mut seen = HashSet::new();
    for index in 0..count {
        let offset = cursor.offset();
        let tensor = read_tensor(cursor, index)?;
        if !seen.insert(tensor.name) {
            return Err(GgufError::DuplicateTensor { tensor: tensor.name.to_owned(), offset });
        }
        described.push(tensor);
    }

    let data_start = cursor.offset().next_multiple_of(alignment);
    let mut expected = 0_u64;
    let mut tensors = Vec::with_capacity(described.len());
    for tensor in described {
        let too_large = || GgufError::DataTooLarge { tensor: tensor.name.to_owned() };
        if tensor.relative_offset != expected {
            return Err(GgufError::DataOffset {
                tensor: tensor.name.to_owned(),
                offset: tensor.stated_at,
                got: tensor.relative_offset,
                expected,
            });
        }
        let start = data_start.checked_add(expected).ok_or_else(too_large)?;
        let end = start.checked_add(tensor.data_length).ok_or_else(too_large)?;
        if end > file_length {
            return Err(GgufError::DataPastEnd {
                tensor: tensor.name.to_owned(),
                element_type: tensor.element_type,
                offset: start,
                needed: tensor.data_length,
                length: file_length,
            });
        }
        expected =
            (expected + tensor.data_length).checked_next_multiple_of(alignment).ok_or_else(too_large)?;
        let Described { name, shape, element_type, .. } = tensor;
        tensors.push(TensorInfo { name, shape, element_type, data: start..end });
    }
    Ok(tensors)
}

fn read_tensor<'a>(cursor: &mut Cursor<'a>, index: u64) -> Result<Described<'a>, GgufError> {
    let offset = cursor.offset();
    let name = cursor.string(|| format!("the name of tensor {index}"))?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(GgufError::NameLength { offset, got: name.len() as u64 });
    }
    let what = || format!("the description of tensor {name:?}");
    let wrong = |reason| GgufError::Shape { tensor: name.to_owned(), offset, reason };

    let rank = cursor.u32(what)?;
    let rank = rank as usize;
    let mut dimensions = [0; Shape::MAX_RANK];
    let dimensions = dimensions.get_mut(..rank).ok_or_else(|| wrong(TensorError::Rank { got: rank }))?;
    for dimension in dimensions.iter_mut() {
        *dimension = cursor.u64(what)?;
    }
    let shape = Shape::new(dimensions).map_err(wrong)?;

    let type_offset = cursor.offset();
    let id = cursor.u32(what)?;
    let element_type = ElementType::from_id(id).ok_or_else(|| GgufError::UnknownElementType {
        tensor: name.to_owned(),
        offset: type_offset,
        got: id,
    })?;
    let data_length = element_type.tensor_bytes(&shape).map_err(wrong)?;
    let stated_at = cursor.offset();
    let relative_offset = cursor.u64(what)?;
    Ok(Described { name, shape, element_type, data_length, relative_offset, stated_at })
}
