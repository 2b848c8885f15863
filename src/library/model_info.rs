//! `model_info` of `/api/show`: the metadata of a GGUF file as JSON.

use std::collections::BTreeMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::description::Description;
use crate::gguf::{ArrayRef, Gguf, ValueRef};
use crate::model::ModelConfig;

/// A value of `model_info`.
pub(crate) enum Info<'a> {
    /// As it lies in the file; arrays are `null` unless they were asked for.
    Stored(ValueRef<'a>, bool),
    Number(u64),
    Text(&'a str),
}

/// The metadata of a file, with the number of parameters, which no file states.
pub(crate) fn info<'a>(
    gguf: &Gguf<'a>,
    description: &Description,
    verbose: bool,
) -> BTreeMap<String, Info<'a>> {
    let mut values: BTreeMap<_, _> = gguf
        .entries()
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Info::Stored(*value, verbose)))
        .collect();
    values.insert("general.parameter_count".to_owned(), Info::Number(description.parameter_count));
    values
}

/// What the configuration tells about a model that lives elsewhere.
pub(crate) fn remote_info<'a>(config: &'a ModelConfig, values: &mut BTreeMap<String, Info<'a>>) {
    let family = &config.model_family;
    if family.is_empty() {
        return;
    }
    values.insert("general.architecture".to_owned(), Info::Text(family));
    if !config.base_name.is_empty() {
        values.insert("general.basename".to_owned(), Info::Text(&config.base_name));
    }
    for (key, number) in
        [("context_length", config.context_length), ("embedding_length", config.embedding_length)]
    {
        if number > 0 {
            values.insert(format!("{family}.{key}"), Info::Number(number));
        }
    }
}

impl Serialize for Info<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Stored(ValueRef::Array(_), false) => serializer.serialize_none(),
            Self::Stored(ValueRef::Array(array), true) => serialize_array(array, serializer),
            Self::Stored(scalar, _) => serialize_scalar(scalar, serializer),
        }
    }
}

fn serialize_array<S: Serializer>(array: &ArrayRef<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(array.len()))?;
    for element in array.iter() {
        sequence.serialize_element(&Info::Stored(element, true))?;
    }
    sequence.end()
}

/// Numbers that JSON does not have (NaN, infinities) become `null`.
fn serialize_scalar<S: Serializer>(value: &ValueRef<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    match *value {
        ValueRef::U8(value) => serializer.serialize_u8(value),
        ValueRef::I8(value) => serializer.serialize_i8(value),
        ValueRef::U16(value) => serializer.serialize_u16(value),
        ValueRef::I16(value) => serializer.serialize_i16(value),
        ValueRef::U32(value) => serializer.serialize_u32(value),
        ValueRef::I32(value) => serializer.serialize_i32(value),
        ValueRef::U64(value) => serializer.serialize_u64(value),
        ValueRef::I64(value) => serializer.serialize_i64(value),
        ValueRef::F32(value) => serializer.serialize_f32(value),
        ValueRef::F64(value) => serializer.serialize_f64(value),
        ValueRef::Bool(value) => serializer.serialize_bool(value),
        ValueRef::String(value) => serializer.serialize_str(value),
        ValueRef::Array(_) => serializer.serialize_none(),
    }
}
