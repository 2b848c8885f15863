//! Templates that would cost more to read than to write.

use serde_json::json;

use super::{Case, Input};

pub(super) fn cases() -> Vec<Case> {
    // The model need not exist: what is wrong with a template is found before it is looked for.
    let case = |name: &str, template: String, says: &str| {
        let input = Input::Create { files: Vec::new(), fields: json!({"from": "m", "template": template}) };
        Case::new("templates", name, input, 400, &[says])
    };
    vec![
        case("unclosed", "{{ if .Prompt }}".to_owned(), "EOF"),
        case("100,000 ifs in each other", "{{if .A}}".repeat(100_000), "EOF"),
        case("900,000 parentheses", format!("{{{{{}", "(".repeat(900_000)), "template"),
        case("200,000 fields", format!("{{{{{}", ".A".repeat(200_000)), "template"),
        case("a quoted text without end", format!("{{{{ \"{}", "a".repeat(900_000)), "template"),
        case("a recursion without data", r#"{{define "a"}}{{template "a"}}{{end}}"#.to_owned(), "template"),
        case("a megabyte, and a mistake", format!("{}{{{{", "text ".repeat(190_000)), "template"),
    ]
}
