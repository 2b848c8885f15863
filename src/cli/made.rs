//! What has been made, for the line that a command ends with.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::format::bytes;

/// A model that is there, as far as the server tells: Ollama's has no such routes.
pub(super) struct Made {
    model: String,
    digest: Option<String>,
    size: Option<u64>,
    bits_per_weight: Option<f64>,
}

impl Made {
    /// Asks what has become of a model.
    pub(super) async fn ask(client: &Client, model: &str) -> Self {
        let look = async |view: &str| client.get(&format!("/ollamake/v1/models/{model}/{view}")).await.ok();
        let manifest = look("manifest").await.unwrap_or_default();
        let layers = manifest["layers"].as_array();
        let size = |layers: &Vec<Value>| layers.iter().filter_map(|layer| layer["size"].as_u64()).sum();
        let tensors = look("tensors").await.unwrap_or_default();
        Self {
            model: manifest["model"].as_str().unwrap_or(model).to_owned(),
            digest: manifest["digest"].as_str().map(str::to_owned),
            size: layers.map(size),
            bits_per_weight: bits_per_weight(&tensors),
        }
    }

    /// The line for a person.
    pub(super) fn line(&self, took: Duration) -> String {
        let size = self.size.map(|size| format!("{}, ", bytes(size))).unwrap_or_default();
        let bits = self.bits_per_weight.map(|bits| format!("{bits:.2} bits per weight, "));
        format!("{}: {size}{}in {:.1} s", self.model, bits.unwrap_or_default(), took.as_secs_f64())
    }

    /// The same for a program.
    pub(super) fn answer(&self) -> Value {
        json!({
            "model": self.model,
            "digest": self.digest,
            "size": self.size,
            "bits_per_weight": self.bits_per_weight,
        })
    }
}

/// Bits that a weight takes on average, if there are weights.
fn bits_per_weight(answer: &Value) -> Option<f64> {
    let (mut elements, mut sum) = (0.0, 0.0);
    for tensor in answer["tensors"].as_array()? {
        let dimensions = tensor["shape"].as_array()?.iter().map(Value::as_f64);
        elements += dimensions.collect::<Option<Vec<_>>>()?.into_iter().product::<f64>();
        sum += tensor["bytes"].as_f64()?;
    }
    (elements > 0.0).then(|| sum * 8.0 / elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let tensors = json!({"tensors": [
            {"shape": [32, 2], "bytes": 128}, {"shape": [64], "bytes": 256},
        ]});
        assert_eq!(bits_per_weight(&tensors), Some(24.0));
        assert_eq!(bits_per_weight(&json!({"tensors": []})), None);
        let mut made = Made { model: "m:latest".to_owned(), digest: None, size: None, bits_per_weight: None };
        assert_eq!(made.line(Duration::from_millis(1240)), "m:latest: in 1.2 s");
        (made.size, made.bits_per_weight) = (Some(4_683_073_184), Some(4.8512));
        assert_eq!(made.line(Duration::from_secs(61)), "m:latest: 4.4 GiB, 4.85 bits per weight, in 61.0 s");
    }
}
