//! The `general.*` metadata: what a model is called, where it comes from and how it likes to be sampled
//! (llama.cpp, `gguf-py/gguf/metadata.py`).
//!
//! The reference converter takes much of this from the name of the checkpoint's directory. What is uploaded
//! has no directory, so the model card and the configuration alone are asked, and what they do not say is
//! left out.

use serde_json::{Map, Value};

use super::ConvertError;
use super::files::Files;
use super::model_card;
use super::model_id::{ModelId, title};
use super::parameters::Parameters;
use super::size_label::ParameterCount;

/// The model card.
pub(super) const MODEL_CARD: &str = "README.md";

/// Whose metadata are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Model,
    Projector,
    Adapter,
}

impl FileKind {
    fn name(self) -> &'static str {
        match self {
            FileKind::Model => "model",
            FileKind::Projector => "mmproj",
            FileKind::Adapter => "adapter",
        }
    }
}

/// Fields that a model card and a configuration can fill, in the order in which they are written.
#[derive(Debug, Default)]
struct Identity {
    name: Option<String>,
    author: Option<String>,
    version: Option<String>,
    organization: Option<String>,
    finetune: Option<String>,
    basename: Option<String>,
    description: Option<String>,
    size_label: Option<String>,
}

/// Writes everything under `general.` but the file type. `id` is what the configuration calls the checkpoint.
pub(super) fn write(
    kind: FileKind,
    files: Files<'_>,
    id: Option<&str>,
    parameters: ParameterCount,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    out.set_plain("general.type", kind.name());
    if kind == FileKind::Adapter {
        out.set_plain("adapter.type", "lora");
    }
    let card = model_card::front_matter(files.text(MODEL_CARD)?.unwrap_or_default());
    sampling(files, out);
    let identity = identity(&card, id, parameters);
    let label = identity.size_label.clone().or_else(|| parameters.label());
    for (key, value) in [
        ("name", &identity.name),
        ("author", &identity.author),
        ("version", &identity.version),
        ("organization", &identity.organization),
        ("finetune", &identity.finetune),
        ("basename", &identity.basename),
        ("description", &identity.description),
        ("size_label", &label),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            out.set_plain(&format!("general.{key}"), value.as_str());
        }
    }
    license(&card, out);
    for (key, names) in SOURCES {
        if let Some(value) = first_text(&card, names) {
            out.set_plain(key, value);
        }
    }
    parents(&card, &["base_model", "base_models", "base_model_sources"], "base_model", parameters, out);
    parents(&card, &["datasets", "dataset", "dataset_sources"], "dataset", parameters, out);
    for (key, names) in [("tags", ["tags", "pipeline_tag"]), ("languages", ["languages", "language"])] {
        let values: Vec<String> = names.iter().flat_map(|name| texts(&card, name)).collect();
        if !values.is_empty() {
            out.set_plain(&format!("general.{key}"), values);
        }
    }
    Ok(())
}

/// Where the checkpoint itself was published.
const SOURCES: [(&str, &[&str]); 4] = [
    ("general.source.url", &["url", "model_url"]),
    ("general.source.doi", &["doi", "model_doi"]),
    ("general.source.uuid", &["uuid", "model_uuid"]),
    ("general.source.repo_url", &["repo_url", "model_repo_url"]),
];

fn identity(card: &Map<String, Value>, id: Option<&str>, parameters: ParameterCount) -> Identity {
    let text = |names: &[&str]| first_text(card, names).map(str::to_owned);
    let mut identity = Identity {
        name: text(&["name", "model_name"]),
        author: text(&["author", "model_author", "model_creator"]),
        version: text(&["version", "model_version"]),
        organization: text(&["organization", "model_organization"]),
        finetune: text(&["finetune", "model_finetune"]),
        basename: text(&["basename", "model_basename", "model_type"]),
        description: text(&["description", "model_description"]),
        size_label: text(&["size_label", "model_size_label"]),
    };
    // More than one slash is the path of a directory, not an id.
    if let Some(id) = id.filter(|id| !id.is_empty() && id.matches('/').count() <= 1) {
        let id = ModelId::parse(id, parameters.total());
        identity.name = identity.name.or_else(|| Some(title(&id.name)));
        identity.organization = identity.organization.or(id.organization.as_deref().map(title));
        identity.basename = identity.basename.or(id.basename);
        identity.finetune = identity.finetune.or(id.finetune);
        identity.version = identity.version.or(id.version);
        identity.size_label = identity.size_label.or(id.size_label);
    }
    identity
}

