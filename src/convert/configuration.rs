//! Configuration values with the defaults of the model's class.
//!
//! A checkpoint's `config.json` often holds only what differs from the defaults of its class in the
//! `transformers` library (version 4.57). Those defaults are part of each family's declaration.

use serde_json::{Map, Value};

use super::ConvertError;

/// The key under which the title of the model card is kept: some models are told by their name alone.
pub(super) const TITLE: &str = "title of the model card";

/// The tasks for which a checkpoint has adapters beside the weights.
pub(super) const TASKS: &str = "lora_adaptations";

/// The key under which the configuration of the model is kept that a draft predicts tokens for.
pub(super) const TARGET: &str = "target";

/// The defaults of one configuration class.
#[derive(Debug)]
pub(super) struct Class {
    /// What `model_type` says.
    pub(super) model_type: &'static str,
    /// A JSON object of the values that a configuration of this type has when its file does not state them.
    pub(super) defaults: &'static str,
    /// Values that the class computes from others when they are absent or null.
    pub(super) derived: &'static [Derived],
    /// The classes of the parts, for models that see.
    pub(super) parts: &'static [Part],
}

impl Class {
    /// A class without parts.
    pub(super) const fn new(
        model_type: &'static str,
        derived: &'static [Derived],
        defaults: &'static str,
    ) -> Self {
        Self { model_type, defaults, derived, parts: &[] }
    }

    /// A class that is nothing but its parts.
    pub(super) const fn of_parts(model_type: &'static str, parts: &'static [Part]) -> Self {
        Self { model_type, defaults: "{}", derived: &[], parts }
    }
}

/// A value that a class computes from others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Derived {
    /// `num_key_value_heads` is `num_attention_heads`.
    KeyValueHeads,
    /// `head_dim` is `hidden_size` by `num_attention_heads`.
    HeadSize,
    /// The first key is the second.
    Same(&'static str, &'static str),
}

impl Derived {
    fn apply(self, values: &mut Map<String, Value>) {
        let number = |key: &str| values.get(key).and_then(Value::as_u64);
        let (key, value) = match self {
            Derived::KeyValueHeads => ("num_key_value_heads", number("num_attention_heads")),
            Derived::HeadSize => {
                let size = number("hidden_size").zip(number("num_attention_heads"));
                ("head_dim", size.and_then(|(size, heads)| size.checked_div(heads)))
            }
            Derived::Same(key, from) => (key, number(from)),
        };
        let absent = values.get(key).is_none_or(Value::is_null);
        if let Some(value) = value.filter(|_| absent) {
            values.insert(key.to_owned(), value.into());
        }
    }
}

/// A part of a composed configuration.
#[derive(Debug)]
pub(super) struct Part {
    /// The key that holds it.
    pub(super) key: &'static str,
    /// The class that it has when it does not name one.
    pub(super) class: &'static str,
    /// Where its values come from when the key is not there.
    pub(super) absent: Absent,
}

impl Part {
    /// A part whose values are the defaults of its class when it is not there.
    pub(super) const fn of(key: &'static str, class: &'static str) -> Self {
        Self { key, class, absent: Absent::Values("{}") }
    }
}

/// The values of a part that is not there.
#[derive(Debug)]
pub(super) enum Absent {
    /// These, a JSON object, and the defaults of the part's class.
    Values(&'static str),
    /// These too, which stand beneath the values of a part that is there as well.
    Beneath(&'static str),
    /// Those of the whole, which older files do not divide.
    Whole,
}

/// A configuration, or the part of one that describes the text model or an encoder.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Configuration {
    /// What error messages call it.
    label: String,
    values: Map<String, Value>,
}

impl Configuration {
    /// Values as they are, without defaults.
    pub(super) fn new(label: &str, values: Map<String, Value>) -> Self {
        Self { label: label.to_owned(), values }
    }

