//! What the settings of an adapter say: `adapter_config.json` of PEFT and of MLX.

use regex::RegexBuilder;
use serde_json::Value;

use super::files::Files;
use super::{Configuration, ConvertError};

/// The file.
const FILE: &str = "adapter_config.json";

/// The library that an adapter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    Peft,
    /// Its matrices lie inputs first.
    Mlx,
}

/// The settings.
pub(super) struct Settings {
    pub(super) values: Configuration,
    pub(super) library: Library,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// They are missing, or those of an adapter of another kind than LoRA.
    pub(super) fn read(files: Files<'_>) -> Result<Self, ConvertError> {
        let values = match files.json(FILE)? {
            Some(Value::Object(values)) => Configuration::new(FILE, values),
            Some(_) => return Err(refuse(format!("{FILE} is not an object"))),
            None => {
                return Err(ConvertError::MissingFile {
                    file: FILE,
                    purpose: "it says how the adapter is applied",
                });
            }
        };
        let is_mlx = values.has("lora_parameters") || values.has("fine_tune_type");
        let settings = Self { values, library: if is_mlx { Library::Mlx } else { Library::Peft } };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), ConvertError> {
        let values = &self.values;
        match values.text_value("peft_type")? {
            None | Some("LORA") => {}
            Some(other) => return Err(refuse(format!("its type is {other}, and only LORA is supported"))),
        }
        match values.text_value("fine_tune_type")? {
            None | Some("lora" | "dora") => {}
            Some(other) => {
                let reason =
                    format!("MLX saved it as {other}, which are whole weights; give the fused model");
                return Err(refuse(reason));
            }
        }
        let tokens = values.value("alora_invocation_tokens").and_then(Value::as_array);
        let invoked = values.text_value("invocation_string")?.is_some_and(|text| !text.is_empty());
        if invoked && tokens.is_none_or(Vec::is_empty) {
            let reason =
                "an invocation_string alone does not say when it begins; add alora_invocation_tokens";
            return Err(refuse(reason.to_owned()));
        }
        if values.value("layer_replication").is_some() {
            let reason =
                "it is for a model whose layers are repeated (layer_replication), which is not supported";
            return Err(refuse(reason.to_owned()));
        }
        if values.value("target_parameters").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            let reason =
                "it changes parameters that are not modules (target_parameters), which is not supported";
            return Err(refuse(reason.to_owned()));
        }
        Ok(())
    }

    /// What the product of the factors of a module is multiplied by.
    pub(super) fn scale(&self, module: &str, rank: u64) -> Result<f64, ConvertError> {
        if self.library == Library::Mlx {
            return self.mlx_parameters()?.number("scale");
        }
        let alpha = match self.of_pattern("alpha_pattern", module)? {
            Some(value) => {
                value.as_f64().ok_or_else(|| self.values.bad("alpha_pattern", value, "numbers"))?
            }
            None => self.values.number("lora_alpha")?,
        };
        let rank = rank as f64;
        // Rank-stabilised adapters divide by the root of the rank.
        Ok(if self.values.flag("use_rslora")? { alpha / rank.sqrt() } else { alpha / rank })
    }

    /// The number that the runtime divides by a change's rank to scale it, as it is right for most changes.
    pub(super) fn alpha(&self) -> Result<f32, ConvertError> {
        if self.library == Library::Mlx {
            let parameters = self.mlx_parameters()?;
            return Ok((parameters.number("scale")? * parameters.number("rank")?) as f32);
        }
        let alpha = self.values.number("lora_alpha")?;
        let root = if self.values.flag("use_rslora")? { self.values.number("r")?.sqrt() } else { 1.0 };
        Ok((alpha * root) as f32)
    }

    /// Whether changes come with the lengths of outputs (DoRA).
    pub(super) fn has_lengths(&self) -> Result<bool, ConvertError> {
        Ok(self.values.flag("use_dora")? || self.values.text_value("fine_tune_type")? == Some("dora"))
    }

    fn mlx_parameters(&self) -> Result<Configuration, ConvertError> {
        self.values.part("lora_parameters").ok_or_else(|| self.values.missing(&["lora_parameters"]))
    }

    /// The value of the first pattern that fits a module: the end of its name, after a dot (PEFT,
    /// `get_pattern_key`).
    fn of_pattern(&self, key: &str, module: &str) -> Result<Option<&Value>, ConvertError> {
        /// What a pattern may take, in bytes.
        const LARGEST: usize = 1 << 20;
        let Some(patterns) = self.values.value(key).and_then(Value::as_object) else { return Ok(None) };
        for (pattern, value) in patterns {
            let whole = format!(r"^(?:.*\.)?(?:{pattern})$");
            let regex = RegexBuilder::new(&whole).size_limit(LARGEST).build();
            let regex = regex.map_err(|_| self.values.bad(key, pattern, "a regular expression"))?;
            if regex.is_match(module) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// The error that an adapter cannot be taken.
pub(super) fn refuse(reason: String) -> ConvertError {
    ConvertError::Adapter { reason }
}
