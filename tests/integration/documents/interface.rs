//! The page about the interface, made of the OpenAPI document.

use std::fmt::Write as _;

use serde_json::Value;

use super::generated::{cell, made_by, page_is};
use super::schema::{fields, type_name};
use crate::in_process::InProcess;

/// What each group of routes is called.
const GROUPS: [(&str, &str); 2] = [("Ollama", "Ollama's"), ("ollamake", "Beyond Ollama's")];

/// The document, as the server answers it.
async fn document() -> Value {
    let answer = InProcess::new().call("GET", "/ollamake/v1/openapi.json", "").await;
    serde_json::from_str(&answer.body).unwrap()
}

/// Operations of a group: path, method, description. HEAD is what GET is, without the body.
fn operations<'a>(
    document: &'a Value,
    group: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let has_get = methods.get("get").is_some();
            let methods = methods.as_object().unwrap().iter();
            let methods = methods.filter(move |(method, _)| !(has_get && *method == "head"));
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .filter(move |(_, _, operation)| operation["tags"][0] == group)
}

/// An operation: what it is for, what it takes, what it answers.
fn described(path: &str, method: &str, operation: &Value) -> String {
    let mut text = format!("\n### {} {path}\n\n{}\n", method.to_uppercase(), summary(operation));
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let rows: Vec<_> = parameters
        .map(|parameter| {
            let text = |key: &str| cell(parameter[key].as_str().unwrap_or_default());
            let (name, place, about) = (text("name"), text("in"), text("description"));
            format!("| `{name}` | {place} | {} | {about} |\n", type_name(&parameter["schema"]))
        })
        .collect();
    if !rows.is_empty() {
        write!(text, "\n| parameter | in | | |\n|---|---|---|---|\n{}", rows.concat()).unwrap();
    }
    for (media, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        write!(text, "\nTakes {} as `{media}`.\n", type_name(&content["schema"])).unwrap();
    }
    let (mut answers, mut failures) = (String::new(), Vec::new());
    for (status, answer) in operation["responses"].as_object().unwrap() {
        if status.starts_with(['4', '5']) {
            failures.push(format!("[{status}](errors.md#{status})"));
            continue;
        }
        let contents = answer["content"].as_object().into_iter().flatten();
        let contents: Vec<_> = contents
            .map(|(media, content)| format!("{} as `{media}`", type_name(&content["schema"])))
            .collect();
        let about = cell(answer["description"].as_str().unwrap_or_default());
        writeln!(answers, "| {status} | {about} | {} |", contents.join("; ")).unwrap();
    }
    write!(text, "\n| status | | |\n|---|---|---|\n{answers}").unwrap();
    if !failures.is_empty() {
        writeln!(text, "\nFailures: {}.", failures.join(", ")).unwrap();
    }
    text
}

fn summary(operation: &Value) -> &str {
    operation["summary"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_page_says_what_the_document_says() {
    let document = document().await;
    let mut page = String::from("# The interface\n\n") + &made_by("interface");
    page += "\nEach route, with what it takes and what it answers. It is made of the OpenAPI document that \
             the server itself answers under\n`/ollamake/v1/openapi.json`, for programs. A `?` stands behind \
             fields that may be absent. What failures look like, and what each status\nmeans, is told in \
             [Errors](errors.md); with a key set, requests need the header `Authorization: Bearer KEY`.\n";
    for (group, title) in GROUPS {
        write!(page, "\n## {title}\n\n| | |\n|---|---|\n").unwrap();
        for (path, method, operation) in operations(&document, group) {
            let method = method.to_uppercase();
            let anchor = format!("{method}-{path}").to_lowercase().replace(['/', '{', '}', '.'], "");
            writeln!(page, "| [{method} {path}](#{anchor}) | {} |", summary(operation)).unwrap();
        }
        for (path, method, operation) in operations(&document, group) {
            page += &described(path, method, operation);
        }
    }
    page += "\n## Types of the document\n";
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        write!(page, "\n### {name}\n").unwrap();
        if let Some(about) = schema["description"].as_str() {
            write!(page, "\n{}\n", about.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap();
        }
        match fields(schema) {
            none if none.is_empty() => writeln!(page, "\n{}", type_name(schema)).unwrap(),
            fields => page += &fields,
        }
    }
    page_is("reference/interface.md", &page);
}

#[tokio::test]
async fn every_status_of_a_failure_is_explained() {
    let errors =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/errors.md")).unwrap();
    let document = document().await;
    for (group, _) in GROUPS {
        for (path, method, operation) in operations(&document, group) {
            let statuses = operation["responses"].as_object().unwrap().keys();
            for status in statuses.filter(|status| status.starts_with(['4', '5'])) {
                let heading = format!("\n### {status}\n");
                assert!(
                    errors.contains(&heading),
                    "{method} {path} answers {status}, which errors.md does not explain"
                );
            }
        }
    }
}
