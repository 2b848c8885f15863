//! Writing: the header of a file to come, and where its tensors will lie.

use std::collections::HashSet;
use std::ops::Range;

use super::strings::put as put_string;
use super::value::for_any_array;
use super::{Array, GgufError, MAGIC, MAX_KEY_BYTES, MAX_NAME_BYTES, Metadata, Value};
use crate::tensor::{ElementType, Shape};

/// What the header says of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorDescription<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its shape, fastest dimension first.
    pub shape: Shape,
    /// How its elements are encoded.
    pub element_type: ElementType,
}

/// Everything of a file but its tensor data. The file is [`bytes`](Self::bytes), then the data of each
/// tensor at its [range](Self::data), with zeros in between and up to [`file_length`](Self::file_length).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    bytes: Vec<u8>,
    data: Vec<Range<u64>>,
    file_length: u64,
}

impl Header {
    /// The header, version 3, of a file with these pairs and tensors, in this order.
    ///
    /// # Errors
    /// Keys or names that are empty, too long or not unique; rows that are not whole blocks; an
    /// alignment that is not a power of two; more bytes than can be counted.
    pub fn new(metadata: &Metadata, tensors: &[TensorDescription<'_>]) -> Result<Self, GgufError> {
        let alignment = metadata.alignment()?;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&3_u32.to_le_bytes());
        bytes.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata.iter() {
            let offset = bytes.len() as u64;
            match key.len() {
                0 => return Err(GgufError::EmptyKey { offset }),
                length if length > MAX_KEY_BYTES => {
                    return Err(GgufError::KeyLength { offset, got: length as u64 });
                }
                _ => put_string(&mut bytes, key),
            }
            put_value(&mut bytes, value);
        }

        let mut seen = HashSet::new();
        let mut data = Vec::with_capacity(tensors.len());
        let mut next = 0_u64;
        for tensor in tensors {
            let offset = bytes.len() as u64;
            let name = tensor.name;
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Err(GgufError::NameLength { offset, got: name.len() as u64 });
            }
            if !seen.insert(name) {
                return Err(GgufError::DuplicateTensor { tensor: name.to_owned(), offset });
            }
            let length = tensor
                .element_type
                .tensor_bytes(&tensor.shape)
                .map_err(|reason| GgufError::Shape { tensor: name.to_owned(), offset, reason })?;
            put_string(&mut bytes, name);
            bytes.extend_from_slice(&(tensor.shape.rank() as u32).to_le_bytes());
            for dimension in tensor.shape.dimensions() {
                bytes.extend_from_slice(&dimension.to_le_bytes());
            }
            bytes.extend_from_slice(&tensor.element_type.id().to_le_bytes());
            bytes.extend_from_slice(&next.to_le_bytes());
            let too_large = || GgufError::DataTooLarge { tensor: name.to_owned() };
            let end = next.checked_add(length).ok_or_else(too_large)?;
            data.push(next..end);
            next = end.checked_next_multiple_of(alignment).ok_or_else(too_large)?;
        }

        // Alignment is at most a mebibyte, so this does not overflow.
        bytes.resize((bytes.len() as u64).next_multiple_of(alignment) as usize, 0);
        let start = bytes.len() as u64;
        let last = || tensors.last().map_or("", |tensor| tensor.name).to_owned();
        let file_length =
            next.checked_add(start).ok_or_else(|| GgufError::DataTooLarge { tensor: last() })?;
        let data = data.into_iter().map(|range| start + range.start..start + range.end).collect();
        Ok(Self { bytes, data, file_length })
    }

    /// The file up to the data of the first tensor, padding included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the data of each tensor lies, in bytes from the start of the file.
    pub fn data(&self) -> &[Range<u64>] {
        &self.data
    }

    /// The length of the whole file, padding after the last tensor included.
    pub fn file_length(&self) -> u64 {
        self.file_length
    }
}

/// What follows the type of a value or stands as an element of an array.
trait Put {
    fn put(&self, bytes: &mut Vec<u8>);
}

macro_rules! put_number {
    ($($number:ty),*) => {$(
        impl Put for $number {
            fn put(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
put_number!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

impl Put for bool {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }
}

impl Put for str {
    fn put(&self, bytes: &mut Vec<u8>) {
        put_string(bytes, self);
    }
}

impl Put for Array {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.element_type().id().to_le_bytes());
        bytes.extend_from_slice(&(self.len() as u64).to_le_bytes());
        for_any_array!(self, elements => elements.iter().for_each(|element| element.put(bytes)));
    }
}

fn put_value(bytes: &mut Vec<u8>, value: &Value) {
    bytes.extend_from_slice(&value.value_type().id().to_le_bytes());
    match value {
        Value::U8(value) => value.put(bytes),
        Value::I8(value) => value.put(bytes),
        Value::U16(value) => value.put(bytes),
        Value::I16(value) => value.put(bytes),
        Value::U32(value) => value.put(bytes),
        Value::I32(value) => value.put(bytes),
        Value::F32(value) => value.put(bytes),
        Value::Bool(value) => value.put(bytes),
        Value::String(value) => value.put(bytes),
        Value::Array(value) => value.put(bytes),
        Value::U64(value) => value.put(bytes),
        Value::I64(value) => value.put(bytes),
        Value::F64(value) => value.put(bytes),
    }
}