    /// `config.json` with the defaults of its class and its parts' classes.
    pub(super) fn with_defaults(
        label: &str,
        values: Map<String, Value>,
        classes: &[&'static [Class]],
    ) -> Self {
        Self::new(label, complete(values, classes))
    }

    /// The text model: the values of `text_config` over those around it.
    pub(super) fn text(&self) -> Self {
        let mut values = self.values.clone();
        values.extend(self.text_part().cloned().unwrap_or_default());
        Self::new(&self.label, values)
    }

    /// The class of the text model, where the part that describes it names one.
    pub(super) fn text_class(&self) -> Option<&str> {
        self.text_part().and_then(class_of_values)
    }

    /// The class that the configuration itself names.
    pub(super) fn own_class(&self) -> Option<&str> {
        class_of_values(&self.values)
    }

    /// What is said of the text model, by the names under which families keep it. Where there are several,
    /// the first of these counts (llama.cpp, `conversion/base.py`, `load_hparams`).
    fn text_part(&self) -> Option<&Map<String, Value>> {
        let thinker = || self.values.get("thinker_config")?.get("text_config")?.as_object();
        let part = |key: &str| self.values.get(key)?.as_object();
        let before = ["lfm", "language_config"].into_iter().find_map(part);
        let after = || ["lm_config", "llm_config", "text_config"].into_iter().find_map(part);
        before.or_else(thinker).or_else(after)
    }

    /// A part that is an object of its own.
    pub(super) fn part(&self, key: &str) -> Option<Self> {
        let Value::Object(values) = self.values.get(key)? else { return None };
        Some(Self::new(&format!("{}, {key}", self.label), values.clone()))
    }

    /// Takes the values of a part over those around it, if it is there.
    pub(super) fn take_over(&mut self, key: &str) {
        if let Some(Value::Object(values)) = self.values.get(key).cloned() {
            self.values.extend(values);
        }
    }

    /// Keeps another configuration as a part.
    pub(super) fn set_part(&mut self, key: &str, part: Configuration) {
        self.values.insert(key.to_owned(), Value::Object(part.values));
    }

    /// A list of parts that are objects of their own.
    pub(super) fn sections(&self, key: &str) -> Result<Vec<Self>, ConvertError> {
        let value = self.value(key).ok_or_else(|| self.missing(&[key]))?;
        let objects: Option<Vec<_>> =
            value.as_array().and_then(|items| items.iter().map(Value::as_object).collect());
        let objects = objects.ok_or_else(|| self.bad(key, value, "a list of objects"))?;
        let label = format!("{}, {key}", self.label);
        Ok(objects.into_iter().map(|values| Self::new(&label, values.clone())).collect())
    }

    /// Whether a key is there, be it with the value null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value of a key that is there and not null.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// Replaces a value: some families mean another thing by a key than the rest.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// The first of these keys that is there at all. The reference converter looks no further even where its
    /// value is null.
    pub(super) fn first<'k>(&self, keys: &[&'k str]) -> Option<(&'k str, &Value)> {
        let key = keys.iter().find(|key| self.has(key))?;
        self.value(key).map(|value| (*key, value))
    }

    /// A whole number, if there is one.
    pub(super) fn optional_integer(&self, keys: &[&str]) -> Result<Option<u64>, ConvertError> {
        let Some((key, value)) = self.first(keys) else { return Ok(None) };
        self.as_integer(key, value).map(Some)
    }

    /// A whole number.
    pub(super) fn integer(&self, key: &str) -> Result<u64, ConvertError> {
        self.integer_of(&[key])
    }

    /// A whole number under the first of these keys.
    pub(super) fn integer_of(&self, keys: &[&str]) -> Result<u64, ConvertError> {
        self.keyed_integer(keys).map(|(_, number)| number)
    }

