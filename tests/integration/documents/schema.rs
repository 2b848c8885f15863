//! JSON schemas, as tables for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::generated::cell;

/// What a value of this schema is, with links to the types of the document.
pub(super) fn type_name(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        if let Some(several) = schema[word].as_array() {
            let names = several.iter().filter(|one| one["type"] != "null").map(type_name);
            return names.collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    // What may be null is left out or null; that is the same to most clients.
    let names: Vec<_> = match &schema["type"] {
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        name => name.as_str().into_iter().collect(),
    };
    match names[..] {
        ["array"] => match (&schema["items"], schema["prefixItems"].as_array()) {
            (_, Some(items)) => format!("[{}]", items.iter().map(type_name).collect::<Vec<_>>().join(", ")),
            (items, None) => format!("list of {}", type_name(items)),
        },
        ["object"] if schema["additionalProperties"].is_object() => {
            format!("object of {}", type_name(&schema["additionalProperties"]))
        }
        [] => "anything".to_owned(),
        _ => names.join(" or "),
    }
}

/// The fields of an object, a row each; nothing of another type.
pub(super) fn fields(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else { return String::new() };
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut table = String::from("\n| field | | |\n|---|---|---|\n");
    for (name, property) in properties {
        let always = if required.contains(&name.as_str()) { "" } else { "?" };
        let about = cell(property["description"].as_str().unwrap_or_default());
        writeln!(table, "| `{name}`{always} | {} | {about} |", type_name(property)).unwrap();
    }
    table
}
