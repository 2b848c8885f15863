//! `ollamake show MODEL`

use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::error::parse_name;
use super::format::{self, text};
use super::standard_output::{print, print_line};
use super::{CliError, Surroundings};
use crate::model::human_count;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The model: [host/][namespace/]model[:tag]
    model: String,
    #[command(flatten)]
    part: Part,
    /// Show all metadata and tensors as well
    #[arg(short, long)]
    verbose: bool,
    /// Print the answer of /api/show
    #[arg(long, conflicts_with = "Part")]
    json: bool,
}

/// At most one: print only that part, as it is.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Part {
    /// Print the licenses
    #[arg(long)]
    license: bool,
    /// Print a Modelfile that makes the same model again
    #[arg(long)]
    modelfile: bool,
    /// Print the parameters
    #[arg(long)]
    parameters: bool,
    /// Print the system message
    #[arg(long)]
    system: bool,
    /// Print the template
    #[arg(long)]
    template: bool,
}

impl Part {
    fn field(&self) -> Option<&'static str> {
        let parts = [
            (self.license, "license"),
            (self.modelfile, "modelfile"),
            (self.parameters, "parameters"),
            (self.system, "system"),
            (self.template, "template"),
        ];
        parts.into_iter().find(|(wanted, _)| *wanted).map(|(_, field)| field)
    }
}

impl Show {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        parse_name(&self.model)?;
        let body = json!({"model": self.model, "verbose": self.verbose});
        let answer = Client::connect_to_look(surroundings).await?.post("/api/show", &body).await?;
        if self.json {
            return Ok(print_line(&answer)?);
        }
        match self.part.field() {
            Some(field) => {
                let end = if ["system", "template"].contains(&field) { "" } else { "\n" };
                print(format_args!("{}{end}", answer[field].as_str().unwrap_or_default()))?;
            }
            None => print(describe(&answer, self.verbose))?,
        }
        Ok(())
    }
}

/// The whole answer in sections.
fn describe(answer: &Value, verbose: bool) -> String {
    let mut sections = vec![section("Model", summary(answer))];
    let capabilities = answer["capabilities"].as_array().into_iter().flatten();
    sections.push(section("Capabilities", capabilities.map(|name| [text(name), String::new()]).collect()));
    let parameters = answer["parameters"].as_str().unwrap_or_default();
    let pairs = parameters.lines().filter_map(|line| line.split_once(' '));
    sections
        .push(section("Parameters", pairs.map(|(name, value)| [name.into(), value.trim().into()]).collect()));
    if verbose {
        let metadata = answer["model_info"].as_object().into_iter().flatten();
        sections.push(section(
            "Metadata",
            metadata.map(|(key, value)| [key.clone(), clip(&text(value))]).collect(),
        ));
        let tensors = answer["tensors"].as_array().into_iter().flatten();
        let tensor = |tensor: &Value| {
            [text(&tensor["name"]), format!("{} {}", text(&tensor["type"]), tensor["shape"])]
        };
        sections.push(section("Tensors", tensors.map(tensor).collect()));
    }
    for (title, field) in [("System", "system"), ("License", "license")] {
        let lines = answer[field].as_str().unwrap_or_default().lines().filter(|line| !line.trim().is_empty());
        sections.push(section(title, lines.take(3).map(|line| [clip(line), String::new()]).collect()));
    }
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn summary(answer: &Value) -> Vec<[String; 2]> {
    let information = &answer["model_info"];
    let details = &answer["details"];
    let architecture = text(&information["general.architecture"]);
    let of_architecture = |key: &str| text(&information[format!("{architecture}.{key}")]);
    let parameters = match details["parameter_size"].as_str() {
        Some(size) if !size.is_empty() => size.to_owned(),
        _ => information["general.parameter_count"].as_u64().map(human_count).unwrap_or_default(),
    };
    [
        ("architecture", architecture.clone()),
        ("parameters", parameters),
        ("context length", of_architecture("context_length")),
        ("embedding length", of_architecture("embedding_length")),
        ("quantization", text(&details["quantization_level"])),
        ("requires", text(&answer["requires"])),
        ("remote model", text(&answer["remote_model"])),
        ("remote host", text(&answer["remote_host"])),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| [name.to_owned(), value])
    .collect()
}

fn section(title: &str, rows: Vec<[String; 2]>) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let table = format::table(&rows);
    Some(format!("  {title}\n") + &table.lines().map(|line| format!("    {line}\n")).collect::<String>())
}

fn clip(line: &str) -> String {
    const WIDTH: usize = 100;
    match line.char_indices().nth(WIDTH) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_have_nothing_are_left_out() {
        let answer = json!({
            "details": {"parameter_size": "1.48M", "quantization_level": "F16"},
            "model_info": {"general.architecture": "llama", "llama.context_length": 512},
            "parameters": "stop                           \"a b\"",
            "capabilities": ["completion"],
        });
        assert_eq!(
            describe(&answer, false),
            concat!(
                "  Model\n    architecture      llama\n    parameters        1.48M\n",
                "    context length    512\n    quantization      F16\n\n",
                "  Capabilities\n    completion\n\n  Parameters\n    stop    \"a b\"\n",
            )
        );
    }
}
