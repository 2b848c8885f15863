//! What the files of a checkpoint say of its quantization.

use serde_json::Value;

use super::super::files::Files;
use super::super::{Configuration, ConvertError};

/// What a checkpoint says of its quantization: `quantization_config` in config.json, under the names that
/// programs have for it, or a file of its own.
pub(super) struct Settings {
    /// The method in lower case; empty where nothing names one.
    pub(super) method: String,
    values: Option<Configuration>,
    /// What ModelOpt says in a file of its own, which goes before config.json where that does not say it all.
    exported: Option<Configuration>,
}

/// Keys of config.json under which settings stand, and the method that each means where it names none.
const KEYS: [(&str, &str); 3] =
    [("quantization_config", ""), ("compression_config", "compressed-tensors"), ("quantization", "mlx")];

/// The file that ModelOpt writes.
const EXPORTED: &str = "hf_quant_config.json";

/// Files that hold them, the key within each, and the method that each means where it names none.
const FILES: [(&str, Option<&str>, &str); 3] = [
    (EXPORTED, Some("quantization"), "modelopt"),
    ("quantize_config.json", None, "gptq"),
    ("quant_config.json", None, "awq"),
];

impl Settings {
    pub(super) fn read(configuration: &Configuration, files: Files<'_>) -> Result<Self, ConvertError> {
        let mut settings = Self::stated(configuration, files)?;
        if let Some(Value::Object(values)) = files.json(EXPORTED)? {
            settings.exported = Configuration::new(EXPORTED, values).part("quantization");
        }
        Ok(settings)
    }

    fn stated(configuration: &Configuration, files: Files<'_>) -> Result<Self, ConvertError> {
        let stated = KEYS.iter().find_map(|(key, method)| Some((configuration.part(key)?, *method)));
        if let Some((values, method)) = stated {
            // MLX writes the same object under one or two of the keys, and names no method.
            let is_mlx = values.has("bits") && values.has("group_size") && !values.has("desc_act");
            return Self::of(values, if is_mlx { "mlx" } else { method });
        }
        for (file, key, method) in FILES {
            let Some(Value::Object(values)) = files.json(file)? else { continue };
            let whole = Configuration::new(file, values);
            if let Some(values) = key.map_or_else(|| Some(whole.clone()), |key| whole.part(key)) {
                return Self::of(values, method);
            }
        }
        Ok(Self { method: String::new(), values: None, exported: None })
    }

    fn of(values: Configuration, method: &str) -> Result<Self, ConvertError> {
        let method = values.text_value("quant_method")?.unwrap_or(method).to_lowercase();
        Ok(Self { method, values: Some(values), exported: None })
    }

    /// The settings themselves.
    ///
    /// # Errors
    ///
    /// There are none, and a weight cannot be understood without `key`.
    pub(super) fn values(&self, key: &str) -> Result<&Configuration, ConvertError> {
        self.values.as_ref().ok_or_else(|| ConvertError::MissingKey {
            file: "config.json, quantization_config".to_owned(),
            key: key.to_owned(),
        })
    }

    /// The settings themselves, if there are any.
    pub(super) fn optional(&self) -> Option<&Configuration> {
        self.values.as_ref()
    }

    /// ModelOpt's algorithm for a module: its own, that of the nearest module around it, or that of all.
    pub(super) fn algorithm_of(&self, module: &str) -> Option<&str> {
        const KEYS: [&str; 2] = ["quant_algo", "quantized_layers"];
        let stated = self.values.as_ref().filter(|values| KEYS.iter().all(|key| values.value(key).is_some()));
        let values = stated.or(self.exported.as_ref()).or(self.values.as_ref())?;
        let layers = values.value("quantized_layers").and_then(Value::as_object);
        let mut name = module;
        loop {
            if let Some(layer) = layers.and_then(|layers| layers.get(name)) {
                return layer.get("quant_algo").and_then(Value::as_str);
            }
            match name.rsplit_once('.') {
                Some((around, _)) => name = around,
                None => return values.value("quant_algo").and_then(Value::as_str),
            }
        }
    }

    /// A text, if it is there.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, ConvertError> {
        self.values.as_ref().map_or(Ok(None), |values| values.text_value(key))
    }

    /// The bits of a code, under the first of these keys.
    pub(super) fn bits(&self, keys: &[&str], allowed: &[u64]) -> Result<u32, ConvertError> {
        let values = self.values(keys[0])?;
        let (key, bits) = values.keyed_integer(keys)?;
        match allowed.contains(&bits) {
            true => Ok(bits as u32),
            false => Err(values.bad(key, &bits, &format!("one of {allowed:?}"))),
        }
    }

    /// How many inputs share a scale, under the first of these keys: a positive number, or `None` for -1,
    /// which means all of them.
    pub(super) fn group_size(&self, keys: &[&str]) -> Result<Option<u64>, ConvertError> {
        let values = self.values(keys[0])?;
        let (key, value) = values.first(keys).ok_or_else(|| values.missing(keys))?;
        if value.as_i64() == Some(-1) {
            return Ok(None);
        }
        match values.as_integer(key, value)? {
            0 => Err(values.bad(key, value, "a positive number, or -1")),
            size => Ok(Some(size)),
        }
    }
}
