//! The chat template, or several by name.

use serde_json::Value;

use super::super::ConvertError;
use super::super::files::Files;
use super::settings::{Settings, object};
use crate::gguf::Metadata;

const JINJA: &str = "chat_template.jinja";
const JSON: &str = "chat_template.json";
const FURTHER: &str = "additional_chat_templates/";
pub(super) const KEY: &str = "tokenizer.chat_template";

/// Whether a file is a template, or one of several.
pub(super) fn is_file(name: &str) -> bool {
    name == JINJA || name_of(name).is_some()
}

/// The name of a template in a file of its own.
fn name_of(file: &str) -> Option<&str> {
    let name = file.strip_prefix(FURTHER)?.strip_suffix(".jinja")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Writes the templates: those of `tokenizer_config.json`, or of `chat_template.jinja` and the files beside
/// it, or of `chat_template.json`.
///
/// # Errors
///
/// A file is not text, or not JSON.
pub(super) fn write(
    files: Files<'_>,
    settings: &Settings,
    metadata: &mut Metadata,
) -> Result<(), ConvertError> {
    // Without settings the reference converter does not look for templates either.
    if settings.values.is_empty() {
        return Ok(());
    }
    let template = match settings.values.get("chat_template") {
        Some(template) => template.clone(),
        None => from_files(files)?,
    };
    match template {
        Value::String(template) if template.is_empty() => {}
        Value::String(template) => metadata.set(KEY, template),
        Value::Array(templates) => write_named(&templates, metadata),
        _ => {}
    }
    Ok(())
}

/// Writes the template of `chat_template.jinja`, or if there is no such file, as [`write`] does.
///
/// # Errors
///
/// A file is not text, or not JSON.
pub(super) fn write_file(
    files: Files<'_>,
    settings: &Settings,
    metadata: &mut Metadata,
) -> Result<(), ConvertError> {
    match text(files, JINJA)? {
        Some(template) => metadata.set(KEY, template),
        None => write(files, settings, metadata)?,
    }
    Ok(())
}

fn from_files(files: Files<'_>) -> Result<Value, ConvertError> {
    let Some(template) = text(files, JINJA)? else {
        return Ok(object(files, JSON)?
            .and_then(|mut values| values.remove("chat_template"))
            .unwrap_or_default());
    };
    let further = files.names().filter_map(|file| Some((name_of(file)?, file)));
    let mut further: Vec<(&str, &str)> = further.collect();
    if further.is_empty() {
        return Ok(Value::String(template));
    }
    further.sort_unstable();
    let mut templates = vec![serde_json::json!({"name": "default", "template": template})];
    for (name, file) in further {
        templates.push(serde_json::json!({"name": name, "template": text(files, file)?}));
    }
    Ok(Value::Array(templates))
}

/// A text with line ends of one kind, as Python reads it.
fn text(files: Files<'_>, name: &str) -> Result<Option<String>, ConvertError> {
    Ok(files.text(name)?.map(|text| text.replace("\r\n", "\n").replace('\r', "\n")))
}

fn write_named(templates: &[Value], metadata: &mut Metadata) {
    let mut names: Vec<String> = Vec::new();
    let mut default = None;
    for template in templates {
        let value = |key: &str| template.get(key).and_then(Value::as_str);
        let name: String = value("name").unwrap_or_default().chars().map(plain).collect();
        match value("template") {
            None => {}
            Some(_) if name.is_empty() => {}
            Some(template) if name == "default" => default = Some(template),
            Some(template) => {
                metadata.set(format!("{KEY}.{name}"), template);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    if !names.is_empty() {
        metadata.set("tokenizer.chat_templates", names);
    }
    if let Some(template) = default {
        metadata.set(KEY, template);
    }
}

/// Names become parts of keys.
fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() { character } else { '_' }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safetensors::NamedSource;

    fn keys(sources: &[(&str, &str)]) -> Vec<(String, String)> {
        let sources: Vec<NamedSource<'_>> =
            sources.iter().map(|(name, text)| NamedSource { name, bytes: text.as_bytes() }).collect();
        let files = Files::new(&sources);
        let mut metadata = Metadata::new();
        write(files, &Settings::read(files).unwrap(), &mut metadata).unwrap();
        metadata.iter().map(|(key, value)| (key.to_owned(), format!("{value:?}"))).collect()
    }

    #[test]
    fn the_settings_go_first() {
        let settings = ("tokenizer_config.json", r#"{"chat_template": "a"}"#);
        let written = keys(&[settings, ("chat_template.jinja", "b")]);
        assert_eq!(written, [(KEY.to_owned(), "String(\"a\")".to_owned())]);
        let settings = ("tokenizer_config.json", r#"{"add_bos_token": true}"#);
        let written = keys(&[
            settings,
            ("chat_template.json", r#"{"chat_template": "c"}"#),
            ("chat_template.jinja", "b\r\n"),
        ]);
        assert_eq!(written, [(KEY.to_owned(), "String(\"b\\n\")".to_owned())]);
        let written = keys(&[settings, ("chat_template.json", r#"{"chat_template": "c"}"#)]);
        assert_eq!(written, [(KEY.to_owned(), "String(\"c\")".to_owned())]);
        assert_eq!(keys(&[("chat_template.jinja", "b")]), []);
        assert_eq!(keys(&[("tokenizer_config.json", r#"{"chat_template": ""}"#)]), []);
    }

    #[test]
    fn several_templates_have_names() {
        let listed = r#"{"chat_template": [{"name": "default", "template": "a"},
            {"name": "tool-use", "template": "b"}]}"#;
        let expected = [
            ("tokenizer.chat_template.tool_use".to_owned(), "String(\"b\")".to_owned()),
            ("tokenizer.chat_templates".to_owned(), "Array(String([\"tool_use\"]))".to_owned()),
            (KEY.to_owned(), "String(\"a\")".to_owned()),
        ];
        assert_eq!(keys(&[("tokenizer_config.json", listed)]), expected);
        let files = [
            ("tokenizer_config.json", r#"{"x": 1}"#),
            ("chat_template.jinja", "a"),
            ("additional_chat_templates/tool-use.jinja", "b"),
            ("additional_chat_templates/.jinja", "c"),
            ("additional_chat_templates/x/y.jinja", "d"),
        ];
        assert_eq!(keys(&files), expected);
    }
}