/// Sampling parameters of `generation_config.json`, which is not worth an error when it is damaged.
fn sampling(files: Files<'_>, out: &mut Parameters) {
    let Ok(Some(Value::Object(settings))) = files.json("generation_config.json") else { return };
    let number = |names: &[&str]| names.iter().find_map(|name| settings.get(*name)).and_then(Value::as_f64);
    if let Some(sequence) = settings.get("sequence").and_then(Value::as_str) {
        out.set_plain("general.sampling.sequence", sequence);
    }
    const WHOLE: bool = true;
    let keys: [(&str, &[&str], bool); 11] = [
        ("top_k", &["top_k"], WHOLE),
        ("top_p", &["top_p"], !WHOLE),
        ("min_p", &["min_p"], !WHOLE),
        ("xtc_probability", &["xtc_probability"], !WHOLE),
        ("xtc_threshold", &["xtc_threshold"], !WHOLE),
        ("temp", &["temperature"], !WHOLE),
        ("penalty_last_n", &["penalty_last_n"], WHOLE),
        ("penalty_repeat", &["penalty_repeat", "repetition_penalty"], !WHOLE),
        ("mirostat", &["mirostat"], WHOLE),
        ("mirostat_tau", &["mirostat_tau"], !WHOLE),
        ("mirostat_eta", &["mirostat_eta"], !WHOLE),
    ];
    for (key, names, whole) in keys {
        let key = format!("general.sampling.{key}");
        match number(names) {
            Some(value) if whole => out.set_plain(&key, value as i32),
            Some(value) => out.set_plain(&key, value as f32),
            None => {}
        }
    }
}

fn license(card: &Map<String, Value>, out: &mut Parameters) {
    let licenses = texts(card, "license");
    if !licenses.is_empty() {
        out.set_plain("general.license", licenses.join(","));
    }
    for (key, name) in [("general.license.name", "license_name"), ("general.license.link", "license_link")] {
        if let Some(value) = first_text(card, &[name]) {
            out.set_plain(key, value);
        }
    }
}

/// The most models or data sets that are listed: each is several keys of the file.
const MOST_PARENTS: usize = 1000;

/// Models or data sets that a model was made from, given as ids, addresses or objects; nothing where there
/// are too many.
fn parents(
    card: &Map<String, Value>,
    names: &[&str],
    key: &str,
    parameters: ParameterCount,
    out: &mut Parameters,
) {
    let Some(value) = names.iter().find_map(|name| card.get(*name)) else { return };
    let entries = match value {
        Value::Array(entries) => entries.as_slice(),
        Value::String(_) => std::slice::from_ref(value),
        _ => &[],
    };
    if entries.len() > MOST_PARENTS {
        return;
    }
    out.set_plain(&format!("general.{key}.count"), entries.len() as u32);
    for (index, entry) in entries.iter().enumerate() {
        let fields = match entry {
            Value::String(id) => parent_of_id(id, parameters.total()),
            Value::Object(fields) => {
                let text = |name: &'static str| Some((name, fields.get(name)?.as_str()?.to_owned()));
                PARENT_FIELDS.into_iter().filter_map(text).collect()
            }
            _ => Vec::new(),
        };
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            out.set_plain(&format!("general.{key}.{index}.{name}"), value);
        }
    }
}

const PARENT_FIELDS: [&str; 9] =
    ["name", "author", "version", "organization", "description", "url", "doi", "uuid", "repo_url"];

fn parent_of_id(id: &str, parameters: i64) -> Vec<(&'static str, String)> {
    const HUB: &str = "https://huggingface.co/";
    let is_address = ["http://", "https://", "ssh://"].iter().any(|scheme| id.starts_with(scheme));
    let hub_id = if is_address {
        let path = id.strip_prefix(HUB).or_else(|| id.strip_prefix("http://huggingface.co/"));
        path.filter(|path| path.matches('/').count() == 1 && !path.starts_with('/') && !path.ends_with('/'))
    } else {
        Some(id)
    };
    let mut fields = Vec::new();
    let parsed = hub_id.map(|id| ModelId::parse(id, parameters));
    if let Some(parsed) = &parsed {
        fields.push(("name", title(&parsed.name)));
        fields.extend(parsed.version.clone().map(|version| ("version", version)));
        fields
            .extend(parsed.organization.as_deref().map(|organization| ("organization", title(organization))));
    }
    match &parsed {
        _ if is_address => fields.push(("repo_url", id.to_owned())),
        Some(ModelId { name, organization: Some(organization), .. }) => {
            fields.push(("repo_url", format!("{HUB}{organization}/{name}")));
        }
        _ => {}
    }
    fields
}

/// The first of these fields that says anything, if that is a text. An empty one is not written.
fn first_text<'c>(card: &'c Map<String, Value>, names: &[&str]) -> Option<&'c str> {
    let said = names.iter().find_map(|name| card.get(*name).filter(|value| !value.is_null()));
    said.and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn texts(card: &Map<String, Value>, name: &str) -> Vec<String> {
    match card.get(name) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_parents_are_none() {
        for (count, listed) in [(MOST_PARENTS, true), (MOST_PARENTS + 1, false)] {
            let card = Map::from_iter([("base_model".to_owned(), vec!["org/Base-7B"; count].into())]);
            let mut out = Parameters::new("llama");
            parents(&card, &["base_model"], "base_model", ParameterCount::default(), &mut out);
            assert_eq!(out.has_plain("general.base_model.count"), listed);
        }
    }
}
