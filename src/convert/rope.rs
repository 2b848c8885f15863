//! Rotary position embeddings: the ways in which configurations describe them, as one.

use serde_json::{Map, Value};

use super::{Configuration, ConvertError};

/// What a configuration says about rotary position embeddings.
///
/// Old files spread it over `rope_theta`, `rope_scaling` and the like; new ones (transformers 5) have
/// `rope_parameters`, with a part for each kind of layer where kinds differ.
#[derive(Debug, Clone)]
pub(super) struct Rope {
    /// Everything, for layers of full attention where kinds differ.
    pub(super) full: Configuration,
    /// What sliding-window layers have of their own.
    pub(super) sliding: Option<Configuration>,
    /// What is said for all kinds of layers.
    pub(super) common: Configuration,
}

const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

impl Rope {
    pub(super) fn of(configuration: &Configuration) -> Result<Self, ConvertError> {
        let key = if configuration.has("rope_parameters") { "rope_parameters" } else { "rope_scaling" };
        let mut values = match configuration.value(key) {
            None => Map::new(),
            Some(Value::Object(values)) => values.clone(),
            Some(other) => return Err(configuration.bad(key, other, "an object")),
        };
        if !values.contains_key(FULL) && !values.contains_key(SLIDING) {
            gather(configuration, &mut values);
        }
        let part = |key: &str| match values.get(key) {
            Some(Value::Object(part)) => {
                Some(Configuration::new("config.json, rope_parameters", part.clone()))
            }
            _ => None,
        };
        let (full, sliding) = (part(FULL), part(SLIDING));
        let common = Configuration::new("config.json, rope_parameters", values);
        Ok(Self { full: full.unwrap_or_else(|| common.clone()), sliding, common })
    }

    /// The kind of scaling, in lower case.
    pub(super) fn kind(&self) -> Result<Option<String>, ConvertError> {
        Ok(self.full.text_value("rope_type")?.map(str::to_lowercase))
    }

    /// The factors by which a Llama 3 model slows each frequency, if it does.
    ///
    /// Frequencies whose wavelength exceeds the original context are slowed by the full factor, those well
    /// inside it not at all, with a ramp between (llama.cpp, `conversion/llama.py`). All arithmetic is in
    /// single precision where PyTorch's is, which divides a number by a tensor as the product with the
    /// reciprocal.
    pub(super) fn llama3_factors(&self, head_size: u64) -> Result<Option<Vec<f32>>, ConvertError> {
        let Some(scaling) = self.llama3()? else { return Ok(None) };
        let Llama3 { factor, low, high, context, .. } = scaling;
        let ramp = |wavelength: f32| {
            let smooth = (wavelength.recip() * context as f32 - low as f32) / (high - low) as f32;
            1.0 / ((1.0 - smooth) / factor as f32 + smooth)
        };
        let factors = scaling.frequencies(head_size).map(|frequency| {
            let wavelength = frequency.recip() * (2.0 * std::f64::consts::PI) as f32;
            if wavelength < (context / high) as f32 {
                1.0
            } else if wavelength > (context / low) as f32 {
                factor as f32
            } else {
                ramp(wavelength)
            }
        });
        Ok(Some(factors.collect()))
    }

    /// The same for the first `rotated` dimensions of a head, with wavelengths in double precision
    /// (llama.cpp, `conversion/step3.py`).
    pub(super) fn precise_llama3_factors(&self, rotated: u64) -> Result<Option<Vec<f32>>, ConvertError> {
        let Some(scaling) = self.llama3()? else { return Ok(None) };
        let Llama3 { factor, low, high, context, .. } = scaling;
        let factors = scaling.frequencies(rotated).map(|frequency| {
            let wavelength = 2.0 * std::f64::consts::PI / f64::from(frequency);
            if wavelength < context / high {
                1.0
            } else if wavelength > context / low {
                factor as f32
            } else {
                let smooth = (context / wavelength - low) / (high - low);
                (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
            }
        });
        Ok(Some(factors.collect()))
    }

    fn llama3(&self) -> Result<Option<Llama3>, ConvertError> {
        if self.kind()?.as_deref() != Some("llama3") {
            return Ok(None);
        }
        let number = |key: &str, otherwise: f64| {
            self.full.optional_number(&[key]).map(|number| number.unwrap_or(otherwise))
        };
        Ok(Some(Llama3 {
            base: number("rope_theta", 10_000.0)?,
            factor: number("factor", 8.0)?,
            low: number("low_freq_factor", 1.0)?,
            high: number("high_freq_factor", 4.0)?,
            context: number("original_max_position_embeddings", 8192.0)?,
        }))
    }
}

/// How a Llama 3 model slows its frequencies.
struct Llama3 {
    base: f64,
    factor: f64,
    low: f64,
    high: f64,
    context: f64,
}

impl Llama3 {
    /// The frequencies of `size` dimensions, two of which share one.
    fn frequencies(&self, size: u64) -> impl Iterator<Item = f32> + use<> {
        let base = self.base as f32;
        (0..size).step_by(2).map(move |index| base.powf(index as f32 / size as f32).recip())
    }
}

/// Puts what older files state elsewhere under the names of today.
fn gather(configuration: &Configuration, values: &mut Map<String, Value>) {
    const GLOBAL_BASE: [&str; 5] =
        ["global_rope_theta", "rope_global_theta", "rope_theta_global", "rope_theta", "rotary_emb_base"];
    const LOCAL_BASE: [&str; 5] = [
        "local_rope_theta",
        "rope_local_theta",
        "rope_theta_local",
        "swa_rope_theta",
        "rope_local_base_freq",
    ];
    if let Some((_, base)) = configuration.first(&LOCAL_BASE) {
        let mut sliding = Map::new();
        sliding.insert("rope_theta".to_owned(), base.clone());
        values.insert(SLIDING.to_owned(), Value::Object(sliding));
    }
    // Where both names are there, the classes of the library go by the old one.
    if let Some(kind) = values.get("type").filter(|kind| !kind.is_null()).cloned() {
        values.insert("rope_type".to_owned(), kind);
    }
    let elsewhere: [(&str, &[&str]); 3] = [
        ("rope_theta", &GLOBAL_BASE),
        ("partial_rotary_factor", &["partial_rotary_factor", "rope_pct", "rope_percent"]),
        ("original_max_position_embeddings", &["original_max_position_embeddings"]),
    ];
    for (key, names) in elsewhere {
        if let Some((_, value)) = configuration.first(names) {
            values.entry(key).or_insert_with(|| value.clone());
        }
    }
}
