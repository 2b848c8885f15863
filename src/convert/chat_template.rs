//! The chat template of a checkpoint: in the tokenizer's settings or in a file of its own.

use serde_json::{Map, Value};

use super::ConvertError;
use super::files::Files;
use super::parameters::Parameters;

const FOLDER: &str = "additional_chat_templates/";
const KEY: &str = "tokenizer.chat_template";

/// A template, or several with names.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ChatTemplate {
    One(String),
    /// Names and templates; the one called `default` is the template proper.
    Named(Vec<(String, String)>),
}

impl ChatTemplate {
    /// The template in the tokenizer's settings, or else `chat_template.jinja` with those in the folder beside it,
    /// or else `chat_template.json`.
    pub(super) fn load(
        files: Files<'_>,
        settings: &Map<String, Value>,
    ) -> Result<Option<Self>, ConvertError> {
        if let Some(template) = settings.get("chat_template") {
            return Ok(Self::from_json(template));
        }
        if let Some(template) = files.text("chat_template.jinja")? {
            let mut named = vec![("default".to_owned(), template.to_owned())];
            for file in files.names() {
                let name = file.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(".jinja"));
                if let Some(name) = name
                    && let Some(text) = files.text(file)?
                {
                    named.push((name.to_owned(), text.to_owned()));
                }
            }
            return Ok(Some(match named.as_slice() {
                [(_, only)] => Self::One(only.clone()),
                _ => Self::Named(named),
            }));
        }
        let json = files.json("chat_template.json")?;
        Ok(json.as_ref().and_then(|json| json.get("chat_template")).and_then(Self::from_json))
    }

    fn from_json(template: &Value) -> Option<Self> {
        match template {
            Value::String(template) => Some(Self::One(template.clone())),
            Value::Array(choices) => {
                let text =
                    |choice: &Value, key: &str| choice.get(key).and_then(Value::as_str).map(str::to_owned);
                let named = choices
                    .iter()
                    .filter_map(|choice| Some((text(choice, "name")?, text(choice, "template")?)));
                Some(Self::Named(named.collect()))
            }
            _ => None,
        }
    }

    pub(super) fn write(&self, out: &mut Parameters) {
        match self {
            Self::One(template) => out.set_plain(KEY, template.as_str()),
            Self::Named(named) => write_named(named, out),
        }
    }
}

fn write_named(named: &[(String, String)], out: &mut Parameters) {
    let mut names: Vec<String> = Vec::new();
    let mut default = None;
    for (name, template) in named {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        match name.as_str() {
            "" => {}
            "default" => default = Some(template.as_str()),
            _ => {
                out.set_plain(&format!("{KEY}.{name}"), template.as_str());
                names.push(name);
            }
        }
    }
    if !names.is_empty() {
        out.set_plain("tokenizer.chat_templates", names);
    }
    if let Some(default) = default {
        out.set_plain(KEY, default);
    }
}