    /// A whole number under the first of these keys, and which one that is.
    pub(super) fn keyed_integer<'k>(&self, keys: &[&'k str]) -> Result<(&'k str, u64), ConvertError> {
        let (key, value) = self.first(keys).ok_or_else(|| self.missing(keys))?;
        Ok((key, self.as_integer(key, value)?))
    }

    /// A number, if there is one.
    pub(super) fn optional_number(&self, keys: &[&str]) -> Result<Option<f64>, ConvertError> {
        let Some((key, value)) = self.first(keys) else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| self.bad(key, value, "a number"))
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Result<f64, ConvertError> {
        self.number_of(&[key])
    }

    /// A number under the first of these keys.
    pub(super) fn number_of(&self, keys: &[&str]) -> Result<f64, ConvertError> {
        self.optional_number(keys)?.ok_or_else(|| self.missing(keys))
    }

    /// A truth value; false where there is none.
    pub(super) fn flag(&self, key: &str) -> Result<bool, ConvertError> {
        Ok(self.optional_flag(key)?.unwrap_or(false))
    }

    /// A truth value, if there is one.
    pub(super) fn optional_flag(&self, key: &str) -> Result<Option<bool>, ConvertError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.bad(key, value, "true or false"))
    }

    /// A string, if there is one.
    pub(super) fn text_value(&self, key: &str) -> Result<Option<&str>, ConvertError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.bad(key, value, "a string"))
    }

    /// A list of strings, if there is one.
    pub(super) fn strings(&self, key: &str) -> Result<Option<Vec<&str>>, ConvertError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let strings = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        strings.map(Some).ok_or_else(|| self.bad(key, value, "a list of strings"))
    }

    /// A list of numbers, if there is one.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>, ConvertError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let numbers = value.as_array().and_then(|items| items.iter().map(Value::as_f64).collect());
        numbers.map(Some).ok_or_else(|| self.bad(key, value, "a list of numbers"))
    }

    /// A list of limits, one a layer, if there is one; null, and what is missing at the end, is no limit.
    pub(super) fn limits(&self, key: &str, layers: u64) -> Result<Option<Vec<f64>>, ConvertError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let limit = |limit: &Value| if limit.is_null() { Some(0.0) } else { limit.as_f64() };
        let limits = value.as_array().and_then(|items| items.iter().map(limit).collect::<Option<Vec<f64>>>());
        let mut limits = limits.ok_or_else(|| self.bad(key, value, "a list of numbers"))?;
        limits.resize(usize::try_from(layers).unwrap_or(usize::MAX), 0.0);
        Ok(Some(limits))
    }

    /// A list of whole numbers, if there is one.
    pub(super) fn integers(&self, key: &str) -> Result<Option<Vec<u64>>, ConvertError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| self.bad(key, value, "a list of whole numbers"))?;
        items.iter().map(|item| self.as_integer(key, item)).collect::<Result<_, _>>().map(Some)
    }

    /// The error for a value that this family cannot work with.
    pub(super) fn bad(&self, key: &str, value: &impl std::fmt::Display, expected: &str) -> ConvertError {
        ConvertError::bad_value(&self.label, key, value, expected)
    }

    /// The error for a key that is not there.
    pub(super) fn missing(&self, keys: &[&str]) -> ConvertError {
        ConvertError::MissingKey { file: self.label.clone(), key: keys.join(" or ") }
    }

    /// The whole number that a value is. None has more than 32 bits: model files hold no larger ones.
    pub(super) fn as_integer(&self, key: &str, value: &Value) -> Result<u64, ConvertError> {
        let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
        let number = value.as_u64().or_else(|| value.as_f64().and_then(whole));
        let number = number.filter(|number| *number <= u32::MAX.into());
        number.ok_or_else(|| self.bad(key, value, "a whole number below 2^32"))
    }
}

/// The first of the classes that a configuration names.
fn class_of_values(values: &Map<String, Value>) -> Option<&str> {
    values.get("architectures")?.get(0)?.as_str()
}

/// The class of a type, if any family declares it.
fn class_of(classes: &[&'static [Class]], model_type: &str) -> Option<&'static Class> {
    classes.iter().flat_map(|declared| declared.iter()).find(|class| class.model_type == model_type)
}

/// Defaults under the values, in the whole and in its parts.
fn complete(values: Map<String, Value>, classes: &[&'static [Class]]) -> Map<String, Value> {
    let class = values.get("model_type").and_then(Value::as_str).and_then(|name| class_of(classes, name));
    match class {
        Some(class) => complete_as(class, values, classes),
        None => values,
    }
}

fn complete_as(
    class: &Class,
    values: Map<String, Value>,
    classes: &[&'static [Class]],
) -> Map<String, Value> {
    let mut complete = defaults(class.defaults);
    // An explicit null stays: the constructors of the classes keep it too.
    complete.extend(values);
    for part in class.parts {
        let given = match (complete.remove(part.key), &part.absent) {
            (Some(Value::Object(given)), Absent::Beneath(json)) => {
                let mut beneath = defaults(json);
                beneath.extend(given);
                beneath
            }
            (Some(Value::Object(given)), _) => given,
            (_, Absent::Values(json) | Absent::Beneath(json)) => defaults(json),
            (_, Absent::Whole) => without_type(complete.clone()),
        };
        let named = given.get("model_type").and_then(Value::as_str).and_then(|name| class_of(classes, name));
        // Some files call a part by the type of the whole.
        let named = named.filter(|class| class.parts.is_empty());
        let filled = match named.or_else(|| class_of(classes, part.class)) {
            Some(class) => complete_as(class, given, classes),
            None => given,
        };
        complete.insert(part.key.to_owned(), Value::Object(filled));
    }
    for derived in class.derived {
        derived.apply(&mut complete);
    }
    complete
}

/// Values of a whole that are to be those of its part, which is of another class.
fn without_type(mut values: Map<String, Value>) -> Map<String, Value> {
    values.remove("model_type");
    values
}

/// Parses defaults; a declaration that is not a JSON object would have failed the unit test of all families.
fn defaults(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}
