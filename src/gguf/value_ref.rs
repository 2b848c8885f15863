//! Metadata values as they lie in a file: nothing is copied until it is asked for.

use super::cursor::Cursor;
use super::value::{Array, Value, ValueType};
use super::{GgufError, MAX_KEY_BYTES, Strings, strings};

/// One metadata value of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the variants are those of `Value`")]
pub enum ValueRef<'a> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(&'a str),
    Array(ArrayRef<'a>),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array of a file: its checked bytes. Elements are decoded as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArrayRef<'a> {
    element_type: ValueType,
    count: usize,
    bytes: &'a [u8],
}

/// The first `N` bytes of `bytes`, which the caller has checked to be there.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

impl<'a> ValueRef<'a> {
    /// Reads the value of `key`.
    pub(super) fn read(cursor: &mut Cursor<'a>, key: &str) -> Result<Self, GgufError> {
        let what = || format!("the value of key {key:?}");
        let value_type = read_type(cursor, key)?;
        if value_type == ValueType::Array {
            return ArrayRef::read(cursor, key).map(ValueRef::Array);
        }
        let Some(size) = value_type.size() else {
            return cursor.string(what).map(ValueRef::String);
        };
        let offset = cursor.offset();
        let bytes = cursor.take(size as u64, what)?;
        if value_type == ValueType::Bool {
            check_bools(bytes, offset, key)?;
        }
        Ok(Self::decode(value_type, bytes))
    }

    /// The value of fixed size that checked `bytes` begin with.
    fn decode(value_type: ValueType, bytes: &'a [u8]) -> Self {
        match value_type {
            ValueType::U8 => ValueRef::U8(bytes[0]),
            ValueType::I8 => ValueRef::I8(bytes[0].cast_signed()),
            ValueType::Bool => ValueRef::Bool(bytes[0] != 0),
            ValueType::U16 => ValueRef::U16(u16::from_le_bytes(fixed(bytes))),
            ValueType::I16 => ValueRef::I16(i16::from_le_bytes(fixed(bytes))),
            ValueType::U32 => ValueRef::U32(u32::from_le_bytes(fixed(bytes))),
            ValueType::I32 => ValueRef::I32(i32::from_le_bytes(fixed(bytes))),
            ValueType::F32 => ValueRef::F32(f32::from_le_bytes(fixed(bytes))),
            ValueType::U64 => ValueRef::U64(u64::from_le_bytes(fixed(bytes))),
            ValueType::I64 => ValueRef::I64(i64::from_le_bytes(fixed(bytes))),
            ValueType::F64 => ValueRef::F64(f64::from_le_bytes(fixed(bytes))),
            ValueType::String | ValueType::Array => unreachable!("strings and arrays have no fixed size"),
        }
    }

    /// The type of the value.
    pub fn value_type(&self) -> ValueType {
        match self {
            ValueRef::U8(_) => ValueType::U8,
            ValueRef::I8(_) => ValueType::I8,
            ValueRef::U16(_) => ValueType::U16,
            ValueRef::I16(_) => ValueType::I16,
            ValueRef::U32(_) => ValueType::U32,
            ValueRef::I32(_) => ValueType::I32,
            ValueRef::F32(_) => ValueType::F32,
            ValueRef::Bool(_) => ValueType::Bool,
            ValueRef::String(_) => ValueType::String,
            ValueRef::Array(_) => ValueType::Array,
            ValueRef::U64(_) => ValueType::U64,
            ValueRef::I64(_) => ValueType::I64,
            ValueRef::F64(_) => ValueType::F64,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&'a str> {
        match *self {
            ValueRef::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<ArrayRef<'a>> {
        match *self {
            ValueRef::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The value of an integer of any width that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            ValueRef::String(_) | ValueRef::Array(_) => None,
            scalar => scalar.to_owned().as_u64(),
        }
    }

    /// A copy that outlives the file.
    pub fn to_owned(&self) -> Value {
        match *self {
            ValueRef::U8(value) => Value::U8(value),
            ValueRef::I8(value) => Value::I8(value),
            ValueRef::U16(value) => Value::U16(value),
            ValueRef::I16(value) => Value::I16(value),
            ValueRef::U32(value) => Value::U32(value),
            ValueRef::I32(value) => Value::I32(value),
            ValueRef::F32(value) => Value::F32(value),
            ValueRef::Bool(value) => Value::Bool(value),
            ValueRef::String(value) => Value::String(value.to_owned()),
            ValueRef::Array(value) => Value::Array(value.to_owned()),
            ValueRef::U64(value) => Value::U64(value),
            ValueRef::I64(value) => Value::I64(value),
            ValueRef::F64(value) => Value::F64(value),
        }
    }
}

impl<'a> ArrayRef<'a> {
    /// Reads the array of `key`, whose element type comes next. No allocation, whatever the count.
    fn read(cursor: &mut Cursor<'a>, key: &str) -> Result<Self, GgufError> {
        let what = || format!("the array of key {key:?}");
        let type_offset = cursor.offset();
        let element_type = read_type(cursor, key)?;
        if element_type == ValueType::Array {
            return Err(GgufError::NestedArray { key: key.to_owned(), offset: type_offset });
        }
        let count = cursor.u64(what)?;
        let offset = cursor.offset();
        // A string takes eight bytes at least; more of them than fit are refused before the walk.
        let least = count.checked_mul(element_type.size().unwrap_or(8) as u64);
        let remaining = cursor.remaining();
        let Some(least) = least.filter(|&least| least <= remaining) else {
            let needed = least.unwrap_or(u64::MAX);
            return Err(GgufError::Truncated { what: what(), offset, remaining, needed });
        };
        let bytes = if element_type == ValueType::String {
            let start = cursor.position();
            for index in 0..count {
                cursor.string(|| format!("element {index} of the array of key {key:?}"))?;
            }
            cursor.since(start)
        } else {
            cursor.take(least, what)?
        };
        if element_type == ValueType::Bool {
            check_bools(bytes, offset, key)?;
        }
        // The count is at most the number of bytes that are in memory.
        Ok(Self { element_type, count: count as usize, bytes })
    }

    /// The type of the elements.
    pub fn element_type(&self) -> ValueType {
        self.element_type
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements exactly as they lie in the file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements one after the other.
    pub fn iter(&self) -> impl Iterator<Item = ValueRef<'a>> + use<'a> {
        let element_type = self.element_type;
        let mut rest = self.bytes;
        (0..self.count).map(move |_| match element_type.size() {
            Some(size) => {
                let (element, after) = rest.split_at(size);
                rest = after;
                ValueRef::decode(element_type, element)
            }
            None => {
                let (text, after) = strings::split(rest);
                rest = after;
                ValueRef::String(text)
            }
        })
    }

    /// The elements of an array of strings; none for another type.
    pub fn strings(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.iter().filter_map(|element| element.as_str())
    }

    /// A copy that outlives the file.
    pub fn to_owned(&self) -> Array {
        fn all<const N: usize, T>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks().0.iter().map(|&chunk| decode(chunk)).collect()
        }
        let bytes = self.bytes;
        match self.element_type {
            ValueType::U8 => Array::U8(bytes.to_vec()),
            ValueType::I8 => Array::I8(all(bytes, i8::from_le_bytes)),
            ValueType::Bool => Array::Bool(all(bytes, |[byte]| byte != 0)),
            ValueType::U16 => Array::U16(all(bytes, u16::from_le_bytes)),
            ValueType::I16 => Array::I16(all(bytes, i16::from_le_bytes)),
            ValueType::U32 => Array::U32(all(bytes, u32::from_le_bytes)),
            ValueType::I32 => Array::I32(all(bytes, i32::from_le_bytes)),
            ValueType::F32 => Array::F32(all(bytes, f32::from_le_bytes)),
            ValueType::U64 => Array::U64(all(bytes, u64::from_le_bytes)),
            ValueType::I64 => Array::I64(all(bytes, i64::from_le_bytes)),
            ValueType::F64 => Array::F64(all(bytes, f64::from_le_bytes)),
            ValueType::String => Array::String(Strings::from_checked(self.count, bytes)),
            ValueType::Array => unreachable!("arrays of arrays are refused when read"),
        }
    }
}

fn read_type(cursor: &mut Cursor<'_>, key: &str) -> Result<ValueType, GgufError> {
    let offset = cursor.offset();
    let id = cursor.u32(|| format!("the value type of key {key:?}"))?;
    ValueType::from_id(id).ok_or_else(|| GgufError::UnknownValueType { key: key.to_owned(), offset, got: id })
}

fn check_bools(bytes: &[u8], offset: u64, key: &str) -> Result<(), GgufError> {
    match bytes.iter().position(|&byte| byte > 1) {
        None => Ok(()),
        Some(index) => {
            Err(GgufError::Bool { key: key.to_owned(), offset: offset + index as u64, got: bytes[index] })
        }
    }
}

/// Reads a key: not empty, not longer than the format permits.
pub(super) fn read_key<'a>(cursor: &mut Cursor<'a>, index: u64) -> Result<&'a str, GgufError> {
    let offset = cursor.offset();
    let key = cursor.string(|| format!("key {index}"))?;
    match key.len() {
        0 => Err(GgufError::EmptyKey { offset }),
        length if length > MAX_KEY_BYTES => Err(GgufError::KeyLength { offset, got: length as u64 }),
        _ => Ok(key),
    }
}
