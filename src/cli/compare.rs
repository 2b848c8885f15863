//! `ollamake compare A B`

use clap::Args;
use serde_json::Value;

use super::client::Client;
use super::format::{self, bytes};
use super::standard_output::{print, print_line};
use super::{CliError, Surroundings};

/// What differs between two models: metadata, and the types, sizes and errors of tensors.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// One model
    a: String,
    /// The other model
    b: String,
    /// Measure how far each tensor of B is from that of A, which reads all of both
    #[arg(long)]
    quality: bool,
    /// Show also the tensors that are stored alike
    #[arg(short, long)]
    verbose: bool,
    /// Print the answer of /ollamake/v1/compare
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("a", &self.a).append_pair("b", &self.b);
        if self.quality {
            query.append_pair("quality", "true");
        }
        let path = format!("/ollamake/v1/compare?{}", query.finish());
        let answer = Client::connect_to_look(surroundings).await?.get(&path).await?;
        match self.json {
            true => print_line(&answer)?,
            false => print(self.describe(&answer))?,
        }
        Ok(())
    }

    fn describe(&self, answer: &Value) -> String {
        let side = |side: &str, name: &str| {
            let found = &answer[side];
            [name.to_owned(), text(&found["model"]), size(&found["tensor_bytes"])]
        };
        let mut all = format::table(&[side("a", "A"), side("b", "B")]);
        let metadata: Vec<_> = list(answer, "metadata")
            .map(|pair| [text(&pair["name"]), value(&pair["a"]), value(&pair["b"])])
            .collect();
        if !metadata.is_empty() {
            all.push('\n');
            all.push_str(&format::table(&[&[heading("KEY")][..], &metadata].concat()));
        }
        let tensors: Vec<_> = list(answer, "tensors")
            .filter(|tensor| {
                self.verbose || tensor["error"].as_f64() > Some(0.0) || tensor["a"] != tensor["b"]
            })
            .map(|tensor| {
                let error = tensor["error"].as_f64().map(|error| format!("{:.3} %", error * 100.0));
                let [a, b] = ["a", "b"].map(|side| stored(&tensor[side]));
                [text(&tensor["name"]), a, b, error.unwrap_or_default()]
            })
            .collect();
        if !tensors.is_empty() {
            let [name, a, b] = heading("TENSOR");
            let error = if self.quality { "ERROR" } else { "" };
            all.push('\n');
            all.push_str(&format::table(&[&[[name, a, b, error.to_owned()]][..], &tensors].concat()));
        }
        if metadata.is_empty() && tensors.is_empty() {
            all.push_str("nothing differs\n");
        }
        all
    }
}

fn heading(what: &str) -> [String; 3] {
    [what, "A", "B"].map(str::to_owned)
}

fn list<'v>(answer: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    answer[field].as_array().into_iter().flatten()
}

/// A text without quotation marks; other values as they are.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn size(value: &Value) -> String {
    bytes(value.as_u64().unwrap_or(0))
}

/// A value of the metadata, short enough for a column.
fn value(pair: &Value) -> String {
    const WIDTH: usize = 40;
    if pair.is_null() {
        return "-".to_owned();
    }
    let shown: String = text(&pair["value"]).chars().take(WIDTH).collect();
    match pair["length"].as_u64() {
        Some(length) => format!("{length} of {}", text(&pair["type"])),
        None => shown.replace('\n', " "),
    }
}

/// How a tensor is stored.
fn stored(tensor: &Value) -> String {
    match tensor.is_null() {
        true => "-".to_owned(),
        false => format!("{} {} {}", text(&tensor["type"]), tensor["shape"], size(&tensor["bytes"])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown_unless_all_is_asked_for() {
        let stored = |kind: &str| json!({"type": kind, "shape": [32, 4], "bytes": 256});
        let answer = json!({
            "a": {"model": "m:latest", "tensor_bytes": 1024},
            "b": {"model": "n:latest", "tensor_bytes": 512},
            "metadata": [{"name": "general.name", "a": {"type": "str", "value": "M"}, "b": null}],
            "tensors": [
                {"name": "same", "a": stored("F32"), "b": stored("F32")},
                {"name": "other", "a": stored("F16"), "b": stored("Q8_0"), "error": 0.0051},
            ],
        });
        let names = ("a".to_owned(), "b".to_owned());
        let command =
            |verbose| Compare { a: names.0.clone(), b: names.1.clone(), quality: true, verbose, json: false };
        let short = command(false).describe(&answer);
        assert!(short.contains("F16 [32,4] 256 B    Q8_0 [32,4] 256 B    0.510 %"), "{short}");
        assert!(short.contains("general.name    M    -"), "{short}");
        assert!(!short.contains("same"), "{short}");
        assert!(command(true).describe(&answer).contains("same"));
    }
}
